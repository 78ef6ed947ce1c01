"""How much a patient's predicted risk depends on who else happened to be in the development data.

Riley and Collins (Biom J 65 (2023) 2200302): the models of bootstrap resamples, each predicting every patient of the
original data. The numbers here are what their instability plots draw.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from validkit.errors import InputError
from validkit.stats.checks import FloatArray, as_float, check_count, check_level, check_risk, check_threshold
from validkit.stats.results import Curve, Estimate, Record

__all__ = ["Instability", "instability", "instability_curves"]


@dataclass(frozen=True, repr=False, eq=False)
class Instability(Record):
    """Per patient, in the order of the rows, arrays (n,).

    original : risk by the model itself; low, high : the range that holds `level` of the resamples' risks; mape : mean
    absolute difference of the resamples' risks from the original; change : share of the resamples' models that
    classify the patient otherwise at `threshold`, NaN without one; average : mape over all patients, largest : its
    maximum
    """

    original: FloatArray
    low: FloatArray
    high: FloatArray
    mape: FloatArray
    change: FloatArray
    average: Estimate
    largest: float
    level: float
    threshold: float
    replicates: int
    note: str = ""

    def __repr__(self) -> str:
        return (
            f"instability over {self.replicates} resamples: mean absolute difference of risk "
            f"{self.average.value:.4g}, largest {self.largest:.4g} (n = {self.original.size})"
        )

    @property
    def band(self) -> Curve:
        """The prediction instability plot: the resamples' range against the original risk, by rising risk."""
        order = np.argsort(self.original, kind="stable")
        middle = self.original[order]
        name = f"range of {100 * self.level:g} % of the resamples' risks"
        return Curve(
            middle, middle, self.low[order], self.high[order], self.level, name, "original risk", "risk", middle.size
        )


def instability(
    original: ArrayLike, predictions: ArrayLike, *, level: float = 0.95, threshold: float | None = None
) -> Instability:
    """Prediction and classification instability from the risks given by the models of resamples.

    original : (n,) risks of the model itself; predictions : (replicates, n) risks of the same patients by the model of
    each resample, a row of NaN where it failed (`bootstrap_validation(keep_predictions=True).predictions`)

    >>> instability([0.2, 0.6], [[0.1, 0.6], [0.3, 0.4]], threshold=0.5).mape
    array([0.1, 0.1])

    Reference: Riley and Collins, Biom J 65 (2023) 2200302. R: pminternal `prediction_stability`.
    """
    level, risk = check_level(level), check_risk(original, "original")
    table = as_float(predictions, "predictions", ndim=2)
    if table.shape[1] != risk.size:
        raise InputError(f"`predictions` has {table.shape[1]} patients and `original` has {risk.size}")
    kept = table[np.isfinite(table).all(axis=1)]
    if len(kept) < 2:
        raise InputError(f"`predictions` holds {len(kept)} complete resamples; instability needs at least two")
    if kept.min() < 0 or kept.max() > 1:
        raise InputError("`predictions` must lie in [0, 1]")
    low, high = np.quantile(kept, [0.5 - level / 2, 0.5 + level / 2], axis=0)
    mape = np.abs(kept - risk).mean(axis=0)
    change = np.full(risk.size, np.nan)
    if threshold is not None:
        cut = check_threshold(threshold)
        change = ((kept >= cut) != (risk >= cut)).mean(axis=0)
    note = f"{len(table) - len(kept)} of {len(table)} resamples have no predictions" if len(kept) < len(table) else ""
    method = "mean over patients of the mean absolute difference over resamples"
    average = Estimate(float(mape.mean()), level=level, method=method, n=risk.size)
    return Instability(
        risk,
        low,
        high,
        mape,
        change,
        average,
        float(mape.max()),
        level,
        np.nan if threshold is None else cut,
        len(kept),
        note,
    )


def instability_curves(
    y_true: ArrayLike, predictions: ArrayLike, curve: Callable[[ArrayLike, ArrayLike], Curve], *, most: int = 200
) -> tuple[Curve, ...]:
    """A curve of each resample's model on the same patients: the calibration, ROC or decision instability plot.

    y_true : (n,) in {0, 1}; predictions : (replicates, n), as in `instability`; rows with NaN are passed over
    curve : such as `calibration_curve`, `roc_curve` or `decision_curve`
    most : at most so many, the first ones, for a plot takes no more

    >>> from validkit.stats import decision_curve
    >>> curves = instability_curves([0, 1, 1], [[0.1, 0.6, 0.4], [0.3, 0.4, 0.9]], decision_curve)
    >>> [round(float(c.y[50]), 3) for c in curves]
    [0.333, 0.333]

    Reference: Riley and Collins, Biom J 65 (2023) 2200302. R: pminternal `calibration_stability`, `dcurve_stability`.
    """
    table = as_float(predictions, "predictions", ndim=2)
    kept = table[np.isfinite(table).all(axis=1)][: check_count(most, "most")]
    if not len(kept):
        raise InputError("`predictions` holds no complete resample")
    return tuple(curve(y_true, row) for row in kept)
