"""The nomogram as a ruler for every predictor, after R's `rms::nomogram`: points, terms, total, probability."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from validkit.report import text
from validkit.report.figures import style
from validkit.report.figures.base import Display

WIDTH, ROW = 9.2, 0.6
"""of the figure and of a ruler's row, inches"""
BELOW, ABOVE = -7.0, 7.0
PLACES = tuple((offset, aligned) for aligned in ("center", "left", "right") for offset in (BELOW, ABOVE))
"""where a tick's label may stand: points of type below or above the ruler, and alignment; best first"""


@dataclass(frozen=True)
class Ruler:
    """One axis: its label, ticks as (position on the shared scale, text), and whether every label must be shown."""

    label: str
    ticks: tuple[tuple[float, str], ...]
    every: bool = False
    major: bool = False


@dataclass(frozen=True, repr=False)
class NomogramDisplay(Display):
    """Rulers in two blocks: `terms` share the points scale, `totals` the total points scale."""

    wide: ClassVar[bool] = True

    outcome: str
    points: Ruler
    terms: tuple[Ruler, ...]
    totals: tuple[Ruler, ...]
    total_range: tuple[float, float]

    @property
    def title(self) -> str:
        """What is predicted."""
        return f"Nomogram for {text.clean(self.outcome)}"

    def alt(self) -> str:
        """The rulers from top to bottom."""
        return f"{self.title}: rulers {', '.join(r.label for r in self._rulers())}"

    def _rulers(self) -> list[Ruler]:
        return [self.points, *self.terms, *self.totals]

    def draw(self) -> Figure:
        """One row a ruler; labels that would touch move above or below their ruler, numeric ones may be left out."""
        rulers = self._rulers()
        heights = [ROW * (1.3 if ruler.every else 1.0) for ruler in rulers]
        figure = style.blank(WIDTH, sum(heights) + 2 * style.MARGIN)
        figure.set_layout_engine("none")
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set(xlim=(0, 1), ylim=(sum(heights) + style.MARGIN, -style.MARGIN))
        rows = [sum(heights[:i]) + h / 2 for i, h in enumerate(heights)]
        names = [self._name(axes, row, ruler) for row, ruler in zip(rows, rulers, strict=True)]
        left = max(_box(name).width for name in names) / figure.dpi + 0.32
        axes.set_position((left / WIDTH, 0, (WIDTH - left - 0.3) / WIDTH, 1))
        taken = [_box(name) for name in names]
        points = [at for r in (self.points, *self.terms) for at, _ in r.ticks] or [0.0, 100.0]
        for row, ruler in zip(rows, rulers, strict=True):
            low, high = self.total_range if ruler in self.totals else (min(points), max(points))
            self._draw_ruler(axes, row, ruler, low, (high - low) or 1.0, taken)
        for edge in {1, 1 + len(self.terms)}:
            line = Line2D([0.005, 0.995], [1 - (sum(heights[:edge]) + style.MARGIN) / figure.get_figheight()] * 2)
            line.set(color=style.GRID, linewidth=0.9, transform=figure.transFigure)
            figure.add_artist(line)
        return figure

    @staticmethod
    def _name(axes: Axes, row: float, ruler: Ruler) -> Text:
        words = "\n".join(textwrap.wrap(text.clean(ruler.label), 30)[:3])
        weight = "bold" if ruler.major else "normal"
        return axes.annotate(
            words, (0, row), xytext=(-14, 0), textcoords="offset points", ha="right", va="center", weight=weight
        )

    @staticmethod
    def _draw_ruler(axes: Axes, row: float, ruler: Ruler, low: float, span: float, taken: list[Bbox]) -> None:
        inside = [((at - low) / span, words) for at, words in ruler.ticks if -1e-9 <= (at - low) / span <= 1 + 1e-9]
        if not inside:
            axes.text(0, row, "no value of this ruler lies in the range of the points", va="center", style="italic")
            return
        at = [x for x, _ in inside]
        axes.plot([min(at), max(at)], [row, row], color=style.INK, linewidth=1.2, solid_capstyle="butt")
        axes.vlines(at, row - 0.045, row + 0.045, color=style.INK, linewidth=0.9)
        place_labels(axes, row, inside, every=ruler.every, taken=taken)

    def frame(self) -> pd.DataFrame:
        """ruler, label, position (points, or total points)."""
        rows = [(r.label, words, at) for r in self._rulers() for at, words in r.ticks]
        return pd.DataFrame(rows, columns=["ruler", "label", "position"])


def place_labels(
    axes: Axes, row: float, ticks: Sequence[tuple[float, str]], *, every: bool, taken: list[Bbox]
) -> list[Text]:
    """Tick labels that touch neither each other nor the boxes `taken`, which grows by theirs.

    every : words that must all be read: they move above the ruler where there is no room below, and where there is none
        at all they are listed in order under it; numbers keep their place, and only each second, third, ... is written
        where all would not fit, or just "first to last"
    """
    if every:
        return _place_all(axes, row, ticks, taken)
    first = _fitting(axes, row, ticks)
    rest = [tick for tick in ticks if tick not in first]
    before = len(taken)
    found = [_place(axes, row, x, words, taken, PLACES[:1]) for x, words in [*first, *rest]]
    labels = [label for label in found if label is not None]
    if len(labels) > 1 or len(ticks) < 2:
        return labels
    for label in labels:
        label.remove()
    del taken[before:]
    ends = sorted(ticks, key=lambda tick: tick[0])
    span = _place(axes, row, ends[0][0], f"{ends[0][1]} to {ends[-1][1]}", taken, PLACES)
    return [] if span is None else [span]


def _place_all(axes: Axes, row: float, ticks: Sequence[tuple[float, str]], taken: list[Bbox]) -> list[Text]:
    before = len(taken)
    placed = [_place(axes, row, x, words, taken, PLACES) for x, words in ticks]
    labels = [label for label in placed if label is not None]
    if len(labels) == len(ticks):
        return labels
    for label in labels:
        label.remove()
    del taken[before:]
    names = ", ".join(text.clean(words) for _, words in sorted(ticks))
    lines = textwrap.wrap(f"from left to right: {names}", 88, max_lines=2, placeholder=" …")
    for x in (min(x for x, _ in ticks), 0.0):
        listed = _label(axes, row, x, "", (BELOW, "left"))
        listed.set_text("\n".join(lines))
        box = _box(listed)
        if x == 0.0 or box.x1 <= axes.bbox.x1:
            break
        listed.remove()
    taken.append(box)
    return [listed]


def _fitting(axes: Axes, row: float, ticks: Sequence[tuple[float, str]]) -> Sequence[tuple[float, str]]:
    """Each tick, or each second, third, ...: the densest even choice whose labels do not touch."""
    labels = [_label(axes, row, x, words, PLACES[0]) for x, words in ticks]
    boxes = [_box(label) for label in labels]
    for label in labels:
        label.remove()
    for stride in range(1, len(ticks)):
        if not any(a.overlaps(b) for a, b in pairwise(boxes[::stride])):
            return ticks[::stride]
    return ticks[:1]


def _place(
    axes: Axes, row: float, x: float, words: str, taken: list[Bbox], places: Sequence[tuple[float, str]]
) -> Text | None:
    page = _page(axes)
    for place in places:
        label = _label(axes, row, x, words, place)
        box = _box(label)
        if box.x1 <= page.x1 and box.x0 >= page.x0 and not any(box.overlaps(other) for other in taken):
            taken.append(box)
            return label
        label.remove()
    return None


def _label(axes: Axes, row: float, x: float, words: str, place: tuple[float, str]) -> Text:
    offset, aligned = place
    return axes.annotate(
        text.clean(words),
        (x, row),
        xytext=({"left": -2.0, "right": 2.0}.get(aligned, 0.0), offset),
        textcoords="offset points",
        ha=aligned,
        va="top" if offset < 0 else "bottom",
        fontsize=8.5,
    )


def _page(axes: Axes) -> Bbox:
    figure = axes.get_figure(root=True)
    assert figure is not None
    return Bbox.from_bounds(*figure.bbox.bounds)


def _box(label: Text) -> Bbox:
    figure = label.get_figure(root=True)
    assert figure is not None
    return label.get_window_extent(figure.canvas.get_renderer()).padded(2.5)  # type: ignore[attr-defined]
