"""On which scale each measure is close to normal: the one table that pooling over sites and over imputations reads.

Pooling averages estimates and adds variances, which is right where the sampling distribution is near normal. The answer
is brought back to the measure's own scale.

References: Snell et al., Stat Methods Med Res 27 (2018) 3505-3522 and Debray et al., BMJ 356 (2017) i6460 (AUC, O:E,
slope); Marshall et al., BMC Med Res Methodol 9 (2009) 57 and White, Royston and Wood, Stat Med 30 (2011) 377-399
(imputations); Wynants et al., Stat Med 37 (2018) 2034-2052 (net benefit); Reitsma et al., J Clin Epidemiol 58 (2005)
982-990 (accuracy of tests); Boyd, Eng and Page, ECML PKDD (2013) 451-466 (precision-recall).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from scipy import special

from validkit.errors import InputError
from validkit.stats.intervals import z_of
from validkit.stats.results import NAN, Estimate

__all__ = ["SCALES", "Scale"]


@dataclass(frozen=True)
class Transform:
    """A scale: there (`forward`), back, the derivative of back as a function of the value, and the open range."""

    forward: Callable[[Any], Any]
    back: Callable[[Any], Any]
    slope: Callable[[Any], Any]
    low: float
    high: float


TRANSFORMS: Mapping[str, Transform] = MappingProxyType(
    {
        "identity": Transform(lambda x: x, lambda x: x, lambda x: 1.0 + 0 * x, -math.inf, math.inf),
        "logit": Transform(special.logit, special.expit, lambda x: x * (1 - x), 0.0, 1.0),
        "log": Transform(np.log, np.exp, lambda x: x, 0.0, math.inf),
        "fisher-z": Transform(np.arctanh, np.tanh, lambda x: 1 - x**2, -1.0, 1.0),
    }
)


@dataclass(frozen=True)
class Scale:
    """The scale of one measure, and why."""

    name: str
    reason: str


_AREA = Scale("logit", "lies in (0, 1); skewed near 1 (Snell et al. 2018; Debray et al. 2017)")
_PRECISION = Scale("logit", "lies in (0, 1); its interval is made on the logit (Boyd et al. 2013)")
_SHARE = Scale("logit", "a proportion (Reitsma et al. 2005)")
_RATIO = Scale("log", "a ratio: half is as far from 1 as double (Debray et al. 2017)")
_LIKE_A_CORRELATION = Scale("fisher-z", "lies in (-1, 1) like a correlation (White et al. 2011)")
_COEFFICIENT = Scale("identity", "a regression coefficient (Rubin 1987; Snell et al. 2018)")
_MEAN = Scale("identity", "a mean over patients, near normal by the central limit theorem (Marshall et al. 2009)")
_CLINICAL = Scale("identity", "a weighted mean over patients that may be negative (Wynants et al. 2018)")
_EXPLAINED = Scale("identity", "may be negative at given risks, so it has no root for Fisher's z; a mean, scaled")
_DISTANCE = Scale("log", "above 0 and skewed to the right; the literature has no rule for it")

SCALES: Mapping[str, Scale] = MappingProxyType(
    {
        "auc": _AREA,
        "auprc": _PRECISION,
        "partial_auc": Scale("identity", "its range depends on the part that is meant, so it has no logit of its own"),
        "average_precision": _PRECISION,
        "observed_expected": _RATIO,
        "calibration_in_the_large": _COEFFICIENT,
        "calibration_slope": _COEFFICIENT,
        "calibration_intercept": _COEFFICIENT,
        "eci": _DISTANCE,
        "ici": _DISTANCE,
        "e50": _DISTANCE,
        "e90": _DISTANCE,
        "emax": _DISTANCE,
        "ece": _DISTANCE,
        "log_likelihood": _MEAN,
        "log_loss": _MEAN,
        "brier": _MEAN,
        "scaled_brier": _EXPLAINED,
        "mcfadden_r2": _EXPLAINED,
        "cox_snell_r2": _EXPLAINED,
        "nagelkerke_r2": _EXPLAINED,
        "discrimination_slope": _MEAN,
        "mape": _MEAN,
        "accuracy": _SHARE,
        "balanced_accuracy": _SHARE,
        "youden_index": Scale("fisher-z", "lies in (-1, 1); the same as the balanced accuracy on the logit scale"),
        "diagnostic_odds_ratio": _RATIO,
        "kappa": _LIKE_A_CORRELATION,
        "f1": _SHARE,
        "mcc": _LIKE_A_CORRELATION,
        "sensitivity": _SHARE,
        "specificity": _SHARE,
        "ppv": _SHARE,
        "npv": _SHARE,
        "positive_likelihood_ratio": _RATIO,
        "negative_likelihood_ratio": _RATIO,
        "net_benefit": _CLINICAL,
        "standardised_net_benefit": _CLINICAL,
        "expected_cost": _CLINICAL,
        "interventions_avoided": _CLINICAL,
    }
)


def scale_of(metric: str, scale: str | None = None) -> str:
    """The scale of a registered metric, or the one that is given for a measure of one's own."""
    if scale is not None:
        if scale not in TRANSFORMS:
            raise InputError(
                f"the scale of {metric!r} must be one of {', '.join(map(repr, TRANSFORMS))}, not {scale!r}"
            )
        return scale
    if metric not in SCALES:
        raise InputError(
            f"no scale is known for {metric!r}: it is no registered metric; give one of {', '.join(TRANSFORMS)} for it"
        )
    return SCALES[metric].name


def on_scale(estimate: Estimate, scale: str) -> tuple[float, float, str, str]:
    """(value, standard error, where that came from, why there is none) of an estimate on a scale.

    The standard error is the estimate's own (by the delta method where it is not on the scale already), or else the
    width of its interval on the scale over twice the normal quantile.
    """
    transform = TRANSFORMS[scale]
    if not math.isfinite(estimate.value):
        return NAN, NAN, "", estimate.note or "the estimate is undefined"
    if not transform.low < estimate.value < transform.high:
        return NAN, NAN, "", f"{estimate.value:g} has no finite {scale}"
    value = float(transform.forward(estimate.value))
    if math.isfinite(estimate.se) and re.search(rf"se of the {scale}\b", estimate.method):
        return value, estimate.se, "standard error", ""
    if math.isfinite(estimate.se) and "se of the" not in estimate.method:
        return value, float(estimate.se / transform.slope(estimate.value)), "standard error", ""
    if not transform.low < estimate.low <= estimate.high < transform.high:
        return value, NAN, "", estimate.note or f"it has neither a standard error nor an interval with a finite {scale}"
    low, high = (float(transform.forward(end)) for end in (estimate.low, estimate.high))
    return value, (high - low) / (2 * z_of(estimate.level)), "confidence interval", ""


def back_on(scale: str, pooled: Estimate) -> Estimate:
    """An estimate brought back from its pooling scale; its standard error by the delta method."""
    if scale == "identity":
        return pooled
    transform = TRANSFORMS[scale]
    value, low, high = (float(transform.back(x)) for x in (pooled.value, pooled.low, pooled.high))
    se = float(pooled.se * transform.slope(value))
    return replace(pooled, value=value, low=low, high=high, se=se, method=f"{pooled.method}, on the {scale} scale")
