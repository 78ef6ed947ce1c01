"""Smoothers of a 0/1 outcome over predicted risk, as R has them: loess and lowess.

Each returns (fit, low, high) at the points asked for, or a sentence saying why it has no answer there.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from validkit.stats.checks import FloatArray, IntArray
from validkit.stats.results import NAN

Band = tuple[FloatArray, FloatArray, FloatArray]
SPAN, DEGREE = 0.75, 2
EXACT_UP_TO = 3000


def loess(y: IntArray, p: FloatArray, at: FloatArray, *, level: float | None = None) -> Band | str:
    """R's `loess(y ~ p)` (span 0.75, degree 2, Gaussian) at `at`, with the t band of `predict(se = TRUE)`.

    Without `level` the limits are NaN. Up to 3,000 patients everything is R's default. Beyond, where R's standard
    errors ask for memory in the square of n, the trace is approximated (R's trace.hat = "approximate") and the standard
    errors are those of the direct local fit, a few per cent from R's.
    """
    from skmisc.loess import loess as fit_loess

    if np.unique(p).size < DEGREE + 2:
        return f"loess of degree {DEGREE} needs at least {DEGREE + 2} distinct predictions"
    exact = p.size <= EXACT_UP_TO
    try:
        model = fit_loess(p, y.astype(float), span=SPAN, degree=DEGREE, trace_hat="exact" if exact else "approximate")
        model.fit()
        prediction = model.predict(at, stderror=exact and level is not None)
        fit = np.asarray(prediction.values, dtype=float)
        if level is None:
            se, df = np.full(at.size, NAN), 1.0
        elif exact:
            se, df = np.asarray(prediction.stderr, dtype=float), float(prediction.df)
        else:
            se, df = float(model.outputs.residual_scale) * _operator_norms(p, at), p.size - float(model.outputs.enp)
    except ValueError as error:
        return f"loess has no answer here: {_reason(error)}"
    if not np.isfinite(fit).all():
        return "loess has no answer here: too few distinct predictions in some neighbourhood"
    half = np.full(at.size, NAN) if level is None else special.stdtrit(df, 0.5 + level / 2) * se
    return fit, fit - half, fit + half


def _operator_norms(p: FloatArray, at: FloatArray) -> FloatArray:
    """Length of the row of weights by which the local quadratic at each point turns the outcomes into its fit."""
    k = int(np.floor(p.size * SPAN + 1e-5))
    norms = np.empty(at.size)
    for i, point in enumerate(at):
        distance = np.abs(p - point)
        reach = np.partition(distance, k - 1)[k - 1]
        near = distance < reach
        weight = (1 - (distance[near] / reach) ** 3) ** 3
        design = ((p[near] - point) / reach)[:, None] ** np.arange(DEGREE + 1)
        moments = design.T @ (weight[:, None] * design)
        row = weight * (design @ np.linalg.solve(moments, np.eye(DEGREE + 1)[0]))
        norms[i] = np.sqrt(row @ row)
    return norms


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
