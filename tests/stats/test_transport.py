"""Model-based concordance: against its definition pair by pair, the AUC it promises, and the spread of new samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from validkit.errors import InputError
from validkit.stats import auc
from validkit.stats.transport import model_based_concordance

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
