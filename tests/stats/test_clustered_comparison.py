from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validkit.errors import InputError
from validkit.stats.clustered import clustered_covariance
from validkit.stats.clustered_comparison import compare_clustered_auc
from validkit.stats.comparison import compare_auc

quick = settings(deadline=None, max_examples=40)


def simulated(seed: int, n: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.r_[1, 0, 1, 0, rng.integers(0, 2, n - 4)]
    return (
        y,
        np.round(rng.random(n) * 0.5 + 0.3 * y, 2),
        np.round(rng.random(n) * 0.6 + 0.2 * y, 2),
        np.arange(n) // 3,
    )


@quick
@given(st.integers(0, 10**6))
def test_every_row_its_own_cluster_is_delong(seed: int) -> None:
    y, p, q, _ = simulated(seed)
    ours, plain = compare_clustered_auc(y, p, q, np.arange(60)), compare_auc(y, p, q)
    for name in ("value", "low", "high", "se"):
        assert getattr(ours.difference, name) == pytest.approx(getattr(plain.difference, name), rel=1e-9, abs=1e-12)
    assert ours.test.p_value == pytest.approx(plain.test.p_value, rel=1e-8)


def test_everything_follows_from_obuchowskis_covariance() -> None:
    y, p, q, clusters = simulated(3)
    areas, cov = clustered_covariance(y, [p, q], clusters)
    ours = compare_clustered_auc(y, p, q, clusters, level=0.9, alternative="greater", a="x", b="z")
    d, test = ours.difference, ours.test
    value, se = areas[0] - areas[1], math.sqrt(cov[0, 0] + cov[1, 1] - 2 * cov[0, 1])
    assert (d.value, d.se) == (pytest.approx(value), pytest.approx(se))
    half = NormalDist().inv_cdf(0.95) * se
    assert (d.low, d.high) == (pytest.approx(value - half), pytest.approx(value + half))
    assert (test.statistic, test.p_value) == (pytest.approx(value / se), pytest.approx(NormalDist().cdf(-value / se)))
    assert (d.method, test.method, d.note) == (
        "Obuchowski, paired",
        "Obuchowski, paired, greater",
        "20 clusters",
    )
    assert (d.n, d.n_events, d.level, ours.a, ours.b, test.note) == (60, int(y.sum()), 0.9, "x", "z", "20 clusters")
    back = compare_clustered_auc(y, q, p, [f"patient {c}" for c in clusters])
    assert back.difference.value == pytest.approx(-value)
    assert back.difference.se == pytest.approx(se)


def test_copies_of_a_row_in_its_cluster_add_nothing() -> None:
    """Two copies of every row, clustered: the variance of the single rows, up to m/(m - 1) terms."""
    y, p, q, _ = simulated(5)
    single = compare_auc(y, p, q).difference
    twice = compare_clustered_auc(*(np.repeat(v, 2) for v in (y, p, q, np.arange(60)))).difference
    assert twice.value == pytest.approx(single.value)
    assert twice.se == pytest.approx(single.se, rel=1e-9)


def test_where_there_is_no_test() -> None:
    y, p, _, clusters = simulated(2)
    same = compare_clustered_auc(y, p, p**2, clusters)
    assert (same.difference.value, same.difference.low, same.difference.se) == (0, 0, 0)
    assert (same.test.statistic, same.test.p_value) == (0, 1)
    assert same.test.note == "both rank every event against every non-event alike; 20 clusters"
    none = compare_clustered_auc([1, 1], [0.1, 0.2], [0.2, 0.1], ["a", "b"])
    assert none.test.note == "undefined: no non-event; 2 clusters"
    assert compare_clustered_auc([0, 0], [0.1, 0.2], [0.2, 0.1], [1, 1]).test.note == "undefined: no event; 1 clusters"
    one = compare_clustered_auc([1, 0, 0, 1], [0.4, 0.3, 0.2, 0.5], [0.2, 0.5, 0.1, 0.3], [1, 1, 2, 1])
    assert one.test.note == "fewer than two clusters hold an event, or a non-event: no variance, no test; 2 clusters"
    flat = compare_clustered_auc([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], [0.9, 0.8, 0.2, 0.1], [1, 2, 3, 4])
    assert flat.difference.value == 1
    assert flat.test.note == "Obuchowski's variance of the difference is zero or negative: no test; 4 clusters"
    for ours in (none, one, flat):
        assert math.isnan(ours.test.p_value)
        assert math.isnan(ours.difference.low)


def test_bad_arguments_weights_and_missing_values() -> None:
    y, p, q, clusters = simulated(2)
    with pytest.raises(InputError, match="`clusters` has 59 labels"):
        compare_clustered_auc(y, p, q, clusters[1:])
    with pytest.raises(InputError, match="`alternative`"):
        compare_clustered_auc(y, p, q, clusters, alternative="x")
    with pytest.raises(InputError, match="`prob_b` must lie"):
        compare_clustered_auc(y, p, q * 9, clusters)
    scores = compare_clustered_auc(y, p * 9, q * 9, clusters, scale="score")
    assert scores.difference.value == pytest.approx(compare_clustered_auc(y, p, q, clusters).difference.value)
    labels = [None if i == 4 else int(c) for i, c in enumerate(clusters)]
    ours, kept = compare_clustered_auc(y, p, q, labels, missing="complete-case"), np.arange(60) != 4
    want = compare_clustered_auc(y[kept], p[kept], q[kept], clusters[kept])
    assert (ours.difference.value, ours.difference.n, ours.test.n_missing) == (want.difference.value, 59, 1)
    weights = np.arange(60) % 3
    rows = np.repeat(np.arange(60), weights)
    assert compare_clustered_auc(y, p, q, clusters, weights=weights) == compare_clustered_auc(
        y[rows], p[rows], q[rows], clusters[rows]
    )


def test_size_with_two_lesions_a_patient() -> None:
    """Lesions of a patient share their markers' errors; 600 studies of 60 patients reject about 5 %."""
    rng = np.random.default_rng(8)
    clusters, rejected = np.repeat(np.arange(60), 2), 0
    for _ in range(600):
        y = rng.integers(0, 2, 120)
        shared = np.repeat(rng.normal(size=(2, 60)), 2, axis=1)
        p, q = y + shared + 0.5 * rng.normal(size=(2, 120))
        rejected += compare_clustered_auc(y, p, q, clusters, scale="score").test.p_value < 0.05
    assert 0.025 < rejected / 600 < 0.085
