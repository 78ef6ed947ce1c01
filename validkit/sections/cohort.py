"""The roles of a cohort's columns."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from validkit.sections.base import Section, Seed, tuples


class Phantom(Section):
    """The synthetic cohort that is simulated when no --cohort is given."""

    phantom: Literal["plnm", "clinical", "predictions"] = "plnm"
    """"plnm": images, outlines and clinical columns; "clinical": the clinical columns alone; "predictions": these and
    risks predicted for each patient"""
    patients: Annotated[int, Field(ge=20, le=100_000)] = 421
    sites: Annotated[int, Field(ge=1, le=50)] = 1
    seed: Seed = 42
    missing: Annotated[float, Field(ge=0.0, le=0.8)] = 0.0
    """"clinical" only: the share of each predictor's values that is missing, at random given the diameter, which is
    always there"""

    @model_validator(mode="after")
    def _missing_fits_kind(self) -> Phantom:
        if self.missing and self.phantom != "clinical":
            raise ValueError(
                f'only the phantom "clinical" has missing values; got {self.phantom!r}: set `missing` to 0'
            )
        return self


class Outcome(Section):
    """column: name in cohort.csv; event: the value, 0 or 1, that means the event happened."""

    column: str
    codes: dict[str, Literal[0, 1]] = Field(default_factory=dict)
    """where the cells are no 0 and 1: the value of each, such as { malignant = 1, benign = 0 }"""
    event: Literal[0, 1] = 1
    positive: str = "event"
    negative: str = "no event"


_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+,(?![0-9]{3}$)[0-9]+")
"""1,5 and not 1,500, which may be fifteen hundred."""


def same_cell(one: str, other: str) -> bool:
    """Whether two cells say the same: as text, or as numbers, so that 0, 0.0 and 0,00 are one code."""
    if one.strip().casefold() == other.strip().casefold():
        return True
    number = cell_number(one)
    return number is not None and number == cell_number(other)


def cell_number(text: str) -> float | None:
    """The number in a cell, with a decimal point or a decimal comma; None where there is none."""
    try:
        return float(text)
    except ValueError:
        return float(text.strip().replace(",", ".")) if _DECIMAL_COMMA.fullmatch(text.strip()) else None


class Predictor(Section):
    """A clinical column: how to read it, its unit, and what it may hold."""

    kind: Literal["continuous", "ordinal", "categorical", "binary"]
    label: str = ""
    unit: str = ""
    range: tuple[float, float] | None = None
    levels: tuple[str, ...] = ()
    missing_codes: tuple[str, ...] = ()
    """cells that mean "no value" in this column, such as "0" or "-9"; compared as text and as numbers"""
    column: str = ""
    """its column in cohort.csv, where that has another name"""
    column_unit: str = ""
    """the column's unit, where it is another: values are converted to `unit`"""
    codes: dict[str, str] = Field(default_factory=dict)
    """what cells mean that are no level: the level of each, such as { 4a = "4", 4b = "4" }, or "" for no value"""
    absent: bool = False
    """the cohort has no such column: every value is missing, and filled in; `missing` must be "impute" """

    @model_validator(mode="before")
    @classmethod
    def _lists_are_tuples(cls, data: Any) -> Any:
        return tuples(data, "range", "levels", "missing_codes")

    @model_validator(mode="after")
    def _codes_are_no_values(self) -> Predictor:
        for code in self.missing_codes:
            if not code.strip():
                raise ValueError("an empty cell is missing anyway; remove the empty code from `missing_codes`")
            if any(same_cell(code, level) for level in self.levels):
                raise ValueError(f"{code!r} is declared both as a level and in `missing_codes`; keep it in one of them")
            if self.kind == "binary" and any(same_cell(code, value) for value in ("0", "1")):
                raise ValueError(f"{code!r} is a value of a binary predictor; remove it from `missing_codes`")
        return self

    @model_validator(mode="after")
    def _column_can_be_read(self) -> Predictor:
        if self.column_unit and not (self.kind == "continuous" and self.unit):
            raise ValueError("`column_unit` is converted to `unit`: declare it, of a continuous predictor, or neither")
        if self.codes and self.kind == "continuous":
            raise ValueError("a continuous predictor has no `codes`; cells that mean no value go into `missing_codes`")
        values = self.levels or ("0", "1")
        for cell, level in self.codes.items():
            if level and level not in values:
                raise ValueError(f"`codes` turns {cell!r} into {level!r}, which is none of {', '.join(values)}")
            if level != cell and any(same_cell(cell, value) for value in values):
                raise ValueError(f"`codes` turns {cell!r}, a value itself, into {level!r}")
        if self.absent and (self.column or self.column_unit or self.codes):
            raise ValueError("a predictor that is `absent` has neither `column` nor `column_unit` nor `codes`")
        return self

    @model_validator(mode="after")
    def _levels_fit_kind(self) -> Predictor:
        if self.kind in ("categorical", "ordinal") and len(self.levels) < 2:
            raise ValueError(f"a predictor of kind {self.kind!r} needs `levels`, at least two, in order")
        if self.kind in ("continuous", "binary") and self.levels:
            raise ValueError(f"a predictor of kind {self.kind!r} has no `levels`; remove them or declare the kind")
        if self.range is not None and not self.range[0] < self.range[1]:
            raise ValueError(f"`range` must be [low, high] with low < high; got {list(self.range)}")
        return self


class CohortSpec(Section):
    """Roles: which column of cohort.csv is what. A centre renames nothing in its files."""

    kind: Literal["images", "table"] = "images"
    """"table": clinical columns alone, no images"""
    default: Phantom | None = None
    patient: str = "patient_id"
    outcome: Outcome
    site: str | None = None
    group: str | None = None
    """rows with the same value belong together (lesions of one patient, twins): no split separates them"""
    date: str | None = None
    """day of the examination, YYYY-MM-DD"""
    device: str | None = None
    image: str = "image"
    outlines: dict[str, str] = Field(default_factory=dict)
    mask_alignment: Literal["index", "physical"] | None = None
    outline_label: Annotated[int, Field(ge=1, le=65535)] | None = None
    colour: Literal["refuse", "luminance"] = "refuse"
    pieces: Literal["refuse", "largest"] = "refuse"
    border: Literal["refuse", "allow"] = "refuse"
    missing: Literal["refuse", "exclude", "impute"] = "refuse"
    """a missing predictor: a fault; the patient is left out and listed; or it is filled in inside each split"""
    duplicates: Literal["refuse", "allow"] = "refuse"
    """"allow": patients with equal images are kept, with a note, and no split separates them"""
    predictors: dict[str, Predictor] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _roles_fit(self) -> CohortSpec:
        images = self.kind == "images"
        if images and not self.outlines:
            raise ValueError(
                '`outlines` must name at least one reader, for example { reader_a = "mask" }; a table without images '
                'is declared by kind = "table"'
            )
        if not images and self.outlines:
            raise ValueError('a cohort of kind "table" has no `outlines`; remove them, or declare kind = "images"')
        if images and self.default is not None and self.default.phantom != "plnm":
            raise ValueError(
                f"the phantom {self.default.phantom!r} has no images; "
                'declare the cohort as kind = "table", or take the phantom "plnm"'
            )
        used = [self.patient, self.outcome.column, *(one.column or name for name, one in self.predictors.items())]
        used += [self.image, *self.outlines.values()] if images else []
        used += [role for role in (self.site, self.group, self.date, self.device) if role]
        twice = sorted({name for name in used if used.count(name) > 1})
        if twice:
            raise ValueError(f"column {twice[0]!r} has two roles; give each column one role")
        absent = sorted(name for name, one in self.predictors.items() if one.absent)
        if absent and self.missing != "impute":
            raise ValueError(
                f'the predictor {absent[0]!r} is `absent`: every patient lacks it, which only missing = "impute" allows'
            )
        return self

    @property
    def primary(self) -> str:
        """The role of the outline the model is built on: the first declared."""
        return next(iter(self.outlines))
