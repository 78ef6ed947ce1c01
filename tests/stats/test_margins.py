from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from validkit.errors import InputError
from validkit.stats.auc_tests import compare_auc_unpaired
from validkit.stats.comparison import compare_auc
from validkit.stats.margins import equivalence, noninferiority
from validkit.stats.paired_proportions import compare_sensitivity
from validkit.stats.results import Comparison, Estimate, TestResult

quick = settings(deadline=None, max_examples=60)
N = NormalDist()
GIVEN = Estimate(0.01, -0.03, 0.05, 0.95, "DeLong, paired", 0.02, 100, 40, "a note", 3)


def test_noninferiority_by_hand() -> None:
    ours = noninferiority(GIVEN, margin=0.05)
    assert ours.decision == "non-inferior"
    assert ours.test.statistic == pytest.approx(3)
    assert ours.p_value == ours.test.p_value == pytest.approx(N.cdf(-3))
    assert (ours.low_margin, ours.high_margin, ours.alpha) == (-0.05, math.inf, 0.025)
    d, half = ours.difference, N.inv_cdf(0.975) * 0.02
    assert (d.value, d.se, d.level) == (0.01, 0.02, 0.95)
    assert (d.low, d.high) == (pytest.approx(0.01 - half), pytest.approx(0.01 + half))
    assert (d.method, d.n, d.n_events, d.note, d.n_missing) == ("Wald, from DeLong, paired", 100, 40, "a note", 3)
    test = ours.test
    assert (test.method, test.n, test.n_events, test.note, test.n_missing) == (
        *("non-inferior, Wald", 100, 40, "a note", 3),
    )
    assert test.df is None
    lower = noninferiority(GIVEN, margin=0.05, higher_is_better=False)
    assert (lower.low_margin, lower.high_margin) == (-math.inf, 0.05)
    assert (lower.test.statistic, lower.p_value) == (pytest.approx(2), pytest.approx(N.cdf(-2)))
    assert lower.decision == "non-inferior"
    strict = noninferiority(GIVEN, margin=0.05, higher_is_better=False, alpha=0.01)
    assert (strict.decision, strict.alpha) == ("not shown", 0.01)
    assert strict.difference.high == pytest.approx(0.01 + N.inv_cdf(0.99) * 0.02)
    assert strict.difference.level == pytest.approx(0.98)
    assert repr(ours).startswith("non-inferior at (-0.05, inf), alpha = 0.025: 0.01 [-0.0292, 0.0492] (95% Wald, from")
    assert ours.to_dict()["high_margin"] == "inf"


def test_equivalence_by_hand() -> None:
    ours = equivalence(GIVEN, margin=0.05)
    assert ours.decision == "equivalent"
    assert (ours.test.statistic, ours.p_value) == (pytest.approx(2), pytest.approx(N.cdf(-2)))
    assert (ours.low_margin, ours.high_margin, ours.alpha) == (-0.05, 0.05, 0.05)
    assert ours.difference.level == pytest.approx(0.9)
    assert ours.difference.low == pytest.approx(0.01 - N.inv_cdf(0.95) * 0.02)
    assert ours.test.method == "equivalent, Wald"
    lopsided = equivalence(GIVEN, margin=(-0.02, 0.09))
    assert (lopsided.test.statistic, lopsided.decision) == (pytest.approx(1.5), "not shown")
    assert (lopsided.low_margin, lopsided.high_margin) == (-0.02, 0.09)
    assert equivalence(GIVEN, margin=0.05, alpha=0.02).decision == "not shown"


@quick
@given(st.floats(-0.3, 0.3), st.floats(0.001, 0.3), st.floats(0.01, 0.4), st.floats(0.001, 0.4))
def test_the_decision_is_that_of_the_interval(value: float, se: float, margin: float, alpha: float) -> None:
    given_one = Estimate(value, se=se)
    better = noninferiority(given_one, margin=margin, alpha=alpha)
    worse = noninferiority(Estimate(-value, se=se), margin=margin, alpha=alpha, higher_is_better=False)
    assert (better.decision, better.p_value) == (worse.decision, worse.p_value)
    if abs(better.difference.low + margin) > 1e-9:
        assert (better.decision == "non-inferior") == (better.difference.low > -margin)
    both = equivalence(given_one, margin=margin, alpha=alpha)
    assert both.p_value == max(
        better.p_value, noninferiority(given_one, margin=margin, alpha=alpha, higher_is_better=False).p_value
    )
    assert both.p_value == equivalence(Estimate(-value, se=se), margin=margin, alpha=alpha).p_value


def test_the_unpaired_comparison_keeps_its_t() -> None:
    y, p = [0, 0, 1, 1, 1], [0.1, 0.5, 0.4, 0.7, 0.8]
    z, q = [0, 1, 0, 1, 0, 1], [0.3, 0.2, 0.1, 0.5, 0.4, 0.6]
    given_one = compare_auc_unpaired(y, p, z, q)
    ours, df = noninferiority(given_one, margin=0.1), given_one.test.df or 0
    t = (given_one.difference.value + 0.1) / given_one.difference.se
    assert ours.p_value == pytest.approx(scipy_stats.t.sf(t, df))
    assert (ours.test.df, ours.test.method) == (df, "non-inferior, Wald, t")
    assert ours.difference.low == pytest.approx(
        given_one.difference.value - scipy_stats.t.ppf(0.975, df) * given_one.difference.se
    )
    paired = compare_auc(y, p, [0.3, 0.6, 0.2, 0.5, 0.9])
    assert noninferiority(paired, margin=0.1).test.df is None


def test_the_df_of_a_chi_square_is_not_taken_for_a_t() -> None:
    y, a, b = [1] * 8, [0.9] * 6 + [0.1, 0.1], [0.9] * 3 + [0.1] * 4 + [0.9]
    ours = noninferiority(compare_sensitivity(y, a, b, threshold=0.5, method="asymptotic"), margin=0.1)
    assert ours.test.df is None
    assert ours.test.statistic == pytest.approx((2 / 8 + 0.1) / (math.sqrt(4 - 4 / 8) / 8))


def test_another_interval_that_decides_otherwise_is_told() -> None:
    told = "the comparison's own interval (bootstrap) leads to the other decision"
    wide = Estimate(0.01, -0.06, 0.05, 0.95, "bootstrap", 0.02)
    assert noninferiority(wide, margin=0.05).difference.note == told
    assert noninferiority(wide, margin=0.05).test.note == told
    noted = Estimate(0.01, -0.06, 0.05, 0.95, "bootstrap", 0.02, note="first")
    assert noninferiority(noted, margin=0.05).test.note == f"first; {told}"
    for fine in (
        noninferiority(wide, margin=0.07),
        noninferiority(wide, margin=0.05, alpha=0.05),
        noninferiority(Estimate(0.01, -0.02, 0.05, 0.95, "bootstrap", 0.02), margin=0.05),
        noninferiority(wide, margin=0.06, higher_is_better=False),
    ):
        assert fine.test.note == ""
    assert noninferiority(wide, margin=0.05, higher_is_better=False).test.note == told


def test_undefined() -> None:
    flat = noninferiority(Estimate(0.0, 0.0, 0.0, 0.95, "DeLong, paired", 0.0, 10, 4, "alike", 2), margin=0.1)
    assert flat.decision == "undefined"
    assert flat.test.note == flat.difference.note == "the standard error is zero: no test; alike"
    assert all(math.isnan(v) for v in (flat.p_value, flat.test.statistic, flat.difference.low, flat.difference.high))
    assert (flat.difference.n, flat.test.n_events, flat.test.n_missing, flat.difference.n_missing) == (10, 4, 2, 2)
    assert (flat.difference.se, flat.difference.level, flat.difference.value) == (0.0, 0.95, 0.0)
    assert noninferiority(Estimate(0.1), margin=0.1).test.note == "the standard error is undefined: no test"
    assert equivalence(Estimate(math.nan), margin=0.1).test.note == "the difference is undefined: no test"
    test = TestResult(math.nan, math.nan)
    assert equivalence(Comparison(Estimate(0.1, se=math.inf), test), margin=0.1).decision == "undefined"


@pytest.mark.parametrize("margin", [0, -0.1, math.inf, math.nan, "0.1", True, None])
def test_bad_margins(margin: object) -> None:
    with pytest.raises(InputError, match="`margin` must be a finite number above 0"):
        noninferiority(GIVEN, margin=margin)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="margin"):
        equivalence(GIVEN, margin=margin)  # type: ignore[arg-type]


def test_other_bad_arguments() -> None:
    for alpha in (0, 0.5, -0.1, True, "0.05"):
        with pytest.raises(InputError, match=r"`alpha` must lie strictly between 0 and 0\.5"):
            noninferiority(GIVEN, margin=0.1, alpha=alpha)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="`higher_is_better`"):
        noninferiority(GIVEN, margin=0.1, higher_is_better=1)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="`comparison` must be"):
        noninferiority(0.1, margin=0.1)  # type: ignore[arg-type]
    for pair in ((0.1, 0.2), (-0.1, -0.2), (0.0, 0.1)):
        with pytest.raises(InputError, match=r"must be a finite number above 0"):
            equivalence(GIVEN, margin=pair)
    for bad in ((-0.1,), (-0.1, "x")):
        with pytest.raises(InputError, match=r"one number or \(low, high\)"):
            equivalence(GIVEN, margin=bad)  # type: ignore[arg-type]


def test_size_of_noninferiority_at_the_margin() -> None:
    """The true AUC difference lies at the margin: the test rejects about 2.5 % of 800 studies."""
    rng = np.random.default_rng(4)
    y = np.r_[np.ones(60, int), np.zeros(60, int)]
    margin = N.cdf(1 / math.sqrt(2)) - N.cdf(0.5 / math.sqrt(2))  # binormal areas
    rejected = 0
    for _ in range(800):
        base = rng.normal(size=(2, 120))
        ours = compare_auc(y, base[0] + 0.5 * y, base[1] + y, scale="score")
        rejected += noninferiority(ours, margin=margin).decision == "non-inferior"
    assert 0.012 < rejected / 800 < 0.045
