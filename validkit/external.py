"""A locked model at a new centre: what it needs is looked for, measured as it was at home, and predicted from.

Nothing is fitted. What is missing here, or declared otherwise than the bundle's own protocol declares it, is listed in
one message before any patient is measured; what lies outside what the model was developed on is noted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from validkit.bundle import Locked, read_bundle
from validkit.bundle.inputs import inputs_of
from validkit.bundle.lineage import Step
from validkit.centre.checking import Check, check_centre, refuse_unsafe
from validkit.centre.harmonising import harmonised, site_record
from validkit.engine import Reporter
from validkit.errors import InputError
from validkit.protocol import Protocol
from validkit.provenance import sha256_of
from validkit.sections import Bundle, CohortSpec
from validkit.store import digest
from validkit.wording import nearest

if TYPE_CHECKING:
    from validkit.cohort import Cohort
    from validkit.stats.combat import CombatSite

__all__ = ["External", "Predicted", "bound", "missing_for", "open_bundle", "predict_external", "prepare_external"]

NAMED = 5
"""patients that a note names"""


@dataclass(frozen=True, eq=False)
class External:
    """A locked model and the new patients' inputs; checks : how these differ from the patients of development.

    measured : the inputs as they were measured; others than `inputs` where the protocol harmonises
    site : how this centre measures otherwise than development, harmonisation the same as a record; None where nothing
        is harmonised
    """

    locked: Locked
    inputs: Any
    measured: Any
    digest: str
    checks: tuple[Check, ...]
    site: CombatSite | None = None
    harmonisation: dict[str, Any] | None = None

    def take(self, patients: Sequence[str]) -> External:
        """The same model and these patients."""
        return replace(self, inputs=self.inputs.take(patients), measured=self.measured.take(patients))

    def unharmonised(self) -> External:
        """The same model and the patients as they were measured."""
        return replace(self, inputs=self.measured, site=None, harmonisation=None)


@dataclass(frozen=True, eq=False)
class Predicted:
    """What a locked model leaves.

    tables : (n, models) probabilities, by completed copy that it was fitted to, from 1
    record : for stages/bundle.json; chosen : as the manifest has it; notes : {severity, stage, text}
    digest : of the bundle
    """

    tables: dict[int, pd.DataFrame]
    record: dict[str, Any]
    chosen: dict[str, str]
    notes: list[dict[str, str]]
    digest: str


def bound(protocol: Protocol, *, needed: bool = True) -> Protocol:
    """The protocol with the SHA-256 of its bundle, so that its digest stands for this model wherever its file lies.

    Protocols without a bundle, and those that declare its SHA-256, are returned as they are. A file that is not there
    is an InputError where it is `needed`; otherwise the protocol stays unbound.
    """
    if not isinstance(protocol.model, Bundle) or protocol.model.sha256 is not None:
        return protocol
    if not needed and not Path(protocol.model.file).is_file():
        return protocol
    known = protocol.model.model_copy(update={"sha256": sha256_of(_file(protocol.model))})
    return protocol.model_copy(update={"model": known})


def open_bundle(protocol: Protocol, *, device: str = "cpu") -> Locked:
    """The protocol's bundle, read, and held against what the protocol declares of it and of the cohort."""
    assert isinstance(protocol.model, Bundle)
    file, declared = _file(protocol.model), protocol.model.sha256
    locked = read_bundle(file, device=device)
    if declared not in (None, locked.digest):
        raise InputError(
            f"model.sha256: {str(file)!r} has SHA-256 {locked.digest}, the protocol declares {declared}: it is another "
            "model; give the file that was declared, or write and seal a protocol for this one"
        )
    faults = missing_for(locked, protocol.cohort)
    if faults:
        lines = "\n".join(f"  - {fault}" for fault in faults)
        raise InputError(f"{file} needs what the protocol does not give:\n{lines}")
    return locked


def _file(model: Bundle) -> Path:
    file = Path(model.file)
    if not file.is_file():
        raise InputError(
            f"model.file: there is no bundle {model.file!r}; a run writes one into its folder: "
            "--set model.file=RUN/bundle.zip"
        )
    return file


def missing_for(locked: Locked, cohort: CohortSpec) -> list[str]:
    """What the locked model needs and the cohort does not declare, or declares otherwise, in words."""
    faults = []
    if locked.manifest.images is not None and cohort.kind != "images":
        faults.append('images with an outline: declare cohort.kind = "images", `image` and `outlines`')
    if cohort.missing == "impute" and locked.protocol.cohort.missing != "impute":
        faults.append('values of every predictor: it fills none in; set cohort.missing to "refuse" or "exclude"')
    for name in locked.needs:
        theirs, ours = locked.manifest.predictors[name], cohort.predictors.get(name)
        if ours is None:
            unit = f", in {theirs.unit}" if theirs.unit else ""
            near = nearest(name, list(cohort.predictors))
            faults.append(f"the predictor {name!r} ({theirs.label}; {theirs.kind}{unit}): declare it{near}")
            continue
        if ours.kind != theirs.kind:
            faults.append(f"cohort.predictors.{name}: kind {theirs.kind!r}; declared is {ours.kind!r}")
        if ours.levels != theirs.levels:
            there, here = ", ".join(theirs.levels), ", ".join(ours.levels) or "none"
            faults.append(f"cohort.predictors.{name}: the levels {there}, in this order; declared are {here}")
        if ours.unit and theirs.unit and ours.unit != theirs.unit:
            faults.append(f"cohort.predictors.{name}: values in {theirs.unit!r}; declared is {ours.unit!r}")
    return faults


def prepare_external(
    data: Cohort,
    protocol: Protocol,
    *,
    together: np.ndarray,
    device: str = "cpu",
    cache: Path | None = None,
    engine: str = "sequential",
    reporter: Reporter | None = None,
) -> External:
    """Measure the new patients as the bundle's own protocol says; no outcome is used.

    together : (n,) number of the group each patient belongs to; cache : folder of measured features
    Raises InputError, before any is measured, where the model would be used outside what it was developed for, unless
    the protocol accepts it.
    """
    assert isinstance(protocol.model, Bundle)
    locked = open_bundle(protocol, device=device)
    checks = refuse_unsafe(check_centre(locked, data, protocol.cohort), protocol.model.accept)
    measured = inputs_of(
        locked.model,
        locked.protocol,
        data,
        protocol.cohort,
        together=together,
        cache=cache,
        engine=engine,
        reporter=reporter,
    )
    setting = protocol.model.harmonisation
    identity = digest("external", locked.digest, data.digest)
    if setting is None:
        return External(locked, measured, measured, identity, tuple(checks))
    inputs, site = harmonised(locked, measured, setting)
    return External(locked, inputs, measured, identity, tuple(checks), site, site_record(site, setting))


def predict_external(external: External, patients: Sequence[str]) -> Predicted:
    """The locked model's predictions of these patients."""
    taken, locked = external.take(patients), external.locked
    manifest = locked.manifest
    tables = {copy: locked.predict_copy(taken.inputs, copy) for copy in range(1, locked.copies + 1)}
    record = {
        "digest": locked.digest,
        "protocol": manifest.protocol.model_dump(),
        "cohort": manifest.cohort,
        "training": manifest.training.model_dump(),
        "versions": dict(manifest.versions),
        "differing": list(locked.differing),
        "models": [one.model_dump() for one in manifest.models],
        "thresholds": dict(manifest.thresholds),
        "performance_on": manifest.performance_on,
        "performance": {name: dict(found) for name, found in manifest.performance.items()},
        "left_out": dict(manifest.left_out),
        "training_rows": list(manifest.training_rows),
        "copies": locked.copies,
        "needs": list(locked.needs),
        "checks": [one.to_dict() for one in external.checks],
        "reference": manifest.reference,
        "harmonisation": external.harmonisation,
        "lineage": [_step(one) for one in locked.updates],
    }
    texts = [*map(str, external.checks), *_undefined(locked, taken.inputs)]
    notes = [{"severity": "warning", "stage": "bundle", "text": text} for text in texts]
    return Predicted(tables, record, dict(manifest.chosen), notes, locked.digest)


def _step(step: Step) -> dict[str, Any]:
    """What a report says of an update."""
    told = step.model_dump(mode="json", exclude={"numbers", "measured"})
    return {**told, "harmonised": step.measured is not None}


def _undefined(locked: Locked, inputs: Any) -> list[str]:
    if locked.manifest.images is None:
        return []
    undefined = locked.model.of.models[0].undefined(inputs)
    if not len(undefined):
        return []
    who = ", ".join(map(str, undefined.index[:NAMED]))
    return [f"selected features were undefined for {len(undefined)} patients and took the development median: {who}"]
