"""Two models compared on repeated predictions of the same patients, by the bootstrap of patients."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from validkit.errors import InputError
from validkit.stats.checks import FloatArray, check_choice, check_level, check_outcome, patients
from validkit.stats.chosen import chosen
from validkit.stats.comparison import ALTERNATIVES
from validkit.stats.draws import Draws, percentile_limits, usable
from validkit.stats.estimators import Measure
from validkit.stats.repeated import GIVEN
from validkit.stats.repeats import Repeats, check_predictions, check_repeats
from validkit.stats.results import NAN, Comparison, TestResult
from validkit.stats.segments import replicates_in

__all__ = ["compare_repeated"]


@patients("y_true", "predictions_a", "predictions_b", "folds", "clusters")
def compare_repeated(
    metric: str | Measure,
    y_true: ArrayLike,
    predictions_a: ArrayLike,
    predictions_b: ArrayLike,
    *,
    rng: np.random.Generator | int,
    combine: str = "average",
    folds: ArrayLike | None = None,
    threshold: float | None = None,
    level: float = 0.95,
    replicates: int = 2000,
    stratified: bool = False,
    clusters: ArrayLike | None = None,
    alternative: str = "two-sided",
    a: str = "a",
    b: str = "b",
    threads: int | None = None,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Comparison:
    """Difference of a measure between two models (a minus b) whose predictions of the same patients are repeated.

    predictions_a, predictions_b : (R, n), repeat by repeat from the same splits, NaN in the same places
    combine, folds, threshold, clusters, stratified : as in `repeated_performance`
    alternative : "two-sided", "less" (a below b) or "greater"

    Each replicate draws patients with all their predictions by both models. Percentile interval; p inverts it:
    p = (r + 1)/(B + 1), r the replicates on the other side of zero (zero included), doubled where two-sided. Both are
    given the fitted models: the chance of the training data is not in them, so p says less than that one way of making
    models is better than the other. Where the models never differ, p = 1.

    >>> y, p = [0, 1, 0, 1, 1, 0], [[0.1, 0.7, 0.3, 0.9, 0.6, 0.2], [0.3, 0.6, 0.4, 0.3, 0.7, 0.1]]
    >>> q = [[0.2, 0.6, 0.4, 0.5, 0.7, 0.5], [0.2, 0.5, 0.3, 0.4, 0.6, 0.4]]
    >>> round(compare_repeated("brier", y, p, q, rng=1, replicates=200).difference.value, 4)
    -0.0671

    Reference: Davison and Hinkley, Bootstrap Methods and their Application (1997), chapter 4; Bengio and Grandvalet, J
    Mach Learn Res 5 (2004) 1089-1105.
    """
    level = check_level(level)
    check_choice(alternative, ALTERNATIVES, "alternative")
    function = chosen({"metric": metric}, threshold)["metric"]
    y = check_outcome(y_true)
    first = check_predictions(predictions_a, y.size, "predictions_a")
    second = check_predictions(predictions_b, y.size, "predictions_b")
    if first.shape != second.shape or (np.isnan(first) != np.isnan(second)).any():
        raise InputError(
            "`predictions_a` and `predictions_b` must be of the same patients in every repeat, missing in the same "
            "places; only then is a difference one between the models"
        )
    one = check_repeats(y, first, combine, folds, clusters, "predictions_a", beside=second)
    two = check_repeats(y, second, combine, folds, clusters, "predictions_b", beside=first)
    plan = one.plan(rng, replicates, stratified)
    method = f"{one.what}; bootstrap of patients, percentile{plan.label}"
    title = f"bootstrap of patients{plan.label}, p = (r + 1)/(B + 1), {alternative}"
    (left, lost_a), (right, lost_b) = one.point(function), two.point(function)
    value, n, m = left - right, one.y.size, int(one.y.sum())
    undefined = "; ".join(f"{name}: {lost}" for name, lost in ((a, lost_a), (b, lost_b)) if lost)
    if not math.isfinite(value):
        nothing = one.estimate(NAN, NAN, NAN, level, method, NAN, undefined or "infinite, so no difference")
        return Comparison(nothing, TestResult(NAN, NAN, None, title, n, m, nothing.note), a, b)
    gaps = _gaps(function, one, two, plan, threads)
    low, high, se, p, note = _ends(gaps, value, alternative, level)
    difference = one.estimate(value, low, high, level, method, se, note, undefined, GIVEN)
    return Comparison(difference, TestResult(value, p, None, title, n, m, note), a, b)


def _gaps(function: Measure, one: Repeats, two: Repeats, plan: Draws, threads: int | None) -> FloatArray:
    """(size,) the difference in every replicate; both models see the same draws."""
    first, second = (
        side.segments.mean(replicates_in({"metric": function}, side.segments, plan, threads=threads)["metric"])
        for side in (one, two)
    )
    with np.errstate(invalid="ignore"):
        return np.asarray(first - second)


def _ends(gaps: FloatArray, value: float, alternative: str, level: float) -> tuple[float, float, float, float, str]:
    """(low, high, se, p, note) from the replicates of the difference."""
    kept, note, enough = usable(gaps)
    if value == 0 and kept.size == gaps.size and not kept.any():
        return NAN, NAN, 0.0, 1.0, f"{note}; the models do not differ in any replicate"
    if not enough:
        return NAN, NAN, NAN, NAN, note
    low, high, note = percentile_limits(gaps, level)
    return low, high, float(kept.std(ddof=1)), _p_value(kept, alternative), note


def _p_value(gaps: FloatArray, alternative: str) -> float:
    """How often a replicate lies on the other side of zero, never 0; twice the smaller where two-sided."""
    less = (np.count_nonzero(gaps >= 0) + 1) / (gaps.size + 1)
    greater = (np.count_nonzero(gaps <= 0) + 1) / (gaps.size + 1)
    return float({"less": less, "greater": greater}.get(alternative, min(1.0, 2 * min(less, greater))))
