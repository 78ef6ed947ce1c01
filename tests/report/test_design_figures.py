"""Figures of a design: nothing cut, the recorded numbers, undefined and extreme values."""

from __future__ import annotations

import math

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from validkit.report.figures import style
from validkit.report.figures.catalogue import plates
from validkit.report.figures.design_panels import SCALES
from validkit.report.figures.forest import ForestDisplay, SpreadDisplay
from validkit.report.figures.optimism import KeptDisplay, OptimismDisplay
from validkit.report.records import read_run
from validkit.report.values import Estimate

LONG = "a site whose name no table should hold " * 3


def cut_off(display) -> list[str]:
    figure = display.figure()
    FigureCanvasAgg(figure)
    with style.house_style():
        figure.canvas.draw()
        box = figure.get_tightbbox(figure.canvas.get_renderer())
    width, height = figure.get_size_inches()
    edges = {"left": box.x0, "bottom": box.y0, "right": width - box.x1, "top": height - box.y1}
    return [f"{edge} {room:.3f} in" for edge, room in edges.items() if room < -0.005]


@pytest.mark.parametrize("name", ["sites", "folds", "resamples", "nested"])
def test_no_figure_of_a_design_is_cut_at_its_edge(variants, name):
    ours = ("15-by-split", "16-optimism", "00-kept-features")
    panels = [d for plate in plates(read_run(variants(name))) if plate.name in ours for _, d in plate.panels]
    assert panels
    assert [found for display in panels if (found := cut_off(display))] == []


@pytest.mark.parametrize("key", list(SCALES))
def test_undefined_and_extreme_parts_stay_inside_and_are_told(key):
    rows = (
        (LONG, Estimate(0.9, 0.8, 0.97, 0.95, "Wald", 10, 4)),
        ("b", Estimate(note="a single outcome", n=3, n_events=0)),
        ("c", Estimate(0.7, -40.0, 50.0, 0.95, "Wald", 10_000, 4000)),
        ("d", Estimate(0.8, 0.0, math.inf, 0.95, "Wald", 10, 4)),
    )
    new = Estimate(0.8, -math.inf, math.inf, 0.95, "prediction")
    display = ForestDisplay(SCALES[key], rows, Estimate(0.8, 0.7, 0.9), new)
    assert cut_off(display) == []
    assert "b —" in display.alt()
    assert list(display.frame()["kind"]) == ["row"] * 4 + ["pooled", "prediction"]
    spread = SpreadDisplay(
        SCALES[key], tuple((f"Repeat {i % 60}", e) for i, (_, e) in enumerate(rows * 40)), Estimate()
    )
    assert cut_off(spread) == []
    assert "undefined in 40" in spread._words()
    nothing = ForestDisplay(SCALES[key], (("a", Estimate()),))
    assert cut_off(nothing) == []


def test_drawn_parts_are_the_recorded_ones(variants):
    run = read_run(variants("sites"))
    display = dict(next(p for p in plates(run) if p.name == "15-by-split").panels)["oe"]
    frame = display.frame()
    rows = run.model("lr")["by_split"]
    assert list(frame["value"])[:4] == [row["oe"]["value"] for row in rows]
    assert list(frame["events"])[:4] == [139, 106, 115, 149]
    assert frame.loc[5, "high"] == run.model("lr")["pooled"]["oe"]["prediction"]["high"]
    folds = dict(next(p for p in plates(read_run(variants("folds"))) if p.name == "15-by-split").panels)
    assert isinstance(folds["auc"], SpreadDisplay)
    assert len(folds["auc"].frame()) == 30


def test_optimism_and_kept_columns_with_odd_values():
    rows = (("Apparent", Estimate(0.9)), ("Corrected", Estimate(0.9, 0.9, 0.9)), (".632", Estimate(math.inf)))
    assert cut_off(OptimismDisplay(LONG, rows)) == []
    kept = KeptDisplay(((LONG, 5), ("$x_1$", 1)), 5, frozenset({LONG}))
    assert cut_off(kept) == []
    assert kept.frame()["share"].tolist() == [1.0, 0.2]
    assert cut_off(KeptDisplay(tuple((f"c{i}", 1) for i in range(80)), 1, None)) == []
