"""Protocols with one mistake each, and what validkit must say of it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import tomli_w
from hypothesis import strategies as st

from validkit.testing.sections import Document

__all__ = ["MISTAKES", "BrokenProtocol", "broken"]

Words = tuple[str, ...]
Setting = tuple[str, Any, str]
"""(dotted place, value, what the error says)"""

WRONG_TYPES: tuple[Setting, ...] = (
    ("evaluation.level", "0.95", "should be a valid number; got '0.95'"),
    ("protocol.name", 7, "should be a valid string; got 7"),
    ("protocol.seed.split", 1.5, "should be a valid integer"),
    ("cohort.patient", ["a", "b"], "should be a valid string"),
    ("evaluation.bootstrap.stratified", "yes", "should be a valid boolean; got 'yes'"),
    ("evaluation.thresholds.also", 0.2, "should be a valid tuple"),
    ("cohort.outcome", "outcome", "a section with keys of its own is expected; got 'outcome'"),
    ("sentinels.permutations", True, "should be a valid integer; got True"),
)
OUT_OF_RANGE: tuple[Setting, ...] = (
    ("evaluation.level", 95.0, "should be less than 1; got 95.0"),
    ("evaluation.level", 0.0, "should be greater than 0; got 0.0"),
    ("evaluation.bootstrap.replicates", -1, "should be greater than or equal to 0; got -1"),
    ("evaluation.hosmer_lemeshow.groups", 2, "should be greater than or equal to 3; got 2"),
    ("protocol.seed.torch", 2**32, "should be less than 4294967296"),
    ("evaluation.decision_curve.step", 0.0, "should be greater than 0"),
    ("imputation.copies", 1001, "should be less than or equal to 1000; got 1001"),
    ("sentinels.alpha", 1.0, "should be less than 1; got 1.0"),
    ("protocol.schema", 2, "got 2, expected 1"),
    ("protocol.name", "a study", "expected a name of letters"),
)
MISSPELT: tuple[Setting, ...] = (
    ("evaluation.combine", "avrage", "got 'avrage'"),
    ("evaluation.combine", "avrage", "did you mean 'average'?"),
    ("evaluation.auc", "deLong", "did you mean 'delong'?"),
    ("cohort.kind", "tables", "did you mean 'table'?"),
    ("design", {"kind": "kfolds"}, "did you mean 'kfold'?"),
    ("evaluation.compare.adjust", "holms", "did you mean 'holm'?"),
)
UNDECLARED: tuple[Setting, ...] = (
    ("evaluation.compare.reference", "nomogramme", "evaluation.compare.reference names 'nomogramme'"),
    ("acceptance.model", "nobody", "acceptance names 'nobody'"),
)
MEASURES: tuple[Setting, ...] = (
    ("acceptance.auk", {"low": 0.5}, "unknown measure 'auk'; did you mean 'auc'?"),
    ("acceptance.auc", {"low": 1.5}, "auc: `low` can never hold"),
    ("acceptance.auc", {}, "a criterion needs a rule"),
    ("acceptance.net_benefit", {"better_than": {"strategy": "treat-all"}}, "net_benefit: `better_than` needs `at`"),
)
HOLDOUTS: tuple[tuple[Document, str], ...] = (
    ({"since": "2024-01-01"}, '`since` belongs to by = "date"'),
    ({"held_out": ["B"]}, '`held_out` belongs to by = "device"'),
    ({"by": "device"}, 'by = "device" needs `held_out`'),
    ({"by": "date", "since": "31.1.2024"}, "`since` must be a day"),
)
PREDICTORS: tuple[tuple[Document, str], ...] = (
    ({"kind": "categorical"}, "a predictor of kind 'categorical' needs `levels`"),
    ({"kind": "binary", "levels": ["0", "1"]}, "a predictor of kind 'binary' has no `levels`"),
    ({"kind": "continuous", "range": [9.0, 1.0]}, "`range` must be [low, high] with low < high"),
    ({"kind": "continuous", "missing_codes": [""]}, "an empty cell is missing anyway"),
    ({"kind": "continuous", "column_unit": "cm"}, "`column_unit` is converted to `unit`"),
)


class BrokenProtocol(NamedTuple):
    """text : TOML; words : each is part of the error; what : the mistake, one of `MISTAKES`."""

    text: str
    words: Words
    what: str


@st.composite
def broken(draw: st.DrawFn, sound: st.SearchStrategy[Document], mistakes: Sequence[str]) -> BrokenProtocol:
    """A sound document spoilt by one of the mistakes."""
    document = copy.deepcopy(draw(sound))
    what = draw(st.sampled_from(mistakes))
    if what == "not TOML":
        text = tomli_w.dumps(document)
        return BrokenProtocol(text + draw(st.sampled_from(('x = "', "x = ", "[x"))), ("not valid TOML",), what)
    words = MISTAKES[what](draw, document)
    return BrokenProtocol(tomli_w.dumps(document), words, what)


def put(document: Document, place: str, value: Any) -> None:
    """Set the value at a dotted place; sections on the way are made."""
    *sections, key = place.split(".")
    for section in sections:
        document = document.setdefault(section, {})
    document[key] = value


def _one_of(settings: Sequence[Setting]) -> Callable[[st.DrawFn, Document], Words]:
    """The mistake of one wrong setting, which the error names by its place."""

    def spoil(draw: st.DrawFn, document: Document) -> Words:
        place, value, words = draw(st.sampled_from(settings))
        put(document, place, value)
        return place.split(".")[0], words

    return spoil


def _unknown_key(draw: st.DrawFn, document: Document) -> Words:
    """A key of a section with two neighbouring letters exchanged."""
    known = [(name, key) for name in ("protocol", "cohort", "evaluation") for key in document[name] if len(key) > 4]
    section, key = draw(st.sampled_from(known))
    places = [i for i in range(len(key) - 1) if key[i] != key[i + 1]]
    at = draw(st.sampled_from(places))
    misspelt = key[:at] + key[at + 1] + key[at] + key[at + 2 :]
    document[section][misspelt] = document[section].pop(key)
    return (f"{section}.{misspelt}: unknown key; did you mean {key!r}?",)


def _missing_key(draw: st.DrawFn, document: Document) -> Words:
    section, key = draw(st.sampled_from((("protocol", "name"), ("protocol", "question"), ("cohort", "outcome"))))
    del document[section][key]
    return (f"{section}.{key}: required, but not there",)


def _missing_section(draw: st.DrawFn, document: Document) -> Words:
    section = draw(st.sampled_from(("protocol", "cohort", "model")))
    del document[section]
    return (f"{section}: required, but not there",)


def _threshold(draw: st.DrawFn, document: Document) -> Words:
    """A threshold that is fixed without a value, or has a value and is chosen."""
    put(document, "evaluation.thresholds", draw(st.sampled_from(({"choose": "fixed"}, {"value": 0.2}))))
    return ('`value` and choose = "fixed" belong together',)


def _two_roles(draw: st.DrawFn, document: Document) -> Words:
    """One column as the patient's id and as something else."""
    cohort = document["cohort"]
    cohort["patient"] = draw(st.sampled_from((cohort["outcome"]["column"], *cohort["predictors"])))
    return "cohort", f"column {cohort['patient']!r} has two roles"


def _design_and_model(draw: st.DrawFn, document: Document) -> Words:
    """A design that does not fit the model."""
    given = document["model"]["kind"] == "predictions"
    kind = draw(st.sampled_from(("external", "kfold" if given else "as-given")))
    document["design"] = {"kind": kind}
    return f'design.kind = "{"external" if kind == "external" else "as-given"}"', "belong together"


def _design_and_roles(draw: st.DrawFn, document: Document) -> Words:
    """A design that needs a column which the cohort does not declare."""
    role = draw(st.sampled_from(("date", "device", "site")))
    designs: dict[str, Document] = {
        "date": {"kind": "holdout", "by": "date"},
        "device": {"kind": "holdout", "by": "device", "held_out": ["B"]},
        "site": {"kind": "internal-external"},
    }
    document["cohort"].pop(role, None)
    document["design"] = designs[role]
    return (f"needs cohort.{role}",)


def _holdout(draw: st.DrawFn, document: Document) -> Words:
    settings, words = draw(st.sampled_from(HOLDOUTS))
    document["design"] = {"kind": "holdout", **settings}
    return "design", words


def _predictor(draw: st.DrawFn, document: Document) -> Words:
    """A predictor whose kind and settings contradict each other."""
    settings, words = draw(st.sampled_from(PREDICTORS))
    name = next(iter(document["cohort"]["predictors"]))
    document["cohort"]["predictors"][name] = settings
    return f"cohort.predictors.{name}", words


def _copies(draw: st.DrawFn, document: Document) -> Words:
    document["imputation"] = {"method": "simple", "copies": draw(st.integers(2, 20))}
    return ('imputation.copies > 1 needs method = "iterative"',)


def _outlines(draw: st.DrawFn, document: Document) -> Words:
    """Outlines without images, or images without outlines."""
    cohort = document["cohort"]
    if cohort["kind"] == "images":
        del cohort["outlines"]
        return "cohort", "`outlines` must name at least one reader"
    cohort["outlines"] = {"reader_a": "mask"}
    return "cohort", 'a cohort of kind "table" has no `outlines`'


MISTAKES: Mapping[str, Callable[[st.DrawFn, Document], Words]] = MappingProxyType(
    {
        "unknown key": _unknown_key,
        "missing key": _missing_key,
        "missing section": _missing_section,
        "wrong type": _one_of(WRONG_TYPES),
        "out of range": _one_of(OUT_OF_RANGE),
        "misspelt value": _one_of(MISSPELT),
        "undeclared name": _one_of(UNDECLARED),
        "impossible criterion": _one_of(MEASURES),
        "threshold without a value": _threshold,
        "column of two roles": _two_roles,
        "design of another model": _design_and_model,
        "design without its column": _design_and_roles,
        "contradictory hold-out": _holdout,
        "contradictory predictor": _predictor,
        "copies of simple imputation": _copies,
        "outlines and kind": _outlines,
        "not TOML": lambda draw, document: (),
    }
)
"""What can be wrong with a protocol, and how a sound document comes to be so."""
