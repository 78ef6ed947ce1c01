"""A declared protocol: strict, frozen, read from TOML, with a digest.

A protocol is one page in the field's words. Unknown keys, wrong types and impossible
combinations are refused together, each with its place and, where one is near, the valid name.
The digest is the SHA-256 of the protocol's canonical JSON (sorted keys, every default written
out), so comments, key order and white space do not matter.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError, model_validator

from validkit.combinations import impossible
from validkit.errors import InputError
from validkit.sections import (
    PLNM,
    Acceptance,
    CohortSpec,
    Design,
    Estimators,
    Evaluation,
    Header,
    Holdout,
    Imputation,
    Model,
    Predictions,
    Section,
    Sentinels,
)
from validkit.wording import explain, nearest

__all__ = [
    "CohortSpec",
    "Protocol",
    "ProtocolError",
    "parse_protocol",
    "read_protocol",
    "shipped_protocols",
    "source_of",
]


class ProtocolError(InputError):
    """A protocol that cannot be run: every fault, each with its place and its mend."""

    def __init__(self, source: str, faults: Sequence[str]) -> None:
        self.source = source
        self.faults = tuple(faults)
        lines = "\n".join(f"  - {fault}" for fault in faults)
        super().__init__(f"{source}: {len(faults)} fault{'s' if len(faults) != 1 else ''}\n{lines}")


class Protocol(Section):
    """A declared protocol. `digest()` identifies what it says, whatever file it came from."""

    protocol: Header
    cohort: CohortSpec
    design: Design = Holdout()
    model: Model
    imputation: Imputation = Imputation()
    evaluation: Evaluation = Evaluation()
    acceptance: Acceptance = Acceptance()
    sentinels: Sentinels = Sentinels()

    @model_validator(mode="after")
    def _names_agree(self) -> Protocol:
        faults = [
            f"{place} names {name!r}, which {where} does not declare{nearest(name, known)}"
            for place, names, where, known in self._names_used()
            for name in names
            if name not in known
        ]
        faults += impossible(self)
        if faults:
            raise ValueError("\n".join(faults))
        return self

    def _names_used(self) -> list[tuple[str, Sequence[str], str, Collection[str]]]:
        """Every place that refers to a name declared elsewhere."""
        predictors, models = self.cohort.predictors, self.model_names()
        acceptance = self.acceptance
        judged = [acceptance.model] if acceptance.model else []
        judged += [c.better_than.model for c in acceptance.criteria.values() if c.better_than and c.better_than.model]
        found: list[tuple[str, Sequence[str], str, Collection[str]]] = []
        if self.model.kind != "bundle":
            found.append(("evaluation.compare.reference", (self.evaluation.compare.reference,), "the model", models))
            found.append(("acceptance", judged, "the model", models))
        if isinstance(self.model, Estimators):
            for one in self.model.estimators:
                place = f"model.estimators ({one.name}).predictors"
                found.append((place, one.predictors or (), "cohort.predictors", predictors))
        if isinstance(self.model, PLNM):
            outlines, repro = self.cohort.outlines, self.model.reproducibility
            nomogram = self.model.nomogram.predictors
            clinical = nomogram if isinstance(nomogram, tuple) else ()
            found += [
                ("model.reproducibility.intra", repro.intra, "cohort.outlines", outlines),
                ("model.reproducibility.inter", repro.inter, "cohort.outlines", outlines),
                ("model.clinical.candidates", self.model.clinical.candidates or (), "cohort.predictors", predictors),
                ("model.nomogram.predictors", clinical, "cohort.predictors", predictors),
            ]
        return found

    def model_names(self) -> list[str]:
        """Every model that the protocol judges, by the names that predictions bear; none known for a bundle."""
        model = self.model
        if isinstance(model, PLNM):
            kinds = ("", "/frozen") if model.deep.frozen else ("",)
            deep = [f"deep/{name}{kind}" for name in model.deep.backbones for kind in kinds]
            branches = [f"{branch}/{name}" for branch in ("radiomics", "fusion") for name in model.classifiers.use]
            return ["radiomics", "fusion", "clinical", "nomogram", *deep, *branches]
        if isinstance(model, Estimators):
            return [one.name for one in model.estimators]
        return [one.name for one in model.columns] if isinstance(model, Predictions) else []

    @property
    def plnm(self) -> PLNM:
        """The settings of the PLNM model; InputError where the protocol declares another kind of model."""
        if not isinstance(self.model, PLNM):
            raise InputError(f"protocol {self.protocol.name!r} declares a model of kind {self.model.kind!r}, not plnm")
        return self.model

    @property
    def cross_fits(self) -> bool:
        """Whether anything declared needs predictions of training patients by fits that did not see them."""
        thresholds, model = self.evaluation.thresholds, self.model
        operating = thresholds.choose == "youden" and thresholds.on == "training-cross-fitted"
        if isinstance(model, PLNM):
            return operating or model.nomogram.fusion_score == "cross-fitted"
        if isinstance(model, Estimators):
            return operating or any(one.recalibrate != "none" for one in model.estimators)
        return False

    @property
    def looks(self) -> bool:
        """Whether held-out outcomes are opened while the model is fitted, as the protocol says."""
        selects = isinstance(self.model, PLNM | Estimators) and "selection" in self.model.before_split
        return selects or self.chooses_by_held_out

    @property
    def chooses_by_held_out(self) -> bool:
        """Whether a network or a classifier is chosen by its AUC on held-out patients."""
        model = self.model
        return isinstance(model, PLNM) and "held-out auc" in (model.deep.choose, model.classifiers.choose)

    @property
    def copies(self) -> int:
        """How many completed copies of the predictors every split is fitted on; 1 without multiple imputation."""
        several = self.cohort.missing == "impute" and self.imputation.method == "iterative"
        return self.imputation.copies if several else 1

    def to_dict(self) -> dict[str, Any]:
        """Every setting, defaults written out, as plain JSON types."""
        return self.model_dump(mode="json", by_alias=True)

    def canonical(self) -> str:
        """Canonical JSON: sorted keys, no white space, defaults written out."""
        return json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)

    def digest(self) -> str:
        """SHA-256 of the canonical form, 64 hexadecimal digits."""
        return hashlib.sha256(self.canonical().encode()).hexdigest()


def read_protocol(path: str | Path, overrides: Sequence[str] = ()) -> Protocol:
    """Read a protocol from a TOML file, or a shipped one by its name, and apply overrides.

    path : a file, or the name of a shipped protocol such as "plnm-quick"
    overrides : "section.key=value" with the value in TOML's notation (a bare word is taken as text)
    Raises ProtocolError with every fault found.
    """
    return parse_protocol(source_of(path), source=str(path), overrides=overrides)


def source_of(path: str | Path) -> str:
    """The text of a protocol: of a file, or of a shipped one by its name."""
    file = Path(path)
    shipped = shipped_protocols()
    if not file.is_file() and str(path) in shipped:
        file = shipped[str(path)]
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ProtocolError(str(path), [f"not UTF-8 text (byte {error.start}); save the file as UTF-8"]) from error
    except OSError as error:
        hint = f"; shipped protocols: {', '.join(sorted(shipped))}" if shipped else ""
        raise InputError(f"no protocol file at {path}{hint}") from error


def parse_protocol(text: str, *, source: str = "protocol", overrides: Sequence[str] = ()) -> Protocol:
    """A protocol from TOML text; see `read_protocol`."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProtocolError(source, [f"not valid TOML: {error}"]) from error
    for override in overrides:
        _apply(data, override)
    try:
        return Protocol.model_validate(data)
    except ValidationError as error:
        faults = [line for detail in error.errors(include_url=False) for line in explain(detail, data, Protocol)]
        raise ProtocolError(source, faults) from error


def shipped_protocols() -> dict[str, Path]:
    """Name to file of the protocols that come with validkit, beside the package or inside it."""
    package = Path(__file__).resolve().parent
    for folder in (package / "protocols", package.parent / "protocols"):
        if folder.is_dir():
            return {file.stem: file for file in sorted(folder.glob("*.toml"))}
    return {}


def _apply(data: dict[str, Any], override: str) -> None:
    """Set one dotted key of the document."""
    key, equals, value = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise InputError(f"an override reads section.key=value, for example model.deep.epochs=2; got {override!r}")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value.strip()
    place: Any = data
    for part in parts[:-1]:
        place = place.setdefault(part, {}) if isinstance(place, dict) else None
        if not isinstance(place, dict):
            raise InputError(f"override {override!r}: {part!r} is not a section of the protocol")
    place[parts[-1]] = parsed
