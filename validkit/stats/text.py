"""How finished cells of Table 1 and Table 2 are written."""

from __future__ import annotations

import math

import numpy as np

from validkit.stats.checks import FloatArray
from validkit.stats.results import Estimate


def p_text(p: float) -> str:
    """A p value: three decimals, "< 0.001" below that; empty where undefined."""
    if math.isnan(p):
        return ""
    if p < 0.001:
        return "< 0.001"
    return "> 0.999" if p > 0.999 else f"{p:.3f}"


def ratio_text(value: float) -> str:
    """A ratio: three decimals, three significant digits far from 1; empty where undefined."""
    if math.isnan(value):
        return ""
    if math.isinf(value):
        return "inf"
    return f"{value:.3f}" if 0.01 <= value < 1000 or value == 0 else f"{value:.3g}"


def interval_text(estimate: Estimate) -> str:
    """`[1.036, 1.075]`; empty where there is no interval."""
    if math.isnan(estimate.low) and math.isnan(estimate.high):
        return ""
    return f"[{ratio_text(estimate.low)}, {ratio_text(estimate.high)}]"


def named(label: str, unit: str) -> str:
    """`Age (years)`."""
    return f"{label} ({unit})" if unit else label


def spread_digits(values: FloatArray) -> int:
    """Decimals that show the spread of these values to three significant digits, at most six."""
    spread = float(np.std(values))
    if not spread > 0:
        return 2
    return min(max(2 - math.floor(math.log10(spread)), 0), 6)
