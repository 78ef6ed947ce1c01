"""Random effects over sites: hand-worked answers, edge cases, laws, coverage."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validkit.errors import InputError
from validkit.stats.heterogeneity import between_variance, generalised_q, q_profile, typical_variance
from validkit.stats.pooling import IDENTICAL, probability_new_site, random_effects, t_of

# three sites with equal standard errors: everything has a closed form. S^2 = 1, v = 1/4
Y, SE = [1.0, 2.0, 3.0], [0.5, 0.5, 0.5]
T2, Z = 0.95 / math.sqrt(2 * 0.975 * 0.025), 1.959963984540054  # Student's quantile with 2 df in closed form
CHI_LOW, CHI_HIGH = -2 * math.log(0.975), -2 * math.log(0.025)


def exactly(ours: Any, theirs: Any, tolerance: float = 1e-12) -> None:
    np.testing.assert_allclose(np.asarray(ours, float), np.asarray(theirs, float), rtol=tolerance, atol=1e-14)


@pytest.mark.parametrize(
    ("method", "tau2", "named"),
    [
        ("reml", 0.75, "REML"),
        ("dl", 0.75, "DerSimonian-Laird"),
        ("pm", 0.75, "Paule-Mandel"),
        ("ml", 2 / 3 - 0.25, "ML"),
    ],
)
def test_equal_standard_errors_have_a_closed_form(method: str, tau2: float, named: str) -> None:
    r = random_effects(Y, se=SE, method=method)
    assert r.sites == ("site 0", "site 1", "site 2")
    assert (r.scale, r.prediction_df, r.note, r.n_missing) == ("identity", 2.0, "", 0)
    assert r.se_source == ("standard error",) * 3
    exactly(r.weights, [1 / 3] * 3)
    half = T2 / math.sqrt(3)
    exactly([r.estimate.value, r.estimate.low, r.estimate.high], [2, 2 - half, 2 + half])
    exactly(r.estimate.se, 1 / math.sqrt(3))
    assert r.estimate == r.pooled
    assert r.estimate.method == f"{named}, Knapp-Hartung t(2)"
    assert r.estimate.level == 0.95
    assert r.estimate.note == ""
    spread = math.sqrt(1 / 3 + tau2)
    exactly(
        [r.prediction.value, r.prediction.low, r.prediction.high, r.prediction.se],
        [2, 2 - T2 * spread, 2 + T2 * spread, spread],
        1e-11,
    )
    assert r.prediction.method == "prediction, t(k - 1 = 2)"
    ends = [2 / CHI_HIGH - 0.25, 2 / CHI_LOW - 0.25]
    exactly([r.tau2.value, r.tau2.low, r.tau2.high], [tau2, *ends], 1e-11)
    exactly([r.tau.value, r.tau.low, r.tau.high], np.sqrt([tau2, *ends]), 1e-11)
    exactly([r.i2.value, r.i2.low, r.i2.high], [t / (t + 0.25) for t in (tau2, *ends)], 1e-11)
    exactly([r.h2.value, r.h2.low, r.h2.high], [t / 0.25 + 1 for t in (tau2, *ends)], 1e-11)
    for part in (r.tau2, r.tau, r.i2, r.h2):
        assert (part.method, part.level, part.note) == (f"{named}, Q profile", 0.95, "")
    exactly([r.q.statistic, r.q.df, r.q.p_value], [8, 2, math.exp(-4)])
    assert r.q.method == "Cochran's Q"


def test_without_adjustment_and_with_the_ad_hoc_rule() -> None:
    plain = random_effects(Y, se=SE, adjustment="none", level=0.9)
    z90 = 1.6448536269514722
    exactly([plain.estimate.se, plain.estimate.low], [1 / math.sqrt(3), 2 - z90 / math.sqrt(3)])
    assert plain.estimate.method == "REML, normal"
    assert plain.prediction_df == math.inf
    assert plain.prediction.method == "prediction, normal"
    assert plain.prediction.level == plain.estimate.level == plain.tau2.level == 0.9
    exactly(plain.prediction.high, 2 + z90 * math.sqrt(1 / 3 + 0.75))
    close = [1.9, 2.0, 2.1]  # S^2 = 0.01 < v = 0.25, so tau2 = 0 and the variance ratio is 0.04
    adjusted, ad_hoc = (random_effects(close, se=SE, adjustment=a) for a in ("knapp-hartung", "knapp-hartung-ad-hoc"))
    assert adjusted.tau2.value == ad_hoc.tau2.value == 0
    exactly([adjusted.estimate.se, ad_hoc.estimate.se], [0.1 / math.sqrt(3), 0.5 / math.sqrt(3)])
    exactly(ad_hoc.estimate.high, 2 + T2 * 0.5 / math.sqrt(3))
    assert adjusted.estimate.note == "variance ratio 0.04 < 1"
    assert ad_hoc.estimate.note == ""
    assert ad_hoc.estimate.method == "REML, Knapp-Hartung t(2), variance ratio at least 1"
    exactly(random_effects(Y, se=SE, adjustment="knapp-hartung-ad-hoc").estimate.se, 1 / math.sqrt(3))


def test_unequal_weights_by_hand() -> None:
    """v = 1, 1/4 without heterogeneity: weights 1 and 4; fixed effect of 1 and 2 is 1.8, Q = 0.8."""
    r = random_effects([1.0, 2.0], se=[1.0, 0.5], method="fixed", adjustment="none")
    exactly([r.estimate.value, r.estimate.se, *r.weights], [1.8, math.sqrt(0.2), 0.2, 0.8])
    exactly([r.q.statistic, r.q.df], [0.8, 1])
    assert (r.tau2.value, r.tau.value, r.i2.value) == (0, 0, 0)
    exactly(r.h2.value, 0.8)
    assert (r.tau2.method, r.i2.method, r.h2.method) == ("fixed at 0", "from Q", "from Q")
    assert math.isnan(r.prediction.low)
    assert math.isnan(r.prediction_df)
    assert r.prediction.note == "no prediction: a fixed effect knows no differences between sites"
    assert r.estimate.method == "fixed effect, normal"
    three = random_effects(Y, se=SE, method="fixed")
    exactly([three.i2.value, three.h2.value, three.estimate.se], [0.75, 4, 1 / math.sqrt(3)])
    assert math.isnan(probability_new_site(three, 1.0))
    assert random_effects([2.0, 2.0], se=[1, 1], method="fixed", adjustment="none").i2.value == 0


def test_one_site() -> None:
    r = random_effects([0.8], se=[0.1], sites=["Leeds"])
    exactly(
        [r.estimate.value, r.estimate.low, r.estimate.high, r.estimate.se], [0.8, 0.8 - 0.1 * Z, 0.8 + 0.1 * Z, 0.1]
    )
    assert r.estimate.method == "one site, normal"
    assert r.estimate.note == "one site: its own normal interval, without the differences between sites"
    for part in (r.tau2, r.tau, r.i2, r.h2):
        assert math.isnan(part.value)
        assert part.note == "undefined: one site"
    assert (r.q.df, r.weights, r.sites) == (0, (1.0,), ("Leeds",))
    assert math.isnan(r.q.statistic)
    assert math.isnan(r.q.p_value)
    assert r.prediction.value == 0.8
    assert math.isnan(r.prediction.high)
    assert r.prediction.note == "no prediction: one site says nothing about the differences between sites"
    assert math.isnan(probability_new_site(r, 0.5))
    assert repr(r).startswith("1 site: 0.8 [0.604, 0.996]")


def test_two_sites() -> None:
    r = random_effects([1.0, 2.0], se=[0.1, 0.1])
    exactly(r.tau2.value, 0.49)
    exactly(r.estimate.high, 1.5 + math.tan(0.475 * math.pi) * 0.5)
    assert r.prediction_df == 1
    two = random_effects([1.0, 2.0], se=[0.1, 0.1], prediction_df="k-2")
    assert math.isnan(two.prediction.high)
    assert two.prediction.note == "no prediction: t(k - 2) needs at least three sites"
    assert two.prediction.method == "prediction, t(k - 2 = 0)"


def test_the_rule_of_the_prediction_is_named() -> None:
    spread = math.sqrt(1 / 3 + 0.75)
    for rule, df, quantile, named in (
        ("k-2", 1.0, math.tan(0.475 * math.pi), "prediction, t(k - 2 = 1)"),
        ("normal", math.inf, Z, "prediction, normal"),
        ("k-1", 2.0, T2, "prediction, t(k - 1 = 2)"),
    ):
        r = random_effects(Y, se=SE, prediction_df=rule)
        assert (r.prediction_df, r.prediction.method) == (df, named)
        exactly([r.prediction.low, r.prediction.high], [2 - quantile * spread, 2 + quantile * spread])


def test_identical_estimates() -> None:
    r = random_effects([0.7, 0.7, 0.7], se=[0.1, 0.2, 0.1])
    assert (r.tau2.value, r.estimate.value, r.estimate.se) == (0, 0.7, 0)
    assert math.isnan(r.estimate.low)
    assert r.estimate.note == IDENTICAL
    assert r.prediction.note == f"no prediction: {IDENTICAL}"
    assert r.prediction.value == r.estimate.value
    assert math.isnan(r.prediction.low)
    assert math.isnan(probability_new_site(r, 0.5))
    assert math.isnan(r.tau2.low)  # Q = 0 lies below every quantile: the profile is empty
    assert r.tau2.note.startswith("the sites differ less than chance")
    assert r.i2.note == r.tau2.note
    plain = random_effects([0.7, 0.7, 0.7], se=[0.1, 0.2, 0.1], adjustment="none")
    exactly([plain.estimate.se, plain.estimate.low], [1 / 15, 0.7 - Z / 15])
    ad_hoc = random_effects([0.7, 0.7, 0.7], se=[0.1, 0.2, 0.1], adjustment="knapp-hartung-ad-hoc")
    exactly(ad_hoc.estimate.se, 1 / 15)


def test_a_likelihood_is_maximised_where_it_is_highest() -> None:
    rng = np.random.default_rng(7)
    for _ in range(60):
        k = int(rng.integers(2, 8))
        y, v = rng.normal(size=k), rng.gamma(0.5, size=k) + 1e-3
        grid = np.r_[0.0, np.geomspace(1e-6, 50, 400)]
        for method, restricted in (("reml", True), ("ml", False)):
            ours = between_variance(y, v, method)

            def likelihood(t: float, y: Any = y, v: Any = v, restricted: bool = restricted) -> float:
                w = 1 / (v + t)
                mu = w @ y / w.sum()
                return float(np.log(w).sum() - w @ (y - mu) ** 2 - (np.log(w.sum()) if restricted else 0))

            assert likelihood(ours) >= max(map(likelihood, grid)) - 1e-9
        assert generalised_q(y, v, between_variance(y, v, "pm")) <= k - 1 + 1e-9


def test_q_profile_and_typical_variance() -> None:
    y, v = np.array([1.0, 2.0, 3.0]), np.full(3, 0.25)
    assert generalised_q(y, v, 0.0) == 8
    exactly(generalised_q(y, v, 0.75), 2)
    exactly(typical_variance(np.array([1.0, 0.5])), 1 / (3 - 5 / 3))
    assert math.isnan(typical_variance(np.array([1.0])))
    low, high, note = q_profile(y, np.full(3, 1.0), 0.95)  # Q = 2 lies between the quantiles: the interval starts at 0
    assert (low, note) == (0, "")
    exactly(high, 2 / CHI_LOW - 1, 1e-11)
    low, high, note = q_profile(y, np.full(3, 100.0), 0.95)
    assert math.isnan(low)
    assert math.isnan(high)
    assert "its interval is empty" in note
    assert between_variance(y, np.full(3, 100.0), "dl") == between_variance(y, np.full(3, 100.0), "pm") == 0
    exactly(between_variance(np.array([0.0, 1e6]), np.array([1.0, 1e-8]), "pm"), 0.5e12 - 0.5, 1e-9)


def test_probability_at_a_new_site() -> None:
    r = random_effects(Y, se=SE)
    assert probability_new_site(r, 2.0) == pytest.approx(0.5)
    t = 1 / math.sqrt(1 / 3 + 0.75)
    above = 0.5 + t / (2 * math.sqrt(2 + t * t))  # Student's distribution with 2 df
    exactly([probability_new_site(r, 1.0), probability_new_site(r, 1.0, direction="below")], [above, 1 - above])
    exactly(probability_new_site(r, r.prediction.low), 0.975)
    exactly(probability_new_site(r, r.prediction.high), 0.025)
    normal = random_effects(Y, se=SE, prediction_df="normal")
    exactly(probability_new_site(normal, 1.0), 0.5 * math.erfc(-t / math.sqrt(2)))
    with pytest.raises(InputError, match="`direction` must be one of 'above', 'below'"):
        probability_new_site(r, 1.0, direction="at least")
    with pytest.raises(InputError, match="`bound` must lie between -inf and inf for a measure pooled on the identity"):
        probability_new_site(r, math.nan)
    with pytest.raises(InputError, match="not '1'"):
        probability_new_site(r, "1")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("estimates", "se", "options", "message"),
    [
        ([1, math.nan], [1, 1], {}, r"the estimate of site 'site 1' is missing; leave the site out"),
        ([1, 2, 3], [1, math.nan, math.nan], {"sites": ["a", "b", "c"]}, r"sites 'b', 'c' has no standard error"),
        ([1, 2], [1, 0], {"sites": ["a", "b"]}, r"must be above 0 and finite; site 'b' \(0\)"),
        ([1, 2], [-1, 1], {}, r"must be above 0 and finite; site 'site 0' \(-1\)"),
        ([1, 2], [1, math.inf], {}, r"must be above 0 and finite; site 'site 1' \(inf\)"),
        ([math.inf, 2], [1, 1], {}, r"the estimate of site 'site 0' \(inf\) must be finite"),
        ([1, 2], [1], {}, "`se` has 1 entries for 2 sites"),
        ([1, 2], [1, 1], {"sites": ["a"]}, "`sites` has 1 names for 2 estimates"),
        ([1, 2], [1, 1], {"sites": ["a", "a"]}, "`sites` must be different names; 'a' occurs more than once"),
        ([1, 2], [1, 1], {"method": "he"}, "`method` must be one of 'reml', 'ml', 'dl', 'pm', 'fixed'"),
        ([1, 2], [1, 1], {"adjustment": "hk"}, "`adjustment` must be one of 'knapp-hartung'"),
        ([1, 2], [1, 1], {"prediction_df": "k"}, "`prediction_df` must be one of 'k-1', 'k-2', 'normal'"),
        ([1, 2], [1, 1], {"missing": "drop"}, "`missing` must be one of 'error', 'leave-out'"),
        ([1, 2], [1, 1], {"level": 95}, r"did you mean 0\.95"),
        ([math.nan], [1], {"missing": "leave-out"}, "none of the 1 sites has both"),
    ],
)
def test_bad_input_names_the_site(estimates: Any, se: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        random_effects(estimates, se=se, **options)


def test_sites_left_out_are_counted_and_named() -> None:
    y, se = [1.0, 5.0, 2.0, math.nan, 3.0], [0.5, math.nan, 0.5, 0.5, 0.5]
    r = random_effects(y, se=se, sites=list("abcde"), missing="leave-out")
    whole = random_effects(Y, se=SE)
    assert r.sites == ("a", "c", "e")
    assert r.n_missing == r.estimate.n_missing == 2
    assert r.note == "left out for want of an estimate or standard error: b, d"
    assert (r.estimate.value, r.estimate.low) == (whole.estimate.value, whole.estimate.low)
    assert "2 left out as incomplete" in repr(r)


def test_the_result_is_plain_json() -> None:
    d = random_effects(Y, se=SE, prediction_df="normal").to_dict()
    assert json.loads(json.dumps(d))["prediction_df"] == "inf"
    assert d["estimate"]["value"] == 2
    text = repr(random_effects(Y, se=SE))
    assert text == (
        "3 sites: 2 [-0.4841, 4.484] (95% REML, Knapp-Hartung t(2)); new site [-2.478, 6.478]; tau2 = 0.75, I2 = 0.75"
    )


SITES = st.integers(2, 8).flatmap(
    lambda k: st.tuples(
        st.lists(st.floats(-3, 3).map(lambda x: round(x, 3)), min_size=k, max_size=k, unique=True),
        st.lists(st.floats(0.05, 2).map(lambda x: round(x, 3)), min_size=k, max_size=k),
    )
)


@settings(max_examples=60, deadline=None)
@given(SITES, st.sampled_from(["reml", "ml", "dl", "pm"]))
def test_laws(sites: tuple[list[float], list[float]], method: str) -> None:
    y, se = map(np.array, sites)
    r = random_effects(y, se=se, method=method)
    order = np.argsort(-y)
    again = random_effects(y[order], se=se[order], method=method)
    exactly([again.estimate.value, again.estimate.low], [r.estimate.value, r.estimate.low], 1e-7)
    moved = random_effects(10 + 3 * y, se=3 * se, method=method)
    exactly([moved.estimate.value, moved.estimate.high], [10 + 3 * r.estimate.value, 10 + 3 * r.estimate.high], 1e-6)
    exactly(moved.i2.value, r.i2.value, 1e-5) if r.i2.value > 1e-6 else None
    assert y.min() <= r.estimate.value <= y.max()
    assert 0 <= r.i2.value < 1
    assert r.h2.value >= 1
    assert sum(r.weights) == pytest.approx(1)
    assert r.prediction.low <= r.estimate.low <= r.estimate.high <= r.prediction.high
    assert probability_new_site(r, 0.3) + probability_new_site(r, 0.3, direction="below") == pytest.approx(1)


def test_coverage_of_few_sites() -> None:
    """Five sites that differ as much as they err: Knapp-Hartung covers near 95%, the normal interval less."""
    rng = np.random.default_rng(20251201)
    se = np.array([0.15, 0.18, 0.2, 0.22, 0.25])
    covered = np.zeros(2)
    for _ in range(1500):
        y = rng.normal(0.0, np.sqrt(se**2 + 0.04))
        adjusted, plain = (
            random_effects(y, se=se, method="dl", adjustment=a).estimate for a in ("knapp-hartung", "none")
        )
        covered += [adjusted.low <= 0 <= adjusted.high, plain.low <= 0 <= plain.high]
    knapp_hartung, normal = covered / 1500
    assert 0.935 < knapp_hartung < 0.965
    assert normal < 0.92


def test_the_quantile_of_student_is_exact() -> None:
    exactly([t_of(0.95, 1), t_of(0.9, 1), t_of(0.95, 2)], [math.tan(0.475 * math.pi), math.tan(0.45 * math.pi), T2])
    exactly(t_of(0.95, math.inf), Z)
