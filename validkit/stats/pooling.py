"""A measure over several sites: its average, how much it differs between sites, and what to expect at a new site.

Random effects:  y_i ~ N(theta_i, se_i^2),  theta_i ~ N(mu, tau2).  Measures are pooled on the scale on which their
sampling distribution is closest to normal (see `pooling_scales`), and reported on their own scale.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from validkit.errors import InputError
from validkit.stats.checks import FloatArray, as_float, check_choice, check_level
from validkit.stats.heterogeneity import between_variance, generalised_q, q_profile, typical_variance
from validkit.stats.intervals import t_of, z_of
from validkit.stats.results import NAN, Estimate, Record, TestResult
from validkit.stats.scales import TRANSFORMS, back_on
from validkit.stats.sites import complete_sites, same_sites, site_names

__all__ = ["PooledEstimate", "probability_new_site", "random_effects"]

METHODS = {"reml": "REML", "ml": "ML", "dl": "DerSimonian-Laird", "pm": "Paule-Mandel", "fixed": "fixed effect"}
ADJUSTMENTS = ("knapp-hartung", "knapp-hartung-ad-hoc", "none")
PREDICTION_DF = ("k-1", "k-2", "normal")
IDENTICAL = (
    "the sites' estimates are identical, so Knapp and Hartung's variance is 0: no interval; "
    "adjustment='none' or 'knapp-hartung-ad-hoc' gives one"
)


@dataclass(frozen=True, repr=False)
class PooledEstimate(Record):
    """A measure pooled over k sites.

    estimate, prediction : on the measure's own scale; `prediction` has the interval for a new site
    pooled : the mean on the pooling scale, with its standard error after the adjustment
    tau2, tau, i2, h2 : on the pooling scale, with Q-profile intervals; i2 lies in [0, 1)
    q : Cochran's test of equal sites
    weights : the sites' shares of the mean, summing to 1
    scale : "identity", "logit", "log" or "fisher-z"
    prediction_df : degrees of freedom of the prediction (inf for the normal)
    se_source : whence each site's standard error came
    """

    estimate: Estimate
    prediction: Estimate
    pooled: Estimate
    tau2: Estimate
    tau: Estimate
    i2: Estimate
    h2: Estimate
    q: TestResult
    weights: tuple[float, ...]
    sites: tuple[str, ...]
    scale: str = "identity"
    prediction_df: float = math.inf
    se_source: tuple[str, ...] = ()
    note: str = ""
    n_missing: int = 0

    def __repr__(self) -> str:
        new = f"[{self.prediction.low:.4g}, {self.prediction.high:.4g}]"
        return (
            f"{len(self.sites)} site{'s' if len(self.sites) > 1 else ''}: {self.estimate!r}; new site {new}; "
            f"tau2 = {self.tau2.value:.4g}, I2 = {self.i2.value:.4g}"
        )


def random_effects(
    estimates: ArrayLike,
    *,
    se: ArrayLike,
    sites: Sequence[object] | None = None,
    method: str = "reml",
    adjustment: str = "knapp-hartung",
    prediction_df: str | None = None,
    level: float = 0.95,
    missing: str = "error",
) -> PooledEstimate:
    """Mean of k sites' estimates under random effects, with heterogeneity and a prediction interval.

    mu = sum w_i y_i / sum w_i,  w_i = 1/(se_i^2 + tau2),  se(mu) = sqrt(q / sum w_i)
    interval mu -+ t se(mu),  prediction interval mu -+ t sqrt(se(mu)^2 + tau2)

    estimates, se : (k,) finite; se > 0, on the scale of the estimates (this function transforms nothing)
    method : tau2 by "reml", "ml", "dl" (DerSimonian-Laird) or "pm" (Paule-Mandel); "fixed" puts it at 0
    adjustment : "knapp-hartung" (q = sum w_i (y_i - mu)^2/(k - 1), t with k - 1 df), "knapp-hartung-ad-hoc" (q at least
        1) or "none" (q = 1, normal)
    prediction_df : "k-1" (metafor's, the default with Knapp-Hartung), "k-2" (Higgins et al. 2009, metamisc's) or
        "normal" (metafor's without adjustment, the default there)
    missing : "error", or "leave-out" for sites whose estimate or standard error is NaN: counted and named in the note

    One site: its own normal interval; tau2, I2 and the prediction are NaN. Two sites: t with 1 df; "k-2" is NaN.
    Identical estimates: NaN interval with plain Knapp-Hartung, whose variance is then 0. "fixed" predicts no new site.
    Errors: InputError that names the site.

    >>> random_effects([0.9, 1.1, 0.7, 1.0], se=[0.1, 0.12, 0.15, 0.1]).estimate
    0.9435 [0.7033, 1.184] (95% REML, Knapp-Hartung t(3))

    Reference: Viechtbauer, J Stat Softw 36 (2010) 3; Knapp and Hartung, Stat Med 22 (2003) 2693-2710; Higgins et al.,
    J R Stat Soc A 172 (2009) 137-159; ad hoc rule: Knapp, Biggerstaff and Hartung, Biom J 48 (2006) 271-285.
    R: metafor `rma(test = "knha")`, `predict`, `confint`.
    """
    y = as_float(estimates, "estimates")
    return pool(
        y,
        same_sites(se, "se", y.size),
        site_names(sites, y.size),
        method=method,
        adjustment=adjustment,
        prediction_df=prediction_df,
        level=level,
        missing=missing,
        scale="identity",
        sources=("standard error",) * y.size,
    )


def pool(
    y: FloatArray,
    se: FloatArray,
    names: tuple[str, ...],
    *,
    method: str,
    adjustment: str,
    prediction_df: str | None,
    level: float,
    missing: str,
    scale: str,
    sources: tuple[str, ...],
) -> PooledEstimate:
    """Random effects of estimates that are on their pooling scale already; the answer is brought back from it."""
    level = check_level(level)
    check_choice(method, tuple(METHODS), "method")
    check_choice(adjustment, ADJUSTMENTS, "adjustment")
    check_choice(missing, ("error", "leave-out"), "missing")
    rule = ("normal" if adjustment == "none" else "k-1") if prediction_df is None else prediction_df
    check_choice(rule, PREDICTION_DF, "prediction_df")
    kept, left_out = complete_sites(y, se, names, missing)
    y, v, names = y[kept], se[kept] ** 2, tuple(np.array(names, dtype=object)[kept])
    tau2 = between_variance(y, v, method) if y.size > 1 else 0.0
    w = 1 / (v + tau2)
    pooled = _mean(y, w, method, adjustment, level)
    prediction, df = _prediction(pooled, tau2, y.size, rule, method, level)
    back = TRANSFORMS[scale].back
    return PooledEstimate(
        replace(back_on(scale, pooled), n_missing=len(left_out)),
        replace(
            prediction,
            value=float(back(pooled.value)),
            low=float(back(prediction.low)),
            high=float(back(prediction.high)),
        ),
        pooled,
        *_heterogeneity(y, v, tau2, method, level),
        weights=tuple(float(share) for share in w / w.sum()),
        sites=names,
        scale=scale,
        prediction_df=df,
        se_source=tuple(np.array(sources, dtype=object)[kept]),
        note=f"left out for want of an estimate or standard error: {', '.join(left_out)}" if left_out else "",
        n_missing=len(left_out),
    )


def _mean(y: FloatArray, w: FloatArray, method: str, adjustment: str, level: float) -> Estimate:
    """The weighted mean with its interval, on the pooling scale."""
    total, k = float(w.sum()), y.size
    value = float(w @ y / total) if np.ptp(y) > 0 else float(y[0])
    if k == 1:
        se = 1 / math.sqrt(total)
        half = z_of(level) * se
        note = "one site: its own normal interval, without the differences between sites"
        return Estimate(value, value - half, value + half, level, "one site, normal", se, note=note)
    named, se, note, df = METHODS[method], 1 / math.sqrt(total), "", math.inf
    if adjustment != "none":
        df = k - 1.0
        ratio = float(w @ (y - value) ** 2 / df) if np.ptp(y) > 0 else 0.0
        if adjustment == "knapp-hartung-ad-hoc":
            se *= math.sqrt(max(1.0, ratio))
            named += f", Knapp-Hartung t({k - 1}), variance ratio at least 1"
        else:
            se *= math.sqrt(ratio)
            named += f", Knapp-Hartung t({k - 1})"
            note = f"variance ratio {ratio:.3g} < 1" if ratio < 1 else ""
        if se == 0:
            return Estimate(value, level=level, method=named, se=0.0, note=IDENTICAL)
    else:
        named += ", normal"
    half = t_of(level, df) * se
    return Estimate(value, value - half, value + half, level, named, se, note=note)


def _prediction(pooled: Estimate, tau2: float, k: int, rule: str, method: str, level: float) -> tuple[Estimate, float]:
    """Where the measure of a new site will lie, on the pooling scale, and the degrees of freedom used."""
    df = {"k-1": k - 1.0, "k-2": k - 2.0, "normal": math.inf}[rule]
    named = "prediction, normal" if rule == "normal" else f"prediction, t({rule.replace('-', ' - ')} = {df:g})"
    if k == 1 or method == "fixed" or df < 1:
        why = (
            "one site says nothing about the differences between sites"
            if k == 1
            else "a fixed effect knows no differences between sites"
            if method == "fixed"
            else "t(k - 2) needs at least three sites"
        )
        return Estimate(pooled.value, level=level, method=named, note=f"no prediction: {why}"), NAN
    se = math.hypot(pooled.se, math.sqrt(tau2))
    if se == 0:
        return Estimate(pooled.value, level=level, method=named, se=0.0, note=f"no prediction: {IDENTICAL}"), df
    half = t_of(level, df) * se
    return Estimate(pooled.value, pooled.value - half, pooled.value + half, level, named, se), df


def _heterogeneity(
    y: FloatArray, v: FloatArray, tau2: float, method: str, level: float
) -> tuple[Estimate, Estimate, Estimate, Estimate, TestResult]:
    """tau2, tau, I2 and H2 with Q-profile intervals, and Cochran's test."""
    k = y.size
    if k == 1:
        note = "undefined: one site"
        nothing = Estimate(NAN, level=level, note=note)
        return nothing, nothing, nothing, nothing, TestResult(NAN, NAN, 0.0, "Cochran's Q", note=note)
    q, df, typical = generalised_q(y, v, 0.0), k - 1, typical_variance(v)
    test = TestResult(q, float(special.chdtrc(df, q)), float(df), "Cochran's Q")
    if method == "fixed":
        zero = Estimate(0.0, level=level, method="fixed at 0")
        i2 = Estimate(max(0.0, (q - df) / q) if q > 0 else 0.0, level=level, method="from Q")
        return zero, zero, i2, Estimate(q / df, level=level, method="from Q"), test
    low, high, note = q_profile(y, v, level)

    def of(function: np.ufunc | object, named: str) -> Estimate:
        value, bottom, top = (float(function(x)) for x in (tau2, low, high))  # type: ignore[operator]
        return Estimate(value, bottom, top, level, named, note=note)

    named = f"{METHODS[method]}, Q profile"
    return (
        of(lambda t: t, named),
        of(math.sqrt, named),
        of(lambda t: t / (t + typical), named),
        of(lambda t: t / typical + 1, named),
        test,
    )


def probability_new_site(pooled: PooledEstimate, bound: float, *, direction: str = "above") -> float:
    """Probability that the measure at a new site is above (or below) a bound given on the measure's own scale.

    P = F((mu - b)/sqrt(se^2 + tau2)) on the pooling scale, F the distribution function of Student's t with the
    prediction's degrees of freedom, or of the normal. Two-sided 95% prediction limits have 0.025 beyond each of them.
    NaN where the pooled estimate has no prediction (one site, a fixed effect, two sites with t(k - 2)).

    >>> sites = random_effects([0.9, 1.1, 0.7, 1.0], se=[0.1, 0.12, 0.15, 0.1])
    >>> round(probability_new_site(sites, 0.8), 3)
    0.866

    Reference: Snell et al., J Clin Epidemiol 69 (2016) 40-50; Debray et al., BMJ 356 (2017) i6460.
    """
    check_choice(direction, ("above", "below"), "direction")
    transform = TRANSFORMS[pooled.scale]
    if not (isinstance(bound, (int, float, np.number)) and transform.low < bound < transform.high):
        raise InputError(
            f"`bound` must lie between {transform.low:g} and {transform.high:g} for a measure pooled on the "
            f"{pooled.scale} scale, not {bound!r}"
        )
    if not pooled.prediction.se > 0:
        return NAN
    t = (pooled.pooled.value - float(transform.forward(bound))) / pooled.prediction.se
    t = t if direction == "above" else -t
    return float(special.ndtr(t) if math.isinf(pooled.prediction_df) else special.stdtr(pooled.prediction_df, t))
