"""The whole model under a protocol, small: the run folder, resuming, sealing, refusals."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("radiomics", reason="needs the imaging extra")
pytest.importorskip("torch", reason="needs the deep extra")

import torch

from validkit import timings
from validkit.errors import InputError
from validkit.planned import plan_of
from validkit.protocol import Protocol, parse_protocol, source_of
from validkit.provenance import sha256_of
from validkit.report import render_report
from validkit.run import run_protocol
from validkit.stats import METRICS

SMALL = (
    "cohort.default.patients=60",
    "model.deep.image_size=32",
    "model.deep.epochs=1",
    "model.deep.components=4",
    "model.deep.saliency=2",
    'model.classifiers.use=["lr", "knn", "random-forest"]',
    "model.classifiers.search.folds=3",
    "model.cross_fitting.folds=2",
    'model.radiomics.select=[{method = "mann-whitney"}, {method = "spearman"}, {method = "lasso", folds = 3}]',
    "evaluation.bootstrap.replicates=50",
)


def small(*more: str) -> Protocol:
    return parse_protocol(source_of("plnm-quick"), overrides=(*SMALL, *more))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    out = tmp_path_factory.mktemp("run") / "small"
    run_protocol(small(), out=out, overrides=SMALL, source=source_of("plnm-quick"), engine="loky:2", cache=cache)
    render_report(out)
    return out


def read(folder: Path, name: str) -> dict:  # type: ignore[type-arg]
    return json.loads((folder / name).read_text())


@pytest.mark.slow
def test_a_run_made_in_one_go_corrects_the_next_plan(
    finished: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(cache / "radiomics", tmp_path / "radiomics")
    monkeypatch.setattr(timings, "SHORTEST", 0.0)
    monkeypatch.setattr(timings, "MOST", 1e6)
    phantom = finished / "phantom"
    assert timings.known_timings(tmp_path) == {}
    run_protocol(small(), out=tmp_path / "run", cohort=phantom, engine="sequential", cache=tmp_path, device="cpu")
    learnt = timings.known_timings(tmp_path)
    assert {"deep", "classifiers"} <= set(learnt)
    plain, corrected = (plan_of(small(), phantom, known=known).tasks for known in (None, learnt))
    deep = plain["stage"] == "deep"
    assert np.allclose(corrected.loc[deep, "seconds"], plain.loc[deep, "seconds"] * learnt["deep"])
    run_protocol(small(), out=tmp_path / "run", cohort=phantom, engine="sequential", cache=tmp_path, device="cpu")
    assert timings.known_timings(tmp_path) == learnt, "work taken from records teaches nothing"


def test_the_run_folder_is_complete(finished: Path) -> None:
    expected = (
        "protocol.toml",
        "protocol.resolved.json",
        "plan.csv",
        "split.csv",
        "predictions.parquet",
        "report.html",
    )
    for name in expected:
        assert (finished / name).stat().st_size > 0, name
    run = read(finished, "run.json")
    assert run["status"] == "complete"
    assert run["synthetic"] is True
    assert run["protocol"]["digest"] == small().digest()
    assert run["overrides"] == list(SMALL)
    assert {"radiomics", "deep", "classifiers: fusion", "nomogram"} <= {entry["stage"] for entry in run["timings"]}
    assert run["cohort"]["training"]["n"] + run["cohort"]["held_out"]["n"] == 60
    for name, digest in run["files"].items():
        assert sha256_of(finished / name) == digest
    report = (finished / "report.html").read_text()
    assert "synthetic" in report.lower()
    told = re.sub(r"<script>.*?</script>", "", report, flags=re.DOTALL)
    assert "http://" not in told.replace("http://www.w3.org", "")


def test_every_model_is_judged_on_both_sets(finished: Path) -> None:
    evaluation = read(finished, "evaluation.json")
    names = [model["name"] for model in evaluation["models"]]
    expected = {"nomogram", "fusion", "radiomics", "clinical", "deep/efficientnet-lite0"}
    expected |= {f"{branch}/{name}" for branch in ("radiomics", "fusion") for name in ("lr", "knn", "random-forest")}
    assert set(names) == expected
    for model in evaluation["models"]:
        for part in ("training", "held-out"):
            found = model["sets"][part]
            assert 0 <= found["auc"]["low"] <= found["auc"]["value"] <= found["auc"]["high"] <= 1
            assert found["n"] in (42, 18)
            assert found["measures"].keys() == METRICS.keys()
            assert found["measures"]["auc"] == found["auc"]
    assert evaluation["predictions_digest"] == sha256_of(finished / "predictions.parquet")
    assert {c["b"] for c in evaluation["comparisons"]["held-out"]} == expected - {"nomogram"} - {
        name for name in names if name.count("/") and not name.startswith("deep")
    }


def test_predictions_hold_no_outcome(finished: Path) -> None:
    table = pd.read_parquet(finished / "predictions.parquet")
    assert list(table.columns) == [
        *("split", "repeat", "fold", "imputation", "patient", "set", "kind", "model", "probability")
    ]
    assert table["probability"].between(0, 1).all()
    assert set(table.loc[table["set"] == "held-out", "kind"]) == {"held-out"}


def test_held_out_outcomes_do_not_reach_what_learns(finished: Path, tmp_path: Path, cache: Path) -> None:
    """With every held-out outcome flipped, predictions and fitted records are the same bytes."""
    protocol = small("design.stratify=none")
    plain = run_protocol(protocol, out=tmp_path / "plain", cohort=finished / "phantom", engine="loky:2", cache=cache)
    split = pd.read_csv(plain / "split.csv", dtype={"patient": str}).set_index("patient")["set"]
    flipped = tmp_path / "cohort"
    shutil.copytree(finished / "phantom", flipped)
    table = pd.read_csv(flipped / "cohort.csv", dtype={"patient_id": str})
    held_out = table["patient_id"].map(split) == "held-out"
    assert held_out.sum() == 18
    table.loc[held_out, "plnm"] = 1 - table.loc[held_out, "plnm"]
    table.to_csv(flipped / "cohort.csv", index=False)
    other = run_protocol(protocol, out=tmp_path / "other", cohort=flipped, engine="loky:2", cache=cache)
    for name in ("predictions.parquet", "stages/selection.json", "stages/fusion.json", "stages/nomogram.json"):
        assert (other / name).read_bytes() == (plain / name).read_bytes(), name
    assert (other / "evaluation.json").read_bytes() != (plain / "evaluation.json").read_bytes()


def test_run_again_it_resumes_with_the_same_bytes(finished: Path, cache: Path) -> None:
    before = (finished / "predictions.parquet").read_bytes()
    run_protocol(small(), out=finished, overrides=SMALL, engine="loky:2", cache=cache)
    assert (finished / "predictions.parquet").read_bytes() == before
    details = {entry["stage"]: entry["detail"] for entry in read(finished, "run.json")["timings"]}
    assert details["radiomics"].startswith("0 extracted")


def test_one_worker_and_two_give_the_same_bytes(finished: Path, tmp_path: Path, cache: Path) -> None:
    out = run_protocol(small(), out=tmp_path / "run", engine="sequential", cache=cache)
    assert (out / "predictions.parquet").read_bytes() == (finished / "predictions.parquet").read_bytes()


def test_another_protocol_or_cohort_in_the_same_folder_is_refused(finished: Path, tmp_path: Path, cache: Path) -> None:
    with pytest.raises(InputError, match=r"holds a run of another protocol .*--out"):
        run_protocol(small("design.test=0.4"), out=finished, cache=cache)
    (tmp_path / "something.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty and holds no run"):
        run_protocol(small(), out=tmp_path, cache=cache)
    assert [path.name for path in tmp_path.iterdir()] == ["something.txt"]


def test_what_is_missing_is_said_before_anything_is_done(tmp_path: Path) -> None:
    real = parse_protocol(source_of("breast-us"))
    with pytest.raises(InputError, match="give a cohort's folder with --cohort DIR"):
        run_protocol(real, out=tmp_path / "a")
    with pytest.raises(InputError, match=r"no cohort\.csv in"):
        run_protocol(real, out=tmp_path / "b", cohort=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_choosing_by_held_out_auc_is_recorded_as_a_look(tmp_path: Path, cache: Path) -> None:
    protocol = small("model.classifiers.choose=held-out auc", "model.deep.choose=held-out auc")
    out = run_protocol(protocol, out=tmp_path / "run", engine="loky:2", cache=cache)
    looks = read(out, "run.json")["looks"]
    assert [look["stage"] for look in looks] == ["deep", "radiomics", "fusion"]
    assert "opened to choose in stage" in render_report(out).read_text()
    evaluation = read(out, "evaluation.json")
    auc = {m["name"]: m["sets"]["held-out"]["auc"]["value"] for m in evaluation["models"]}
    assert auc["fusion"] == max(value for name, value in auc.items() if name.startswith("fusion/"))


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
def test_killed_twice_it_ends_with_the_same_bytes(finished: Path, tmp_path: Path) -> None:
    """SIGKILL in the middle of extraction, again in the middle of the classifier search."""
    out, cache = tmp_path / "run", tmp_path / "cache"
    command = [sys.executable, "-m", "validkit", "run", "plnm-quick", "--out", str(out), "--cache", str(cache)]
    command += ["--engine", "loky:2"] + [part for setting in SMALL for part in ("--set", setting)]

    def extracted() -> int:
        return sum(1 for path in cache.rglob("*") if path.is_file() and not path.name.startswith("."))

    def searched() -> int:
        return len(list((out / "tasks/holdout/classifiers").rglob("record.json")))

    kill_when(command, lambda: extracted() >= 20)
    assert 20 <= extracted() < 150
    kill_when(command, lambda: searched() >= 1)
    assert 1 <= searched() < 6
    subprocess.run(command, check=True, capture_output=True, timeout=600)
    assert (out / "predictions.parquet").read_bytes() == (finished / "predictions.parquet").read_bytes()
    assert (out / "evaluation.json").read_bytes() == (finished / "evaluation.json").read_bytes()


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
def test_killed_between_two_epochs_it_goes_on_with_the_same_bytes(tmp_path: Path, cache: Path) -> None:
    """A network whose training takes longer than `Checkpoint.FIRST`, killed once an epoch of it was written down."""
    longer = ("model.deep.image_size=128", "model.deep.epochs=24", "model.deep.patience=24")
    expected = run_protocol(small(*longer), out=tmp_path / "whole", engine="loky:2", cache=cache)
    out = tmp_path / "run"
    command = [sys.executable, "-m", "validkit", "run", "plnm-quick", "--out", str(out), "--cache", str(cache)]
    command += ["--engine", "loky:2"] + [part for setting in (*SMALL, *longer) for part in ("--set", setting)]
    kill_when(command, lambda: any(out.rglob("*.unfinished")))
    [unfinished] = out.rglob("*.unfinished")
    epochs = torch.load(unfinished, weights_only=True)["state"]["curve"]
    assert 1 <= len(epochs) < 24
    done = subprocess.run(command, check=True, capture_output=True, timeout=600)
    assert done.returncode == 0
    assert not list(out.rglob("*.unfinished"))
    for name in ("predictions.parquet", "evaluation.json", "stages/deep.json"):
        assert (out / name).read_bytes() == (expected / name).read_bytes(), name


def kill_when(command: list[str], condition: Callable[[], bool]) -> None:
    """Start the command in a process group of its own and kill the whole group once the condition holds."""
    process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(6000):
            if condition():
                break
            assert process.poll() is None, "the run ended before it could be killed"
            time.sleep(0.02)
        else:
            pytest.fail("the condition never held")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
