"""The Ray engine on a cluster of this machine's processors; Ray's worker processes are real ones."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tests.clusters import ROOT
from tests.engine_tasks import (
    Counter,
    add_in_place,
    blas_threads,
    end_worker,
    fail,
    fail_first,
    long_and_nested,
    nested,
    nested_remote,
    product,
    slow_square,
    square,
)
from validkit.engine import map_tasks, workers
from validkit.errors import InputError, StageError

ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*Ray will no longer override accelerator:FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # Ray's own sockets and processes
]


@pytest.fixture(scope="module", autouse=True)
def two_processors() -> Iterator[None]:
    ray.init(
        num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env={"env_vars": {"PYTHONPATH": str(ROOT)}}
    )
    yield
    ray.shutdown()


def test_results_are_the_bytes_of_the_sequential_engine_with_progress() -> None:
    counter = Counter()
    assert workers("ray") == 2
    assert map_tasks(product, range(8), engine="ray", reporter=counter) == map_tasks(product, range(8))
    assert (counter.total, counter.finished) == (8, 8)


def test_order_one_thread_and_tasks_within_tasks() -> None:
    assert map_tasks(square, range(50), engine="ray") == [i * i for i in range(50)]
    assert set(map_tasks(blas_threads, range(4), engine="ray")) == {1}
    assert map_tasks(nested, range(4), engine="ray") == [nested(i) for i in range(4)]
    with pytest.raises(InputError, match="cannot itself hand out tasks under engine 'ray'"):
        map_tasks(partial(nested_remote, "ray"), range(2), engine="ray")


def test_a_large_array_may_be_changed_in_a_task_and_no_other_sees_it() -> None:
    table = np.arange(500_000.0)
    found = map_tasks(add_in_place, [(table, i) for i in range(6)], engine="ray")
    assert found == [(i, (np.arange(3.0) + i).tobytes()) for i in range(6)]


def test_the_first_error_stops_the_work_and_leaves_the_workers_usable(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="task 0"):
        map_tasks(partial(fail_first, tmp_path), range(40), engine="ray")
    time.sleep(1)
    assert len(list(tmp_path.iterdir())) < 8
    with pytest.raises(ValueError, match="task"):
        map_tasks(fail, range(3), engine="ray")
    assert map_tasks(square, range(4), engine="ray") == [0, 1, 4, 9]


def test_an_interrupt_ends_the_work_and_what_has_begun(tmp_path: Path) -> None:
    timer = threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        map_tasks(partial(long_and_nested, tmp_path), range(6), engine="ray")
    timer.join()
    time.sleep(1)
    left = len(list(tmp_path.iterdir()))
    assert 0 < left < 60
    assert map_tasks(square, range(4), engine="ray") == [0, 1, 4, 9]
    assert len(list(tmp_path.iterdir())) == left


def test_a_worker_killed_half_way_does_not_lose_the_work(tmp_path: Path) -> None:
    killed: list[str] = []

    def kill_one() -> None:
        killed.append(next(tmp_path.iterdir()).name.rpartition("-")[2])
        os.kill(int(killed[0]), signal.SIGKILL)

    timer = threading.Timer(1.5, kill_one)
    timer.start()
    assert map_tasks(partial(slow_square, tmp_path), range(30), engine="ray") == [i * i for i in range(30)]
    timer.join()
    by = [name.name.rpartition("-")[2] for name in tmp_path.iterdir()]
    assert 0 < by.count(killed[0]) < 15


def test_a_task_that_ends_its_workers_is_given_up() -> None:
    with pytest.raises(StageError, match="task 1 is given up: its Ray worker was lost 4 times"):
        map_tasks(end_worker, range(1), engine="ray")


def test_another_cluster_than_the_one_connected_to_is_refused() -> None:
    with pytest.raises(InputError, match="connected to a Ray cluster already"):
        workers("ray:127.0.0.1:1")


def test_an_address_where_nobody_answers_is_named() -> None:
    code = "from validkit.engine import workers; workers('ray:127.0.0.1:1')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert "engine 'ray:127.0.0.1:1': nothing answers at 127.0.0.1:1" in done.stderr
    assert "`ray start --head`" in done.stderr
