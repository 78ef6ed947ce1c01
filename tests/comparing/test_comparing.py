"""What differs between finished runs: laws, numbers held against direct calls, and what is refused."""

from __future__ import annotations

import itertools
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.comparing.folders import Study, edit, get, make_run, mean_risks, put, seal
from validkit import stats
from validkit.comparing import compare_runs, read_finished
from validkit.comparing.numbers import label_of
from validkit.comparing.risks import OPEN, outcomes_of
from validkit.errors import InputError

Make = Callable[..., Path]
OTHER = {"a": 3, "b": 2}
REPEATED = 'kind = "repeated-kfold"\nfolds = 2\nrepeats = 3\nfinal = false'


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """`made(seed=8, ...)`: the folder of such a study, made once; do not write into it."""
    folder, known = tmp_path_factory.mktemp("runs"), {}
    numbers = itertools.count()

    def make(**changes: Any) -> Path:
        key = repr(sorted(changes.items()))
        if key not in known:
            known[key] = make_run(folder / f"run{next(numbers)}", Study(**changes))
        return known[key]

    return make


@pytest.fixture
def fresh(made: Make, tmp_path: Path) -> Make:
    """`fresh("name", seed=8, ...)`: a copy of such a run folder to write into."""

    def copy(name: str = "run", **changes: Any) -> Path:
        return Path(shutil.copytree(made(**changes), tmp_path / name))

    return copy


def pair(*folders: Path) -> dict[str, Any]:
    found: dict[str, Any] = compare_runs(folders, replicates=50)["paired"]["pairs"][0]
    return found


def numbers(record: Any) -> list[Any]:
    if isinstance(record, dict):
        return [x for value in record.values() for x in numbers(value)]
    return [x for value in record for x in numbers(value)] if isinstance(record, list) else [record]


# --- laws ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"design": REPEATED, "combine": "pool"},
        {"design": 'kind = "bootstrap"\nresamples = 5', "training": True},
        {"rounded": 1},
    ],
    ids=["kfold", "pool", "bootstrap", "ties"],
)
def test_a_run_against_itself_differs_in_nothing(made: Make, changes: dict[str, Any]) -> None:
    run = made(**changes)
    found = compare_runs([run, run])
    assert found["same"]
    assert found["protocol"] == {"same": True, "settings": [], "overrides": []}
    assert all(one["same"] for one in found["data"]["facts"])
    assert found["numbers"]["differ"] == found["numbers"]["curves"] == found["paired"]["pairs"][0]["differences"] == []
    assert found["numbers"]["equal"] > 100
    assert [one["name"] for one in found["runs"]] == [run.name, f"{run.name}#2"]


def test_swapping_the_runs_flips_every_difference_and_keeps_every_p_value(made: Make) -> None:
    runs = [made(), made(noise=OTHER, seed=8, patients=tuple(f"p{i:03d}" for i in range(20, 80)))]
    one, two = (compare_runs(order) for order in (runs, runs[::-1]))
    rows = [found["paired"]["pairs"][0]["differences"] for found in (one, two)]
    assert len(rows[0]) == len(rows[1]) == 8
    for a, b in zip(*rows, strict=True):
        assert a["difference"]["value"] == pytest.approx(-b["difference"]["value"], abs=1e-15)
        assert a["difference"]["low"] == pytest.approx(-b["difference"]["high"], abs=1e-15)
        assert a["p_adjusted"] == pytest.approx(b["p_adjusted"])
    plain = [
        {(r["model"], r["set"], r["number"]): r["differences"][0] for r in f["numbers"]["differ"]} for f in (one, two)
    ]
    assert set(plain[0]) == set(plain[1])
    assert all(not isinstance(value, float) or value == -plain[1][key] for key, value in plain[0].items())


def test_shared_patients_are_counted_alike_from_both_sides(made: Make) -> None:
    runs = [made(), made(patients=tuple(f"p{i:03d}" for i in range(45, 75)))]
    one, two = (compare_runs(order)["data"]["patients"] for order in (runs, runs[::-1]))
    assert one["shared"] == two["shared"] == 15
    assert one["events"] == two["events"]
    assert one["runs"] == two["runs"][::-1]
    first, second = one["pairs"][0], two["pairs"][0]
    assert (first["only_first"], first["only_other"]) == (second["only_other"], second["only_first"]) == (45, 15)
    assert first["agree"] == second["agree"] == 15


# --- protocol and data -----------------------------------------------------------------------------


def test_each_setting_that_differs_has_every_runs_value(made: Make) -> None:
    found = compare_runs([made(), made(seed=8), made(design=REPEATED, seed=8)])["protocol"]
    rows = {one["key"]: [(value["state"], value["value"]) for value in one["values"]] for one in found["settings"]}
    assert rows["protocol.seed.split"] == [("given", 7), ("given", 8), ("given", 8)]
    assert rows["design.kind"] == [("given", "kfold"), ("given", "kfold"), ("given", "repeated-kfold")]
    assert rows["design.repeats"] == [("absent", None), ("absent", None), ("given", 3)]
    assert not found["same"]


def test_a_section_that_one_run_lacks_and_another_changes_is_told_for_all(made: Make) -> None:
    age = "date = 'day'"
    found = compare_runs([made(noise={"a": 1, "b": 2}), made(noise={"b": 2}, reference="b"), made(cohort=age)])
    rows = {one["key"]: [value["state"] for value in one["values"]] for one in found["protocol"]["settings"]}
    assert rows["model.estimators.a"] == ["given", "absent", "given"]
    assert rows["cohort.date"] == ["given", "given", "given"]


def test_overrides_versions_and_seeds_are_told(tmp_path: Path) -> None:
    one = make_run(tmp_path / "one", overrides=["x.y=1", "all=2"])
    two = make_run(tmp_path / "two", overrides=["all=2"], versions={"python": "3.12.0", "numpy": "2.4.0", "torch": "3"})
    found = compare_runs([one, two])
    assert found["protocol"]["overrides"] == [{"override": "x.y=1", "runs": [True, False]}]
    apart = {one["fact"]: one["values"] for one in found["data"]["facts"] if not one["same"]}
    assert apart == {"version of python": ["3.11.9", "3.12.0"], "version of torch": [None, "3"]}
    assert not found["same"]


# --- outcomes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"design": 'kind = "holdout"\ntest = 0.4', "training": True},
        {"design": REPEATED, "combine": "per-repeat"},
        {"design": 'kind = "bootstrap"\nresamples = 5', "training": True},
        {"copies": 2, "cohort": 'missing = "impute"'},
    ],
    ids=["kfold", "holdout", "per-repeat", "bootstrap", "copies"],
)
def test_outcomes_are_read_back_from_roc_curves(made: Make, changes: dict[str, Any]) -> None:
    run = read_finished(made(**changes), "run")
    found = outcomes_of(run)
    expected = Study(**changes).outcome
    held = list(run.patients["held-out"])
    assert found.loc[held].tolist() == expected.loc[held].tolist()


def test_what_ties_leave_open_stays_open_and_is_never_wrong(made: Make) -> None:
    study = Study(rounded=1, noise={"a": 1}, design='kind = "holdout"\ntest = 0.5')
    run = read_finished(made(rounded=1, noise={"a": 1}, design=study.design), "run")
    found = outcomes_of(run)
    told = found[found != OPEN]
    assert 0 < len(told) < len(found)
    assert told.tolist() == study.outcome.loc[told.index].tolist()


def test_without_outcomes_nothing_is_paired_unless_the_other_run_tells_them(made: Make) -> None:
    coarse = made(rounded=1, noise={"a": 1})
    assert "are not told by the records" in pair(coarse, made(rounded=1, noise={"a": 4}))["reason"]
    found = pair(coarse, made())
    assert found["reason"] == ""
    assert found["events"] == int(Study().outcome.sum())
    assert found["differences"]


def test_records_that_contradict_themselves_are_refused(fresh: Make) -> None:
    def swap(record: dict[str, Any]) -> None:
        roc = record["models"][1]["sets"]["held-out"]["roc"]
        record["models"][1]["sets"]["held-out"]["roc"] = {
            **roc, "x": [1 - x for x in roc["x"][::-1]], "y": [1 - y for y in roc["y"][::-1]]
        }  # fmt: skip

    run = edit(fresh(), swap)
    with pytest.raises(InputError, match=r"contradicts itself.*restore the run folder"):
        compare_runs([run, run])


# --- paired differences ----------------------------------------------------------------------------


def expected_differences(one: Path, two: Path, model: str, patients: list[str], **more: Any) -> list[stats.Comparison]:
    y = Study().outcome.loc[patients].to_numpy()
    p, q = (mean_risks(folder, model, patients) for folder in (one, two))
    return [
        stats.compare_auc(y, p, q, **more),
        stats.compare_brier(y, p, q, **more),
        *(stats.compare_net_benefit(y, p, q, threshold=t, **more) for t in (0.4, 0.2)),
    ]


def same_numbers(rows: list[dict[str, Any]], expected: list[stats.Comparison]) -> None:
    for row, wanted in zip(rows, expected, strict=True):
        for part in ("value", "low", "high", "n", "n_events"):
            assert row["difference"][part] == pytest.approx(wanted.to_dict()["difference"][part], nan_ok=True)
        assert row["test"]["p_value"] == pytest.approx(wanted.test.p_value)


@pytest.mark.parametrize("changes", [{}, {"design": REPEATED}], ids=["kfold", "mean of repeats"])
def test_differences_are_those_of_direct_calls_on_the_same_patients(made: Make, changes: dict[str, Any]) -> None:
    runs = made(), made(noise=OTHER, seed=8, **changes)
    found = pair(*runs)
    assert found["whole"]
    rows = {model: [row for row in found["differences"] if row["model"] == model] for model in ("a", "b")}
    everybody = sorted(Study().patients)
    for model in ("a", "b"):
        same_numbers(rows[model], expected_differences(*runs, model, everybody))
    adjusted = stats.adjust_p_values([row["test"]["p_value"] for row in found["differences"]])
    assert [row["p_adjusted"] for row in found["differences"]] == pytest.approx(adjusted)
    assert any("mean of 1 predictions and of 3" in note for note in found["notes"]) == bool(changes)


def test_where_some_patients_are_shared_only_these_are_compared(made: Make) -> None:
    runs = made(), made(noise=OTHER, patients=tuple(f"p{i:03d}" for i in range(20, 80)))
    found = pair(*runs)
    shared = [f"p{i:03d}" for i in range(20, 60)]
    same_numbers([row for row in found["differences"] if row["model"] == "a"], expected_differences(*runs, "a", shared))
    assert not found["whole"]
    assert (found["n"], found["events"]) == (40, int(Study().outcome.loc[shared].sum()))
    assert any("only the 40 patients held out in both" in note and "20 more" in note for note in found["notes"])


@pytest.mark.parametrize("combine", ["per-repeat", "pool"])
def test_repeats_of_the_same_splits_are_compared_repeat_by_repeat(made: Make, combine: str) -> None:
    runs = [made(design=REPEATED, combine=combine, noise=noise) for noise in ({"a": 1}, {"a": 3})]
    rows = pair(*runs)["differences"]
    tables = [pd.read_parquet(run / "predictions.parquet") for run in runs]
    held = [table[table["kind"] == "held-out"] for table in tables]
    p, q = (rows.pivot(index="repeat", columns="patient", values="probability") for rows in held)
    y = Study().outcome.loc[p.columns].to_numpy()
    options: dict[str, Any] = {"combine": combine, "rng": 1, "replicates": 20}
    for row, measure in zip(rows, ("auc", "brier", "net_benefit"), strict=False):
        wanted = stats.compare_repeated(measure, y, p, q, threshold=row["threshold"], **options)
        assert row["difference"]["value"] == pytest.approx(wanted.difference.value)
        assert "bootstrap of patients" in row["difference"]["method"]


def test_repeats_that_do_not_pair_say_why(made: Make) -> None:
    one = made(design=REPEATED, combine="pool")
    other = pair(one, made(design=REPEATED, combine="pool", seed=8, noise=OTHER))
    assert not other["differences"]
    assert {row["model"] for row in other["apart"]} == {"a", "b"}
    assert "not the same splits" in other["apart"][0]["reason"]
    assert "evaluation.combine: pool; average" in pair(one, made(design=REPEATED))["apart"][0]["reason"]


def test_a_resampling_design_is_not_paired(made: Make) -> None:
    found = pair(made(design='kind = "bootstrap"\nresamples = 5', training=True), made())
    assert "judges by resampling" in found["reason"]
    assert found["differences"] == found["notes"] == []


def test_no_shared_patient_is_a_reason(made: Make) -> None:
    found = pair(made(), made(patients=tuple(f"q{i}" for i in range(40))))
    assert found["reason"] == "no patient was held out in both runs"


def test_outcomes_that_disagree_are_a_reason_that_names_patients(made: Make) -> None:
    found = compare_runs([made(), made(flipped=frozenset({"p003", "p010"}))])
    assert "the outcomes of 2 of 60 shared patients disagree (p003, p010)" in found["paired"]["pairs"][0]["reason"]
    assert found["data"]["patients"]["pairs"][0]["disagree_ids"] == ["p003", "p010"]
    assert found["paired"]["pairs"][0]["differences"] == []


def test_other_designs_on_the_same_patients_pair(made: Make) -> None:
    found = pair(made(), made(design='kind = "holdout"\ntest = 0.5', noise=OTHER))
    assert 0 < found["n"] < 60
    assert {row["difference"]["n"] for row in found["differences"]} == {found["n"]}


def test_reference_models_of_other_names_are_compared_first(made: Make) -> None:
    rows = pair(made(), made(noise={"b": 2, "c": 5}, reference="c"))
    assert [row["model"] for row in rows["differences"]][:4] == ["a less c"] * 4
    assert all(row["reference"] for row in rows["differences"])
    assert rows["alike"] == ["b"]


def test_thresholds_are_those_that_both_declare(made: Make) -> None:
    found = pair(made(), made(fixed=0.3, also="0.4", noise=OTHER))
    assert {row["threshold"] for row in found["differences"]} == {None, 0.4}
    none = pair(made(), made(fixed=0.3, also="", noise=OTHER))
    assert {row["measure"] for row in none["differences"]} == {"auc", "brier"}
    assert any("no threshold in common (0.4, 0.2; 0.3)" in note for note in none["notes"])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"cohort": 'group = "g"'}, "ignore it: they may be too narrow"),
        ({"cohort": 'missing = "impute"', "copies": 2}, "mean over imputed copies"),
        ({"level": 0.9}, "intervals of 0.95 and 0.9; here they are of 0.95"),
    ],
    ids=["groups", "copies", "levels"],
)
def test_what_a_reader_must_know_is_said(made: Make, changes: dict[str, Any], said: str) -> None:
    found = pair(made(), made(noise=OTHER, **changes))
    assert found["differences"]
    assert any(said in note for note in found["notes"])


def test_a_look_at_held_out_outcomes_is_said(made: Make, tmp_path: Path) -> None:
    run = make_run(tmp_path / "looked", Study(noise=OTHER), looks=[{"stage": "deep", "text": "looked"}])
    assert any("looked chose by held-out outcomes" in note for note in pair(made(), run)["notes"])


def test_three_runs_are_each_compared_with_the_first_and_adjusted_together(made: Make) -> None:
    found = compare_runs([made(), made(noise=OTHER), made(noise={"a": 1, "b": 6})])["paired"]
    assert [one["other"] for one in found["pairs"]] == [made(noise=OTHER).name, made(noise={"a": 1, "b": 6}).name]
    assert [one["alike"] for one in found["pairs"]] == [["b"], ["a"]]
    rows = [row for one in found["pairs"] for row in one["differences"]]
    assert found["tests"] == len(rows) == 8
    adjusted = stats.adjust_p_values([row["test"]["p_value"] for row in rows])
    assert [row["p_adjusted"] for row in rows] == pytest.approx(adjusted)


# --- numbers ---------------------------------------------------------------------------------------


def test_numbers_that_differ_are_listed_with_sizes_and_those_that_do_not_are_counted(made: Make) -> None:
    one, two = made(), made(noise=OTHER)
    found = compare_runs([one, two])["numbers"]
    [row] = [r for r in found["differ"] if (r["model"], r["set"], r["number"]) == ("a", "held-out", "auc")]
    for value, folder in zip(row["values"], (one, two), strict=True):
        known = get(folder, "evaluation.json")["models"][0]["sets"]["held-out"]["auc"]
        assert [value[key] for key in ("value", "low", "high", "n")] == [
            known[key] for key in ("value", "low", "high", "n")
        ]
        assert value["events"] == known["n_events"]
    assert row["differences"] == [row["values"][0]["value"] - row["values"][1]["value"]]
    assert {r["model"] for r in found["differ"]} == {"a", "a less b"}
    assert found["equal"] > 100
    assert [one["names"] for one in found["models"]] == [[], []]


def test_the_last_bit_counts(fresh: Make) -> None:
    one, two = fresh("one"), fresh("two")

    def nudge(record: dict[str, Any]) -> None:
        scores = record["models"][0]["sets"]["held-out"]
        scores["measures"]["brier"]["value"] = scores["brier"]["value"] = math.nextafter(scores["brier"]["value"], 1)
        scores["decision"]["y"][3] += 0.25

    found = compare_runs([one, edit(two, nudge)])["numbers"]
    [row] = found["differ"]
    assert (row["number"], row["label"]) == ("brier", "Brier score")
    [curve] = found["curves"]
    assert curve["number"] == "decision"
    assert curve["differences"] == [{"points": 1, "largest": pytest.approx(-0.25), "at": pytest.approx(0.3)}]


def test_models_and_numbers_of_one_run_alone_are_told(made: Make) -> None:
    found = compare_runs([made(), made(noise={"b": 2, "c": 5}, reference="b")])["numbers"]
    assert [one["names"] for one in found["models"]] == [["a"], ["c"]]
    assert all(one["numbers"] > 100 for one in found["only"])
    assert not found["differ"]
    assert not found["same"]


def test_undefined_and_infinite_numbers_are_json(fresh: Make) -> None:
    def undefine(record: dict[str, Any]) -> None:
        scores = record["models"][0]["sets"]["held-out"]
        for part in (scores, scores["measures"]):
            part["brier"] |= {"value": None, "low": None}
            part["auc"] |= {"value": "inf"}

    one, two = fresh("one"), edit(fresh("two"), undefine)
    found = compare_runs([one, two])
    text = json.dumps(found, allow_nan=False)
    assert json.loads(text) == found
    assert not any(isinstance(x, float) and not math.isfinite(x) for x in numbers(found))
    rows = {row["number"]: row for row in found["numbers"]["differ"]}
    assert rows["brier"]["differences"] == [None]
    assert rows["auc"]["differences"] == ["-inf"]
    assert compare_runs([two, two])["same"]


def test_numbers_are_named_for_readers() -> None:
    assert label_of("at[0.1].net_benefit") == "net benefit at 0.1"
    assert label_of("by_split[site-01].oe").startswith("by split site-01: ")
    assert label_of("hosmer_lemeshow.p_value") == "hosmer lemeshow, p value"


# --- bad input -------------------------------------------------------------------------------------


def refused(*folders: Path) -> str:
    with pytest.raises(InputError) as error:
        compare_runs(folders)
    return str(error.value)


def test_too_few_and_absent_folders_are_refused(made: Make, tmp_path: Path) -> None:
    assert "needs two run folders or more; got" in refused(made())
    assert f"no run folder at {str(tmp_path / 'none')!r}" in refused(made(), tmp_path / "none")
    (tmp_path / "empty").mkdir()
    assert "is not a run folder" in refused(tmp_path / "empty", made())
    put(tmp_path / "empty", "protocol.resolved.json", {})
    assert "is not finished: there is no run.json; run its protocol again" in refused(tmp_path / "empty", made())


def test_an_unfinished_run_is_refused(made: Make, fresh: Make) -> None:
    run = edit(fresh(), lambda info: info.update(status="running"), "run.json")
    assert "its status is 'running', expected 'complete'" in refused(made(), run)


@pytest.mark.parametrize("name", ["predictions.parquet", "evaluation.json", "protocol.resolved.json", "run.json"])
def test_damaged_records_are_refused(made: Make, name: str, fresh: Make) -> None:
    run = fresh()
    (run / name).write_bytes((run / name).read_bytes()[:-20])
    message = refused(made(), run)
    assert str(run) in message
    assert "are damaged" in message
    assert "restore the run folder" in message


def test_records_of_another_shape_are_refused(made: Make, fresh: Make) -> None:
    run = edit(fresh(), lambda record: record.update(models=[{"name": "a"}]))
    assert "expected a list of models" in refused(run, made())
    other = fresh("other")
    table = pd.DataFrame({"patient": ["p"], "probability": [0.5]})
    table.to_parquet(other / "predictions.parquet")
    edit(other, lambda record: record.update(predictions_digest=_sha(other / "predictions.parquet")))
    assert "expected the columns kind, model, patient, probability, set" in refused(other, made())
    (other / "predictions.parquet").write_bytes(b"PAR1 no table")
    edit(other, lambda record: record.update(predictions_digest=_sha(other / "predictions.parquet")))
    assert "expected a table in Parquet" in refused(other, made())
    seal(other, get(other, "run.json"))


def _sha(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_runs_in_folders_of_one_name_are_told_apart(fresh: Make) -> None:
    runs = [fresh("x/run"), fresh("y/run", seed=8)]
    assert [one["name"] for one in compare_runs(runs)["runs"]] == list(map(str, runs))
