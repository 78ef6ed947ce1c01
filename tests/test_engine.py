"""The one door to parallel work: order, progress, threads, errors."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from validkit.engine import cpu_count, map_tasks, parse_engine
from validkit.errors import InputError


def square(value: int) -> int:
    return value * value


def product(seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(200, 200)) @ rng.normal(size=(200, 200))).tobytes()


def blas_threads(_: int) -> int:
    return max((pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"), default=1)


def fail(value: int) -> int:
    raise ValueError(f"task {value}")


class Counter:
    def __init__(self) -> None:
        self.total = self.finished = 0

    @contextmanager
    def work(self, label: str, total: int) -> Iterator:  # type: ignore[type-arg]
        self.total = total

        def finished() -> None:
            self.finished += 1

        yield finished

    def say(self, text: str) -> None: ...


@pytest.mark.parametrize("engine", ["sequential", "loky:2"])
def test_results_come_in_order_with_progress(engine: str) -> None:
    counter = Counter()
    assert map_tasks(square, range(20), engine=engine, reporter=counter) == [i * i for i in range(20)]
    assert (counter.total, counter.finished) == (20, 20)


def test_every_engine_gives_the_same_bytes() -> None:
    assert map_tasks(product, range(4)) == map_tasks(product, range(4), engine="loky:2")


@pytest.mark.parametrize("engine", ["sequential", "loky:2"])
def test_numerical_libraries_have_one_thread_in_a_task(engine: str) -> None:
    assert set(map_tasks(blas_threads, range(3), engine=engine)) == {1}


def test_the_environment_is_left_as_it_was() -> None:
    before = dict(os.environ)
    map_tasks(square, range(3), engine="loky:2")
    assert dict(os.environ) == before


@pytest.mark.parametrize("engine", ["sequential", "loky:2"])
def test_an_error_stops_the_work(engine: str) -> None:
    with pytest.raises(ValueError, match="task"):
        map_tasks(fail, range(3), engine=engine)


def test_no_items() -> None:
    assert map_tasks(square, []) == []


def test_engine_names() -> None:
    assert parse_engine("sequential") == ("sequential", 1)
    assert parse_engine("loky") == ("loky", cpu_count())
    assert parse_engine("loky:3") == ("loky", 3)
    for wrong in ("loki", "loky:0", "loky:x", "sequential:2", ""):
        with pytest.raises(InputError, match="engine must be"):
            parse_engine(wrong)
