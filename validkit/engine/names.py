"""The engines by name: `sequential`, `loky[:N]`, `dask:ADDRESS` and `ray[:ADDRESS]`."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from validkit.errors import InputError
from validkit.extras import require

FORMS = (
    "'sequential', 'loky' or 'loky:N' with N >= 1 worker processes on this machine, "
    "'dask:ADDRESS' of a Dask scheduler (or dask:FILE.json, its scheduler file), "
    "'ray' or 'ray:ADDRESS' of a Ray cluster"
)
HOW_TO_START_DASK = (
    "start a scheduler with `dask scheduler`, then on each machine "
    "`dask worker SCHEDULER:8786 --nworkers auto --nthreads 1`, and give engine 'dask:SCHEDULER:8786'"
)

_HOST_AND_PORT = re.compile(r"([a-z]+://)?(\[[0-9A-Fa-f:.%]+\]|[^\s/:\[\]]+):[0-9]{1,5}")


class Engine(NamedTuple):
    """What carries the tasks out.

    name : "sequential", "loky", "dask" or "ray"
    at : the number of workers on this machine, or the cluster's address ("" = the one that Ray finds or starts)
    """

    name: str
    at: int | str


def cpu_count() -> int:
    """Processors this process may use (affinity respected where the system tells)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def parse_engine(engine: str) -> Engine:
    """The engine that a name means; nothing is connected to.

    InputError for a name that means none, MissingExtraError where the engine's package is not installed.
    """
    name, separator, rest = engine.partition(":")
    if name == "sequential" and not separator:
        return Engine(name, 1)
    if name == "loky" and not separator:
        return Engine(name, cpu_count())
    if name == "loky" and rest.isdecimal() and int(rest) > 0:
        return Engine(name, int(rest))
    if name == "dask":
        return Engine(name, _dask_address(engine, rest))
    if name == "ray" and (not separator or _ray_address(rest)):
        require("ray", "engine 'ray'")
        return Engine(name, rest)
    raise InputError(f"engine must be {FORMS}; got {engine!r}")


def is_local(engine: str) -> bool:
    """Whether the workers surely see this machine's files; on a cluster they may not."""
    return parse_engine(engine).name in ("sequential", "loky")


def _dask_address(engine: str, address: str) -> str:
    if not address:
        raise InputError(f"engine {engine!r} lacks the address of a Dask scheduler: {HOW_TO_START_DASK}")
    if not address.endswith(".json") and not _HOST_AND_PORT.fullmatch(address):
        raise InputError(
            f"engine {engine!r}: the address of a Dask scheduler is HOST:PORT, PROTOCOL://HOST:PORT or its scheduler "
            f"file FILE.json; got {address!r}"
        )
    require("dask", "engine 'dask'")
    return address


def _ray_address(address: str) -> bool:
    return address in ("auto", "local") or _HOST_AND_PORT.fullmatch(address) is not None
