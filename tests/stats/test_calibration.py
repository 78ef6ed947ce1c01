from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from validkit.errors import InputError
from validkit.stats import (
    calibration_in_the_large,
    calibration_line,
    calibration_slope,
    calibration_test,
    hosmer_lemeshow,
    observed_expected,
    spiegelhalter,
)
from validkit.stats.calibration import calibration_in_the_large_test, cox_tests, quantile_groups

quick = settings(deadline=None, max_examples=40)


def simulated(seed: int, n: int = 150, slope: float = 1.0, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Patients whose true risk is expit(shift + slope logit(p))."""
    rng = np.random.default_rng(seed)
    logit = rng.normal(-0.5, 1.2, n)
    return (rng.random(n) < special.expit(shift + slope * logit)).astype(int), special.expit(logit)


@quick
@given(st.integers(0, 10**6))
def test_against_statsmodels(seed: int) -> None:
    y, p = simulated(seed)
    logit = special.logit(p)
    line = sm.GLM(y, sm.add_constant(logit), family=sm.families.Binomial()).fit(tol=1e-14)
    large = sm.GLM(y, np.ones(y.size), offset=logit, family=sm.families.Binomial()).fit(tol=1e-14)
    intercept, slope = calibration_line(y, p)
    np.testing.assert_allclose([intercept.value, slope.value], line.params, atol=1e-9)
    np.testing.assert_allclose([intercept.se, slope.se], line.bse, rtol=1e-7)
    np.testing.assert_allclose([slope.low, slope.high], line.conf_int()[1], atol=1e-7)
    ours = calibration_in_the_large(y, p)
    np.testing.assert_allclose([ours.value, ours.se], [large.params[0], large.bse[0]], rtol=1e-7)


@quick
@given(st.integers(0, 10**6), st.floats(-1, 1), st.floats(0.4, 2.5))
def test_recalibrating_the_risks_recalibrates_the_line(seed: int, a: float, b: float) -> None:
    y, p = simulated(seed)
    intercept, slope = calibration_line(y, p)
    moved = special.expit(a + b * special.logit(p))
    new_intercept, new_slope = calibration_line(y, moved)
    assert new_slope.value == pytest.approx(slope.value / b, abs=1e-8)
    assert new_intercept.value == pytest.approx(intercept.value - slope.value * a / b, abs=1e-8)
    fitted = special.expit(intercept.value + slope.value * special.logit(p))
    assert [e.value for e in calibration_line(y, fitted)] == pytest.approx([0, 1], abs=1e-8)
    assert calibration_in_the_large(y, fitted).value == pytest.approx(0, abs=1e-8)
    assert observed_expected(y, fitted).value == pytest.approx(1, abs=1e-9)
    assert calibration_test(y, fitted).statistic == pytest.approx(0, abs=1e-8)


@quick
@given(st.integers(0, 10**6))
def test_mirroring_outcome_and_risk(seed: int) -> None:
    y, p = simulated(seed)
    assert calibration_slope(1 - y, 1 - p).value == pytest.approx(calibration_slope(y, p).value, abs=1e-9)
    assert calibration_in_the_large(1 - y, 1 - p).value == pytest.approx(
        -calibration_in_the_large(y, p).value, abs=1e-9
    )
    assert spiegelhalter(1 - y, 1 - p).statistic == pytest.approx(spiegelhalter(y, p).statistic, abs=1e-9)


def test_in_the_large_is_not_the_joint_intercept() -> None:
    y, p = simulated(3, n=400, slope=0.5, shift=0.4)
    assert abs(calibration_in_the_large(y, p).value - calibration_line(y, p)[0].value) > 0.02


def test_profile_interval_is_where_the_likelihood_falls() -> None:
    y, p = simulated(11, n=60)
    wald, profile = calibration_slope(y, p), calibration_slope(y, p, method="profile")
    assert profile.value == wald.value
    assert profile.low < wald.value < profile.high
    assert profile.high - wald.value > wald.value - profile.low  # skewed as likelihoods of slopes are
    logit = special.logit(p)
    peak = sm.GLM(y, sm.add_constant(logit), family=sm.families.Binomial()).fit(tol=1e-14).llf
    for end in (profile.low, profile.high):
        held = sm.GLM(y, np.ones(y.size), offset=end * logit, family=sm.families.Binomial()).fit(tol=1e-14).llf
        assert 2 * (peak - held) == pytest.approx(3.841458820694124, abs=1e-6)


@pytest.mark.parametrize(
    ("y", "p", "reason"),
    [
        ([0, 1, 0, 1], [0.5] * 4, "slope is not identified"),
        ([0, 0, 1, 1], [0.1, 0.2, 0.7, 0.8], "separate the outcomes"),
        ([1, 1, 0, 0], [0.1, 0.2, 0.7, 0.8], "separate the outcomes"),
        ([0, 0, 1, 1], [0.1, 0.2, 0.2, 0.8], "separate the outcomes"),  # quasi-complete: they only touch
        ([1, 1, 1], [0.1, 0.2, 0.3], "no non-event"),
        ([0, 0, 0], [0.1, 0.2, 0.3], "no event"),
        ([1, 0, 1, 0], [0.0, 0.4, 0.6, 0.7], "contradict 1 predictions of exactly 0 or 1"),
        ([0, 1, 1], [0.0, 0.4, 0.6], "one outcome only among the predictions strictly between 0 and 1"),
        ([0, 1], [0.0, 1.0], "one outcome only"),
    ],
)
def test_no_slope_is_nan_with_a_reason(y: list[int], p: list[float], reason: str) -> None:
    for estimate in (*calibration_line(y, p), calibration_slope(y, p), calibration_slope(y, p, method="profile")):
        assert math.isnan(estimate.value)
        assert math.isnan(estimate.low)
        assert reason in estimate.note
    assert math.isnan(calibration_test(y, p).p_value)
    assert reason in calibration_test(y, p).note


@pytest.mark.parametrize(
    ("y", "p", "reason"),
    [
        ([0, 0, 0], [0.1, 0.2, 0.3], "no event"),
        ([1, 1], [0.1, 0.2], "no non-event"),
        ([1, 0, 1, 0], [0.0, 0.4, 0.6, 0.7], "contradict 1 predictions of exactly 0 or 1"),
    ],
)
def test_no_intercept_is_nan_with_a_reason(y: list[int], p: list[float], reason: str) -> None:
    estimate = calibration_in_the_large(y, p)
    assert math.isnan(estimate.value)
    assert reason in estimate.note


def test_separated_or_constant_risks_still_have_an_intercept() -> None:
    assert calibration_in_the_large([0, 1, 0, 1], [0.5] * 4).value == pytest.approx(0, abs=1e-12)
    assert calibration_in_the_large([0, 0, 0, 1], [0.5] * 4).value == pytest.approx(math.log(1 / 3))
    assert math.isfinite(calibration_in_the_large([0, 0, 1, 1], [0.1, 0.2, 0.7, 0.8]).value)


def test_certain_and_right_predictions_leave_the_fit_as_it_is() -> None:
    y, p = simulated(2)
    more_y, more_p = np.r_[y, 0, 1, 1], np.r_[p, 0.0, 1.0, 1.0]
    for function in (calibration_slope, calibration_in_the_large):
        plain, more = function(y, p), function(more_y, more_p)
        assert (more.value, more.se) == (plain.value, plain.se)
        assert "3 predictions of exactly 0 or 1 add nothing" in more.note
        assert more.n == y.size + 3
    nearly = calibration_slope(more_y, np.clip(more_p, 1e-12, 1 - 1e-12))
    assert nearly.value == pytest.approx(calibration_slope(y, p).value, rel=0.02)


def test_observed_expected_edges() -> None:
    none = observed_expected([0] * 10, [0.2] * 10)
    assert (none.value, none.low) == (0.0, 0.0)
    assert none.high == pytest.approx((1 - 0.025**0.1) / 0.2)
    everybody = observed_expected([1] * 10, [0.5] * 10)
    assert everybody.value == everybody.high == 2.0
    assert everybody.low == pytest.approx(0.025**0.1 * 2)
    assert "Clopper-Pearson" in everybody.note
    assert observed_expected([1, 0], [0.0, 0.0]).value == math.inf
    nothing = observed_expected([0, 0], [0.0, 0.0])
    assert math.isnan(nothing.value)
    assert "every predicted risk is 0" in nothing.note


def test_quantile_groups_by_hand() -> None:
    assert quantile_groups(np.arange(10) / 10, 5).tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert quantile_groups(np.array([0.1, 0.1, 0.1, 0.9]), 4).tolist() == [0, 0, 0, 1]  # two quantiles merged
    assert quantile_groups(np.full(5, 0.3), 4).tolist() == [0] * 5


@quick
@given(st.integers(0, 10**6), st.integers(3, 15))
def test_hosmer_lemeshow_follows_its_formula(seed: int, groups: int) -> None:
    y, p = simulated(seed, n=80)
    ours = hosmer_lemeshow(y, p, groups=groups, fitted_here=False)
    group, statistic = quantile_groups(p, groups), 0.0
    for g in np.unique(group):
        inside = group == g
        o, e, n = y[inside].sum(), p[inside].sum(), inside.sum()
        statistic += (o - e) ** 2 / e + ((n - o) - (n - e)) ** 2 / (n - e)
    assert ours.statistic == pytest.approx(statistic, rel=1e-9)
    assert ours.df == groups
    here = hosmer_lemeshow(y, p, groups=groups, fitted_here=True)
    assert here.df == groups - 2
    assert here.statistic == ours.statistic
    assert here.p_value < ours.p_value


def test_hosmer_lemeshow_says_where_the_model_was_fitted() -> None:
    y, p = simulated(1)
    with pytest.raises(TypeError, match="fitted_here"):
        hosmer_lemeshow(y, p)  # type: ignore[call-arg]
    assert "fitted on these patients" in hosmer_lemeshow(y, p, fitted_here=True).method
    assert "new patients" in hosmer_lemeshow(y, p, fitted_here=False).method
    with pytest.raises(InputError, match="whole number of at least 3"):
        hosmer_lemeshow(y, p, groups=2, fitted_here=True)


def test_tied_risks_merge_groups_and_say_so() -> None:
    """scikit-learn merges tied quantile bins silently; four risks make the cuts [0.2, 0.4], (0.4, 0.6], (0.6, 0.8]."""
    y, p = np.tile([0, 1], 30), np.repeat([0.2, 0.4, 0.6, 0.8], 15)
    ours = hosmer_lemeshow(y, p, groups=10, fitted_here=False)
    assert ours.df == 3
    assert "3 groups formed, 10 asked for" in ours.note


def test_hosmer_lemeshow_with_certain_predictions() -> None:
    p = np.repeat([0.0, 0.3, 0.7, 1.0], 10)
    y = np.r_[np.zeros(10), np.tile([0, 0, 1], 4)[:10], np.tile([1, 1, 0], 4)[:10], np.ones(10)].astype(int)
    right = hosmer_lemeshow(y, p, groups=4, fitted_here=False)
    assert math.isfinite(right.statistic)
    y[0] = 1
    wrong = hosmer_lemeshow(y, p, groups=4, fitted_here=False)
    assert (wrong.statistic, wrong.p_value) == (math.inf, 0.0)
    assert "contradict" in wrong.note


def test_spiegelhalter_is_undefined_where_its_variance_is_zero() -> None:
    ours = spiegelhalter([0, 1, 1], [0.0, 0.5, 1.0])
    assert math.isnan(ours.statistic)
    assert "0, 0.5 or 1" in ours.note


def test_sizes_of_the_tests_on_new_patients() -> None:
    """Risks that are true: each test rejects at its 5 %, within the error of 400 simulations."""
    rejected = np.zeros(4)
    for seed in range(400):
        y, p = simulated(seed, n=400)
        rejected += [
            hosmer_lemeshow(y, p, fitted_here=False).p_value < 0.05,
            spiegelhalter(y, p).p_value < 0.05,
            calibration_test(y, p).p_value < 0.05,
            not calibration_slope(y, p).low < 1 < calibration_slope(y, p).high,
        ]
    assert ((rejected / 400 > 0.02) & (rejected / 400 < 0.09)).all()


# --- Cox's tests ---------------------------------------------------------------------------------


@quick
@given(st.integers(0, 10**6))
def test_cox_tests_add_up_and_follow_the_likelihood(seed: int) -> None:
    y, p = simulated(seed, slope=0.8, shift=0.2)
    tests = cox_tests(y, p)
    assert list(tests) == ["joint", "intercept", "slope"]
    assert tests["joint"].statistic == pytest.approx(tests["intercept"].statistic + tests["slope"].statistic, abs=1e-9)
    assert tests["joint"] == calibration_test(y, p)
    assert tests["intercept"] == calibration_in_the_large_test(y, p)
    a = calibration_in_the_large(y, p).value
    gain = np.log(special.expit(a + special.logit(p)) / p)[y == 1].sum()
    gain += np.log(special.expit(-a - special.logit(p)) / (1 - p))[y == 0].sum()
    assert tests["intercept"].statistic == pytest.approx(2 * gain, abs=1e-9)
    assert [test.df for test in tests.values()] == [2.0, 1.0, 1.0]
    joint, one = tests["joint"], tests["slope"]
    assert joint.p_value == pytest.approx(math.exp(-joint.statistic / 2), rel=1e-12)  # chi-squared with 2 df
    assert one.p_value == pytest.approx(math.erfc(math.sqrt(one.statistic / 2)), rel=1e-9)
    assert {(test.n, test.n_events, test.note) for test in tests.values()} == {(150, int(y.sum()), "")}


def test_cox_tests_by_name() -> None:
    tests = cox_tests(*simulated(1))
    assert [test.method for test in tests.values()] == [
        "likelihood ratio, intercept 0 and slope 1",
        "likelihood ratio, intercept 0 given slope 1",
        "likelihood ratio, slope 1 with the intercept free",
    ]


def test_cox_tests_where_a_fit_is_missing() -> None:
    flat = cox_tests([0, 1, 0, 0], [0.5] * 4)
    want = 2 * (math.log(0.25) + 3 * math.log(0.75) - 4 * math.log(0.5))
    assert flat["intercept"].statistic == pytest.approx(want, rel=1e-12)
    assert flat["intercept"].note == ""
    for key, df in (("joint", 2.0), ("slope", 1.0)):
        assert math.isnan(flat[key].statistic)
        assert math.isnan(flat[key].p_value)
        assert (flat[key].df, flat[key].n, flat[key].n_events) == (df, 4, 1)
        assert flat[key].note == "all predictions are equal: the slope is not identified"
    none = cox_tests([0, 0, 0], [0.1, 0.2, 0.3])
    assert {test.note for test in none.values()} == {"undefined: no event"}
    assert all(math.isnan(test.statistic) for test in none.values())
    assert math.isnan(calibration_in_the_large_test([0, 0, 0], [0.1, 0.2, 0.3]).p_value)
    certain = cox_tests([0, 1, 0, 1, 0], [0.2, 0.3, 0.4, 0.6, 0.0])
    assert {test.note for test in certain.values()} == {"1 predictions of exactly 0 or 1 add nothing to the fit"}


def test_sizes_of_the_one_degree_tests() -> None:
    rejected = np.zeros(2)
    for seed in range(400):
        tests = cox_tests(*simulated(seed, n=300))
        rejected += [tests["intercept"].p_value < 0.05, tests["slope"].p_value < 0.05]
    assert ((rejected / 400 > 0.02) & (rejected / 400 < 0.09)).all()


# --- observed over expected ----------------------------------------------------------------------


def test_exact_intervals_of_observed_over_expected() -> None:
    y, p = [0, 0, 1, 1], [0.1, 0.3, 0.4, 0.8]
    exact, poisson = (observed_expected(y, p, method=method) for method in ("exact", "poisson"))
    assert exact.value == poisson.value == pytest.approx(1.25)
    assert [exact.low, exact.high] == pytest.approx([0.06758599 * 2.5, 0.93241401 * 2.5], rel=1e-6)  # binom.test(2, 4)
    assert [poisson.low, poisson.high] == pytest.approx([0.2422093 / 1.6, 7.224688 / 1.6], rel=1e-6)  # poisson.test(2)
    assert (exact.method, poisson.method) == ("Clopper-Pearson", "Garwood")
    assert exact.note == poisson.note == ""
    assert math.isnan(exact.se)
    assert math.isnan(poisson.se)
    assert (poisson.level, poisson.n, poisson.n_events) == (0.95, 4, 2)
    log = observed_expected(y, p, level=0.9)
    assert log.se == pytest.approx(0.5)
    assert [log.low, log.high] == pytest.approx([1.25 * math.exp(s * 0.5 * 1.6448536269514722) for s in (-1, 1)])
    nobody = observed_expected([0, 0], [0.3, 0.2], method="poisson", level=0.9)
    assert (nobody.value, nobody.low) == (0.0, 0.0)
    assert nobody.high == pytest.approx(-math.log(0.05) / 0.5)
    certain = observed_expected([1, 0], [0.0, 0.0], method="poisson")
    assert (certain.value, certain.method, certain.note) == (math.inf, "Garwood", "every predicted risk is 0")
    assert observed_expected([1, 0], [0.0, 0.0], method="exact").method == "Clopper-Pearson"
    with pytest.raises(InputError, match="`method` must be one of 'log', 'exact', 'poisson'"):
        observed_expected(y, p, method="wald")


def test_the_linearised_ratio_knows_that_risks_come_with_events() -> None:
    """Taylor's linearisation of a ratio of means, as survey's svyratio: its error by hand, and against a bootstrap."""
    rng = np.random.default_rng(8)
    p = rng.beta(1.5, 4, 400)
    y = (rng.random(400) < p).astype(int)
    found, known = observed_expected(y, p, method="ratio"), observed_expected(y, p)
    ratio = y.sum() / p.sum()
    by_hand = math.sqrt(np.var(y - ratio * p, ddof=1) * 400) / p.sum() / ratio
    assert found.se == pytest.approx(by_hand, rel=1e-12)
    assert found.se < known.se
    draws = rng.integers(0, 400, (4000, 400))
    assert found.se == pytest.approx(np.log(y[draws].sum(1) / p[draws].sum(1)).std(), rel=0.05)
    assert "linearised ratio" in found.method
    assert observed_expected([0, 0], [0.2, 0.3], method="ratio").method == "Clopper-Pearson"


def test_where_the_log_interval_gives_way() -> None:
    one = observed_expected([1, 0, 0, 0], [0.2, 0.1, 0.3, 0.2])
    assert one.se == pytest.approx(math.sqrt(0.75))
    assert (one.method, one.note) == ("normal on the log scale, E taken as known; se of the log", "")
    three = observed_expected([1, 1, 1, 0], [0.2, 0.1, 0.3, 0.2])
    assert three.se == pytest.approx(math.sqrt(0.25 / 3))
    none, all_of_them = observed_expected([0, 0], [0.2, 0.3]), observed_expected([1, 1], [0.2, 0.3])
    assert none.note == "no event: Clopper-Pearson's interval of O/n over E/n"
    assert all_of_them.note == "events only: Clopper-Pearson's interval of O/n over E/n"
    assert none.method == all_of_them.method == "Clopper-Pearson"


FUNCTIONS = (
    observed_expected,
    calibration_in_the_large,
    calibration_slope,
    calibration_line,
    calibration_test,
    cox_tests,
    spiegelhalter,
    calibration_in_the_large_test,
)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_weights_are_copies_and_missing_is_counted(function: object) -> None:
    y, p = simulated(8, n=80)
    times = np.random.default_rng(1).integers(0, 4, 80)
    assert repr(function(y, p, weights=times)) == repr(function(np.repeat(y, times), np.repeat(p, times)))  # type: ignore[operator]
    gap = p.copy()
    gap[[3, 5]] = np.nan
    result = function(y, gap, missing="complete-case")  # type: ignore[operator]
    records = (
        list(result.values()) if isinstance(result, dict) else list(result) if isinstance(result, tuple) else [result]
    )
    assert {(record.n, record.n_missing) for record in records} == {(78, 2)}
    with pytest.raises(InputError, match="`y_prob` is missing"):
        function(y, gap)  # type: ignore[operator]


def test_the_line_of_a_million_is_quick() -> None:
    import time

    y, p = simulated(0, n=1_000_000, slope=0.8)
    start = time.perf_counter()
    slope = calibration_slope(y, p)
    assert time.perf_counter() - start < 5  # 0.2 s on a quiet machine
    assert slope.value == pytest.approx(0.8, abs=0.02)
    assert slope.se < 0.003
