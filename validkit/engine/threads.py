"""One numerical thread a task, in this process and in the workers it starts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import ThreadpoolController, threadpool_limits

from validkit.engine.names import cpu_count

NAMES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Workers started inside hold their numerical libraries to one thread, as the sequential engine does."""
    before = {name: os.environ.get(name) for name in NAMES}
    os.environ.update(dict.fromkeys(NAMES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def one_thread_here() -> Iterator[None]:
    """This process holds its numerical libraries to one thread, those first loaded inside too; then as before."""
    loaded = {library.filepath for library in ThreadpoolController().lib_controllers}
    try:
        with one_thread_each(), threadpool_limits(1):
            yield
    finally:
        asked = os.environ.get("OMP_NUM_THREADS", "")
        threads = int(asked) if asked.isdecimal() and int(asked) > 0 else cpu_count()
        for library in ThreadpoolController().lib_controllers:
            if library.filepath not in loaded:
                library.set_num_threads(threads)


def hold_this_worker_to_one_thread() -> None:
    """As Dask and Ray start their workers anyhow; it is not undone, for other tasks may come at any moment."""
    os.environ.update(dict.fromkeys(NAMES, "1"))
    threadpool_limits(1)
