"""Small cohorts as recipes in memory: a table, lesions and the roles of the columns, written to disk when asked."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd
from hypothesis import strategies as st

from validkit.errors import InputError
from validkit.protocol import Protocol
from validkit.sections import CohortSpec
from validkit.testing.images import Format, LesionImage, lesion_images, write_lesion
from validkit.testing.tables import clinical_tables

__all__ = ["CohortOnDisk", "cohorts"]

FOLDER = "images"
"""where images and outlines lie"""


@dataclass(frozen=True, eq=False)
class CohortOnDisk:
    """A cohort in memory. `write` puts it on disk; `validkit.cohort.read_cohort(folder, recipe.spec)` reads it.

    cells : the table as text, the header first
    lesions : one a patient, written as images/NAME.png and images/NAME_outline.png; none in a cohort without images
    roles : the [cohort] section that reads it, as TOML's types
    n, events, sites : patients, events and the names of the sites, of the sound cohort
    what : what is wrong, a key of `HOSTILE_COHORTS`; "" for a sound cohort
    words : each is part of the error that `read_cohort` must raise
    raw : bytes that files are overwritten with at last, by path from the folder; None removes the file
    """

    cells: tuple[tuple[str, ...], ...]
    lesions: tuple[LesionImage, ...]
    roles: Mapping[str, Any]
    n: int
    events: int
    sites: tuple[str, ...]
    what: str = ""
    words: tuple[str, ...] = ()
    raw: Mapping[str, bytes | None] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def table(self) -> pd.DataFrame:
        """The cells as text, with the header as columns."""
        return pd.DataFrame([list(row) for row in self.cells[1:]], columns=list(self.cells[0]), dtype=object)

    @property
    def spec(self) -> CohortSpec:
        """The [cohort] section."""
        return CohortSpec.model_validate(dict(self.roles))

    def protocol(self) -> Protocol:
        """A protocol on this cohort: logistic regression on its predictors, three patients in ten held out."""
        model = {"name": "logistic", "estimator": "sklearn.linear_model.LogisticRegression"}
        return Protocol.model_validate(
            {
                "protocol": {"name": "cohort-on-disk", "question": "Is the cohort read?"},
                "cohort": dict(self.roles),
                "model": {"kind": "estimators", "estimators": [model]},
                "evaluation": {"compare": {"reference": "logistic"}},
            }
        )

    def write(self, folder: Path) -> Path:
        """Write cohort.csv (UTF-8), images and outlines; the folder, made where it is not there."""
        folder.mkdir(parents=True, exist_ok=True)
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows(self.cells)
        (folder / "cohort.csv").write_text(text.getvalue(), encoding="utf-8", newline="")
        for number, lesion in enumerate(self.lesions, start=1):
            write_lesion(lesion, folder / FOLDER, file_name(number), format=format_of(lesion))
        for name, content in self.raw.items():
            if content is None:
                (folder / name).unlink()
            else:
                (folder / name).write_bytes(content)
        return folder

    def __repr__(self) -> str:
        rows = "\n".join(",".join(row) for row in self.cells)
        return f"CohortOnDisk(what={self.what!r}, words={self.words!r}, lesions={list(self.lesions)}, cells:\n{rows})"


def file_name(number: int) -> str:
    """The name, without ending, of a patient's image; patients count from 1."""
    return f"{number:03d}"


def format_of(lesion: LesionImage) -> Format:
    """TIFF for fractions, which PNG cannot hold."""
    return "tiff" if lesion.image.dtype.kind == "f" else "png"


def cohorts(
    *,
    images: bool = True,
    hostile: bool = False,
    what: str = "",
    patients: tuple[int, int] = (4, 12),
    missing: bool = False,
    shape: tuple[int, int] = (24, 64),
) -> st.SearchStrategy[CohortOnDisk]:
    """Small cohorts that `read_cohort` reads, or, hostile ones, must refuse with an InputError.

    images : whether patients have an image and an outline; pictures are PNG and need Pillow alone
    hostile : whether one thing is wrong; `what` narrows it to one key of `HOSTILE_COHORTS`
    patients : fewest and most, at least 4
    missing : whether predictors may lack values, which the protocol then imputes
    shape : fewest and most rows, and columns, of an image
    Raises InputError where an argument is impossible.
    """
    from validkit.testing.hostile_cohorts import HOSTILE_COHORTS, NEED_IMAGES, spoilt

    if what and what not in HOSTILE_COHORTS:
        raise InputError(f"`what` must be one of {', '.join(HOSTILE_COHORTS)}; got {what!r}")
    if what in NEED_IMAGES and not images:
        raise InputError(f"`what` = {what!r} needs images = True")
    if patients[0] < 4:
        raise InputError(f"`patients` must be (fewest, most) with fewest >= 4; got {patients!r}")
    sound = _cohorts(clinical_tables(rows=patients, predictors=(1, 4), missing=missing), images, missing, shape)
    if not (hostile or what):
        return sound
    return spoilt(sound, (what,) if what else [one for one in HOSTILE_COHORTS if images or one not in NEED_IMAGES])


@st.composite
def _cohorts(
    draw: st.DrawFn,
    tables: st.SearchStrategy[pd.DataFrame],
    images: bool,
    missing: bool,
    shape: tuple[int, int],
) -> CohortOnDisk:
    table = draw(tables)
    roles = _roles(table, images, missing)
    columns: dict[str, Sequence[str]] = {str(name): _texts(table[name]) for name in table.columns}
    lesions: tuple[LesionImage, ...] = ()
    if images:
        seed = draw(st.integers(0, 2**31))
        drawn = (draw(lesion_images(shape=shape, seeds=st.just(seed + row))) for row in range(len(table)))
        lesions = tuple(drawn)
        names = [f"{FOLDER}/{file_name(row)}" for row in range(1, len(table) + 1)]
        columns |= {"image": [f"{name}.png" for name in names], "mask": [f"{name}_outline.png" for name in names]}
    cells = (tuple(columns), *zip(*columns.values(), strict=True))
    sites = tuple(sorted(set(table["site"]))) if "site" in table else ()
    return CohortOnDisk(cells, lesions, roles, len(table), int(table["outcome"].sum()), sites)


def _roles(table: pd.DataFrame, images: bool, missing: bool) -> dict[str, Any]:
    roles: dict[str, Any] = {"kind": "images" if images else "table", "outcome": {"column": "outcome"}}
    if "site" in table:
        roles["site"] = "site"
    if images:
        roles["outlines"] = {"reader_a": "mask"}
    if missing:
        roles["missing"] = "impute"
    roles["predictors"] = {name: variable.role() for name, variable in table.attrs["variables"].items()}
    return roles


def _texts(column: pd.Series) -> list[str]:
    """Cells as a spreadsheet writes them; empty where there is no value."""
    return ["" if pd.isna(value) else f"{value:g}" if isinstance(value, float) else str(value) for value in column]
