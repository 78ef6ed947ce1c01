"""Pooling on each measure's scale, and standard errors restored from what papers report."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validkit.errors import InputError
from validkit.stats.calibration import observed_expected
from validkit.stats.pooling import probability_new_site, random_effects
from validkit.stats.pooling_scales import (
    auc_standard_error,
    pool_auc,
    pool_net_benefit,
    pool_observed_expected,
    pool_slope,
)

NAN = math.nan
Z90 = 1.6448536269514722


def exactly(ours: Any, theirs: Any, tolerance: float = 1e-12) -> None:
    np.testing.assert_allclose(np.asarray(ours, float), np.asarray(theirs, float), rtol=tolerance, atol=1e-14)


def logit(p: float) -> float:
    return math.log(p / (1 - p))


def expit(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_auc_on_the_logit_scale() -> None:
    auc, se = np.array([0.7, 0.8, 0.9]), np.array([0.02, 0.03, 0.025])
    r = pool_auc(auc, se=se, sites=["a", "b", "c"])
    inside = random_effects([logit(a) for a in auc], se=se / (auc * (1 - auc)))
    assert r.pooled == inside.estimate
    assert r.tau2 == inside.tau2
    assert (r.scale, r.sites) == ("logit", ("a", "b", "c"))
    e = r.estimate
    exactly([e.value, e.low, e.high], [expit(x) for x in (r.pooled.value, r.pooled.low, r.pooled.high)])
    exactly(e.se, r.pooled.se * e.value * (1 - e.value))
    assert e.method == "REML, Knapp-Hartung t(2), on the logit scale"
    exactly(
        [r.prediction.value, r.prediction.low, r.prediction.high],
        [expit(x) for x in (inside.prediction.value, inside.prediction.low, inside.prediction.high)],
    )
    assert r.prediction.se == inside.prediction.se  # on the pooling scale, as the probability needs it
    exactly(probability_new_site(r, 0.75), probability_new_site(inside, logit(0.75)))
    exactly(probability_new_site(r, r.prediction.low), 0.975)
    for bound in (0.0, 1.0):
        with pytest.raises(InputError, match="must lie between 0 and 1 for a measure pooled on the logit scale"):
            probability_new_site(r, bound)


def test_an_auc_is_restored_in_order() -> None:
    """Site a has all three, b an interval, c counts: each uses the first it has."""
    auc = [0.7, 0.8, 0.75]
    low, high = [0.1, logit_minus(0.8, 0.3), NAN], [0.99, logit_minus(0.8, -0.3), NAN]
    r = pool_auc(
        auc,
        se=[0.02, NAN, NAN],
        low=low,
        high=high,
        n=[100, 100, 500],
        n_events=[50, 50, 250],
        site_level=0.9,
        method="fixed",
        adjustment="none",
    )
    assert r.se_source == ("standard error", "confidence interval", "Newcombe, method 4")
    newcombe = 0.0217380509048732 / (0.75 * 0.25)
    want = np.array([0.02 / 0.21, 0.3 / Z90, newcombe]) ** -2
    exactly(r.weights, want / want.sum())


def logit_minus(p: float, shift: float) -> float:
    return expit(logit(p) - shift)


def test_newcombe_by_hand() -> None:
    """C = 0.5, n = 4, two events: V = 0.25 (1 + 1/3 + 1/3)/4."""
    exactly(auc_standard_error([0.5, 1.0], n=4, n_events=2), [math.sqrt(0.25 * (5 / 3) / 4), 0])
    exactly(auc_standard_error(0.8, n=6, n_events=1), math.sqrt(0.16 * (1 + 2 * 0.2 / 1.2 + 2 * 0.8 / 1.8) / 5))
    assert np.isnan(auc_standard_error([0.7], n=[NAN], n_events=[3])).all()
    with pytest.raises(InputError, match=r"`auc` must lie in \[0, 1\]; it is 1\.2"):
        auc_standard_error([0.5, 1.2], n=10, n_events=5)
    with pytest.raises(InputError, match=r"`n_events` must lie strictly between 0 and `n`; 10 of 10 does not"):
        auc_standard_error([0.5], n=10, n_events=10)
    with pytest.raises(InputError, match="0 of 10 does not"):
        auc_standard_error([0.5], n=10, n_events=0)


def test_observed_expected_on_the_log_scale() -> None:
    o, e, n = np.array([30, 45, 12]), np.array([28.0, 60.0, 10.5]), np.array([200, 310, 90])
    r = pool_observed_expected(observed=o, expected=e, n=n)
    inside = random_effects(np.log(o / e), se=np.sqrt(1 / o - 1 / n))
    assert r.pooled == inside.estimate
    assert r.se_source == ("O and n",) * 3
    exactly([r.estimate.value, r.estimate.low], [math.exp(inside.estimate.value), math.exp(inside.estimate.low)])
    exactly(r.estimate.se, inside.estimate.se * r.estimate.value)
    assert r.estimate.method == "REML, Knapp-Hartung t(2), on the log scale"
    exactly(probability_new_site(r, 1.1), probability_new_site(inside, math.log(1.1)))
    with pytest.raises(InputError, match="must lie between 0 and inf for a measure pooled on the log scale"):
        probability_new_site(r, 0.0)
    by_ratio = pool_observed_expected(o / e, expected=e, n=n)  # O = ratio x E
    exactly(by_ratio.pooled.value, r.pooled.value)


def test_an_observed_expected_is_restored_in_order() -> None:
    ratio = [1.1, 0.9, 1.2, 1.0, 0.8]
    r = pool_observed_expected(
        ratio,
        se_log=[0.1, NAN, NAN, NAN, NAN],
        se_ratio=[0.5, 0.18, NAN, NAN, NAN],
        low=[0.1, 0.1, 1.2 / math.exp(0.2), NAN, NAN],
        high=[9, 9, 1.2 * math.exp(0.2), NAN, NAN],
        observed=[5, 5, 5, 20, 25],
        n=[50, 50, 50, 100, NAN],
        site_level=0.9,
        method="fixed",
        adjustment="none",
    )
    assert r.se_source == (
        "standard error of the log",
        "standard error",
        "confidence interval",
        "O and n",
        "O alone, Poisson",
    )
    want = np.array([0.1, 0.2, 0.2 / Z90, math.sqrt(1 / 20 - 1 / 100), 0.2]) ** -2
    exactly(r.weights, want / want.sum())
    exactly(r.estimate.value, math.exp(float(want @ np.log(ratio) / want.sum())))


def test_the_standard_error_of_observed_expected_fits() -> None:
    """`observed_expected` reports the standard error of the log: `se_log` takes it as it is."""
    rng = np.random.default_rng(4)
    parts = []
    for n in (120, 300, 200):
        p = rng.uniform(0.05, 0.6, n)
        parts.append((observed_expected((rng.random(n) < p).astype(int), p), p.sum(), n))
    by_se = pool_observed_expected([e.value for e, _, _ in parts], se_log=[e.se for e, _, _ in parts])
    by_counts = pool_observed_expected(
        observed=[e.n_events for e, _, _ in parts], expected=[s for _, s, _ in parts], n=[n for _, _, n in parts]
    )
    exactly(by_se.pooled.value, by_counts.pooled.value)
    exactly(by_se.estimate.high, by_counts.estimate.high, 1e-9)


@pytest.mark.parametrize("function", [pool_slope, pool_net_benefit])
def test_measures_pooled_as_they_are(function: Callable[..., Any]) -> None:
    y, se = [0.9, 1.1, 0.7], np.array([0.1, 0.12, 0.15])
    want = random_effects(y, se=se, method="pm", adjustment="none", level=0.8, prediction_df="k-2")
    options = {"method": "pm", "adjustment": "none", "level": 0.8, "prediction_df": "k-2"}
    ours = function(y, se=se, **options)
    assert ours == want
    by_interval = function(y, low=y - Z90 * se, high=y + Z90 * se, site_level=0.9, **options)
    exactly([by_interval.estimate.low, by_interval.estimate.se], [want.estimate.low, want.estimate.se], 1e-9)
    assert by_interval.se_source == ("confidence interval",) * 3


def test_intervals_are_of_95_percent_unless_said() -> None:
    z = 1.959963984540054
    for ours, se in (
        (pool_auc([0.8], low=[logit_minus(0.8, 0.3)], high=[logit_minus(0.8, -0.3)]), 0.3 / z),
        (pool_observed_expected([2.0], low=[2 / math.exp(0.3)], high=[2 * math.exp(0.3)]), 0.3 / z),
        (pool_slope([1.0], low=[0.7], high=[1.3]), 0.3 / z),
        (pool_net_benefit([0.1], low=[-0.2], high=[0.4]), 0.3 / z),
        (pool_slope([1.0], low=[1.0], high=[1.3]), 0.15 / z),  # an estimate at the end of its interval is taken
        (pool_slope([1.3], low=[1.0], high=[1.3]), 0.15 / z),
    ):
        exactly(ours.pooled.se, se, 1e-9)
        assert ours.estimate.level == 0.95
        assert ours.se_source == ("confidence interval",)
    assert pool_auc([0.8, 0.7], se=[0.1, 0.1]).estimate.method.startswith("REML, Knapp-Hartung")


@pytest.mark.parametrize(("function", "name"), [(pool_slope, "slope"), (pool_net_benefit, "net_benefit")])
def test_what_counts_cannot_restore(function: Callable[..., Any], name: str) -> None:
    message = f"the standard error of `{name}` cannot be restored from counts: site 'b' must bring `se`, or `low` and"
    with pytest.raises(InputError, match=message):
        function([0.9, 1.1, 1.0], se=[0.1, NAN, 0.1], sites=["a", "b", "c"])
    left = function([0.9, 1.1, 1.0], se=[0.1, NAN, 0.1], sites=["a", "b", "c"], missing="leave-out")
    assert left.sites == ("a", "c")
    assert left.note.endswith(": b")
    assert left.se_source == ("standard error",) * 2
    with pytest.raises(InputError, match="the estimate of site 'b' is missing"):
        function([0.9, NAN], se=[0.1, NAN], sites=["a", "b"])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: pool_auc([1.0, 0.8], se=[0.1, 0.1], sites=["a", "b"]),
            r"an AUC must lie strictly between 0 and 1; site 'a' \(1\): it has no logit, so it cannot be pooled",
        ),
        (lambda: pool_auc([0.0], se=[0.1]), r"site 'site 0' \(0\): it has no logit"),
        (lambda: pool_auc([0.7, 0.8], se=[0.1, NAN], sites=["a", "b"]), "site 'b' has no standard error; give it, its"),
        (lambda: pool_auc([0.7], low=[0.6]), "`low` and `high` belong together"),
        (lambda: pool_auc([0.7], high=[0.8]), "`low` and `high` belong together"),
        (lambda: pool_auc([0.7], low=[0.75], high=[0.8]), "with the estimate between them; in site 'site 0' it does"),
        (lambda: pool_auc([0.7], low=[0.6], high=[0.65]), "with the estimate between them"),
        (lambda: pool_auc([0.7], low=[0.7], high=[0.7]), "`low` must lie below `high`"),
        (lambda: pool_auc([0.7], low=[0.5], high=[1.0]), "an interval's end has no logit; in site 'site 0' give the"),
        (lambda: pool_auc([0.7], low=[0.0], high=[0.9]), "an interval's end has no logit"),
        (lambda: pool_auc([0.7], low=[0.5], high=[1.1]), "an interval's end has no logit"),
        (lambda: pool_auc([0.7], low=[0.6], high=[0.8], site_level=1.0), "`level` must lie strictly between 0 and 1"),
        (lambda: pool_auc([0.7], n=[10], n_events=[10]), "`n_events` must lie strictly between 0 and `n`; in site"),
        (lambda: pool_auc([0.7], n=[10], n_events=[0]), "strictly between 0 and `n`; in site 'site 0' it does not"),
        (lambda: pool_auc([0.7, 0.8], n=[10], n_events=[5, 5]), "`n` has 1 entries for 2 sites"),
        (lambda: pool_observed_expected(), "give the sites' `ratio`, or their `observed` and `expected` events"),
        (
            lambda: pool_observed_expected(observed=[0, 5], expected=[2, 4], n=[50, 60]),
            r"an O:E ratio must lie strictly between 0 and inf; site 'site 0' \(0\): it has no log",
        ),
        (lambda: pool_observed_expected(observed=[5], expected=[0], n=[50]), r"`expected` must be above 0; site"),
        (lambda: pool_observed_expected(observed=[-1], expected=[1], n=[50]), r"`observed` must be 0 or more; site"),
        (lambda: pool_observed_expected(observed=[5], expected=[4], n=[5]), "`observed` must be below `n`; in site"),
        (
            lambda: pool_slope([math.inf, 1], se=[1, 1]),
            r"`slope` must lie strictly between -inf and inf; site 'site 0'",
        ),
    ],
)
def test_bad_input_names_the_site(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(55, 95), min_size=2, max_size=6, unique=True), st.integers(80, 2000))
def test_a_reversed_marker_mirrors_the_auc(percent: list[int], n: int) -> None:
    auc = np.array(percent) / 100
    options = {"n": [n] * auc.size, "n_events": [n // 4] * auc.size, "method": "dl"}
    a, b = pool_auc(auc, **options), pool_auc(1 - auc, **options)
    exactly([a.estimate.value, a.estimate.low], [1 - b.estimate.value, 1 - b.estimate.high], 1e-9)
    assert 0 < a.prediction.low <= a.estimate.low <= a.estimate.value <= a.estimate.high <= a.prediction.high < 1


def test_a_reversed_ratio_inverts() -> None:
    ratio, se = np.array([0.8, 1.3, 1.05]), [0.1, 0.12, 0.2]
    a, b = pool_observed_expected(ratio, se_log=se), pool_observed_expected(1 / ratio, se_log=se)
    exactly([a.estimate.value, a.prediction.low], [1 / b.estimate.value, 1 / b.prediction.high], 1e-9)
