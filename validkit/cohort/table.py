"""cohort.csv as text: encoding, delimiter, header and rows, before anything is given a meaning."""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from validkit.cohort.faults import Fault

TABLE = "cohort.csv"
MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", ".", "?", "-"})
"""Cells read as missing, whatever their case, unless a predictor declares them as a level."""


@dataclass(frozen=True, eq=False)
class RawTable:
    """frame : text cells, stripped; index = row as a spreadsheet shows it (the header is row 1)."""

    frame: pd.DataFrame
    delimiter: str
    raw: bytes
    notes: tuple[str, ...] = ()


def is_missing(text: str) -> bool:
    """True for an empty cell and for the words in `MISSING`."""
    return text.casefold() in MISSING


def cells(column: pd.Series) -> Iterator[tuple[int, str]]:
    """(row as a spreadsheet shows it, text) of each cell."""
    for row, text in zip(column.index.tolist(), column.tolist(), strict=True):
        yield int(row), str(text)


def nearest(name: str, known: Iterable[str]) -> str:
    """ "; did you mean 'x'?" for the closest known name, else ""."""
    names = list(known)
    folded = {other.casefold().replace(" ", "_").replace("-", "_"): other for other in names}
    close = difflib.get_close_matches(name.casefold().replace(" ", "_").replace("-", "_"), folded, n=1, cutoff=0.6)
    return f"; did you mean {folded[close[0]]!r}?" if close else ""


def read_table(folder: Path) -> tuple[RawTable | None, list[Fault]]:
    """The table, or None, and everything wrong with it as a table."""
    path = folder / TABLE
    if not folder.is_dir():
        return None, [_fault(f"{folder} is not a folder", "give the folder that holds cohort.csv")]
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        near = nearest(TABLE, (p.name for p in folder.iterdir()))
        return None, [_fault(f"there is no {TABLE} in the folder{near}", "put the table there, one row a patient")]
    except OSError as error:
        return None, [_fault(f"{TABLE} cannot be opened ({error.strerror})", "check the file and its permissions")]
    text, fault = _text(raw)
    if text is None:
        return None, [fault] if fault else []
    return _parse(text, raw)


def _text(raw: bytes) -> tuple[str | None, Fault | None]:
    utf8 = "save it as 'CSV UTF-8'"
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return None, _fault("the file is in UTF-16", utf8)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = raw[: error.start].count(b"\n") + 1
        return None, _fault(f"line {row} is not UTF-8 text (byte {raw[error.start]:#04x})", utf8)
    if "\0" in text:
        return None, _fault("the file holds NUL bytes: it is no text file", utf8)
    if not text.strip():
        return None, _fault("the file is empty", "write a header and one row a patient")
    return text, None


def _parse(text: str, raw: bytes) -> tuple[RawTable | None, list[Fault]]:
    delimiter = _delimiter(text)
    try:
        records = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        return None, [_fault(f"the table cannot be parsed ({error})", "check quotes: a quoted cell must be closed")]
    header = [name.strip() for name in records[0]]
    faults = _header_faults(header)
    rows, index, blank = [], [], 0
    for number, record in enumerate(records[1:], start=2):
        cells = [cell.strip() for cell in record]
        if not any(cells):
            blank += 1
        elif len(cells) != len(header):
            cell = "cell" if len(cells) == 1 else "cells"
            faults.append(
                Fault(
                    "cohort-csv",
                    number,
                    None,
                    None,
                    f"the row has {len(cells)} {cell}, the header {len(header)}",
                    f"quote cells that hold the delimiter {delimiter!r}; give every row as many cells as the header",
                )
            )
        else:
            rows.append(cells)
            index.append(number)
    if not rows and not faults:
        faults.append(_fault("there is a header but no patient", "write one row a patient"))
    if faults:
        return None, faults
    keep = [i for i, name in enumerate(header) if name]
    frame = pd.DataFrame(
        [[cells[i] for i in keep] for cells in rows], index=index, columns=[header[i] for i in keep], dtype=object
    )
    notes = (f"cohort.csv has {blank} blank rows, passed over",) if blank else ()
    return RawTable(frame, delimiter, raw, notes), []


def _delimiter(text: str) -> str:
    """Semicolon or comma, whichever the header has more of outside quotes."""
    header, quoted = {",": 0, ";": 0}, False
    for character in text:
        if character == '"':
            quoted = not quoted
        elif character in "\r\n" and not quoted:
            break
        elif character in header and not quoted:
            header[character] += 1
    return ";" if header[";"] > header[","] else ","


def _header_faults(header: list[str]) -> list[Fault]:
    if len(header) == 1 and "\t" in header[0]:
        return [_fault("the header is separated by tabs", "save the table with commas or semicolons")]
    twice = sorted({name for name in header if name and header.count(name) > 1})
    return [
        Fault("column-twice", 1, None, name, f"the header appears {header.count(name)} times", "rename or remove one")
        for name in twice
    ]


def _fault(message: str, mend: str) -> Fault:
    return Fault("cohort-csv", None, None, None, message, mend)
