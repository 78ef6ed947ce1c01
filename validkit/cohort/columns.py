"""Columns given their meaning: numbers, levels, the outcome, days; everything that does not fit is a fault.

Each distinct text of a column is understood once, so that a table of 100 000 rows is read in seconds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from validkit.cohort.faults import Fault
from validkit.cohort.table import each_cell, nearest
from validkit.sections import Outcome, Predictor

_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")
_DAY = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?P<time>[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)


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


def _number_or_nan(text: str) -> float:
    value = parse_number(text)
    return math.nan if value is None else value


def _where(column: pd.Series, which: NDArray[np.bool_]) -> list[tuple[int, str]]:
    """(row, text) of the chosen cells."""
    chosen = column[which]
    return list(zip(chosen.index.tolist(), chosen.tolist(), strict=True))


def parse_outcome(column: pd.Series, spec: Outcome, found: Findings) -> pd.Series:
    """int8, 1 = event as declared; rows that hold anything but 0 and 1 are faults."""
    numbers = each_cell(column, _number_or_nan, float)
    fits = (numbers == 0.0) | (numbers == 1.0)
    for row, text in _where(column, ~fits):
        found.fault("outcome-value", row, spec.column, f"the outcome is {text!r}", _OUTCOME_MEND)
    series = pd.Series((numbers[fits] == spec.event).astype(np.int8), index=column.index[fits], name=spec.column)
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
    numbers = parse_numbers(column, name, comma, found)
    if spec.kind == "binary":
        mend = 'write 0 or 1, or declare the column as kind = "categorical" or "continuous"'
        for row, value in numbers[~numbers.isin((0.0, 1.0))].items():
            found.fault("out-of-range", int(str(row)), name, f"{value:g} in a binary column", mend)
    elif spec.range is not None:
        low, high = spec.range
        unit = f" {spec.unit}" if spec.unit else ""
        mend = f"correct the value or its unit, or widen `range` of cohort.predictors.{name}"
        for row, value in numbers[(numbers < low) | (numbers > high)].items():
            message = f"{value:g}{unit} is outside [{low:g}, {high:g}]"
            found.fault("out-of-range", int(str(row)), name, message, mend)
    return numbers


def parse_risk(column: pd.Series, name: str, comma: bool, found: Findings) -> pd.Series:
    """A column of predicted probabilities, float64; what lies outside [0, 1] is a fault."""
    risk = parse_numbers(column, name, comma, found)
    for row, value in risk[(risk < 0) | (risk > 1)].items():
        found.fault(
            "out-of-range",
            int(str(row)),
            name,
            f"the predicted probability is {value:g}, outside [0, 1]",
            "write probabilities: divide percentages by 100, turn a linear predictor x into 1 / (1 + exp(-x))",
        )
    return risk


def parse_numbers(column: pd.Series, name: str, comma: bool, found: Findings) -> pd.Series:
    """The numbers of a column, float64; other cells are faults and left out."""
    numbers = each_cell(column, _number_or_nan, float)
    by_comma = np.isnan(numbers)
    by_comma[by_comma] = each_cell(column[by_comma], lambda text: _COMMA.fullmatch(text) is not None, bool)
    why = "with a comma"
    if comma and by_comma.any():
        by_point = ~np.isnan(numbers)
        by_point[by_point] = column[by_point].str.contains(".", regex=False).to_numpy(bool)
        if by_point.any():
            why = f"while row {column.index[by_point][0]} has a decimal point"
        else:
            numbers[by_comma] = each_cell(column[by_comma], lambda text: _number_or_nan(text.replace(",", ".")), float)
            rows = int(by_comma.sum())
            found.notes.append(f"column {name!r}: numbers are written with a decimal comma in {rows} rows")
    bad = np.isnan(numbers)
    for (row, text), with_comma in zip(_where(column, bad), by_comma[bad], strict=True):
        if with_comma:
            mend = "write every number with a decimal point"
            found.fault("not-a-number", row, name, f"{text!r} is written {why}", mend)
        else:
            found.fault("not-a-number", row, name, f"{text!r} is no number", _NUMBER_MEND)
    return pd.Series(numbers[~bad], index=column.index[~bad], dtype="float64", name=name)


_NUMBER_MEND = "write a plain number without a unit, or leave the cell empty where there is no value"


def _levels(column: pd.Series, name: str, spec: Predictor, found: Findings) -> pd.Series:
    place = {level: i for i, level in enumerate(spec.levels)}
    by_number = {parse_number(level): i for level, i in place.items() if parse_number(level) is not None}

    def level_of(text: str) -> int:
        return place.get(text, by_number.get(parse_number(text), -1))  # spreadsheets turn 4 into 4.0

    levels: NDArray[np.int64] = each_cell(column, level_of, np.int64)
    bad = levels < 0
    meant = {text: nearest(text, spec.levels) for text in set(column[bad])}
    mend = f"the levels of cohort.predictors.{name} are {', '.join(spec.levels)}: correct the cell or declare it"
    for row, text in _where(column, bad):
        found.fault("level-undeclared", row, name, f"{text!r} is not a level{meant[text]}", mend)
    index = column.index[~bad]
    if spec.kind == "ordinal":
        return pd.Series(levels[~bad].astype(np.float64), index=index, name=name)
    return pd.Series(pd.Categorical.from_codes(levels[~bad], pd.Index(spec.levels)), index=index, name=name)


def parse_days(column: pd.Series, name: str, found: Findings) -> pd.Series:
    """Days written YYYY-MM-DD, datetime64[s]; of an ISO timestamp the day as it is written, and a note says so."""
    days = each_cell(column, _day, object)
    bad = np.array([day is None for day in days], dtype=bool)
    for row, text in _where(column, bad):
        serial = text.isdecimal() and len(text) == 5
        what = "is a spreadsheet's number of a day" if serial else "is no day written YYYY-MM-DD"
        if _DAY.fullmatch(text):
            what = "is no day of the calendar"
        found.fault("date-value", row, name, f"{text!r} {what}", "write days as text, such as 2024-03-31")
    timed = each_cell(column, lambda text: bool((match := _DAY.fullmatch(text)) and match["time"]), bool)
    if timed.any():
        found.notes.append(f"column {name!r}: the time of day was passed over in {int(timed.sum())} rows")
    return pd.Series(np.array(days[~bad].tolist(), dtype="datetime64[s]"), index=column.index[~bad], name=name)


def _day(text: str) -> str | None:
    if not _DAY.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text).date().isoformat()
    except ValueError:
        return None
