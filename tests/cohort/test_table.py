from __future__ import annotations

import numpy as np
import pytest


def only(folder, **changes):
    fault = folder.fault(**changes)
    return fault.code, fault.row, fault.message


def test_ids_stay_text(folder):
    assert folder.read().patients == ("001", "002", "003", "004", "005", "006", "007", "008")


@pytest.mark.parametrize("delimiter", [",", ";"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_delimiters_and_byte_order_mark(folder, delimiter, encoding):
    reference = folder.read()
    folder.delimiter, folder.encoding = delimiter, encoding
    folder.rows[2]["centre"] = "Łódź, north; ward 2"
    cohort = folder.read()
    assert cohort.patients == reference.patients
    assert cohort.site["003"] == "Łódź, north; ward 2"
    assert cohort.predictors.equals(reference.predictors)


def test_quoted_newlines_and_quotes_do_not_shift_the_row(folder):
    folder.rows[0]["centre"] = 'two\nlines "quoted"'
    folder.rows[1]["age"] = "old"
    assert folder.fault().row == 3


def test_blank_rows_are_passed_over_with_a_note_and_keep_the_row_numbers(folder):
    folder.rows.insert(2, dict.fromkeys(folder.rows[0], ""))
    folder.rows.append(dict.fromkeys(folder.rows[0], " "))
    cohort = folder.read()
    assert len(cohort) == 8
    assert "cohort.csv has 2 blank rows, passed over" in cohort.notes
    folder.rows[3]["age"] = "old"
    assert folder.fault().row == 5


def test_missing_folder_and_table(folder):
    folder.write()
    (folder.root / "cohort.csv").rename(folder.root / "Cohorts.csv")
    from validkit.cohort import CohortError, read_cohort

    with pytest.raises(CohortError, match=r"there is no cohort.csv in the folder; did you mean 'Cohorts.csv'\?"):
        read_cohort(folder.root, folder.spec())
    with pytest.raises(CohortError, match="nowhere is not a folder"):
        read_cohort(folder.root / "nowhere", folder.spec())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b" \r\n\n", "the file is empty"),
        (b"a,b\n", "there is a header but no patient"),
        ("a,b\nMüller,1\n".encode("latin-1"), r"line 2 is not UTF-8 text \(byte 0xfc\)"),
        ("a,b\n1,2\n".encode("utf-16"), "the file is in UTF-16"),
        (b"a,b\n1,\0\n", "NUL bytes"),
        (b"a\tb\n1\t2\n", "separated by tabs"),
        (b'a,b\n"1,2\n', "cannot be parsed"),
    ],
)
def test_files_that_are_no_table(folder, content, message):
    from validkit.cohort import CohortError, read_cohort

    (folder.root / "cohort.csv").write_bytes(content)
    with pytest.raises(CohortError, match=message) as caught:
        read_cohort(folder.root, folder.spec())
    assert [fault.code for fault in caught.value.faults] == ["cohort-csv"]


def test_rows_of_another_length_name_the_row(folder):
    folder.write()
    path = folder.root / "cohort.csv"
    lines = path.read_text().splitlines()
    lines[3] += ",more"
    lines[5] = "007"
    path.write_text("\n".join(lines))
    from validkit.cohort import CohortError, read_cohort

    with pytest.raises(CohortError) as caught:
        read_cohort(folder.root, folder.spec())
    assert [(f.row, f.message) for f in caught.value.faults] == [
        (4, "the row has 11 cells, the header 10"),
        (6, "the row has 1 cell, the header 10"),
    ]


def test_duplicate_headers(folder):
    folder.header = ["patient_id", "event", "age", "age", *list(folder.rows[0])[4:]]
    assert only(folder) == ("column-twice", 1, "the header appears 2 times")


def test_missing_columns_are_told_together_with_the_nearest_name(folder):
    folder.header = ["Patient ID", *list(folder.rows[0])[1:-2], "mask-a", "mask_b"]
    faults = folder.faults()
    assert [(f.code, f.row, f.column) for f in faults] == [
        ("column-missing", 1, "patient_id"),
        ("column-missing", 1, "mask_a"),
    ]
    assert faults[0].message.endswith("did you mean 'Patient ID'?")
    assert faults[1].message == "cohort.outlines.a declares it, the header does not have it; did you mean 'mask-a'?"


def test_a_missing_column_does_not_hide_faults_of_other_columns(folder):
    folder.rows[4]["age"] = "old"
    folder.mask("002_a.png", np.zeros((40, 50), np.uint8))
    faults = folder.faults(predictors={"age": {"kind": "continuous"}, "bmi": {"kind": "continuous"}})
    assert [(f.code, f.row) for f in faults] == [("column-missing", 1), ("not-a-number", 6), ("outline-empty", 3)]


def test_undeclared_columns_are_nobodys_business(folder):
    for row in folder.rows:
        row["free text"] = 'anything, "at" all'
        row[""] = "7"
    assert len(folder.read()) == 8
