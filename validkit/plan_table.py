"""A plan to read before anything runs: splits, tasks, seeds, fits and estimated time, for a terminal and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from validkit.plan import Split
from validkit.planning import AROUND, LEARNED, ROUGH, total_seconds

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["plan_record", "render_plan"]

MOST_SPLITS = 12
"""splits that a terminal lists one by one"""


def plan_record(
    tasks: pd.DataFrame,
    splits: Sequence[Split],
    *,
    patients: int,
    workers: int,
    device: str = "cpu",
    learned: bool = False,
) -> dict[str, Any]:
    """The plan as plain JSON types: splits, tasks with seconds, and what they come to.

    tasks : of every split, with the column `seconds` from `planning.estimate`
    learned : whether finished runs on this machine corrected the estimate
    """
    rows = tasks.astype(object).where(tasks.notna(), None).to_dict(orient="records")
    return {
        "patients": patients,
        "splits": [
            {
                "name": split.name,
                "repeat": split.repeat,
                "fold": split.fold,
                "site": split.site,
                "training": len(split.training),
                "held_out": len(split.held_out),
            }
            for split in splits
        ],
        "tasks": [{str(key): _plain(value) for key, value in row.items()} for row in rows],
        "fits": int(tasks["fits"].sum()),
        "seconds": {
            "processor": round(float(tasks["seconds"].sum()), 1),
            "wall": round(total_seconds(tasks, workers=workers), 1),
            "workers": workers,
            "device": device,
            "note": LEARNED if learned else ROUGH,
        },
    }


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 3)
    return value.item() if hasattr(value, "item") else value


def render_plan(
    tasks: pd.DataFrame,
    splits: Sequence[Split],
    *,
    patients: int,
    workers: int,
    device: str = "cpu",
    learned: bool = False,
) -> RenderableType:
    """The plan for a terminal: the splits, the tasks (those of several splits together), and the totals."""
    from rich.console import Group
    from rich.text import Text

    several = tasks.loc[tasks["split"] != AROUND, "split"].nunique() > 1
    fits, wall = int(tasks["fits"].sum()), total_seconds(tasks, workers=workers)
    total = f"{fits:,} fits, about {_duration(wall)} with {workers} worker{'s' if workers != 1 else ''} on {device}"
    note = f"Times are {LEARNED if learned else ROUGH}."
    if device.startswith("cuda"):
        note += " For networks on an accelerator they are a guess until a run was seen here."
    return Group(
        _splits(splits, patients),
        Text("Tasks, summed over splits" if several else "Tasks", "bold"),
        _tasks(tasks, several),
        Text(""),
        Text(total, "bold"),
        Text(note),
    )


def _splits(splits: Sequence[Split], patients: int) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    sizes = (
        f"{_range([len(s.training) for s in splits])} training, {_range([len(s.held_out) for s in splits])} held out"
    )
    count = f"{len(splits)} split{'s' if len(splits) != 1 else ''} of {patients:,} patients: {sizes}"
    if not splits or len(splits) > MOST_SPLITS:
        return Group(Text(count, "bold"), Text(""))
    table = Table(box=None, padding=(0, 1))
    sited = any(split.site for split in splits)
    for column in ("split", *(("left out",) if sited else ())):
        table.add_column(column)
    for column in ("training", "held out"):
        table.add_column(column, justify="right")
    for split in splits:
        sizes_of = (f"{len(split.training):,}", f"{len(split.held_out):,}")
        table.add_row(Text(split.name), *((Text(split.site),) if sited else ()), *sizes_of)
    return Group(Text(count, "bold"), table, Text(""))


def _tasks(tasks: pd.DataFrame, several: bool) -> RenderableType:
    """One row a task, in the plan's order; the same task of several splits is one row with its sums."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 1))
    table.add_column("stage")
    table.add_column("task")
    for column in (*(("splits",) if several else ()), "seed", "n", "fits", "processor time"):
        table.add_column(column, justify="right")
    for (stage, task), rows in tasks.groupby(["stage", "task"], sort=False):
        once = bool((rows["split"] == AROUND).all())
        cells = [Text(str(stage)), Text(str(task))]
        if several:
            cells.append(Text("" if once else f"{rows['split'].nunique():,}"))
        cells += [Text(cell) for cell in (_seed(rows["seed"]), _range(rows["n"].tolist()), f"{rows['fits'].sum():,}")]
        table.add_row(*cells, Text(_duration(float(rows["seconds"].sum()))))
    return table


def _seed(seeds: pd.Series) -> str:
    """The seed, or that each split has its own."""
    known = seeds.dropna().unique()
    if len(known) == 0:
        return ""
    return str(int(known[0])) if len(known) == 1 else "one a split"


def _range(counts: Sequence[int]) -> str:
    """`294`, or `236 to 240`."""
    if not counts:
        return "none"
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _duration(seconds: float) -> str:
    """Two significant units at most: `< 1 s`, `12 s`, `4 min`, `1 h 05 min`, `3 days 4 h`."""
    if seconds < 1:
        return "< 1 s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours = round(seconds / 3600)
    return f"{minutes // 60} h {minutes % 60:02d} min" if hours < 48 else f"{hours // 24} days {hours % 24} h"
