from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from validkit.errors import InputError
from validkit.stats.beta_calibration import recalibrate_beta
from validkit.stats.calibration import calibration_line
from validkit.stats.closed_testing import closed_test
from validkit.stats.updating import (
    recalibrate_in_the_large,
    recalibrate_isotonic,
    recalibrate_logistic,
    recalibrate_platt,
)

quick = settings(deadline=None, max_examples=20)
ALL = [recalibrate_in_the_large, recalibrate_logistic, recalibrate_platt, recalibrate_isotonic, recalibrate_beta]
SMOOTH = [f for f in ALL if f is not recalibrate_isotonic]


def patients(seed: int, n: int = 200, intercept: float = 0.5, slope: float = 0.7) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    eta = rng.normal(-0.5, 1.3, n)
    return (rng.random(n) < special.expit(intercept + slope * eta)).astype(int), special.expit(eta)


def log_loss(y: np.ndarray, p: np.ndarray) -> float:
    return float(-np.mean(np.where(y == 1, np.log(p), np.log1p(-p))))


@pytest.mark.parametrize("learn", ALL)
def test_what_every_update_does(learn: Callable[..., Any]) -> None:
    y, p = patients(1)
    update = learn(y, p)
    new = update.apply(p)
    assert new.shape == p.shape
    assert ((new >= 0) & (new <= 1)).all()
    assert (update.n, update.n_events, update.n_missing) == (200, int(y.sum()), 0)
    assert ((new - y) ** 2).mean() < ((p - y) ** 2).mean()
    order = np.argsort(p)
    assert (np.diff(new[order]) >= -1e-12).all()
    if learn is not recalibrate_platt:
        assert new.sum() == pytest.approx(y.sum(), rel=1e-8)  # observed events are expected
    if learn not in (recalibrate_platt, recalibrate_isotonic):
        assert log_loss(y, new) < log_loss(y, p)
    with pytest.raises(InputError, match=r"`y_prob` must lie in \[0, 1\]"):
        update.apply([0.2, 1.2])
    assert update.to_dict()["n"] == 200
    assert "200" in repr(update)
    assert f"{y.sum()} events" in repr(update)


@pytest.mark.parametrize("learn", ALL)
@quick
@given(seed=st.integers(0, 10**6))
def test_laws(learn: Callable[..., Any], seed: int) -> None:
    y, p = patients(seed, 150)
    rng = np.random.default_rng(seed)
    order, times = rng.permutation(150), rng.integers(0, 3, 150)
    at = np.linspace(0.01, 0.99, 9)
    ours = learn(y, p).apply(at)
    np.testing.assert_allclose(learn(y[order], p[order]).apply(at), ours, rtol=1e-6)
    weighted, repeated = learn(y, p, weights=times), learn(np.repeat(y, times), np.repeat(p, times))
    np.testing.assert_array_equal(weighted.apply(at), repeated.apply(at))
    assert weighted.n == times.sum()
    if learn is not recalibrate_isotonic and learn is not recalibrate_beta:
        turned = learn(1 - y, 1 - p).apply(1 - at)  # the other outcome is the event
        np.testing.assert_allclose(turned, 1 - ours, rtol=1e-6)


@pytest.mark.parametrize("learn", ALL)
def test_incomplete_patients(learn: Callable[..., Any]) -> None:
    y, p = patients(2)
    q = p.copy()
    q[[3, 8]] = math.nan
    with pytest.raises(InputError, match="missing"):
        learn(y, q)
    update = learn(y, q, missing="complete-case")
    assert (update.n, update.n_missing) == (198, 2)
    assert "2 of 200 patients left out as incomplete (complete case)" in update.note
    keep = np.delete(np.arange(200), [3, 8])
    np.testing.assert_array_equal(update.apply(p), learn(y[keep], p[keep]).apply(p))


@pytest.mark.parametrize("learn", ALL)
@pytest.mark.parametrize(("outcome", "what"), [(0, "no event"), (1, "no non-event")])
def test_one_outcome_teaches_nothing(learn: Callable[..., Any], outcome: int, what: str) -> None:
    update = learn([outcome] * 4, [0.1, 0.3, 0.5, 0.7])
    assert update.note == f"undefined: {what}"
    assert (update.n, update.n_events) == (4, 4 * outcome)
    with pytest.raises(InputError, match=rf"could not be learned \(undefined: {what}\); there is nothing to apply"):
        update.apply([0.5])


def test_logistic_updates_by_their_coefficients() -> None:
    y, p = patients(3)
    large, line = recalibrate_in_the_large(y, p, level=0.9), recalibrate_logistic(y, p, level=0.9)
    assert (large.slope.value, large.slope.method, large.method) == (1.0, "fixed", "in the large")
    assert math.isnan(large.slope.se)
    assert (large.slope.n, large.slope.n_events, large.slope.level) == (200, int(y.sum()), 0.9)
    at = np.array([0.1, 0.6])
    np.testing.assert_allclose(large.apply(at), special.expit(large.intercept.value + special.logit(at)))
    assert (line.intercept, line.slope) == calibration_line(y, p, level=0.9)
    np.testing.assert_allclose(
        line.apply(at), special.expit(line.intercept.value + line.slope.value * special.logit(at))
    )
    after = recalibrate_logistic(y, line.apply(p))
    assert (after.intercept.value, after.slope.value) == pytest.approx((0, 1), abs=1e-8)
    assert line.method == "logistic recalibration"
    assert line.note == ""
    assert repr(large) == (f"in the large: intercept {large.intercept.value:.4g}, slope 1 (n = 200, {y.sum()} events)")


def test_platt() -> None:
    y, p = [0, 0, 1, 1], [0.1, 0.2, 0.6, 0.7]  # separated: the logistic recalibration has no finite fit
    line = recalibrate_logistic(y, p)
    assert line.note == "the predictions separate the outcomes: no finite slope exists"
    assert repr(line).startswith("logistic recalibration: intercept nan, slope nan (n = 4, 2 events; the predictions")
    with pytest.raises(InputError, match="this logistic recalibration could not be learned"):
        line.apply([0.5])
    update = recalibrate_platt(y, p, level=0.9)
    new = update.apply(p)
    targets = np.array([1 / 4, 1 / 4, 3 / 4, 3 / 4])
    eta = special.logit(p)
    assert (new - targets).sum() == pytest.approx(0, abs=1e-10)  # the score equations at his targets
    assert ((new - targets) * eta).sum() == pytest.approx(0, abs=1e-10)
    w = new * (1 - new)
    design = np.column_stack([np.ones(4), eta])
    se = np.sqrt(np.diag(np.linalg.inv(design.T @ (w[:, None] * design))))
    assert (update.intercept.se, update.slope.se) == pytest.approx(tuple(se))
    assert update.slope.high - update.slope.value == pytest.approx(1.6448536269514722 * se[1])
    assert update.intercept.value - update.intercept.low == pytest.approx(1.6448536269514722 * se[0])
    assert (update.slope.level, update.slope.method, update.method, update.note) == (0.9, "Wald", "Platt", "")
    assert (update.intercept.n, update.intercept.n_events) == (4, 2)


def test_platt_of_uneven_outcomes() -> None:
    y, p = np.array([1, 0, 0, 0, 1, 0]), np.array([0.5, 0.1, 0.2, 0.4, 0.3, 0.2])
    new = recalibrate_platt(y, p).apply(p)
    targets = np.where(y == 1, 3 / 4, 1 / 6)
    assert (new - targets).sum() == pytest.approx(0, abs=1e-10)
    assert ((new - targets) * special.logit(p)).sum() == pytest.approx(0, abs=1e-10)
    certain = recalibrate_platt(np.r_[y, 0, 0, 1], np.r_[p, 0.0, 0.0, 1.0])
    np.testing.assert_allclose(certain.apply(p), new)  # the targets count those strictly between alone
    assert certain.note == "3 predictions of exactly 0 or 1 add nothing to the fit"
    assert certain.n == 9


def test_platt_agrees_with_the_pipeline_s_own() -> None:
    fit_platt = pytest.importorskip("validkit.plnm.platt").fit_platt
    y, p = patients(4)
    slope, intercept = fit_platt(special.logit(p), y)
    update = recalibrate_platt(y, p)
    assert (update.slope.value, update.intercept.value) == pytest.approx((slope, intercept), rel=1e-8)


def test_certain_predictions_stay() -> None:
    y, p = patients(5)
    y, p = np.r_[y, 0, 1], np.r_[p, 0.0, 1.0]
    for learn in SMOOTH:
        update = learn(y, p)
        assert update.note == "2 predictions of exactly 0 or 1 add nothing to the fit"
        np.testing.assert_array_equal(update.apply([0.0, 1.0]), [0.0, 1.0])
        np.testing.assert_allclose(update.apply(p[:50]), learn(y[:-2], p[:-2]).apply(p[:50]))
    contradicted = np.r_[y[:-2], 1, 1]
    for learn in SMOOTH:
        update = learn(contradicted, p)
        assert update.note == "outcomes contradict 1 predictions of exactly 0 or 1: no finite fit exists"
        with pytest.raises(InputError, match="outcomes contradict 1 predictions"):
            update.apply([0.5])


def test_equal_predictions() -> None:
    y, p = [0, 1, 1, 0, 1], [0.3] * 5
    assert recalibrate_in_the_large(y, p).apply([0.3])[0] == pytest.approx(0.6)
    assert recalibrate_isotonic(y, p).apply([0.1, 0.3, 0.9]) == pytest.approx([0.6, 0.6, 0.6])
    for learn in (recalibrate_logistic, recalibrate_platt):
        assert learn(y, p).note == "all predictions are equal: the slope is not identified"
        assert math.isnan(learn(y, p).slope.value)
    assert recalibrate_beta(y, p).note == ("fewer than three distinct predictions: the coefficients are not identified")
    two = recalibrate_beta([0, 1, 0, 1], [0.2, 0.2, 0.4, 0.4])
    assert two.note.startswith("fewer than three distinct predictions")


def test_a_slope_that_turns_the_ranking() -> None:
    y, p = patients(6, slope=-1.0)
    for learn in (recalibrate_logistic, recalibrate_platt):
        update = learn(y, p)
        assert update.slope.value < 0
        assert update.note == "the slope is not positive: the update does not keep the ranking"
        assert update.apply([0.0, 1.0]).tolist() == [1.0, 0.0]
    flat = recalibrate_logistic([0, 1, 0, 1], [0.2, 0.2, 0.6, 0.6])
    assert flat.slope.value == pytest.approx(0, abs=1e-12)
    from dataclasses import replace

    level = replace(flat, slope=replace(flat.slope, value=0.0))
    np.testing.assert_allclose(level.apply([0.0, 0.3, 1.0]), special.expit(flat.intercept.value))


# --- isotonic ---------------------------------------------------------------------------------


def test_isotonic_by_hand() -> None:
    update = recalibrate_isotonic([1, 0, 0, 1, 0, 1, 1], [0.1, 0.2, 0.2, 0.4, 0.5, 0.7, 0.9])
    # means 1 | 0 (2 patients) | 1 | 0 | 1 | 1: the first three pool to 1/3, the next two to 1/2
    np.testing.assert_allclose(update.x, [0.1, 0.2, 0.4, 0.5, 0.7, 0.9])
    np.testing.assert_allclose(update.y, [1 / 3, 1 / 3, 1 / 2, 1 / 2, 1, 1])
    np.testing.assert_allclose(
        update.apply([0.0, 0.15, 0.3, 0.45, 0.6, 0.8, 1.0]), [1 / 3, 1 / 3, 5 / 12, 0.5, 0.75, 1, 1]
    )
    assert update.note == "2 of 7 patients are given a risk of exactly 0 or 1"
    assert repr(update) == f"isotonic regression: 3 levels (n = 7, 4 events; {update.note})"
    assert update.method == "isotonic regression"
    with pytest.raises(ValueError, match="read-only"):
        update.y[0] = 0
    with pytest.raises(ValueError, match="read-only"):
        update.x[0] = 0
    plain = recalibrate_isotonic([1, 0, 0, 1, 1, 0], [0.1, 0.1, 0.3, 0.3, 0.5, 0.5])
    assert plain.note == ""
    assert repr(plain) == "isotonic regression: 1 levels (n = 6, 3 events)"


def test_isotonic_against_scikit_learn() -> None:
    model = pytest.importorskip("sklearn.isotonic").IsotonicRegression(out_of_bounds="clip")
    y, p = patients(7)
    p = np.round(p, 2)
    at = np.linspace(0, 1, 101)
    np.testing.assert_allclose(recalibrate_isotonic(y, p).apply(at), model.fit(p, y).predict(at), atol=1e-12)


# --- beta -------------------------------------------------------------------------------------


def test_beta_against_its_score_equations() -> None:
    y, p = patients(8, n=500)
    update = recalibrate_beta(y, p, level=0.9)
    assert update.note == ""
    new = update.apply(p)
    for column in (np.ones(500), np.log(p), -np.log1p(-p)):
        assert ((y - new) * column).sum() == pytest.approx(0, abs=1e-8)
    design = np.column_stack([np.log(p), -np.log1p(-p), np.ones(500)])
    se = np.sqrt(np.diag(np.linalg.inv(design.T @ ((new * (1 - new))[:, None] * design))))
    for part, s in zip((update.a, update.b, update.c), se, strict=True):
        assert part.se == pytest.approx(s)
        assert part.high - part.value == pytest.approx(1.6448536269514722 * s)
        assert part.value - part.low == pytest.approx(1.6448536269514722 * s)
        assert (part.level, part.method, part.n, part.n_events) == (0.9, "Wald", 500, int(y.sum()))
    at = np.array([0.05, 0.5, 0.95])
    a, b, c = update.a.value, update.b.value, update.c.value
    np.testing.assert_allclose(update.apply(at), special.expit(c + a * np.log(at) - b * np.log(1 - at)))
    assert log_loss(y, new) <= log_loss(y, recalibrate_logistic(y, p).apply(p))  # a = b is the logistic one
    turned = recalibrate_beta(1 - y, 1 - p)
    assert (turned.a.value, turned.b.value, turned.c.value) == pytest.approx((b, a, -c), rel=1e-6)
    assert repr(update) == (f"beta calibration: a {a:.4g}, b {b:.4g}, c {c:.4g} (n = 500, {int(y.sum())} events)")


def test_beta_holds_a_coefficient_at_zero() -> None:
    rng = np.random.default_rng(9)
    p = rng.uniform(0.02, 0.98, 600)
    y = (rng.random(600) < special.expit(-1 - 0.8 * np.log(p) - 1.5 * np.log1p(-p))).astype(int)
    update = recalibrate_beta(y, p)
    assert (update.a.value, update.a.method, update.note) == (0.0, "held at 0", "a held at 0")
    assert math.isnan(update.a.se)
    assert math.isnan(update.a.low)
    assert update.b.value > 0
    assert update.b.method == update.c.method == "Wald"
    new = update.apply(p)
    assert ((y - new) * np.log1p(-p)).sum() == pytest.approx(0, abs=1e-8)
    assert ((y - new) * np.log(p)).sum() < 0  # a larger a would lower the likelihood
    at0, at1 = update.apply([0.0, 1.0])
    assert at0 == pytest.approx(special.expit(update.c.value))
    assert at1 == 1.0
    other = recalibrate_beta(1 - y, 1 - p)
    assert other.note == "b held at 0"
    assert other.a.value == pytest.approx(update.b.value, rel=1e-6)
    against = recalibrate_beta(*patients(10, slope=-1.0))
    assert against.note == "a and b held at 0"
    assert (against.a.value, against.b.value) == (0.0, 0.0)
    y10 = patients(10, slope=-1.0)[0]
    np.testing.assert_allclose(against.apply([0.0, 0.5, 1.0]), y10.mean())
    assert against.c.se == pytest.approx(1 / math.sqrt(200 * y10.mean() * (1 - y10.mean())))


def test_beta_under_separation() -> None:
    update = recalibrate_beta([0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.3, 0.6, 0.7, 0.8])
    assert update.note == "the predictions separate the outcomes: no finite fit exists"
    assert math.isnan(update.c.value)
    with pytest.raises(InputError, match="this beta calibration could not be learned"):
        update.apply([0.5])


# --- the closed test --------------------------------------------------------------------------

BETA = np.array([1.0, -0.7, 0.4])


def model(seed: int, beta: np.ndarray, n: int = 250, intercept: float = -0.6) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3)) * [1, 2, 0.5] + [0, 10, 0]
    shift = -0.6 + 7.0
    y = (rng.random(n) < special.expit(intercept + 7.0 + x @ beta + 10 * (BETA[1] - beta[1]))).astype(int)
    return y, special.expit(shift + x @ BETA), x


def test_steps_and_degrees_of_freedom() -> None:
    y, p, x = model(1, BETA)
    found = closed_test(y, p, predictors=x)
    assert [name for name, _ in found.steps] == ["none", "in the large", "logistic recalibration"]
    assert [test.df for _, test in found.steps] == [4.0, 3.0, 2.0]
    for i, (name, test) in enumerate(found.steps):
        assert test.statistic == pytest.approx(2 * (found.log_likelihoods[3] - found.log_likelihoods[i]))
        assert test.p_value == pytest.approx(special.chdtrc(test.df, test.statistic))
        assert test.method == f"likelihood ratio, revision against {name}"
        assert (test.n, test.n_events, test.note) == (250, int(y.sum()), "")
    assert found.log_likelihoods[0] == pytest.approx(-250 * log_loss(y, p))
    assert (found.chosen, found.alpha, found.n, found.n_events, found.note) == ("none", 0.05, 250, int(y.sum()), "")
    np.testing.assert_allclose(found.apply([0.2, 0.7]), [0.2, 0.7])
    assert (found.update.intercept.value, found.update.slope.value, found.update.method) == (0.0, 1.0, "none")
    short = closed_test(y, p)
    assert [test.df for _, test in short.steps] == [2.0, 1.0]
    assert short.steps[0][1].method == "likelihood ratio, logistic recalibration against none"
    assert len(short.log_likelihoods) == 3
    first, second = short.steps[0][1].p_value, short.steps[1][1].p_value
    assert repr(short) == (
        f"none (against none p = {first:.4g}, against in the large p = {second:.4g}; n = 250, {y.sum()} events)"
    )


def test_each_update_is_chosen_where_it_is_due() -> None:
    for beta, intercept, chosen in (
        (BETA, -1.9, "in the large"),
        (BETA * 0.35, 0.3, "logistic recalibration"),
        (np.array([-0.5, -0.2, 2.0]), -0.6, "revision"),
    ):
        y, p, x = model(2, beta, intercept=intercept)
        found = closed_test(y, p, predictors=x)
        assert found.chosen == chosen == found.update.method
        without = closed_test(y, p)
        if chosen != "revision":
            np.testing.assert_allclose(found.apply(p), without.apply(p))
            learn = recalibrate_in_the_large if chosen == "in the large" else recalibrate_logistic
            np.testing.assert_allclose(found.apply(p), learn(y, p).apply(p))
            assert (found.update.intercept, found.update.slope) == (learn(y, p).intercept, learn(y, p).slope)
        else:
            assert without.chosen == "logistic recalibration"
            new = found.apply(p, predictors=x)
            for column in (np.ones(250), *x.T):
                assert ((y - new) * column).sum() == pytest.approx(0, abs=1e-6)
            design = np.column_stack([np.ones(250), x])
            se = np.sqrt(np.diag(np.linalg.inv(design.T @ ((new * (1 - new))[:, None] * design))))
            parts = (found.update.intercept, *found.update.coefficients)
            assert [e.se for e in parts] == pytest.approx(se.tolist(), rel=1e-6)
            for e in parts:
                assert e.high - e.value == pytest.approx(1.959963984540054 * e.se)
                assert e.value - e.low == pytest.approx(1.959963984540054 * e.se)
                assert (e.level, e.method, e.n, e.n_events) == (0.95, "Wald", 250, int(y.sum()))
            assert repr(found.update) == f"revision: 3 coefficients (n = 250, {y.sum()} events)"
            with pytest.raises(InputError, match="`apply` needs `predictors`"):
                found.apply(p)
            with pytest.raises(InputError, match=r"`predictors` must be finite, of 3 columns as in the fit"):
                found.apply(p, predictors=x[:, :2])
            with pytest.raises(InputError, match="must be finite, of 3 columns"):
                found.apply(p, predictors=np.full((2, 3), math.nan))


def test_alpha_decides() -> None:
    y, p, x = model(3, BETA * 0.8)
    p_values = [test.p_value for _, test in closed_test(y, p, predictors=x).steps]
    for i, (name, _) in enumerate(closed_test(y, p, predictors=x).steps):
        if all(v < p_values[i] for v in p_values[:i]):
            below = closed_test(y, p, predictors=x, alpha=p_values[i] * (1 - 1e-9))
            assert below.chosen == name
            assert below.alpha == p_values[i] * (1 - 1e-9)
            assert closed_test(y, p, predictors=x, alpha=p_values[i]).chosen != name  # p = alpha is rejected
    for bad in (0, 1, 5, "0.05", math.nan):
        with pytest.raises(InputError, match="`alpha` must lie strictly between 0 and 1"):
            closed_test(y, p, alpha=bad)


def test_one_predictor_has_nothing_to_revise() -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(size=100)
    p = special.expit(0.3 + x)
    y = (rng.random(100) < special.expit(2 - x)).astype(int)
    found = closed_test(y, p, predictors=x[:, None])
    last = found.steps[2][1]
    assert (last.df, last.p_value, last.note) == (0.0, 1.0, "one predictor: the two are one model")
    assert last.statistic == pytest.approx(0, abs=1e-9)
    assert found.chosen == "logistic recalibration"


def test_models_that_are_not_nested() -> None:
    y, p, x = model(5, BETA)
    rounded = closed_test(y, np.clip(p.round(2), 0.01, 0.99), predictors=x)
    assert rounded.note.startswith("logit(y_prob) is not linear in `predictors` (R2 0.99")
    assert rounded.note.endswith("): the tests of the revision are approximate")
    other = closed_test(y, p, predictors=x[:, :1])
    r2 = np.corrcoef(special.logit(p), x[:, 0])[0, 1] ** 2
    assert f"(R2 {r2:.4f})" in other.note
    assert other.steps[2][1].statistic < 0  # the smaller model fits better: nothing is cut
    assert other.steps[2][1].p_value == 1.0


def test_patients_of_the_closed_test() -> None:
    y, p, x = model(6, BETA * 0.5, n=120)
    times = np.random.default_rng(0).integers(0, 3, 120)
    weighted = closed_test(y, p, predictors=x, weights=times)
    written = closed_test(np.repeat(y, times), np.repeat(p, times), predictors=np.repeat(x, times, axis=0))
    assert weighted.to_dict() == written.to_dict()
    holed = x.copy()
    holed[[4, 9], [0, 2]] = math.nan
    with pytest.raises(InputError, match=r"2 of 120 patients have others \(first: row 4\)"):
        closed_test(y, p, predictors=holed)
    found = closed_test(y, p, predictors=holed, missing="complete-case")
    keep = np.delete(np.arange(120), [4, 9])
    assert found.log_likelihoods == closed_test(y[keep], p[keep], predictors=x[keep]).log_likelihoods
    assert (found.n, found.n_missing) == (118, 2)
    assert "2 of 120 patients left out" in repr(found)
    index = pd.RangeIndex(120)
    with pytest.raises(InputError, match="in another order"):
        closed_test(pd.Series(y, index=index), p, predictors=pd.DataFrame(x, index=index[::-1]))


def test_predictors_that_cannot_be_used() -> None:
    y, p, x = model(7, BETA, n=60)
    with pytest.raises(InputError, match="`y_true` has 60 patients and `predictors` has 59"):
        closed_test(y, p, predictors=x[:59])
    for extra in (np.ones(60), x[:, 0] - x[:, 1]):
        with pytest.raises(InputError, match="the 4 columns of `predictors` carry 3 independent pieces"):
            closed_test(y, p, predictors=np.column_stack([x, extra]))
    certain = p.copy()
    certain[[2, 5]] = y[[2, 5]]
    with pytest.raises(InputError, match=r"exactly 0 or 1 for 2 of 60 patients \(first: row 2\)"):
        closed_test(y, certain, predictors=x)
    assert closed_test(y, certain).note == "2 predictions of exactly 0 or 1 add nothing to the fit"
    with pytest.raises(InputError, match="`predictors` must have 2 dimensions"):
        closed_test(y, p, predictors=x[:, 0])


def test_where_the_closed_test_is_undefined() -> None:
    separated = closed_test([0, 0, 1, 1], [0.1, 0.2, 0.6, 0.7])
    assert (separated.chosen, separated.steps, separated.log_likelihoods) == ("", (), ())
    assert separated.note == "the predictions separate the outcomes: no finite slope exists"
    assert (separated.n, separated.n_events, separated.alpha) == (4, 2, 0.05)
    assert repr(separated).startswith("undefined (; n = 4, 2 events; the predictions separate")
    with pytest.raises(InputError, match="this update could not be learned"):
        separated.apply([0.5])
    x = np.array([[1.0, 0], [2, 0], [3, 1], [4, 0], [5, 1], [6, 0]])
    y = np.array([0, 0, 1, 0, 1, 0])
    found = closed_test(y, special.expit(0.3 * x[:, 0] - 1), predictors=x)
    assert found.chosen == ""
    assert len(found.log_likelihoods) == 3
    assert found.note == "revision has no finite fit: complete separation of the outcomes by the predictors"
    assert all(math.isnan(c.value) for c in found.update.coefficients)
    assert len(found.update.coefficients) == 2
    with pytest.raises(InputError, match="this revision could not be learned"):
        found.apply([0.5], predictors=[[1, 0]])
    with pytest.raises(InputError, match="`apply` needs `predictors`"):
        found.apply([0.5])


def test_the_closed_test_keeps_its_level() -> None:
    updated = 0
    for seed in range(400):
        y, p, x = model(1000 + seed, BETA)
        updated += closed_test(y, p, predictors=x).chosen != "none"
    assert 0.025 <= updated / 400 <= 0.08
