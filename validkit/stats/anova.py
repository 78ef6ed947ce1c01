"""Mean squares of subjects by raters, for p features at once, complete or with ratings missing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from validkit.stats.checks import FloatArray

__all__ = ["Anova", "one_way", "two_way"]


@dataclass(frozen=True)
class Anova:
    """Mean squares of p features, (p,) each.

    msr : between subjects; msc : between raters; mse : residual; msw : within subjects. n : subjects used; size :
    ratings a subject, n0 where they differ. df1, df_error, df_within : degrees of freedom of msr, mse and msw.
    constant : nothing varies; too_few : fewer than 2 subjects are left; unbalanced : ratings are missing.
    """

    msr: FloatArray
    msc: FloatArray
    mse: FloatArray
    msw: FloatArray
    n: FloatArray
    size: FloatArray
    df1: FloatArray
    df_error: FloatArray
    df_within: FloatArray
    constant: NDArray[np.bool_]
    too_few: NDArray[np.bool_]
    unbalanced: NDArray[np.bool_]


def _constant(x: FloatArray, used: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Features whose ratings used are all the same; used : as x, or (n, 1, p)."""
    constant: NDArray[np.bool_] = np.where(used, x, -np.inf).max((0, 1)) <= np.where(used, x, np.inf).min((0, 1))
    return constant


def two_way(x: FloatArray) -> Anova:
    """Two-way analysis of variance of x (n, k, p); a subject with a missing rating of a feature is left out of it."""
    n, k, p = x.shape
    used: NDArray[np.bool_] = np.asarray(~np.isnan(x).any(axis=1))
    if used.all():
        subjects = np.full(p, float(n))
        constant = _constant(x, np.ones((1, 1, 1), dtype=bool))
        centred = x - x.mean(axis=(0, 1))
        rows, columns = centred.mean(axis=1), centred.mean(axis=0)
        residual = centred - rows[:, None, :] - columns
    else:
        here = used[:, None, :]
        subjects = used.sum(axis=0).astype(np.float64)
        constant = _constant(x, here)
        some = np.maximum(subjects, 1)
        known = np.where(here, x, 0.0)
        centred = np.where(here, known - known.sum(axis=(0, 1)) / (some * k), 0.0)
        rows, columns = centred.mean(axis=1), centred.sum(axis=0) / some
        residual = np.where(here, centred - rows[:, None, :] - columns, 0.0)
    between = k * np.einsum("ip,ip->p", rows, rows)
    raters = subjects * np.einsum("jp,jp->p", columns, columns)
    error = np.einsum("ijp,ijp->p", residual, residual)
    between, raters, error = (np.where(constant, 0.0, part) for part in (between, raters, error))
    df1, too_few = subjects - 1, subjects < 2
    with np.errstate(divide="ignore", invalid="ignore"):
        msr, msc, mse = between / df1, raters / (k - 1), error / (df1 * (k - 1))
        msw = (raters + error) / (subjects * (k - 1))
    size = np.full(p, float(k))
    df_error, df_within = df1 * (k - 1), subjects * (k - 1)
    return Anova(msr, msc, mse, msw, subjects, size, df1, df_error, df_within, constant, too_few, subjects < n)


def one_way(x: FloatArray) -> Anova:
    """One-way analysis of variance of every rating in x (n, k, p), subject by subject, however many each has."""
    here = ~np.isnan(x)
    count = here.sum(axis=1).astype(np.float64)
    total, subjects = count.sum(axis=0), (count > 0).sum(axis=0).astype(np.float64)
    constant = _constant(x, here)
    known = np.where(here, x, 0.0)
    centred = np.where(here, known - known.sum(axis=(0, 1)) / np.maximum(total, 1), 0.0)
    rows = centred.sum(axis=1) / np.maximum(count, 1)
    residual = np.where(here, centred - rows[:, None, :], 0.0)
    between = np.einsum("ip,ip,ip->p", count, rows, rows)
    within = np.einsum("ijp,ijp->p", residual, residual)
    between, within = np.where(constant, 0.0, between), np.where(constant, 0.0, within)
    df1, df_within = subjects - 1, total - subjects
    with np.errstate(divide="ignore", invalid="ignore"):
        size = (total - (count**2).sum(axis=0) / total) / df1
        msr, msw = between / df1, within / df_within
    none = np.full(total.size, np.nan)
    too_few = (df1 < 1) | (df_within < 1)
    return Anova(
        msr, none, none, msw, subjects, size, df1, none, df_within, constant, too_few, (count < x.shape[1]).any(axis=0)
    )
