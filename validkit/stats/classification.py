"""Everything at one threshold. A patient is positive when risk >= threshold (see `two_by_two`)."""

from __future__ import annotations

import math

from numpy.typing import ArrayLike

from validkit.stats.chance_corrected import cohen, kappa_at_threshold, matthews, mcc
from validkit.stats.checks import check_choice, check_level, patients
from validkit.stats.diagnostic_ratios import (
    diagnostic_odds_ratio,
    negative_likelihood_ratio,
    negative_ratio,
    odds_ratio,
    positive_likelihood_ratio,
    positive_ratio,
)
from validkit.stats.intervals import proportion_interval
from validkit.stats.predictive_values import negative_value, npv, positive_value, ppv, proportion
from validkit.stats.results import NAN, Estimate
from validkit.stats.two_by_two import Confusion, confusion

__all__ = [
    "Confusion",
    "accuracy",
    "balanced_accuracy",
    "classification_measures",
    "confusion",
    "diagnostic_odds_ratio",
    "f1",
    "kappa_at_threshold",
    "mcc",
    "negative_likelihood_ratio",
    "npv",
    "positive_likelihood_ratio",
    "ppv",
    "sensitivity",
    "specificity",
    "youden_index",
]


# --- of a table ------------------------------------------------------------------------------


def _sensitivity(c: Confusion, level: float, method: str) -> Estimate:
    return proportion(c, c.tp, c.n_events, "no event", level, method)


def _specificity(c: Confusion, level: float, method: str) -> Estimate:
    return proportion(c, c.tn, c.n_others, "no non-event", level, method)


def _accuracy(c: Confusion, level: float, method: str) -> Estimate:
    return proportion(c, c.tp + c.tn, c.n, "nobody", level, method)


def _balanced(c: Confusion, level: float, method: str) -> Estimate:
    se, sp = _sensitivity(c, level, method), _specificity(c, level, method)
    name = f"MOVER from {se.method}"
    if math.isnan(se.value) or math.isnan(sp.value):
        return Estimate(NAN, level=level, method=name, n=c.n, n_events=c.n_events, note=se.note or sp.note)
    value = (se.value + sp.value) / 2
    low = value - math.hypot(se.value - se.low, sp.value - sp.low) / 2
    high = value + math.hypot(se.high - se.value, sp.high - sp.value) / 2
    error = math.hypot(se.se, sp.se) / 2
    return Estimate(value, max(low, 0.0), min(high, 1.0), level, name, error, c.n, c.n_events)


def _youden(c: Confusion, level: float, method: str) -> Estimate:
    b = _balanced(c, level, method)
    return Estimate(2 * b.value - 1, 2 * b.low - 1, 2 * b.high - 1, level, b.method, 2 * b.se, b.n, b.n_events, b.note)


def _f1(c: Confusion, level: float, method: str) -> Estimate:
    union = c.tp + c.fp + c.fn
    low, high, name = proportion_interval(c.tp, union, level=level, method=method)
    name = f"{name} of TP/(TP + FP + FN), transformed"
    if union == 0:
        note = "undefined: no event and nobody is positive"
        return Estimate(NAN, level=level, method=name, n=c.n, n_events=c.n_events, note=note)
    j = c.tp / union
    se = 2 / (1 + j) ** 2 * math.sqrt(j * (1 - j) / union)
    return Estimate(2 * j / (1 + j), 2 * low / (1 + low), 2 * high / (1 + high), level, name, se, c.n, c.n_events)


# --- of patients -----------------------------------------------------------------------------


@patients("y_true", "y_prob")
def classification_measures(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    threshold: float,
    level: float = 0.95,
    method: str = "wilson",
    scale: str = "risk",
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> dict[str, Estimate]:
    """All measures at a threshold by their names, from one table: each as the function of that name gives it.

    y_true : (n,) int in {0, 1}; y_prob : (n,) float in [0, 1]; scale : "risk" or "score"
    method : "wilson" or "exact", the interval of the proportions and of what is made from them

    >>> found = classification_measures([0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.6, 0.3, 0.7, 0.8], threshold=0.5)
    >>> {name: round(e.value, 3) for name, e in found.items() if name in ("sensitivity", "mcc")}
    {'sensitivity': 0.667, 'mcc': 0.333}
    """
    level = check_level(level)
    check_choice(method, ("wilson", "exact"), "method")
    c = confusion(y_true, y_prob, threshold=threshold, scale=scale)
    return {
        "sensitivity": _sensitivity(c, level, method),
        "specificity": _specificity(c, level, method),
        "ppv": positive_value(c, level, method),
        "npv": negative_value(c, level, method),
        "positive_likelihood_ratio": positive_ratio(c, level),
        "negative_likelihood_ratio": negative_ratio(c, level),
        "diagnostic_odds_ratio": odds_ratio(c, level),
        "youden_index": _youden(c, level, method),
        "accuracy": _accuracy(c, level, method),
        "balanced_accuracy": _balanced(c, level, method),
        "f1": _f1(c, level, method),
        "mcc": matthews(c, level),
        "kappa_at_threshold": cohen(c, level),
    }


@patients("y_true", "y_prob")
def sensitivity(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    threshold: float,
    level: float = 0.95,
    method: str = "wilson",
    scale: str = "risk",
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Estimate:
    """Sensitivity (recall), the share of the events that are positive, TP/(TP + FN); `n` is the number of events.

    y_true : (n,) int in {0, 1}; y_prob : (n,) float in [0, 1]; scale : "risk" or "score"
    method : "wilson" or "exact" (Clopper-Pearson). Undefined without an event.

    >>> sensitivity([0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.6, 0.3, 0.7, 0.8], threshold=0.5)
    0.6667 [0.2077, 0.9385] (95% Wilson; n = 3, 3 events)

    Reference: Yerushalmy, Public Health Rep 62 (1947) 1432-1449. R: pROC `coords`; prop.test(correct = FALSE).
    """
    return _sensitivity(confusion(y_true, y_prob, threshold=threshold, scale=scale), level, method)


@patients("y_true", "y_prob")
def specificity(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    threshold: float,
    level: float = 0.95,
    method: str = "wilson",
    scale: str = "risk",
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Estimate:
    """Specificity, the share of the non-events that are negative, TN/(TN + FP); `n` is the number of non-events.

    y_true : (n,) int in {0, 1}; y_prob : (n,) float in [0, 1]; scale : "risk" or "score"
    method : "wilson" or "exact" (Clopper-Pearson). Undefined without a non-event.

    >>> specificity([0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.6, 0.3, 0.7, 0.8], threshold=0.5)
    0.6667 [0.2077, 0.9385] (95% Wilson; n = 3, 3 events)

    Reference: Yerushalmy, Public Health Rep 62 (1947) 1432-1449. R: pROC `coords`; prop.test(correct = FALSE).
    """
    return _specificity(confusion(y_true, y_prob, threshold=threshold, scale=scale), level, method)


@patients("y_true", "y_prob")
def accuracy(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    threshold: float,
    level: float = 0.95,
    method: str = "wilson",
    scale: str = "risk",
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Estimate:
    """Accuracy, the share of the patients classified rightly, (TP + TN)/n. It depends on the prevalence.

    y_true : (n,) int in {0, 1}; y_prob : (n,) float in [0, 1]; scale : "risk" or "score"
    method : "wilson" or "exact" (Clopper-Pearson). Improper unless the threshold is 1/2.

    >>> accuracy([0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.6, 0.3, 0.7, 0.8], threshold=0.5)
    0.6667 [0.3, 0.9032] (95% Wilson; n = 6, 3 events)

    Reference: Van Calster et al., Lancet Digit Health 7 (2025) 100916. R: prop.test(correct = FALSE).
    """
    return _accuracy(confusion(y_true, y_prob, threshold=threshold, scale=scale), level, method)


@patients("y_true", "y_prob")
def balanced_accuracy(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    threshold: float,
    level: float = 0.95,
    method: str = "wilson",
    scale: str = "risk",
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Estimate:
    """Balanced accuracy, the mean of sensitivity and specificity, its interval recovered from theirs.

    With l and u their limits, low = value - sqrt((se - l_se)^2 + (sp - l_sp)^2)/2, and high likewise.

    y_true : (n,) int in {0, 1}; y_prob : (n,) float in [0, 1]; scale : "risk" or "score"
    method : "wilson" or "exact". Undefined without both outcomes. It weighs both errors as if the prevalence were 1/2.

    >>> balanced_accuracy([0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.6, 0.3, 0.7, 0.8], threshold=0.5)
    0.6667 [0.3421, 0.8589] (95% MOVER from Wilson; n = 6, 3 events)

    Reference: the MOVER of Zou and Donner, Stat Med 27 (2008) 1693-1702.
    """
    return _balanced(confusion(y_true, y_prob, threshold=threshold, scale=scale), check_level(level), method)


@patients("y_true", "y_prob")
def youden_index(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    threshold: float,
    level: float = 0.95,
    method: str = "wilson",
    scale: str = "risk",
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Estimate:
    """Youden's index, sensitivity + specificity - 1: twice the balanced accuracy, less one, its interval too.

    y_true : (n,) int in {0, 1}; y_prob : (n,) float in [0, 1]; scale : "risk" or "score"
    method : "wilson" or "exact". Undefined without both outcomes.

    >>> youden_index([0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.6, 0.3, 0.7, 0.8], threshold=0.5)
    0.3333 [-0.3158, 0.7178] (95% MOVER from Wilson; n = 6, 3 events)

    Reference: Youden, Cancer 3 (1950) 32-35.
    """
    return _youden(confusion(y_true, y_prob, threshold=threshold, scale=scale), check_level(level), method)


@patients("y_true", "y_prob")
def f1(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    threshold: float,
    level: float = 0.95,
    method: str = "wilson",
    scale: str = "risk",
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Estimate:
    """F1 = 2 TP/(2 TP + FP + FN), the harmonic mean of sensitivity and positive predictive value.

    F1 = 2J/(1 + J), where J = TP/(TP + FP + FN) is a proportion among the patients who are positive or have the event;
    the interval is that of J, transformed.

    y_true : (n,) int in {0, 1}; y_prob : (n,) float in [0, 1]; scale : "risk" or "score"
    method : "wilson" or "exact". Undefined where there is no event and nobody is positive. It ignores the true
    negatives: Van Calster et al. advise against it.

    >>> f1([0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.6, 0.3, 0.7, 0.8], threshold=0.5)
    0.6667 [0.2609, 0.9189] (95% Wilson of TP/(TP + FP + FN), transformed; n = 6, 3 events)

    Reference: Van Rijsbergen, Information Retrieval, 2nd edition (1979).
    """
    return _f1(confusion(y_true, y_prob, threshold=threshold, scale=scale), check_level(level), method)
