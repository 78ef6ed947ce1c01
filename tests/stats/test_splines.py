from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from validkit.errors import InputError
from validkit.stats.splines import logistic_curve, rcs_basis, rcs_knots, spline_curve

quick = settings(deadline=None, max_examples=25)


def simulated(seed: int, n: int = 300) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    logit = rng.normal(-0.4, 1.3, n)
    return (rng.random(n) < special.expit(0.2 + 0.7 * logit)).astype(int), special.expit(logit)


@pytest.mark.parametrize(
    ("k", "shares"),
    [
        (3, [0.1, 0.5, 0.9]),
        (4, [0.05, 0.35, 0.65, 0.95]),
        (5, [0.05, 0.275, 0.5, 0.725, 0.95]),
        (6, [0.05, 0.23, 0.41, 0.59, 0.77, 0.95]),
        (7, [0.025, 0.1833, 0.3417, 0.5, 0.6583, 0.8167, 0.975]),
    ],
)
def test_harrells_places(k: int, shares: list[float]) -> None:
    np.testing.assert_allclose(rcs_knots(np.arange(1001.0), k) / 1000, shares, atol=5e-5)


def test_knots_of_small_samples_and_of_tied_ends() -> None:
    assert rcs_knots(np.arange(99.0), 3).tolist() == [4, 49, 94]  # fifth smallest and fifth largest
    np.testing.assert_allclose(rcs_knots(np.arange(100.0), 3), [9.9, 49.5, 89.1], rtol=1e-13)
    assert rcs_knots(np.arange(7.0), 3).tolist() == [3, 3, 3]
    within = np.arange(1.0, 181.0)
    low = np.r_[np.zeros(20), within]  # a tenth of the values at the low end: the next one becomes the first knot
    np.testing.assert_allclose(rcs_knots(low, 4), [1, *np.quantile(within[1:], [0.05, 0.5, 0.95])])
    high = np.r_[within, np.full(20, 181.0)]
    np.testing.assert_allclose(rcs_knots(high, 4), [*np.quantile(within[:-1], [0.05, 0.5, 0.95]), 180])
    both = np.r_[np.zeros(20), within, np.full(20, 181.0)]
    assert rcs_knots(both, 3).tolist() == [1, 90.5, 180]
    np.testing.assert_allclose(rcs_knots(both, 4), [1, 90.5, np.quantile(within[1:-1], 0.95), 180])
    few = np.r_[np.zeros(9), np.arange(1.0, 81.0)]  # 79 values from 2 on; only the free end is the fifth largest
    np.testing.assert_allclose(rcs_knots(few, 4), [1, np.quantile(np.arange(2.0, 81.0), 0.05), 41, 76])
    turned = rcs_knots(80 - few, 4)
    np.testing.assert_allclose(turned, [4, 39, np.quantile(np.arange(0.0, 79.0), 0.95), 79])
    tied_within = np.r_[np.zeros(20), np.full(20, 5.0), within + 10]  # then the ends are as anywhere else
    assert rcs_knots(tied_within, 3).tolist() == np.quantile(tied_within, [0.1, 0.5, 0.9]).tolist()


def test_basis_is_linear_outside_the_knots_and_a_cubic_within() -> None:
    knots = np.array([-1.0, 0.0, 0.5, 2.0])
    left, right = (rcs_basis(np.linspace(a, b, 9), knots) for a, b in ((-4, -1), (2, 5)))
    assert left.shape == (9, 3)
    assert (left[:, 1:] == 0).all()
    np.testing.assert_allclose(np.diff(right, 2, axis=0), 0, atol=1e-12)
    x = np.array([-0.5, 0.25, 1.0])
    term = [(-0.5 + 1) ** 3, 1.25**3, 2.0**3 - 0.5**3 * 3 / 1.5]
    np.testing.assert_allclose(rcs_basis(x, knots)[:, 1], np.array(term) / 9, rtol=1e-13)
    np.testing.assert_array_equal(rcs_basis(x, knots)[:, 0], x)
    beyond = (3 + 1) ** 3 - (3 - 0.5) ** 3 * 3 / 1.5 + (3 - 2) ** 3 * 1.5 / 1.5
    assert rcs_basis(np.array([3.0]), knots)[0, 1] == pytest.approx(beyond / 9, rel=1e-13)


@quick
@given(st.integers(0, 10**6), st.integers(3, 7))
def test_spline_is_the_logistic_model_on_the_basis(seed: int, k: int) -> None:
    y, p = simulated(seed)
    x = special.logit(p)
    knots = rcs_knots(x, k)
    fit = sm.GLM(y, sm.add_constant(rcs_basis(x, knots)), family=sm.families.Binomial()).fit(tol=1e-13)
    at = np.linspace(p.min(), p.max(), 9)
    rows = np.column_stack([np.ones(9), rcs_basis(special.logit(at), knots)])
    half = 1.6448536269514722 * np.sqrt(np.einsum("ij,jk,ik->i", rows, fit.cov_params(), rows))
    band = spline_curve(y, p, at, level=0.9, knots=k)
    assert not isinstance(band, str)
    eta = rows @ fit.params
    for ours, theirs in zip(band, (eta, eta - half, eta + half), strict=True):
        np.testing.assert_allclose(ours, special.expit(theirs), atol=1e-7)
    bare = spline_curve(y, p, at, level=None, knots=k)
    assert np.isnan(bare[1]).all()
    assert np.isnan(bare[2]).all()
    np.testing.assert_array_equal(bare[0], band[0])


@pytest.mark.parametrize("method", ["line", "spline"])
def test_certain_predictions(method: str) -> None:
    y, p = simulated(3)
    sure_y, sure_p = np.r_[y, 0, 1, 0], np.r_[p, 0.0, 1.0, 0.0]

    def curve(outcome: np.ndarray, risk: np.ndarray, at: np.ndarray) -> object:
        if method == "line":
            return logistic_curve(outcome, risk, at, level=0.95)
        return spline_curve(outcome, risk, at, level=0.95, knots=4)

    at = np.array([0.0, 0.1, 0.6, 1.0])
    band = curve(sure_y, sure_p, at)
    alone = curve(y, p, at[1:3])
    for ours, theirs in zip(band, alone, strict=True):  # type: ignore[call-overload]
        assert (ours[0], ours[-1]) == (0.0, 1.0)
        np.testing.assert_array_equal(ours[1:3], theirs)
    sure_y[-1] = 1
    assert curve(sure_y, sure_p, at) == ("outcomes contradict 1 predictions of exactly 0 or 1: no finite fit exists")


def test_no_spline_says_why() -> None:
    y, p = simulated(5)
    at = np.array([0.3, 0.6])
    rounded = np.round(p * 4) / 10 + 0.1  # five risks
    assert spline_curve(y, rounded, at, level=0.95, knots=3) == (
        "a spline with 3 knots needs at least 6 distinct predictions; there are 5"
    )
    tied = np.where((p > 0.15) & (p < 0.75), 0.4, p)
    assert "the predictions are too tied for 5 knots: some coincide" in str(
        spline_curve(y, tied, at, level=0.95, knots=5)
    )
    assert spline_curve(np.zeros(300, int), p, at, level=0.95, knots=5) == "undefined: no event"
    middle = ((p > 0.3) & (p < 0.6)).astype(int)  # no line separates these, a spline does
    assert not isinstance(logistic_curve(middle, p, at, level=0.95), str)
    assert spline_curve(middle, p, at, level=0.95, knots=5) == "the spline separates the outcomes: no finite fit exists"
    eight = np.round(p * 7) / 10 + 0.1
    assert np.unique(eight).size == 8
    assert not isinstance(spline_curve(y, eight, at, level=0.95, knots=4), str)


@pytest.mark.parametrize("knots", [2, 8, 5.0, True])
def test_knots_from_three_to_seven(knots: object) -> None:
    with pytest.raises(InputError, match="`knots` must be"):
        rcs_knots(np.arange(200.0), knots)  # type: ignore[arg-type]


def test_message_of_too_many_knots() -> None:
    with pytest.raises(InputError, match="`knots` must be from 3 to 7, not 8"):
        rcs_knots(np.arange(200.0), 8)
    assert rcs_knots(np.arange(200.0), 7).size == 7
    assert math.isclose(rcs_knots(np.arange(201.0))[2], 100)


def test_three_more_distinct_risks_than_knots_suffice() -> None:
    y = np.tile([0, 1, 0, 1, 1, 0], 40)
    six = np.tile(np.array([0.15, 0.25, 0.35, 0.5, 0.65, 0.8]), 40)
    assert not isinstance(spline_curve(y, six, np.array([0.3]), level=0.95, knots=3), str)
    five = np.where(six == 0.8, 0.65, six)
    assert "needs at least 6 distinct" in str(spline_curve(y, five, np.array([0.3]), level=0.95, knots=3))
