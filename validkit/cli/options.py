"""Options that several commands share, and how they print."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from validkit import schemas

ProtocolName = Annotated[str, typer.Argument(help="A protocol's TOML file, or the name of a shipped one.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", help="Change one setting: section.key=value. May be given again.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Engine = Annotated[str, typer.Option(help="sequential, loky[:N], dask:ADDRESS or ray[:ADDRESS].")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
Exports = Annotated[
    bool,
    typer.Option(
        "--exports/--no-exports",
        envvar="VALIDKIT_EXPORTS",
        help="Also figures as PDF and for print, and tables as XLSX, DOCX and LaTeX.",
    ),
]
LedgerFile = Annotated[Path | None, typer.Option("--ledger", help="The ledger; by default the user's own.")]
CohortPath = Annotated[
    Path | None, typer.Option(help="Folder with cohort.csv, or a table's file; without it, the phantom.")
]


def print_schema(name: str) -> None:
    """A published schema on standard output."""
    print(json.dumps(schemas.read(name), indent=1, ensure_ascii=False))


def print_json(value: Mapping[str, Any], *, schema: str) -> None:
    """A document as JSON on standard output, with the schema that it keeps to; schema : its name in `schemas`."""
    document = {**value, "schema": schemas.urn(schema)}
    print(json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True, allow_nan=False))
