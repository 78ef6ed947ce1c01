"""Reporting guidelines filled in from a run: what its records tell stands there, and nothing else is made up."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.commands import command
from validkit.errors import InputError
from validkit.report.checklists import FORMATS, GUIDELINES, checklist, written
from validkit.report.checklists.answers import ANSWERS
from validkit.report.checklists.items import CLEAR, METRICS, TRIPOD_AI


def test_items_are_numbered_as_published() -> None:
    assert [item.number for item in CLEAR] == [str(k) for k in range(1, 59)]
    assert [item.number for item in METRICS] == [str(k) for k in range(1, 31)]
    assert sum(item.weight or 0 for item in METRICS) == pytest.approx(1.0, abs=1e-9)
    numbers = [item.number for item in TRIPOD_AI]
    assert len(numbers) == len(set(numbers)) == 52
    assert {n.rstrip("abcdefg") for n in numbers} == {str(k) for k in range(1, 28)}
    for item in (*CLEAR, *METRICS, *TRIPOD_AI):
        assert not item.answer or item.answer in ANSWERS


@pytest.mark.parametrize("guideline", GUIDELINES)
def test_what_the_records_tell_is_filled_in(complete_run: Path, guideline: str) -> None:
    run, filled = checklist(complete_run, guideline)
    told = {one.item.number: one for one in filled}
    assert len(filled) == len(GUIDELINES[guideline][1])
    assert all(one.status in ("from the run", "needs the authors") for one in filled)
    assert all(one.answer for one in filled if one.status == "from the run")
    assert all(one.status == "needs the authors" for one in filled if not one.item.answer)
    performance = {"tripod-ai": "23a", "clear": "47", "metrics": "22"}[guideline]
    evaluation = json.loads((complete_run / "evaluation.json").read_text(encoding="utf-8"))
    nomogram = next(model for model in evaluation["models"] if model["name"] == "nomogram")
    value = nomogram["sets"]["held-out"]["auc"]["value"]
    assert f"AUC {value:.3f}" in told[performance].answer
    assert run.folder == complete_run


@pytest.mark.parametrize("form", FORMATS)
def test_every_form_holds_every_item(complete_run: Path, form: str) -> None:
    run, filled = checklist(complete_run, "tripod-ai")
    page = written(run, "tripod-ai", filled, form)
    assert all(one.item.text.split(",")[0] in page.replace("&#39;", "'") for one in filled)
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(page)))
        assert [row["item"] for row in rows] == [one.item.number for one in filled]
        assert [row["answer"] for row in rows] == [one.answer for one in filled]
    with pytest.raises(InputError, match="no format 'docx'"):
        written(run, "tripod-ai", filled, "docx")


def test_what_is_gone_from_the_records_is_left_to_the_authors(
    run_folder: Path, edit: Callable[[str, Callable[[Any], None]], None]
) -> None:
    (run_folder / "stages" / "radiomics.json").unlink()
    edit("run.json", lambda record: record.update(sentinels=[]))
    told = {one.item.number: one for one in checklist(run_folder, "clear")[1]}
    assert told["25"].status == "needs the authors"
    assert "radiomics.json" in told["25"].answer
    assert told["36"].status == "needs the authors"


@pytest.mark.parametrize("design", ["sites", "folds", "resamples", "given", "nested"])
def test_other_designs_are_told_too(variants: Callable[[str], Path], design: str) -> None:
    told = {one.item.number: one for one in checklist(variants(design), "tripod-ai")[1]}
    assert told["12a"].status == "from the run"
    assert (told["12d"].status == "from the run") == (design == "sites")


def test_the_command(complete_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a.html", "a.csv", "a.md"):
        assert command("checklist", complete_run, "--guideline", "metrics", "--out", tmp_path / name) == 0
        assert (tmp_path / name).stat().st_size > 2000
    capsys.readouterr()
    assert command("checklist", complete_run, "--guideline", "clear") == 0
    assert capsys.readouterr().out.startswith("# CLEAR")
    for wrong, words in (
        (("--guideline", "tripod"), "did you mean 'tripod-ai'"),
        (("--guideline", "clear", "--out", tmp_path / "a.docx"), "written as .html, .csv, .md"),
    ):
        assert command("checklist", complete_run, *wrong) == 2
        assert words in capsys.readouterr().err
    assert command("checklist", tmp_path, "--guideline", "clear") == 2
