"""Laws of measures: what any AUC, Brier score, calibration slope, sensitivity or net benefit must obey."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st
from scipy.special import expit, logit

from validkit.testing.laws import MEASURES, law_of
from validkit.testing.risks import binary_risks, right_risks
from validkit.testing.subjects import Answer, Subject, asked

__all__ = ["METRIC_LAWS"]

SAME = 1e-9
THRESHOLD = 0.35
RANKED = ("discrimination",)
CUT = ("classification", "utility")
NAMES = ("all", "none", "model 1", "outcome", "index", "y_true", "ümlaut", "0", "a.b", "a-b")


def same(a: Answer, b: Answer, tolerance: float = SAME) -> bool:
    """Whether two answers are one: values and interval ends, or both refused or undefined."""
    if not (a.given and b.given):
        return a.given == b.given
    pairs = ((a.value, b.value), (a.low, b.low), (a.high, b.high))
    return all(_close(x, y, tolerance) for x, y in pairs)


def _close(x: float, y: float, tolerance: float) -> bool:
    if math.isnan(x) or math.isnan(y):
        return math.isnan(x) and math.isnan(y)
    return x == y or math.isclose(x, y, rel_tol=tolerance, abs_tol=tolerance)


def _ordinary(subject: Subject) -> Any:
    return binary_risks(patients=(4, 30), certain=False)


def _hostile(subject: Subject) -> Any:
    return binary_risks(patients=(2, 30), least=0)


def _differ(what: str, a: Answer, b: Answer) -> str:
    return "" if same(a, b) else f"{a} becomes {b} {what}"


@law_of(
    "answers",
    "Patients of both outcomes, with risks strictly between 0 and 1, get a number.",
    ("discrimination", "overall"),
    lambda subject: binary_risks(patients=(4, 30), certain=False),
)
def answers(subject: Subject, example: Any) -> str:
    found = subject(*example)
    return "" if found.given else f"the answer is {found}"


@law_of(
    "order-of-patients",
    "The order of the patients changes nothing.",
    MEASURES,
    lambda subject: st.tuples(_ordinary(subject), st.permutations(range(30))),
)
def order(subject: Subject, example: Any) -> str:
    (y, p), drawn = example
    rows = [row for row in drawn if row < y.size]
    return _differ(f"with patients in the order {rows}", subject(y, p), subject(y[rows], p[rows]))


@law_of("same-answer-twice", "Asked twice, it answers the same.", MEASURES, _ordinary)
def twice(subject: Subject, example: Any) -> str:
    return _differ("when asked again", subject(*example), subject(*example))


@law_of("leaves-input-alone", "It changes neither outcomes nor risks of the caller.", MEASURES, _hostile)
def untouched(subject: Subject, example: Any) -> str:
    y, p = (part.copy() for part in example)
    subject(y, p)
    changed = [name for name, a, b in zip(("outcomes", "risks"), (y, p), example, strict=True) if not (a == b).all()]
    return f"{' and '.join(changed)} were changed" if changed else ""


@law_of("range", "Its values lie in their range.", MEASURES, _hostile)
def in_range(subject: Subject, example: Any) -> str:
    found = subject(*example)
    if found.given and not subject.low - SAME <= found.value <= subject.high + SAME:
        return f"{found.value:.6g} lies outside [{subject.low:g}, {subject.high:g}]"
    return ""


@law_of("interval", "An interval holds its value and stays in the range of values.", MEASURES, _hostile)
def interval(subject: Subject, example: Any) -> str:
    found = subject(*example)
    if not found.given or math.isnan(found.low):
        return ""
    if not found.low - SAME <= found.value <= found.high + SAME:
        return f"{found} does not hold its value"
    if found.low < subject.low - SAME or found.high > subject.high + SAME:
        return f"{found} leaves [{subject.low:g}, {subject.high:g}]"
    return ""


@law_of(
    "confidence",
    "More confidence is a wider interval.",
    MEASURES,
    _ordinary,
    lambda subject: "" if subject.level else "it takes no level of confidence",
)
def confidence(subject: Subject, example: Any) -> str:
    narrow, wide = (subject(*example, **{subject.level: level}) for level in (0.8, 0.95))
    width = narrow.high - narrow.low
    if math.isnan(width) or math.isnan(wide.low) or width < SAME:
        return ""
    held = wide.low <= narrow.low + SAME and wide.high >= narrow.high - SAME
    cut = narrow.low <= subject.low + SAME and narrow.high >= subject.high - SAME
    wider = wide.low < narrow.low or wide.high > narrow.high
    return "" if held and (cut or wider) else f"80 % {narrow}, 95 % {wide}"


@law_of(
    "missing-risk",
    "A missing risk is refused or makes the result undefined; it is not a low risk.",
    MEASURES,
    _ordinary,
)
def missing(subject: Subject, example: Any) -> str:
    y, p = example
    holed = p.copy()
    holed[0] = math.nan
    found = subject(y, holed)
    return f"patient 0 has no risk, and {found} comes back with no warning" if found.given and not found.warned else ""


@law_of(
    "one-outcome",
    "Patients of one outcome alone have no discrimination.",
    RANKED,
    lambda s: binary_risks(patients=(2, 12)),
)
def one_outcome(subject: Subject, example: Any) -> str:
    _, p = example
    for y in (np.zeros(p.size, int), np.ones(p.size, int)):
        found = subject(y, p)
        if found.given and not found.warned:
            return f"all outcomes are {y[0]}, and {found} comes back"
    return ""


@law_of("coding", "Outcomes may be integers, booleans or floats.", MEASURES, _ordinary)
def coding(subject: Subject, example: Any) -> str:
    y, p = example
    first = subject(y, p)
    for kind in (bool, float, np.uint8):
        other = subject(y.astype(kind), p)
        if not same(first, other):
            return f"{first} becomes {other} with outcomes of type {np.dtype(kind).name}"
    return ""


@law_of(
    "labelled-rows",
    "Rows are matched by place, whatever their labels; labels in two orders are refused rather than matched anew.",
    MEASURES,
    _ordinary,
)
def labelled(subject: Subject, example: Any) -> str:
    import pandas as pd

    y, p = example
    labels = list(range(y.size))[::-1]
    first, named = subject(y, p), subject(pd.Series(y, index=labels), pd.Series(p, index=labels))
    crossed = subject(pd.Series(y, index=labels), pd.Series(p))
    told = _differ("as labelled columns", first, named)
    return told if told or crossed.refusal else _differ("where labels of rows differ", first, crossed)


@law_of("strided-arrays", "Views into a larger array are what they show.", MEASURES, _ordinary)
def strided(subject: Subject, example: Any) -> str:
    y, p = example
    table = np.zeros((y.size, 3))
    table[:, 1] = p
    wide = np.zeros(2 * y.size, dtype=y.dtype)
    wide[::2] = y
    return _differ("as views of a table", subject(y, p), subject(wide[::2], table[:, 1]))


@law_of(
    "everybody-twice",
    "Everybody twice changes no mean, and doubles a sum.",
    MEASURES,
    _ordinary,
    lambda subject: "it smooths, groups or counts steps between patients" if subject.groups else "",
)
def doubled(subject: Subject, example: Any) -> str:
    y, p = example
    once, again = subject(y, p), subject(np.r_[y, y], np.r_[p, p])
    wanted = Answer(once.value * (2 if subject.total else 1)) if once.given else once
    return (
        ""
        if same(wanted, Answer(again.value, refusal=again.refusal))
        else f"{once} becomes {again} with everybody twice"
    )


@law_of(
    "weights-are-copies",
    "A patient of weight three is that patient three times.",
    MEASURES,
    lambda subject: st.tuples(_ordinary(subject), st.lists(st.integers(0, 3), min_size=30, max_size=30)),
    lambda subject: "" if subject.weights else "it takes no weights",
)
def weighted(subject: Subject, example: Any) -> str:
    (y, p), drawn = example
    weights = np.array(drawn[: y.size])
    for outcome in (0, 1):
        first = int(np.flatnonzero(y == outcome)[0])
        weights[first] = max(weights[first], 1)
    copied = subject(np.repeat(y, weights), np.repeat(p, weights))
    options: dict[str, Any] = {subject.weights: weights}
    found = subject(y, p, **options)
    return "" if same(copied, found) else f"weights {weights.tolist()} give {found}, copies {copied}"


@law_of(
    "increasing-transform",
    "A strictly increasing transform of the risks changes no ranks, and classes only as the threshold moves with it.",
    (*RANKED, "classification"),
    lambda subject: st.tuples(_ordinary(subject), st.sampled_from((0.5, 2.0, 3.0)), st.sampled_from((-1.0, 0.0, 1.0))),
)
def transformed(subject: Subject, example: Any) -> str:
    (y, p), slope, shift = example
    moved, at = expit(slope * logit(p) + shift), float(expit(slope * logit(THRESHOLD) + shift))
    if (np.abs(p - THRESHOLD) < SAME).any() or np.unique(moved).size < np.unique(p).size:
        return ""
    after = subject(y, moved, threshold=at) if subject.threshold else subject(y, moved)
    return _differ(f"after log odds times {slope:g} plus {shift:g}", subject(y, p), after)


@law_of(
    "event-and-absence",
    "Calling the event the non-event, and every risk 1 - risk, changes nothing.",
    MEASURES,
    lambda subject: binary_risks(patients=(4, 30)),
    lambda subject: "" if subject.symmetric else "it is about the event, not about its absence",
)
def exchanged(subject: Subject, example: Any) -> str:
    y, p = example
    other = np.round(1 - p, 2)
    kept = {"threshold": THRESHOLD} if subject.threshold else {}
    swapped = {"threshold": round(1 - THRESHOLD, 2)} if subject.threshold else {}
    if subject.threshold and (np.abs(p - THRESHOLD) < SAME).any():
        return ""
    return _differ("with event and non-event exchanged", subject(y, p, **kept), subject(1 - y, other, **swapped))


@law_of(
    "direction-is-declared",
    "Ranks that are perfect, constant or reversed get what they deserve: no direction is chosen for the user.",
    RANKED,
    lambda subject: st.tuples(st.integers(1, 12), st.integers(1, 12)),
)
def direction(subject: Subject, example: Any) -> str:
    events, others = example
    y = np.r_[np.zeros(others, int), np.ones(events, int)]
    p = (1 + np.arange(y.size)) / (y.size + 2)
    for wanted, risks, what in (
        (subject.perfect, p, "perfect"),
        (subject.worst, p[::-1].copy(), "reversed"),
        (subject.chance, np.full(y.size, 0.3), "constant"),
    ):
        found = subject(y, risks)
        if wanted is not None and not (found.given and math.isclose(found.value, wanted, abs_tol=1e-9)):
            return f"{what} ranks of {events} events among {y.size} give {found}, not {wanted:g}"
    return ""


@law_of(
    "right-risk-is-best",
    "Where risks are right, no wrong ones look better: they are expected to lose, or at most to tie.",
    ("discrimination", "calibration", "overall", "utility"),
    lambda subject: st.tuples(
        right_risks(), st.sampled_from((0.4, 0.7, 1.0, 1.6, 2.5)), st.sampled_from((-1.0, 0.0, 1.0))
    ),
    lambda subject: "" if subject.proper else "it is not proper, or does not claim to be",
)
def proper(subject: Subject, example: Any) -> str:
    (y, right), slope, shift = example
    wrong = expit(slope * logit(right) + shift)
    best, found = (subject(y, risks, threshold=THRESHOLD) for risks in (right, wrong))
    if not (best.given and found.given):
        return ""
    distorted = f"risks distorted by log odds times {slope:g} plus {shift:g}"
    if subject.better(found.value, best.value):
        return f"the right risks get {best.value:.6g}, {distorted} {found.value:.6g}"
    differs = np.abs(wrong - right).max() > 1e-3
    if subject.strictly and differs and not subject.better(best.value, found.value):
        return f"the right risks get {best.value:.6g}, and {distorted} no worse: {found.value:.6g}"
    return ""


@law_of(
    "parts-add-up",
    "A mean over patients is the weighted mean of its parts.",
    ("overall", "utility"),
    lambda subject: st.tuples(_ordinary(subject), st.integers(1, 3)),
    lambda subject: "" if subject.mean else "it is no mean over patients",
)
def additive(subject: Subject, example: Any) -> str:
    (y, p), cut = example
    parts = [subject(y[:cut], p[:cut]), subject(y[cut:], p[cut:])]
    whole = subject(y, p)
    if not all(one.given for one in (*parts, whole)):
        return ""
    sizes = (cut, y.size - cut)
    mean = sum(n * one.value for n, one in zip(sizes, parts, strict=True)) / y.size
    return "" if _close(mean, whole.value, SAME) else f"the whole gives {whole}, its parts {mean:.6g}"


@law_of(
    "stream-is-batch",
    "Fed in pieces, it answers as it does to the whole.",
    MEASURES,
    lambda subject: st.tuples(_ordinary(subject), st.integers(1, 7)),
    lambda subject: "" if subject.stream else "it has no streaming form (`stream=`)",
)
def streamed(subject: Subject, example: Any) -> str:
    (y, p), size = example
    assert subject.stream is not None
    fed = subject.stream()

    def total() -> Any:
        for start in range(0, y.size, size):
            fed.update(y[start : start + size], p[start : start + size])
        return fed.compute()

    return _differ(f"fed in pieces of {size}", subject(y, p), asked(total))


@law_of(
    "decimal-threshold",
    "A patient at the threshold is on one side of it at every decimal: 0.1 + 0.2 is 0.3.",
    CUT,
    lambda subject: st.tuples(st.lists(st.integers(0, 1), min_size=9, max_size=9), st.integers(1, 9)),
    lambda subject: "" if subject.threshold else "it takes no threshold",
)
def decimal(subject: Subject, example: Any) -> str:
    outcomes, k = example
    y, p = np.array(outcomes), np.arange(1, 10) / 10
    for counted in (sum([0.1] * k), k * 0.1):
        plain, other = subject(y, p, threshold=k / 10), subject(y, p, threshold=counted)
        if not same(plain, other, 1e-7):
            return f"at {k / 10} it gives {plain}, at {counted!r} {other}"
    return ""


@law_of(
    "names-are-names",
    "What a model is called changes nothing.",
    MEASURES,
    lambda subject: st.tuples(_ordinary(subject), st.sampled_from(NAMES)),
    lambda subject: "" if subject.names else "it takes no names (`names=`)",
)
def named(subject: Subject, example: Any) -> str:
    (y, p), name = example
    assert subject.names is not None
    plain, other = (asked(lambda label=label: _number(subject.names(y, {label: p}))) for label in ("model", name))  # type: ignore[misc]
    return "" if same(plain, other) else f"called 'model' it gives {plain}, called {name!r} {other}"


def _number(result: Any) -> float:
    """A number that stands for a table, a curve or a figure: the sum of all that is finite in it."""
    if hasattr(result, "select_dtypes"):
        result = result.select_dtypes("number").to_numpy()
    values = np.asarray(result, dtype=float)
    return float(values[np.isfinite(values)].sum())


METRIC_LAWS = (
    answers, order, twice, untouched, in_range, interval, confidence, missing, one_outcome, coding, labelled, strided,
    doubled, weighted, transformed, exchanged, direction, proper, additive, streamed, decimal, named,
)  # fmt: skip
