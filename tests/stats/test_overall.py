from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as sklearn_log_loss

from validkit.stats import (
    brier,
    cox_snell_r2,
    discrimination_slope,
    log_loss,
    mcfadden_r2,
    nagelkerke_r2,
    scaled_brier,
)

quick = settings(deadline=None, max_examples=40)
EVERY = (brier, scaled_brier, log_loss, cox_snell_r2, mcfadden_r2, nagelkerke_r2, discrimination_slope)


def simulated(seed: int, n: int = 80) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = rng.beta(2, 3, n)
    return np.r_[0, 1, (rng.random(n - 2) < p[2:]).astype(int)], p


@quick
@given(st.integers(0, 10**6))
def test_against_scikit_learn(seed: int) -> None:
    y, p = simulated(seed)
    assert brier(y, p).value == pytest.approx(brier_score_loss(y, p), abs=1e-14)
    assert log_loss(y, p).value == pytest.approx(sklearn_log_loss(y, p), abs=1e-12)


@quick
@given(st.integers(0, 10**6))
def test_mirror_copies_and_order(seed: int) -> None:
    y, p = simulated(seed)
    shuffled = np.random.default_rng(seed).permutation(y.size)
    for function in EVERY:
        value = function(y, p).value
        assert function(1 - y, 1 - p).value == pytest.approx(value, abs=1e-12)
        assert function(np.tile(y, 3), np.tile(p, 3)).value == pytest.approx(value, abs=1e-12)
        assert function(y[shuffled], p[shuffled]).value == pytest.approx(value, abs=1e-12)


@quick
@given(st.integers(0, 10**6))
def test_the_prevalence_scores_zero_and_the_truth_one(seed: int) -> None:
    y, _ = simulated(seed)
    constant = np.full(y.size, y.mean())
    assert brier(y, constant).value == pytest.approx(y.mean() * (1 - y.mean()))
    for function in (scaled_brier, cox_snell_r2, mcfadden_r2, nagelkerke_r2, discrimination_slope):
        assert function(y, constant).value == pytest.approx(0, abs=1e-12)
    for function in (scaled_brier, mcfadden_r2, nagelkerke_r2, discrimination_slope):
        assert function(y, y).value == pytest.approx(1)


def test_no_negative_zero_is_printed() -> None:
    for function in (cox_snell_r2, mcfadden_r2, nagelkerke_r2):
        assert math.copysign(1, function([0, 1, 0, 1], [0.5] * 4).value) == 1


@pytest.mark.parametrize("function", [scaled_brier, cox_snell_r2, mcfadden_r2, nagelkerke_r2, discrimination_slope])
def test_one_outcome_only(function) -> None:
    for y, word in (([1, 1], "no non-event"), ([0, 0], "no event")):
        estimate = function(y, [0.2, 0.7])
        assert math.isnan(estimate.value)
        assert word in estimate.note
    assert brier([1, 1], [0.2, 0.7]).value == pytest.approx((0.64 + 0.09) / 2)


def test_equal_losses_give_no_interval() -> None:
    for function in (brier, log_loss, scaled_brier):
        estimate = function([0, 1, 0, 1], [0.0, 1.0, 0.0, 1.0])
        assert math.isnan(estimate.low)
        assert "no interval" in estimate.note
    assert brier([0, 1], [0.0, 1.0]).value == 0.0
    assert math.isnan(discrimination_slope([0, 0, 1], [0.1, 0.2, 0.9]).low)


def test_certain_and_wrong_is_infinite_not_clipped() -> None:
    y, p = [1, 0, 1, 0], [0.0, 0.2, 0.9, 0.4]
    assert log_loss(y, p).value == math.inf
    assert "1 patients contradict" in log_loss(y, p).note
    assert math.isnan(log_loss(y, p).low)
    for function in (cox_snell_r2, mcfadden_r2, nagelkerke_r2):
        assert function(y, p).value == -math.inf
        assert "exactly 0 or 1 was wrong" in function(y, p).note
    assert math.isfinite(log_loss([0, 1], [0.0, 0.9]).value)


def test_intervals_cover_near_their_level() -> None:
    """Brier and scaled Brier of true risks in 500 samples of 150; the truth from their definition by integration."""
    rng = np.random.default_rng(3)
    grid = (np.arange(200_000) + 0.5) / 200_000
    risk = 0.1 + 0.7 * grid
    truth = float((risk * (1 - risk)).mean())
    scaled = 1 - truth / (risk.mean() * (1 - risk.mean()))
    hits = np.zeros(2)
    for _ in range(500):
        p = 0.1 + 0.7 * rng.random(150)
        y = (rng.random(150) < p).astype(int)
        a, b = brier(y, p), scaled_brier(y, p)
        hits += [a.low <= truth <= a.high, b.low <= scaled <= b.high]
    assert ((hits / 500 > 0.91) & (hits / 500 < 0.98)).all()
