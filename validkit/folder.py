"""One run folder: opened or continued, filled with records, closed with a record of everything in it."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from validkit import __version__
from validkit.engine import Reporter
from validkit.errors import InputError
from validkit.ledger import RECEIPTS
from validkit.plan import Plan, sentence_of
from validkit.protocol import Protocol
from validkit.provenance import describe_device, sha256_of, versions
from validkit.store import to_json, write_text

if TYPE_CHECKING:
    from validkit.cohort import Cohort


COMMANDS = ("validkit", "__main__")


@dataclass
class Run:
    """One run folder while it is being filled.

    notices : what a reader must know: {severity, stage, text}
    looks : each opening of held-out outcomes while the model was being fitted: {stage, split, text, auc}
    sealed, opening : what the ledger says of the protocol and of the held-out outcomes
    acceptance : the verdicts, where the protocol declares criteria; sentinels : findings of the sentinels that ran
    """

    folder: Path
    protocol: Protocol
    overrides: Sequence[str]
    device: str
    engine: str
    cache: Path | None
    reporter: Reporter
    started: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    timings: list[dict[str, Any]] = field(default_factory=list)
    notices: list[dict[str, str]] = field(default_factory=list)
    looks: list[dict[str, Any]] = field(default_factory=list)
    sealed: dict[str, Any] = field(default_factory=dict)
    opening: dict[str, Any] = field(default_factory=dict)
    acceptance: dict[str, Any] | None = None
    sentinels: list[dict[str, Any]] = field(default_factory=list)

    @contextmanager
    def timed(self, stage: str, say: str = "") -> Iterator[dict[str, Any]]:
        """Time a stage; the yielded entry takes a `detail`."""
        self.reporter.say(say or stage)
        entry: dict[str, Any] = {"stage": stage, "seconds": 0.0, "detail": ""}
        start = time.perf_counter()
        yield entry
        entry["seconds"] = round(time.perf_counter() - start, 3)
        self.timings.append(entry)

    def note(self, stage: str, text: str, severity: str = "note") -> None:
        """Add a notice, once."""
        entry = {"severity": severity, "stage": stage, "text": text}
        if entry not in self.notices:
            self.notices.append(entry)

    def write(self, name: str, value: Any) -> None:
        """Write a record as JSON."""
        write_text(self.folder / name, to_json(value))


def check_folder(run: Run) -> None:
    """Refuse a folder that holds a run of another protocol, or something else."""
    known = run.folder / "protocol.resolved.json"
    if known.is_file():
        there = json.loads(known.read_text(encoding="utf-8"))["digest"]
        if there != run.protocol.digest():
            raise InputError(
                f"{run.folder} holds a run of another protocol (digest {there[:12]}, this one "
                f"{run.protocol.digest()[:12]}); give another folder with --out, or delete it"
            )
    elif run.folder.exists() and not run.folder.is_dir():
        raise InputError(f"{run.folder} is a file; --out takes the folder that the run is written into")
    elif run.folder.exists() and any(not path.name.startswith(".") for path in run.folder.iterdir()):
        raise InputError(f"{run.folder} is not empty and holds no run; give another folder with --out")


def begin(run: Run, source: str) -> None:
    """Make the run folder, or continue the run that is in it if its protocol is the same."""
    check_folder(run)
    run.folder.mkdir(parents=True, exist_ok=True)
    run.write("protocol.resolved.json", {"digest": run.protocol.digest(), "protocol": run.protocol.to_dict()})
    if source:
        write_text(run.folder / "protocol.toml", source)


@dataclass
class Begun:
    """ours : whether this run alone has the folder, and nothing in it is worth keeping yet."""

    ours: bool = False


@contextmanager
def undone(run: Run) -> Iterator[Begun]:
    """Where bad input ends what is inside, what was begun in the folder is removed again, unless a run was there."""
    folder, begun = run.folder, Begun()
    known = {path.name for path in folder.iterdir()} if folder.is_dir() else None
    try:
        yield begun
    except InputError:
        if begun.ours and (known is None or "protocol.resolved.json" not in known) and folder.is_dir():
            for path in [path for path in folder.iterdir() if known is None or path.name not in known]:
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()
            if known is None:
                folder.rmdir()
        raise


def same_cohort(run: Run, data: Cohort) -> None:
    """A run folder holds one cohort's run."""
    known = run.folder / "cohort.digest"
    there = known.read_text(encoding="utf-8").strip() if known.is_file() else data.digest
    if there != data.digest:
        raise InputError(
            f"{run.folder} holds a run on another cohort (digest {there[:12]}, this one {data.digest[:12]}); "
            "give another folder with --out, or delete it"
        )
    write_text(known, data.digest + "\n")


def finish(run: Run, data: Cohort, plan: Plan, *, fits: Mapping[str, int]) -> None:
    """Write run.json: what was run, on whom, with what, how long, and the digest of every record."""
    header, seeds = run.protocol.protocol, run.protocol.protocol.seed
    files = {
        str(path.relative_to(run.folder)): sha256_of(path)
        for path in sorted(run.folder.rglob("*"))
        if path.is_file() and path.parent.name in (run.folder.name, "stages") and path.name != "run.json"
        if not path.name.startswith(("report.", ".")) and path.name != RECEIPTS
    }

    def sites(patients: Sequence[str]) -> dict[str, int]:
        if data.site is None:
            return {}
        return {str(k): int(v) for k, v in data.site.loc[list(patients)].value_counts().items()}

    def part(patients: Sequence[str]) -> dict[str, Any]:
        return {
            "n": len(patients),
            "events": int(data.outcome.loc[list(patients)].sum()),
            "sites": sites(patients),
        }

    run.write(
        "run.json",
        {
            "validkit": __version__,
            "status": "complete",
            "synthetic": data.synthetic,
            "protocol": {
                "name": header.name,
                "question": header.question,
                "source": header.source,
                "note": header.note,
                "digest": run.protocol.digest(),
            },
            "outcome": run.protocol.cohort.outcome.model_dump(),
            "overrides": list(run.overrides),
            "command": shlex.join(["validkit", *sys.argv[1:]]) if Path(sys.argv[0]).stem in COMMANDS else "Python",
            "started": run.started,
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "cohort": {
                "name": data.name,
                "description": data.description,
                "digest": data.digest,
                "patients": len(data.patients),
                "events": int(data.outcome.sum()),
                "excluded": [{"patient": patient, "reason": reason} for patient, reason in data.excluded],
                "training": part(plan.training),
                "held_out": part(plan.held_out),
                "sites": sites(data.patients),
            },
            "design": {
                "kind": plan.design.kind,
                "splits": len(plan.splits),
                "final": plan.final is not None,
                "sentence": sentence_of(plan),
            },
            "fits": dict(fits),
            "sealed": run.sealed,
            "opening": run.opening,
            "acceptance": run.acceptance,
            "sentinels": run.sentinels,
            "device": describe_device(run.device),
            "engine": run.engine,
            "seeds": {"split": seeds.split, "torch": seeds.torch},
            "versions": versions(),
            "timings": run.timings,
            "notices": run.notices,
            "looks": run.looks,
            "files": files,
        },
    )
