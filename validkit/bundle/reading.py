"""A bundle read: everything is checked before anything is built, and nothing in it is executed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import ValidationError

from validkit.bundle.archive import AGAIN, unpack
from validkit.bundle.lineage import Step
from validkit.bundle.manifest import Manifest, unreadable
from validkit.bundle.parts import Model, build
from validkit.bundle.reference import Reference, read_reference
from validkit.bundle.rows import keeping_rows
from validkit.errors import InputError
from validkit.protocol import Protocol
from validkit.provenance import sha256_of, versions
from validkit.store import Files

__all__ = ["Locked", "read_bundle"]


@dataclass(frozen=True, eq=False)
class Locked:
    """A locked model, ready to predict patients that it has never seen.

    protocol : under which it was fitted; digest : SHA-256 of the file
    differing : packages whose version here is not the one it was fitted with, in words
    reference : its reference cases, and their pictures by member; see `validkit.bundle.reference.replay`
    """

    manifest: Manifest
    protocol: Protocol
    model: Model
    digest: str
    differing: tuple[str, ...]
    reference: Reference | None = None
    pictures: Files = field(default_factory=dict)

    @property
    def needs(self) -> tuple[str, ...]:
        """Clinical columns that it looks at."""
        return self.manifest.needs

    @property
    def copies(self) -> int:
        """Completed copies of the predictors that it was fitted to, each with a fit of its own."""
        return self.manifest.copies

    @property
    def updates(self) -> tuple[Step, ...]:
        """How it was updated since it was fitted, the oldest first."""
        return self.model.lineage.steps if self.model.lineage else ()

    def predict(self, inputs: Any) -> pd.DataFrame:
        """(n, models) probability of the event, indexed by patient: the mean over the copies.

        inputs : `validkit.plnm.inputs.Inputs` or `validkit.tabular.inputs.TableInputs`
        """
        tables = [self.predict_copy(inputs, copy) for copy in range(1, self.copies + 1)]
        return tables[0] if len(tables) == 1 else sum(tables[1:], tables[0]) / len(tables)

    def predict_copy(self, inputs: Any, copy: int) -> pd.DataFrame:
        """(n, models) probability of the event by the fit to one completed copy, counted from 1."""
        return self.model.predict(inputs, copy)


def read_bundle(path: str | Path, *, device: str = "cpu") -> Locked:
    """The locked model in a file; a file that is not to the byte what was written is an InputError that names where.

    device : where its networks run
    """
    file = Path(path)
    digest = sha256_of(file) if file.is_file() else ""
    members = unpack(file)
    manifest = _manifest(file, members)
    _check_members(file, manifest, members)
    protocol = _protocol(file, manifest, members["protocol.json"])
    cases = {name: data for name, data in members.items() if name.startswith("reference.")}
    parts = {name: data for name, data in members.items() if name not in {"manifest.json", "protocol.json", *cases}}
    try:
        _check_rows(manifest, parts)
        model = build(parts, protocol, device=device)
        reference = read_reference(cases, protocol, model)
        _check_told(manifest, protocol, model, reference)
    except (InputError, ValidationError) as error:
        why = unreadable(error) if isinstance(error, ValidationError) else str(error)
        raise InputError(f"{file}: {why}; the bundle is refused") from error
    pictures = {name: cases[name] for name in (reference.files if reference else ())}
    return Locked(manifest, protocol, model, digest, _differing(manifest.versions), reference, pictures)


def _manifest(file: Path, members: Files) -> Manifest:
    if "manifest.json" not in members:
        raise InputError(f"{file} has no manifest.json; it is no bundle")
    try:
        return Manifest.model_validate_json(members["manifest.json"])
    except ValidationError as error:
        raise InputError(
            f"{file}: member 'manifest.json': {unreadable(error)} (this validkit knows formats 1 to 3)"
        ) from error


def _check_members(file: Path, manifest: Manifest, members: Files) -> None:
    """Every member that the manifest names is there as it says, and no other."""
    there = set(members) - {"manifest.json"}
    for name in sorted(there - set(manifest.members)):
        raise InputError(f"{file}: member {name!r} is surplus: the manifest does not name it")
    for name in sorted(set(manifest.members) - there):
        raise InputError(f"{file}: member {name!r}, which the manifest names, is missing")
    for name, told in manifest.members.items():
        found = hashlib.sha256(members[name]).hexdigest()
        if len(members[name]) != told.bytes or found != told.sha256:
            raise InputError(
                f"{file}: member {name!r} was changed: its SHA-256 is {found}, the manifest says {told.sha256}; {AGAIN}"
            )


def _protocol(file: Path, manifest: Manifest, data: bytes) -> Protocol:
    try:
        canonical = json.dumps(json.loads(data), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        found = hashlib.sha256(canonical.encode()).hexdigest()
        if found != manifest.protocol.digest:
            raise InputError(f"its digest is {found}, and the manifest says {manifest.protocol.digest}")
        return Protocol.model_validate_json(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file}: member 'protocol.json' cannot be read by this validkit: {error}") from error


def _check_rows(manifest: Manifest, parts: Files) -> None:
    """What the manifest says of training rows is what the members hold."""
    keep = set(keeping_rows(parts))
    for name in sorted(keep ^ set(manifest.training_rows)):
        does = "holds" if name in keep else "holds no"
        raise InputError(f"member {name!r} {does} rows of training patients, and manifest.json says otherwise")


def _check_told(manifest: Manifest, protocol: Protocol, model: Model, reference: Reference | None) -> None:
    """What the manifest says of the model is what the members give."""
    declared = {name: (one.kind, one.unit, one.levels) for name, one in protocol.cohort.predictors.items()}
    told = {name: (one.kind, one.unit, one.levels) for name, one in manifest.predictors.items()}
    images = manifest.images
    same: Mapping[str, bool] = {
        "kind": manifest.kind == model.kind,
        "protocol": manifest.protocol.name == protocol.protocol.name,
        "models": {one.name for one in manifest.models} == set(model.names),
        "chosen": manifest.chosen == model.chosen,
        "copies": manifest.copies == protocol.copies,
        "predictors": told == declared and set(manifest.needs) == set(model.predictors),
        "thresholds": set(manifest.thresholds) <= set(model.names),
        "performance": set(manifest.performance) <= set(model.names),
        "images": (images is not None) == (model.kind == "plnm"),
        "updates": manifest.updates == (len(model.lineage.steps) if model.lineage else 0),
        "reference": manifest.reference == (len(reference.cells) if reference else 0),
        "case_mix": manifest.case_mix is None or set(manifest.case_mix.linear_predictors) <= set(model.names),
    }
    wrong = [name for name, sound in same.items() if not sound]
    if images is not None and model.kind == "plnm":
        radiomics, deep = protocol.plnm.radiomics, protocol.plnm.deep
        own = (deep.image_size, deep.augment.crop, radiomics.preset, radiomics.bin_width, radiomics.bin_count)
        said = (images.image_size, images.margin, images.preset, images.bin_width, images.bin_count)
        wrong += [] if (own, model.features) == (said, images.features) else ["images"]
    if wrong:
        raise InputError(f"manifest.json: `{wrong[0]}` does not agree with the bundle's own members")


def _differing(theirs: Mapping[str, str]) -> tuple[str, ...]:
    here = versions()
    return tuple(
        f"{name} {theirs.get(name, 'not installed')} there, {here.get(name, 'not installed')} here"
        for name in sorted(set(theirs) | set(here))
        if theirs.get(name) != here.get(name)
    )
