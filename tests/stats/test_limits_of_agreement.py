from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validkit.errors import InputError
from validkit.stats.limits_of_agreement import BlandAltman, bland_altman, bland_altman_repeated

quick = settings(deadline=None, max_examples=25)
Z = 1.959963984540054


def pairs(seed: int, n: int = 20) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.uniform(5, 50, n)
    return truth + rng.normal(0.5, 2, n), truth + rng.normal(0, 1, n)


def ends(found: BlandAltman) -> list[float]:
    return [v for e in (found.bias, found.lower, found.upper) for v in (e.value, e.low, e.high)]


def test_by_hand() -> None:
    a, b = [10.0, 12.0, 15.0, 18.0, 20.0], [11.0, 11.0, 16.0, 16.0, 21.0]
    found = bland_altman(a, b, method="approximate")
    sd = math.sqrt(2)  # of -1, 1, -1, 2, -1
    t = 2.7764451051977934
    assert found.bias.value == 0.0
    assert found.sd == pytest.approx(sd)
    assert found.bias.se == pytest.approx(sd / math.sqrt(5))
    assert (found.bias.low, found.bias.high) == pytest.approx((-t * sd / math.sqrt(5), t * sd / math.sqrt(5)))
    se = sd * math.sqrt(1 / 5 + Z**2 / 8)
    assert found.upper.value == pytest.approx(Z * sd)
    assert found.upper.se == found.lower.se == pytest.approx(se)
    assert (found.upper.low, found.upper.high) == pytest.approx((Z * sd - t * se, Z * sd + t * se))
    assert (found.lower.low, found.lower.high) == pytest.approx((-Z * sd - t * se, -Z * sd + t * se))
    assert (found.bias.method, found.lower.method, found.upper.method) == ("t", "Bland-Altman", "Bland-Altman")
    assert (found.n, found.n_pairs, found.coverage, found.scale, found.note, found.n_missing) == (
        5, 5, 0.95, "difference", "", 0,
    )  # fmt: skip
    assert found.mean.tolist() == [10.5, 11.5, 15.5, 17.0, 20.5]
    assert found.difference.tolist() == [-1.0, 1.0, -1.0, 2.0, -1.0]
    assert (found.bias.n, found.bias.level) == (5, 0.95)
    with pytest.raises(ValueError, match="read-only"):
        found.mean[0] = 1
    exact = bland_altman(a, b)
    assert exact.upper.method == "Carkeet"
    # Hahn and Meeker's one-sided tolerance factors: qt(c(0.025, 0.975), 4, ncp = 1.96 sqrt(5))/sqrt(5)
    assert exact.upper.value == found.upper.value
    assert (exact.upper.high - exact.upper.value) > 2 * (exact.upper.value - exact.upper.low)  # skewed outwards
    assert exact.lower.low == pytest.approx(-exact.upper.high)
    assert exact.lower.high == pytest.approx(-exact.upper.low)
    assert exact.upper.se == found.upper.se


@quick
@given(st.integers(0, 10**6), st.sampled_from(["exact", "approximate"]), st.sampled_from(["difference", "ratio"]))
def test_laws(seed: int, method: str, scale: str) -> None:
    a, b = (np.abs(v) + 1 for v in pairs(seed))
    ours = bland_altman(a, b, method=method, scale=scale)
    turned = bland_altman(b, a, method=method, scale=scale)
    flip = (lambda v: 1 / v) if scale == "ratio" else (lambda v: -v)
    for here, there in ((ours.bias, turned.bias), (ours.lower, turned.upper), (ours.upper, turned.lower)):
        want = [flip(there.value), flip(there.high), flip(there.low)]
        assert [here.value, here.low, here.high] == pytest.approx(want, rel=1e-8, abs=1e-9)
        assert here.low < here.value < here.high
        assert here.se == pytest.approx(there.se)
    order = np.random.default_rng(seed).permutation(a.size)
    assert ends(bland_altman(a[order], b[order], method=method, scale=scale)) == pytest.approx(ends(ours), rel=1e-9)
    units = bland_altman(10 * a, 10 * b, method=method, scale=scale)
    factor = 1 if scale == "ratio" else 10
    assert ends(units) == pytest.approx([factor * v for v in ends(ours)], rel=1e-7, abs=1e-9)
    wide = bland_altman(a, b, method=method, scale=scale, coverage=0.99, level=0.99)
    assert wide.lower.value < ours.lower.value < ours.upper.value < wide.upper.value
    assert wide.coverage == 0.99
    assert wide.bias.low < ours.bias.low
    times = np.random.default_rng(seed).integers(1, 3, a.size)
    weighted = bland_altman(a, b, method=method, scale=scale, weights=times)
    assert ends(weighted) == pytest.approx(
        ends(bland_altman(np.repeat(a, times), np.repeat(b, times), method=method, scale=scale))
    )


def test_ratio() -> None:
    a, b = pairs(3)
    a, b = np.exp(a / 30), np.exp(b / 30)
    ratio, logs = bland_altman(a, b, scale="ratio"), bland_altman(np.log(a), np.log(b))
    assert ends(ratio) == pytest.approx(np.exp(ends(logs)))
    assert ratio.sd == pytest.approx(logs.sd)
    assert ratio.bias.se == pytest.approx(logs.bias.se)
    assert ratio.bias.method == "t, se of the log"
    assert ratio.upper.method == "Carkeet, se of the log"
    np.testing.assert_allclose(ratio.difference, a / b)
    np.testing.assert_allclose(ratio.mean, np.sqrt(a * b))
    assert ratio.slope.value == pytest.approx(logs.slope.value)
    assert ratio.scale == "ratio"
    with pytest.raises(InputError, match=r"`b` must be positive for ratios; 2 of 3 values are not \(first: row 1\)"):
        bland_altman([1.0, 2.0, 3.0], [1.0, 0.0, -1.0], scale="ratio")


def test_proportional_bias() -> None:
    truth = np.arange(1.0, 41.0)
    noise = np.tile([0.3, -0.3, -0.3, 0.3], 10)
    found = bland_altman(1.2 * truth + noise, truth)
    assert found.slope.value == pytest.approx(0.2 / 1.1, rel=0.02)
    assert found.slope.low < 0.2 / 1.1 < found.slope.high
    assert found.slope_test.p_value < 1e-10
    assert found.slope_test.df == 38.0
    assert (found.slope.n, found.slope_test.n) == (40, 40)
    assert found.slope.method == found.slope_test.method == "slope of the difference on the mean"
    line = bland_altman(1.2 * truth, truth)
    assert line.slope.value == pytest.approx(0.2 / 1.1)
    assert line.slope.note == line.slope_test.note == "the differences lie on a line: no interval"
    assert math.isnan(line.slope_test.p_value)
    two = bland_altman([1.0, 2.0], [1.5, 1.7])
    assert two.slope.note == "fewer than three subjects: no slope"
    assert two.slope_test.df is None
    assert two.upper.high > two.upper.value
    level = bland_altman([1.0, 2.0, 3.0], [3.0, 2.0, 1.0])
    assert level.slope.note == "every mean is the same: no slope"
    assert math.isnan(level.slope.value)


def test_differences_all_alike() -> None:
    same = bland_altman([2.0, 3.0, 4.0], [1.0, 2.0, 3.0])
    assert [same.bias.value, same.lower.value, same.upper.value] == [1.0, 1.0, 1.0]
    assert np.isnan(ends(same)).sum() == 6
    assert math.isnan(same.sd)
    assert same.note == "every difference is the same: no interval"
    assert same.slope.note == "the differences lie on a line: no interval"
    approximate = bland_altman([2.0, 3.0, 4.0], [1.0, 2.0, 3.0], method="approximate")
    assert np.isnan(ends(approximate)).sum() == 6
    one = bland_altman([2.0], [1.0])
    assert one.bias.value == 1.0
    assert math.isnan(one.lower.value)
    assert one.note == "one subject: no limits"
    assert repr(one) == "difference: bias 1, limits nan to nan (n = 1, 1 pairs; one subject: no limits)"


def test_missing_and_bad_input() -> None:
    a, b = pairs(1, 6)
    a[2] = math.nan
    ours = bland_altman(a, b, missing="complete-case")
    assert (ours.n, ours.n_missing) == (5, 1)
    assert ours.note == "1 of 6 patients left out as incomplete (complete case)"
    with pytest.raises(InputError, match=r"`a` is missing \(NaN\) for 1 of 6"):
        bland_altman(a, b)
    with pytest.raises(InputError, match="`a` has 6 measurements and `b` has 5; they must be pairs"):
        bland_altman(b, b[:5])
    with pytest.raises(InputError, match="`method` must be one of"):
        bland_altman(b, b, method="bootstrap")
    with pytest.raises(InputError, match="`scale` must be one of"):
        bland_altman(b, b, scale="log")
    for bad in ({"level": 95}, {"coverage": 95}):
        with pytest.raises(InputError, match="must lie strictly between 0 and 1"):
            bland_altman(b, b + np.array([1, 2, 3, 1, 2, 3]), **bad)


@pytest.mark.parametrize("method", ["exact", "approximate"])
def test_limits_cover(method: str) -> None:
    rng = np.random.default_rng(4)
    upper = lower = bias = 0
    for _ in range(1500):
        found = bland_altman(rng.normal(1, 1, 12), np.zeros(12), method=method)
        upper += found.upper.low <= 1 + Z <= found.upper.high
        lower += found.lower.low <= 1 - Z <= found.lower.high
        bias += found.bias.low <= 1 <= found.bias.high
    near = 0.017 if method == "exact" else 0.04
    for covered in (upper, lower, bias):
        assert covered / 1500 == pytest.approx(0.95, abs=near)


# --- repeated ---------------------------------------------------------------------------------


def test_repeated_by_hand() -> None:
    a, b = np.array([10.0, 11.0, 15.0, 14.0, 20.0, 22.0]), np.array([11.0, 11.0, 14.0, 15.0, 19.0, 20.0])
    found = bland_altman_repeated(a, b, list("xxyyzz"))
    # d = -1, 0 | 1, -1 | 1, 2; means -0.5, 0, 1.5 about 1/3: MSB = 13/6, MSW = 1, n_0 = 2
    sd = math.sqrt(13 / 12 + 1 / 2)
    assert found.sd == pytest.approx(sd)
    assert found.bias.value == pytest.approx(1 / 3)
    assert found.bias.se == pytest.approx(math.sqrt(7 / 12 * 12 / 36 + 1 / 6))
    assert found.bias.high - found.bias.value == pytest.approx(4.302652729749464 * found.bias.se)
    assert (found.lower.value, found.upper.value) == pytest.approx((1 / 3 - Z * sd, 1 / 3 + Z * sd))
    assert found.upper.high - found.upper.value > found.upper.value - found.upper.low > 0
    assert found.lower.value - found.lower.low == pytest.approx(found.upper.high - found.upper.value)
    assert found.lower.high - found.lower.value == pytest.approx(found.upper.value - found.upper.low)
    assert (found.n, found.n_pairs, found.note, found.bias.n) == (3, 6, "", 3)
    assert (found.bias.method, found.upper.method) == ("t", "Zou")
    assert math.isnan(found.upper.se)
    assert found.slope.n == 3
    assert found.slope_test.df == 1.0
    assert found.mean.size == found.difference.size == 6
    ratio = bland_altman_repeated(np.exp(a), np.exp(b), list("xxyyzz"), scale="ratio")
    assert ends(ratio) == pytest.approx(np.exp(ends(found)))


def test_a_variance_below_zero_is_said() -> None:
    d = np.array([1.0, -1.0, 2.0, -2.0, 1.5, -1.4])
    found = bland_altman_repeated(d + 5, np.full(6, 5.0), [1, 1, 2, 2, 3, 3])
    assert found.note == "variance of the differences between subjects estimated below zero"
    assert found.sd > 0
    within = (2.0 + 8.0 + 4.205) / 3
    assert found.bias.se == pytest.approx(math.sqrt(within / 6))
    means = np.array([0.0, 0.0, 0.05])
    msb = 2 * ((means - means.mean()) ** 2).sum() / 2
    assert found.sd == pytest.approx(math.sqrt(msb / 2 + within / 2))
    assert found.lower.high > found.lower.value


def test_where_repetition_tells_nothing() -> None:
    once = bland_altman_repeated([1.0, 2.0, 4.0], [1.0, 1.0, 1.0], [1, 2, 3])
    assert once.note == "no subject has two pairs: use bland_altman"
    one = bland_altman_repeated([1.0, 2.0, 4.0], [1.0, 1.0, 1.0], [7, 7, 7])
    assert one.note == "one subject: no limits"
    same = bland_altman_repeated([2.0, 3.0, 4.0], [1.0, 2.0, 3.0], [1, 1, 2])
    assert same.note == "every difference is the same: no interval"
    assert same.bias.value == 1.0
    single = bland_altman_repeated([2.0], [1.0], [1])
    assert single.note == "one subject: no limits"
    for found in (once, one, same, single):
        assert np.isnan(ends(found)).sum() == 8
        assert math.isnan(found.sd)


def test_repeated_bad_input() -> None:
    a, b = pairs(2, 6)
    with pytest.raises(InputError, match=r"`subjects` must have one entry a pair, 6; its shape is \(5,\)"):
        bland_altman_repeated(a, b, [1, 1, 2, 2, 3])
    with pytest.raises(InputError, match=r"`subjects` is missing \(NaN\) for 1 of 6"):
        bland_altman_repeated(a, b, [1, 1, 2, 2, 3, math.nan])
    ours = bland_altman_repeated(a, b, [1, 1, 2, 2, 3, math.nan], missing="complete-case")
    assert (ours.n, ours.n_pairs, ours.n_missing) == (3, 5, 1)


def test_repeated_limits_cover() -> None:
    rng = np.random.default_rng(8)
    who = np.repeat(np.arange(25), 3)
    upper = 1 + Z * math.sqrt(1 + 0.5)
    covered = 0
    for _ in range(600):
        d = 1 + rng.normal(0, 1, 25)[who] + rng.normal(0, math.sqrt(0.5), 75)
        found = bland_altman_repeated(d, np.zeros(75), who)
        covered += found.upper.low <= upper <= found.upper.high
    assert covered / 600 == pytest.approx(0.95, abs=0.025)
