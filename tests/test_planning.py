"""The printed plan: estimates that scale as they should, timings that survive damage, tables that add up."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from validkit.errors import InputError
from validkit.plan import Plan, make_plan
from validkit.plan_table import _duration, plan_record, render_plan
from validkit.planning import AROUND, START, Cost, estimate, total_seconds, with_surroundings
from validkit.protocol import Protocol, parse_protocol, source_of
from validkit.timings import FILE, MOST, known_timings, observed_factors, remember_timings

HOLDOUT = '[design]\nkind     = "holdout"\ntest     = 0.30\nstratify = "outcome"\n'


def declared(design: str = HOLDOUT, **changes: str) -> Protocol:
    """plnm-quick under another design."""
    text = source_of("plnm-quick")
    assert HOLDOUT in text
    overrides = [f"{key.replace('__', '.')}={value}" for key, value in changes.items()]
    return parse_protocol(text.replace(HOLDOUT, design), overrides=overrides)


def planned(protocol: Protocol, n: int = 160) -> Plan:
    rng = np.random.default_rng(1)
    return make_plan(protocol, pd.Series((rng.random(n) < 0.4).astype(int), index=[f"p{i:03d}" for i in range(n)]))


def costed(protocol: Protocol, n: int = 160, **options: object) -> tuple[Plan, pd.DataFrame]:
    plan = planned(protocol, n)
    whole = with_surroundings(plan.tasks, protocol, patients=n, models=len(protocol.model_names()))
    return plan, estimate(whole, protocol, **options)  # type: ignore[arg-type]


def seconds_of(table: pd.DataFrame, stage: str, task: str = "") -> float:
    rows = table[(table["stage"] == stage) & table["task"].astype(str).str.contains(re.escape(task))]
    assert len(rows)
    return float(rows["seconds"].sum())


def printed(renderable: object) -> str:
    console = Console(file=io.StringIO(), width=100)
    console.print(renderable)
    return console.file.getvalue()  # type: ignore[attr-defined]


# --- the estimate ---------------------------------------------------------------------------------


def test_every_task_has_a_credible_time_and_nothing_else_changes() -> None:
    plan, table = costed(declared())
    assert (table["seconds"] > 0).all()
    assert next(iter(table["stage"])) == "radiomics"
    assert list(table["stage"])[-1] == "evaluation"
    fits = table[table["split"] != AROUND].reset_index(drop=True)
    assert (fits["fits"].tolist(), fits["task"].tolist()) == (plan.tasks["fits"].tolist(), plan.tasks["task"].tolist())
    assert fits["seed"].tolist() == plan.tasks["seed"].tolist()
    assert int(table["fits"].sum()) == plan.fits


def test_the_demonstration_is_estimated_within_a_factor_of_two() -> None:
    """The shipped protocol took 58 s on the machine of the constants, with two workers and 305 outlines measured."""
    protocol = declared()
    tasks = with_surroundings(planned(protocol).tasks, protocol, patients=160, models=21, lesions=305)
    table = estimate(tasks, protocol)
    assert 29 < total_seconds(table, workers=2) < 116


def test_time_grows_with_what_is_asked_for() -> None:
    _, base = costed(declared())
    _, longer = costed(declared(model__deep__epochs="12"))
    _, finer = costed(declared(model__deep__image_size="128"))
    _, wider = costed(declared(model__classifiers__search__grid="full"))
    _, larger = costed(declared(), 320)
    _, head = costed(declared(model__deep__train="head"))
    assert seconds_of(longer, "deep") == pytest.approx(1 + 13 / 7 * (seconds_of(base, "deep") - 1))
    assert seconds_of(finer, "deep") > 1.5 * seconds_of(base, "deep")
    assert seconds_of(head, "deep") < seconds_of(base, "deep")
    assert seconds_of(wider, "classifiers", "xgboost") > 5 * seconds_of(base, "classifiers", "xgboost")
    assert seconds_of(larger, "radiomics") == pytest.approx(2 * seconds_of(base, "radiomics"))
    assert (larger["seconds"] >= base["seconds"]).all()


def test_factors_from_this_machine_multiply_their_stage_alone() -> None:
    _, base = costed(declared())
    _, slow = costed(declared(), known={"deep": 3.0})
    assert seconds_of(slow, "deep") == pytest.approx(3 * seconds_of(base, "deep"))
    assert seconds_of(slow, "classifiers") == seconds_of(base, "classifiers")


def test_an_accelerator_shortens_networks_alone() -> None:
    _, base = costed(declared())
    _, fast = costed(declared(), device="cuda:0")
    assert seconds_of(fast, "deep") < seconds_of(base, "deep")
    assert seconds_of(fast, "classifiers") == seconds_of(base, "classifiers")


def test_outlines_that_are_known_are_counted_instead_of_the_most() -> None:
    protocol = declared()
    plan = planned(protocol)
    most = with_surroundings(plan.tasks, protocol, patients=160, models=1)
    some = with_surroundings(plan.tasks, protocol, patients=160, models=1, lesions=305)
    assert (most["n"].iloc[0], some["n"].iloc[0]) == (480, 305)


@given(st.floats(0, 5), st.floats(0, 5), st.floats(0.5, 2), st.integers(1, 5000), st.integers(0, 5000))
def test_a_cost_never_falls_with_more_patients(a: float, b: float, power: float, n: int, more: int) -> None:
    assert Cost(a, b, power).seconds(n + more) >= Cost(a, b, power).seconds(n) >= 0


def test_tables_without_their_columns_are_refused() -> None:
    with pytest.raises(InputError, match=r"needs the columns stage, task, fits and n; it lacks fits, n"):
        estimate(pd.DataFrame({"stage": ["deep"], "task": ["alexnet"]}), declared())


def test_splits_run_side_by_side_and_the_longest_is_waited_for() -> None:
    rows = [("a", "deep", 10.0), ("b", "deep", 30.0), (AROUND, "radiomics", 8.0), (AROUND, "evaluation", 4.0)]
    table = pd.DataFrame(rows, columns=["split", "stage", "seconds"])
    assert total_seconds(table, workers=1) == 8 + 40 + 4 + START
    assert total_seconds(table, workers=2) == 4 + 30 + 4 + START
    single = pd.DataFrame([("a", "deep", 10.0), ("a", "classifiers", 30.0)], columns=["split", "stage", "seconds"])
    assert total_seconds(single, workers=2) == 10 + 15 + START


# --- what was learnt -------------------------------------------------------------------------------


def test_timings_are_kept_by_device_and_averaged(tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "validkit"
    assert known_timings(folder) == {}
    assert remember_timings(folder, {"deep": 4.0, "classifiers": 1.5})
    assert remember_timings(folder, {"deep": 1.0}, "cuda:1")
    assert remember_timings(folder, {"deep": 1.0})
    assert known_timings(folder) == {"deep": 2.0, "classifiers": pytest.approx(1.5)}
    assert known_timings(folder, "cuda") == {"deep": 1.0}
    assert [path.name for path in folder.iterdir()] == [FILE]


def test_incredible_factors_are_neither_kept_nor_believed(tmp_path: Path) -> None:
    assert not remember_timings(tmp_path, {"a": float("nan"), "b": 0.0, "c": -1.0, "d": 2 * MOST, "e": float("inf")})
    assert not list(tmp_path.iterdir())
    factors = {"cpu": {"deep": 1e9, "fusion": "x", "nomogram": True, "clinical": 2, "selection": None}}
    (tmp_path / FILE).write_text(json.dumps({"schema": 1, "factors": factors}))
    assert known_timings(tmp_path) == {"clinical": 2}


DAMAGED = [
    *("", "{", "[]", "null", "\x00\xff", "[" * 100_000),
    *('{"schema": 2, "factors": {"cpu": {"deep": 2}}}', '{"schema": 1}'),
    *('{"schema": 1, "factors": []}', '{"schema": 1, "factors": {"cpu": 3}}'),
]


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_file_means_that_nothing_is_known_and_is_mended(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_bytes(text.encode("latin-1"))
    assert known_timings(tmp_path) == {}
    assert remember_timings(tmp_path, {"deep": 2.0})
    assert known_timings(tmp_path) == {"deep": 2.0}


def test_a_folder_that_cannot_be_written_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert not remember_timings(tmp_path / "file", {"deep": 2.0})
    assert known_timings(tmp_path / "file") == {}


def test_a_finished_run_teaches_the_stages_that_took_long_enough() -> None:
    table = pd.DataFrame(
        [("a", "deep", 40.0), ("a", "classifiers", 60.0), ("a", "fusion", 0.1), (AROUND, "radiomics", 50.0)],
        columns=["split", "stage", "seconds"],
    )
    timings = [
        {"stage": "deep", "seconds": 80.0},
        {"stage": "classifiers: radiomics", "seconds": 20.0},
        {"stage": "classifiers: fusion", "seconds": 25.0},
        {"stage": "fusion", "seconds": 30.0},
        {"stage": "radiomics", "seconds": 0.2},
        {"stage": "phantom", "seconds": 100.0},
    ]
    assert observed_factors(table, timings, workers=2) == {"deep": 2.0, "classifiers": 1.5}


# --- the table ------------------------------------------------------------------------------------------


def test_one_split_lists_every_task_with_its_seed() -> None:
    protocol = declared()
    plan, table = costed(protocol)
    text = printed(render_plan(table, plan.splits, patients=160, workers=2))
    assert "1 split of 160 patients: 112 training, 48 held out" in text
    for stage, task, seed in zip(table["stage"], table["task"], table["seed"], strict=True):
        (line,) = [line for line in text.splitlines() if line.split()[:1] == [stage] and f" {task} " in line]
        assert pd.isna(seed) or str(seed) in line
    assert f"{plan.fits:,} fits, about " in text
    assert "with 2 workers on cpu" in text
    assert "within a factor of two" in text


def test_many_splits_are_summed_and_their_sizes_ranged() -> None:
    plan, table = costed(declared('[design]\nkind = "repeated-kfold"\nfolds = 3\nrepeats = 5\n'))
    text = printed(render_plan(table, plan.splits, patients=160, workers=1, learned=True))
    assert "15 splits of 160 patients: 106 to 107 training, 53 to 54 held out" in text
    (line,) = [line for line in text.splitlines() if "radiomics/svm" in line]
    of_svm = table[table["task"] == "radiomics/svm"]
    words = line.split()
    assert words[2] == str(of_svm["split"].nunique())
    assert "one a split" in line
    assert words.count(f"{of_svm['fits'].sum():,}") >= 1
    assert f"{plan.fits:,} fits" in text
    assert "corrected by finished runs on this machine" in text


def test_a_few_splits_are_listed() -> None:
    plan, table = costed(declared('[design]\nkind = "kfold"\nfolds = 3\n'))
    text = printed(render_plan(table, plan.splits, patients=160, workers=1, device="cuda"))
    assert all(re.search(rf"{split.name} +{len(split.training)} +{len(split.held_out)}", text) for split in plan.splits)
    assert "a guess until a run was seen here" in text


def test_the_record_is_plain_json_and_adds_up() -> None:
    plan, table = costed(declared('[design]\nkind = "kfold"\nfolds = 3\n'))
    record = plan_record(table, plan.splits, patients=160, workers=2)
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["fits"] == plan.fits == sum(task["fits"] for task in record["tasks"])
    assert [s["training"] + s["held_out"] for s in record["splits"]] == [160] * 3
    assert record["seconds"]["processor"] == pytest.approx(sum(t["seconds"] for t in record["tasks"]), abs=0.2)
    assert record["seconds"]["wall"] == pytest.approx(total_seconds(table, workers=2), abs=0.1)
    assert set(record["tasks"][1]) == {"split", "stage", "task", "seed", "fits", "n", "seconds"}


def test_text_from_a_protocol_is_not_markup() -> None:
    plan, table = costed(declared())
    table.loc[0, "task"] = "[red]x[/nothing]"
    assert "[red]x[/nothing]" in printed(render_plan(table, plan.splits, patients=160, workers=1))


WRITTEN = {0.2: "< 1 s", 12.4: "12 s", 89.6: "90 s", 100: "2 min", 3599: "1 h 00 min", 3900: "1 h 05 min"}
WRITTEN |= {7200: "2 h 00 min", 200_000: "2 days 8 h"}


@pytest.mark.parametrize(("seconds", "text"), WRITTEN.items())
def test_durations(seconds: float, text: str) -> None:
    assert _duration(seconds) == text


# --- models other than the PLNM model ---------------------------------------------------------------------

TABLE = """
[protocol]
schema = 1
name = "table"
question = "Which risk?"
seed = { split = 1, torch = 1 }

[cohort]
kind = "table"
patient = "id"
outcome = { column = "y", event = 1, positive = "yes", negative = "no" }

[cohort.predictors]
age = { kind = "continuous" }

[design]
kind = "kfold"
folds = 4

[model]
kind = "estimators"

[[model.estimators]]
name = "lr"
estimator = "sklearn.linear_model.LogisticRegression"

[[model.estimators]]
name = "forest"
estimator = "sklearn.ensemble.RandomForestClassifier"
search = { parameters = { max_depth = [2, 4, 6] }, folds = 5 }

[evaluation]
compare = { reference = "lr" }
"""


def test_estimators_cost_by_their_kind_and_fits() -> None:
    protocol = parse_protocol(TABLE)
    plan, table = costed(protocol)
    assert set(table["stage"]) == {"estimators", "evaluation"}
    by_name = table[table["stage"] == "estimators"].groupby("task")[["fits", "seconds"]].sum()
    assert by_name.loc["forest", "fits"] > by_name.loc["lr", "fits"]
    each = by_name["seconds"] / by_name["fits"]
    assert each["forest"] > 5 * each["lr"]
    assert plan.fits == int(by_name["fits"].sum())
    assert "forest" in printed(render_plan(table, plan.splits, patients=160, workers=1))
