"""The outcome as two classes, and stratified folds of it: what every learning stage of the model shares."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.model_selection import StratifiedKFold

from validkit.errors import InputError, StageError

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


def stratified_folds(y: np.ndarray, folds: int, random_state: int | None, purpose: str) -> list[Split]:
    """(training, validation) positions of `folds` shuffled folds that share out both outcomes evenly.

    y : (n,) in {0, 1}. Fewer patients of an outcome than folds is a StageError: a fold without it teaches nothing.
    """
    events = int(np.sum(y))
    fewest = min(events, y.size - events)
    if fewest < folds:
        which = "with" if events <= y.size - events else "without"
        raise StageError(
            f"{folds}-fold {purpose} needs at least {folds} patients of each outcome; "
            f"there are {fewest} {which} the event among {y.size}: declare fewer folds"
        )
    splitter = StratifiedKFold(folds, shuffle=True, random_state=random_state)
    return list(splitter.split(np.zeros(y.size), y))
