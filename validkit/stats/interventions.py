"""Interventions avoided: how many fewer patients are treated than if everybody were, with no event missed for it.

Net reduction in interventions at threshold t, per patient: TN/n - FN/n * (1 - t)/t. It is the gain in net benefit over
treating everybody, divided by t/(1 - t). Reference: Vickers et al., BMC Med Inform Decis Mak 8 (2008) 53.
R: dcurves `net_intervention_avoided`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from validkit.errors import InputError
from validkit.stats.checks import check_binary_risk, check_level, check_threshold, patients
from validkit.stats.decision_curves import Words, curve_of, grid_of, se_name
from validkit.stats.payoffs import (
    KINDS,
    Asked,
    check_harm,
    check_prevalence,
    class_note,
    inverse_odds,
    net_benefit_payoffs,
    treated_counts,
    undefined_note,
    utility,
)
from validkit.stats.results import Curve, Estimate
from validkit.stats.simultaneous import REPLICATES, Band
from validkit.stats.utility import estimate_at

__all__ = ["interventions_avoided", "interventions_avoided_curve"]


def _check_per(per: float) -> float:
    if isinstance(per, bool) or not isinstance(per, (int, float, np.number)) or not 0 < per < math.inf:
        raise InputError(f"`per` must be a positive number of patients, e.g. 100; it is {per!r}")
    return float(per)


@patients("y_true", "y_prob")
def interventions_avoided(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    threshold: float,
    per: float = 100,
    level: float = 0.95,
    harm: float = 0.0,
    prevalence: float | None = None,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Estimate:
    """Net reduction in interventions per 100 patients, against treating everybody, with a normal interval.

    y_true : (n,) int in {0, 1}; y_prob : (n,) float in [0, 1]
    threshold : in (0, 1]; at 0 the weight (1 - t)/t is infinite and the reduction undefined (NaN)
    per : patients to whom the number refers
    harm : of obtaining the prediction, in net benefit per patient (true positives); harm (1 - t)/t is taken off
    prevalence : in (0, 1), of the population the rule is for, where the patients were sampled by outcome

    A negative value says that treating everybody is better.

    >>> interventions_avoided([0, 0, 0, 1, 1, 1], [0.1, 0.3, 0.6, 0.5, 0.9, 0.2], threshold=0.2).value
    16.666666666666664

    Reference: Vickers et al. 2008. R: dcurves `net_intervention_avoided(nper = 100)`.
    """
    level, harm, per = check_level(level), check_harm(harm), _check_per(per)
    asked = Asked(check_prevalence(prevalence), population="untreated")
    thresholds = np.array([check_threshold(threshold)])
    payoffs = net_benefit_payoffs(thresholds, "untreated")
    y, p = check_binary_risk(y_true, y_prob)
    found = utility(payoffs, *treated_counts(y, p, thresholds), asked, harm * inverse_odds(thresholds))
    why = undefined_note(thresholds, "untreated") or class_note(found.totals, asked)
    return estimate_at(found, level, se_name(asked), why, kinds=KINDS["untreated"], scale=per)


@patients("y_true", "y_prob")
def interventions_avoided_curve(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    thresholds: ArrayLike | None = None,
    per: float = 100,
    level: float = 0.95,
    band: str = "pointwise",
    harm: float = 0.0,
    prevalence: float | None = None,
    rng: np.random.Generator | int | None = None,
    replicates: int = REPLICATES,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Curve:
    """Net reduction in interventions per 100 patients over thresholds; options as in `interventions_avoided`.

    The band is pointwise or simultaneous as in `decision_curve`, which see.

    >>> interventions_avoided_curve([0, 0, 1, 1], [0.1, 0.4, 0.3, 0.8], thresholds=[0.2, 0.5]).y.tolist()
    [25.0, 25.0]

    Reference: Vickers and Elkin, Med Decis Making 26 (2006) 565-574. R: dcurves `net_intervention_avoided`.
    """
    wanted, grid = Band(level, band, rng, replicates), grid_of(thresholds)
    harm, per = check_harm(harm), _check_per(per)
    asked = Asked(check_prevalence(prevalence), population="untreated")
    payoffs = net_benefit_payoffs(grid, "untreated")
    y, p = check_binary_risk(y_true, y_prob)
    found = utility(payoffs, *treated_counts(y, p, grid), asked, harm * inverse_odds(grid))
    name = f"interventions avoided per {per:g} patients"
    words = Words("model against treat all", name, KINDS["untreated"], undefined_note(grid, "untreated"))
    return curve_of(found, grid, asked, wanted, words, per)
