"""Where an interval is known to be too narrow: cells of `validkit certify` in which it covered less than 92.5 %.

An estimate whose size, share of events and value are nearest to such a cell says so in its note. Sizes beyond one and a
half times those simulated are not judged, nor are intervals of another level than 95 %.
"""

from __future__ import annotations

import csv
import functools
import io
import math
from collections import defaultdict
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any

from validkit.stats.results import Estimate

__all__ = ["told_of_limits"]

FILE = "known_limits.csv"
NEAR = 1.5
"""a sample is judged by a cell of at most so many times its size, or as many times smaller"""
LEAST, LEVEL = 0.925, 0.95


@dataclass(frozen=True)
class _Cell:
    n: float
    share: float
    value: float
    coverage: float


def told_of_limits(result: Any, measure: str) -> Any:
    """The result, its note saying where the interval is known to fail; dictionaries by the names of their entries."""
    if isinstance(result, Estimate):
        return _told(result, measure)
    if isinstance(result, dict) and any((name, getattr(one, "method", "")) in _table() for name, one in result.items()):
        return type(result)((name, told_of_limits(one, str(name))) for name, one in result.items())
    return result


def _told(estimate: Estimate, measure: str) -> Estimate:
    cells = _table().get((measure, estimate.method))
    if cells is None or not _judged(estimate, cells):
        return estimate
    nearest = min(cells, key=lambda cell: _distance(cell, estimate))
    if nearest.coverage >= LEAST:
        return estimate
    note = (
        f"a 95 % interval of this kind is known to be too narrow near here: it covered {100 * nearest.coverage:.1f} % "
        f"in simulated samples of {nearest.n:.0f} with {nearest.n * nearest.share:.0f} events at {nearest.value:.2f}"
    )
    return replace(estimate, note=f"{estimate.note}; {note}" if estimate.note else note)


def _judged(estimate: Estimate, cells: tuple[_Cell, ...]) -> bool:
    if estimate.n is None or estimate.n_events is None or not 0 < estimate.n_events < estimate.n:
        return False
    finite = all(math.isfinite(number) for number in (estimate.value, estimate.low, estimate.high))
    sizes = [cell.n for cell in cells]
    return finite and estimate.level == LEVEL and min(sizes) / NEAR <= estimate.n <= NEAR * max(sizes)


def _distance(cell: _Cell, estimate: Estimate) -> tuple[float, float, float]:
    """First the size, then the share of events, then the value: each cell of a size has its own of the others."""
    n, share = float(estimate.n or 0), float(estimate.n_events or 0) / float(estimate.n or 1)
    away = abs(_logit(cell.share) - _logit(share))
    return abs(math.log(cell.n / n)), round(away, 6), abs(cell.value - estimate.value)


def _logit(share: float) -> float:
    return math.log(share / (1 - share))


@functools.cache
def _table() -> dict[tuple[str, str], tuple[_Cell, ...]]:
    """(measure, method as an estimate tells it) -> cells; of methods that fail somewhere, every cell."""
    text = (resources.files("validkit.stats") / FILE).read_text(encoding="utf-8")
    found: dict[tuple[str, str], list[_Cell]] = defaultdict(list)
    for row in csv.DictReader(io.StringIO(text)):
        numbers = (float(row[name]) for name in ("n", "prevalence", "value", "coverage"))
        found[row["measure"], row["method"]].append(_Cell(*numbers))
    return {key: tuple(cells) for key, cells in found.items()}
