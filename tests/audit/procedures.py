"""Simulated tables, the procedure run on them, and estimators that cheat."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression

from validkit.audit.study import Study
from validkit.cohort import Cohort
from validkit.fitting import Workshop, fit_all
from validkit.plan import make_plan
from validkit.preparing import Prepared, arrange, patients_of
from validkit.protocol import Protocol
from validkit.tabular.inputs import TableInputs

LR: dict[str, Any] = {
    "name": "lr",
    "estimator": "sklearn.linear_model.LogisticRegression",
    "parameters": {"max_iter": 200},
    "scale": True,
}
HOLDOUT = {"kind": "holdout", "test": 0.4}
KFOLD = {"kind": "kfold", "folds": 4}


def cohort(
    n: int = 120, columns: int = 5, signal: float = 1.0, missing: float = 0.0, sites: int = 1, seed: int = 0
) -> Cohort:
    """Patients with normal columns, of which the first is raised in those with the event."""
    rng = np.random.default_rng(seed)
    ids = [f"P{k:03d}" for k in range(n)]
    y = pd.Series(rng.permutation(np.arange(n) % 3 == 0).astype(np.int8), index=ids)
    values = rng.standard_normal((n, columns))
    values[:, 0] += signal * y.to_numpy()
    table = pd.DataFrame(values, index=ids, columns=[f"x{k}" for k in range(columns)])
    table = table.mask(rng.random(table.shape) < missing)
    site = pd.Series([f"site {k % sites}" for k in range(n)], index=ids) if sites > 1 else None
    groups = pd.Series(np.arange(n), index=ids)
    return Cohort(Path(), "simulated", "", True, "0" * 64, tuple(ids), y, site, groups, table)


def protocol_of(
    data: Cohort,
    *estimators: dict[str, Any],
    design: dict[str, Any] = HOLDOUT,
    before: tuple[str, ...] = (),
    **more: Any,
) -> Protocol:
    """A protocol of kind "estimators" on that table."""
    named = [LR | one for one in estimators or ({},)]
    document: dict[str, Any] = {
        "protocol": {"schema": 1, "name": "simulated", "question": "?", "seed": {"split": 7, "torch": 7}},
        "cohort": {
            "kind": "table",
            "outcome": {"column": "y"},
            "site": None if data.site is None else "site",
            "missing": "impute" if data.predictors.isna().to_numpy().any() else "refuse",
            "predictors": {name: {"kind": "continuous"} for name in data.predictors},
        },
        "design": design,
        "model": {"kind": "estimators", "estimators": named, "before_split": list(before)},
        "evaluation": {"compare": {"reference": named[0]["name"]}},
        "sentinels": more,
    }
    return Protocol.model_validate(document)


def study_of(data: Cohort, protocol: Protocol, records: Path | None = None, engine: str = "sequential") -> Study:
    """The protocol run on the table, as a sentinel takes it."""
    patients = patients_of(data)
    plan = make_plan(protocol, patients)
    prepared = arrange(protocol, plan, Prepared(TableInputs(data.predictors, patients.codes), ""), data.outcome)
    workshop = Workshop("cpu", engine, records)
    fitted, _ = fit_all(protocol, plan, prepared, data.outcome, workshop)
    units = dict(zip((split.name for split in plan.units), fitted, strict=True))
    return Study(protocol, data, plan, prepared, units, workshop)


# --- estimators that cheat ---------------------------------------------------------------------------

KNOWN: dict[str, int] = {}
"""what `Rememberer` keeps from one fit to the next"""
ANSWERS: dict[str, int] = {}
"""what `Peeker` knows of every patient"""


class _Cheat(ClassifierMixin, BaseEstimator):
    def fit(self, X: pd.DataFrame, y: np.ndarray) -> _Cheat:
        self.classes_ = np.array([0, 1])
        self.share_ = float(np.mean(y))
        return self

    def _said(self, risks: list[float]) -> np.ndarray:
        p = np.asarray(risks)
        return np.column_stack([1 - p, p])


class Rememberer(_Cheat):
    """Keeps the outcomes of every fit, by patient id, and predicts them when it meets the patient again."""

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> Rememberer:
        super().fit(X, y)
        KNOWN.update(zip(map(str, X.index), map(int, y), strict=True))
        return self

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        return self._said([KNOWN.get(str(name), self.share_) for name in X.index])


class Peeker(_Cheat):
    """Knows every patient's outcome by id, as where files are named by it."""

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        return self._said([0.1 + 0.8 * ANSWERS[str(name).partition("#")[0]] for name in X.index])


class Together(LogisticRegression):
    """Centres the patients whom it predicts on their own mean, so that each one's risk depends on the others."""

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        return super().predict_proba(X - X.mean() if len(X) > 1 else X)


class Unseeded(LogisticRegression):
    """Gives other coefficients each time."""

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> Unseeded:
        super().fit(X, y)
        self.coef_ = self.coef_ + np.random.default_rng().normal(0, 1e-6, self.coef_.shape)
        return self
