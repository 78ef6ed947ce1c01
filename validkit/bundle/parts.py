"""The two kinds of model that can be locked, under one face."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import ValidationError

from validkit.bundle.describing import coded
from validkit.bundle.lineage import NAME as LINEAGE
from validkit.bundle.lineage import Lineage, moved, read_lineage
from validkit.bundle.manifest import unreadable
from validkit.errors import InputError
from validkit.protocol import Protocol
from validkit.sections import PLNM, Estimators, Predictor
from validkit.store import Files

__all__ = ["Model", "build", "leave_out"]

IMPUTER = "imputer.json"
"""of the PLNM model, whose clinical columns alone are filled in"""


@dataclass(frozen=True, eq=False)
class Model:
    """A locked model ready to predict.

    of : `LockedPLNM` or `LockedTable`; names : its models; predictors : clinical columns that it looks at, among those
    declared; lineage : how it was updated since
    """

    kind: Literal["plnm", "estimators"]
    of: Any
    names: tuple[str, ...]
    predictors: tuple[str, ...]
    declared: Mapping[str, Predictor]
    features: tuple[str, ...] = ()
    lineage: Lineage | None = None

    def predict(self, inputs: Any, copy: int = 1) -> pd.DataFrame:
        """(n, models) probability of the event, indexed by patient, by the fit to one completed copy, from 1.

        inputs : `validkit.plnm.inputs.Inputs` or `validkit.tabular.inputs.TableInputs`
        """
        if self.lineage is None:
            found: pd.DataFrame = self.of.predict(inputs, copy)
            return found
        looked_at = {name: self.declared[name] for name in self.predictors}
        table = coded(inputs.predictors, looked_at)
        for step in self.lineage.steps:
            if step.measured is not None:
                covariates = table[list(step.measured.columns)].to_numpy(np.float64) if step.measured.columns else None
                inputs = moved(inputs, step.measured.site, covariates)
        found = self.of.predict(inputs, copy)[list(self.names)]
        for step in self.lineage.steps:
            found[step.model] = step.apply(found[step.model].to_numpy(np.float64), table)
        return found

    @property
    def chosen(self) -> dict[str, str]:
        """What the PLNM model chose; nothing for other models."""
        return dict(self.of.record.chosen) if self.kind == "plnm" else {}


def build(files: Files, protocol: Protocol, *, device: str) -> Model:
    """The model from its files, after a look that these are all it needs and no more."""
    lineage, fitted = read_lineage(files), {name: data for name, data in files.items() if name != LINEAGE}
    try:
        plnm = isinstance(protocol.model, PLNM)
        model = _plnm(fitted, protocol, device) if plnm else _table(fitted, protocol)
        return model if lineage is None else _updated(model, lineage, protocol)
    except KeyError as error:
        raise InputError(f"member {error} is missing") from error
    except ValidationError as error:
        raise InputError(unreadable(error)) from error


def leave_out(files: Files, barred: Mapping[str, str], protocol: Protocol) -> tuple[dict[str, bytes], dict[str, str]]:
    """(the files without those barred, {model: why it is left out}); InputError where one cannot be spared."""
    if LINEAGE in barred:
        raise InputError(f"the update {barred[LINEAGE]}")
    if isinstance(protocol.model, PLNM):
        from validkit.plnm.locked import without

        return without(files, barred)
    from validkit.tabular.locked import without as without_table

    return without_table(files, barred, protocol)


def _same(files: Files, expected: set[str]) -> None:
    for name in sorted(set(files) ^ expected):
        raise InputError(f"member {name!r} is {'not one of this model' if name in files else 'missing'}")


def _plnm(files: Files, protocol: Protocol, device: str) -> Model:
    from validkit.plnm.locked import expected, read_locked
    from validkit.tabular.locked_imputer import read_imputer

    imputes = protocol.cohort.missing == "impute" and bool(protocol.cohort.predictors)
    _same(files, expected(files) | ({IMPUTER} if imputes else set()))
    imputer = None
    if imputes:
        copies = range(1, protocol.copies + 1)
        imputer = read_imputer(files[IMPUTER], protocol.imputation, protocol.cohort.predictors, copies)
    model = read_locked(files, protocol, imputer, device)
    return Model("plnm", model, model.names, model.predictors, protocol.cohort.predictors, model.features)


def _table(files: Files, protocol: Protocol) -> Model:
    from validkit.tabular.locked import expected, read_locked

    if not isinstance(protocol.model, Estimators):
        raise InputError(f"a model of kind {protocol.model.kind!r} cannot be locked: nothing of it is fitted")
    _same(files, expected(files, protocol))
    model = read_locked(files, protocol)
    return Model("estimators", model, model.names, model.predictors, protocol.cohort.predictors)


def _updated(model: Model, lineage: Lineage, protocol: Protocol) -> Model:
    """The one model that a lineage updates; InputError where it names what the model has not."""
    name = lineage.steps[0].model
    specs = {one: model.declared[one] for one in model.predictors}
    columns = set(coded(pd.DataFrame(columns=list(specs), dtype=object), specs))
    features = set(model.features) or {one for one, spec in specs.items() if spec.kind == "continuous"}
    for step in lineage.steps:
        used = {*step.columns, *(step.measured.columns if step.measured else ())}
        measured = step.measured.features if step.measured else ()
        if step.model not in model.names or used - columns or set(measured) - features:
            raise InputError(f"member {LINEAGE!r} updates what the model has not")
    if protocol.copies > 1:
        raise InputError(f"member {LINEAGE!r}: a model of several imputed copies is not updated as one")
    return replace(model, names=(name,), lineage=lineage)
