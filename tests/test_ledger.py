"""The ledger: every change of it is found and named; openings are counted; stopped writers leave nothing broken."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from validkit.errors import InputError
from validkit.ledger import Ledger, LedgerError, Opening, default_ledger
from validkit.ledger.chain import Head, canonical, make_entry, read_entry
from validkit.ledger.openings import outcome_keys
from validkit.ledger.receipts import keep_receipt, read_receipts, run_identity


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.jsonl", wait=5)


def fill(ledger: Ledger, count: int = 5) -> list[bytes]:
    """A ledger of so many entries, the genesis included; its lines."""
    for i in range(count - 1):
        ledger.append("note", text=f"entry {i}", value=0.1 * i)
    return ledger.path.read_bytes().splitlines(keepends=True)


def findings(ledger: Ledger, code: str) -> list[int | None]:
    """The entries that findings of one code name."""
    return [finding.index for finding in ledger.verify() if finding.code == code]


# --- the chain ----------------------------------------------------------------------------------------------


def test_entries_come_back_as_they_were_appended(ledger: Ledger) -> None:
    receipt = ledger.append("note", text="größer", nested={"b": [1, 2.5, None, True], "a": ""})
    genesis, entry = ledger.entries()
    assert (genesis.kind, genesis.index, genesis.previous) == ("genesis", 0, "0" * 64)
    assert len(genesis.facts["salt"]) == 32
    assert entry.facts == {"text": "größer", "nested": {"b": [1, 2.5, None, True], "a": ""}}
    assert (entry.index, entry.hash, entry.time) == (receipt.index, receipt.hash, receipt.time)
    assert entry.time.endswith("+00:00")
    assert receipt.ledger == str(ledger.path)
    assert ledger.verify([receipt]) == []


def test_a_line_is_canonical_and_carries_its_hash_and_the_digest_of_the_line_before(ledger: Ledger) -> None:
    first, second = (line.removesuffix(b"\n") for line in fill(ledger, 2))
    found = json.loads(second)
    own = found.pop("hash")
    assert own == hashlib.sha256(json.dumps(found, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    assert found["previous"] == hashlib.sha256(first).hexdigest()


def test_salts_differ_between_ledgers(tmp_path: Path) -> None:
    salts = set()
    for name in "abc":
        ledger = Ledger(tmp_path / name)
        ledger.append("note")
        salts.add(ledger.entries()[0].facts["salt"])
    assert len(salts) == 3


@pytest.mark.parametrize(
    ("change", "code", "index"),
    [
        (lambda lines: [*lines[:2], lines[2].replace(b"entry 1", b"entry 9"), *lines[3:]], "edited", 2),
        (lambda lines: [lines[0].replace(b'"format":1', b'"format":2'), *lines[1:]], "edited", 0),
        (lambda lines: [*lines[:2], b" " + lines[2], *lines[3:]], "edited", 2),
        (lambda lines: [*lines[:2], b"\n", *lines[3:]], "edited", 2),
        (lambda lines: [*lines[:2], *lines[3:]], "dropped", 2),
        (lambda lines: [*lines[:1], *lines[3:]], "dropped", 1),
        (lambda lines: lines[1:], "dropped", 0),
        (lambda lines: [*lines[:1], lines[2], lines[1], *lines[3:]], "reordered", 2),
        (lambda lines: [*lines[:3], lines[4], lines[3]], "reordered", 4),
        (lambda lines: [*lines[:3], lines[2], *lines[3:]], "duplicated", 2),
        (lambda lines: [*lines, lines[-1]], "duplicated", 4),
        (lambda lines: [*lines[:2], lines[4], *lines[2:]], "duplicated", 4),
        (lambda lines: lines[:-1], "truncated", 4),
        (lambda lines: lines[:2], "truncated", 2),
        (lambda lines: [*lines[:-1], lines[-1][:-10]], "truncated", 4),
        (lambda lines: [*lines[:-1], lines[-1][:-1]], "truncated", 4),
        (lambda lines: [b"".join(lines)[:-1].replace(b"\n", b"", 1) + b"\n"], "edited", 0),
    ],
)
def test_every_kind_of_change_is_found_and_named(
    ledger: Ledger, change: Callable[[list[bytes]], list[bytes]], code: str, index: int
) -> None:
    ledger.path.write_bytes(b"".join(change(fill(ledger))))
    assert index in findings(ledger, code)
    with pytest.raises(LedgerError, match="to mend: restore the ledger"):
        ledger.entries()
    before = ledger.path.read_bytes()
    if code == "truncated" or index == 4:  # an append looks at the end alone
        with pytest.raises(LedgerError):
            ledger.append("note")
        assert ledger.path.read_bytes() == before


def test_the_error_names_the_first_bad_entry(ledger: Ledger) -> None:
    lines = fill(ledger, 8)
    lines[2], lines[6] = lines[2].replace(b"entry", b"Entry"), lines[6].replace(b"entry", b"Entry")
    ledger.path.write_bytes(b"".join(lines))
    with pytest.raises(LedgerError, match=r"line 3: entry 2 was edited: the line does not match its own hash"):
        ledger.entries()
    assert findings(ledger, "edited") == [2, 6]


def test_an_entry_rewritten_with_its_hash_is_found_by_the_one_after(ledger: Ledger) -> None:
    lines = fill(ledger)
    old = read_entry(lines[2][:-1])
    forged = make_entry(2, old.kind, {"text": "forged"}, previous=old.previous, time=old.time)
    ledger.path.write_bytes(b"".join([*lines[:2], forged.line() + b"\n", *lines[3:]]))
    assert findings(ledger, "edited") == [3]
    assert "does not follow from entry 2 as it stands" in str(ledger.verify()[0])


def test_an_inserted_entry_is_found(ledger: Ledger) -> None:
    lines = fill(ledger)
    forged = make_entry(2, "note", {"text": "forged"}, previous=read_entry(lines[2][:-1]).previous, time="2026")
    ledger.path.write_bytes(b"".join([*lines[:2], forged.line() + b"\n", *lines[2:]]))
    assert findings(ledger, "inserted") == [2]


def test_a_whole_chain_rewritten_is_found_by_the_head_and_by_receipts(ledger: Ledger) -> None:
    receipt = ledger.append("opening", run="a")
    other = Ledger(ledger.path.with_name("other.jsonl"))
    other.append("opening", run="b")
    ledger.path.write_bytes(other.path.read_bytes())
    assert findings(ledger, "edited") == [1]
    ledger.head.write_bytes(other.head.read_bytes())
    assert ledger.verify() == []
    (finding,) = ledger.verify([receipt])
    assert (finding.code, finding.index) == ("receipt", 1)
    assert "is not borne out: the entry was rewritten" in finding.what


def test_a_tail_cut_together_with_its_head_is_found_by_receipts(ledger: Ledger) -> None:
    fill(ledger, 3)
    kept = ledger.path.read_bytes(), ledger.head.read_bytes()
    receipt = ledger.append("opening")
    ledger.path.write_bytes(kept[0])
    ledger.head.write_bytes(kept[1])
    assert ledger.verify() == []
    assert "the entry is gone" in str(ledger.verify([receipt])[0])


def test_a_ledger_or_a_head_that_is_gone_is_found_and_not_begun_again(ledger: Ledger) -> None:
    fill(ledger)
    head, data = ledger.head.read_bytes(), ledger.path.read_bytes()
    ledger.path.unlink()
    assert [finding.code for finding in ledger.verify()] == ["deleted"]
    with pytest.raises(LedgerError, match="the ledger is gone; its head is there"):
        ledger.append("note")
    ledger.path.write_bytes(data)
    ledger.head.unlink()
    assert [finding.code for finding in ledger.verify()] == ["head"]
    with pytest.raises(LedgerError, match=r"ledger.jsonl.head is gone.*put both files back"):
        ledger.append("note")
    ledger.head.write_bytes(head.replace(b'"count":5', b'"count":4'))
    assert "does not match its own checksum" in str(ledger.verify()[0])
    ledger.head.write_bytes(head)
    assert ledger.verify() == []


def test_a_head_set_back_is_found(ledger: Ledger) -> None:
    fill(ledger, 2)
    old = ledger.head.read_bytes()
    fill(ledger, 3)
    ledger.head.write_bytes(old)
    assert findings(ledger, "head") == [2]
    with pytest.raises(LedgerError, match="stand after the end that the head gives"):
        ledger.append("note")


def test_where_there_is_no_ledger_that_is_said(ledger: Ledger) -> None:
    assert ledger.entries() == []
    assert [finding.code for finding in ledger.verify()] == ["absent"]
    assert list(ledger.path.parent.iterdir()) == []


@pytest.mark.parametrize("how", ["flip", "insert", "delete"])
@pytest.mark.parametrize("file", ["ledger", "head"])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_changed_byte_is_found(ledger: Ledger, data: Any, file: str, how: str) -> None:
    if not ledger.path.exists():
        fill(ledger, 4)
    path = ledger.path if file == "ledger" else ledger.head
    before = path.read_bytes()
    try:
        change_a_byte(path, data, how)
        assert ledger.verify() != []
    finally:
        path.write_bytes(before)


def change_a_byte(path: Path, data: Any, how: str) -> None:
    """Flip, insert or delete one byte of a file."""
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - (how != "insert")), label="place")
    match how:
        case "flip":
            content[place] ^= data.draw(st.integers(1, 255), label="bits")
        case "insert":
            content.insert(place, data.draw(st.integers(0, 255), label="byte"))
        case "delete":
            del content[place]
    path.write_bytes(bytes(content))


@given(line=st.binary(max_size=200) | st.text(max_size=200).map(str.encode) | st.just(b"[" * 100_000))
def test_no_line_makes_reading_fail_in_another_way(line: bytes) -> None:
    with pytest.raises(ValueError, match="is not an entry as the ledger writes them"):
        read_entry(line)
    with pytest.raises(ValueError, match="is not a head as the ledger writes them"):
        Head.from_bytes(line)


@pytest.mark.parametrize("change", [{"index": True}, {"facts": []}, {"time": 5}, {"hash": None}, {"more": 1}])
def test_an_entry_with_wrong_types_is_none(change: dict[str, Any]) -> None:
    entry = make_entry(1, "note", {}, previous="0" * 64, time="2026").to_dict() | change
    with pytest.raises(ValueError, match="is not an entry"):
        read_entry(canonical(entry).encode())


# --- stopped writers --------------------------------------------------------------------------------------------


def test_an_entry_whose_head_was_not_written_is_completed(ledger: Ledger) -> None:
    fill(ledger, 3)
    old = ledger.head.read_bytes()
    ledger.append("note", text="acknowledged or not")
    ledger.head.write_bytes(old)
    assert ledger.verify() == []
    assert len(ledger.entries()) == 4
    assert ledger.append("note").index == 4
    assert [entry.kind for entry in ledger.entries()] == ["genesis", "note", "note", "note", "note"]
    assert ledger.verify() == []


@pytest.mark.parametrize(
    "tail", [b'{"facts":{', b"\0" * 300, b'{"facts"\0\0}\n', b"\n", "whole without end", "whole, then torn"]
)
def test_a_torn_end_is_set_aside_and_said(ledger: Ledger, tail: bytes | str) -> None:
    lines = fill(ledger, 3)
    head = Head.from_bytes(ledger.head.read_bytes())
    entry = make_entry(3, "note", {}, previous=head.line, time="2026").line()
    torn = tail if isinstance(tail, bytes) else entry if tail == "whole without end" else entry + b"\n{"
    ledger.path.write_bytes(b"".join(lines) + torn)
    assert "torn" in [finding.code for finding in ledger.verify()]
    assert len(ledger.entries()) == (4 if tail == "whole, then torn" else 3)
    receipt = ledger.append("note", text="next")
    assert ledger.verify([receipt]) == []
    said = ledger.entries()[-2]
    assert said.kind == "recovered"
    kept = (ledger.path.parent / said.facts["file"]).read_bytes()
    assert torn.endswith(kept)
    assert said.facts["sha256"] == hashlib.sha256(kept).hexdigest()
    assert said.facts["file"].startswith("ledger.jsonl.torn-")


@pytest.mark.parametrize("state", ["head alone", "empty file", "torn genesis", "genesis without head"])
def test_a_writer_stopped_at_the_very_beginning_leaves_a_usable_ledger(ledger: Ledger, state: str) -> None:
    ledger.head.write_bytes(Head().to_bytes())
    genesis = make_entry(0, "genesis", {"format": 1, "salt": "ab" * 16}, previous="0" * 64, time="2026").line() + b"\n"
    content = {"empty file": b"", "torn genesis": genesis[:40], "genesis without head": genesis}
    if state in content:
        ledger.path.write_bytes(content[state])
    receipt = ledger.append("note")
    assert receipt.index == 1
    assert ledger.verify([receipt]) == []
    assert (ledger.entries()[0].facts["salt"] == "ab" * 16) == (state == "genesis without head")


@pytest.mark.parametrize("at", range(1, 7))
def test_a_full_disk_at_any_write_leaves_the_ledger_whole(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    lines = fill(ledger, 3)
    calls, sync = [0], os.fsync

    def full(handle: int) -> None:
        calls[0] += 1
        if calls[0] == at:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(handle)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        if at <= 3:
            with pytest.raises(InputError, match=r"cannot be written \(No space left on device\): free some space"):
                ledger.append("note", text="does not fit")
        else:
            ledger.append("note", text="fits")
    assert ledger.path.read_bytes().startswith(b"".join(lines))
    assert ledger.verify() == []
    receipt = ledger.append("note", text="fits again")
    assert ledger.verify([receipt]) == []


def test_a_write_that_stops_half_way_is_taken_back(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(ledger, 3)
    before, write = ledger.path.read_bytes(), os.write

    def half(handle: int, data: bytes) -> int:
        write(handle, data[: len(data) // 2])
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", half)
        with pytest.raises(InputError, match="Disk quota exceeded"):
            ledger.append("note", text="does not fit")
    assert ledger.path.read_bytes() == before
    assert ledger.append("note").index == 3


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_said_and_can_still_be_verified(ledger: Ledger) -> None:  # pragma: no cover
    fill(ledger)
    ledger.path.parent.chmod(0o500)
    try:
        with pytest.raises(InputError, match="cannot be written"):
            ledger.append("note")
        assert ledger.verify() == []
    finally:
        ledger.path.parent.chmod(0o700)


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"ledger\.jsonl.*' cannot be written"):
        Ledger(tmp_path / "file" / "ledger.jsonl").append("note")


def test_facts_are_plain_values(ledger: Ledger) -> None:
    with pytest.raises(InputError, match="an entry's facts must be plain JSON values"):
        ledger.append("note", value=float("nan"))
    with pytest.raises(InputError, match="an entry's facts must be plain JSON values"):
        ledger.append("note", value={1, 2})
    assert [entry.kind for entry in ledger.entries()] == ["genesis"]


# --- many at once ---------------------------------------------------------------------------------------------------

APPENDER = """
import sys
from validkit.ledger import Ledger
ledger = Ledger(sys.argv[1])
for i in range(int(sys.argv[3])):
    print(ledger.append("note", who=sys.argv[2], i=i).hash, flush=True)
"""


def test_many_processes_append_one_whole_chain(ledger: Ledger) -> None:
    command = [sys.executable, "-c", APPENDER, str(ledger.path)]
    writers = [subprocess.Popen([*command, str(who), "15"], stdout=subprocess.PIPE, text=True) for who in range(6)]
    seen = 0
    while any(writer.poll() is None for writer in writers):  # a reader beside them sees a whole ledger at any moment
        count = len(ledger.entries())
        assert count >= seen
        seen = count
    receipts = {line for writer in writers for line in writer.communicate()[0].split()}
    assert [writer.returncode for writer in writers] == [0] * 6
    entries = ledger.entries()
    assert len(entries) == 6 * 15 + 1
    assert {entry.hash for entry in entries[1:]} == receipts
    for who in range(6):
        assert [entry.facts["i"] for entry in entries if entry.facts.get("who") == str(who)] == list(range(15))
    assert ledger.verify() == []


def test_who_holds_the_ledger_is_said_after_a_bounded_time(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl", wait=0.2)
    with ledger._locked(), pytest.raises(InputError, match=rf"is held by process {os.getpid()} on .*, since 2.*0\.2 s"):
        Ledger(ledger.path, wait=0.2).append("note")
    ledger.append("note")


def test_the_default_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VALIDKIT_LEDGER", str(tmp_path / "own.jsonl"))
    assert default_ledger() == tmp_path / "own.jsonl"
    assert Ledger().path == (tmp_path / "own.jsonl").resolve()
    monkeypatch.delenv("VALIDKIT_LEDGER")
    if os.name != "nt":
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
        assert default_ledger() == tmp_path / "validkit/ledger.jsonl"
        monkeypatch.delenv("XDG_STATE_HOME")
        monkeypatch.setenv("HOME", str(tmp_path))
        assert default_ledger() == tmp_path / ".local/state/validkit/ledger.jsonl"


def test_importing_the_ledger_is_light() -> None:
    code = "import sys, validkit.ledger, validkit.store; print([m for m in ('numpy', 'pandas') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


# --- openings -----------------------------------------------------------------------------------------------------


def outcomes(patients: range, *, flip: int = 0) -> pd.Series:
    return pd.Series([int((i + flip) % 3 == 0) for i in patients], index=[f"P{i:04}" for i in patients], dtype=int)


def open_outcomes(ledger: Ledger, outcome: pd.Series, run: str = "r1", **facts: Any) -> Opening:
    given: dict[str, Any] = {
        "protocol": "a" * 64,
        "protocol_name": "plnm",
        "cohort": "c" * 64,
        "run": run,
        "predictions": "f" * 64,
        "purpose": "evaluation",
        "synthetic": False,
    }
    return ledger.open_outcomes(outcome=outcome, **(given | facts))


def test_openings_of_the_same_outcomes_are_counted_whatever_they_come_from(ledger: Ledger) -> None:
    first = open_outcomes(ledger, outcomes(range(10)))
    assert (first.times, first.protocols, first.share, first.others) == (1, 1, 0.0, ())
    assert first.sentence() == "held-out outcomes opened once"
    second = open_outcomes(ledger, outcomes(range(5, 15)).iloc[::-1], "r2", cohort="d" * 64)
    assert (second.times, second.protocols, second.share) == (2, 1, 0.5)
    assert second.sentence() == "held-out outcomes opened 2 times under 1 protocol"
    third = open_outcomes(ledger, outcomes(range(9)).astype(float), "r3", protocol="b" * 64, purpose="model choice")
    assert (third.times, third.protocols, third.share) == (3, 2, 1.0)
    assert third.sentence() == "held-out outcomes opened 3 times under 2 protocols"
    assert [(other.run, other.shared) for other in third.others] == [("r1", 9), ("r2", 4)]
    unrelated = open_outcomes(ledger, outcomes(range(100, 110)), "r4", protocol="b" * 64)
    assert (unrelated.times, unrelated.share) == (1, 0.0)
    assert json.loads(json.dumps(third.to_dict()))["sentence"] == third.sentence()


def test_a_resumed_run_opens_once(ledger: Ledger) -> None:
    first = open_outcomes(ledger, outcomes(range(10)))
    open_outcomes(ledger, outcomes(range(10)), "r2")
    assert open_outcomes(ledger, outcomes(range(10)).iloc[::-1]) == first
    assert len(ledger.entries()) == 3
    again = open_outcomes(ledger, outcomes(range(10)), predictions="e" * 64)
    assert (again.times, again.protocols, again.share) == (3, 1, 1.0)


def test_looks_of_the_same_run_count_but_are_not_of_another_run(ledger: Ledger) -> None:
    open_outcomes(ledger, outcomes(range(10)), purpose="model choice")
    own = open_outcomes(ledger, outcomes(range(10)))
    assert (own.times, own.share) == (2, 0.0)


def test_other_patients_with_the_same_ids_are_not_taken_for_the_same(ledger: Ledger) -> None:
    open_outcomes(ledger, outcomes(range(90)))
    other = open_outcomes(ledger, outcomes(range(90), flip=1), "r2")
    assert (other.times, other.unlike) == (1, 1)
    corrected = outcomes(range(90))
    corrected.iloc[:5] = 1 - corrected.iloc[:5]
    mended = open_outcomes(ledger, corrected, "r3")
    assert (mended.times, mended.unlike) == (2, 1)
    few = outcomes(range(90), flip=1).iloc[:12]  # too few to tell: counted
    assert open_outcomes(ledger, few, "r4").times == 4


def test_the_ledger_names_no_patient(ledger: Ledger) -> None:
    open_outcomes(ledger, outcomes(range(10)))
    assert b"P000" not in ledger.path.read_bytes()


def test_outcome_keys_depend_on_id_outcome_and_salt_alone() -> None:
    keys = outcome_keys(["1", "2"], [0, 1], "salt")
    assert all(len(key) == 16 and int(key, 16) >= 0 for key in keys)
    assert keys == outcome_keys([1, 2], [0.0, True], "salt")
    others = [
        outcome_keys(["1", "2"], [1, 0], "salt"),
        outcome_keys(["1", "2"], [0, 1], "pepper"),
        outcome_keys(["01", "02"], [0, 1], "salt"),
        outcome_keys(["1", "2"], ["yes", "no"], "salt"),
    ]
    assert len({key for row in [keys, *others] for key in row}) == 10
    with pytest.raises(ValueError, match="longer than"):
        outcome_keys(["1"], [0, 1], "salt")


def test_an_opening_needs_whole_outcomes_of_distinct_patients(ledger: Ledger) -> None:
    with pytest.raises(InputError, match=r"names each patient once; 1 come again \(first: 'P0001'\)"):
        open_outcomes(ledger, pd.Series([0, 1, 1], index=["P0001", "P0002", "P0001"]))
    with pytest.raises(InputError, match="got 2 patients, 1 without outcome"):
        open_outcomes(ledger, pd.Series([0.0, float("nan")], index=["a", "b"]))
    with pytest.raises(InputError, match="got 0 patients"):
        open_outcomes(ledger, pd.Series([], dtype=float))


def test_a_hundred_thousand_patients_stay_compact_and_are_counted_quickly(ledger: Ledger) -> None:
    patients = outcomes(range(100_000))
    open_outcomes(ledger, patients)
    assert open_outcomes(ledger, patients.iloc[:50_000], "r2").share == 1.0
    assert ledger.path.stat().st_size < 1_700_000


# --- seals --------------------------------------------------------------------------------------------------------

PROTOCOL = canonical({"design": {"kind": "holdout"}})
DIGEST = hashlib.sha256(PROTOCOL.encode()).hexdigest()


def seal(ledger: Ledger, cohort: str | None = None) -> int:
    return ledger.seal(protocol=DIGEST, protocol_name="plnm", canonical=PROTOCOL, cohort=cohort).index


def test_a_seal_before_the_first_opening_counts(ledger: Ledger) -> None:
    outcome = outcomes(range(10))
    assert ledger.seal_state(DIGEST, outcome=outcome).state == "unsealed"
    seal(ledger)
    sealed = ledger.seal_state(DIGEST, outcome=outcome)
    assert (sealed.state, sealed.cohort_matches) == ("sealed", None)
    assert sealed.sentence.startswith("the protocol was sealed on 2")
    open_outcomes(ledger, outcome, protocol=DIGEST)
    sealed = ledger.seal_state(DIGEST, outcome=outcome)
    assert sealed.state == "sealed"
    assert sealed.sentence.endswith("before these outcomes were first opened")
    assert sealed.to_dict()["entry"]["index"] == 1
    assert ledger.seal_state("b" * 64, outcome=outcome).state == "unsealed"


def test_a_seal_after_an_opening_under_any_protocol_does_not(ledger: Ledger) -> None:
    open_outcomes(ledger, outcomes(range(10)))
    seal(ledger)
    sealed = ledger.seal_state(DIGEST, outcome=outcomes(range(9, 20)))
    assert sealed.state == "sealed after opening"
    assert "after these outcomes had been opened on 2" in sealed.sentence
    assert "under protocol 'plnm'" in sealed.sentence
    assert ledger.seal_state(DIGEST, outcome=outcomes(range(10, 20))).state == "sealed"


def test_the_earliest_seal_for_the_cohort_counts(ledger: Ledger) -> None:
    assert (seal(ledger, "c1"), seal(ledger, "c2"), seal(ledger, "c1")) == (1, 2, 1)
    assert ledger.sealed(DIGEST, "c2").index == 2  # type: ignore[union-attr]
    assert ledger.sealed(DIGEST).index == 1  # type: ignore[union-attr]
    assert ledger.sealed("b" * 64) is None
    assert ledger.seal_state(DIGEST, cohort="c2").cohort_matches is True
    other = ledger.seal_state(DIGEST, cohort="c3")
    assert (other.state, other.cohort_matches) == ("sealed", False)
    assert "for another cohort" in other.sentence


def test_a_seal_holds_the_protocol_that_its_digest_names(ledger: Ledger) -> None:
    with pytest.raises(InputError, match="must be the SHA-256 of `canonical`"):
        ledger.seal(protocol="b" * 64, protocol_name="plnm", canonical=PROTOCOL)


# --- receipts ------------------------------------------------------------------------------------------------------


def test_a_run_folder_keeps_its_identity_and_each_receipt_once(ledger: Ledger, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run = run_identity(folder)
    assert run_identity(folder) == run
    first = ledger.append("opening", run=run)
    keep_receipt(folder, first)
    keep_receipt(folder, first)
    second = ledger.finished(run=run, protocol="a", record="b")
    kept = keep_receipt(folder, second)
    assert (kept.run, kept.ledger, kept.receipts) == (run, str(ledger.path), (first, second))
    assert read_receipts(folder) == kept
    assert ledger.finished(run=run, protocol="a", record="b") == second
    assert ledger.finished(run=run, protocol="a", record="c").index == second.index + 1
    (folder / "receipts.json").write_text('{"run": "x"}')
    with pytest.raises(InputError, match=r"receipts.json' is not what validkit writes \(KeyError"):
        run_identity(folder)


def test_errors_cross_process_borders(ledger: Ledger) -> None:
    import pickle

    ledger.path.write_bytes(b"".join(fill(ledger)[1:]))
    with pytest.raises(LedgerError) as caught:
        ledger.entries()
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)
    assert dataclasses.asdict(again.finding) == caught.value.finding.to_dict()
