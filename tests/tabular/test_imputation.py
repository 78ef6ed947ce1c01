from __future__ import annotations

import time
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import BayesianRidge

from validkit.errors import InputError, StageError
from validkit.sections import Imputation
from validkit.tabular.draws import patient_keys, uniform
from validkit.tabular.imputation import Imputer
from validkit.tabular.regression import bayesian_ridge

ITERATIVE = Imputation(method="iterative", copies=3, iterations=4)


def imputer(data: Any, setting: Imputation = ITERATIVE, seed: int = 1, **rest: Any) -> Imputer:
    return Imputer(setting, data.kinds, data.levels, random_state=seed, **rest)


# --- the parts -------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "q"), [(300, 8), (60, 20), (8, 20), (12, 5)])
def test_the_regression_is_scikit_learns_bayesian_ridge(n: int, q: int) -> None:
    rng = np.random.default_rng(n)
    x = rng.standard_normal((n, q)) * np.linspace(0.5, 2, q)
    y = np.column_stack([x[:, :2].sum(axis=1) + rng.standard_normal(n), rng.standard_normal(n)])
    found, _ = bayesian_ridge(x, y, rng)
    for j in range(2):
        reference = BayesianRidge().fit(x, y[:, j])
        assert found.slopes[:, j] == pytest.approx(reference.coef_, abs=2e-3)
        assert found.at(x)[:, j] == pytest.approx(reference.predict(x), abs=5e-3)


def test_drawn_coefficients_have_the_posterior_covariance() -> None:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((40, 3))
    x[:, 2] += x[:, 0]
    y = x[:, 0] + rng.standard_normal(40)
    reference = BayesianRidge().fit(x, y)
    drawn = [bayesian_ridge(x, y[:, None], rng)[1] for _ in range(4000)]
    draws = np.array([line.slopes[:, 0] for line in drawn])
    assert draws.mean(axis=0) == pytest.approx(reference.coef_, abs=0.02)
    assert np.cov(draws.T) == pytest.approx(reference.sigma_, rel=0.2, abs=0.003)
    assert np.var([line.intercept[0] for line in drawn]) == pytest.approx(1 / (40 * reference.alpha_), rel=0.2)


def test_a_patients_draws_are_uniform_and_the_patients_own() -> None:
    keys = patient_keys([f"P{i}" for i in range(4000)], 5)
    draws = np.column_stack([uniform(keys, counter) for counter in range(6)])
    assert draws.min() >= 0
    assert draws.max() < 1
    assert np.histogram(draws, bins=10)[0] == pytest.approx(np.full(10, 2400), rel=0.1)
    assert np.corrcoef(draws.T) == pytest.approx(np.eye(6), abs=0.06)
    assert np.array_equal(uniform(keys[::-1], 2), draws[::-1, 2])
    assert not np.array_equal(patient_keys(["P1"], 5), patient_keys(["P1"], 6))


# --- the imputer -----------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["simple", "iterative"])
def test_copies_are_complete_typed_as_before_and_within_what_was_observed(data: Any, method: Any) -> None:
    table = data.inputs.predictors
    before = table.copy(deep=True)
    complete = imputer(data, ITERATIVE.model_copy(update={"method": method})).fit(table).transform(table)
    assert table.equals(before)
    assert not complete.isna().any(axis=None)
    assert complete.dtypes.to_dict() == table.dtypes.to_dict()
    assert complete.index.equals(table.index)
    for name in table.columns:
        seen = table[name].notna()
        assert complete.loc[seen, name].equals(table.loc[seen, name])
        given = set(complete.loc[~seen, name])
        if method == "iterative" or data.kinds[name] != "continuous":
            assert given <= set(table.loc[seen, name])
        elif given:
            assert given == {table[name].median()}


def test_simple_imputation_takes_the_middle_or_the_most_frequent() -> None:
    kinds = {"a": "continuous", "o": "ordinal", "b": "binary", "c": "categorical"}
    levels = {"o": ("x", "y", "z"), "c": ("u", "v", "w")}
    table = pd.DataFrame(
        {
            "a": [1.0, 2.0, 4.0, 9.0, np.nan],
            "o": [0.0, 0.0, 2.0, 2.0, np.nan],
            "b": [1.0, 0.0, 1.0, 0.0, np.nan],
            "c": pd.Categorical(["w", "w", "v", "v", None], categories=["u", "v", "w"]),
        },
        index=list("ABCDE"),
    )
    filled = Imputer(Imputation(), kinds, levels, random_state=0).fit(table).transform(table).loc["E"]
    assert filled.to_dict() == {"a": 3.0, "o": 0.0, "b": 0.0, "c": "v"}


def test_copies_differ_and_come_back_the_same(data: Any) -> None:
    table = data.inputs.predictors
    fitted = imputer(data).fit(table)
    copies = [fitted.transform(table, copy=k) for k in (1, 2, 3)]
    assert not copies[0].equals(copies[1])
    assert not copies[1].equals(copies[2])
    again = imputer(data, copies=(3,)).fit(table)
    assert again.transform(table, copy=3).equals(copies[2])
    assert fitted.fit(table).transform(table, copy=2).equals(copies[1])
    assert not imputer(data, seed=2).fit(table).transform(table).equals(copies[0])
    with pytest.raises(InputError, match="copy 1 of the imputation was not learnt; learnt: 3"):
        again.transform(table, copy=1)


def test_held_out_patients_are_imputed_alone_and_influence_nothing(data: Any) -> None:
    table = data.inputs.predictors
    training, held_out = table.iloc[:100], table.iloc[100:]
    fitted = imputer(data).fit(training)
    whole = fitted.transform(held_out, copy=1)
    shuffled = held_out.sample(frac=1, random_state=0)
    assert fitted.transform(shuffled, copy=1).loc[whole.index].equals(whole)
    for name in held_out.index[:10]:
        assert fitted.transform(held_out.loc[[name]], copy=1).equals(whole.loc[[name]])
    again = imputer(data).fit(training)
    assert again.transform(training, copy=1).equals(fitted.transform(training, copy=1))


def test_imputed_values_follow_the_others() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal(400)
    kinds = {"x": "continuous", "z": "continuous", "c": "categorical"}
    levels = {"c": ("low", "mid", "high")}
    truth = pd.cut(pd.Series(x), [-9, -0.5, 0.5, 9], labels=["low", "mid", "high"]).astype(object)
    table = pd.DataFrame({"x": x, "z": 2 * x + 0.1 * rng.standard_normal(400)}, index=[f"P{i}" for i in range(400)])
    table["c"] = pd.Categorical(truth.where(rng.random(400) < 0.7), categories=list(levels["c"]))
    gone = rng.random(400) < 0.3
    hidden = table["z"][gone].copy()
    table.loc[gone, "z"] = np.nan
    complete = Imputer(ITERATIVE, kinds, levels, random_state=0).fit(table).transform(table)
    assert np.corrcoef(complete["z"][gone], hidden)[0, 1] > 0.95
    asked = table["c"].isna().to_numpy()
    assert (complete["c"].astype(object).to_numpy() == truth.to_numpy())[asked].mean() > 0.75


def test_rubins_interval_of_a_mean_covers_it() -> None:
    """Values missing at random given x: the pooled interval of the mean covers, that of the complete cases does not."""
    kinds = {"x": "continuous", "z": "continuous"}
    setting = Imputation(method="iterative", copies=10, iterations=3)
    covered = complete_cases = 0
    n = 400
    for seed in range(60):
        rng = np.random.default_rng(seed)
        x = rng.standard_normal(n)
        table = pd.DataFrame({"x": x, "z": x + rng.standard_normal(n)}, index=[f"P{i}" for i in range(n)])
        table.loc[rng.random(n) < 1 / (1 + np.exp(-x)), "z"] = np.nan
        fitted = Imputer(setting, kinds, {}, random_state=seed).fit(table)
        copies = [fitted.transform(table, copy=k)["z"] for k in range(1, 11)]
        means = [copy.mean() for copy in copies]
        total = np.mean([copy.var(ddof=1) / n for copy in copies]) + 1.1 * np.var(means, ddof=1)
        covered += abs(np.mean(means)) < 2.05 * np.sqrt(total)
        complete_cases += abs(table["z"].mean()) < 2 * table["z"].sem()
    assert covered >= 51  # 0.95 less 3.6 standard errors
    assert complete_cases < 10


def test_columns_without_a_value_are_left_out_and_said(data: Any) -> None:
    table = data.inputs.predictors.copy()
    table["marker"] = np.nan
    table["site of pain"] = pd.Categorical([None] * len(table), categories=list(data.levels["site of pain"]))
    table.iloc[3:, list(table.columns).index("stage")] = np.nan
    fitted = imputer(data).fit(table)
    assert fitted.dropped_ == ("marker", "site of pain")
    complete = fitted.transform(data.inputs.predictors)
    assert list(complete.columns) == ["age", "male", "stage"]
    assert not complete.isna().any(axis=None)
    assert any("marker: no training patient has a value" in note for note in fitted.notes())
    assert any("stage: its imputation rests on" in note for note in fitted.notes())
    with pytest.raises(StageError, match="no training patients"):
        imputer(data).fit(table.iloc[:0])


def test_constant_columns_and_a_single_observed_value_are_no_obstacle(data: Any) -> None:
    table = data.inputs.predictors.copy()
    table["male"] = table["male"].where(table["male"].isna(), 1.0)
    table["stage"] = np.nan
    table.iloc[5, list(table.columns).index("stage")] = 2.0
    complete = imputer(data).fit(table).transform(data.inputs.predictors)
    assert set(complete["stage"][data.inputs.predictors["stage"].isna()]) == {2.0}
    nothing = data.inputs.predictors.copy()
    nothing.loc[:, [*data.kinds]] = np.nan
    assert not imputer(data).fit(table).transform(nothing.iloc[:4]).isna().any(axis=None)


def test_tables_that_are_not_as_declared_are_refused(data: Any) -> None:
    table = data.inputs.predictors
    fitted = imputer(data).fit(table)
    with pytest.raises(InputError, match="no column 'male'"):
        fitted.transform(table.drop(columns="male"))
    with pytest.raises(InputError, match="'age' is infinite for patient 'P000'"):
        fitted.transform(table.assign(age=np.inf))
    with pytest.raises(InputError, match="its categories are left, right; declared are left, right, both, none"):
        fitted.transform(table.assign(**{"site of pain": pd.Categorical(["left"] * len(table), ["left", "right"])}))
    with pytest.raises(InputError, match=r"must be pandas\.Categorical"):
        fitted.transform(table.assign(**{"site of pain": 1.0}))


def test_twenty_copies_of_a_real_sized_table_take_seconds(tools: Any) -> None:
    big = tools.data(900, 0.4)
    start = time.perf_counter()
    imputer(big, Imputation(method="iterative", copies=20)).fit(big.inputs.predictors)
    assert time.perf_counter() - start < 30
