"""Is this centre large enough? How wide the intervals are, how wide they may be, and the patients that would take."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from validkit import stats
from validkit.bundle.describing import linear_predictor
from validkit.errors import ValidkitError
from validkit.sections.evaluation import Precision
from validkit.stats import LinearPredictor
from validkit.stats.results import Estimate

__all__ = ["precision_record"]

CRITERIA = {"oe": "O:E", "slope": "calibration slope", "auc": "C statistic", "net_benefit": "standardised net benefit"}
"""measures here, and what `stats.validation_sample_size` calls them"""


def precision_record(
    y: NDArray[np.int64], p: NDArray[np.float64], targets: Precision, threshold: float | None, *, level: float = 0.95
) -> dict[str, Any]:
    """stages/precision.json of one model: for each measure, its width here, the target, and the patients needed.

    The patients follow Riley et al. (2021) at the prevalence, the C statistic, the linear predictor and, at the
    threshold, the sensitivity and specificity that were observed here, for a calibrated model.

    Reference: Riley et al., Stat Med 40 (2021) 4230-4251. R: pmvalsampsize.
    """
    found: dict[str, Estimate] = {
        "oe": stats.observed_expected(y, p, level=level),
        "slope": stats.calibration_slope(y, p, level=level),
        "auc": stats.auc(y, p, level=level),
    }
    if threshold is not None and 0 < threshold < 1:
        found["net_benefit"] = stats.standardised_net_benefit(y, p, threshold=threshold, level=level)
    needed, why = _needed(y, p, targets, threshold if "net_benefit" in found else None, level)
    rows = []
    for key, estimate in found.items():
        width = estimate.high - estimate.low
        target = float(getattr(targets, key))
        patients = needed.get(CRITERIA[key])
        rows.append(
            {
                "measure": key,
                "estimate": estimate.to_dict(),
                "width": width if math.isfinite(width) else None,
                "target": target,
                "reached": bool(width <= target) if math.isfinite(width) else None,
                "needed": patients,
                "more": None if patients is None else max(patients - len(y), 0),
            }
        )
    return {"n": len(y), "events": int(y.sum()), "threshold": threshold, "rows": rows, "why": why}


def _needed(
    y: NDArray[np.int64], p: NDArray[np.float64], targets: Precision, threshold: float | None, level: float
) -> tuple[dict[str, int], str]:
    """Patients by criterion, or why they cannot be said."""
    if not 0 < y.sum() < len(y):
        return {}, "patients of one outcome alone"
    more: dict[str, Any] = {}
    if threshold is not None:
        treated = p >= threshold
        more = {
            "threshold": threshold,
            "sensitivity": float(treated[y == 1].mean()),
            "specificity": float(1.0 - treated[y == 0].mean()),
        }
    try:
        size = stats.validation_sample_size(
            prevalence=float(y.mean()),
            c_statistic=stats.auc(y, p).value,
            predictor=LinearPredictor.observed(linear_predictor(p)),
            oe_width=targets.oe,
            slope_width=targets.slope,
            c_width=targets.auc,
            net_benefit_width=targets.net_benefit,
            level=level,
            **more,
        )
    except ValidkitError as error:
        return {}, str(error)
    return {one.name: one.n for one in size.criteria}, size.note
