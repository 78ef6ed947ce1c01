"""Readers who measure the same subjects, or grade them, and agree as declared."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from validkit.errors import InputError
from validkit.simulation.families import check_prevalence, panels

__all__ = ["Graders", "Raters", "Readers"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Readers:
    """subject + reader + error, each normal: McGraw & Wong's two-way random model with single measurements.

    icc : ICC(2,1), absolute agreement, in [0, 1): the subjects' variance over the whole
    reader_share : of what is not the subjects' variance, the part between readers, in [0, 1)
    Reference: McGraw & Wong, Psychol Methods 1 (1996) 30-46.
    """

    icc: float
    readers: int = 2
    reader_share: float = 0.2

    def __post_init__(self) -> None:
        if not 0 <= self.icc < 1:
            raise InputError(f"`icc` must lie in [0, 1), not {self.icc!r}")
        if not 0 <= self.reader_share < 1:
            raise InputError(f"`reader_share` must lie in [0, 1), not {self.reader_share!r}")
        if self.readers < 2:
            raise InputError(f"`readers` must be at least 2, not {self.readers!r}")

    @property
    def variances(self) -> tuple[float, float, float]:
        """(subjects, readers, error), summing to 1."""
        rest = 1 - self.icc
        return self.icc, rest * self.reader_share, rest * (1 - self.reader_share)

    def truth(self, form: str = "ICC(2,1)") -> float:
        """ICC(2,1) as declared; ICC(3,1), consistency, leaves the readers' variance out."""
        subjects, readers, error = self.variances
        whole = {"ICC(2,1)": subjects + readers + error, "ICC(3,1)": subjects + error}
        if form not in whole:
            raise InputError(f"`form` must be one of {', '.join(map(repr, whole))}, not {form!r}")
        return subjects / whole[form]

    def sample(self, subjects: int, rng: np.random.Generator) -> FloatArray:
        """(subjects, readers) measurements."""
        scale = [math.sqrt(part) for part in self.variances]
        by_subject = scale[0] * rng.standard_normal((subjects, 1))
        by_reader = scale[1] * rng.standard_normal((1, self.readers))
        return np.asarray(by_subject + by_reader + scale[2] * rng.standard_normal((subjects, self.readers)))


@dataclass(frozen=True)
class Raters:
    """Two raters who call a share `prevalence` of subjects positive each, and agree with Cohen's kappa as declared.

    kappa in (-1, 1), as low as the shares allow; prevalence in (0, 1)
    """

    kappa: float
    prevalence: float

    def __post_init__(self) -> None:
        check_prevalence(self.prevalence)
        if not -1 < self.kappa < 1 or min(self.shares) < 0:
            raise InputError(f"no two raters of prevalence {self.prevalence} agree with kappa {self.kappa!r}")

    @property
    def shares(self) -> tuple[float, float, float]:
        """Of subjects called positive by both, by one alone (either), by none."""
        both = self.prevalence**2 + self.kappa * self.prevalence * (1 - self.prevalence)
        return both, self.prevalence - both, 1 - 2 * self.prevalence + both

    def sample(self, subjects: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """(subjects, 2) ratings in {0, 1}."""
        both, one, none = self.shares
        cells = rng.choice(4, size=subjects, p=(both, one, one, none))
        return np.array([(1, 1), (1, 0), (0, 1), (0, 0)], dtype=np.int64)[cells]


@dataclass(frozen=True)
class Graders:
    """Two raters who cut what each sees, normal and correlated, into grades 0, 1, 2, ... at the same places.

    correlation in (-1, 1) of what they see; shares : of subjects in each grade, summing to 1
    """

    correlation: float
    shares: tuple[float, ...] = (0.4, 0.3, 0.2, 0.1)

    def __post_init__(self) -> None:
        if not -1 < self.correlation < 1:
            raise InputError(f"`correlation` must lie in (-1, 1), not {self.correlation!r}")
        if len(self.shares) < 2 or min(self.shares) <= 0 or not math.isclose(sum(self.shares), 1.0):
            raise InputError(f"`shares` must be two or more, all above 0, and sum to 1, not {self.shares!r}")

    @property
    def cuts(self) -> FloatArray:
        """Normal scores between the grades."""
        return np.asarray(ndtri(np.cumsum(self.shares)[:-1]))

    @property
    def cells(self) -> FloatArray:
        """(grades, grades): the probability of every pair of grades."""
        ends = np.concatenate([[-9.0], self.cuts, [9.0]])
        rest = math.sqrt(1 - self.correlation**2)
        rows = []
        for low, high in itertools.pairwise(ends):
            seen, weights = panels(low, high)
            weights = weights * np.exp(-(seen**2) / 2) / math.sqrt(2 * math.pi)
            rows.append(np.diff(ndtr((ends[:, None] - self.correlation * seen) / rest), axis=0) @ weights)
        return np.array(rows)

    def kappa(self, power: int = 0) -> float:
        """Cohen's kappa with weights |grade difference|^power: 0 unweighted, 1 linear, 2 quadratic."""
        grade = np.arange(len(self.shares))
        apart = np.abs(grade[:, None] - grade)
        weight = (apart > 0).astype(float) if power == 0 else apart.astype(float) ** power
        expected = np.outer(self.shares, self.shares)
        return float(1 - (weight * self.cells).sum() / (weight * expected).sum())

    def sample(self, subjects: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """(subjects, 2) grades."""
        first, other = rng.standard_normal((2, subjects))
        second = self.correlation * first + math.sqrt(1 - self.correlation**2) * other
        return np.column_stack([np.searchsorted(self.cuts, seen) for seen in (first, second)]).astype(np.int64)
