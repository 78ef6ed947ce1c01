"""The likelihood of the predicted risks as given, and the R2 family made of it.

Nothing is clipped: a risk of exactly 0 or 1 that turns out right contributes 0, one that turns out wrong makes the log
likelihood minus infinity, and the note counts such patients.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from validkit.stats.checks import FloatArray, IntArray, check_binary_risk, check_level, patients
from validkit.stats.intervals import mean_estimate, z_of
from validkit.stats.results import NAN, Estimate

__all__ = ["cox_snell_r2", "log_likelihood", "log_loss", "mcfadden_r2", "nagelkerke_r2"]


def influence_estimate(value: float, influence: FloatArray, *, level: float, method: str, n_events: int) -> Estimate:
    """A value at most 1 with the delta method's normal interval, cut at 1.

    influence : (n,) each patient's influence on the value; se^2 = sum(influence^2)/(n (n - 1))
    """
    n = influence.size
    se = math.sqrt(float(influence @ influence) / (n - 1) / n)
    if se <= 1e-14 * max(1.0, abs(value)):
        note = "no patient moves it: no interval"
        return Estimate(value, level=level, method=method, n=n, n_events=n_events, note=note)
    low, high = value - z_of(level) * se, value + z_of(level) * se
    note = "interval cut at its bound" if high > 1 else ""
    return Estimate(value, low, min(high, 1.0), level, method, se, n, n_events, note)


def one_outcome(y: IntArray) -> str:
    """Why a statistic that needs both outcomes is undefined; empty where both are there."""
    events = int(y.sum())
    if 0 < events < y.size:
        return ""
    return f"undefined: no {'event' if events == 0 else 'non-event'}"


def log_losses(y: IntArray | FloatArray, p: FloatArray) -> FloatArray:
    """Each patient's -log of the probability given to what happened; infinite where a certain risk was wrong."""
    losses: FloatArray = -(special.xlogy(y, p) + special.xlog1py(1 - y, -p)) + 0.0  # + 0.0 turns -0.0 into 0.0
    return losses


def _log_losses(y: IntArray, p: FloatArray) -> tuple[FloatArray, str]:
    """The log losses, and how many certain risks were wrong."""
    losses = log_losses(y, p)
    wrong = int(np.isinf(losses).sum())
    who = "1 patient contradicts" if wrong == 1 else f"{wrong} patients contradict"
    return losses, f"{who} a predicted risk of exactly 0 or 1" if wrong else ""


@patients("y_true", "y_prob")
def log_loss(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    level: float = 0.95,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Estimate:
    """Log loss: the mean of -log of the probability given to what happened, in nats; 0 is best. Strictly proper.

    Mean of -(y log p + (1 - y) log(1 - p)), also cross-entropy or the logarithmic score. Van Calster's code gives the
    sum instead: see `log_likelihood`.

    y_true : (n,) int in {0, 1}; y_prob : (n,) float in [0, 1]
    Infinite, without interval, where a risk of exactly 0 or 1 turned out wrong; the note counts such patients. The
    interval is that of a mean, cut at 0; NaN ends where all patients have the same loss or there is one patient.

    >>> log_loss([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.4723 [0.05971, 0.8849] (95% normal, from each patient's loss; n = 4, 2 events)

    Reference: Good, J R Stat Soc B 14 (1952) 107-114. R: -mean(dbinom(y, 1, p, log = TRUE)).
    """
    level = check_level(level)
    y, p = check_binary_risk(y_true, y_prob)
    losses, wrong = _log_losses(y, p)
    method, m = "normal, from each patient's loss", int(y.sum())
    if wrong:
        return Estimate(math.inf, level=level, method=method, n=y.size, n_events=m, note=wrong)
    return mean_estimate(losses, level=level, method=method, n_events=m, floor=0.0)


@patients("y_true", "y_prob")
def log_likelihood(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    level: float = 0.95,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Estimate:
    """Log likelihood of the risks as given: the sum of log of the probability given to what happened; 0 is best.

    Minus n times the log loss, so it grows with the number of patients and compares models on the same patients only;
    the interval is that of n times the mean. Minus infinity where a risk of exactly 0 or 1 turned out wrong.

    y_true : (n,) int in {0, 1}; y_prob : (n,) float in [0, 1]

    >>> log_likelihood([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    -1.889 [-3.539, -0.2388] (95% normal, n times the mean; n = 4, 2 events)

    Reference: Van Calster et al., Lancet Digit Health 7 (2025) 100916. R: sum(dbinom(y, 1, p, log = TRUE)).
    """
    e = log_loss(y_true, y_prob, level=level)
    n = e.n or 0
    low, high = -n * e.high + 0.0, -n * e.low + 0.0
    return Estimate(-n * e.value + 0.0, low, high, e.level, "normal, n times the mean", n * e.se, n, e.n_events, e.note)


def _r_squared(y_true: ArrayLike, y_prob: ArrayLike, level: float, kind: str) -> Estimate:
    """With a the mean log likelihood of the risks, b that of the prevalence, and c = 1 - exp(2b):

    McFadden 1 - a/b, Cox-Snell 1 - exp(2(b - a)), Nagelkerke that over c. A patient moves a by his log likelihood less
    a, and b, through the prevalence, by logit(prev) (y - prev).
    """
    level = check_level(level)
    y, p = check_binary_risk(y_true, y_prob)
    n, m = y.size, int(y.sum())
    method = f"{kind}, normal with the delta method"
    if undefined := one_outcome(y):
        return Estimate(NAN, level=level, method=method, n=n, n_events=m, note=undefined)
    losses, wrong = _log_losses(y, p)
    if wrong:
        return Estimate(-math.inf, level=level, method=method, n=n, n_events=m, note=wrong)
    share = m / n
    a, b = -float(losses.mean()), share * math.log(share) + (1 - share) * math.log(1 - share)
    moved, moved_null = -losses - a, special.logit(share) * (y - share)
    if kind == "McFadden":
        value, influence = 1 - a / b, -moved / b + a / b**2 * moved_null
    else:
        value = -math.expm1(2 * (b - a))
        influence = 2 * (1 - value) * (moved - moved_null)
        if kind == "Nagelkerke":
            most = -math.expm1(2 * b)
            influence = influence / most + 2 * value * (1 - most) / most**2 * moved_null
            value = value / most
    return influence_estimate(value + 0.0, influence, level=level, method=method, n_events=m)


@patients("y_true", "y_prob")
def nagelkerke_r2(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    level: float = 0.95,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Estimate:
    """Nagelkerke's R2, Cox and Snell's divided by its maximum: (1 - (L0/L)^(2/n))/(1 - L0^(2/n)).

    1 is perfect, 0 no better than everybody's risk at the prevalence of these patients, negative worse. At the risks as
    given, without refitting: on new patients it falls with miscalibration too.

    y_true : (n,) int in {0, 1}; y_prob : (n,) float in [0, 1]
    NaN without both outcomes; minus infinity where a risk of exactly 0 or 1 turned out wrong. The interval is normal
    with the delta method's standard error, in which the prevalence is estimated too; cut at 1.

    >>> nagelkerke_r2([0, 0, 1, 1, 0, 1], [0.1, 0.4, 0.35, 0.8, 0.3, 0.7])
    0.5397 [0.1186, 0.9608] (95% Nagelkerke, normal with the delta method; n = 6, 3 events)

    Reference: Nagelkerke, Biometrika 78 (1991) 691-692. R: rms `val.prob`'s R2, at the given risks.
    """
    return _r_squared(y_true, y_prob, level, "Nagelkerke")


@patients("y_true", "y_prob")
def cox_snell_r2(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    level: float = 0.95,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Estimate:
    """Cox and Snell's R2, 1 - (L0/L)^(2/n), at the risks as given; its maximum is below 1 (see `nagelkerke_r2`).

    y_true : (n,) int in {0, 1}; y_prob : (n,) float in [0, 1]. Interval and undefined cases as in `nagelkerke_r2`.

    >>> cox_snell_r2([0, 0, 1, 1, 0, 1], [0.1, 0.4, 0.35, 0.8, 0.3, 0.7])
    0.4048 [0.08896, 0.7206] (95% Cox-Snell, normal with the delta method; n = 6, 3 events)

    Reference: Cox and Snell, Analysis of Binary Data, 2nd edition (1989), 208-209.
    R: 1 - exp(2 (l0 - l)/n), l = sum(dbinom(y, 1, p, log = TRUE)).
    """
    return _r_squared(y_true, y_prob, level, "Cox-Snell")


@patients("y_true", "y_prob")
def mcfadden_r2(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    level: float = 0.95,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Estimate:
    """McFadden's R2, 1 - log L/log L0, at the risks as given: the log loss scaled as the IPA is the Brier score scaled.

    y_true : (n,) int in {0, 1}; y_prob : (n,) float in [0, 1]. Interval and undefined cases as in `nagelkerke_r2`.

    >>> mcfadden_r2([0, 0, 1, 1, 0, 1], [0.1, 0.4, 0.35, 0.8, 0.3, 0.7])
    0.3742 [-0.00848, 0.7569] (95% McFadden, normal with the delta method; n = 6, 3 events)

    Reference: McFadden, in Zarembka (ed.), Frontiers in Econometrics (1974) 105-142.
    R: 1 - l/l0, l = sum(dbinom(y, 1, p, log = TRUE)).
    """
    return _r_squared(y_true, y_prob, level, "McFadden")
