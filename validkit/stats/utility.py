"""Is acting on the predictions worth it? Net benefit at one threshold.

Net benefit of "treat when risk >= t": NB(t) = TP/n - FP/n * t/(1 - t), in true positives per patient.
At t = 0 it is the prevalence; at t = 1 the weight t/(1 - t) is infinite and net benefit is undefined (NaN).
Whole curves are in `decision_curves`, differences between models in `decision_comparison`, interventions avoided
in `interventions`, costs in `expected_cost`.
Reference: Vickers and Elkin, Med Decis Making 26 (2006) 565-574. R: dcurves `dca`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from validkit.stats.checks import check_binary_risk, check_level, check_threshold, patients
from validkit.stats.decision_curves import decision_curve, decision_grid, se_name, treat_all, treat_none
from validkit.stats.intervals import z_of
from validkit.stats.payoffs import (
    KINDS,
    Asked,
    Utility,
    check_harm,
    check_prevalence,
    class_note,
    net_benefit_payoffs,
    sparse_note,
    treated_counts,
    undefined_note,
    utility,
)
from validkit.stats.results import NAN, Estimate

__all__ = ["decision_curve", "decision_grid", "net_benefit", "treat_all", "treat_none"]


@patients("y_true", "y_prob")
def net_benefit(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    threshold: float,
    level: float = 0.95,
    harm: float = 0.0,
    prevalence: float | None = None,
    standardised: bool = False,
    population: str = "treated",
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Estimate:
    """Net benefit at one threshold t, with the normal interval of the mean of the patients' contributions.

    y_true : (n,) int in {0, 1}; y_prob : (n,) float in [0, 1]
    threshold : in [0, 1), the risk at which one would treat; a patient exactly there is treated
    harm : of obtaining the prediction (a biopsy, a scan), in true positives per patient, taken off
    prevalence : in (0, 1), that of the population the rule is for, where the patients were sampled by outcome
        (case-control): NB = prevalence * sensitivity - (1 - prevalence) (1 - specificity) t/(1 - t), with the variance
        of two independent proportions
    standardised : divided by what perfect prediction is worth (the prevalence), so that 1 is best; where the prevalence
        is estimated its sampling error is in the interval (delta method)
    population : "treated" as above; "untreated" TN/n - FN/n (1 - t)/t, standardised by 1 - prevalence; "overall" their
        sum. Those two are undefined at t = 0

    Where nobody reaches the threshold net benefit is 0 and the interval NaN: no patient informs it. Where fewer than 5
    patients are true, or false, positives the normal interval is too narrow, and the note says so.

    >>> net_benefit([0] * 12 + [1] * 8, [0.1] * 7 + [0.5] * 5 + [0.2] * 2 + [0.7] * 6, threshold=0.4)
    0.1333 [-0.1487, 0.4153] (95% normal, from each patient's contribution; n = 20, 8 events)

    Reference: Vickers and Elkin 2006; variance as in Marsh et al., Biometrics 76 (2020) 843-852; Kerr et al., J Clin
    Oncol 34 (2016) 2534-2540 (standardised); Rousson and Zumbrunn, BMC Med Inform Decis Mak 11 (2011) 45 (untreated,
    overall, case-control). R: dcurves `dca`.
    """
    level, harm, prevalence = check_level(level), check_harm(harm), check_prevalence(prevalence)
    thresholds = np.array([check_threshold(threshold)])
    payoffs = net_benefit_payoffs(thresholds, population)
    y, p = check_binary_risk(y_true, y_prob)
    asked = Asked(prevalence, bool(standardised), population)
    found = utility(payoffs, *treated_counts(y, p, thresholds), asked, harm)
    why = undefined_note(thresholds, population) or class_note(found.totals, asked)
    return estimate_at(found, level, se_name(asked), why, kinds=KINDS[population])


def estimate_at(
    found: Utility, level: float, method: str, undefined: str, *, kinds: str, scale: float = 1.0
) -> Estimate:
    """The single value of a utility, times `scale`, with its interval.

    undefined : why, where it is; kinds : in words, of whom five are needed
    """
    n, m, value = int(found.totals.sum()), int(found.totals[1]), float(found.value[0]) * scale
    if math.isnan(value):
        return Estimate(NAN, level=level, method=method, n=n, n_events=m, note=undefined)
    if math.isnan(found.se[0]):
        nobody = found.treated[:, 0].sum() == 0
        note = f"{'nobody reaches the threshold' if nobody else 'all contribute alike'}: no interval"
        return Estimate(value, level=level, method=method, n=n, n_events=m, note=note)
    (low, high), half = found.limits(level), z_of(level) * found.se[0]
    cut = found.value[0] - half < low[0] or found.value[0] + half > high[0]
    notes = ("interval cut at its bound" if cut else "", sparse_note(found.sparse, np.zeros(1), kinds))
    ends = float(low[0]) * scale, float(high[0]) * scale
    return Estimate(value, *ends, level, method, float(found.se[0]) * scale, n, m, "; ".join(filter(None, notes)))
