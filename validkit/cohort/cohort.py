"""A cohort that was read and checked: patients, outcome, predictors, and where images and outlines lie."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from validkit.cohort.images import Colour
from validkit.cohort.lesions import Alignment, Lesion, read_lesion
from validkit.cohort.outlines import Border, Pieces
from validkit.cohort.table import nearest
from validkit.errors import InputError


@dataclass(frozen=True)
class Reading:
    """How images and outlines of this cohort are read; the fields of CohortSpec."""

    alignment: Alignment | None = None
    label: int | None = None
    colour: Colour = "refuse"
    pieces: Pieces = "refuse"
    border: Border = "refuse"


@dataclass(frozen=True, eq=False)
class Cohort:
    """Patients in the order of cohort.csv. Every table is indexed by patient id (text).

    outcome : int8, 1 = event as the protocol declares it
    site : text, or None where no column is declared
    predictors : continuous float64; binary 0.0/1.0; ordinal the level's place from 0.0; categorical pandas Categorical
    images : Path of each image
    outlines : role -> Path, None where that reader drew none; the first column is the primary outline
    image_info : width, height, row_mm, column_mm (NaN where unknown), bits, format, scanner, sha256 of the grey values
    excluded : (patient, reason)
    synthetic : True where phantom.json marks the folder as simulated
    digest : SHA-256 over cohort.csv and every file it names; the same wherever the folder lies
    notes : oddities that are no fault, for the report
    """

    folder: Path
    name: str
    description: str
    synthetic: bool
    digest: str
    patients: tuple[str, ...]
    outcome: pd.Series
    site: pd.Series | None
    predictors: pd.DataFrame
    images: pd.Series
    outlines: pd.DataFrame
    image_info: pd.DataFrame
    excluded: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    reading: Reading = Reading()

    def __len__(self) -> int:
        return len(self.patients)

    def __repr__(self) -> str:
        kind = "synthetic cohort" if self.synthetic else "cohort"
        return f"<{kind} {self.name!r}: {len(self)} patients, {int(self.outcome.sum())} events>"

    @property
    def primary(self) -> str:
        """Role of the outline that the model is built on."""
        return str(self.outlines.columns[0])

    def take(self, patients: Iterable[str]) -> Cohort:
        """The cohort of these patients, in this order.

        Its digest is that of the whole cohort and the patients taken; all patients in order give the cohort itself.
        """
        chosen = tuple(patients)
        known = set(self.patients)
        for patient in chosen:
            if patient not in known:
                raise InputError(f"patient {patient!r} is not in the cohort{nearest(str(patient), self.patients)}")
        if len(set(chosen)) != len(chosen):
            twice = next(p for p in chosen if chosen.count(p) > 1)
            raise InputError(f"patients must be distinct; {twice!r} is named twice")
        if chosen == self.patients:
            return self
        rows = list(chosen)
        return replace(
            self,
            patients=chosen,
            digest=hashlib.sha256("\n".join((self.digest, *chosen)).encode()).hexdigest(),
            outcome=self.outcome.loc[rows],
            site=None if self.site is None else self.site.loc[rows],
            predictors=self.predictors.loc[rows],
            images=self.images.loc[rows],
            outlines=self.outlines.loc[rows],
            image_info=self.image_info.loc[rows],
        )

    def lesion(self, patient: str, role: str | None = None) -> Lesion:
        """Pixels, mask and spacing of one patient's lesion by the outline of `role` (default: the primary)."""
        role = self.primary if role is None else role
        if patient not in self.images.index:
            raise InputError(f"patient {patient!r} is not in the cohort{nearest(str(patient), self.patients)}")
        if role not in self.outlines.columns:
            raise InputError(f"there is no outline {role!r}; declared: {', '.join(self.outlines.columns)}")
        image: Path = self.images[patient]
        path: Path | None = self.outlines[role][patient]
        if path is None:
            raise InputError(f"patient {patient!r} has no outline by {role!r}")
        how = self.reading
        return read_lesion(
            image,
            path,
            alignment=how.alignment,
            label=how.label,
            colour=how.colour,
            pieces=how.pieces,
            border=how.border,
        )
