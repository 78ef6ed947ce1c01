"""The AUC of clustered patients, such as several lesions of one patient, after Obuchowski."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from validkit.errors import InputError
from validkit.stats.checks import (
    FloatArray,
    IntArray,
    absent_class,
    as_float,
    as_models,
    check_binary_risk,
    check_choice,
    check_level,
    check_outcome,
    check_score,
    is_missing,
    patients,
)
from validkit.stats.discrimination import logit_interval, newcombe_interval, placements
from validkit.stats.intervals import z_of
from validkit.stats.results import NAN, Estimate

__all__ = ["clustered_auc", "clustered_covariance"]

METHODS = {"obuchowski": "Obuchowski", "logit-obuchowski": "Obuchowski on the logit scale"}


def cluster_codes(clusters: Any) -> FloatArray:
    """Clusters numbered from 0 in order of appearance, whatever their labels; NaN where the label is missing."""
    if isinstance(clusters, (str, bytes)) or not isinstance(clusters, Iterable):
        raise InputError(f"`clusters` must hold one label for each row, not {clusters!r}")
    numbers: dict[Any, int] = {}
    labels = clusters.tolist() if isinstance(clusters, np.ndarray) else list(clusters)
    try:
        codes = [NAN if is_missing(label) else numbers.setdefault(label, len(numbers)) for label in labels]
    except TypeError as error:
        raise InputError(f"`clusters` must hold labels that can be compared and hashed ({error})") from error
    return np.array(codes, dtype=np.float64)


def _check_clusters(codes: ArrayLike, n: int) -> IntArray:
    unit = as_float(codes, "clusters")
    if unit.size != n:
        raise InputError(f"`clusters` has {unit.size} labels for {n} rows of `y_true`; every row needs one")
    absent = np.flatnonzero(np.isnan(unit))
    if absent.size:
        rows = ", ".join(map(str, absent[:5]))
        raise InputError(
            f"`clusters` is missing for {absent.size} of {n} rows (first: {rows}); name each row's cluster"
        )
    return np.unique(unit, return_inverse=True)[1].astype(np.int64)


def clustered_placement_covariance(y: IntArray, placed: IntArray, unit: IntArray) -> tuple[FloatArray, FloatArray]:
    """AUCs (k,) and Obuchowski's covariance (k, k) from integer placements (k, n) and units (n,) numbered from 0.

    NaN with fewer than two clusters that hold an event, or fewer than two that hold a non-event.
    """
    event = y == 1
    m, q = int(event.sum()), int((~event).sum())
    k, clusters = placed.shape[0], int(unit.max()) + 1
    if not (m and q):
        return np.full(k, NAN), np.full((k, k), NAN)
    twice_u = placed[:, event].sum(axis=1)
    events, others = (np.bincount(unit[side], minlength=clusters) for side in (event, ~event))
    with_event, with_other = int((events > 0).sum()), int((others > 0).sum())
    if min(with_event, with_other) < 2:
        return twice_u / (2.0 * m * q), np.full((k, k), NAN)

    def excess(side: Any, size: IntArray, total: int) -> FloatArray:  # of each cluster's sum over its expectation
        sums = np.stack([np.bincount(unit[side], weights=row[side], minlength=clusters) for row in placed])
        result: FloatArray = sums - size * (twice_u / total)[:, None]
        return result

    a, b = excess(event, events, m) / (2.0 * q * m), excess(~event, others, q) / (2.0 * m * q)
    cross = a @ b.T * (clusters / (clusters - 1.0))
    within = a @ a.T * (with_event / (with_event - 1.0)) + b @ b.T * (with_other / (with_other - 1.0))
    total, scale = within + (cross + cross.T), np.sqrt(np.diag(within))
    return twice_u / (2.0 * m * q), np.where(np.abs(total) > 1e-14 * np.outer(scale, scale), total, 0.0)


def clustered_covariance(y_true: ArrayLike, probs: ArrayLike, clusters: Any) -> tuple[FloatArray, FloatArray]:
    """AUCs of k predictions on the same n rows, and their covariance where rows come in clusters.

    y_true : (n,) int in {0, 1}; 1 is the event
    probs : (k, n) or (n,) finite numbers; higher means more likely
    clusters : (n,) labels; rows of one label may depend on each other, rows of different labels do not
    Returns (auc (k,), cov (k, k)); cov is NaN with fewer than two clusters that hold an event or two that hold a
    non-event, auc is NaN without both outcomes. With every row a cluster of its own it is DeLong's covariance.

    >>> areas, cov = clustered_covariance([0, 1, 0, 1], [[0.1, 0.4, 0.5, 0.8]], ["a", "a", "b", "b"])
    >>> float(areas[0]), float(cov[0, 0])
    (0.75, 0.0)

    Reference: Obuchowski, Biometrics 53 (1997) 567-578.
    """
    y = check_outcome(y_true)
    scores = as_models(probs)
    if scores.shape[1] != y.size:
        raise InputError(f"`probs` needs one column a row of `y_true`: its shape is {scores.shape} for {y.size} rows")
    for i, row in enumerate(scores):
        check_score(row, f"probs[{i}]")
    unit = _check_clusters(cluster_codes(clusters), y.size)
    return clustered_placement_covariance(y, np.stack([placements(y, row) for row in scores]), unit)


def clustered_auc(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    clusters: Any,
    *,
    level: float = 0.95,
    method: str = "obuchowski",
    scale: str = "risk",
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Estimate:
    """Area under the ROC curve where rows come in clusters, such as the lesions of a patient.

    y_true : (n,) int in {0, 1}; 1 is the event
    y_prob : (n,) float in [0, 1]; higher means more likely (any finite number with scale="score")
    clusters : (n,) labels of any hashable kind; a cluster may hold events, non-events or both
    method : "obuchowski" (Wald, cut to [0, 1]) or "logit-obuchowski" (Wald on the logit scale)

    The value is the AUC over all pairs of rows. With m events and q non-events, I10 clusters holding events, I01
    holding non-events, I in all, and A_i (B_i) the sum in cluster i of placements of events (non-events) less the AUC,
    var = I10/((I10 - 1) m^2) sum A_i^2 + I01/((I01 - 1) q^2) sum B_i^2 + 2 I/((I - 1) m q) sum A_i B_i.
    With every row a cluster of its own this is DeLong's variance.

    Where that variance is zero, negative or undefined the interval is Newcombe's with clusters counted in place of
    rows, and the note says so. Identical predictions give 0.5 by definition. Without both outcomes the AUC is NaN.

    >>> clustered_auc([0, 1, 0, 1, 0, 1], [0.1, 0.4, 0.5, 0.8, 0.3, 0.2], [1, 1, 2, 2, 3, 3]).value.__round__(4)
    0.6667

    Reference: Obuchowski, Biometrics 53 (1997) 567-578.
    """
    codes = cluster_codes(clusters)
    return _clustered_auc(
        y_true, y_prob, codes, level=level, method=method, scale=scale, weights=weights, missing=missing
    )


@patients("y_true", "y_prob", "clusters")
def _clustered_auc(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    clusters: ArrayLike,
    *,
    level: float,
    method: str,
    scale: str,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Estimate:
    level = check_level(level)
    name = METHODS[check_choice(method, tuple(METHODS), "method")]
    y, p = check_binary_risk(y_true, y_prob, scale=scale)
    unit = _check_clusters(clusters, y.size)
    n, m, note = y.size, int(y.sum()), f"{int(unit.max()) + 1} clusters"
    absent = absent_class(m, n)
    if absent:
        return Estimate(NAN, level=level, method=name, n=n, n_events=m, note=f"{absent}; {note}")
    if (p == p[0]).all():
        note = f"all predictions are equal: 0.5 by definition, without sampling error; {note}"
        return Estimate(0.5, 0.5, 0.5, level, name, 0.0, n, m, note)
    areas, cov = clustered_placement_covariance(y, placements(y, p)[None, :], unit)
    area, variance = float(areas[0]), float(cov[0, 0])
    if not variance > 0:
        return _by_clusters(area, y, unit, level, "undefined" if math.isnan(variance) else "zero or negative", note)
    se = math.sqrt(variance)
    if method == "logit-obuchowski":
        return Estimate(area, *logit_interval(area, se, level), level, name, se, n, m, note)
    low, high = area - z_of(level) * se, area + z_of(level) * se
    if low < 0 or high > 1:
        note = f"interval cut at its bound; logit-obuchowski stays inside; {note}"
    return Estimate(area, max(low, 0.0), min(high, 1.0), level, name, se, n, m, note)


def _by_clusters(area: float, y: IntArray, unit: IntArray, level: float, state: str, note: str) -> Estimate:
    with_event, with_other = np.unique(unit[y == 1]).size, np.unique(unit[y == 0]).size
    low, high = newcombe_interval(area, with_event, with_other, level)
    note = (
        f"Obuchowski's variance is {state}: interval after Newcombe with {with_event} clusters that hold events "
        f"and {with_other} that hold non-events; {note}"
    )
    return Estimate(area, low, high, level, "Newcombe, method 5, by cluster", NAN, y.size, int(y.sum()), note)
