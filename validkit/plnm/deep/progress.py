"""Progress through a `validkit.engine.Reporter`, or silence; imports nothing at run time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from validkit.engine import Reporter


def say(reporter: Reporter | None, text: str) -> None:
    """One line about what is going on."""
    if reporter is not None:
        reporter.say(text)


def work(reporter: Reporter | None, label: str, total: int) -> AbstractContextManager[Callable[[], None]]:
    """A context for `total` units of work; the callable it yields is called once per finished unit."""
    return nullcontext(lambda: None) if reporter is None else reporter.work(label, total)
