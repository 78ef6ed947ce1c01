"""The image bank: one lesion-centred square crop a patient, resampled once to 8 bits, with its outline.

The crop proper is the smallest square around the lesion's bounding box, resampled to `image_size` pixels a side. The
bank stores a margin around it, so that augmentation can shift and widen the crop without leaving the stored window.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from validkit.errors import InputError
from validkit.store import digest, dump_arrays, load_arrays, write_bytes

SCHEMA = 1
PERCENTILES = (0.5, 99.5)
"""darkest and brightest percentile of an image that is not 8-bit, mapped to 0 and 255"""


@dataclass(frozen=True, eq=False)
class ImageBank:
    """n lesion crops in one array, ready for a device.

    images : (n, S + 2P, S + 2P) uint8; the crop proper is the central S x S, S = image_size, P = ceil(S * margin)
    masks : (n, S + 2P, S + 2P) bool; the outline at the same geometry
    image_size : pixels a side of the crop proper
    margin : stored context on each side, as a fraction of the crop's side
    """

    images: NDArray[np.uint8]
    masks: NDArray[np.bool_]
    image_size: int
    margin: float

    def __post_init__(self) -> None:
        side = self.image_size + 2 * self.padding
        shape = (len(self.images), side, side)
        for name, array, dtype in (("images", self.images, np.uint8), ("masks", self.masks, np.bool_)):
            if array.dtype != dtype or array.shape != shape:
                raise InputError(
                    f"`{name}` of an image bank with image_size={self.image_size} and margin={self.margin} must be "
                    f"{np.dtype(dtype)} of shape {shape}; got {array.dtype} of shape {array.shape}"
                )

    def __len__(self) -> int:
        return len(self.images)

    @property
    def padding(self) -> int:
        """Pixels of context stored on each side of the crop."""
        return padding_of(self.image_size, self.margin)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of every pixel, outline and the geometry."""
        return digest("image bank", SCHEMA, self.image_size, self.margin, self.images, self.masks)

    def take(self, rows: Sequence[int] | NDArray[np.integer] | NDArray[np.bool_]) -> ImageBank:
        """The bank of these rows, in the given order; rows may repeat."""
        index = np.asarray(rows)
        if index.dtype == bool:
            if index.shape != (len(self),):
                raise InputError(f"a boolean `rows` needs one value per crop ({len(self)}); got shape {index.shape}")
            index = np.flatnonzero(index)
        index = index.astype(np.intp)
        bad = index[(index < 0) | (index >= len(self))]
        if bad.size:
            raise InputError(f"`rows` must lie in 0..{len(self) - 1}; got {bad[0]} ({bad.size} such)")
        return ImageBank(self.images[index], self.masks[index], self.image_size, self.margin)

    def crops(self) -> NDArray[np.uint8]:
        """(n, S, S) uint8: the crops proper, as the network sees them at prediction."""
        inner = slice(self.padding, self.padding + self.image_size)
        return self.images[:, inner, inner]

    def outlines(self) -> NDArray[np.bool_]:
        """(n, S, S) bool: the outlines at the geometry of `crops()`."""
        inner = slice(self.padding, self.padding + self.image_size)
        return self.masks[:, inner, inner]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the bank as one .npz file, whole or not at all; nothing in it is pickled."""
        header = np.array([SCHEMA, self.image_size], dtype=np.int64)
        arrays = {
            "header": header,
            "margin": np.array(self.margin, dtype=np.float64),
            "digest": np.array(self.digest),
            "images": self.images,
            "masks": np.packbits(self.masks, axis=-1),
        }
        write_bytes(Path(path), dump_arrays(arrays))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ImageBank:
        """Read a bank written by `save`; its digest is checked."""
        try:
            arrays = load_arrays(Path(path).read_bytes())
            schema, image_size = (int(value) for value in arrays["header"])
            images, packed = arrays["images"], arrays["masks"]
            margin, written = float(arrays["margin"]), str(arrays["digest"])
        except (KeyError, ValueError, EOFError) as error:
            raise InputError(f"{path} is not an image bank written by validkit: {error}") from error
        if schema != SCHEMA:
            raise InputError(f"{path} is an image bank of schema {schema}; this validkit reads schema {SCHEMA}")
        masks = np.unpackbits(packed, axis=-1, count=images.shape[-1]).astype(bool)
        bank = cls(images, masks, image_size, margin)
        if bank.digest != written:
            raise InputError(f"{path} is damaged: its digest reads {written}, its contents give {bank.digest}")
        return bank


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


def padding_of(image_size: int, margin: float) -> int:
    """Pixels that a margin takes on each side; a hair of rounding error does not add one."""
    return int(np.ceil(round(image_size * margin, 9)))


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
    image = _resample(_eight_bit(pixels), taps)
    outline = _resample(mask.astype(np.float64), taps)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8), outline >= 0.5


def _eight_bit(pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    if pixels.min() >= 0 and pixels.max() <= 255 and np.array_equal(pixels, np.rint(pixels)):
        return pixels
    low, high = np.percentile(pixels, PERCENTILES)
    if high <= low:
        return np.zeros_like(pixels)
    stretched: NDArray[np.float64] = np.clip((pixels - low) / (high - low), 0.0, 1.0) * 255.0
    return stretched


def _taps(centre: float, step: float, side: int, length: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """For each of `side` outputs: indices of source pixels and their weights, (side, k) each.

    centre : of the window, in source pixels from the image's edge; step : source pixels an output pixel
    """
    at = centre + (np.arange(side) + 0.5 - side / 2.0) * step
    support = max(step, 1.0)
    first = np.floor(at - support).astype(np.intp)
    index = first[:, None] + np.arange(int(np.ceil(2 * support)) + 2)
    weight = np.clip(1.0 - np.abs(index + 0.5 - at[:, None]) / support, 0.0, None)
    return np.clip(index, 0, length - 1), weight / weight.sum(axis=1, keepdims=True)


def _resample(
    image: NDArray[np.float64], taps: Sequence[tuple[NDArray[np.intp], NDArray[np.float64]]]
) -> NDArray[np.float64]:
    """Rows, then columns; a plain sum over taps, so that the bytes depend on no BLAS."""
    for index, weight in taps:
        total = np.zeros((len(index), image.shape[1]))
        for tap in range(index.shape[1]):
            total += weight[:, tap, None] * image[index[:, tap]]
        image = total.T
    return image
