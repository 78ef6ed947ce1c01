"""What a locked PLNM model says of itself in JSON: strict, so that what does not belong is refused before use."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from validkit.plnm.platt import Platt
from validkit.plnm.terms import Term
from validkit.sections import Section
from validkit.stats.coding import Coding

__all__ = ["Classifier", "Clinical", "Line", "Record"]


class Classifier(Section):
    """What the search found of a classifier; its file holds the estimator."""

    params: dict[str, Any]
    best_score: float
    best_sd: float
    score: str
    n_candidates: int


class Record(Section):
    """model.json."""

    chosen: dict[str, str]
    features: tuple[str, ...]
    medians: tuple[float, ...]
    fused: tuple[str, ...]
    networks: tuple[str, ...]
    classifiers: dict[str, dict[str, Classifier]]
    copies: int


class Line(Section):
    """A logistic regression's columns: intercept and log odds per unit."""

    columns: tuple[str, ...]
    intercept: float
    beta: tuple[float, ...]

    def linear_predictor(self, columns: pd.DataFrame) -> np.ndarray:
        """(n,) log odds of coded patients."""
        found: np.ndarray = self.intercept + columns.loc[:, list(self.columns)].to_numpy(np.float64) @ np.array(
            self.beta
        )
        return found


class Clinical(Section):
    """clinical.K.json: the clinical model, and the nomogram with its points.

    The codings, terms and scaling are read as strictly as sections: every field, of its type, and no other.
    """

    independent: tuple[str, ...]
    clinical: Line
    clinical_coding: Coding
    nomogram: Line
    nomogram_coding: Coding
    terms: tuple[Term, ...]
    platt: Platt | None
    score_scale: str
    note: str
