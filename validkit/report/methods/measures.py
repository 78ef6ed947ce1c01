"""What was measured, with which intervals, and how models were compared and judged."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

from validkit.report import text
from validkit.report.acceptance import judged
from validkit.report.methods.intervals import how, moved
from validkit.report.methods.saying import cite, cut, fraction, level, percent, said, spelled, told
from validkit.report.records import CORRECTED, HELD_OUT, TRAINING, NotAvailable, Run, dig, need
from validkit.report.subject import spoken, subject
from validkit.report.values import count, curve, estimate, number

__all__ = ["measures_text"]

DECIDED = ("sensitivity", "specificity", "ppv", "npv", "accuracy")
SHARED_BY = ("auc", "slope", "calibration_in_the_large", "oe", "brier", "sensitivity")
"""what may share one kind of interval, told once"""
DECISIONS = {"ppv": "positive", "npv": "negative"}
DISTANCES = {"ici": "ICI", "e50": "E50", "e90": "E90", "emax": "Emax"}
ADJUSTED = {
    "holm": f"Holm's method {cite('Holm1979')}",
    "hochberg": f"Hochberg's method {cite('Hochberg1988')}",
    "bh": f"Benjamini and Hochberg's method {cite('Benjamini1995')}",
}
AS_IS = "They describe the chance in which patients were judged, for the predictions as they are"
NARROW = {
    "holdout": "They describe the chance in which patients were held out, for the model as fitted",
    "bootstrap": "They leave out the uncertainty of the optimism itself",
    "external": AS_IS,
    "as-given": AS_IS,
}
SHARED = (
    "They describe the chance in which patients were judged, for the models as fitted; the fits share training "
    "patients, so what fitting on other patients would bring is not fully in them"
)


def measures_text(run: Run) -> str:
    """Discrimination, calibration, overall performance, classification, utility, comparisons, criteria, intervals."""
    return told(run, (_auc, _second, _calibration, _curve, _distances, _hosmer, _brier, _threshold, _utility, _all,
                      _compared, _criteria, _level, _moved))  # fmt: skip


def _scores(run: Run) -> Mapping[str, Any]:
    return subject(run).scores


def _common(run: Run) -> str:
    """The words of an interval that most measures share; "" where none is."""
    counted = Counter(filter(None, (how(_scores(run).get(key)) for key in SHARED_BY)))
    words, n = counted.most_common(1)[0] if counted else ("", 0)
    return words if n >= len(SHARED_BY) - 1 else ""


def _made(run: Run, record: Mapping[str, Any] | None) -> str:
    """How an interval was made, unless that is told once for all."""
    words = how(record)
    return "" if words == _common(run) else words


def _auc(run: Run) -> str:
    made = _made(run, need(_scores(run).get("auc"), "an AUC"))
    interval = f", with intervals by {made}" if made else ""
    return (
        f"Discrimination was summarised by the area under the receiver operating characteristic curve (AUC){interval}."
    )


def _second(run: Run) -> str:
    made = how(need(_scores(run).get("auc_bootstrap"), "a second interval"))
    return f"A second interval of the AUC came from {need(made, 'a method')}."


def _calibration(run: Run) -> str:
    scores = _scores(run)
    words = {
        "slope": (f"the calibration slope {cite('Cox1958')}", ""),
        "calibration_in_the_large": ("calibration in the large", "the intercept with the slope fixed at 1"),
        "oe": ("the ratio of observed to expected events", ""),
    }
    parts = [f"{name}{_by(run, scores[key], also)}" for key, (name, also) in words.items() if scores.get(key)]
    return f"Calibration was summarised by {text.listed(need(parts, 'calibration'))}."


def _by(run: Run, record: Mapping[str, Any] | None, also: str = "") -> str:
    """` (interval: Wilson's method)`, or nothing."""
    made = _made(run, record)
    facts = [fact for fact in (also, f"interval: {made}" if made else "") if fact]
    return f" ({'; '.join(facts)})" if facts else ""


def _curve(run: Run) -> str:
    found = curve(_scores(run).get("calibration"))
    if found is None:
        raise NotAvailable("no calibration curve was recorded")
    method = cut(found.method).partition(" (")[0]
    band = ", with a pointwise band" if found.has_band else ""
    return f"It was also shown as a smoothed curve{f' ({method})' if method else ''} {cite('Austin2014')}{band}."


def _distances(run: Run) -> str:
    found = _scores(run).get("measures") or {}
    there = [words for key, words in DISTANCES.items() if estimate(found.get(key)).defined]
    made = _made(run, found.get("ici"))
    interval = f", with intervals by {made}" if made else ""
    return (
        "The distance between risks and smoothed observed proportions was summarised by "
        f"{text.listed(need(there, 'distances'))} {cite('Austin2019')}{interval}."
    )


def _hosmer(run: Run) -> str:
    need(_scores(run).get("hosmer_lemeshow"), "a Hosmer-Lemeshow test")
    groups = count(run.setting("evaluation.hosmer_lemeshow.groups"))
    among = f" in {groups} groups of risk" if groups else ""
    return f"The Hosmer-Lemeshow test{among} {cite('Hosmer1980')} was computed as well."


def _brier(run: Run) -> str:
    record = need(_scores(run).get("brier"), "a Brier score")
    scaled = ", also scaled by that of the prevalence alone" if _scores(run).get("scaled_brier") else ""
    return f"Overall performance was summarised by the Brier score {cite('Brier1950')}{_by(run, record)}{scaled}."


def _threshold(run: Run) -> str:
    scores = _scores(run)
    there = need([key for key in DECIDED if scores.get(key)], "classification")
    at = need(scores.get("threshold"), "an operating threshold")
    value, rule = number(at.get("value")), cut(at.get("rule") or "")
    if math.isnan(value):
        raise NotAvailable("the threshold has no value")
    split = "each split's own" in rule
    where = f"operating thresholds of median {value:.3g}" if split else f"an operating threshold of {value:.3g}"
    youden = f" {cite('Youden1950')}" if "Youden" in rule else ""
    made = _made(run, scores[there[0]])
    interval = f", with intervals by {made}," if made else ""
    return f"{_decided(there)}{interval} were computed at {where}{f' ({rule})' if rule else ''}{youden}.{_others(run)}"


def _decided(names: list[str]) -> str:
    values = [DECISIONS[name] for name in names if name in DECISIONS]
    words = [name for name in names if name not in DECISIONS]
    words += [f"{' and '.join(values)} predictive value{'s' if len(values) > 1 else ''}"] if values else []
    return text.capital(text.listed(words))


def _others(run: Run) -> str:
    found = [number(one.get("threshold")) for one in _scores(run).get("at") or []]
    shown = [percent(one) for one in found if 0 <= one <= 1]
    if len(shown) == 1:
        return f" A threshold of {shown[0]} was examined as well."
    return f" Thresholds of {text.listed(shown)} were examined as well." if shown else ""


def _utility(run: Run) -> str:
    drawn = curve(need(_scores(run).get("decision"), "a decision curve"))
    setting = run.setting("evaluation.decision_curve") or {}
    focus = run.evaluation.get("focus") or setting.get("focus") or []
    span = ""
    if {"from", "to"} <= set(setting):
        span = f" over threshold probabilities from {fraction(setting['from'])} to {fraction(setting['to'])}"
    focused = f" (declared focus: {fraction(focus[0])} to {fraction(focus[1])})" if len(focus) == 2 else ""
    band = f", with pointwise intervals {cite('Marsh2020')}" if drawn is not None and drawn.has_band else ""
    return (
        f"Clinical utility was assessed by net benefit in decision curves {cite('Vickers2006')}{span}{focused}{band}, "
        "and set against treating all and treating none."
    )


def _all(run: Run) -> str:
    n = len(need(_scores(run).get("measures"), "further measures"))
    return f"In all, {n} measures were computed, and classed after Van Calster et al. {cite('VanCalster2025')}."


def _compared(run: Run) -> str:
    where = TRAINING if run.primary == CORRECTED else HELD_OUT
    found = need((run.evaluation.get("comparisons") or {}).get(where), "comparisons")
    tested = need(str(dig(found[0], "test.method") or ""), "a test")
    test = f"DeLong's test {cite('DeLong1988')}" if tested.startswith("DeLong") else f"this test: {cut(tested)}"
    whom = "the patients the models were fitted to" if where != run.primary else "the same patients"
    adjust = ADJUSTED.get(str(run.setting("evaluation.compare.adjust")), "")
    p = f"; p values were adjusted for the {len(found)} comparisons by {adjust}" if adjust and len(found) > 1 else ""
    return f"{_pairs(run, found)} in {whom} by {test}{p}."


def _pairs(run: Run, found: list[Mapping[str, Any]]) -> str:
    main = run.reference
    if main is None or any(main["name"] not in (pair.get("a"), pair.get("b")) for pair in found):
        return f"{spelled(len(found))} pair{' of AUCs was' if len(found) == 1 else 's of AUCs were'} compared"
    others = "the other model" if len(found) == 1 else f"each of {len(found)} other models"
    return f"The AUC of {said(spoken(main))} was compared with that of {others}"


def _criteria(run: Run) -> str:
    listed = [_criterion(one) for one in judged(run)["criteria"]]
    return (
        f"The protocol declared {len(listed)} acceptance criteri{'on' if len(listed) == 1 else 'a'}: "
        f"{'; '.join(listed)}. A criterion counted as met where the whole interval satisfied it."
    )


def _criterion(verdict: Mapping[str, Any]) -> str:
    quantity = str(verdict.get("quantity") or verdict.get("measure") or "a measure")
    against = bool(verdict.get("against"))
    return f"{cut(quantity.partition(', ')[0] if against else quantity)} {cut(verdict.get('rule') or 'as declared')}"


def _level(run: Run) -> str:
    words = f"Intervals are {percent(level(run.evaluation))} confidence intervals"
    common = _common(run)
    shared = f", by {common} unless stated otherwise" if common else ""
    return f"{words}{shared}. {NARROW.get(run.design, SHARED)}."


def _moved(run: Run) -> str:
    return moved(_scores(run).get("auc"))
