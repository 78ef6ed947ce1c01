"""Why sites differ: a measure over sites against what is known of them.

y_i ~ N(x_i'b + u_i, se_i^2),  u_i ~ N(0, tau2).  Few sites allow few covariates: Cochrane asks for ten sites each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from validkit.errors import InputError
from validkit.stats.checks import FloatArray, as_float, check_level
from validkit.stats.heterogeneity import between_variance, likeliest
from validkit.stats.intervals import t_of
from validkit.stats.results import NAN, Estimate, Record, TestResult
from validkit.stats.sites import complete_sites, same_sites, site_names

__all__ = ["MetaRegression", "meta_regression"]

INTERCEPT = "intercept"


@dataclass(frozen=True, repr=False)
class MetaRegression(Record):
    """A measure's dependence on site covariates.

    names : "intercept" and the covariates; coefficients : of each, with its interval; tests : of each, that it is 0
    test : that all covariates' coefficients are 0; residual : that nothing is left between sites (QE)
    tau2 : between sites that the covariates do not explain; r2 : share of tau2 that they do, NaN where there is none
    """

    names: tuple[str, ...]
    coefficients: tuple[Estimate, ...]
    tests: tuple[TestResult, ...]
    test: TestResult
    residual: TestResult
    tau2: float
    r2: float
    sites: tuple[str, ...]
    n_missing: int = 0

    def __repr__(self) -> str:
        told = ", ".join(f"{name} {one.value:.4g}" for name, one in zip(self.names, self.coefficients, strict=True))
        return f"{len(self.sites)} sites: {told}; tau2 = {self.tau2:.4g}, R2 = {self.r2:.4g}"


def meta_regression(
    estimates: ArrayLike,
    *,
    se: ArrayLike,
    covariates: ArrayLike,
    names: Sequence[str] | None = None,
    sites: Sequence[object] | None = None,
    level: float = 0.95,
    missing: str = "error",
) -> MetaRegression:
    """Mixed-effects meta-regression by REML with Knapp and Hartung's variances.

    estimates, se : (k,) on the pooling scale, se > 0; covariates : (k, m) finite, k >= m + 2
    b = (X'WX)^-1 X'Wy,  W = diag 1/(se_i^2 + tau2),  variances times (y - Xb)'W(y - Xb)/(k - m - 1), t and F with
    k - m - 1 df;  R2 = 1 - tau2/tau2 without covariates, at least 0
    missing : "error", or "leave-out" for sites without an estimate or standard error
    Constant covariates, and those that are sums of others, are an InputError that names them.

    >>> meta_regression([0.9, 1.1, 0.7, 1.0], se=[0.1, 0.12, 0.15, 0.1], covariates=[[1.0], [2.0], [0.5], [1.2]])
    4 sites: intercept 0.6515, x1 0.244; tau2 = 0, R2 = 1

    Reference: Knapp and Hartung, Stat Med 22 (2003) 2693-2710; Raudenbush, in The Handbook of Research Synthesis and
    Meta-Analysis (2nd ed., 2009), for R2. R: metafor `rma(yi, sei, mods, test = "knha")`.
    """
    level = check_level(level)
    y = as_float(estimates, "estimates")
    spread = same_sites(se, "se", y.size)
    labels = site_names(sites, y.size)
    table = as_float(covariates, "covariates", ndim=2)
    m = table.shape[1]
    columns = (INTERCEPT, *([f"x{j + 1}" for j in range(m)] if names is None else map(str, names)))
    if table.shape[0] != y.size or len(columns) != m + 1:
        raise InputError(
            f"`covariates` must have {y.size} rows, a site each, and a name for each of its {m} columns; it is "
            f"{table.shape}, with {len(columns) - 1} names"
        )
    if not np.isfinite(table).all():
        where = ", ".join(repr(labels[i]) for i in np.flatnonzero(~np.isfinite(table).all(axis=1)))
        raise InputError(f"`covariates` has gaps for {where}; leave these sites out, and say so")
    kept, left_out = complete_sites(y, spread, labels, missing)
    y, v, design = y[kept], spread[kept] ** 2, np.column_stack([np.ones(int(kept.sum())), table[kept]])
    k, p = design.shape
    if k < p + 1:
        raise InputError(f"{m} covariates need at least {m + 2} sites with an estimate; there are {k}")
    _check_rank(design, columns)
    tau2 = _reml(y, v, design)
    without = between_variance(y, v, "reml")
    w = 1 / (v + tau2)
    inverse = np.linalg.inv(design.T @ (w[:, None] * design))
    beta = inverse @ design.T @ (w * y)
    df = k - p
    ratio = float(w @ (y - design @ beta) ** 2) / df
    covariance = ratio * inverse
    method = f"REML, Knapp-Hartung t({df})"
    errors = np.sqrt(np.diag(covariance))
    half = t_of(level, df) * errors
    coefficients = tuple(
        Estimate(b, b - h, b + h, level, method, e)
        for b, h, e in zip(beta.tolist(), half.tolist(), errors.tolist(), strict=True)
    )
    tests = tuple(_t(b, e, df) for b, e in zip(beta.tolist(), errors.tolist(), strict=True))
    return MetaRegression(
        columns,
        coefficients,
        tests,
        _joint(beta[1:], covariance[1:, 1:], df),
        _residual(y, v, design),
        tau2,
        max(0.0, 1 - tau2 / without) if without > 0 else NAN,
        tuple(np.array(labels, dtype=object)[kept]),
        len(left_out),
    )


def _check_rank(design: FloatArray, names: Sequence[str]) -> None:
    for j in range(1, design.shape[1]):
        scaled = design[:, : j + 1] / np.abs(design[:, : j + 1]).max(axis=0, initial=1e-300)
        if np.linalg.matrix_rank(scaled) <= j:
            raise InputError(f"covariate {names[j]!r} is the same at every site, or a sum of others; leave it out")


def _reml(y: FloatArray, v: FloatArray, design: FloatArray) -> float:
    """tau2 at the top of the restricted likelihood, over all tau2 >= 0."""

    def projected(tau2: float) -> tuple[FloatArray, FloatArray, FloatArray]:
        w = 1 / (v + tau2)
        inner = design.T @ (w[:, None] * design)
        own = np.diag(w) - (w[:, None] * design) @ np.linalg.solve(inner, design.T * w)
        return w, inner, own

    def objective(tau2: float) -> float:
        w, inner, own = projected(tau2)
        return float(0.5 * (np.log(w).sum() - np.linalg.slogdet(inner)[1] - y @ own @ y))

    def score(tau2: float) -> float:
        own = projected(tau2)[2]
        return float(y @ own @ own @ y - np.trace(own))

    return likeliest(y.size * float(np.ptp(y)) ** 2, objective, score)


def _t(value: float, se: float, df: int) -> TestResult:
    if not se > 0:
        return TestResult(NAN, NAN, float(df), "t, Knapp-Hartung", note="undefined: the sites lie on a line")
    t = value / se
    return TestResult(t, float(2 * special.stdtr(df, -abs(t))), float(df), "t, Knapp-Hartung")


def _joint(beta: FloatArray, covariance: FloatArray, df: int) -> TestResult:
    m = len(beta)
    if not np.diag(covariance).min() > 0:
        return TestResult(NAN, NAN, float(m), "F, Knapp-Hartung", note="undefined: the sites lie on a line")
    f = float(beta @ np.linalg.solve(covariance, beta)) / m
    return TestResult(f, float(special.fdtrc(float(m), float(df), f)), float(m), f"F with {df} df, Knapp-Hartung")


def _residual(y: FloatArray, v: FloatArray, design: FloatArray) -> TestResult:
    root = 1 / np.sqrt(v)
    beta, *_ = np.linalg.lstsq(root[:, None] * design, root * y, rcond=None)
    q, df = float(((y - design @ beta) ** 2 / v).sum()), y.size - design.shape[1]
    return TestResult(q, float(special.chdtrc(df, q)), float(df), "QE")
