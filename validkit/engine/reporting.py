"""What map_tasks tells about its progress, and to whom."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


class Reporter(Protocol):
    """What shows progress: a bar on a terminal, lines in a log, or nothing."""

    def work(self, label: str, total: int) -> AbstractContextManager[Callable[[], None]]:
        """A context for `total` units of work; the callable it yields is called once per finished unit."""
        ...

    def say(self, text: str) -> None:
        """One line about what is going on."""
        ...


class Silent:
    """A reporter that shows nothing."""

    def work(self, label: str, total: int) -> AbstractContextManager[Callable[[], None]]:
        """Yield a callable that does nothing."""
        return nullcontext(lambda: None)

    def say(self, text: str) -> None:
        """Say nothing."""
