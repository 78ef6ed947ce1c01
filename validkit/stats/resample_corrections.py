"""Optimism-corrected performance from stored predictions: the bootstrap design after its models are gone.

A run keeps, of every resample, how often each patient was drawn and the risk of every patient by the model that was
fitted anew in it. Nothing is fitted here; the arithmetic is that of `bootstrap_validation`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from validkit.errors import InputError
from validkit.stats.checks import (
    FloatArray,
    IntArray,
    as_float,
    check_binary_risk,
    check_choice,
    check_level,
    check_threshold,
)
from validkit.stats.chosen import chosen
from validkit.stats.corrections import INTERVALS, InternalValidation, assembled, resample_values
from validkit.stats.estimators import Measure
from validkit.stats.results import NAN

__all__ = ["corrected_performance"]


def corrected_performance(
    metrics: Mapping[str, Measure | str] | Sequence[str],
    y_true: ArrayLike,
    apparent: ArrayLike,
    predictions: ArrayLike,
    counts: ArrayLike,
    *,
    in_resample_predictions: ArrayLike | None = None,
    threshold: float | None = None,
    resample_thresholds: ArrayLike | None = None,
    reasons: Sequence[str] | None = None,
    interval: str = "apparent",
    level: float = 0.95,
) -> InternalValidation:
    """Optimism, .632 and .632+ of every metric from the predictions of models refitted in resamples.

    metrics : names of registered metrics, or a mapping to callables (y, p) -> number or Estimate
    y_true : (n,) in {0, 1}; apparent : (n,) risks by the model fitted on all n patients
    predictions : (B, n) risk of every patient by the model of every resample; a row of NaN where it failed
    counts : (B, n) how often each patient was drawn in it
    in_resample_predictions : (B, n) risks that the models gave to their own patients, where these differ from what they
        would predict for them, as a nomogram's fitted probabilities may; NaN for patients who were not drawn
    threshold : of the metrics that need one; resample_thresholds : (B,) those of the resamples, where choosing the
        threshold is part of the model: it is then chosen anew in each
    reasons : (B,) why a resample failed, such as "failed with StageError: ..."; empty where it did not
    interval : "apparent" or "bootstrap", as in `bootstrap_validation`

    A resample fails where it has no predictions or one outcome only; failures are counted by their reason and left out.
    The result is that of `bootstrap_validation` for the same resamples and models, to the bit.

    >>> y, p = [0, 1, 0, 1], [0.2, 0.7, 0.4, 0.6]
    >>> models = [[0.3, 0.8, 0.5, 0.5], [0.1, 0.6, 0.8, 0.7]]
    >>> drawn = [[2, 1, 0, 1], [1, 1, 2, 0]]
    >>> found = corrected_performance(["brier"], y, p, models, drawn)
    >>> found.metrics["brier"].optimism
    0.04875 (mean over resamples; se: Monte Carlo; n = 4, 2 events)

    Reference: Harrell et al., Stat Med 15 (1996) 361-387; Efron and Tibshirani, JASA 92 (1997) 548-560; Noma et al.,
    Stat Med 40 (2021) 5691-5701. R: rms `validate`, pminternal `validate`.
    """
    level = check_level(level)
    check_choice(interval, INTERVALS, "interval")
    y, p = check_binary_risk(y_true, apparent, name="apparent")
    functions = chosen(metrics, threshold)
    table, failed = _check_predictions(predictions, y.size)
    drawn = _check_counts(counts, table.shape)
    own = None if in_resample_predictions is None else _check_own(in_resample_predictions, drawn, failed)
    cuts = _check_cuts(resample_thresholds, threshold, failed)
    why = _check_reasons(reasons, failed)
    values = np.full((len(table), 3, len(functions)), NAN)
    failures: dict[str, int] = {}
    for b, times in enumerate(drawn):
        reason = _one_outcome(y, times) or why[b]
        if reason:
            failures[reason] = failures.get(reason, 0) + 1
            continue
        at = functions if cuts is None else chosen(metrics, float(cuts[b]))
        resample_values(at, y, table[b], times, values[b], None if own is None else own[b])
    return assembled(functions, y, p, values, failures, table, level, interval)


def _one_outcome(y: IntArray, times: IntArray) -> str:
    events = y[times > 0]
    return "with one outcome only" if events.min() == events.max() else ""


def _check_predictions(predictions: ArrayLike, n: int) -> tuple[FloatArray, NDArray[np.bool_]]:
    """The table, and which of its rows hold no prediction at all."""
    table = as_float(predictions, "predictions", ndim=2)
    if table.shape[1] != n:
        raise InputError(f"`predictions` has {table.shape[1]} columns for {n} patients; it needs one row a resample")
    absent = np.isnan(table)
    failed = np.asarray(absent.all(axis=1), dtype=bool)
    partial = np.flatnonzero(absent.any(axis=1) & ~failed)
    if partial.size:
        raise InputError(
            f"`predictions` lacks some patients in {partial.size} resamples (first: {partial[0]}); the optimism needs "
            "each model's risks of all patients, drawn or not; a resample that failed is a whole row of NaN"
        )
    wrong = ~absent & ((table < 0) | (table > 1))
    if wrong.any():
        b, i = np.argwhere(wrong)[0]
        raise InputError(f"`predictions` must lie in [0, 1]; in resample {b} patient {i} has {table[b, i]:g}")
    return table, failed


def _check_counts(counts: ArrayLike, shape: tuple[int, ...]) -> IntArray:
    drawn = as_float(counts, "counts", ndim=2)
    if drawn.shape != shape:
        raise InputError(f"`counts` must have the shape of `predictions`, {shape}; its shape is {drawn.shape}")
    if not ((drawn >= 0) & (drawn == np.floor(drawn)) & np.isfinite(drawn)).all():
        raise InputError("`counts` must be whole numbers of at least 0: how often each patient was drawn")
    empty = np.flatnonzero(drawn.sum(axis=1) == 0)
    if empty.size:
        raise InputError(f"`counts` says that nobody was drawn in resample {empty[0]}")
    return drawn.astype(np.int64)


def _check_own(own: ArrayLike, drawn: IntArray, failed: NDArray[np.bool_]) -> FloatArray:
    table = as_float(own, "in_resample_predictions", ndim=2)
    if table.shape != drawn.shape:
        raise InputError(f"`in_resample_predictions` must have the shape {drawn.shape}; its shape is {table.shape}")
    wrong = ~((table >= 0) & (table <= 1)) & (drawn > 0) & ~failed[:, None]
    if wrong.any():
        b, i = np.argwhere(wrong)[0]
        raise InputError(
            f"`in_resample_predictions` must lie in [0, 1] for every patient drawn; in resample {b} patient {i} has "
            f"{table[b, i]:g}"
        )
    return table


def _check_cuts(cuts: ArrayLike | None, threshold: float | None, failed: NDArray[np.bool_]) -> FloatArray | None:
    if cuts is None:
        return None
    if threshold is None:
        raise InputError("`resample_thresholds` needs `threshold` beside it: that of the model fitted on all patients")
    values = as_float(cuts, "resample_thresholds")
    if values.size != failed.size:
        raise InputError(f"`resample_thresholds` has {values.size} entries for {failed.size} resamples")
    for b in np.flatnonzero(~failed):
        check_threshold(float(values[b]), f"resample_thresholds[{b}]")
    return values


def _check_reasons(reasons: Sequence[str] | None, failed: NDArray[np.bool_]) -> list[str]:
    """Why each resample failed, empty where it did not."""
    if reasons is None:
        return ["without predictions" if lost else "" for lost in failed]
    if isinstance(reasons, str) or not isinstance(reasons, Sequence):
        raise InputError(f"`reasons` must hold one text a resample, not {reasons!r}")
    if len(reasons) != failed.size:
        raise InputError(f"`reasons` has {len(reasons)} entries for {failed.size} resamples")
    contradicted = [b for b, lost in enumerate(failed) if bool(reasons[b]) and not lost]
    if contradicted:
        raise InputError(f"`reasons` says that resample {contradicted[0]} failed, but it has predictions")
    return [str(reasons[b]) or "without predictions" if lost else "" for b, lost in enumerate(failed)]
