"""Table 2: univariable, then multivariable logistic regression."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from validkit.errors import InputError
from validkit.stats.regression import likelihood_ratio_test, logistic_regression
from validkit.stats.screening import screen_predictors, table_two

REFERENCE = Path(__file__).resolve().parents[1] / "reference"


def cohort() -> tuple[pd.DataFrame, pd.Series]:
    data = pd.read_csv(REFERENCE / "logistic_data.csv").drop(columns=["marker", "score"])
    data["histology"] = pd.Categorical(data["histology"], ["squamous", "adeno", "other"])
    return data, data.pop("y")


def by_name(screen):
    return {item.name: item for item in screen.predictors}


def test_every_predictor_alone_is_its_own_regression():
    data, y = cohort()
    found = by_name(screen_predictors(data, y))
    for name in ("diameter", "rbc", "parity", "smoker"):
        fit = logistic_regression(data[[name]].astype(float), y)
        assert found[name].univariable.odds_ratios[0] == fit.odds_ratios[1]
        assert found[name].univariable.test.p_value == fit.wald[1].p_value
    dummies = pd.DataFrame({f"histology={k}": (data["histology"] == k).astype(float) for k in ("adeno", "other")})
    joint = likelihood_ratio_test(dummies, y, list(dummies.columns))
    assert found["histology"].univariable.test == joint
    assert found["histology"].columns == ("histology=adeno", "histology=other")


def test_those_that_pass_are_one_regression_and_significant_ones_are_selected():
    data, y = cohort()
    screen = screen_predictors(data, y)
    assert screen.selected == ("diameter", "rbc")
    fit = logistic_regression(data[["diameter", "rbc"]], y)
    assert screen.model.beta == pytest.approx(fit.beta, abs=1e-12)
    assert by_name(screen)["parity"].multivariable is None
    everyone = screen_predictors(data, y, univariable_alpha=1.0, multivariable_alpha=1.0)
    assert len(everyone.model.names) == 7
    assert by_name(everyone)["histology"].multivariable.test.df == 2


def test_the_table_has_a_row_for_every_predictor_and_level():
    data, y = cohort()
    table = table_two(data, y, units={"diameter": "mm"}, labels={"rbc": "Red cells"})
    assert table.columns[:5] == ("predictor", "unit", "univariable OR", "univariable 95 % CI", "univariable p")
    first = [row[0] for row in table.rows]
    assert first[:2] + first[-4:] == [
        "diameter",
        "Red cells",
        "histology",
        "  squamous (reference)",
        "  adeno",
        "  other",
    ]
    assert table.rows[0][1:5] == ("mm", "1.105", "[1.066, 1.146]", "< 0.001")
    assert table.columns[5:] == ("multivariable OR", "multivariable 95 % CI", "multivariable p", "VIF")
    assert table.rows[2][5:] == (None, None, None, None)
    assert "Intervals: Wald. VIF: variance inflation in the multivariable model." in table.note
    assert "selected: diameter, rbc (p < 0.05)" in table.note


def test_none_passing_is_an_empty_choice_with_its_reason():
    rng = np.random.default_rng(11)
    data = pd.DataFrame({"a": rng.normal(size=80), "b": rng.normal(size=80)})
    y = np.tile([0, 1], 40)
    screen = screen_predictors(data, y, univariable_alpha=1e-6)
    assert (screen.selected, screen.model) == ((), None)
    assert "No predictor has p < 1e-06 alone" in screen.note
    assert "selected: none" in screen.table().note


def test_what_does_not_vary_or_repeats_another_is_left_out_with_the_reason():
    data, y = cohort()
    data["flat"] = 1.0
    data["double"] = 2 * data["diameter"] + 3
    data["stage"] = pd.Categorical(["II"] * len(data), ["I", "II"])
    found = by_name(screen_predictors(data, y))
    assert found["flat"].univariable is None
    assert found["flat"].note == "does not vary"
    assert found["stage"].note == "no patient with 'I'; does not vary"
    assert found["double"].multivariable is None
    assert "follows exactly from the predictors before it" in found["double"].note
    rows = {row[0]: row for row in screen_predictors(data, y).table().rows}
    assert rows["flat"][2] == "does not vary"


def test_separation_is_stated_and_has_finite_odds_ratios():
    data, y = cohort()
    data["marker"] = ((y == 1) & (data["diameter"] > 45)).astype(float)
    screen = screen_predictors(data, y)
    item = by_name(screen)["marker"]
    assert math.isfinite(item.univariable.odds_ratios[0].high)
    assert item.univariable.test.method == "penalised likelihood ratio"
    assert "quasi-complete separation" in screen.note
    plain = by_name(screen_predictors(data, y, penalty="none"))["marker"]
    assert math.isnan(plain.univariable.test.p_value)
    assert plain.multivariable is None


def test_fewer_than_two_events_is_undefined_everywhere():
    data, _ = cohort()
    y = np.zeros(len(data), int)
    y[0] = 1
    screen = screen_predictors(data, y)
    assert screen.selected == ()
    assert all(math.isnan(item.univariable.test.p_value) for item in screen.predictors)
    assert "1 events and 159 non-events" in screen.note


def test_what_is_refused():
    data, y = cohort()
    holes = data.set_index(pd.Index([f"P{i}" for i in range(len(data))]))
    holes.loc["P7", "rbc"] = np.nan
    holes.loc[["P1", "P2"], "histology"] = np.nan
    with pytest.raises(InputError, match=r"'rbc' is .* 1 of 160 .*\(rows P7\); column 'histology' .*\(rows P1, P2\)"):
        screen_predictors(holes, y.to_numpy())
    with pytest.raises(InputError, match="`univariable_alpha` must lie in"):
        screen_predictors(data, y, univariable_alpha=0)
    with pytest.raises(InputError, match="different patients"):
        screen_predictors(data, y.iloc[::-1])


def test_profile_intervals_bring_the_likelihood_ratio_p_value():
    data, y = cohort()
    screen = screen_predictors(data, y, interval="profile", univariable_alpha=1.0)
    for name in ("diameter", "rbc", "parity", "smoker"):
        fit = logistic_regression(data[[name]].astype(float), y, interval="profile")
        effect = by_name(screen)[name].univariable
        assert effect.odds_ratios[0] == fit.odds_ratios[1]
        assert effect.odds_ratios[0].method == "profile likelihood"
        assert effect.p_values == (fit.likelihood_ratio[1].p_value,)
        assert effect.test == fit.likelihood_ratio[1]
    assert screen.model.interval == "profile"
    wald = screen_predictors(data, y, interval="wald", univariable_alpha=1.0)
    assert wald.predictors == screen_predictors(data, y, univariable_alpha=1.0).predictors
    assert wald.model.interval == "wald"
    assert "Intervals: profile likelihood. " in table_two(data, y, interval="profile").note
    with pytest.raises(InputError, match="`interval` must be one of 'wald', 'profile', not 'exact'"):
        table_two(data, y, interval="exact")


def test_the_table_shows_variance_inflation():
    data, y = cohort()
    data["depth"] = data["diameter"] + 3 * np.sin(np.arange(len(data)))
    screen = screen_predictors(data, y, univariable_alpha=1.0)
    rows = {row[0]: row[-1] for row in screen.table().rows}
    found = {item.name: item.inflation for item in screen.predictors}
    assert (found["histology"].df, found["diameter"].df) == (2, 1)
    assert found["diameter"].gvif > 10 > found["rbc"].gvif
    assert rows["diameter"] == f"{found['diameter'].gvif:.2f}"
    assert rows["histology"] == f"{found['histology'].gvif:.2f} (GVIF, df 2)"
    assert rows["  adeno"] is None
    narrow = screen_predictors(data.drop(columns="depth"), y)
    assert {item.name for item in narrow.predictors if item.inflation} == {"diameter", "rbc"}
    assert {row[0]: row[-1] for row in narrow.table().rows}["parity"] is None


def test_without_an_estimate_there_is_no_inflation_and_no_interval():
    data, y = cohort()
    data["marker"] = ((y == 1) & (data["diameter"] > 45)).astype(float)
    screen = screen_predictors(data[["marker"]], y, penalty="none")
    assert "Intervals" not in screen.table().note
    both = screen_predictors(data[["marker", "rbc"]], y)
    assert "Intervals: Wald, profile penalised likelihood. " in both.table().note
    assert by_name(both)["marker"].inflation.gvif > 1


def test_outcomes_of_every_sort():
    data, y = cohort()
    want = screen_predictors(data, y).table()
    assert screen_predictors(data, y.astype(bool)).table() == want == screen_predictors(data, y.astype(float)).table()
    with pytest.raises(InputError, match="`y` must be 0 or 1, 1 being the event; 49 of 160 values are not"):
        screen_predictors(data, y + 1)
    with pytest.raises(InputError, match="`y` must hold numbers"):
        screen_predictors(data, y.map({0: "no", 1: "yes"}))
    with pytest.raises(InputError, match="`data` has 160 rows and `y` has 2"):
        screen_predictors(data, [0, 1])
    two = screen_predictors(pd.DataFrame({"a": [1.0, 2.0]}), [0, 1])
    assert "1 events and 1 non-events; a regression needs at least two of each" in two.note


def test_none_significant_together_is_said():
    data, y = cohort()
    screen = screen_predictors(data, y, multivariable_alpha=1e-12)
    assert screen.selected == ()
    assert "No predictor has p < 1e-12 in the multivariable model." in screen.note
    assert "24.5 patients of the rarer outcome for each of the 2 terms" in screen.note
