"""The bootstrap for any statistic of outcome and predicted risk.

Replicates are drawn as rows of patient numbers from the `rng` that is passed in; the quick paths for the AUC and the
Brier score see the same draws as any other statistic and give the same replicates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from validkit.errors import InputError
from validkit.stats.checks import FloatArray, IntArray, check_binary_risk, check_choice, check_count, check_level
from validkit.stats.discrimination import auc, placements
from validkit.stats.overall import brier
from validkit.stats.results import NAN, Estimate

Statistic = Callable[[Any, Any], Any]
_NAMED: dict[str, Statistic] = {"auc": auc, "brier": brier}
_BLOCK = 1 << 20


def _value(result: Any) -> float:
    return float(result.value) if hasattr(result, "value") else float(result)


def _draws(y: IntArray, replicates: int, stratified: bool, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Blocks of resampled patient numbers, (b, n); within each outcome class when stratified."""
    n = y.size
    strata = [np.flatnonzero(y == 0), np.flatnonzero(y == 1)] if stratified else [np.arange(n)]
    rows = max(1, _BLOCK // n)
    for begin in range(0, replicates, rows):
        b = min(rows, replicates - begin)
        yield np.concatenate([s[rng.integers(0, s.size, (b, s.size))] for s in strata if s.size], axis=1)


def _auc_replicates(y: IntArray, p: FloatArray, index: NDArray[np.int64]) -> FloatArray:
    """AUC of every replicate from how often each patient was drawn, over risks sorted once; NaN with one class."""
    order = np.argsort(p, kind="stable")
    first = np.flatnonzero(np.r_[True, p[order][1:] != p[order][:-1]])
    times = _times(index, y.size)[:, order]
    events = np.add.reduceat(times * y[order], first, axis=1)
    others = np.add.reduceat(times, first, axis=1) - events
    twice_u = (events * (2 * np.cumsum(others, axis=1) - others)).sum(axis=1)
    pairs = events.sum(axis=1) * others.sum(axis=1)
    result = np.full(index.shape[0], NAN)
    np.divide(twice_u, 2.0 * pairs, out=result, where=pairs > 0)
    return result


def _times(index: NDArray[np.int64], n: int) -> IntArray:
    shifted = index + n * np.arange(index.shape[0], dtype=np.int64)[:, None]
    return np.bincount(shifted.ravel(), minlength=n * index.shape[0]).reshape(index.shape[0], n).astype(np.int64)


def _replicates(
    statistic: Statistic, y: IntArray, p: FloatArray, replicates: int, stratified: bool, rng: np.random.Generator
) -> FloatArray:
    parts = []
    for index in _draws(y, replicates, stratified, rng):
        if statistic is auc:
            parts.append(_auc_replicates(y, p, index))
        elif statistic is brier:
            parts.append(_times(index, y.size) @ ((p - y) ** 2) / y.size)
        else:
            parts.append(np.array([_value(statistic(y[row], p[row])) for row in index]))
    return np.concatenate(parts)


def _jackknife(statistic: Statistic, y: IntArray, p: FloatArray) -> FloatArray:
    """The statistic without each patient in turn; in closed form for the AUC and the Brier score."""
    n, m = y.size, int(y.sum())
    if statistic is auc:
        if min(m, n - m) < 2:
            return np.full(n, NAN)
        placed = placements(y, p)
        twice_u = int(placed[y == 1].sum())
        return np.where(
            y == 1, (twice_u - placed) / (2.0 * (m - 1) * (n - m)), (twice_u - placed) / (2.0 * m * (n - m - 1))
        )
    if statistic is brier:
        loss = (p - y) ** 2
        without: FloatArray = (loss.sum() - loss) / (n - 1)
        return without
    keep = ~np.eye(n, dtype=bool)
    return np.array([_value(statistic(y[row], p[row])) for row in keep])


def _bca_probabilities(values: FloatArray, value: float, jackknife: FloatArray, level: float) -> tuple[FloatArray, str]:
    """Bias-corrected and accelerated percentile points; a reason where they cannot be had."""
    equal = np.isclose(values, value, rtol=1e-12, atol=1e-15)  # rounding of sums in another order is no difference
    below = float(np.mean((values < value) & ~equal) + 0.5 * np.mean(equal))
    if not 0 < below < 1:
        return np.full(2, NAN), "all replicates lie on one side of the value: no BCa interval"
    gap = jackknife.mean() - jackknife
    spread = float((gap**2).sum())
    if not np.isfinite(jackknife).all() or spread == 0:
        return np.full(2, NAN), "the statistic without one patient is undefined or does not vary: no BCa interval"
    z0, acceleration = float(special.ndtri(below)), float((gap**3).sum()) / (6 * spread**1.5)
    z = special.ndtri(np.array([0.5 - level / 2, 0.5 + level / 2]))
    return special.ndtr(z0 + (z0 + z) / (1 - acceleration * (z0 + z))), ""


def bootstrap(
    statistic: Statistic | str,
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    rng: np.random.Generator | int,
    replicates: int = 2000,
    level: float = 0.95,
    interval: str = "percentile",
    stratified: bool = False,
    scale: str = "risk",
) -> Estimate:
    """Bootstrap interval and standard error of any statistic of outcome and predicted risk.

    statistic : callable (y, p) -> number or Estimate; `auc` and `brier`, also by name, take a quick path
    rng : a numpy Generator or a seed; there is no default, chance is passed in
    interval : "percentile" or "bca" (bias-corrected and accelerated, with the jackknife)
    stratified : draw within events and within non-events, keeping their numbers

    Replicates where the statistic is undefined (NaN), for instance because only one outcome was drawn, are left out and
    counted in the note; where more than 5 % are, or fewer than 20 remain, the interval is NaN.
    Reference: Efron, JASA 82 (1987) 171-185; DiCiccio and Efron, Stat Sci 11 (1996) 189-228.
    """
    level = check_level(level)
    if isinstance(statistic, str):
        statistic = _NAMED[check_choice(statistic, tuple(_NAMED), "statistic")]
    check_choice(interval, ("percentile", "bca"), "interval")
    check_count(replicates, "replicates", minimum=20)
    if not isinstance(rng, np.random.Generator):
        if isinstance(rng, bool) or not isinstance(rng, (int, np.integer)):
            raise InputError(f"`rng` must be a numpy Generator or a whole number as seed, not {rng!r}")
        rng = np.random.default_rng(rng)
    y, p = check_binary_risk(y_true, y_prob, scale=scale)
    n, m = y.size, int(y.sum())
    method = f"bootstrap, {'BCa' if interval == 'bca' else 'percentile'}{', stratified' if stratified else ''}"
    point = auc(y, p, scale=scale) if statistic is auc else statistic(y, p)
    value = _value(point)
    if math.isnan(value):
        reason = getattr(point, "note", "") or "the statistic is undefined on these patients"
        return Estimate(NAN, level=level, method=method, n=n, n_events=m, note=reason)
    values = _replicates(statistic, y, p, replicates, stratified, rng)
    usable = values[np.isfinite(values)]
    note = f"{usable.size} of {replicates} replicates"
    if usable.size < max(20, 0.95 * replicates):
        note += " gave a value: too few for an interval"
        return Estimate(value, level=level, method=method, n=n, n_events=m, note=note)
    if np.ptp(usable) == 0:
        note += "; all are equal, which says nothing about the next sample: no interval"
        return Estimate(value, level=level, method=method, n=n, n_events=m, note=note)
    points = np.array([0.5 - level / 2, 0.5 + level / 2])
    if interval == "bca":
        points, reason = _bca_probabilities(usable, value, _jackknife(statistic, y, p), level)
        if reason:
            return Estimate(value, level=level, method=method, n=n, n_events=m, note=f"{note}; {reason}")
    low, high = np.quantile(usable, points)
    return Estimate(value, float(low), float(high), level, method, float(usable.std(ddof=1)), n, m, note)
