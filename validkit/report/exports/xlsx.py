"""One workbook of all tables: unrounded numbers as numbers, text that stays text, a first sheet on what is what."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from validkit.report.exports.archive import FIXED, settled
from validkit.report.exports.cells import sheet_text, starts_formula
from validkit.report.text import number

MOST_NAME = 31
"""characters of a sheet's name that Excel takes"""
NARROWEST, WIDEST = 8, 60
ABOUT = "About"
_FORBIDDEN = re.compile(r"[\[\]:*?/\\]")
_RESERVED = ("history",)


@dataclass(frozen=True)
class Sheet:
    """A table of the workbook: `what` it is; without columns, `what` says why there is none."""

    name: str
    what: str
    columns: Sequence[Any] = ()
    rows: Sequence[Sequence[Any]] = ()


def workbook(facts: Sequence[tuple[str, str]], sheets: Sequence[Sheet]) -> bytes:
    """The bytes of an .xlsx file: `About` with these facts, then a sheet for each table that has columns."""
    from openpyxl import Workbook

    book = Workbook()
    book.properties.creator = "validkit"
    book.properties.created = book.properties.modified = FIXED
    named = list(zip(sheet_names(sheet.name for sheet in sheets), sheets, strict=True))
    about: list[Sequence[Any]] = [*facts, ("", ""), ("Sheet", "What it holds")]
    about += [(name if sheet.columns else sheet.name, sheet.what) for name, sheet in named]
    _fill(book.active, about, bold=(len(facts) + 2,), wrap=True)
    book.active.title = ABOUT
    for name, sheet in named:
        if sheet.columns:
            page = book.create_sheet(name)
            _fill(page, [sheet.columns, *sheet.rows], bold=(1,))
            page.freeze_panes = "A2"
    out = io.BytesIO()
    book.save(out)
    return settled(out.getvalue())


def sheet_names(names: Iterable[str]) -> list[str]:
    """Names that Excel takes: without its signs, at most 31 characters, no two alike."""
    taken = {ABOUT.lower(), *_RESERVED}
    found = []
    for name in names:
        plain = _FORBIDDEN.sub("_", sheet_text(name)).strip("' ")[:MOST_NAME].rstrip("' ") or "table"
        tried, i = plain, 1
        while tried.lower() in taken:
            i += 1
            tried = f"{plain[: MOST_NAME - len(str(i)) - 1]}-{i}"
        taken.add(tried.lower())
        found.append(tried)
    return found


def number_format(x: float) -> str:
    """How Excel shows a number: as the rounding rule of the report writes it."""
    if isinstance(x, int):
        return "0" if abs(x) < 1000 else "#,##0"
    size = abs(x)
    if size >= 10_000_000 or 0 < size < 0.0005:
        return "0.00E+00"
    return "#,##0" if size >= 1000 else "0.000"


def _fill(page: Any, rows: Sequence[Sequence[Any]], *, bold: Sequence[int], wrap: bool = False) -> None:
    from openpyxl.styles import Alignment, Font
    from openpyxl.utils import get_column_letter

    widths: dict[int, int] = {}
    for i, row in enumerate(rows, 1):
        for j, value in enumerate(row, 1):
            shown = _write(page, i, j, value)
            widths[j] = max(widths.get(j, NARROWEST), len(shown) + 2)
            if i in bold:
                page.cell(i, j).font = Font(bold=True)
            if wrap:
                page.cell(i, j).alignment = Alignment(wrap_text=True, vertical="top")
    for j, width in widths.items():
        page.column_dimensions[get_column_letter(j)].width = min(width, WIDEST)


def _write(page: Any, i: int, j: int, value: Any) -> str:
    """Write one value and return the text that is shown; an undefined one leaves its cell empty."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    cell = page.cell(i, j)
    if isinstance(value, bool):
        cell.value = value
        return str(value)
    if isinstance(value, int | float) and math.isfinite(value):
        cell.value = value
        cell.number_format = number_format(value)
        return number(value)
    words = sheet_text(number(value) if isinstance(value, float) else value)
    if words:
        cell.value = words
        cell.data_type = "s"
        cell.quotePrefix = starts_formula(words)
    return words
