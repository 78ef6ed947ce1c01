"""The one door to parallel work: `map_tasks` runs independent tasks, in order, with progress.

Results are the same bytes under every engine: tasks own their seeds, numerical libraries are held
to one thread inside a task, and results come back in the order of the items.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol, TypeVar

from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

from validkit.errors import InputError

Item = TypeVar("Item")
Result = TypeVar("Result")


class Reporter(Protocol):
    """What shows progress: a bar on a terminal, lines in a log, or nothing."""

    def work(self, label: str, total: int) -> AbstractContextManager[Callable[[], None]]:
        """A context for `total` units of work; the callable it yields is called once per finished unit."""
        ...

    def say(self, text: str) -> None:
        """One line about what is going on."""
        ...


class Silent:
    """A reporter that shows nothing."""

    def work(self, label: str, total: int) -> AbstractContextManager[Callable[[], None]]:
        """Yield a callable that does nothing."""
        return nullcontext(lambda: None)

    def say(self, text: str) -> None:
        """Say nothing."""


def cpu_count() -> int:
    """Processors this process may use (affinity respected where the system tells)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def parse_engine(engine: str) -> tuple[str, int]:
    """`sequential` or `loky[:N]` to (name, number of workers); N defaults to the processors at hand."""
    name, _, count = engine.partition(":")
    if name == "sequential" and not count:
        return name, 1
    if name == "loky":
        if not count:
            return name, cpu_count()
        if count.isdecimal() and int(count) > 0:
            return name, int(count)
    raise InputError(f"engine must be 'sequential', 'loky' or 'loky:N' with N >= 1; got {engine!r}")


def map_tasks(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    engine: str = "sequential",
    label: str = "",
    reporter: Reporter | None = None,
) -> list[Result]:
    """`[function(item) for item in items]` under the engine, with progress; the first error stops the work.

    function : picklable for `loky`
    engine : "sequential", "loky" (one worker per processor) or "loky:N"
    """
    tasks: Sequence[Item] = list(items)
    _, workers = parse_engine(engine)
    reporter = reporter or Silent()
    results: dict[int, Result] = {}
    if not tasks:
        return []
    with reporter.work(label, len(tasks)) as finished:
        for place, result in _stream(function, tasks, min(workers, len(tasks))):
            results[place] = result
            finished()
    return [results[place] for place in range(len(tasks))]


def _stream(function: Callable[[Item], Result], tasks: Sequence[Item], workers: int) -> Iterator[tuple[int, Result]]:
    """Each task's place and result, as they are finished."""
    if workers == 1:
        with threadpool_limits(1):
            for place, task in enumerate(tasks):
                yield place, function(task)
    else:
        with one_thread_each():
            yield from Parallel(n_jobs=workers, return_as="generator_unordered", backend="loky")(
                delayed(_numbered)(function, place, task) for place, task in enumerate(tasks)
            )


def _numbered(function: Callable[[Item], Result], place: int, task: Item) -> tuple[int, Result]:
    return place, function(task)


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Workers started inside hold their numerical libraries to one thread, as the sequential engine does."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
