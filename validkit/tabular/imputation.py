"""Missing predictors filled in from what the training patients show; the outcome is never used.

What is learnt, is learnt by `fit` on training patients. Every patient's own chance comes from the patient's id, so a
held-out patient's values depend on that patient and the training patients alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from validkit.errors import InputError, StageError
from validkit.sections import Imputation
from validkit.tabular.chained import Chain, learn_chain
from validkit.tabular.variables import Codes, codes_of

__all__ = ["Imputer"]


class Imputer(BaseEstimator):
    """Simple imputation, or multiple imputation by chained equations with predictive mean matching.

    setting : the protocol's [imputation]
    kinds, levels : of each column, as declared; levels for categorical and ordinal ones
    random_state : seed; copy k draws from its own stream
    copies : the copies that `fit` learns, 1 to setting.copies where left out

    simple : the median of a continuous column, the (lower) middle level of an ordinal one, the most frequent value of a
    binary or categorical one, the first declared among equals.

    iterative : each column in turn is regressed on all others (Bayesian ridge with drawn coefficients) and a missing
    value is that of one of the five training patients whose predicted mean is nearest; categories are matched on the
    predicted means of their indicators (Little's multivariate form). So a value is always one that a training patient
    has, and what lies beyond all of them is not reached. References: van Buuren, Flexible Imputation of Missing Data
    (2018), sections 3.4 and 4.5; Little, J Bus Econ Stat 6 (1988) 287-296.

    A column without any value among the training patients cannot be learnt: it is left out, see `dropped_`.
    """

    def __init__(
        self,
        setting: Imputation,
        kinds: Mapping[str, str],
        levels: Mapping[str, Sequence[str]],
        random_state: int,
        copies: Sequence[int] | None = None,
    ) -> None:
        self.setting = setting
        self.kinds = kinds
        self.levels = levels
        self.random_state = random_state
        self.copies = copies

    def fit(self, table: pd.DataFrame) -> Imputer:
        """Learn from training patients: (n, c) predictors, indexed by patient, typed as declared."""
        codes = self._codes()
        numbers = codes.numbers(table)
        if not len(numbers):
            raise StageError("imputation has no training patients to learn from")
        missing = np.isnan(numbers)
        self.missing_ = dict(zip(codes.names, missing.sum(axis=0).tolist(), strict=True))
        self.dropped_ = tuple(name for name, count in self.missing_.items() if count == len(table))
        self.kept_ = tuple(name for name in codes.names if name not in self.dropped_)
        self.n_ = len(table)
        self.fill_ = {name: _middle(numbers[:, codes.names.index(name)], codes.kinds[name]) for name in self.kept_}
        self.chains_: dict[int, Chain] = {}
        if self.setting.method == "iterative" and self.kept_:
            copies = range(1, self.setting.copies + 1) if self.copies is None else self.copies
            part = numbers[:, [codes.names.index(name) for name in self.kept_]]
            for copy in copies:
                self.chains_[copy] = learn_chain(
                    part,
                    [codes.kinds[name] for name in self.kept_],
                    [len(codes.levels.get(name, ())) for name in self.kept_],
                    patients=table.index,
                    seed=(self.random_state, copy),
                    iterations=self.setting.iterations,
                )
        return self

    def transform(self, table: pd.DataFrame, copy: int = 1) -> pd.DataFrame:
        """Complete columns of any patients, (n, kept), typed as they came; observed values stay."""
        codes = self._codes()
        kept = list(self.kept_)
        numbers = codes.numbers(table)
        if self.setting.method == "simple":
            for name in kept:
                values = numbers[:, codes.names.index(name)]
                values[np.isnan(values)] = self.fill_[name]
            return codes.table(numbers, kept, table.index)
        if kept and copy not in self.chains_:
            learnt = ", ".join(map(str, self.chains_)) or "none"
            raise InputError(f"copy {copy} of the imputation was not learnt; learnt: {learnt}")
        places = [codes.names.index(name) for name in kept]
        if kept:
            numbers[:, places] = self.chains_[copy].complete(numbers[:, places], table.index)
        return codes.table(numbers, kept, table.index)

    def record(self) -> dict[str, Any]:
        """What was missing among the training patients, how it is filled in, and what could not be."""
        return {
            "method": self.setting.method,
            "n": self.n_,
            "missing": self.missing_,
            "dropped": list(self.dropped_),
            "fill": self.fill_ if self.setting.method == "simple" else None,
            "notes": self.notes(),
        }

    def notes(self) -> list[str]:
        """Columns left out, and columns whose imputation rests on few patients."""
        found = [
            f"{name}: no training patient has a value; the column is left out of this fit" for name in self.dropped_
        ]
        if self.setting.method == "iterative":
            few = max(10, len(self.kept_))
            found += [
                f"{name}: its imputation rests on {self.n_ - self.missing_[name]} of {self.n_} training patients"
                for name in self.kept_
                if self.missing_[name] and self.n_ - self.missing_[name] < few
            ]
        return found

    def _codes(self) -> Codes:
        return codes_of(self.kinds, self.levels)


def _middle(values: np.ndarray, kind: str) -> float:
    """The value that stands for a missing one in simple imputation."""
    seen = values[~np.isnan(values)]
    if kind == "continuous":
        return float(np.median(seen))
    if kind == "ordinal":
        return float(np.quantile(seen, 0.5, method="inverted_cdf"))
    found, counts = np.unique(seen, return_counts=True)
    return float(found[np.argmax(counts)])
