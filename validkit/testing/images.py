"""Ultrasound-like images with a lesion's outline: sound ones, and those that break radiomics, each told by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from validkit.errors import InputError, MissingExtraError

__all__ = ["BRIGHT", "FORMATS", "HOSTILE_IMAGES", "Format", "LesionImage", "lesion_images", "write_lesion"]

Format = Literal["png", "tiff", "nrrd", "nii.gz"]
FORMATS: tuple[Format, ...] = get_args(Format)
BRIGHT = 206
"""From this grey value on, PyRadiomics 3.0.1 under NumPy 2 overflows an 8-bit image with bins of width 25."""
DTYPES = ("uint8", "uint16", "float32")
SPACINGS = (None, (0.1, 0.1), (0.05, 0.2))


@dataclass(frozen=True, eq=False)
class LesionImage:
    """One image and one outline of the lesion in it.

    image : (rows, columns) uint8, sound ones with values from 1 to 205; a hostile one may have another type or channels
    outline : (rows, columns) uint8, 1 inside and 0 outside; a hostile one may have another shape, values or channels
    spacing : (row, column) distance between pixel centres in mm, or None
    what : what is wrong, a key of `HOSTILE_IMAGES`; "" for a sound one
    """

    image: NDArray[Any]
    outline: NDArray[np.uint8]
    spacing: tuple[float, float] | None = None
    what: str = ""

    @property
    def code(self) -> str | None:
        """The fault of `validkit.cohort.CODES` that `read_lesion` finds; None where the pair is accepted."""
        return HOSTILE_IMAGES[self.what] if self.what else None

    def __repr__(self) -> str:
        image, outline = (f"{'x'.join(map(str, one.shape))} {one.dtype}" for one in (self.image, self.outline))
        return f"LesionImage(image {image}, outline {outline}, spacing={self.spacing}, what={self.what!r})"


HOSTILE_IMAGES: Mapping[str, str | None] = MappingProxyType(
    {
        "empty outline": "outline-empty",
        "outline of everything": "outline-covers-all",
        "one pixel": "outline-small",
        "a line": "outline-line",
        "two separate pixels": "outline-pieces",
        "outline at the border": "outline-border",
        "outline of another shape": "size-mismatch",
        "outline of 0 and 255": None,
        "outline of two labels": "outline-values",
        "outline with three channels": "colour",
        "RGB image": "colour",
        "all-zero image": "blank-image",
        "constant image": "blank-image",
        "bright pixels": None,
        "16-bit image": None,
        "float image with NaN": "not-finite",
    }
)
"""What can be wrong, and the code of the fault that `validkit.cohort.read_lesion` reports; None where it must accept
the pair: 0 and 255, bright pixels and 16 bits break PyRadiomics and not validkit."""


def lesion_images(
    *,
    hostile: bool = False,
    what: str | Sequence[str] = (),
    shape: tuple[int, int] = (24, 96),
    dtypes: Sequence[str] = ("uint8",),
    seeds: st.SearchStrategy[int] | None = None,
) -> st.SearchStrategy[LesionImage]:
    """Grey images of a dark ellipse in speckle, its outline inside the image.

    hostile : whether one thing is wrong; `what` narrows it to some keys of `HOSTILE_IMAGES`
    shape : fewest and most rows, and columns; at least 12
    dtypes : types of a sound image, of "uint8", "uint16" (0 to 65535) and "float32"
    seeds : of the speckle; with distinct seeds no two images are equal

    Raises InputError where an argument is impossible.
    """
    named = (what,) if isinstance(what, str) else tuple(what)
    _check(named, HOSTILE_IMAGES, "what")
    _check(dtypes, DTYPES, "dtypes")
    if not 12 <= shape[0] <= shape[1]:
        raise InputError(f"`shape` must be (fewest, most) with 12 <= fewest <= most; got {shape!r}")
    kinds = named or (tuple(HOSTILE_IMAGES) if hostile else ("",))
    return _lesions(kinds, shape, tuple(dtypes), st.integers(0, 2**32 - 1) if seeds is None else seeds)


def _check(given: Sequence[str], known: Sequence[str] | Mapping[str, Any], name: str) -> None:
    if unknown := [one for one in given if one not in known]:
        raise InputError(f"`{name}` holds {unknown[0]!r}; known: {', '.join(known)}")


@st.composite
def _lesions(
    draw: st.DrawFn,
    kinds: Sequence[str],
    shape: tuple[int, int],
    dtypes: Sequence[str],
    seeds: st.SearchStrategy[int],
) -> LesionImage:
    kind = draw(st.sampled_from(kinds))
    dtype = "uint8" if kind else draw(st.sampled_from(dtypes))
    size = draw(st.integers(*shape)), draw(st.integers(*shape))
    distance = np.zeros(size)
    for axis, length in enumerate(size):
        radius = draw(st.integers(3, length // 2 - 2))
        centre = draw(st.integers(radius + 1, length - radius - 2))
        steps = (np.arange(length) - centre) / radius
        distance += np.square(steps)[:, None] if axis == 0 else np.square(steps)[None, :]
    inside = distance <= 1
    rng = np.random.default_rng(draw(seeds))
    contrast = draw(st.sampled_from((60, 30, 0, -40)))
    grey = 110 - contrast * inside + rng.integers(-40, 41, size)
    lesion = LesionImage(
        _as_type(np.clip(grey, 1, BRIGHT - 1).astype(np.uint8), dtype),
        inside.astype(np.uint8),
        draw(st.sampled_from(SPACINGS)),
    )
    return replace(SPOIL[kind](lesion), what=kind) if kind else lesion


def _as_type(grey: NDArray[np.uint8], dtype: str) -> NDArray[Any]:
    return grey.astype(np.uint16) * 257 if dtype == "uint16" else grey.astype(dtype)


def _centre(outline: NDArray[np.uint8]) -> tuple[int, int]:
    rows, columns = np.nonzero(outline)
    return int(rows.mean().round()), int(columns.mean().round())


def _drawn(lesion: LesionImage, *places: tuple[int | slice, int | slice], keep: bool = False) -> LesionImage:
    """The lesion with these pixels inside, and those of the old outline where it is kept."""
    outline = lesion.outline.copy() if keep else np.zeros_like(lesion.outline)
    for place in places:
        outline[place] = 1
    return replace(lesion, outline=outline)


def _apart(lesion: LesionImage) -> LesionImage:
    row, column = _centre(lesion.outline)
    return _drawn(lesion, (row - 2, column), (row + 2, column))


def _at_border(lesion: LesionImage) -> LesionImage:
    row, column = _centre(lesion.outline)
    return _drawn(lesion, (slice(0, row + 1), slice(column - 1, column + 2)), keep=True)


def _two_labels(lesion: LesionImage) -> LesionImage:
    outline = lesion.outline.copy()
    outline[: _centre(outline)[0]] *= 2
    return replace(lesion, outline=outline)


def _bright(lesion: LesionImage) -> LesionImage:
    image = lesion.image.copy()
    image[_centre(lesion.outline)] = 255
    return replace(lesion, image=image)


def _with_nan(lesion: LesionImage) -> LesionImage:
    image = lesion.image.astype(np.float32)
    image[_centre(lesion.outline)] = np.nan
    return replace(lesion, image=image)


def _channels(grey: NDArray[Any], last: float) -> NDArray[Any]:
    """Three channels of which the last is multiplied."""
    return np.stack([grey, grey, (grey * last).astype(grey.dtype)], axis=-1)


SPOIL: Mapping[str, Callable[[LesionImage], LesionImage]] = MappingProxyType(
    {
        "empty outline": _drawn,
        "outline of everything": lambda one: _drawn(one, (slice(None), slice(None))),
        "one pixel": lambda one: _drawn(one, _centre(one.outline)),
        "a line": lambda one: _drawn(one, (_centre(one.outline)[0], slice(1, -1))),
        "two separate pixels": _apart,
        "outline at the border": _at_border,
        "outline of another shape": lambda one: replace(one, outline=np.pad(one.outline, ((0, 1), (0, 0)))),
        "outline of 0 and 255": lambda one: replace(one, outline=one.outline * np.uint8(255)),
        "outline of two labels": _two_labels,
        "outline with three channels": lambda one: replace(one, outline=_channels(one.outline * np.uint8(255), 0)),
        "RGB image": lambda one: replace(one, image=_channels(one.image, 0.5)),
        "all-zero image": lambda one: replace(one, image=np.zeros_like(one.image)),
        "constant image": lambda one: replace(one, image=np.full_like(one.image, 100)),
        "bright pixels": _bright,
        "16-bit image": lambda one: replace(one, image=one.image.astype(np.uint16) * 257),
        "float image with NaN": _with_nan,
    }
)


def write_lesion(lesion: LesionImage, folder: Path, name: str, *, format: Format = "png") -> tuple[Path, Path]:
    """Write image and outline as `name.png` and `name_outline.png`; their paths.

    format : "png" (Pillow; no fractions, no spacing), "tiff" (Pillow; no spacing), "nrrd" or "nii.gz" (SimpleITK)
    Raises InputError where PNG cannot hold the image, and MissingExtraError where SimpleITK is not installed.
    """
    _check((format,), FORMATS, "format")
    write = _write_raster if format in ("png", "tiff") else _write_volume
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / f"{name}.{format}", folder / f"{name}_outline.{format}"
    for path, pixels in zip(paths, (lesion.image, lesion.outline), strict=True):
        write(path, pixels, lesion.spacing)
    return paths


def _write_raster(path: Path, pixels: NDArray[Any], spacing: tuple[float, float] | None) -> None:
    from PIL import Image

    if path.suffix == ".png" and pixels.dtype.kind == "f":
        raise InputError('a PNG file holds no fractions; write the image with format = "tiff", "nrrd" or "nii.gz"')
    Image.fromarray(pixels).save(path)


def _write_volume(path: Path, pixels: NDArray[Any], spacing: tuple[float, float] | None) -> None:
    try:
        import SimpleITK as sitk
    except ImportError:
        raise MissingExtraError("SimpleITK", "imaging", f"writing {path.name}") from None
    image: Any = sitk.GetImageFromArray(pixels[None], isVector=pixels.ndim == 3)
    row, column = spacing or (1.0, 1.0)
    image.SetSpacing((column, row, 1.0))
    sitk.WriteImage(image, str(path), useCompression=True)
