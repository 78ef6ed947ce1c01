"""Numbers that leave a centre, rounded so that no difference of two summaries is one patient.

Counts are rounded at random to one of the two nearest multiples of a base, estimates to one of the two nearest points
of a grid as wide as a share of their standard error, each with the probability that leaves its expectation as it is. A
deterministic rule would give a patient away wherever a count crosses a boundary; here either outcome of any patient can
lead to either published number.

Reference: unbiased random rounding, Nargundkar and Saveland, Proc Soc Stat Sect Am Stat Assoc (1972) 382-385.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np

__all__ = ["BASE", "SHARE", "Rounding"]

BASE = 5
"""of counts, and the smallest cell that is published"""
SHARE = 0.25
"""the grid's width, in standard errors"""
DIGITS = 2
"""significant digits of a standard error"""


class Rounding:
    """Random rounding that gives the same numbers to the same cohort, so that asking again tells nothing more.

    key : what the chance follows from; whoever does not have the cohort cannot know it
    """

    def __init__(self, key: str) -> None:
        self._key = key

    def count(self, value: int, name: str) -> int:
        """A multiple of BASE with the expectation `value`."""
        low = value // BASE * BASE
        return int(low + BASE * (self._uniform(name) < (value - low) / BASE))

    def estimate(self, value: float, se: float, name: str) -> float:
        """A point of a grid of steps 1, 2 or 5 times a power of ten, at least SHARE standard errors wide."""
        step = grid(SHARE * se)
        low = math.floor(value / step)
        at = low + (self._uniform(name) < value / step - low)
        return float(f"{at * step:.12g}")

    def error(self, se: float) -> float:
        """A standard error with two significant digits, rounded upwards: it covers what rounding added."""
        widened = se * math.sqrt(1.0 + SHARE**2 / 4.0)
        step = 10.0 ** (math.floor(math.log10(widened)) - DIGITS + 1)
        return float(f"{math.ceil(widened / step) * step:.12g}")

    def rng(self, name: str) -> np.random.Generator:
        """The chance of one number."""
        return np.random.default_rng(list(hashlib.sha256(f"{self._key}/{name}".encode()).digest()))

    def _uniform(self, name: str) -> float:
        return float(self.rng(name).random())


def grid(least: float) -> float:
    """The smallest of 1, 2, 5, 10, ... times a power of ten that is no smaller than `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in (1.0, 2.0, 5.0, 10.0) if step * power >= least * (1 - 1e-12))
