"""A number is the same on the page, in the records, in CSV, in the workbook and in the document, for every design."""

from __future__ import annotations

import csv
import html
import io
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from validkit.report import text
from validkit.report.exports.docx import document
from validkit.report.exports.manuscript import manuscript
from validkit.report.exports.writing import write_exports
from validkit.report.figures.catalogue import plates
from validkit.report.html import render
from validkit.report.records import SETS, Run, read_run
from validkit.report.subject import score
from validkit.report.tables import csv_tables
from validkit.report.values import Estimate
from validkit.report.views import MEASURES

docx = pytest.importorskip("docx", reason="needs the extra exports")
openpyxl = pytest.importorskip("openpyxl", reason="needs the extra exports")

DESIGNS = ("complete", "sites", "folds", "resamples", "given", "external")
Recorded = tuple[str, str, str, Estimate]


@pytest.fixture(params=DESIGNS)
def run(request: pytest.FixtureRequest, complete_run: Path, variants: Callable[[str], Path]) -> Run:
    return read_run(complete_run if request.param == "complete" else variants(request.param))


def recorded(run: Run) -> Iterator[Recorded]:
    """(model, set, measure, estimate) of everything that the tables of performance hold."""
    for model in run.models():
        for where in SETS:
            scores = model["sets"].get(where)
            if scores is not None:
                for key, _ in MEASURES:
                    yield str(model["name"]), where, key, score(scores, key, where)


def same(written: Any, x: float, tolerance: float = 0.0) -> bool:
    """Whether a cell holds a number; an empty cell is what is undefined."""
    if written in (None, ""):
        return math.isnan(x)
    return math.isclose(float(written), x, rel_tol=tolerance, abs_tol=0.0)


def test_tables_hold_every_recorded_number_unrounded(run: Run, tmp_path: Path) -> None:
    """CSV to the last bit; a workbook's numbers have 16 digits."""
    found = {name: body for name, body, _ in csv_tables(run)}
    rows = {(row["model"], row["set"]): row for row in csv.DictReader(io.StringIO(str(found["performance.csv"])))}
    write_exports(run, tmp_path)
    sheet = openpyxl.load_workbook(tmp_path / "tables.xlsx")["performance"]
    heads = [cell.value for cell in sheet[1]]
    book = {
        (row[0], row[heads.index("set")]): dict(zip(heads, row, strict=True))
        for row in sheet.iter_rows(min_row=2, values_only=True)
    }
    compared = 0
    for model, where, key, e in recorded(run):
        for part, x in (("", e.value), ("_low", e.low), ("_high", e.high)):
            assert same(rows[model, where][f"{key}{part}"], x), (model, where, key, part)
            assert same(book[model, where][f"{key}{part}"], x, 1e-14), (model, where, key, part)
            compared += 1
    assert compared > 20


def test_the_page_holds_every_recorded_number_with_what_stands_behind_it(run: Run) -> None:
    bare = [replace(plate, panels=(), reason="not drawn") for plate in plates(run)]
    page = html.unescape(render(run, bare, {plate.name: () for plate in bare}))
    names = dict(MEASURES)
    shown = {str(model["name"]) for model in run.compared()}
    missed = [
        (model, where, key)
        for model, where, key, e in recorded(run)
        if model in shown and e.defined and f"{names[key]} {text.estimate(e)}; {text.how(e)}" not in page
    ]
    assert missed == []


def test_the_document_prints_them_by_the_same_rule(run: Run) -> None:
    printed = manuscript(run)
    whole = docx.Document(io.BytesIO(document(printed, "")))
    cells = {cell.text.replace("\n", " ") for one in whole.tables for row in one.rows for cell in row.cells}
    shown = {str(model["name"]) for model in run.compared()}
    missed = [
        (model, where, key)
        for model, where, key, e in recorded(run)
        if model in shown and e.defined and not any(told.startswith(text.estimate(e)) for told in cells)
    ]
    assert missed == []


def test_the_answer_is_the_recorded_one(run: Run) -> None:
    from validkit.report.answers import run_answer
    from validkit.report.run_record import run_record
    from validkit.report.subject import subject

    found = subject(run)
    e = score(found.scores, "auc", found.where)
    answer = run_answer(run)
    assert answer.card is not None
    assert answer.card.value == text.number(e.value)
    assert answer.card.interval == f"{text.number(e.low)} to {text.number(e.high)}"
    assert f"{100 * e.value:.1f} % of pairs" in answer.sentence
    told = json.loads(json.dumps(run_record(run.folder)))
    assert told["headline"]["measures"]["auc"]["value"] == e.value
