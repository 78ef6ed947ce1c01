"""How well predictions rank: ROC curve, area under it, DeLong's covariance, Youden's threshold.

The event is declared: a higher prediction always means a more likely event, and an AUC of 0.3 is reported as 0.3.
Rank statistics also make sense for a marker or a linear score; `scale="score"` lifts the demand that predictions lie
in [0, 1].
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize

from validkit.errors import InputError
from validkit.stats.checks import (
    FloatArray,
    IntArray,
    as_float,
    check_binary_risk,
    check_choice,
    check_level,
    check_outcome,
    check_score,
    settle,
)
from validkit.stats.intervals import wilson, z_of
from validkit.stats.results import NAN, Curve, Estimate

_METHOD_NAMES = {"delong": "DeLong", "logit-delong": "DeLong on the logit scale", "newcombe": "Newcombe, method 5"}


def placements(y: IntArray, scores: FloatArray) -> IntArray:
    """Twice the count of patients of the other class on the right side of each patient, ties counting half: integers.

    y : (n,) in {0, 1}; scores : (n,). For an event, twice the non-events below it plus the non-events tied with it;
    for a non-event, twice the events above it plus those tied with it. The sum over events equals that over
    non-events: 2U, with U Mann and Whitney's statistic. O(n log n).
    """
    order = np.argsort(scores, kind="stable")
    sorted_scores, sorted_y = scores[order], y[order]
    first = np.flatnonzero(np.r_[True, sorted_scores[1:] != sorted_scores[:-1]])
    group = np.repeat(np.arange(first.size), np.diff(np.r_[first, y.size]))
    events = np.add.reduceat(sorted_y, first)
    others = np.diff(np.r_[first, y.size]) - events
    twice_below = 2 * np.cumsum(others) - others
    twice_above = 2 * events.sum() - 2 * np.cumsum(events) + events
    result = np.empty(y.size, dtype=np.int64)
    result[order] = np.where(sorted_y == 1, twice_below[group], twice_above[group])
    return result


def placement_covariance(y: IntArray, placed: IntArray) -> tuple[FloatArray, FloatArray]:
    """AUCs (k,) and their DeLong covariance (k, k) from integer placements (k, n); NaN with one patient in a class."""
    event = y == 1
    m, q = int(event.sum()), int((~event).sum())
    twice_u = placed[:, event].sum(axis=1)
    area = twice_u / (2.0 * m * q) if m and q else np.full(placed.shape[0], NAN)
    if m < 2 or q < 2:
        return area, np.full((placed.shape[0],) * 2, NAN)
    over_events = (placed[:, event] - (twice_u / m)[:, None]) / (2.0 * q)
    over_others = (placed[:, ~event] - (twice_u / q)[:, None]) / (2.0 * m)
    return area, over_events @ over_events.T / (m * (m - 1.0)) + over_others @ over_others.T / (q * (q - 1.0))


def delong_covariance(y_true: ArrayLike, probs: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """AUCs of k predictions on the same n patients and the covariance of those AUCs.

    y_true : (n,) int in {0, 1}; 1 is the event
    probs : (k, n) or (n,) finite numbers; higher means more likely
    Returns (auc (k,), cov (k, k)); cov is NaN with fewer than two events or two non-events, auc is NaN without both.
    Ties count one half; 2U is kept as an integer, so equal rankings give equal AUCs to the last bit.
    Reference: DeLong et al., Biometrics 44 (1988) 837-845; Sun and Xu, IEEE Signal Process Lett 21 (2014) 1389-1393.
    R: pROC `auc`, `var`, `cov`.
    """
    y = check_outcome(y_true)
    scores = as_float(probs, "probs", ndim=np.ndim(probs) if np.ndim(probs) == 1 else 2)
    scores = np.atleast_2d(scores)
    if scores.shape[1] != y.size:
        raise InputError(f"`probs` must have one column a patient: its shape is {scores.shape} for {y.size} patients")
    for i, row in enumerate(scores):
        check_score(row, f"probs[{i}]")
    return placement_covariance(y, np.stack([placements(y, row) for row in scores]))


def newcombe_interval(area: float, n_events: int, n_others: int, level: float) -> tuple[float, float]:
    """Score-like interval for an AUC that stays inside [0, 1] and does not collapse at 0 or 1.

    Solves |theta - area| = z sqrt(V(theta)) with V(theta) = theta (1 - theta) [1 + n* (1 - theta)/(2 - theta)
    + n* theta/(1 + theta)] / (m q), n* = (m + q)/2 - 1. Reference: Newcombe, Stat Med 25 (2006) 559-573, method 5.
    """
    z, star = z_of(level), (n_events + n_others) / 2 - 1
    if area == 0:  # the variance is symmetric in theta and 1 - theta
        low, high = newcombe_interval(1.0, n_events, n_others, level)
        return 1 - high, 1 - low

    def spread(theta: float) -> float:
        star_part = star * (1 - theta) / (2 - theta) + star * theta / (1 + theta)
        return z * z * theta * (1 + star_part) / (n_events * n_others)

    if area == 1:  # 1 - theta divides both sides; the other root is the upper end
        return float(optimize.brentq(lambda theta: 1 - theta - spread(theta), 0.0, 1.0, xtol=1e-14)), 1.0

    def excess(theta: float) -> float:
        return (theta - area) ** 2 - (1 - theta) * spread(theta)

    return (
        float(optimize.brentq(excess, 0.0, area, xtol=1e-14)),
        float(optimize.brentq(excess, area, 1.0, xtol=1e-14)),
    )


def _logit_interval(area: float, se: float, z: float) -> tuple[float, float]:
    logit, half = math.log(area / (1 - area)), z * se / (area * (1 - area))
    return 1 / (1 + math.exp(-(logit - half))), 1 / (1 + math.exp(-(logit + half)))


def auc(
    y_true: ArrayLike, y_prob: ArrayLike, *, level: float = 0.95, method: str = "delong", scale: str = "risk"
) -> Estimate:
    """Area under the ROC curve with a confidence interval.

    y_true : (n,) int in {0, 1}; 1 is the event
    y_prob : (n,) float in [0, 1]; higher means more likely (any finite number with scale="score")
    method : "delong" (Wald, cut to [0, 1] as pROC does), "logit-delong" (Wald on the logit scale, inside (0, 1)) or
        "newcombe" (score-like, method 5)

    Fallbacks, each said in the note: where DeLong's variance is zero (an AUC of 0 or 1) or undefined (a single event or
    non-event) the interval is Newcombe's. Identical predictions for everybody give 0.5 exactly, by definition. Without
    both an event and a non-event the AUC is NaN.

    >>> auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]).value
    0.75

    Reference: DeLong et al., Biometrics 44 (1988) 837-845; Newcombe, Stat Med 25 (2006) 559-573. R: pROC `ci.auc`.
    """
    level = check_level(level)
    check_choice(method, tuple(_METHOD_NAMES), "method")
    y, p = check_binary_risk(y_true, y_prob, scale=scale)
    n, m = y.size, int(y.sum())
    if m in (0, n):
        absent = "event" if m == 0 else "non-event"
        return Estimate(NAN, level=level, method=_METHOD_NAMES[method], n=n, n_events=m, note=f"undefined: no {absent}")
    areas, cov = placement_covariance(y, placements(y, p)[None, :])
    area, variance = float(areas[0]), float(cov[0, 0])
    se = math.sqrt(variance) if variance >= 0 else NAN
    if (p == p[0]).all():
        note = "all predictions are equal: 0.5 by definition, without sampling error"
        return Estimate(0.5, 0.5, 0.5, level, _METHOD_NAMES[method], 0.0, n, m, note)
    note = ""
    if method != "newcombe" and not se > 0:
        cause = "a single event or non-event" if math.isnan(se) else f"an AUC of {area:g}"
        note = f"DeLong's variance is {'undefined' if math.isnan(se) else 'zero'} with {cause}: interval after Newcombe"
        method, se = "newcombe", NAN
    if method == "newcombe":
        low, high = newcombe_interval(area, m, n - m, level)
    elif method == "logit-delong":
        low, high = _logit_interval(area, se, z_of(level))
    else:
        low, high = area - z_of(level) * se, area + z_of(level) * se
        if low < 0 or high > 1:
            low, high, note = max(low, 0.0), min(high, 1.0), "interval cut at its bound; logit-delong stays inside"
    return Estimate(area, low, high, level, _METHOD_NAMES[method], se, n, m, note)


def threshold_counts(y: IntArray, p: FloatArray) -> tuple[FloatArray, IntArray, IntArray]:
    """Distinct predictions, highest first, with the true and false positives of the rule prediction >= value."""
    order = np.argsort(-p, kind="stable")
    last = np.flatnonzero(np.r_[p[order][1:] != p[order][:-1], True])
    tp = np.cumsum(y[order])[last]
    return p[order][last], tp, last + 1 - tp


def roc_curve(y_true: ArrayLike, y_prob: ArrayLike, *, level: float = 0.95, scale: str = "risk") -> Curve:
    """ROC curve: x = 1 - specificity, y = sensitivity at every distinct prediction, from (0, 0) to (1, 1).

    The band is Wilson's interval of the sensitivity at each threshold, pointwise. Without both classes the curve has no
    points and the note says so.
    """
    level = check_level(level)
    y, p = check_binary_risk(y_true, y_prob, scale=scale)
    n, m = y.size, int(y.sum())
    names = ("1 - specificity", "sensitivity")
    method = "empirical; Wilson, pointwise in sensitivity"
    if m in (0, n):
        note = f"undefined: no {'event' if m == 0 else 'non-event'}"
        return Curve(np.empty(0), np.empty(0), np.empty(0), np.empty(0), level, method, *names, n, m, note)
    _, tp, fp = threshold_counts(y, p)
    tp, fp = np.r_[0, tp], np.r_[0, fp]
    low, high = wilson(tp, m, level)
    return Curve(fp / (n - m), tp / m, low, high, level, method, *names, n, m)


def youden_threshold(y_true: ArrayLike, y_prob: ArrayLike, *, scale: str = "risk") -> float:
    """The threshold of the rule "risk >= threshold" with the largest sensitivity + specificity - 1.

    The threshold lies midway between the two neighbouring observed risks, as in pROC, so that it is robust to rounding
    of either; where everybody is positive it is the smallest observed risk. Ties are compared as integers, and the
    lowest of several equal thresholds wins: among equals, the one that misses fewest events.

    Both an event and a non-event are needed; otherwise InputError.
    Reference: Youden, Cancer 3 (1950) 32-35. R: pROC `coords(best.method = "youden")`, which returns all ties.
    """
    y, p = check_binary_risk(y_true, y_prob, scale=scale)
    n, m = y.size, int(y.sum())
    if m in (0, n):
        raise InputError(f"Youden's threshold needs both outcomes; `y_true` has {m} events among {n} patients")
    values, tp, fp = threshold_counts(y, p)
    index = tp * (n - m) - fp * m
    best = int(np.flatnonzero(index == index.max())[-1])
    return midpoint(values, best)


def midpoint(values: NDArray[np.float64], i: int) -> float:
    """A number in (values[i + 1], values[i]] near its middle, for values in falling order; the last value itself."""
    if i == values.size - 1:
        return float(values[i])
    middle = settle(float(values[i + 1] + (values[i] - values[i + 1]) / 2))
    return middle if middle > values[i + 1] else float(values[i])
