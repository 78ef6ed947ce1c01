"""The page on a study's claims: what does not hold first, each with its effect on the conclusion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from validkit.report import text
from validkit.report.html import Document, render_document
from validkit.report.page import Answer, Block, Cell, Details, Notice, Row, Section, Table, Text, table
from validkit.report.records import Record

__all__ = ["claims_page"]

CHAPTERS = (
    ("impossible", "Impossible", "No data give these numbers."),
    ("contradiction", "Contradictions", "The same thing is told in two ways."),
    ("implausible", "Implausible", "Hardly any data of this size give these numbers."),
    ("inadequate", "What the study cannot bear", "Conclusions that so few patients, or such choices, cannot carry."),
    ("missing", "What is not reported", "A reader needs it, and the report does not tell it."),
    ("not checked", "Not checked", "What is printed does not suffice."),
    ("consistent", "Consistent", "Checked, and found as printed."),
)
NONE = {"not checked": "Everything that this tool can check was printed."}
SERIOUS = ("impossible", "contradiction")


def claims_page(record: Mapping[str, Any]) -> str:
    """The HTML page of `validkit.audit.claims.auditing.claims_record`."""
    whole = Record(record)
    study, counts = whole["study"], whole["counts"]
    return render_document(
        Document(
            name="published claims",
            question=f"Do the claims hold? {study['title']}",
            who=[
                ("Study", study["reference"] or study["title"]),
                ("Patients", "; ".join(f"{s['name']}: {text.counts(s['n'], s['events'])}" for s in whole["samples"])),
                ("Checks", ", ".join(f"{n} {verdict}" for verdict, n in counts.items() if n)),
                ("Claims file", f"digest {whole['claims']}"),
            ],
            notices=_notices(whole),
            sections=_sections(whole),
            plates=[],
            version=str(whole["validkit"]),
            written_from="the numbers that the study prints, and nothing else",
            answer=_answer(whole),
        )
    )


def _answer(record: Record) -> Answer:
    """How many claims hold, and which cannot."""
    counts = {verdict: record["counts"].get(verdict, 0) for verdict, *_ in CHAPTERS}
    asked, broken = sum(counts.values()), sum(counts[verdict] for verdict in SERIOUS)
    weak = counts["implausible"] + counts["inadequate"] + counts["missing"]
    cannot = [one["what"] for one in record["findings"] if one["verdict"] == "impossible"]
    samples = "; ".join(f"{s['name']}: {text.counts(s['n'], s['events'])}" for s in record["samples"])
    return Answer(
        sentence=f"Of {asked} checks of the printed numbers, {counts['consistent']} found them consistent, {broken} "
        f"impossible or contradicting one another, and {weak} implausible, inadequate or not reported.",
        verdict="Some claims cannot be true."
        if counts["impossible"]
        else "The study contradicts itself."
        if counts["contradiction"]
        else "No claim was found to be impossible.",
        state="bad" if broken else "open" if weak else "good",
        facts=(samples, "No patient's data were seen: only what the study prints"),
        beware=tuple(cannot),
    )


def _notices(record: Record) -> list[Notice]:
    found = [one for one in record["findings"] if one["verdict"] == "impossible"]
    return [Notice("warning", one["what"], f"{text.capital(one['why'])}.") for one in found]


def _sections(record: Record) -> list[Section]:
    chapters = []
    for verdict, title, words in CHAPTERS:
        found = [one for one in record["findings"] if one["verdict"] == verdict]
        if not found:
            nothing = NONE.get(verdict, "No check came to this.")
            chapters.append(Section(verdict.replace(" ", "-"), title, (Text(f"{words} {nothing}"),)))
            continue
        shown = _table(title, found)
        blocks: list[Block] = [Text(words)]
        blocks += [Details(f"{len(found)} checks", (shown,))] if verdict == "consistent" else [shown]
        chapters.append(Section(verdict.replace(" ", "-"), title, tuple(blocks)))
    return chapters


def _table(title: str, found: Sequence[Mapping[str, Any]]) -> Table:
    body: list[Row] = []
    for one in found:
        cells = [
            Cell(text.capital(one["why"]), sub=one["method"], wide=True),
            Cell(text.capital(one["effect"]), wide=True),
        ]
        body.append([Cell(text.capital(one["what"]), head=True), *cells])
    return table(title, ["Claim", "What was found", "Effect on the conclusion"], body)
