from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from validkit.errors import InputError
from validkit.stats.auc_tests import compare_auc_unpaired
from validkit.stats.discrimination import auc

quick = settings(deadline=None, max_examples=40)
METHOD = "DeLong, unpaired, Satterthwaite's t"
Y, A = [0, 0, 1, 1, 1], [0.1, 0.5, 0.4, 0.7, 0.8]
Z, B = [0, 1, 0, 1, 0, 1], [0.3, 0.2, 0.1, 0.5, 0.4, 0.6]


def sample(seed: int, n: int = 40) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.r_[1, 1, 0, 0, rng.integers(0, 2, n - 4)]
    return y, np.round(rng.random(n) * 0.6 + 0.2 * y, 2)


def test_by_hand() -> None:
    """AUC 5/6 with variance 1/36 + 1/36 (events (1/2, 1, 1), non-events (1, 2/3)), against 7/9."""
    v_a = (1 / 12) / 3 + (1 / 18) / 2
    over_events, over_others = np.array([1 / 3, 1, 1]), np.array([2 / 3, 1, 2 / 3])
    v_b = over_events.var(ddof=1) / 3 + over_others.var(ddof=1) / 3
    df = (v_a + v_b) ** 2 / (v_a**2 / 4 + v_b**2 / 5)
    ours = compare_auc_unpaired(Y, A, Z, B, a="x", b="z")
    d, test, se = ours.difference, ours.test, math.sqrt(v_a + v_b)
    assert d.value == pytest.approx(5 / 6 - 7 / 9)
    assert (d.se, test.df) == (pytest.approx(se), pytest.approx(df))
    half = scipy_stats.t.ppf(0.975, df) * se
    assert (d.low, d.high) == (pytest.approx(5 / 6 - 7 / 9 - half), pytest.approx(5 / 6 - 7 / 9 + half))
    t = (5 / 6 - 7 / 9) / se
    assert (test.statistic, test.p_value) == (pytest.approx(t), pytest.approx(2 * scipy_stats.t.sf(t, df)))
    assert (d.n, d.n_events, test.n, test.n_events, d.level) == (11, 6, 11, 6, 0.95)
    assert (d.method, test.method, d.note, ours.a, ours.b) == (METHOD, f"{METHOD}, two-sided", "", "x", "z")
    greater = compare_auc_unpaired(Y, A, Z, B, alternative="greater").test
    less = compare_auc_unpaired(Y, A, Z, B, alternative="less").test
    assert (greater.p_value, less.p_value) == (
        pytest.approx(scipy_stats.t.sf(t, df)),
        pytest.approx(scipy_stats.t.cdf(t, df)),
    )
    assert greater.method == f"{METHOD}, greater"
    wide = compare_auc_unpaired(Y, A, Z, B, level=0.5).difference
    assert (wide.level, wide.high) == (0.5, pytest.approx(d.value + scipy_stats.t.ppf(0.75, df) * se))


@quick
@given(st.integers(0, 10**6))
def test_laws(seed: int) -> None:
    (y, p), (z, q) = sample(seed), sample(seed + 1, 33)
    there, back = compare_auc_unpaired(y, p, z, q), compare_auc_unpaired(z, q, y, p)
    assert back.difference.value == -there.difference.value
    assert back.test.p_value == pytest.approx(there.test.p_value, rel=1e-12)
    assert back.difference.low == pytest.approx(-there.difference.high)
    first, second = auc(y, p), auc(z, q)
    assert there.difference.se == pytest.approx(math.hypot(first.se, second.se))
    assert -1 <= there.difference.low <= there.difference.value <= there.difference.high <= 1
    assert 0 < there.test.p_value <= 1
    assert min(39, 32) <= (there.test.df or 0) <= 39 + 32 + 1e-9
    order = np.random.default_rng(seed).permutation(y.size)
    shuffled = compare_auc_unpaired(y[order], p[order], z, q).difference
    assert shuffled.value == there.difference.value
    assert shuffled.se == pytest.approx(there.difference.se, rel=1e-12)


def test_where_there_is_no_test() -> None:
    one = compare_auc_unpaired([0, 0, 1], [0.1, 0.4, 0.3], Z, B)
    assert one.difference.value == pytest.approx(0.5 - 7 / 9)
    assert math.isnan(one.difference.se)
    assert one.test.note == one.difference.note == "a single event or non-event: no test"
    none = compare_auc_unpaired([0, 0], [0.1, 0.4], Z, B)
    assert none.test.note == "undefined: a sample without an event or without a non-event"
    flat = compare_auc_unpaired([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4], [0, 0, 1, 1], [0.4, 0.3, 0.2, 0.1], a="x")
    assert (flat.difference.value, flat.difference.se) == (1.0, 0.0)
    assert (flat.test.note, flat.a) == ("DeLong's variances are both zero: no test", "x")
    for ours in (one, none, flat):
        values = (ours.difference.low, ours.difference.high, ours.test.statistic, ours.test.p_value)
        assert all(math.isnan(v) for v in values)
        assert (ours.test.df, ours.test.method) == (None, f"{METHOD}, two-sided")
    assert (one.test.n, one.test.n_events) == (9, 4)


def test_one_perfect_sample_and_the_bound() -> None:
    perfect = ([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4])
    ours = compare_auc_unpaired(*perfect, Z, B)
    assert ours.test.df == pytest.approx(5)
    assert ours.difference.note == "one AUC is 0 or 1: its variance of zero is too small"
    poor = ([0, 0, 1, 1], [0.3, 0.9, 0.1, 0.5])
    cut = compare_auc_unpaired(*perfect, *poor).difference
    assert (cut.high, cut.value) == (1.0, 0.75)
    assert cut.note == "one AUC is 0 or 1: its variance of zero is too small; interval cut at its bound"
    assert compare_auc_unpaired(*poor, *perfect).difference.low == -1.0


def test_errors_name_the_sample() -> None:
    with pytest.raises(InputError, match="`y_b` must be 0 or 1"):
        compare_auc_unpaired(Y, A, [0, 1, 2, 1, 0, 1], B)
    with pytest.raises(InputError, match="`y_a` has 5 patients and `prob_a` has 4"):
        compare_auc_unpaired(Y, A[:4], Z, B)
    with pytest.raises(InputError, match=r"`prob_b` must lie in \[0, 1\]"):
        compare_auc_unpaired(Y, A, Z, [2.0, *B[1:]])
    with pytest.raises(InputError, match="`alternative`"):
        compare_auc_unpaired(Y, A, Z, B, alternative="two.sided")
    assert compare_auc_unpaired(Y, A, Z, [10 * v for v in B], scale="score").difference.value == pytest.approx(1 / 18)


def test_incomplete_patients_of_both_samples_are_counted() -> None:
    ours = compare_auc_unpaired([*Y, 1], [*A, math.nan], [*Z, 0, 1], [*B, math.nan, math.nan], missing="complete-case")
    assert (ours.difference.n_missing, ours.test.n) == (3, 11)
    assert ours.difference.value == pytest.approx(1 / 18)
    assert "3 of 14 patients left out" in ours.difference.note
