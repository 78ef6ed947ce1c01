"""Tasks on a Ray cluster, through Ray's own tasks: its joblib backend cannot tell of each task as it finishes."""

from __future__ import annotations

import logging
import os
import pickle
import socket
from collections.abc import Callable, Generator, Sequence
from typing import Any
from urllib.parse import urlsplit

from validkit.engine.parcels import Packer, carry_out
from validkit.engine.reporting import Reporter
from validkit.errors import InputError, StageError

CONNECT_WITHIN = 10.0  # seconds
TRIES = 4  # how often a task may lose its worker
ASIDE = 2  # tasks handed out to each worker beyond the one that it does

_connected_to: str | None = None


def count_workers(address: str) -> int:
    """The processors of the cluster; each does one task at a time."""
    return max(1, int(connect(address).cluster_resources().get("CPU", 1)))


def stream(
    function: Callable[[Any], Any], tasks: Sequence[Any], *, address: str, reporter: Reporter
) -> Generator[tuple[int, Any], None, None]:
    """Each task's place and result, as they are finished."""
    ray = connect(address)
    remote = ray.remote(num_cpus=1, max_retries=TRIES - 1)(carry_out)
    packer = Packer(function, lambda _, pickled: ray.put(pickled))
    room = (1 + ASIDE) * count_workers(address)
    left = iter(enumerate(tasks))
    out: dict[Any, int] = {}
    try:
        while True:
            while len(out) < room and (task := next(left, None)) is not None:
                place, item = task
                parcel, arrays = packer.pack(item)
                out[remote.remote(parcel, _unwanted, *arrays)] = place
            if not out:
                return
            finished, _ = ray.wait(list(out), num_returns=1, timeout=1)
            for future in finished:
                place = out.pop(future)
                yield place, pickle.loads(_result(ray, future, place))
    finally:
        for future in out:
            ray.cancel(future)


def connect(address: str) -> Any:
    """Ray, connected to the cluster at the address, and kept so while the process lives.

    Without an address: the cluster that RAY_ADDRESS or `ray start` names, else one of this machine's processors.
    """
    global _connected_to
    import ray

    if ray.is_initialized():
        if address in ("", "auto", _connected_to):
            return ray
        if _connected_to is None:
            raise InputError(
                f"engine 'ray:{address}': this process is connected to a Ray cluster already; give engine 'ray' to use "
                "it, or call ray.shutdown() first"
            )
    _refuse_unreachable(address)
    ray.shutdown()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody about a study
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")  # the first error is raised; the others are not wanted
    try:
        ray.init(address or None, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        raise InputError(
            f"engine 'ray:{address}': no Ray cluster there ({error}); start one with `ray start --head`, "
            "then on each machine `ray start --address HOST:6379`"
        ) from error
    _connected_to = address
    return ray


def _refuse_unreachable(address: str) -> None:
    if address in ("", "auto", "local"):
        return
    place = urlsplit(address if "//" in address else f"//{address}")
    try:
        socket.create_connection((place.hostname or "", place.port or 0), timeout=CONNECT_WITHIN).close()
    except (OSError, ValueError) as error:
        raise InputError(
            f"engine 'ray:{address}': nothing answers at {place.netloc} within {CONNECT_WITHIN:g} s ({error}); "
            "start a cluster with `ray start --head`, then on each machine `ray start --address HOST:6379`"
        ) from error


def _result(ray: Any, future: Any, place: int) -> bytes:
    try:
        return ray.get(future)
    except ray.exceptions.RayTaskError as error:
        raise (error.cause or error) from error
    except ray.exceptions.RayError as error:
        raise StageError(
            f"task {place + 1} is given up: its Ray worker was lost {TRIES} times (killed, or out of memory?), "
            f"or the cluster went away: {error}"
        ) from error


def _unwanted() -> bool:
    """Ray interrupts a task that is called off; it need not ask."""
    return False
