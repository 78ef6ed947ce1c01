"""Agreement and updating against ../shared/reference/reference.json, read in place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from validkit.errors import InputError
from validkit.stats.agreement import icc, icc_all
from validkit.stats.closed_testing import closed_test
from validkit.stats.kappa import cohen_kappa
from validkit.stats.updating import recalibrate_in_the_large, recalibrate_logistic

IDS = (
    "icc.shroutfleiss",
    "icc.2x2",
    "icc.constant",
    "icc.missing",
    "update.intercept",
    "update.logistic",
    "update.closedtest",
)


class Reference:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        entries = json.loads((folder / "reference.json").read_text(encoding="utf-8"))["entries"]
        self.entries = {entry["id"]: entry for entry in entries}

    def values(self, identity: str) -> Any:
        return self.entries[identity]["values"]

    def table(self, name: str) -> pd.DataFrame:
        return pd.read_csv(self.folder / "data" / f"{name}.csv", dtype=str).astype(float)


@pytest.fixture(scope="session")
def reference(shared: Path) -> Reference:
    return Reference(shared / "reference")


def close(ours: Any, theirs: Any, tolerance: float = 1e-10) -> None:
    np.testing.assert_allclose(np.asarray(ours, float), np.asarray(theirs, float), rtol=tolerance, atol=tolerance)


def test_the_entries_exist(reference: Reference) -> None:
    assert set(IDS) <= set(reference.entries)


@pytest.mark.parametrize("identity", ["icc.shroutfleiss", "icc.2x2"])
def test_six_forms_at_once(reference: Reference, identity: str) -> None:
    ratings = np.array([[1, 1.1], [2, 2.2]]) if identity == "icc.2x2" else reference.table("shrout_fleiss").to_numpy()
    found = icc_all(ratings)
    assert len(found) == 6
    for kind, want in reference.values(identity).items():
        a = found[f"ICC({kind[3]},{'k' if kind.endswith('k') else '1'})"]
        ours = [part[0] for part in (a.value, a.statistic, a.df1, a.df2, a.p_value, a.low, a.high)]
        close(ours, [want[name] for name in ("ICC", "F", "df1", "df2", "p", "lower bound", "upper bound")])


def test_where_psych_prints_rounding_noise(reference: Reference) -> None:
    assert max(np.abs(reference.values("icc.constant")["ICC"])) < 1e-14
    for one in icc_all(np.ones((6, 2))).values():
        assert np.isnan(one.value).all()


def test_missing_ratings(reference: Reference) -> None:
    assert "missing data were found for 1 cases" in reference.values("icc.missing")["error"]
    ratings = reference.table("shrout_fleiss").to_numpy()
    ratings[1, 2] = np.nan
    with pytest.raises(InputError, match=r"subject 1, rater 2, feature 0\).*complete-case"):
        icc(ratings)
    found = icc(ratings, missing="complete-case")
    assert found.n_used.tolist() == [5]
    assert found.value[0] == icc(np.delete(ratings, 1, axis=0)).value[0]


def test_kappa(reference: Reference) -> None:
    table = reference.table("cc_test")
    close(cohen_kappa(table["p"] >= 0.5, table["y"] == 1).value, reference.values("kappa.psych")[0])


def test_updating(reference: Reference) -> None:
    table = reference.table("cc_test")
    large = recalibrate_in_the_large(table["y"], table["p2"])
    close(large.intercept.value, reference.values("update.intercept")[0])
    line = recalibrate_logistic(table["y"], table["p2"])
    close([line.intercept.value, line.slope.value], reference.values("update.logistic"))
    want = reference.values("update.closedtest")
    found = closed_test(table["y"], table["p2"], predictors=table[["x1"]])
    close(found.log_likelihoods, want["loglik"])
    (_, first), (_, second), (_, third) = found.steps
    close([first.statistic, first.p_value], [want["LR_refit_vs_orig"], want["p_df2"]], 1e-9)
    close([second.statistic, second.p_value], [want["LR_refit_vs_int"], want["p_df1"]], 1e-9)
    assert (first.df, second.df, third.df, third.p_value) == (2.0, 1.0, 0.0, 1.0)
    assert found.chosen == "none"
