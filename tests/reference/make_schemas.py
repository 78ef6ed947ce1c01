"""Writes the published schemas that follow from strict models: protocol, bundle and site-summary.

    python -m tests.reference.make_schemas

Where a model changed its shape, raise the schema's version in HEADS (and `SiteSummary.schema_`) first, run this, and
enter the new digest in tests/test_schemas.py. The other schemas are written by hand.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from validkit import schemas
from validkit.bundle.lineage import Step
from validkit.bundle.manifest import Manifest
from validkit.centre.summary import SiteSummary
from validkit.protocol import Protocol

WIDTH = 118
COUNT, SHA256 = ({"$ref": f"{schemas.PLACE}{name}"} for name in ("count", "sha256"))
HEADS: dict[str, dict[str, Any]] = {
    "protocol": {
        "title": "A protocol",
        "description": "A declared protocol with every default written out, and its digest.",
        "version": 1,
        "x-written-by": ["validkit protocol show --json"],
    },
    "bundle": {
        "title": "A locked model",
        "description": "What a locked model needs, how it did at home, and what travels with it.",
        "version": 1,
        "x-written-by": ["validkit bundle show --json"],
    },
    "site-summary": {
        "title": "A site summary",
        "description": "The one file that leaves a centre: estimates and rounded counts; no row, date, identifier or "
        "text.",
        "version": 1,
        "x-written-by": ["RUN/site-summary.json", "RUN/site-summaries/SITE.json", "validkit summary show --json"],
    },
}


def derived(name: str) -> dict[str, Any]:
    """The schema as its model is now."""
    head = HEADS[name]
    urn = f"urn:validkit:schema:{name}:{head['version']}"
    found = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": urn, **head}
    return {**found, **SHAPES[name](urn)}


def _protocol(urn: str) -> dict[str, Any]:
    whole, parts = _model(Protocol)
    return _document(urn, {"digest": SHA256, "protocol": {"$ref": "#/$defs/Protocol"}}, {"Protocol": whole, **parts})


def _bundle(urn: str) -> dict[str, Any]:
    whole, parts = _model(Manifest)
    step, _ = _model(Step)
    texts = {"type": "array", "items": {"type": "string"}}
    facts = {"method": step["properties"]["method"], "parent": SHA256, "n": COUNT, "events": COUNT}
    lineage = {"type": "array", "items": _closed({**facts, "harmonised": {"type": "boolean"}})}
    fields = {"sha256": SHA256, "differing": texts, "lineage": lineage, "manifest": {"$ref": "#/$defs/Manifest"}}
    return _document(urn, fields, {"Manifest": whole, **parts})


def _summary(urn: str) -> dict[str, Any]:
    whole, parts = _model(SiteSummary)
    return {**{key: value for key, value in whole.items() if key != "description"}, "$defs": parts}


SHAPES: dict[str, Callable[[str], dict[str, Any]]] = {
    "protocol": _protocol,
    "bundle": _bundle,
    "site-summary": _summary,
}


def _document(urn: str, fields: dict[str, Any], parts: dict[str, Any]) -> dict[str, Any]:
    return {**_closed({"schema": {"const": urn}, **fields}), "$defs": parts}


def _closed(fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


def _model(model: type[BaseModel]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A model as it is written out, with every default, and its parts."""
    found = _written_out(model.model_json_schema(by_alias=True))
    parts = found.pop("$defs", {})
    if "Bundle" in parts:  # where its SHA-256 is known, the place of the file is not written
        parts["Bundle"]["required"].remove("file")
    return found, parts


def _written_out(schema: Any, *, named: bool = False) -> Any:
    """Every property required; without the titles that pydantic makes of names, and without defaults.

    named : whether the keys are names of properties or parts, not words of the schema language
    """
    if isinstance(schema, list):
        return [_written_out(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {
        key: _written_out(value, named=key in ("properties", "$defs") and not named)
        for key, value in schema.items()
        if named or key not in ("title", "default")
    }
    return found if named or "properties" not in found else {**found, "required": list(found["properties"])}


def text_of(value: Any, indent: int = 0) -> str:
    """JSON in which whatever fits on a line stands on one."""
    flat = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or not value or (indent and len(flat) + indent <= WIDTH):
        return flat
    inner = " " * (indent + 1)
    if isinstance(value, dict):
        rows = [f"{inner}{json.dumps(key)}: {text_of(one, indent + 1)}" for key, one in value.items()]
        body = "{\n" + ",\n".join(rows) + "\n" + " " * indent + "}"
    else:
        body = "[\n" + ",\n".join(f"{inner}{text_of(one, indent + 1)}" for one in value) + "\n" + " " * indent + "]"
    return body if indent else body + "\n"


if __name__ == "__main__":
    folder = Path(schemas.__file__).parent
    for kind in HEADS:
        (folder / f"{kind}.json").write_text(text_of(derived(kind)), encoding="utf-8")
