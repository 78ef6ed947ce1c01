"""The whole PLNM model, assembled from a protocol: everything that learns is fitted on training patients here.

Radiomic features that repeated outlines reproduce are thinned to a signature; each network is fine-tuned and reduced
to principal components; both are fused, the classifiers searched, and the best one joined with clinical predictors in
a nomogram. After Wang et al., Front Oncol 15 (2025) 1681029.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from threadpoolctl import threadpool_limits

from validkit.engine import Reporter, Silent
from validkit.plnm import classifiers, stages
from validkit.plnm.clinical import ClinicalModel, ClinicalPredictors
from validkit.plnm.crossfit import FoldNetworks, cross_fit, fold_networks
from validkit.plnm.folds import repeated
from validkit.plnm.fusion import FusionSelector
from validkit.plnm.inputs import Inputs
from validkit.plnm.nomogram import Nomogram
from validkit.plnm.reproducibility import ReproducibilityFilter
from validkit.plnm.selection import FeatureSelection
from validkit.plnm.storage import dump_estimator
from validkit.sections import PLNM, Predictor
from validkit.store import Store, digest, to_json

if TYPE_CHECKING:
    from validkit.plnm.deep.estimator import DeepTransfer

SCORE = "fusion"
Predict = Callable[[Inputs], Mapping[str, np.ndarray]]
Look = Callable[[str, Predict], Mapping[str, float]]


class PLNMModel(BaseEstimator):
    """Radiomics, deep transfer learning, fusion, classifiers and nomogram under one protocol.

    settings : the protocol's [model], of kind "plnm"
    predictors : the protocol's [cohort.predictors]
    groups : repeated outlines by kind, such as {"intra": ("reader_a", "reader_a_again")}
    seed_of : seed of a task from its identity
    cross_fit : whether training patients also get predictions by fits that did not see them (see `crossfit`)
    before : ICC filter and selection learnt from ALL patients before the split, where the protocol declares that leak
    store : where finished fits are kept, so that a killed run resumes

    After `fit`: `records_` (what the report draws from), `timings_`, `cross_fitted_` (out-of-fold probabilities of the
    training patients, by model), `chosen_` ({"deep", "radiomics", "fusion"}), `fits_` (fits made, by stage; see
    `tasks.tasks`).
    """

    def __init__(
        self,
        settings: PLNM,
        *,
        predictors: Mapping[str, Predictor],
        groups: Mapping[str, tuple[str, ...]],
        seed_of: Callable[..., int],
        torch_seed: int,
        level: float = 0.95,
        cross_fit: bool = True,
        before: tuple[ReproducibilityFilter, FeatureSelection] | None = None,
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
        self.before = before
        self.device = device
        self.engine = engine
        self.store = store
        self.reporter = reporter

    def fit(self, inputs: Inputs, y: np.ndarray, look: Look | None = None) -> PLNMModel:
        """Fit every stage on these patients.

        y : (n,) outcomes 0/1, in the order of `inputs.patients`
        look : opens held-out outcomes for protocols that choose by held-out AUC; None where no protocol may
        """
        self.records_: dict[str, Any] = {}
        self.timings_: list[dict[str, Any]] = []
        self.chosen_: dict[str, str] = {}
        self.cross_fitted_: dict[str, np.ndarray] = {}
        self.fits_: Counter[str] = Counter()
        outcome = np.asarray(y, dtype=np.int64)
        with self._timed("reproducibility"), threadpool_limits(1):
            self._fit_reproducibility(inputs)
        with self._timed("selection"), threadpool_limits(1):
            self._fit_selection(inputs, outcome)
        with self._timed("deep"):
            self._fit_deep(inputs, outcome, look)
        with self._timed("classifiers: radiomics"):
            self._fit_classifiers("radiomics", self.signature(inputs), outcome, inputs.groups, look)
        with self._timed("fusion"), threadpool_limits(1):
            self._fit_fusion(inputs, outcome)
        with self._timed("classifiers: fusion"):
            self._fit_classifiers("fusion", self._fused(inputs), outcome, inputs.groups, look)
        if self.cross_fit or self.settings.nomogram.fusion_score == "cross-fitted":
            with self._timed("cross-fitting"):
                self.cross_fitted_ |= cross_fit(self, inputs, outcome)
        return self.fit_clinical(inputs, outcome)

    def fit_clinical(self, inputs: Inputs, y: np.ndarray) -> PLNMModel:
        """Fit the stages that see clinical columns; those that see images stay as they are."""
        with self._timed("clinical"), threadpool_limits(1):
            self._fit_clinical(inputs, y)
        with self._timed("nomogram"), threadpool_limits(1):
            self._fit_nomogram(inputs, y)
        return self

    def predict(self, inputs: Inputs) -> pd.DataFrame:
        """Probability of the event, (n, models), one column a model, indexed by patient."""
        columns = self.predict_deep(inputs) | {
            f"deep/{name}/frozen": fitted.predict_proba(inputs.bank)[:, 1] for name, fitted in self.frozen_.items()
        }
        for branch, table in (("radiomics", self.signature(inputs)), ("fusion", self._fused(inputs))):
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

    def bare(self) -> PLNMModel:
        """An unfitted model of the same settings that keeps no records: for one fold."""
        return PLNMModel(**self.get_params(deep=False) | {"store": None, "reporter": None})

    def fit_signature(self, inputs: Inputs, y: np.ndarray) -> PLNMModel:
        """Fit the ICC filter and the selection of radiomic features alone."""
        self.records_, self.fits_ = {}, Counter()
        with threadpool_limits(1):
            self._fit_reproducibility(inputs)
            self._fit_selection(inputs, y)
        return self

    def parameters_digest(self) -> str:
        """SHA-256 of everything that was learnt, to the bit: networks, classifiers, records of every stage."""
        networks = [group[name] for group in (self.deep_, self.frozen_) for name in sorted(group)]
        found = [stages.dump_deep(network) for network in networks]
        fitted = [
            dump_estimator(one.estimator)
            for branch in sorted(self.classifiers_)
            for one in self.classifiers_[branch].values()
        ]
        files = [part for files in found for name in sorted(files) for part in (name, files[name])]
        return digest(
            *files, *fitted, to_json(self.records_), to_json({k: v.tolist() for k, v in self.cross_fitted_.items()})
        )

    # --- stages --------------------------------------------------------------------------------

    def _fit_reproducibility(self, inputs: Inputs) -> None:
        if self.before is not None:
            self.reproducibility_ = self.before[0]
        else:
            setting = self.settings.reproducibility
            self.reproducibility_ = ReproducibilityFilter(
                form=setting.icc, minimum=setting.minimum, keep=setting.keep, groups=self.groups, level=self.level
            ).fit(inputs.radiomics[inputs.originals], repeats=inputs.repeats)
            self.fits_["reproducibility"] += 1
        self.records_["reproducibility"] = self.reproducibility_.record()

    def _fit_selection(self, inputs: Inputs, y: np.ndarray) -> None:
        if self.before is not None:
            self.selection_ = self.before[1]
        else:
            self.selection_ = stages.selection(self.settings.radiomics, self.seed_of("selection"))
            self.selection_.fit(self.reproducibility_.transform(inputs.radiomics), y, repeated(inputs.groups))
            self.fits_["selection"] += len(self.settings.radiomics.select)
        self.medians_ = self._selected(inputs).median()
        self.records_["selection"] = self.selection_.record()

    def _selected(self, inputs: Inputs) -> pd.DataFrame:
        return inputs.radiomics.loc[:, list(self.selection_.get_feature_names_out())]

    def signature(self, inputs: Inputs) -> pd.DataFrame:
        """The selected features; one that is undefined for a patient takes the training patients' median."""
        return self._selected(inputs).fillna(self.medians_)

    def undefined(self, inputs: Inputs) -> pd.Series:
        """Selected features that are undefined and replaced by medians: count by patient, patients with any."""
        counts = self._selected(inputs).isna().sum(axis=1)
        return counts[counts > 0]

    def _fit_deep(self, inputs: Inputs, y: np.ndarray, look: Look | None) -> None:
        setting = self.settings.deep
        groups = repeated(inputs.groups)
        tasks = []
        for frozen in (False, True) if setting.frozen else (False,):
            for name in setting.backbones:
                estimator = stages.deep(setting, name, self.torch_seed, self.device, self.reporter, frozen=frozen)
                made_of = stages.digest_of_deep(estimator, inputs.bank.digest, y, groups)
                record = f"deep/{name}-frozen" if frozen else f"deep/{name}"
                tasks.append(stages.NetworkTask(record, made_of, estimator, lambda: inputs.bank, y, groups))
        fitted = stages.fit_networks(
            tasks,
            self.store or Store(None),
            keep=lambda _, estimator: estimator,
            dump=stages.dump_deep,
            load=lambda number, files: stages.load_deep(files, tasks[number].estimator),
            reporter=self.reporter,
        )
        count = len(setting.backbones)
        self.deep_: dict[str, DeepTransfer] = dict(zip(setting.backbones, fitted[:count], strict=True))
        self.frozen_: dict[str, DeepTransfer] = dict(zip(setting.backbones, fitted[count:], strict=False))
        self.fits_["deep"] += len(fitted)
        self.fold_networks_: dict[str, FoldNetworks] = {}
        inner = {name: fitted.inner_auc_ for name, fitted in self.deep_.items()}
        if setting.choose == "cross-validation":
            self.fold_networks_ = fold_networks(self, setting.backbones, inputs, y)
            inner = {name: folds.mean_auc for name, folds in self.fold_networks_.items()}
            self.fits_["deep"] += len(setting.backbones) * self.settings.cross_fitting.folds
        self.chosen_["deep"] = self._choose("deep", setting.choose, inner, self.predict_deep, look)
        self.records_["deep"] = {
            "backbones": [fitted.record() for fitted in self.deep_.values()],
            "chosen": self.chosen_["deep"],
            "choose": setting.choose,
            "looked": setting.choose == "held-out auc",
            "frozen": [fitted.record() for fitted in self.frozen_.values()],
            "cross_validated_auc": inner if setting.choose == "cross-validation" else None,
        }

    def predict_deep(self, inputs: Inputs) -> dict[str, np.ndarray]:
        """Probability of the event by each network, (n,) each."""
        return {f"deep/{name}": fitted.predict_proba(inputs.bank)[:, 1] for name, fitted in self.deep_.items()}

    def _fit_fusion(self, inputs: Inputs, y: np.ndarray) -> None:
        self.fusion_ = self.eliminate(self._fusable(inputs), y)
        self.records_["fusion"] = self.fusion_.record()

    def eliminate(self, table: pd.DataFrame, y: np.ndarray) -> FusionSelector:
        """Recursive elimination over the columns of both branches, fitted."""
        setting = self.settings.fusion.select
        self.fits_["fusion"] += 1
        return FusionSelector(radiomics=setting.radiomics, deep=setting.deep, random_state=self.seed_of("fusion")).fit(
            table, y
        )

    def _fusable(self, inputs: Inputs) -> pd.DataFrame:
        values = np.asarray(self.deep_[self.chosen_["deep"]].transform(inputs.bank), dtype=np.float64)
        return self.fusable(inputs, values)

    def fusable(self, inputs: Inputs, components: np.ndarray) -> pd.DataFrame:
        """The signature and the network's principal components side by side."""
        names = [f"deep_{i + 1:02d}" for i in range(components.shape[1])]
        deep = pd.DataFrame(components, index=inputs.patients, columns=names)
        return pd.concat([self.signature(inputs), deep], axis=1)

    def _fused(self, inputs: Inputs) -> pd.DataFrame:
        table = self._fusable(inputs)
        return table.loc[:, list(self.fusion_.get_feature_names_out())]

    def _fit_classifiers(
        self, branch: str, table: pd.DataFrame, y: np.ndarray, groups: np.ndarray, look: Look | None
    ) -> None:
        setting = self.settings.classifiers
        searched = stages.search_all(
            branch,
            table,
            y,
            setting,
            self.seed_of,
            groups=repeated(groups),
            engine=self.engine,
            store=self.store,
            reporter=self.reporter,
        )
        self.fits_["classifiers"] += sum(found.n_candidates * setting.search.folds + 1 for found in searched.values())
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
        return self.signature(inputs) if branch == "radiomics" else self._fused(inputs)

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
            self.cross_fitted_["clinical"] = self._cross_fitted(
                "clinical", self.clinical_model_, inputs.predictors, y, inputs.groups
            )
        self.fits_["clinical"] += 2
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
        self.nomogram_ = nomogram.fit(table, y, repeated(inputs.groups))
        self.fits_["nomogram"] += 1
        if setting.fusion_score == "cross-fitted":
            self.cross_fitted_["nomogram"] = self._cross_fitted("nomogram", nomogram, table, y, inputs.groups)
        self.records_["nomogram"] = self.nomogram_.record() | {"fusion_score": setting.fusion_score}

    def _nomogram_table(self, inputs: Inputs, score: np.ndarray) -> pd.DataFrame:
        table = inputs.predictors.loc[:, list(self.independent_)].copy()
        table.insert(0, SCORE, score)
        return table

    def _cross_fitted(
        self, stage: str, estimator: BaseEstimator, table: pd.DataFrame, y: np.ndarray, groups: np.ndarray
    ) -> np.ndarray:
        folds = self.settings.classifiers.search.folds
        self.fits_[stage] += folds
        seed = self.seed_of("cross-fitting")
        return classifiers.cross_fitted(
            clone(estimator), table, y, folds=folds, random_state=seed, groups=repeated(groups)
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
        if how != "held-out auc":
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
