"""Independent clinical predictors (Table 2), and the clinical model that the nomogram is compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
from scipy import special
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from validkit.errors import InputError, StageError
from validkit.stats.checks import check_outcome
from validkit.stats.coding import Coding, check_predictors, learn_coding
from validkit.stats.regression import LogisticFit, dependent_columns, logistic_regression
from validkit.stats.results import NAN, Estimate
from validkit.stats.screening import PredictorScreen, screen_predictors


class Spec(Protocol):
    """What is declared of a predictor, as in the protocol's [cohort.predictors]."""

    @property
    def kind(self) -> Any:
        """One of continuous, ordinal, categorical, binary."""

    @property
    def levels(self) -> tuple[str, ...]:
        """Levels of a categorical or ordinal predictor, the reference or lowest first."""


def encode(predictors: pd.DataFrame, specs: Mapping[str, Spec] | None = None) -> pd.DataFrame:
    """Clinical columns as numbers: (n, columns) float64.

    Continuous, ordinal and binary predictors stay one column each; a categorical one becomes a column "name=level" of
    0 and 1 for each level with a patient but the first, its reference. Declared levels order text columns.
    """
    specs = specs or {}
    table = predictors.copy()
    for name in table.columns:
        spec = specs.get(str(name))
        if spec is not None and spec.kind == "categorical" and not isinstance(table[name].dtype, pd.CategoricalDtype):
            strange = sorted({str(v) for v in table[name].dropna()} - set(spec.levels))
            if strange:
                raise InputError(f"column {name!r} has the level {strange[0]!r}, not among {', '.join(spec.levels)}")
            table[name] = pd.Categorical(table[name].map(str, na_action="ignore"), categories=list(spec.levels))
    kinds = {name: str(spec.kind) for name, spec in specs.items()}
    return learn_coding(table, kinds=kinds).encode(table)


# --- a logistic regression on whatever columns can be estimated --------------------------------


@dataclass(frozen=True)
class ColumnFit:
    """A logistic regression in which columns that cannot be estimated have coefficient 0.

    left_out : column to the reason; note : what a reader has to know
    """

    columns: tuple[str, ...]
    fit: LogisticFit
    left_out: Mapping[str, str]
    note: str

    @property
    def intercept(self) -> float:
        """Log odds where every column is 0."""
        return self.fit.coefficients[0].value

    @property
    def beta(self) -> np.ndarray:
        """(columns,) log odds per unit."""
        return np.array([0.0 if c in self.left_out else self.coefficient(c).value for c in self.columns])

    def coefficient(self, column: str) -> Estimate:
        """Log odds per unit of a column, undefined with the reason where it was left out."""
        return self._estimate(column, self.fit.coefficients)

    def odds_ratio(self, column: str) -> Estimate:
        """Odds ratio per unit of a column, undefined with the reason where it was left out."""
        return self._estimate(column, self.fit.odds_ratios)

    def _estimate(self, column: str, estimates: Sequence[Estimate]) -> Estimate:
        if column not in self.left_out:
            return estimates[self.fit.term(column)]
        first = estimates[0]
        why = f"left out: {self.left_out[column]}"
        return Estimate(NAN, level=first.level, method="left out", n=first.n, n_events=first.n_events, note=why)

    def linear_predictor(self, columns: pd.DataFrame) -> np.ndarray:
        """(n,) log odds of coded patients."""
        return self.intercept + columns.loc[:, list(self.columns)].to_numpy(dtype=np.float64) @ self.beta


def fit_columns(columns: pd.DataFrame, y: np.ndarray, level: float = 0.95, interval: str | None = None) -> ColumnFit:
    """Maximum likelihood, or Firth's where the outcome is separated; constant and dependent columns left out, stated.

    columns : (n, p) numeric, finite; y : (n,) in {0, 1}, at least two of each
    """
    values = columns.to_numpy(dtype=np.float64)
    names = [str(c) for c in columns.columns]
    left_out = {name: "does not vary" for name, width in zip(names, np.ptp(values, axis=0), strict=True) if width == 0}
    varying = [name for name in names if name not in left_out]
    part = columns.loc[:, varying].to_numpy(dtype=np.float64)
    if varying:
        standard = np.hstack([np.ones((len(part), 1)), (part - part.mean(axis=0)) / part.std(axis=0)])
        dependent = {varying[j - 1]: "follows exactly from the columns before it" for j in dependent_columns(standard)}
        left_out |= dependent
    used = [name for name in varying if name not in left_out]
    fit = logistic_regression(columns.loc[:, used], y, level=level, penalty="if-separated", interval=interval)
    notes = [f"{name} is left out: {why}" for name, why in left_out.items()]
    notes += [fit.note] if fit.note else []
    return ColumnFit(tuple(names), fit, left_out, "; ".join(notes))


def training_outcome(y: Any, X: pd.DataFrame, what: str) -> np.ndarray:
    """(n,) outcome of the patients of X with at least two of each; anything else is an error."""
    if isinstance(y, pd.Series) and isinstance(X, pd.DataFrame) and not y.index.equals(X.index):
        raise InputError(
            "`X` and `y` are indexed by different patients or in another order; align them: y.loc[X.index]"
        )
    outcome = check_outcome(y, "y")
    if len(X) != outcome.size:
        raise InputError(f"`X` has {len(X)} rows and `y` has {outcome.size}; they must be the same patients")
    events = int(outcome.sum())
    if min(events, outcome.size - events) < 2:
        raise StageError(
            f"{what} needs at least two training patients with and two without the event; "
            f"there are {events} and {outcome.size - events}"
        )
    return outcome


def freeze_levels(data: pd.DataFrame) -> pd.DataFrame:
    """Text columns as Categorical with the levels that are there, so that every part of the patients is coded alike."""
    text = [c for c in data.columns if not pd.api.types.is_numeric_dtype(data[c])]
    return data.assign(**{c: data[c].astype("category") for c in text if not _categorical(data[c])})


def _categorical(column: pd.Series) -> bool:
    return isinstance(column.dtype, pd.CategoricalDtype)


def unseen_note(coding: Coding, labels: Mapping[str, str] | None = None) -> list[str]:
    """One sentence for each predictor with declared levels that no training patient has."""
    return [
        f"no training patient has {(labels or {}).get(name) or name} = {', '.join(levels)}; such a patient is "
        f"given the risk of the reference, {coding.levels[name][0]}"
        for name, levels in coding.unseen.items()
        if levels
    ]


# --- the estimators ----------------------------------------------------------------------------


class ClinicalPredictors(BaseEstimator):
    """Which clinical predictors are independent: univariable, then multivariable logistic regression.

    candidates : columns that may enter; None for all; kinds, labels, units : by column, kinds read off the columns
    where they are not declared

    After `fit`: `selected_` (names, in order), `table_` (Table 2), `screen_` (every number, unrounded), `note_`.
    """

    def __init__(
        self,
        candidates: Sequence[str] | None = None,
        univariable_alpha: float = 0.05,
        multivariable_alpha: float = 0.05,
        level: float = 0.95,
        kinds: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
        units: Mapping[str, str] | None = None,
    ) -> None:
        self.candidates = candidates
        self.univariable_alpha = univariable_alpha
        self.multivariable_alpha = multivariable_alpha
        self.level = level
        self.kinds = kinds
        self.labels = labels
        self.units = units

    def fit(self, X: pd.DataFrame, y: Any) -> ClinicalPredictors:
        """X : (n, p) float64 and Categorical columns, nothing missing; y : (n,) in {0, 1}, training patients only."""
        names = [str(c) for c in X.columns] if self.candidates is None else list(self.candidates)
        check_predictors(X, names)
        outcome = training_outcome(y, X, "the choice of clinical predictors")
        self.screen_: PredictorScreen = screen_predictors(
            X.loc[:, names],
            outcome,
            kinds=self.kinds,
            labels=self.labels,
            units=self.units,
            univariable_alpha=self.univariable_alpha,
            multivariable_alpha=self.multivariable_alpha,
            level=self.level,
        )
        self.selected_ = list(self.screen_.selected)
        self.table_ = self.screen_.table("Clinical predictors: logistic regression on training patients")
        self.note_ = self.screen_.note
        return self

    def record(self) -> dict[str, Any]:
        """stages/clinical.json: Table 2, the selected predictors, and every number behind the table."""
        check_is_fitted(self, "screen_")
        return {
            "table2": self.table_.to_dict(),
            "selected": list(self.selected_),
            "note": self.note_,
            "screen": self.screen_.to_dict(),
        }


class ClinicalModel(ClassifierMixin, BaseEstimator):
    """Logistic regression on clinical predictors alone; without predictors, everyone has the training prevalence.

    After `fit`: `regression_` (a LogisticFit), `coding_`, `classes_`, `note_`.
    """

    def __init__(
        self, predictors: Sequence[str] = (), kinds: Mapping[str, str] | None = None, level: float = 0.95
    ) -> None:
        self.predictors = predictors
        self.kinds = kinds
        self.level = level

    def fit(self, X: pd.DataFrame, y: Any) -> ClinicalModel:
        """X : (n, p) clinical columns, at least the predictors; y : (n,) in {0, 1}."""
        check_predictors(X, list(self.predictors))
        outcome = training_outcome(y, X, "the clinical model")
        data = freeze_levels(X.loc[:, list(self.predictors)])
        self.coding_ = learn_coding(data, kinds=self.kinds)
        self.columns_ = fit_columns(self.coding_.encode(data), outcome, self.level)
        self.regression_ = self.columns_.fit
        self.classes_ = np.array([0, 1])
        notes = [self.columns_.note] if self.columns_.note else []
        if not self.predictors:
            notes.append("no clinical predictor: every patient is given the training prevalence")
        self.note_ = "; ".join([*notes, *unseen_note(self.coding_)])
        return self

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        """(n, 2) probabilities of no event and of the event."""
        check_is_fitted(self, "regression_")
        p = special.expit(self.columns_.linear_predictor(self.coding_.encode(X)))
        return np.column_stack([1 - p, p])

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        """(n,) the likelier outcome."""
        return self.classes_[(self.predict_proba(X)[:, 1] >= 0.5).astype(int)]
