"""A fitted PLNM model as files without pickle, and back: what it learnt, and nothing of how it was fitted.

model.json : what was chosen, the signature and its medians, the fused columns, which networks and classifiers there are
network.NAME.* : safetensors and JSON; classifier.BRANCH.NAME.skops : an estimator of a closed list of types
clinical.K.json : clinical model and nomogram, fitted to the K-th completed copy of the clinical columns
The model that comes back predicts with the same code, and so the same numbers, as the one that was fitted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from validkit.errors import InputError
from validkit.plnm import stages
from validkit.plnm.classifiers import Searched
from validkit.plnm.clinical import ClinicalModel
from validkit.plnm.inputs import Inputs
from validkit.plnm.locked_records import Classifier, Clinical, Record
from validkit.plnm.model import SCORE, PLNMModel
from validkit.plnm.nomogram import Nomogram
from validkit.plnm.storage import dump_estimator, load_estimator
from validkit.sections import Deep, Section
from validkit.store import Files, to_json

if TYPE_CHECKING:
    from validkit.plnm.deep.estimator import DeepTransfer
    from validkit.protocol import Protocol

__all__ = ["LockedPLNM", "expected", "locked_files", "read_locked", "without"]

BRANCHES = ("radiomics", "fusion")
NETWORK_FILES = ("network.safetensors", "components.safetensors", "fit.json")
MODEL = "model.json"
UNTOLD = ("device", "random_state", "threads")
"""settings of a network that no protocol declares"""


# --- what is written -------------------------------------------------------------------------------


def locked_files(model: PLNMModel, copy: int = 1, copies: int = 1) -> dict[str, bytes]:
    """What a fitted model learnt, as files; of a further completed copy only its clinical stages.

    Raises InputError where a part cannot be stored without pickle.
    """
    files = {f"clinical.{copy}.json": _clinical(model)}
    if copy > 1:
        return files
    for name, network in model.deep_.items():
        files |= {f"network.{name}.{file}": data for file, data in stages.dump_deep(network).items()}
    found: dict[str, dict[str, Classifier]] = {}
    for branch in BRANCHES:
        found[branch] = {}
        for name, one in model.classifiers_[branch].items():
            files[f"classifier.{branch}.{name}.skops"] = dump_estimator(one.estimator)
            found[branch][name] = Classifier(
                params=one.params,
                best_score=one.best_score,
                best_sd=one.best_sd,
                score=one.score,
                n_candidates=one.n_candidates,
            )
    record = Record(
        chosen=dict(model.chosen_),
        features=tuple(map(str, model.medians_.index)),
        medians=tuple(model.medians_.tolist()),
        fused=tuple(map(str, model.fusion_.get_feature_names_out())),
        networks=tuple(model.deep_),
        classifiers=found,
        copies=copies,
    )
    return files | {MODEL: _text(record)}


def _clinical(model: PLNMModel) -> bytes:
    clinical, nomogram = model.clinical_model_, model.nomogram_
    record = {
        "independent": list(model.independent_),
        "clinical": _line(clinical.columns_),
        "clinical_coding": asdict(clinical.coding_),
        "nomogram": _line(nomogram.columns_),
        "nomogram_coding": asdict(nomogram.coding_),
        "terms": [asdict(term) for term in nomogram.terms_],
        "platt": asdict(nomogram.platt_) if nomogram.platt_ else None,
        "score_scale": nomogram.score_scale,
        "note": nomogram.note_,
    }
    return _text(Clinical.model_validate_json(json.dumps(record)))


def _line(fitted: Any) -> dict[str, Any]:
    return {"columns": list(fitted.columns), "intercept": fitted.intercept, "beta": fitted.beta.tolist()}


def _text(record: Section) -> bytes:
    return to_json(record.model_dump(mode="json")).encode()


# --- what is left out ------------------------------------------------------------------------------


def without(files: Files, barred: Mapping[str, str]) -> tuple[dict[str, bytes], dict[str, str]]:
    """(the files without these, {model: why it is left out}); barred : file to the reason.

    Raises InputError where the nomogram cannot do without one of them.
    """
    record = Record.model_validate_json(files[MODEL])
    left_out: dict[str, str] = {}
    kept = {branch: dict(found) for branch, found in record.classifiers.items()}
    for file, why in barred.items():
        name = file.removeprefix("classifier.").removesuffix(".skops")
        branch, _, classifier = name.partition(".")
        if not file.startswith("classifier."):
            raise InputError(f"the whole model needs {file}, which {why}")
        if branch == "fusion" and record.chosen["fusion"] == classifier:
            raise InputError(f"the nomogram needs the classifier {branch}/{classifier}, which {why}")
        del kept[branch][classifier]
        left_out[f"{branch}/{classifier}"] = why
        if record.chosen[branch] == classifier:
            left_out[branch] = why
    rest = {name: data for name, data in files.items() if name not in barred}
    return rest | {MODEL: _text(record.model_copy(update={"classifiers": kept}))}, left_out


# --- what comes back -------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Kept:
    """Stands for a fitted selector: the columns that it kept."""

    names: tuple[str, ...]

    def get_feature_names_out(self) -> np.ndarray:
        """Names of the kept columns, in order."""
        return np.array(self.names, dtype=object)


class _Rebuilt(PLNMModel):
    """A model put together again; a branch whose chosen classifier stayed at home has no risks (NaN)."""

    def _predict_classifiers(self, branch: str, table: pd.DataFrame) -> dict[str, np.ndarray]:
        found = super()._predict_classifiers(branch, table)
        best = f"{branch}/{self.chosen_[branch]}"
        return found if best in found else {**found, best: np.full(len(table), np.nan)}


@dataclass(frozen=True, eq=False)
class LockedPLNM:
    """A PLNM model that was fitted elsewhere, one for each completed copy of the clinical columns.

    models : they share everything that sees images; imputer : of the clinical columns, where the model has one
    """

    models: tuple[PLNMModel, ...]
    record: Record
    imputer: Any = None

    @property
    def names(self) -> tuple[str, ...]:
        """Its models, by the names that predictions bear."""
        searched = {branch: list(self.record.classifiers[branch]) for branch in BRANCHES}
        branches = [branch for branch in BRANCHES if self.record.chosen[branch] in searched[branch]]
        each = [f"{branch}/{name}" for branch in BRANCHES for name in searched[branch]]
        return (*(f"deep/{name}" for name in self.record.networks), *each, *branches, "clinical", "nomogram")

    @property
    def features(self) -> tuple[str, ...]:
        """The radiomic features that it looks at."""
        return self.record.features

    @property
    def predictors(self) -> tuple[str, ...]:
        """The clinical columns that it needs, in the order they were declared."""
        used = {name for model in self.models for name in model.independent_}
        declared = self.models[0].predictors
        return tuple(name for name in declared if self.imputer is not None or name in used)

    def predict(self, inputs: Inputs, copy: int = 1) -> pd.DataFrame:
        """(n, models) probability of the event by the model of one copy."""
        if self.imputer is not None:
            inputs = inputs.completed(self.imputer.transform(inputs.predictors, copy=copy))
        found = self.models[copy - 1].predict(inputs)
        return found[[name for name in found if name in self.names]]


def read_locked(files: Files, protocol: Protocol, imputer: Any = None, device: str = "cpu") -> LockedPLNM:
    """The model from its files. Anything that `locked_files` did not write of this protocol is an InputError."""
    record = Record.model_validate_json(files[MODEL])
    _consistent(record, protocol)
    networks = {name: _network(files, name, protocol.plnm.deep, device) for name in record.networks}
    searched: dict[str, dict[str, Any]] = {
        branch: {
            name: Searched(name, load_estimator(files[f"classifier.{branch}.{name}.skops"]), seconds=0.0, **dict(found))
            for name, found in record.classifiers[branch].items()
        }
        for branch in BRANCHES
    }
    models = []
    for copy in range(1, record.copies + 1):
        clinical = Clinical.model_validate_json(files[f"clinical.{copy}.json"])
        _fitting(clinical, f"clinical.{copy}.json", protocol)
        model = _Rebuilt(
            protocol.plnm, predictors=protocol.cohort.predictors, groups={}, seed_of=_no_seed, torch_seed=0
        )
        model.deep_, model.classifiers_, model.chosen_ = networks, searched, dict(record.chosen)
        model.frozen_ = {}
        model.selection_, model.fusion_ = _Kept(record.features), _Kept(record.fused)  # type: ignore[assignment]
        model.medians_ = pd.Series(record.medians, index=list(record.features), dtype=np.float64)
        model.independent_ = clinical.independent
        model.clinical_model_, model.nomogram_ = _clinical_model(clinical), _nomogram(clinical)
        models.append(model)
    return LockedPLNM(tuple(models), record, imputer)


def expected(files: Files) -> set[str]:
    """Names of the files that model.json says there are."""
    record = Record.model_validate_json(files[MODEL])
    found = {MODEL} | {f"clinical.{copy}.json" for copy in range(1, record.copies + 1)}
    found |= {f"network.{name}.{file}" for name in record.networks for file in NETWORK_FILES}
    return found | {f"classifier.{b}.{name}.skops" for b in record.classifiers for name in record.classifiers[b]}


def _consistent(record: Record, protocol: Protocol) -> None:
    """What model.json names, the protocol declares."""
    model = protocol.plnm
    sound = (
        set(record.classifiers) == set(BRANCHES)
        and set(record.chosen) == {"deep", *BRANCHES}
        and tuple(record.networks) == model.deep.backbones
        and record.chosen["deep"] in record.networks
        and all(set(found) <= set(model.classifiers.use) for found in record.classifiers.values())
        and record.chosen["fusion"] in record.classifiers["fusion"]
        and len(record.features) == len(record.medians) > 0
        and record.copies == protocol.copies
    )
    if not sound:
        raise InputError(f"{MODEL} does not fit the bundle's own protocol")


def _fitting(record: Clinical, file: str, protocol: Protocol) -> None:
    """What clinical.K.json names, the protocol declares, and its numbers fit together."""
    names = record.independent
    sound = (
        set(names) <= set(protocol.cohort.predictors)
        and record.clinical_coding.predictors == names
        and record.nomogram_coding.predictors == (SCORE, *names)
        and tuple(term.name for term in record.terms) == (SCORE, *names)
        and record.score_scale == protocol.plnm.nomogram.score_scale
    )
    for line, coded in ((record.clinical, record.clinical_coding), (record.nomogram, record.nomogram_coding)):
        sound = sound and set(coded.predictors) <= set(coded.kinds) and len(line.columns) == len(line.beta)
        sound = sound and line.columns == coded.all_columns
    if not sound:
        raise InputError(f"{file} does not fit the bundle's own protocol")


def _network(files: Files, name: str, setting: Deep, device: str) -> DeepTransfer:
    own = {file: files[f"network.{name}.{file}"] for file in NETWORK_FILES}
    like = stages.deep(setting, name, 0, device, None)
    try:
        told, threads = json.loads(own["fit.json"])["parameters"], json.loads(own["fit.json"])["parameters"]["threads"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"network.{name}.fit.json cannot be read: {error!r}") from error
    declared = stages.settings_of(like)
    told = stages.settings_of(type(like)()) | told  # an older version did not have every setting
    if {k: v for k, v in told.items() if k not in UNTOLD} != {k: v for k, v in declared.items() if k not in UNTOLD}:
        raise InputError(f"network.{name}.fit.json: its settings are not those of the bundle's own protocol")
    if type(threads) is not int or not 1 <= threads <= 64:
        raise InputError(f"network.{name}.fit.json: `threads` must lie in 1..64; got {threads!r}")
    return stages.load_deep(own, like)


def _clinical_model(record: Clinical) -> ClinicalModel:
    model = ClinicalModel(predictors=record.independent, kinds=record.clinical_coding.kinds)
    model.coding_ = record.clinical_coding
    model.columns_ = model.regression_ = record.clinical  # type: ignore[assignment]
    model.classes_ = np.array([0, 1])
    return model


def _nomogram(record: Clinical) -> Nomogram:
    model = Nomogram(predictors=record.independent, score=SCORE, score_scale=record.score_scale)
    model.coding_ = record.nomogram_coding
    model.columns_ = record.nomogram  # type: ignore[assignment]
    model.terms_ = record.terms
    model.platt_ = record.platt
    model.classes_, model.note_ = np.array([0, 1]), record.note
    return model


def _no_seed(*identity: object) -> int:
    """A locked model draws nothing."""
    return 0
