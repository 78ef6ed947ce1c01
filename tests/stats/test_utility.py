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


Y = np.array([0] * 12 + [1] * 8)  # at 0.4: 6 true and 5 false positives, 2 false and 7 true negatives
P = np.array([0.1] * 7 + [0.5] * 5 + [0.2] * 2 + [0.7] * 6)
Z = 1.959963984540054
CONTRIBUTION = "normal, from each patient's contribution"


def contributions(population: str) -> np.ndarray:
    w = 0.4 / 0.6
    treated = np.repeat([0, -w, 0, 1.0], [7, 5, 2, 6])
    untreated = np.repeat([1, 0, -1 / w, 0], [7, 5, 2, 6])
    return {"treated": treated, "untreated": untreated, "overall": treated + untreated}[population]


def same(found: object, want: dict[str, object]) -> None:
    """Every field of an Estimate: numbers to rounding, the rest exactly."""
    for name, value in want.items():
        got = getattr(found, name)
        if isinstance(value, float):
            assert got == pytest.approx(value, rel=1e-12, nan_ok=True), name
        else:
            assert got == value, name


@pytest.mark.parametrize("population", ["treated", "untreated", "overall"])
def test_every_field_by_hand(population: str) -> None:
    u = contributions(population)
    value, se = float(u.mean()), float(u.std(ddof=1) / math.sqrt(20))
    few = {
        "treated": "",
        "untreated": "fewer than 5 true or false negatives: the normal interval is too narrow",
        "overall": "fewer than 5 patients of one of the four kinds: the normal interval is too narrow",
    }[population]
    want = {"value": value, "low": value - Z * se, "high": value + Z * se, "level": 0.95, "method": CONTRIBUTION}
    want |= {"se": se, "n": 20, "n_events": 8, "note": few, "n_missing": 0}
    same(net_benefit(Y, P, threshold=0.4, population=population), want)
    harmed = want | {"value": value - 0.05, "low": value - 0.05 - Z * se, "high": value - 0.05 + Z * se}
    same(net_benefit(Y, P, threshold=0.4, population=population, harm=0.05), harmed)
    ninety = want | {"level": 0.9, "low": value - 1.6448536269514722 * se, "high": value + 1.6448536269514722 * se}
    same(net_benefit(Y, P, threshold=0.4, population=population, level=0.9), ninety)


@pytest.mark.parametrize("population", ["treated", "untreated", "overall"])
@pytest.mark.parametrize("harm", [0.0, 0.03])
def test_standardised_by_hand(population: str, harm: float) -> None:
    """The ratio of two means; its influence is (u - R v)/mean(v)."""
    u = contributions(population) - harm
    v = {"treated": Y, "untreated": 1 - Y, "overall": np.ones(20)}[population]
    value = float(u.mean() / v.mean())
    influence = (u - value * v) / v.mean()
    estimate = net_benefit(Y, P, threshold=0.4, population=population, standardised=True, harm=harm)
    se = float(influence.std(ddof=1) / math.sqrt(20))
    same(estimate, {"value": value, "se": se, "low": value - Z * se, "n": 20, "n_events": 8})
    assert estimate.method == "normal, delta method"
    assert estimate.high == pytest.approx(min(value + Z * se, 1.0))


def test_at_a_declared_prevalence() -> None:
    """Sensitivity 6/8 and specificity 7/12 carried to a prevalence of a tenth."""
    w, sens, fpr = 0.4 / 0.6, 6 / 8, 5 / 12
    vs, vf = sens * (1 - sens) / 8, fpr * (1 - fpr) / 12
    value, se = 0.1 * sens - 0.9 * w * fpr, math.sqrt(0.01 * vs + 0.81 * w * w * vf)
    method = "normal, two independent proportions, prevalence 0.1 declared"
    want = {"value": value, "se": se, "low": value - Z * se, "high": value + Z * se, "method": method, "n": 20}
    same(net_benefit(Y, P, threshold=0.4, prevalence=0.1), want)
    shares = {k: want[k] / 0.1 for k in ("value", "se", "low", "high")}
    same(net_benefit(Y, P, threshold=0.4, prevalence=0.1, standardised=True), shares)
    value = 0.9 * (1 - fpr) - 0.1 * (1 - sens) / w
    se = math.sqrt(0.81 * vf + 0.01 * vs / w**2)
    want = {"value": value / 0.9, "se": se / 0.9, "low": (value - Z * se) / 0.9}
    same(net_benefit(Y, P, threshold=0.4, prevalence=0.1, population="untreated", standardised=True), want)
    # at the prevalence of the patients the value is the ordinary one
    assert net_benefit(Y, P, threshold=0.4, prevalence=0.4).value == pytest.approx(2 / 15)
    # bounds: nobody can do better than prevalence, or worse than treating all non-events and no event
    y, p = [0] * 6 + [1] * 6, [0.6] * 5 + [0.1] + [0.6] * 5 + [0.1]
    wide = net_benefit(y, p, threshold=0.4, prevalence=0.01, level=0.999, harm=0.02)
    assert (wide.low, wide.note) == (pytest.approx(-0.99 * w - 0.02), "interval cut at its bound")
    assert wide.high < 0.01
    y, p = [0] * 30 + [1] * 6, [0.6] * 5 + [0.01] * 25 + [0.6] * 5 + [0.01]
    wide = net_benefit(y, p, threshold=0.02, prevalence=0.01, level=0.999, harm=0.02)
    assert (wide.high, wide.note) == (pytest.approx(0.01 - 0.02), "interval cut at its bound")


def test_fewer_than_five_are_named() -> None:
    few = "fewer than 5 true or false positives: the normal interval is too narrow"
    assert net_benefit(Y, P, threshold=0.4).note == ""
    assert net_benefit(Y[1:-2], P[1:-2], threshold=0.6).note == few  # 4 true positives
    assert net_benefit(np.delete(Y, 8), np.delete(P, 8), threshold=0.4).note == few  # 4 false positives
    assert net_benefit(Y[4:], P[4:], threshold=0.0).note == ""  # at 0 a false positive costs nothing
    assert net_benefit([0, 0, 1], [0.9, 0.1, 0.1], threshold=0.8).note == "interval cut at its bound; " + few


def test_a_single_outcome() -> None:
    no_event, all_events = np.zeros(20, int), np.ones(20, int)
    assert net_benefit(no_event, P, threshold=0.4).value == pytest.approx(-11 / 20 * 0.4 / 0.6)
    assert net_benefit(all_events, P, threshold=0.4).value == pytest.approx(11 / 20)
    for y, kind, other in ((no_event, "event", "treated"), (all_events, "non-event", "untreated")):
        undefined = net_benefit(y, P, threshold=0.4, standardised=True, population=other)
        assert math.isnan(undefined.value)
        assert undefined.note == f"no {kind}: perfect prediction is worth 0, by which nothing is standardised"
        assert math.isnan(undefined.low)
        declared = net_benefit(y, P, threshold=0.4, prevalence=0.2)
        assert math.isnan(declared.value)
        assert declared.note == f"no {kind}: at a declared prevalence the value needs both outcomes"
        assert (declared.n, declared.n_events) == (20, int(y.sum()))
        curve = decision_curve(y, P, thresholds=[0.2, 0.4], prevalence=0.2)
        assert np.isnan(curve.y).all()
        assert curve.note == declared.note
        assert math.isfinite(net_benefit(y, P, threshold=0.4, standardised=True, population="overall").value)
    assert math.isfinite(net_benefit(all_events, P, threshold=0.4, standardised=True).value)
    assert math.isfinite(net_benefit(no_event, P, threshold=0.4, standardised=True, population="untreated").value)
    curve = decision_curve(no_event, P, thresholds=[0.2, 0.4], standardised=True)
    assert np.isnan(curve.y).all()
    assert "perfect prediction is worth 0" in curve.note


def test_the_ends_of_the_grid() -> None:
    at_one = "undefined at a threshold of 1: the weight t/(1 - t) is infinite"
    at_zero = "undefined at a threshold of 0: the weight (1 - t)/t is infinite"
    assert net_benefit(Y, P, threshold=0).value == pytest.approx(0.4)
    assert net_benefit(Y, P, threshold=1).note == at_one
    assert net_benefit(Y, P, threshold=1, population="untreated").value == pytest.approx(12 / 20)
    undefined = net_benefit(Y, P, threshold=0, population="untreated")
    assert (undefined.note, undefined.n, undefined.n_events, undefined.level) == (at_zero, 20, 8, 0.95)
    assert math.isnan(undefined.value)
    curve = decision_curve(Y, P, thresholds=[0, 0.5, 1], population="overall")
    assert np.isnan(curve.y).tolist() == [True, False, True]
    assert curve.note.startswith(f"{at_zero}; {at_one}; fewer than 5 patients")
    assert np.isnan(treat_none(Y, thresholds=[0, 0.5, 1]).y).tolist() == [False, False, True]


def test_perfect_prediction() -> None:
    """Standardised net benefit is 1 at every threshold that parts the outcomes, without spread."""
    for population in ("treated", "untreated", "overall"):
        estimate = net_benefit(Y, Y * 0.8 + 0.1, threshold=0.5, standardised=True, population=population)
        assert estimate.value == pytest.approx(1)
        assert math.isnan(estimate.se)
        assert estimate.note == "all contribute alike: no interval"


def test_strategies_at_a_declared_prevalence_and_of_the_untreated() -> None:
    grid = [0.2, 0.5]
    everybody, nobody = (f(Y, thresholds=grid, prevalence=0.1) for f in (treat_all, treat_none))
    np.testing.assert_allclose(everybody.y, [0.1 - 0.9 * 0.25, 0.1 - 0.9])
    np.testing.assert_array_equal(everybody.low, everybody.y)
    assert everybody.method == "treat all; fixed by the declared prevalence 0.1"
    assert nobody.method == "treat none; 0 by definition"
    untreated = treat_none(Y, thresholds=grid, population="untreated")
    np.testing.assert_allclose(untreated.y, [0.6 - 0.4 * 4, 0.6 - 0.4])
    assert untreated.y_name == "net benefit of the untreated"
    assert treat_all(Y, thresholds=grid, population="untreated").y.tolist() == [0, 0]
    both = treat_all(Y, thresholds=grid, population="overall", standardised=True)
    assert both.y_name == "standardised net benefit, treated and untreated"
    np.testing.assert_allclose(both.y, [0.4 - 0.6 * 0.25, 0.4 - 0.6])
    assert (treat_all(Y, thresholds=grid).n, treat_all(Y, thresholds=grid).n_events) == (20, 8)
    assert treat_all(Y, thresholds=grid).method == f"treat all; {CONTRIBUTION}, pointwise"
    ends = treat_all(Y, thresholds=[0.5], level=0.9)
    assert ends.high[0] - ends.y[0] == pytest.approx(1.6448536269514722 * np.std(2 * Y - 1, ddof=1) / math.sqrt(20))
    fixed = treat_none(Y, thresholds=grid, prevalence=0.1, population="untreated")
    np.testing.assert_allclose(fixed.y, [0.9 - 0.4, 0.9 - 0.1])
    np.testing.assert_array_equal(fixed.high, fixed.y)
    assert fixed.method == "treat none; fixed by the declared prevalence 0.1"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"harm": -0.1}, r"`harm` must be a number of at least 0, .*; it is -0.1"),
        ({"harm": True}, "`harm` must be a number"),
        ({"harm": math.inf}, "`harm` must be a number"),
        ({"harm": "0.1"}, "`harm` must be a number"),
        ({"prevalence": 0}, "`prevalence` must lie strictly between 0 and 1; it is 0"),
        ({"prevalence": 1.0}, "`prevalence` must lie strictly between 0 and 1"),
        ({"prevalence": 30}, "`prevalence` must lie strictly between 0 and 1"),
        ({"prevalence": "x"}, "`prevalence` must lie strictly between 0 and 1"),
        ({"prevalence": True}, "`prevalence` must lie strictly between 0 and 1"),
        ({"population": "everyone"}, "`population` must be one of 'treated', 'untreated', 'overall', not 'everyone'"),
        ({"level": 95}, "did you mean 0.95"),
    ],
)
def test_bad_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        net_benefit(Y, P, threshold=0.4, **options)
    with pytest.raises(InputError, match=message):
        decision_curve(Y, P, **options)


def test_weights_and_incomplete_patients() -> None:
    weights = np.arange(20) % 3
    want = net_benefit(np.repeat(Y, weights), np.repeat(P, weights), threshold=0.4)
    assert net_benefit(Y, P, threshold=0.4, weights=weights) == want
    gap = np.append(P, math.nan)
    found = net_benefit(np.append(Y, 1), gap, threshold=0.4, missing="complete-case")
    assert (found.value, found.n, found.n_missing) == (pytest.approx(2 / 15), 20, 1)
    assert found.note == "1 of 21 patients left out as incomplete (complete case)"
    assert decision_curve(np.append(Y, 1), gap, missing="complete-case").n_missing == 1
    assert treat_all([0, 1, math.nan], missing="complete-case").n == 2
    assert treat_none([0, 1], weights=[3, 1]).n == 4
    with pytest.raises(InputError, match=r"missing \(NaN\) for 1 of 21 patients \(row 20\)"):
        net_benefit(np.append(Y, 1), gap, threshold=0.4)


def test_reversing_the_outcome_swaps_treated_and_untreated() -> None:
    """Calling the non-event the event turns risks over; overall net benefit does not notice (Rousson and Zumbrunn)."""
    rng = np.random.default_rng(3)
    y, p = rng.integers(0, 2, 60), rng.random(60)
    for t in (0.2, 0.5, 0.65):
        overall = net_benefit(y, p, threshold=t, population="overall")
        treated = net_benefit(y, p, threshold=t)
        untreated = net_benefit(y, p, threshold=t, population="untreated")
        turned = net_benefit(1 - y, 1 - p, threshold=1 - t)  # no risk lies exactly at the threshold
        assert untreated.value == pytest.approx(turned.value)
        assert overall.value == pytest.approx(treated.value + untreated.value)


@quick
@given(cases)
def test_rows_may_come_in_any_order(case: tuple[np.ndarray, np.ndarray]) -> None:
    y, p = case
    for options in ({}, {"standardised": True, "population": "overall"}, {"prevalence": 0.2}):
        a = decision_curve(y, p, **options)
        b = decision_curve(y[::-1], p[::-1], **options)
        np.testing.assert_array_equal(a.y, b.y)
        np.testing.assert_array_equal(a.low, b.low)


def test_standardised_interval_covers_near_its_level() -> None:
    """With the prevalence taken as known the interval would be too narrow or too wide."""
    rng = np.random.default_rng(11)
    risk = (np.arange(100_000) + 0.5) / 100_000
    truth = float(np.where(risk >= 0.3, risk - (1 - risk) * 0.3 / 0.7, 0).mean()) / 0.5
    hits = declared = 0
    for _ in range(600):
        p = rng.random(150)
        y = (rng.random(150) < p).astype(int)
        estimate = net_benefit(y, p, threshold=0.3, standardised=True)
        hits += estimate.low <= truth <= estimate.high
        estimate = net_benefit(y, p, threshold=0.3, standardised=True, prevalence=0.5)
        declared += estimate.low <= truth <= estimate.high
    assert 0.925 < hits / 600 < 0.975
    assert 0.925 < declared / 600 < 0.975
