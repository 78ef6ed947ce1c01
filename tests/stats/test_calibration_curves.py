from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy import special

from validkit.errors import InputError
from validkit.stats import (
    calibration_curve,
    calibration_errors,
    calibration_groups,
    calibration_line,
    expected_calibration_error,
    smoothing,
)


def simulated(seed: int, n: int = 300) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = rng.beta(2, 3, n)
    return (rng.random(n) < p).astype(int), p


@pytest.mark.parametrize("method", ["loess", "lowess", "logistic"])
def test_curve_spans_the_observed_risks_within_bounds(method: str) -> None:
    y, p = simulated(1)
    curve = calibration_curve(y, p, method=method, points=25)
    assert (curve.x[0], curve.x[-1], curve.x.size) == (p.min(), p.max(), 25)
    assert ((curve.y >= 0) & (curve.y <= 1)).all()
    if method == "lowess":
        assert np.isnan(curve.low).all()
    else:
        assert ((curve.low <= curve.y) & (curve.y <= curve.high)).all()
        assert (curve.high > curve.low).all()
    assert np.abs(curve.y - curve.x)[5:20].max() < 0.2  # these risks are true


def test_logistic_curve_is_the_recalibration_line() -> None:
    y, p = simulated(2)
    curve = calibration_curve(y, p, method="logistic", points=7)
    intercept, slope = calibration_line(y, p)
    np.testing.assert_allclose(
        curve.y, special.expit(intercept.value + slope.value * special.logit(curve.x)), atol=1e-12
    )


def test_wider_level_wider_band() -> None:
    y, p = simulated(3)
    for method in ("loess", "logistic"):
        narrow, wide = (calibration_curve(y, p, method=method, level=level) for level in (0.5, 0.99))
        assert ((wide.high - wide.low) >= (narrow.high - narrow.low)).all()


@pytest.mark.parametrize(
    ("y", "p", "method", "reason"),
    [
        ([0, 1, 0, 1], [0.5] * 4, "loess", "all predictions are equal"),
        ([0, 1] * 20, [0.2, 0.8] * 20, "loess", "at least 4 distinct predictions"),
        ([0, 1, 0, 1, 1, 0], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], "loess", "loess has no answer here"),
        ([0, 0, 1, 1], [0.1, 0.2, 0.7, 0.8], "logistic", "separate the outcomes"),
        ([1, 0, 1, 0], [0.0, 0.4, 0.6, 0.7], "logistic", "contradict 1 predictions"),
    ],
)
def test_no_curve_is_an_empty_one_with_a_reason(y: list[int], p: list[float], method: str, reason: str) -> None:
    curve = calibration_curve(y, p, method=method)
    assert curve.x.size == curve.y.size == curve.low.size == 0
    assert reason in curve.note
    errors = calibration_errors(y, p, method=method)
    assert math.isnan(errors["ici"].value)
    assert reason in errors["emax"].note


def test_heavily_tied_risks_never_crash() -> None:
    rng = np.random.default_rng(0)
    for values in (2, 3, 4, 6, 11):
        y, p = rng.integers(0, 2, 127), rng.integers(0, values, 127) / (values - 1)
        for method in ("loess", "lowess", "logistic"):
            curve = calibration_curve(y, p, method=method)
            assert curve.x.size == 101 or curve.note
    mostly = np.r_[np.full(50, 0.1), np.linspace(0.2, 0.9, 10)]
    assert calibration_curve(rng.integers(0, 2, 60), mostly).note


def test_a_cut_band_is_said() -> None:
    y, p = simulated(5, n=60)
    curve = calibration_curve(y, p)
    assert curve.low.min() == 0.0
    assert "cut to [0, 1]" in curve.note


def test_large_samples_use_the_direct_band_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    y, p = simulated(6, n=2500)
    exact = calibration_curve(y, p, points=21)
    monkeypatch.setattr(smoothing, "EXACT_UP_TO", 100)
    direct = calibration_curve(y, p, points=21)
    np.testing.assert_allclose(direct.y, exact.y, atol=1e-12)
    np.testing.assert_allclose(direct.high - direct.y, exact.high - exact.y, rtol=0.06, atol=1e-3)
    y, p = simulated(6, n=3100)
    assert "direct local fit" in calibration_curve(y, p).note
    tied = np.round(p)
    assert calibration_curve(y, tied * 0.5 + 0.2).x.size == 0


def test_errors_are_ordered_and_vanish_on_the_line() -> None:
    y, p = simulated(7)
    e = {k: v.value for k, v in calibration_errors(y, p).items()}
    assert 0 < e["e50"] <= e["e90"] <= e["emax"]
    assert 0 < e["ici"] <= e["emax"]
    intercept, slope = calibration_line(y, p)
    fitted = special.expit(intercept.value + slope.value * special.logit(p))
    assert calibration_errors(y, fitted, method="logistic")["emax"].value == pytest.approx(0, abs=1e-9)


def test_groups_hold_every_patient_once() -> None:
    y, p = simulated(8, n=127)
    rows = calibration_groups(y, p, groups=10)
    assert len(rows) == 10
    assert set(rows[0]) == {"n", "events", "mean_risk", "observed", "low", "high"}
    assert sum(r["n"] for r in rows) == 127
    assert sum(r["events"] for r in rows) == y.sum()
    assert sum(r["n"] * r["mean_risk"] for r in rows) == pytest.approx(p.sum())
    assert all(r["low"] <= r["observed"] <= r["high"] for r in rows)
    assert all(a["mean_risk"] < b["mean_risk"] for a, b in pairwise(rows))
    assert len(calibration_groups(y, np.round(p, 1), groups=10)) < 10
    assert len(calibration_groups(y, np.full(127, 0.4))) == 1
    one = calibration_groups(y, p, groups=1)[0]
    assert one["observed"] == y.mean()


def test_expected_calibration_error_by_hand() -> None:
    y, p = [0, 1, 0, 1], [0.1, 0.2, 0.8, 0.9]
    assert expected_calibration_error(y, p, groups=2) == pytest.approx((2 * abs(0.5 - 0.15) + 2 * abs(0.5 - 0.85)) / 4)


def test_bad_arguments() -> None:
    y, p = simulated(9)
    with pytest.raises(InputError, match="`method` must be one of 'loess', 'lowess', 'logistic'"):
        calibration_curve(y, p, method="spline")
    with pytest.raises(InputError, match="`points` must be a whole number of at least 2"):
        calibration_curve(y, p, points=1)
