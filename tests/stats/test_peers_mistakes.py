"""Wrong answers that packages in use today give, and ours beside them: one test each.

MLstatkit, confidenceinterval, dcurves, mlxtend, scikit-learn and pROC are named for the mistake, as found by
experiment; none of them is needed here.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from validkit import stats
from validkit.errors import InputError


def simulated(n: int = 80, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = np.round(rng.uniform(0.05, 0.95, n), 2)
    return (rng.random(n) < p).astype(int), p


def test_identical_rankings_differ_by_nothing() -> None:
    """MLstatkit gives p = 0, others NaN."""
    y, p = simulated()
    for other in (p, p**2, p / 2):
        found = stats.compare_auc(y, p, other)
        assert (found.difference.value, found.difference.low, found.difference.high) == (0, 0, 0)
        assert (found.test.statistic, found.test.p_value) == (0, 1)
    everything = stats.compare_aucs(y, np.stack([p, p**2, p / 2]))
    assert (everything.test.statistic, everything.test.df, everything.test.p_value) == (0, 0, 1)


@pytest.mark.parametrize("method", ["delong", "logit-delong", "newcombe"])
@pytest.mark.parametrize("score", [[0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [0.1, 0.2, 0.5, 0.4, 0.3, 0.6], [6, 5, 4, 3, 2, 1]])
def test_no_interval_of_an_auc_leaves_0_to_1(method: str, score: list[float]) -> None:
    """confidenceinterval reports AUC intervals above 1."""
    y = [0, 0, 0, 1, 1, 1]
    found = stats.auc(y, score, method=method, scale="score")
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.high > found.low


def test_a_missing_prediction_is_not_a_low_risk() -> None:
    """dcurves counts a NaN prediction as negative and leaves n as it was."""
    y, p = simulated()
    holed = p.copy()
    holed[[3, 17]] = math.nan
    for function in (stats.decision_curve, lambda a, b: stats.net_benefit(a, b, threshold=0.2)):
        with pytest.raises(InputError, match=r"`y_prob` is missing \(NaN\) for 2 of 80 patients \(rows 3, 17\)"):
            function(y, holed)
    curve = stats.decision_curve(y, holed, missing="complete-case")
    assert (curve.n, curve.n_missing) == (78, 2)
    assert "2 of 80 patients left out" in curve.note
    kept = ~np.isnan(holed)
    np.testing.assert_array_equal(curve.y, stats.decision_curve(y[kept], p[kept]).y)


def test_a_model_may_be_called_all_or_none() -> None:
    """dcurves crashes on a column named all."""
    y, p = simulated()
    other = np.clip(p[::-1], 0.05, 0.95)
    found = stats.compare_auc(y, p, other, a="all", b="none")
    assert (found.a, found.b) == ("all", "none")
    difference = stats.compare_decision_curves(y, p, other, a="all", b="none")
    assert (difference.a, difference.b) == ("all", "none")
    names = stats.compare_aucs(y, np.stack([p, other]), names=["all", "none"])
    assert "all" in repr(names)


def test_a_permutation_p_is_never_0() -> None:
    """A count of no permutation as extreme is p = 1/(B + 1), not 0."""
    y = np.r_[np.zeros(40, int), np.ones(40, int)]
    good, bad = np.linspace(0.01, 0.99, 80), np.linspace(0.99, 0.01, 80)
    found = stats.permutation_test(stats.auc, y, good, bad, rng=1, permutations=199)
    assert found.p_value == pytest.approx(1 / 200)


def test_no_discordant_pair_is_no_evidence() -> None:
    """mlxtend's exact McNemar test gives p = 0 there."""
    assert stats.mcnemar(0, 0).p_value == 1
    y, p = simulated()
    for compare in (stats.compare_sensitivity, stats.compare_specificity):
        found = compare(y, p, p, threshold=0.5)
        assert (found.difference.value, found.test.p_value) == (0, 1)


def test_groups_lost_to_ties_are_told() -> None:
    """scikit-learn merges tied quantile bins without a word."""
    p = np.repeat([0.1, 0.2, 0.5, 0.8], 20)
    y = (np.random.default_rng(2).random(80) < p).astype(int)
    found = stats.hosmer_lemeshow(y, p, groups=10, fitted_here=False)
    assert "groups formed, 10 asked for" in found.note
    assert found.df < 10
    assert stats.expected_calibration_error(y, p, groups=10).note.startswith("3 groups formed, 10 asked for")


def test_one_event_supports_no_test() -> None:
    """MLstatkit gives a confident p with a single positive case."""
    y = [0] * 30 + [1]
    found = stats.compare_auc(y, np.linspace(0, 1, 31), np.linspace(1, 0, 31))
    assert math.isnan(found.test.p_value)
    assert "a single event or non-event" in found.test.note
    assert math.isnan(found.difference.low)


def test_the_direction_is_the_users() -> None:
    """pROC's default turns an AUC of 0.06 into 0.94."""
    y, score = [0, 0, 0, 0, 1, 1, 1, 1], [0.9, 0.8, 0.7, 0.35, 0.4, 0.3, 0.2, 0.1]
    assert stats.auc(y, score).value == pytest.approx(0.0625)
    assert stats.auc(y, 1 - np.array(score)).value == pytest.approx(0.9375)


def test_a_patient_at_the_threshold_is_treated_at_every_decimal() -> None:
    """On a grid counted in binary, R's and Python's decision curves lose the patients at exactly 0.3, 0.6 and 0.7."""
    p = np.arange(1, 10) / 10
    y = np.tile([1, 0], 5)[:9]
    for grid in (stats.decision_grid(0, 1, "0.1"), np.arange(0, 11) * 0.1, np.cumsum(np.r_[0, np.full(9, 0.1)])):
        curve = stats.decision_curve(y, p, thresholds=grid[1:10])
        treated = [(p >= k / 10 - 1e-9) for k in range(1, 10)]
        want = [(y[t].sum() - (1 - y)[t].sum() * k / (10 - k)) / 9 for k, t in enumerate(treated, start=1)]
        np.testing.assert_allclose(curve.y, want, atol=1e-12)
