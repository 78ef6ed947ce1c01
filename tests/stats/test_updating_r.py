"""Updating equal to R's: the numbers of tests/reference/updating_reference.csv, made by make_updating_reference.R."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from validkit.stats.beta_calibration import recalibrate_beta
from validkit.stats.closed_testing import METHODS, closed_test
from validkit.stats.updating import (
    recalibrate_in_the_large,
    recalibrate_isotonic,
    recalibrate_logistic,
    recalibrate_platt,
)

FOLDER = Path(__file__).resolve().parents[1] / "reference"
REFERENCE = pd.read_csv(FOLDER / "updating_reference.csv", dtype=str).astype({"value": float, "tolerance": float})
CASES = list(REFERENCE.groupby(["id", "dataset"], sort=False).groups)
AT = [0.003, 0.04, 0.2, 0.5, 0.77, 0.96]


@cache
def data(name: str) -> pd.DataFrame:
    return pd.read_csv(FOLDER / f"updating_data_{name}.csv", dtype=str).astype(float)


def pair(name: str, risk: str) -> tuple[np.ndarray, np.ndarray]:
    return data(name)["y"].to_numpy(), data(name)[risk].to_numpy()


def large(name: str, risk: str) -> Sequence[float]:
    update = recalibrate_in_the_large(*pair(name, risk))
    return [update.intercept.value, update.intercept.se, *update.apply(AT)]


def logistic(name: str, risk: str, platt: bool = False) -> Sequence[float]:
    update = (recalibrate_platt if platt else recalibrate_logistic)(*pair(name, risk))
    a, b = update.intercept, update.slope
    return [a.value, a.se, b.value, b.se, *update.apply(AT)]


def beta(name: str, risk: str) -> Sequence[float]:
    update = recalibrate_beta(*pair(name, risk))
    parts = update.a, update.b, update.c
    return [*(e.value for e in parts), *(e.se for e in parts), *update.apply(AT)]


def closed(name: str, part: str) -> Sequence[float]:
    predictors = None if part == "three" else data(name)[["x1", "x2", "x3"]]
    y, p = data(name)["y"], data(name)["p"]
    found = closed_test(y, p, predictors=predictors)
    if part == "chosen":
        return [METHODS.index(found.chosen)]
    if part == "revision":
        always = closed_test(y, p, predictors=predictors, alpha=1 - 1e-15).update
        assert always.method == "revision"
        return [v for e in (always.intercept, *always.coefficients) for v in (e.value, e.se)]
    tests = [number for _, t in found.steps for number in (t.statistic, t.df, t.p_value)]
    return [*found.log_likelihoods, *tests]


HANDLERS: dict[str, Callable[..., Sequence[float]]] = {
    "large": large,
    "logistic": logistic,
    "platt": lambda name, risk: logistic(name, risk, platt=True),
    "isotonic": lambda name, risk: recalibrate_isotonic(*pair(name, risk)).apply(AT),
    "beta": beta,
    "closed": closed,
}


@pytest.mark.parametrize(("identity", "dataset"), CASES, ids=[f"{i}-{d}" for i, d in CASES])
def test_equals_r(identity: str, dataset: str) -> None:
    rows = REFERENCE[(REFERENCE["id"] == identity) & (REFERENCE["dataset"] == dataset)]
    stem, *rest = identity.split(".")
    ours = np.asarray(HANDLERS[stem](dataset, *rest), dtype=float)
    tolerance = float(rows["tolerance"].iloc[0])
    np.testing.assert_allclose(ours, rows["value"].to_numpy(), rtol=tolerance, atol=tolerance)


def test_the_reference_table_is_whole() -> None:
    assert len(REFERENCE) > 500
    missing = REFERENCE[REFERENCE["value"].isna()]
    assert set(missing["id"].str.split(".").str[0]) <= {"beta"}  # a coefficient held at 0 has no standard error
    assert {identity.split(".")[0] for identity, _ in CASES} == set(HANDLERS)
    chosen = REFERENCE[REFERENCE["id"] == "closed.chosen"]["value"]
    assert set(chosen) == {0, 1, 2, 3}
