"""Predictive values, at the prevalence of these patients or, by Bayes' rule, at another one."""

from __future__ import annotations

import math
from dataclasses import replace

from numpy.typing import ArrayLike
from scipy import special

from validkit.errors import InputError
from validkit.stats.checks import check_choice, check_level, patients
from validkit.stats.diagnostic_ratios import negative_ratio, positive_ratio
from validkit.stats.intervals import proportion_interval
from validkit.stats.results import NAN, Estimate
from validkit.stats.two_by_two import Confusion, confusion

__all__ = ["npv", "ppv"]


def proportion(c: Confusion, successes: int, n: int, nobody: str, level: float, method: str) -> Estimate:
    """A share of patients with its interval; undefined, with the reason, where there are none."""
    low, high, name = proportion_interval(successes, n, level=check_level(level), method=method)
    if n == 0:
        return Estimate(NAN, level=level, method=name, n=0, n_events=c.n_events, note=f"undefined: {nobody}")
    value = successes / n
    return Estimate(value, low, high, level, name, math.sqrt(value * (1 - value) / n), n, c.n_events)


def positive_value(c: Confusion, level: float, method: str) -> Estimate:
    """PPV of a table."""
    return proportion(c, c.tp, c.tp + c.fp, "nobody is positive", level, method)


def negative_value(c: Confusion, level: float, method: str) -> Estimate:
    """NPV of a table."""
    return proportion(c, c.tn, c.tn + c.fn, "nobody is negative", level, method)


def _check_prevalence(prevalence: float) -> float:
    if not (isinstance(prevalence, (int, float)) and 0 < prevalence < 1):
        raise InputError(f"`prevalence` must lie strictly between 0 and 1; it is {prevalence!r}")
    return float(prevalence)


def _by_bayes(ratio: Estimate, prevalence: float, sign: int) -> Estimate:
    """The value whose logit is sign (logit prev + log LR): the interval of the log likelihood ratio, moved."""
    shift = float(special.logit(prevalence))
    method = f"normal on the logit scale (Mercaldo), at a prevalence of {prevalence:g}; se of the logit"
    if math.isnan(ratio.value):
        return replace(ratio, method=method)
    with_log = [math.log(x) if x > 0 else -math.inf for x in (ratio.value, ratio.low, ratio.high)]
    value, *ends = (float(special.expit(sign * (shift + x))) for x in with_log)
    low, high = sorted(ends)
    return Estimate(value, low, high, ratio.level, method, ratio.se, ratio.n, ratio.n_events, ratio.note)


@patients("y_true", "y_prob")
def ppv(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    threshold: float,
    level: float = 0.95,
    method: str = "wilson",
    prevalence: float | None = None,
    scale: str = "risk",
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Estimate:
    """Positive predictive value, the share of the positives who have the event, TP/(TP + FP).

    y_true : (n,) int in {0, 1}; y_prob : (n,) float in [0, 1]; scale : "risk" or "score"
    prevalence : None takes these patients as a sample of those to come; `n` is the number of positives and `method`
        "wilson" or "exact". A number in (0, 1) asks for the value at that prevalence, as after case-control sampling:
        se prev/(se prev + (1 - sp)(1 - prev)), that is logit(prev) + log(LR+) on the logit scale; the interval is that
        of LR+ (`positive_likelihood_ratio`, with its rule for zero cells), `n` counts all patients
    Undefined where nobody is positive and, at a given prevalence, without both outcomes.

    >>> ppv([0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.6, 0.3, 0.7, 0.8], threshold=0.5)
    0.6667 [0.2077, 0.9385] (95% Wilson; n = 3, 3 events)

    Reference: Mercaldo, Lau and Zhou, Stat Med 26 (2007) 2170-2183.
    """
    c = confusion(y_true, y_prob, threshold=threshold, scale=scale)
    if prevalence is None:
        return positive_value(c, level, method)
    check_choice(method, ("wilson", "exact"), "method")
    return _by_bayes(positive_ratio(c, check_level(level)), _check_prevalence(prevalence), 1)


@patients("y_true", "y_prob")
def npv(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    threshold: float,
    level: float = 0.95,
    method: str = "wilson",
    prevalence: float | None = None,
    scale: str = "risk",
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Estimate:
    """Negative predictive value, the share of the negatives without the event, TN/(TN + FN).

    y_true : (n,) int in {0, 1}; y_prob : (n,) float in [0, 1]; scale : "risk" or "score"
    prevalence : as in `ppv`; at a given one sp (1 - prev)/(sp (1 - prev) + (1 - se) prev), that is
        -logit(prev) - log(LR-) on the logit scale
    Undefined where nobody is negative and, at a given prevalence, without both outcomes.

    >>> npv([0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.6, 0.3, 0.7, 0.8], threshold=0.5, prevalence=0.1).value
    0.9473684210526315

    Reference: Mercaldo, Lau and Zhou, Stat Med 26 (2007) 2170-2183.
    """
    c = confusion(y_true, y_prob, threshold=threshold, scale=scale)
    if prevalence is None:
        return negative_value(c, level, method)
    check_choice(method, ("wilson", "exact"), "method")
    return _by_bayes(negative_ratio(c, check_level(level)), _check_prevalence(prevalence), -1)
