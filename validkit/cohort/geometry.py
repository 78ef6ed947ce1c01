"""Where a pixel grid lies in space, and how an outline is laid on its image without resampling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ALIGNED = 0.999
"""Cosine above which two axes count as parallel (2.6 degrees)."""

NEAR = 0.5
"""Distance, in image pixels, within which two grids count as lying on each other."""

Mask = NDArray[np.bool_]
Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Frame:
    """A 2-D pixel grid in space: LPS axes, millimetres.

    origin : centre of pixel [0, 0]
    down : unit vector along which the row index grows
    right : unit vector along which the column index grows
    spacing : (row, column) distance between pixel centres
    placed : False where the format has no position and the axes are a convention
    """

    origin: Vector = (0.0, 0.0, 0.0)
    down: Vector = (0.0, 1.0, 0.0)
    right: Vector = (1.0, 0.0, 0.0)
    spacing: tuple[float, float] = (1.0, 1.0)
    placed: bool = False

    def at(self, row: float, column: float) -> NDArray[np.float64]:
        """Position of a pixel's centre."""
        down, right = np.asarray(self.down), np.asarray(self.right)
        position: NDArray[np.float64] = self.origin + row * self.spacing[0] * down + column * self.spacing[1] * right
        return position


def physical_reading(
    mask: Mask, outline: Frame, image: Frame, shape: tuple[int, ...]
) -> tuple[Mask, None] | tuple[None, str]:
    """The outline brought onto the image by transposition and flips alone, as the headers say.

    shape : (rows, columns) of the image
    Returns (mask, None), or (None, reason) where the headers ask for more than that.
    """
    cosines = np.array([image.down, image.right]) @ np.array([outline.down, outline.right]).T
    swap = abs(cosines[0, 1]) > abs(cosines[0, 0])
    signs = (cosines[0, 1], cosines[1, 0]) if swap else (cosines[0, 0], cosines[1, 1])
    if min(abs(signs[0]), abs(signs[1])) < ALIGNED:
        return None, "their axes are not parallel"
    oriented = mask.T if swap else mask
    oriented = oriented[:: 1 if signs[0] > 0 else -1, :: 1 if signs[1] > 0 else -1]
    if oriented.shape != shape:
        return None, f"the outline would be {oriented.shape[0]} x {oriented.shape[1]} pixels (rows x columns)"
    if outline.placed and image.placed:
        offset = _corner_offset(mask.shape, outline, image, bool(swap), (signs[0] > 0, signs[1] > 0), shape)
        if offset > NEAR:
            return None, f"the headers place the outline {offset:.1f} image pixels away"
    return np.ascontiguousarray(oriented), None


def _corner_offset(
    size: tuple[int, ...], outline: Frame, image: Frame, swap: bool, forward: tuple[bool, bool], shape: tuple[int, ...]
) -> float:
    """Largest in-plane distance, in image pixels, between corresponding corners of outline and image."""
    axes = np.array([image.down, image.right])
    worst = 0.0
    for far in (False, True):
        ends = [(shape[i] - 1 if far else 0) if forward[i] else (0 if far else shape[i] - 1) for i in (0, 1)]
        row, column = (ends[1], ends[0]) if swap else (ends[0], ends[1])
        here = image.at(shape[0] - 1, shape[1] - 1) if far else image.at(0, 0)
        gap = axes @ (outline.at(row, column) - here) / np.asarray(image.spacing)
        worst = max(worst, float(np.abs(gap).max()))
    return worst
