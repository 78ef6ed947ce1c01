from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validkit.errors import InputError
from validkit.stats import auc, confusion, delong_covariance, roc_curve, youden_threshold
from validkit.stats.discrimination import logit_interval, midpoint, newcombe_interval, placements

quick = settings(deadline=None, max_examples=60)
METHODS = ("delong", "logit-delong", "newcombe")
Sample = tuple[np.ndarray, np.ndarray]


@st.composite
def samples(draw: st.DrawFn, steps: int = 20, least: int = 1) -> Sample:
    """Both outcomes, and risks on a grid of twentieths, so that ties are common."""
    y = draw(
        st.lists(st.integers(0, 1), min_size=2 * least, max_size=40).filter(lambda v: least <= sum(v) <= len(v) - least)
    )
    p = draw(st.lists(st.integers(0, steps), min_size=len(y), max_size=len(y)))
    return np.array(y), np.array(p) / steps


def brute(y: np.ndarray, p: np.ndarray) -> float:
    gap = p[y == 1][:, None] - p[y == 0][None, :]
    return float(((gap > 0) + 0.5 * (gap == 0)).mean())


@quick
@given(samples())
def test_auc_is_the_share_of_concordant_pairs(sample: Sample) -> None:
    assert auc(*sample).value == pytest.approx(brute(*sample), abs=1e-15)


@quick
@given(samples())
def test_interval_lies_in_bounds_and_holds_the_value(sample: Sample) -> None:
    for method in METHODS:
        estimate = auc(*sample, method=method)
        assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1


@quick
@given(samples(), st.randoms(use_true_random=False))
def test_order_of_patients_does_not_matter(sample: Sample, random) -> None:
    y, p = sample
    order = list(range(y.size))
    random.shuffle(order)
    shuffled, straight = auc(y[order], p[order]), auc(y, p)
    assert shuffled.value == straight.value
    assert [shuffled.low, shuffled.high] == pytest.approx([straight.low, straight.high], abs=1e-14)


@quick
@given(samples())
def test_strictly_increasing_transform_changes_nothing(sample: Sample) -> None:
    y, p = sample
    for method in METHODS:
        assert auc(y, p**3, method=method) == auc(y, p, method=method)
    assert auc(y, np.log(p + 0.01) * 40, scale="score") == auc(y, p)


@quick
@given(samples())
def test_reversed_risks_mirror_the_auc(sample: Sample) -> None:
    y, p = sample
    for method in METHODS:
        forward, backward = auc(y, p, method=method), auc(y, 1 - p, method=method)
        assert backward.value == pytest.approx(1 - forward.value, abs=1e-15)
        assert backward.low == pytest.approx(1 - forward.high, abs=1e-9)
        swapped = auc(1 - y, p, method=method)
        assert swapped.value == pytest.approx(1 - forward.value, abs=1e-15)


@quick
@given(samples())
def test_three_copies_leave_the_auc_alone(sample: Sample) -> None:
    y, p = sample
    assert auc(np.tile(y, 3), np.tile(p, 3)).value == auc(y, p).value


@quick
@given(samples(least=2), st.integers(1, 3))
def test_covariance_follows_its_definition(sample: Sample, k: int) -> None:
    y, p = sample
    rng = np.random.default_rng(y.size)
    probs = np.stack([p, *(np.round(rng.random(y.size), 1) for _ in range(k - 1))])
    areas, cov = delong_covariance(y, probs)
    events, others = probs[:, y == 1], probs[:, y == 0]
    gap = events[:, :, None] - others[:, None, :]
    kernel = (gap > 0) + 0.5 * (gap == 0)
    v10, v01 = kernel.mean(axis=2), kernel.mean(axis=1)
    want = np.atleast_2d(np.cov(v10)) / events.shape[1] + np.atleast_2d(np.cov(v01)) / others.shape[1]
    np.testing.assert_allclose(areas, kernel.mean(axis=(1, 2)), atol=1e-15)
    np.testing.assert_allclose(cov, want, atol=1e-14)
    np.testing.assert_array_equal(cov, cov.T)


def test_placements_are_integers_with_equal_sums() -> None:
    rng = np.random.default_rng(5)
    y, p = rng.integers(0, 2, 3000), rng.integers(0, 50, 3000) / 50
    placed = placements(y, p)
    assert placed.dtype == np.int64
    assert placed[y == 1].sum() == placed[y == 0].sum()


def test_two_u_stays_exact_in_large_samples() -> None:
    """10^5 pairs of twins and one patient above: 2U is a sum of 10^10 that floats would round in the last digits."""
    half = 100_000
    y = np.r_[np.tile([0, 1], half), 1]
    p = np.r_[np.repeat(np.arange(half), 2), half].astype(float)
    twice_u = half * (half - 1) + half + 2 * half  # events above, twins, the last event above all
    areas, _ = delong_covariance(y, p)
    assert areas[0] == twice_u / (2 * (half + 1) * half)
    assert int(placements(y, p)[y == 1].sum()) == twice_u


def test_an_auc_below_one_half_is_reported_as_such() -> None:
    assert auc([0, 0, 0, 1, 1], [0.9, 0.8, 0.7, 0.1, 0.75]).value == pytest.approx(1 / 6)


@pytest.mark.parametrize("method", ["delong", "logit-delong"])
@pytest.mark.parametrize(("p", "value"), [([0.1, 0.2, 0.3, 0.7, 0.8], 1.0), ([0.7, 0.8, 0.9, 0.1, 0.2], 0.0)])
def test_perfect_ranking_gets_newcombes_interval(method: str, p: list[float], value: float) -> None:
    estimate = auc([0, 0, 0, 1, 1], p, method=method)
    assert estimate.value == value
    assert estimate.high - estimate.low > 0.4
    assert (estimate.high if value else estimate.low) == value
    assert "DeLong's variance is zero" in estimate.note
    assert estimate.method == "Newcombe, method 5"
    assert math.isnan(estimate.se)


def test_a_single_event_gets_newcombes_interval() -> None:
    estimate = auc([0, 0, 0, 0, 1], [0.1, 0.3, 0.4, 0.8, 0.5])
    assert estimate.value == 0.75
    assert 0 < estimate.low < 0.3
    assert estimate.high < 1
    assert "single event or non-event" in estimate.note


def test_newcombe_solves_its_equation_and_mirrors() -> None:
    low, high = newcombe_interval(0.8, 30, 70, 0.95)
    for theta in (low, high):
        spread = 1 + 49 * (1 - theta) / (2 - theta) + 49 * theta / (1 + theta)
        assert (theta - 0.8) ** 2 == pytest.approx(
            1.959963984540054**2 * theta * (1 - theta) * spread / 2100, abs=1e-12
        )
    np.testing.assert_allclose(newcombe_interval(0.2, 30, 70, 0.95), [1 - high, 1 - low], atol=1e-12)
    low, high = newcombe_interval(1.0, 30, 70, 0.95)
    assert 0.9 < low < 0.99
    assert high == 1.0
    np.testing.assert_allclose(newcombe_interval(0.0, 30, 70, 0.95), [0.0, 1 - low], atol=1e-15)
    near, _ = newcombe_interval(1 - 1e-9, 30, 70, 0.95)
    assert near == pytest.approx(low, abs=1e-7)


def test_one_outcome_only_is_undefined_with_a_reason() -> None:
    for y, word in (([1, 1, 1], "no non-event"), ([0, 0, 0], "no event")):
        estimate = auc(y, [0.1, 0.2, 0.3])
        assert math.isnan(estimate.value)
        assert word in estimate.note
        assert roc_curve(y, [0.1, 0.2, 0.3]).x.size == 0
        assert word in roc_curve(y, [0.1, 0.2, 0.3]).note
        with pytest.raises(InputError, match="needs both outcomes"):
            youden_threshold(y, [0.1, 0.2, 0.3])


def test_constant_predictions() -> None:
    estimate = auc([0, 1, 0, 1], [0.3] * 4)
    assert (estimate.value, estimate.low, estimate.high, estimate.se) == (0.5, 0.5, 0.5, 0.0)
    assert "by definition" in estimate.note


def test_delong_covariance_checks_its_shape() -> None:
    with pytest.raises(InputError, match=r"one column a patient: its shape is \(2, 2\) for 3 patients"):
        delong_covariance([0, 1, 1], [[0.1, 0.2], [0.3, 0.4]])
    with pytest.raises(InputError, match=r"`probs\[1\]` is missing"):
        delong_covariance([0, 1, 1], [[0.1, 0.2, 0.3], [0.3, 0.4, math.nan]])
    areas, cov = delong_covariance([1, 1, 1], [[0.1, 0.2, 0.3]])
    assert np.isnan(areas).all()
    assert np.isnan(cov).all()


@quick
@given(samples())
def test_roc_curve_climbs_and_encloses_the_auc(sample: Sample) -> None:
    y, p = sample
    curve = roc_curve(y, p)
    assert (curve.x[0], curve.y[0], curve.x[-1], curve.y[-1]) == (0, 0, 1, 1)
    assert (np.diff(curve.x) >= 0).all()
    assert (np.diff(curve.y) >= 0).all()
    assert curve.x.size == np.unique(p).size + 1
    assert np.trapezoid(curve.y, curve.x) == pytest.approx(auc(y, p).value, abs=1e-14)
    assert ((curve.low <= curve.y) & (curve.y <= curve.high)).all()


@quick
@given(samples())
def test_youden_is_the_best_threshold_and_the_lowest_of_equals(sample: Sample) -> None:
    y, p = sample
    m, q = int((y == 1).sum()), int((y == 0).sum())

    def index(threshold: float) -> int:
        c = confusion(y, p, threshold=threshold)
        return c.tp * q - c.fp * m

    threshold = youden_threshold(y, p)
    best = max(index(t) for t in p)
    assert index(threshold) == best
    assert all(index(t) < best for t in p if t < threshold and index(t) != index(threshold))
    assert sum(p >= threshold) >= max(sum(p >= t) for t in p if index(t) == best)


def test_youden_known_answers() -> None:
    assert youden_threshold([0, 0, 1, 1], [0.1, 0.2, 0.6, 0.8]) == pytest.approx(0.4)
    assert youden_threshold([1, 1, 0, 0], [0.1, 0.2, 0.6, 0.8]) == 0.1  # a reversed model: everybody is positive
    assert youden_threshold([0, 1, 0, 1], [0.5] * 4) == 0.5
    assert youden_threshold([0, 1], [-4.0, 2.0], scale="score") == -1.0
    assert youden_threshold([0, 1, 1], [0.2, 0.4, 0.5]) == 0.3  # not 0.30000000000000004


def test_the_middle_of_neighbouring_floats_is_the_upper_one() -> None:
    low = 1 / 3
    high = np.nextafter(low, 1)
    assert midpoint(np.array([high, low]), 0) == high
    c = confusion([0, 1], [low, high], threshold=youden_threshold([0, 1], [low, high]))
    assert (c.tp, c.fp) == (1, 0)


@pytest.mark.parametrize("method", METHODS)
def test_interval_covers_near_its_level(method: str) -> None:
    """600 binormal samples of 25 events and 50 non-events, true AUC 0.8: coverage within simulation error of 95 %."""
    rng = np.random.default_rng(20251123)
    y = np.r_[np.ones(25, int), np.zeros(50, int)]
    shift, truth, covered = math.sqrt(2) * 0.8416212335729143, 0.8, 0
    for _ in range(600):
        estimate = auc(y, rng.normal(size=75) + shift * y, scale="score", method=method)
        covered += estimate.low <= truth <= estimate.high
    assert 0.91 < covered / 600 < 0.985


BOOTSTRAPS = ("bootstrap-percentile", "bootstrap-bca")


def cohort(n: int = 60, seed: int = 4) -> Sample:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    return y, np.round(1 / (1 + np.exp(-rng.normal(1.2 * y, 1))), 2)


@quick
@given(samples())
def test_placements_count_pairs(sample: Sample) -> None:
    y, p = sample
    gap = np.sign(p[:, None] - p[None, :]) + 1  # 2 above, 1 tied
    want = np.where(y == 1, (gap * (y == 0)).sum(axis=1), (gap.T * (y == 1)).sum(axis=1))
    np.testing.assert_array_equal(placements(y, p), want)


def test_placements_without_ties_by_hand() -> None:
    assert placements(np.array([0, 1, 0, 1]), np.array([0.1, 0.4, 0.5, 0.9])).tolist() == [4, 2, 2, 4]
    assert placements(np.array([1, 0]), np.array([0.1, 0.4])).tolist() == [0, 0]
    assert placements(np.array([1, 0]), np.array([-0.0, 0.0])).tolist() == [1, 1]
    assert placements(np.array([1]), np.array([0.3])).tolist() == [0]


def test_delong_by_hand() -> None:
    """Placements of events 1 and 1/2 (variance 1/8), of non-events 1 and 1/2: var = 1/8/2 + 1/8/2."""
    areas, cov = delong_covariance([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    assert (areas.tolist(), cov.tolist()) == ([0.75], [[0.125]])
    estimate = auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], level=0.5)
    half = 0.6744897501960817 * math.sqrt(0.125)
    assert estimate.se == math.sqrt(0.125)
    assert (estimate.low, estimate.high) == pytest.approx((0.75 - half, 0.75 + half))
    assert (estimate.method, estimate.level, estimate.n, estimate.n_events) == ("DeLong", 0.5, 4, 2)
    assert (estimate.note, estimate.n_missing) == ("", 0)
    logit = auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], level=0.5, method="logit-delong")
    ends = [1 / (1 + math.exp(-(math.log(3) + side * half / 0.1875))) for side in (-1, 1)]
    assert [logit.low, logit.high] == pytest.approx(ends)
    assert (logit.method, logit.note, logit.se) == ("DeLong on the logit scale", "", math.sqrt(0.125))
    newcombe = auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], level=0.5, method="newcombe")
    assert (newcombe.low, newcombe.high) == newcombe_interval(0.75, 2, 2, 0.5)
    assert (newcombe.method, newcombe.note, newcombe.se) == ("Newcombe, method 5", "", math.sqrt(0.125))


def test_covariance_has_a_row_a_model_even_where_it_is_undefined() -> None:
    for y in ([1, 0, 0], [1, 1, 0]):
        areas, cov = delong_covariance(y, [[0.9, 0.2, 0.1], [0.5, 0.5, 0.5]])
        assert areas.tolist() == [1.0, 0.5]
        assert cov.shape == (2, 2)
        assert np.isnan(cov).all()


def test_interval_is_cut_with_a_note() -> None:
    for p, ends in (([0.1, 0.4, 0.35, 0.8], (0.75 - 1.959963984540054 * math.sqrt(0.125), 1.0)),):
        estimate = auc([0, 0, 1, 1], p)
        assert (estimate.low, estimate.high) == pytest.approx(ends)
        assert estimate.note == "interval cut at its bound; logit-delong stays inside"
        mirrored = auc([1, 1, 0, 0], p)
        assert (mirrored.low, mirrored.high) == (0.0, pytest.approx(1 - ends[0]))
        assert mirrored.note == estimate.note


@pytest.mark.parametrize("method", BOOTSTRAPS)
def test_bootstrap_is_that_of_the_engine(method: str) -> None:
    from validkit.stats.draws import bca_limits, draw_plan, jackknife, percentile_limits

    y, p = cohort()
    order = np.lexsort((y, p))
    plan = draw_plan(y[order], rng=7, replicates=200)
    plain = plan.replicates(auc, y[order], p[order])[:, 0]
    if method == "bootstrap-bca":
        want = bca_limits(plain, auc(y, p).value, jackknife(auc, y, p)[:, 0], 0.9)
    else:
        want = percentile_limits(plain, 0.9)
    estimate = auc(y, p, method=method, rng=7, replicates=200, level=0.9)
    assert (estimate.low, estimate.high) == pytest.approx(want[:2], abs=1e-13)
    assert estimate.value == auc(y, p).value
    assert estimate.se == pytest.approx(plain.std(ddof=1), abs=1e-13)
    assert estimate.method == ("bootstrap, BCa" if method == "bootstrap-bca" else "bootstrap, percentile")
    assert estimate.note == "200 of 200 replicates"
    assert (estimate.level, estimate.n, estimate.n_events) == (0.9, 60, int(y.sum()))
    stratified = auc(y, 10 * p, method=method, rng=7, replicates=200, stratified=True, scale="score")
    assert stratified.method == estimate.method + ", stratified"
    assert stratified != estimate
    shuffled = np.random.default_rng(1).permutation(y.size)
    assert auc(y[shuffled], p[shuffled], method=method, rng=7, replicates=200, level=0.9) == estimate
    generator = np.random.default_rng(3)
    first, second = (auc(y, p, method=method, rng=generator, replicates=100) for _ in range(2))
    assert first != second


@pytest.mark.parametrize("method", BOOTSTRAPS)
def test_bootstrap_falls_back_to_newcombe(method: str) -> None:
    perfect = auc([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], method=method, rng=1)
    assert (perfect.value, perfect.low, perfect.high) == (1.0, *newcombe_interval(1.0, 2, 2, 0.95))
    assert perfect.note == "replicates do not vary as they should with an AUC of 1: interval after Newcombe"
    assert perfect.method == "Newcombe, method 5"
    single = auc([0, 0, 0, 1], [0.1, 0.6, 0.8, 0.7], method=method, rng=1)
    assert (single.low, single.high) == newcombe_interval(2 / 3, 1, 3, 0.95)
    assert single.note == (
        "replicates do not vary as they should with a single event or non-event: interval after Newcombe"
    )
    assert math.isnan(single.se)
    constant = auc([0, 1, 0, 1], [0.3] * 4, method=method, rng=1)
    assert (constant.low, constant.high, constant.se) == (0.5, 0.5, 0.0)
    absent = auc([1, 1], [0.3, 0.4], method=method, rng=1)
    assert (absent.note, absent.method) == ("undefined: no non-event", constant.method)


def test_bootstrap_needs_rng_and_known_methods() -> None:
    for method in BOOTSTRAPS:
        with pytest.raises(InputError, match=f"`rng` must be a numpy Generator or a seed for method='{method}'"):
            auc([0, 1], [0.1, 0.2], method=method)
    with pytest.raises(InputError, match="`method` must be one of 'delong', 'logit-delong', 'newcombe', 'bootstrap-"):
        auc([0, 1], [0.1, 0.2], method="wald")


@quick
@given(samples(), st.integers(0, 1000))
def test_bootstrap_intervals_stay_in_bounds(sample: Sample, seed: int) -> None:
    for method in BOOTSTRAPS:
        estimate = auc(*sample, method=method, rng=seed, replicates=40)
        assert not estimate.low < 0  # NaN where replicates are too few
        assert not estimate.high > 1
        assert math.isnan(estimate.low) == math.isnan(estimate.high)


def test_fallbacks_of_delong_in_full() -> None:
    assert auc([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9]).note == (
        "DeLong's variance is zero with an AUC of 1: interval after Newcombe"
    )
    assert auc([0, 0, 1, 1], [0.8, 0.9, 0.1, 0.2], method="logit-delong").note == (
        "DeLong's variance is zero with an AUC of 0: interval after Newcombe"
    )
    assert auc([0, 1], [0.1, 0.2]).note == (
        "DeLong's variance is undefined with a single event or non-event: interval after Newcombe"
    )
    newcombe = auc([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], method="newcombe")
    assert (newcombe.note, newcombe.se) == ("", 0.0)
    for y, note in (([1, 1], "undefined: no non-event"), ([0, 0], "undefined: no event")):
        estimate = auc(y, [0.1, 0.2], level=0.9)
        assert (estimate.note, estimate.n, estimate.n_events, estimate.level) == (note, 2, sum(y), 0.9)
        assert estimate.method == "DeLong"
    constant = auc([0, 1, 1], [0.3] * 3, level=0.9)
    assert constant.note == "all predictions are equal: 0.5 by definition, without sampling error"
    assert (constant.n, constant.n_events, constant.level, constant.method) == (3, 2, 0.9, "DeLong")


@quick
@given(samples(least=2), st.integers(0, 1000))
def test_weights_are_rows_written_out(sample: Sample, seed: int) -> None:
    y, p = sample
    weights = np.random.default_rng(seed).integers(0, 4, y.size)
    if not weights.any():
        weights[0] = 1
    for method in METHODS:
        weighted = auc(y, p, method=method, weights=weights)
        assert repr(weighted) == repr(auc(np.repeat(y, weights), np.repeat(p, weights), method=method))


def test_complete_cases_are_counted() -> None:
    with pytest.raises(InputError, match="`y_prob` is missing"):
        auc([0, 0, 1, 1, 1], [0.1, 0.4, 0.35, 0.8, math.nan])
    estimate = auc([0, 0, 1, 1, 1], [0.1, 0.4, 0.35, 0.8, math.nan], missing="complete-case")
    assert (estimate.value, estimate.n, estimate.n_missing) == (0.75, 4, 1)
    assert estimate.note.endswith("1 of 5 patients left out as incomplete (complete case)")


def test_logit_interval_far_out_does_not_overflow() -> None:
    low, high = logit_interval(1 - 1e-12, 0.5, 0.95)
    assert (low, high) == (0.0, 1.0)
    assert logit_interval(0.5, 0.1, 0.95) == pytest.approx((0.3135, 0.6865), abs=5e-4)
