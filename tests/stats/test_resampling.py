from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import bootstrap as scipy_bootstrap

from validkit.errors import InputError
from validkit.stats import Estimate, auc, bootstrap, brier, net_benefit
from validkit.stats.resampling import _draws, _jackknife, _replicates


def simulated(seed: int, n: int = 60, digits: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = np.round(rng.random(n), digits)
    return (rng.random(n) < 0.2 + 0.6 * p).astype(int), p


@pytest.mark.parametrize("statistic", [auc, brier])
@pytest.mark.parametrize("stratified", [False, True])
@pytest.mark.parametrize("interval", ["percentile", "bca"])
def test_the_quick_path_gives_what_the_plain_one_gives(statistic, stratified: bool, interval: str) -> None:
    y, p = simulated(1)
    options = {"replicates": 300, "interval": interval, "stratified": stratified, "rng": 5}
    quick = bootstrap(statistic, y, p, **options)
    plain = bootstrap(lambda a, b: statistic(a, b).value, y, p, **options)
    for name in ("value", "low", "high", "se"):
        assert getattr(quick, name) == pytest.approx(getattr(plain, name), abs=1e-12)
    assert quick.note == plain.note
    assert bootstrap(statistic.__name__, y, p, **options) == quick


def test_same_seed_same_bytes_other_seed_other_draws() -> None:
    y, p = simulated(2)
    first, again, other = (bootstrap(auc, y, p, rng=seed, replicates=200) for seed in (1, 1, 2))
    assert first == again
    assert first.low != other.low
    assert bootstrap(auc, y, p, rng=np.random.default_rng(1), replicates=200) == first
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    bootstrap(auc, y, p, rng=3, replicates=50)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_stratified_draws_keep_the_classes() -> None:
    y, _ = simulated(3)
    for index in _draws(y, 40, True, np.random.default_rng(0)):
        assert (y[index].sum(axis=1) == y.sum()).all()
    plain = next(iter(_draws(y, 400, False, np.random.default_rng(0))))
    assert plain.shape == (400, y.size)
    assert plain.min() == 0
    assert plain.max() == y.size - 1
    assert abs(np.bincount(plain.ravel()).std() - 20) < 5  # each patient 400 times, Poisson-like


@pytest.mark.parametrize("statistic", [auc, brier])
def test_bca_against_scipy_on_the_same_replicates(statistic) -> None:
    y, p = simulated(4, digits=3)
    values = _replicates(statistic, y, p, 1000, False, np.random.default_rng(9))

    class Done:
        bootstrap_distribution = values

    def plain(a: np.ndarray, b: np.ndarray) -> float:
        return statistic(a.astype(int), b).value

    want = scipy_bootstrap(
        (y.astype(float), p), plain, paired=True, vectorized=False, n_resamples=0, method="BCa", bootstrap_result=Done()
    ).confidence_interval
    ours = bootstrap(statistic, y, p, replicates=1000, interval="bca", rng=9)
    assert (ours.low, ours.high) == pytest.approx((want.low, want.high), abs=1e-12)


@pytest.mark.parametrize("statistic", [auc, brier])
def test_jackknife_in_closed_form(statistic) -> None:
    y, p = simulated(5)
    want = [statistic(np.delete(y, i), np.delete(p, i)).value for i in range(y.size)]
    np.testing.assert_allclose(_jackknife(statistic, y, p), want, atol=1e-13)


def test_blocks_do_not_change_the_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    y, p = simulated(6)
    whole = bootstrap(auc, y, p, rng=1, replicates=100)
    monkeypatch.setattr("validkit.stats.resampling._BLOCK", 7 * y.size)
    assert bootstrap(auc, y, p, rng=1, replicates=100) == whole


def test_replicates_with_one_class_are_counted() -> None:
    y, p = [0] * 27 + [1] * 5, list(np.linspace(0, 1, 32))
    estimate = bootstrap(auc, y, p, rng=0, replicates=500)
    succeeded = int(estimate.note.split()[0])
    assert 475 <= succeeded < 500
    assert "of 500 replicates" in estimate.note
    few = bootstrap(auc, [0] * 30 + [1] * 2, p, rng=0, replicates=500)
    assert math.isnan(few.low)
    assert "too few for an interval" in few.note
    kept = bootstrap(auc, [0] * 30 + [1] * 2, p[::-1], rng=0, replicates=500, stratified=True)
    assert kept.note.startswith("500 of 500")


def test_undefined_and_degenerate_statistics() -> None:
    one = bootstrap(auc, [1, 1, 1], [0.1, 0.2, 0.3], rng=0)
    assert math.isnan(one.value)
    assert "no non-event" in one.note
    perfect = bootstrap(auc, [0] * 20 + [1] * 20, np.linspace(0, 1, 40), rng=0, replicates=100)
    assert perfect.value == 1.0
    assert math.isnan(perfect.low)
    assert "says nothing about the next sample" in perfect.note
    y, p = [0, 1] * 10, np.linspace(0, 1, 20)
    distinct = bootstrap(lambda y, p: np.unique(p).size, y, p, rng=0, replicates=200, interval="bca")
    assert distinct.value == 20  # no replicate reaches it
    assert math.isnan(distinct.low)
    assert "all replicates lie on one side" in distinct.note
    one_event = bootstrap(auc, [0] * 30 + [1], np.arange(31) % 7 / 7, rng=0, interval="bca", stratified=True)
    assert math.isnan(one_event.low)
    assert "without one patient is undefined" in one_event.note
    nan = bootstrap(lambda y, p: math.nan, [0, 1], [0.1, 0.2], rng=0)
    assert "the statistic is undefined on these patients" in nan.note
    assert math.isnan(bootstrap(brier, [1], [0.4], rng=0, interval="bca").low)


def test_any_statistic_will_do() -> None:
    y, p = simulated(8)
    estimate = bootstrap(lambda a, b: net_benefit(a, b, threshold=0.3), y, p, rng=2, replicates=300)
    normal = net_benefit(y, p, threshold=0.3)
    assert estimate.value == normal.value
    assert estimate.se == pytest.approx(normal.se, rel=0.2)
    assert isinstance(estimate, Estimate)


def test_bad_arguments() -> None:
    y, p = simulated(9)
    for bad in (None, 1.5, True, "seed"):
        with pytest.raises(InputError, match="`rng` must be a numpy Generator or a whole number"):
            bootstrap(auc, y, p, rng=bad)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="rng"):
        bootstrap(auc, y, p)  # type: ignore[call-arg]
    with pytest.raises(InputError, match="`interval` must be one of 'percentile', 'bca'"):
        bootstrap(auc, y, p, rng=0, interval="basic")
    with pytest.raises(InputError, match="`statistic` must be one of 'auc', 'brier'"):
        bootstrap("accuracy", y, p, rng=0)
    with pytest.raises(InputError, match="`replicates` must be a whole number of at least 20"):
        bootstrap(auc, y, p, rng=0, replicates=5)


@pytest.mark.parametrize("interval", ["percentile", "bca"])
def test_interval_covers_near_its_level(interval: str) -> None:
    rng = np.random.default_rng(31)
    y = np.r_[np.ones(30, int), np.zeros(60, int)]
    hits = 0
    for _ in range(250):
        score = rng.normal(size=90) + math.sqrt(2) * 0.8416212335729143 * y
        estimate = bootstrap(auc, y, score, rng=rng, replicates=400, interval=interval, stratified=True, scale="score")
        hits += estimate.low <= 0.8 <= estimate.high
    assert 0.9 < hits / 250 < 0.99
