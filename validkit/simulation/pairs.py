"""Two models on the same patients, each with its own AUC and calibration, correlated within either class."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from validkit.errors import InputError
from validkit.simulation.families import BinormalFamily
from validkit.simulation.risks import Risks

__all__ = ["PairedRisks"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class PairedRisks:
    """Models a and b of one population; normal scores of the two correlate by `correlation` among patients of a class.

    a, b : of the same prevalence; correlation in [-1, 1]
    """

    a: Risks
    b: Risks
    correlation: float = 0.5

    def __post_init__(self) -> None:
        if self.a.prevalence != self.b.prevalence:
            raise InputError(
                f"`a` and `b` see the same patients, yet prevalences {self.a.prevalence, self.b.prevalence}"
            )
        if not -1 <= self.correlation <= 1:
            raise InputError(f"`correlation` must lie in [-1, 1], not {self.correlation!r}")

    def sample(self, n: int, rng: np.random.Generator) -> tuple[IntArray, FloatArray, FloatArray]:
        """(y, p of a, p of b), each (n,)."""
        y = (rng.random(n) < self.a.prevalence).astype(np.int64)
        first, other = rng.standard_normal((2, n))
        second = self.correlation * first + math.sqrt(1 - self.correlation**2) * other
        return y, self.a.reported(self.a.log_odds(y, first)), self.b.reported(self.b.log_odds(y, second))

    def continuous_nri(self) -> float:
        """NRI > 0 of a over b, of right risks that are binormal: the sum of its parts."""
        return sum(self.continuous_nri_parts())

    def continuous_nri_parts(self) -> tuple[float, float]:
        """Of events, the share whose risk is higher by a less the share whose is lower; of non-events, the reverse."""
        parts = [one.right for one in (self.a, self.b) if one.right_ones and isinstance(one.right, BinormalFamily)]
        if len(parts) < 2:
            raise InputError("the continuous NRI is known of binormal models with intercept 0 and slope 1 alone")
        a, b = (part.spread for part in parts)
        variance = a**2 + b**2 - 2 * self.correlation * a * b
        found = []
        for y, sign in ((1, 1.0), (0, -1.0)):
            gap = float(parts[0].quantile(np.array(0.0), y) - parts[1].quantile(np.array(0.0), y))
            rises = float(special.ndtr(gap / math.sqrt(variance))) if variance > 0 else 0.5
            found.append(sign * (2 * rises - 1))
        return found[0], found[1]

    def differences(self, *, threshold: float = 0.5) -> dict[str, float]:
        """True values of a less those of b, by the names of `stats.METRICS`."""
        a, b = (one.truths(threshold=threshold) for one in (self.a, self.b))
        return {name: a[name] - b[name] for name in a}
