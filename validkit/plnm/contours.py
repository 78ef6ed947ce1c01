"""Randomised outlines: how much would another drawing of the same lesion change the features?

For cohorts with one outline per patient. After the contour randomisation of Zwanenburg et al., Assessing robustness
of radiomic features by image perturbation, Sci Rep 9 (2019) 614; theirs adds and drops superpixels, here the border
moves along its normal by a smooth random field, which needs no second segmentation of the image.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from validkit.errors import InputError, MissingExtraError, StageError

Mask = NDArray[np.bool_]

EIGHT = np.ones((3, 3))
"""pieces are 8-connected, as in `validkit.cohort`"""

ATTEMPTS = 50
"""draws before giving up on one that keeps the lesion one piece and of a likely area"""

WAVES = 12
"""highest harmonic of the displacement along the border"""

CUTOFF = 4.0
"""harmonic at which the field's amplitude has fallen to exp(-1/2): bumps no shorter than about a tenth of the border"""


def perturb_outline(mask: Mask, *, displacement: float, rng: np.random.Generator) -> Mask:
    """The outline drawn again with a smooth random deviation.

    mask : (rows, columns) bool, one lesion in one piece; holes are filled
    displacement : standard deviation of the border's displacement along its normal, as a share of the lesion's
        equivalent radius sqrt(area / pi); in (0, 0.5]
    rng : the randomness; the same state gives the same outline

    With arc length s in [0, 1) along the border the displacement is the stationary periodic Gaussian field
    d(s) = sum_{k=0}^{12} w_k (a_k cos 2 pi k s + b_k sin 2 pi k s), w_k proportional to exp(-(k / 4)^2 / 2): the
    outline as a whole grows or shrinks (k = 0), shifts (k = 1) and bulges. A pixel belongs to the new outline when its
    signed distance from the border is below d at the nearest border point.

    The result is one piece without holes, keeps one pixel from the image's edge unless the given outline touches it,
    and its area lies within (1 +- 3 displacement)^2 of the given one, at least a quarter of it. A draw that breaks
    apart (over 5 % outside the largest piece) or misses that area is drawn again, up to 50 times; then StageError.
    """
    mask = _checked(mask, displacement)
    area = int(mask.sum())
    spread = displacement * np.sqrt(area / np.pi)
    distance, place = _signed_distance(mask, reach=5 * spread)
    low, high = max(0.25, max(0.0, 1 - 3 * displacement) ** 2) * area, (1 + 3 * displacement) ** 2 * area
    allowed = np.ones_like(mask) if _touches_edge(mask) else _interior(mask.shape)
    for _ in range(ATTEMPTS):
        drawn = (distance < spread * _field(place, rng)) & allowed
        outline = _one_piece(drawn)
        if outline is not None and low <= outline.sum() <= high and min(np.ptp(np.nonzero(outline), axis=1)) >= 1:
            return outline
    raise StageError(
        f"none of {ATTEMPTS} randomised outlines of this lesion ({area} pixels) stays in one piece with a likely area "
        f"at displacement {displacement:g}: ask for a smaller one"
    )


def _checked(mask: Any, displacement: float) -> Mask:
    mask = np.asarray(mask)
    if mask.ndim != 2 or mask.dtype != np.bool_:
        raise InputError(f"`mask` must be a 2-D bool array; got {mask.ndim} dimensions of type {mask.dtype}")
    if not 0 < displacement <= 0.5:
        raise InputError(f"`displacement` must lie in (0, 0.5]; got {displacement}")
    pieces = int(ndimage.label(mask, structure=EIGHT)[1])
    if pieces != 1:
        raise InputError(f"`mask` must be one lesion in one piece; got {pieces} pieces")
    return np.asarray(ndimage.binary_fill_holes(mask))


def _signed_distance(mask: Mask, reach: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Each pixel's distance from the border (negative inside) and the nearest border point's arc length in [0, 1).

    The border is the polygon midway between pixels inside and outside. Beyond `reach` the distance is infinite: no
    border moves by five standard deviations, and looking up far pixels would take most of the time.
    """
    try:
        from skimage.measure import find_contours
    except ImportError as error:
        raise MissingExtraError("scikit-image", "imaging", "randomised outlines") from error
    lines = find_contours(np.pad(mask, 1).astype(np.float64), 0.5, fully_connected="high")
    border = max(lines, key=len)[:-1] - 1
    steps = np.linalg.norm(np.roll(border, -1, axis=0) - border, axis=1)
    arc = np.concatenate([[0.0], np.cumsum(steps)[:-1]]) / steps.sum()
    signed, place = np.where(mask, -np.inf, np.inf), np.zeros(mask.shape)
    near = _within(mask, reach)
    distance, nearest = cKDTree(border).query(np.argwhere(near))
    signed[near] = np.where(mask[near], -distance, distance)
    place[near] = arc[nearest]
    return signed, place


def _within(mask: Mask, reach: float) -> Mask:
    """Pixels whose centre lies within `reach` of the border, to a pixel more."""
    outside = ndimage.distance_transform_edt(~mask)
    inside = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    return np.asarray(np.maximum(inside, outside) <= reach + 1)


def _field(place: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """A periodic Gaussian field over arc length in [0, 1): mean 0, standard deviation 1 at each point."""
    k = np.arange(WAVES + 1)
    weight = np.exp(-((k / CUTOFF) ** 2) / 2)
    weight /= np.linalg.norm(weight)
    a, b = rng.standard_normal((2, WAVES + 1)) * weight
    angle = 2 * np.pi * place
    field = np.full(place.shape, a[0])
    for wave in k[1:]:
        field += a[wave] * np.cos(wave * angle) + b[wave] * np.sin(wave * angle)
    return field


def _one_piece(mask: Mask) -> Mask | None:
    """The largest 8-connected piece with its holes filled; None where it holds under 95 % of the pixels."""
    labels, pieces = ndimage.label(mask, structure=EIGHT)
    if pieces == 0:
        return None
    sizes = np.bincount(labels.ravel())[1:]
    if sizes.max() < 0.95 * sizes.sum():
        return None
    return np.asarray(ndimage.binary_fill_holes(labels == 1 + sizes.argmax()))


def _interior(shape: tuple[int, ...]) -> Mask:
    inside = np.zeros(shape, dtype=np.bool_)
    inside[1:-1, 1:-1] = True
    return inside


def _touches_edge(mask: Mask) -> bool:
    return bool(mask[[0, -1]].any() or mask[:, [0, -1]].any())
