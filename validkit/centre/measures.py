"""The measures by which a centre is judged, in short, and numbers as JSON has them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from validkit import stats
from validkit.bundle.describing import inside
from validkit.stats.intervals import mean_estimate
from validkit.stats.likelihood_scores import log_losses
from validkit.stats.results import NAN, Estimate

__all__ = ["MEASURES", "add_holm", "finite", "loss_differences"]

MEASURES: Mapping[str, Callable[..., Estimate]] = {
    "auc": stats.auc,
    "oe": stats.observed_expected,
    "slope": stats.calibration_slope,
    "calibration_in_the_large": stats.calibration_in_the_large,
    "brier": stats.brier,
}


def finite(value: float) -> float | None:
    """The number, or None (null) where it is undefined."""
    return value if math.isfinite(value) else None


def add_holm(rows: Sequence[dict[str, Any]]) -> None:
    """Give each row of a test as record `p_adjusted`, by Holm over them; None where the p value is undefined."""
    p_values = [row["test"]["p_value"] for row in rows]
    adjusted = stats.adjust_p_values([NAN if p is None else p for p in p_values], method="holm")
    for row, p in zip(rows, adjusted.tolist(), strict=True):
        row["p_adjusted"] = finite(p)


def loss_differences(
    y: NDArray[np.int64], risks: NDArray[np.float64], others: NDArray[np.float64], level: float
) -> dict[str, Estimate]:
    """Brier score and log loss of some risks less those of others: each patient's difference, averaged over repeats.

    y : (n,) outcomes 0/1; risks, others : (repeats, n)
    """
    method = "normal, from each patient's difference of losses"
    losses: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
        "brier": lambda one: (one - y) ** 2,
        "log_loss": lambda one: np.asarray(log_losses(y, inside(one))),
    }
    found = {}
    for key, loss in losses.items():
        each = np.mean([loss(one) - loss(other) for one, other in zip(risks, others, strict=True)], axis=0)
        found[key] = mean_estimate(each, level=level, method=method, n_events=int(y.sum()))
    return found
