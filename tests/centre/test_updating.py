"""Updates of a locked model, judged on patients that they did not learn from."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from validkit import stats
from validkit.centre.updating import METHODS, Judged, judge_updates, updates_on_all
from validkit.errors import InputError, StageError


def centre(
    seed: int, n: int = 300, slope: float = 1.0, shift: float = 0.0
) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """Outcomes, a model's risks, and a column; logit P(event) = shift + slope logit(risk)."""
    rng = np.random.default_rng(seed)
    lp = rng.normal(-0.6, 1.2, n)
    table = pd.DataFrame({"age": rng.normal(50, 10, n), "constant": 1.0})
    return (rng.random(n) < expit(shift + slope * lp)).astype(np.int64), expit(lp), table


def by_name(judged: list[Judged]) -> dict[str, Judged]:
    return {one.method: one for one in judged}


def test_an_overfitted_model_is_mended_by_recalibration_and_not_by_the_large() -> None:
    y, p, table = centre(1, n=800, slope=0.4, shift=0.8)
    found = by_name(judge_updates(y, p, table, repeats=4))
    assert list(found) == list(METHODS)
    assert found["none"].estimates["slope"].value == stats.calibration_slope(y, p).value < 0.6
    assert found["logistic"].estimates["slope"].value == pytest.approx(1.0, abs=0.15)
    assert found["in the large"].estimates["slope"].value < 0.6
    assert found["in the large"].estimates["calibration_in_the_large"].value == pytest.approx(0.0, abs=0.1)
    assert found["logistic"].differences["brier"].high < 0
    assert found["logistic"].differences["log_loss"].high < 0
    assert found["closed test"].chosen is not None
    assert max(found["closed test"].chosen, key=found["closed test"].chosen.get) == "logistic recalibration"
    assert found["logistic"].estimates["auc"].value == pytest.approx(found["none"].estimates["auc"].value, abs=0.01)
    json.dumps([one.to_dict() for one in found.values()])


def test_a_right_model_gains_nothing_and_pays_for_isotonic_regression() -> None:
    """Judged on the rows that it learnt from, isotonic regression would win."""
    gains = {"apparent": [], "cross-fitted": []}
    for seed in range(12):
        rng = np.random.default_rng(seed)
        p = rng.uniform(0.3, 0.5, 80)
        y = (rng.random(80) < p).astype(np.int64)
        [found] = judge_updates(y, p, pd.DataFrame(index=range(80)), repeats=2, methods=["isotonic"])
        apparent = stats.brier(y, stats.recalibrate_isotonic(y, p).apply(p)).value
        gains["apparent"].append(apparent - stats.brier(y, p).value)
        gains["cross-fitted"].append(found.differences["brier"].value)
    assert max(gains["apparent"]) < 0
    assert np.mean(gains["cross-fitted"]) > 0.005


def test_the_closed_test_leaves_a_right_model_alone() -> None:
    alone = [by_name(judge_updates(*centre(seed), repeats=1))["closed test"].chosen or {} for seed in range(20, 50)]
    assert sum(one.get("none", 0) for one in alone) >= 0.8 * sum(sum(one.values()) for one in alone)


def test_folds_keep_groups_together_and_follow_the_seed() -> None:
    y, p, table = centre(3, n=120)
    twice = np.repeat(np.arange(60), 2)
    y = np.repeat(y[::2], 2)
    one, again, other = (
        judge_updates(y, p, table, groups=twice, repeats=2, seed=s, methods=["platt"]) for s in (1, 1, 2)
    )
    assert one[0].to_dict() == again[0].to_dict()
    assert one[0].to_dict() != other[0].to_dict()
    with pytest.raises(StageError, match="declare fewer folds"):
        judge_updates(y, p, table, groups=np.arange(120) // 40, repeats=1)


def test_what_cannot_be_fitted_says_why() -> None:
    y, p, table = centre(4)
    table.loc[3, "age"] = np.nan
    found = by_name(judge_updates(y, p, table, repeats=1, methods=["refit", "closed test"]))
    assert found["refit"].why == "patients here have no value in age"
    assert found["closed test"].why == ""
    flat = by_name(judge_updates(y, np.full(300, 0.3), table, repeats=1, methods=["in the large", "logistic"]))
    assert flat["in the large"].why == ""
    assert flat["logistic"].why.startswith("could not be fitted to a fold")
    with pytest.raises(InputError, match="`methods` names 'magic'"):
        judge_updates(y, p, table, methods=["magic"])


def test_updates_for_later_are_those_of_all_patients() -> None:
    y, p, table = centre(5)
    found = updates_on_all(y, p, table)
    line = stats.recalibrate_logistic(y, p)
    assert found["logistic"]["slope"]["value"] == line.slope.value
    fit = stats.logistic_regression(np.column_stack([logit(p), table["age"]]), y)
    assert found["refit"]["coefficients"][1]["value"] == pytest.approx(fit.coefficients[1].value)
