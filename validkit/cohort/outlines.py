"""Reading one outline: which pixels belong to the lesion, and whether that is one lesion with an inside."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from validkit.cohort.decoded import grey
from validkit.cohort.faults import ImageError
from validkit.cohort.geometry import Frame, Mask
from validkit.cohort.images import decode, detect_format

Pieces = Literal["refuse", "largest"]
Border = Literal["refuse", "allow"]

MINIMUM = 9
"""Fewest pixels of an outline: texture matrices of fewer are empty or fail in PyRadiomics."""

HOLES = "an outline has holes"
LARGEST = "an outline had more than one piece: its largest was kept"
TOUCHES = "an outline touches the image border"


@dataclass(frozen=True, eq=False)
class Outline:
    """One outline as a mask on its own grid.

    mask : (rows, columns) bool, True inside
    values : the values the file held, in order
    """

    mask: Mask
    values: tuple[float, ...]
    format: str
    notes: tuple[str, ...] = ()
    frame: Frame = field(default_factory=Frame)


def read_outline(path: Path | str, *, label: int | None = None) -> Outline:
    """Read one outline.

    label : the value that marks the lesion; None accepts exactly two values, 0 and any other (1, 255, ...)
    Raises ImageError: JPEG, colour, soft edges, several labels and no `label`, or `label` not there.
    """
    path = Path(path)
    if detect_format(path) == "JPEG":
        raise ImageError(
            "format", "the outline is a JPEG file, whose compression blurs its edge", "export the outline as PNG"
        )
    decoded = decode(path)
    pixels, notes = grey(decoded, "refuse", "outline")
    values = np.unique(pixels)
    mask = _inside(pixels, values, label)
    shown = tuple(float(v) for v in values[:256])
    return Outline(mask, shown, decoded.format, decoded.notes + notes, decoded.frame)


def _inside(pixels: NDArray[Any], values: NDArray[Any], label: int | None) -> Mask:
    if not np.isfinite(values).all() or (values != np.rint(values)).any():
        raise ImageError(
            "outline-values",
            f"the outline holds fractions or NaN ({_listed(values)})",
            "save it as whole-number labels, 0 outside",
        )
    if label is not None:
        if label not in values and (values != 0).any():
            raise ImageError(
                "outline-label",
                f"no pixel has the declared label {label}; the file holds {_listed(values)}",
                "correct cohort.outline_label, or remove it where outlines hold 0 and one other value",
            )
        return np.asarray(pixels == label)
    if values.size > 8:
        raise ImageError(
            "outline-values",
            f"the outline holds {values.size} values ({_listed(values)}): it is an image or has a soft edge",
            "save the outline as two values, without smoothing, resizing or compression",
        )
    if values.size > 2:
        raise ImageError(
            "outline-values",
            f"the outline holds {values.size} values ({_listed(values)})",
            "set cohort.outline_label to the one that marks the lesion",
        )
    if values.size == 2 and values[0] != 0:
        raise ImageError(
            "outline-values",
            f"the outline holds {_listed(values)}, none of them 0",
            "save it with 0 outside, or set cohort.outline_label",
        )
    return np.asarray(pixels != 0)


def _listed(values: NDArray[Any]) -> str:
    texts = [f"{v:g}" for v in values[:6]]
    return ", ".join(texts) + (", ..." if values.size > 6 else "")


def inspect_mask(
    mask: Mask, *, pieces: Pieces = "refuse", border: Border = "refuse"
) -> tuple[Mask, list[ImageError], list[str]]:
    """The mask to use, everything that is wrong with it, and notes.

    pieces : "refuse" an outline of more than one 8-connected piece, or keep its "largest"
    border : "refuse" an outline with a pixel on the image's edge (the lesion may go on outside), or "allow" it
    """
    if not mask.any():
        return mask, [ImageError("outline-empty", "the outline is empty", "draw it, or find the right file")], []
    if mask.all():
        return mask, [ImageError("outline-covers-all", "every pixel is inside", "find the right file; inverted?")], []
    faults: list[ImageError] = []
    notes: list[str] = []
    box = _box(mask)
    labels, count = ndimage.label(mask[box], structure=np.ones((3, 3)))
    if count > 1:
        sizes = np.bincount(labels.ravel())[1:]
        order = np.argsort(-sizes, kind="stable")
        if pieces == "largest" and sizes[order[0]] > sizes[order[1]]:
            mask = np.zeros_like(mask)
            mask[box] = labels == order[0] + 1
            notes.append(LARGEST)
        else:
            faults.append(_pieces_fault(sizes[order], pieces))
    faults += _thin(mask)
    edge = mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any()
    if edge and border == "allow":
        notes.append(TOUCHES)
    elif edge:
        sides = [name for name, line in _edges(mask) if line.any()]
        faults.append(
            ImageError(
                "outline-border",
                f"the outline touches the {' and '.join(sides)} border: the lesion may go on outside the image",
                'check it; set cohort.border = "allow" to accept such outlines',
            )
        )
    if ndimage.label(np.pad(~mask[box], 1, constant_values=True))[1] > 1:
        notes.append(HOLES)
    return mask, faults, notes


def _box(mask: Mask) -> tuple[slice, slice]:
    """The smallest rectangle that holds every True pixel."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _edges(mask: Mask) -> tuple[tuple[str, Mask], ...]:
    return ("top", mask[0]), ("bottom", mask[-1]), ("left", mask[:, 0]), ("right", mask[:, -1])


def _pieces_fault(sizes: NDArray[np.int64], pieces: Pieces) -> ImageError:
    shown = ", ".join(str(s) for s in sizes[:5]) + (", ..." if sizes.size > 5 else "")
    if pieces == "largest":
        return ImageError(
            "outline-pieces",
            f"the outline has {sizes.size} pieces and no largest one ({shown} pixels)",
            "erase all but one piece",
        )
    return ImageError(
        "outline-pieces",
        f"the outline has {sizes.size} pieces ({shown} pixels)",
        'erase all but one, or set cohort.pieces = "largest"',
    )


def _thin(mask: Mask) -> list[ImageError]:
    """Too few pixels, or nowhere two pixels wide: PyRadiomics fails on both or gives empty textures."""
    count = int(np.count_nonzero(mask))
    if count < MINIMUM:
        noun = "pixel" if count == 1 else "pixels"
        return [
            ImageError("outline-small", f"the outline has {count} {noun}; {MINIMUM} are needed", "check the outline")
        ]
    block = mask[:-1, :-1] & mask[1:, :-1] & mask[:-1, 1:] & mask[1:, 1:]
    if not block.any():
        return [ImageError("outline-line", f"the outline is a line of {count} pixels", "fill the outline")]
    return []
