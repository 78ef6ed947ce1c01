"""Writes what the report consists of into the run folder, each file whole or not at all."""

from __future__ import annotations

from pathlib import Path

from validkit.report.figures.base import draw
from validkit.report.figures.catalogue import plates
from validkit.report.html import render
from validkit.report.records import read_run
from validkit.report.tables import csv_tables
from validkit.store import write_bytes, write_text


def write_report(folder: Path) -> Path:
    """figures/*.svg and *.png, tables/*.csv and report.html; figures of an earlier drawing that are no more go."""
    run = read_run(folder)
    catalogue = plates(run)
    drawn = {plate.name: draw(plate) for plate in catalogue}
    figures, tables = folder / "figures", folder / "tables"
    written = set()
    for panels in drawn.values():
        for panel in panels:
            write_text(figures / f"{panel.stem}.svg", panel.svg)
            write_bytes(figures / f"{panel.stem}.png", panel.png)
            written |= {f"{panel.stem}.svg", f"{panel.stem}.png"}
    for old in sorted(figures.glob("[0-9][0-9]-*")):
        if old.suffix in (".svg", ".png") and old.name not in written:
            old.unlink()
    for name, text, _ in csv_tables(run):
        if text is None:
            (tables / name).unlink(missing_ok=True)
        else:
            write_text(tables / name, text)
    page = folder / "report.html"
    write_text(page, render(run, catalogue, drawn))
    return page
