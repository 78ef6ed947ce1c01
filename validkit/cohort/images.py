"""Reading one image: what its bytes are, its grey values as stored, its spacing, and what is odd about it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from validkit.cohort.decoded import Decoded, check_finite, grey
from validkit.cohort.faults import ImageError
from validkit.cohort.geometry import Frame

Colour = Literal["refuse", "luminance"]

ACCEPTED = "PNG, TIFF, BMP, NIfTI (.nii, .nii.gz), NRRD and DICOM, and JPEG for images"
SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"),
    (b"NRRD0", "NRRD"),
    (b"BM", "BMP"),
)


@dataclass(frozen=True, eq=False)
class Image:
    """One grey image.

    pixels : (rows, columns), the type that the file holds (uint8, uint16, int16, float, ...)
    spacing : (row, column) distance between pixel centres in mm, or None where the file has none
    bits : bits stored per pixel
    format : "PNG", "TIFF", "BMP", "JPEG", "NIfTI", "NRRD" or "DICOM", by content
    scanner : maker and model where the file says so
    notes : oddities that are no fault
    """

    pixels: NDArray[Any]
    spacing: tuple[float, float] | None
    bits: int
    format: str
    scanner: str = ""
    notes: tuple[str, ...] = ()
    frame: Frame = field(default_factory=Frame)

    @property
    def values(self) -> NDArray[np.float64]:
        """The pixels as float64, what PyRadiomics must be given (8-bit input overflows there)."""
        return self.pixels.astype(np.float64)

    @property
    def digest(self) -> str:
        """SHA-256 of size and grey values, the same whatever format, compression or integer type holds them."""
        return array_digest(self.pixels)


def array_digest(pixels: NDArray[Any]) -> str:
    """SHA-256 of an array's shape and values, independent of its type where the values are whole numbers."""
    pixels = np.asarray(pixels)
    if pixels.dtype.kind == "f" and np.isfinite(pixels).all() and (pixels == np.rint(pixels)).all():
        pixels = pixels.astype(np.int64)
    if pixels.dtype.kind in "biu":
        small = pixels.size == 0 or (pixels.min() >= 0 and pixels.max() <= 255)
        pixels = pixels.astype(np.uint8 if small else "<i8")
    else:
        pixels = pixels.astype("<f8")
    head = f"{pixels.shape}{pixels.dtype.str}".encode()
    return hashlib.sha256(head + np.ascontiguousarray(pixels).tobytes()).hexdigest()


def detect_format(path: Path) -> str:
    """The format by content, whatever the name says; an ImageError where it is none of the accepted ones."""
    try:
        with path.open("rb") as file:
            head = file.read(560)
    except FileNotFoundError:
        raise ImageError("file-missing", f"{path.name!r} is not there", "correct the path or bring the file") from None
    except OSError as error:
        raise ImageError(
            "unreadable", f"{path.name!r} cannot be opened ({error.strerror})", "check the file"
        ) from error
    if not head:
        raise ImageError("unreadable", "the file is empty (0 bytes)", "copy it again")
    for signature, name in SIGNATURES:
        if head.startswith(signature):
            return name
    if head[128:132] == b"DICM":
        return "DICOM"
    if head[344:348] == b"n+1\0" or head[4:8] == b"n+2\0" or (head[:2] == b"\x1f\x8b" and ".nii" in path.name.lower()):
        return "NIfTI"
    raise ImageError("format", f"{path.name!r} is in none of the accepted formats", f"use {ACCEPTED}")


def decode(path: Path) -> Decoded:
    """The one picture in a file, by the decoder of its format."""
    path = Path(path)
    format_ = detect_format(path)
    if format_ == "DICOM":
        from validkit.cohort.dicom import decode_dicom

        return decode_dicom(path)
    if format_ in ("NIfTI", "NRRD"):
        from validkit.cohort.volumes import decode_simpleitk

        return decode_simpleitk(path, format_)
    from validkit.cohort.raster import decode_raster

    return decode_raster(path, format_)


def read_image(path: Path | str, *, colour: Colour = "refuse") -> Image:
    """Read one image.

    colour : "refuse" a picture whose channels differ anywhere, or take its "luminance" (a note says so)
    Raises ImageError: unreadable, several frames, in colour, transparent, NaN or infinite values, or blank.
    """
    decoded = decode(Path(path))
    pixels, notes = grey(decoded, colour, "image")
    if pixels.size == 0:
        raise ImageError("unreadable", "the image has no pixels", "export it again")
    if pixels.dtype.kind == "f":
        check_finite(pixels)
    if pixels.min() == pixels.max():
        raise ImageError(
            "blank-image", f"every pixel is {pixels.flat[0]:g}", "find the right file; this one shows nothing"
        )
    return Image(
        pixels, decoded.spacing, decoded.bits, decoded.format, decoded.scanner, decoded.notes + notes, decoded.frame
    )
