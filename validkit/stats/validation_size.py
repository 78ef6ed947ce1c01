"""How many patients it takes to validate a prediction model for a binary outcome with the precision wanted.

References: Riley et al., Stat Med 40 (2021) 4230-4251 and BMJ 384 (2024) e074821; Newcombe, Stat Med 25 (2006) 559-573;
Marsh, Janes and Pepe, Biometrics 76 (2020) 843-852. R: pmvalsampsize.
"""

from __future__ import annotations

import math
from typing import Any

from validkit.errors import InputError
from validkit.stats.checks import check_choice, check_level
from validkit.stats.linear_predictor import LinearPredictor, check_predictor
from validkit.stats.sample_size import Criterion, SampleSize, criterion, largest, number_between, z_published

__all__ = [
    "c_statistic_size",
    "calibration_slope_size",
    "net_benefit_size",
    "observed_expected_size",
    "validation_sample_size",
]

ROUNDING = ("exact", "pmvalsampsize")
STEP = 1e-4


def observed_expected_size(
    *, prevalence: float, width: float = 0.2, ratio: float = 1.0, level: float = 0.95, rounding: str = "exact"
) -> Criterion:
    """Patients for an interval of O:E of a given width: n = (1 - phi)/(phi se^2), se = asinh(width/(2 O:E))/z.

    The interval is normal on the log scale: O:E exp(-+z se). With rounding="pmvalsampsize" se is the next multiple of
    0.0001, as that package searches for it, and the interval comes out a little too wide.

    >>> observed_expected_size(prevalence=0.1)
    O:E: n = 3469

    Reference: Riley et al., Stat Med 40 (2021) 4230-4251. R: pmvalsampsize.
    """
    phi = number_between(prevalence, 0, 1, "prevalence")
    wide, oe = number_between(width, 0, math.inf, "width"), number_between(ratio, 0, math.inf, "ratio")
    se = math.asinh(wide / (2 * oe)) / z_published(check_level(level))
    if check_choice(rounding, ROUNDING, "rounding") == "pmvalsampsize":
        se = math.ceil(se / STEP) * STEP
    return criterion("O:E", (1 - phi) / (phi * se * se), wide, se)


def calibration_slope_size(
    predictor: LinearPredictor,
    *,
    width: float = 0.2,
    slope: float = 1.0,
    intercept: float = 0.0,
    level: float = 0.95,
) -> Criterion:
    """Patients for an interval of the calibration slope of a given width.

    n = I00/(se^2 (I00 I11 - I01^2)), se = width/(2 z), I the information of one patient under the linear predictor's
    distribution, its expectations integrated and not simulated. slope, intercept : the recalibration that is expected.

    >>> calibration_slope_size(LinearPredictor.normal(-5, 2.5))
    calibration slope: n = 4554

    Reference: Riley et al., Stat Med 40 (2021) 4230-4251. R: pmvalsampsize.
    """
    lp = check_predictor(predictor)
    wide = number_between(width, 0, math.inf, "width")
    se = wide / (2 * z_published(check_level(level)))
    a = number_between(intercept, -math.inf, math.inf, "intercept")
    i00, i01, i11 = lp.information(a, number_between(slope, -math.inf, math.inf, "slope"))
    return criterion("calibration slope", i00 / (se * se * (i00 * i11 - i01 * i01)), wide, se)


def c_statistic_size(*, c_statistic: float, prevalence: float, width: float = 0.1, level: float = 0.95) -> Criterion:
    """Patients for an interval of the C statistic of a given width, with Newcombe's standard error (method 4).

    se^2 = C (1 - C) [1 + (n/2 - 1) K]/(n^2 phi (1 - phi)),  K = (1 - C)/(2 - C) + C/(1 + C): a quadratic in n.

    >>> c_statistic_size(c_statistic=0.8, prevalence=0.018)
    C statistic: n = 4252

    Reference: Riley et al., Stat Med 40 (2021) 4230-4251; Newcombe, Stat Med 25 (2006) 559-573.
    """
    c = number_between(c_statistic, 0, 1, "c_statistic")
    phi = number_between(prevalence, 0, 1, "prevalence")
    wide = number_between(width, 0, 1, "width")
    se = wide / (2 * z_published(check_level(level)))
    k = (1 - c) / (2 - c) + c / (1 + c)
    a = se * se * phi * (1 - phi)
    b = c * (1 - c) * k / 2
    exact = (b + math.sqrt(b * b + 4 * a * c * (1 - c) * (1 - k))) / (2 * a)
    return criterion("C statistic", exact, wide, se)


def net_benefit_size(
    *,
    prevalence: float,
    sensitivity: float,
    specificity: float,
    threshold: float,
    width: float = 0.2,
    level: float = 0.95,
    rounding: str = "exact",
) -> Criterion:
    """Patients for an interval of the standardised net benefit of a given width.

    sNB = se - w (1 - sp),  w = (1 - phi)/phi t/(1 - t)
    n = [se (1 - se)/phi + w^2 sp (1 - sp)/(1 - phi) + w^2 (1 - sp)^2/(phi (1 - phi))]/SE^2,  SE = width/(2 z)
    sensitivity, specificity : in [0, 1]. With rounding="pmvalsampsize" SE is rounded to three decimals, as there.

    >>> net_benefit_size(prevalence=0.018, sensitivity=0.8, specificity=0.8, threshold=0.08)
    standardised net benefit: n = 24388

    Reference: Riley et al., Stat Med 40 (2021) 4230-4251; Marsh et al., Biometrics 76 (2020) 843-852.
    """
    phi = number_between(prevalence, 0, 1, "prevalence")
    t = number_between(threshold, 0, 1, "threshold")
    for value, name in ((sensitivity, "sensitivity"), (specificity, "specificity")):
        if not 0 <= value <= 1:
            raise InputError(f"`{name}` must lie in [0, 1], not {value!r}")
    wide = number_between(width, 0, math.inf, "width")
    se = wide / (2 * z_published(check_level(level)))
    if check_choice(rounding, ROUNDING, "rounding") == "pmvalsampsize":
        se = round(math.ceil(se / STEP) * STEP, 3)
    w = (1 - phi) / phi * t / (1 - t)
    among_events = sensitivity * (1 - sensitivity) / phi
    among_others = w * w * specificity * (1 - specificity) / (1 - phi)
    of_prevalence = w * w * (1 - specificity) ** 2 / (phi * (1 - phi))
    value = sensitivity - w * (1 - specificity)
    exact = (among_events + among_others + of_prevalence) / (se * se)
    if exact == 0:
        raise InputError("a sensitivity and specificity of exactly 1 leave no sampling error: no sample size follows")
    return criterion("standardised net benefit", exact, wide, se, f"expected value {value:.4g}")


def validation_sample_size(
    *,
    prevalence: float,
    c_statistic: float,
    predictor: LinearPredictor | None = None,
    ratio: float = 1.0,
    oe_width: float = 0.2,
    slope: float = 1.0,
    intercept: float = 0.0,
    slope_width: float = 0.2,
    c_width: float = 0.1,
    threshold: float | None = None,
    sensitivity: float | None = None,
    specificity: float | None = None,
    net_benefit_width: float = 0.2,
    level: float = 0.95,
    rounding: str = "exact",
) -> SampleSize:
    """Patients needed to validate a model so precisely: the largest n of up to four criteria.

    O:E (`observed_expected_size`), calibration slope where the linear predictor's distribution is given
    (`calibration_slope_size`), C statistic (`c_statistic_size`), and standardised net benefit where a threshold is
    given (`net_benefit_size`), with sensitivity and specificity as given or, without them, as the predictor implies.
    rounding : "exact", or "pmvalsampsize" for that package's steps in the O:E and net-benefit criteria
    The note says where the predictor's mean risk differs from the prevalence by more than a tenth of it.

    >>> validation_sample_size(prevalence=0.018, c_statistic=0.8, predictor=LinearPredictor.normal(-5, 2.5), oe_width=1)
    n = 4554 with 81.97 events, for the calibration slope (O:E 906; calibration slope 4554; C statistic 4252)

    Reference: Riley et al., Stat Med 40 (2021) 4230-4251. R: pmvalsampsize(type = "b").
    """
    phi = number_between(prevalence, 0, 1, "prevalence")
    common: dict[str, Any] = {"prevalence": phi, "level": check_level(level)}
    criteria = [observed_expected_size(width=oe_width, ratio=ratio, rounding=rounding, **common)]
    assumptions: dict[str, Any] = {"prevalence": phi, "c_statistic": c_statistic, "ratio": ratio}
    notes = []
    if predictor is None:
        notes.append("no `predictor`: the calibration slope is left out")
    else:
        criteria.append(
            calibration_slope_size(predictor, width=slope_width, slope=slope, intercept=intercept, level=level)
        )
        implied = predictor.prevalence()
        assumptions |= {"predictor": predictor.name, "slope": slope, "intercept": intercept, "mean_risk": implied}
        if abs(implied - phi) > phi / 10:
            notes.append(f"the predictor's mean risk is {implied:.4g}, the prevalence {phi:g}")
    criteria.append(c_statistic_size(c_statistic=c_statistic, width=c_width, **common))
    if threshold is not None:
        at = _at_threshold(threshold, sensitivity, specificity, predictor)
        criteria.append(
            net_benefit_size(
                sensitivity=at[0],
                specificity=at[1],
                threshold=threshold,
                width=net_benefit_width,
                rounding=rounding,
                **common,
            )
        )
        assumptions |= {"threshold": threshold, "sensitivity": at[0], "specificity": at[1]}
    elif sensitivity is not None or specificity is not None:
        raise InputError("`sensitivity` and `specificity` hold at a `threshold`: give that too")
    binding = largest(tuple(criteria))
    named = "Riley et al. 2021, binary outcome" + ("" if rounding == "exact" else ", pmvalsampsize's rounding")
    return SampleSize(binding.n, binding.n * phi, binding.name, tuple(criteria), assumptions, named, "; ".join(notes))


def _at_threshold(
    threshold: float, sensitivity: float | None, specificity: float | None, predictor: LinearPredictor | None
) -> tuple[float, float]:
    if sensitivity is not None and specificity is not None:
        return sensitivity, specificity
    if sensitivity is not None or specificity is not None:
        raise InputError("give both `sensitivity` and `specificity`, or neither and a `predictor`")
    if predictor is None:
        raise InputError("net benefit needs `sensitivity` and `specificity` at the threshold, or a `predictor`")
    return predictor.at_threshold(threshold)
