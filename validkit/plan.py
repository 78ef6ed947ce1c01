"""Protocol + cohort to the plan: who trains, who is held out, which tasks run, with which seeds, in how many fits.

The plan is a table one can read before anything runs. A task's seed derives from the protocol's
seed and the task's identity, so the number of workers and their order change nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from validkit.errors import InputError
from validkit.protocol import Protocol
from validkit.sections import PLNM, Design, Estimators
from validkit.splits import FINAL, HOLDOUT, Patients, Split, make_splits

__all__ = ["CORRECTED", "FINAL", "HELD_OUT", "HOLDOUT", "TRAINING", "Patients", "Plan", "Split", "make_plan", "seeder"]

TRAINING, HELD_OUT = "training", "held-out"
CORRECTED = "corrected"
"""the figures of a bootstrap design: of the model fitted to all, corrected for optimism"""
COLUMNS = ("split", "stage", "task", "seed", "fits", "n")


@dataclass(frozen=True, eq=False)
class Plan:
    """Fixed splits and tasks.

    splits : of the design, in order
    final : the fit to all patients, where the design has one
    tasks : one row a task: split, stage, task, seed, fits (how often an estimator is fitted), n (training rows)
    """

    design: Design
    patients: tuple[str, ...]
    splits: tuple[Split, ...]
    final: Split | None
    tasks: pd.DataFrame

    @property
    def units(self) -> tuple[Split, ...]:
        """Every fit of the whole model: the splits, and the final one."""
        return (*self.splits, *([self.final] if self.final else []))

    @property
    def main(self) -> Split:
        """The fit whose stages the report shows: to all patients where there is one, else the only split."""
        return self.final or self.splits[0]

    @property
    def training(self) -> list[str]:
        """Patients of the main fit, in the cohort's order."""
        return list(self.main.training)

    @property
    def held_out(self) -> list[str]:
        """Patients whose held-out predictions are judged, in the cohort's order."""
        seen = {patient for split in self.splits for patient in split.held_out}
        return [patient for patient in self.patients if patient in seen]

    @property
    def fits(self) -> int:
        """How many fits the whole plan takes."""
        return int(self.tasks["fits"].sum())

    def split_table(self) -> pd.DataFrame:
        """split, repeat, fold, site, patient, set, times: times > 1 only where a resample drew a patient again."""
        parts = []
        for split in self.splits:
            for part, ids in ((TRAINING, split.training), (HELD_OUT, split.held_out)):
                times = pd.Series(ids, dtype=object).value_counts(sort=False)
                table = pd.DataFrame({"patient": times.index.to_numpy(), "times": times.to_numpy()})
                facts: dict[str, Any] = {
                    "split": split.name,
                    "repeat": split.repeat,
                    "fold": split.fold,
                    "site": split.site,
                }
                parts.append(table.assign(**facts, set=part))
        whole = pd.concat(parts, ignore_index=True)
        return whole[["split", "repeat", "fold", "site", "patient", "set", "times"]]


def make_plan(protocol: Protocol, patients: Patients | pd.Series) -> Plan:
    """Split the patients as the design says and list the tasks.

    patients : outcome 0/1 indexed by patient, used for stratification and counts alone, and the roles the design needs
    """
    if isinstance(patients, pd.Series):
        patients = Patients(patients)
    seed = protocol.protocol.seed.split
    splits = make_splits(protocol.design, patients, seed, seeder(seed))
    final = Split(FINAL, patients.ids, ()) if protocol.design.final else None
    plan = Plan(protocol.design, patients.ids, splits, final, pd.DataFrame(columns=list(COLUMNS)))
    for split in plan.units:
        _enough(protocol, split, patients)
    tables = [_tasks(protocol, split) for split in plan.units]
    tasks = pd.concat(tables, ignore_index=True).astype({"seed": "Int64"})
    return Plan(plan.design, plan.patients, splits, final, tasks)


def sentence_of(plan: Plan) -> str:
    """The design in a sentence."""
    n, several = len(plan.patients), len(plan.splits)
    design = plan.design
    words = {
        "holdout": f"{len(plan.held_out)} of {n} patients were held out once",
        "kfold": f"each of {n} patients was held out once, in {several} folds",
        "repeated-kfold": f"each of {n} patients was held out {design.repeats} times, in {several} splits",
        "nested": f"each of {n} patients was held out {_times(design.repeats)}, every choice made again inside each of "
        f"{several} splits",
        "bootstrap": f"the whole model was fitted again in {several} bootstrap resamples of {n} patients",
        "internal-external": f"each of {several} sites was left out in turn",
        "external": f"a locked model was applied to {n} patients it had never seen",
        "as-given": f"predictions made elsewhere for {n} patients were judged as they are",
    }
    by = getattr(design, "by", "random")
    return words[design.kind] + ("" if by == "random" else f", by {by}")


def _times(repeats: int) -> str:
    return "once" if repeats == 1 else f"{repeats} times"


def seeder(base: int) -> Callable[..., int]:
    """A function from a task's identity to its seed, 0 <= seed < 2**32."""

    def seed_of(*identity: object) -> int:
        text = "\0".join(map(str, (base, *identity)))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")

    return seed_of


def seeds_of(protocol: Protocol, split: Split) -> tuple[Callable[..., int], int]:
    """(seed of a task from its identity, seed of torch) within a split: the protocol's own for a single fit."""
    seeds = protocol.protocol.seed
    if split.name in (HOLDOUT, FINAL):
        return seeder(seeds.split), seeds.torch
    return seeder(seeder(seeds.split)("split", split.name)), seeder(seeds.torch)("split", split.name)


def _enough(protocol: Protocol, split: Split, patients: Patients) -> None:
    """Folds need patients of both kinds, those within folds too; said before anything expensive."""
    if not split.training:
        return
    codes = dict(zip(patients.ids, patients.codes.tolist(), strict=True))
    y = patients.outcome.loc[list(split.training)]
    groups = pd.Series([codes[patient] for patient in split.training]).groupby(np.asarray(y)).nunique()
    fewest = int(min(groups.get(0, 0), groups.get(1, 0)))
    left, within = fewest, ""
    inner_of = getattr(getattr(protocol.model, "cross_fitting", None), "folds", 2)
    if protocol.cross_fits:
        left, within = fewest - -(-fewest // inner_of), f" in each of {inner_of} cross-fitting folds"
    where = "" if split.name in (HOLDOUT, FINAL) else f", split {split.name}"
    for place, folds, inside in _inner_folds(protocol):
        there = left if inside else fewest
        if there < folds:
            raise InputError(
                f"{place}: {folds} folds need {folds} training patients of each kind{within if inside else ''}, and "
                f"there are {there}{where}; declare fewer folds, or give a larger cohort"
            )
    if isinstance(protocol.model, PLNM):
        _enough_to_stop_early(protocol.model.deep.inner_validation, left, f"{within}{where}")


def _enough_to_stop_early(share: float, patients: int, where: str) -> None:
    """A network trains on two patients of each kind at least, beside those that say when it stops."""
    held_back = max(1, round(share * patients))
    if patients - held_back < 2:
        raise InputError(
            f"model.deep.inner_validation: early stopping holds back {held_back} of {patients} training patients of "
            f"the rarer kind{where}, and at least 2 must be left; declare a smaller share, or give a larger cohort"
        )


def _inner_folds(protocol: Protocol) -> list[tuple[str, int, bool]]:
    """(place in the protocol, folds, whether they lie inside cross-fitting folds)."""
    model, found = protocol.model, []
    if isinstance(model, PLNM):
        inside = not model.before_split
        lasso = [step for step in model.radiomics.select if step.method == "lasso"]
        found += [(f"model.radiomics.select ({step.method})", step.folds, inside) for step in lasso]
        found.append(("model.classifiers.search", model.classifiers.search.folds, False))
    if isinstance(model, Estimators):
        searched = [one for one in model.estimators if one.search is not None]
        found += [(f"model.estimators ({one.name}).search", one.search.folds, False) for one in searched if one.search]
    if protocol.cross_fits and isinstance(model, PLNM | Estimators):
        found.append(("model.cross_fitting", model.cross_fitting.folds, False))
    return found


def _tasks(protocol: Protocol, split: Split) -> pd.DataFrame:
    seed_of, torch_seed = seeds_of(protocol, split)
    model = protocol.model
    rows: list[tuple[str, str, int | None, int]] = []
    if isinstance(model, PLNM):
        from validkit.plnm.tasks import tasks

        listed = tasks(
            model, cross_fit=protocol.cross_fits, seed_of=seed_of, torch_seed=torch_seed, copies=protocol.copies
        )
        rows = [(task.stage, task.task, task.seed, task.fits) for task in listed]
    elif isinstance(model, Estimators):
        from validkit.tabular import expected_fits

        fits = expected_fits(model, protocol.cross_fits)
        rows = [("estimators", name, seed_of(name), count * protocol.copies) for name, count in fits.items()]
    else:
        rows = [("predictions", "as given" if protocol.design.kind == "as-given" else "locked model", None, 0)]
    table = pd.DataFrame(rows, columns=["stage", "task", "seed", "fits"]).astype({"seed": "Int64"})
    table.insert(0, "split", split.name)
    return table.assign(n=len(split.training))
