"""The bank of a cohort: cut once, side by side, and kept among the cached measurements."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path

from validkit.cohort import Cohort
from validkit.engine import Reporter, map_tasks
from validkit.errors import InputError
from validkit.plnm.deep.bank import SCHEMA, ImageBank, join_banks
from validkit.plnm.deep.cutting import build_bank
from validkit.store import Store, digest

CHUNK = 64
"""patients whose crops are cut in one task"""


def cohort_bank(
    data: Cohort, *, image_size: int, margin: float, cache: Path, engine: str, reporter: Reporter | None
) -> ImageBank:
    """The crops of all patients by their primary outline, in the cohort's order.

    cache : folder; the bank lies in its `banks/` under a digest of the images' and outlines' files, of how they are
        read, and of its geometry, so that one that was cut before is opened without reading an image
    """
    made_of = digest(
        "bank of a cohort", SCHEMA, [data.sources(p) for p in data.patients], asdict(data.reading), image_size, margin
    )
    store = Store(cache / "banks")
    if store.read(made_of, made_of) is None:
        chunks = [data.patients[start : start + CHUNK] for start in range(0, len(data), CHUNK)]
        cut = partial(_cut, data=data, image_size=image_size, margin=margin)
        parts = map_tasks(cut, chunks, engine=engine, label="cutting lesions out", reporter=reporter)
        bank = join_banks(parts) if parts else build_bank([], image_size=image_size, margin=margin)
        try:
            store.write(made_of, made_of, bank.to_files())
        except InputError as error:
            raise InputError(f"{error}; set VALIDKIT_CACHE to a folder that can be written") from error
    return ImageBank.from_folder(cache / "banks" / made_of, check=False)


def _cut(patients: tuple[str, ...], *, data: Cohort, image_size: int, margin: float) -> ImageBank:
    return build_bank((data.lesion(patient)[:2] for patient in patients), image_size=image_size, margin=margin)
