"""The one door to parallel work: order, progress, threads, errors."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from tests.clusters import ROOT
from tests.engine_tasks import (
    Counter,
    blas_threads,
    end_worker,
    end_worker_once,
    fail,
    long_and_nested,
    product,
    square,
)
from validkit.engine import cpu_count, is_local, map_tasks, one_thread_each, parse_engine, workers
from validkit.errors import InputError, MissingExtraError, StageError


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


@pytest.mark.parametrize("engine", ["sequential", "loky:2"])
def test_an_interrupt_ends_the_work_and_what_has_begun(engine: str, tmp_path: Path) -> None:
    map_tasks(square, range(4), engine=engine)  # the workers are there
    timer = threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        map_tasks(partial(long_and_nested, tmp_path), range(6), engine=engine)
    timer.join()
    time.sleep(0.5)
    left = len(list(tmp_path.iterdir()))
    assert 0 < left < 60
    assert map_tasks(square, range(4), engine=engine) == [0, 1, 4, 9]
    assert len(list(tmp_path.iterdir())) == left


def test_no_items() -> None:
    assert map_tasks(square, []) == []


def test_a_worker_process_that_is_killed_does_not_lose_the_work(tmp_path: Path) -> None:
    counter = Counter()
    found = map_tasks(partial(end_worker_once, tmp_path), range(10), engine="loky:2", reporter=counter)
    assert found == [i * i for i in range(10)]
    assert counter.finished == 10
    assert "worker process ended before its task was done" in counter.said


def test_tasks_that_always_end_their_worker_are_given_up() -> None:
    with pytest.raises(StageError, match=r"ended 4 times before their tasks were done .* 3 of 3 tasks are not done"):
        map_tasks(end_worker, range(3), engine="loky:2")
    assert map_tasks(square, range(3), engine="loky:2") == [0, 1, 4]


def test_libraries_first_loaded_in_a_sequential_task_have_one_thread_too_and_get_theirs_back() -> None:
    code = """if True:
        import sys
        from tests.engine_tasks import blas_threads, load_a_numerical_library
        from validkit.engine import cpu_count, map_tasks
        assert "scipy.linalg" not in sys.modules
        assert map_tasks(load_a_numerical_library, range(2)) == [1, 1]
        assert blas_threads(0) == cpu_count(), blas_threads(0)
    """
    free = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=free, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names are read alike whether or not the extras are here."""
    monkeypatch.setattr("validkit.extras.find_spec", lambda package: object())


def test_engine_names() -> None:
    assert parse_engine("sequential") == ("sequential", 1)
    assert parse_engine("loky") == ("loky", cpu_count())
    assert parse_engine("loky:3") == ("loky", 3)
    for wrong in (
        "loki",
        "loky:",
        "loky:0",
        "loky:x",
        "sequential:2",
        "sequential:",
        "",
        "ray:",
        "ray:nowhere",
        "Dask",
    ):
        with pytest.raises(InputError, match=r"engine must be 'sequential', 'loky' .* 'dask:ADDRESS' .* 'ray:ADDRESS'"):
            parse_engine(wrong)


ADDRESSES = ("localhost:8786", "tcp://10.0.0.5:8786", "tls://node-1.site:8786", "tcp://[::1]:8786", "a folder/s.json")


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_dask_address_is_taken_as_it_is(address: str, installed: None) -> None:
    assert parse_engine(f"dask:{address}") == ("dask", address)


@pytest.mark.parametrize("wrong", ["localhost", "tcp://host", "host:port", "http://a/b:1", " h:1", "h:123456"])
def test_what_is_no_dask_address_is_refused(wrong: str, installed: None) -> None:
    with pytest.raises(InputError, match=r"the address of a Dask scheduler is HOST:PORT, .* FILE\.json; got"):
        parse_engine(f"dask:{wrong}")


@pytest.mark.parametrize("engine", ["dask", "dask:"])
def test_dask_without_an_address_says_how_to_start_one(engine: str) -> None:
    with pytest.raises(InputError, match=r"lacks the address.*`dask scheduler`.*`dask worker SCHEDULER:8786"):
        parse_engine(engine)


def test_ray_names(installed: None) -> None:
    assert parse_engine("ray") == ("ray", "")
    for address in ("auto", "local", "10.0.0.5:6379", "ray://head:10001"):
        assert parse_engine(f"ray:{address}") == ("ray", address)


@pytest.mark.parametrize(("engine", "extra"), [("dask:localhost:8786", "dask"), ("ray", "ray")])
def test_an_engine_that_is_not_installed_names_its_extra(
    engine: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("validkit.extras.find_spec", lambda package: None)
    with pytest.raises(MissingExtraError, match=rf"engine '{extra}' needs .*: pip install 'validkit\[{extra}\]'"):
        map_tasks(square, range(3), engine=engine)


def test_where_the_workers_are(installed: None) -> None:
    assert is_local("sequential")
    assert is_local("loky:7")
    assert not is_local("dask:localhost:8786")
    assert not is_local("ray")
    assert (workers("sequential"), workers("loky:7"), workers("loky")) == (1, 7, cpu_count())


class Cluster:
    """What a packer sends, and the tasks carried out in this process."""

    def __init__(self, function) -> None:  # type: ignore[no-untyped-def]
        pytest.importorskip("cloudpickle", reason="cloudpickle is not installed")
        from validkit.engine import parcels

        self.sent: list[int] = []
        self.packer = parcels.Packer(function, self.send)
        self.carry_out = parcels.carry_out
        self.small = 0

    def send(self, name: str, pickled: bytes) -> bytes:
        self.sent.append(len(pickled))
        return pickled

    def do(self, item):  # type: ignore[no-untyped-def]
        parcel, arrays = self.packer.pack(item)
        self.small = len(parcel.function) + len(parcel.item)
        with threadpool_limits(None), one_thread_each():  # gives back what the task sets
            return pickle.loads(self.carry_out(parcel, bool, *arrays))


def weigh(array: np.ndarray, item) -> float:  # type: ignore[no-untyped-def]
    table, others, seed = item
    assert others["again"].shape == array.shape
    return float(table.to_numpy().sum() + array[seed] + others["again"].sum())


def test_a_large_array_is_sent_once_whoever_holds_it() -> None:
    table = pd.DataFrame(np.arange(600_000.0).reshape(-1, 3), columns=list("abc"))
    array = np.arange(200_000.0)
    cluster = Cluster(partial(weigh, array))
    for seed in range(5):
        assert cluster.do((table, {"again": array}, seed)) == weigh(array, (table, {"again": array}, seed))
        assert cluster.small < 10_000
    assert len(cluster.sent) == 2
    assert cluster.do((table, {"again": array.copy()}, 1)) == weigh(array, (table, {"again": array}, 1))
    assert len(cluster.sent) == 2  # the content decides


def test_arrays_that_come_once_are_not_kept_for_ever() -> None:
    cluster = Cluster(np.sum)
    for value in range(40):
        assert cluster.do(np.full(200_000, value)) == 200_000 * value
    assert len(cluster.packer._handles) <= 16
    before = len(cluster.sent)
    assert cluster.do(np.full(200_000, 0)) == 0  # long gone: sent again
    assert len(cluster.sent) == before + 1


def test_small_and_object_arrays_travel_inside() -> None:
    cluster = Cluster(len)
    assert cluster.do(np.array(["a"] * 300_000, dtype=object)) == 300_000
    assert cluster.do(np.arange(9)) == 9
    assert cluster.sent == []
