"""The nomogram: R's points, the law that points give back the probability, Platt scaling, and the record."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from validkit.errors import InputError, StageError
from validkit.plnm import axes
from validkit.plnm.nomogram import Nomogram
from validkit.plnm.platt import cross_fitted_platt, fit_platt
from validkit.stats.regression import logistic_regression

REFERENCE = Path(__file__).resolve().parents[1] / "reference"
LEVELS = ("squamous", "adeno", "other", "rare")
PREDICTORS = ("diameter", "rbc", "histology")


def cohort() -> tuple[pd.DataFrame, pd.Series]:
    data = pd.read_csv(REFERENCE / "logistic_data.csv").rename(columns={"score": "fusion"})
    data.index = pd.Index([f"P{i:03d}" for i in range(len(data))])
    data["histology"] = pd.Categorical(data["histology"], LEVELS)
    return data, data.pop("y")


def reference(case: str) -> pd.Series:
    table = pd.read_csv(REFERENCE / "logistic_reference.csv")
    return table[table["case"] == case].set_index("quantity")["value"]


def simulated(seed: int, n: int = 60) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    data = pd.DataFrame(
        {
            "fusion": rng.beta(2, 3, n),
            "size": rng.gamma(4, 10, n),
            "cells": rng.normal(4.2, 0.5, n),
            "parity": rng.integers(0, 4, n).astype(float),
            "smoker": rng.integers(0, 2, n).astype(float),
            "type": pd.Categorical(rng.choice(["a", "b", "c"], n), ["a", "b", "c", "d"]),
        }
    )
    eta = 3 * (data["fusion"] - 0.4) + 0.03 * (data["size"] - 40) - 0.8 * (data["cells"] - 4.2)
    y = (rng.random(n) < special.expit(eta - 0.5)).astype(int)
    y[:4] = [0, 0, 1, 1]
    return data, y


MIXED = ("size", "cells", "parity", "smoker", "type")


# --- known answers ---------------------------------------------------------------------------------


def test_points_equal_rms():
    data, y = cohort()
    ranges = {"fusion": (0.0, 1.0), "diameter": (5.0, 90.0), "rbc": (2.5, 6.0)}
    nomogram = Nomogram(PREDICTORS, ranges=ranges).fit(data, y)
    expected = reference("nomogram")
    assert len(expected) == 40
    patient = data.iloc[[0]].assign(fusion=0.0, diameter=5.0, rbc=6.0)
    for name, points in expected.items():
        column, _, value = name.partition(" ")
        column = "fusion" if column == "score" else column
        changed = patient.assign(**{column: pd.Categorical([value], LEVELS) if column == "histology" else float(value)})
        assert nomogram.points(changed)[column].iloc[0] == pytest.approx(points, abs=1e-6), name


def test_coefficients_are_those_of_the_logistic_regression():
    data, y = cohort()
    nomogram = Nomogram(("diameter", "rbc"), recalibrate="none").fit(data, y)
    fit = logistic_regression(data[["fusion", "diameter", "rbc"]], y)
    assert nomogram.regression_.beta == pytest.approx(fit.beta, abs=1e-12)
    assert nomogram.predict_proba(data)[:, 1] == pytest.approx(fit.predict(data), abs=1e-12)
    logit = data.assign(fusion=special.logit(data["fusion"]))
    scaled = Nomogram(("diameter", "rbc"), score_scale="logit").fit(data, y)
    assert scaled.regression_.beta == pytest.approx(
        logistic_regression(logit[["fusion", "diameter", "rbc"]], y).beta, abs=1e-12
    )


def test_platt_scaling_equals_glm_on_its_targets():
    data, y = cohort()
    slope, intercept = fit_platt(special.logit(data["fusion"]), y)
    expected = reference("platt")
    assert (slope, intercept) == (
        pytest.approx(expected["slope"], abs=1e-8),
        pytest.approx(expected["intercept"], abs=1e-8),
    )


# --- laws --------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    scale=st.sampled_from(["probability", "logit"]),
    recalibrate=st.sampled_from(["platt", "none"]),
    fusion=st.floats(0, 1),
    size=st.floats(-500, 1e4),
    cells=st.floats(-10, 100),
    parity=st.floats(-2, 40),
    smoker=st.sampled_from([0.0, 1.0]),
    kind=st.sampled_from(["a", "b", "c", "d"]),
)
def test_the_probability_read_from_points_is_the_models(
    seed, scale, recalibrate, fusion, size, cells, parity, smoker, kind
):
    data, y = simulated(seed)
    nomogram = Nomogram(MIXED, score_scale=scale, recalibrate=recalibrate, folds=3, kinds={"parity": "ordinal"})
    nomogram.fit(data, y)
    anyone = pd.DataFrame(
        {
            "fusion": [fusion],
            "size": [size],
            "cells": [cells],
            "parity": [parity],
            "smoker": [smoker],
            "type": pd.Categorical([kind], ["a", "b", "c", "d"]),
        }
    )
    for patients in (data, anyone):
        read = nomogram.probability_from_points(nomogram.total_points(patients))
        assert np.abs(read - nomogram.predict_proba(patients)[:, 1]).max() < 1e-9


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_points_span_zero_to_a_hundred_and_rise_with_the_probability(seed):
    data, y = simulated(seed)
    nomogram = Nomogram(MIXED, folds=3).fit(data, y)
    points = nomogram.points(data)
    assert points.to_numpy().min() >= -1e-9
    assert points.to_numpy().max() <= 100 + 1e-9
    ticks = [tick["points"] for term in nomogram.record()["terms"] for tick in term["ticks"]]
    assert max(ticks) == pytest.approx(100)
    assert min(ticks) == pytest.approx(0, abs=1e-9)
    assert not nomogram.extrapolates(data).to_numpy().any()
    order = np.argsort(nomogram.total_points(data).to_numpy(), kind="stable")
    assert (np.diff(nomogram.predict_proba(data)[order, 1]) >= -1e-12).all()


def test_a_negative_coefficient_runs_the_other_way():
    data, y = cohort()
    nomogram = Nomogram(("diameter", "rbc")).fit(data, y)
    record = {term["name"]: term for term in nomogram.record()["terms"]}
    assert record["rbc"]["points_per_unit"] < 0 < record["diameter"]["points_per_unit"]
    ticks = [tick["points"] for tick in record["rbc"]["ticks"]]
    assert ticks == sorted(ticks, reverse=True)
    assert ticks[-1] == 0.0


def test_what_lies_beyond_is_flagged_and_linear():
    data, y = cohort()
    nomogram = Nomogram(PREDICTORS, ranges={"diameter": (20.0, 60.0)}).fit(data, y)
    patients = data.iloc[[0, 0, 0, 0, 0]].set_axis(list("abcde"))
    patients["diameter"] = [40.0, 19.9, 60.1, 40.0, 100.0]
    patients["rbc"] = [4.0, 4.0, 4.0, 9.0, 4.0]
    patients["histology"] = pd.Categorical(["squamous", "squamous", "squamous", "rare", "adeno"], LEVELS)
    flags = nomogram.extrapolates(patients)
    assert flags["diameter"].tolist() == [False, True, True, False, True]
    assert flags["rbc"].tolist() == [False, False, False, True, False]
    assert flags["histology"].tolist() == [False, False, False, True, False]
    points = nomogram.points(patients)["diameter"]
    assert points["b"] < 0
    assert points["e"] - points["a"] == pytest.approx((points["c"] - points["b"]) * 60 / 40.2, rel=1e-9)


# --- Platt scaling -------------------------------------------------------------------------------------


def test_on_its_own_patients_the_slope_is_one_so_other_folds_are_used():
    data, y = cohort()
    nomogram = Nomogram(("diameter", "rbc"), recalibrate="none").fit(data, y)
    eta = nomogram.linear_predictor(data)
    again = logistic_regression(eta[:, None], y)
    assert again.beta == pytest.approx([0, 1], abs=1e-8)
    crossed = Nomogram(("diameter", "rbc"), folds=5, random_state=3).fit(data, y)
    assert 0 < crossed.platt_.slope < 1
    assert crossed.platt_.on == "5-fold cross-fitted linear predictors of the training patients"
    expected = special.expit(crossed.platt_.intercept + crossed.platt_.slope * eta)
    assert crossed.predict_proba(data)[:, 1] == pytest.approx(expected, abs=1e-12)


def test_the_seed_decides_the_folds():
    data, y = cohort()
    slopes = [Nomogram(("rbc",), random_state=seed).fit(data, y).platt_ for seed in (1, 1, 2)]
    assert slopes[0] == slopes[1] != slopes[2]


def test_a_slope_that_would_turn_predictions_round_is_not_used():
    """The same values with and without the event: what is left out always points the other way."""
    columns = pd.DataFrame({"x": np.repeat(np.random.default_rng(2).normal(size=20), 2)})
    y = np.tile([0, 1], 20)
    platt, note = cross_fitted_platt(columns, y, 20, 0)
    assert (platt.slope, platt.intercept) == (1.0, 0.0)
    assert "is not positive" in note


def test_too_few_of_an_outcome_to_cross_fit_is_said():
    data, _ = cohort()
    y = np.zeros(160, int)
    y[[4, 70]] = 1
    nomogram = Nomogram(("rbc",)).fit(data, y)
    assert "2 folds leave fewer than two patients of an outcome" in nomogram.note_
    assert nomogram.platt_.slope == 1.0
    y[99] = 1
    assert Nomogram(("rbc",)).fit(data, y).platt_.on.startswith(("3-fold", "nothing: 3-fold"))


# --- what it says -----------------------------------------------------------------------------------------


def test_the_record_suffices_to_compute_a_probability():
    """A patient by hand, from JSON alone."""
    data, y = cohort()
    nomogram = Nomogram(
        PREDICTORS, labels={"fusion": "Fusion score"}, units={"diameter": "mm"}, ranges={"fusion": (0, 1)}
    ).fit(data, y)
    record = json.loads(json.dumps(nomogram.record(), allow_nan=False))
    keys = {"score_scale", "terms", "total", "probability", "intercept", "platt", "note"}
    assert keys <= set(record)
    terms = {term["name"]: term for term in record["terms"]}
    assert list(terms) == ["fusion", *PREDICTORS]
    assert terms["fusion"]["label"] == "Fusion score"
    assert (terms["diameter"]["unit"], terms["diameter"]["label"]) == ("mm", "diameter")
    patient = data.iloc[7]
    total = 0.0
    for name in ("fusion", "diameter", "rbc"):
        first = terms[name]["ticks"][0]
        total += first["points"] + (patient[name] - first["value"]) * terms[name]["points_per_unit"]
    total += next(t["points"] for t in terms["histology"]["ticks"] if t["label"] == patient["histology"])
    eta = record["log_odds_at_zero_points"] + total / record["points_per_log_odds"]
    p = special.expit(record["platt"]["intercept"] + record["platt"]["slope"] * eta)
    assert p == pytest.approx(nomogram.predict_proba(data)[7, 1], abs=1e-9)


def test_the_record_has_round_ticks_odds_ratios_and_both_lower_axes():
    data, y = cohort()
    record = Nomogram(PREDICTORS).fit(data, y).record()
    terms = {term["name"]: term for term in record["terms"]}
    assert [t["label"] for t in terms["diameter"]["ticks"]] == [str(v) for v in range(10, 101, 10)]
    beta, ratio = terms["rbc"]["coefficient"], terms["rbc"]["odds_ratio"]
    assert ratio["low"] == pytest.approx(math.exp(beta["low"]))
    assert ratio["value"] < 1
    assert [item["level"] for item in terms["histology"]["levels"]] == ["adeno", "other"]
    assert terms["histology"]["reference"] == "squamous"
    total, risks = record["total"], record["probability"]
    assert total["ticks"][0] == 0
    assert total["ticks"][-1] == total["range"][1]
    assert [r["probability"] for r in risks] == sorted(r["probability"] for r in risks)
    assert all(0 <= r["points"] <= total["range"][1] for r in risks)
    assert len(risks) > 5


def test_named_levels_of_an_ordinal_predictor_label_its_ticks():
    data, y = cohort()
    places = data.assign(parity=data["parity"].clip(upper=2).astype(float))
    nomogram = Nomogram(("parity",), kinds={"parity": "ordinal"}, levels={"parity": ("none", "one", "more")})
    term = nomogram.fit(places, y).record()["terms"][1]
    assert [tick["label"] for tick in term["ticks"]] == ["none", "one", "more"]


def test_scores_of_exactly_zero_and_one_have_a_logit_and_the_note_counts_them():
    data, y = cohort()
    data.loc[["P000", "P001", "P002"], "fusion"] = [0.0, 1.0, 0.9995]
    nomogram = Nomogram(("rbc",), score_scale="logit").fit(data, y)
    assert "3 scores within 0.001 of 0 or 1 were moved there" in nomogram.note_
    assert np.isfinite(nomogram.predict_proba(data)).all()


def test_separation_turns_to_firth_and_says_so():
    data, y = cohort()
    data["fusion"] = np.where(y == 1, 0.7, 0.3)
    nomogram = Nomogram(("rbc",)).fit(data, y)
    assert nomogram.regression_.penalty == "firth"
    assert "complete separation of events from non-events by 'fusion'; Firth's" in nomogram.note_
    assert np.isfinite(nomogram.predict_proba(data)).all()
    assert nomogram.record()["penalty"] == "firth"


def test_a_score_that_says_nothing_is_left_out_and_stated():
    data, y = cohort()
    nomogram = Nomogram(("rbc",)).fit(data.assign(fusion=0.4), y)
    assert "fusion is left out: does not vary" in nomogram.note_
    assert (nomogram.points(data.assign(fusion=0.9))["fusion"] == 0).all()
    empty = Nomogram(()).fit(data.assign(fusion=0.4), y)
    assert empty.predict_proba(data)[:, 1] == pytest.approx([y.mean()] * 160, abs=1e-9)
    assert empty.probability_from_points(empty.total_points(data)) == pytest.approx([y.mean()] * 160, abs=1e-9)
    json.dumps(empty.record(), allow_nan=False)


def test_one_level_in_training_is_left_out_and_others_are_flagged():
    data, y = cohort()
    data["histology"] = pd.Categorical(["adeno"] * 160, LEVELS)
    nomogram = Nomogram(PREDICTORS).fit(data, y)
    assert "no training patient has histology = squamous, other, rare" in nomogram.note_
    other = data.iloc[:1].assign(histology=pd.Categorical(["squamous"], LEVELS))
    assert nomogram.extrapolates(other)["histology"].tolist() == [True]
    assert nomogram.predict_proba(other) == pytest.approx(nomogram.predict_proba(data.iloc[:1]), abs=0)


def test_it_behaves_as_a_scikit_learn_classifier():
    data, y = cohort()
    nomogram = Nomogram(("rbc",), folds=4, kinds={"rbc": "continuous"})
    copy = clone(nomogram)
    assert copy.get_params() == nomogram.get_params()
    with pytest.raises(NotFittedError):
        nomogram.predict_proba(data)
    before = data.copy()
    nomogram.fit(data, y)
    pd.testing.assert_frame_equal(data, before)
    assert nomogram.classes_.tolist() == [0, 1]
    assert nomogram.feature_names_in_.tolist() == ["fusion", "rbc"]
    assert (nomogram.predict(data) == (nomogram.predict_proba(data)[:, 1] >= 0.5)).all()
    shuffled = data.iloc[::-1]
    assert nomogram.predict_proba(shuffled)[::-1] == pytest.approx(nomogram.predict_proba(data), abs=1e-13)


def test_what_is_refused():
    data, y = cohort()
    holes = data.copy()
    holes.loc["P010", "rbc"] = np.nan
    nomogram = Nomogram(("diameter", "rbc"))
    with pytest.raises(InputError, match=r"column 'rbc' is missing or infinite for 1 of 160 patients \(rows P010\)"):
        nomogram.fit(holes, y)
    with pytest.raises(InputError, match=r"must be a probability in \[0, 1\]; 160 of 160 values .* row P000"):
        nomogram.fit(data.assign(fusion=data["fusion"] + 2), y)
    with pytest.raises(InputError, match="no column 'fusion' among the predictors"):
        nomogram.fit(data.drop(columns="fusion"), y)
    with pytest.raises(InputError, match="is the score and a predictor"):
        Nomogram(("fusion",)).fit(data, y)
    with pytest.raises(InputError, match="`ranges` of 'rbc' must be"):
        Nomogram(("rbc",), ranges={"rbc": (6.0, 2.0)}).fit(data, y)
    with pytest.raises(InputError, match=r"`ranges` of the score 'fusion' must lie in \[0, 1\]"):
        Nomogram(("rbc",), ranges={"fusion": (0.0, 2.0)}).fit(data, y)
    with pytest.raises(InputError, match="`score_scale` must be one of"):
        Nomogram(score_scale="odds").fit(data, y)
    with pytest.raises(StageError, match="at least two training patients"):
        nomogram.fit(data, np.r_[1, np.zeros(159, int)])
    fitted = nomogram.fit(data, y)
    with pytest.raises(InputError, match="rows P010"):
        fitted.predict_proba(holes)


# --- axes ----------------------------------------------------------------------------------------------------


@settings(max_examples=80, deadline=None)
@given(low=st.floats(-1e6, 1e6), width=st.floats(1e-3, 1e6))
def test_round_ranges_hold_what_they_are_for_and_have_a_few_ticks(low, width):
    start, stop = axes.round_range(low, low + width)
    assert start <= low + 1e-6 * width
    assert stop >= low + width - 1e-6 * width
    ticks = axes.ticks_within(start, stop)
    assert (ticks[0], ticks[-1]) == (start, stop)
    assert 3 <= len(ticks) <= 17
    assert all(b > a for a, b in pairwise(ticks))


def test_round_numbers_are_round():
    assert axes.round_range(11.3, 88.7) == (10.0, 90.0)
    assert axes.round_range(0.03, 0.41) == (0.0, 0.45)
    assert axes.ticks_within(1.0, 150.0) == (1.0, 20.0, 40.0, 60.0, 80.0, 100.0, 120.0, 140.0, 150.0)
    assert axes.round_range(5.0, 5.0) == (4.5, 5.5)
    assert axes.round_range(0.0, 0.0) == (-0.5, 0.5)
    assert axes.probabilities_around(0.03, 0.46) == (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
    assert axes.probabilities_around(0.0, 1.0) == axes.PROBABILITIES
