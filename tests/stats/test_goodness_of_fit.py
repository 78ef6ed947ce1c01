from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from validkit.errors import InputError
from validkit.stats.goodness_of_fit import hosmer_lemeshow, le_cessie, spiegelhalter
from validkit.stats.likelihood import maximise
from validkit.stats.results import TestResult
from validkit.stats.risk_groups import filled_groups, quantile_groups, width_groups

quick = settings(deadline=None, max_examples=30)
OWN = "le Cessie-van Houwelingen-Hosmer, for the model's own patients"
FIXED = "le Cessie-van Houwelingen-Hosmer, risks fixed (Spiegelhalter's test)"


def modelled(seed: int, n: int = 120) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outcome, fitted risk and design (without its ones) of a logistic model on these patients; the model is right."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    y = (rng.random(n) < special.expit(0.3 + 0.8 * x[:, 0] - 0.5 * x[:, 1])).astype(int)
    design = np.column_stack([np.ones(n), x])
    return y, special.expit(design @ maximise(design, y.astype(float)).beta), x


def test_equal_width_bins_by_hand() -> None:
    p = np.array([0.0, 0.1, 0.1000001, 0.3, 0.1 * 3, 0.5, 0.95, 1.0])
    assert width_groups(p, 10).tolist() == [0, 0, 1, 2, 3, 4, 9, 9]  # 0.1 * 3 is above 0.3
    group, size = filled_groups(p, 10, "width")
    assert group.tolist() == [0, 0, 1, 2, 3, 4, 5, 5]
    assert size.tolist() == [2, 1, 1, 1, 1, 2]
    assert width_groups(p, 1).tolist() == [0] * 8


def test_quantile_groups_without_the_empty_ones() -> None:
    p = np.repeat([0.2, 0.4, 0.6, 0.8], 15)
    group, size = filled_groups(p, 10, "quantile")
    assert size.tolist() == [30, 15, 15]  # the cuts are 0.2, 0.4, 0.6, 0.8
    assert np.unique(group).tolist() == [0, 1, 2]
    assert (np.diff(quantile_groups(p, 10)) >= 0).all()
    with pytest.raises(InputError, match="`binning` must be one of 'quantile', 'width', not 'equal'"):
        filled_groups(p, 10, "equal")


def test_hosmer_lemeshow_of_equal_width_by_hand() -> None:
    p, y = [0.1, 0.1, 0.1, 0.1, 0.5, 0.5, 0.5, 0.5, 0.9, 0.9], [0, 0, 1, 0, 1, 0, 1, 1, 1, 0]
    want = 0.6**2 / 0.36 + 1.0 / 1.0 + 0.8**2 / 0.18  # (O - E)^2 / (E (1 - E/n)) in each bin
    new = hosmer_lemeshow(y, p, groups=3, binning="width", fitted_here=False)
    here = hosmer_lemeshow(y, p, groups=3, binning="width", fitted_here=True)
    assert new.statistic == pytest.approx(want, rel=1e-12)
    assert (new.df, new.n, new.n_events, new.note) == (3.0, 10, 5, "")
    assert new.method == "Hosmer-Lemeshow, equal-width bins, g df (new patients)"
    assert here.method == "Hosmer-Lemeshow, equal-width bins, g - 2 df (model fitted on these patients)"
    assert here.df == 1.0
    assert here.p_value == pytest.approx(math.erfc(math.sqrt(want / 2)), rel=1e-12)  # chi-squared with 1 df
    ten = hosmer_lemeshow(y, p, groups=10, binning="width", fitted_here=False)
    assert ten.statistic == pytest.approx(want, rel=1e-12)
    assert (ten.df, ten.note) == (3.0, "7 of 10 bins hold no patient and are left out")


def test_hosmer_lemeshow_with_two_groups_has_no_test() -> None:
    two = hosmer_lemeshow([0, 1, 0, 1], [0.1, 0.1, 0.9, 0.9], groups=5, binning="width", fitted_here=False)
    assert math.isnan(two.statistic)
    assert math.isnan(two.p_value)
    assert two.df is None
    assert two.note == "3 of 5 bins hold no patient and are left out; fewer than three groups: no test"
    tied = hosmer_lemeshow([0, 1, 0], [0.2, 0.2, 0.2], fitted_here=True)
    assert tied.note == ("few patients or tied risks: 1 groups formed, 10 asked for; fewer than three groups: no test")
    assert (tied.n, tied.n_events) == (3, 1)
    three = hosmer_lemeshow([0, 1, 0], [0.1, 0.2, 0.4], groups=3, fitted_here=True)
    assert three.df == 1.0
    assert three.note == ""


def test_hosmer_lemeshow_contradicted_in_a_certain_group() -> None:
    p, y = np.repeat([0.0, 0.5, 1.0], 4), np.r_[0, 0, 0, 0, 1, 0, 1, 0, 1, 1, 1, 0]
    wrong = hosmer_lemeshow(y, p, groups=3, binning="width", fitted_here=False)
    assert (wrong.statistic, wrong.p_value) == (math.inf, 0.0)
    assert wrong.note == "outcomes contradict predicted risks of exactly 0 or 1"
    y[-1] = 1
    right = hosmer_lemeshow(y, p, groups=3, binning="width", fitted_here=False)
    assert (right.statistic, right.p_value, right.df, right.note) == (0.0, 1.0, 3.0, "")


@pytest.mark.parametrize("binning", ["quantile", "width"])
def test_hosmer_lemeshow_counts_weights_and_missing(binning: str) -> None:
    rng = np.random.default_rng(4)
    p = rng.random(60)
    y, times = (rng.random(60) < p).astype(float), rng.integers(0, 4, 60)
    weighted = hosmer_lemeshow(y, p, groups=4, binning=binning, fitted_here=True, weights=times)
    assert weighted == hosmer_lemeshow(
        np.repeat(y, times), np.repeat(p, times), groups=4, binning=binning, fitted_here=True
    )
    y[3] = np.nan
    left = hosmer_lemeshow(y, p, groups=4, binning=binning, fitted_here=True, missing="complete-case")
    assert (left.n, left.n_missing) == (59, 1)
    assert (
        left.statistic
        == hosmer_lemeshow(np.delete(y, 3), np.delete(p, 3), groups=4, binning=binning, fitted_here=True).statistic
    )


def test_spiegelhalter_by_hand() -> None:
    test = spiegelhalter([0, 0, 1, 1], [0.1, 0.3, 0.4, 0.8])
    top = -0.1 * 0.8 - 0.3 * 0.4 + 0.6 * 0.2 + 0.2 * -0.6
    z = top / math.sqrt(0.64 * 0.09 + 0.16 * 0.21 + 0.04 * 0.24 + 0.36 * 0.16)
    assert test.statistic == pytest.approx(z, rel=1e-12)
    assert test.p_value == pytest.approx(math.erfc(abs(z) / math.sqrt(2)), rel=1e-12)
    assert (test.df, test.method, test.n, test.n_events, test.note) == (None, "Spiegelhalter", 4, 2, "")
    none = spiegelhalter([0, 1, 0], [0.0, 0.5, 1.0])
    assert none.note == "undefined: every predicted risk is 0, 0.5 or 1"
    assert (none.n, none.n_events) == (3, 1)
    assert math.isnan(none.p_value)
    certain = spiegelhalter([1, 0, 1], [0.0, 0.3, 0.6])
    assert certain.statistic == pytest.approx((1 - 0.3 * 0.4 + 0.4 * -0.2) / math.sqrt(0.16 * 0.21 + 0.04 * 0.24))


@quick
@given(st.integers(0, 10**6))
def test_le_cessie_follows_its_formula(seed: int) -> None:
    y, p, x = modelled(seed)
    w, d = p * (1 - p), 1 - 2 * p
    design = np.column_stack([np.ones(y.size), x])
    beta = np.linalg.solve(design.T @ (w[:, None] * design), design.T @ (w * d))
    z = (((y - p) ** 2).sum() - w.sum()) / math.sqrt((w * (d - design @ beta) ** 2).sum())
    own = le_cessie(y, p, X=x)
    assert own.statistic == pytest.approx(z, rel=1e-9, abs=1e-9)
    assert own.p_value == pytest.approx(math.erfc(abs(z) / math.sqrt(2)), rel=1e-9)
    assert (own.df, own.method, own.n, own.n_events, own.note) == (None, OWN, 120, int(y.sum()), "")
    with_ones = le_cessie(y, p, X=design)
    assert with_ones.statistic == pytest.approx(own.statistic, rel=1e-9, abs=1e-9)
    fixed, s = le_cessie(y, p), spiegelhalter(y, p)
    assert fixed == TestResult(fixed.statistic, fixed.p_value, None, FIXED, s.n, s.n_events)
    assert [fixed.statistic, fixed.p_value] == pytest.approx([s.statistic, s.p_value], rel=1e-11)
    assert abs(fixed.statistic) <= abs(own.statistic) + 1e-12  # estimating takes variance away


@quick
@given(st.integers(0, 10**6))
def test_le_cessie_knows_no_order_and_no_unit(seed: int) -> None:
    y, p, x = modelled(seed)
    own, order = le_cessie(y, p, X=x), np.random.default_rng(seed).permutation(y.size)
    again = le_cessie(y[order], p[order], X=x[order] * [1000.0, 0.01] + [5.0, -2.0])
    assert again.statistic == pytest.approx(own.statistic, rel=1e-8, abs=1e-8)


def test_le_cessie_with_weights_and_missing() -> None:
    y, p, x = modelled(2)
    times = np.tile([0, 1, 3], 40)
    weighted = le_cessie(y, p, X=x, weights=times)
    written = le_cessie(np.repeat(y, times), np.repeat(p, times), X=np.repeat(x, times, axis=0))
    assert weighted.statistic == pytest.approx(written.statistic, rel=1e-12)
    assert weighted.n == 160
    x[7, 1] = np.nan
    left = le_cessie(y, p, X=x, missing="complete-case")
    keep = np.arange(120) != 7
    assert left.n_missing == 1
    assert left.statistic == pytest.approx(le_cessie(y[keep], p[keep], X=x[keep]).statistic, rel=1e-12)
    assert le_cessie(y, p, weights=times).n == 160
    with pytest.raises(InputError, match="`X` must hold finite numbers for 120 patients, one a row; it is 120 x 2"):
        le_cessie(y, p, X=x)


def test_le_cessie_undefined_and_refused() -> None:
    half = le_cessie([0, 1, 1], [0.0, 0.5, 1.0])
    assert math.isnan(half.statistic)
    assert half.note == "undefined: every predicted risk is 0, 0.5 or 1"
    equal = le_cessie([0, 1, 0, 0, 1], [0.4] * 5, X=np.arange(5.0)[:, None])
    assert math.isnan(equal.statistic)
    assert math.isnan(equal.p_value)
    assert equal.note == "undefined: 1 - 2p is linear in `X`: nothing is left to test"
    assert (equal.n, equal.n_events, equal.df, equal.method) == (5, 2, None, OWN)
    with pytest.raises(InputError, match="`X` must hold finite numbers for 3 patients, one a row; it is 2 x 1"):
        le_cessie([0, 1, 1], [0.2, 0.5, 0.9], X=[[1.0], [2.0]])
    with pytest.raises(InputError, match="`X` must have 2 dimensions"):
        le_cessie([0, 1, 1], [0.2, 0.5, 0.9], X=[1.0, 2.0, 3.0])
    with pytest.raises(InputError, match="finite"):
        le_cessie([0, 1, 1], [0.2, 0.5, 0.9], X=[[1.0], [math.inf], [3.0]])


def test_le_cessie_keeps_its_size_where_the_model_is_right_and_sees_a_wrong_one() -> None:
    """5 % on the model's own patients; treating the risks as fixed there hardly ever rejects."""
    own, fixed, seen = 0, 0, 0
    for seed in range(400):
        y, p, x = modelled(seed, n=250)
        own += le_cessie(y, p, X=x).p_value < 0.05
        fixed += le_cessie(y, p).p_value < 0.05
    rng = np.random.default_rng(0)
    for _ in range(40):
        x = rng.normal(size=500)
        y = (rng.random(500) < special.expit(-1 + x + 1.2 * x**2)).astype(int)
        design = np.column_stack([np.ones(500), x])
        p = special.expit(design @ maximise(design, y.astype(float)).beta)
        seen += le_cessie(y, p, X=x[:, None]).p_value < 0.05
    assert 8 <= own <= 34
    assert fixed < own
    assert seen > 20
