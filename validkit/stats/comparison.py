"""Two AUCs on the same patients, and what every comparison of two models shares."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from validkit.errors import InputError
from validkit.stats.checks import (
    FloatArray,
    IntArray,
    absent_class,
    check_binary_risk,
    check_choice,
    check_level,
    patients,
)
from validkit.stats.discrimination import auc, placement_covariance, placements
from validkit.stats.intervals import two_sided_p, z_of
from validkit.stats.multiplicity import adjust_p_values
from validkit.stats.results import NAN, Comparison, Estimate, TestResult

__all__ = ["adjust_p_values", "compare_auc"]

ALTERNATIVES = ("two-sided", "less", "greater")


def normal_p(z: float, alternative: str) -> float:
    """P value of a standard normal statistic."""
    return two_sided_p(z) if alternative == "two-sided" else float(special.ndtr(z if alternative == "less" else -z))


def two_models(
    y_true: ArrayLike, prob_a: ArrayLike, prob_b: ArrayLike, scale: str = "risk"
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Outcome and two predictions of the same patients, checked; what is already an integer outcome is not redone."""
    y, first = check_binary_risk(y_true, prob_a, scale=scale, name="prob_a")
    _, second = check_binary_risk(y_true if hasattr(y_true, "index") else y, prob_b, scale=scale, name="prob_b")
    return y, first, second


def wald_comparison(
    value: float,
    se: float,
    *,
    method: str,
    level: float,
    alternative: str,
    n: int,
    n_events: int,
    bound: float = math.inf,
    note: str = "",
    names: tuple[str, str] = ("a", "b"),
) -> Comparison:
    """value -+ z se, cut to [-bound, bound], with the test z = value/se; neither where se is zero or undefined."""
    title = f"{method}, {alternative}"
    if not 0 < se < math.inf:
        difference = Estimate(value, NAN, NAN, level, method, se, n, n_events, note)
        return Comparison(difference, TestResult(NAN, NAN, None, title, n, n_events, note), *names)
    z, half = value / se, z_of(level) * se
    low, high = value - half, value + half
    if low < -bound or high > bound:
        note = "; ".join(part for part in (note, "interval cut at its bound") if part)
    difference = Estimate(value, max(low, -bound), min(high, bound), level, method, se, n, n_events, note)
    return Comparison(difference, TestResult(z, normal_p(z, alternative), None, title, n, n_events, note), *names)


def no_difference(
    note: str,
    *,
    method: str,
    level: float,
    alternative: str,
    n: int,
    n_events: int,
    ends: float,
    names: tuple[str, str],
) -> Comparison:
    """Two models that are alike patient for patient: difference 0, p = 1 (one half where one-sided)."""
    difference = Estimate(0.0, ends, ends, level, method, 0.0, n, n_events, note)
    p = 1.0 if alternative == "two-sided" else 0.5
    return Comparison(difference, TestResult(0.0, p, None, f"{method}, {alternative}", n, n_events, note), *names)


def delong_comparison(
    y: IntArray, gap: IntArray, *, level: float, alternative: str, names: tuple[str, str] = ("a", "b")
) -> Comparison:
    """DeLong's paired test from the difference `gap` (n,) of two integer placements.

    The variance of the difference is that of the differences of placements: no cancellation, never negative.
    """
    n, m = y.size, int(y.sum())
    method = "DeLong, paired"
    area, cov = placement_covariance(y, gap[None, :])
    value, variance = float(area[0]), float(cov[0, 0])
    note = ""
    if m in (0, n):
        note = absent_class(m, n)
    elif math.isnan(variance):
        note = "a single event or non-event: no variance, no test"
    elif not gap.any():
        note = "both rank every event against every non-event alike"
        return no_difference(
            note, method=method, level=level, alternative=alternative, n=n, n_events=m, ends=0.0, names=names
        )
    elif variance == 0:
        note = "DeLong's variance of the difference is zero: no test"
    return wald_comparison(
        value,
        math.sqrt(variance),
        method=method,
        level=level,
        alternative=alternative,
        n=n,
        n_events=m,
        bound=1.0,
        note=note,
        names=names,
    )


@patients("y_true", "prob_a", "prob_b")
def compare_auc(
    y_true: ArrayLike,
    prob_a: ArrayLike,
    prob_b: ArrayLike,
    *,
    level: float = 0.95,
    alternative: str = "two-sided",
    method: str = "delong",
    a: str = "a",
    b: str = "b",
    scale: str = "risk",
    rng: np.random.Generator | int | None = None,
    replicates: int = 2000,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Comparison:
    """Difference of two AUCs (a minus b) on the same patients, with DeLong's test for correlated curves.

    z = (AUC_a - AUC_b)/sqrt(var_a + var_b - 2 cov), the interval being difference -+ z(level) se, cut to [-1, 1]

    y_true : (n,) int in {0, 1}; prob_a, prob_b : (n,) float in [0, 1] (any finite numbers with scale="score")
    alternative : "two-sided", "less" (a below b) or "greater"; the interval is two-sided in every case
    method : "delong", or "bootstrap": replicates drawn within events and within non-events, se their standard
        deviation, interval their percentiles, test z = difference/se, as in pROC; it needs `rng`, a Generator or a seed

    Where both rank all patients alike the difference is 0 and p = 1, as in pROC. A variance of zero beside a difference
    that is not, or fewer than two events or non-events, gives NaN and a note: one event can support no test.

    >>> compare_auc([0, 0, 1, 1, 1], [0.1, 0.5, 0.4, 0.7, 0.8], [0.3, 0.6, 0.2, 0.5, 0.9]).test.p_value.__round__(4)
    0.0455

    Reference: DeLong et al., Biometrics 44 (1988) 837-845. R: pROC `roc.test(paired = TRUE)`.
    """
    level = check_level(level)
    check_choice(alternative, ALTERNATIVES, "alternative")
    if check_choice(method, ("delong", "bootstrap"), "method") == "bootstrap":
        from validkit.stats.paired_bootstrap import bootstrap_comparison

        if rng is None:
            raise InputError("`method='bootstrap'` needs `rng`, a numpy Generator or a whole number as seed")
        return bootstrap_comparison(
            auc,
            y_true,
            prob_a,
            prob_b,
            rng=rng,
            replicates=replicates,
            level=level,
            stratified=True,
            alternative=alternative,
            test="normal",
            a=a,
            b=b,
            scale=scale,
        )
    y, first, second = two_models(y_true, prob_a, prob_b, scale)
    gap = placements(y, first) - placements(y, second)
    return delong_comparison(y, gap, level=level, alternative=alternative, names=(a, b))
