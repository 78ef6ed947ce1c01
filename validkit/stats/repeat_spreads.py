"""How much a measure differs from one repeat of a design to the next: the chance of the splits, seen by itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from validkit.stats.checks import FloatArray, patients
from validkit.stats.chosen import chosen
from validkit.stats.estimators import Measure
from validkit.stats.repeats import check_repeats
from validkit.stats.results import NAN, Record
from validkit.stats.segments import values_in

__all__ = ["RepeatSpread", "repeat_spread"]


@dataclass(frozen=True, repr=False, eq=False)
class RepeatSpread(Record):
    """A measure in each repeat, (R,), NaN where undefined, and how much it differs between them.

    The spread comes from the random splits alone; it says nothing about other patients and is no standard error.
    """

    values: FloatArray
    mean: float
    sd: float
    low: float
    high: float
    n: int
    n_events: int
    note: str = ""
    n_missing: int = 0

    def __repr__(self) -> str:
        ends = f"from {self.low:.4g} to {self.high:.4g}"
        return f"{self.values.size} repeats: mean {self.mean:.4g}, sd {self.sd:.4g}, {ends}"


@patients("y_true", "predictions", "folds")
def repeat_spread(
    metric: str | Measure,
    y_true: ArrayLike,
    predictions: ArrayLike,
    *,
    folds: ArrayLike | None = None,
    threshold: float | None = None,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> RepeatSpread:
    """How much a measure differs from repeat to repeat: mean, standard deviation, least and largest.

    Arguments as in `repeated_performance`; with `folds` a repeat's value is the mean over its folds.

    >>> y, p = [0, 1, 0, 1, 1, 0], [[0.1, 0.7, 0.3, 0.9, 0.6, 0.2], [0.3, 0.6, 0.4, 0.3, 0.7, 0.1]]
    >>> repeat_spread("brier", y, p)
    2 repeats: mean 0.1167, sd 0.07071, from 0.06667 to 0.1667

    Reference: Kohavi, IJCAI (1995) 1137-1143.
    """
    function = chosen({"metric": metric}, threshold)["metric"]
    repeats = check_repeats(y_true, predictions, "per-repeat", folds, None)
    segments = repeats.segments
    each = values_in(function, segments)
    values = np.full(len(repeats.predictions), NAN)
    for r in np.unique(segments.repeat):
        values[r] = segments.mean(np.where(segments.repeat == r, each, NAN))
    kept = values[~np.isnan(values)]
    number = values.size
    undefined = f"undefined in {number - kept.size} of {number} repeats" if kept.size < number else ""
    note = "; ".join(part for part in (undefined, *repeats.notes) if part)
    sd = float(kept.std(ddof=1)) if kept.size > 1 else NAN
    ends = (float(kept.mean()), sd, float(kept.min()), float(kept.max())) if kept.size else (NAN, NAN, NAN, NAN)
    return RepeatSpread(values, *ends, repeats.y.size, int(repeats.y.sum()), note)
