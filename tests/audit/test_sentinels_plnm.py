"""The paper's own protocol, small, comes out with its real faults found; and so does a selection before the split."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

pytest.importorskip("radiomics", reason="needs the imaging extra")
pytest.importorskip("torch", reason="needs the deep extra")

from validkit.audit.run import CHECKS
from validkit.audit.study import Study
from validkit.engine import Silent
from validkit.fitting import Workshop, fit_all
from validkit.folder import Run, begin
from validkit.plan import make_plan
from validkit.preparing import patients_of, prepare, read_data
from validkit.protocol import parse_protocol, source_of

pytestmark = pytest.mark.slow

SMALL = (
    "cohort.default.patients=60",
    "model.deep.image_size=32",
    "model.deep.epochs=1",
    "model.deep.components=4",
    "model.deep.saliency=0",
    "model.deep.weights=none",
    'model.deep.backbones=["efficientnet-lite0"]',
    'model.classifiers.use=["lr", "knn"]',
    "model.classifiers.search.folds=3",
    "model.classifiers.search.grid=small",
    "model.cross_fitting.folds=2",
    "model.radiomics.preset=sound2d",
    'model.radiomics.select=[{method = "mann-whitney"}, {method = "spearman"}, {method = "lasso", folds = 3}]',
    "sentinels.permutations=1",
)
SOUND = (
    "model.deep.choose=inner-validation",
    "model.classifiers.choose=inner-validation",
    "model.nomogram.fusion_score=cross-fitted",
    "evaluation.thresholds.on=training-cross-fitted",
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sentinels")


def study(folders: Path, name: str, *more: str) -> Study:
    """The paper's protocol with these changes, run on one phantom with one cache of features."""
    protocol = parse_protocol(source_of("plnm-paper"), overrides=(*SMALL, *more))
    out = folders / name
    run = Run(out, protocol, (), "cpu", "sequential", folders / "cache", Silent())
    begin(run, "")
    if (folders / "phantom").is_dir():
        shutil.copytree(folders / "phantom", out / "phantom")
    data = read_data(run, None)
    if not (folders / "phantom").is_dir():
        shutil.copytree(out / "phantom", folders / "phantom")
    plan = make_plan(protocol, patients_of(data))
    prepared = prepare(run, data, plan)
    workshop = Workshop("cpu", "sequential", out / "tasks")
    fitted, _ = fit_all(protocol, plan, prepared, data.outcome, workshop)
    units = dict(zip((split.name for split in plan.units), fitted, strict=True))
    return Study(protocol, data, plan, prepared, units, workshop, [look for one in fitted for look in one.looks])


def test_the_papers_own_faults_are_found(folders: Path) -> None:
    paper = study(folders, "paper")
    before = {path: path.read_bytes() for path in (folders / "paper/tasks/holdout").rglob("record.json")}
    choice = CHECKS["held-out-choice"](paper)
    assert choice.outcome == "fail"
    assert [look["stage"] for look in choice.evidence["looks"]] == ["deep", "radiomics", "fusion"]
    rows = {row["model"]: row for row in choice.evidence["models"]}
    assert rows["fusion"]["as_run"]["n"] == 18
    known = CHECKS["resubstitution"](paper)
    assert known.outcome == "fail"
    assert known.evidence["declared"] == ["model.nomogram.fusion_score", "evaluation.thresholds.on"]
    assert known.evidence["models"][0]["fall"]["value"] > 0
    assert known.evidence["score"]["models"][0]["model"] == "nomogram"
    looked = CHECKS["held-out-invariance"](paper)
    assert looked.outcome == "fail"
    assert looked.evidence["looks"] == 3
    again = CHECKS["permuted-outcome"](paper)
    assert again.evidence["not_carried_out"] == []
    assert CHECKS["before-split"](paper).outcome == "pass"
    assert {path: path.read_bytes() for path in before} == before, "the run's own records stay as they are"


def test_a_sound_reading_passes_and_selection_before_the_split_does_not(folders: Path) -> None:
    sound = study(folders, "sound", *SOUND)
    for code in ("held-out-invariance", "before-split", "held-out-choice", "resubstitution", "no-signal"):
        found = CHECKS[code](sound)
        assert found.outcome == "pass", (code, found.why)
    leaky = study(folders, "leaky", *SOUND, 'model.before_split=["selection"]')
    found = CHECKS["held-out-invariance"](leaky)
    assert found.outcome == "fail"
    assert found.evidence["splits"][0]["first_stage"] in ("reproducibility", "selection")
    measured = CHECKS["before-split"](leaky)
    assert measured.outcome == "fail"
    assert measured.evidence["not_measured"] == ""
    rows = {row["model"]: row for row in measured.evidence["models"]}
    assert rows["radiomics"]["optimism"]["low"] <= rows["radiomics"]["optimism"]["value"]
