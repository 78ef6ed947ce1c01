"""One patient's files looked at, in a worker: every fault, note and digest of the image and its outlines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from validkit.cohort.cohort import Reading
from validkit.cohort.faults import ImageError
from validkit.cohort.images import Image, array_digest, read_image
from validkit.cohort.lesions import align
from validkit.cohort.outlines import inspect_mask, read_outline
from validkit.cohort.paths import file_digest, resolve


class FilesOf(NamedTuple):
    """What a worker needs: the cells of one row that name files (column -> path as written)."""

    folder: Path
    row: int
    image_column: str
    image: str
    outlines: tuple[tuple[str, str], ...]
    reading: Reading


@dataclass
class Inspection:
    """What a worker hands back.

    faults : (column, code, message, mend)
    info : a row of Cohort.image_info, or None where the image could not be read
    files : path as written -> SHA-256 of its bytes
    masks : outline column -> SHA-256 of the mask
    """

    row: int
    faults: list[tuple[str, str, str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    info: Mapping[str, Any] | None = None
    files: dict[str, str] = field(default_factory=dict)
    masks: dict[str, str] = field(default_factory=dict)

    def add(self, column: str, error: ImageError) -> None:
        """Record one fault of a column."""
        self.faults.append((column, error.code, error.message, error.mend))


def inspect_patient(task: FilesOf) -> Inspection:
    """Read the image and every outline of one patient and lay them on each other."""
    found = Inspection(task.row)
    image = _inspect_image(task, found)
    for column, text in task.outlines:
        try:
            _inspect_outline(task, column, text, image, found)
        except ImageError as error:
            found.add(column, error)
    return found


def _inspect_image(task: FilesOf, found: Inspection) -> Image | None:
    try:
        path = resolve(task.folder, task.image)
        found.files[task.image] = file_digest(path)
        image = read_image(path, colour=task.reading.colour)
    except ImageError as error:
        found.add(task.image_column, error)
        return None
    row_mm, column_mm = image.spacing or (np.nan, np.nan)
    found.info = {
        "width": image.pixels.shape[1],
        "height": image.pixels.shape[0],
        "row_mm": row_mm,
        "column_mm": column_mm,
        "bits": image.bits,
        "format": image.format,
        "scanner": image.scanner,
        "sha256": image.digest,
    }
    found.notes += [f"images: {note}" for note in image.notes]
    return image


def _inspect_outline(task: FilesOf, column: str, text: str, image: Image | None, found: Inspection) -> None:
    path = resolve(task.folder, text)
    found.files[text] = file_digest(path)
    outline = read_outline(path, label=task.reading.label)
    mask = outline.mask
    if image is not None:
        try:
            mask = align(outline, image, task.reading.alignment)
        except ImageError as error:
            found.add(column, error)
    mask, faults, notes = inspect_mask(mask, pieces=task.reading.pieces, border=task.reading.border)
    for fault in faults:
        found.add(column, fault)
    found.notes += [f"outlines in column {column!r}: {note}" for note in (*outline.notes, *notes)]
    found.masks[column] = array_digest(mask)
    if image is not None and not faults and mask.shape == image.pixels.shape and np.ptp(image.pixels[mask]) == 0:
        found.notes.append(f"outlines in column {column!r}: every pixel inside has one grey value")
