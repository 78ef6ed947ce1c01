"""Timing ours and a peer's in one run, turn by turn, and the table of their ratios."""

from __future__ import annotations

import gc
import json
import platform
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

Work = Callable[[], Any]
BUDGET = 20.0


@dataclass(frozen=True)
class Row:
    """One comparison: medians in seconds, of `runs` runs each; `scaled`: the peer ran this share of the work once and
    its time was divided by it; agreement: largest difference between the two answers.
    """

    work: str
    peer: str
    ours: float
    theirs: float | None
    required: float | None
    agreement: float | None
    runs: tuple[int, int] = (0, 0)
    scaled: float = 1.0
    note: str = ""

    @property
    def ratio(self) -> float | None:
        return None if self.theirs is None else self.theirs / self.ours

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "ratio": self.ratio}


def once(work: Work) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def batch_time(work: Work, batch: int) -> float:
    """Seconds of one call, from `batch` calls one after another with the collector of garbage at rest, as timeit."""
    gc.collect()
    gc.disable()
    try:
        start = time.perf_counter()
        for _ in range(batch):
            work()
        return (time.perf_counter() - start) / batch
    finally:
        gc.enable()


def _batch(seconds: float) -> int:
    """So many calls that together they take at least a twentieth of a second."""
    return int(min(max(np.ceil(0.05 / max(seconds, 1e-7)), 1), 2000))


def median_time(work: Work, *, most: int = 15, budget: float = BUDGET) -> tuple[float, int, Any]:
    """Median seconds of up to `most` timings within a budget, after one call that is not counted; their number; the
    answer.
    """
    first, result = once(work)
    first = min(first, once(work)[0]) if first < 1 else first
    runs = int(min(max(budget / max(first, 1e-9), 1), most))
    times = [batch_time(work, _batch(first)) for _ in range(runs)] if first < budget else [first]
    return statistics.median(times), len(times), result


def by_turns(ours: Work, theirs: Work, *, most: int = 9, scaled: float = 1.0) -> tuple[Any, Any, Row]:
    """Both answers, and a row with both medians; the two take turns, so that a slow moment of the machine hits both."""
    (_, a), (peer_first, b) = once(ours), once(theirs)
    first = once(ours)[0]
    runs = int(min(max(BUDGET / max(peer_first, 1e-9), 1), most))
    mine, their = [], [peer_first] if runs == 1 else []
    for _ in range(max(runs, 5)):
        mine.append(batch_time(ours, _batch(first)))
        if len(their) < runs:
            their.append(batch_time(theirs, _batch(peer_first)))
    row = Row("", "", statistics.median(mine), statistics.median(their) / scaled, None, None, (len(mine), len(their)))
    return a, b, row


def from_r(script: Path, task: str, data: Mapping[str, np.ndarray]) -> dict[str, Any] | str:
    """What the R script prints as JSON for a task on these arrays, written as raw doubles; a reason if it cannot."""
    if shutil.which("Rscript") is None:
        return "R is not here"
    with tempfile.TemporaryDirectory() as folder:
        for name, array in data.items():
            np.asfortranarray(array).astype("<f8").ravel(order="F").tofile(Path(folder) / f"{name}.bin")
        shapes = {name: list(np.shape(array)) for name, array in data.items()}
        (Path(folder) / "shapes.json").write_text(json.dumps(shapes))
        done = subprocess.run(
            ["Rscript", "--vanilla", str(script), task, folder],
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )
    if done.returncode:
        lines = [line for line in done.stderr.strip().splitlines() if line.strip()]
        return f"R: {lines[-1] if lines else 'failed'}"
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def machine() -> dict[str, Any]:
    import os

    packages = (
        "numpy",
        "scipy",
        "numba",
        "scikit-learn",
        "statsmodels",
        "pingouin",
        "MLstatkit",
        "confidenceinterval",
        "dcurves",
    )
    versions = {}
    for package in packages:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not here"
    return {
        "processors": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "versions": versions,
    }


def _seconds(value: float | None) -> str:
    if value is None:
        return ""
    for factor, unit in ((1, "s"), (1e3, "ms"), (1e6, "us")):
        if value * factor >= 1:
            return f"{value * factor:.3g} {unit}"
    return f"{value * 1e9:.3g} ns"


def _times(ratio: float) -> str:
    return f"{ratio:,.0f}x" if ratio >= 100 else f"{ratio:.3g}x"


def markdown(record: dict[str, Any]) -> str:
    """The table of a written record as it stands in the README."""
    lines = ["| work | validkit | peer | its time | ratio |", "|---|---|---|---|---|"]
    for row in record["rows"]:
        if row["ratio"] is not None:
            cells = (row["work"], _seconds(row["ours"]), row["peer"], _seconds(row["theirs"]), _times(row["ratio"]))
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def show(rows: list[Row], console: Console) -> None:
    """The table; a ratio below what is required is marked."""
    table = Table("work", "validkit", "peer", "its time", "ratio", "at least", "largest difference", "note")
    for row in rows:
        ratio = row.ratio
        missed = ratio is not None and row.required is not None and ratio < row.required
        table.add_row(
            row.work,
            _seconds(row.ours),
            row.peer,
            _seconds(row.theirs) + (f" (from {row.scaled:.3g} of it)" if row.scaled != 1 else ""),
            "" if ratio is None else f"{'[red]' if missed else ''}{_times(ratio)}{'[/red]' if missed else ''}",
            "" if row.required is None else _times(row.required),
            "" if row.agreement is None else f"{row.agreement:.1e}",
            row.note,
        )
    console.print(table)
