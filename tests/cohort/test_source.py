"""Tables of every kind: a folder, a CSV file, a Parquet file; and hostile ones."""

from __future__ import annotations

import contextlib
import csv
import datetime
import decimal
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from validkit.cohort import CohortError, Fault, read_cohort
from validkit.cohort.table import nearest
from validkit.errors import InputError
from validkit.sections import CohortSpec

HEADER = "patient_id,y,age,stage,risk"
ROWS = ["a,0,40,I,0.1", "b,1,50,II,0.9", "c,0,60,I,0.3", "d,1,70,II,0.6"]
PREDICTORS = {"age": {"kind": "continuous"}, "stage": {"kind": "ordinal", "levels": ["I", "II"]}}


def spec(**changes: Any) -> CohortSpec:
    return CohortSpec.model_validate({"kind": "table", "outcome": {"column": "y"}, "predictors": PREDICTORS, **changes})


def write(path: Path, *lines: str, encoding: str = "utf-8", end: str = "\n") -> Path:
    path.write_bytes((end.join(lines) + end).encode(encoding))
    return path


def faults(path: Path, columns: tuple[str, ...] = (), **changes: Any) -> list[Fault]:
    with pytest.raises(CohortError) as caught:
        read_cohort(path, spec(**changes), columns=columns)
    return list(caught.value.faults)


def only(path: Path, columns: tuple[str, ...] = (), **changes: Any) -> Fault:
    found = faults(path, columns, **changes)
    assert len(found) == 1, found
    return found[0]


# --- where the table lies ---------------------------------------------------------------------------


def test_a_table_has_neither_images_nor_outlines(tmp_path):
    path = write(tmp_path / "study.csv", HEADER, *ROWS)
    cohort = read_cohort(path, spec())
    assert (cohort.images, cohort.outlines, cohort.image_info, cohort.extra) == (None, None, None, None)
    assert (cohort.name, cohort.folder, cohort.patients) == ("study", tmp_path, ("a", "b", "c", "d"))
    assert cohort.predictors["stage"].tolist() == [0.0, 1.0, 0.0, 1.0]
    assert cohort.groups.tolist() == [0, 1, 2, 3]
    assert (cohort.group, cohort.date, cohort.device) == (None, None, None)
    part = cohort.take(["d", "a"])
    assert (part.images, part.outcome.tolist(), part.groups.tolist()) == (None, [1, 0], [3, 0])
    for use in (lambda: cohort.primary, lambda: cohort.lesion("a")):
        with pytest.raises(InputError, match="'study' is a table: it has no images"):
            use()


def test_a_folder_and_its_file_are_the_same_cohort(tmp_path):
    path = write(tmp_path / "cohort.csv", HEADER, *ROWS)
    by_folder, by_file = read_cohort(tmp_path, spec()), read_cohort(path, spec())
    assert by_folder.digest == by_file.digest
    inner = hashlib.sha256(path.read_bytes()).hexdigest()
    assert by_folder.digest == hashlib.sha256(inner.encode()).hexdigest()
    assert by_folder.files == {"cohort.csv": inner}
    write(path, HEADER, *ROWS, end="\r\n")
    assert read_cohort(path, spec()).digest != by_file.digest


def test_images_may_be_read_from_a_file_beside_them(folder):
    reference = folder.read()
    (folder.root / "cohort.csv").rename(folder.root / "second reading.csv")
    cohort = read_cohort(folder.root / "second reading.csv", folder.spec())
    assert (cohort.name, cohort.patients) == ("second reading", reference.patients)
    assert cohort.images is not None
    assert cohort.images["003"] == folder.root / "images/003.png"
    assert cohort.lesion("003").mask.any()


def test_a_table_does_not_look_at_images(folder):
    for row in folder.rows:
        row["image"] = "nowhere.png"
    cohort = folder.read(kind="table", outlines={})
    assert (len(cohort), cohort.images) == (8, None)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("study.cvs", "study.cvs is not a folder"),
        ("studi.csv", r"there is no file 'studi.csv'; did you mean 'study.csv'\?"),
        ("none/study.csv", "study.csv is not a folder"),
    ],
)
def test_paths_that_lead_nowhere(tmp_path, name, message):
    write(tmp_path / "study.csv", HEADER, *ROWS)
    with pytest.raises(CohortError, match=message):
        read_cohort(tmp_path / name, spec())


def test_a_device_is_no_table():
    with pytest.raises(CohortError, match="/dev/null is neither a folder nor a file"):
        read_cohort("/dev/null", spec())


# --- columns of predictions ---------------------------------------------------------------------------


def test_columns_of_predictions(tmp_path):
    path = write(tmp_path / "t.csv", HEADER, *ROWS)
    cohort = read_cohort(path, spec(), columns=["risk", "risk"])
    assert cohort.extra is not None
    assert cohort.extra.to_dict("list") == {"risk": [0.1, 0.9, 0.3, 0.6]}
    assert cohort.extra.dtypes.tolist() == [np.dtype("float64")]
    assert tuple(cohort.extra.index) == cohort.patients
    part = cohort.take(["c", "b"]).extra
    assert part is not None
    assert part["risk"].tolist() == [0.3, 0.9]


def test_a_predictor_may_be_a_prediction_too(tmp_path):
    path = write(tmp_path / "t.csv", HEADER, *ROWS)
    cohort = read_cohort(path, spec(predictors={"risk": {"kind": "continuous"}}), columns=["risk"])
    assert cohort.extra is not None
    assert cohort.extra["risk"].tolist() == cohort.predictors["risk"].tolist()


def test_faults_of_predictions(tmp_path):
    rows = ["a,0,40,I,1.2", "b,1,50,II,high", "c,0,60,I,", "d,1,70,II,-0.1", "e,1,70,II,1"]
    path = write(tmp_path / "t.csv", HEADER, *rows)
    found = faults(path, ("risk",), missing="impute")
    assert [(f.code, f.row, f.message) for f in found] == [
        ("missing-value", 4, "no value ('')"),
        ("not-a-number", 3, "'high' is no number"),
        ("out-of-range", 2, "the predicted probability is 1.2, outside [0, 1]"),
        ("out-of-range", 5, "the predicted probability is -0.1, outside [0, 1]"),
    ]
    assert "only predictors are imputed" in found[0].mend
    assert "divide percentages by 100" in found[2].mend
    write(path, HEADER, "a,0,40,I,1", "b,1,50,II,0", "c,0,60,I,")
    cohort = read_cohort(path, spec(missing="exclude"), columns=["risk"])
    assert cohort.excluded == (("c", "no value in risk"),)


def test_columns_of_predictions_that_are_not_there_or_are_something_else(tmp_path):
    path = write(tmp_path / "t.csv", HEADER, *ROWS)
    fault = only(path, ("risks",))
    assert (fault.code, fault.column) == ("column-missing", "risks")
    assert fault.message.endswith("did you mean 'risk'?")
    with pytest.raises(InputError, match=r"column 'y' is cohort.outcome.column; it cannot hold predicted"):
        read_cohort(path, spec(), columns=["y"])


# --- hostile CSV --------------------------------------------------------------------------------------


def test_semicolons_decimal_commas_and_a_byte_order_mark(tmp_path):
    rows = [row.replace(",", ";").replace(".", ",") for row in ROWS]
    path = write(tmp_path / "t.csv", "\ufeff" + HEADER.replace(",", ";"), *rows, end="\r\n")
    cohort = read_cohort(path, spec(), columns=["risk"])
    assert cohort.extra is not None
    assert cohort.extra["risk"].tolist() == [0.1, 0.9, 0.3, 0.6]
    assert "column 'risk': numbers are written with a decimal comma in 4 rows" in cohort.notes


def test_a_missing_code_with_a_decimal_comma(tmp_path):
    rows = ["a;0;0,0;I;0", "b;1;50,5;II;0", "c;1;60,5;II;0"]
    path = write(tmp_path / "t.csv", HEADER.replace(",", ";"), *rows)
    age = {"age": {"kind": "continuous", "missing_codes": ["0"]}}
    cohort = read_cohort(path, spec(predictors=age, missing="impute"))
    assert np.isnan(cohort.predictors["age"].iloc[0])
    assert cohort.predictors["age"].tolist()[1:] == [50.5, 60.5]


def test_fifteen_hundred_is_no_missing_code(tmp_path):
    path = write(tmp_path / "t.csv", HEADER, 'a,0,"1,000",I,0', "b,1,50,II,0")
    age = {"age": {"kind": "continuous", "missing_codes": ["1"]}}
    assert only(path, predictors=age, missing="impute").code == "not-a-number"


def test_quoted_newlines_in_undeclared_columns_do_not_shift_rows(tmp_path):
    path = write(tmp_path / "t.csv", HEADER + ",remark", 'a,0,40,I,0.1,"one\ntwo, ""three"""', "b,1,old,II,0.2,")
    assert only(path).row == 3


def test_undeclared_columns_may_be_twice_and_declared_ones_not(tmp_path):
    path = write(tmp_path / "t.csv", HEADER + ",x,x,", *(row + ",1,2,3" for row in ROWS))
    assert len(read_cohort(path, spec())) == 4
    write(path, HEADER + ",age", *(row + ",1" for row in ROWS))
    fault = only(path)
    assert (fault.code, fault.column, fault.message) == ("column-twice", "age", "the header appears 2 times")


def test_two_hundred_thousand_columns(tmp_path):
    extra = 200_000
    header = HEADER + "," + ",".join(f"gene_{i}" for i in range(extra))
    path = write(tmp_path / "t.csv", header, *(row + ",1" * extra for row in ROWS))
    assert len(read_cohort(path, spec())) == 4
    fault = only(path, ("gene_200000",))
    assert fault.code == "column-missing"
    assert len(fault.mend) < 1000
    assert "and 199975 more" in fault.mend


def test_an_outcome_in_words_names_every_row_once(tmp_path):
    path = write(tmp_path / "t.csv", HEADER, "a,alive,40,I,0", "b,dead,50,II,0", "c,alive,60,I,0")
    found = faults(path)
    assert [(f.code, f.row, f.message) for f in found] == [
        ("outcome-value", 2, "the outcome is 'alive'"),
        ("outcome-value", 3, "the outcome is 'dead'"),
        ("outcome-value", 4, "the outcome is 'alive'"),
    ]
    assert "cohort.outcome which of the two is the event" in found[0].mend


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04 workbook", "spreadsheet workbook or an archive"),
        (b"\x1f\x8b\x08\x00\xff\xfe", "is not UTF-8 text"),
        (b"PAR1 and no more", "the Parquet file cannot be read"),
        (b"PAR1" + bytes(100) + b"PAR1", "the Parquet file cannot be read"),
        (b"patient_id,y\n" + b'"' + b"x" * 200_000 + b'",1\n', "field larger than field limit"),
    ],
)
def test_files_that_are_no_table(tmp_path, content, message):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(CohortError, match=message):
        read_cohort(tmp_path / "t.csv", spec())


def test_a_hundred_thousand_rows_with_a_fault_each_are_told_in_a_page(tmp_path):
    n = 100_000
    rows = (f"p{i},{i % 2},young{i % 50},I,0.5" for i in range(n))
    path = write(tmp_path / "t.csv", HEADER, *rows)
    with pytest.raises(CohortError) as caught:
        read_cohort(path, spec())
    assert len(caught.value.faults) == n
    assert str(caught.value).count("\n") < 60


# --- Parquet ------------------------------------------------------------------------------------------


def parquet(path: Path, **columns: Any) -> Path:
    pytest.importorskip("pyarrow")
    basic: dict[str, Any] = {"patient_id": list("abcd"), "y": [0, 1, 0, 1], "age": [40, 50, 60, 70]}
    basic["stage"] = ["I", "II", "I", "II"]
    pd.DataFrame(basic | columns).to_parquet(path)
    return path


def test_parquet_reads_as_the_csv_of_the_same_table(tmp_path):
    path = parquet(tmp_path / "t.parquet", risk=[0.1, 0.9, 0.3, 0.6])
    write(tmp_path / "t.csv", HEADER, *ROWS)
    one, two = (read_cohort(tmp_path / name, spec(), columns=["risk"]) for name in ("t.parquet", "t.csv"))
    assert one.predictors.equals(two.predictors)
    assert one.outcome.equals(two.outcome)
    assert one.extra is not None
    assert one.extra.equals(two.extra)
    assert one.digest != two.digest
    assert one.files == {"t.parquet": hashlib.sha256(path.read_bytes()).hexdigest()}


def test_the_type_of_a_parquet_file_is_told_by_its_content(tmp_path):
    parquet(tmp_path / "t.parquet").rename(tmp_path / "cohort.csv")
    assert len(read_cohort(tmp_path, spec())) == 4


def test_types_of_parquet_columns(tmp_path):
    path = parquet(
        tmp_path / "t.parquet",
        patient_id=np.array([1.0, 2.0, 3.0, 4.0]),
        y=[False, True, False, True],
        age=[decimal.Decimal("40.50"), None, decimal.Decimal("60.00"), decimal.Decimal("7E+1")],
        stage=pd.Categorical(["I", "II", "I", None]),
        day=pd.to_datetime(["2024-01-01", "2024-02-29", "2024-03-01", "2024-03-02"]),
        when=[datetime.date(2020, 1, 1)] * 4,
        device=[b"A ", b"B", b"A", b"B"],
        **{"risk.of.it": np.array([0.5, np.nan, 0.25, 1.0], dtype=np.float32)},
    )
    cohort = read_cohort(
        path,
        spec(
            date="day",
            device="device",
            missing="impute",
            predictors=PREDICTORS | {"risk.of.it": {"kind": "continuous"}},
        ),
    )
    assert cohort.patients == ("1", "2", "3", "4")
    assert cohort.outcome.tolist() == [0, 1, 0, 1]
    assert cohort.predictors["age"].fillna(-1).tolist() == [40.5, -1, 60, 70]
    assert cohort.predictors["stage"].fillna(-1).tolist() == [0, 1, 0, -1]
    assert cohort.predictors["risk.of.it"].fillna(-1).tolist() == [0.5, -1, 0.25, 1]
    assert cohort.date is not None
    assert cohort.date.dt.strftime("%d.%m.").tolist() == ["01.01.", "29.02.", "01.03.", "02.03."]
    assert cohort.device is not None
    assert cohort.device.tolist() == ["A", "B", "A", "B"]
    assert not any("time of day" in note for note in cohort.notes)
    again = read_cohort(path, spec(date="when", predictors={}))
    assert again.date is not None
    assert again.date.nunique() == 1


def test_parquet_cells_that_do_not_fit_name_row_and_column(tmp_path):
    path = parquet(tmp_path / "t.parquet", age=[40.0, np.inf, 1e300, -0.0], stage=["I", "II", None, "III"])
    found = faults(path)
    assert [(f.code, f.row, f.column) for f in found] == [
        ("missing-value", 4, "stage"),
        ("not-a-number", 3, "age"),
        ("level-undeclared", 5, "stage"),
    ]


def test_parquet_columns_of_odd_types(tmp_path):
    path = parquet(tmp_path / "t.parquet", age=[[1], [2], [3], [4]], free=[{"a": 1}] * 4)
    fault = only(path)
    assert (fault.code, fault.column) == ("cohort-csv", "age")
    assert "not one value a cell" in fault.message
    parquet(path, age=[datetime.timedelta(days=1)] * 4)
    assert {f.code for f in faults(path)} == {"not-a-number"}
    parquet(path, patient_id=[b"\xff", b"b", b"c", b"d"])
    assert "the Parquet file cannot be read" in only(path).message


def test_parquet_with_a_column_twice_no_rows_or_too_many(tmp_path, monkeypatch):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet as pq

    import validkit.cohort.parquet as module

    path = tmp_path / "t.parquet"
    pq.write_table(pa.Table.from_arrays([pa.array(["a"])] * 2, names=["patient_id", "patient_id"]), path)
    assert only(path).code == "column-twice"
    parquet(path)
    monkeypatch.setattr(module, "ROWS", 3)
    assert "the table has 4 rows; at most 3 are read" in only(path).message
    pd.DataFrame({"patient_id": []}).to_parquet(path)
    assert only(path).message == "there are columns but no patient"


@pytest.mark.parametrize("keep", [0.2, 0.5, 0.9, 0.99])
def test_a_truncated_parquet_file(tmp_path, keep):
    path = parquet(tmp_path / "t.parquet")
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * keep)])
    assert "the Parquet file cannot be read" in only(path).message


def test_flipped_bytes_of_a_parquet_file_raise_nothing_else(tmp_path):
    path = parquet(tmp_path / "t.parquet")
    raw = bytearray(path.read_bytes())
    rng = np.random.default_rng(0)
    for place in rng.integers(4, len(raw), 150):
        spoilt = bytearray(raw)
        spoilt[place] ^= int(rng.integers(1, 256))
        path.write_bytes(spoilt)
        with contextlib.suppress(CohortError):
            read_cohort(path, spec())


# --- names --------------------------------------------------------------------------------------------


def test_the_nearest_of_many_names_is_found_at_once():
    names = [f"column {i}" for i in range(300_000)]
    assert nearest("COLUMN-299999", names) == "; did you mean 'column 299999'?"
    assert nearest("zzz", names) == ""


# --- the real table -----------------------------------------------------------------------------------

HEART = {
    "age": {"kind": "continuous", "unit": "years", "range": [18, 100]},
    "sex": {"kind": "binary"},
    "cp": {"kind": "categorical", "levels": ["1", "2", "3", "4"]},
    "trestbps": {"kind": "continuous", "unit": "mm Hg", "range": [60, 260], "missing_codes": ["0"]},
    "chol": {"kind": "continuous", "unit": "mg/dl", "missing_codes": ["0"]},
    "fbs": {"kind": "binary"},
    "thalach": {"kind": "continuous"},
    "slope": {"kind": "ordinal", "levels": ["1", "2", "3"]},
    "ca": {"kind": "continuous"},
    "thal": {"kind": "categorical", "levels": ["3", "6", "7"]},
}


def test_four_hospitals_with_missing_values(shared):
    path = shared / "data/uci-heart/heart.csv"
    heart = spec(outcome={"column": "disease"}, site="site", predictors=HEART, missing="impute")
    cohort = read_cohort(path, heart)
    assert cohort.site is not None
    assert cohort.site.value_counts().to_dict() == {"cleveland": 303, "hungarian": 294, "va": 200, "switzerland": 123}
    assert (len(cohort), int(cohort.outcome.sum()), cohort.excluded) == (920, 509, ())
    assert "predictor 'chol': no value in 202 of 920 patients (22.0%), 172 written '0.0'" in cohort.notes
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    table = cohort.missing_table().set_index(["predictor", "site"])
    for name in HEART:
        none = ("", "0.0") if name in ("chol", "trestbps") else ("",)
        for site in ("", "cleveland", "switzerland"):
            here = [row for row in rows if site in ("", row["site"])]
            assert table.loc[(name, site)].tolist() == [len(here), sum(row[name] in none for row in here)]
    assert table.loc[("chol", "switzerland")].tolist() == [123, 123]
    complete = read_cohort(path, heart.model_copy(update={"missing": "exclude"}))
    whole = sum(all(r[c] != "" for c in HEART) and r["chol"] != "0.0" and r["trestbps"] != "0.0" for r in rows)
    assert (len(complete), len(complete.excluded)) == (whole, 920 - whole)
    assert not complete.predictors.isna().to_numpy().any()
