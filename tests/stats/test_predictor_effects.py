"""Predictor effects at one centre and at two: against statsmodels, and told from other patients and baselines."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import expit, logit

from validkit.errors import InputError
from validkit.stats.predictor_effects import PredictorEffects, compare_effects, effects_given_risk

BETA = np.array([0.8, -0.6, 0.5])


def centre(
    rng: np.random.Generator,
    n: int,
    *,
    spread: float = 1.0,
    shift: float = 0.0,
    base: float = -0.8,
    beta: object = BETA,
) -> PredictorEffects:
    """A centre where the model has the effects BETA and the patients have others where `beta` says so."""
    X = rng.normal(shift, spread, (n, 3))
    y = (rng.random(n) < expit(base + X @ np.asarray(beta))).astype(int)
    return effects_given_risk(y, expit(-0.8 + X @ BETA), X[:, :2], names=["a", "b"])


def test_it_is_the_regression_of_statsmodels() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    p = expit(X @ BETA)
    y = (rng.random(300) < p).astype(int)
    found = effects_given_risk(y, p, X[:, :2], names=["a", "b"])
    fit = sm.Logit(y, np.column_stack([np.ones(300), logit(p), X[:, :2]])).fit(disp=0)
    assert found.columns == ("linear predictor", "a", "b")
    np.testing.assert_allclose(found.coefficients, fit.params[1:], rtol=1e-6)
    np.testing.assert_allclose(found.covariance, fit.cov_params()[1:, 1:], rtol=1e-5)


@pytest.mark.parametrize(
    "change", [{}, {"spread": 1.5, "shift": 0.4}, {"base": -1.6}], ids=["nothing", "patients", "baseline"]
)
def test_other_patients_and_another_baseline_are_no_other_effects(change: dict[str, float]) -> None:
    rng = np.random.default_rng(1)
    p = [compare_effects(centre(rng, 250, **change), centre(rng, 400)).p_value for _ in range(400)]
    assert 0.025 <= np.mean(np.array(p) < 0.05) <= 0.075


@pytest.mark.parametrize("beta", [[0.8, 0.6, 0.5], [0.2, -0.1, 0.1]], ids=["one turned round", "all weaker"])
def test_other_effects_are_found(beta: list[float]) -> None:
    rng = np.random.default_rng(2)
    p = [compare_effects(centre(rng, 300, beta=beta), centre(rng, 400)).p_value for _ in range(100)]
    assert np.mean(np.array(p) < 0.05) > 0.9


def test_what_cannot_be_told_apart_is_left_out_and_named() -> None:
    rng = np.random.default_rng(3)
    p = expit(rng.normal(size=200))
    y = (rng.random(200) < p).astype(int)
    table = np.column_stack([np.ones(200), logit(p), rng.normal(size=200)])
    found = effects_given_risk(y, p, table, names=["one", "lp again", "new"])
    assert found.columns == ("linear predictor", "new")
    assert found.note == "constant or a sum of others, and left out: one, lp again"
    few = effects_given_risk(y[:40], p[:40], rng.normal(size=(40, 6)))
    assert few.columns == ("linear predictor",)
    assert "the predictors were left out" in few.note
    alone = compare_effects(few, found)
    assert alone.df == 1.0
    assert "one centre lacks them: new" in alone.note


def test_undefined_and_wrong_input() -> None:
    flat = effects_given_risk([0, 1, 0, 1], [0.3] * 4)
    assert flat.columns == ()
    assert "every risk is the same" in compare_effects(flat, flat).note
    apart = effects_given_risk([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9])
    assert np.isnan(compare_effects(apart, apart).p_value)
    with pytest.raises(InputError, match="exactly 0 or 1"):
        effects_given_risk([0, 1], [0.0, 0.5])
    with pytest.raises(InputError, match="`X` must have 2 rows and 1 columns"):
        effects_given_risk([0, 1], [0.4, 0.5], [[1.0]], names=["a"])
