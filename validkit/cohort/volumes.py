"""NIfTI and NRRD, and the few TIFF and DICOM files that others cannot decode, through SimpleITK."""

from __future__ import annotations

import gzip
import os
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from validkit.cohort.decoded import Decoded, check_finite, check_size, several, unreadable
from validkit.cohort.faults import ImageError
from validkit.cohort.geometry import Frame
from validkit.errors import MissingExtraError

READERS = {
    "NIfTI": "NiftiImageIO",
    "NRRD": "NrrdImageIO",
    "TIFF": "TIFFImageIO",
    "PNG": "PNGImageIO",
    "DICOM": "GDCMImageIO",
}
_terminal = threading.Lock()


def load_simpleitk(purpose: str) -> ModuleType:
    """SimpleITK, or the error that names the extra."""
    try:
        import SimpleITK
    except ImportError:
        raise MissingExtraError("SimpleITK", "imaging", purpose) from None
    return SimpleITK


@contextmanager
def quiet(sitk: ModuleType) -> Iterator[None]:
    """Keep what SimpleITK's C and C++ libraries write about a file off the terminal while it is read."""
    with _terminal:
        shown = sitk.ProcessObject.GetGlobalWarningDisplay()
        sitk.ProcessObject.SetGlobalWarningDisplay(False)
        try:
            kept = os.dup(2)
        except OSError:  # no standard error to protect
            kept = -1
        try:
            if kept >= 0:
                sink = os.open(os.devnull, os.O_WRONLY)
                os.dup2(sink, 2)
                os.close(sink)
            yield
        finally:
            if kept >= 0:
                os.dup2(kept, 2)
                os.close(kept)
            sitk.ProcessObject.SetGlobalWarningDisplay(shown)


def decode_simpleitk(path: Path, format_: str) -> Decoded:
    """One 2-D picture: a 2-D file, or one with a single slice, whose axes of length one are dropped."""
    sitk = load_simpleitk(f"reading {format_} files")
    if format_ == "NIfTI":
        _check_nifti(path)
    elif format_ == "NRRD":
        _check_nrrd(path)
    reader = sitk.ImageFileReader()
    reader.SetImageIO(READERS[format_])
    reader.SetFileName(str(path))
    with quiet(sitk):
        try:
            reader.ReadImageInformation()
            kept = _kept_axes(reader.GetSize(), format_)
            image = reader.Execute()
        except RuntimeError as error:
            raise unreadable(format_, error) from error
    pixels = sitk.GetArrayFromImage(image)
    components = image.GetNumberOfComponentsPerPixel()
    rows, columns = (image.GetSize()[axis] for axis in kept)
    pixels = pixels.reshape((rows, columns) if components == 1 else (rows, columns, components))
    if np.iscomplexobj(pixels):
        raise ImageError("format", f"the {format_} file holds complex numbers", "save the magnitude image")
    frame = _frame(image, kept) if format_ in ("NIfTI", "NRRD") else Frame()
    bits = 8 * pixels.dtype.itemsize
    notes: tuple[str, ...] = ()
    if frame.placed and frame.spacing == (1.0, 1.0):
        notes = ("pixel spacing is exactly 1 mm, which is often a default and no measurement",)
    return Decoded(pixels, frame.spacing if frame.placed else None, bits, format_, frame, notes=notes)


def _kept_axes(size: tuple[int, ...], format_: str) -> tuple[int, int]:
    """SimpleITK axes that become (rows, columns) once axes of length one are dropped, last first."""
    axes = list(range(len(size)))
    for axis in reversed(range(len(size))):
        if len(axes) > 2 and size[axis] == 1:
            axes.remove(axis)
    if len(axes) > 2:
        raise several(format_, int(np.prod([size[axis] for axis in axes[2:]])), "slices")
    check_size(size[axes[1]], size[axes[0]])
    return axes[1], axes[0]


def _frame(image: Any, kept: tuple[int, int]) -> Frame:
    dimension = image.GetDimension()
    direction = np.eye(3)
    used = min(dimension, 3)
    direction[:used, :used] = np.reshape(image.GetDirection(), (dimension, dimension))[:used, :used]
    origin = (*image.GetOrigin()[:used], *(0.0,) * (3 - used))
    spacing = image.GetSpacing()
    down, right = (tuple(float(v) for v in direction[:, axis]) for axis in kept)
    # NIfTI stores spacing in single precision: 0.1 comes back as 0.10000000149
    row, column = (round(float(spacing[axis]), 7) for axis in kept)
    return Frame(tuple(float(v) for v in origin), down, right, (row, column), placed=True)  # type: ignore[arg-type]


def _check_nifti(path: Path) -> None:
    """Refuse what SimpleITK mends without a word: pixels that are not there, and floats that are not finite.

    It fills a file shorter than its header announces with what is in memory, and reads NaN and infinity as 0.
    """
    if not path.name.lower().endswith((".nii", ".nii.gz")):
        raise ImageError("format", f"a NIfTI file must end in .nii or .nii.gz; got {path.name!r}", "rename the file")
    try:
        with gzip.open(path, "rb") if path.name.lower().endswith(".gz") else path.open("rb") as file:
            header = file.read(540)
            start, expected, floats = _nifti_extent(header)
            rest = file.read(max(start + expected - len(header), 0)) if expected < 16 * 10**9 else b""
            if path.name.lower().endswith(".gz"):
                while file.read(1 << 20):  # the checksum of a gzip file is compared at its end
                    pass
    except (EOFError, OSError, zlib.error, struct.error, IndexError) as error:
        raise unreadable("NIfTI", error) from error
    if len(header) + len(rest) < start + expected:
        raise unreadable(
            "NIfTI", f"its header announces {expected} bytes of pixels, {len(header) + len(rest) - start} are there"
        )
    if floats:
        values = np.frombuffer((header + rest)[start : start + expected], dtype=floats)
        check_finite(values)


FLOATS = {16: "f4", 64: "f8"}
"""NumPy's names of the NIfTI data types that can hold NaN"""


def _nifti_extent(header: bytes) -> tuple[int, int, str]:
    """(first byte, bytes, NumPy type where they are floats) of the pixels, from a NIfTI-1 or NIfTI-2 header."""
    order = next((o for o in "<>" if struct.unpack_from(o + "i", header)[0] in (348, 540)), "")
    if not order:
        raise OSError("not a NIfTI header")
    if struct.unpack_from(order + "i", header)[0] == 348:
        shape = struct.unpack_from(order + "8h", header, 40)
        kind, bitpix = struct.unpack_from(order + "2h", header, 70)
        start = int(struct.unpack_from(order + "f", header, 108)[0])
    else:
        shape = struct.unpack_from(order + "8q", header, 16)
        kind, bitpix = struct.unpack_from(order + "2h", header, 12)
        start = int(struct.unpack_from(order + "q", header, 168)[0])
    if not 1 <= shape[0] <= 7:
        raise OSError(f"{shape[0]} dimensions")
    count = 1
    for length in shape[1 : 1 + shape[0]]:
        count *= max(int(length), 1)
    return start, (count * bitpix + 7) // 8, order + FLOATS[kind] if kind in FLOATS else ""


def _check_nrrd(path: Path) -> None:
    """Refuse a NRRD header that points at another file."""
    with path.open("rb") as file:
        header = file.read(65536).split(b"\n\n", 1)[0].split(b"\r\n\r\n", 1)[0]
    fields = [line.split(b":", 1)[0].strip().lower() for line in header.splitlines() if b":" in line]
    if b"data file" in fields or b"datafile" in fields:
        raise ImageError(
            "format", "the NRRD header points at a second file with the pixels", "save it as one file, header attached"
        )
