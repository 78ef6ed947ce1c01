"""Writes the tables that leave with the reader: a workbook and a document where their packages are, LaTeX always."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from validkit.extras import missing
from validkit.report.exports.docx import document
from validkit.report.exports.latex import latex_files
from validkit.report.exports.manuscript import BUILDERS, SYNTHETIC, manuscript
from validkit.report.exports.xlsx import Sheet, workbook
from validkit.report.records import NotAvailable, Run, dig
from validkit.report.tables import TABLES
from validkit.report.text import DASH
from validkit.store import write_bytes, write_text

EXTRA, WORKBOOK, DOCUMENT = "exports", "tables.xlsx", "tables.docx"
NEEDED = {WORKBOOK: "openpyxl", DOCUMENT: "docx"}
UNROUNDED = "Unrounded; the cells' formats show three decimals. An empty cell: undefined, the column `note` says why."


def write_exports(run: Run, tables: Path) -> list[str]:
    """Write tables.xlsx, tables.docx and *.tex into the folder; returns what was not written and what it needs."""
    printed = manuscript(run)
    make: dict[str, Callable[[], bytes]] = {WORKBOOK: lambda: workbook(_facts(run), list(_sheets(run)))}
    if printed:
        make[DOCUMENT] = lambda: document(printed, _about(run))
    absent = missing(EXTRA)
    for name, package in NEEDED.items():
        if name in make and package not in absent:
            write_bytes(tables / name, make[name]())
        else:
            (tables / name).unlink(missing_ok=True)
    files = latex_files(printed, _about(run))
    for name, text in files.items():
        write_text(tables / name, text)
    for name in {"all.tex", *(f"{name}.tex" for name in BUILDERS)} - set(files):
        (tables / name).unlink(missing_ok=True)
    return left_out()


def remove_exports(tables: Path) -> None:
    """What an earlier drawing exported goes, for it may not be of these records."""
    for name in (WORKBOOK, DOCUMENT, "all.tex", *(f"{name}.tex" for name in BUILDERS)):
        (tables / name).unlink(missing_ok=True)


def left_out() -> list[str]:
    """A sentence on what this installation cannot write; nothing where it can write everything."""
    absent = missing(EXTRA)
    names = [name for name, package in NEEDED.items() if package in absent]
    if not names:
        return []
    verb = "need" if len(names) > 1 else "needs"
    return [f"{' and '.join(names)} {verb} the extra '{EXTRA}': pip install 'validkit[{EXTRA}]'"]


def _sheets(run: Run) -> Iterator[Sheet]:
    for name, build in TABLES.items():
        what = (build.__doc__ or "").partition("\n")[0]
        try:
            columns, rows = build(run)
        except NotAvailable as reason:
            yield Sheet(name, f"{what} Not in this workbook: {reason}.".strip())
        else:
            yield Sheet(name, what, columns, rows)


def _facts(run: Run) -> list[tuple[str, str]]:
    recorded = run.info.get("synthetic") is not None
    data = SYNTHETIC if run.synthetic else "Real patients" if recorded else "Not recorded whether real or synthetic"
    return [
        ("Run", _fact(run, "protocol.name")),
        ("Question", _fact(run, "protocol.question")),
        ("Protocol digest", _fact(run, "protocol.digest")),
        ("validkit", _fact(run, "validkit")),
        ("Patients", data),
        ("Cohort", f"{_fact(run, 'cohort.name')}, digest {_fact(run, 'cohort.digest')}"),
        ("Finished", _fact(run, "finished")),
        ("Numbers", UNROUNDED),
    ]


def _about(run: Run) -> str:
    start = "SYNTHETIC DATA. " if run.synthetic else ""
    digest = _fact(run, "protocol.digest")[:12]
    return f"{start}Run {_fact(run, 'protocol.name')}, protocol {digest}, validkit {_fact(run, 'validkit')}"


def _fact(run: Run, path: str) -> str:
    value = dig(run.info, path)
    return DASH if value in (None, "") else str(value)
