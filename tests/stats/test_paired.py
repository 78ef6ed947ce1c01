from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist, fmean, stdev
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validkit.errors import InputError
from validkit.stats.overall import brier, log_loss, scaled_brier
from validkit.stats.paired import compare_brier, compare_log_loss, compare_net_benefit, compare_scaled_brier
from validkit.stats.results import Comparison
from validkit.stats.utility import net_benefit

quick = settings(deadline=None, max_examples=40)
Y, A, B = [0, 1, 0, 1, 0], [0.1, 0.7, 0.3, 0.9, 0.2], [0.2, 0.6, 0.4, 0.5, 0.25]
Z95 = NormalDist().inv_cdf(0.975)
LOSSES = (compare_brier, compare_scaled_brier, compare_log_loss)
AT_THRESHOLD = [lambda y, p, q, **k: compare_net_benefit(y, p, q, threshold=0.35, **k)]


def simulated(seed: int, n: int = 50) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.r_[1, 1, 0, 0, rng.integers(0, 2, n - 4)]
    return y, np.round(rng.random(n) * 0.5 + 0.3 * y + 0.05, 2), np.round(rng.random(n) * 0.6 + 0.2 * y + 0.05, 2)


def check(ours: Comparison, gap: list[float], method: str) -> None:
    """Everything follows from the patients' differences."""
    mean, se = fmean(gap), stdev(gap) / math.sqrt(len(gap))
    d, test = ours.difference, ours.test
    assert (d.value, d.se) == (pytest.approx(mean, rel=1e-12), pytest.approx(se, rel=1e-12))
    assert (d.low, d.high) == (pytest.approx(mean - Z95 * se, rel=1e-12), pytest.approx(mean + Z95 * se, rel=1e-12))
    assert test.statistic == pytest.approx(mean / se, rel=1e-12)
    assert test.p_value == pytest.approx(2 * NormalDist().cdf(-abs(mean / se)), rel=1e-9)
    assert (d.method, test.method, test.df) == (method, f"{method}, two-sided", None)
    assert (d.n, d.n_events, test.n, test.n_events, d.level) == (5, 2, 5, 2, 0.95)


def test_brier_by_hand() -> None:
    ours = compare_brier(Y, A, B)
    check(ours, [0.01 - 0.04, 0.09 - 0.16, 0.09 - 0.16, 0.01 - 0.25, 0.04 - 0.0625], "paired losses, normal")
    assert (ours.difference.note, ours.test.note, ours.a, ours.b) == ("", "", "a", "b")


def test_log_loss_by_hand() -> None:
    pairs = zip(Y, A, B, strict=True)
    gap = [math.log((q if y else 1 - q) / (p if y else 1 - p)) for y, p, q in pairs]
    ours = compare_log_loss(Y, A, B)
    check(ours, gap, "paired losses, normal")
    assert ours.difference.note == ""


def test_scaled_brier_by_the_delta_method() -> None:
    """IPA difference -D/(s (1 - s)), its gradient (-1/v, D (1 - 2 s)/v^2) on the covariance of (mean d, mean y)."""
    gap = np.array([0.01 - 0.04, 0.09 - 0.16, 0.09 - 0.16, 0.01 - 0.25, 0.04 - 0.0625])
    mean, v = gap.mean(), 0.4 * 0.6
    gradient = np.array([-1 / v, mean * (1 - 0.8) / v**2])
    se = math.sqrt(gradient @ np.cov(gap, Y) @ gradient / 5)
    ours = compare_scaled_brier(Y, A, B)
    d = ours.difference
    assert (d.value, d.se) == (pytest.approx(-mean / v), pytest.approx(se))
    assert (d.low, d.high) == (pytest.approx(-mean / v - Z95 * se), pytest.approx(-mean / v + Z95 * se))
    assert (d.method, d.note) == ("paired losses, normal, delta method", "")
    assert ours.test.statistic == pytest.approx(-mean / v / se)


def test_net_benefit_by_hand() -> None:
    """At 0.5: a alone treats patients 1 and 2 (an event, a non-event), b alone nobody; 0.5/0.5 = 1 a false positive."""
    y, p, q = [0, 1, 0, 1, 0], [0.1, 0.7, 0.5, 0.9, 0.2], [0.2, 0.4, 0.4, 0.5, 0.25]
    ours = compare_net_benefit(y, p, q, threshold=0.2)
    w = 0.25
    check(ours, [-(0 - w), 0, 0, 0, 0], "paired contributions, normal")
    assert ours.difference.note == "only 1 patient is decided differently: the normal theory is rough"
    check(compare_net_benefit(y, p, q, threshold=0.45), [0, 1, -0.45 / 0.55, 0, 0], "paired contributions, normal")
    two = compare_net_benefit(y, p, q, threshold=0.5)
    assert (two.difference.value, two.test.p_value) == (0.0, 1.0)
    assert two.difference.se == pytest.approx(stdev([0, 1, -1, 0, 0]) / math.sqrt(5))
    assert two.test.note == "only 2 patients are decided differently: the normal theory is rough"


def test_net_benefit_by_the_counts_of_its_docstring() -> None:
    y, p, q = simulated(4, 200)
    ours, t = compare_net_benefit(y, p, q, threshold=0.4).difference, 0.4
    w, first, second = t / (1 - t), p >= t, q >= t
    c, e = ((y == 1) & first & ~second).sum(), ((y == 1) & ~first & second).sum()
    f, g = ((y == 0) & first & ~second).sum(), ((y == 0) & ~first & second).sum()
    mean = (c - e - w * (f - g)) / 200
    assert ours.value == pytest.approx(mean, rel=1e-13)
    assert ours.se == pytest.approx(math.sqrt((c + e + w**2 * (f + g) - 200 * mean**2) / 199 / 200), rel=1e-12)
    assert ours.note == ""


def test_the_note_on_few_decisions_ends_at_ten() -> None:
    y = [1, 0] * 10
    high, low = [0.9] * 20, [0.9] * 20
    for k, note in ((9, "only 9 patients are decided differently: the normal theory is rough"), (10, "")):
        other = [0.1 if i < k else v for i, v in enumerate(low)]
        assert compare_net_benefit(y, high, other, threshold=0.5).difference.note == note


def test_net_benefit_at_the_ends_and_at_a_risk_of_exactly_the_threshold() -> None:
    y, p, q = [0, 1, 0, 1], [0.1, 0.3, 0.3, 0.7], [0.1, 0.2, 0.2, 0.7]
    for t in (0.3, 0.1 * 3):
        assert compare_net_benefit(y, p, q, threshold=t).difference.value == pytest.approx((1 - 0.3 / 0.7) / 4)
    one = compare_net_benefit(y, p, q, threshold=1)
    assert math.isnan(one.difference.value)
    assert math.isnan(one.test.p_value)
    assert one.test.note == "undefined at a threshold of 1: the weight t/(1 - t) is infinite"
    assert (one.test.n, one.test.n_events, one.difference.method) == (4, 2, "paired contributions, normal")
    same = compare_net_benefit(y, p, q, threshold=0.05)
    assert (same.difference.value, same.difference.se, same.test.statistic, same.test.p_value) == (0, 0, 0, 1)
    assert same.test.note == "both decide alike for every patient at 0.05"
    assert math.isnan(same.difference.low)
    assert math.isnan(same.difference.high)
    all_treated = compare_net_benefit(y, p, q, threshold=0)
    assert all_treated.test.note == "both decide alike for every patient at 0"
    free = compare_net_benefit([0, 1], [0.5, 0.5], [0.5, 0.5], threshold=0.4, alternative="less")
    assert free.test.p_value == 0.5


def test_the_bound_of_the_net_benefit_is_that_of_one_patient() -> None:
    """At 0.8 a false positive costs 4: the interval reaches below -1."""
    y, p, q = [0, 0, 0, 1], [0.9, 0.9, 0.1, 0.9], [0.1, 0.1, 0.1, 0.1]
    d = compare_net_benefit(y, p, q, threshold=0.8).difference
    assert d.value == pytest.approx((1 - 8) / 4)
    assert d.low == pytest.approx(-4)
    assert d.note.endswith("the normal theory is rough; interval cut at its bound")
    half = compare_net_benefit([1, 1, 0], [0.9, 0.9, 0.1], [0.1, 0.1, 0.1], threshold=0.5).difference
    assert (half.high, half.value) == (1.0, pytest.approx(2 / 3))


@quick
@given(st.integers(0, 10**6))
def test_the_difference_is_that_of_the_two_models(seed: int) -> None:
    y, p, q = simulated(seed)
    singles: list[tuple[Callable[..., Any], Callable[..., Any]]] = [
        (compare_brier, brier),
        (compare_scaled_brier, scaled_brier),
        (compare_log_loss, log_loss),
        (AT_THRESHOLD[0], lambda y, p: net_benefit(y, p, threshold=0.35)),
    ]
    order = np.random.default_rng(seed).permutation(y.size)
    for compare, single in singles:
        there, back = compare(y, p, q), compare(y, q, p)
        assert there.difference.value == pytest.approx(single(y, p).value - single(y, q).value, abs=1e-13)
        assert back.difference.value == pytest.approx(-there.difference.value, abs=1e-15)
        assert back.test.p_value == pytest.approx(there.test.p_value, rel=1e-9)
        assert back.difference.low == pytest.approx(-there.difference.high)
        shuffled = compare(y[order], p[order], q[order])
        assert shuffled.test.p_value == pytest.approx(there.test.p_value, rel=1e-9)
        less, greater = (compare(y, p, q, alternative=s).test.p_value for s in ("less", "greater"))
        assert less + greater == pytest.approx(1)
        assert (less < greater) == (there.difference.value < 0)
        twice = compare(np.tile(y, 2), np.tile(p, 2), np.tile(q, 2)).difference
        assert twice.value == pytest.approx(there.difference.value, abs=1e-14)
        assert twice.se == pytest.approx(there.difference.se * math.sqrt((y.size - 1) / (2 * y.size - 1)))


@pytest.mark.parametrize("compare", [*LOSSES, *AT_THRESHOLD])
def test_alike_weighted_missing_and_named(compare: Callable[..., Comparison]) -> None:
    y, p, q = simulated(1)
    same = compare(y, p, p)
    assert (same.difference.value, same.difference.se, same.test.statistic, same.test.p_value) == (0, 0, 0, 1)
    assert math.isnan(same.difference.low)
    assert ("every patient" in same.test.note) == (same.difference.note == same.test.note) is True
    assert compare(y, p, p, alternative="greater").test.p_value == 0.5
    weights = np.random.default_rng(1).integers(0, 4, y.size)
    rows = np.repeat(np.arange(y.size), weights)
    assert compare(y, p, q, weights=weights) == compare(y[rows], p[rows], q[rows])
    ours = compare(y, p, np.where(np.arange(y.size) < 2, math.nan, q), missing="complete-case")
    assert (ours.difference.n_missing, ours.difference.n, ours.test.n_missing) == (2, 48, 2)
    named = compare(y, p, q, a="fusion", b="radiomics", level=0.8)
    assert (named.a, named.b, named.difference.level) == ("fusion", "radiomics", 0.8)
    d = named.difference
    assert d.high - d.low == pytest.approx(2 * NormalDist().inv_cdf(0.9) * d.se)
    with pytest.raises(InputError, match="`alternative`"):
        compare(y, p, q, alternative="two.sided")
    with pytest.raises(InputError, match=r"`prob_b` must lie in \[0, 1\]"):
        compare(y, p, q * 9)
    with pytest.raises(InputError, match="`prob_a` is missing"):
        compare(y, p * math.nan, q)
    with pytest.raises(InputError, match="`level`"):
        compare(y, p, q, level=95)


@pytest.mark.parametrize("compare", [compare_brier, compare_log_loss, compare_scaled_brier])
def test_one_patient_or_no_spread(compare: Callable[..., Comparison]) -> None:
    one = compare([1], [0.4], [0.3])
    assert math.isnan(one.test.p_value)
    assert math.isnan(one.difference.se)
    if compare is compare_scaled_brier:
        assert one.test.note == "undefined: no non-event"
        none = compare([0, 0], [0.4, 0.5], [0.3, 0.1])
        assert (none.test.note, none.test.n_events) == ("undefined: no event", 0)
        assert (none.difference.method, none.a) == ("paired losses, normal, delta method", "a")
        assert math.isnan(none.difference.value)
        return
    assert one.test.note == one.difference.note == "one patient: no test"
    flat = compare([1, 1, 0], [0.4, 0.4, 0.6], [0.3, 0.3, 0.7])
    assert math.isnan(flat.test.p_value)
    assert flat.difference.value < 0
    assert flat.difference.note == "the patients' differences do not vary: no test"


def test_a_difference_of_zero_has_no_sign() -> None:
    y, p, q = [1, 1, 0], [0.3, 0.6, 0.2], [0.6, 0.3, 0.2]
    for ours in (compare_scaled_brier(y, p, q), compare_net_benefit(y, p, q, threshold=0.5)):
        assert (ours.difference.value, math.copysign(1, ours.difference.value)) == (0.0, 1.0)
        assert ours.test.p_value == 1.0


def test_the_interval_of_the_brier_difference_is_cut() -> None:
    d = compare_brier([1, 0, 1], [1, 0, 0.6], [0, 1, 0.5]).difference
    assert (d.low, d.note) == (-1.0, "interval cut at its bound")
    free = compare_log_loss([1, 0, 1], [0.999, 0.001, 0.6], [0.001, 0.999, 0.5]).difference
    assert free.low < -1
    assert free.note == ""


def test_certain_and_wrong_predictions_in_the_log_loss() -> None:
    y, good, bad = [1, 0, 1], [0.9, 0.2, 0.7], [0.9, 1.0, 0.7]
    worse, better, both = (
        compare_log_loss(y, bad, good, a="x"),
        compare_log_loss(y, good, bad, b="z"),
        compare_log_loss(y, bad, bad),
    )
    assert (worse.difference.value, better.difference.value) == (math.inf, -math.inf)
    assert math.isnan(both.difference.value)
    assert worse.test.note == "a risk of exactly 0 or 1 was wrong in x: infinite loss, no test"
    assert better.test.note == "a risk of exactly 0 or 1 was wrong in z: infinite loss, no test"
    assert both.test.note == "a risk of exactly 0 or 1 was wrong in a and b: infinite loss, no test"
    for ours in (worse, better, both):
        assert math.isnan(ours.test.p_value)
        assert (ours.test.n, ours.test.n_events, ours.difference.method) == (3, 2, "paired losses, normal")
    right = compare_log_loss([1, 0], [1.0, 0.0], [0.5, 0.25])
    assert right.difference.value == pytest.approx((math.log(0.5) + math.log(0.75)) / 2)


def test_size_and_coverage_for_net_benefit() -> None:
    """Two noisy copies of one score, 1,000 studies of 200 patients: the true difference is 0."""
    rng = np.random.default_rng(12)
    rejected, covered = 0, 0
    for _ in range(1000):
        x = rng.normal(size=200)
        y = (rng.random(200) < 1 / (1 + np.exp(0.8 - x))).astype(int)
        p, q = 1 / (1 + np.exp(0.8 - x - 0.7 * rng.normal(size=(2, 200))))
        ours = compare_net_benefit(y, p, q, threshold=0.3)
        rejected += ours.test.p_value < 0.05
        covered += ours.difference.low <= 0 <= ours.difference.high
    assert 0.035 < rejected / 1000 < 0.07
    assert covered + rejected == 1000


def test_coverage_for_net_benefit_where_the_models_differ() -> None:
    """A good and a useless model: the interval holds the difference of a million patients about 95 times in 100."""
    rng = np.random.default_rng(13)

    def study(n: int) -> Comparison:
        x = rng.normal(size=n)
        y = (rng.random(n) < 1 / (1 + np.exp(0.8 - x))).astype(int)
        return compare_net_benefit(y, 1 / (1 + np.exp(0.8 - x)), np.full(n, 0.9), threshold=0.3)

    truth = study(1_000_000).difference.value
    inside = [d.low <= truth <= d.high for d in (study(150).difference for _ in range(800))]
    assert truth > 0.02
    assert 0.925 < np.mean(inside) < 0.975
