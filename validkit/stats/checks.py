"""The only door by which outcomes and predictions enter the statistics, and the messages at that door.

Rows are counted from 0, as in the array that was passed.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, ParamSpec, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from validkit.errors import InputError
from validkit.stats.known_limits import told_of_limits
from validkit.stats.results import Record

MOST_PATIENTS = 1_000_000_000
P = ParamSpec("P")
R = TypeVar("R")

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


def _rows(bad: NDArray[np.bool_], values: Any = None, shown: int = 5) -> str:
    rows = np.flatnonzero(bad)
    named = ", ".join(f"{r}" if values is None else f"{r} ({values[r]!s})" for r in rows[:shown])
    more = f" and {rows.size - shown} more" if rows.size > shown else ""
    return f"row{'s' if rows.size > 1 else ''} {named}{more}"


def as_float(values: ArrayLike, name: str, *, ndim: int = 1) -> FloatArray:
    """A float64 array with `ndim` dimensions; what cannot be a number is an error, what is missing becomes NaN."""
    if type(values) is np.ndarray and values.dtype == np.float64 and values.ndim == ndim and values.size:
        return values
    source: Any = values
    if getattr(getattr(source, "dtype", None), "kind", "") in ("m", "M"):
        raise InputError(f"`{name}` must hold numbers; it holds dates or times")
    if isinstance(source, np.ma.MaskedArray):
        source = np.ma.filled(source.astype(np.float64), np.nan)
    elif hasattr(source, "to_numpy"):
        try:
            source = source.to_numpy(dtype=np.float64, na_value=np.nan)
        except TypeError:  # polars and others without na_value
            source = source.to_numpy()
        except (OverflowError, ValueError) as error:
            raise InputError(f"`{name}` must hold numbers ({error})") from error
    try:
        raw = np.asarray(source)
        if raw.dtype.kind not in "buifO" or (raw.dtype == object and any(isinstance(v, str) for v in raw.flat)):
            raise TypeError(f"it holds {'text' if raw.dtype.kind in 'UOT' else raw.dtype}")
        array = np.asarray(raw, dtype=np.float64)
    except (OverflowError, TypeError, ValueError) as error:
        raise InputError(f"`{name}` must hold numbers, in rows of one length ({error})") from error
    if array.ndim != ndim:
        raise InputError(f"`{name}` must have {ndim} dimension{'s' if ndim > 1 else ''}; its shape is {array.shape}")
    if array.size == 0:
        raise InputError(f"`{name}` is empty; a statistic needs at least one patient")
    return array


def as_models(probs: ArrayLike, name: str = "probs") -> FloatArray:
    """(k, n) float64 predictions of k models; one model may be given as (n,)."""
    try:
        one = np.ndim(probs) == 1
    except ValueError:  # rows of unlike lengths, which the next line refuses
        one = False
    return np.atleast_2d(as_float(probs, name, ndim=1 if one else 2))


def check_outcome(y_true: ArrayLike, name: str = "y_true") -> IntArray:
    """The outcome as integers: 1 is the event, 0 is not; anything else is an error that names the rows."""
    y = as_float(y_true, name)
    if ((y == 0) | (y == 1)).all():
        return y.astype(np.int64)
    missing = np.isnan(y)
    if missing.any():
        raise InputError(
            f"`{name}` is missing for {missing.sum()} of {y.size} patients ({_rows(missing)}); "
            "leave those patients out, from the predictions too, and report how many"
        )
    bad = (y != 0) & (y != 1)
    raise InputError(
        f"`{name}` must be 0 or 1, 1 being the event; {bad.sum()} of {y.size} values are not "
        f"(first: {_rows(bad, y, 3)})"
    )


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
    if not np.isfinite(score).all():
        _check_finite(score, name)
    return score


def check_risk(y_prob: ArrayLike, name: str = "y_prob") -> FloatArray:
    """Predicted risks: finite and within [0, 1]."""
    risk = as_float(y_prob, name)
    if risk.min() >= 0 and risk.max() <= 1:  # neither holds with NaN
        return risk
    _check_finite(risk, name)
    bad = (risk < 0) | (risk > 1)
    first = int(np.flatnonzero(bad)[0])
    raise InputError(
        f"`{name}` must lie in [0, 1]; {bad.sum()} of {risk.size} values do not "
        f"(first: row {first}, {risk[first]:.6g}); percentages and log odds are not risks"
    )


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
    if isinstance(threshold, bool) or not isinstance(threshold, (int, float, np.number)):
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
    if not (array.min() >= 0 and array.max() <= 1):  # neither holds with NaN
        raise InputError(f"`{name}` must lie in [0, 1]; they run from {array.min():g} to {array.max():g}")
    decimal = np.round(array, 10)
    residue = array - decimal
    settled = np.where((residue > 0) & (residue <= 4 * np.spacing(array)), decimal, array)
    if (settled[1:] <= settled[:-1]).any():
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


def absent_class(n_events: int, n: int) -> str:
    """The note of a statistic that needs both outcomes where one is absent; empty where both are there."""
    return {0: "undefined: no event", n: "undefined: no non-event"}.get(n_events, "")


# --- incomplete patients and frequency weights ------------------------------------------------


def patients(*arguments: str | tuple[str, ...]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Give a statistic its `missing` and `weights` arguments; the function itself sees complete, unweighted patients.

    arguments : names of the arguments with one entry a patient, along their last axis; a tuple for each sample where a
    function compares two samples

    missing : "error" (a missing value is an error that names its rows) or "complete-case": patients with a missing
        value in any of the arguments are left out, and the result counts them in `n_missing` and in its note
    weights : frequency weights, whole numbers; patient i stands for weights[i] patients, and 0 leaves the patient out.
        Every count and standard error is that of the patients written out one by one.
    """
    samples = [names if isinstance(names, tuple) else (names,) for names in arguments]
    if not any(isinstance(names, tuple) for names in arguments):
        samples = [tuple(str(name) for name in arguments)]

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def with_patients(*args: P.args, **kwargs: P.kwargs) -> R:
            weights, missing = kwargs.pop("weights", None), str(kwargs.pop("missing", "error"))
            if missing == "error" and weights is None:
                return cast(R, told_of_limits(function(*args, **kwargs), function.__name__))
            check_choice(missing, ("error", "complete-case"), "missing")
            bound = signature.bind(*args, **kwargs)
            left_out, total = 0, 0
            for names in samples:
                given = {name: bound.arguments[name] for name in names if bound.arguments.get(name) is not None}
                ready, dropped, size = _ready(given, weights, missing)
                bound.arguments.update(ready)
                left_out, total = left_out + dropped, total + size
            result = cast(R, told_of_limits(function(*bound.args, **bound.kwargs), function.__name__))
            return _counted(result, left_out, total) if left_out else result

        return with_patients

    return decorate


def _ready(given: Mapping[str, Any], weights: Any, missing: str) -> tuple[dict[str, Any], int, int]:
    """The arguments of one sample, complete and written out by weight; how many patients were left out, of how many."""
    names = list(given)
    for other in names[1:]:
        _check_same_patients(given[names[0]], given[other], (names[0], other))
    arrays = {name: _plain_array(value, name) for name, value in given.items()}
    sizes = {array.shape[-1] for array in arrays.values()}
    if len(sizes) != 1:
        listed = ", ".join(f"`{name}` has {array.shape[-1]}" for name, array in arrays.items())
        raise InputError(f"the arguments must be of the same patients: {listed}")
    n = sizes.pop()
    if n == 0:
        raise InputError(f"`{names[0]}` is empty; a statistic needs at least one patient")
    absent = np.zeros(n, dtype=bool)
    if missing == "complete-case":
        for array in arrays.values():
            absent |= _missing_patients(array)
    if absent.all():
        raise InputError(f"all {n} patients miss {' or '.join(f'`{name}`' for name in names)}: nobody is left")
    times = np.where(absent, 0, 1 if weights is None else check_frequencies(weights, n))
    if weights is not None and not times.any():
        raise InputError("`weights` leave no patient: all are 0")
    return {name: np.repeat(array, times, axis=-1) for name, array in arrays.items()}, int(absent.sum()), n


def _plain_array(value: Any, name: str) -> Any:
    if isinstance(value, np.ma.MaskedArray):
        value = np.ma.filled(value.astype(np.float64), np.nan)
    elif hasattr(value, "to_numpy"):
        numeric = getattr(getattr(value, "dtype", None), "kind", "") in "biuf"
        value = as_float(value, name) if numeric and hasattr(value, "index") else value.to_numpy()
    mixed = isinstance(value, (list, tuple)) and any(isinstance(item, str) for item in value)
    try:
        array = np.asarray(value, dtype=object if mixed else None)  # text beside NaN shall not turn NaN into text
    except ValueError as error:
        raise InputError(f"`{name}` must be an array with one entry a patient ({error})") from error
    if array.ndim == 0:
        raise InputError(f"`{name}` must be an array with one entry a patient, not {value!r}")
    return array


def _missing_patients(array: Any) -> NDArray[np.bool_]:
    if array.dtype.kind == "f":
        missing = np.isnan(array)
    elif array.dtype.kind == "O":
        missing = np.array([is_missing(v) for v in array.ravel()], dtype=bool).reshape(array.shape)
    else:
        missing = np.zeros(array.shape, dtype=bool)
    return np.asarray(missing.reshape(-1, array.shape[-1]).any(axis=0), dtype=bool)


def is_missing(value: Any) -> bool:
    """None, NaN, NaT and pandas' NA: what is missing does not equal itself."""
    unequal = value != value
    return value is None or not (unequal is False or unequal is np.False_)


def check_frequencies(weights: ArrayLike, n: int) -> IntArray:
    """Frequency weights of n patients: whole numbers of at least 0."""
    values = as_float(weights, "weights")
    if values.size != n:
        raise InputError(f"`weights` has {values.size} entries for {n} patients")
    bad = ~(values >= 0) | (values != np.floor(values)) | np.isinf(values)
    if bad.any():
        raise InputError(
            f"`weights` must be frequencies, whole numbers of at least 0; {int(bad.sum())} of {n} are not "
            f"(first: {_rows(bad, values, 3)})"
        )
    if values.sum() > MOST_PATIENTS:
        raise InputError(
            f"`weights` stand for {values.sum():.3g} patients; at most {MOST_PATIENTS:,} can be written out one by one"
        )
    return values.astype(np.int64)


def check_clusters(clusters: Any, n: int) -> IntArray:
    """The cluster of each of n patients, numbered from 0 in the order of the labels, of any kind that can be hashed."""
    plain = clusters.to_numpy() if hasattr(clusters, "to_numpy") else clusters
    try:
        array = np.asarray(plain, dtype=None if isinstance(plain, np.ndarray) else object)
    except ValueError as error:
        raise InputError(f"`clusters` must hold one label for each of {n} patients ({error})") from error
    if array.shape != (n,):
        raise InputError(f"`clusters` must hold one label for each of {n} patients; its shape is {array.shape}")
    labels = array.tolist()
    missing = np.array([is_missing(label) for label in labels], dtype=bool)
    if missing.any():
        raise InputError(f"`clusters` is missing for {int(missing.sum())} of {n} patients ({_rows(missing)})")
    try:
        distinct = set(labels)
        order = (
            sorted(distinct) if len({type(label) for label in distinct}) == 1 else sorted(distinct, key=_kind_and_text)
        )
    except TypeError as error:
        raise InputError(f"`clusters` must hold labels that can be told apart ({error})") from error
    number = {label: k for k, label in enumerate(order)}
    return np.array([number[label] for label in labels], dtype=np.int64)


def _kind_and_text(label: Any) -> tuple[str, str]:
    return type(label).__name__, repr(label)


def _counted(result: R, left_out: int, total: int) -> R:
    """The result with the count of patients left out in every record that has a place for it."""
    if isinstance(result, Record) and dataclasses.is_dataclass(result):
        names = {field.name for field in dataclasses.fields(result)}
        if {"n_missing", "note"} <= names:
            text = f"{left_out} of {total} patients left out as incomplete (complete case)"
            note = "; ".join(part for part in (getattr(result, "note"), text) if part)  # noqa: B009
            return dataclasses.replace(result, n_missing=left_out, note=note)
        inner = {name: getattr(result, name) for name in names}
        return dataclasses.replace(
            result, **{k: _counted(v, left_out, total) for k, v in inner.items() if _holds_records(v)}
        )
    if isinstance(result, dict):
        return type(result)((key, _counted(value, left_out, total)) for key, value in result.items())
    if isinstance(result, (tuple, list)):
        return type(result)(_counted(value, left_out, total) for value in result)
    raise TypeError(f"{type(result).__name__} has no place for the count of patients left out")


def _holds_records(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_holds_records(item) for item in value.values())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return any(_holds_records(item) for item in value)
    return isinstance(value, Record)
