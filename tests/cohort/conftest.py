"""A small sound cohort that each test spoils in one way."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as pillow

from validkit.cohort import Cohort, CohortError, Fault, read_cohort
from validkit.sections import CohortSpec

ROWS, COLUMNS = 40, 50
PREDICTORS: dict[str, Any] = {
    "age": {"kind": "continuous", "unit": "years", "range": [18, 100]},
    "smoker": {"kind": "binary"},
    "stage": {"kind": "ordinal", "levels": ["I", "II", "III"]},
    "histology": {"kind": "categorical", "levels": ["squamous", "adeno", "other"]},
}


def save(path: Path, array: np.ndarray, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pillow.fromarray(array).save(path, **options)


class Folder:
    """Eight patients: 8-bit images with one lesion each, two readers, four predictors."""

    def __init__(self, root: Path, patients: int = 8) -> None:
        self.root = root
        self.delimiter, self.encoding, self.header = ",", "utf-8", None
        rng = np.random.default_rng(7)
        self.rows: list[dict[str, str]] = []
        for i in range(patients):
            name = f"{i + 1:03d}"
            save(root / f"images/{name}.png", rng.integers(1, 255, (ROWS, COLUMNS)).astype(np.uint8))
            for reader in "ab":
                save(root / f"masks/{name}_{reader}.png", self.lesion(shift=reader == "b"))
            self.rows.append(
                {
                    "patient_id": name,
                    "event": str(i % 2),
                    "centre": "north" if i < 4 else "south",
                    "age": str(40 + i),
                    "smoker": str(i % 2),
                    "stage": ("I", "II", "III")[i % 3],
                    "histology": ("squamous", "adeno")[i % 2],
                    "image": f"images/{name}.png",
                    "mask_a": f"masks/{name}_a.png",
                    "mask_b": f"masks/{name}_b.png",
                }
            )

    @staticmethod
    def lesion(shift: bool = False, value: int = 255) -> np.ndarray:
        mask = np.zeros((ROWS, COLUMNS), np.uint8)
        mask[10 + shift : 22, 12:30] = value
        return mask

    def image(self, name: str, array: np.ndarray, **options: Any) -> None:
        save(self.root / "images" / name, array, **options)

    def mask(self, name: str, array: np.ndarray, **options: Any) -> None:
        save(self.root / "masks" / name, array, **options)

    def write(self) -> None:
        text = io.StringIO()
        header = list(self.rows[0]) if self.header is None else self.header
        writer = csv.writer(text, delimiter=self.delimiter)
        writer.writerow(header)
        writer.writerows(list(row.values()) for row in self.rows)
        (self.root / "cohort.csv").write_bytes(text.getvalue().encode(self.encoding))

    def spec(self, **changes: Any) -> CohortSpec:
        settings: dict[str, Any] = {
            "outcome": {"column": "event"},
            "site": "centre",
            "outlines": {"a": "mask_a", "b": "mask_b"},
            "predictors": PREDICTORS,
            **changes,
        }
        return CohortSpec.model_validate(settings)

    def read(self, **changes: Any) -> Cohort:
        self.write()
        return read_cohort(self.root, self.spec(**changes))

    def faults(self, **changes: Any) -> tuple[Fault, ...]:
        with pytest.raises(CohortError) as caught:
            self.read(**changes)
        return caught.value.faults

    def fault(self, **changes: Any) -> Fault:
        """The one fault of this cohort."""
        faults = self.faults(**changes)
        assert len(faults) == 1, faults
        return faults[0]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "centre-1")


@pytest.fixture
def save_picture() -> Callable[..., None]:
    return save
