"""Every number that evaluation.json holds of a model, by name, so that two runs can be laid side by side."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from validkit.comparing.reading import Finished
from validkit.judging import METRIC_OF
from validkit.stats.metrics import METRICS

INFINITE = {"inf": math.inf, "-inf": -math.inf}
BESIDE = ("by_split", "pooled", "optimism")
"""what the design adds to the set that answers"""
COMPARED = ("difference", "test", "p_adjusted")
"""what evaluation.json says of the AUCs of two models"""
NO_NUMBERS = ("level", "n_missing", "fold", "repeat")
"""settings and places, not results"""
KEYED = ("threshold", "split", "site")
"""what an entry of a list is known by"""
ENTRY = re.compile(r"(?P<list>[^\[]*)\[(?P<known>[^\]]*)\]\.?(?P<leaf>.*)")
Key = tuple[str, str, str]
"""model, set, number"""


@dataclass(frozen=True)
class Number:
    """A number with its interval and what stands behind it; NaN where undefined, None where not recorded."""

    value: float
    low: float = math.nan
    high: float = math.nan
    se: float = math.nan
    n: int | None = None
    events: int | None = None

    def same(self, other: Number) -> bool:
        """Whether both are equal to the last bit."""
        parts = ("value", "low", "high", "se", "n", "events")
        return all(_equal(getattr(self, part), getattr(other, part)) for part in parts)


@dataclass(frozen=True, eq=False)
class Points:
    """A curve or another list of numbers: y (k,) at x (k,), with its band where it has one."""

    x: np.ndarray
    y: np.ndarray
    band: np.ndarray

    def same(self, other: Points) -> bool:
        """Whether both are equal to the last bit."""
        pairs = ((self.x, other.x), (self.y, other.y), (self.band, other.band))
        return all(np.array_equal(a, b, equal_nan=True) for a, b in pairs)


def numbers_of(run: Finished) -> dict[Key, Number | Points]:
    """Everything that a run's evaluation holds of its models, the set and the model that answer first."""
    found: dict[Key, Number | Points] = {}
    models = run.models
    for name in sorted(models, key=lambda one: one != run.reference):
        model = models[name]
        sets = sorted(model["sets"], key=lambda part: part != run.primary)
        for part in sets:
            found |= {(name, part, path): one for path, one in _of_set(model["sets"][part])}
            for key in BESIDE if part == run.primary else ():
                found |= {(name, part, path): one for path, one in _walk(key, model.get(key), None, None)}
    for part, rows in (run.evaluation.get("comparisons") or {}).items():
        for row in rows:
            told = {key: row[key] for key in COMPARED if key in row}
            named = f"{row.get('a')} less {row.get('b')}"
            found |= {(named, part, path): one for path, one in _walk("auc", told, None, None)}
    return found


def label_of(path: str) -> str:
    """A number's name for the reader.

    >>> label_of("at[0.1].net_benefit"), label_of("calibration_groups[3].mean_risk")
    ('net benefit at 0.1', 'calibration groups 3: mean risk')
    """
    entry = ENTRY.fullmatch(path)
    if entry is None:
        return ", ".join(map(_word, path.split(".")))
    if entry["list"] == "at":
        return f"{label_of(entry['leaf'])} at {entry['known']}"
    return f"{label_of(entry['list'])} {entry['known']}: {label_of(entry['leaf'])}"


def _word(name: str) -> str:
    known = METRICS.get(METRIC_OF.get(name, name))
    return known.label if known else name.replace("_", " ")


def _of_set(scores: Mapping[str, Any]) -> Iterator[tuple[str, Number | Points]]:
    """One model on one set; a measure that is recorded twice comes once, and again where the second is not the same."""
    measures = scores.get("measures") or {}
    n, events = scores.get("n"), scores.get("events")
    yield from _walk("", measures, n, events)
    for key, value in scores.items():
        twice = METRIC_OF.get(key, key)
        if key != "measures" and not (twice in measures and measures[twice] == value):
            path = f"{key}.beside" if key in measures else key
            yield from _walk(path, value, None if key in ("n", "events") else n, events)


def _walk(path: str, value: Any, n: int | None, events: int | None) -> Iterator[tuple[str, Number | Points]]:
    """Every number under a path; n, events : the sizes that stand above it."""
    if isinstance(value, Mapping):
        yield from _mapping(path, value, n, events)
    elif isinstance(value, list):
        yield from _list(path, value, n, events)
    elif _is_number(value):
        yield path, Number(_float(value), n=n, events=events)


def _mapping(
    path: str, value: Mapping[str, Any], n: int | None, events: int | None
) -> Iterator[tuple[str, Number | Points]]:
    own = value.get("n", n), value.get("events", value.get("n_events", events))
    if "value" in value and "low" in value:
        parts = {key: _float(value.get(key)) for key in ("value", "low", "high", "se")}
        yield path, Number(**parts, n=value.get("n"), events=value.get("n_events"))
    elif "statistic" in value and "p_value" in value:
        for key in ("statistic", "p_value"):
            yield _under(path, key), Number(_float(value[key]), n=value.get("n"), events=value.get("n_events"))
    elif isinstance(value.get("x"), list) and isinstance(value.get("y"), list):
        band = [*(value.get("low") or ()), *(value.get("high") or ())]
        yield path, Points(*map(_floats, (value["x"], value["y"], band)))
    else:
        for key, inner in value.items():
            if key in NO_NUMBERS or (key in ("n", "events") and inner in (n, events)):
                continue
            yield from _walk(_under(path, str(key)), inner, *own)


def _list(path: str, value: list[Any], n: int | None, events: int | None) -> Iterator[tuple[str, Number | Points]]:
    if value and all(_is_number(item) or item is None for item in value):
        yield path, Points(np.arange(len(value), dtype=np.float64), _floats(value), np.empty(0))
        return
    for place, item in enumerate(value, 1):
        if isinstance(item, Mapping):
            key = next((key for key in KEYED if key in item and not isinstance(item[key], Mapping)), "")
            known = item[key] if key else place
            told = {name: inner for name, inner in item.items() if name != key}
            yield from _walk(f"{path}[{known:g}]" if _is_number(known) else f"{path}[{known}]", told, n, events)


def _under(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _is_number(value: Any) -> bool:
    return (isinstance(value, int | float) and not isinstance(value, bool)) or value in ("inf", "-inf")


def _float(value: Any) -> float:
    """A number of evaluation.json, which writes NaN as null and infinities as text."""
    return (
        INFINITE[value]
        if isinstance(value, str) and value in INFINITE
        else float(value)
        if _is_number(value)
        else math.nan
    )


def _floats(values: Sequence[Any]) -> np.ndarray:
    return np.array([_float(value) for value in values], dtype=np.float64)


def _equal(a: Any, b: Any) -> bool:
    both = isinstance(a, float) and isinstance(b, float)
    return a == b or (both and math.isnan(a) and math.isnan(b))
