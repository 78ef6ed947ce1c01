"""Options that several commands share, and how they print."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

ProtocolName = Annotated[str, typer.Argument(help="A protocol's TOML file, or the name of a shipped one.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", help="Change one setting: section.key=value. May be given again.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Engine = Annotated[str, typer.Option(help="sequential, loky[:N], dask:ADDRESS or ray[:ADDRESS].")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
LedgerFile = Annotated[Path | None, typer.Option("--ledger", help="The ledger; by default the user's own.")]
CohortPath = Annotated[
    Path | None, typer.Option(help="Folder with cohort.csv, or a table's file; without it, the phantom.")
]


def print_json(value: Any) -> None:
    """A value as JSON on standard output."""
    print(json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True, allow_nan=False))
