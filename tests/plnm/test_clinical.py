"""Coding of clinical predictors, the choice of independent ones, and the clinical model."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from validkit.errors import InputError, StageError
from validkit.plnm.clinical import ClinicalModel, ClinicalPredictors, encode, fit_columns
from validkit.stats.regression import logistic_regression

REFERENCE = Path(__file__).resolve().parents[1] / "reference"
LEVELS = ("squamous", "adeno", "other", "rare")


def cohort() -> tuple[pd.DataFrame, pd.Series]:
    data = pd.read_csv(REFERENCE / "logistic_data.csv").drop(columns=["marker", "score"])
    data.index = pd.Index([f"P{i:03d}" for i in range(len(data))], name="patient")
    data["histology"] = pd.Categorical(data["histology"], LEVELS)
    y = data.pop("y")
    return data.astype(dict.fromkeys(("diameter", "rbc", "parity", "smoker"), float)), y


# --- coding --------------------------------------------------------------------------------------


def test_encode_keeps_numbers_and_gives_each_level_but_the_first_a_column():
    data, _ = cohort()
    coded = encode(data)
    names = ["diameter", "rbc", "parity", "smoker", "histology=adeno", "histology=other"]
    assert list(coded.columns) == names
    assert (coded.dtypes == np.float64).all()
    assert coded["rbc"].tolist() == data["rbc"].tolist()
    assert coded["histology=adeno"].sum() == (data["histology"] == "adeno").sum()
    assert set(coded["histology=other"]) == {0.0, 1.0}


def test_encode_takes_the_order_of_text_levels_from_the_protocol():
    data, _ = cohort()
    text = data.astype({"histology": str})
    specs = {"histology": SimpleNamespace(kind="categorical", levels=("other", "squamous", "adeno"))}
    assert list(encode(text, specs).columns)[-2:] == ["histology=squamous", "histology=adeno"]
    with pytest.raises(InputError, match="has the level 'adeno', not among squamous, other"):
        encode(text, {"histology": SimpleNamespace(kind="categorical", levels=("squamous", "other"))})


def test_an_ordered_categorical_is_the_place_of_its_level():
    column = pd.Categorical(["low", "high", "mid"], ["low", "mid", "high"], ordered=True)
    assert encode(pd.DataFrame({"grade": column}))["grade"].tolist() == [0.0, 2.0, 1.0]


def test_missing_values_name_column_and_rows():
    data, _ = cohort()
    data.loc[["P003", "P009"], "rbc"] = np.nan
    with pytest.raises(
        InputError, match=r"column 'rbc' is missing or infinite for 2 of 160 patients \(rows P003, P009\)"
    ):
        encode(data)


# --- independent predictors ----------------------------------------------------------------------


def test_selection_table_and_record():
    data, y = cohort()
    chosen = ClinicalPredictors(labels={"rbc": "Red cells"}, units={"rbc": "10^12/L"}).fit(data, y)
    assert chosen.selected_ == ["diameter", "rbc"]
    record = json.loads(json.dumps(chosen.record(), allow_nan=False))
    assert record["selected"] == ["diameter", "rbc"]
    assert record["table2"]["rows"][1][:2] == ["Red cells", "10^12/L"]
    unrounded = record["screen"]["predictors"][1]["multivariable"]["odds_ratios"][0]["value"]
    fit = logistic_regression(data[["diameter", "rbc"]], y)
    assert unrounded == pytest.approx(fit.odds_ratios[2].value, rel=1e-12)


def test_candidates_alone_may_enter():
    data, y = cohort()
    assert ClinicalPredictors(candidates=("rbc", "smoker")).fit(data, y).selected_ == ["rbc"]
    with pytest.raises(InputError, match="no column 'age' among the predictors"):
        ClinicalPredictors(candidates=("age",)).fit(data, y)


def test_none_selected_is_an_empty_list_and_a_note():
    data, y = cohort()
    chosen = ClinicalPredictors(candidates=("parity", "smoker")).fit(data, y)
    assert chosen.selected_ == []
    assert "there is no multivariable model" in chosen.note_
    assert chosen.record()["selected"] == []


@pytest.mark.parametrize("events", [0, 1, 159])
def test_fewer_than_two_of_either_outcome_stops_the_stage(events):
    data, _ = cohort()
    y = (np.arange(160) < events).astype(int)
    for estimator in (ClinicalPredictors(), ClinicalModel()):
        with pytest.raises(StageError, match=f"there are {events} and {160 - events}"):
            estimator.fit(data, y)


# --- the clinical model ----------------------------------------------------------------------------


def test_the_model_is_the_logistic_regression():
    data, y = cohort()
    model = ClinicalModel(("diameter", "histology")).fit(data, y)
    coded = encode(data[["diameter", "histology"]])
    expected = logistic_regression(coded, y).predict(coded)
    assert model.predict_proba(data)[:, 1] == pytest.approx(expected, abs=1e-12)
    assert model.predict_proba(data).sum(axis=1) == pytest.approx(1.0)
    assert (model.predict(data) == (expected >= 0.5)).all()
    assert "no training patient has histology = rare" in model.note_


def test_without_predictors_it_is_the_prevalence():
    data, y = cohort()
    model = ClinicalModel().fit(data, y)
    assert model.predict_proba(data)[:, 1] == pytest.approx([y.mean()] * len(y), abs=1e-12)
    assert model.note_ == "no clinical predictor: every patient is given the training prevalence"


def test_a_level_without_training_patients_has_the_risk_of_the_reference_and_a_strange_one_none():
    data, y = cohort()
    model = ClinicalModel(("histology",)).fit(data, y)
    rare = data.iloc[:2].assign(histology=pd.Categorical(["rare", "squamous"], LEVELS))
    assert model.predict_proba(rare)[0] == pytest.approx(model.predict_proba(rare)[1], abs=0)
    odd = data.iloc[:2].assign(histology=["mixed", "squamous"])
    with pytest.raises(InputError, match=r"'histology' has the level 'mixed' \(rows P000\), not among adeno"):
        model.predict_proba(odd)


def test_the_reference_is_the_first_level_that_training_patients_have():
    data, y = cohort()
    keep = data["histology"] != "squamous"
    model = ClinicalModel(("histology",)).fit(data[keep], y[keep])
    assert model.coding_.columns("histology") == ("histology=other",)
    assert "the reference, adeno" in model.note_


def test_a_constant_or_one_level_predictor_is_left_out_and_stated():
    data, y = cohort()
    data = data.assign(flat=2.0, one=pd.Categorical(["a"] * len(data), ["a", "b"]))
    model = ClinicalModel(("diameter", "flat", "one")).fit(data, y)
    same = ClinicalModel(("diameter",)).fit(data, y)
    assert model.predict_proba(data) == pytest.approx(same.predict_proba(data), abs=1e-12)
    assert "flat is left out: does not vary" in model.note_
    left = model.columns_.coefficient("flat")
    assert np.isnan(left.value)
    assert left.note == "left out: does not vary"


def test_dependent_columns_are_left_out_first_come_first_kept():
    data, y = cohort()
    columns = data[["diameter", "rbc"]].assign(sum=data["diameter"] + data["rbc"])
    found = fit_columns(columns, y.to_numpy())
    assert dict(found.left_out) == {"sum": "follows exactly from the columns before it"}
    assert found.beta[2] == 0.0


def test_separation_is_stated():
    data, y = cohort()
    data["marker"] = ((y == 1) & (data["diameter"] > 45)).astype(float)
    model = ClinicalModel(("diameter", "marker")).fit(data, y)
    assert model.regression_.penalty == "firth"
    assert "by 'marker'; Firth's penalised likelihood used" in model.note_


def test_they_behave_as_scikit_learn_estimators():
    data, y = cohort()
    for estimator in (ClinicalPredictors(univariable_alpha=0.1), ClinicalModel(predictors=("rbc",))):
        copy = clone(estimator)
        assert copy.get_params() == estimator.get_params()
        assert copy.set_params(level=0.9).get_params()["level"] == 0.9
    with pytest.raises(NotFittedError):
        ClinicalModel().predict_proba(data)
    with pytest.raises(NotFittedError):
        ClinicalPredictors().record()
    with pytest.raises(InputError, match="different patients"):
        ClinicalModel(("rbc",)).fit(data, y.iloc[::-1])
