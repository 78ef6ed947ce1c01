"""How many patients it takes to develop a prediction model for a binary outcome (Riley's criteria).

Letters as in the papers: P candidate parameters, phi the prevalence, R2 Cox and Snell's, S the shrinkage.
References: Riley et al., Stat Med 38 (2019) 1276-1296 and BMJ 368 (2020) m441; van Smeden et al., Stat Methods Med
Res 28 (2019) 2455-2474. R: pmsampsize.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from validkit.errors import InputError
from validkit.stats.checks import check_count
from validkit.stats.results import NAN
from validkit.stats.sample_size import (
    Criterion,
    SampleSize,
    criterion,
    gauss_legendre,
    largest,
    number_between,
    z_published,
)

__all__ = ["DevelopmentSize", "cox_snell_from_auc", "development_sample_size", "maximum_cox_snell"]

SHRINKAGE, OPTIMISM, RISK, ERROR = "shrinkage", "optimism in R2", "overall risk", "mean absolute error"


@dataclass(frozen=True, repr=False)
class DevelopmentSize(SampleSize):
    """Sample size for development.

    cox_snell_r2, maximum_r2, nagelkerke_r2 : the fit expected of the model; nagelkerke_r2 = cox_snell_r2/maximum_r2
    shrinkage : the larger of the shrinkage asked for and that implied by the optimism criterion, as pmsampsize reports
    events_per_parameter : n phi/P, a consequence of the criteria and not a rule
    """

    cox_snell_r2: float = NAN
    maximum_r2: float = NAN
    nagelkerke_r2: float = NAN
    shrinkage: float = NAN
    events_per_parameter: float = NAN


def maximum_cox_snell(prevalence: float) -> float:
    """The largest possible Cox-Snell R2, 1 - (phi^phi (1 - phi)^(1 - phi))^2: 0.75 at a prevalence of one half.

    >>> round(maximum_cox_snell(0.174), 4)
    0.6032

    Reference: Riley et al., Stat Med 38 (2019) 1276-1296. R: pmsampsize.
    """
    phi = number_between(prevalence, 0, 1, "prevalence")
    return float(-math.expm1(2 * (special.xlogy(phi, phi) + special.xlog1py(1 - phi, -phi))))


def cox_snell_from_auc(auc: float, *, prevalence: float) -> float:
    """Cox-Snell R2 of a well-calibrated model with a given AUC, if its linear predictor is normal in both groups.

    x ~ N(0, 1) in non-events and N(mu, 1) in events, mu = sqrt(2) Phi^-1(AUC); logit p = logit phi + mu x - mu^2/2;
    R2 = 1 - exp(2 (l0 - l)), l = phi E1[log p] + (1 - phi) E0[log(1 - p)], l0 the same without x. The expectations are
    integrated, so nothing is simulated: Riley, Van Calster and Collins come near this value with 10^6 patients.
    auc : in [0.5, 1); prevalence : in (0, 1)

    >>> round(cox_snell_from_auc(0.81, prevalence=0.77), 4)
    0.2121

    Reference: Riley, Van Calster and Collins, Stat Med 40 (2021) 859-864. R: pmsampsize `cstatistic`.
    """
    phi = number_between(prevalence, 0, 1, "prevalence")
    if auc == 0.5:
        return 0.0
    c = number_between(auc, 0.5, 1, "auc", "; a model below 0.5 ranks the wrong way round")
    mu = math.sqrt(2) * float(special.ndtri(c))
    z, w = gauss_legendre(-12.0, 12.0, 0.25)
    w = w * np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    in_events = special.logit(phi) + mu * z + mu * mu / 2
    in_others = special.logit(phi) + mu * z - mu * mu / 2
    log_likelihood = -phi * (w @ np.logaddexp(0, -in_events)) - (1 - phi) * (w @ np.logaddexp(0, in_others))
    null = special.xlogy(phi, phi) + special.xlog1py(1 - phi, -phi)
    return float(-math.expm1(2 * (null - log_likelihood)))


def development_sample_size(
    parameters: int,
    *,
    prevalence: float,
    cox_snell_r2: float | None = None,
    nagelkerke_r2: float | None = None,
    c_statistic: float | None = None,
    shrinkage: float = 0.9,
    optimism: float = 0.05,
    margin: float = 0.05,
    mean_absolute_error: float | None = None,
    digits: int | None = None,
) -> DevelopmentSize:
    """Patients needed to develop a model with `parameters` candidate parameters.

    1. shrinkage of at least S:            n = P / ((S - 1) log(1 - R2/S))
    2. optimism in Nagelkerke's R2 <= d:   the same with S = R2/(R2 + d max R2)
    3. overall risk within +-margin:       n = (1.96/margin)^2 phi (1 - phi)
    4. mean absolute error of the risks:   n = exp((-0.508 + 0.259 log phi + 0.504 log P - log error)/0.544), where
       `mean_absolute_error` asks for it (van Smeden et al.; made for P <= 30 and phi <= 0.5)

    parameters : candidate parameters, not predictors: a factor of three levels or a spline of three knots has two
    prevalence : in (0, 1); exactly one of cox_snell_r2, nagelkerke_r2 and c_statistic (see `cox_snell_from_auc`)
    digits : decimals to which an R2 derived from another measure is rounded; None keeps it exact, and 3 gives
        pmsampsize's numbers, which rounds there
    Every n is rounded up. An R2 above its maximum, or not below S, is an error that says the limit.

    >>> development_sample_size(24, prevalence=0.174, cox_snell_r2=0.288)
    n = 662 with 115.2 events, for the optimism in R2 (shrinkage 623; optimism in R2 662; overall risk 221)

    Reference: Riley et al., BMJ 368 (2020) m441. R: pmsampsize(type = "b").
    """
    p = check_count(parameters, "parameters")
    phi = number_between(prevalence, 0, 1, "prevalence")
    wanted = number_between(shrinkage, 0, 1, "shrinkage")
    d, half = number_between(optimism, 0, 1, "optimism"), number_between(margin, 0, 1, "margin")
    top = maximum_cox_snell(phi)
    r2 = _expected_r2(phi, top, cox_snell_r2, nagelkerke_r2, c_statistic, digits)
    if r2 >= wanted:
        raise InputError(f"the Cox-Snell R2 of {r2:.4g} must be below the `shrinkage` of {wanted:g}")
    implied = r2 / (r2 + d * top)
    criteria = (
        criterion(SHRINKAGE, _for_shrinkage(p, r2, wanted), wanted),
        criterion(OPTIMISM, _for_shrinkage(p, r2, implied), d, note=f"a shrinkage of {implied:.4g}"),
        criterion(RISK, (z_published(0.95) / half) ** 2 * phi * (1 - phi), half, half / z_published(0.95)),
        *_for_error(p, phi, mean_absolute_error),
    )
    binding = largest(criteria)
    n = binding.n
    assumptions = {"parameters": p, "prevalence": phi, "cox_snell_r2": r2}
    if nagelkerke_r2 is not None:
        assumptions["nagelkerke_r2"] = nagelkerke_r2
    if c_statistic is not None:
        assumptions["c_statistic"] = c_statistic
    return DevelopmentSize(
        n,
        n * phi,
        binding.name,
        criteria,
        assumptions,
        "Riley et al. 2020, binary outcome",
        cox_snell_r2=r2,
        maximum_r2=top,
        nagelkerke_r2=r2 / top,
        shrinkage=max(wanted, implied),
        events_per_parameter=n * phi / p,
    )


def _expected_r2(
    phi: float, top: float, cox_snell: float | None, nagelkerke: float | None, c: float | None, digits: int | None
) -> float:
    """The Cox-Snell R2 from the one measure that was given."""
    if sum(value is not None for value in (cox_snell, nagelkerke, c)) != 1:
        raise InputError("give exactly one of `cox_snell_r2`, `nagelkerke_r2` and `c_statistic`")
    if cox_snell is not None:
        hint = f"; at a prevalence of {phi:g} it is at most {top:.4g}"
        return number_between(cox_snell, 0, top, "cox_snell_r2", hint)
    if nagelkerke is not None:
        r2 = number_between(nagelkerke, 0, 1, "nagelkerke_r2") * top
    else:
        r2 = cox_snell_from_auc(number_between(c or 0.0, 0.5, 1, "c_statistic"), prevalence=phi)
    r2 = r2 if digits is None else round(r2, check_count(digits, "digits"))
    return number_between(r2, 0, top, "cox_snell_r2", " after rounding")


def _for_shrinkage(p: int, r2: float, s: float) -> float:
    return p / ((s - 1) * math.log1p(-r2 / s))


def _for_error(p: int, phi: float, error: float | None) -> tuple[Criterion, ...]:
    if error is None:
        return ()
    target = number_between(error, 0, 1, "mean_absolute_error")
    exact = math.exp((-0.508 + 0.259 * math.log(phi) + 0.504 * math.log(p) - math.log(target)) / 0.544)
    outside = [
        text for text, holds in (("more than 30 parameters", p > 30), ("a prevalence above 0.5", phi > 0.5)) if holds
    ]
    return (criterion(ERROR, exact, target, note=f"extrapolated to {' and '.join(outside)}" if outside else ""),)
