"""Real clusters for tests: a Dask scheduler and its workers, each a process of its own on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STARTED_WITHIN = 60.0  # seconds; a few, on a machine that is not busy
OUTLIVES_THE_TESTS_BY = "15 minutes"  # at most, where the process of the tests is itself killed


@contextmanager
def dask_cluster(workers: int = 2, *, threads: int = 1, **settings: str) -> Iterator[tuple[str, list[int]]]:
    """(address of the scheduler, process ids of the workers); all are gone at the end, whatever happened inside.

    settings : Dask's own, as environment variables, e.g. DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="1"

    A worker that is killed stays dead: none has a nanny. The workers find the modules of `tests`, and each writes
    what it says into a file of its own, shown where the cluster does not start.
    """
    with ExitStack() as stack:
        temporary = tempfile.TemporaryDirectory(prefix="validkit-dask-", ignore_cleanup_errors=True)
        folder = Path(stack.enter_context(temporary))
        found = folder / "scheduler.json"

        def start(role: str, *arguments: str) -> int:
            local = ("--host", "127.0.0.1", "--no-dashboard")
            return stack.enter_context(_process(folder, settings, role, *local, *arguments)).pid

        start("scheduler", "--port", "0", "--scheduler-file", str(found), "--idle-timeout", OUTLIVES_THE_TESTS_BY)
        _wait_for(lambda: _address(found), folder)
        address = _address(found)
        alone = ("--no-nanny", "--memory-limit", "0", "--death-timeout", "60", "--local-directory", str(folder))
        pids = [start("worker", address, "--nthreads", str(threads), *alone) for _ in range(workers)]
        if workers:
            _wait_for(lambda: _count_workers(address) == workers, folder)
        yield address, pids


@contextmanager
def _process(folder: Path, settings: dict[str, str], role: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """`dask ROLE ARGUMENTS` in a session of its own (Ctrl-C of the tests does not reach it), ended and reaped."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [environment.get("PYTHONPATH")])])
    command = [sys.executable, "-m", f"distributed.cli.dask_{role}", *arguments]
    said = tempfile.NamedTemporaryFile(dir=folder, prefix=f"{role}-", suffix=".log", delete=False)  # noqa: SIM115
    with said:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment | settings,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.kill()  # no farewell is needed: nothing outlives the folder
        process.wait()


def _wait_for(condition, folder: Path) -> None:  # type: ignore[no-untyped-def]
    until = time.monotonic() + STARTED_WITHIN
    while not condition():
        if time.monotonic() > until:
            said = "\n".join(f"--- {log.name}\n{log.read_text()}" for log in sorted(folder.glob("*.log")))
            raise TimeoutError(f"no Dask cluster within {STARTED_WITHIN:g} s\n{said}")
        time.sleep(0.1)


def _address(scheduler_file: Path) -> str:
    try:
        return str(json.loads(scheduler_file.read_text())["address"])
    except (OSError, ValueError):
        return ""  # not written yet, or half


def _count_workers(address: str) -> int:
    from distributed import Client

    with Client(address, timeout=STARTED_WITHIN, set_as_default=False) as client:
        return len(client.nthreads())
