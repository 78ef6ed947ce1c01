"""What a rule's mistakes cost: expected cost per patient, at the threshold in use or at the cheapest one.

EC = cost_FN * FN/n + cost_FP * FP/n. A threshold t implies a ratio of costs, cost_FN/cost_FP = (1 - t)/t; with these,
scaled to sum to 1, net benefit is prevalence - EC/(1 - t), so both order rules alike at one threshold.
Reference: Van Calster et al., Lancet Digit Health 7 (2025) 100916; Drummond and Holte, Mach Learn 65 (2006) 95-130.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from validkit.errors import InputError
from validkit.stats.checks import (
    FloatArray,
    IntArray,
    check_binary_risk,
    check_choice,
    check_level,
    check_threshold,
    patients,
)
from validkit.stats.decision_curves import Words, curve_of, grid_of, se_name
from validkit.stats.payoffs import Asked, check_prevalence, class_note, cost_payoffs, treated_counts, utility
from validkit.stats.results import NAN, Curve, Estimate, Record
from validkit.stats.simultaneous import REPLICATES, Band
from validkit.stats.utility import estimate_at

__all__ = ["MinimumCost", "cost_curve", "expected_cost", "minimum_expected_cost"]

_KINDS = "false positives or false negatives"
_INFINITE = "undefined at a threshold of 0: the cost of a false negative, (1 - t)/t, is infinite; normalised it is not"


def _check_cost(cost: float, name: str) -> float:
    if isinstance(cost, bool) or not isinstance(cost, (int, float, np.number)) or not 0 <= cost < math.inf:
        raise InputError(f"`{name}` must be a number of at least 0; it is {cost!r}")
    return float(cost)


def _costs(fn: float | None, fp: float | None, threshold: float, normalised: bool) -> tuple[float, float]:
    """Costs of a false negative and a false positive: as given, or those that the threshold implies."""
    if (fn is None) != (fp is None):
        raise InputError("give both `cost_false_negative` and `cost_false_positive`, or neither")
    if fn is None or fp is None:
        if normalised:
            return 1 - threshold, threshold
        return ((1 - threshold) / threshold if threshold > 0 else math.inf), 1.0
    pair = _check_cost(fn, "cost_false_negative"), _check_cost(fp, "cost_false_positive")
    total = sum(pair)
    if total == 0:
        raise InputError("`cost_false_negative` and `cost_false_positive` are both 0: nothing costs anything")
    return (pair[0] / total, pair[1] / total) if normalised else pair


@patients("y_true", "y_prob")
def expected_cost(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    threshold: float,
    cost_false_negative: float | None = None,
    cost_false_positive: float | None = None,
    normalised: bool = False,
    prevalence: float | None = None,
    level: float = 0.95,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Estimate:
    """Expected cost per patient of treating at a threshold, with the normal interval of the patients' mean cost.

    y_true : (n,) int in {0, 1}; y_prob : (n,) float in [0, 1]
    threshold : in [0, 1]; a patient exactly there is treated
    cost_false_negative, cost_false_positive : at least 0, in any unit. Without them a false positive costs 1 and a
        false negative (1 - t)/t, which the threshold implies: infinite at t = 0, where the value is NaN
    normalised : scale the two costs to sum to 1 (t and 1 - t where the threshold implies them)
    prevalence : in (0, 1), of the population the rule is for, where the patients were sampled by outcome:
        EC = cost_FN * prevalence * (1 - sensitivity) + cost_FP * (1 - prevalence) (1 - specificity)

    The interval is cut to what a patient can cost. Where everybody costs the same (no mistake at all) it is NaN.

    >>> expected_cost([0, 0, 0, 1, 1, 1], [0.1, 0.6, 0.3, 0.5, 0.9, 0.2], threshold=0.25).value
    0.8333333333333333

    Reference: Van Calster et al. 2025; Drummond and Holte 2006.
    """
    level, asked = check_level(level), Asked(check_prevalence(prevalence))
    thresholds = np.array([check_threshold(threshold)])
    fn, fp = _costs(cost_false_negative, cost_false_positive, float(thresholds[0]), normalised)
    y, p = check_binary_risk(y_true, y_prob)
    treated, totals = treated_counts(y, p, thresholds)
    unit = max(fn, fp) if math.isfinite(fn) else NAN
    payoffs = cost_payoffs(np.array([fp / unit]), np.array([fn / unit]))
    why = class_note(totals, asked) or _INFINITE
    found = utility(payoffs, treated, totals, asked)
    return estimate_at(found, level, se_name(asked), why, kinds=_KINDS, scale=unit)


@dataclass(frozen=True)
class MinimumCost(Record):
    """The lowest expected cost over all thresholds, and the lowest threshold that reaches it.

    threshold : infinite where treating nobody is cheapest
    """

    cost: float
    threshold: float
    cost_ratio: float
    normalised: bool = False
    n: int | None = None
    n_events: int | None = None
    note: str = ""
    n_missing: int = 0


def _mistakes(y: IntArray, p: FloatArray, prevalence: float | None) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Every rule there is (each distinct risk as threshold, then nobody) with its share of missed events and of
    patients treated in vain."""
    risks, place = np.unique(p, return_inverse=True)
    events = np.bincount(place, weights=y, minlength=risks.size)
    others = np.bincount(place, minlength=risks.size) - events
    m, n = float(y.sum()), y.size
    missed = np.concatenate([[0.0], events.cumsum()])
    in_vain = (n - m) - np.concatenate([[0.0], others.cumsum()])
    if prevalence is None:
        return np.append(risks, math.inf), missed / n, in_vain / n
    with np.errstate(invalid="ignore"):
        return np.append(risks, math.inf), prevalence * missed / m, (1 - prevalence) * in_vain / (n - m)


@patients("y_true", "y_prob")
def minimum_expected_cost(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    cost_ratio: float,
    normalised: bool = False,
    prevalence: float | None = None,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> MinimumCost:
    """Expected cost at the threshold that makes it lowest, as Van Calster et al. define the measure.

    y_true : (n,) int in {0, 1}; y_prob : (n,) float in [0, 1]
    cost_ratio : cost of a false negative over cost of a false positive, positive; (1 - t)/t for a threshold of t. A
        false positive costs 1 unless `normalised`, which scales the two costs to sum to 1
    prevalence : in (0, 1), declared where the patients were sampled by outcome

    The threshold is chosen and judged on the same patients: the value is too good, and no interval is given. All
    distinct risks are tried, and treating nobody. Unlike `expected_cost` it does not look at calibration.

    >>> minimum_expected_cost([0, 0, 1, 1], [0.1, 0.4, 0.3, 0.8], cost_ratio=4)
    MinimumCost(cost=0.25, threshold=0.3, cost_ratio=4.0, normalised=False, n=4, n_events=2, note='', n_missing=0)

    Reference: Van Calster et al., Lancet Digit Health 7 (2025) 100916.
    """
    ratio, asked = _check_cost(cost_ratio, "cost_ratio"), Asked(check_prevalence(prevalence))
    if ratio == 0:
        raise InputError("`cost_ratio` must be positive: at 0 a missed event costs nothing")
    y, p = check_binary_risk(y_true, y_prob)
    m, unit = int(y.sum()), (1 + ratio if normalised else 1.0)
    rules, missed, in_vain = _mistakes(y, p, asked.prevalence)
    cost = (ratio * missed + in_vain) / unit
    why = class_note(np.array([y.size - m, m]), asked)
    if why:
        return MinimumCost(NAN, NAN, ratio, normalised, y.size, m, why)
    best = int(cost.argmin())
    note = "treating nobody is cheapest" if best == rules.size - 1 else ""
    return MinimumCost(float(cost[best]), float(rules[best]), ratio, normalised, y.size, m, note)


@patients("y_true", "y_prob")
def cost_curve(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    costs: ArrayLike | None = None,
    rule: str = "implied",
    prevalence: float | None = None,
    level: float = 0.95,
    band: str = "pointwise",
    rng: np.random.Generator | int | None = None,
    replicates: int = REPLICATES,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Curve:
    """Expected cost per patient over the normalised cost c of a false positive (a false negative costs 1 - c).

    y_true : (n,) int in {0, 1}; y_prob : (n,) float in [0, 1]
    costs : strictly increasing, in [0, 1]; 0 to 0.99 by 0.01 unless given
    rule : "implied": treat at a risk of c, the threshold that these costs imply, with a pointwise or simultaneous band;
        "cheapest": at the threshold that makes the cost lowest in these patients, without a band

    >>> cost_curve([0, 0, 1, 1], [0.1, 0.4, 0.3, 0.8], costs=[0.2, 0.5]).y.tolist()
    [0.05, 0.125]

    Reference: Drummond and Holte 2006; Van Calster et al. 2025.
    """
    check_choice(rule, ("implied", "cheapest"), "rule")
    wanted, asked = Band(level, band, rng, replicates), Asked(check_prevalence(prevalence))
    grid = grid_of(costs)
    y, p = check_binary_risk(y_true, y_prob)
    if rule == "implied":
        found = utility(cost_payoffs(grid, 1 - grid), *treated_counts(y, p, grid), asked)
        words = Words("at the implied threshold", "expected cost", _KINDS)
        return replace(curve_of(found, grid, asked, wanted, words), x_name="cost of a false positive")
    _, missed, in_vain = _mistakes(y, p, asked.prevalence)
    lowest = np.array([((1 - c) * missed + c * in_vain).min() for c in grid])
    m = int(y.sum())
    return Curve(
        grid,
        lowest,
        level=level,
        method="at the cheapest threshold of these patients",
        x_name="cost of a false positive",
        y_name="expected cost",
        n=y.size,
        n_events=m,
        note=class_note(np.array([y.size - m, m]), asked) or "optimised on these patients: no band",
    )
