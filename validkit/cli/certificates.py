"""`validkit certify`: simulated coverage of every interval, and error rates of every test."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from validkit.cli.options import AsJson, Engine, print_json
from validkit.cli.terminal import Terminal

Grid = Annotated[str, typer.Option(help="paper: the paper's test set alone; all: every cell.")]
Simulations = Annotated[
    int | None, typer.Option(min=1, help="A cell's; by default 10,000 for closed forms, 2,000 for what is resampled.")
]
Only = Annotated[list[str] | None, typer.Option(help="A group of methods. May be given again.")]


def certify(
    grid: Grid = "paper",
    out: Annotated[
        Path, typer.Option(help="Folder of the tables, and of the journal that a stopped run goes on from.")
    ] = Path("runs/certified"),
    simulations: Simulations = None,
    only: Only = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the simulations.")] = 0,
    engine: Engine = "loky",
    as_json: AsJson = False,
) -> None:
    """Simulate how often every interval holds the truth, and how often every test is wrong. Run again, it resumes.

    Writes coverage.csv (a row for every method in every cell), summary.csv and coverage.md.
    """
    from validkit.certify import GRIDS, GROUPS, coverage_rows, page, summary_rows, write_csv
    from validkit.certify import certify as simulate
    from validkit.certify.table import SUMMARY
    from validkit.durable import write_text
    from validkit.stats.checks import check_choice

    cells = GRIDS[check_choice(grid, tuple(GRIDS), "--grid")]
    names = [check_choice(name, tuple(group.name for group in GROUPS), "--only") for name in only or ()]
    groups = [group for group in GROUPS if not names or group.name in names]
    console = Console(stderr=as_json)
    found = simulate(
        cells, folder=out, groups=groups, simulations=simulations, seed=seed, engine=engine, reporter=Terminal(console)
    )
    rows = coverage_rows(found)
    summary = summary_rows(rows)
    write_text(out / "coverage.csv", write_csv(rows))
    write_text(out / "summary.csv", write_csv(summary, SUMMARY))
    write_text(out / "coverage.md", page(rows))
    if as_json:
        print_json({"summary": _plain(summary), "cells": _plain(rows)})
        return
    console.print(_shown(summary))
    console.print(f"{out / 'coverage.csv'}: {len(rows)} rows; {out / 'coverage.md'}: the page", highlight=False)


def _plain(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """NaN as null."""
    return [{key: None if _undefined(value) else value for key, value in row.items()} for row in rows]


def _undefined(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _shown(summary: Sequence[Mapping[str, Any]]) -> Table:
    table = Table("data", "measure", "method", "cells", "inside", "near", "failing", "least", "largest", box=None)
    for row in summary:
        counts = (str(row[name]) for name in ("cells", "inside", "near", "failing"))
        ends = (f"{100 * row[name]:.1f} %" for name in ("least", "largest"))
        table.add_row(row["kind"], row["measure"], row["method"], *counts, *ends)
    return table
