"""Bayesian ridge regression, its penalty learnt from the data, and draws of its coefficients.

What scikit-learn's BayesianRidge computes, from the moments alone and for several responses at once: chained equations
make thousands of these fits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Line", "bayesian_ridge"]

PRIOR = 1e-6  # the shape and rate of both Gamma priors
TOLERANCE, ROUNDS = 1e-3, 300


@dataclass(frozen=True, eq=False)
class Line:
    """m predicted means of a row x: intercept + (x - centre) @ slopes; slopes (q, m), intercept (m,), centre (q,)."""

    slopes: np.ndarray
    intercept: np.ndarray
    centre: np.ndarray

    def at(self, x: np.ndarray) -> np.ndarray:
        """(n, m) predicted means; each row's numbers depend on that row alone, to the last bit."""
        centred = x - self.centre
        return np.column_stack([(centred * slope).sum(axis=1) for slope in self.slopes.T]) + self.intercept


def bayesian_ridge(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> tuple[Line, Line]:
    """(posterior mean, one draw from the posterior) of regressions of the columns of y, (n, m), on x, (n, q).

    Noise precision and the slopes' precision maximise the evidence; a draw draws the noise precision too, and the
    intercept, which has no penalty. Reference: MacKay, Neural Comput 4 (1992) 415-447; Tipping, J Mach Learn Res 1
    (2001) 211-244.
    """
    n, m = y.shape
    centre, level = x.mean(axis=0), y.mean(axis=0)
    centred, response = x - centre, y - level
    values, vectors = np.linalg.eigh(centred.T @ centred)
    values = np.where(values > values[-1] * 1e-12, values, 0.0) if values.size else values
    projected = vectors.T @ (centred.T @ response)
    chance = rng.standard_normal((len(values) + 1, m))
    mean, drawn, drawn_level = np.zeros_like(projected), np.zeros_like(projected), level.copy()
    for j in range(m):
        total = float(response[:, j] @ response[:, j])
        if total == 0:
            continue
        mean[:, j], alpha, weight, used = _evidence(values, projected[:, j], total, n)
        freedom = max(n - 1 - used, 1.0)
        precision = alpha * rng.chisquare(freedom) / freedom
        drawn[:, j] = mean[:, j] + chance[1:, j] / np.sqrt(precision * values + weight)
        drawn_level[j] += chance[0, j] / np.sqrt(precision * n)
    return Line(vectors @ mean, level, centre), Line(vectors @ drawn, drawn_level, centre)


def _evidence(
    values: np.ndarray, projected: np.ndarray, total: float, n: int
) -> tuple[np.ndarray, float, float, float]:
    """(slopes in the eigenbasis, noise precision, slopes' precision, degrees used) where the evidence is highest."""
    projected = np.where(values > 0, projected, 0.0)
    alpha, weight, used = n / total, 1.0, 0.0
    before = None
    for _ in range(ROUNDS):
        slopes = projected / (values + weight / alpha)
        if before is not None and float(np.abs(slopes - before).sum()) < TOLERANCE:
            break
        residual = total - 2 * float(slopes @ projected) + float(slopes @ (values * slopes))
        used = float((alpha * values / (weight + alpha * values)).sum())
        weight = (used + 2 * PRIOR) / (float(slopes @ slopes) + 2 * PRIOR)
        alpha = (n - used + 2 * PRIOR) / (max(residual, 0.0) + 2 * PRIOR)
        before = slopes
    return projected / (values + weight / alpha), alpha, weight, used
