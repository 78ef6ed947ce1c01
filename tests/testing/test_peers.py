"""The list of peers' misbehaviours stays true: the law still finds each, and the snippet still shows it."""

from __future__ import annotations

import pytest

from benchmarks.peers import by_hand, cases, observed
from benchmarks.peers.cases import ByHand, Case, quietly

CASES, BY_HAND = cases(), by_hand()


def _installed(one: Case | ByHand) -> str:
    if not one.version:
        pytest.skip(f"{one.peer} is not installed: pip install {one.peer}")
    return f"{one.peer} {one.what}: mended in {one.version}: take it off the list"


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.peer}-{case.law}")
def test_a_listed_peer_still_breaks_the_law(case: Case) -> None:
    mended = _installed(case)
    with quietly():
        assert case.message(60), f"{mended} ({case.law})"


@pytest.mark.parametrize("one", [*CASES, *BY_HAND], ids=lambda one: f"{one.peer}-{one.what}")
def test_the_snippet_still_shows_it(one: Case | ByHand) -> None:
    mended = _installed(one)
    printed = observed(one)
    assert printed == one.prints, f"{mended} (the snippet prints {printed!r}, not {one.prints!r})"


def test_the_list_is_long_enough_and_scikit_learn_is_on_it() -> None:
    assert len({one.peer for one in CASES}) >= 5
    assert any(one.peer == "scikit-learn" and one.version for one in CASES)
