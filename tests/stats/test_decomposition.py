"""Murphy's decomposition: it adds up exactly, by hand and always."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validkit.errors import InputError
from validkit.stats.calibration_curves import calibration_groups
from validkit.stats.decomposition import BrierDecomposition, brier_decomposition
from validkit.stats.overall import brier

quick = settings(deadline=None, max_examples=60)
Z = 1.959963984540054
Y = np.array([0, 0, 1, 0, 1, 1, 0, 1])
P = np.array([0.2, 0.2, 0.2, 0.7, 0.7, 0.7, 0.4, 0.4])


def terms(d: BrierDecomposition) -> list[float]:
    return [
        d.reliability.value,
        d.resolution.value,
        d.uncertainty.value,
        d.within_variance.value,
        d.within_covariance.value,
    ]


def test_by_value_by_hand() -> None:
    """Groups of 3, 3 and 2 patients at 0.2, 0.7 and 0.4, of whom 1, 2 and 1 have the event; half of all do."""
    d = brier_decomposition(Y, P)
    reliability = (3 * (0.2 - 1 / 3) ** 2 + 3 * (0.7 - 2 / 3) ** 2 + 2 * (0.4 - 0.5) ** 2) / 8
    resolution = (3 * (1 / 3 - 0.5) ** 2 + 3 * (2 / 3 - 0.5) ** 2) / 8
    assert terms(d) == pytest.approx([reliability, resolution, 0.25, 0, 0], abs=1e-15)
    assert d.within_variance.value == d.within_covariance.value == 0.0
    assert d.brier == pytest.approx(brier(Y, P).value, abs=1e-15)
    assert d.generalised_resolution == d.resolution.value
    assert (d.groups, d.n, d.n_events, d.note, d.n_missing) == (3, 8, 4, "", 0)
    assert repr(d) == (
        f"Brier {d.brier:.4g} = reliability {reliability:.4g} - resolution {resolution:.4g} + uncertainty 0.25 "
        "+ within 0 (3 groups; n = 8, 4 events)"
    )


def test_standard_errors_by_hand() -> None:
    d = brier_decomposition(Y, P, level=0.9)
    seen = np.where(P == 0.2, 1 / 3, np.where(P == 0.7, 2 / 3, 0.5))
    for e, parts, moved in (
        (d.reliability, (P - seen) ** 2, 2 * (P - seen) * (seen - Y)),
        (d.resolution, (seen - 0.5) ** 2, 2 * (seen - 0.5) * (Y - seen)),
    ):
        influence = parts - parts.mean() + moved
        se = math.sqrt((influence**2).sum()) / 8
        assert e.se == pytest.approx(se, abs=1e-15)
        low, high = e.value - 1.6448536269514722 * se, e.value + 1.6448536269514722 * se
        assert (e.low, e.high) == pytest.approx((max(low, 0), high))
        assert (e.n, e.n_events, e.level, e.method) == (8, 4, 0.9, "delta method")
        assert e.note == ("interval cut at its bound" if low < 0 else "")
    assert d.within_variance.note == d.within_covariance.note == "no spread: no interval"
    assert math.isnan(d.within_variance.low)


def test_uncertainty_has_the_prevalences_interval() -> None:
    for events, n in ((4, 8), (1, 10), (27, 30), (0, 5)):
        y = np.repeat([1, 0], [events, n - events])
        e = brier_decomposition(y, np.linspace(0.1, 0.9, n)).uncertainty
        q = events / n
        half = Z * math.sqrt(q * (1 - q) / n + Z**2 / (4 * n**2)) / (1 + Z**2 / n)
        ends = [(q + Z**2 / (2 * n)) / (1 + Z**2 / n) + s * half for s in (-1, 1)]
        spread = sorted(x * (1 - x) for x in ends)
        assert e.value == pytest.approx(q * (1 - q))
        assert e.low == pytest.approx(spread[0], abs=1e-12)
        assert e.high == pytest.approx(0.25 if ends[0] <= 0.5 <= ends[1] else spread[1], abs=1e-12)
        assert e.se == pytest.approx(abs(1 - 2 * q) * math.sqrt(q * (1 - q) / n))
        assert (e.n, e.n_events, e.method) == (n, events, "Wilson interval of the prevalence, transformed")


def test_within_groups_by_hand() -> None:
    """Two equal steps: risks of 0.1, 0.2 and 0.5 (at the border, so below) and of 0.6 and 0.9."""
    y, p = np.array([0, 1, 1, 0, 1]), np.array([0.1, 0.2, 0.5, 0.6, 0.9])
    d = brier_decomposition(y, p, groups=2, binning="width")
    low, high = 0.8 / 3, 0.75
    variance = sum((x - low) ** 2 for x in (0.1, 0.2, 0.5)) + sum((x - high) ** 2 for x in (0.6, 0.9))
    shared = sum((o - 2 / 3) * (x - low) for o, x in zip((0, 1, 1), (0.1, 0.2, 0.5), strict=True))
    shared += sum((o - 0.5) * (x - high) for o, x in zip((0, 1), (0.6, 0.9), strict=True))
    reliability = (3 * (low - 2 / 3) ** 2 + 2 * (high - 0.5) ** 2) / 5
    resolution = (3 * (2 / 3 - 0.6) ** 2 + 2 * (0.5 - 0.6) ** 2) / 5
    assert terms(d) == pytest.approx([reliability, resolution, 0.24, variance / 5, 2 * shared / 5], abs=1e-15)
    assert d.groups == 2
    assert d.generalised_resolution == pytest.approx(resolution - variance / 5 + 2 * shared / 5)
    assert f"+ within {variance / 5 - 2 * shared / 5:.4g} (2 groups" in repr(d)
    seen, risk = np.repeat([2 / 3, 0.5], [3, 2]), np.repeat([low, high], [3, 2])
    moved = 2 * (risk - seen) * ((p - risk) - (y - seen))
    influence = (risk - seen) ** 2 - reliability + moved
    assert d.reliability.se == pytest.approx(math.sqrt((influence**2).sum()) / 5)
    influence = 2 * (y - seen) * (p - risk) - 2 * shared / 5
    assert d.within_covariance.se == pytest.approx(math.sqrt((influence**2).sum()) / 5)
    assert d.within_covariance.low == pytest.approx(2 * shared / 5 - Z * d.within_covariance.se)


def test_covariance_within_groups_can_be_negative() -> None:
    d = brier_decomposition([1, 1, 0, 0], [0.1, 0.2, 0.8, 0.9], groups=1)
    assert d.within_covariance.value == pytest.approx(-0.35)
    assert d.within_covariance.low < d.within_covariance.value
    assert d.groups == 1
    assert d.resolution.value == 0.0


def test_quantile_groups_are_those_of_the_calibration_plot() -> None:
    rng = np.random.default_rng(3)
    p = np.round(rng.random(90), 2)
    y = (rng.random(90) < p).astype(int)
    d, rows = brier_decomposition(y, p, groups=10), calibration_groups(y, p, groups=10)
    assert d.groups == len(rows)
    gaps = sum(row["n"] * (row["mean_risk"] - row["events"] / row["n"]) ** 2 for row in rows) / 90
    assert d.reliability.value == pytest.approx(gaps)


def test_bias_correction_by_hand() -> None:
    d = brier_decomposition(Y, P, bias_corrected=True)
    plain = brier_decomposition(Y, P)
    between = (3 * (2 / 9) / 2 + 3 * (2 / 9) / 2 + 2 * 0.25 / 1) / 8
    whole = 0.25 / 7
    assert d.reliability.value == pytest.approx(plain.reliability.value - between)
    assert d.resolution.value == pytest.approx(plain.resolution.value - between + whole)
    assert d.uncertainty.value == pytest.approx(8 / 7 * 0.25)
    assert terms(d)[3:] == terms(plain)[3:]
    for e, other in ((d.reliability, plain.reliability), (d.uncertainty, plain.uncertainty)):
        assert (e.note, e.se, e.n, e.n_events) == ("bias corrected", other.se, 8, 4)
        assert math.isnan(e.low)
    alone = brier_decomposition([0, 1, 0], [0.1, 0.1, 0.4], bias_corrected=True)
    assert math.isnan(alone.reliability.value)
    assert math.isnan(alone.uncertainty.value)
    assert alone.resolution.note == "undefined: a group of one patient has no bias correction"


def test_a_risk_for_every_patient_is_degenerate_and_says_so() -> None:
    y, p = [0, 1, 0, 1], [0.1, 0.3, 0.4, 0.8]
    d = brier_decomposition(y, p)
    assert d.reliability.value == pytest.approx(brier(y, p).value)
    assert d.resolution.value == pytest.approx(d.uncertainty.value)
    assert d.note == "every patient has a risk of his own: reliability is the Brier score; choose `groups`"
    assert repr(d).endswith(f"; {d.note})")
    assert brier_decomposition([1], [0.3]).note == ""
    assert brier_decomposition(y, p, groups=4).note == ""


rows = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 20)), min_size=1, max_size=60)


@quick
@given(rows, st.sampled_from([None, 1, 2, 5, 10]), st.sampled_from(["quantile", "width"]), st.integers(0, 10**6))
def test_it_adds_up(rows: list[tuple[int, int]], groups: int | None, binning: str, seed: int) -> None:
    y, p = np.array([r[0] for r in rows]), np.array([r[1] for r in rows]) / 20
    d = brier_decomposition(y, p, groups=groups, binning=binning)
    rel, res, unc, variance, covariance = terms(d)
    assert rel - res + unc + variance - covariance == pytest.approx(brier(y, p).value, abs=1e-14)
    assert min(rel, res, unc, variance) >= 0
    assert res <= unc + 1e-15
    order = np.random.default_rng(seed).permutation(y.size)
    shuffled = brier_decomposition(y[order], p[order], groups=groups, binning=binning)
    assert terms(shuffled) == pytest.approx(terms(d), abs=1e-14)
    mirrored = brier_decomposition(1 - y, 1 - p)
    if groups is None:
        assert terms(mirrored) == pytest.approx(terms(d), abs=1e-14)
        doubled = brier_decomposition(y, p, weights=np.full(y.size, 2))
        assert terms(doubled) == pytest.approx(terms(d), abs=1e-14)
        assert doubled.n == 2 * y.size


def test_intervals_cover_a_miscalibrated_models_terms() -> None:
    """Five predicted values, true shares elsewhere, 600 samples of 400."""
    rng = np.random.default_rng(8)
    said, true = np.array([0.1, 0.3, 0.5, 0.7, 0.9]), np.array([0.25, 0.35, 0.5, 0.55, 0.7])
    q = true.mean()
    truth = (((said - true) ** 2).mean(), ((true - q) ** 2).mean(), q * (1 - q))
    hits, values = np.zeros(3), np.zeros(2)
    for _ in range(600):
        k = rng.integers(0, 5, 400)
        y = (rng.random(400) < true[k]).astype(int)
        d = brier_decomposition(y, said[k])
        found = (d.reliability, d.resolution, d.uncertainty)
        hits += [e.low <= t <= e.high for e, t in zip(found, truth, strict=True)]
        c = brier_decomposition(y, said[k], bias_corrected=True)
        values += [c.reliability.value, c.resolution.value]
    assert ((hits / 600 > 0.90) & (hits / 600 < 0.985)).all()
    assert values / 600 == pytest.approx(truth[:2], abs=0.0012)


def test_what_is_refused_and_what_is_missing() -> None:
    with pytest.raises(InputError, match="`groups` must be a whole number of at least 1, not 0"):
        brier_decomposition(Y, P, groups=0)
    with pytest.raises(InputError, match="`binning` must be one of 'quantile', 'width', not 'risk'"):
        brier_decomposition(Y, P, binning="risk")
    with pytest.raises(InputError, match="`level` must lie strictly between 0 and 1"):
        brier_decomposition(Y, P, level=2)
    holes = np.where(np.arange(8) == 2, np.nan, P)
    d = brier_decomposition(Y, holes, missing="complete-case")
    assert (d.n, d.n_missing) == (7, 1)
    assert d.note == "1 of 8 patients left out as incomplete (complete case)"
    single = brier_decomposition([1, 1], [0.4, 0.4])
    assert terms(single) == pytest.approx([0.36, 0, 0, 0, 0])
    assert single.to_dict()["reliability"]["value"] == pytest.approx(0.36)
