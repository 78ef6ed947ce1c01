"""Which leakage sentinels stand guard, and how much work they may make."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from validkit.sections.base import Fraction, Section, tuples

Sentinel = Literal[
    "duplicates",
    "near-duplicates",
    "proxies",
    "burnt-in",
    "permuted-outcome",
    "held-out-invariance",
    "no-signal",
    "before-split",
    "held-out-choice",
    "resubstitution",
]


class Sentinels(Section):
    """Run with `--sentinels`, or always where `run` names some."""

    run: tuple[Sentinel, ...] = ()
    permutations: Annotated[int, Field(ge=1, le=10_000)] = 5
    """how often the whole procedure is repeated with permuted outcomes, and without signal"""
    alpha: Fraction = 0.01
    """the chance that a sentinel fires where nothing leaks"""

    @model_validator(mode="before")
    @classmethod
    def _lists_are_tuples(cls, data: Any) -> Any:
        return tuples(data, "run")
