"""Overall accuracy of predicted risks: Brier score, its scaled form, mean absolute error, discrimination slope.

The likelihood's measures are in `likelihood_scores`, Murphy's decomposition of the Brier score in `decomposition`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from validkit.stats.checks import check_binary_risk, check_level, patients
from validkit.stats.intervals import mean_estimate, z_of
from validkit.stats.likelihood_scores import (
    cox_snell_r2,
    influence_estimate,
    log_likelihood,
    log_loss,
    mcfadden_r2,
    nagelkerke_r2,
    one_outcome,
)
from validkit.stats.results import NAN, Estimate

__all__ = [
    "brier",
    "cox_snell_r2",
    "discrimination_slope",
    "log_likelihood",
    "log_loss",
    "mape",
    "mcfadden_r2",
    "nagelkerke_r2",
    "scaled_brier",
    "tjur_r2",
]


@patients("y_true", "y_prob")
def brier(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    level: float = 0.95,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Estimate:
    """Brier score: the mean of (risk - outcome)^2; 0 is best. Strictly proper.

    A constant risk at the prevalence has prev (1 - prev), so a Brier score means nothing without the prevalence.

    y_true : (n,) int in {0, 1}; y_prob : (n,) float in [0, 1]
    The interval is normal with the standard error of a mean, cut to [0, 1]; NaN ends where all patients have the same
    loss or there is one patient.

    >>> brier([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.1581 [0, 0.3422] (95% normal, from each patient's loss; n = 4, 2 events; interval cut at its bound)

    Reference: Brier, Mon Weather Rev 78 (1950) 1-3. R: riskRegression `Score`.
    """
    level = check_level(level)
    y, p = check_binary_risk(y_true, y_prob)
    method = "normal, from each patient's loss"
    return mean_estimate((p - y) ** 2, level=level, method=method, n_events=int(y.sum()), floor=0.0, cap=1.0)


@patients("y_true", "y_prob")
def scaled_brier(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    level: float = 0.95,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Estimate:
    """Scaled Brier score, 1 - Brier/(prev (1 - prev)), also called index of prediction accuracy (IPA) or skill score.

    1 is perfect, 0 no better than everybody's risk at the prevalence of these patients, and it can be negative.

    y_true : (n,) int in {0, 1}; y_prob : (n,) float in [0, 1]; NaN without both outcomes
    The interval is normal with the delta method's standard error, in which the prevalence is estimated too; cut at 1.

    >>> scaled_brier([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.3675 [-0.3686, 1] (95% normal, delta method; n = 4, 2 events; interval cut at its bound)

    Reference: Kattan and Gerds, Diagn Progn Res 2 (2018) 7. R: riskRegression `Score(summary = "ipa")`.
    """
    level = check_level(level)
    y, p = check_binary_risk(y_true, y_prob)
    n, m = y.size, int(y.sum())
    method = "normal, delta method"
    if undefined := one_outcome(y):
        return Estimate(NAN, level=level, method=method, n=n, n_events=m, note=undefined)
    loss, prevalence = (p - y) ** 2, m / n
    null, score = prevalence * (1 - prevalence), float(loss.mean())
    influence = -(loss - score) / null + score * (1 - 2 * prevalence) * (y - prevalence) / null**2
    return influence_estimate(1 - score / null, influence, level=level, method=method, n_events=m)


@patients("y_true", "y_prob")
def mape(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    level: float = 0.95,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Estimate:
    """Mean absolute prediction error: the mean of |outcome - risk|; 0 is best. Not a proper score.

    A patient of risk r is expected to lose least with a prediction of 0 (r < 1/2) or 1, so overstated risks win; Van
    Calster et al. advise against it. It is here so that published values can be compared.

    y_true : (n,) int in {0, 1}; y_prob : (n,) float in [0, 1]
    The interval is that of a mean, cut to [0, 1]; NaN ends where all patients have the same error or there is one.

    >>> mape([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.3375 [0.09955, 0.5755] (95% normal, from each patient's error; n = 4, 2 events)

    Reference: Van Calster et al., Lancet Digit Health 7 (2025) 100916. R: mean(abs(y - p)).
    """
    level = check_level(level)
    y, p = check_binary_risk(y_true, y_prob)
    method = "normal, from each patient's error"
    return mean_estimate(np.abs(y - p), level=level, method=method, n_events=int(y.sum()), floor=0.0, cap=1.0)


@patients("y_true", "y_prob")
def discrimination_slope(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    level: float = 0.95,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Estimate:
    """Discrimination slope: mean predicted risk of the events minus that of the non-events; Tjur's R2 (`tjur_r2`).

    Yates' slope; it rises with the spread of the risks even where they are overfitted, so it is not a proper measure.

    y_true : (n,) int in {0, 1}; y_prob : (n,) float in [0, 1]; NaN without both outcomes
    The interval is normal with unequal variances (Welch's standard error), cut to [-1, 1]; NaN ends with fewer than two
    events or non-events, or where neither group's risks vary.

    >>> discrimination_slope([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.325 [-0.205, 0.855] (95% normal, unequal variances; n = 4, 2 events)

    Reference: Yates, Organ Behav Hum Perform 30 (1982) 132-156; Tjur, Am Stat 63 (2009) 366-372.
    R: t.test(p[y == 1], p[y == 0]).
    """
    level = check_level(level)
    y, p = check_binary_risk(y_true, y_prob)
    n, m = y.size, int(y.sum())
    method = "normal, unequal variances"
    if undefined := one_outcome(y):
        return Estimate(NAN, level=level, method=method, n=n, n_events=m, note=undefined)
    events, others = p[y == 1], p[y == 0]
    value = float(events.mean() - others.mean())
    if min(m, n - m) < 2 or np.ptp(events) == np.ptp(others) == 0:
        note = "too few patients, or no spread of risk, for an interval"
        return Estimate(value, level=level, method=method, n=n, n_events=m, note=note)
    se = math.sqrt(events.var(ddof=1) / m + others.var(ddof=1) / (n - m))
    low, high = value - z_of(level) * se, value + z_of(level) * se
    note = "interval cut at its bound" if low < -1 or high > 1 else ""
    return Estimate(value, max(low, -1.0), min(high, 1.0), level, method, se, n, m, note)


tjur_r2 = discrimination_slope
