"""What the refitting sentinels share: a finished run, and the procedure made to run again on something else."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from validkit.engine import Reporter, map_tasks
from validkit.errors import InputError, StageError
from validkit.fitting import Workshop, engine_beside, fit_all, on_devices
from validkit.plan import Plan, Split, seeder
from validkit.preparing import Prepared, arrange
from validkit.protocol import Protocol
from validkit.sections import PLNM, Estimators
from validkit.store import Store, digest
from validkit.unit import Fitted

if TYPE_CHECKING:
    from validkit.cohort import Cohort

RECORDS = "sentinels"
"""folder of what sentinels fitted, among the records of the run's own fits"""


class Aside(Plan):
    """A plan of fits that are made to be judged alone: none is the run's main one, which is explained and locked."""

    @property
    def main(self) -> Split:
        """No fit of this plan."""
        return Split("", (), ())


@dataclass(frozen=True, eq=False)
class Study:
    """A finished run, as the sentinels take it.

    data : the cohort; prepared, fitted : what the run prepared and fitted, by unit of the plan
    workshop : where and how; looks : openings of held-out outcomes that the run recorded while it fitted
    predictions : as the run wrote them; None to take them from `fitted`
    """

    protocol: Protocol
    data: Cohort
    plan: Plan
    prepared: Prepared
    fitted: Mapping[str, Fitted]
    workshop: Workshop
    looks: Sequence[Mapping[str, Any]] = ()
    reporter: Reporter | None = None
    predictions: pd.DataFrame | None = None

    @property
    def fits(self) -> bool:
        """Whether anything is fitted here at all."""
        return isinstance(self.protocol.model, PLNM | Estimators)

    @property
    def outcome(self) -> pd.Series:
        """0/1 by patient."""
        return self.data.outcome.loc[list(self.plan.patients)]

    def rng(self, *identity: object) -> np.random.Generator:
        """The chance of one repetition, from the protocol's seed and the repetition's identity."""
        return np.random.default_rng(seeder(self.protocol.protocol.seed.split)("sentinel", *identity))

    def training(self, splits: Sequence[Split] | None = None) -> dict[str, frozenset[str]]:
        """Who trains, by split."""
        return {
            split.name: frozenset(split.training) for split in self.plan.splits if splits is None or split in splits
        }

    def aside(self, splits: Sequence[Split]) -> Aside:
        """A plan of these splits alone."""
        return Aside(self.plan.design, self.plan.patients, tuple(splits), None, self.plan.tasks.iloc[:0])

    def arranged(self, protocol: Protocol, plan: Plan, outcome: pd.Series, inputs: Any = None) -> Prepared:
        """Everything that is learnt and decided before the splits of the plan are fitted.

        inputs : in place of the run's own, where given
        """
        engine, reporter = self.workshop.engine, self.reporter
        return arrange(protocol, plan, self.prepared, outcome, inputs=inputs, engine=engine, reporter=reporter)

    @property
    def store(self) -> Store:
        """Records of what the sentinels fitted, so that a killed run resumes."""
        records = self.workshop.records
        return Store(None if records is None else records / RECORDS, context=self.workshop.context)


def changed(protocol: Protocol, changes: Mapping[str, Any]) -> Protocol:
    """The protocol with other settings, by dotted key."""
    document = protocol.to_dict()
    for key, value in changes.items():
        place = document
        *parents, last = key.split(".")
        for part in parents:
            place = place[part]
        place[last] = value
    return Protocol.model_validate(document)


def bare(protocol: Protocol) -> Protocol:
    """The protocol without what costs fits and changes no held-out prediction: a threshold chosen by cross-fitting."""
    return changed(protocol, {"evaluation.thresholds.choose": "fixed", "evaluation.thresholds.value": 0.5})


def once_imputed(protocol: Protocol) -> Protocol:
    """The protocol with one completed copy of the predictors."""
    return changed(protocol, {"imputation.copies": 1}) if protocol.copies > 1 else protocol


@dataclass(frozen=True, eq=False)
class Refit:
    """The procedure on one split of one repetition.

    name : of its record; outcome : what the procedure is given as the outcomes
    fault : why what comes before the split could not be done; "" where it was
    """

    name: str
    protocol: Protocol
    plan: Plan
    prepared: Prepared
    outcome: pd.Series
    fault: str = ""

    @property
    def split(self) -> Split:
        """The only split of its plan."""
        return self.plan.splits[0]

    def made_of(self) -> str:
        """Digest of everything that the result depends on."""
        before = self.prepared.before
        part = self.prepared.parts.get(self.split.name)
        return digest(
            "refit",
            self.protocol.to_dict(),
            [self.split.name, list(self.split.training), list(self.split.held_out)],
            [list(part.columns), {k: list(v) for k, v in part.repeats.items()}] if part else None,
            self.prepared.digest,
            None if before is None else before.digest(),
            np.asarray(self.outcome, dtype=np.int64),
        )


def refits_of(
    study: Study, name: str, protocol: Protocol, splits: Sequence[Split], outcome: pd.Series, inputs: Any = None
) -> list[Refit]:
    """One repetition of the whole procedure: what comes before the splits is done once, each split is a refit."""
    whole, fault = study.aside(splits), ""
    try:
        prepared = replace(study.arranged(protocol, whole, outcome, inputs), measured=None)
    except (StageError, InputError) as error:
        prepared, fault = study.prepared, str(error)
    return [Refit(f"{name}/{s.name}", protocol, replace(whole, splits=(s,)), prepared, outcome, fault) for s in splits]


def carry_out(
    study: Study, refits: Sequence[Refit], label: str, *, records: bool = False
) -> tuple[list[Fitted | None], dict[str, str]]:
    """Each refit's result, None for one that could not be carried out, and why by name; finished ones are not redone.

    records : whether records of the stages are kept, else held-out predictions and looks alone
    """
    why = {one.name: one.fault for one in refits if one.fault}
    possible = [one for one in refits if not one.fault]
    store, made_of = study.store, {one.name: one.made_of() for one in possible}
    done: dict[str, Fitted] = {}
    for one in possible:
        files = store.read(one.name, made_of[one.name])
        if files is not None:
            done[one.name] = Fitted.from_files(files)

    def keep(one: Refit, result: Fitted | str) -> None:
        if isinstance(result, str):
            why[one.name] = result
            return
        done[one.name] = result
        if store.folder is not None:
            store.write(one.name, made_of[one.name], result.files())

    left = [one for one in possible if one.name not in done]
    beside = engine_beside(study.workshop) if len(left) > 1 else None
    inside = study.workshop.engine if beside is None else "sequential"
    map_tasks(
        partial(_carry_out, records=records, engine=inside),
        on_devices(left, study.workshop) if beside else [(one, study.workshop.device) for one in left],
        engine=beside or "sequential",
        label=label,
        reporter=study.reporter,
        on_result=lambda of, result: keep(of[0], result),
    )
    return [done.get(one.name) for one in refits], why


def _carry_out(placed: tuple[Refit, str], *, records: bool, engine: str) -> Fitted | str:
    """The fit on the device that it was given, or why it cannot be made of these data."""
    one, device = placed
    try:
        [fitted], _ = fit_all(one.protocol, one.plan, one.prepared, one.outcome, Workshop(device, engine))
    except (StageError, InputError) as error:
        return str(error)
    if records:
        return fitted
    held_out = fitted.predictions[fitted.predictions["set"] == "held-out"].reset_index(drop=True)
    return replace(fitted, predictions=held_out, records={}, notes=[], saliency=b"")


def judged_models(protocol: Protocol) -> list[str]:
    """The models whose areas are tested: whole models and networks; single classifiers of a branch are shown alone."""
    names = protocol.model_names()
    if not isinstance(protocol.model, PLNM):
        return names
    return [name for name in names if "/" not in name or name.startswith("deep/")]


def split_sample(splits: Sequence[Split], most: int) -> list[Split]:
    """At most so many of the splits, evenly spread, in order."""
    if len(splits) <= most:
        return list(splits)
    places = np.linspace(0, len(splits) - 1, most).round().astype(int)
    return [splits[place] for place in sorted(set(places.tolist()))]


def held_out_patients(splits: Collection[Split]) -> set[str]:
    """Everyone whom a split holds out and does not train on."""
    return {patient for split in splits for patient in set(split.held_out) - set(split.training)}
