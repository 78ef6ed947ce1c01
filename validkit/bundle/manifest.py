"""manifest.json: what a bundle holds and what it needs, how it was made, and how well its model did at home."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from validkit.bundle.case_mix import CaseMix
from validkit.sections import Section
from validkit.sections.base import Sha256

__all__ = ["Images", "Manifest", "Member", "ModelFacts", "Observed", "PredictorFacts", "ProtocolFacts", "unreadable"]

Count = Annotated[int, Field(ge=0)]


def unreadable(error: ValidationError) -> str:
    """The first fault of a record that is not as it should be, in a line."""
    first = error.errors(include_url=False)[0]
    place = ".".join(map(str, first["loc"]))
    return f"{error.title} cannot be read: {f'{place}: ' if place else ''}{first['msg']}"


class Member(Section):
    """One member; training_rows : whether it holds rows of training patients."""

    bytes: Count
    sha256: Sha256
    training_rows: bool = False


class Observed(Section):
    """What training patients had: lowest and highest value, or the levels that occurred; `missing` of `n` had none."""

    n: Count
    missing: Count
    low: float | None = None
    high: float | None = None
    levels: tuple[str, ...] = ()


class PredictorFacts(Section):
    """A clinical column as the protocol declares it; needed : whether the model looks at it."""

    kind: Literal["continuous", "ordinal", "categorical", "binary"]
    label: str
    unit: str
    levels: tuple[str, ...]
    needed: bool
    observed: Observed


class Images(Section):
    """How images are measured and cut, and what those of training patients were like."""

    image_size: int
    margin: float
    preset: str
    bin_width: float | None
    bin_count: int | None
    features: tuple[str, ...]
    observed: dict[str, Observed]


class ProtocolFacts(Section):
    """Of the protocol under which the model was fitted; protocol.json holds it whole."""

    name: str
    question: str
    digest: Sha256


class ModelFacts(Section):
    """One of the models, as a report names it."""

    name: str
    label: str
    family: str
    classifier: str | None
    backbone: str | None
    chosen: bool


class Training(Section):
    """The patients that the locked fit saw."""

    n: Count
    events: Count
    split: str


class Manifest(Section):
    """manifest.json.

    cohort : digest; copies : completed copies of the predictors, each with a fit of its own
    thresholds : operating threshold of each model, as chosen on training patients
    performance : of each model on `performance_on`, a set of evaluation.json; undefined numbers are null
    left_out : models of the protocol that stayed at home, and why
    case_mix : how the patients of development were spread, in moments and quantiles
    reference : how many reference cases there are; updates : steps of its lineage
    Format 1 had neither of the last two; format 2 did not tell how a decision curve ran and how features go together.
    """

    format: Literal[1, 2, 3]
    kind: Literal["plnm", "estimators"]
    versions: dict[str, str]
    protocol: ProtocolFacts
    cohort: Sha256
    synthetic: bool
    outcome: dict[str, str]
    training: Training
    predictors: dict[str, PredictorFacts]
    images: Images | None
    models: tuple[ModelFacts, ...]
    chosen: dict[str, str]
    copies: Annotated[int, Field(ge=1, le=1000)]
    thresholds: dict[str, Annotated[float, Field(ge=0.0, le=1.0)]]
    performance_on: str
    performance: dict[str, dict[str, Any]]
    left_out: dict[str, str]
    case_mix: CaseMix | None = None
    reference: Count = 0
    updates: Count = 0
    members: dict[str, Member]

    @model_validator(mode="after")
    def _of_its_format(self) -> Manifest:
        if self.format == 1 and (self.case_mix is not None or self.reference):
            raise ValueError("a bundle of format 1 has neither `case_mix` nor `reference`")
        if self.format < 3 and self.updates:
            raise ValueError(f"a bundle of format {self.format} has no `updates`")
        return self

    @property
    def needs(self) -> tuple[str, ...]:
        """Clinical columns that the model looks at."""
        return tuple(name for name, facts in self.predictors.items() if facts.needed)

    @property
    def training_rows(self) -> tuple[str, ...]:
        """Members that hold rows of training patients."""
        return tuple(name for name, member in self.members.items() if member.training_rows)
