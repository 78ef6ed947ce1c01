"""A Parquet file as a table of text, so that every check and every message is that of a CSV file."""

from __future__ import annotations

import datetime
import hashlib
import math
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import pandas as pd

from validkit.cohort.delimited import table_fault, twice
from validkit.cohort.faults import Fault
from validkit.cohort.table import RawTable

MAGIC = b"PAR1"
ROWS = 2_000_000
"""Most rows that are read: a small Parquet file may unfold to more than memory holds."""


def parse_parquet(raw: bytes, wanted: Iterable[str]) -> tuple[RawTable | None, list[Fault]]:
    """The wanted columns that the file has, or None, and everything wrong with it as a table.

    raw : the file's bytes. Rows are counted as a spreadsheet would show them, the header being row 1.
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    try:
        file = ParquetFile(pa.BufferReader(raw))
        schema, rows = file.schema_arrow, file.metadata.num_rows
    except (pa.ArrowException, OSError, ValueError) as error:
        return None, [_damaged(error)]
    header = [name.strip() for name in schema.names]
    if rows == 0:
        return None, [table_fault("there are columns but no patient", "write one row a patient")]
    if rows > ROWS:
        return None, [table_fault(f"the table has {rows} rows; at most {ROWS} are read", "is this the right file?")]
    faults = twice(header, wanted)
    keep = {name: header.index(name) for name in dict.fromkeys(wanted) if name in header}
    faults += [_nested(name, schema.field(at).type) for name, at in keep.items() if _unfit(schema.field(at).type)]
    if faults:
        return None, faults
    try:
        table = file.read(columns=[schema.names[at] for at in keep.values()], use_threads=False)
        columns = {name: _texts(table.column(schema.names[at])) for name, at in keep.items()}
    except (pa.ArrowException, OSError, ValueError, OverflowError, KeyError) as error:
        return None, [_damaged(error)]
    frame = pd.DataFrame(columns, index=range(2, rows + 2), dtype=object)
    return RawTable(frame, tuple(header), "", hashlib.sha256(raw).hexdigest()), []


def _unfit(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_nested(kind))


def _nested(name: str, kind: Any) -> Fault:
    return Fault(
        "cohort-csv", 1, None, name, f"the column holds {kind}, not one value a cell", "write one plain value a cell"
    )


def _damaged(error: Exception) -> Fault:
    why = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
    return table_fault(f"the Parquet file cannot be read ({why})", "write it again, or save the table as CSV")


def _texts(column: Any) -> list[str]:
    return [_text(value) for value in column.to_pylist()]


def _text(value: Any) -> str:
    """A value as it would stand in a CSV file; no value and NaN are an empty cell."""
    for kind, write in _WRITERS:
        if isinstance(value, kind):
            return write(value)
    return "" if value is None or value is pd.NaT else str(value).strip()


def _float(value: float) -> str:
    if math.isnan(value):
        return ""
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def _datetime(value: datetime.datetime) -> str:
    if value is pd.NaT:
        return ""
    text = value.isoformat()
    return text.removesuffix("T00:00:00")


_WRITERS: tuple[tuple[type, Callable[[Any], str]], ...] = (
    (str, str.strip),
    (bool, lambda value: str(int(value))),
    (float, _float),
    (datetime.datetime, _datetime),
    (datetime.date, datetime.date.isoformat),
    (Decimal, lambda value: format(value, "f")),
    (bytes, lambda value: value.decode("utf-8").strip()),
)
