"""Parity of Rubin's rules with R: tests/reference/imputation_reference.csv, made by make_imputation_reference.R."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from validkit.stats.imputations import RubinEstimate, pool_imputations
from validkit.stats.imputed_coefficients import RubinCoefficients, pool_coefficients

FOLDER = Path(__file__).resolve().parents[1] / "reference"
REFERENCE = pd.read_csv(FOLDER / "imputation_reference.csv", dtype={"value": float, "tolerance": float})
DATA = pd.read_csv(FOLDER / "imputation_data.csv")
CASES = [case for case in REFERENCE.groupby(["id", "dataset"], sort=False).groups if case[1] != "coefficients"]


def reference(identity: str, dataset: str) -> tuple[np.ndarray, float]:
    rows = REFERENCE[(REFERENCE["id"] == identity) & (REFERENCE["dataset"] == dataset)]
    assert len(rows)
    return rows["value"].to_numpy(), float(rows["tolerance"].iloc[0])


def pooled(dataset: str, dfcom: str) -> RubinEstimate:
    d = DATA[DATA["dataset"] == dataset]
    df = None if dfcom == "Inf" else float(dfcom)
    return pool_imputations(d["estimate"], se=d["se"], scale=d["scale"].iloc[0], df_complete=df)


@pytest.mark.parametrize(("identity", "dataset"), CASES)
def test_a_measure_is_pooled_as_in_r(identity: str, dataset: str) -> None:
    what, dfcom = identity.rsplit(".", 1)
    r = pooled(dataset, dfcom)
    ours = {
        "pool.scalar": [r.pooled.value, r.within, r.between, r.total, r.df, r.riv, r.fmi],
        "interval": [r.estimate.value, r.estimate.low, r.estimate.high],
        "mitools": [r.pooled.value, r.pooled.se**2, r.df],
    }[what]
    theirs, tolerance = reference(identity, dataset)
    np.testing.assert_allclose(ours, theirs, rtol=tolerance)


def coefficients(columns: list[int], dfcom: float | None = None) -> RubinCoefficients:
    d = pd.read_csv(FOLDER / "imputation_data_coefficients.csv")
    q = d["estimate"].to_numpy().reshape(5, 4)
    u = d[["v0", "v1", "v2", "v3"]].to_numpy().reshape(5, 4, 4)
    return pool_coefficients(q[:, columns], u[:, columns][:, :, columns], df_complete=dfcom)


@pytest.mark.parametrize("dfcom", ["Inf", "146"])
def test_coefficients_are_pooled_as_in_mice(dfcom: str) -> None:
    found = coefficients([0, 1, 2, 3], None if dfcom == "Inf" else 146)
    names = {"estimate": "value", "ubar": "within", "b": "between", "t": "total", "lambda": "lambda_"}
    for part in ("estimate", "ubar", "b", "t", "df", "riv", "lambda", "fmi"):
        theirs, tolerance = reference(f"pool.{part}.{dfcom}", "coefficients")
        ours = [
            one.pooled.value if part == "estimate" else getattr(one, names.get(part, part))
            for one in found.coefficients
        ]
        np.testing.assert_allclose(ours, theirs, rtol=tolerance)


def test_the_covariance_is_that_of_mitools() -> None:
    theirs, tolerance = reference("mitools.vcov", "coefficients")
    np.testing.assert_allclose(coefficients([0, 1, 2, 3]).covariance.ravel(), theirs, rtol=tolerance, atol=1e-14)


@pytest.mark.parametrize(("which", "columns"), [("Inf", [1, 2, 3]), ("146", [1, 2, 3]), ("x1", [1])])
def test_the_wald_test_is_that_of_mitml_and_mice(which: str, columns: list[int]) -> None:
    found = coefficients(columns, 146.0 if which == "146" else None)
    theirs, tolerance = reference(f"D1.{which}", "coefficients")
    ours = [found.test.statistic, found.test.df or math.nan, found.df_denominator, found.test.p_value, found.riv]
    np.testing.assert_allclose(ours, theirs, rtol=tolerance)
