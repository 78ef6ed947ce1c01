"""The acceptance of a run as the reader sees it: outcomes in words, reasons, older and hostile records."""

from __future__ import annotations

from typing import Any

import pytest

from validkit.acceptance import judge
from validkit.report.acceptance import NONE, OLD, acceptance_blocks, acceptance_line, acceptance_notice
from validkit.report.html import _environment
from validkit.report.records import NotAvailable, Run, read_run
from validkit.sections import Acceptance


def accept(run_folder: Any, edit: Any, **declared: Any) -> Run:
    """The run with these criteria declared and judged."""
    acceptance = Acceptance.model_validate(declared)

    def judged(record: dict[str, Any]) -> None:
        found = judge(acceptance, record, reference="nomogram")
        assert found is not None
        record["acceptance"] = found.to_dict()

    edit("evaluation.json", judged)
    edit(
        "protocol.resolved.json",
        lambda record: record["protocol"].update(acceptance=acceptance.model_dump(mode="json")),
    )
    return read_run(run_folder)


def table_of(run: Run) -> Any:
    return next(block for block in acceptance_blocks(run) if block.kind == "table")


def test_all_met(run_folder: Any, edit: Any) -> None:
    run = accept(run_folder, edit, auc={"low": 0.51}, brier={"high": 0.9})
    assert acceptance_line(run) == "acceptance: met (2 of 2)"
    notice = acceptance_notice(run)
    assert notice is not None
    assert (notice.severity, notice.title) == ("note", "Declared acceptance criteria: met")
    assert notice.text == "2 of 2 met."
    assert [row[4].text for row in table_of(run).rows] == ["met", "met"]


def test_every_outcome_is_named_in_words(run_folder: Any, edit: Any) -> None:
    criteria = {
        "auc": {"low": 0.51, "better_than": {"model": "clinical"}},
        "brier": {"high": 0.001},
        "specificity": {"low": 0.7},
    }
    run = accept(run_folder, edit, **criteria)
    line = acceptance_line(run)
    assert line.startswith("acceptance: not met (1 of 4 met; not met: Brier score to be at most 0.001; undecided: ")
    assert "undecided: specificity at the operating threshold 0.27 to be at least 0.7" in line
    assert line.endswith("not applicable: AUC (c statistic) to be better than clinical)")
    notice = acceptance_notice(run)
    assert notice is not None
    assert (notice.severity, notice.title) == ("warning", "Declared acceptance criteria: not met")
    assert notice.text.startswith("1 of 4 met. Not met: Brier score to be at most 0.001. Undecided: ")


def test_the_table_has_number_interval_size_outcome_and_reason(run_folder: Any, edit: Any) -> None:
    run = accept(run_folder, edit, auc={"low": 0.51})
    (row,) = table_of(run).rows
    scores = run.model("nomogram")["sets"]["held-out"]["measures"]["auc"]
    assert row[0].text == "AUC (c statistic)"
    assert row[1].text == "at least 0.51"
    assert row[2].text == f"{scores['value']:.3f}"
    assert row[2].sub == f"[{scores['low']:.3f}, {scores['high']:.3f}]"
    assert (row[3].text, row[3].sub) == ("127", "40 events")
    assert row[5].text.startswith("The interval, ")
    assert table_of(run).title == "Acceptance criteria: Nomogram, held-out patients"
    texts = " ".join(block.text for block in acceptance_blocks(run) if block.kind == "text")
    assert "intersection-union" in texts
    details = acceptance_blocks(run)[-1]
    assert [cell.text for cell in details.blocks[0].rows[0]] == [scores["method"], "AUC (c statistic)"]


def test_undecided_criteria_that_may_pass_are_said_to(run_folder: Any, edit: Any) -> None:
    run = accept(run_folder, edit, undecided="pass", specificity={"low": 0.7})
    notice = acceptance_notice(run)
    assert notice is not None
    assert notice.severity == "warning"
    assert notice.text.endswith("The protocol lets undecided criteria pass.")


def test_no_criteria_and_older_records_are_told_apart(run_folder: Any, edit: Any) -> None:
    run = read_run(run_folder)
    assert acceptance_line(run) == f"acceptance: not judged, {NONE}"
    assert acceptance_notice(run) is None
    with pytest.raises(NotAvailable, match=NONE):
        acceptance_blocks(run)
    edit(
        "protocol.resolved.json",
        lambda record: record["protocol"].update(acceptance={"criteria": {"auc": {"low": 0.6}}}),
    )
    run = read_run(run_folder)
    notice = acceptance_notice(run)
    assert notice is not None
    assert notice.text == f"{OLD}."
    assert acceptance_line(run) == f"acceptance: not judged, {OLD}"


def test_a_run_without_evaluation_says_so(run_folder: Any) -> None:
    (run_folder / "evaluation.json").unlink()
    run = read_run(run_folder)
    assert acceptance_line(run) == "acceptance: not judged, the run folder has no evaluation.json"
    assert acceptance_notice(run) is not None


@pytest.mark.parametrize(
    "record",
    [
        {"criteria": [{}]},
        {"criteria": ["x", None, 3]},
        {"criteria": {"auc": 1}},
        {"criteria": [{"estimate": None, "outcome": 7, "measure": "<b>auc</b>", "rule": "\u202etsael ta"}]},
        {"criteria": [{"estimate": {"value": "many", "n": "x"}, "outcome": "met\nmet"}], "overall": None},
        [],
        "met",
    ],
)
def test_hostile_records_are_drawn_or_refused_with_a_reason(run_folder: Any, edit: Any, record: Any) -> None:
    edit("evaluation.json", lambda evaluation: evaluation.update(acceptance=record))
    run = read_run(run_folder)
    line = acceptance_line(run)
    assert line.startswith("acceptance: ")
    assert "\n" not in line
    assert "\u202e" not in line
    try:
        blocks = acceptance_blocks(run)
    except NotAvailable:
        assert "cannot be read" in line
        return
    template = '{% import "blocks.html.j2" as blocks %}{% for b in bs %}{{ blocks.block(b, {}) }}{% endfor %}'
    page = _environment().from_string(template).render(bs=blocks)
    assert "Acceptance criteria" in page
    assert "<b>" not in page
