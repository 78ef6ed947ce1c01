"""`map_tasks`: independent tasks under an engine, in order, with progress; the first error stops the work."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from importlib import import_module
from types import ModuleType
from typing import TypeVar

from joblib import Parallel, delayed
from joblib.externals.loky import process_executor
from joblib.externals.loky.process_executor import TerminatedWorkerError

from validkit.engine.calling_off import Stopped, no_longer_wanted, within_a_remote_task
from validkit.engine.names import Engine, is_local, parse_engine
from validkit.engine.reporting import Reporter, Silent
from validkit.engine.threads import one_thread_each, one_thread_here
from validkit.errors import InputError, StageError

Item = TypeVar("Item")
Result = TypeVar("Result")

TRIES = 4  # how often a task may lose its worker before the work is given up, as Dask and Ray have it


def workers(engine: str) -> int:
    """How many tasks the engine carries out at a time; a cluster is asked."""
    name, at = parse_engine(engine)
    if isinstance(at, int):
        return at
    return _cluster(name).count_workers(at)


def map_tasks(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    engine: str = "sequential",
    label: str = "",
    reporter: Reporter | None = None,
    on_result: Callable[[Item, Result], None] | None = None,
) -> list[Result]:
    """`[function(item) for item in items]` under the engine, with progress; the first error stops the work.

    function : picklable, but for "sequential"; it gives the same result wherever it is called
    engine : "sequential", "loky" (one worker per processor), "loky:N", "dask:ADDRESS", "ray" or "ray:ADDRESS"
    on_result : called here, with each task and its result as it is finished, before the others are

    A worker that is killed does not lose the work: its tasks are done again (a task that ends every worker it is given
    to is given up, with a StageError).
    """
    tasks: Sequence[Item] = list(items)
    parsed = parse_engine(engine)
    if within_a_remote_task() and not is_local(engine):
        raise InputError(f"a task on a cluster cannot itself hand out tasks under engine {engine!r}; use 'sequential'")
    reporter = reporter or Silent()
    results: dict[int, Result] = {}
    if not tasks:
        return []
    with reporter.work(label, len(tasks)) as finished, closing(_stream(function, tasks, parsed, reporter)) as stream:
        for place, result in stream:
            results[place] = result
            if on_result is not None:
                on_result(tasks[place], result)
            finished()
    return [results[place] for place in range(len(tasks))]


def _stream(
    function: Callable[[Item], Result], tasks: Sequence[Item], engine: Engine, reporter: Reporter
) -> Generator[tuple[int, Result], None, None]:
    """Each task's place and result, as they are finished."""
    name, at = engine
    if isinstance(at, str):
        yield from _cluster(name).stream(function, tasks, address=at, reporter=reporter)
    elif at == 1 or len(tasks) == 1:
        yield from _one_by_one(function, tasks)
    else:
        yield from _on_loky(function, tasks, min(at, len(tasks)), reporter)


def _cluster(name: str) -> ModuleType:
    """What speaks to clusters of that name."""
    return import_module(f"validkit.engine.on_{name}")


def _one_by_one(function: Callable[[Item], Result], tasks: Sequence[Item]) -> Generator[tuple[int, Result], None, None]:
    with one_thread_here():
        for place, task in enumerate(tasks):
            if no_longer_wanted():
                raise Stopped
            yield place, function(task)


def _on_loky(
    function: Callable[[Item], Result], tasks: Sequence[Item], count: int, reporter: Reporter
) -> Generator[tuple[int, Result], None, None]:
    left = dict(enumerate(tasks))
    for tries in range(1, TRIES + 1):
        parallel = Parallel(n_jobs=count, return_as="generator_unordered", backend="loky")
        try:
            calls = [delayed(_numbered)(function, place, task) for place, task in left.items()]
            with one_thread_each(), closing(parallel(calls)) as results:
                for place, result in results:
                    del left[place]
                    yield place, result
            return
        except TerminatedWorkerError as error:
            if tries == TRIES:
                raise StageError(
                    f"worker processes ended {TRIES} times before their tasks were done (killed, or out of memory?); "
                    f"{len(left)} of {len(tasks)} tasks are not done: give engine 'loky:N' a smaller N"
                ) from error
            reporter.say(f"A worker process ended before its task was done; {len(left)} tasks are done again.")


def _numbered(function: Callable[[Item], Result], place: int, task: Item) -> tuple[int, Result]:
    """The task in a worker, which is kept: loading torch looks like a leak to loky, which would replace the worker."""
    vars(process_executor).update(_MAX_MEMORY_LEAK_SIZE=math.inf)
    return place, function(task)
