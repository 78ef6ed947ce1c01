"""Writes what the report consists of into the run folder, each file whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.types import is_numeric_dtype

from validkit.report.exports.cells import safe
from validkit.report.exports.writing import remove_exports, write_exports
from validkit.report.figures.base import Drawn, Plate, draw
from validkit.report.figures.catalogue import plates
from validkit.report.html import render
from validkit.report.methods import write_methods
from validkit.report.records import read_run
from validkit.report.tables import csv_tables
from validkit.store import write_bytes, write_text

SUFFIXES = (".svg", ".pdf", ".png", ".csv")


def write_report(folder: Path, *, exports: bool = False) -> Path:
    """figures/* (SVG, PNG, data as CSV), tables/*.csv, methods and report.html; what an earlier drawing left goes.

    exports : also what goes into a manuscript: figures as PDF and as PNG for print, tables as XLSX, DOCX and LaTeX
    """
    run = read_run(folder)
    catalogue = plates(run)
    drawn = {plate.name: draw(plate, for_print=exports) for plate in catalogue}
    _write_figures(folder / "figures", catalogue, drawn)
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


def _write_figures(figures: Path, catalogue: Sequence[Plate], drawn: Mapping[str, Sequence[Drawn]]) -> None:
    written: set[str] = set()
    for plate in catalogue:
        for panel, (_, display) in zip(drawn[plate.name], plate.panels, strict=True):
            files: dict[str, str | bytes] = {".svg": panel.svg, ".png": panel.printed or panel.png}
            files |= {".pdf": panel.pdf, ".csv": data_of(display.frame())}
            for suffix, content in files.items():
                if not content:
                    continue
                path = figures / f"{panel.stem}{suffix}"
                write_bytes(path, content.encode() if isinstance(content, str) else content)
                written.add(path.name)
    for old in sorted(figures.glob("[0-9][0-9]-*")):
        if old.suffix in SUFFIXES and old.name not in written:
            old.unlink()


def data_of(frame: pd.DataFrame) -> str:
    """A figure's data as CSV, numbers unrounded and no text a formula; "" where it has no columns."""
    if frame.columns.empty:
        return ""
    columns = [column if is_numeric_dtype(column) else column.map(_cell) for _, column in frame.items()]
    table = pd.concat(columns, axis=1).set_axis([safe(str(name)) for name in frame.columns], axis=1)
    return str(table.to_csv(index=False, lineterminator="\n"))


def _cell(value: Any) -> Any:
    return safe(value) if isinstance(value, str) else value
