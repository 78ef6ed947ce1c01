"""A table of outcomes and predictions, read column by column: only those that are named, in pieces, as numbers.

CSV (comma, semicolon or tab, also gzipped) and Parquet; up to ten million rows lie in memory as numbers, eight bytes
for each prediction and four for each label.
"""

from __future__ import annotations

import csv
import gzip
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from validkit.errors import InputError
from validkit.provenance import sha256_of
from validkit.wording import nearest

__all__ = ["Audited", "Labels", "Roles", "header_of", "read_predictions"]

NOTHING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", ".")
"""cells that stand for no value"""
MOST_LABELS = 100_000
"""different labels of a site or subgroup above which a column is none"""
PIECE = 1 << 24
"""bytes of a CSV that are parsed at a time"""
FLOAT = "a number between 0 and 1, or any number for a score"


@dataclass(frozen=True)
class Roles:
    """Which column is what.

    event : the value of the outcome column that counts as the event; None where it holds 0 and 1
    """

    outcome: str
    models: tuple[str, ...]
    event: str | None = None
    site: str | None = None
    subgroups: tuple[str, ...] = ()
    cluster: str | None = None
    split: str | None = None

    def __post_init__(self) -> None:
        if not self.models:
            raise InputError("name at least one column of predictions (--model)")
        seen: dict[str, str] = {}
        for role, name in self.named:
            if name in seen:
                raise InputError(f"column {name!r} is named as {seen[name]} and as {role}; a column has one role")
            seen[name] = role

    @property
    def named(self) -> list[tuple[str, str]]:
        """(role, column) of every column that is read."""
        found = [("the outcome", self.outcome), *(("a model", name) for name in self.models)]
        found += [(role, name) for role, name in (("the site", self.site), ("the cluster", self.cluster)) if name]
        found += [("a subgroup", name) for name in self.subgroups]
        return [*found, *([("the split", self.split)] if self.split else [])]


@dataclass(frozen=True, eq=False)
class Labels:
    """A column of labels: codes (n,) int32 into names; rows without one bear the label ""."""

    codes: NDArray[np.int32]
    names: tuple[str, ...]

    def take(self, rows: NDArray[Any]) -> Labels:
        """The same of these rows, with the labels that they bear."""
        codes = self.codes[rows]
        there = np.unique(codes)
        place = np.full(len(self.names), -1, dtype=np.int32)
        place[there] = np.arange(len(there), dtype=np.int32)
        return Labels(place[codes], tuple(self.names[k] for k in there))


@dataclass(frozen=True, eq=False)
class Audited:
    """The rows that have an outcome and every prediction.

    y : (n,) int8; models : name to (n,) float64; site, cluster, split : None where not given
    rows : read; missing : rows left out, by the column that has no value there
    """

    source: str
    digest: str
    roles: Roles
    y: NDArray[np.int8]
    models: Mapping[str, NDArray[np.float64]]
    rows: int
    missing: Mapping[str, int]
    site: Labels | None = None
    cluster: Labels | None = None
    split: Labels | None = None
    subgroups: Mapping[str, Labels] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.y)


def read_predictions(path: str | Path, roles: Roles) -> Audited:
    """Read the columns that `roles` names; rows without an outcome or a prediction are left out and counted.

    Raises InputError for a file that cannot be read, columns that are not there or there twice, and cells that are no
    numbers: with column and row, counted from 1 below the header.
    """
    file = Path(path)
    columns = header_of(file)
    for role, name in roles.named:
        if columns.count(name) > 1:
            raise InputError(f"{file}: {columns.count(name)} columns are called {name!r}; give each a name of its own")
        if name not in columns:
            raise InputError(
                f"{file} has no column {name!r} ({role}){nearest(name, columns)}; it has {_listed(columns)}"
            )
    collected = _Collected(file, roles)
    for batch in _batches(file, columns, roles):
        collected.add(batch)
    return collected.finish()


def header_of(file: Path) -> list[str]:
    """Names of the columns, in order."""
    try:
        if file.suffix == ".parquet":
            import pyarrow.parquet as pq

            return [str(name) for name in pq.read_schema(file).names]
        with _text(file) as text:
            first = text.readline(PIECE)
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not UTF-8 text (byte {error.start}); save it as CSV in UTF-8") from error
    except (ValueError, EOFError) as error:
        raise InputError(f"{file} cannot be read: {error}") from error
    if not first.strip():
        raise InputError(f"{file} is empty; it needs a header and a row a patient")
    return next(csv.reader([first], delimiter=_delimiter(first)))


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(columns[:20]) + (f" and {len(columns) - 20} more" if len(columns) > 20 else "")


def _delimiter(first: str) -> str:
    return max(",;\t", key=first.count)


def _text(file: Path) -> IO[str]:
    if file.suffix == ".gz":
        return io.TextIOWrapper(gzip.open(file), encoding="utf-8-sig", newline="")
    return file.open(encoding="utf-8-sig", newline="")


def _batches(file: Path, columns: Sequence[str], roles: Roles) -> Iterator[Any]:
    """Record batches with the named columns: predictions as numbers, everything else as text."""
    import pyarrow as pa

    wanted = [name for _, name in roles.named]
    try:
        if file.suffix == ".parquet":
            import pyarrow.parquet as pq

            yield from pq.ParquetFile(file).iter_batches(batch_size=1 << 18, columns=wanted)
            return
        from pyarrow import csv as reader

        with _text(file) as text:
            delimiter = _delimiter(text.readline(PIECE))
        kinds = {name: pa.float64() if name in roles.models else pa.string() for name in wanted}
        # names are given anew, by place: pyarrow chooses columns by name, and others may bear one twice
        places = [f"c{k}" for k in range(len(columns))]
        at = {name: places[columns.index(name)] for name in wanted}
        stream = reader.open_csv(
            pa.CompressedInputStream(file, "gzip") if file.suffix == ".gz" else file,
            read_options=reader.ReadOptions(column_names=places, skip_rows=1, block_size=PIECE, use_threads=False),
            parse_options=reader.ParseOptions(delimiter=delimiter),
            convert_options=reader.ConvertOptions(
                include_columns=[at[name] for name in wanted],
                column_types={at[name]: kind for name, kind in kinds.items()},
                null_values=list(NOTHING),
                strings_can_be_null=True,
            ),
        )
        for batch in stream:
            yield batch.rename_columns(wanted)
    except pa.ArrowInvalid as error:
        raise InputError(_invalid(file, columns, str(error))) from error
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{file} cannot be read: {error}") from error


def _invalid(file: Path, columns: Sequence[str], said: str) -> str:
    """pyarrow's message in the words of the table."""
    found = re.search(r"In CSV column #(\d+): (?:Row #(\d+): )?.*invalid value '(.*)'", said)
    if found:
        row = f"row {int(found[2]) - 1}, " if found[2] else ""
        return (
            f"{file}: {row}column {columns[int(found[1])]!r}: {found[3]!r} is not {FLOAT}; correct it or leave it empty"
        )
    found = re.search(r"(?:Row #(\d+): )?Expected (\d+) columns, got (\d+)", said)
    if found:
        row = f"row {int(found[1]) - 1}" if found[1] else "a row"
        return (
            f"{file}: {row} has {found[3]} cells, the header {found[2]}; a cell with the delimiter in it needs quotes"
        )
    return f"{file} cannot be read: {said.splitlines()[0]}"


def _numbers_of(array: Any, kind: Any, absent: float) -> NDArray[Any]:
    """(n,) numbers of an Arrow array, `absent` where it has none; Arrow's own way loads pandas, half a second."""
    if not len(array):
        return np.empty(0, dtype=kind)
    valid, data = array.buffers()
    rows = slice(array.offset, array.offset + len(array))
    found = np.frombuffer(data, dtype=kind, count=rows.stop)[rows].copy()
    if array.null_count:
        bits = np.unpackbits(np.frombuffer(valid, dtype=np.uint8), count=rows.stop, bitorder="little")
        found[bits[rows] == 0] = absent
    return found


class _Collected:
    """The columns as numbers, grown batch by batch."""

    def __init__(self, file: Path, roles: Roles) -> None:
        self.file, self.roles, self.rows = file, roles, 0
        self.missing = dict.fromkeys((roles.outcome, *roles.models), 0)
        self.y: list[NDArray[np.int8]] = []
        self.models: dict[str, list[NDArray[np.float64]]] = {name: [] for name in roles.models}
        named = [roles.site, roles.cluster, roles.split, *roles.subgroups]
        self.others: set[str] = set()
        self.labels: dict[str, tuple[dict[str, int], list[NDArray[np.int32]]]] = {n: ({}, []) for n in named if n}

    def add(self, batch: Any) -> None:
        """One piece of the table."""
        n = batch.num_rows
        y, known = self._outcome(batch.column(self.roles.outcome))
        self.missing[self.roles.outcome] += int((~known).sum())
        columns = {}
        for name in self.roles.models:
            columns[name] = self._numbers(name, batch.column(name))
            absent = np.isnan(columns[name])
            self.missing[name] += int((known & absent).sum())
            known &= ~absent
        self.y.append(y[known])
        for name, values in columns.items():
            self.models[name].append(values[known])
        for name, (codes, parts) in self.labels.items():
            parts.append(self._coded(name, batch.column(name), codes)[known])
        self.rows += n

    def finish(self) -> Audited:
        """Everything that was added; InputError where no row is left."""
        y = np.concatenate(self.y) if self.y else np.empty(0, dtype=np.int8)
        if not len(y):
            raise InputError(f"{self.file}: none of its {self.rows} rows has an outcome and every prediction")
        models = {name: np.concatenate(self.models.pop(name)) for name in self.roles.models}
        labels = {name: Labels(np.concatenate(parts), tuple(codes)) for name, (codes, parts) in self.labels.items()}
        roles = self.roles
        return Audited(
            source=self.file.name,
            digest=sha256_of(self.file),
            roles=roles,
            y=y,
            models=models,
            rows=self.rows,
            missing=self.missing,
            site=labels.get(roles.site or ""),
            cluster=labels.get(roles.cluster or ""),
            split=labels.get(roles.split or ""),
            subgroups={name: labels[name] for name in roles.subgroups},
        )

    def _outcome(self, column: Any) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
        """(0 or 1, whether there is one)."""
        import pyarrow.compute as pc

        texts = pc.cast(column, "string") if str(column.type) not in ("string", "large_string") else column
        encoded = pc.dictionary_encode(texts)
        names = [None if name is None else str(name).strip() for name in encoded.dictionary.to_pylist()]
        if self.roles.event is not None:
            self._one_other({name for name in names if name and name not in NOTHING and name != self.roles.event})
        meaning = np.array([self._meaning(name) for name in names] or [-1], dtype=np.int8)
        codes = _numbers_of(encoded.indices, np.int32, -1)
        y = np.where(codes >= 0, meaning[codes], -1).astype(np.int8)
        if (y == -2).any():
            first = int(np.argmax(y == -2))
            event = self.roles.event
            wanted = "0 or 1 (or name the event with --event)" if event is None else f"{event!r} or one other word"
            raise InputError(
                f"{self.file}: row {self.rows + first + 1}, column {self.roles.outcome!r}: "
                f"{names[int(codes[first])]!r} is no outcome; needed is {wanted}"
            )
        return y, y >= 0

    def _one_other(self, names: set[str]) -> None:
        """Beside the event there is one other word: three outcomes would be taken for two."""
        self.others |= names
        if len(self.others) > 1:
            several = ", ".join(map(repr, sorted(self.others)[:5]))
            raise InputError(
                f"{self.file}: column {self.roles.outcome!r} holds {several} beside the event {self.roles.event!r}; an "
                "outcome has two values: make a column that has"
            )

    def _meaning(self, name: str | None) -> int:
        """1, 0, -1 for no value, -2 for what is no outcome."""
        if name is None or name in NOTHING:
            return -1
        if self.roles.event is not None:
            return int(name == self.roles.event)
        if name.casefold() in ("true", "false"):
            return int(name.casefold() == "true")
        try:
            value = float(name)
        except ValueError:
            return -2
        return int(value) if value in (0.0, 1.0) else -2

    def _numbers(self, name: str, column: Any) -> NDArray[np.float64]:
        import pyarrow as pa

        try:
            values = column.cast(pa.float64())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise InputError(f"{self.file}: column {name!r} holds {column.type}, not {FLOAT}: {error}") from error
        found = _numbers_of(values, np.float64, math.nan)
        if np.isinf(found).any():
            row = self.rows + int(np.argmax(np.isinf(found))) + 1
            raise InputError(f"{self.file}: row {row}, column {name!r} is infinite; needed is {FLOAT}")
        return found

    def _coded(self, name: str, column: Any, codes: dict[str, int]) -> NDArray[np.int32]:
        import pyarrow.compute as pc

        texts = pc.cast(column, "string") if str(column.type) not in ("string", "large_string") else column
        encoded = pc.dictionary_encode(texts)
        here = [codes.setdefault(str(label), len(codes)) for label in encoded.dictionary.to_pylist()]
        if len(codes) > MOST_LABELS and name != self.roles.cluster:
            raise InputError(
                f"{self.file}: column {name!r} has more than {MOST_LABELS} different values; it is no site, split or "
                "subgroup. A patient's number is the cluster (--cluster)"
            )
        places = _numbers_of(encoded.indices, np.int32, -1)
        if (places < 0).any():
            here.append(codes.setdefault("", len(codes)))  # the last one: what -1 points at
        return np.array(here, dtype=np.int32)[places]
