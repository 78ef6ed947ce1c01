"""What the test kit finds in packages in use today: each misbehaviour with its smallest example, and what they pass.

`python -m benchmarks.peers` puts the laws of `validkit.testing` to the peers that are installed, prints three tables
and writes `benchmarks/results/peers.json`. Each row has a snippet that shows the same with the peer alone.
"""

from __future__ import annotations

import argparse
import json
from importlib import import_module
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.peers.cases import NEVER, ByHand, Called, Case, quietly, said

__all__ = ["MODULES", "add_arguments", "by_hand", "called", "cases", "run"]

MODULES = ("scikit_learn", "mlstatkit", "confidenceinterval", "dcurves", "mlxtend", "calzone")
RESULTS = Path(__file__).parents[1] / "results" / "peers.json"
PATIENCE = 10.0
MISSING = "not installed"


def cases() -> list[Case]:
    """Every misbehaviour that a law finds, of installed peers or not."""
    return _all("CASES")


def by_hand() -> list[ByHand]:
    """Every misbehaviour that no law tells yet."""
    return _all("BY_HAND")


def called() -> list[Called]:
    """Every function that is tried under all laws."""
    return _all("CALLED")


def _all(name: str) -> list[Any]:
    modules = [import_module(f"benchmarks.peers.{module}") for module in MODULES]
    return [one for module in modules for one in getattr(module, name, ())]


def observed(one: Case | ByHand) -> str:
    """What the snippet prints; apart, with a time limit, where it is known never to return."""
    return said(one.snippet, seconds=PATIENCE if one.prints.endswith(NEVER) else None)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `python -m benchmarks.peers`."""
    parser.add_argument("--only", help="peers whose name contains this; nothing is written but with --json")
    parser.add_argument("--examples", type=int, default=100, help="examples for each law that finds a misbehaviour")
    parser.add_argument("--fair", type=int, default=25, help="examples for each law in the table of all laws; 0: none")
    parser.add_argument("--json", type=Path, help=f"where the rows are written; {RESULTS.name} beside other results")


def run(options: argparse.Namespace) -> int:
    """Print the tables and write the rows."""
    console = Console(width=200)
    chosen = (options.only or "").lower()
    found = [_case_row(one, options.examples) for one in cases() if chosen in one.peer.lower()]
    seen = [_hand_row(one) for one in by_hand() if chosen in one.peer.lower()]
    tried = [_fair_row(one, options.fair) for one in called() if chosen in one.peer.lower()] if options.fair else []
    _show(console, "Misbehaviours that a law finds", found, ("peer", "function", "law", "kit", "why"))
    _show(console, "Misbehaviours that no law tells yet", seen, ("peer", "function", "why"))
    _show(console, "All laws", tried, ("peer", "function", "kept", "broken", "not asked"))
    for row in (*found, *seen):
        console.print(f"[bold]{row['peer']}[/] {row['law'] or 'by hand'}", highlight=False)
        console.print(f"{row['snippet']}\n# {row['prints']}\n", markup=False, highlight=False, soft_wrap=True)
    path = options.json or (None if options.only else RESULTS)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        record = {"versions": _versions(), "found": found, "by_hand": seen, "all_laws": tried}
        path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        console.print(f"written to {path}", highlight=False)
    return 0


def _named(one: Called | Case | ByHand) -> str:
    return f"{one.peer} {one.version}" if one.version else f"{one.peer}: {MISSING}, pip install {one.peer}"


def _case_row(one: Case, examples: int) -> dict[str, Any]:
    row = {"peer": _named(one), "function": one.what, "law": one.law, "kit": MISSING, "why": one.why}
    if one.version:
        with quietly():
            row["kit"] = one.message(examples) or "the law is kept"
    return row | {"snippet": one.snippet, "prints": observed(one) if one.version else MISSING}


def _hand_row(one: ByHand) -> dict[str, Any]:
    row = {"peer": _named(one), "function": one.what, "law": "", "why": one.why, "snippet": one.snippet}
    return row | {"prints": observed(one) if one.version else MISSING}


def _fair_row(one: Called, examples: int) -> dict[str, Any]:
    from validkit.testing import LAWS, check_metric

    row: dict[str, Any] = {"peer": _named(one), "function": one.what, "not asked": dict(one.not_asked)}
    if not one.version:
        return row | {"kept": [], "broken": []}
    laws = [law for law in LAWS if law not in one.not_asked]
    with quietly():
        report = check_metric(
            one.adapter, kind=one.kind, laws=laws, examples=examples, raise_on_failure=False, **one.facts
        )
    broken = [finding.law for finding in report.failed]
    return row | {"kept": [law for law in report.ran if law not in broken], "broken": broken}


def _versions() -> dict[str, str]:
    from benchmarks.peers.cases import version_of

    names = ("validkit", "numpy", "pandas", "scipy", *dict.fromkeys(one.peer for one in called()))
    return {name: version_of(name) or MISSING for name in names}


def _show(console: Console, title: str, rows: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    if not rows:
        return
    table = Table(title=title, show_lines=True)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_text(row[column])) for column in columns))
    console.print(table)


def _text(cell: Any) -> str:
    if isinstance(cell, dict):
        return "; ".join(f"{law}: {why}" for law, why in cell.items())
    return ", ".join(cell) if isinstance(cell, list) else str(cell)
