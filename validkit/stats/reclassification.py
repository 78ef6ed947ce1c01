"""Net reclassification improvement and integrated discrimination improvement, for readers who are asked for them.

Do not use them to choose or to praise a model. Both can be made positive by a useless marker that is fitted too
closely, or by bad calibration alone (Hilden and Gerds, Stat Med 33 (2014) 3405-3414; Pepe et al., Stat Biosci 7 (2015)
282-295), so neither is proper; the NRI adds events and non-events as if both weighed the same, whatever the prevalence
and the costs, and is often misread as a proportion of patients (Kerr et al., Epidemiology 25 (2014) 114-121; Leening et
al., Ann Intern Med 160 (2014) 122-131). Their tests are invalid for nested models on the same data: none is given here.
Use instead: `compare_net_benefit`, `compare_auc`, `compare_brier`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from validkit.errors import InputError
from validkit.stats.checks import (
    FloatArray,
    IntArray,
    absent_class,
    as_float,
    check_level,
    check_threshold,
    check_thresholds,
    patients,
)
from validkit.stats.comparison import two_models
from validkit.stats.intervals import z_of
from validkit.stats.results import NAN, Estimate, Record

__all__ = ["IDI", "NRI", "idi", "nri"]

NRI_CAUTION = (
    "not recommended: a useless marker or bad calibration can raise it and it weighs events and non-events alike "
    "(Hilden & Gerds 2014; Pepe 2015; Kerr 2014; Leening 2014); report net benefit instead"
)
IDI_CAUTION = (
    "not recommended: bad calibration or a useless marker can raise it (Hilden & Gerds 2014; Pepe 2015); "
    "report the Brier score or net benefit instead"
)


@dataclass(frozen=True, repr=False)
class NRI(Record):
    """Net reclassification improvement: events + non_events = total, in [-2, 2], no proportion of anything.

    up_events and its like are the shares of events (non-events) that the new model moves up (down)
    """

    total: Estimate
    events: Estimate
    non_events: Estimate
    up_events: float
    down_events: float
    up_non_events: float
    down_non_events: float

    def __repr__(self) -> str:
        return f"NRI {self.total!r}; events {self.events.value:.4g}, non-events {self.non_events.value:.4g}"


@dataclass(frozen=True, repr=False)
class IDI(Record):
    """Integrated discrimination improvement: total = events + non_events, the latter being minus the mean rise."""

    total: Estimate
    events: Estimate
    non_events: Estimate

    def __repr__(self) -> str:
        return f"IDI {self.total!r}; events {self.events.value:.4g}, non-events {self.non_events.value:.4g}"


def _three(
    y: IntArray,
    values: tuple[float, float],
    variances: tuple[float, float],
    *,
    level: float,
    method: str,
    caution: str,
    bound: float,
) -> tuple[Estimate, Estimate, Estimate]:
    """Estimates of the sum and of the parts among events and non-events, with Wald intervals."""
    n, m = y.size, int(y.sum())

    def one(value: float, variance: float, size: int, events: int, most: float) -> Estimate:
        se = math.sqrt(variance)
        if math.isnan(value):
            cause = absent_class(m, n)
        elif math.isnan(se):
            cause = "a single event or non-event: no interval"
        else:
            cause = "no variance: no interval" if se == 0 else ""
        half = NAN if cause else z_of(level) * se
        low, high = value - half, value + half
        if low < -most or high > most:
            low, high, cause = max(low, -most), min(high, most), "interval cut at its bound"
        note = "; ".join(part for part in (cause, caution) if part)
        return Estimate(value, low, high, level, method, se, size, events, note)

    return (
        one(values[0] + values[1], variances[0] + variances[1], n, m, 2 * bound),
        one(values[0], variances[0], m, m, bound),
        one(values[1], variances[1], n - m, 0, bound),
    )


def _shares(moved: IntArray) -> tuple[float, float, float]:
    """(share up, share down, variance of their difference) in one class."""
    n = moved.size
    if n == 0:
        return NAN, NAN, NAN
    up, down = int((moved > 0).sum()), int((moved < 0).sum())
    return up / n, down / n, ((up + down) / n - ((up - down) / n) ** 2) / n


@patients("y_true", "prob_old", "prob_new")
def nri(
    y_true: ArrayLike,
    prob_old: ArrayLike,
    prob_new: ArrayLike,
    *,
    cuts: ArrayLike | None = None,
    change: float = 0.0,
    level: float = 0.95,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> NRI:
    """Net reclassification improvement of a new model over an old one. Not recommended, see below.

    NRI = [P(up | event) - P(down | event)] + [P(down | non-event) - P(up | non-event)], the variance of each part being
    that of a multinomial difference, (P(up) + P(down) - (P(up) - P(down))^2)/n

    y_true : (n,) int in {0, 1}; prob_old, prob_new : (n,) float in [0, 1]
    cuts : (c,) strictly increasing, inside (0, 1): categories, a patient exactly at a cut being in the upper one
    change : without cuts, how far a risk must move to count, in [0, 1]: "up" where new - old > change (continuous NRI)

    Why not to use it: a useless marker or bad calibration can make it positive (Hilden and Gerds 2014; Pepe 2015), it
    weighs events and non-events alike, and it is no proportion of patients (Kerr 2014; Leening 2014). No p value is
    given: its test is invalid for nested models. Report net benefit (`compare_net_benefit`). The continuous NRI is
    affected most. Without events or non-events it is NaN.

    >>> nri([1, 1, 0, 0], [0.4, 0.6, 0.4, 0.3], [0.6, 0.7, 0.2, 0.35], cuts=[0.5]).total.value
    0.5

    Reference: Pencina et al., Stat Med 27 (2008) 157-172; 30 (2011) 11-21; against it Hilden and Gerds, Stat Med 33
    (2014) 3405-3414; Pepe et al., Stat Biosci 7 (2015) 282-295; Kerr et al., Epidemiology 25 (2014) 114-121; Leening et
    al., Ann Intern Med 160 (2014) 122-131. R: Hmisc `improveProb`, nricens `nribin`.
    """
    level = check_level(level)
    y, old, new = _old_and_new(y_true, prob_old, prob_new)
    moved, kind = _moves(old, new, cuts, check_threshold(change, "change"))
    up_e, down_e, v_e = _shares(moved[y == 1])
    up_n, down_n, v_n = _shares(moved[y == 0])
    options: dict[str, Any] = {"level": level, "method": kind, "caution": NRI_CAUTION, "bound": 1.0}
    parts = _three(y, (up_e - down_e, down_n - up_n), (v_e, v_n), **options)
    return NRI(*parts, up_e, down_e, up_n, down_n)


def _old_and_new(y_true: ArrayLike, old: ArrayLike, new: ArrayLike) -> tuple[IntArray, FloatArray, FloatArray]:
    try:
        return two_models(y_true, old, new)
    except InputError as error:
        raise InputError(str(error).replace("`prob_a`", "`prob_old`").replace("`prob_b`", "`prob_new`")) from None


def _moves(old: FloatArray, new: FloatArray, cuts: ArrayLike | None, change: float) -> tuple[IntArray, str]:
    """+1 where the new model moves a patient up, -1 down, 0 where not, and the name of the kind."""
    if cuts is None:
        gap = new - old
        name = "continuous NRI" if change == 0 else f"NRI, change above {change:g}"
        return (gap > change).astype(np.int64) - (gap < -change), name
    if change:
        raise InputError("give either `cuts` or `change`, not both")
    if np.size(as_float(cuts, "cuts")) and (np.min(cuts) <= 0 or np.max(cuts) >= 1):
        raise InputError(f"`cuts` must lie strictly inside (0, 1); they run from {np.min(cuts):g} to {np.max(cuts):g}")
    edges = check_thresholds(cuts, "cuts")
    before, after = (np.searchsorted(edges, risk, side="right") for risk in (old, new))
    return np.sign(after - before).astype(np.int64), f"NRI, {edges.size + 1} categories"


@patients("y_true", "prob_old", "prob_new")
def idi(
    y_true: ArrayLike,
    prob_old: ArrayLike,
    prob_new: ArrayLike,
    *,
    level: float = 0.95,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> IDI:
    """Integrated discrimination improvement of a new model over an old one. Not recommended, see below.

    IDI = mean(new - old | event) - mean(new - old | non-event), the rise of the discrimination slope; its variance is
    the sum of var(new - old)/n over both classes

    y_true : (n,) int in {0, 1}; prob_old, prob_new : (n,) float in [0, 1]

    Why not to use it: it is not proper, so a miscalibrated model or a useless marker can raise it (Hilden and Gerds
    2014; Pepe 2015), and its test is invalid for nested models (Kerr et al. 2011): no p value is given. Report
    `compare_brier` or `compare_net_benefit`. Without events or non-events it is NaN.

    >>> idi([1, 1, 0, 0], [0.4, 0.6, 0.4, 0.3], [0.6, 0.7, 0.2, 0.35]).total.value.__round__(4)
    0.225

    Reference: Pencina et al., Stat Med 27 (2008) 157-172; against it Hilden and Gerds, Stat Med 33 (2014) 3405-3414;
    Pepe et al., Stat Biosci 7 (2015) 282-295; Kerr et al., Am J Epidemiol 174 (2011) 364-374. R: Hmisc `improveProb`.
    """
    level = check_level(level)
    y, old, new = _old_and_new(y_true, prob_old, prob_new)
    rise = new - old
    values, variances = [], []
    for sign, part in ((1, rise[y == 1]), (-1, rise[y == 0])):
        values.append(sign * float(part.mean()) if part.size else NAN)
        variances.append(float(part.var(ddof=1)) / part.size if part.size > 1 else NAN)
    options: dict[str, Any] = {"level": level, "method": "IDI, normal", "caution": IDI_CAUTION, "bound": 1.0}
    return IDI(*_three(y, (values[0], values[1]), (variances[0], variances[1]), **options))
