"""Meta-regression by laws and by simulation; against R in test_pooling_r.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validkit.errors import InputError
from validkit.stats.meta_regression import meta_regression


def draw(rng: np.random.Generator, k: int, slope: float, tau: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x, se = rng.normal(size=k), rng.uniform(0.1, 0.4, k)
    return 1.0 + slope * x + rng.normal(0, tau, k) + rng.normal(size=k) * se, se, x[:, None]


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), unit=st.floats(0.01, 100), origin=st.floats(-10, 10))
def test_units_of_a_covariate_do_not_matter(seed: int, unit: float, origin: float) -> None:
    y, se, x = draw(np.random.default_rng(seed), 12, 0.5, 0.3)
    one, other = (meta_regression(y, se=se, covariates=table) for table in (x, origin + unit * x))
    assert other.coefficients[1].value * unit == pytest.approx(one.coefficients[1].value, rel=1e-6, abs=1e-8)
    assert other.tests[1].p_value == pytest.approx(one.tests[1].p_value, rel=1e-5, abs=1e-9)
    assert other.tau2 == pytest.approx(one.tau2, rel=1e-5, abs=1e-9)
    assert one.test.statistic == pytest.approx(one.tests[1].statistic ** 2, rel=1e-9)


def test_the_type_one_error_and_the_coverage_are_as_stated() -> None:
    rng, false, covered, runs = np.random.default_rng(1), 0, 0, 300
    for _ in range(runs):
        y, se, x = draw(rng, 12, 0.0, 0.3)
        false += meta_regression(y, se=se, covariates=x).tests[1].p_value < 0.05
        y, se, x = draw(rng, 12, 0.6, 0.3)
        found = meta_regression(y, se=se, covariates=x).coefficients[1]
        covered += found.low <= 0.6 <= found.high
    error = 3 * np.sqrt(0.05 * 0.95 / runs)
    assert abs(false / runs - 0.05) < error
    assert abs(covered / runs - 0.95) < error


def test_sites_without_an_estimate_are_left_out_where_that_is_asked_for() -> None:
    y, se, x = draw(np.random.default_rng(2), 12, 0.5, 0.3)
    whole = meta_regression(y[1:], se=se[1:], covariates=x[1:])
    y[0] = np.nan
    found = meta_regression(y, se=se, covariates=x, missing="leave-out")
    assert found.coefficients == whole.coefficients
    assert found.n_missing == 1
    with pytest.raises(InputError, match="site 0"):
        meta_regression(y, se=se, covariates=x)


def test_sites_on_a_line_have_no_error() -> None:
    x = np.arange(6.0)
    found = meta_regression(1 + 2 * x, se=np.full(6, 0.1), covariates=x[:, None])
    assert found.coefficients[1].value == pytest.approx(2.0)
    assert found.tau2 == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"covariates": np.ones((6, 1))}, "covariate 'x1' is the same at every site"),
        ({"covariates": np.c_[np.arange(6.0), 2 * np.arange(6.0)]}, "covariate 'x2' is the same at every site, or"),
        ({"covariates": np.full((6, 1), np.nan)}, "gaps for 'site 0'"),
        ({"covariates": np.ones((5, 1))}, "must have 6 rows"),
        ({"covariates": np.random.default_rng(3).normal(size=(6, 5))}, "5 covariates need at least 7 sites"),
        ({"names": ["a", "b"]}, "with 2 names"),
        ({"se": np.zeros(6)}, "site"),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_refused(change: dict[str, Any], words: str) -> None:
    good: dict[str, Any] = {"se": np.full(6, 0.2), "covariates": np.arange(6.0)[:, None]}
    with pytest.raises(InputError, match=words):
        meta_regression(np.array([0.1, 0.5, 0.2, 0.4, 0.3, 0.9]), **{**good, **change})
