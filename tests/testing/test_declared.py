from __future__ import annotations

import tomllib

import pytest
import tomli_w
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from validkit.cohort import CohortError, read_cohort
from validkit.errors import InputError
from validkit.protocol import Protocol, ProtocolError, parse_protocol, read_protocol
from validkit.testing.declared import (
    HOSTILE_COHORTS,
    KINDS,
    MISTAKES,
    broken_protocols,
    cohorts,
    documents,
    protocols,
    toml_of,
)
from validkit.testing.hostile_cohorts import NEED_IMAGES

few = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
reach = settings(max_examples=5000, phases=[Phase.generate], database=None, derandomize=True)


@few
@given(protocols())
def test_a_protocol_written_and_read_again_is_the_same(tmp_path, protocol):
    file = tmp_path / "p.toml"
    file.write_text(toml_of(protocol), encoding="utf-8")
    again = read_protocol(file)
    assert again == protocol
    assert again.digest() == protocol.digest()


@few
@given(documents())
def test_defaults_left_out_and_written_out_are_one_protocol(document):
    short = parse_protocol(tomli_w.dumps(document))
    assert short.digest() == parse_protocol(toml_of(short)).digest() == Protocol.model_validate(document).digest()


@few
@given(protocols(), protocols())
def test_digests_are_equal_only_where_every_setting_is(one, other):
    assert (one.digest() == other.digest()) == (one.to_dict() == other.to_dict())


CHANGES = (
    "protocol.seed.split=7",
    "protocol.note='another'",
    "cohort.patient='record'",
    "evaluation.level=0.8",
    "evaluation.bootstrap.replicates=77",
    "evaluation.hosmer_lemeshow.groups=77",
    "evaluation.decision_curve.step=0.3",
    "sentinels.permutations=77",
)


@few
@given(protocols(), st.sampled_from(CHANGES))
def test_one_setting_changed_is_another_digest(protocol, change):
    text = toml_of(protocol)
    assert parse_protocol(text, overrides=[change]).digest() != protocol.digest()


@pytest.mark.parametrize("kind", KINDS)
def test_the_kind_is_kept_and_the_simplest_is_short(kind):
    document = find(documents(kind=kind), lambda _: True)
    assert document["model"]["kind"] == kind
    assert document["protocol"] == {"name": "study", "question": "Does it hold?"}
    assert list(document["cohort"]["predictors"]) == ["age_years"]
    assert not {"site", "group", "date", "device", "missing"} & set(document["cohort"])
    assert len(tomli_w.dumps(document).splitlines()) < 50


DESIGNS = ("holdout", "kfold", "repeated-kfold", "nested", "bootstrap", "internal-external", "as-given")


@pytest.mark.parametrize("design", DESIGNS)
def test_every_design_is_reached(design):
    assert find(protocols(), lambda one: one.design.kind == design, settings=reach)


@pytest.mark.parametrize("kind", ["plnm", "estimators"])
@pytest.mark.parametrize("by", ["random", "date", "device"])
def test_every_hold_out_is_reached(kind, by):
    assert find(protocols(kind=kind), lambda one: getattr(one.design, "by", "") == by, settings=reach)


def test_several_copies_are_reached():
    several = find(protocols(kind="estimators"), lambda one: one.copies > 1, settings=reach)
    assert several.imputation.method == "iterative"


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
@pytest.mark.parametrize("what", MISTAKES)
def test_every_mistake_is_told_in_the_stated_words(what, data):
    text, words, told = data.draw(broken_protocols(what=what))
    assert told == what
    assert words
    with pytest.raises(ProtocolError) as caught:
        parse_protocol(text)
    for word in words:
        assert word in str(caught.value)


def test_a_mistake_shrinks_to_a_short_protocol():
    text, words, _ = find(broken_protocols(), lambda one: one.what == "unknown key")
    assert words == ("protocol.uqestion: unknown key; did you mean 'question'?",)
    assert len(text.splitlines()) < 40
    assert "uqestion" in tomllib.loads(text)["protocol"]


@few
@given(st.data())
def test_any_mistake_is_one_of_them(data):
    assert data.draw(broken_protocols()).what in MISTAKES


@few
@given(cohorts(images=False, missing=True) | cohorts(patients=(4, 6), shape=(24, 32)))
def test_a_sound_cohort_is_read_as_it_is(tmp_path_factory, recipe):
    read = read_cohort(recipe.write(tmp_path_factory.mktemp("cohort")), recipe.spec)
    assert (len(read), int(read.outcome.sum())) == (recipe.n, recipe.events)
    assert tuple(read.patients) == tuple(recipe.table["patient_id"])
    assert (() if read.site is None else tuple(sorted(set(read.site)))) == recipe.sites
    assert list(read.predictors) == list(recipe.roles["predictors"])
    assert int(read.predictors.isna().sum().sum()) == (recipe.table[list(read.predictors)] == "").sum().sum()
    if recipe.lesions:
        lesion = read.lesion(read.patients[-1])
        assert (lesion.pixels == recipe.lesions[-1].image).all()
        assert (lesion.mask == recipe.lesions[-1].outline).all()


@settings(max_examples=10)
@given(cohorts())
def test_the_same_recipe_is_the_same_cohort(tmp_path_factory, recipe):
    one, other = (read_cohort(recipe.write(tmp_path_factory.mktemp("c")), recipe.spec) for _ in range(2))
    assert one.digest == other.digest
    assert recipe.protocol().cohort == recipe.spec


@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
@pytest.mark.parametrize("what", HOSTILE_COHORTS)
def test_a_hostile_cohort_is_refused_in_the_stated_words(tmp_path_factory, what, data):
    images = what in NEED_IMAGES or data.draw(st.booleans())
    recipe = data.draw(cohorts(images=images, what=what, patients=(4, 5), shape=(24, 28)))
    assert recipe.what == what
    assert recipe.words
    with pytest.raises(CohortError) as caught:
        read_cohort(recipe.write(tmp_path_factory.mktemp("hostile")), recipe.spec)
    for word in recipe.words:
        assert word in str(caught.value)


@pytest.mark.parametrize("images", [False, True])
def test_hostile_cohorts_are_of_many_kinds(images):
    seen: set[str] = set()

    @settings(max_examples=60, database=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
    @given(cohorts(hostile=True, images=images, patients=(4, 4), shape=(12, 12)))
    def look(recipe):
        seen.add(recipe.what)

    look()
    assert len(seen) >= 8
    assert seen <= set(HOSTILE_COHORTS)
    assert bool(seen & NEED_IMAGES) == images


def test_a_cohort_shrinks_to_four_patients_without_a_site():
    recipe = find(cohorts(), lambda one: one.n >= 4)
    assert recipe.cells[0] == ("patient_id", "outcome", "age_years", "image", "mask")
    assert (recipe.n, recipe.events, recipe.sites) == (4, 1, ())
    assert {lesion.image.shape for lesion in recipe.lesions} == {(24, 24)}
    assert "P004,1,18,images/004.png,images/004_outline.png" in repr(recipe)


@pytest.mark.parametrize(
    ("strategy", "arguments", "words"),
    [
        (protocols, {"kind": "bundle"}, "`kind` must be one of"),
        (broken_protocols, {"what": "typo"}, "`what` must be one of unknown key"),
        (cohorts, {"what": "typo"}, "`what` must be one of id twice"),
        (cohorts, {"what": "file missing", "images": False}, "needs images = True"),
        (cohorts, {"patients": (2, 5)}, "fewest >= 4"),
    ],
)
def test_impossible_wishes_are_refused_at_once(strategy, arguments, words):
    with pytest.raises(InputError, match=words):
        strategy(**arguments)
