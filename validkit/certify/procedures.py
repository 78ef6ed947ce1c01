"""What is computed where a model is fitted: internal validation, imputations, a second centre."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit

from validkit import stats
from validkit.certify.cells import Cell
from validkit.certify.tally import OWN, UNDEFINED, Found, less
from validkit.errors import StageError
from validkit.simulation import LogisticPopulation
from validkit.stats.membership import sd_error

__all__ = ["alike", "centres", "cross_validated", "imputed", "optimism"]

MEASURES = ("auc", "brier")
FOLDS, REPEATS, IMPUTATIONS = 5, 3, 10


def optimism(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """Optimism-corrected performance; the target is what the model fitted on all is worth. 200 resamples."""
    X, y = sample
    keys = [(interval, name) for interval in ("apparent", "bootstrap") for name in MEASURES]
    found: dict[tuple[str, str], Any] = {
        (f"{name}{OWN}", method): UNDEFINED for interval, name in keys for method in _methods(interval)
    }
    try:
        beta = stats.LogisticModel().fit(X, y).coef_
    except StageError:
        return found
    worth, seed = cell.population().performance(float(beta[0]), beta[1:].tolist()), int(rng.integers(2**31))
    for interval in ("apparent", "bootstrap"):
        made = stats.bootstrap_validation("logistic", X, y, metrics=MEASURES, rng=seed, interval=interval)
        for name in MEASURES:
            one = made.metrics[name]
            told = (one.corrected,) if interval == "apparent" else (one.corrected, one.point632, one.point632_plus)
            for method, estimate in zip(_methods(interval), told, strict=True):
                found[f"{name}{OWN}", method] = less(estimate, worth[name])
    return found


def _methods(interval: str) -> tuple[str, ...]:
    if interval == "apparent":
        return ("optimism, apparent interval shifted",)
    return (
        "optimism, bootstrap interval shifted",
        ".632, bootstrap interval shifted",
        ".632+, bootstrap interval shifted",
    )


def cross_validated(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """Repeated cross-validation's predictions; the target is what the model fitted on all is worth."""
    X, y = sample
    ways: tuple[dict[str, Any], ...] = (
        {"combine": "average"},
        {"combine": "per-repeat", "interval": "percentile", "rng": int(rng.integers(2**31)), "replicates": 500},
    )
    labels = ("cross-validated, average of repeats", "cross-validated, each repeat, bootstrap of patients")
    beta, risks = _fitted(X, y, rng)
    if beta is None:
        return {(f"{name}{OWN}", label): UNDEFINED for name in MEASURES for label in labels}
    worth = cell.population().performance(float(beta[0]), beta[1:].tolist())
    found: dict[tuple[str, str], Any] = {}
    for label, way in zip(labels, ways, strict=True):
        made = stats.repeated_performances(MEASURES, y, risks, **way)
        found |= {(f"{name}{OWN}", label): less(made[name], worth[name]) for name in MEASURES}
    return found


def _fitted(X: Any, y: Any, rng: np.random.Generator) -> tuple[Any, Any]:
    """Coefficients of the model of all patients, and risks (repeats, n) by models of the others; None if separated."""
    risks = np.full((REPEATS, y.size), np.nan)
    try:
        for row in risks:
            order = rng.permutation(y.size)
            for fold in range(FOLDS):
                left = order[fold::FOLDS]
                used = np.setdiff1d(order, left)
                row[left] = stats.LogisticModel().fit(X[used], y[used]).predict_proba(X[left])[:, 1]
        return stats.LogisticModel().fit(X, y).coef_, risks
    except StageError:
        return None, risks


TWINS = LogisticPopulation(-1.2, (1.0, 0.5, 0.5))
"""its last two predictors can stand for each other"""


def alike(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """Two ways of making models that are equally good, by cross-validated predictions of the same patients."""
    X, y = TWINS.sample(cell.n, rng)
    state = int(rng.integers(2**31))
    risks = [_fitted(X[:, columns], y, np.random.default_rng(state))[1] for columns in ([0, 1], [0, 2])]
    if np.isnan(risks).any():
        return {("ways of making a model are alike", "bootstrap of patients"): stats.TestResult(np.nan, np.nan)}
    made = stats.compare_repeated("auc", y, *risks, rng=state, replicates=500, combine="per-repeat")
    return {("ways of making a model are alike", "bootstrap of patients"): made.test}


def centres(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """A second centre like the first: its patients, their spread and the effects at both are the same."""
    X, y = sample
    other, outcome = cell.population().sample(cell.n, rng)
    moments = {"mean": other.mean(axis=0), "covariance": np.cov(other, rowvar=False), "n": cell.n}
    model = np.array([1.0, 0.6, 0.2])
    effects = [stats.effects_given_risk(o, expit(-1.2 + x @ model), x[:, 1:]) for x, o in ((X, y), (other, outcome))]
    return {
        ("means of two centres are the same", "hotelling"): stats.membership(X, **moments).test,
        ("spreads of two centres are the same", "normal"): stats.compare_spreads(
            *_spread(X[:, 0]), *_spread(other[:, 0])
        ),
        ("effects at two centres are the same", "wald"): stats.compare_effects(*effects),
    }


def _spread(values: Any) -> tuple[float, float]:
    return float(values.std(ddof=1)), sd_error(values) or 0.0


def imputed(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """Rubin's rules over ten imputations: performance of a known model, and a regression's coefficients."""
    X, y = sample
    population = cell.population()
    filled = [population.impute(X, y, rng) for _ in range(IMPUTATIONS)]
    found: dict[tuple[str, str], Any] = {}
    for name in ("auc", "brier", "calibration_slope"):
        each = [getattr(stats, name)(y, population.risks(one)) for one in filled]
        found[name, "rubin"] = stats.pool_imputations(each, metric=name).estimate
    fits = [stats.logistic_regression(one, y) for one in filled]
    beta, covariance = np.array([fit.beta for fit in fits]), np.array([fit.covariance for fit in fits])
    if not np.isfinite(beta).all():
        return found
    pooled = stats.pool_coefficients(beta, covariance)
    for j, one in enumerate(pooled.coefficients[1:]):
        found[f"coefficient of predictor {j + 1}", "rubin"] = one.estimate
    idle = [1 + j for j, truth in enumerate(population.coefficients) if truth == 0]
    some = stats.pool_coefficients(beta[:, idle], covariance[np.ix_(range(IMPUTATIONS), idle, idle)])
    found["idle coefficients are zero", "D1"] = some.test
    return found
