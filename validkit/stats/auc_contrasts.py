"""AUCs of many models on the same patients: one test of them all, every pair, and any contrast among them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from validkit.errors import InputError
from validkit.stats.checks import (
    FloatArray,
    IntArray,
    absent_class,
    as_float,
    check_binary_risk,
    check_choice,
    check_level,
    patients,
)
from validkit.stats.comparison import delong_comparison, wald_comparison
from validkit.stats.discrimination import placement_covariance, placements
from validkit.stats.multiplicity import adjust_p_values
from validkit.stats.results import NAN, Comparison, Estimate, Record, TestResult

__all__ = ["AucComparisons", "AucContrast", "auc_contrast", "compare_aucs"]

RANK_TOLERANCE = 1e-10  # of the largest eigenvalue of the contrasts' correlation matrix


@dataclass(frozen=True, repr=False)
class AucComparisons(Record):
    """The AUCs of k models on the same patients: one test of them all, and every pair.

    names, areas : k; test : of the hypothesis that all k are equal; pairs : k(k - 1)/2 comparisons in the order of the
    names; p_adjusted : their p values adjusted for their number by `adjust`
    """

    names: tuple[str, ...]
    areas: tuple[float, ...]
    test: TestResult
    pairs: tuple[Comparison, ...]
    p_adjusted: tuple[float, ...]
    adjust: str

    def __repr__(self) -> str:
        areas = ", ".join(f"{name} {area:.4g}" for name, area in zip(self.names, self.areas, strict=True))
        return f"AUC of {len(self.names)} models ({areas}): {self.test!r}; {len(self.pairs)} pairs, {self.adjust}"


@dataclass(frozen=True, repr=False)
class AucContrast(Record):
    """Linear contrasts of AUCs: each row's estimate, and the test that all rows are zero."""

    estimates: tuple[Estimate, ...]
    test: TestResult

    def __repr__(self) -> str:
        return f"{'; '.join(map(repr, self.estimates))}; {self.test!r}"


def _many(y_true: ArrayLike, probs: ArrayLike, scale: str) -> tuple[IntArray, IntArray]:
    """The outcome (n,) and the integer placements (k, n) of k predictions."""
    table = as_float(probs, "probs", ndim=2)
    y = None
    placed = []
    for i, row in enumerate(table):
        y, p = check_binary_risk(y_true if y is None else y, row, scale=scale, name=f"probs[{i}]")
        placed.append(placements(y, p))
    assert y is not None
    return y, np.stack(placed)


def chi_square(value: FloatArray, cov: FloatArray) -> tuple[float, int, str]:
    """(statistic, df, note) of value' cov^- value: df is the rank of cov, by the eigenvalues of its correlation matrix.

    An eigenvalue above 1e-10 of the largest counts. In a direction without variance the values must be zero, as for
    curves that are alike; where they are not the statistic is NaN.
    """
    size = np.sqrt(np.diag(cov))
    varies = size > 0
    if np.any(value[~varies] != 0):
        return NAN, int(varies.sum()), "a contrast differs from zero without variance: no test"
    if not varies.any():
        return 0.0, 0, "no contrast varies"
    scaled = value[varies] / size[varies]
    roots, axes = np.linalg.eigh(cov[np.ix_(varies, varies)] / np.outer(size[varies], size[varies]))
    kept = roots > RANK_TOLERANCE * roots[-1]
    along = scaled @ axes
    rank = int(kept.sum())
    if np.any(np.abs(along[~kept]) > 1e-6 * np.abs(scaled).max()):
        return NAN, rank, "a contrast differs from zero without variance: no test"
    note = ""
    if rank < value.size:
        note = (
            f"{value.size} contrasts of rank {rank} (eigenvalues above {RANK_TOLERANCE:g} of the largest): "
            "some curves are alike or tied to each other"
        )
    return float((along[kept] ** 2 / roots[kept]).sum()), rank, note


def _joint(value: FloatArray, cov: FloatArray, method: str, y: IntArray) -> TestResult:
    n, m = y.size, int(y.sum())
    if m in (0, n):
        note = absent_class(m, n)
        return TestResult(NAN, NAN, None, method, n, m, note)
    if np.isnan(cov).any():
        return TestResult(NAN, NAN, None, method, n, m, "a single event or non-event: no variance, no test")
    statistic, df, note = chi_square(value, cov)
    p = 1.0 if statistic == 0 else float(special.chdtrc(df, statistic))
    if df == 0 and statistic == 0:
        note = "all curves rank every event against every non-event alike"
    return TestResult(statistic, p, df, method, n, m, note)


@patients("y_true", "probs")
def compare_aucs(
    y_true: ArrayLike,
    probs: ArrayLike,
    *,
    level: float = 0.95,
    adjust: str = "holm",
    names: Sequence[str] | None = None,
    scale: str = "risk",
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> AucComparisons:
    """Are the AUCs of k models on the same patients equal? DeLong's global chi-square test, and every pair.

    X2 = (L theta)' (L S L')^- (L theta), with theta the AUCs, S their covariance and L the differences from the first
    model. df is the rank of L S L': an eigenvalue of its correlation matrix counts where it is above 1e-10 of the
    largest. Two models that rank alike lower the rank by one and the note says so; where all are alike X2 = 0, df = 0
    and p = 1. A difference without variance, or a single event or non-event, gives NaN and a note.

    y_true : (n,) int in {0, 1}; probs : (k, n), k >= 2, in [0, 1] (any finite numbers with scale="score")
    adjust : how the p values of the pairs are adjusted for their number, see `adjust_p_values`
    names : k names of the models; default "1" to "k"

    >>> y, p = [0, 0, 1, 1, 1], [0.1, 0.5, 0.4, 0.7, 0.8]
    >>> compare_aucs(y, [p, p, p]).test
    statistic = 0, df = 0, p = 1 (DeLong, 3 curves; n = 5, 3 events; all curves rank every event against every \
non-event alike)

    Reference: DeLong et al., Biometrics 44 (1988) 837-845, equation 5.
    """
    level = check_level(level)
    check_choice(adjust, ("holm", "hochberg", "bh", "bonferroni", "none"), "adjust")
    y, placed = _many(y_true, probs, scale)
    k = placed.shape[0]
    if k < 2:
        raise InputError(f"`probs` must hold the predictions of at least two models, (k, n); it holds {k}")
    labels = tuple(str(i + 1) for i in range(k)) if names is None else tuple(names)
    if len(labels) != k:
        raise InputError(f"`names` has {len(labels)} names for {k} models")
    areas, _ = placement_covariance(y, placed)
    value, cov = placement_covariance(y, placed[1:] - placed[0])
    pairs = tuple(
        delong_comparison(y, placed[i] - placed[j], level=level, alternative="two-sided", names=(labels[i], labels[j]))
        for i, j in combinations(range(k), 2)
    )
    adjusted = adjust_p_values([pair.test.p_value for pair in pairs], method=adjust)
    test = _joint(value, cov, f"DeLong, {k} curves", y)
    return AucComparisons(labels, tuple(areas.tolist()), test, pairs, tuple(adjusted.tolist()), adjust)


@patients("y_true", "probs")
def auc_contrast(
    y_true: ArrayLike,
    probs: ArrayLike,
    contrast: ArrayLike,
    *,
    level: float = 0.95,
    scale: str = "risk",
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> AucContrast:
    """Linear contrasts of the AUCs of k models on the same patients, by DeLong's covariance.

    y_true : (n,) int in {0, 1}; probs : (k, n) in [0, 1] (any finite numbers with scale="score")
    contrast : (k,) or (r, k); each row sums to 0, e.g. [1, -0.5, -0.5] for the first against the mean of the others

    One row: z = c theta/sqrt(c S c'). More: the chi-square test that all are zero, its df the rank as in
    `compare_aucs`. Each row comes with its estimate and Wald interval.

    >>> y, p, q = [0, 0, 1, 1, 1], [0.1, 0.5, 0.4, 0.7, 0.8], [0.3, 0.6, 0.2, 0.5, 0.9]
    >>> auc_contrast(y, [p, q], [1, -1]).estimates[0].value.__round__(4)
    0.3333

    Reference: DeLong et al., Biometrics 44 (1988) 837-845, equation 5.
    """
    level = check_level(level)
    y, placed = _many(y_true, probs, scale)
    rows = _contrast_rows(contrast, placed.shape[0])
    combined: Any = rows @ placed
    value, cov = placement_covariance(y, combined)
    n, m = y.size, int(y.sum())
    method = "DeLong, contrast"
    if rows.shape[0] == 1 and not combined.any() and not np.isnan(cov).any():
        note = "the curves of the contrast cancel exactly"
        estimate = Estimate(0.0, 0.0, 0.0, level, method, 0.0, n, m, note)
        return AucContrast((estimate,), TestResult(0.0, 1.0, None, f"{method}, two-sided", n, m, note))
    joint = _joint(value, cov, f"DeLong, {rows.shape[0]} contrasts", y)
    each = [
        wald_comparison(
            float(value[i]),
            math.sqrt(cov[i, i]),
            method=method,
            level=level,
            alternative="two-sided",
            n=n,
            n_events=m,
            bound=float(np.abs(rows[i]).sum() / 2),
            note=joint.note if math.isnan(joint.statistic) else "" if cov[i, i] > 0 else "no variance: no interval",
        )
        for i in range(rows.shape[0])
    ]
    return AucContrast(tuple(one.difference for one in each), each[0].test if len(each) == 1 else joint)


def _contrast_rows(contrast: ArrayLike, k: int) -> FloatArray:
    rows = np.atleast_2d(as_float(contrast, "contrast", ndim=2 if np.ndim(contrast) == 2 else 1))
    if rows.shape[1] != k:
        raise InputError(f"`contrast` must have one coefficient a model: its shape is {rows.shape} for {k} models")
    size = np.abs(rows).max(axis=1)
    bad = ~(np.isfinite(size) & (size > 0) & (np.abs(rows.sum(axis=1)) <= 1e-9 * size))
    if bad.any():
        raise InputError(
            "`contrast` must hold finite rows that sum to 0 and are not all zeros, e.g. [1, -1, 0]; "
            f"row {int(np.flatnonzero(bad)[0])} does not"
        )
    return rows
