"""What a logistic recalibration, logit P(event) = a + b logit(risk), can rest on, and its maximum likelihood fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from validkit.stats.checks import FloatArray, IntArray
from validkit.stats.likelihood import Maximum, bernoulli, maximise


@dataclass(frozen=True)
class Informative:
    """The patients that bear on a logistic recalibration, and why it may be impossible.

    A predicted risk of exactly 0 or 1 has an infinite logit, which no finite intercept and positive slope can move. If
    the outcome agrees with it, the patient adds nothing to the likelihood and leaves the fit as it is (rms `val.prob`
    drops such patients too). If the outcome contradicts it, the likelihood is zero whatever the coefficients, and no
    finite estimate exists: `obstacle` says so.

    y : (n,) float in {0, 1}; design : (n, 2), ones and logit(risk)
    """

    y: FloatArray
    design: FloatArray
    note: str
    obstacle: str
    flat: str

    def fit(self, *, slope_fixed: bool = False) -> Maximum:
        """Maximum likelihood of intercept and slope, or of the intercept with the slope held at 1."""
        free = np.array([True, not slope_fixed])
        return maximise(self.design, self.y, start=np.array([0.0, 1.0]), free=free)


def informative(y: IntArray, p: FloatArray) -> Informative:
    """Set apart the predictions of exactly 0 and 1; `obstacle` bars any fit, `flat` bars a slope."""
    extreme = (p == 0) | (p == 1)
    certain = int(extreme.sum())
    contradicted = int((extreme & (y != p)).sum()) if certain else 0
    note = f"{certain} predictions of exactly 0 or 1 add nothing to the fit" if certain else ""
    kept, logit = (y[~extreme], special.logit(p[~extreme])) if certain else (y, special.logit(p))
    obstacle = ""
    if contradicted:
        obstacle = f"outcomes contradict {contradicted} predictions of exactly 0 or 1: no finite fit exists"
    elif y.min() == y.max():
        obstacle = "undefined: no event" if y.max() == 0 else "undefined: no non-event"
    elif kept.size == 0 or kept.min() == kept.max():
        obstacle = "one outcome only among the predictions strictly between 0 and 1: no finite fit exists"
    flat = obstacle or _separation(kept, logit)
    design = np.ones((kept.size, 2), order="F")
    design[:, 1] = logit
    return Informative(kept.astype(np.float64), design, note, obstacle, flat)


def _separation(y: IntArray, x: FloatArray) -> str:
    """Why no finite slope of y on x exists: constant x, or (quasi-)complete separation; empty when one does."""
    if x.min() == x.max():
        return "all predictions are equal: the slope is not identified"
    event = y == 1
    events, others = x[event], x[~event]
    if events.min() >= others.max() or others.min() >= events.max():
        return "the predictions separate the outcomes: no finite slope exists"
    return ""


def log_likelihood(y: FloatArray, eta: FloatArray) -> float:
    """Bernoulli log likelihood at linear predictors eta, without overflow."""
    return bernoulli(y, eta)[2]
