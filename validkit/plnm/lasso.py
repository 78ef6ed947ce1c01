"""The LASSO path and its cross-validation, for squared error and for the binomial deviance.

Compiled active-set steps (`lasso_kernels`) go down the path. A penalty where they do not converge is left to an exact
solver: a proximal Newton method whose quadratic sub-problem is solved by a feature-sign search. Every solution is
judged by its own Karush-Kuhn-Tucker residual, which is returned, so that convergence is a number and not a hope.

Notation: n patients, p features, L penalties; intercept a (never penalised), coefficients b (p,).

    squared    1/(2n) sum (y - a - x'b)^2                 + lambda |b|_1     as scikit-learn's Lasso
    logistic   1/n sum [log(1 + exp(a + x'b)) - y(a + x'b)] + lambda |b|_1   as glmnet's binomial family

References: Friedman, Hastie, Tibshirani, J Stat Softw 33 (2010) 1-22 (path, cross-validation);
Lee, Battle, Raina, Ng, NIPS 19 (2007) 801-808 (feature-sign search).
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.linalg
from scipy.special import expit

from validkit.engine import cpu_count
from validkit.errors import StageError

Loss = Literal["squared", "logistic"]
Array = np.ndarray

N_LAMBDAS = 100
SATURATED = 0.999
"""share of the null deviance explained beyond which smaller penalties are not fitted, as in glmnet"""
KKT_TOLERANCE = 1e-8
"""accepted Karush-Kuhn-Tucker residual, as a share of the penalty"""
KERNEL_TOLERANCE = 0.5 * KKT_TOLERANCE
"""what the compiled steps aim at, so that no order of summation lifts a residual above the tolerance"""
STEP_LIMIT = 60
"""most compiled steps at one penalty before the exact solver takes over"""
INDEPENDENCE = 1e-9
"""least share of a feature's curvature that the active features must leave unexplained for it to join them"""
NEWTON_LIMIT = 100
CURVATURE_FLOOR = 1e-10
"""least weight p(1 - p) of a patient in the quadratic model, so that a separated fit keeps a finite step"""
PROBABILITY_FLOOR = 1e-5
"""predicted risks are held this far from 0 and 1 in the cross-validated deviance, as in glmnet"""


@dataclass(frozen=True)
class Path:
    """Solutions along decreasing penalties.

    lambdas (L,); coefs (p, L); intercepts (L,); residuals (L,): largest KKT residual as a share of its lambda
    """

    lambdas: Array
    coefs: Array
    intercepts: Array
    residuals: Array


@dataclass(frozen=True)
class CrossValidation:
    """Cross-validated error along the path: mean and standard error (L,), and the worst KKT residual of any fold."""

    mean: Array
    se: Array
    residual: float


def standardise(X: Array) -> tuple[Array, Array, Array]:
    """Columns with mean 0 and standard deviation 1 (divisor n), and the centre and scale that did it.

    A column that does not vary beyond rounding has scale 1 and becomes exactly zero, so no penalty ever lets it in.
    """
    centre = X.mean(axis=0)
    scale = X.std(axis=0)
    flat = scale <= 10 * np.finfo(float).eps * np.abs(X).max(axis=0, initial=0.0)
    scale = np.where(flat, 1.0, scale)
    Z = (X - centre) / scale
    Z[:, flat] = 0.0
    return Z, centre, scale


def largest_lambda(Z: Array, y: Array) -> float:
    """The smallest penalty at which every coefficient is zero: max_j |z_j'(y - mean(y))| / n, the same for both losses.

    Z : (n, p) standardised; y : (n,) in {0, 1}
    """
    return float(np.abs(Z.T @ (y - y.mean())).max(initial=0.0) / y.size)


def lambda_grid(Z: Array, y: Array, loss: Loss, *, count: int = N_LAMBDAS) -> Array:
    """`count` penalties, evenly spaced in logarithm, from the largest useful one downwards.

    The smallest is 0.001 of the largest for squared loss (scikit-learn), 0.0001 for the logistic (glmnet), and 0.01
    for either when there are at least as many features as patients (glmnet).
    """
    n, p = Z.shape
    ratio = 0.01 if p >= n else {"squared": 1e-3, "logistic": 1e-4}[loss]
    return largest_lambda(Z, y) * np.logspace(0.0, np.log10(ratio), count)


def fit_path(Z: Array, y: Array, lambdas: Array, loss: Loss, *, extend: bool = False) -> Path:
    """The LASSO solutions at decreasing `lambdas`, each started from the one before.

    Z : (n, p) standardised columns; y : (n,) in {0, 1}, both classes present
    extend : once the fit is saturated, repeat the last solution for the remaining penalties instead of ending there
    """
    features = np.ascontiguousarray(np.asarray(Z, dtype=np.float64).T)
    return _fit_rows(features, np.asarray(y, dtype=np.float64), np.asarray(lambdas, dtype=np.float64), loss, extend)


def _fit_rows(features: Array, y: Array, lambdas: Array, loss: Loss, extend: bool) -> Path:
    """`fit_path` for features (p, n): compiled, and a penalty where that does not converge solved exactly."""
    from validkit.plnm import lasso_kernels as kernels

    a, b = _null_intercept(y, loss), np.zeros(features.shape[0])
    enough = (1.0 - SATURATED) * _loss(np.full(y.size, a), y, loss)
    options = kernels.Options(CURVATURE_FLOOR, KERNEL_TOLERANCE, INDEPENDENCE, float(STEP_LIMIT), enough)
    coefs, intercepts, residuals = np.zeros((lambdas.size, b.size)), np.zeros(lambdas.size), np.zeros(lambdas.size)
    end, saturated = 0, False
    while end < lambdas.size and not saturated:
        end, saturated = kernels.path(
            features, y, loss == "logistic", lambdas, end, a, b, options, coefs, intercepts, residuals
        )
        if end < lambdas.size and not saturated:
            a, b = (intercepts[end - 1], coefs[end - 1]) if end > 0 else (a, b)
            a, b, residuals[end] = _solve(features.T, y, float(lambdas[end]), float(a), b, loss)
            intercepts[end], coefs[end] = a, b
            saturated = _loss(a + b @ features, y, loss) < enough
            end += 1
    if extend and 0 < end < lambdas.size:
        coefs[end:], intercepts[end:], residuals[end:] = coefs[end - 1], intercepts[end - 1], residuals[end - 1]
        end = lambdas.size
    return Path(lambdas[:end], coefs[:end].T, intercepts[:end], residuals[:end])


def cross_validate(
    X: Array, y: Array, lambdas: Array, loss: Loss, splits: Iterable[tuple[Array, Array]]
) -> CrossValidation:
    """Error at each penalty over the folds; standardisation is learned inside each fold.

    splits : (training, validation) positions. Mean and standard error weigh folds by size, as cv.glmnet does:
    se = sqrt(weighted mean of (fold error - mean)^2 / (folds - 1)). Folds run in threads; each is computed by one.
    """
    from validkit.plnm import lasso_kernels as kernels

    features = np.ascontiguousarray(np.asarray(X, dtype=np.float64).T)
    y, lambdas = np.asarray(y, dtype=np.float64), np.asarray(lambdas, dtype=np.float64)

    def fold(split: tuple[Array, Array]) -> tuple[Array, int, float]:
        training, validation = split
        rows, centre, scale = kernels.standardise(features, training)
        path = _fit_rows(rows, y[training], lambdas, loss, extend=True)
        eta = kernels.predict(features, validation, centre, scale, path.coefs.T, path.intercepts)
        error = _error(eta, y[validation][:, None], loss).mean(axis=0)
        return error, validation.size, float(path.residuals.max())

    with ThreadPoolExecutor(max_workers=cpu_count()) as pool:
        errors, sizes, residuals = zip(*pool.map(fold, splits), strict=True)
    table, weights = np.array(errors), np.array(sizes) / np.sum(sizes)
    mean = weights @ table
    se = np.sqrt(weights @ (table - mean) ** 2 / (len(sizes) - 1))
    return CrossValidation(mean, se, max(residuals))


def choose(mean: Array, se: Array, rule: Literal["min", "1se"]) -> int:
    """Position of the chosen penalty: the least error, or the largest penalty within one standard error of it."""
    best = int(np.argmin(mean))
    return best if rule == "min" else int(np.argmax(mean <= mean[best] + se[best]))


# --- one penalty -----------------------------------------------------------------------------


def _null_intercept(y: Array, loss: Loss) -> float:
    mean = float(y.mean())
    return mean if loss == "squared" else float(np.log(mean / (1.0 - mean)))


def _loss(eta: Array, y: Array, loss: Loss) -> float:
    if loss == "squared":
        return float(np.mean((y - eta) ** 2) / 2.0)
    return float(np.mean(np.logaddexp(0.0, eta) - y * eta))


def _error(eta: Array, y: Array, loss: Loss) -> Array:
    """Squared error or binomial deviance of each prediction."""
    if loss == "squared":
        return (y - eta) ** 2
    risk = np.clip(expit(eta), PROBABILITY_FLOOR, 1.0 - PROBABILITY_FLOOR)
    return -2.0 * (y * np.log(risk) + (1.0 - y) * np.log1p(-risk))


def _solve(Z: Array, y: Array, lam: float, a: float, b: Array, loss: Loss) -> tuple[float, Array, float]:
    """Proximal Newton from (a, b); returns (a, b, KKT residual / lambda)."""
    n, residual = y.size, np.inf
    for _ in range(NEWTON_LIMIT):
        eta = a + Z @ b
        fitted = eta if loss == "squared" else expit(eta)
        gradient, gradient_a = Z.T @ (fitted - y) / n, float(np.mean(fitted - y))
        residual = _kkt_residual(gradient, gradient_a, b, lam) / lam
        if residual <= KKT_TOLERANCE:
            break
        work = np.flatnonzero((b != 0.0) | (np.abs(gradient) > lam))
        weight = np.ones(n) if loss == "squared" else np.maximum(fitted * (1.0 - fitted), CURVATURE_FLOOR)
        step_a, target = _newton_step(Z[:, work], weight, gradient[work], gradient_a, b[work], lam)
        move = step_a + Z[:, work] @ (target - b[work])
        share = _share_of_step(y, lam, b[work], target, eta, move, loss)
        a, b = a + share * step_a, b.copy()
        b[work] = target if share == 1.0 else b[work] + share * (target - b[work])
    return a, b, residual


def _kkt_residual(gradient: Array, gradient_a: float, b: Array, lam: float) -> float:
    outside = np.maximum(np.abs(gradient) - lam, 0.0)
    active = np.abs(gradient + lam * np.sign(b))
    return max(abs(gradient_a), float(np.where(b == 0.0, outside, active).max(initial=0.0)))


def _newton_step(
    Z: Array, weight: Array, gradient: Array, gradient_a: float, b: Array, lam: float
) -> tuple[float, Array]:
    """(change of a, new b) that minimise the penalised quadratic model, the intercept eliminated.

    Collinear features can make the model singular; then it is damped by a share of its mean curvature, which moves the
    steps and not their limit.
    """
    total = weight.sum()
    mean = weight @ Z / total
    centred = Z - mean
    hessian = (centred * weight[:, None]).T @ centred / weight.size
    reduced = gradient - mean * gradient_a
    curvature = np.trace(hessian) / max(b.size, 1)
    for damping in (0.0, 1e-9, 1e-6, 1e-3):
        damped = hessian + damping * curvature * np.eye(b.size)
        try:
            target = quadratic_lasso(damped, damped @ b - reduced, lam, b)
        except scipy.linalg.LinAlgError:
            continue
        return float(-gradient_a * weight.size / total - mean @ (target - b)), target
    raise StageError(f"the LASSO cannot be solved at lambda = {lam:.3g}: its {b.size} active features are collinear")


def _share_of_step(y: Array, lam: float, b: Array, target: Array, eta: Array, move: Array, loss: Loss) -> float:
    """1, halved until the objective does not rise beyond rounding."""
    before = _loss(eta, y, loss) + lam * np.abs(b).sum()
    for halvings in range(40):
        share = 0.5**halvings
        after = _loss(eta + share * move, y, loss) + lam * np.abs(b + share * (target - b)).sum()
        if after <= before * (1.0 + 1e-12):
            break
    return share


def quadratic_lasso(H: Array, c: Array, lam: float, start: Array) -> Array:
    """argmin_b 1/2 b'Hb - c'b + lam |b|_1 by feature-sign search.

    H : (p, p) positive definite; c : (p,); start : (p,) any point, its support is the first active set.
    Each round solves the active coefficients for fixed signs; it stops at the first sign that would change and drops
    that coefficient, or, when no sign changes, lets in the feature that violates its condition most. The objective
    falls in every round, so no active set returns. A matrix that is singular to rounding is a LinAlgError.
    """
    b = start.copy()
    sign = np.sign(b)
    for _ in range(5 * (b.size + 10)):
        active = np.flatnonzero(sign)
        if active.size:
            factor = scipy.linalg.cho_factor(H[np.ix_(active, active)], check_finite=False)
            target = scipy.linalg.cho_solve(factor, c[active] - lam * sign[active], check_finite=False)
            crossing = target * sign[active] <= 0.0
            if crossing.any():
                now = b[active]
                share = np.where(crossing, np.abs(now) / np.maximum(np.abs(now - target), 1e-300), np.inf)
                first = share.min()
                b[active] = now + first * (target - now)
                gone = active[share <= first]
                b[gone], sign[gone] = 0.0, 0.0
                continue
            b[active] = target
        gradient = H @ b - c
        excess = np.where(sign == 0.0, np.abs(gradient) - lam, -np.inf)
        enter = int(np.argmax(excess))
        if excess[enter] <= 1e-12 * lam:
            return b
        sign[enter] = -np.sign(gradient[enter])
    raise scipy.linalg.LinAlgError("the active set does not settle: H is singular to rounding")
