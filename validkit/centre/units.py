"""Whether a column's values look as if they were measured in another unit than at home."""

from __future__ import annotations

import numpy as np

from validkit.bundle import Locked
from validkit.bundle.case_mix import QUANTILES

__all__ = ["likely_factor", "span_of"]

FACTORS = (10.0, 0.1, 100.0, 0.01, 1000.0, 0.001, 25.4, 1 / 25.4, 2.54, 1 / 2.54, 12.0, 1 / 12.0, 365.25, 1 / 365.25)
"""between units that are taken for one another: mm and cm, g/L and g/dL, inches, months and years"""
LEAST = 5
"""values below which a column's median says nothing"""


def span_of(locked: Locked, name: str) -> tuple[float, float]:
    """Where nine tenths of the patients of development lie in a continuous predictor.

    Of a bundle of format 1, and where there were too few of them, the lowest and the highest; NaN where there was none.
    """
    mix = locked.manifest.case_mix
    spread = None if mix is None else mix.numbers.get(name)
    if spread is not None and len(spread.quantiles) == len(QUANTILES):
        return spread.quantiles[0], spread.quantiles[-1]
    seen = locked.manifest.predictors[name].observed
    return (np.nan if seen.low is None else seen.low), (np.nan if seen.high is None else seen.high)


def likely_factor(values: np.ndarray, span: tuple[float, float]) -> float | None:
    """The factor by which the values would lie as at home, where as they are they do not; None where they do.

    As they are: the median lies outside the span, and with the factor the median and most values lie inside.
    """
    low, high = span
    if len(values) < LEAST or not low < high:
        return None
    middle = float(np.median(values))
    if low <= middle <= high:
        return None
    found = []
    for factor in FACTORS:
        share = float(np.mean((values * factor >= low) & (values * factor <= high)))
        if low <= middle * factor <= high and share >= 0.6:
            found.append((share, factor))
    return max(found)[1] if found else None
