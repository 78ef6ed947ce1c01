"""The plan: splits and seeds, fixed before anything runs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validkit.errors import InputError
from validkit.plan import make_plan, seeder
from validkit.protocol import read_protocol


def outcome(n: int, events: int) -> pd.Series:
    values = np.zeros(n, dtype=np.int8)
    values[:events] = 1
    return pd.Series(values, index=[f"p{i:04d}" for i in range(n)])


def test_the_papers_split() -> None:
    plan = make_plan(read_protocol("plnm-paper"), outcome(421, 107))
    assert (len(plan.training), len(plan.held_out)) == (294, 127)


@settings(max_examples=25, deadline=None)
@given(st.integers(120, 400), st.floats(0.25, 0.75), st.integers(0, 2**32 - 1))
def test_a_split_is_a_partition_with_the_events_share_kept(n: int, share: float, seed: int) -> None:
    y = outcome(n, round(share * n))
    plan = make_plan(read_protocol("plnm-quick", [f"protocol.seed.split={seed}"]), y)
    assert sorted(plan.training + plan.held_out) == list(y.index)
    assert not set(plan.training) & set(plan.held_out)
    assert abs(y.loc[plan.training].mean() - y.mean()) < 1.0 / len(plan.training)


def test_the_same_protocol_gives_the_same_plan() -> None:
    protocol, y = read_protocol("plnm-quick"), outcome(120, 30)
    pd.testing.assert_frame_equal(make_plan(protocol, y).split_table(), make_plan(protocol, y).split_table())
    other = make_plan(read_protocol("plnm-quick", ["protocol.seed.split=7"]), y)
    assert other.training != make_plan(protocol, y).training


def test_too_few_events_are_refused() -> None:
    protocol = read_protocol("plnm-quick")
    with pytest.raises(InputError, match="needs two patients of each kind; got 1 events"):
        make_plan(protocol, outcome(50, 1))
    with pytest.raises(InputError, match="both kinds of patient are needed"):
        make_plan(read_protocol("plnm-quick", ["design.stratify=none"]), outcome(50, 1))


def test_too_few_patients_for_the_declared_folds_are_refused_at_once() -> None:
    with pytest.raises(InputError, match=r"select \(lasso\): 10 folds need 10 .* in each of 3 cross-fitting folds"):
        make_plan(read_protocol("plnm-quick"), outcome(60, 15))
    with pytest.raises(InputError, match=r"model\.classifiers\.search: 10 folds need 10"):
        make_plan(read_protocol("plnm-paper", ["model.radiomics.select=[]"]), outcome(60, 10))


def test_tasks_are_listed_with_their_seeds() -> None:
    plan = make_plan(read_protocol("plnm-paper"), outcome(421, 107))
    assert (plan.tasks["stage"] == "classifiers").sum() == 16
    assert not (plan.tasks["stage"] == "cross-fitting").any()
    quick = make_plan(read_protocol("plnm-quick"), outcome(160, 41))
    assert (quick.tasks["stage"] == "cross-fitting").sum() == 3
    assert list(plan.tasks.loc[plan.tasks["stage"] == "deep", "seed"]) == [3407] * 3


def test_seeds_depend_on_identity() -> None:
    seed_of = seeder(42)
    assert seed_of("a", "b") == seeder(42)("a", "b")
    assert len({seed_of("a", "b"), seed_of("ab"), seed_of("a"), seeder(43)("a", "b")}) == 4
    assert all(0 <= seed_of(i) < 2**32 for i in range(100))
