from __future__ import annotations

import json
import math

import numpy as np

from validkit import stats
from validkit.report import values


def through_json(result):
    return json.loads(json.dumps(result.to_dict(), allow_nan=False))


def test_estimates_of_the_yardstick_come_back_unchanged():
    e = stats.Estimate(0.7, 0.6, math.inf, 0.95, "DeLong", 0.05, 127, 31, "wide")
    found = values.estimate(through_json(e))
    assert (found.value, found.low, found.high, found.level) == (0.7, 0.6, math.inf, 0.95)
    assert (found.method, found.n, found.n_events, found.note) == ("DeLong", 127, 31, "wide")
    assert found.defined
    assert found.has_interval


def test_undefined_estimate_has_neither_value_nor_interval():
    found = values.estimate(through_json(stats.Estimate(math.nan, note="no events")))
    assert not found.defined
    assert not found.has_interval
    assert found.note == "no events"
    assert values.estimate(None).note == "not recorded"


def test_tests_of_the_yardstick_come_back_unchanged():
    t = values.test(through_json(stats.TestResult(12.4, 0.13, 10, "Hosmer-Lemeshow", 127, 31)))
    assert (t.statistic, t.p_value, t.df, t.method, t.n) == (12.4, 0.13, 10.0, "Hosmer-Lemeshow", 127)
    assert math.isnan(values.test(None).p_value)


def test_curves_with_and_without_band():
    x, y = np.linspace(0, 1, 5), np.arange(5.0)
    plain = values.curve(through_json(stats.Curve(x, y)))
    assert not plain.has_band
    banded = values.curve(through_json(stats.Curve(x, y, y - 1, y + 1)))
    assert banded.has_band
    np.testing.assert_array_equal(banded.low, y - 1)


def test_no_curve_from_null_empty_or_ragged_records():
    assert values.curve(None) is None
    assert values.curve({"x": [], "y": []}) is None
    assert values.curve({"x": [0, 1], "y": [0]}) is None


def test_number_reads_what_json_holds():
    assert math.isnan(values.number(None))
    assert math.isnan(values.number("?"))
    assert values.number("-inf") == -math.inf
    assert values.count(None) is None
    assert values.count(3.0) == 3
