"""The table of every measure: nothing of the registry missing, reasons shown, older and newer records read."""

from __future__ import annotations

import csv

import pytest

from validkit.report import render_report, tables
from validkit.report.measures import MEANING, OLD, OTHERS, UNKNOWN, every_measure, recorded
from validkit.report.records import HELD_OUT, NotAvailable, read_run
from validkit.stats.metrics import METRICS


def shown(folder):
    sentence, table, *_ = every_measure(read_run(folder))
    return sentence, table, {row[0].text.lower(): row for row in table.rows}


def change(edit, by):
    edit("evaluation.json", lambda r: [by(scores) for m in r["models"] for scores in m["sets"].values()])


def test_every_registered_measure_has_a_row_with_its_facts(complete_run):
    sentence, table, rows = shown(complete_run)
    assert sentence.text == MEANING
    assert "Van Calster et al., Lancet Digit Health 2025" in MEANING
    assert [c.text for c in table.columns] == ["Measure", "Value", "Best", "Proper", "Clear focus", "Caution"]
    assert {len(row) for row in table.rows} == {6}
    for metric in METRICS.values():
        row = rows[metric.label.lower()]
        assert [c.text for c in row[3:5]] == ["yes" if f else "no" for f in (metric.proper, metric.clear_focus)]
        assert row[5].text.lower() == metric.caution.lower()
    kinds = list(dict.fromkeys(metric.domain for metric in METRICS.values()))
    assert [row[0].text.lower() for row in table.rows if not row[0].level] == kinds
    assert len(table.rows) == len(METRICS) + len(kinds)


def test_values_are_those_of_the_nomogram_on_held_out_patients(complete_run):
    _, table, rows = shown(complete_run)
    scores = read_run(complete_run).model("nomogram")["sets"][HELD_OUT]
    for name, record in recorded(scores).items():
        cell = rows[METRICS[name].label.lower()][1]
        if record["value"] is not None and abs(record["value"]) < 1000:
            assert float(cell.text.replace("−", "-")) == pytest.approx(record["value"], abs=0.0005)
            assert bool(cell.sub) == (record["low"] is not None)
    assert table.title == "Every measure: Nomogram, held-out patients"
    note = table.notes[0].replace("\u00a0", " ")
    assert "n = 127, 40 events. In brackets, 95 % confidence intervals." in note
    assert "Threshold of classification and utility: 0.270 (Youden's J on training patients)." in note


def test_every_method_of_an_interval_is_named(complete_run):
    *_, behind = every_measure(read_run(complete_run))
    (table,) = behind.blocks
    methods = {row[0].text.lower(): row[1].text.lower() for row in table.rows}
    for name, record in recorded(read_run(complete_run).model("nomogram")["sets"][HELD_OUT]).items():
        if record["low"] is not None:
            assert METRICS[name].label.lower() in methods[record["method"].lower()]


def test_best_values_are_those_that_patients_can_reach(complete_run):
    _, _, rows = shown(complete_run)
    best = {name: rows[metric.label.lower()][2].text for name, metric in METRICS.items()}
    assert {name for name, metric in METRICS.items() if metric.attainable} == {
        *("cox_snell_r2", "net_benefit", "interventions_avoided"),
    }
    assert (best["net_benefit"], best["calibration_slope"], best["brier"]) == ("prevalence", "1", "0")
    assert (best["positive_likelihood_ratio"], best["eci"]) == ("∞", "0")


def test_what_the_paper_did_not_judge_is_marked_so(complete_run):
    _, table, rows = shown(complete_run)
    marked = {name for name, metric in METRICS.items() if rows[metric.label.lower()][0].mark}
    assert marked == {name for name, metric in METRICS.items() if not metric.of_the_32}
    assert OTHERS in dict(table.footnotes).values()


def test_an_undefined_value_shows_its_reason(run_folder, edit):
    gone = {"value": None, "low": None, "high": None, "note": "nobody is predicted to have the event"}
    change(edit, lambda scores: (scores["measures"]["mcc"].update(gone), scores["measures"].pop("brier")))
    _, table, rows = shown(run_folder)
    reasons = dict(table.footnotes)
    mcc, brier = rows["matthews correlation coefficient"][1], rows["brier score"][1]
    assert (mcc.text, reasons[mcc.mark]) == ("—", gone["note"])
    assert (brier.text, reasons[brier.mark]) == ("—", "not recorded")


def test_a_measure_of_a_later_version_is_shown_without_facts(run_folder, edit):
    change(edit, lambda scores: scores["measures"].update(novel=dict(scores["measures"]["auc"])))
    _, table, rows = shown(run_folder)
    assert [row[0].text for row in table.rows][-2:] == ["Other", "novel"]
    assert rows["novel"][1].text == rows["auc (c statistic)"][1].text
    assert [c.text for c in rows["novel"][2:]] == ["—"] * 4
    assert UNKNOWN in dict(table.footnotes).values()
    columns, lines = tables.measures(read_run(run_folder))
    novel = [dict(zip(columns, line, strict=True)) for line in lines if line[2] == "novel"]
    assert {line["proper"] for line in novel} == {None}


def test_a_run_recorded_before_says_that_it_holds_none(run_folder, edit):
    change(edit, lambda scores: scores.pop("measures"))
    with pytest.raises(NotAvailable, match="recorded before it held every measure"):
        every_measure(read_run(run_folder))
    (run_folder / "tables").mkdir()
    (run_folder / "tables" / "measures.csv").write_text("old")
    page = render_report(run_folder).read_text(encoding="utf-8")
    assert f"<strong>Every measure:</strong> not available because {OLD}." in page
    assert not (run_folder / "tables" / "measures.csv").exists()


def test_the_csv_holds_every_measure_of_every_model_on_every_set(drawn):
    with (drawn / "tables" / "measures.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        found.setdefault((row["model"], row["set"]), []).append(row["measure"])
    models = read_run(drawn).models()
    assert found.keys() == {(m["name"], where) for m in models for where in m["sets"]}
    assert all(names == list(METRICS) for names in found.values())
    one = next(r for r in rows if (r["model"], r["set"], r["measure"]) == ("nomogram", HELD_OUT, "f1"))
    record = read_run(drawn).model("nomogram")["sets"][HELD_OUT]["measures"]["f1"]
    assert [float(one[k]) for k in ("value", "low", "high", "threshold")] == [
        record["value"],
        record["low"],
        record["high"],
        0.27,
    ]
    assert (one["proper"], one["clear_focus"], one["of_the_32"]) == ("False", "False", "True")
    assert next(r for r in rows if r["measure"] == "auc")["threshold"] == ""


def test_the_page_holds_the_table_closed(drawn):
    page = (drawn / "report.html").read_text(encoding="utf-8")
    assert "<details>\n<summary>Every measure of the nomogram</summary>" in page
    for metric in METRICS.values():
        assert metric.label[1:].replace("'", "&#39;") in page
