"""Why a model does otherwise elsewhere: over 200 simulated centres, each reason is found and no other is claimed."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from validkit.bundle.case_mix import CaseMix
from validkit.bundle.describing import described, moments_of
from validkit.centre.transfer import PARTS, Transfer, transfer_of
from validkit.stats import auc, logistic_regression

K, BETA, CENTRES = 4, np.array([0.9, -0.7, 0.5, 0.3]), 200
Draw = Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]


def draw(
    rng: np.random.Generator, n: int, *, mean: float = 0.0, sd: float = 1.0, base: float = -0.9, weaker: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Patients and outcomes; `weaker` turns the effects down and the first of them round."""
    X = rng.normal(mean, sd, (n, K))
    beta = BETA if weaker == 1.0 else BETA * weaker * np.array([-1.0, 1.0, 1.0, 1.0])
    return X, (rng.random(n) < expit(base + X @ beta)).astype(np.int64)


def home(rng: np.random.Generator) -> tuple[CaseMix, Callable[[np.ndarray], np.ndarray]]:
    """A model fitted to 300 patients and described on 300 others."""
    X, y = draw(rng, 300)
    fit = logistic_regression(X, y)
    held, outcome = draw(rng, 300)
    table = frame(held)
    told = described("held-out", outcome, fit.predict(held), table)
    mix = CaseMix(
        n=300,
        events=int(outcome.sum()),
        predictors=moments_of(table),
        numbers={},
        levels={},
        features=(),
        linear_predictors={"m": told},
    )
    return mix, fit.predict


def frame(X: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(X, columns=[f"x{j}" for j in range(K)])


def compared(rng: np.random.Generator, n: int = 250, **centre: float) -> Transfer:
    mix, predict = home(rng)
    X, y = draw(rng, n, **centre)
    found = transfer_of(mix, "m", y, predict(X), frame(X), replicates=0)
    assert found is not None
    return found


def claims(seed: int, **centre: float) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    found = [compared(rng, **centre).differs for _ in range(CENTRES)]
    return {part: float(np.mean([one[part] for one in found])) for part in PARTS} | {
        "any": float(np.mean([any(one.values()) for one in found]))
    }


AT_MOST = 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / CENTRES)
"""claims of a true null, with the simulation's own error"""


def test_where_nothing_differs_nothing_is_claimed() -> None:
    found = claims(1)
    assert found["any"] <= AT_MOST


def test_where_only_patients_differ_it_says_patients() -> None:
    found = claims(2, mean=0.35, sd=1.3)
    assert found["case_mix"] >= 0.95
    assert found["effects"] <= AT_MOST
    assert found["baseline"] <= AT_MOST


def test_where_only_the_baseline_differs_it_says_baseline() -> None:
    found = claims(3, base=-1.9)
    assert found["baseline"] >= 0.95
    assert found["effects"] <= AT_MOST
    assert found["case_mix"] <= AT_MOST


def test_where_only_effects_differ_it_says_effects() -> None:
    found = claims(4, weaker=0.5)
    assert found["effects"] >= 0.95
    assert found["case_mix"] <= AT_MOST


def test_the_parts_of_a_difference_add_up_and_point_where_they_should() -> None:
    rng = np.random.default_rng(5)
    wide = compared(rng, n=4000, sd=1.6)
    assert wide.auc["difference"].value == pytest.approx(
        wide.concordance["difference"].value + wide.gap["difference"].value, abs=1e-12
    )
    assert wide.concordance["difference"].low > 0.03
    assert abs(wide.gap["difference"].value) < 0.03
    assert abs(wide.standardised.value - wide.auc["there"].value) < abs(wide.auc["difference"].value)
    other = compared(rng, n=4000, weaker=0.5)
    assert other.gap["difference"].high < -0.05
    assert abs(other.concordance["difference"].value) < 0.03
    assert "predictor effects differ" in other.sentence
    json.dumps(other.to_dict(), default=float)


def test_what_a_bundle_does_not_tell_is_not_tested() -> None:
    rng = np.random.default_rng(6)
    mix, predict = home(rng)
    X, y = draw(rng, 100)
    told = mix.linear_predictors["m"].model_copy(update={"slope": None, "effects": None, "auc": None})
    bare = mix.model_copy(update={"predictors": None, "linear_predictors": {"m": told}})
    found = transfer_of(bare, "m", y, predict(X), frame(X))
    assert found is not None
    assert found.membership is None
    assert found.differs["effects"] is None
    assert "not testable: effects" in found.sentence
    assert np.isnan(found.auc["difference"].value)
    assert found.auc["here"].value == auc(y, predict(X)).value
    assert transfer_of(bare, "another", y, predict(X), frame(X)) is None


def test_patients_without_a_predictor_are_left_out_of_what_needs_it() -> None:
    rng = np.random.default_rng(7)
    mix, predict = home(rng)
    X, y = draw(rng, 200)
    table = frame(X)
    table.loc[:19, "x1"] = np.nan
    found = transfer_of(mix, "m", y, predict(X), table)
    assert found is not None
    assert found.membership is not None
    assert found.membership.test.n == 180
    assert found.effects.n == 180
    assert found.auc["here"].n == 200
