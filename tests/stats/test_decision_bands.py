"""Who is treated, covariance over thresholds, and the simultaneous band of a decision curve."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validkit.errors import InputError
from validkit.stats import simultaneous
from validkit.stats.decision_curves import decision_curve, decision_grid, grid_of
from validkit.stats.payoffs import (
    Asked,
    Payoffs,
    alike,
    cost_payoffs,
    inverse_odds,
    net_benefit_payoffs,
    odds,
    sparse_note,
    thresholds_reached,
    treated_counts,
    utility,
)
from validkit.stats.simultaneous import Band, critical_value, sup_t

GRID = np.array([0.0, 0.1, 0.2, 0.3, 0.5, 0.9])


def sample(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    logit = rng.normal(-1, 1.5, n)
    p = 1 / (1 + np.exp(-logit))
    return (rng.random(n) < p).astype(int), p


# --- who is treated ---------------------------------------------------------------------------


@pytest.mark.parametrize("grid", [decision_grid(), decision_grid("0.01", "0.99"), np.array([0.3, 0.3001]), GRID])
def test_large_samples_are_counted_by_buckets_exactly(grid: np.ndarray) -> None:
    """Risks exactly at, one step below and one step above every threshold, in more than one block."""
    at = np.concatenate([grid, np.nextafter(grid, -1), np.nextafter(grid, 2), np.random.default_rng(0).random(150_000)])
    p = np.concatenate([[0.0, 1.0], at.clip(0, 1)])
    y = (np.arange(p.size) % 3 == 0).astype(int)
    want = np.array([[((p >= t) & (y == k)).sum() for t in grid] for k in (0, 1)])
    treated, totals = treated_counts(y, p, grid)
    np.testing.assert_array_equal(treated, want)
    assert totals.tolist() == [(y == 0).sum(), (y == 1).sum()]
    reached = thresholds_reached(p, grid)
    np.testing.assert_array_equal(reached, (p[:, None] >= grid).sum(axis=1))
    np.testing.assert_array_equal(thresholds_reached(p[:500], grid), reached[:500])
    np.testing.assert_array_equal(
        treated_counts(y[:500], p[:500], grid)[0].max(axis=1),
        treated[:, 0] * 0 + [((p[:500] >= grid[0]) & (y[:500] == k)).sum() for k in (0, 1)],
    )


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=40, unique=True), st.integers(0, 2**32))
def test_any_grid(points: list[float], seed: int) -> None:
    grid = np.sort(np.array(points))
    rng = np.random.default_rng(seed)
    p = np.concatenate([rng.random(8200), grid, np.nextafter(grid, 0)])
    np.testing.assert_array_equal(thresholds_reached(p, grid), np.searchsorted(grid, p, side="right"))


def test_the_default_grid_cannot_be_changed_for_others() -> None:
    assert not grid_of(None).flags.writeable
    assert grid_of(None).tolist() == decision_grid(0, "0.99").tolist()


# --- payoffs ----------------------------------------------------------------------------------


def test_payoffs() -> None:
    t = np.array([0.0, 0.2, 1.0])
    np.testing.assert_array_equal(odds(t), [0, 0.25, math.nan])
    np.testing.assert_array_equal(inverse_odds(t), [math.nan, 4, 0])
    treated, untreated = (net_benefit_payoffs(t, kind) for kind in ("treated", "untreated"))
    np.testing.assert_array_equal(treated.treated, [[-0.0, -0.25, math.nan], [1, 1, 1]])
    np.testing.assert_array_equal(untreated.untreated, [[1, 1, 1], [math.nan, -4, -0.0]])
    assert not treated.untreated.any()
    assert not untreated.treated.any()
    both = net_benefit_payoffs(t, "overall")
    np.testing.assert_array_equal(both.treated, treated.treated)
    np.testing.assert_array_equal(both.untreated, untreated.untreated)
    cost = cost_payoffs(np.array([2.0]), np.array([7.0]))
    assert (cost.treated.tolist(), cost.untreated.tolist()) == ([[2.0], [0.0]], [[0.0], [7.0]])


@pytest.mark.parametrize("population", ["treated", "untreated", "overall"])
@pytest.mark.parametrize("standardised", [False, True])
@pytest.mark.parametrize("prevalence", [None, 0.15])
def test_covariance_is_that_of_each_patients_influence(
    population: str, standardised: bool, prevalence: float | None
) -> None:
    y, p = sample(140, 8)
    grid, harm = GRID[1:], 0.01
    payoffs, asked = net_benefit_payoffs(grid, population), Asked(prevalence, standardised, population)
    found = utility(payoffs, *treated_counts(y, p, grid), asked, harm)
    treated = p[:, None] >= grid
    u = np.where(treated, payoffs.treated[y], payoffs.untreated[y]) - harm
    perfect = {"treated": y, "untreated": 1 - y, "overall": np.ones(140)}[population]
    if prevalence is None:
        value = u.mean(axis=0)
        influence = u - value
        if standardised:
            value = value / perfect.mean()
            influence = (u - value * perfect[:, None]) / perfect.mean()
        want = influence.T @ influence / (140 * 139)
    else:
        worth = {"treated": 0.15, "untreated": 0.85, "overall": 1.0}[population] if standardised else 1.0
        means = [u[y == k].mean(axis=0) for k in (0, 1)]
        value = (0.85 * means[0] + 0.15 * means[1]) / worth
        parts = [
            (share / worth) ** 2 * np.cov(u[y == k].T, bias=True) / (y == k).sum()
            for k, share in ((0, 0.85), (1, 0.15))
        ]
        want = parts[0] + parts[1]
    np.testing.assert_allclose(found.value, value, rtol=1e-12)
    np.testing.assert_allclose(found.covariance(), want, rtol=1e-10, atol=1e-16)
    np.testing.assert_allclose(found.se**2, np.diag(want), rtol=1e-10)


def test_alike_to_rounding() -> None:
    counts = np.array([[3.0, 3, 0, 2], [2, 0, 0, 2]])
    each = np.array([[1.0, 1, 5, 1e6], [1 + 1e-14, 9, 7, 1e6 * (1 + 1e-12)]])
    assert alike(counts, each).tolist() == [True, True, True, False]
    assert alike(np.array([[1.0], [1.0]]), np.array([[0.0], [2e-13]])).tolist() == [False]
    assert alike(np.array([[1.0], [1.0]]), np.array([[1e3], [1e3 + 1e-11]])).tolist() == [True]


def test_payoffs_shift_and_scale() -> None:
    payoffs = Payoffs(np.ones((2, 1)), np.zeros((2, 1)))
    assert payoffs.shifted(0.25).treated.tolist() == [[0.75], [0.75]]
    assert payoffs.shifted(0.25).untreated.tolist() == [[-0.25], [-0.25]]
    assert payoffs.scaled(3).treated.tolist() == [[3], [3]]


def test_the_note_on_sparse_thresholds() -> None:
    grid = np.array([0.1, 0.2, 0.3])
    assert sparse_note(np.zeros(3, bool), grid, "apes") == ""
    some = np.array([False, True, True])
    pointwise = "fewer than 5 apes at 2 of 3 thresholds (0.2 to 0.3): the normal interval is too narrow there"
    assert sparse_note(some, grid, "apes") == pointwise
    assert sparse_note(some, grid, "apes", "simultaneous").endswith("(0.2 to 0.3): no simultaneous band there")


# --- simultaneous bands -----------------------------------------------------------------------


def test_critical_values() -> None:
    """One threshold: the normal quantile. Independent thresholds: Sidak's. Equal ones: one threshold's."""
    one = sup_t(np.array([[4.0]]), np.array([2.0]), 1, 200_000)
    assert one.size == 200_000
    assert (np.diff(one) >= 0).all()
    assert critical_value(one, 0.95) == pytest.approx(1.96, abs=0.015)
    independent = sup_t(np.diag([1.0, 4.0, 9.0, math.nan]), np.array([1.0, 2.0, 3.0, math.nan]), 2, 200_000)
    assert critical_value(independent, 0.95) == pytest.approx(2.3877, abs=0.015)
    equal = sup_t(np.outer([1, 2, 3], [1, 2, 3]), np.array([1.0, 2, 3]), 3, 100_000)
    assert critical_value(equal, 0.9) == pytest.approx(1.645, abs=0.015)
    assert critical_value(np.arange(1.0, 100), 0.95) == 95  # the 95th of 99 draws
    assert critical_value(np.arange(1.0, 100), 0.951) == 96
    assert critical_value(np.arange(1.0, 100), 0.999) == 99
    nothing = sup_t(np.full((2, 2), math.nan), np.full(2, math.nan), 1, 100)
    assert nothing.size == 0
    assert math.isnan(critical_value(nothing, 0.95))


def test_a_seed_is_a_generator() -> None:
    a = sup_t(np.eye(3), np.ones(3), 7, 500)
    np.testing.assert_array_equal(a, sup_t(np.eye(3), np.ones(3), np.random.default_rng(7), 500))
    assert a.size == 500
    assert not np.array_equal(a, sup_t(np.eye(3), np.ones(3), 8, 500))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"band": "both"}, "`band` must be one of 'pointwise', 'simultaneous', not 'both'"),
        ({"band": "simultaneous"}, "pass `rng`, a numpy Generator or a seed"),
        ({"band": "simultaneous", "rng": "x"}, "`rng` must be"),
        ({"band": "simultaneous", "rng": 1, "replicates": 99}, "`replicates` must be a whole number of at least 100"),
    ],
)
def test_bad_bands(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        decision_curve([0, 1, 1], [0.1, 0.5, 0.7], **options)


def test_replicates_and_points_at_their_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    y, p = sample(50, 1)
    decision_curve(y, p, band="simultaneous", rng=1, replicates=100)
    assert simultaneous._MOST == 2000
    monkeypatch.setattr(simultaneous, "_MOST", 20)
    decision_curve(y, p, band="simultaneous", rng=1, replicates=100, thresholds=np.arange(20) / 20)
    with pytest.raises(InputError, match="at most 20 thresholds, not 21"):
        decision_curve(y, p, band="simultaneous", rng=1, replicates=100, thresholds=np.arange(21) / 21)
    assert Band(0.9).describe(None) == "pointwise"


def test_the_band_by_hand() -> None:
    y, p = sample(300, 2)
    curve = decision_curve(y, p, thresholds=GRID, band="simultaneous", rng=5, replicates=1999, level=0.9)
    point = decision_curve(y, p, thresholds=GRID, level=0.9)
    found = utility(net_benefit_payoffs(GRID, "treated"), *treated_counts(y, p, GRID), Asked())
    few = found.treated.min(axis=0) < 5
    assert few.tolist() == [False] * 5 + [True]
    critical = critical_value(sup_t(found.covariance()[:5, :5], found.se[:5], 5, 1999), 0.9)
    np.testing.assert_array_equal(curve.y, point.y)
    np.testing.assert_allclose(curve.y[:5] - curve.low[:5], critical * found.se[:5], rtol=1e-12)
    np.testing.assert_allclose(curve.high[:5] - curve.y[:5], critical * found.se[:5], rtol=1e-12)
    assert math.isnan(curve.low[5])
    assert math.isfinite(point.low[5])
    assert (
        curve.note
        == "fewer than 5 true or false positives at 1 of 6 thresholds (0.9 to 0.9): no simultaneous band there"
    )
    band = f"simultaneous (sup-t, critical value {critical:.4g}, 1999 draws)"
    assert curve.method == f"model; normal, from each patient's contribution, {band}"
    assert point.method == "model; normal, from each patient's contribution, pointwise"
    assert point.note.endswith("(0.9 to 0.9): the normal interval is too narrow there")
    assert (curve.x_name, curve.y_name, curve.level, curve.n, curve.n_events) == (
        "threshold",
        "net benefit",
        0.9,
        300,
        int(y.sum()),
    )


def test_harm_moves_the_curve_and_standardising_scales_it() -> None:
    y, p = sample(200, 4)
    plain, harmed = (decision_curve(y, p, thresholds=GRID, harm=h) for h in (0.0, 0.02))
    np.testing.assert_allclose(harmed.y, plain.y - 0.02)
    np.testing.assert_allclose(harmed.high, plain.high - 0.02)
    standard = decision_curve(y, p, thresholds=GRID, standardised=True)
    np.testing.assert_allclose(standard.y, plain.y / y.mean())
    assert standard.y_name == "standardised net benefit"
    declared = decision_curve(y, p, thresholds=GRID, prevalence=0.05, standardised=True)
    assert "prevalence 0.05 declared" in declared.method


def test_a_single_class_or_patient_has_no_band() -> None:
    curve = decision_curve([1], [0.6], thresholds=[0.2, 0.7], band="simultaneous", rng=1)
    assert np.isnan(curve.low).all()
    assert curve.method.endswith("simultaneous (no threshold has enough patients)")


def test_simultaneous_coverage() -> None:
    """The whole curve lies in the band as often as declared; in the pointwise band far more seldom."""
    grid = decision_grid(0, "0.96", "0.04")
    y, p = sample(500_000, 9)
    truth = decision_curve(y, p, thresholds=grid).y
    rng = np.random.default_rng(21)
    inside = {"simultaneous": 0, "pointwise": 0}
    for _ in range(200):
        y, p = sample(300, int(rng.integers(2**40)))
        for band in inside:
            curve = decision_curve(y, p, thresholds=grid, band=band, rng=rng, replicates=300)
            known = np.isfinite(curve.low)
            inside[band] += bool(((curve.low <= truth) & (truth <= curve.high))[known].all())
    assert 0.91 < inside["simultaneous"] / 200 < 0.985
    assert inside["pointwise"] / 200 < 0.85
