"""breast-us in small on its real images, and its locked model at the other real centre, as a user types it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

pytest.importorskip("radiomics", reason="needs the imaging extra")
pytest.importorskip("torch", reason="needs the deep extra")

from validkit.protocol import source_of

SMALL = (
    "model.radiomics.preset=sound2d",
    "model.reproducibility.perturb.patients=30",
    "model.reproducibility.perturb.copies=1",
    "model.deep.image_size=32",
    "model.deep.epochs=2",
    "model.deep.components=4",
    "model.deep.saliency=0",
    'model.classifiers.use=["lr"]',
    'model.classifiers.search={folds = 2, grid = "small"}',
    "model.cross_fitting.folds=2",
    'model.radiomics.select=[{method = "mann-whitney"}, {method = "spearman"}, {method = "lasso", folds = 2}]',
    "evaluation.bootstrap.replicates=50",
)


def validkit(*arguments: str) -> str:
    command = [sys.executable, "-W", "error::RuntimeWarning", "-m", "validkit", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def changed(*settings: str) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


def part_of(source: Path, target: Path, patients: int, levels: Mapping[str, str]) -> Path:
    """As many patients with as without the event, their files copied; levels : of BI-RADS, renamed."""
    rows = pd.read_csv(source / "cohort.csv", dtype=str)
    rows = rows[rows["birads"].isin([*levels, "2", "3", "4", "5"])]
    rows = rows.groupby("malignant").head(patients // 2).replace({"birads": dict(levels)})
    for column in ("image", "mask"):
        for name in rows[column]:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source / name, target / name)
    rows.to_csv(target / "cohort.csv", index=False)
    return target


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text())


@pytest.fixture(scope="module")
def developed(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of breast-us on 60 of BUS-BRA's patients."""
    root = tmp_path_factory.mktemp("breast")
    cohort = part_of(shared / "data/breast-us/busbra-421", root / "busbra", 60, {})
    said = validkit("run", "breast-us", "--cohort", str(cohort), "--out", str(root / "run"), *changed(*SMALL))
    assert "SYNTHETIC" not in said
    return root / "run"


def test_breast_us_runs_on_real_images_as_planned(developed: Path) -> None:
    record, found = read(developed, "run.json"), read(developed, "evaluation.json")
    assert (record["status"], record["synthetic"]) == ("complete", False)
    assert record["fits"]["planned"] == record["fits"]["made"] == pd.read_csv(developed / "plan.csv")["fits"].sum()
    nomogram = next(model for model in found["models"] if model["name"] == "nomogram")["sets"]["held-out"]
    assert (nomogram["n"], nomogram["events"]) == (18, 9)
    assert nomogram["auc"]["value"] > 0.6, "BI-RADS alone tells malignant from benign better than this"
    deep = {model["name"]: model for model in found["models"] if model["family"] == "deep"}
    assert list(deep) == ["deep/efficientnet-lite0", "deep/efficientnet-lite0/frozen"]
    areas = [model["sets"]["held-out"]["auc"] for model in deep.values()]
    assert all(auc["low"] <= auc["value"] <= auc["high"] for auc in areas)
    assert areas[0]["value"] != areas[1]["value"]
    assert not deep["deep/efficientnet-lite0/frozen"]["chosen"]
    assert "Deep (efficientnet-lite0, frozen)" in (developed / "report.html").read_text()
    assert (developed / "report.html").stat().st_size > 100_000
    validkit("verify", str(developed))


def test_its_locked_model_predicts_at_the_other_centre(developed: Path, shared: Path, tmp_path: Path) -> None:
    renamed = {"4a": "4", "4b": "4", "4c": "4"}
    cohort = part_of(shared / "data/breast-us/breast-252", tmp_path / "breast", 30, renamed)
    given, theirs = source_of("external"), source_of("breast-us")
    declared = theirs[theirs.index("[cohort]") : theirs.index("[design]")]
    own = given[: given.index("[cohort]")] + declared + given[given.index("[design]") :]
    (tmp_path / "centre.toml").write_text(own)
    bundle = changed(f"model.file={developed / 'bundle.zip'}")
    planned = validkit("plan", str(tmp_path / "centre.toml"), "--cohort", str(cohort), *bundle)
    assert "0 fits" in planned
    assert "extract" in planned, "lesions are measured as at home"
    book = ("--ledger", str(tmp_path / "ledger.jsonl"))
    validkit("protocol", "seal", str(tmp_path / "centre.toml"), "--cohort", str(cohort), *book, *bundle)
    shutil.copy(developed / "bundle.zip", tmp_path / "received.zip")
    bundle = changed(f"model.file={tmp_path / 'received.zip'}")
    out = tmp_path / "run"
    said = validkit("run", str(tmp_path / "centre.toml"), "--cohort", str(cohort), "--out", str(out), *book, *bundle)
    assert "AUC" in said
    record, found = read(out, "run.json"), read(out, "evaluation.json")
    assert record["fits"] == {"planned": 0, "made": 0, "units": 1}
    nomogram = next(model for model in found["models"] if model["name"] == "nomogram")["sets"]["held-out"]
    assert nomogram["n"] == 30
    assert nomogram["auc"]["value"] > 0.6
    there = read(developed, "evaluation.json")
    own = next(m for m in there["models"] if m["name"] == "nomogram")["sets"]["held-out"]["threshold"]["value"]
    assert nomogram["threshold"]["value"] == pytest.approx(own)
    page = (out / "report.html").read_text()
    assert "Locked by a run of breast-us, developed on 42 patients, 21 with malignant" in page
    assert "changed by an override" not in page, "where the bundle lies is no departure"
    assert record["sealed"]["state"] == "sealed"
    table = pd.read_csv(out / "tables/locked-model.csv").set_index(["model", "where"])
    assert table.loc[("nomogram", "home"), "n"] == 18
    assert table.loc[("nomogram", "here"), "auc"] == nomogram["auc"]["value"]
    validkit("verify", str(out), *book)
