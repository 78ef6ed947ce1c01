"""How well predictions rank: area under the ROC curve with its intervals, DeLong's covariance of several.

The event is declared: a higher prediction always means a more likely event, and an AUC of 0.3 is reported as 0.3.
Rank statistics also make sense for a marker or a linear score; `scale="score"` lifts the demand that predictions lie
in [0, 1]. The curve itself is in `roc`, thresholds chosen on it in `cutoffs`; both can be imported from here too.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special

from validkit.errors import InputError
from validkit.stats.checks import (
    FloatArray,
    IntArray,
    absent_class,
    as_models,
    check_binary_risk,
    check_choice,
    check_level,
    check_outcome,
    check_score,
    patients,
)
from validkit.stats.cutoffs import midpoint, youden_threshold
from validkit.stats.intervals import z_of
from validkit.stats.results import NAN, Estimate
from validkit.stats.roc import need_rng, roc_curve, threshold_counts

__all__ = ["auc", "delong_covariance", "midpoint", "roc_curve", "threshold_counts", "youden_threshold"]

_METHOD_NAMES = {
    "delong": "DeLong",
    "logit-delong": "DeLong on the logit scale",
    "newcombe": "Newcombe, method 5",
    "bootstrap-percentile": "bootstrap, percentile",
    "bootstrap-bca": "bootstrap, BCa",
}


def placements(y: IntArray, scores: FloatArray) -> IntArray:
    """Twice the count of patients of the other class on the right side of each patient, ties counting half: integers.

    y : (n,) in {0, 1}; scores : (n,). For an event, twice the non-events below it plus the non-events tied with it;
    for a non-event, twice the events above it plus those tied with it. The sum over events equals that over
    non-events: 2U, with U Mann and Whitney's statistic. O(n log n).
    """
    n = y.size
    order = np.argsort(scores)  # patients tied with each other may come in any order
    ranked, event = scores[order], y[order]
    events_to = np.cumsum(event, dtype=np.int64)
    new = ranked[1:] != ranked[:-1]
    if new.all():  # no ties
        twice = 2 * (np.where(event == 1, np.arange(1, n + 1), events_to[-1]) - events_to)
    else:
        last = np.append(np.flatnonzero(new), n - 1)
        size = np.diff(last, prepend=-1)
        events = np.diff(events_to[last], prepend=0)
        others = size - events
        twice_below = 2 * np.cumsum(others) - others
        twice_above = 2 * (events_to[-1] - events_to[last]) + events
        twice = np.where(event == 1, np.repeat(twice_below, size), np.repeat(twice_above, size))
    result = np.empty(n, dtype=np.int64)
    result[order] = twice
    return result


def placement_covariance(y: IntArray, placed: IntArray) -> tuple[FloatArray, FloatArray]:
    """AUCs (k,) and their DeLong covariance (k, k) from integer placements (k, n); NaN with one patient in a class."""
    events, others = np.flatnonzero(y), np.flatnonzero(y == 0)
    m, q = events.size, others.size
    of_events = np.take(placed, events, axis=1)
    twice_u = of_events.sum(axis=1)
    area = twice_u / (2.0 * m * q) if m and q else np.full(placed.shape[0], NAN)
    if m < 2 or q < 2:
        return area, np.full((placed.shape[0],) * 2, NAN)
    over_events = of_events - (twice_u / m)[:, None]
    over_others = np.take(placed, others, axis=1) - (twice_u / q)[:, None]
    between_events, between_others = over_events @ over_events.T, over_others @ over_others.T
    return area, between_events / (4.0 * q * q * m * (m - 1)) + between_others / (4.0 * m * m * q * (q - 1))


def delong_covariance(y_true: ArrayLike, probs: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """AUCs of k predictions on the same n patients and the covariance of those AUCs.

    y_true : (n,) int in {0, 1}; 1 is the event
    probs : (k, n) or (n,) finite numbers; higher means more likely
    Returns (auc (k,), cov (k, k)); cov is NaN with fewer than two events or two non-events, auc is NaN without both.
    Ties count one half; 2U is kept as an integer, so equal rankings give equal AUCs to the last bit.

    >>> areas, cov = delong_covariance([0, 0, 1, 1], [[0.1, 0.4, 0.35, 0.8], [0.1, 0.2, 0.3, 0.4]])
    >>> areas.tolist(), cov.tolist()
    ([0.75, 1.0], [[0.125, 0.0], [0.0, 0.0]])

    Reference: DeLong et al., Biometrics 44 (1988) 837-845; Sun and Xu, IEEE Signal Process Lett 21 (2014) 1389-1393.
    R: pROC `auc`, `var`, `cov`.
    """
    y = check_outcome(y_true)
    scores = as_models(probs)
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


def logit_interval(area: float, se: float, level: float) -> tuple[float, float]:
    """Wald interval on the logit scale for an area strictly inside (0, 1)."""
    logit, half = math.log(area / (1 - area)), z_of(level) * se / (area * (1 - area))
    return float(special.expit(logit - half)), float(special.expit(logit + half))


@patients("y_true", "y_prob")
def auc(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    level: float = 0.95,
    method: str = "delong",
    rng: np.random.Generator | int | None = None,
    replicates: int = 2000,
    stratified: bool = False,
    scale: str = "risk",
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Estimate:
    """Area under the ROC curve with a confidence interval.

    y_true : (n,) int in {0, 1}; 1 is the event
    y_prob : (n,) float in [0, 1]; higher means more likely (any finite number with scale="score")
    method : "delong" (Wald, cut to [0, 1] as pROC does), "logit-delong" (Wald on the logit scale, inside (0, 1)),
        "newcombe" (score-like, method 5), "bootstrap-percentile" or "bootstrap-bca" (bias-corrected and accelerated,
        jackknife in closed form)
    rng : a numpy Generator or a seed, for the bootstrap alone; `replicates` are drawn, within each outcome where
        `stratified`, as pROC does

    In samples like the paper's test set (31 events in 127, AUC 0.75) "delong" covers 94.1 %, "logit-delong" 95.3 %,
    "newcombe" 95.6 %, "bootstrap-bca" 94.3 % (`validkit certify`). With few events or an AUC near 1 DeLong's interval
    is too narrow (88.7 % at an AUC of 0.95 there), and the note says so; the other two hold better.

    Fallbacks, each said in the note: where DeLong's variance is zero (an AUC of 0 or 1) or undefined (a single event or
    non-event), and where replicates would not vary for the same reasons, the interval is Newcombe's. Identical
    predictions for everybody give 0.5 exactly, by definition. Without both an event and a non-event the AUC is NaN.

    >>> auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]).value
    0.75

    Reference: DeLong et al., Biometrics 44 (1988) 837-845; Newcombe, Stat Med 25 (2006) 559-573. R: pROC `ci.auc`.
    """
    level = check_level(level)
    name = _METHOD_NAMES[check_choice(method, tuple(_METHOD_NAMES), "method")]
    y, p = check_binary_risk(y_true, y_prob, scale=scale)
    seed = need_rng(rng, f"method={method!r}") if method.startswith("bootstrap") else None
    n, m = y.size, int(y.sum())
    note = absent_class(m, n)
    if note:
        return Estimate(NAN, level=level, method=name, n=n, n_events=m, note=note)
    if (p == p[0]).all():
        note = "all predictions are equal: 0.5 by definition, without sampling error"
        return Estimate(0.5, 0.5, 0.5, level, name, 0.0, n, m, note)
    areas, cov = placement_covariance(y, placements(y, p)[None, :])
    area, variance = float(areas[0]), float(cov[0, 0])
    se = math.sqrt(variance) if variance >= 0 else NAN
    if method == "newcombe" or not se > 0:
        note = "" if method == "newcombe" else _why_newcombe(area, se, seed is not None)
        low, high = newcombe_interval(area, m, n - m, level)
        return Estimate(area, low, high, level, _METHOD_NAMES["newcombe"], NAN if note else se, n, m, note)
    if seed is not None:
        from validkit.stats.resampling import bootstrap

        return bootstrap(
            auc,
            y,
            np.unique(p, return_inverse=True)[1] / n,  # ranks: all that the AUC depends on, and within [0, 1]
            rng=seed,
            replicates=replicates,
            level=level,
            interval=method.removeprefix("bootstrap-"),
            stratified=stratified,
        )
    if method == "logit-delong":
        return Estimate(area, *logit_interval(area, se, level), level, name, se, n, m)
    low, high = area - z_of(level) * se, area + z_of(level) * se
    if low < 0 or high > 1:
        low, high, note = max(low, 0.0), min(high, 1.0), "interval cut at its bound; logit-delong stays inside"
    return Estimate(area, low, high, level, name, se, n, m, note)


def _why_newcombe(area: float, se: float, bootstrap: bool) -> str:
    cause = "a single event or non-event" if math.isnan(se) else f"an AUC of {area:g}"
    if bootstrap:
        return f"replicates do not vary as they should with {cause}: interval after Newcombe"
    return f"DeLong's variance is {'undefined' if math.isnan(se) else 'zero'} with {cause}: interval after Newcombe"
