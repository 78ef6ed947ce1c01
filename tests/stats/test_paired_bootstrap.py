from __future__ import annotations

import math
from functools import partial
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

from validkit.errors import InputError
from validkit.stats.calibration import calibration_slope
from validkit.stats.discrimination import auc
from validkit.stats.draws import bca_limits, draw_plan, jackknife
from validkit.stats.overall import brier, log_loss, scaled_brier
from validkit.stats.paired_bootstrap import bootstrap_comparison
from validkit.stats.utility import net_benefit


def simulated(seed: int, n: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.r_[1, 1, 0, 0, rng.integers(0, 2, n - 4)]
    p, q = np.round(rng.random(n) * 0.5 + 0.3 * y + 0.05, 2), np.round(rng.random(n) * 0.6 + 0.1 * y + 0.05, 2)
    order = np.lexsort((y, q, p))
    return y[order], p[order], q[order]


def plain(statistic: Any) -> Any:
    """The same statistic in a function that has no quick path."""
    return lambda y, p: statistic(y, p).value


def replicates(statistic: Any, y: Any, p: Any, q: Any, **options: Any) -> np.ndarray:
    plan = draw_plan(y, **options)
    return plan.replicates(lambda a, b, c: statistic(a, b).value - statistic(a, c).value, y, p, q)[:, 0]


@pytest.mark.parametrize(
    "statistic",
    [auc, brier, scaled_brier, log_loss, calibration_slope, partial(net_benefit, threshold=0.4)],
    ids=["auc", "brier", "ipa", "log loss", "slope", "net benefit"],
)
@pytest.mark.parametrize("interval", ["percentile", "bca"])
def test_quick_paths_equal_the_plain_one(statistic: Any, interval: str) -> None:
    y, p, q = simulated(2)
    options: dict[str, Any] = {"rng": 4, "replicates": 60, "interval": interval, "stratified": True}
    quick = bootstrap_comparison(statistic, y, p, q, **options)
    slow = bootstrap_comparison(plain(statistic), y, p, q, **options)
    for name in ("value", "low", "high", "se"):
        assert getattr(quick.difference, name) == pytest.approx(getattr(slow.difference, name), rel=1e-7, abs=1e-12)
    assert quick.test.p_value == slow.test.p_value
    assert quick.difference.note == slow.difference.note == "60 of 60 replicates"
    assert quick.difference.low < quick.difference.high


def test_everything_follows_from_the_replicates() -> None:
    y, p, q = simulated(3)
    values = replicates(brier, y, p, q, rng=9, replicates=200)
    ours = bootstrap_comparison(brier, y, p, q, rng=9, replicates=200, level=0.9, a="x", b="z")
    d, test = ours.difference, ours.test
    assert d.value == pytest.approx(brier(y, p).value - brier(y, q).value)
    assert (d.low, d.high) == tuple(pytest.approx(v) for v in np.quantile(values, [0.05, 0.95]))
    assert d.se == pytest.approx(values.std(ddof=1))
    assert (d.level, d.method, d.n, d.n_events) == (0.9, "bootstrap, percentile", 60, int(y.sum()))
    below, above = np.sum(values <= 0), np.sum(values >= 0)
    assert test.p_value == pytest.approx(min(1, 2 * (min(below, above) + 1) / 201))
    assert (test.statistic, test.df, test.n, test.n_events) == (d.value, None, 60, int(y.sum()))
    assert test.method == "bootstrap, p = (r + 1)/(B + 1), two-sided"
    assert (test.note, d.note, ours.a, ours.b) == (*["200 of 200 replicates"] * 2, "x", "z")
    sided = {
        side: bootstrap_comparison(brier, y, p, q, rng=9, replicates=200, alternative=side).test
        for side in ("less", "greater")
    }
    assert sided["less"].p_value == pytest.approx((above + 1) / 201)
    assert sided["greater"].p_value == pytest.approx((below + 1) / 201)
    assert sided["greater"].method.endswith("(B + 1), greater")
    normal = bootstrap_comparison(brier, y, p, q, rng=9, replicates=200, test="normal")
    z = d.value / d.se
    assert normal.test.statistic == pytest.approx(z)
    assert normal.test.p_value == pytest.approx(2 * NormalDist().cdf(-abs(z)))
    assert normal.test.method == "bootstrap, normal, two-sided"
    less = bootstrap_comparison(brier, y, p, q, rng=9, replicates=200, test="normal", alternative="less")
    assert less.test.p_value == pytest.approx(NormalDist().cdf(z))


def test_replicates_of_exactly_zero_count_on_both_sides() -> None:
    y, p, q = simulated(3)
    q = np.where(np.arange(60) == 30, 1 - p, p)  # one patient is decided differently
    half = partial(net_benefit, threshold=0.5)
    values = replicates(half, y, p, q, rng=9, replicates=100)
    below, above = int(np.sum(values <= 0)), int(np.sum(values >= 0))
    assert below + above > 110
    for side, extreme in (("less", above), ("greater", below)):
        ours = bootstrap_comparison(half, y, p, q, rng=9, replicates=100, alternative=side)
        assert ours.test.p_value == pytest.approx((extreme + 1) / 101)


def test_bca_and_clusters() -> None:
    y, p, q = simulated(5)
    clusters = np.arange(60) // 3
    for groups in (None, clusters):
        values = replicates(brier, y, p, q, rng=1, replicates=300, clusters=groups)
        jack = jackknife(lambda a, b, c: brier(a, b).value - brier(a, c).value, y, p, q, clusters=groups)[:, 0]
        value = brier(y, p).value - brier(y, q).value
        ours = bootstrap_comparison(brier, y, p, q, rng=1, replicates=300, interval="bca", clusters=groups).difference
        low, high, _ = bca_limits(values, value, jack, 0.95)
        assert (ours.low, ours.high) == (pytest.approx(low), pytest.approx(high))
        assert ours.method == "bootstrap, BCa" + (", by cluster" if groups is not None else "")
    areas = bootstrap_comparison(auc, y, p, q, rng=1, replicates=60, interval="bca", clusters=clusters)
    slow = bootstrap_comparison(plain(auc), y, p, q, rng=1, replicates=60, interval="bca", clusters=clusters)
    assert areas.difference.low == pytest.approx(slow.difference.low)
    assert areas.test.method == "bootstrap, by cluster, p = (r + 1)/(B + 1), two-sided"


def test_the_order_of_the_rows_does_not_matter() -> None:
    y, p, q = simulated(6)
    order = np.random.default_rng(1).permutation(60)
    for statistic in (auc, brier):
        ours = bootstrap_comparison(statistic, y, p, q, rng=1, replicates=50, clusters=np.arange(60))
        other = bootstrap_comparison(
            statistic, y[order], p[order], q[order], rng=1, replicates=50, clusters=np.arange(60)[order]
        )
        assert other.difference.low == pytest.approx(ours.difference.low)
        assert other.test.p_value == ours.test.p_value


def test_blocks_of_work_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    y, p, q = simulated(6)
    whole = bootstrap_comparison(auc, y, p, q, rng=1, replicates=101)
    monkeypatch.setattr("validkit.stats.paired_bootstrap.BLOCK", 600)
    assert bootstrap_comparison(auc, y, p, q, rng=1, replicates=101) == whole


@pytest.mark.parametrize("statistic", [auc, brier])
def test_models_that_are_alike(statistic: Any) -> None:
    y, p, _ = simulated(1)
    ours = bootstrap_comparison(statistic, y, p, p, rng=1, replicates=40)
    d = ours.difference
    assert (d.value, d.se, ours.test.statistic, ours.test.p_value) == (0, 0, 0, 1)
    assert math.isnan(d.low)
    assert math.isnan(d.high)
    assert ours.test.note == d.note
    assert d.note.endswith("the models do not differ in any replicate")
    assert bootstrap_comparison(statistic, y, p, p, rng=1, alternative="less").test.p_value == 1.0
    normal = bootstrap_comparison(statistic, y, p, p, rng=1, alternative="less", test="normal")
    assert normal.test.p_value == 0.5


def test_p_is_never_zero() -> None:
    y, noise = np.repeat([0, 1], 40), np.random.default_rng(1).random((2, 80))
    ours = bootstrap_comparison(auc, y, 0.8 * y + 0.2 * noise[0], noise[1], rng=1, replicates=99)
    assert ours.test.p_value == 2 / 100


def test_undefined_statistics() -> None:
    one = bootstrap_comparison(auc, [1, 1, 1], [0.1, 0.2, 0.3], [0.3, 0.1, 0.2], rng=1)
    assert math.isnan(one.difference.value)
    assert math.isnan(one.test.p_value)
    assert one.test.note == one.difference.note == "the statistic is undefined or infinite on these patients"
    assert (one.test.n, one.test.n_events) == (3, 3)
    endless = bootstrap_comparison(log_loss, [1, 0], [0.0, 0.5], [0.4, 0.5], rng=1)
    assert endless.difference.value == math.inf
    rare = ([0] * 6 + [1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.55], [0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.15])
    for interval in ("percentile", "bca"):
        few = bootstrap_comparison(auc, *rare, rng=1, replicates=200, interval=interval)
        assert few.difference.value == pytest.approx(4 / 6)
        assert all(math.isnan(v) for v in (few.difference.low, few.difference.se, few.test.p_value))
        assert math.isnan(few.test.statistic)
        assert few.test.note.endswith("of 200 replicates gave a value: too few for an interval")
    assert bootstrap_comparison(auc, *rare, rng=1, replicates=50, stratified=True).test.p_value < 1


def test_bad_arguments_weights_and_missing_values() -> None:
    y, p, q = simulated(7)
    for options, message in (
        ({"interval": "studentized"}, "`interval`"),
        ({"alternative": "x"}, "`alternative`"),
        ({"test": "t"}, "`test`"),
        ({"replicates": 3}, "`replicates`"),
        ({"rng": None}, "`rng`"),
        ({"level": 95}, "`level`"),
    ):
        with pytest.raises(InputError, match=message):
            bootstrap_comparison(auc, y, p, q, **{"rng": 1, **options})
    weighted = bootstrap_comparison(brier, y, p, q, rng=1, replicates=30, weights=np.full(60, 2))
    assert (weighted.difference.n, weighted.test.n) == (120, 120)
    gap = np.where(np.arange(60) == 1, math.nan, p)
    ours = bootstrap_comparison(brier, y, gap, q, rng=1, replicates=30, missing="complete-case")
    assert (ours.difference.n, ours.difference.n_missing, ours.test.n_missing) == (59, 1, 1)
    scores = bootstrap_comparison(auc, y, p * 7, q * 7, rng=1, replicates=30, scale="score", interval="bca")
    assert scores.difference.low == pytest.approx(
        bootstrap_comparison(auc, y, p, q, rng=1, replicates=30, interval="bca").difference.low
    )


def test_coverage_of_the_percentile_interval() -> None:
    """Two equally good markers: the interval of the AUC difference holds 0 about 95 times in 100."""
    rng = np.random.default_rng(3)
    y, inside = np.repeat([0, 1], 40), []
    for _ in range(200):
        p, q = rng.normal(size=80) + y + rng.normal(size=(2, 80))
        d = bootstrap_comparison(auc, y, p, q, rng=rng, replicates=200, scale="score").difference
        inside.append(d.low <= 0 <= d.high)
    assert 0.9 < np.mean(inside) < 0.985


def test_a_registered_metric_may_be_called_by_its_name() -> None:
    y, p, q = [0, 1, 0, 1, 1, 0], [0.1, 0.7, 0.3, 0.9, 0.6, 0.2], [0.2, 0.6, 0.4, 0.5, 0.7, 0.5]
    for name, function in (("brier", brier), ("auc", auc)):
        by_name = bootstrap_comparison(name, y, p, q, rng=1, replicates=100)
        assert by_name == bootstrap_comparison(function, y, p, q, rng=1, replicates=100)
    with pytest.raises(InputError, match="`statistic` must be one of 'auc'"):
        bootstrap_comparison("briar", y, p, q, rng=1)
