"""Tasks for the tests of the engines, in a module that every worker can import; it loads little."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_info

from validkit.engine import map_tasks


class Counter:
    """A reporter that counts and remembers."""

    def __init__(self) -> None:
        self.total = self.finished = 0
        self.said = ""

    @contextmanager
    def work(self, label: str, total: int) -> Iterator:  # type: ignore[type-arg]
        self.total = total

        def finished() -> None:
            self.finished += 1

        yield finished

    def say(self, text: str) -> None:
        self.said += text


def square(value: int) -> int:
    return value * value


def product(seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(200, 200)) @ rng.normal(size=(200, 200))).tobytes()


def blas_threads(_: int) -> int:
    return max((pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"), default=1)


def load_a_numerical_library(_: int) -> int:
    import scipy.linalg  # noqa: F401  # brings an OpenBLAS of its own

    return blas_threads(0)


def fail(value: int) -> int:
    raise ValueError(f"task {value}")


def whose(_: int) -> int:
    time.sleep(0.02)
    return os.getpid()


def slow_square(folder: Path, value: int) -> int:
    time.sleep(0.2)
    (folder / f"{value}-by-{os.getpid()}").touch()
    return value * value


def fail_first(folder: Path, value: int) -> int:
    return fail(value) if value == 0 else slow_square(folder, value)


def nested(value: int) -> list[int]:
    return map_tasks(square, range(value), engine="sequential")


def nested_remote(engine: str, value: int) -> list[int]:
    return map_tasks(square, range(value), engine=engine)


def touch(folder: Path, value: int) -> None:
    time.sleep(0.1)
    (folder / str(value)).touch()


def long_and_nested(folder: Path, value: int) -> None:
    map_tasks(partial(touch, folder), range(1000 * value, 1000 * value + 600))  # a minute


def add_in_place(pair: tuple[np.ndarray, int]) -> tuple[int, bytes]:
    table, value = pair
    table += value
    return value, table[:3].tobytes()


def end_worker(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def end_worker_once(folder: Path, value: int) -> int:
    mark = folder / str(value)
    if value % 7 == 3 and not mark.exists():
        mark.touch()
        end_worker(value)
    return value * value


running = 0


def together(_: int) -> int:
    """How many of these ran in this process at the same time."""
    global running
    running += 1
    most = running
    time.sleep(0.1)
    most = max(most, running)
    running -= 1
    return most
