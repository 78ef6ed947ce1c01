"""Agreement between two outlines of one object: overlap, and distance between their borders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from validkit.errors import InputError
from validkit.stats.checks import FloatArray
from validkit.stats.results import NAN, Estimate, Record

__all__ = ["SurfaceDistance", "dice", "jaccard", "surface_distance"]

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class SurfaceDistance(Record):
    """Distances between two borders, in the unit of the spacing.

    mean : average symmetric surface distance; hausdorff : the largest distance; hausdorff95 : the larger of the two
    directed 95 % quantiles
    """

    mean: float
    hausdorff: float
    hausdorff95: float
    note: str = ""


def _check_masks(mask_a: ArrayLike, mask_b: ArrayLike) -> tuple[Mask, Mask]:
    masks = []
    for name, mask in (("mask_a", mask_a), ("mask_b", mask_b)):
        array = np.asarray(mask)
        if not np.isin(array, (0, 1)).all():
            raise InputError(f"`{name}` must hold only 0 and 1 (or False and True)")
        masks.append(array.astype(bool))
    if masks[0].shape != masks[1].shape:
        raise InputError(f"the outlines must have one shape; they have {masks[0].shape} and {masks[1].shape}")
    return masks[0], masks[1]


def dice(mask_a: ArrayLike, mask_b: ArrayLike) -> Estimate:
    """Dice overlap of two outlines, 2 |A and B| / (|A| + |B|), as an Estimate without interval; 1 is identity.

    mask_a, mask_b : arrays of one shape holding 0 and 1. Two empty outlines have no overlap to speak of: NaN.
    Pixels of one outline are no sample, so a single pair has no interval: summarise the values of many lesions.

    >>> dice([[1, 1, 0]], [[0, 1, 1]])
    0.5 (Dice)

    Reference: Dice, Ecology 26 (1945) 297-302.
    """
    shared, total, _ = _areas(mask_a, mask_b)
    if total == 0:
        return Estimate(NAN, method="Dice", note="undefined: both outlines are empty")
    return Estimate(2 * shared / total, method="Dice")


def jaccard(mask_a: ArrayLike, mask_b: ArrayLike) -> Estimate:
    """Jaccard overlap (intersection over union) of two outlines, |A and B| / |A or B| = D / (2 - D), D being Dice's.

    mask_a, mask_b : as for `dice`, with the same undefined case; no interval.

    >>> jaccard([[1, 1, 0]], [[0, 1, 1]])
    0.3333 (Jaccard)

    Reference: Jaccard, New Phytol 11 (1912) 37-50.
    """
    shared, _, union = _areas(mask_a, mask_b)
    if union == 0:
        return Estimate(NAN, method="Jaccard", note="undefined: both outlines are empty")
    return Estimate(shared / union, method="Jaccard")


def _areas(mask_a: ArrayLike, mask_b: ArrayLike) -> tuple[int, int, int]:
    """Pixels in both outlines, the sum of the two areas, pixels in either."""
    a, b = _check_masks(mask_a, mask_b)
    shared, total = int((a & b).sum()), int(a.sum()) + int(b.sum())
    return shared, total, total - shared


def _border(mask: Mask) -> Mask:
    """Pixels of the outline that touch its outside through a side; the edge of the image is outside."""
    from scipy import ndimage

    inside: Mask = ndimage.binary_erosion(mask, border_value=0)
    return mask & ~inside


def _directed(border_from: Mask, border_to: Mask, spacing: Sequence[float]) -> FloatArray:
    from scipy import ndimage

    distances: FloatArray = ndimage.distance_transform_edt(~border_to, sampling=spacing)[border_from]
    return distances


def surface_distance(
    mask_a: ArrayLike, mask_b: ArrayLike, *, spacing: Sequence[float] | float = 1.0
) -> SurfaceDistance:
    """Mean, largest and 95 % distance between the borders of two outlines, from pixel centre to pixel centre.

    mask_a, mask_b : arrays of one shape holding 0 and 1, of one to three dimensions
    spacing : size of a pixel along each axis, e.g. in mm, or one number for all; the distances have its unit

    An empty outline has no border: NaN with a note. Where pixels are not square, `spacing` matters: without it the
    distances are in pixels.

    >>> surface_distance([[1, 0, 0, 0]], [[0, 0, 0, 1]], spacing=0.5).hausdorff
    1.5

    Reference: Taha and Hanbury, BMC Med Imaging 15 (2015) 29.
    """
    a, b = _check_masks(mask_a, mask_b)
    steps = [float(spacing)] * a.ndim if isinstance(spacing, (int, float)) else [float(step) for step in spacing]
    if len(steps) != a.ndim or not all(np.isfinite(step) and step > 0 for step in steps):
        raise InputError(f"`spacing` must be a positive number, or one for each of {a.ndim} axes, not {spacing!r}")
    if not (a.any() and b.any()):
        return SurfaceDistance(NAN, NAN, NAN, "undefined: an outline is empty")
    border_a, border_b = _border(a), _border(b)
    there, back = _directed(border_a, border_b, steps), _directed(border_b, border_a, steps)
    return SurfaceDistance(
        mean=float((there.sum() + back.sum()) / (there.size + back.size)),
        hausdorff=float(max(there.max(), back.max())),
        hausdorff95=float(max(np.quantile(there, 0.95), np.quantile(back, 0.95))),
    )
