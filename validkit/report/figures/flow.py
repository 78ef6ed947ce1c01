"""The flow of patients after TRIPOD: who came in, who left and why, whom the model was fitted to, who was judged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import pandas as pd
from matplotlib.figure import Figure

from validkit.report import text
from validkit.report.figures import boxes, style
from validkit.report.figures.base import Display
from validkit.report.figures.boxes import Page, Words

MOST_WORDS, MOST_NAME = 200, 60
"""characters of a sentence and of a name; longer ones are cut in the middle"""
MOST_PARTS, MOST_ASIDE = 12, 6
"""parts listed in a box of the middle, and in one beside it; more are summed up"""
MAIN = 3.5
"""width of a box in the middle above the arms, inches"""
MOST_ARMS = 3
"""boxes that stand abreast at the end"""
COLUMNS = ("box", "parent", "n", "events", "text")


@dataclass(frozen=True)
class Part:
    """What a box counts one by one: a site, a reason, a predictor; words : what is written instead of its counts."""

    name: str
    n: int | None
    events: int | None = None
    words: str = ""

    def __str__(self) -> str:
        """`north: 303, 139 events`, the counts held together."""
        word = "event" if self.events == 1 else "events"
        events = "" if self.events is None else f", {text.whole(self.events)} {word}"
        counted = style.short(self.words, MOST_NAME) or f"{text.whole(self.n)}{events}"
        return f"{style.short(self.name, MOST_NAME)}: {counted.replace(' ', text.NBSP)}"


@dataclass(frozen=True)
class Box:
    """Patients at one place of the flow.

    n, events : None where nothing is counted; lines : sentences; parts : what is counted one by one
    rest : what parts that are too many to list are called, and whether they add up; judged : whether it answers
    """

    name: str
    n: int | None = None
    events: int | None = None
    lines: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    rest: tuple[str, bool] = ("others", False)
    judged: bool = False

    @property
    def called(self) -> str:
        """Its name, short enough for a heading."""
        return style.short(self.name, MOST_NAME)

    def sentences(self, event: str) -> list[str]:
        """How many had the event, then the lines."""
        lines = [style.short(line, MOST_WORDS) for line in self.lines]
        if self.events is None:
            return lines
        share = f" ({text.percent(self.events / self.n)})" if self.n else ""
        return [f"{text.whole(self.events)} with {style.short(event, MOST_NAME)}{share}", *lines]

    def entries(self, most: int) -> list[str]:
        """The parts; those above `most` are summed up."""
        if len(self.parts) <= most:
            return [str(part) for part in self.parts]
        others = self.parts[most - 1 :]
        words, add = self.rest
        total = f": {text.whole(sum(part.n or 0 for part in others))}" if add else ""
        return [*(str(part) for part in self.parts[: most - 1]), f"{len(others)} more {words}{total}"]


def arms_of(boxes_: list[Box], name: str) -> tuple[Box, ...]:
    """Boxes that can stand abreast; where they are too many, one of that name that lists them."""
    if len(boxes_) <= MOST_ARMS:
        return tuple(boxes_)
    parts = tuple(Part(box.name, box.n, box.events) for box in boxes_)
    n, events = sum(box.n or 0 for box in boxes_), sum(box.events or 0 for box in boxes_)
    return (Box(name, n, events, (), parts, ("others", True), judged=True),)


@dataclass(frozen=True, repr=False)
class FlowDisplay(Display):
    """Boxes from top to bottom: all in the file, beside the way down who left, who is analysed, remarks, the arms.

    unit : what is counted, in the plural; event : the event in a word
    """

    wide: ClassVar[bool] = True

    whole: Box
    out: tuple[Box, ...]
    analysed: Box
    notes: tuple[Box, ...] = ()
    arms: tuple[Box, ...] = ()
    unit: str = "patients"
    event: str = "the event"

    @property
    def title(self) -> str:
        """Of what."""
        return f"Flow of {self.unit}"

    def alt(self) -> str:
        """The flow in a sentence, with every count that is drawn."""
        way = [(self.whole, MOST_PARTS), *((box, MOST_ASIDE) for box in self.out), (self.analysed, MOST_PARTS)]
        told = [f"{text.whole(box.n)} {_small(box.called)}{self._more(box, most)}" for box, most in way]
        told += [f"{_small(box.called)}{self._more(box, MOST_ASIDE)}" for box in self.notes]
        told += [f"{_small(box.called)}: {text.whole(box.n)}{self._more(box, MOST_PARTS)}" for box in self.arms]
        return f"{self.title}: {'; '.join(told)}.".replace(text.NBSP, " ")

    def _more(self, box: Box, most: int) -> str:
        told = [*(_small(line.rstrip(".")) for line in box.sentences(self.event)), *box.entries(most)]
        return f" ({', '.join(told)})" if told else ""

    def draw(self) -> Figure:
        """The way down in the middle, who left to the right of it, the arms abreast at its end."""
        page = Page()
        page.below([self._words(self.whole)], MAIN)
        for box in self.out:
            page.aside(self._words(box, most=MOST_ASIDE), leaves=True)
        page.below([self._words(self.analysed)], MAIN)
        for box in self.notes:
            page.aside(self._words(box, most=MOST_ASIDE, look="remark"), leaves=False)
        if self.arms:
            room = boxes.WIDTH - 2 * boxes.EDGE - (len(self.arms) - 1) * boxes.ABREAST
            page.below([self._words(box) for box in self.arms], room / len(self.arms))
        return page.finished()

    def _words(self, box: Box, *, most: int = MOST_PARTS, look: str = "plain") -> Words:
        counted = "" if box.n is None else f" (n{text.NBSP}={text.NBSP}{text.whole(box.n)})"
        sentences, entries = tuple(box.sentences(self.event)), tuple(box.entries(most))
        return Words(f"{box.called}{counted}", sentences, entries, "judged" if box.judged else look)

    def frame(self) -> pd.DataFrame:
        """box, parent, n, events, text: every box, and in rows of their own whatever is counted in it."""
        found = pd.DataFrame(list(self._rows()), columns=list(COLUMNS))
        return found.astype({"n": "Int64", "events": "Int64"})

    def _rows(self) -> Iterator[tuple[str, str, int | None, int | None, str]]:
        below = [(box, self.whole.name) for box in (*self.out, self.analysed)]
        below += [(box, self.analysed.name) for box in (*self.notes, *self.arms)]
        for box, parent in [(self.whole, ""), *below]:
            yield box.name, parent, box.n, box.events, " ".join(box.lines)
            for part in box.parts:
                yield part.name, box.name, part.n, part.events, part.words


def _small(words: str) -> str:
    """The words with a small first letter, inside a sentence."""
    return words[:1].lower() + words[1:]
