"""The numbers of finished runs side by side: how many are the same, and each that differs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from validkit.comparing.numbers import Key, Number, Points, label_of, numbers_of
from validkit.comparing.reading import Finished


def compare_numbers(runs: Sequence[Finished]) -> dict[str, Any]:
    """{same, equal, equal_curves, differ, curves, only, models}: the numbers that at least two runs hold.

    equal, equal_curves : how many are equal to the last bit in every run that holds them
    differ : {model, set, number, label, values, differences}; a value is {value, low, high, n, events}, null where the
        run does not hold it, and differences are the first run's value less each other's
    curves : {model, set, number, label, points, differences}; a difference is {points, largest, at}: at how many
        points the first run's curve differs from the other's, and where most; null where they have other points
    only : how many numbers each run alone holds; models : {run, names} of models in one run alone
    """
    each = [numbers_of(run) for run in runs]
    keys = list(dict.fromkeys(key for own in each for key in own))
    differ, curves, equal, alone = [], [], {Number: 0, Points: 0}, [0] * len(runs)
    for key in keys:
        found = [own.get(key) for own in each]
        there = [one for one in found if one is not None]
        if len(there) == 1:
            alone[found.index(there[0])] += 1
        elif all(_same(there[0], one) for one in there):
            equal[type(there[0])] += 1
        elif any(isinstance(one, Points) for one in there):
            curves.append(_curve(key, found))
        else:
            differ.append(_number(key, found))
    return {
        "same": not differ and not curves and not any(alone),
        "equal": equal[Number],
        "equal_curves": equal[Points],
        "differ": differ,
        "curves": curves,
        "only": [{"run": run.name, "numbers": n} for run, n in zip(runs, alone, strict=True)],
        "models": _models(runs),
    }


def _same(one: Number | Points, two: Number | Points) -> bool:
    if isinstance(one, Number) and isinstance(two, Number):
        return one.same(two)
    return isinstance(one, Points) and isinstance(two, Points) and one.same(two)


def _models(runs: Sequence[Finished]) -> list[dict[str, Any]]:
    """Models that one run alone has."""
    found = []
    for k, run in enumerate(runs):
        others = {name for j, other in enumerate(runs) if j != k for name in other.models}
        found.append({"run": run.name, "names": [name for name in run.models if name not in others]})
    return found


def _told(key: Key) -> dict[str, Any]:
    return {"model": key[0], "set": key[1], "number": key[2], "label": label_of(key[2])}


def _number(key: Key, found: Sequence[Any]) -> dict[str, Any]:
    first = found[0]
    return {
        **_told(key),
        "values": [
            None
            if one is None
            else {"value": one.value, "low": one.low, "high": one.high, "n": one.n, "events": one.events}
            for one in found
        ],
        "differences": [None if None in (first, one) else _less(first.value, one.value) for one in found[1:]],
    }


def _less(a: float, b: float) -> float:
    """a - b; 0 between two infinities of one sign."""
    return 0.0 if a == b else a - b


def _curve(key: Key, found: Sequence[Any]) -> dict[str, Any]:
    first = found[0]
    return {
        **_told(key),
        "points": [one.y.size if isinstance(one, Points) else None for one in found],
        "differences": [_apart(first, one) for one in found[1:]],
    }


def _apart(one: Any, two: Any) -> dict[str, Any] | None:
    """At how many points two curves differ, and where most."""
    if not (isinstance(one, Points) and isinstance(two, Points) and np.array_equal(one.x, two.x, equal_nan=True)):
        return None
    apart = ~((one.y == two.y) | (np.isnan(one.y) & np.isnan(two.y)))
    with np.errstate(invalid="ignore"):
        gaps = np.where(apart, one.y - two.y, 0.0)
    sizes = np.abs(np.nan_to_num(gaps, nan=0.0, posinf=math.inf, neginf=-math.inf))
    place = int(sizes.argmax()) if apart.any() else None
    return {
        "points": int(apart.sum()),
        "largest": None if place is None else float(gaps[place]),
        "at": None if place is None else float(one.x[place]),
    }
