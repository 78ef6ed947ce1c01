"""A table of predictors as numbers, and back: what imputation works on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from validkit.errors import InputError

__all__ = ["Codes", "check_table", "codes_of"]


@dataclass(frozen=True)
class Codes:
    """How a table becomes numbers: kinds and levels of its columns, in order.

    A categorical column is its level's place, others are their own numbers; NaN is a missing value.
    """

    kinds: Mapping[str, str]
    levels: Mapping[str, tuple[str, ...]]

    @property
    def names(self) -> list[str]:
        """The columns, in order."""
        return list(self.kinds)

    def numbers(self, table: pd.DataFrame) -> np.ndarray:
        """(n, c) float64."""
        check_table(table, self.kinds, self.levels)
        found = np.empty((len(table), len(self.kinds)))
        for j, name in enumerate(self.kinds):
            column = table[name]
            if self.kinds[name] == "categorical":
                codes = column.cat.codes.to_numpy()
                found[:, j] = np.where(codes < 0, np.nan, codes)
            else:
                found[:, j] = column.to_numpy(dtype=np.float64)
        return found

    def table(self, numbers: np.ndarray, names: Sequence[str], index: pd.Index) -> pd.DataFrame:
        """The named columns of (n, c) numbers without missing values, typed as they came."""
        found = {}
        for name in names:
            values = numbers[:, self.names.index(name)]
            if self.kinds[name] == "categorical":
                found[name] = pd.Series(
                    pd.Categorical.from_codes(values.astype(np.int64), categories=pd.Index(self.levels[name])),
                    index=index,
                )
            else:
                found[name] = pd.Series(values, index=index)
        return pd.DataFrame(found, index=index, columns=list(names))


def codes_of(kinds: Mapping[str, str], levels: Mapping[str, Sequence[str]]) -> Codes:
    """The codes of declared columns."""
    return Codes(dict(kinds), {name: tuple(values) for name, values in levels.items()})


def check_table(table: pd.DataFrame, kinds: Mapping[str, str], levels: Mapping[str, Sequence[str]]) -> None:
    """A table typed as declared; else an InputError that names the first column and what came."""
    if not isinstance(table, pd.DataFrame):
        raise InputError(f"predictors must be a pandas DataFrame, one row a patient; got {type(table).__name__}")
    for name, kind in kinds.items():
        if name not in table:
            raise InputError(f"the table has no column {name!r}; it has {', '.join(map(str, table.columns)) or 'none'}")
        column = table[name]
        if kind == "categorical":
            _check_levels(column, name, levels[name])
            continue
        if not pd.api.types.is_numeric_dtype(column.dtype):
            raise InputError(f"column {name!r} ({kind}) must hold float64 numbers; it holds {column.dtype}")
        infinite = np.flatnonzero(np.isinf(column.to_numpy(dtype=np.float64)))
        if infinite.size:
            raise InputError(f"column {name!r} is infinite for patient {column.index[infinite[0]]!r}")


def _check_levels(column: pd.Series, name: str, levels: Sequence[str]) -> None:
    if not isinstance(column.dtype, pd.CategoricalDtype):
        raise InputError(f"column {name!r} (categorical) must be pandas.Categorical; it holds {column.dtype}")
    came = [str(level) for level in column.cat.categories]
    if came != list(levels):
        raise InputError(f"column {name!r}: its categories are {', '.join(came)}; declared are {', '.join(levels)}")
