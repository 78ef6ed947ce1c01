"""How predictors become columns, what is refused there, and how finished cells are written."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from validkit.errors import InputError
from validkit.stats.coding import as_levels, check_predictors, declared_levels, kind_of, learn_coding, numbers
from validkit.stats.results import Estimate
from validkit.stats.text import interval_text, named, p_text, ratio_text, spread_digits


def cohort() -> pd.DataFrame:
    data = pd.DataFrame({"age": [50, 61, 47, 70], "smoker": [0, 1, 1, 0], "site": ["b", "a", "c", "b"]})
    data["stage"] = pd.Categorical(["I", "II", "I", "III"], ["I", "II", "III"], ordered=True)
    data["type"] = pd.Categorical(["x", "y", "x", "y"], ["z", "y", "x"])
    return data


def test_kinds_levels_and_columns() -> None:
    coding = learn_coding(cohort())
    assert dict(coding.kinds) == {
        "age": "continuous",
        "smoker": "binary",
        "site": "categorical",
        "stage": "ordinal",
        "type": "categorical",
    }
    assert coding.levels == {"site": ("a", "b", "c"), "type": ("y", "x")}
    assert coding.unseen == {"site": (), "type": ("z",)}
    assert coding.all_columns == ("age", "smoker", "site=b", "site=c", "stage", "type=x")
    table = coding.encode(cohort())
    assert table["stage"].tolist() == [0, 1, 0, 2]
    assert table["site=b"].tolist() == [1, 0, 0, 1]
    assert table["type=x"].tolist() == [1, 0, 1, 0]
    assert set(table.dtypes) == {np.dtype(float)}


def test_an_undeclared_level_is_refused_and_an_unseen_one_is_the_reference() -> None:
    coding = learn_coding(cohort()[["site", "type"]])
    late = cohort()[["site", "type"]].astype(str)
    late.loc[2, "type"] = "z"
    assert coding.encode(late)["type=x"].tolist() == [1, 0, 0, 0]
    late.loc[1, "site"] = "d"
    with pytest.raises(InputError, match=r"column 'site' has the level 'd' \(rows 1\), not among a, b, c; merge it"):
        coding.encode(late)


def test_levels_and_numbers() -> None:
    column = pd.Series([2.0, 1.5, np.nan, 2.0], name="x")
    assert declared_levels(column) == ("1.5", "2")
    assert list(as_levels(column)) == ["2", "1.5", None, "2"]
    assert np.isnan(numbers(column, "continuous")[2])
    stage = pd.Series(pd.Categorical(["I", None], ["0", "I"], ordered=True), name="stage")
    np.testing.assert_array_equal(numbers(stage, "ordinal"), [1.0, np.nan])
    assert kind_of(column, "ordinal") == "ordinal"


def test_what_is_refused() -> None:
    data = cohort()
    with pytest.raises(InputError, match="`kinds` has 'nominal' for 'age'; a kind is one of continuous, ordinal"):
        kind_of(data["age"], "nominal")
    with pytest.raises(InputError, match="column 'stage' is categorical but declared 'continuous'; declare its kind"):
        numbers(data["stage"], "continuous")
    with pytest.raises(InputError, match="must be a pandas DataFrame with one named column each, not list"):
        learn_coding([[1, 2]], ["a"])
    with pytest.raises(InputError, match="the table of predictors has no patient"):
        check_predictors(data.iloc[:0], ["age"])
    with pytest.raises(InputError, match="no column 'sex' among the predictors; there are age, smoker"):
        check_predictors(data, ["sex"])
    with pytest.raises(InputError, match="the predictor 'age' is there twice"):
        check_predictors(data, ["age", "age"])
    holes = data.assign(age=[np.nan, 1, np.inf, 2])
    with pytest.raises(InputError, match=r"column 'age' is missing or infinite for 2 of 4 patients \(rows 0, 2\)"):
        check_predictors(holes, ["age"])
    with pytest.raises(InputError, match=r"column 'age' is infinite for 1 of 4 patients \(rows 2\)"):
        check_predictors(holes, ["age"], missing=True)


def test_cells() -> None:
    assert [p_text(p) for p in (math.nan, 0.0, 0.00099, 0.001, 0.0514, 0.9992)] == [
        "",
        "< 0.001",
        "< 0.001",
        "0.001",
        "0.051",
        "> 0.999",
    ]
    assert [ratio_text(x) for x in (math.nan, math.inf, 0, 0.00123, 0.01, 1.5, 999.9, 1234.5)] == [
        "",
        "inf",
        "0.000",
        "0.00123",
        "0.010",
        "1.500",
        "999.900",
        "1.23e+03",
    ]
    assert interval_text(Estimate(1.0, 0.5, math.inf)) == "[0.500, inf]"
    assert interval_text(Estimate(1.0)) == ""
    assert (named("Age", "years"), named("Age", "")) == ("Age (years)", "Age")
    assert [spread_digits(np.array([0.0, s])) for s in (0, 2000, 20, 0.2, 2e-9)] == [2, 0, 1, 3, 6]
