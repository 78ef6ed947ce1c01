"""What is computed on one simulated sample: groups of methods that share a sample, each under its measure's name."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from validkit import stats
from validkit.certify.cells import OTHER_PREVALENCES, Cell
from validkit.stats.results import Estimate, TestResult

__all__ = ["GROUPS", "Group"]

Found = Mapping[tuple[str, str], Estimate | TestResult]
Compute = Callable[[Any, Cell, np.random.Generator], Found]
QUICK = ("auc", "brier", "observed_expected", "log_loss", "scaled_brier", "discrimination_slope")
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


def test_set(cell: Cell) -> bool:
    """The paper's test set alone, right and wrong risks."""
    return around_the_paper(cell) and cell.n == FEW_SIZES[0]


def papers_cell(cell: Cell) -> bool:
    """The paper's test set with right risks."""
    return test_set(cell) and cell.calibrated


def twelve_sites(cell: Cell) -> bool:
    """Sites enough for a regression on them."""
    return cell.sites >= 12


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


# --- one model ---------------------------------------------------------------------------------------------


def ranks(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """AUC, areas under the precision-recall curve, concordance against the model's own."""
    y, p = sample
    found: dict[tuple[str, str], Any] = {
        ("auc", method): stats.auc(y, p, method=method) for method in ("delong", "logit-delong", "newcombe")
    }
    found["auprc", "logit"] = stats.auprc(y, p)
    found["average_precision", "logit"] = stats.average_precision(y, p)
    return found


def concordance(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """The AUC that the risks themselves promise, and the gap to the one observed: 0 where risks are right."""
    y, p = sample
    return {
        ("model_based_concordance", "jackknife"): stats.model_based_concordance(p),
        ("concordance_gap", "delong-jackknife"): stats.concordance_gap(y, p),
    }


CLASSES = {"kappa_at_threshold": "kappa"}
BINOMIAL = ("sensitivity", "specificity", "ppv", "npv", "accuracy", "youden_index", "balanced_accuracy", "f1")
ONE_WAY = {
    "positive_likelihood_ratio": "simel",
    "negative_likelihood_ratio": "simel",
    "diagnostic_odds_ratio": "woolf",
    "mcc": "fisher-z",
    "kappa_at_threshold": "fisher-z",
}


def classes(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """Everything at a threshold."""
    y, p = sample
    found: dict[tuple[str, str], Any] = {}
    for method in ("wilson", "exact"):
        measured = stats.classification_measures(y, p, threshold=cell.threshold, method=method)
        found |= {(name, method): measured[name] for name in BINOMIAL}
        if method == "wilson":
            found |= {(CLASSES.get(name, name), own): measured[name] for name, own in ONE_WAY.items()}
    return found


def calibration(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """O:E by three methods, calibration in the large, the joint line."""
    y, p = sample
    found: dict[tuple[str, str], Any] = {
        ("observed_expected", method): stats.observed_expected(y, p, method=method)
        for method in ("log", "exact", "poisson")
    }
    found["calibration_in_the_large", "wald"] = stats.calibration_in_the_large(y, p)
    line = stats.calibration_line(y, p)
    found["calibration_intercept", "wald"], found["calibration_slope", "wald"] = line
    return found


def linearised(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """O:E with the error of a ratio."""
    y, p = sample
    return {("observed_expected", "ratio"): stats.observed_expected(y, p, method="ratio")}


def overall(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """Overall measures, each by its only closed form."""
    y, p = sample
    functions: dict[str, Callable[..., Estimate]] = {
        "brier": stats.brier,
        "log_loss": stats.log_loss,
        "scaled_brier": stats.scaled_brier,
        "mcfadden_r2": stats.mcfadden_r2,
        "cox_snell_r2": stats.cox_snell_r2,
        "nagelkerke_r2": stats.nagelkerke_r2,
        "discrimination_slope": stats.discrimination_slope,
        "mape": stats.mape,
    }
    return {(name, "normal"): function(y, p) for name, function in functions.items()}


def utility(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """Net benefit and what follows from it."""
    y, p = sample
    functions: dict[str, Callable[..., Estimate]] = {
        "net_benefit": stats.net_benefit,
        "standardised_net_benefit": stats.standardised_net_benefit,
        "expected_cost": stats.expected_cost,
        "interventions_avoided": stats.interventions_avoided,
    }
    return {(name, "normal"): function(y, p, threshold=cell.threshold) for name, function in functions.items()}


def fit_tests(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """Tests that risks are right: type I error in calibrated cells, power in the others."""
    y, p = sample
    return {
        ("hosmer_lemeshow", "chi-square, 10 groups"): stats.hosmer_lemeshow(y, p, fitted_here=False),
        ("spiegelhalter", "normal"): stats.spiegelhalter(y, p),
        ("le_cessie", "normal"): stats.le_cessie(y, p),
        **{("cox_tests", f"likelihood ratio, {name}"): test for name, test in stats.cox_tests(y, p).items()},
    }


def profile(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """The slope's profile likelihood."""
    y, p = sample
    return {("calibration_slope", "profile"): stats.calibration_slope(y, p, method="profile")}


def bootstraps(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """Percentile and BCa of the measures that the bootstrap's kernels know; 1,000 replicates."""
    y, p = sample
    seed = int(rng.integers(2**31))
    shared = {"rng": seed, "replicates": 1000}
    found: dict[tuple[str, str], Any] = {}
    for interval in ("percentile", "bca"):
        made = stats.bootstrap_all(QUICK, y, p, interval=interval, **shared)  # type: ignore[arg-type]
        found |= {(name, f"bootstrap-{interval}"): one for name, one in made.items()}
    benefit = functools.partial(stats.net_benefit, threshold=cell.threshold)
    found["net_benefit", "bootstrap-percentile"] = stats.bootstrap(benefit, y, p, **shared)  # type: ignore[arg-type]
    return found


def line_bootstraps(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """Percentile intervals of the calibration line, refitted in every replicate."""
    y, p = sample
    names = ("calibration_slope", "calibration_intercept", "calibration_in_the_large")
    made = stats.bootstrap_all(names, y, p, rng=int(rng.integers(2**31)), replicates=1000)
    return {(name, "bootstrap-percentile"): one for name, one in made.items()}


def slow_bootstraps(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """Areas and smoothed calibration errors, which every replicate computes anew; 500 replicates."""
    y, p = sample
    seed = int(rng.integers(2**31))
    found: dict[tuple[str, str], Any] = {}
    for name in ("partial_auc", "auprc", "average_precision"):
        found[name, "bootstrap-percentile"] = stats.bootstrap(name, y, p, rng=seed, replicates=500)
    errors = stats.calibration_errors(y, p, interval="percentile", rng=seed, replicates=500)
    found |= {(name, "bootstrap-percentile"): one for name, one in errors.items() if name in ERRORS}
    return found


ERRORS = ("ici", "e50", "e90", "emax")


def bands(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """The simultaneous ROC band, and the calibration curve's own band at the prevalence."""
    y, p = sample
    roc = stats.roc_curve(y, p, band="simultaneous")
    right = cell.risks.right
    cuts = right.quantile(NORMAL_SCORES, 0)
    true_x, true_y = 1 - right.cdf(cuts, 0), 1 - right.cdf(cuts, 1)
    low, high = _between(roc.x, roc.low, true_x, "left"), _between(roc.x, roc.high, true_x, "right")
    curve = stats.calibration_curve(y, p, points=101)
    value, lower, upper = (
        float(np.interp(cell.prevalence, curve.x, part)) for part in (curve.y, curve.low, curve.high)
    )
    return {
        ("whole ROC curve", "simultaneous"): _whole(low - true_y, high - true_y),
        ("calibration curve at the prevalence", "loess, own band"): Estimate(value, lower, upper),
    }


def _between(x: Any, ends: Any, at: Any, side: Any) -> Any:
    """The band at points between those of a step curve: the lower end of the left one, the upper of the right one."""
    place = np.searchsorted(x, at, side="right" if side == "left" else "left")
    return ends[np.clip(place - (side == "left"), 0, len(x) - 1)]


def _whole(below: Any, above: Any) -> Estimate:
    """A band about a whole curve, as the interval that holds 0 where every point of the truth lies inside."""
    return Estimate(0.0, float(np.max(below)), float(np.min(above)))


NORMAL_SCORES = np.linspace(-2.5, 2.5, 41)


def decision_band(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """The simultaneous band of the decision curve at thresholds of 10 to 50 %."""
    y, p = sample
    curve = stats.decision_curve(y, p, band="simultaneous", rng=int(rng.integers(2**31)), thresholds=FOCUS)
    truth = _net_benefits(cell)
    return {("whole decision curve", "simultaneous"): _whole(curve.low - truth, curve.high - truth)}


FOCUS = np.arange(10, 51, 2) / 100


@functools.cache
def _net_benefits(cell: Cell) -> Any:
    return np.array([cell.risks.truths(threshold=float(t))["net_benefit"] for t in FOCUS])


def studentised(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """Studentised bootstrap; 500 replicates."""
    y, p = sample
    seed = int(rng.integers(2**31))
    names = ("auc", "brier")
    return {
        (name, "bootstrap-studentised"): stats.bootstrap(name, y, p, rng=seed, replicates=500, interval="studentized")
        for name in names
    }


def closed_testing(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """How often the closed test updates a model: of a right one, an error."""
    y, p = sample
    chosen = stats.closed_test(y, p).chosen
    return {("closed_test", "any update"): TestResult(math.nan, math.nan if not chosen else float(chosen == "none"))}


# --- two models --------------------------------------------------------------------------------------------


def differences(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """Paired comparisons: the interval of the difference, and its test."""
    y, a, b = sample
    at: dict[str, Any] = {"threshold": cell.threshold}
    compared = {
        ("auc", "delong"): stats.compare_auc(y, a, b),
        ("brier", "normal"): stats.compare_brier(y, a, b),
        ("scaled_brier", "normal"): stats.compare_scaled_brier(y, a, b),
        ("log_loss", "normal"): stats.compare_log_loss(y, a, b),
        ("net_benefit", "normal"): stats.compare_net_benefit(y, a, b, **at),
        **{
            (name, method): compare(y, a, b, method=method, **at)
            for name, compare in (
                ("sensitivity", stats.compare_sensitivity),
                ("specificity", stats.compare_specificity),
            )
            for method in ("exact", "mid-p", "asymptotic", "corrected")
        },
    }
    found: dict[tuple[str, str], Any] = {}
    for (name, method), comparison in compared.items():
        found[f"{name} difference", _interval_name(name, method)] = comparison.difference
        found[f"{name} difference is zero", method] = comparison.test
    return found


def reclassification(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """IDI, which is the difference in discrimination slope, and the continuous NRI."""
    y, a, b = sample
    return {
        ("discrimination_slope difference", "IDI"): stats.idi(y, b, a).total,
        ("nri", "continuous"): stats.nri(y, b, a).total,
    }


def _interval_name(name: str, method: str) -> str:
    return "newcombe-10" if name in ("sensitivity", "specificity") else method


def resampled_differences(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """Bootstrap and permutation of a difference in AUC; 500 draws."""
    y, a, b = sample
    seed = int(rng.integers(2**31))
    boot = stats.compare_auc(y, a, b, method="bootstrap", rng=seed, replicates=500)
    shuffled = stats.permutation_test(stats.auc, y, a, b, rng=seed, permutations=500)
    return {
        ("auc difference", "bootstrap"): boot.difference,
        ("auc difference is zero", "bootstrap"): boot.test,
        ("auc difference is zero", "permutation of models"): shuffled,
    }


def two_samples(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """Two models on patients of their own."""
    y, a, _ = sample
    other, _, b = cell.population().sample(cell.n, rng)
    compared = stats.compare_auc_unpaired(y, a, other, b)
    return {
        ("auc difference", "delong-unpaired"): compared.difference,
        ("auc difference is zero", "delong-unpaired"): compared.test,
    }


# --- lesions, sites, readers -------------------------------------------------------------------------------


def lesions(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """Clustered AUC, and the one that ignores patients."""
    y, p, patient = sample
    return {
        **{("auc", method): stats.clustered_auc(y, p, patient, method=method) for method in CLUSTERED},
        ("auc", "delong, patients ignored"): stats.auc(y, p),
    }


def lesion_differences(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """Two models of one AUC on the same lesions."""
    y, p, patient = sample
    compared = stats.compare_clustered_auc(y, p, cell.population().judged(y, patient, rng), patient)
    return {
        ("auc difference", "obuchowski"): compared.difference,
        ("auc difference is zero", "obuchowski"): compared.test,
    }


CLUSTERED = ("obuchowski", "logit-obuchowski")


def pooled(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """logit(AUC) of every site, pooled by each estimator of the variance between them; a new site's own AUC."""
    estimates, se, new = sample
    found: dict[tuple[str, str], Any] = {}
    for method, adjustment in (("reml", "knapp-hartung"), ("dl", "none"), ("pm", "knapp-hartung"), ("reml", "none")):
        made = stats.random_effects(estimates, se=se, method=method, adjustment=adjustment)
        label = f"{method}, {adjustment}" if adjustment != "none" else method
        found["logit(AUC) over sites", label] = made.estimate
        found["logit(AUC) of a new site", label] = _shifted(made.prediction, new)
    return found


def _shifted(prediction: Estimate, new: float) -> Estimate:
    """The interval with its target at 0, for every study has a new site of its own."""
    return Estimate(prediction.value - new, prediction.low - new, prediction.high - new)


def agreement(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """Intraclass correlation of one feature."""
    return {(form, "F"): _single(stats.icc(sample, form=form)) for form in ("ICC(2,1)", "ICC(3,1)")}


def _single(found: stats.FeatureAgreement) -> Estimate:
    return Estimate(float(found.value[0]), float(found.low[0]), float(found.high[0]))


def ratings(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """Cohen's kappa of two raters."""
    return {("cohen_kappa", "cohen"): stats.cohen_kappa(sample[:, 0], sample[:, 1])}


def fleiss(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """Fleiss' kappa of two raters of one prevalence, where it is Cohen's."""
    return {("fleiss_kappa", "fleiss"): stats.fleiss_kappa(sample)}


def regression(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """Coefficients of a logistic regression by Wald and by profile likelihood, and the tests of one that is 0."""
    X, y = sample
    found: dict[tuple[str, str], Any] = {}
    for method in ("wald", "profile"):
        fit = stats.logistic_regression(X, y, interval=method)
        for truth, one in zip(cell.population().coefficients, fit.coefficients[1:], strict=True):
            found[f"coefficient {truth:g}", method] = one
    found["coefficient 0 is zero", "wald"] = fit.wald[-1]
    found["coefficient 0 is zero", "likelihood ratio"] = fit.likelihood_ratio[-1]
    return found


def explained_sites(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """Meta-regression of logit(AUC) on a covariate that has nothing to do with it."""
    estimates, se, _ = sample
    made = stats.meta_regression(estimates, se=se, covariates=rng.standard_normal((cell.sites, 1)))
    return {
        ("effect of an idle covariate", "reml, knapp-hartung"): made.coefficients[1],
        ("effect of an idle covariate is zero", "reml, knapp-hartung"): made.tests[1],
    }


def limits_of_agreement(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """Bland and Altman's limits, exact and approximate."""
    found: dict[tuple[str, str], Any] = {}
    for method in ("exact", "approximate"):
        made = stats.bland_altman(sample[:, 0], sample[:, 1], method=method)
        found["lower limit of agreement", method] = made.lower
        found["upper limit of agreement", method] = made.upper
    found["bias", "t"] = made.bias
    return found


CLOSED, COSTLY = 10_000, 2_000
GROUPS = (
    Group("ranks", "risks", ranks, CLOSED, calibrated),
    Group("classes", "risks", classes, CLOSED, calibrated),
    Group("calibration", "risks", calibration, CLOSED),
    Group("linearised", "risks", linearised, CLOSED),
    Group("overall", "risks", overall, CLOSED),
    Group("utility", "risks", utility, CLOSED, calibrated),
    Group("fit-tests", "risks", fit_tests, CLOSED),
    Group("concordance", "risks", concordance, CLOSED, calibrated),
    Group("profile", "risks", profile, COSTLY, around_the_paper),
    Group("bootstraps", "risks", bootstraps, COSTLY, usual_prevalence),
    Group("line-bootstraps", "risks", line_bootstraps, COSTLY, around_the_paper),
    Group("slow-bootstraps", "risks", slow_bootstraps, COSTLY, test_set),
    Group("bands", "risks", bands, COSTLY, usual_prevalence),
    Group("decision-band", "risks", decision_band, COSTLY, test_set),
    Group("studentised", "risks", studentised, COSTLY, papers_cell),
    Group("closed-testing", "risks", closed_testing, COSTLY),
    Group("differences", "pairs", differences, CLOSED),
    Group("reclassification", "pairs", reclassification, CLOSED),
    Group("resampled-differences", "pairs", resampled_differences, COSTLY, around_the_paper),
    Group("two-samples", "samples", two_samples, CLOSED),
    Group("lesions", "clusters", lesions, CLOSED),
    Group("lesion-differences", "clusters", lesion_differences, CLOSED),
    Group("pooled", "sites", pooled, COSTLY),
    Group("agreement", "readers", agreement, CLOSED),
    Group("ratings", "raters", ratings, CLOSED),
    Group("fleiss", "raters", fleiss, CLOSED),
    Group("regression", "regression", regression, COSTLY),
    Group("explained-sites", "sites", explained_sites, COSTLY, twelve_sites),
    Group("limits-of-agreement", "methods", limits_of_agreement, CLOSED),
)
"""every group, with the simulations that a cell of it gets at least"""
