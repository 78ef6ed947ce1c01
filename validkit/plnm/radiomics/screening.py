"""Which columns say nothing about the image, found on the cohort at hand.

On one slice, wavelet bands that high-pass across the slice are round-off; a coarse bin width folds a filtered image
into one bin, whose texture is the outline's alone. None of that is listed by hand: images are filtered and looked at,
and intensities are replaced inside the same outline to see which values move.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from validkit.engine import Reporter, map_tasks
from validkit.errors import InputError
from validkit.plnm.radiomics.cache import FeatureCache, content_key, settings_digest
from validkit.plnm.radiomics.extraction import Measured, measure, quiet, to_sitk
from validkit.plnm.radiomics.lesions import Lesion, Load, decode, located, read_files
from validkit.plnm.radiomics.presets import SHAPE_CLASSES, feature_names, preset_named, split_name
from validkit.store import digest

CONSTANT = 1e-9
"""relative range below which a column holds one value, and relative change below which a value has not moved"""

ROUND_OFF = 1e-12
"""largest value of a filtered image, relative to the image's, below which it is arithmetic noise"""


@dataclass(frozen=True)
class FeatureScreen:
    """Columns without information on this cohort; each column is in the first list that fits.

    round_off : features of filtered images that hold nothing but round-off
    constant : the same value for every patient
    image_independent : not shape features, yet given by the outline alone: replacing all intensities moves none
    probes : lesions looked at for the first and the last
    """

    round_off: tuple[str, ...]
    constant: tuple[str, ...]
    image_independent: tuple[str, ...]
    probes: int

    @property
    def uninformative(self) -> tuple[str, ...]:
        """All three lists."""
        return (*self.round_off, *self.constant, *self.image_independent)

    def to_dict(self) -> dict[str, Any]:
        """As `stages/radiomics.json` holds it."""
        return {
            "constant": list(self.constant),
            "round_off": list(self.round_off),
            "image_independent": list(self.image_independent),
            "probes": self.probes,
        }


def screen_features(
    features: pd.DataFrame,
    lesions: Sequence[Lesion],
    *,
    preset: str,
    bin_width: float | None = None,
    bin_count: int | None = None,
    cache: Path | None = None,
    engine: str = "sequential",
    reporter: Reporter | None = None,
    load: Load = read_files,
    probes: int = 3,
) -> FeatureScreen:
    """Find the columns of `features` that carry no information about the image.

    features : one row a patient, columns `feature_names(preset)`; constant columns are judged on these rows
    lesions : of the same patients; `probes` of them, evenly spaced in order of patient id, are measured again with
        all intensities replaced (by noise, speckle and dots), and their filtered images are looked at
    preset, bin_width, bin_count, cache, engine, load : as in `extract_cohort`
    """
    names = feature_names(preset)
    if tuple(features.columns) != names:
        raise InputError(f"`features` must have the {len(names)} columns of preset {preset!r}, in order")
    if not lesions or probes < 1:
        raise InputError("at least one lesion must be probed; got none")
    ordered = sorted(lesions, key=lambda lesion: (lesion.patient, lesion.role))
    chosen = [ordered[i] for i in sorted(set(np.linspace(0, len(ordered) - 1, probes).round().astype(int).tolist()))]
    store = FeatureCache(Path(cache) if cache is not None else None)
    store.prepare()
    probe = partial(_probe, preset=preset, bin_width=bin_width, bin_count=bin_count, cache=store, load=load)
    results = map_tasks(probe, chosen, engine=engine, label="screening features", reporter=reporter)
    noise = np.all([loudness < ROUND_OFF for loudness, _ in results], axis=0)
    noisy = {name for name, quiet_ in zip(preset_named(preset).image_names, noise, strict=True) if quiet_}
    still = np.all([still for _, still in results], axis=0)
    constant = _constant(features.to_numpy(dtype=np.float64))
    lists: dict[str, list[str]] = {"round_off": [], "constant": [], "image_independent": []}
    for name, same, unmoved in zip(names, constant, still, strict=True):
        image, kind, _ = split_name(name)
        if image in noisy and kind not in SHAPE_CLASSES:
            lists["round_off"].append(name)
        elif same:
            lists["constant"].append(name)
        elif unmoved and kind not in SHAPE_CLASSES:
            lists["image_independent"].append(name)
    return FeatureScreen(**{key: tuple(value) for key, value in lists.items()}, probes=len(chosen))


def _constant(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Columns with one value, up to rounding; undefined values aside, and columns of nothing else."""
    seen = np.where(np.isnan(values), np.inf, values)
    low = seen.min(axis=0)
    high = np.where(np.isnan(values), -np.inf, values).max(axis=0)
    return np.asarray(~(high - low > CONSTANT * np.maximum(np.abs(high), np.abs(low))))


def _probe(
    lesion: Lesion, *, preset: str, bin_width: float | None, bin_count: int | None, cache: FeatureCache, load: Load
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """How loud each filtered image is within the outline, relative to the image; and which features do not move."""
    pixels, mask, spacing = decode(lesion, load)
    settings = settings_digest(preset_named(preset), bin_width, bin_count)
    extract = partial(
        measure, mask=mask, preset=preset_named(preset), bin_width=bin_width, bin_count=bin_count, spacing=spacing
    )

    def values(image: NDArray[np.float64]) -> NDArray[np.float64]:
        key = content_key(settings, image, mask, spacing)
        return cache.remember(key, len(feature_names(preset)), partial(extract, image))[0].values

    key = content_key(digest("loudness", settings), pixels, mask, spacing)
    images = len(preset_named(preset).image_names)
    with located(lesion):
        loud = cache.remember(key, images, lambda: Measured(_loudness(pixels, mask, preset, spacing)))[0].values
        before = values(pixels)
        still = [_unmoved(before, values(image)) for image in _replacements(pixels.shape)]
    return loud, np.all(still, axis=0)


def _unmoved(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.bool_]:
    close = np.abs(a - b) <= CONSTANT * np.maximum(np.abs(a), np.abs(b))
    return np.asarray(close | (np.isnan(a) & np.isnan(b)))


def _replacements(shape: tuple[int, ...]) -> list[NDArray[np.float64]]:
    """White noise, smooth speckle and bright dots on a flat ground: alike only in their 8-bit scale.

    They differ so much because some features take few values, such as the median of a local binary pattern, and two
    similar images can share one by chance. The same images every time.
    """
    rng = np.random.default_rng(1561)
    white = rng.integers(0, 256, shape).astype(np.float64)
    smooth = ndimage.gaussian_filter(rng.standard_normal(shape), 3.0)
    speckle = (smooth - smooth.min()) / np.ptp(smooth) * rng.gamma(4.0, 0.25, shape)
    dots = np.where(rng.random(shape) < 0.05, rng.integers(150, 256, shape), 40).astype(np.float64)
    return [white, np.rint(speckle / speckle.max() * 255), dots]


def _loudness(
    pixels: NDArray[np.float64], mask: NDArray[np.bool_], preset: str, spacing: tuple[float, float]
) -> NDArray[np.float64]:
    """Largest absolute value within the outline of each image that the preset filters, over the image's own largest."""
    found: dict[str, float] = {}
    chosen = preset_named(preset)
    image, outline = to_sitk(pixels, mask, chosen, spacing)
    with quiet([]):
        import SimpleITK as sitk
        from radiomics import imageoperations

        for kind, (settings, _) in chosen.images.items():
            yields = getattr(imageoperations, f"get{kind}Image")(image, outline, **{**chosen.settings, **settings})
            for filtered, name, _ in yields:
                inside = np.squeeze(sitk.GetArrayFromImage(filtered))[mask]
                found[name] = float(np.abs(inside).max() / np.abs(pixels).max())
    return np.array([found[name] for name in chosen.image_names])
