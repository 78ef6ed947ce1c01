from __future__ import annotations

import csv
import io
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validkit.report import tables
from validkit.report.exports import cells
from validkit.report.records import read_run


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("  =1+1", "' =1+1"),
        ("\t=1", "' =1"),
        ("＝1", "'＝1"),
        ("-inf", "'-inf"),
        ("-0.5", "-0.5"),
        ("+1.2e-3", "+1.2e-3"),
        ("wavelet-HLL", "wavelet-HLL"),
        (-0.5, "-0.5"),
        (-3, -3),
        (math.nan, ""),
        (None, ""),
        (True, True),
    ],
)
def test_no_text_starts_a_formula_and_numbers_are_left_alone(value, expected):
    assert cells.safe(value) == expected


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=20))
def test_any_text_survives_csv_without_starting_a_formula(words):
    cell = next(csv.reader(io.StringIO(tables.to_csv([words], []))), [""])
    written = cell[0] if cell else ""
    assert not written.lstrip().startswith(("=", "@"))
    assert "\x00" not in written
    written.encode("utf-8")


@settings(max_examples=60, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_written_unrounded(x):
    assert float(cells.safe(x)) == x


def test_performance_holds_every_model_on_every_set(complete_run):
    columns, rows = tables.performance(read_run(complete_run))
    assert all(len(row) == len(columns) for row in rows)
    names = {row[0] for row in rows}
    assert {"nomogram", "fusion/svm", "deep/resnet50", "clinical"} <= names
    assert {row[4] for row in rows} == {"training", "training-cross-fitted", "held-out"}
    assert {"auc", "auc_low", "auc_method", "slope", "hosmer_lemeshow_df", "threshold_rule"} <= set(columns)


def test_all_csv_files_are_written(drawn):
    names = {path.name for path in (drawn / "tables").iterdir()}
    wanted = {
        "performance",
        "thresholds",
        "measures",
        "comparisons",
        "table1",
        "table2",
        "selected-features",
        "classifiers",
        "timings",
        "splits",
    }
    assert {name for name in names if name.endswith(".csv")} == {f"{name}.csv" for name in wanted}
    with (drawn / "tables" / "comparisons.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8
    assert rows[0]["p"] == "0.0002"
    assert rows[0]["p_adjusted"] == "0.0008"
