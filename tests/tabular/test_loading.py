from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from validkit.errors import InputError
from validkit.sections import Estimator
from validkit.tabular.estimators import check_estimators, make_estimator, plain, version_of
from validkit.tabular.loading import load_estimator_class

OWN = '''
from sklearn.base import BaseEstimator, ClassifierMixin
import numpy as np

class Prevalence(ClassifierMixin, BaseEstimator):
    """Everybody has the training patients' share of events, shrunk."""

    def __init__(self, shrink=0.0, random_state=None):
        self.shrink = shrink
        self.random_state = random_state

    def fit(self, X, y):
        self.classes_ = np.array([0, 1])
        self.share_ = (1 - self.shrink) * float(np.mean(y)) + self.shrink * 0.5
        return self

    def predict_proba(self, X):
        return np.tile([1 - self.share_, self.share_], (len(X), 1))

    def predict(self, X):
        return (self.predict_proba(X)[:, 1] > 0.5).astype(int)

class NoProbability:
    def fit(self, X, y):
        return self

INSTANCE = 3
'''


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "own_models_of_a_user.py").write_text(OWN)
    (tmp_path / "broken_models_of_a_user.py").write_text("raise RuntimeError('no licence')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "own_models_of_a_user"
    for name in ("own_models_of_a_user", "broken_models_of_a_user"):
        sys.modules.pop(name, None)


def estimator(path: str, **rest: Any) -> Estimator:
    return Estimator.model_validate({"name": "m", "estimator": path, **rest})


@pytest.mark.parametrize(
    "path",
    [
        "sklearn.linear_model.LogisticRegression",
        "sklearn.ensemble.RandomForestClassifier",
        "sklearn.ensemble.HistGradientBoostingClassifier",
        "sklearn.svm.SVC",
        "sklearn.calibration.CalibratedClassifierCV",
    ],
)
def test_scikit_learns_classifiers_are_taken(path: str) -> None:
    assert load_estimator_class(path).__name__ == path.rpartition(".")[2]
    assert version_of(path).startswith("sklearn ")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("LogisticRegression", "no import path; write"),
        ("sklearn.linear_model.LogisticRegresion", "has no 'LogisticRegresion'; did you mean 'LogisticRegression'"),
        (
            "sklearn.linaer_model.LogisticRegression",
            "'sklearn' has no module 'linaer_model'; did you mean 'linear_model'",
        ),
        ("sklearn.ensemble.RandomForestRegressor", "is a regressor.*did you mean 'RandomForestClassifier'"),
        ("sklearn.svm.SVR", "is a regressor"),
        ("sklearn.svm.LinearSVC", 'gives scores, not probabilities.*CalibratedClassifierCV.*"sklearn.svm.LinearSVC"'),
        ("sklearn.linear_model", "is a module; it must be a classifier class; there are .*LogisticRegression"),
        ("sklearn.metrics.roc_auc_score", "is a function"),
        ("sklearn.preprocessing.StandardScaler", "is a transformer"),
        ("xgbost.XGBClassifier", "no package 'xgbost' is installed; did you mean 'xgboost'"),
        ("nowhere_at_all.Model", "'nowhere_at_all' is not installed: pip install 'nowhere_at_all'.*PYTHONPATH"),
        ("pathlib.Path", "is no scikit-learn classifier: it has no `fit`, `predict_proba`, `get_params`, `set_params`"),
        ("math.pi.x", "'math' has no module 'pi'"),
    ],
)
def test_what_cannot_serve_is_refused_with_what_it_is(path: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_estimator_class(path)


def test_a_class_of_ones_own_is_taken_and_its_file_is_its_version(own: str) -> None:
    found = load_estimator_class(f"{own}.Prevalence")
    made = make_estimator(estimator(f"{own}.Prevalence", parameters={"shrink": 0.5}), random_state=9)
    assert isinstance(made, found)
    assert made.get_params() == {"shrink": 0.5, "random_state": 9}
    assert version_of(f"{own}.Prevalence").startswith(f"{own}, file sha256 ")
    with pytest.raises(InputError, match="no scikit-learn classifier: it has no `predict_proba`"):
        load_estimator_class(f"{own}.NoProbability")
    with pytest.raises(InputError, match="is a int; it must be a classifier class; there are Prevalence"):
        load_estimator_class(f"{own}.INSTANCE")
    with pytest.raises(InputError, match="importing 'broken_models_of_a_user' failed: RuntimeError: no licence"):
        load_estimator_class("broken_models_of_a_user.Model")


def test_chance_is_owned_and_one_job_is_done() -> None:
    forest = make_estimator(
        estimator("sklearn.ensemble.RandomForestClassifier", parameters={"n_jobs": 4}), random_state=5
    )
    assert (forest.random_state, forest.n_jobs) == (5, 1)
    own = make_estimator(
        estimator("sklearn.ensemble.RandomForestClassifier", parameters={"random_state": 1}), random_state=5
    )
    assert own.random_state == 1


def test_an_estimator_inside_another_is_declared_like_one() -> None:
    inner = {"estimator": "sklearn.svm.LinearSVC", "parameters": {"C": 0.5}}
    made = make_estimator(
        estimator(
            "sklearn.calibration.CalibratedClassifierCV",
            parameters={"estimator": inner, "cv": 3},
            search={"parameters": {"estimator__C": [0.1, 1.0]}},
        ),
        random_state=5,
    )
    assert made.estimator.C == 0.5
    assert made.estimator.random_state == 5
    with pytest.raises(InputError, match="LinearSVC has no parameter 'c'"):
        make_estimator(
            estimator(
                "sklearn.calibration.CalibratedClassifierCV", parameters={"estimator": inner | {"parameters": {"c": 1}}}
            ),
            random_state=5,
        )


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (
            {"parameters": {"max_itr": 5}},
            r"\(m\).parameters: LogisticRegression has no .* 'max_itr'; did you mean 'max_iter'",
        ),
        ({"search": {"parameters": {"c": [1.0]}}}, r"search.parameters: LogisticRegression has no parameter 'c'"),
        (
            {"parameters": {"C": 1.0}, "search": {"parameters": {"C": [1.0]}}},
            "'C' is both in `parameters` and searched",
        ),
    ],
)
def test_parameters_that_are_not_there_are_refused(declared: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_estimator(estimator("sklearn.linear_model.LogisticRegression", **declared), random_state=0)


def test_an_estimator_that_gives_no_probabilities_as_set_is_refused() -> None:
    with pytest.raises(InputError, match=r"with these parameters gives no probabilities.*CalibratedClassifierCV"):
        make_estimator(estimator("sklearn.linear_model.SGDClassifier"), random_state=0)
    make_estimator(estimator("sklearn.linear_model.SGDClassifier", parameters={"loss": "log_loss"}), random_state=0)
    with pytest.raises(InputError, match=r"cannot be made with these parameters: .*estimators"):
        make_estimator(estimator("sklearn.ensemble.VotingClassifier"), random_state=0)


def test_every_estimator_is_checked_before_any_is_fitted(tools: Any) -> None:
    good, bad = tools.lr, tools.lr | {"name": "bad", "estimator": "sklearn.linear_model.Lasso"}
    check_estimators(tools.settings(good))
    with pytest.raises(InputError, match="is a regressor"):
        check_estimators(tools.settings(good, bad))


@pytest.mark.parametrize("path", ["xgboost.XGBClassifier", "lightgbm.LGBMClassifier"])
def test_boosting_libraries_know_their_parameters_and_keep_to_one_thread(path: str) -> None:
    pytest.importorskip(path.partition(".")[0])
    made = make_estimator(estimator(path, parameters={"n_estimators": 7}), random_state=3)
    assert (made.n_estimators, made.n_jobs, made.random_state) == (7, 1, 3)
    with pytest.raises(InputError, match="no parameter 'n_estimator'; did you mean 'n_estimators'"):
        make_estimator(estimator(path, parameters={"n_estimator": 7}), random_state=3)


def test_parameters_have_a_json_form() -> None:
    import numpy as np

    assert plain({"a": np.float64(0.5), "b": (1, np.int64(2)), "c": None, "d": float("nan"), "e": True}) == {
        "a": 0.5,
        "b": [1, 2],
        "c": None,
        "d": "nan",
        "e": True,
    }
    assert plain(load_estimator_class("sklearn.svm.SVC")(C=2.0)) == "SVC(C=2.0)"
