"""One measure in every part of a design: a row each with its interval, or dots where the parts are many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from matplotlib.ticker import MaxNLocator

from validkit.report import text
from validkit.report.figures import style
from validkit.report.figures.base import Display
from validkit.report.values import Estimate

RATIO_TICKS = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.4, 2.0, 3.0, 5.0, 10.0)
LABEL = 22
"""characters of a row's name"""


@dataclass(frozen=True)
class Scale:
    """How a measure is drawn.

    mark : the value that is ideal, or chance; words : for it; ratio : on a log axis; unit : within 0 to 1
    always : whether the mark is drawn however far the figures are from it
    """

    name: str
    mark: float | None
    words: str
    ratio: bool = False
    unit: bool = False
    always: bool = True


@dataclass(frozen=True, repr=False)
class ForestDisplay(Display):
    """A measure by site or fold, each with interval, n and events.

    rows : (name, estimate); pooled, prediction : the mean over sites and the range at a new one, None where not pooled
    """

    scale: Scale
    rows: tuple[tuple[str, Estimate], ...]
    pooled: Estimate | None = None
    prediction: Estimate | None = None

    @property
    def title(self) -> str:
        """The measure."""
        return self.scale.name

    def alt(self) -> str:
        """Every row in words."""
        words = [f"{name} {text.estimate(e)}" for name, e in self.rows]
        words += [f"mean of sites {text.estimate(self.pooled)}"] if self.pooled else []
        words += [f"new site {text.interval(self.prediction)}"] if self.prediction else []
        return f"{self.title}: {'; '.join(words)}"

    def draw(self) -> Figure:
        """Names and sizes on the left, numbers on the right, the mean and the range of a new site at the foot."""
        lines = self._lines()
        figure = style.blank(4.7, 0.8 + 0.37 * len(lines))
        axes = figure.subplots()
        low, high = self._window()
        _axis(axes, self.scale, low, high)
        for at, (e, kind) in enumerate((e, kind) for _, _, e, kind in lines):
            _DRAW[kind](axes, at, e, low, high)
        axes.set_ylim(len(lines) - 0.4, -0.6)
        axes.set_yticks(range(len(lines)), [f"{name}\n{sub}" if sub else name for name, sub, _, _ in lines], fontsize=8)
        style.plain_spines(axes, left=False)
        if self.pooled is not None:
            axes.axhline(len(self.rows) - 0.5, color=style.GRID, linewidth=0.9)
        right = axes.twinx()
        right.set_ylim(axes.get_ylim())
        right.set_yticks(range(len(lines)), [_number(e, kind) for _, _, e, kind in lines], fontsize=8)
        style.plain_spines(right, left=False)
        style.head(axes, self.title)
        return figure

    def _lines(self) -> list[tuple[str, str, Estimate, str]]:
        lines = [(style.short(name, LABEL), _size(e), e, "row") for name, e in self.rows]
        if self.pooled is not None:
            lines.append((f"Mean of {len(self.rows)} sites", "", self.pooled, "pooled"))
        if self.prediction is not None:
            lines.append(("Range at a new site", "", self.prediction, "prediction"))
        return lines

    def _window(self) -> tuple[float, float]:
        found = [e for _, _, e, _ in self._lines()]
        return _window([e for e in found if e.defined or e.has_interval], self.scale)

    def frame(self) -> pd.DataFrame:
        """name, kind, value, low, high, n, events."""
        lines = self._lines()
        names = [name for name, _ in self.rows] + [name for name, *_ in lines[len(self.rows) :]]
        rows = [
            (name, kind, e.value, e.low, e.high, e.n, e.n_events)
            for name, (_, _, e, kind) in zip(names, lines, strict=True)
        ]
        return pd.DataFrame(rows, columns=["name", "kind", "value", "low", "high", "n", "events"])


@dataclass(frozen=True, repr=False)
class SpreadDisplay(Display):
    """A measure in many splits as dots, one row a repeat.

    rows : (repeat, estimate) of each split; overall : that of all patients together
    """

    scale: Scale
    rows: tuple[tuple[str, Estimate], ...]
    overall: Estimate

    @property
    def title(self) -> str:
        """The measure and how many splits."""
        return f"{self.scale.name} in {len(self.rows)} splits"

    def alt(self) -> str:
        """Range and overall figure in words."""
        values = [e.value for _, e in self.rows if e.defined]
        between = f"from {text.number(min(values))} to {text.number(max(values))}" if values else "undefined"
        return f"{self.title}: {between}; all patients together {text.estimate(self.overall)}"

    def draw(self) -> Figure:
        """Dots; the line and band are the figure of all patients and its interval."""
        repeats = list(dict.fromkeys(name for name, _ in self.rows))
        figure = style.blank(4.7, min(1.7 + 0.24 * len(repeats), 8.0))
        axes = figure.subplots()
        low, high = _window([Estimate(e.value) for _, e in self.rows if e.defined] + [self.overall], self.scale)
        _axis(axes, self.scale, low, high)
        if self.overall.has_interval:
            axes.axvspan(self.overall.low, self.overall.high, color=style.SHADE, linewidth=0, zorder=0)
        if self.overall.defined:
            axes.axvline(self.overall.value, color=style.INK, linewidth=1.4)
        defined = [(repeats.index(name), e.value) for name, e in self.rows if e.defined]
        if defined:
            at, values = zip(*defined, strict=True)
            axes.scatter(values, at, s=26, facecolor=style.BLUE, edgecolor="white", linewidth=0.6, alpha=0.85, zorder=3)
        axes.set_ylim(len(repeats) - 0.4, -0.6)
        step = max(1, round(len(repeats) / 25))
        axes.set_yticks(range(0, len(repeats), step), [style.short(r, LABEL) for r in repeats[::step]], fontsize=8)
        style.plain_spines(axes)
        style.head(axes, self.title)
        axes.set_xlabel("\n".join(filter(None, [self._words(), axes.get_xlabel()])))
        return figure

    def _words(self) -> str:
        undefined = sum(not e.defined for _, e in self.rows)
        lost = f"; undefined in {undefined}" if undefined else ""
        return f"Line: all patients, {text.estimate(self.overall)}{lost}"

    def frame(self) -> pd.DataFrame:
        """repeat, value, n, events."""
        rows = [(name, e.value, e.n, e.n_events) for name, e in self.rows]
        return pd.DataFrame(rows, columns=["repeat", "value", "n", "events"])


def _window(found: list[Estimate], scale: Scale) -> tuple[float, float]:
    """Limits of the axis that hold every value and all but the widest intervals."""
    to, back = (np.log, np.exp) if scale.ratio else (np.asarray, np.asarray)
    values = np.array([e.value for e in found if e.defined and np.isfinite(e.value)])
    values = values[values > 0] if scale.ratio else values
    ends = np.array([x for e in found if e.has_interval for x in (e.low, e.high) if np.isfinite(x)])
    ends = ends[ends > 0] if scale.ratio else ends
    lowest = min([*values, *ends], default=-np.inf)
    wanted = scale.mark is not None and (scale.always or lowest <= scale.mark)
    marks = np.array([scale.mark] if wanted else [], dtype=float)
    if not len(values):
        values = marks if len(marks) else np.array([1.0])
    centre = to(np.concatenate([values, marks]))
    reach = np.median(np.abs(to(ends)[:, None] - to(values)[None, :]).min(axis=1)) if len(ends) else 0.0
    low, high = centre.min() - 4.0 * reach, centre.max() + 4.0 * reach
    if len(ends):
        low, high = max(low, min(centre.min(), to(ends).min())), min(high, max(centre.max(), to(ends).max()))
    room = 0.06 * max(high - low, 0.02)
    low, high = float(back(low - room)), float(back(high + room))
    return (max(low, -0.01), min(high, 1.01)) if scale.unit else (low, high)


def _axis(axes: Axes, scale: Scale, low: float, high: float) -> None:
    if scale.ratio:
        axes.set_xscale("log")
        ticks = [x for x in RATIO_TICKS if low <= x <= high]
        if high / low < 1.8:
            ticks = [x for x in MaxNLocator(5).tick_values(low, high) if low <= x <= high]
        axes.set_xticks(ticks, [f"{x:.3g}" for x in ticks])
        axes.minorticks_off()
    axes.set_xlim(low, high)
    if scale.mark is not None and low <= scale.mark <= high:
        axes.axvline(scale.mark, color=style.VERMILLION, linewidth=1.1, linestyle=(0, (4, 2)), zorder=1)
        axes.set_xlabel(f"Dashed: {scale.words}")


def _row(axes: Axes, at: int, e: Estimate, low: float, high: float) -> None:
    if e.has_interval:
        axes.plot([max(e.low, low), min(e.high, high)], [at, at], color=style.BLUE, linewidth=1.6, zorder=2)
        _arrows(axes, at, e, low, high, style.BLUE)
    if e.defined and low <= e.value <= high:
        axes.plot([e.value], [at], "s", color=style.BLUE, markersize=6, zorder=4)


def _arrows(axes: Axes, at: int, e: Estimate, low: float, high: float, colour: str) -> None:
    """Where an interval goes on beyond the axis."""
    look: dict[str, Any] = {"color": colour, "markersize": 6, "zorder": 3, "transform": axes.get_yaxis_transform()}
    if e.low < low:
        axes.plot([0.02], [at], "<", **look)
    if e.high > high:
        axes.plot([0.98], [at], ">", **look)


def _pooled(axes: Axes, at: int, e: Estimate, low: float, high: float) -> None:
    if e.has_interval:
        corners = [(max(e.low, low), at), (e.value, at - 0.24), (min(e.high, high), at), (e.value, at + 0.24)]
        axes.add_patch(Polygon(corners, closed=True, facecolor=style.INK, edgecolor=style.INK, zorder=3))
    elif e.defined:
        axes.plot([e.value], [at], "D", color=style.INK, markersize=6)


def _prediction(axes: Axes, at: int, e: Estimate, low: float, high: float) -> None:
    if e.has_interval:
        ends = [max(e.low, low), min(e.high, high)]
        axes.plot(ends, [at, at], color=style.SOFT, linewidth=4.5, solid_capstyle="butt", zorder=2)
        _arrows(axes, at, e, low, high, style.SOFT)


_DRAW = {"row": _row, "pooled": _pooled, "prediction": _prediction}


def _number(e: Estimate, kind: str) -> str:
    return (text.interval(e) or text.DASH) if kind == "prediction" else text.estimate(e)


def _size(e: Estimate) -> str:
    return "" if e.n is None else f"n {text.whole(e.n)}, {text.whole(e.n_events)} events"
