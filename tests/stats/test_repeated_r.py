"""Parity of repeated predictions with R: tests/reference/repeated_reference.csv, made by make_repeated_reference.R."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from validkit.stats.repeat_spreads import repeat_spread
from validkit.stats.repeated import repeated_performance

FOLDER = Path(__file__).resolve().parents[1] / "reference"
REFERENCE = pd.read_csv(FOLDER / "repeated_reference.csv", dtype={"value": float, "tolerance": float})
DATA = pd.read_csv(FOLDER / "repeated_data.csv")
Y = DATA["y"].to_numpy()
P = DATA[["p1", "p2", "p3", "p4"]].to_numpy().T
FOLDS = DATA[["f1", "f2", "f3", "f4"]].to_numpy().T
NAMES = {"auc": "auc", "brier": "brier", "slope": "calibration_slope"}


def ours(identity: str) -> list[float]:
    name, what = identity.split(".")
    metric = NAMES[name]
    if what == "repeats":
        spread = repeat_spread(metric, Y, P)
        return [*spread.values, spread.sd]
    if what == "folds":
        return [repeated_performance(metric, Y, P, combine="per-repeat", folds=FOLDS, rng=1, replicates=20).value]
    if identity == "auc.per-repeat":
        found = repeated_performance(metric, Y, P, combine="per-repeat", interval="analytic")
        return [found.value, found.low, found.high, found.se]
    if identity == "auc.average":
        found = repeated_performance(metric, Y, P)
        return [found.value, found.low, found.high]
    return [repeated_performance(metric, Y, P, combine=what, rng=1, replicates=20).value]


@pytest.mark.parametrize("identity", REFERENCE["id"].unique())
def test_it_is_as_in_r(identity: str) -> None:
    rows = REFERENCE[REFERENCE["id"] == identity]
    np.testing.assert_allclose(ours(identity), rows["value"], rtol=float(rows["tolerance"].iloc[0]))
