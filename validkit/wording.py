"""A fault of a protocol in the protocol's own words: its place, what was expected, and the nearest valid name."""

from __future__ import annotations

import datetime
import difflib
from collections.abc import Collection, Mapping, Sequence
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

Steps = Sequence[int | str]
PATTERNS = {
    r"^[0-9a-f]{64}$": "a SHA-256, 64 hexadecimal digits in small letters",
    r"^[A-Za-z0-9][A-Za-z0-9._-]*$": "a name of letters, digits, dots, hyphens and underscores, the first a letter or "
    "digit",
    r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$": "the import path of a class, such as sklearn.linear_model.LogisticRegression",
}
"""the patterns of the sections, in words"""


def explain(detail: ErrorDetails, data: Mapping[str, Any], root: type[BaseModel]) -> list[str]:
    """One validation error of a document that should be a `root`, with its place and the mend."""
    steps, sections = _walk(detail["loc"], root)
    place = _dotted(_written(steps, data)) or "the protocol"
    kind, value = detail["type"], detail["input"]
    if kind == "extra_forbidden":
        known = _keys_of(_walk(detail["loc"][:-1], root)[1])
        return [f"{place}: unknown key{nearest(str(detail['loc'][-1]), known)}"]
    if kind == "missing":
        return [f"{place}: required, but not there"]
    if kind == "value_error":
        message = detail["msg"].removeprefix("Value error, ")
        prefix = "" if place == "the protocol" else f"{place}: "
        return [f"{prefix}{line}" for line in message.splitlines()]
    if kind == "literal_error":
        expected = detail["ctx"]["expected"]
        options = [option.strip("' ") for option in expected.replace(" or ", ", ").split(", ")]
        return [f"{place}: got {value!r}, expected {expected}{nearest(str(value), options, list_known=False)}"]
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return [_wrong_kind(place, detail, sections)]
    return [f"{place}: {_expected(place, detail, sections)}"]


def _expected(place: str, detail: ErrorDetails, sections: Sequence[type[BaseModel]]) -> str:
    """What should stand at a place whose value has the wrong type or range."""
    kind, value = detail["type"], detail["input"]
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        kinds = [one for section in sections if (one := _kind_of(section))]
        hint = f"; write [{place}] with kind = {value!r}" if value in kinds else ""
        return f"a section with keys of its own is expected; got {value!r}{hint}"
    if kind == "string_pattern_mismatch":
        return f"expected {PATTERNS.get(detail['ctx']['pattern'], detail['ctx']['pattern'])}; got {value!r}"
    if kind == "string_type" and isinstance(value, datetime.date | datetime.time):
        return f'a day is written as text, in quotes: "{value}"'
    shown = "" if isinstance(value, dict) else f"; got {value!r}"
    return detail["msg"].removeprefix("Input ") + shown


def nearest(name: str, known: Collection[str], *, list_known: bool = True) -> str:
    """ "; did you mean 'x'?" for the closest known name, else the known names where they help."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known: {', '.join(sorted(known)) or 'none'}" if list_known else ""


def _wrong_kind(place: str, detail: ErrorDetails, sections: Sequence[type[BaseModel]]) -> str:
    """One of several kinds of section may stand here, and which it is was misspelt or not said."""
    key = str(detail.get("ctx", {}).get("discriminator", "kind")).strip("'")
    kinds = [kind for section in sections if (kind := _kind_of(section))]
    given = detail["input"].get(key) if isinstance(detail["input"], Mapping) else detail["input"]
    listed = ", ".join(map(repr, kinds))
    return f"{place}: `{key}` must be one of {listed}; got {given!r}{nearest(str(given), kinds, list_known=False)}"


def _walk(steps: Steps, root: type[BaseModel]) -> tuple[list[int | str], list[type[BaseModel]]]:
    """The steps that a reader of the file sees, and the sections that may stand where they lead.

    Pydantic puts the branch of a union between the steps; the file shows no such step.
    """
    seen: list[int | str] = []
    annotation: Any = root
    for step in steps:
        sections = _sections_in(annotation)
        if isinstance(step, str) and len(sections) > 1 and step in map(_kind_of, sections):
            annotation = next(section for section in sections if _kind_of(section) == step)
            continue
        if isinstance(step, str) and ("[" in step or step == "str"):
            continue
        seen.append(step)
        if isinstance(step, str):
            fields = [
                info
                for section in sections
                for name, info in section.model_fields.items()
                if step in (name, info.alias)
            ]
            if fields:
                annotation = fields[0].annotation
            # otherwise the step is a key of a table of named sections, whose values have the same type
    return seen, _sections_in(annotation)


def _written(steps: Steps, data: Any) -> list[int | str]:
    """The steps without those that the file may leave out: the key of a table whose own keys may stand in its place."""
    seen: list[int | str] = []
    for place, step in enumerate(steps):
        if isinstance(data, Mapping) and step not in data and place + 1 < len(steps) and steps[place + 1] in data:
            continue
        seen.append(step)
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            data = None
    return seen


def _kind_of(section: type[BaseModel]) -> str:
    """The word that says which of several sections this is, or nothing."""
    field = section.model_fields.get("method") or section.model_fields.get("kind")
    options = get_args(field.annotation) if field else ()
    return str(options[0]) if len(options) == 1 else ""


def _dotted(steps: Steps) -> str:
    text = ""
    for step in steps:
        text += f"[{step + 1}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def _keys_of(sections: Sequence[type[BaseModel]]) -> list[str]:
    """The keys that these sections know."""
    return sorted({info.alias or name for section in sections for name, info in section.model_fields.items()})


def _sections_in(annotation: Any) -> list[type[BaseModel]]:
    """The section types inside a type: optional, listed, in a table of names, or one of several."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (Union, UnionType, tuple, dict) or get_args(annotation):
        return [section for part in get_args(annotation) for section in _sections_in(part)]
    return []
