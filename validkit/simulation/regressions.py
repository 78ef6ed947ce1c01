"""Patients whose outcome follows a logistic regression on predictors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

__all__ = ["LogisticPopulation"]


@dataclass(frozen=True)
class LogisticPopulation:
    """Independent standard normal predictors; log odds of the event are intercept + coefficients times predictors."""

    intercept: float = -1.2
    coefficients: tuple[float, ...] = (1.0, 0.5, 0.0)

    def sample(self, n: int, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """(X, y): predictors (n, p) and outcomes (n,) in {0, 1}."""
        X = rng.standard_normal((n, len(self.coefficients)))
        risk = expit(self.intercept + X @ np.array(self.coefficients))
        return X, (rng.random(n) < risk).astype(np.int64)
