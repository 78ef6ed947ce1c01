"""What only shows across patients: equal images, files with two uses, mixtures of scanners and formats."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import pandas as pd

from validkit.cohort.columns import Findings
from validkit.cohort.inspection import Inspection
from validkit.cohort.table import cells, is_missing
from validkit.sections import CohortSpec


def check_across(frame: pd.DataFrame, looked: Sequence[Inspection], spec: CohortSpec, found: Findings) -> None:
    """Add every fault and note that needs more than one patient to be seen."""
    if spec.kind == "table":
        return
    _check_same_images(looked, spec, found)
    _check_shared_files(frame, spec, found)
    for role, column in spec.outlines.items():
        if role != spec.primary and column in frame and len(frame) and frame[column].map(is_missing).all():
            found.fault(
                "missing-value",
                None,
                column,
                f"no patient has an outline by {role!r}",
                "fill the column, or remove the role from cohort.outlines",
            )
    by_note: dict[str, list[str]] = defaultdict(list)
    for one in looked:
        patient = found.patients[one.row]
        for note in one.notes:
            by_note[note].append(patient)
        masks: dict[str, list[str]] = defaultdict(list)
        for column, digest in one.masks.items():
            masks[digest].append(column)
        for same in masks.values():
            if len(same) > 1:
                by_note[f"outlines in columns {', '.join(map(repr, same))} are identical"].append(patient)
    found.notes += [f"{note}: {_who(patients, len(looked))}" for note, patients in by_note.items()]
    found.notes += _mixtures([one.info for one in looked if one.info is not None])


def _check_same_images(looked: Sequence[Inspection], spec: CohortSpec, found: Findings) -> None:
    first: dict[str, int] = {}
    for one in looked:
        if one.info is None:
            continue
        earlier = first.setdefault(one.info["sha256"], one.row)
        if earlier == one.row:
            continue
        text = f"the image is identical to that of patient {found.patients[earlier]!r} (row {earlier})"
        if spec.duplicates == "allow":
            found.notes.append(f"row {one.row}, patient {found.patients[one.row]!r}: {text}")
        else:
            found.fault(
                "image-twice",
                one.row,
                spec.image,
                text,
                'correct the path or remove one patient; cohort.duplicates = "allow" accepts them with a note',
            )


def _check_shared_files(frame: pd.DataFrame, spec: CohortSpec, found: Findings) -> None:
    """An outline file that serves two patients, two readers, or is also an image."""
    use: dict[str, tuple[int, str]] = {}
    for column in (spec.image, *spec.outlines.values()):
        if column not in frame:
            continue
        for row, text in cells(frame[column]):
            if is_missing(text):
                continue
            at, by = use.setdefault(plain_path(text), (row, column))
            if (at, by) == (row, column) or (column == by == spec.image):
                continue  # one image under two patients is told by its content
            found.fault(
                "file-shared",
                row,
                column,
                f"{text!r} is already used in row {at}, column {by!r}",
                "give every outline a file of its own",
            )


def plain_path(text: str) -> str:
    """A path as written, with forward slashes and without "./"."""
    return str(PurePosixPath(text.replace("\\", "/")))


def _who(patients: Sequence[str], total: int) -> str:
    shown = ", ".join(patients[:3]) + (", ..." if len(patients) > 3 else "")
    return f"{len(patients)} of {total} patients ({shown})"


def _mixtures(infos: Sequence[Mapping[str, Any]]) -> list[str]:
    """What differs between images and moves features without any biology."""
    notes = []
    total = len(infos)
    without = sum(pd.isna(info["row_mm"]) for info in infos)
    if without:
        notes.append(f"images: no pixel spacing in {without} of {total} files; sizes of lesions are in pixels there")
    spacings = {(round(i["row_mm"], 4), round(i["column_mm"], 4)) for i in infos if not pd.isna(i["row_mm"])}
    if len(spacings) > 1:
        notes.append(f"images: {len(spacings)} different pixel spacings")
    if any(abs(row - column) > 0.01 * row for row, column in spacings):
        notes.append("images: some pixels are not square")
    for key, what in (("bits", "bits a pixel"), ("format", "formats")):
        values = sorted({str(info[key]) for info in infos})
        if len(values) > 1:
            notes.append(f"images: different {what} ({', '.join(values)})")
    return notes
