"""A CSV file as a table of text: encoding, delimiter, header and rows."""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Iterable, Sequence

import pandas as pd

from validkit.cohort.faults import Fault
from validkit.cohort.table import RawTable

_UTF8 = "save it as 'CSV UTF-8'"


def parse_delimited(raw: bytes, name: str, wanted: Iterable[str]) -> tuple[RawTable | None, list[Fault]]:
    """The wanted columns that the file has, or None, and everything wrong with it as a table.

    raw : the file's bytes; UTF-8, with or without a byte order mark
    name : of the file, for notes
    """
    text, fault = _text(raw)
    if text is None:
        return None, [fault] if fault else []
    delimiter = _delimiter(text)
    try:
        records = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        return None, [table_fault(f"the table cannot be parsed ({error})", _QUOTES)]
    header = [cell.strip() for cell in records[0]]
    if len(header) == 1 and "\t" in header[0]:
        return None, [table_fault("the header is separated by tabs", "save the table with commas or semicolons")]
    faults = twice(header, wanted)
    keep = {column: header.index(column) for column in dict.fromkeys(wanted) if column in header}
    rows, index, blank = [], [], 0
    for number, record in enumerate(records[1:], start=2):
        if not any(map(str.strip, record)):
            blank += 1
        elif len(record) != len(header):
            faults.append(_length_fault(number, len(record), len(header), delimiter))
        else:
            rows.append([record[place].strip() for place in keep.values()])
            index.append(number)
    if not rows and not faults:
        faults.append(table_fault("there is a header but no patient", "write one row a patient"))
    if faults:
        return None, faults
    frame = pd.DataFrame(rows, index=index, columns=list(keep), dtype=object)
    notes = (f"{name} has {blank} blank rows, passed over",) if blank else ()
    return RawTable(frame, tuple(header), delimiter, hashlib.sha256(raw).hexdigest(), notes), []


_QUOTES = "check quotes: a quoted cell must be closed"


def _length_fault(row: int, cells: int, header: int, delimiter: str) -> Fault:
    return Fault(
        "cohort-csv",
        row,
        None,
        None,
        f"the row has {cells} {'cell' if cells == 1 else 'cells'}, the header {header}",
        f"quote cells that hold the delimiter {delimiter!r}; give every row as many cells as the header",
    )


def _text(raw: bytes) -> tuple[str | None, Fault | None]:
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return None, table_fault("the file is in UTF-16", _UTF8)
    if raw[:4] == b"PK\x03\x04":
        return None, table_fault("the file is a spreadsheet workbook or an archive", _UTF8)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = raw[: error.start].count(b"\n") + 1
        return None, table_fault(f"line {row} is not UTF-8 text (byte {raw[error.start]:#04x})", _UTF8)
    if "\0" in text:
        return None, table_fault("the file holds NUL bytes: it is no text file", _UTF8)
    if not text.strip():
        return None, table_fault("the file is empty", "write a header and one row a patient")
    return text, None


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


def twice(header: Sequence[str], wanted: Iterable[str]) -> list[Fault]:
    """A fault for each wanted column that the header names more than once."""
    count = Counter(header)
    return [
        Fault("column-twice", 1, None, name, f"the header appears {count[name]} times", "rename or remove one")
        for name in sorted(set(wanted))
        if count[name] > 1
    ]


def table_fault(message: str, mend: str) -> Fault:
    """A fault of the table as a whole."""
    return Fault("cohort-csv", None, None, None, message, mend)
