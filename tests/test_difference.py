"""What differs between two protocols, and the four ways to name one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from validkit.difference import Change, describe, difference, resolve
from validkit.errors import InputError
from validkit.ledger import Ledger
from validkit.protocol import read_protocol, source_of


def changes(a: Any, b: Any) -> list[tuple[str, str, Any, Any]]:
    return [(change.key, change.kind, change.before, change.after) for change in difference(a, b)]


def test_a_protocol_does_not_differ_from_itself_and_comments_do_not_matter(tmp_path: Path) -> None:
    quick = read_protocol("plnm-quick")
    (tmp_path / "copy.toml").write_text("# another comment\n" + source_of("plnm-quick"))
    assert difference(quick, read_protocol(tmp_path / "copy.toml")) == []
    assert describe([]) == "the two protocols say the same"


def test_an_override_is_the_one_change() -> None:
    quick = read_protocol("plnm-quick")
    other = read_protocol("plnm-quick", ["model.deep.epochs=77", "cohort.predictors.age.range=[20, 100]"])
    found = difference(quick, other)
    assert {change.key for change in found} == {"model.deep.epochs", "cohort.predictors.age.range"}
    assert "model.deep.epochs: 2 -> 77" in describe(found).replace(str(quick.to_dict()["model"]["deep"]["epochs"]), "2")


def test_keys_are_dotted_and_absent_is_told_from_null() -> None:
    a = {"design": {"kind": "holdout", "test": 0.3, "since": None}, "same": [1]}
    b = {"design": {"kind": "kfold", "folds": 5, "since": "2020"}, "same": [1]}
    assert changes(a, b) == [
        ("design.kind", "changed", "holdout", "kfold"),
        ("design.test", "removed", 0.3, None),
        ("design.since", "changed", None, "2020"),
        ("design.folds", "added", None, 5),
    ]
    assert describe(difference(a, b)).splitlines() == [
        'design.kind: "holdout" -> "kfold"',
        "design.test: removed, was 0.3",
        'design.since: null -> "2020"',
        "design.folds: added, 5",
    ]


def test_true_one_and_one_point_nought_are_different_settings() -> None:
    assert len(difference({"a": True, "b": 1}, {"a": 1, "b": 1.0})) == 2


def test_lists_of_sections_go_item_by_item_from_one() -> None:
    a = {"selection": [{"method": "spearman", "limit": 0.9}, {"method": "lasso"}]}
    b = {"selection": [{"method": "spearman", "limit": 0.8}, {"method": "lasso"}, {"method": "mann-whitney"}]}
    assert changes(a, b) == [
        ("selection[1].limit", "changed", 0.9, 0.8),
        ("selection[3]", "added", None, {"method": "mann-whitney"}),
    ]


def test_lists_of_named_sections_are_matched_by_name_and_their_order_counts() -> None:
    a = {"models": [{"name": "x", "c": 1}, {"name": "y", "c": 2}]}
    b = {"models": [{"name": "y", "c": 2}, {"name": "x", "c": 9}]}
    assert changes(a, b) == [
        ("models.x.c", "changed", 1, 9),
        ("models (order)", "changed", ["x", "y"], ["y", "x"]),
    ]
    assert changes(a, {"models": b["models"][:1]}) == [("models.x", "removed", {"name": "x", "c": 1}, None)]


def test_plain_lists_say_what_they_gained_and_lost() -> None:
    assert str(Change("use", "changed", ["a", "b"], ["a", "c"])) == 'use: with "c"; without "b"'
    assert str(Change("use", "changed", ["a"], ["a", "c"])) == 'use: with "c"'
    assert str(Change("use", "changed", ["a", "b"], ["b", "a"])) == 'use: ["a", "b"] -> ["b", "a"]'


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, 1.0]) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "a", "b"]), inner, max_size=3),
    max_leaves=8,
)
TABLES = st.dictionaries(st.sampled_from(["a", "b", "name"]), VALUES, max_size=3)


@given(a=TABLES, b=TABLES)
def test_there_is_a_change_exactly_where_the_canonical_forms_differ(a: dict[str, Any], b: dict[str, Any]) -> None:
    found = difference(a, b)
    assert bool(found) == (json.dumps(a, sort_keys=True) != json.dumps(b, sort_keys=True))
    assert len(describe(found).splitlines()) == max(len(found), 1)
    there = {(c.key, json.dumps(c.before), json.dumps(c.after)) for c in found}
    back = {(c.key, json.dumps(c.after), json.dumps(c.before)) for c in difference(b, a)}
    assert there == back
    json.dumps([change.to_dict() for change in found])


# --- four ways to name a protocol -------------------------------------------------------------------------


def test_a_protocol_is_found_by_file_name_run_and_digest(tmp_path: Path) -> None:
    quick = read_protocol("plnm-quick")
    (tmp_path / "p.toml").write_text(source_of("plnm-quick"))
    record = tmp_path / "run/protocol.resolved.json"
    record.parent.mkdir()
    record.write_text(json.dumps({"digest": quick.digest(), "protocol": quick.to_dict()}))
    ledger = Ledger(tmp_path / "ledger.jsonl")
    ledger.seal(protocol=quick.digest(), protocol_name="plnm-quick", canonical=quick.canonical())
    for reference in (tmp_path / "p.toml", "plnm-quick", tmp_path / "run", record, quick.digest(), quick.digest()[:8]):
        assert difference(quick, resolve(reference, ledger)) == [], reference


def test_what_is_not_found_is_said(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    with pytest.raises(InputError, match=r"no protocol 'plmn': it is no file, no run folder, no digest.*plnm-quick"):
        resolve("plmn", ledger)
    with pytest.raises(InputError, match=r"begins with 'abcdef12' \(0 sealed in .*ledger\.jsonl"):
        resolve("abcdef12", ledger)
    with pytest.raises(InputError, match="no ledger was given"):
        resolve("abcdef12")
    with pytest.raises(InputError, match=r"holds no run: there is no protocol\.resolved\.json in it"):
        resolve(tmp_path)
    (tmp_path / "protocol.resolved.json").write_text("[]")
    with pytest.raises(InputError, match="is not what a run writes"):
        resolve(tmp_path)


def test_a_digest_that_is_not_enough_is_said(tmp_path: Path) -> None:
    import hashlib

    ledger = Ledger(tmp_path / "ledger.jsonl")
    seen: dict[str, str] = {}
    for i in range(20_000):
        text = json.dumps({"i": i})
        digest = hashlib.sha256(text.encode()).hexdigest()
        if digest[:6] in seen:
            break
        seen[digest[:6]] = text
    for both in (text, seen[digest[:6]]):
        ledger.seal(protocol=hashlib.sha256(both.encode()).hexdigest(), protocol_name="p", canonical=both)
    with pytest.raises(InputError, match=r"2 sealed protocols have digests that begin with .*give more digits"):
        resolve(digest[:6], ledger)
    assert resolve(digest, ledger) == {"i": i}
