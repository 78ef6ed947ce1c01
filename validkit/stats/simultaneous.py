"""One critical value for a whole curve: the distribution of the largest standardised deviation over its points."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from validkit.errors import InputError
from validkit.stats.checks import FloatArray, check_choice, check_count, check_level
from validkit.stats.draws import check_rng
from validkit.stats.results import NAN

BANDS = ("pointwise", "simultaneous")
REPLICATES = 10_000
_MOST = 2000  # points in a simultaneous band


@dataclass(frozen=True)
class Band:
    """Pointwise, or simultaneous with the chance it needs; `level` is its confidence."""

    level: float
    kind: str = "pointwise"
    rng: np.random.Generator | int | None = None
    replicates: int = REPLICATES

    def __post_init__(self) -> None:
        check_level(self.level)
        check_choice(self.kind, BANDS, "band")
        if self.kind == "simultaneous" and self.rng is None:
            raise InputError("band='simultaneous' draws random numbers: pass `rng`, a numpy Generator or a seed")

    def describe(self, critical: float | None) -> str:
        """Its name, with the critical value where it is simultaneous."""
        if critical is None:
            return self.kind
        if math.isnan(critical):
            return f"{self.kind} (no threshold has enough patients)"
        return f"{self.kind} (sup-t, critical value {critical:.4g}, {self.replicates} draws)"


def sup_t(covariance: FloatArray, se: FloatArray, rng: np.random.Generator | int | None, replicates: int) -> FloatArray:
    """Sorted draws of max |Z| over the thresholds with a standard error, Z normal with their correlation.

    The symmetric root of the correlation is unique, so a seed gives the same draws whatever the linear algebra.
    Reference: Montiel Olea and Plagborg-Moller, J Appl Econometrics 34 (2019) 1-17.
    """
    generator = check_rng(rng)
    check_count(replicates, "replicates", minimum=100)
    if se.size > _MOST:
        raise InputError(f"a simultaneous band holds at most {_MOST} thresholds, not {se.size}; take a coarser grid")
    known = se > 0
    if not known.any():
        return np.empty(0)
    correlation = covariance[np.ix_(known, known)] / np.outer(se[known], se[known])
    values, vectors = np.linalg.eigh(correlation)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    step = max(1, (1 << 20) // root.shape[0])
    parts = [
        np.abs(generator.standard_normal((min(step, replicates - i), root.shape[0])) @ root).max(axis=1)
        for i in range(0, replicates, step)
    ]
    return np.sort(np.concatenate(parts))


def critical_value(draws: FloatArray, level: float) -> float:
    """The order statistic of the draws that a fraction `level` of them does not exceed; NaN without draws."""
    return float(draws[min(draws.size, math.ceil(level * (draws.size + 1))) - 1]) if draws.size else NAN
