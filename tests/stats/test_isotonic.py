from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from validkit.stats.isotonic import isotonic, pool_adjacent_violators

quick = settings(deadline=None, max_examples=50)


def test_by_hand() -> None:
    y, p = np.array([1, 0, 1, 0, 1, 1]), np.array([0.1, 0.2, 0.4, 0.5, 0.6, 0.6])
    x, fit = pool_adjacent_violators(y, p)
    assert x.tolist() == [0.1, 0.2, 0.4, 0.5, 0.6]
    np.testing.assert_allclose(fit, [0.5, 0.5, 0.5, 0.5, 1.0], rtol=1e-15)
    value, low, high = isotonic(y, p, np.array([0.0, 0.3, 0.55, 0.9]))
    np.testing.assert_allclose(value, [0.5, 0.5, 0.75, 1.0], rtol=1e-15)
    assert np.isnan(low).all()
    assert np.isnan(high).all()


def test_tied_predictions_weigh_by_their_number() -> None:
    y, p = np.array([1, 1, 1, 0, 0]), np.array([0.2, 0.2, 0.2, 0.7, 0.7])
    x, fit = pool_adjacent_violators(y, p)
    assert x.tolist() == [0.2, 0.7]
    np.testing.assert_allclose(fit, [0.6, 0.6], rtol=1e-15)


@quick
@given(st.integers(0, 10**6), st.integers(2, 40))
def test_laws(seed: int, n: int) -> None:
    """Never falling; events as many as observed; no other non-falling curve of two levels is nearer; no order."""
    rng = np.random.default_rng(seed)
    y, p = rng.integers(0, 2, n), rng.integers(0, 12, n) / 11
    x, fit = pool_adjacent_violators(y, p)
    each = fit[np.searchsorted(x, p)]
    assert (np.diff(fit) >= -1e-12).all()
    np.testing.assert_allclose(each.sum(), y.sum(), atol=1e-9)
    best = ((y - each) ** 2).sum()
    for cut in x:
        below = p < cut
        step = np.where(below, y[below].mean() if below.any() else 0.0, y[~below].mean())
        if not below.any() or step[below][0] <= step[~below][0]:
            assert best <= ((y - step) ** 2).sum() + 1e-9
    order = rng.permutation(n)
    np.testing.assert_allclose(pool_adjacent_violators(y[order], p[order])[1], fit, atol=1e-12)
    np.testing.assert_allclose(pool_adjacent_violators(1 - y, 1 - p)[1][::-1], 1 - fit, atol=1e-12)


def test_band_by_hand() -> None:
    """27 patients: windows of 9."""
    p = np.arange(1, 28) / 30
    y = np.r_[np.zeros(9, int), np.tile([0, 1, 1], 3), np.ones(9, int)]
    fit, low, high = isotonic(y, p, np.array([p[0], p[8], p[17], p[22], p[26]]), level=0.9)
    tail = 0.05
    below = special.betaincinv(6, 4, tail)  # 6 events of 9
    np.testing.assert_allclose(low, [0, 0, below, special.betaincinv(8, 2, tail), tail ** (1 / 9)], rtol=1e-12)
    above = [1 - tail ** (1 / 9), special.betaincinv(6, 4, 1 - tail), 1, 1, 1]  # 0 of 9; 5 of the 9 from p[8] on
    np.testing.assert_allclose(high, above, rtol=1e-12)
    np.testing.assert_allclose(fit, [0, 0, 1, 1, 1], rtol=1e-12)


def test_band_keeps_tied_patients_together_and_holds_the_fit() -> None:
    p = np.repeat([0.2, 0.5, 0.8], [4, 20, 3])
    y = np.r_[0, 1, 0, 0, np.tile([0, 1], 10), 1, 1, 0]
    order = np.random.default_rng(0).permutation(27)
    at = np.array([0.2, 0.3, 0.5, 0.8])
    fit, low, high = isotonic(y, p, at, level=0.95)
    for ours, again in zip((fit, low, high), isotonic(y[order], p[order], at, level=0.95), strict=True):
        np.testing.assert_allclose(ours, again, atol=1e-14)
    # below or at each: 1 of 4, 1 of 4, 10 of 20, 12 of 23; above or at each: 11 of 24, 10 of 20, 10 of 20, 2 of 3
    lower = [special.betaincinv(k, n - k + 1, 0.025) for k, n in ((1, 4), (1, 4), (10, 20), (12, 23))]
    upper = [special.betaincinv(k + 1, n - k, 0.975) for k, n in ((11, 24), (10, 20), (10, 20), (2, 3))]
    np.testing.assert_allclose(low, lower, rtol=1e-12)
    np.testing.assert_allclose(high, upper, rtol=1e-12)
    falling = np.r_[np.ones(60, int), np.zeros(60, int)]
    fit, low, high = isotonic(falling, np.arange(120) / 119, np.array([0.2, 0.8]), level=0.95)
    np.testing.assert_allclose(fit, 0.5)
    assert low.tolist() == [0.5, 0.0]
    assert high.tolist() == [1.0, 0.5]
