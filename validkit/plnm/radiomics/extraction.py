"""The features of one lesion: PyRadiomics 3.0.1 under our settings, with its known traps closed.

Pixels go in as float64, because PyRadiomics bins an 8-bit image in 8 bits, where a lesion with a pixel of 206 or more
overflows under NumPy 2. The names that come back are compared with the preset's, because PyRadiomics leaves out
whole images with no more than a line in its log. What it logs and warns is collected, not printed.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from validkit.errors import InputError, MissingExtraError, StageError
from validkit.plnm.radiomics.presets import Preset, binning, preset_named
from validkit.plnm.radiomics.shape import slice_mesh

Pixels = NDArray[np.float64]
Mask = NDArray[np.bool_]
Spacing = tuple[float, float]

_NOT_FOR_US = re.compile(
    r"the `scipy\.ndimage(\.\w+)?` namespace|`scipy\.special\.sph_harm` is deprecated|pkg_resources is deprecated"
    r"|Applying `local_binary_pattern` to floating-point images|GLCM is symmetrical, therefore Sum Average"
)
_TRACEBACK_END = re.compile(r"\n(\w+(?:Error|Exception|Warning)?: [^\n]*)\s*$")


@dataclass(frozen=True)
class Measured:
    """values : (features,) float64 in the preset's order, NaN where undefined; messages : what PyRadiomics said."""

    values: NDArray[np.float64]
    messages: tuple[str, ...] = ()


def extract(
    pixels: Any,
    mask: Any,
    *,
    preset: str,
    bin_width: float | None = None,
    bin_count: int | None = None,
    spacing: Spacing | None = None,
) -> pd.Series:
    """The radiomics features of one lesion.

    pixels : (rows, columns) grey levels of any real type; taken as float64
    mask : (rows, columns) bool, True inside the outline
    preset : "paper1561" or "sound2d"
    bin_width, bin_count : the discretisation, one or neither (neither: the preset's bin width, 25)
    spacing : (row, column) distances in mm; None measures in pixels. A volume of one slice is 1 mm thick
    Returns a float64 Series indexed by `feature_names(preset)`. A feature that is undefined for this lesion is NaN,
    and `series.attrs["messages"]` says what PyRadiomics reported.
    Raises InputError for a bad image or mask, StageError where PyRadiomics cannot measure or leaves features out.
    """
    measured = measure(
        pixels, mask, preset=preset_named(preset), bin_width=bin_width, bin_count=bin_count, spacing=spacing
    )
    series = pd.Series(measured.values, index=pd.Index(preset_named(preset).feature_names), name=preset)
    series.attrs["messages"] = list(measured.messages)
    return series


def measure(
    pixels: Any,
    mask: Any,
    *,
    preset: Preset,
    bin_width: float | None = None,
    bin_count: int | None = None,
    spacing: Spacing | None = None,
) -> Measured:
    """`extract` without the table: the values in the preset's order, and what was said on the way."""
    pixels, mask = check_lesion(pixels, mask)
    spacing = check_spacing(spacing)
    bins = binning(preset, bin_width, bin_count)
    messages: list[str] = []
    with quiet(messages):
        found = _run(pixels, mask, preset, bins, spacing)
    return Measured(_in_order(found, preset, messages), tuple(dict.fromkeys(messages)))


def check_lesion(pixels: Any, mask: Any) -> tuple[Pixels, Mask]:
    """Image and outline as float64 and bool arrays of one shape, fit to be measured; InputError otherwise."""
    pixels, mask = np.asarray(pixels), np.asarray(mask)
    if pixels.ndim != 2 or pixels.dtype.kind not in "uif":
        raise InputError(
            f"`pixels` must be a 2-D array of grey levels; got {pixels.ndim} dimensions of type {pixels.dtype}"
        )
    if mask.dtype != np.bool_ or mask.shape != pixels.shape:
        raise InputError(
            f"`mask` must be a bool array of the image's shape {pixels.shape}; got {mask.dtype} of shape {mask.shape}"
        )
    pixels = np.ascontiguousarray(pixels, dtype=np.float64)
    bad = ~np.isfinite(pixels)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise InputError(
            f"`pixels` must be finite; {int(bad.sum())} of {pixels.size} are not (first: row {row}, column {column})"
        )
    if not mask.any():
        raise InputError("`mask` is empty: no pixel is inside the outline")
    rows, columns = (int(np.ptp(index)) + 1 for index in np.nonzero(mask))
    if min(rows, columns) < 2:
        raise InputError(
            f"`mask` spans {rows} x {columns} pixels; features need an outline of at least 2 x 2: draw it again"
        )
    if not pixels.any() or np.ptp(pixels) == 0:
        raise InputError(f"`pixels` are all {pixels.flat[0]:g}: a uniform image has no features")
    return pixels, np.ascontiguousarray(mask)


def check_spacing(spacing: Spacing | None) -> Spacing:
    """(row, column) distances, (1, 1) where none are known; InputError unless both are positive and finite."""
    if spacing is None:
        return (1.0, 1.0)
    row, column = (float(value) for value in spacing)
    if not (0 < row < np.inf and 0 < column < np.inf):
        raise InputError(f"`spacing` must be two positive distances in mm (row, column); got {spacing}")
    return (row, column)


# --- PyRadiomics ------------------------------------------------------------------------------


def _run(
    pixels: Pixels, mask: Mask, preset: Preset, bins: Mapping[str, Mapping[str, Any]], spacing: Spacing
) -> dict[str, float]:
    try:
        from radiomics import featureextractor
    except ImportError as error:
        raise MissingExtraError("pyradiomics", "imaging", "radiomics extraction") from error
    texture = [name for name in preset.classes if name != preset.shape_class]
    extractor = featureextractor.RadiomicsFeatureExtractor()
    extractor.settings.update({**preset.settings, **bins[""], "additionalInfo": False})
    extractor.enabledImagetypes = {
        kind: {**settings, **bins.get(kind, {})} for kind, (settings, _) in preset.images.items()
    }
    extractor.enabledFeatures = {name: list(preset.classes[name]) for name in texture}
    image, outline = to_sitk(pixels, mask, preset, spacing)
    try:
        found = dict(extractor.execute(image, outline))
        found.update(_shape(image, outline, mask, preset, extractor.settings))
    except (ValueError, RuntimeError, IndexError, ZeroDivisionError, FloatingPointError) as error:
        raise StageError(f"PyRadiomics cannot measure this lesion with preset {preset.name!r}: {error}") from error
    return {name: float(value) for name, value in found.items()}


def to_sitk(pixels: Pixels, mask: Mask, preset: Preset, spacing: Spacing) -> tuple[Any, Any]:
    """SimpleITK's image and outline: a plane, or a volume of one slice 1 mm thick."""
    import SimpleITK as sitk

    arrays = (pixels, mask.astype(np.uint8))
    if preset.dimensions == 3:
        arrays = (arrays[0][None], arrays[1][None])
    image: Any = sitk.GetImageFromArray(arrays[0])
    outline: Any = sitk.GetImageFromArray(arrays[1])
    distances = (spacing[1], spacing[0], 1.0)[: preset.dimensions]
    image.SetSpacing(distances)
    outline.SetSpacing(distances)
    return image, outline


def _shape(image: Any, outline: Any, mask: Mask, preset: Preset, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Shape features of the outline's bounding box, which is all that they depend on."""
    from radiomics import imageoperations, shape, shape2D

    box, _ = imageoperations.checkMask(image, outline, **settings)
    inner = imageoperations.cropToTumorMask(image, outline, box)
    measures = (_one_slice(shape.RadiomicsShape) if preset.dimensions == 3 else shape2D.RadiomicsShape2D)(
        *inner, **settings
    )
    for feature in preset.classes[preset.shape_class]:
        measures.enableFeatureByName(feature)
    return {f"original_{preset.shape_class}_{name}": value for name, value in measures.execute().items()}


def _one_slice(base: type) -> type:
    """PyRadiomics' 3-D shape class with the mesh measured by `slice_mesh`, to the same result."""

    class OneSliceShape(base):
        def _initSegmentBasedCalculation(self) -> None:
            import SimpleITK as sitk

            self.pixelSpacing = np.array(self.inputImage.GetSpacing()[::-1])
            self.maskArray = sitk.GetArrayFromImage(self.inputMask) == self.label
            self.labelledVoxelCoordinates = np.nonzero(self.maskArray)
            self.SurfaceArea, self.Volume, self.diameters = slice_mesh(self.maskArray[0], tuple(self.pixelSpacing))
            in_plane = np.argwhere(self.maskArray[0]) * self.pixelSpacing[1:]
            self.eigenValues = np.array([0.0, *np.linalg.eigvalsh(np.cov(in_plane, rowvar=False, ddof=0))])

    return OneSliceShape


def _in_order(found: Mapping[str, float], preset: Preset, messages: list[str]) -> NDArray[np.float64]:
    """The values in the preset's order: exactly its names, or StageError. Infinite is undefined: NaN."""
    names = preset.feature_names
    missing, extra = [name for name in names if name not in found], sorted(set(found) - set(names))
    if missing or extra:
        said = f" PyRadiomics said: {' | '.join(dict.fromkeys(messages))}." if messages else ""
        listed = "; ".join(
            f"{len(some)} {what} (first: {some[0]})"
            for some, what in ((missing, "missing"), (extra, "unknown"))
            if some
        )
        raise StageError(
            f"preset {preset.name!r} must give exactly {len(names)} features; {len(found)} came, {listed}.{said}"
        )
    values = np.array([found[name] for name in names], dtype=np.float64)
    values[~np.isfinite(values)] = np.nan
    return values


# --- what it says -----------------------------------------------------------------------------


class _Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage().strip()
        end = _TRACEBACK_END.search(text)
        self.messages.append(end.group(1) if end else text)


@contextmanager
def quiet(messages: list[str]) -> Iterator[None]:
    """Collect PyRadiomics' log (warnings and worse) and Python's warnings instead of printing them.

    Dropped are warnings of third-party code about its own imports, scikit-image's advice to give integers to local
    binary patterns (ours are the same integers as float64), and a remark that one GLCM feature is twice another.
    The logger is put back as it was.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        logger = logging.getLogger("radiomics")
        _import_radiomics()
        handlers, level, propagate, disabled = logger.handlers, logger.level, logger.propagate, logger.disabled
        collector = _Collector()
        logger.handlers, logger.propagate, logger.disabled = [collector], False, False
        logger.setLevel(logging.WARNING)
        try:
            yield
        finally:
            logger.handlers, logger.propagate, logger.disabled = handlers, propagate, disabled
            logger.setLevel(level)
            texts = [*collector.messages, *(str(warning.message) for warning in caught)]
            messages.extend(text for text in texts if not _NOT_FOR_US.search(text))


def _import_radiomics() -> None:
    """Import PyRadiomics before its logger is borrowed: its import attaches the handler that we set aside."""
    try:
        import radiomics  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("pyradiomics", "imaging", "radiomics extraction") from error
