"""DICOM, as ultrasound machines write it, through pydicom.

SimpleITK ignores SequenceOfUltrasoundRegions and gives such an image a spacing of 1; pydicom shows what is there.
Pixels that only GDCM can decode (JPEG lossless, JPEG-LS) are decoded by SimpleITK's GDCM, and a note says so.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from validkit.cohort.decoded import Decoded, check_size, several, unreadable
from validkit.cohort.faults import ImageError
from validkit.cohort.geometry import ALIGNED, Frame
from validkit.errors import MissingExtraError

CENTIMETRE, TWO_DIMENSIONAL = 3, 1
"""Codes of PhysicalUnitsXDirection (PS3.3 C.8.5.5.1.15) and of RegionSpatialFormat (C.8.5.5.1.1)."""

DECODABLE = ("MONOCHROME1", "MONOCHROME2", "RGB", "PALETTE COLOR", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT")


def decode_dicom(path: Path) -> Decoded:
    """One frame: MONOCHROME1 inverted, the palette applied, YBR turned to RGB, the modality rescaling applied."""
    try:
        import pydicom
    except ImportError:
        raise MissingExtraError("pydicom", "imaging", "reading DICOM files") from None
    with warnings.catch_warnings(), pydicom.config.disable_value_validation():
        warnings.simplefilter("ignore")  # remarks on values that break the standard; those used here are checked here
        try:
            dataset = pydicom.dcmread(path)
            _check_dataset(dataset)
            pixels, notes = _pixels(dataset, path)
            spacing, why = _spacing(dataset)
            frame = _frame(dataset, spacing)
        except (ImageError, MissingExtraError):
            raise
        except Exception as error:  # pydicom raises whatever a malformed element leads to
            raise unreadable("DICOM", error) from error
    if str(dataset.get("LossyImageCompression", "")) == "01":
        notes += ("DICOM says: lossy compression altered the grey values",)
    if str(dataset.get("BurnedInAnnotation", "")).upper() == "YES":
        notes += ("DICOM says: text is burnt into the image",)
    names = (str(dataset.get(name, "")).strip() for name in ("Manufacturer", "ManufacturerModelName"))
    return Decoded(
        pixels=pixels,
        spacing=spacing,
        bits=8 if dataset.PhotometricInterpretation == "PALETTE COLOR" else int(dataset.BitsStored),
        format="DICOM",
        frame=frame,
        scanner=" ".join(name for name in names if name),
        notes=notes + why,
    )


def _check_dataset(dataset: Any) -> None:
    if not any(name in dataset for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        kind = dataset.get("Modality", "unknown")
        raise ImageError("unreadable", f"the DICOM file (modality {kind}) holds no pixels", "export the image itself")
    frames = int(dataset.get("NumberOfFrames", 1) or 1)
    if frames > 1:
        raise several("DICOM", frames, "frames")
    check_size(int(dataset.Rows), int(dataset.Columns))
    kind = str(dataset.get("PhotometricInterpretation", ""))
    if kind not in DECODABLE:
        raise ImageError(
            "format", f"photometric interpretation {kind!r} is not accepted", f"export it as one of {list(DECODABLE)}"
        )


def _pixels(dataset: Any, path: Path) -> tuple[NDArray[Any], tuple[str, ...]]:
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.pixels.processing import apply_color_lut, apply_modality_lut
    from pydicom.pixels.utils import pixel_array

    kind = str(dataset.PhotometricInterpretation)
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax.is_encapsulated and not get_decoder(syntax).is_available:
        return _through_gdcm(kind, path, syntax.name)
    pixels = pixel_array(dataset, raw=False)
    notes: tuple[str, ...] = ()
    if pixels.ndim == 3 and pixels.shape[0] == 1 and int(dataset.get("SamplesPerPixel", 1)) == 1:
        pixels = pixels[0]
    if kind == "PALETTE COLOR":
        pixels = apply_color_lut(pixels, dataset)
        if pixels.dtype != np.uint8:  # entries have 8 or 16 bits whatever the display has
            entries = int(dataset.RedPaletteColorLookupTableDescriptor[2])
            pixels = (pixels >> 8 if entries == 16 else pixels).astype(np.uint8)
        notes = ("stored with a palette, which was applied",)
    elif "ModalityLUTSequence" in dataset or "RescaleSlope" in dataset:
        changed = apply_modality_lut(pixels, dataset)
        if not np.array_equal(changed, pixels):
            notes = ("DICOM modality rescaling applied",)
            pixels = changed
    if kind == "MONOCHROME1":
        pixels = _inverted(pixels, dataset, rescaled=bool(notes))
        notes += ("DICOM MONOCHROME1 (white is low): inverted",)
    return pixels, notes


def _inverted(pixels: NDArray[Any], dataset: Any, *, rescaled: bool) -> NDArray[Any]:
    if rescaled or not np.issubdtype(pixels.dtype, np.integer):
        turned: NDArray[Any] = pixels.min() + pixels.max() - pixels
        return turned
    stored = int(dataset.BitsStored)
    total = -1 if int(dataset.get("PixelRepresentation", 0)) else 2**stored - 1
    return (total - pixels.astype(np.int64)).astype(pixels.dtype)


def _through_gdcm(kind: str, path: Path, syntax: str) -> tuple[NDArray[Any], tuple[str, ...]]:
    from validkit.cohort.volumes import decode_simpleitk

    if kind not in ("MONOCHROME2", "RGB"):
        raise ImageError(
            "format",
            f"{kind} pixels compressed as {syntax} cannot be decoded here",
            "export it uncompressed (Explicit VR Little Endian)",
        )
    return decode_simpleitk(path, "DICOM").pixels, (f"DICOM pixels decoded by GDCM ({syntax})",)


def _spacing(dataset: Any) -> tuple[tuple[float, float] | None, tuple[str, ...]]:
    """(row, column) spacing in mm, from the ultrasound regions or from PixelSpacing, and notes."""
    regions = [
        region
        for region in dataset.get("SequenceOfUltrasoundRegions", None) or ()
        if int(region.get("RegionSpatialFormat", 0)) == TWO_DIMENSIONAL
        and int(region.get("PhysicalUnitsXDirection", 0)) == CENTIMETRE
        and int(region.get("PhysicalUnitsYDirection", 0)) == CENTIMETRE
    ]
    if regions:
        found = {
            (round(10 * abs(float(r.PhysicalDeltaY)), 7), round(10 * abs(float(r.PhysicalDeltaX)), 7)) for r in regions
        }
        if len(found) > 1:
            return None, ("DICOM holds ultrasound regions of different scale: spacing not used",)
        spacing = found.pop()
        return (spacing, ()) if min(spacing) > 0 else (None, ("DICOM ultrasound region has spacing zero: not used",))
    stored = dataset.get("PixelSpacing", None)
    if stored is not None and len(stored) == 2 and min(float(v) for v in stored) > 0:
        return (float(stored[0]), float(stored[1])), ()
    return None, ()


def _frame(dataset: Any, spacing: tuple[float, float] | None) -> Frame:
    """The frame of the patient where the file has one (not in plain ultrasound), else the convention of a picture."""
    axes, origin = dataset.get("ImageOrientationPatient", None), dataset.get("ImagePositionPatient", None)
    if axes is None or origin is None or spacing is None or len(axes) != 6 or len(origin) != 3:
        return Frame(spacing=spacing or (1.0, 1.0))
    right, down = ((float(a), float(b), float(c)) for a, b, c in (axes[:3], axes[3:]))
    if min(np.linalg.norm(right), np.linalg.norm(down)) < ALIGNED:
        return Frame(spacing=spacing)
    x, y, z = (float(v) for v in origin)
    return Frame((x, y, z), down, right, spacing, placed=True)
