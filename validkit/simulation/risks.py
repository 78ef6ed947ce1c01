"""Patients with an outcome and a risk, of which AUC, prevalence, calibration intercept and slope are as declared."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from validkit.errors import InputError
from validkit.simulation.families import Family, family
from validkit.simulation.truths import truths

__all__ = ["Risks"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Risks:
    """A population of patients, and the model that is judged on them.

    auc in (0.5, 1); prevalence in (0, 1)
    intercept, slope : the joint calibration intercept and slope: log odds of the event are intercept + slope times the
        log odds of the reported risk; 0 and 1 for a right model, slope > 0
    family : "binormal" (log odds normal in either class) or "beta" (risks beta)
    """

    auc: float
    prevalence: float
    intercept: float = 0.0
    slope: float = 1.0
    family: str = "binormal"

    def __post_init__(self) -> None:
        if not self.slope > 0:
            raise InputError(f"`slope` must be above 0, not {self.slope!r}: reversed risks have no AUC above 0.5")
        family(self.family, self.auc, self.prevalence)

    @cached_property
    def right(self) -> Family:
        """The family of the true risks."""
        return family(self.family, self.auc, self.prevalence)

    @property
    def right_ones(self) -> bool:
        """Whether the reported risks are the true ones."""
        return (self.intercept, self.slope) == (0.0, 1.0)

    def reported(self, log_odds: FloatArray) -> FloatArray:
        """The risks that the model reports, from the log odds of the true ones."""
        return np.asarray(expit((log_odds - self.intercept) / self.slope))

    def sample(self, n: int, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
        """(y, p): outcomes (n,) in {0, 1} that come with the prevalence, and reported risks (n,) in [0, 1]."""
        y = (rng.random(n) < self.prevalence).astype(np.int64)
        return y, self.reported(self.log_odds(y, rng.standard_normal(n)))

    def log_odds(self, y: IntArray, normal_scores: FloatArray) -> FloatArray:
        """Log odds of true risks (n,), each patient at the place of a standard normal score within their class."""
        return np.where(y == 1, self.right.quantile(normal_scores, 1), self.right.quantile(normal_scores, 0))

    def truths(self, *, threshold: float = 0.5) -> dict[str, float]:
        """What is true of the population, by the names of `stats.METRICS`; those at a threshold, at this one."""
        return truths(self.right, self.intercept, self.slope, threshold)
