from __future__ import annotations

import math
from itertools import pairwise
from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validkit.errors import InputError
from validkit.stats.comparison import adjust_p_values, compare_auc, no_difference, wald_comparison
from validkit.stats.discrimination import auc, delong_covariance
from validkit.stats.paired_bootstrap import bootstrap_comparison

quick = settings(deadline=None, max_examples=60)


def simulated(seed: int, n: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.r_[1, 1, 0, 0, rng.integers(0, 2, n - 4)]
    return y, np.round(rng.random(n) * 0.5 + 0.3 * y, 2), np.round(rng.random(n) * 0.6 + 0.2 * y, 2)


Y, A, B = [0, 0, 1, 1, 1], [0.1, 0.5, 0.4, 0.7, 0.8], [0.3, 0.6, 0.2, 0.5, 0.9]


def test_a_comparison_by_hand() -> None:
    """Placements of the events differ by (1/2, 1/2, 0), of the non-events by (1/3, 1/3): variance (1/6)/2/3 + 0."""
    ours = compare_auc(Y, A, B)
    d, test = ours.difference, ours.test
    assert (d.value, d.se) == (pytest.approx(1 / 3, rel=1e-14), pytest.approx(1 / 6, rel=1e-14))
    half = NormalDist().inv_cdf(0.975) / 6
    assert (d.low, d.high) == (pytest.approx(1 / 3 - half, rel=1e-12), pytest.approx(1 / 3 + half, rel=1e-12))
    assert (d.level, d.method, d.n, d.n_events, d.note) == (0.95, "DeLong, paired", 5, 3, "")
    assert test.statistic == pytest.approx(2, rel=1e-12)
    assert test.p_value == pytest.approx(2 * NormalDist().cdf(-2), rel=1e-12)
    assert (test.df, test.method, test.n, test.n_events, test.note) == (None, "DeLong, paired, two-sided", 5, 3, "")
    assert compare_auc(Y, A, B, alternative="greater").test.p_value == pytest.approx(NormalDist().cdf(-2), rel=1e-12)
    less = compare_auc(Y, A, B, alternative="less").test
    assert (less.p_value, less.method) == (pytest.approx(NormalDist().cdf(2), rel=1e-12), "DeLong, paired, less")
    narrow = compare_auc(Y, A, B, level=0.5).difference
    assert (narrow.level, narrow.high) == (0.5, pytest.approx(1 / 3 + NormalDist().inv_cdf(0.75) / 6, rel=1e-12))


def test_the_interval_is_cut_to_what_a_difference_can_be() -> None:
    y, a, b = [0, 0, 1, 1, 1], [0.1, 0.2, 0.5, 0.6, 0.7], [0.8, 0.9, 0.1, 0.2, 0.85]
    d = compare_auc(y, a, b).difference
    assert (d.value, d.high, d.note) == (pytest.approx(5 / 6), 1.0, "interval cut at its bound")
    back = compare_auc(y, b, a).difference
    assert (back.value, back.low, back.note) == (pytest.approx(-5 / 6), -1.0, "interval cut at its bound")
    assert d.low == pytest.approx(5 / 6 - NormalDist().inv_cdf(0.975) * d.se)
    assert back.high == pytest.approx(-d.low)


def test_the_shared_pieces() -> None:
    options = {"method": "m", "level": 0.9, "alternative": "greater", "n": 9, "n_events": 4}
    ours = wald_comparison(0.5, 0.25, bound=0.6, note="first", names=("x", "z"), **options)
    assert (ours.difference.high, ours.difference.note) == (0.6, "first; interval cut at its bound")
    assert (ours.test.note, ours.a, ours.b) == ("first; interval cut at its bound", "x", "z")
    inside = wald_comparison(0.5, 0.25, **options).difference
    assert (inside.high, inside.note) == (pytest.approx(0.5 + NormalDist().inv_cdf(0.95) / 4), "")
    for se in (0.0, math.nan, math.inf):
        none = wald_comparison(0.5, se, note="why", **options)
        assert all(math.isnan(v) for v in (none.difference.low, none.difference.high, none.test.statistic))
        assert (none.difference.value, none.test.note, none.test.method) == (0.5, "why", "m, greater")
        assert math.isnan(none.test.p_value)
    same = no_difference("alike", ends=math.nan, names=("x", "z"), **options)
    assert (same.difference.value, same.difference.se, same.test.statistic, same.test.p_value) == (0, 0, 0, 0.5)
    assert math.isnan(same.difference.low)
    assert (same.test.method, same.difference.note) == ("m, greater", "alike")


def test_weights_and_missing_values() -> None:
    y, a, b = simulated(3, 30)
    weights = np.random.default_rng(1).integers(0, 4, 30)
    rows = np.repeat(np.arange(30), weights)
    assert compare_auc(y, a, b, weights=weights) == compare_auc(y[rows], a[rows], b[rows])
    gap = np.where(np.arange(30) == 7, math.nan, b)
    ours, kept = compare_auc(y, a, gap, missing="complete-case"), np.arange(30) != 7
    assert (ours.difference.n_missing, ours.test.n_missing, ours.difference.n) == (1, 1, 29)
    assert ours.difference.value == compare_auc(y[kept], a[kept], b[kept]).difference.value
    assert "1 of 30 patients left out" in ours.test.note


def test_the_bootstrap_is_stratified_with_a_normal_test() -> None:
    y, a, b = simulated(5)
    ours = compare_auc(y, a, b, method="bootstrap", rng=3, replicates=300, a="x", b="z", level=0.9, alternative="less")
    same = bootstrap_comparison(
        auc, y, a, b, rng=3, replicates=300, stratified=True, test="normal", a="x", b="z", level=0.9, alternative="less"
    )
    assert ours == same
    assert (ours.difference.method, ours.a, ours.b) == ("bootstrap, percentile, stratified", "x", "z")
    with pytest.raises(InputError, match="needs `rng`"):
        compare_auc(y, a, b, method="bootstrap")
    with pytest.raises(InputError, match="`method` must be one of"):
        compare_auc(y, a, b, method="jackknife")
    scores = compare_auc(y, a * 10, b * 10, method="bootstrap", rng=3, replicates=40, scale="score")
    assert scores.difference.value == pytest.approx(compare_auc(y, a, b).difference.value)


def test_pandas_rows_are_never_guessed() -> None:
    y = pd.Series(Y)
    with pytest.raises(InputError, match="in another order"):
        compare_auc(y, A, pd.Series(B, index=[4, 3, 2, 1, 0]))
    assert compare_auc(y, pd.Series(A), pd.Series(B)) == compare_auc(Y, A, B)
    with pytest.raises(InputError, match="`prob_b` has 4"):
        compare_auc(Y, A, B[:4])


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
        assert ours.test.note == ours.difference.note == "both rank every event against every non-event alike"
        assert ours.difference.se == 0.0
        assert (ours.difference.n, ours.difference.n_events) == (60, int(y.sum()))
        assert [compare_auc(y, a, b, alternative=s).test.p_value for s in ("less", "greater")] == [0.5, 0.5]


@pytest.mark.parametrize("y", [[0, 0, 0, 0, 1], [1, 1, 1, 1, 0]])
def test_a_single_event_supports_no_test(y: list[int]) -> None:
    """MLstatkit reports a confident p value here."""
    ours = compare_auc(y, [0.1, 0.3, 0.4, 0.8, 0.5], [0.2, 0.5, 0.1, 0.3, 0.9])
    assert math.isnan(ours.test.p_value)
    assert math.isnan(ours.difference.low)
    assert abs(ours.difference.value) == 0.25
    assert math.isnan(ours.difference.se)
    assert ours.test.note == ours.difference.note == "a single event or non-event: no variance, no test"


def test_opposite_perfect_rankings_have_no_variance_and_no_p() -> None:
    ours = compare_auc([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], [0.9, 0.8, 0.2, 0.1])
    assert ours.difference.value == 1.0
    assert math.isnan(ours.test.p_value)
    assert (ours.difference.se, ours.difference.n, ours.difference.n_events) == (0.0, 4, 2)
    assert math.isnan(ours.difference.low)
    assert ours.test.note == "DeLong's variance of the difference is zero: no test"


def test_one_outcome_only() -> None:
    ours = compare_auc([1, 1, 1], [0.1, 0.2, 0.3], [0.3, 0.2, 0.1])
    assert math.isnan(ours.difference.value)
    assert ours.test.note == ours.difference.note == "undefined: no non-event"
    assert (ours.test.n, ours.test.n_events) == (3, 3)
    none = compare_auc([0, 0], [0.1, 0.2], [0.3, 0.2])
    assert (none.test.note, none.test.n_events) == ("undefined: no event", 0)


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
    p = [0.01, 0.04, math.nan, 0.03]
    known = {
        "holm": [0.03, 0.06, 0.06],
        "hochberg": [0.03, 0.04, 0.04],
        "bh": [0.03, 0.04, 0.04],
        "bonferroni": [0.03, 0.12, 0.09],
    }
    for method, want in known.items():
        ours = adjust_p_values(p, method=method)
        assert ours[[0, 1, 3]] == pytest.approx(want)
        assert math.isnan(ours[2])
    assert adjust_p_values([0.0, 1.0, 1.0]).tolist() == [0.0, 1.0, 1.0]
    with pytest.raises(InputError, match="entry 1 does not"):
        adjust_p_values([0.1, 1.2])
    with pytest.raises(InputError, match="entry 0 does not"):
        adjust_p_values([-0.1, 0.2])
    with pytest.raises(InputError, match="`method` must be one of"):
        adjust_p_values([0.1], method="fdr")
