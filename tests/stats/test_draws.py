"""The bootstrap engine: its random streams, its plans, and intervals from replicates."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from validkit.errors import InputError
from validkit.stats import kernels
from validkit.stats.checks import check_clusters
from validkit.stats.draws import (
    _count_side_by_side,
    available_threads,
    bca_limits,
    draw_plan,
    jackknife,
    percentile_limits,
    studentized_limits,
    usable,
)

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15


def _mix(z: int) -> int:
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def _rotate(x: int, k: int) -> int:
    return ((x << k) | (x >> (64 - k))) & MASK


def drawn_in_python(seed: int, replicate: int, strata: list[list[int]], units: int) -> list[int]:
    """The published generators, written out in whole numbers of any size: xoroshiro128+, splitmix64, Lemire."""
    count = [0] * units
    s0 = _mix((seed * GOLDEN + replicate + 1) & MASK)
    s1 = _mix((s0 + GOLDEN) & MASK)
    for members in strata:
        m, drawn = len(members), 0
        reject = (1 << 32) % m if m else 0
        while drawn < m:
            word = (s0 + s1) & MASK
            s1 ^= s0
            s0 = (_rotate(s0, 24) ^ s1 ^ (s1 << 16)) & MASK
            s1 = _rotate(s1, 37)
            for half in (word >> 32, word & 0xFFFFFFFF):
                x = half * m
                if drawn < m and (x & 0xFFFFFFFF) >= reject:
                    count[members[x >> 32]] += 1
                    drawn += 1
    return count


@pytest.mark.parametrize("stratified", [False, True])
def test_the_stream_is_the_published_one(stratified: bool) -> None:
    y = np.array([0, 1, 1, 0, 0, 0, 1, 0, 0, 1, 0])
    plan = draw_plan(y, rng=7, replicates=25, stratified=stratified)
    strata = [np.flatnonzero(y == 0).tolist(), np.flatnonzero(y == 1).tolist()] if stratified else [list(range(11))]
    want = [drawn_in_python(plan.seed, b, strata, 11) for b in range(25)]
    np.testing.assert_array_equal(plan.counts(0, 25), want)
    np.testing.assert_array_equal(plan.counts(6, 9), want[6:9])


def test_draws_are_uniform_and_independent() -> None:
    n = 40
    plan = draw_plan(np.zeros(n), rng=3, replicates=20_000)
    counts = plan.counts(0, plan.size)
    assert (counts.sum(axis=1) == n).all()
    per_patient = counts.sum(axis=0)
    assert scipy_stats.chisquare(per_patient).pvalue > 1e-4
    shares = np.bincount(counts.ravel(), minlength=8)[:8] / counts.size
    np.testing.assert_allclose(shares, scipy_stats.binom.pmf(np.arange(8), n, 1 / n), atol=0.002)
    correlation = np.corrcoef(counts.T) - np.eye(n)
    assert abs(correlation[~np.eye(n, dtype=bool)].mean() + 1 / (n - 1)) < 2e-4
    neighbours = np.corrcoef(counts[:-1, 0], counts[1:, 0])[0, 1]
    assert abs(neighbours) < 0.03


def test_strata_and_clusters_are_kept_whole() -> None:
    y = np.array([0, 0, 1, 1, 0, 1, 0, 0])
    stratified = draw_plan(y, rng=1, replicates=50, stratified=True).counts(0, 50)
    assert (stratified[:, y == 1].sum(axis=1) == 3).all()
    assert (stratified[:, y == 0].sum(axis=1) == 5).all()
    labels = np.array(["a", "a", "b", "b", "c", "c", "c", "d"])
    plan = draw_plan(y, rng=1, replicates=200, clusters=labels)
    counts = plan.counts(0, 200)
    for label in "abcd":
        members = counts[:, labels == label]
        assert (members == members[:, :1]).all()
    assert (counts[:, [0, 2, 4, 7]].sum(axis=1) == 4).all()
    assert plan.label == ", by cluster"
    both = draw_plan(y, rng=1, replicates=200, clusters=labels, stratified=True)
    assert both.label == ", stratified, by cluster"
    assert (both.counts(0, 200)[:, [2, 4]].sum(axis=1) == 2).all()  # b and c hold an event, a and d do not
    assert (both.counts(0, 200)[:, [0, 7]].sum(axis=1) == 2).all()


def test_labels_of_any_kind_make_the_same_clusters() -> None:
    y = np.zeros(6)
    plans = [
        draw_plan(y, rng=5, replicates=30, clusters=labels)
        for labels in ([1, 1, 2, 2, 3, 3], ["x", "x", "y", "y", "z", "z"], np.array([1, 1, 2, 2, 3, 3], object))
    ]
    for other in plans[1:]:
        np.testing.assert_array_equal(other.counts(0, 30), plans[0].counts(0, 30))


def test_seed_and_generator_say_the_same_and_bad_ones_are_refused() -> None:
    y = np.zeros(9)
    assert draw_plan(y, rng=4).seed == draw_plan(y, rng=np.random.default_rng(4)).seed
    assert draw_plan(y, rng=4).seed != draw_plan(y, rng=5).seed
    for bad in (None, 1.5, True, "seed", -1):
        with pytest.raises(InputError, match="`rng` must be a numpy Generator or a whole number"):
            draw_plan(y, rng=bad)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="`replicates` must be a whole number of at least 20"):
        draw_plan(y, rng=1, replicates=19)
    with pytest.raises(InputError, match=r"`clusters` must hold one label for each of 9 patients; its shape is \(3,\)"):
        draw_plan(y, rng=1, clusters=[1, 2, 3])
    with pytest.raises(InputError, match="`clusters` is missing for 1 of 9 patients"):
        draw_plan(y, rng=1, clusters=[1, 2, 3, 4, 5, 6, 7, 8, math.nan])


def test_replicates_take_any_statistic_and_any_columns() -> None:
    y = np.array([0, 1, 0, 1, 1, 0, 0, 1])
    table = np.arange(16.0).reshape(8, 2)
    plan = draw_plan(y, rng=2, replicates=40)
    values = plan.replicates(lambda a, t: [a.mean(), t[:, 1].sum()], y, table)
    counts = plan.counts(0, 40)
    np.testing.assert_allclose(values[:, 0], counts @ y / 8)
    np.testing.assert_allclose(values[:, 1], counts @ table[:, 1])
    seen: list[tuple[int, int]] = []
    plan.replicates(lambda a: a.mean(), y, progress=lambda done, of: seen.append((done, of)))
    assert seen[-1] == (40, 40)


def test_run_covers_every_replicate_once_on_any_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = draw_plan(np.zeros(10), rng=1, replicates=101)
    monkeypatch.setattr("validkit.stats.draws._WORTH_A_THREAD", 0)
    for threads in (None, 1, 2, 7, 200):
        done = np.zeros(101, int)
        told: list[int] = []

        def kernel(start: int, stop: int, done: np.ndarray = done) -> None:
            done[start:stop] += 1

        plan.run(kernel, threads=threads)
        plan.run(kernel, threads=threads, progress=lambda d, of, told=told: told.append(d))
        assert (done == 2).all()
        assert told[-1] == 101
        assert told == sorted(told)
    with pytest.raises(InputError, match="`threads` must be a whole number of at least 1"):
        plan.run(lambda start, stop: None, threads=0)
    assert available_threads() >= 1


def test_percentile_limits_and_what_makes_them_undefined() -> None:
    values = np.arange(101.0)
    low, high, note = percentile_limits(values, 0.9)
    assert (low, high) == pytest.approx((5.0, 95.0))
    assert note == "101 of 101 replicates"
    lost = np.r_[values, np.full(5, np.nan)]
    assert percentile_limits(lost, 0.9)[2] == "101 of 106 replicates"
    low, high, note = percentile_limits(np.r_[values, np.full(6, np.inf)], 0.9)
    assert math.isnan(low)
    assert math.isnan(high)
    assert note == "101 of 107 replicates gave a value: too few for an interval"
    assert percentile_limits(np.arange(20.0), 0.9)[2] == "20 of 20 replicates"
    assert "too few" in percentile_limits(np.arange(19.0), 0.9)[2]
    low, _, note = percentile_limits(np.full(30, 2.0), 0.9)
    assert math.isnan(low)
    assert note == "30 of 30 replicates; all are equal, which says nothing about the next sample: no interval"
    kept, _, enough = usable(lost)
    assert enough
    assert kept.size == 101


def test_bca_limits_by_hand() -> None:
    values = np.arange(1.0, 1001.0)
    flat = np.array([1.0, 2.0, 3.0])  # no skewness, no acceleration
    low, high, _ = bca_limits(values, 500.5, flat, 0.95)
    assert (low, high) == pytest.approx(np.quantile(values, [0.025, 0.975]))
    z0, a = scipy_stats.norm.ppf(0.6), 0.0
    z = scipy_stats.norm.ppf([0.025, 0.975])
    want = np.quantile(values, scipy_stats.norm.cdf(z0 + (z0 + z) / (1 - a * (z0 + z))))
    assert bca_limits(values, 600.5, flat, 0.95)[:2] == pytest.approx(want)
    skewed = np.array([0.0, 0.0, 3.0, 1.0])
    gap = skewed.mean() - skewed
    a = (gap**3).sum() / (6 * (gap**2).sum() ** 1.5)
    want = np.quantile(values, scipy_stats.norm.cdf(z / (1 - a * z)))
    assert bca_limits(values, 500.5, skewed, 0.95)[:2] == pytest.approx(want)
    tied = bca_limits(values, 500.0, flat, 0.95)  # the replicate that equals the value counts one half
    z0 = scipy_stats.norm.ppf(0.4995)
    assert tied[:2] == pytest.approx(np.quantile(values, scipy_stats.norm.cdf(2 * z0 + z)))


def test_bca_limits_undefined() -> None:
    values = np.arange(100.0)
    assert "all replicates lie on one side of the value" in bca_limits(values, 1000.0, values, 0.9)[2]
    assert "does not vary: no BCa interval" in bca_limits(values, 50.0, np.ones(5), 0.9)[2]
    assert "undefined or does not vary" in bca_limits(values, 50.0, np.array([1.0, np.nan]), 0.9)[2]
    assert "too few" in bca_limits(values[:10], 5.0, values, 0.9)[2]


def test_studentized_limits_by_hand() -> None:
    values = np.linspace(-1, 3, 101)
    errors = np.full(101, 2.0)
    t = (values - 1) / 2
    low, high, note = studentized_limits(values, errors, 1.0, 0.5, 0.9)
    assert (low, high) == pytest.approx((1 - 0.5 * np.quantile(t, 0.95), 1 - 0.5 * np.quantile(t, 0.05)))
    assert note == "101 of 101 replicates"
    some = errors.copy()
    some[:3] = 0.0
    assert studentized_limits(values, some, 1.0, 0.5, 0.9)[2] == "98 of 101 replicates"
    assert "no standard error on all patients" in studentized_limits(values, errors, 1.0, math.nan, 0.9)[2]
    assert "too few" in studentized_limits(values, np.zeros(101), 1.0, 0.5, 0.9)[2]


def test_jackknife_leaves_out_patients_or_clusters() -> None:
    y, x = np.array([0, 1, 1, 0]), np.array([1.0, 2.0, 4.0, 8.0])
    np.testing.assert_allclose(jackknife(lambda a, b: [a.sum(), b.sum()], y, x), [[2, 14], [1, 13], [1, 11], [2, 7]])
    by_cluster = jackknife(lambda a, b: b.sum(), y, x, clusters=["u", "v", "u", "w"])
    np.testing.assert_allclose(by_cluster[:, 0], [10, 13, 7])


def test_without_the_only_patient_nothing_is_defined() -> None:
    alone = jackknife(lambda a: [a.mean(), a.sum()], np.array([1.0]))
    assert alone.shape == (1, 2)
    assert np.isnan(alone).all()
    one_cluster = jackknife(lambda a: a.mean(), np.array([1.0, 2.0]), clusters=["x", "x"])
    assert one_cluster.shape == (1, 1)
    assert np.isnan(one_cluster).all()


def test_kernels_compile_without_a_cache_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def njit(cache: bool = False, nogil: bool = False):  # type: ignore[no-untyped-def]
        asked.append(cache)
        if cache:
            raise RuntimeError("no locator available")
        return lambda function: function

    monkeypatch.setattr(kernels.numba, "njit", njit)
    assert kernels.compiled(math.sqrt) is math.sqrt
    assert asked == [True, False]


def test_weighted_sum_ignores_whom_nobody_drew() -> None:
    values = np.array([1.0, np.inf, 2.0, 0.5, 4.0, 8.0])
    assert kernels.weighted_sum(values, np.array([1, 0, 2, 1, 3, 1], np.int32)) == 1 + 4 + 0.5 + 12 + 8
    assert kernels.weighted_sum(values, np.array([1, 1, 0, 0, 0, 0], np.int32)) == np.inf


def test_cluster_labels_of_several_kinds_and_what_is_no_label() -> None:
    mixed = check_clusters(["1", 1, 2, "1", (3, 4)], 5)
    assert mixed[0] == mixed[3]
    assert len(set(mixed.tolist())) == 4
    np.testing.assert_array_equal(check_clusters(["b", "a", "b"], 3), [1, 0, 1])
    with pytest.raises(InputError, match=r"`clusters` is missing for 1 of 2 patients \(row 1\)"):
        check_clusters(["a", None], 2)
    unhashable = np.empty(2, dtype=object)
    unhashable[0], unhashable[1] = {"a": 1}, {"b": 2}
    with pytest.raises(InputError, match="labels that can be told apart"):
        check_clusters(unhashable, 2)
    with pytest.raises(InputError, match="labels that can be told apart"):
        check_clusters([[1], [1, 2], [3]], 3)
    with pytest.raises(InputError, match="`clusters` must hold one label for each of 2 patients"):
        check_clusters([np.zeros((2, 2)), np.zeros((2, 3))], 2)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**63 - 1),
    sizes=st.lists(st.integers(0, 40), min_size=1, max_size=3),
    start=st.integers(0, 1000),
    count=st.integers(1, 30),
)
def test_draws_without_compiled_code_are_the_same(seed: int, sizes: list[int], start: int, count: int) -> None:
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    members = np.random.default_rng(sum(sizes)).permutation(offsets[-1]).astype(np.int64)
    if len(sizes) == 1:
        members = np.arange(offsets[-1])
    compiled, plain = (np.zeros((count, offsets[-1]), dtype=np.int32) for _ in range(2))
    kernels.counts(seed, start, start + count, members, offsets, compiled)
    _count_side_by_side(seed, start, members, offsets, plain)
    assert np.array_equal(compiled, plain)
