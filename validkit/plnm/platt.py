"""Platt scaling of a regression's log odds, fitted to predictions of patients that the regression did not see.

Platt, Advances in Large Margin Classifiers (1999) 61-74; Lin, Lin and Weng, Mach Learn 68 (2007) 267-276.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from validkit.plnm.clinical import fit_columns
from validkit.plnm.folds import fewest, stratified_folds
from validkit.stats.likelihood import maximise


@dataclass(frozen=True)
class Platt:
    """Recalibration of log odds: probability = expit(intercept + slope * eta); on : what it was fitted to."""

    slope: float
    intercept: float
    on: str


UNSCALED = Platt(1.0, 0.0, "")


def fit_platt(eta: ArrayLike, y: ArrayLike) -> tuple[float, float]:
    """(slope, intercept) of the outcome on log odds, with Platt's targets (m + 1) / (m + 2) and 1 / (k + 2).

    eta : (n,) not constant; y : (n,) in {0, 1} with m events and k non-events. The targets keep both finite under
    separation.
    """
    x, outcome = np.asarray(eta, dtype=np.float64), np.asarray(y)
    m, k = int((outcome == 1).sum()), int((outcome == 0).sum())
    targets = np.where(outcome == 1, (m + 1) / (m + 2), 1 / (k + 2))
    centre, scale = float(x.mean()), float(x.std())
    top = maximise(np.column_stack([np.ones(x.size), (x - centre) / scale]), targets)
    slope = float(top.beta[1]) / scale
    return slope, float(top.beta[0]) - slope * centre


def cross_fitted_platt(
    columns: pd.DataFrame,
    y: np.ndarray,
    folds: int,
    random_state: int | None,
    level: float = 0.95,
    groups: np.ndarray | None = None,
) -> tuple[Platt, str]:
    """Platt scaling fitted to folds that the regression did not see, and a note where it is not done.

    With fewer patients of the rarer outcome than folds, there are as many folds as those. A slope that is not positive
    would turn the predictions round; then slope 1 and intercept 0 stay, and the note says so.
    """
    used = min(folds, fewest(y, groups))
    on = f"{used}-fold cross-fitted linear predictors of the training patients"
    none = Platt(1.0, 0.0, f"nothing: {on} could not be used")
    eta = np.full(y.size, np.nan)
    for fitted, left in stratified_folds(y, used, random_state, "Platt scaling of the nomogram", groups):
        if min(int(y[fitted].sum()), int((1 - y[fitted]).sum())) < 2:
            return none, f"no Platt scaling: {used} folds leave fewer than two patients of an outcome to fit"
        part = fit_columns(columns.iloc[fitted], y[fitted], level, interval="wald")
        eta[left] = part.linear_predictor(columns.iloc[left])
    if np.ptp(eta) == 0:
        return none, "no Platt scaling: the cross-fitted linear predictor does not vary"
    slope, intercept = fit_platt(eta, y)
    if not (math.isfinite(slope) and slope > 0):
        return none, f"no Platt scaling: the cross-fitted slope, {slope:.3f}, is not positive"
    return Platt(slope, intercept, on), ""
