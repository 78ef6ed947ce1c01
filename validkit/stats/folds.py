"""Internal validation by repeated cross-validation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from validkit.errors import InputError
from validkit.stats.checks import FloatArray, IntArray, check_count, check_level, check_outcome
from validkit.stats.draws import Progress, check_rng, value_of
from validkit.stats.estimators import (
    DEFAULT,
    LogisticModel,
    Measure,
    check_table,
    fresh,
    is_logistic,
    mean_of,
    measures,
    risk_of,
    take,
    values_of,
)
from validkit.stats.results import NAN, Estimate

__all__ = ["cross_validation"]


def cross_validation(
    estimator: Any,
    X: Any,
    y: ArrayLike,
    *,
    metrics: Mapping[str, Measure | str] | Sequence[str] = DEFAULT,
    rng: np.random.Generator | int,
    folds: int = 10,
    repeats: int = 1,
    stratified: bool = True,
    level: float = 0.95,
    progress: Progress | None = None,
) -> dict[str, dict[str, Estimate]]:
    """Performance by repeated k-fold cross-validation: for each metric "average", "optimism" and "corrected".

    average : mean over folds of the metric on the fold left out (pminternal's cv_average)
    optimism, corrected : mean over folds of (metric on the folds used) - (metric on the fold left out), and the
        apparent value less it (cv_optimism)

    `se` is the standard deviation over folds by the root of their number: folds share patients, so it is no honest
    standard error, and there is no interval. A metric that is undefined in a fold is left out there and counted.

    >>> X, y = [[-1.2], [0.3], [0.1], [-0.7], [1.9], [0.4], [-0.2], [0.9]], [0, 0, 1, 0, 1, 0, 1, 1]
    >>> cross_validation("logistic", X, y, rng=1, folds=4, metrics=["brier"])["brier"]["average"]
    0.2584 (mean over folds; n = 8, 4 events)

    Reference: Harrell, Regression Modeling Strategies (2015), section 5.3. R: pminternal `validate`.
    """
    level = check_level(level)
    outcome = check_outcome(y, "y")
    table, functions = check_table(X, outcome.size), measures(metrics)
    check_count(folds, "folds", minimum=2)
    check_count(repeats, "repeats")
    if folds > outcome.size:
        raise InputError(f"`folds` must be at most the number of patients, {outcome.size}; it is {folds}")
    model = LogisticModel() if isinstance(estimator, str) and is_logistic(estimator) else estimator
    generator, rows = check_rng(rng), []
    lost: dict[str, int] = {}
    for repeat in range(repeats):
        fold = _folds(outcome, folds, stratified, generator)
        for k in range(folds):
            values, reason = _fold(model, table, outcome, fold == k, functions)
            rows.append(values)
            if reason:
                lost[reason] = lost.get(reason, 0) + 1
            if progress:
                progress(repeat * folds + k + 1, repeats * folds)
    original = risk_of(fresh(model).fit(table, outcome), table)
    stacked = np.stack(rows)
    return {
        name: _averages(function, outcome, original, stacked[:, :, j], lost, level)
        for j, (name, function) in enumerate(functions.items())
    }


def _folds(y: IntArray, folds: int, stratified: bool, rng: np.random.Generator) -> IntArray:
    """(n,) the fold of each patient: sizes, and with `stratified` the events too, differ by at most one."""
    fold = np.empty(y.size, dtype=np.int64)
    order = rng.permutation(y.size)
    if stratified:
        order = order[np.argsort(y[order], kind="stable")]
    fold[order] = np.arange(y.size) % folds
    return fold


def _fold(
    model: Any, X: Any, y: IntArray, left: NDArray[np.bool_], functions: Mapping[str, Measure]
) -> tuple[FloatArray, str]:
    """(2, metrics) on the folds used and on the fold left out, and a reason on failure."""
    nothing = np.full((2, len(functions)), NAN)
    used = np.flatnonzero(~left)
    if y[used].min() == y[used].max():
        return nothing, "with one outcome only"
    try:
        p = risk_of(fresh(model).fit(take(X, used), y[used]), X)
    except Exception as error:  # as in `_refit`
        return nothing, f"failed with {type(error).__name__}"
    return np.stack([values_of(functions, y[used], p[used]), values_of(functions, y[left], p[left])]), ""


def _averages(
    function: Measure, y: IntArray, original: FloatArray, values: FloatArray, lost: Mapping[str, int], level: float
) -> dict[str, Estimate]:
    used, left = values.T
    defined = int(np.isfinite(left).sum())
    notes = [f"defined in {defined} of {left.size} folds"] if defined < left.size else []
    notes += [f"{count} folds {what}" for what, count in lost.items()]
    note, n, m = "; ".join(notes), y.size, int(y.sum())

    def mean(part: FloatArray, method: str) -> Estimate:
        kept = part[np.isfinite(part)]
        se = float(kept.std(ddof=1) / math.sqrt(kept.size)) if kept.size > 1 else NAN
        return Estimate(mean_of(part), level=level, method=method, se=se, n=n, n_events=m, note=note)

    average, optimism = mean(left, "mean over folds"), mean(used - left, "mean over folds")
    apparent = float(value_of(function(y, original)))
    corrected = Estimate(
        apparent - optimism.value, level=level, method="apparent less optimism", se=NAN, n=n, n_events=m, note=note
    )
    return {"average": average, "optimism": optimism, "corrected": corrected}
