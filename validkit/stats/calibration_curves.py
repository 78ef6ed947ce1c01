"""Observed against predicted risk: a smooth curve with its band, its summaries, and groups of risk."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from validkit.stats.calibration import quantile_groups
from validkit.stats.checks import FloatArray, IntArray, check_binary_risk, check_choice, check_count, check_level
from validkit.stats.intervals import wilson, z_of
from validkit.stats.recalibration import informative
from validkit.stats.results import NAN, Curve, Estimate
from validkit.stats.smoothing import EXACT_UP_TO, Band, loess, lowess

_NAMES = ("predicted risk", "observed share of events")


def _logistic(y: IntArray, p: FloatArray, at: FloatArray, level: float) -> Band | str:
    """The logistic recalibration curve with its band from the delta method on the logit scale."""
    data = informative(y, p)
    if data.flat:
        return data.flat
    top = data.fit()
    cov = np.linalg.inv(top.information)
    inside = np.clip(at, np.finfo(float).tiny, 1 - np.finfo(float).epsneg)
    rows = np.column_stack([np.ones(at.size), special.logit(inside)])
    eta, half = rows @ top.beta, z_of(level) * np.sqrt(np.einsum("ij,jk,ik->i", rows, cov, rows))
    return special.expit(eta), special.expit(eta - half), special.expit(eta + half)


_METHODS = {
    "loess": "loess, span 0.75, degree 2 (R's loess), t band",
    "lowess": "lowess, 2/3 of the patients, no robustness steps (rms val.prob)",
    "logistic": "logistic recalibration, Wald band",
}


def _smooth(y: IntArray, p: FloatArray, at: FloatArray, method: str, level: float | None) -> Band | str:
    if (p == p[0]).all():
        return "all predictions are equal: there is no curve to draw"
    fits: dict[str, Callable[[], Band | str]] = {
        "loess": lambda: loess(y, p, at, level=level),
        "lowess": lambda: lowess(y, p, at),
        "logistic": lambda: _logistic(y, p, at, level or 0.95),
    }
    return fits[method]()


def calibration_curve(
    y_true: ArrayLike, y_prob: ArrayLike, *, method: str = "loess", level: float = 0.95, points: int = 101
) -> Curve:
    """Smoothed share of events over predicted risk, from the smallest to the largest risk that occurs.

    method : "loess" (R's loess with span 0.75 and degree 2, as pmcalibration; pointwise t band), "lowess" (as rms
        `val.prob`; no band) or "logistic" (recalibration line; Wald band)
    points : number of equally spaced risks at which the curve is given

    Curve and band are cut to [0, 1]. Where the smoother has no answer (too few distinct predictions) the curve has no
    points and the note gives the reason; `calibration_groups` then still works.
    Reference: Austin and Steyerberg, Stat Med 33 (2014) 517-535.
    """
    level = check_level(level)
    check_choice(method, tuple(_METHODS), "method")
    check_count(points, "points", minimum=2)
    y, p = check_binary_risk(y_true, y_prob)
    at = np.linspace(p.min(), p.max(), points)
    band = _smooth(y, p, at, method, level)
    if isinstance(band, str):
        none = np.empty(0)
        return Curve(none, none, none, none, level, _METHODS[method], *_NAMES, y.size, int(y.sum()), band)
    cut = any(bool(((part < 0) | (part > 1)).any()) for part in band)
    value, low, high = (np.clip(part, 0.0, 1.0) for part in band)
    note = "curve or band cut to [0, 1]" if cut else ""
    if method == "loess" and y.size > EXACT_UP_TO:
        note = f"{note}; " * bool(note) + f"beyond {EXACT_UP_TO} patients the band is that of the direct local fit"
    return Curve(at, value, low, high, level, _METHODS[method], *_NAMES, y.size, int(y.sum()), note)


def calibration_errors(y_true: ArrayLike, y_prob: ArrayLike, *, method: str = "loess") -> dict[str, Estimate]:
    """Distance of the smooth curve from the diagonal over these patients: "ici" (mean), "e50", "e90", "emax".

    The curve is evaluated at every patient's own risk and not cut to [0, 1], as pmcalibration and rms do. No interval
    here: `bootstrap` gives one. All are biased upwards in small samples: a perfectly calibrated model does not reach 0.
    Reference: Austin and Steyerberg, Stat Med 38 (2019) 4051-4065. R: pmcalibration `pmcalibration`.
    """
    check_choice(method, tuple(_METHODS), "method")
    y, p = check_binary_risk(y_true, y_prob)
    n, m = y.size, int(y.sum())
    distinct, patient = np.unique(p, return_inverse=True)
    band = _smooth(y, p, distinct, method, None)
    name = _METHODS[method].removesuffix(", t band").removesuffix(", Wald band")
    if isinstance(band, str):
        return {k: Estimate(NAN, method=name, n=n, n_events=m, note=band) for k in ("ici", "e50", "e90", "emax")}
    gap = np.abs(band[0][patient] - p)
    values = {"ici": gap.mean(), "e50": np.median(gap), "e90": np.quantile(gap, 0.9), "emax": gap.max()}
    return {k: Estimate(float(v), method=name, n=n, n_events=m) for k, v in values.items()}


def calibration_groups(
    y_true: ArrayLike, y_prob: ArrayLike, *, groups: int = 10, level: float = 0.95
) -> list[dict[str, float | int]]:
    """Mean predicted and observed risk in groups of risk, lowest first, with Wilson's interval of the observed share.

    Each row is {n, events, mean_risk, observed, low, high}. Groups are cut at quantiles as in `hosmer_lemeshow`; tied
    risks stay together, so fewer groups than asked for can come back, never an empty one.
    """
    level = check_level(level)
    check_count(groups, "groups", minimum=1)
    y, p = check_binary_risk(y_true, y_prob)
    _, group = np.unique(quantile_groups(p, groups), return_inverse=True)
    size, events = np.bincount(group), np.bincount(group, weights=y)
    risk = np.bincount(group, weights=p)
    low, high = wilson(events, size, level)
    return [
        {
            "n": int(size[g]),
            "events": int(events[g]),
            "mean_risk": float(risk[g] / size[g]),
            "observed": float(events[g] / size[g]),
            "low": float(low[g]),
            "high": float(high[g]),
        }
        for g in range(size.size)
    ]


def expected_calibration_error(y_true: ArrayLike, y_prob: ArrayLike, *, groups: int = 10) -> float:
    """Mean of |observed - mean risk| over quantile groups, weighted by their size; it depends on the grouping."""
    rows = calibration_groups(y_true, y_prob, groups=groups)
    n = sum(row["n"] for row in rows)
    return math.fsum(row["n"] * abs(row["observed"] - row["mean_risk"]) for row in rows) / n
