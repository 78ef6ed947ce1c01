"""Model-based concordance: against its definition pair by pair, the AUC it promises, and the spread of new samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from validkit.errors import InputError
from validkit.stats import auc
from validkit.stats.standardised import standardised_auc
from validkit.stats.transport import concordance_gap, model_based_concordance

RISKS = arrays(float, st.integers(2, 30), elements=st.floats(0.01, 0.99).map(lambda x: round(x, 2)))


def pair_by_pair(p: np.ndarray) -> float:
    above = total = 0.0
    for i, a in enumerate(p):
        for j, b in enumerate(p):
            if i != j:
                total += a * (1 - b)
                above += a * (1 - b) * (1.0 if a > b else 0.5 if a == b else 0.0)
    return above / total


@given(RISKS)
def test_it_is_its_definition(p: np.ndarray) -> None:
    assert model_based_concordance(p).value == pytest.approx(pair_by_pair(p), abs=1e-12)


@given(RISKS, st.randoms(use_true_random=False))
def test_order_does_not_matter_and_it_lies_between_one_half_and_one(p: np.ndarray, random) -> None:
    found = model_based_concordance(p)
    assert 0.5 - 1e-12 <= found.value <= 1.0
    shuffled = list(p)
    random.shuffle(shuffled)
    assert model_based_concordance(shuffled).value == pytest.approx(found.value, abs=1e-12)
    assert model_based_concordance(1 - p).value == pytest.approx(found.value, abs=1e-12)


def test_true_risks_give_the_auc_that_it_promises() -> None:
    rng = np.random.default_rng(1)
    p = 1 / (1 + np.exp(-rng.normal(-1, 1.2, 40_000)))
    y = (rng.random(p.size) < p).astype(int)
    found, observed = model_based_concordance(p), auc(y, p)
    assert abs(found.value - observed.value) < 4 * observed.se


def test_its_interval_covers_that_of_all_such_patients() -> None:
    rng = np.random.default_rng(2)
    truth = model_based_concordance(1 / (1 + np.exp(-rng.normal(-1, 1.0, 200_000)))).value
    covered = 0
    for _ in range(400):
        one = model_based_concordance(1 / (1 + np.exp(-rng.normal(-1, 1.0, 120))))
        covered += one.low <= truth <= one.high
    assert 0.91 <= covered / 400 <= 0.98


def test_what_is_undefined_says_why() -> None:
    assert "two patients" in model_based_concordance([0.3]).note
    assert "same certainty" in model_based_concordance([0.0, 0.0]).note
    assert model_based_concordance([0.4, 0.4]).value == 0.5
    with pytest.raises(InputError, match="y_prob"):
        model_based_concordance([0.2, 1.2])


def test_weights_repeat_patients() -> None:
    repeated = model_based_concordance(np.repeat([0.1, 0.5, 0.8], [2, 3, 1]))
    weighted = model_based_concordance([0.1, 0.5, 0.8], weights=[2, 3, 1])
    assert weighted.value == pytest.approx(repeated.value)
    assert weighted.n == repeated.n == 6


# --- the gap, and standardised areas ---------------------------------------------------------------


def simulated(rng: np.random.Generator, n: int, sd: float = 1.0, slope: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    lp = rng.normal(-0.7, sd, n)
    return (rng.random(n) < 1 / (1 + np.exp(-slope * lp))).astype(int), 1 / (1 + np.exp(-lp))


def test_the_gap_is_the_difference_and_its_interval_covers_nothing_where_effects_are_right() -> None:
    rng = np.random.default_rng(4)
    covered = 0
    for _ in range(500):
        y, p = simulated(rng, 150)
        gap = concordance_gap(y, p)
        covered += gap.low <= 0 <= gap.high
    assert gap.value == pytest.approx(auc(y, p).value - model_based_concordance(p).value, abs=1e-12)
    assert 0.92 <= covered / 500 <= 0.975
    weaker = concordance_gap(*simulated(rng, 2000, slope=0.3))
    assert weaker.high < 0


def test_the_gaps_standard_error_is_the_spread_of_new_samples() -> None:
    rng = np.random.default_rng(5)
    gaps = [concordance_gap(*simulated(rng, 200, sd=1.5)) for _ in range(600)]
    spread = np.std([gap.value for gap in gaps], ddof=1)
    assert np.mean([gap.se for gap in gaps]) == pytest.approx(spread, rel=0.1)
    assert "needs two events" in concordance_gap([0, 0, 1], [0.2, 0.3, 0.4]).note


def test_standardising_gives_the_area_of_the_other_spread() -> None:
    """The same effects in patients of whom more are alike: weighted, they give the area that the others have."""
    rng = np.random.default_rng(6)
    y, p = simulated(rng, 30_000, sd=1.0)
    _, wide = simulated(rng, 200_000, sd=1.6)
    edges = np.quantile(wide, [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95])
    found = standardised_auc(y, p, edges=edges, shares=np.diff([0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 1]))
    there = model_based_concordance(wide).value
    here = auc(y, p).value
    assert there - here > 0.06
    assert abs(found.value - there) < 0.25 * (there - here)
    assert "worth" in found.note


def test_equal_shares_change_nothing_and_absent_strata_are_told() -> None:
    y, p = simulated(np.random.default_rng(7), 400)
    edges = np.quantile(p, [0.25, 0.5, 0.75])
    shares = np.bincount(np.searchsorted(edges, p, side="left")) / 400
    same = standardised_auc(y, p, edges=edges, shares=shares, rng=1, replicates=300)
    assert same.value == pytest.approx(auc(y, p).value, abs=1e-12)
    assert same.low < same.value < same.high
    assert (same.high - same.low) / (auc(y, p).high - auc(y, p).low) == pytest.approx(1.0, abs=0.2)
    absent = standardised_auc(y, p, edges=[0.5, 0.999], shares=[0.5, 0.2, 0.3])
    assert "no patient here stands for 30% of those there" in absent.note
    with pytest.raises(InputError, match="sum to 1"):
        standardised_auc(y, p, edges=[0.5], shares=[0.5, 0.6])
    with pytest.raises(InputError, match="`edges` must ascend"):
        standardised_auc(y, p, edges=[0.5, 0.4], shares=[0.2, 0.3, 0.5])
