"""Protocols: strict reading, messages with place and mend, the digest."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from validkit import sections
from validkit.errors import InputError
from validkit.protocol import Protocol, ProtocolError, parse_protocol, read_protocol, shipped_protocols, source_of
from validkit.wording import PATTERNS

QUICK = source_of("plnm-quick")


def faults(text: str) -> tuple[str, ...]:
    with pytest.raises(ProtocolError) as caught:
        parse_protocol(text)
    return caught.value.faults


def test_shipped_protocols_are_sound() -> None:
    names = set(shipped_protocols())
    assert {"plnm-paper", "plnm-quick", "plnm-nested", "plnm-optimism", "plnm-internal-external"} <= names
    assert {"breast-us", "heart", "audit", "external"} <= names
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


# --- designs, models and criteria ----------------------------------------------------------------------

HOLDOUT = 'kind     = "holdout"\ntest     = 0.30\nstratify = "outcome"'
KINDS = "'holdout', 'kfold', 'repeated-kfold', 'nested', 'bootstrap', 'internal-external', 'external', 'as-given'"


@pytest.mark.parametrize(
    ("design", "expected"),
    [
        ('kind = "kflod"', f"design: `kind` must be one of {KINDS}; got 'kflod'; did you mean 'kfold'?"),
        ('kind = "nestd"', "got 'nestd'; did you mean 'nested'?"),
        ('kind = "internal-extrenal"', "got 'internal-extrenal'; did you mean 'internal-external'?"),
        ("folds = 5", f"design: `kind` must be one of {KINDS}; got None"),
        ("kind = 3", "got 3"),
        ('kind = "kfold"\nfolds = 1', "design.folds: should be greater than or equal to 2; got 1"),
        ('kind = "kfold"\nfold = 3', "design.fold: unknown key; did you mean 'folds'?"),
        ('kind = "kfold"\nrepeats = 3', "design.repeats: unknown key; known: final, folds, kind, stratify"),
        ('kind = "repeated-kfold"\nrepeats = 0', "design.repeats: should be greater than or equal to 1; got 0"),
        ('kind = "nested"\nfolds = "5"', "design.folds: should be a valid integer; got '5'"),
        ('kind = "bootstrap"\nresamples = 1', "design.resamples: should be greater than or equal to 2; got 1"),
        ('kind = "bootstrap"\nfinal = false', "design.final: unknown key; known: kind, resamples, stratify"),
        ('kind = "internal-external"\nsmallest = 0', "design.smallest: should be greater than or equal to 1; got 0"),
        ('kind = "holdout"\nby = "dat"', "design.by: got 'dat', expected 'random', 'date' or 'device'; did you mean"),
        ('kind = "holdout"\nby = "device"', 'design: by = "device" needs `held_out`, the devices that are held out'),
        ('kind = "holdout"\nheld_out = ["A"]', 'design: `held_out` belongs to by = "device"; remove it or declare by'),
        ('kind = "holdout"\nsince = "2024-01-01"', 'design: `since` belongs to by = "date"; remove it or declare by'),
        ('kind = "holdout"\nby = "date"\nsince = "2024-13-01"', "`since` must be a day, YYYY-MM-DD; got '2024-13-01'"),
        ('kind = "holdout"\nby = "date"\nsince = 2024-01-01',
         'design.since: a day is written as text, in quotes: "2024-01-01"'),
    ],
)  # fmt: skip
def test_a_designs_faults_say_place_and_mend(design: str, expected: str) -> None:
    assert HOLDOUT in QUICK
    found = faults(QUICK.replace(HOLDOUT, design))
    assert any(expected in fault for fault in found), found


@pytest.mark.parametrize(
    ("name", "overrides", "expected"),
    [
        ("plnm-quick", ["design=kfold"],
         "design: a section with keys of its own is expected; got 'kfold'; write [design] with kind = 'kfold'"),
        ("plnm-quick", ["model=plnm"], "model: a section with keys of its own is expected; got 'plnm'; write [model]"),
        ("plnm-quick", ["cohort=here"], "cohort: a section with keys of its own is expected; got 'here'"),
        ("plnm-quick", ["model.kind=plmn"],
         "model: `kind` must be one of 'plnm', 'estimators', 'predictions', 'bundle'; got 'plmn'; did you mean 'plnm"),
        ("heart", ["model.kind=estimator"], "got 'estimator'; did you mean 'estimators'?"),
        ("audit", ["model.kind=prediction"], "got 'prediction'; did you mean 'predictions'?"),
        ("heart", ["imputation.method=iteratve"], "imputation.method: got 'iteratve', expected 'simple' or 'iterative"),
        ("heart", ['sentinels.run=["duplicate"]'], "sentinels.run[1]: got 'duplicate'"),
        ("heart", ["acceptance.aucc.low=0.5"], "acceptance: unknown measure 'aucc'; did you mean 'auc'?"),
        ("heart", ["acceptance.auc.lo=0.5"], "acceptance.auc.lo: unknown key; did you mean 'low'?"),
        ("heart", ["acceptance.criteria.brier.lo=0.1"],
         "acceptance.criteria.brier.lo: unknown key; did you"),
        ("plnm-quick", ["protocol.name=a b"],
         "protocol.name: expected a name of letters, digits, dots, hyphens and underscores, the first a letter"),
    ],
)  # fmt: skip
def test_faults_of_any_section_say_place_and_mend(name: str, overrides: list[str], expected: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        read_protocol(name, overrides)
    assert any(expected in fault for fault in caught.value.faults), caught.value.faults


def test_an_estimator_is_named_by_its_import_path() -> None:
    text = source_of("heart").replace('"sklearn.linear_model.LogisticRegression"', '"LogisticRegression"')
    expected = "model.estimators[1].estimator: expected the import path of a class, such as sklearn.linear_model."
    assert any(expected in fault for fault in faults(text))


def test_every_pattern_of_the_sections_is_told_in_words() -> None:
    folder = Path(sections.__file__).parent
    used = {found for file in folder.glob("*.py") for found in re.findall(r'pattern=r"([^"]+)"', file.read_text())}
    assert used
    assert used <= set(PATTERNS)


def test_every_shipped_protocol_says_its_question_and_what_it_needs_in_its_first_lines() -> None:
    for name in shipped_protocols():
        header = source_of(name).split("\n\n")[0].splitlines()
        assert len(header) >= 2, name
        assert all(line.startswith("# ") and len(line) <= 150 for line in header), name
        assert any("?" in line for line in header), name
