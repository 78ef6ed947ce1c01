"""The only door by which outcomes and predictions enter the statistics, and the messages at that door.

Rows are counted from 0, as in the array that was passed.
"""

from __future__ import annotations

import math
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from validkit.errors import InputError

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


def _rows(bad: NDArray[np.bool_], values: Any = None, shown: int = 5) -> str:
    rows = np.flatnonzero(bad)
    named = ", ".join(f"{r}" if values is None else f"{r} ({values[r]!s})" for r in rows[:shown])
    more = f" and {rows.size - shown} more" if rows.size > shown else ""
    return f"row{'s' if rows.size > 1 else ''} {named}{more}"


def as_float(values: ArrayLike, name: str, *, ndim: int = 1) -> FloatArray:
    """A float64 array with `ndim` dimensions; what cannot be a number is an error, what is missing becomes NaN."""
    source: Any = values
    if isinstance(source, np.ma.MaskedArray):
        source = np.ma.filled(source.astype(np.float64), np.nan)
    elif hasattr(source, "to_numpy"):
        try:
            source = source.to_numpy(dtype=np.float64, na_value=np.nan)
        except TypeError:  # polars and others without na_value
            source = source.to_numpy()
        except ValueError as error:
            raise InputError(f"`{name}` must hold numbers ({error})") from error
    try:
        raw = np.asarray(source)
        if raw.dtype.kind not in "buifO" or (raw.dtype == object and any(isinstance(v, str) for v in raw.flat)):
            raise TypeError(f"it holds {'text' if raw.dtype.kind in 'UOT' else raw.dtype}")
        array = np.asarray(raw, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"`{name}` must hold numbers, in rows of one length ({error})") from error
    if array.ndim != ndim:
        raise InputError(f"`{name}` must have {ndim} dimension{'s' if ndim > 1 else ''}; its shape is {array.shape}")
    if array.size == 0:
        raise InputError(f"`{name}` is empty; a statistic needs at least one patient")
    return array


def check_outcome(y_true: ArrayLike, name: str = "y_true") -> IntArray:
    """The outcome as integers: 1 is the event, 0 is not; anything else is an error that names the rows."""
    y = as_float(y_true, name)
    missing = np.isnan(y)
    if missing.any():
        raise InputError(
            f"`{name}` is missing for {missing.sum()} of {y.size} patients ({_rows(missing)}); "
            "leave those patients out, from the predictions too, and report how many"
        )
    bad = (y != 0) & (y != 1)
    if bad.any():
        raise InputError(
            f"`{name}` must be 0 or 1, 1 being the event; {bad.sum()} of {y.size} values are not "
            f"(first: {_rows(bad, y, 3)})"
        )
    return y.astype(np.int64)


def _check_finite(values: FloatArray, name: str) -> None:
    missing = np.isnan(values)
    if missing.any():
        raise InputError(
            f"`{name}` is missing (NaN) for {missing.sum()} of {values.size} patients ({_rows(missing)}); a missing "
            "prediction is not a low risk: leave those patients out, from the outcome too, or impute, and report it"
        )
    infinite = np.isinf(values)
    if infinite.any():
        raise InputError(
            f"`{name}` must be finite; {infinite.sum()} of {values.size} values are not ({_rows(infinite)})"
        )


def check_score(y_score: ArrayLike, name: str = "y_prob") -> FloatArray:
    """A marker or score: any finite numbers, higher meaning more likely."""
    score = as_float(y_score, name)
    _check_finite(score, name)
    return score


def check_risk(y_prob: ArrayLike, name: str = "y_prob") -> FloatArray:
    """Predicted risks: finite and within [0, 1]."""
    risk = check_score(y_prob, name)
    bad = (risk < 0) | (risk > 1)
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        raise InputError(
            f"`{name}` must lie in [0, 1]; {bad.sum()} of {risk.size} values do not "
            f"(first: row {first}, {risk[first]:.6g}); percentages and log odds are not risks"
        )
    return risk


def _check_same_patients(first: Any, second: Any, names: tuple[str, str]) -> None:
    """Two pandas objects must carry the same index in the same order: alignment is never guessed."""
    left: Any = getattr(first, "index", None)
    right: Any = getattr(second, "index", None)
    if not (hasattr(left, "equals") and hasattr(right, "equals")):
        return
    if len(left) == len(right) and not left.equals(right):
        order = "in another order" if set(left) == set(right) else "not the same"
        raise InputError(
            f"`{names[0]}` and `{names[1]}` are indexed by patients that are {order}; "
            f"align them first, e.g. {names[1]}.loc[{names[0]}.index], or pass plain arrays"
        )


def check_binary_risk(
    y_true: ArrayLike, y_prob: ArrayLike, *, scale: str = "risk", name: str = "y_prob"
) -> tuple[IntArray, FloatArray]:
    """Outcome and predicted risk (or, with scale="score", any finite score) of the same patients, checked."""
    if scale not in ("risk", "score"):
        raise InputError(f"`scale` must be 'risk' or 'score', not {scale!r}")
    _check_same_patients(y_true, y_prob, ("y_true", name))
    y = check_outcome(y_true)
    p = check_risk(y_prob, name) if scale == "risk" else check_score(y_prob, name)
    if y.size != p.size:
        raise InputError(f"`y_true` has {y.size} patients and `{name}` has {p.size}; they must be the same patients")
    return y, p


def check_level(level: float) -> float:
    """A confidence level strictly between 0 and 1."""
    if not (isinstance(level, (int, float, np.floating)) and 0 < level < 1):
        hint = f"; did you mean {level / 100:g}?" if isinstance(level, (int, float)) and 1 < level < 100 else ""
        raise InputError(f"`level` must lie strictly between 0 and 1, e.g. 0.95; it is {level!r}{hint}")
    return float(level)


def check_choice(value: str, choices: tuple[str, ...], name: str) -> str:
    """One of the named choices."""
    if value not in choices:
        raise InputError(f"`{name}` must be one of {', '.join(map(repr, choices))}, not {value!r}")
    return value


def check_count(value: int, name: str, *, minimum: int = 1) -> int:
    """A whole number of at least `minimum`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < minimum:
        raise InputError(f"`{name}` must be a whole number of at least {minimum}, not {value!r}")
    return int(value)


def settle(threshold: float) -> float:
    """A threshold within rounding above a decimal of ten places becomes that decimal: 0.1 * 3 means 0.3.

    Only downwards, so nobody at or above the threshold as given falls below it.
    """
    decimal = round(threshold, 10)
    return decimal if 0 < threshold - decimal <= 4 * math.ulp(threshold) else threshold


def check_threshold(threshold: float, name: str = "threshold", *, scale: str = "risk") -> float:
    """A decision threshold: a finite number, in [0, 1] for risks, freed of rounding (see `check_thresholds`)."""
    if isinstance(threshold, (str, bytes)) or np.ndim(threshold) != 0:
        raise InputError(f"`{name}` must be one number, not {threshold!r}")
    value = float(threshold)
    if not math.isfinite(value) or (scale == "risk" and not 0 <= value <= 1):
        raise InputError(f"`{name}` must be {'in [0, 1]' if scale == 'risk' else 'finite'}, not {threshold!r}")
    return settle(value)


def check_thresholds(thresholds: ArrayLike, name: str = "thresholds") -> FloatArray:
    """Strictly increasing thresholds in [0, 1].

    A value that floating-point arithmetic left just above a short decimal (0.1 * 3 = 0.30000000000000004) is taken as
    that decimal, so a patient with a risk of exactly 0.3 is positive at 0.3.
    """
    array = as_float(thresholds, name)
    if np.isnan(array).any() or (array < 0).any() or (array > 1).any():
        raise InputError(f"`{name}` must lie in [0, 1]; they run from {array.min():g} to {array.max():g}")
    settled = np.array([settle(float(t)) for t in array])
    if (np.diff(settled) <= 0).any():
        raise InputError(f"`{name}` must be strictly increasing")
    return settled


def exact_decimal(value: float | str | Decimal, name: str) -> Decimal:
    """The decimal that a person means by a number: 0.1 is one tenth."""
    try:
        decimal = value if isinstance(value, Decimal) else Decimal(str(value))
    except InvalidOperation as error:
        raise InputError(f"`{name}` must be a number, not {value!r}") from error
    if not decimal.is_finite():
        raise InputError(f"`{name}` must be finite, not {value!r}")
    return decimal
