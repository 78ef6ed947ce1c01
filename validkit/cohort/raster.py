"""PNG, TIFF, BMP and JPEG, decoded by Pillow.

Pillow, not SimpleITK: SimpleITK 2.5 reads a truncated JPEG as if it were whole, a 1-bit TIFF as four components and a
palette TIFF as 16-bit numbers, and its libpng writes warnings to the terminal. What Pillow would cut to 8 bits
(16-bit colour) or not read (64-bit floats) goes to SimpleITK.
"""

from __future__ import annotations

import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from validkit.cohort.decoded import Decoded, check_size, several, unreadable
from validkit.cohort.faults import ImageError
from validkit.errors import MissingExtraError

PILLOW = {"PNG": ("PNG",), "TIFF": ("TIFF",), "BMP": ("BMP",), "JPEG": ("JPEG", "MPO")}
BITS = {"1": 1, "L": 8, "LA": 8, "P": 8, "PA": 8, "RGB": 8, "RGBA": 8, "I;16": 16, "I;16L": 16, "I;16B": 16}
BITS_WIDE = {"I": 32, "F": 32}
ORIENTATION, BITS_PER_SAMPLE, SAMPLE_FORMAT = 0x0112, 258, 339


def decode_raster(path: Path, format_: str) -> Decoded:
    """One picture of a raster format; spacing is always None, since resolution tags describe paper, not tissue."""
    try:
        from PIL import Image as pillow
        from PIL import UnidentifiedImageError
    except ImportError:
        raise MissingExtraError("pillow", "imaging", f"reading {format_} images") from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's remarks on odd tags and on size; size is checked here
        try:
            with pillow.open(path, formats=PILLOW[format_]) as picture:
                _check_picture(picture, format_)
                if not _beyond_pillow(picture, path, format_):
                    return _from_pillow(picture, format_)
        except UnidentifiedImageError as error:
            if format_ != "TIFF":
                raise unreadable(format_, "its header is damaged or of an unknown kind") from error
        except ImageError:
            raise
        except (
            OSError,
            ValueError,
            SyntaxError,
            EOFError,
            KeyError,
            TypeError,
            IndexError,
            OverflowError,
            struct.error,
            pillow.DecompressionBombError,
        ) as error:
            raise unreadable(format_, error) from error
    from validkit.cohort.volumes import decode_simpleitk

    return decode_simpleitk(path, format_)


def _check_picture(picture: Any, format_: str) -> None:
    frames = getattr(picture, "n_frames", 1)
    if frames > 1 and format_ != "JPEG":
        raise several(format_, frames, "pages" if format_ == "TIFF" else "frames")
    check_size(picture.height, picture.width)
    turned = picture.getexif().get(ORIENTATION, 1)
    if turned not in (0, 1):
        raise ImageError(
            "orientation-tag",
            f"the {format_} file carries orientation tag {turned}: viewers show it turned, its pixels are not",
            "save it with the rotation applied and the tag removed, and check its outline",
        )


def _beyond_pillow(picture: Any, path: Path, format_: str) -> bool:
    """True where Pillow would change values: 16-bit colour, signed 8-bit, unsigned 32-bit or 64-bit samples."""
    if format_ == "PNG":
        with path.open("rb") as file:
            header = file.read(26)
        return header[24] == 16 and header[25] in (2, 4, 6)
    if format_ == "TIFF":
        bits = np.atleast_1d(picture.tag_v2.get(BITS_PER_SAMPLE, 1))
        kind = int(np.atleast_1d(picture.tag_v2.get(SAMPLE_FORMAT, 1))[0])
        return bool(
            (bits.size > 1 and bits.max() > 8)
            or (kind == 2 and bits.max() == 8)
            or (kind == 1 and bits.max() >= 32)
            or bits.max() > 32
        )
    return False


def _from_pillow(picture: Any, format_: str) -> Decoded:
    notes: list[str] = []
    if format_ == "JPEG":
        notes.append("JPEG: lossy compression altered the grey values")
    mode = picture.mode
    bits = BITS.get(mode) or BITS_WIDE.get(mode)
    if bits is None:
        raise ImageError(
            "colour", f"the {format_} file has colour mode {mode}", "save it as 8- or 16-bit grey, or as RGB"
        )
    if mode in ("P", "PA"):
        notes.append("stored with a palette, which was applied")
        picture = picture.convert("RGBA" if mode == "PA" or "transparency" in picture.info else "RGB")
    elif mode == "1":
        picture = picture.convert("L")
        bits = 8
    pixels = np.asarray(picture)
    if pixels.dtype.byteorder == ">":
        pixels = pixels.astype(pixels.dtype.newbyteorder("="))
    return Decoded(pixels, None, bits, format_, notes=tuple(notes))
