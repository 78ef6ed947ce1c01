"""Updating predicted risks on new patients: in the large, by logistic recalibration, Platt's scaling or isotonically.

Each function learns from outcomes and predicted risks and returns a frozen record; its `apply` turns other predicted
risks into updated ones. Judge an update on patients it did not see. `beta_calibration` and `closed_test` go with it.

Predictions of exactly 0 and 1: `recalibration.Informative` has the rule. They add nothing to a logistic fit where the
outcome agrees, bar it where the outcome contradicts, and with a positive slope `apply` leaves them where they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from validkit.errors import InputError
from validkit.stats.calibration import calibration_in_the_large, calibration_line
from validkit.stats.checks import FloatArray, absent_class, check_binary_risk, check_level, check_risk, patients
from validkit.stats.intervals import z_of
from validkit.stats.isotonic import pool_adjacent_violators
from validkit.stats.likelihood import maximise
from validkit.stats.recalibration import informative
from validkit.stats.results import NAN, Estimate, Record

__all__ = [
    "IsotonicUpdate",
    "LogisticUpdate",
    "recalibrate_in_the_large",
    "recalibrate_isotonic",
    "recalibrate_logistic",
    "recalibrate_platt",
]


def refuse_undefined(undefined: bool, method: str, note: str) -> None:
    """An update that could not be learned cannot be applied."""
    if undefined:
        raise InputError(f"this {method} could not be learned ({note}); there is nothing to apply")


@dataclass(frozen=True, repr=False)
class LogisticUpdate(Record):
    """updated risk = expit(intercept + slope logit(risk)); a coefficient that was not fitted has no standard error."""

    intercept: Estimate
    slope: Estimate
    method: str
    n: int
    n_events: int
    note: str = ""
    n_missing: int = 0

    def apply(self, y_prob: ArrayLike) -> FloatArray:
        """Updated risks of (n,) predicted risks; with a positive slope 0 and 1 stay 0 and 1."""
        p = check_risk(y_prob)
        a, b = self.intercept.value, self.slope.value
        refuse_undefined(math.isnan(a) or math.isnan(b), self.method, self.note)
        updated: FloatArray = special.expit(a + b * special.logit(p) if b != 0 else np.full(p.size, a))
        return updated

    def __repr__(self) -> str:
        tail = f"; {self.note}" if self.note else ""
        line = f"intercept {self.intercept.value:.4g}, slope {self.slope.value:.4g}"
        return f"{self.method}: {line} (n = {self.n}, {self.n_events} events{tail})"


@patients("y_true", "y_prob")
def recalibrate_in_the_large(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    level: float = 0.95,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> LogisticUpdate:
    """Update of the intercept alone: updated risk = expit(a + logit(risk)), a by maximum likelihood.

    After it, expected events equal observed events in these patients. One coefficient, so it can be learned from few
    events; its standard error is of the order of 1/sqrt(events). Undefined (NaN coefficients with a note, and `apply`
    refuses) as `calibration_in_the_large` is.

    >>> update = recalibrate_in_the_large([0, 0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.1, 0.4, 0.2])
    >>> update
    in the large: intercept 1.405, slope 1 (n = 6, 3 events)
    >>> update.apply([0.1, 0.4]).round(3)
    array([0.312, 0.731])

    Reference: Steyerberg et al., Stat Med 23 (2004) 2567-2586. R: glm(y ~ 1, offset = qlogis(p), family = binomial).
    """
    intercept = calibration_in_the_large(y_true, y_prob, level=level)
    slope = Estimate(1.0, level=level, method="fixed", n=intercept.n, n_events=intercept.n_events)
    return LogisticUpdate(
        intercept, slope, "in the large", intercept.n or 0, intercept.n_events or 0, note=intercept.note
    )


@patients("y_true", "y_prob")
def recalibrate_logistic(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    level: float = 0.95,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> LogisticUpdate:
    """Update of intercept and slope: updated risk = expit(a + b logit(risk)), a and b by maximum likelihood.

    Undefined (NaN coefficients with a note, and `apply` refuses) where no finite fit exists, as `calibration_line` is:
    one outcome only, equal predictions, predictions that separate the outcomes. A slope of zero or less turns the
    ranking round; then the note says so.

    >>> recalibrate_logistic([0, 0, 1, 0, 1, 0], [0.1, 0.2, 0.3, 0.4, 0.5, 0.2])
    logistic recalibration: intercept 1.581, slope 2.696 (n = 6, 2 events)

    Reference: Cox, Biometrika 45 (1958) 562-565; Steyerberg et al., Stat Med 23 (2004) 2567-2586.
    R: glm(y ~ qlogis(p), family = binomial).
    """
    intercept, slope = calibration_line(y_true, y_prob, level=level)
    note = with_slope(intercept.note, slope.value)
    return LogisticUpdate(
        intercept, slope, "logistic recalibration", intercept.n or 0, intercept.n_events or 0, note=note
    )


def with_slope(note: str, slope: float) -> str:
    """The note, and that the update turns the ranking round where it does."""
    turned = "the slope is not positive: the update does not keep the ranking" if slope <= 0 else ""
    return "; ".join(part for part in (note, turned) if part)


@patients("y_true", "y_prob")
def recalibrate_platt(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    level: float = 0.95,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> LogisticUpdate:
    """Platt's scaling: logistic recalibration to smoothed targets, finite even where the outcomes are separated.

    Events have the target (m + 1)/(m + 2) and non-events 1/(k + 2), with m events and k non-events among the
    predictions strictly between 0 and 1. With many patients it differs little from `recalibrate_logistic`.

    The targets are a mild prior, so the standard errors (inverse information at the maximum) are nominal. Undefined
    with one outcome only, equal predictions, or an outcome that contradicts a prediction of exactly 0 or 1.

    >>> recalibrate_platt([0, 0, 1, 1], [0.1, 0.2, 0.6, 0.7])
    Platt: intercept 0.4916, slope 0.861 (n = 4, 2 events)

    Reference: Platt, Advances in Large Margin Classifiers (1999) 61-74; Lin, Lin and Weng, Mach Learn 68 (2007)
    267-276. R: glm(targets ~ qlogis(p), family = quasibinomial).
    """
    level = check_level(level)
    y, p = check_binary_risk(y_true, y_prob)
    n, events = y.size, int(y.sum())
    data = informative(y, p)
    eta = data.design[:, 1]
    obstacle = data.obstacle
    if not obstacle and np.ptp(eta) == 0:
        obstacle = "all predictions are equal: the slope is not identified"
    if obstacle:
        none = Estimate(NAN, level=level, method="Wald", n=n, n_events=events, note=obstacle)
        return LogisticUpdate(none, none, "Platt", n, events, note=obstacle)
    m, k = float(data.y.sum()), float((1 - data.y).sum())
    top = maximise(data.design, np.where(data.y == 1, (m + 1) / (m + 2), 1 / (k + 2)), start=np.array([0.0, 1.0]))
    se = np.sqrt(np.diag(np.linalg.inv(top.information)))
    intercept, slope = (
        Estimate(b, b - z_of(level) * s, b + z_of(level) * s, level, "Wald", s, n, events)
        for b, s in zip(top.beta.tolist(), se.tolist(), strict=True)
    )
    return LogisticUpdate(intercept, slope, "Platt", n, events, note=with_slope(data.note, slope.value))


@dataclass(frozen=True, eq=False, repr=False)
class IsotonicUpdate(Record):
    """updated risk = straight lines through the points (x, y), y never falling; level beyond the first and last point.

    x : (k,) distinct predicted risks, in order; y : (k,) their updated risks; k is 0 where it could not be learned.
    """

    x: FloatArray
    y: FloatArray
    n: int
    n_events: int
    note: str = ""
    n_missing: int = 0
    method: str = field(default="isotonic regression")

    def apply(self, y_prob: ArrayLike) -> FloatArray:
        """Updated risks of (n,) predicted risks: interpolated between the points, the end values outside them."""
        p = check_risk(y_prob)
        refuse_undefined(self.x.size == 0, self.method, self.note)
        return np.interp(p, self.x, self.y)

    def __repr__(self) -> str:
        tail = f"; {self.note}" if self.note else ""
        return f"{self.method}: {np.unique(self.y).size} levels (n = {self.n}, {self.n_events} events{tail})"


@patients("y_true", "y_prob")
def recalibrate_isotonic(
    y_true: ArrayLike, y_prob: ArrayLike, *, weights: ArrayLike | None = None, missing: str = "error"
) -> IsotonicUpdate:
    """Isotonic regression of the outcome on the predicted risk: the best updated risks that never fall with the risk.

    Least squares (equally, maximum likelihood) by pooling adjacent violators; patients with equal predictions have one
    value. Predictions of exactly 0 and 1 take part like any other. Between two learned predictions `apply` interpolates
    linearly; below the lowest and above the highest it keeps their values.

    It needs hundreds of events; with few it overfits, and its end levels are often exactly 0 and 1, which the note
    counts: log loss and recalibration are infinite or undefined there. With one outcome only it cannot be learned.

    >>> update = recalibrate_isotonic([0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.6, 0.8])
    >>> update.y
    array([0. , 0.5, 0.5, 1. , 1. ])
    >>> update.apply([0.05, 0.15, 0.45]).round(3)
    array([0.  , 0.25, 0.75])

    Reference: Zadrozny and Elkan, KDD (2002) 694-699; Ayer et al., Ann Math Stat 26 (1955) 641-647.
    R: isoreg. Python: scikit-learn `IsotonicRegression(out_of_bounds="clip")`.
    """
    y, p = check_binary_risk(y_true, y_prob)
    n, m = y.size, int(y.sum())
    if m in (0, n):
        return IsotonicUpdate(np.empty(0), np.empty(0), n, m, absent_class(m, n))
    x, fitted = pool_adjacent_violators(y, p)
    given = np.interp(p, x, fitted)
    certain = int(((given == 0) | (given == 1)).sum())
    note = f"{certain} of {n} patients are given a risk of exactly 0 or 1" if certain else ""
    for array in (x, fitted):
        array.setflags(write=False)
    return IsotonicUpdate(x, fitted, n, m, note)
