"""How much the sites differ: Cochran's Q, the variance between sites and its Q-profile interval.

Letters as in the papers: y_i the site's estimate, v_i its squared standard error, tau2 the variance between sites,
w_i = 1/(v_i + tau2), mu = sum w_i y_i / sum w_i and Q(tau2) = sum w_i (y_i - mu)^2.

References: DerSimonian and Laird, Control Clin Trials 7 (1986) 177-188; Paule and Mandel, J Res Natl Bur Stand 87
(1982) 377-385; Viechtbauer, J Educ Behav Stat 30 (2005) 261-293 and Stat Med 26 (2007) 37-52. R: metafor `rma`,
`confint`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy import optimize, special

from validkit.stats.checks import FloatArray
from validkit.stats.results import NAN

__all__ = ["between_variance", "generalised_q", "likeliest", "q_profile", "typical_variance"]

GRID_POINTS = 240
GRID_SPAN = 1e-10


def generalised_q(y: FloatArray, v: FloatArray, tau2: float) -> float:
    """Q(tau2), which falls as tau2 grows; Q(0) is Cochran's Q."""
    w = 1 / (v + tau2)
    return float(w @ (y - w @ y / w.sum()) ** 2)


def typical_variance(v: FloatArray) -> float:
    """The sampling variance of a typical site, (k - 1) sum w / ((sum w)^2 - sum w^2) with w = 1/v; NaN for one site.

    I2 = tau2/(tau2 + typical variance) after Higgins and Thompson, Stat Med 21 (2002) 1539-1558.
    """
    if v.size < 2:
        return NAN
    w = 1 / v
    total = w.sum()
    return float((v.size - 1) / (total - w @ w / total))


def _objective(y: FloatArray, v: FloatArray, tau2: float, restricted: bool) -> float:
    """Log likelihood of tau2 with mu at its best, without the constant; restricted adds -log(sum w)/2."""
    w = 1 / (v + tau2)
    value = 0.5 * (np.log(w).sum() - generalised_q(y, v, tau2))
    return float(value - 0.5 * math.log(w.sum()) if restricted else value)


def _score(y: FloatArray, v: FloatArray, tau2: float, restricted: bool) -> float:
    """Twice the derivative of `_objective` by tau2."""
    w = 1 / (v + tau2)
    total = w.sum()
    residual = y - w @ y / total
    trace = total - w @ w / total if restricted else total
    return float((w * residual) @ (w * residual) - trace)


def likeliest(top: float, objective: Callable[[float], float], score: Callable[[float], float]) -> float:
    """The highest point of a likelihood over all tau2 >= 0, first on a grid, then where the score is zero.

    top : above it the score is negative; k times the squared range of the estimates is
    """
    if top == 0:
        return 0.0
    grid = np.r_[0.0, np.geomspace(GRID_SPAN * top, top, GRID_POINTS)]
    best = int(np.argmax([objective(t) for t in grid]))
    low, high = float(grid[max(best - 1, 0)]), float(grid[min(best + 1, GRID_POINTS)])
    if not score(low) > 0 > score(high):  # the highest point is the end at 0
        return float(grid[best])
    return _root(score, low, high)


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    return float(optimize.brentq(function, low, high, xtol=1e-300, rtol=4 * np.finfo(float).eps, maxiter=500))


def _solve_q(y: FloatArray, v: FloatArray, target: float) -> float:
    """The tau2 >= 0 at which Q(tau2) = target > 0; Q(0) must be above it."""
    high = float(np.ptp(y)) ** 2 / target + float(v.max())
    while generalised_q(y, v, high) > target:
        high *= 4
    return _root(lambda t: generalised_q(y, v, t) - target, 0.0, high)


def between_variance(y: FloatArray, v: FloatArray, method: str) -> float:
    """tau2, never below 0, by "reml", "ml", "dl" (DerSimonian-Laird) or "pm" (Paule-Mandel); 0 by fiat with "fixed".

    y, v : (k,), k >= 2. The likelihoods are maximised over all tau2 >= 0 to the last digit, so that a second, lower
    peak is not taken for the answer.
    """
    q, df = generalised_q(y, v, 0.0), y.size - 1
    if method == "fixed":
        return 0.0
    if method in ("reml", "ml"):
        restricted = method == "reml"
        top = y.size * float(np.ptp(y)) ** 2
        return likeliest(top, lambda t: _objective(y, v, t, restricted), lambda t: _score(y, v, t, restricted))
    if q <= df:
        return 0.0
    if method == "dl":
        w = 1 / v
        return float((q - df) / (w.sum() - w @ w / w.sum()))
    return _solve_q(y, v, float(df))


def q_profile(y: FloatArray, v: FloatArray, level: float) -> tuple[float, float, str]:
    """Interval of tau2: all tau2 >= 0 at which Q(tau2) lies between the quantiles of chi-square with k - 1 df.

    Where Q is below the lower quantile even at tau2 = 0 no value qualifies: NaN ends and a note (metafor prints 0, 0).
    """
    tail, df = (1 - level) / 2, y.size - 1
    lower, upper = float(special.chdtri(df, 1 - tail)), float(special.chdtri(df, tail))
    q = generalised_q(y, v, 0.0)
    if q < lower:
        return NAN, NAN, "the sites differ less than chance alone would have it: no tau2 fits, its interval is empty"
    return (_solve_q(y, v, upper) if q > upper else 0.0), _solve_q(y, v, lower), ""
