"""Two-way tables of counts: Pearson's chi-square, and Fisher's exact test for two groups and any number of levels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from validkit.errors import InputError
from validkit.stats.results import NAN, TestResult

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
LOWEST_EXPECTED = 5.0
_SAME = 1e-7  # relative: tables as probable as the observed one, as in R's fisher.test
_MOST_PATHS = 500_000


def expected_counts(counts: ArrayLike) -> FloatArray:
    """(r, c) counts expected under independence."""
    table = _check_counts(counts)
    return np.outer(table.sum(axis=1), table.sum(axis=0)) / max(int(table.sum()), 1)


def independence(counts: ArrayLike) -> TestResult:
    """Fisher's exact test where an expected count is below 5, else Pearson's chi-square.

    counts : (k, 2) patients by level and group; levels without patients are left out
    """
    table = _check_counts(counts)
    table = table[table.sum(axis=1) > 0]
    if table.shape[0] < 2 or (table.sum(axis=0) == 0).any():
        return TestResult(NAN, NAN, None, "none", int(table.sum()), None, "all patients in one level or one group")
    if (expected_counts(table) >= LOWEST_EXPECTED).all():
        return chi_square(table)
    exact = fisher_exact(table)
    return exact if not np.isnan(exact.p_value) else chi_square(table, note=f"low expected counts; {exact.note}")


def chi_square(counts: ArrayLike, *, note: str = "") -> TestResult:
    """Pearson's chi-square test of independence, without continuity correction.

    counts : (r, c), no empty row or column
    """
    table = _check_counts(counts)
    expected = expected_counts(table)
    if (expected == 0).any():
        raise InputError("`counts` has an empty row or column; leave it out")
    statistic = float(((table - expected) ** 2 / expected).sum())
    df = (table.shape[0] - 1) * (table.shape[1] - 1)
    return TestResult(statistic, float(special.chdtrc(df, statistic)), df, "chi-square", int(table.sum()), None, note)


def fisher_exact(counts: ArrayLike) -> TestResult:
    """Fisher's exact test, two-sided: the probability of all tables no more probable than this one, margins fixed.

    counts : (k, 2). Tables are followed level by level; equal partial probabilities are merged, and a branch is closed
    where all its tables fall on one side, as in Mehta and Patel's network algorithm (JASA 78 (1983) 427-434). NaN with
    the reason where more than half a million branches stay open.
    """
    table = _check_counts(counts)
    if table.shape[1] != 2:
        raise InputError(f"`counts` must have two columns, one a group; it has {table.shape[1]}")
    n = int(table.sum())
    p = _freeman_halton(table)
    if p is None:
        return TestResult(NAN, NAN, None, "Fisher exact", n, None, "too many tables for Fisher's exact test")
    return TestResult(NAN, p, None, "Fisher exact", n)


def _check_counts(counts: Any) -> IntArray:
    table = np.asarray(counts)
    if table.ndim != 2 or table.dtype.kind not in "iuf" or not (table >= 0).all() or (table != np.round(table)).any():
        raise InputError("`counts` must be a two-way table of whole numbers of at least 0")
    return table.astype(np.int64)


def _log_choose(n: Any, k: Any) -> FloatArray:
    return np.asarray(
        special.gammaln(n + 1.0) - special.gammaln(k + 1.0) - special.gammaln(n - k + 1.0), dtype=np.float64
    )


def _freeman_halton(table: IntArray) -> float | None:
    """P(table no more probable than the observed); a table's log weight is sum_j log C(level size_j, first group_j)."""
    sizes = np.sort(table.sum(axis=1))[::-1]
    order = np.argsort(-table.sum(axis=1), kind="stable")
    first = table[order, 0]
    total = int(first.sum())
    limit = float(_log_choose(sizes, first).sum()) + _SAME
    all_tables = float(_log_choose(sizes.sum(), total))
    largest, smallest = _rest(sizes, total)
    # open branches: patients of the first group still to place, log weight so far, number of branches merged (log)
    left, weight, mass = np.array([total]), np.zeros(1), np.zeros(1)
    p = 0.0
    for j, size in enumerate(sizes):
        after = int(sizes[j + 1 :].sum())
        x = np.arange(size + 1)
        step = _log_choose(float(size), x)
        if left.size * x.size > 8 * _MOST_PATHS:
            return None
        new_left = (left[:, None] - x).ravel()
        possible = (new_left >= 0) & (new_left <= after)
        new_left = new_left[possible]
        new_weight = (weight[:, None] + step).ravel()[possible]
        new_mass = np.repeat(mass, x.size)[possible]
        counted = new_weight + largest[j + 1][new_left] <= limit
        ways = _log_choose(float(after), new_left[counted])
        p += float(np.exp(new_mass[counted] + new_weight[counted] + ways - all_tables).sum())
        open_ = ~counted & (new_weight + smallest[j + 1][new_left] <= limit)
        left, weight, mass = _merge(new_left[open_], new_weight[open_], new_mass[open_])
        if left.size > _MOST_PATHS:
            return None
    return min(p, 1.0)


def _rest(sizes: IntArray, total: int) -> tuple[list[FloatArray], list[FloatArray]]:
    """For every level j and number left to place, the largest and the smallest log weight of the levels from j on."""
    largest, smallest = [np.r_[0.0, np.full(total, -np.inf)]], [np.r_[0.0, np.full(total, np.inf)]]
    for size in sizes[::-1]:
        step = _log_choose(float(size), np.arange(min(int(size), total) + 1))
        high, low = np.full(total + 1, -np.inf), np.full(total + 1, np.inf)
        for x, value in enumerate(step):
            high[x:] = np.maximum(high[x:], largest[0][: total + 1 - x] + value)
            low[x:] = np.minimum(low[x:], smallest[0][: total + 1 - x] + value)
        largest.insert(0, high)
        smallest.insert(0, low)
    return largest, smallest


def _merge(left: IntArray, weight: FloatArray, mass: FloatArray) -> tuple[IntArray, FloatArray, FloatArray]:
    """Branches with as many patients left and, to rounding, the same weight become one."""
    if left.size == 0:
        return left, weight, mass
    order = np.lexsort((weight, left))
    left, weight, mass = left[order], weight[order], mass[order]
    fresh = np.r_[True, (np.diff(left) != 0) | (np.diff(weight) > 1e-10)]
    start = np.flatnonzero(fresh)
    return left[start], weight[start], np.logaddexp.reduceat(mass, start)
