"""A declared protocol: strict, frozen, read from TOML, with a digest.

A protocol is one page in the field's words. Unknown keys, wrong types and impossible
combinations are refused together, each with its place and, where one is near, the valid name.
The digest is the SHA-256 of the protocol's canonical JSON (sorted keys, every default written
out), so comments, key order and white space do not matter.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import tomllib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError, model_validator
from pydantic_core import ErrorDetails

from validkit.errors import InputError
from validkit.sections import CohortSpec, Design, Evaluation, Header, Model, Section

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
    design: Design = Design()
    model: Model
    evaluation: Evaluation = Evaluation()

    @model_validator(mode="after")
    def _names_agree(self) -> Protocol:
        faults = [
            f"{place} names {name!r}, which {where} does not declare{_nearest(name, known)}"
            for place, names, where, known in self._names_used()
            for name in names
            if name not in known
        ]
        if faults:
            raise ValueError("\n".join(faults))
        return self

    def _names_used(self) -> list[tuple[str, Sequence[str], str, Collection[str]]]:
        """Every place that refers to a name declared elsewhere."""
        outlines, predictors = self.cohort.outlines, self.cohort.predictors
        repro, nomogram = self.model.reproducibility, self.model.nomogram.predictors
        deep = [f"deep/{name}" for name in self.model.deep.backbones]
        branches = [f"{branch}/{name}" for branch in ("radiomics", "fusion") for name in self.model.classifiers.use]
        models = ["radiomics", "fusion", "clinical", "nomogram", *deep, *branches]
        return [
            ("model.reproducibility.intra", repro.intra, "cohort.outlines", outlines),
            ("model.reproducibility.inter", repro.inter, "cohort.outlines", outlines),
            ("model.clinical.candidates", self.model.clinical.candidates or (), "cohort.predictors", predictors),
            (
                "model.nomogram.predictors",
                nomogram if isinstance(nomogram, tuple) else (),
                "cohort.predictors",
                predictors,
            ),
            ("evaluation.compare.reference", (self.evaluation.compare.reference,), "the model", models),
        ]

    @property
    def cross_fits(self) -> bool:
        """Whether anything declared needs predictions of training patients by fits that did not see them."""
        score, threshold = self.model.nomogram.fusion_score, self.evaluation.thresholds.on
        return score == "cross-fitted" or threshold == "training-cross-fitted"

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
        faults = [line for detail in error.errors(include_url=False) for line in _explain(detail, data)]
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


def _explain(detail: ErrorDetails, data: Mapping[str, Any]) -> list[str]:
    """One validation error in the protocol's own words, with its place and the mend."""
    steps = tuple(step for step in detail["loc"] if not _is_tag(step))
    place = _dotted(steps) or "the protocol"
    kind, value = detail["type"], detail["input"]
    if kind == "extra_forbidden":
        known = _keys_at(detail["loc"][:-1])
        return [f"{place}: unknown key{_nearest(str(detail['loc'][-1]), known)}"]
    if kind == "missing":
        return [f"{place}: required, but not there"]
    if kind == "value_error":
        message = detail["msg"].removeprefix("Value error, ")
        prefix = "" if place == "the protocol" else f"{place}: "
        return [f"{prefix}{line}" for line in message.splitlines()]
    if kind == "literal_error":
        expected = detail["ctx"]["expected"]
        options = [option.strip("' ") for option in expected.replace(" or ", ", ").split(", ")]
        return [f"{place}: got {value!r}, expected {expected}{_nearest(str(value), options, list_known=False)}"]
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        expected = str(detail.get("ctx", {}).get("expected_tags", "mann-whitney, spearman, lasso"))
        return [f"{place}: `method` must be one of {expected}; got {value!r}"]
    shown = "" if isinstance(value, dict) else f"; got {value!r}"
    message = detail["msg"].removeprefix("Input ")
    return [f"{place}: {message}{shown}"]


def _is_tag(step: int | str) -> bool:
    """Pydantic names a tagged union's branch in the path; a reader of the file sees no such step."""
    return step in ("mann-whitney", "spearman", "lasso") or (isinstance(step, str) and ("[" in step or step == "str"))


def _dotted(steps: Sequence[int | str]) -> str:
    text = ""
    for step in steps:
        text += f"[{step + 1}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def _keys_at(steps: Sequence[int | str]) -> list[str]:
    """The keys that the section at this place knows, found by walking the declared types."""
    annotation: Any = Protocol
    for step in steps:
        branches = _models_in(annotation)
        if isinstance(step, int):
            continue
        found = [
            info.annotation
            for model in branches
            for name, info in model.model_fields.items()
            if step in (name, info.alias)
        ]
        if found:
            annotation = found[0]
        elif _is_tag(step):
            annotation = next(m for m in branches if step in get_args(m.model_fields["method"].annotation))
        # otherwise the step is a key of a table of named sections, whose values have the same type
    return sorted({info.alias or name for model in _models_in(annotation) for name, info in model.model_fields.items()})


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """The section types inside a type: optional, listed, in a table of names, or one of several."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (Union, UnionType, tuple, dict) or get_args(annotation):
        return [model for part in get_args(annotation) for model in _models_in(part)]
    return []


def _nearest(name: str, known: Collection[str], *, list_known: bool = True) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known: {', '.join(sorted(known)) or 'none'}" if list_known else ""
