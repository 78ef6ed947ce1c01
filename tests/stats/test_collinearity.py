"""Variance inflation: by regression of each column on the others, and its laws; R's car in test_classification_r.py."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validkit.errors import InputError
from validkit.stats.collinearity import VarianceInflation, logistic_variance_inflation, variance_inflation
from validkit.stats.regression import logistic_regression


def design(seed: int = 1, n: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    common = rng.normal(size=n)
    columns = {name: common * share + rng.normal(size=n) for name, share in (("a", 1.0), ("b", 0.8), ("c", 0.0))}
    return pd.DataFrame(columns) * [1.0, 50.0, 0.01] + 3


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_one_column_is_one_over_one_minus_r_squared(seed: int) -> None:
    X = design(seed)
    found = variance_inflation(X)
    assert [f.term for f in found] == ["a", "b", "c"]
    for f in found:
        others = np.column_stack([np.ones(len(X)), X.drop(columns=f.term)])
        y = X[f.term].to_numpy()
        residual = y - others @ np.linalg.lstsq(others, y, rcond=None)[0]
        r2 = 1 - residual @ residual / ((y - y.mean()) ** 2).sum()
        assert f.gvif == pytest.approx(1 / (1 - r2), rel=1e-9)
        assert (f.df, f.scaled, f.note) == (1, pytest.approx(math.sqrt(f.gvif)), "")
    moved = variance_inflation(X * [-1, 7, 1e6] - 4)
    assert [f.gvif for f in moved] == pytest.approx([f.gvif for f in found])


def test_terms_of_several_columns_do_not_depend_on_the_reference_level() -> None:
    X = design()
    level = np.digitize(X["a"], np.quantile(X["a"], [0.3, 0.7]))
    values = []
    for reference in range(3):
        own = [k for k in range(3) if k != reference]
        coded = X[["b", "c"]].assign(**{f"k{k}": (level == k).astype(float) for k in own})
        found = variance_inflation(coded, terms={"b": ["b"], "level": [f"k{k}" for k in own], "c": ["c"]})
        assert [(f.term, f.df) for f in found] == [("b", 1), ("level", 2), ("c", 1)]
        assert found[1].scaled == pytest.approx(found[1].gvif ** 0.25)
        values.append([f.gvif for f in found])
    assert values[1] == pytest.approx(values[0])
    assert values[2] == pytest.approx(values[0])
    assert min(values[0]) > 1


def test_uncorrelated_columns_and_a_lone_term_are_not_inflated() -> None:
    X = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]], dtype=float)
    assert variance_inflation(X) == (VarianceInflation("x1", 1, 1.0, 1.0), VarianceInflation("x2", 1, 1.0, 1.0))
    (lone,) = variance_inflation(design(), terms={"all": ["c", "a", "b"]})
    assert (lone.df, lone.gvif, lone.scaled) == (3, pytest.approx(1.0), pytest.approx(1.0))


def test_of_a_logistic_regression_it_is_the_growth_of_the_variance() -> None:
    """1/(1 - R2) with the patients weighted by pi (1 - pi)."""
    X = design(4, 90)
    y = (np.random.default_rng(2).random(90) < 1 / (1 + np.exp(-(X["a"] - 3)))).astype(int)
    fit = logistic_regression(X, y)
    p = fit.predict(X)
    root = np.sqrt(p * (1 - p))
    for f in logistic_variance_inflation(fit):
        others = np.column_stack([np.ones(90), X.drop(columns=f.term)]) * root[:, None]
        column = X[f.term].to_numpy()
        total = column - np.average(column, weights=p * (1 - p))
        weighted = column * root
        residual = weighted - others @ np.linalg.lstsq(others, weighted, rcond=None)[0]
        assert f.gvif == pytest.approx(((total * root) ** 2).sum() / (residual @ residual), rel=1e-7)
    assert logistic_variance_inflation(fit, terms={"a": ["a"], "bc": ["b", "c"]})[1].df == 2


def test_without_an_estimate_it_is_undefined() -> None:
    apart = logistic_regression(np.arange(10.0)[:, None], np.repeat([0, 1], 5), names=["x"])
    (only,) = logistic_variance_inflation(apart)
    assert (only.term, only.df, math.isnan(only.gvif), math.isnan(only.scaled)) == ("x", 1, True, True)
    assert "complete separation" in only.note
    assert logistic_variance_inflation(logistic_regression(np.empty((8, 0)), [0, 1] * 4)) == ()


def test_what_is_refused() -> None:
    X = design()
    with pytest.raises(InputError, match="constant column in `X`: 'flat'"):
        variance_inflation(X.assign(flat=2.0))
    with pytest.raises(InputError, match="'sum' of `X` follows exactly from the columns before it: infinite inflation"):
        variance_inflation(X.assign(sum=X["a"] + 2 * X["b"]))
    with pytest.raises(InputError, match="`X` has no column"):
        variance_inflation(np.empty((5, 0)))
    with pytest.raises(InputError, match="column 'b' is missing or infinite for 1 of 60 patients"):
        variance_inflation(X.assign(b=X["b"].where(X.index != 3)))
    for terms in ({"a": ["a"]}, {"a": ["a", "b"], "c": ["b", "c"]}, {"a": ["a", "b", "c"], "none": []}):
        with pytest.raises(InputError, match="`terms` must name each column once; the columns are a, b, c"):
            variance_inflation(X, terms=terms)
