"""A centre's own columns, units and codes, read as the protocol's predictors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from validkit.cohort.columns import parse_number
from validkit.cohort.faults import Fault
from validkit.cohort.table import RawTable, each_cell, is_missing, missing_test
from validkit.sections import CohortSpec, Predictor
from validkit.sections.cohort import same_cell
from validkit.units import Conversion, conversion

__all__ = ["Translation", "translate"]

SHOWN = 6
"""codes that a note names"""


@dataclass(frozen=True)
class Translation:
    """A table in the protocol's words.

    own : column of the file that each predictor comes from, where it has another name
    """

    table: RawTable
    own: Mapping[str, str]

    def named(self, faults: list[Fault]) -> list[Fault]:
        """The faults with the columns by their names in the file."""
        return [replace(one, column=self.own.get(one.column or "", one.column)) for one in faults]


def translate(table: RawTable, spec: CohortSpec) -> Translation:
    """Columns renamed, cells converted and recoded as the protocol's [cohort] says; each change is a note."""
    frame, notes, own = table.frame, list(table.notes), {}
    columns: dict[str, pd.Series] = {}
    for name, predictor in spec.predictors.items():
        column = predictor.column or name
        if predictor.absent:
            columns[name] = pd.Series("", index=frame.index, dtype=object, name=name)
            notes.append(f"predictor {name!r} is absent here: every value of it is filled in")
        elif column in frame:
            if column != name:
                own[name] = column
            cells, said = _read(frame[column], name, predictor, comma=table.delimiter == ";")
            columns[name] = cells.rename(name)
            notes += said
    outcome = spec.outcome
    if outcome.codes and outcome.column in frame:
        columns[outcome.column] = _outcome(frame[outcome.column], outcome.codes)
        told = ", ".join(f"{cell!r} as {value}" for cell, value in outcome.codes.items())
        notes.append(f"column {outcome.column!r}: the outcome is read {told}")
    kept = frame.drop(columns=[*own.values(), *(name for name in columns if name in frame)])
    whole = pd.concat([kept, *columns.values()], axis=1) if columns else frame
    return Translation(replace(table, frame=whole, notes=tuple(notes)), own)


def _read(column: pd.Series, name: str, predictor: Predictor, *, comma: bool) -> tuple[pd.Series, list[str]]:
    notes = []
    if predictor.column and predictor.column != name:
        notes.append(f"column {predictor.column!r} is read as predictor {name!r}")
    if predictor.column_unit and predictor.column_unit != predictor.unit:
        to = conversion(predictor.column_unit, predictor.unit)
        shift = f" plus {to.intercept:g}" if to.intercept else ""
        notes.append(
            f"predictor {name!r}: values in {predictor.column_unit} are read in {predictor.unit}, "
            f"each times {to.slope:g}{shift}"
        )
        return _recoded(column, _converted(to, predictor, comma)), notes
    if predictor.codes:
        means = _meaning(predictor.codes)
        notes += _told(column, name, means)
        return _recoded(column, means), notes
    return column, notes


def _converted(to: Conversion, predictor: Predictor, comma: bool) -> Callable[[str], str]:
    """The cell in the protocol's unit; what is no number stays as it is, for the check that comes."""
    missing = missing_test(predictor)

    def convert(text: str) -> str:
        value = parse_number(text.replace(",", ".") if comma else text)
        return text if value is None or missing(text) else f"{to(value):.12g}"

    return convert


def _meaning(codes: Mapping[str, str]) -> Callable[[str], str]:
    def means(text: str) -> str:
        return next((level for cell, level in codes.items() if same_cell(cell, text)), text)

    return means


def _told(column: pd.Series, name: str, means: Callable[[str], str]) -> list[str]:
    counts = Counter(map(str, column.tolist()))
    changed = [(text, means(text), n) for text, n in counts.items() if means(text) != text]
    if not changed:
        return []
    shown = "; ".join(
        f"{text!r} as {level!r} ({n} patients)" if level else f"{text!r} as no value ({n} patients)"
        for text, level, n in sorted(changed)[:SHOWN]
    )
    more = f"; {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
    return [f"predictor {name!r}: cells are read {shown}{more}"]


def _outcome(column: pd.Series, codes: Mapping[str, Any]) -> pd.Series:
    """What is neither a declared cell nor missing stays as it is, for the check that comes; 0 and 1 are no codes."""

    def value(text: str) -> str:
        found = next((value for cell, value in codes.items() if same_cell(cell, text)), None)
        if found is not None or is_missing(text):
            return text if found is None else str(found)
        return f"{text} (not among outcome.codes)"

    return _recoded(column, value)


def _recoded(column: pd.Series, means: Callable[[str], str]) -> pd.Series:
    cells = each_cell(column, means, object)
    return pd.Series(np.asarray(cells, dtype=object), index=column.index, name=column.name)
