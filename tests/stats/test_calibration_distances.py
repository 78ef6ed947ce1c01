from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from validkit.errors import InputError
from validkit.stats.calibration_curves import calibration_curve
from validkit.stats.calibration_distances import calibration_errors, expected_calibration_error
from validkit.stats.draws import bca_limits, draw_plan, jackknife, percentile_limits
from validkit.stats.risk_groups import calibration_groups
from validkit.stats.smoothing import smooth

quick = settings(deadline=None, max_examples=25)
NAMES = ["ici", "e50", "e90", "emax", "eci", "eci_relative"]
METHODS = ["loess", "lowess", "logistic", "rcs", "isotonic"]
NO_RNG = "no interval without `rng`: it is from the bootstrap"


def simulated(seed: int, n: int = 200) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = rng.beta(2, 3, n)
    return (rng.random(n) < special.expit(0.2 + 0.8 * special.logit(p))).astype(int), p


def test_by_hand() -> None:
    y, p = [0, 0, 1, 0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
    errors = calibration_errors(y, p, method="isotonic")  # 0, 0, then two blocks at 1/2, then 1, 1
    gap = np.array([0.1, 0.2, 0.2, 0.1, 0.0, 0.1, 0.3, 0.2])
    want = [gap.mean(), 0.15, 0.23, 0.3, 100 * (gap**2).mean(), (gap**2).mean() / np.mean((0.5 - np.array(p)) ** 2)]
    assert list(errors) == NAMES
    np.testing.assert_allclose([e.value for e in errors.values()], want, rtol=1e-12)
    for error in errors.values():
        assert math.isnan(error.low)
        assert math.isnan(error.high)
        assert math.isnan(error.se)
        assert (error.method, error.n, error.n_events) == ("isotonic regression", 8, 4)
        assert (error.note, error.level) == (NO_RNG, 0.95)


@pytest.mark.parametrize("method", METHODS)
def test_distances_of_the_drawn_curve(method: str) -> None:
    y, p = simulated(1, n=101)
    p = np.linspace(0.1, 0.9, 101)[np.argsort(np.argsort(p))]  # then the curve's points are the patients
    at = np.linspace(0.1, 0.9, 101)
    curve = smooth(y, p, at, method)[0]  # as drawn, but for the cut to [0, 1]
    np.testing.assert_allclose(calibration_curve(y, p, method=method).y, np.clip(curve, 0, 1), atol=1e-12)
    errors = calibration_errors(y, p, method=method)
    gap = np.abs(curve - at)
    assert errors["ici"].value == pytest.approx(gap.mean(), rel=1e-9)
    assert errors["e90"].value == pytest.approx(np.quantile(gap, 0.9), rel=1e-9)


@quick
@given(st.integers(0, 10**6), st.sampled_from(METHODS))
def test_laws_of_the_distances(seed: int, method: str) -> None:
    y, p = simulated(seed)
    e = {key: estimate.value for key, estimate in calibration_errors(y, p, method=method).items()}
    assert 0 <= e["e50"] <= e["e90"] <= e["emax"]
    assert e["ici"] <= e["emax"]
    assert e["ici"] ** 2 <= e["eci"] / 100 <= e["emax"] ** 2 + 1e-15
    assert e["eci_relative"] == pytest.approx(e["eci"] / 100 / np.mean((y.mean() - p) ** 2), rel=1e-12)
    order = np.random.default_rng(seed).permutation(y.size)
    again = calibration_errors(y[order], p[order], method=method)
    np.testing.assert_allclose([a.value for a in again.values()], list(e.values()), rtol=1e-6, atol=1e-9)
    if method in ("logistic", "isotonic"):  # the others place knots and windows, which ties of risk move
        turned = calibration_errors(1 - y, 1 - p, method=method)
        np.testing.assert_allclose([t.value for t in turned.values()], list(e.values()), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_percentile_interval_is_that_of_the_engine(method: str) -> None:
    y, p = simulated(3, n=90)
    ours = calibration_errors(y, p, method=method, rng=5, replicates=60, level=0.9)

    def ici(rows: np.ndarray, risks: np.ndarray) -> float:
        return calibration_errors(rows, risks, method=method)["ici"].value

    drawn = draw_plan(y, rng=5, replicates=60).replicates(ici, y, p)[:, 0]
    low, high, note = percentile_limits(drawn, 0.9)
    got = ours["ici"]
    assert [got.low, got.high] == pytest.approx([low, high], rel=1e-9)
    assert got.se == pytest.approx(drawn[np.isfinite(drawn)].std(ddof=1), rel=1e-9)
    assert (got.note, got.level, got.n) == (note, 0.9, 90)
    assert got.method.startswith("percentile bootstrap, ")
    assert ours == calibration_errors(y, p, method=method, rng=np.random.default_rng(5), replicates=60, level=0.9)


def test_bca_interval_is_that_of_the_engine() -> None:
    y, p = simulated(4, n=60)
    ours = calibration_errors(y, p, method="isotonic", rng=1, replicates=200, interval="bca")["eci"]

    def eci(rows: np.ndarray, risks: np.ndarray) -> float:
        return calibration_errors(rows, risks, method="isotonic")["eci"].value

    drawn = draw_plan(y, rng=1, replicates=200).replicates(eci, y, p)[:, 0]
    low, high, note = bca_limits(drawn, eci(y, p), jackknife(eci, y, p)[:, 0], 0.95)
    assert [ours.low, ours.high] == pytest.approx([low, high], rel=1e-9)
    assert ours.low < ours.value
    assert ours.method == "BCa bootstrap, isotonic regression"
    assert ours.note == note


def test_biased_upwards_where_every_risk_is_true() -> None:
    """As said: the values lie above 0, and the percentile interval lies higher still than the value."""
    higher = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        p = rng.beta(2, 3, 150)
        y = (rng.random(150) < p).astype(int)
        e = calibration_errors(y, p, method="logistic", rng=seed, replicates=60)["ici"]
        assert e.low > 0
        higher += (e.low + e.high) / 2 > e.value
    assert higher >= 10


def test_replicates_without_a_curve_are_counted() -> None:
    y = np.r_[np.ones(2, int), np.zeros(38, int)]
    p = np.linspace(0.05, 0.6, 40)[::-1].copy()
    p[1] = 0.2
    errors = calibration_errors(y, p, method="logistic", rng=1, replicates=100)
    assert math.isnan(errors["ici"].low)
    assert "of 100 replicates gave a value: too few for an interval" in errors["ici"].note
    assert errors["ici"].value > 0


def test_no_curve_no_distance() -> None:
    errors = calibration_errors([0, 1, 0, 1], [0.5] * 4, rng=1, level=0.8)
    assert list(errors) == NAMES
    for error in errors.values():
        assert math.isnan(error.value)
        assert error.note == "all predictions are equal: there is no curve to draw"
        assert (error.n, error.n_events, error.level) == (4, 2, 0.8)
        assert error.method == "loess, span 0.75, degree 2 (R's loess)"


def test_refusals() -> None:
    y, p = simulated(0)
    for function in (calibration_errors, expected_calibration_error):
        with pytest.raises(InputError, match="`interval` = 'bca' needs `rng`, a numpy Generator or a whole number"):
            function(y, p, interval="bca")  # type: ignore[operator]
        with pytest.raises(InputError, match="`interval` must be one of 'percentile', 'bca', not 'wald'"):
            function(y, p, interval="wald", rng=1)  # type: ignore[operator]
        with pytest.raises(InputError, match="`level` must lie strictly between 0 and 1"):
            function(y, p, level=95)  # type: ignore[operator]
        with pytest.raises(InputError, match="`replicates` must be a whole number of at least 20"):
            function(y, p, rng=1, replicates=5)  # type: ignore[operator]
    with pytest.raises(InputError, match="`method` must be one of"):
        calibration_errors(y, p, method="gam")
    with pytest.raises(InputError, match="`knots` must be from 3 to 7"):
        calibration_errors(y, p, method="rcs", knots=9)
    with pytest.raises(InputError, match="`groups` must be a whole number of at least 1"):
        expected_calibration_error(y, p, groups=0)
    with pytest.raises(InputError, match="`binning` must be one of 'quantile', 'width'"):
        expected_calibration_error(y, p, binning="kmeans")


def test_weights_and_missing() -> None:
    y, p = simulated(2, n=60)
    times = np.random.default_rng(0).integers(0, 4, 60)
    written = np.repeat(y, times), np.repeat(p, times)
    assert repr(calibration_errors(y, p, weights=times)) == repr(calibration_errors(*written))
    assert repr(expected_calibration_error(y, p, weights=times, rng=3, replicates=40)) == repr(
        expected_calibration_error(*written, rng=3, replicates=40)
    )
    p[4] = np.nan
    assert {e.n_missing for e in calibration_errors(y, p, missing="complete-case").values()} == {1}
    left = expected_calibration_error(y, p, missing="complete-case")
    assert (left.n, left.n_missing) == (59, 1)


def test_expected_calibration_error_by_hand() -> None:
    y, p = [0, 1, 0, 1, 1], [0.1, 0.2, 0.8, 0.9, 0.95]
    quantile = expected_calibration_error(y, p, groups=2)  # cut at the median 0.8: three patients below
    assert quantile.value == pytest.approx((abs(1 - 1.1) + abs(2 - 1.85)) / 5, rel=1e-12)
    assert (quantile.method, quantile.note) == ("2 groups, quantiles of risk", NO_RNG)
    width = expected_calibration_error(y, p, groups=2, binning="width")
    assert width.value == pytest.approx((abs(1 - 0.3) + abs(2 - 2.65)) / 5, rel=1e-12)
    assert (width.method, width.n, width.n_events) == ("2 groups, equal width", 5, 3)
    assert expected_calibration_error(y, p, groups=1).value == pytest.approx(abs(3 - 2.95) / 5)
    assert expected_calibration_error([0, 1], [0.3, 0.3]).value == pytest.approx(0.2)
    assert expected_calibration_error([0, 1, 1], [0.0, 1.0, 0.0], groups=2, binning="width").value == pytest.approx(
        1 / 3
    )


@quick
@given(st.integers(0, 10**6), st.integers(1, 20), st.sampled_from(["quantile", "width"]))
def test_expected_calibration_error_over_the_groups(seed: int, groups: int, binning: str) -> None:
    y, p = simulated(seed, n=80)
    p = np.round(p, 2)
    rows = calibration_groups(y, p, groups=groups, binning=binning)
    assert len(rows) <= groups
    assert sum(row["n"] for row in rows) == 80
    want = sum(row["n"] * abs(row["observed"] - row["mean_risk"]) for row in rows) / 80
    ours = expected_calibration_error(y, p, groups=groups, binning=binning).value
    assert ours == pytest.approx(want, rel=1e-9, abs=1e-12)
    assert abs(y.mean() - p.mean()) - 1e-12 <= ours <= 1
    thrice = expected_calibration_error(np.tile(y, 3), np.tile(p, 3), groups=groups, binning="width").value
    assert thrice == pytest.approx(expected_calibration_error(y, p, groups=groups, binning="width").value, abs=1e-12)


def test_expected_calibration_error_with_its_interval() -> None:
    y, p = simulated(6)
    ours = expected_calibration_error(y, p, rng=2, replicates=100, groups=5, level=0.8)

    def ece(rows: np.ndarray, risks: np.ndarray) -> float:
        return expected_calibration_error(rows, risks, groups=5).value

    drawn = draw_plan(y, rng=2, replicates=100).replicates(ece, y, p)[:, 0]
    assert (ours.low, ours.high, ours.note) == percentile_limits(drawn, 0.8)
    assert ours.se == pytest.approx(drawn.std(ddof=1), rel=1e-12)
    assert ours.method == "percentile bootstrap, 5 groups, quantiles of risk"
    assert ours.level == 0.8
    bca = expected_calibration_error(y, p, rng=2, replicates=100, groups=5, interval="bca")
    assert bca.method == "BCa bootstrap, 5 groups, quantiles of risk"
    assert bca.se == ours.se
    assert bca.low < ours.low


def test_a_hundred_thousand_patients() -> None:
    y, p = simulated(1, n=100_000)
    for method in METHODS:
        errors = calibration_errors(y, p, method=method)
        assert 0.01 < errors["ici"].value < 0.06
        assert errors["ici"].n == 100_000
