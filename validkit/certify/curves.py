"""What is computed on points of curves, at a threshold that the sample chose, and of groups of risk."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import logit

from validkit import stats
from validkit.certify.cells import Cell
from validkit.certify.tally import OWN, Found, less
from validkit.certify.truths import PRECISION_POINT, RECALL, ROC_POINT, SPECIFICITY
from validkit.stats.results import Estimate

__all__ = ["beta", "chosen_cutoff", "curve_points", "risk_groups", "vertical"]


def curve_points(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """Pointwise bands where a reader looks at them: at a specificity, and at a recall; Wilson's of the uncertainty."""
    y, p = sample
    roc, precision = stats.roc_curve(y, p), stats.precision_recall_curve(y, p)
    at = int(np.searchsorted(roc.x, 1 - SPECIFICITY, side="right")) - 1
    reached = int(np.searchsorted(precision.x, RECALL, side="left"))
    return {
        (ROC_POINT, "pointwise"): _point(roc, at),
        (PRECISION_POINT, "pointwise"): _point(precision, reached),
        ("uncertainty", "wilson"): stats.brier_decomposition(y, p, groups=10).uncertainty,
    }


def _point(curve: stats.Curve, at: int) -> Estimate:
    return Estimate(float(curve.y[at]), float(curve.low[at]), float(curve.high[at]))


def vertical(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """The bootstrap's interval of sensitivity at a specificity; 500 replicates."""
    y, p = sample
    seed = int(rng.integers(2**31))
    curve = stats.roc_curve(y, p, band="vertical", specificities=[SPECIFICITY], rng=seed, replicates=500)
    return {(ROC_POINT, "vertical"): _point(curve, 0)}


def chosen_cutoff(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """Sensitivity and specificity at the cut-off that these patients chose: their target is that cut-off's own."""
    y, p = sample
    found, right = stats.optimal_cutoff(y, p), cell.risks.right
    cut = float(logit(found.threshold))
    return {
        (f"sensitivity at its best cut-off{OWN}", "wilson"): less(found.sensitivity, 1 - float(right.cdf(cut, 1))),
        (f"specificity at its best cut-off{OWN}", "wilson"): less(found.specificity, float(right.cdf(cut, 0))),
    }


def risk_groups(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """Wilson's interval of the observed share in the middle one of five groups of risk, less their mean true risk."""
    y, p = sample
    group = stats.calibration_groups(y, p, groups=5)[2]
    value, low, high = (float(group[name]) for name in ("observed", "low", "high"))
    return {("observed share of a risk group", "wilson"): less(Estimate(value, low, high), float(group["mean_risk"]))}


def beta(sample: Any, cell: Cell, rng: np.random.Generator) -> Found:
    """Coefficients of beta calibration: a logistic error is one with a = b."""
    y, p = sample
    update = stats.recalibrate_beta(y, p)
    return {(name, "beta calibration, wald"): getattr(update, name) for name in ("a", "b", "c")}
