"""Every figure: nothing cut, numbers unchanged, order and labels as promised."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from validkit.report import records
from validkit.report.figures import style
from validkit.report.figures.base import Plate, draw
from validkit.report.figures.calibration import CalibrationDisplay
from validkit.report.figures.catalogue import plates
from validkit.report.figures.roc import RocDisplay, RocLine
from validkit.report.figures.selection import WeightDisplay
from validkit.report.values import Curve, Estimate

NONE = np.empty(0)


@pytest.fixture(scope="module")
def catalogue(complete_run):
    return {plate.name: plate for plate in plates(records.read_run(complete_run))}


def line(label: str, auc: float, *, curve: bool = True, chosen: bool = False, note: str = "") -> RocLine:
    drawn = Curve(np.array([0, 0.2, 1.0]), np.array([0, 0.7, 1.0]), NONE, NONE, 0.95, "", 10, 4, "") if curve else None
    return RocLine(
        label, style.CYCLE[1], Estimate(auc, auc - 0.1, auc + 0.1, 0.95, "DeLong", 10, 4, note), drawn, None, chosen
    )


def cut_off(display) -> list[str]:
    figure = display.figure()
    FigureCanvasAgg(figure)
    with style.house_style():
        figure.canvas.draw()
        box = figure.get_tightbbox(figure.canvas.get_renderer())
    width, height = figure.get_size_inches()
    edges = {"left": box.x0, "bottom": box.y0, "right": width - box.x1, "top": height - box.y1}
    return [f"{edge} {room:.3f} in" for edge, room in edges.items() if room < -0.005]


def test_no_figure_is_cut_at_its_edge(catalogue):
    found = {f"{name} {suffix}": cut_off(d) for name, plate in catalogue.items() for suffix, d in plate.panels}
    assert len(found) == 32
    assert {key: value for key, value in found.items() if value} == {}


def test_long_names_do_not_leave_their_figure():
    long = "a name that no column should have " * 4
    lines = tuple(line(f"{i} {long}", 0.7, chosen=i == 0, curve=i != 2, note=long) for i in range(9))
    weights = WeightDisplay(long, "|weight|", (long, long * 2), np.array([1.0, -2.0]), (long, "deep"))
    estimate = Estimate(1.0, 0.5, 1.5, 0.95, "Wald", 10, 4)
    calibration = CalibrationDisplay(
        long, 10, 4, None, np.array([[0.2, 0.3, 0.1, 0.5, 5]]), NONE, NONE, NONE, estimate, estimate, (long, long), long
    )
    for display in (RocDisplay(long, 10, 4, lines), weights, calibration):
        assert cut_off(display) == [], display


def test_drawn_numbers_are_the_recorded_ones(catalogue, complete_run):
    run = records.read_run(complete_run)
    recorded = run.model("nomogram")["sets"]["held-out"]["roc"]
    display = dict(catalogue["12-roc-models"].panels)["held-out"]
    frame = display.frame()
    mine = frame[frame["model"] == "Nomogram"]
    np.testing.assert_array_equal(mine["one_minus_specificity"], recorded["x"])
    np.testing.assert_array_equal(mine["sensitivity"], recorded["y"])
    assert "RocDisplay('Held-out (n" in repr(display)


def test_roc_legend_is_ordered_by_auc_with_undefined_last():
    display = RocDisplay("Held-out", 10, 4, (line("a", 0.6), line("b", 0.8), line("c", float("nan"), curve=False)))
    assert [x.label for x in display.ordered()] == ["b", "a", "c"]
    assert "b: AUC 0.800 [0.700, 0.900]" in display.alt()


def test_lasso_and_icc_frames(catalogue):
    path = dict(catalogue["03-lasso"].panels)["path"].frame()
    assert path.shape == (100, 25)
    icc = dict(catalogue["02-icc"].panels)["intra"]
    assert len(icc.frame()) == 1561
    assert "features reach 0.75" in icc.alt()


def test_saliency_frame_measures_heat_inside_the_outline(catalogue):
    frame = dict(catalogue["08-grad-cam"].panels)["01"].frame()
    assert 0 < frame["heat_inside_outline"].item() < 1
    assert frame["outcome"].item() == "no metastasis"


def test_drawing_leaves_matplotlib_as_it_was(catalogue):
    before = dict(matplotlib.rcParams)
    draw(Plate("x", "x", "x", catalogue["02-icc"].panels[:1]))
    assert dict(matplotlib.rcParams) == before


def test_families_and_classifiers_differ_without_colour():
    assert len({str(stroke.dash) + str(stroke.width) for stroke in style.FAMILY.values()}) == len(style.FAMILY)
    assert len({(stroke.colour, str(stroke.dash)) for stroke in style.CYCLE}) == len(style.CYCLE)
    strokes = style.strokes(["a", "b", "c"], "b")
    assert strokes["b"].colour == style.BLACK
    assert len({s.colour for s in strokes.values()}) == 3


@pytest.mark.parametrize(("words", "most", "expected"), [("short", 10, "short"), ("abcdefghijkl", 9, "abcde…jkl")])
def test_short(words, most, expected):
    assert style.short(words, most) == expected
    assert len(style.short(words * 10, most)) <= most
