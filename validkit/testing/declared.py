"""Declared protocols: sound ones of every kind, ones with a single mistake, and cohorts on disk with the roles to read
them.
"""

from __future__ import annotations

import copy
from typing import Any, Literal, get_args

import tomli_w
from hypothesis import strategies as st

from validkit.errors import InputError
from validkit.protocol import Protocol
from validkit.testing.broken import MISTAKES, BrokenProtocol, broken
from validkit.testing.cohorts import CohortOnDisk, cohorts
from validkit.testing.hostile_cohorts import HOSTILE_COHORTS
from validkit.testing.sections import (
    DESIGNS,
    EVALUATIONS,
    HEADERS,
    IMPUTATIONS,
    OTHERS,
    PREDICTIONS,
    Document,
    cohort_section,
    estimators,
    plnm,
)

__all__ = [
    "HOSTILE_COHORTS",
    "KINDS",
    "MISTAKES",
    "BrokenProtocol",
    "CohortOnDisk",
    "Kind",
    "broken_protocols",
    "cohorts",
    "documents",
    "protocols",
    "toml_of",
]

Kind = Literal["predictions", "estimators", "plnm"]
KINDS: tuple[Kind, ...] = get_args(Kind)
NEEDED = {"date": "date", "device": "device"}
"""the role that a hold-out by date or by device needs"""


def protocols(*, kind: Kind | None = None) -> st.SearchStrategy[Protocol]:
    """Valid protocols: cohort, design, model, imputation, evaluation, acceptance and seeds vary together.

    kind : of the model; any of `KINDS` where left out. Locked bundles are not among them: these need a file.
    """
    return documents(kind=kind).map(Protocol.model_validate)


def documents(*, kind: Kind | None = None) -> st.SearchStrategy[Document]:
    """The same as mappings of TOML's types, with only the settings that are written out."""
    if kind is not None and kind not in KINDS:
        raise InputError(f"`kind` must be one of {', '.join(KINDS)} or None; got {kind!r}")
    return _documents((kind,) if kind else KINDS)


def broken_protocols(*, kind: Kind | None = None, what: str = "") -> st.SearchStrategy[BrokenProtocol]:
    """(text, words, what): TOML one mistake away from a valid protocol, and what `parse_protocol` must say of it.

    what : one of `MISTAKES`; any where left out
    """
    if what and what not in MISTAKES:
        raise InputError(f"`what` must be one of {', '.join(MISTAKES)}; got {what!r}")
    return broken(documents(kind=kind), (what,) if what else tuple(MISTAKES))


def toml_of(protocol: Protocol) -> str:
    """Every setting of a protocol as TOML text; what is None has no key, as TOML has no such value."""
    return tomli_w.dumps(_told(protocol.to_dict()))


def _told(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _told(one) for key, one in value.items() if one is not None}
    return [_told(one) for one in value] if isinstance(value, list) else value


@st.composite
def _documents(draw: st.DrawFn, kinds: tuple[Kind, ...]) -> Document:
    kind = draw(st.sampled_from(kinds))
    given = kind == "predictions"
    design = {"kind": "as-given"} if given else draw(DESIGNS)
    role = "site" if design["kind"] == "internal-external" else NEEDED.get(design.get("by", ""), "")
    cohort = cohort_section(draw, images=kind == "plnm", role=role, impute=not given)
    document: Document = {"protocol": draw(HEADERS), "cohort": cohort, "design": design}
    document["model"], names = _model(draw, kind, cohort, design["kind"] == "nested")
    document["evaluation"] = draw(EVALUATIONS[given])
    document["evaluation"]["compare"]["reference"] = draw(st.sampled_from(names))
    if cohort.get("missing") == "impute":
        document["imputation"] = draw(IMPUTATIONS[design["kind"] == "bootstrap"])
    return copy.deepcopy(document | draw(OTHERS))


def _model(draw: st.DrawFn, kind: Kind, cohort: Document, nested: bool) -> tuple[Document, list[str]]:
    """[model] and the names of the models it gives."""
    if kind == "plnm":
        return plnm(draw, cohort=cohort, nested=nested), ["nomogram", "radiomics", "fusion"]
    model = draw(PREDICTIONS) if kind == "predictions" else estimators(draw, cohort=cohort)
    return model, [one["name"] for one in model["columns" if kind == "predictions" else "estimators"]]
