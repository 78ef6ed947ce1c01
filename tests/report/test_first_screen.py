"""The pictures of the first screen: what they say in words, where they end, and that they can always be drawn."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg

from validkit.report.figures.first_screen import APPARENT, FirstCalibration, Risks, first_panels
from validkit.report.figures.performance_panels import first_screen
from validkit.report.records import NotAvailable, read_run
from validkit.report.values import Estimate

WORDS = ("metastasis", "no metastasis")


def calibration(slope: Estimate, large: Estimate) -> FirstCalibration:
    nothing = np.array([])
    return FirstCalibration("held-out patients", None, np.empty((0, 4)), Risks(nothing, nothing, nothing), slope, large)


@pytest.mark.parametrize(
    ("slope", "large", "said"),
    [
        ((1.0, 0.8, 1.2), (0.0, -0.2, 0.2), "No departure"),
        ((0.6, 0.4, 0.8), (0.0, -0.2, 0.2), "Risks are too extreme."),
        ((1.6, 1.2, 2.0), (0.0, -0.2, 0.2), "Risks are not extreme enough."),
        ((1.0, 0.8, 1.2), (0.5, 0.2, 0.8), "Risks are too low on the whole."),
        ((0.6, 0.4, 0.8), (-0.5, -0.8, -0.2), "Risks are too high on the whole and too extreme."),
        ((0.6, math.nan, math.nan), (0.0, -0.2, 0.2), "cannot be judged by intervals"),
    ],
)
def test_the_alt_text_states_the_finding(
    slope: tuple[float, float, float], large: tuple[float, float, float], said: str
) -> None:
    assert said in calibration(Estimate(*slope, 0.95), Estimate(*large, 0.95)).alt()


def test_the_median_is_that_of_patients_evenly_spread_in_a_bin() -> None:
    risks = Risks(np.array([0.0, 0.1, 0.2, 0.3]), np.array([1.0, 2.0, 1.0]), np.array([0.0, 0.0, 0.0]))
    assert risks.middle(risks.event) == pytest.approx(0.15)
    assert math.isnan(risks.middle(risks.no_event))
    assert risks.top == pytest.approx(0.3)


def test_a_run_shows_what_was_recorded_of_the_patients_that_answer(complete_run: Path) -> None:
    run = read_run(complete_run)
    panels = dict(first_screen(run))
    assert list(panels) == ["calibration", "decision", "risks"]
    model = run.reference
    assert model is not None
    scores = model["sets"][run.primary]
    told = panels["risks"].frame()
    assert told["event"].tolist() == scores["risks"]["event"]
    assert int(told["event"].sum()) == scores["events"]
    drawn = panels["decision"].frame()
    focus = run.setting("evaluation.decision_curve.focus")
    assert (drawn["threshold"].min(), drawn["threshold"].max()) == pytest.approx(tuple(focus))
    assert "the declared range of 10 % to 50 %" in panels["decision"].alt()


def test_curves_that_no_design_corrects_are_called_apparent(variants) -> None:  # type: ignore[no-untyped-def]
    panels = dict(first_screen(read_run(variants("resamples"))))
    assert {panel.title for panel in panels.values()} == {
        "Calibration (apparent)", "Net benefit (apparent)", "Risks by outcome (apparent)",
    }  # fmt: skip
    assert all(APPARENT in panel.alt() for panel in panels.values())


def test_nothing_recorded_says_so() -> None:
    with pytest.raises(NotAvailable, match="neither calibration, nor net benefit"):
        first_panels({}, "held-out patients", WORDS)


COUNTS = st.lists(st.integers(0, 10**6), min_size=1, max_size=25)
LATIN = st.text(st.characters(codec="latin-1"), max_size=60)
NUMBER = st.one_of(st.none(), st.floats(-2, 2))


@settings(max_examples=15)
@given(event=COUNTS, value=NUMBER, name=LATIN, groups=st.integers(0, 4))
def test_whatever_was_recorded_can_be_drawn(event: list[int], value: float | None, name: str, groups: int) -> None:
    bins = len(event)
    row = {"observed": value, "low": None, "high": value}
    scores = {
        "risks": {"edges": np.linspace(0, 1, bins + 1).tolist(), "event": event, "no_event": event[::-1]},
        "calibration_groups": [{"mean_risk": 0.1 * k, **row} for k in range(groups)],
        "slope": {"value": value, "low": None, "high": None, "level": 0.95, "note": name},
        "decision": {"x": [0.0, 0.2, 0.4, 0.8], "y": [value, value, None, 0.1], "low": [], "high": []},
    }
    for _, panel in first_panels(scores, name, (name, name), focus=(0.1, 0.5)):
        figure = panel.figure()
        FigureCanvasAgg(figure).draw()
        assert panel.alt()
        assert len(panel.frame())
