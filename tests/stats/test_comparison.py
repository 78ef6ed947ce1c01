from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validkit.errors import InputError
from validkit.stats import adjust_p_values, auc, compare_auc, delong_covariance

quick = settings(deadline=None, max_examples=60)


def simulated(seed: int, n: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.r_[1, 1, 0, 0, rng.integers(0, 2, n - 4)]
    return y, np.round(rng.random(n) * 0.5 + 0.3 * y, 2), np.round(rng.random(n) * 0.6 + 0.2 * y, 2)


@quick
@given(st.integers(0, 10**6))
def test_swapping_the_models_flips_the_difference_and_keeps_p(seed: int) -> None:
    y, a, b = simulated(seed)
    there, back = compare_auc(y, a, b), compare_auc(y, b, a)
    assert back.difference.value == -there.difference.value
    assert back.test.statistic == -there.test.statistic
    assert back.test.p_value == there.test.p_value
    np.testing.assert_allclose(
        [back.difference.low, back.difference.high], [-there.difference.high, -there.difference.low]
    )
    less, greater = (compare_auc(y, a, b, alternative=s).test.p_value for s in ("less", "greater"))
    assert less + greater == pytest.approx(1)
    assert min(less, greater) * 2 == pytest.approx(there.test.p_value)


@quick
@given(st.integers(0, 10**6))
def test_the_difference_is_that_of_the_aucs_and_its_variance_the_covariances(seed: int) -> None:
    y, a, b = simulated(seed)
    ours = compare_auc(y, a, b)
    _, cov = delong_covariance(y, np.stack([a, b]))
    assert ours.difference.value == pytest.approx(auc(y, a).value - auc(y, b).value, abs=1e-15)
    assert ours.difference.se == pytest.approx(math.sqrt(cov[0, 0] + cov[1, 1] - 2 * cov[0, 1]), rel=1e-9)
    assert -1 <= ours.difference.low <= ours.difference.value <= ours.difference.high <= 1
    assert 0 < ours.test.p_value <= 1


@quick
@given(st.integers(0, 10**6))
def test_equal_rankings_give_no_difference_and_p_1(seed: int) -> None:
    """MLstatkit gives p = 0 here, others NaN."""
    y, a, _ = simulated(seed)
    for b in (a, a**3, np.sqrt(a)):
        ours = compare_auc(y, a, b)
        assert (ours.difference.value, ours.difference.low, ours.difference.high) == (0.0, 0.0, 0.0)
        assert (ours.test.statistic, ours.test.p_value) == (0.0, 1.0)
        assert "alike" in ours.test.note


@pytest.mark.parametrize("y", [[0, 0, 0, 0, 1], [1, 1, 1, 1, 0]])
def test_a_single_event_supports_no_test(y: list[int]) -> None:
    """MLstatkit reports a confident p value here."""
    ours = compare_auc(y, [0.1, 0.3, 0.4, 0.8, 0.5], [0.2, 0.5, 0.1, 0.3, 0.9])
    assert math.isnan(ours.test.p_value)
    assert math.isnan(ours.difference.low)
    assert abs(ours.difference.value) == 0.25
    assert "single event or non-event" in ours.test.note


def test_opposite_perfect_rankings_have_no_variance_and_no_p() -> None:
    ours = compare_auc([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], [0.9, 0.8, 0.2, 0.1])
    assert ours.difference.value == 1.0
    assert math.isnan(ours.test.p_value)
    assert "variance of the difference is zero" in ours.test.note


def test_one_outcome_only() -> None:
    ours = compare_auc([1, 1, 1], [0.1, 0.2, 0.3], [0.3, 0.2, 0.1])
    assert math.isnan(ours.difference.value)
    assert "no non-event" in ours.test.note


def test_names_and_bad_arguments() -> None:
    y, a, b = simulated(1)
    ours = compare_auc(y, a, b, a="fusion", b="radiomics")
    assert (ours.a, ours.b) == ("fusion", "radiomics")
    with pytest.raises(InputError, match="`alternative` must be one of"):
        compare_auc(y, a, b, alternative="both")
    with pytest.raises(InputError, match="`prob_b` is missing"):
        compare_auc(y, a, np.where(np.arange(y.size) == 3, math.nan, b))


def test_size_of_the_test_under_no_difference() -> None:
    """Two equally good markers, 800 simulated studies: 5 % of p values fall below 0.05, within simulation error."""
    rng = np.random.default_rng(7)
    y = np.r_[np.ones(40, int), np.zeros(80, int)]
    rejected = 0
    for _ in range(800):
        base = rng.normal(size=120) + y
        a, b = base + rng.normal(size=120), base + rng.normal(size=120)
        rejected += compare_auc(y, a, b, scale="score").test.p_value < 0.05
    assert 0.03 < rejected / 800 < 0.075


p_values = st.lists(st.one_of(st.floats(0, 1), st.just(math.nan)), min_size=1, max_size=12)


@quick
@given(p_values)
def test_adjustment_laws(p: list[float]) -> None:
    raw = np.array(p)
    known = ~np.isnan(raw)
    adjusted = {m: adjust_p_values(p, method=m) for m in ("holm", "hochberg", "bh", "bonferroni", "none")}
    np.testing.assert_array_equal(adjusted["none"], raw)
    order = ("none", "bh", "hochberg", "holm", "bonferroni")
    for milder, stricter in pairwise(order):
        assert (adjusted[milder][known] <= adjusted[stricter][known] * (1 + 1e-12)).all()
    for values in adjusted.values():
        np.testing.assert_array_equal(np.isnan(values), ~known)
        assert ((values[known] >= raw[known]) & (values[known] <= 1)).all()
        ranks = np.argsort(raw[known], kind="stable")
        assert (np.diff(values[known][ranks]) >= -1e-15).all()
    np.testing.assert_array_equal(adjust_p_values(raw[known], method="holm"), adjusted["holm"][known])


def test_adjustment_edges() -> None:
    assert adjust_p_values([]).size == 0
    assert np.isnan(adjust_p_values([math.nan, math.nan])).all()
    assert adjust_p_values([0.02]).tolist() == [0.02]
    with pytest.raises(InputError, match="entry 1 does not"):
        adjust_p_values([0.1, 1.2])
    with pytest.raises(InputError, match="`method` must be one of"):
        adjust_p_values([0.1], method="fdr")
