"""Every measure of `stats.METRICS` in a population whose risks are known, by quadrature to about twelve digits."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, log_expit, logit

from validkit.simulation.families import Family, panels

__all__ = ["truths"]

FloatArray = NDArray[np.float64]


class _Population:
    """Means over the patients of either class."""

    def __init__(self, right: Family, intercept: float, slope: float) -> None:
        self.right, self.intercept, self.slope = right, intercept, slope
        kink = intercept / (1 - slope) if slope != 1 else math.nan
        breaks = () if math.isnan(kink) else (intercept + slope * kink,)
        self.points, self.weights = panels(*right.bounds(), breaks)
        self.of_class = [self.weights * right.density(self.points, y) for y in (0, 1)]
        self.reported = (self.points - intercept) / slope

    def mean(self, y: int, values: FloatArray) -> float:
        return float(self.of_class[y] @ values)

    def over_all(self, values: FloatArray) -> float:
        share = self.right.prevalence
        return share * self.mean(1, values) + (1 - share) * self.mean(0, values)


def truths(right: Family, intercept: float, slope: float, threshold: float) -> dict[str, float]:
    """name -> value; NaN where a measure has no finite truth."""
    population = _Population(right, intercept, slope)
    return {
        "auc": right.auc,
        **_of_ranks(population),
        **_of_calibration(population),
        **_overall(population),
        **_at(population, threshold),
    }


def _of_ranks(population: _Population) -> dict[str, float]:
    right, points, share = population.right, population.points, population.right.prevalence
    above = [1 - right.cdf(points, y) for y in (0, 1)]
    treated = share * above[1] + (1 - share) * above[0]
    precision = np.divide(share * above[1], treated, out=expit(points), where=treated > 1e-12)
    cut = brentq(lambda log_odds: float(right.cdf(log_odds, 0)) - 0.9, *right.bounds(), xtol=1e-13)
    inner, weights = panels(cut, right.bounds()[1])
    partial = float(weights @ (right.density(inner, 0) * (1 - right.cdf(inner, 1))))
    area = population.mean(1, precision)
    return {"auprc": area, "average_precision": area, "partial_auc": partial}


def _of_calibration(population: _Population) -> dict[str, float]:
    eta, share = population.reported, population.right.prevalence
    mean = population.over_all(expit(eta))
    shift = brentq(lambda a: population.over_all(expit(a + eta)) - share, -30.0, 30.0, xtol=1e-13)
    gap = np.abs(expit(population.points) - expit(eta))
    return {
        "observed_expected": share / mean,
        "calibration_in_the_large": shift,
        "calibration_slope": population.slope,
        "calibration_intercept": population.intercept,
        "ici": population.over_all(gap),
        "eci": 100 * population.over_all(gap**2),
        **{name: _quantile(population, gap, q) for name, q in (("e50", 0.5), ("e90", 0.9))},
        "emax": float(gap.max()),
    }


def _quantile(population: _Population, gap: FloatArray, q: float) -> float:
    """The q quantile of |calibration error| over patients, from the places where it crosses a value."""
    if gap.max() < 1e-14:
        return 0.0
    share, right, points = population.right.prevalence, population.right, population.points
    cdf = share * right.cdf(points, 1) + (1 - share) * right.cdf(points, 0)

    def at_most(value: float) -> float:
        under = gap <= value
        inside = np.diff(cdf)
        both = under[1:] & under[:-1]
        crossing = under[1:] != under[:-1]
        rise = np.abs(np.diff(gap))
        lower = np.minimum(gap[1:], gap[:-1])
        part = np.divide(value - lower, rise, out=np.zeros_like(rise), where=rise > 0)
        return float(inside[both].sum() + (inside * part)[crossing].sum())

    return float(brentq(lambda value: at_most(value) - q, 0.0, float(gap.max()), xtol=1e-12))


def _overall(population: _Population) -> dict[str, float]:
    eta, share = population.reported, population.right.prevalence
    risk, mean = expit(eta), population.mean

    def expected(with_event: FloatArray, without: FloatArray) -> float:
        return share * mean(1, with_event) + (1 - share) * mean(0, without)

    brier = expected((1 - risk) ** 2, risk**2)
    loss = expected(-log_expit(eta), -log_expit(-eta))
    null = -(share * math.log(share) + (1 - share) * math.log(1 - share))
    cox_snell = 1 - math.exp(-2 * (null - loss))
    return {
        "log_loss": loss,
        "brier": brier,
        "scaled_brier": 1 - brier / (share * (1 - share)),
        "mcfadden_r2": 1 - loss / null,
        "cox_snell_r2": cox_snell,
        "nagelkerke_r2": cox_snell / (1 - math.exp(-2 * null)),
        "discrimination_slope": mean(1, risk) - mean(0, risk),
        "mape": expected(1 - risk, risk),
    }


def _at(population: _Population, threshold: float) -> dict[str, float]:
    share, cut = population.right.prevalence, population.intercept + population.slope * float(logit(threshold))
    sensitivity, specificity = (1 - float(population.right.cdf(cut, 1))), float(population.right.cdf(cut, 0))
    tp, fp = share * sensitivity, (1 - share) * (1 - specificity)
    fn, tn = share - tp, 1 - share - fp
    weight = threshold / (1 - threshold)
    net = tp - weight * fp
    agreed = (tp + fp) * share + (fn + tn) * (1 - share)
    ratio: Callable[[float, float], float] = lambda a, b: a / b if b > 0 else math.nan  # noqa: E731
    return {
        "sensitivity": sensitivity,
        "specificity": specificity,
        "ppv": ratio(tp, tp + fp),
        "npv": ratio(tn, tn + fn),
        "accuracy": tp + tn,
        "balanced_accuracy": (sensitivity + specificity) / 2,
        "youden_index": sensitivity + specificity - 1,
        "diagnostic_odds_ratio": ratio(tp * tn, fp * fn),
        "kappa": (tp + tn - agreed) / (1 - agreed),
        "f1": 2 * tp / (2 * tp + fp + fn),
        "mcc": ratio(tp * tn - fp * fn, math.sqrt((tp + fp) * (fn + tn) * share * (1 - share))),
        "positive_likelihood_ratio": ratio(sensitivity, 1 - specificity),
        "negative_likelihood_ratio": ratio(1 - sensitivity, specificity),
        "net_benefit": net,
        "standardised_net_benefit": net / share,
        "expected_cost": (share - net) / weight,
        "interventions_avoided": 100 * (net - (share - weight * (1 - share))) / weight,
    }
