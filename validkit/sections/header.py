"""The protocol's name, question and seeds."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from validkit.sections.base import Section


class Seeds(Section):
    split: Annotated[int, Field(ge=0, lt=2**32)] = 42
    torch: Annotated[int, Field(ge=0, lt=2**32)] = 3407


class Header(Section):
    schema_: Annotated[Literal[1], Field(alias="schema")] = 1
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    question: str
    source: str = ""
    note: str = ""
    seed: Seeds = Seeds()
