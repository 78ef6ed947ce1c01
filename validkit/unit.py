"""One unit of work: the whole model fitted to the training patients of one split, and its predictions.

A unit never receives an outcome of a held-out patient, unless the protocol declares that something is chosen by it;
then each look is recorded. Everything it needs is in its task, so that any worker can do it.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from validkit.bundle.collecting import Locking
from validkit.engine import Reporter
from validkit.errors import StageError
from validkit.plan import HELD_OUT, TRAINING, Split, seeds_of
from validkit.protocol import Protocol
from validkit.sections import PLNM, Bundle, Estimators, Predictions
from validkit.store import Store, digest, to_json

if TYPE_CHECKING:
    from validkit.plnm.measuring import Part

COLUMNS = ("split", "repeat", "fold", "imputation", "patient", "set", "kind", "model", "probability")
APPARENT, CROSS_FITTED = "apparent", "cross-fitted"
LOCKED = "locked-"


@dataclass(frozen=True, eq=False)
class Shared:
    """What every unit of a run shares; sent to a worker once.

    inputs : what the model sees of all patients, no outcome; device : "cpu", "cuda" or "cuda:N"
    """

    protocol: Protocol
    inputs: Any
    device: str
    context: str = ""


@dataclass(frozen=True, eq=False)
class BeforeCopies:
    """What a protocol's estimators learnt from all patients before the split, in each imputed copy."""

    copies: Mapping[int, Any]

    def digest(self) -> str:
        """SHA-256 of what was learnt."""
        import joblib

        return digest("before the split", {str(copy): joblib.hash(learnt) for copy, learnt in self.copies.items()})


@dataclass(frozen=True, eq=False)
class UnitTask:
    """One split's work.

    y : (n,) outcomes of `split.training`, in its order
    part : which features and readings the split uses, for the PLNM model
    before : what was learnt from all patients before the split, where the protocol declares that leak
    peek : outcomes of `split.held_out`, only where the protocol chooses by them
    records : folder for finished parts of the unit; None keeps none
    saliency : example patients whose images are explained
    lock : whether what was learnt is kept as files, from which a bundle is written
    """

    split: Split
    y: np.ndarray
    part: Part | None = None
    before: Any = None
    peek: np.ndarray | None = None
    records: Path | None = None
    saliency: int = 0
    lock: bool = False

    def made_of(self, shared: Shared, inputs: str) -> str:
        """Digest of everything that the unit's result depends on; inputs : that of `shared.inputs`."""
        resolved = shared.protocol.to_dict()
        settings = {key: resolved[key] for key in ("cohort", "model", "imputation")}
        settings["cohort"] = {"predictors": resolved["cohort"]["predictors"], "missing": resolved["cohort"]["missing"]}
        seed_of, torch_seed = seeds_of(shared.protocol, self.split)
        return digest(
            "unit",
            settings,
            [shared.protocol.evaluation.level, shared.protocol.cross_fits, self.saliency, self.lock],
            [seed_of("unit"), torch_seed],
            [self.split.name, list(self.split.training), list(self.split.held_out)],
            [list(self.part.columns), {k: list(v) for k, v in self.part.repeats.items()}] if self.part else None,
            None if self.before is None else self.before.digest(),
            inputs,
            self.y,
            self.peek,
        )


@dataclass(eq=False)
class Fitted:
    """What a unit leaves.

    predictions : columns `COLUMNS`; records : of each stage; chosen : what was chosen; fits : made, by stage
    looks : openings of held-out outcomes; notes : {severity, stage, text}; parameters : digest of all that was learnt
    model_files : what was learnt as files without pickle, where the unit was to be locked
    """

    predictions: pd.DataFrame
    records: dict[str, Any]
    timings: list[dict[str, Any]]
    chosen: dict[str, str]
    fits: dict[str, int]
    parameters: str
    looks: list[dict[str, Any]] = field(default_factory=list)
    notes: list[dict[str, str]] = field(default_factory=list)
    saliency: bytes = b""
    model_files: dict[str, bytes] = field(default_factory=dict)

    def files(self) -> dict[str, bytes]:
        """As a durable record."""
        facts = {
            "records": self.records,
            "timings": self.timings,
            "chosen": self.chosen,
            "fits": self.fits,
            "parameters": self.parameters,
            "looks": self.looks,
            "notes": self.notes,
        }
        files = {"predictions.parquet": to_parquet(self.predictions), "facts.json": to_json(facts).encode()}
        files |= {f"{LOCKED}{name}": data for name, data in self.model_files.items()}
        return files | ({"saliency.npz": self.saliency} if self.saliency else {})

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Fitted:
        """From a durable record."""
        facts = json.loads(files["facts.json"])
        predictions = pd.read_parquet(io.BytesIO(files["predictions.parquet"]))
        locked = {name.removeprefix(LOCKED): data for name, data in files.items() if name.startswith(LOCKED)}
        saliency = files.get("saliency.npz", b"")
        return cls(predictions=predictions, saliency=saliency, model_files=locked, **facts)


def to_parquet(table: pd.DataFrame) -> bytes:
    """A table's bytes, the same for the same table."""
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    return buffer.getvalue()


def fit_unit(task: UnitTask, *, shared: Shared, engine: str = "sequential", reporter: Reporter | None = None) -> Fitted:
    """Fit the whole model to the split's training patients and predict every patient of the split.

    engine : for the parts of this unit; "sequential" where units themselves run side by side
    """
    protocol = shared.protocol
    if isinstance(protocol.model, PLNM):
        return _plnm(task, shared, engine, reporter)
    if isinstance(protocol.model, Estimators):
        return _tabular(task, shared, engine, reporter)
    return _ready(task, shared)


# --- the PLNM model --------------------------------------------------------------------------------


def repeated_outlines(protocol: Protocol) -> dict[str, tuple[str, ...]]:
    """Repeated outlines by kind: as declared, or the primary one and its randomised copies."""
    setting = protocol.plnm.reproducibility
    groups = {name: roles for name, roles in (("intra", setting.intra), ("inter", setting.inter)) if roles}
    if setting.perturb is not None:
        copies = tuple(f"perturbed_{i + 1}" for i in range(setting.perturb.copies))
        groups["perturbed"] = (protocol.cohort.primary, *copies)
    return groups


def _plnm(task: UnitTask, shared: Shared, engine: str, reporter: Reporter | None) -> Fitted:
    from validkit.plnm.model import PLNMModel

    protocol, split = shared.protocol, task.split
    assert task.part is not None
    seed_of, torch_seed = seeds_of(protocol, split)
    inputs = shared.inputs.restricted(task.part.columns, task.part.repeats)
    training, held_out = inputs.take(split.training), inputs.take(split.held_out)
    model = PLNMModel(
        protocol.plnm,
        predictors=protocol.cohort.predictors,
        groups=repeated_outlines(protocol),
        seed_of=seed_of,
        torch_seed=torch_seed,
        level=protocol.evaluation.level,
        cross_fit=protocol.cross_fits,
        before=None if task.before is None else task.before.fitted,
        device=shared.device,
        engine=engine,
        store=Store(task.records, context=shared.context),
        reporter=reporter,
    )
    looks: list[dict[str, Any]] = []
    look = _look(task, model, held_out, looks)
    found = []
    locking = Locking(task.lock, protocol.copies)
    imputer = _imputer(protocol, training, seed_of)
    for copy in range(1, protocol.copies + 1):
        seen = training if imputer is None else training.completed(imputer.transform(training.predictors, copy=copy))
        unseen = held_out if imputer is None else held_out.completed(imputer.transform(held_out.predictors, copy=copy))
        if copy == 1:
            model.fit(seen, task.y, look)
        else:
            model.fit_clinical(seen, task.y)
        found += _parts(split, copy, model, seen, unseen, seen.originals)
        locking.plnm(model, copy, imputer)
    fitted = Fitted(
        predictions=pd.concat(found, ignore_index=True)[list(COLUMNS)],
        records=dict(model.records_),
        timings=model.timings_,
        chosen=dict(model.chosen_),
        fits=dict(model.fits_),
        parameters=model.parameters_digest(),
        looks=looks,
    )
    fitted.notes += _undefined(model, held_out) + locking.notes
    fitted.model_files = locking.files
    if task.saliency and len(split.held_out):
        from validkit.plnm.measuring import explain

        fitted.records["deep"]["saliency"], fitted.saliency = explain(model, held_out, task.saliency)
    return fitted


def _look(task: UnitTask, model: Any, held_out: Any, looks: list[dict[str, Any]]) -> Any:
    """What opens held-out outcomes to choose by their AUC, and writes each look down; None where nothing may."""
    if task.peek is None:
        return None
    from validkit import stats

    y = task.peek

    def look(stage: str, predict: Any) -> Mapping[str, float]:
        found = {name: stats.auc(y, p).value for name, p in predict(held_out).items()}
        text = f"held-out outcomes were opened to choose in stage {stage!r} by held-out AUC: " + ", ".join(
            f"{name} {value:.3f}" for name, value in found.items()
        )
        looks.append({"stage": stage, "split": task.split.name, "text": text, "auc": found})
        return found

    return look


def _imputer(protocol: Protocol, training: Any, seed_of: Any) -> Any:
    """The imputer of the clinical columns, fitted to training patients; None where nothing is imputed."""
    if protocol.cohort.missing != "impute" or not protocol.cohort.predictors:
        return None
    from validkit.tabular.imputation import Imputer

    declared = protocol.cohort.predictors
    imputer = Imputer(
        protocol.imputation,
        kinds={name: declared[name].kind for name in sorted(declared)},
        levels={name: spec.levels for name, spec in declared.items() if spec.levels},
        random_state=seed_of("imputation"),
    )
    imputer.fit(training.predictors[training.originals])
    if len(imputer.dropped_):
        raise StageError(
            f"no training patient has a value of {', '.join(map(repr, imputer.dropped_))}: nothing to impute from; "
            "leave the predictor out of the protocol, or bring patients who have it"
        )
    return imputer


def _undefined(model: Any, held_out: Any) -> list[dict[str, str]]:
    who = list(model.undefined(held_out).index) if len(held_out.patients) else []
    if not who:
        return []
    named = ", ".join(map(str, who[:10]))
    text = f"selected features were undefined for {len(who)} held-out patients and took the training median: {named}"
    return [{"severity": "warning", "stage": "radiomics", "text": text}]


# --- any estimator, and predictions that are there already --------------------------------------------


def _tabular(task: UnitTask, shared: Shared, engine: str, reporter: Reporter | None) -> Fitted:
    from validkit.tabular.model import TabularModel

    protocol, split = shared.protocol, task.split
    assert isinstance(protocol.model, Estimators)
    seed_of, _ = seeds_of(protocol, split)
    training, held_out = shared.inputs.take(split.training), shared.inputs.take(split.held_out)
    originals = np.asarray(~pd.Index(split.training).duplicated())
    found, parameters = [], []
    locking = Locking(task.lock, protocol.copies)
    whole = Fitted(pd.DataFrame(), {}, [], {}, {}, "")
    for copy in range(1, protocol.copies + 1):
        model = TabularModel(
            protocol.model,
            predictors=protocol.cohort.predictors,
            imputation=protocol.imputation,
            impute=protocol.cohort.missing == "impute",
            copy=copy,
            seed_of=seed_of,
            level=protocol.evaluation.level,
            cross_fit=protocol.cross_fits,
            before_split=None if task.before is None else task.before.copies[copy],
            store=Store(task.records, context=shared.context),
            engine=engine,
            reporter=reporter,
        ).fit(training, task.y)
        found += _parts(split, copy, model, training, held_out, originals)
        locking.table(model, copy)
        parameters.append(model.parameters_digest())
        whole.timings += model.timings_
        whole.records = whole.records or dict(model.records_)
        whole.chosen = whole.chosen or dict(model.chosen_)
        for stage, count in model.fits_.items():
            whole.fits[stage] = whole.fits.get(stage, 0) + count
    whole.predictions = pd.concat(found, ignore_index=True)[list(COLUMNS)]
    whole.parameters = digest(parameters)
    whole.notes += locking.notes
    whole.model_files = locking.files
    return whole


def _ready(task: UnitTask, shared: Shared) -> Fitted:
    """Predictions made elsewhere, or by a locked model: nothing is fitted."""
    if isinstance(shared.protocol.model, Bundle):
        return _locked(task, shared)
    from validkit.tabular.given import GivenModel

    assert isinstance(shared.protocol.model, Predictions)
    table = GivenModel(shared.protocol.model).predict(shared.inputs.take(task.split.held_out))
    found = _long(task.split, 1, table, HELD_OUT, HELD_OUT)
    return Fitted(found[list(COLUMNS)], {}, [], {}, {}, digest("as given", table))


def _locked(task: UnitTask, shared: Shared) -> Fitted:
    """A locked model's predictions, of each completed copy that it was fitted to."""
    from validkit.external import predict_external

    made = predict_external(shared.inputs, task.split.held_out)
    predictions = held_out_rows(task.split, made.tables)
    return Fitted(predictions, {"bundle": made.record}, [], made.chosen, {}, made.digest, notes=made.notes)


# --- predictions -----------------------------------------------------------------------------------


def _parts(
    split: Split, copy: int, model: Any, training: Any, held_out: Any, originals: np.ndarray
) -> list[pd.DataFrame]:
    """Every prediction of one fit: apparent, cross-fitted, held out; a patient drawn again is written once."""
    apparent = model.fitted(training)[originals]
    found = [_long(split, copy, apparent, TRAINING, APPARENT)]
    if model.cross_fitted_:
        unseen = pd.DataFrame(model.cross_fitted_, index=training.patients)[originals]
        found.append(_long(split, copy, unseen, TRAINING, CROSS_FITTED))
    if len(split.held_out):
        found.append(_long(split, copy, model.predict(held_out), HELD_OUT, HELD_OUT))
    return found


def held_out_rows(split: Split, tables: Mapping[int, pd.DataFrame]) -> pd.DataFrame:
    """COLUMNS of held-out patients' risks; tables : (n, models) by completed copy, from 1."""
    found = [_long(split, copy, table, HELD_OUT, HELD_OUT) for copy, table in tables.items()]
    return pd.concat(found, ignore_index=True)[list(COLUMNS)]


def _long(split: Split, copy: int, table: pd.DataFrame, part: str, kind: str) -> pd.DataFrame:
    long = table.rename_axis(index="patient").reset_index().melt("patient", var_name="model", value_name="probability")
    facts: dict[str, Any] = {"split": split.name, "repeat": split.repeat, "fold": split.fold, "imputation": copy}
    return long.assign(**facts, set=part, kind=kind)


def all_predictions(fitted: Sequence[Fitted]) -> pd.DataFrame:
    """The predictions of every unit, in order."""
    return pd.concat([one.predictions for one in fitted], ignore_index=True)
