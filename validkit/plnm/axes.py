"""Round numbers for the axes of a nomogram: ranges and ticks, nothing drawn."""

from __future__ import annotations

import math

import numpy as np

PROBABILITIES = (
    0.001,
    0.005,
    0.01,
    0.02,
    0.05,
    0.1,
    0.2,
    0.3,
    0.4,
    0.5,
    0.6,
    0.7,
    0.8,
    0.9,
    0.95,
    0.98,
    0.99,
    0.995,
    0.999,
)


def round_step(low: float, high: float, intervals: int = 8) -> float:
    """The step of 1, 2 or 5 times a power of ten that cuts [low, high] into about so many intervals."""
    raw = (high - low) / intervals
    power = 10.0 ** math.floor(math.log10(raw))
    return min((m * power for m in (1.0, 2.0, 5.0, 10.0)), key=lambda step: abs(math.log(step / raw)))


def multiples(low: float, high: float, step: float, *, outward: bool) -> tuple[float, ...]:
    """Multiples of the step within [low, high], or, outward, that reach from below low to above high."""
    slack = 1e-9
    first, last = low / step, high / step
    start = math.floor(first + slack) if outward else math.ceil(first - slack)
    stop = math.ceil(last - slack) if outward else math.floor(last + slack)
    digits = max(0, -math.floor(math.log10(step)) + 1)
    return tuple(round(k * step, digits) + 0.0 for k in range(start, stop + 1))


def round_range(low: float, high: float) -> tuple[float, float]:
    """[low, high] widened outward to round numbers; a single value is widened by a half unit of its size."""
    if not low < high:
        half = 0.5 * 10.0 ** math.floor(math.log10(abs(low))) if low else 0.5
        low, high = low - half, high + half
    ticks = multiples(low, high, round_step(low, high), outward=True)
    return ticks[0], ticks[-1]


def ticks_within(low: float, high: float, intervals: int = 8) -> tuple[float, ...]:
    """Both ends and the round numbers between them that do not crowd an end."""
    step = round_step(low, high, intervals)
    inner = [t for t in multiples(low, high, step, outward=False) if min(t - low, high - t) > 0.4 * step]
    return (low, *inner, high)


def probabilities_around(low: float, high: float) -> tuple[float, ...]:
    """Round probabilities from the last at or below low to the first at or above high."""
    grid = np.array(PROBABILITIES)
    first = max(int(np.searchsorted(grid, low, side="right")) - 1, 0)
    last = min(int(np.searchsorted(grid, high, side="left")), grid.size - 1)
    return tuple(float(p) for p in grid[min(first, last) : max(last, first) + 1])
