"""Are two small grey pictures the same picture? Correlation after the best shift and stretch.

Each picture is first brought to local contrast: less its local mean, over its local spread. Brightness, gain and gamma
fall out, every textured place counts alike, and a black frame, a sector's outline or a caption that two images share
carries no more weight than its area. Places without texture in either picture are left out.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

SIDE = 64
"""rows and columns of a small picture"""
LOCAL = 2.5
"""standard deviation, pixels, of the neighbourhood that contrast is local to"""
FAINT = 3.0
"""grey levels of spread below which a place has no texture"""
SCALES = (0.91, 0.94, 0.97, 1.0, 1.03, 1.06, 1.09)
"""stretches tried along rows and along columns"""
SHIFT = 6
"""largest shift tried, pixels each way"""
OVERLAP = 0.4
"""smallest share of the pixels that must have texture in both pictures"""

Floats = NDArray[np.float32]


class Texture(NamedTuple):
    """Local contrast (SIDE, SIDE), and how much texture each place has, 0 to 1."""

    contrast: Floats
    weight: Floats


def texture(picture: NDArray[np.uint8]) -> Texture:
    """The local contrast of a small picture."""
    grey = picture.astype(np.float32)
    high = grey - ndimage.gaussian_filter(grey, LOCAL, mode="nearest")
    spread = np.sqrt(ndimage.gaussian_filter(high**2, LOCAL, mode="nearest"))
    weight = spread**2 / (spread**2 + FAINT**2)
    return Texture(
        np.clip(high / np.sqrt(spread**2 + FAINT**2), -2.5, 2.5).astype(np.float32), weight.astype(np.float32)
    )


def flipped(picture: Texture) -> Texture:
    """The mirror image, left for right."""
    return Texture(picture.contrast[:, ::-1], picture.weight[:, ::-1])


@lru_cache(maxsize=1)
def _stretches() -> Floats:
    """(scales, SIDE, SIDE): matrices that stretch a line of pixels about its centre; zero beyond its ends."""
    at = np.arange(SIDE)
    out = np.zeros((len(SCALES), SIDE, SIDE), dtype=np.float32)
    for number, scale in enumerate(SCALES):
        source = (at - (SIDE - 1) / 2) / scale + (SIDE - 1) / 2
        share = 1 - np.abs(source[:, None] - at[None, :])
        out[number] = np.clip(share, 0, 1)
    return out


def likeness(a: Texture, b: Texture) -> float:
    """Correlation, -1 to 1, of two pictures at the shift and stretch where they fit best; 0 where too little overlaps.

    Shifts up to SHIFT / SIDE of the picture and stretches within SCALES are tried, so that crops, resizing and
    re-framing of a few per cent are found.
    """
    stretch = _stretches()
    k = len(SCALES)
    moved = ((stretch @ a.contrast)[:, None] @ stretch.transpose(0, 2, 1)[None]).reshape(k * k, SIDE, SIDE)
    pad = (fft.next_fast_len(SIDE + SHIFT, real=True),) * 2
    spectrum = fft.rfft2(b.contrast * b.weight, pad)
    cross = fft.irfft2(np.conj(fft.rfft2(moved, pad)) * spectrum, pad)
    near = np.r_[0 : SHIFT + 1, -SHIFT:0]
    window = cross[:, near[:, None], near[None, :]] / np.sqrt((moved**2).sum(axis=(1, 2)) + 1)[:, None, None]
    best = np.argpartition(-window.reshape(-1), 3)[:3]
    at = np.unravel_index(best, window.shape)
    return max(_overlap(a, b, int(s), int(near[i]), int(near[j])) for s, i, j in zip(*at, strict=True))


def _overlap(a: Texture, b: Texture, scale: int, down: int, right: int) -> float:
    """Weighted correlation where `a`, stretched and shifted, lies on `b`."""
    vertical, horizontal = (_stretches()[part] for part in divmod(scale, len(SCALES)))
    contrast = _shift(vertical @ a.contrast @ horizontal.T, down, right)
    weight = np.sqrt(_shift(vertical @ a.weight @ horizontal.T, down, right) * b.weight)
    total = float(weight.sum())
    if total < OVERLAP * SIDE * SIDE:
        return 0.0
    x = contrast - (weight * contrast).sum() / total
    y = b.contrast - (weight * b.contrast).sum() / total
    power = float((weight * x * x).sum() * (weight * y * y).sum())
    return float((weight * x * y).sum() / np.sqrt(power)) if power > 0 else 0.0


def _shift(values: Floats, down: int, right: int) -> Floats:
    """The values moved; zero where nothing was."""
    out = np.zeros_like(values)
    height, width = values.shape
    to_rows, to_columns = slice(max(down, 0), height + min(down, 0)), slice(max(right, 0), width + min(right, 0))
    rows, columns = slice(max(-down, 0), height + min(-down, 0)), slice(max(-right, 0), width + min(-right, 0))
    out[to_rows, to_columns] = values[rows, columns]
    return out
