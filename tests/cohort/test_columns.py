from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validkit.cohort.columns import parse_number


def test_types_of_every_kind(folder):
    cohort = folder.read()
    table = cohort.predictors
    assert list(table.columns) == ["age", "smoker", "stage", "histology"]
    assert [str(t) for t in table.dtypes] == ["float64", "float64", "float64", "category"]
    assert table["age"].tolist() == [40.0, 41, 42, 43, 44, 45, 46, 47]
    assert table["smoker"].tolist() == [0.0, 1, 0, 1, 0, 1, 0, 1]
    assert table["stage"].tolist() == [0.0, 1, 2, 0, 1, 2, 0, 1]
    assert table["histology"].cat.categories.tolist() == ["squamous", "adeno", "other"]
    assert table["histology"].iloc[:2].tolist() == ["squamous", "adeno"]
    assert cohort.outcome.dtype == np.int8
    assert cohort.outcome.index.equals(table.index)
    assert cohort.site.tolist() == ["north"] * 4 + ["south"] * 4


def test_the_declared_event_becomes_one(folder):
    assert folder.read().outcome.tolist() == [0, 1] * 4
    assert folder.read(outcome={"column": "event", "event": 0}).outcome.tolist() == [1, 0] * 4


@pytest.mark.parametrize("text", ["2", "yes", "-1", "0.5", "1,0", "TRUE", "１"])
def test_outcomes_other_than_zero_and_one_name_row_and_value(folder, text):
    folder.rows[3]["event"] = text
    fault = folder.fault()
    assert (fault.code, fault.row, fault.patient, fault.column) == ("outcome-value", 5, "004", "event")
    assert fault.message == f"the outcome is {text!r}"


def test_numeric_spellings_of_zero_and_one_are_outcomes(folder):
    folder.rows[0]["event"], folder.rows[1]["event"] = "0.0", "1.0"
    assert folder.read().outcome.tolist() == [0, 1] * 4


def test_one_class_only(folder):
    for row in folder.rows:
        row["event"] = "0"
    fault = folder.fault()
    assert fault.code == "outcome-single-class"
    assert fault.message == "all 8 patients have outcome 0 (no event)"
    assert folder.fault(outcome={"column": "event", "event": 0, "positive": "alive"}).message.endswith("0 (alive)")


@pytest.mark.parametrize("text", ["", "NA", "nan", ".", " ", "N/A", "NaN", "None"])
@pytest.mark.parametrize("column", ["age", "event", "histology", "centre", "mask_a", "image"])
def test_missing_values_are_refused_or_excluded(folder, text, column):
    folder.rows[6][column] = text
    fault = folder.fault()
    assert (fault.code, fault.row, fault.patient, fault.column) == ("missing-value", 8, "007", column)
    assert 'cohort.missing = "exclude"' in fault.mend
    cohort = folder.read(missing="exclude")
    assert cohort.excluded == (("007", f"no value in {column}"),)
    assert cohort.patients == ("001", "002", "003", "004", "005", "006", "008")
    assert len(cohort.images) == len(cohort.image_info) == len(cohort.outcome) == 7


def test_a_declared_level_that_looks_missing_is_a_value(folder):
    folder.rows[0]["histology"] = "none"
    levels = {"histology": {"kind": "categorical", "levels": ["none", "squamous", "adeno"]}}
    assert folder.read(predictors=levels).predictors["histology"].iloc[0] == "none"


def test_everybody_excluded_is_a_fault(folder):
    for row in folder.rows:
        row["age"] = "NA"
    assert "no-patients" in [fault.code for fault in folder.faults(missing="exclude")]


def test_exclusion_that_leaves_one_class_is_a_fault(folder):
    for row in folder.rows[1::2]:
        row["age"] = "NA"
    assert folder.fault(missing="exclude").code == "outcome-single-class"


@pytest.mark.parametrize(
    ("column", "text", "code", "message"),
    [
        ("age", "17.9", "out-of-range", "17.9 years is outside [18, 100]"),
        ("age", "forty", "not-a-number", "'forty' is no number"),
        ("age", "40 y", "not-a-number", "'40 y' is no number"),
        ("age", "1_000", "not-a-number", "'1_000' is no number"),
        ("age", "inf", "not-a-number", "'inf' is no number"),
        ("age", "1e999", "not-a-number", "'1e999' is no number"),
        ("age", "40,5", "not-a-number", "'40,5' is written with a comma"),
        ("smoker", "2", "out-of-range", "2 in a binary column"),
        ("smoker", "yes", "not-a-number", "'yes' is no number"),
        ("stage", "IV", "level-undeclared", "'IV' is not a level"),
        ("histology", "Adeno", "level-undeclared", "'Adeno' is not a level; did you mean 'adeno'?"),
        ("histology", "squamos", "level-undeclared", "'squamos' is not a level; did you mean 'squamous'?"),
    ],
)
def test_values_that_do_not_fit_their_declaration(folder, column, text, code, message):
    folder.rows[2][column] = text
    fault = folder.fault()
    assert (fault.code, fault.row, fault.patient, fault.column) == (code, 4, "003", column)
    assert fault.message.startswith(message)


def test_range_ends_belong_to_the_range(folder):
    folder.rows[0]["age"], folder.rows[1]["age"] = "18", "100.0"
    assert folder.read().predictors["age"].iloc[:2].tolist() == [18.0, 100.0]


def test_numbered_levels_survive_a_spreadsheet(folder):
    for i, row in enumerate(folder.rows):
        row["stage"] = ("2", "3.0", "4 ", "5.00")[i % 4]
    levels = {"stage": {"kind": "ordinal", "levels": ["2", "3", "4", "5"]}}
    assert folder.read(predictors=levels).predictors["stage"].tolist() == [0.0, 1, 2, 3] * 2


def test_decimal_commas_in_a_semicolon_file(folder):
    folder.delimiter = ";"
    for row in folder.rows:
        row["age"] = row["age"] + ",5"
    folder.rows[0]["age"] = "40"
    cohort = folder.read()
    assert cohort.predictors["age"].tolist()[:2] == [40.0, 41.5]
    assert "column 'age': numbers are written with a decimal comma in 7 rows" in cohort.notes


def test_decimal_commas_beside_points_are_refused(folder):
    folder.delimiter = ";"
    folder.rows[0]["age"], folder.rows[1]["age"] = "1.234", "45,5"
    faults = folder.faults(predictors={"age": {"kind": "continuous"}})
    assert [(f.row, f.message) for f in faults] == [(3, "'45,5' is written while row 2 has a decimal point")]


def test_a_constant_predictor_is_noted(folder):
    for row in folder.rows:
        row["smoker"] = "1"
    assert "predictor 'smoker' has one value in all patients" in folder.read().notes


def test_a_cohort_without_predictors_or_site(folder):
    cohort = folder.read(predictors={}, site=None)
    assert cohort.predictors.shape == (8, 0)
    assert cohort.predictors.index.tolist() == list(cohort.patients)
    assert cohort.site is None


@settings(deadline=None, max_examples=60)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_number_reads_back_exactly(value):
    assert parse_number(repr(value)) == value


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=12))
def test_no_text_raises_and_what_is_read_is_finite(text):
    value = parse_number(text)
    assert value is None or math.isfinite(value)


def test_all_faults_of_a_table_come_together(folder):
    folder.rows[0]["event"] = "2"
    folder.rows[1]["age"] = "300"
    folder.rows[2]["stage"] = "IX"
    folder.rows[3]["centre"] = ""
    folder.rows[5]["patient_id"] = "001"
    folder.rows[6]["patient_id"] = ""
    assert {(f.code, f.row) for f in folder.faults()} == {
        ("outcome-value", 2),
        ("out-of-range", 3),
        ("level-undeclared", 4),
        ("missing-value", 5),
        ("patient-twice", 7),
        ("patient-missing", 8),
    }


def test_index_is_text_and_tables_align(folder):
    cohort = folder.read()
    for table in (cohort.predictors, cohort.outcome, cohort.images, cohort.outlines, cohort.image_info, cohort.site):
        assert isinstance(table, pd.Series | pd.DataFrame)
        assert tuple(table.index) == cohort.patients
        assert table.index.name == "patient"
