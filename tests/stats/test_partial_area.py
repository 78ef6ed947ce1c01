from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validkit.errors import InputError
from validkit.stats.discrimination import auc
from validkit.stats.partial_area import area_between, partial_auc

quick = settings(deadline=None, max_examples=50)
Sample = tuple[np.ndarray, np.ndarray]


@st.composite
def samples(draw: st.DrawFn) -> Sample:
    y = draw(st.lists(st.integers(0, 1), min_size=2, max_size=30).filter(lambda v: 0 < sum(v) < len(v)))
    p = draw(st.lists(st.integers(0, 8), min_size=len(y), max_size=len(y)))
    return np.array(y), np.array(p) / 8


# The curve of Y, P: (0, 0), (0, 1/2), (1/2, 1/2), (1/2, 1), (1, 1)
Y, P = [0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]


@pytest.mark.parametrize(
    ("focus", "bounds", "area"),
    [
        ("specificity", (0.5, 1.0), 0.25),
        ("specificity", (0.25, 0.75), 0.375),
        ("specificity", (0.0, 0.5), 0.5),
        ("specificity", (0.6, 0.7), 0.05),
        ("sensitivity", (0.5, 1.0), 0.25),
        ("sensitivity", (0.25, 0.75), 0.375),
        ("sensitivity", (0.0, 0.5), 0.5),
    ],
)
def test_hand_worked_areas(focus: str, bounds: tuple[float, float], area: float) -> None:
    estimate = partial_auc(Y, P, focus=focus, bounds=bounds)
    assert estimate.value == pytest.approx(area, abs=1e-15)
    assert estimate.method == f"{focus} {bounds[0]:g} to {bounds[1]:g}"
    assert (estimate.n, estimate.n_events, estimate.level, estimate.n_missing) == (4, 2, 0.95, 0)
    assert np.isnan([estimate.low, estimate.high, estimate.se]).all()
    assert estimate.note == "no interval without `rng`: it comes from the bootstrap"


def test_a_bound_inside_a_slope_is_interpolated() -> None:
    y, p = [0, 0, 1, 1], [0.5, 0.2, 0.5, 0.5]  # (0, 0) to (1/2, 1) to (1, 1)
    assert partial_auc(y, p, bounds=(0.75, 1.0)).value == pytest.approx(0.25 * 0.25)
    assert partial_auc(y, p, bounds=(0.6, 0.8)).value == pytest.approx(0.2 * 0.6)
    assert partial_auc(y, p, focus="sensitivity", bounds=(0.5, 1.0)).value == pytest.approx(0.5 * 0.625)


def test_mcclish_correction_by_hand() -> None:
    estimate = partial_auc(Y, P, bounds=(0.5, 1.0), corrected=True)
    assert estimate.value == pytest.approx((1 + (0.25 - 0.125) / 0.375) / 2)
    assert estimate.method == "McClish, specificity 0.5 to 1"
    assert partial_auc([0, 1], [0.2, 0.9], corrected=True).value == 1.0
    flat = partial_auc([0, 1, 0, 1], [0.3] * 4, bounds=(0.2, 0.7), corrected=True)
    assert flat.value == pytest.approx(0.5)


def test_mcclish_is_undefined_below_the_diagonal() -> None:
    estimate = partial_auc([0, 0, 1, 1], [0.8, 0.7, 0.1, 0.2], corrected=True, rng=1)
    assert math.isnan(estimate.value)
    assert estimate.note == (
        "undefined: the area is below that under the diagonal, where McClish's correction does not hold"
    )
    assert partial_auc([0, 0, 1, 1], [0.8, 0.7, 0.1, 0.2]).value == 0.0


@quick
@given(samples(), st.sampled_from(["specificity", "sensitivity"]))
def test_the_whole_range_is_the_auc(sample: Sample, focus: str) -> None:
    whole = auc(*sample).value
    assert partial_auc(*sample, focus=focus, bounds=(0.0, 1.0)).value == pytest.approx(whole, abs=1e-14)
    if whole >= 0.5:
        corrected = partial_auc(*sample, focus=focus, bounds=(0, 1), corrected=True).value
        assert corrected == pytest.approx(whole, abs=1e-14)


@quick
@given(samples(), st.floats(0.05, 0.95), st.sampled_from(["specificity", "sensitivity"]))
def test_parts_add_up_and_lie_in_bounds(sample: Sample, cut: float, focus: str) -> None:
    below = partial_auc(*sample, focus=focus, bounds=(0.0, cut)).value
    above = partial_auc(*sample, focus=focus, bounds=(cut, 1.0)).value
    assert below + above == pytest.approx(auc(*sample).value, abs=1e-14)
    assert 0 <= below <= cut + 1e-15
    assert 0 <= above <= 1 - cut + 1e-15


@quick
@given(samples(), st.integers(0, 1000))
def test_rows_in_another_order_and_three_copies(sample: Sample, seed: int) -> None:
    y, p = sample
    order = np.random.default_rng(seed).permutation(y.size)
    straight = partial_auc(y, p, rng=seed, replicates=30)
    shuffled = partial_auc(y[order], p[order], rng=seed, replicates=30)
    assert repr(shuffled) == repr(straight)
    copies = partial_auc(np.tile(y, 3), np.tile(p, 3)).value
    assert copies == pytest.approx(straight.value, abs=1e-15)
    assert partial_auc(y, p, weights=np.full(y.size, 3)).value == copies
    mirrored = partial_auc(1 - y, 1 - p, focus="sensitivity").value  # the outcome relabelled, the risk reversed
    assert mirrored == pytest.approx(straight.value, abs=1e-14)


def cohort(n: int = 80, seed: int = 4) -> Sample:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    return y, np.round(1 / (1 + np.exp(-rng.normal(1.2 * y, 1))), 2)


def test_the_interval_is_the_quantiles_of_any_bootstrap() -> None:
    """The quick path over counts gives the replicates of the plain way, patient by patient."""
    from validkit.stats.draws import draw_plan

    y, p = cohort()
    order = np.lexsort((y, p))
    plan = draw_plan(y[order], rng=7, replicates=200)
    plain = plan.replicates(lambda a, b: partial_auc(a, b, bounds=(0.7, 0.95)), y[order], p[order])[:, 0]
    estimate = partial_auc(y, p, bounds=(0.7, 0.95), rng=7, replicates=200, level=0.9)
    np.testing.assert_allclose([estimate.low, estimate.high], np.quantile(plain, [0.05, 0.95]), atol=1e-14)
    assert estimate.se == pytest.approx(plain.std(ddof=1), abs=1e-14)
    assert estimate.method == "specificity 0.7 to 0.95; bootstrap, percentile"
    assert estimate.note == "200 of 200 replicates"
    assert (estimate.level, estimate.n, estimate.n_events) == (0.9, 80, int(y.sum()))
    assert estimate.value == partial_auc(y, p, bounds=(0.7, 0.95)).value


def test_stratified_draws_and_a_generator() -> None:
    y, p = [0, 0, 0, 0, 0, 0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.45, 0.8]
    estimate = partial_auc(y, p, rng=np.random.default_rng(3), replicates=100, stratified=True, bounds=(0.5, 1))
    assert estimate.method == "specificity 0.5 to 1; bootstrap, percentile, stratified"
    assert estimate.note == "100 of 100 replicates"
    assert 0 <= estimate.low < estimate.value < estimate.high <= 0.5
    plain = partial_auc(y, p, rng=3, replicates=100)
    assert "too few for an interval" in plain.note  # an event is absent from one replicate in ten
    assert np.isnan([plain.low, plain.high, plain.se]).all()


def test_a_perfect_model_has_no_interval_and_says_why() -> None:
    estimate = partial_auc([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], rng=1, stratified=True, replicates=50)
    assert estimate.value == pytest.approx(0.1)
    assert math.isnan(estimate.low)
    assert "all are equal" in estimate.note


def test_one_outcome_only() -> None:
    for y, word in (([1, 1], "undefined: no non-event"), ([0, 0], "undefined: no event")):
        estimate = partial_auc(y, [0.2, 0.4], rng=1)
        assert (estimate.note, estimate.n, estimate.n_events) == (word, 2, sum(y))
        assert math.isnan(estimate.value)


def test_complete_cases_are_counted() -> None:
    estimate = partial_auc([*Y, 1], [*P, math.nan], missing="complete-case", bounds=(0.5, 1))
    assert (estimate.value, estimate.n, estimate.n_missing) == (0.25, 4, 1)


@pytest.mark.parametrize("bounds", [(0.9, 0.8), (0.5, 0.5), (-0.1, 0.5), (0.5, 1.1), (0.5,), (math.nan, 1)])
def test_bounds_are_checked(bounds: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match=r"`bounds` must be two numbers in \[0, 1\], the lower one first, not \("):
        partial_auc(Y, P, bounds=bounds)  # type: ignore[arg-type]


def test_other_arguments_are_checked() -> None:
    with pytest.raises(InputError, match="`focus` must be one of 'specificity', 'sensitivity', not 'both'"):
        partial_auc(Y, P, focus="both")
    with pytest.raises(InputError, match="`level` must lie strictly between"):
        partial_auc(Y, P, level=95)
    with pytest.raises(InputError, match="`rng` must be"):
        partial_auc(Y, P, rng="seed")  # type: ignore[arg-type]


def test_area_between_lines_of_several_rows() -> None:
    x = np.array([[0.0, 0.5, 0.5, 1.0], [0.0, 0.0, 1.0, 1.0]])
    y = np.array([[0.0, 1.0, 2.0, 4.0], [0.0, 3.0, 3.0, 9.0]])
    np.testing.assert_allclose(area_between(x, y, 0.25, 0.75), [0.25 * 0.75 + 0.25 * 2.5, 1.5])


def test_percentile_interval_covers_near_its_level() -> None:
    """200 binormal samples: coverage of the partial area of specificity 0.7 to 1 within simulation error of 90 %."""
    rng = np.random.default_rng(11)
    y = np.r_[np.ones(60, int), np.zeros(60, int)]
    from scipy.special import ndtr, ndtri

    x = np.linspace(0, 0.3, 20001)[1:] - 0.3 / 40000
    truth, covered = float(ndtr(1.2 + ndtri(x)).mean() * 0.3), 0
    for i in range(200):
        score = rng.normal(size=120) + 1.2 * y
        e = partial_auc(y, score, bounds=(0.7, 1), level=0.9, rng=i, replicates=300, scale="score", stratified=True)
        covered += e.low <= truth <= e.high
    assert 0.84 < covered / 200 < 0.95
