"""Several lesions of a patient: alike in outcome, correlated in risk."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from validkit.errors import InputError
from validkit.simulation.risks import Risks

__all__ = ["ClusteredRisks"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class ClusteredRisks:
    """Patients with 1 to `most` lesions, all of the patient's outcome; normal scores within one correlate.

    The AUC over lesions is that of `risks`, for no pair of an event and a non-event is of one patient and sizes do not
    depend on the outcome. correlation in [0, 1]
    """

    risks: Risks
    correlation: float = 0.5
    most: int = 4

    def __post_init__(self) -> None:
        if not 0 <= self.correlation <= 1:
            raise InputError(f"`correlation` must lie in [0, 1], not {self.correlation!r}")
        if self.most < 1:
            raise InputError(f"`most` must be at least 1, not {self.most!r}")

    def sample(self, patients: int, rng: np.random.Generator) -> tuple[IntArray, FloatArray, IntArray]:
        """(y, p, patient): one row a lesion."""
        patient = np.repeat(np.arange(patients), rng.integers(1, self.most + 1, patients))
        y = (rng.random(patients) < self.risks.prevalence).astype(np.int64)[patient]
        return y, self.judged(y, patient, rng), patient

    def judged(self, y: IntArray, patient: IntArray, rng: np.random.Generator) -> FloatArray:
        """Risks of these lesions by one more model of the same AUC, which correlates within patients alone."""
        shared = rng.standard_normal(int(patient.max()) + 1)[patient]
        own = rng.standard_normal(patient.size)
        scores = math.sqrt(self.correlation) * shared + math.sqrt(1 - self.correlation) * own
        return self.risks.reported(self.risks.log_odds(y, scores))
