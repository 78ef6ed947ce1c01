"""The published coverage table is complete, known to the statistics, and reproduced with fresh seeds."""

from __future__ import annotations

import inspect
import math
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from validkit import stats
from validkit.certify import GRIDS, GROUPS, Cell, coverage_rows, known_limits, page, summary_rows
from validkit.certify.cells import PAPER
from validkit.certify.page import default_rows
from validkit.certify.running import Block, sample, simulate, tallies_of
from validkit.certify.scope import JUDGED, NOT_JUDGED
from validkit.certify.table import POWER, read_csv

PUBLISHED = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "coverage.csv"


@pytest.fixture(scope="module")
def published() -> list[dict[str, Any]]:
    return read_csv(PUBLISHED.read_text(encoding="utf-8"))


def test_the_table_is_complete(published: list[dict[str, Any]]) -> None:
    there = {(row["kind"], row["n"], row["auc"], row["measure"], row["method"]) for row in published}
    for group in GROUPS:
        cells = [cell for cell in GRIDS["all"] if cell.kind == group.kind and group.applies(cell)]
        found = group.compute(
            sample(cells[0], cells[0].population(), np.random.default_rng(1)), cells[0], np.random.default_rng(1)
        )
        for cell in cells:
            assert all((cell.kind, cell.n, float(f"{cell.auc:.5g}"), *key) in there for key in found), cell.name
    assert min(row["simulations"] for row in published) >= 2000


def test_every_function_of_the_statistics_is_judged_or_says_why_not(published: list[dict[str, Any]]) -> None:
    functions = {name for name in stats.__all__ if inspect.isfunction(getattr(stats, name))}
    assert set(JUDGED) | set(NOT_JUDGED) == functions
    assert not set(JUDGED) & set(NOT_JUDGED)
    assert set(JUDGED.values()) <= {row["measure"] for row in published}


def test_the_statistics_know_the_published_limits(published: list[dict[str, Any]]) -> None:
    shipped = (resources.files("validkit.stats") / "known_limits.csv").read_text(encoding="utf-8")
    assert shipped == known_limits(published)


CHECKED = [
    ("ranks", PAPER, 1500),
    ("classes", PAPER, 1000),
    ("calibration", PAPER, 1000),
    ("overall", PAPER, 1000),
    ("utility", PAPER, 1000),
    ("fit-tests", PAPER, 1000),
    ("bootstraps", PAPER, 200),
    ("differences", Cell("pairs", 127, PAPER.prevalence, 0.75, auc_b=0.75, correlation=0.5), 600),
]


@pytest.mark.parametrize(("name", "cell", "simulations"), CHECKED, ids=[one[0] for one in CHECKED])
def test_fresh_simulations_stay_in_the_published_band(
    published: list[dict[str, Any]], name: str, cell: Cell, simulations: int
) -> None:
    """With seeds of its own; 4.5 standard errors of both simulations."""
    group = next(group for group in GROUPS if group.name == name)
    tallies = tallies_of(simulate(Block(cell, name, 0, simulations, seed=20_261_129)))
    fresh = {(row["measure"], row["method"]): row for row in coverage_rows({(cell, name): tallies})}
    settings = ("kind", "n", "auc", "auc_b", "correlation", "intercept", "slope")
    there = [
        row for row in published
        if all(row[s] == getattr(cell, s) for s in settings) and abs(row["prevalence"] - cell.prevalence) < 1e-4
    ]  # fmt: skip
    compared = 0
    for row in there:
        key = (row["measure"], row["method"])
        if key not in fresh:
            continue
        share = float(row["share"])
        if math.isnan(share):
            continue
        defined = simulations * (1 - float(row["undefined"]))
        se = math.sqrt(max(share * (1 - share), 0.001) * (1 / defined + 1 / float(row["simulations"])))
        assert abs(fresh[key]["share"] - share) < 4.5 * se, (key, fresh[key]["share"], share)
        compared += 1
    assert compared == len(fresh), group.name


def test_defaults_in_the_papers_test_set_cover_or_their_docstring_says_otherwise(
    published: list[dict[str, Any]],
) -> None:
    for row in default_rows(published):
        if 0.935 <= row["share"] <= 0.965:
            continue
        function = stats.METRICS[str(row["measure"])].function
        told = inspect.getdoc(function) or ""
        assert "covers" in told, (row["measure"], row["share"])


def test_a_user_in_a_failing_cell_is_told(published: list[dict[str, Any]]) -> None:
    y, p = Cell("risks", 127, PAPER.prevalence, 0.95).risks.sample(127, np.random.default_rng(3))
    found = stats.auc(y, p)
    assert "known to be too narrow near here" in found.note
    assert "known to be" not in stats.auc(y, p, method="newcombe").note
    y, p = Cell("risks", 127, PAPER.prevalence, 0.75).risks.sample(127, np.random.default_rng(3))
    assert "known to be" not in stats.auc(y, p).note
    large = Cell("risks", 5000, 0.25, 0.95).risks.sample(5000, np.random.default_rng(3))
    assert "known to be" not in stats.auc(*large).note


def test_the_summary_and_the_page_tell_every_method(published: list[dict[str, Any]]) -> None:
    summary = summary_rows(published)
    text = page(published)
    assert len(summary) == len(
        {(r["kind"], r["sort"], r["measure"], r["method"]) for r in published if r["sort"] != POWER}
    )
    for row in summary:
        assert row["inside"] + row["near"] + row["failing"] <= row["cells"]
        assert f"| {row['kind']} | {row['measure']} | {row['method']} |" in text
