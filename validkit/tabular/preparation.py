"""From patients to the columns that each model sees, with imputation learnt from training patients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from validkit.errors import InputError
from validkit.sections import Estimator, Imputation, Predictor
from validkit.tabular.columns import Encoding
from validkit.tabular.imputation import Imputer
from validkit.tabular.inputs import TableInputs
from validkit.tabular.variables import check_table

__all__ = ["Preparation", "Prepared", "Tables", "with_values"]


@dataclass(frozen=True)
class Tables:
    """The predictors of some patients as they came, and completed (None where nothing is imputed)."""

    raw: pd.DataFrame
    complete: pd.DataFrame | None


@dataclass(frozen=True)
class Preparation:
    """How predictors are prepared, as the protocol says; `learn` fits it to training patients.

    impute : whether missing values are filled in; copy : which completed copy is made
    """

    predictors: Mapping[str, Predictor]
    imputation: Imputation
    impute: bool
    copy: int
    seed_of: Callable[..., int]

    @property
    def kinds(self) -> dict[str, str]:
        """Kind of each predictor, in the order of their names: that of the protocol's keys changes no number."""
        return {name: self.predictors[name].kind for name in sorted(self.predictors)}

    @property
    def levels(self) -> dict[str, tuple[str, ...]]:
        """Levels of the predictors that have some, in order."""
        return {name: spec.levels for name, spec in self.predictors.items() if spec.levels}

    def imputer(self, training: TableInputs) -> Imputer | None:
        """The imputer of these patients, learnt from every declared predictor; None where nothing is imputed."""
        if not self.impute:
            return None
        seed = self.seed_of("imputation")
        made = Imputer(self.imputation, self.kinds, self.levels, random_state=seed, copies=(self.copy,))
        return made.fit(training.predictors)

    def learn(self, training: TableInputs, imputer: Imputer | None = None) -> Prepared:
        """Everything that predictors alone teach; imputer : one that was learnt elsewhere."""
        check_table(training.predictors, self.kinds, self.levels)
        return Prepared(self, imputer or self.imputer(training), with_values(training.predictors))


@dataclass(frozen=True)
class Prepared:
    """A preparation learnt from training patients; there : the predictors that any of them has a value of."""

    preparation: Preparation
    imputer: Imputer | None
    there: tuple[str, ...]

    def tables(self, inputs: TableInputs) -> Tables:
        """The predictors of any patients, checked, and completed where the protocol says so."""
        check_table(inputs.predictors, self.preparation.kinds, self.preparation.levels)
        if self.imputer is None:
            return Tables(inputs.predictors, None)
        return Tables(inputs.predictors, self.imputer.transform(inputs.predictors, copy=self.preparation.copy))

    def columns(self, one: Estimator, tables: Tables, *, gaps: bool = False) -> pd.DataFrame:
        """(n, columns) float64 that a model sees of these patients."""
        encoding = self.encoding(one)
        if one.missing == "native":
            return encoding.encode(tables.raw, tables.raw)
        table = tables.raw if tables.complete is None else tables.complete
        if tables.complete is None and not gaps:
            _refuse_missing(table, encoding, one.name)
        return encoding.encode(table, tables.raw)

    def encoding(self, one: Estimator) -> Encoding:
        """The predictors that a model sees and how they become columns."""
        imputes = one.missing == "impute" and self.imputer is not None
        usable = self.imputer.kept_ if imputes and self.imputer else self.there
        kinds = self.preparation.kinds
        names = [name for name in (one.predictors or kinds) if name in usable]
        indicators: tuple[str, ...] = ()
        if imputes and self.imputer and self.preparation.imputation.indicator:
            indicators = tuple(name for name in names if self.imputer.missing_[name])
        return Encoding({name: kinds[name] for name in names}, self.preparation.levels, indicators)

    def left_out(self, one: Estimator) -> list[str]:
        """Predictors that a model should see and does not, since no training patient has a value."""
        seen = self.encoding(one).kinds
        return [name for name in (one.predictors or self.preparation.kinds) if name not in seen]

    def record(self) -> dict[str, Any] | None:
        """What the report says of the imputation; None where nothing is imputed."""
        if self.imputer is None:
            return None
        indicator = self.preparation.imputation.indicator
        return {**self.imputer.record(), "copy": self.preparation.copy, "indicator": indicator}


def with_values(table: pd.DataFrame) -> tuple[str, ...]:
    """The columns that anybody has a value of."""
    return tuple(str(name) for name in table.columns if table[name].notna().any())


def _refuse_missing(table: pd.DataFrame, encoding: Encoding, model: str) -> None:
    for name in encoding.kinds:
        rows = np.flatnonzero(table[name].isna())
        if rows.size:
            raise InputError(
                f"model {model!r} cannot take missing values: column {name!r} has none for {rows.size} of {len(table)} "
                f'patients (first: {table.index[rows[0]]!r}); declare cohort.missing = "impute", or missing = "native" '
                "for an estimator that takes them"
            )
