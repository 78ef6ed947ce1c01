"""From typed predictors to the numbers that an estimator sees, under names that any estimator accepts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

__all__ = ["Encoding"]


@dataclass(frozen=True)
class Encoding:
    """How predictors become columns; it learns nothing but which of them there are.

    kinds, levels : of the predictors that the estimator sees, in order
    indicators : predictors for which a column says whether the value was missing

    A continuous, binary or ordinal predictor is one column of numbers (an ordinal one its level's place, from 0). A
    categorical one has an indicator for each declared level but the first, its reference, whether or not the level
    occurs; a missing value is missing in all of them.
    """

    kinds: Mapping[str, str]
    levels: Mapping[str, Sequence[str]]
    indicators: tuple[str, ...] = ()

    @property
    def columns(self) -> list[str]:
        """Names of the encoded columns, such as "age", "cp=2", "ca missing"."""
        names: list[str] = []
        for name, kind in self.kinds.items():
            names += [f"{name}={level}" for level in self.levels[name][1:]] if kind == "categorical" else [name]
        return _accepted([*names, *(f"{name} missing" for name in self.indicators)])

    def encode(self, table: pd.DataFrame, raw: pd.DataFrame) -> pd.DataFrame:
        """(n, columns) float64.

        table : the predictors, completed where the estimator needs it; raw : as they came, for the indicators
        """
        parts = []
        for name, kind in self.kinds.items():
            if kind == "categorical":
                codes = table[name].cat.codes.to_numpy()
                marks = (codes[:, None] == np.arange(1, len(self.levels[name]))).astype(np.float64)
                marks[codes < 0] = np.nan
                parts.append(marks)
            else:
                parts.append(table[name].to_numpy(dtype=np.float64)[:, None])
        parts += [raw[name].isna().to_numpy(dtype=np.float64)[:, None] for name in self.indicators]
        values = np.concatenate(parts, axis=1) if parts else np.empty((len(table), 0))
        return pd.DataFrame(values, index=table.index, columns=self.columns)


def _accepted(names: list[str]) -> list[str]:
    """Names without the characters that XGBoost and LightGBM refuse, still distinct."""
    found: list[str] = []
    for name in names:
        plain = re.sub(r'[\[\]<>{}":,]', "_", name)
        while plain in found:
            plain += "_"
        found.append(plain)
    return found
