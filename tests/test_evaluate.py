"""Predictions to statistics: every registered measure, its chance its own, the older numbers untouched by it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from validkit import judging as module
from validkit import stats
from validkit.evaluate import MOST_REPLICATES, SETS, evaluate
from validkit.sections import Evaluation
from validkit.stats import METRICS
from validkit.store import to_json

SEED = 20
BOOTSTRAPPED = {"partial_auc", "ece", "ici", "e50", "e90", "emax", "eci"}
Study = tuple[pd.DataFrame, pd.Series, list[dict[str, Any]]]


def setting(**bootstrap: Any) -> Evaluation:
    return Evaluation.model_validate({"level": 0.9, "bootstrap": {"replicates": 40, **bootstrap}})


@pytest.fixture(scope="module")
def study() -> Study:
    """60 training and 30 held-out patients, two models, the second without cross-fitted predictions."""
    rng = np.random.default_rng(3)
    z = rng.normal(size=90)
    patients = [f"p{i:02d}" for i in range(90)]
    outcome = pd.Series((rng.random(90) < 1 / (1 + np.exp(0.6 - z))).astype(int), index=patients)
    training, held_out = slice(0, 60), slice(60, 90)
    parts = []
    for name in ("nomogram", "clinical"):
        p = 1 / (1 + np.exp(0.5 - z - rng.normal(size=90)))
        kinds = [("training", "apparent", training), ("held-out", "held-out", held_out)]
        kinds += [("training", "cross-fitted", training)] if name == "nomogram" else []
        for part, kind, rows in kinds:
            frame = {"patient": patients[rows], "set": part, "kind": kind, "model": name}
            parts.append(pd.DataFrame({**frame, "probability": p[rows] ** (1.2 if kind == "cross-fitted" else 1)}))
    models = [{"name": n, "label": n, "family": n, "classifier": None} for n in ("nomogram", "clinical")]
    return pd.concat(parts, ignore_index=True), outcome, models


@pytest.fixture(scope="module")
def result(study: Study) -> dict[str, Any]:
    return evaluate(*study, setting(), seed=SEED)


def sets_of(result: dict[str, Any]) -> list[dict[str, Any]]:
    return [scores for model in result["models"] for scores in model["sets"].values()]


def risks(study: Study, name: str, kind: str = "held-out") -> tuple[np.ndarray, np.ndarray]:
    """Outcome and risk of a model by one kind of prediction."""
    predictions, outcome, _ = study
    rows = predictions[(predictions["model"] == name) & (predictions["kind"] == kind)].sort_values("patient")
    return outcome.loc[rows["patient"]].to_numpy(), rows["probability"].to_numpy()


def test_every_registered_measure_is_recorded_for_every_model_and_set(result: dict[str, Any]) -> None:
    assert len(sets_of(result)) == 5
    for scores in sets_of(result):
        assert list(scores["measures"]) == list(METRICS)
        for name, record in scores["measures"].items():
            assert record["level"] == 0.9, name
            assert record["value"] is not None or record["note"], name
            assert record["low"] is not None or record["note"], name


def test_measures_agree_with_the_registry_at_the_operating_threshold(study: Study, result: dict[str, Any]) -> None:
    for model in result["models"]:
        y, p = risks(study, model["name"])
        scores = model["sets"]["held-out"]
        for name, metric in METRICS.items():
            at = {"threshold": scores["threshold"]["value"]} if metric.needs_threshold else {}
            expected = metric.function(y, p, level=0.9, **at).to_dict()
            keys = ("value", "n", "n_events") if name in BOOTSTRAPPED else expected.keys()
            assert {k: scores["measures"][name][k] for k in keys} == {k: expected[k] for k in keys}, name


def test_older_keys_and_measures_say_the_same(result: dict[str, Any]) -> None:
    pairs = {"slope": "calibration_slope", "oe": "observed_expected"}
    pairs |= {name: name for name in ("auc", "brier", "scaled_brier", "calibration_in_the_large", "accuracy")}
    pairs |= {name: name for name in ("sensitivity", "specificity", "ppv", "npv")}
    for scores in sets_of(result):
        assert {old: scores[old] for old in pairs} == {old: scores["measures"][new] for old, new in pairs.items()}


def test_the_bootstrap_gives_the_intervals_that_nothing_else_gives(study: Study, result: dict[str, Any]) -> None:
    without = evaluate(*study, setting(replicates=0), seed=SEED)
    for scores, bare in zip(sets_of(result), sets_of(without), strict=True):
        assert {name for name, m in bare["measures"].items() if m["low"] is None} == BOOTSTRAPPED
        assert {name for name, m in scores["measures"].items() if m["low"] is None} == set()
        assert {name for name, m in scores["measures"].items() if m != bare["measures"][name]} == BOOTSTRAPPED
        assert scores["measures"]["ici"]["note"] == "40 of 40 replicates"


def test_distances_computed_together_are_those_of_each_function(study: Study, result: dict[str, Any]) -> None:
    """The five come from one bootstrap: the same draws give each function the same interval."""
    y, p = risks(study, "nomogram")
    found = result["models"][0]["sets"]["held-out"]["measures"]
    for name in module.DISTANCES:
        k = module.zlib.crc32(b"calibration_errors")
        alone = METRICS[name].function(y, p, level=0.9, rng=np.random.default_rng([SEED, k]), replicates=40)
        assert alone.to_dict() == found[name], name


def test_the_declared_kind_of_interval_is_used_where_the_measure_has_it(study: Study) -> None:
    found = evaluate(*study, setting(interval="bca", stratified=True), seed=SEED)["models"][0]["sets"]["held-out"]
    assert found["measures"]["ici"]["method"].startswith("BCa bootstrap")
    assert found["measures"]["ece"]["method"].startswith("BCa bootstrap")
    assert "percentile, stratified" in found["measures"]["partial_auc"]["method"]


def test_measures_change_no_other_draw(study: Study, result: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """`auc_bootstrap` draws from the declared seed: as if no measure were there, to the byte, the same for each set."""
    monkeypatch.setattr(module, "_measures", lambda *_: {})
    alone = evaluate(*study, setting(), seed=SEED)
    old = [{k: v for k, v in scores.items() if k != "measures"} for scores in sets_of(result)]
    assert [{k: v for k, v in scores.items() if k != "measures"} for scores in sets_of(alone)] == old
    for part, scores in alone["models"][0]["sets"].items():
        y, p = risks(study, "nomogram", SETS[part][1])
        expected = stats.bootstrap("auc", y, p, replicates=40, level=0.9, stratified=True, rng=SEED)
        assert scores["auc_bootstrap"] == expected.to_dict(), part


def test_a_measure_more_or_less_and_a_model_less_change_no_number(
    study: Study, result: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    predictions, outcome, models = study
    fewer = {name: metric for name, metric in reversed(METRICS.items()) if name not in ("auprc", "f1")}
    monkeypatch.setattr(module.stats, "METRICS", fewer)
    found = evaluate(predictions, outcome, models[:1], setting(), seed=SEED)
    for part, scores in found["models"][0]["sets"].items():
        whole = result["models"][0]["sets"][part]["measures"]
        assert scores["measures"] == {name: whole[name] for name in fewer}


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(study: Study, result: dict[str, Any]) -> None:
    assert to_json(evaluate(*study, setting(), seed=SEED)) == to_json(result)
    assert to_json(evaluate(*study, setting(), seed=SEED + 1)) != to_json(result)


def test_replicates_of_measures_are_capped(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_REPLICATES == 2000
    monkeypatch.setattr(module, "MOST_REPLICATES", 25)
    found = evaluate(*study, setting(), seed=SEED)["models"][0]["sets"]["held-out"]
    assert found["measures"]["ece"]["note"] == "25 of 25 replicates"
    assert found["auc_bootstrap"]["note"] != "25 of 25 replicates"


def test_undefined_measures_say_why(study: Study) -> None:
    """Tied predictions leave no curve and no slope; each is null with a reason, and the rest is there."""
    predictions, outcome, models = study
    tied = evaluate(predictions.assign(probability=0.4), outcome, models, setting(), seed=SEED)
    for scores in sets_of(tied):
        undefined = {name: m["note"] for name, m in scores["measures"].items() if m["value"] is None}
        assert {"calibration_slope", "ici", "emax"} <= undefined.keys()
        assert all(undefined.values())
        assert scores["measures"]["auc"]["value"] == 0.5
