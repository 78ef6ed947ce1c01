"""What printed numbers allow: counts behind a percentage, widths of an AUC's interval, an odds ratio's own symmetry."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from validkit.audit.claims.study import decimals, number
from validkit.stats.intervals import z_of

__all__ = ["Width", "counts_behind", "half_unit", "hanley_mcneil", "interval_width", "largest_error", "log_middle"]

SLACK = 1e-9
RATIOS = (0.45, 1.85)
"""a standard error over Hanley and McNeil's that 99 of 100 samples keep: 6,000 simulated from normal scores whose
standard deviations differ up to twofold, with and without ties, 12 to 300 events, 12 to 600 others, AUC 0.55 to 0.95"""


def half_unit(printed: str) -> float:
    """Half of the last printed digit: how far the number before rounding may lie away."""
    return float(0.5 * 10.0 ** -decimals(printed))


def counts_behind(percent: str, whole: int) -> tuple[int, ...]:
    """Every count of `whole` whose percentage is printed so, whichever way halves are rounded; () for none.

    The test for proportions of Brown and Heathers (GRIM), Soc Psychol Personal Sci 8 (2017) 363-369.
    """
    value, half = number(percent), half_unit(percent)
    low = math.ceil((value - half) * whole / 100 - SLACK)
    high = math.floor((value + half) * whole / 100 + SLACK)
    return tuple(range(max(low, 0), min(high, whole) + 1))


def hanley_mcneil(auc: float, events: int, others: int) -> float:
    """Standard error of an AUC, Hanley and McNeil, Radiology 143 (1982) 29-36."""
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (events - 1) * (q1 - auc**2) + (others - 1) * (q2 - auc**2)
    return math.sqrt(variance / (events * others))


def largest_error(auc: float, events: int, others: int) -> float:
    """No sample of this size has a larger DeLong standard error: placements lie in [0, 1] and have mean `auc`."""
    return math.sqrt(auc * (1 - auc) * (1 / (events - 1) + 1 / (others - 1)))


@dataclass(frozen=True)
class Width:
    """A printed interval as a standard error.

    se : on the scale of the AUC; least, most : what rounding allows; scale : "identity" or "logit", on which the
    interval lies evenly about the value, "" for neither
    """

    se: float
    least: float
    most: float
    scale: str


def interval_width(value: str, low: str, high: str, level: float) -> Width:
    """The standard error behind an interval, by the scale on which it is even; rounding of all three is allowed for."""
    v, a, b = number(value), number(low), number(high)
    half = max(half_unit(value), half_unit(low), half_unit(high))
    z = z_of(level)
    se, slack = (b - a) / (2 * z), (half_unit(low) + half_unit(high)) / (2 * z)
    if abs((a + b) / 2 - v) <= half_unit(value) + (half_unit(low) + half_unit(high)) / 2 + SLACK:
        return Width(se, se - slack, se + slack, "identity")
    if a > 0 and b < 1 and 0 < v < 1:
        ends = [_logit_middle(x, y) for x in (a - half, a + half) for y in (b - half, b + half)]
        if min(ends) - half <= v <= max(ends) + half:
            on_logit = float(special.logit(b) - special.logit(a)) / (2 * z)
            own = on_logit * v * (1 - v)
            return Width(own, own * 0.9, own * 1.1, "logit")
    # cut at 1, or a bootstrap's: the lower half alone tells
    return Width(max(v - a, b - v) / z, min(v - a, b - v) / z - slack, max(v - a, b - v) / z + slack, "")


def _logit_middle(low: float, high: float) -> float:
    ends = np.clip([low, high], 1e-12, 1 - 1e-12)
    return float(special.expit(special.logit(ends).mean()))


def log_middle(value: str, low: str, high: str) -> tuple[float, float]:
    """How far a ratio lies from the middle of its interval on the log scale, and how far rounding could move it."""
    v, a, b = number(value), number(low), number(high)
    off = abs(math.log(v) - (math.log(a) + math.log(b)) / 2)
    slack = half_unit(value) / v + (half_unit(low) / a + half_unit(high) / b) / 2
    return off, slack
