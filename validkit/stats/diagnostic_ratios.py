"""Ratios at a threshold, with intervals on the log scale: likelihood ratios and the diagnostic odds ratio.

Zero cells. The value is what the counts say, which can be 0 or infinite. Where the standard error of the log is then
undefined, or zero, the interval is that of the table with 1/2 added to each cell (Haldane 1956, Anscombe 1956),
stretched to hold the value, and the note says so.
"""

from __future__ import annotations

import math

from numpy.typing import ArrayLike

from validkit.stats.checks import check_level, patients
from validkit.stats.intervals import z_of
from validkit.stats.results import NAN, Estimate
from validkit.stats.two_by_two import Confusion, confusion

__all__ = ["diagnostic_odds_ratio", "negative_likelihood_ratio", "positive_likelihood_ratio"]

_HALVES = "interval from the table with 1/2 added to each cell"
_Cells = tuple[float, float, float, float]


def positive_ratio(c: Confusion, level: float) -> Estimate:
    """LR+ of a table: (TP/events)/(FP/non-events)."""
    return _share_ratio(c, (c.tp, c.fn, c.fp, c.tn), level, "nobody is positive")


def negative_ratio(c: Confusion, level: float) -> Estimate:
    """LR- of a table: (FN/events)/(TN/non-events)."""
    return _share_ratio(c, (c.fn, c.tp, c.tn, c.fp), level, "nobody is negative")


def odds_ratio(c: Confusion, level: float) -> Estimate:
    """DOR of a table: TP TN/(FP FN)."""
    method = "normal on the log scale (Woolf); se of the log"
    right, wrong = c.tp * c.tn, c.fp * c.fn
    if right == wrong == 0:
        why = f"undefined: {c.one_sided}"
        return Estimate(NAN, level=level, method=method, n=c.n, n_events=c.n_events, note=why)
    value = right / wrong if wrong else math.inf
    cells = (float(c.tp), float(c.fp), float(c.tn), float(c.fn))
    if min(cells) > 0:
        return _on_log_scale(value, value, _woolf(cells), level, method, c, "")
    a, b, d, e = (cell + 0.5 for cell in cells)
    return _on_log_scale(value, a * d / (b * e), _woolf((a, b, d, e)), level, method, c, _HALVES)


def _woolf(cells: _Cells) -> float:
    return math.sqrt(sum(1 / cell for cell in cells))


def _share_ratio(c: Confusion, cells: _Cells, level: float, nobody: str) -> Estimate:
    """(a/(a + b))/(d/(d + e)) of (a, b, d, e), with Simel's standard error of its log."""
    method = "normal on the log scale (Simel); se of the log"
    a, b, d, e = cells
    missing = [word for word in ("no event", "no non-event") if word in c.one_sided]
    if missing or a == d == 0:
        why = f"undefined: {' and '.join(missing) or nobody}"
        return Estimate(NAN, level=level, method=method, n=c.n, n_events=c.n_events, note=why)
    value = a * (d + e) / ((a + b) * d) if d else math.inf
    if a and d and (b or e):
        return _on_log_scale(value, value, _simel(cells), level, method, c, "")
    a, b, d, e = (cell + 0.5 for cell in cells)
    return _on_log_scale(value, a * (d + e) / ((a + b) * d), _simel((a, b, d, e)), level, method, c, _HALVES)


def _simel(cells: _Cells) -> float:
    a, b, d, e = cells
    return math.sqrt(b / (a * (a + b)) + e / (d * (d + e)))


def _on_log_scale(
    value: float, centre: float, se: float, level: float, method: str, c: Confusion, note: str
) -> Estimate:
    factor = math.exp(z_of(level) * se)
    low, high = min(centre / factor, value), max(centre * factor, value)
    return Estimate(value, low, high, level, method, NAN if note else se, c.n, c.n_events, note)


@patients("y_true", "y_prob")
def positive_likelihood_ratio(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    threshold: float,
    level: float = 0.95,
    scale: str = "risk",
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Estimate:
    """Positive likelihood ratio, sensitivity/(1 - specificity): what a positive multiplies the odds of the event by.

    y_true : (n,) int in {0, 1}; y_prob : (n,) float in [0, 1]; scale : "risk" or "score"
    1 is uninformative, higher better. Undefined without both outcomes or without a positive; infinite without a false
    positive. Interval exp(log LR -+ z se), se^2 = 1/TP - 1/events + 1/FP - 1/non-events; zero cells as the module says.

    >>> positive_likelihood_ratio([0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.6, 0.3, 0.7, 0.8], threshold=0.5)
    2 [0.3342, 11.97] (95% normal on the log scale (Simel); se of the log; n = 6, 3 events)

    Reference: Simel, Samsa and Matchar, J Clin Epidemiol 44 (1991) 763-770. R: epiR `epi.tests`.
    """
    level = check_level(level)
    return positive_ratio(confusion(y_true, y_prob, threshold=threshold, scale=scale), level)


@patients("y_true", "y_prob")
def negative_likelihood_ratio(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    threshold: float,
    level: float = 0.95,
    scale: str = "risk",
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Estimate:
    """Negative likelihood ratio, (1 - sensitivity)/specificity: what a negative multiplies the odds of the event by.

    y_true : (n,) int in {0, 1}; y_prob : (n,) float in [0, 1]; scale : "risk" or "score"
    1 is uninformative, lower better. Undefined without both outcomes or without a negative; 0 without a false negative.
    Interval exp(log LR -+ z se), se^2 = 1/FN - 1/events + 1/TN - 1/non-events; zero cells as the module says.

    >>> negative_likelihood_ratio([0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.6, 0.3, 0.7, 0.8], threshold=0.5)
    0.5 [0.08355, 2.992] (95% normal on the log scale (Simel); se of the log; n = 6, 3 events)

    Reference: Simel, Samsa and Matchar, J Clin Epidemiol 44 (1991) 763-770. R: epiR `epi.tests`.
    """
    level = check_level(level)
    return negative_ratio(confusion(y_true, y_prob, threshold=threshold, scale=scale), level)


@patients("y_true", "y_prob")
def diagnostic_odds_ratio(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    threshold: float,
    level: float = 0.95,
    scale: str = "risk",
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Estimate:
    """Diagnostic odds ratio, TP TN/(FP FN) = LR+/LR-: the odds of a positive in events over those in non-events.

    y_true : (n,) int in {0, 1}; y_prob : (n,) float in [0, 1]; scale : "risk" or "score"
    1 is uninformative, higher better. Undefined where a margin of the table is empty. Interval exp(log DOR -+ z se),
    se^2 = 1/TP + 1/FP + 1/TN + 1/FN; zero cells as the module says. One number cannot tell which kind of error a rule
    makes: Van Calster et al. advise against it.

    >>> diagnostic_odds_ratio([0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.6, 0.3, 0.7, 0.8], threshold=0.5)
    4 [0.1342, 119.2] (95% normal on the log scale (Woolf); se of the log; n = 6, 3 events)

    Reference: Glas et al., J Clin Epidemiol 56 (2003) 1129-1135; Woolf, Ann Hum Genet 19 (1955) 251-253.
    R: epiR `epi.tests`.
    """
    level = check_level(level)
    return odds_ratio(confusion(y_true, y_prob, threshold=threshold, scale=scale), level)
