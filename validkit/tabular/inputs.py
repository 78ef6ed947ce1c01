"""What a model on a table sees of some patients: predictors, who belongs together, predictions made elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from validkit.errors import InputError
from validkit.samples import distinct_names

__all__ = ["TableInputs"]


@dataclass(frozen=True, eq=False)
class TableInputs:
    """Predictors of some patients; no outcome.

    predictors : (n, c), indexed by patient, typed as `validkit.cohort` gives them: continuous float64, binary 0.0 or
        1.0, ordinal the level's place from 0.0, categorical pandas.Categorical; NaN is a missing value
    groups : (n,) int; patients with the same code belong together and no fold separates them
    given : (n, m) columns of predicted risks made elsewhere, where there are any
    """

    predictors: pd.DataFrame
    groups: np.ndarray
    given: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        n = len(self.predictors)
        if np.shape(self.groups) != (n,):
            raise InputError(f"`groups` must hold one code a patient, shape ({n},); got {np.shape(self.groups)}")
        twice = self.patients[self.patients.duplicated()]
        if len(twice):
            raise InputError(f"patient {twice[0]!r} has two rows in `predictors`; ids must differ")
        if self.given is not None and not self.given.index.equals(self.predictors.index):
            raise InputError("`given` must have the patients of `predictors`, in the same order")

    @property
    def patients(self) -> pd.Index:
        """Patient ids, in order."""
        return self.predictors.index

    def take(self, patients: Sequence[str] | pd.Index) -> TableInputs:
        """The inputs of these patients, in the given order.

        An id may be repeated (a bootstrap sample): its copies are named "P1", "P1#2", "P1#3" and keep its group, so
        that no inner fold separates them.
        """
        wanted = list(patients)
        rows = self.patients.get_indexer(pd.Index(wanted, dtype=self.patients.dtype))
        unknown = [name for name, row in zip(wanted, rows, strict=True) if row < 0]
        if unknown:
            raise InputError(
                f"{len(unknown)} of {len(wanted)} patients are not in these inputs (first: {unknown[0]!r})"
            )
        return self.rows(rows, names=distinct_names(wanted))

    def rows(self, rows: np.ndarray, names: Sequence[str] | None = None) -> TableInputs:
        """The inputs at these positions, under other names where some are given."""
        index = self.patients[rows] if names is None else pd.Index(names, name=self.patients.name)
        return TableInputs(
            self.predictors.iloc[rows].set_axis(index, axis=0),
            np.asarray(self.groups)[rows],
            None if self.given is None else self.given.iloc[rows].set_axis(index, axis=0),
        )
