"""A cohort that was read and checked: patients, outcome, predictors, and where images and outlines lie."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from validkit.cohort.faults import CohortError, Fault, ImageError
from validkit.cohort.images import Colour
from validkit.cohort.lesions import Alignment, Lesion, read_lesion
from validkit.cohort.outlines import Border, Pieces
from validkit.cohort.paths import changed_file
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
    """Patients in the order of the table. Every table here is indexed by patient id (text).

    outcome : int8, 1 = event as the protocol declares it
    site, group, device : text, or None where no column is declared; date : datetime64[s], the day, or None
    groups : int64 label; patients with one label belong together and no split separates them
    predictors : continuous float64; binary 0.0/1.0; ordinal the level's place from 0.0; categorical pandas
        Categorical; NaN where a value is missing and the protocol imputes
    extra : float64 in [0, 1], the columns of predictions that were asked for, or None
    images : Path of each image; None, as outlines and image_info are, for a table
    outlines : role -> Path, None where that reader drew none; the first column is the primary outline
    image_info : width, height, row_mm, column_mm (NaN where unknown), bits, format, scanner, sha256 of the grey values
    excluded : (patient, reason)
    synthetic : True where phantom.json marks the folder as simulated
    digest : SHA-256 over the table and every file it names; the same wherever the folder lies
    files : SHA-256 of the table and of every file it names, by path from `folder`
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
    groups: pd.Series
    predictors: pd.DataFrame
    images: pd.Series | None = None
    outlines: pd.DataFrame | None = None
    image_info: pd.DataFrame | None = None
    group: pd.Series | None = None
    date: pd.Series | None = None
    device: pd.Series | None = None
    extra: pd.DataFrame | None = None
    excluded: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    reading: Reading = Reading()
    files: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.patients)

    def __repr__(self) -> str:
        kind = "synthetic cohort" if self.synthetic else "cohort"
        return f"<{kind} {self.name!r}: {len(self)} patients, {int(self.outcome.sum())} events>"

    @property
    def primary(self) -> str:
        """Role of the outline that the model is built on."""
        return str(self.pictures()[1].columns[0])

    def take(self, patients: Iterable[str]) -> Cohort:
        """The cohort of these patients, in this order; labels in `groups` stay those of the whole cohort.

        Its digest is that of the whole cohort and the patients taken; all patients in order give the cohort itself.
        """
        chosen = tuple(patients)
        known = set(self.patients)
        for patient in chosen:
            if patient not in known:
                raise self._stranger(patient)
        if len(set(chosen)) != len(chosen):
            twice = next(p for p in chosen if chosen.count(p) > 1)
            raise InputError(f"patients must be distinct; {twice!r} is named twice")
        if chosen == self.patients:
            return self
        rows = list(chosen)
        indexed = ("outcome", "site", "groups", "predictors", "images", "outlines", "image_info")
        tables = {name: getattr(self, name) for name in (*indexed, "group", "date", "device", "extra")}
        parts: dict[str, Any] = {name: None if table is None else table.loc[rows] for name, table in tables.items()}
        digest = hashlib.sha256("\n".join((self.digest, *chosen)).encode()).hexdigest()
        return replace(self, patients=chosen, digest=digest, **parts)

    def missing_table(self) -> pd.DataFrame:
        """How many patients lack each predictor: columns predictor, site, n, missing; the outcome is not looked at.

        The rows with site "" count all patients; one row a site follows where sites are declared.
        """
        lacking = self.predictors.isna()
        parts = [("", lacking)]
        if self.site is not None:
            parts += [(str(site), lacking.loc[rows]) for site, rows in self.site.groupby(self.site).groups.items()]
        rows = [
            {"predictor": name, "site": site, "n": len(part), "missing": int(part[name].sum())}
            for name in lacking.columns
            for site, part in parts
        ]
        return pd.DataFrame(rows, columns=["predictor", "site", "n", "missing"])

    @property
    def for_models(self) -> pd.DataFrame:
        """(n, c) predictors in the order of their names: a protocol's keys have none, so no number may depend on it."""
        return self.predictors[sorted(map(str, self.predictors.columns))]

    def verify(self) -> None:
        """Raise CohortError naming every file that vanished or changed since the cohort was read."""
        faults = []
        for name, digest in self.files.items():
            if (wrong := changed_file(self.folder / name, digest)) is not None:
                faults.append(self._fault(wrong, None))
        if faults:
            raise CohortError(self.folder, faults)

    def lesion(self, patient: str, role: str | None = None) -> Lesion:
        """Pixels, mask and spacing of one patient's lesion by the outline of `role` (default: the primary).

        Raises CohortError, naming patient and file, where one of the two files vanished, changed since the cohort was
        read, or cannot be read.
        """
        images, outlines = self.pictures()
        role = self.primary if role is None else role
        if patient not in images.index:
            raise self._stranger(patient)
        if role not in outlines.columns:
            raise InputError(f"there is no outline {role!r}; declared: {', '.join(outlines.columns)}")
        image: Path = images[patient]
        path: Path | None = outlines[role][patient]
        if path is None:
            raise InputError(f"patient {patient!r} has no outline by {role!r}")
        how = self.reading
        for file in (image, path):
            if (wrong := changed_file(file, self.files.get(self._written(file)))) is not None:
                raise CohortError(self.folder, [self._fault(wrong, patient)])
        try:
            return read_lesion(
                image,
                path,
                alignment=how.alignment,
                label=how.label,
                colour=how.colour,
                pieces=how.pieces,
                border=how.border,
            )
        except ImageError as error:
            raise CohortError(self.folder, [self._fault(error, patient)]) from error

    def sources(self, patient: str, role: str | None = None) -> tuple[str, str]:
        """SHA-256 of a patient's image file, and of the file with the outline of `role` (default: the primary)."""
        images, outlines = self.pictures()
        files = images[patient], outlines[self.primary if role is None else role][patient]
        image, outline = (self.files[self._written(file)] for file in files)
        return image, outline

    def pictures(self) -> tuple[pd.Series, pd.DataFrame]:
        """(images, outlines) of a cohort with images; an InputError for a table."""
        if self.images is None or self.outlines is None:
            raise InputError(f'{self.name!r} is a table: it has no images; declare cohort.kind = "images" to read them')
        return self.images, self.outlines

    def _written(self, file: Path) -> str:
        return file.relative_to(self.folder).as_posix()

    def _stranger(self, patient: str) -> InputError:
        return InputError(f"patient {patient!r} is not in the cohort{nearest(str(patient), self.patients)}")

    @staticmethod
    def _fault(error: ImageError, patient: str | None) -> Fault:
        return Fault(error.code, None, patient, None, error.message, error.mend)
