"""What internal validation needs of an estimator and of metrics: a fresh copy, its risks, and values on patients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from validkit.errors import InputError, StageError
from validkit.stats.checks import FloatArray, IntArray, check_choice
from validkit.stats.draws import value_of
from validkit.stats.results import NAN

__all__ = ["LogisticModel"]

Measure = Callable[[Any, Any], Any]
DEFAULT = ("auc", "brier", "calibration_slope", "calibration_in_the_large")


class LogisticModel:
    """Logistic regression by maximum likelihood, unpenalised, as a scikit-learn style estimator; no finite estimate is
    an error.
    """

    def fit(self, X: Any, y: Any) -> LogisticModel:
        """X : (n, p) numbers; y : (n,) in {0, 1}."""
        from validkit.stats.likelihood import find_separation, maximise

        columns = np.asarray(X, dtype=np.float64)
        if np.unique(y).size < 2:
            raise InputError("`y` must hold both outcomes, 0 and 1, for a model to be fitted; one alone is there")
        design = np.column_stack([np.ones(len(columns)), columns])
        top = maximise(design, np.asarray(y, dtype=np.float64))
        if find_separation(design, np.asarray(y, dtype=np.float64), top).kind != "none" or not top.converged:
            raise StageError("separated: maximum likelihood has no finite estimate")
        self.coef_ = top.beta
        return self

    def predict_proba(self, X: Any) -> FloatArray:
        """(n, 2) probabilities of no event and event."""
        from scipy import special

        eta = self.coef_[0] + np.asarray(X, dtype=np.float64) @ self.coef_[1:]
        return np.column_stack([special.expit(-eta), special.expit(eta)])


def fresh(estimator: Any) -> Any:
    """An unfitted copy with the same parameters, as scikit-learn's `clone` makes it."""
    if hasattr(estimator, "__sklearn_clone__") and not isinstance(estimator, type):
        return estimator.__sklearn_clone__()
    if isinstance(estimator, (list, tuple, set, frozenset)):
        return type(estimator)(fresh(item) for item in estimator)
    if hasattr(estimator, "get_params") and not isinstance(estimator, type):
        return type(estimator)(**{name: fresh(value) for name, value in estimator.get_params(deep=False).items()})
    import copy

    return copy.deepcopy(estimator)


def risk_of(model: Any, X: Any) -> FloatArray:
    """(n,) predicted probability of class 1."""
    table = np.asarray(model.predict_proba(X), dtype=np.float64)
    classes = list(getattr(model, "classes_", (0, 1)))
    return table[:, classes.index(1)]


def take(X: Any, rows: IntArray) -> Any:
    return X.iloc[rows] if hasattr(X, "iloc") else X[rows]


def check_table(X: Any, n: int) -> Any:
    table = X if hasattr(X, "iloc") else np.asarray(X)
    if table.ndim != 2 or len(table) != n:
        raise InputError(f"`X` must be a table with one row for each of the {n} patients; its shape is {table.shape}")
    return table


def measures(metrics: Mapping[str, Measure | str] | Sequence[str]) -> dict[str, Measure]:
    """The callables behind names of registered metrics that need no threshold."""
    from validkit.stats.metrics import METRICS

    plain = tuple(name for name, metric in METRICS.items() if not metric.needs_threshold)
    wanted = metrics if isinstance(metrics, Mapping) else {name: name for name in metrics}
    if not wanted:
        raise InputError("`metrics` must name at least one metric")
    return {
        name: METRICS[check_choice(value, plain, "metrics")].function if isinstance(value, str) else value
        for name, value in wanted.items()
    }


def values_of(functions: Mapping[str, Measure], y: IntArray, p: FloatArray) -> FloatArray:
    if y.size == 0:
        return np.full(len(functions), NAN)
    return np.array([float(value_of(function(y, p))) for function in functions.values()])


def is_logistic(name: str) -> bool:
    return check_choice(name, ("logistic",), "estimator") == "logistic"


def mean_of(values: FloatArray) -> float:
    """Mean of the finite values; NaN without one."""
    kept = values[np.isfinite(values)]
    return float(kept.mean()) if kept.size else NAN
