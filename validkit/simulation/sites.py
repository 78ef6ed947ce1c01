"""Hospitals whose AUC, calibration and prevalence scatter around a mean, as random-effects synthesis supposes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtr

from validkit.errors import InputError
from validkit.simulation.risks import Risks

__all__ = ["Sites"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
LEAST_AUC = 0.501
RARELY = 1e-3


@dataclass(frozen=True)
class Sites:
    """`sites` hospitals around `mean`; each tau is the standard deviation between hospitals.

    auc_tau : of logit(AUC), so small that less than 1 in 1,000 hospitals would lie below chance
    prevalence_tau : of logit(prevalence); intercept_tau, slope_tau : of the calibration intercept, and of the logarithm
        of the calibration slope
    """

    mean: Risks
    sites: int = 6
    auc_tau: float = 0.0
    intercept_tau: float = 0.0
    slope_tau: float = 0.0
    prevalence_tau: float = 0.0

    def __post_init__(self) -> None:
        if self.sites < 1:
            raise InputError(f"`sites` must be at least 1, not {self.sites!r}")
        for name in ("auc_tau", "intercept_tau", "slope_tau", "prevalence_tau"):
            if not getattr(self, name) >= 0:
                raise InputError(f"`{name}` must not be below 0, not {getattr(self, name)!r}")

        if self.auc_tau > 0 and ndtr((logit(LEAST_AUC) - logit(self.mean.auc)) / self.auc_tau) > RARELY:
            raise InputError(
                f"`auc_tau` {self.auc_tau} puts hospitals below chance around AUC {self.mean.auc}; lower it"
            )

    def draw(self, rng: np.random.Generator) -> list[Risks]:
        """The hospitals of one study, each with a truth of its own; an AUC below 0.501 is drawn again."""
        return [self._one(rng) for _ in range(self.sites)]

    def _one(self, rng: np.random.Generator) -> Risks:
        mean, auc = self.mean, 0.0
        while auc < LEAST_AUC:
            auc = float(expit(logit(mean.auc) + self.auc_tau * rng.standard_normal()))
        prevalence = float(expit(logit(mean.prevalence) + self.prevalence_tau * rng.standard_normal()))
        intercept = mean.intercept + self.intercept_tau * float(rng.standard_normal())
        slope = mean.slope * float(np.exp(self.slope_tau * rng.standard_normal()))
        return Risks(auc, prevalence, intercept, slope, mean.family)

    def sample(self, n: int, rng: np.random.Generator) -> tuple[IntArray, FloatArray, IntArray]:
        """(y, p, site): n patients of every hospital."""
        drawn = [one.sample(n, rng) for one in self.draw(rng)]
        y, p = (np.concatenate([part[k] for part in drawn]) for k in (0, 1))
        return y, p, np.repeat(np.arange(self.sites), n)
