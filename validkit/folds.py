"""Folds that share out both outcomes and never separate rows that belong together."""

from __future__ import annotations

import numpy as np

from validkit.errors import InputError, StageError

__all__ = ["Split", "stratified_group_folds"]

Split = tuple[np.ndarray, np.ndarray]


def stratified_group_folds(
    y: np.ndarray, groups: np.ndarray, folds: int, random_state: int | None, purpose: str
) -> list[Split]:
    """(training, rest) positions of `folds` shuffled folds that share out both outcomes evenly.

    y : (n,) in {0, 1}; groups : (n,) the rows of one group, such as the copies of a patient in a bootstrap sample, lie
    in one fold. An outcome that fewer groups than folds have is a StageError: a fold without it teaches nothing.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    y, groups = np.asarray(y), np.asarray(groups)
    if y.ndim != 1 or groups.shape != y.shape:
        raise InputError(f"`groups` must hold one group a row of `y`; shapes {groups.shape} and {y.shape}")
    grouped = np.unique(groups).size < groups.size
    _enough(y, groups if grouped else None, folds, purpose)
    if not grouped:
        splitter = StratifiedKFold(folds, shuffle=True, random_state=random_state)
        return list(splitter.split(np.zeros(y.size), y))
    by_group = StratifiedGroupKFold(folds, shuffle=True, random_state=random_state)
    # the seed shuffles the groups in the order of their first rows, whatever codes they bear
    _, first, code = np.unique(groups, return_index=True, return_inverse=True)
    in_order = np.argsort(np.argsort(first))[code]
    found = list(by_group.split(np.zeros(y.size), y, groups=in_order))
    if any(np.unique(y[part]).size < 2 for split in found for part in split):
        raise StageError(
            f"{folds}-fold {purpose}: groups of rows that belong together leave a fold without one of the outcomes; "
            "declare fewer folds"
        )
    return found


def _enough(y: np.ndarray, groups: np.ndarray | None, folds: int, purpose: str) -> None:
    """Every fold needs a patient of each outcome."""
    counted = {
        value: int((y == value).sum()) if groups is None else np.unique(groups[y == value]).size for value in (0, 1)
    }
    rarer = 1 if counted[1] <= counted[0] else 0
    if counted[rarer] < folds:
        which = "with" if rarer else "without"
        several = "" if groups is None else f" in {np.unique(groups).size} groups"
        raise StageError(
            f"{folds}-fold {purpose} needs at least {folds} patients of each outcome; "
            f"there are {counted[rarer]} {which} the event among {y.size}{several}: declare fewer folds"
        )
