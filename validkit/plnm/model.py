"""The whole PLNM model, assembled from a protocol: everything that learns is fitted on training patients here.

Radiomic features that repeated outlines reproduce are thinned to a signature; each network is fine-tuned and reduced
to principal components; both are fused, the classifiers searched, and the best one joined with clinical predictors in
a nomogram. After Wang et al., Front Oncol 15 (2025) 1681029.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from threadpoolctl import threadpool_limits

from validkit.engine import Reporter, Silent
from validkit.plnm import classifiers, stages
from validkit.plnm.clinical import ClinicalModel, ClinicalPredictors
from validkit.plnm.crossfit import cross_fit
from validkit.plnm.fusion import FusionSelector
from validkit.plnm.nomogram import Nomogram
from validkit.plnm.reproducibility import ReproducibilityFilter
from validkit.sections import Model, Predictor
from validkit.store import Store, digest

if TYPE_CHECKING:
    from validkit.plnm.deep.bank import ImageBank
    from validkit.plnm.deep.estimator import DeepTransfer

SCORE = "fusion"
Predict = Callable[["Inputs"], Mapping[str, np.ndarray]]
Look = Callable[[str, Predict], Mapping[str, float]]


@dataclass(frozen=True)
class Inputs:
    """What the model sees of some patients; no outcome.

    radiomics : (n, p) features of the primary outline, indexed by patient
    repeats : role of a repeated outline to the features of the patients who have it
    predictors : (n, c) clinical columns, typed as declared
    bank : n lesion crops in the same order
    """

    radiomics: pd.DataFrame
    repeats: Mapping[str, pd.DataFrame]
    predictors: pd.DataFrame
    bank: ImageBank

    @property
    def patients(self) -> pd.Index:
        """Patient ids, in order."""
        return self.radiomics.index

    def take(self, patients: list[str] | pd.Index) -> Inputs:
        """The inputs of these patients, in the given order."""
        rows = self.patients.get_indexer(pd.Index(patients))
        return replace(
            self,
            radiomics=self.radiomics.iloc[rows],
            predictors=self.predictors.iloc[rows],
            bank=self.bank.take(rows),
        )


class PLNMModel(BaseEstimator):
    """Radiomics, deep transfer learning, fusion, classifiers and nomogram under one protocol.

    settings : the protocol's [model]
    predictors : the protocol's [cohort.predictors]
    groups : repeated outlines by kind, such as {"intra": ("reader_a", "reader_a_again")}
    seed_of : seed of a task from its identity
    cross_fit : whether training patients also get predictions by fits that did not see them (see `crossfit`)
    store : where finished fits are kept, so that a killed run resumes

    After `fit`: `records_` (what the report draws from), `timings_`, `cross_fitted_` (out-of-fold probabilities of the
    training patients, by model), `chosen_` ({"deep", "radiomics", "fusion"}).
    """

    def __init__(
        self,
        settings: Model,
        *,
        predictors: Mapping[str, Predictor],
        groups: Mapping[str, tuple[str, ...]],
        seed_of: Callable[..., int],
        torch_seed: int,
        level: float = 0.95,
        cross_fit: bool = True,
        device: str = "auto",
        engine: str = "sequential",
        store: Store | None = None,
        reporter: Reporter | None = None,
    ) -> None:
        self.settings = settings
        self.predictors = predictors
        self.groups = groups
        self.seed_of = seed_of
        self.torch_seed = torch_seed
        self.level = level
        self.cross_fit = cross_fit
        self.device = device
        self.engine = engine
        self.store = store
        self.reporter = reporter

    def fit(self, inputs: Inputs, y: pd.Series, look: Look | None = None) -> PLNMModel:
        """Fit every stage on these patients.

        y : outcomes 0/1, indexed by patient
        look : opens held-out outcomes for protocols that choose by held-out AUC; None where no protocol may
        """
        self.records_: dict[str, Any] = {}
        self.timings_: list[dict[str, Any]] = []
        self.chosen_: dict[str, str] = {}
        self.cross_fitted_: dict[str, np.ndarray] = {}
        outcome = y.loc[inputs.patients].to_numpy(dtype=np.int64)
        with self._timed("reproducibility"), threadpool_limits(1):
            self._fit_reproducibility(inputs)
        with self._timed("selection"), threadpool_limits(1):
            self._fit_selection(inputs, outcome)
        with self._timed("deep"):
            self._fit_deep(inputs, outcome, look)
        with self._timed("classifiers: radiomics"):
            self._fit_classifiers("radiomics", self._signature(inputs), outcome, look)
        with self._timed("fusion"), threadpool_limits(1):
            self._fit_fusion(inputs, outcome)
        with self._timed("classifiers: fusion"):
            self._fit_classifiers("fusion", self._fused(inputs), outcome, look)
        if self.cross_fit or self.settings.nomogram.fusion_score == "cross-fitted":
            with self._timed("cross-fitting"):
                self.cross_fitted_ |= cross_fit(self, inputs, outcome)
        with self._timed("clinical"), threadpool_limits(1):
            self._fit_clinical(inputs, outcome)
        with self._timed("nomogram"), threadpool_limits(1):
            self._fit_nomogram(inputs, outcome)
        return self

    def predict(self, inputs: Inputs) -> pd.DataFrame:
        """Probability of the event, (n, models), one column a model, indexed by patient."""
        columns = self.predict_deep(inputs)
        for branch, table in (("radiomics", self._signature(inputs)), ("fusion", self._fused(inputs))):
            columns |= self._predict_classifiers(branch, table)
            columns[branch] = columns[f"{branch}/{self.chosen_[branch]}"]
        with threadpool_limits(1):
            columns["clinical"] = self.clinical_model_.predict_proba(inputs.predictors)[:, 1]
            columns["nomogram"] = self.nomogram_.predict_proba(self._nomogram_table(inputs, columns["fusion"]))[:, 1]
        return pd.DataFrame(columns, index=inputs.patients)

    def fitted(self, inputs: Inputs) -> pd.DataFrame:
        """Apparent probabilities of the training patients; the nomogram's come from the score it was fitted to."""
        table = self.predict(inputs)
        with threadpool_limits(1):
            table["nomogram"] = self.nomogram_.predict_proba(self._nomogram_table(inputs, self.fusion_score_))[:, 1]
        return table

    def with_network(self, backbone: str) -> PLNMModel:
        """An unfitted model of the same settings with one network, which keeps no records: for one fold."""
        deep = self.settings.deep.model_copy(update={"backbones": (backbone,), "choose": "inner-validation"})
        settings = self.settings.model_copy(update={"deep": deep})
        return PLNMModel(**self.get_params(deep=False) | {"settings": settings, "store": None, "reporter": None})

    def fit_images(self, inputs: Inputs, y: np.ndarray) -> PLNMModel:
        """Fit what turns images into columns: ICC filter, selection, network with components, elimination."""
        self.records_, self.chosen_ = {}, {}
        with threadpool_limits(1):
            self._fit_reproducibility(inputs)
            self._fit_selection(inputs, y)
        self._fit_deep(inputs, y, None)
        with threadpool_limits(1):
            self._fit_fusion(inputs, y)
        return self

    # --- stages --------------------------------------------------------------------------------

    def _fit_reproducibility(self, inputs: Inputs) -> None:
        setting = self.settings.reproducibility
        self.reproducibility_ = ReproducibilityFilter(
            form=setting.icc, minimum=setting.minimum, keep=setting.keep, groups=self.groups, level=self.level
        ).fit(inputs.radiomics, repeats=inputs.repeats)
        self.records_["reproducibility"] = self.reproducibility_.record()

    def _fit_selection(self, inputs: Inputs, y: np.ndarray) -> None:
        self.selection_ = stages.selection(self.settings.radiomics, self.seed_of("selection"))
        self.selection_.fit(self.reproducibility_.transform(inputs.radiomics), y)
        self.medians_ = self._selected(inputs).median()
        self.records_["selection"] = self.selection_.record()

    def _selected(self, inputs: Inputs) -> pd.DataFrame:
        return inputs.radiomics.loc[:, list(self.selection_.get_feature_names_out())]

    def _signature(self, inputs: Inputs) -> pd.DataFrame:
        """The selected features; one that is undefined for a patient takes the training patients' median."""
        return self._selected(inputs).fillna(self.medians_)

    def undefined(self, inputs: Inputs) -> pd.Series:
        """Selected features that are undefined and replaced by medians: count by patient, patients with any."""
        counts = self._selected(inputs).isna().sum(axis=1)
        return counts[counts > 0]

    def _fit_deep(self, inputs: Inputs, y: np.ndarray, look: Look | None) -> None:
        setting = self.settings.deep
        store = self.store or Store(None)
        self.deep_: dict[str, DeepTransfer] = {}
        for name in setting.backbones:
            estimator = stages.deep(setting, name, self.torch_seed, self.device, self.reporter)
            made_of = digest("deep", stages.settings_of(estimator), stages.weights_of(estimator), inputs.bank.digest, y)
            self.deep_[name] = store.remember(
                f"deep/{name}",
                made_of,
                partial(estimator.fit, inputs.bank, y),
                dump=stages.dump_deep,
                load=partial(stages.load_deep, like=estimator),
            )
        inner = {name: fitted.inner_auc_ for name, fitted in self.deep_.items()}
        self.chosen_["deep"] = self._choose("deep", setting.choose, inner, self.predict_deep, look)
        self.records_["deep"] = {
            "backbones": [fitted.record() for fitted in self.deep_.values()],
            "chosen": self.chosen_["deep"],
            "choose": setting.choose,
            "looked": setting.choose != "inner-validation",
        }

    def predict_deep(self, inputs: Inputs) -> dict[str, np.ndarray]:
        """Probability of the event by each network, (n,) each."""
        return {f"deep/{name}": fitted.predict_proba(inputs.bank)[:, 1] for name, fitted in self.deep_.items()}

    def _components(self, inputs: Inputs) -> pd.DataFrame:
        values = np.asarray(self.deep_[self.chosen_["deep"]].transform(inputs.bank), dtype=np.float64)
        names = [f"deep_{i + 1:02d}" for i in range(values.shape[1])]
        return pd.DataFrame(values, index=inputs.patients, columns=names)

    def _fit_fusion(self, inputs: Inputs, y: np.ndarray) -> None:
        setting = self.settings.fusion.select
        self.fusion_ = FusionSelector(
            radiomics=setting.radiomics, deep=setting.deep, random_state=self.seed_of("fusion")
        ).fit(self._fusable(inputs), y)
        self.records_["fusion"] = self.fusion_.record()

    def _fusable(self, inputs: Inputs) -> pd.DataFrame:
        return pd.concat([self._signature(inputs), self._components(inputs)], axis=1)

    def _fused(self, inputs: Inputs) -> pd.DataFrame:
        table = self._fusable(inputs)
        return table.loc[:, list(self.fusion_.get_feature_names_out())]

    def _fit_classifiers(self, branch: str, table: pd.DataFrame, y: np.ndarray, look: Look | None) -> None:
        setting = self.settings.classifiers
        searched = stages.search_all(
            branch, table, y, setting, self.seed_of, engine=self.engine, store=self.store, reporter=self.reporter
        )
        self.classifiers_ = {**getattr(self, "classifiers_", {}), branch: searched}
        inner = {name: found.best_score for name, found in searched.items()}

        def predict(inputs: Inputs) -> Mapping[str, np.ndarray]:
            return self._predict_classifiers(branch, self.table(branch, inputs))

        chosen = self._choose(branch, setting.choose, inner, predict, look)
        self.chosen_[branch] = chosen
        record = self.records_.setdefault("classifiers", {"chosen": {}, "choose": setting.choose})
        record[branch] = [found.record() for found in searched.values()]
        record["chosen"][branch] = chosen

    def table(self, branch: str, inputs: Inputs) -> pd.DataFrame:
        """The columns that a branch's classifiers see: "radiomics" or "fusion"."""
        return self._signature(inputs) if branch == "radiomics" else self._fused(inputs)

    def _predict_classifiers(self, branch: str, table: pd.DataFrame) -> dict[str, np.ndarray]:
        with threadpool_limits(1):
            return {
                f"{branch}/{name}": classifiers.probability(found.estimator, table)
                for name, found in self.classifiers_[branch].items()
            }

    def _fit_clinical(self, inputs: Inputs, y: np.ndarray) -> None:
        setting = self.settings.clinical
        self.clinical_ = ClinicalPredictors(
            candidates=setting.candidates,
            univariable_alpha=setting.univariable_alpha,
            multivariable_alpha=setting.multivariable_alpha,
            level=self.level,
            **self._declared("kinds", "labels", "units"),
        ).fit(inputs.predictors, y)
        wanted = self.settings.nomogram.predictors
        self.independent_ = tuple(self.clinical_.selected_) if wanted == "independent" else tuple(wanted)
        self.clinical_model_ = ClinicalModel(
            predictors=self.independent_, level=self.level, **self._declared("kinds")
        ).fit(inputs.predictors, y)
        if self.cross_fitted_:
            self.cross_fitted_["clinical"] = self._cross_fitted(self.clinical_model_, inputs.predictors, y)
        self.records_["clinical"] = self.clinical_.record()

    def _fit_nomogram(self, inputs: Inputs, y: np.ndarray) -> None:
        setting = self.settings.nomogram
        if setting.fusion_score == "cross-fitted":
            self.fusion_score_ = self.cross_fitted_[SCORE]
        else:
            estimator = self.classifiers_["fusion"][self.chosen_["fusion"]].estimator
            self.fusion_score_ = classifiers.probability(estimator, self._fused(inputs))
        declared = self._declared("kinds", "labels", "units", "levels")
        declared["labels"] = {SCORE: "Fusion score", **declared["labels"]}
        nomogram = Nomogram(
            predictors=self.independent_,
            score=SCORE,
            score_scale=setting.score_scale,
            recalibrate=setting.recalibrate,
            level=self.level,
            **declared,
            folds=self.settings.classifiers.search.folds,
            random_state=self.seed_of("nomogram"),
        )
        table = self._nomogram_table(inputs, self.fusion_score_)
        self.nomogram_ = nomogram.fit(table, y)
        if setting.fusion_score == "cross-fitted":
            self.cross_fitted_["nomogram"] = self._cross_fitted(nomogram, table, y)
        self.records_["nomogram"] = self.nomogram_.record() | {"fusion_score": setting.fusion_score}

    def _nomogram_table(self, inputs: Inputs, score: np.ndarray) -> pd.DataFrame:
        table = inputs.predictors.loc[:, list(self.independent_)].copy()
        table.insert(0, SCORE, score)
        return table

    def _cross_fitted(self, estimator: BaseEstimator, table: pd.DataFrame, y: np.ndarray) -> np.ndarray:
        folds = self.settings.classifiers.search.folds
        return classifiers.cross_fitted(
            clone(estimator), table, y, folds=folds, random_state=self.seed_of("cross-fitting")
        )

    def _declared(self, *what: str) -> dict[str, dict[str, Any]]:
        """What the protocol says of the clinical columns, by column."""
        facts: dict[str, dict[str, Any]] = {
            "kinds": {name: spec.kind for name, spec in self.predictors.items()},
            "labels": {name: spec.label or name for name, spec in self.predictors.items()},
            "units": {name: spec.unit for name, spec in self.predictors.items()},
            "levels": {name: spec.levels for name, spec in self.predictors.items() if spec.levels},
        }
        return {name: facts[name] for name in what}

    # --- helpers -------------------------------------------------------------------------------

    def _choose(self, stage: str, how: str, inner: Mapping[str, float], predict: Predict, look: Look | None) -> str:
        """The best by inner score, or by the held-out AUC that `look` opens; the first of equals."""
        if how == "inner-validation":
            scores: Mapping[str, float] = {name: -np.inf if np.isnan(v) else v for name, v in inner.items()}
        elif look is None:
            raise ValueError(f"{stage}: choose = {how!r} opens held-out outcomes, which this design does not allow")
        else:
            scores = {name.rpartition("/")[2]: value for name, value in look(stage, predict).items()}
        return max(inner, key=lambda name: scores[name])

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        (self.reporter or Silent()).say(stage)
        start = time.perf_counter()
        yield
        self.timings_.append({"stage": stage, "seconds": round(time.perf_counter() - start, 3), "detail": ""})
