from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from validkit.errors import InputError
from validkit.stats import auc, brier, decision_grid, net_benefit
from validkit.stats.checks import (
    check_binary_risk,
    check_count,
    check_level,
    check_outcome,
    check_threshold,
    check_thresholds,
    exact_decimal,
)

Y, P = [0, 1, 0, 1], [0.1, 0.9, 0.3, 0.6]


@pytest.mark.parametrize(
    "outcome",
    [
        [0, 1, 0, 1],
        (0.0, 1.0, 0.0, 1.0),
        np.array([False, True, False, True]),
        pd.Series([0, 1, 0, 1], dtype="Int64"),
        pd.Series([False, True, False, True], dtype="boolean"),
        np.array([0, 1, 0, 1], dtype=object),
    ],
)
def test_every_usual_form_of_an_outcome_is_understood(outcome: object) -> None:
    assert check_outcome(outcome).tolist() == [0, 1, 0, 1]
    assert brier(outcome, P) == brier(Y, P)


def test_a_missing_prediction_is_an_error_that_names_the_rows() -> None:
    p = np.array([0.1, math.nan, 0.3, math.nan])
    with pytest.raises(InputError, match=r"missing \(NaN\) for 2 of 4 patients \(rows 1, 3\).*not a low risk"):
        auc(Y, p)
    nullable = pd.Series([0.1, None, 0.3, 0.4], dtype="Float64")
    with pytest.raises(InputError, match=r"1 of 4 patients \(row 1\)"):
        auc(Y, nullable)
    masked = np.ma.masked_array(P, mask=[True, False, False, False])
    with pytest.raises(InputError, match=r"1 of 4 patients \(row 0\)"):
        auc(Y, masked)


def test_many_bad_rows_are_counted_and_the_first_named() -> None:
    with pytest.raises(InputError, match=r"missing for 9 of 9 patients \(rows 0, 1, 2, 3, 4 and 4 more\)"):
        check_outcome([math.nan] * 9)


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        ([0, 1, 2, 1], r"must be 0 or 1, 1 being the event; 1 of 4 values are not \(first: row 2 \(2.0\)\)"),
        ([0, 1, math.nan, 1], r"missing for 1 of 4 patients \(row 2\)"),
        (["no", "yes", "no", "yes"], "must hold numbers"),
        (["0", "1", "0", "1"], "must hold numbers.*it holds text"),
        (np.array(["0", "1", "0", 1], dtype=object), "must hold numbers.*it holds text"),
        (pd.Series(["no", "yes", "no", "yes"]), "must hold numbers"),
        ([[0, 1], [0, 1]], r"must have 1 dimension; its shape is \(2, 2\)"),
        ([[0, 1], [0]], "must hold numbers, in rows of one length"),
        ([], "is empty"),
        (np.array([0, 1, 0, 1 + 2j]), "must hold numbers"),
        (np.array(["2020-01-01"] * 4, dtype="datetime64[D]"), "must hold numbers"),
    ],
)
def test_bad_outcomes(outcome: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_outcome(outcome)


@pytest.mark.parametrize(
    ("risk", "message"),
    [
        ([0.1, 1.02, 0.3, 5], r"`y_prob` must lie in \[0, 1\]; 2 of 4 values do not \(first: row 1, 1.02\)"),
        ([0.1, math.inf, 0.3, 0.4], r"must be finite; 1 of 4 values are not \(row 1\)"),
        ([0.1, 0.2, 0.3], "`y_true` has 4 patients and `y_prob` has 3"),
    ],
)
def test_bad_risks(risk: list[float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_binary_risk(Y, risk)


def test_a_score_needs_only_be_finite() -> None:
    assert auc(Y, [-3, 2, -1, 40], scale="score").value == 1.0
    with pytest.raises(InputError, match=r"must lie in \[0, 1\]"):
        auc(Y, [-3, 2, -1, 40])
    with pytest.raises(InputError, match="must be 'risk' or 'score'"):
        auc(Y, P, scale="logit")


def test_patients_in_another_order_are_refused_not_realigned() -> None:
    y = pd.Series(Y, index=["a", "b", "c", "d"])
    p = pd.Series(P, index=["a", "b", "c", "d"])
    assert auc(y, p) == auc(Y, P)
    with pytest.raises(InputError, match="indexed by patients that are in another order"):
        auc(y, p[::-1])
    with pytest.raises(InputError, match="indexed by patients that are not the same"):
        auc(y, p.rename({"a": "z"}))
    assert auc(y, p[::-1].to_numpy()).value == 0.0


@pytest.mark.parametrize("level", [0, 1, 95, -0.1, math.nan, "0.95"])
def test_bad_levels(level: object) -> None:
    with pytest.raises(InputError, match="strictly between 0 and 1"):
        check_level(level)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"did you mean 0\.95\?"):
        check_level(95)


@pytest.mark.parametrize("value", [0, 2.0, True, "3", -1])
def test_bad_counts(value: object) -> None:
    with pytest.raises(InputError, match="whole number of at least 1"):
        check_count(value, "groups")  # type: ignore[arg-type]


def test_a_threshold_just_above_a_decimal_means_the_decimal() -> None:
    assert check_threshold(0.1 * 3) == 0.3
    assert check_threshold(0.3) == 0.3
    assert check_threshold(1 / 3) == 1 / 3
    assert check_threshold(0.3 + 1e-12) == 0.3 + 1e-12
    assert check_threshold(0.8 - 1e-16) <= 0.8
    assert check_thresholds(np.arange(0, 11) * 0.1).tolist() == [i / 10 for i in range(11)]


@pytest.mark.parametrize("threshold", [-0.1, 1.1, math.nan, math.inf, "0.5", [0.5]])
def test_bad_thresholds(threshold: object) -> None:
    with pytest.raises(InputError, match="threshold"):
        net_benefit(Y, P, threshold=threshold)  # type: ignore[arg-type]


def test_bad_lists_of_thresholds() -> None:
    with pytest.raises(InputError, match="strictly increasing"):
        check_thresholds([0.1, 0.1])
    with pytest.raises(InputError, match=r"must lie in \[0, 1\]"):
        check_thresholds([0.1, 1.5])


def test_decimals_are_what_a_person_means() -> None:
    assert exact_decimal(0.1, "step") == Decimal("0.1")
    assert exact_decimal(np.float64(0.1), "step") == Decimal("0.1")
    assert exact_decimal("0.10", "step") == Decimal("0.1")
    for bad in ("a tenth", math.nan, math.inf):
        with pytest.raises(InputError, match="`step`"):
            decision_grid(0, 1, bad)
