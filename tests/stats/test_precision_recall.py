from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from validkit.errors import InputError
from validkit.stats.precision_recall import _area_or_nan, auprc, average_precision, precision_recall_curve
from validkit.stats.results import Estimate

quick = settings(deadline=None, max_examples=50)
Sample = tuple[np.ndarray, np.ndarray]
# Highest first: (tp, fp) = (1, 0), (3, 1), (4, 2), (5, 4), (5, 5)
Y = [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]
P = [0.1, 0.2, 0.2, 0.3, 0.5, 0.2, 0.3, 0.5, 0.5, 0.9]


def integral(y: object, p: object, **options: object) -> Estimate:
    return auprc(y, p, interpolation="integral", **options)  # type: ignore[arg-type]


AREAS: tuple[Callable[..., Estimate], ...] = (average_precision, auprc, integral)


@st.composite
def samples(draw: st.DrawFn) -> Sample:
    y = draw(st.lists(st.integers(0, 1), min_size=2, max_size=30).filter(lambda v: 0 < sum(v) < len(v)))
    p = draw(st.lists(st.integers(0, 8), min_size=len(y), max_size=len(y)))
    return np.array(y), np.array(p) / 8


def test_the_three_areas_by_hand() -> None:
    assert average_precision(Y, P).value == pytest.approx((1 + 2 * 0.75 + 4 / 6 + 5 / 9) / 5)
    unit_steps = 1 + (1 + 0.8) / 2 + (0.8 + 0.75) / 2 + (0.75 + 4 / 6) / 2 + (4 / 6 + 5 / 9) / 2
    assert auprc(Y, P).value == pytest.approx(unit_steps / 5)
    logs = 1 + 4 / 3 + 2 / 9 * math.log(4) + 0.5 + 0.5 * math.log(1.5) + 1 / 3 + 2 / 3 * math.log(1.5)
    assert integral(Y, P).value == pytest.approx(logs / 5)


def test_a_non_event_on_top() -> None:
    """From (0, 1) to (1, 1): the precision rises from 0 to one half as t/(t + 1)."""
    y, p = [0, 1], [0.9, 0.1]
    assert average_precision(y, p).value == 0.5
    assert auprc(y, p).value == 0.25
    assert integral(y, p).value == pytest.approx(1 - math.log(2))


def test_ties_on_top_have_a_constant_precision() -> None:
    """From (0, 0) to (2, 1) every point has a precision of two thirds, at recall 0 too."""
    y, p = [1, 1, 0, 0], [0.8, 0.8, 0.8, 0.1]
    for area in AREAS:
        assert area(y, p).value == pytest.approx(2 / 3, abs=1e-15)


@quick
@given(samples())
def test_the_closed_form_is_the_integral(sample: Sample) -> None:
    y, p = sample
    total, m = 0.0, int(y.sum())
    cuts = np.unique(p)[::-1]
    tp = np.r_[0, [int((y[p >= c]).sum()) for c in cuts]]
    fp = np.r_[0, [int((1 - y[p >= c]).sum()) for c in cuts]]
    for a, b, f, g in zip(tp[:-1], tp[1:], fp[:-1], fp[1:], strict=True):
        if b > a:
            total += quad(lambda t: t / (t + f + (t - a) * (g - f) / (b - a)), a + (1e-13 if a + f == 0 else 0), b)[0]  # noqa: B023
    assert integral(y, p).value == pytest.approx(total / m, abs=1e-7)


@quick
@given(samples())
def test_bounds_and_order(sample: Sample) -> None:
    for area in AREAS:
        estimate = area(*sample)
        assert 0 < estimate.value <= 1
        assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
    # Trapezoids lie above the concave pieces' integral nowhere by more than one unit step
    assert abs(auprc(*sample).value - integral(*sample).value) <= 0.5


@quick
@given(samples(), st.integers(0, 1000))
def test_rows_in_another_order_and_increasing_transforms(sample: Sample, seed: int) -> None:
    y, p = sample
    order = np.random.default_rng(seed).permutation(y.size)
    for area in AREAS:
        straight = area(y, p)
        assert area(y[order], p[order]) == straight
        assert area(y, p**3) == straight
        assert area(y, 40 * p - 7, scale="score") == straight
    options = {"method": "bootstrap-percentile", "rng": seed, "replicates": 30}
    assert repr(average_precision(y[order], p[order], **options)) == repr(average_precision(y, p, **options))


@quick
@given(samples())
def test_copies_and_weights(sample: Sample) -> None:
    y, p = sample
    for area in AREAS:
        assert area(y, p, weights=np.full(y.size, 3)) == area(np.tile(y, 3), np.tile(p, 3))
    for area in (average_precision, integral):  # whole steps are finer with three copies
        assert area(np.tile(y, 3), np.tile(p, 3)).value == pytest.approx(area(y, p).value, abs=1e-13)


def test_no_skill_is_the_prevalence() -> None:
    for area in AREAS:
        estimate = area([0, 1, 0, 1, 0], [0.3] * 5)
        assert estimate.value == pytest.approx(0.4)
        assert estimate.note == "no skill: 0.4, the prevalence"
    precision = precision_recall_curve([0, 1, 0, 1, 0], [0.3] * 5)
    assert (precision.x.tolist(), precision.y.tolist()) == ([1.0], [0.4])


def test_boyds_logit_interval() -> None:
    estimate, value = average_precision(Y, P, level=0.9), 67 / 90
    logit, half = math.log(value / (1 - value)), 1.6448536269514722 / math.sqrt(5 * value * (1 - value))
    assert estimate.value == pytest.approx(value)
    assert estimate.low == pytest.approx(1 / (1 + math.exp(half - logit)), rel=1e-13)
    assert estimate.high == pytest.approx(1 / (1 + math.exp(-half - logit)), rel=1e-13)
    assert estimate.se == pytest.approx(math.sqrt(value * (1 - value) / 5), rel=1e-13)
    assert (estimate.method, estimate.level, estimate.n, estimate.n_events) == ("logit (Boyd)", 0.9, 10, 5)
    assert estimate.note == "no skill: 0.5, the prevalence"


def test_a_perfect_model_gets_wilsons_interval() -> None:
    for area in AREAS:
        estimate = area([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9])
        assert (estimate.value, estimate.high) == (1.0, 1.0)
        assert estimate.low == pytest.approx(2 / (2 + 1.959963984540054**2))
        assert math.isnan(estimate.se)
        assert estimate.method == "Wilson, in place of logit (Boyd) at 1"


def test_one_outcome_only() -> None:
    for y, word in (([1, 1, 1], "undefined: no non-event"), ([0, 0, 0], "undefined: no event")):
        for area in AREAS:
            estimate = area(y, [0.1, 0.2, 0.3])
            assert math.isnan(estimate.value)
            assert (estimate.note, estimate.n, estimate.n_events) == (word, 3, sum(y))
            assert (estimate.method, estimate.level) == ("logit", 0.95)


def test_two_patients_and_a_single_event() -> None:
    assert average_precision([1, 0], [0.9, 0.1]).value == 1.0
    estimate = average_precision([0, 0, 1], [0.2, 0.6, 0.5])
    assert estimate.value == 0.5
    assert estimate.low == pytest.approx(1 / (1 + math.exp(2 * 1.959963984540054)))


@pytest.mark.parametrize("area", AREAS)
def test_the_interval_is_the_quantiles_of_any_bootstrap(area: Callable[..., Estimate]) -> None:
    from validkit.stats.draws import draw_plan

    rng = np.random.default_rng(4)
    y = rng.integers(0, 2, 60)
    p = np.round(1 / (1 + np.exp(-rng.normal(1.2 * y, 1))), 2)
    order = np.lexsort((y, p))
    plan = draw_plan(y[order], rng=7, replicates=200)
    plain = plan.replicates(area, y[order], p[order])[:, 0]
    estimate = area(y, p, method="bootstrap-percentile", rng=7, replicates=200, level=0.9)
    np.testing.assert_allclose([estimate.low, estimate.high], np.quantile(plain, [0.05, 0.95]), atol=1e-14)
    assert estimate.se == pytest.approx(plain.std(ddof=1), abs=1e-14)
    assert estimate.method == "bootstrap, percentile"
    assert estimate.note == f"no skill: {y.mean():.4g}, the prevalence; 200 of 200 replicates"
    stratified = area(y, p, method="bootstrap-percentile", rng=7, replicates=50, stratified=True)
    assert stratified.method == "bootstrap, percentile, stratified"
    assert stratified.high > stratified.value > stratified.low > 0


def test_replicates_without_an_event_are_counted() -> None:
    estimate = average_precision([0, 0, 0, 1], [0.1, 0.2, 0.6, 0.5], method="bootstrap-percentile", rng=1)
    assert "too few for an interval" in estimate.note
    assert np.isnan([estimate.low, estimate.high, estimate.se]).all()
    none = average_precision([0, 0, 0, 0], [0.1, 0.2, 0.6, 0.5], method="bootstrap-percentile", rng=1)
    assert none.note == "undefined: no event"


def test_a_replicate_needs_both_outcomes_at_its_last_threshold() -> None:
    for tp, fp, want in (([0, 0, 2], [0, 3, 3], 7), ([0, 2, 2], [0, 0, 3], 7)):
        assert _area_or_nan(lambda tp, fp: 7.0, np.array(tp), np.array(fp)) == want
    for tp, fp in (([0, 0], [0, 3]), ([0, 2], [0, 0])):
        assert math.isnan(_area_or_nan(lambda tp, fp: 7.0, np.array(tp), np.array(fp)))


def test_curve_by_hand() -> None:
    curve = precision_recall_curve(Y, P, level=0.9)
    np.testing.assert_allclose(curve.x, [0.2, 0.6, 0.8, 1, 1])
    np.testing.assert_allclose(curve.y, [1, 3 / 4, 4 / 6, 5 / 9, 0.5])
    z2 = 1.6448536269514722**2
    assert curve.low[0] == pytest.approx(1 / (1 + z2))
    assert curve.high[0] == 1.0
    half = math.sqrt(z2) / (1 + z2 / 4) * math.sqrt(0.75 * 0.25 / 4 + z2 / 64)
    centre = (0.75 + z2 / 8) / (1 + z2 / 4)
    assert (curve.low[1], curve.high[1]) == pytest.approx((centre - half, centre + half))
    assert (curve.x_name, curve.y_name, curve.level) == ("recall", "precision", 0.9)
    assert curve.method == "empirical; Wilson, pointwise in precision"
    assert (curve.n, curve.n_events, curve.note) == (10, 5, "no skill: 0.5, the prevalence")
    none = precision_recall_curve([0, 0], [0.1, 0.2])
    assert (none.x.size, none.note, none.n, none.n_events) == (0, "undefined: no event", 2, 0)
    assert precision_recall_curve([1, 1], [0.1, 0.2]).y.tolist() == [1.0, 1.0]


def test_complete_cases_are_counted() -> None:
    for area in AREAS:
        estimate = area([*Y, 1], [*P, math.nan], missing="complete-case")
        assert (estimate.n, estimate.n_missing) == (10, 1)
    curve = precision_recall_curve([*Y, 1], [*P, math.nan], missing="complete-case")
    assert (curve.n, curve.n_missing, curve.x.size) == (10, 1, 5)


def test_arguments_are_checked() -> None:
    with pytest.raises(InputError, match="`method` must be one of 'logit', 'bootstrap-percentile', not 'wald'"):
        average_precision(Y, P, method="wald")
    with pytest.raises(InputError, match="`rng` must be a numpy Generator or a seed for method='bootstrap-percentile'"):
        average_precision(Y, P, method="bootstrap-percentile")
    with pytest.raises(InputError, match="`interpolation` must be one of 'davis-goadrich', 'integral', not 'linear'"):
        auprc(Y, P, interpolation="linear")
    with pytest.raises(InputError, match=r"`y_prob` must lie in \[0, 1\]"):
        average_precision([0, 1], [0.1, 1.2])
    with pytest.raises(InputError, match="`level` must lie"):
        precision_recall_curve(Y, P, level=1)
