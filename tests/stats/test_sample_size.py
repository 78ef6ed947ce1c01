"""Sample size for development and validation: worked examples, edge cases, laws, and simulated checks."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from validkit.errors import InputError
from validkit.stats.development_size import cox_snell_from_auc, development_sample_size, maximum_cox_snell
from validkit.stats.linear_predictor import LinearPredictor
from validkit.stats.pooling_scales import auc_standard_error
from validkit.stats.sample_size import Criterion, gauss_legendre, largest, number_between, z_published
from validkit.stats.validation_size import (
    c_statistic_size,
    calibration_slope_size,
    net_benefit_size,
    observed_expected_size,
    validation_sample_size,
)

NORMAL = LinearPredictor.normal


def exactly(ours: Any, theirs: Any, tolerance: float = 1e-12) -> None:
    np.testing.assert_allclose(np.asarray(ours, float), np.asarray(theirs, float), rtol=tolerance, atol=1e-14)


# --- pieces -------------------------------------------------------------------------------------


def test_the_quantile_is_the_published_one() -> None:
    assert z_published(0.95) == 1.96
    exactly(z_published(0.9), 1.6448536269514722)


def test_the_first_of_equal_criteria_binds() -> None:
    a, b, c = Criterion("a", 3, 2.5, 1), Criterion("b", 7, 6.5, 1), Criterion("c", 7, 6.9, 1)
    assert largest((a, b, c)) is b
    assert repr(b) == "b: n = 7"
    assert (b.note, math.isnan(b.se)) == ("", True)


def test_gauss_legendre_is_exact_for_polynomials() -> None:
    x, w = gauss_legendre(-1.0, 2.0, 1.0)
    assert x.size == 48
    exactly([w.sum(), w @ x**2, w @ x**7], [3, 3, (2**8 - 1) / 8])
    x, w = gauss_legendre(0.0, 1.0, 5.0)
    assert x.size == 16
    exactly(w @ np.exp(x), math.e - 1)


@pytest.mark.parametrize("value", [0, 1, -0.1, 1.1, math.nan, "0.5", True, None])
def test_a_number_between(value: Any) -> None:
    with pytest.raises(InputError, match=r"`phi` must lie strictly between 0 and 1, not .*; a hint"):
        number_between(value, 0, 1, "phi", "; a hint")
    with pytest.raises(InputError, match=r"`sd` must be above 2, not"):
        number_between(value, 2, math.inf, "sd")
    assert number_between(np.float32(0.5), 0, 1, "phi") == 0.5
    assert number_between(3, 2, math.inf, "sd") == 3.0


# --- development --------------------------------------------------------------------------------


def test_the_example_of_the_paper() -> None:
    """Riley et al. 2020: 24 parameters, prevalence 0.174, R2 0.288."""
    r = development_sample_size(24, prevalence=0.174, cox_snell_r2=0.288)
    assert [c.n for c in r.criteria] == [623, 662, 221]
    assert [c.name for c in r.criteria] == ["shrinkage", "optimism in R2", "overall risk"]
    assert [c.target for c in r.criteria] == [0.9, 0.05, 0.05]
    assert (r.n, r.binding, r.method, r.note) == (662, "optimism in R2", "Riley et al. 2020, binary outcome", "")
    top = 1 - (0.174**0.174 * 0.826**0.826) ** 2
    implied = 0.288 / (0.288 + 0.05 * top)
    exactly([r.maximum_r2, r.nagelkerke_r2, r.shrinkage], [top, 0.288 / top, implied])
    exactly([r.n_events, r.events_per_parameter], [662 * 0.174, 662 * 0.174 / 24])
    exactly(r.criteria[0].exact, 24 / (-0.1 * math.log(1 - 0.288 / 0.9)))
    exactly(r.criteria[1].exact, 24 / ((implied - 1) * math.log(1 - 0.288 / implied)))
    exactly([r.criteria[2].exact, r.criteria[2].se], [(1.96 / 0.05) ** 2 * 0.174 * 0.826, 0.05 / 1.96])
    assert r.criteria[1].note == "a shrinkage of 0.9052"
    assert r.assumptions == {"parameters": 24, "prevalence": 0.174, "cox_snell_r2": 0.288}
    assert json.loads(json.dumps(r.to_dict()))["criteria"][1]["n"] == 662


def test_other_demands() -> None:
    r = development_sample_size(
        10, prevalence=0.2, cox_snell_r2=0.1, shrinkage=0.8, optimism=0.1, margin=0.02, mean_absolute_error=0.04
    )
    implied = 0.1 / (0.1 + 0.1 * maximum_cox_snell(0.2))
    exactly([c.target for c in r.criteria], [0.8, 0.1, 0.02, 0.04])
    exactly(
        [c.exact for c in r.criteria],
        [
            10 / (-0.2 * math.log(1 - 0.1 / 0.8)),
            10 / ((implied - 1) * math.log(1 - 0.1 / implied)),
            98**2 * 0.16,
            math.exp((-0.508 + 0.259 * math.log(0.2) + 0.504 * math.log(10) - math.log(0.04)) / 0.544),
        ],
    )
    assert r.shrinkage == 0.8
    assert (r.binding, r.n) == ("overall risk", 1537)
    assert (r.criteria[3].name, r.criteria[3].note) == ("mean absolute error", "")
    assert r.criteria[3].n == math.ceil(r.criteria[3].exact)


@pytest.mark.parametrize(
    ("parameters", "prevalence", "note"),
    [
        (31, 0.5, "extrapolated to more than 30 parameters"),
        (30, 0.51, "extrapolated to a prevalence above 0.5"),
        (31, 0.6, "extrapolated to more than 30 parameters and a prevalence above 0.5"),
        (30, 0.5, ""),
    ],
)
def test_extrapolation_is_said(parameters: int, prevalence: float, note: str) -> None:
    r = development_sample_size(parameters, prevalence=prevalence, cox_snell_r2=0.2, mean_absolute_error=0.05)
    assert r.criteria[3].note == note


def test_r2_from_other_measures() -> None:
    exact = development_sample_size(24, prevalence=0.174, nagelkerke_r2=0.467)
    exactly([exact.cox_snell_r2, exact.nagelkerke_r2], [0.467 * maximum_cox_snell(0.174), 0.467])
    rounded = development_sample_size(24, prevalence=0.174, nagelkerke_r2=0.467, digits=3)
    assert rounded.cox_snell_r2 == 0.282
    assert (exact.n, rounded.n) == (664, 664)
    assert exact.assumptions["nagelkerke_r2"] == 0.467
    from_c = development_sample_size(24, prevalence=0.174, c_statistic=0.89)
    exactly(from_c.cox_snell_r2, cox_snell_from_auc(0.89, prevalence=0.174))
    assert development_sample_size(24, prevalence=0.174, c_statistic=0.89, digits=2).cox_snell_r2 == 0.29
    assert from_c.assumptions["c_statistic"] == 0.89
    assert set(from_c.assumptions) == {"parameters", "prevalence", "cox_snell_r2", "c_statistic"}


def test_cox_snell_from_the_auc() -> None:
    assert cox_snell_from_auc(0.5, prevalence=0.3) == 0
    exactly(maximum_cox_snell(0.5), 0.75)
    exactly(cox_snell_from_auc(0.8, prevalence=0.2), cox_snell_from_auc(0.8, prevalence=0.8))  # by symmetry
    assert cox_snell_from_auc(0.9999, prevalence=0.5) == pytest.approx(0.75, abs=0.01)
    rng = np.random.default_rng(3)  # the simulation of Riley, Van Calster and Collins with the true coefficients
    n, phi, mu = 400_000, 0.3, math.sqrt(2) * special.ndtri(0.75)
    y = (np.arange(n) < phi * n).astype(float)
    x = rng.normal(size=n) + mu * y
    eta = math.log(phi / (1 - phi)) + mu * x - mu**2 / 2
    likelihood = (y * eta - np.logaddexp(0, eta)).mean()
    null = phi * math.log(phi) + (1 - phi) * math.log(1 - phi)
    assert cox_snell_from_auc(0.75, prevalence=phi) == pytest.approx(1 - math.exp(2 * (null - likelihood)), abs=0.003)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "give exactly one of `cox_snell_r2`, `nagelkerke_r2` and `c_statistic`"),
        ({"cox_snell_r2": 0.1, "c_statistic": 0.8}, "give exactly one of"),
        ({"cox_snell_r2": 0.9}, r"between 0 and 0\.632.*not 0\.9; at a prevalence of 0\.2 it is at most 0\.6324"),
        ({"cox_snell_r2": 0.0}, "`cox_snell_r2` must lie strictly between 0"),
        ({"cox_snell_r2": 0.5, "shrinkage": 0.5}, r"the Cox-Snell R2 of 0\.5 must be below the `shrinkage` of 0\.5"),
        ({"nagelkerke_r2": 1.0}, "`nagelkerke_r2` must lie strictly between 0 and 1"),
        ({"nagelkerke_r2": 0.001, "digits": 2}, r"`cox_snell_r2` must lie .* not 0\.0 after rounding"),
        ({"nagelkerke_r2": 0.1, "digits": 0}, "`digits` must be a whole number of at least 1"),
        ({"c_statistic": 0.5}, r"`c_statistic` must lie strictly between 0\.5 and 1"),
        ({"c_statistic": 0}, r"`c_statistic` must lie strictly between 0\.5 and 1"),
        ({"cox_snell_r2": 0.1, "prevalence": 0}, "`prevalence` must lie strictly between 0 and 1"),
        ({"cox_snell_r2": 0.1, "parameters": 0}, "`parameters` must be a whole number of at least 1"),
        ({"cox_snell_r2": 0.1, "shrinkage": 1}, "`shrinkage` must lie strictly between 0 and 1"),
        ({"cox_snell_r2": 0.1, "optimism": 0}, "`optimism` must lie strictly between 0 and 1"),
        ({"cox_snell_r2": 0.1, "margin": 0}, "`margin` must lie strictly between 0 and 1"),
        ({"cox_snell_r2": 0.1, "mean_absolute_error": 0}, "`mean_absolute_error` must lie strictly between 0 and 1"),
    ],
)
def test_bad_development(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        development_sample_size(**{"parameters": 10, "prevalence": 0.2, **options})


def test_bad_auc() -> None:
    with pytest.raises(InputError, match=r"a model below 0\.5 ranks the wrong way round"):
        cox_snell_from_auc(0.4, prevalence=0.2)
    with pytest.raises(InputError, match=r"`auc` must lie strictly between 0\.5 and 1"):
        cox_snell_from_auc(1.0, prevalence=0.2)
    with pytest.raises(InputError, match="`prevalence`"):
        cox_snell_from_auc(0.5, prevalence=1.0)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.floats(0.02, 0.98), st.floats(0.01, 0.8))
def test_more_demands_take_more_patients(p: int, phi: float, share: float) -> None:
    r2 = share * maximum_cox_snell(phi)
    few = development_sample_size(p, prevalence=phi, cox_snell_r2=r2, shrinkage=0.9)
    many = development_sample_size(p + 1, prevalence=phi, cox_snell_r2=r2, shrinkage=0.9)
    assert many.n >= few.n
    exactly(few.maximum_r2, maximum_cox_snell(1 - phi), 1e-9)
    assert few.n == max(c.n for c in few.criteria)
    s = few.criteria[0]  # shrinkage at the exact size is the one asked for
    exactly(1 + p / (s.exact * math.log(1 - r2 / 0.9)), 0.9, 1e-9)


# --- the linear predictor -----------------------------------------------------------------------


def test_distributions() -> None:
    for lp, mean, variance in (
        (NORMAL(-1.0, 2.0), -1.0, 4.0),
        (LinearPredictor.skew_normal(-1.0, 2.0, 0.7), -1.0, 4.0),
        (LinearPredictor.skew_normal(-1.0, 2.0, -0.99), -1.0, 4.0),
        (LinearPredictor.skew_normal(3.0, 0.1, 0.0), 3.0, 0.01),
        (
            LinearPredictor.beta(2.0, 5.0),
            special.digamma(2) - special.digamma(5),
            special.polygamma(1, 2) + special.polygamma(1, 5),
        ),
        (LinearPredictor.observed([1.0, 2.0, 6.0]), 3.0, 14 / 3),
    ):
        x, w = lp.points()
        exactly([w.sum(), w @ x, w @ (x - mean) ** 2], [1, mean, variance], 1e-9)
    x, w = LinearPredictor.skew_normal(-1.0, 2.0, 0.7).points()
    exactly(w @ ((x + 1) / 2) ** 3, 0.7, 1e-9)
    exactly(LinearPredictor.beta(2.0, 6.0).prevalence(), 0.25, 1e-9)
    exactly(LinearPredictor.binormal(0.8, 0.1).prevalence(), 0.1, 1e-9)
    exactly(LinearPredictor.observed([0.0, math.log(3)]).prevalence(), 0.625)
    exactly(NORMAL(0.0, 3.0).prevalence(), 0.5)


def test_names() -> None:
    names = {
        NORMAL(-1, 2): "normal, mean -1, sd 2",
        LinearPredictor.skew_normal(-1, 2, 0.5): "skew normal, mean -1, sd 2, skewness 0.5",
        LinearPredictor.beta(2, 5): "logit of a beta risk, a 2, b 5",
        LinearPredictor.binormal(0.8, 0.1): "binormal, AUC 0.8, prevalence 0.1",
        LinearPredictor.observed([1, 2]): "observed in 2 patients",
    }
    for lp, name in names.items():
        assert lp.name == name
        assert repr(lp) == f"LinearPredictor: {name}"


def test_the_binormal_predictor_has_its_auc() -> None:
    x, w = LinearPredictor.binormal(0.8, 0.3).points()
    order = np.argsort(x)
    events, others = (w * special.expit(x))[order] / 0.3, (w * special.expit(-x))[order] / 0.7
    exactly(events @ (np.cumsum(others) - others / 2), 0.8, 1e-3)


def test_information_of_two_points() -> None:
    lp = LinearPredictor.observed([0.0, math.log(3)])
    w = [0.25, 3 / 16]
    exactly(lp.information(), [np.mean(w), w[1] * math.log(3) / 2, w[1] * math.log(3) ** 2 / 2])
    shifted = [special.expit(0.5 + 2 * x) * special.expit(-0.5 - 2 * x) for x in (0, math.log(3))]
    exactly(lp.information(0.5, 2.0)[0], np.mean(shifted))


def test_at_threshold() -> None:
    lp = LinearPredictor.observed(special.logit([0.1, 0.3, 0.8]))
    exactly(lp.at_threshold(0.3), [1.1 / 1.2, 0.9 / 1.8])  # a risk of exactly 0.3 is treated
    exactly(lp.at_threshold(0.31), [0.8 / 1.2, 1.6 / 1.8])
    exactly(NORMAL(0.0, 1.0).at_threshold(0.999999), [0, 1], 1e-9)
    sensitivity, specificity = NORMAL(0.0, 1.0).at_threshold(0.5)
    exactly(sensitivity, specificity)  # by symmetry
    with pytest.raises(InputError, match="`threshold` must lie strictly between 0 and 1"):
        lp.at_threshold(1.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: NORMAL(0, 0), "`sd` must be above 0"),
        (lambda: NORMAL(math.inf, 1), "`mean` must be above -inf"),
        (lambda: LinearPredictor.skew_normal(0, 1, 0.995), r"`skewness` must lie strictly between -0\.995 and 0\.995"),
        (lambda: LinearPredictor.skew_normal(0, 0, 0.5), "`sd`"),
        (lambda: LinearPredictor.beta(0, 1), "`a` must be above 0"),
        (lambda: LinearPredictor.beta(1, -1), "`b` must be above 0"),
        (lambda: LinearPredictor.binormal(0.5, 0.1), r"`auc` must lie strictly between 0\.5 and 1"),
        (lambda: LinearPredictor.binormal(0.8, 1), "`prevalence` must lie"),
        (lambda: LinearPredictor.observed([0.1, math.nan]), r"`values` is missing \(NaN\) for 1 of 2"),
        (
            lambda: calibration_slope_size([1, 2]),
            r"`predictor` must be a LinearPredictor, e.g. LinearPredictor\.normal",
        ),
        (lambda: calibration_slope_size(LinearPredictor.observed([1, 1])), "`predictor` holds one value only"),
    ],
)
def test_bad_predictors(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


# --- validation ---------------------------------------------------------------------------------


def test_observed_expected_width() -> None:
    c = observed_expected_size(prevalence=0.1, width=0.3, ratio=1.2, level=0.9)
    z = 1.6448536269514722
    exactly(1.2 * (math.exp(z * c.se) - math.exp(-z * c.se)), 0.3)
    exactly([c.exact, c.target], [9 / c.se**2, 0.3])
    assert (c.name, c.n, c.note) == ("O:E", math.ceil(c.exact), "")
    stepped = observed_expected_size(prevalence=0.018, width=1.0, rounding="pmvalsampsize")
    exactly(stepped.se, 0.2456)
    assert stepped.n == 905
    assert observed_expected_size(prevalence=0.018, width=1.0).n == 906


def test_slope_width_is_reached_in_simulation() -> None:
    """At the size given, the standard error of the slope is the one asked for."""
    lp = NORMAL(-1.0, 1.0)
    c = calibration_slope_size(lp, width=0.4)
    exactly([c.se, c.target], [0.4 / 3.92, 0.4])
    assert c.name == "calibration slope"
    rng = np.random.default_rng(11)
    slopes = []
    for _ in range(400):
        x = rng.normal(-1, 1, c.n)
        y = rng.random(c.n) < special.expit(x)
        beta = np.array([0.0, 1.0])
        design = np.column_stack([np.ones(c.n), x])
        for _step in range(6):
            p = special.expit(design @ beta)
            beta += np.linalg.solve(design.T @ (design * (p * (1 - p))[:, None]), design.T @ (y - p))
        slopes.append(beta[1])
    assert np.std(slopes, ddof=1) == pytest.approx(c.se, rel=0.12)
    assert calibration_slope_size(lp, width=0.2).exact == pytest.approx(4 * c.exact)
    exactly(calibration_slope_size(lp, level=0.9).se, 0.1 / 1.6448536269514722)


def test_slope_of_a_shifted_predictor() -> None:
    """The information of (a, b) on x is that of (0, 1) on a + b x, whose slope is measured in units b times larger."""
    direct = calibration_slope_size(NORMAL(-1, 2), intercept=0.5, slope=0.8).exact
    moved = calibration_slope_size(NORMAL(0.5 - 0.8, 1.6)).exact
    exactly(direct, moved * 0.64, 1e-9)
    with pytest.raises(InputError, match="`width` must be above 0"):
        calibration_slope_size(NORMAL(0, 1), width=0)


def test_c_statistic_width() -> None:
    c = c_statistic_size(c_statistic=0.8, prevalence=0.1, width=0.08, level=0.9)
    exactly(c.se, 0.04 / 1.6448536269514722)
    exactly(auc_standard_error(0.8, n=c.exact, n_events=0.1 * c.exact), c.se)
    assert (c.name, c.target, c.note) == ("C statistic", 0.08, "")
    exactly(
        c_statistic_size(c_statistic=0.7, prevalence=0.3).exact, c_statistic_size(c_statistic=0.3, prevalence=0.7).exact
    )


def test_net_benefit_width() -> None:
    c = net_benefit_size(prevalence=0.5, sensitivity=0.8, specificity=0.6, threshold=0.5, width=0.196 * 2)
    exactly([c.se, c.exact], [0.1, (0.16 / 0.5 + 0.24 / 0.5 + 0.16 / 0.25) / 0.01])
    assert (c.n, c.name, c.note) == (144, "standardised net benefit", "expected value 0.4")
    exactly(
        net_benefit_size(prevalence=0.2, sensitivity=1, specificity=0, threshold=0.1).exact,
        (4 / 9) ** 2 / 0.16 / c_se() ** 2,
    )
    for bad in ({"sensitivity": 1.2}, {"specificity": -0.1}, {"sensitivity": math.nan}):
        with pytest.raises(InputError, match=r"must lie in \[0, 1\], not"):
            net_benefit_size(**{"prevalence": 0.2, "sensitivity": 1, "specificity": 0, "threshold": 0.1, **bad})
    with pytest.raises(InputError, match="leave no sampling error"):
        net_benefit_size(prevalence=0.2, sensitivity=1, specificity=1, threshold=0.1)
    stepped = net_benefit_size(
        prevalence=0.5, sensitivity=0.8, specificity=0.6, threshold=0.5, width=0.2, rounding="pmvalsampsize"
    )
    assert stepped.se == 0.051


def c_se() -> float:
    return 0.2 / 3.92


def test_net_benefit_width_is_reached_in_simulation() -> None:
    c = net_benefit_size(prevalence=0.3, sensitivity=0.8, specificity=0.7, threshold=0.2, width=0.3)
    rng = np.random.default_rng(5)
    events = rng.binomial(c.n, 0.3, 4000)
    tp, fp = rng.binomial(events, 0.8), rng.binomial(c.n - events, 0.3)
    standardised = tp / events - fp / events * 0.25
    assert np.std(standardised) == pytest.approx(c.se, rel=0.05)


def test_the_largest_of_the_criteria() -> None:
    r = validation_sample_size(
        prevalence=0.1, c_statistic=0.75, predictor=LinearPredictor.binormal(0.75, 0.1), threshold=0.1
    )
    assert [c.name for c in r.criteria] == ["O:E", "calibration slope", "C statistic", "standardised net benefit"]
    assert r.n == max(c.n for c in r.criteria)
    assert r.binding == next(c.name for c in r.criteria if c.n == r.n)
    exactly(r.n_events, 0.1 * r.n)
    assert (r.method, r.note) == ("Riley et al. 2021, binary outcome", "")
    sensitivity, specificity = LinearPredictor.binormal(0.75, 0.1).at_threshold(0.1)
    assert r.assumptions["sensitivity"] == sensitivity
    assert r.assumptions["specificity"] == specificity
    assert r.assumptions["predictor"] == "binormal, AUC 0.75, prevalence 0.1"
    exactly(r.assumptions["mean_risk"], 0.1)
    assert repr(r).startswith(
        f"n = {r.n} with {r.n_events:.4g} events, for the {r.binding} (O:E 3469; calibration slope"
    )
    assert json.loads(json.dumps(r.to_dict()))["assumptions"]["threshold"] == 0.1


def test_parts_of_the_criteria() -> None:
    r = validation_sample_size(
        prevalence=0.2,
        c_statistic=0.7,
        ratio=1.1,
        oe_width=0.4,
        c_width=0.2,
        level=0.9,
        rounding="pmvalsampsize",
        threshold=0.2,
        sensitivity=0.7,
        specificity=0.6,
        net_benefit_width=0.3,
    )
    assert r.criteria == (
        observed_expected_size(prevalence=0.2, width=0.4, ratio=1.1, level=0.9, rounding="pmvalsampsize"),
        c_statistic_size(c_statistic=0.7, prevalence=0.2, width=0.2, level=0.9),
        net_benefit_size(
            prevalence=0.2,
            sensitivity=0.7,
            specificity=0.6,
            threshold=0.2,
            width=0.3,
            level=0.9,
            rounding="pmvalsampsize",
        ),
    )
    assert r.note == "no `predictor`: the calibration slope is left out"
    assert r.method == "Riley et al. 2021, binary outcome, pmvalsampsize's rounding"
    assert r.assumptions == {
        "prevalence": 0.2,
        "c_statistic": 0.7,
        "ratio": 1.1,
        "threshold": 0.2,
        "sensitivity": 0.7,
        "specificity": 0.6,
    }
    slope = validation_sample_size(
        prevalence=0.5, c_statistic=0.7, predictor=NORMAL(0, 1), slope=0.9, intercept=0.1, slope_width=0.5, level=0.9
    )
    assert slope.criteria[1] == calibration_slope_size(NORMAL(0, 1), width=0.5, slope=0.9, intercept=0.1, level=0.9)
    assert (slope.assumptions["slope"], slope.assumptions["intercept"]) == (0.9, 0.1)


def test_a_predictor_that_contradicts_the_prevalence() -> None:
    r = validation_sample_size(prevalence=0.018, c_statistic=0.8, predictor=NORMAL(-5, 2.5), oe_width=1.0)
    assert r.note == f"the predictor's mean risk is {NORMAL(-5, 2.5).prevalence():.4g}, the prevalence 0.018"
    half = NORMAL(0.0, 1.0)  # a mean risk of one half
    for prevalence, said in ((0.46, False), (0.45, True), (0.55, False), (0.56, True)):
        note = validation_sample_size(prevalence=prevalence, c_statistic=0.8, predictor=half).note
        assert bool(note) is said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prevalence": 1.0}, "`prevalence` must lie strictly between 0 and 1"),
        ({"c_statistic": 1.0}, "`c_statistic` must lie strictly between 0 and 1"),
        ({"c_width": 1.0}, "`width` must lie strictly between 0 and 1"),
        ({"oe_width": 0.0}, "`width` must be above 0"),
        ({"ratio": 0.0}, "`ratio` must be above 0"),
        ({"level": 95}, "did you mean 0.95"),
        ({"rounding": "up"}, "`rounding` must be one of 'exact', 'pmvalsampsize'"),
        ({"predictor": 3}, "`predictor` must be a LinearPredictor"),
        ({"sensitivity": 0.8}, "hold at a `threshold`: give that too"),
        ({"specificity": 0.8}, "hold at a `threshold`: give that too"),
        ({"threshold": 0.1}, "net benefit needs `sensitivity` and `specificity` at the threshold, or a `predictor`"),
        ({"threshold": 0.1, "sensitivity": 0.8}, "give both `sensitivity` and `specificity`, or neither"),
        ({"threshold": 0.1, "specificity": 0.8}, "give both `sensitivity` and `specificity`, or neither"),
        ({"threshold": 1.0, "sensitivity": 0.8, "specificity": 0.8}, "`threshold` must lie strictly between 0 and 1"),
    ],
)
def test_bad_validation(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        validation_sample_size(**{"prevalence": 0.2, "c_statistic": 0.8, **options})


@settings(max_examples=40, deadline=None)
@given(st.floats(0.01, 0.99), st.floats(0.51, 0.99), st.floats(0.02, 0.5))
def test_half_the_width_takes_about_four_times_the_patients(phi: float, c: float, width: float) -> None:
    wide, narrow = (c_statistic_size(c_statistic=c, prevalence=phi, width=w).exact for w in (width, width / 2))
    assert 2 < narrow / wide <= 4.01
    wide, narrow = (observed_expected_size(prevalence=phi, width=w).exact for w in (width, width / 2))
    assert 3.5 < narrow / wide < 4.5
