from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validkit.errors import InputError
from validkit.stats.costs import cost_curve, expected_cost, minimum_expected_cost
from validkit.stats.decision_curves import decision_curve

Y = np.array([0] * 14 + [1] * 10)  # at 0.4: 5 false positives and 5 false negatives
P = np.array([0.1] * 9 + [0.5] * 5 + [0.2] * 5 + [0.7] * 5)
Z = 1.959963984540054
quick = settings(deadline=None, max_examples=50)
cases = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 20)), min_size=2, max_size=40).map(
    lambda rows: (np.array([y for y, _ in rows]), np.array([k for _, k in rows]) / 20)
)


@pytest.mark.parametrize(
    ("options", "fn", "fp"),
    [
        ({}, 1.5, 1.0),
        ({"normalised": True}, 0.6, 0.4),
        ({"cost_false_negative": 90_000, "cost_false_positive": 4_000}, 90_000, 4_000),
        ({"cost_false_negative": 1, "cost_false_positive": 3, "normalised": True}, 0.25, 0.75),
        ({"cost_false_negative": 0, "cost_false_positive": 3}, 0, 3),
    ],
)
def test_every_field_by_hand(options: dict[str, object], fn: float, fp: float) -> None:
    u = np.repeat([0, fp, fn, 0], [9, 5, 5, 5])
    value, se = float(u.mean()), float(u.std(ddof=1) / math.sqrt(24))
    found = expected_cost(Y, P, threshold=0.4, **options)
    assert [found.value, found.se] == pytest.approx([value, se])
    assert [found.low, found.high] == pytest.approx([value - Z * se, value + Z * se])
    assert (found.level, found.n, found.n_events, found.note) == (0.95, 24, 10, "")
    assert found.method == "normal, from each patient's contribution"
    miss, vain = 5 / 10, 5 / 14
    declared = expected_cost(Y, P, threshold=0.4, prevalence=0.2, level=0.9, **options)
    assert declared.value == pytest.approx(0.2 * fn * miss + 0.8 * fp * vain)
    se = math.sqrt((0.2 * fn) ** 2 * miss * (1 - miss) / 10 + (0.8 * fp) ** 2 * vain * (1 - vain) / 14)
    assert declared.se == pytest.approx(se)
    assert declared.high == pytest.approx(declared.value + 1.6448536269514722 * se)
    assert (declared.method, declared.level) == ("normal, two independent proportions, prevalence 0.2 declared", 0.9)


def test_undefined_and_bounds() -> None:
    at_zero = expected_cost(Y, P, threshold=0)
    assert math.isnan(at_zero.value)
    assert at_zero.note == (
        "undefined at a threshold of 0: the cost of a false negative, (1 - t)/t, is infinite; normalised it is not"
    )
    assert (at_zero.n, at_zero.n_events) == (24, 10)
    assert expected_cost(Y, P, threshold=0, normalised=True).value == 0
    assert expected_cost(Y, P, threshold=1).value == 0  # a false negative costs nothing, and nobody is treated
    assert expected_cost(Y, P, threshold=1, normalised=True).value == 0
    single = expected_cost(np.zeros(24), P, threshold=0.4, prevalence=0.1)
    assert single.note == "no event: at a declared prevalence the value needs both outcomes"
    assert math.isnan(single.value)
    assert expected_cost(np.zeros(24), P, threshold=0.4).value == pytest.approx(10 / 24)
    perfect = expected_cost([0, 0, 1], [0.1, 0.2, 0.9], threshold=0.5)
    assert (perfect.value, perfect.note) == (0.0, "all contribute alike: no interval")
    few = expected_cost([0, 0, 1], [0.1, 0.6, 0.9], threshold=0.5, cost_false_negative=8, cost_false_positive=2)
    assert (few.low, few.note) == (
        0.0,
        "interval cut at its bound; fewer than 5 false positives or false negatives: the normal interval is too narrow",
    )
    most = expected_cost([0, 0, 1], [0.9, 0.6, 0.1], threshold=0.4, level=0.99)
    assert (most.high, most.value) == (pytest.approx(1.5), pytest.approx(3.5 / 3))
    alike = expected_cost([0, 0, 0], [0.9, 0.6, 0.8], threshold=0.5, cost_false_negative=3, cost_false_positive=7e4)
    assert math.isnan(alike.se)  # to rounding, whatever the unit


@quick
@given(cases)
def test_net_benefit_is_prevalence_less_normalised_cost(case: tuple[np.ndarray, np.ndarray]) -> None:
    y, p = case
    grid = np.array([0.0, 0.05, 0.3, 0.5, 0.95])
    cost = cost_curve(y, p, costs=grid)
    np.testing.assert_allclose(decision_curve(y, p, thresholds=grid).y, y.mean() - cost.y / (1 - grid), atol=1e-12)
    for i, t in enumerate(grid):
        single = expected_cost(y, p, threshold=t, normalised=True)
        np.testing.assert_allclose([single.value, single.low], [cost.y[i], cost.low[i]], atol=1e-14)
    cheapest = cost_curve(y, p, costs=grid, rule="cheapest")
    assert (cheapest.y <= cost.y + 1e-15).all()
    assert (cheapest.y <= np.minimum(grid * (1 - y.mean()), (1 - grid) * y.mean()) + 1e-15).all()  # all, none
    turned = cost_curve(y[::-1], p[::-1], costs=grid, rule="cheapest")
    np.testing.assert_allclose(turned.y, cheapest.y)


def test_the_cheapest_rule_by_hand() -> None:
    y, p = [0, 0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.4, 0.4, 0.9]
    found = minimum_expected_cost(y, p, cost_ratio=2)
    assert (found.cost, found.threshold, found.cost_ratio, found.normalised) == (pytest.approx(1 / 6), 0.3, 2.0, False)
    assert (found.n, found.n_events, found.note, found.n_missing) == (6, 3, "", 0)
    half = minimum_expected_cost(y, p, cost_ratio=0.25, normalised=True)
    assert (half.cost, half.threshold) == (pytest.approx(0.25 / 1.25 * 2 / 6), 0.9)  # 0.5/6: two missed; at 0.3 1/6
    declared = minimum_expected_cost(y, p, cost_ratio=2, prevalence=0.01)
    assert (declared.cost, declared.threshold) == (pytest.approx(2 * 0.01 * 2 / 3), 0.9)
    nobody = minimum_expected_cost([1, 0, 0, 0], [0.1, 0.2, 0.3, 0.4], cost_ratio=1)
    assert (nobody.cost, nobody.threshold, nobody.note) == (0.25, math.inf, "treating nobody is cheapest")
    assert nobody.to_dict()["threshold"] == "inf"
    tie = minimum_expected_cost([1, 0], [0.1, 0.2], cost_ratio=1)
    assert (tie.cost, tie.threshold) == (0.5, 0.1)
    single = minimum_expected_cost([0, 0], [0.1, 0.2], cost_ratio=1, prevalence=0.1, normalised=True)
    assert math.isnan(single.cost)
    assert math.isnan(single.threshold)
    assert single.note == "no event: at a declared prevalence the value needs both outcomes"
    assert (single.n, single.n_events, single.normalised) == (2, 0, True)
    assert minimum_expected_cost([0, 0], [0.1, 0.2], cost_ratio=1).cost == 0


def test_curves() -> None:
    curve = cost_curve(Y, P, costs=[0.2, 0.4, 1], level=0.9)
    assert curve.y[1] == pytest.approx((0.6 * 5 + 0.4 * 5) / 24)
    assert curve.y[2] == 0
    assert (curve.x_name, curve.y_name, curve.level) == ("cost of a false positive", "expected cost", 0.9)
    assert (curve.n, curve.n_events) == (24, 10)
    assert curve.method == "at the implied threshold; normal, from each patient's contribution, pointwise"
    assert curve.note == (
        "fewer than 5 false positives or false negatives at 1 of 3 thresholds (0.2 to 0.2): "
        "the normal interval is too narrow there"
    )
    band = cost_curve(Y, P, costs=[0.35, 0.4], band="simultaneous", rng=1, replicates=300)
    assert "300 draws" in band.method
    assert band.low[1] != cost_curve(Y, P, costs=[0.4]).low[0]
    best = cost_curve(Y, P, costs=[0.2, 0.4], rule="cheapest", level=0.9)
    assert best.method == "at the cheapest threshold of these patients"
    assert best.note == "optimised on these patients: no band"
    assert (best.x_name, best.y_name, best.n, best.n_events, best.level) == (
        "cost of a false positive",
        "expected cost",
        24,
        10,
        0.9,
    )
    assert np.isnan(best.low).all()
    assert best.y[1] == pytest.approx(0.4 * 5 / 24)
    undefined = cost_curve(np.zeros(24), P, costs=[0.2], rule="cheapest", prevalence=0.2)
    assert math.isnan(undefined.y[0])
    assert undefined.note.startswith("no event")
    assert cost_curve(Y, P).x.size == 100


def test_weights_and_incomplete_patients() -> None:
    weights = np.arange(24) % 3
    y, p = np.repeat(Y, weights), np.repeat(P, weights)
    assert expected_cost(Y, P, threshold=0.4, weights=weights) == expected_cost(y, p, threshold=0.4)
    want = minimum_expected_cost(y, p, cost_ratio=3)
    assert minimum_expected_cost(Y, P, cost_ratio=3, weights=weights) == want
    found = minimum_expected_cost(np.append(Y, 1), np.append(P, math.nan), cost_ratio=3, missing="complete-case")
    assert (found.n, found.n_missing) == (24, 1)
    assert cost_curve(Y, P, weights=weights).n == y.size


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cost_false_negative": 2}, "give both `cost_false_negative` and `cost_false_positive`, or neither"),
        ({"cost_false_positive": 2}, "give both"),
        ({"cost_false_negative": 0, "cost_false_positive": 0}, "are both 0: nothing costs anything"),
        ({"cost_false_negative": -1, "cost_false_positive": 1}, "`cost_false_negative` must be a number of at least 0"),
        ({"cost_false_negative": 1, "cost_false_positive": math.inf}, "`cost_false_positive` must be a number"),
        ({"cost_false_negative": 1, "cost_false_positive": "a"}, "`cost_false_positive` must be a number"),
        ({"cost_false_negative": True, "cost_false_positive": 1}, "`cost_false_negative` must be a number"),
        ({"prevalence": 1}, "`prevalence` must lie strictly"),
        ({"level": 0}, "`level` must lie strictly"),
    ],
)
def test_bad_costs(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        expected_cost(Y, P, threshold=0.4, **options)


def test_other_bad_input() -> None:
    with pytest.raises(InputError, match="`cost_ratio` must be positive"):
        minimum_expected_cost(Y, P, cost_ratio=0)
    with pytest.raises(InputError, match="`cost_ratio` must be a number of at least 0"):
        minimum_expected_cost(Y, P, cost_ratio=-2)
    with pytest.raises(InputError, match="`rule` must be one of 'implied', 'cheapest'"):
        cost_curve(Y, P, rule="best")
    with pytest.raises(InputError, match="must lie in"):
        cost_curve(Y, P, costs=[0.2, 1.5])
