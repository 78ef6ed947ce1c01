"""Two AUCs on the same rows where rows come in clusters, such as several lesions of a patient."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from validkit.stats.checks import absent_class, check_choice, check_level, patients
from validkit.stats.clustered import cluster_codes, clustered_covariance
from validkit.stats.comparison import ALTERNATIVES, no_difference, two_models, wald_comparison
from validkit.stats.discrimination import placements
from validkit.stats.results import NAN, Comparison

__all__ = ["compare_clustered_auc"]


def compare_clustered_auc(
    y_true: ArrayLike,
    prob_a: ArrayLike,
    prob_b: ArrayLike,
    clusters: Any,
    *,
    level: float = 0.95,
    alternative: str = "two-sided",
    a: str = "a",
    b: str = "b",
    scale: str = "risk",
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Comparison:
    """Difference of two AUCs (a minus b) on the same clustered rows, with Obuchowski's covariance.

    z = (AUC_a - AUC_b)/sqrt(var_a + var_b - 2 cov), the interval being difference -+ z(level) se, cut to [-1, 1]

    y_true : (n,) int in {0, 1}; prob_a, prob_b : (n,) float in [0, 1] (any finite numbers with scale="score")
    clusters : (n,) labels of any hashable kind; rows of one label may depend on each other
    alternative : "two-sided", "less" (a below b) or "greater"; the interval is two-sided in every case

    With every row a cluster of its own this is `compare_auc`. Where both rank all rows alike the difference is 0 and
    p = 1. A variance that is zero or negative, or fewer than two clusters that hold an event or two that hold a
    non-event, gives NaN and a note. The number of clusters is in the note.

    >>> y, p, q = [0, 1, 0, 1, 0, 1], [0.1, 0.4, 0.5, 0.8, 0.3, 0.2], [0.2, 0.1, 0.6, 0.7, 0.4, 0.3]
    >>> compare_clustered_auc(y, p, q, ["x", "x", "y", "y", "z", "z"]).difference.value.__round__(4)
    0.2222

    Reference: Obuchowski, Biometrics 53 (1997) 567-578.
    """
    return _compare(
        y_true,
        prob_a,
        prob_b,
        cluster_codes(clusters),
        level=level,
        alternative=alternative,
        names=(a, b),
        scale=scale,
        weights=weights,
        missing=missing,
    )


@patients("y_true", "prob_a", "prob_b", "clusters")
def _compare(
    y_true: ArrayLike,
    prob_a: ArrayLike,
    prob_b: ArrayLike,
    clusters: ArrayLike,
    *,
    level: float,
    alternative: str,
    names: tuple[str, str],
    scale: str,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Comparison:
    level = check_level(level)
    check_choice(alternative, ALTERNATIVES, "alternative")
    y, p, q = two_models(y_true, prob_a, prob_b, scale)
    areas, cov = clustered_covariance(y, np.stack([p, q]), clusters)
    n, m = y.size, int(y.sum())
    counted = f"{np.unique(np.asarray(clusters)).size} clusters"
    options: dict[str, Any] = {
        "method": "Obuchowski, paired",
        "level": level,
        "alternative": alternative,
        "n": n,
        "n_events": m,
    }
    variance = float(cov[0, 0] + cov[1, 1] - 2 * cov[0, 1])
    reason = ""
    if m in (0, n):
        reason = absent_class(m, n)
    elif math.isnan(variance):
        reason = "fewer than two clusters hold an event, or a non-event: no variance, no test"
    elif np.array_equal(placements(y, p), placements(y, q)):
        alike = f"both rank every event against every non-event alike; {counted}"
        return no_difference(alike, ends=0.0, names=names, **options)
    elif not variance > 1e-14 * float(np.abs(np.diag(cov)).sum()):
        variance, reason = NAN, "Obuchowski's variance of the difference is zero or negative: no test"
    note = "; ".join(part for part in (reason, counted) if part)
    return wald_comparison(
        float(areas[0] - areas[1]), math.sqrt(variance), bound=1.0, note=note, names=names, **options
    )
