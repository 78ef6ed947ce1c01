"""Inputs that are spread otherwise: found at the stated error rate, whole numbers and columns of zeros included."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2_contingency

from validkit.bundle.case_mix import CaseMix
from validkit.bundle.describing import spread_of
from validkit.centre.drift import columns_here, drift_record, drift_test, levels_test

Draw = Callable[[np.random.Generator, int], np.ndarray]
SHAPES: dict[str, Draw] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "skew": lambda rng, n: rng.lognormal(size=n),
    "whole years": lambda rng, n: np.round(rng.normal(50, 10, n)),
    "few counts": lambda rng, n: rng.poisson(3, n).astype(float),
    "many zeros": lambda rng, n: np.where(rng.random(n) < 0.4, 0.0, rng.exponential(size=n)),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_where_nothing_moved_it_claims_as_rarely_as_it_says(shape: str) -> None:
    rng = np.random.default_rng(0)
    draw = SHAPES[shape]
    p = np.array([drift_test(draw(rng, 200), spread_of(draw(rng, 300))).p_value for _ in range(600)])
    assert np.isnan(p).mean() < 0.1
    assert np.nanmean(p < 0.05) <= 0.075


def test_shifts_and_spreads_are_found() -> None:
    rng = np.random.default_rng(1)
    for here in (lambda: rng.normal(0.6, 1, 200), lambda: rng.normal(0, 1.7, 200)):
        p = [drift_test(here(), spread_of(rng.normal(size=300))).p_value for _ in range(50)]
        assert np.mean(np.array(p) < 0.05) > 0.95


def test_levels_are_compared_as_scipy_does() -> None:
    home, here = {"a": 60, "b": 30, "c": 10, "d": 0, "": 7}, {"a": 20, "b": 25, "c": 5, "d": 0, "": 2}
    found = levels_test(here, home)
    expected = chi2_contingency([[60, 30, 10], [20, 25, 5]], correction=False)
    assert found.statistic == pytest.approx(expected.statistic)
    assert (found.p_value, found.df, found.n) == (pytest.approx(expected.pvalue), 2.0, 50)
    assert "one level" in levels_test({"a": 3}, {"a": 9, "b": 0}).note


def test_what_cannot_be_tested_says_why() -> None:
    rng = np.random.default_rng(2)
    assert "too few values" in drift_test(rng.normal(size=20), spread_of(rng.normal(size=100))).note
    assert "too few values" in drift_test(rng.normal(size=100), spread_of(rng.normal(size=10))).note
    assert "one number" in drift_test(rng.normal(size=100), spread_of(np.ones(100))).note


def test_columns_are_found_by_name_and_the_most_different_comes_first() -> None:
    rng = np.random.default_rng(3)
    numbers = {name: spread_of(rng.normal(size=200)) for name in ("age", "rbc", "f1", "f2", "image row_mm")}
    mix = CaseMix(
        n=200, events=50, predictors=None, numbers=numbers, levels={}, features=("f1", "f2"), linear_predictors={}
    )
    predictors = pd.DataFrame({"age": rng.normal(size=100), "rbc": rng.normal(3, 1, 100)})
    predictors.loc[:9, "age"] = np.nan
    features = pd.DataFrame({"f1": rng.normal(size=100), "other": 1.0})
    info = pd.DataFrame({"row_mm": np.full(100, np.nan), "width": 5})
    mix = mix.model_copy(update={"levels": {"histology": {"x": 100, "y": 100}}})
    record = drift_record(mix, columns_here(mix, predictors, info, features), {"histology": {"x": 90, "y": 10, "": 3}})
    rows = {row["name"]: row for row in record["rows"]}
    assert set(rows) == {"age", "rbc", "f1", "image row_mm", "histology"}
    assert record["tested"] == 4
    assert rows["histology"]["levels"] == {"x": [0.5, 0.9], "y": [0.5, 0.1]}
    assert rows["histology"]["p_adjusted"] < 1e-6
    assert record["rows"][0]["name"] == "rbc"
    assert rows["rbc"]["shift"] > 2
    assert rows["rbc"]["p_adjusted"] < 1e-6
    assert rows["age"]["missing_here"] == 10
    assert rows["image row_mm"]["p_adjusted"] is None
    assert rows["f1"]["kind"] == "feature"
