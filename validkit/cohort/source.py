"""Where a cohort's table lies: a folder with cohort.csv, or a CSV or Parquet file of any name."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from validkit.cohort.delimited import parse_delimited, table_fault
from validkit.cohort.faults import Fault
from validkit.cohort.parquet import MAGIC, parse_parquet
from validkit.cohort.table import TABLE, RawTable, nearest

ENDINGS = (".csv", ".txt", ".parquet", ".pq")


class Source(NamedTuple):
    """folder : what paths in the table are relative to; table : the file; name : of the cohort."""

    folder: Path
    table: Path
    name: str


def locate(path: Path) -> Source | Fault:
    """The table that a path means: `path / "cohort.csv"` for a folder, the file itself otherwise."""
    if path.is_dir():
        return Source(path, path / TABLE, path.resolve().name)
    if path.is_file():
        return Source(path.parent, path, path.stem)
    if path.exists():
        return table_fault(f"{path} is neither a folder nor a file", "give a folder with cohort.csv, or a CSV file")
    if path.suffix.lower() in ENDINGS and path.parent.is_dir():
        return table_fault(f"there is no file {path.name!r}{_near(path)}", "correct the path")
    return table_fault(f"{path} is not a folder", "give the folder that holds cohort.csv, or a CSV or Parquet file")


def read_table(source: Source, wanted: Iterable[str]) -> tuple[RawTable | None, list[Fault]]:
    """The wanted columns of the table, or None, and everything wrong with it as a table."""
    name, wanted = source.table.name, tuple(wanted)
    try:
        raw = source.table.read_bytes()
    except FileNotFoundError:
        return None, [
            table_fault(
                f"there is no {name} in the folder{_near(source.table)}", "put the table there, one row a patient"
            )
        ]
    except OSError as error:
        return None, [table_fault(f"{name} cannot be opened ({error.strerror})", "check the file and its permissions")]
    return parse_parquet(raw, wanted) if raw.startswith(MAGIC) else parse_delimited(raw, name, wanted)


def _near(path: Path) -> str:
    try:
        return nearest(path.name, sorted(other.name for other in path.parent.iterdir()))
    except OSError:
        return ""
