from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

from validkit.errors import InputError
from validkit.stats.classification import sensitivity
from validkit.stats.discrimination import auc
from validkit.stats.overall import brier
from validkit.stats.permutation import permutation_test


def plain_auc(y: Any, p: Any) -> float:
    """Not the package's own function, so not computed for all permutations at once."""
    above = np.asarray(p)[y == 1][:, None] - np.asarray(p)[y == 0]
    return float(np.mean((above > 0) + 0.5 * (above == 0)))


def simulated(seed: int, n: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.r_[1, 1, 0, 0, rng.integers(0, 2, n - 4)]
    return y, np.round(rng.random(n) * 0.5 + 0.3 * y, 2), np.round(rng.random(n) * 0.6 + 0.1 * y, 2)


@pytest.mark.parametrize("exchange", ["models", "ranks", "outcomes"])
@pytest.mark.parametrize("alternative", ["two-sided", "less", "greater"])
def test_all_at_once_equals_one_by_one(exchange: str, alternative: str) -> None:
    y, p, q = simulated(2)
    options: dict[str, Any] = {"rng": 5, "permutations": 150, "exchange": exchange, "alternative": alternative}
    quick, slow = permutation_test(auc, y, p, q, **options), permutation_test(plain_auc, y, p, q, **options)
    assert quick.statistic == pytest.approx(auc(y, p).value - auc(y, q).value)
    assert quick.statistic == pytest.approx(slow.statistic)
    assert quick.p_value == slow.p_value
    assert quick.method == f"permutation of {exchange}, 150 permutations, {alternative}"
    assert (quick.df, quick.n, quick.n_events, quick.note) == (None, 60, int(y.sum()), "")


def test_against_every_permutation_of_the_models() -> None:
    y, p, q = simulated(8, 9)
    observed = brier(y, p).value - brier(y, q).value
    every = np.array(
        [plain_difference(y, np.where(s, q, p), np.where(s, p, q)) for s in itertools.product([False, True], repeat=9)]
    )
    for alternative, exact in (
        ("two-sided", np.mean(np.abs(every) >= abs(observed) - 1e-12)),
        ("less", np.mean(every <= observed + 1e-12)),
        ("greater", np.mean(every >= observed - 1e-12)),
    ):
        ours = permutation_test(brier, y, p, q, rng=1, permutations=3000, alternative=alternative)
        assert ours.statistic == pytest.approx(observed)
        assert ours.p_value == pytest.approx(exact, abs=0.03)


def plain_difference(y: np.ndarray, p: np.ndarray, q: np.ndarray) -> float:
    return float(np.mean((p - y) ** 2) - np.mean((q - y) ** 2))


def test_against_every_shuffle_of_the_outcome() -> None:
    y, p, q = np.array([1, 1, 0, 0, 0, 1]), np.array([8, 6, 3, 4, 5, 9]) / 10, np.array([3, 6, 2, 5, 8, 1]) / 10
    every = []
    for events in itertools.combinations(range(6), 3):
        shuffled = np.isin(np.arange(6), events).astype(int)
        every.append(plain_auc(shuffled, p) - plain_auc(shuffled, q))
    observed = plain_auc(y, p) - plain_auc(y, q)
    ours = permutation_test(auc, y, p, q, rng=3, permutations=4000, exchange="outcomes")
    assert ours.p_value == pytest.approx(np.mean(np.abs(every) >= abs(observed) - 1e-12), abs=0.03)


def test_p_is_never_zero() -> None:
    """A p of exactly 0 is a peer's mistake: (r + 1)/(B + 1) with r = 0 is 1/(B + 1)."""
    y = np.repeat([0, 1], 40)
    p, q = np.linspace(0, 1, 80), np.linspace(1, 0, 80) * 0.5
    for exchange in ("models", "ranks", "outcomes"):
        ours = permutation_test(auc, y, p, q, rng=1, permutations=199, exchange=exchange)
        assert ours.p_value == 1 / 200
        assert (
            permutation_test(auc, y, p, q, rng=1, permutations=199, exchange=exchange, alternative="less").p_value == 1
        )


@pytest.mark.parametrize("exchange", ["models", "ranks", "outcomes"])
def test_identical_models_give_p_1(exchange: str) -> None:
    y, p, _ = simulated(1)
    for statistic in (auc, brier, plain_auc):
        ours = permutation_test(statistic, y, p, p, rng=1, permutations=30, exchange=exchange)
        assert (ours.statistic, ours.p_value) == (0.0, 1.0)


def test_ranks_ignore_the_scale_and_models_do_not() -> None:
    """The same ranking on another scale is the same model to "ranks"; exchanging raw risks mixes two scales."""
    y, p, q = simulated(3)
    ranks = [permutation_test(auc, y, p, r, rng=7, permutations=300, exchange="ranks") for r in (q, q**3)]
    assert ranks[0] == ranks[1]
    models = [permutation_test(auc, y, p, r, rng=7, permutations=300) for r in (q, q**3)]
    assert models[0].statistic == models[1].statistic
    assert models[0].p_value != models[1].p_value
    same = permutation_test(auc, y, p, p**2, rng=7, permutations=50, exchange="ranks")
    assert (same.statistic, same.p_value) == (0.0, 1.0)


def test_the_order_of_the_rows_and_the_sign() -> None:
    y, p, q = simulated(4)
    order = np.random.default_rng(2).permutation(60)
    for statistic in (auc, brier):
        ours = permutation_test(statistic, y, p, q, rng=3, permutations=120)
        shuffled = permutation_test(statistic, y[order], p[order], q[order], rng=3, permutations=120)
        assert shuffled.p_value == ours.p_value
    assert permutation_test(auc, y, p, q, rng=np.random.default_rng(3), permutations=120).p_value == (
        permutation_test(auc, y, p, q, rng=3, permutations=120).p_value
    )
    assert permutation_test(auc, y, q, p, rng=3).statistic == -permutation_test(auc, y, p, q, rng=3).statistic


def test_blocks_of_work_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    y, p, q = simulated(4)
    for exchange in ("models", "outcomes"):
        whole = permutation_test(auc, y, p, q, rng=3, permutations=101, exchange=exchange)
        with monkeypatch.context() as patch:
            patch.setattr("validkit.stats.permutation.BLOCK", 600)
            assert permutation_test(auc, y, p, q, rng=3, permutations=101, exchange=exchange) == whole


def test_undefined() -> None:
    none = permutation_test(auc, [1, 1], [0.1, 0.2], [0.3, 0.2], rng=1)
    assert math.isnan(none.p_value)
    assert math.isnan(none.statistic)
    assert (none.note, none.n, none.n_events) == ("the statistic is undefined or infinite on these patients", 2, 2)
    y, p, q = simulated(1, 20)

    def rarely(y_: Any, p_: Any) -> float:
        return math.nan if p_[0] != p[np.lexsort((y, q, p))][0] else float(np.mean(p_))

    ours = permutation_test(rarely, y, np.where(p == q, p + 0.001, p), q, rng=1, permutations=100)
    assert math.isnan(ours.p_value)


def test_a_few_undefined_permutations_are_counted() -> None:
    y, p, q = simulated(6, 30)
    calls = itertools.count()

    def statistic(y_: Any, p_: Any) -> float:  # observed: calls 0, 1; then two calls a permutation
        return math.nan if next(calls) in (2, 8) else float(np.mean((p_ - y_) ** 2))

    ours = permutation_test(statistic, y, p, q, rng=1, permutations=100)
    assert ours.note == "undefined in 2 of 100 permutations"
    assert ours.p_value * 99 == pytest.approx(round(ours.p_value * 99))
    calls = itertools.count()

    def often(y_: Any, p_: Any) -> float:
        return math.nan if 2 <= next(calls) < 14 else float(np.mean((p_ - y_) ** 2))

    many = permutation_test(often, y, p, q, rng=1, permutations=100)
    assert math.isnan(many.p_value)
    assert many.note == "undefined in 6 of 100 permutations: too many for a test"
    assert not math.isnan(many.statistic)


def test_any_statistic_and_scores() -> None:
    y, p, q = simulated(5)
    ours = permutation_test(lambda y, p: sensitivity(y, p, threshold=0.4), y, p, q, rng=1, permutations=50)
    want = sensitivity(y, p, threshold=0.4).value - sensitivity(y, q, threshold=0.4).value
    assert ours.statistic == pytest.approx(want)
    scores = permutation_test(auc, y, p * 8, q * 8, rng=1, permutations=50, scale="score")
    assert scores.p_value == permutation_test(auc, y, p, q, rng=1, permutations=50).p_value
    weighted = permutation_test(auc, y, p, q, rng=1, permutations=50, weights=np.full(60, 2))
    assert (weighted.n, weighted.statistic) == (120, pytest.approx(scores.statistic))
    missing = permutation_test(
        auc, y, np.where(np.arange(60) == 1, math.nan, p), q, rng=1, permutations=50, missing="complete-case"
    )
    assert (missing.n, missing.n_missing) == (59, 1)


def test_bad_arguments() -> None:
    y, p, q = simulated(1)
    for options, message in (
        ({"rng": 1, "exchange": "rows"}, "`exchange` must be one of"),
        ({"rng": 1, "alternative": "x"}, "`alternative`"),
        ({"rng": 1, "permutations": 19}, "`permutations`"),
        ({"rng": None}, "`rng`"),
    ):
        with pytest.raises(InputError, match=message):
            permutation_test(auc, y, p, q, **options)
    assert permutation_test(auc, y, p, q, rng=1, permutations=20).p_value >= 1 / 21


def test_size_under_equally_good_models() -> None:
    rng = np.random.default_rng(2)
    y = np.repeat([0, 1], 30)
    p_values = []
    for _ in range(400):
        base = rng.normal(size=60) + y
        p, q = base + rng.normal(size=(2, 60))
        p_values.append(permutation_test(auc, y, p, q, rng=rng, permutations=99, scale="score").p_value)
    assert 0.025 < np.mean(np.array(p_values) <= 0.05) < 0.08


def test_the_three_alternatives_count_their_own_side() -> None:
    y, p, q = simulated(6)
    less, greater, two = (
        permutation_test(auc, y, p, q, rng=5, permutations=399, alternative=side)
        for side in ("less", "greater", "two-sided")
    )
    assert less.p_value + greater.p_value >= 1  # an equal difference counts on both sides
    assert less.p_value + greater.p_value < 1.2
    assert min(less.p_value, greater.p_value) <= two.p_value
    smaller, larger = (less, greater) if less.statistic < 0 else (greater, less)
    assert smaller.p_value < 0.5 < larger.p_value
    swapped = permutation_test(auc, y, q, p, rng=5, permutations=399, alternative="less")
    assert swapped.p_value == pytest.approx(greater.p_value, abs=0.06)
