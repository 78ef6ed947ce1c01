"""A small phantom, and copies of it with a leak planted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from validkit.cohort import Cohort, read_cohort
from validkit.cohort.phantom import write_phantom
from validkit.sections import CohortSpec

PATIENTS = 80
Picture = np.ndarray
Change = Callable[[Picture], Picture]


@dataclass(frozen=True)
class Split:
    name: str
    training: tuple[str, ...]
    held_out: tuple[str, ...]


def _halves(patients: Sequence[str]) -> list[Split]:
    """Two splits: the even train and the odd are held out, and the other way round."""
    even, odd = tuple(patients[::2]), tuple(patients[1::2])
    return [Split("fold 1", even, odd), Split("fold 2", odd, even)]


def spec(**changes: Any) -> CohortSpec:
    settings: dict[str, Any] = {
        "outcome": {"column": "plnm"},
        "site": "site",
        "outlines": {"reader_a": "mask_a"},
        "duplicates": "allow",
        "border": "allow",
        "predictors": {name: {"kind": "continuous"} for name in ("age", "bmi", "rbc", "max_diameter")},
    }
    return CohortSpec.model_validate(settings | changes)


@dataclass
class Folder:
    """A copy of the phantom that a test may spoil."""

    root: Path

    @property
    def table(self) -> pd.DataFrame:
        return pd.read_csv(self.root / "cohort.csv", dtype=str)

    def save(self, table: pd.DataFrame) -> None:
        table.to_csv(self.root / "cohort.csv", index=False)

    def picture(self, patient: str, kind: str = "images") -> Picture:
        return np.asarray(Image.open(self.root / kind / f"{patient}.png"))

    def draw(self, patient: str, pixels: Picture, kind: str = "images") -> None:
        Image.fromarray(np.asarray(pixels, dtype=np.uint8)).save(self.root / kind / f"{patient}.png")

    def copy(self, source: str, target: str, change: Change, both: bool = False) -> None:
        """Give `target` the changed image and the outline (changed too where `both`) of `source`."""
        self.draw(target, change(self.picture(source)))
        mask = self.picture(source, "masks_a")
        self.draw(target, (change(mask) > 127) * 255 if both else mask, "masks_a")

    def mark(self, change: Change, *, events: float, others: float, alternative: Change | None = None) -> None:
        """Change the images of a share of the patients with and without the event, spread evenly."""
        table = self.table
        for value, share in (("1", events), ("0", others)):
            patients = table.loc[table["plnm"] == value, "patient_id"].tolist()
            for place, patient in enumerate(patients):
                marked = int((place + 1) * share) > int(place * share)
                how = change if marked else alternative
                if how is not None:
                    self.draw(patient, how(self.picture(patient).copy()))

    def read(self, **changes: Any) -> Cohort:
        return read_cohort(self.root, spec(**changes))


@pytest.fixture(scope="session")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_phantom(tmp_path_factory.mktemp("audit") / "phantom", patients=PATIENTS, seed=3, engine="sequential")


@pytest.fixture(scope="session")
def clean(phantom: Path) -> Cohort:
    return read_cohort(phantom, spec())


@pytest.fixture
def folder(phantom: Path, tmp_path: Path) -> Folder:
    shutil.copytree(phantom, tmp_path / "cohort")
    return Folder(tmp_path / "cohort")


def _is_json(value: object) -> bool:
    return json.loads(json.dumps(value, allow_nan=False)) == value


@pytest.fixture(scope="session")
def is_json() -> Callable[[object], bool]:
    return _is_json


@pytest.fixture(scope="session")
def split() -> type[Split]:
    return Split


@pytest.fixture(scope="session")
def halves() -> Callable[[Sequence[str]], list[Split]]:
    return _halves
