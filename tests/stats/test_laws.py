"""Laws that every registered metric must obey, whatever the data."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from validkit import stats
from validkit.stats.metrics import METRICS, Metric

SMOOTHED = {"eci", "ici", "e50", "e90", "emax"}
THRESHOLD = 0.35


def value(metric: Metric, y, p, *, threshold: float = THRESHOLD, **options) -> float:  # type: ignore[no-untyped-def]
    return estimate(metric, y, p, threshold=threshold, **options).value


def estimate(metric: Metric, y, p, *, threshold: float = THRESHOLD, **options):  # type: ignore[no-untyped-def]
    at = {"threshold": threshold} if metric.needs_threshold else {}
    return metric.function(y, p, **at, **options)


def same(a: float, b: float, tolerance: float = 1e-9) -> bool:
    return (math.isnan(a) and math.isnan(b)) or a == b or math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance)


@st.composite
def validations(draw, *, tied: bool = True):  # type: ignore[no-untyped-def]
    """(y, p): 8 to 30 patients with both outcomes at least twice; risks in hundredths, none at the threshold."""
    n = draw(st.integers(8, 30))
    risks = st.integers(1, 99).filter(lambda k: k != round(100 * THRESHOLD))
    p = np.array(draw(st.lists(risks, min_size=n, max_size=n, unique=not tied))) / 100
    y = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n).filter(lambda v: 2 <= sum(v) <= n - 2)), int)
    return y, p


few = settings(max_examples=30)


def test_the_registry_tells_what_the_paper_says() -> None:
    judged = [m for m in METRICS.values() if m.of_the_32]
    assert len(judged) == 32
    assert sum(m.proper and m.clear_focus for m in judged) == 17
    assert sum(m.proper != m.clear_focus for m in judged) == 14
    assert [m.name for m in judged if not m.proper and not m.clear_focus] == ["f1"]
    assert all(name == m.name for name, m in METRICS.items())
    assert {m.domain for m in judged} == {"discrimination", "calibration", "overall", "classification", "utility"}
    for m in METRICS.values():
        assert m.low <= m.best <= m.high, m.name
        assert m.caution or (m.proper and m.clear_focus), m.name
        assert not (m.strictly_proper and not m.proper)


def test_better_follows_the_direction() -> None:
    assert METRICS["auc"].better(0.8, 0.7)
    assert not METRICS["auc"].better(0.7, 0.7)
    assert METRICS["brier"].better(0.1, 0.2)
    assert METRICS["calibration_slope"].better(0.9, 1.2)
    assert METRICS["calibration_in_the_large"].better(-0.1, 0.2)
    assert METRICS["observed_expected"].better(1.9, 0.5)
    assert not METRICS["observed_expected"].better(0.0, 0.01)


@few
@given(validations(), st.randoms(use_true_random=False))
def test_the_order_of_patients_does_not_matter(data, random) -> None:  # type: ignore[no-untyped-def]
    y, p = data
    order = list(range(y.size))
    random.shuffle(order)
    for metric in METRICS.values():
        first, second = estimate(metric, y, p), estimate(metric, y[order], p[order])
        for field in ("value", "low", "high", "se"):
            assert same(getattr(first, field), getattr(second, field), 1e-8), (metric.name, field)
        assert (first.n, first.n_events) == (second.n, second.n_events)


@few
@given(validations())
def test_values_and_intervals_stay_in_their_range(data) -> None:  # type: ignore[no-untyped-def]
    y, p = data
    for metric in METRICS.values():
        for level in (0.5, 0.95, 0.999):
            found = estimate(metric, y, p, level=level)
            if math.isnan(found.value):
                assert found.note, metric.name
                continue
            slack = 1e-12
            assert metric.low - slack <= found.value <= metric.high + slack, metric.name
            if not math.isnan(found.low):
                assert metric.low - slack <= found.low <= found.value + slack, (metric.name, level)
                assert found.value - slack <= found.high <= metric.high + slack, (metric.name, level)
            else:
                assert found.note, metric.name


@few
@given(validations())
def test_more_confidence_is_a_wider_interval(data) -> None:  # type: ignore[no-untyped-def]
    y, p = data
    for metric in METRICS.values():
        narrow, wide = estimate(metric, y, p, level=0.8), estimate(metric, y, p, level=0.95)
        assert narrow.level == 0.8
        if not math.isnan(narrow.low):
            assert wide.low <= narrow.low + 1e-12, metric.name
            assert wide.high >= narrow.high - 1e-12, metric.name


@few
@given(validations(), st.data())
def test_weighted_patients_are_repeated_patients(data, drawn) -> None:  # type: ignore[no-untyped-def]
    y, p = data
    weights = np.array(drawn.draw(st.lists(st.integers(0, 4), min_size=y.size, max_size=y.size).filter(any)))
    for metric in METRICS.values():
        weighted = estimate(metric, y, p, weights=weights)
        assert repr(weighted) == repr(estimate(metric, np.repeat(y, weights), np.repeat(p, weights))), metric.name


@few
@given(validations())
def test_everybody_twice_changes_no_value_and_shrinks_the_error(data) -> None:  # type: ignore[no-untyped-def]
    y, p = data
    for metric in METRICS.values():
        if metric.name in SMOOTHED | {"ece", "auprc"}:  # other neighbours, other groups, other steps between counts
            continue
        once, twice = estimate(metric, y, p), estimate(metric, np.r_[y, y], np.r_[p, p])
        factor = 2 if metric.name == "log_likelihood" else 1
        assert same(factor * once.value, twice.value), metric.name
        if once.se > 0 and twice.se > 0:
            assert twice.se < factor * once.se, metric.name


@few
@given(validations(), st.floats(0.3, 3), st.floats(-2, 2))
def test_a_strictly_increasing_transform_keeps_ranks_and_classes(data, a: float, b: float) -> None:  # type: ignore[no-untyped-def]
    y, p = data
    moved, at = expit(a * logit(p) + b), float(expit(a * logit(THRESHOLD) + b))
    for metric in METRICS.values():
        if metric.domain == "discrimination":
            assert same(value(metric, y, p), value(metric, y, moved)), metric.name
            assert same(value(metric, y, p), value(metric, y, 7 * p - 3, scale="score")), metric.name
        elif metric.domain == "classification":
            assert same(value(metric, y, p), value(metric, y, moved, threshold=at)), metric.name


def _inverse(x: float) -> float:
    return math.inf if x == 0 else 1 / x


# What each metric becomes when the event is called the non-event, every risk 1 - risk and the threshold 1 - threshold.
UNCHANGED = {
    *("auc", "calibration_slope", "log_likelihood", "log_loss", "brier", "scaled_brier"),
    *("mcfadden_r2", "cox_snell_r2", "nagelkerke_r2", "discrimination_slope", "mape", "accuracy"),
    *("balanced_accuracy", "youden_index", "diagnostic_odds_ratio", "kappa", "mcc"),
}
NEGATED = {"calibration_in_the_large", "calibration_intercept"}
PAIRED = {"sensitivity": "specificity", "specificity": "sensitivity", "ppv": "npv", "npv": "ppv"}
# R's loess interpolates between the corners of a tree that is not the same from both ends; quantile groups hold their
# upper limits; the others are about the event and not about its absence
OWN_EVENT = {"auprc", "average_precision", "partial_auc", "f1", "interventions_avoided", "ece", *SMOOTHED}


@few
@given(validations())
def test_the_event_and_its_absence_trade_places(data) -> None:  # type: ignore[no-untyped-def]
    y, p = data
    other, at = (1 - y, np.round(1 - p, 2)), round(1 - THRESHOLD, 2)
    n, m, weight = y.size, int(y.sum()), THRESHOLD / (1 - THRESHOLD)
    tn, fn = ((p < THRESHOLD) & (y == 0)).sum(), ((p < THRESHOLD) & (y == 1)).sum()
    untreated = (tn - fn / weight) / n
    for metric in METRICS.values():
        before, after = value(metric, y, p), value(metric, *other, threshold=at)
        name = metric.name
        if name in UNCHANGED:
            expected = before
        elif name in NEGATED:
            expected = -before
        elif name in PAIRED:
            expected = value(METRICS[PAIRED[name]], y, p)
        elif name == "observed_expected":
            expected = (n - m) / (n - p.sum())
        elif name.endswith("_likelihood_ratio"):
            opposite = "negative" if name.startswith("positive") else "positive"
            expected = _inverse(value(METRICS[f"{opposite}_likelihood_ratio"], y, p))
            if math.isnan(expected) or math.isnan(after):
                continue
        elif name == "net_benefit":
            expected = untreated
        elif name == "standardised_net_benefit":
            expected = untreated / (1 - m / n)
        elif name == "expected_cost":
            fp = ((p >= THRESHOLD) & (y == 0)).sum()
            expected = (fn + weight * fp) / n  # the costs of the two errors trade places
        else:
            assert name in OWN_EVENT, f"{name} has no law of exchange"
            continue
        assert same(expected, after, 1e-7), (name, expected, after)


def population(shares: dict[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(y, true risk, weights): of 10 patients with risk k/10, k have the event."""
    y, risk, weights = [], [], []
    for k, times in shares.items():
        y += [1, 0]
        risk += [k / 10] * 2
        weights += [k * times, (10 - k) * times]
    return np.array(y), np.array(risk), np.array(weights)


shares = st.dictionaries(st.integers(1, 9), st.integers(1, 6), min_size=4, max_size=9)


@settings(max_examples=40)
@given(shares, st.floats(0.4, 2.5), st.floats(-1.5, 1.5), st.integers(1, 9))
def test_no_wrong_risk_is_expected_to_beat_the_right_one(mix, a: float, b: float, t: int) -> None:  # type: ignore[no-untyped-def]
    """In a population where the risks are exactly right, proper metrics are best at them."""
    y, right, weights = population(mix)
    distorted = expit(a * logit(right) + b)
    swapped = right.copy()
    low, high = right == right.min(), right == right.max()
    swapped[low], swapped[high] = right.max(), right.min()
    at = t / 10 - 0.05
    for metric in METRICS.values():
        if not metric.proper or metric.name in SMOOTHED:
            continue
        best = value(metric, y, right, threshold=at, weights=weights)
        if metric.direction in ("one", "zero"):
            assert best == pytest.approx(metric.best, abs=1e-9), metric.name
        for wrong in (distorted, swapped):
            found = value(metric, y, wrong, threshold=at, weights=weights)
            if math.isnan(found):
                continue
            assert not metric.better(found, best) or same(found, best, 1e-9), (metric.name, best, found)
            if metric.strictly_proper and np.abs(wrong - right).max() > 1e-3:
                assert metric.better(best, found), (metric.name, best, found)


def test_smoothed_calibration_errors_are_small_only_for_the_right_risk() -> None:
    y, right, weights = population(dict.fromkeys(range(1, 10), 20))
    wrong = expit(0.6 * logit(right) + 0.5)
    for name in SMOOTHED:
        metric = METRICS[name]
        best = value(metric, y, right, weights=weights)
        assert best < 1e-3
        assert value(metric, y, wrong, weights=weights) > 20 * best


@pytest.mark.parametrize("name", [m.name for m in METRICS.values() if not m.proper])
def test_what_is_called_improper_can_be_deceived(name: str) -> None:
    """For each improper metric there is a wrong risk that is expected to look better than the right one."""
    metric = METRICS[name]
    y, right, weights = population({1: 6, 2: 5, 3: 4, 5: 2, 7: 1, 9: 1})
    wrongs = [expit(a * logit(right) + b) for a in (1.0, 1000.0) for b in np.linspace(-4, 4, 17)]
    found = []
    for at in (0.25, 0.65):
        best = value(metric, y, right, threshold=at, weights=weights)
        found += [metric.better(value(metric, y, wrong, threshold=at, weights=weights), best) for wrong in wrongs]
    assert any(found)


@few
@given(validations())
def test_identities_between_metrics(data) -> None:  # type: ignore[no-untyped-def]
    y, p = data
    v = {name: value(metric, y, p) for name, metric in METRICS.items()}
    n, prevalence = y.size, y.mean()
    assert same(v["youden_index"], v["sensitivity"] + v["specificity"] - 1)
    assert same(v["balanced_accuracy"], (v["sensitivity"] + v["specificity"]) / 2)
    assert same(v["accuracy"], prevalence * v["sensitivity"] + (1 - prevalence) * v["specificity"])
    assert same(v["scaled_brier"], 1 - v["brier"] / (prevalence * (1 - prevalence)))
    assert same(v["log_likelihood"], -n * v["log_loss"])
    null = -(prevalence * math.log(prevalence) + (1 - prevalence) * math.log(1 - prevalence))
    assert same(v["mcfadden_r2"], 1 - v["log_loss"] / null)
    assert same(v["cox_snell_r2"], 1 - math.exp(-2 * (null - v["log_loss"])))
    assert same(v["nagelkerke_r2"], v["cox_snell_r2"] / (1 - math.exp(-2 * null)))
    assert same(v["standardised_net_benefit"], v["net_benefit"] / prevalence)
    weight = THRESHOLD / (1 - THRESHOLD)
    share_fp = (1 - prevalence) * (1 - v["specificity"])
    assert same(v["net_benefit"], prevalence * v["sensitivity"] - weight * share_fp)
    treat_all = prevalence - (1 - prevalence) * weight
    assert same(v["interventions_avoided"], 100 * (v["net_benefit"] - treat_all) / weight)
    assert same(v["expected_cost"] * weight, prevalence - v["net_benefit"])
    if not math.isnan(v["ici"]):
        assert v["ici"] <= v["emax"] + 1e-12
        assert v["e50"] <= v["e90"] <= v["emax"]
    if not math.isnan(v["ppv"]):
        assert v["ppv"] > 0 or v["f1"] == 0
        if v["ppv"] > 0:
            assert same(v["f1"], 2 / (1 / v["ppv"] + 1 / v["sensitivity"]))


@few
@given(validations())
def test_net_benefit_meets_treat_all_and_treat_none(data) -> None:  # type: ignore[no-untyped-def]
    y, p = data
    nb = METRICS["net_benefit"]
    low, high = float(p.min()), float(p.max()) + 0.005
    everybody = y.mean() - (1 - y.mean()) * low / (1 - low)
    assert same(value(nb, y, p, threshold=low), everybody)
    assert value(nb, y, p, threshold=high) == 0
    assert value(nb, y, p, threshold=0.0) == y.mean()
    for t in (0.1, 0.5, 0.9):
        assert value(nb, y, p, threshold=t) <= y.mean() + 1e-12
        assert value(nb, y, y.astype(float), threshold=t) == pytest.approx(y.mean())


DEGENERATE = {
    "one outcome": ([1, 1, 1, 1], [0.1, 0.4, 0.6, 0.9]),
    "no event": ([0, 0, 0, 0], [0.1, 0.4, 0.6, 0.9]),
    "two patients": ([0, 1], [0.2, 0.7]),
    "one patient": ([1], [0.7]),
    "constant": ([0, 1, 0, 1, 1], [0.4] * 5),
    "one event": ([0, 0, 0, 0, 1], [0.1, 0.2, 0.3, 0.6, 0.5]),
    "certain and right": ([0, 1, 0, 1], [0, 1, 0, 1]),
    "certain and wrong": ([0, 1, 0, 1], [1, 0, 1, 0]),
    "certain, some wrong": ([0, 1, 0, 1, 1, 0], [0, 1, 1, 1, 0, 0]),
    "separated": ([0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.3, 0.7, 0.8, 0.9]),
    "all at the threshold": ([0, 1, 0, 1], [THRESHOLD] * 4),
}


@pytest.mark.parametrize("name", list(METRICS))
@pytest.mark.parametrize("case", DEGENERATE)
def test_degenerate_data_give_a_value_or_a_reason(name: str, case: str) -> None:
    metric = METRICS[name]
    y, p = DEGENERATE[case]
    found = estimate(metric, y, p)
    if math.isnan(found.value):
        assert found.note
        assert math.isnan(found.low)
        assert math.isnan(found.high)
    else:
        assert metric.low - 1e-12 <= found.value <= metric.high + 1e-12
        assert found.note or not math.isnan(found.low)
        if not math.isnan(found.low):
            assert metric.low - 1e-12 <= found.low <= found.value + 1e-12
            assert found.value - 1e-12 <= found.high <= metric.high + 1e-12
    assert found.n is not None
    assert found.n_events == sum(y)
    assert repr(found)


@pytest.mark.parametrize("name", list(METRICS))
def test_bad_input_is_refused_alike(name: str) -> None:
    metric = METRICS[name]
    from validkit.errors import InputError

    with pytest.raises(InputError, match=r"`y_prob` is missing \(NaN\) for 1 of 3 patients \(row 1"):
        estimate(metric, [0, 1, 1], [0.1, math.nan, 0.3])
    with pytest.raises(InputError, match=r"`y_true` must be 0 or 1, 1 being the event; 2 of 3 values are not"):
        estimate(metric, [1, 2, 2], [0.1, 0.2, 0.3])
    with pytest.raises(InputError, match="`y_true` must hold numbers"):
        estimate(metric, ["yes", "no", "no"], [0.1, 0.2, 0.3])
    with pytest.raises(InputError, match="they must be the same patients"):
        estimate(metric, [0, 1], [0.1, 0.2, 0.3])
    with pytest.raises(InputError, match=r"`y_prob` must lie in \[0, 1\]; 1 of 3 values do not"):
        estimate(metric, [0, 1, 1], [0.1, 20, 0.3])
    with pytest.raises(InputError, match="`level` must lie strictly between 0 and 1"):
        estimate(metric, [0, 1, 1, 0], [0.1, 0.2, 0.3, 0.2], level=95)
    assert same(
        value(metric, [False, True, True, False], [0.1, 0.2, 0.9, 0.3]),
        value(metric, [0.0, 1, 1, 0], [0.1, 0.2, 0.9, 0.3]),
    )
    holed = estimate(metric, [0, 1, 1, 0, 1, 0], [0.1, 0.2, 0.9, 0.3, math.nan, 0.4], missing="complete-case")
    assert holed.n_missing == 1
    assert "1 of 6 patients left out" in holed.note


COMPARISONS = {
    "auc": stats.compare_auc,
    "brier": stats.compare_brier,
    "scaled_brier": stats.compare_scaled_brier,
    "log_loss": stats.compare_log_loss,
    "net_benefit": functools.partial(stats.compare_net_benefit, threshold=THRESHOLD),
    "sensitivity": functools.partial(stats.compare_sensitivity, threshold=THRESHOLD),
    "specificity": functools.partial(stats.compare_specificity, threshold=THRESHOLD),
}


@few
@given(validations(), st.randoms(use_true_random=False))
def test_swapping_models_flips_the_difference_and_keeps_the_p_value(data, random) -> None:  # type: ignore[no-untyped-def]
    y, a = data
    b = a.copy()
    random.shuffle(b)
    for name, compare in COMPARISONS.items():
        one, other = compare(y, a, b), compare(y, b, a)
        assert same(one.difference.value, -other.difference.value), name
        assert same(one.difference.low, -other.difference.high), name
        assert same(one.difference.high, -other.difference.low), name
        assert same(one.test.p_value, other.test.p_value), name
        metric = METRICS[name]
        assert same(one.difference.value, value(metric, y, a) - value(metric, y, b)), name
        assert math.isnan(one.test.p_value) or 0 <= one.test.p_value <= 1
        alike = compare(y, a, a)
        assert (alike.difference.value, alike.test.p_value) == (0, 1), name


@few
@given(validations(), st.data())
def test_comparisons_of_weighted_patients_are_those_of_repeated_ones(data, drawn) -> None:  # type: ignore[no-untyped-def]
    y, a = data
    weights = np.array(drawn.draw(st.lists(st.integers(0, 3), min_size=y.size, max_size=y.size).filter(any)))
    rows = np.repeat(np.arange(y.size), weights)
    for name, compare in COMPARISONS.items():
        assert repr(compare(y, a, a[::-1], weights=weights)) == repr(compare(y[rows], a[rows], a[::-1][rows])), name
