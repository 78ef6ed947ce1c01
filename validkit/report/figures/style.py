"""One look for every figure: Okabe-Ito colours that differ in grey, DejaVu Sans, bytes that repeat."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import matplotlib
import matplotlib.style
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from validkit.report.text import clean

INK, SOFT, GRID, SHADE = "#1b1f24", "#5a6472", "#e4e7eb", "#e6edf5"
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILLION, PURPLE, GREY = "#0072B2", "#D55E00", "#CC79A7", "#7f7f7f"
"""Okabe and Ito's palette; its yellow is illegible on white and gives way to a grey."""

EVENT, NO_EVENT = VERMILLION, BLUE
MARGIN = 0.07
"""white space around a figure, inches"""
TITLE_WIDTH = 46
"""characters of a title that fit on one line of a panel"""


class Stroke(NamedTuple):
    """How a line is drawn: colour and dash tell it apart in colour, in grey and in print."""

    colour: str
    dash: Any = "-"
    width: float = 1.6


FAMILY = {
    "radiomics": Stroke(BLUE, (0, (6, 2))),
    "deep": Stroke(ORANGE, (0, (4, 1.5, 1, 1.5))),
    "fusion": Stroke(GREEN, (0, (2.2, 1.2))),
    "clinical": Stroke(PURPLE, (0, (1, 1.4))),
    "nomogram": Stroke(BLACK, "-", 2.2),
}
CYCLE = (
    Stroke(BLACK),
    Stroke(BLUE, (0, (6, 2))),
    Stroke(ORANGE, (0, (4, 1.5, 1, 1.5))),
    Stroke(GREEN, (0, (2.2, 1.2))),
    Stroke(VERMILLION, "-"),
    Stroke(SKY, (0, (6, 2))),
    Stroke(PURPLE, (0, (1, 1.4))),
    Stroke(GREY, (0, (4, 1.5, 1, 1.5))),
)
FALLBACK_FONTS = ("Noto Sans CJK SC", "WenQuanYi Zen Hei", "Microsoft YaHei", "PingFang SC", "Arial Unicode MS")
RC = {
    "axes.axisbelow": True,
    "axes.edgecolor": SOFT,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.unicode_minus": True,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.h_pad": 0.03,
    "figure.constrained_layout.w_pad": 0.03,
    "font.size": 9,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "legend.handlelength": 2.8,
    "savefig.facecolor": "white",
    "svg.fonttype": "path",
    "svg.hashsalt": "validkit",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.color": SOFT,
    "ytick.labelcolor": INK,
}


@contextmanager
def house_style() -> Iterator[None]:
    """The style while figures are made and saved; the reader's own matplotlib settings have no part in it."""
    installed = set(font_manager.get_font_names())
    fonts = ["DejaVu Sans", *(name for name in FALLBACK_FONTS if name in installed)]
    with matplotlib.style.context(["default", {**RC, "font.family": fonts}]):
        yield


def blank(width: float, height: float) -> Figure:
    """An empty figure of that size in inches; no window, no global state."""
    figure = Figure(figsize=(width, height), facecolor="white")
    engine = figure.get_layout_engine()
    if isinstance(engine, ConstrainedLayoutEngine):
        x, y = MARGIN / width, MARGIN / height
        engine.set(rect=(x, y, 1 - 2 * x, 1 - 2 * y))
    return figure


def head(axes: Axes, title: str, pad: float | None = None) -> None:
    """The panel's title, broken where it would run over the edge."""
    lines = textwrap.wrap(clean(title), TITLE_WIDTH, max_lines=2, placeholder=" …")
    axes.set_title("\n".join(lines), pad=pad)


def short(words: object, most: int) -> str:
    """Words from a record cut in the middle to `most` characters, so that they stay in their place."""
    line = clean(words)
    return line if len(line) <= most else f"{line[: most - most // 3 - 1]}…{line[-(most // 3) :]}"


def strokes(keys: list[str], chosen: str | None = None) -> dict[str, Stroke]:
    """A stroke for each key, in order; black for the chosen one."""
    others = [key for key in keys if key != chosen]
    found = {key: CYCLE[1 + i % (len(CYCLE) - 1)] for i, key in enumerate(others)}
    return found if chosen is None else {**found, chosen: CYCLE[0]}


def key_below(figure: Figure, handles: list[Any], labels: list[str], columns: int = 1, title: str = "") -> None:
    """A legend under the axes, where it covers no curve. A leading underscore, which matplotlib hides, is shown."""
    figure.legend(
        handles,
        [f" {label}" if label.startswith("_") else label for label in labels],
        loc="outside lower left",
        ncols=columns,
        labelspacing=0.35,
        borderaxespad=0.6,
        title=title or None,
        title_fontsize=8.5,
        alignment="left",
    )


def plain_spines(axes: Axes, *, left: bool = True) -> None:
    """For bar-like axes: no grid across the bars, optionally no left line."""
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(left)
    axes.tick_params(axis="y", length=0)
