"""`validkit compare RUN RUN...`: what differs between finished runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from validkit.cli.options import AsJson, print_json


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Two run folders or more; the first beside each other one.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder for comparison.json, comparison.html and comparison.csv.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what differs between finished runs: protocol, data, every number; paired where the patients are the same."""
    from validkit.comparing import compare_runs

    record = compare_runs(runs)
    page = None if out is None else _write(out, record)
    if as_json:
        print_json(record if page is None else {**record, "report": str(page)}, schema="compare")
        return
    from validkit.report.compared_lines import compared_answer, compared_details
    from validkit.report.lines import show

    console = Console()
    show(console, compared_answer(record, page))
    if not record["same"]:
        show(console, compared_details(record))


def _write(out: Path, record: dict[str, Any]) -> Path:
    """The record, its page, whose path is returned, and its table, into a folder that is made where it is absent."""
    from validkit.report.compared import compared_csv, compared_page
    from validkit.store import to_json, write_text

    out.mkdir(parents=True, exist_ok=True)
    page = out / "comparison.html"
    write_text(out / "comparison.json", to_json(record))
    write_text(out / "comparison.csv", compared_csv(record))
    write_text(page, compared_page(record))
    return page
