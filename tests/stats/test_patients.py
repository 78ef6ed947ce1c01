"""The door's other half: frequency weights and incomplete patients, the same for every statistic."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pandas as pd
import pytest

from validkit import stats
from validkit.errors import InputError
from validkit.stats.checks import patients
from validkit.stats.results import Comparison, Estimate, TestResult


@patients("y_true", "y_prob", "clusters")
def seen(y_true, y_prob, *, clusters=None, level=0.9, weights=None, missing="error"):  # type: ignore[no-untyped-def]
    """The statistic that tells what it was given."""
    seen.last = (np.asarray(y_true), np.asarray(y_prob), clusters, level)
    return Estimate(1.0, n=len(y_true), note="plain")


def test_without_either_argument_the_function_gets_what_was_passed() -> None:
    y, p = [0, 1], (0.1, 0.9)
    assert seen(y, p, level=0.8) == Estimate(1.0, n=2, note="plain")
    assert seen.last[3] == 0.8
    assert inspect.signature(seen).parameters["missing"].default == "error"
    assert seen.__doc__.startswith("The statistic")


def test_weights_write_patients_out() -> None:
    result = seen([0, 1, 1], [0.1, 0.5, 0.9], clusters=["a", "b", "b"], weights=[2, 0, 1])
    assert seen.last[0].tolist() == [0, 0, 1]
    assert seen.last[1].tolist() == [0.1, 0.1, 0.9]
    assert seen.last[2].tolist() == ["a", "a", "b"]
    assert (result.n, result.n_missing, result.note) == (3, 0, "plain")
    assert seen([0, 1], [0.1, 0.2], weights=np.array([1.0, 3.0])).n == 4


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, 2], r"`weights` has 2 entries for 3 patients"),
        (
            [1, -1, 2],
            r"`weights` must be frequencies, whole numbers of at least 0; 1 of 3 are not \(first: row 1 \(-1.0\)\)",
        ),
        ([1, 0.5, 2], "1 of 3 are not"),
        ([1, math.nan, math.inf], "2 of 3 are not"),
        ([0, 0, 0], "`weights` leave no patient: all are 0"),
    ],
)
def test_bad_weights(weights: list[float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        seen([0, 1, 1], [0.1, 0.5, 0.9], weights=weights)


@pytest.mark.parametrize(
    "hole",
    [math.nan, None, pd.NA, pd.NaT],
    ids=["nan", "none", "pandas-na", "nat"],
)
def test_incomplete_patients_are_left_out_and_counted(hole: object) -> None:
    p = np.array([0.1, hole, 0.5, 0.9], dtype=object)
    result = seen([0, 1, math.nan, 1], p, missing="complete-case")
    assert seen.last[0].tolist() == [0, 1]
    assert [float(v) for v in seen.last[1]] == [0.1, 0.9]
    assert (result.n, result.n_missing) == (2, 2)
    assert result.note == "plain; 2 of 4 patients left out as incomplete (complete case)"


def test_a_missing_label_among_text_stays_missing() -> None:
    result = seen([0, 1, 1], [0.1, 0.2, 0.3], clusters=["a", math.nan, "b"], missing="complete-case")
    assert seen.last[2].tolist() == ["a", "b"]
    assert result.n_missing == 1


def test_complete_data_are_not_remarked_upon() -> None:
    assert seen([0, 1], [0.1, 0.2], missing="complete-case") == Estimate(1.0, n=2, note="plain")


def test_pandas_masked_arrays_and_tables_of_predictions() -> None:
    y = pd.Series([0, 1, None, 1], dtype="Int64")
    p = pd.Series([0.1, None, 0.4, 0.9])
    assert seen(y, p, missing="complete-case").n_missing == 2
    masked = np.ma.masked_array([0.1, 0.2, 0.3], [False, True, False])
    assert seen([0, 1, 1], masked, missing="complete-case").n_missing == 1
    with pytest.raises(InputError, match="indexed by patients that are in another order"):
        seen(pd.Series([0, 1]), pd.Series([0.1, 0.2], index=[1, 0]), missing="complete-case")
    table = np.array([[0.1, math.nan, 0.3], [0.2, 0.5, 0.9]])
    seen([0, 1, 1], table, missing="complete-case")
    assert seen.last[1].tolist() == [[0.1, 0.3], [0.2, 0.9]]


def test_refusals() -> None:
    with pytest.raises(InputError, match="`missing` must be one of 'error', 'complete-case', not 'drop'"):
        seen([0, 1], [0.1, 0.2], missing="drop")
    with pytest.raises(InputError, match=r"all 2 patients miss `y_true` or `y_prob`: nobody is left"):
        seen([math.nan, 1], [0.1, math.nan], missing="complete-case")
    with pytest.raises(InputError, match="must be of the same patients: `y_true` has 2, `y_prob` has 3"):
        seen([0, 1], [0.1, 0.2, 0.3], weights=[1, 1])
    with pytest.raises(InputError, match="`y_prob` must be an array with one entry a patient"):
        seen([0, 1], 0.3, weights=[1, 1])


def test_two_samples_are_completed_apart() -> None:
    @patients(("y_a", "prob_a"), ("y_b", "prob_b"))
    def two(y_a, prob_a, y_b, prob_b, *, missing="error"):  # type: ignore[no-untyped-def]
        return Comparison(Estimate(float(len(y_a))), TestResult(float(len(y_b)), 0.5))

    result = two([0, 1, math.nan], [0.1, 0.2, 0.3], [0, 1], [math.nan, 0.4], missing="complete-case")
    assert (result.difference.value, result.test.statistic) == (2.0, 1.0)
    assert result.difference.n_missing == result.test.n_missing == 2
    assert result.test.note == "2 of 5 patients left out as incomplete (complete case)"


def test_every_place_of_a_result_is_counted_and_no_count_is_lost() -> None:
    @patients("y_true")
    def several(y_true, *, weights=None, missing="error"):  # type: ignore[no-untyped-def]
        return {"a": Estimate(1.0), "b": (Estimate(2.0), [Estimate(3.0)])}

    found = several([0, math.nan], missing="complete-case")
    assert [found["a"].n_missing, found["b"][0].n_missing, found["b"][1][0].n_missing] == [1, 1, 1]

    @patients("y_true")
    def number(y_true, *, weights=None, missing="error"):  # type: ignore[no-untyped-def]
        return 1.5

    assert number([0, 1], missing="complete-case") == 1.5
    with pytest.raises(TypeError, match="float has no place for the count of patients left out"):
        number([0, math.nan], missing="complete-case")


# Most return arrays or plain numbers, which have no place for a count.
PLAIN_RESULTS = {
    *("youden_threshold", "calibration_groups", "delong_covariance", "clustered_covariance", "pilot_design"),
    "instability_curves",
    "corrected_performance",  # the resamples were drawn from the patients as they are
    "effects_given_risk",  # a regression, as logistic_regression: its columns are complete, or an error names them
}


def decorated() -> list[str]:
    return [
        name
        for name in stats.__all__
        if callable(getattr(stats, name)) and "missing" in _parameters(getattr(stats, name))
    ]


def _parameters(function: object) -> list[str]:
    try:
        return list(inspect.signature(function).parameters)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return []


def test_every_statistic_of_outcome_and_risk_passes_the_same_door() -> None:
    lacking = [
        name
        for name in stats.__all__
        if "y_true" in (names := _parameters(getattr(stats, name))) and not {"weights", "missing"} <= set(names)
    ]
    assert set(lacking) <= PLAIN_RESULTS, lacking
    assert len(decorated()) > 20


def test_counts_go_into_mappings_inside_records() -> None:
    from dataclasses import dataclass

    from validkit.stats.results import Record

    @dataclass(frozen=True)
    class Several(Record):
        parts: dict[str, Estimate]
        name: str = "x"

    @patients("y_true")
    def mapped(y_true, *, weights=None, missing="error"):  # type: ignore[no-untyped-def]
        return Several({"a": Estimate(1.0)})

    assert mapped([0, math.nan], missing="complete-case").parts["a"].n_missing == 1


def test_columns_that_know_no_na_value() -> None:
    class Column:
        index = None

        def to_numpy(self, dtype=None, na_value=None):  # type: ignore[no-untyped-def]
            if na_value is not None:
                raise TypeError("no na_value")
            return np.array([0.1, 0.2])

    assert stats.brier([0, 1], Column()).n == 2
