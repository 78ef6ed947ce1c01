"""How predictors become numeric columns: numbers as they are, categories as columns of 0 and 1 against a reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from validkit.errors import InputError
from validkit.stats.checks import FloatArray

LARGEST = 1e150
KINDS = ("continuous", "ordinal", "categorical", "binary")


@dataclass(frozen=True)
class Coding:
    """The columns of some predictors, as learned from patients.

    levels : for each categorical predictor, its levels with a patient, the reference first; the first declared one
    unseen : declared levels without a patient; such a patient is coded as the reference
    """

    predictors: tuple[str, ...]
    kinds: Mapping[str, str]
    levels: Mapping[str, tuple[str, ...]]
    unseen: Mapping[str, tuple[str, ...]]

    def columns(self, predictor: str) -> tuple[str, ...]:
        """Names of a predictor's columns: its own name, or one "name=level" for each level but the reference."""
        if self.kinds[predictor] != "categorical":
            return (predictor,)
        return tuple(f"{predictor}={level}" for level in self.levels[predictor][1:])

    @property
    def all_columns(self) -> tuple[str, ...]:
        """Names of all columns, in order."""
        return tuple(column for predictor in self.predictors for column in self.columns(predictor))

    def encode(self, data: pd.DataFrame) -> pd.DataFrame:
        """(n, columns) float64 table of these patients; missing values and undeclared levels are errors."""
        check_predictors(data, self.predictors)
        parts: dict[str, FloatArray] = {}
        for name in self.predictors:
            if self.kinds[name] != "categorical":
                parts[name] = numbers(data[name], self.kinds[name])
                continue
            levels = as_levels(data[name])
            known = {*self.levels[name], *self.unseen[name]}
            strange = np.array([level not in known for level in levels], dtype=bool)
            if strange.any():
                raise InputError(
                    f"column {name!r} has the level {str(levels[strange][0])!r} (rows {_rows(data, strange)}), not "
                    f"among {', '.join(sorted(known))}; merge it with one of these or leave these patients out"
                )
            parts |= {f"{name}={level}": (levels == level).astype(np.float64) for level in self.levels[name][1:]}
        return pd.DataFrame(parts, index=data.index, columns=list(self.all_columns), dtype=np.float64)


def learn_coding(
    data: pd.DataFrame, predictors: Sequence[str] | None = None, kinds: Mapping[str, str] | None = None
) -> Coding:
    """The coding of these patients' predictors.

    data : (n, p) numeric columns, and pandas Categorical (or text) columns, whose first level is the reference
    kinds : kind of a predictor, "continuous", "ordinal", "categorical" or "binary"; by default read off its column
    """
    names = tuple(str(c) for c in data.columns) if predictors is None else tuple(predictors)
    check_predictors(data, names)
    chosen = {name: kind_of(data[name], (kinds or {}).get(name)) for name in names}
    levels: dict[str, tuple[str, ...]] = {}
    unseen: dict[str, tuple[str, ...]] = {}
    for name in names:
        if chosen[name] == "categorical":
            declared, present = declared_levels(data[name]), set(as_levels(data[name]))
            levels[name] = tuple(level for level in declared if level in present)
            unseen[name] = tuple(level for level in declared if level not in present)
    return Coding(names, chosen, levels, unseen)


def kind_of(column: pd.Series[Any], declared: str | None = None) -> str:
    """The kind of a column, as declared or else by its type."""
    if declared is not None:
        if declared not in KINDS:
            raise InputError(f"`kinds` has {declared!r} for {column.name!r}; a kind is one of {', '.join(KINDS)}")
        return declared
    if isinstance(column.dtype, pd.CategoricalDtype):
        return "ordinal" if column.dtype.ordered else "categorical"
    if not pd.api.types.is_numeric_dtype(column):
        return "categorical"
    return "binary" if set(column.dropna().unique()) <= {0, 1} else "continuous"


def declared_levels(column: pd.Series[Any]) -> tuple[str, ...]:
    """Levels in order: a Categorical's categories, else the sorted values."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return tuple(_text(level) for level in column.dtype.categories)
    found = list(column.dropna().unique())
    try:
        return tuple(_text(level) for level in sorted(found))
    except TypeError:
        kinds = sorted({type(level).__name__ for level in found})
        raise InputError(
            f"column {column.name!r} mixes {' and '.join(kinds)}, which have no order (first: {found[0]!r}); "
            "make it numbers or text throughout, or a Categorical with its levels in order"
        ) from None


def as_levels(column: pd.Series[Any]) -> NDArray[np.object_]:
    """(n,) names of the levels; None where missing."""
    return np.array([None if pd.isna(value) else _text(value) for value in column], dtype=object)


def numbers(column: pd.Series[Any], kind: str) -> FloatArray:
    """(n,) float64, NaN where missing; an ordinal Categorical as the rank of its level, from 0."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        if kind != "ordinal":
            raise InputError(f"column {column.name!r} is categorical but declared {kind!r}; declare its kind")
        codes = np.asarray(column.cat.codes, dtype=np.float64)
        return np.where(codes < 0, np.nan, codes)
    if not pd.api.types.is_numeric_dtype(column):
        raise InputError(f"column {column.name!r} does not hold numbers but is declared {kind!r}")
    values = np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64)
    far = np.isfinite(values) & (np.abs(values) > LARGEST)
    if far.any():
        raise InputError(
            f"column {column.name!r} holds {values[far][0]:g}, beyond {LARGEST:g}, whose square cannot be computed; "
            "is it a code for a missing value, or in the wrong unit?"
        )
    return values


def check_predictors(data: pd.DataFrame, predictors: Sequence[str], *, missing: bool = False) -> None:
    """Columns that are all there, once each, without infinite and, unless `missing`, without missing values."""
    if not isinstance(data, pd.DataFrame):
        raise InputError(f"predictors must be a pandas DataFrame with one named column each, not {type(data).__name__}")
    if len(data) == 0:
        raise InputError("the table of predictors has no patient")
    for name in predictors:
        if name not in data.columns:
            raise InputError(f"no column {name!r} among the predictors; there are {', '.join(map(str, data.columns))}")
        if list(data.columns).count(name) > 1 or list(predictors).count(name) > 1:
            raise InputError(f"the predictor {name!r} is there twice")
    faults, what = [], "infinite" if missing else "missing or infinite"
    for name in predictors:
        column = data[name]
        bad = np.zeros(len(data), bool) if missing else np.array(column.isna())
        if pd.api.types.is_numeric_dtype(column):
            bad |= np.isinf(np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan)))
        if bad.any():
            where = f"{bad.sum()} of {len(data)} patients (rows {_rows(data, bad)})"
            faults.append(f"column {name!r} is {what} for {where}")
    if faults:
        raise InputError("; ".join(faults) + "; impute or leave these patients out, and report it")


def _rows(data: pd.DataFrame, bad: NDArray[np.bool_]) -> str:
    names = [str(i) for i in data.index[bad][:5]]
    return ", ".join(names) + (", ..." if bad.sum() > 5 else "")


def _text(level: Any) -> str:
    return f"{level:g}" if isinstance(level, (float, np.floating)) else str(level)
