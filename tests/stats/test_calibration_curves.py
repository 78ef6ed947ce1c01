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
    smoothing,
)
from validkit.stats.calibration_curves import _limits
from validkit.stats.draws import draw_plan
from validkit.stats.isotonic import isotonic
from validkit.stats.risk_groups import BINNINGS

METHODS = ["loess", "lowess", "logistic", "rcs", "isotonic"]
NO_RNG = "no band without `rng`: it is from the bootstrap"


def simulated(seed: int, n: int = 300) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = rng.beta(2, 3, n)
    return (rng.random(n) < p).astype(int), p


@pytest.mark.parametrize("method", METHODS)
def test_curve_spans_the_observed_risks_within_bounds(method: str) -> None:
    y, p = simulated(1)
    curve = calibration_curve(y, p, method=method, points=25)
    assert (curve.x[0], curve.x[-1], curve.x.size) == (p.min(), p.max(), 25)
    assert (curve.n, curve.n_events, curve.level) == (300, int(y.sum()), 0.95)
    assert (curve.x_name, curve.y_name) == ("predicted risk", "observed share of events")
    assert ((curve.y >= 0) & (curve.y <= 1)).all()
    if method == "lowess":
        assert np.isnan(curve.low).all()
        assert np.isnan(curve.high).all()
        assert curve.note.endswith(NO_RNG)
    else:
        assert ((curve.low <= curve.y) & (curve.y <= curve.high)).all()
        assert (curve.high > curve.low).all()
        assert NO_RNG not in curve.note
    assert np.abs(curve.y - curve.x)[5:20].max() < 0.2  # these risks are true


@pytest.mark.parametrize(
    ("method", "alone", "drawn"),
    [
        ("loess", "loess, span 0.75, degree 2 (R's loess), t band", None),
        ("lowess", "lowess, 2/3 of the patients, no robustness steps (rms val.prob)", "default"),
        ("logistic", "logistic recalibration, Wald band", None),
        ("rcs", "restricted cubic spline of logit risk, 4 knots, Wald band", None),
        ("isotonic", "isotonic regression, conservative exact band", None),
    ],
)
def test_every_curve_has_a_band_and_says_which(method: str, alone: str, drawn: str | None) -> None:
    y, p = simulated(4, n=120)
    assert calibration_curve(y, p, method=method, knots=4).method == alone
    with_rng = calibration_curve(y, p, method=method, knots=4, rng=1, replicates=40)
    boot = calibration_curve(y, p, method=method, knots=4, rng=1, replicates=40, band="bootstrap")
    label = alone.replace(", t band", "").replace(", Wald band", "").replace(", conservative exact band", "")
    assert boot.method == label + ", bootstrap band"
    assert "40 of 40 replicates" in boot.note
    assert np.isfinite(boot.low).all()
    assert (boot.low <= boot.high).all()
    assert (boot.low < boot.high).mean() > 0.8
    if drawn:
        assert repr(with_rng.to_dict()) == repr(boot.to_dict())
        with pytest.raises(InputError, match=f"`band` must be 'bootstrap' for method '{method}', which has no band of"):
            calibration_curve(y, p, method=method, band="own")
    else:
        assert with_rng.method == alone
        assert repr(with_rng.to_dict()) == repr(calibration_curve(y, p, method=method, knots=4, band="own").to_dict())
    np.testing.assert_array_equal(boot.y, with_rng.y)


def test_bootstrap_band_is_that_of_the_engine() -> None:
    y, p = simulated(6, n=80)
    curve = calibration_curve(y, p, method="isotonic", rng=3, replicates=50, level=0.8, points=9, band="bootstrap")
    at = np.linspace(p.min(), p.max(), 9)
    curves = draw_plan(y, rng=3, replicates=50).replicates(lambda a, b: isotonic(a, b, at)[0], y, p)
    np.testing.assert_allclose(curve.low, np.quantile(curves, 0.1, axis=0), rtol=1e-12)
    np.testing.assert_allclose(curve.high, np.quantile(curves, 0.9, axis=0), rtol=1e-12)
    assert (curve.level, curve.note) == (0.8, "50 of 50 replicates")
    beyond = calibration_curve(y, p, method="loess", rng=3, replicates=30, band="bootstrap")
    assert np.isfinite(beyond.low).all()  # loess has no answer beyond the risks drawn; there it is held


def test_too_few_replicates_with_a_curve() -> None:
    y = np.r_[np.ones(2, int), np.zeros(38, int)]
    p = np.linspace(0.05, 0.6, 40)[::-1].copy()
    p[1] = 0.2
    curve = calibration_curve(y, p, method="logistic", band="bootstrap", rng=1, replicates=100)
    assert np.isnan(curve.low).all()
    assert np.isnan(curve.high).all()
    assert "of 100 replicates gave a curve: too few for a band" in curve.note
    assert curve.x.size == 101
    with pytest.raises(InputError, match="`band` = 'bootstrap' needs `rng`, a numpy Generator or a whole number"):
        calibration_curve(y, p, band="bootstrap")
    with pytest.raises(InputError, match="`band` must be one of 'own', 'bootstrap', not 'wald'"):
        calibration_curve(y, p, band="wald")


def test_predictions_of_exactly_0_and_1_in_every_curve() -> None:
    y, p = simulated(7)
    sure_y, sure_p = np.r_[y, 0, 1], np.r_[p, 0.0, 1.0]
    for method in METHODS:
        curve = calibration_curve(sure_y, sure_p, method=method)
        assert (curve.x[0], curve.x[-1]) == (0.0, 1.0)
        assert np.isfinite(curve.y).all()
        said = "predictions of exactly 0 or 1 add nothing to the fit; there the curve is at 0 or 1"
        assert (said in curve.note) == (method in ("logistic", "rcs"))
        if method in ("logistic", "rcs"):
            assert (curve.y[0], curve.low[0], curve.high[0]) == (0.0, 0.0, 0.0)
            assert (curve.y[-1], curve.low[-1], curve.high[-1]) == (1.0, 1.0, 1.0)
    wrong = np.r_[y, 1, 1]
    for method in METHODS:
        curve = calibration_curve(wrong, sure_p, method=method)
        assert (curve.x.size == 0) == (method in ("logistic", "rcs"))


@pytest.mark.parametrize("method", ["loess", "rcs", "logistic", "isotonic"])
def test_bands_hold_the_truth(method: str) -> None:
    """95 % bands at three risks, over 200 samples of 300 patients: near 95 % each, the isotonic one at least."""
    inside = np.zeros(3)
    for seed in range(200):
        curve = calibration_curve(*simulated(seed), method=method, points=5)
        inside += ((curve.low <= curve.x) & (curve.x <= curve.high))[1:4]
    assert ((inside > (188 if method == "isotonic" else 178)) & (inside <= 200)).all()
    if method != "isotonic":
        assert inside.sum() < 590


def test_curve_with_weights_and_missing() -> None:
    y, p = simulated(3, n=80)
    times = np.random.default_rng(0).integers(0, 4, 80)
    weighted = calibration_curve(y, p, method="rcs", weights=times)
    written = calibration_curve(np.repeat(y, times), np.repeat(p, times), method="rcs")
    assert repr(weighted.to_dict()) == repr(written.to_dict())
    p[9] = np.nan
    left = calibration_curve(y, p, missing="complete-case")
    assert (left.n, left.n_missing) == (79, 1)
    assert "1 of 80 patients left out" in left.note


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
    ends = np.array([p.min(), np.median(p), p.max()])
    monkeypatch.setattr(smoothing, "MOST_CELLS", 2500)  # one point at a time
    np.testing.assert_array_equal(smoothing.loess(y, p, ends)[0], smoothing.loess(y, p, ends, level=0.9)[0])
    own = smoothing.loess(y, p, None)
    np.testing.assert_allclose(own[0], smoothing.loess(y, p, p[:2500])[0], atol=1e-12)
    assert np.isnan(own[1]).all()
    monkeypatch.undo()
    assert "direct local fit" not in calibration_curve(*simulated(6, n=3000), points=3).note
    y, p = simulated(6, n=3100)
    assert "beyond 3000 patients the band is that of the direct local fit" in calibration_curve(y, p).note
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


def test_groups_of_equal_width() -> None:
    rows = calibration_groups([0, 1, 0, 1], [0.0, 0.1, 0.11, 1.0], groups=10, binning="width")
    assert [row["n"] for row in rows] == [2, 1, 1]
    assert [row["events"] for row in rows] == [1, 0, 1]
    assert [row["mean_risk"] for row in rows] == pytest.approx([0.05, 0.11, 1.0])
    assert [row["observed"] for row in rows] == [0.5, 0.0, 1.0]
    assert rows[0]["low"] == pytest.approx(0.0945312, rel=1e-5)  # Wilson's of 1 in 2
    assert rows[0]["high"] == pytest.approx(0.9054688, rel=1e-5)
    assert BINNINGS == ("quantile", "width")
    with pytest.raises(InputError, match="`groups` must be a whole number of at least 1"):
        calibration_groups([0, 1], [0.2, 0.3], groups=0)


def test_bad_arguments() -> None:
    y, p = simulated(9)
    with pytest.raises(InputError, match="`method` must be one of 'loess', 'lowess', 'logistic'"):
        calibration_curve(y, p, method="spline")
    with pytest.raises(InputError, match="`knots` must be from 3 to 7, not 8"):
        calibration_curve(y, p, method="rcs", knots=8)
    assert calibration_curve(y, p, points=2).x.size == 2
    with pytest.raises(InputError, match="`points` must be a whole number of at least 2"):
        calibration_curve(y, p, points=1)


def test_operator_norms_against_the_weights_written_out() -> None:
    _, p = simulated(2, n=400)
    at = np.array([p.min(), 0.3, 0.5, p.max()])
    want = []
    for point in at:
        reach = np.sort(np.abs(p - point))[299]
        u = (p - point) / reach
        weight = np.where(np.abs(u) < 1, (1 - np.abs(u) ** 3) ** 3, 0)
        design = u[:, None] ** np.arange(3)
        row = np.linalg.solve(design.T @ (weight[:, None] * design), (weight[:, None] * design).T)[0]
        want.append(np.sqrt((row**2).sum()))
    np.testing.assert_allclose(smoothing._operator_norms(p, at), want, rtol=1e-10)


def test_tied_neighbourhoods_of_large_samples_have_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smoothing, "EXACT_UP_TO", 100)
    rng = np.random.default_rng(0)
    p = np.r_[np.full(900, 0.3), rng.random(100)]
    y = rng.integers(0, 2, 1000)
    with pytest.raises(ValueError, match="too few distinct predictions in some neighbourhood"):
        smoothing._operator_norms(p, np.array([0.3]))
    assert calibration_curve(y, p).note.startswith("loess has no answer here")


def test_a_band_may_lose_one_replicate_in_twenty() -> None:
    kept = np.tile(np.linspace(0.1, 0.9, 5), (100, 1)) + np.linspace(-0.05, 0.05, 100)[:, None]
    kept[:5] = np.nan
    low, _, note = _limits(kept, 0.95)
    assert np.isfinite(low).all()
    assert note == "95 of 100 replicates"
    kept[5] = np.nan
    low, high, note = _limits(kept, 0.95)
    assert np.isnan(low).all()
    assert np.isnan(high).all()
    assert note == "94 of 100 replicates gave a curve: too few for a band"


def test_loess_says_which_of_its_two_reasons_it_has() -> None:
    y, four = np.tile([0, 1, 0, 1, 1, 0, 1, 1], 10), np.tile([0.2, 0.4, 0.6, 0.8], 20)
    assert calibration_curve(y, four).note.startswith("loess has no answer here")
    three = np.where(four == 0.8, 0.6, four)
    assert calibration_curve(y, three).note == "loess of degree 2 needs at least 4 distinct predictions"
