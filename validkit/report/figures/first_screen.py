"""The pictures of the first screen: calibration over its risks, net benefit where it matters, risks by outcome."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from validkit.report import text
from validkit.report.figures import style
from validkit.report.figures.base import Display, Panels
from validkit.report.figures.decision import TREAT_ALL, TREAT_NONE
from validkit.report.records import NotAvailable
from validkit.report.values import Curve, Estimate, curve, estimate, number, numbers

__all__ = ["APPARENT", "FALLBACK_RANGE", "Risks", "first_panels"]

SIZE = (3.1, 3.05)
"""inches: four stand side by side on a desktop, one above the other on a phone"""
MARGINS = {"left": 0.17, "right": 0.965, "bottom": 0.155, "top": 0.9, "hspace": 0.16}
FALLBACK_RANGE = (0.0, 0.5)
"""thresholds shown where the protocol declares no range"""
APPARENT = ", apparent"
"""ends the name of patients whom the model was fitted to"""
WORDS = 24
"""characters of an outcome's name"""


@dataclass(frozen=True, eq=False)
class Risks:
    """How many patients with and without the event have which risk."""

    edges: np.ndarray
    event: np.ndarray
    no_event: np.ndarray

    @property
    def there(self) -> bool:
        """Whether a histogram was recorded."""
        return len(self.edges) == len(self.event) + 1 == len(self.no_event) + 1 > 1

    @property
    def top(self) -> float:
        """Where the axis of risks may end: just above the highest."""
        filled = np.flatnonzero(self.event + self.no_event)
        return float(self.edges[filled[-1] + 1]) if filled.size else 1.0

    def middle(self, counts: np.ndarray) -> float:
        """The median of a class, as its bins tell it; NaN where nobody is in it."""
        total = counts.sum()
        if not total > 0:
            return math.nan
        below = np.concatenate([[0.0], np.cumsum(counts)]) / total
        at = int(np.searchsorted(below, 0.5, side="left"))
        low, high = below[at - 1], below[at]
        return float(self.edges[at - 1] + (self.edges[at] - self.edges[at - 1]) * (0.5 - low) / (high - low))


def _titled(what: str, where: str) -> str:
    return f"{what} (apparent)" if where.endswith(APPARENT) else what


def _end(top: float) -> float:
    """The end of an axis of risks: a tenth above the highest of them."""
    return min(1.0, max(0.2, math.ceil(10 * top - 1e-9) / 10))


@dataclass(frozen=True, repr=False)
class FirstCalibration(Display):
    """Observed proportion against predicted risk, and below how many patients have which risk."""

    where: str
    smooth: Curve | None
    groups: np.ndarray
    risks: Risks
    slope: Estimate
    in_the_large: Estimate

    @property
    def title(self) -> str:
        """What is shown."""
        return _titled("Calibration", self.where)

    def alt(self) -> str:
        """Slope and calibration in the large, and what they say."""
        told = f"slope {text.estimate(self.slope)}, calibration in the large {text.estimate(self.in_the_large)}"
        return f"Calibration plot with the distribution of risks under it, {self.where}: {told}. {self._says()}"

    def _says(self) -> str:
        slope, large = self.slope, self.in_the_large
        if not (slope.has_interval and large.has_interval):
            return "How well risks agree with what happened cannot be judged by intervals."
        words = []
        if not large.low <= 0 <= large.high:
            words.append("too low on the whole" if large.value > 0 else "too high on the whole")
        if not slope.low <= 1 <= slope.high:
            words.append("too extreme" if slope.value < 1 else "not extreme enough")
        if words:
            return f"Risks are {' and '.join(words)}."
        return "No departure of risks from what happened is shown by these two intervals."

    def draw(self) -> Figure:
        """Two panels on one axis."""
        figure = style.blank(*SIZE)
        above, below = figure.subplots(2, 1, height_ratios=(3.4, 1.0), sharex=True)
        highest = max([self.risks.top if self.risks.there else 1.0, *self.groups[:, 0]])
        end = _end(highest)
        above.plot([0, 1], [0, 1], color=style.SOFT, linewidth=0.9, linestyle=(0, (1, 2)))
        if self.smooth is not None:
            if self.smooth.has_band:
                above.fill_between(
                    self.smooth.x, self.smooth.low, self.smooth.high, color=style.BLUE, alpha=0.16, linewidth=0
                )
            above.plot(self.smooth.x, self.smooth.y, color=style.BLUE, linewidth=1.8)
        if len(self.groups):
            risk, observed, low, high = self.groups.T
            above.vlines(risk, low, high, color=style.INK, linewidth=0.9)
            above.plot(risk, observed, "o", ms=4, mfc="white", mec=style.INK, mew=1.1, zorder=4)
        told = f"Slope {text.estimate(self.slope)}\nIn the large {text.estimate(self.in_the_large)}"
        above.text(0.03, 0.985, told, transform=above.transAxes, va="top", fontsize=7.5)
        above.set(xlim=(0, end), ylim=(-0.02, 1.24), ylabel="Observed proportion")
        above.set_yticks(np.linspace(0, 1, 6))
        style.head(above, self.title)
        if self.risks.there:
            width = np.diff(self.risks.edges)
            below.bar(
                self.risks.edges[:-1],
                self.risks.event + self.risks.no_event,
                width,
                align="edge",
                color=style.SOFT,
                edgecolor="white",
                linewidth=0.4,
            )
        below.set(xlabel="Predicted risk", ylabel="Patients")
        below.yaxis.set_major_locator(MaxNLocator(nbins=2, integer=True))
        return figure

    def frame(self) -> pd.DataFrame:
        """part, risk, value, low, high: the curve, the groups, and patients from each risk on."""
        parts = []
        if self.smooth is not None:
            columns = {"risk": self.smooth.x, "value": self.smooth.y, **self.smooth.limits}
            parts.append(pd.DataFrame({"part": "curve", **columns}))
        if len(self.groups):
            parts.append(pd.DataFrame(self.groups, columns=["risk", "value", "low", "high"]).assign(part="group"))
        if self.risks.there:
            patients = {"risk": self.risks.edges[:-1], "value": self.risks.event + self.risks.no_event}
            parts.append(pd.DataFrame({"part": "patients", **patients}))
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


@dataclass(frozen=True, repr=False)
class FirstDecision(Display):
    """Net benefit of the model, of treating all and of treating none, at thresholds that matter."""

    where: str
    model: Curve
    everybody: Curve | None
    focus: tuple[float, float]
    declared: bool

    @property
    def title(self) -> str:
        """What is shown."""
        return _titled("Net benefit", self.where)

    @property
    def _seen(self) -> np.ndarray:
        """Which thresholds of the model's curve are shown: those that matter, else all."""
        low, high = self.focus
        seen = (self.model.x >= low - 1e-9) & (self.model.x <= high + 1e-9)
        return np.asarray(seen if seen.sum() > 1 else np.ones(len(self.model.x), dtype=bool))

    def alt(self) -> str:
        """Over how much of the range the model has the highest net benefit."""
        low, high = (text.threshold(end) for end in self.focus)
        known = "the declared range" if self.declared else "thresholds"
        return f"Decision curve, {self.where}, over {known} of {low} to {high}. {self._says()}"

    def _says(self) -> str:
        seen = self._seen
        y = self.model.y[seen]
        best = np.maximum(0.0, self._all_at(self.model.x[seen]))
        known = np.isfinite(y) & np.isfinite(best)
        if not known.any():
            return "Net benefit is not defined there."
        share = float((y[known] > best[known]).mean())
        return f"At {text.percent(share, 0)} of these thresholds the model's net benefit is above both simple rules."

    def _all_at(self, at: np.ndarray) -> np.ndarray:
        if self.everybody is None:
            return np.zeros_like(at)
        return np.asarray(np.interp(at, self.everybody.x, self.everybody.y))

    def draw(self) -> Figure:
        """One panel."""
        figure = style.blank(*SIZE)
        axes = figure.subplots()
        seen = self._seen
        x, y = 100 * self.model.x[seen], self.model.y[seen]
        if self.model.has_band:
            axes.fill_between(x, self.model.low[seen], self.model.high[seen], color=style.INK, alpha=0.12, linewidth=0)
        axes.plot(x, y, color=style.INK, linewidth=1.9, label="Model")
        everybody = self._all_at(x / 100)
        rules = [(TREAT_NONE, np.zeros_like(x), "Treat none")]
        rules += [] if self.everybody is None else [(TREAT_ALL, everybody, "Treat all")]
        for stroke, values, label in rules:
            axes.plot(x, values, color=stroke.colour, linestyle=stroke.dash, linewidth=stroke.width, label=label)
        top = max(0.02, float(everybody[0]), *(float(v) for v in y if math.isfinite(v)))
        axes.set(xlim=(x[0], x[-1]), ylim=(-0.25 * top, 1.1 * top))
        axes.set(xlabel="Threshold probability (%)", ylabel="Net benefit per patient")
        axes.legend(loc="best", fontsize=8)
        style.head(axes, self.title)
        return figure

    def frame(self) -> pd.DataFrame:
        """threshold, model, low, high, treat_all."""
        seen = self._seen
        ends = {name: values[seen] for name, values in self.model.limits.items()}
        x = self.model.x[seen]
        return pd.DataFrame({"threshold": x, "model": self.model.y[seen], **ends, "treat_all": self._all_at(x)})


@dataclass(frozen=True, repr=False)
class FirstRisks(Display):
    """Risks of patients with the event above those of patients without, each as shares of their class."""

    where: str
    risks: Risks
    words: tuple[str, str]

    @property
    def title(self) -> str:
        """What is shown."""
        return _titled("Risks by outcome", self.where)

    def alt(self) -> str:
        """The medians of both classes."""
        medians = [self.risks.middle(counts) for counts in (self.risks.event, self.risks.no_event)]
        told = " and ".join(
            f"{text.percent(middle, 0)} with {word}" for middle, word in zip(medians, self.words, strict=True)
        )
        return f"Distribution of predicted risks by outcome, {self.where}: the median is about {told}."

    def draw(self) -> Figure:
        """Two panels on one axis."""
        figure = style.blank(*SIZE)
        figure.set_layout_engine("none")  # of two equal panels the constrained one makes bytes that do not repeat
        rows = figure.subplots(2, 1, sharex=True, sharey=True, gridspec_kw=MARGINS)
        looks = ((self.risks.event, style.EVENT), (self.risks.no_event, style.NO_EVENT))
        for axes, (counts, colour), word in zip(rows, looks, self.words, strict=True):
            self._half(axes, counts, colour, word)
        highest = max(float((counts / max(counts.sum(), 1)).max()) for counts, _ in looks)
        rows[0].set(xlim=(0, _end(self.risks.top)), ylim=(0, 1.45 * max(highest, 0.01)))
        rows[1].set_xlabel("Predicted risk")
        style.head(rows[0], self.title)
        return figure

    def _half(self, axes: Axes, counts: np.ndarray, colour: str, word: str) -> None:
        total = counts.sum()
        shares = counts / total if total > 0 else counts
        axes.bar(
            self.risks.edges[:-1], shares, np.diff(self.risks.edges), align="edge", color=colour, edgecolor="white",
            linewidth=0.4,
        )  # fmt: skip
        middle = self.risks.middle(counts)
        if not math.isnan(middle):
            axes.axvline(middle, ymax=0.78, color=style.INK, linewidth=1.1, linestyle=(0, (3, 2)))
        label = f"{style.short(text.capital(word), WORDS)} (n = {text.whole(float(total))})"
        axes.text(0.98, 0.93, label, transform=axes.transAxes, ha="right", va="top", fontsize=8)
        axes.set_ylabel("Share (%)")
        axes.yaxis.set_major_locator(MaxNLocator(nbins=3))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=""))

    def frame(self) -> pd.DataFrame:
        """risk_from, risk_to, event, no_event: patients."""
        edges = self.risks.edges
        return pd.DataFrame(
            {"risk_from": edges[:-1], "risk_to": edges[1:], "event": self.risks.event, "no_event": self.risks.no_event}
        )


def first_panels(
    scores: Mapping[str, Any],
    where: str,
    words: tuple[str, str],
    *,
    everybody: Mapping[str, Any] | None = None,
    focus: Sequence[Any] | None = None,
) -> Panels:
    """The pictures of one model on one set, those that its scores hold.

    scores : as evaluation.json and audit.json hold them; where : the patients, in words; words : for patients with the
    event and without; everybody : the curve of treating all; focus : the range of thresholds that was declared
    """
    record = scores.get("risks") or {}
    risks = Risks(*(numbers(record.get(key)) for key in ("edges", "event", "no_event")))
    rows = scores.get("calibration_groups") or []
    groups = np.array([[number(g.get(key)) for key in ("mean_risk", "observed", "low", "high")] for g in rows])
    smooth, benefit = curve(scores.get("calibration")), curve(scores.get("decision"))
    panels: Panels = []
    if smooth is not None or rows:
        line = [estimate(scores.get(key)) for key in ("slope", "calibration_in_the_large")]
        panels.append(("calibration", FirstCalibration(where, smooth, groups.reshape(-1, 4), risks, *line)))
    if benefit is not None:
        window = (number(focus[0]), number(focus[1])) if focus else FALLBACK_RANGE
        panels.append(("decision", FirstDecision(where, benefit, curve(everybody), window, bool(focus))))
    if risks.there:
        panels.append(("risks", FirstRisks(where, risks, words)))
    if not panels:
        raise NotAvailable("neither calibration, nor net benefit, nor the distribution of risks was recorded")
    return panels
