from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validkit.report import text
from validkit.report.values import Estimate, Test

NBSP = "\u00a0"


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (0.7644, "0.764"),
        (-0.0284, "−0.028"),
        (-0.0002, "0.000"),
        (0.0, "0.000"),
        (999.9994, "999.999"),
        (5806.4, "5,806"),
        (-12345.6, "−12,346"),
        (2.5e9, "2.50×10⁹"),
        (math.nan, "—"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
    ],
)
def test_number_follows_the_one_rule(x, expected):
    assert text.number(x) == expected


@pytest.mark.parametrize(
    ("x", "expected"), [(0.00031, "3.10×10⁻⁴"), (-2.5e-7, "−2.50×10⁻⁷"), (0.0, "0.000"), (0.02, "0.020")]
)
def test_fine_keeps_small_coefficients(x, expected):
    assert text.fine(x) == expected


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        (0.0, "< 0.001"),
        (0.00099, "< 0.001"),
        (0.001, "0.001"),
        (0.0496, "0.050"),
        (0.9995, "> 0.999"),
        (1.0, "> 0.999"),
        (math.nan, "—"),
    ],
)
def test_p_values(p, expected):
    assert text.p_value(p) == expected


@settings(max_examples=60, deadline=None)
@given(st.floats(min_value=0, max_value=1))
def test_a_p_value_is_never_written_as_zero_or_one(p):
    assert text.p_value(p) not in {"0.000", "1.000"}


@settings(max_examples=60, deadline=None)
@given(st.floats(min_value=-999, max_value=999))
def test_number_reads_back_within_half_a_thousandth(x):
    assert float(text.number(x).replace("−", "-")) == pytest.approx(x, abs=0.5001e-3)


def test_estimate_with_interval_and_without():
    e = Estimate(0.764, 0.66, 0.868, 0.95, "DeLong", 127, 31)
    assert text.estimate(e) == "0.764 [0.660, 0.868]"
    assert text.how(e) == f"95 % interval: DeLong; n{NBSP}={NBSP}127, 31{NBSP}events"
    assert text.estimate(Estimate(value=0.5, note="one event")) == "0.500"
    assert text.estimate(Estimate()) == "—"
    assert text.counts(10, 1).endswith(f"1{NBSP}event")


def test_test_how_names_method_statistic_and_df():
    t = Test(12.4, 0.131, 10, "Hosmer-Lemeshow", 127, 31)
    assert text.test_how(t) == f"Hosmer-Lemeshow; statistic 12.400; 10 df; n{NBSP}={NBSP}127, 31{NBSP}events"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min 00 s"),
        (431.27, "7 min 11 s"),
        (3900, "1 h 05 min"),
        (math.nan, "—"),
    ],
)
def test_durations(seconds, expected):
    assert text.duration(seconds) == expected


def test_clean_removes_what_hides_or_reorders_text():
    assert text.clean("a\u202eb\x00c\ud800d") == "a\ufffdb\ufffdc\ufffdd"
    assert text.clean("two\n  lines") == "two lines"
    assert text.clean("n\u00a0=\u00a03") == "n\u00a0=\u00a03"


def test_listed():
    assert text.listed([]) == "none"
    assert text.listed(["a"]) == "a"
    assert text.listed(["a", "b", "c"]) == "a, b and c"
    assert text.listed(list("abcdefghij"), 3) == "a, b, c and 7 more"
