"""The heart protocol's models on the real table: each hospital left out, as `validkit run heart` does it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from validkit import stats
from validkit.cohort import read_cohort
from validkit.protocol import read_protocol
from validkit.tabular import expected_fits
from validkit.tabular.inputs import TableInputs
from validkit.tabular.model import TabularModel


@pytest.fixture(scope="module")
def heart(shared: Path) -> Any:
    return read_cohort(shared / "data" / "uci-heart" / "heart.csv", read_protocol("heart").cohort)


@pytest.mark.parametrize(
    ("hospital", "lowest"),
    [("cleveland", 0.84), pytest.param("hungarian", 0.84, marks=pytest.mark.slow), ("va", 0.65)],
)
def test_a_hospital_that_took_no_part_is_predicted(heart: Any, tools: Any, hospital: str, lowest: float) -> None:
    protocol = read_protocol("heart")
    assert heart.predictors["chol"].isna().sum() == 202  # 30 empty cells and 172 zeros
    inputs = TableInputs(heart.predictors, heart.groups.to_numpy())
    outside = (heart.site == hospital).to_numpy()
    training, held_out = inputs.rows(np.flatnonzero(~outside)), inputs.rows(np.flatnonzero(outside))
    y = heart.outcome.to_numpy()
    model = TabularModel(
        protocol.model,
        predictors=protocol.cohort.predictors,
        imputation=protocol.imputation,
        impute=True,
        copy=1,
        seed_of=tools.seed_of,
        cross_fit=protocol.cross_fits,
    ).fit(training, y[~outside])
    assert model.fits_ == expected_fits(protocol.model, protocol.cross_fits)
    risks = model.predict(held_out)
    for name in ("lr", "boosting"):
        assert stats.auc(y[outside], risks[name]).value > lowest
    notes = model.records_["estimators"]["imputation"]["notes"]
    if hospital == "cleveland":
        assert notes == ["ca: its imputation rests on 10 of 617 training patients"]
