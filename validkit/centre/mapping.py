"""map.toml: what a centre calls what a locked model needs. Its files stay as they are."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from validkit.bundle import Locked
from validkit.errors import InputError
from validkit.sections import Outcome, Section
from validkit.sections.base import tuples
from validkit.wording import explain, nearest

__all__ = ["MAP", "CentreMap", "cohort_section", "home_map", "read_map"]

MAP = "map.toml"
"""its name beside cohort.csv, where it is looked for"""
Cells = tuple[str, ...]


class MappedOutcome(Section):
    """column; event, none : the cells that say that the event happened and that it did not; 1 and 0 without them."""

    column: str
    event: Cells = ()
    none: Cells = ()

    @model_validator(mode="before")
    @classmethod
    def _lists_are_tuples(cls, data: Any) -> Any:
        return tuples(data, "event", "none")

    @model_validator(mode="after")
    def _both_or_neither(self) -> MappedOutcome:
        if bool(self.event) != bool(self.none):
            raise ValueError("`event` and `none` belong together: name the cells of both, or of neither for 1 and 0")
        return self


class MappedPredictor(Section):
    """column : its name here; unit : here; codes : cell to level at home, "" for no value

    missing : cells that mean no value; absent : this centre has no such column
    """

    column: str = ""
    unit: str = ""
    missing: Cells = ()
    codes: dict[str, str] = Field(default_factory=dict)
    absent: bool = False

    @model_validator(mode="before")
    @classmethod
    def _lists_are_tuples(cls, data: Any) -> Any:
        return tuples(data, "missing")


class CentreMap(Section):
    """map.toml. accept : findings of the check of this centre that somebody has looked at and found harmless.

    The other names are those of a protocol's [cohort]; `outline` is the column of the one outline that is measured.
    """

    patient: str = "patient_id"
    outcome: MappedOutcome
    image: str = "image"
    outline: str = "mask"
    site: str | None = None
    group: str | None = None
    date: str | None = None
    device: str | None = None
    mask_alignment: Literal["index", "physical"] | None = None
    outline_label: Annotated[int, Field(ge=1, le=65535)] | None = None
    colour: Literal["refuse", "luminance"] = "refuse"
    pieces: Literal["refuse", "largest"] = "refuse"
    border: Literal["refuse", "allow"] = "refuse"
    missing: Literal["refuse", "exclude", "impute"] | None = None
    accept: Cells = ()
    predictors: dict[str, MappedPredictor] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _lists_are_tuples(cls, data: Any) -> Any:
        return tuples(data, "accept")


def read_map(path: Path, locked: Locked) -> CentreMap:
    """The map in a file, held against the model: a predictor that the model does not have is an InputError."""
    try:
        text = path.read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except OSError as error:
        raise InputError(f"the map {path} cannot be read: {error.strerror or error}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"{path}: not valid TOML: {error}") from error
    try:
        found = CentreMap.model_validate(data)
    except ValidationError as error:
        faults = [line for detail in error.errors(include_url=False) for line in explain(detail, data, CentreMap)]
        raise InputError("\n".join([f"{path}: cannot be read:", *(f"  - {fault}" for fault in faults)])) from error
    known = list(locked.manifest.predictors)
    for name in found.predictors:
        if name not in known:
            raise InputError(f"{path}: predictors.{name}: the model has no such predictor{nearest(name, known)}")
    return found


def home_map(locked: Locked) -> CentreMap:
    """The map of a centre that calls everything as the developing one does."""
    home = locked.protocol.cohort
    return CentreMap(
        patient=home.patient,
        outcome=_home_outcome(home.outcome),
        image=home.image,
        outline=next(iter(home.outlines.values()), "mask"),
        border=home.border,
        colour=home.colour,
        pieces=home.pieces,
    )


def _home_outcome(home: Outcome) -> MappedOutcome:
    if home.event == 1 and not home.codes:
        return MappedOutcome(column=home.column)
    codes = home.codes or {"0": 0, "1": 1}
    event = tuple(cell for cell, value in codes.items() if value == home.event)
    return MappedOutcome(column=home.column, event=event, none=tuple(cell for cell in codes if cell not in event))


def cohort_section(locked: Locked, centre: CentreMap) -> dict[str, Any]:
    """The [cohort] section of this centre's protocol: what the model needs, in the centre's own names."""
    told, home = locked.manifest, locked.protocol.cohort
    images = told.images is not None
    section: dict[str, Any] = {
        "kind": "images" if images else "table",
        "patient": centre.patient,
        "outcome": {"column": centre.outcome.column, "event": 1, **told.outcome},
        "missing": centre.missing or ("impute" if home.missing == "impute" else "refuse"),
    }
    if centre.outcome.event:
        section["outcome"]["codes"] = {
            **dict.fromkeys(centre.outcome.event, 1),
            **dict.fromkeys(centre.outcome.none, 0),
        }
    section |= {role: getattr(centre, role) for role in ("site", "group", "date", "device") if getattr(centre, role)}
    if images:
        section |= {"image": centre.image, "outlines": {"reader": centre.outline}}
        section |= {key: getattr(centre, key) for key in ("colour", "pieces", "border")}
        alignment = centre.mask_alignment or home.mask_alignment
        section |= {"mask_alignment": alignment} if alignment else {}
        section |= {"outline_label": centre.outline_label} if centre.outline_label else {}
    section["predictors"] = {name: _predictor(locked, name, centre.predictors.get(name)) for name in locked.needs}
    return section


def _predictor(locked: Locked, name: str, mapped: MappedPredictor | None) -> dict[str, Any]:
    told, home = locked.manifest.predictors[name], locked.protocol.cohort.predictors[name]
    section: dict[str, Any] = {"kind": told.kind, "label": told.label, "unit": told.unit}
    section |= {"levels": list(told.levels)} if told.levels else {}
    section |= {"range": list(home.range)} if home.range else {}
    if mapped is None:
        return section
    section |= {"column": mapped.column} if mapped.column not in ("", name) else {}
    section |= {"column_unit": mapped.unit} if mapped.unit and mapped.unit != told.unit else {}
    section |= {"codes": mapped.codes} if mapped.codes else {}
    section |= {"missing_codes": list(mapped.missing)} if mapped.missing else {}
    return section | ({"absent": True} if mapped.absent else {})
