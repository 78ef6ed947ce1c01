"""The eight classifiers of the paper, their grids, and the search over them.

What the paper fixes is fixed here: L2 logistic regression; radial-basis SVM; k = 5 neighbours; 100 and 50 trees;
XGBoost of depth 6; LightGBM of 31 leaves; a perceptron of two hidden layers with ReLU, dropout 0.3 and patience 10.
What it leaves open (penalties, widths, learning rates, leaf sizes, and the weighting of classes, since the search is
judged by balanced accuracy) is searched. Every classifier stands behind a StandardScaler, runs in one thread and owns
its chance, so that the same data and seed give the same bytes.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, log_loss, roc_auc_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from validkit.errors import InputError, MissingExtraError, StageError
from validkit.plnm.folds import Split, as_outcome, fit_grouped, stratified_folds
from validkit.plnm.mlp import MLP
from validkit.plnm.svm import PlattSVC

Score = Literal["balanced-accuracy", "roc-auc", "neg-log-loss"]
Size = Literal["full", "small"]
Candidate = dict[str, Any]

LABELS: dict[str, str] = {
    "lr": "Logistic regression",
    "svm": "SVM",
    "knn": "KNN",
    "random-forest": "Random forest",
    "extra-trees": "Extra trees",
    "xgboost": "XGBoost",
    "lightgbm": "LightGBM",
    "mlp": "MLP",
}
CLASSIFIERS: tuple[str, ...] = tuple(LABELS)

WEIGHTS = (None, "balanced")

# Every list runs from the more to the less regularised, and unweighted comes first: of equal candidates the first wins.
_GRIDS: dict[str, dict[Size, dict[str, Sequence[Any]]]] = {
    "lr": {
        "full": {"class_weight": WEIGHTS, "C": (0.001, 0.01, 0.1, 1.0, 10.0)},
        "small": {"class_weight": WEIGHTS, "C": (0.1, 1.0)},
    },
    "svm": {
        "full": {"class_weight": WEIGHTS, "gamma": (0.01, "scale", 0.1), "C": (0.1, 1.0, 10.0, 100.0)},
        "small": {"class_weight": WEIGHTS, "C": (1.0, 10.0)},
    },
    "knn": {
        "full": {"weights": ("uniform", "distance"), "p": (2, 1)},
        "small": {"weights": ("uniform", "distance")},
    },
    "random-forest": {
        "full": {"class_weight": WEIGHTS, "max_features": ("sqrt", 0.5), "min_samples_leaf": (10, 5, 3, 1)},
        "small": {"class_weight": WEIGHTS, "min_samples_leaf": (5,)},
    },
    "extra-trees": {
        "full": {"class_weight": WEIGHTS, "max_features": ("sqrt", 0.5), "min_samples_leaf": (10, 5, 3, 1)},
        "small": {"class_weight": WEIGHTS, "min_samples_leaf": (5, 1)},
    },
    "xgboost": {
        "full": {
            "scale_pos_weight": (1.0, "balanced"),
            "reg_lambda": (10.0, 1.0),
            "n_estimators": (50, 150),
            "learning_rate": (0.03, 0.1, 0.3),
        },
        "small": {"scale_pos_weight": (1.0, "balanced"), "n_estimators": (50,), "learning_rate": (0.1,)},
    },
    "lightgbm": {
        "full": {
            "class_weight": WEIGHTS,
            "min_child_samples": (20, 10),
            "n_estimators": (50, 150),
            "learning_rate": (0.03, 0.1, 0.3),
        },
        "small": {"class_weight": WEIGHTS, "n_estimators": (50,), "learning_rate": (0.1,)},
    },
    "mlp": {
        "full": {
            "class_weight": WEIGHTS,
            "hidden": ((16, 8), (32, 16), (64, 32)),
            "weight_decay": (0.01, 0.0001),
            "learning_rate": (0.001, 0.01),
        },
        "small": {"class_weight": WEIGHTS, "hidden": ((32, 16),), "learning_rate": (0.01,)},
    },
}


def make_classifier(name: str, *, random_state: int) -> Pipeline:
    """An unfitted classifier of the paper behind a StandardScaler, one thread, its chance owned by `random_state`."""
    _check_name(name)
    return Pipeline([("scale", StandardScaler()), ("model", _MODELS[name](random_state))])


def grid(name: str, size: Size = "full") -> list[Candidate]:
    """The candidates of a classifier in the order in which equals are preferred.

    `scale_pos_weight` "balanced" (XGBoost's form of class_weight) means non-events per event of the patients searched.
    """
    _check_name(name)
    if size not in ("full", "small"):
        raise InputError(f"grid must be 'full' or 'small'; got {size!r}")
    axes = _GRIDS[name][size]
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def _check_name(name: str) -> None:
    if name not in LABELS:
        raise InputError(f"no classifier {name!r}; known: {', '.join(CLASSIFIERS)}")


# --- the eight -------------------------------------------------------------------------------


def _xgboost(seed: int) -> Any:
    try:
        from xgboost import XGBClassifier
    except ImportError as error:
        raise MissingExtraError("xgboost", "models", "the classifier 'xgboost'") from error
    return XGBClassifier(max_depth=6, tree_method="hist", device="cpu", n_jobs=1, random_state=seed)


def _lightgbm(seed: int) -> Any:
    try:
        from lightgbm import LGBMClassifier
    except ImportError as error:
        raise MissingExtraError("lightgbm", "models", "the classifier 'lightgbm'") from error
    return LGBMClassifier(
        num_leaves=31, n_jobs=1, random_state=seed, deterministic=True, force_row_wise=True, verbose=-1
    )


_MODELS: dict[str, Callable[[int], Any]] = {
    "lr": lambda seed: LogisticRegression(max_iter=5000, random_state=seed),
    "svm": lambda seed: PlattSVC(random_state=seed),
    "knn": lambda _: KNeighborsClassifier(n_neighbors=5, algorithm="brute", n_jobs=1),
    "random-forest": lambda seed: RandomForestClassifier(n_estimators=100, n_jobs=1, random_state=seed),
    "extra-trees": lambda seed: ExtraTreesClassifier(n_estimators=50, n_jobs=1, random_state=seed),
    "xgboost": _xgboost,
    "lightgbm": _lightgbm,
    "mlp": lambda seed: MLP(dropout=0.3, patience=10, random_state=seed),
}


# --- the search ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Searched:
    """A classifier after its grid search.

    estimator : the best candidate, fitted on all patients
    params : what the grid chose, plain JSON types
    best_score, best_sd : mean and standard deviation (divisor folds - 1) over folds of its score; higher is better
    """

    name: str
    estimator: Pipeline
    params: dict[str, Any]
    best_score: float
    best_sd: float
    score: str
    n_candidates: int
    seconds: float

    def record(self) -> dict[str, Any]:
        """The search as the report shows it."""
        return {
            "name": self.name,
            "label": LABELS[self.name],
            "best_score": self.best_score,
            "best_sd": self.best_sd,
            "score": self.score,
            "params": self.params,
            "n_candidates": self.n_candidates,
        }


def search(
    name: str,
    X: pd.DataFrame,
    y: np.ndarray,
    *,
    folds: int = 10,
    score: Score = "balanced-accuracy",
    grid: Size = "full",
    random_state: int,
    groups: np.ndarray | None = None,
) -> tuple[Searched, pd.DataFrame]:
    """Score every candidate by stratified cross-validation; refit the best on all patients.

    Returns the best, and one row a candidate in grid order: what it sets, mean, sd, fold_1, ..., fold_k.

    X : (n, p) finite features; y : (n,) 0/1 with at least `folds` patients of each outcome
    groups : (n,) rows of one group stay on one side of every fold
    Means that agree to 1e-12 are equal, and of equals the first in grid order wins.
    """
    started = time.perf_counter()
    y = as_outcome(y, len(X))
    if score not in _SCORES:
        raise InputError(f"score must be one of {', '.join(_SCORES)}; got {score!r}")
    _check_features(X)
    splits = stratified_folds(y, folds, random_state, f"search of the classifier {name!r}", groups)
    base = make_classifier(name, random_state=random_state)
    candidates = [_resolved(candidate, y) for candidate in _candidates(name, grid)]
    with threadpool_limits(1):
        scores = np.array(
            [_fold_scores(_with(base, candidate), X, y, splits, score, groups) for candidate in candidates]
        )
        means = scores.mean(axis=1)
        best = int(np.argmax(means >= means.max() - 1e-12))
        estimator = fit_grouped(_with(base, candidates[best]), X, y, groups)
    sds = scores.std(axis=1, ddof=1)
    table = pd.DataFrame([_plain(candidate) for candidate in candidates]).assign(mean=means, sd=sds)
    table[[f"fold_{k + 1}" for k in range(folds)]] = scores
    found = Searched(
        name=name,
        estimator=estimator,
        params=_plain(candidates[best]),
        best_score=float(means[best]),
        best_sd=float(sds[best]),
        score=score,
        n_candidates=len(table),
        seconds=time.perf_counter() - started,
    )
    return found, table


_candidates = grid


def _resolved(candidate: Candidate, y: np.ndarray) -> Candidate:
    if candidate.get("scale_pos_weight") == "balanced":
        return {**candidate, "scale_pos_weight": float(np.sum(y == 0) / np.sum(y == 1))}
    return candidate


def _plain(candidate: Candidate) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in candidate.items()}


def _with(base: Pipeline, candidate: Mapping[str, Any]) -> Pipeline:
    return clone(base).set_params(**{f"model__{name}": value for name, value in candidate.items()})


def _fold_scores(
    estimator: Pipeline,
    X: pd.DataFrame,
    y: np.ndarray,
    splits: Sequence[Split],
    score: Score,
    groups: np.ndarray | None,
) -> list[float]:
    found = []
    for training, validation in splits:
        within = None if groups is None else groups[training]
        fitted = fit_grouped(clone(estimator), X.iloc[training], y[training], within)
        found.append(_SCORES[score](fitted, X.iloc[validation], y[validation]))
    return found


_SCORES: dict[Score, Callable[[Any, pd.DataFrame, np.ndarray], float]] = {
    "balanced-accuracy": lambda fitted, X, y: float(balanced_accuracy_score(y, fitted.predict(X))),
    "roc-auc": lambda fitted, X, y: float(roc_auc_score(y, probability(fitted, X))),
    "neg-log-loss": lambda fitted, X, y: -float(log_loss(y, probability(fitted, X), labels=[0, 1])),
}


def _check_features(X: pd.DataFrame) -> None:
    if not isinstance(X, pd.DataFrame):
        raise InputError(f"X must be a pandas DataFrame, one row a patient; got {type(X).__name__}")
    if X.shape[1] == 0:
        raise InputError("X has no features to learn from")
    bad = [str(name) for name, column in X.items() if not np.isfinite(column.to_numpy(dtype=np.float64)).all()]
    if bad:
        raise InputError(f"X must be finite; {len(bad)} of {X.shape[1]} features are not (first: {bad[0]})")


# --- prediction ------------------------------------------------------------------------------


def probability(estimator: Any, X: pd.DataFrame) -> np.ndarray:
    """(n,) float64 probability of the event, class 1, from a fitted classifier."""
    classes = np.asarray(getattr(estimator, "classes_", (0, 1)))
    column = np.flatnonzero(classes == 1)
    if column.size != 1:
        raise InputError(f"the classifier was not fitted on outcomes 0 and 1; its classes are {classes.tolist()}")
    with threadpool_limits(1):
        risk = np.asarray(estimator.predict_proba(X), dtype=np.float64)[:, column[0]]
    if not np.isfinite(risk).all():
        raise StageError(
            f"the classifier gives no probability for {int((~np.isfinite(risk)).sum())} of {len(X)} patients"
        )
    return np.clip(risk, 0.0, 1.0)


def cross_fitted(
    estimator: Any,
    X: pd.DataFrame,
    y: np.ndarray,
    *,
    folds: int = 10,
    random_state: int,
    groups: np.ndarray | None = None,
) -> np.ndarray:
    """(n,) probability of the event for each patient from a copy of `estimator` fitted on the other folds.

    The copies keep the estimator's hyperparameters and learn everything else anew. Hyperparameters and features that
    were chosen on the same patients are not chosen again, so a trace of optimism remains.
    """
    y = as_outcome(y, len(X))
    risk = np.full(y.size, np.nan)
    with threadpool_limits(1):
        for training, validation in stratified_folds(y, folds, random_state, "cross-fitting", groups):
            within = None if groups is None else groups[training]
            fitted = fit_grouped(clone(estimator), X.iloc[training], y[training], within)
            risk[validation] = probability(fitted, X.iloc[validation])
    return risk
