"""What a locked PLNM model says of itself in JSON: strict, so that what does not belong is refused before use."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from validkit.sections import Section
from validkit.stats.coding import Coding

__all__ = ["Classifier", "Clinical", "Coded", "Line", "Record"]


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


class Coded(Section):
    """How predictors become columns; see `validkit.stats.coding.Coding`."""

    predictors: tuple[str, ...]
    kinds: dict[str, str]
    levels: dict[str, tuple[str, ...]]
    unseen: dict[str, tuple[str, ...]]

    def coding(self) -> Coding:
        """The coding itself."""
        return Coding(self.predictors, self.kinds, self.levels, self.unseen)


class Axis(Section):
    """A term of the nomogram; see `validkit.plnm.terms.Term`."""

    name: str
    label: str
    unit: str
    kind: str
    levels: tuple[str, ...]
    unseen: tuple[str, ...]
    names: tuple[str, ...]
    beta: tuple[float, ...]
    range: tuple[float, float]
    training_range: tuple[float, float]
    logit: bool


class Scaling(Section):
    """Platt scaling; see `validkit.plnm.platt.Platt`."""

    slope: float
    intercept: float
    on: str


class Clinical(Section):
    """clinical.K.json: the clinical model, and the nomogram with its points."""

    independent: tuple[str, ...]
    clinical: Line
    clinical_coding: Coded
    nomogram: Line
    nomogram_coding: Coded
    terms: tuple[Axis, ...]
    platt: Scaling | None
    score_scale: str
    note: str
