"""A run folder as the run left it passes every check; any changed byte that matters is found."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from validkit.errors import InputError
from validkit.ledger import Ledger
from validkit.ledger.chain import canonical
from validkit.ledger.receipts import keep_receipt, run_identity
from validkit.protocol import read_protocol
from validkit.store import to_json
from validkit.verify import failed, verify_run


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def make_run(folder: Path, ledger: Ledger) -> Path:
    """A small made-up run: sealed, predicted, opened, evaluated, finished."""
    protocol = {"protocol": {"name": "made-up"}, "design": {"test": 0.5}}
    digest = sha(canonical(protocol).encode())
    run = run_identity(folder)
    predictions = b"PAR1" + bytes(range(60)) + b"PAR1"
    (folder / "predictions.parquet").write_bytes(predictions)
    (folder / "protocol.resolved.json").write_text(to_json({"digest": digest, "protocol": protocol}))
    opening = ledger.open_outcomes(
        protocol=digest,
        protocol_name="made-up",
        cohort="c" * 64,
        run=run,
        predictions=sha(predictions),
        purpose="evaluation",
        outcome=pd.Series([0, 1, 1], index=["a", "b", "c"]),
        synthetic=True,
    )
    keep_receipt(folder, opening.receipt)
    evaluation = {"auc": 0.75, "protocol_digest": digest, "predictions_digest": sha(predictions)}
    (folder / "evaluation.json").write_text(to_json(evaluation))
    (folder / "stages").mkdir()
    (folder / "stages/deep.json").write_text("{}")
    (folder / "report.html").write_text("<p>")
    names = ["predictions.parquet", "protocol.resolved.json", "evaluation.json", "stages/deep.json"]
    return finish(folder, ledger, {name: sha((folder / name).read_bytes()) for name in names}, digest)


def finish(folder: Path, ledger: Ledger, files: dict[str, str], digest: str) -> Path:
    run = run_identity(folder)
    record = to_json({"run": run, "protocol": {"digest": digest}, "files": files})
    (folder / "run.json").write_text(record)
    keep_receipt(folder, ledger.finished(run=run, protocol=digest, record=sha(record.encode())))
    return folder


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.jsonl", wait=5)


@pytest.fixture
def run(tmp_path: Path, ledger: Ledger) -> Path:
    return make_run(tmp_path / "run", ledger)


def failing(run: Path, ledger: Ledger | None) -> dict[str, str]:
    return {check.code: check.evidence for check in failed(verify_run(run, ledger))}


def test_a_run_as_it_was_left_passes(run: Path, ledger: Ledger) -> None:
    checks = verify_run(run, ledger)
    assert [(check.code, check.outcome) for check in checks] == [
        (code, "pass") for code in ("files", "unlisted", "protocol", "predictions", "finished", "receipts", "ledger")
    ]
    assert "entry 1 of the ledger" in next(check.evidence for check in checks if check.code == "predictions")
    assert json.loads(json.dumps([check.to_dict() for check in checks]))[0]["mend"] == ""


def test_without_a_ledger_its_checks_do_not_apply_and_the_others_do(run: Path) -> None:
    outcomes = {check.code: check.outcome for check in verify_run(run, None)}
    assert {code for code, outcome in outcomes.items() if outcome == "not applicable"} == {
        "finished",
        "receipts",
        "ledger",
    }
    assert set(outcomes.values()) == {"pass", "not applicable"}


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
@pytest.mark.parametrize(
    "file",
    [
        "ledger.jsonl",
        "ledger.jsonl.head",
        "run/predictions.parquet",
        "run/evaluation.json",
        "run/run.json",
        "run/protocol.resolved.json",
        "run/stages/deep.json",
    ],
)
def test_any_changed_byte_is_found(run: Path, ledger: Ledger, data: Any, file: str) -> None:
    path = run.parent / file
    before = path.read_bytes()
    content = bytearray(before)
    how = data.draw(st.sampled_from(["flip", "insert", "delete"]))
    place = data.draw(st.integers(0, len(content) - (how != "insert")))
    match how:
        case "flip":
            content[place] ^= data.draw(st.integers(1, 255))
        case "insert":
            content.insert(place, data.draw(st.integers(0, 255)))
        case "delete":
            del content[place]
    try:
        path.write_bytes(bytes(content))
        assert failing(run, ledger)
        if file not in ("ledger.jsonl", "ledger.jsonl.head", "run/run.json"):
            assert failing(run, None)
    finally:
        path.write_bytes(before)


def test_a_changed_evaluation_with_its_digest_mended_in_run_json_is_found_by_the_ledger(
    run: Path, ledger: Ledger
) -> None:
    evaluation = (run / "evaluation.json").read_text().replace("0.75", "0.95")
    (run / "evaluation.json").write_text(evaluation)
    record = json.loads((run / "run.json").read_text())
    record["files"]["evaluation.json"] = sha(evaluation.encode())
    (run / "run.json").write_text(to_json(record))
    assert failing(run, None) == {}
    assert set(failing(run, ledger)) == {"finished"}
    assert failing(run, ledger)["finished"].startswith("entry 2 of the ledger says")


def test_predictions_changed_after_the_opening_are_found_though_everything_else_was_mended(
    run: Path, ledger: Ledger
) -> None:
    (run / "predictions.parquet").write_bytes(b"better")
    evaluation = json.loads((run / "evaluation.json").read_text()) | {"predictions_digest": sha(b"better")}
    (run / "evaluation.json").write_text(to_json(evaluation))
    record = json.loads((run / "run.json").read_text())
    files = {name: sha((run / name).read_bytes()) for name in record["files"]}
    finish(run, ledger, files, record["protocol"]["digest"])
    assert list(failing(run, ledger)) == ["predictions"]
    assert "entry 1 of the ledger says" in failing(run, ledger)["predictions"]


def test_a_changed_protocol_is_found(run: Path, ledger: Ledger) -> None:
    path = run / "protocol.resolved.json"
    path.write_text(path.read_text().replace("0.5", "0.4"))
    found = failing(run, ledger)
    assert set(found) == {"files", "protocol"}
    assert found["protocol"].count("says") == 3


def test_a_resolved_protocol_has_the_digest_that_protocol_gives() -> None:
    quick = read_protocol("plnm-quick")
    assert sha(canonical(json.loads(to_json(quick.to_dict()))).encode()) == quick.digest()


def test_records_that_are_not_listed_are_named(run: Path, ledger: Ledger) -> None:
    for name in ("notes.csv", "stages/extra.json", ".lock", "report.css"):
        (run / name).write_text("")
    (run / "tasks/a").mkdir(parents=True)
    (run / "tasks/a/record.json").write_text("{}")
    assert failing(run, ledger) == {"unlisted": "notes.csv is not listed; stages/extra.json is not listed"}


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/passwd", "stages/../../secret", "..\\secret", "C:\\secret", "link", "\0"]
)
def test_nothing_outside_the_folder_is_read(run: Path, ledger: Ledger, name: str) -> None:
    (run.parent / "secret").write_text("secret")
    (run / "link").symlink_to(run.parent / "secret")
    finish(run, ledger, {name: sha(b"secret")}, "x")
    assert "lies outside the run folder and was not read" in failing(run, ledger)["files"]


@pytest.mark.parametrize("content", [None, "", "[]", '{"files": {}}', '{"files": NaN}', "[" * 100_000, b"\xff"])
def test_a_run_json_that_is_none_fails_and_nothing_breaks(
    run: Path, ledger: Ledger, content: str | bytes | None
) -> None:
    (run / "run.json").unlink()
    if content is not None:
        (run / "run.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert {"files", "finished"} <= set(failing(run, ledger))


def test_a_missing_record_is_named(run: Path, ledger: Ledger) -> None:
    (run / "predictions.parquet").unlink()
    assert failing(run, ledger)["files"] == "predictions.parquet is not there"
    assert failing(run, ledger)["predictions"] == "predictions.parquet is not there"


def test_receipts_that_are_gone_or_changed_are_found(run: Path, ledger: Ledger) -> None:
    path = run / "receipts.json"
    text = path.read_text()
    path.write_text(text.replace('"kind": "opening"', '"kind": "seal"'))
    assert "entry 1 (seal" in failing(run, ledger)["receipts"]
    path.unlink()
    assert "the run keeps no receipts" in failing(run, ledger)["receipts"]
    path.write_text("{")
    assert "is not what validkit writes" in failing(run, ledger)["receipts"]


def test_another_ledger_is_said(run: Path, ledger: Ledger, tmp_path: Path) -> None:
    other = Ledger(tmp_path / "other.jsonl")
    other.append("note")
    found = {check.code: check for check in failed(verify_run(run, other))}
    assert set(found) == {"finished", "receipts"}
    assert str(ledger.path) in found["receipts"].mend


def test_a_cut_ledger_is_named(run: Path, ledger: Ledger) -> None:
    ledger.path.write_bytes(b"".join(ledger.path.read_bytes().splitlines(keepends=True)[:-1]))
    found = failing(run, ledger)
    assert "entry 2 was cut off" in found["ledger"]
    assert {"finished", "receipts", "ledger"} == set(found)


def test_no_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run folder at"):
        verify_run(tmp_path / "nowhere", None)
