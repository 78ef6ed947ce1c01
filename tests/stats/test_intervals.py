from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from validkit.errors import InputError
from validkit.stats.intervals import clopper_pearson, mean_estimate, proportion_interval, two_sided_p, wilson, z_of


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 500), st.floats(0, 1), st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_against_statsmodels(n: int, share: float, level: float) -> None:
    x = round(n * share)
    for ours, theirs in ((wilson, "wilson"), (clopper_pearson, "beta")):
        want = proportion_confint(x, n, alpha=1 - level, method=theirs)
        np.testing.assert_allclose([float(e) for e in ours(x, n, level)], want, rtol=1e-9, atol=1e-12)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 500), st.floats(0, 1))
def test_intervals_hold_the_share_and_mirror(n: int, share: float) -> None:
    x = round(n * share)
    for method in (wilson, clopper_pearson):
        low, high = (float(e) for e in method(x, n, 0.95))
        assert 0 <= low <= x / n <= high <= 1
        assert low < high
        mirrored = [float(e) for e in method(n - x, n, 0.95)]
        np.testing.assert_allclose(mirrored, [1 - high, 1 - low], atol=1e-12)


def test_ends_at_none_and_all_are_exact() -> None:
    for method in (wilson, clopper_pearson):
        assert float(method(0, 10, 0.95)[0]) == 0.0
        assert float(method(10, 10, 0.95)[1]) == 1.0
        assert math.isnan(float(method(0, 0, 0.95)[0]))


@pytest.mark.parametrize("p", [0.05, 0.3, 0.5])
def test_exact_interval_covers_by_enumeration(p: float) -> None:
    """Clopper-Pearson covers at least 95 % at every p; Wilson on average near it."""
    n = 30
    x = np.arange(n + 1)
    mass = np.array([math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in x])
    cover = {
        m.__name__: float(mass[(m(x, n, 0.95)[0] <= p) & (p <= m(x, n, 0.95)[1])].sum())
        for m in (wilson, clopper_pearson)
    }
    assert cover["clopper_pearson"] >= 0.95
    assert 0.9 < cover["wilson"] < 0.99


def test_unknown_method_is_refused() -> None:
    with pytest.raises(InputError, match="`method` must be one of 'wilson', 'exact', not 'wald'"):
        proportion_interval(1, 2, level=0.95, method="wald")


def test_mean_estimate_cuts_and_abstains() -> None:
    estimate = mean_estimate(np.array([0.0, 0.0, 0.0, 1.0]), level=0.95, method="m", n_events=1, floor=0.0, cap=1.0)
    assert estimate.low == 0.0
    assert estimate.high == pytest.approx(0.25 + 1.959963984540054 * 0.25)
    assert "cut" in estimate.note
    for same in (np.array([0.4]), np.array([0.4, 0.4])):
        nothing = mean_estimate(same, level=0.95, method="m", n_events=1)
        assert nothing.value == 0.4
        assert math.isnan(nothing.low)
        assert "no interval" in nothing.note


def test_normal_quantile_and_p() -> None:
    assert z_of(0.95) == pytest.approx(1.959963984540054, abs=1e-14)
    assert two_sided_p(z_of(0.99)) == pytest.approx(0.01)
    assert two_sided_p(-z_of(0.99)) == two_sided_p(z_of(0.99))
