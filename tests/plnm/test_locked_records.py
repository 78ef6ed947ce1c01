"""What a locked model says of its clinical stages is read strictly, field by field of the classes that it rebuilds."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest
from pydantic import ValidationError

from validkit.plnm.locked_records import Clinical
from validkit.plnm.platt import Platt
from validkit.plnm.terms import Term
from validkit.stats.coding import Coding
from validkit.store import to_json

SIZE = Term("size", "Size", "mm", "continuous", (), (), (), (0.05,), (0.0, 60.0), (8.0, 55.0), False)
TYPE = Term("type", "Type", "", "categorical", ("a", "b"), ("c",), (), (0.0, 0.4), (0.0, 1.0), (0.0, 1.0), False)
CODING = Coding(("size", "type"), {"size": "continuous", "type": "categorical"}, {"type": ("a", "b")}, {"type": ("c",)})
PLATT = Platt(1.2, -0.1, "cross-fitted")
LINE = {"columns": ["size", "type=b"], "intercept": -2.0, "beta": [0.05, 0.4]}


def written() -> dict[str, Any]:
    record = {
        "independent": ["size", "type"],
        "clinical": LINE,
        "clinical_coding": asdict(CODING),
        "nomogram": LINE,
        "nomogram_coding": asdict(CODING),
        "terms": [asdict(SIZE), asdict(TYPE)],
        "platt": asdict(PLATT),
        "score_scale": "logit",
        "note": "",
    }
    return json.loads(json.dumps(record))


def test_what_is_read_is_what_was_written() -> None:
    record = Clinical.model_validate_json(json.dumps(written()))
    assert record.terms == (SIZE, TYPE)
    assert record.clinical_coding == record.nomogram_coding == CODING
    assert record.platt == PLATT
    assert to_json(record.model_dump(mode="json")) == to_json(written())


PLACES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "a term": lambda record: record["terms"][1],
    "the scaling": lambda record: record["platt"],
    "a coding": lambda record: record["nomogram_coding"],
}


@pytest.mark.parametrize("place", PLACES)
def test_a_field_too_many_too_few_or_of_another_type_is_refused(place: str) -> None:
    fields = list(PLACES[place](written()))
    for name in fields:
        record = written()
        del PLACES[place](record)[name]
        with pytest.raises(ValidationError, match=rf"{name}\n.*required"):
            Clinical.model_validate_json(json.dumps(record))
        record = written()
        PLACES[place](record)[name] = {"strange": 1.5} if name != "kinds" else [1.5]
        with pytest.raises(ValidationError, match=name):
            Clinical.model_validate_json(json.dumps(record))
    record = written()
    PLACES[place](record)["more"] = 1
    with pytest.raises(ValidationError, match="more"):
        Clinical.model_validate_json(json.dumps(record))
