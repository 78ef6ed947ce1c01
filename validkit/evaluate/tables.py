"""Predictions as tables: which kinds there are, and one model's predictions of one set, repeat by repeat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from validkit.plan import FINAL, HELD_OUT, HOLDOUT, TRAINING

CROSS_FITTED = "training-cross-fitted"
SETS = {TRAINING: (TRAINING, "apparent"), CROSS_FITTED: (TRAINING, "cross-fitted"), HELD_OUT: (HELD_OUT, "held-out")}
DEFAULTS: Mapping[str, Any] = {"split": HOLDOUT, "repeat": 0, "fold": 0, "imputation": 1}


def complete(predictions: pd.DataFrame) -> pd.DataFrame:
    """The predictions with every column; a table without splits is one split's."""
    absent = {name: value for name, value in DEFAULTS.items() if name not in predictions}
    return predictions.assign(**absent)


def wide(predictions: pd.DataFrame, part: str, kind: str) -> pd.DataFrame:
    """(patients, models) of one kind of prediction of one fit; a model without them has no column.

    Several imputed copies give their mean.
    """
    rows = predictions[(predictions["set"] == part) & (predictions["kind"] == kind)]
    return rows.pivot_table(index="patient", columns="model", values="probability", aggfunc="mean", sort=True)


@dataclass(frozen=True, eq=False)
class Repeated:
    """One model's held-out predictions in one imputed copy.

    p : (repeats, n), NaN where a repeat did not predict a patient; cuts : (repeats, n) operating thresholds of the
    splits they come from; patients : (n,) sorted
    """

    patients: pd.Index
    p: np.ndarray
    cuts: np.ndarray

    @property
    def several(self) -> bool:
        """Whether patients are predicted more than once."""
        return len(self.p) > 1

    @property
    def mean(self) -> tuple[np.ndarray, np.ndarray]:
        """(risk, operating threshold) of each patient, averaged over the repeats."""
        if not self.several:
            return self.p[0], self.cuts[0]
        return np.nanmean(self.p, axis=0), np.nanmean(self.cuts, axis=0)


def repeated(rows: pd.DataFrame, thresholds: Mapping[str, float]) -> Repeated:
    """One model's held-out predictions of one copy, from their rows; thresholds by split."""
    rows = rows.assign(cut=rows["split"].map(thresholds))
    p = rows.pivot(index="repeat", columns="patient", values="probability")
    cuts = rows.pivot(index="repeat", columns="patient", values="cut")
    return Repeated(p.columns, p.to_numpy(), cuts.to_numpy())


def main_of(predictions: pd.DataFrame) -> pd.DataFrame:
    """The rows of the main fit: to all patients where there is one, else of the only split."""
    names = predictions["split"].unique()
    return predictions[predictions["split"] == (FINAL if FINAL in names else names[0])]
