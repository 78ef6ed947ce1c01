"""Patients with predictors that are missing at random, and imputations that are right."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtr

from validkit.errors import InputError
from validkit.simulation.families import check_prevalence

__all__ = ["IncompletePatients"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class IncompletePatients:
    """Predictors that are normal in either class with one covariance, some of them missing in the same patients.

    coefficients : log odds ratios per unit of each predictor, given the others; correlation : between any two within a
        class, whose variances are 1
    missing : columns that are missing together, with probability expit(rate + (x + y) / 2), x the last column and y the
        outcome: at random, given what is seen
    The log odds of the event are linear in the predictors, and the regression of missing columns on outcome and the
    other columns is normal and linear: `impute` is congenial to both.
    """

    prevalence: float = 0.25
    coefficients: tuple[float, ...] = (0.8, 0.4, 0.0, 0.0)
    correlation: float = 0.3
    missing: tuple[int, ...] = (0, 2)
    rate: float = -1.0

    def __post_init__(self) -> None:
        last = len(self.coefficients) - 1
        check_prevalence(self.prevalence)
        if not -1 / last < self.correlation < 1:
            raise InputError(f"`correlation` of {last + 1} predictors must lie in ({-1 / last:.3g}, 1)")
        if not self.missing or any(not 0 <= j < last for j in self.missing):
            raise InputError(f"`missing` must name columns from 0 to {last - 1}; the last one is always seen")

    @property
    def covariance(self) -> FloatArray:
        """(k, k), of the predictors within a class."""
        k = len(self.coefficients)
        return np.full((k, k), self.correlation) + (1 - self.correlation) * np.eye(k)

    @property
    def shifts(self) -> FloatArray:
        """(k,) mean of each predictor among events less that among non-events."""
        return np.asarray(self.covariance @ np.array(self.coefficients))

    @property
    def auc(self) -> float:
        """AUC of the true risks."""
        return float(ndtr(math.sqrt(float(self.shifts @ np.array(self.coefficients)) / 2)))

    def risks(self, X: FloatArray) -> FloatArray:
        """True risks of patients with these predictors (n, k)."""
        middle = float(self.shifts @ np.array(self.coefficients)) / 2
        return np.asarray(expit(float(logit(self.prevalence)) - middle + X @ np.array(self.coefficients)))

    def sample(self, n: int, rng: np.random.Generator) -> tuple[FloatArray, IntArray]:
        """(X, y): predictors (n, k) with NaN where they are missing, and outcomes (n,) in {0, 1}."""
        y = (rng.random(n) < self.prevalence).astype(np.int64)
        X = rng.standard_normal((n, len(self.coefficients))) @ np.linalg.cholesky(self.covariance).T
        X += y[:, None] * self.shifts
        lost = rng.random(n) < expit(self.rate + (X[:, -1] + y) / 2)
        for j in self.missing:
            X[lost, j] = np.nan
        return X, y

    def impute(self, X: FloatArray, y: IntArray, rng: np.random.Generator) -> FloatArray:
        """(n, k) with the missing values drawn from their posterior distribution, parameters drawn too (flat prior)."""
        gone, seen = list(self.missing), [j for j in range(X.shape[1]) if j not in self.missing]
        lost = np.isnan(X[:, gone[0]])
        design = np.column_stack([np.ones(len(y)), y, X[:, seen]])
        known, target = design[~lost], X[~lost][:, gone]
        inverse = np.linalg.inv(known.T @ known)
        fitted = inverse @ known.T @ target
        residual = target - known @ fitted
        spread = np.linalg.inv(np.linalg.cholesky(residual.T @ residual)).T  # of the precision's Wishart distribution
        draws = spread @ _bartlett(len(known) - known.shape[1], len(gone), rng)
        scale = np.linalg.inv(draws).T  # scale @ scale.T is a draw of the covariance
        noise = np.linalg.cholesky(inverse) @ rng.standard_normal(fitted.shape) @ scale.T
        filled = X.copy()
        errors = rng.standard_normal((int(lost.sum()), len(gone))) @ scale.T
        drawn = design[lost] @ (fitted + noise) + errors
        for j, column in zip(gone, drawn.T, strict=True):
            filled[lost, j] = column
        return filled


def _bartlett(df: int, size: int, rng: np.random.Generator) -> FloatArray:
    """Lower triangle whose product with its transpose is Wishart with unit scale."""
    lower = np.tril(rng.standard_normal((size, size)), -1)
    lower[np.diag_indices(size)] = np.sqrt(rng.chisquare(df - np.arange(size)))
    return np.asarray(lower)
