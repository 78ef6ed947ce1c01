from __future__ import annotations

import json
import subprocess
import sys
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, log_loss, roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_info

from validkit.engine import map_tasks
from validkit.errors import InputError, MissingExtraError, StageError
from validkit.plnm import classifiers
from validkit.plnm.classifiers import CLASSIFIERS, LABELS, cross_fitted, grid, make_classifier, probability, search
from validkit.sections import Classifier

for package in ("xgboost", "lightgbm", "torch", "skorch"):
    pytest.importorskip(package, reason="the eight classifiers need the extra 'models'")


def table(n: int = 70, p: int = 5, seed: int = 0, signal: float = 1.2) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.35).astype(int)
    y[:8], y[8:16] = 1, 0
    X = rng.normal(size=(n, p))
    X[:, 0] += signal * y
    index = [f"patient-{i}" for i in range(n)]
    return pd.DataFrame(X, index=index, columns=[f"wavelet-LLH_glcm_{j}" for j in range(p)]), y


def test_the_protocol_and_this_module_name_the_same_eight() -> None:
    assert get_args(Classifier) == CLASSIFIERS == tuple(LABELS)
    assert len(CLASSIFIERS) == 8


def test_what_the_paper_fixes_is_fixed_and_never_searched() -> None:
    fixed = {
        "knn": {"n_neighbors": 5},
        "random-forest": {"n_estimators": 100},
        "extra-trees": {"n_estimators": 50},
        "xgboost": {"max_depth": 6},
        "lightgbm": {"num_leaves": 31},
        "mlp": {"dropout": 0.3, "patience": 10},
    }
    for name in CLASSIFIERS:
        model = make_classifier(name, random_state=0).named_steps["model"]
        for setting, value in fixed.get(name, {}).items():
            assert model.get_params()[setting] == value
            assert all(setting not in candidate for size in ("full", "small") for candidate in grid(name, size))
    assert make_classifier("svm", random_state=0).fit(*table()).named_steps["model"].svc_.kernel == "rbf"
    hidden = [candidate["hidden"] for size in ("full", "small") for candidate in grid("mlp", size)]
    assert {len(widths) for widths in hidden} == {2}


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_every_candidate_can_be_set_and_small_grids_are_small(name: str) -> None:
    model = make_classifier(name, random_state=0)
    full, small = grid(name), grid(name, "small")
    assert 2 <= len(small) <= 4 <= len(full)
    for candidate in full + small:
        assert set(candidate) <= set(model.named_steps["model"].get_params())
    assert len({json.dumps(classifiers._plain(candidate), sort_keys=True) for candidate in full}) == len(full)


def test_class_weights_are_offered_wherever_there_are_any() -> None:
    without = {name for name in CLASSIFIERS if not {"class_weight", "scale_pos_weight"} & set(grid(name)[0])}
    assert without == {"knn"}


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_each_classifier_is_searched_predicts_and_repeats_to_the_byte(name: str) -> None:
    X, y = table(signal=2.0)
    (one, scores), (two, again) = (search(name, X, y, folds=3, grid="small", random_state=5) for _ in range(2))
    assert one.params == two.params
    pd.testing.assert_frame_equal(scores, again)
    risk = probability(one.estimator, X)
    assert risk.dtype == np.float64
    assert risk.shape == (70,)
    assert np.all((risk >= 0) & (risk <= 1))
    assert risk.tobytes() == probability(two.estimator, X).tobytes()
    assert roc_auc_score(y, risk) > 0.7
    assert one.n_candidates == len(scores) == len(grid(name, "small"))
    unseen = cross_fitted(one.estimator, X, y, folds=3, random_state=6)
    assert unseen.tobytes() == cross_fitted(one.estimator, X, y, folds=3, random_state=6).tobytes()
    assert roc_auc_score(y, unseen) > 0.7
    record = one.record()
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["label"] == LABELS[name]
    assert record["n_candidates"] == len(scores)


def searched(name: str) -> bytes:
    X, y = table()
    found, scores = search(name, X, y, folds=3, grid="small", random_state=5)
    unseen = cross_fitted(found.estimator, X, y, folds=3, random_state=6)
    return probability(found.estimator, X).tobytes() + unseen.tobytes() + scores.to_csv().encode()


def test_a_worker_and_this_process_give_the_same_bytes() -> None:
    assert map_tasks(searched, CLASSIFIERS, engine="loky:2") == [searched(name) for name in CLASSIFIERS]


def test_search_equals_scikit_learn_s_grid_search() -> None:
    X, y = table()
    ours, table_of_scores = search("lr", X, y, folds=4, random_state=3)
    splitter = StratifiedKFold(4, shuffle=True, random_state=3)
    axes = {f"model__{name}": sorted({c[name] for c in grid("lr")}, key=str) for name in grid("lr")[0]}
    theirs = GridSearchCV(make_classifier("lr", random_state=3), axes, scoring="balanced_accuracy", cv=splitter)
    theirs.fit(X, y)
    assert ours.best_score == pytest.approx(theirs.best_score_, abs=1e-12)
    scores = {
        (row["params"]["model__C"], row["params"]["model__class_weight"]): row["score"]
        for row in (
            {"params": params, "score": score}
            for params, score in zip(theirs.cv_results_["params"], theirs.cv_results_["mean_test_score"], strict=True)
        )
    }
    for row in table_of_scores.to_dict("records"):
        weight = row["class_weight"] if isinstance(row["class_weight"], str) else None
        assert row["mean"] == pytest.approx(scores[row["C"], weight], abs=1e-12)


def test_scores_and_spread_are_those_of_the_folds() -> None:
    X, y = table()
    metric = {
        "balanced-accuracy": lambda m, A, b: balanced_accuracy_score(b, m.predict(A)),
        "roc-auc": lambda m, A, b: roc_auc_score(b, m.predict_proba(A)[:, 1]),
        "neg-log-loss": lambda m, A, b: -log_loss(b, m.predict_proba(A)[:, 1]),
    }
    for score, of in metric.items():
        found, scores = search("lr", X, y, folds=3, score=score, grid="small", random_state=1)
        settings = {"class_weight": found.params["class_weight"], "C": found.params["C"]}
        by_hand = []
        for training, left in StratifiedKFold(3, shuffle=True, random_state=1).split(X, y):
            scaler = StandardScaler().fit(X.iloc[training])
            model = LogisticRegression(max_iter=5000, **settings)
            model.fit(scaler.transform(X.iloc[training]), y[training])
            by_hand.append(of(model, scaler.transform(X.iloc[left]), y[left]))
        assert found.best_score == pytest.approx(np.mean(by_hand), abs=1e-12)
        assert found.best_sd == pytest.approx(np.std(by_hand, ddof=1), abs=1e-12)
        assert found.score == score
        assert found.best_score == scores["mean"].max()


def test_of_equal_candidates_the_first_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = table()
    for scores, winner in (([0.5, 0.7, 0.7, 0.7], 1), ([0.7, 0.7 + 1e-14, 0.2, 0.7], 0)):
        values = iter(np.repeat(scores, 3))
        monkeypatch.setitem(classifiers._SCORES, "roc-auc", lambda *_, values=values: float(next(values)))
        found, _ = search("lr", X, y, folds=3, score="roc-auc", grid="small", random_state=0)
        assert found.params == grid("lr", "small")[winner]


def test_balanced_weight_of_xgboost_is_the_ratio_of_the_outcomes() -> None:
    X, y = table()
    _, scores = search("xgboost", X, y, folds=3, grid="small", random_state=0)
    assert scores["scale_pos_weight"].tolist() == [1.0, np.sum(y == 0) / np.sum(y == 1)]


def test_search_learns_nothing_from_noise() -> None:
    """With the outcome shuffled, the average score stays near chance over seeds."""
    X, y = table(n=120, signal=0.0)
    scores = [
        cross_fitted(make_classifier("lr", random_state=0), X, np.random.default_rng(s).permutation(y), random_state=s)
        for s in range(20)
    ]
    outcomes = [np.random.default_rng(s).permutation(y) for s in range(20)]
    auc = [roc_auc_score(outcome, risk) for outcome, risk in zip(outcomes, scores, strict=True)]
    assert abs(np.mean(auc) - 0.5) < 0.06


class Remembering(ClassifierMixin, BaseEstimator):
    """Knows the outcome of patients it was fitted on, by their index, and nothing of others."""

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> Remembering:
        self.classes_ = np.array([0, 1])
        self.known_ = dict(zip(X.index, y.tolist(), strict=True))
        return self

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        risk = np.array([self.known_.get(patient, 0.5) for patient in X.index])
        return np.column_stack([1 - risk, risk])


def test_cross_fitted_probabilities_come_from_models_that_did_not_see_the_patient() -> None:
    X, y = table()
    assert np.all(cross_fitted(Remembering(), X, y, folds=5, random_state=0) == 0.5)


def test_cross_fitting_is_refitting_on_the_other_folds_and_takes_mixed_tables() -> None:
    X, y = table()
    model = make_classifier("lr", random_state=0).fit(X, y)
    ours = cross_fitted(model, X, y, folds=4, random_state=2)
    for training, left in StratifiedKFold(4, shuffle=True, random_state=2).split(X, y):
        fitted = clone(model).fit(X.iloc[training], y[training])
        np.testing.assert_array_equal(ours[left], fitted.predict_proba(X.iloc[left])[:, 1])
    words = pd.DataFrame({"site": ["north", "south"] * 35}, index=X.index)
    assert np.all(cross_fitted(Remembering(), words, y, folds=3, random_state=0) == 0.5)


def test_probability_is_of_class_one_wherever_its_column_is() -> None:
    X, y = table()
    model = make_classifier("lr", random_state=0).fit(X, y)
    turned = Pipeline(model.steps)
    assert np.array_equal(probability(turned, X), model.predict_proba(X)[:, 1])
    other = make_classifier("lr", random_state=0).fit(X, y + 1)
    np.testing.assert_allclose(probability(other, X), 1 - probability(model, X), atol=1e-9)
    with pytest.raises(InputError, match=r"not fitted on outcomes 0 and 1; its classes are \[2, 3\]"):
        probability(make_classifier("lr", random_state=0).fit(X, y + 2), X)

    class Broken(Remembering):
        def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
            return np.full((len(X), 2), np.nan)

    with pytest.raises(StageError, match="no probability for 70 of 70 patients"):
        probability(Broken().fit(X, y), X)


def test_search_and_probability_hold_libraries_to_one_thread_and_give_them_back() -> None:
    X, y = table()
    before = [(library["prefix"], library["num_threads"]) for library in threadpool_info()]
    seen: list[int] = []

    class Watching(Remembering):
        def fit(self, X: pd.DataFrame, y: np.ndarray) -> Watching:
            seen.extend(library["num_threads"] for library in threadpool_info())
            super().fit(X, y)
            return self

    cross_fitted(Watching(), X, y, folds=3, random_state=0)
    assert set(seen) == {1}
    assert [(library["prefix"], library["num_threads"]) for library in threadpool_info()] == before


def test_bad_input_is_refused_with_the_mend() -> None:
    X, y = table()
    with pytest.raises(InputError, match="no classifier 'forest'; known: lr, svm"):
        search("forest", X, y, random_state=0)
    with pytest.raises(InputError, match="score must be one of balanced-accuracy, roc-auc, neg-log-loss; got 'f1'"):
        search("lr", X, y, score="f1", random_state=0)
    with pytest.raises(InputError, match="grid must be 'full' or 'small'; got 'huge'"):
        search("lr", X, y, grid="huge", random_state=0)
    with pytest.raises(InputError, match="X must be a pandas DataFrame"):
        search("lr", X.to_numpy(), y, random_state=0)
    with pytest.raises(InputError, match="X has no features"):
        search("lr", X.iloc[:, :0], y, random_state=0)
    with pytest.raises(InputError, match=r"X must be finite; 1 of 5 features are not \(first: wavelet-LLH_glcm_2\)"):
        search("lr", X.assign(**{"wavelet-LLH_glcm_2": np.nan}), y, random_state=0)
    with pytest.raises(InputError, match="y must be 0 or 1"):
        search("lr", X, y + 1, random_state=0)
    with pytest.raises(StageError, match="10-fold search of the classifier 'lr' needs at least 10 patients of each"):
        search("lr", X, (np.arange(70) < 5).astype(int), random_state=0)


@pytest.mark.parametrize(("name", "package"), [("xgboost", "xgboost"), ("lightgbm", "lightgbm"), ("mlp", "skorch")])
def test_a_missing_package_names_the_extra(name: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"needs {package}, .* pip install 'validkit\[models\]'"):
        make_classifier(name, random_state=0).fit(*table())


def test_importing_it_imports_no_optional_package() -> None:
    code = (
        "import sys, validkit.plnm.classifiers, validkit.plnm.storage;"
        "sys.exit(any(name in sys.modules for name in ('torch', 'skorch', 'xgboost', 'lightgbm', 'skops')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
