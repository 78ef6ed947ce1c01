"""The one door to parallel work: `map_tasks` runs independent tasks, in order, with progress.

Results are the same bytes under every engine: tasks own their seeds, numerical libraries are held
to one thread inside a task, a process does one task at a time, and results come back in the order
of the items. `sequential` and `loky` work on this machine; `dask` and `ray` on any number of them.
"""

from validkit.engine.names import Engine, cpu_count, is_local, parse_engine
from validkit.engine.reporting import Reporter, Silent
from validkit.engine.tasks import map_tasks, workers
from validkit.engine.threads import one_thread_each

__all__ = [
    "Engine",
    "Reporter",
    "Silent",
    "cpu_count",
    "is_local",
    "map_tasks",
    "one_thread_each",
    "parse_engine",
    "workers",
]
