"""What the PLNM model sees of patients: features, repeated readings, clinical columns and lesion crops; no outcome."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from validkit.samples import distinct_names
from validkit.store import digest

if TYPE_CHECKING:
    from validkit.plnm.deep.bank import ImageBank


@dataclass(frozen=True)
class Inputs:
    """What the model sees of some patients; no outcome.

    radiomics : (n, p) features of the primary outline, indexed by patient
    repeats : role of a repeated outline to the features of the patients who have it
    predictors : (n, c) clinical columns, typed as declared
    bank : n lesion crops in the same order
    groups : (n,) number of the group each patient belongs to; no fold separates a group
    originals : (n,) False for the further copies of a patient that a bootstrap sample drew again
    """

    radiomics: pd.DataFrame
    repeats: Mapping[str, pd.DataFrame]
    predictors: pd.DataFrame
    bank: ImageBank
    groups: np.ndarray
    originals: np.ndarray

    @property
    def patients(self) -> pd.Index:
        """Patient ids, in order."""
        return self.radiomics.index

    def take(self, patients: Sequence[str] | pd.Index) -> Inputs:
        """The inputs of these patients, in the given order; a patient named again comes back as "ID#2", ..."""
        wanted = pd.Index(patients)
        rows = self.patients.get_indexer(wanted)
        names = pd.Index(distinct_names(wanted), name=self.patients.name)
        return replace(
            self,
            radiomics=self.radiomics.iloc[rows].set_axis(names),
            predictors=self.predictors.iloc[rows].set_axis(names),
            bank=self.bank.take(rows),
            groups=self.groups[rows],
            originals=self.originals[rows] & ~wanted.duplicated(),
        )

    def at(self, rows: np.ndarray) -> Inputs:
        """The inputs at these positions, names and groups as they are."""
        return replace(
            self,
            radiomics=self.radiomics.iloc[rows],
            predictors=self.predictors.iloc[rows],
            bank=self.bank.take(rows),
            groups=self.groups[rows],
            originals=self.originals[rows],
        )

    def digest(self) -> str:
        """SHA-256 of everything in it."""
        clinical = self.predictors.apply(lambda column: column.astype(str))
        return digest(
            self.radiomics,
            *(part for role in sorted(self.repeats) for part in (role, self.repeats[role])),
            [list(map(str, clinical.columns)), clinical.to_numpy().tolist()],
            self.bank.digest,
            self.groups,
        )

    def restricted(self, columns: Sequence[str], repeats: Mapping[str, Collection[str]]) -> Inputs:
        """The inputs with these radiomic features alone, and repeated readings of these patients alone.

        repeats : role to patients, for the roles whose patients are chosen
        """
        tables = {
            role: table[table.index.isin(list(repeats[role]))] if role in repeats else table
            for role, table in self.repeats.items()
        }
        return replace(self, radiomics=self.radiomics.loc[:, list(columns)], repeats=tables)

    def completed(self, predictors: pd.DataFrame) -> Inputs:
        """The inputs with these clinical columns, row by row."""
        return replace(self, predictors=predictors.set_axis(self.patients))
