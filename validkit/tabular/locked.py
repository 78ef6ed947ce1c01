"""Fitted estimators on a table as files without pickle, and back: what they learnt, and nothing of how.

copy.K.json : the models of the K-th completed copy and their recalibration
estimator.K.N.skops : the N-th declared model, of a closed list of types
imputer.K.json : where predictors are filled in
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from validkit.errors import InputError
from validkit.plnm.storage import dump_estimator, load_estimator
from validkit.sections import Estimator, Estimators, Section
from validkit.stats.results import Estimate
from validkit.stats.updating import IsotonicUpdate, LogisticUpdate
from validkit.store import Files, to_json
from validkit.tabular.inputs import TableInputs
from validkit.tabular.locked_imputer import imputer_bytes, read_imputer
from validkit.tabular.model import TabularModel
from validkit.tabular.preparation import Preparation, Prepared
from validkit.tabular.recalibration import Recalibration
from validkit.tabular.trusted import TRUSTED_ESTIMATORS

if TYPE_CHECKING:
    from validkit.protocol import Protocol

__all__ = ["LockedTable", "expected", "locked_files", "read_locked", "without"]


class Recalibrated(Section):
    """How risks are changed after the estimator; see `validkit.tabular.recalibration.Recalibration`.

    numbers : intercept and slope of Platt's scaling, the points of an isotonic curve, or nothing where it was left out
    """

    method: str
    limit: float
    on: str
    note: str
    numbers: tuple[tuple[float, ...], ...]


class Copy(Section):
    """copy.K.json. there : the predictors that any training patient has a value of."""

    copies: int
    there: tuple[str, ...]
    imputes: bool
    models: dict[str, Recalibrated | None]


def locked_files(model: TabularModel, copy: int = 1, copies: int = 1) -> dict[str, bytes]:
    """What a fitted model learnt, as files.

    Raises InputError, naming the model and the types, where an estimator is not among those that may travel.
    """
    files: dict[str, bytes] = {}
    imputer = model.prepared_.imputer
    if imputer is not None:
        files[f"imputer.{copy}.json"] = imputer_bytes(imputer)
    for place, one in enumerate(model.settings.estimators):
        try:
            data = dump_estimator(model.fitted_[one.name], TRUSTED_ESTIMATORS)
            load_estimator(data, TRUSTED_ESTIMATORS)
        except InputError as error:
            raise InputError(f"model {one.name!r}: {error}") from error
        files[f"estimator.{copy}.{place}.skops"] = data
    record = Copy(
        copies=copies,
        there=model.prepared_.there,
        imputes=imputer is not None,
        models={one.name: _recalibrated(model.recalibrations_.get(one.name)) for one in model.settings.estimators},
    )
    return files | {f"copy.{copy}.json": _text(record)}


def _recalibrated(found: Recalibration | None) -> Recalibrated | None:
    if found is None:
        return None
    numbers = [np.asarray(values) for values in found.numbers()]
    if found.method == "isotonic" and numbers:
        numbers = [values[_ends(numbers[1])] for values in numbers]
    rows = tuple(tuple(values.tolist()) for values in numbers)
    return Recalibrated(method=found.method, limit=found.limit, on=found.on, note=found.note, numbers=rows)


def _ends(y: np.ndarray) -> np.ndarray:
    """(k,) the ends of each level of an isotonic curve: the points between them change nothing."""
    turns = np.diff(y) != 0
    ends: np.ndarray = np.concatenate([[True], turns]) | np.concatenate([turns, [True]])
    return ends


def _text(record: Section) -> bytes:
    return to_json(record.model_dump(mode="json")).encode()


# --- what is left out ------------------------------------------------------------------------------


def without(files: Files, barred: Mapping[str, str], protocol: Protocol) -> tuple[dict[str, bytes], dict[str, str]]:
    """(the files without these, {model: why it is left out}); barred : file to the reason.

    Raises InputError where the reference model cannot do without one of them.
    """
    assert isinstance(protocol.model, Estimators)
    first = Copy.model_validate_json(files["copy.1.json"])
    left_out: dict[str, str] = {}
    for place, one in enumerate(protocol.model.estimators):
        own = [f"estimator.{copy}.{place}.skops" for copy in range(1, first.copies + 1)]
        if first.imputes and one.missing == "impute":
            own += [f"imputer.{copy}.json" for copy in range(1, first.copies + 1)]
        why = [barred[file] for file in own if file in barred]
        if why:
            left_out[one.name] = why[0]
    reference = protocol.evaluation.compare.reference
    if reference in left_out or len(left_out) == len(first.models):
        name = reference if reference in left_out else next(iter(left_out))
        raise InputError(f"the model {name!r} {left_out[name]}")
    dropped = {place for place, one in enumerate(protocol.model.estimators) if one.name in left_out}
    rest = {
        name: data
        for name, data in files.items()
        if name not in barred and not (name.startswith("estimator.") and int(name.split(".")[2]) in dropped)
    }
    for copy in range(1, first.copies + 1):
        record = Copy.model_validate_json(files[f"copy.{copy}.json"])
        kept = {name: one for name, one in record.models.items() if name not in left_out}
        imputes = f"imputer.{copy}.json" in rest
        rest[f"copy.{copy}.json"] = _text(record.model_copy(update={"models": kept, "imputes": imputes}))
    return rest, left_out


# --- what comes back -------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class LockedTable:
    """Estimators that were fitted elsewhere, one set for each completed copy."""

    models: tuple[TabularModel, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Its models, by the names that predictions bear."""
        return tuple(one.name for one in self.models[0].settings.estimators)

    @property
    def predictors(self) -> tuple[str, ...]:
        """The columns that it needs, in the order they were declared."""
        return tuple(self.models[0].predictors)

    def predict(self, inputs: TableInputs, copy: int = 1) -> pd.DataFrame:
        """(n, models) probability of the event by the models of one copy."""
        return self.models[copy - 1].predict(inputs)


def read_locked(files: Files, protocol: Protocol) -> LockedTable:
    """The models from their files. Anything that `locked_files` did not write of this protocol is an InputError."""
    return LockedTable(tuple(_model(files, protocol, copy) for copy in range(1, protocol.copies + 1)))


def expected(files: Files, protocol: Protocol) -> set[str]:
    """Names of the files that the copies say there are."""
    found = set()
    places = {one.name: place for place, one in enumerate(_declared(protocol))}
    for copy in range(1, protocol.copies + 1):
        record = Copy.model_validate_json(files[f"copy.{copy}.json"])
        found |= {f"copy.{copy}.json"} | ({f"imputer.{copy}.json"} if record.imputes else set())
        found |= {f"estimator.{copy}.{places[name]}.skops" for name in record.models if name in places}
    return found


def _declared(protocol: Protocol) -> tuple[Estimator, ...]:
    if not isinstance(protocol.model, Estimators):
        raise InputError("the bundle's own protocol declares no estimators")
    return protocol.model.estimators


def _model(files: Files, protocol: Protocol, copy: int) -> TabularModel:
    record = Copy.model_validate_json(files[f"copy.{copy}.json"])
    declared, names = protocol.cohort.predictors, [one.name for one in _declared(protocol)]
    used = [one for one in _declared(protocol) if one.name in record.models]
    asked = any(one.missing == "impute" for one in used) and protocol.cohort.missing == "impute"
    sound = (
        record.copies == protocol.copies
        and bool(used)
        and set(record.models) <= set(names)
        and set(record.there) <= set(declared)
        and (record.imputes or not asked)
        and all((record.models[one.name] is None) == (one.recalibrate == "none") for one in used)
    )
    if not sound:
        raise InputError(f"copy.{copy}.json does not fit the bundle's own protocol")
    wanted = {name for one in used for name in (one.predictors or declared)}
    needed = {name: spec for name, spec in declared.items() if record.imputes or name in wanted}
    imputer: Any = None
    if record.imputes:
        imputer = read_imputer(files[f"imputer.{copy}.json"], protocol.imputation, declared, [copy])
    assert isinstance(protocol.model, Estimators)
    settings = protocol.model.model_copy(update={"estimators": tuple(used)})
    model = TabularModel(
        settings, predictors=needed, imputation=protocol.imputation, impute=record.imputes, copy=copy, seed_of=_no_seed
    )
    preparation = Preparation(needed, protocol.imputation, record.imputes, copy, _no_seed)
    model.prepared_ = Prepared(preparation, imputer, record.there)
    model.fitted_ = {
        one.name: load_estimator(files[f"estimator.{copy}.{names.index(one.name)}.skops"], TRUSTED_ESTIMATORS)
        for one in used
    }
    model.recalibrations_ = {name: _recalibration(one) for name, one in record.models.items() if one is not None}
    return model


def _recalibration(record: Recalibrated) -> Recalibration:
    rows = record.numbers
    update: Any = None
    if record.method == "platt" and [len(row) for row in rows] == [1, 1]:
        intercept, slope = (Estimate(row[0], method="locked") for row in rows)
        update = LogisticUpdate(intercept, slope, "Platt", 0, 0)
    elif record.method == "isotonic" and len(rows) == 2 and len(rows[0]) == len(rows[1]) > 0:
        update = IsotonicUpdate(np.array(rows[0]), np.array(rows[1]), 0, 0)
    elif rows:
        raise InputError(f"a recalibration by {record.method!r} does not hold what it needs")
    return Recalibration(record.method, update, record.limit, record.on, record.note)


def _no_seed(*identity: object) -> int:
    """A locked model draws nothing."""
    return 0
