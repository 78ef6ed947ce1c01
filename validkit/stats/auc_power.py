"""Power and sample size for one AUC against one half, and for two AUCs of the same patients.

All variances here are multiplied by the number of events m (they are "per event"); kappa is the number of non-events
per event. Power solves sqrt(m) |delta| = z_alpha sqrt(V0) + z_beta sqrt(VA), with V0 under the null hypothesis and VA
under the alternative.

References: Obuchowski and McClish, Stat Med 16 (1997) 1529-1542; Obuchowski, Lieber and Wians, Clin Chem 50 (2004)
1118-1125; DeLong et al., Biometrics 44 (1988) 837-845. R: pROC `power.roc.test`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from validkit.errors import InputError
from validkit.stats.checks import as_float, check_choice, check_count, check_outcome
from validkit.stats.discrimination import delong_covariance
from validkit.stats.results import Record
from validkit.stats.sample_size import number_between

__all__ = [
    "AucDesign",
    "AucPower",
    "binormal_design",
    "comparison_power",
    "comparison_sample_size",
    "pilot_design",
    "single_auc_design",
]

SIDES = ("two-sided", "one-sided")


@dataclass(frozen=True)
class AucDesign(Record):
    """What the power depends on: the difference to detect, its variances per event, and the non-events per event.

    delta : AUC minus one half, or the first AUC minus the second
    """

    delta: float
    null_variance: float
    variance: float
    ratio: float
    method: str
    auc: float
    auc_b: float | None = None


@dataclass(frozen=True, repr=False)
class AucPower(Record):
    """Power of a test of AUCs with so many events and non-events.

    exact_events : the number of events before it was rounded up, where a power was asked for
    """

    power: float
    n_events: int
    n_others: int
    exact_events: float
    alpha: float
    alternative: str
    design: AucDesign
    method: str = ""
    note: str = ""

    def __repr__(self) -> str:
        return (
            f"power {self.power:.4g} with {self.n_events} events and {self.n_others} non-events "
            f"({self.alternative}, alpha = {self.alpha:g}; {self.method})"
        )


def single_auc_design(auc: float, *, ratio: float = 1.0) -> AucDesign:
    """One AUC against 0.5, by Obuchowski's approximation for ordinal ratings with normal errors.

    VA = 0.0099 exp(-A^2/2) [(5 A^2 + 8) + (A^2 + 8)/kappa], A = 1.414 Phi^-1(AUC);  V0 = 0.0792 (1 + 1/kappa)
    auc : in (0, 1) but not 0.5; ratio : kappa, non-events per event

    >>> comparison_power(single_auc_design(0.75, ratio=72 / 41), n_events=41)
    power 0.9969 with 41 events and 72 non-events (two-sided, alpha = 0.05; Obuchowski, one AUC)

    Reference: Obuchowski et al., Clin Chem 50 (2004) 1118-1125. R: pROC `power.roc.test`.
    """
    theta = number_between(auc, 0, 1, "auc")
    kappa = number_between(ratio, 0, math.inf, "ratio")
    a2 = (1.414 * float(special.ndtri(theta))) ** 2
    variance = 0.0099 * math.exp(-a2 / 2) * (5 * a2 + 8 + (a2 + 8) / kappa)
    return _design(theta - 0.5, 0.0792 * (1 + 1 / kappa), variance, kappa, "Obuchowski, one AUC", theta, None)


def binormal_design(
    auc: float,
    auc_b: float,
    *,
    correlation_events: float,
    correlation_others: float,
    ratio: float = 1.0,
    spread: float = 1.0,
    spread_b: float = 1.0,
    null: str = "first",
    variance: str = "complete",
) -> AucDesign:
    """Two AUCs of the same patients whose scores are binormal: Obuchowski and McClish's covariance.

    A = sqrt(1 + B^2) Phi^-1(AUC), B the ratio of the scores' standard deviations, non-events over events (`spread`);
    f = exp(-A^2/2/(1 + B^2))/sqrt(2 pi (1 + B^2)), g = -f A B/(1 + B^2)
    var = f^2 (1 + B^2/kappa + A^2/2) + g^2 B^2 (1 + kappa)/(2 kappa) + f g A B
    cov = f1 f2 (ra + rn B1 B2/kappa + ra^2 A1 A2/2) + g1 g2 B1 B2 (rn^2 + kappa ra^2)/(2 kappa)
          + f1 g2 ra^2 A1 B2/2 + f2 g1 ra^2 A2 B1/2
    VA = var1 + var2 - 2 cov
    variance : "complete", or "proc" without the term f g A B, which pROC 1.18 leaves out of var, though not of cov; the
        term is negative, so that pROC's VA is too large (of two equal scores it is not even 0) and its study, too
    null : "first", V0 = 2 var1 - 2 cov with the first model's variance, as in pROC; or "both", V0 = VA, the same
        whichever model comes first and the variance that DeLong's test itself uses
    auc, auc_b : in (0, 1), different; correlation_events (ra), correlation_others (rn) : of the two scores, in [-1, 1]

    >>> design = binormal_design(0.8, 0.75, correlation_events=0.5, correlation_others=0.5, ratio=3)
    >>> comparison_sample_size(design, power=0.8)
    power 0.8018 with 200 events and 600 non-events (two-sided, alpha = 0.05; Obuchowski and McClish, binormal)

    These are the variances of fitted binormal AUCs; DeLong's variance of the same scores is some 3% larger with equal
    spreads, 8% with unlike ones.
    Reference: Obuchowski and McClish, Stat Med 16 (1997) 1529-1542. R: pROC `power.roc.test(list(A1, B1, ...))`.
    """
    kappa = number_between(ratio, 0, math.inf, "ratio")
    ra, rn = correlation_events, correlation_others
    for value, name in ((ra, "correlation_events"), (rn, "correlation_others")):
        if not -1 <= value <= 1:
            raise InputError(f"`{name}` must lie in [-1, 1], not {value!r}")
    b1, b2 = number_between(spread, 0, math.inf, "spread"), number_between(spread_b, 0, math.inf, "spread_b")
    areas = number_between(auc, 0, 1, "auc"), number_between(auc_b, 0, 1, "auc_b")
    a1, a2 = (math.sqrt(1 + b * b) * float(special.ndtri(c)) for c, b in zip(areas, (b1, b2), strict=True))
    (f1, g1), (f2, g2) = _partials(a1, b1), _partials(a2, b2)
    mixed = 1.0 if check_choice(variance, ("complete", "proc"), "variance") == "complete" else 0.0
    covariance = (
        f1 * f2 * (ra + rn * b1 * b2 / kappa + ra * ra * a1 * a2 / 2)
        + g1 * g2 * b1 * b2 * (rn * rn + kappa * ra * ra) / (2 * kappa)
        + ra * ra / 2 * (f1 * g2 * a1 * b2 + f2 * g1 * a2 * b1)
    )
    first, second = (
        f * f * (1 + b * b / kappa + a * a / 2) + g * g * b * b * (1 + kappa) / (2 * kappa) + mixed * f * g * a * b
        for a, b, f, g in ((a1, b1, f1, g1), (a2, b2, f2, g2))
    )
    return _design(
        areas[0] - areas[1],
        *_variances(first, second, covariance, null),
        kappa,
        "Obuchowski and McClish, binormal",
        *areas,
    )


def _variances(first: float, second: float, covariance: float, null: str) -> tuple[float, float]:
    """V0 and VA."""
    alternative = first + second - 2 * covariance
    check_choice(null, ("first", "both"), "null")
    return (2 * first - 2 * covariance if null == "first" else alternative), alternative


def _partials(a: float, b: float) -> tuple[float, float]:
    """Derivatives of the binormal AUC Phi(A/sqrt(1 + B^2)) by A and by B."""
    f = math.exp(-a * a / (2 * (1 + b * b))) / math.sqrt(2 * math.pi * (1 + b * b))
    return f, -f * a * b / (1 + b * b)


def pilot_design(y_true: ArrayLike, prob_a: ArrayLike, prob_b: ArrayLike, *, null: str = "first") -> AucDesign:
    """Two AUCs as found in a pilot study, with DeLong's covariance there.

    y_true : (n,) int in {0, 1}; prob_a, prob_b : (n,) finite, higher means more likely. VA = m (v1 + v2 - 2 c) and
    V0 = m (2 v1 - 2 c) as in pROC, or V0 = VA (`null`, see `binormal_design`). A difference found in a small pilot is a
    poor guess of the true one: planning with the observed difference often gives too small a study.

    >>> design = pilot_design([0, 0, 0, 1, 1, 1], [1, 2, 4, 3, 5, 6], [2, 1, 5, 4, 3, 6], null="both")
    >>> round(design.delta, 4), round(design.variance, 4)
    (0.1111, 0.0741)

    Reference: DeLong et al., Biometrics 44 (1988) 837-845. R: pROC `power.roc.test(roc1, roc2)`.
    """
    y = check_outcome(y_true)
    m, others = int(y.sum()), int((1 - y).sum())
    if m < 2 or others < 2:
        raise InputError(f"a pilot needs two events and two non-events at least; `y_true` has {m} and {others}")
    scores = [as_float(prob_a, "prob_a"), as_float(prob_b, "prob_b")]
    for score, name in zip(scores, ("prob_a", "prob_b"), strict=True):
        if score.size != y.size:
            raise InputError(f"`y_true` has {y.size} patients and `{name}` has {score.size}")
    areas, cov = delong_covariance(y, np.stack(scores))
    first, second, shared = (m * float(v) for v in (cov[0, 0], cov[1, 1], cov[0, 1]))
    return _design(
        float(areas[0] - areas[1]),
        *_variances(first, second, shared, null),
        others / m,
        "DeLong, pilot data",
        float(areas[0]),
        float(areas[1]),
    )


def _design(
    delta: float, null: float, variance: float, ratio: float, method: str, auc: float, auc_b: float | None
) -> AucDesign:
    if delta == 0:
        raise InputError(
            f"there is no difference to detect: {'AUC 0.5' if auc_b is None else f'both AUCs are {auc:g}'}"
        )
    if not (null > 0 and variance > 0):
        raise InputError(
            f"the variance of the difference must be above 0; it is {null:.3g} under the null and {variance:.3g} under "
            "the alternative; null='both' may help, or check the correlations"
        )
    return AucDesign(delta, null, variance, ratio, method, auc, auc_b)


def _z_alpha(alpha: float, alternative: str) -> float:
    tail = number_between(alpha, 0, 1, "alpha")
    two = check_choice(alternative, SIDES, "alternative") == "two-sided"
    return float(-special.ndtri(tail / 2 if two else tail))


def _power(design: AucDesign, events: float, z: float) -> float:
    shifted = math.sqrt(events) * abs(design.delta) - z * math.sqrt(design.null_variance)
    return float(special.ndtr(shifted / math.sqrt(design.variance)))


def comparison_power(
    design: AucDesign, *, n_events: int, alpha: float = 0.05, alternative: str = "two-sided"
) -> AucPower:
    """Power of the test with a number of events, and the design's ratio of non-events to each.

    power = Phi((sqrt(m) |delta| - z_alpha sqrt(V0))/sqrt(VA)). The chance of a significant result in the wrong
    direction is left out, as in pROC. alternative : "two-sided" (alpha/2) or "one-sided", in the direction of delta.

    >>> design = binormal_design(0.75, 0.85, correlation_events=0.5, correlation_others=0.5)
    >>> round(comparison_power(design, n_events=60).power, 3)
    0.537

    Reference: Obuchowski and McClish, Stat Med 16 (1997) 1529-1542. R: pROC `power.roc.test`.
    """
    m = check_count(n_events, "n_events")
    power = _power(design, m, _z_alpha(alpha, alternative))
    others = math.ceil(round(m * design.ratio, 9))
    return AucPower(power, m, others, float(m), alpha, alternative, design, design.method)


def comparison_sample_size(
    design: AucDesign, *, power: float = 0.8, alpha: float = 0.05, alternative: str = "two-sided"
) -> AucPower:
    """Events and non-events that give the test a power: m = (z_alpha sqrt(V0) + z_beta sqrt(VA))^2/delta^2, rounded up.

    `power` of the result is that of the whole number of events; `exact_events` is pROC's fractional one.

    >>> comparison_sample_size(single_auc_design(0.8), power=0.9)
    power 0.9069 with 17 events and 17 non-events (two-sided, alpha = 0.05; Obuchowski, one AUC)

    Reference: Obuchowski and McClish, Stat Med 16 (1997) 1529-1542. R: pROC `power.roc.test`.
    """
    z = _z_alpha(alpha, alternative)
    z_beta = float(special.ndtri(number_between(power, 0, 1, "power")))
    needed = z * math.sqrt(design.null_variance) + z_beta * math.sqrt(design.variance)
    if needed <= 0:
        raise InputError(f"a `power` of {power:g} is had without any patient at alpha = {alpha:g}; ask for more")
    exact = (needed / design.delta) ** 2
    m = math.ceil(exact)
    others = math.ceil(round(m * design.ratio, 9))
    return AucPower(_power(design, m, z), m, others, exact, alpha, alternative, design, design.method)
