"""Variance inflation: how much collinearity of the predictors widens the uncertainty of their coefficients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from validkit.errors import InputError
from validkit.stats.checks import FloatArray
from validkit.stats.regression import LogisticFit, dependent_columns, named_columns
from validkit.stats.results import NAN, Record

__all__ = ["VarianceInflation", "logistic_variance_inflation", "variance_inflation"]


@dataclass(frozen=True)
class VarianceInflation(Record):
    """Variance inflation of one term.

    df : number of its columns; gvif : generalised variance inflation factor, for one column the variance inflation
    factor 1/(1 - R2), 1 without collinearity; scaled : gvif^(1/(2 df)), comparable between terms of unlike df (for one
    column the factor by which the standard error grows)
    """

    term: str
    df: int
    gvif: float
    scaled: float
    note: str = ""


def variance_inflation(
    X: pd.DataFrame | ArrayLike,
    *,
    names: Sequence[str] | None = None,
    terms: Mapping[str, Sequence[str]] | None = None,
) -> tuple[VarianceInflation, ...]:
    """Variance inflation factors of the columns of a design, whatever the outcome.

    Of one column 1/(1 - R2), R2 that of its linear regression on the others. Of a term of several columns, such as the
    levels of a category, det(R_t) det(R_o)/det(R), with R the correlation of all columns, R_t that within the term and
    R_o that of the others.

    X : (n, p) finite numbers without a constant column, a DataFrame or an array; names : of an array's columns
    terms : columns by term, each column in one term; None takes every column as a term of its own
    Raises InputError for constant columns and for one that follows exactly from those before it (its factor would be
    infinite).

    >>> variance_inflation([[1, 2], [2, 1], [3, 4], [4, 3]], names=["a", "b"])[0]
    VarianceInflation(term='a', df=1, gvif=1.5625, scaled=1.25, note='')

    References: Marquardt, Technometrics 12 (1970) 591-612; Fox and Monette, JASA 87 (1992) 178-183. R: car `vif` of lm.
    """
    values, columns = named_columns(X, names)
    if values.shape[1] == 0:
        raise InputError("`X` has no column")
    spread = values.std(axis=0)
    flat = spread <= 1e-12 * np.abs(values).max(axis=0)
    if flat.any():
        raise InputError(f"constant column in `X`: {', '.join(repr(columns[j]) for j in np.flatnonzero(flat))}")
    scaled = (values - values.mean(axis=0)) / spread
    aliased = dependent_columns(np.hstack([np.ones((len(values), 1)), scaled]))
    if aliased:
        which = ", ".join(repr(columns[j - 1]) for j in aliased)
        raise InputError(f"{which} of `X` follows exactly from the columns before it: infinite inflation, leave it out")
    return _factors(scaled.T @ scaled / len(values), columns, terms)


def logistic_variance_inflation(
    fit: LogisticFit, *, terms: Mapping[str, Sequence[str]] | None = None
) -> tuple[VarianceInflation, ...]:
    """Variance inflation of the terms of a logistic regression, from the correlation of its coefficients.

    det(R_t) det(R_o)/det(R) as in `variance_inflation`, with R the correlation of the coefficients but the intercept:
    the columns count as the fit weighs the patients, so it differs a little from that of the columns alone.

    terms : columns by term, each column in one term; None takes every column as a term of its own
    NaN with the reason where the regression has no estimate.

    >>> from validkit.stats.regression import logistic_regression
    >>> X = [[1, 2], [2, 1], [3, 4], [4, 3], [2, 2], [3, 1]]
    >>> fit = logistic_regression(X, [0, 0, 1, 0, 1, 1], names=["a", "b"])
    >>> [round(term.gvif, 3) for term in logistic_variance_inflation(fit)]
    [1.188, 1.188]

    Reference: Fox and Monette, JASA 87 (1992) 178-183. R: car `vif` of glm.
    """
    names = fit.names[1:]
    covariance = fit.covariance[1:, 1:]
    if not fit.defined or not names:
        note = fit.note or "no column"
        grouped = _grouped(names, terms)
        return tuple(VarianceInflation(term, len(own), NAN, NAN, note) for term, own in grouped.items())
    se = np.sqrt(np.diag(covariance))
    return _factors(covariance / np.outer(se, se), names, terms)


def _grouped(names: Sequence[str], terms: Mapping[str, Sequence[str]] | None) -> dict[str, list[int]]:
    """Positions of the columns of each term; every column belongs to exactly one."""
    if terms is None:
        return {name: [j] for j, name in enumerate(names)}
    listed = [column for own in terms.values() for column in own]
    if sorted(listed) != sorted(names) or not all(len(own) for own in terms.values()):
        raise InputError(f"`terms` must name each column once; the columns are {', '.join(names)}, it names {listed}")
    return {term: [list(names).index(column) for column in own] for term, own in terms.items()}


def _factors(
    correlation: FloatArray, names: Sequence[str], terms: Mapping[str, Sequence[str]] | None
) -> tuple[VarianceInflation, ...]:
    found = []
    for term, own in _grouped(names, terms).items():
        others = [j for j in range(len(names)) if j not in own]
        logs = [float(np.linalg.slogdet(correlation[np.ix_(s, s)])[1]) for s in (own, others, range(len(names)))]
        gvif = float(np.exp(logs[0] + logs[1] - logs[2]))
        found.append(VarianceInflation(term, len(own), gvif, gvif ** (1 / (2 * len(own)))))
    return tuple(found)
