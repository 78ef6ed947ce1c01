"""Reading a run folder: JSON and arrays only, nothing executed, every gap with its reason."""

from __future__ import annotations

import hashlib
import json
import tomllib
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from validkit.errors import InputError
from validkit.store import dig as dig

TRAINING, CROSS_FITTED, HELD_OUT, CORRECTED = "training", "training-cross-fitted", "held-out", "corrected"
SETS = {
    TRAINING: "Training",
    CROSS_FITTED: "Training, cross-fitted",
    HELD_OUT: "Held-out",
    CORRECTED: "Corrected for optimism",
}
AS_GIVEN = "As given"
"""the held-out set where predictions were made elsewhere: nobody here knows that the patients were held out"""
STAGES = (
    "cohort",
    "radiomics",
    "reproducibility",
    "selection",
    "deep",
    "fusion",
    "classifiers",
    "clinical",
    "nomogram",
    "estimators",
    "bundle",
    "harmonisation",
    "transfer",
    "drift",
    "updating",
    "precision",
    "splits",
)
FAMILIES = ("radiomics", "deep", "fusion", "clinical", "nomogram")
OUTPUTS = ("figures/", "tables/", "report.html")


class NotAvailable(Exception):
    """A figure, table or number that these records cannot give; the text says why."""


class Record(dict[str, Any]):
    """A JSON object that knows its file: a missing key says which file lacks it."""

    source: str = "the record"

    def __missing__(self, key: str) -> Any:
        raise NotAvailable(f"{self.source} holds no {key!r}")


@dataclass(frozen=True)
class Saliency:
    """Grad-CAM panels: `images` (k, H, W) 0..255, `maps` (k, H, W) in [0, 1], `outlines` (k, H, W) bool."""

    images: np.ndarray
    maps: np.ndarray
    outlines: np.ndarray


@dataclass(frozen=True)
class Run:
    """The records of one run folder. `info` is run.json; the rest is read through methods."""

    folder: Path
    info: Record
    protocol: Record
    records: Mapping[str, Record | str] = field(repr=False)
    original: Mapping[str, Any] = field(repr=False, default_factory=dict)
    """protocol.toml as it was written, before overrides"""

    def stage(self, name: str) -> Record:
        """stages/NAME.json; NotAvailable says why it is not there."""
        return self._record(f"stages/{name}.json")

    def records_of(self, name: str) -> Mapping[str, Any]:
        """stages/NAME.json, or nothing where it is not there."""
        record = self.records[f"stages/{name}.json"]
        return {} if isinstance(record, str) else record

    @property
    def evaluation(self) -> Record:
        """evaluation.json; NotAvailable says why it is not there."""
        return self._record("evaluation.json")

    def _record(self, name: str) -> Record:
        record = self.records[name]
        if isinstance(record, str):
            raise NotAvailable(record)
        return record

    @property
    def synthetic(self) -> bool:
        """Whether the cohort was simulated."""
        return bool(self.info.get("synthetic"))

    @property
    def positive(self) -> str:
        """The protocol's word for the event."""
        return self._word("positive", "event")

    @property
    def negative(self) -> str:
        """The protocol's word for no event."""
        return self._word("negative", "no event")

    def _word(self, key: str, default: str) -> str:
        return str(dig(self.info, f"outcome.{key}") or self.setting(f"cohort.outcome.{key}") or default)

    def setting(self, path: str, default: Any = None) -> Any:
        """A setting of the resolved protocol, {digest, protocol}, by its dotted path."""
        return dig(self.protocol, path, default)

    @property
    def kind(self) -> str:
        """What is validated: "plnm", "estimators", "predictions" or "bundle"."""
        return str(self.setting("model.kind") or "plnm")

    @property
    def design(self) -> str:
        """The design's kind; folders written before there were several hold a single split."""
        return str(dig(self.info, "design.kind") or self.setting("design.kind") or "holdout")

    @property
    def splits(self) -> int:
        """How many splits the design has."""
        n = dig(self.info, "design.splits") or 1
        return n if isinstance(n, int) else 1

    @property
    def refits(self) -> bool:
        """Whether the whole model was fitted more than once."""
        return self.splits > 1

    @property
    def several(self) -> bool:
        """Whether held-out patients come from more than one split."""
        return self.refits and self.primary == HELD_OUT

    @property
    def sets(self) -> Mapping[str, str]:
        """The sets' names for the reader."""
        return {**SETS, HELD_OUT: AS_GIVEN} if self.design == "as-given" else SETS

    def among(self, where: str) -> str:
        """A set in the middle of a sentence."""
        return among(where, self.sets)

    @property
    def primary(self) -> str:
        """The set whose figures answer the question."""
        evaluation = self.records["evaluation.json"]
        return str(evaluation.get("primary") or HELD_OUT) if isinstance(evaluation, Record) else HELD_OUT

    @property
    def focus(self) -> Any:
        """The range of thresholds that was declared to matter; None where none was."""
        return self.evaluation.get("focus") or self.setting("evaluation.decision_curve.focus")

    @property
    def strategies(self) -> Mapping[str, Any]:
        """Set -> the curves of treating all and of treating none."""
        return self.evaluation.get("reference_strategies") or {}

    @property
    def reference(self) -> Record | None:
        """The model that the protocol compares the others with, and that the first page is about."""
        name = str(self.setting("evaluation.compare.reference") or "nomogram")
        named = (m for m in self.models() if m.get("name") == name)
        return next(named, self.chosen(name) if name in FAMILIES else None)

    def models(self, family: str | None = None) -> list[Record]:
        """Every model of the evaluation, or those of one family."""
        models = self.evaluation["models"]
        return [m for m in models if family is None or m.get("family") == family]

    def model(self, name: str) -> Record:
        """The model of that name."""
        for model in self.models():
            if model.get("name") == name:
                return model
        raise NotAvailable(f"evaluation.json holds no model named {name!r}")

    def candidates(self, family: str) -> list[Record]:
        """The competing models of a family (`radiomics/svm`, `deep/alexnet`, ...)."""
        return [m for m in self.models(family) if "/" in str(m.get("name"))]

    def chosen(self, family: str) -> Record | None:
        """The model that stands for a family: the one that bears its name, else the chosen candidate."""
        models = self.models(family)
        named = [m for m in models if m.get("name") == family]
        return next(iter(named + [m for m in models if m.get("chosen")]), None)

    def compared(self) -> list[Record]:
        """One model a family, in the order radiomics, deep, fusion, clinical, nomogram; else every model."""
        staged = [m for m in map(self.chosen, FAMILIES) if m is not None]
        return staged or self.models()

    def saliency(self) -> Saliency:
        """The arrays of stages/saliency.npz; NotAvailable says why they are not there."""
        path = self.folder / "stages" / "saliency.npz"
        if not path.is_file():
            raise NotAvailable("the run folder has no stages/saliency.npz")
        try:
            with np.load(path, allow_pickle=False) as arrays:
                found = {name: arrays[name] for name in ("images", "maps", "outlines")}
        except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
            raise NotAvailable(f"stages/saliency.npz cannot be read: {error}") from None
        if len({a.shape for a in found.values()}) != 1 or found["images"].ndim != 3:
            shapes = ", ".join(f"{name} {a.shape}" for name, a in found.items())
            raise NotAvailable(f"stages/saliency.npz holds arrays of different shapes: {shapes}")
        return Saliency(**found)

    def integrity(self) -> tuple[list[str], list[str]]:
        """Record files that run.json lists: (those whose digest agrees, what is wrong with the others)."""
        return self._integrity

    @cached_property
    def _integrity(self) -> tuple[list[str], list[str]]:
        sound, wrong = [], []
        for name, expected in sorted((self.info.get("files") or {}).items()):
            path = self.folder / name
            if name.startswith(OUTPUTS) or not path.resolve().is_relative_to(self.folder.resolve()):
                continue
            if not path.is_file():
                wrong.append(f"{name} is listed in run.json but is not in the folder")
            elif (actual := hashlib.sha256(path.read_bytes()).hexdigest()) != expected:
                wrong.append(f"{name} has SHA-256 {actual[:12]}…, run.json says {str(expected)[:12]}…")
            else:
                sound.append(name)
        return sound, wrong


def among(where: str, sets: Mapping[str, str] = SETS) -> str:
    """A set in the middle of a sentence: `held-out patients`, `corrected for optimism`, `patients as given`."""
    words = sets.get(where, where).lower()
    if where == CORRECTED:
        return words
    return f"patients {words}" if words == AS_GIVEN.lower() else f"{words} patients"


def labels(models: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Each model's name for the reader; a family that all of them repeat ("Fusion: ...") is left out."""
    found = {str(m["name"]): str(m.get("label") or m["name"]) for m in models}
    heads = {label.partition(": ")[0] for label in found.values() if ": " in label}
    common = len(heads) == 1 and len(found) > 1 and all(": " in label for label in found.values())
    return {name: label.partition(": ")[2] if common else label for name, label in found.items()}


def need(value: Any, what: str) -> Any:
    """The value; NotAvailable where there is none."""
    if value in (None, "", [], {}):
        raise NotAvailable(f"the run does not record {what}")
    return value


def read_run(folder: Path) -> Run:
    """Read a run folder. Only run.json is indispensable; other gaps are reported where they matter."""
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"the run folder {folder} does not exist; give the folder that `validkit run` wrote")
    info = _read(folder, "run.json")
    if isinstance(info, str):
        raise InputError(f"{folder} is not a run folder: {info}; give the folder that `validkit run` wrote")
    protocol = _read(folder, "protocol.resolved.json")
    names = ["evaluation.json", *(f"stages/{name}.json" for name in STAGES)]
    return Run(
        folder=folder,
        info=info,
        protocol=Record() if isinstance(protocol, str) else dig(protocol, "protocol", Record()),
        records={name: _read(folder, name) for name in names},
        original=_original(folder / "protocol.toml"),
    )


def _read(folder: Path, name: str) -> Record | str:
    path = folder / name
    if not path.is_file():
        return f"the run folder has no {name}"
    try:
        value = json.loads(path.read_text(encoding="utf-8"), object_hook=partial(_record, name))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not valid JSON: {error}; run the stage again") from None
    if not isinstance(value, Record):
        raise InputError(f"{path} must hold a JSON object; got {type(value).__name__}")
    return value


def _record(source: str, pairs: dict[str, Any]) -> Record:
    record = Record(pairs)
    record.source = source
    return record


def _original(path: Path) -> dict[str, Any]:
    """protocol.toml, only to tell what an override replaced; unreadable means nothing to compare with."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
