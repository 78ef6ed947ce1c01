"""Groups of methods that share a simulated sample: in which cells each is computed, and how often."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from validkit.certify import curves, procedures
from validkit.certify import one_model as one
from validkit.certify import other_samples as other
from validkit.certify import two_models as two
from validkit.certify.cells import OTHER_PREVALENCES, Cell
from validkit.certify.tally import Found

__all__ = ["GROUPS", "Group"]

Compute = Callable[[Any, Cell, np.random.Generator], Found]
FEW_SIZES = (127, 294)


def everywhere(cell: Cell) -> bool:
    """Every cell of the kind."""
    return True


def calibrated(cell: Cell) -> bool:
    """Cells whose risks are right: what ranks and classes alone decide is the same in the others."""
    return cell.calibrated


def usual_prevalence(cell: Cell) -> bool:
    """Calibrated cells with a quarter of events, as in the paper."""
    return cell.calibrated and cell.prevalence not in OTHER_PREVALENCES


def around_the_paper(cell: Cell) -> bool:
    """The paper's two sizes at AUC 0.75, right and wrong risks: what takes too long for every cell."""
    return cell.n in FEW_SIZES and cell.auc == 0.75 and cell.prevalence not in OTHER_PREVALENCES


def right_at_the_papers_sizes(cell: Cell) -> bool:
    """The same with right risks."""
    return around_the_paper(cell) and cell.calibrated


def test_set(cell: Cell) -> bool:
    """The paper's test set alone, right and wrong risks."""
    return around_the_paper(cell) and cell.n == FEW_SIZES[0]


def papers_cell(cell: Cell) -> bool:
    """The paper's test set with right risks."""
    return test_set(cell) and cell.calibrated


def twelve_sites(cell: Cell) -> bool:
    """Sites enough for a regression on them."""
    return cell.sites >= 12


def alike(cell: Cell) -> bool:
    """Sites, or models, that do not differ."""
    return cell.tau == 0 and (cell.kind == "sites" or cell.auc == cell.auc_b)


@dataclass(frozen=True)
class Group:
    """compute(sample, cell, rng) -> {(measure, method): Estimate or TestResult}; `simulations` a cell, at least."""

    name: str
    kind: str
    compute: Compute
    simulations: int
    applies: Callable[[Cell], bool] = everywhere

    @property
    def plain(self) -> bool:
        """Whether nothing is drawn: closed forms, with the most simulations."""
        return self.simulations == CLOSED


CLOSED, COSTLY = 10_000, 2_000
GROUPS = (
    Group("ranks", "risks", one.ranks, CLOSED, calibrated),
    Group("classes", "risks", one.classes, CLOSED, calibrated),
    Group("calibration", "risks", one.calibration, CLOSED),
    Group("linearised", "risks", one.linearised, CLOSED),
    Group("overall", "risks", one.overall, CLOSED),
    Group("utility", "risks", one.utility, CLOSED, calibrated),
    Group("fit-tests", "risks", one.fit_tests, CLOSED),
    Group("concordance", "risks", one.concordance, CLOSED, calibrated),
    Group("profile", "risks", one.profile, COSTLY, around_the_paper),
    Group("bootstraps", "risks", one.bootstraps, COSTLY, usual_prevalence),
    Group("line-bootstraps", "risks", one.line_bootstraps, COSTLY, around_the_paper),
    Group("slow-bootstraps", "risks", one.slow_bootstraps, COSTLY, test_set),
    Group("bands", "risks", one.bands, COSTLY, usual_prevalence),
    Group("decision-band", "risks", one.decision_band, COSTLY, test_set),
    Group("studentised", "risks", one.studentised, COSTLY, papers_cell),
    Group("closed-testing", "risks", one.closed_testing, COSTLY),
    Group("differences", "pairs", other.differences, CLOSED),
    Group("reclassification", "pairs", other.reclassification, CLOSED),
    Group("resampled-differences", "pairs", other.resampled_differences, COSTLY, around_the_paper),
    Group("two-samples", "samples", other.two_samples, CLOSED),
    Group("lesions", "clusters", other.lesions, CLOSED),
    Group("lesion-differences", "clusters", other.lesion_differences, CLOSED),
    Group("pooled", "sites", other.pooled, COSTLY),
    Group("agreement", "readers", other.agreement, CLOSED),
    Group("ratings", "raters", other.ratings, CLOSED),
    Group("fleiss", "raters", other.fleiss, CLOSED),
    Group("regression", "regression", other.regression, COSTLY),
    Group("explained-sites", "sites", other.explained_sites, COSTLY, twelve_sites),
    Group("limits-of-agreement", "methods", other.limits_of_agreement, CLOSED),
    Group("curve-points", "risks", curves.curve_points, CLOSED, calibrated),
    Group("vertical-band", "risks", curves.vertical, COSTLY, right_at_the_papers_sizes),
    Group("chosen-cutoff", "risks", curves.chosen_cutoff, CLOSED, calibrated),
    Group("risk-groups", "risks", curves.risk_groups, CLOSED, calibrated),
    Group("beta-calibration", "risks", curves.beta, COSTLY),
    Group("margins", "pairs", two.margins, CLOSED),
    Group("three-models", "pairs", two.three_models, CLOSED, alike),
    Group("reclassified-by-outcome", "pairs", two.nri_parts, CLOSED),
    Group("curve-difference", "pairs", two.curve_difference, COSTLY, around_the_paper),
    Group("other-differences", "pairs", two.more_resampled, COSTLY, around_the_paper),
    Group("lesion-bootstraps", "clusters", other.lesion_bootstraps, COSTLY, around_the_paper),
    Group("pooled-measures", "sites", other.pooled_measures, COSTLY, alike),
    Group("kappa-tests", "raters", other.kappa_tests, CLOSED),
    Group("grades", "graders", other.grades, CLOSED),
    Group("one-way", "methods", other.one_way, CLOSED),
    Group("repeated-limits", "methods", other.repeated_limits, CLOSED),
    Group("optimism", "regression", procedures.optimism, COSTLY),
    Group("cross-validation", "regression", procedures.cross_validated, COSTLY),
    Group("ways-alike", "regression", procedures.alike, COSTLY),
    Group("centres", "regression", procedures.centres, COSTLY),
    Group("imputations", "incomplete", procedures.imputed, COSTLY),
)
"""every group, with the simulations that a cell of it gets at least"""
