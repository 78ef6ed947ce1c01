from __future__ import annotations

import math
from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validkit.errors import InputError
from validkit.stats.classification import sensitivity, specificity
from validkit.stats.paired_proportions import (
    compare_sensitivity,
    compare_specificity,
    mcnemar,
    paired_proportions_interval,
)

quick = settings(deadline=None, max_examples=60)
counts = st.integers(0, 30)
METHODS = ("exact", "mid-p", "asymptotic", "corrected")


@quick
@given(counts, counts)
def test_exact_and_mid_p_are_binomial_sums(c: int, e: int) -> None:
    n, k = c + e, min(c, e)
    lower = Fraction(sum(comb(n, i) for i in range(k + 1)), 2**n)
    exact, middle = mcnemar(c, e), mcnemar(c, e, method="mid-p")
    assert exact.p_value == pytest.approx(float(min(1, 2 * lower)), rel=1e-12)
    assert middle.p_value == pytest.approx(float(min(1, 2 * lower - Fraction(comb(n, k), 2**n))), rel=1e-12)
    assert (exact.statistic, middle.statistic, exact.df, middle.df, exact.n) == (k, k, None, None, n)
    assert 0 < middle.p_value <= exact.p_value <= 1
    for method in METHODS:
        assert mcnemar(e, c, method=method) == mcnemar(c, e, method=method)


def test_chi_square_by_hand() -> None:
    plain, corrected = mcnemar(61, 34, method="asymptotic"), mcnemar(61, 34, method="corrected")
    assert (plain.statistic, corrected.statistic) == (27**2 / 95, 26**2 / 95)
    assert plain.p_value == pytest.approx(math.erfc(math.sqrt(27**2 / 95 / 2)), rel=1e-12)
    assert corrected.p_value == pytest.approx(math.erfc(math.sqrt(26**2 / 95 / 2)), rel=1e-12)
    assert (plain.df, corrected.df, plain.n, plain.note) == (1, 1, 95, "")
    even = mcnemar(4, 4, method="corrected")  # as in R: no correction where the pairs are even
    assert (even.statistic, even.p_value) == (0.0, 1.0)
    assert [mcnemar(1, 2, method=m).method for m in METHODS] == [
        "McNemar, exact binomial",
        "McNemar, mid-p",
        "McNemar, chi-square",
        "McNemar, chi-square with continuity correction",
    ]


@pytest.mark.parametrize("method", METHODS)
def test_no_discordant_pair_gives_p_1(method: str) -> None:
    """mlxtend gives p = 0 here."""
    none = mcnemar(0, 0, method=method)
    assert (none.p_value, none.statistic, none.n, none.note) == (1.0, 0.0, 0, "no discordant pair")
    y, p = [1, 1, 1, 0, 0], [0.9, 0.8, 0.1, 0.2, 0.7]
    for function, n in ((compare_sensitivity, 3), (compare_specificity, 2)):
        ours = function(y, p, p, threshold=0.5, method=method)
        assert (ours.difference.value, ours.difference.se) == (0.0, 0.0)
        assert (ours.test.p_value, ours.test.note, ours.difference.note) == (1.0, *["no discordant pair"] * 2)
        assert ours.test.n == n
        assert -1 < ours.difference.low < 0 < ours.difference.high < 1


def test_published_intervals() -> None:
    """Newcombe 1998, table: 36, 12, 2, 0 gives 0.0569 to 0.3404 by method 10."""
    low, high = paired_proportions_interval(36, 12, 2, 0)
    assert (round(low, 4), round(high, 4)) == (0.0569, 0.3404)
    assert all(math.isnan(end) for end in paired_proportions_interval(0, 0, 0, 0))


def wilson(x: int, n: int, z: float) -> tuple[float, float]:
    centre, half = (2 * x + z * z) / (2 * (n + z * z)), z * math.sqrt(z * z + 4 * x * (1 - x / n)) / (2 * (n + z * z))
    return centre - half, centre + half


@pytest.mark.parametrize("table", [(20, 12, 2, 16), (30, 5, 5, 1), (3, 12, 9, 2), (9, 1, 1, 9), (50, 0, 3, 40)])
@pytest.mark.parametrize(("level", "z"), [(0.95, 1.959963984540054), (0.8, 1.2815515655446004)])
def test_the_paired_interval_by_its_formula(table: tuple[int, ...], level: float, z: float) -> None:
    r, s, t, u = table
    n = sum(table)
    p1, p2, cross = (r + s) / n, (r + t) / n, r * u - s * t
    numerator = cross - n / 2 if cross > n / 2 else min(cross, 0)
    phi = numerator / math.sqrt((r + s) * (t + u) * (r + t) * (s + u))
    (l1, u1), (l2, u2) = wilson(r + s, n, z), wilson(r + t, n, z)
    below = math.sqrt((p1 - l1) ** 2 - 2 * phi * (p1 - l1) * (u2 - p2) + (u2 - p2) ** 2)
    above = math.sqrt((p2 - l2) ** 2 - 2 * phi * (p2 - l2) * (u1 - p1) + (u1 - p1) ** 2)
    ours = paired_proportions_interval(*table, level=level)
    assert ours == (pytest.approx(p1 - p2 - below, rel=1e-10), pytest.approx(p1 - p2 + above, rel=1e-10))


@quick
@given(counts, counts, counts, counts)
def test_laws_of_the_paired_interval(r: int, s: int, t: int, u: int) -> None:
    if r + s + t + u == 0:
        return
    low, high = paired_proportions_interval(r, s, t, u)
    difference = (s - t) / (r + s + t + u)
    assert -1 <= low <= difference <= high <= 1
    assert low < high
    back = paired_proportions_interval(r, t, s, u)
    assert back == (pytest.approx(-high, abs=1e-12), pytest.approx(-low, abs=1e-12))
    assert paired_proportions_interval(u, t, s, r) == pytest.approx(back, abs=1e-12)


def test_sensitivity_and_specificity_by_hand() -> None:
    """Six events: a alone finds 3, b alone 1; four non-events: a alone clears 2, b alone 1."""
    y = [1] * 6 + [0] * 4
    a = [0.9, 0.8, 0.7, 0.2, 0.5, 0.1, 0.1, 0.2, 0.6, 0.5]
    b = [0.1, 0.2, 0.3, 0.7, 0.5, 0.1, 0.9, 0.5, 0.3, 0.6]
    se, sp = (f(y, a, b, threshold=0.5, a="x", b="z") for f in (compare_sensitivity, compare_specificity))
    assert (se.difference.value, se.difference.n, se.difference.n_events) == (2 / 6, 6, 6)
    assert se.difference.se == pytest.approx(math.sqrt(4 - 4 / 6) / 6)
    assert (se.test.statistic, se.test.p_value, se.test.n, se.test.df) == (1, 2 * 5 / 16, 6, None)
    assert (se.difference.low, se.difference.high) == paired_proportions_interval(1, 3, 1, 1)
    assert (se.difference.method, se.test.method) == ("Newcombe, paired, method 10", "McNemar, exact binomial")
    assert (se.a, se.b, se.test.note, se.difference.level) == ("x", "z", "", 0.95)
    assert (sp.difference.value, sp.difference.n, sp.difference.n_events) == (1 / 4, 4, 6)
    assert (sp.test.statistic, sp.test.p_value, sp.test.n_events) == (1, 1.0, 6)
    assert (sp.difference.low, sp.difference.high) == paired_proportions_interval(0, 2, 1, 1)
    wide = compare_sensitivity(y, a, b, threshold=0.5, level=0.8).difference
    assert (wide.level, (wide.low, wide.high)) == (0.8, paired_proportions_interval(1, 3, 1, 1, level=0.8))
    other = compare_sensitivity(y, a, b, threshold=0.5, threshold_b=0.25, method="mid-p")
    assert other.difference.value == pytest.approx((4 - 3) / 6)
    assert other.test.method == "McNemar, mid-p"
    assert compare_specificity(y, a, b, threshold=0.5, threshold_b=0.95).difference.value == (2 - 4) / 4


@quick
@given(st.integers(0, 10**6))
def test_the_difference_is_that_of_the_proportions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y, a, b = np.r_[0, 1, rng.integers(0, 2, 38)], np.round(rng.random(40), 1), np.round(rng.random(40), 1)
    for compare, single in ((compare_sensitivity, sensitivity), (compare_specificity, specificity)):
        ours, back = compare(y, a, b, threshold=0.3), compare(y, b, a, threshold=0.3)
        want = single(y, a, threshold=0.3).value - single(y, b, threshold=0.3).value
        assert ours.difference.value == pytest.approx(want, abs=1e-14)
        assert (back.difference.value, back.test.p_value) == (-ours.difference.value, ours.test.p_value)
        assert ours.difference.low <= ours.difference.value <= ours.difference.high


def test_edges_and_bad_arguments() -> None:
    none = compare_sensitivity([0, 0], [0.1, 0.2], [0.3, 0.4], threshold=0.2, method="asymptotic")
    assert math.isnan(none.difference.value)
    assert math.isnan(none.test.p_value)
    assert math.isnan(none.difference.low)
    assert (none.test.note, none.test.n, none.test.df) == ("undefined: no event", 0, 1)
    assert compare_specificity([1, 1], [0.1, 0.2], [0.3, 0.4], threshold=0.2).test.note == "undefined: no non-event"
    one = compare_sensitivity([1, 0], [0.9, 0.1], [0.1, 0.1], threshold=0.5)
    assert (one.difference.value, one.test.p_value, one.difference.se) == (1.0, 1.0, 0.0)
    assert one.difference.high == 1.0
    exactly = compare_sensitivity([1, 1], [0.3, 0.3], [0.2, 0.2], threshold=0.1 * 3)
    assert exactly.difference.value == 1.0
    with pytest.raises(InputError, match="`method` must be one of 'exact', 'mid-p', 'asymptotic', 'corrected'"):
        mcnemar(1, 2, method="exakt")
    with pytest.raises(InputError, match="`only_b`"):
        mcnemar(1, -1)
    with pytest.raises(InputError, match="`neither`"):
        paired_proportions_interval(1, 2, 3, -4)
    with pytest.raises(InputError, match="`threshold_b`"):
        compare_sensitivity([1, 0], [0.9, 0.1], [0.1, 0.1], threshold=0.5, threshold_b=2)
    scores = compare_specificity([1, 0], [9, 1], [1, 7], threshold=5, scale="score")
    assert scores.difference.value == 1.0


def test_weights_and_missing_values() -> None:
    y, a, b = [1, 1, 0, 0, 1], [0.9, 0.2, 0.8, 0.1, 0.7], [0.1, 0.3, 0.2, 0.1, math.nan]
    for compare in (compare_sensitivity, compare_specificity):
        ours = compare(y, a, b, threshold=0.5, missing="complete-case", weights=[3, 1, 2, 1, 9])
        want = compare(
            [1] * 4 + [0] * 3,
            [0.9] * 3 + [0.2] + [0.8] * 2 + [0.1],
            [0.1] * 3 + [0.3] + [0.2] * 2 + [0.1],
            threshold=0.5,
        )
        assert ours.difference.value == want.difference.value
        assert ours.test.p_value == want.test.p_value
        assert (ours.difference.n_missing, ours.test.n_missing) == (1, 1)


def test_size_of_the_tests() -> None:
    """Under equality the exact test never exceeds its level by its own distribution; mid-p stays near it."""
    for n in (10, 25, 60):
        weight = [comb(n, c) / 2**n for c in range(n + 1)]
        for method, most in (("exact", 0.05), ("mid-p", 0.06), ("corrected", 0.05)):
            reject = [mcnemar(c, n - c, method=method).p_value <= 0.05 for c in range(n + 1)]
            assert sum(w for w, r in zip(weight, reject, strict=True) if r) <= most
