"""A locked model of estimators on a table: what comes back is what was written, and nothing else comes in."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("skops", reason="locked models need the models extra")
pytest.importorskip("xgboost", reason="locked models need the models extra")

from tests.archives import forged, packed, unpacked
from validkit.bundle import Facts, Locked, bundle_from_run, facts_of, read_bundle, write_bundle
from validkit.bundle import archive as archives
from validkit.cohort import Cohort, read_cohort
from validkit.cohort.phantom import write_table_phantom
from validkit.errors import InputError
from validkit.evaluate import evaluate
from validkit.fitting import Workshop, fit_all
from validkit.plan import Plan, make_plan
from validkit.plnm.storage import dump_estimator, load_estimator
from validkit.preparing import Prepared, patients_of
from validkit.protocol import Protocol, parse_protocol
from validkit.recording import models_of
from validkit.tabular.inputs import TableInputs
from validkit.tabular.trusted import TRUSTED_ESTIMATORS
from validkit.unit import Fitted, Shared, UnitTask, all_predictions, fit_unit

PROTOCOL = """
[protocol]
schema = 1
name = "home"
question = "Does it travel?"
seed = { split = 42 }
[cohort]
kind = "table"
outcome = { column = "plnm" }
missing = "impute"
[cohort.predictors]
max_diameter = { kind = "continuous", unit = "mm" }
age = { kind = "continuous", unit = "years" }
histology = { kind = "categorical", levels = ["squamous", "adeno", "other"] }
rbc = { kind = "continuous" }
scc = { kind = "continuous" }
[design]
kind = "holdout"
[imputation]
indicator = true
[model]
kind = "estimators"
cross_fitting = { folds = 3 }
[[model.estimators]]
name = "lr"
estimator = "sklearn.linear_model.LogisticRegression"
scale = true
recalibrate = "platt"
[[model.estimators]]
name = "boosting"
estimator = "sklearn.ensemble.HistGradientBoostingClassifier"
parameters = { max_iter = 10, min_samples_leaf = 5 }
missing = "native"
recalibrate = "isotonic"
[[model.estimators]]
name = "xgboost"
estimator = "xgboost.XGBClassifier"
parameters = { n_estimators = 8, max_depth = 3 }
missing = "native"
[evaluation]
bootstrap = { replicates = 0 }
compare = { reference = "lr" }
"""
KNN = """
[[model.estimators]]
name = "neighbours"
estimator = "sklearn.neighbors.KNeighborsClassifier"
parameters = { algorithm = "brute" }
scale = true
[evaluation]
"""


class Home(NamedTuple):
    """A run at the developing centre, in memory."""

    protocol: Protocol
    data: Cohort
    plan: Plan
    fitted: Fitted
    facts: Facts
    evaluation: dict[str, Any]

    @property
    def inputs(self) -> TableInputs:
        return TableInputs(self.data.predictors, patients_of(self.data).codes)

    def held_out(self, copy: int = 1) -> pd.DataFrame:
        rows = self.fitted.predictions
        rows = rows[(rows["kind"] == "held-out") & (rows["imputation"] == copy)]
        return rows.pivot(index="patient", columns="model", values="probability")


def run(folder: Path, text: str, *overrides: str, records: Path | None = None) -> Home:
    protocol = parse_protocol(text, overrides=overrides)
    data = read_cohort(folder, protocol.cohort)
    plan = make_plan(protocol, patients_of(data))
    prepared = Prepared(TableInputs(data.predictors, patients_of(data).codes), data.digest)
    [fitted], _ = fit_all(protocol, plan, prepared, data.outcome, Workshop(records=records))
    models = models_of(protocol, fitted.chosen, several=False)
    predictions = all_predictions([fitted])
    found = evaluate(predictions, data.outcome, models, protocol.evaluation, seed=1, protocol=protocol, plan=plan)
    return Home(protocol, data, plan, fitted, facts_of(protocol, plan, data, found), found)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    write_table_phantom(folder / "cohort", kind="clinical", patients=150, sites=1, seed=1, missing=0.1)
    return folder / "cohort"


@pytest.fixture(scope="module")
def home(cohort: Path) -> Home:
    return run(cohort, PROTOCOL)


@pytest.fixture(scope="module")
def bundle(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "bundle.zip"
    return write_bundle(path, home.fitted.model_files, home.protocol, home.facts, reference=True)


@pytest.fixture(scope="module")
def parts(bundle: Path) -> dict[str, bytes]:
    return archives.unpack(bundle)


# --- what comes back -------------------------------------------------------------------------------


def test_a_locked_model_predicts_to_the_byte_what_the_fitted_one_did(home: Home, bundle: Path) -> None:
    locked = read_bundle(bundle)
    expected = home.held_out()
    found = locked.predict(home.inputs.take(list(expected.index)))
    assert list(found) == ["lr", "boosting", "xgboost"]
    assert found[list(expected)].to_numpy().tobytes() == expected.to_numpy().tobytes()
    assert np.ptp(found["xgboost"]) > 0.1


def test_a_fresh_process_without_the_development_data_gives_the_same_bytes(
    home: Home, bundle: Path, tmp_path: Path
) -> None:
    write_table_phantom(tmp_path / "away", kind="clinical", patients=40, sites=1, seed=9, missing=0.2)
    (tmp_path / "protocol.toml").write_text(PROTOCOL)
    new = read_cohort(tmp_path / "away", home.protocol.cohort)
    inputs = TableInputs(new.predictors, patients_of(new).codes)
    here = read_bundle(bundle).predict(inputs).to_numpy().tobytes()
    code = f"""
import hashlib, sys
from validkit.bundle import read_bundle
from validkit.cohort import read_cohort
from validkit.preparing import patients_of
from validkit.protocol import read_protocol
from validkit.tabular.inputs import TableInputs
import sklearn.ensemble, xgboost, skops.io, scipy.stats, validkit.tabular.locked
new = read_cohort({str(tmp_path / "away")!r}, read_protocol({str(tmp_path / "protocol.toml")!r}).cohort)
seen = []
sys.addaudithook(lambda event, args: seen.append(event) if event.startswith("pickle") else None)
table = read_bundle({str(bundle)!r}).predict(TableInputs(new.predictors, patients_of(new).codes))
print(hashlib.sha256(table.to_numpy().tobytes()).hexdigest(), seen)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.split() == [hashlib.sha256(here).hexdigest(), "[]"]


def test_the_same_fit_gives_the_same_file(home: Home, cohort: Path, bundle: Path, tmp_path: Path) -> None:
    again = run(cohort, PROTOCOL)
    path = write_bundle(tmp_path / "again.zip", again.fitted.model_files, again.protocol, again.facts, reference=True)
    assert path.read_bytes() == bundle.read_bytes()
    rewritten = {name: data for name, data in archives.unpack(bundle).items() if name in home.fitted.model_files}
    assert rewritten == home.fitted.model_files


def test_a_fit_from_its_record_is_locked_as_the_fit_itself(home: Home, cohort: Path, tmp_path: Path) -> None:
    run(cohort, PROTOCOL, records=tmp_path)
    assert run(cohort, PROTOCOL, records=tmp_path).fitted.model_files == home.fitted.model_files


def test_the_manifest_tells_what_the_model_needs_and_how_it_did(home: Home, bundle: Path) -> None:
    manifest = read_bundle(bundle).manifest
    assert manifest.protocol.digest == home.protocol.digest()
    assert manifest.cohort == home.data.digest
    assert set(manifest.needs) == set(home.protocol.cohort.predictors)
    training = home.data.predictors.loc[list(home.plan.main.training)]
    age = manifest.predictors["age"]
    assert (age.kind, age.unit, age.observed.low, age.observed.high) == (
        "continuous",
        "years",
        training["age"].min(),
        training["age"].max(),
    )
    assert age.observed.missing == int(training["age"].isna().sum()) > 0
    assert manifest.training.n == len(training)
    [lr] = [model for model in home.evaluation["models"] if model["name"] == "lr"]
    assert manifest.thresholds["lr"] == lr["sets"]["training"]["threshold"]["value"]
    assert manifest.performance["lr"]["auc"] == lr["sets"]["held-out"]["auc"]
    assert set(manifest.performance["lr"]) == {
        "n",
        "events",
        "auc",
        "brier",
        "slope",
        "calibration_in_the_large",
        "oe",
    }
    assert manifest.training_rows == ()
    patients = set(home.data.patients)
    assert not any(patient.encode() in bundle.read_bytes() for patient in patients)


def test_other_versions_are_listed_and_not_fatal(parts: dict[str, bytes], tmp_path: Path) -> None:
    versions = json.loads(parts["manifest.json"])["versions"]
    assert read_bundle(forged(tmp_path / "same.zip", parts)).differing == ()
    other = read_bundle(forged(tmp_path / "other.zip", parts, versions={**versions, "numpy": "1.0", "cobol": "3"}))
    assert [text.split(" ")[0] for text in other.differing] == ["cobol", "numpy"]
    assert other.differing[0] == "cobol 3 there, not installed here"


# --- several imputed copies, and training patients -------------------------------------------------


ITERATIVE = (
    "imputation.method=iterative",
    "imputation.copies=2",
    "imputation.iterations=3",
    "imputation.combine=average",
)


@pytest.fixture(scope="module")
def imputed(cohort: Path) -> Home:
    return run(cohort, PROTOCOL, *ITERATIVE)


def test_each_imputed_copy_comes_back_and_their_mean_is_predicted(imputed: Home, tmp_path: Path) -> None:
    path = tmp_path / "bundle.zip"
    write_bundle(path, imputed.fitted.model_files, imputed.protocol, imputed.facts, allow_training_rows=True)
    locked = read_bundle(path)
    assert set(locked.manifest.training_rows) == {"imputer.1.json", "imputer.2.json"}
    expected = [imputed.held_out(copy) for copy in (1, 2)]
    assert not expected[0].equals(expected[1])
    inputs = imputed.inputs.take(list(expected[0].index))
    for copy in (1, 2):
        found = locked.predict_copy(inputs, copy)[list(expected[0])]
        assert found.to_numpy().tobytes() == expected[copy - 1].to_numpy().tobytes()
    mean = locked.predict(inputs)[list(expected[0])].to_numpy()
    np.testing.assert_allclose(mean, (expected[0] + expected[1]).to_numpy() / 2, rtol=0, atol=1e-15)


def test_iterative_imputation_stays_at_home(imputed: Home, tmp_path: Path) -> None:
    path = tmp_path / "bundle.zip"
    message = r"the model 'lr' fills in missing values with those of training patients.*allow_training_rows=True"
    with pytest.raises(InputError, match=message):
        write_bundle(path, imputed.fitted.model_files, imputed.protocol, imputed.facts)
    assert list(tmp_path.iterdir()) == []
    other = imputed.protocol.model_dump(mode="json", by_alias=True)
    other["evaluation"]["compare"]["reference"] = "boosting"
    declared = Protocol.model_validate_json(json.dumps(other))
    locked = read_bundle(write_bundle(path, imputed.fitted.model_files, declared, imputed.facts))
    assert list(locked.manifest.left_out) == ["lr"]
    inputs = imputed.inputs.take(list(imputed.held_out(2).index))
    found = locked.predict_copy(inputs, 2)
    assert list(found) == ["boosting", "xgboost"]
    assert found.to_numpy().tobytes() == imputed.held_out(2)[["boosting", "xgboost"]].to_numpy().tobytes()


def test_neighbours_are_left_out_unless_allowed(cohort: Path, tmp_path: Path) -> None:
    home = run(cohort, PROTOCOL.replace("[evaluation]\n", KNN), "cohort.missing=exclude")
    left = read_bundle(write_bundle(tmp_path / "left.zip", home.fitted.model_files, home.protocol, home.facts))
    assert left.manifest.left_out == {"neighbours": "keeps rows of training patients (KNeighborsClassifier)"}
    assert "neighbours" not in left.predict(home.inputs)
    assert all(one.name != "neighbours" for one in left.manifest.models)
    path = tmp_path / "with.zip"
    write_bundle(path, home.fitted.model_files, home.protocol, home.facts, allow_training_rows=True)
    kept = read_bundle(path)
    assert kept.manifest.training_rows == ("estimator.1.3.skops",)
    expected = home.held_out()
    assert kept.predict(home.inputs.take(list(expected.index)))["neighbours"].equals(expected["neighbours"])
    members = archives.unpack(path)
    told = json.loads(members["manifest.json"])
    told["members"]["estimator.1.3.skops"]["training_rows"] = False
    lie = forged(tmp_path / "lie.zip", {**members, "manifest.json": json.dumps(told).encode()})
    with pytest.raises(InputError, match=r"estimator.1.3.skops' holds rows of training patients, and manifest"):
        read_bundle(lie)


def test_an_estimator_off_the_list_stays_at_home_and_the_run_goes_on(cohort: Path, tmp_path: Path) -> None:
    text = PROTOCOL.replace("xgboost.XGBClassifier", "sklearn.gaussian_process.GaussianProcessClassifier").replace(
        'parameters = { n_estimators = 8, max_depth = 3 }\nmissing = "native"\n', ""
    )
    home = run(cohort, text)
    assert home.fitted.model_files == {}
    [note] = home.fitted.notes
    assert note["text"].startswith("no bundle: model 'xgboost': the stored estimator holds types")
    assert "GaussianProcessClassifier" in note["text"]
    said = bundle_from_run(home.protocol, home.plan, {}, home.data, home.evaluation, tmp_path / "bundle.zip")
    assert str(said).startswith("no bundle was written")
    assert list(tmp_path.iterdir()) == []


def test_a_run_writes_its_bundle(home: Home, bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "bundle.zip"
    files, said = home.fitted.model_files, json.loads(json.dumps(home.evaluation))
    assert bundle_from_run(home.protocol, home.plan, files, home.data, said, out) == out
    assert out.read_bytes() == bundle.read_bytes()


# --- damage and malice -----------------------------------------------------------------------------


def test_every_changed_byte_is_found(bundle: Path, tmp_path: Path) -> None:
    whole, path = bundle.read_bytes(), tmp_path / "changed.zip"
    rng = np.random.default_rng(0)
    places = {*rng.integers(0, len(whole), 120).tolist(), *range(0, 60, 3), *range(len(whole) - 90, len(whole), 2)}
    for place in sorted(places):
        changed = bytearray(whole)
        changed[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(changed))
        with pytest.raises(InputError, match=r"changed.zip"):
            read_bundle(path)
    with zipfile.ZipFile(bundle) as archive:
        offsets = {entry.filename: entry.header_offset for entry in archive.infolist()}
    for name, offset in offsets.items():
        changed = bytearray(whole)
        changed[offset + 30 + len(name) + 5] ^= 1
        path.write_bytes(bytes(changed))
        with pytest.raises(InputError, match=name):
            read_bundle(path)


def test_truncated_prolonged_and_commented_files_are_refused(bundle: Path, tmp_path: Path) -> None:
    whole, path = bundle.read_bytes(), tmp_path / "b.zip"
    for data in (b"", b"PK", whole[:-1], whole[: len(whole) // 2], whole + b"x", b"x" + whole, b"\0" * 5000):
        path.write_bytes(data)
        with pytest.raises(InputError, match=r"b.zip"):
            read_bundle(path)
    path.write_bytes(whole)
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"hello"
    with pytest.raises(InputError, match=r"b.zip is damaged"):
        read_bundle(path)
    with pytest.raises(InputError, match=r"no.zip cannot be read"):
        read_bundle(tmp_path / "no.zip")
    with pytest.raises(InputError, match="is no file"):
        read_bundle(tmp_path)


def entry(name: str, **changes: Any) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name)
    for key, value in changes.items():
        setattr(made, key, value)
    return made


HOSTILE = {
    "absolute": (entry("/etc/passwd"), "absolute path"),
    "drive": (entry("C:x"), "absolute path"),
    "backslash": (entry("\\x"), "absolute path"),
    "up": (entry("../x"), r"leads out of its folder"),
    "up inside": (entry("a/../../x"), r"leads out of its folder"),
    "up by backslash": (entry("a\\..\\x"), r"leads out of its folder"),
    "folder": (entry("a/b.json"), "no plain name"),
    "folder itself": (entry("a/"), "no plain name"),
    "hidden": (entry(".x"), "no plain name"),
    "stream": (entry("x.json:y"), "no plain name"),
    "long": (entry("x" * 200), "no plain name"),
    "unicode": (entry("manifest\u200b.json"), "no plain name"),
    "link": (entry("x", external_attr=0o120777 << 16), "is a link"),
    "twice": (entry("protocol.json"), "is there twice"),
    "twice in another case": (entry("Protocol.JSON"), "is there twice"),
    "compressed": (entry("x", compress_type=zipfile.ZIP_DEFLATED), "is compressed"),
    "squeezed": (entry("x", compress_type=zipfile.ZIP_LZMA), "is compressed"),
    "surplus": (entry("x"), "surplus|is damaged"),
}


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_hostile_members_are_refused_before_anything_is_read(what: str, bundle: Path, tmp_path: Path) -> None:
    made, message = HOSTILE[what]
    path = tmp_path / "hostile.zip"
    path.write_bytes(bundle.read_bytes())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(made, b"0" * 1000)
    with pytest.raises(InputError, match=message):
        read_bundle(path)
    assert [file.name for file in tmp_path.iterdir()] == ["hostile.zip"]


def test_bombs_are_refused_by_what_they_claim_and_by_what_they_are(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", b"0" * 50_000_000)
    with pytest.raises(InputError, match=r"is compressed \(\d+ bytes that claim to be 50000000\)"):
        read_bundle(path)
    whole = bytearray(bundle.read_bytes())
    at = whole.rindex(b"PK\1\2")
    whole[at + 20 : at + 28] = (2**31).to_bytes(4, "little") * 2
    path.write_bytes(bytes(whole))
    with pytest.raises(InputError, match="claim"):
        read_bundle(path)
    monkeypatch.setattr(archives, "MAX_MEMBERS", 3)
    with pytest.raises(InputError, match="a bundle has at most 3"):
        read_bundle(bundle)
    monkeypatch.setattr(archives, "MAX_BYTES", 1000)
    with pytest.raises(InputError, match="at most 1000"):
        read_bundle(bundle)


def replaced(parts: dict[str, bytes], name: str, old: bytes, new: bytes) -> dict[str, bytes]:
    assert old in parts[name], (name, old)
    return {**parts, name: parts[name].replace(old, new)}


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("copy.1.json", b'"copies": 1', b'"copies": 2', "copy.1.json does not fit the bundle's own protocol"),
        ("copy.1.json", b'"copies": 1', b'"copies": 1, "more": 1', "Copy cannot be read: more"),
        ("copy.1.json", b'"method": "platt"', b'"method": "magic"', "recalibration by 'magic'"),
        ("copy.1.json", b"{", b"{" * 5000, "Copy cannot be read"),
        ("imputer.1.json", b'"rbc"', b'"rbx"', "an imputer does not fit the predictors"),
        ("protocol.json", b'"Does it travel?"', b'"Does it fly?"', "protocol.json.*its digest is"),
        ("protocol.json", b"{", b"[" * 100000, "protocol.json' cannot be read"),
    ],
)
def test_members_that_do_not_agree_are_refused(
    parts: dict[str, bytes], tmp_path: Path, name: str, old: bytes, new: bytes, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read_bundle(forged(tmp_path / "b.zip", replaced(parts, name, old, new)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 4}, "Manifest cannot be read: format"),
        ({"kind": "plnm"}, "`kind` does not agree"),
        ({"kind": "pickle"}, "Manifest cannot be read: kind"),
        ({"copies": 7}, "`copies` does not agree"),
        ({"surprise": 1}, "surprise: Extra inputs"),
        ({"thresholds": {"lr": 7}}, "thresholds"),
        ({"thresholds": {"other": 0.5}}, "`thresholds` does not agree"),
        ({"models": []}, "`models` does not agree"),
        ({"cohort": "../../x"}, "cohort"),
        ({"chosen": {"deep": "x"}}, "`chosen` does not agree"),
    ],
)
def test_a_manifest_that_lies_is_refused(
    parts: dict[str, bytes], tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read_bundle(forged(tmp_path / "b.zip", parts, **changes))


def test_swapped_surplus_and_missing_members_are_refused(parts: dict[str, bytes], tmp_path: Path) -> None:
    a, b = "estimator.1.1.skops", "estimator.1.2.skops"
    path = tmp_path / "b.zip"
    archives.write_archive(path, {**parts, a: parts[b], b: parts[a]})
    with pytest.raises(InputError, match=rf"member '{a}' was changed"):
        read_bundle(path)
    archives.write_archive(path, {name: data for name, data in parts.items() if name != a})
    with pytest.raises(InputError, match=rf"member '{a}', which the manifest names, is missing"):
        read_bundle(path)
    archives.write_archive(path, {**parts, "more.json": b"{}"})
    with pytest.raises(InputError, match=r"member 'more.json' is surplus"):
        read_bundle(path)
    with pytest.raises(InputError, match=r"'more.json' is not one of this model"):
        read_bundle(forged(path, {**parts, "more.json": b"{}"}))
    with pytest.raises(InputError, match=rf"'{a}' is missing"):
        read_bundle(forged(path, {name: data for name, data in parts.items() if name != a}))
    archives.write_archive(path, {name: data for name, data in parts.items() if name != "manifest.json"})
    with pytest.raises(InputError, match=r"has no manifest.json"):
        read_bundle(path)


class Trap:
    """A pickle that would be noticed."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("a pickle was run",))


def test_a_planted_pickle_is_refused_and_not_run(parts: dict[str, bytes], tmp_path: Path) -> None:
    trap = pickle.dumps(Trap())
    name = "estimator.1.0.skops"
    array = io.BytesIO()
    np.save(array, np.array([Trap()], dtype=object), allow_pickle=True)
    members = unpacked(parts[name])
    numbers = next(member for member in members if member.endswith(".npy"))
    for data in (trap, packed({"schema.json": trap}), packed({**members, numbers: array.getvalue()})):
        with pytest.raises(InputError):
            read_bundle(forged(tmp_path / "b.zip", {**parts, name: data}))
    for other in ("protocol.json", "copy.1.json", "imputer.1.json"):
        with pytest.raises(InputError):
            read_bundle(forged(tmp_path / "b.zip", {**parts, other: trap}))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"LogisticRegression"', '"LogisticRegressionCVX"'),
        ('"__class__":"Scale","__module__":"validkit.tabular.steps"', '"__class__":"system","__module__":"os"'),
        ('"__loader__":"ObjectNode"', '"__loader__":"ReduceNode"'),
        ('"__loader__":"ObjectNode"', '"__loader__":"FunctionNode"'),
    ],
)
def test_types_off_the_list_are_refused(parts: dict[str, bytes], tmp_path: Path, old: str, new: str) -> None:
    name = "estimator.1.0.skops"
    members = unpacked(parts[name])
    schema = members["schema.json"].decode()
    assert old in schema
    data = packed({**members, "schema.json": schema.replace(old, new, 1).encode()})
    with pytest.raises(InputError, match="types that validkit does not trust"):
        read_bundle(forged(tmp_path / "b.zip", {**parts, name: data}))


def test_a_boosted_tree_that_leads_out_of_memory_is_refused(parts: dict[str, bytes]) -> None:
    for field, value in (("left", 10**6), ("right", 0), ("feature_idx", 999)):
        model = load_estimator(parts["estimator.1.1.skops"], TRUSTED_ESTIMATORS)
        nodes = model.named_steps["model"]._predictors[0][0].nodes
        nodes[field][0] = value
        data = dump_estimator(model, TRUSTED_ESTIMATORS)
        with pytest.raises(InputError, match="damaged"):
            load_estimator(data, TRUSTED_ESTIMATORS)


def test_support_vectors_that_do_not_fit_are_refused() -> None:
    from sklearn.svm import SVC

    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 3)), np.arange(40) % 2
    for name, change in (
        ("support_vectors_", lambda v: v[:, :2]),
        ("_n_support", lambda v: v * 1000),
        ("_dual_coef_", lambda v: v[:, :1]),
    ):
        model = SVC().fit(X, y)
        load_estimator(dump_estimator(model, TRUSTED_ESTIMATORS), TRUSTED_ESTIMATORS)
        setattr(model, name, change(getattr(model, name)))
        with pytest.raises(InputError, match="damaged support vector machine"):
            load_estimator(dump_estimator(model, TRUSTED_ESTIMATORS), TRUSTED_ESTIMATORS)


def test_the_list_names_what_exists_and_nothing_that_calls_a_function() -> None:
    for name in TRUSTED_ESTIMATORS["ObjectNode"]:
        module, _, kind = name.rpartition(".")
        if not module.startswith(("xgboost", "lightgbm")):
            assert hasattr(__import__(module, fromlist=[kind]), kind), name
    everything = set().union(*TRUSTED_ESTIMATORS.values())
    assert not any(word in name for name in everything for word in ("eval", "exec", "Function", "Tree_", "KDTree"))
    assert not {"FunctionNode", "MethodNode", "PartialNode", "ReduceNode", "OperatorFuncNode"} & set(TRUSTED_ESTIMATORS)


# --- at a new centre -------------------------------------------------------------------------------


AWAY = (
    PROTOCOL[: PROTOCOL.index("[design]")].replace('missing = "impute"', 'missing = "exclude"')
    + """
[design]
kind = "external"
[model]
kind = "bundle"
file = "{file}"
[evaluation]
compare = {{ reference = "lr" }}
thresholds = {{ choose = "developed" }}
"""
)


def away(bundle: Path, *changes: tuple[str, str]) -> Protocol:
    text = AWAY.replace("{file}", bundle.as_posix()).replace("{{", "{").replace("}}", "}")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return parse_protocol(text)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("away") / "cohort"
    write_table_phantom(folder, kind="clinical", patients=80, sites=1, seed=9, missing=0.05)
    return folder


def test_a_locked_model_is_applied_at_another_centre(bundle: Path, elsewhere: Path) -> None:
    from validkit.external import prepare_external

    protocol = away(bundle)
    data = read_cohort(elsewhere, protocol.cohort)
    plan = make_plan(protocol, patients_of(data))
    external = prepare_external(data, protocol, together=patients_of(data).codes)
    made = fit_unit(UnitTask(plan.main, np.empty(0, dtype=np.int64)), shared=Shared(protocol, external, "cpu"))
    expected = read_bundle(bundle).predict(TableInputs(data.predictors, patients_of(data).codes))
    found = made.predictions.pivot(index="patient", columns="model", values="probability")
    assert found.loc[expected.index, list(expected)].to_numpy().tobytes() == expected.to_numpy().tobytes()
    assert set(made.predictions["kind"]) == {"held-out"}
    record = made.records["bundle"]
    assert record["thresholds"] == read_bundle(bundle).manifest.thresholds
    assert record["digest"] == made.parameters == hashlib.sha256(bundle.read_bytes()).hexdigest()
    told = [note["text"] for note in made.notes]
    assert all(re.search("lie outside what the model was developed on|on simulated patients", text) for text in told)
    assert Fitted.from_files(made.files()).records == made.records
    unlike = bundle.with_name("other.zip")
    members = archives.unpack(bundle)
    other = prepare_external(data, away(forged(unlike, members, versions={})), together=patients_of(data).codes)
    assert other.digest != external.digest
    assert "the bundle was made with other versions" in other.checks[0].finding


def test_the_developing_cohort_is_no_external_one(home: Home, cohort: Path, bundle: Path) -> None:
    from validkit.external import prepare_external

    external = prepare_external(home.data, away(bundle), together=patients_of(home.data).codes)
    assert external.checks[0].finding == "the bundle was developed on this very cohort"


def test_everything_that_a_bundle_lacks_is_listed_at_once(bundle: Path) -> None:
    from validkit.external import open_bundle

    protocol = away(
        bundle,
        ('age = { kind = "continuous", unit = "years" }', ""),
        ('max_diameter = { kind = "continuous", unit = "mm" }', 'max_diameter = { kind = "continuous", unit = "cm" }'),
        ('"squamous", "adeno", "other"', '"adeno", "squamous", "other"'),
        ('rbc = { kind = "continuous" }', 'rbc = { kind = "binary" }'),
    )
    with pytest.raises(InputError) as raised:
        open_bundle(protocol)
    lines = str(raised.value).splitlines()
    assert lines[0].endswith("needs what the protocol does not give:")
    assert sorted(line.strip("- ").split(";")[0] for line in lines[1:]) == [
        "cohort.predictors.histology: the levels squamous, adeno, other, in this order",
        "cohort.predictors.max_diameter: values in 'mm'",
        "cohort.predictors.rbc: kind 'continuous'",
        "the predictor 'age' (age",
    ]
    with pytest.raises(InputError, match="there is no bundle"):
        open_bundle(away(bundle.with_name("gone.zip")))


def test_the_shipped_protocol_asks_for_a_bundle() -> None:
    from validkit.external import open_bundle
    from validkit.protocol import read_protocol

    protocol = read_protocol("external", ["model.file=nowhere.zip"])
    with pytest.raises(InputError, match=r"no bundle 'nowhere.zip'.*--set model.file=RUN/bundle.zip"):
        open_bundle(protocol)
    assert isinstance(Locked, type)


def test_its_content_binds_it_and_not_its_place(bundle: Path, parts: dict[str, bytes], tmp_path: Path) -> None:
    from validkit.external import bound, open_bundle

    copied = tmp_path / "elsewhere.zip"
    copied.write_bytes(bundle.read_bytes())
    here, there = bound(away(bundle)), bound(away(copied))
    assert here.digest() == there.digest() != away(bundle).digest()
    digest = hashlib.sha256(bundle.read_bytes()).hexdigest()
    assert here.to_dict()["model"] == {"kind": "bundle", "accept": [], "harmonisation": None, "sha256": digest}
    assert bound(here) is here
    other = forged(tmp_path / "other.zip", parts, versions={})
    assert bound(away(other)).digest() != here.digest()
    declared = ("[evaluation]", f'sha256 = "{here.to_dict()["model"]["sha256"]}"\n[evaluation]')
    assert bound(away(tmp_path / "not there.zip", declared)).digest() == here.digest()
    assert open_bundle(away(copied, declared)).digest == here.to_dict()["model"]["sha256"]
    with pytest.raises(InputError, match=r"model.sha256: .*other\.zip' has SHA-256 .* it is another model"):
        open_bundle(away(other, declared))


def test_a_plan_counts_the_models_of_the_bundle_where_it_is_there(bundle: Path, elsewhere: Path) -> None:
    from validkit.planned import plan_of

    tasks = plan_of(away(bundle), elsewhere).tasks
    assert list(tasks["task"]) == ["locked model", "3 models"]
    assert tasks["fits"].sum() == 0
    absent = plan_of(away(bundle.with_name("gone.zip")), elsewhere).tasks
    assert list(absent["task"]) == ["locked model", "models of a bundle that is not here"]
