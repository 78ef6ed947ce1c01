"""True values of a cell beyond those that the simulators tell by the names of `stats.METRICS`."""

from __future__ import annotations

from scipy.optimize import brentq

from validkit.simulation import IncompletePatients, PairedRisks, Risks

__all__ = ["PRECISION_POINT", "RECALL", "ROC_POINT", "SPECIFICITY", "of_incomplete", "of_pairs", "on_curves"]

SPECIFICITY, RECALL = 0.9, 0.8
ROC_POINT, PRECISION_POINT = "sensitivity at 90 % specificity", "precision at 80 % recall"


def on_curves(risks: Risks) -> dict[str, float]:
    """Points of one model's curves, and what its prevalence alone decides."""
    right, share = risks.right, risks.prevalence
    cut = brentq(lambda at: float(right.cdf(at, 0)) - SPECIFICITY, *right.bounds(), xtol=1e-12)
    recall = brentq(lambda at: 1 - float(right.cdf(at, 1)) - RECALL, *right.bounds(), xtol=1e-12)
    true, false = share * RECALL, (1 - share) * (1 - float(right.cdf(recall, 0)))
    return {
        ROC_POINT: 1 - float(right.cdf(cut, 1)),
        PRECISION_POINT: true / (true + false),
        "uncertainty": share * (1 - share),
        "a": risks.slope,
        "b": risks.slope,
        "c": risks.intercept,
    }


def of_pairs(pair: PairedRisks, threshold: float) -> dict[str, float]:
    """Differences, and what reclassification is worth among events and among non-events."""
    differences = pair.differences(threshold=threshold)
    events, others = pair.continuous_nri_parts()
    slope, share = differences["discrimination_slope"], pair.a.prevalence
    return {
        **differences,
        "nri": pair.continuous_nri(),
        "nri of events": events,
        "nri of non-events": others,
        "idi of events": (1 - share) * slope,  # right risks average the prevalence
        "idi of non-events": share * slope,
    }


def of_incomplete(patients: IncompletePatients) -> dict[str, float]:
    """Of the true risks of complete patients, and of the regression."""
    risks = Risks(patients.auc, patients.prevalence).truths()
    return {
        **{name: risks[name] for name in ("auc", "brier", "calibration_slope")},
        **{f"coefficient of predictor {j + 1}": b for j, b in enumerate(patients.coefficients)},
        "idle coefficients are zero": 0.0,
    }
