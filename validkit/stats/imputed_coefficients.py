"""Rubin's rules for the coefficients of a regression, and Wald's test of several of them at once (D1)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from validkit.errors import InputError
from validkit.stats.checks import FloatArray, as_float, check_level
from validkit.stats.imputations import RubinEstimate, pool_imputations
from validkit.stats.results import NAN, Record, TestResult

__all__ = ["RubinCoefficients", "pool_coefficients"]


@dataclass(frozen=True, repr=False, eq=False)
class RubinCoefficients(Record):
    """Coefficients pooled over m imputations.

    coefficients : one RubinEstimate for each, in their order; values, covariance : (k,) and (k, k), T = U + (1 + 1/m) B
    test : Wald's test D1 that all of them are 0, with its F distribution's denominator in df_denominator
    riv : the average relative increase in variance, (1 + 1/m) trace(B U^-1)/k
    """

    names: tuple[str, ...]
    coefficients: tuple[RubinEstimate, ...]
    values: FloatArray
    covariance: FloatArray
    test: TestResult
    df_denominator: float
    riv: float
    m: int

    def __repr__(self) -> str:
        lines = (f"{name}: {one!r}" for name, one in zip(self.names, self.coefficients, strict=True))
        return "\n".join([*lines, f"all of them: {self.test!r}"])


def pool_coefficients(
    estimates: ArrayLike,
    covariances: ArrayLike,
    *,
    names: Sequence[str] | None = None,
    df_complete: float | None = None,
    level: float = 0.95,
) -> RubinCoefficients:
    """Coefficients of one regression fitted in m imputed data sets, and the test that all of them are zero.

    estimates : (m, k); covariances : (m, k, k) of the coefficients in each imputation; for a test of some coefficients
        give those alone
    df_complete : residual degrees of freedom were the data complete; None for large samples (the z test of glm)

    D1 = q' U^-1 q / (k (1 + r)), r = (1 + 1/m) trace(B U^-1)/k, against F(k, nu): nu of Li, Raghunathan and Rubin, or
    of Reiter where `df_complete` is given. Needs two imputations or more, and U that can be inverted.

    >>> found = pool_coefficients([[0.9, 0.2], [1.1, 0.1], [1.0, 0.3]], [[[0.04, 0], [0, 0.01]]] * 3)
    >>> found.test
    statistic = 7.909, df = 2, p = 0.004749 (D1, F(2, 14.5))

    Reference: Li, Raghunathan and Rubin, JASA 86 (1991) 1065-1073; Reiter, Biometrika 94 (2007) 502-508. R: mice
    `pool`, `D1`; mitml `testEstimates`, `testConstraints`; mitools `MIcombine`.
    """
    level = check_level(level)
    q = as_float(estimates, "estimates", ndim=2)
    m, k = q.shape
    u = as_float(covariances, "covariances", ndim=3)
    if u.shape != (m, k, k):
        raise InputError(f"`covariances` must have the shape {(m, k, k)}, one matrix an imputation; it is {u.shape}")
    if m < 2:
        raise InputError("`estimates` has one imputation; the rules for coefficients need at least two")
    if not (np.isfinite(q).all() and np.isfinite(u).all()):
        raise InputError(
            "`estimates` and `covariances` must be finite; leave out an imputation without a fit and say so"
        )
    labels = tuple(f"coefficient {j}" for j in range(k)) if names is None else tuple(str(name) for name in names)
    if len(labels) != k:
        raise InputError(f"`names` has {len(labels)} entries for {k} coefficients")
    variances = np.diagonal(u, axis1=1, axis2=2)
    if (variances < 0).any():
        raise InputError("`covariances` must have variances of 0 or more on their diagonals")
    each = tuple(
        pool_imputations(q[:, j], se=np.sqrt(variances[:, j]), df_complete=df_complete, level=level) for j in range(k)
    )
    value, within = q.mean(axis=0), u.mean(axis=0)
    between = (q - value).T @ (q - value) / (m - 1)
    test, denominator, riv = _wald(value, within, between, m, df_complete)
    return RubinCoefficients(labels, each, value, within + (1 + 1 / m) * between, test, denominator, riv, m)


def _wald(
    q: FloatArray, within: FloatArray, between: FloatArray, m: int, df_complete: float | None
) -> tuple[TestResult, float, float]:
    k = q.size
    if np.linalg.matrix_rank(within) < k:
        note = "undefined: the covariance within imputations cannot be inverted"
        return TestResult(NAN, NAN, float(k), "D1", note=note), NAN, NAN
    riv = (1 + 1 / m) * float(np.trace(np.linalg.solve(within, between))) / k
    statistic = float(q @ np.linalg.solve(within, q)) / (k * (1 + riv))
    nu = _denominator(k, m, riv, df_complete)
    p = float(special.chdtrc(k, k * statistic) if math.isinf(nu) else special.fdtrc(k, nu, statistic))
    return TestResult(statistic, p, float(k), f"D1, F({k}, {nu:.3g})"), nu, riv


def _denominator(k: int, m: int, riv: float, df_complete: float | None) -> float:
    """nu of Li, Raghunathan and Rubin (1991) for large samples, of Reiter (2007) for small ones.

    Reiter's needs k (m - 1) > 4 and more patients than the missing information eats up; without, it is the former.
    """
    t = k * (m - 1)
    complete = math.inf if df_complete is None else df_complete * (df_complete + 1) / (df_complete + 3)
    if riv == 0:
        return complete
    if t <= 4:
        return t * (1 + 1 / k) * (1 + 1 / riv) ** 2 / 2
    a = riv * t / (t - 2)
    c, d = complete - 2 * (1 + a), complete - 4 * (1 + a)
    if math.isinf(complete) or d <= 0:
        return 4 + (t - 4) * (1 + (1 - 2 / t) / riv) ** 2
    b = 1 / (1 + a)
    inflation = a**2 / (t - 4) * (c * (b + 4 / d) ** 2 + 4 * (b + 2 / d + 1 / c))
    return 4 + d / (1 + inflation)
