"""Statistics that the bootstrap knows how to compute without running them again on every replicate.

Each is a function of the AUC, the share of events and a few means of per-patient contributions (`Means`), or part of
the logistic recalibration (`Line`). Both see the same draws as any other statistic and give the same replicates, to
rounding.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from validkit.stats.calibration import calibration_in_the_large, calibration_slope, observed_expected
from validkit.stats.checks import FloatArray, IntArray, check_threshold
from validkit.stats.classification import accuracy, npv, ppv, sensitivity, specificity
from validkit.stats.discrimination import auc, placements
from validkit.stats.draws import Draws, Progress, jackknife
from validkit.stats.likelihood_scores import log_losses
from validkit.stats.overall import brier, discrimination_slope, log_loss, scaled_brier
from validkit.stats.recalibration import informative
from validkit.stats.results import NAN
from validkit.stats.single_numbers import calibration_intercept
from validkit.stats.utility import net_benefit

Combine = Callable[[Any, Any, FloatArray], Any]
REFIT_UP_TO = 2000
LARGE = 2


@dataclass(frozen=True)
class Means:
    """combine(auc, share of events, means (..., q)) of contributions(y, p) -> q arrays (n,)."""

    combine: Combine
    contributions: Callable[[FloatArray, FloatArray], Sequence[FloatArray]] = lambda y, p: ()
    needs_auc: bool = False


@dataclass(frozen=True)
class Line:
    """Column of (joint intercept, slope, calibration-in-the-large)."""

    column: int


def _ratio(top: Any, bottom: Any) -> Any:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(bottom > 0, top / bottom, NAN)


def _oe(_: Any, share: Any, m: FloatArray) -> Any:
    with np.errstate(divide="ignore", invalid="ignore"):
        return share / m[..., 0]


_PLAIN: dict[Callable[..., Any], Means | Line] = {
    auc: Means(lambda a, s, m: a, needs_auc=True),
    brier: Means(lambda a, s, m: m[..., 0], lambda y, p: ((p - y) ** 2,)),
    scaled_brier: Means(
        lambda a, s, m: 1 - _ratio(m[..., 0], s * (1 - s)),
        lambda y, p: ((p - y) ** 2,),
    ),
    log_loss: Means(lambda a, s, m: m[..., 0], lambda y, p: (log_losses(y, p),)),
    observed_expected: Means(_oe, lambda y, p: (p,)),
    discrimination_slope: Means(
        lambda a, s, m: _ratio(m[..., 0], s) - _ratio(m[..., 1], 1 - s), lambda y, p: (p * y, p * (1 - y))
    ),
    calibration_intercept: Line(0),
    calibration_slope: Line(1),
    calibration_in_the_large: Line(LARGE),
}

_AT_THRESHOLD: dict[Callable[..., Any], Callable[[float], Means]] = {
    sensitivity: lambda t: Means(lambda a, s, m: _ratio(m[..., 0], s), lambda y, p: (y * (p >= t),)),
    specificity: lambda t: Means(lambda a, s, m: _ratio(m[..., 0], 1 - s), lambda y, p: ((1 - y) * (p < t),)),
    ppv: lambda t: Means(
        lambda a, s, m: _ratio(m[..., 0], m[..., 1]), lambda y, p: (y * (p >= t), (p >= t).astype(float))
    ),
    npv: lambda t: Means(
        lambda a, s, m: _ratio(m[..., 0], m[..., 1]), lambda y, p: ((1 - y) * (p < t), (p < t).astype(float))
    ),
    accuracy: lambda t: Means(lambda a, s, m: m[..., 0], lambda y, p: ((y == (p >= t)).astype(float),)),
    net_benefit: lambda t: Means(
        lambda a, s, m: m[..., 0] - t / (1 - t) * m[..., 1], lambda y, p: (y * (p >= t), (1 - y) * (p >= t))
    ),
}


def quick(statistic: Any) -> Means | Line | None:
    """How to compute a statistic quickly, or None: a function of this package, or functools.partial of one at a
    threshold.
    """
    if isinstance(statistic, functools.partial):
        if statistic.args or set(statistic.keywords) != {"threshold"} or statistic.func not in _AT_THRESHOLD:
            return None
        threshold = check_threshold(statistic.keywords["threshold"])
        return _AT_THRESHOLD[statistic.func](threshold) if threshold < 1 else None
    try:
        return _PLAIN.get(statistic)
    except TypeError:  # not hashable
        return None


def means_replicates(
    parts: Sequence[Means],
    y: IntArray,
    p: FloatArray,
    plan: Draws,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
) -> list[FloatArray]:
    """(size,) replicates of each part, in one pass over the draws; patients sorted by rising risk."""
    from validkit.stats import kernels

    columns, slices = _contributions(parts, y, p)
    last = np.r_[p[1:] != p[:-1], True]
    out = np.empty((plan.size, 2 + columns.shape[0]))
    outcome = y.astype(np.int8)
    drawn = (plan.members, plan.offsets, plan.unit_of)
    plan.run(
        lambda start, stop: kernels.auc_and_means(outcome, last, columns, plan.seed, start, stop, *drawn, out),
        threads=threads,
        progress=progress,
    )
    return [
        np.asarray(part.combine(out[:, 0], out[:, 1], out[:, 2:][:, columns_of]), dtype=np.float64)
        for part, columns_of in zip(parts, slices, strict=True)
    ]


def _contributions(parts: Sequence[Means], y: IntArray, p: FloatArray) -> tuple[FloatArray, list[slice]]:
    columns: list[FloatArray] = []
    slices = []
    outcome = y.astype(np.float64)
    for part in parts:
        own = [np.asarray(c, dtype=np.float64) for c in part.contributions(outcome, p)]
        slices.append(slice(len(columns), len(columns) + len(own)))
        columns += own
    return np.stack(columns) if columns else np.empty((0, y.size)), slices


def means_jackknife(part: Means, y: IntArray, p: FloatArray) -> FloatArray:
    """(n,) the statistic without each patient, in closed form."""
    n, m = y.size, int(y.sum())
    if n < 2:
        return np.full(n, NAN)
    table, _ = _contributions([part], y, p)
    with np.errstate(invalid="ignore"):
        means = ((table.sum(axis=1, keepdims=True) - table) / (n - 1)).T
    share = (m - y) / (n - 1.0)
    area = np.full(n, NAN)
    if part.needs_auc and min(m, n - m) >= 2:
        placed = placements(y, p)
        twice_u = int(placed[y == 1].sum())
        area = (twice_u - placed) / (2.0 * np.where(y == 1, (m - 1) * (n - m), m * (n - m - 1)))
    return np.asarray(part.combine(area, share, means), dtype=np.float64)


def line_replicates(
    y: IntArray,
    p: FloatArray,
    plan: Draws,
    *,
    columns: Collection[int] = (0, 1, 2),
    threads: int | None = None,
    progress: Progress | None = None,
) -> FloatArray:
    """(size, 3) joint intercept, slope and calibration-in-the-large of each replicate; patients sorted by risk.

    columns : those that are wanted; the others may be NaN
    """
    from validkit.stats import kernels

    kind = np.where((p > 0) & (p < 1), 0, np.where(y == p, 1, 2)).astype(np.int8)
    x = special.logit(np.where(kind == 0, p, 0.5))
    warm = _on_all(y, p)
    wanted = np.array([0 in columns or 1 in columns, 2 in columns])
    out, state = np.empty((plan.size, 3)), np.zeros(plan.size, np.int8)
    outcome = y.astype(np.int8)
    drawn = (plan.members, plan.offsets, plan.unit_of)
    plan.run(
        lambda start, stop: kernels.recalibration(
            x, outcome, kind, warm, wanted, plan.seed, start, stop, *drawn, out, state
        ),
        threads=threads,
        progress=progress,
    )
    for b in np.flatnonzero(state):
        times = plan.counts(int(b), int(b) + 1)[0]
        out[b] = _on_all(np.repeat(y, times), np.repeat(p, times), undefined=NAN)
    return out


def _on_all(y: IntArray, p: FloatArray, undefined: float | None = None) -> FloatArray:
    """Joint intercept, slope and calibration-in-the-large; where undefined, the given number, or a start for others."""
    data = informative(y, p)
    values = np.array([0.0, 1.0, 0.0]) if undefined is None else np.full(3, undefined)
    if not data.flat:
        values[:2] = data.fit().beta
    if not data.obstacle:
        values[2] = data.fit(slope_fixed=True).beta[0]
    return values


def line_jackknife(y: IntArray, p: FloatArray, column: int) -> FloatArray:
    """(n,) intercept, slope or calibration-in-the-large without each patient.

    Fitted anew up to 2,000 patients; beyond, by one Newton step from the fit on all, b - I^-1 x e/(1 - h) with residual
    e and leverage h, which is off by the order of 1/n^2.
    """
    if y.size < 2:
        return np.full(y.size, NAN)
    if y.size <= REFIT_UP_TO:
        return jackknife(lambda a, b: _on_all(a, b, undefined=NAN), y, p)[:, column]
    return _one_step(y, p, column)


def _one_step(y: IntArray, p: FloatArray, column: int) -> FloatArray:
    data = informative(y, p)
    if data.obstacle if column == LARGE else data.flat:
        return np.full(y.size, NAN)
    beta = data.fit(slope_fixed=column == LARGE).beta
    pi = special.expit(data.design @ beta)
    design = data.design[:, :1] if column == LARGE else data.design
    weight = pi * (1 - pi)
    steps = design @ np.linalg.inv(design.T @ (weight[:, None] * design))
    leverage = weight * (steps * design).sum(axis=1)
    part = 0 if column == LARGE else column
    values = np.full(y.size, beta[part])  # predictions of exactly 0 or 1 add nothing
    values[(p > 0) & (p < 1)] -= steps[:, part] * (data.y - pi) / (1 - leverage)
    return values
