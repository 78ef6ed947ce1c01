"""Intervals for a proportion, and the few pieces that the interval methods share."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from validkit.stats.checks import FloatArray, check_choice
from validkit.stats.results import NAN, Estimate


def z_of(level: float) -> float:
    """Two-sided standard normal quantile for a confidence level: 1.96 for 0.95."""
    return float(special.ndtri(0.5 + level / 2))


def t_of(level: float, df: float) -> float:
    """Two-sided quantile of Student's t, by the beta distribution: `scipy.special.stdtrit` errs by 2e-11 at one df."""
    if math.isinf(df):
        return z_of(level)
    x = float(special.betaincinv(df / 2, 0.5, 1 - level))
    return math.sqrt(df * (1 - x) / x)


def two_sided_p(z: float) -> float:
    """Two-sided p value of a standard normal statistic."""
    return float(2 * special.ndtr(-abs(z)))


def wilson(successes: ArrayLike, n: ArrayLike, level: float) -> tuple[FloatArray, FloatArray]:
    """Wilson's score interval (JASA 22 (1927) 209-212), elementwise; NaN where n is 0. Ends at 0 and n are exact."""
    x, size = np.broadcast_arrays(np.asarray(successes, float), np.asarray(n, float))
    z = z_of(level)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = x / size
        centre = (p + z * z / (2 * size)) / (1 + z * z / size)
        half = z / (1 + z * z / size) * np.sqrt(p * (1 - p) / size + (z / (2 * size)) ** 2)
    low = np.where(x == 0, 0.0, np.maximum(centre - half, 0.0))
    high = np.where(x == size, 1.0, np.minimum(centre + half, 1.0))
    none = size == 0
    return np.where(none, NAN, low), np.where(none, NAN, high)


def clopper_pearson(successes: ArrayLike, n: ArrayLike, level: float) -> tuple[FloatArray, FloatArray]:
    """Clopper and Pearson's exact interval (Biometrika 26 (1934) 404-413), elementwise; NaN where n is 0."""
    x, size = np.broadcast_arrays(np.asarray(successes, float), np.asarray(n, float))
    tail = (1 - level) / 2
    low = np.where(x > 0, special.betaincinv(np.maximum(x, 1), size - x + 1, tail), 0.0)
    high = np.where(x < size, special.betaincinv(x + 1, np.maximum(size - x, 1), 1 - tail), 1.0)
    none = size == 0
    return np.where(none, NAN, low), np.where(none, NAN, high)


_METHODS = {"wilson": (wilson, "Wilson"), "exact": (clopper_pearson, "Clopper-Pearson")}


def proportion_interval(successes: int, n: int, *, level: float, method: str) -> tuple[float, float, str]:
    """(low, high, name of the method) for one proportion; method is "wilson" or "exact"."""
    check_choice(method, tuple(_METHODS), "method")
    function, name = _METHODS[method]
    low, high = function(successes, n, level)
    return float(low), float(high), name


def mean_estimate(
    contributions: FloatArray,
    *,
    level: float,
    method: str,
    n_events: int,
    floor: float = -math.inf,
    cap: float = math.inf,
) -> Estimate:
    """The mean of independent contributions, one a patient, with its normal-theory interval cut to [floor, cap].

    Where all contributions are equal, their spread says nothing about the next sample, and the ends are NaN.
    """
    n = contributions.size
    value = float(contributions.mean())
    if n < 2 or np.ptp(contributions) == 0:
        note = "one patient: no interval" if n < 2 else "every patient contributes the same: no interval"
        return Estimate(value, level=level, method=method, se=NAN, n=n, n_events=n_events, note=note)
    se = float(contributions.std(ddof=1) / math.sqrt(n))
    low, high = value - z_of(level) * se, value + z_of(level) * se
    cut = low < floor or high > cap
    return Estimate(
        value,
        max(low, floor),
        min(high, cap),
        level,
        method,
        se,
        n,
        n_events,
        "interval cut at its bound" if cut else "",
    )
