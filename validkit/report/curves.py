"""Curves that a reader can toggle and read values off: ROC, calibration and net benefit of every model compared.

Plotly draws them, from its Python package, in the page itself. The printed figures hold the same curves; they give way
on the screen where the script runs, and come back in print.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from validkit.report import text
from validkit.report.figures import style
from validkit.report.figures.decision import TREAT_ALL, TREAT_NONE
from validkit.report.figures.style import Stroke
from validkit.report.page import Widget
from validkit.report.records import NotAvailable
from validkit.report.subject import label, score
from validkit.report.values import Curve, count, curve
from validkit.report.widgets import widget

__all__ = ["DIGITS", "MOST_POINTS", "curves_widget"]

DIGITS = 5
"""decimals of what is drawn and told on hover"""
MOST_POINTS = 1500
"""points of a curve; of more, those on it at equal steps of the horizontal axis"""
INK = "ink"
"""the colour of text, which the page's script takes from its light or dark style"""
KINDS = (
    ("roc", "ROC curves", "1 − specificity", "Sensitivity"),
    ("calibration", "Calibration", "Predicted risk", "Observed proportion"),
    ("decision", "Net benefit", "Threshold probability", "Net benefit per patient"),
)
HOVER = {
    "roc": "1 − specificity %{x:.3f}<br>sensitivity %{y:.3f}",
    "calibration": "risk %{x:.3f}<br>observed %{y:.3f}",
    "decision": "threshold %{x:.3f}<br>net benefit %{y:.4f}",
}


def curves_widget(
    models: Sequence[Mapping[str, Any]],
    strokes: Mapping[str, Stroke],
    sets: Mapping[str, str],
    *,
    first: str,
    reference: str | None,
    strategies: Mapping[str, Any],
    focus: Sequence[float] | None,
    replaces: Sequence[str],
) -> Widget:
    """The curves of these models on each set.

    sets : key of each set and its name; first : the set shown at the beginning; reference : the model with a band
    strategies : set -> {"treat_all": Curve}; replaces : plates that show the same in print
    """
    shown = {where: _of_set(models, strokes, where, reference, strategies.get(where) or {}, focus) for where in sets}
    shown = {where: plots for where, plots in shown.items() if any(plots[kind]["data"] for kind, *_ in KINDS)}
    if not shown:
        raise NotAvailable("no curve was recorded")
    data = {
        "kinds": [{"name": kind, "title": title} for kind, title, *_ in KINDS],
        "models": [{"name": str(one["name"]), "label": label(one), "colour": _colour(strokes, one)} for one in models],
        "sets": [{"name": where, "label": sets[where], "plots": plots} for where, plots in shown.items()],
        "first": first if first in shown else next(iter(shown)),
        "replaces": list(replaces),
    }
    without = "The figures that follow show these curves."
    return widget(
        "curves", "Curves of every model: switch models on and off, point at a curve to read it", data, without
    )


def _of_set(
    models: Sequence[Mapping[str, Any]],
    strokes: Mapping[str, Stroke],
    where: str,
    reference: str | None,
    strategies: Mapping[str, Any],
    focus: Sequence[float] | None,
) -> dict[str, Any]:
    """kind -> {data, layout, told} of Plotly, where `told` is the number beside each model's name."""
    plots: dict[str, Any] = {}
    for kind, title, across, up in KINDS:
        traces = _helpers(kind, strategies)
        drawn = 0
        for i, model in enumerate(models):
            found = curve((model["sets"].get(where) or {}).get(kind))
            if found is None:
                continue
            drawn += 1
            stroke = strokes[str(model["name"])]
            if str(model["name"]) == reference and found.has_band and kind != "roc":
                traces += _band(found, i)
            traces.append(_line(kind, found, html.escape(text.clean(label(model)), quote=False), stroke, i))
        plots[kind] = {"data": traces if drawn else [], "layout": _layout(kind, title, across, up, focus, traces)}
    plots["told"] = {str(m["name"]): _told(m["sets"].get(where) or {}) for m in models}
    return plots


def _told(scores: Mapping[str, Any]) -> str:
    found = score(scores, "auc")
    return f"AUC {text.estimate(found)}, {text.counts(count(scores.get('n')), count(scores.get('events')))}"


def _line(kind: str, found: Curve, name: str, stroke: Stroke, model: int) -> dict[str, Any]:
    x, y = _thinned(found.x, found.y)
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": x,
        "y": y,
        "meta": model,
        "line": {"color": _ink(stroke.colour), "width": stroke.width + 0.2, "dash": _dash(stroke.dash)},
        "hovertemplate": f"<b>%{{fullData.name}}</b><br>{HOVER[kind]}<extra></extra>",
        "showlegend": False,
    }


def _band(found: Curve, model: int) -> list[dict[str, Any]]:
    """The band of the one model that has one, toggled with it."""
    x, low = _thinned(found.x, found.low)
    _, high = _thinned(found.x, found.high)
    shared = {"type": "scatter", "mode": "lines", "meta": model, "hoverinfo": "skip", "showlegend": False}
    edge = {"line": {"width": 0, "color": INK}, "x": x}
    return [{**shared, **edge, "y": low}, {**shared, **edge, "y": high, "fill": "tonexty", "fillcolor": "band"}]


def _helpers(kind: str, strategies: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Lines that belong to no model: chance, the ideal, the two simple rules."""
    if kind != "decision":
        name = "Chance" if kind == "roc" else "Ideal"
        return [_rule(name, [0.0, 1.0], [0.0, 1.0], TREAT_NONE)]
    found = [_rule("Treat none", [0.0, 1.0], [0.0, 0.0], TREAT_NONE)]
    everybody = curve(strategies.get("treat_all"))
    if everybody is not None:
        found.append(_rule("Treat all", *_thinned(everybody.x, everybody.y), TREAT_ALL))
    return found


def _rule(name: str, x: list[Any], y: list[Any], stroke: Stroke) -> dict[str, Any]:
    line = {"color": "soft", "width": stroke.width, "dash": _dash(stroke.dash)}
    hover = f"{name}<br>%{{x:.3f}}, %{{y:.4f}}<extra></extra>"
    return {
        "type": "scatter", "mode": "lines", "name": name, "x": x, "y": y, "line": line, "hovertemplate": hover,
        "showlegend": False,
    }  # fmt: skip


def _layout(
    kind: str, title: str, across: str, up: str, focus: Sequence[float] | None, traces: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    layout: dict[str, Any] = {
        "title": {"text": title, "x": 0, "xref": "paper", "font": {"size": 15}},
        "xaxis": {"title": {"text": across}, "range": [-0.01, 1.01], "zeroline": False, "dtick": 0.2},
        "yaxis": {"title": {"text": up}, "range": [-0.01, 1.02], "zeroline": False},
        "margin": {"l": 58, "r": 16, "t": 36, "b": 56},
        "hovermode": "closest",
        "height": 380,
    }
    if kind == "decision":
        top = max([0.02, *(v for trace in traces if "meta" in trace for v in trace["y"] if v is not None)])
        layout["yaxis"]["range"] = [-0.22 * top, 1.1 * top]
        layout["xaxis"]["tickformat"] = ".0%"
        if focus:
            low, high = (float(end) for end in focus)
            band = {"type": "rect", "xref": "x", "yref": "paper", "x0": low, "x1": high, "y0": 0, "y1": 1}
            layout["shapes"] = [{**band, "layer": "below", "line": {"width": 0}, "fillcolor": "wash"}]
    return layout


def _thinned(x: np.ndarray, y: np.ndarray) -> tuple[list[Any], list[Any]]:
    """At most MOST_POINTS points, rounded; what is undefined is null."""
    if len(x) > MOST_POINTS:
        kept = np.unique(np.linspace(0, len(x) - 1, MOST_POINTS).round().astype(int))
        x, y = x[kept], y[kept]
    rows = np.round(np.column_stack([x, y]), DIGITS)
    across, up = ([None if np.isnan(v) else float(v) for v in column] for column in rows.T)
    return across, up


def _colour(strokes: Mapping[str, Stroke], model: Mapping[str, Any]) -> str:
    return _ink(strokes[str(model["name"])].colour)


def _ink(colour: str) -> str:
    return INK if colour == style.BLACK else colour


def _dash(dash: Any) -> str:
    """Plotly's words for matplotlib's dashes."""
    if isinstance(dash, str):
        return "solid"
    return ",".join(f"{2 * length:g}px" for length in dash[1])
