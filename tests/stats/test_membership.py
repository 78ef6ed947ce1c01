"""Two groups compared by the moments of one: the size and power of the test, its laws, and what cannot be compared."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats

from validkit.errors import InputError
from validkit.stats.membership import compare_spreads, membership


def moments(table: np.ndarray) -> dict[str, object]:
    return {"mean": table.mean(axis=0), "covariance": np.atleast_2d(np.cov(table.T)), "n": len(table)}


def test_one_column_is_welchs_test() -> None:
    rng = np.random.default_rng(0)
    here, there = rng.normal(0.3, 2.0, 40), rng.normal(0.0, 1.0, 90)
    found = membership(here[:, None], **moments(there[:, None]))
    welch = scipy_stats.ttest_ind(here, there, equal_var=False)
    assert found.test.statistic == pytest.approx(welch.statistic**2, rel=1e-10)
    assert found.test.p_value == pytest.approx(welch.pvalue, rel=1e-8)


def test_units_and_rotations_do_not_matter() -> None:
    rng = np.random.default_rng(1)
    here, there = rng.normal(size=(50, 3)) + np.array([0.5, 0, 0]), rng.normal(size=(70, 3))
    turn = np.array([[2.0, 1.0, 0.0], [0.0, 30.0, 1.0], [5.0, 0.0, 0.1]])
    plain, turned = (membership(a @ m, **moments(b @ m)) for m in (np.eye(3), turn) for a, b in [(here, there)])
    assert turned.test.statistic == pytest.approx(plain.test.statistic, rel=1e-8)
    assert turned.test.p_value == pytest.approx(plain.test.p_value, rel=1e-7)
    assert turned.concordance.value == pytest.approx(plain.concordance.value, rel=1e-8)


def test_its_error_rate_and_its_power() -> None:
    rng = np.random.default_rng(2)
    p_values: dict[float, list[float]] = {0.0: [], 0.6: []}
    for shift, found in p_values.items():
        for _ in range(600):
            here = rng.normal(size=(60, 4)) * [1, 2, 1, 1] + [shift, 0, 0, 0]
            there = rng.exponential(size=(150, 4)) - 1.0
            found.append(membership(here, **moments(there)).test.p_value)
    assert 0.03 <= np.mean(np.array(p_values[0.0]) < 0.05) <= 0.075
    assert np.mean(np.array(p_values[0.6]) < 0.05) > 0.8


def test_concordance_is_one_half_where_nothing_differs_and_near_one_where_all_does() -> None:
    rng = np.random.default_rng(3)
    here, there = rng.normal(size=(5000, 2)), rng.normal(size=(5000, 2))
    assert membership(here, **moments(there)).concordance.value == pytest.approx(0.5, abs=0.02)
    assert membership(here + 5, **moments(there)).concordance.value > 0.999
    apart = membership(here + np.array([1.0, 0.0]), **moments(there)).concordance.value
    assert apart == pytest.approx(scipy_stats.norm.cdf(1 / np.sqrt(2)), abs=0.02)


def test_columns_that_tell_nothing_are_left_out() -> None:
    rng = np.random.default_rng(4)
    one = rng.normal(size=(40, 1))
    table = np.hstack([one, np.ones((40, 1)), 2 * one, rng.normal(size=(40, 1))])
    found = membership(table, **moments(table[:30]), names=["a", "constant", "twice a", "b"])
    assert found.columns == ("a", "b")
    assert found.left_out == (
        "constant: constant, or a sum of other columns",
        "twice a: constant, or a sum of other columns",
    )
    nothing = membership(np.ones((5, 1)), mean=[1.0], covariance=[[0.0]], n=9)
    assert np.isnan(nothing.test.p_value)
    assert "every column is constant" in nothing.test.note


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mean": [0.0]}, "`X` has 2 columns"),
        ({"covariance": [[1.0]]}, "`X` has 2 columns"),
        ({"n": 1}, "n"),
        ({"names": ["a"]}, "`names` has 1 names"),
        ({"mean": [0.0, np.nan]}, "mean"),
    ],
)
def test_bad_input_is_named(change: dict[str, object], message: str) -> None:
    good: dict[str, object] = {"mean": [0.0, 0.0], "covariance": np.eye(2), "n": 20}
    with pytest.raises(InputError, match=message):
        membership(np.random.default_rng(0).normal(size=(10, 2)), **{**good, **change})


def test_spreads_are_compared_at_the_stated_rate() -> None:
    rng = np.random.default_rng(5)

    def sd(values: np.ndarray) -> tuple[float, float]:
        centred = values - values.mean()
        s2 = centred.var(ddof=1)
        return float(np.sqrt(s2)), float(np.sqrt((np.mean(centred**4) - s2**2) / len(values)) / (2 * np.sqrt(s2)))

    found = [
        [compare_spreads(*sd(rng.normal(0, f, 200)), *sd(rng.normal(5, 1.0, 300))).p_value for _ in range(600)]
        for f in (1.0, 1.4)
    ]
    assert 0.03 <= np.mean(np.array(found[0]) < 0.05) <= 0.075
    assert np.mean(np.array(found[1]) < 0.05) > 0.9
    assert "0 or unknown" in compare_spreads(0.0, 0.1, 1.0, 0.1).note
