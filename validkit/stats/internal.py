"""Internal validation: how much of a model's performance is optimism, by refitting it in resamples of its own patients.

Whatever learns must be inside the estimator: what was chosen beforehand by looking at all patients is not corrected.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from validkit.errors import InputError
from validkit.stats.checks import FloatArray, IntArray, as_float, check_level, check_outcome
from validkit.stats.draws import LARGEST_LOSS, Progress, draw_plan, value_of
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
from validkit.stats.results import NAN, Estimate, Record

__all__ = ["CorrectedMetric", "InternalValidation", "bootstrap_validation"]

SHARE = 0.632


@dataclass(frozen=True, repr=False, eq=False)
class CorrectedMetric(Record):
    """One metric of one model, as it appears on its own patients and corrected.

    apparent : the model on the patients it was fitted on, with its interval
    optimism : mean over resamples of (model of the resample on the resample) - (the same model on all patients); its
        `se` is the Monte Carlo error of that mean
    corrected : apparent - optimism (Harrell); the interval is the apparent one shifted by the optimism (Noma et al.)
    simple : mean over resamples of the resample's model on all patients
    out_of_bag : mean over resamples of the resample's model on the patients it did not see
    point632, point632_plus : Efron's weightings of `apparent` and `out_of_bag`
    in_resample, on_all, off_resample : (replicates,) the values behind them; NaN where a resample failed
    """

    name: str
    apparent: Estimate
    optimism: Estimate
    corrected: Estimate
    simple: Estimate
    out_of_bag: Estimate
    point632: Estimate
    point632_plus: Estimate
    in_resample: FloatArray
    on_all: FloatArray
    off_resample: FloatArray
    note: str = ""

    def __repr__(self) -> str:
        return f"{self.name}: apparent {self.apparent.value:.4g}, corrected {self.corrected!r}"


@dataclass(frozen=True, repr=False, eq=False)
class InternalValidation(Record):
    """The corrected metrics of a model, and what became of every resample.

    failures : number of resamples by what happened to them; predictions : (replicates, n) risk of every patient by the
    model of every resample, NaN where it failed; (0, n) unless asked for
    """

    metrics: Mapping[str, CorrectedMetric]
    n: int
    n_events: int
    replicates: int
    succeeded: int
    failures: Mapping[str, int]
    original: FloatArray
    predictions: FloatArray = field(default_factory=lambda: np.empty((0, 0)))
    note: str = ""

    def __repr__(self) -> str:
        lost = "".join(f"; {count} {what}" for what, count in self.failures.items())
        head = f"{self.succeeded} of {self.replicates} resamples succeeded{lost}"
        return "\n".join([head, *(repr(metric) for metric in self.metrics.values())])


def no_information(name: str, y: IntArray, p: FloatArray) -> float:
    """The value of a metric where risks and outcomes are unrelated: over all pairs of an outcome and a risk.

    NaN for metrics without a formula here.
    """
    from scipy import special

    share = float(y.mean())
    if name == "auc":
        return 0.5
    if name == "calibration_slope":
        return 0.0
    if name == "brier":
        return float(share * np.mean((1 - p) ** 2) + (1 - share) * np.mean(p**2))
    if name == "log_loss":
        return float(-np.mean(special.xlogy(share, p) + special.xlog1py(1 - share, -p)))
    return NAN


def point632_plus(apparent: float, out_of_bag: float, none: float) -> float:
    """Efron and Tibshirani's .632+ (JASA 92 (1997) 548-560), for metrics of either direction.

    w = .632/(1 - .368 R), R = (out_of_bag - apparent)/(none - apparent) cut to [0, 1], out_of_bag no further than none
    """
    if not math.isfinite(none) or none == apparent:
        return NAN
    worse = 1.0 if none > apparent else -1.0
    held = min(worse * out_of_bag, worse * none) * worse
    rate = min(max((held - apparent) / (none - apparent), 0.0), 1.0)
    weight = SHARE / (1 - (1 - SHARE) * rate)
    return (1 - weight) * apparent + weight * held


def bootstrap_validation(
    estimator: Any,
    X: Any,
    y: ArrayLike,
    *,
    metrics: Mapping[str, Measure | str] | Sequence[str] = DEFAULT,
    rng: np.random.Generator | int | None = None,
    replicates: int = 200,
    level: float = 0.95,
    stratified: bool = False,
    clusters: ArrayLike | None = None,
    resamples: ArrayLike | None = None,
    keep_predictions: bool = False,
    threads: int | None = None,
    progress: Progress | None = None,
) -> InternalValidation:
    """Optimism-corrected performance of a model that is refitted in bootstrap resamples of its own patients.

    estimator : anything with fit(X, y) and predict_proba(X), such as a scikit-learn pipeline, or "logistic" for
        unpenalised logistic regression, which has a quick path for the default metrics
    X : (n, p) array or DataFrame; y : (n,) in {0, 1}
    metrics : names of registered metrics, or a mapping to callables (y, p) -> number or Estimate
    rng : a numpy Generator or a seed; or give `resamples`, (replicates, n) row numbers from 0
    keep_predictions : keep the risk of every patient by the model of every resample, for `instability`

    A resample fails where only one outcome is drawn, where the estimator raises an error, or where it gives what is no
    risk; failures are counted by their reason and left out. The .632+ needs a metric's no-information value: it is
    known for the AUC, the calibration slope, the Brier score and the log loss, and NaN for others.

    >>> X, y = [[-1.2], [0.3], [0.1], [-0.7], [1.9], [0.4], [-0.2], [0.9]], [0, 0, 1, 0, 1, 0, 1, 1]
    >>> found = bootstrap_validation("logistic", X, y, rng=1, replicates=50, metrics=["brier"])
    >>> found.succeeded, found.failures
    (42, {'failed with StageError: separated: maximum likelihood has no finite estimate': 8})
    >>> round(found.metrics["brier"].apparent.value, 3), round(found.metrics["brier"].corrected.value, 3)
    (0.184, 0.225)

    Reference: Harrell et al., Stat Med 15 (1996) 361-387; Efron and Tibshirani, JASA 92 (1997) 548-560; Noma et al.,
    Stat Med 40 (2021) 5691-5701. R: rms `validate`, pminternal `validate`.
    """
    level = check_level(level)
    outcome = check_outcome(y, "y")
    table = check_table(X, outcome.size)
    functions = measures(metrics)
    if (rng is None) == (resamples is None):
        raise InputError("give either `rng`, a numpy Generator or a seed, or `resamples`, row numbers")
    model = LogisticModel() if isinstance(estimator, str) and is_logistic(estimator) else estimator
    original = risk_of(fresh(model).fit(table, outcome), table)
    if resamples is None:
        plan = draw_plan(outcome, rng=rng or 0, replicates=replicates, stratified=stratified, clusters=clusters)
        size = plan.size
    else:
        plan, rows = None, _check_resamples(resamples, outcome.size)
        size = len(rows)
    values = np.full((size, 3, len(functions)), NAN)
    predictions = np.full((size if keep_predictions else 0, outcome.size), NAN)
    failures: dict[str, int] = {}
    todo: Sequence[int] = range(size)
    if plan is not None and isinstance(model, LogisticModel) and _all_quick(functions):
        from validkit.stats.refits import logistic_refits

        names = tuple(functions)
        todo = logistic_refits(table, outcome, plan, names, values, predictions, threads=threads, progress=progress)
    for done, b in enumerate(todo):
        times = plan.counts(b, b + 1)[0] if plan is not None else np.bincount(rows[b], minlength=outcome.size)
        reason = _refit(model, table, outcome, times, functions, values[b], predictions[b : b + 1])
        if reason:
            failures[reason] = failures.get(reason, 0) + 1
        if progress and len(todo) == size:
            progress(done + 1, size)
    return _assembled(functions, outcome, original, values, failures, predictions, level)


def _all_quick(functions: Mapping[str, Measure]) -> bool:
    quick = measures(DEFAULT)
    return all(function is quick.get(name) for name, function in functions.items())


def _check_resamples(resamples: ArrayLike, n: int) -> NDArray[np.int64]:
    rows = as_float(resamples, "resamples", ndim=2)
    if (rows != np.floor(rows)).any() or rows.min() < 0 or rows.max() >= n:
        raise InputError(f"`resamples` must hold row numbers from 0 to {n - 1}")
    return rows.astype(np.int64)


def _refit(
    model: Any,
    X: Any,
    y: IntArray,
    times: Any,
    functions: Mapping[str, Measure],
    values: FloatArray,
    predictions: FloatArray,
) -> str:
    """Fit on one resample and fill its (3, metrics) values: in it, on all, outside it. A reason on failure."""
    rows = np.repeat(np.arange(y.size), times)
    if y[rows].min() == y[rows].max():
        return "with one outcome only"
    try:
        p = risk_of(fresh(model).fit(take(X, rows), y[rows]), X)
    except Exception as error:  # whatever an estimator of the user's raises is counted, not lost
        return f"failed with {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}".rstrip(": ")
    if not (np.isfinite(p).all() and p.min() >= 0 and p.max() <= 1):
        return "gave predictions that are no risks"
    if predictions.size:
        predictions[0] = p
    values[0], values[1] = values_of(functions, y[rows], p[rows]), values_of(functions, y, p)
    outside = np.asarray(times) == 0
    values[2] = values_of(functions, y[outside], p[outside])
    return ""


def _assembled(
    functions: Mapping[str, Measure],
    y: IntArray,
    original: FloatArray,
    values: FloatArray,
    failures: Mapping[str, int],
    predictions: FloatArray,
    level: float,
) -> InternalValidation:
    size, lost = len(values), sum(failures.values())
    found = {
        name: _corrected(name, function, y, original, values[:, :, j], size - lost, level)
        for j, (name, function) in enumerate(functions.items())
    }
    many = lost > LARGEST_LOSS * size
    note = f"{lost} of {size} resamples failed: the correction rests on the others" if many else ""
    return InternalValidation(
        found, y.size, int(y.sum()), size, size - lost, dict(failures), original, predictions, note
    )


def _corrected(
    name: str, function: Measure, y: IntArray, original: FloatArray, values: FloatArray, succeeded: int, level: float
) -> CorrectedMetric:
    point = function(y, original)
    n, m = y.size, int(y.sum())
    apparent = point if isinstance(point, Estimate) else Estimate(float(value_of(point)), level=level, n=n, n_events=m)
    in_resample, on_all, outside = values.T
    drop, lift = in_resample - on_all, mean_of(in_resample - on_all)
    note = ""
    undefined = succeeded - int(np.isfinite(drop).sum())
    if undefined:
        note = f"undefined in {undefined} of {succeeded} resamples that succeeded"
    out_of_bag = mean_of(outside)
    value = apparent.value - lift
    plus = point632_plus(apparent.value, out_of_bag, no_information(name, y, original))

    def averaged(number: float, spread: FloatArray, method: str, why: str = "") -> Estimate:
        kept = spread[np.isfinite(spread)]
        se = float(kept.std(ddof=1) / math.sqrt(kept.size)) if kept.size > 1 else NAN
        return Estimate(number, level=level, method=method, se=se, n=n, n_events=m, note=why)

    shifted = Estimate(
        value,
        apparent.low - lift,
        apparent.high - lift,
        level,
        f"optimism bootstrap; {apparent.method} shifted by the optimism",
        apparent.se,
        n,
        m,
        note,
    )
    unknown = "" if math.isfinite(plus) else "no no-information value is known for this metric"
    return CorrectedMetric(
        name,
        apparent,
        averaged(lift, drop, "mean over resamples; se: Monte Carlo", note),
        shifted,
        averaged(mean_of(on_all), on_all, "simple bootstrap", note),
        averaged(out_of_bag, outside, "out of bag, mean over resamples", note),
        averaged((1 - SHARE) * apparent.value + SHARE * out_of_bag, np.empty(0), ".632", note),
        averaged(plus, np.empty(0), ".632+", unknown or note),
        in_resample,
        on_all,
        outside,
        note,
    )
