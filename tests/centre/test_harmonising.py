"""A centre that measures otherwise is brought to development's location and scale; outcomes are not looked at."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.commands import command
from validkit.bundle import Locked
from validkit.bundle.case_mix import CaseMix
from validkit.bundle.describing import feature_moments
from validkit.centre.harmonising import harmonised
from validkit.centre.pooling import check_together
from validkit.centre.summary import disclosed, read_summary
from validkit.cohort import read_cohort
from validkit.cohort.phantom import write_table_phantom
from validkit.errors import InputError
from validkit.sections import Harmonisation, Predictor
from validkit.stats.combat import combat_moments, combat_reference, combat_site
from validkit.tabular.inputs import TableInputs

ASKED = ("--set", 'model.harmonisation.features=["rbc"]')


def centre(folder: Path) -> Path:
    """Patients as those of development whose red cells are counted by another machine."""
    write_table_phantom(folder / "plain", kind="clinical", patients=160, sites=1, seed=5)
    table = pd.read_csv(folder / "plain" / "cohort.csv")
    table["rbc"] = (table["rbc"] * 0.8 + 0.9).round(3)
    (folder / "own").mkdir()
    table[["patient_id", "plnm", "age", "histology", "rbc", "scc", "max_diameter"]].to_csv(
        folder / "own" / "cohort.csv", index=False
    )
    return folder / "own"


@pytest.fixture(scope="module")
def runs(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The distorted centre without and with harmonisation; "true" is the cohort's folder before it was distorted."""
    folder = tmp_path_factory.mktemp("harmonising")
    (folder / "map.toml").write_text('patient = "patient_id"\noutcome = { column = "plnm" }\n', encoding="utf-8")
    own = centre(folder / "a")
    found = {"true": folder / "a" / "plain"}
    for name, asked in (("plain", ()), ("harmonised", ASKED)):
        out = folder / name
        how = (
            "--map",
            folder / "map.toml",
            "--out",
            out,
            "--ledger",
            folder / "ledger.jsonl",
            "--engine",
            "sequential",
        )
        quick = ("--set", "evaluation.bootstrap.replicates=0")
        assert command("external", bundle, "--cohort", own, *how, *asked, *quick) == 0
        found[name] = out
    return found


def risks(run: Path, file: str = "predictions.parquet") -> pd.DataFrame:
    rows = pd.read_parquet(run / file)
    return rows.pivot_table(index="patient", columns="model", values="probability")


def test_harmonised_risks_are_nearer_to_those_of_an_undistorted_machine(runs: dict[str, Path], locked: Locked) -> None:
    data = read_cohort(runs["true"], locked.protocol.cohort)
    true = locked.predict(TableInputs(data.for_models, np.arange(len(data))))["lr"]
    plain, moved = (risks(runs[name])["lr"].loc[true.index] for name in ("plain", "harmonised"))
    assert (moved - true).abs().mean() < 0.35 * (plain - true).abs().mean()


def test_what_is_kept_without_harmonisation_is_what_the_centre_gets_without_it(runs: dict[str, Path]) -> None:
    assert risks(runs["harmonised"], "unharmonised.parquet").equals(risks(runs["plain"]))
    assert not (runs["plain"] / "unharmonised.parquet").exists()
    assert not (runs["plain"] / "stages" / "harmonisation.json").exists()


def test_the_effect_is_told_with_and_without(runs: dict[str, Path]) -> None:
    record = json.loads((runs["harmonised"] / "stages" / "harmonisation.json").read_text(encoding="utf-8"))
    assert [row["name"] for row in record["features"]] == ["rbc"]
    assert record["shrunk"] is False
    found = record["effect"]["models"]["lr"]
    for key in ("auc", "brier"):
        less = found["with"][key]["value"] - found["without"][key]["value"]
        assert found["difference"][key]["value"] == pytest.approx(less, abs=1e-12)
    evaluation = json.loads((runs["harmonised"] / "evaluation.json").read_text(encoding="utf-8"))
    lr = next(model for model in evaluation["models"] if model["name"] == "lr")
    assert found["with"]["auc"]["value"] == lr["sets"]["held-out"]["auc"]["value"]
    page = (runs["harmonised"] / "report.html").read_text(encoding="utf-8")
    assert "With and without harmonisation" in page
    assert "no covariate was kept" in page
    assert "Net benefit at home and here" in page
    assert "With and without harmonisation" not in (runs["plain"] / "report.html").read_text(encoding="utf-8")
    table = pd.read_csv(runs["harmonised"] / "tables" / "harmonisation.csv")
    assert table["name"].tolist() == ["rbc"]


def test_drift_is_told_of_what_was_measured(runs: dict[str, Path]) -> None:
    plain, moved = (
        {row["name"]: row for row in json.loads((runs[name] / "stages" / "drift.json").read_text())["rows"]}
        for name in ("plain", "harmonised")
    )
    assert plain == moved


def test_a_summary_says_so_and_is_not_pooled_with_one_that_is_not_harmonised(runs: dict[str, Path]) -> None:
    one, other = (read_summary(runs[name] / "site-summary.json") for name in ("harmonised", "plain"))
    assert one.judged.harmonised
    assert any("harmonised with those of development" in line for line in disclosed(one))
    assert not any("harmonised" in line for line in disclosed(other))
    with pytest.raises(InputError, match="harmonised their measurements, the others did not"):
        check_together([one, other])


# --- what cannot be done ---------------------------------------------------------------------------


def inputs(**change: Any) -> TableInputs:
    rng = np.random.default_rng(1)
    table = pd.DataFrame(
        {
            "max_diameter": rng.normal(30, 5, 12),
            "age": rng.normal(50, 9, 12),
            "histology": pd.Categorical(["squamous", "adeno", "other"] * 4, ["squamous", "adeno", "other"]),
            "rbc": rng.normal(4, 0.4, 12),
            "scc": rng.normal(2, 1, 12),
        },
        index=pd.Index([f"P{k}" for k in range(12)], name="patient"),
    ).assign(**change)
    return TableInputs(table, np.arange(12))


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({}, "name the continuous predictors"),
        ({"features": ("rcb",)}, r"'rcb', which is none of the model's continuous predictors; did you mean 'rbc'"),
        ({"features": ("histology",)}, "none of the model's continuous predictors"),
        ({"features": ("rbc",), "covariates": ("agee",)}, r"'agee', which the model does not look at"),
        ({"features": ("rbc",), "covariates": ("rbc",)}, "it can be one of the two"),
    ],
)
def test_a_setting_that_cannot_be_carried_out_is_refused(locked: Locked, setting: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        harmonised(locked, inputs(), Harmonisation(**setting))


def test_gaps_in_a_covariate_are_refused_and_a_gap_in_a_feature_stays(locked: Locked) -> None:
    gap = np.where(np.arange(12) == 3, np.nan, 50.0)
    with pytest.raises(InputError, match=r"model.harmonisation: `covariates` has gaps in 1 rows"):
        harmonised(locked, inputs(age=gap), Harmonisation(features=("rbc",), covariates=("age",)))
    moved, _ = harmonised(locked, inputs(scc=gap), Harmonisation(features=("scc", "rbc"), covariates=("histology",)))
    assert moved.predictors["scc"].isna().tolist() == (np.arange(12) == 3).tolist()
    assert moved.predictors["histology"].equals(inputs().predictors["histology"])


def test_a_bundle_of_an_older_format_is_asked_to_be_made_anew(locked: Locked) -> None:
    older = replace(locked, manifest=locked.manifest.model_copy(update={"case_mix": None}))
    with pytest.raises(InputError, match="of format 1 and tells nothing"):
        harmonised(older, inputs(), Harmonisation(features=("rbc",)))


# --- radiomic features -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Images:
    """What `harmonised` looks at of `validkit.plnm.inputs.Inputs`."""

    radiomics: pd.DataFrame
    predictors: pd.DataFrame


def test_radiomic_features_are_harmonised_as_if_the_rows_of_home_were_here() -> None:
    rng = np.random.default_rng(2)
    declared = {"age": Predictor(kind="continuous"), "grade": Predictor(kind="categorical", levels=("a", "b", "c"))}
    grades = pd.Categorical(rng.choice(list("abc"), 80), list("abc"))
    clinical = pd.DataFrame({"age": rng.normal(50, 9, 80), "grade": grades})
    features = pd.DataFrame(rng.normal(size=(80, 4)), columns=["w", "x", "y", "z"])
    columns = pd.DataFrame({"age": clinical["age"], **{f"grade={g}": (grades == g).astype(float) for g in "bc"}})
    home, here = slice(0, 50), slice(50, 80)
    features.iloc[here] = features.iloc[here] * 1.7 + 0.9
    mix = CaseMix(
        n=50,
        events=9,
        predictors=None,
        numbers={},
        levels={},
        features=tuple(features),
        linear_predictors={},
        harmonisable=feature_moments(features.iloc[home], columns.iloc[home]),
    )
    locked: Any = SimpleNamespace(
        manifest=SimpleNamespace(case_mix=mix),
        protocol=SimpleNamespace(cohort=SimpleNamespace(predictors=declared)),
        needs=("age", "grade"),
        updates=(),
    )
    new: Any = Images(features.iloc[here][["z", "x", "w", "y"]], clinical.iloc[here])
    for given in (("grade",), ("grade", "age"), ()):
        coded = [name for name in sorted(columns) if name.split("=")[0] in given]
        names = ["z", "x", "w", "y"]
        known, own = (columns.iloc[part][coded].to_numpy() if coded else None for part in (home, here))
        reference = combat_reference(**combat_moments(features.iloc[home][names].to_numpy(), known), covariates=coded)
        direct = combat_site(new.radiomics, reference=reference, covariates=own).apply(new.radiomics, own)
        moved, site = harmonised(locked, new, Harmonisation(covariates=given))
        assert np.allclose(moved.radiomics, direct)
        assert site.reference.features == tuple(names)
    some, site = harmonised(locked, new, Harmonisation(features=("x", "z")))
    assert some.radiomics[["w", "y"]].equals(new.radiomics[["w", "y"]])
    assert not np.allclose(some.radiomics[["x", "z"]], new.radiomics[["x", "z"]])
    with pytest.raises(InputError, match=r"'xx', which is none of the model's radiomic features"):
        harmonised(locked, new, Harmonisation(features=("xx",)))
    older = mix.model_copy(update={"harmonisable": None})
    locked.manifest = SimpleNamespace(case_mix=older)
    with pytest.raises(InputError, match="one of format 3"):
        harmonised(locked, new, Harmonisation())
