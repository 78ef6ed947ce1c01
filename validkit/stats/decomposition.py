"""Murphy's decomposition of the Brier score: how much of it is miscalibration, how much is gained by discrimination."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from validkit.stats.checks import (
    FloatArray,
    IntArray,
    check_binary_risk,
    check_choice,
    check_count,
    check_level,
    patients,
)
from validkit.stats.intervals import wilson, z_of
from validkit.stats.results import NAN, Estimate, Record
from validkit.stats.risk_groups import BINNINGS, filled_groups

__all__ = ["BrierDecomposition", "brier_decomposition"]


@dataclass(frozen=True, repr=False)
class BrierDecomposition(Record):
    """brier = reliability - resolution + uncertainty + within_variance - within_covariance, exactly.

    reliability : 0 is perfectly calibrated; resolution : higher is better; uncertainty : prev (1 - prev), of the
    patients alone; within_variance, within_covariance : what is left over within groups of unlike risks, 0 when grouped
    by value; groups : how many groups there are
    """

    reliability: Estimate
    resolution: Estimate
    uncertainty: Estimate
    within_variance: Estimate
    within_covariance: Estimate
    brier: float
    groups: int
    n: int
    n_events: int
    note: str = ""
    n_missing: int = 0

    @property
    def generalised_resolution(self) -> float:
        """Resolution - within_variance + within_covariance: brier = reliability - this + uncertainty."""
        return self.resolution.value - self.within_variance.value + self.within_covariance.value

    def __repr__(self) -> str:
        within = self.within_variance.value - self.within_covariance.value
        note = f"; {self.note}" if self.note else ""
        return (
            f"Brier {self.brier:.4g} = reliability {self.reliability.value:.4g} - resolution "
            f"{self.resolution.value:.4g} + uncertainty {self.uncertainty.value:.4g} + within {within:.4g} "
            f"({self.groups} groups; n = {self.n}, {self.n_events} events{note})"
        )


@patients("y_true", "y_prob")
def brier_decomposition(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    groups: int | None = None,
    binning: str = "quantile",
    bias_corrected: bool = False,
    level: float = 0.95,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> BrierDecomposition:
    """Reliability, resolution and uncertainty of the Brier score.

    With groups k of n_k patients, mean risk f_k and observed share o_k, and prevalence o:
    reliability = sum n_k (f_k - o_k)^2/n, resolution = sum n_k (o_k - o)^2/n, uncertainty = o (1 - o),
    within_variance = sum (p_i - f_k)^2/n, within_covariance = 2 sum (y_i - o_k)(p_i - f_k)/n.

    y_true : (n,) int in {0, 1}; y_prob : (n,) float in [0, 1]
    groups : None takes the distinct predicted values, Murphy's own decomposition; where every patient has a risk of
        his own it is degenerate (reliability is the Brier score) and the note says so. A number takes Stephenson's,
        with its two terms within groups, by quantiles of risk (cut as in `hosmer_lemeshow`) or, with
        binning="width", equal steps of [0, 1]; a risk at a border belongs to the group below, empty groups to none
    bias_corrected : Ferro and Fricker's correction of the bias of reliability (upwards) and of resolution and
        uncertainty; NaN where a group has one patient. Intervals and standard errors are for the terms as they are.

    Intervals are normal with the delta method for the groups as formed, cut at 0; near a reliability or resolution of 0
    they are too short. Uncertainty has Wilson's interval of the prevalence, transformed.

    >>> brier_decomposition([0, 0, 1, 0, 1, 1], [0.2, 0.2, 0.2, 0.7, 0.7, 0.7])
    Brier 0.2317 = reliability 0.009444 - resolution 0.02778 + uncertainty 0.25 + within 0 (2 groups; n = 6, 3 events)

    References: Murphy, J Appl Meteorol 12 (1973) 595-600; Stephenson et al., Weather Forecast 23 (2008) 752-757;
    Ferro and Fricker, Q J R Meteorol Soc 138 (2012) 1954-1960. R: SpecsVerification `BrierDecomp`.
    """
    level = check_level(level)
    check_choice(binning, BINNINGS, "binning")
    y, p = check_binary_risk(y_true, y_prob)
    n, m = y.size, int(y.sum())
    group = _groups(p, groups, binning)
    size = np.bincount(group)
    risk, seen = np.bincount(group, p) / size, np.bincount(group, y) / size
    if groups is None:
        risk = np.unique(p)  # the mean of equal values, without its rounding
    gap, step, share = (risk - seen)[group], seen[group] - m / n, m / n
    p_off, y_off = p - risk[group], y - seen[group]
    parts = {
        "reliability": (gap**2, 2 * gap * (p_off - y_off)),
        "resolution": (step**2, 2 * step * y_off),
        "within_variance": (p_off**2, np.zeros(n)),
        "within_covariance": (2 * y_off * p_off, np.zeros(n)),
    }
    found = {name: _term(*part, level, m, name == "within_covariance") for name, part in parts.items()}
    found["uncertainty"] = _uncertainty(m, n, level)
    if bias_corrected:
        found |= _corrected(found, size, seen, share, n)
    alone = "every patient has a risk of his own: reliability is the Brier score; choose `groups`"
    note = alone if groups is None and n > 1 and size.size == n else ""
    return BrierDecomposition(
        found["reliability"],
        found["resolution"],
        found["uncertainty"],
        found["within_variance"],
        found["within_covariance"],
        float(((p - y) ** 2).mean()),
        size.size,
        n,
        m,
        note,
    )


def _groups(p: FloatArray, groups: int | None, binning: str) -> IntArray:
    """(n,) number of each patient's group, from 0, none empty; a risk at a border belongs to the group below."""
    if groups is None:
        return np.unique(p, return_inverse=True)[1]
    return filled_groups(p, check_count(groups, "groups"), binning)[0]


def _term(kept: FloatArray, moved: FloatArray, level: float, n_events: int, signed: bool) -> Estimate:
    """The mean of `kept`; a patient's influence on it is his own part less the mean, and what he moves in his group."""
    n, value = kept.size, float(kept.mean())
    influence = kept - value + moved
    se = math.sqrt(float(influence @ influence) / n) / math.sqrt(n)
    if se <= 1e-15:
        return Estimate(
            value, level=level, method="delta method", n=n, n_events=n_events, note="no spread: no interval"
        )
    low, high = value - z_of(level) * se, value + z_of(level) * se
    cut = "interval cut at its bound" if low < 0 and not signed else ""
    return Estimate(value, low if signed else max(low, 0.0), high, level, "delta method", se, n, n_events, cut)


def _uncertainty(m: int, n: int, level: float) -> Estimate:
    share = m / n
    ends = [float(end) for end in wilson(m, n, level)]
    spread = [end * (1 - end) for end in ends]
    high = 0.25 if ends[0] <= 0.5 <= ends[1] else max(spread)
    se = abs(1 - 2 * share) * math.sqrt(share * (1 - share) / n)
    method = "Wilson interval of the prevalence, transformed"
    return Estimate(share * (1 - share), min(spread), high, level, method, se, n, m)


def _corrected(
    found: dict[str, Estimate], size: IntArray, seen: FloatArray, share: float, n: int
) -> dict[str, Estimate]:
    """Ferro and Fricker's terms: the sampling variance of each observed share, and of the prevalence, taken out."""
    if size.min() < 2:
        note, between, whole = "undefined: a group of one patient has no bias correction", NAN, NAN
    else:
        note, between = "bias corrected", float((size * seen * (1 - seen) / (size - 1)).sum()) / n
        whole = share * (1 - share) / (n - 1)
    change = {"reliability": -between, "resolution": whole - between, "uncertainty": whole}
    return {
        name: Estimate(
            e.value + change[name], level=e.level, method=e.method, se=e.se, n=e.n, n_events=e.n_events, note=note
        )
        for name, e in found.items()
        if name in change
    }
