"""Calibration of predicted risks on one set: loess with band, grouped patients, and where the risks lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from validkit.report import text
from validkit.report.figures import style
from validkit.report.figures.base import Display, stack
from validkit.report.values import Curve, Estimate


@dataclass(frozen=True, repr=False)
class CalibrationDisplay(Display):
    """Observed proportion against predicted risk.

    groups : (g, 5) columns mean risk, observed, low, high, n
    edges, event, no_event : histogram of the risks of patients with and without the event
    """

    where: str
    n: int | None
    events: int | None
    curve: Curve | None
    groups: np.ndarray
    edges: np.ndarray
    event: np.ndarray
    no_event: np.ndarray
    slope: Estimate
    in_the_large: Estimate
    words: tuple[str, str] = ("event", "no event")
    why_no_curve: str = "not recorded"

    @property
    def title(self) -> str:
        """The set of patients, n and events."""
        return f"{self.where} ({text.counts(self.n, self.events)})"

    def alt(self) -> str:
        """Slope and calibration-in-the-large in words."""
        return f"Calibration plot, {self.title}. {'. '.join(self._numbers())}"

    def _numbers(self) -> list[str]:
        return [f"Slope {text.estimate(self.slope)}", f"In the large {text.estimate(self.in_the_large)}"]

    def draw(self) -> Figure:
        """Curve and dots above, mirrored histogram below, on one risk axis."""
        figure = style.blank(4.7, 6.45)
        above, below = figure.subplots(2, 1, height_ratios=(4.3, 1.0), sharex=True)
        above.plot([0, 1], [0, 1], color=style.SOFT, linewidth=0.9, linestyle=(0, (1, 2)))
        handles: list[Artist] = [Line2D([], [], color=style.SOFT, linestyle=(0, (1, 2)), linewidth=0.9)]
        labels = ["Ideal"]
        if self.curve is not None:
            if self.curve.has_band:
                above.fill_between(
                    self.curve.x, self.curve.low, self.curve.high, color=style.BLUE, alpha=0.16, linewidth=0
                )
                handles.append(Patch(color=style.BLUE, alpha=0.16, linewidth=0))
                labels.append(f"{text.level(self.curve.level)} band".strip())
            above.plot(self.curve.x, self.curve.y, color=style.BLUE, linewidth=1.9)
            handles.append(Line2D([], [], color=style.BLUE, linewidth=1.9))
            labels.append(style.short(self.curve.method.partition(" (")[0], 36) or "Smoothed")
        else:
            handles.append(Line2D([], [], linewidth=0))
            labels.append(style.short(f"No smooth curve: {self.why_no_curve}", 28))
        if len(self.groups):
            risk, observed, low, high, _ = self.groups.T
            above.vlines(risk, low, high, color=style.INK, linewidth=1.0)
            above.plot(risk, observed, "o", ms=5, mfc="white", mec=style.INK, mew=1.2, zorder=4)
            handles.append(Line2D([], [], color=style.INK, marker="o", mfc="white", ms=5, linewidth=1.0))
            labels.append(f"{len(self.groups)} groups, with interval")
        above.text(0.02, 0.985, "\n".join(self._numbers()), transform=above.transAxes, va="top", fontsize=8.5)
        above.set(xlim=(-0.015, 1.015), ylim=(-0.015, 1.19), ylabel="Observed proportion")
        style.head(above, self.title)
        above.set_yticks(np.linspace(0, 1, 6))
        self._draw_risks(below)
        style.key_below(figure, handles, labels, columns=2)
        return figure

    def _draw_risks(self, axes: Axes) -> None:
        top = 1.0
        if len(self.edges) == len(self.event) + 1 == len(self.no_event) + 1:
            width = np.diff(self.edges)
            axes.bar(
                self.edges[:-1], self.event, width, align="edge", color=style.EVENT, edgecolor="white", linewidth=0.4
            )
            axes.bar(
                self.edges[:-1],
                -self.no_event,
                width,
                align="edge",
                color=style.NO_EVENT,
                edgecolor="white",
                linewidth=0.4,
            )
            top = max(float(self.event.max(initial=1)), float(self.no_event.max(initial=1)))
        axes.axhline(0, color=style.SOFT, linewidth=0.8)
        axes.set(ylim=(-1.3 * top, 1.3 * top), xlabel="Predicted risk", ylabel="Patients")
        axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
        axes.yaxis.set_major_formatter(lambda value, _: f"{abs(value):.0f}")
        event, no_event = (style.short(words, 40) for words in self.words)
        axes.text(0.995, 0.97, event, color=style.EVENT, ha="right", va="top", transform=axes.transAxes, fontsize=8.5)
        axes.text(
            0.995, 0.03, no_event, color=style.NO_EVENT, ha="right", va="bottom", transform=axes.transAxes, fontsize=8.5
        )

    def frame(self) -> pd.DataFrame:
        """part, risk, value, low, high, n: the curve, the groups, and patients by outcome from each risk on."""
        parts = []
        if self.curve is not None:
            drawn = {"risk": self.curve.x, "value": self.curve.y, **self.curve.limits}
            parts.append(pd.DataFrame({"part": "curve", **drawn}))
        parts.append(pd.DataFrame(self.groups.reshape(-1, 5), columns=["risk", "value", "low", "high", "n"]))
        parts[-1].insert(0, "part", "group")
        for part, n in (("event", self.event), ("no event", self.no_event)):
            if len(self.edges) == len(n) + 1:
                parts.append(pd.DataFrame({"part": part, "risk": self.edges[:-1], "n": n}))
        columns = ["part", "risk", "value", "low", "high", "n"]
        return stack([part.reindex(columns=columns) for part in parts if len(part)]).reindex(columns=columns)
