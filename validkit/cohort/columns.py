"""Columns of cohort.csv given their meaning: numbers, levels, the outcome; everything that does not fit is a fault."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from validkit.cohort.faults import Fault
from validkit.cohort.table import cells, is_missing, nearest
from validkit.sections import Outcome, Predictor

_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")


@dataclass
class Findings:
    """Faults and notes gathered on the way; `patients` names the patient of each row."""

    patients: Mapping[int, str]
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def fault(self, code: str, row: int | None, column: str | None, message: str, mend: str) -> None:
        """Add one fault; the patient is looked up by row."""
        patient = self.patients.get(row) if row is not None else None
        self.faults.append(Fault(code, row, patient, column, message, mend))


def parse_number(text: str) -> float | None:
    """A finite decimal number written with a point, or None."""
    if not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def missing_in(column: pd.Series, predictor: Predictor | None = None) -> list[int]:
    """Rows without a value; a declared level such as "none" is a value."""
    levels = predictor.levels if predictor else ()
    return [row for row, text in cells(column) if is_missing(text) and text not in levels]


def parse_outcome(column: pd.Series, spec: Outcome, found: Findings) -> pd.Series:
    """int8, 1 = event as declared; rows that hold anything but 0 and 1 are faults."""
    values = {}
    for row, text in cells(column):
        number = parse_number(text)
        if number not in (0.0, 1.0):
            found.fault("outcome-value", row, spec.column, f"the outcome is {text!r}", _OUTCOME_MEND)
        else:
            values[row] = int(number == spec.event)
    series = pd.Series(values, dtype="int8", name=spec.column)
    if len(series) == len(column) and series.nunique() == 1:
        name, value = (spec.positive, spec.event) if series.iloc[0] else (spec.negative, 1 - spec.event)
        found.fault(
            "outcome-single-class",
            None,
            spec.column,
            f"all {len(series)} patients have outcome {value} ({name})",
            "bring patients of both outcomes; check cohort.outcome in the protocol",
        )
    return series


_OUTCOME_MEND = "write 0 or 1 in every row; say in cohort.outcome which of the two is the event"


def parse_predictor(column: pd.Series, name: str, spec: Predictor, comma: bool, found: Findings) -> pd.Series:
    """One predictor: float64 for continuous, binary and ordinal (place among its levels), Categorical for categorical.

    comma : True where the file's delimiter is a semicolon, so that 3,5 may mean 3.5
    """
    if spec.kind in ("categorical", "ordinal"):
        return _levels(column, name, spec, found)
    numbers = _numbers(column, name, comma, found)
    for row, value in numbers.items():
        if spec.kind == "binary" and value not in (0.0, 1.0):
            found.fault(
                "out-of-range",
                row,
                name,
                f"{value:g} in a binary column",
                'write 0 or 1, or declare the column as kind = "categorical" or "continuous"',
            )
        elif spec.range is not None and not spec.range[0] <= value <= spec.range[1]:
            unit = f" {spec.unit}" if spec.unit else ""
            found.fault(
                "out-of-range",
                row,
                name,
                f"{value:g}{unit} is outside [{spec.range[0]:g}, {spec.range[1]:g}]",
                f"correct the value or its unit, or widen `range` of cohort.predictors.{name}",
            )
    return pd.Series(numbers, dtype="float64", name=name)


def _numbers(column: pd.Series, name: str, comma: bool, found: Findings) -> dict[int, float]:
    with_comma = [row for row, text in cells(column) if _COMMA.fullmatch(text)]
    with_point = [row for row, text in cells(column) if "." in text and parse_number(text) is not None]
    decimal_comma = comma and bool(with_comma) and not with_point
    values: dict[int, float] = {}
    for row, text in cells(column):
        number = parse_number(text.replace(",", ".") if decimal_comma and _COMMA.fullmatch(text) else text)
        if number is not None:
            values[row] = number
        elif _COMMA.fullmatch(text):
            why = f"while row {with_point[0]} has a decimal point" if comma and with_point else "with a comma"
            found.fault(
                "not-a-number", row, name, f"{text!r} is written {why}", "write every number with a decimal point"
            )
        else:
            found.fault(
                "not-a-number",
                row,
                name,
                f"{text!r} is no number",
                "write a plain number without a unit, or leave the cell empty where there is no value",
            )
    if decimal_comma:
        found.notes.append(f"column {name!r}: numbers are written with a decimal comma in {len(with_comma)} rows")
    return values


def _levels(column: pd.Series, name: str, spec: Predictor, found: Findings) -> pd.Series:
    place = {level: i for i, level in enumerate(spec.levels)}
    by_number = {parse_number(level): level for level in spec.levels if parse_number(level) is not None}
    values: dict[int, str] = {}
    for row, text in cells(column):
        level = text if text in place else by_number.get(parse_number(text))  # spreadsheets turn 4 into 4.0
        if level is None:
            found.fault(
                "level-undeclared",
                row,
                name,
                f"{text!r} is not a level{nearest(text, spec.levels)}",
                f"the levels of cohort.predictors.{name} are {', '.join(spec.levels)}: correct the cell or declare it",
            )
        else:
            values[row] = level
    if spec.kind == "ordinal":
        return pd.Series({row: float(place[level]) for row, level in values.items()}, dtype="float64", name=name)
    categories = pd.Categorical(list(values.values()), categories=list(spec.levels))
    return pd.Series(categories, index=list(values), name=name)
