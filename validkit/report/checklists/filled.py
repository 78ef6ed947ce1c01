"""A guideline filled in from a run, as HTML, CSV or Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from validkit.errors import InputError
from validkit.report import text
from validkit.report.checklists.answers import ANSWERS
from validkit.report.checklists.items import CLEAR, METRICS, PROBAST_AI, TRIPOD_AI, Item
from validkit.report.checklists.probast import SIGNALLED
from validkit.report.html import Document, render_document
from validkit.report.page import Cell, Row, Section, table
from validkit.report.records import NotAvailable, Run, dig, read_run
from validkit.wording import nearest

__all__ = ["FORMATS", "GUIDELINES", "Filled", "checklist", "checklist_record", "written"]

AUTHORS = "needs the authors"
GUIDELINES: Mapping[str, tuple[str, tuple[Item, ...]]] = {
    "tripod-ai": ("TRIPOD+AI (Collins et al., BMJ 385 (2024) e078378)", TRIPOD_AI),
    "probast-ai": ("PROBAST+AI (Moons et al., BMJ 388 (2025) e082505)", PROBAST_AI),
    "clear": ("CLEAR (Kocak et al., Insights Imaging 14 (2023) 75)", CLEAR),
    "metrics": ("METRICS (Kocak et al., Insights Imaging 15 (2024) 8)", METRICS),
}
"""the guidelines, by the name that the command line takes"""


@dataclass(frozen=True)
class Filled:
    """An item with its answer: from the run, or `AUTHORS` and why the records do not tell."""

    item: Item
    status: str
    answer: str


def checklist(folder: str | Path, guideline: str) -> tuple[Run, list[Filled]]:
    """The run, and every item of a guideline; InputError for a folder that is no run's, and an unknown guideline."""
    if guideline not in GUIDELINES:
        raise InputError(f"there is no guideline {guideline!r}{nearest(guideline, list(GUIDELINES))}")
    run = read_run(Path(folder))
    return run, [_filled(run, item) for item in GUIDELINES[guideline][1]]


def _filled(run: Run, item: Item) -> Filled:
    if not item.answer:
        return Filled(item, AUTHORS, "")
    try:
        return Filled(item, "from the run", (ANSWERS | SIGNALLED)[item.answer](run))
    except NotAvailable as reason:
        return Filled(item, AUTHORS, str(reason))


def checklist_record(run: Run, guideline: str, filled: Sequence[Filled]) -> dict[str, Any]:
    """The checklist as plain JSON types; weight : of an item in the guideline's score, null where it has none."""
    return {
        "guideline": guideline,
        "title": GUIDELINES[guideline][0],
        "run": str(run.folder),
        "said": _said(run, filled),
        "items": [
            {
                "item": one.item.number,
                "chapter": one.item.chapter,
                "asked": one.item.text,
                "status": one.status,
                "answer": one.answer,
                "weight": one.item.weight,
            }
            for one in filled
        ],
    }


def written(run: Run, guideline: str, filled: Sequence[Filled], form: str) -> str:
    """The checklist in one of FORMATS."""
    if form not in FORMATS:
        raise InputError(f"there is no format {form!r}; known are {', '.join(FORMATS)}")
    return FORMATS[form](run, guideline, filled)


def _csv(run: Run, guideline: str, filled: Sequence[Filled]) -> str:
    buffer = io.StringIO()
    rows = csv.writer(buffer, lineterminator="\n")
    rows.writerow(["item", "chapter", "asked", "status", "answer", "page"])
    rows.writerows([f.item.number, f.item.chapter, f.item.text, f.status, f.answer, ""] for f in filled)
    return buffer.getvalue()


def _markdown(run: Run, guideline: str, filled: Sequence[Filled]) -> str:
    lines = [f"# {GUIDELINES[guideline][0]}", "", _said(run, filled), ""]
    for chapter, found in groupby(filled, key=lambda f: f.item.chapter):
        lines += [f"## {chapter}", "", "| item | asked | status | answer |", "|---|---|---|---|"]
        for one in found:
            cells = (one.item.number, one.item.text, one.status, text.clean(one.answer).replace("|", "\\|"))
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def _html(run: Run, guideline: str, filled: Sequence[Filled]) -> str:
    sections = []
    for k, (chapter, found) in enumerate(groupby(filled, key=lambda f: f.item.chapter)):
        body: list[Row] = [
            [Cell(f.item.number, head=True), Cell(f.item.text, wide=True), f.status, Cell(f.answer, wide=True)]
            for f in found
        ]
        shown = table(chapter, ["Item", "Asked", "Status", "Answer"], body)
        sections.append(Section(f"c{k}", chapter, (shown,)))
    name = str(dig(run.info, "protocol.name") or run.folder.name)
    return render_document(
        Document(
            name=f"{name} · {guideline}",
            question=GUIDELINES[guideline][0],
            who=[
                ("Run", f"{name}, protocol {str(dig(run.info, 'protocol.digest'))[:12]}"),
                ("Filled", _said(run, filled)),
            ],
            notices=[],
            sections=sections,
            plates=[],
            version=str(run.info.get("validkit")),
            written_from="the records of this run",
            synthetic=run.synthetic,
        )
    )


def _said(run: Run, filled: Sequence[Filled]) -> str:
    done = [f for f in filled if f.status != AUTHORS]
    said = f"{len(done)} of {len(filled)} items are answered from the run's records; the others need the authors."
    if any(f.item.number.endswith(" rating") for f in filled):
        said += " An answer is evidence; whether it makes a yes, probably yes, probably no or no is the assessor's."
    weights = [f.item.weight for f in filled if f.item.weight is not None]
    if weights:
        told = sum(f.item.weight or 0.0 for f in done)
        said += (
            f" They carry {100 * told / sum(weights):.0f} % of the score's weight; whether each is met is for a reader."
        )
    return said


FORMATS: Mapping[str, Callable[[Run, str, Sequence[Filled]], str]] = {"html": _html, "csv": _csv, "md": _markdown}
"""how a checklist is written"""
