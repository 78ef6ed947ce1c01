"""One fit of one model: its pipeline, what it warned of, and its probabilities."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from validkit.errors import StageError, ValidkitError
from validkit.sections import Estimator
from validkit.tabular.before_split import BeforeSplit
from validkit.tabular.estimators import make_estimator
from validkit.tabular.steps import Given, Scale, Univariable

__all__ = ["Fit", "fit_pipeline", "make_pipeline", "probability"]


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted pipeline and what was said while it was fitted."""

    pipeline: Pipeline
    warned: tuple[str, ...]


def make_pipeline(one: Estimator, *, random_state: int, before: BeforeSplit | None = None) -> Pipeline:
    """Scaling, selection and the estimator as declared, unfitted; what was learnt before the split stands fixed."""
    steps: list[tuple[str, Any]] = []
    if one.scale:
        learnt = before.scaling.get(one.name) if before else None
        steps.append(("scale", Given(mean=learnt[0], spread=learnt[1]) if learnt else Scale()))
    if one.select is not None:
        selected = before.selection.get(one.name) if before else None
        own = Univariable(keep=one.select.keep, alpha=one.select.alpha)
        steps.append(("select", own if selected is None else Given(selected=selected)))
    steps.append(("model", make_estimator(one, random_state=random_state)))
    return Pipeline(steps)


def fit_pipeline(pipeline: Pipeline, parameters: Mapping[str, Any], X: pd.DataFrame, y: np.ndarray, name: str) -> Fit:
    """Fit a fresh copy with these hyperparameters; a warning is kept, a failure is a StageError naming the model."""
    try:
        with threadpool_limits(1), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            fresh = clone(pipeline).set_params(**{f"model__{key}": value for key, value in parameters.items()})
            fitted = fresh.fit(X, y)
    except ValidkitError:
        raise
    except Exception as error:
        with_these = f" with {described(parameters)}" if parameters else ""
        raise StageError(
            f"model {name!r}{with_these} could not be fitted to {len(y)} patients: {type(error).__name__}: "
            f"{_first_line(error)}"
        ) from error
    return Fit(fitted, tuple(f"{one.category.__name__}: {_first_line(one.message)}" for one in caught))


def probability(pipeline: Pipeline, X: pd.DataFrame, name: str) -> np.ndarray:
    """(n,) probability of the event, class 1, in the order of the rows and whatever that order is."""
    if not len(X):
        return np.empty(0)
    order = np.argsort(np.asarray(X.index, dtype=str), kind="stable")
    classes = np.asarray(pipeline.classes_).tolist()
    if 1 not in classes:
        raise StageError(f"model {name!r} was fitted without the event: its classes are {classes}")
    try:
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = np.asarray(pipeline.predict_proba(X.iloc[order]), dtype=np.float64)
    except Exception as error:
        raise StageError(f"model {name!r} could not predict: {type(error).__name__}: {_first_line(error)}") from error
    if found.shape != (len(X), len(classes)):
        raise StageError(f"model {name!r}: `predict_proba` gave shape {found.shape}, not {(len(X), len(classes))}")
    risk = np.empty(len(X))
    risk[order] = found[:, classes.index(1)]
    bad = np.flatnonzero(~((risk >= -1e-9) & (risk <= 1 + 1e-9)))
    if bad.size:
        raise StageError(
            f"model {name!r} gives no probability in [0, 1] for {bad.size} of {len(X)} patients "
            f"(first: {X.index[bad[0]]!r}, {risk[bad[0]]})"
        )
    return np.clip(risk, 0.0, 1.0)  # sums of leaves leave [0, 1] by rounding alone


def described(parameters: Mapping[str, Any]) -> str:
    """Hyperparameters as text: "C = 0.1, penalty = l2"."""
    return ", ".join(f"{name} = {value}" for name, value in parameters.items())


def _first_line(message: object) -> str:
    lines = str(message).strip().splitlines() or [""]
    return lines[0][:300]
