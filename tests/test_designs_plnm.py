"""The PLNM model's shipped protocols in their smallest form: the plan's fits, who predicts whom, sealed, resumed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("radiomics", reason="needs the imaging extra")
pytest.importorskip("torch", reason="needs the deep extra")

from validkit.cohort.phantom import write_phantom
from validkit.protocol import Protocol, parse_protocol, source_of
from validkit.report import render_report
from validkit.run import run_protocol

SMALL = (
    "cohort.group=pair",
    "model.radiomics.preset=sound2d",
    "model.deep.image_size=32",
    "model.deep.epochs=1",
    "model.deep.components=4",
    "model.deep.saliency=0",
    'model.deep.backbones=["efficientnet-lite0"]',
    'model.classifiers.use=["lr", "knn"]',
    'model.classifiers.search={folds = 2, grid = "small"}',
    "model.cross_fitting.folds=2",
    'model.radiomics.select=[{method = "mann-whitney"}, {method = "spearman"}, {method = "lasso", folds = 2}]',
    "evaluation.bootstrap.replicates=20",
    "sentinels.run=[]",
)
SHIPPED: dict[str, tuple[str, ...]] = {
    "plnm-quick": (),
    "plnm-paper": (),
    "plnm-nested": ("design.folds=3", "design.stratify=none"),
    "plnm-optimism": ("design.resamples=3", "design.stratify=none", "protocol.seed.split=29"),
    "plnm-internal-external": ("design.smallest=1",),
}
ONE_UNIT = ("plnm-quick", "plnm-paper")
each_shipped = pytest.mark.parametrize("name", SHIPPED)


def small(name: str, *overrides: str) -> Protocol:
    return parse_protocol(source_of(name), overrides=(*SMALL, *SHIPPED[name], *overrides))


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text())


def units_of(folder: Path) -> dict[str, Any]:
    return {row["split"]: row for row in read(folder, "stages/splits.json")["splits"]}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """64 simulated patients at four sites; some are pairs that belong together."""
    folder = tmp_path_factory.mktemp("cohort") / "phantom"
    write_phantom(folder, patients=64, sites=4, seed=3, engine="loky:2")
    rows = pd.read_csv(folder / "cohort.csv", dtype={"patient_id": str})
    rows["pair"] = np.arange(len(rows))
    for places in rows.groupby("site").indices.values():
        rows.loc[places[1:4:2], "pair"] = rows.loc[places[0:4:2], "pair"].to_numpy()
    rows.to_csv(folder / "cohort.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def run(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A protocol's run folder; features are measured once for all."""
    root = tmp_path_factory.mktemp("runs")

    def get(name: str, out: Path | None = None, **options: Any) -> Path:
        options = {"cohort": cohort, "engine": "loky:2", "cache": root / "cache", "device": "cpu"} | options
        if out is None and (root / name).exists():
            return root / name
        return run_protocol(options.pop("protocol", small(name)), out=out or root / name, **options)

    return get


@each_shipped
def test_the_plan_states_the_fits_that_are_made(run: Callable[..., Path], name: str) -> None:
    folder = run(name)
    plan, made = pd.read_csv(folder / "plan.csv"), units_of(folder)
    fits = read(folder, "run.json")["fits"]
    assert fits["planned"] == fits["made"] == plan["fits"].sum() > 0
    assert fits["units"] == len(made) == {"plnm-quick": 1, "plnm-paper": 1, "plnm-internal-external": 5}.get(name, 4)
    planned = plan.groupby(["split", "stage"])["fits"].sum()
    for split, unit in made.items():
        by_stage = {stage: count for stage, count in unit["fits_by_stage"].items() if count}
        assert by_stage == planned[split][planned[split] > 0].to_dict()


@pytest.mark.slow
def test_the_order_of_clinical_keys_changes_no_prediction(run: Callable[..., Path], tmp_path: Path) -> None:
    text = source_of("plnm-quick")
    start = text.index("[cohort.predictors]\n") + len("[cohort.predictors]\n")
    end = text.index("[design]")
    other = text[:start] + "\n".join(reversed(text[start:end].splitlines())) + "\n\n" + text[end:]
    assert parse_protocol(other, overrides=SMALL).digest() == small("plnm-quick").digest()
    folder = run("plnm-quick", tmp_path / "run", protocol=parse_protocol(other, overrides=SMALL))
    assert (folder / "predictions.parquet").read_bytes() == (run("plnm-quick") / "predictions.parquet").read_bytes()


@each_shipped
def test_everybody_held_out_is_predicted_by_a_fit_that_did_not_see_the_pair(
    run: Callable[..., Path], cohort: Path, name: str
) -> None:
    folder = run(name)
    pair = pd.read_csv(cohort / "cohort.csv", dtype={"patient_id": str}).set_index("patient_id")["pair"]
    found = pd.read_parquet(folder / "predictions.parquet")
    split = pd.read_csv(folder / "split.csv", dtype={"patient": str})
    assert found["probability"].between(0, 1).all()
    for unit, rows in split.groupby("split"):
        training = set(rows.loc[rows["set"] == "training", "patient"])
        held_out = set(rows.loc[rows["set"] == "held-out", "patient"])
        own = found[(found["split"] == unit) & (found["kind"] == "held-out")]
        for _, of_model in own.groupby("model"):
            assert set(of_model["patient"]) == held_out
            assert len(of_model) == len(held_out)
        if name == "plnm-optimism":
            assert held_out == set(pair.index)
        else:
            assert not set(pair[list(training)]) & set(pair[list(held_out)])
    if name in ("plnm-nested", "plnm-internal-external"):
        nomogram = found[(found["model"] == "nomogram") & (found["kind"] == "held-out")]
        assert sorted(nomogram["patient"]) == sorted(pair.index)


@each_shipped
def test_the_evaluation_has_the_designs_shape(run: Callable[..., Path], name: str) -> None:
    folder = run(name)
    found = read(folder, "evaluation.json")
    corrected = name == "plnm-optimism"
    assert found["primary"] == ("corrected" if corrected else "held-out")
    whole = {"nomogram", "fusion", "radiomics", "clinical", "deep/efficientnet-lite0"}
    models = {model["name"]: model for model in found["models"]}
    assert set(models) == whole | {f"{branch}/{one}" for branch in ("radiomics", "fusion") for one in ("lr", "knn")}
    for model in models.values():
        assert found["primary"] in model["sets"]
        several = model["name"] in whole and name in ("plnm-nested", "plnm-internal-external")
        assert ("by_split" in model, "optimism" in model) == (several, corrected)
    if corrected:
        assert models["nomogram"]["optimism"]["resamples"] == 3
    verdicts = found["acceptance"]
    assert (verdicts is None) == (name in ONE_UNIT)
    assert verdicts is None or {verdict["outcome"] for verdict in verdicts["criteria"]} <= {
        "met",
        "not met",
        "undecided",
    }


def test_a_single_split_chooses_once_and_looks_only_where_it_says_so(run: Callable[..., Path]) -> None:
    assert read(run("plnm-quick"), "run.json")["looks"] == []
    assert [look["stage"] for look in read(run("plnm-paper"), "run.json")["looks"]] == ["deep", "radiomics", "fusion"]


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("plnm-nested", "fold-02"),
        pytest.param("plnm-optimism", "resample-0002", marks=pytest.mark.slow),
        pytest.param("plnm-internal-external", "site-03", marks=pytest.mark.slow),
    ],
)
def test_held_out_outcomes_change_no_parameter_of_their_split(
    run: Callable[..., Path], cohort: Path, tmp_path: Path, name: str, unit: str
) -> None:
    """Everything that reads images included; the records of the other splits are of no use, and are not used."""
    folder = run(name)
    split = pd.read_csv(folder / "split.csv", dtype={"patient": str})
    own = split[split["split"] == unit]
    unseen = set(own.loc[own["set"] == "held-out", "patient"]) - set(own.loc[own["set"] == "training", "patient"])
    flipped = tmp_path / "cohort"
    shutil.copytree(cohort, flipped)
    rows = pd.read_csv(cohort / "cohort.csv", dtype=str)
    chosen = rows["patient_id"].isin(unseen)
    rows.loc[chosen, "plnm"] = rows.loc[chosen, "plnm"].map({"0": "1", "1": "0"})
    rows.to_csv(flipped / "cohort.csv", index=False)
    other = run(name, out=tmp_path / "run", cohort=flipped)
    assert (other / "split.csv").read_bytes() == (folder / "split.csv").read_bytes()
    before, after = units_of(folder), units_of(other)
    assert after[unit]["parameters"] == before[unit]["parameters"]
    assert after["final"]["parameters"] != before["final"]["parameters"]
    tables = [pd.read_parquet(run / "predictions.parquet") for run in (folder, other)]
    tables = [table[table["split"] == unit].reset_index(drop=True) for table in tables]
    assert len(tables[0])
    pd.testing.assert_frame_equal(*tables, check_exact=True)


def test_only_a_lost_unit_is_fitted_again_with_the_same_bytes(run: Callable[..., Path], tmp_path: Path) -> None:
    """One after the other where two worked side by side before."""
    folder = tmp_path / "run"
    shutil.copytree(run("plnm-nested"), folder)
    shutil.rmtree(folder / "tasks/units/fold-02")
    kept = {path: path.stat().st_mtime_ns for path in (folder / "tasks/units").glob("*/record.json")}
    assert len(kept) == 3
    run("plnm-nested", out=folder, engine="sequential")
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    details = [row["detail"] for row in read(folder, "run.json")["timings"]]
    assert "1 fitted, 3 from records" in details
    for file in ("predictions.parquet", "evaluation.json"):
        assert (folder / file).read_bytes() == (run("plnm-nested") / file).read_bytes()


def test_external_judges_a_locked_model_on_other_simulated_patients(run: Callable[..., Path], tmp_path: Path) -> None:
    home = run("plnm-quick", tmp_path / "home", protocol=small("plnm-quick", 'model.classifiers.use=["lr"]'))
    changes = (
        f"model.file={home / 'bundle.zip'}",
        'cohort.default={phantom = "plnm", patients = 40, seed = 43}',
        "evaluation.bootstrap.replicates=20",
    )
    declared = parse_protocol(source_of("external"), overrides=changes)
    folder = run("plnm-quick", tmp_path / "there", protocol=declared, cohort=None)
    record, bundle = read(folder, "run.json"), read(folder, "stages/bundle.json")
    assert (record["fits"]["planned"], record["fits"]["made"], record["cohort"]["held_out"]["n"]) == (0, 0, 40)
    assert bundle["protocol"]["name"] == "plnm-quick"
    assert bundle["training"]["n"] == read(home, "run.json")["cohort"]["training"]["n"]
    assert read(folder, "protocol.resolved.json")["protocol"]["model"]["sha256"] == bundle["digest"]
    found = {model["name"]: model["sets"]["held-out"] for model in read(folder, "evaluation.json")["models"]}
    assert {"nomogram", "fusion", "radiomics", "clinical"} <= set(found)
    assert all(scores["n"] == 40 and scores["auc"]["value"] is not None for scores in found.values())
    render_report(folder)
    assert "Locked by a run of plnm-quick" in (folder / "report.html").read_text()
    (folder / "stages/bundle.json").unlink()
    render_report(folder)
    without = (folder / "report.html").read_text()
    assert "Locked by a run" not in without
    assert "stages/bundle.json" in without, "it opens, and says what is missing"
