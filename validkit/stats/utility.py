"""Is acting on the predictions worth it? Net benefit and decision curves.

Net benefit of "treat when risk >= t": NB(t) = TP/n - FP/n * t/(1 - t), in true positives per patient.
At t = 0 it is the prevalence; at t = 1 the weight t/(1 - t) is infinite and net benefit is undefined (NaN).
Reference: Vickers and Elkin, Med Decis Making 26 (2006) 565-574. R: dcurves `dca`.
"""

from __future__ import annotations

from decimal import Decimal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from validkit.errors import InputError
from validkit.stats.checks import (
    FloatArray,
    check_binary_risk,
    check_level,
    check_outcome,
    check_threshold,
    check_thresholds,
    exact_decimal,
)
from validkit.stats.intervals import z_of
from validkit.stats.results import NAN, Curve, Estimate

_METHOD = "normal, from each patient's contribution"
_NAMES = ("threshold", "net benefit")
_AT_ONE = "undefined at a threshold of 1: the weight t/(1 - t) is infinite"


def decision_grid(
    start: float | str | Decimal = 0, stop: float | str | Decimal = 1, step: float | str | Decimal = "0.01"
) -> FloatArray:
    """Thresholds start, start + step, ... up to and including stop, as exact decimals: the grid's 0.3 is 0.3.

    Counting in binary would give 0.30000000000000004 there, and a patient with a risk of 0.3 would change sides.
    """
    first, last, by = (exact_decimal(v, n) for v, n in ((start, "start"), (stop, "stop"), (step, "step")))
    if by <= 0 or not 0 <= first <= last <= 1:
        raise InputError(f"a decision grid needs 0 <= start <= stop <= 1 and step > 0, not {start}, {stop}, {step}")
    count = int((last - first) / by) + 1
    if count > 100_001:
        raise InputError(f"a step of {step} makes {count} thresholds; 100,001 are plenty")
    return np.array([float(first + i * by) for i in range(count)])


def _net_benefit(tp: FloatArray, fp: FloatArray, n: int, thresholds: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Net benefit and its standard error; a patient contributes 1 (TP), -t/(1 - t) (FP) or 0."""
    weight = np.full(thresholds.size, NAN)
    np.divide(thresholds, 1 - thresholds, out=weight, where=thresholds < 1)
    value = (tp - weight * fp) / n
    if n < 2:
        return value, np.full(value.size, NAN)
    variance = (tp + weight**2 * fp - n * value**2) / (n - 1)
    return value, np.sqrt(np.maximum(variance, 0) / n)


def _counts_at(y_true: ArrayLike, y_prob: ArrayLike, thresholds: FloatArray) -> tuple[FloatArray, FloatArray, int, int]:
    y, p = check_binary_risk(y_true, y_prob)
    reached = np.searchsorted(thresholds, p, side="right")  # risk >= thresholds[j] exactly when reached > j
    size = thresholds.size + 1
    events = np.bincount(reached[y == 1], minlength=size)
    others = np.bincount(reached[y == 0], minlength=size)
    tp, fp = (c[::-1].cumsum()[::-1][1:].astype(float) for c in (events, others))
    return tp, fp, y.size, int(y.sum())


def _limits(
    value: FloatArray, se: FloatArray, alike: NDArray[np.bool_], thresholds: FloatArray, level: float
) -> tuple[FloatArray, FloatArray]:
    """Normal limits cut to [-t/(1 - t), 1]; NaN where all patients contribute alike and the spread says nothing."""
    half = np.where(alike, NAN, z_of(level) * se)
    lowest = np.full(thresholds.size, NAN)
    np.divide(-thresholds, 1 - thresholds, out=lowest, where=thresholds < 1)
    return np.maximum(value - half, lowest), np.minimum(value + half, 1.0)


def _alike(tp: FloatArray, fp: FloatArray, n: int, thresholds: FloatArray) -> NDArray[np.bool_]:
    """Where every patient contributes the same: nobody positive, all true positives, or all false positives."""
    alike: NDArray[np.bool_] = (tp + fp == 0) | (tp == n) | (fp == n) | ((tp == 0) & (thresholds == 0))
    return alike


def net_benefit(y_true: ArrayLike, y_prob: ArrayLike, *, threshold: float, level: float = 0.95) -> Estimate:
    """Net benefit at one threshold, with the normal interval of the mean of the patients' contributions.

    y_true : (n,) int in {0, 1}; y_prob : (n,) float in [0, 1]
    threshold : in [0, 1), the risk at which one would treat
    Where nobody reaches the threshold net benefit is 0 and the interval NaN: no patient informs it.
    Reference: Vickers and Elkin 2006; variance as in Marsh et al., Biom J 62 (2020) 1730-1745.
    """
    level = check_level(level)
    thresholds = np.array([check_threshold(threshold)])
    tp, fp, n, m = _counts_at(y_true, y_prob, thresholds)
    if thresholds[0] == 1:
        return Estimate(NAN, level=level, method=_METHOD, n=n, n_events=m, note=_AT_ONE)
    value, se = _net_benefit(tp, fp, n, thresholds)
    alike = _alike(tp, fp, n, thresholds)
    if alike[0] or n < 2:
        note = (
            "nobody reaches the threshold: no interval" if tp[0] + fp[0] == 0 else "all contribute alike: no interval"
        )
        return Estimate(float(value[0]), level=level, method=_METHOD, n=n, n_events=m, note=note)
    low, high = _limits(value, se, alike, thresholds, level)
    half = z_of(level) * se[0]
    note = "interval cut at its bound" if value[0] - half < low[0] or value[0] + half > high[0] else ""
    return Estimate(float(value[0]), float(low[0]), float(high[0]), level, _METHOD, float(se[0]), n, m, note)


def _curve(tp: FloatArray, fp: FloatArray, n: int, m: int, thresholds: FloatArray, level: float, what: str) -> Curve:
    value, se = _net_benefit(tp, fp, n, thresholds)
    low, high = _limits(value, se, _alike(tp, fp, n, thresholds), thresholds, level)
    note = _AT_ONE if thresholds[-1] == 1 else ""
    return Curve(thresholds, value, low, high, level, f"{what}; {_METHOD}, pointwise", *_NAMES, n, m, note)


def decision_curve(
    y_true: ArrayLike, y_prob: ArrayLike, *, thresholds: ArrayLike | None = None, level: float = 0.95
) -> Curve:
    """Net benefit of the model over thresholds (default 0 to 0.99 by 0.01), with a pointwise band.

    The band is cut to what net benefit can be, [-t/(1 - t), 1]; it is NaN where nobody reaches the threshold.
    thresholds : strictly increasing, in [0, 1]; values with floating-point residue are taken as the decimals they mean
    """
    level = check_level(level)
    grid = decision_grid(0, "0.99") if thresholds is None else check_thresholds(thresholds)
    tp, fp, n, m = _counts_at(y_true, y_prob, grid)
    return _curve(tp, fp, n, m, grid, level, "model")


def treat_all(y_true: ArrayLike, *, thresholds: ArrayLike | None = None, level: float = 0.95) -> Curve:
    """Net benefit of treating everybody: prevalence - (1 - prevalence) t/(1 - t)."""
    level, y = check_level(level), check_outcome(y_true)
    grid = decision_grid(0, "0.99") if thresholds is None else check_thresholds(thresholds)
    m = int(y.sum())
    tp, fp = np.full(grid.size, float(m)), np.full(grid.size, float(y.size - m))
    return _curve(tp, fp, y.size, m, grid, level, "treat all")


def treat_none(y_true: ArrayLike, *, thresholds: ArrayLike | None = None, level: float = 0.95) -> Curve:
    """Net benefit of treating nobody: 0 at every threshold by definition, without sampling error."""
    level, y = check_level(level), check_outcome(y_true)
    grid = decision_grid(0, "0.99") if thresholds is None else check_thresholds(thresholds)
    zero = np.where(grid < 1, 0.0, NAN)
    note = _AT_ONE if grid[-1] == 1 else ""
    return Curve(grid, zero, zero, zero, level, "treat none; 0 by definition", *_NAMES, y.size, int(y.sum()), note)
