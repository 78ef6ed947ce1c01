"""The image bank: one lesion-centred square crop a patient, resampled once to 8 bits, with its outline (see `cutting`).

The crop proper is the smallest square around the lesion's bounding box, resampled to `image_size` pixels a side. The
bank stores a margin around it, so that augmentation can shift and widen the crop without leaving the stored window.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from validkit.errors import InputError
from validkit.store import digest, to_json, write_bytes

SCHEMA = 2
FACTS, IMAGES, OUTLINES = "bank.json", "images.npy", "outlines.npy"


@dataclass(frozen=True, eq=False)
class ImageBank:
    """n lesion crops in one array, ready for a device.

    images : (n, S + 2P, S + 2P) uint8; the crop proper is the central S x S, S = image_size, P = ceil(S * margin)
    masks : (n, S + 2P, S + 2P) bool; the outline at the same geometry
    image_size : pixels a side of the crop proper
    margin : stored context on each side, as a fraction of the crop's side
    origin : the bank that these crops were taken from, and their rows in it; None for a bank of its own
    """

    images: NDArray[np.uint8]
    masks: NDArray[np.bool_]
    image_size: int
    margin: float
    origin: tuple[ImageBank, NDArray[np.intp]] | None = field(default=None, init=False, repr=False)

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

    def __getstate__(self) -> dict[str, Any]:
        """What a copy in another process needs: not the crops of others."""
        return {**self.__dict__, "origin": None}

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
        whole, rows = self.origin or (self, np.arange(len(self)))
        taken = ImageBank(self.images[index], self.masks[index], self.image_size, self.margin)
        object.__setattr__(taken, "origin", (whole, rows[index]))
        return taken

    def crops(self) -> NDArray[np.uint8]:
        """(n, S, S) uint8: the crops proper, as the network sees them at prediction."""
        inner = slice(self.padding, self.padding + self.image_size)
        return self.images[:, inner, inner]

    def outlines(self) -> NDArray[np.bool_]:
        """(n, S, S) bool: the outlines at the geometry of `crops()`."""
        inner = slice(self.padding, self.padding + self.image_size)
        return self.masks[:, inner, inner]

    def to_files(self) -> dict[str, bytes]:
        """The bank as files of a folder, by name; `from_folder` maps them into memory."""
        facts = {"schema": SCHEMA, "image_size": self.image_size, "margin": self.margin, "digest": self.digest}
        arrays = {IMAGES: self.images, OUTLINES: self.masks}
        return {name: _npy(array) for name, array in arrays.items()} | {FACTS: to_json(facts).encode()}

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the bank as a folder, each file whole or not at all; nothing in it is pickled."""
        for name, data in self.to_files().items():
            write_bytes(Path(folder) / name, data)

    @classmethod
    def from_folder(cls, folder: str | os.PathLike[str], *, check: bool = True) -> ImageBank:
        """The bank that `save` wrote, its pixels mapped from the files: read when they are needed, shared by processes.

        check : read everything once and compare the digest; without it a damaged file goes unnoticed
        """
        place = Path(folder)
        try:
            facts = json.loads((place / FACTS).read_text(encoding="utf-8"))
            images, masks = (np.load(place / name, mmap_mode="c", allow_pickle=False) for name in (IMAGES, OUTLINES))
            schema, written = facts["schema"], facts["digest"]
            if schema != SCHEMA:
                raise InputError(f"{place} is an image bank of schema {schema}; this validkit reads schema {SCHEMA}")
            bank = cls(images, masks, facts["image_size"], facts["margin"])
        except (OSError, KeyError, TypeError, ValueError, EOFError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{place} is not an image bank written by validkit: {error}") from error
        if check and bank.digest != written:
            raise InputError(f"{place} is damaged: its digest reads {written}, its contents give {bank.digest}")
        bank.__dict__["digest"] = written
        return bank


def join_banks(parts: Sequence[ImageBank]) -> ImageBank:
    """The crops of several banks of one geometry, in order."""
    images, masks = (np.concatenate([getattr(part, name) for part in parts]) for name in ("images", "masks"))
    return ImageBank(images, masks, parts[0].image_size, parts[0].margin)


def padding_of(image_size: int, margin: float) -> int:
    """Pixels that a margin takes on each side; a hair of rounding error does not add one."""
    return int(np.ceil(round(image_size * margin, 9)))


def _npy(array: NDArray[np.generic]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
