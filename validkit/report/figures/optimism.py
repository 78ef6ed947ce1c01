"""How far performance falls from what the fit shows to what is expected in new patients; how stable a selection is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from validkit.report import text
from validkit.report.figures import style
from validkit.report.figures.base import Display
from validkit.report.values import Estimate

MOST_KEPT = 25
"""columns that the figure of kept columns shows"""


@dataclass(frozen=True, repr=False)
class OptimismDisplay(Display):
    """One measure: apparent, corrected and the other estimates, each with a stem from the apparent figure.

    rows : (name, estimate), the apparent one first
    """

    measure: str
    rows: tuple[tuple[str, Estimate], ...]

    @property
    def title(self) -> str:
        """The measure."""
        return self.measure

    def alt(self) -> str:
        """Every estimate in words."""
        return f"{self.measure}: " + "; ".join(f"{name} {text.estimate(e)}" for name, e in self.rows)

    def draw(self) -> Figure:
        """A row an estimate; the number stands on the right."""
        figure = style.blank(4.7, 0.75 + 0.29 * len(self.rows))
        axes = figure.subplots()
        apparent = self.rows[0][1].value
        if np.isfinite(apparent):
            axes.axvline(apparent, color=style.SOFT, linewidth=1.1, linestyle=(0, (4, 2)), zorder=1)
        for at, (name, e) in enumerate(self.rows):
            if not np.isfinite(e.value):
                continue
            first, main = at == 0, name == "Corrected"
            if not first and np.isfinite(apparent):
                axes.plot([apparent, e.value], [at, at], color=style.SOFT, linewidth=1.1, zorder=2)
            if main and e.has_interval:
                axes.plot([e.low, e.high], [at, at], color=style.BLUE, linewidth=5, alpha=0.3, zorder=2)
            look: dict[str, Any] = {"ms": 7.5 if main else 6, "mew": 1.5, "zorder": 4}
            colour = style.BLUE if main else style.INK
            axes.plot([e.value], [at], "o", mfc="white" if first else colour, mec=colour, **look)
        axes.set_ylim(len(self.rows) - 0.4, -0.6)
        axes.margins(x=0.08)
        axes.set_yticks(range(len(self.rows)), [name for name, _ in self.rows])
        style.plain_spines(axes, left=False)
        right = axes.twinx()
        right.set_ylim(axes.get_ylim())
        right.set_yticks(range(len(self.rows)), [text.estimate(e) for _, e in self.rows], fontsize=8)
        style.plain_spines(right, left=False)
        style.head(axes, self.title)
        return figure

    def frame(self) -> pd.DataFrame:
        """estimate, value, low, high."""
        rows = [(name, e.value, e.low, e.high) for name, e in self.rows]
        return pd.DataFrame(rows, columns=["estimate", "value", "low", "high"])


@dataclass(frozen=True, repr=False)
class KeptDisplay(Display):
    """In how many fits each column was kept.

    kept : fits by column, most frequent first; fits : how many there were; final : columns of the fit to all patients,
    None where there is none
    """

    kept: tuple[tuple[str, int], ...]
    fits: int
    final: frozenset[str] | None

    @property
    def title(self) -> str:
        """How many columns of how many are shown."""
        shown = min(len(self.kept), MOST_KEPT)
        return f"{shown} of {len(self.kept)} columns kept at least once in {self.fits} fits"

    def alt(self) -> str:
        """The first columns in words."""
        return f"{self.title}: " + ", ".join(f"{name} in {n}" for name, n in self.kept[:MOST_KEPT])

    def draw(self) -> Figure:
        """Bars; hatched where the fit to all patients did without the column."""
        rows = self.kept[:MOST_KEPT]
        figure = style.blank(6.2, 1.1 + 0.225 * max(len(rows), 2))
        axes = figure.subplots()
        at = np.arange(len(rows))
        axes.barh(at, [self.fits] * len(rows), height=0.66, color=style.GRID)
        inside = np.array([self.final is None or name in self.final for name, _ in rows], dtype=bool)
        counts = np.array([n for _, n in rows])
        axes.barh(at[inside], counts[inside], height=0.66, color=style.BLUE)
        axes.barh(at[~inside], counts[~inside], height=0.66, color="#b9c6d3", hatch="////", edgecolor="white")
        axes.set_yticks(at, [style.short(name, 44) for name, _ in rows], fontsize=8)
        axes.invert_yaxis()
        axes.set(xlim=(0, self.fits), xlabel="Fits that kept it")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        right = axes.twinx()
        right.set_ylim(axes.get_ylim())
        right.set_yticks(at, [text.percent(n / self.fits, 0) for _, n in rows], fontsize=8)
        for one in (axes, right):
            style.plain_spines(one, left=False)
        style.head(axes, self.title)
        if not inside.all():
            handles = [Patch(color=style.BLUE), Patch(facecolor="#b9c6d3", hatch="////", edgecolor="white")]
            style.key_below(figure, handles, ["kept by the fit to all patients too", "not kept by it"], columns=2)
        return figure

    def frame(self) -> pd.DataFrame:
        """column, fits, share."""
        return pd.DataFrame([(name, n, n / self.fits) for name, n in self.kept], columns=["column", "fits", "share"])
