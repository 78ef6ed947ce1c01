"""From the values of a model's resamples to its corrected performance: optimism, .632 and .632+.

Shared by `internal`, which refits the model, and `resample_corrections`, which finds its predictions made.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from validkit.stats.checks import FloatArray, IntArray
from validkit.stats.chosen import at_level
from validkit.stats.draws import LARGEST_LOSS, percentile_limits, value_of
from validkit.stats.estimators import Measure, mean_of, values_of
from validkit.stats.results import NAN, Estimate, Record

__all__ = ["CorrectedMetric", "InternalValidation"]

SHARE = 0.632
INTERVALS = ("apparent", "bootstrap")


@dataclass(frozen=True, repr=False, eq=False)
class CorrectedMetric(Record):
    """One metric of one model, as it appears on its own patients and corrected.

    apparent : the model on the patients it was fitted on, with its interval
    optimism : mean over resamples of (model of the resample on the resample) - (the same model on all patients); its
        `se` is the Monte Carlo error of that mean
    corrected : apparent - optimism (Harrell); the interval is the apparent one, or the percentiles of `in_resample`,
        shifted by the optimism (Noma et al.)
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


def resample_values(
    functions: Mapping[str, Measure],
    y: IntArray,
    p: FloatArray,
    times: Any,
    values: FloatArray,
    own: FloatArray | None = None,
) -> None:
    """Fill the (3, metrics) values of one resample's model: in the resample, on all, outside it.

    p : (n,) its risks of all patients; own : those of its own patients, where they differ; times : how often each was
    drawn
    """
    rows = np.repeat(np.arange(y.size), times)
    outside = np.asarray(times) == 0
    values[0] = values_of(functions, y[rows], (p if own is None else own)[rows])
    values[1] = values_of(functions, y, p)
    values[2] = values_of(functions, y[outside], p[outside])


def assembled(
    functions: Mapping[str, Measure],
    y: IntArray,
    original: FloatArray,
    values: FloatArray,
    failures: Mapping[str, int],
    predictions: FloatArray,
    level: float,
    interval: str = "apparent",
) -> InternalValidation:
    """The record of a validation from values (resamples, 3, metrics): in the resample, on all, outside it."""
    size, lost = len(values), sum(failures.values())
    found = {
        name: _corrected(name, function, y, original, values[:, :, j], size - lost, level, interval)
        for j, (name, function) in enumerate(functions.items())
    }
    many = lost > LARGEST_LOSS * size
    note = f"{lost} of {size} resamples failed: the correction rests on the others" if many else ""
    return InternalValidation(
        found, y.size, int(y.sum()), size, size - lost, dict(failures), original, predictions, note
    )


def _corrected(
    name: str,
    function: Measure,
    y: IntArray,
    original: FloatArray,
    values: FloatArray,
    succeeded: int,
    level: float,
    interval: str,
) -> CorrectedMetric:
    point = at_level(function, level)(y, original)
    n, m = y.size, int(y.sum())
    apparent = point if isinstance(point, Estimate) else Estimate(float(value_of(point)), level=level, n=n, n_events=m)
    in_resample, on_all, outside = values.T
    with np.errstate(invalid="ignore"):  # infinity minus infinity is undefined, and counted as such
        drop = in_resample - on_all
    lift, out_of_bag = mean_of(drop), mean_of(outside)
    undefined = succeeded - int(np.isfinite(drop).sum())
    note = f"undefined in {undefined} of {succeeded} resamples that succeeded" if undefined else ""
    plus = point632_plus(apparent.value, out_of_bag, no_information(name, y, original))
    unknown = "" if math.isfinite(plus) else "no no-information value is known for this metric"
    spread = _spread(apparent, in_resample, level, interval)

    def averaged(number: float, over: FloatArray, method: str) -> Estimate:
        kept = over[np.isfinite(over)]
        se = float(kept.std(ddof=1) / math.sqrt(kept.size)) if kept.size > 1 else NAN
        return Estimate(number, level=level, method=method, se=se, n=n, n_events=m, note=note)

    def shifted(number: float, method: str, why: str = "") -> Estimate:
        gap = apparent.value - number
        notes = "; ".join(part for part in (why or note, spread.note) if part)
        method = f"{method}; {spread.method} shifted by the optimism"
        return Estimate(number, spread.low - gap, spread.high - gap, spread.level, method, spread.se, n, m, notes)

    def weighted(number: float, method: str, why: str = "") -> Estimate:
        if interval == "bootstrap":
            return shifted(number, method, why)
        return Estimate(number, level=level, method=method, n=n, n_events=m, note=why or note)

    return CorrectedMetric(
        name,
        apparent,
        averaged(lift, drop, "mean over resamples; se: Monte Carlo"),
        shifted(apparent.value - lift, "optimism bootstrap"),
        averaged(mean_of(on_all), on_all, "simple bootstrap"),
        averaged(out_of_bag, outside, "out of bag, mean over resamples"),
        weighted((1 - SHARE) * apparent.value + SHARE * out_of_bag, ".632"),
        weighted(plus, ".632+", unknown),
        in_resample,
        on_all,
        outside,
        note,
    )


def _spread(apparent: Estimate, in_resample: FloatArray, level: float, interval: str) -> Estimate:
    """What is shifted: the interval of the apparent value, or the percentiles of the resamples' apparent values."""
    if interval == "apparent":
        return Estimate(apparent.value, apparent.low, apparent.high, apparent.level, apparent.method, apparent.se)
    low, high, note = percentile_limits(in_resample, level)
    kept = in_resample[np.isfinite(in_resample)]
    se = NAN if math.isnan(low) else float(kept.std(ddof=1))
    return Estimate(apparent.value, low, high, level, "percentiles of the resamples' apparent values", se, note=note)
