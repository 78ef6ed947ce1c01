from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validkit.errors import InputError
from validkit.stats.decision_comparison import DecisionComparison, _covariance, compare_decision_curves
from validkit.stats.decision_curves import decision_curve, decision_grid, treat_all
from validkit.stats.payoffs import Asked, odds, thresholds_reached
from validkit.stats.simultaneous import critical_value, sup_t

GRID = np.array([0.1, 0.2, 0.3, 0.5, 0.9])
Z = 1.959963984540054
SMALL = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 20), st.integers(0, 20)), min_size=2, max_size=40).map(
    lambda rows: tuple(
        np.array(c) for c in ([r[0] for r in rows], [r[1] / 20 for r in rows], [r[2] / 20 for r in rows])
    )
)


def models(n: int, seed: int, spread: float = 0.5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two exchangeable models: neither is better."""
    rng = np.random.default_rng(seed)
    logit = rng.normal(-1, 1.5, n)
    y = (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(int)
    a, b = (1 / (1 + np.exp(-logit - rng.normal(0, spread, n))) for _ in range(2))
    return y, a, b


def gaps(y: np.ndarray, a: np.ndarray, b: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """(n, k) each patient's contribution to the difference."""
    return ((a[:, None] >= grid).astype(float) - (b[:, None] >= grid)) * np.where(
        y[:, None] == 1, 1.0, -grid / (1 - grid)
    )


def test_every_field_by_hand() -> None:
    y, a, b = models(160, 3, 1.0)
    found = compare_decision_curves(y, a, b, thresholds=GRID, rng=4, replicates=999)
    u = gaps(y, a, b, GRID)
    value, se = u.mean(axis=0), u.std(axis=0, ddof=1) / math.sqrt(160)
    curve = found.difference
    np.testing.assert_allclose(curve.y, value, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(curve.low, value - Z * se, rtol=1e-12)
    np.testing.assert_allclose(curve.high, value + Z * se, rtol=1e-12)
    np.testing.assert_allclose(found.p_values, [math.erfc(abs(z) / math.sqrt(2)) for z in value / se], rtol=1e-9)
    np.testing.assert_array_equal(curve.x, GRID)
    assert (curve.n, curve.n_events, curve.level) == (160, int(y.sum()), 0.95)
    assert (curve.x_name, curve.y_name) == ("threshold", "difference of net benefit")
    assert curve.method == "difference; normal, from each patient's contribution, pointwise"
    discordant = np.array([[((u[y == k] != 0)[:, j]).sum() for j in range(5)] for k in (0, 1)])
    dense = (discordant >= 5).all(axis=0)
    assert dense.tolist() == [True, True, True, True, False]
    assert curve.note == (
        "fewer than 5 events or non-events treated differently at 1 of 5 thresholds (0.9 to 0.9): "
        "the normal interval is too narrow there"
    )
    draws = sup_t(np.cov(u[:, dense].T) / 160, se[dense], 4, 999)
    statistic = np.abs(value / se)[dense].max()
    assert found.test.statistic == pytest.approx(statistic, rel=1e-12)
    assert found.test.p_value == ((draws >= statistic).sum() + 1) / 1000
    assert (found.test.df, found.test.n, found.test.n_events) == (None, 160, int(y.sum()))
    assert found.test.method == "sup-t over 4 thresholds, 999 normal draws"
    assert (found.test.note, found.a, found.b) == ("", "a", "b")
    band = compare_decision_curves(y, a, b, thresholds=GRID, rng=4, replicates=999, band="simultaneous", level=0.9)
    critical = critical_value(draws, 0.9)
    np.testing.assert_allclose(band.difference.low[dense], (value - critical * se)[dense], rtol=1e-9)
    np.testing.assert_allclose(band.difference.high[dense], (value + critical * se)[dense], rtol=1e-9)
    assert np.isnan(band.difference.low[~dense]).all()
    assert band.difference.method.endswith(f"simultaneous (sup-t, critical value {critical:.4g}, 999 draws)")
    assert band.difference.level == 0.9
    assert band.difference.note.endswith("no simultaneous band there")
    assert repr(found).startswith("a - b: difference of net benefit against threshold: 5 points")
    assert set(found.to_dict()) == {"difference", "p_values", "test", "a", "b"}
    assert not found.p_values.flags.writeable


@pytest.mark.parametrize("prevalence", [None, 0.1])
@pytest.mark.parametrize("seed", [1, 2])
def test_covariance_from_counts_is_that_of_the_patients(prevalence: float | None, seed: int) -> None:
    y, a, b = models(90, seed, 1.0)
    ours = _covariance(y, thresholds_reached(a, GRID), thresholds_reached(b, GRID), odds(GRID), Asked(prevalence))
    u = gaps(y, a, b, GRID)
    want = np.cov(u.T) / 90
    if prevalence is not None:
        want = sum(
            s**2 * np.cov(u[y == k].T, bias=True) / (y == k).sum() for k, s in ((0, 1 - prevalence), (1, prevalence))
        )
    np.testing.assert_allclose(ours, want, rtol=1e-10, atol=1e-17)


@settings(deadline=None, max_examples=60)
@given(SMALL)
def test_laws(case: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    y, a, b = case
    grid = decision_grid(0, "0.95", "0.05")
    forth = compare_decision_curves(y, a, b, thresholds=grid, rng=1, replicates=200)
    back = compare_decision_curves(y, b, a, thresholds=grid, rng=1, replicates=200)
    np.testing.assert_allclose(forth.difference.y, -back.difference.y, atol=1e-15)
    np.testing.assert_allclose(forth.difference.low, -back.difference.high, atol=1e-14)
    np.testing.assert_allclose(forth.p_values, back.p_values, rtol=1e-9)
    assert forth.test.p_value == pytest.approx(back.test.p_value, nan_ok=True)
    want = decision_curve(y, a, thresholds=grid).y - decision_curve(y, b, thresholds=grid).y
    np.testing.assert_allclose(forth.difference.y, want, atol=1e-13)
    for reference, strategy in (("treat all", treat_all(y, thresholds=grid).y), ("treat none", 0.0)):
        against = compare_decision_curves(y, a, reference=reference, thresholds=grid)
        np.testing.assert_allclose(against.difference.y, decision_curve(y, a, thresholds=grid).y - strategy, atol=1e-13)
        assert (against.a, against.b) == ("a", reference)
    turned = compare_decision_curves(y[::-1], a[::-1], b[::-1], thresholds=grid, rng=1, replicates=200)
    np.testing.assert_allclose(turned.difference.low, forth.difference.low, rtol=1e-12, atol=1e-15)


def test_against_constant_models() -> None:
    y, a, _ = models(120, 5)
    for risk, reference in ((1.0, "treat all"), (0.0, "treat none")):
        want = compare_decision_curves(y, a, np.full(120, risk), thresholds=GRID, rng=2, band="simultaneous")
        ours = compare_decision_curves(y, a, reference=reference, thresholds=GRID, rng=2, band="simultaneous")
        np.testing.assert_array_equal(ours.difference.high, want.difference.high)
        assert ours.test == want.test


def test_the_same_ranking_below_and_above_the_thresholds() -> None:
    """Nobody is treated differently: no evidence of any difference, and none pretended."""
    y, a, _ = models(60, 6)
    found = compare_decision_curves(y, a, a, rng=1)
    assert (found.difference.y == 0).all()
    assert np.isnan(found.difference.low).all()
    assert (found.p_values == 1).all()
    assert (found.test.statistic, found.test.p_value) == (0.0, 1.0)
    assert found.test.note == "nobody is treated differently at any threshold"
    assert found.test.method == "sup-t over 0 thresholds"
    assert found.difference.note == "nobody is treated differently at 100 of 100 thresholds: no interval there"
    with_one = compare_decision_curves(y, a, a, thresholds=[0.5, 1])
    assert np.isnan(with_one.difference.y).tolist() == [False, True]
    assert np.isnan(with_one.p_values).tolist() == [False, True]
    assert with_one.test.p_value == 1
    assert with_one.difference.note == (
        "undefined at a threshold of 1: the weight t/(1 - t) is infinite; "
        "nobody is treated differently at 1 of 2 thresholds: no interval there"
    )
    assert math.isnan(compare_decision_curves(y, a, a, thresholds=[1]).test.p_value)


def test_harm_decides_between_equal_rules() -> None:
    y, a, b = models(60, 6)
    found = compare_decision_curves(y, a, a, thresholds=GRID, harm_a=0.03, harm_b=0.01, rng=1)
    np.testing.assert_allclose(found.difference.y, -0.02)
    assert np.isnan(found.p_values).all()  # a declared harm is no matter of chance
    assert math.isnan(found.test.p_value)
    assert found.test.note == "at no threshold are 5 events and 5 non-events treated differently"
    plain = compare_decision_curves(y, a, b, thresholds=GRID)
    harmed = compare_decision_curves(y, a, b, thresholds=GRID, harm_a=0.03, harm_b=0.01)
    np.testing.assert_allclose(harmed.difference.y, plain.difference.y - 0.02)
    np.testing.assert_allclose(harmed.difference.low, plain.difference.low - 0.02)


def test_bounds_of_the_difference() -> None:
    y = np.array([1, 1, 0])
    a, b = np.array([0.9, 0.9, 0.1]), np.array([0.1, 0.9, 0.9])
    for t, bound in ((0.8, 4.0), (0.2, 1.0)):
        found = compare_decision_curves(y, a, b, thresholds=[t], harm_b=0.25, level=0.999)
        assert found.difference.high[0] == pytest.approx(bound + 0.25)
        back = compare_decision_curves(y, b, a, thresholds=[t], harm_b=0.25, level=0.999)
        assert back.difference.low[0] == pytest.approx(-bound + 0.25)
    y = np.array([1] * 6 + [0] * 6)
    a, b = np.array([0.9] * 5 + [0.1] + [0.1] * 5 + [0.9]), np.array([0.1] * 5 + [0.1] + [0.9] * 6)
    found = compare_decision_curves(y, a, b, thresholds=[0.5], prevalence=0.3, level=0.9999)
    assert found.difference.high[0] == pytest.approx(0.3 + 0.7)
    assert found.difference.method == "difference; normal, from two independent samples, pointwise"


def test_without_chance_there_is_no_global_p_value() -> None:
    y, a, b = models(400, 7, 1.0)
    found = compare_decision_curves(y, a, b, thresholds=GRID[:4])
    assert found.test.statistic > 0
    assert math.isnan(found.test.p_value)
    assert found.test.note == "pass `rng` for the p value, which takes random draws"
    assert found.test.method == "sup-t over 4 thresholds"


def test_a_single_outcome_or_patient() -> None:
    found = compare_decision_curves([1, 1, 1], [0.9, 0.2, 0.7], [0.1, 0.2, 0.3], thresholds=[0.5], rng=1)
    assert found.difference.y[0] == pytest.approx(2 / 3)
    declared = compare_decision_curves(
        [1, 1, 1], [0.9, 0.2, 0.7], [0.1, 0.2, 0.3], prevalence=0.2, thresholds=[0.5], rng=1
    )
    assert math.isnan(declared.test.p_value)
    assert math.isnan(declared.difference.y[0])
    assert declared.difference.note.startswith("no non-event: at a declared prevalence")
    one = compare_decision_curves([1], [0.9], [0.1], thresholds=[0.5], rng=1, band="simultaneous")
    assert one.difference.y[0] == 1
    assert math.isnan(one.difference.low[0])
    assert math.isnan(one.p_values[0])
    assert math.isnan(one.test.p_value)
    alike = compare_decision_curves([1, 1], [0.9, 0.8], [0.1, 0.1], thresholds=[0.5])
    assert (alike.difference.y[0], math.isnan(alike.difference.low[0])) == (1.0, True)


def test_models_named_all_and_none_and_incomplete_patients() -> None:
    table = pd.DataFrame({"y": [0, 1, 1, 0, 1], "all": [0.1, 0.8, 0.4, 0.3, 0.2], "none": [0.2, 0.3, 0.9, 0.1, None]})
    with pytest.raises(InputError, match=r"`prob_b` is missing \(NaN\) for 1 of 5 patients \(row 4\)"):
        compare_decision_curves(table["y"], table["all"], table["none"])
    found = compare_decision_curves(table["y"], table["all"], table["none"], missing="complete-case")
    assert isinstance(found, DecisionComparison)
    assert (found.difference.n, found.difference.n_missing, found.test.n_missing) == (4, 1, 1)
    weighted = compare_decision_curves(table["y"], table["all"], reference="treat all", weights=[2, 1, 0, 1, 3])
    assert weighted.difference.n == 7


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "give either `prob_b`, .* or `reference`"),
        ({"prob_b": [0.1, 0.2], "reference": "treat all"}, "give either `prob_b`"),
        ({"reference": "all"}, "`reference` must be one of 'treat all', 'treat none', not 'all'"),
        ({"prob_b": [0.1, 0.2], "harm_a": -1}, "`harm_a` must be a number"),
        ({"prob_b": [0.1, 0.2], "harm_b": -1}, "`harm_b` must be a number"),
        ({"prob_b": [0.1, 1.2]}, r"`prob_b` must lie in \[0, 1\]"),
        ({"prob_b": [0.1, 0.2, 0.3]}, "`prob_b` has 3"),
        ({"prob_b": [0.1, 0.2], "prevalence": 2}, "`prevalence` must lie"),
        ({"prob_b": [0.1, 0.2], "band": "simultaneous"}, "pass `rng`"),
    ],
)
def test_bad_input(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        compare_decision_curves([0, 1], [0.2, 0.3], **options)


def test_type_one_error_and_coverage() -> None:
    """Exchangeable models: the global test rejects and the simultaneous band misses 0 about as often as declared."""
    grid = decision_grid("0.04", "0.8", "0.04")
    rejected = missed = single = 0
    for seed in range(300):
        y, a, b = models(250, 1000 + seed)
        found = compare_decision_curves(y, a, b, thresholds=grid, rng=seed, replicates=499, band="simultaneous")
        rejected += found.test.p_value <= 0.05
        missed += bool((found.difference.low > 0).any() or (found.difference.high < 0).any())
        single += found.p_values[5] <= 0.05
    assert 0.02 < rejected / 300 < 0.085
    assert 0.02 < missed / 300 < 0.085
    assert 0.02 < single / 300 < 0.085


def test_power() -> None:
    y, a, _ = models(400, 12, 0.1)
    noise = np.random.default_rng(3).random(400)
    found = compare_decision_curves(y, a, noise, rng=1, replicates=999)
    assert found.test.p_value == 0.001
