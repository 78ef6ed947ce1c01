"""Progress on a terminal: bars with remaining time; plain lines where the output is a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text


class Terminal:
    """Shows progress with rich; a Reporter of `validkit.engine`."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.start = time.monotonic()

    def say(self, text: str) -> None:
        """One line, with the minutes since the start."""
        minutes, seconds = divmod(int(time.monotonic() - self.start), 60)
        self.console.print(Text.assemble((f"{minutes:3d}:{seconds:02d}", "dim"), f"  {text}"))

    @contextmanager
    def work(self, label: str, total: int) -> Iterator[Callable[[], None]]:
        """A bar for `total` units of work; call what it yields once per finished unit."""
        columns = (
            TextColumn("       {task.description}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        if not self.console.is_terminal:
            with self._lines(label, total) as finished:
                yield finished
            return
        with Progress(*columns, console=self.console, transient=True) as progress:
            task = progress.add_task(escape(label), total=total)
            yield lambda: progress.advance(task)

    @contextmanager
    def _lines(self, label: str, total: int) -> Iterator[Callable[[], None]]:
        """A line at each quarter of the work."""
        done = 0
        begun = time.monotonic()

        def finished() -> None:
            nonlocal done
            done += 1
            if total >= 4 and done < total and (4 * done) // total > (4 * (done - 1)) // total:
                left = (time.monotonic() - begun) / done * (total - done)
                self.say(f"  {label}: {done} of {total}, about {left:.0f} s left")

        yield finished
