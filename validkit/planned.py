"""The plan of a protocol on a cohort, made without running anything: splits, tasks, fits, estimated time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from validkit.errors import InputError
from validkit.external import open_bundle
from validkit.plan import Patients, Plan, make_plan
from validkit.planning import estimate, with_surroundings
from validkit.preparing import patients_of, read_declared
from validkit.protocol import Protocol
from validkit.sections import PLNM, Bundle
from validkit.unit import repeated_outlines

if TYPE_CHECKING:
    from validkit.cohort import Cohort
    from validkit.engine import Reporter


@dataclass(frozen=True, eq=False)
class Planned:
    """A plan and its tasks with what is done around them and the seconds each may take."""

    plan: Plan
    tasks: pd.DataFrame


def plan_of(
    protocol: Protocol,
    cohort: Path | None,
    *,
    device: str = "cpu",
    known: Mapping[str, float] | None = None,
    reporter: Reporter | None = None,
) -> Planned:
    """Read the cohort, or simulate the table of the phantom that the protocol names, and plan the run on it.

    known : factors of this machine by stage, from `timings.known_timings`
    """
    lesions = None
    if cohort is None:
        patients = _of_phantom(protocol)
    else:
        data = read_declared(protocol, cohort, reporter)
        patients = patients_of(data)
    plan = make_plan(protocol, patients)
    if cohort is not None and isinstance(protocol.model, PLNM):
        lesions = _outlines(protocol, data, plan)
    models, n = len(protocol.model_names()), len(plan.patients)
    if isinstance(protocol.model, Bundle):
        return Planned(plan, _with_bundle(protocol, plan.tasks, n, device, known))
    tasks = with_surroundings(plan.tasks, protocol, patients=n, models=models, lesions=lesions)
    return Planned(plan, estimate(tasks, protocol, device=device, known=known))


def _with_bundle(
    protocol: Protocol, tasks: pd.DataFrame, n: int, device: str, known: Mapping[str, float] | None
) -> pd.DataFrame:
    """Tasks and times of an external validation: the patients' lesions are measured as at home, its models judged."""
    assert isinstance(protocol.model, Bundle)
    if not Path(protocol.model.file).is_file():
        return estimate(with_surroundings(tasks, protocol, patients=n, models=None), protocol, device=device)
    locked = open_bundle(protocol)
    lesions = n if locked.manifest.images is not None else None
    whole = with_surroundings(tasks, protocol, patients=n, models=len(locked.manifest.models), lesions=lesions)
    here, at_home = (estimate(whole, one, device=device, known=known) for one in (protocol, locked.protocol))
    return here.assign(seconds=here["seconds"].where(here["stage"] != "radiomics", at_home["seconds"]))


def _of_phantom(protocol: Protocol) -> Patients:
    """Outcome and sites of the phantom; its images need not be drawn for a plan."""
    from validkit.cohort.phantom.patients import simulate_table

    phantom = protocol.cohort.default
    if phantom is None:
        raise InputError(
            f"protocol {protocol.protocol.name!r} names no phantom: give a cohort's folder with --cohort DIR"
        )
    table = simulate_table(phantom.patients, phantom.sites, phantom.seed).set_index("patient_id")
    outcome = (table["plnm"] == protocol.cohort.outcome.event).astype(int)
    return Patients(outcome, site=table["site"])


def _outlines(protocol: Protocol, data: Cohort, plan: Plan) -> int:
    """How many outlines are measured: the primary one of all patients, repeated ones of those who train."""
    learning = {patient for split in plan.units for patient in split.training}
    _, outlines = data.pictures()
    roles = {role for roles in repeated_outlines(protocol).values() for role in roles} & set(outlines.columns)
    repeats = outlines.loc[sorted(learning), sorted(roles - {data.primary})].notna().to_numpy().sum()
    perturb = protocol.plnm.reproducibility.perturb
    randomised = perturb.copies * min(perturb.patients, len(learning)) if perturb else 0
    return len(data.patients) + int(repeats) + randomised
