"""What a leakage sentinel found, and which sentinels there are."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

import numpy as np

from validkit.errors import InputError

Outcome = Literal["pass", "fail", "not applicable"]
Needs = Literal["data", "refits", "records"]

MOST_CASES = 20
"""most cases of one kind that the evidence lists; the count is always given in full"""


@dataclass(frozen=True)
class Sentinel:
    """One check for leakage.

    needs : "data" (cohort and splits), "refits" (the model fitted again) or "records" (what the run wrote)
    outcomes : whether it looks at held-out outcomes, so that it must wait until they are opened
    """

    code: str
    question: str
    needs: Needs
    outcomes: bool = True


_ALL = (
    Sentinel("duplicates", "Is one patient, or one image, on both sides of a split?", "data", False),
    Sentinel("near-duplicates", "Is one image, altered, on both sides of a split?", "data", False),
    Sentinel("proxies", "Does a column that is no finding of the patient predict the outcome by itself?", "data"),
    Sentinel("burnt-in", "Do marks outside the lesion, such as text or a border, predict the outcome?", "data"),
    Sentinel("permuted-outcome", "Does the whole procedure find nothing where outcomes are permuted?", "refits", False),
    Sentinel(
        "held-out-invariance", "Does the fitted model stay the same, bit by bit, whatever is held out?", "refits", False
    ),
    Sentinel("no-signal", "Does the whole procedure find nothing where predictors are noise?", "refits"),
    Sentinel("before-split", "Was anything learnt before the split, and how much did that gain?", "refits"),
    Sentinel("held-out-choice", "Was anything chosen by looking at held-out patients?", "records"),
    Sentinel("resubstitution", "Are predictions judged on patients that their model was fitted to?", "records"),
)
SENTINELS: dict[str, Sentinel] = {one.code: one for one in _ALL}
"""Every sentinel by its code."""


@dataclass(frozen=True)
class Finding:
    """The answer of one sentinel.

    outcome : "pass", "fail" or "not applicable"
    why : what was found, in a sentence; for "not applicable" the reason
    evidence : plain JSON: numbers with their intervals, n, and the worst cases by patient id
    advice : what to do next
    method : how it was judged, with its reference
    """

    code: str
    question: str
    outcome: Outcome
    why: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    advice: str = ""
    method: str = ""

    def __post_init__(self) -> None:
        if self.code not in SENTINELS:
            raise InputError(f"there is no sentinel {self.code!r}; known: {', '.join(SENTINELS)}")
        if self.outcome not in get_args(Outcome):
            raise InputError(f"`outcome` must be one of {', '.join(get_args(Outcome))}; got {self.outcome!r}")
        if not self.why:
            raise InputError(f"sentinel {self.code!r}: `why` is empty; say what was found or why it does not apply")
        object.__setattr__(self, "evidence", plain(dict(self.evidence)))
        json.dumps(self.evidence, allow_nan=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; an undefined number is null."""
        return asdict(self)


def finding(code: str, outcome: Outcome, why: str, **more: Any) -> Finding:
    """A finding of a registered sentinel, with its question."""
    return Finding(code, SENTINELS[code].question if code in SENTINELS else "", outcome, why, **more)


def plain(value: Any) -> Any:
    """The value in JSON's own types: NumPy numbers become numbers, NaN and infinity null, tuples and arrays lists."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return value


def chosen(only: Iterable[str] | None, needs: Needs) -> tuple[str, ...]:
    """Codes of the sentinels to run: all that need this, or those of `only`, refusing what is unknown."""
    codes = tuple(one.code for one in _ALL if one.needs == needs)
    if only is None:
        return codes
    asked = (only,) if isinstance(only, str) else tuple(only)
    for code in asked:
        if code not in SENTINELS:
            raise InputError(f"there is no sentinel {code!r}; known: {', '.join(SENTINELS)}")
    return tuple(code for code in codes if code in asked)
