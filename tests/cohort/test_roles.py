"""Days, devices, groups, and who belongs together."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validkit.cohort.groups import connect, folded


def set_all(folder, column, values):
    for row, value in zip(folder.rows, values, strict=True):
        row[column] = value


def days(folder, *texts):
    """The first cells of the column `day`; the rest hold a sound day."""
    set_all(folder, "day", [*texts, *["2024-01-31"] * (8 - len(texts))])
    return folder


# --- days ---------------------------------------------------------------------------------------------


def test_days_and_timestamps(folder):
    days(folder, "2024-02-29", "1999-12-31T23:59:59.123Z", "2020-01-01 00:30+02:00", "0001-01-01", "9999-12-31")
    cohort = folder.read(date="day")
    assert cohort.date is not None
    assert str(cohort.date.dtype) == "datetime64[s]"
    assert (tuple(cohort.date.index), cohort.date.name) == (cohort.patients, "day")
    assert cohort.date.to_numpy().astype("datetime64[D]").astype(str).tolist()[:5] == [
        *("2024-02-29", "1999-12-31", "2020-01-01", "0001-01-01", "9999-12-31")
    ]
    assert "column 'day': the time of day was passed over in 2 rows" in cohort.notes
    part = cohort.take(["002", "001"]).date
    assert part is not None
    assert part.is_monotonic_increasing


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("31.12.2023", "'31.12.2023' is no day written YYYY-MM-DD"),
        ("12/31/2023", "'12/31/2023' is no day written YYYY-MM-DD"),
        ("20231231", "'20231231' is no day written YYYY-MM-DD"),
        ("2023-W52-7", "'2023-W52-7' is no day written YYYY-MM-DD"),
        ("2023-1-1", "'2023-1-1' is no day written YYYY-MM-DD"),
        ("45291", "'45291' is a spreadsheet's number of a day"),
        ("2023-02-29", "'2023-02-29' is no day of the calendar"),
        ("0000-01-01", "'0000-01-01' is no day of the calendar"),
        ("2023-01-01T25:00", "'2023-01-01T25:00' is no day of the calendar"),
        ("２０２３-01-01", "'２０２３-01-01' is no day written YYYY-MM-DD"),
        ("yesterday", "'yesterday' is no day written YYYY-MM-DD"),
    ],
)
def test_what_is_no_day(folder, text, message):
    fault = days(folder, "2023-01-01", text).fault(date="day")
    assert (fault.code, fault.row, fault.patient, fault.column) == ("date-value", 3, "002", "day")
    assert fault.message == message
    assert fault.mend == "write days as text, such as 2024-03-31"


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=14))
def test_no_text_raises(text):
    from validkit.cohort.columns import _day

    value = _day(text)
    assert value is None or text.startswith(value)


@settings(deadline=None, max_examples=60)
@given(st.datetimes(timezones=st.none() | st.timezones().map(lambda z: z)))
def test_every_iso_timestamp_gives_its_day(moment):
    from validkit.cohort.columns import _DAY, _day

    text = moment.isoformat()
    if _DAY.fullmatch(text):  # zones of old have offsets with seconds
        assert _day(text) == moment.date().isoformat()


# --- roles ----------------------------------------------------------------------------------------------


def test_group_and_device_are_text(folder):
    set_all(folder, "device", ["GE", "GE ", "Philips", "Philips", "philips", "GE", "GE", "GE"])
    set_all(folder, "case", ["1", "1", "2", "3", "4", "5", "6", "7"])
    cohort = folder.read(device="device", group="case")
    assert cohort.device is not None
    assert cohort.group is not None
    assert cohort.device.tolist() == ["GE", "GE", "Philips", "Philips", "philips", "GE", "GE", "GE"]
    assert "column 'device': 'Philips' and 'philips' differ only in case and count as two" in cohort.notes
    assert cohort.group.tolist() == ["1", "1", "2", "3", "4", "5", "6", "7"]
    for table in (cohort.device, cohort.group, cohort.groups):
        assert tuple(table.index) == cohort.patients
    part = cohort.take(["008", "002"])
    assert part.device is not None
    assert part.device.tolist() == ["GE", "GE"]


@pytest.mark.parametrize("role", ["group", "date", "device", "site"])
@pytest.mark.parametrize("missing", ["refuse", "impute"])
def test_a_missing_role_is_a_fault_unless_excluded(folder, role, missing):
    days(folder, "2023-01-01", "NA")
    fault = folder.fault(**{role: "day"}, missing=missing)
    assert (fault.code, fault.row, fault.column) == ("missing-value", 3, "day")
    assert 'cohort.missing = "exclude"' in fault.mend
    assert ("only predictors are imputed" in fault.mend) == (missing == "impute")
    cohort = folder.read(**{role: "day"}, missing="exclude")
    assert cohort.excluded == (("002", "no value in day"),)
    assert len(cohort.groups) == 7


@pytest.mark.parametrize("role", ["group", "date", "device"])
def test_a_role_whose_column_is_not_there(folder, role):
    fault = folder.fault(**{role: "centr"})
    assert (fault.code, fault.column) == ("column-missing", "centr")
    assert fault.message == f"cohort.{role} declares it, the header does not have it; did you mean 'centre'?"


def test_several_lesions_of_a_patient_are_told_the_way(folder):
    folder.rows[1]["patient_id"] = "001"
    fault = folder.fault()
    assert fault.code == "patient-twice"
    assert "one value in the column cohort.group" in fault.mend


# --- who belongs together ----------------------------------------------------------------------------------


def test_everybody_is_alone_where_nothing_is_shared(folder):
    cohort = folder.read()
    assert cohort.groups.tolist() == list(range(8))
    assert (cohort.groups.dtype, cohort.groups.name) == (np.dtype("int64"), "group")
    assert not any(note.startswith("groups:") for note in cohort.notes)


def test_groups_are_connected_through_ids_column_and_images(folder):
    folder.rows[0]["patient_id"], folder.rows[1]["patient_id"] = "P1", "p1"
    set_all(folder, "family", ["a", "b", " B", "c", "d", "e", "f", "g"])
    shutil.copy(folder.root / "images/003.png", folder.root / "images/007.png")
    cohort = folder.read(group="family", duplicates="allow")
    assert cohort.groups.tolist() == [0, 0, 0, 1, 2, 3, 0, 4]
    assert (
        "groups: 4 of 8 patients belong to 1 groups of more than one (by id, column 'family', equal images); "
        "no split separates them"
    ) in cohort.notes
    assert "column 'family': 'b' and 'B' differ only in case and count as one" in cohort.notes
    assert cohort.take(["007", "P1", "008"]).groups.tolist() == [
        0,
        0,
        4,
    ]  # though 002 and 003, who tie them, are not here


def test_forms_of_a_character_do_not_separate_patients():
    assert folded("Müller  Ｊ") == folded("mu\u0308ller j ")
    assert connect(["Zoe\u0308", "ZOË", "zoe"]).tolist() == [0, 0, 1]


@settings(deadline=None, max_examples=80)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=25), st.randoms())
def test_groups_are_the_finest_partition_that_no_value_crosses(pairs, random):
    import pandas as pd

    patients = [f"p{i}" for i in range(len(pairs))]
    links = [pd.Series(values) for values in zip(*pairs, strict=True)]
    groups = connect(patients, *links)
    assert groups.drop_duplicates().tolist() == list(range(groups.nunique()))
    for link in links:
        assert (groups.groupby(link.to_numpy()).nunique() == 1).all()
    merged = {i: {i} for i in range(len(pairs))}  # by merging sets, the slow and plain way
    for link in links:
        for i in range(len(pairs)):
            for j in range(i):
                if link[i] == link[j] and merged[i] is not merged[j]:
                    union = merged[i] | merged[j]
                    merged.update(dict.fromkeys(union, union))
    assert groups.nunique() == len({id(part) for part in merged.values()})
    order = random.sample(range(len(pairs)), len(pairs))
    shuffled = connect([patients[i] for i in order], *(link[order] for link in links))
    same = groups.to_numpy()[:, None] == groups.to_numpy()[None]
    again = shuffled.loc[patients].to_numpy()
    assert ((again[:, None] == again[None]) == same).all()
