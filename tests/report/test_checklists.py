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
from validkit.report.checklists import FORMATS, GUIDELINES, Filled, checklist, written
from validkit.report.checklists.answers import ANSWERS
from validkit.report.checklists.items import CLEAR, METRICS, PROBAST_AI, TRIPOD_AI
from validkit.report.checklists.probast import SIGNALLED


def test_items_are_numbered_as_published() -> None:
    assert [item.number for item in CLEAR] == [str(k) for k in range(1, 59)]
    assert [item.number for item in METRICS] == [str(k) for k in range(1, 31)]
    assert sum(item.weight or 0 for item in METRICS) == pytest.approx(1.0, abs=1e-9)
    numbers = [item.number for item in TRIPOD_AI]
    assert len(numbers) == len(set(numbers)) == 52
    assert {n.rstrip("abcdefg") for n in numbers} == {str(k) for k in range(1, 28)}
    asked = {part: [item for item in PROBAST_AI if item.chapter.startswith(part)] for part in ("Devel", "Eval")}
    for part, of_analysis in (("Devel", 5), ("Eval", 7)):  # 16 and 18 signalling questions, Moons et al. 2025
        wanted = [f"{k}.{j + 1}" for k, n in ((1, 3), (2, 4), (3, 4), (4, of_analysis)) for j in range(n)]
        assert [item.number for item in asked[part] if "." in item.number] == wanted
        rated = [item.number for item in asked[part] if "." not in item.number]
        assert rated == [
            *(f"{k} {word}" for k in (1, 2, 3) for word in ("rating", "applicability")), "4 rating", "overall",
        ]  # fmt: skip
    assert not set(ANSWERS) & set(SIGNALLED)
    answers = {item.answer for item in (*CLEAR, *METRICS, *TRIPOD_AI, *PROBAST_AI)} - {""}
    assert answers <= set(ANSWERS | SIGNALLED)
    assert set(SIGNALLED) <= answers


@pytest.mark.parametrize("guideline", GUIDELINES)
def test_what_the_records_tell_is_filled_in(complete_run: Path, guideline: str) -> None:
    run, filled = checklist(complete_run, guideline)
    told = {one.item.number: one for one in filled}
    assert len(filled) == len(GUIDELINES[guideline][1])
    assert all(one.status in ("from the run", "needs the authors") for one in filled)
    assert all(one.answer for one in filled if one.status == "from the run")
    assert all(one.status == "needs the authors" for one in filled if not one.item.answer)
    performance = {"tripod-ai": "23a", "probast-ai": "4.7", "clear": "47", "metrics": "22"}[guideline]
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
    assert "No sentinel was run" in _probast(run_folder, "Eval")["4.5"].answer
    told = {one.item.number: one for one in checklist(run_folder, "clear")[1]}
    assert told["25"].status == "needs the authors"
    assert "radiomics.json" in told["25"].answer
    assert told["36"].status == "needs the authors"


@pytest.mark.parametrize("design", ["sites", "folds", "resamples", "given", "nested"])
def test_other_designs_are_told_too(variants: Callable[[str], Path], design: str) -> None:
    told = {one.item.number: one for one in checklist(variants(design), "tripod-ai")[1]}
    assert told["12a"].status == "from the run"
    assert (told["12d"].status == "from the run") == (design == "sites")


def _probast(folder: Path, part: str) -> dict[str, Filled]:
    return {one.item.number: one for one in checklist(folder, "probast-ai")[1] if one.item.chapter.startswith(part)}


def test_signalling_questions_get_the_evidence_and_no_judgement(complete_run: Path) -> None:
    run, filled = checklist(complete_run, "probast-ai")
    for one in filled:
        assert one.status == "needs the authors" or "." in one.item.number, "a rating is the assessor's"
    developed, judged = _probast(complete_run, "Devel"), _probast(complete_run, "Eval")
    info = json.loads((complete_run / "run.json").read_text(encoding="utf-8"))
    assert f"{info['cohort']['training']['events']} with" in developed["4.1"].answer
    assert f"{info['cohort']['held_out']['events']} with" in judged["4.2"].answer
    assert "Platt" in developed["4.4"].answer
    assert "outcomes" in judged["4.5"].answer
    assert "sentinel" in judged["4.5"].answer
    assert judged["4.6"].answer.startswith("Not applicable")
    assert "is the assessor's" in written(run, "probast-ai", filled, "md")


@pytest.mark.parametrize(
    ("design", "words"),
    [
        ("folds", "in 30 splits"),
        ("resamples", "bootstrap resamples"),
        ("nested", "looked at: deep"),
        ("sites", "in turn"),
    ],
)
def test_resampling_is_told_with_what_was_looked_at(variants: Callable[[str], Path], design: str, words: str) -> None:
    told = _probast(variants(design), "Eval")["4.6"]
    assert words in told.answer
    assert "fitted anew in each" in told.answer


def test_development_elsewhere_is_not_told_by_this_run(variants: Callable[[str], Path]) -> None:
    developed, judged = (_probast(variants("given"), part) for part in ("Devel", "Eval"))
    assert {one.status for one in developed.values()} == {"needs the authors"}
    assert "made elsewhere" in developed["4.1"].answer
    assert judged["4.7"].status == "from the run"


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
