"""Held-out patients replaced: what a leak changes, and what stays the same bit by bit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.audit.procedures import HOLDOUT, KFOLD, cohort, protocol_of, study_of
from validkit.audit.invariance import check_held_out_invariance, first_difference, outside
from validkit.audit.noise import disturbed
from validkit.audit.study import Study
from validkit.tabular.inputs import TableInputs

CHEAT = "tests.audit.procedures."


def study(*before: str, missing: float = 0.0, design: dict[str, Any] = HOLDOUT, **estimator: Any) -> Study:
    data = cohort(n=80, columns=30 if "selection" in before else 5, missing=missing)
    return study_of(data, protocol_of(data, estimator, design=design, before=before))


@pytest.mark.parametrize(
    "design",
    [HOLDOUT, KFOLD, {"kind": "nested", "folds": 3}, {"kind": "bootstrap", "resamples": 4}],
    ids=lambda one: one["kind"],
)
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_a_clean_procedure_learns_the_same_bits(design: dict[str, Any], missing: float) -> None:
    found = check_held_out_invariance(study(design=design, missing=missing, select={"keep": 3}))
    assert found.outcome == "pass", found.why
    for row in found.evidence["splits"]:
        assert row["parameters"] == row["parameters_disturbed"]
        assert row["disturbed"] > 0
        assert row["witnesses"] > 0


@pytest.mark.parametrize(
    ("before", "missing", "field"),
    [("scaling", 0.0, "coefficients"), ("imputation", 0.2, "imputation.fill"), ("selection", 0.0, "selected")],
)
def test_what_is_learnt_before_the_split_is_caught(before: str, missing: float, field: str) -> None:
    found = check_held_out_invariance(study(before, missing=missing, select={"keep": 3}))
    assert found.outcome == "fail"
    [row] = found.evidence["splits"]
    assert row["parameters"] != row["parameters_disturbed"]
    assert row["repeatable"] is True
    assert row["first_stage"] == "estimators"
    assert any(field in name for name in row["fields"])


def test_predictions_that_depend_on_the_other_held_out_patients_are_caught() -> None:
    found = check_held_out_invariance(study(estimator=CHEAT + "Together", parameters={}))
    assert found.outcome == "fail"
    assert found.evidence["splits"][0]["differs"] == ["predictions of held-out patients"]


def test_a_fit_without_a_seed_cannot_be_compared() -> None:
    found = check_held_out_invariance(study(estimator=CHEAT + "Unseeded", parameters={}))
    assert found.outcome == "not applicable"
    assert "other bits each time" in found.why
    assert "seed" in found.advice


def test_a_look_at_held_out_outcomes_fails_whatever_came_of_it() -> None:
    clean = study()
    looked = {"stage": "deep", "split": "holdout", "text": "opened", "auc": {"a": 0.6, "b": 0.5}}
    own = {name: replace(one, looks=[looked]) for name, one in clean.fitted.items()}
    found = check_held_out_invariance(replace(clean, fitted=own))
    assert found.outcome == "fail"
    assert "opened 1 time to choose" in found.why


def test_records_that_differ_are_named_by_stage_and_field() -> None:
    own = {"a": {"x": [1, 2], "y": {"z": 1.0}}, "b": {"saliency": [1]}}
    assert first_difference(own, {"a": {"x": [1, 2], "y": {"z": 1.0}}, "b": {"saliency": [2]}}) == ("", [])
    assert first_difference(own, {"a": {"x": [1, 3], "y": {"z": 2.0}}, "b": {}}) == ("a", ["x", "y.z"])
    assert first_difference(own, {"a": own["a"], "b": {"saliency": [1], "new": 1}}) == ("b", ["new"])


def test_the_patients_replaced_alone_change_and_in_every_column() -> None:
    rng = np.random.default_rng(0)
    ids = [f"P{k}" for k in range(40)]
    table = pd.DataFrame(
        {
            "a": rng.standard_normal(40),
            "b": np.arange(40) % 2.0,
            "c": pd.Categorical(np.array(["x", "y"])[np.arange(40) % 2]),
        },
        index=ids,
    ).assign(d=lambda t: t["a"].mask(t["b"] == 0))
    found = disturbed(TableInputs(table, np.arange(40)), ids[20:], np.random.default_rng(1)).predictors
    pd.testing.assert_frame_equal(found.iloc[:20], table.iloc[:20])
    for name in table:
        assert not found[name].iloc[20:].equals(table[name].iloc[20:]), name
    assert list(found.dtypes) == list(table.dtypes)
    assert set(found["b"]) == {0.0, 1.0}
    assert not found[["a", "b", "c"]].isna().to_numpy().any()


def test_a_resample_leaves_out_whom_it_did_not_draw() -> None:
    plan = study(design={"kind": "bootstrap", "resamples": 2}).plan
    for split in plan.splits:
        assert set(outside(split)) == set(plan.patients) - set(split.training)
