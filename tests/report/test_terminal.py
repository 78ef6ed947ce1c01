from __future__ import annotations

import io

from rich.console import Console

from validkit.report import summary


def printed(folder, width: int = 110) -> str:
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(summary(folder))
    return out.getvalue().replace("\u00a0", " ")


def test_about_a_dozen_lines_with_numbers_notices_and_the_report(drawn):
    text = printed(drawn)
    lines = text.strip().splitlines()
    assert 8 <= len(lines) <= 16
    assert lines[0].strip().startswith("SYNTHETIC")
    assert "n = 127, 40 events" in text
    assert "DeLong" in text
    assert "Held-out outcomes were looked at (deep)" in text
    assert "model.deep.epochs=2" in text
    assert "report.html" in text.replace("\n", "")


def test_without_a_report_it_says_how_to_draw_one(complete_run):
    assert "no report yet: validkit report" in printed(complete_run)


def test_an_empty_run_says_what_is_missing(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    text = printed(tmp_path)
    assert "not available because the run folder has no evaluation.json" in text
    assert "The run is not complete (status: unknown)" in text


def test_markup_in_names_is_text(run_folder, edit):
    edit("run.json", lambda r: r.update(overrides=["[red]x[/red].y=[/]"]))
    edit("evaluation.json", lambda r: [m.update(label="[bold]x[/nope]") for m in r["models"]])
    text = printed(run_folder)
    assert "[bold]x[/nope]" in text
    assert "[red]x[/red].y=[/]" in text


def test_what_fails_stands_before_what_was_merely_changed(run_folder, edit):
    failed = {"code": "proxies", "question": "Is there a leak?", "outcome": "fail", "why": "x predicts y"}
    edit("run.json", lambda r: r.update(sentinels=[failed], overrides=[f"part{k}.x=1" for k in range(9)]))
    edit("evaluation.json", lambda e: e.update(acceptance={"overall": "not met", "criteria": [{"outcome": "not met"}]}))
    rows = [row for row in printed(run_folder).splitlines() if row.startswith("!")]
    assert rows[0].startswith("! acceptance: not met (0 of 1 met")
    assert "part0" not in rows[1]
    assert any("Sentinel failed (proxies)" in row for row in rows[1:4])
