"""Bland and Altman's limits of agreement between two methods of measurement, one pair a subject or several."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from validkit.errors import InputError
from validkit.stats.checks import FloatArray, as_float, check_choice, check_level, check_score, patients
from validkit.stats.intervals import t_of, z_of
from validkit.stats.results import NAN, Estimate, Record, TestResult

__all__ = ["BlandAltman", "bland_altman", "bland_altman_repeated"]


@dataclass(frozen=True, eq=False, repr=False)
class BlandAltman(Record):
    """Bias and limits of agreement of a minus b (of a over b on the ratio scale), with their intervals.

    sd : standard deviation of a single difference (of logs on the ratio scale); slope, slope_test : proportional bias,
    the regression of the difference on the mean; mean, difference : the points to draw, one a pair.
    """

    bias: Estimate
    lower: Estimate
    upper: Estimate
    sd: float
    slope: Estimate
    slope_test: TestResult
    mean: FloatArray
    difference: FloatArray
    coverage: float = 0.95
    scale: str = "difference"
    n: int = 0
    n_pairs: int = 0
    note: str = ""
    n_missing: int = field(default=0)

    def __repr__(self) -> str:
        limits = f"{self.lower.value:.4g} to {self.upper.value:.4g}"
        tail = f"; {self.note}" if self.note else ""
        return f"{self.scale}: bias {self.bias.value:.4g}, limits {limits} (n = {self.n}, {self.n_pairs} pairs{tail})"


@patients("a", "b")
def bland_altman(
    a: ArrayLike,
    b: ArrayLike,
    *,
    coverage: float = 0.95,
    scale: str = "difference",
    method: str = "exact",
    level: float = 0.95,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> BlandAltman:
    """Bias and limits of agreement of two methods, one pair of measurements a subject.

    limits = mean(d) -+ z sd(d),  d = a - b, or log a - log b on the ratio scale, z the normal quantile of `coverage`

    a, b : (n,) finite; positive on the ratio scale. coverage : share of differences that the limits shall hold
    scale : "difference", or "ratio": bias and limits are ratios a/b, `se` stays on the log scale
    method : interval of each limit: "exact" (Carkeet: mean(d) - t' sd / sqrt(n), t' quantiles of the non-central t
        with n - 1 df and non-centrality z sqrt(n)) or "approximate" (Bland and Altman: t with se sd sqrt(1/n +
        z^2 / (2 (n - 1)))). The interval of the bias is Student's.

    `slope` regresses the differences on the means (geometric means on the ratio scale); it is not zero either where
    the methods have unlike precision. Fewer than 2 subjects, or differences all alike, have no intervals: NaN, note.

    >>> bland_altman([10.0, 12.0, 15.0, 18.0, 20.0], [11.0, 11.0, 16.0, 16.0, 21.0])
    difference: bias 0, limits -2.772 to 2.772 (n = 5, 5 pairs)

    Reference: Bland and Altman, Stat Methods Med Res 8 (1999) 135-160; Carkeet, Optom Vis Sci 92 (2015) e71-e80.
    R: no package in Debian; t.test, qt(ncp).
    """
    check_choice(method, ("exact", "approximate"), "method")
    level, z = check_level(level), z_of(check_level(coverage))
    mean, d = _points(a, b, scale)
    n = d.size
    centre, sd = float(d.mean()), float(d.std(ddof=1)) if n > 1 and np.ptp(d) > 0 else NAN
    note = _no_spread(n, d)
    half = _t(level, n - 1) * sd / math.sqrt(n)
    bias = (centre, centre - half, centre + half, sd / math.sqrt(n))
    se = sd * math.sqrt(1 / n + z * z / (2 * (n - 1))) if n > 1 else NAN
    near, far = _limit_factors(method, n, z, level, se, sd)
    spread = 0.0 if math.isnan(sd) and n > 1 else z * sd
    lower = (centre - spread, centre - far, centre - near, se)
    upper = (centre + spread, centre + near, centre + far, se)
    name = "Carkeet" if method == "exact" else "Bland-Altman"
    slope, test = _slope(mean, d, level)
    return _result((bias, lower, upper), name, level, sd, slope, test, mean, d, coverage, scale, n, note)


def _limit_factors(method: str, n: int, z: float, level: float, se: float, sd: float) -> tuple[float, float]:
    """How far from the mean difference the interval of a limit begins and ends."""
    if math.isnan(sd):
        return NAN, NAN
    if method == "approximate":
        half = _t(level, n - 1) * se
        return z * sd - half, z * sd + half
    tail, root = (1 - level) / 2, math.sqrt(n)
    near, far = (float(special.nctdtrit(n - 1, z * root, q)) * sd / root for q in (tail, 1 - tail))
    return near, far


@patients("a", "b", "subjects")
def bland_altman_repeated(
    a: ArrayLike,
    b: ArrayLike,
    subjects: ArrayLike,
    *,
    coverage: float = 0.95,
    scale: str = "difference",
    level: float = 0.95,
    missing: str = "error",
) -> BlandAltman:
    """Limits of agreement where subjects are measured several times, in pairs, and the true value may vary in between.

    With the one-way analysis of variance of d by subject, m_i pairs each, N in all:
    var = MSB / n_0 + (1 - 1 / n_0) MSW,  n_0 = (N - sum m_i^2 / N) / (n - 1);  limits = mean(d) -+ z sqrt(var)

    a, b : (N,) finite, pairs of a and b taken together; subjects : (N,) whose pair it is; the rest as in `bland_altman`

    Intervals of the limits by Zou's method (MOVER), exact in no case, near the level when subjects are many; that of
    the bias by t with n - 1 df. Without a repetition there is no MSW: NaN with a note. The note says where the variance
    between subjects is estimated below zero; var is used as it is. `slope` is that of the subjects' means.

    >>> a, b = [10.0, 11.0, 15.0, 14.0, 20.0, 22.0], [11.0, 11.0, 14.0, 15.0, 19.0, 20.0]
    >>> bland_altman_repeated(a, b, ["x", "x", "y", "y", "z", "z"])
    difference: bias 0.3333, limits -2.133 to 2.8 (n = 3, 6 pairs)

    Reference: Bland and Altman, J Biopharm Stat 17 (2007) 571-582, section 3; Zou, Stat Methods Med Res 22 (2013)
    630-642. R: aov.
    """
    level, z = check_level(level), z_of(check_level(coverage))
    mean, d = _points(a, b, scale)
    who = _subjects(subjects, d.size)
    m = np.bincount(who).astype(np.float64)
    n, total = m.size, float(d.size)
    means = np.bincount(who, d) / m
    centre = float(d.mean())
    slope, test = _slope(np.bincount(who, mean) / m, means, level)
    between = float((m * (means - centre) ** 2).sum())
    within = float(((d - means[who]) ** 2).sum())
    points = (slope, test, mean, d, coverage, scale, n)
    if n < 2 or total == n or np.ptp(d) == 0:
        why = "every difference is the same: no interval" if np.ptp(d) == 0 and total > 1 else "one subject: no limits"
        why = why if n < 2 or np.ptp(d) == 0 else "no subject has two pairs: use bland_altman"
        bare = (centre, NAN, NAN, NAN), *((NAN, NAN, NAN, NAN),) * 2
        return _result(bare, "Zou", level, NAN, *points, why)
    msb, msw = between / (n - 1), within / (total - n)
    size = (total - float((m * m).sum()) / total) / (n - 1)
    single = (msb - msw) / size
    sd, spans = _mover_variance(msb / size, (1 - 1 / size) * msw, n - 1, total - n, level)
    se = math.sqrt(max(single, 0.0) * float((m * m).sum()) / total**2 + msw / total)
    half = _t(level, n - 1) * se
    near, far = (math.hypot(half, z * span) for span in spans)
    lower = (centre - z * sd, centre - z * sd - far, centre - z * sd + near, NAN)
    upper = (centre + z * sd, centre + z * sd - near, centre + z * sd + far, NAN)
    note = "" if single >= 0 else "variance of the differences between subjects estimated below zero"
    return _result(((centre, centre - half, centre + half, se), lower, upper), "Zou", level, sd, *points, note)


def _mover_variance(
    first: float, second: float, df1: float, df2: float, level: float
) -> tuple[float, tuple[float, float]]:
    """sqrt(first + second), mean squares times constants, and its distances to Graybill and Wang's limits."""
    tail = (1 - level) / 2
    total = first + second

    def limit(side: int) -> float:
        q = 1 - tail if side < 0 else tail
        parts = [v * (1 - df / float(special.chdtri(df, 1 - q))) for v, df in ((first, df1), (second, df2))]
        return total + side * math.hypot(*parts)

    sd, low, high = (math.sqrt(max(v, 0.0)) for v in (total, limit(-1), limit(1)))
    return sd, (sd - low, high - sd)


# --- shared -----------------------------------------------------------------------------------


def _points(a: ArrayLike, b: ArrayLike, scale: str) -> tuple[FloatArray, FloatArray]:
    """Means and differences of the pairs, checked; of logs on the ratio scale."""
    check_choice(scale, ("difference", "ratio"), "scale")
    x, y = check_score(a, "a"), check_score(b, "b")
    if x.size != y.size:
        raise InputError(f"`a` has {x.size} measurements and `b` has {y.size}; they must be pairs")
    if scale == "ratio":
        for name, values in (("a", x), ("b", y)):
            bad = values <= 0
            if bad.any():
                raise InputError(
                    f"`{name}` must be positive for ratios; {int(bad.sum())} of {bad.size} values are not "
                    f"(first: row {int(bad.argmax())}); use scale='difference'"
                )
        x, y = np.log(x), np.log(y)
    return (x + y) / 2, x - y


def _subjects(subjects: Any, size: int) -> Any:
    names = np.asarray(subjects)
    if names.ndim != 1 or names.size != size:
        raise InputError(f"`subjects` must have one entry a pair, {size}; its shape is {names.shape}")
    if names.dtype.kind == "f":
        as_float(names, "subjects")
        check_score(names, "subjects")
    return np.unique(names, return_inverse=True)[1]


def _t(level: float, df: float) -> float:
    return t_of(level, df) if df > 0 else NAN


def _no_spread(n: int, d: FloatArray) -> str:
    if n < 2:
        return "one subject: no limits"
    return "" if np.ptp(d) > 0 else "every difference is the same: no interval"


def _slope(mean: FloatArray, d: FloatArray, level: float) -> tuple[Estimate, TestResult]:
    """Least squares slope of the difference on the mean, with Student's interval and test."""
    n, name = d.size, "slope of the difference on the mean"
    if n < 3 or np.ptp(mean) == 0:
        note = "fewer than three subjects: no slope" if n < 3 else "every mean is the same: no slope"
        return Estimate(NAN, level=level, method=name, n=n, note=note), TestResult(NAN, NAN, None, name, n, None, note)
    x, y = mean - mean.mean(), d - d.mean()
    slope = float(x @ y / (x @ x))
    rest = y - slope * x
    se = math.sqrt(float(rest @ rest) / (n - 2) / float(x @ x))
    if se <= 1e-12 * abs(slope) or np.ptp(d) == 0:
        note = "the differences lie on a line: no interval"
        return Estimate(slope, level=level, method=name, n=n, note=note), TestResult(
            NAN, NAN, n - 2.0, name, n, None, note
        )
    half = _t(level, n - 2) * se
    t = slope / se
    test = TestResult(t, float(2 * special.stdtr(n - 2, -abs(t))), n - 2.0, name, n)
    return Estimate(slope, slope - half, slope + half, level, name, se, n), test


def _result(
    numbers: tuple[tuple[float, ...], ...],
    name: str,
    level: float,
    sd: float,
    slope: Estimate,
    test: TestResult,
    mean: FloatArray,
    d: FloatArray,
    coverage: float,
    scale: str,
    n: int,
    note: str,
) -> BlandAltman:
    """The record, its values turned back from logs on the ratio scale."""
    back = math.exp if scale == "ratio" else float
    suffix = ", se of the log" if scale == "ratio" else ""
    bias, lower, upper = (
        Estimate(back(values[0]), back(values[1]), back(values[2]), level, method + suffix, values[3], n)
        for values, method in zip(numbers, ("t", name, name), strict=True)
    )
    mean, d = (np.exp(mean), np.exp(d)) if scale == "ratio" else (mean, d)
    for array in (mean, d):
        array.setflags(write=False)
    return BlandAltman(bias, lower, upper, sd, slope, test, mean, d, float(coverage), scale, n, d.size, note)
