from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validkit.errors import InputError
from validkit.stats.clustered import clustered_auc, clustered_covariance, clustered_placement_covariance
from validkit.stats.discrimination import auc, delong_covariance, logit_interval, newcombe_interval, placements
from validkit.stats.intervals import z_of

quick = settings(deadline=None, max_examples=50)
METHODS = ("obuchowski", "logit-obuchowski")
Lesions = tuple[np.ndarray, np.ndarray, np.ndarray]


@st.composite
def lesions(draw: st.DrawFn) -> Lesions:
    y = draw(st.lists(st.integers(0, 1), min_size=2, max_size=30).filter(lambda v: 0 < sum(v) < len(v)))
    p = draw(st.lists(st.integers(0, 8), min_size=len(y), max_size=len(y)))
    who = draw(st.lists(st.integers(0, 9), min_size=len(y), max_size=len(y)))
    return np.array(y), np.array(p) / 8, np.array(who)


def brute(y: np.ndarray, scores: np.ndarray, who: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Obuchowski's formulas (Biometrics 53 (1997) 567-578) with the paper's letters, pair by pair."""
    x, z = scores[:, y == 1], scores[:, y == 0]
    psi = (x[:, :, None] > z[:, None, :]) + 0.5 * (x[:, :, None] == z[:, None, :])
    theta, v10, v01 = psi.mean(axis=(1, 2)), psi.mean(axis=2), psi.mean(axis=1)
    labels = np.unique(who)
    a = np.stack([(v10 - theta[:, None])[:, who[y == 1] == c].sum(axis=1) for c in labels], axis=1)
    b = np.stack([(v01 - theta[:, None])[:, who[y == 0] == c].sum(axis=1) for c in labels], axis=1)
    m, n, i = int((y == 1).sum()), int((y == 0).sum()), labels.size
    i10, i01 = np.unique(who[y == 1]).size, np.unique(who[y == 0]).size
    s10, s01 = i10 / ((i10 - 1) * m) * a @ a.T, i01 / ((i01 - 1) * n) * b @ b.T
    s11 = i / (i - 1) * a @ b.T
    return theta, s10 / m + s01 / n + (s11 + s11.T) / (m * n)


@quick
@given(lesions(), st.integers(1, 3))
def test_covariance_follows_its_definition(sample: Lesions, k: int) -> None:
    y, p, who = sample
    rng = np.random.default_rng(y.size)
    scores = np.stack([p, *(np.round(rng.random(y.size), 1) for _ in range(k - 1))])
    areas, cov = clustered_covariance(y, scores, who)
    np.testing.assert_allclose(areas, delong_covariance(y, scores)[0], atol=1e-15)
    if min(np.unique(who[y == 1]).size, np.unique(who[y == 0]).size) < 2:
        assert np.isnan(cov).all()
        return
    theta, want = brute(y, scores, who)
    np.testing.assert_allclose(areas, theta, atol=1e-15)
    np.testing.assert_allclose(cov, want, atol=1e-14)
    np.testing.assert_array_equal(cov, cov.T)


@quick
@given(lesions())
def test_with_every_row_a_cluster_it_is_delongs(sample: Lesions) -> None:
    y, p, _ = sample
    scores = np.stack([p, 1 - p**2])
    own = [f"patient {i}" for i in range(y.size)]
    for ours, theirs in zip(clustered_covariance(y, scores, own), delong_covariance(y, scores), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-15)
    if 2 <= y.sum() <= y.size - 2:
        a, b = clustered_auc(y, p, own), auc(y, p)
        assert (a.value, a.n, a.n_events) == (b.value, b.n, b.n_events)
        np.testing.assert_allclose([a.low, a.high], [b.low, b.high], atol=1e-12)


@quick
@given(lesions(), st.integers(0, 1000))
def test_order_labels_transform_and_mirror(sample: Lesions, seed: int) -> None:
    y, p, who = sample
    order = np.random.default_rng(seed).permutation(y.size)
    straight, shuffled = clustered_auc(y, p, who), clustered_auc(y[order], p[order], who[order])
    assert (shuffled.value, shuffled.method) == (straight.value, straight.method)
    np.testing.assert_allclose([shuffled.low, shuffled.high], [straight.low, straight.high], atol=1e-13)
    assert clustered_auc(y, p**3, [("lesion of", int(w)) for w in who]) == straight
    mirrored = clustered_auc(1 - y, 1 - p, who)
    np.testing.assert_allclose(
        [mirrored.value, mirrored.low, mirrored.high], [straight.value, straight.low, straight.high], atol=1e-9
    )
    for method in METHODS:
        estimate = clustered_auc(y, p, who, method=method)
        assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1


# Three patients: a has an event and a non-event, b two events, c a non-event; AUC 4/6
Y, P, WHO = [1, 0, 1, 1, 0], [0.6, 0.5, 0.9, 0.2, 0.3], ["a", "a", "b", "b", "c"]


def test_variance_by_hand() -> None:
    """Placements: events 1, 1, 0 of 1; non-events 2/3 each of 1. A = (1/3, -1/3, 0), B = (0, 0, 0)."""
    areas, cov = clustered_covariance(Y, P, WHO)
    assert areas.tolist() == pytest.approx([2 / 3])
    assert cov[0, 0] == pytest.approx(2 / (1 * 9) * (2 / 9))
    for method, name in zip(METHODS, ("Obuchowski", "Obuchowski on the logit scale"), strict=True):
        estimate = clustered_auc(Y, P, WHO, level=0.5, method=method)
        se = math.sqrt(4 / 81)
        assert estimate.se == pytest.approx(se)
        wald = (2 / 3 - z_of(0.5) * se, 2 / 3 + z_of(0.5) * se)
        want = wald if method == "obuchowski" else logit_interval(2 / 3, se, 0.5)
        assert (estimate.low, estimate.high) == pytest.approx(want)
        assert (estimate.method, estimate.level, estimate.n, estimate.n_events) == (name, 0.5, 5, 3)
        assert estimate.note == "3 clusters"


def test_interval_is_cut_at_its_bound_with_a_note() -> None:
    estimate = clustered_auc(Y, P, WHO, level=0.95)
    assert estimate.high == 1.0
    assert estimate.low == pytest.approx(2 / 3 - 1.959963984540054 * 2 / 9)
    assert estimate.note == "interval cut at its bound; logit-obuchowski stays inside; 3 clusters"
    low = clustered_auc([1 - v for v in Y], P, WHO)
    assert (low.low, low.high) == (0.0, pytest.approx(1 - estimate.low))
    assert low.note == estimate.note


def test_a_shared_level_of_each_patient_cancels_within_but_not_between() -> None:
    """Doubling every row within its cluster leaves AUC and variance as they are; DeLong's would halve."""
    rng = np.random.default_rng(3)
    y, p, who = rng.integers(0, 2, 40), rng.random(40), np.repeat(np.arange(20), 2)
    once, twice = clustered_auc(y, p, who), clustered_auc(np.tile(y, 2), np.tile(p, 2), np.tile(who, 2))
    assert twice.value == pytest.approx(once.value, abs=1e-15)
    assert twice.se == pytest.approx(once.se, rel=1e-12)
    assert clustered_auc(y, p, who, weights=np.full(40, 2)).se == pytest.approx(once.se, rel=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_a_perfect_model_gets_newcombes_interval_by_cluster(method: str) -> None:
    estimate = clustered_auc([1, 1, 1, 0, 0, 0], [0.9, 0.8, 0.7, 0.3, 0.2, 0.1], [1, 1, 2, 2, 3, 4], method=method)
    assert (estimate.value, estimate.n, estimate.n_events) == (1.0, 6, 3)
    assert (estimate.low, estimate.high) == newcombe_interval(1.0, 2, 3, 0.95)
    assert math.isnan(estimate.se)
    assert estimate.method == "Newcombe, method 5, by cluster"
    assert estimate.note == (
        "Obuchowski's variance is zero or negative: interval after Newcombe with 2 clusters that hold events "
        "and 3 that hold non-events; 4 clusters"
    )


def test_a_single_cluster_with_events() -> None:
    estimate = clustered_auc([1, 1, 0, 0], [0.9, 0.2, 0.3, 0.1], ["a", "a", "b", "c"], level=0.9)
    assert estimate.value == 0.75
    assert (estimate.low, estimate.high) == newcombe_interval(0.75, 1, 2, 0.9)
    assert estimate.note.startswith("Obuchowski's variance is undefined: interval after Newcombe with 1 clusters")


def test_constant_predictions_and_one_outcome() -> None:
    estimate = clustered_auc([0, 1, 0, 1], [0.3] * 4, [1, 1, 2, 2])
    assert (estimate.value, estimate.low, estimate.high, estimate.se) == (0.5, 0.5, 0.5, 0.0)
    assert (estimate.n, estimate.n_events, estimate.method) == (4, 2, "Obuchowski")
    assert estimate.note == "all predictions are equal: 0.5 by definition, without sampling error; 2 clusters"
    for y, note in (([1, 1], "undefined: no non-event; 2 clusters"), ([0, 0], "undefined: no event; 2 clusters")):
        estimate = clustered_auc(y, [0.1, 0.2], ["a", "b"])
        assert math.isnan(estimate.value)
        assert (estimate.note, estimate.n, estimate.n_events, estimate.level) == (note, 2, sum(y), 0.95)
        areas, cov = clustered_covariance(y, [[0.1, 0.2], [0.3, 0.1]], ["a", "b"])
        assert np.isnan(areas).all()
        assert areas.shape == (2,)
        assert np.isnan(cov).all()
        assert cov.shape == (2, 2)


def test_labels_of_any_kind() -> None:
    want = clustered_auc(Y, P, WHO)
    for labels in (
        np.array(WHO),
        pd.Series(WHO),
        pd.Categorical(WHO),
        [7, 7, "b", "b", (1, 2)],
        np.array([1.5, 1.5, 2, 2, -3]),
    ):
        assert clustered_auc(Y, P, labels) == want


def test_missing_labels_and_complete_cases() -> None:
    for absent in (None, math.nan, pd.NA, pd.NaT):
        labels = ["a", "a", absent, "b", "b", "c"]
        y, p = [1, 0, 1, 1, 1, 0], [0.6, 0.5, 0.99, 0.9, 0.2, 0.3]
        with pytest.raises(InputError, match=r"`clusters` is missing for 1 of 6 rows \(first: 2\)"):
            clustered_auc(y, p, labels)
        estimate = clustered_auc(y, p, labels, missing="complete-case")
        assert (estimate.n, estimate.n_missing) == (5, 1)
        assert (estimate.value, estimate.se) == (clustered_auc(Y, P, WHO).value, clustered_auc(Y, P, WHO).se)
        assert "3 clusters" in estimate.note
    estimate = clustered_auc([*Y, 1], [*P, math.nan], [*WHO, "d"], missing="complete-case")
    assert (estimate.n, estimate.n_missing) == (5, 1)


@pytest.mark.parametrize(
    ("clusters", "message"),
    [
        ("abcde", "`clusters` must hold one label for each row, not 'abcde'"),
        (3, "`clusters` must hold one label for each row, not 3"),
        (WHO[:4], "`clusters` has 4 labels for 5 rows of `y_true`; every row needs one"),
        ([[1], [1], [2], [2], [3]], r"`clusters` must hold labels that can be compared and hashed \(unhashable"),
    ],
)
def test_clusters_are_checked(clusters: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        clustered_auc(Y, P, clusters)
    with pytest.raises(InputError, match=message):
        clustered_covariance(Y, P, clusters)


def test_other_arguments_are_checked() -> None:
    with pytest.raises(InputError, match="`method` must be one of 'obuchowski', 'logit-obuchowski', not 'delong'"):
        clustered_auc(Y, P, WHO, method="delong")
    with pytest.raises(InputError, match=r"its shape is \(1, 4\) for 5 rows"):
        clustered_covariance(Y, [P[:4]], WHO)
    with pytest.raises(InputError, match=r"`probs\[1\]` is missing"):
        clustered_covariance(Y, [P, [*P[:4], math.nan]], WHO)
    with pytest.raises(InputError, match="`level` must lie"):
        clustered_auc(Y, P, WHO, level=1.5)
    assert clustered_auc(Y, [10 * v for v in P], WHO, scale="score") == clustered_auc(Y, P, WHO)


def test_difference_of_two_models_through_placements() -> None:
    """The variance of a difference is that of the difference of placements: no cancellation."""
    rng = np.random.default_rng(8)
    y, who = rng.integers(0, 2, 60), np.repeat(np.arange(20), 3)
    a, b = rng.random(60), rng.random(60)
    gap = (placements(y, a) - placements(y, b))[None, :]
    area, variance = clustered_placement_covariance(y, gap, who)
    areas, cov = clustered_covariance(y, [a, b], who)
    assert area[0] == pytest.approx(areas[0] - areas[1], abs=1e-15)
    assert variance[0, 0] == pytest.approx(cov[0, 0] + cov[1, 1] - 2 * cov[0, 1], abs=1e-14)


def test_coverage_with_correlated_lesions() -> None:
    """400 samples of 40 patients with four lesions of one kind, half of the variance shared: true AUC 0.76."""
    rng = np.random.default_rng(5)
    who, y = np.repeat(np.arange(40), 4), np.repeat([0, 1], 80)
    truth, clustered, naive = 0.7602499389065233, 0, 0  # Phi(1 / sqrt 2)
    for _ in range(400):
        score = y + math.sqrt(0.5) * (rng.normal(size=40)[who] + rng.normal(size=160))
        ours, delong = clustered_auc(y, score, who, scale="score"), auc(y, score, scale="score")
        clustered += ours.low <= truth <= ours.high
        naive += delong.low <= truth <= delong.high
    assert 0.91 < clustered / 400 < 0.985
    assert naive / 400 < 0.87
