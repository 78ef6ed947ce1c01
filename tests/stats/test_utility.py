from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validkit.errors import InputError
from validkit.stats import confusion, decision_curve, decision_grid, net_benefit, treat_all, treat_none

quick = settings(deadline=None, max_examples=60)
cases = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 100)), min_size=2, max_size=50).map(
    lambda rows: (np.array([y for y, _ in rows]), np.array([k for _, k in rows]) / 100)
)


def test_the_grid_is_made_of_exact_decimals() -> None:
    """np.arange and R's seq give 0.30000000000000004, and patients at 0.3 change sides."""
    assert decision_grid(0, 1, 0.1).tolist() == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    assert decision_grid().tolist() == [float(f"{i / 100:.2f}") for i in range(101)]
    assert decision_grid("0.05", "0.5", "0.05").size == 10
    assert decision_grid(0.2, 0.2, 0.1).tolist() == [0.2]
    assert decision_grid(0, 0.25, 0.1).tolist() == [0.0, 0.1, 0.2]


@pytest.mark.parametrize("bad", [(0, 1, 0), (0.5, 0.2, 0.1), (-0.1, 1, 0.1), (0, 1.1, 0.1), (0, 1, 1e-9)])
def test_bad_grids(bad: tuple[float, float, float]) -> None:
    with pytest.raises(InputError, match=r"decision grid needs|makes .* thresholds"):
        decision_grid(*bad)


@quick
@given(cases)
def test_the_curve_is_net_benefit_point_by_point(case: tuple[np.ndarray, np.ndarray]) -> None:
    y, p = case
    grid = decision_grid(0, "0.99", "0.03")
    curve = decision_curve(y, p, thresholds=grid)
    for i, t in enumerate(grid):
        c, estimate = confusion(y, p, threshold=t), net_benefit(y, p, threshold=t)
        assert curve.y[i] == pytest.approx(c.tp / c.n - c.fp / c.n * t / (1 - t), abs=1e-12)
        assert estimate.value == curve.y[i]
        np.testing.assert_array_equal([estimate.low, estimate.high], [curve.low[i], curve.high[i]])


@quick
@given(cases)
def test_bounds_and_reference_strategies(case: tuple[np.ndarray, np.ndarray]) -> None:
    y, p = case
    curve, everybody, nobody = decision_curve(y, p), treat_all(y), treat_none(y)
    assert (curve.y <= y.mean() + 1e-12).all()
    assert curve.y[0] == everybody.y[0] == pytest.approx(y.mean())
    np.testing.assert_allclose(everybody.y, decision_curve(y, np.ones(y.size)).y)
    assert (nobody.y == 0).all()
    known = ~np.isnan(curve.low)
    assert ((curve.low <= curve.y) & (curve.y <= curve.high))[known].all()
    assert (curve.high[known] <= 1).all()


@quick
@given(cases)
def test_three_copies_leave_net_benefit_alone(case: tuple[np.ndarray, np.ndarray]) -> None:
    y, p = case
    np.testing.assert_allclose(decision_curve(np.tile(y, 3), np.tile(p, 3)).y, decision_curve(y, p).y, atol=1e-12)


def test_standard_error_is_that_of_the_contributions() -> None:
    rng = np.random.default_rng(0)
    y, p = rng.integers(0, 2, 90), rng.random(90)
    contributions = (p >= 0.4) * (y - (1 - y) * 0.4 / 0.6)
    estimate = net_benefit(y, p, threshold=0.4)
    assert estimate.se == pytest.approx(contributions.std(ddof=1) / math.sqrt(90))
    assert estimate.high - estimate.value == pytest.approx(1.959963984540054 * estimate.se)


def test_a_patient_at_the_threshold_is_treated_on_every_grid() -> None:
    y, p = [0, 1, 0, 1], [0.1, 0.3, 0.3, 0.7]
    want = 0.5 - 0.25 * 0.3 / 0.7
    assert net_benefit(y, p, threshold=0.1 * 3).value == pytest.approx(want)
    for grid in (decision_grid(0, 1, 0.1), np.linspace(0, 1, 11), np.arange(0, 1, 0.1)):
        assert decision_curve(y, p, thresholds=grid).y[3] == pytest.approx(want)


def test_a_threshold_of_one_is_undefined() -> None:
    y, p = [0, 1, 1, 0], [0.1, 0.3, 1.0, 0.7]
    estimate = net_benefit(y, p, threshold=1.0)
    assert math.isnan(estimate.value)
    assert "infinite" in estimate.note
    for curve in (decision_curve(y, p, thresholds=decision_grid()), treat_all(y, thresholds=decision_grid())):
        assert math.isnan(curve.y[-1])
        assert np.isfinite(curve.y[:-1]).all()
        assert "threshold of 1" in curve.note
    assert math.isnan(treat_none(y, thresholds=decision_grid()).y[-1])


def test_nobody_at_the_threshold_is_zero_without_interval() -> None:
    estimate = net_benefit([0, 1, 1], [0.1, 0.2, 0.3], threshold=0.5)
    assert estimate.value == 0.0
    assert math.isnan(estimate.low)
    assert "nobody reaches the threshold" in estimate.note
    assert "alike" in net_benefit([1, 1], [0.6, 0.7], threshold=0.5).note
    assert "alike" in net_benefit([0, 0], [0.6, 0.7], threshold=0.5).note
    assert math.isnan(net_benefit([1], [0.6], threshold=0.5).low)


def test_columns_named_like_strategies_and_missing_predictions() -> None:
    """dcurves crashes on a column named `all` and counts NaN predictions as negatives with n unchanged."""
    table = pd.DataFrame({"outcome": [0, 1, 1, 0], "all": [0.1, 0.8, 0.4, 0.3], "none": [0.2, 0.3, math.nan, 0.1]})
    assert decision_curve(table["outcome"], table["all"]).n == 4
    with pytest.raises(InputError, match=r"missing \(NaN\) for 1 of 4 patients \(row 2\)"):
        decision_curve(table["outcome"], table["none"])


def test_interval_covers_near_its_level() -> None:
    rng = np.random.default_rng(4)
    grid = (np.arange(100_000) + 0.5) / 100_000
    truth = float(np.where(grid >= 0.3, grid - (1 - grid) * 0.3 / 0.7, 0).mean())
    hits = 0
    for _ in range(600):
        p = rng.random(150)
        estimate = net_benefit((rng.random(150) < p).astype(int), p, threshold=0.3)
        hits += estimate.low <= truth <= estimate.high
    assert 0.92 < hits / 600 < 0.98
