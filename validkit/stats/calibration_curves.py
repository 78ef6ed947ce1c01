"""Observed against predicted risk: a smooth curve with its band."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from validkit.errors import InputError
from validkit.stats.calibration_distances import calibration_errors, expected_calibration_error
from validkit.stats.checks import (
    FloatArray,
    IntArray,
    check_binary_risk,
    check_choice,
    check_count,
    check_level,
    patients,
)
from validkit.stats.draws import LARGEST_LOSS, draw_plan
from validkit.stats.results import NAN, Curve
from validkit.stats.risk_groups import calibration_groups
from validkit.stats.smoothing import EXACT_UP_TO, METHODS, smooth
from validkit.stats.splines import check_knots

__all__ = ["calibration_curve", "calibration_errors", "calibration_groups", "expected_calibration_error"]

_NAMES = ("predicted risk", "observed share of events")


@patients("y_true", "y_prob")
def calibration_curve(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    method: str = "loess",
    level: float = 0.95,
    points: int = 101,
    knots: int = 5,
    band: str | None = None,
    rng: np.random.Generator | int | None = None,
    replicates: int = 2000,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Curve:
    """Smoothed share of events over predicted risk, from the smallest to the largest risk that occurs.

    method : "loess" (R's loess with span 0.75 and degree 2, as pmcalibration; pointwise t band), "lowess" (as rms
        `val.prob`), "logistic" (recalibration line; Wald band), "rcs" (logistic model on a restricted cubic spline of
        logit risk with Harrell's knots; Wald band) or "isotonic" (pool adjacent violators, straight between distinct
        predictions; the band is Clopper-Pearson's over neighbouring patients, conservative where the true curve never
        falls: see `isotonic`)
    points : number of equally spaced risks at which the curve is given
    knots : number of knots of "rcs", 3 to 7
    band : "own" (the one named above), "bootstrap" (percentile, the curve fitted anew in every replicate and held at
        its end values beyond the risks drawn), or None: the own one where there is one (all but lowess), otherwise the
        bootstrap, which needs `rng`; without it the band is NaN and the note says so

    Curve and band are cut to [0, 1]. Where the smoother has no answer (too few distinct predictions) the curve has no
    points and the note gives the reason; `calibration_groups` then still works.
    Predictions of exactly 0 and 1 count as any other in loess, lowess and isotonic regression. In the logistic line and
    the spline they have no finite logit: where every outcome agrees with them they leave the fit as it is and the curve
    is at 0 or 1 there; where one does not, there is no curve.

    >>> y, p = [0, 0, 1, 0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
    >>> calibration_curve(y, p, method="isotonic", points=3).y.tolist()
    [0.0, 0.5, 1.0]

    Reference: Austin and Steyerberg, Stat Med 33 (2014) 517-535; Harrell, Regression Modeling Strategies (2015).
    R: pmcalibration `pmcalibration`, rms `val.prob`, `isoreg`.
    """
    level = check_level(level)
    check_choice(method, tuple(METHODS), "method")
    check_count(points, "points", minimum=2)
    check_knots(knots)
    y, p = check_binary_risk(y_true, y_prob)
    own = METHODS[method][1]
    kind = _kind_of_band(band, method, own, rng)
    at = np.linspace(p.min(), p.max(), points)
    fitted = smooth(y, p, at, method, level=level if kind == "own" else None, knots=knots)
    names = [METHODS[method][0].format(knots=knots), own if kind == "own" else "bootstrap band" * (kind == "bootstrap")]
    label, n, m = ", ".join(name for name in names if name), y.size, int(y.sum())
    if isinstance(fitted, str):
        none = np.empty(0)
        return Curve(none, none, none, none, level, label, *_NAMES, n, m, fitted)
    value, low, high = fitted
    remarks = []
    if kind == "bootstrap" and rng is not None:
        plan = draw_plan(y, rng=rng, replicates=replicates)
        low, high, remark = _limits(plan.replicates(_curve_at(at, method, knots), y, p), level)
        remarks.append(remark)
    return _cut(at, (value, low, high), level, label, n, m, [*_remarks(p, method, kind), *remarks])


def _kind_of_band(band: str | None, method: str, own: str, rng: np.random.Generator | int | None) -> str:
    """ "own", "bootstrap", or "" where there is no way to a band."""
    if band is None:
        return "own" if own else "bootstrap" * (rng is not None)
    check_choice(band, ("own", "bootstrap"), "band")
    if band == "own" and not own:
        raise InputError(f"`band` must be 'bootstrap' for method {method!r}, which has no band of its own")
    if band == "bootstrap" and rng is None:
        raise InputError("`band` = 'bootstrap' needs `rng`, a numpy Generator or a whole number as seed")
    return band


def _curve_at(at: FloatArray, method: str, knots: int) -> Callable[[IntArray, FloatArray], FloatArray]:
    def statistic(y: IntArray, p: FloatArray) -> FloatArray:
        within = np.clip(at, p.min(), p.max())
        fitted = smooth(y, p, within, method, knots=knots)
        return np.full(at.size, NAN) if isinstance(fitted, str) else fitted[0]

    return statistic


def _limits(curves: FloatArray, level: float) -> tuple[FloatArray, FloatArray, str]:
    """Pointwise percentile band of (B, points) curves, and how many replicates had one."""
    kept = curves[np.isfinite(curves).all(axis=1)]
    note = f"{len(kept)} of {len(curves)} replicates"
    if len(kept) < (1 - LARGEST_LOSS) * len(curves):
        none = np.full(curves.shape[1], NAN)
        return none, none, f"{note} gave a curve: too few for a band"
    low, high = np.quantile(kept, [0.5 - level / 2, 0.5 + level / 2], axis=0)
    return low, high, note


def _remarks(p: FloatArray, method: str, kind: str) -> list[str]:
    remarks = []
    if method == "loess" and kind == "own" and p.size > EXACT_UP_TO:
        remarks.append(f"beyond {EXACT_UP_TO} patients the band is that of the direct local fit")
    if method in ("logistic", "rcs") and ((p == 0) | (p == 1)).any():
        remarks.append("predictions of exactly 0 or 1 add nothing to the fit; there the curve is at 0 or 1")
    if not kind:
        remarks.append("no band without `rng`: it is from the bootstrap")
    return remarks


def _cut(
    at: FloatArray,
    parts: tuple[FloatArray, FloatArray, FloatArray],
    level: float,
    label: str,
    n: int,
    n_events: int,
    remarks: list[str],
) -> Curve:
    cut = any(bool(((part < 0) | (part > 1)).any()) for part in parts)
    value, low, high = (np.clip(part, 0.0, 1.0) for part in parts)
    note = "; ".join(["curve or band cut to [0, 1]"] * cut + remarks)
    return Curve(at, value, low, high, level, label, *_NAMES, n, n_events, note)
