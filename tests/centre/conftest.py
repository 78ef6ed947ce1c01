"""A locked model of estimators, and a centre with names, units and codes of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("skops", reason="locked models need the models extra")
pytest.importorskip("xgboost", reason="locked models need the models extra")
pytest.importorskip("pint", reason="needs the transfer extra")

from tests.test_bundle import PROTOCOL, Home, run
from validkit.bundle import Locked, bundle_from_run, read_bundle
from validkit.cohort.phantom import write_table_phantom

HISTOLOGY = {"squamous": "SCC", "adeno": "adeno", "other": "9"}


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    folder = tmp_path_factory.mktemp("centre-home") / "cohort"
    write_table_phantom(folder, kind="clinical", patients=160, sites=1, seed=1, missing=0.05)
    return run(folder, PROTOCOL, "cohort.outcome.positive=metastasis", "cohort.outcome.negative=no metastasis")


@pytest.fixture(scope="session")
def bundle(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("centre-bundle") / "model.zip"
    files, told = home.fitted.model_files, home.evaluation
    predictions = home.fitted.predictions
    made = bundle_from_run(
        home.protocol, home.plan, files, home.data, told, path, inputs=home.inputs, predictions=predictions
    )
    assert made == path
    return path


@pytest.fixture(scope="session")
def locked(bundle: Path) -> Locked:
    return read_bundle(bundle)


def foreign(table: pd.DataFrame) -> pd.DataFrame:
    """The phantom's table as another hospital writes it: diameters in cm, own codes, an outcome in words."""
    return pd.DataFrame(
        {
            "CaseNo": [f"H{k:04d}" for k in range(len(table))],
            "Tumour max diameter": (table["max_diameter"] / 10).round(2),
            "AGE": table["age"],
            "hist": table["histology"].map(HISTOLOGY),
            "RBC": table["rbc"],
            "SCC-Ag": table["scc"],
            "nodes": np.where(table["plnm"] == 1, "metastasis", "none"),
            "ward": "B",
        }
    )


@pytest.fixture(scope="session")
def away(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with cohort.csv of a centre that took no part."""
    folder = tmp_path_factory.mktemp("centre-away")
    write_table_phantom(folder / "plain", kind="clinical", patients=120, sites=1, seed=9)
    table = pd.read_csv(folder / "plain" / "cohort.csv")
    (folder / "own").mkdir()
    foreign(table).to_csv(folder / "own" / "cohort.csv", index=False)
    return folder / "own"


MAP = """
patient = "CaseNo"
outcome = { column = "nodes", event = ["metastasis"], none = ["none"] }

[predictors.max_diameter]
column = "Tumour max diameter"
unit = "cm"

[predictors.age]
column = "AGE"

[predictors.histology]
column = "hist"
codes = { SCC = "squamous", 9 = "other" }

[predictors.rbc]
column = "RBC"

[predictors.scc]
column = "SCC-Ag"
"""
