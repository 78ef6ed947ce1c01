from __future__ import annotations

import math

import numpy as np
import pytest

from validkit.errors import InputError
from validkit.stats.decision_comparison import compare_decision_curves
from validkit.stats.decision_curves import decision_grid
from validkit.stats.useful_thresholds import _runs, useful_range

GRID = decision_grid("0.05", "0.9", "0.05")


def sample(n: int, seed: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    logit = rng.normal(-1, 1.5, n)
    y = (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(int)
    return y, 1 / (1 + np.exp(-logit - shift))


def test_runs() -> None:
    grid = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    assert _runs(np.array([True, True, False, False, True]), grid) == ((0.1, 0.2), (0.5, 0.5))
    assert _runs(np.zeros(5, bool), grid) == ()
    assert _runs(np.ones(5, bool), grid) == ((0.1, 0.5),)


@pytest.mark.parametrize("prevalence", [None, 0.3])
def test_it_is_both_comparisons(prevalence: float | None) -> None:
    y, p = sample(300, 2)
    found = useful_range(y, p, thresholds=GRID, prevalence=prevalence, harm=0.01)
    both = []
    for curve, reference in ((found.over_all, "treat all"), (found.over_none, "treat none")):
        want = compare_decision_curves(
            y, p, reference=reference, thresholds=GRID, harm_a=0.01, prevalence=prevalence
        ).difference
        np.testing.assert_allclose(curve.y, want.y, atol=1e-14)
        np.testing.assert_allclose(curve.low, want.low, rtol=1e-10, atol=1e-14)
        assert curve.method == f"model - {reference}; normal, pointwise"
        assert (curve.x_name, curve.y_name) == ("threshold", "difference of net benefit")
        assert (curve.n, curve.n_events, curve.level) == (300, int(y.sum()), 0.95)
        both.append(curve)
    cells = np.array([((p[:, None] >= GRID) == s)[y == k].sum(axis=0) for s in (0, 1) for k in (0, 1)])
    sure = (both[0].low > 0) & (both[1].low > 0) & (cells >= 5).all(axis=0)
    assert found.ranges == _runs(sure, GRID)
    assert found.point_ranges == _runs((both[0].y > 0) & (both[1].y > 0), GRID)
    assert (found.n, found.n_events, found.note, found.band, found.level) == (300, int(y.sum()), "", "pointwise", 0.95)


def test_a_useful_model() -> None:
    y, p = sample(500, 3)
    found = useful_range(y, p, thresholds=GRID)
    assert found.ranges == ((0.15, 0.7),)
    assert repr(found) == (
        f"better than treat all and treat none: 0.15 to 0.7 (95% pointwise; n = 500, {y.sum()} events)"
    )
    together = useful_range(y, p, thresholds=GRID, band="simultaneous", rng=1)
    ((low, high),) = together.ranges
    assert 0.15 <= low < high < 0.7
    assert together.over_all.method.startswith("model - treat all; normal, simultaneous (sup-t, critical value ")
    assert together.band == "simultaneous"
    narrow = "the normal interval is too narrow there"
    assert found.over_all.note == (
        f"fewer than 5 true or false negatives at 2 of 18 thresholds (0.05 to 0.1): {narrow}"
    )
    assert found.over_none.note == (
        f"fewer than 5 true or false positives at 4 of 18 thresholds (0.75 to 0.9): {narrow}"
    )
    assert set(found.to_dict()) >= {"ranges", "point_ranges", "over_all", "over_none"}


def test_empty_ranges_say_why() -> None:
    rng = np.random.default_rng(1)
    y, p = rng.integers(0, 2, 200), rng.random(200)
    nowhere = useful_range(y, np.full(200, 0.5), thresholds=GRID)
    assert (nowhere.ranges, nowhere.point_ranges) == ((), ())
    assert nowhere.note == "at no threshold of the grid does the point estimate exceed both strategies"
    assert repr(nowhere).startswith("better than treat all and treat none: at no threshold (95% pointwise; n = 200, ")
    y, p = sample(60, 3)
    unsure = useful_range(y, p, thresholds=[0.3, 0.4], level=0.9999)
    assert (unsure.ranges, unsure.point_ranges) == ((), ((0.3, 0.4),))
    assert unsure.note == "better as a point estimate at 0.3 to 0.4, but nowhere with 99.99% pointwise confidence"
    y, p = [0] * 20 + [1] * 20, [0.1] * 19 + [0.6] + [0.2] + [0.8] * 19
    sparse = useful_range(y, p, thresholds=[0.3, 0.5])
    assert sparse.over_all.low[0] > 0
    assert sparse.over_none.low[0] > 0
    assert sparse.note == (
        "better as a point estimate at 0.3 to 0.5, but nowhere with 95% pointwise confidence; "
        "fewer than 5 patients of one kind at 2 of these thresholds"
    )
    single = useful_range(np.zeros(40), np.full(40, 0.2), thresholds=[0.1, 0.3], prevalence=0.3)
    assert single.note == "no event: at a declared prevalence the value needs both outcomes"
    assert useful_range([0, 1], [0.2, 0.7], thresholds=[0.5, 1]).over_none.note.startswith(
        "undefined at a threshold of 1"
    )


def test_incomplete_patients() -> None:
    y, p = sample(500, 3)
    found = useful_range(np.append(y, 0), np.append(p, math.nan), thresholds=GRID, missing="complete-case")
    assert (found.n, found.n_missing, found.ranges) == (500, 1, ((0.15, 0.7),))
    assert found.note == "1 of 501 patients left out as incomplete (complete case)"
    assert "1 left out as incomplete" in repr(found)
    assert useful_range(y, p, weights=np.full(500, 2)).n == 1000
    with pytest.raises(InputError, match="pass `rng`"):
        useful_range(y, p, band="simultaneous")


def test_false_claims_are_rare() -> None:
    """A model that ranks at random is nowhere better than both; simultaneous claims of usefulness stay below 5 %."""
    claims = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        y, p = (rng.random(200) < 0.3).astype(int), rng.beta(3, 7, 200)
        found = useful_range(y, p, thresholds=GRID[::3], band="simultaneous", rng=rng, replicates=200)
        claims += bool(found.ranges)
    assert claims / 150 <= 0.05
