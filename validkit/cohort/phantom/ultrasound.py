"""B-mode imaging by a linear array: from scatterers to grey levels.

1. Random scatterers, many per resolution cell (fully developed speckle), scaled by the echogenicity; interfaces add
   coherent echoes.
2. Two-way attenuation along each line, of tissue and lesion (which makes the shadow or the enhancement behind it).
3. Radio-frequency lines: convolution with a Gaussian pulse, cos-modulated at the centre frequency; across lines with
   a Gaussian beam, narrowest at the focus. Electronic noise.
4. Envelope by the analytic signal (Hilbert), which the one-sided spectrum gives directly, at a reduced rate; averaged
   over two halves of the band (frequency compounding), as scanners do.
5. Time-gain compensation, sampling to pixels, log compression to the dynamic range, 8 bits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from validkit.cohort.phantom.anatomy import TISSUE_ATTENUATION, Anatomy

SPEED_MM_US = 1.54
SAMPLING_MHZ = 40.0
LINES = 224
MARGIN = 12
"""lines simulated beyond each side of the image, so that its edges see a whole beam"""
PULSE_ROOM = 256
"""samples of silence after each line, so that the circular convolution does not wrap"""
FWHM = 2 * math.sqrt(2 * math.log(2))
"""full width at half maximum of a Gaussian of standard deviation 1"""
GREY_MAP_KNEE = 0.05
TISSUE_LEVEL = 0.46
"""share of the grey scale at which plain tissue is shown at 0 dB gain"""

Floats = NDArray[np.float64]
Complex = NDArray[np.complex64]
Single = NDArray[np.float32]


@dataclass(frozen=True)
class Acquisition:
    """Settings of one image."""

    frequency_mhz: float
    fractional_bandwidth: float
    f_number: float
    depth_mm: float
    focus_mm: float
    gain_db: float
    dynamic_range_db: float
    tgc_error_db_cm: float
    """what the operator's time-gain compensation leaves, dB per cm of depth"""
    noise_db: float
    """electronic noise below the echo of plain tissue at the surface"""

    @property
    def pulse_sigma_mhz(self) -> float:
        """Standard deviation of the pulse's spectrum."""
        return self.fractional_bandwidth * self.frequency_mhz / FWHM


def simulate_image(rng: np.random.Generator, anatomy: Anatomy, setting: Acquisition) -> NDArray[np.uint8]:
    """The image of an anatomy, (rows, columns) uint8."""
    rows, columns = anatomy.echogenicity_db.shape
    samples = round(2 * setting.depth_mm / SPEED_MM_US * SAMPLING_MHZ)
    lines = _lines_of_pixels(columns)
    echoes = _reflectivity(rng, anatomy, setting, samples, lines)
    envelope, step = _envelope(rng, echoes, setting, setting.depth_mm / rows * (lines[1] - lines[0]))
    pixels = _sample_rows(envelope[MARGIN:-MARGIN], step, samples, rows)
    depth_cm = (np.arange(rows) + 0.5) * setting.depth_mm / rows / 10
    tgc_db = (2 * TISSUE_ATTENUATION * setting.frequency_mhz + setting.tgc_error_db_cm) * depth_cm
    decibels = 20 * np.log10(np.maximum(pixels.T, 1e-12)) + tgc_db[:, None]
    shown = _across(decibels + setting.gain_db, np.linspace(0, LINES - 1, columns))
    return np.rint(255.0 * _grey_map(TISSUE_LEVEL + shown / setting.dynamic_range_db)).astype(np.uint8)


def _grey_map(share: Floats) -> Floats:
    """The scanner's grey map onto [0, 1]: straight, with a toe and a shoulder where clipping would be."""
    toe = GREY_MAP_KNEE * np.logaddexp(0.0, share / GREY_MAP_KNEE)
    return np.clip(1.0 - GREY_MAP_KNEE * np.logaddexp(0.0, (1.0 - toe) / GREY_MAP_KNEE), 0.0, 1.0)


def _lines_of_pixels(columns: int) -> Floats:
    """Column coordinate of every line, margins included."""
    pitch = (columns - 1) / (LINES - 1)
    return np.asarray((np.arange(LINES + 2 * MARGIN) - MARGIN) * pitch)


def _reflectivity(
    rng: np.random.Generator, anatomy: Anatomy, setting: Acquisition, samples: int, lines: NDArray[np.float64]
) -> Single:
    """Scatterers and interfaces along each line after two-way attenuation, (lines, samples)."""
    rows, columns = anatomy.echogenicity_db.shape
    pixel_cm = setting.depth_mm / rows / 10
    two_way_db = 2 * setting.frequency_mhz * pixel_cm * np.cumsum(anatomy.attenuation, axis=0)
    loss = _across(two_way_db, lines)
    amplitude = 10 ** ((_across(anatomy.echogenicity_db, lines) - loss) / 20)
    at = np.clip((np.arange(samples) + 0.5) * rows / samples - 0.5, 0, rows - 1)
    lower = np.minimum(at.astype(np.intp), rows - 2)
    upper_share = (at - lower).astype(np.float32)
    amplitude = np.ascontiguousarray(amplitude.T, dtype=np.float32)
    echoes = np.take(amplitude, lower, axis=1)
    slope = np.take(np.diff(amplitude, axis=1), lower, axis=1)
    slope *= upper_share
    echoes += slope
    echoes *= rng.standard_normal(echoes.shape, dtype=np.float32)
    index = np.arange(len(lines))
    # a coherent echo of n scatterers' worth, over the samples that one pulse length covers
    cell = np.sqrt(SAMPLING_MHZ / (FWHM * setting.pulse_sigma_mhz))
    for interface in anatomy.interfaces:
        row = np.interp(lines, np.arange(columns), interface.row)
        strength = np.interp(lines, np.arange(columns), interface.strength)
        sample = np.rint((row + 0.5) * samples / rows - 0.5).astype(np.intp)
        inside = (sample >= 0) & (sample < samples) & (row <= rows - 1)
        here, sample = index[inside], sample[inside]
        fade = 10 ** (-loss[np.rint(row[inside]).clip(0).astype(np.intp), here] / 20)
        echoes[here, sample] += (cell * strength[inside] * fade).astype(np.float32)
    return np.asarray(echoes)


def _across(values: Floats, at: Floats) -> Floats:
    """Linear interpolation of (rows, n) at fractional columns; beyond the edges the edge columns repeat."""
    at = np.clip(at, 0, values.shape[1] - 1)
    lower = np.minimum(at.astype(np.intp), values.shape[1] - 2)
    share = at - lower
    return np.asarray(values[:, lower] * (1 - share) + values[:, lower + 1] * share)


def _envelope(rng: np.random.Generator, echoes: Single, setting: Acquisition, pitch_mm: float) -> tuple[Single, float]:
    """Detected amplitude at a reduced rate, (lines, decimated samples), and the radio-frequency samples in one of them.

    Plain tissue at the surface has mean square 1 in either half of the band.
    """
    length = fft.next_fast_len(echoes.shape[1] + PULSE_ROOM, real=True)
    spectrum = fft.rfft(echoes, length, axis=1)
    frequency = fft.rfftfreq(length, 1 / SAMPLING_MHZ)
    width = 0.75 * setting.pulse_sigma_mhz
    half = int(5.2 * width / frequency[1])
    count = fft.next_fast_len(2 * half + 1)
    step = length / count
    kept = int(np.ceil(echoes.shape[1] / step))
    noise_level = np.float32(10 ** (-setting.noise_db / 20) / np.sqrt(2))
    total = np.zeros((len(echoes), kept), dtype=np.float32)
    for side in (-1, 1):
        centre = setting.frequency_mhz + side * width
        middle = int(np.rint(centre / frequency[1]))
        low, high = max(middle - half, 0), min(middle + half + 1, len(frequency))
        band = np.exp(-0.5 * ((frequency[low:high] - centre) / width) ** 2)
        scale = count / np.sqrt(length * (band**2).sum())
        analytic = fft.ifft(spectrum[:, low:high] * (band * scale).astype(np.float32), count, axis=1)[:, :kept]
        analytic = _beam(analytic, setting, pitch_mm, step)
        noise = noise_level * rng.standard_normal((2, *analytic.shape), dtype=np.float32)
        total += np.abs(analytic + (noise[0] + 1j * noise[1]))
    return np.asarray(total / np.float32(2)), step


def _beam(analytic: Complex, setting: Acquisition, pitch_mm: float, step: float) -> Complex:
    """Gaussian two-way beam across lines, width by depth, mean square of white scatterers kept; (lines, samples)."""
    lines, samples = analytic.shape
    depth = np.arange(samples) * step * SPEED_MM_US / (2 * SAMPLING_MHZ)
    wavelength = SPEED_MM_US / setting.frequency_mhz
    waist = wavelength * setting.f_number
    depth_of_field = 7.0 * wavelength * setting.f_number**2
    width = waist * np.sqrt(1.0 + ((depth - setting.focus_mm) / (3.0 * depth_of_field)) ** 2)
    sigma = width / (FWHM * pitch_mm)
    k = fft.fftfreq(lines)
    transfer = np.exp(-2 * (np.pi * k[:, None] * sigma[None, :]) ** 2)
    transfer /= np.sqrt((transfer**2).mean(axis=0, keepdims=True))
    return np.asarray(fft.ifft(fft.fft(analytic, axis=0) * transfer.astype(np.float32), axis=0))


def _sample_rows(envelope: Single, step: float, samples: int, rows: int) -> Floats:
    """Mean amplitude over the depth of each pixel, (lines, rows); sample j stands for the depths around j x step."""
    total = np.concatenate([np.zeros((len(envelope), 1)), np.cumsum(envelope, axis=1, dtype=np.float64)], axis=1)
    edges = np.clip((np.linspace(0, samples, rows + 1) - 0.5) / step + 0.5, 0, envelope.shape[1])
    lower = np.minimum(edges.astype(np.intp), envelope.shape[1] - 1)
    at = total[:, lower] + (edges - lower) * (total[:, lower + 1] - total[:, lower])
    return np.asarray(np.diff(at, axis=1) / np.diff(edges))
