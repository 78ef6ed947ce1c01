from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from validkit.errors import InputError
from validkit.sections import Predictions
from validkit.tabular.given import GivenModel
from validkit.tabular.inputs import TableInputs


def inputs(ids: list[str]) -> TableInputs:
    return TableInputs(pd.DataFrame({"x": np.arange(len(ids), dtype=float)}, index=ids), np.arange(len(ids)) * 10)


def test_copies_get_names_of_their_own_and_keep_their_group() -> None:
    found = inputs(["P1", "P2", "P3"]).take(["P2", "P1", "P2", "P2"])
    assert found.patients.tolist() == ["P2", "P1", "P2#2", "P2#3"]
    assert found.groups.tolist() == [10, 0, 10, 10]
    assert found.predictors["x"].tolist() == [1, 0, 1, 1]


def test_a_copy_never_takes_the_name_of_another_patient() -> None:
    found = inputs(["P1", "P1#2"]).take(["P1", "P1", "P1#2"])
    assert found.patients.tolist() == ["P1", "P1#3", "P1#2"]
    assert found.groups.tolist() == [0, 0, 10]


@given(st.lists(st.sampled_from(["A", "A#2", "A#2#2", "B"]), min_size=1, max_size=30))
def test_names_are_distinct_whatever_is_taken(ids: list[str]) -> None:
    found = inputs(["A", "A#2", "A#2#2", "B"]).take(ids)
    assert found.patients.is_unique
    assert found.predictors["x"].tolist() == [["A", "A#2", "A#2#2", "B"].index(name) for name in ids]
    assert found.take(found.patients).predictors.equals(found.predictors)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match=r"1 of 2 patients are not in these inputs \(first: 'P9'\)"):
        inputs(["P1"]).take(["P1", "P9"])
    with pytest.raises(InputError, match="'P1' has two rows"):
        inputs(["P1", "P1"])
    with pytest.raises(InputError, match=r"shape \(1,\); got \(2,\)"):
        TableInputs(pd.DataFrame({"x": [1.0]}), np.arange(2))
    with pytest.raises(InputError, match="`given` must have the patients"):
        TableInputs(pd.DataFrame({"x": [1.0]}), np.arange(1), pd.DataFrame({"r": [0.5]}, index=["Q"]))
    with pytest.raises(dataclasses.FrozenInstanceError):
        inputs(["P1"]).groups = np.arange(1)  # type: ignore[misc]


def given_model(*columns: str) -> GivenModel:
    listed: list[Any] = [{"name": f"m{i}", "column": column} for i, column in enumerate(columns)]
    return GivenModel(Predictions.model_validate({"kind": "predictions", "columns": listed}))


def test_predictions_made_elsewhere_are_taken_as_they_are() -> None:
    table = pd.DataFrame({"risk": [0.0, 0.25, 1.0], "other": [0.5, 1.5, np.nan]}, index=["A", "B", "C"])
    carrying = TableInputs(table[[]], np.arange(3), table)
    assert given_model("risk").predict(carrying.take(["C", "A"]))["m0"].to_dict() == {"C": 1.0, "A": 0.0}
    with pytest.raises(InputError, match=r"'other' must hold risks in \[0, 1\]; 2 of 3 .*first: patient 'B', 1.5"):
        given_model("other").predict(carrying)
    with pytest.raises(InputError, match="no column 'risc'; did you mean 'risk'"):
        given_model("risc").predict(carrying)
    with pytest.raises(InputError, match="carry no predictions"):
        given_model("risk").predict(inputs(["A"]))
