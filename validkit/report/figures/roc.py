"""Receiver operating characteristic curves of several models on one set of patients."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from validkit.report import text
from validkit.report.figures import style
from validkit.report.figures.base import Display, stack
from validkit.report.figures.style import Stroke
from validkit.report.values import Curve, Estimate


@dataclass(frozen=True)
class RocLine:
    """One model's curve (x: 1 - specificity, y: sensitivity), its AUC and its operating point."""

    label: str
    stroke: Stroke
    auc: Estimate
    curve: Curve | None
    point: tuple[float, float] | None = None
    chosen: bool = False


@dataclass(frozen=True, repr=False)
class RocDisplay(Display):
    """ROC curves on one set; the legend gives each AUC with its interval, highest first."""

    where: str
    n: int | None
    events: int | None
    lines: tuple[RocLine, ...]

    @property
    def title(self) -> str:
        """The set of patients, n and events."""
        return f"{self.where} ({text.counts(self.n, self.events)})"

    def alt(self) -> str:
        """Every model's AUC in words."""
        aucs = "; ".join(f"{line.label}: AUC {text.estimate(line.auc)}" for line in self.ordered())
        return f"ROC curves, {self.title}. {aucs}"

    def ordered(self) -> list[RocLine]:
        """The lines by falling AUC; undefined ones last."""
        return sorted(self.lines, key=lambda line: -line.auc.value if line.auc.defined else 1.0)

    def draw(self) -> Figure:
        """Square axes, chance line, one line a model, legend below."""
        figure = style.blank(4.7, 4.95 + 0.185 * len(self.lines))
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color=style.SOFT, linewidth=0.9, linestyle=(0, (1, 2)))
        handles, labels = [], []
        for line in self.ordered():
            width = line.stroke.width + (0.8 if line.chosen else 0.0)
            look = {"color": line.stroke.colour, "linestyle": line.stroke.dash, "linewidth": width}
            if line.curve is not None:
                axes.plot(line.curve.x, line.curve.y, solid_joinstyle="miter", zorder=3 if line.chosen else 2, **look)
                if line.point is not None:
                    axes.plot(*line.point, "o", ms=5, mfc="white", mec=line.stroke.colour, mew=1.5, zorder=4)
            handles.append(Line2D([], [], **look))
            labels.append(self._label(line))
        axes.set(xlim=(-0.015, 1.015), ylim=(-0.015, 1.015), aspect="equal")
        style.head(axes, self.title)
        axes.set(xlabel="1 − specificity", ylabel="Sensitivity")
        style.key_below(figure, handles, labels, title=self._heading())
        return figure

    def _heading(self) -> str:
        levels = {text.level(line.auc.level) for line in self.lines if line.auc.has_interval}
        return f"AUC [{levels.pop()} CI]" if len(levels) == 1 else "AUC"

    @staticmethod
    def _label(line: RocLine) -> str:
        chosen = " (chosen)" if line.chosen else ""
        if line.curve is None:
            return style.short(f"{line.label}{chosen}: no curve, {line.auc.note or 'not recorded'}", 58)
        return f"{style.short(line.label, 28 if line.chosen else 36)}{chosen}  {text.estimate(line.auc)}"

    def frame(self) -> pd.DataFrame:
        """model, one_minus_specificity, sensitivity."""
        return stack(
            [
                pd.DataFrame({"model": line.label, "one_minus_specificity": line.curve.x, "sensitivity": line.curve.y})
                for line in self.lines
                if line.curve is not None
            ]
        )
