"""What every statistic returns: small frozen records that know how to become plain JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
NAN = float("nan")


def plain(value: Any) -> Any:
    """Turn a value into what JSON can hold: NaN -> None, +-inf -> "inf"/"-inf", arrays and tuples -> lists."""
    if isinstance(value, Record):
        return value.to_dict()
    if isinstance(value, np.ndarray):
        return [plain(item) for item in value.tolist()]
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("inf" if value > 0 else "-inf")
    return value


class Record:
    """Base of the result types."""

    def to_dict(self) -> dict[str, Any]:
        """Every field by name, as plain JSON types."""
        return {f.name: plain(getattr(self, f.name)) for f in fields(self)}  # type: ignore[arg-type]


def _number(value: float) -> str:
    return "undefined" if math.isnan(value) else f"{value:.4g}"


def _sample(n: int | None, n_events: int | None) -> str:
    parts = [] if n is None else [f"n = {n}"]
    if n_events is not None:
        parts.append(f"{n_events} events")
    return ", ".join(parts)


def _left_out(n_missing: int) -> str:
    return f"{n_missing} left out as incomplete" if n_missing else ""


def _line(head: str, *details: str) -> str:
    tail = "; ".join(detail for detail in details if detail)
    return f"{head} ({tail})" if tail else head


@dataclass(frozen=True, repr=False)
class Estimate(Record):
    """A value with its confidence interval.

    An undefined value or interval end is NaN, and `note` says why. `se` is the standard error on the scale of `value`
    (NaN where the method has none). `n_events` is None where there is no outcome. `n_missing` counts the patients that
    were left out as incomplete because `missing="complete-case"` asked for it; they are not part of `n`.
    """

    value: float
    low: float = NAN
    high: float = NAN
    level: float = 0.95
    method: str = ""
    se: float = NAN
    n: int | None = None
    n_events: int | None = None
    note: str = ""
    n_missing: int = 0

    def __repr__(self) -> str:
        interval = ""
        if not (math.isnan(self.low) and math.isnan(self.high)):
            interval = f" [{_number(self.low)}, {_number(self.high)}]"
        level = f"{100 * self.level:g}% {self.method}".strip() if interval else self.method
        return _line(
            f"{_number(self.value)}{interval}",
            level,
            _sample(self.n, self.n_events),
            _left_out(self.n_missing),
            self.note,
        )


@dataclass(frozen=True, repr=False)
class TestResult(Record):
    """A test statistic, its degrees of freedom (None where the reference distribution has none) and p value."""

    __test__: ClassVar[bool] = False  # pytest shall not collect it

    statistic: float
    p_value: float
    df: float | None = None
    method: str = ""
    n: int | None = None
    n_events: int | None = None
    note: str = ""
    n_missing: int = 0

    def __repr__(self) -> str:
        df = "" if self.df is None else f", df = {self.df:g}"
        head = f"statistic = {_number(self.statistic)}{df}, p = {_number(self.p_value)}"
        return _line(head, self.method, _sample(self.n, self.n_events), _left_out(self.n_missing), self.note)


@dataclass(frozen=True, repr=False)
class Comparison(Record):
    """Model `a` minus model `b` on the same patients, with the test that the difference is zero."""

    difference: Estimate
    test: TestResult
    a: str = "a"
    b: str = "b"

    def __repr__(self) -> str:
        return f"{self.a} - {self.b}: {self.difference!r}; {self.test!r}"


def _frozen(values: Any) -> FloatArray:
    array: FloatArray
    if isinstance(values, np.ndarray) and values.ndim == 1 and values.dtype == np.float64:
        array = values.copy()
    else:
        array = np.array(values, dtype=np.float64).reshape(-1)
    array.setflags(write=False)
    return array


@dataclass(frozen=True, repr=False, eq=False)
class Curve(Record):
    """Points (x, y) in the order to draw them, with a pointwise band; arrays of one length, read-only."""

    x: FloatArray
    y: FloatArray
    low: FloatArray = field(default_factory=lambda: np.empty(0))
    high: FloatArray = field(default_factory=lambda: np.empty(0))
    level: float = 0.95
    method: str = ""
    x_name: str = "x"
    y_name: str = "y"
    n: int | None = None
    n_events: int | None = None
    note: str = ""
    n_missing: int = 0

    def __post_init__(self) -> None:
        size = np.size(self.x)
        for name in ("x", "y", "low", "high"):
            array = _frozen(getattr(self, name))
            if name in ("low", "high") and array.size == 0:
                array = _frozen(np.full(size, NAN))
            if array.size != size:
                raise ValueError(f"`{name}` has {array.size} points where `x` has {size}")
            object.__setattr__(self, name, array)

    def __repr__(self) -> str:
        head = f"{self.y_name} against {self.x_name}: {self.x.size} points"
        return _line(head, self.method, _sample(self.n, self.n_events), _left_out(self.n_missing), self.note)


@dataclass(frozen=True, repr=False)
class Table(Record):
    """Named columns and rows of finished cells."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    note: str = ""

    def __post_init__(self) -> None:
        for i, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                raise ValueError(f"row {i} has {len(row)} cells for {len(self.columns)} columns")

    def __repr__(self) -> str:
        return f"{self.title}: {len(self.rows)} rows of {', '.join(self.columns)}"
