"""From images and outlines to a bank: one lesion-centred square a patient, resampled to the bank's geometry."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from validkit.errors import InputError
from validkit.plnm.deep.bank import ImageBank, padding_of

Taps = tuple[NDArray[np.intp], NDArray[np.float64]]
PERCENTILES = (0.5, 99.5)
"""darkest and brightest percentile of an image that is not 8-bit, mapped to 0 and 255"""


def build_bank(
    lesions: Iterable[tuple[NDArray[np.float64], NDArray[np.bool_]]], *, image_size: int, margin: float
) -> ImageBank:
    """Cut one crop a lesion and resample it, with its outline, to the bank's geometry.

    lesions : (pixels, mask) pairs: (h, w) finite floats, and (h, w) bool with the lesion True
    image_size : pixels a side of the crop proper, at least 8
    margin : context kept on each side, as a fraction of the crop's side; augmentation by `crop` needs at least `crop`

    The square is as wide as the longer side of the lesion's bounding box and shares its centre. Beyond the image's
    border the nearest pixel is repeated. Resampling is separable and antialiased (triangle filter, as wide as the
    reduction), the outline goes through the same filter and is cut at one half. An image whose values are all whole
    numbers in 0..255 keeps them; any other is mapped linearly from its 0.5th..99.5th percentile to 0..255.
    All faulty lesions are reported together in one InputError.
    """
    if image_size < 8:
        raise InputError(f"`image_size` must be at least 8 pixels; got {image_size}")
    if not 0.0 <= margin <= 1.0:
        raise InputError(f"`margin` must lie in [0, 1]; got {margin}")
    side = image_size + 2 * padding_of(image_size, margin)
    images: list[NDArray[np.uint8]] = []
    masks: list[NDArray[np.bool_]] = []
    faults: list[str] = []
    for row, (pixels, mask) in enumerate(lesions):
        fault = _fault(pixels, mask)
        if fault:
            faults.append(f"row {row}: {fault}")
            continue
        image, outline = _cut(np.asarray(pixels, dtype=np.float64), np.asarray(mask), image_size, side)
        images.append(image)
        masks.append(outline)
    if faults:
        shown = "\n".join(f"  - {fault}" for fault in faults[:20])
        raise InputError(f"{len(faults)} lesions cannot be cropped:\n{shown}")
    shape = (0, side, side)
    return ImageBank(
        np.ascontiguousarray(np.stack(images)) if images else np.zeros(shape, np.uint8),
        np.ascontiguousarray(np.stack(masks)) if masks else np.zeros(shape, np.bool_),
        image_size,
        float(margin),
    )


def _fault(pixels: NDArray[np.float64], mask: NDArray[np.bool_]) -> str | None:
    pixels, mask = np.asarray(pixels), np.asarray(mask)
    if pixels.ndim != 2 or mask.shape != pixels.shape:
        return f"pixels and mask must be two-dimensional and alike; got {pixels.shape} and {mask.shape}"
    if mask.dtype != np.bool_:
        return f"the mask must be bool; got {mask.dtype}"
    if not mask.any():
        return "the outline is empty"
    bad = int(np.count_nonzero(~np.isfinite(pixels)))
    return f"{bad} pixels are not finite" if bad else None


def _cut(
    pixels: NDArray[np.float64], mask: NDArray[np.bool_], image_size: int, side: int
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    spans = [np.flatnonzero(mask.any(axis=1 - axis)) for axis in (0, 1)]
    extents = [(int(span[0]), int(span[-1]) + 1) for span in spans]
    width = max(high - low for low, high in extents)
    step = width / image_size
    taps = [
        _taps((low + high) / 2.0, step, side, length) for (low, high), length in zip(extents, pixels.shape, strict=True)
    ]
    window, taps = _window(taps)
    image = _resample(_eight_bit(pixels)[window], taps)
    outline = _resample(mask[window].astype(np.float64), taps)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8), outline >= 0.5


def _eight_bit(pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    if pixels.min() >= 0 and pixels.max() <= 255 and np.array_equal(pixels, np.rint(pixels)):
        return pixels
    low, high = np.percentile(pixels, PERCENTILES)
    if high <= low:
        return np.zeros_like(pixels)
    stretched: NDArray[np.float64] = np.clip((pixels - low) / (high - low), 0.0, 1.0) * 255.0
    return stretched


def _taps(centre: float, step: float, side: int, length: int) -> Taps:
    """For each of `side` outputs: indices of source pixels and their weights, (side, k) each.

    centre : of the window, in source pixels from the image's edge; step : source pixels an output pixel
    """
    at = centre + (np.arange(side) + 0.5 - side / 2.0) * step
    support = max(step, 1.0)
    first = np.floor(at - support).astype(np.intp)
    index = first[:, None] + np.arange(int(np.ceil(2 * support)) + 2)
    weight = np.clip(1.0 - np.abs(index + 0.5 - at[:, None]) / support, 0.0, None)
    return np.clip(index, 0, length - 1), weight / weight.sum(axis=1, keepdims=True)


def _window(taps: Sequence[Taps]) -> tuple[tuple[slice, slice], list[Taps]]:
    """The part of an image that the taps read, and the taps within it."""
    (top, bottom), (left, right) = ((int(index.min()), int(index.max()) + 1) for index, _ in taps)
    moved = [(index - start, weight) for (index, weight), start in zip(taps, (top, left), strict=True)]
    return (slice(top, bottom), slice(left, right)), moved


def _resample(image: NDArray[np.float64], taps: Sequence[Taps]) -> NDArray[np.float64]:
    """Rows, then columns; a plain sum over taps, so that the bytes depend on no BLAS."""
    for index, weight in taps:
        total = np.zeros((len(index), image.shape[1]))
        part = np.empty_like(total)
        for tap in np.flatnonzero(weight.any(axis=0)):
            np.take(image, index[:, tap], axis=0, out=part, mode="clip")
            part *= weight[:, tap, None]
            total += part
        image = np.ascontiguousarray(total.T)
    return image
