"""What a page is made of: blocks of finished text, tables and figures, ready for the template."""

from __future__ import annotations

import string
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from markupsafe import Markup

from validkit.report import text
from validkit.report.figures.base import Plate
from validkit.report.records import NotAvailable
from validkit.report.values import Estimate


@dataclass(frozen=True)
class Cell:
    """A table cell: text, a smaller second line, a tooltip, and a note that becomes a footnote.

    rows : how many rows it spans; head : it names its row; level : it names a level of the row above;
    wide : it holds a sentence, which a narrow screen shall not break into a column of words
    """

    text: str
    sub: str = ""
    title: str = ""
    note: str = ""
    numeric: bool = False
    rows: int = 1
    head: bool = False
    mark: str = ""
    level: bool = False
    wide: bool = False


@dataclass(frozen=True)
class Table:
    """A table with its footnotes. A None in a row lies under a cell that spans rows."""

    kind: ClassVar[str] = "table"
    title: str
    columns: tuple[Cell, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    footnotes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    kind: ClassVar[str] = "text"
    text: str


@dataclass(frozen=True)
class Notice:
    """A remark that must not be overlooked: severity "note" or "warning"."""

    kind: ClassVar[str] = "notice"
    severity: str
    title: str
    text: str


@dataclass(frozen=True)
class Facts:
    """Terms and what they are."""

    kind: ClassVar[str] = "facts"
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Listing:
    """Sentences, one a line."""

    kind: ClassVar[str] = "list"
    items: tuple[str, ...]


@dataclass(frozen=True)
class Missing:
    """Something the reader expects here and why it is not here."""

    kind: ClassVar[str] = "missing"
    title: str
    reason: str


@dataclass(frozen=True)
class FigureBlock:
    """A figure of the catalogue; its pictures are looked up by the plate's name."""

    kind: ClassVar[str] = "figure"
    plate: Plate


@dataclass(frozen=True)
class Widget:
    """Fields that the page's script makes from data, and computes with.

    name : which of the script's builders; json : the data, with no character that could end its element
    without : said where no script runs
    """

    kind: ClassVar[str] = "widget"
    name: str
    title: str
    json: Markup
    without: str


@dataclass(frozen=True)
class Details:
    """Blocks that open on demand, and always in print."""

    kind: ClassVar[str] = "details"
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Card:
    """A headline number: what it is, the value, its interval, what stands behind it.

    tag : on which patients; sites : its mean over sites and its range at a new one
    """

    label: str
    value: str
    interval: str
    behind: str
    note: str = ""
    tag: str = ""
    sites: str = ""


@dataclass(frozen=True)
class Criterion:
    """Something that was asked for ahead, and what came of it: "met", "not met", "undecided" or "not applicable"."""

    words: str
    outcome: str


@dataclass(frozen=True)
class Answer:
    """What stands on the first screen, whatever the page is about.

    state : of the verdict, "good", "bad", "open" or "none" (nothing was asked for ahead)
    facts : of whom, and how binding it was; beware : titles of what must not be overlooked, which stands below
    card : the number that answers; plate : the name of the pictures beside it, "" for none; reason : why no number
    """

    sentence: str
    verdict: str
    state: str
    criteria: tuple[Criterion, ...] = ()
    facts: tuple[str, ...] = ()
    beware: tuple[str, ...] = ()
    card: Card | None = None
    plate: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Section:
    """A chapter of the page."""

    anchor: str
    title: str
    blocks: tuple[Block, ...]


Row = Sequence[Cell | str]
Block = Table | Text | Notice | Facts | Listing | Missing | FigureBlock | Details | Widget


def attempt(title: str, build: Callable[[], Iterable[Block]]) -> list[Block]:
    """The blocks, or one that says why they are not available."""
    try:
        return list(build())
    except NotAvailable as reason:
        return [Missing(title, str(reason))]


def table(title: str, columns: Sequence[str | Cell], rows: Iterable[Row], notes: Sequence[str] = ()) -> Table:
    """A table whose cells' notes become lettered footnotes, each written once."""
    letters: dict[str, str] = {}

    def finished(cell: Cell | str) -> Cell:
        cell = Cell(cell) if isinstance(cell, str) else cell
        if not cell.note:
            return cell
        mark = letters.setdefault(cell.note, _letter(len(letters)))
        return replace(cell, mark=mark, title=f"{cell.title}; {cell.note}".strip("; "))

    body = tuple(tuple(finished(cell) for cell in row) for row in rows)
    heads = tuple(Cell(c) if isinstance(c, str) else c for c in columns)
    footnotes = tuple((mark, note) for note, mark in letters.items())
    return Table(title, heads, body, tuple(n for n in notes if n), footnotes)


def _letter(i: int) -> str:
    letters = string.ascii_lowercase
    return letters[i] if i < 26 else letters[i // 26 - 1] + letters[i % 26]


def sizes(n: int | None, events: int | None) -> Cell:
    """How many patients stand behind a row, and how many of them with the event."""
    return Cell(text.whole(n), f"{text.whole(events)} events")


def measure(e: Estimate, label: str = "", write: Callable[[float], str] = text.number) -> Cell:
    """An estimate as a cell: value, interval below it, method, n and events in the tooltip, the reason if undefined."""
    title = f"{label} {text.estimate(e, write)}; {text.how(e)}".strip("; ")
    note = e.note if e.note or e.defined else "undefined; no reason was recorded"
    sub = text.interval(e, write) if e.defined else ""
    return Cell(write(e.value), sub=sub, title=title, note=note, numeric=True)


def whole(n: float | None) -> Cell:
    """A count as a cell."""
    return Cell(text.whole(n), numeric=True)


def plain(x: float) -> Cell:
    """A number without an interval as a cell."""
    return Cell(text.number(x), numeric=True)


def row_head(words: object, rows: int = 1, sub: str = "") -> Cell:
    """The cell that names a row, or several."""
    return Cell(str(words), sub=sub, rows=rows, head=True)
