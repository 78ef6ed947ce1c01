"""The ROC curve and its confidence band: at each threshold, at fixed specificities, or for the whole curve at once."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

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
from validkit.stats.intervals import wilson
from validkit.stats.results import NAN, Curve

if TYPE_CHECKING:
    from validkit.stats.draws import Draws

__all__ = ["roc_curve"]

BANDS = {
    "pointwise": "empirical; Wilson, pointwise in sensitivity",
    "vertical": "empirical; bootstrap, percentile, of sensitivity at fixed specificity",
    "simultaneous": "empirical; simultaneous band of fixed width (Campbell; Dvoretzky-Kiefer-Wolfowitz-Massart)",
}
AXES = ("1 - specificity", "sensitivity")
_CELLS = 1 << 21


def threshold_counts(y: IntArray, p: FloatArray) -> tuple[FloatArray, IntArray, IntArray]:
    """Distinct predictions, highest first, with the true and false positives of the rule prediction >= value."""
    order, last = falling_order(p)
    tp = np.cumsum(y[order])[last]
    return p[order][last], tp, last + 1 - tp


def falling_order(p: FloatArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Patients by falling prediction, and the places in that order where a group of equal predictions ends."""
    order = np.argsort(p)[::-1]
    ranked = p[order]
    return order, np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))


def curve_counts(y: IntArray, p: FloatArray) -> tuple[IntArray, IntArray]:
    """True and false positives at "nobody is positive" and at every distinct prediction, highest first."""
    _, tp, fp = threshold_counts(y, p)
    return np.append(0, tp), np.append(0, fp)


def replicate_counts(
    y: IntArray, p: FloatArray, *, rng: np.random.Generator | int, replicates: int, stratified: bool
) -> tuple[Draws, Iterator[tuple[IntArray, IntArray]]]:
    """The plan of a bootstrap, and `curve_counts` in its replicates as blocks of rows (b, thresholds + 1).

    Patients are put in the order of their predictions before the draws, as `bootstrap` does, so that an interval does
    not depend on the order of the rows.
    """
    from validkit.stats.draws import draw_plan

    order = np.lexsort((y, p))
    plan = draw_plan(y[order], rng=rng, replicates=replicates, stratified=stratified)
    return plan, _blocks(plan, y[order], p[order])


def _blocks(plan: Draws, y: IntArray, p: FloatArray) -> Iterator[tuple[IntArray, IntArray]]:
    order, last = falling_order(p)
    event = y[order]
    rows = max(1, _CELLS // y.size)
    for start in range(0, plan.size, rows):
        times = plan.counts(start, min(start + rows, plan.size))[:, order]
        everybody = np.cumsum(times, axis=1, dtype=np.int64)[:, last]
        tp = np.cumsum(times * event, axis=1, dtype=np.int64)[:, last]
        none = np.zeros((times.shape[0], 1), dtype=np.int64)
        yield np.hstack([none, tp]), np.hstack([none, everybody - tp])


def need_rng(rng: np.random.Generator | int | None, what: str) -> np.random.Generator | int:
    """The `rng` that a bootstrap was given; without one an error."""
    if rng is None:
        raise InputError(f"`rng` must be a numpy Generator or a seed for {what}; chance is passed in, never assumed")
    return rng


@patients("y_true", "y_prob")
def roc_curve(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    level: float = 0.95,
    band: str = "pointwise",
    specificities: ArrayLike | None = None,
    rng: np.random.Generator | int | None = None,
    replicates: int = 2000,
    stratified: bool = False,
    scale: str = "risk",
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Curve:
    """ROC curve, x = 1 - specificity and y = sensitivity, with a confidence band.

    y_true : (n,) int in {0, 1}; 1 is the event
    y_prob : (n,) float in [0, 1]; higher means more likely (any finite number with scale="score")
    band : "pointwise": Wilson's interval of the sensitivity at each threshold, at every distinct prediction, from
        (0, 0) to (1, 1). It holds the sensitivity at that threshold; read as that at a specificity, which is
        estimated too, it covers 88 to 91 % in `validkit certify`, and "vertical" 96 %.
        "vertical": the percentile bootstrap interval of the sensitivity at each of `specificities` (falling from 1 to
        0 by tenths unless given), the curve being joined by straight lines; needs `rng`. At specificity 0 the
        sensitivity is 1 by definition. `stratified` draws within each outcome, as pROC does.
        "simultaneous": holds the whole true curve with probability `level`, for every sample size. With d and e the
        widths within which the distributions of non-events and events lie jointly, each with probability
        sqrt(level), each sqrt(log(2 / (1 - sqrt(level))) / (2 n_class)), the band at x runs from
        sens(x - d) - e to sens(x + d) + e, within [0, 1]. Between two points of the curve the lower end is that of
        the left and the upper end that of the right point. It is wide: simulated coverage of a 0.95 band is near 1.

    Without both classes the curve has no points and the note says so.

    >>> curve = roc_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> curve.x.tolist(), curve.y.tolist()
    ([0.0, 0.0, 0.5, 0.5, 1.0], [0.0, 0.5, 0.5, 1.0, 1.0])

    Reference: Campbell, Stat Med 13 (1994) 499-508; Massart, Ann Probab 18 (1990) 1269-1283. R: pROC `roc`, `ci.se`.
    """
    level = check_level(level)
    method = BANDS[check_choice(band, tuple(BANDS), "band")]
    y, p = check_binary_risk(y_true, y_prob, scale=scale)
    n, m = y.size, int(y.sum())
    seed = need_rng(rng, 'band="vertical"') if band == "vertical" else 0
    if specificities is not None and band != "vertical":
        raise InputError(f'`specificities` belong to band="vertical", not to band={band!r}')
    grid = _grid(specificities)
    note = absent_class(m, n)
    if note:
        return Curve(np.empty(0), np.empty(0), np.empty(0), np.empty(0), level, method, *AXES, n, m, note)
    tp, fp = curve_counts(y, p)
    if band == "vertical":
        plan, blocks = replicate_counts(y, p, rng=seed, replicates=replicates, stratified=stratified)
        low, high, note = _vertical_limits(blocks, grid, level)
        at = sensitivity_at(tp, fp, grid)
        return Curve(1 - grid, at, low, high, level, method + plan.label, *AXES, n, m, note)
    low, high = wilson(tp, m, level) if band == "pointwise" else simultaneous_limits(tp, fp, level)
    return Curve(fp / (n - m), tp / m, low, high, level, method, *AXES, n, m)


def _grid(specificities: ArrayLike | None) -> FloatArray:
    if specificities is None:
        return np.arange(10, -1, -1) / 10
    grid = as_float(specificities, "specificities")
    if not ((grid >= 0) & (grid <= 1)).all() or np.unique(grid).size < grid.size:
        raise InputError("`specificities` must be distinct and lie in [0, 1]")
    return np.sort(grid)[::-1]


def sensitivity_at(tp: IntArray, fp: IntArray, specificities: FloatArray) -> FloatArray:
    """Sensitivity where the empirical curve, joined by straight lines, has a specificity; the highest of several.

    tp, fp : (thresholds + 1,) counts that rise from 0. NaN where a class is absent.
    """
    m, q = int(tp[-1]), int(fp[-1])
    if m == 0 or q == 0:
        return np.full(specificities.size, NAN)
    exact = (1 - specificities) * q
    whole = np.round(exact)
    wanted = np.where(np.abs(exact - whole) <= 1e-12 * q, whole, exact)  # 1 - 0.9 means one tenth
    left = np.searchsorted(fp, wanted, side="right") - 1
    right = np.minimum(left + 1, fp.size - 1)
    share = (wanted - fp[left]) / np.maximum(fp[right] - fp[left], 1)
    values: FloatArray = (tp[left] + share * (tp[right] - tp[left])) / m
    return values


def _vertical_limits(
    blocks: Iterator[tuple[IntArray, IntArray]], grid: FloatArray, level: float
) -> tuple[FloatArray, FloatArray, str]:
    from validkit.stats.draws import percentile_limits

    values = np.array([sensitivity_at(*row, grid) for block in blocks for row in zip(*block, strict=True)])
    limits = [(1.0, 1.0) if s == 0 else percentile_limits(values[:, i], level)[:2] for i, s in enumerate(grid)]
    low, high = np.array(limits).T
    usable, bare = int(np.isfinite(values[:, 0]).sum()), int(np.isnan(low).sum())
    note = f"{usable} of {values.shape[0]} replicates"
    if bare:
        note += f"; no interval at {bare} of {grid.size} specificities, where replicates are all equal or too few"
    return low, high, note


def simultaneous_limits(tp: IntArray, fp: IntArray, level: float) -> tuple[FloatArray, FloatArray]:
    """Campbell's band at every point of the empirical curve, from counts that rise from 0."""
    m, q = int(tp[-1]), int(fp[-1])
    log_odds = math.log(2 / (1 - math.sqrt(level)))
    d, e = math.sqrt(log_odds / (2 * q)), math.sqrt(log_odds / (2 * m))
    x, y = fp / q, tp / m
    highest = y[np.searchsorted(x, x + d, side="right") - 1]  # of thresholds with at most x + d
    lowest = np.where(x - d > 0, y[np.searchsorted(x, x - d, side="left")], 0.0)
    return np.maximum(lowest - e, 0.0), np.minimum(highest + e, 1.0)
