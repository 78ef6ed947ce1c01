"""Tasks on a Dask cluster, through dask.distributed.

joblib's own Dask backend is not used: it waits for ever where a task has lost its workers too often
(joblib 1.6), and it does not call off what it has handed out when a task fails.
"""

from __future__ import annotations

import json
import pickle
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any
from uuid import uuid4

from validkit.engine.names import HOW_TO_START_DASK
from validkit.engine.parcels import Packer, carry_out
from validkit.engine.reporting import Reporter
from validkit.errors import InputError, StageError

CONNECT_WITHIN = 10.0  # seconds
WORKERS_WITHIN = 60.0  # seconds that the work waits for a worker while the cluster has none
ASIDE = 2  # tasks handed out to each worker beyond the one that it does


def count_workers(address: str) -> int:
    """The worker processes of the cluster; each does one task at a time."""
    with connected(address) as client:
        return len(client.nthreads())


def stream(
    function: Callable[[Any], Any], tasks: Sequence[Any], *, address: str, reporter: Reporter
) -> Generator[tuple[int, Any], None, None]:
    """Each task's place and result, as they are finished."""
    with connected(address) as client:
        _tell_about_threads(client.nthreads(), reporter)
        work = _Work(client, function, tasks)
        try:
            while work.hand_out():
                place, pickled = work.next_result()
                yield place, pickle.loads(pickled)
        finally:
            work.call_off()


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """A client of the scheduler at the address, which has at least one worker."""
    from distributed import Client

    scheduler = _scheduler(address)
    try:
        client = Client(scheduler, timeout=CONNECT_WITHIN, set_as_default=False, name="validkit")
    except (OSError, ValueError) as error:
        raise InputError(
            f"engine 'dask:{address}': no Dask scheduler answers at {scheduler} within {CONNECT_WITHIN:g} s; "
            f"{HOW_TO_START_DASK}"
        ) from error
    with client:
        _wait_for_a_worker(client, address)
        yield client


class _Work:
    """The tasks of one `map_tasks` on their way: a few for each worker are handed out at a time."""

    def __init__(self, client: Any, function: Callable[[Any], Any], tasks: Sequence[Any]) -> None:
        self._client = client
        self._name = f"validkit-{uuid4().hex}"
        self._left = iter(enumerate(tasks))
        self._out: dict[str, tuple[int, Any]] = {}
        self._done: SimpleQueue[Any] = SimpleQueue()
        self._room, self._looked = 0, float("-inf")
        self._packer = Packer(function, self._send)

    def hand_out(self) -> bool:
        """Hand out what there is room for; whether any result is still to come."""
        if time.monotonic() - self._looked > 1:
            self._room, self._looked = (1 + ASIDE) * max(1, len(self._client.nthreads())), time.monotonic()
        while len(self._out) < self._room and (task := next(self._left, None)) is not None:
            place, item = task
            parcel, arrays = self._packer.pack(item)
            key = f"{self._name}-{place}"
            future = self._client.submit(carry_out, parcel, _unwanted, *arrays, key=key, pure=False)
            self._out[key] = place, future
            future.add_done_callback(self._done.put)
        return bool(self._out)

    def next_result(self) -> tuple[int, bytes]:
        """The place and the pickled result of the next task that is finished; its error, where it failed."""
        from distributed import KilledWorker

        future = self._next_finished()
        place, _ = self._out.pop(future.key)
        try:
            pickled = future.result()
        except KilledWorker as error:
            raise StageError(
                f"task {place + 1} lost its Dask worker {error.allowed_failures + 1} times and is given up "
                "(killed, or out of memory?); the workers' logs say more"
            ) from error
        except CancelledError as error:
            raise StageError(f"the Dask scheduler went away or dropped task {place + 1}: {error}") from error
        if not pickled:
            raise StageError(f"task {place + 1} was called off by the Dask cluster, not by this run; run again")
        return place, pickled

    def call_off(self) -> None:
        """No result is waited for any more: what has not begun never will, what has begun stops when it may."""
        futures = [future for _, future in self._out.values()]
        if futures and self._client.status == "running":
            self._client.cancel(futures, force=True)

    def _next_finished(self) -> Any:
        since = time.monotonic()
        while True:
            try:
                return self._done.get(timeout=1)
            except Empty:
                if self._client.status != "running" or self._client.nthreads():
                    since = time.monotonic()
            if time.monotonic() - since > WORKERS_WITHIN:
                raise StageError(
                    f"the Dask cluster has had no worker for {WORKERS_WITHIN:g} s; start workers and run again"
                )

    def _send(self, name: str, pickled: bytes) -> Any:
        """The array as a task of its own: unlike scattered data, Dask makes it again when its worker is lost."""
        import dask

        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1TiB"}):
            return self._client.submit(_itself, pickled, key=f"{self._name}-array-{name}", pure=False)


def _scheduler(address: str) -> str:
    """The scheduler's address, read from its scheduler file where that is what was given."""
    if not address.endswith(".json"):
        return address
    try:
        return str(json.loads(Path(address).read_text(encoding="utf-8"))["address"])
    except FileNotFoundError:
        raise InputError(
            f"engine 'dask:{address}': there is no such scheduler file; `dask scheduler --scheduler-file {address}` "
            "writes it"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"engine 'dask:{address}': not a scheduler file with an `address` ({error!r})") from error


def _wait_for_a_worker(client: Any, address: str) -> None:
    """InputError unless there is a worker; a cluster that grows on demand gets the time to start one."""
    if client.nthreads():
        return
    probe = client.submit(_itself, b"", key=f"validkit-{uuid4().hex}-probe", pure=False)
    try:
        probe.result(timeout=WORKERS_WITHIN)
    except TimeoutError:
        raise InputError(
            f"engine 'dask:{address}': the scheduler has had no worker for {WORKERS_WITHIN:g} s; "
            f"start some on each machine: `dask worker {client.scheduler.address} --nworkers auto --nthreads 1`"
        ) from None


def _tell_about_threads(threads: dict[str, int], reporter: Reporter) -> None:
    several = sum(count > 1 for count in threads.values())
    if several:
        reporter.say(
            f"{several} of {len(threads)} Dask workers have several threads but do one task at a time; "
            "`dask worker --nworkers auto --nthreads 1` uses every processor."
        )


def _itself(pickled: bytes) -> bytes:
    return pickled


def _unwanted() -> bool:
    """Asked on a worker, in a task's thread: whether the scheduler has called the task off."""
    from distributed import get_worker

    worker = get_worker()
    task = worker.state.tasks.get(worker.get_current_task())
    return task is None or task.state == "cancelled"
