"""A model's curves at home, drawn again from what its bundle tells: calibration and net benefit."""

from __future__ import annotations

import numpy as np
from scipy import special

from validkit.bundle.case_mix import LinearPredictor
from validkit.stats.intervals import z_of
from validkit.stats.results import NAN, Curve

__all__ = ["calibration_at_home", "decision_at_home"]

POINTS = 60


def calibration_at_home(told: LinearPredictor, *, level: float = 0.95) -> Curve | None:
    """The calibration line on the scale of risk with its pointwise band, between the outer quantiles of home's risks.

    None where the bundle tells no line, or no quantiles.
    """
    if told.line is None or not told.all.quantiles:
        return None
    lp = np.linspace(told.all.quantiles[0], told.all.quantiles[-1], POINTS)
    design = np.column_stack([np.ones(POINTS), lp])
    middle = design @ np.array([told.line.intercept, told.line.slope])
    half = z_of(level) * np.sqrt(np.einsum("ij,jk,ik->i", design, np.array(told.line.covariance), design))
    return Curve(
        special.expit(lp),
        special.expit(middle),
        special.expit(middle - half),
        special.expit(middle + half),
        level,
        "calibration line, Wald",
        "predicted risk",
        "observed proportion",
        told.all.n,
        told.events.n,
    )


def decision_at_home(told: LinearPredictor, *, level: float = 0.95) -> Curve | None:
    """The decision curve at the thresholds that are told; None where there are none."""
    if not told.benefits:
        return None
    x, y = (np.array([getattr(one, key) for one in told.benefits]) for key in ("threshold", "value"))
    half = z_of(level) * np.array([NAN if one.se is None else one.se for one in told.benefits])
    method = "net benefit, normal"
    names = ("threshold probability", "net benefit")
    return Curve(x, y, y - half, y + half, level, method, *names, told.all.n, told.events.n)
