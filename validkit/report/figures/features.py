"""Features before any outcome is used: how many of which kind, and how well repeated outlines reproduce them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from validkit.report import text
from validkit.report.figures import style
from validkit.report.figures.base import Display


@dataclass(frozen=True, repr=False)
class CountDisplay(Display):
    """How many features of each kind, as bars with their numbers."""

    kind: str
    names: tuple[str, ...]
    counts: tuple[int, ...]

    @property
    def title(self) -> str:
        """What is counted by what."""
        return f"By {self.kind} ({text.whole(sum(self.counts))} features)"

    def alt(self) -> str:
        """The counts in words."""
        return f"{self.title}: " + ", ".join(f"{n} {c}" for n, c in zip(self.names, self.counts, strict=True))

    def draw(self) -> Figure:
        """Horizontal bars, longest label decides the margin."""
        figure = style.blank(4.7, 0.75 + 0.235 * max(len(self.names), 3))
        axes = figure.subplots()
        at = np.arange(len(self.names))
        bars = axes.barh(at, self.counts, height=0.68, color=style.BLUE)
        axes.bar_label(bars, labels=[text.whole(c) for c in self.counts], padding=3, fontsize=8.5)
        axes.set_yticks(at, [style.short(n, 24) for n in self.names])
        axes.invert_yaxis()
        axes.set(xlim=(0, 1.14 * max(self.counts, default=1)), xlabel="Features")
        style.head(axes, self.title)
        style.plain_spines(axes)
        return figure

    def frame(self) -> pd.DataFrame:
        """name, features."""
        return pd.DataFrame({"name": self.names, "features": self.counts})


@dataclass(frozen=True, repr=False)
class IccDisplay(Display):
    """Distribution of the intraclass correlation of every feature over one group of repeated outlines.

    values : (p,) NaN where undefined
    """

    group: str
    roles: str
    form: str
    n: int | None
    values: np.ndarray
    minimum: float
    kept: int | None

    @property
    def title(self) -> str:
        """The group and its patients."""
        return f"{self.group} ({text.whole(self.n)} patients)"

    def alt(self) -> str:
        """How many features reach the limit."""
        return (
            f"Distribution of {self.form}, {self.title}: {text.whole(self.kept)} of {text.whole(len(self.values))} "
            f"features reach {self.minimum:g}"
        )

    def draw(self) -> Figure:
        """Histogram with the limit; bars below it are pale and hatched."""
        figure = style.blank(4.7, 3.5)
        axes = figure.subplots()
        shown = self.values[np.isfinite(self.values)]
        low = min(0.0, np.floor(10 * shown.min()) / 10) if len(shown) else 0.0
        low = max(low, -1.0)
        edges = np.linspace(low, 1.0, round((1.0 - low) / 0.025) + 1)
        heights, _ = np.histogram(np.clip(shown, low, 1.0), edges)
        centres = (edges[:-1] + edges[1:]) / 2
        reached = centres >= self.minimum
        look: dict[str, Any] = {"align": "center", "edgecolor": "white", "linewidth": 0.4}
        axes.bar(centres[reached], heights[reached], 0.025, color=style.BLUE, **look)
        axes.bar(centres[~reached], heights[~reached], 0.025, color="#b9c6d3", hatch="////", **look)
        axes.axvline(self.minimum, color=style.VERMILLION, linewidth=1.4, linestyle=(0, (4, 2)))
        undefined = len(self.values) - len(shown)
        note = f"{text.whole(self.kept)} of {text.whole(len(self.values))} features\nreach {self.minimum:g}"
        note += f"\n{undefined} undefined" if undefined else ""
        axes.text(0.03, 0.96, note, transform=axes.transAxes, va="top", fontsize=8.5)
        axes.set(xlim=(low, 1.005), xlabel=style.short(f"{self.form}, {self.roles}", 48), ylabel="Features")
        style.head(axes, self.title)
        return figure

    def frame(self) -> pd.DataFrame:
        """icc, one row a feature."""
        return pd.DataFrame({"icc": self.values})
