"""Hostile cohorts and maps at a new centre: each is one clear message, nothing is written, nobody is called."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.centre.conftest import MAP
from validkit.cli import main

Change = Callable[[str], str | bytes]
OFTEN = 6
"""of each list, how many are tried without --slow"""


def cell(column: str, row: int, value: str) -> Change:
    """The table with one cell replaced."""

    def change(text: str) -> str:
        lines = text.splitlines()
        cells = lines[row].split(",")
        cells[lines[0].split(",").index(column)] = value
        lines[row] = ",".join(cells)
        return "\n".join(lines) + "\n"

    return change


def everywhere(column: str, value: str) -> Change:
    """The table with one column the same throughout."""

    def change(text: str) -> str:
        lines = text.splitlines()
        at = lines[0].split(",").index(column)
        rows = [line.split(",") for line in lines[1:]]
        for row in rows:
            row[at] = value
        return "\n".join([lines[0], *(",".join(row) for row in rows)]) + "\n"

    return change


COHORTS: dict[str, tuple[Change, str]] = {
    "empty": (lambda _: "", "cohort.csv"),
    "header alone": (lambda text: text.splitlines()[0] + "\n", "cohort.csv|patients"),
    "not text": (lambda _: b"\x89PNG\r\n\x1a\n" + bytes(2000), "cohort"),
    "UTF-16": (lambda text: text.encode("utf-16"), "UTF-8|UTF-16|encod|NUL"),
    "a byte that is no UTF-8": (lambda text: text.encode().replace(b"metastasis", b"met\xffstasis", 1), "UTF-8"),
    "a NUL": (lambda text: text.replace("metastasis", "meta\0stasis", 1), "NUL|null|character|outcome"),
    "no number": (cell("AGE", 3, "forty"), "'forty' is no number"),
    "infinite": (cell("AGE", 3, "inf"), "'inf' is no number"),
    "a formula": (cell("AGE", 3, "=1+1"), "'=1\\+1' is no number"),
    "a negative size": (cell("AGE", 3, "1e999"), "'1e999' is no number"),
    "an unknown code": (cell("hist", 5, "sarcoma"), "'sarcoma' is not a level"),
    "a code of markup": (cell("hist", 5, "<script>alert(1)</script>"), "is not a level"),
    "an unknown outcome": (cell("nodes", 5, "perhaps"), "not among outcome.codes"),
    "one outcome": (everywhere("nodes", "none"), "all 120 patients have outcome"),
    "a patient twice": (cell("CaseNo", 5, "H0001"), "the patient is already in row"),
    "no patient": (cell("CaseNo", 5, ""), "the patient id is empty"),
    "no column": (lambda text: text.replace("SCC-Ag", "scc antigen", 1), "did you mean|does not have it"),
    "a column twice": (lambda text: text.replace("ward", "AGE", 1), "AGE"),
    "a cell too many": (lambda text: text + "H9999,1,2,3,4,5,6,7,8,9\n", "row"),
    "an open quote": (lambda text: text + '"H9999,1\n' * 3, "quote|row"),
    "millimetres after all": (lambda text: text, "nothing is predicted"),
    "all ages are 400": (everywhere("AGE", "400"), "nothing is predicted|outside"),
    "half a file": (lambda text: text[: len(text) // 2].rsplit(",", 3)[0], "row"),
    "semicolons inside": (lambda text: text.replace(",", ";", 40), "row|column"),
    "a wide row": (lambda text: text + ",".join(["x"] * 50_000) + "\n", "row"),
}
MAPS: dict[str, tuple[str, str, str]] = {
    "no TOML": ('patient = "CaseNo"', "patient = CaseNo", "not valid TOML"),
    "another key": ('patient = "CaseNo"', 'patient = "CaseNo"\nexec = "rm"', "exec: unknown key"),
    "no such column": ('column = "AGE"', 'column = "../../etc/passwd"', "does not have it"),
    "a path for a unit": ('unit = "cm"', 'unit = "../cm"', "is no unit"),
    "an endless power": ('unit = "cm"', 'unit = "9**9**9**9**9"', "is no unit"),
    "another dimension": ('unit = "cm"', 'unit = "ng/mL"', "they measure different things"),
    "a made-up unit": ('unit = "cm"', 'unit = "furlet"', "no unit that is known"),
    "a code of nothing": ('SCC = "squamous"', 'SCC = "carcinoma"', "which is none of"),
    "a level turned": ('SCC = "squamous"', 'SCC = "squamous", adeno = "other"', "a value itself"),
    "two roles": ('column = "RBC"', 'column = "AGE"', "has two roles"),
    "an outcome of one word": ('none = ["none"]', "none = []", "belong together"),
    "the same word twice": ('none = ["none"]', 'none = ["metastasis"]', "outcome|not among"),
    "a finding that is none": (
        'patient = "CaseNo"',
        'patient = "CaseNo"\naccept = ["everything"]',
        "is no finding here",
    ),
    "a number for a name": ('patient = "CaseNo"', "patient = 7", "patient"),
    "an absent predictor that is there": ('column = "RBC"', 'absent = true\ncolumn = "RBC"', "neither"),
    "an unknown predictor": ("[predictors.rbc]", "[predictors.wbc]", "no such predictor"),
    "deep nesting": ('patient = "CaseNo"', "patient = " + "[" * 3000, "not valid TOML"),
    "a list of patients": ('patient = "CaseNo"', 'patient = ["CaseNo"]', "patient"),
    "a policy that is none": ('patient = "CaseNo"', 'patient = "CaseNo"\nmissing = "ignore"', "missing"),
    "invisible characters": ('column = "AGE"', 'column = "AGE\u200b"', "does not have it"),
    "a site that is not there": ('patient = "CaseNo"', 'patient = "CaseNo"\nsite = "clinic"', "does not have it"),
    "dates that are none": ('patient = "CaseNo"', 'patient = "CaseNo"\ndate = "ward"', "is no day"),
    "the outcome as a predictor": ('column = "AGE"', 'column = "nodes"', "has two roles"),
    "the id as a predictor": ('column = "AGE"', 'column = "CaseNo"', "has two roles"),
    "a unit of a level": ('column = "hist"', 'column = "hist"\nunit = "mm"', "column_unit"),
}


def marked(names: Any) -> list[Any]:
    return [pytest.param(name, marks=[pytest.mark.slow] if k >= OFTEN else []) for k, name in enumerate(names)]


@pytest.fixture
def centre(away: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A good centre in a folder of its own, on a machine without a network."""

    def refused(*_: Any, **__: Any) -> None:
        raise AssertionError("something calls out")

    monkeypatch.setattr(socket, "create_connection", refused)
    monkeypatch.setattr(socket.socket, "connect", refused)
    folder = tmp_path / "centre"
    folder.mkdir()
    (folder / "cohort.csv").write_text(pd.read_csv(away / "cohort.csv").to_csv(index=False), encoding="utf-8")
    (folder / "map.toml").write_text(MAP, encoding="utf-8")
    return folder


def refused(bundle: Path, centre: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The message; nothing was written beside what was there."""
    before = sorted(str(path) for path in centre.parent.rglob("*"))
    with pytest.raises(SystemExit) as stop:
        main(
            [
                "external",
                str(bundle),
                "--cohort",
                str(centre),
                "--out",
                str(centre.parent / "run"),
                "--engine",
                "sequential",
            ]
        )
    assert stop.value.code == 2
    assert sorted(str(path) for path in centre.parent.rglob("*")) == before
    said = capsys.readouterr().err
    assert said.count("error:") == 1
    assert "Traceback" not in said
    assert len(said) < 20_000
    return said


@pytest.mark.parametrize("name", marked(COHORTS))
def test_hostile_cohorts_are_refused(name: str, bundle: Path, centre: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change, message = COHORTS[name]
    made = change((centre / "cohort.csv").read_text(encoding="utf-8"))
    (centre / "cohort.csv").write_bytes(made if isinstance(made, bytes) else made.encode())
    if name == "millimetres after all":
        (centre / "map.toml").write_text(MAP.replace('unit = "cm"\n', ""), encoding="utf-8")
    said = refused(bundle, centre, capsys)
    assert pd.Series([said]).str.contains(message).all(), said


@pytest.mark.parametrize("name", marked(MAPS))
def test_hostile_maps_are_refused(name: str, bundle: Path, centre: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new, message = MAPS[name]
    assert old in MAP
    (centre / "map.toml").write_text(MAP.replace(old, new, 1), encoding="utf-8")
    said = refused(bundle, centre, capsys)
    assert message in said or pd.Series([said]).str.contains(message).all(), said


def test_there_are_fifty_of_them() -> None:
    assert len(COHORTS) + len(MAPS) == 50
