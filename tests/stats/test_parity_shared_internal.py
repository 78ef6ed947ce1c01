"""Parity of internal validation with the reference values beside the project, read in place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from validkit.stats.corrections import no_information
from validkit.stats.internal import bootstrap_validation
from validkit.stats.regression import logistic_regression

IDS = ("optimism.fixedidx", "glm.coefs.cc_train", "heuristic_shrinkage")


@pytest.fixture(scope="module")
def folder(shared: Path) -> Path:
    return shared / "reference"


def values(folder: Path, identity: str) -> Any:
    entries = json.loads((folder / "reference.json").read_text(encoding="utf-8"))["entries"]
    return next(entry["values"] for entry in entries if entry["id"] == identity)


def test_optimism_with_given_resamples(folder: Path) -> None:
    want = values(folder, "optimism.fixedidx")
    data = pd.read_csv(folder / "data" / "cc_train150.csv")
    rows = pd.read_csv(folder / "data" / "boot_idx_0based_cc_train150.csv").to_numpy()
    y = data["y"].to_numpy()
    found = bootstrap_validation("logistic", data[["x1", "x2", "x3", "x4"]], y, resamples=rows)
    auc, brier, slope = (found.metrics[name] for name in ("auc", "brier", "calibration_slope"))
    large = found.metrics["calibration_in_the_large"]
    ours = {
        "apparent_auc": auc.apparent.value,
        "apparent_brier": brier.apparent.value,
        "optimism_auc": auc.optimism.value,
        "corrected_auc": auc.corrected.value,
        "corrected_brier": brier.corrected.value,
        "corrected_slope": slope.corrected.value,
        "b632_auc": auc.point632.value,
        "b632_brier": brier.point632.value,
        "gamma_auc": no_information("auc", y, found.original),
        "gamma_brier": no_information("brier", y, found.original),
        "b632plus_auc": auc.point632_plus.value,
        "b632plus_brier": brier.point632_plus.value,
    }
    for name, value in ours.items():
        assert value == pytest.approx(want[name], rel=1e-10), name
    for name, column in (
        ("auc_boot", auc.in_resample),
        ("auc_orig", auc.on_all),
        ("auc_oob", auc.off_resample),
        ("brier_boot", brier.in_resample),
        ("brier_orig", brier.on_all),
        ("brier_oob", brier.off_resample),
        ("slope_orig", slope.on_all),
        ("citl_orig", large.on_all),
    ):
        np.testing.assert_allclose(column, [row[name] for row in want["per_resample"]], rtol=1e-9, atol=1e-10)


def test_a_fitted_logistic_regression(folder: Path) -> None:
    want = values(folder, "glm.coefs.cc_train")
    data = pd.read_csv(folder / "data" / "cc_train.csv")
    fit = logistic_regression(data[["x1", "x2", "x3", "x4"]], data["y"])
    np.testing.assert_allclose(fit.beta, list(want["coef"].values()), rtol=1e-8)
    np.testing.assert_allclose([c.se for c in fit.coefficients], list(want["se"].values()), rtol=1e-8)
    assert fit.log_likelihood == pytest.approx(want["loglik"], rel=1e-10)
    assert -2 * fit.log_likelihood == pytest.approx(want["deviance"], rel=1e-10)


def test_heuristic_shrinkage(folder: Path) -> None:
    want = values(folder, "heuristic_shrinkage")
    data = pd.read_csv(folder / "data" / "cc_train.csv")
    fit = logistic_regression(data[["x1", "x2", "x3", "x4"]], data["y"])
    ratio = fit.model_test
    assert ratio.statistic == pytest.approx(want["LR"], rel=1e-9)
    assert (ratio.statistic - 4) / ratio.statistic == pytest.approx(want["S_VH"], rel=1e-9)
