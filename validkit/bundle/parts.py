"""The two kinds of model that can be locked, under one face."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from validkit.bundle.manifest import unreadable
from validkit.errors import InputError
from validkit.protocol import Protocol
from validkit.sections import PLNM, Estimators
from validkit.store import Files

__all__ = ["Model", "build", "leave_out"]

IMPUTER = "imputer.json"
"""of the PLNM model, whose clinical columns alone are filled in"""


@dataclass(frozen=True, eq=False)
class Model:
    """A locked model ready to predict; of it, `LockedPLNM` or `LockedTable`."""

    kind: Literal["plnm", "estimators"]
    of: Any
    names: tuple[str, ...]
    predictors: tuple[str, ...]
    features: tuple[str, ...] = ()

    @property
    def chosen(self) -> dict[str, str]:
        """What the PLNM model chose; nothing for other models."""
        return dict(self.of.record.chosen) if self.kind == "plnm" else {}


def build(files: Files, protocol: Protocol, *, device: str) -> Model:
    """The model from its files, after a look that these are all it needs and no more."""
    try:
        return _plnm(files, protocol, device) if isinstance(protocol.model, PLNM) else _table(files, protocol)
    except KeyError as error:
        raise InputError(f"member {error} is missing") from error
    except ValidationError as error:
        raise InputError(unreadable(error)) from error


def leave_out(files: Files, barred: Mapping[str, str], protocol: Protocol) -> tuple[dict[str, bytes], dict[str, str]]:
    """(the files without those barred, {model: why it is left out}); InputError where one cannot be spared."""
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
    return Model("plnm", model, model.names, model.predictors, model.features)


def _table(files: Files, protocol: Protocol) -> Model:
    from validkit.tabular.locked import expected, read_locked

    if not isinstance(protocol.model, Estimators):
        raise InputError(f"a model of kind {protocol.model.kind!r} cannot be locked: nothing of it is fitted")
    _same(files, expected(files, protocol))
    model = read_locked(files, protocol)
    return Model("estimators", model, model.names, model.predictors)
