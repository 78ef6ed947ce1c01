"""What is computed on a sample of one model's risks: every interval and test, under its measure's name."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from validkit import stats
from validkit.certify.cells import Cell
from validkit.certify.tally import Found
from validkit.simulation import Risks
from validkit.stats.results import Estimate, TestResult

__all__ = [
    "FOCUS",
    "bands",
    "bootstraps",
    "calibration",
    "classes",
    "closed_testing",
    "concordance",
    "decision_band",
    "fit_tests",
    "line_bootstraps",
    "linearised",
    "net_benefits",
    "overall",
    "profile",
    "ranks",
    "slow_bootstraps",
    "studentised",
    "utility",
    "whole",
]

QUICK = ("auc", "brier", "observed_expected", "log_loss", "scaled_brier", "discrimination_slope")


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
        ("whole ROC curve", "simultaneous"): whole(low - true_y, high - true_y),
        ("calibration curve at the prevalence", "loess, own band"): Estimate(value, lower, upper),
    }


def _between(x: Any, ends: Any, at: Any, side: Any) -> Any:
    """The band at points between those of a step curve: the lower end of the left one, the upper of the right one."""
    place = np.searchsorted(x, at, side="right" if side == "left" else "left")
    return ends[np.clip(place - (side == "left"), 0, len(x) - 1)]


def whole(below: Any, above: Any) -> Estimate:
    """A band about a whole curve, as the interval that holds 0 where every point of the truth lies inside."""
    return Estimate(0.0, float(np.max(below)), float(np.min(above)))


NORMAL_SCORES = np.linspace(-2.5, 2.5, 41)


def decision_band(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """The simultaneous band of the decision curve at thresholds of 10 to 50 %."""
    y, p = sample
    curve = stats.decision_curve(y, p, band="simultaneous", rng=int(rng.integers(2**31)), thresholds=FOCUS)
    truth = net_benefits(cell.risks)
    return {("whole decision curve", "simultaneous"): whole(curve.low - truth, curve.high - truth)}


FOCUS = np.arange(10, 51, 2) / 100


@functools.cache
def net_benefits(risks: Risks) -> Any:
    """True net benefit at the thresholds of the bands."""
    return np.array([risks.truths(threshold=float(t))["net_benefit"] for t in FOCUS])


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
