"""Results of `validkit.stats` as they come back from JSON: NaN was written as null, infinities as text.

Read leniently on purpose: a run folder written by another version of validkit still opens, and a
number that is not there becomes NaN with a note that says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np

NOT_RECORDED = "not recorded"


def number(value: Any) -> float:
    """A JSON number, null or "inf"/"-inf" as a float; null is NaN."""
    if value is None or isinstance(value, bool):
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def numbers(values: Sequence[Any] | None) -> np.ndarray:
    """A JSON list of numbers as a float array; null is an empty array."""
    return np.array([number(v) for v in values or ()], dtype=float)


def count(value: Any) -> int | None:
    """A JSON count, or None where it was not recorded."""
    x = number(value)
    return None if math.isnan(x) else int(x)


@dataclass(frozen=True)
class Estimate:
    """A value with its interval; `note` says why something is undefined."""

    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    level: float = math.nan
    method: str = ""
    n: int | None = None
    n_events: int | None = None
    note: str = ""

    @property
    def defined(self) -> bool:
        """Whether there is a value to print."""
        return not math.isnan(self.value)

    @property
    def has_interval(self) -> bool:
        """Whether both ends of the interval are there (they may be infinite)."""
        return not (math.isnan(self.low) or math.isnan(self.high))


@dataclass(frozen=True)
class Test:
    """A test's statistic and p-value; `note` says why something is undefined."""

    __test__: ClassVar[bool] = False  # pytest shall not collect it

    statistic: float = math.nan
    p_value: float = math.nan
    df: float = math.nan
    method: str = ""
    n: int | None = None
    n_events: int | None = None
    note: str = ""


@dataclass(frozen=True)
class Curve:
    """Points of a curve; `low` and `high` are empty where it has no band."""

    x: np.ndarray
    y: np.ndarray
    low: np.ndarray
    high: np.ndarray
    level: float
    method: str
    n: int | None
    n_events: int | None
    note: str

    @property
    def has_band(self) -> bool:
        """Whether a band was recorded."""
        return len(self.low) == len(self.high) == len(self.x) and bool(np.isfinite(self.low).any())

    @property
    def limits(self) -> dict[str, np.ndarray]:
        """The band's low and high at every point; NaN where none was recorded."""
        nothing = np.full(len(self.x), np.nan)
        return {"low": self.low, "high": self.high} if self.has_band else {"low": nothing, "high": nothing}


def estimate(record: Mapping[str, Any] | None) -> Estimate:
    """An `Estimate.to_dict()` read back; null gives NaN and the note "not recorded"."""
    if record is None:
        return Estimate(note=NOT_RECORDED)
    return Estimate(**_read(Estimate, record))


def test(record: Mapping[str, Any] | None) -> Test:
    """A `TestResult.to_dict()` read back; null gives NaN and the note "not recorded"."""
    if record is None:
        return Test(note=NOT_RECORDED)
    return Test(**_read(Test, record))


def curve(record: Mapping[str, Any] | None) -> Curve | None:
    """A `Curve.to_dict()` read back; None where there is none, or where it has no points."""
    if record is None:
        return None
    get = record.get
    x, y = numbers(get("x")), numbers(get("y"))
    if len(x) == 0 or len(x) != len(y):
        return None
    return Curve(
        x,
        y,
        numbers(get("low")),
        numbers(get("high")),
        number(get("level")),
        str(get("method") or ""),
        count(get("n")),
        count(get("n_events")),
        str(get("note") or ""),
    )


def _read(kind: type, record: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for field in fields(kind):
        raw = record.get(field.name)
        if field.name in ("n", "n_events"):
            values[field.name] = count(raw)
        elif field.name in ("method", "note"):
            values[field.name] = str(raw or "")
        else:
            values[field.name] = number(raw)
    return values
