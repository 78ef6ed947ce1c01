from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from validkit import stats
from validkit.errors import InputError, StageError
from validkit.sections import Imputation, Predictor
from validkit.store import Store, to_json
from validkit.tabular import expected_fits
from validkit.tabular.before_split import learn_before_split
from validkit.tabular.inputs import TableInputs

TRAINING, HELD_OUT = np.arange(120), np.arange(120, 160)
SEARCH = {"parameters": {"C": [0.1, 1.0]}, "folds": 3}


def declared(tools: Any) -> Any:
    """Two models with everything on."""
    select = {"select": {"keep": 4}, "search": SEARCH, "recalibrate": "platt"}
    return tools.settings(tools.lr | select, tools.trees | {"recalibrate": "isotonic"}, cross_fitting={"folds": 3})


# --- known answers ---------------------------------------------------------------------------


def test_a_complete_table_gives_scikit_learns_own_probabilities(tools: Any) -> None:
    data = tools.data(160, 0.0)
    training, y = data.at(TRAINING)
    held_out, _ = data.at(HELD_OUT)
    model = tools.model(tools.settings(tools.lr), impute=False, cross_fit=False).fit(training, y)

    def encoded(table: pd.DataFrame) -> pd.DataFrame:
        columns = pd.get_dummies(table, columns=["site of pain"], drop_first=True, dtype=float)
        return columns[["age", "male", "marker", *columns.filter(like="site of pain"), "stage"]]

    own = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    own.fit(encoded(training.predictors), y)
    expected = own.predict_proba(encoded(held_out.predictors))[:, 1]
    assert model.predict(held_out)["lr"].to_numpy() == pytest.approx(expected, abs=1e-12)
    record = model.records_["estimators"]["models"][0]
    assert record["columns"] == [
        "age",
        "male",
        "marker",
        *(f"site of pain={level}" for level in ("right", "both", "none")),
        "stage",
    ]
    assert [row["coefficient"] for row in record["coefficients"]["columns"]] == pytest.approx(own[-1].coef_[0].tolist())
    assert model.records_["estimators"]["imputation"] is None


def test_the_search_is_scikit_learns(tools: Any) -> None:
    data = tools.data(160, 0.0)
    training, y = data.at(TRAINING)
    settings = tools.settings(tools.lr | {"search": {"parameters": {"C": [0.001, 0.1, 10.0]}, "folds": 4}})
    model = tools.model(settings, impute=False, cross_fit=False).fit(training, y)
    encoded = pd.get_dummies(training.predictors, columns=["site of pain"], drop_first=True, dtype=float)
    folds = StratifiedKFold(4, shuffle=True, random_state=tools.seed_of("search", 4))
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    grid = {"logisticregression__C": [0.001, 0.1, 10.0]}
    own = GridSearchCV(pipeline, grid, scoring="neg_log_loss", cv=folds).fit(encoded, y)
    record = model.records_["estimators"]["models"][0]["search"]
    assert [row["mean"] for row in record["table"]] == pytest.approx(own.cv_results_["mean_test_score"].tolist())
    assert record["best_score"] == pytest.approx(own.best_score_)
    assert record["chosen"] == {"C": own.best_params_["logisticregression__C"]}
    assert model.chosen_ == {"lr": f"C = {record['chosen']['C']}"}


def test_of_equal_candidates_the_first_is_taken(tools: Any, data: Any) -> None:
    inputs, y = data.at(TRAINING)
    settings = tools.settings(tools.lr | {"search": {"parameters": {"tol": [1e-4, 1.01e-4], "C": [1.0]}, "folds": 3}})
    assert tools.model(settings, cross_fit=False).fit(inputs, y).chosen_ == {"lr": "tol = 0.0001, C = 1.0"}


# --- the same bytes --------------------------------------------------------------------------


def test_two_fits_are_the_same_bytes_and_nothing_given_is_changed(tools: Any) -> None:
    data = tools.data()
    training, y = data.at(TRAINING)
    held_out, _ = data.at(HELD_OUT)
    before = (training.predictors.copy(deep=True), held_out.predictors.copy(deep=True), y.copy())
    first, second = tools.model(declared(tools)).fit(training, y), tools.model(declared(tools)).fit(training, y)
    assert first.predict(held_out).equals(second.predict(held_out))
    assert first.parameters_digest() == second.parameters_digest()
    assert to_json(first.records_) == to_json(second.records_)
    for name, risk in first.cross_fitted_.items():
        assert np.array_equal(risk, second.cross_fitted_[name])
    digest = first.parameters_digest()
    assert first.fit(training, y).parameters_digest() == digest
    assert training.predictors.equals(before[0])
    assert held_out.predictors.equals(before[1])
    assert np.array_equal(y, before[2])


def test_held_out_patients_change_no_parameter_and_their_order_does_not_matter(tools: Any, data: Any) -> None:
    training, y = data.at(TRAINING)
    held_out, _ = data.at(HELD_OUT)
    model = tools.model(declared(tools)).fit(training, y)
    digest, risks = model.parameters_digest(), model.predict(held_out)
    assert risks.notna().all(axis=None)
    assert model.predict(held_out.take(held_out.patients[::-1])).loc[risks.index].equals(risks)
    some = model.predict(held_out.take(held_out.patients[5:9]))
    assert np.allclose(some, risks.iloc[5:9], rtol=0, atol=1e-12)
    assert model.parameters_digest() == digest
    other = tools.model(declared(tools), copy=2).fit(training, y)
    assert other.parameters_digest() != digest


def test_a_worker_each_gives_the_same_bytes(tools: Any, data: Any) -> None:
    training, y = data.at(TRAINING)
    settings = tools.settings(tools.lr | {"search": SEARCH})
    one = tools.model(settings).fit(training, y)
    two = tools.model(settings, engine="loky:2").fit(training, y)
    assert one.parameters_digest() == two.parameters_digest()
    assert to_json(one.records_) == to_json(two.records_)


def test_settings_are_stored_as_given_and_can_be_cloned(tools: Any) -> None:
    model = tools.model(declared(tools))
    again = type(model)(**model.get_params(deep=False))
    assert again.get_params(deep=False) == model.get_params(deep=False)
    assert clone(model, safe=False).settings == model.settings


# --- how many fits ---------------------------------------------------------------------------


@pytest.mark.parametrize("cross_fit", [True, False])
@pytest.mark.parametrize("recalibrate", ["none", "platt", "isotonic"])
@pytest.mark.parametrize("searched", [None, {"C": [0.1]}, {"C": [0.1, 1.0], "fit_intercept": [True, False]}])
def test_fits_are_as_many_as_said_before(
    tools: Any, data: Any, cross_fit: bool, recalibrate: str, searched: Any
) -> None:
    calls: Counter[str] = Counter()

    inputs, y = data.at(TRAINING)
    one = tools.lr | {"recalibrate": recalibrate}
    if searched:
        one["search"] = {"parameters": searched, "folds": 2}
    settings = tools.settings(one, tools.lr | {"name": "plain"}, cross_fitting={"folds": 3})
    with pytest.MonkeyPatch.context() as patch:
        fit = LogisticRegression.fit

        def counting(self: Any, *args: Any, **rest: Any) -> Any:
            calls["fits"] += 1
            return fit(self, *args, **rest)

        patch.setattr(LogisticRegression, "fit", counting)
        model = tools.model(settings, cross_fit=cross_fit, imputation=Imputation()).fit(inputs, y)
    assert model.fits_ == expected_fits(settings, cross_fit)
    recalibrations = 0 if recalibrate == "none" else 4
    assert calls["fits"] == sum(model.fits_.values()) - recalibrations
    crossed = {"lr", "plain"} if cross_fit else {"lr"} if recalibrate != "none" else set()
    assert set(model.cross_fitted_) == crossed


def test_a_finished_search_is_taken_from_its_record(tools: Any, data: Any, tmp_path: Path) -> None:
    inputs, y = data.at(TRAINING)
    settings = tools.settings(tools.lr | {"search": SEARCH})
    first = tools.model(settings, store=Store(tmp_path)).fit(inputs, y)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("validkit.tabular.search._score", None)
        again = tools.model(settings, store=Store(tmp_path)).fit(inputs, y)
        with pytest.raises(TypeError, match="not callable"):
            tools.model(settings, store=Store(tmp_path)).fit(inputs, 1 - y)
    assert again.parameters_digest() == first.parameters_digest()
    assert again.fits_ == first.fits_ == expected_fits(settings, True)
    assert to_json(again.records_) == to_json(first.records_)


# --- cross-fitting, groups, recalibration ----------------------------------------------------


def test_cross_fitted_predictions_are_of_patients_not_fitted_to(tools: Any, data: Any) -> None:
    """With outcomes by chance, apparent discrimination is high and cross-fitted discrimination is none."""
    inputs, _ = data.at(np.arange(160))
    y = np.random.default_rng(5).permutation(data.y)
    settings = tools.settings(
        {"name": "forest", "estimator": "sklearn.ensemble.RandomForestClassifier", "parameters": {"n_estimators": 30}}
    )
    model = tools.model(settings, imputation=Imputation()).fit(inputs, y)
    assert stats.auc(y, model.fitted(inputs)["forest"]).value > 0.95
    assert 0.35 < stats.auc(y, model.cross_fitted_["forest"]).value < 0.65


def test_copies_of_a_patient_are_never_on_both_sides(tools: Any, data: Any) -> None:
    """A nearest neighbour knows every copy of a patient it has seen; across folds it must not meet them."""
    rng = np.random.default_rng(2)
    y_of = dict(zip(data.inputs.patients, rng.permutation(data.y), strict=True))
    drawn = data.inputs.patients[rng.integers(0, 160, 160)]
    sample = data.inputs.take(drawn)
    y = np.array([y_of[name] for name in drawn])
    nearest = {
        "name": "nearest",
        "estimator": "sklearn.neighbors.KNeighborsClassifier",
        "parameters": {"n_neighbors": 1},
        "scale": True,
    }
    model = tools.model(tools.settings(nearest), imputation=Imputation()).fit(sample, y)
    assert stats.auc(y, model.cross_fitted_["nearest"]).value < 0.62
    separated = type(sample)(sample.predictors, np.arange(160))
    leaking = tools.model(tools.settings(nearest), imputation=Imputation()).fit(separated, y)
    assert stats.auc(y, leaking.cross_fitted_["nearest"]).value > 0.75


def test_recalibration_mends_risks_that_are_too_extreme(tools: Any) -> None:
    data = tools.data(600, 0.1, seed=4)
    training, y = data.at(np.arange(300))
    held_out, y_new = data.at(np.arange(300, 600))
    forest = {
        "estimator": "sklearn.ensemble.RandomForestClassifier",
        "parameters": {"n_estimators": 15, "min_samples_leaf": 1},
    }
    settings = tools.settings(
        *(forest | {"name": how, "recalibrate": how} for how in ("none", "platt", "isotonic")),
        cross_fitting={"folds": 4},
    )
    model = tools.model(settings, imputation=Imputation(), seed_of=lambda *_: 3).fit(training, y)
    risks = model.predict(held_out)
    brier = {name: stats.brier(y_new, risks[name]).value for name in risks}
    assert brier["platt"] < brier["none"]
    assert brier["isotonic"] < brier["none"]
    assert risks["platt"].rank().corr(risks["none"].rank()) > 0.999
    record = model.records_["estimators"]["models"][1]["recalibration"]
    assert record["applied"]
    assert 0 < record["slope"] < 1
    assert record["on"] == "4-fold cross-fitted risks of 300 training patients"
    assert not np.array_equal(model.cross_fitted_["none"], model.cross_fitted_["platt"])


def test_a_recalibration_that_would_turn_risks_round_is_left_out_and_said(tools: Any, data: Any) -> None:
    inputs, _ = data.at(np.arange(160))
    for seed in range(20):
        y = np.random.default_rng(seed).permutation(data.y)
        settings = tools.settings(tools.lr | {"recalibrate": "platt"})
        model = tools.model(settings, imputation=Imputation()).fit(inputs, y)
        record = model.records_["estimators"]["models"][0]["recalibration"]
        if not record["applied"]:
            assert "left out: the slope is not positive" in record["note"]
            plain = tools.model(tools.settings(tools.lr), imputation=Imputation(), cross_fit=False).fit(inputs, y)
            assert plain.predict(inputs).equals(model.predict(inputs))
            return
    pytest.fail("no seed gave a slope that is not positive")


# --- missing values, selection, the declared leak --------------------------------------------


def test_native_estimators_see_what_is_missing(tools: Any, data: Any) -> None:
    inputs, y = data.at(TRAINING)
    settings = tools.settings(tools.trees, tools.trees | {"name": "imputed", "missing": "impute"})
    model = tools.model(settings).fit(inputs, y)
    assert not model.predict(inputs)["trees"].equals(model.predict(inputs)["imputed"])
    other = tools.model(settings, copy=2).fit(inputs, y)
    assert model.predict(inputs)["trees"].equals(other.predict(inputs)["trees"])
    assert not model.predict(inputs)["imputed"].equals(other.predict(inputs)["imputed"])


def test_missing_values_that_nothing_takes_are_refused(tools: Any, data: Any) -> None:
    inputs, y = data.at(TRAINING)
    with pytest.raises(
        InputError, match=r"model 'lr' cannot take missing values: column 'male' has none for \d+ of 120"
    ):
        tools.model(tools.settings(tools.lr), impute=False).fit(inputs, y)
    tools.model(tools.settings(tools.trees), impute=False, cross_fit=False).fit(inputs, y)


def test_a_column_missing_in_training_is_left_out_of_the_fit_and_noted(tools: Any, data: Any) -> None:
    inputs, y = data.at(TRAINING)
    held_out, _ = data.at(HELD_OUT)
    table = inputs.predictors.copy()
    table["marker"] = np.nan
    model = tools.model(tools.settings(tools.lr, tools.trees)).fit(type(inputs)(table, inputs.groups), y)
    for record in model.records_["estimators"]["models"]:
        assert "marker" not in record["columns"]
        assert "marker: no training patient has a value; this fit does without" in record["notes"]
    assert model.records_["estimators"]["imputation"]["dropped"] == ["marker"]
    assert model.predict(held_out).notna().all(axis=None)


def test_the_missing_indicator_is_a_column(tools: Any, data: Any) -> None:
    inputs, y = data.at(TRAINING)
    setting = Imputation(method="simple", indicator=True)
    model = tools.model(tools.settings(tools.lr), imputation=setting, cross_fit=False).fit(inputs, y)
    columns = model.records_["estimators"]["models"][0]["columns"]
    assert columns[-4:] == [f"{name} missing" for name in ("male", "marker", "site of pain", "stage")]


def test_selection_is_made_anew_in_every_fit(tools: Any, data: Any) -> None:
    inputs, y = data.at(TRAINING)
    noise = {f"x{i:03d}": np.random.default_rng(i).standard_normal(120) for i in range(300)}
    wide = TableInputs(pd.DataFrame(noise, index=inputs.patients), inputs.groups)
    predictors = {name: Predictor(kind="continuous") for name in noise}
    chance = np.random.default_rng(0).permutation(y)
    one = tools.lr | {"select": {"keep": 10}}
    inside = tools.model(tools.settings(one), predictors=predictors, impute=False).fit(wide, chance)
    assert stats.auc(chance, inside.fitted(wide)["lr"]).value > 0.8
    own = make_pipeline(StandardScaler(), SelectKBest(k=10), LogisticRegression(max_iter=1000))
    folds = StratifiedKFold(5, shuffle=True, random_state=tools.seed_of("cross-fitting", 5))
    expected = cross_val_predict(own, wide.predictors, chance, cv=folds, method="predict_proba")[:, 1]
    assert inside.cross_fitted_["lr"] == pytest.approx(expected, abs=1e-12)
    assert stats.auc(chance, inside.cross_fitted_["lr"]).value < 0.7
    assert len(inside.records_["estimators"]["models"][0]["selected"]) == 10

    leaking = tools.settings(one, before_split=["selection"])
    with pytest.raises(InputError, match="learns selection before the split; give the model what `learn_before_split`"):
        tools.model(leaking, predictors=predictors, impute=False).fit(wide, chance)
    rest = {"predictors": predictors, "imputation": Imputation(), "impute": False, "copy": 0, "seed_of": tools.seed_of}
    with pytest.raises(InputError, match="looks at all outcomes; give them as `y`"):
        learn_before_split(leaking, wide, None, **rest)
    before = learn_before_split(leaking, wide, chance, **rest)
    training, held_out = np.arange(80), np.arange(80, 120)
    leak = tools.model(leaking, before_split=before, cross_fit=False, predictors=predictors, impute=False)
    clean = tools.model(tools.settings(one), cross_fit=False, predictors=predictors, impute=False)
    auc = {
        name: stats.auc(
            chance[held_out],
            model.fit(wide.rows(training), chance[training]).predict(wide.rows(held_out))["lr"],
        ).value
        for name, model in (("leak", leak), ("clean", clean))
    }
    assert auc["leak"] > 0.75
    assert auc["clean"] < 0.65


def test_what_is_learnt_before_the_split_stands_fixed(tools: Any, data: Any) -> None:
    settings = tools.settings(
        tools.lr | {"select": {"alpha": 0.05}, "search": SEARCH},
        tools.trees | {"scale": True},
        before_split=["imputation", "scaling"],
    )
    everybody, _ = data.at(np.arange(160))
    rest = {"predictors": data.predictors, "imputation": Imputation(), "impute": True, "copy": 0}
    before = learn_before_split(settings, everybody, None, seed_of=tools.seed_of, **rest)
    training, y = data.at(TRAINING)
    model = tools.model(settings, before_split=before, imputation=Imputation(), copy=0).fit(training, y)
    assert model.fits_ == expected_fits(settings, True)
    mean = everybody.predictors["age"].mean()
    assert model.fitted_["lr"].named_steps["scale"].mean["age"] == pytest.approx(mean)
    assert model.prepared_.imputer is before.imputer
    assert model.records_["estimators"]["before_split"] == ["imputation", "scaling"]
    assert learn_before_split(tools.settings(tools.lr), everybody, None, seed_of=tools.seed_of, **rest) is None


# --- estimators from elsewhere, and what goes wrong ------------------------------------------


@pytest.mark.parametrize("path", ["xgboost.XGBClassifier", "lightgbm.LGBMClassifier"])
def test_boosting_libraries_run_twice_to_the_same_bytes(tools: Any, data: Any, path: str, capfd: Any) -> None:
    pytest.importorskip(path.partition(".")[0])
    one = {
        "name": "boost",
        "estimator": path,
        "parameters": {"n_estimators": 8},
        "missing": "native",
        "search": {"parameters": {"max_depth": [2, 3]}, "folds": 2},
    }
    inputs, y = data.at(TRAINING)
    renamed = inputs.predictors.rename(columns={"age": 'age [years], "A"'})
    named = type(inputs)(renamed, inputs.groups)
    predictors = {'age [years], "A"' if name == "age" else name: spec for name, spec in data.predictors.items()}
    model = tools.model(tools.settings(one), predictors=predictors).fit(named, y)
    again = tools.model(tools.settings(one), predictors=predictors).fit(named, y)
    assert model.parameters_digest() == again.parameters_digest()
    assert model.predict(named).equals(again.predict(named))
    assert model.records_["estimators"]["models"][0]["notes"] == []
    assert capfd.readouterr() == ("", "")


def test_a_class_of_ones_own_runs(tools: Any, data: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_model_that_runs.py").write_text(
        "from sklearn.linear_model import LogisticRegression\n\nclass Half(LogisticRegression):\n"
        "    def predict_proba(self, X):\n        return super().predict_proba(X) * 0.5 + 0.25\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    inputs, y = data.at(TRAINING)
    settings = tools.settings(tools.lr | {"estimator": "own_model_that_runs.Half"}, tools.lr | {"name": "plain"})
    risks = tools.model(settings, cross_fit=False).fit(inputs, y).predict(inputs)
    assert risks["lr"].to_numpy() == pytest.approx(risks["plain"].to_numpy() * 0.5 + 0.25)
    sys.modules.pop("own_model_that_runs")


def test_warnings_are_notes(tools: Any, data: Any) -> None:
    inputs, y = data.at(TRAINING)
    settings = tools.settings(tools.lr | {"parameters": {"max_iter": 1}}, cross_fitting={"folds": 2})
    model = tools.model(settings, imputation=Imputation()).fit(inputs, y)
    [note] = model.records_["estimators"]["models"][0]["notes"]
    assert note.startswith("ConvergenceWarning: lbfgs failed to converge")
    assert note.endswith("(in 3 of 3 fits)")


def test_a_fit_that_fails_names_the_model(tools: Any, data: Any) -> None:
    inputs, y = data.at(TRAINING)
    bad = tools.settings(tools.lr | {"search": {"parameters": {"C": [1.0, -1.0]}, "folds": 2}})
    with pytest.raises(StageError, match=r"model 'lr' with C = -1.0 could not be fitted to .*The 'C' parameter"):
        tools.model(bad).fit(inputs, y)
    few = tools.settings(tools.lr | {"search": {"parameters": {"C": [1.0]}, "folds": 100}})
    with pytest.raises(StageError, match="100-fold search needs at least 100 patients of each outcome"):
        tools.model(few).fit(inputs, y)


def test_outcomes_that_do_not_fit_are_refused(tools: Any, data: Any) -> None:
    inputs, y = data.at(TRAINING)
    model = tools.model(tools.settings(tools.lr))
    with pytest.raises(InputError, match="119 outcomes for 120 patients"):
        model.fit(inputs, y[1:])
    with pytest.raises(InputError, match=r"must hold both outcomes.*are 1"):
        model.fit(inputs, np.ones(120))
    with pytest.raises(InputError, match="`y`"):
        model.fit(inputs, y + 1)
    with pytest.raises(InputError, match=r"\(lr\): no predictor 'size' is declared"):
        tools.model(tools.settings(tools.lr | {"predictors": ["size"]})).fit(inputs, y)


def test_the_record_is_json_and_says_what_was_done(tools: Any, data: Any) -> None:
    inputs, y = data.at(TRAINING)
    settings = tools.settings(tools.lr | {"predictors": ["age", "stage"], "label": "Two predictors", "search": SEARCH})
    model = tools.model(settings).fit(inputs, y)
    record = json.loads(to_json(model.records_["estimators"]))
    [one] = record["models"]
    assert one["label"] == "Two predictors"
    assert one["columns"] == one["selected"] == ["age", "stage"]
    assert one["parameters"]["C"] == one["search"]["chosen"]["C"]
    assert one["declared"] == {"max_iter": 1000}
    assert one["fits"] == expected_fits(settings, True)["lr"]
    assert record["imputation"]["missing"]["age"] == 0
    assert record["imputation"]["copy"] == 1
    assert all(set(row) == {"stage", "seconds", "detail"} for row in model.timings_)


def test_scaling_before_the_split_passes_over_missing_values() -> None:
    """Learnt from the values that are there, where imputation stays inside the split."""
    from validkit.sections import Estimators, Imputation, Predictor
    from validkit.tabular.before_split import learn_before_split

    rng = np.random.default_rng(3)
    x = rng.normal(5.0, 2.0, 60)
    x[::4] = np.nan
    inputs = TableInputs(pd.DataFrame({"x": x}, index=[f"p{i}" for i in range(60)]), np.arange(60))
    one = {"name": "lr", "estimator": "sklearn.linear_model.LogisticRegression", "scale": True}
    settings = Estimators.model_validate({"kind": "estimators", "estimators": [one], "before_split": ["scaling"]})
    learnt = learn_before_split(
        settings,
        inputs,
        None,
        predictors={"x": Predictor(kind="continuous")},
        imputation=Imputation(),
        impute=True,
        copy=1,
        seed_of=lambda *_: 1,
    )
    assert learnt is not None
    mean, spread = learnt.scaling["lr"]
    assert mean["x"] == pytest.approx(np.nanmean(x))
    assert spread["x"] == pytest.approx(np.nanstd(x))
