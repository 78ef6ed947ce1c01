"""Everything at one threshold. A patient is positive when risk >= threshold.

The threshold is freed of floating-point residue first (`checks.check_threshold`): a threshold of 0.1 * 3 means 0.3, and
a patient with a risk of exactly 0.3 is positive.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from numpy.typing import ArrayLike

from validkit.stats.checks import check_binary_risk, check_choice, check_level, check_threshold
from validkit.stats.intervals import proportion_interval
from validkit.stats.results import NAN, Estimate, Record


@dataclass(frozen=True)
class Confusion(Record):
    """Counts of the rule "risk >= threshold is positive"."""

    tp: int
    fp: int
    tn: int
    fn: int
    threshold: float

    @property
    def n(self) -> int:
        """All patients."""
        return self.tp + self.fp + self.tn + self.fn

    @property
    def n_events(self) -> int:
        """Patients with the event."""
        return self.tp + self.fn


def confusion(y_true: ArrayLike, y_prob: ArrayLike, *, threshold: float, scale: str = "risk") -> Confusion:
    """True and false positives and negatives at a threshold.

    y_true : (n,) int in {0, 1}; y_prob : (n,) float in [0, 1]; threshold : in [0, 1]
    """
    y, p = check_binary_risk(y_true, y_prob, scale=scale)
    threshold = check_threshold(threshold, scale=scale)
    positive, event = p >= threshold, y == 1
    tp, fp = int((positive & event).sum()), int((positive & ~event).sum())
    fn = int(event.sum()) - tp
    return Confusion(tp, fp, y.size - tp - fp - fn, fn, threshold)


def _proportion(counts: Confusion, successes: int, n: int, nobody: str, level: float, method: str) -> Estimate:
    low, high, name = proportion_interval(successes, n, level=check_level(level), method=method)
    if n == 0:
        return Estimate(NAN, level=level, method=name, n=0, n_events=counts.n_events, note=f"undefined: {nobody}")
    value = successes / n
    return Estimate(value, low, high, level, name, math.sqrt(value * (1 - value) / n), n, counts.n_events)


def sensitivity(
    y_true: ArrayLike, y_prob: ArrayLike, *, threshold: float, level: float = 0.95, method: str = "wilson"
) -> Estimate:
    """Share of the events that are positive, TP/(TP + FN); `n` is the number of events. method: "wilson" or "exact"."""
    c = confusion(y_true, y_prob, threshold=threshold)
    return _proportion(c, c.tp, c.tp + c.fn, "no event", level, method)


def specificity(
    y_true: ArrayLike, y_prob: ArrayLike, *, threshold: float, level: float = 0.95, method: str = "wilson"
) -> Estimate:
    """Share of the non-events that are negative, TN/(TN + FP); `n` is the number of non-events."""
    c = confusion(y_true, y_prob, threshold=threshold)
    return _proportion(c, c.tn, c.tn + c.fp, "no non-event", level, method)


def ppv(
    y_true: ArrayLike, y_prob: ArrayLike, *, threshold: float, level: float = 0.95, method: str = "wilson"
) -> Estimate:
    """Positive predictive value, TP/(TP + FP), at the prevalence of these patients; `n` is the number of positives."""
    c = confusion(y_true, y_prob, threshold=threshold)
    return _proportion(c, c.tp, c.tp + c.fp, "nobody is positive", level, method)


def npv(
    y_true: ArrayLike, y_prob: ArrayLike, *, threshold: float, level: float = 0.95, method: str = "wilson"
) -> Estimate:
    """Negative predictive value, TN/(TN + FN), at the prevalence of these patients; `n` is the number of negatives."""
    c = confusion(y_true, y_prob, threshold=threshold)
    return _proportion(c, c.tn, c.tn + c.fn, "nobody is negative", level, method)


def accuracy(
    y_true: ArrayLike, y_prob: ArrayLike, *, threshold: float, level: float = 0.95, method: str = "wilson"
) -> Estimate:
    """Share of the patients classified rightly, (TP + TN)/n. It depends on the prevalence."""
    c = confusion(y_true, y_prob, threshold=threshold)
    return _proportion(c, c.tp + c.tn, c.n, "nobody", level, method)


def balanced_accuracy(
    y_true: ArrayLike, y_prob: ArrayLike, *, threshold: float, level: float = 0.95, method: str = "wilson"
) -> Estimate:
    """Mean of sensitivity and specificity, its interval recovered from theirs.

    With l and u their limits, low = value - sqrt((se - l_se)^2 + (sp - l_sp)^2)/2, and high likewise.
    Reference: the MOVER of Zou and Donner, Stat Med 27 (2008) 1693-1702.
    """
    se = sensitivity(y_true, y_prob, threshold=threshold, level=level, method=method)
    sp = specificity(y_true, y_prob, threshold=threshold, level=level, method=method)
    n, events = (se.n or 0) + (sp.n or 0), se.n_events
    name = f"MOVER from {se.method}"
    if math.isnan(se.value) or math.isnan(sp.value):
        return Estimate(NAN, level=level, method=name, n=n, n_events=events, note=se.note or sp.note)
    value = (se.value + sp.value) / 2
    low = value - math.hypot(se.value - se.low, sp.value - sp.low) / 2
    high = value + math.hypot(se.high - se.value, sp.high - sp.value) / 2
    return Estimate(value, max(low, 0.0), min(high, 1.0), level, name, math.hypot(se.se, sp.se) / 2, n, events)


def f1(
    y_true: ArrayLike, y_prob: ArrayLike, *, threshold: float, level: float = 0.95, method: str = "wilson"
) -> Estimate:
    """F1 = 2 TP/(2 TP + FP + FN), the harmonic mean of sensitivity and positive predictive value.

    F1 = 2J/(1 + J), where J = TP/(TP + FP + FN) is a proportion among the patients who are positive or have the event;
    the interval is that of J, transformed. Undefined without such a patient.
    """
    level = check_level(level)
    c = confusion(y_true, y_prob, threshold=threshold)
    union = c.tp + c.fp + c.fn
    low, high, name = proportion_interval(c.tp, union, level=level, method=method)
    name = f"{name} of TP/(TP + FP + FN), transformed"
    if union == 0:
        note = "undefined: no event and nobody is positive"
        return Estimate(NAN, level=level, method=name, n=c.n, n_events=c.n_events, note=note)
    j = c.tp / union
    se = 2 / (1 + j) ** 2 * math.sqrt(j * (1 - j) / union)
    return Estimate(2 * j / (1 + j), 2 * low / (1 + low), 2 * high / (1 + high), level, name, se, c.n, c.n_events)


def youden_index(
    y_true: ArrayLike, y_prob: ArrayLike, *, threshold: float, level: float = 0.95, method: str = "wilson"
) -> Estimate:
    """Sensitivity + specificity - 1, its interval recovered from theirs (twice the balanced accuracy, less one)."""
    check_choice(method, ("wilson", "exact"), "method")
    b = balanced_accuracy(y_true, y_prob, threshold=threshold, level=level, method=method)
    return Estimate(2 * b.value - 1, 2 * b.low - 1, 2 * b.high - 1, level, b.method, 2 * b.se, b.n, b.n_events, b.note)
