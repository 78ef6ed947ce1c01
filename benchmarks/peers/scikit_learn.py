"""scikit-learn: metrics of risks, and the calibration curve."""

from __future__ import annotations

from typing import Any

from sklearn import metrics
from sklearn.calibration import calibration_curve

from benchmarks.peers.cases import Called, Case

__all__ = ["CALLED", "CASES"]

PEER = "scikit-learn"


def bins(y: Any, p: Any, groups: int) -> int:
    """How many points the calibration curve has."""
    return len(calibration_curve(y, p, n_bins=groups, strategy="quantile")[0])


LAST_OF_ITS_KIND = {"weights-are-copies": "weights of 0 may leave one outcome, which is refused"}
BINS = Called(PEER, "calibration_curve(y, p, strategy='quantile')", bins, "groups")
CALLED = (
    Called(PEER, "roc_auc_score(y, p)", metrics.roc_auc_score, "discrimination"),
    Called(PEER, "average_precision_score(y, p)", metrics.average_precision_score, "classification"),
    Called(PEER, "brier_score_loss(y, p)", metrics.brier_score_loss, "overall"),
    Called(PEER, "log_loss(y, p)", metrics.log_loss, "overall", not_asked=LAST_OF_ITS_KIND),
    BINS,
)
CASES = (
    Case(
        BINS,
        "groups-lost-are-told",
        "tied risks merge quantile groups: five are asked for and two returned, of unequal size, with no warning "
        "(that empty bins are left out is in the documentation alone)",
        "import numpy as np; from sklearn.calibration import calibration_curve; "
        "print(len(calibration_curve(np.tile([0, 1], 25), np.repeat([.3, .6], 25), n_bins=5, strategy='quantile')[0]))",
        "2",
    ),
)
