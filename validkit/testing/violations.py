"""What a law says of what is under test, and what a broken one raises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding", "LawViolation", "Outcome"]

Outcome = Literal["pass", "fail", "not applicable"]


class LawViolation(AssertionError):
    """A law was broken; the message names it, says what it asks, and shows the smallest example found."""


@dataclass(frozen=True)
class Finding:
    """A law and its outcome; the message tells the counterexample of a failure, or why the law does not apply."""

    law: str
    outcome: Outcome
    message: str = ""
