"""`validkit certify`: counts add up, every truth is known, a stopped run goes on."""

from __future__ import annotations

import inspect
import json
import math
from pathlib import Path

import pytest

from tests.commands import command
from validkit import stats
from validkit.certify import GRIDS, GROUPS, Cell, certify, coverage_rows
from validkit.certify.cells import PAPER
from validkit.certify.groups import Group
from validkit.certify.page import DEFAULTS
from validkit.certify.running import JOURNAL, Block, simulate, tallies_of
from validkit.certify.table import read_csv, verdict
from validkit.certify.tally import Tally, add
from validkit.stats.results import Estimate, TestResult

RANKS = [group for group in GROUPS if group.name == "ranks"]


def test_a_tally_counts_what_lies_where() -> None:
    tallies: dict[tuple[str, str], Tally] = {}
    for low, high in ((0.1, 0.4), (0.4, 0.6), (0.6, 0.9), (math.nan, math.nan)):
        add(tallies, {("auc", "m"): Estimate(0.5, low, high)}, {"auc": 0.5})
    for p in (0.05, 0.5, math.nan):
        add(tallies, {("t", "m"): TestResult(1.0, p)}, {})
    interval, test = tallies["auc", "m"], tallies["t", "m"]
    assert (interval.n, interval.undefined, interval.covered, interval.below, interval.above) == (4, 1, 1, 1, 1)
    assert interval.width == pytest.approx(0.8)
    assert (test.n, test.undefined, test.rejected) == (3, 1, 1)


@pytest.mark.parametrize(
    ("sort", "share", "said"),
    [
        ("interval", 0.94, "inside"),
        ("interval", 0.961, "near"),
        ("interval", 0.92, "failing, too low"),
        ("interval", 0.98, "failing, too high"),
        ("type I error", 0.05, "inside"),
        ("type I error", 0.08, "failing, too low"),
        ("power", 0.3, ""),
        ("interval", math.nan, ""),
    ],
)
def test_verdicts(sort: str, share: float, said: str) -> None:
    assert verdict(sort, share) == said


def test_a_block_is_the_same_wherever_it_is_simulated(tmp_path: Path) -> None:
    block = Block(PAPER, "ranks", 0, 30)
    assert simulate(block) == simulate(block)
    assert simulate(block) != simulate(Block(PAPER, "ranks", 1, 30))
    one, two = (
        certify([PAPER], folder=tmp_path / engine, groups=RANKS, simulations=60, engine=engine)
        for engine in ("sequential", "loky:2")
    )
    assert one == two


def test_a_stopped_run_goes_on_and_a_torn_line_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = [PAPER, Cell("risks", 60, 0.3, 0.8)]
    whole = certify(cells, folder=tmp_path, groups=RANKS, simulations=20, engine="sequential")
    journal = tmp_path / JOURNAL
    lines = journal.read_text(encoding="utf-8").splitlines(keepends=True)
    assert len(lines) == 2
    journal.write_text(lines[0] + lines[1][:40], encoding="utf-8")
    done: list[Block] = []

    def counted(block: Block) -> list[dict[str, object]]:
        done.append(block)
        return simulate(block)

    monkeypatch.setattr("validkit.certify.running.simulate", counted)
    assert certify(cells, folder=tmp_path, groups=RANKS, simulations=20, engine="sequential") == whole
    assert [block.cell for block in done] == cells[1:]


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_every_group_knows_the_truth_of_what_it_computes(group: Group) -> None:
    cell = next(cell for cell in GRIDS["all"] if cell.kind == group.kind and group.applies(cell))
    rows = coverage_rows({(cell, group.name): tallies_of(simulate(Block(cell, group.name, 0, 3)))})
    assert rows
    for row in rows:
        fit = row["measure"] in ("hosmer_lemeshow", "spiegelhalter", "le_cessie", "cox_tests", "closed_test")
        assert fit or math.isfinite(row["truth"]), row["measure"]
        assert row["simulations"] == 3


def test_defaults_are_what_a_user_gets_who_names_no_method() -> None:
    keyword = {"auc": stats.auc, "observed_expected": stats.observed_expected, "auprc": stats.auprc,
               "calibration_slope": stats.calibration_slope, "sensitivity": stats.sensitivity,
               "average_precision": stats.average_precision, "ppv": stats.ppv, "accuracy": stats.accuracy}  # fmt: skip
    for name, function in keyword.items():
        assert inspect.signature(function).parameters["method"].default == DEFAULTS[name]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("certify", "--out", tmp_path, "--simulations", "20", "--engine", "sequential")
    assert command(*asked, "--only", "ranks", "--only", "differences") == 0
    assert "coverage.csv" in capsys.readouterr().out
    rows = read_csv((tmp_path / "coverage.csv").read_text(encoding="utf-8"))
    assert {row["measure"] for row in rows} >= {"auc", "auc difference"}
    assert "# Coverage of every interval" in (tmp_path / "coverage.md").read_text(encoding="utf-8")
    assert "Do the intervals hold the truth" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert command(*asked, "--only", "ranks", "--json") == 0
    assert json.loads(capsys.readouterr().out)["summary"][0]["measure"] == "auc"
    assert command(*asked, "--only", "rank") == 2
    assert "`--only` must be one of 'ranks', " in capsys.readouterr().err
