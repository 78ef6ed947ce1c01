"""The likelihood's own corners: what cannot be fitted says so, and nothing loops for ever."""

from __future__ import annotations

import math

import numpy as np
import pytest

from validkit.stats import likelihood
from validkit.stats.likelihood import Maximum, find_separation, maximise, profile_bound

X = np.column_stack([np.ones(8), [-1.2, 0.3, 0.1, -0.7, 1.9, 0.4, -0.2, 0.9]])
Y = np.array([0.0, 0, 1, 0, 1, 0, 1, 1])


def test_a_held_fit_moves_nothing() -> None:
    start = np.array([0.2, -0.1])
    held = maximise(X, Y, start=start, free=np.array([False, False]))
    np.testing.assert_array_equal(held.beta, start)
    assert (held.converged, held.iterations) == (True, 0)
    eta = X @ start
    assert held.log_likelihood == pytest.approx(float((Y * eta - np.log1p(np.exp(eta))).sum()))


def test_dependent_columns_are_not_fitted() -> None:
    twice = np.column_stack([X, X[:, 1]])
    plain = maximise(twice, Y)
    assert not plain.converged
    penalised = maximise(twice, Y, firth=True)
    assert not penalised.converged
    assert math.isnan(penalised.log_likelihood)
    assert np.isnan(penalised.information).all()


def test_separated_patients_do_not_converge_at_a_finite_place() -> None:
    y = (X[:, 1] > 0.2).astype(float)
    top = maximise(X, y)
    assert not top.converged or np.abs(X @ top.beta).max() > 25
    assert find_separation(X, y, top).kind == "complete"
    assert find_separation(X, Y, maximise(X, Y)).kind == "none"
    assert find_separation(X, y).columns == (1,)


def test_a_bound_that_is_not_there_is_nan(monkeypatch: pytest.MonkeyPatch) -> None:
    top = maximise(X, Y)
    found = profile_bound(X, Y, top, 1, 1, 1.92, 1.0, firth=False)
    assert found > top.beta[1]
    assert profile_bound(X, Y, top, 1, 1, 1.92, math.nan, firth=False) == pytest.approx(found)
    lost = Maximum(top.beta, top.log_likelihood, top.information, False, 1)
    monkeypatch.setattr(likelihood, "maximise", lambda *a, **k: lost)
    assert math.isnan(profile_bound(X, Y, top, 1, 1, 1.92, 1.0, firth=False))
    level = Maximum(top.beta, top.log_likelihood, top.information, True, 1)
    monkeypatch.setattr(likelihood, "maximise", lambda *a, **k: level)  # a likelihood that never falls
    assert math.isnan(profile_bound(X, Y, top, 1, 1, 1.92, 1.0, firth=False))


def test_a_crossing_that_is_undefined_between_is_nan() -> None:
    assert math.isnan(likelihood._crossing(lambda v: v, {0.0: 1.0, 1.0: 2.0}))  # signs alike
    assert likelihood._crossing(lambda v: v - 0.25, {0.0: -0.25, 1.0: 0.75}) == pytest.approx(0.25)


def test_no_step_that_helps_ends_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likelihood, "_take", lambda *a: None)
    stuck = maximise(X, Y)
    assert not stuck.converged
    at_top = maximise(X, Y, start=np.array([0.0, 0.0]), free=np.array([False, True]))
    assert not at_top.converged
    monkeypatch.setattr(likelihood, "_direction", lambda *a: None)
    none = maximise(X, Y)
    assert (none.converged, none.iterations) == (False, 1)


def test_a_search_without_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likelihood, "MAX_ITERATIONS", 2)
    assert maximise(X, Y).iterations == 2
    assert not maximise(X, Y).converged
