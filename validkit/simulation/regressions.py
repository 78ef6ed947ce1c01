"""Patients whose outcome follows a logistic regression on predictors, and what any model of them is truly worth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import cumulative_simpson
from scipy.special import expit, log_expit, roots_hermitenorm

from validkit.errors import InputError

__all__ = ["LogisticPopulation"]

FloatArray = NDArray[np.float64]
GRID = np.linspace(-8.5, 8.5, 681)
WEIGHTS = np.exp(-(GRID**2) / 2) * (GRID[1] - GRID[0]) / math.sqrt(2 * math.pi)
NODES, SHARES = roots_hermitenorm(60)
SHARES = SHARES / SHARES.sum()


@dataclass(frozen=True)
class LogisticPopulation:
    """Independent standard normal predictors; log odds of the event are intercept + coefficients times predictors."""

    intercept: float = -1.2
    coefficients: tuple[float, ...] = (1.0, 0.5, 0.0)

    def sample(self, n: int, rng: np.random.Generator) -> tuple[FloatArray, NDArray[np.int64]]:
        """(X, y): predictors (n, p) and outcomes (n,) in {0, 1}."""
        X = rng.standard_normal((n, len(self.coefficients)))
        risk = expit(self.intercept + X @ np.array(self.coefficients))
        return X, (rng.random(n) < risk).astype(np.int64)

    def performance(self, intercept: float, coefficients: Sequence[float]) -> dict[str, float]:
        """What a logistic model with these coefficients is worth among all patients of the population.

        AUC, Brier score, log loss, O:E and prevalence, by quadrature: its linear predictor and the true one are normal
        together. A model whose coefficients are all 0 has AUC 0.5.
        """
        model, true = np.asarray(coefficients, dtype=np.float64), np.array(self.coefficients)
        if model.shape != true.shape:
            raise InputError(f"`coefficients` must be {true.size}, one for each predictor, not {model.size}")
        width, spread = float(np.linalg.norm(model)), float(np.linalg.norm(true))
        shared = float(model @ true) / width if width > 0 else 0.0
        rest = math.sqrt(max(spread**2 - shared**2, 0.0))
        risk = expit(self.intercept + shared * GRID[:, None] + rest * NODES) @ SHARES
        events, others = WEIGHTS * risk, WEIGHTS * (1 - risk)
        share = float(events.sum())
        below = cumulative_simpson(others, initial=0.0)
        area = float(events @ below) / share / (1 - share) if width > 0 else 0.5
        told = intercept + width * GRID
        predicted = expit(told)
        return {
            "auc": area,
            "brier": float(events @ (1 - predicted) ** 2 + others @ predicted**2),
            "log_loss": -float(events @ log_expit(told) + others @ log_expit(-told)),
            "observed_expected": share / float(WEIGHTS @ predicted),
            "prevalence": share,
        }
