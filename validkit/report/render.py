"""Writes what the report consists of into the run folder, each file whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from validkit.report.exports.writing import remove_exports, write_exports
from validkit.report.figures.base import Drawn, draw
from validkit.report.figures.catalogue import plates
from validkit.report.html import render
from validkit.report.methods import write_methods
from validkit.report.records import read_run
from validkit.report.tables import csv_tables
from validkit.store import write_bytes, write_text

SUFFIXES = (".svg", ".pdf", ".png")


def write_report(folder: Path, *, exports: bool = False) -> Path:
    """figures/* (SVG, PNG), tables/*.csv, methods and report.html; what an earlier drawing left goes.

    exports : also what goes into a manuscript: figures as PDF and as PNG for print, tables as XLSX, DOCX and LaTeX
    """
    run = read_run(folder)
    catalogue = plates(run)
    drawn = {plate.name: draw(plate, for_print=exports) for plate in catalogue}
    _write_figures(folder / "figures", [panel for panels in drawn.values() for panel in panels])
    tables = folder / "tables"
    for name, text, _ in csv_tables(run):
        if text is None:
            (tables / name).unlink(missing_ok=True)
        else:
            write_text(tables / name, text)
    if exports:
        write_exports(run, tables)
    else:
        remove_exports(tables)
    write_methods(run, folder)
    page = folder / "report.html"
    write_text(page, render(run, catalogue, drawn))
    return page


def _write_figures(figures: Path, panels: Sequence[Drawn]) -> None:
    written: set[str] = set()
    for panel in panels:
        write_text(figures / f"{panel.stem}.svg", panel.svg)
        write_bytes(figures / f"{panel.stem}.png", panel.printed or panel.png)
        written |= {f"{panel.stem}.svg", f"{panel.stem}.png"}
        if panel.pdf:
            write_bytes(figures / f"{panel.stem}.pdf", panel.pdf)
            written.add(f"{panel.stem}.pdf")
    for old in sorted(figures.glob("[0-9][0-9]-*")):
        if old.suffix in SUFFIXES and old.name not in written:
            old.unlink()
