"""What is computed on samples of two models, of lesions, sites, readers, raters, and of predictors."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from validkit import stats
from validkit.certify.cells import Cell
from validkit.certify.tally import Found, less
from validkit.stats.results import Estimate

__all__ = [
    "agreement",
    "differences",
    "explained_sites",
    "fleiss",
    "grades",
    "kappa_tests",
    "lesion_bootstraps",
    "lesion_differences",
    "lesions",
    "limits_of_agreement",
    "one_way",
    "pooled",
    "pooled_measures",
    "ratings",
    "reclassification",
    "regression",
    "repeated_limits",
    "resampled_differences",
    "two_samples",
]


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


def lesion_bootstraps(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """Bootstraps that draw patients with all their lesions; 500 replicates."""
    y, p, patient = sample
    shared: dict[str, Any] = {"clusters": patient, "rng": int(rng.integers(2**31)), "replicates": 500}
    return {
        ("auc", f"bootstrap of patients, {interval}"): stats.bootstrap("auc", y, p, interval=interval, **shared)
        for interval in ("percentile", "bca")
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
        found["logit(AUC) of a new site", label] = less(made.prediction, new)
    return found


def pooled_measures(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """Measures of every site, each pooled on its own scale, of sites that do not differ."""
    drawn = [site.sample(cell.n, rng) for site in cell.population().draw(rng)]
    functions: dict[str, Any] = {
        "auc": stats.auc,
        "observed_expected": stats.observed_expected,
        "calibration_in_the_large": stats.calibration_in_the_large,
        "calibration_slope": stats.calibration_slope,
        "brier": stats.brier,
        "net_benefit": functools.partial(stats.net_benefit, threshold=cell.threshold),
    }
    found = stats.pool_sites(
        {name: {f"site {i}": f(*one) for i, one in enumerate(drawn)} for name, f in functions.items()}
    )
    return {(name, "pooled, reml, knapp-hartung"): one.estimate for name, one in found.items()}


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


def kappa_tests(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """Whether two raters agree beyond chance."""
    return {
        ("kappa is zero", "cohen"): stats.cohen_kappa_test(sample[:, 0], sample[:, 1]),
        ("kappa is zero", "fleiss"): stats.fleiss_kappa_test(sample),
    }


def grades(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """Cohen's kappa of ordered grades, unweighted and weighted."""
    a, b = sample.T
    found: dict[tuple[str, str], Any] = {("cohen_kappa", "cohen, grades"): stats.cohen_kappa(a, b)}
    for weighting in ("linear", "quadratic"):
        found[f"{weighting} kappa", "fleiss, cohen, everitt"] = stats.cohen_kappa(a, b, weighting=weighting)
    return found


def one_way(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """ICC of readers who differ from subject to subject; the forms of averages say the same on another scale."""
    return {("ICC(1,1)", "F"): _single(stats.icc(sample, form="ICC(1,1)"))}


def repeated_limits(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """Limits of agreement of subjects measured two to four times; half the variance is between subjects."""
    subject = np.repeat(np.arange(cell.n), rng.integers(2, 5, cell.n))
    sd = math.sqrt(1 - cell.icc)
    between, within = sd * rng.standard_normal(cell.n), sd * rng.standard_normal(subject.size)
    true = rng.standard_normal(subject.size)
    made = stats.bland_altman_repeated(true + between[subject] + within, true, subject)
    limits = {"lower limit of agreement": made.lower, "upper limit of agreement": made.upper, "bias": made.bias}
    return {(name, "repeated measurements"): one for name, one in limits.items()}


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
