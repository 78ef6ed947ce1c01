from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LassoCV, lasso_path
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from validkit.plnm import lasso, lasso_kernels

REFERENCE = pd.read_csv(Path(__file__).resolve().parents[1] / "reference" / "lasso_reference.csv", comment="#")
FAMILY = {"squared": "gaussian", "logistic": "binomial"}
LOSSES = ("squared", "logistic")


def formula_data() -> tuple[np.ndarray, np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
    """The data of tests/reference/make_lasso_reference.R."""
    i = np.arange(90)
    columns = [np.sin(0.7 * i * (j + 1) + j**2) + (0.5 * np.sin(0.7 * i) if j % 3 == 2 else 0.0) for j in range(12)]
    X = np.column_stack(columns)
    y = (X[:, 0] + 0.8 * X[:, 2] - 0.6 * X[:, 5] + 0.9 * np.cos(2.1 * i**1.3) > 0.5).astype(float)
    return X, y, [(np.flatnonzero(i % 6 != k), np.flatnonzero(i % 6 == k)) for k in range(6)]


def simulated(n: int, p: int, seed: int, factors: int = 8) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=(n, factors))
    X = latent @ rng.normal(size=(factors, p)) + rng.normal(size=(n, p))
    y = (rng.random(n) < 1 / (1 + np.exp(1.1 - latent[:, 0]))).astype(float)
    y[:3], y[3:6] = 1, 0
    return X, y


def gradient(Z: np.ndarray, y: np.ndarray, a: float, b: np.ndarray, loss: str) -> np.ndarray:
    """Of the unpenalised loss, from its definition."""
    eta = a + Z @ b
    fitted = eta if loss == "squared" else 1 / (1 + np.exp(-eta))
    return Z.T @ (fitted - y) / y.size


@pytest.mark.parametrize("loss", LOSSES)
def test_equals_glmnet(loss: lasso.Loss) -> None:
    X, y, splits = formula_data()
    Z, _, _ = lasso.standardise(X)
    rows = REFERENCE[REFERENCE["family"] == FAMILY[loss]]
    table = rows[rows["step"] >= 0].pivot(index="step", columns="quantity", values="value")
    lambdas = rows.loc[rows["quantity"] == "cv_mean", "lambda"].to_numpy()
    path = lasso.fit_path(Z, y, lambdas, loss)
    error = lasso.cross_validate(X, y, lambdas, loss, splits)
    np.testing.assert_allclose(path.coefs.T, table[[f"b{j + 1}" for j in range(12)]], atol=2e-7)
    np.testing.assert_allclose(path.intercepts, table["intercept"], atol=1e-7)
    np.testing.assert_allclose(error.mean, table["cv_mean"], rtol=1e-7)
    np.testing.assert_allclose(error.se, table["cv_se"], rtol=1e-6)
    chosen = rows[rows["step"] < 0].set_index("quantity")["value"]
    for rule in ("min", "1se"):
        assert lambdas[lasso.choose(error.mean, error.se, rule)] == chosen[f"lambda.{rule}"]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("every", [1, 3])
def test_the_exact_solver_takes_over_where_the_compiled_steps_do_not_converge(
    loss: lasso.Loss, every: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compiled steps that give up at every penalty, or at every third, change no solution."""
    X, y = simulated(70, 90, seed=9)
    Z, _, _ = lasso.standardise(X)
    lambdas = lasso.lambda_grid(Z, y, loss, count=30)
    expected = lasso.fit_path(Z, y, lambdas, loss)
    compiled, solve, exact = lasso_kernels.path, lasso._solve, []

    def halting(features, y, logistic, lambdas, first, *rest):  # type: ignore[no-untyped-def]
        return compiled(features, y, logistic, lambdas[: first + every - 1], first, *rest)

    def counted(*arguments):  # type: ignore[no-untyped-def]
        exact.append(arguments[2])
        return solve(*arguments)

    monkeypatch.setattr(lasso_kernels, "path", halting)
    monkeypatch.setattr(lasso, "_solve", counted)
    path = lasso.fit_path(Z, y, lambdas, loss)
    assert exact == list(path.lambdas[every - 1 :: every])
    assert np.array_equal(path.lambdas, expected.lambdas)
    assert path.residuals.max() <= lasso.KKT_TOLERANCE
    np.testing.assert_allclose(Z @ path.coefs, Z @ expected.coefs, atol=1e-5)
    np.testing.assert_allclose(path.intercepts, expected.intercepts, atol=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_residuals_are_the_ones_of_the_definition_and_below_the_tolerance_absolutely(loss: lasso.Loss) -> None:
    """294 patients, correlated features beyond their number, as after radiomics; the path down to its densest end."""
    X, y = simulated(294, 600, seed=11)
    Z, _, _ = lasso.standardise(X)
    path = lasso.fit_path(Z, y, lasso.lambda_grid(Z, y, loss), loss)
    assert np.count_nonzero(path.coefs[:, -1]) > 100
    for lam, a, b, residual in zip(path.lambdas, path.intercepts, path.coefs.T, path.residuals, strict=True):
        slope = gradient(Z, y, a, b, loss)
        worst = np.where(b != 0, np.abs(slope + lam * np.sign(b)), np.abs(slope) - lam).max()
        fitted = a + Z @ b if loss == "squared" else 1 / (1 + np.exp(-(a + Z @ b)))
        worst = max(worst, abs(np.mean(fitted - y)))
        assert worst < 1e-8
        assert worst <= lasso.KKT_TOLERANCE * lam
        assert residual == pytest.approx(worst / lam, abs=1e-10)


@pytest.mark.parametrize("loss", LOSSES)
def test_cross_validation_is_the_same_to_the_byte_for_any_number_of_threads(
    loss: lasso.Loss, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, y = simulated(120, 200, seed=12)
    splits = list(StratifiedKFold(6, shuffle=True, random_state=0).split(X, y))
    lambdas = lasso.lambda_grid(lasso.standardise(X)[0], y, loss, count=40)
    results = []
    for threads in (1, 2, 5):
        monkeypatch.setattr(lasso, "cpu_count", lambda threads=threads: threads)
        with threadpool_limits(threads):
            error = lasso.cross_validate(X, y, lambdas, loss, splits)
        results.append((error.mean.tobytes(), error.se.tobytes(), error.residual))
    assert results[0] == results[1] == results[2]
    assert results[0][2] <= lasso.KKT_TOLERANCE


def test_a_constant_feature_of_a_fold_is_silent_there() -> None:
    X, _ = simulated(30, 4, seed=7)
    X[:, 3], X[0, 3] = 0.1, 5.0
    patients = np.arange(1, 30)
    rows, centre, scale = lasso_kernels.standardise(np.ascontiguousarray(X.T), patients)
    Z, expected_centre, expected_scale = lasso.standardise(X[patients])
    np.testing.assert_allclose(rows.T, Z, atol=1e-13)
    assert np.all(rows[3] == 0)
    np.testing.assert_allclose(centre, expected_centre, rtol=1e-13)
    np.testing.assert_allclose(scale, expected_scale, rtol=1e-13)


@pytest.mark.parametrize("p", [20, 150])
def test_squared_path_equals_scikit_learn(p: int) -> None:
    X, y = simulated(100, p, seed=1)
    Z, _, _ = lasso.standardise(X)
    lambdas = lasso.lambda_grid(Z, y, "squared")
    path = lasso.fit_path(Z, y, lambdas, "squared")
    _, theirs, _ = lasso_path(Z, y - y.mean(), alphas=path.lambdas, tol=1e-12, max_iter=1_000_000)
    np.testing.assert_allclose(Z @ path.coefs, Z @ theirs, atol=1e-6)


def test_min_rule_finds_the_penalty_of_lasso_cv_on_the_same_folds() -> None:
    X, y = simulated(150, 30, seed=3)
    splits = list(StratifiedKFold(5, shuffle=True, random_state=0).split(X, y))
    Z = StandardScaler().fit_transform(X)
    lambdas = lasso.lambda_grid(Z, y, "squared")
    theirs = LassoCV(alphas=lambdas, cv=splits, tol=1e-10, max_iter=100_000).fit(Z, y)
    error = lasso.cross_validate(Z, y, lambdas, "squared", splits)
    ours = lambdas[lasso.choose(error.mean, error.se, "min")]
    assert abs(np.log(ours / theirs.alpha_)) < 3 * np.log(lambdas[0] / lambdas[1])


def test_cross_validation_learns_centre_and_scale_in_each_fold() -> None:
    """The same by hand, with a patient whose value would dominate the scale of any fold that saw it."""
    X, y = simulated(60, 6, seed=8)
    X[0, 2] = 1e3
    splits = list(StratifiedKFold(5, shuffle=True, random_state=0).split(X, y))
    lambdas = lasso.lambda_grid(lasso.standardise(X)[0], y, "squared")[10:40]
    by_hand = []
    for training, validation in splits:
        scaler = StandardScaler().fit(X[training])
        _, coefs, _ = lasso_path(
            scaler.transform(X[training]), y[training] - y[training].mean(), alphas=lambdas, tol=1e-14, max_iter=10**6
        )
        predicted = y[training].mean() + scaler.transform(X[validation]) @ coefs
        by_hand.append(((y[validation][:, None] - predicted) ** 2).mean(axis=0))
    error = lasso.cross_validate(X, y, lambdas, "squared", splits)
    np.testing.assert_allclose(error.mean, np.mean(by_hand, axis=0), rtol=1e-8)
    np.testing.assert_allclose(error.se, np.std(by_hand, axis=0, ddof=1) / np.sqrt(5), rtol=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(("n", "p"), [(60, 5), (80, 40), (50, 120)])
def test_every_solution_satisfies_the_optimality_conditions(loss: lasso.Loss, n: int, p: int) -> None:
    X, y = simulated(n, p, seed=p)
    X[:, 1] = X[:, 0]
    X[:, 2] = X[:, 3] * (1 + 1e-9)
    X[:, 4] = 7.0
    X[:, -1] = X[:, 0] + X[:, 3] if p > 5 else X[:, -1]
    Z, _, _ = lasso.standardise(X)
    path = lasso.fit_path(Z, y, lasso.lambda_grid(Z, y, loss), loss)
    assert path.residuals.max() <= lasso.KKT_TOLERANCE
    for lam, a, b in zip(path.lambdas, path.intercepts, path.coefs.T, strict=True):
        slope = gradient(Z, y, a, b, loss)
        active = b != 0
        assert np.abs(slope[active] + lam * np.sign(b[active])).max(initial=0) <= 1.1e-8 * lam
        assert np.abs(slope[~active]).max(initial=0) <= lam * (1 + 1.1e-8)
        fitted = a + Z @ b if loss == "squared" else 1 / (1 + np.exp(-(a + Z @ b)))
        assert abs(np.mean(fitted - y)) <= 1.1e-8 * lam
    assert np.all(path.coefs[4] == 0)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.floats(0.01, 3.0))
def test_quadratic_lasso_is_optimal(seed: int, p: int, lam: float) -> None:
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(p + 2, p))
    H, c, start = root.T @ root / p + 1e-6 * np.eye(p), rng.normal(size=p), rng.normal(size=p)
    b = lasso.quadratic_lasso(H, c, lam, start)
    slope = H @ b - c
    assert np.abs(slope[b != 0] + lam * np.sign(b[b != 0])).max(initial=0) < 1e-9
    assert np.abs(slope[b == 0]).max(initial=0) <= lam * (1 + 1e-9)
    np.testing.assert_allclose(b, lasso.quadratic_lasso(H, c, lam, np.zeros(p)), atol=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_largest_lambda_keeps_nothing_and_the_next_keeps_something(loss: lasso.Loss) -> None:
    X, y = simulated(70, 10, seed=4)
    Z, _, _ = lasso.standardise(X)
    top = lasso.largest_lambda(Z, y)
    path = lasso.fit_path(Z, y, np.array([top * (1 + 1e-12), top * 0.99]), loss)
    assert np.count_nonzero(path.coefs[:, 0]) == 0
    assert np.count_nonzero(path.coefs[:, 1]) == 1
    expected = y.mean() if loss == "squared" else np.log(y.mean() / (1 - y.mean()))
    assert path.intercepts[0] == pytest.approx(expected, abs=1e-12)


def test_a_singular_model_is_told_apart() -> None:
    with pytest.raises(np.linalg.LinAlgError):
        lasso.quadratic_lasso(np.ones((2, 2)), np.array([1.0, -1.0]), 0.1, np.array([1.0, -1.0]))


def test_the_grid_ends_where_the_peers_end() -> None:
    X, y = simulated(60, 10, seed=5)
    Z, _, _ = lasso.standardise(X)
    for loss, ratio in (("squared", 1e-3), ("logistic", 1e-4)):
        grid = lasso.lambda_grid(Z, y, loss)
        assert grid.size == 100
        assert grid[0] == lasso.largest_lambda(Z, y)
        assert grid[-1] / grid[0] == pytest.approx(ratio, rel=1e-12)
    wide, y = simulated(40, 60, seed=5)
    grid = lasso.lambda_grid(lasso.standardise(wide)[0], y, "logistic")
    assert grid[-1] / grid[0] == pytest.approx(0.01, rel=1e-12)


def test_a_separable_outcome_ends_the_path_or_holds_its_last_solution() -> None:
    X, y = simulated(60, 3, seed=6)
    X[:, 0] = np.where(y == 1, 1.0, -1.0) + 0.01 * X[:, 0]
    Z, _, _ = lasso.standardise(X)
    grid = lasso.lambda_grid(Z, y, "logistic")
    short = lasso.fit_path(Z, y, grid, "logistic")
    full = lasso.fit_path(Z, y, grid, "logistic", extend=True)
    assert short.lambdas.size < 100
    assert short.coefs.shape == (3, short.lambdas.size)
    assert full.coefs.shape == (3, 100)
    assert np.array_equal(full.coefs[:, -1], short.coefs[:, -1])
    assert np.isfinite(full.coefs).all()
    assert short.residuals.max() <= lasso.KKT_TOLERANCE


def test_standardisation_ignores_units_and_silences_constants() -> None:
    X, _ = simulated(30, 4, seed=7)
    X[:, 3] = 0.1
    Z, centre, scale = lasso.standardise(X)
    np.testing.assert_allclose(Z[:, :3].mean(axis=0), 0, atol=1e-14)
    np.testing.assert_allclose(Z[:, :3].std(axis=0), 1, rtol=1e-14)
    assert np.all(Z[:, 3] == 0)
    assert scale[3] == 1.0
    np.testing.assert_allclose(lasso.standardise(1000 * X + 5)[0][:, :3], Z[:, :3], atol=1e-10)
    np.testing.assert_allclose(centre[3], 0.1)


def test_one_standard_error_rule_takes_the_largest_penalty_within_reach() -> None:
    mean, se = np.array([1.0, 0.8, 0.55, 0.5, 0.6]), np.array([0.1, 0.1, 0.1, 0.06, 0.1])
    assert lasso.choose(mean, se, "min") == 3
    assert lasso.choose(mean, se, "1se") == 2
    assert lasso.choose(np.array([0.5, 0.5]), se[:2], "min") == 0
