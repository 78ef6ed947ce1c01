"""What finished runs took on this machine, as factors that correct the plan's constants; kept in the user's cache.

A damaged, foreign or missing file means that nothing is known; it never stops a run or a plan.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from validkit.errors import InputError
from validkit.store import to_json, write_text

__all__ = ["FILE", "known_timings", "observed_factors", "remember_timings"]

FILE = "timings.json"
SCHEMA = 1
MOST = 50.0
"""a factor beyond this, or below its inverse, tells of a machine at rest or of work taken from records"""
SHORTEST = 10.0
"""seconds, estimated or taken, below which a stage teaches nothing: starting workers takes longer than the work"""
PARALLEL = ("radiomics", "classifiers")
"""stages that one fit spreads over workers"""


def known_timings(folder: Path, device: str = "cpu") -> dict[str, float]:
    """Factor by stage: what a stage took here over what the constants say; empty where nothing is known."""
    found = _read(Path(folder)).get(_kind(device), {})
    return {stage: factor for stage, factor in found.items() if _credible(factor)} if isinstance(found, dict) else {}


def remember_timings(folder: Path, observed: Mapping[str, float], device: str = "cpu") -> bool:
    """Keep the factors of a finished run beside those known (geometric mean of old and new); False where it cannot.

    folder : of the user's cache; made where absent
    observed : from `observed_factors`
    """
    folder = Path(folder)
    credible = {stage: float(factor) for stage, factor in observed.items() if _credible(factor)}
    if not credible:
        return False
    before = known_timings(folder, device)
    merged = before | {stage: math.sqrt(before.get(stage, new) * new) for stage, new in credible.items()}
    kept = {kind: known_timings(folder, kind) for kind in ("cpu", "cuda")} | {_kind(device): merged}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / FILE, to_json({"schema": SCHEMA, "factors": kept}))
    except (OSError, InputError):
        return False
    return True


def observed_factors(
    estimated: pd.DataFrame, timings: Iterable[Mapping[str, Any]], *, workers: int = 1
) -> dict[str, float]:
    """Factor by stage from a run that was done in one go: seconds it took over seconds estimated without factors.

    estimated : the tasks of its one split, with `seconds` as `planning.estimate(..., known=None)` gives them
    timings : {stage, seconds} as run.json has them ("classifiers: fusion" counts for "classifiers")
    """
    took: dict[str, float] = {}
    for entry in timings:
        stage = str(entry.get("stage")).partition(":")[0]
        took[stage] = took.get(stage, 0.0) + float(entry.get("seconds") or 0.0)
    expected = estimated.groupby("stage")["seconds"].sum().to_dict()
    found = {}
    for stage, seconds in took.items():
        wanted = expected.get(stage, 0.0)
        spent = seconds * (workers if stage in PARALLEL else 1)
        if min(wanted, seconds) >= SHORTEST and _credible(spent / wanted):
            found[stage] = spent / wanted
    return found


def _read(folder: Path) -> dict[str, Any]:
    try:
        record = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        return {}
    factors = record.get("factors")
    return factors if isinstance(factors, dict) else {}


def _credible(factor: Any) -> bool:
    number = isinstance(factor, int | float) and not isinstance(factor, bool)
    return number and math.isfinite(factor) and 1 / MOST <= factor <= MOST


def _kind(device: str) -> str:
    return "cuda" if device.startswith("cuda") else "cpu"
