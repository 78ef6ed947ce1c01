from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest

from validkit.stats import Comparison, Curve, Estimate, Table, TestResult, auc, calibration_curve, compare_auc


def test_to_dict_is_plain_json() -> None:
    estimate = Estimate(np.float64(0.5), math.nan, math.inf, 0.95, "m", -math.inf, np.int64(7), None, "why")
    assert estimate.to_dict() == {
        "value": 0.5,
        "low": None,
        "high": "inf",
        "level": 0.95,
        "method": "m",
        "se": "-inf",
        "n": 7,
        "n_events": None,
        "note": "why",
        "n_missing": 0,
    }
    json.dumps(estimate.to_dict(), allow_nan=False)


def test_nested_records_and_arrays_become_dicts_and_lists() -> None:
    comparison = Comparison(Estimate(0.1), TestResult(1.0, 0.3), "x", "y")
    assert comparison.to_dict()["difference"]["value"] == 0.1
    assert comparison.to_dict()["test"]["df"] is None
    curve = Curve([0, 1], [0.2, math.nan])
    assert curve.to_dict()["y"] == [0.2, None]
    assert curve.to_dict()["low"] == [None, None]
    table = Table("t", ("a", "b"), (("x", np.float64(1.0)), ("y", math.nan)))
    assert table.to_dict()["rows"] == [["x", 1.0], ["y", None]]
    for record in (comparison, curve, table):
        json.dumps(record.to_dict(), allow_nan=False)


def test_results_are_frozen() -> None:
    estimate = Estimate(0.5)
    with pytest.raises(dataclasses.FrozenInstanceError):
        estimate.value = 0.6  # type: ignore[misc]
    curve = Curve([0, 1], [0, 1])
    with pytest.raises(ValueError, match="read-only"):
        curve.y[0] = 3.0


def test_a_curve_does_not_share_memory_with_its_maker() -> None:
    y = np.array([0.0, 1.0])
    curve = Curve([0, 1], y)
    y[0] = 9.0
    assert curve.y[0] == 0.0


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="`low` has 1 points where `x` has 2"):
        Curve([0, 1], [0, 1], [0], [0, 1])
    with pytest.raises(ValueError, match="row 1 has 1 cells for 2 columns"):
        Table("t", ("a", "b"), ((1, 2), (1,)))


def test_repr_reads_like_a_sentence() -> None:
    y, p = [0, 0, 1, 1, 1, 0], [0.1, 0.4, 0.35, 0.8, 0.7, 0.2]
    assert repr(auc(y, p)).startswith("0.8889 [")
    assert "95% DeLong; n = 6, 3 events" in repr(auc(y, p))
    assert repr(auc([1, 1], [0.1, 0.2])) == "undefined (DeLong; n = 2, 2 events; undefined: no non-event)"
    assert repr(compare_auc(y, p, p[::-1], a="new", b="old")).startswith("new - old: 0.1111 [")
    assert repr(calibration_curve(y, p)).startswith("observed share of events against predicted risk: ")
    assert repr(Table("Patients", ("a", "b"), ())) == "Patients: 0 rows of a, b"
    assert repr(TestResult(1.5, 0.2, 3)) == "statistic = 1.5, df = 3, p = 0.2"
