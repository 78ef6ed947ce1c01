"""The catalogue of laws: what must be true of a metric, in a sentence, and how it is tried.

A law draws an example and says what is wrong with the metric's answers to it, or nothing. It applies to some kinds, and
only to metrics that promise what it needs; where it does not apply, it says why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis.strategies import SearchStrategy

from validkit.testing.subjects import Subject

__all__ = ["Law", "law_of"]

MEASURES = ("discrimination", "calibration", "overall", "classification", "utility")
COMPARISONS = ("comparison", "ranks comparison")
Examples = Callable[[Subject], SearchStrategy[Any]]
Broken = Callable[[Subject, Any], str]


@dataclass(frozen=True)
class Law:
    """name : kebab-case; sentence : what must be true, and of whom it protects

    kinds : to which it applies; examples : what it is tried on
    broken : what is wrong with the answers, "" where nothing is
    needs : why it does not apply to this metric, "" where it does
    """

    name: str
    sentence: str
    kinds: tuple[str, ...]
    examples: Examples
    broken: Broken
    needs: Callable[[Subject], str] = lambda subject: ""

    def does_not_apply(self, subject: Subject) -> str:
        """The reason, or nothing."""
        if subject.kind not in self.kinds:
            return f"a law of {', '.join(self.kinds)}"
        return self.needs(subject)


def law_of(
    name: str, sentence: str, kinds: tuple[str, ...], examples: Examples, needs: Callable[[Subject], str] | None = None
) -> Callable[[Broken], Law]:
    """A decorator that makes a law of the function that tells what is wrong."""

    def made(broken: Broken) -> Law:
        return Law(name, sentence, kinds, examples, broken, needs or (lambda subject: ""))

    return made
