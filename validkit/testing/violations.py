"""What a law says of what is under test, and what a broken one raises."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from validkit.errors import InputError
from validkit.wording import nearest

__all__ = ["Finding", "Findings", "LawViolation", "Outcome", "check_names"]

Outcome = Literal["pass", "fail", "not applicable"]


class LawViolation(AssertionError):
    """A law was broken; the message names it, says what it asks, and shows the smallest example found."""


@dataclass(frozen=True)
class Finding:
    """A law and its outcome; the message tells the counterexample of a failure, or why the law does not apply."""

    law: str
    outcome: Outcome
    message: str = ""


@dataclass(frozen=True)
class Findings:
    """What every law said of one subject."""

    subject: str
    findings: tuple[Finding, ...]

    @property
    def failed(self) -> tuple[Finding, ...]:
        """Findings of the laws that do not hold."""
        return tuple(one for one in self.findings if one.outcome == "fail")


def check_names(names: Iterable[str], known: Collection[str], kind: str = "law") -> None:
    """InputError for the first name that is not known, with the nearest one."""
    for name in names:
        if name not in known:
            raise InputError(f"there is no {kind} {name!r}{nearest(name, known)}")
