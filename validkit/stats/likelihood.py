"""The likelihood of the logistic model: its maximum, plain or with Firth's penalty, its profile, and separation.

Log likelihood  l(b) = sum_i y_i eta_i - log(1 + exp(eta_i)),  eta = D b.
Firth's penalised log likelihood  l*(b) = l(b) + log det I(b) / 2  with  I(b) = D' W D,  W = diag(pi (1 - pi)).

References: Firth, Biometrika 80 (1993) 27-38; Heinze and Schemper, Stat Med 21 (2002) 2409-2419; separation by linear
programming after Konis, DPhil thesis, Oxford (2007).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from validkit.stats.checks import FloatArray

STEP_TOLERANCE = 1e-11
DECREMENT_TOLERANCE = 1e-20
MAX_ITERATIONS = 200
MAX_CHANGE = 5.0
SAFE_PREDICTOR = 25.0


@dataclass(frozen=True)
class Maximum:
    """Where a likelihood is highest.

    beta : (k,) coefficients; log_likelihood : value there, penalised where Firth's penalty was asked for;
    information : (k, k) expected information there
    """

    beta: FloatArray
    log_likelihood: float
    information: FloatArray
    converged: bool
    iterations: int


@dataclass(frozen=True)
class _Point:
    value: float
    score: FloatArray
    information: FloatArray
    pi: FloatArray
    leverage: FloatArray | None = None


def bernoulli(y: FloatArray, eta: FloatArray) -> tuple[FloatArray, FloatArray, float]:
    """Probabilities, their variances pi (1 - pi), and the log likelihood at linear predictors eta, without overflow."""
    small = np.exp(-np.abs(eta))
    total = 1 + small
    pi = np.where(eta >= 0, 1.0, small) / total
    value = float(y @ eta - np.maximum(eta, 0.0).sum() - np.log1p(small).sum())
    return pi, small / (total * total), value


def _evaluate(design: FloatArray, y: FloatArray, beta: FloatArray, firth: bool) -> _Point | None:
    """Likelihood, score and information at beta; None where the information is singular to rounding under a penalty."""
    eta = design @ beta
    pi, weight, value = bernoulli(y, eta)
    information = design.T @ (weight[:, None] * design)
    residual = y - pi
    leverage = None
    if firth:
        try:
            factor = np.linalg.cholesky(information)
        except np.linalg.LinAlgError:
            return None
        half = np.linalg.solve(factor, design.T)
        leverage = weight * (half * half).sum(axis=0)
        residual = residual + leverage * (0.5 - pi)
        value += float(np.log(np.diag(factor)).sum())
    return _Point(value, design.T @ residual, information, pi, leverage)


def _information(design: FloatArray, point: _Point) -> FloatArray:
    return point.information


def _curvature(design: FloatArray, point: _Point) -> FloatArray:
    """Minus the matrix of second derivatives: the expected information, or, under the penalty, the observed one.

    With A = I^-1, h the leverages and q_is = x_i' A (sum_j w_j (1 - 2 pi_j) x_js x_j x_j') A x_i, entry (r, s) is
    sum_i x_ir x_is [w_i (1 + h_i) - (1 - 2 pi_i)^2 h_i / 2] + sum_i (1 - 2 pi_i) w_i x_ir q_is / 2.
    """
    if point.leverage is None:
        return point.information
    skew = 1 - 2 * point.pi
    weight = point.pi * (1 - point.pi)
    inverse = np.linalg.inv(point.information)
    q = np.empty_like(design)
    for s in range(design.shape[1]):
        third = design.T @ ((weight * skew * design[:, s])[:, None] * design)
        q[:, s] = ((design @ (inverse @ third @ inverse)) * design).sum(axis=1)
    own = weight * (1 + point.leverage) - skew**2 * point.leverage / 2
    return design.T @ (own[:, None] * design + (skew * weight)[:, None] * q / 2)


def _direction(design: FloatArray, point: _Point, moving: NDArray[np.intp]) -> FloatArray | None:
    """Newton's step of the moving coefficients, by the expected information where the observed one is not positive."""
    block = np.ix_(moving, moving)
    for curvature in (_curvature, _information):
        try:
            factor = np.linalg.cholesky(curvature(design, point)[block])
        except np.linalg.LinAlgError:
            continue
        step: FloatArray = np.linalg.solve(factor.T, np.linalg.solve(factor, point.score[moving]))
        if np.isfinite(step).all():
            return step
    return None


def maximise(
    design: FloatArray,
    y: FloatArray,
    *,
    firth: bool = False,
    start: FloatArray | None = None,
    free: NDArray[np.bool_] | None = None,
) -> Maximum:
    """Newton's method with step halving; coefficients that are not `free` stay at their start value.

    design : (n, k) float, columns of comparable scale; y : (n,) in [0, 1]. Under Firth's penalty the information is
    that of the whole design even where a coefficient is held, as in R's logistf. `converged` is False where the maximum
    is not attained, as under separation.
    """
    k = design.shape[1]
    design = np.asfortranarray(design)  # products by column: three times faster on a million rows
    beta = np.zeros(k) if start is None else np.array(start, dtype=np.float64)
    moving = np.flatnonzero(np.ones(k, bool) if free is None else free)
    point = _evaluate(design, y, beta, firth)
    if point is None:
        return Maximum(beta, math.nan, np.full((k, k), math.nan), False, 0)
    if moving.size == 0:
        return Maximum(beta, point.value, point.information, True, 0)
    for iteration in range(1, MAX_ITERATIONS + 1):
        step = _direction(design, point, moving)
        if step is None:
            return Maximum(beta, point.value, point.information, False, iteration)
        if firth and float(point.score[moving] @ step) <= DECREMENT_TOLERANCE:
            return Maximum(beta, point.value, point.information, True, iteration)
        change = float(np.abs(design[:, moving] @ step).max())
        step *= min(1.0, MAX_CHANGE / change) if change > 0 else 1.0
        taken = _take(design, y, firth, beta, moving, step, point)
        if taken is None:
            small = bool(np.abs(step).max() <= 1e-7 * (1 + np.abs(beta).max()))
            return Maximum(beta, point.value, point.information, small, iteration)
        beta, point, length = taken
        if length <= STEP_TOLERANCE * (1 + np.abs(beta).max()):
            return Maximum(beta, point.value, point.information, True, iteration)
    return Maximum(beta, point.value, point.information, False, MAX_ITERATIONS)


def _take(
    design: FloatArray,
    y: FloatArray,
    firth: bool,
    beta: FloatArray,
    moving: NDArray[np.intp],
    step: FloatArray,
    point: _Point,
) -> tuple[FloatArray, _Point, float] | None:
    """The step, halved until the likelihood does not fall by more than rounding; None where no length will do."""
    slack = 1e-12 * (1 + abs(point.value))
    for halving in range(30):
        trial = beta.copy()
        trial[moving] += step * 0.5**halving
        reached = _evaluate(design, y, trial, firth)
        if reached is not None and reached.value >= point.value - slack:
            return trial, reached, float(np.abs(step).max() * 0.5**halving)
    return None


def profile_bound(
    design: FloatArray, y: FloatArray, top: Maximum, j: int, side: int, fall: float, width: float, *, firth: bool
) -> float:
    """Where the profile (penalised) likelihood of coefficient j has fallen by `fall` below its top.

    side : -1 for the lower bound, 1 for the upper; width : a first guess of the distance (a Wald half width).
    The other coefficients are maximised anew at every trial value. NaN where no bound is found.
    """
    free = np.arange(design.shape[1]) != j
    warm = top.beta.copy()
    pi = special.expit(design @ top.beta)
    covariance = np.linalg.pinv(design.T @ ((pi * (1 - pi))[:, None] * design), hermitian=True)
    ridge = covariance[:, j] / covariance[j, j]

    def excess(value: float) -> float:
        start = warm + (value - warm[j]) * ridge
        start[j] = value
        held = maximise(design, y, firth=firth, start=start, free=free)
        if not held.converged:
            return math.nan
        warm[:] = held.beta
        return top.log_likelihood - held.log_likelihood - fall

    inside, known = float(top.beta[j]), -fall
    distance = width if math.isfinite(width) and width > 0 else 1.0
    for _ in range(60):
        outside = float(top.beta[j]) + side * distance
        found = excess(outside)
        if math.isnan(found):
            return math.nan
        if found > 0:
            return _crossing(excess, {inside: known, outside: found})
        inside, known, distance = outside, found, distance * 1.6
    return math.nan


def _crossing(excess: Callable[[float], float], ends: Mapping[float, float]) -> float:
    """Where `excess` is zero between two points of known values and unlike signs; NaN where it is undefined between.

    The ends are not fitted again: another start may stop at another point of a nearly flat likelihood.
    """
    try:
        return float(
            optimize.brentq(
                lambda value: ends[value] if value in ends else excess(value), *ends, xtol=1e-11, rtol=1e-12
            )
        )
    except ValueError:
        return math.nan


@dataclass(frozen=True)
class Separation:
    """kind : "none", "quasi-complete" or "complete"; columns : those that separate alone, else together."""

    kind: str
    columns: tuple[int, ...] = ()


def find_separation(design: FloatArray, y: FloatArray, fit: Maximum | None = None) -> Separation:
    """Whether a linear combination of columns separates events from non-events, so that no maximum exists.

    Complete: a hyperplane has all events strictly on one side; quasi-complete: some patients lie on it. A Newton fit
    that settled at moderate linear predictors proves that a maximum exists and spares the linear programme.
    design : (n, k), first column the constant, the others of comparable scale.
    """
    if fit is not None and fit.converged and float(np.abs(design @ fit.beta).max()) < SAFE_PREDICTOR:
        return Separation("none")
    signed = np.where(y > 0.5, 1.0, -1.0)[:, None] * design
    n, k = signed.shape
    tight = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
    along = optimize.linprog(
        -signed.sum(axis=0) / n, A_ub=-signed, b_ub=np.zeros(n), bounds=[(-1, 1)] * k, method="highs", options=tight
    )
    if along.status != 0 or -along.fun <= 1e-8:
        return Separation("none")
    columns = _separating_alone(design, y) or tuple(int(i) for i in np.flatnonzero(np.abs(along.x) > 1e-7) if i > 0)
    margin = optimize.linprog(
        np.r_[np.zeros(k), -1.0],
        A_ub=np.hstack([-signed, np.ones((n, 1))]),
        b_ub=np.zeros(n),
        bounds=[(-1, 1)] * k + [(0, None)],
        method="highs",
        options=tight,
    )
    complete = margin.status == 0 and -margin.fun > 1e-8
    return Separation("complete" if complete else "quasi-complete", columns)


def _separating_alone(design: FloatArray, y: FloatArray) -> tuple[int, ...]:
    """Columns whose values among events and among non-events share at most one point, an end of both."""
    event, other = design[y > 0.5], design[y <= 0.5]
    apart = (event.min(axis=0) >= other.max(axis=0)) | (event.max(axis=0) <= other.min(axis=0))
    return tuple(int(j) for j in np.flatnonzero(apart) if j > 0)
