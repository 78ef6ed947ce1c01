from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as sklearn_log_loss

from validkit.errors import InputError
from validkit.stats.overall import (
    brier,
    cox_snell_r2,
    discrimination_slope,
    log_likelihood,
    log_loss,
    mape,
    mcfadden_r2,
    nagelkerke_r2,
    scaled_brier,
    tjur_r2,
)

quick = settings(deadline=None, max_examples=40)
R2 = (cox_snell_r2, mcfadden_r2, nagelkerke_r2)
EVERY = (brier, scaled_brier, log_loss, mape, *R2, discrimination_slope)
Z = 1.959963984540054


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
    one, two = (
        f"{who} a predicted risk of exactly 0 or 1" for who in ("1 patient contradicts", "2 patients contradict")
    )
    assert log_loss(y, p).note == one
    assert log_loss([1, 0], [0.0, 1.0]).note == two
    assert math.isnan(log_loss(y, p).low)
    for function in (log_likelihood, *R2):
        assert function(y, p).value == -math.inf
        assert function(y, p).note == one
        assert math.isnan(function(y, p).high)
    assert log_likelihood([0, 1], [0.0, 1.0]).value == 0.0
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


# --- known answers -----------------------------------------------------------------------------

Y, P = np.array([0, 0, 1, 1, 0, 1, 0]), np.array([0.1, 0.4, 0.35, 0.8, 0.3, 0.7, 0.25])


def test_means_by_hand() -> None:
    """Brier, log loss, its sum, and the mean absolute error, each a mean with the standard error of a mean."""
    seen = np.where(Y == 1, P, 1 - P)
    for function, parts, method in (
        (brier, (1 - seen) ** 2, "normal, from each patient's loss"),
        (log_loss, -np.log(seen), "normal, from each patient's loss"),
        (mape, 1 - seen, "normal, from each patient's error"),
    ):
        e, se = function(Y, P), parts.std(ddof=1) / math.sqrt(7)
        assert (e.value, e.se) == pytest.approx((parts.mean(), se))
        assert (e.low, e.high) == pytest.approx((max(parts.mean() - Z * se, 0), parts.mean() + Z * se))
        assert (e.n, e.n_events, e.method, e.level) == (7, 3, method, 0.95)
    one, total = log_loss(Y, P, level=0.8), log_likelihood(Y, P, level=0.8)
    assert (total.value, total.low, total.high) == pytest.approx((-7 * one.value, -7 * one.high, -7 * one.low))
    assert (total.se, total.n, total.n_events, total.level) == (pytest.approx(7 * one.se), 7, 3, 0.8)
    assert total.method == "normal, n times the mean"
    assert brier([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]).note == "interval cut at its bound"
    assert log_likelihood([1], [0.5]).note == "one patient: no interval"


def jackknifed(statistic, y: np.ndarray, p: np.ndarray) -> float:
    """Infinitesimal jackknife by differences: n statistics of slightly changed weights."""
    n, step = y.size, 1e-6
    influence = np.empty(n)
    for i in range(n):
        w = np.full(n, 1 / n) * (1 - step)
        w[i] += step
        influence[i] = (statistic(w, y, p) - statistic(np.full(n, 1 / n), y, p)) / step
    return math.sqrt((influence**2).sum() / (n - 1) / n)


def likelihoods(w: np.ndarray, y: np.ndarray, p: np.ndarray) -> tuple[float, float]:
    q = w @ y
    return float(w @ np.log(np.where(y == 1, p, 1 - p))), float(q * np.log(q) + (1 - q) * np.log(1 - q))


def mcfadden(w: np.ndarray, y: np.ndarray, p: np.ndarray) -> float:
    a, b = likelihoods(w, y, p)
    return 1 - a / b


def cox_snell(w: np.ndarray, y: np.ndarray, p: np.ndarray) -> float:
    a, b = likelihoods(w, y, p)
    return 1 - math.exp(2 * (b - a))


def nagelkerke(w: np.ndarray, y: np.ndarray, p: np.ndarray) -> float:
    return cox_snell(w, y, p) / (1 - math.exp(2 * likelihoods(w, y, p)[1]))


def ipa(w: np.ndarray, y: np.ndarray, p: np.ndarray) -> float:
    return 1 - float(w @ (y - p) ** 2) / float((w @ y) * (1 - w @ y))


@pytest.mark.parametrize(
    ("function", "statistic", "method"),
    [
        (mcfadden_r2, mcfadden, "McFadden, normal with the delta method"),
        (cox_snell_r2, cox_snell, "Cox-Snell, normal with the delta method"),
        (nagelkerke_r2, nagelkerke, "Nagelkerke, normal with the delta method"),
        (scaled_brier, ipa, "normal, delta method"),
    ],
)
def test_explained_variation_by_hand(function, statistic, method: str) -> None:
    y, p = simulated(7, 60)
    for outcome, risk, level, z in ((Y, P, 0.95, Z), (y, p, 0.9, 1.6448536269514722)):
        e = function(outcome, risk, level=level)
        assert e.value == pytest.approx(statistic(np.full(outcome.size, 1 / outcome.size), outcome, risk), abs=1e-14)
        assert e.se == pytest.approx(jackknifed(statistic, outcome, risk), rel=1e-4)
        assert e.low == pytest.approx(e.value - z * e.se, abs=1e-14)
        assert e.high == pytest.approx(min(e.value + z * e.se, 1), abs=1e-14)
        assert (e.n, e.n_events, e.method, e.level) == (outcome.size, outcome.sum(), method, level)
        assert e.note == ("interval cut at its bound" if e.value + z * e.se > 1 else "")


def test_discrimination_slope_by_hand() -> None:
    assert tjur_r2 is discrimination_slope
    e, events, others = discrimination_slope(Y, P), P[Y == 1], P[Y == 0]
    se = math.sqrt(events.var(ddof=1) / 3 + others.var(ddof=1) / 4)
    assert (e.value, e.se) == pytest.approx((events.mean() - others.mean(), se))
    assert (e.low, e.high) == pytest.approx((e.value - Z * se, e.value + Z * se))
    assert (e.n, e.n_events, e.method, e.note) == (7, 3, "normal, unequal variances", "")
    wide = discrimination_slope([0, 0, 1, 1], [0.0, 0.9, 0.05, 1.0], level=0.999)
    assert (wide.low, wide.high, wide.note) == (-1.0, 1.0, "interval cut at its bound")
    low = discrimination_slope([1, 1, 0, 0], [0.0, 0.3, 0.6, 1.0])
    assert (low.low, low.high, low.note) == (-1.0, pytest.approx(-0.65 + 0.25 * Z), "interval cut at its bound")
    few = discrimination_slope([0, 0, 1], [0.1, 0.2, 0.9])
    assert (few.value, few.note) == (pytest.approx(0.75), "too few patients, or no spread of risk, for an interval")
    assert math.isnan(few.se)
    flat = discrimination_slope([0, 0, 1, 1], [0.1, 0.1, 0.9, 0.9])
    assert (flat.value, math.isnan(flat.low)) == (pytest.approx(0.8), True)
    assert not math.isnan(discrimination_slope([0, 0, 1, 1], [0.1, 0.2, 0.9, 0.9]).low)


def test_perfect_and_constant_predictions() -> None:
    for function in (scaled_brier, mcfadden_r2, nagelkerke_r2):
        e = function([0, 1, 0, 1, 1], [0.0, 1.0, 0.0, 1.0, 1.0])
        assert (e.value, math.isnan(e.low), e.note) == (1.0, True, "no patient moves it: no interval")
    for function in EVERY:
        assert math.isfinite(function([0, 1, 0, 1, 1], [0.3] * 5).value)
    assert mape([0, 1, 1, 1], [0.25] * 4).value == pytest.approx((0.25 + 3 * 0.75) / 4)


def test_two_patients_and_labels() -> None:
    for function in EVERY:
        e = function([0, 1], [0.2, 0.7])
        assert math.isfinite(e.value)
        assert repr(e) == repr(function([False, True], [0.2, 0.7])) == repr(function([0.0, 1.0], [0.2, 0.7]))
        with pytest.raises(InputError, match="`y_true` must hold numbers"):
            function(["no", "yes"], [0.2, 0.7])
        with pytest.raises(InputError, match="1 being the event; 1 of 2 values are not"):
            function([1, 2], [0.2, 0.7])
        with pytest.raises(InputError, match="`level` must lie strictly between 0 and 1"):
            function([0, 1], [0.2, 0.7], level=1)
    assert brier([0, 1], [0.2, 0.7]).value == pytest.approx((0.04 + 0.09) / 2)


@quick
@given(st.integers(0, 10**6))
def test_weights_are_copies_and_missing_is_counted(seed: int) -> None:
    y, p = simulated(seed, 30)
    times = np.random.default_rng(seed).integers(0, 4, 30)
    times[:2] = 1
    for function in (*EVERY, log_likelihood):
        assert repr(function(y, p, weights=times)) == repr(function(np.repeat(y, times), np.repeat(p, times)))
        holes = p.copy()
        holes[5] = np.nan
        with pytest.raises(InputError, match=r"`y_prob` is missing \(NaN\) for 1 of 30 patients \(row 5\)"):
            function(y, holes)
        left = function(y, holes, missing="complete-case")
        assert (left.n, left.n_missing) == (29, 1)
        assert left.value == function(np.delete(y, 5), np.delete(p, 5)).value


@quick
@given(st.integers(1, 99), st.integers(0, 100))
def test_propriety(true: int, said: int) -> None:
    """Of patients with one true risk, expected Brier and log loss are least at that risk; the absolute error is not."""
    y = np.repeat([1, 0], [true, 100 - true])
    for function in (brier, log_loss):
        assert function(y, np.full(100, true / 100)).value <= function(y, np.full(100, said / 100)).value + 1e-12
    if true != 50:
        end = 0.0 if true < 50 else 1.0
        assert mape(y, np.full(100, end)).value < mape(y, np.full(100, true / 100)).value


def test_r2_intervals_cover_near_their_level() -> None:
    rng, hits, runs = np.random.default_rng(4), np.zeros(3), 500
    risk = 0.05 + 0.8 * (np.arange(200_000) + 0.5) / 200_000
    q = risk.mean()
    a = (risk * np.log(risk) + (1 - risk) * np.log1p(-risk)).mean()
    b = q * math.log(q) + (1 - q) * math.log(1 - q)
    snell = 1 - math.exp(2 * (b - a))
    truth = (snell, 1 - a / b, snell / (1 - math.exp(2 * b)))
    for _ in range(runs):
        p = 0.05 + 0.8 * rng.random(150)
        y = (rng.random(150) < p).astype(int)
        hits += [e.low <= t <= e.high for e, t in zip((f(y, p) for f in R2), truth, strict=True)]
    assert ((hits / runs > 0.92) & (hits / runs < 0.98)).all()
