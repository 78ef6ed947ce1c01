from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import check_estimator

from validkit.errors import StageError
from validkit.plnm.folds import stratified_folds
from validkit.plnm.svm import PlattSVC


def data(n: int = 150, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.3).astype(int)
    return rng.normal(size=(n, 4)) + 0.8 * y[:, None], y


def test_equals_scikit_learn_s_calibrated_svm_on_the_same_folds() -> None:
    X, y = data()
    ours = PlattSVC(C=2.0, random_state=5).fit(X, y)
    folds = stratified_folds(y, 5, 5, "test")
    theirs = CalibratedClassifierCV(SVC(C=2.0), method="sigmoid", ensemble=False, cv=folds).fit(X, y)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-5)


def test_predicts_by_the_sign_of_the_decision_as_libsvm_does() -> None:
    X, y = data()
    fitted = PlattSVC(class_weight="balanced", random_state=0).fit(X, y)
    machine = SVC(class_weight="balanced").fit(X, y)
    assert np.array_equal(fitted.predict(X), machine.predict(X))
    assert np.array_equal(fitted.decision_function(X), machine.decision_function(X))
    risk = fitted.predict_proba(X)
    np.testing.assert_allclose(risk.sum(axis=1), 1, atol=1e-15)
    assert np.mean(risk[:, 1]) == pytest.approx(y.mean(), abs=0.05)


def test_features_that_say_nothing_give_everyone_the_prevalence() -> None:
    _, y = data(60)
    fitted = PlattSVC(random_state=0).fit(np.ones((60, 2)), y)
    assert fitted.slope_ == 0.0
    expected = (y.sum() + 1) / (y.size + 2)
    np.testing.assert_allclose(fitted.predict_proba(np.ones((3, 2)))[:, 1], expected, rtol=1e-12)


def test_few_patients_of_a_class_mean_fewer_folds_and_one_is_refused() -> None:
    X, y = data(40)
    y[:] = 0
    y[:3] = 1
    assert np.isfinite(PlattSVC(random_state=0).fit(X, y).predict_proba(X)).all()
    y[1:3] = 0
    with pytest.raises(StageError, match="at least 2 patients of each class"):
        PlattSVC().fit(X, y)


def test_scikit_learn_estimator_checks() -> None:
    results = check_estimator(PlattSVC(random_state=0), on_skip=None, on_fail=None)
    assert [result["check_name"] for result in results if result["status"] == "failed"] == []
    assert sum(result["status"] == "passed" for result in results) >= 50
