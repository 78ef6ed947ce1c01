"""The measures by which a centre is judged, in short, and numbers as JSON has them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from validkit import stats
from validkit.stats.results import Estimate

__all__ = ["MEASURES", "finite"]

MEASURES: Mapping[str, Callable[..., Estimate]] = {
    "auc": stats.auc,
    "oe": stats.observed_expected,
    "slope": stats.calibration_slope,
    "calibration_in_the_large": stats.calibration_in_the_large,
    "brier": stats.brier,
}


def finite(value: float) -> float | None:
    """The number, or None (null) where it is undefined."""
    return value if math.isfinite(value) else None
