"""A locked PLNM model: the same numbers from files without pickle; rows of training patients stay at home."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("torch", reason="needs the deep extra")
pytest.importorskip("xgboost", reason="needs the models extra")

from tests.archives import forged
from validkit.bundle import Facts, read_bundle, write_bundle
from validkit.bundle import archive as archives
from validkit.bundle.facts import observed
from validkit.bundle.manifest import ModelFacts, Training
from validkit.errors import InputError
from validkit.plan import seeder
from validkit.plnm.deep.bank import ImageBank
from validkit.plnm.deep.cutting import build_bank
from validkit.plnm.inputs import Inputs
from validkit.plnm.locked import locked_files
from validkit.plnm.model import SCORE, PLNMModel
from validkit.protocol import Protocol, parse_protocol, source_of
from validkit.tabular.imputation import Imputer
from validkit.tabular.locked_imputer import imputer_bytes

N, P = 60, 30
SETTINGS = (
    "model.deep.image_size=32",
    "model.deep.epochs=1",
    "model.deep.components=4",
    'model.classifiers.use=["lr", "knn", "svm", "xgboost"]',
    "model.classifiers.search.folds=3",
    "model.fusion.select.deep=2",
    "model.nomogram.fusion_score=resubstituted",
    'model.nomogram.predictors=["max_diameter", "histology"]',
    "evaluation.thresholds.on=training",
)
DECLARED = parse_protocol(source_of("plnm-quick"), overrides=SETTINGS)


def make_inputs(seed: int) -> tuple[Inputs, np.ndarray]:
    rng = np.random.default_rng(seed)
    patients = pd.Index([f"p{i:03d}" for i in range(N)], name="patient")
    y = rng.permutation(np.arange(N) % 3 == 0).astype(np.int64)
    values = rng.normal(size=(N, P)) + 1.2 * np.outer(y, np.arange(P) < 5)
    features = pd.DataFrame(values, index=patients, columns=[f"f{i:02d}" for i in range(P)])
    repeats = {role: features + rng.normal(scale=0.05, size=(N, P)) for role in ("reader_a_again", "reader_b")}
    grid = np.hypot(*np.mgrid[-24:24, -24:24])
    lesions = [(rng.uniform(0, 90, (48, 48)) + 60 * y[i] * (grid < 8), grid < 14) for i in range(N)]
    levels = ["squamous", "adeno", "other"]
    predictors = pd.DataFrame(
        {
            "age": rng.normal(50, 10, N),
            "rbc": rng.normal(4.2, 0.6, N),
            "scc": rng.lognormal(1, 1, N),
            "histology": pd.Categorical(rng.choice(levels, N), levels),
            "max_diameter": rng.normal(30, 8, N) + 6 * y,
        },
        index=patients,
    )
    bank = build_bank(lesions, image_size=32, margin=0.15)
    return Inputs(features, repeats, predictors, bank, np.arange(N), np.ones(N, dtype=bool)), y


def facts(protocol: Protocol, inputs: Inputs, models: list[str]) -> Facts:
    def told(name: str) -> ModelFacts:
        return ModelFacts(name=name, label=name, family=name, classifier=None, backbone=None, chosen=True)

    declared = protocol.cohort.predictors
    return Facts(
        cohort="0" * 64,
        synthetic=True,
        training=Training(n=N, events=N // 3, split="holdout"),
        predictors={name: observed(inputs.predictors[name], spec) for name, spec in declared.items()},
        images={},
        models=[told(name) for name in models],
        thresholds=dict.fromkeys(models, 0.5),
        performance_on="held-out",
        performance={},
    )


@pytest.fixture(scope="module")
def home() -> tuple[PLNMModel, Inputs, np.ndarray]:
    inputs, y = make_inputs(1)
    model = PLNMModel(
        DECLARED.plnm,
        predictors=DECLARED.cohort.predictors,
        groups={"intra": ("reader_a", "reader_a_again"), "inter": ("reader_a", "reader_b")},
        seed_of=seeder(42),
        torch_seed=3407,
        cross_fit=False,
        device="cpu",
    )
    return model.fit(inputs, y), inputs, y


@pytest.fixture(scope="module")
def bundle(home: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    model, inputs, _ = home
    path = tmp_path_factory.mktemp("bundle") / "bundle.zip"
    told = facts(DECLARED, inputs, list(model.predict(inputs)))
    return write_bundle(path, locked_files(model), DECLARED, told, allow_training_rows=True)


def test_new_patients_get_the_same_bytes(home: Any, bundle: Path) -> None:
    model, inputs, _ = home
    new, _ = make_inputs(2)
    locked = read_bundle(bundle)
    expected, found = model.predict(new), locked.predict(new)
    assert set(found) == set(expected)
    assert found[list(expected)].to_numpy().tobytes() == expected.to_numpy().tobytes()
    assert expected["nomogram"].nunique() > N // 2
    assert locked.needs == ("histology", "max_diameter")
    assert set(locked.manifest.training_rows) == {
        f"classifier.{branch}.{name}.skops" for branch in ("radiomics", "fusion") for name in ("knn", "svm")
    }
    rebuilt = locked.model.of.models[0]
    table = new.predictors.loc[:, list(model.independent_)].copy()
    table.insert(0, SCORE, expected["fusion"])
    pd.testing.assert_frame_equal(rebuilt.nomogram_.points(table), model.nomogram_.points(table), rtol=0, atol=0)
    images = locked.manifest.images
    assert images is not None
    assert (images.image_size, images.margin, images.preset) == (32, 0.15, "sound2d")
    assert images.features == tuple(model.medians_.index)
    again = bundle.with_name("again.zip")
    told = facts(DECLARED, inputs, list(expected))
    write_bundle(again, locked_files(model), DECLARED, told, allow_training_rows=True)
    assert again.read_bytes() == bundle.read_bytes()


def test_a_fresh_process_predicts_the_same_bytes_and_unpickles_nothing(bundle: Path, tmp_path: Path) -> None:
    new, _ = make_inputs(2)
    new.bank.save(tmp_path / "bank")
    new.radiomics.to_csv(tmp_path / "radiomics.csv", float_format="%.17g")
    new.predictors.to_csv(tmp_path / "predictors.csv", float_format="%.17g")
    code = f"""
import hashlib, sys
import numpy as np, pandas as pd
import skops.io, torch, xgboost, validkit.plnm.locked, validkit.tabular.locked, validkit.plnm.deep.estimator
from validkit.bundle import read_bundle
from validkit.plnm.deep.bank import ImageBank
from validkit.plnm.inputs import Inputs
read = lambda name: pd.read_csv(name, index_col="patient")
predictors = read("predictors.csv")
predictors["histology"] = pd.Categorical(predictors["histology"], ["squamous", "adeno", "other"])
n = len(predictors)
bank = ImageBank.from_folder("bank")
inputs = Inputs(read("radiomics.csv"), {{}}, predictors, bank, np.arange(n), np.ones(n, dtype=bool))
seen = []
sys.addaudithook(lambda event, args: seen.append(event) if event.startswith("pickle") else None)
table = read_bundle({str(bundle)!r}).predict(inputs)
print(hashlib.sha256(table.to_numpy().tobytes()).hexdigest(), seen)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=tmp_path)
    same = replace(new, bank=ImageBank.from_folder(tmp_path / "bank"))  # arrays laid out otherwise move the last bits
    here = read_bundle(bundle).predict(same).to_numpy().tobytes()
    assert done.stdout.split() == [hashlib.sha256(here).hexdigest(), "[]"]


def choosing(model: PLNMModel, **chosen: str) -> dict[str, bytes]:
    """The files of the model, had it chosen otherwise."""
    files = locked_files(model)
    record = json.loads(files["model.json"])
    record["chosen"] |= chosen
    return {**files, "model.json": json.dumps(record).encode()}


def test_rows_of_training_patients_stay_at_home(home: Any, tmp_path: Path) -> None:
    model, inputs, _ = home
    told, path = facts(DECLARED, inputs, list(model.predict(inputs))), tmp_path / "bundle.zip"
    locked = read_bundle(write_bundle(path, choosing(model, fusion="lr", radiomics="knn"), DECLARED, told))
    assert set(locked.manifest.left_out) == {
        "radiomics",
        *(f"{branch}/{name}" for branch in ("radiomics", "fusion") for name in ("knn", "svm")),
    }
    assert locked.manifest.training_rows == ()
    found, expected = locked.predict(inputs), model.predict(inputs)
    assert not set(found) & set(locked.manifest.left_out)
    assert found["fusion"].equals(expected["fusion/lr"].rename("fusion"))
    assert found["clinical"].equals(expected["clinical"])
    assert found.notna().all(axis=None)
    path.unlink()
    with pytest.raises(InputError, match=r"the nomogram needs the classifier fusion/svm, which keeps rows .*\(SVC\)"):
        write_bundle(path, choosing(model, fusion="svm"), DECLARED, told)
    assert list(tmp_path.iterdir()) == []


def test_an_imputed_model_brings_its_imputer(home: Any, tmp_path: Path) -> None:
    """Two completed copies: the images' stages once, the clinical ones and the imputer's chains twice."""
    model, inputs, y = home
    declared = parse_protocol(
        source_of("plnm-quick"),
        overrides=(
            *SETTINGS,
            "cohort.missing=impute",
            "imputation.method=iterative",
            "imputation.copies=2",
            "imputation.iterations=2",
        ),
    )
    holes = inputs.predictors.copy()
    holes.loc[holes.index[::4], "max_diameter"] = np.nan
    spec = declared.cohort.predictors
    imputer = Imputer(
        declared.imputation,
        kinds={name: spec[name].kind for name in sorted(spec)},
        levels={name: one.levels for name, one in spec.items() if one.levels},
        random_state=3,
    ).fit(holes)
    gaps, files, expected = inputs.completed(holes), {"imputer.json": imputer_bytes(imputer)}, []
    for copy in (1, 2):
        completed = inputs.completed(imputer.transform(holes, copy=copy))
        model.fit_clinical(completed, y)
        files |= locked_files(model, copy, 2)
        expected.append(model.predict(completed))
    told, path = facts(declared, gaps, list(expected[0])), tmp_path / "bundle.zip"
    with pytest.raises(InputError, match=r"the whole model needs imputer.json, which fills in missing values"):
        write_bundle(path, files, declared, told)
    locked = read_bundle(write_bundle(path, files, declared, told, allow_training_rows=True))
    for copy in (1, 2):
        found = locked.predict_copy(gaps, copy)[list(expected[0])]
        assert found.to_numpy().tobytes() == expected[copy - 1].to_numpy().tobytes()
    assert not expected[0]["nomogram"].equals(expected[1]["nomogram"])
    model.fit_clinical(inputs, y)


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("model.json", '"deep": "efficientnet-lite0"', '"deep": "resnet50"', "model.json does not fit"),
        ("model.json", '"copies": 1', '"copies": 2', "clinical.2.json' is missing"),
        ("model.json", '"medians": [', '"medians": [1.0, ', "model.json does not fit"),
        ("clinical.1.json", '"intercept"', '"intercepts"', "Clinical cannot be read"),
        ("clinical.1.json", '"max_diameter"', '"max_radius"', "clinical.1.json does not fit"),
        ("network.efficientnet-lite0.fit.json", '"threads": 2', '"threads": 100000', "must lie in 1..64"),
        (
            "network.efficientnet-lite0.fit.json",
            '"image_size": 32',
            '"image_size": 65536',
            "its settings are not those",
        ),
        ("network.efficientnet-lite0.network.safetensors", "F32", "F64", "does not hold a fitted network"),
    ],
)
def test_parts_that_do_not_belong_are_refused(
    bundle: Path, tmp_path: Path, name: str, old: str, new: str, message: str
) -> None:
    members = archives.unpack(bundle)
    assert old.encode() in members[name]
    members[name] = members[name].replace(old.encode(), new.encode())
    with pytest.raises(InputError, match=message):
        read_bundle(forged(tmp_path / "b.zip", members))


def test_a_network_that_an_earlier_version_wrote_is_read(home: Any, bundle: Path, tmp_path: Path) -> None:
    """Settings that did not exist yet are at their defaults; a setting that never existed is refused."""
    members = archives.unpack(bundle)
    name = "network.efficientnet-lite0.fit.json"
    told = json.loads(members[name])
    older = {key: value for key, value in told["parameters"].items() if key not in ("precision", "deterministic")}
    assert len(older) == len(told["parameters"]) - 2
    path = forged(tmp_path / "older.zip", {**members, name: json.dumps({**told, "parameters": older}).encode()})
    new, _ = make_inputs(2)
    assert read_bundle(path).predict(new).equals(read_bundle(bundle).predict(new))
    strange = {**told, "parameters": {**older, "exec": "rm"}}
    with pytest.raises(InputError, match="its settings are not those"):
        read_bundle(forged(tmp_path / "strange.zip", {**members, name: json.dumps(strange).encode()}))
