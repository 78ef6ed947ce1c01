"""Is a loaded estimator sound? Compiled code walks trees and support vectors without looking where it steps.

A file made by somebody else can name trusted types alone and still hold a tree that leads out of memory. So every
estimator is looked through, those inside it too, before it predicts anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from validkit.errors import InputError

DEEPEST = 50
"""estimators inside estimators; deeper is refused"""


def check_sound(estimator: Any) -> None:
    """An InputError where a part of the estimator would lead its compiled code out of its own arrays."""
    for part in _parts(estimator, set(), 0):
        kind = type(part).__name__
        if hasattr(part, "tree_"):
            _check_tree(part.tree_)
        elif kind == "TreePredictor":
            _check_nodes(part.nodes)
        elif kind.startswith("HistGradientBoosting"):
            _check_boosting(part)
        elif kind in ("SVC", "NuSVC"):
            _check_machine(part)
        elif kind in ("KNeighborsClassifier", "RadiusNeighborsClassifier"):
            _check_neighbours(part)


def _parts(value: Any, seen: set[int], depth: int) -> Iterator[Any]:
    """Every object of a package of models in it, each once."""
    if depth > DEEPEST:
        raise InputError(f"the stored estimator holds estimators in estimators more than {DEEPEST} deep")
    if isinstance(value, np.ndarray):
        value = value.ravel().tolist() if value.dtype == object else ()
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, list | tuple):
        for one in value:
            if not isinstance(one, str | int | float | None):
                yield from _parts(one, seen, depth + 1)
        return
    if hasattr(value, "__dict__") and not isinstance(value, type) and id(value) not in seen:
        seen.add(id(value))
        yield value
        for name, one in vars(value).items():
            if name != "tree_":
                yield from _parts(one, seen, depth + 1)


def _refuse(sound: Any, what: str) -> None:
    bad = int((~np.atleast_1d(np.asarray(sound, dtype=bool))).sum())
    if bad:
        raise InputError(f"the stored estimator holds a damaged {what}")


def _refuse_nodes(sound: np.ndarray) -> None:
    if not sound.all():
        raise InputError(
            f"the stored estimator holds a damaged decision tree: {int((~sound).sum())} nodes lead nowhere"
        )


def _check_tree(tree: Any) -> None:
    """Each child must come after its parent, in range."""
    left, right, feature = tree.children_left, tree.children_right, tree.feature
    here = np.arange(tree.node_count)
    inner = left != -1
    _refuse_nodes(
        (left[inner] > here[inner])
        & (left[inner] < tree.node_count)
        & (right[inner] > here[inner])
        & (right[inner] < tree.node_count)
        & (feature[inner] >= 0)
        & (feature[inner] < tree.n_features)
    )


def _check_nodes(nodes: np.ndarray) -> None:
    """The same of a histogram gradient boosting's tree."""
    _refuse(nodes.dtype.names is not None and nodes.ndim == 1 and len(nodes) > 0, "tree of gradient boosting")
    here, inner = np.arange(len(nodes)), nodes["is_leaf"] == 0
    left, right = nodes["left"].astype(np.int64), nodes["right"].astype(np.int64)
    _refuse_nodes(
        ((left > here) & (left < len(nodes)) & (right > here) & (right < len(nodes)) & (nodes["feature_idx"] >= 0))[
            inner
        ]
    )
    if (nodes["is_categorical"] != 0).any():
        raise InputError(
            "a gradient boosting with `categorical_features` is not stored; validkit hands it indicators of "
            "categories, so leave that parameter out"
        )


def _check_boosting(model: Any) -> None:
    """Trees of a histogram gradient boosting see the features that it was fitted to, and no others."""
    width = int(model.n_features_in_)
    _refuse(len(model._bin_mapper.is_categorical_) == width, "gradient boosting: its bins are of other features")
    for part in _parts(model._predictors, set(), 0):
        inner = part.nodes["is_leaf"] == 0
        _refuse((part.nodes["feature_idx"][inner] < width).all(), "decision tree: a node looks at no feature")


def _check_machine(model: Any) -> None:
    """The arrays of a support vector machine fit together."""
    vectors, counts = model.support_vectors_, np.asarray(model._n_support)
    n = len(model.support_)
    _refuse(
        not model._sparse
        and isinstance(model.kernel, str)
        and vectors.shape == (n, model.shape_fit_[1])
        and counts.shape == (2,)
        and (counts >= 0).all()
        and int(counts.sum()) == n
        and model._dual_coef_.shape == (1, n)
        and np.size(model._intercept_) == 1
        and np.size(model._probA) in (0, 1)
        and np.size(model._probA) == np.size(model._probB),
        "support vector machine: its arrays do not fit together",
    )


def _check_neighbours(model: Any) -> None:
    """Neighbours have an outcome each, among those that there are."""
    rows, y = model._fit_X, np.asarray(model._y)
    _refuse(
        isinstance(rows, np.ndarray)
        and rows.ndim == 2
        and y.shape[:1] == (len(rows),)
        and ((y >= 0) & (y < len(model.classes_))).all(),
        "model of nearest neighbours: its rows and outcomes do not fit together",
    )
