"""Thresholds chosen on the data: Youden's, the one closest to the corner, the one of least cost."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from validkit.errors import InputError
from validkit.stats.checks import (
    FloatArray,
    IntArray,
    absent_class,
    check_binary_risk,
    check_choice,
    check_level,
    exact_decimal,
    patients,
    settle,
)
from validkit.stats.intervals import proportion_interval
from validkit.stats.results import NAN, Estimate, Record
from validkit.stats.roc import curve_counts, threshold_counts

__all__ = ["Cutoff", "optimal_cutoff", "youden_threshold"]

RULES = ("youden", "closest", "cost")
OPTIMISTIC = "the threshold was chosen on these patients: its sensitivity and specificity are optimistic"


@dataclass(frozen=True, repr=False)
class Cutoff(Record):
    """A threshold chosen on the data, for the rule "positive where the prediction is at least `threshold`".

    criterion : what `rule` made as large (youden) or as small (closest, cost) as possible, at the threshold
    tied : every threshold that is equally good, rising; `threshold` is the lowest
    """

    threshold: float
    sensitivity: Estimate
    specificity: Estimate
    criterion: float
    rule: str
    tied: tuple[float, ...] = ()
    n: int | None = None
    n_events: int | None = None
    note: str = ""
    n_missing: int = 0

    def __repr__(self) -> str:
        return (
            f"{self.rule} threshold {self.threshold:.4g} (criterion {self.criterion:.4g}, {len(self.tied)} tied; "
            f"sensitivity {self.sensitivity.value:.4g}, specificity {self.specificity.value:.4g}; {self.note})"
        )


def youden_threshold(y_true: ArrayLike, y_prob: ArrayLike, *, scale: str = "risk") -> float:
    """The threshold of the rule "risk >= threshold" with the largest sensitivity + specificity - 1.

    The threshold lies midway between the two neighbouring observed risks, as in pROC, so that it is robust to rounding
    of either; where everybody is positive it is the smallest observed risk. Ties are compared as integers, and the
    lowest of several equal thresholds wins: among equals, the one that misses fewest events. `optimal_cutoff` gives the
    sensitivity and specificity with it, and takes weights and incomplete patients.

    Both an event and a non-event are needed; otherwise InputError.

    >>> youden_threshold([0, 0, 1, 1], [0.1, 0.25, 0.5, 0.8])
    0.375

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


@patients("y_true", "y_prob")
def optimal_cutoff(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    rule: str = "youden",
    cost_ratio: float = 1.0,
    prevalence: float | None = None,
    level: float = 0.95,
    method: str = "wilson",
    scale: str = "risk",
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Cutoff:
    """The best threshold by a rule, with its sensitivity and specificity and all thresholds that tie with it.

    y_true : (n,) int in {0, 1}; 1 is the event
    y_prob : (n,) float in [0, 1]; higher means more likely (any finite number with scale="score")
    rule : "youden": the largest sensitivity + specificity - 1, unweighted.
        "closest": the smallest (1 - sensitivity)^2 + r (1 - specificity)^2 with r = (1 - prevalence) /
        (cost_ratio prevalence); without `prevalence` it is taken as one half: r = 1 unless a cost ratio is given.
        "cost": the smallest expected cost a patient, prevalence (1 - sensitivity) cost_ratio
        + (1 - prevalence) (1 - specificity), in units of one false positive; without `prevalence` it is that of
        the data. pROC's weighted Youden criterion, sensitivity + r specificity, is 1 + r - cost/(cost_ratio
        prevalence).
    cost_ratio : cost of a false negative over that of a false positive, above 0
    method : interval of sensitivity and specificity, "wilson" or "exact"; neither knows that the threshold was chosen:
        Wilson's covers the sensitivity that it has in new patients in 83 to 95 % of samples (`validkit certify`)

    Criteria are compared as exact fractions. Thresholds lie midway between neighbouring predictions; the lowest
    prediction stands for "everybody is positive" and infinity for "nobody is positive", which "cost" may choose.
    Without both an event and a non-event everything is NaN and the note says why.

    >>> optimal_cutoff([0, 0, 1, 1], [0.125, 0.5, 0.375, 0.75]).tied
    (0.25, 0.625)

    Reference: Youden, Cancer 3 (1950) 32-35; Perkins and Schisterman, Am J Epidemiol 163 (2006) 670-675.
    R: pROC `coords(x = "best", best.method, best.weights = c(cost_ratio, prevalence))`.
    """
    level = check_level(level)
    check_choice(rule, RULES, "rule")
    check_choice(method, ("wilson", "exact"), "method")
    ratio, share = _weights(rule, cost_ratio, prevalence)
    y, p = check_binary_risk(y_true, y_prob, scale=scale)
    n, m = y.size, int(y.sum())
    note = absent_class(m, n)
    if note:
        nothing = Estimate(NAN, level=level, n=n, n_events=m, note=note)
        return Cutoff(NAN, nothing, nothing, NAN, rule, (), n, m, note)
    values = threshold_counts(y, p)[0]
    tp, fp = curve_counts(y, p)
    best, criterion = _best(tp, fp, _CRITERIA[rule], ratio, share)
    tied = tuple(math.inf if i == 0 else midpoint(values, i - 1) for i in best[::-1])
    chosen = int(best[-1])
    sensitivity = _proportion(int(tp[chosen]), m, level, method, n, m)
    specificity = _proportion(n - m - int(fp[chosen]), n - m, level, method, n, m)
    return Cutoff(tied[0], sensitivity, specificity, criterion, rule, tied, n, m, OPTIMISTIC)


def _weights(rule: str, cost_ratio: float, prevalence: float | None) -> tuple[Fraction, Fraction | None]:
    ratio = Fraction(exact_decimal(cost_ratio, "cost_ratio"))
    if ratio <= 0:
        raise InputError(f"`cost_ratio` must be above 0, not {cost_ratio!r}")
    share = None if prevalence is None else Fraction(exact_decimal(prevalence, "prevalence"))
    if share is not None and not 0 < share < 1:
        raise InputError(f"`prevalence` must lie strictly between 0 and 1, not {prevalence!r}")
    if rule == "youden" and (ratio != 1 or share is not None):
        raise InputError('Youden\'s index has no weights: `cost_ratio` and `prevalence` belong to rule="cost"')
    return ratio, share


Criterion = Callable[[Fraction, Fraction, Fraction, Fraction], Fraction]
_CRITERIA: dict[str, Criterion] = {  # of missed events and false positives as shares, to be made small
    "youden": lambda missed, false, ratio, share: missed + false - 1,
    "closest": lambda missed, false, ratio, share: missed**2 + (1 - share) / (ratio * share) * false**2,
    "cost": lambda missed, false, ratio, share: share * missed * ratio + (1 - share) * false,
}


def _best(
    tp: IntArray, fp: IntArray, criterion: Criterion, ratio: Fraction, share: Fraction | None
) -> tuple[NDArray[np.int64], float]:
    """Places of the smallest criterion, and its value (Youden's index with its sign put right).

    Floats find the candidates, fractions decide among them.
    """
    m, q = int(tp[-1]), int(fp[-1])
    if share is None:
        share = Fraction(1, 2) if criterion is _CRITERIA["closest"] else Fraction(m, m + q)
    # "Nobody" ties with "everybody" under Youden's rule; it is no threshold to recommend there.
    start = 1 if criterion is _CRITERIA["youden"] else 0
    rough: FloatArray = criterion((m - tp) / m, fp / q, float(ratio), float(share))  # type: ignore[arg-type,assignment]
    slack = 1e-12 * (1 + np.abs(rough).max())
    near = np.flatnonzero(rough[start:] <= rough[start:].min() + slack) + start
    exact = [criterion(Fraction(m - int(tp[i]), m), Fraction(int(fp[i]), q), ratio, share) for i in near]
    least = min(exact)
    best = near[[value == least for value in exact]]
    return best, float(-least if criterion is _CRITERIA["youden"] else least)


def _proportion(x: int, size: int, level: float, method: str, n: int, n_events: int) -> Estimate:
    low, high, name = proportion_interval(x, size, level=level, method=method)
    return Estimate(x / size, low, high, level, name, math.sqrt(x * (size - x) / size) / size, n, n_events)
