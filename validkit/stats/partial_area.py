"""The area under a part of the ROC curve, over a range of specificity or of sensitivity."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from validkit.errors import InputError
from validkit.stats.checks import (
    FloatArray,
    IntArray,
    absent_class,
    as_float,
    check_binary_risk,
    check_choice,
    check_level,
    patients,
)
from validkit.stats.results import NAN, Estimate
from validkit.stats.roc import curve_counts, replicate_counts

__all__ = ["partial_auc"]

FOCUSES = ("specificity", "sensitivity")


@patients("y_true", "y_prob")
def partial_auc(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    focus: str = "specificity",
    bounds: tuple[float, float] = (0.9, 1.0),
    corrected: bool = False,
    level: float = 0.95,
    rng: np.random.Generator | int | None = None,
    replicates: int = 2000,
    stratified: bool = False,
    scale: str = "risk",
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Estimate:
    """Area under the empirical ROC curve, joined by straight lines, where `focus` lies within `bounds`.

    y_true : (n,) int in {0, 1}; 1 is the event
    y_prob : (n,) float in [0, 1]; higher means more likely (any finite number with scale="score")
    focus : "specificity": the integral of sensitivity over specificity; "sensitivity": that of specificity over
        sensitivity
    bounds : (low, high) of the range, within [0, 1]; the largest possible area is high - low
    corrected : McClish's (1 + (area - least)/(most - least))/2, with least = (high - low)(2 - low - high)/2 the area
        under the diagonal and most = high - low: 0.5 is no skill and 1 perfect. Below the diagonal it is undefined.
    rng : a numpy Generator or a seed gives the percentile bootstrap interval and standard error; without it the ends
        are NaN, because no variance formula is offered. `stratified` draws within each outcome, as pROC does.

    Without both an event and a non-event the area is NaN.

    >>> partial_auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], bounds=(0.5, 1.0)).value
    0.25

    Reference: McClish, Med Decis Making 9 (1989) 190-195. R: pROC `auc(partial.auc, partial.auc.focus,
    partial.auc.correct)` and `ci.auc`.
    """
    level = check_level(level)
    check_choice(focus, FOCUSES, "focus")
    low_bound, high_bound = _check_bounds(bounds)
    y, p = check_binary_risk(y_true, y_prob, scale=scale)
    n, m = y.size, int(y.sum())
    method = f"{'McClish, ' if corrected else ''}{focus} {low_bound:g} to {high_bound:g}"
    note = absent_class(m, n)
    if note:
        return Estimate(NAN, level=level, method=method, n=n, n_events=m, note=note)

    def statistic(tp: IntArray, fp: IntArray) -> FloatArray:
        return _areas(tp, fp, focus, low_bound, high_bound, corrected)

    tp, fp = curve_counts(y, p)
    value = float(statistic(tp[None, :], fp[None, :])[0])
    if np.isnan(value):
        note = "undefined: the area is below that under the diagonal, where McClish's correction does not hold"
        return Estimate(NAN, level=level, method=method, n=n, n_events=m, note=note)
    if rng is None:
        note = "no interval without `rng`: it comes from the bootstrap"
        return Estimate(value, level=level, method=method, n=n, n_events=m, note=note)
    from validkit.stats.draws import percentile_limits

    plan, blocks = replicate_counts(y, p, rng=rng, replicates=replicates, stratified=stratified)
    values = np.concatenate([statistic(*block) for block in blocks])
    low, high, note = percentile_limits(values, level)
    se = NAN if np.isnan(low) else float(np.nanstd(values, ddof=1))
    return Estimate(value, low, high, level, f"{method}; bootstrap, percentile{plan.label}", se, n, m, note)


def _check_bounds(bounds: tuple[float, float]) -> tuple[float, float]:
    ends = as_float(bounds, "bounds")
    if ends.size != 2 or not 0 <= ends[0] < ends[1] <= 1:
        raise InputError(f"`bounds` must be two numbers in [0, 1], the lower one first, not {bounds!r}")
    return float(ends[0]), float(ends[1])


def _areas(tp: IntArray, fp: IntArray, focus: str, low: float, high: float, corrected: bool) -> FloatArray:
    """Partial areas of curves in rows of counts (b, thresholds + 1) that rise from 0; NaN where undefined."""
    with np.errstate(divide="ignore", invalid="ignore"):
        x, y = fp / fp[:, -1:], tp / tp[:, -1:]
    area = area_between(x, y, 1 - high, 1 - low) if focus == "specificity" else area_between(y, 1 - x, low, high)
    if not corrected:
        return area
    most = high - low
    least = most * (2 - low - high) / 2
    below = area < least - 1e-15  # rounding does not put a curve on the diagonal below it
    return np.where(below, NAN, (1 + (area - least) / (most - least)) / 2)


def area_between(x: FloatArray, y: FloatArray, low: float, high: float) -> FloatArray:
    """Integral over [low, high] of the lines through the points (x, y) of each row, x not falling."""
    start, stop = np.maximum(x[:, :-1], low), np.minimum(x[:, 1:], high)
    width, run = np.maximum(stop - start, 0.0), x[:, 1:] - x[:, :-1]
    share = ((start + stop) / 2 - x[:, :-1]) / np.where(run > 0, run, 1.0)
    middle = y[:, :-1] + share * (y[:, 1:] - y[:, :-1])
    area: FloatArray = (width * middle).sum(axis=1)
    return area
