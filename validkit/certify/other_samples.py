"""What is computed on samples of two models, of lesions, sites, readers, raters, and of predictors."""

from __future__ import annotations

from typing import Any

import numpy as np

from validkit import stats
from validkit.certify.cells import Cell
from validkit.certify.tally import Found
from validkit.stats.results import Estimate

__all__ = [
    "agreement",
    "differences",
    "explained_sites",
    "fleiss",
    "lesion_differences",
    "lesions",
    "limits_of_agreement",
    "pooled",
    "ratings",
    "reclassification",
    "regression",
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
