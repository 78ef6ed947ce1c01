from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils.estimator_checks import check_estimator

from validkit.errors import InputError, StageError
from validkit.plnm.selection import (
    FeatureSelection,
    LassoSelector,
    MannWhitneyFilter,
    SpearmanFilter,
    mann_whitney,
    select,
    spearman,
)


def table(n: int = 90, p: int = 30, seed: int = 0, signal: float = 1.0) -> tuple[pd.DataFrame, np.ndarray]:
    """Features named f00, f01, ... of which f00 and f01 carry the outcome."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.35).astype(int)
    y[:12], y[12:24] = 1, 0
    X = rng.normal(size=(n, p))
    X[:, 0] += signal * y
    X[:, 1] -= signal * y
    index = [f"patient-{i}" for i in range(n)]
    return pd.DataFrame(X, index=index, columns=[f"f{j:02d}" for j in range(p)]), y


# --- Mann-Whitney ----------------------------------------------------------------------------


def test_mann_whitney_equals_r() -> None:
    """wilcox.test(events, others, exact = FALSE, correct = TRUE), R 4.2.2: with ties, and without."""
    with_ties = np.array([2, 4, 4, 6, 7, 8, 1, 2, 2, 3, 5.0])[:, None]
    u, p = mann_whitney(with_ties, np.array([1] * 6 + [0] * 5))
    assert u[0] == 25
    assert p[0] == pytest.approx(0.079343683197715023, rel=1e-12)
    plain = np.array([4.1, 5.2, 6.3, 7.7, 3.3, 1.2, 2.2, 3.1, 4.0])[:, None]
    u, p = mann_whitney(plain, np.array([1] * 5 + [0] * 4))
    assert u[0] == 19
    assert p[0] == pytest.approx(0.037336415920662905, rel=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(5, 40), st.integers(1, 4))
def test_mann_whitney_equals_scipy_column_by_column(seed: int, n: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    y[:2] = 0, 1
    X = np.column_stack([rng.normal(size=(n, 2)), rng.integers(0, levels, size=(n, 3))]).astype(float)
    u, p = mann_whitney(X, y)
    for j in range(X.shape[1]):
        one = scipy.stats.mannwhitneyu(X[y == 1, j], X[y == 0, j], alternative="two-sided", method="asymptotic")
        assert u[j] == one.statistic
        assert p[j] == pytest.approx(one.pvalue, abs=1e-12)
        if np.ptp(X[:, j]) == 0:
            assert p[j] == 1.0


def test_mann_whitney_of_many_features_equals_scipy_in_statistic_and_p() -> None:
    """An odd number of features, free of ties, lightly and heavily tied, and constant, with values of any size."""
    rng = np.random.default_rng(2)
    X = np.hstack([rng.normal(size=(294, 30)), np.round(rng.normal(size=(294, 20)), 1), rng.integers(0, 2, (294, 10))])
    X = np.column_stack([X, np.full(294, -3.0), np.where(X[:, 0] > 0, 0.0, -0.0), X[:, 0] * 1e300])
    y = (rng.random(294) < 0.3).astype(int)
    u, p = mann_whitney(X, y)
    with np.errstate(all="ignore"):
        theirs = scipy.stats.mannwhitneyu(X[y == 1], X[y == 0], axis=0, alternative="two-sided", method="asymptotic")
    assert X.shape[1] == 63
    np.testing.assert_array_equal(u, theirs.statistic)
    np.testing.assert_allclose(p, theirs.pvalue, atol=1e-14, rtol=1e-12)
    assert p[60] == p[61] == 1.0


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_mann_whitney_is_a_rank_test_blind_to_which_outcome_is_which(seed: int) -> None:
    X, y = table(n=40, p=4, seed=seed)
    _, p = mann_whitney(X.to_numpy(), y)
    np.testing.assert_array_equal(p, mann_whitney(np.exp(X.to_numpy()), y)[1])
    np.testing.assert_allclose(p, mann_whitney(X.to_numpy(), 1 - y)[1], rtol=1e-12)


def test_mann_whitney_filter_keeps_p_below_alpha() -> None:
    X, y = table()
    step = MannWhitneyFilter(alpha=0.05).fit(X, y)
    _, p = mann_whitney(X.to_numpy(), y)
    assert list(step.get_feature_names_out()) == list(X.columns[p < 0.05])
    assert {"f00", "f01"} <= set(step.get_feature_names_out())
    assert step.note_ == ""
    assert np.array_equal(step.transform(X), X.to_numpy()[:, p < 0.05])


def test_mann_whitney_filter_leaves_out_features_with_missing_values_and_says_so() -> None:
    X, y = table()
    X.loc[X.index[3], "f00"] = np.nan
    X.loc[X.index[5], "f07"] = np.inf
    X["f09"] = 3.0
    step = MannWhitneyFilter().fit(X, y)
    assert list(step.excluded_) == ["f00", "f07"]
    assert np.isnan(step.p_values_[[0, 7]]).all()
    assert step.p_values_[9] == 1.0
    assert not step.support_[[0, 7, 9]].any()
    assert step.note_ == "2 of 30 features hold NaN or infinite values and were left out: f00, f07"


def test_mann_whitney_filter_keeps_the_strongest_when_none_passes_and_says_so() -> None:
    X, y = table(signal=0.0, p=6)
    step = MannWhitneyFilter(alpha=1e-12, at_least=2).fit(X, y)
    assert set(np.flatnonzero(step.support_)) == set(np.argsort(step.p_values_)[:2])
    assert step.note_ == "0 features have p < 1e-12; the 2 of smallest p were kept"


def test_mann_whitney_filter_refuses_what_it_cannot_test() -> None:
    X, y = table(p=2)
    with pytest.raises(StageError, match="every one of the 2 features holds NaN or infinite values"):
        MannWhitneyFilter().fit(X * np.nan, y)
    with pytest.raises(InputError, match="exactly two classes; y has 1 class"):
        MannWhitneyFilter().fit(X, np.ones(len(y)))
    with pytest.raises(InputError, match="alpha must lie between 0 and 1; got 5"):
        MannWhitneyFilter(alpha=5).fit(X, y)


# --- Spearman --------------------------------------------------------------------------------


def test_spearman_equals_r() -> None:
    """cor(..., method = "spearman"), R 4.2.2."""
    X = np.array([[1, 2, 2, 3, 5, 9], [2, 1, 4, 4, 6, 5]], dtype=float).T
    assert spearman(X)[0, 1] == pytest.approx(0.80882352941176461, rel=1e-14)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 30))
def test_spearman_equals_scipy(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    X = np.column_stack([rng.normal(size=(n, 3)), rng.integers(0, 3, size=(n, 2))]).astype(float)
    X[0, 3:], X[1, 3:] = 0, 2
    np.testing.assert_allclose(spearman(X), scipy.stats.spearmanr(X).statistic, atol=1e-14)


@pytest.mark.parametrize("n", [2, 368, 369, 370, 371])
def test_spearman_is_exact_on_both_sides_of_single_precision(n: int) -> None:
    """Against Python's whole numbers: a perfect correlation has the largest sums of products there are."""
    rng = np.random.default_rng(n)
    X = np.column_stack([np.arange(n), -np.arange(n), rng.permutation(n), rng.integers(0, 9, n)]).astype(float)
    X[0, 3], X[1, 3] = 10.0, 11.0
    doubled = [[int(2 * rank) - n - 1 for rank in scipy.stats.rankdata(column)] for column in X.T]
    products = [[sum(i * j for i, j in zip(a, b, strict=True)) for b in doubled] for a in doubled]
    expected = [[products[i][j] / np.sqrt(float(products[i][i] * products[j][j])) for j in range(4)] for i in range(4)]
    rho = spearman(X)
    np.testing.assert_array_equal(rho, np.clip(expected, -1, 1) * (1 - np.eye(4)) + np.eye(4))
    assert rho.dtype == np.float64
    assert rho[0, 1] == -1.0


def test_spearman_keeps_the_feature_of_smaller_p_of_a_redundant_pair() -> None:
    X, y = table(p=4, signal=2.0)
    rng = np.random.default_rng(9)
    noisy = X["f00"] + 0.05 * rng.normal(size=len(X))
    frame = pd.DataFrame({"noisy": noisy, "other": X["f03"], "clean": X["f00"]})
    first = mann_whitney(frame.to_numpy(), y)[1]
    by_p = SpearmanFilter(above=0.9).fit(frame, y)
    better = "noisy" if first[0] < first[2] else "clean"
    assert list(by_p.get_feature_names_out()) == [name for name in frame if name in (better, "other")]
    by_column = SpearmanFilter(above=0.9).fit(frame)
    assert list(by_column.get_feature_names_out()) == ["noisy", "other"]
    assert by_column.kept_by_ == {"clean": "noisy"}


def test_spearman_limit_itself_is_not_above() -> None:
    """Ranks 1..5 against 1, 2, 3, 5, 4: rho = 1 - 6 * 2 / (5 * 24) = 0.9 exactly."""
    X = pd.DataFrame({"a": [1.0, 2, 3, 4, 5], "b": [1.0, 2, 3, 5, 4]})
    assert SpearmanFilter(above=0.9).fit(X).support_.tolist() == [True, True]
    assert SpearmanFilter(above=0.899).fit(X).support_.tolist() == [True, False]
    assert SpearmanFilter(above=1.0).fit(X.assign(b=-X["a"])).support_.tolist() == [True, True]


def test_spearman_leaves_no_redundant_pair_and_drops_nothing_without_reason() -> None:
    X, y = table(p=10)
    rng = np.random.default_rng(1)
    wide = pd.concat([X, (X + 0.3 * rng.normal(size=X.shape)).add_suffix("_again"), -X.add_suffix("_minus")], axis=1)
    step = SpearmanFilter(above=0.8).fit(wide, y)
    rho = np.abs(spearman(wide.to_numpy()))
    kept = rho[np.ix_(step.support_, step.support_)]
    assert kept[~np.eye(len(kept), dtype=bool)].max() <= 0.8
    names = list(wide.columns)
    assert set(step.kept_by_) == set(np.array(names)[~step.support_])
    for dropped, keeper in step.kept_by_.items():
        assert rho[names.index(dropped), names.index(keeper)] > 0.8
        assert keeper in set(step.get_feature_names_out())


def test_spearman_constant_columns_repeat_nothing_and_missing_values_are_refused() -> None:
    X = pd.DataFrame({"a": [1.0, 2, 3], "b": [4.0, 4, 4], "c": [5.0, 5, 5]})
    assert SpearmanFilter().fit(X).support_.all()
    X.loc[1, "b"] = np.nan
    with pytest.raises(InputError, match=r"SpearmanFilter needs finite features; 1 of 3 hold NaN or infinity \(b\)"):
        SpearmanFilter().fit(X)
    with pytest.raises(InputError, match=r"above must lie in \(0, 1\]; got 0"):
        SpearmanFilter(above=0).fit(X)


# --- LASSO -----------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_lasso_finds_the_signal_and_tells_its_path(loss: str) -> None:
    X, y = table(n=200, p=20)
    step = LassoSelector(loss=loss, random_state=0).fit(X, y)
    assert {"f00", "f01"} <= set(step.get_feature_names_out())
    assert step.coef_[0] > 0 > step.coef_[1]
    assert step.coefs_.shape == (20, step.lambdas_.size)
    assert step.cv_mean_.shape == step.cv_se_.shape == step.lambdas_.shape
    assert step.lambda_ == step.lambdas_[np.argmin(step.cv_mean_)]
    assert np.array_equal(step.support_, step.coef_ != 0)
    assert np.array_equal(step.coef_, step.coefs_[:, list(step.lambdas_).index(step.lambda_)])
    assert step.kkt_ <= 1e-8
    sparser = LassoSelector(loss=loss, rule="1se", random_state=0).fit(X, y)
    assert sparser.lambda_ >= step.lambda_
    assert sparser.support_.sum() <= step.support_.sum()


def test_lasso_is_the_same_to_the_byte_and_indifferent_to_units() -> None:
    X, y = table(n=120, p=12)
    one, two = (LassoSelector(random_state=3).fit(X, y) for _ in range(2))
    for name in ("lambdas_", "coefs_", "cv_mean_", "cv_se_"):
        assert getattr(one, name).tobytes() == getattr(two, name).tobytes()
    scaled = LassoSelector(random_state=3).fit(X * 1000 + 7, y)
    np.testing.assert_allclose(scaled.coef_, one.coef_, atol=1e-8)
    other = LassoSelector(random_state=4).fit(X, y)
    assert not np.array_equal(other.cv_mean_, one.cv_mean_)


def test_lasso_lowers_the_penalty_when_too_few_are_kept_and_says_so() -> None:
    """On noise the one-standard-error rule keeps nothing."""
    X, y = table(n=80, p=10, signal=0.0, seed=5)
    step = LassoSelector(rule="1se", at_least=3, random_state=0).fit(X, y)
    assert step.support_.sum() >= 3
    position = list(step.lambdas_).index(step.lambda_)
    assert np.count_nonzero(step.coefs_[:, position - 1]) < 3
    assert "keeps 0 features; it was lowered to" in step.note_
    assert step.note_.endswith("the largest that keeps 3")
    twin = pd.DataFrame({"a": X["f00"], "b": X["f00"]})
    both = LassoSelector(rule="1se", at_least=2, random_state=0).fit(twin, y)
    assert both.support_.sum() == 1
    assert both.note_.endswith("the largest that keeps 1 (no penalty keeps 2)")


def test_lasso_refuses_what_it_cannot_do() -> None:
    X, y = table(n=60, p=3)
    few = np.zeros(60, dtype=int)
    few[:6] = 1
    with pytest.raises(StageError, match="10-fold cross-validation of the LASSO needs at least 10 patients of each"):
        LassoSelector().fit(X, few)
    with pytest.raises(StageError, match="each of the 3 features is constant"):
        LassoSelector(folds=5).fit(X * 0 + 1, y)
    with pytest.raises(InputError, match="rule must be one of"):
        LassoSelector(rule="best").fit(X, y)
    with pytest.raises(InputError, match=r"1 of 3 hold NaN or infinity \(f01\)"):
        LassoSelector(folds=5).fit(X.assign(f01=np.nan), y)


# --- the sequence ----------------------------------------------------------------------------


def steps() -> list:
    return [MannWhitneyFilter(alpha=0.3), SpearmanFilter(above=0.9), LassoSelector(folds=5, random_state=1)]


def test_sequence_fits_each_step_on_what_the_one_before_kept() -> None:
    X, y = table(n=120)
    X["f29"] = X["f00"] * 2 + 1
    sequence = FeatureSelection(steps()).fit(X, y)
    remaining = X
    for fitted, step in zip(sequence.steps_, steps(), strict=True):
        expected = step.fit(remaining, y)
        assert list(fitted.feature_names_) == list(remaining.columns)
        assert np.array_equal(fitted.support_, expected.support_)
        remaining = remaining.loc[:, expected.support_]
    assert list(sequence.get_feature_names_out()) == list(remaining.columns)
    frame = sequence.set_output(transform="pandas").transform(X)
    pd.testing.assert_frame_equal(frame, remaining)
    assert not {"f00", "f29"} <= set(remaining.columns)


def test_sequence_record_is_plain_json_and_agrees_with_the_fit() -> None:
    X, y = table(n=120)
    X.loc[X.index[0], "f05"] = np.nan
    names, record = select(X, y, steps())
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert [step["method"] for step in record["steps"]] == ["mann-whitney", "spearman", "lasso"]
    assert record["steps"][0]["before"] == 30
    assert [step["before"] for step in record["steps"][1:]] == [step["after"] for step in record["steps"][:-1]]
    assert record["steps"][-1]["after"] == len(names) == len(record["selected"])
    assert "f05" in record["steps"][0]["note"]
    path = record["lasso"]
    assert len(path["coefficients"]) == len(path["features"]) == record["steps"][2]["before"]
    assert {len(row) for row in path["coefficients"]} == {len(path["lambdas"])} == {len(path["cv_mean"])}
    at = path["lambdas"].index(path["chosen"])
    for chosen in record["selected"]:
        assert chosen["coefficient"] == path["coefficients"][path["features"].index(chosen["feature"])][at]
        assert chosen["coefficient"] != 0


def test_sequence_without_lasso_or_without_steps() -> None:
    X, y = table(p=5)
    names, record = select(X, y, [SpearmanFilter()])
    assert names == list(X.columns)
    assert record["lasso"] is None
    assert {row["coefficient"] for row in record["selected"]} == {None}
    names, record = select(X, y, [])
    assert names == list(X.columns)
    assert record["steps"] == []


def test_permuted_outcomes_still_leave_a_model_and_a_note() -> None:
    X, y = table(n=100, p=40, signal=1.0)
    rng = np.random.default_rng(0)
    strict = [MannWhitneyFilter(alpha=1e-4, at_least=2), SpearmanFilter(), LassoSelector(rule="1se", random_state=0)]
    notes = set()
    for _ in range(3):
        fitted = FeatureSelection(strict).fit(X, rng.permutation(y))
        assert fitted.support_.sum() >= 1
        notes |= {step.method for step in fitted.steps_ if step.note_}
    assert "mann-whitney" in notes


# --- scikit-learn's own checks ---------------------------------------------------------------

ALL_MISSING = {"check_estimators_pickle": "puts NaN into every feature, which the filter refuses by design"}


@pytest.mark.parametrize(
    ("estimator", "expected"),
    [
        pytest.param(MannWhitneyFilter(), ALL_MISSING, id="mann-whitney"),
        pytest.param(SpearmanFilter(), {}, id="spearman"),
        pytest.param(LassoSelector(folds=2, random_state=0), {}, id="lasso"),
        pytest.param(FeatureSelection([MannWhitneyFilter(alpha=0.9), SpearmanFilter()]), ALL_MISSING, id="sequence"),
    ],
)
def test_scikit_learn_estimator_checks(estimator: object, expected: dict[str, str]) -> None:
    results = check_estimator(estimator, expected_failed_checks=expected, on_skip=None, on_fail=None)
    status = Counter(result["status"] for result in results)
    assert [result["check_name"] for result in results if result["status"] == "failed"] == []
    assert status["passed"] >= 42
    assert {result["check_name"] for result in results if result["status"] == "xfail"} == set(expected)
