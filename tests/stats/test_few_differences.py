"""Net benefit gained where few patients are treated differently: by hand, mirrored, and its risk of error."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from validkit import stats
from validkit.errors import InputError
from validkit.stats.few_differences import _combined, net_benefit_gain


def exact(x: int, n: int, level: float = 0.95) -> tuple[float, float]:
    ci = scipy_stats.binomtest(x, n).proportion_ci(level, method="exact")
    return float(ci.low), float(ci.high)


def test_against_treating_all_by_hand() -> None:
    """100 patients, 20 events, of whom 1 is missed; 30 of 80 non-events are spared; t = 0.2, so w = 0.25."""
    y = np.repeat([1, 0], [20, 80])
    p = np.concatenate([[0.1], np.full(19, 0.5), np.full(30, 0.1), np.full(50, 0.5)])
    e = net_benefit_gain(y, p, reference="treat all", threshold=0.2)
    gain = 0.25 * 0.30 - 0.01
    spared, missed = exact(30, 100), exact(1, 100)
    assert e.value == pytest.approx(gain, abs=1e-15)
    assert e.low == pytest.approx(gain - np.hypot(0.25 * (0.30 - spared[0]), missed[1] - 0.01), abs=1e-12)
    assert e.high == pytest.approx(gain + np.hypot(0.25 * (spared[1] - 0.30), 0.01 - missed[0]), abs=1e-12)
    assert (e.n, e.n_events, e.note) == (100, 20, "1 events and 30 non-events are treated differently")


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.95))
def test_swapping_the_models_mirrors_value_and_interval(seed: int, t: float) -> None:
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat([0, 1], [25, 15]))
    p, q = rng.random((2, 40))
    one, other = (net_benefit_gain(y, a, b, threshold=t) for a, b in ((p, q), (q, p)))
    assert one.value == pytest.approx(-other.value, abs=1e-15)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=1e-12)
    assert one.low <= one.value <= one.high
    assert one.value == pytest.approx(stats.compare_net_benefit(y, p, q, threshold=t).difference.value, abs=1e-12)


def test_no_difference_still_has_an_interval_on_both_sides() -> None:
    y = np.repeat([0, 1], [40, 10])
    e = net_benefit_gain(y, np.full(50, 0.9), reference="treat all", threshold=0.2)
    most = exact(0, 50)[1]
    assert (e.value, e.low, e.high) == pytest.approx((0.0, -most, 0.25 * most))
    none = net_benefit_gain(y, np.full(50, 0.1), reference="treat none", threshold=0.2)
    assert (none.value, none.low, none.high) == pytest.approx((0.0, -0.25 * most, most))


def test_risk_of_a_false_claim_is_held_where_the_normal_interval_fails() -> None:
    """A model as useful as treating all (1 % events missed, 4 % non-events spared at 0.2): the claim is wrong."""
    rng = np.random.default_rng(11)
    n, t, draws = 127, 0.2, 2000
    counts = rng.multinomial(n, [0.01, 0.04, 0.24, 0.71], size=draws)
    y = np.repeat([1, 0, 1, 0], [1, 1, 1, 1])
    claimed = normal = 0
    for drawn in counts:
        outcome, treated = np.repeat(y, drawn), np.repeat([False, False, True, True], drawn)
        claimed += _combined(outcome, treated, np.ones(n, bool), t / (1 - t), (False, True), 0.95).low > 0
        gap = np.where(treated, 0.0, np.where(outcome == 1, -1.0, 0.25))
        normal += gap.mean() - 1.96 * gap.std(ddof=1) / np.sqrt(n) > 0
    assert claimed / draws < 0.025
    assert normal / draws > 0.10


def test_hostile_input() -> None:
    y, p = [0, 1, 0, 1], [0.1, 0.5, 0.4, 0.9]
    with pytest.raises(InputError, match=r"`threshold` must lie between 0 and 1, both excluded; got 1"):
        net_benefit_gain(y, p, p, threshold=1.0)
    with pytest.raises(InputError, match="give either `prob_b`"):
        net_benefit_gain(y, p, threshold=0.2)
    with pytest.raises(InputError, match="give either `prob_b`"):
        net_benefit_gain(y, p, p, reference="treat all", threshold=0.2)
    with pytest.raises(InputError, match="reference"):
        net_benefit_gain(y, p, reference="treat some", threshold=0.2)
    with pytest.raises(InputError, match="prob_b"):
        net_benefit_gain(y, p, [0.1, 0.2, 0.3, 1.4], threshold=0.2)
