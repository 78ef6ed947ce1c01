"""Decision curves: net benefit of several models over threshold probabilities, beside treating all and none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from validkit.report import text
from validkit.report.figures import style
from validkit.report.figures.base import Display, stack
from validkit.report.figures.style import Stroke
from validkit.report.values import Curve

TREAT_ALL = Stroke(style.GREY, "-", 1.3)
TREAT_NONE = Stroke(style.GREY, (0, (1, 2)), 1.3)


@dataclass(frozen=True, repr=False)
class DecisionDisplay(Display):
    """Net benefit per patient against threshold probability on one set.

    lines : (label, stroke, curve) of each model and strategy
    banded : the label of the one line that is drawn with its pointwise band
    focus : the range of thresholds that matters clinically, shaded; None where none was declared
    """

    where: str
    n: int | None
    events: int | None
    lines: tuple[tuple[str, Stroke, Curve], ...]
    focus: tuple[float, float] | None
    banded: str | None = None

    @property
    def title(self) -> str:
        """The set of patients, n and events."""
        return f"{self.where} ({text.counts(self.n, self.events)})"

    def alt(self) -> str:
        """The models drawn."""
        return f"Decision curves, {self.title}: {', '.join(label for label, _, _ in self.lines)}"

    def draw(self) -> Figure:
        """Curves over 0-100 %, cut where net benefit falls far below treating none."""
        rows = -(-(len(self.lines) + (self.focus is not None)) // 2)
        figure = style.blank(4.7, 3.85 + 0.185 * rows)
        axes = figure.subplots()
        handles: list[Artist] = []
        labels: list[str] = []
        if self.focus is not None:
            low, high = (100 * v for v in self.focus)
            axes.axvspan(low, high, color=style.SHADE, linewidth=0, zorder=0)
            handles.append(Patch(color=style.SHADE))
            labels.append(f"Focus {low:g}–{high:g} %")
        for label, stroke, curve in self.lines:
            look = {"color": stroke.colour, "linestyle": stroke.dash, "linewidth": stroke.width}
            if label == self.banded and curve.has_band:
                axes.fill_between(100 * curve.x, curve.low, curve.high, color=style.INK, alpha=0.1, linewidth=0)
            axes.plot(100 * curve.x, curve.y, **look)
            handles.append(Line2D([], [], **look))
            labels.append(style.short(label, 31))
        top = self._top()
        axes.set(xlim=(0, 100), ylim=(-0.22 * top, 1.08 * top))
        style.head(axes, self.title)
        axes.set(xlabel="Threshold probability (%)", ylabel="Net benefit per patient")
        style.key_below(figure, handles, labels, columns=2)
        return figure

    def _top(self) -> float:
        highest = [float(np.nanmax(c.y)) for _, _, c in self.lines if np.isfinite(c.y).any()]
        return max([0.02, *highest])

    def frame(self) -> pd.DataFrame:
        """model, threshold, net_benefit, and low and high of the band that is drawn."""
        parts = []
        for label, _, c in self.lines:
            ends = c.limits if label == self.banded else {"low": np.nan, "high": np.nan}
            drawn = {"threshold": c.x, "net_benefit": c.y, **ends}
            parts.append(pd.DataFrame({"model": label, **drawn}))
        return stack(parts)
