"""The flow of patients: counts that add up and are the recorded ones, words that stay in their boxes, any text."""

from __future__ import annotations

import csv
import io
import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import Rectangle

from validkit.report import text
from validkit.report.figures import style
from validkit.report.figures.boxes import WIDTH
from validkit.report.figures.catalogue import plates
from validkit.report.figures.flow import MOST_ASIDE, MOST_PARTS, Box, FlowDisplay, Part, arms_of
from validkit.report.figures.flow_panels import rows_flow
from validkit.report.records import Record, Run, read_run
from validkit.report.render import data_of

DESIGNS = ("sites", "folds", "resamples", "given", "external", "nested")
SLACK = 0.01
"""inches that a letter may stand out of its line, as anti-aliasing does"""


def flow_of(run: Run) -> FlowDisplay:
    """The display of the plate; the plate's reason where there is none."""
    plate = next(one for one in plates(run) if one.name == "00-flow")
    assert plate.panels, plate.reason
    ((_, display),) = plate.panels
    assert isinstance(display, FlowDisplay)
    return display


def counts(display: FlowDisplay) -> dict[str, tuple[int, int | None]]:
    """n and events of each box, without what is counted in it."""
    frame = display.frame()
    boxes = frame[frame["parent"].isin(["", display.whole.name, display.analysed.name])]
    return {row.box: (row.n, None if row.events is pd.NA else row.events) for row in boxes.itertuples()}


def outside(display: FlowDisplay) -> list[str]:
    """Texts that leave the figure or every box, and boxes and texts that touch another."""
    with style.house_style(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*missing from font")
        figure = display.draw()
        FigureCanvasAgg(figure)
        renderer = figure.canvas.get_renderer()
        words = {one: one.get_window_extent(renderer) for one in figure.texts}
        boxes = [one.get_window_extent(renderer) for one in figure.patches + figure.artists if is_box(one)]
    room, found = SLACK * figure.dpi, []
    for one, at in words.items():
        homes = [b for b in boxes if b.x0 - room <= at.x0 and at.x1 <= b.x1 + room and b.y0 <= at.y0 and at.y1 <= b.y1]
        if len(homes) != 1:
            found.append(f"{len(homes)} boxes hold {one.get_text()!r}")
    everything = [*boxes, figure.bbox]
    found += [f"{b} leaves the figure" for b in everything if b.x0 < 0 or b.y0 < 0 or b.x1 > figure.bbox.x1 + 1e-6]
    found += [f"{b} overlaps {c}" for i, b in enumerate(boxes) for c in boxes[:i] if b.overlaps(c)]
    lines = list(words.values())
    found += [f"{b} overlaps {c}" for i, b in enumerate(lines) for c in lines[:i] if b.shrunk(0.98, 0.8).overlaps(c)]
    assert figure.get_figwidth() == WIDTH
    return found


def is_box(artist: Any) -> bool:
    return isinstance(artist, Rectangle)


# --- what records hold -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", DESIGNS)
def test_counts_add_up_and_are_the_recorded_ones(variants: Callable[[str], Path], name: str) -> None:
    run = read_run(variants(name))
    display = flow_of(run)
    steps = {step["step"]: step for step in run.stage("cohort")["flow"]}
    assert display.whole.n == sum(box.n for box in display.out) + display.analysed.n  # type: ignore[misc]
    assert sum(box.n for box in display.arms) == display.analysed.n  # type: ignore[misc]
    assert sum(box.events for box in display.arms) == display.analysed.events  # type: ignore[misc]
    drawn = [display.whole, *display.out, display.analysed, *display.arms]
    assert [(box.n, box.events) for box in drawn] == [(step["n"], step["events"]) for step in steps.values()]
    assert (display.analysed.n, display.analysed.events) == (
        run.info["cohort"]["patients"],
        run.info["cohort"]["events"],
    )
    (judged,) = display.arms
    assert judged.judged
    assert text.capital(run.info["design"]["sentence"]) in judged.lines[0]
    for box in (display.analysed, judged):
        assert not box.parts or sum(part.n for part in box.parts) == box.n  # type: ignore[misc]
    assert outside(display) == []


def test_a_hold_out_has_two_arms(complete_run: Path) -> None:
    display = flow_of(read_run(complete_run))
    assert [(box.name, box.n, box.events, box.judged) for box in display.arms] == [
        ("Training", 294, 63, False),
        ("Held out", 127, 40, True),
    ]
    assert sum(box.n for box in display.arms) == display.analysed.n == display.whole.n - 1  # type: ignore[misc, operator]
    assert display.out[0].parts == (Part("the outline touches the border of the image", 1),)
    assert "421 images with 1,263 outlines" in display.analysed.lines
    assert "undefined in 1 patient" in display.notes[0].parts[-1].words
    assert outside(display) == []
    assert display.wide


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("sites", "Each by a fit that did not see them; 4 fits."),
        ("resamples", "Performance is corrected for optimism; no patient is held out for good."),
        ("resamples", "2 of 40 resamples gave no result (one outcome only: 2)"),
        ("given", "Nothing was fitted to them in this run."),
        ("external", "A locked model was applied to 421 patients it had never seen."),
        ("nested", "The whole model is fitted to all patients as well."),
    ],
)
def test_how_every_patient_is_predicted_is_said(variants: Callable[[str], Path], name: str, words: str) -> None:
    (judged,) = flow_of(read_run(variants(name))).arms
    assert words in judged.lines
    assert judged.name == {"given": "Judged", "external": "Judged", "resamples": "Judged by resampling"}.get(
        name, "Held out in turn"
    )


def test_sites_stand_where_they_are_counted_last(variants: Callable[[str], Path], tmp_path: Path) -> None:
    left_out = flow_of(read_run(variants("sites"))).arms[0]
    assert left_out.parts[0] == Part("north", 303, 139)
    assert flow_of(read_run(variants("folds"))).analysed.parts[0] == Part("north", 139)
    many = {f"s{i}": 10 + i for i in range(12)}
    run = edited(variants("folds"), tmp_path / "many", {"run.json": lambda r: r["cohort"].update(sites=many)})
    assert "12 sites, of 10 to 21 patients" in flow_of(run).analysed.lines
    assert flow_of(run).analysed.parts == ()


def test_arms_of_a_hold_out_name_their_sites_and_the_rule(
    run_folder: Path, edit: Callable[..., None], tmp_path: Path
) -> None:
    sites = {"training": {"a": 200, "b": 94}, "held_out": {"a": 100, "b": 27}}
    edit("run.json", lambda r: [r["cohort"][part].update(sites=found) for part, found in sites.items()])
    edit("protocol.resolved.json", lambda r: r["protocol"].update(design={"by": "date", "since": "2024-05-01"}))
    training, held_out = flow_of(read_run(run_folder)).arms
    assert training.parts == (Part("a", 200), Part("b", 94))
    assert held_out.parts == (Part("a", 100), Part("b", 27))
    assert held_out.lines == ("By date, from 2024-05-01 on",)


def test_missing_predictors_and_predictions_are_counted(variants: Callable[[str], Path], tmp_path: Path) -> None:
    display = flow_of(read_run(variants("sites")))
    (note,) = display.notes
    assert note.parts == (Part("Major vessels", 306, words="306 of 920 patients"),)
    assert note.lines == ("Imputed inside every split",)

    def lose(record: dict[str, Any]) -> None:
        record["models"][0]["sets"]["held-out"]["n"] -= 7

    run = edited(variants("external"), tmp_path / "lost", {"evaluation.json": lose})
    assert "Without a prediction by “Logistic regression”: 7" in flow_of(run).arms[0].lines


def test_reasons_are_counted_by_patient_or_told_as_the_step_does(run_folder: Path, edit: Callable[..., None]) -> None:
    def exclude(reasons: list[str]) -> FlowDisplay:
        rows = [{"patient": str(i), "reason": why} for i, why in enumerate(reasons)]
        edit("run.json", lambda r: r["cohort"].update(excluded=rows))
        edit("stages/cohort.json", lambda r: (r["flow"][0].update(n=431), r["flow"][1].update(n=10)))
        return flow_of(read_run(run_folder))

    (out,) = exclude(["no age"] * 3 + ["no rbc"] * 7).out
    assert out.parts == (Part("no rbc", 7), Part("no age", 3))
    (out,) = exclude(["no age"] * 3).out
    assert (out.parts, out.lines) == ((), ("The outline touches the border of the image",))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda r: r.pop("flow"), "stages/cohort.json holds no 'flow'"),
        (lambda r: r.update(flow=[]), "does not tell how many came in"),
        (lambda r: r.update(flow=None), "does not tell how many came in"),
        (lambda r: r.update(flow=r["flow"][2:]), "does not tell how many came in"),
    ],
)
def test_without_flow_records_there_is_a_reason(
    run_folder: Path, edit: Callable[..., None], change: Callable[[Any], Any], reason: str
) -> None:
    edit("stages/cohort.json", change)
    plate = next(one for one in plates(read_run(run_folder)) if one.name == "00-flow")
    assert plate.panels == ()
    assert reason in plate.reason
    (run_folder / "stages" / "cohort.json").unlink()
    plate = next(one for one in plates(read_run(run_folder)) if one.name == "00-flow")
    assert plate.reason == "the run folder has no stages/cohort.json"


def test_numbers_that_are_none_are_dashes(run_folder: Path, edit: Callable[..., None]) -> None:
    edit("stages/cohort.json", lambda r: [step.update(n=None, events=None) for step in r["flow"]])
    display = flow_of(read_run(run_folder))
    assert outside(display) == []
    assert display.frame()["n"].isna().sum() >= 5


def edited(folder: Path, to: Path, changes: dict[str, Callable[[Any], Any]]) -> Run:
    """The run of a copy whose records are changed in place."""
    shutil.copytree(folder, to)
    for name, change in changes.items():
        record = json.loads((to / name).read_text(encoding="utf-8"))
        change(record)
        (to / name).write_text(json.dumps(record), encoding="utf-8")
    return read_run(to)


# --- what is said and written ------------------------------------------------------------------------


@pytest.mark.parametrize("name", DESIGNS)
def test_the_alternative_text_names_every_count(variants: Callable[[str], Path], name: str) -> None:
    display = flow_of(read_run(variants(name)))
    frame = display.frame()
    told = set(display.alt().replace("(", " ").replace(")", " ").replace(";", " ").replace(": ", " ").split(" "))
    told = {word.rstrip(",.") for word in told}
    for column in ("n", "events"):
        assert {text.whole(int(n)) for n in frame[column].dropna()} <= told
    assert "\n" not in display.alt()
    assert all(line.rstrip(".")[1:] in display.alt() for box in display.arms for line in box.lines)


def test_the_data_hold_every_box_under_its_parent(complete_run: Path) -> None:
    display = flow_of(read_run(complete_run))
    rows = list(csv.DictReader(io.StringIO(data_of(display.frame()))))
    assert list(rows[0]) == ["box", "parent", "n", "events", "text"]
    assert {row["parent"] for row in rows} <= {"", *(row["box"] for row in rows)}
    found = {row["box"]: (row["n"], row["events"]) for row in rows}
    assert found["Analysed"] == ("421", "103")
    assert found["Patients in the cohort file"] == ("422", "")
    assert found["Held out"] == ("127", "40")


def test_text_of_a_figure_starts_no_formula_and_numbers_are_whole() -> None:
    frame = pd.DataFrame({"=1": ["@SUM(A1)", None, "-0.5"], "x": [0.1 + 0.2, np.nan, 1e-9], "n": [1, 2, 3]})
    assert data_of(frame) == "'=1,x,n\n'@SUM(A1),0.30000000000000004,1\n,,2\n-0.5,1e-09,3\n"
    assert data_of(pd.DataFrame()) == ""


# --- an audit's rows -----------------------------------------------------------------------------------


def audit(sets: dict[str, tuple[int, int]], **more: Any) -> Record:
    """What the flow needs of an audit's record."""
    roles = {"outcome": "y", "event": None, "split": "part" if len(sets) > 1 else None, "cluster": "id"}
    sites = {"risk": {"sites": [{"group": "a", "n": 30, "events": 12}, {"group": "", "n": 10, "events": 8}]}}
    found = {name: {"n": n, "events": events, "clusters": None, "sites": None} for name, (n, events) in sets.items()}
    found[next(iter(sets))] |= {"clusters": 25, "sites": sites}
    n = sum(n for n, _ in sets.values())
    record = {"source": "p.csv", "rows": n + 5, "n": n, "missing": {"y": 2, "risk": 3, "other": 0}, "sets": found}
    return Record({**record, "primary": next(iter(sets)), "roles": roles, **more})


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_rows_of_an_audit_add_up_by_set(k: int) -> None:
    sets = {f"set {i}": (40 + i, 20 - i) for i in range(k)}
    ((_, display),) = rows_flow(audit(sets))
    assert isinstance(display, FlowDisplay)
    (out,) = display.out
    assert (display.whole.n, out.n, display.analysed.n) == (display.analysed.n + 5, 5, sum(n for n, _ in sets.values()))  # type: ignore[operator]
    assert out.parts == (Part("no outcome (y)", 2), Part("no prediction (risk)", 3))
    assert sum(box.n for box in display.arms) == (display.analysed.n if k > 1 else 0)  # type: ignore[misc]
    assert display.analysed.events == sum(events for _, events in sets.values())
    assert len(display.arms) == {1: 0, 2: 2, 3: 3, 5: 1}[k]
    assert "with y = 1" in display.alt()
    if k < 5:
        judged = next(box for box in (display.analysed, *display.arms) if box.judged)
        assert judged.parts == (Part("a", 30, 12), Part("(no name)", 10, 8))
        assert "From 25 clusters (id)" in judged.lines
    assert outside(display) == []


# --- any numbers, any text -----------------------------------------------------------------------------

HOSTILE = (
    "",
    "W" * 300,
    "a long name of a cohort that nobody can say in one breath " * 5,
    "<b>markup</b> $\\frac{1}{2}$ {{7*7}} %s \\n =1+1",
    "مستشفى الجامعة קופת חולים \u202eabc",
    "🏥👩🏽‍⚕️ 盆腔 リンパ節",
    "e\u0301\u0301\u0301\u0301 Å\x00\n\ttab",
    "no-break\u00a0" * 20,
)
words = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=60))
numbers = st.one_of(st.none(), st.integers(0, 10**9))
parts = st.lists(st.builds(Part, words, numbers, numbers, words), max_size=MOST_ASIDE + 2).map(tuple)
boxes = st.builds(
    Box,
    words,
    numbers,
    numbers,
    st.lists(words, max_size=3).map(tuple),
    parts,
    st.tuples(words, st.booleans()),
    st.booleans(),
)
several = st.lists(boxes, max_size=2).map(tuple)


@settings(max_examples=6, deadline=None, derandomize=True)
@given(
    st.builds(
        FlowDisplay, boxes, several, boxes, several, st.lists(boxes, max_size=4).map(lambda b: arms_of(b, "Judged")),
        st.just("patients"), words,
    )
)  # fmt: skip
def test_any_text_stays_in_its_box_and_every_count_is_told(display: FlowDisplay) -> None:
    assert outside(display) == []
    said = display.alt()
    for box in (display.whole, *display.out, display.analysed, *display.arms):
        assert text.whole(box.n) in said
        assert box.events is None or text.whole(box.events) in said
    frame = display.frame()
    drawn = [display.whole, *display.out, display.analysed, *display.notes, *display.arms]
    assert len(frame) == len(drawn) + sum(len(box.parts) for box in drawn)


def test_more_parts_than_a_box_lists_are_summed_up() -> None:
    sites = tuple(Part(f"site {i}", i, 1) for i in range(20))
    box = Box("Held out in turn", 190, 20, (), sites, ("sites", True))
    entries = box.entries(MOST_PARTS)
    assert len(entries) == MOST_PARTS
    assert entries[0] == "site 0: 0, 1 event".replace(", 1 ", f",{text.NBSP}1{text.NBSP}")
    assert entries[-1] == f"9 more sites: {sum(range(11, 20))}"
    lacking = Box("Missing values", parts=sites, rest=("predictors", False))
    assert lacking.entries(MOST_ASIDE)[-1] == "15 more predictors"
    whole = Box("Patients in the cohort file", 190)
    display = FlowDisplay(whole, (), Box("Analysed", 190, 20), arms=(box,))
    assert outside(display) == []
    assert len(display.frame()) == 23
