"""Killed at any moment, ledger and records keep everything that was acknowledged, and nothing in them is broken.

The killing is done by a script of its own (this file, run as one): it forks light processes that append and write in
a loop and acknowledge each on a pipe, ends them with SIGKILL, and looks at what they left.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import select
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from validkit.durable import write_bytes
from validkit.ledger import Ledger
from validkit.ledger.chain import Head
from validkit.locks import hold
from validkit.store import Store

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

ROUNDS, WRITERS = 100, 2
LONGEST = 0.06


def script(name: str, folder: Path) -> Any:
    """What a function of this file, run in a light process of its own, finds."""
    command = [sys.executable, "-P", __file__, name, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_two_hundred_kills_lose_and_break_nothing(tmp_path: Path) -> None:
    found = script("kills", tmp_path)
    assert found["kills"] == ROUNDS * WRITERS == 200
    assert found["faults"] == []
    assert found["entries"] >= ROUNDS / 2
    assert found["records"] > 0
    assert found["rest"] == []


@pytest.mark.parametrize("what", ["append", "begin", "record", "replace", "file"])
def test_a_stop_at_every_single_step_leaves_the_old_or_the_new(tmp_path: Path, what: str) -> None:
    found = script(f"steps {what}", tmp_path)
    assert found["faults"] == []
    assert found["steps"] >= {"append": 4, "begin": 7, "record": 5, "replace": 7, "file": 3}[what]


def test_a_power_cut_at_any_byte_of_the_last_entry_loses_no_acknowledged_one(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    receipts = [ledger.append("note", i=0)]
    head = ledger.head.read_bytes()
    ledger.append("note", i=1)
    data, start = ledger.path.read_bytes(), Head.from_bytes(head).size
    for size in [*range(start, len(data), 23), len(data) - 1, len(data)]:
        for cut in (data[:size], data[:size] + b"\0" * (len(data) - size)):  # size not grown, or grown without data
            ledger.path.write_bytes(cut)
            ledger.head.write_bytes(head)
            assert all(finding.code == "torn" for finding in ledger.verify(receipts))
            assert ledger.verify([*receipts, ledger.append("note", i=2)]) == []


def test_a_run_that_was_killed_does_not_keep_the_folder(tmp_path: Path) -> None:
    code = (
        f"import time\nfrom pathlib import Path\nfrom validkit.store import hold\nwith hold(Path({str(tmp_path)!r})):\n"
    )
    code += "    print(1, flush=True)\n    time.sleep(60)"
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "1\n"
    with pytest.raises(ValueError, match=rf"another run is writing into .*process {holder.pid} on "), hold(tmp_path):
        pass
    holder.kill()
    holder.communicate()
    with hold(tmp_path):
        pass


# --- the script --------------------------------------------------------------------------------------------


def fork(work: Callable[[], None]) -> int:
    """A process that does some work and ends; its number."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(3)
    return pid


def files_of(version: int) -> dict[str, bytes]:
    return {"a.bin": str(version).encode() * 500, "b.bin": hashlib.sha256(str(version).encode()).digest()}


def write_on(folder: Path, who: int, start: int, pipe: int) -> None:
    """Append and write until killed; say so after each."""
    ledger, store = Ledger(folder / "ledger.jsonl"), Store(folder / "tasks")
    for version in range(start, start + 10**6):
        receipt = ledger.append("note", who=who, version=version)
        os.write(pipe, f"entry {receipt.index} {receipt.hash}\n".encode())
        for name in (f"own/{who}", "own/both"):
            store.write(name, str(version), files_of(version))
            os.write(pipe, f"{name} {version} -\n".encode())
        write_bytes(folder / "tasks" / f"file-{who}", b"%d" % version * 500)
        os.write(pipe, f"file-{who} {version} -\n".encode())


def kills(folder: Path) -> dict[str, Any]:
    """Kill writers at random moments and look at what they left each time."""
    rng = random.Random(20250402)
    receipts: dict[int, str] = {}
    known: dict[str, int] = {}
    faults: list[str] = []
    count = written = 0
    for i in range(ROUNDS):
        reading, writing = os.pipe()
        start = (i + 100) * 10**6
        pids = [
            fork(lambda who=who, start=start, pipe=writing: write_on(folder, who, start, pipe))  # type: ignore[misc]
            for who in range(WRITERS)
        ]
        os.close(writing)
        if i % 2:  # in every other round they are let come to write something
            select.select([reading], [], [], 10)
        for pid in pids:
            time.sleep(rng.uniform(0, LONGEST))
            os.kill(pid, signal.SIGKILL)
        count += sum(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL for pid in pids)
        with os.fdopen(reading) as pipe:
            said = [line.split() for line in pipe.read().splitlines()]
        receipts |= {int(index): own for kind, index, own in said if kind == "entry"}
        for kind, version, _ in said:
            if kind != "entry":
                known[kind] = max(int(version), known.get(kind, 0))
                written += 1
        faults += [f"round {i}: {fault}" for fault in left(folder, receipts, known)]
    ledger = Ledger(folder / "ledger.jsonl")
    ledger.append("note")
    faults += map(str, ledger.verify())
    with hold(folder):
        rest = [str(path) for path in folder.rglob("*") if path.name.startswith((".draft-", ".aside"))]
    return {"kills": count, "faults": faults, "entries": len(receipts), "records": written, "rest": rest}


def left(folder: Path, receipts: dict[int, str], known: dict[str, int]) -> list[str]:
    """What is missing or broken of what was acknowledged."""
    ledger = Ledger(folder / "ledger.jsonl")
    there = {entry.index: entry.hash for entry in ledger.entries()}
    faults = [f"entry {index} is gone" for index, own in receipts.items() if there.get(index) != own]
    faults += [str(finding) for finding in ledger.verify() if finding.code not in ("torn", "absent")]
    tasks = folder / "tasks"
    for name, version in known.items():
        if name.startswith("file-"):
            found = (tasks / name).read_bytes().decode()
            newest = found[:9]
            if found != newest * 500 or int(newest) < version:
                faults.append(f"{name} is broken or older than {version}")
        elif not whole(tasks, name, version):
            faults.append(f"{name} is broken or older than {version}")
    return faults


def whole(tasks: Path, name: str, version: int) -> bool:
    """Whether a record is there and whole; one that is written by two may be the other's, of the same round."""
    oldest = version - version % 10**6 if name == "own/both" else version
    store = Store(tasks)
    record = json.loads((tasks / name / "record.json").read_text())
    newest = int(record["inputs"])
    return newest >= oldest and store.read(name, str(newest)) == files_of(newest)


# --- stopped at every step ---------------------------------------------------------------------------------------

STEPS = ("fsync", "replace", "write", "truncate", "open", "mkdir")


def stop_at(step: int, report: int) -> None:
    """Make this process end at its n-th call of the system that changes something."""
    calls = [0]

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            calls[0] += 1
            if calls[0] == step:
                write(report, b"stopped")
                os._exit(9)
            return real(*args, **options)

        return call

    write = os.write
    for name in STEPS:
        setattr(os, name, counted(getattr(os, name)))


def steps(folder: Path, what: str) -> dict[str, Any]:
    """Do one thing, stopped at its first step, its second, and so on, until it is done."""
    faults: list[str] = []
    for step in range(1, 100):
        place = folder / str(step)
        act, check = ACTS[what](place)
        reading, writing = os.pipe()

        def work(step: int = step, act: Callable[[], None] = act, pipe: int = writing) -> None:
            stop_at(step, pipe)
            act()

        pid = fork(work)
        os.close(writing)
        os.waitpid(pid, 0)
        with os.fdopen(reading) as pipe:
            stopped = pipe.read() == "stopped"
        faults += [f"step {step}: {fault}" for fault in check(not stopped)]
        if not stopped:
            return {"steps": step - 1, "faults": faults}
    return {"steps": 100, "faults": ["never done"]}


Act = tuple[Callable[[], None], Callable[[bool], list[str]]]


def appending(place: Path, before: int) -> Act:
    """One more entry; those before stay, and the next append goes on."""
    ledger = Ledger(place / "ledger.jsonl")
    receipts = [ledger.append("note", i=i) for i in range(before)]

    def act() -> None:
        ledger.append("note", text="stopped")

    def check(done: bool) -> list[str]:
        faults = [finding for finding in ledger.verify(receipts) if finding.code not in ("torn", "absent")]
        known = len(ledger.entries())
        receipt = ledger.append("note", text="after")
        faults += ledger.verify([*receipts, receipt])
        lost = ["the entry is not there"] if done and len(ledger.entries()) != known + 1 else []
        return [*map(str, faults), *lost]

    return act, check


def recording(place: Path, before: int) -> Act:
    """A record, new or in the place of another; the old or the new one is there, and no draft stays."""
    store = Store(place)
    if before:
        store.write("a/task", "1", files_of(1))

    def act() -> None:
        store.write("a/task", "2", files_of(2))

    def check(done: bool) -> list[str]:
        old, new = store.read("a/task", "1"), store.read("a/task", "2")
        right = new == files_of(2) if done else files_of(2) == new or (old == files_of(1) if before else new is None)
        faults = [] if right else ["neither the old nor the new record is there"]
        again = Store(place)
        if (again.read("a/task", "1"), again.read("a/task", "2")).count(None) != (1 if before or new else 2):
            faults.append("sweeping changed what is there")
        rest = [path.name for path in place.rglob("*") if path.name.startswith((".draft-", ".aside"))]
        return [*faults, *rest]

    return act, check


def filing(place: Path) -> Act:
    """A file in the place of another."""
    write_bytes(place / "file", b"old")

    def act() -> None:
        write_bytes(place / "file", b"new")

    def check(done: bool) -> list[str]:
        found = (place / "file").read_bytes()
        return [] if found == b"new" or (found == b"old" and not done) else [f"found {found!r}"]

    return act, check


ACTS: dict[str, Callable[[Path], Act]] = {
    "append": lambda place: appending(place, 2),
    "begin": lambda place: appending(place, 0),
    "record": lambda place: recording(place, 0),
    "replace": lambda place: recording(place, 1),
    "file": filing,
}

if __name__ == "__main__":
    name, *more = sys.argv[1].split()
    print(json.dumps({"kills": kills, "steps": steps}[name](Path(sys.argv[2]), *more)))
