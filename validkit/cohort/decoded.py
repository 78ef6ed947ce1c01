"""What a decoder hands on: the pixels as stored, and what the file says about them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from validkit.cohort.faults import ImageError
from validkit.cohort.geometry import Frame

MAX_PIXELS = 100_000_000
"""Pictures beyond this are refused before they are decoded."""


@dataclass(frozen=True)
class Decoded:
    """One picture as its file holds it.

    pixels : (rows, columns) or (rows, columns, channels), the file's own type
    spacing : (row, column) in mm, or None where the file has none
    bits : bits stored per sample
    """

    pixels: NDArray[Any]
    spacing: tuple[float, float] | None
    bits: int
    format: str
    frame: Frame = field(default_factory=Frame)
    scanner: str = ""
    notes: tuple[str, ...] = ()


def check_size(rows: int, columns: int) -> None:
    """Refuse pictures too large to be one ultrasound image."""
    if rows * columns > MAX_PIXELS:
        raise ImageError(
            "unreadable",
            f"the header announces {rows} x {columns} pixels, more than {MAX_PIXELS}",
            "check the file; export the image at its own size",
        )


def check_finite(pixels: np.ndarray) -> None:
    """Refuse pixels that are NaN or infinite."""
    odd = int(np.count_nonzero(~np.isfinite(pixels)))
    if odd:
        raise ImageError(
            "not-finite",
            f"{odd} of {pixels.size} pixels are NaN or infinite",
            "export the image with a number in every pixel",
        )


def unreadable(format_: str, error: Exception | str) -> ImageError:
    """The error for a file whose content is damaged or incomplete."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    detail = re.sub(r"\(0x[0-9a-f]+\)", "", lines[-1]) if lines else type(error).__name__
    return ImageError(
        "unreadable",
        f"the {format_} file cannot be decoded ({detail[:160]})",
        "open it in a viewer; copy or export it again if it is damaged",
    )


def several(format_: str, count: int, what: str) -> ImageError:
    """The error for a file with more than one picture."""
    return ImageError(
        "multi-frame",
        f"the {format_} file holds {count} {what}; one picture is needed",
        "export the one frame or slice that was outlined",
    )


def grey(decoded: Decoded, colour: str, what: str) -> tuple[NDArray[Any], tuple[str, ...]]:
    """The picture as (rows, columns), and notes on how it came to be grey.

    colour : "refuse", or "luminance" to reduce true colour to 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601)
    what : "image" or "outline", for the message
    """
    pixels = decoded.pixels
    if pixels.ndim == 2:
        return pixels, ()
    channels = pixels.shape[2]
    if channels in (2, 4):
        opaque = 2**decoded.bits - 1
        clear = int(np.count_nonzero(pixels[..., -1] != opaque))
        if clear:
            raise ImageError(
                "transparent",
                f"the {what} has an alpha channel and {clear} of {pixels[..., 0].size} pixels are not opaque",
                "flatten it onto its background and save it without transparency",
            )
        pixels = pixels[..., :-1]
    if pixels.shape[2] not in (1, 3):
        raise ImageError(
            "colour", f"the {what} has {channels} components per pixel", "save it with one grey value per pixel"
        )
    first = pixels[..., 0]
    differs = (pixels != first[..., None]).any(axis=2)
    if not differs.any():
        return np.ascontiguousarray(first), ("stored in colour, all channels equal: read as grey",)
    if colour == "luminance":
        weights = np.array([0.299, 0.587, 0.114])
        return pixels.astype(np.float64) @ weights, ("colour reduced to luminance (BT.601)",)
    row, column = (int(i) for i in np.argwhere(differs)[0])
    share = 100 * differs.mean()
    raise ImageError(
        "colour",
        f"the {what} is in colour: channels differ in {int(differs.sum())} pixels ({share:.2g} %), "
        f"first at row {row}, column {column} of the picture",
        'save it as grey, or set cohort.colour = "luminance"'
        if what == "image"
        else "save the outline as one grey channel: 0 outside, one value inside",
    )
