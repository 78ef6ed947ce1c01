"""`validkit certify`: simulated coverage of every interval, and error rates of every test."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

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

    Writes report.html, coverage.csv (a row for every method in every cell), summary.csv and coverage.md.
    """
    from validkit import __version__
    from validkit.certify import GRIDS, GROUPS, coverage_rows, page, summary_rows, write_csv
    from validkit.certify import certify as simulate
    from validkit.certify.page import default_rows
    from validkit.certify.table import SUMMARY
    from validkit.durable import write_text
    from validkit.report.certified import certified_page
    from validkit.report.lines import show
    from validkit.report.short_answers import certify_answer
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
    written = {"cells": out / "coverage.csv", "summary": out / "summary.csv", "page": out / "coverage.md"}
    write_text(written["cells"], write_csv(rows))
    write_text(written["summary"], write_csv(summary, SUMMARY))
    write_text(written["page"], page(rows))
    written["report"] = out / "report.html"
    write_text(written["report"], certified_page(rows, summary, default_rows(rows), __version__))
    if as_json:
        told = {"written": {name: str(path) for name, path in written.items()}}
        print_json(told | {"summary": _plain(summary), "cells": _plain(rows)}, schema="certify")
        return
    show(console, certify_answer(rows, summary, list(written.values())))


def _plain(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """NaN as null."""
    return [{key: None if _undefined(value) else value for key, value in row.items()} for row in rows]


def _undefined(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
