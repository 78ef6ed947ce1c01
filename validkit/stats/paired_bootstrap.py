"""The difference of any statistic between two models on the same patients, by the paired bootstrap."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from validkit.stats.checks import FloatArray, IntArray, check_choice, check_clusters, check_level, patients
from validkit.stats.chosen import named
from validkit.stats.comparison import ALTERNATIVES, normal_p, two_models
from validkit.stats.discrimination import auc
from validkit.stats.draws import (
    Draws,
    bca_limits,
    draw_plan,
    jackknife,
    percentile_limits,
    usable,
    value_of,
)
from validkit.stats.quick import (
    Line,
    Means,
    line_jackknife,
    line_replicates,
    means_jackknife,
    means_replicates,
    quick,
)
from validkit.stats.results import NAN, Comparison, Estimate, TestResult

__all__ = ["bootstrap_comparison"]

Statistic = Callable[[Any, Any], Any]
BLOCK = 1 << 20


class Ranked:
    """The AUC of one prediction in many weighted samples of the same patients, sorted once."""

    def __init__(self, y: IntArray, scores: FloatArray) -> None:
        self.order = np.argsort(scores, kind="stable")
        ordered = scores[self.order]
        self.first = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        self.events = y[self.order].astype(np.int64)

    def twice_u(self, times: NDArray[Any]) -> IntArray:
        """(b,) 2U, a whole number, for times (b, n) that each patient occurs."""
        drawn = times[:, self.order].astype(np.int64)
        events = np.add.reduceat(drawn * self.events, self.first, axis=1)
        others = np.add.reduceat(drawn, self.first, axis=1) - events
        return np.asarray((events * (2 * np.cumsum(others, axis=1) - others)).sum(axis=1), dtype=np.int64)


def _area_differences(y: IntArray, p: FloatArray, q: FloatArray, plan: Draws) -> FloatArray:
    """(size,) difference of the AUCs in every replicate; NaN with one class."""
    first, second = Ranked(y, p), Ranked(y, q)
    values = np.full(plan.size, NAN)
    rows = max(1, BLOCK // y.size)
    for start in range(0, plan.size, rows):
        times = plan.counts(start, min(start + rows, plan.size))
        events = times.astype(np.int64) @ y
        pairs = events * (times.sum(axis=1, dtype=np.int64) - events)
        gap = first.twice_u(times) - second.twice_u(times)
        np.divide(gap, 2.0 * pairs, out=values[start : start + len(times)], where=pairs > 0)
    return values


def model_difference(statistic: Statistic, scale: str) -> Callable[[Any, Any, Any], float]:
    """(y, p, q) -> the statistic of p minus that of q."""
    options = {"scale": scale} if statistic is auc else {}
    return lambda y, p, q: float(value_of(statistic(y, p, **options))) - float(value_of(statistic(y, q, **options)))


def _replicates(statistic: Statistic, y: IntArray, p: FloatArray, q: FloatArray, plan: Draws) -> FloatArray:
    """(size,) replicates of the difference; both models see the same draws."""
    part = quick(statistic)
    if statistic is auc:
        return _area_differences(y, p, q, plan)
    if isinstance(part, Means) and not part.needs_auc:
        return means_replicates([part], y, p, plan)[0] - means_replicates([part], y, q, plan)[0]
    if isinstance(part, Line):
        first, second = (line_replicates(y, risk, plan, columns={part.column}) for risk in (p, q))
        return (first - second)[:, part.column]
    return plan.replicates(model_difference(statistic, "risk"), y, p, q)[:, 0]


def _leave_one_out(
    statistic: Statistic, y: IntArray, p: FloatArray, q: FloatArray, clusters: ArrayLike | None
) -> FloatArray:
    part = quick(statistic)
    if clusters is None and isinstance(part, Means):
        return means_jackknife(part, y, p) - means_jackknife(part, y, q)
    if clusters is None and isinstance(part, Line):
        return line_jackknife(y, p, part.column) - line_jackknife(y, q, part.column)
    return jackknife(model_difference(statistic, "score"), y, p, q, clusters=clusters)[:, 0]


@patients("y_true", "prob_a", "prob_b", "clusters")
def bootstrap_comparison(
    statistic: Statistic | str,
    y_true: ArrayLike,
    prob_a: ArrayLike,
    prob_b: ArrayLike,
    *,
    rng: np.random.Generator | int,
    replicates: int = 2000,
    level: float = 0.95,
    interval: str = "percentile",
    stratified: bool = False,
    clusters: ArrayLike | None = None,
    alternative: str = "two-sided",
    test: str = "percentile",
    a: str = "a",
    b: str = "b",
    scale: str = "risk",
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Comparison:
    """Difference of any statistic between two models (a minus b) on the same patients, by the paired bootstrap.

    Each replicate draws patients, with both predictions and the outcome, and computes the difference d*.

    statistic : callable (y, p) -> number or Estimate, or a registered metric's name; those of this package have quick
        paths
    y_true : (n,) int in {0, 1}; prob_a, prob_b : (n,) float in [0, 1] (any finite numbers with scale="score")
    rng : a numpy Generator or a seed; there is no default, chance is passed in
    interval : "percentile" or "bca"; stratified : keep the numbers of events and non-events
    clusters : (n,) labels of what is drawn as a whole
    alternative : "two-sided", "less" (a below b) or "greater"
    test : "percentile": p = (r + 1)/(B + 1) with r the replicates on the other side of zero (zero included), doubled
        where two-sided, which agrees with the percentile interval and is never 0; "normal": z = difference/sd(d*)

    Replicates where the statistic is undefined are left out and counted in the note; where more than 5 % are, there is
    neither interval nor p. Where every replicate is exactly 0, as for models that are alike, p = 1.

    >>> y, p, q = [0, 1, 0, 1, 1, 0], [0.1, 0.7, 0.3, 0.9, 0.6, 0.2], [0.2, 0.6, 0.4, 0.5, 0.7, 0.5]
    >>> bootstrap_comparison("brier", y, p, q, rng=1, replicates=200).difference.value.__round__(4)
    -0.0917

    Reference: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapters 13-16; Davison and Hinkley,
    Bootstrap Methods and their Application (1997), chapter 4. R: pROC
    `roc.test(method = "bootstrap")` for test="normal".
    """
    level = check_level(level)
    check_choice(interval, ("percentile", "bca"), "interval")
    check_choice(alternative, ALTERNATIVES, "alternative")
    check_choice(test, ("percentile", "normal"), "test")
    statistic = named(statistic)
    y, p, q = two_models(y_true, prob_a, prob_b, scale)
    order = np.lexsort((y, q, p))  # results do not depend on the order of the rows
    y, p, q = y[order], p[order], q[order]
    groups = None if clusters is None else check_clusters(clusters, y.size)[order]
    n, m = y.size, int(y.sum())
    plan = draw_plan(y, rng=rng, replicates=replicates, stratified=stratified, clusters=groups)
    method = f"bootstrap, {'BCa' if interval == 'bca' else 'percentile'}{plan.label}"
    title = f"bootstrap{plan.label}, {'p = (r + 1)/(B + 1)' if test == 'percentile' else 'normal'}, {alternative}"
    value = model_difference(statistic, scale)(y, p, q)
    if not math.isfinite(value):
        note = "the statistic is undefined or infinite on these patients"
        difference = Estimate(value, NAN, NAN, level, method, NAN, n, m, note)
        return Comparison(difference, TestResult(NAN, NAN, None, title, n, m, note), a, b)
    values = _replicates(statistic, y, p, q, plan)
    kept, note, enough = usable(values)
    if kept.size == values.size and value == 0 and not kept.any():
        note = f"{note}; the models do not differ in any replicate"
        difference = Estimate(0.0, NAN, NAN, level, method, 0.0, n, m, note)
        p_value = 1.0 if alternative == "two-sided" or test == "percentile" else 0.5
        return Comparison(difference, TestResult(0.0, p_value, None, title, n, m, note), a, b)
    if interval == "bca" and enough:
        low, high, note = bca_limits(values, value, _leave_one_out(statistic, y, p, q, groups), level)
    else:
        low, high, note = percentile_limits(values, level)
    se = float(kept.std(ddof=1)) if enough else NAN
    difference = Estimate(value, low, high, level, method, se, n, m, note)
    statistic_value = NAN if not enough else value / se if test == "normal" else value
    p_value = NAN if not enough else _bootstrap_p(kept, statistic_value, alternative, test)
    return Comparison(difference, TestResult(statistic_value, p_value, None, title, n, m, note), a, b)


def _bootstrap_p(kept: FloatArray, statistic: float, alternative: str, test: str) -> float:
    if test == "normal":
        return normal_p(statistic, alternative)
    less, greater = ((int(np.count_nonzero(side)) + 1) / (kept.size + 1) for side in (kept >= 0, kept <= 0))
    return {"less": less, "greater": greater}.get(alternative, min(1.0, 2 * min(less, greater)))
