"""Rubin's rules: a measure over m imputed data sets, each with its own estimate and standard error.

    q = mean q_l,  within U = mean se_l^2,  between B = sum (q_l - q)^2/(m - 1),  total T = U + (1 + 1/m) B

The measure is pooled on the scale on which it is near normal (see `scales`) and reported on its own. Performance is
pooled, not the predictions: it is that of a model whose new patients have their missing predictors imputed once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from validkit.errors import InputError
from validkit.stats.checks import FloatArray, as_float, check_choice, check_level
from validkit.stats.intervals import t_of
from validkit.stats.results import NAN, Estimate, Record
from validkit.stats.scales import back_on, on_scale, scale_of

__all__ = ["RubinEstimate", "pool_imputations"]


@dataclass(frozen=True, repr=False)
class RubinEstimate(Record):
    """A measure pooled over m imputations.

    estimate : on the measure's own scale; pooled : on the scale it was pooled on, with se = sqrt(total)
    within, between, total : variances on that scale; df : degrees of freedom of the t distribution
    riv : relative increase in variance, (1 + 1/m) B/U; lambda_ : share of the total variance due to what is missing,
    (1 + 1/m) B/T; fmi : fraction of missing information, lambda_ adjusted for the finite m
    m : imputations used; scale : "identity", "logit", "log" or "fisher-z"; se_source : whence each standard error came
    """

    estimate: Estimate
    pooled: Estimate
    within: float
    between: float
    total: float
    df: float
    riv: float
    lambda_: float
    fmi: float
    m: int
    scale: str = "identity"
    se_source: tuple[str, ...] = ()
    note: str = ""

    def __repr__(self) -> str:
        return f"{self.m} imputation{'s' * (self.m > 1)}: {self.estimate!r}; fmi = {self.fmi:.3g}"


def pool_imputations(
    estimates: Sequence[Estimate] | ArrayLike,
    *,
    se: ArrayLike | None = None,
    metric: str = "",
    scale: str | None = None,
    df_complete: float | None = None,
    undefined: str = "nan",
    level: float = 0.95,
) -> RubinEstimate:
    """Rubin's rules for one measure over m imputations, on the scale where it is near normal.

    estimates : m Estimates with their standard errors, or m numbers on the measure's own scale with `se`
    se : (m,) standard errors on the measure's own scale, where `estimates` are numbers
    metric : name of a registered metric, whose scale is that of `SCALES`; scale : "identity", "logit", "log" or
        "fisher-z" instead, for a measure of one's own; neither: "identity"
    df_complete : degrees of freedom were the data complete (n - k), for Barnard and Rubin's rule; None is Rubin's of
        1987, (m - 1)/lambda^2, for large samples
    undefined : "nan" (the pooled value is undefined as soon as one imputation's is, with the reason) or "leave-out":
        pooled over the others, which the note names; the others may be the better ones

    One imputation: its own normal (or t) interval, and nothing is known of the variance between. An AUC of 1 in an
    imputation has no logit and is undefined there. Errors: InputError that names the imputation, counted from 0.

    >>> pool_imputations([0.80, 0.82, 0.78], se=[0.02, 0.02, 0.03], metric="auc")
    3 imputations: 0.8005 [0.7143, 0.8656] (95% Rubin, t(8.22), on the logit scale); fmi = 0.584

    Reference: Rubin, Multiple Imputation for Nonresponse in Surveys (1987); Barnard and Rubin, Biometrika 86 (1999)
    948-955; Marshall et al., BMC Med Res Methodol 9 (2009) 57; Wood et al., Biom J 57 (2015) 614-632. R: mice
    `pool.scalar`.
    """
    level = check_level(level)
    check_choice(undefined, ("nan", "leave-out"), "undefined")
    name = scale_of(metric or "the measure", scale or (None if metric else "identity"))
    dfcom = _check_df(df_complete)
    given = _as_estimates(estimates, se)
    q, error, source, why = zip(*(on_scale(one, name) for one in given), strict=True)
    absent = [i for i, reason in enumerate(why) if reason]
    note = _note(absent, why, len(given), undefined)
    kept = [i for i in range(len(given)) if i not in absent]
    sample = _shared([one.n for one in given]), _shared([one.n_events for one in given])
    if not kept or (absent and undefined == "nan"):
        nothing = Estimate(NAN, level=level, method="Rubin", n=sample[0], n_events=sample[1], note=note)
        return RubinEstimate(nothing, nothing, NAN, NAN, NAN, NAN, NAN, NAN, NAN, len(given), name, note=note)
    values, errors = np.array(q)[kept], np.array(error)[kept]
    found = _rubin(values, errors, dfcom, level, sample, note)
    return replace(
        found, estimate=back_on(name, found.pooled), scale=name, se_source=tuple(source[i] for i in kept), note=note
    )


def _rubin(
    q: FloatArray, se: FloatArray, dfcom: float, level: float, sample: tuple[int | None, int | None], note: str
) -> RubinEstimate:
    """The rules on the pooling scale; `estimate` is filled by the caller."""
    m, alike = q.size, np.ptp(q) == 0
    value, within = float(q[0] if alike else q.mean()), float(np.mean(se**2))
    between = NAN if m == 1 else 0.0 if alike else float(q.var(ddof=1))
    extra = (1 + 1 / m) * between if m > 1 else 0.0
    total = within + extra
    lambda_ = extra / total if total > 0 else NAN
    riv = extra / within if within > 0 else (math.inf if extra > 0 else NAN)
    df = degrees_of_freedom(m, lambda_, dfcom)
    fmi = (riv + 2 / (df + 3)) / (1 + riv) if math.isfinite(riv) else 1.0 if extra > 0 else NAN
    method = f"Rubin, {'normal' if math.isinf(df) else f't({df:.3g})'}"
    if m == 1:
        lambda_ = riv = fmi = NAN
        note = "; ".join(part for part in ("one imputation: the variance between is unknown", note) if part)
    if not (total > 0 and df > 0):
        note = "; ".join(part for part in ("no variance, so no interval", note) if part)
        pooled = Estimate(
            value, level=level, method="Rubin", se=math.sqrt(total), n=sample[0], n_events=sample[1], note=note
        )
    else:
        half = t_of(level, df) * math.sqrt(total)
        pooled = Estimate(value, value - half, value + half, level, method, math.sqrt(total), *sample, note)
    return RubinEstimate(pooled, pooled, within, between, total, df, riv, lambda_, fmi, m, note=note)


def degrees_of_freedom(m: int, lambda_: float, dfcom: float = math.inf) -> float:
    """Barnard and Rubin's degrees of freedom; Rubin's of 1987 where those of the complete data are infinite.

    1/df = 1/df_old + 1/df_obs,  df_old = (m - 1)/lambda^2,  df_obs = (1 - lambda) dfcom (dfcom + 1)/(dfcom + 3)

    mice raises lambda to 1e-4 where it is smaller; here equal estimates give df_obs itself, or infinity.
    """
    if math.isnan(lambda_):
        return NAN
    old = (m - 1) / lambda_ / lambda_ if lambda_ > 0 else math.inf  # the square may be too small for a float
    if math.isinf(dfcom):
        return old
    observed = (1 - lambda_) * dfcom * (dfcom + 1) / (dfcom + 3)
    if observed <= 0:
        return 0.0
    return observed if math.isinf(old) else old * observed / (old + observed)


def _check_df(df_complete: float | None) -> float:
    if df_complete is None:
        return math.inf
    if isinstance(df_complete, bool) or not isinstance(df_complete, (int, float, np.number)) or not df_complete > 0:
        raise InputError(f"`df_complete` must be a number above 0 (patients less coefficients), not {df_complete!r}")
    return float(df_complete)


def _as_estimates(estimates: Any, se: ArrayLike | None) -> list[Estimate]:
    """The imputations' estimates; numbers become Estimates with the standard errors beside them."""
    items = list(estimates)
    if not items:
        raise InputError("`estimates` is empty; Rubin's rules need at least one imputation")
    if all(isinstance(item, Estimate) for item in items):
        if se is not None:
            raise InputError("`se` belongs to numbers; Estimates bring their own")
        return items
    values = as_float(items, "estimates")
    if se is None:
        raise InputError("`estimates` are numbers: Rubin's rules need the standard error of each, `se`")
    errors = as_float(se, "se")
    if errors.size != values.size:
        raise InputError(f"`se` has {errors.size} entries for {values.size} imputations")
    if (errors < 0).any():
        raise InputError(
            f"`se` must be 0 or more; in imputation {np.flatnonzero(errors < 0)[0]} it is {errors.min():g}"
        )
    return [Estimate(float(v), se=float(e)) for v, e in zip(values, errors, strict=True)]


def _shared(sizes: Sequence[int | None]) -> int | None:
    """The one number that all imputations have; None where they differ, as the patients classified positive may."""
    return sizes[0] if len(set(sizes)) == 1 else None


def _note(absent: list[int], why: Sequence[str], m: int, undefined: str) -> str:
    if not absent:
        return ""
    named = "; ".join(f"{i} ({why[i]})" for i in absent[:5]) + f" and {len(absent) - 5} more" * (len(absent) > 5)
    left = "left out" if undefined == "leave-out" and len(absent) < m else "undefined"
    return f"{left} in {len(absent)} of {m} imputations: {named}"
