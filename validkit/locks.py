"""One at a time: exclusive locks that end with the process, however it ends, and say who holds them."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from validkit.durable import explained, make_folder, sweep
from validkit.errors import InputError


@contextmanager
def locked(path: Path, *, wait: float, refusal: Callable[[str], InputError]) -> Iterator[None]:
    """Hold an exclusive lock on a file; it ends with the process, however that ends.

    path : the lock file; `PATH.holder` beside it says who holds it
    wait : seconds to wait for another holder, 0 not at all
    refusal : the error, made from a description of the holder
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    holder = path.with_name(path.name + ".holder")
    with explained(path):
        make_folder(path.parent)
        try:
            lock.acquire(timeout=wait, poll_interval=0.01)
        except Timeout as error:
            raise refusal(_describe(holder)) from error
    try:
        with suppress(OSError):  # whom to name to the next one; the lock does not depend on it
            facts = {"pid": os.getpid(), "host": platform.node(), "since": datetime.now(UTC).isoformat()[:19]}
            holder.write_text(json.dumps(facts), encoding="utf-8")
        yield
    finally:
        with suppress(OSError):
            holder.unlink()
        lock.release()


def _describe(holder: Path) -> str:
    try:
        facts = json.loads(holder.read_text(encoding="utf-8"))
        return f"process {facts['pid']} on {facts['host']}, since {facts['since']} UTC"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Keep a run folder to this run; InputError names the holder where another run has it.

    Drafts that killed runs left in the folder are swept. A lock left by a killed run does not block.
    """

    def refusal(who: str) -> InputError:
        return InputError(
            f"another run is writing into {str(folder)!r} ({who}): wait until it is finished, end it, "
            "or give another folder with --out"
        )

    with locked(folder / ".lock", wait=0, refusal=refusal):
        sweep(folder)
        yield
