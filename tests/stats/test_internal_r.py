"""Parity of resampling with R: tests/reference/internal_reference.csv, made by make_internal_reference.R."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from validkit.stats.corrections import InternalValidation
from validkit.stats.discrimination import auc
from validkit.stats.draws import bca_limits, jackknife, percentile_limits
from validkit.stats.folds import cross_validation
from validkit.stats.internal import bootstrap_validation

FOLDER = Path(__file__).resolve().parents[1] / "reference"
REFERENCE = pd.read_csv(FOLDER / "internal_reference.csv", dtype={"value": float, "tolerance": float})
NAMES = ("auc", "brier", "calibration_slope", "calibration_in_the_large")


def reference(identity: str) -> tuple[np.ndarray, float]:
    rows = REFERENCE[REFERENCE["id"] == identity]
    assert len(rows)
    return rows["value"].to_numpy(), float(rows["tolerance"].iloc[0])


def table() -> tuple[np.ndarray, np.ndarray]:
    data = pd.read_csv(FOLDER / "internal_data.csv", dtype=str).astype(float)
    return data[["x1", "x2", "x3"]].to_numpy(), data["y"].to_numpy().astype(int)


@pytest.fixture(scope="module")
def found() -> InternalValidation:
    X, y = table()
    rows = np.loadtxt(FOLDER / "internal_rows.csv", delimiter=",")
    return bootstrap_validation("logistic", X, y, resamples=rows)


@pytest.mark.parametrize("name", NAMES)
def test_optimism_equals_r(found: InternalValidation, name: str) -> None:
    metric = found.metrics[name]
    for part, ours in (
        ("in_resample", metric.in_resample),
        ("on_all", metric.on_all),
        ("outside", metric.off_resample),
    ):
        theirs, tolerance = reference(f"{name}.{part}")
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)
    summary = [
        metric.apparent,
        metric.optimism,
        metric.corrected,
        metric.simple,
        metric.out_of_bag,
        metric.point632,
    ]
    theirs, tolerance = reference(f"{name}.summary")
    np.testing.assert_allclose([estimate.value for estimate in summary], theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", ["auc", "brier"])
def test_point632_plus_equals_r(found: InternalValidation, name: str) -> None:
    assert found.metrics[name].point632_plus.value == pytest.approx(reference(f"{name}.plus")[0][0], rel=1e-9)


def test_limits_equal_r(found: InternalValidation) -> None:
    _, y = table()
    values, tolerance = reference("bca.replicates")
    without = jackknife(auc, y, found.original)[:, 0]
    np.testing.assert_allclose(without, reference("bca.jackknife")[0], rtol=tolerance)
    value = auc(y, found.original).value
    np.testing.assert_allclose(bca_limits(values, value, without, 0.95)[:2], reference("bca.limits")[0], rtol=1e-10)
    np.testing.assert_allclose(percentile_limits(values, 0.95)[:2], reference("percentile.limits")[0], rtol=1e-10)


def test_cross_validation_equals_r(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = table()
    monkeypatch.setattr(
        sys.modules["validkit.stats.folds"],
        "_folds",
        lambda y, folds, stratified, rng: np.arange(y.size) % folds,
    )
    ours = cross_validation("logistic", X, y, rng=1, folds=9, metrics=("brier",))["brier"]
    theirs, tolerance = reference("cross.brier")
    np.testing.assert_allclose([ours[k].value for k in ("average", "optimism", "corrected")], theirs, rtol=tolerance)
