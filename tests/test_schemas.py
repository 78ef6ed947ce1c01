"""What is published as a schema: each is sound, every command keeps to its own, and none changes under its version."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

pytest.importorskip("jsonschema", reason="needs the test extra")

from jsonschema import Draft202012Validator

from tests.centre.test_summary import centres
from tests.commands import command
from tests.reference.make_schemas import HEADS, derived
from tests.test_evaluate_designs import MODELS, declared, made_up
from validkit import cli, report, schemas
from validkit.centre import summary
from validkit.cohort.phantom import write_table_phantom
from validkit.errors import InputError
from validkit.evaluate import evaluate
from validkit.plan import Patients, make_plan
from validkit.stats.pooling import PooledEstimate
from validkit.stats.results import Comparison, Curve, Estimate, TestResult

VALIDATORS = {name: Draft202012Validator(schemas.read(name)) for name in schemas.names()}
DIGESTS: dict[str, tuple[int, str]] = {
    "audit": (1, "bbe341af064e3edc"),
    "bundle": (1, "edef2fe874f44405"),
    "bundle-key": (1, "29fe8720d8daa029"),
    "bundle-sign": (1, "28c6d1eb59dd57ae"),
    "bundle-verify": (1, "c4d0f9296fd070ea"),
    "certify": (1, "2b404ae46d5809eb"),
    "checklist": (1, "72a32e3ede2b7bc9"),
    "claims": (1, "4688110504c9cc75"),
    "compare": (1, "cb06c2bd8adead1f"),
    "doctor": (1, "cc1f2a575bad2152"),
    "evaluation": (1, "ba0ec89bd28c1d96"),
    "ledger": (1, "46c96402926b98c1"),
    "ledger-verify": (1, "fe02ec9f51b1b883"),
    "map-draft": (1, "e830911b4c2517a1"),
    "phantom": (1, "da20db3f3f01ba6c"),
    "plan": (1, "dc7374dd0869f3c2"),
    "pool": (1, "d2b8e6793d6de4e2"),
    "protocol": (1, "3a0edac770b8c463"),
    "protocol-check": (1, "9018998eef312b58"),
    "protocol-diff": (1, "448d603ad7960dce"),
    "protocol-list": (1, "06d362685142429b"),
    "protocol-seal": (1, "277222422cfccfc5"),
    "run": (1, "f5feae14de15fe36"),
    "sample-size": (1, "0ff682031223b32e"),
    "schemas": (1, "3c4aff0d1383aa16"),
    "site-summary": (1, "f6b6ca5384267870"),
    "verify": (1, "7664e27b07863761"),
}
"""of each schema: its version and the digest of its shape"""
ANNOTATIONS = ("title", "description", "$comment", "version", "x-written-by", "examples")


def shape(schema: Any, *, named: bool = False) -> Any:
    """A schema without its words; named : whether the keys are names of properties or parts."""
    if isinstance(schema, list):
        return [shape(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: shape(value, named=key in ("properties", "$defs") and not named)
        for key, value in schema.items()
        if named or key not in ANNOTATIONS
    }


def digest(name: str) -> str:
    return hashlib.sha256(json.dumps(shape(schemas.read(name)), sort_keys=True).encode()).hexdigest()[:16]


def checked(document: Any) -> str:
    """The name of the schema that a document names, once the document keeps to it."""
    name = re.fullmatch(r"urn:validkit:schema:([a-z-]+):(\d+)", document["schema"])
    assert name, document["schema"]
    found = [
        f"{'/'.join(map(str, e.absolute_path))}: {e.message[-300:]}" for e in VALIDATORS[name[1]].iter_errors(document)
    ]
    assert not found, found[:5]
    return name[1]


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """`told("audit", FILE, ..., name="audit")`: the JSON of a command, which is all that it prints."""

    def call(*parts: Any, name: str, code: int = 0) -> dict[str, Any]:
        capsys.readouterr()
        assert command(*parts, "--json") == code, capsys.readouterr().err
        printed = capsys.readouterr().out
        document: dict[str, Any] = json.loads(printed, parse_constant=lambda text: pytest.fail(f"{text} is no JSON"))
        assert checked(document) == name
        return document

    return call


# --- the schemas themselves --------------------------------------------------------------------------


@pytest.mark.parametrize("name", schemas.names())
def test_a_schema_is_sound_and_says_what_it_is(name: str) -> None:
    schema = schemas.read(name)
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == schemas.urn(name) == f"urn:validkit:schema:{name}:{schema['version']}"
    assert schema["title"]
    assert schema["description"]
    assert schema["x-written-by"]
    assert "urn:validkit:schema:definitions" not in json.dumps(schema)
    refused = [{}, [], {"schema": schema["$id"]}, {"schema": f"urn:validkit:schema:{name}:0"}]
    assert not any(VALIDATORS[name].is_valid(document) for document in refused)


@pytest.mark.parametrize("name", schemas.names())
def test_no_schema_changes_under_its_version(name: str) -> None:
    version, known = DIGESTS.get(name, (0, ""))
    schema = schemas.read(name)
    assert (schema["version"], digest(name)) == (version, known), (
        f"the shape of the schema {name!r} changed. Others read it by its version: raise `version`, `$id` and the "
        f"`schema` constant in validkit/schemas/{name}.json (a change in definitions.json concerns all that use it), "
        f"say so in CHANGELOG.md, and write {name!r}: ({schema['version']}, {digest(name)!r}) into DIGESTS. Where it "
        "was never published under this version, the new digest alone will do."
    )


@pytest.mark.parametrize("name", list(HEADS))
def test_schemas_of_strict_models_are_what_the_models_are(name: str) -> None:
    written = json.loads((schemas.FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    assert shape(written) == shape(derived(name)), f"{name}: see tests/reference/make_schemas.py"


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        ("estimate", Estimate),
        ("test", TestResult),
        ("comparison", Comparison),
        ("curve", Curve),
        ("pooled", PooledEstimate),
    ],
)
def test_shared_parts_hold_what_the_results_hold(part: str, kind: type) -> None:
    there = schemas.read("audit")["$defs"][part]
    assert set(there["properties"]) == set(there["required"]) == {field.name for field in fields(kind)}
    assert there["additionalProperties"] is False


def test_results_with_nothing_in_them_are_documents_too() -> None:
    parts = schemas.read("audit")["$defs"]
    for part, one in (
        ("estimate", Estimate(np.nan, note="why")),
        ("estimate", Estimate(np.inf, low=-np.inf)),
        ("test", TestResult(np.nan, np.nan)),
        ("comparison", Comparison(Estimate(np.nan), TestResult(np.nan, np.nan, df=3.0))),
        ("curve", Curve(np.array([0.0, np.nan]), np.array([1.0, np.inf]))),
    ):
        document = json.loads(json.dumps(one.to_dict(), allow_nan=False))
        Draft202012Validator({"$ref": f"#/$defs/{part}", "$defs": parts}).validate(document)


def test_an_unknown_schema_is_refused_with_what_there_is() -> None:
    with pytest.raises(InputError, match=r"no schema 'audits'; there are audit, bundle"):
        schemas.read("audits")
    assert command("schema", "audits") == 2


def test_schemas_are_listed_and_printed(
    told: Callable[..., dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    listed = {one["name"]: one for one in told("schema", name="schemas")["schemas"]}
    assert tuple(listed) == schemas.names()
    assert listed["audit"]["urn"] == schemas.urn("audit")
    for arguments in (("schema", "site-summary"), ("summary", "schema")):
        assert command(*arguments) == 0
        assert json.loads(capsys.readouterr().out) == schemas.read("site-summary")
    assert command("schema") == 0
    assert "validkit audit --json" in capsys.readouterr().out.replace("\n", " ")


def test_every_command_that_prints_json_is_told_of_in_a_schema() -> None:
    """Each command that takes --json stands in some schema's list, and each command in a list takes --json."""
    texts = [text for one in schemas.listed() for text in one["written_by"]]
    told = {text.removeprefix("validkit ").removesuffix(" --json") for text in texts if text.startswith("validkit ")}
    takes = {path for path, options in commands() if "--json" in options}
    assert {text.removesuffix(" --draft-map") for text in told} == takes
    without = {path for path, options in commands() if "--json" not in options}
    assert without == {"summary schema"}


def commands() -> Iterator[tuple[str, set[str]]]:
    """(the words of a command, its options) of every command."""
    import typer

    waiting: list[tuple[str, Any]] = [("", typer.main.get_command(cli.app))]
    while waiting:
        path, one = waiting.pop()
        if hasattr(one, "commands"):
            waiting += [(f"{path} {name}".strip(), each) for name, each in one.commands.items()]
        else:
            yield path, {option for parameter in one.params for option in parameter.opts}


# --- runs --------------------------------------------------------------------------------------------

PROTOCOL = """
[protocol]
name = "home"
question = "Does it travel?"
seed = { split = 42 }
[cohort]
kind = "table"
outcome = { column = "plnm" }
[cohort.predictors]
max_diameter = { kind = "continuous", unit = "mm" }
age = { kind = "continuous", unit = "years" }
[design]
kind = "holdout"
[model]
kind = "estimators"
cross_fitting = { folds = 2 }
[[model.estimators]]
name = "lr"
estimator = "sklearn.linear_model.LogisticRegression"
[[model.estimators]]
name = "age"
estimator = "sklearn.linear_model.LogisticRegression"
predictors = ["age"]
[evaluation]
bootstrap = { replicates = 0 }
compare = { reference = "lr" }
[acceptance]
undecided = "pass"
[acceptance.criteria]
auc = { low = 0.1 }
net_benefit = { better_than = { strategy = "treat-all", at = [0.2] } }
[sentinels]
run = ["duplicates", "held-out-choice"]
"""
QUICK = ("--engine", "sequential", "--device", "cpu")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with home.toml, a cohort, and another centre's."""
    folder = tmp_path_factory.mktemp("schemas")
    (folder / "home.toml").write_text(PROTOCOL, encoding="utf-8")
    for name, seed in (("cohort", 1), ("away", 2)):
        write_table_phantom(folder / name, kind="clinical", patients=100, sites=1, seed=seed)
    return folder


@pytest.fixture(scope="module")
def ran(home: Path) -> Iterator[tuple[Path, str]]:
    """The folder of a run, and what the command printed; no page is drawn."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "render_report", lambda folder, exports=False: folder)
        arguments = ["run", home / "home.toml", "--cohort", home / "cohort", "--out", home / "run", "--json"]
        done = CliRunner().invoke(cli.app, [*map(str, arguments), *QUICK])
        assert done.exit_code == 0, done.output
        yield home / "run", done.stdout


def test_a_run_tells_its_answer_in_full(ran: tuple[Path, str]) -> None:
    folder, printed = ran
    document = json.loads(printed)
    assert checked(document) == "run"
    evaluation = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    assert checked(evaluation) == "evaluation"
    assert document["evaluation"] == evaluation
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    for key in ("acceptance", "design", "sealed", "opening", "sentinels", "looks", "fits", "notices", "cohort"):
        assert document[key] == record[key]
    auc = next(one for one in evaluation["models"] if one["name"] == "lr")["sets"]["held-out"]["auc"]
    assert document["headline"]["measures"]["auc"] == auc
    assert document["folder"] == str(folder)
    assert document["written"]["evaluation"] == str(folder / "evaluation.json")
    assert document["written"]["report"] is None
    assert {one["outcome"] for one in document["sentinels"]} == {"pass", "not applicable"}


def test_what_looks_at_a_run_keeps_to_its_schema(
    ran: tuple[Path, str], home: Path, told: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    folder, printed = ran
    assert told("report", folder, name="run") == json.loads(printed)
    for guideline in ("tripod-ai", "metrics"):
        filled = told("checklist", folder, "--guideline", guideline, "--out", tmp_path / "list.md", name="checklist")
        assert Path(filled["file"]).is_file()
    assert told("compare", folder, folder, name="compare")["same"]
    found = told("verify", folder, name="verify")
    assert {one["outcome"] for one in found["checks"]} == {"pass"}
    (folder / "more.txt").write_text("x", encoding="utf-8")
    assert told("verify", folder, name="verify", code=1)["checks"][1]["outcome"] == "fail"
    (folder / "more.txt").unlink()
    assert told("plan", home / "home.toml", "--cohort", home / "cohort", name="plan")["patients"] == 100
    seal = told("protocol", "seal", home / "home.toml", "--cohort", home / "cohort", name="protocol-seal")
    assert told("ledger", "show", name="ledger")["entries"][-1]["hash"] == seal["hash"]
    whole = told("ledger", "verify", "--run", folder, name="ledger-verify")
    assert whole["findings"] == []
    assert whole["entries"] == seal["index"] + 1
    absent = told("ledger", "verify", "--ledger", tmp_path / "none.jsonl", name="ledger-verify", code=1)
    assert absent["entries"] is None


def test_a_run_folder_without_an_evaluation_is_still_told(told: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}", encoding="utf-8")
    document = told("report", tmp_path, name="run")
    assert document["headline"] is None
    assert document["evaluation"] is None
    assert document["beware"][0]["title"] == "The run is not complete (status: unknown)"


def test_a_locked_model_abroad(
    ran: tuple[Path, str], home: Path, told: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    for package in ("skops", "pint", "cryptography"):
        pytest.importorskip(package, reason="needs the models and transfer extras")
    bundle = ran[0] / "bundle.zip"
    shown = told("bundle", "show", bundle, name="bundle")
    assert told("bundle", "key", tmp_path / "k.pem", name="bundle-key")["public"] == str(tmp_path / "k.pem.pub")
    assert told("bundle", "sign", bundle, "--key", tmp_path / "k.pem", name="bundle-sign")["sha256"] == shown["sha256"]
    told("bundle", "verify", bundle, "--key", tmp_path / "k.pem.pub", name="bundle-verify")
    draft = ("external", bundle, "--cohort", home / "away", "--draft-map", "--map", tmp_path / "map.toml")
    assert told(*draft, name="map-draft")["map"] == (tmp_path / "map.toml").read_text(encoding="utf-8")
    out = tmp_path / "external"
    abroad = ("external", bundle, "--cohort", home / "away", "--out", out, "--update", "logistic", "--site", "away")
    found = told(*abroad, *QUICK, "--set", "evaluation.bootstrap.replicates=0", name="run")
    assert found["written"]["updated"] == str(out / "updated.zip")
    told_there = told("summary", "show", out / "site-summary.json", name="site-summary")
    assert told_there == json.loads((out / "site-summary.json").read_text(encoding="utf-8"))
    [step] = told("bundle", "show", out / "updated.zip", name="bundle")["lineage"]
    assert step["parent"] == shown["sha256"]


@pytest.mark.parametrize(
    ("design", "missing", "more"),
    [
        ('kind = "internal-external"', "", ""),
        ('kind = "bootstrap"\nresamples = 12', "", ""),
        (
            'kind = "repeated-kfold"\nfolds = 2\nrepeats = 2',
            'missing = "impute"',
            'thresholds = { also = [0.2] }\n[imputation]\nmethod = "iterative"\ncopies = 2\ncombine = "rubin"',
        ),
    ],
    ids=["internal-external", "bootstrap", "imputed"],
)
def test_evaluations_of_every_design_keep_to_the_schema(design: str, missing: str, more: str) -> None:
    protocol = declared(design, missing=missing, more=more)
    rng = np.random.default_rng(4)
    index = [f"p{i:02d}" for i in range(60)]
    patients = Patients(
        pd.Series((np.arange(60) % 3 == 0).astype(int), index=index),
        site=pd.Series(rng.permutation(["s1", "s2", "s3"] * 20), index=index),
    )
    plan = make_plan(protocol, patients)
    table = made_up(plan, patients, protocol.copies)
    found = evaluate(table, patients.outcome, MODELS, protocol.evaluation, seed=3, protocol=protocol, plan=plan)
    digests = {"protocol_digest": protocol.digest(), "predictions_digest": "0" * 64}
    assert checked({"schema": schemas.urn("evaluation"), **found, **digests}) == "evaluation"


# --- what needs no run -------------------------------------------------------------------------------

AUDIT = """
[protocol]
name = "audited"
question = "Right?"
[cohort]
kind = "table"
outcome = { column = "plnm" }
[design]
kind = "as-given"
[model]
kind = "predictions"
columns = [{ name = "risk", column = "risk" }, { name = "other", column = "risk_overfitted" }]
[evaluation]
bootstrap = { replicates = 0 }
thresholds = { choose = "fixed", value = 0.3, also = [0.2] }
compare = { reference = "risk" }
[acceptance.criteria]
auc = { low = 0.2 }
"""


@pytest.fixture(scope="module")
def predictions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """t.csv with risks, a score, sites, subgroups, clusters and splits; none.csv without an event."""
    folder = tmp_path_factory.mktemp("predictions")
    write_table_phantom(folder / "p", kind="predictions", patients=180, sites=3, seed=1)
    table, rng = pd.read_csv(folder / "p" / "cohort.csv"), np.random.default_rng(0)
    table["sex"], table["part"] = rng.choice(["f", "m"], 180), rng.choice(["train", "test"], 180)
    table["score"], table["who"] = rng.normal(size=180), np.arange(180) // 2
    table.to_csv(folder / "t.csv", index=False)
    table[table["plnm"] == 0].to_csv(folder / "none.csv", index=False)
    (folder / "audit.toml").write_text(AUDIT, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("file", "more"),
    [
        ("t.csv", ("--protocol", "audit.toml")),
        ("t.csv", ("--site", "site", "--subgroup", "sex", "--split", "part", "--model", "risk_shifted")),
        ("t.csv", ("--cluster", "who", "--model", "risk_shifted")),
        ("t.csv", ("--model", "score", "--subgroup", "sex")),
        ("none.csv", ("--model", "risk_shifted")),
    ],
    ids=["protocol", "sites", "clusters", "score", "no event"],
)
def test_audits_keep_to_their_schema(
    file: str, more: tuple[str, ...], predictions: Path, told: Callable[..., dict[str, Any]]
) -> None:
    given = [predictions / part if part == "audit.toml" else part for part in more]
    columns = () if "--protocol" in more else ("--outcome", "plnm", "--model", "risk")
    protocol = () if "--protocol" in more else ("--protocol", predictions / "audit.toml")
    asked = (predictions / file, *columns, *protocol, *given, "--fail-on", "never")
    found = told("audit", *asked, name="audit", code=int(file == "none.csv"))
    assert found["validkit"]
    assert "report" not in found


def test_claims_keep_to_their_schema(told: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    found = told("claims", "wang-2025", "--out", tmp_path, name="claims")
    assert checked(json.loads((tmp_path / "claims.json").read_text(encoding="utf-8"))) == "claims"
    assert found["report"] == str(tmp_path / "report.html")


def test_pooled_centres_keep_to_their_schema(
    told: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(summary, "RESAMPLES", 10)
    files = []
    for one in centres(10):
        files.append(tmp_path / f"{one.site}.json")
        files[-1].write_text(summary.to_text(one), encoding="utf-8")
        checked(json.loads(summary.to_text(one)))
    assert "probability_within" in json.dumps(told("pool", *files[:2], "--within", "auc=0.7:", name="pool"))
    table = pd.DataFrame({"site": [file.stem for file in files], "year": range(10)})
    table.to_csv(tmp_path / "covariates.csv", index=False)
    told("pool", *files, "--covariates", tmp_path / "covariates.csv", name="pool")
    old = json.loads(files[0].read_text(encoding="utf-8")) | {"schema": 1}
    (tmp_path / "old.json").write_text(json.dumps(old), encoding="utf-8")
    assert summary.read_summary(tmp_path / "old.json") == summary.read_summary(files[0])


def test_certificates_keep_to_their_schema(told: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    asked = ("certify", "--out", tmp_path, "--simulations", "20", "--engine", "sequential", "--only", "ranks")
    assert told(*asked, name="certify")["written"]["cells"] == str(tmp_path / "coverage.csv")


def test_protocols_keep_to_their_schema(told: Callable[..., dict[str, Any]]) -> None:
    listed = told("protocol", "list", name="protocol-list")["protocols"]
    for one in listed:
        shown = told("protocol", "show", one["name"], name="protocol")
        assert shown["protocol"]["protocol"]["question"] == one["question"]
        assert told("protocol", "check", one["name"], name="protocol-check")["digest"] == shown["digest"]
    assert told("protocol", "digest", "plnm-quick", name="protocol-check")["name"] == "plnm-quick"
    assert told("protocol", "diff", "plnm-quick", "plnm-paper", name="protocol-diff")["changes"]


@pytest.mark.parametrize("kind", ["clinical", "predictions"])
def test_phantoms_keep_to_their_schema(kind: str, told: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    told("phantom", "--out", tmp_path / "p", "--kind", kind, "--patients", "20", name="phantom")


def test_the_installation_keeps_to_its_schema(
    told: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from validkit import doctor

    monkeypatch.setattr(doctor, "missing", lambda name: ("torch",) if name in ("deep", "imaging") else ())
    assert {one["outcome"] for one in told("doctor", name="doctor")["findings"]} == {"ok", "absent"}
