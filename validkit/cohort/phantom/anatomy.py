"""What the beam meets: echogenicity, interfaces and attenuation of the tissue and of the lesion in it.

Echogenicity is the backscattered amplitude in dB, 0 for plain tissue. Maps are on the image's pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from validkit.cohort.phantom.lesion import Lesion, signed_distance

Floats = NDArray[np.float64]


TISSUE_ATTENUATION = 0.5
"""dB / cm / MHz"""


@dataclass(frozen=True)
class Interface:
    """A reflecting surface across the image: its depth in rows and its strength at each column."""

    row: Floats
    strength: Floats
    """amplitude of the coherent echo, in units of the plain tissue's scatterers per resolution cell"""


@dataclass(frozen=True)
class Anatomy:
    """Maps over (rows, columns) and the interfaces between layers."""

    echogenicity_db: Floats
    attenuation: Floats
    """dB / cm / MHz, one way"""
    interfaces: tuple[Interface, ...]


def draw_anatomy(
    rng: np.random.Generator, lesion: Lesion, *, heterogeneity_db: float, pixel_mm: float, shape: tuple[int, int]
) -> Anatomy:
    """Layered tissue with a hypoechoic lesion.

    heterogeneity_db : standard deviation of the echogenicity inside the lesion, dB
    """
    tissue, interfaces = _layers(rng, pixel_mm, shape)
    tissue = tissue + 1.8 * gaussian_field(rng, shape, (0.7 / pixel_mm, 3.0 / pixel_mm))
    tissue = tissue + 2.6 * gaussian_field(rng, shape, (7.0 / pixel_mm, 10.0 / pixel_mm))

    distance = signed_distance(lesion, shape)
    size = lesion.radius.mean()
    inside = 1.0 / (1.0 + np.exp(-np.clip(distance / rng.uniform(0.8, 2.6), -30, 30)))
    grain = size * rng.uniform(0.09, 0.13)
    texture = gaussian_field(rng, shape, (grain, 1.3 * grain))
    around = tissue[(distance < 0) & (distance > -0.5 * size)].mean()
    level = (
        0.7 * around
        + rng.normal(-10.0, 1.5)
        - 0.5 * max(heterogeneity_db - 2.5, 0.0)
        - 1.5 * np.clip(distance / size, 0, 1)
    )
    rim = rng.uniform(0.0, 3.5) * np.exp(-0.5 * ((distance + 0.12 * size) / (0.07 * size)) ** 2)
    mass = level + heterogeneity_db * texture
    attenuation = TISSUE_ATTENUATION + rng.normal(0.03, 0.12) * inside
    faded = tuple(Interface(item.row, item.strength * _outside(item.row, inside)) for item in interfaces)
    return Anatomy((1 - inside) * (tissue + rim) + inside * mass, attenuation, faded)


def gaussian_field(rng: np.random.Generator, shape: tuple[int, int], scale: tuple[float, float]) -> Floats:
    """Stationary Gaussian field of variance 1 with a Gaussian correlation of the given lengths (rows, columns), px."""
    spectrum = fft.rfft2(rng.standard_normal(shape))
    ky = fft.fftfreq(shape[0])[:, None] * scale[0]
    kx = fft.rfftfreq(shape[1])[None, :] * scale[1]
    weight = np.exp(-((np.pi * ky) ** 2) - (np.pi * kx) ** 2)
    twice = np.where((np.arange(weight.shape[1]) == 0) | (np.arange(weight.shape[1]) * 2 == shape[1]), 1.0, 2.0)
    power = (weight**2 * twice).sum() / (shape[0] * shape[1])
    return np.asarray(fft.irfft2(spectrum * weight, shape) / np.sqrt(power))


def _layers(rng: np.random.Generator, pixel_mm: float, shape: tuple[int, int]) -> tuple[Floats, tuple[Interface, ...]]:
    """Layers of different echogenicity and grain whose borders undulate, and reflect where they lie across the beam."""
    warp = (2.4 / pixel_mm) * gaussian_field(rng, shape, (22.0 / pixel_mm, 15.0 / pixel_mm))
    level = np.arange(shape[0])[:, None] + warp
    top = 3.0 / pixel_mm
    borders = np.sort(rng.uniform(top, shape[0], size=rng.integers(3, 7)))
    echo = rng.normal(0.0, 3.2, size=len(borders) + 1)
    strata = rng.lognormal(np.log(1.6), 0.5, size=len(borders) + 1)
    tissue, grain = np.full(shape, echo[0]), np.full(shape, strata[0])
    skin = np.full(shape[1], rng.uniform(0.3, 1.2) / pixel_mm)
    interfaces = [Interface(skin, np.full(shape[1], 8.0))]
    for index, border in enumerate(borders):
        below = 1.0 / (1.0 + np.exp(-np.clip(2 * (level - border), -30, 30)))
        tissue += (echo[index + 1] - echo[index]) * below
        grain += (strata[index + 1] - strata[index]) * below
        interfaces.append(_interface(rng, border - warp[int(border)], shape[1], pixel_mm, strength=7.0))
    profile = gaussian_field(rng, (4 * shape[0], 1), (rng.uniform(0.7, 1.4) / pixel_mm, 1.0))[:, 0]
    patches = np.clip(0.6 + 0.7 * gaussian_field(rng, shape, (3.0 / pixel_mm, 8.0 / pixel_mm)), 0.0, None)
    tissue += grain * patches * np.interp(level, np.arange(4 * shape[0]) - shape[0], profile)
    tissue += 6.0 * np.exp(-np.arange(shape[0])[:, None] * pixel_mm / 1.6)
    for _ in range(rng.integers(3, 14)):
        row = rng.uniform(top, shape[0]) - warp[int(rng.integers(shape[0]))]
        interfaces.append(_interface(rng, row, shape[1], pixel_mm, strength=3.5))
    for item in interfaces[1:]:
        _add_halo(tissue, item, 0.35 / pixel_mm)
    return tissue, tuple(interfaces)


def _interface(rng: np.random.Generator, row: Floats, columns: int, pixel_mm: float, *, strength: float) -> Interface:
    """Strength varies along the surface, and falls where it is oblique to the beam; the surface is a little uneven."""
    patches = np.clip(gaussian_field(rng, (1, columns), (1.0, 5.0 / pixel_mm))[0], 0.0, None)
    oblique = np.exp(-((np.gradient(row) / 0.25) ** 2))
    uneven = (0.12 / pixel_mm) * gaussian_field(rng, (1, columns), (1.0, 0.8 / pixel_mm))[0]
    return Interface(row + uneven, strength * rng.lognormal(0.0, 0.5) * patches * oblique)


def _add_halo(tissue: Floats, item: Interface, thickness: float) -> None:
    """Diffuse echo of the sheet around a surface, dB, added in place to the rows it reaches."""
    first = int(np.clip(item.row.min() - 4 * thickness, 0, len(tissue)))
    last = int(np.clip(item.row.max() + 4 * thickness + 1, 0, len(tissue)))
    away = (np.arange(first, last)[:, None] - item.row) / thickness
    tissue[first:last] += 1.6 * np.minimum(item.strength, 5.0) * np.exp(-0.5 * away**2)


def _outside(row: Floats, inside: Floats) -> Floats:
    at = np.clip(np.rint(row).astype(int), 0, inside.shape[0] - 1)
    return np.asarray(1.0 - inside[at, np.arange(inside.shape[1])])
