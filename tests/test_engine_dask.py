"""The Dask engine on a real cluster: a scheduler and workers, each a process of its own."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tests.clusters import dask_cluster
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
    together,
    whose,
)
from validkit.engine import map_tasks, workers
from validkit.errors import InputError, StageError

pytest.importorskip("distributed", reason="the extra `dask` is not installed")


@pytest.fixture(scope="module")
def engine() -> Iterator[str]:
    with dask_cluster(workers=2) as (address, _):
        yield f"dask:{address}"


def test_results_are_the_bytes_of_the_sequential_engine_with_progress(engine: str) -> None:
    counter = Counter()
    assert map_tasks(product, range(8), engine=engine, reporter=counter) == map_tasks(product, range(8))
    assert (counter.total, counter.finished) == (8, 8)


def test_both_workers_work_and_neither_is_this_process(engine: str) -> None:
    assert workers(engine) == 2
    found = set(map_tasks(whose, range(20), engine=engine))
    assert len(found) == 2
    assert os.getpid() not in found


def test_order_and_one_task_and_none(engine: str) -> None:
    assert map_tasks(square, range(50), engine=engine) == [i * i for i in range(50)]
    assert map_tasks(square, [3], engine=engine) == [9]
    assert map_tasks(square, [], engine=engine) == []


def test_functions_that_have_no_name_travel_too(engine: str) -> None:
    assert map_tasks(lambda value: value + 1, range(3), engine=engine) == [1, 2, 3]


def test_numerical_libraries_have_one_thread_in_a_task(engine: str) -> None:
    assert set(map_tasks(blas_threads, range(4), engine=engine)) == {1}


def test_a_task_may_have_sequential_tasks_of_its_own(engine: str) -> None:
    assert map_tasks(nested, range(4), engine=engine) == [nested(i) for i in range(4)]


def test_a_task_cannot_hand_out_tasks_to_the_cluster(engine: str) -> None:
    with pytest.raises(InputError, match="cannot itself hand out tasks under engine 'dask:"):
        map_tasks(partial(nested_remote, engine), range(2), engine=engine)


def test_the_first_error_stops_the_work_and_leaves_the_workers_usable(engine: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="task 0"):
        map_tasks(partial(fail_first, tmp_path), range(40), engine=engine)
    time.sleep(1)
    assert len(list(tmp_path.iterdir())) < 8
    with pytest.raises(ValueError, match="task"):
        map_tasks(fail, range(3), engine=engine)
    assert map_tasks(square, range(4), engine=engine) == [0, 1, 4, 9]


def test_an_interrupt_ends_the_work_and_what_has_begun(engine: str, tmp_path: Path) -> None:
    timer = threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        map_tasks(partial(long_and_nested, tmp_path), range(6), engine=engine)
    timer.join()
    assert time.monotonic() - begun < 15
    time.sleep(1)
    left = len(list(tmp_path.iterdir()))
    assert 0 < left < 60
    assert map_tasks(square, range(4), engine=engine) == [0, 1, 4, 9]  # at once, not after a minute
    assert len(list(tmp_path.iterdir())) == left
    assert time.monotonic() - begun < 20


def test_a_worker_killed_half_way_does_not_lose_the_work(tmp_path: Path) -> None:
    with dask_cluster(workers=2) as (address, pids):
        timer = threading.Timer(1.5, os.kill, (pids[0], signal.SIGKILL))
        timer.start()
        counter = Counter()
        tasks = partial(slow_square, tmp_path)
        assert map_tasks(tasks, range(30), engine=f"dask:{address}", reporter=counter) == [i * i for i in range(30)]
        timer.join()
        assert counter.finished == 30
        assert workers(f"dask:{address}") == 1
    by = [name.name.rpartition("-")[2] for name in tmp_path.iterdir()]
    assert 0 < by.count(str(pids[0])) < 15 < by.count(str(pids[1]))


def test_a_task_that_ends_its_workers_is_given_up_by_name() -> None:
    settings = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"}
    with (
        dask_cluster(workers=3, **settings) as (address, _),
        pytest.raises(StageError, match="task 1 lost its Dask worker 2 times and is given up"),
    ):
        map_tasks(end_worker, range(1), engine=f"dask:{address}")


def test_work_without_a_worker_left_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("validkit.engine.on_dask.WORKERS_WITHIN", 2.0)
    with dask_cluster(workers=1) as (address, pids):
        threading.Timer(1, os.kill, (pids[0], signal.SIGKILL)).start()
        with pytest.raises(StageError, match="has had no worker for 2 s"):
            map_tasks(partial(slow_square, tmp_path), range(50), engine=f"dask:{address}")
        with pytest.raises(InputError, match="no worker for 2 s; start some on each machine: `dask worker tcp://"):
            workers(f"dask:{address}")


def test_a_large_array_may_be_changed_in_a_task_and_no_other_sees_it(engine: str) -> None:
    table = np.arange(500_000.0)
    found = map_tasks(add_in_place, [(table, i) for i in range(6)], engine=engine)
    assert found == [(i, (np.arange(3.0) + i).tobytes()) for i in range(6)]
    assert table[0] == 0


def test_workers_with_several_threads_do_one_task_at_a_time_and_it_is_said() -> None:
    listener = Counter()
    with dask_cluster(workers=1, threads=3) as (address, _):
        assert max(map_tasks(together, range(6), engine=f"dask:{address}", reporter=listener)) == 1
    assert "1 of 1 Dask workers have several threads" in listener.said


def test_other_versions_on_a_worker_are_refused(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("validkit.engine.parcels.software", lambda: {"numpy": "1.0", "absent here": "2"})
    with pytest.raises(InputError, match=r"the worker on .* has numpy .* \(not 1.0\): results would depend"):
        map_tasks(square, range(3), engine=engine)


def test_a_scheduler_file_is_an_address(engine: str, tmp_path: Path) -> None:
    found = tmp_path / "scheduler.json"
    with pytest.raises(InputError, match="there is no such scheduler file"):
        workers(f"dask:{found}")
    found.write_text("{}")
    with pytest.raises(InputError, match="not a scheduler file with an `address`"):
        workers(f"dask:{found}")
    found.write_text(json.dumps({"address": engine.removeprefix("dask:")}))
    assert map_tasks(square, range(3), engine=f"dask:{found}") == [0, 1, 4]


def test_an_address_where_nobody_answers_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("validkit.engine.on_dask.CONNECT_WITHIN", 1.0)
    with pytest.raises(InputError, match=r"'dask:127.0.0.1:1': no Dask scheduler answers .* `dask scheduler`"):
        map_tasks(square, range(3), engine="dask:127.0.0.1:1")
