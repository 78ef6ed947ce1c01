"""Patients in groups of predicted risk: how the groups are cut, and what was predicted and observed in each."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from validkit.stats.checks import FloatArray, IntArray, check_binary_risk, check_choice, check_count, check_level
from validkit.stats.intervals import wilson

__all__ = ["calibration_groups"]

BINNINGS = ("quantile", "width")


def quantile_groups(p: FloatArray, groups: int) -> IntArray:
    """Group of each patient by quantiles of risk, numbered from 0, as ResourceSelection's `hoslem.test` cuts them.

    The limits are R's type 7 quantiles at 0, 1/g, ..., 1, in R's own arithmetic; equal limits are merged, and a risk
    that equals a limit belongs to the group below. A group can be empty where risks are tied.
    """
    probs = np.minimum(np.arange(groups + 1) * (1 / groups), 1.0)
    ordered = np.sort(p)
    index = (p.size - 1) * probs + 1
    below, above = np.floor(index).astype(int) - 1, np.ceil(index).astype(int) - 1
    h = index - np.floor(index)
    limits = np.where(ordered[above] != ordered[below], (1 - h) * ordered[below] + h * ordered[above], ordered[below])
    limits = np.unique(limits)
    return np.maximum(np.searchsorted(limits, p, side="left") - 1, 0).astype(np.int64)


def width_groups(p: FloatArray, groups: int) -> IntArray:
    """Group of each patient among g bins of equal width over [0, 1], numbered from 0; a bin can be empty.

    Bin k is (k/g, (k + 1)/g], the first one with 0; k/g is the nearest double, so a risk of 0.3 is in the third of ten.
    """
    return np.searchsorted(np.arange(1, groups) / groups, p, side="left").astype(np.int64)


def filled_groups(p: FloatArray, groups: int, binning: str) -> tuple[IntArray, IntArray]:
    """Group of each patient, numbered from 0 without the empty ones, and the size of each group."""
    check_choice(binning, BINNINGS, "binning")
    group = quantile_groups(p, groups) if binning == "quantile" else width_groups(p, groups)
    size = np.bincount(group, minlength=groups)
    number = np.cumsum(size > 0) - 1
    return number[group].astype(np.int64), size[size > 0].astype(np.int64)


def calibration_groups(
    y_true: ArrayLike, y_prob: ArrayLike, *, groups: int = 10, binning: str = "quantile", level: float = 0.95
) -> list[dict[str, float | int]]:
    """Mean predicted and observed risk in groups of risk, lowest first, with Wilson's interval of the observed share.

    Each row is {n, events, mean_risk, observed, low, high}.

    binning : "quantile" cuts at R's type 7 quantiles as `hosmer_lemeshow` does, and tied risks stay together; "width"
        cuts [0, 1] into bins of equal width, closed on the right
    Fewer groups than asked for can come back, never an empty one.

    >>> for row in calibration_groups([0, 1, 0, 1], [0.1, 0.2, 0.8, 0.9], groups=2):
    ...     print(row["n"], row["events"], round(row["mean_risk"], 2), row["observed"])
    2 1 0.15 0.5
    2 1 0.85 0.5

    Reference: Hosmer and Lemeshow, Commun Stat A 9 (1980) 1043-1069; Wilson, JASA 22 (1927) 209-212.
    """
    level = check_level(level)
    check_count(groups, "groups", minimum=1)
    y, p = check_binary_risk(y_true, y_prob)
    group, size = filled_groups(p, groups, binning)
    events, risk = np.bincount(group, weights=y), np.bincount(group, weights=p)
    low, high = wilson(events, size, level)
    return [
        {
            "n": int(size[g]),
            "events": int(events[g]),
            "mean_risk": float(risk[g] / size[g]),
            "observed": float(events[g] / size[g]),
            "low": float(low[g]),
            "high": float(high[g]),
        }
        for g in range(size.size)
    ]
