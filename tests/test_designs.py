"""Every design end to end on a table: the plan's fits, who predicts whom, what is judged, resuming, the same bytes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from validkit.cohort.phantom import write_table_phantom
from validkit.protocol import Protocol, parse_protocol, source_of
from validkit.run import run_protocol
from validkit.unit import COLUMNS

DECLARED = """
[protocol]
schema = 1
name = "small"
question = "Is the plan right?"
[cohort]
kind = "table"
outcome = { column = "plnm" }
site = "site"
group = "family"
date = "day"
device = "machine"
missing = "impute"
[cohort.predictors]
age = { kind = "continuous" }
rbc = { kind = "continuous" }
max_diameter = { kind = "continuous" }
[design]
stratify = "none"
DESIGN
[imputation]
method = "simple"
[model]
kind = "estimators"
cross_fitting = { folds = 2 }
[[model.estimators]]
name = "lr"
estimator = "sklearn.linear_model.LogisticRegression"
scale = true
select = { keep = 2 }
search = { parameters = { C = [0.1, 1.0] }, folds = 2 }
[[model.estimators]]
name = "nb"
estimator = "sklearn.naive_bayes.GaussianNB"
recalibrate = "platt"
[evaluation]
bootstrap = { replicates = 50 }
compare = { reference = "lr" }
thresholds = { also = [0.2] }
"""
DESIGNS = {
    "holdout": 'kind = "holdout"',
    "by-date": 'kind = "holdout"\nby = "date"',
    "by-device": 'kind = "holdout"\nby = "device"\nheld_out = ["B"]',
    "kfold": 'kind = "kfold"\nfolds = 3',
    "no-final": 'kind = "kfold"\nfolds = 3\nfinal = false',
    "repeated": 'kind = "repeated-kfold"\nfolds = 3\nrepeats = 2',
    "nested": 'kind = "nested"\nfolds = 3',
    "bootstrap": 'kind = "bootstrap"\nresamples = 4',
    "internal-external": 'kind = "internal-external"',
}
SINGLE = ("holdout", "by-date", "by-device")
each_design = pytest.mark.parametrize("name", DESIGNS)


def declared(name: str, *overrides: str) -> Protocol:
    text = DECLARED.replace("DESIGN", DESIGNS[name])
    if name == "internal-external":
        text = text.replace('stratify = "none"\n', "")
    return parse_protocol(text, overrides=overrides)


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text())


def units_of(folder: Path) -> dict[str, Any]:
    return {row["split"]: row for row in read(folder, "stages/splits.json")["splits"]}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 simulated patients at three sites, with gaps, days, devices and eighteen pairs of one family."""
    folder = tmp_path_factory.mktemp("table") / "cohort"
    write_table_phantom(folder, "clinical", patients=120, sites=3, seed=1, missing=0.1)
    rows = pd.read_csv(folder / "cohort.csv", dtype={"patient_id": str})
    rng = np.random.default_rng(1)
    rows["day"] = [f"2024-{1 + k // 28:02d}-{1 + k % 28:02d}" for k in rng.integers(0, 100, len(rows))]
    rows["machine"] = rng.choice(["A", "B", "C"], len(rows))
    rows["family"] = [f"f{i}" for i in range(len(rows))]
    for places in rows.groupby("site").indices.values():
        rows.loc[places[1:12:2], "family"] = rows.loc[places[0:12:2], "family"].to_numpy()
    rows.to_csv(folder / "cohort.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def ran(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The run folder of a design, run once."""
    root = tmp_path_factory.mktemp("runs")

    def get(name: str) -> Path:
        if not (root / name).exists():
            run_protocol(declared(name), out=root / name, cohort=table, engine="sequential")
        return root / name

    return get


def facts_of(table: Path) -> pd.DataFrame:
    return pd.read_csv(table / "cohort.csv", dtype={"patient_id": str}).set_index("patient_id")


# --- the plan ------------------------------------------------------------------------------------------


@each_design
def test_the_plan_states_the_fits_that_are_made(ran: Callable[[str], Path], name: str) -> None:
    folder = ran(name)
    plan, made = pd.read_csv(folder / "plan.csv"), units_of(folder)
    fits = read(folder, "run.json")["fits"]
    assert fits["planned"] == fits["made"] == plan["fits"].sum() > 0
    assert fits["units"] == plan["split"].nunique() == len(made)
    for (split, task), rows in plan.groupby(["split", "task"]):
        assert made[split]["fits_by_stage"][task] == rows["fits"].sum()
        assert made[split]["training"] == rows["n"].iloc[0]


def test_the_number_of_fits_is_what_it_is_by_hand(ran: Callable[[str], Path]) -> None:
    """lr: 2 candidates in 2 folds, the fit, 2 cross-fitting folds; nb: the fit, 2 folds, 1 + 2 Platt fits."""
    once = (2 * 2 + 1 + 2) + (1 + 2 + 1 + 2)
    units = {
        "holdout": 1,
        "kfold": 4,
        "no-final": 3,
        "repeated": 7,
        "nested": 4,
        "bootstrap": 5,
        "internal-external": 4,
    }
    for name, count in units.items():
        assert read(ran(name), "run.json")["fits"] == {"planned": count * once, "made": count * once, "units": count}


# --- who predicts whom ---------------------------------------------------------------------------------


@each_design
def test_everybody_held_out_is_predicted_by_a_fit_that_did_not_see_the_family(
    ran: Callable[[str], Path], table: Path, name: str
) -> None:
    folder, family = ran(name), facts_of(table)["family"]
    found = pd.read_parquet(folder / "predictions.parquet")
    assert tuple(found.columns) == COLUMNS
    assert found["probability"].between(0, 1).all()
    assert not found.duplicated(["split", "imputation", "patient", "kind", "model"]).any()
    split = pd.read_csv(folder / "split.csv", dtype={"patient": str})
    for unit, rows in split.groupby("split"):
        training = set(rows.loc[rows["set"] == "training", "patient"])
        held_out = set(rows.loc[rows["set"] == "held-out", "patient"])
        own = found[found["split"] == unit]
        for model in ("lr", "nb"):
            of_model = own[own["model"] == model]
            assert set(of_model.loc[of_model["kind"] == "held-out", "patient"]) == held_out
            for kind in ("apparent", "cross-fitted"):
                assert set(of_model.loc[of_model["kind"] == kind, "patient"]) == training
        if name != "bootstrap":
            assert not set(family[list(training)]) & set(family[list(held_out)])
    final = found[found["split"] == "final"]
    assert len(final) == (0 if name in (*SINGLE, "no-final") else 120 * 2 * 2)


def test_the_order_of_keys_changes_neither_digest_nor_predictions(table: Path, tmp_path: Path) -> None:
    """Trees, selection and imputation all depend on the order of columns; the digest does not hold the protocol's."""
    first = DECLARED.replace("DESIGN", DESIGNS["kfold"]).replace('method = "simple"', 'method = "iterative"')
    first = first.replace("sklearn.naive_bayes.GaussianNB", "sklearn.ensemble.ExtraTreesClassifier")
    start, end = first.index("age = "), first.index("[design]")
    second = first[:start] + "\n".join(reversed(first[start:end].splitlines())) + "\n" + first[end:]
    protocols = [parse_protocol(text) for text in (first, second)]
    assert list(protocols[0].cohort.predictors) != list(protocols[1].cohort.predictors)
    assert protocols[0].digest() == protocols[1].digest()
    written = []
    for number, protocol in enumerate(protocols):
        run_protocol(protocol, out=tmp_path / str(number), cohort=table, engine="sequential")
        written.append((tmp_path / str(number) / "predictions.parquet").read_bytes())
    assert written[0] == written[1]


# --- what is judged --------------------------------------------------------------------------------------


@each_design
def test_the_evaluation_has_the_designs_shape(ran: Callable[[str], Path], name: str) -> None:
    folder = ran(name)
    found, splits = read(folder, "evaluation.json"), read(folder, "run.json")["design"]["splits"]
    corrected = name == "bootstrap"
    assert found["primary"] == ("corrected" if corrected else "held-out")
    assert found["design"]["kind"] == declared(name).design.kind
    assert found["design"]["splits"] == splits
    several = splits > 1 and not corrected
    for model in found["models"]:
        assert set(model["sets"]) == {"training", "training-cross-fitted", found["primary"]}
        assert ("by_split" in model, "optimism" in model) == (several, corrected)
        assert ("pooled" in model) == (name == "internal-external")
        judged = model["sets"][found["primary"]]
        assert judged["auc"]["low"] < judged["auc"]["value"] < judged["auc"]["high"]
        if several:
            assert len(model["by_split"]) == splits
            assert sum(row["n"] for row in model["by_split"]) == judged["n"] * judged.get("repeats", 1)
    assert ("held-out" in found["comparisons"]) != corrected
    everybody = name not in SINGLE
    assert found["models"][0]["sets"][found["primary"]]["n"] == 120 or not everybody


def test_repeats_sites_and_resamples_are_told(ran: Callable[[str], Path]) -> None:
    def first(name: str) -> Any:
        return read(ran(name), "evaluation.json")["models"][0]

    assert first("repeated")["sets"]["held-out"]["repeats"] == 2
    assert [row["site"] for row in first("internal-external")["by_split"]] == ["site-1", "site-2", "site-3"]
    assert set(first("internal-external")["pooled"]) >= {"auc", "slope", "calibration_in_the_large"}
    behind = first("bootstrap")["optimism"]
    assert behind["resamples"] == 4
    auc = behind["metrics"]["auc"]
    assert auc["corrected"]["value"] == pytest.approx(auc["apparent"]["value"] - auc["optimism"]["value"])
    assert first("bootstrap")["sets"]["corrected"]["auc"] == auc["corrected"]


def test_criteria_of_a_bootstrap_are_judged_on_corrected_figures(table: Path, tmp_path: Path) -> None:
    criteria = ("acceptance.auc.low=0.5", "acceptance.sensitivity.low=0.1")
    run_protocol(declared("bootstrap", *criteria), out=tmp_path / "run", cohort=table, engine="sequential")
    found = read(tmp_path / "run", "evaluation.json")
    judged = found["models"][0]["sets"]["corrected"]
    auc, sensitivity = found["acceptance"]["criteria"]
    assert auc["set"] == sensitivity["set"] == "corrected"
    assert auc["estimate"]["value"] == judged["auc"]["value"]
    assert sensitivity["threshold"] == judged["threshold"]["value"]
    assert sensitivity["quantity"].endswith(f"at the operating threshold {sensitivity['threshold']:.3g}")
    assert judged["threshold"]["rule"].endswith("of the fit to all patients")
    assert "shifted by the optimism" in found["acceptance"]["note"]


def test_scaling_and_selection_before_the_split_take_gaps(
    table: Path, ran: Callable[[str], Path], tmp_path: Path
) -> None:
    """What the leak declares is learnt from the values that are there; imputation stays inside."""
    leak = declared("kfold", 'model.before_split=["scaling", "selection"]')
    assert leak.cohort.missing == "impute"
    run_protocol(leak, out=tmp_path / "run", cohort=table, engine="sequential")
    looks = read(tmp_path / "run", "run.json")["looks"]
    assert [look["stage"] for look in looks] == ["before the split"], looks
    inside = pd.read_parquet(ran("kfold") / "predictions.parquet")
    outside = pd.read_parquet(tmp_path / "run" / "predictions.parquet")
    assert len(inside) == len(outside)
    assert not np.allclose(inside["probability"], outside["probability"])


# --- sealed ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "unit"),
    [("holdout", "holdout"), ("kfold", "fold-02"), ("repeated", "repeat-02-fold-01"), ("nested", "fold-03"),
     ("bootstrap", "resample-0003"), ("internal-external", "site-02")],
)  # fmt: skip
def test_held_out_outcomes_change_no_parameter_of_their_split(
    ran: Callable[[str], Path], table: Path, tmp_path: Path, name: str, unit: str
) -> None:
    """Flip them, and what that split learnt and predicted stays the same to the bit; the others' does not."""
    folder = ran(name)
    split = pd.read_csv(folder / "split.csv", dtype={"patient": str})
    own = split[split["split"] == unit]
    unseen = set(own.loc[own["set"] == "held-out", "patient"]) - set(own.loc[own["set"] == "training", "patient"])
    shutil.copytree(table, tmp_path / "cohort")
    rows = pd.read_csv(table / "cohort.csv", dtype=str)
    flipped = rows["patient_id"].isin(unseen)
    rows.loc[flipped, "plnm"] = rows.loc[flipped, "plnm"].map({"0": "1", "1": "0"})
    rows.to_csv(tmp_path / "cohort" / "cohort.csv", index=False)
    other = run_protocol(declared(name), out=tmp_path / "run", cohort=tmp_path / "cohort", engine="sequential")
    assert (other / "split.csv").read_bytes() == (folder / "split.csv").read_bytes()
    before, after = units_of(folder), units_of(other)
    assert after[unit]["parameters"] == before[unit]["parameters"]
    changed = {key for key in before if before[key]["parameters"] != after[key]["parameters"]}
    assert changed == {key for key in before if key != unit} or name == "bootstrap"
    tables = [pd.read_parquet(run / "predictions.parquet") for run in (folder, other)]
    tables = [table[table["split"] == unit].reset_index(drop=True) for table in tables]
    assert len(tables[0])
    pd.testing.assert_frame_equal(*tables, check_exact=True)


# --- resuming, workers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "unit"), [("kfold", "fold-02"), ("bootstrap", "resample-0003"), ("nested", "final")])
def test_only_a_lost_unit_is_fitted_again(
    ran: Callable[[str], Path], table: Path, tmp_path: Path, name: str, unit: str
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(ran(name), folder)
    records = sorted((folder / "tasks/units").glob("*/record.json"))
    shutil.rmtree(folder / "tasks/units" / unit)
    before = {path: path.stat().st_mtime_ns for path in records if path.parent.name != unit}
    run_protocol(declared(name), out=folder, cohort=table, engine="sequential")
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert sorted((folder / "tasks/units").glob("*/record.json")) == records
    details = [row["detail"] for row in read(folder, "run.json")["timings"]]
    assert f"1 fitted, {len(records) - 1} from records" in details
    for file in ("predictions.parquet", "evaluation.json"):
        assert (folder / file).read_bytes() == (ran(name) / file).read_bytes()


def test_a_damaged_record_is_not_believed(ran: Callable[[str], Path], table: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(ran("kfold"), folder)
    damaged = folder / "tasks/units/fold-01/predictions.parquet"
    damaged.write_bytes(damaged.read_bytes()[:-9])
    run_protocol(declared("kfold"), out=folder, cohort=table, engine="sequential")
    assert (folder / "predictions.parquet").read_bytes() == (ran("kfold") / "predictions.parquet").read_bytes()


@pytest.mark.parametrize("name", ["repeated", "bootstrap"])
def test_two_workers_give_the_same_bytes(ran: Callable[[str], Path], table: Path, tmp_path: Path, name: str) -> None:
    other = run_protocol(declared(name), out=tmp_path / "run", cohort=table, engine="loky:2")
    for file in ("predictions.parquet", "evaluation.json", "plan.csv", "split.csv"):
        assert (other / file).read_bytes() == (ran(name) / file).read_bytes()


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
@pytest.mark.parametrize("engine", ["sequential", "loky:2"])
def test_killed_half_way_it_ends_with_the_same_bytes(
    ran: Callable[[str], Path], table: Path, tmp_path: Path, engine: str
) -> None:
    file, out = tmp_path / "small.toml", tmp_path / "run"
    file.write_text(DECLARED.replace("DESIGN", DESIGNS["repeated"]))
    command = [sys.executable, "-m", "validkit", "run", str(file), "--cohort", str(table), "--out", str(out)]
    process = subprocess.Popen(
        [*command, "--engine", engine], start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )

    def finished() -> int:
        return len(list((out / "tasks/units").glob("*/record.json")))

    try:
        start = time.monotonic()
        while finished() < 2 and process.poll() is None and time.monotonic() - start < 120:
            time.sleep(0.002)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert 2 <= finished() < 7
    assert not (out / "run.json").exists()
    run_protocol(declared("repeated"), out=out, cohort=table, engine=engine)
    for name in ("predictions.parquet", "evaluation.json"):
        assert (out / name).read_bytes() == (ran("repeated") / name).read_bytes()


# --- imputed copies, what is learnt before the split, real patients ----------------------------------------------


@pytest.mark.parametrize("combine", ["rubin", "average"])
def test_every_imputed_copy_is_fitted_predicted_and_counted(table: Path, tmp_path: Path, combine: str) -> None:
    several = f'imputation={{method = "iterative", copies = 2, iterations = 2, combine = "{combine}"}}'
    protocol = declared("internal-external", several)
    out = run_protocol(protocol, out=tmp_path / "run", cohort=table, engine="sequential")
    fits = read(out, "run.json")["fits"]
    assert fits == {"planned": 2 * 4 * 13, "made": 2 * 4 * 13, "units": 4}
    found = pd.read_parquet(out / "predictions.parquet")
    sizes = found.groupby(["split", "model", "kind"])["imputation"].value_counts().unstack()
    assert list(sizes.columns) == [1, 2]
    assert (sizes[1] == sizes[2]).all()
    judged = read(out, "evaluation.json")["models"][0]["sets"]["held-out"]
    assert judged.get("imputed_copies") == (2 if combine == "rubin" else None)


@pytest.mark.parametrize("leak", ["imputation", "scaling", "selection"])
def test_what_is_learnt_before_the_split_is_planned_and_told(table: Path, tmp_path: Path, leak: str) -> None:
    named = ["imputation"] if leak == "imputation" else ["imputation", leak]
    protocol = declared("kfold", f"model.before_split={json.dumps(named)}")
    run = read(run_protocol(protocol, out=tmp_path / "run", cohort=table, engine="sequential"), "run.json")
    assert run["fits"]["planned"] == run["fits"]["made"]
    told = [look["text"] for look in run["looks"]]
    assert (f"{leak} learnt from every patient" in " ".join(told)) == (leak == "selection")


def test_predictions_made_elsewhere_need_no_fit(tmp_path: Path) -> None:
    small = ("cohort.default.patients=200", "evaluation.bootstrap.replicates=20")
    protocol = parse_protocol(source_of("audit"), overrides=small)
    out = run_protocol(protocol, out=tmp_path / "run", engine="sequential")
    assert read(out, "run.json")["fits"] == {"planned": 0, "made": 0, "units": 1}
    found = pd.read_parquet(out / "predictions.parquet")
    assert set(found["kind"]) == {"held-out"}
    assert found.groupby("model").size().to_dict() == {"risk": 200, "overfitted": 200, "shifted": 200}


def test_heart_leaves_each_hospital_out(shared: Path, tmp_path: Path) -> None:
    """heart.toml on its real table, with fewer copies, trees and replicates."""
    text = source_of("heart")
    for before, after in (("copies     = 10", "copies = 2"), ("iterations = 10", "iterations = 2"),
                          ("max_iter = 100", "max_iter = 5"), ("replicates = 2000", "replicates = 50")):  # fmt: skip
        assert before in text
        text = text.replace(before, after)
    file = shared / "data/uci-heart/heart.csv"
    out = run_protocol(parse_protocol(text), out=tmp_path / "run", cohort=file, engine="loky:2")
    fits = read(out, "run.json")["fits"]
    once = (4 * 5 + 1 + 5) * 2
    assert fits == {"planned": 5 * 2 * once, "made": 5 * 2 * once, "units": 5}
    model = read(out, "evaluation.json")["models"][0]
    assert [(row["site"], row["n"]) for row in model["by_split"]] == [
        ("cleveland", 303), ("hungarian", 294), ("switzerland", 123), ("va", 200)
    ]  # fmt: skip
    assert model["sets"]["held-out"]["imputed_copies"] == 2
    assert 0.6 < model["pooled"]["auc"]["estimate"]["value"] < 0.95


def test_fits_are_spread_over_cards_and_resume_on_any_of_them(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two places on this CPU stand in for two cards: who works where changes no byte and no record."""
    from validkit import fitting

    expected = run_protocol(declared("kfold"), out=tmp_path / "one", cohort=table, engine="sequential")
    monkeypatch.setattr(fitting, "cards_of", lambda _: ["cpu", "cpu"])
    found = run_protocol(declared("kfold"), out=tmp_path / "two", cohort=table, engine="loky:4")
    assert (found / "predictions.parquet").read_bytes() == (expected / "predictions.parquet").read_bytes()


def test_cards_are_those_that_torch_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    from validkit import provenance

    monkeypatch.setattr(provenance, "_cuda_devices", lambda: 3)
    assert provenance.cards_of("cuda") == ["cuda:0", "cuda:1", "cuda:2"]
    assert provenance.cards_of("cuda:1") == ["cuda:1"]
    assert provenance.cards_of("cpu") == ["cpu"]
    monkeypatch.setattr(provenance, "_cuda_devices", lambda: 1)
    assert provenance.cards_of("cuda") == ["cuda"]
