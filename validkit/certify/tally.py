"""How often an interval held the truth, and a test rejected: counts that add up over blocks of simulations."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

from scipy.special import expit, logit

from validkit.certify.cells import Cell
from validkit.stats.results import Estimate, TestResult

__all__ = ["ALPHA", "MARGIN", "OWN", "TOLD", "UNDEFINED", "Found", "Tally", "add", "less", "merged", "truth_of"]

ALPHA = 0.05
Key = tuple[str, str]
Found = Mapping[Key, Estimate | TestResult]
"""what is computed on one sample, by measure and method"""
DIFFERENCE, ZERO = " difference", " is zero"
OWN = " of the fitted model"
"""ends a measure whose target is another in every sample: intervals are told less their target, which is 0 then"""
UNDEFINED = Estimate(math.nan)
NOTHING = {
    "concordance_gap",
    "logit(AUC) of a new site",
    "effect of an idle covariate",
    "effect of an idle covariate is zero",
    "whole ROC curve",
    "whole decision curve",
    "whole difference of decision curves",
    "observed share of a risk group",
    "means of two centres are the same",
    "spreads of two centres are the same",
    "effects at two centres are the same",
    "ways of making a model are alike",
}
"""measures whose truth is 0 in every cell"""
MARGIN, TOLD = 0.05, " at the margin"
"""what is lost at most where models are alike; where they are not, the margin is their difference"""


@dataclass(frozen=True)
class Tally:
    """Counts of one method in one cell.

    n : simulations; undefined : without an interval or p value; covered, below, above : truth inside the interval,
    under its lower end, over its upper end; width, bias : sums over the defined; rejected : p at most 0.05
    """

    n: int = 0
    undefined: int = 0
    covered: int = 0
    below: int = 0
    above: int = 0
    width: float = 0.0
    bias: float = 0.0
    rejected: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def defined(self) -> int:
        """Simulations that gave an interval or a p value."""
        return self.n - self.undefined


def add(tallies: dict[Key, Tally], found: Found, truths: Mapping[str, float]) -> None:
    """Count one simulated sample."""
    for key, one in found.items():
        counted = _tested(one) if isinstance(one, TestResult) else _covered(one, truths[key[0]])
        tallies[key] = tallies.get(key, Tally()) + counted


def _tested(test: TestResult) -> Tally:
    if math.isnan(test.p_value):
        return Tally(n=1, undefined=1)
    return Tally(n=1, rejected=int(test.p_value <= ALPHA))


def _covered(estimate: Estimate, truth: float) -> Tally:
    if math.isnan(estimate.low) or math.isnan(estimate.high):
        return Tally(n=1, undefined=1)
    below, above = truth < estimate.low, truth > estimate.high
    width = estimate.high - estimate.low
    bias = estimate.value - truth
    inside = int(not below and not above)
    return Tally(1, 0, inside, int(below), int(above), width, bias if math.isfinite(bias) else 0.0)


def less(estimate: Estimate, target: float) -> Estimate:
    """The interval with its target at 0, for what has a target of its own in every sample."""
    return Estimate(estimate.value - target, estimate.low - target, estimate.high - target)


def merged(parts: Iterable[Mapping[Key, Tally]]) -> dict[Key, Tally]:
    """The tallies of several blocks, added up."""
    whole: dict[Key, Tally] = {}
    for part in parts:
        for key, tally in part.items():
            whole[key] = whole.get(key, Tally()) + tally
    return whole


def truth_of(cell: Cell, truths: Mapping[str, float], measure: str) -> float:
    """The true value of a measure in a cell; for a test, that of what it supposes to be zero."""
    special = {
        "model_based_concordance": cell.auc,
        "logit(AUC) over sites": math.log(cell.auc / (1 - cell.auc)) if cell.auc else math.nan,
        "decision curves are the same": cell.auc - cell.auc_b,
        "areas of three models are the same": cell.auc - cell.auc_b,
        "kappa is zero": cell.icc,
    }
    if measure in NOTHING:
        return 0.0
    if measure.endswith(OWN):
        return 0.0
    if measure.endswith(TOLD):
        return 0.0 if cell.auc != cell.auc_b else MARGIN
    if measure == "calibration curve at the prevalence":
        return float(expit(cell.intercept + cell.slope * logit(cell.prevalence)))
    if cell.kind == "clusters" and measure.startswith("auc difference"):
        return 0.0
    if measure in special:
        return special[measure]
    return truths[measure.removesuffix(ZERO).removesuffix(DIFFERENCE)]
