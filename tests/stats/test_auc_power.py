"""Power and sample size for AUCs: worked numbers, edge cases, laws, and simulation."""

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
from validkit.stats.auc_power import (
    AucDesign,
    binormal_design,
    comparison_power,
    comparison_sample_size,
    pilot_design,
    single_auc_design,
)
from validkit.stats.discrimination import delong_covariance

PLAIN = AucDesign(0.1, 0.04, 0.05, 2.0, "made up", 0.8, 0.7)


def exactly(ours: Any, theirs: Any, tolerance: float = 1e-12) -> None:
    np.testing.assert_allclose(np.asarray(ours, float), np.asarray(theirs, float), rtol=tolerance, atol=1e-14)


def test_power_by_hand() -> None:
    r = comparison_power(PLAIN, n_events=25)
    exactly(r.power, special.ndtr((0.5 - 1.959963984540054 * 0.2) / math.sqrt(0.05)))
    assert (r.n_events, r.n_others, r.exact_events) == (25, 50, 25.0)
    assert (r.alpha, r.alternative, r.method, r.design, r.note) == (0.05, "two-sided", "made up", PLAIN, "")
    one = comparison_power(PLAIN, n_events=25, alpha=0.025, alternative="one-sided")
    exactly(one.power, r.power)
    assert repr(r) == "power 0.6855 with 25 events and 50 non-events (two-sided, alpha = 0.05; made up)"
    assert json.loads(json.dumps(r.to_dict()))["design"]["auc_b"] == 0.7


def test_size_by_hand() -> None:
    r = comparison_sample_size(PLAIN, power=0.9)
    exact = ((1.959963984540054 * 0.2 + 1.2815515655446004 * math.sqrt(0.05)) / 0.1) ** 2
    exactly(r.exact_events, exact)
    assert (r.n_events, r.n_others) == (math.ceil(exact), 2 * math.ceil(exact))
    assert r.power == comparison_power(PLAIN, n_events=r.n_events).power >= 0.9
    assert comparison_power(PLAIN, n_events=r.n_events - 1).power < 0.9
    assert comparison_sample_size(PLAIN).exact_events < exact  # 80% is the default
    exactly(comparison_power(PLAIN, n_events=1).power, special.ndtr((0.1 - 1.959963984540054 * 0.2) / math.sqrt(0.05)))
    small = comparison_sample_size(PLAIN, power=0.9, alpha=0.1, alternative="one-sided")
    exactly(small.exact_events, (1.2815515655446004 * (0.2 + math.sqrt(0.05)) / 0.1) ** 2)
    assert (small.alpha, small.alternative) == (0.1, "one-sided")


def test_non_events_follow_the_ratio() -> None:
    for ratio, events, others in ((72 / 41, 41, 72), (0.5, 5, 3), (1.0, 7, 7), (1.1, 10, 11)):
        design = single_auc_design(0.7, ratio=ratio)
        assert comparison_power(design, n_events=events).n_others == others


def test_one_auc() -> None:
    d = single_auc_design(0.75, ratio=2.0)
    a2 = (1.414 * special.ndtri(0.75)) ** 2
    exactly(
        [d.delta, d.null_variance, d.variance, d.ratio, d.auc],
        [0.25, 0.0792 * 1.5, 0.0099 * math.exp(-a2 / 2) * (5 * a2 + 8 + (a2 + 8) / 2), 2, 0.75],
    )
    assert (d.auc_b, d.method) == (None, "Obuchowski, one AUC")
    low = single_auc_design(0.25, ratio=2.0)
    assert low.delta == -0.25
    exactly(comparison_power(low, n_events=30).power, comparison_power(d, n_events=30).power)


def test_two_binormal_aucs() -> None:
    """AUC 1/2 both with B = 1 would give f = 1/sqrt(4 pi), g = 0: V = f^2 (1 + 1/kappa) for the first model."""
    d = binormal_design(0.5, 0.6, correlation_events=0.4, correlation_others=0.2, ratio=2.0)
    a = math.sqrt(2) * special.ndtri(0.6)
    f = math.exp(-a * a / 4) / math.sqrt(4 * math.pi)
    g = -f * a / 2
    first = 1.5 / (4 * math.pi)
    second = f * f * (1.5 + a * a / 2) + g * g * 0.75 + f * g * a
    covariance = f / math.sqrt(4 * math.pi) * (0.4 + 0.1)
    # A1 = 0 and g1 = 0 take the other terms of the covariance away
    exactly([d.delta, d.null_variance, d.variance], [-0.1, 2 * first - 2 * covariance, first + second - 2 * covariance])
    proc = binormal_design(0.5, 0.6, correlation_events=0.4, correlation_others=0.2, ratio=2.0, variance="proc")
    exactly(proc.variance, d.variance - f * g * a)
    assert (d.auc, d.auc_b, d.ratio, d.method) == (0.5, 0.6, 2.0, "Obuchowski and McClish, binormal")
    both = binormal_design(0.5, 0.6, correlation_events=0.4, correlation_others=0.2, ratio=2.0, null="both")
    assert both.null_variance == both.variance == d.variance


def test_a_pilot() -> None:
    y = [0, 0, 0, 0, 1, 1, 1]
    a, b = [1, 2, 3, 6, 4, 5, 7], [3, 1, 4, 2, 3, 6, 2.5]
    areas, cov = delong_covariance(y, [a, b])
    for null, variance in (
        ("first", 3 * (2 * cov[0, 0] - 2 * cov[0, 1])),
        ("both", 3 * (cov[0, 0] + cov[1, 1] - 2 * cov[0, 1])),
    ):
        d = pilot_design(y, a, b, null=null)
        exactly([d.delta, d.null_variance], [areas[0] - areas[1], variance])
        exactly(d.variance, 3 * (cov[0, 0] + cov[1, 1] - 2 * cov[0, 1]))
        exactly([d.ratio, d.auc, d.auc_b], [4 / 3, *areas])
        assert d.method == "DeLong, pilot data"
    assert comparison_power(d, n_events=6).n_others == 8


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: single_auc_design(0.5), "there is no difference to detect: AUC 0.5"),
        (lambda: single_auc_design(1.0), "`auc` must lie strictly between 0 and 1"),
        (lambda: single_auc_design(0.7, ratio=0), "`ratio` must be above 0"),
        (lambda: pair(0.8, 0.8), "there is no difference to detect: both AUCs are 0.8"),
        (lambda: pair(0.8, 1.0), "`auc_b` must lie strictly between 0 and 1"),
        (lambda: pair(1.0, 0.8), "`auc` must lie strictly between 0 and 1"),
        (lambda: pair(0.8, 0.7, correlation_events=1.1), r"`correlation_events` must lie in \[-1, 1\], not 1\.1"),
        (lambda: pair(0.8, 0.7, correlation_others=-1.1), r"`correlation_others` must lie in \[-1, 1\], not -1\.1"),
        (lambda: pair(0.8, 0.7, spread=0), "`spread` must be above 0"),
        (lambda: pair(0.8, 0.7, spread_b=0), "`spread_b` must be above 0"),
        (lambda: pair(0.8, 0.7, ratio=0), "`ratio` must be above 0"),
        (lambda: pair(0.8, 0.7, variance="all"), "`variance` must be one of 'complete', 'proc'"),
        (lambda: pair(0.8, 0.7, null="second"), "`null` must be one of 'first', 'both'"),
        (
            lambda: pair(0.95, 0.6, correlation_events=1, correlation_others=1),
            r"the variance of the difference must be above 0; it is -.* under the null .* null='both' may help",
        ),
        (
            lambda: pilot_design([0, 0, 1], [1, 2, 3], [1, 3, 2]),
            "two events and two non-events at least; `y_true` has 1 and 2",
        ),
        (lambda: pilot_design([0, 1, 1], [1, 2, 3], [1, 3, 2]), "`y_true` has 2 and 1"),
        (lambda: pilot_design([0, 0, 1, 1], [1, 2, 3], [1, 3, 2, 4]), "`y_true` has 4 patients and `prob_a` has 3"),
        (lambda: pilot_design([0, 0, 1, 1], [1, 2, 3, 4], [1, 3]), "`y_true` has 4 patients and `prob_b` has 2"),
        (lambda: pilot_design([0, 0, 1, 1], [1, 2, 3, 4], [1, 2, 3, 4]), "no difference to detect: both AUCs are 1"),
        (lambda: comparison_power(PLAIN, n_events=0), "`n_events` must be a whole number of at least 1"),
        (lambda: comparison_power(PLAIN, n_events=9, alpha=0), "`alpha` must lie strictly between 0 and 1"),
        (lambda: comparison_power(PLAIN, n_events=9, alternative="less"), "`alternative` must be one of 'two-sided'"),
        (lambda: comparison_sample_size(PLAIN, power=1.0), "`power` must lie strictly between 0 and 1"),
        (lambda: comparison_sample_size(PLAIN, power=0.01), r"a `power` of 0\.01 is had without any patient at alpha"),
    ],
)
def test_bad_input(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


def pair(auc: float, auc_b: float, **more: Any) -> AucDesign:
    return binormal_design(auc, auc_b, **{"correlation_events": 0.5, "correlation_others": 0.5, **more})


def test_the_variance_is_that_of_simulated_scores() -> None:
    """DeLong's covariance of many binormal scores, with unlike spreads, against Obuchowski and McClish's."""
    rng = np.random.default_rng(8)
    m, others, spreads = 40_000, 80_000, np.array([1.2, 0.7])
    y = np.r_[np.ones(m, int), np.zeros(others, int)]
    shift = np.sqrt(1 + spreads**2) * special.ndtri([0.82, 0.7])
    events = np.linalg.cholesky([[1, 0.5], [0.5, 1]]) @ rng.normal(size=(2, m)) + shift[:, None]
    rest = spreads[:, None] * (np.linalg.cholesky([[1, 0.3], [0.3, 1]]) @ rng.normal(size=(2, others)))
    _, cov = delong_covariance(y, np.hstack([events, rest]))
    d = binormal_design(0.82, 0.7, correlation_events=0.5, correlation_others=0.3, ratio=2.0, spread=1.2, spread_b=0.7)
    exactly(m * (cov[0, 0] + cov[1, 1] - 2 * cov[0, 1]), d.variance, 0.1)
    exactly(m * (2 * cov[0, 0] - 2 * cov[0, 1]), d.null_variance, 0.1)
    proc = binormal_design(
        0.82,
        0.7,
        correlation_events=0.5,
        correlation_others=0.3,
        ratio=2.0,
        spread=1.2,
        spread_b=0.7,
        variance="proc",
    )
    assert proc.variance > 1.3 * m * (cov[0, 0] + cov[1, 1] - 2 * cov[0, 1])
    same = binormal_design(0.8, 0.8 - 1e-9, correlation_events=0.99, correlation_others=0.99, null="both")
    assert same.variance < 0.01


def test_the_boundary_correlations_are_allowed() -> None:
    assert pair(0.8, 0.7, correlation_events=1, correlation_others=-1).variance > 0
    assert pair(0.8, 0.7, correlation_events=-1, correlation_others=-1).variance > 0


@settings(max_examples=50, deadline=None)
@given(
    st.floats(0.55, 0.9),
    st.floats(0.02, 0.09),
    st.floats(0, 0.7),
    st.floats(0, 0.7),
    st.floats(0.3, 5),
    st.integers(5, 500),
)
def test_laws(auc: float, gain: float, ra: float, rn: float, ratio: float, m: int) -> None:
    options = {"correlation_events": ra, "correlation_others": rn, "ratio": ratio, "null": "both"}
    ab, ba = binormal_design(auc + gain, auc, **options), binormal_design(auc, auc + gain, **options)
    exactly([ab.variance, ab.delta], [ba.variance, -ba.delta], 1e-9)
    power = comparison_power(ab, n_events=m).power
    exactly(power, comparison_power(ba, n_events=m).power, 1e-9)
    assert comparison_power(ab, n_events=m + 1).power >= power
    assert comparison_power(ab, n_events=m, alternative="one-sided").power >= power
    assert comparison_power(ab, n_events=m, alpha=0.01).power <= power


def test_power_is_reached_in_simulation() -> None:
    """Binormal scores of the planned size: the share of significant DeLong tests is near the power."""
    design = pair(0.82, 0.72, correlation_events=0.4, correlation_others=0.4, ratio=2.0, null="both")
    planned = comparison_sample_size(design, power=0.8)
    rng = np.random.default_rng(20251130)
    m, others = planned.n_events, planned.n_others
    y = np.r_[np.ones(m, int), np.zeros(others, int)]
    shift = math.sqrt(2) * special.ndtri([0.82, 0.72])
    factor = np.linalg.cholesky([[1, 0.4], [0.4, 1]])
    found = 0
    for _ in range(500):
        scores = factor @ rng.normal(size=(2, m + others)) + np.outer(shift, y)
        areas, cov = delong_covariance(y, scores)
        found += (areas[0] - areas[1]) / math.sqrt(cov[0, 0] + cov[1, 1] - 2 * cov[0, 1]) > 1.96
    assert found / 500 == pytest.approx(planned.power, abs=0.05)
