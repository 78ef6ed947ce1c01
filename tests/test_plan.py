"""The plan: splits and seeds, fixed before anything runs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validkit.cohort.phantom import simulate_table
from validkit.errors import InputError
from validkit.plan import Patients, Plan, make_plan, seeder, sentence_of
from validkit.plnm.classifiers import grid
from validkit.protocol import read_protocol, shipped_protocols


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


# --- the shipped protocols -----------------------------------------------------------------------------


def planned(name: str) -> Plan:
    """The plan of a shipped protocol on the phantom that it names, from its simulated table alone."""
    protocol = read_protocol(name)
    phantom = protocol.cohort.default
    assert phantom is not None
    table = simulate_table(phantom.patients, phantom.sites, phantom.seed).set_index("patient_id")
    return make_plan(protocol, Patients(table["plnm"], site=table["site"]))


def test_the_readme_lists_every_protocol_with_the_fits_that_its_plan_states() -> None:
    folder = next(iter(shipped_protocols().values())).parent
    rows = [line.split("|")[1:-1] for line in (folder / "README.md").read_text().splitlines() if line.startswith("| `")]
    listed = {cells[0].strip(" `"): int(cells[4].replace(",", "")) for cells in rows}
    assert set(listed) == set(shipped_protocols())
    for name, fits in listed.items():
        if read_protocol(name).cohort.default is not None:
            assert planned(name).fits == fits, name


@pytest.mark.parametrize(
    ("name", "units", "folds"),
    [("plnm-nested", 6, 5), ("plnm-optimism", 26, 3), ("plnm-internal-external", 5, 5), ("plnm-quick", 1, 3)],
)
def test_fits_by_hand(name: str, units: int, folds: int) -> None:
    """The ICC filter, three selections and networks; two branches of eight classifiers; cross-fitting; the nomogram."""
    plan, model = planned(name), read_protocol(name).plnm
    inner = model.classifiers.search.folds
    searched = sum(len(grid(one, model.classifiers.search.grid)) * inner + 1 for one in model.classifiers.use)
    by_folds = model.deep.choose == "cross-validation"
    crossed = folds * (1 + 3 + (0 if by_folds else 1) + 1 + 2 * 8)
    once = 1 + 3 + 1 + (folds if by_folds else 0) + 1 + 2 * searched + crossed + (2 + inner) + (1 + inner)
    assert len(plan.units) == units
    assert plan.fits == units * once
    assert set(plan.tasks.groupby("split")["fits"].sum()) == {once}


def test_every_fit_of_a_split_has_a_seed_of_its_own() -> None:
    tasks = planned("plnm-nested").tasks
    assert not tasks.duplicated(["split", "stage", "task"]).any()
    assert tasks.groupby(["stage", "task"])["seed"].nunique().isin((0, 6)).all()


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("plnm-quick", "48 of 160 patients were held out once"),
        ("plnm-nested", "each of 421 patients was held out once, every choice made again inside each of 5 splits"),
        ("plnm-optimism", "the whole model was fitted again in 25 bootstrap resamples of 240 patients"),
        ("plnm-internal-external", "each of 4 sites was left out in turn"),
        ("audit", "predictions made elsewhere for 1000 patients were judged as they are"),
    ],
)
def test_the_design_in_a_sentence(name: str, sentence: str) -> None:
    assert sentence_of(planned(name)) == sentence


def test_too_few_patients_to_stop_a_network_early_are_refused_at_once() -> None:
    steps = 'model.radiomics.select=[{method = "lasso", folds = 2}]'
    small = [steps, "model.classifiers.search.folds=2", "model.cross_fitting.folds=2"]
    with pytest.raises(InputError, match=r"early stopping holds back 1 of 2 training .* rarer kind in each of 2 cross"):
        make_plan(read_protocol("plnm-quick", small), outcome(60, 7))
    assert make_plan(read_protocol("plnm-quick", small), outcome(60, 10)).fits
