"""What the answers in a terminal are made of: the subject in bold, numbers with their intervals, what to beware of.

Text from records is cleaned and never read as markup.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from rich.console import Console, Group, OverflowMethod, RenderableType
from rich.text import Text

from validkit.report import text

LINE = 110
"""characters of a warning"""
MOST = 5
"""warnings that are printed"""


def answer(*parts: RenderableType | None) -> Group:
    """The parts that there are, one under the other."""
    return Group(*(part for part in parts if part is not None))


def simulated() -> Text:
    """That nobody was examined."""
    return Text(
        " SYNTHETIC  simulated patients; nothing here says how the model performs in people ", "black on yellow"
    )


def about(title: str, sizes: str = "") -> Text:
    """Whom or what the answer is about."""
    return Text(f"{text.clean(title)} ({sizes})" if sizes else text.clean(title), "bold")


def fact(words: str) -> Text:
    """A line under the subject."""
    return Text(f"  {text.clean(words)}")


def aside(words: str) -> Text:
    """How numbers were made."""
    return Text(f"  {text.clean(words)}", "dim")


def numbers(rows: Sequence[Sequence[str]]) -> Group:
    """Measures one under the other: name, value in bold, interval, and how it was made, as far as the line takes it."""
    return columns(rows, ("", "bold", "", "dim"))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Group:
    """Models or measures one under the other, under heads; no number is ever cut."""
    first, *others = columns([head, *rows], [""] * len(head), overflow="ignore").renderables
    assert isinstance(first, Text)
    first.stylize("dim")
    return Group(first, *others)


def columns(rows: Sequence[Sequence[str]], styles: Sequence[str], *, overflow: OverflowMethod = "ellipsis") -> Group:
    """Rows of cells under each other; styles : of each column."""
    cells = [[f"  {text.clean(row[0])}", *map(text.clean, row[1:])] for row in rows]
    widths = [max(map(cell_len, column)) + 2 for column in zip(*cells, strict=True)]
    shown = []
    for row in cells:
        line = Text(no_wrap=True, overflow=overflow)
        for cell, width, style in zip(row[:-1], widths, styles, strict=False):
            line.append(set_cell_size(cell, width), style)
        shown.append(line.append(row[-1], styles[len(row) - 1]))
    return Group(*shown)


def beware(words: str, kind: str = "") -> Text:
    """A warning; kind : what is printed in red before it, such as "fails"."""
    return Text.assemble(("! ", "bold yellow"), (f"{kind}: " if kind else "", "bold red"), (words, "yellow"))


def accepted(words: str, state: str) -> Text:
    """Whether what was asked for ahead was shown; a warning unless all of it was. Both of `acceptance`."""
    return fact(words) if state == "good" else beware(text.clean(words))


def short(words: str) -> str:
    """As much of the words as the line takes."""
    return textwrap.shorten(text.clean(words), LINE, placeholder=" ...")


def in_short(title: str, words: str = "") -> str:
    """A title whole, and as much of the words as the line still takes."""
    title, words = text.clean(title), text.clean(words)
    whole = f"{title}: {words}" if words else title
    return textwrap.shorten(whole, max(LINE, len(title) + 5), placeholder=" ...")


def bewares(found: Sequence[Text], more: str, most: int = MOST) -> list[Text]:
    """The first warnings, and how many more there are; more : where these are to be read."""
    rest = len(found) - most
    shown = list(found[:most])
    return [*shown, Text(f"! and {rest} more {more}", "yellow")] if rest > 0 else shown


def where(words: str) -> Text:
    """Where the whole of it lies."""
    return Text(text.clean(words), "bold", no_wrap=True, overflow="ignore")


def show(console: Console, found: RenderableType) -> None:
    """Print an answer; a path is never broken."""
    console.print(found, crop=False)
