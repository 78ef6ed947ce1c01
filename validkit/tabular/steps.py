"""What stands between columns and estimator: scaling and univariable selection, learnt here or learnt before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.feature_selection import f_classif

from validkit.errors import StageError

__all__ = ["Given", "Scale", "Univariable"]


class Scale(TransformerMixin, BaseEstimator):
    """Each column less its mean, by its standard deviation (divisor n); missing values stay and do not count.

    A column that does not vary becomes 0.
    """

    def fit(self, X: pd.DataFrame, y: Any = None) -> Scale:
        """Learn the means and standard deviations."""
        names = [str(name) for name in X.columns]
        self.mean_ = dict(zip(names, X.mean().tolist(), strict=True))
        self.spread_ = {
            name: value if value > 0 else 1.0 for name, value in zip(names, X.std(ddof=0).tolist(), strict=True)
        }
        return self

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """The same columns, scaled; columns that were not learnt are refused."""
        return scaled(X, self.mean_, self.spread_)


def scaled(X: pd.DataFrame, mean: Mapping[str, float], spread: Mapping[str, float]) -> pd.DataFrame:
    """Columns less their means, by their spreads."""
    centres = np.array([mean[name] for name in X.columns])
    found: pd.DataFrame = X.sub(centres, axis=1).div([spread[name] for name in X.columns], axis=1)
    return found


class Univariable(TransformerMixin, BaseEstimator):
    """The encoded columns with the smallest p-values of a one-way analysis of variance by outcome.

    keep : how many; or alpha : all below this p-value, and the smallest where none is. Of equals the first columns
    stay. A missing value does not count; a column that does not vary has p = 1.
    """

    def __init__(self, keep: int | None = None, alpha: float | None = None) -> None:
        self.keep = keep
        self.alpha = alpha

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> Univariable:
        """Test every column."""
        if not X.shape[1]:
            raise StageError("univariable selection has no columns to choose from")
        self.p_values_ = {str(name): p_value(X[name].to_numpy(), y) for name in X.columns}
        order = sorted(self.p_values_, key=lambda name: self.p_values_[name])
        below = [name for name in order if self.alpha is not None and self.p_values_[name] < self.alpha]
        wanted = len(below) if self.keep is None else self.keep
        chosen = set(order[: max(wanted, 1)])
        self.selected_ = [str(name) for name in X.columns if name in chosen]
        return self

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """The columns that were selected."""
        return X.loc[:, self.selected_]


def p_value(column: np.ndarray, y: np.ndarray) -> float:
    """p-value of an F test of the column by outcome; 1 where it cannot differ or an outcome has no value."""
    seen = ~np.isnan(column)
    values, outcome = column[seen], y[seen]
    if values.size < 3 or np.ptp(values) == 0 or np.unique(outcome).size < 2:
        return 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        found = float(f_classif(values[:, None], outcome)[1][0])
    return found if np.isfinite(found) else 1.0


class Given(TransformerMixin, BaseEstimator):
    """A step that was learnt elsewhere: on all patients, before the split. It learns nothing.

    mean, spread : of columns, by name, where scaling was learnt; selected : columns that were chosen
    """

    def __init__(
        self,
        mean: Mapping[str, float] | None = None,
        spread: Mapping[str, float] | None = None,
        selected: Sequence[str] | None = None,
    ) -> None:
        self.mean = mean
        self.spread = spread
        self.selected = selected

    def fit(self, X: pd.DataFrame, y: Any = None) -> Given:
        """Note which of the columns are there; nothing is learnt."""
        self.selected_ = [str(name) for name in X.columns if self.selected is None or name in self.selected]
        return self

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """The columns, scaled and selected as learnt before the split."""
        X = X if self.mean is None or self.spread is None else scaled(X, self.mean, self.spread)
        return X.loc[:, self.selected_]
