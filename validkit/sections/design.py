"""How patients are split: the design of the validation."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from validkit.sections.base import Fraction, Section, tuples

Stratify = Literal["outcome", "none"]
Folds = Annotated[int, Field(ge=2, le=1000)]
Repeats = Annotated[int, Field(ge=1, le=1000)]


class Holdout(Section):
    """Some patients are held out once: at random, the latest ones, or those of some devices.

    Groups of patients that belong together (`cohort.group`, equal images) stay on one side.
    """

    kind: Literal["holdout"] = "holdout"
    by: Literal["random", "date", "device"] = "random"
    test: Fraction = 0.30
    """the share held out; with `by = "date"` the latest patients, unless `since` gives a date"""
    stratify: Stratify = "outcome"
    since: str | None = None
    """with `by = "date"`: patients from this day on are held out, YYYY-MM-DD"""
    held_out: tuple[str, ...] = ()
    """with `by = "device"`: the devices whose patients are held out"""
    final: ClassVar[bool] = False
    repeats: ClassVar[int] = 1

    @model_validator(mode="before")
    @classmethod
    def _lists_are_tuples(cls, data: Any) -> Any:
        return tuples(data, "held_out")

    @model_validator(mode="after")
    def _rule_has_what_it_needs(self) -> Holdout:
        if self.by == "device" and not self.held_out:
            raise ValueError('by = "device" needs `held_out`, the devices that are held out, as the column names them')
        if self.by != "device" and self.held_out:
            raise ValueError('`held_out` belongs to by = "device"; remove it or declare by')
        if self.by != "date" and self.since is not None:
            raise ValueError('`since` belongs to by = "date"; remove it or declare by')
        if self.since is not None:
            try:
                datetime.date.fromisoformat(self.since)
            except ValueError as error:
                raise ValueError(f"`since` must be a day, YYYY-MM-DD; got {self.since!r}") from error
        return self


class KFold(Section):
    """Every patient is held out once."""

    kind: Literal["kfold"]
    folds: Folds = 5
    stratify: Stratify = "outcome"
    final: bool = True
    """whether the model is fitted to all patients as well: what would be used, and what the report's stages show"""
    repeats: ClassVar[int] = 1


class RepeatedKFold(Section):
    """Every patient is held out once in each repeat."""

    kind: Literal["repeated-kfold"]
    folds: Folds = 5
    repeats: Repeats = 10
    stratify: Stratify = "outcome"
    final: bool = True


class Nested(Section):
    """Folds outside, and inside each of them every choice made again by cross-validation on its training patients.

    The inner folds are those of `model.cross_fitting` (network, threshold, Platt scaling) and of the classifiers'
    search.
    """

    kind: Literal["nested"]
    folds: Folds = 5
    repeats: Repeats = 1
    stratify: Stratify = "outcome"
    final: bool = True


class BootstrapDesign(Section):
    """The whole model is fitted again in every resample: optimism, .632, .632+."""

    kind: Literal["bootstrap"]
    resamples: Annotated[int, Field(ge=2, le=100_000)] = 200
    stratify: Stratify = "none"
    final: ClassVar[bool] = True
    repeats: ClassVar[int] = 1


class InternalExternal(Section):
    """Each site is left out in turn, and the sites are pooled by random effects."""

    kind: Literal["internal-external"]
    smallest: Annotated[int, Field(ge=1)] = 1
    """patients of each outcome that a site needs to be judged on its own; smaller sites are still left out in turn"""
    final: bool = True
    repeats: ClassVar[int] = 1


class External(Section):
    """A locked model on patients it has never seen; nothing is fitted."""

    kind: Literal["external"]
    final: ClassVar[bool] = False
    repeats: ClassVar[int] = 1


class AsGiven(Section):
    """Predictions made elsewhere, judged as they are; nothing is fitted."""

    kind: Literal["as-given"]
    final: ClassVar[bool] = False
    repeats: ClassVar[int] = 1


Design = Annotated[
    Holdout | KFold | RepeatedKFold | Nested | BootstrapDesign | InternalExternal | External | AsGiven,
    Field(discriminator="kind"),
]
