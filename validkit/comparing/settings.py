"""What differs in what the runs were told to do: the settings of their protocols, and the overrides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from validkit.comparing.reading import Finished
from validkit.difference import Change, difference


def compare_protocols(runs: Sequence[Finished]) -> dict[str, Any]:
    """{same, settings, overrides}: each setting that differs from the first run's, with every run's value.

    settings : {key, values}, a value being {state, value}: state is "given", "absent" where the protocol has no such
        key, or "in part" where the run differs in a part of it, which has a row of its own
    overrides : {override, runs}, runs being true where the run was given it; those that all were given are left out
    """
    changes = [{change.key: change for change in difference(runs[0].protocol, run.protocol)} for run in runs]
    keys = list(dict.fromkeys(key for own in changes for key in own))
    settings = [{"key": key, "values": [_value(key, own, changes) for own in changes]} for key in keys]
    overrides = [[str(one) for one in run.fact("overrides") or ()] for run in runs]
    told = [
        {"override": one, "runs": [one in own for own in overrides]}
        for one in dict.fromkeys(one for own in overrides for one in own)
    ]
    differing = [one for one in told if not all(one["runs"])]
    return {"same": not settings, "settings": settings, "overrides": differing}


def _value(key: str, own: Mapping[str, Change], every: Sequence[Mapping[str, Change]]) -> dict[str, Any]:
    """One run's value of a setting; own : how its protocol differs from the first run's."""
    if key in own:
        return _given(own[key].after) if own[key].kind != "removed" else _absent()
    if any(_within(key, other) for other in own):
        return _absent()
    if any(_within(other, key) for other in own):
        return {"state": "in part", "value": None}
    change = next(changes[key] for changes in every if key in changes)
    return _given(change.before) if change.kind != "added" else _absent()


def _within(key: str, whole: str) -> bool:
    return key.startswith((f"{whole}.", f"{whole}["))


def _given(value: Any) -> dict[str, Any]:
    return {"state": "given", "value": value}


def _absent() -> dict[str, Any]:
    return {"state": "absent", "value": None}
