"""Hyperparameters chosen by cross-validation on training patients: every combination, the first of equals."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import joblib
import numpy as np
import pandas as pd
from sklearn.metrics import balanced_accuracy_score, brier_score_loss, log_loss, roc_auc_score
from sklearn.pipeline import Pipeline

from validkit.engine import Reporter, map_tasks
from validkit.sections import Estimator, EstimatorSearch
from validkit.store import Store, digest, to_json
from validkit.tabular.estimators import plain, version_of
from validkit.tabular.fitting import fit_pipeline, probability

__all__ = ["Fold", "Searched", "candidates", "search"]

EQUAL = 1e-12  # means closer than this are equal


@dataclass(frozen=True, eq=False)
class Fold:
    """The columns and outcomes of one fold: those fitted to, and the rest."""

    training: pd.DataFrame
    y: np.ndarray
    rest: pd.DataFrame
    y_rest: np.ndarray


@dataclass(frozen=True)
class Searched:
    """A finished search.

    parameters : the best candidate; place : its place in the order of candidates
    means, sds : over folds, by candidate (divisor folds - 1); warned : what every fit warned of; fits : how many
    """

    parameters: dict[str, Any]
    place: int
    means: tuple[float, ...]
    sds: tuple[float, ...]
    warned: tuple[tuple[str, ...], ...]
    fits: int

    def record(self, setting: EstimatorSearch) -> dict[str, Any]:
        """The search as the report shows it."""
        table = [
            {"parameters": plain(candidate), "mean": mean, "sd": sd}
            for candidate, mean, sd in zip(candidates(setting), self.means, self.sds, strict=True)
        ]
        return {
            "score": setting.score,
            "folds": setting.folds,
            "n_candidates": len(table),
            "best_score": self.means[self.place],
            "best_sd": self.sds[self.place],
            "chosen": plain(self.parameters),
            "table": table,
        }


def candidates(setting: EstimatorSearch) -> list[dict[str, Any]]:
    """Every combination, in the order declared: of equal ones the first is taken."""
    names = list(setting.parameters)
    return [dict(zip(names, values, strict=True)) for values in itertools.product(*setting.parameters.values())]


@dataclass(frozen=True, eq=False)
class _Task:
    name: str
    pipeline: Pipeline
    candidate: Mapping[str, Any]
    fold: Fold
    score: str


def search(
    one: Estimator,
    pipeline: Pipeline,
    folds: Sequence[Fold],
    *,
    engine: str = "sequential",
    store: Store | None = None,
    reporter: Reporter | None = None,
) -> Searched:
    """Score every candidate on every fold; taken from its record where there is one."""
    assert one.search is not None
    setting = one.search
    tables = [part for fold in folds for part in (fold.training, fold.y, fold.rest, fold.y_rest)]
    made_of = digest("search", one.model_dump(mode="json"), version_of(one.estimator), joblib.hash(pipeline), *tables)

    def compute() -> Searched:
        tasks = [
            _Task(one.name, pipeline, candidate, fold, setting.score)
            for candidate in candidates(setting)
            for fold in folds
        ]
        done = map_tasks(_score, tasks, engine=engine, label=f"search of {one.name}", reporter=reporter)
        return _best(setting, done, len(folds))

    return (store or Store(None)).remember(f"search/{one.name}", made_of, compute, dump=_dump, load=_load)


def _score(task: _Task) -> tuple[float, tuple[str, ...]]:
    fold = task.fold
    fit = fit_pipeline(task.pipeline, task.candidate, fold.training, fold.y, task.name)
    return _SCORES[task.score](fold.y_rest, probability(fit.pipeline, fold.rest, task.name)), fit.warned


def _best(setting: EstimatorSearch, done: Sequence[tuple[float, tuple[str, ...]]], folds: int) -> Searched:
    scores = np.array([score for score, _ in done]).reshape(-1, folds)
    means = scores.mean(axis=1)
    place = int(np.argmax(means >= means.max() - EQUAL))
    return Searched(
        parameters=candidates(setting)[place],
        place=place,
        means=tuple(means.tolist()),
        sds=tuple(scores.std(axis=1, ddof=1).tolist()),
        warned=tuple(warned for _, warned in done),
        fits=len(done),
    )


_SCORES: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "neg-log-loss": lambda y, p: -float(log_loss(y, p, labels=[0, 1])),
    "neg-brier": lambda y, p: -float(brier_score_loss(y, p)),
    "roc-auc": lambda y, p: float(roc_auc_score(y, p)),
    "balanced-accuracy": lambda y, p: float(balanced_accuracy_score(y, p > 0.5)),
}


def _dump(found: Searched) -> dict[str, bytes]:
    return {"search.json": to_json(vars(found)).encode()}


def _load(files: Mapping[str, bytes]) -> Searched:
    facts = json.loads(files["search.json"])
    facts |= {name: tuple(facts[name]) for name in ("means", "sds")}
    return Searched(**{**facts, "warned": tuple(map(tuple, facts["warned"]))})
