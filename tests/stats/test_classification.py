from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from validkit.errors import InputError
from validkit.stats import (
    accuracy,
    balanced_accuracy,
    confusion,
    f1,
    npv,
    ppv,
    sensitivity,
    specificity,
    youden_index,
)

quick = settings(deadline=None, max_examples=60)
EVERY = (sensitivity, specificity, ppv, npv, accuracy, balanced_accuracy, f1)
cases = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 20)), min_size=1, max_size=40).map(
    lambda rows: (np.array([y for y, _ in rows]), np.array([k for _, k in rows]) / 20)
)
thresholds = st.integers(0, 20).map(lambda k: k / 20)


@quick
@given(cases, thresholds)
def test_counts_and_bounds(case: tuple[np.ndarray, np.ndarray], threshold: float) -> None:
    y, p = case
    c = confusion(y, p, threshold=threshold)
    assert (c.n, c.n_events) == (y.size, y.sum())
    assert c.tp + c.fp == (p >= threshold).sum()
    for function in EVERY:
        for method in ("wilson", "exact"):
            estimate = function(y, p, threshold=threshold, method=method)
            if math.isnan(estimate.value):
                assert "undefined" in estimate.note
                assert math.isnan(estimate.low)
            else:
                assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1


@quick
@given(cases, thresholds)
def test_against_scikit_learn(case: tuple[np.ndarray, np.ndarray], threshold: float) -> None:
    y, p = case
    said = (p >= threshold).astype(int)
    assert accuracy(y, p, threshold=threshold).value == pytest.approx(metrics.accuracy_score(y, said))
    if 0 < y.sum() < y.size:
        want = metrics.balanced_accuracy_score(y, said)
        assert balanced_accuracy(y, p, threshold=threshold).value == pytest.approx(want)
        assert youden_index(y, p, threshold=threshold).value == pytest.approx(2 * want - 1)
    if y.sum() + said.sum():
        assert f1(y, p, threshold=threshold).value == pytest.approx(metrics.f1_score(y, said))


def test_a_patient_at_the_threshold_is_positive() -> None:
    """0.1 * 3 is 0.30000000000000004; a patient at 0.3 does not change sides for that."""
    y, p = [0, 1, 0, 1], [0.1, 0.3, 0.3, 0.7]
    for threshold in (0.3, 0.1 * 3, np.arange(0, 1, 0.1)[3], np.float64(0.3)):
        c = confusion(y, p, threshold=threshold)
        assert (c.tp, c.fp, c.tn, c.fn, c.threshold) == (2, 1, 1, 0, 0.3)
    assert confusion(y, p, threshold=0.3 + 1e-9).tp == 1


def test_extreme_thresholds() -> None:
    y, p = [0, 1, 1], [0.0, 0.5, 1.0]
    assert confusion(y, p, threshold=0).to_dict() == {"tp": 2, "fp": 1, "tn": 0, "fn": 0, "threshold": 0.0}
    assert confusion(y, p, threshold=1).tp == 1
    assert confusion(y, p, threshold=1).fn == 1


@pytest.mark.parametrize(
    ("function", "y", "p", "reason"),
    [
        (sensitivity, [0, 0], [0.1, 0.9], "no event"),
        (specificity, [1, 1], [0.1, 0.9], "no non-event"),
        (ppv, [0, 1], [0.1, 0.2], "nobody is positive"),
        (npv, [0, 1], [0.8, 0.9], "nobody is negative"),
        (balanced_accuracy, [1, 1], [0.1, 0.9], "no non-event"),
        (f1, [0, 0], [0.1, 0.2], "no event and nobody is positive"),
    ],
)
def test_undefined_shares(function, y: list[int], p: list[float], reason: str) -> None:
    estimate = function(y, p, threshold=0.5)
    assert math.isnan(estimate.value)
    assert reason in estimate.note


def test_denominators_are_reported_as_n() -> None:
    y, p = [0, 0, 0, 1, 1], [0.1, 0.6, 0.2, 0.7, 0.3]
    assert [f(y, p, threshold=0.5).n for f in (sensitivity, specificity, ppv, npv, accuracy)] == [2, 3, 2, 3, 5]
    assert {f(y, p, threshold=0.5).n_events for f in EVERY} == {2}


def test_intervals_do_not_collapse_at_the_ends() -> None:
    y, p = [1] * 5 + [0] * 5, [0.9] * 5 + [0.1] * 5
    for function in EVERY:
        estimate = function(y, p, threshold=0.5)
        assert estimate.value == estimate.high == 1.0
        assert 0.4 < estimate.low < 0.9


def test_f1_interval_is_that_of_the_jaccard_share() -> None:
    y, p = [1] * 8 + [0] * 6, [0.9] * 6 + [0.1] * 2 + [0.8] * 2 + [0.2] * 4
    estimate = f1(y, p, threshold=0.5)
    assert estimate.value == pytest.approx(12 / 16)
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(6, 10, method="wilson")
    assert (estimate.low, estimate.high) == pytest.approx((2 * low / (1 + low), 2 * high / (1 + high)))


def test_balanced_accuracy_and_f1_cover_near_their_level() -> None:
    rng = np.random.default_rng(12)
    hits, runs = np.zeros(2), 800
    truth = ((0.8 + 0.7) / 2, 2 * 0.4 * 0.8 / (0.4 * 0.8 + 0.6 * 0.3 + 0.4))
    for _ in range(runs):
        y = (rng.random(120) < 0.4).astype(int)
        p = np.where(rng.random(120) < np.where(y == 1, 0.8, 0.3), 0.9, 0.1)
        for i, function in enumerate((balanced_accuracy, f1)):
            estimate = function(y, p, threshold=0.5)
            hits[i] += estimate.low <= truth[i] <= estimate.high
    assert ((hits / runs > 0.925) & (hits / runs < 0.975)).all()


def test_unknown_interval_is_refused() -> None:
    with pytest.raises(InputError, match="`method` must be one of 'wilson', 'exact'"):
        sensitivity([0, 1], [0.1, 0.9], threshold=0.5, method="wald")
