"""A locked model's calibration and decision curve at home beside those at a new centre."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from validkit.report.figures import style
from validkit.report.figures.base import Display, Panels, stack
from validkit.report.figures.decision import TREAT_ALL
from validkit.report.figures.style import Stroke
from validkit.report.records import HELD_OUT, NotAvailable, Run
from validkit.report.values import Curve, curve, number

HOME, HERE = Stroke(style.ORANGE, (0, (6, 2)), 1.9), Stroke(style.BLUE, "-", 1.9)
IDEAL = Stroke(style.SOFT, (0, (1, 2)), 0.9)


@dataclass(frozen=True, repr=False)
class HomeAndHereDisplay(Display):
    """Curves of one model at two centres.

    lines : (label, stroke, curve); those of home and here have bands; threshold : developed, None for none
    """

    what: str
    axes: tuple[str, str]
    lines: tuple[tuple[str, Stroke, Curve], ...]
    threshold: float | None = None
    ideal: bool = False

    @property
    def title(self) -> str:
        """What is compared."""
        return self.what

    def draw(self) -> Figure:
        """Both curves on one pair of axes, in percent on the x axis."""
        figure = style.blank(4.7, 4.4)
        axes = figure.subplots()
        handles: list[Artist] = []
        labels: list[str] = []
        if self.ideal:
            axes.plot([0, 100], [0, 1], color=IDEAL.colour, linestyle=IDEAL.dash, linewidth=IDEAL.width)
        for label, stroke, one in self.lines:
            look = {"color": stroke.colour, "linestyle": stroke.dash, "linewidth": stroke.width}
            if one.has_band and stroke in (HOME, HERE):
                axes.fill_between(100 * one.x, one.low, one.high, color=stroke.colour, alpha=0.15, linewidth=0)
            axes.plot(100 * one.x, one.y, **look)
            handles.append(Line2D([], [], **look))
            labels.append(style.short(label, 31))
        if not self.ideal:
            axes.axhline(0, color=style.SOFT, linewidth=0.8)
        if self.threshold is not None:
            look = {"color": style.INK, "linestyle": (0, (2, 2)), "linewidth": 1.0}
            axes.axvline(100 * self.threshold, **look)
            handles.append(Line2D([], [], **look))
            labels.append(f"Developed threshold, {100 * self.threshold:.1f} %")
        axes.set(
            xlim=(0, 100),
            xlabel=self.axes[0],
            ylabel=self.axes[1],
            ylim=(-0.015, 1.015) if self.ideal else self._span(),
        )
        style.head(axes, self.title)
        style.key_below(figure, handles, labels, columns=2)
        return figure

    def _span(self) -> tuple[float, float]:
        top = max([0.02, *(float(np.nanmax(one.y)) for _, _, one in self.lines if np.isfinite(one.y).any())])
        return -0.22 * top, 1.15 * top

    def frame(self) -> pd.DataFrame:
        """where, x, y, low, high."""
        return stack(
            [
                pd.DataFrame(
                    {"where": label, "x": c.x, "y": c.y, **({"low": c.low, "high": c.high} if c.has_band else {})}
                )
                for label, _, c in self.lines
            ]
        )


def home_and_here(run: Run) -> Panels:
    """Calibration and decision curve of the reference model, at home and here."""
    model = run.reference
    if model is None:
        raise NotAvailable("evaluation.json does not hold the protocol's reference model")
    name = str(model["name"])
    told = (run.stage("transfer").get("models") or {}).get(name) or {}
    home = told.get("home") or {}
    scores = model["sets"].get(HELD_OUT) or {}
    panels: Panels = []
    there, here = curve(home.get("calibration")), curve(scores.get("calibration"))
    if there is not None and here is not None:
        lines = (("At home (line)", HOME, there), ("Here (smoothed)", HERE, here))
        axes = ("Predicted risk (%)", "Observed proportion")
        panels.append(("calibration", HomeAndHereDisplay("Calibration at home and here", axes, lines, ideal=True)))
    there, here = curve(home.get("decision")), curve(scores.get("decision"))
    if there is not None and here is not None:
        rest = [("At home", HOME, there), ("Here", HERE, here)]
        all_here = curve((run.strategies.get(HELD_OUT) or {}).get("treat_all"))
        rest += [("Treat all, here", TREAT_ALL, all_here)] if all_here is not None else []
        cut = (run.stage("bundle").get("thresholds") or {}).get(name)
        axes = ("Threshold probability (%)", "Net benefit per patient")
        threshold = None if cut is None else number(cut)
        panels.append(("decision", HomeAndHereDisplay("Net benefit at home and here", axes, tuple(rest), threshold)))
    if not panels:
        raise NotAvailable(
            "the bundle does not tell how the curves ran at home (it is of an older format, or of few patients)"
        )
    return panels
