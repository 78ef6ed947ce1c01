"""Every fit of the whole model that a plan lists: side by side where that helps, each a durable record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from validkit.engine import Reporter, Silent, is_local, map_tasks
from validkit.errors import StageError
from validkit.plan import HOLDOUT, Plan
from validkit.preparing import Prepared
from validkit.protocol import Protocol
from validkit.provenance import cards_of, versions
from validkit.sections import PLNM, Estimators
from validkit.store import Store, digest
from validkit.unit import Fitted, Shared, UnitTask, fit_unit

Task = TypeVar("Task")
LABEL = "fits of the whole model"


@dataclass(frozen=True)
class Workshop:
    """Where and how fits are made.

    device : "cpu", "cuda" or "cuda:N"; engine : see `validkit.engine`
    records : folder of the finished fits' records; None keeps none
    """

    device: str = "cpu"
    engine: str = "sequential"
    records: Path | None = None
    reporter: Reporter | None = None

    @property
    def context(self) -> str:
        """What every record also depends on: the versions of the packages, and the device."""
        return digest(versions(), self.device)


def fit_all(
    protocol: Protocol, plan: Plan, prepared: Prepared, outcome: pd.Series, workshop: Workshop
) -> tuple[list[Fitted], int]:
    """Every unit of the plan, in order, and how many were taken from their records.

    outcome : 0/1, indexed by patient; a unit receives those of its training patients, and of no one else unless the
        protocol says that something is chosen by held-out outcomes
    """
    shared = Shared(protocol, prepared.inputs, workshop.device, workshop.context)
    store = Store(workshop.records, context=workshop.context)
    tasks = [_task(protocol, plan, prepared, outcome, workshop, place) for place in range(len(plan.units))]
    inputs = digest(prepared.digest, _made_with(protocol))
    made_of = {task.split.name: task.made_of(shared, inputs) for task in tasks}
    done: dict[str, Fitted] = {}
    for task in tasks:
        name = task.split.name
        files = store.read(f"units/{name}", made_of[name])
        if files is not None:
            done[name] = Fitted.from_files(files)
    left, known = [task for task in tasks if task.split.name not in done], len(done)
    if known and workshop.reporter:
        workshop.reporter.say(f"{known} of {len(tasks)} {LABEL} are taken from their records")

    def keep(task: UnitTask, fitted: Fitted) -> None:
        name = task.split.name
        if workshop.records is not None:
            store.write(f"units/{name}", made_of[name], fitted.files())
        done[name] = fitted

    _fit(shared, left, workshop, keep)
    return [done[task.split.name] for task in tasks], known


def _made_with(protocol: Protocol) -> list[str | None]:
    """What a fit starts from beside its patients: the networks' weights, or the code of the estimators."""
    if isinstance(protocol.model, PLNM):
        from validkit.plnm.deep.weights import find_weights

        return [find_weights(name, protocol.model.deep.weights).sha256 for name in protocol.model.deep.backbones]
    if isinstance(protocol.model, Estimators):
        from validkit.tabular.estimators import version_of

        return [version_of(one.estimator) for one in protocol.model.estimators]
    return []


def _fit(
    shared: Shared, left: Sequence[UnitTask], workshop: Workshop, keep: Callable[[UnitTask, Fitted], None]
) -> None:
    """Units side by side where there are several, one a card on CUDA; else one after the other, parallel inside."""
    engine = engine_beside(workshop) if len(left) > 1 else None
    if engine is None:
        for task in left:
            keep(task, _fit_one(task, shared=shared, engine=workshop.engine, reporter=workshop.reporter))
        return
    map_tasks(
        partial(_fit_placed, shared=shared),
        on_devices(left, workshop),
        engine=engine,
        label=LABEL,
        reporter=workshop.reporter or Silent(),
        on_result=lambda of, done: keep(of[0], done),
    )


def engine_beside(workshop: Workshop) -> str | None:
    """The engine under which several fits are made side by side; None where they follow one another.

    On CUDA that is a process a card, where there are several.
    """
    cards = len(cards_of(workshop.device))
    if cards > 1 and workshop.engine != "sequential":
        return f"loky:{cards}" if is_local(workshop.engine) else workshop.engine
    return workshop.engine if workshop.device == "cpu" else None


def on_devices(tasks: Sequence[Task], workshop: Workshop) -> list[tuple[Task, str]]:
    """Each task with the device that it takes, in turn over all cards."""
    cards = cards_of(workshop.device)
    return [(task, cards[place % len(cards)]) for place, task in enumerate(tasks)]


def _fit_placed(placed: tuple[UnitTask, str], *, shared: Shared) -> Fitted:
    """The unit on the device that it was given."""
    task, device = placed
    return _fit_one(task, shared=replace(shared, device=device))


def _fit_one(task: UnitTask, *, shared: Shared, engine: str = "sequential", reporter: Reporter | None = None) -> Fitted:
    try:
        return fit_unit(task, shared=shared, engine=engine, reporter=reporter)
    except StageError as error:
        if task.split.name == HOLDOUT:
            raise
        raise StageError(f"split {task.split.name!r}: {error}") from error


def _task(
    protocol: Protocol, plan: Plan, prepared: Prepared, outcome: pd.Series, workshop: Workshop, place: int
) -> UnitTask:
    split = plan.units[place]
    local = workshop.records is not None and is_local(workshop.engine)
    explains = isinstance(protocol.model, PLNM) and split is plan.main
    return UnitTask(
        split=split,
        y=_of(outcome, split.training),
        part=prepared.parts.get(split.name),
        before=prepared.before,
        peek=_of(outcome, split.held_out) if protocol.chooses_by_held_out and split.held_out else None,
        records=workshop.records / split.name if local and workshop.records else None,
        saliency=protocol.plnm.deep.saliency if explains else 0,
        lock=split is plan.main and isinstance(protocol.model, PLNM | Estimators),
    )


def _of(outcome: pd.Series, patients: Sequence[str]) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.asarray(outcome.loc[list(patients)], dtype=np.int64)
