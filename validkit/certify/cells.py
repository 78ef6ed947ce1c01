"""The cells of the simulation: populations around the paper's test set, its training set and larger ones."""

from __future__ import annotations

import itertools
import math
from dataclasses import asdict, dataclass
from typing import Any

from validkit.certify.truths import of_incomplete, of_pairs, on_curves
from validkit.simulation import (
    ClusteredRisks,
    Graders,
    IncompletePatients,
    LogisticPopulation,
    PairedRisks,
    Raters,
    Readers,
    Risks,
    Sites,
)
from validkit.stats.intervals import z_of

__all__ = ["GRIDS", "PAPER", "Cell"]

TEST_SET, TRAINING_SET, HUNDRED_EVENTS, LARGE = 31 / 127, 76 / 294, 0.25, 0.25
SIZES = ((127, TEST_SET), (294, TRAINING_SET), (400, HUNDRED_EVENTS), (1000, LARGE))
"""(n, prevalence): the paper's test and training set, 100 events in 400, and 1,000"""
AUCS = (0.55, 0.65, 0.75, 0.85, 0.95)
ENDS, OTHER_PREVALENCES = (127, 1000), (0.1, 0.5)
"""the smallest and the largest size, at other prevalences"""
MISCALIBRATED = ((-0.5, 1.0), (0.0, 0.6))
"""(intercept, slope): risks too high throughout; risks too extreme"""


@dataclass(frozen=True)
class Cell:
    """A population and a sample from it.

    kind : "risks" (one model), "pairs" (two models on the same patients), "samples" (two models on two samples),
        "clusters" (lesions in patients; n patients), "sites" (hospitals with n patients each), "readers" (n subjects),
        "raters" (two, of classes; n subjects), "graders" (two, of ordered grades), "methods" (two, of a measurement;
        n subjects), "regression" (n patients), "incomplete" (n patients, predictors missing at random)
    auc_b, correlation : of the second model, and within either class, patient or none
    tau : standard deviation of logit(AUC) between sites; icc : of readers; of raters, kappa; of graders, the
        correlation of what they see
    """

    kind: str
    n: int
    prevalence: float = 0.0
    auc: float = 0.0
    intercept: float = 0.0
    slope: float = 1.0
    auc_b: float = 0.0
    correlation: float = 0.0
    sites: int = 0
    tau: float = 0.0
    icc: float = 0.0

    @property
    def name(self) -> str:
        """Its settings, as a file's name."""
        told = {key: value for key, value in asdict(self).items() if key != "kind" and value != _PLAIN[key]}
        return "-".join([self.kind, *(f"{key}={value:.6g}" for key, value in told.items())])

    @property
    def threshold(self) -> float:
        """Where classes are cut: at the prevalence."""
        return self.prevalence

    @property
    def calibrated(self) -> bool:
        """Whether reported risks are the true ones."""
        return (self.intercept, self.slope) == (0.0, 1.0)

    @property
    def risks(self) -> Risks:
        """The population of the (first) model."""
        return Risks(self.auc, self.prevalence, self.intercept, self.slope)

    def population(self) -> Any:
        """The simulator."""
        if self.kind in ("pairs", "samples"):
            return PairedRisks(self.risks, Risks(self.auc_b, self.prevalence), self.correlation)
        if self.kind == "clusters":
            return ClusteredRisks(self.risks, self.correlation)
        if self.kind == "sites":
            return Sites(self.risks, self.sites, auc_tau=self.tau)
        if self.kind == "readers":
            return Readers(self.icc)
        if self.kind == "methods":
            return Readers(self.icc, reader_share=0.0)
        if self.kind == "raters":
            return Raters(self.icc, self.prevalence)
        if self.kind == "graders":
            return Graders(self.icc)
        if self.kind == "regression":
            return LogisticPopulation()
        if self.kind == "incomplete":
            return IncompletePatients(self.prevalence)
        return self.risks

    def truths(self) -> dict[str, float]:
        """True values, by the names of measures; of pairs, the differences a - b."""
        if self.kind in ("pairs", "samples"):
            pair: PairedRisks = self.population()
            return of_pairs(pair, self.threshold)
        if self.kind == "readers":
            readers = Readers(self.icc)
            return {form: readers.truth(form) for form in ("ICC(2,1)", "ICC(3,1)")}
        if self.kind == "methods":
            limit = z_of(0.95) * math.sqrt(2 * (1 - self.icc))
            return {
                "ICC(1,1)": self.icc,
                "bias": 0.0,
                "lower limit of agreement": -limit,
                "upper limit of agreement": limit,
            }
        if self.kind == "raters":
            return {"cohen_kappa": self.icc, "fleiss_kappa": self.icc}
        if self.kind == "graders":
            graders = Graders(self.icc)
            return {
                "cohen_kappa": graders.kappa(),
                "linear kappa": graders.kappa(1),
                "quadratic kappa": graders.kappa(2),
            }
        if self.kind == "incomplete":
            return of_incomplete(IncompletePatients(self.prevalence))
        if self.kind == "regression":
            known = LogisticPopulation()
            return {f"coefficient {b:g}": b for b in known.coefficients} | {"intercept": known.intercept}
        return {**self.risks.truths(threshold=self.threshold), **on_curves(self.risks)}


_PLAIN = asdict(Cell("", 0)) | {"n": None}
PAPER = Cell("risks", 127, TEST_SET, 0.75)
"""the paper's test set: 31 events in 127, near its AUC"""


def _risks() -> list[Cell]:
    sizes = [*SIZES, *itertools.product(ENDS, OTHER_PREVALENCES)]
    right = [Cell("risks", n, share, auc) for (n, share), auc in itertools.product(sizes, AUCS)]
    wrong = [
        Cell("risks", n, share, auc, intercept, slope)
        for (n, share), auc, (intercept, slope) in itertools.product(SIZES, AUCS[1:4], MISCALIBRATED)
    ]
    return [*right, *wrong]


def _pairs() -> list[Cell]:
    equal = [
        Cell("pairs", n, share, auc, auc_b=auc, correlation=r)
        for (n, share), auc, r in itertools.product(SIZES, (0.65, 0.75, 0.85), (0.0, 0.5, 0.9))
    ]
    better = [
        Cell("pairs", n, share, auc, auc_b=other, correlation=0.5)
        for (n, share), (auc, other) in itertools.product(SIZES, ((0.753, 0.702), (0.764, 0.753), (0.85, 0.75)))
    ]
    return [*equal, *better]


def _others() -> list[Cell]:
    samples = [Cell("samples", n, share, 0.75, auc_b=b) for (n, share), b in itertools.product(SIZES, (0.75, 0.65))]
    clusters = [
        Cell("clusters", n, share, auc, correlation=r)
        for (n, share), auc, r in itertools.product(SIZES, (0.65, 0.75, 0.85), (0.2, 0.8))
    ]
    sites = [
        Cell("sites", 294, TRAINING_SET, 0.75, sites=k, tau=tau)
        for k, tau in itertools.product((3, 6, 12), (0.0, 0.15, 0.3))
    ]
    readers = [Cell("readers", n, icc=icc) for n, icc in itertools.product((20, 40, 100), (0.3, 0.6, 0.75, 0.9))]
    raters = [
        Cell("raters", n, share, icc=kappa)
        for n, share, kappa in itertools.product((40, 100, 400), (0.25, 0.5), (0.0, 0.3, 0.6, 0.85))
    ]
    methods = [Cell("methods", n, icc=0.75) for n in (20, 40, 100)]
    regressions = [Cell("regression", n) for n in (127, 294, 1000)]
    graders = [Cell("graders", n, icc=seen) for n, seen in itertools.product((40, 100, 400), (0.5, 0.8))]
    incomplete = [Cell("incomplete", n, share) for n, share in SIZES[:3]]
    return [*samples, *clusters, *sites, *readers, *raters, *graders, *methods, *regressions, *incomplete]


GRIDS = {
    "paper": (PAPER, Cell("pairs", 127, TEST_SET, 0.753, auc_b=0.702, correlation=0.5)),
    "all": (*_risks(), *_pairs(), *_others()),
}
"""which cells: the paper's test set alone, or every one"""
