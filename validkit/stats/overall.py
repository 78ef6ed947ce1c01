"""Overall accuracy of predicted risks: Brier score, log loss, explained variation."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from validkit.stats.checks import FloatArray, IntArray, check_binary_risk, check_level
from validkit.stats.intervals import mean_estimate, z_of
from validkit.stats.results import NAN, Estimate

_METHOD = "normal, from each patient's loss"


def brier(y_true: ArrayLike, y_prob: ArrayLike, *, level: float = 0.95) -> Estimate:
    """Brier score: the mean of (risk - outcome)^2; 0 is best, a constant risk at the prevalence has prev (1 - prev).

    The interval is normal with the standard error of a mean, cut to [0, 1]; NaN where all patients have the same loss.
    Reference: Brier, Mon Weather Rev 78 (1950) 1-3. R: riskRegression `Score`.
    """
    level = check_level(level)
    y, p = check_binary_risk(y_true, y_prob)
    return mean_estimate((p - y) ** 2, level=level, method=_METHOD, n_events=int(y.sum()), floor=0.0, cap=1.0)


def scaled_brier(y_true: ArrayLike, y_prob: ArrayLike, *, level: float = 0.95) -> Estimate:
    """Scaled Brier score, 1 - Brier/(prev (1 - prev)), also called index of prediction accuracy (IPA).

    1 is perfect, 0 no better than everybody's risk at the prevalence of these patients, and it can be negative. The
    interval is normal with the delta method's standard error, in which the prevalence is estimated too; cut at 1.
    Reference: Kattan and Gerds, Diagn Progn Res 2 (2018) 7. R: riskRegression `Score(summary = "ipa")`.
    """
    level = check_level(level)
    y, p = check_binary_risk(y_true, y_prob)
    n, m = y.size, int(y.sum())
    method = "normal, delta method"
    if m in (0, n):
        note = f"undefined: no {'event' if m == 0 else 'non-event'}"
        return Estimate(NAN, level=level, method=method, n=n, n_events=m, note=note)
    loss, prevalence = (p - y) ** 2, m / n
    reference, score = prevalence * (1 - prevalence), float(loss.mean())
    value = 1 - score / reference
    influence = -(loss - score) / reference + score * (1 - 2 * prevalence) * (y - prevalence) / reference**2
    se = float(np.sqrt(influence @ influence / (n - 1) / n))
    if se <= 1e-15 * max(1.0, abs(value)):
        note = "the patients' losses do not vary: no interval"
        return Estimate(value, level=level, method=method, n=n, n_events=m, note=note)
    low, high = value - z_of(level) * se, value + z_of(level) * se
    return Estimate(
        value, low, min(high, 1.0), level, method, se, n, m, "interval cut at its bound" if high > 1 else ""
    )


def _log_losses(y: IntArray, p: FloatArray) -> FloatArray:
    """Each patient's -log of the probability given to what happened: infinite where a certain prediction was wrong."""
    losses: FloatArray = -(special.xlogy(y, p) + special.xlog1py(1 - y, -p))
    return losses


def log_loss(y_true: ArrayLike, y_prob: ArrayLike, *, level: float = 0.95) -> Estimate:
    """Log loss: the mean of -log of the probability given to what happened, in nats (Van Calster's code sums instead).

    Nothing is clipped: a risk of exactly 0 or 1 that turns out wrong makes it infinite; the note counts such patients.
    """
    level = check_level(level)
    y, p = check_binary_risk(y_true, y_prob)
    losses = _log_losses(y, p)
    wrong = int(np.isinf(losses).sum())
    m = int(y.sum())
    if wrong:
        note = f"{wrong} patients contradict a predicted risk of exactly 0 or 1"
        return Estimate(math.inf, level=level, method=_METHOD, n=y.size, n_events=m, note=note)
    return mean_estimate(losses, level=level, method=_METHOD, n_events=m, floor=0.0)


def _r_squared(y_true: ArrayLike, y_prob: ArrayLike, kind: str) -> Estimate:
    y, p = check_binary_risk(y_true, y_prob)
    n, m = y.size, int(y.sum())
    method = f"{kind}, from the likelihood of the risks as given"
    if m in (0, n):
        note = f"undefined: no {'event' if m == 0 else 'non-event'}"
        return Estimate(NAN, method=method, n=n, n_events=m, note=note)
    null = m * math.log(m / n) + (n - m) * math.log(1 - m / n)
    model = -float(_log_losses(y, p).sum())
    if kind == "McFadden":
        value = 1 - model / null
    else:
        value = -math.expm1(2 * (null - model) / n) if model > -math.inf else -math.inf
        value = value / -math.expm1(2 * null / n) if kind == "Nagelkerke" else value
    note = "a predicted risk of exactly 0 or 1 was wrong" if math.isinf(value) else ""
    return Estimate(value + 0.0, method=method, n=n, n_events=m, note=note)  # + 0.0 turns -0.0 into 0.0


def nagelkerke_r2(y_true: ArrayLike, y_prob: ArrayLike) -> Estimate:
    """Nagelkerke's R2, Cox and Snell's divided by its maximum; 1 is perfect, negative worse than the prevalence.

    Evaluated at the risks as given, without refitting. No interval here: `bootstrap` gives one.
    Reference: Nagelkerke, Biometrika 78 (1991) 691-692.
    """
    return _r_squared(y_true, y_prob, "Nagelkerke")


def cox_snell_r2(y_true: ArrayLike, y_prob: ArrayLike) -> Estimate:
    """Cox and Snell's R2, 1 - (L0/L)^(2/n), at the risks as given."""
    return _r_squared(y_true, y_prob, "Cox-Snell")


def mcfadden_r2(y_true: ArrayLike, y_prob: ArrayLike) -> Estimate:
    """McFadden's R2, 1 - log L/log L0, at the risks as given."""
    return _r_squared(y_true, y_prob, "McFadden")


def discrimination_slope(y_true: ArrayLike, y_prob: ArrayLike, *, level: float = 0.95) -> Estimate:
    """Mean predicted risk of the events minus that of the non-events (Yates' slope), with Welch's normal interval.

    Reference: Yates, Organ Behav Hum Perform 30 (1982) 132-156.
    """
    level = check_level(level)
    y, p = check_binary_risk(y_true, y_prob)
    n, m = y.size, int(y.sum())
    method = "normal, unequal variances"
    if m in (0, n):
        note = f"undefined: no {'event' if m == 0 else 'non-event'}"
        return Estimate(NAN, level=level, method=method, n=n, n_events=m, note=note)
    events, others = p[y == 1], p[y == 0]
    value = float(events.mean() - others.mean())
    if min(m, n - m) < 2 or np.ptp(events) == np.ptp(others) == 0:
        note = "too few patients, or no spread of risk, for an interval"
        return Estimate(value, level=level, method=method, n=n, n_events=m, note=note)
    se = math.sqrt(events.var(ddof=1) / m + others.var(ddof=1) / (n - m))
    half = z_of(level) * se
    return Estimate(value, max(value - half, -1.0), min(value + half, 1.0), level, method, se, n, m)
