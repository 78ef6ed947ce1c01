"""One image and one of its outlines, laid on each other: what a feature is computed from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from validkit.cohort.faults import ImageError
from validkit.cohort.geometry import Mask, physical_reading
from validkit.cohort.images import Colour, Image, read_image
from validkit.cohort.outlines import Border, Outline, Pieces, inspect_mask, read_outline

Alignment = Literal["index", "physical"]


class Lesion(NamedTuple):
    """pixels (rows, columns) float64, mask (rows, columns) bool, spacing (row, column) in mm or None."""

    pixels: NDArray[np.float64]
    mask: Mask
    spacing: tuple[float, float] | None


def align(outline: Outline, image: Image, alignment: Alignment | None) -> Mask:
    """The outline's mask on the image's grid; never resampled.

    alignment : "index" lays pixel [i, j] on pixel [i, j]; "physical" transposes and flips as the headers say; None
        accepts the outline where both readings agree
    Raises ImageError where sizes differ, where the two readings differ and none is declared, or where the headers ask
    for more than transposition and flips.
    """
    shape = image.pixels.shape
    index = outline.mask if outline.mask.shape == shape else None
    if alignment == "index" or not (outline.frame.placed or image.frame.placed):
        if index is None:
            raise _sizes(outline.mask.shape, shape, "")
        return index
    physical, why = physical_reading(outline.mask, outline.frame, image.frame, shape)
    if alignment == "physical":
        if physical is None:
            raise ImageError(
                "alignment",
                f'the outline cannot be laid on the image as the headers say ("physical"): {why}',
                "export the outline on the image's own grid",
            )
        return physical
    if index is None and physical is None:
        raise _sizes(outline.mask.shape, shape, f"; by the headers, {why}")
    if index is not None and physical is not None and np.array_equal(index, physical):
        return index
    raise ImageError("alignment", _ambiguity(index, physical, why), _MEND)


_MEND = (
    'look at both on the image (validkit.cohort.overlay) and set cohort.mask_alignment = "index" (array order) '
    'or "physical" (headers)'
)


def _ambiguity(index: Mask | None, physical: Mask | None, why: str | None) -> str:
    if physical is None:
        return f"the outline fits the image by array order; by the headers it does not: {why}"
    if index is None:
        return "the outline fits the image as the headers say, but not by array order (its sides are exchanged)"
    dice = 2 * np.count_nonzero(index & physical) / (np.count_nonzero(index) + np.count_nonzero(physical))
    return f"array order and headers put the outline in different places (Dice of the two {dice:.2f})"


def _sizes(outline: tuple[int, ...], image: tuple[int, ...], more: str) -> ImageError:
    return ImageError(
        "size-mismatch",
        f"the image has {image[0]} x {image[1]} pixels (rows x columns), the outline {outline[0]} x {outline[1]}{more}",
        "draw or export the outline at the image's own size",
    )


@contextmanager
def _naming(path: Path | str) -> Iterator[None]:
    """Errors raised inside name the file."""
    name = Path(path).name
    try:
        yield
    except ImageError as error:
        if repr(name) in error.message:
            raise
        raise ImageError(error.code, f"{name!r}: {error.message}", error.mend) from error


def read_lesion(
    image_path: Path | str,
    outline_path: Path | str,
    *,
    alignment: Alignment | None = None,
    label: int | None = None,
    colour: Colour = "refuse",
    pieces: Pieces = "refuse",
    border: Border = "refuse",
) -> Lesion:
    """Read an image and one outline of it, checked as `read_cohort` checks them; the settings are CohortSpec's.

    Raises ImageError with the first thing that is wrong, and in which file.
    """
    with _naming(image_path):
        image = read_image(image_path, colour=colour)
    with _naming(outline_path):
        mask = align(read_outline(outline_path, label=label), image, alignment)
        mask, faults, _ = inspect_mask(mask, pieces=pieces, border=border)
        if faults:
            raise faults[0]
    return Lesion(image.values, mask, image.spacing)
