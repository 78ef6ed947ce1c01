"""An outline drawn on its image, to look at."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from validkit.errors import InputError


def overlay(
    pixels: NDArray[Any], mask: NDArray[np.bool_], *, colour: tuple[int, int, int] = (255, 64, 64)
) -> NDArray[np.uint8]:
    """The image in grey with the outline's innermost ring of pixels in colour.

    pixels : (rows, columns); 8-bit values are shown as they are, others stretched from minimum to maximum
    mask : (rows, columns) bool
    Returns (rows, columns, 3) uint8 RGB.
    """
    pixels, mask = np.asarray(pixels), np.asarray(mask, dtype=bool)
    if pixels.ndim != 2 or pixels.shape != mask.shape:
        raise InputError(f"pixels and mask must be 2-D and of one size; got {pixels.shape} and {mask.shape}")
    ring = mask & ~ndimage.binary_erosion(mask, border_value=0)
    picture = np.repeat(_shown(pixels)[..., None], 3, axis=2)
    picture[ring] = colour
    return picture


def _shown(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    if pixels.dtype == np.uint8:
        return pixels
    values = pixels.astype(np.float64)
    finite = np.isfinite(values)
    if not finite.any():
        return np.zeros(pixels.shape, np.uint8)
    low, high = values[finite].min(), values[finite].max()
    if low >= 0 and high <= 255 and (values[finite] == np.rint(values[finite])).all():
        return np.where(finite, values, 0).astype(np.uint8)
    scaled = 255 * (np.where(finite, values, low) - low) / (high - low or 1.0)
    shown: NDArray[np.uint8] = np.rint(scaled).astype(np.uint8)
    return shown
