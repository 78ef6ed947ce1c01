"""`validkit schema`: the published schemas of the JSON that commands print and write."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from validkit import schemas
from validkit.cli.options import AsJson, print_json, print_schema


def schema(
    name: Annotated[
        str | None, typer.Argument(help="A schema's name, which is printed; without it, all are listed.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print the JSON Schema of what a command prints with --json, or list them: name, version, what prints it."""
    if name is not None:
        print_schema(name)
        return
    found = schemas.listed()
    if as_json:
        print_json({"schemas": found}, schema="schemas")
        return
    table = Table("schema", "version", "describes", "of", box=None, padding=(0, 1))
    for one in found:
        table.add_row(
            *map(Text, (one["name"], str(one["version"]), one["title"], ", ".join(one["written_by"]))),
        )
    Console().print(table)
