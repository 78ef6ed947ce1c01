"""The outcome as two classes, and stratified folds of it: what every learning stage of the model shares."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from validkit.errors import InputError
from validkit.folds import stratified_group_folds

Split = tuple[np.ndarray, np.ndarray]


def as_outcome(y: Any, n: int | None = None) -> np.ndarray:
    """`y` as (n,) int64 in {0, 1}, both values present; else an InputError that names the first offender."""
    values = np.asarray(y)
    if values.ndim != 1 or (n is not None and values.size != n):
        expected = "one value a patient" if n is None else f"shape ({n},)"
        raise InputError(f"y must hold {expected}; got shape {values.shape}")
    bad = np.flatnonzero([value not in (0, 1) for value in values.tolist()])
    if bad.size:
        raise InputError(
            f"y must be 0 or 1, 1 = event; {bad.size} of {values.size} values are not "
            f"(first: row {bad[0]}, {values[bad[0]]!r})"
        )
    outcome = values.astype(np.int64)
    if np.unique(outcome).size < 2:
        raise InputError(f"y must hold both outcomes to learn from; all {outcome.size} values are {_only(outcome)}")
    return outcome


def _only(outcome: np.ndarray) -> str:
    return str(outcome[0]) if outcome.size else "missing"


def two_classes(y: np.ndarray, who: str) -> tuple[np.ndarray, np.ndarray]:
    """(classes, y as 0/1) where the larger of exactly two labels is the event, as scikit-learn's classifiers do."""
    classes, encoded = np.unique(y, return_inverse=True)
    if classes.size != 2:
        raise InputError(
            f"{who} needs an outcome with exactly two classes; y has {classes.size} class{'es' * (classes.size != 1)}. "
            "Only binary classification is supported."
        )
    return classes, encoded.astype(np.int64)


def stratified_folds(
    y: np.ndarray, folds: int, random_state: int | None, purpose: str, groups: np.ndarray | None = None
) -> list[Split]:
    """(training, validation) positions of `folds` shuffled folds that share out both outcomes evenly.

    y : (n,) in {0, 1}. Fewer patients of an outcome than folds is a StageError: a fold without it teaches nothing.
    groups : (n,) rows of one group stay on one side; each row alone where None
    """
    codes = np.arange(y.size) if groups is None else groups
    return stratified_group_folds(y, codes, folds, random_state, purpose)


def fewest(y: np.ndarray, groups: np.ndarray | None) -> int:
    """How many patients, or groups, there are of the rarer outcome."""
    if groups is None:
        return int(np.bincount(y, minlength=2).min())
    return min(np.unique(groups[y == outcome]).size for outcome in (0, 1))


def repeated(groups: np.ndarray) -> np.ndarray | None:
    """The groups, or None where no two rows belong together and folds need not mind them."""
    return groups if np.unique(groups).size < groups.size else None


def fit_grouped(estimator: Any, X: Any, y: np.ndarray, groups: np.ndarray | None) -> Any:
    """Fit an estimator; its last step is told which rows belong together where it splits them itself."""
    if groups is None:
        return estimator.fit(X, y)
    name, step = estimator.steps[-1] if hasattr(estimator, "steps") else ("", estimator)
    if "groups" not in inspect.signature(step.fit).parameters:
        return estimator.fit(X, y)
    return estimator.fit(X, y, **{f"{name}__groups" if name else "groups": groups})
