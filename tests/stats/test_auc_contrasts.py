from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from validkit.errors import InputError
from validkit.stats.auc_contrasts import auc_contrast, chi_square, compare_aucs
from validkit.stats.comparison import adjust_p_values, compare_auc
from validkit.stats.discrimination import delong_covariance

quick = settings(deadline=None, max_examples=30)
ALIKE = "all curves rank every event against every non-event alike"


def models(seed: int, n: int = 60, k: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.r_[1, 1, 0, 0, rng.integers(0, 2, n - 4)]
    return y, np.round(rng.random((k, n)) * 0.6 + rng.uniform(0, 0.4, (k, 1)) * y, 2)


@quick
@given(st.integers(0, 10**6))
def test_the_global_test_is_the_quadratic_form_in_any_order(seed: int) -> None:
    y, probs = models(seed)
    ours = compare_aucs(y, probs)
    theta, cov = delong_covariance(y, probs)
    contrast = np.diff(np.eye(4), axis=0)
    gap = contrast @ theta
    want = gap @ np.linalg.solve(contrast @ cov @ contrast.T, gap)
    assert ours.test.statistic == pytest.approx(want, rel=1e-8, abs=1e-12)
    assert ours.test.df == 3
    assert ours.test.p_value == pytest.approx(scipy_stats.chi2.sf(want, 3), rel=1e-8)
    assert ours.test.note == ""
    np.testing.assert_allclose(ours.areas, theta)
    assert compare_aucs(y, probs[[2, 0, 3, 1]]).test.statistic == pytest.approx(want, rel=1e-8, abs=1e-12)


def test_the_pairs_are_those_of_compare_auc() -> None:
    y, probs = models(5)
    names = ("a", "b", "c", "d")
    ours = compare_aucs(y, probs, level=0.9, names=names, adjust="bonferroni")
    assert [(c.a, c.b) for c in ours.pairs] == [
        *(("a", "b"), ("a", "c"), ("a", "d")),
        *(("b", "c"), ("b", "d"), ("c", "d")),
    ]
    for pair in ours.pairs:
        i, j = names.index(pair.a), names.index(pair.b)
        assert pair == compare_auc(y, probs[i], probs[j], level=0.9, a=pair.a, b=pair.b)
    p = [c.test.p_value for c in ours.pairs]
    assert list(ours.p_adjusted) == adjust_p_values(p, method="bonferroni").tolist()
    assert (ours.adjust, ours.names) == ("bonferroni", names)
    assert list(compare_aucs(y, probs).p_adjusted) == adjust_p_values(p).tolist()
    assert (ours.test.method, ours.test.n, ours.test.n_events) == ("DeLong, 4 curves", 60, int(y.sum()))
    assert repr(ours).startswith(f"AUC of 4 models (a {ours.areas[0]:.4g}, b ")
    assert repr(ours).endswith("; 6 pairs, bonferroni")
    assert ours.to_dict()["pairs"][0]["a"] == "a"


def test_two_models_give_the_square_of_the_paired_test() -> None:
    y, probs = models(8, k=2)
    ours, pair = compare_aucs(y, probs).test, compare_auc(y, probs[0], probs[1]).test
    assert ours.statistic == pytest.approx(pair.statistic**2)
    assert (ours.df, ours.p_value) == (1, pytest.approx(pair.p_value))


def test_curves_that_rank_alike_lower_the_rank() -> None:
    y, probs = models(11, k=3)
    three = compare_aucs(y, probs).test
    for extra in (probs[0] ** 2, probs[2] / 2):
        test = compare_aucs(y, [*probs, extra]).test
        assert test.df == 2
        assert test.statistic == pytest.approx(three.statistic, rel=1e-9)
        assert test.note == (
            "3 contrasts of rank 2 (eigenvalues above 1e-10 of the largest): "
            "some curves are alike or tied to each other"
        )
    same = compare_aucs(y, [probs[0], probs[0] / 2, probs[0] ** 3]).test
    assert (same.statistic, same.df, same.p_value, same.note) == (0.0, 0, 1.0, ALIKE)


def test_where_there_is_no_test() -> None:
    one = compare_aucs([0, 0, 0, 1], [[0.1, 0.2, 0.3, 0.4], [0.4, 0.1, 0.2, 0.3]])
    assert math.isnan(one.test.p_value)
    assert (one.test.df, one.test.note) == (None, "a single event or non-event: no variance, no test")
    assert one.areas == pytest.approx((1, 2 / 3))
    for y, what in (([0, 0], "event"), ([1, 1], "non-event")):
        none = compare_aucs(y, [[0.1, 0.2], [0.2, 0.1]])
        assert none.test.note == f"undefined: no {what}"
        assert math.isnan(none.test.statistic)
        assert math.isnan(none.areas[0])
        assert math.isnan(none.p_adjusted[0])
    apart = compare_aucs([0, 0, 1, 1], [[0.1, 0.2, 0.8, 0.9], [0.9, 0.8, 0.2, 0.1], [0.1, 0.3, 0.2, 0.9]]).test
    assert apart.note == "a contrast differs from zero without variance: no test"
    assert math.isnan(apart.statistic)
    assert math.isnan(apart.p_value)
    assert apart.df == 1


def test_the_quadratic_form_under_reduced_rank() -> None:
    ones = np.ones((2, 2))
    statistic, df, note = chi_square(np.array([0.3, 0.3]), 0.01 * ones)
    assert (statistic, df) == (pytest.approx(9), 1)
    assert note.startswith("2 contrasts of rank 1")
    statistic, df, note = chi_square(np.array([0.3, 0.2]), 0.01 * ones)
    assert math.isnan(statistic)
    assert (df, note) == (1, "a contrast differs from zero without variance: no test")
    assert chi_square(np.array([3.0, 2.0]), np.diag([9.0, 1.0])) == (pytest.approx(5), 2, "")
    assert chi_square(np.zeros(2), np.zeros((2, 2))) == (0.0, 0, "no contrast varies")
    for correlation, rank in ((1 - 1e-8, 2), (1 - 1e-11, 1)):  # either side of the rank rule
        cov = np.array([[4, 2 * correlation], [2 * correlation, 1]])
        assert chi_square(np.array([0.6, 0.3]), cov)[1] == rank


def test_a_contrast_by_delongs_covariance() -> None:
    y, probs = models(21, k=3)
    theta, cov = delong_covariance(y, probs)
    c = np.array([1, -0.5, -0.5])
    ours = auc_contrast(y, probs, c, level=0.9)
    e, value, se = ours.estimates[0], c @ theta, math.sqrt(c @ cov @ c)
    assert (e.value, e.se) == (pytest.approx(value), pytest.approx(se))
    z = scipy_stats.norm.ppf(0.95)
    assert (e.low, e.high) == (pytest.approx(value - z * se), pytest.approx(value + z * se))
    assert (e.level, e.method, e.note, e.n, e.n_events) == (0.9, "DeLong, contrast", "", 60, int(y.sum()))
    assert (ours.test.statistic, ours.test.df) == (pytest.approx(value / se), None)
    assert ours.test.p_value == pytest.approx(2 * scipy_stats.norm.sf(abs(value / se)))
    assert auc_contrast(y, probs, [c]).test.statistic == ours.test.statistic
    joint = auc_contrast(y, probs, [[1, -1, 0], [0, 1, -1]])
    assert joint.test.statistic == pytest.approx(compare_aucs(y, probs).test.statistic)
    assert (joint.test.df, len(joint.estimates), joint.test.method) == (2, 2, "DeLong, 2 contrasts")
    assert joint.estimates[0] == auc_contrast(y, probs, [1, -1, 0]).estimates[0]
    assert repr(joint).count(";") >= 2
    assert repr(ours) == f"{e!r}; {ours.test!r}"
    redundant = auc_contrast(y, probs, [[1, -1, 0], [2, -2, 0]]).test
    assert redundant.df == 1
    assert redundant.statistic == pytest.approx(auc_contrast(y, probs, [1, -1, 0]).test.statistic ** 2)
    doubled = auc_contrast(y, probs, [2, -2, 0]).estimates[0]
    assert doubled.value == pytest.approx(2 * joint.estimates[0].value)


def test_contrasts_without_variance() -> None:
    y, probs = models(3, k=2)
    same = auc_contrast(y, [probs[0], probs[0] / 2], [1, -1], level=0.9)
    e = same.estimates[0]
    assert (e.value, e.low, e.high, e.se, e.level, e.note) == (
        *(0.0, 0.0, 0.0, 0.0, 0.9),
        "the curves of the contrast cancel exactly",
    )
    assert (same.test.statistic, same.test.p_value, same.test.df) == (0.0, 1.0, None)
    assert (same.test.note, same.test.n, same.test.method) == (e.note, 60, "DeLong, contrast, two-sided")
    two = auc_contrast(y, [probs[0], probs[0] / 2, probs[1]], [[1, -1, 0], [1, 0, -1]])
    assert (two.test.df, two.estimates[0].note) == (1, "no variance: no interval")
    assert math.isnan(two.estimates[0].low)
    assert two.estimates[1].note == ""
    one = auc_contrast([0, 0, 0, 1], [[0.1, 0.2, 0.3, 0.4], [0.4, 0.1, 0.2, 0.3]], [1, -1])
    assert one.estimates[0].note == one.test.note == "a single event or non-event: no variance, no test"
    assert math.isnan(one.test.p_value)
    alike = auc_contrast([0, 0, 0, 1], [[0.1, 0.2, 0.3, 0.4]] * 2, [1, -1])
    assert math.isnan(alike.test.p_value)
    two = auc_contrast([0, 0, 1, 1], [[0.1, 0.3, 0.2, 0.4]] * 2, [1, -1])
    assert (two.test.p_value, two.estimates[0].high) == (1.0, 0.0)
    for y_, p_ in (([0, 1, 1, 1], [0.1, 0.2, 0.3, 0.4]), ([0, 0], [0.1, 0.2])):
        assert math.isnan(auc_contrast(y_, [p_, p_], [1, -1]).test.p_value)
    level_ = compare_aucs([0, 0, 1, 1], [[0.1, 0.3, 0.2, 0.4], [0.3, 0.1, 0.4, 0.2]]).test  # equal areas, other ranks
    assert (level_.statistic, level_.p_value, level_.df, level_.note) == (0.0, 1.0, 1, "")
    opposite = auc_contrast([0, 0, 1, 1], [[0.1, 0.2, 0.8, 0.9], [0.9, 0.8, 0.2, 0.1]], [1, -1])
    assert opposite.test.note == "a contrast differs from zero without variance: no test"
    assert (opposite.estimates[0].value, opposite.estimates[0].se) == (1.0, 0.0)


def test_the_interval_of_a_contrast_is_cut_to_its_range() -> None:
    y, a, b = [0, 0, 1, 1, 1], [0.1, 0.2, 0.5, 0.6, 0.7], [0.8, 0.9, 0.1, 0.2, 0.85]
    e = auc_contrast(y, [a, b], [3, -3]).estimates[0]
    assert (e.value, e.high, e.note) == (pytest.approx(2.5), 3.0, "interval cut at its bound")


@pytest.mark.parametrize(
    ("contrast", "message"),
    [
        ([1, -1], r"one coefficient a model: its shape is \(1, 2\) for 3 models"),
        ([1, 0, 0], "row 0 does not"),
        ([[1, -1, 0], [0, 0, 0]], "row 1 does not"),
        ([1, -1, math.nan], "row 0 does not"),
    ],
)
def test_what_is_no_contrast(contrast: list[float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        auc_contrast(*models(1, k=3), contrast)


def test_bad_arguments() -> None:
    y, probs = models(1, k=3)
    with pytest.raises(InputError, match="at least two models"):
        compare_aucs(y, probs[:1])
    with pytest.raises(InputError, match="`names` has 2 names for 3 models"):
        compare_aucs(y, probs, names=["x", "z"])
    with pytest.raises(InputError, match="`adjust`"):
        compare_aucs(y, probs, adjust="fdr")
    with pytest.raises(InputError, match="`probs` must have 2 dimensions"):
        compare_aucs(y, probs[0])
    with pytest.raises(InputError, match=r"`probs\[1\]` must lie in \[0, 1\]"):
        compare_aucs(y, probs * np.array([[1], [9], [1]]))
    assert compare_aucs(y, probs * 9, scale="score").areas == compare_aucs(y, probs).areas
    assert auc_contrast(y, probs * 9, [1, -1, 0], scale="score").test == auc_contrast(y, probs, [1, -1, 0]).test


def test_weights_and_missing_values() -> None:
    y, probs = models(2, k=3)
    weights = np.random.default_rng(2).integers(0, 3, y.size)
    rows = np.repeat(np.arange(y.size), weights)
    assert compare_aucs(y, probs, weights=weights) == compare_aucs(y[rows], probs[:, rows])
    gap = probs.copy()
    gap[1, 4] = math.nan
    ours = compare_aucs(y, gap, missing="complete-case")
    assert (ours.test.n_missing, ours.pairs[0].difference.n_missing, ours.test.n) == (1, 1, 59)
    contrast = auc_contrast(y, gap, [1, -1, 0], missing="complete-case")
    assert (contrast.test.n_missing, contrast.estimates[0].n) == (1, 59)


def test_size_of_the_global_test() -> None:
    """Three equally good markers, 600 simulated studies: 5 % of p values fall below 0.05, within simulation error."""
    rng = np.random.default_rng(9)
    y = np.r_[np.ones(40, int), np.zeros(60, int)]
    base = rng.normal(size=(600, 1, 100)) + y
    p = [compare_aucs(y, b + rng.normal(size=(3, 100)), scale="score").test.p_value for b in base]
    assert 0.03 < np.mean(np.array(p) < 0.05) < 0.075


@pytest.mark.parametrize("contrast", [[1, -0.95], [1, -1.001], [0.5, -0.49999]])
def test_a_contrast_that_nearly_sums_to_zero_is_refused(contrast: list[float]) -> None:
    y, p = [0, 1, 0, 1, 1, 0], [0.1, 0.7, 0.4, 0.6, 0.3, 0.2]
    with pytest.raises(InputError, match="sum to 0"):
        auc_contrast(y, [p, p[::-1]], contrast)
