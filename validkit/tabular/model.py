"""Any scikit-learn estimators in the PLNM model's place: everything that learns is fitted on training patients here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import joblib
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from validkit.engine import Reporter, Silent
from validkit.errors import InputError
from validkit.folds import Split, stratified_group_folds
from validkit.sections import Estimator, Estimators, Imputation, Predictor
from validkit.stats.checks import check_outcome
from validkit.store import Store, digest
from validkit.tabular.before_split import BeforeSplit
from validkit.tabular.estimators import plain
from validkit.tabular.fitting import Fit, described, fit_pipeline, make_pipeline, probability
from validkit.tabular.inputs import TableInputs
from validkit.tabular.preparation import Preparation, Prepared, Tables
from validkit.tabular.recalibration import Recalibration, recalibrate
from validkit.tabular.records import model_record
from validkit.tabular.search import Fold, Searched, search

__all__ = ["TabularModel"]


class TabularModel(BaseEstimator):
    """Declared estimators on a table of predictors, each behind imputation, encoding, scaling and selection.

    settings : the protocol's [model]; predictors : its [cohort.predictors]; imputation : its [imputation]
    impute : whether missing predictors are filled in (cohort.missing = "impute"); copy : which completed copy
    seed_of : seed of a task from its identity; level : kept for the interface, nothing here has an interval
    cross_fit : whether training patients also get predictions by fits that did not see them
    before_split : what `learn_before_split` learnt from all patients, where the protocol declares such a leak
    store : where finished searches are kept

    After `fit`: `records_` (what the report draws from), `timings_`, `cross_fitted_` (out-of-fold probabilities of the
    training patients by model), `chosen_` (searched hyperparameters as text), `fits_` (fits made, by model).
    """

    def __init__(
        self,
        settings: Estimators,
        *,
        predictors: Mapping[str, Predictor],
        imputation: Imputation,
        impute: bool,
        copy: int = 1,
        seed_of: Callable[..., int],
        level: float = 0.95,
        cross_fit: bool = True,
        before_split: BeforeSplit | None = None,
        store: Store | None = None,
        engine: str = "sequential",
        reporter: Reporter | None = None,
    ) -> None:
        self.settings = settings
        self.predictors = predictors
        self.imputation = imputation
        self.impute = impute
        self.copy = copy
        self.seed_of = seed_of
        self.level = level
        self.cross_fit = cross_fit
        self.before_split = before_split
        self.store = store
        self.engine = engine
        self.reporter = reporter

    def fit(self, inputs: TableInputs, y: np.ndarray, look: Any = None) -> TabularModel:
        """Fit every model on these patients.

        y : (n,) outcomes 0/1 in the order of inputs.patients; look : not used, nothing here may open held-out outcomes
        """
        outcome = self._check(inputs, y)
        self.records_: dict[str, Any] = {}
        self.timings_: list[dict[str, Any]] = []
        self.chosen_: dict[str, str] = {}
        self.cross_fitted_: dict[str, np.ndarray] = {}
        self.searched_: dict[str, Searched] = {}
        self.recalibrations_: dict[str, Recalibration] = {}
        self.fits_ = dict.fromkeys((one.name for one in self.settings.estimators), 0)
        self._warned: dict[str, list[tuple[str, ...]]] = {name: [] for name in self.fits_}
        pipelines = {one.name: self._pipeline(one) for one in self.settings.estimators}
        with self._timed("imputation" if self.impute else "predictors"):
            self.prepared_ = self._preparation().learn(inputs, self._imputer_before())
            tables = self.prepared_.tables(inputs)
        self._search(inputs, outcome, pipelines)
        self.fitted_ = {}
        for one in self.settings.estimators:
            with self._timed(f"model: {one.name}"):
                columns = self.prepared_.columns(one, tables)
                self.fitted_[one.name] = self._fit(one, pipelines[one.name], columns, outcome)
        crossed = [one for one in self.settings.estimators if self.cross_fit or one.recalibrate != "none"]
        if crossed:
            with self._timed("cross-fitting"):
                self._cross_fit(crossed, inputs, outcome, pipelines)
        self.records_["estimators"] = self._record()
        return self

    def predict(self, inputs: TableInputs) -> pd.DataFrame:
        """Probability of the event, (n, models), one column a model, indexed by patient."""
        tables = self.prepared_.tables(inputs)
        found = {}
        for one in self.settings.estimators:
            risk = probability(self.fitted_[one.name], self.prepared_.columns(one, tables), one.name)
            recalibration = self.recalibrations_.get(one.name)
            found[one.name] = recalibration.apply(risk) if recalibration else risk
        return pd.DataFrame(found, index=inputs.patients)

    def fitted(self, inputs: TableInputs) -> pd.DataFrame:
        """Apparent probabilities of the training patients."""
        return self.predict(inputs)

    def parameters_digest(self) -> str:
        """SHA-256 of everything that was learnt, to the bit."""
        imputer = self.prepared_.imputer
        learnt = (imputer.fill_, imputer.kept_, list(imputer.chains_.values())) if imputer else None
        return digest(
            joblib.hash(learnt),
            list(self.prepared_.there),
            {name: joblib.hash(fitted) for name, fitted in self.fitted_.items()},
            {name: found.numbers() for name, found in self.recalibrations_.items()},
        )

    # --- stages --------------------------------------------------------------------------------

    def _check(self, inputs: TableInputs, y: np.ndarray) -> np.ndarray:
        outcome = check_outcome(y, "y")
        if outcome.size != len(inputs.patients):
            raise InputError(f"`y` has {outcome.size} outcomes for {len(inputs.patients)} patients")
        if np.unique(outcome).size < 2:
            raise InputError(f"`y` must hold both outcomes to learn from; all {outcome.size} values are {outcome[0]}")
        if self.settings.before_split and self.before_split is None:
            raise InputError(
                f"the protocol learns {', '.join(self.settings.before_split)} before the split; give the model what "
                "`learn_before_split` learnt"
            )
        for one in self.settings.estimators:
            unknown = [name for name in one.predictors or () if name not in self.predictors]
            if unknown:
                raise InputError(f"model.estimators ({one.name}): no predictor {unknown[0]!r} is declared")
        return outcome

    def _preparation(self) -> Preparation:
        return Preparation(self.predictors, self.imputation, self.impute, self.copy, self.seed_of)

    def _imputer_before(self) -> Any:
        return self.before_split.imputer if self.before_split else None

    def _pipeline(self, one: Estimator) -> Any:
        return make_pipeline(one, random_state=self.seed_of("estimator", one.name), before=self.before_split)

    def _splits(self, outcome: np.ndarray, inputs: TableInputs, folds: int, purpose: str) -> list[Split]:
        seed = self.seed_of(purpose, folds)
        return stratified_group_folds(outcome, np.asarray(inputs.groups), folds, seed, purpose)

    def _parts(self, inputs: TableInputs, splits: list[Split]) -> list[tuple[Prepared, Tables, Tables]]:
        """Each fold's preparation, learnt from its training part alone, and the tables of both parts."""
        parts = []
        for training, rest in splits:
            prepared = self._preparation().learn(inputs.rows(training), self._imputer_before())
            parts.append((prepared, prepared.tables(inputs.rows(training)), prepared.tables(inputs.rows(rest))))
        return parts

    def _search(self, inputs: TableInputs, outcome: np.ndarray, pipelines: Mapping[str, Any]) -> None:
        """Choose hyperparameters; models with the same number of folds share the folds and their imputations."""
        searched = [one for one in self.settings.estimators if one.search is not None]
        for folds in sorted({one.search.folds for one in searched if one.search}):
            with self._timed(f"imputation in {folds} search folds" if self.impute else f"{folds} search folds"):
                splits = self._splits(outcome, inputs, folds, "search")
                parts = self._parts(inputs, splits)
            for one in searched:
                if one.search and one.search.folds == folds:
                    with self._timed(f"search: {one.name}"):
                        self._search_one(one, pipelines[one.name], outcome, splits, parts)

    def _search_one(
        self,
        one: Estimator,
        pipeline: Any,
        outcome: np.ndarray,
        splits: list[Split],
        parts: list[tuple[Prepared, Tables, Tables]],
    ) -> None:
        folds = [
            Fold(prepared.columns(one, seen), outcome[training], prepared.columns(one, unseen), outcome[rest])
            for (training, rest), (prepared, seen, unseen) in zip(splits, parts, strict=True)
        ]
        found = search(one, pipeline, folds, engine=self.engine, store=self.store, reporter=self.reporter)
        self.searched_[one.name] = found
        self.chosen_[one.name] = described(found.parameters)
        self.fits_[one.name] += found.fits
        self._warned[one.name] += found.warned

    def _fit(self, one: Estimator, pipeline: Any, columns: pd.DataFrame, outcome: np.ndarray) -> Any:
        """One fit with the chosen hyperparameters, counted."""
        searched = self.searched_.get(one.name)
        fit: Fit = fit_pipeline(pipeline, searched.parameters if searched else {}, columns, outcome, one.name)
        self.fits_[one.name] += 1
        self._warned[one.name].append(fit.warned)
        return fit.pipeline

    def _cross_fit(
        self, crossed: list[Estimator], inputs: TableInputs, outcome: np.ndarray, pipelines: Mapping[str, Any]
    ) -> None:
        """Refit everything in each fold, hyperparameters kept; then learn the recalibrations from what comes out."""
        folds = self.settings.cross_fitting.folds
        splits = self._splits(outcome, inputs, folds, "cross-fitting")
        found = {one.name: np.full(outcome.size, np.nan) for one in crossed}
        with (self.reporter or Silent()).work("cross-fitting", folds) as finished:
            for training, rest in splits:
                [(prepared, seen, unseen)] = self._parts(inputs, [(training, rest)])
                for one in crossed:
                    fitted = self._fit(one, pipelines[one.name], prepared.columns(one, seen), outcome[training])
                    found[one.name][rest] = probability(fitted, prepared.columns(one, unseen), one.name)
                finished()
        for one in crossed:
            if one.recalibrate != "none":
                learnt, found[one.name], fits = recalibrate(one.recalibrate, found[one.name], outcome, splits)
                self.recalibrations_[one.name] = learnt
                self.fits_[one.name] += fits
        self.cross_fitted_ = found

    # --- helpers -------------------------------------------------------------------------------

    def _record(self) -> dict[str, Any]:
        models = [
            model_record(
                one,
                self.fitted_[one.name],
                self.prepared_,
                self.searched_.get(one.name),
                self.recalibrations_.get(one.name),
                self._warned[one.name],
            )
            | {"fits": self.fits_[one.name], "declared": plain(one.parameters)}
            for one in self.settings.estimators
        ]
        return {
            "models": models,
            "imputation": self.prepared_.record(),
            "before_split": list(self.settings.before_split),
        }

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        (self.reporter or Silent()).say(stage)
        start = time.perf_counter()
        yield
        self.timings_.append({"stage": stage, "seconds": round(time.perf_counter() - start, 3), "detail": ""})
