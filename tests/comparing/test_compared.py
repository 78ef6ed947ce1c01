"""What `validkit compare` prints and writes; nothing from records is markup or a formula."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.commands import command
from tests.comparing.folders import Study, edit, get, make_run
from validkit import schemas
from validkit.comparing import compare_runs
from validkit.report.compared import compared_csv, compared_page

TITLES = ("What differs in the protocol", "What differs in the data", "Paired differences", "Every number that differs")
HOSTILE = '=cmd|"<script>alert(1)</script>[bold red]x[/]'


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two runs that differ in a declared threshold and in one of two models."""
    folder = tmp_path_factory.mktemp("compared")
    other = Study(noise={"a": 3, "b": 2}, also="0.2, 0.3")
    return [
        make_run(folder / "one"),
        make_run(folder / "two", other, overrides=["evaluation.thresholds.also=[0.2,0.3]"]),
    ]


@pytest.fixture(scope="module")
def record(runs: list[Path]) -> dict[str, Any]:
    return compare_runs(runs)


@pytest.fixture
def hostile(runs: list[Path], tmp_path: Path) -> Path:
    """A run whose model, override and device would be markup, a formula or a script."""

    def rename(found: dict[str, Any]) -> None:
        for model in found["models"]:
            model["name"] = f"{HOSTILE}{model['name']}"

    folder = make_run(tmp_path / "h<i>", overrides=[HOSTILE], device={"name": HOSTILE}, versions={HOSTILE: HOSTILE})
    return edit(folder, rename)


def chapters(page: str) -> dict[str, str]:
    return dict(re.findall(r"<section id=[^>]*>\s*<h2>(.*?)</h2>(.*?)</section>", page, re.S))


def test_the_page_has_its_chapters_and_none_is_empty(record: dict[str, Any], runs: list[Path]) -> None:
    for one in (record, compare_runs([runs[0], runs[0]])):
        found = chapters(compared_page(one))
        assert tuple(found) == TITLES
        assert all(len(re.sub(r"<[^>]*>|\s", "", body)) > 30 for body in found.values())
    assert "The protocols say the same in every setting" in found[TITLES[0]]
    assert "Digests, seeds, versions of packages and the device are the same" in found[TITLES[1]]
    assert "a and b predict every shared patient alike" in found[TITLES[2]]
    assert "None differs; " in found[TITLES[3]]


def test_the_page_tells_settings_differences_and_numbers(record: dict[str, Any]) -> None:
    page = compared_page(record)
    found = chapters(page)
    assert "evaluation.thresholds.also" in found[TITLES[0]]
    assert "evaluation.thresholds.also=[0.2,0.3]" in found[TITLES[0]]
    assert "Predictions digest" in found[TITLES[1]]
    for words in ("AUC", "Brier score", "Net benefit at 0.4", "Net benefit at 0.2", "p corrected for 4 tests (Holm)"):
        assert words in found[TITLES[2]]
    assert "calibration slope" in found[TITLES[3]]
    assert compared_page(record) == page


def test_what_cannot_be_paired_says_why_on_the_page(runs: list[Path], tmp_path: Path) -> None:
    other = make_run(tmp_path / "other", Study(flipped=frozenset({"p003"})))
    page = compared_page(compare_runs([runs[0], other]))
    assert "not available because the outcomes of 1 of 60 shared patients disagree (p003)" in page
    assert "Outcomes disagree" in page


def test_nothing_from_records_is_markup_or_a_formula(hostile: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = compare_runs([hostile, edit(Path(shutil.copytree(hostile, hostile.with_name("=two"))), _nudge)])
    page = compared_page(found)
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    rows = list(csv.reader(io.StringIO(compared_csv(found))))
    assert len(rows) > 1
    assert not any(cell.lstrip().startswith(("=", "+", "@")) for row in rows for cell in row)


def _nudge(found: dict[str, Any]) -> None:
    for scores in found["models"][0]["sets"].values():
        scores["measures"]["brier"]["low"] = scores["brier"]["low"] = 0.001


def test_the_table_has_a_row_for_each_number_that_differs(record: dict[str, Any]) -> None:
    head, *rows = csv.reader(io.StringIO(compared_csv(record)))
    assert head[:5] == ["model", "set", "number", "value (one)", "low (one)"]
    assert head[-1] == "difference (one less two)"
    assert len(rows) == len(record["numbers"]["differ"])
    for row, known in zip(rows, record["numbers"]["differ"], strict=True):
        assert row[:3] == [known["model"], known["set"], known["number"]]
        assert row[3] == ("" if known["values"][0]["value"] is None else str(known["values"][0]["value"]))


def test_the_answer_stands_in_the_first_dozen_lines(
    runs: list[Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert command("compare", *runs) == 0
    printed = capsys.readouterr().out
    head = "\n".join(printed.splitlines()[:14])
    for words in (
        "one beside two",
        "protocol: 1 setting differs (evaluation.thresholds.also); 1 override not given to all",
        "held-out patients: the same in every run",
        "numbers: ",
        "one less two",
        "a: AUC",
        "b predicts every shared patient alike",
    ):
        assert words in head
    assert re.search(r"evaluation\.thresholds\.also +\[0\.2\] +\[0\.2, 0\.3\]", printed)
    assert "more: --out DIR or --json tells all" in printed


def test_a_run_against_itself_prints_that_nothing_differs(runs: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert command("compare", runs[0], runs[0]) == 0
    printed = capsys.readouterr().out
    assert "nothing differs" in printed
    assert len(printed.splitlines()) < 10


def test_hostile_text_is_printed_as_it_is(
    hostile: Path, runs: list[Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    assert command("compare", hostile, runs[0]) == 0
    assert f"{HOSTILE}a" in capsys.readouterr().out


def test_json_and_files_hold_the_record_and_keep_to_the_schema(
    runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "out"
    assert command("compare", *runs, "--json", "--out", out) == 0
    printed = json.loads(capsys.readouterr().out, parse_constant=lambda text: pytest.fail(f"{text} is no JSON"))
    assert printed == get(out, "comparison.json") | {"report": str(out / "comparison.html")}
    assert sorted(path.name for path in out.iterdir()) == ["comparison.csv", "comparison.html", "comparison.json"]
    jsonschema = pytest.importorskip("jsonschema", reason="needs the test extra")
    jsonschema.validate(printed, schemas.read("compare"))


def test_bad_input_is_one_message_and_exit_status_2(
    runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("compare", runs[0]) == 2
    assert "a comparison needs two run folders or more" in capsys.readouterr().err
    assert command("compare", runs[0], tmp_path / "none", "--out", tmp_path / "out") == 2
    assert "no run folder at" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_three_runs_stand_side_by_side(runs: list[Path], record: dict[str, Any]) -> None:
    found = compare_runs([*runs, runs[0]])
    page = compared_page(found)
    assert "one#2" in page or str(runs[0]) in page
    head = next(csv.reader(io.StringIO(compared_csv(found))))
    assert sum(one.startswith("difference") for one in head) == 2
    assert len(found["paired"]["pairs"]) == 2
