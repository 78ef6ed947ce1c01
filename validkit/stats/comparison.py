"""Tests between models on the same patients, and the adjustment of many p values."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from validkit.errors import InputError
from validkit.stats.checks import FloatArray, as_float, check_binary_risk, check_choice, check_level
from validkit.stats.discrimination import placement_covariance, placements
from validkit.stats.intervals import two_sided_p, z_of
from validkit.stats.results import NAN, Comparison, Estimate, TestResult


def _p_value(z: float, alternative: str) -> float:
    return two_sided_p(z) if alternative == "two-sided" else float(special.ndtr(z if alternative == "less" else -z))


def compare_auc(
    y_true: ArrayLike,
    prob_a: ArrayLike,
    prob_b: ArrayLike,
    *,
    level: float = 0.95,
    alternative: str = "two-sided",
    a: str = "a",
    b: str = "b",
    scale: str = "risk",
) -> Comparison:
    """Difference of two AUCs (a minus b) on the same patients, with DeLong's test for correlated curves.

    y_true : (n,) int in {0, 1}; prob_a, prob_b : (n,) float in [0, 1] (any finite numbers with scale="score")
    alternative : "two-sided", "less" (a below b) or "greater"; the interval is two-sided in every case

    Where both rank all patients alike the difference is 0 and p = 1, as in pROC. A variance of zero beside a difference
    that is not, or fewer than two events or non-events, gives NaN and a note: one event can support no test.
    Reference: DeLong et al., Biometrics 44 (1988) 837-845. R: pROC `roc.test(paired = TRUE)`.
    """
    level = check_level(level)
    check_choice(alternative, ("two-sided", "less", "greater"), "alternative")
    y, first = check_binary_risk(y_true, prob_a, scale=scale, name="prob_a")
    _, second = check_binary_risk(y_true, prob_b, scale=scale, name="prob_b")
    n, m = y.size, int(y.sum())
    name = "DeLong, paired"

    def result(value: float, low: float, high: float, se: float, z: float, p: float, note: str) -> Comparison:
        difference = Estimate(value, low, high, level, name, se, n, m, note)
        return Comparison(difference, TestResult(z, p, None, f"{name}, {alternative}", n, m, note), a, b)

    if m in (0, n):
        return result(NAN, NAN, NAN, NAN, NAN, NAN, f"undefined: no {'event' if m == 0 else 'non-event'}")
    placed = np.stack([placements(y, first), placements(y, second)])
    twice_u = placed[:, y == 1].sum(axis=1)
    value = float(int(twice_u[0]) - int(twice_u[1])) / (2.0 * m * (n - m))
    # The variance of the difference is that of the differences of integer placements: no cancellation, never negative.
    _, cov = placement_covariance(y, (placed[0] - placed[1])[None, :])
    if math.isnan(cov[0, 0]):
        return result(value, NAN, NAN, NAN, NAN, NAN, "a single event or non-event: no variance, no test")
    if np.array_equal(placed[0], placed[1]):
        p = 1.0 if alternative == "two-sided" else 0.5
        return result(0.0, 0.0, 0.0, 0.0, 0.0, p, "both rank every event against every non-event alike")
    se = math.sqrt(cov[0, 0])
    if se == 0:
        return result(value, NAN, NAN, 0.0, NAN, NAN, "DeLong's variance of the difference is zero: no test")
    z, half = value / se, z_of(level) * se
    low, high = value - half, value + half
    note = "interval cut at its bound" if low < -1 or high > 1 else ""
    return result(value, max(low, -1.0), min(high, 1.0), se, z, _p_value(z, alternative), note)


def adjust_p_values(p: ArrayLike, *, method: str = "holm") -> FloatArray:
    """P values adjusted for their number, in the order given; NaN stays NaN and does not count.

    method : "holm" and "hochberg" bound the family-wise error, "bh" the false discovery rate (Benjamini-Hochberg),
    "bonferroni", or "none"
    R: `p.adjust`.
    """
    check_choice(method, ("holm", "hochberg", "bh", "bonferroni", "none"), "method")
    if np.size(p) == 0:
        return np.empty(0)
    values = as_float(p, "p")
    known = ~np.isnan(values)
    bad = known & ((values < 0) | (values > 1))
    if bad.any():
        raise InputError(f"`p` must lie in [0, 1] or be NaN; entry {int(np.flatnonzero(bad)[0])} does not")
    adjusted = values.copy()
    kept = values[known]
    k = kept.size
    if method == "none" or k == 0:
        return adjusted
    order = np.argsort(kept, kind="stable")
    rising, rank = kept[order], np.arange(1, k + 1)
    if method == "bonferroni":
        result = rising * k
    elif method == "holm":
        result = np.maximum.accumulate(rising * (k + 1 - rank))
    else:
        factor = k + 1 - rank if method == "hochberg" else k / rank
        result = np.minimum.accumulate((rising * factor)[::-1])[::-1]
    back = np.empty(k)
    back[order] = np.minimum(result, 1.0)
    adjusted[known] = back
    return adjusted
