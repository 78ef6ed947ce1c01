from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validkit.errors import InputError
from validkit.stats import discrimination
from validkit.stats.cutoffs import Cutoff, midpoint, optimal_cutoff, youden_threshold
from validkit.stats.intervals import clopper_pearson, wilson

quick = settings(deadline=None, max_examples=60)
Sample = tuple[np.ndarray, np.ndarray]
# (tp, fp) highest first: 0.8 (1, 0), 0.4 (1, 1), 0.35 (2, 1), 0.1 (2, 2)
Y, P = [0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]
NOTE = "the threshold was chosen on these patients: its sensitivity and specificity are optimistic"


@st.composite
def samples(draw: st.DrawFn) -> Sample:
    y = draw(st.lists(st.integers(0, 1), min_size=2, max_size=30).filter(lambda v: 0 < sum(v) < len(v)))
    p = draw(st.lists(st.integers(0, 8), min_size=len(y), max_size=len(y)))
    return np.array(y), np.array(p) / 8


def shares(y: np.ndarray, p: np.ndarray, threshold: float) -> tuple[Fraction, Fraction]:
    m, q = int(y.sum()), int((1 - y).sum())
    return Fraction(int((y[p < threshold]).sum()), m), Fraction(int((1 - y[p >= threshold]).sum()), q)


def test_youden_by_hand_with_its_ties() -> None:
    cutoff = optimal_cutoff(Y, P)
    assert cutoff.tied == pytest.approx((0.225, 0.6))
    assert cutoff.threshold == cutoff.tied[0] == youden_threshold(Y, P)
    assert (cutoff.criterion, cutoff.rule, cutoff.note) == (0.5, "youden", NOTE)
    assert (cutoff.n, cutoff.n_events, cutoff.n_missing) == (4, 2, 0)
    sens, spec = cutoff.sensitivity, cutoff.specificity
    assert (sens.value, spec.value) == (1.0, 0.5)
    assert (sens.low, sens.high) == tuple(float(end) for end in wilson(2, 2, 0.95))
    assert (spec.low, spec.high) == tuple(float(end) for end in wilson(1, 2, 0.95))
    assert (sens.se, spec.se) == (0.0, pytest.approx(math.sqrt(0.125)))
    assert (sens.method, sens.level, sens.n, sens.n_events) == ("Wilson", 0.95, 4, 2)


def test_exact_intervals_and_level() -> None:
    cutoff = optimal_cutoff(Y, P, method="exact", level=0.9)
    assert (cutoff.specificity.low, cutoff.specificity.high) == tuple(float(e) for e in clopper_pearson(1, 2, 0.9))
    assert (cutoff.specificity.method, cutoff.specificity.level) == ("Clopper-Pearson", 0.9)


def test_closest_by_hand() -> None:
    # 0.8: 1/4; 0.35: r/4; so r decides
    assert optimal_cutoff(Y, P, rule="closest").tied == pytest.approx((0.225, 0.6))
    assert optimal_cutoff(Y, P, rule="closest").criterion == 0.25
    costly = optimal_cutoff(Y, P, rule="closest", cost_ratio=2)  # r = 1/2
    assert (costly.tied, costly.criterion) == (pytest.approx((0.225,)), 0.125)
    rare = optimal_cutoff(Y, P, rule="closest", prevalence=0.1)  # r = 9
    assert (rare.threshold, rare.criterion) == (pytest.approx(0.6), 0.25)
    both = optimal_cutoff(Y, P, rule="closest", cost_ratio=9, prevalence=0.1)  # r = 1
    assert both.tied == pytest.approx((0.225, 0.6))


def test_cost_by_hand() -> None:
    cutoff = optimal_cutoff(Y, P, rule="cost", cost_ratio=3)  # prevalence 1/2: 0.35 costs 1/4, 0.8 costs 3/4
    assert (cutoff.threshold, cutoff.criterion) == (pytest.approx(0.225), 0.25)
    cutoff = optimal_cutoff(Y, P, rule="cost", cost_ratio="0.5")  # type: ignore[arg-type]
    assert (cutoff.threshold, cutoff.criterion) == (pytest.approx(0.6), 0.125)
    cutoff = optimal_cutoff(Y, P, rule="cost", prevalence=0.25)  # 0.35: 3/8, 0.8: 1/8, nobody: 1/4
    assert (cutoff.threshold, cutoff.criterion) == (pytest.approx(0.6), 0.125)


def test_cost_may_choose_nobody_or_everybody() -> None:
    nobody = optimal_cutoff(Y, P, rule="cost", cost_ratio=2, prevalence=0.001)
    assert nobody.threshold == pytest.approx(0.6)  # nobody would cost 0.002, half of them missed costs 0.001
    reversed_model = optimal_cutoff([1, 1, 0, 0], P, rule="cost", cost_ratio=0.2)
    assert (reversed_model.threshold, reversed_model.sensitivity.value) == (math.inf, 0.0)
    assert (reversed_model.specificity.value, reversed_model.criterion) == (1.0, 0.1)
    assert reversed_model.to_dict()["threshold"] == "inf"
    everybody = optimal_cutoff([1, 1, 0, 0], P, rule="cost", cost_ratio=5)
    assert (everybody.threshold, everybody.sensitivity.value, everybody.criterion) == (0.1, 1.0, 0.5)


def test_ties_are_exact_where_floats_are_not() -> None:
    """cost 1/3 x 3: float criteria of equal thresholds differ in the last bit, fractions do not."""
    y = np.r_[np.ones(10, int), np.zeros(30, int)]
    p = np.r_[np.linspace(0.3, 0.9, 10), np.linspace(0.1, 0.7, 30)]
    cutoff = optimal_cutoff(y, p, rule="cost", cost_ratio=3, prevalence=0.25)
    missed_false = [shares(y, p, t) for t in cutoff.tied]
    costs = {Fraction(3, 4) * missed + Fraction(3, 4) * false for missed, false in missed_false}
    assert len(costs) == 1
    assert cutoff.criterion == pytest.approx(float(costs.pop()), abs=1e-16)


@quick
@given(samples(), st.sampled_from(["closest", "cost"]), st.integers(1, 8), st.integers(1, 9))
def test_nothing_else_is_better(sample: Sample, rule: str, ratio: int, tenths: int) -> None:
    y, p = sample
    share = Fraction(tenths, 10)
    found = optimal_cutoff(y, p, rule=rule, cost_ratio=ratio, prevalence=tenths / 10)

    def criterion(threshold: float) -> Fraction:
        missed, false = shares(y, p, threshold)
        if rule == "cost":
            return share * missed * ratio + (1 - share) * false
        return missed**2 + (1 - share) / (ratio * share) * false**2

    every = [math.inf, *np.unique(p)[::-1]]
    least = min(criterion(t) for t in every)
    assert {criterion(t) for t in found.tied} == {least}
    assert found.criterion == float(least)
    assert len(found.tied) == sum(criterion(t) == least for t in every)
    assert list(found.tied) == sorted(found.tied)
    missed, false = shares(y, p, found.threshold)
    assert found.sensitivity.value == pytest.approx(float(1 - missed))
    assert found.specificity.value == pytest.approx(float(1 - false))


@quick
@given(samples(), st.integers(0, 1000))
def test_youden_agrees_and_order_does_not_matter(sample: Sample, seed: int) -> None:
    y, p = sample
    order = np.random.default_rng(seed).permutation(y.size)
    cutoff = optimal_cutoff(y, p)
    assert cutoff.threshold == youden_threshold(y, p)
    assert optimal_cutoff(y[order], p[order]) == cutoff
    assert cutoff.criterion == pytest.approx(cutoff.sensitivity.value + cutoff.specificity.value - 1, abs=1e-15)
    assert 0 <= cutoff.criterion <= 1 or cutoff.threshold == p.min()
    assert math.inf not in cutoff.tied
    weighted = optimal_cutoff(y, p, weights=np.full(y.size, 2))
    assert weighted == optimal_cutoff(np.tile(y, 2), np.tile(p, 2))
    assert weighted.tied == cutoff.tied


def test_constant_two_patients_and_scores() -> None:
    constant = optimal_cutoff([0, 1, 0, 1], [0.5] * 4)
    assert (constant.threshold, constant.criterion, constant.tied) == (0.5, 0.0, (0.5,))
    two = optimal_cutoff([0, 1], [-4.0, 2.0], scale="score")
    assert (two.threshold, two.criterion) == (-1.0, 1.0)
    binary = optimal_cutoff([0, 1, 1, 0], [0, 1, 1, 1])
    assert (binary.threshold, binary.sensitivity.value, binary.specificity.value) == (0.5, 1.0, 0.5)


def test_one_outcome_only() -> None:
    for y, note in (([1, 1], "undefined: no non-event"), ([0, 0], "undefined: no event")):
        cutoff = optimal_cutoff(y, [0.1, 0.2], rule="cost", level=0.9)
        assert math.isnan(cutoff.threshold)
        assert math.isnan(cutoff.criterion)
        assert (cutoff.note, cutoff.rule, cutoff.tied, cutoff.n, cutoff.n_events) == (note, "cost", (), 2, sum(y))
        for part in (cutoff.sensitivity, cutoff.specificity):
            assert math.isnan(part.value)
            assert (part.note, part.n, part.n_events, part.level) == (note, 2, sum(y), 0.9)
        with pytest.raises(InputError, match="Youden's threshold needs both outcomes; `y_true` has"):
            youden_threshold(y, [0.1, 0.2])


def test_repr_and_dict() -> None:
    cutoff = optimal_cutoff(Y, P)
    assert repr(cutoff) == (f"youden threshold 0.225 (criterion 0.5, 2 tied; sensitivity 1, specificity 0.5; {NOTE})")
    found = cutoff.to_dict()
    assert found["sensitivity"]["value"] == 1.0
    assert found["tied"] == list(cutoff.tied)
    assert isinstance(cutoff, Cutoff)


def test_complete_cases_are_counted() -> None:
    cutoff = optimal_cutoff([*Y, 1], [*P, math.nan], missing="complete-case")
    assert (cutoff.n, cutoff.n_missing, cutoff.threshold) == (4, 1, optimal_cutoff(Y, P).threshold)
    assert cutoff.note.endswith("1 of 5 patients left out as incomplete (complete case)")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rule": "max"}, "`rule` must be one of 'youden', 'closest', 'cost', not 'max'"),
        ({"method": "wald"}, "`method` must be one of 'wilson', 'exact', not 'wald'"),
        ({"rule": "cost", "cost_ratio": 0}, "`cost_ratio` must be above 0, not 0"),
        ({"rule": "cost", "cost_ratio": math.inf}, "`cost_ratio` must be finite"),
        ({"rule": "cost", "prevalence": 0}, "`prevalence` must lie strictly between 0 and 1, not 0"),
        ({"rule": "cost", "prevalence": 1.0}, "`prevalence` must lie strictly between 0 and 1, not 1.0"),
        ({"cost_ratio": 2}, 'Youden\'s index has no weights: .* belong to rule="cost"'),
        ({"prevalence": 0.2}, "Youden's index has no weights"),
        ({"level": 0}, "`level` must lie"),
    ],
)
def test_arguments_are_checked(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        optimal_cutoff(Y, P, **options)  # type: ignore[arg-type]


def test_old_names_still_lead_here() -> None:
    assert discrimination.youden_threshold is youden_threshold
    assert discrimination.midpoint is midpoint
    assert midpoint(np.array([0.8, 0.4]), 0) == pytest.approx(0.6)
    assert midpoint(np.array([0.8, 0.4]), 1) == 0.4
