from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr, ndtri

from validkit.errors import InputError
from validkit.stats import roc as module
from validkit.stats.discrimination import auc
from validkit.stats.intervals import wilson
from validkit.stats.roc import roc_curve, sensitivity_at, simultaneous_limits, threshold_counts

quick = settings(deadline=None, max_examples=50)
Sample = tuple[np.ndarray, np.ndarray]
Y, P = [0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]


@st.composite
def samples(draw: st.DrawFn) -> Sample:
    y = draw(st.lists(st.integers(0, 1), min_size=2, max_size=30).filter(lambda v: 0 < sum(v) < len(v)))
    p = draw(st.lists(st.integers(0, 8), min_size=len(y), max_size=len(y)))
    return np.array(y), np.array(p) / 8


def test_pointwise_curve_by_hand() -> None:
    curve = roc_curve(Y, P, level=0.9)
    assert curve.x.tolist() == [0, 0, 0.5, 0.5, 1]
    assert curve.y.tolist() == [0, 0.5, 0.5, 1, 1]
    low, high = wilson([0, 1, 1, 2, 2], 2, 0.9)
    np.testing.assert_array_equal(curve.low, low)
    np.testing.assert_array_equal(curve.high, high)
    assert curve.method == "empirical; Wilson, pointwise in sensitivity"
    assert (curve.x_name, curve.y_name, curve.level) == ("1 - specificity", "sensitivity", 0.9)
    assert (curve.n, curve.n_events, curve.note, curve.n_missing) == (4, 2, "", 0)


def test_threshold_counts_of_ties() -> None:
    values, tp, fp = threshold_counts(np.array([1, 0, 1, 0, 0]), np.array([0.5, 0.5, 0.9, 0.1, 0.5]))
    assert (values.tolist(), tp.tolist(), fp.tolist()) == ([0.9, 0.5, 0.1], [1, 2, 2], [0, 2, 3])


@pytest.mark.parametrize("band", ["pointwise", "vertical", "simultaneous"])
def test_one_outcome_only(band: str) -> None:
    for y, note in (([1, 1], "undefined: no non-event"), ([0, 0], "undefined: no event")):
        curve = roc_curve(y, [0.1, 0.2], band=band, rng=1)
        assert (curve.x.size, curve.note, curve.n, curve.n_events) == (0, note, 2, sum(y))


def test_sensitivity_at_a_specificity_by_hand() -> None:
    tp, fp = np.array([0, 1, 1, 3, 4, 4]), np.array([0, 0, 2, 3, 3, 10])
    at = sensitivity_at(tp, fp, np.array([1, 0.95, 0.9, 0.75, 0.7, 0.35, 0.0]))
    np.testing.assert_allclose(at, [0.25, 0.25, 0.25, 0.5, 1.0, 1.0, 1.0])
    assert np.isnan(sensitivity_at(np.array([0, 0]), np.array([0, 3]), np.array([0.5]))).all()
    assert np.isnan(sensitivity_at(np.array([0, 2]), np.array([0, 0]), np.array([0.5]))).all()


def test_a_specificity_that_was_reached_is_met_exactly() -> None:
    """1 - 0.9 is 0.09999999999999998: one of ten non-events is positive there, and the jump above it counts."""
    tp, fp = np.array([0, 0, 5, 5]), np.array([0, 1, 1, 10])
    assert sensitivity_at(tp, fp, np.array([0.9])).tolist() == [1.0]
    assert sensitivity_at(tp, fp, np.array([0.9 + 1e-6])).tolist() == [0.0]
    assert sensitivity_at(tp, fp, np.array([0.9 - 1e-6])).tolist() == [1.0]


def cohort(n: int = 70, seed: int = 4) -> Sample:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    return y, np.round(1 / (1 + np.exp(-rng.normal(1.2 * y, 1))), 2)


def test_vertical_band_is_the_quantiles_of_any_bootstrap() -> None:
    from validkit.stats.draws import draw_plan

    y, p = cohort()
    order = np.lexsort((y, p))
    plan = draw_plan(y[order], rng=7, replicates=150, stratified=True)
    grid = np.array([0.9, 0.5])
    plain = plan.replicates(
        lambda a, b: sensitivity_at(*module.curve_counts(a, b), grid),
        y[order],
        p[order],
    )
    options = {"band": "vertical", "replicates": 150, "stratified": True, "level": 0.9}
    curve = roc_curve(y, p, specificities=[0.5, 0.9], rng=7, **options)
    np.testing.assert_allclose(curve.x, [0.1, 0.5])
    np.testing.assert_allclose([curve.low, curve.high], np.quantile(plain, [0.05, 0.95], axis=0), atol=1e-14)
    np.testing.assert_array_equal(curve.y, sensitivity_at(*module.curve_counts(y, p), grid))
    assert curve.method == "empirical; bootstrap, percentile, of sensitivity at fixed specificity, stratified"
    assert curve.note == "150 of 150 replicates"
    assert (curve.n, curve.n_events, curve.level) == (70, int(y.sum()), 0.9)
    again = np.random.default_rng(9).permutation(70)
    shuffled = roc_curve(y[again], p[again], specificities=[0.9, 0.5], rng=7, **options)
    np.testing.assert_array_equal([shuffled.low, shuffled.high], [curve.low, curve.high])


def test_vertical_grid_runs_from_one_to_none_by_tenths() -> None:
    curve = roc_curve(*cohort(), band="vertical", rng=1, replicates=40)
    np.testing.assert_allclose(curve.x, np.arange(11) / 10, atol=1e-15)
    assert (curve.low[-1], curve.y[-1], curve.high[-1]) == (1, 1, 1)
    assert (np.diff(curve.y) >= 0).all()
    assert ((curve.low <= curve.high) | np.isnan(curve.low)).all()


def test_vertical_band_of_a_perfect_model_says_what_is_missing() -> None:
    curve = roc_curve([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], band="vertical", rng=1, stratified=True, replicates=50)
    assert np.isnan(curve.low[:-1]).all()
    assert curve.low[-1] == 1
    assert curve.note == (
        "50 of 50 replicates; no interval at 10 of 11 specificities, where replicates are all equal or too few"
    )


def test_blocks_do_not_change_the_band(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = roc_curve(*cohort(), band="vertical", rng=1, replicates=45)
    monkeypatch.setattr(module, "_CELLS", 70 * 7)
    parts = roc_curve(*cohort(), band="vertical", rng=1, replicates=45)
    np.testing.assert_array_equal([whole.low, whole.high], [parts.low, parts.high])


@quick
@given(samples(), st.sampled_from([0.5, 0.9, 0.95]))
def test_simultaneous_band_holds_the_curve_and_stays_in_bounds(sample: Sample, level: float) -> None:
    curve = roc_curve(*sample, band="simultaneous", level=level)
    assert (curve.low >= 0).all()
    assert (curve.high <= 1).all()
    assert ((curve.low <= curve.y) & (curve.y <= curve.high)).all()
    assert (np.diff(curve.low) >= 0).all()
    assert (np.diff(curve.high) >= 0).all()
    assert np.trapezoid(curve.y, curve.x) == pytest.approx(auc(*sample).value, abs=1e-14)


def test_simultaneous_band_by_hand() -> None:
    tp, fp = np.arange(101) * 4, np.arange(101) * 2
    low, high = simultaneous_limits(tp, fp, 0.9)
    log_odds = math.log(2 / (1 - math.sqrt(0.9)))
    d, e = math.sqrt(log_odds / 400), math.sqrt(log_odds / 800)  # 0.096 and 0.068
    assert (round(d, 3), round(e, 3)) == (0.096, 0.068)
    assert high[50] == pytest.approx(0.59 + e)  # the last point within 0.5 + d
    assert low[50] == pytest.approx(0.41 - e)  # the first within 0.5 - d
    assert (low[0], low[16], high[100], high[95]) == (0, pytest.approx(0.07 - e), 1, 1)
    curve = roc_curve(np.repeat([1, 0], [400, 200]), np.linspace(0, 1, 600), band="simultaneous")
    assert curve.method.startswith("empirical; simultaneous band of fixed width (Campbell")
    assert curve.note == ""


def test_simultaneous_band_covers_the_whole_curve_at_least_as_often_as_it_says() -> None:
    """300 binormal samples; the pointwise band, for contrast, covers the whole curve far less often."""
    rng = np.random.default_rng(21)
    y = np.r_[np.ones(50, int), np.zeros(80, int)]
    grid = np.linspace(0, 1, 402)[1:-1]
    truth = ndtr(1.0 + ndtri(grid))
    whole, pointwise = 0, 0
    for _ in range(300):
        score = rng.normal(size=130) + y
        band = roc_curve(y, score, band="simultaneous", level=0.8, scale="score")
        # between its points the band is the step of the next point above and of the last point below
        low = band.low[np.searchsorted(band.x, grid, side="right") - 1]
        high = band.high[np.searchsorted(band.x, grid, side="left")]
        whole += bool(((low <= truth) & (truth <= high)).all())
        at = roc_curve(y, score, level=0.8, scale="score")
        expected = ndtr(1.0 + ndtri(np.clip(at.x[1:-1], 1e-9, 1 - 1e-9)))
        pointwise += bool(((at.low[1:-1] <= expected) & (expected <= at.high[1:-1])).all())
    assert whole / 300 >= 0.8
    assert pointwise / 300 < 0.5


def test_arguments_are_checked() -> None:
    with pytest.raises(InputError, match="`band` must be one of 'pointwise', 'vertical', 'simultaneous', not 'wald'"):
        roc_curve(Y, P, band="wald")
    with pytest.raises(InputError, match='`rng` must be a numpy Generator or a seed for band="vertical"'):
        roc_curve(Y, P, band="vertical")
    with pytest.raises(InputError, match="`specificities` belong to band=\"vertical\", not to band='pointwise'"):
        roc_curve(Y, P, specificities=[0.9])
    for bad in ([0.5, 0.5], [1.1], [-0.1], [math.nan]):
        with pytest.raises(InputError, match=r"`specificities` must be distinct and lie in \[0, 1\]"):
            roc_curve(Y, P, band="vertical", rng=1, specificities=bad)


def test_weights_and_complete_cases() -> None:
    y, p = np.array(Y), np.array(P)
    weighted = roc_curve(y, p, weights=[1, 2, 0, 3])
    written = roc_curve(np.repeat(y, [1, 2, 0, 3]), np.repeat(p, [1, 2, 0, 3]))
    assert weighted.to_dict() == written.to_dict()
    curve = roc_curve([*Y, 1], [*P, math.nan], missing="complete-case")
    assert (curve.n, curve.n_missing, curve.x.tolist()) == (4, 1, roc_curve(Y, P).x.tolist())
    assert curve.note == "1 of 5 patients left out as incomplete (complete case)"


def test_the_vertical_band_draws_all_patients_alike_unless_told() -> None:
    y, p = [0, 0, 1, 1, 0, 1, 0, 1] * 3, list(np.linspace(0.05, 0.95, 24))
    usual, plain, within = (
        roc_curve(y, p, band="vertical", rng=1, replicates=100, **options)
        for options in ({}, {"stratified": False}, {"stratified": True})
    )
    np.testing.assert_array_equal(usual.low, plain.low)
    assert (usual.low != within.low).any()
    assert "stratified" not in usual.method
