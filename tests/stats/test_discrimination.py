from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validkit.errors import InputError
from validkit.stats import auc, confusion, delong_covariance, roc_curve, youden_threshold
from validkit.stats.discrimination import midpoint, newcombe_interval, placements

quick = settings(deadline=None, max_examples=60)
METHODS = ("delong", "logit-delong", "newcombe")
Sample = tuple[np.ndarray, np.ndarray]


@st.composite
def samples(draw: st.DrawFn, steps: int = 20, least: int = 1) -> Sample:
    """Both outcomes, and risks on a grid of twentieths, so that ties are common."""
    y = draw(
        st.lists(st.integers(0, 1), min_size=2 * least, max_size=40).filter(lambda v: least <= sum(v) <= len(v) - least)
    )
    p = draw(st.lists(st.integers(0, steps), min_size=len(y), max_size=len(y)))
    return np.array(y), np.array(p) / steps


def brute(y: np.ndarray, p: np.ndarray) -> float:
    gap = p[y == 1][:, None] - p[y == 0][None, :]
    return float(((gap > 0) + 0.5 * (gap == 0)).mean())


@quick
@given(samples())
def test_auc_is_the_share_of_concordant_pairs(sample: Sample) -> None:
    assert auc(*sample).value == pytest.approx(brute(*sample), abs=1e-15)


@quick
@given(samples())
def test_interval_lies_in_bounds_and_holds_the_value(sample: Sample) -> None:
    for method in METHODS:
        estimate = auc(*sample, method=method)
        assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1


@quick
@given(samples(), st.randoms(use_true_random=False))
def test_order_of_patients_does_not_matter(sample: Sample, random) -> None:
    y, p = sample
    order = list(range(y.size))
    random.shuffle(order)
    shuffled, straight = auc(y[order], p[order]), auc(y, p)
    assert shuffled.value == straight.value
    assert [shuffled.low, shuffled.high] == pytest.approx([straight.low, straight.high], abs=1e-14)


@quick
@given(samples())
def test_strictly_increasing_transform_changes_nothing(sample: Sample) -> None:
    y, p = sample
    for method in METHODS:
        assert auc(y, p**3, method=method) == auc(y, p, method=method)
    assert auc(y, np.log(p + 0.01) * 40, scale="score") == auc(y, p)


@quick
@given(samples())
def test_reversed_risks_mirror_the_auc(sample: Sample) -> None:
    y, p = sample
    for method in METHODS:
        forward, backward = auc(y, p, method=method), auc(y, 1 - p, method=method)
        assert backward.value == pytest.approx(1 - forward.value, abs=1e-15)
        assert backward.low == pytest.approx(1 - forward.high, abs=1e-9)
        swapped = auc(1 - y, p, method=method)
        assert swapped.value == pytest.approx(1 - forward.value, abs=1e-15)


@quick
@given(samples())
def test_three_copies_leave_the_auc_alone(sample: Sample) -> None:
    y, p = sample
    assert auc(np.tile(y, 3), np.tile(p, 3)).value == auc(y, p).value


@quick
@given(samples(least=2), st.integers(1, 3))
def test_covariance_follows_its_definition(sample: Sample, k: int) -> None:
    y, p = sample
    rng = np.random.default_rng(y.size)
    probs = np.stack([p, *(np.round(rng.random(y.size), 1) for _ in range(k - 1))])
    areas, cov = delong_covariance(y, probs)
    events, others = probs[:, y == 1], probs[:, y == 0]
    gap = events[:, :, None] - others[:, None, :]
    kernel = (gap > 0) + 0.5 * (gap == 0)
    v10, v01 = kernel.mean(axis=2), kernel.mean(axis=1)
    want = np.atleast_2d(np.cov(v10)) / events.shape[1] + np.atleast_2d(np.cov(v01)) / others.shape[1]
    np.testing.assert_allclose(areas, kernel.mean(axis=(1, 2)), atol=1e-15)
    np.testing.assert_allclose(cov, want, atol=1e-14)
    np.testing.assert_array_equal(cov, cov.T)


def test_placements_are_integers_with_equal_sums() -> None:
    rng = np.random.default_rng(5)
    y, p = rng.integers(0, 2, 3000), rng.integers(0, 50, 3000) / 50
    placed = placements(y, p)
    assert placed.dtype == np.int64
    assert placed[y == 1].sum() == placed[y == 0].sum()


def test_two_u_stays_exact_in_large_samples() -> None:
    """10^5 pairs of twins and one patient above: 2U is a sum of 10^10 that floats would round in the last digits."""
    half = 100_000
    y = np.r_[np.tile([0, 1], half), 1]
    p = np.r_[np.repeat(np.arange(half), 2), half].astype(float)
    twice_u = half * (half - 1) + half + 2 * half  # events above, twins, the last event above all
    areas, _ = delong_covariance(y, p)
    assert areas[0] == twice_u / (2 * (half + 1) * half)
    assert int(placements(y, p)[y == 1].sum()) == twice_u


def test_an_auc_below_one_half_is_reported_as_such() -> None:
    assert auc([0, 0, 0, 1, 1], [0.9, 0.8, 0.7, 0.1, 0.75]).value == pytest.approx(1 / 6)


@pytest.mark.parametrize("method", ["delong", "logit-delong"])
@pytest.mark.parametrize(("p", "value"), [([0.1, 0.2, 0.3, 0.7, 0.8], 1.0), ([0.7, 0.8, 0.9, 0.1, 0.2], 0.0)])
def test_perfect_ranking_gets_newcombes_interval(method: str, p: list[float], value: float) -> None:
    estimate = auc([0, 0, 0, 1, 1], p, method=method)
    assert estimate.value == value
    assert estimate.high - estimate.low > 0.4
    assert (estimate.high if value else estimate.low) == value
    assert "DeLong's variance is zero" in estimate.note
    assert estimate.method == "Newcombe, method 5"
    assert math.isnan(estimate.se)


def test_a_single_event_gets_newcombes_interval() -> None:
    estimate = auc([0, 0, 0, 0, 1], [0.1, 0.3, 0.4, 0.8, 0.5])
    assert estimate.value == 0.75
    assert 0 < estimate.low < 0.3
    assert estimate.high < 1
    assert "single event or non-event" in estimate.note


def test_newcombe_solves_its_equation_and_mirrors() -> None:
    low, high = newcombe_interval(0.8, 30, 70, 0.95)
    for theta in (low, high):
        spread = 1 + 49 * (1 - theta) / (2 - theta) + 49 * theta / (1 + theta)
        assert (theta - 0.8) ** 2 == pytest.approx(
            1.959963984540054**2 * theta * (1 - theta) * spread / 2100, abs=1e-12
        )
    np.testing.assert_allclose(newcombe_interval(0.2, 30, 70, 0.95), [1 - high, 1 - low], atol=1e-12)
    low, high = newcombe_interval(1.0, 30, 70, 0.95)
    assert 0.9 < low < 0.99
    assert high == 1.0
    np.testing.assert_allclose(newcombe_interval(0.0, 30, 70, 0.95), [0.0, 1 - low], atol=1e-15)
    near, _ = newcombe_interval(1 - 1e-9, 30, 70, 0.95)
    assert near == pytest.approx(low, abs=1e-7)


def test_one_outcome_only_is_undefined_with_a_reason() -> None:
    for y, word in (([1, 1, 1], "no non-event"), ([0, 0, 0], "no event")):
        estimate = auc(y, [0.1, 0.2, 0.3])
        assert math.isnan(estimate.value)
        assert word in estimate.note
        assert roc_curve(y, [0.1, 0.2, 0.3]).x.size == 0
        assert word in roc_curve(y, [0.1, 0.2, 0.3]).note
        with pytest.raises(InputError, match="needs both outcomes"):
            youden_threshold(y, [0.1, 0.2, 0.3])


def test_constant_predictions() -> None:
    estimate = auc([0, 1, 0, 1], [0.3] * 4)
    assert (estimate.value, estimate.low, estimate.high, estimate.se) == (0.5, 0.5, 0.5, 0.0)
    assert "by definition" in estimate.note


def test_delong_covariance_checks_its_shape() -> None:
    with pytest.raises(InputError, match=r"one column a patient: its shape is \(2, 2\) for 3 patients"):
        delong_covariance([0, 1, 1], [[0.1, 0.2], [0.3, 0.4]])
    with pytest.raises(InputError, match=r"`probs\[1\]` is missing"):
        delong_covariance([0, 1, 1], [[0.1, 0.2, 0.3], [0.3, 0.4, math.nan]])
    areas, cov = delong_covariance([1, 1, 1], [[0.1, 0.2, 0.3]])
    assert np.isnan(areas).all()
    assert np.isnan(cov).all()


@quick
@given(samples())
def test_roc_curve_climbs_and_encloses_the_auc(sample: Sample) -> None:
    y, p = sample
    curve = roc_curve(y, p)
    assert (curve.x[0], curve.y[0], curve.x[-1], curve.y[-1]) == (0, 0, 1, 1)
    assert (np.diff(curve.x) >= 0).all()
    assert (np.diff(curve.y) >= 0).all()
    assert curve.x.size == np.unique(p).size + 1
    assert np.trapezoid(curve.y, curve.x) == pytest.approx(auc(y, p).value, abs=1e-14)
    assert ((curve.low <= curve.y) & (curve.y <= curve.high)).all()


@quick
@given(samples())
def test_youden_is_the_best_threshold_and_the_lowest_of_equals(sample: Sample) -> None:
    y, p = sample
    m, q = int((y == 1).sum()), int((y == 0).sum())

    def index(threshold: float) -> int:
        c = confusion(y, p, threshold=threshold)
        return c.tp * q - c.fp * m

    threshold = youden_threshold(y, p)
    best = max(index(t) for t in p)
    assert index(threshold) == best
    assert all(index(t) < best for t in p if t < threshold and index(t) != index(threshold))
    assert sum(p >= threshold) >= max(sum(p >= t) for t in p if index(t) == best)


def test_youden_known_answers() -> None:
    assert youden_threshold([0, 0, 1, 1], [0.1, 0.2, 0.6, 0.8]) == pytest.approx(0.4)
    assert youden_threshold([1, 1, 0, 0], [0.1, 0.2, 0.6, 0.8]) == 0.1  # a reversed model: everybody is positive
    assert youden_threshold([0, 1, 0, 1], [0.5] * 4) == 0.5
    assert youden_threshold([0, 1], [-4.0, 2.0], scale="score") == -1.0
    assert youden_threshold([0, 1, 1], [0.2, 0.4, 0.5]) == 0.3  # not 0.30000000000000004


def test_the_middle_of_neighbouring_floats_is_the_upper_one() -> None:
    low = 1 / 3
    high = np.nextafter(low, 1)
    assert midpoint(np.array([high, low]), 0) == high
    c = confusion([0, 1], [low, high], threshold=youden_threshold([0, 1], [low, high]))
    assert (c.tp, c.fp) == (1, 0)


@pytest.mark.parametrize("method", METHODS)
def test_interval_covers_near_its_level(method: str) -> None:
    """600 binormal samples of 25 events and 50 non-events, true AUC 0.8: coverage within simulation error of 95 %."""
    rng = np.random.default_rng(20251123)
    y = np.r_[np.ones(25, int), np.zeros(50, int)]
    shift, truth, covered = math.sqrt(2) * 0.8416212335729143, 0.8, 0
    for _ in range(600):
        estimate = auc(y, rng.normal(size=75) + shift * y, scale="score", method=method)
        covered += estimate.low <= truth <= estimate.high
    assert 0.91 < covered / 600 < 0.985
