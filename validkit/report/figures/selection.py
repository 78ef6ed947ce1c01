"""How features were selected: the LASSO's path and cross-validation, and the weight of what was kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, NullLocator

from validkit.report import text
from validkit.report.figures import style
from validkit.report.figures.base import Display


@dataclass(frozen=True, repr=False)
class LassoPathDisplay(Display):
    """Coefficients over the penalty; the numbers above the axes count the features still in.

    coefficients : (features, lambdas)
    """

    lambdas: np.ndarray
    features: tuple[str, ...]
    coefficients: np.ndarray
    chosen: float

    @property
    def title(self) -> str:
        """Fixed."""
        return "Coefficient paths"

    def draw(self) -> Figure:
        """Features kept at the chosen penalty in colour, the others in grey."""
        figure = style.blank(4.7, 3.7)
        axes = figure.subplots()
        at = int(np.argmin(np.abs(np.log(self.lambdas / self.chosen))))
        kept = np.abs(self.coefficients[:, at]) > 0
        for path in self.coefficients[~kept & (np.abs(self.coefficients).max(axis=1) > 0)]:
            axes.plot(self.lambdas, path, color="#c3cad2", linewidth=0.7)
        for i, path in enumerate(self.coefficients[kept]):
            axes.plot(
                self.lambdas, path, color=style.CYCLE[i % 8].colour, linestyle=style.CYCLE[i % 8].dash, linewidth=1.3
            )
        _penalty_axis(axes, self.lambdas, self.chosen, (np.abs(self.coefficients) > 0).sum(axis=0))
        axes.set(ylabel="Coefficient (standardised features)")
        style.head(axes, self.title, pad=22)
        handles = [Line2D([], [], color=style.BLUE), Line2D([], [], color="#c3cad2"), _chosen_handle()]
        labels = [f"kept at the chosen λ ({kept.sum()})", "not kept", f"λ = {text.fine(self.chosen, 4)}"]
        style.key_below(figure, handles, labels, columns=3)
        return figure

    def frame(self) -> pd.DataFrame:
        """lambda and one column a feature."""
        return pd.DataFrame(self.coefficients.T, columns=list(self.features)).assign(**{"lambda": self.lambdas})


@dataclass(frozen=True, repr=False)
class LassoCvDisplay(Display):
    """Cross-validated error over the penalty, mean and standard error over the folds."""

    lambdas: np.ndarray
    mean: np.ndarray
    se: np.ndarray
    kept: np.ndarray
    chosen: float
    loss: str
    rule: str

    @property
    def title(self) -> str:
        """Fixed."""
        return "Cross-validation"

    def draw(self) -> Figure:
        """Dots with standard errors and the chosen penalty."""
        figure = style.blank(4.7, 3.7)
        axes = figure.subplots()
        axes.errorbar(
            self.lambdas, self.mean, yerr=self.se, fmt="o", ms=2.6, color=style.BLUE, ecolor="#a9bdd0", elinewidth=0.9
        )
        _penalty_axis(axes, self.lambdas, self.chosen, self.kept)
        axes.set(ylabel=style.short(self.loss, 34))
        style.head(axes, self.title, pad=22)
        handles = [Line2D([], [], color=style.BLUE, marker="o", ms=3, linewidth=0.9), _chosen_handle()]
        labels = ["mean ± SE over folds", f"λ = {text.fine(self.chosen, 4)} (rule: {style.short(self.rule, 12)})"]
        style.key_below(figure, handles, labels, columns=2)
        return figure

    def frame(self) -> pd.DataFrame:
        """lambda, mean, se."""
        return pd.DataFrame({"lambda": self.lambdas, "mean": self.mean, "se": self.se})


def _chosen_handle() -> Line2D:
    return Line2D([], [], color=style.VERMILLION, linestyle=(0, (4, 2)), linewidth=1.3)


def _penalty_axis(axes: Axes, lambdas: np.ndarray, chosen: float, kept: np.ndarray) -> None:
    """Logarithmic axis of the penalty, and above it how many features are in."""
    axes.set_xscale("log")
    axes.set_xlim(lambdas.min() / 1.08, lambdas.max() * 1.08)
    decades = np.log10(lambdas.max() / lambdas.min())
    subs = (1.0,) if decades > 4 else (1.0, 3.0) if decades > 2.5 else (1.0, 2.0, 5.0)
    axes.xaxis.set_major_locator(LogLocator(subs=subs))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.axvline(chosen, color=style.VERMILLION, linestyle=(0, (4, 2)), linewidth=1.3)
    axes.set_xlabel("Penalty λ (log scale)")
    order = np.argsort(lambdas)
    for at in np.linspace(0, len(order) - 1, 7).round().astype(int):
        i = order[at]
        axes.annotate(
            str(int(kept[i])),
            (lambdas[i], 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            color=style.SOFT,
        )
    axes.annotate(
        "features in",
        (1, 1),
        xycoords="axes fraction",
        xytext=(0, 13),
        textcoords="offset points",
        ha="right",
        fontsize=8,
        color=style.SOFT,
    )


@dataclass(frozen=True, repr=False)
class WeightDisplay(Display):
    """Weights of the kept features, largest magnitude first, each name above its bar.

    groups : what the colour and the hatch mean, one entry a feature
    """

    heading: str
    scale: str
    names: tuple[str, ...]
    weights: np.ndarray
    groups: tuple[str, ...]

    @property
    def title(self) -> str:
        """Heading and how many."""
        return f"{self.heading} ({len(self.names)})"

    def alt(self) -> str:
        """The weights in words."""
        pairs = (f"{name} {text.fine(w)}" for name, w in zip(self.names, self.weights, strict=True))
        return f"{self.title}: {'; '.join(pairs)}"

    def draw(self) -> Figure:
        """Bars of |weight|; names sit above the bars, so long ones keep their room."""
        kinds = sorted(set(self.groups))
        colours = {kind: GROUP_COLOURS.get(kind, style.GREEN) for kind in kinds}
        hatches = dict(zip(kinds, ("////", "", "....", "xxxx") * len(kinds), strict=False))
        figure = style.blank(4.7, 0.95 + 0.36 * max(len(self.names), 2))
        axes = figure.subplots()
        size = np.abs(self.weights)
        top = float(np.nanmax(size, initial=0.0)) or 1.0
        order = np.argsort(-np.nan_to_num(size), kind="stable")
        for row, i in enumerate(order):
            kind = self.groups[i]
            axes.barh(
                row + 0.2, size[i], 0.36, color=colours[kind], hatch=hatches[kind], edgecolor="white", linewidth=0.3
            )
            axes.text(size[i] + 0.012 * top, row + 0.2, text.fine(self.weights[i]), va="center", fontsize=8)
            axes.text(0.004 * top, row - 0.02, style.short(self.names[i], 58), va="bottom", fontsize=8)
        axes.set(xlim=(0, 1.17 * top), ylim=(len(order) - 0.45, -0.62), xlabel=self.scale, yticks=[])
        style.head(axes, self.title)
        style.plain_spines(axes)
        handles = [Patch(facecolor=colours[k], hatch=hatches[k], edgecolor="white") for k in kinds]
        style.key_below(figure, handles, [style.short(k, 28) for k in kinds], columns=2)
        return figure

    def frame(self) -> pd.DataFrame:
        """feature, weight, group."""
        return pd.DataFrame({"feature": self.names, "weight": self.weights, "group": self.groups})


RAISES, LOWERS = "raises the risk", "lowers the risk"
GROUP_COLOURS = {"radiomics": style.BLUE, "deep": style.ORANGE, RAISES: style.VERMILLION, LOWERS: style.BLUE}
