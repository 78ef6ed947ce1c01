"""Protocol + cohort to the plan: who trains, who is held out, which tasks run, with which seeds.

The plan is a table one can read before anything runs. A task's seed derives from the protocol's
seed and the task's identity, so the number of workers and their order change nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from validkit.errors import InputError
from validkit.protocol import Protocol

TRAINING, HELD_OUT = "training", "held-out"


@dataclass(frozen=True)
class Plan:
    """Fixed splits and tasks.

    split : index patient, column `set`: "training" or "held-out"
    tasks : one row a task: `stage`, `task`, `seed`
    """

    split: pd.DataFrame
    tasks: pd.DataFrame

    @property
    def training(self) -> list[str]:
        """Training patients, in the cohort's order."""
        return list(self.split.index[self.split["set"] == TRAINING])

    @property
    def held_out(self) -> list[str]:
        """Held-out patients, in the cohort's order."""
        return list(self.split.index[self.split["set"] == HELD_OUT])


def make_plan(protocol: Protocol, outcome: pd.Series) -> Plan:
    """Split the patients as the design says and list the tasks.

    outcome : 0/1, indexed by patient; used for stratification and counts alone
    """
    seed_of = seeder(protocol.protocol.seed.split)
    plan = Plan(split=_holdout(protocol, outcome), tasks=_tasks(protocol, seed_of))
    _enough(protocol, outcome.loc[plan.training])
    return plan


def seeder(base: int) -> Callable[..., int]:
    """A function from a task's identity to its seed, 0 <= seed < 2**32."""

    def seed_of(*identity: object) -> int:
        text = "\0".join(map(str, (base, *identity)))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")

    return seed_of


def _holdout(protocol: Protocol, outcome: pd.Series) -> pd.DataFrame:
    """A random part is held out: `ceil(test * n)` patients, the event's share kept where stratified."""
    from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

    design = protocol.design
    events = int(outcome.sum())
    if design.stratify == "outcome" and min(events, len(outcome) - events) < 2:
        raise InputError(f"design.stratify = 'outcome' needs two patients of each kind; got {events} events")
    kind = StratifiedShuffleSplit if design.stratify == "outcome" else ShuffleSplit
    splitter = kind(n_splits=1, test_size=design.test, random_state=protocol.protocol.seed.split)
    training, held_out = next(splitter.split(np.zeros((len(outcome), 1)), outcome.to_numpy()))
    sets = np.empty(len(outcome), dtype=object)
    sets[training], sets[held_out] = TRAINING, HELD_OUT
    for name in (TRAINING, HELD_OUT):
        part = outcome[sets == name]
        if part.nunique() < 2:
            raise InputError(
                f"the {name} patients ({len(part)}) hold {int(part.sum())} events; both kinds of patient are needed: "
                "a larger cohort, another design.test, or stratify = 'outcome'"
            )
    return pd.DataFrame({"set": sets}, index=pd.Index(outcome.index, name="patient"))


def _enough(protocol: Protocol, outcome: pd.Series) -> None:
    """Folds need patients of both kinds, those within folds too; said before anything expensive."""
    model = protocol.model
    inner = {f"model.radiomics.select ({s.method})": s.folds for s in model.radiomics.select if s.method == "lasso"}
    fewest = min(int(outcome.sum()), int(len(outcome) - outcome.sum()))
    left, where = fewest, ""
    if protocol.cross_fits:
        inner_of = model.cross_fitting.folds
        left, where = fewest - -(-fewest // inner_of), f" in each of {inner_of} cross-fitting folds"
    needed = {place: (folds, left, where) for place, folds in inner.items()}
    needed["model.classifiers.search"] = (model.classifiers.search.folds, fewest, "")
    for place, (folds, there, within) in needed.items():
        if there < folds:
            raise InputError(
                f"{place}: {folds} folds need {folds} training patients of each kind{within}, and there are {there}; "
                "declare fewer folds, or give a larger cohort"
            )


def _tasks(protocol: Protocol, seed_of: Callable[..., int]) -> pd.DataFrame:
    model = protocol.model
    rows: list[tuple[str, str, int | None]] = [("radiomics", "extract", None), ("reproducibility", "icc", None)]
    rows += [("selection", step.method, seed_of("selection")) for step in model.radiomics.select]
    rows += [("deep", name, protocol.protocol.seed.torch) for name in model.deep.backbones]
    for branch in ("radiomics", "fusion"):
        if branch == "fusion":
            rows.append(("fusion", model.fusion.select.method, seed_of("fusion")))
        rows += [("classifiers", f"{branch}/{name}", seed_of("search", branch, name)) for name in model.classifiers.use]
    if protocol.cross_fits:
        folds = range(1, model.cross_fitting.folds + 1)
        rows += [("cross-fitting", f"fold {k}", seed_of("cross-fitting")) for k in folds]
    rows += [("clinical", "independent predictors", None), ("nomogram", "nomogram", seed_of("nomogram"))]
    table = pd.DataFrame(rows, columns=["stage", "task", "seed"])
    return table.astype({"seed": "Int64"})
