"""Rubin's rules: known answers, laws, what is undefined, and coverage."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from validkit.errors import InputError
from validkit.stats import METRICS
from validkit.stats.discrimination import auc
from validkit.stats.imputations import degrees_of_freedom, pool_imputations
from validkit.stats.imputed_coefficients import pool_coefficients
from validkit.stats.results import Estimate
from validkit.stats.scales import SCALES, TRANSFORMS, on_scale, scale_of


def test_by_hand() -> None:
    # q = 2, U = (1 + 4 + 1)/3 = 2, B = ((1)^2 + 0 + (1)^2)/2 = 1, T = 2 + 4/3
    found = pool_imputations([1.0, 2.0, 3.0], se=[1.0, 2.0, 1.0])
    assert (found.pooled.value, found.within, found.between) == (2.0, 2.0, 1.0)
    assert found.total == pytest.approx(10 / 3)
    assert found.pooled.se == pytest.approx(math.sqrt(10 / 3))
    assert found.lambda_ == pytest.approx(0.4)
    assert found.riv == pytest.approx(2 / 3)
    assert found.df == pytest.approx(2 / 0.4**2)
    assert found.fmi == pytest.approx((2 / 3 + 2 / 15.5) / (5 / 3))
    half = stats.t.ppf(0.975, 12.5) * math.sqrt(10 / 3)
    assert found.estimate.low == pytest.approx(2 - half)
    assert found.estimate.high == pytest.approx(2 + half)
    assert (found.m, found.scale, found.note) == (3, "identity", "")
    assert found.se_source == ("standard error",) * 3
    assert found.estimate == found.pooled
    assert found.estimate.method == "Rubin, t(12.5)"
    assert repr(found).startswith("3 imputations: 2 [")
    assert repr(found).endswith("; fmi = 0.477")


def test_degrees_of_freedom_by_hand() -> None:
    assert degrees_of_freedom(5, 0.2) == pytest.approx(100)
    observed = 0.8 * 50 * 51 / 53
    assert degrees_of_freedom(5, 0.2, 50) == pytest.approx(1 / (1 / 100 + 1 / observed))
    assert degrees_of_freedom(5, 0.0) == math.inf
    assert degrees_of_freedom(5, 0.0, 50) == pytest.approx(50 * 51 / 53)
    assert degrees_of_freedom(5, 1.0, 50) == 0.0
    assert math.isnan(degrees_of_freedom(5, math.nan))


def test_the_scale_is_that_of_the_metric_and_the_answer_comes_back_from_it() -> None:
    q, se = np.array([0.8, 0.84]), np.array([0.02, 0.03])
    found = pool_imputations(q, se=se, metric="auc")
    plain = pool_imputations(special.logit(q), se=se / (q * (1 - q)))
    assert found.scale == "logit"
    assert found.pooled.value == pytest.approx(plain.pooled.value)
    assert found.total == pytest.approx(plain.total)
    assert found.estimate.low == pytest.approx(special.expit(plain.pooled.low))
    value = found.estimate.value
    assert found.estimate.se == pytest.approx(plain.pooled.se * value * (1 - value))
    assert found.estimate.method.endswith(", on the logit scale")
    assert pool_imputations(q, se=se, scale="log").estimate.value == pytest.approx(math.sqrt(0.8 * 0.84))
    assert pool_imputations(q, se=se, metric="mine", scale="identity").estimate.value == pytest.approx(0.82)
    with pytest.raises(InputError, match="no scale is known for 'mine': it is no registered metric"):
        pool_imputations(q, se=se, metric="mine")
    with pytest.raises(InputError, match="the scale of 'the measure' must be one of 'identity', 'logit'"):
        pool_imputations(q, se=se, scale="probit")


def test_one_imputation_is_its_own_interval() -> None:
    found = pool_imputations([0.8], se=[0.1])
    assert found.estimate.low == pytest.approx(0.8 - 1.959964 * 0.1, rel=1e-6)
    assert found.note == ""
    assert found.estimate.note == "one imputation: the variance between is unknown"
    assert found.estimate.method == "Rubin, normal"
    assert math.isnan(found.between)
    assert math.isnan(found.fmi)
    assert math.isnan(found.lambda_)
    assert "1 imputation:" in repr(found)
    assert pool_imputations([0.8], se=[0.1], df_complete=10).df == pytest.approx(10 * 11 / 13)


def test_an_undefined_imputation_is_not_passed_over_in_silence() -> None:
    q, se = [0.9, 1.0, 0.94], [0.03, 0.0, 0.02]
    found = pool_imputations(q, se=se, metric="auc")
    assert math.isnan(found.estimate.value)
    assert found.note == found.estimate.note == "undefined in 1 of 3 imputations: 1 (1 has no finite logit)"
    assert found.m == 3
    rest = pool_imputations(q, se=se, metric="auc", undefined="leave-out")
    assert rest.note == rest.estimate.note == "left out in 1 of 3 imputations: 1 (1 has no finite logit)"
    assert rest.m == 2
    assert rest.estimate.value == pytest.approx(
        pool_imputations([0.9, 0.94], se=[0.03, 0.02], metric="auc").estimate.value
    )
    none = pool_imputations([math.nan] * 7, se=[0.1] * 7, undefined="leave-out")
    assert none.note.startswith("undefined in 7 of 7 imputations: 0 (the estimate is undefined); 1 (")
    assert none.note.endswith(" and 2 more")
    odd = Estimate(math.nan, note="undefined: no event", n=9, n_events=0)
    assert pool_imputations([odd]).note == "undefined in 1 of 1 imputations: 0 (undefined: no event)"
    json.dumps(none.to_dict(), allow_nan=False)


def test_up_to_five_imputations_are_named() -> None:
    five = pool_imputations([math.nan] * 5 + [0.5], se=[0.1] * 6)
    assert "more" not in five.note
    assert five.note.count("the estimate is undefined") == 5
    assert repr(pool_imputations([0.5, 0.6], se=[0.1, 0.1])).startswith("2 imputations: ")


def test_equal_and_certain_estimates() -> None:
    same = pool_imputations([0.5, 0.5], se=[0.1, 0.1], df_complete=40)
    assert (same.between, same.riv, same.lambda_) == (0.0, 0.0, 0.0)
    assert same.df == pytest.approx(40 * 41 / 43)
    assert pool_imputations([0.5, 0.5], se=[0.1, 0.1]).estimate.method == "Rubin, normal"
    certain = pool_imputations([0.5, 0.5], se=[0.0, 0.0])
    assert math.isnan(certain.estimate.low)
    assert certain.estimate.se == 0.0
    assert certain.estimate.note == "no variance, so no interval"
    between = pool_imputations([0.4, 0.6], se=[0.0, 0.0])
    assert (between.riv, between.lambda_, between.fmi, between.df) == (math.inf, 1.0, 1.0, 1.0)
    assert between.estimate.low < 0.5 < between.estimate.high
    assert pool_imputations([0.4, 0.6], se=[0.0, 0.0], df_complete=9).estimate.note == "no variance, so no interval"


def test_messages() -> None:
    with pytest.raises(InputError, match="`estimates` is empty"):
        pool_imputations([])
    with pytest.raises(InputError, match="need the standard error of each, `se`"):
        pool_imputations([0.1, 0.2])
    with pytest.raises(InputError, match="`se` has 1 entries for 2 imputations"):
        pool_imputations([0.1, 0.2], se=[0.1])
    with pytest.raises(InputError, match="`se` must be 0 or more; in imputation 1 it is -0"):
        pool_imputations([0.1, 0.2], se=[0.1, -0.1])
    with pytest.raises(InputError, match="Estimates bring their own"):
        pool_imputations([Estimate(0.1, se=0.1)], se=[0.1])
    for df in (0, -1, True, "many"):
        with pytest.raises(InputError, match="`df_complete` must be a number above 0"):
            pool_imputations([0.1], se=[0.1], df_complete=df)
    with pytest.raises(InputError, match="`undefined` must be one of"):
        pool_imputations([0.1], se=[0.1], undefined="drop")


def test_the_number_of_patients_is_kept_where_it_is_one() -> None:
    same = [Estimate(0.6, se=0.1, n=50, n_events=20), Estimate(0.7, se=0.1, n=50, n_events=20)]
    assert (pool_imputations(same).estimate.n, pool_imputations(same).estimate.n_events) == (50, 20)
    other = [same[0], Estimate(0.7, se=0.1, n=44, n_events=20)]
    assert (pool_imputations(other).estimate.n, pool_imputations(other).estimate.n_events) == (None, 20)


# --- scales ------------------------------------------------------------------------------------


def test_every_registered_metric_has_a_scale_and_a_reason() -> None:
    assert set(SCALES) == set(METRICS)
    for name, scale in SCALES.items():
        assert scale.name in TRANSFORMS
        assert len(scale.reason) > 20
        low, high = TRANSFORMS[scale.name].low, TRANSFORMS[scale.name].high
        assert low <= METRICS[name].low
        assert high >= METRICS[name].high
    wanted = {"auc": "logit", "observed_expected": "log", "calibration_slope": "identity", "brier": "identity"}
    wanted |= {"net_benefit": "identity", "sensitivity": "logit", "kappa": "fisher-z", "mcc": "fisher-z"}
    assert {name: scale_of(name) for name in wanted} == wanted


def test_standard_errors_that_are_on_the_scale_already_are_taken_as_they_are() -> None:
    rng = np.random.default_rng(1)
    p = rng.beta(1, 3, 300)
    y = (rng.random(300) < p).astype(int)
    for name in ("observed_expected", "diagnostic_odds_ratio", "positive_likelihood_ratio", "calibration_slope"):
        options = {"threshold": 0.3} if METRICS[name].needs_threshold else {}
        e = METRICS[name].function(y, p, **options)
        value, se, source, why = on_scale(e, SCALES[name].name)
        assert (source, why) == ("standard error", "")
        forward = TRANSFORMS[SCALES[name].name].forward
        assert (forward(e.high) - forward(e.low)) / (2 * 1.959963984540054) == pytest.approx(se)
        assert value == pytest.approx(float(forward(e.value)))
    shifted = Estimate(1.2, method="optimism bootstrap; normal on the log scale; se of the log shifted", se=0.1)
    assert on_scale(shifted, "log")[1] == 0.1
    logit = Estimate(0.6, 0.5, 0.7, method="normal; se of the logit", se=0.1)
    assert on_scale(logit, "logit")[1] == 0.1
    assert on_scale(logit, "log")[2] == "confidence interval"
    booted = Estimate(1.2, method="bootstrap, percentile", se=0.1)
    assert on_scale(booted, "log")[1] == pytest.approx(0.1 / 1.2)


def test_an_interval_stands_in_for_a_standard_error() -> None:
    e = Estimate(0.8, 0.7, 0.88, level=0.9)
    value, se, source, why = on_scale(e, "logit")
    assert (source, why) == ("confidence interval", "")
    assert se == pytest.approx((special.logit(0.88) - special.logit(0.7)) / (2 * 1.6448536269514722))
    assert value == pytest.approx(special.logit(0.8))
    assert on_scale(Estimate(0.8, 0.7, 1.0), "logit")[3].startswith("it has neither a standard error nor an interval")
    assert on_scale(Estimate(0.8, note="no interval without `rng`"), "logit")[3] == "no interval without `rng`"
    assert on_scale(Estimate(math.inf), "log")[3] == "the estimate is undefined"
    assert on_scale(Estimate(0.0, se=0.1), "log")[3] == "0 has no finite log"
    assert on_scale(Estimate(-1.0, se=0.1), "fisher-z")[3] == "-1 has no finite fisher-z"


@given(st.floats(0.02, 0.98))
def test_scales_go_there_and_back(x: float) -> None:
    for transform in TRANSFORMS.values():
        assert float(transform.back(transform.forward(x))) == pytest.approx(x, rel=1e-9)
        step = 1e-6
        by_hand = (transform.back(transform.forward(x) + step) - transform.back(transform.forward(x) - step)) / (
            2 * step
        )
        assert float(transform.slope(x)) == pytest.approx(float(by_hand), rel=1e-5)


def test_youden_on_fishers_z_is_balanced_accuracy_on_the_logit() -> None:
    ba, se = np.array([0.7, 0.75, 0.72]), np.array([0.03, 0.02, 0.025])
    youden = pool_imputations(2 * ba - 1, se=2 * se, metric="youden_index")
    balanced = pool_imputations(ba, se=se, metric="balanced_accuracy")
    assert youden.estimate.low == pytest.approx(2 * balanced.estimate.low - 1)
    assert youden.fmi == pytest.approx(balanced.fmi)


# --- laws --------------------------------------------------------------------------------------

SETS = st.lists(st.tuples(st.floats(-2, 2), st.floats(0.05, 2)), min_size=2, max_size=12)


@given(SETS, st.randoms(use_true_random=False))
def test_the_order_of_imputations_does_not_matter_and_variances_add(pairs: list, random: object) -> None:
    q, se = zip(*pairs, strict=True)
    found = pool_imputations(q, se=se)
    shuffled = list(pairs)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    again = pool_imputations(*[[a for a, _ in shuffled]], se=[b for _, b in shuffled])
    assert again.total == pytest.approx(found.total)
    assert again.estimate.value == pytest.approx(found.estimate.value, abs=1e-12)
    m = len(q)
    assert found.total == pytest.approx(found.within + (1 + 1 / m) * found.between)
    assert found.lambda_ == pytest.approx(found.riv / (1 + found.riv))
    assert found.total >= found.within
    assert 0 <= found.lambda_ <= found.fmi + 1e-12 <= 1 + 1e-9
    assert min(q) - 1e-12 <= found.estimate.value <= max(q) + 1e-12


@given(SETS, st.floats(5, 1000))
def test_fewer_complete_degrees_of_freedom_widen_the_interval(pairs: list, df: float) -> None:
    q, se = zip(*pairs, strict=True)
    large, small = pool_imputations(q, se=se), pool_imputations(q, se=se, df_complete=df)
    assert small.df <= large.df
    assert small.df <= df
    assert small.estimate.high - small.estimate.low >= large.estimate.high - large.estimate.low - 1e-12


# --- simulation --------------------------------------------------------------------------------


def test_coverage_with_missing_predictors() -> None:
    """A mean with 40 % missing, imputed properly: Rubin covers; one imputation taken as data does not."""
    rng, n, m, covered, naive = np.random.default_rng(3), 60, 5, [], []
    for _ in range(600):
        x = rng.normal(size=n)
        seen = x[: int(0.6 * n)]
        k = seen.size
        values, errors = [], []
        for _ in range(m):
            s2 = (k - 1) * seen.var(ddof=1) / rng.chisquare(k - 1)
            filled = np.r_[seen, rng.normal(rng.normal(seen.mean(), math.sqrt(s2 / k)), math.sqrt(s2), n - k)]
            values.append(filled.mean())
            errors.append(filled.std(ddof=1) / math.sqrt(n))
        found = pool_imputations(values, se=errors, df_complete=n - 1).estimate
        covered.append(found.low < 0 < found.high)
        naive.append(abs(values[0]) < 1.96 * errors[0])
    assert 0.925 < np.mean(covered) < 0.975
    assert np.mean(naive) < 0.90


def test_the_auc_of_imputed_data() -> None:
    rng = np.random.default_rng(4)
    y = np.r_[np.ones(40, int), np.zeros(80, int)]
    found = [auc(y, special.expit(y + rng.normal(size=120))) for _ in range(5)]
    pooled = pool_imputations(found, metric="auc", df_complete=119)
    assert pooled.estimate.n == 120
    assert pooled.estimate.n_events == 40
    assert pooled.estimate.value == pytest.approx(special.expit(np.mean([special.logit(e.value) for e in found])))
    assert pooled.within == pytest.approx(np.mean([(e.se / (e.value * (1 - e.value))) ** 2 for e in found]))


# --- coefficients ------------------------------------------------------------------------------


def test_coefficients_by_hand() -> None:
    q = np.array([[0.9, 0.2], [1.1, 0.1], [1.0, 0.3]])
    u = np.array([np.diag([0.04, 0.01])] * 3)
    found = pool_coefficients(q, u, names=["age", "size"])
    np.testing.assert_allclose(found.values, [1.0, 0.2])
    between = np.array([[0.01, -0.005], [-0.005, 0.01]])
    np.testing.assert_allclose(found.covariance, np.diag([0.04, 0.01]) + 4 / 3 * between)
    riv = 4 / 3 * 1.25 / 2
    assert found.riv == pytest.approx(riv)
    assert found.test.statistic == pytest.approx(29 / (2 * (1 + riv)))
    nu = 4 * 1.5 * (1 + 1 / riv) ** 2 / 2
    assert found.df_denominator == pytest.approx(nu)
    assert found.test.p_value == pytest.approx(stats.f.sf(found.test.statistic, 2, nu))
    assert found.test.df == 2.0
    assert found.coefficients[0].estimate.value == pytest.approx(1.0)
    assert (found.m, found.names) == (3, ("age", "size"))
    assert repr(found).startswith("age: 3 imputations: 1 [")
    assert "all of them: statistic = 7.909" in repr(found)
    assert pool_coefficients(q, u).names == ("coefficient 0", "coefficient 1")
    assert pool_coefficients(q[:2], u[:2]).m == 2


def test_coefficients_that_do_not_differ_between_imputations() -> None:
    q, u = np.tile([[0.5, 0.25]], (3, 1)), np.array([np.eye(2) * 0.04] * 3)
    found = pool_coefficients(q, u)
    assert (found.riv, found.df_denominator) == (0.0, math.inf)
    assert found.test.p_value == pytest.approx(stats.chi2.sf(2 * found.test.statistic, 2))
    assert pool_coefficients(q, u, df_complete=20).df_denominator == pytest.approx(20 * 21 / 23)


def test_reiter_falls_back_where_it_has_no_meaning() -> None:
    rng = np.random.default_rng(2)
    q, u = rng.normal(size=(6, 2)), np.array([np.eye(2) * 0.04] * 6)
    wild = pool_coefficients(q, u, df_complete=8)
    assert wild.riv > 5
    assert wild.df_denominator == pytest.approx(pool_coefficients(q, u).df_denominator)
    few = pool_coefficients(q[:3], u[:3], df_complete=50)
    assert few.df_denominator == pytest.approx(pool_coefficients(q[:3], u[:3]).df_denominator)


def test_messages_about_coefficients() -> None:
    q, u = np.ones((3, 2)), np.array([np.eye(2)] * 3)
    with pytest.raises(InputError, match=r"`covariances` must have the shape \(3, 2, 2\)"):
        pool_coefficients(q, u[:2])
    with pytest.raises(InputError, match="need at least two"):
        pool_coefficients(q[:1], u[:1])
    with pytest.raises(InputError, match="must be finite; leave out an imputation without a fit"):
        pool_coefficients(q * np.nan, u)
    with pytest.raises(InputError, match="`names` has 1 entries for 2 coefficients"):
        pool_coefficients(q, u, names=["a"])
    with pytest.raises(InputError, match="variances of 0 or more"):
        pool_coefficients(q, -u)
    flat = pool_coefficients(q, u * [[1, 0], [0, 0]])
    assert flat.test.note == "undefined: the covariance within imputations cannot be inverted"
    assert math.isnan(flat.test.p_value)
    assert math.isnan(flat.riv)
