"""Boxes with words in them and arrows between them, laid out in inches from the top of a page downward."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon, Rectangle
from matplotlib.text import Text

from validkit.report import text
from validkit.report.figures import style

WIDTH, EDGE = 6.0, 0.05
"""of the page, and the white around it, inches"""
PAD, LEADING, BETWEEN = 0.085, 0.02, 0.22
"""white inside a box, between its lines, and between columns in it"""
GAP, BESIDE, ABREAST = 0.3, 0.15, 0.2
"""between boxes that follow each other, beside and abreast of each other"""
ARROW = 0.075
MOST_COLUMNS, FEW = 4, 6
"""columns of entries in a box; entries that may stand in one"""
TALLEST = "Å(|g"
"""what a line of Latin letters may hold; lines of other scripts may be taller"""
HEAD: dict[str, Any] = {"fontsize": 9.5, "fontweight": "bold"}
BODY: dict[str, Any] = {"fontsize": 9.0, "fontweight": "normal"}
PLAIN: dict[str, Any] = {"facecolor": "white", "edgecolor": style.INK, "linewidth": 0.8}
INKED: dict[str, Any] = {"color": style.INK}
DASHED: dict[str, Any] = {"color": style.SOFT, "linestyle": (0, (3, 2))}
LOOKS: dict[str, dict[str, Any]] = {
    "plain": PLAIN,
    "judged": {**PLAIN, "facecolor": style.SHADE, "linewidth": 1.4},
    "remark": {**PLAIN, "edgecolor": style.SOFT, "linestyle": (0, (3, 2))},
}


@dataclass(frozen=True)
class Words:
    """What stands in a box: a heading, sentences, and short entries in columns; look : one of LOOKS."""

    head: str
    sentences: tuple[str, ...] = ()
    entries: tuple[str, ...] = ()
    look: str = "plain"


@dataclass(frozen=True)
class Line:
    """A line of a box: x of its left end, or of its middle, and y of its foot, from the box's upper left corner."""

    words: str
    x: float
    y: float
    font: dict[str, Any]
    centred: bool


@dataclass(frozen=True)
class Frame:
    """A box that is measured, and once it is placed x, y of its upper left corner."""

    look: str
    width: float
    height: float
    lines: tuple[Line, ...]
    x: float = 0.0
    y: float = 0.0

    @property
    def middle(self) -> float:
        """Its horizontal middle."""
        return self.x + self.width / 2

    @property
    def foot(self) -> float:
        """Its lower edge."""
        return self.y + self.height


@dataclass(frozen=True)
class Way:
    """A line from box to box, with an arrow at its end where patients go there, else dashed."""

    points: tuple[tuple[float, float], ...]
    leads: bool


class Page:
    """A figure that grows downward as boxes are placed on it."""

    def __init__(self) -> None:
        self.figure = style.blank(WIDTH, 1.0)
        self.figure.set_layout_engine("none")
        self._renderer = FigureCanvasAgg(self.figure).get_renderer()
        self._probe = Text(0, 0, "", **BODY)
        self._probe.set_figure(self.figure)
        self._sizes: dict[tuple[str, float], tuple[float, float, float]] = {}
        self._frames: list[Frame] = []
        self._ways: list[Way] = []
        self._last: Frame | None = None
        self._foot = EDGE

    # --- placing -----------------------------------------------------------------------------------------

    def below(self, contents: Sequence[Words], width: float) -> None:
        """Boxes abreast in the middle of the page, each with an arrow from the last one above."""
        y = self._foot + (GAP if self._last else 0.0)
        frames = [self._measured(one, width, centred=True) for one in contents]
        tallest = max(frame.height for frame in frames)
        x = (WIDTH - len(frames) * width - (len(frames) - 1) * ABREAST) / 2
        for i, frame in enumerate(frames):
            placed = replace(frame, x=x + i * (width + ABREAST), y=y, height=tallest)
            self._arrow_down(placed)
            self._frames.append(placed)
        self._last, self._foot = self._frames[-1], y + tallest

    def aside(self, content: Words, *, leaves: bool) -> None:
        """A box to the right of the way down, with an arrow to it where patients leave, else a dashed line."""
        x = WIDTH / 2 + GAP
        frame = self._measured(content, WIDTH - EDGE - x, centred=False)
        frame = replace(frame, x=x, y=self._foot + BESIDE)
        y = frame.y + frame.height / 2
        self._ways.append(Way(((WIDTH / 2, y), (x, y)), leaves))
        self._frames.append(frame)
        self._foot = frame.foot

    def _arrow_down(self, frame: Frame) -> None:
        if self._last is None:
            return
        way = [(self._last.middle, self._last.foot)]
        if abs(frame.middle - self._last.middle) > 1e-6:
            way += [(self._last.middle, frame.y - GAP / 2), (frame.middle, frame.y - GAP / 2)]
        self._ways.append(Way((*way, (frame.middle, frame.y)), leads=True))

    # --- measuring ---------------------------------------------------------------------------------------

    def _measured(self, content: Words, width: float, *, centred: bool) -> Frame:
        inner = width - 2 * PAD
        told = [(line, HEAD) for line in self._wrapped(content.head, inner, HEAD)]
        told += [(line, BODY) for one in content.sentences for line in self._wrapped(one, inner, BODY)]
        rows = [[Line(line, inner / 2 if centred else 0.0, 0.0, font, centred)] for line, font in told]
        rows += self._columns(content.entries, inner, centred=centred)
        y, lines = PAD - LEADING, []
        for row in rows:
            sizes = [self._size(words, line.font) for line in row for words in (line.words, TALLEST)]
            y += LEADING + max(up for _, up, _ in sizes)
            lines += [replace(line, x=PAD + line.x, y=y) for line in row]
            y += max(down for _, _, down in sizes)
        return Frame(content.look, width, y + PAD, tuple(lines))

    def _columns(self, entries: Sequence[str], width: float, *, centred: bool) -> list[list[Line]]:
        """Rows of entries: in the middle abreast, broken where they are too long for that; else below each other."""
        wide = self._widths(entries, width, most=MOST_COLUMNS if centred else 1)
        alone = centred and len(wide) == 1
        start = (width - sum(wide) - BETWEEN * (len(wide) - 1)) / 2
        at = [width / 2] if alone else [start + sum(wide[:i]) + BETWEEN * i for i in range(len(wide))]
        rows: list[list[Line]] = []
        for j in range(0, len(entries), len(wide)):
            cells = zip(entries[j : j + len(wide)], wide, strict=False)
            rows += [
                [Line(words, x, 0.0, BODY, alone) for words, x in zip(row, at, strict=False) if words]
                for row in zip_longest(*(self._wrapped(entry, room, BODY) for entry, room in cells))
            ]
        return rows

    def _widths(self, entries: Sequence[str], width: float, most: int) -> list[float]:
        """The widths of as many columns as fit; where not even two do, two for many entries, one for few."""
        sizes = [self._size(text.clean(entry), BODY)[0] for entry in entries]
        for n in range(min(most, len(entries)), 1, -1):
            columns = -(-len(entries) // -(-len(entries) // n))
            wide = [max(sizes[i::columns]) for i in range(columns)]
            if sum(wide) + BETWEEN * (columns - 1) <= width:
                return wide
        return [(width - BETWEEN) / 2] * 2 if most > 1 and len(entries) > FEW else [width]

    def _wrapped(self, words: str, width: float, font: dict[str, Any]) -> list[str]:
        """The words in lines that fit; a word that is wider than a line is broken."""
        lines, line = [], ""
        for word in text.clean(words).split(" "):
            joined = f"{line} {word}".strip()
            if self._fits(joined, width, font):
                line = joined
                continue
            lines += [line] if line else []
            while not self._fits(word, width, font):
                cut = self._longest(word, width, font)
                lines.append(word[:cut])
                word = word[cut:]
            line = word
        return [*lines, line] if line else lines

    def _longest(self, word: str, width: float, font: dict[str, Any]) -> int:
        """How many characters of a word fit, one at least."""
        low, high = 1, len(word)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self._fits(word[:middle], width, font) else (low, middle - 1)
        return low

    def _fits(self, words: str, width: float, font: dict[str, Any]) -> bool:
        return len(words) < 2 or self._size(words, font)[0] <= width

    def _size(self, words: str, font: dict[str, Any]) -> tuple[float, float, float]:
        """Width, and how far it reaches above and below its foot, in inches."""
        key = words, font["fontsize"]
        if key not in self._sizes:
            self._probe.set(text=words, **font)
            box = self._probe.get_window_extent(self._renderer)
            self._sizes[key] = (box.width / self.figure.dpi, box.y1 / self.figure.dpi, -box.y0 / self.figure.dpi)
        return self._sizes[key]

    # --- drawing -----------------------------------------------------------------------------------------

    def finished(self) -> Figure:
        """The figure, as high as what was placed."""
        height = self._foot + EDGE
        self.figure.set_size_inches(WIDTH, height)
        inches: dict[str, Any] = {"transform": self.figure.dpi_scale_trans}
        for way in self._ways:
            points = [(x, height - y) for x, y in way.points]
            xs, ys = zip(*points, strict=True)
            self.figure.add_artist(Line2D(xs, ys, linewidth=0.9, **(INKED if way.leads else DASHED), **inches))
            if way.leads:
                self.figure.add_artist(Polygon(_arrow(points), closed=True, color=style.INK, linewidth=0, **inches))
        for frame in self._frames:
            corner = (frame.x, height - frame.foot)
            self.figure.add_artist(Rectangle(corner, frame.width, frame.height, **LOOKS[frame.look], **inches))
            for line in frame.lines:
                side = "center" if line.centred else "left"
                x, y = frame.x + line.x, height - frame.y - line.y
                self.figure.text(x, y, line.words, ha=side, va="baseline", **line.font, **inches)
        return self.figure


def _arrow(way: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The triangle at the end of a way that comes from the left or from above."""
    (x0, _), (x, y) = way[-2:]
    if x > x0:
        return [(x, y), (x - ARROW, y + ARROW / 2), (x - ARROW, y - ARROW / 2)]
    return [(x, y), (x - ARROW / 2, y + ARROW), (x + ARROW / 2, y + ARROW)]
