"""Agreement of many raters on categories beyond chance: Fleiss' kappa."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from validkit.errors import InputError
from validkit.stats.checks import FloatArray, check_level, patients
from validkit.stats.kappa import coded, kappa_estimate, kappa_test, labels, ordered_levels
from validkit.stats.results import NAN, Estimate, TestResult

__all__ = ["fleiss_kappa", "fleiss_kappa_test"]


def fleiss_kappa(
    ratings: ArrayLike,
    *,
    levels: Sequence[Any] | None = None,
    category: Any = None,
    level: float = 0.95,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Estimate:
    """Fleiss' kappa of m raters, not necessarily the same for every subject, who sort n subjects into categories.

    kappa = (P - P_e) / (1 - P_e),  P the mean share of agreeing pairs of raters, P_e = sum q_j^2 of the category shares

    ratings : (n subjects, m raters) categories, text or numbers; levels : all categories, where not all are used
    category : kappa of this category against all others together
    weights, missing : as elsewhere, a row being a subject

    Wald interval with Gwet's standard error over subjects, which holds away from zero too, cut to [-1/(m - 1), 1]. NaN
    with a note where a single category is used; perfect agreement has no interval.

    >>> fleiss_kappa([[0, 0, 0], [0, 1, 1], [1, 1, 1], [1, 1, 0]]).value.__round__(4)
    0.3143

    Reference: Fleiss, Psychol Bull 76 (1971) 378-382; Gwet, Educ Psychol Meas 81 (2021) 781-790.
    R: irr `kappam.fleiss` (value).
    """
    level = check_level(level)
    return _estimate(_turned(ratings), levels, category, level, weights=weights, missing=missing)


def fleiss_kappa_test(
    ratings: ArrayLike,
    *,
    levels: Sequence[Any] | None = None,
    category: Any = None,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> TestResult:
    """Test that m raters agree no better than chance (Fleiss' kappa = 0), two-sided, standard normal.

    z = kappa / se_0,  se_0^2 = 2 (s^2 - sum q_j (1 - q_j)(1 - 2 q_j)) / (n m (m - 1) s^2),  s = sum q_j (1 - q_j)

    Arguments and undefined cases as in `fleiss_kappa`.

    >>> fleiss_kappa_test([[0, 0, 0], [0, 1, 1], [1, 1, 1], [1, 1, 0]])
    statistic = 1.089, p = 0.2763 (kappa is 0; n = 4)

    Reference: Fleiss, Nee and Landis, Psychol Bull 86 (1979) 974-977. R: irr `kappam.fleiss`.
    """
    return _test(_turned(ratings), levels, category, weights=weights, missing=missing)


def _turned(ratings: Any) -> Any:
    """Ratings as (raters, subjects), so that subjects lie last."""
    array = ratings.to_numpy() if hasattr(ratings, "to_numpy") else ratings
    array = array if hasattr(array, "dtype") else np.asarray(array, dtype=object)
    if array.ndim != 2:
        raise InputError(f"`ratings` must be (subjects, raters); its shape is {array.shape}")
    return array.T


@patients("ratings")
def _estimate(
    ratings: Any,
    levels: Sequence[Any] | None,
    category: Any,
    level: float,
    *,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Estimate:
    counts = _counts(ratings, levels, category)
    found = _fleiss(counts)
    method = "Fleiss" if category is None else f"Fleiss, {category!r} against the others"
    lowest = -1 / (float(counts[0].sum()) - 1)
    return kappa_estimate(found.value, found.se, level, method, counts.shape[0], found.note, lowest)


@patients("ratings")
def _test(
    ratings: Any,
    levels: Sequence[Any] | None,
    category: Any,
    *,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> TestResult:
    counts = _counts(ratings, levels, category)
    found = _fleiss(counts)
    return kappa_test(found.value, found.se_null, counts.shape[0], found.note)


def _counts(ratings: Any, levels: Sequence[Any] | None, category: Any) -> FloatArray:
    """How many of the m raters put each subject into each category, (n, c); ratings (m, n)."""
    array = labels(ratings, "ratings", ndim=2)
    m = array.shape[0]
    if m < 2:
        raise InputError(f"Fleiss' kappa needs at least 2 raters; `ratings` has {m}")
    names = ordered_levels(levels, list(dict.fromkeys(array.ravel().tolist())), False)
    (codes,), c = coded((array,), levels, False)
    counts = np.stack([(codes == j).sum(axis=0) for j in range(c)], axis=1).astype(np.float64)
    if category is None:
        return counts
    if category not in names:
        raise InputError(f"`category` must be one of {names!r}, not {category!r}")
    chosen = counts[:, names.index(category)]
    return np.column_stack([chosen, m - chosen])


@dataclass(frozen=True)
class _Fleiss:
    value: float
    se: float
    se_null: float
    note: str


def _fleiss(counts: FloatArray) -> _Fleiss:
    """Kappa, Gwet's standard error over subjects, and that under kappa = 0; q: shares of the categories."""
    n, m = counts.shape[0], float(counts[0].sum())
    share = counts / m
    q = share.mean(axis=0)
    if (q == 1).any():
        return _Fleiss(NAN, NAN, NAN, "undefined: a single category is used")
    expected = float(q @ q)
    left = 1 - expected
    agreement = (counts * (counts - 1)).sum(axis=1) / (m * (m - 1))
    value = float(agreement.mean() - expected) / left
    own = (agreement - expected) / left - 2 * (1 - value) * (share @ q - expected) / left
    variance = float(((own - value) ** 2).sum() / (n - 1)) if n > 1 else NAN
    spare = q * (1 - q)
    s = float(spare.sum())
    null = 2 * (s**2 - float((spare * (1 - 2 * q)).sum())) / (m * (m - 1) * s**2)
    se = math.sqrt(variance / n) if variance > 1e-14 else NAN
    return _Fleiss(value, se, math.sqrt(null / n), "")
