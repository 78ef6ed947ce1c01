from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from validkit.sections import Estimators, Imputation, Predictor
from validkit.tabular.inputs import TableInputs
from validkit.tabular.model import TabularModel

PREDICTORS = {
    "age": Predictor(kind="continuous"),
    "marker": Predictor(kind="continuous", range=(0.0, 50.0)),
    "male": Predictor(kind="binary"),
    "stage": Predictor(kind="ordinal", levels=("I", "II", "III")),
    "site of pain": Predictor(kind="categorical", levels=("left", "right", "both", "none")),
}


class Data(NamedTuple):
    predictors: dict[str, Predictor]
    inputs: TableInputs
    y: np.ndarray

    @property
    def kinds(self) -> dict[str, str]:
        return {name: spec.kind for name, spec in self.predictors.items()}

    @property
    def levels(self) -> dict[str, tuple[str, ...]]:
        return {name: spec.levels for name, spec in self.predictors.items() if spec.levels}

    def at(self, rows: Any) -> tuple[TableInputs, np.ndarray]:
        rows = np.asarray(rows)
        return self.inputs.rows(rows), self.y[rows]


def seed_of(*identity: object) -> int:
    text = "\0".join(map(str, ("tests", *identity)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def make_data(n: int = 160, missing: float = 0.2, seed: int = 0) -> Data:
    """Patients whose predictors hang together and predict the outcome; values missing at random places."""
    rng = np.random.default_rng(seed)
    latent = rng.standard_normal(n)
    pain = np.where(rng.random(n) < 0.6, (latent > 0).astype(int), rng.integers(0, 4, n))
    levels = PREDICTORS["site of pain"].levels
    table = pd.DataFrame(
        {
            "age": 55 + 8 * latent + 4 * rng.standard_normal(n),
            "marker": np.exp(1 + 0.5 * latent + 0.3 * rng.standard_normal(n)),
            "male": (rng.random(n) < 0.4 + 0.2 * (latent > 0)).astype(float),
            "stage": np.clip(np.round(1 + 0.8 * latent + 0.4 * rng.standard_normal(n)), 0, 2),
            "site of pain": pd.Categorical([levels[code] for code in pain], categories=list(levels)),
        },
        index=pd.Index([f"P{i:03d}" for i in range(n)], name="patient"),
    )
    y = (rng.random(n) < 1 / (1 + np.exp(-1.5 * latent))).astype(np.int64)
    for name in table.columns[1:]:
        table.loc[rng.random(n) < missing, name] = np.nan
    return Data(PREDICTORS, TableInputs(table, np.arange(n)), y)


def make_settings(*estimators: dict[str, Any], **rest: Any) -> Estimators:
    return Estimators.model_validate({"kind": "estimators", "estimators": list(estimators), **rest})


LR: dict[str, Any] = {
    "name": "lr",
    "estimator": "sklearn.linear_model.LogisticRegression",
    "parameters": {"max_iter": 1000},
    "scale": True,
}
TREES: dict[str, Any] = {
    "name": "trees",
    "estimator": "sklearn.ensemble.HistGradientBoostingClassifier",
    "parameters": {"max_iter": 15, "min_samples_leaf": 5},
    "missing": "native",
}


def make_model(settings: Estimators, **changes: Any) -> TabularModel:
    given: dict[str, Any] = {
        "predictors": PREDICTORS,
        "imputation": Imputation(method="iterative", copies=3, iterations=3),
        "impute": True,
        "copy": 1,
        "seed_of": seed_of,
    }
    return TabularModel(settings, **given | changes)


class Tools(NamedTuple):
    data: Callable[..., Data] = make_data
    settings: Callable[..., Estimators] = make_settings
    model: Callable[..., TabularModel] = make_model
    seed_of: Callable[..., int] = seed_of
    lr: dict[str, Any] = LR
    trees: dict[str, Any] = TREES


@pytest.fixture(scope="session")
def tools() -> Tools:
    return Tools()


@pytest.fixture(scope="session")
def data() -> Data:
    return make_data()
