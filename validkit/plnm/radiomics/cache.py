"""Extracted features on disk, found again by what went in: one small file a lesion, whole or not at all.

A file holds a line that names the format, the SHA-256 of the rest, a line of JSON and the values as little-endian
float64. A damaged file is noticed and not used; nothing in it is executed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from validkit.errors import InputError, MissingExtraError
from validkit.plnm.radiomics.extraction import Measured
from validkit.plnm.radiomics.presets import Preset, binning
from validkit.store import digest, write_bytes

SCHEMA = 1
"""Raised whenever validkit's own part of the extraction gives other numbers."""

MAGIC = b"validkit features 1\n"
PACKAGES = ("pyradiomics", "numpy", "simpleitk", "scipy", "pywavelets", "scikit-image", "trimesh")


@lru_cache(maxsize=1)
def _installed() -> tuple[tuple[str, str], ...]:
    try:
        return tuple((package, version(package)) for package in PACKAGES)
    except PackageNotFoundError as error:
        raise MissingExtraError(error.name or "a package", "imaging", "radiomics extraction") from error


def versions() -> dict[str, str]:
    """The packages that the numbers depend on, and the schema of our own part."""
    return {**dict(_installed()), "validkit extraction": str(SCHEMA)}


def settings_digest(preset: Preset, bin_width: float | None, bin_count: int | None) -> str:
    """Identity of what is measured and by which versions: preset, discretisation, packages."""
    images = {kind: [dict(settings), list(names)] for kind, (settings, names) in preset.images.items()}
    what = {
        "dimensions": preset.dimensions,
        "images": images,
        "features": list(preset.feature_names),
        "settings": dict(preset.settings),
        "binning": binning(preset, bin_width, bin_count),
        "versions": versions(),
    }
    return digest(what)


def content_key(settings: str, pixels: NDArray[Any], mask: NDArray[np.bool_], spacing: tuple[float, float]) -> str:
    """Identity of one measurement: the settings' digest and the decoded image, outline and spacing."""
    return digest(settings, pixels, mask, list(spacing))


@dataclass(frozen=True)
class Found:
    """A look into the cache.

    measured : what is kept, or None where nothing sound is
    damaged : a file was there, and it is not what was written
    """

    measured: Measured | None
    damaged: bool = False


@dataclass(frozen=True)
class FeatureCache:
    """Measurements under one folder, in two levels of sub-folders; safe for many processes at once.

    folder : None keeps nothing
    """

    folder: Path | None

    def path(self, key: str) -> Path:
        """Where the measurement with this key lies."""
        assert self.folder is not None
        return self.folder / "radiomics" / key[:2] / key[2:4] / f"{key}.features"

    def prepare(self) -> None:
        """Make the folder; InputError where that cannot be done."""
        if self.folder is None:
            return
        try:
            (self.folder / "radiomics").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"the cache folder {str(self.folder)!r} cannot be written ({error.strerror}): "
                "set VALIDKIT_CACHE to a folder that can"
            ) from error

    def get(self, key: str, count: int) -> Found:
        """The measurement with this key and number of features."""
        if self.folder is None:
            return Found(None)
        try:
            data = self.path(key).read_bytes()
        except OSError:
            return Found(None)
        measured = _decode(data, key, count)
        return Found(measured, damaged=measured is None)

    def remember(self, key: str, count: int, compute: Callable[[], Measured]) -> tuple[Measured, Found]:
        """The measurement with this key, computed and kept where the cache holds nothing sound; and what was found."""
        found = self.get(key, count)
        if found.measured is not None:
            return found.measured, found
        measured = compute()
        self.put(key, measured)
        return measured, found

    def put(self, key: str, measured: Measured) -> None:
        """Keep a measurement, whole or not at all."""
        if self.folder is not None:
            write_bytes(self.path(key), _encode(key, measured))


def _encode(key: str, measured: Measured) -> bytes:
    header = {"key": key, "count": len(measured.values), "messages": list(measured.messages)}
    body = json.dumps(header).encode() + b"\n" + measured.values.astype("<f8").tobytes()
    return MAGIC + hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def _decode(data: bytes, key: str, count: int) -> Measured | None:
    start = len(MAGIC)
    checksum, body = data[start : start + 64], data[start + 65 :]
    if not data.startswith(MAGIC) or hashlib.sha256(body).hexdigest().encode() != checksum:
        return None
    line, _, values = body.partition(b"\n")
    header = json.loads(line)
    if header["key"] != key or header["count"] != count or len(values) != 8 * count:
        return None
    return Measured(np.frombuffer(values, dtype="<f8").astype(np.float64), tuple(header["messages"]))
