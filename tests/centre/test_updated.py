"""A model as a centre has updated it: a new bundle that says where it comes from, and predicts what the update says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.archives import forged, unpacked
from tests.commands import command
from tests.test_bundle import PROTOCOL, Home, run
from validkit import stats
from validkit.bundle import Locked, bundle_from_run, read_bundle
from validkit.bundle.describing import case_mix_of, clinical_columns
from validkit.bundle.lineage import NAME, Lineage, Measured, Step, curve_at
from validkit.bundle.reference import replay
from validkit.bundle.updated import write_updated
from validkit.centre.checking import check_centre
from validkit.centre.harmonising import harmonised
from validkit.centre.updating import METHODS, Updated, check_update, update_model
from validkit.cohort import Cohort, read_cohort
from validkit.cohort.phantom import write_table_phantom
from validkit.errors import InputError
from validkit.plan import make_plan
from validkit.preparing import patients_of
from validkit.sections import Harmonisation
from validkit.tabular.inputs import TableInputs

ALONE = PROTOCOL[: PROTOCOL.index("[[model.estimators]]\nname = \"boosting\"")].replace(
    'missing = "impute"', 'missing = "refuse"'
).replace("[imputation]\nindicator = true\n", "") + (
    '[evaluation]\nbootstrap = { replicates = 0 }\ncompare = { reference = "lr" }\n'
)  # fmt: skip
POSITIVE = ("cohort.outcome.positive=metastasis", "cohort.outcome.negative=no metastasis")


class Centre:
    """A centre in memory: its patients, and what a locked model predicts of them."""

    def __init__(self, locked: Locked, folder: Path, file: Path, *, patients: int = 260, seed: int = 8) -> None:
        write_table_phantom(folder, kind="clinical", patients=patients, sites=1, seed=seed)
        self.locked, self.file = locked, file
        self.data: Cohort = read_cohort(folder, locked.protocol.cohort)
        self.inputs = TableInputs(self.data.for_models, patients_of(self.data).codes)
        self.risk = locked.predict(self.inputs)["lr"].to_numpy()
        self.y = self.data.outcome.to_numpy(np.int64)
        self.table = clinical_columns(locked.protocol, locked.needs, self.data)

    def updated(self, method: str) -> Updated:
        return update_model(method, self.y, self.risk, self.table, threshold=self.locked.manifest.thresholds["lr"])

    def write(self, method: str, out: Path, measured: Measured | None = None, **how: Any) -> tuple[Updated, Locked]:
        made = self.updated(method)
        plan = make_plan(self.locked.protocol, patients_of(self.data))
        told = pd.DataFrame(
            {"model": "lr", "patient": self.data.patients, "probability": made.risks, "set": "held-out"}
        )
        mix = case_mix_of(self.locked.protocol, plan, self.data, self.inputs, told, self.locked.model.predictors)
        step = Step(
            parent=self.locked.digest,
            model="lr",
            method=method,  # type: ignore[arg-type]
            curve=made.curve,  # type: ignore[arg-type]
            numbers=made.numbers,
            columns=made.columns,
            n=len(self.y),
            events=int(self.y.sum()),
            cohort=self.data.digest,
            synthetic=True,
            measured=measured,
        )
        scores = {key: one.to_dict() for key, one in made.judged.estimates.items()}
        write_updated(
            out,
            self.file,
            self.locked,
            step,
            performance={"n": len(self.y), "events": int(self.y.sum()), **scores},
            threshold=made.threshold,
            case_mix=mix,
            **how,
        )
        return made, read_bundle(out)


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Centre:
    folder = tmp_path_factory.mktemp("updated")
    write_table_phantom(folder / "home", kind="clinical", patients=200, sites=1, seed=1)
    home: Home = run(folder / "home", ALONE, *POSITIVE)
    told = home.fitted.predictions
    files = home.fitted.model_files
    path = folder / "model.zip"
    made = bundle_from_run(
        home.protocol, home.plan, files, home.data, home.evaluation, path, inputs=home.inputs, predictions=told
    )
    assert made == path
    return Centre(read_bundle(path), folder / "away", path)


DIRECT: dict[str, Callable[..., Any]] = {
    "in the large": stats.recalibrate_in_the_large,
    "logistic": stats.recalibrate_logistic,
    "platt": stats.recalibrate_platt,
    "isotonic": stats.recalibrate_isotonic,
    "beta": stats.recalibrate_beta,
}


@pytest.mark.parametrize("method", METHODS[1:])
def test_a_new_bundle_predicts_what_the_update_says(centre: Centre, method: str, tmp_path: Path) -> None:
    made, new = centre.write(method, tmp_path / "new.zip", allow_training_rows=True)
    here = new.predict(centre.inputs)
    assert list(here) == ["lr"]
    found = here["lr"].to_numpy()
    if method in DIRECT:
        assert np.allclose(found, DIRECT[method](centre.y, centre.risk).apply(centre.risk), atol=1e-14)
    elif method == "refit":
        design = np.column_stack([np.log(centre.risk / (1 - centre.risk)), centre.table[list(made.columns)]])
        assert np.allclose(found, stats.logistic_regression(design, centre.y).predict(design), atol=1e-10)
    else:
        assert np.allclose(found, curve_at(made.curve, made.numbers, centre.risk), atol=1e-14)
    assert replay(new, tmp_path / "new.zip") == pytest.approx(0.0, abs=1e-9)
    [step] = new.updates
    assert (step.parent, step.method, step.n) == (centre.locked.digest, method, len(centre.y))
    assert new.manifest.performance_on == "cross-fitted"
    assert new.manifest.training == centre.locked.manifest.training
    assert new.manifest.case_mix.n == len(centre.y)  # type: ignore[union-attr]
    if method != "refit":
        old, threshold = centre.locked.manifest.thresholds["lr"], new.manifest.thresholds["lr"]
        before, after = centre.risk >= old, found >= threshold
        assert after[before].all()  # and with a step of the isotonic curve, those who share it
        assert (before == after).all() or method == "isotonic"


def test_the_cross_fitted_risks_are_those_that_were_judged(centre: Centre) -> None:
    made = centre.updated("logistic")
    assert made.judged.estimates["brier"].value == pytest.approx(float(np.mean((made.risks - centre.y) ** 2)), rel=1e-3)
    assert not np.allclose(made.risks, curve_at(made.curve, made.numbers, centre.risk), atol=1e-6)


def test_an_update_of_an_update_has_both_steps(centre: Centre, tmp_path: Path) -> None:
    _, first = centre.write("logistic", tmp_path / "first.zip")
    again = Centre(first, tmp_path / "next", tmp_path / "first.zip", seed=21)
    _, second = again.write("in the large", tmp_path / "second.zip")
    assert [step.method for step in second.updates] == ["logistic", "in the large"]
    assert second.updates[1].parent == first.digest
    assert [one.label for one in second.manifest.models] == ["lr (updated)"]
    expected = stats.recalibrate_in_the_large(again.y, again.risk).apply(again.risk)
    assert np.allclose(second.predict(again.inputs)["lr"], expected, atol=1e-14)


def test_measurements_are_harmonised_wherever_the_updated_model_goes(centre: Centre, tmp_path: Path) -> None:
    setting = Harmonisation(features=("rbc", "scc"), covariates=("age",))
    moved, site = harmonised(centre.locked, centre.inputs, setting)
    other = Centre(centre.locked, tmp_path / "same", centre.file)
    other.risk = centre.locked.predict(moved)["lr"].to_numpy()
    made, new = other.write("logistic", tmp_path / "new.zip", Measured.of(site, setting.covariates))
    assert not np.allclose(other.risk, centre.risk, atol=1e-4)
    assert np.allclose(new.predict(centre.inputs)["lr"], curve_at(made.curve, made.numbers, other.risk), atol=1e-12)
    with pytest.raises(InputError, match="already brings to those of development"):
        harmonised(new, centre.inputs, setting)


def test_the_very_cohort_that_updated_a_model_is_told(centre: Centre, tmp_path: Path) -> None:
    _, new = centre.write("logistic", tmp_path / "new.zip")
    codes = {one.code: one for one in check_centre(new, centre.data, centre.locked.protocol.cohort)}
    assert "updated with this very cohort" in codes["same-cohort"].finding
    assert "same-cohort" not in {one.code for one in check_centre(centre.locked, centre.data, new.protocol.cohort)}


# --- what is refused -------------------------------------------------------------------------------


def test_single_risks_do_not_travel_unasked(centre: Centre, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the update keeps the risks of single patients.*--allow-training-rows"):
        centre.write("isotonic", tmp_path / "new.zip")
    assert not (tmp_path / "new.zip").exists()
    _, new = centre.write("isotonic", tmp_path / "allowed.zip", allow_training_rows=True)
    assert new.manifest.training_rows == (NAME,)


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("logstic", "did you mean 'logistic'"),
        ("refit", "takes patients with gaps in them"),
        ("isotonic", r"single risks of patients \(isotonic"),
    ],
)
def test_an_update_that_cannot_be_had_is_refused_first(locked: Locked, method: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        check_update(locked, method)


def test_an_update_that_cannot_be_fitted_says_why(centre: Centre) -> None:
    with pytest.raises(InputError, match="two patients of each outcome"):
        update_model("logistic", np.array([0, 0, 1]), np.array([0.1, 0.2, 0.3]), centre.table.head(3))
    gap = centre.table.assign(age=np.nan)
    with pytest.raises(InputError, match="'refit' cannot be judged here: patients here have no value in age"):
        update_model("refit", centre.y, centre.risk, gap)
    with pytest.raises(InputError, match="no update 'none'"):
        update_model("none", centre.y, centre.risk, centre.table)


def alter(change: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
    return lambda lineage: lineage["steps"][0].update(change)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (alter({"numbers": [0.1]}), "numbers.* are not those of a logistic update"),
        (alter({"curve": "beta"}), "numbers.* are not those of a beta update"),
        (alter({"curve": "isotonic", "numbers": [0.4, 0.2, 0.1, 0.3]}), "not those of a isotonic update"),
        (alter({"curve": "isotonic", "numbers": [0.2, 0.4, 0.1, 1.3]}), "not those of a isotonic update"),
        (alter({"curve": "regression", "columns": ["size"], "numbers": [0.0, 1.0, 2.0]}), "what the model has not"),
        (alter({"model": "xgboost"}), "what the model has not"),
        (alter({"numbers": [0.1, None]}), "lineage.json"),
        (alter({"method": "exec"}), "method"),
        (alter({"code": "import os"}), "code"),
        (lambda lineage: lineage.update(steps=[]), "steps"),
        (lambda lineage: lineage.update(steps=lineage["steps"] * 2), "`updates` does not agree"),
        (lambda lineage: lineage.update(steps=lineage["steps"] * 101), "steps"),
    ],
)  # fmt: skip
def test_a_lineage_that_was_altered_is_refused(
    centre: Centre, tmp_path: Path, change: Callable[[dict[str, Any]], None], words: str
) -> None:
    centre.write("logistic", tmp_path / "new.zip")
    parts = unpacked((tmp_path / "new.zip").read_bytes())
    lineage = json.loads(parts[NAME])
    change(lineage)
    with pytest.raises(InputError, match=words):
        read_bundle(forged(tmp_path / "forged.zip", {**parts, NAME: json.dumps(lineage).encode()}))


def test_an_updated_bundle_without_its_lineage_is_refused(centre: Centre, tmp_path: Path) -> None:
    centre.write("logistic", tmp_path / "new.zip")
    parts = unpacked((tmp_path / "new.zip").read_bytes())
    del parts[NAME]
    with pytest.raises(InputError, match="does not agree"):
        read_bundle(forged(tmp_path / "forged.zip", parts))
    with pytest.raises(InputError, match="a bundle of format 2 has no `updates`"):
        read_bundle(forged(tmp_path / "older.zip", parts, format=2))


def test_a_step_of_no_update_changes_nothing() -> None:
    risk = np.array([0.1, np.nan, 0.7])
    step = Step.model_validate(
        {
            "parent": "a" * 64,
            "model": "lr",
            "method": "closed test",
            "curve": "none",
            "numbers": (),
            "n": 9,
            "events": 3,
            "cohort": "b" * 64,
            "synthetic": True,
        }
    )
    assert np.array_equal(step.apply(risk, pd.DataFrame(index=range(3))), risk, equal_nan=True)
    assert Lineage(steps=(step,)).bytes == Lineage.model_validate_json(Lineage(steps=(step,)).bytes).bytes


# --- the command -----------------------------------------------------------------------------------


def test_the_command_writes_it_and_the_next_centre_reads_where_it_comes_from(
    bundle: Path, away: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.centre.conftest import MAP

    (tmp_path / "map.toml").write_text(MAP, encoding="utf-8")
    how = ("--cohort", away, "--map", tmp_path / "map.toml", "--ledger", tmp_path / "ledger.jsonl")
    how = (*how, "--engine", "sequential", "--set", "evaluation.bootstrap.replicates=0")
    assert command("external", bundle, *how, "--out", tmp_path / "first", "--update", "in-the-large") == 0
    new = tmp_path / "first" / "updated.zip"
    assert command("verify", tmp_path / "first", "--ledger", tmp_path / "ledger.jsonl") == 0
    assert command("bundle", "verify", new) == 0
    capsys.readouterr()
    assert command("bundle", "show", new) == 0
    shown = capsys.readouterr().out
    assert "updated: in the large, by a centre with 120 patients" in shown
    assert "left out: xgboost, which was not updated" in shown
    assert command("external", new, *how, "--out", tmp_path / "second") == 0
    page = (tmp_path / "second" / "report.html").read_text(encoding="utf-8")
    assert f"from the bundle {read_bundle(bundle).digest}" in page
    assert "updated with this very cohort" in page
