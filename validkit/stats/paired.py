"""Paired differences of losses and of net benefit: each patient is judged twice, and the differences are a sample.

The difference of two means over the same patients is the mean of the patients' differences d, so its variance is
var(d)/n, however the two models are correlated.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from validkit.stats.checks import (
    FloatArray,
    IntArray,
    absent_class,
    check_choice,
    check_level,
    check_threshold,
    patients,
)
from validkit.stats.comparison import ALTERNATIVES, no_difference, two_models, wald_comparison
from validkit.stats.likelihood_scores import log_losses
from validkit.stats.results import NAN, Comparison

__all__ = ["compare_brier", "compare_log_loss", "compare_net_benefit", "compare_scaled_brier"]

FEW = 10


def _paired(
    y: IntArray,
    value: float,
    influence: FloatArray,
    *,
    method: str,
    level: float,
    alternative: str,
    names: tuple[str, str],
    bound: float = math.inf,
    alike: str = "every patient has the same loss under both models",
    note: str = "",
) -> Comparison:
    """Normal theory for a difference with one influence a patient; influences that are all zero mean no difference."""
    n, m = y.size, int(y.sum())
    options: dict[str, Any] = {"method": method, "level": level, "alternative": alternative, "n": n, "n_events": m}
    if value == 0 and not influence.any():
        return no_difference(alike, ends=NAN, names=names, **options)
    se = float(influence.std(ddof=1)) / math.sqrt(n) if n > 1 else NAN
    if n < 2 or np.ptp(influence) <= 1e-14 * float(np.abs(influence).max()):
        se, note = NAN, "one patient: no test" if n < 2 else "the patients' differences do not vary: no test"
    return wald_comparison(value, se, bound=bound, note=note, names=names, **options)


@patients("y_true", "prob_a", "prob_b")
def compare_brier(
    y_true: ArrayLike,
    prob_a: ArrayLike,
    prob_b: ArrayLike,
    *,
    level: float = 0.95,
    alternative: str = "two-sided",
    a: str = "a",
    b: str = "b",
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Comparison:
    """Difference of two Brier scores (a minus b; negative means a is better) on the same patients, with its z test.

    d_i = (a_i - y_i)^2 - (b_i - y_i)^2, z = mean(d)/(sd(d)/sqrt(n)); the interval is cut to [-1, 1]

    y_true : (n,) int in {0, 1}; prob_a, prob_b : (n,) float in [0, 1]
    alternative : "two-sided", "less" (a has the smaller score) or "greater"; the interval is two-sided in every case
    Where every patient's losses are equal the difference is 0, p = 1 and there is no interval; where all differ by the
    same amount there is no variance and no test.

    >>> compare_brier([0, 1, 0, 1], [0.1, 0.7, 0.3, 0.9], [0.2, 0.6, 0.4, 0.5]).difference.value.__round__(4)
    -0.1025

    Reference: Redelmeier et al., J Clin Epidemiol 44 (1991) 1141-1146. R: riskRegression `Score(contrasts = TRUE)`.
    """
    level = check_level(level)
    check_choice(alternative, ALTERNATIVES, "alternative")
    y, p, q = two_models(y_true, prob_a, prob_b)
    gap = (p - q) * (p + q - 2 * y)
    return _paired(
        y,
        float(gap.mean()),
        gap,
        method="paired losses, normal",
        level=level,
        alternative=alternative,
        bound=1.0,
        names=(a, b),
    )


@patients("y_true", "prob_a", "prob_b")
def compare_scaled_brier(
    y_true: ArrayLike,
    prob_a: ArrayLike,
    prob_b: ArrayLike,
    *,
    level: float = 0.95,
    alternative: str = "two-sided",
    a: str = "a",
    b: str = "b",
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Comparison:
    """Difference of two scaled Brier scores (a minus b; positive means a is better), by the delta method.

    IPA_a - IPA_b = -D/v with D the difference of the Brier scores and v = prev (1 - prev); patient i's influence is
    -(d_i - D)/v + D (1 - 2 prev)(y_i - prev)/v^2, the prevalence being estimated too

    y_true : (n,) int in {0, 1}; prob_a, prob_b : (n,) float in [0, 1]
    Undefined (NaN) without both an event and a non-event.

    >>> compare_scaled_brier([0, 1, 0, 1], [0.1, 0.7, 0.3, 0.9], [0.2, 0.6, 0.4, 0.5]).difference.value.__round__(4)
    0.41

    Reference: Kattan and Gerds, Diagn Progn Res 2 (2018) 7.
    """
    level = check_level(level)
    check_choice(alternative, ALTERNATIVES, "alternative")
    y, p, q = two_models(y_true, prob_a, prob_b)
    n, m = y.size, int(y.sum())
    method = "paired losses, normal, delta method"
    if m in (0, n):
        note = absent_class(m, n)
        options: dict[str, Any] = {"level": level, "alternative": alternative, "n": n, "n_events": m}
        return wald_comparison(NAN, NAN, method=method, note=note, names=(a, b), **options)
    gap, prevalence = (p - q) * (p + q - 2 * y), m / n
    spread, mean = prevalence * (1 - prevalence), float(gap.mean())
    influence = (mean - gap) / spread + mean * (1 - 2 * prevalence) * (y - prevalence) / spread**2
    return _paired(
        y, -mean / spread + 0.0, influence, method=method, level=level, alternative=alternative, names=(a, b)
    )


@patients("y_true", "prob_a", "prob_b")
def compare_log_loss(
    y_true: ArrayLike,
    prob_a: ArrayLike,
    prob_b: ArrayLike,
    *,
    level: float = 0.95,
    alternative: str = "two-sided",
    a: str = "a",
    b: str = "b",
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Comparison:
    """Difference of two log losses in nats (a minus b; negative means a is better), with its z test.

    d_i = log(b's probability of what happened/a's), z = mean(d)/(sd(d)/sqrt(n))

    y_true : (n,) int in {0, 1}; prob_a, prob_b : (n,) float in [0, 1]
    Nothing is clipped: a wrong risk of exactly 0 or 1 makes its model's loss, and so the difference, infinite (NaN
    where both are), without a test; the note says whose.

    >>> compare_log_loss([0, 1, 0, 1], [0.1, 0.7, 0.3, 0.9], [0.2, 0.6, 0.4, 0.5]).difference.value.__round__(4)
    -0.2535

    Reference: Vuong, Econometrica 57 (1989) 307-333, for models fixed beforehand.
    """
    level = check_level(level)
    check_choice(alternative, ALTERNATIVES, "alternative")
    y, p, q = two_models(y_true, prob_a, prob_b)
    n, m = y.size, int(y.sum())
    method = "paired losses, normal"
    loss_a, loss_b = (log_losses(y, r) for r in (p, q))
    wrong = [name for name, loss in ((a, loss_a), (b, loss_b)) if np.isinf(loss).any()]
    if wrong:
        value = NAN if len(wrong) == 2 else math.inf if np.isinf(loss_a).any() else -math.inf
        note = f"a risk of exactly 0 or 1 was wrong in {' and '.join(wrong)}: infinite loss, no test"
        options: dict[str, Any] = {"level": level, "alternative": alternative, "n": n, "n_events": m}
        return wald_comparison(value, NAN, method=method, note=note, names=(a, b), **options)
    gap = loss_a - loss_b
    return _paired(y, float(gap.mean()), gap, method=method, level=level, alternative=alternative, names=(a, b))


@patients("y_true", "prob_a", "prob_b")
def compare_net_benefit(
    y_true: ArrayLike,
    prob_a: ArrayLike,
    prob_b: ArrayLike,
    *,
    threshold: float,
    level: float = 0.95,
    alternative: str = "two-sided",
    a: str = "a",
    b: str = "b",
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Comparison:
    """Difference of two net benefits (a minus b; positive means a is better) at one threshold, with its z test.

    A patient contributes u = 1{risk >= t} (y - (1 - y) w), w = t/(1 - t), to each model, so d_i = u_i(a) - u_i(b) is 0
    where both decide alike, +-1 for an event and -+w for a non-event; z = mean(d)/(sd(d)/sqrt(n)). With c events that
    only a treats, e that only b treats, and f, g such non-events, mean(d) = (c - e - w (f - g))/n and
    var(d) = (c + e + w^2 (f + g) - n mean(d)^2)/(n - 1). The interval is cut to [-max(1, w), max(1, w)].

    y_true : (n,) int in {0, 1}; prob_a, prob_b : (n,) float in [0, 1]; threshold : in [0, 1); risk >= threshold treats
    Where both decide alike for everybody the difference is 0, p = 1 and there is no interval. With fewer than 10
    patients decided differently the note warns that the normal theory is rough. At a threshold of 1 it is undefined.
    To compare a model with treating everybody or nobody, pass a risk of 1 or 0 for everybody.

    >>> y, p, q = [0, 1, 0, 1, 0], [0.1, 0.7, 0.3, 0.9, 0.2], [0.6, 0.1, 0.1, 0.5, 0.1]
    >>> compare_net_benefit(y, p, q, threshold=0.2).difference.value.__round__(4)
    0.15

    Reference: Vickers and Elkin, Med Decis Making 26 (2006) 565-574; the variance follows from the contributions, as
    for one model in Marsh et al., Biometrics 76 (2020) 843-852.
    """
    level = check_level(level)
    check_choice(alternative, ALTERNATIVES, "alternative")
    y, p, q = two_models(y_true, prob_a, prob_b)
    t = check_threshold(threshold)
    n, m = y.size, int(y.sum())
    method = "paired contributions, normal"
    if t == 1:
        note = "undefined at a threshold of 1: the weight t/(1 - t) is infinite"
        options: dict[str, Any] = {"level": level, "alternative": alternative, "n": n, "n_events": m}
        return wald_comparison(NAN, NAN, method=method, note=note, names=(a, b), **options)
    weight = t / (1 - t)
    changed = (p >= t).astype(np.int64) - (q >= t)
    gap = np.asarray(changed * np.where(y == 1, 1.0, -weight), dtype=np.float64)
    differ = int(np.count_nonzero(changed))
    treated = "1 patient is" if differ == 1 else f"{differ} patients are"
    return _paired(
        y,
        (int(changed[y == 1].sum()) - weight * int(changed[y == 0].sum())) / n + 0.0,
        gap,
        alike=f"both decide alike for every patient at {t:g}" if differ == 0 else "a false positive costs nothing at 0",
        method=method,
        level=level,
        alternative=alternative,
        bound=max(1.0, weight),
        names=(a, b),
        note=f"only {treated} decided differently: the normal theory is rough" if differ < FEW else "",
    )
