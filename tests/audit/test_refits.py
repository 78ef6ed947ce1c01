"""The procedure run again where there is nothing to find: leaks planted and caught, clean designs passed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.audit import procedures
from tests.audit.procedures import HOLDOUT, KFOLD, cohort, protocol_of, study_of
from validkit import fitting
from validkit.audit import study as study_module
from validkit.audit.invariance import check_held_out_invariance
from validkit.audit.noise import permuted, without_signal
from validkit.audit.null_areas import Area, area_of, judge_areas
from validkit.audit.refits import check_no_signal, check_permuted_outcome, round_of
from validkit.audit.study import Study
from validkit.errors import StageError
from validkit.plan import Split
from validkit.stats import auc
from validkit.tabular.inputs import TableInputs

DESIGNS: list[tuple[dict[str, Any], int]] = [
    (HOLDOUT, 1),
    (KFOLD, 1),
    ({"kind": "repeated-kfold", "folds": 3, "repeats": 3}, 1),
    ({"kind": "nested", "folds": 3}, 1),
    ({"kind": "bootstrap", "resamples": 12}, 1),
    ({"kind": "internal-external"}, 3),
]
CHEAT = "tests.audit.procedures."


@pytest.fixture
def cheating() -> Iterator[Any]:
    """A study whose only model is one of the estimators that cheat."""

    def study(name: str) -> Study:
        data = cohort()
        procedures.ANSWERS.update(data.outcome.astype(int).to_dict())
        cheat = {"estimator": CHEAT + name, "parameters": {}}
        return study_of(data, protocol_of(data, cheat, design=KFOLD, permutations=4))

    procedures.KNOWN.clear()
    yield study
    procedures.KNOWN.clear()
    procedures.ANSWERS.clear()


@pytest.mark.parametrize(("design", "sites"), DESIGNS, ids=lambda one: one["kind"] if isinstance(one, dict) else "")
def test_a_clean_procedure_passes_in_every_design(design: dict[str, Any], sites: int) -> None:
    data = cohort(n=90, sites=sites)
    study = study_of(data, protocol_of(data, design=design, permutations=3))
    for check in (check_permuted_outcome, check_no_signal):
        found = check(study)
        assert found.outcome == "pass", found.why
        assert found.evidence["not_carried_out"] == []
        [row] = found.evidence["models"]
        assert row["low"] < 0.5
        assert len(row["auc"]) == 3
    splits = found.evidence["splits"]
    assert len(splits) == (12 if design["kind"] == "bootstrap" else len(study.plan.splits))


@pytest.mark.parametrize("design", [HOLDOUT, KFOLD], ids=["holdout", "kfold"])
def test_selection_before_the_split_is_caught(design: dict[str, Any]) -> None:
    data = cohort(n=80, columns=120, signal=0.0)
    leaky = protocol_of(data, {"select": {"keep": 10}}, design=design, before=("selection",), permutations=3)
    found = check_permuted_outcome(study_of(data, leaky))
    assert found.outcome == "fail"
    [row] = found.evidence["models"]
    assert row["mean"] > 0.7
    assert row["p_holm"] < 0.01
    clean = protocol_of(data, {"select": {"keep": 10}}, design=design, permutations=3)
    assert check_permuted_outcome(study_of(data, clean)).outcome == "pass"


def test_outcomes_kept_from_fit_to_fit_are_caught(cheating: Any) -> None:
    study = cheating("Rememberer")
    assert check_permuted_outcome(study).outcome == "fail"
    assert check_no_signal(study).outcome == "fail"


def test_outcomes_read_from_ids_are_caught_without_signal_only(cheating: Any) -> None:
    study = cheating("Peeker")
    assert check_permuted_outcome(study).outcome == "pass"
    found = check_no_signal(study)
    assert found.outcome == "fail"
    assert "predictors without signal" in found.why
    assert found.evidence["models"][0]["mean"] == 1.0


def test_one_leak_among_clean_models_is_named(cheating: Any) -> None:
    data = cohort()
    procedures.ANSWERS.update(data.outcome.astype(int).to_dict())
    peeker = {"name": "peeker", "estimator": CHEAT + "Peeker", "parameters": {}}
    found = check_no_signal(study_of(data, protocol_of(data, {}, peeker, permutations=2)))
    outcomes = {row["model"]: row["outcome"] for row in found.evidence["models"]}
    assert outcomes == {"lr": "pass", "peeker": "fail"}
    assert "peeker" in found.why
    assert "lr" not in found.why


def test_finished_refits_are_taken_from_their_records_and_workers_change_nothing(tmp_path: Path) -> None:
    data = cohort(n=60)
    study = study_of(data, protocol_of(data, design=KFOLD, permutations=2), tmp_path)
    first = check_permuted_outcome(study)
    record = tmp_path / "sentinels/permuted-outcome/0001/fold-01/record.json"
    times = record.stat().st_mtime_ns
    assert check_permuted_outcome(study) == first
    assert record.stat().st_mtime_ns == times
    side_by_side = study_of(data, study.protocol, engine="loky:2")
    assert json.dumps(check_permuted_outcome(side_by_side).to_dict()) == json.dumps(first.to_dict())


@pytest.mark.parametrize(
    ("device", "engine", "cards", "beside", "devices"),
    [
        ("cpu", "loky:4", ["cpu"], "loky:4", ["cpu"] * 3),
        ("cuda", "loky:4", ["cuda"], None, ["cuda"] * 3),
        ("cuda", "sequential", ["cuda:0", "cuda:1"], None, ["cuda:0", "cuda:1", "cuda:0"]),
        ("cuda", "loky:4", ["cuda:0", "cuda:1"], "loky:2", ["cuda:0", "cuda:1", "cuda:0"]),
        ("cuda", "dask:tcp://here:1", ["cuda:0", "cuda:1"], "dask:tcp://here:1", ["cuda:0", "cuda:1", "cuda:0"]),
    ],
)
def test_fits_and_refits_have_a_process_a_card(
    device: str, engine: str, cards: list[str], beside: str | None, devices: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "cards_of", lambda _: cards)
    workshop = fitting.Workshop(device, engine)
    assert fitting.engine_beside(workshop) == beside
    assert [place for _, place in fitting.on_devices("abc", workshop)] == devices


def test_refits_take_the_card_that_they_were_given(monkeypatch: pytest.MonkeyPatch) -> None:
    data = cohort(n=60)
    study = study_of(data, protocol_of(data, design=KFOLD, permutations=2))
    expected = check_permuted_outcome(study)
    given: list[str] = []
    engines: list[str] = []
    fit, map_tasks = study_module.fit_all, study_module.map_tasks

    def fitted(*args: Any) -> Any:
        given.append(args[-1].device)
        return fit(*args[:-1], replace(args[-1], device="cpu"))

    monkeypatch.setattr(study_module, "fit_all", fitted)

    def here(*args: Any, engine: str, **more: Any) -> Any:
        engines.append(engine)
        return map_tasks(*args, engine="sequential", **more)

    monkeypatch.setattr(study_module, "map_tasks", here)
    monkeypatch.setattr(fitting, "cards_of", lambda _: ["first", "second"])
    spread = replace(study, workshop=replace(study.workshop, device="cuda", engine="loky:4"))
    assert check_permuted_outcome(spread) == expected
    assert engines == ["loky:2"]
    assert given == ["first", "second"] * 4


def test_a_procedure_that_cannot_be_repeated_says_why() -> None:
    data = cohort(n=60)
    study = study_of(data, protocol_of(data, permutations=2))
    broken = study.protocol.model_copy(
        update={"model": study.protocol.model.model_copy(update={"estimators": _without_iterations(study)})}
    )
    found = check_permuted_outcome(Study(**{**vars(study), "protocol": broken}))
    assert found.outcome == "not applicable"
    assert "could not be fitted" in found.why
    assert len(found.evidence["not_carried_out"]) == 2


def test_what_fails_before_the_split_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    data = cohort(n=60)
    study = study_of(data, protocol_of(data, permutations=2))

    def fails(*_: Any, **__: Any) -> None:
        raise StageError("no feature is reproducible")

    monkeypatch.setattr("validkit.audit.study.arrange", fails)
    found = check_permuted_outcome(study)
    assert (found.outcome, found.why) == (
        "not applicable",
        "no repetition could be judged: no feature is reproducible",
    )
    held_out = check_held_out_invariance(study)
    assert held_out.outcome == "fail"
    assert "could not be made (no feature is reproducible)" in held_out.why


def _without_iterations(study: Study) -> tuple[Any, ...]:
    return tuple(one.model_copy(update={"parameters": {"C": -1.0}}) for one in study.protocol.model.estimators)  # type: ignore[union-attr]


# --- what it is tried on -------------------------------------------------------------------------------


def test_outcomes_stay_on_their_side() -> None:
    ids = [f"P{k}" for k in range(40)]
    y = pd.Series(np.arange(40) % 4 == 0, index=ids).astype("int8")
    folds = [
        Split("a", tuple(ids[15:]), tuple(ids[:15])),
        Split("b", tuple(ids[:15]) + tuple(ids[30:]), tuple(ids[15:30])),
    ]
    found = permuted(y, folds, np.random.default_rng(1))
    for part in (ids[:15], ids[15:30], ids[30:]):
        assert found.loc[part].sum() == y.loc[part].sum()
    assert not found.equals(y)
    resample = [Split("r", tuple(ids[:20]), tuple(ids))]
    moved = [permuted(y, resample, np.random.default_rng(seed)).iloc[:20].sum() for seed in range(20)]
    assert len(set(moved)) > 1


def test_noise_is_of_the_same_kind_and_lacks_nothing() -> None:
    table = pd.DataFrame({"a": [1.5, np.nan, 2.5, 0.5], "b": pd.Categorical(["x", "y", None, "x"])}, index=list("pqrs"))
    found = without_signal(TableInputs(table, np.arange(4)), np.random.default_rng(0)).predictors
    assert not found.isna().to_numpy().any()
    assert set(found["a"]) <= {0.5, 1.5, 2.5}
    assert found["b"].dtype == table["b"].dtype
    assert list(found.index) == list("pqrs")


def test_repetitions_take_turns_over_repeats_and_resamples() -> None:
    data = cohort(n=60)
    study = study_of(data, protocol_of(data, design={"kind": "repeated-kfold", "folds": 3, "repeats": 2}))
    assert [{split.repeat for split in round_of(study.plan, number)} for number in (1, 2, 3)] == [{1}, {2}, {1}]
    study = study_of(data, protocol_of(data, design={"kind": "bootstrap", "resamples": 15}))
    assert [split.repeat for split in round_of(study.plan, 2)] == [11, 12, 13, 14, 15, 1, 2, 3, 4, 5]


# --- the areas and their test ----------------------------------------------------------------------------


def test_the_area_of_one_split_is_its_auc_with_the_exact_permutation_variance() -> None:
    rng = np.random.default_rng(3)
    y, p = (np.arange(12) % 3 == 0).astype(np.int64), np.round(rng.random(12), 1)
    found = area_of([(y, p)])
    assert found is not None
    assert found.value == pytest.approx(auc(y, p).value, abs=1e-12)
    shuffled = [area_of([(rng.permutation(y), p)]) for _ in range(20_000)]
    values = np.array([one.value for one in shuffled if one])
    assert values.mean() == pytest.approx(0.5, abs=4 * values.std() / np.sqrt(20_000))
    assert values.var() == pytest.approx(found.variance, rel=0.04)


def test_splits_are_weighted_by_their_pairs_and_those_of_one_kind_left_out() -> None:
    one, two = np.array([1, 0]), np.array([1, 0, 0, 0])
    right, wrong = np.array([0.9, 0.1]), np.array([0.1, 0.2, 0.3, 0.4])
    found = area_of([(one, right), (two, wrong), (np.zeros(3, dtype=np.int64), np.arange(3.0))])
    assert found is not None
    assert found.value == 0.25
    assert found.splits == 2
    assert found.variance < found.largest
    assert area_of([(np.zeros(3, dtype=np.int64), np.arange(3.0))]) is None


@given(st.lists(st.floats(0.2, 0.8), min_size=1, max_size=6), st.sampled_from([1, 3]))
def test_an_area_at_or_below_one_half_never_fails(values: list[float], splits: int) -> None:
    found = [Area(min(value, 0.5), 0.01, 0.02, splits) for value in values]
    [row] = judge_areas({"m": found}, judged=["m"], alpha=0.05)
    assert row["outcome"] == "pass"
    assert row["p"] >= 0.5
    assert row["low"] <= row["mean"] <= row["high"]


def test_constant_predictions_pass() -> None:
    found = area_of([(np.array([0, 1, 0, 1]), np.full(4, 0.3))])
    assert found is not None
    assert found.variance == 0
    [row] = judge_areas({"m": [found, found]}, judged=["m"], alpha=0.05)
    assert row["p"] == 1.0
    assert row["outcome"] == "pass"


@pytest.mark.parametrize("folds", [1, 4])
def test_false_alarms_are_no_more_frequent_than_declared(folds: int) -> None:
    """A nearest-centroid model with 3 columns on 60 patients, 5 repetitions, alpha 0.05; 400 studies."""
    rng, alarms, alpha, studies = np.random.default_rng(5), 0, 0.05, 400
    ids = [f"P{k}" for k in range(60)]
    truth = pd.Series(np.arange(60) % 3 == 0, index=ids).astype(np.int64)
    for _ in range(studies):
        x, order = rng.standard_normal((60, 3)), rng.permutation(60)
        parts = np.array_split(order, folds) if folds > 1 else [order[:24]]
        splits = [Split(str(k), (), tuple(ids[row] for row in part)) for k, part in enumerate(parts)]
        areas = []
        for _ in range(5):
            y = permuted(truth, splits, rng).to_numpy()
            judged = []
            for part in parts:
                rest = np.setdiff1d(np.arange(60), part)
                weight = x[rest][y[rest] == 1].mean(axis=0) - x[rest][y[rest] == 0].mean(axis=0)
                judged.append((y[part], x[part] @ weight))
            area = area_of(judged)
            assert area is not None
            areas.append(area)
        [row] = judge_areas({"m": areas}, judged=["m"], alpha=alpha)
        alarms += row["outcome"] == "fail"
    assert alarms / studies < alpha + 2.6 * np.sqrt(alpha * (1 - alpha) / studies)
