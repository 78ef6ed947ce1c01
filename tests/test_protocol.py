"""Protocols: strict reading, messages with place and mend, the digest."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from validkit.errors import InputError
from validkit.protocol import Protocol, ProtocolError, parse_protocol, read_protocol, shipped_protocols, source_of

QUICK = source_of("plnm-quick")


def faults(text: str) -> tuple[str, ...]:
    with pytest.raises(ProtocolError) as caught:
        parse_protocol(text)
    return caught.value.faults


def test_shipped_protocols_are_sound() -> None:
    names = set(shipped_protocols())
    assert {"plnm-paper", "plnm-quick", "breast-us"} <= names
    for name in names:
        protocol = read_protocol(name)
        assert protocol.protocol.name == name
        assert protocol.protocol.question.endswith("?")


def test_the_papers_settings_are_declared() -> None:
    paper = read_protocol("plnm-paper")
    assert (paper.protocol.seed.split, paper.protocol.seed.torch) == (42, 3407)
    assert paper.design.test == 0.30
    assert paper.model.radiomics.preset == "paper1561"
    assert [step.method for step in paper.model.radiomics.select] == ["mann-whitney", "spearman", "lasso"]
    assert paper.model.deep.backbones == ("densenet121", "resnet50", "alexnet")
    assert paper.model.deep.components == 64
    assert (paper.model.fusion.select.radiomics, paper.model.fusion.select.deep) == (7, 9)
    assert len(paper.model.classifiers.use) == 8
    assert paper.model.deep.choose == "held-out auc"
    assert paper.model.nomogram.predictors == ("max_diameter", "rbc")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("epochs        =", "epohcs =", "model.deep.epohcs: unknown key; did you mean 'epochs'?"),
        ("alpha  = 0.05", "alpah = 0.05", "model.radiomics.select[1].alpah: unknown key; did you mean 'alpha'?"),
        ("outcome        =", "outcme =", "cohort.outcme: unknown key; did you mean 'outcome'?"),
        ("outcome        =", "outcme =", "cohort.outcome: required, but not there"),
        ('"pooled"', '"poled"', "embedding: got 'poled', expected 'pooled' or 'flatten'; did you mean 'pooled'?"),
        ("patience      = 3", 'patience = "3"', "model.deep.patience: should be a valid integer; got '3'"),
        ("test     = 0.30", "test = 30", "design.test: should be less than 1; got 30"),
        ('method = "spearman"', 'method = "kendall"', "`method` must be one of 'mann-whitney', 'spearman', 'lasso'"),
        ('"squamous", "adeno", "other"', '"squamous"', "kind 'categorical' needs `levels`"),
        ("range = [15, 100]", "range = [100, 15]", "`range` must be [low, high] with low < high"),
        ('["reader_a", "reader_b"]', '["reader_a", "reader_c"]', "cohort.outlines does not declare; did you mean"),
        ('["max_diameter", "rbc"]', '["max_diamter", "rbc"]', "model.nomogram.predictors names 'max_diamter'"),
        ('reference = "nomogram"', 'reference = "nomogramm"', "evaluation.compare.reference names 'nomogramm'"),
        ('reader_b = "mask_b"', 'reader_b = "mask_a"', "column 'mask_a' has two roles"),
        ('"efficientnet-lite0"]', '"efficientnet-lite0", "efficientnet-lite0"]', "names one twice"),
        ('weights       = "imagenet"\ntrain         = "all"', 'weights = "none"\ntrain = "head"', "random network"),
        ("schema   = 1", "schema = 2", "protocol.schema: got 2, expected 1"),
    ],
)  # fmt: skip
def test_faults_say_place_and_mend(old: str, new: str, expected: str) -> None:
    assert old in QUICK
    found = faults(QUICK.replace(old, new))
    assert any(expected in fault for fault in found), found


def test_all_faults_are_reported_together() -> None:
    text = QUICK.replace("alpha  = 0.05", "alpah = 0.05").replace('"pooled"', '"poled"').replace("level ", "levle ")
    assert len(faults(text)) == 3


def test_not_toml_not_utf8_not_there(tmp_path: Path) -> None:
    assert "not valid TOML" in faults("[protocol")[0]
    latin = tmp_path / "latin.toml"
    latin.write_bytes("name = 'Gómez'".encode("latin-1"))
    with pytest.raises(ProtocolError, match="not UTF-8 text"):
        read_protocol(latin)
    with pytest.raises(InputError, match=r"no protocol file at .*plnm-quick"):
        read_protocol("plnm-qiuck")


def test_overrides_change_one_setting_and_the_digest() -> None:
    plain = parse_protocol(QUICK)
    changed = parse_protocol(QUICK, overrides=["model.deep.epochs=2", "model.deep.weights=none"])
    assert (changed.model.deep.epochs, changed.model.deep.weights) == (2, "none")
    assert changed.digest() != plain.digest()
    with pytest.raises(InputError, match=r"section\.key=value"):
        parse_protocol(QUICK, overrides=["epochs"])
    with pytest.raises(InputError, match="'epochs' is not a section"):
        parse_protocol(QUICK, overrides=["model.deep.epochs.more=2"])
    with pytest.raises(ProtocolError, match="unknown key"):
        parse_protocol(QUICK, overrides=["model.dep.epochs=2"])


def test_digest_ignores_comments_order_and_white_space() -> None:
    lines = [line.split("#")[0].rstrip() for line in QUICK.splitlines()]
    start = lines.index("[evaluation]")
    reordered = "\n\n".join([*lines[start:], *lines[:start]])
    assert parse_protocol(reordered).digest() == parse_protocol(QUICK).digest()


def test_digest_counts_defaults_as_written() -> None:
    assert parse_protocol(QUICK.replace('keep    = "both"', "")).digest() == parse_protocol(QUICK).digest()


@settings(max_examples=30, deadline=None)
@given(st.floats(0.05, 0.6), st.integers(0, 2**32 - 1))
def test_canonical_form_reads_back_to_the_same_protocol(test: float, seed: int) -> None:
    protocol = parse_protocol(QUICK, overrides=[f"design.test={test}", f"protocol.seed.split={seed}"])
    assert Protocol.model_validate_json(protocol.canonical()).digest() == protocol.digest()


def test_a_protocol_cannot_be_changed() -> None:
    protocol = parse_protocol(QUICK)
    with pytest.raises(ValidationError, match="frozen"):
        protocol.design.test = 0.5  # type: ignore[misc]
