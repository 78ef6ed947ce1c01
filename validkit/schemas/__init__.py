"""The JSON that validkit prints and writes for others: a published JSON Schema, with its version, for each kind.

A document names its schema under "schema", such as "urn:validkit:schema:audit:1". The files here refer to the parts
that they share, in definitions.json; `read` gives a schema whole, with every part that it needs.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from validkit.errors import InputError

__all__ = ["listed", "names", "read", "urn"]

FOLDER = Path(__file__).resolve().parent
SHARED = "definitions"
"""the file of the parts that schemas share; no document is of that kind"""
PLACE = "urn:validkit:schema:definitions:1#/$defs/"
PART = re.compile(f'"{re.escape(PLACE)}([^"]+)"')


@cache
def names() -> tuple[str, ...]:
    """The kinds of document, in alphabetical order."""
    return tuple(sorted(file.stem for file in FOLDER.glob("*.json") if file.stem != SHARED))


def urn(name: str) -> str:
    """What a document of this kind bears under "schema": `urn:validkit:schema:NAME:VERSION`."""
    return str(_told(name)["$id"])


def read(name: str) -> dict[str, Any]:
    """A schema (JSON Schema, draft 2020-12) that needs no other file; InputError where there is none of that name."""
    if name not in names():
        raise InputError(f"there is no schema {name!r}; there are {', '.join(names())}")
    schema = _told(name)
    shared, parts = _told(SHARED)["$defs"], dict(schema.get("$defs", {}))
    waiting = PART.findall(json.dumps(schema))
    while waiting:
        part = waiting.pop()
        if part not in parts:
            parts[part] = shared[part]
            waiting += PART.findall(json.dumps(shared[part]))
    whole = {**schema, "$defs": dict(sorted(parts.items()))} if parts else schema
    found: dict[str, Any] = json.loads(json.dumps(whole).replace(PLACE, "#/$defs/"))
    return found


def listed() -> list[dict[str, Any]]:
    """Each schema: name, version, urn, title, and the commands and files whose JSON it describes."""
    told = {name: _told(name) for name in names()}
    return [
        {
            "name": name,
            "version": one["version"],
            "urn": one["$id"],
            "title": one["title"],
            "written_by": list(one["x-written-by"]),
        }
        for name, one in told.items()
    ]


@cache
def _told(name: str) -> dict[str, Any]:
    """A file as it is."""
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found
