"""The cells of a cohort's table: text, missing or not, before anything is given a meaning."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from validkit.sections import Predictor
from validkit.sections.cohort import cell_number

TABLE = "cohort.csv"
MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", ".", "?", "-"})
"""Cells read as missing, whatever their case, unless a predictor declares them as a level."""
LIKE = 2000
"""Most names that a misspelt one is compared with."""


@dataclass(frozen=True, eq=False)
class RawTable:
    """A table as text.

    frame : the wanted columns, cells stripped; index = row as a spreadsheet shows it (the header is row 1)
    header : the name of every column of the file
    delimiter : "," or ";", or "" where the file has none
    digest : SHA-256 of the file's bytes
    """

    frame: pd.DataFrame
    header: tuple[str, ...]
    delimiter: str
    digest: str
    notes: tuple[str, ...] = ()


def is_missing(text: str, predictor: Predictor | None = None) -> bool:
    """True for an empty cell, the words in `MISSING` and the predictor's own codes; a declared level is a value."""
    return missing_test(predictor)(text)


def missing_test(predictor: Predictor | None = None) -> Callable[[str], bool]:
    """`is_missing` for many cells of one column."""
    if predictor is None:
        return lambda text: text.casefold() in MISSING
    levels, is_code = frozenset(predictor.levels), code_test(predictor)
    return lambda text: text not in levels and (text.casefold() in MISSING or is_code(text))


def code_test(predictor: Predictor) -> Callable[[str], bool]:
    """Whether a cell is, as text or as a number, one that the predictor declares to mean "no value"."""
    words = {code.strip().casefold() for code in predictor.missing_codes}
    numbers = {number for code in words if (number := cell_number(code)) is not None}
    if not numbers:
        return lambda text: text.casefold() in words
    return lambda text: text.casefold() in words or cell_number(text) in numbers


def cells(column: pd.Series) -> Iterator[tuple[int, str]]:
    """(row as a spreadsheet shows it, text) of each cell."""
    for row, text in zip(column.index.tolist(), column.tolist(), strict=True):
        yield int(row), str(text)


def each_cell(column: pd.Series, meaning: Callable[[str], Any], dtype: Any = object) -> NDArray[Any]:
    """meaning(text) of every cell, asked once for each distinct text."""
    codes, texts = pd.factorize(column.to_numpy(dtype=object))
    values = np.fromiter((meaning(str(text)) for text in texts), dtype=dtype, count=len(texts))
    return values[codes]


def missing_cells(column: pd.Series, predictor: Predictor | None = None) -> NDArray[np.bool_]:
    """Which cells have no value."""
    return each_cell(column, missing_test(predictor), bool)


def nearest(name: str, known: Iterable[str]) -> str:
    """ "; did you mean 'x'?" for the closest known name, else ""."""
    folded = {_plain(other): other for other in known}
    if (same := folded.get(_plain(name))) is not None:
        return f"; did you mean {same!r}?"
    close = difflib.get_close_matches(_plain(name), list(islice(folded, LIKE)), n=1, cutoff=0.6)
    return f"; did you mean {folded[close[0]]!r}?" if close else ""


def _plain(name: str) -> str:
    return name[:200].casefold().replace(" ", "_").replace("-", "_")
