"""Each patient's predicted risk in a run, as its evaluation took it; and the outcomes that the records tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from validkit.comparing.reading import Finished
from validkit.errors import InputError
from validkit.evaluate.tables import SETS, Repeated, main_of
from validkit.plan import HELD_OUT

OPEN = -1
"""an outcome that the records leave open"""


def risks_of(run: Finished, model: str, part: str = HELD_OUT) -> Repeated | None:
    """A model's predictions on one set, repeat by repeat, imputed copies averaged; None where there are none."""
    rows = run.rows.get(model, run.predictions[:0])
    if part != HELD_OUT and len(rows):
        rows = main_of(rows)
    rows = rows[(rows["set"] == SETS[part][0]) & (rows["kind"] == SETS[part][1])]
    if rows.empty:
        return None
    means = rows
    if rows["imputation"].nunique() > 1:
        means = rows.groupby(["split", "repeat", "fold", "patient"], as_index=False).agg({"probability": "mean"})
    if means.duplicated(["repeat", "patient"]).any():
        return None
    p = means.pivot(index="repeat", columns="patient", values="probability")
    return Repeated(p.columns, p.to_numpy(), np.zeros(p.shape))


@dataclass(frozen=True, eq=False)
class _Told:
    """What one ROC curve tells: patients (n,) by place, their group of equal risks (n,), events of each group."""

    patients: np.ndarray
    groups: np.ndarray
    events: np.ndarray


def outcomes_of(run: Finished) -> pd.Series:
    """0 or 1 by patient, `OPEN` where the records do not tell.

    A run folder lists no outcomes, but each ROC curve of evaluation.json counts events and non-events at every
    distinct risk, and predictions.parquet says whose risk that is. Where risks are tied and not all of the tied have
    the same outcome, another model's curve may tell them apart.
    """
    places: dict[str, int] = {}
    told = []
    for name, model in run.models.items():
        for part in SETS:
            roc = (model["sets"].get(part) or {}).get("roc")
            if roc and (one := _told(risks_of(run, name, part), roc, places)) is not None:
                told.append(one)
    found = np.full(len(places), OPEN)
    while _learn(found, told, run):
        pass
    return pd.Series(found, index=pd.Index(list(places), dtype=object), dtype=np.int64)


def _told(risks: Repeated | None, roc: Mapping[str, Any], places: dict[str, int]) -> _Told | None:
    """What a curve tells of these risks; None where it is not their curve, point for point."""
    if risks is None or not roc.get("x"):
        return None
    n, m = roc.get("n") or 0, roc.get("n_events") or 0
    p = risks.mean[0]
    distinct, groups, sizes = np.unique(-p, return_inverse=True, return_counts=True)
    x, y = (np.asarray(roc[axis], dtype=np.float64) for axis in ("x", "y"))
    if n != p.size or x.size != y.size or x.size != distinct.size + 1:
        return None
    events, others = (np.diff(np.rint(share * count)).astype(np.int64) for share, count in ((y, m), (x, n - m)))
    if not np.array_equal(events + others, sizes):
        return None
    return _Told(np.array([places.setdefault(one, len(places)) for one in risks.patients]), groups, events)


def _learn(found: np.ndarray, told: list[_Told], run: Finished) -> bool:
    """Fill in what each curve now determines; whether anything was learnt."""
    before = int((found == OPEN).sum())
    for one in told:
        own = found[one.patients]
        unknown = np.bincount(one.groups, weights=own == OPEN, minlength=one.events.size)
        left = one.events - np.bincount(one.groups, weights=own == 1, minlength=one.events.size)
        if ((left < 0) | (left > unknown)).any():
            raise InputError(
                f"evaluation.json in {str(run.folder)!r} contradicts itself: its ROC curves give a patient both "
                "outcomes; restore the run folder from a copy, or run the protocol again into a new folder"
            )
        for value, settled in ((0, left == 0), (1, left == unknown)):
            found[one.patients[(own == OPEN) & settled[one.groups]]] = value
    return int((found == OPEN).sum()) < before
