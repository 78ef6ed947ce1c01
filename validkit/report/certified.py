"""The page of `validkit certify`: which intervals hold the truth as often as they say, and which do not."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from validkit.certify.table import verdict_counts
from validkit.report import text
from validkit.report.html import Document, render_document
from validkit.report.page import Answer, Block, Cell, Details, Notice, Row, Section, Text, row_head, table

__all__ = ["certified_page"]

READ = (
    "Inside: 94 to 96 % of simulated 95 % intervals held the truth (of tests at 5 %, 4 to 6 % were wrong); near: 92.5 "
    "to 97.5 %; failing: the rest. Intervals that are undefined in some samples are judged where they are defined."
)
KINDS = {
    "risks": "One model's risks",
    "pairs": "Two models on the same patients",
    "samples": "Two models on patients of their own",
    "clusters": "Lesions in patients",
    "sites": "Hospitals",
    "readers": "Readers of a feature",
    "raters": "Raters of classes",
    "graders": "Raters of grades",
    "methods": "Two methods of measurement",
    "regression": "Regression and internal validation",
    "incomplete": "Patients with missing predictors",
}


def certified_page(
    rows: Sequence[Mapping[str, Any]],
    summary: Sequence[Mapping[str, Any]],
    defaults: Sequence[Mapping[str, Any]],
    version: str,
) -> str:
    """HTML of the rows of `certify.coverage_rows`, of `certify.summary_rows`, and of `certify.page.default_rows`."""
    failing = [one for one in summary if one["failing"]]
    most, least = (choose((int(row["simulations"]) for row in rows), default=0) for choose in (max, min))
    return render_document(
        Document(
            name="certificates of intervals and tests",
            question="Do the intervals hold the truth as often as they say?",
            who=[
                ("Rows", f"{text.whole(len(rows))}, one for each method in each population"),
                ("Simulations", f"{text.whole(least)} to {text.whole(most)} for each row"),
                ("How to read", READ),
            ],
            notices=_notices(defaults),
            sections=list(_sections(summary, defaults)),
            plates=[],
            version=version,
            written_from="simulated samples of populations whose truth is known, coverage.csv",
            synthetic=True,
            answer=Answer(
                sentence=_sentence(rows),
                verdict=f"{len(summary)} methods were judged; {len(failing)} fail in at least one population.",
                state="open" if failing else "good",
                facts=(
                    f"{text.whole(len(rows))} rows, {text.whole(least)} to {text.whole(most)} simulations each",
                    "Simulated patients alone: the truth is known exactly",
                ),
            ),
        )
    )


def _sentence(rows: Iterable[Mapping[str, Any]]) -> str:
    judged = [row for row in rows if row["verdict"]]
    counts = verdict_counts(judged)
    total = max(len(judged), 1)
    told = ", ".join(f"{text.percent(n / total)} {word}" for word, n in counts.items())
    return f"Of {text.whole(len(judged))} intervals and tests in populations of known truth, {told}."


def _notices(defaults: Iterable[Mapping[str, Any]]) -> list[Notice]:
    off = [row for row in defaults if not 0.935 <= row["share"] <= 0.965]
    if not off:
        return []
    told = "; ".join(f"{row['measure']} ({row['method']}) {text.percent(row['share'])}" for row in off)
    return [
        Notice(
            "warning", "Defaults outside 93.5 to 96.5 % in the paper's test set", f"{told}. Their docstrings say so."
        )
    ]


def _sections(summary: Sequence[Mapping[str, Any]], defaults: Sequence[Mapping[str, Any]]) -> Iterable[Section]:
    own: list[Row] = [
        [
            row_head(row["measure"]),
            str(row["method"]),
            *(Cell(text.percent(row[key]), numeric=True) for key in ("share", "below", "above")),
            Cell(text.number(row["width"]), numeric=True),
            str(row["verdict"]),
        ]
        for row in defaults
    ]
    columns = ["Measure", "Method", "Coverage", "Truth below", "Truth above", "Mean width", "Verdict"]
    shown: Block = (
        table("Defaults, 31 events in 127 patients", columns, own)
        if own
        else Text("The paper's test set is not among the populations that were simulated.")
    )
    yield Section("defaults", "The defaults in the paper's test set", (shown,))
    for kind, title in KINDS.items():
        some = [row for row in summary if row["kind"] == kind]
        if some:
            yield Section(kind, title, tuple(_kind(title, some)))


def _kind(words: str, some: Sequence[Mapping[str, Any]]) -> Iterable[Block]:
    for sort, title in (("interval", "Coverage of 95 % intervals"), ("type I error", "Wrong rejections at 5 %")):
        rows = [_row(row) for row in some if row["sort"] == sort]
        if rows:
            columns = ["Measure", "Method", "Populations", "Inside", "Near", "Failing", "Least", "Largest"]
            whole = table(f"{title}: {words}", columns, rows)
            yield Details(f"{title} ({len(rows)} methods)", (whole,)) if len(rows) > 40 else whole


def _row(row: Mapping[str, Any]) -> Row:
    counts = (Cell(text.whole(row[key]), numeric=True) for key in ("cells", "inside", "near", "failing"))
    ends = (
        Cell(text.DASH if math.isnan(row[key]) else text.percent(row[key]), numeric=True)
        for key in ("least", "largest")
    )
    return [row_head(row["measure"]), str(row["method"]), *counts, *ends]
