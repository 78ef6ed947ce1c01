"""Is a run folder what the run left? Every digest is computed again and held against run.json and the ledger."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Literal

from validkit.errors import InputError
from validkit.ledger import Entry, Ledger
from validkit.ledger.chain import canonical
from validkit.ledger.receipts import RECEIPTS, Receipts, read_receipts
from validkit.provenance import sha256_of

Outcome = Literal["pass", "fail", "not applicable"]

AGAIN = "restore the run folder from a copy, or run the protocol again into a new folder"
UNLISTED = ("run.json", RECEIPTS)
"""Records that run.json cannot list: itself, and what is written after it."""
SHOWN = 10


@dataclass(frozen=True)
class Check:
    """One question about a run folder, and its answer.

    evidence : what was found; where not applicable, why
    mend : what to do; "" unless it failed
    """

    code: str
    question: str
    outcome: Outcome
    evidence: str
    mend: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The check as plain values."""
        return asdict(self)


@dataclass(frozen=True)
class _Run:
    """What the checks look at; a record that cannot be read is a text that says why."""

    folder: Path
    ledger: Ledger | None
    record: dict[str, Any] | str
    protocol: dict[str, Any] | str
    evaluation: dict[str, Any] | str
    receipts: Receipts | str | None
    entries: list[Entry] | str | None

    def own(self, kind: str) -> list[Entry]:
        """The run's entries of one kind."""
        if not isinstance(self.entries, list) or self.identity is None:
            return []
        return [entry for entry in self.entries if entry.kind == kind and entry.facts.get("run") == self.identity]

    @property
    def identity(self) -> str | None:
        """The run's identity: from run.json, which the ledger covers, else from the receipts."""
        if isinstance(self.record, dict) and isinstance(self.record.get("run"), str):
            return str(self.record["run"])
        return self.receipts.run if isinstance(self.receipts, Receipts) else None


def verify_run(folder: Path, ledger: Ledger | None) -> list[Check]:
    """Every check of a run folder: its files, protocol, predictions, evaluation, and its place in the ledger.

    ledger : None where it is elsewhere; what needs it is then not applicable
    """
    if not folder.is_dir():
        raise InputError(f"no run folder at {str(folder)!r}")
    run = _Run(
        folder,
        ledger,
        _json(folder / "run.json"),
        _json(folder / "protocol.resolved.json"),
        _json(folder / "evaluation.json"),
        _receipts(folder),
        _entries(ledger),
    )
    return [check(run) for check in CHECKS]


def failed(checks: list[Check]) -> list[Check]:
    """The checks that failed."""
    return [check for check in checks if check.outcome == "fail"]


# --- records -----------------------------------------------------------------------------------------------


def _json(path: Path) -> dict[str, Any] | str:
    try:
        found = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number)
    except FileNotFoundError:
        return f"{path.name} is not there"
    except (OSError, ValueError, RecursionError) as error:
        return f"{path.name} cannot be read ({error})"
    return found if isinstance(found, dict) else f"{path.name} holds no table"


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _receipts(folder: Path) -> Receipts | str | None:
    try:
        return read_receipts(folder)
    except InputError as error:
        return str(error)


def _entries(ledger: Ledger | None) -> list[Entry] | str | None:
    try:
        return None if ledger is None else ledger.entries()
    except InputError as error:
        return str(error)


def _verdict(code: str, question: str, faults: list[str], evidence: str, mend: str = AGAIN) -> Check:
    """Pass with the evidence, or fail with the faults."""
    if not faults:
        return Check(code, question, "pass", evidence)
    more = f"; and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
    return Check(code, question, "fail", "; ".join(faults[:SHOWN]) + more, mend)


# --- files ---------------------------------------------------------------------------------------------------


def _listed(run: _Run) -> Check:
    """Every file that run.json lists."""
    code, question = "files", "Does every record that run.json lists have the digest it lists?"
    files = run.record.get("files") if isinstance(run.record, dict) else None
    if not isinstance(files, dict) or not files:
        fault = run.record if isinstance(run.record, str) else "run.json lists no files"
        return _verdict(code, question, [fault], "")
    faults = [fault for name, expected in files.items() if (fault := _fault(run.folder, name, expected))]
    return _verdict(code, question, faults, f"{len(files)} files have their digests")


def _fault(folder: Path, name: str, expected: object) -> str:
    """What is wrong with one listed file; "" where it is as listed. Nothing outside the folder is read."""
    parts = PurePosixPath(name.replace("\\", "/"))
    inside = not (parts.is_absolute() or ".." in parts.parts or PureWindowsPath(name).drive or "\0" in name)
    path = folder / parts
    if not inside or not path.resolve().is_relative_to(folder.resolve()):
        return f"{name!r} lies outside the run folder and was not read"
    if not path.is_file():
        return f"{name} is not there"
    try:
        found = sha256_of(path)
    except OSError as error:
        return f"{name} cannot be read ({error.strerror})"
    return "" if found == expected else f"{name} has SHA-256 {found[:12]}, listed is {str(expected)[:12]}"


def _not_listed(run: _Run) -> Check:
    """Files beside the listed ones that run.json does not know."""
    code, question = "unlisted", "Are there records that run.json does not list?"
    files = run.record.get("files") if isinstance(run.record, dict) else None
    if not isinstance(files, dict):
        return Check(code, question, "not applicable", "run.json lists no files")
    listed = {PurePosixPath(name.replace("\\", "/")) for name in files}
    folders = {PurePosixPath("."), *(path.parent for path in listed)}
    faults = []
    for place in sorted(folders):
        if ".." in place.parts or place.is_absolute() or not (run.folder / place).is_dir():
            continue
        names = sorted(path.name for path in (run.folder / place).iterdir() if path.is_file())
        top = place == PurePosixPath(".")
        strange = [n for n in names if not n.startswith((".", "report")) and not (top and n in UNLISTED)]
        faults += [f"{place / name} is not listed" for name in strange if place / name not in listed]
    mend = "remove what does not belong to the run, or find out who added it"
    return _verdict(code, question, faults, "none", mend)


# --- digests that must agree ------------------------------------------------------------------------------------


def _protocol(run: _Run) -> Check:
    """The protocol's digest, computed again from what the folder says was declared."""
    code, question = "protocol", "Is the protocol the one whose digest the run carries?"
    if isinstance(run.protocol, str):
        return _verdict(code, question, [run.protocol], "")
    found = hashlib.sha256(canonical(run.protocol.get("protocol")).encode()).hexdigest()
    claims = {"protocol.resolved.json": run.protocol.get("digest")}
    if isinstance(run.record, dict):
        claims["run.json"] = _table(run.record, "protocol").get("digest")
    if isinstance(run.evaluation, dict):
        claims["evaluation.json"] = run.evaluation.get("protocol_digest")
    return _verdict(code, question, _disagree(found, claims), f"digest {found[:12]} in {', '.join(claims)}")


def _predictions(run: _Run) -> Check:
    """The predictions' digest in evaluation.json and in the opening."""
    code, question = "predictions", "Are the predictions those that were evaluated, and written before the opening?"
    path = run.folder / "predictions.parquet"
    if not path.is_file():
        return _verdict(code, question, [f"{path.name} is not there"], "")
    if isinstance(run.evaluation, str):
        return _verdict(code, question, [run.evaluation], "")
    found = sha256_of(path)
    claims = {"evaluation.json": run.evaluation.get("predictions_digest")}
    if evaluated := [entry for entry in run.own("opening") if entry.facts.get("purpose") == "evaluation"]:
        claims[f"entry {evaluated[-1].index} of the ledger"] = evaluated[-1].facts.get("predictions")
    return _verdict(code, question, _disagree(found, claims), f"digest {found[:12]} in {', '.join(claims)}")


def _table(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = record.get(name)
    return value if isinstance(value, dict) else {}


def _disagree(found: str, claims: Mapping[str, object]) -> list[str]:
    return [f"{place} says {str(claim)[:12]}, found {found[:12]}" for place, claim in claims.items() if claim != found]


# --- the ledger ---------------------------------------------------------------------------------------------------


def _chain(run: _Run) -> Check:
    """The ledger itself."""
    code, question = "ledger", "Is the ledger whole?"
    if run.ledger is None:
        return Check(code, question, "not applicable", "no ledger was given")
    try:
        findings = run.ledger.verify()
    except InputError as error:
        return Check(code, question, "fail", str(error), "let this user read the ledger")
    count = len(run.entries) if isinstance(run.entries, list) else 0
    mend = findings[0].mend if findings else ""
    return _verdict(code, question, [str(finding) for finding in findings], f"{count} entries, each in its place", mend)


def _kept(run: _Run) -> Check:
    """The receipts of the run folder."""
    code, question = "receipts", "Are the ledger's entries that this run has receipts for still there?"
    if isinstance(run.receipts, str):
        return _verdict(code, question, [run.receipts], "")
    if run.ledger is None:
        return Check(code, question, "not applicable", "no ledger was given")
    if run.receipts is None or not run.receipts.receipts:
        fault = f"the run keeps no receipts ({RECEIPTS}); it never wrote to a ledger, or they were removed"
        return _verdict(code, question, [fault], "")
    if isinstance(run.entries, str):
        return _verdict(code, question, [run.entries], "")
    there = {(e.index, e.hash, e.time, e.kind) for e in run.entries or []}
    elsewhere = run.receipts.receipts[-1].ledger
    faults = [
        f"entry {item.index} ({item.kind}, {item.time}) is not in {str(run.ledger.path)!r} as its receipt says"
        for item in run.receipts.receipts
        if (item.index, item.hash, item.time, item.kind) not in there
    ]
    mend = f"give the ledger that the run wrote to, {elsewhere!r}; where it is the one, it was changed"
    return _verdict(code, question, faults, f"{len(run.receipts.receipts)} receipts are borne out", mend)


def _finished(run: _Run) -> Check:
    """run.json's own digest, which the ledger keeps."""
    code, question = "finished", "Is run.json the one that the ledger says the run finished with?"
    if run.ledger is None:
        return Check(code, question, "not applicable", "no ledger was given")
    if isinstance(run.entries, str):
        return _verdict(code, question, [run.entries], "")
    path = run.folder / "run.json"
    if not path.is_file():
        return _verdict(code, question, ["run.json is not there"], "")
    if not (entries := run.own("finished")):
        fault = f"the ledger has no finished run {run.identity!r}; give the ledger that the run wrote to"
        return _verdict(code, question, [fault], "")
    found = sha256_of(path)
    claims = {f"entry {entries[-1].index} of the ledger": entries[-1].facts.get("record")}
    return _verdict(code, question, _disagree(found, claims), f"SHA-256 {found[:12]} in {', '.join(claims)}")


CHECKS: tuple[Callable[[_Run], Check], ...] = (
    _listed,
    _not_listed,
    _protocol,
    _predictions,
    _finished,
    _kept,
    _chain,
)
