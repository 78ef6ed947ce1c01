"""Do two groups of patients differ? One of them is known by its moments alone: it lies at another centre.

References: Debray et al., J Clin Epidemiol 68 (2015) 279-289, whose membership model this is where the other group is
taken as normal; Nel and van der Merwe, Commun Stat Theory Methods 15 (1986) 3719-3735.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from validkit.errors import InputError
from validkit.stats.checks import FloatArray, as_float, check_count, check_level
from validkit.stats.results import NAN, Estimate, Record, TestResult

__all__ = ["Membership", "compare_spreads", "membership", "sd_error"]

ALIKE = 1e-10
"""share of a column's own variance below which it is a sum of the others"""


@dataclass(frozen=True, repr=False)
class Membership(Record):
    """Whether patients of here can be told from those of there.

    test : that the mean vectors are equal; concordance : how often a patient of here is more like those of here than a
    patient of there is, 0.5 where nothing tells them apart; columns : that were compared; left_out : and why
    """

    test: TestResult
    concordance: Estimate
    columns: tuple[str, ...]
    left_out: tuple[str, ...]

    def __repr__(self) -> str:
        return f"membership by {', '.join(self.columns) or 'nothing'}: {self.test}; c {self.concordance}"


def membership(
    X: ArrayLike,
    *,
    mean: ArrayLike,
    covariance: ArrayLike,
    n: int,
    names: Sequence[str] | None = None,
    level: float = 0.95,
) -> Membership:
    """Patients of here against the moments of a group there, by linear discrimination.

    X : (m, k) finite numbers, the patients here; mean : (k,), covariance : (k, k) with n - 1, of the n patients there

    The test is Hotelling's T2 with unequal covariances, by Nel and van der Merwe's degrees of freedom. The concordance
    is that of the score w'x, w = (S_here + S_there)^-1 (mean_here - mean_there): of the patients' own scores here, and
    of a normal distribution with the moments of w'x there. It is apparent, and 0.5 is not reached by few patients: a
    membership of m = n = 100 with k = 5 that nothing tells apart has about 0.56. Columns that are constant in both
    groups, or sums of others, are left out.

    >>> membership([[1.2], [0.3], [2.1], [1.4]], mean=[0.0], covariance=[[1.0]], n=50).test.p_value < 0.05
    True

    Reference: Debray et al., J Clin Epidemiol 68 (2015) 279-289; Nel and van der Merwe (1986).
    """
    level = check_level(level)
    values = as_float(X, "X", ndim=2)
    m, k = values.shape
    there, spread = as_float(mean, "mean"), as_float(covariance, "covariance", ndim=2)
    check_count(n, "n", minimum=2)
    if there.shape != (k,) or spread.shape != (k, k):
        raise InputError(
            f"`X` has {k} columns; `mean` must have {k} values and `covariance` {k} x {k}, got {there.shape} and "
            f"{spread.shape}"
        )
    for name, array in (("X", values), ("mean", there), ("covariance", spread)):
        if not np.isfinite(array).all():
            raise InputError(f"`{name}` holds values that are not finite; leave incomplete patients out, and report it")
    labels = tuple(f"x{j + 1}" for j in range(k)) if names is None else tuple(names)
    if len(labels) != k:
        raise InputError(f"`names` has {len(labels)} names for {k} columns of `X`")
    if m < 2:
        return _nothing("undefined: needs at least two patients here", labels, m, level)
    here = np.atleast_2d(np.cov(values, rowvar=False))
    kept = _independent(here + spread)
    left_out = tuple(f"{labels[j]}: constant, or a sum of other columns" for j in range(k) if j not in kept)
    if not kept:
        return _nothing("undefined: every column is constant in both groups", (), m, level, left_out)
    at = np.ix_(kept, kept)
    difference = values[:, kept].mean(axis=0) - there[kept]
    test = _hotelling(difference, here[at], m, spread[at], n)
    weights = np.linalg.solve(here[at] + spread[at], difference)
    concordance = _concordance(values[:, kept] @ weights, float(weights @ there[kept]), weights, spread[at], level)
    return Membership(test, concordance, tuple(labels[j] for j in kept), left_out)


def sd_error(values: FloatArray) -> float | None:
    """Standard error of the standard deviation, sqrt((m4 - s^4) / n) / (2 s); None where there is none."""
    if len(values) < 2 or not np.ptp(values) > 0:
        return None
    variance = float(values.var(ddof=1))
    fourth = float(np.mean((values - values.mean()) ** 4))
    return math.sqrt(max(fourth - variance**2, 0.0) / len(values)) / (2.0 * math.sqrt(variance))


def compare_spreads(sd: float, se: float, other_sd: float, other_se: float) -> TestResult:
    """That two standard deviations are equal, by the difference of their logarithms; se : of each, by its own moments.

    The standard error of a standard deviation s of n values is sqrt((m4 - s^4) / n) / (2 s), m4 the fourth central
    moment, without any distribution assumed.

    >>> compare_spreads(2.0, 0.1, 1.5, 0.1)
    statistic = 3.452, p = 0.0005561 (normal, difference of log standard deviations)
    """
    method = "normal, difference of log standard deviations"
    if not (sd > 0 and other_sd > 0 and np.isfinite([se, other_se]).all()):
        return TestResult(NAN, NAN, None, method, note="undefined: a standard deviation is 0 or unknown")
    spread = float(np.hypot(se / sd, other_se / other_sd))
    if not spread > 0:
        return TestResult(NAN, NAN, None, method, note="undefined: both are known without error")
    z = float(np.log(sd / other_sd)) / spread
    return TestResult(z, float(2 * special.ndtr(-abs(z))), None, method)


def _independent(pooled: FloatArray) -> list[int]:
    """Columns that are no linear combination of those before them, by Cholesky's pivots."""
    kept: list[int] = []
    for j in range(len(pooled)):
        own = pooled[j, j]
        if not own > 0:
            continue
        rest = own
        if kept:
            cross = pooled[kept, j]
            rest = own - cross @ np.linalg.solve(pooled[np.ix_(kept, kept)], cross)
        if rest > ALIKE * own:
            kept.append(j)
    return kept


def _hotelling(difference: FloatArray, here: FloatArray, m: int, there: FloatArray, n: int) -> TestResult:
    method = "Hotelling's T2, unequal covariances (Nel and van der Merwe)"
    k, one, other = len(difference), here / m, there / n
    both = one + other
    statistic = float(difference @ np.linalg.solve(both, difference))

    def size(matrix: FloatArray) -> float:
        return float(np.trace(matrix @ matrix) + np.trace(matrix) ** 2)

    # in the metric of `both`, so that units of measurement do not matter
    root = np.linalg.inv(np.linalg.cholesky(both))
    standard = [root @ part @ root.T for part in (one, other)]
    df = size(np.eye(k)) / (size(standard[0]) / (m - 1) + size(standard[1]) / (n - 1))
    if df - k + 1 <= 0:
        return TestResult(statistic, NAN, None, method, n=m, note="undefined: too few patients for so many columns")
    f = statistic * (df - k + 1) / (k * df)
    return TestResult(statistic, float(special.fdtrc(float(k), df - k + 1, f)), float(k), method, n=m)


def _concordance(scores: FloatArray, centre: float, weights: FloatArray, there: FloatArray, level: float) -> Estimate:
    width = math.sqrt(max(float(weights @ there @ weights), 0.0))
    method = "linear discrimination, normal there; apparent"
    if not np.any(weights):
        return Estimate(0.5, level=level, method=method, n=len(scores))
    each: FloatArray = np.where(scores > centre, 1.0, 0.5)
    if width > 0:
        each = np.asarray(special.ndtr((scores - centre) / width), dtype=np.float64)
    return Estimate(float(np.mean(each)), level=level, method=method, n=len(scores))


def _nothing(note: str, labels: Sequence[str], m: int, level: float, left_out: tuple[str, ...] = ()) -> Membership:
    test = TestResult(NAN, NAN, None, "Hotelling's T2", n=m, note=note)
    return Membership(test, Estimate(NAN, level=level, n=m, note=note), tuple(labels), left_out)
