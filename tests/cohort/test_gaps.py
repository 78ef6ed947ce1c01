"""Missing predictors: kept to be imputed, left out, or refused; codes that mean missing."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from validkit.cohort import CohortError, read_cohort
from validkit.cohort.table import MISSING, is_missing
from validkit.sections import CohortSpec, Phantom, Predictor
from validkit.sections.cohort import same_cell


def test_rows_with_missing_predictors_are_kept_to_be_imputed(folder):
    folder.rows[0]["age"] = folder.rows[1]["smoker"] = folder.rows[2]["stage"] = folder.rows[3]["histology"] = ""
    folder.rows[3]["age"] = "NA"
    cohort = folder.read(missing="impute")
    assert (len(cohort), cohort.excluded) == (8, ())
    gone = cohort.predictors.isna()
    assert gone.sum().to_dict() == {"age": 2, "smoker": 1, "stage": 1, "histology": 1}
    assert gone.loc["004"].tolist() == [True, False, False, True]
    assert [str(t) for t in cohort.predictors.dtypes] == ["float64", "float64", "float64", "category"]
    assert cohort.predictors["histology"].cat.categories.tolist() == ["squamous", "adeno", "other"]
    assert cohort.predictors["age"].tolist()[1:3] == [41.0, 42.0]
    assert "predictor 'age': no value in 2 of 8 patients (25.0%)" in cohort.notes
    assert sum(note.startswith("predictor ") for note in cohort.notes) == 4


def test_the_table_of_missing_values(folder):
    folder.rows[0]["age"] = folder.rows[6]["age"] = folder.rows[7]["age"] = ""
    cohort = folder.read(missing="impute")
    table = cohort.missing_table()
    assert list(table.columns) == ["predictor", "site", "n", "missing"]
    rows = table[table["predictor"] == "age"].to_numpy().tolist()
    assert rows == [["age", "", 8, 3], ["age", "north", 4, 1], ["age", "south", 4, 2]]
    assert len(table) == 4 * 3
    assert cohort.take(["001", "007"]).missing_table()["n"].tolist()[:3] == [2, 1, 1]
    assert len(folder.read(missing="impute", site=None).missing_table()) == 4
    assert len(folder.read(missing="impute", predictors={}).missing_table()) == 0


@pytest.mark.parametrize("column", ["event", "centre", "image", "mask_a"])
def test_what_is_no_predictor_is_not_imputed(folder, column):
    folder.rows[6][column] = ""
    fault = folder.fault(missing="impute")
    assert (fault.code, fault.row, fault.column) == ("missing-value", 8, column)
    assert "only predictors are imputed" in fault.mend


def test_a_predictor_without_any_value_cannot_be_imputed(folder):
    for row in folder.rows:
        row["age"] = "NA"
    fault = folder.fault(missing="impute")
    assert (fault.code, fault.row, fault.column, fault.message) == (
        "missing-value",
        None,
        "age",
        "no patient has a value",
    )


def test_values_beside_missing_ones_are_checked_all_the_same(folder):
    folder.rows[0]["age"], folder.rows[1]["age"], folder.rows[2]["histology"] = "", "17", "?!"
    assert [(f.code, f.row) for f in folder.faults(missing="impute")] == [("out-of-range", 3), ("level-undeclared", 4)]


def test_refusal_names_both_ways_out(folder):
    folder.rows[0]["age"] = ""
    fault = folder.fault()
    assert 'cohort.missing = "exclude"' in fault.mend
    assert '"impute"' in fault.mend


def test_shares_are_noted_before_patients_are_left_out(folder):
    folder.rows[0]["age"] = ""
    assert "predictor 'age': no value in 1 of 8 patients (12.5%)" in folder.read(missing="exclude").notes


# --- codes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["0", "0.0", "0.000", "-0", "0e5", "-9", "-9.0", "Unknown", "unknown", " UNKNOWN "])
def test_codes_mean_missing_as_text_and_as_numbers(folder, text):
    folder.rows[2]["age"] = text
    age = {"age": {"kind": "continuous", "range": [18, 100], "missing_codes": ["0", "-9", "unknown"]}}
    cohort = folder.read(predictors=age, missing="impute")
    assert np.isnan(cohort.predictors["age"].iloc[2])
    assert f"predictor 'age': no value in 1 of 8 patients (12.5%), 1 written {text.strip()!r}" in cohort.notes
    assert folder.fault(predictors=age).code == "missing-value"
    assert folder.read(predictors=age, missing="exclude").excluded == (("003", "no value in age"),)


@pytest.mark.parametrize("text", ["00x", "90", "0.1", "9"])
def test_what_is_no_code_is_a_value(folder, text):
    folder.rows[2]["age"] = text
    age = {"age": {"kind": "continuous", "missing_codes": ["0", "-9"]}}
    if text == "00x":
        assert folder.fault(predictors=age, missing="impute").code == "not-a-number"
    else:
        assert folder.read(predictors=age, missing="impute").predictors["age"].iloc[2] == float(text)


def test_codes_count_for_their_own_predictor_alone(folder):
    folder.rows[0]["smoker"] = folder.rows[0]["age"] = "0"
    declared = {"age": {"kind": "continuous", "missing_codes": ["0"]}, "smoker": {"kind": "binary"}}
    cohort = folder.read(predictors=declared, missing="impute")
    assert cohort.predictors.iloc[0].isna().tolist() == [True, False]


def test_codes_among_levels(folder):
    folder.rows[0]["histology"], folder.rows[1]["histology"] = "9", "none"
    levels = ["none", "squamous", "adeno"]
    declared = {"histology": {"kind": "categorical", "levels": levels, "missing_codes": ["9"]}}
    cohort = folder.read(predictors=declared, missing="impute")
    assert cohort.predictors["histology"].isna().tolist() == [True] + [False] * 7
    assert cohort.predictors["histology"].iloc[1] == "none"


def test_is_missing_alone():
    assert all(is_missing(word.upper()) for word in MISSING)
    ordinal = Predictor(kind="ordinal", levels=("none", "some"), missing_codes=("-1",))
    assert [is_missing(text, ordinal) for text in ("none", "None", "-1.0", "some", "")] == [
        False,
        True,
        True,
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"kind": "ordinal", "levels": ["1", "2"], "missing_codes": ["2.0"]},
            "'2.0' is declared both as a level and in",
        ),
        ({"kind": "binary", "missing_codes": ["0"]}, "'0' is a value of a binary predictor"),
        ({"kind": "continuous", "missing_codes": [" "]}, "an empty cell is missing anyway"),
        ({"kind": "continuous", "missing_codes": [0]}, "valid string"),
    ],
)
def test_codes_that_contradict_the_predictor(settings, message):
    with pytest.raises(ValidationError, match=message):
        Predictor.model_validate(settings)


def test_cells_that_say_the_same():
    pairs = [("0", "0,00"), ("-9", " -9.0"), ("NA", "na"), ("1,5", "1.5"), ("1e3", "1000")]
    assert all(same_cell(*pair) and same_cell(*pair[::-1]) for pair in pairs)
    assert not any(same_cell(*pair) for pair in [("1,000", "1"), ("nan", "NaN2"), ("x", "0"), ("nan", "none")])


# --- phantoms that a protocol may name ---------------------------------------------------------------------


def test_phantoms_fit_their_cohort():
    with pytest.raises(ValidationError, match="only the phantom \"clinical\" has missing values; got 'predictions'"):
        Phantom(phantom="predictions", missing=0.1)
    images = {"outcome": {"column": "y"}, "outlines": {"a": "mask"}, "default": {"phantom": "clinical"}}
    with pytest.raises(
        ValidationError, match="the phantom 'clinical' has no images; declare the cohort as kind = \"table\""
    ):
        CohortSpec.model_validate(images)
    table = {"kind": "table", "outcome": {"column": "y"}, "default": {"phantom": "clinical", "missing": 0.2}}
    assert CohortSpec.model_validate(table).default == Phantom(phantom="clinical", missing=0.2)


# --- real ages that are missing -----------------------------------------------------------------------------


def test_breast_252_keeps_patients_without_an_age(shared):
    settings = {
        "outcome": {"column": "malignant"},
        "site": "site",
        "outlines": {"reader": "mask"},
        "border": "allow",
        "missing": "impute",
        "predictors": {"age": {"kind": "continuous", "range": [18, 100]}},
    }
    cohort = read_cohort(shared / "data/breast-us/breast-252", CohortSpec.model_validate(settings))
    assert (len(cohort), int(cohort.predictors["age"].isna().sum()), cohort.excluded) == (252, 41, ())
    assert "predictor 'age': no value in 41 of 252 patients (16.3%)" in cohort.notes
    assert cohort.image_info is not None
    assert len(cohort.image_info) == 252
    with pytest.raises(CohortError):
        read_cohort(shared / "data/breast-us/breast-252", CohortSpec.model_validate(settings | {"missing": "refuse"}))
