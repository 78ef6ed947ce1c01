"""Shape of a lesion, and how readers outline it.

A lesion is star-shaped about its centre: a closed contour radius(angle) made of an ellipse, a few lobes, and a rough
margin, a Fourier series with random phases and amplitudes falling as 1/k. A reader sees it smoothed, displaced by a
smooth random field that he keeps to (his reading of this lesion), and by another that is new each time he draws.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.float64]

ANGLES: Floats = np.linspace(0.0, 2 * np.pi, 720, endpoint=False)
CLEARANCE = 1.45
"""room kept between the centre and the border of the image, in largest radii"""


@dataclass(frozen=True)
class Lesion:
    """A contour in pixels: centre (row, column) and radius at each of `ANGLES`, measured from +column to +row."""

    centre: tuple[float, float]
    radius: Floats


@dataclass(frozen=True)
class Reader:
    """How a reader draws, in shares of the lesion's mean radius."""

    sharpness: float
    """harmonic of the margin at which the reader follows 1/e of it"""
    habit_sd: float
    """displacement that comes back each time the reader draws this lesion"""
    session_sd: float
    """displacement that is new each time"""
    bias: float = 0.0
    """systematic displacement, outward positive"""


READER_A = Reader(sharpness=20.0, habit_sd=0.045, session_sd=0.045)
READER_B = Reader(sharpness=17.0, habit_sd=0.070, session_sd=0.055, bias=0.025)


def draw_lesion(
    rng: np.random.Generator, *, diameter: float, roughness: float, shape: tuple[int, int], rows: tuple[float, float]
) -> Lesion:
    """A lesion whose largest diameter (maximum Feret diameter) is `diameter` pixels.

    roughness : standard deviation of the rough margin, as a share of the radius
    shape : image (rows, columns); the contour stays clear of its border
    rows : the band in which the sonographer places the centre, as shares of the image's height
    """
    tilt = rng.normal(0.0, 0.35)
    aspect = rng.uniform(0.58, 0.92)
    ellipse = aspect / np.hypot(aspect * np.cos(ANGLES - tilt), np.sin(ANGLES - tilt))
    lobes = 0.055 * _random_series(rng, np.arange(2, 6), slope=1.0)
    margin = roughness * _random_series(rng, np.arange(6, 49), slope=1.0)
    radius = ellipse * np.maximum(1.0 + lobes + margin, 0.35)
    radius *= diameter / feret_diameter(radius)
    room = CLEARANCE * radius.max()
    centre = (
        _place(rng.uniform(*rows) * shape[0], room, shape[0]),
        _place(rng.normal(0.5, 0.09) * shape[1], room, shape[1]),
    )
    return Lesion(centre, radius)


def _place(position: float, room: float, length: int) -> float:
    return float(np.clip(position, room, length - room)) if length > 2 * room else length / 2


def feret_diameter(radius: Floats) -> float:
    """Largest distance between parallel tangents of the contour."""
    x, y = radius * np.cos(ANGLES), radius * np.sin(ANGLES)
    half = ANGLES[: len(ANGLES) // 2 : 4]
    along = np.outer(np.cos(half), x) + np.outer(np.sin(half), y)
    return float(np.ptp(along, axis=1).max())


def outline(lesion: Lesion, reader: Reader, habit: Floats, rng: np.random.Generator) -> Floats:
    """Radius at `ANGLES` as a reader draws it; `habit` comes from `draw_habit`, once per reader and lesion."""
    harmonics = np.fft.rfft(lesion.radius)
    seen = np.fft.irfft(harmonics * np.exp(-((np.arange(len(harmonics)) / reader.sharpness) ** 2)), len(ANGLES))
    displacement = reader.bias + reader.habit_sd * habit + reader.session_sd * draw_habit(rng)
    drawn: Floats = np.maximum(seen + lesion.radius.mean() * np.clip(displacement, -0.35, 0.35), 0.25 * seen)
    return drawn


def draw_habit(rng: np.random.Generator) -> Floats:
    """A smooth random field of variance 1 around the contour: its level and harmonics 1 to 9."""
    share = 0.2
    around = _random_series(rng, np.arange(1, 10), slope=0.7)
    return math.sqrt(share) * rng.standard_normal() + math.sqrt(1 - share) * around


def _random_series(rng: np.random.Generator, harmonics: NDArray[np.int64], slope: float) -> Floats:
    """Gaussian Fourier series on `ANGLES`, expected variance 1, amplitudes falling as k^-slope."""
    weights = harmonics.astype(float) ** -slope
    weights /= np.sqrt((weights**2).sum())
    coefficients = np.zeros(len(ANGLES) // 2 + 1, dtype=complex)
    coefficients[harmonics] = weights * (rng.standard_normal(len(harmonics)) + 1j * rng.standard_normal(len(harmonics)))
    return np.fft.irfft(coefficients, len(ANGLES)) * len(ANGLES) / 2


def signed_distance(lesion: Lesion, shape: tuple[int, int]) -> Floats:
    """Radial distance to the contour in pixels, positive inside; (rows, columns)."""
    return _radial_distance(lesion.centre, lesion.radius, shape)


def rasterize(centre: tuple[float, float], radius: Floats, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """The pixels inside a contour: one 4-connected piece without holes, clear of the image's border."""
    inside = _radial_distance(centre, radius, shape) >= 0
    inside[[0, 1, -2, -1], :] = False
    inside[:, [0, 1, -2, -1]] = False
    pieces, count = ndimage.label(inside)
    if count > 1:
        inside = pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:])
    return np.asarray(ndimage.binary_fill_holes(inside), dtype=np.bool_)


def _radial_distance(centre: tuple[float, float], radius: Floats, shape: tuple[int, int]) -> Floats:
    rows, columns = np.arange(shape[0])[:, None] - centre[0], np.arange(shape[1])[None, :] - centre[1]
    angle = np.mod(np.arctan2(rows, columns), 2 * np.pi)
    at = np.append(radius, radius[0])
    distance: Floats = np.interp(angle, np.append(ANGLES, 2 * np.pi), at) - np.hypot(rows, columns)
    return distance
