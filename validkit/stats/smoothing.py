"""Smoothers of a 0/1 outcome over predicted risk: R's loess and lowess, and the choice among all five.

Each returns (fit, low, high) at the points asked for, or a sentence saying why it has no answer there. Loess, lowess
and isotonic regression work on the scale of risk and treat predictions of exactly 0 and 1 as any other; the logistic
line and the spline work on its logit and follow `recalibration.Informative`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from validkit.stats.checks import FloatArray, IntArray
from validkit.stats.intervals import t_of
from validkit.stats.isotonic import isotonic
from validkit.stats.results import NAN
from validkit.stats.splines import logistic_curve, spline_curve

Band = tuple[FloatArray, FloatArray, FloatArray]
SPAN, DEGREE = 0.75, 2
EXACT_UP_TO, SMALL = 3000, 100
MOST_CELLS = 1 << 27
METHODS = {  # what the curve is, and what band it brings along
    "loess": ("loess, span 0.75, degree 2 (R's loess)", "t band"),
    "lowess": ("lowess, 2/3 of the patients, no robustness steps (rms val.prob)", ""),
    "logistic": ("logistic recalibration", "Wald band"),
    "rcs": ("restricted cubic spline of logit risk, {knots} knots", "Wald band"),
    "isotonic": ("isotonic regression", "conservative exact band"),
}


def smooth(
    y: IntArray, p: FloatArray, at: FloatArray | None, method: str, *, level: float | None = None, knots: int = 5
) -> Band | str:
    """The curve of `method` at the risks `at`, with the method's own band where it has one and a level is given.

    at : risks within the range of p, or None for every patient's own
    """
    if (p == p[0]).all():
        return "all predictions are equal: there is no curve to draw"
    if method == "loess":
        return loess(y, p, at, level=level)
    where = p if at is None else at
    fits: dict[str, Callable[[], Band | str]] = {
        "lowess": lambda: lowess(y, p, where),
        "logistic": lambda: logistic_curve(y, p, where, level=level),
        "rcs": lambda: spline_curve(y, p, where, level=level, knots=knots),
        "isotonic": lambda: isotonic(y, p, where, level=level),
    }
    return fits[method]()


def loess(y: IntArray, p: FloatArray, at: FloatArray | None, *, level: float | None = None) -> Band | str:
    """R's `loess(y ~ p)` (span 0.75, degree 2, Gaussian) at `at`, with the t band of `predict(se = TRUE)`.

    at : risks within the range of p, or None for every patient's own
    Without `level` the limits are NaN. No answer where the fit runs through every outcome. Up to 3,000 patients
    everything is R's default. Beyond, where R's standard errors ask for memory in the square of n, the trace is
    approximated (R's trace.hat = "approximate") and the standard errors are those of the direct local fit, a few per
    cent from R's.
    """
    from skmisc.loess import loess as fit_loess

    if np.unique(p).size < DEGREE + 2:
        return f"loess of degree {DEGREE} needs at least {DEGREE + 2} distinct predictions"
    exact = p.size <= EXACT_UP_TO
    needed = level is not None or p.size <= SMALL  # the trace bears on the band, and shows a fit that only interpolates
    trace = "exact" if exact and needed else "approximate"
    try:
        model = fit_loess(p, y.astype(float), span=SPAN, degree=DEGREE, trace_hat=trace)
        model.fit()
        if at is None:
            fit, se, df = np.asarray(model.outputs.fitted_values, dtype=float), np.full(p.size, NAN), 1.0
        else:
            fit, se, df = _predicted(model, p, at, level is not None, exact)
    except ValueError as error:
        return f"loess has no answer here: {_reason(error)}"
    if not np.isfinite(fit).all():
        return "loess has no answer here: too few distinct predictions in some neighbourhood"
    half = np.full(fit.size, NAN) if level is None else t_of(level, df) * se
    return fit, fit - half, fit + half


def _predicted(
    model: Any, p: FloatArray, at: FloatArray, wanted: bool, exact: bool
) -> tuple[FloatArray, FloatArray, float]:
    """Fit, standard errors and their degrees of freedom at `at`; NaN for standard errors that are not wanted."""
    if exact and wanted:
        prediction = model.predict(at, stderror=True)
        return np.asarray(prediction.values, float), np.asarray(prediction.stderr, float), float(prediction.df)
    step = max(
        1, MOST_CELLS // p.size
    )  # scikit-misc asks for points x patients cells, and ends the process beyond 2^31
    parts = [model.predict(at[i : i + step], stderror=False).values for i in range(0, at.size, step)]
    fit = np.concatenate(parts).astype(np.float64)
    if not wanted:
        return fit, np.full(at.size, NAN), 1.0
    outputs = model.outputs
    return fit, float(outputs.residual_scale) * _operator_norms(p, at), p.size - float(outputs.enp)


def _operator_norms(p: FloatArray, at: FloatArray) -> FloatArray:
    """Length of the row of weights by which the local quadratic at each point turns the outcomes into its fit.

    With u the distances over the reach, w the tricube weights and M = sum w u^(i+j), the row is w (1, u, u^2) M^-1 e_0.
    """
    k = int(np.floor(p.size * SPAN + 1e-5))
    ordered = np.sort(p)
    norms = np.empty(at.size)
    place = np.add.outer(np.arange(DEGREE + 1), np.arange(DEGREE + 1))
    for i, point in enumerate(at):
        first = _first_of_nearest(ordered, float(point), k)
        away = ordered[first : first + k] - point
        reach = max(-away[0], away[-1])
        if reach == 0:
            raise ValueError("too few distinct predictions in some neighbourhood")
        u = away / reach
        square = u * u  # multiplied out: powers take ten times longer
        part = 1 - np.abs(u) * square
        weight = part * part * part
        powers = (np.ones(k), u, square, u * square, square * square)
        moments, squares = (np.array([w @ power for power in powers])[place] for w in (weight, weight * weight))
        row = np.linalg.solve(moments, np.eye(DEGREE + 1)[0])
        norms[i] = np.sqrt(row @ squares @ row)
    return norms


def _first_of_nearest(ordered: FloatArray, point: float, k: int) -> int:
    """Where, among increasing values, the k nearest to a point begin."""
    low, high = 0, ordered.size - k
    while low < high:
        middle = (low + high) // 2
        if point - ordered[middle] > ordered[middle + k] - point:
            low = middle + 1
        else:
            high = middle
    return low


def _reason(error: ValueError) -> str:
    """The text of an error of the Fortran code, which comes as bytes."""
    raw = error.args[0] if error.args else ""
    return (raw.decode(errors="replace") if isinstance(raw, bytes) else str(raw)).strip()


def lowess(y: IntArray, p: FloatArray, at: FloatArray) -> Band | str:
    """R's `lowess(p, y, iter = 0)`, interpolated at `at`, as rms `val.prob` draws it; it has no band."""
    from statsmodels.nonparametric.smoothers_lowess import lowess as fit_lowess

    with np.errstate(divide="ignore", invalid="ignore"):
        smooth = fit_lowess(y.astype(float), p, frac=2 / 3, it=0, delta=0.01 * float(np.ptp(p)), return_sorted=True)
    if not np.isfinite(smooth).all():
        return "lowess has no answer here: too few distinct predictions in some neighbourhood"
    none = np.full(at.size, NAN)
    x, first = np.unique(smooth[:, 0], return_index=True)
    return np.interp(at, x, smooth[first, 1]), none, none
