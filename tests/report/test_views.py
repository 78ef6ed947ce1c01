"""The page's tables: footnotes, intervals, rules, and cells of recorded tables."""

from __future__ import annotations

import math

import pytest

from validkit.report import stages, views
from validkit.report.page import Cell, measure, table
from validkit.report.records import HELD_OUT, NotAvailable, Record, read_run
from validkit.report.values import Estimate, Test


def test_footnotes_are_lettered_once_per_reason():
    cells = [[Cell("—", note="no events")], [Cell("—", note="separated")], [Cell("—", note="no events")], ["plain"]]
    found = table("t", ["c"], cells)
    assert found.footnotes == (("a", "no events"), ("b", "separated"))
    assert [row[0].mark for row in found.rows] == ["a", "b", "a", ""]
    assert found.rows[0][0].title == "no events"


def test_many_reasons_get_two_letters():
    found = table("t", ["c"], [[Cell("—", note=str(i))] for i in range(28)])
    assert [mark for mark, _ in found.footnotes][25:] == ["z", "aa", "ab"]


def test_measure_never_stands_without_interval_method_n_and_events():
    cell = measure(Estimate(0.764, 0.66, 0.868, 0.95, "DeLong", 127, 31), "AUC")
    assert (cell.text, cell.sub) == ("0.764", "[0.660, 0.868]")
    assert cell.title.replace("\u00a0", " ") == "AUC 0.764 [0.660, 0.868]; 95 % interval: DeLong; n = 127, 31 events"
    assert measure(Estimate()).note == "undefined; no reason was recorded"
    assert measure(Estimate(note="separated")).note == "separated"


def test_hosmer_lemeshow_shows_statistic_and_df():
    cell = views.hosmer_lemeshow(Test(12.44, 0.0004, 10, "HL", 127, 31))
    assert (cell.text, cell.sub) == ("< 0.001", "χ² 12.4, df 10")
    assert views.hosmer_lemeshow(Test(note="two groups")).note == "two groups"


def test_performance_names_each_interval_once(complete_run):
    run = read_run(complete_run)
    found = views.performance(run.compared(), "t")
    assert len(found.rows) == 12
    assert "AUC: DeLong; Accuracy, Sensitivity, Specificity: Clopper-Pearson" in found.notes[0]
    assert found.rows[0][0].rows == 2
    assert len(found.columns) == len(found.rows[0])
    assert len(found.columns) == len(found.rows[1]) + 1


def test_treating_everyone_is_read_from_its_curve(complete_run):
    run = read_run(complete_run)
    found = views.thresholds(run, run.model("nomogram"), HELD_OUT)
    share = 40 / 127
    expected = share - (1 - share) * 0.2 / 0.8
    assert float(found.rows[1][-1].text) == pytest.approx(expected, abs=0.0006)


def test_comparisons_without_rows_say_so(run_folder, edit):
    edit("evaluation.json", lambda r: r.update(comparisons={}))
    with pytest.raises(NotAvailable, match="no comparison was recorded"):
        views.comparisons(read_run(run_folder))


def test_recorded_tables_format_p_dash_and_levels():
    record = Record(
        title="T", columns=["name", "p", "x", "n"], rows=[["age", 0.00002, None, 1234], ["  <b>", math.nan, "", 0.5]]
    )
    found = views.recorded(record, "Table 1")
    first, second = found.rows
    assert [c.text for c in first] == ["age", "< 0.001", "—", "1,234"]
    assert [c.text for c in second] == ["  <b>", "—", "", "0.500"]
    assert second[0].level
    assert not first[0].level


def test_levels_of_a_categorical_term_have_their_own_rows(complete_run):
    found = stages.terms(read_run(complete_run).stage("nomogram"))
    names = [row[0].text for row in found.rows]
    assert names[-3:] == ["Histology", "  adenosquamous against squamous", "  other against squamous"]
    assert found.footnotes == (("a", "one coefficient for each level"),)
    assert found.rows[-1][1].sub.startswith("[")
