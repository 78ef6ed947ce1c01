from __future__ import annotations

import functools
import math

import numpy as np
import pytest
from scipy.stats import bootstrap as scipy_bootstrap

from validkit.errors import InputError
from validkit.stats import (
    Estimate,
    accuracy,
    auc,
    bootstrap,
    brier,
    calibration_in_the_large,
    calibration_intercept,
    calibration_slope,
    discrimination_slope,
    log_loss,
    net_benefit,
    npv,
    observed_expected,
    ppv,
    scaled_brier,
    sensitivity,
    specificity,
)
from validkit.stats.draws import draw_plan
from validkit.stats.quick import line_jackknife, quick
from validkit.stats.resampling import _jackknife, _replicates, bootstrap_all, jackknife


def simulated(seed: int, n: int = 60, digits: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = np.round(rng.random(n), digits)
    return (rng.random(n) < 0.2 + 0.6 * p).astype(int), p


PLAIN = (
    auc,
    brier,
    scaled_brier,
    log_loss,
    observed_expected,
    discrimination_slope,
    calibration_slope,
    calibration_in_the_large,
    calibration_intercept,
)
AT_THRESHOLD = (sensitivity, specificity, ppv, npv, accuracy, net_benefit)
QUICK = {f.__name__: f for f in PLAIN} | {f.__name__: functools.partial(f, threshold=0.4) for f in AT_THRESHOLD}


@pytest.mark.parametrize("name", QUICK)
@pytest.mark.parametrize("stratified", [False, True])
@pytest.mark.parametrize("interval", ["percentile", "bca"])
def test_the_quick_path_gives_what_the_plain_one_gives(name: str, stratified: bool, interval: str) -> None:
    statistic = QUICK[name]
    y, p = simulated(1)
    p = np.clip(p, 0.1, 0.9)
    options = {"replicates": 120, "interval": interval, "stratified": stratified, "rng": 5}
    assert quick(statistic) is not None
    fast = bootstrap(statistic, y, p, **options)
    plain = bootstrap(lambda a, b: statistic(a, b).value, y, p, **options)
    for field in ("value", "low", "high", "se"):
        assert getattr(fast, field) == pytest.approx(getattr(plain, field), abs=1e-11)
    assert fast.note == plain.note
    assert fast.method == f"bootstrap, {'BCa' if interval == 'bca' else interval}{', stratified' * stratified}"


@pytest.mark.parametrize("name", QUICK)
def test_the_quick_path_with_clusters(name: str) -> None:
    statistic = QUICK[name]
    y, p = simulated(11)
    p = np.clip(p, 0.1, 0.9)
    options = {"replicates": 60, "rng": 5, "clusters": np.arange(60) // 3, "interval": "bca"}
    fast = bootstrap(statistic, y, p, **options)
    plain = bootstrap(lambda a, b: statistic(a, b).value, y, p, **options)
    assert (fast.low, fast.high) == pytest.approx((plain.low, plain.high), abs=1e-11)
    assert fast.method == "bootstrap, BCa, by cluster"


def test_certain_predictions_on_the_quick_path() -> None:
    y, p = simulated(12)
    p = np.where((p < 0.15) & (y == 0), 0.0, p)
    p = np.where((p > 0.85) & (y == 1), 1.0, p)
    p[np.flatnonzero((p > 0) & (p < 1) & (y == 1))[0]] = 0.0  # one contradicted
    assert math.isnan(bootstrap(calibration_slope, y, p, rng=1, replicates=50).value)
    y[p == 0] = 0
    for statistic in (calibration_slope, calibration_in_the_large, log_loss):
        fast = bootstrap(statistic, y, p, rng=1, replicates=80)
        plain = bootstrap(lambda a, b, f=statistic: f(a, b).value, y, p, rng=1, replicates=80)
        assert fast.value == plain.value
        assert (fast.low, fast.high) == pytest.approx((plain.low, plain.high), abs=1e-11)


def test_separated_replicates_are_undefined_on_both_paths() -> None:
    y = np.r_[np.zeros(15, int), np.ones(15, int)]
    p = np.linspace(0.05, 0.95, 30)
    p[14], p[15] = p[15], p[14]
    y_fast = bootstrap(calibration_slope, y, p, rng=1, replicates=200)
    y_plain = bootstrap(lambda a, b: calibration_slope(a, b).value, y, p, rng=1, replicates=200)
    assert y_fast.note == y_plain.note
    assert int(y_fast.note.split()[0]) < 190


def test_any_number_of_threads_gives_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("validkit.stats.draws._WORTH_A_THREAD", 0)
    y, p = simulated(13, n=200, digits=2)
    p = np.clip(p, 0.01, 0.99)
    names = [f.__name__ for f in PLAIN if f not in (log_loss, scaled_brier, discrimination_slope)]
    first = bootstrap_all(names, y, p, rng=3, replicates=101, threads=1)
    for threads in (2, 3, 16):
        assert bootstrap_all(names, y, p, rng=3, replicates=101, threads=threads) == first
    done: list[tuple[int, int]] = []
    told = bootstrap_all(names, y, p, rng=3, replicates=101, progress=lambda d, n: done.append((d, n)))
    assert told == first
    assert done[-1] == (101, 101)


def test_the_order_of_rows_and_copies_of_rows_do_not_matter() -> None:
    y, p = simulated(14)
    order = np.random.default_rng(0).permutation(y.size)
    for interval in ("percentile", "bca"):
        first = bootstrap(auc, y, p, rng=1, interval=interval)
        assert bootstrap(auc, y[order], p[order], rng=1, interval=interval) == first
    weights = np.random.default_rng(1).integers(0, 4, y.size)
    weighted = bootstrap(auc, y, p, rng=1, weights=weights)
    assert weighted == bootstrap(auc, np.repeat(y, weights), np.repeat(p, weights), rng=1)
    assert weighted.n == weights.sum()


def test_incomplete_patients_are_left_out_only_when_asked() -> None:
    y, p = simulated(15)
    holed = np.where(np.arange(60) < 4, np.nan, p)
    with pytest.raises(InputError, match="missing"):
        bootstrap(auc, y, holed, rng=1)
    estimate = bootstrap(auc, y, holed, rng=1, missing="complete-case")
    assert (estimate.n, estimate.n_missing) == (56, 4)
    assert estimate.note.endswith("4 of 60 patients left out as incomplete (complete case)")
    assert estimate.low == bootstrap(auc, y[4:], p[4:], rng=1).low
    clustered = bootstrap(auc, y, holed, rng=1, missing="complete-case", clusters=np.arange(60) // 2)
    assert clustered.low == bootstrap(auc, y[4:], p[4:], rng=1, clusters=np.arange(4, 60) // 2).low


def test_studentized_uses_the_standard_error_of_each_replicate() -> None:
    y, p = simulated(16, n=80, digits=3)
    plan = draw_plan(y[np.lexsort((y, p))], rng=2, replicates=300)
    order = np.lexsort((y, p))
    found = plan.replicates(lambda a, b: [(e := brier(a, b)).value, e.se], y[order], p[order])
    whole = brier(y, p)
    t = (found[:, 0] - whole.value) / found[:, 1]
    estimate = bootstrap(brier, y, p, rng=2, replicates=300, interval="studentized")
    want = whole.value - whole.se * np.quantile(t, [0.975, 0.025])
    assert (estimate.low, estimate.high) == pytest.approx(want, abs=1e-12)
    assert estimate.method == "bootstrap, studentised"
    none = bootstrap(lambda a, b: float(b.mean()), y, p, rng=2, interval="studentized")
    assert math.isnan(none.low)
    assert "too few" in none.note


def test_several_statistics_share_their_replicates() -> None:
    y, p = simulated(17)
    own = {"mine": lambda a, b: float(np.median(b)), "auc": "auc", "cut": functools.partial(ppv, threshold=0.5)}
    together = bootstrap_all(own, y, p, rng=1, replicates=100)
    for name, statistic in own.items():
        assert together[name] == bootstrap(statistic, y, p, rng=1, replicates=100)


def test_same_seed_same_bytes_other_seed_other_draws() -> None:
    y, p = simulated(2)
    first, again, other = (bootstrap(auc, y, p, rng=seed, replicates=200) for seed in (1, 1, 2))
    assert first == again
    assert first.low != other.low
    assert bootstrap(auc, y, p, rng=np.random.default_rng(1), replicates=200) == first
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    bootstrap(auc, y, p, rng=3, replicates=50)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


@pytest.mark.parametrize("statistic", [auc, brier])
def test_bca_against_scipy_on_the_same_replicates(statistic) -> None:
    y, p = simulated(4, digits=3)
    order = np.lexsort((y, p))
    y, p = y[order], p[order]
    values = _replicates({"s": statistic}, y, p, draw_plan(y, rng=9, replicates=1000), False)["s"][:, 0]

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
    with pytest.raises(InputError, match="`interval` must be one of 'percentile', 'bca', 'studentized'"):
        bootstrap(auc, y, p, rng=0, interval="basic")
    with pytest.raises(InputError, match="`statistic` must be one of 'auc'"):
        bootstrap("nonsense", y, p, rng=0)
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


def test_bca_of_the_slope_with_many_patients_takes_one_step_a_patient() -> None:
    y, p = simulated(21, n=2400, digits=3)
    p = np.clip(p, 0.01, 0.99)
    p[:3], y[:3] = 0.0, 0  # these add nothing and are left out without effect
    order = np.lexsort((y, p))
    y, p = y[order], p[order]
    for column, function in enumerate((calibration_intercept, calibration_slope, calibration_in_the_large)):
        quickly = line_jackknife(y, p, column)
        some = np.r_[0, 5, 400, 1200, 2399]
        exact = [function(np.delete(y, i), np.delete(p, i)).value for i in some]
        np.testing.assert_allclose(quickly[some], exact, atol=2e-6)
        assert np.ptp(quickly) > 1e-4
        assert quickly[0] == pytest.approx(function(y, p).value, abs=1e-12)
    undefined = np.where(np.arange(2400) < 1200, 0, 1)
    assert np.isnan(line_jackknife(undefined, np.linspace(0.1, 0.9, 2400), 1)).all()
    assert not np.isnan(line_jackknife(undefined, np.linspace(0.1, 0.9, 2400), 2)).any()


def test_what_has_no_quick_path() -> None:
    assert quick(functools.partial(net_benefit, threshold=1.0)) is None
    assert quick(functools.partial(net_benefit, threshold=0.2, harm=0.1)) is None
    assert quick(functools.partial(auc)) is None
    assert quick([]) is None
    assert quick(lambda a, b: 0.0) is None
    for way in (calibration_slope, auc):
        assert np.isnan(_jackknife(way, np.array([1]), np.array([0.3]))).all()


def test_jackknife_by_its_formula() -> None:
    y, p = simulated(22, n=30)
    for statistic in (auc, brier, calibration_slope, lambda a, b: float(np.log(b.mean()))):
        value = getattr(statistic(y, p), "value", None) or statistic(y, p)
        without = [statistic(np.delete(y, i), np.delete(p, i)) for i in range(30)]
        t = np.array([getattr(v, "value", v) for v in without])
        found = jackknife(statistic, y, p)
        se = math.sqrt(29 / 30 * ((t - t.mean()) ** 2).sum())
        assert found.value == pytest.approx(value)
        assert found.se == pytest.approx(se)
        assert (found.low, found.high) == pytest.approx((value - 1.959963985 * se, value + 1.959963985 * se))
        assert float(found.note.split()[1]) == pytest.approx(29 * (t.mean() - value), rel=1e-3, abs=1e-11)
        assert (found.method, found.n, found.n_events) == ("jackknife", 30, y.sum())
    by_cluster = jackknife("brier", y, p, clusters=np.arange(30) // 3)
    loss = ((p - y) ** 2).reshape(10, 3)
    t = (loss.sum() - loss.sum(axis=1)) / 27
    assert by_cluster.se == pytest.approx(math.sqrt(0.9 * ((t - t.mean()) ** 2).sum()))
    assert by_cluster.method == "jackknife, by cluster"


def test_jackknife_where_it_is_undefined() -> None:
    one_event = jackknife("auc", [0, 0, 0, 1], [0.1, 0.2, 0.3, 0.4])
    assert math.isnan(one_event.se)
    assert one_event.note == "undefined without 4 of 4 patients"
    assert jackknife("brier", [1], [0.4]).note == "undefined without 1 of 1 patients"
    assert "no non-event" in jackknife("auc", [1, 1], [0.4, 0.5]).note
    assert jackknife("brier", [1, 0], [0.4, 0.5], clusters=["a", "a"]).note == "undefined without 1 of 1 clusters"
