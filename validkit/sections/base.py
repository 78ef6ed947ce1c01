"""What every section of a protocol is made of: strict, frozen, lists kept as tuples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Fraction = Annotated[float, Field(gt=0.0, lt=1.0)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def tuples(data: Any, *names: str) -> Any:
    """TOML has lists; frozen sections hold tuples."""
    if not isinstance(data, Mapping):
        return data
    return {k: tuple(v) if k in names and isinstance(v, list) else v for k, v in data.items()}


class Section(BaseModel):
    """Base of every section: strict types, no unknown keys, no change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
