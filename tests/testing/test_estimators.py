"""Honest models keep every law; for each law there is a model that breaks that law and no other."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from validkit.errors import InputError
from validkit.stats import LogisticModel
from validkit.testing.estimator_cases import EstimatorCase
from validkit.testing.estimators import (
    ESTIMATOR_LAWS,
    PROCEDURE_LAWS,
    EstimatorReport,
    check_estimator,
    check_procedure,
)
from validkit.testing.violations import LawViolation


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    with threadpool_limits(1):
        yield


def outcomes(report: EstimatorReport) -> dict[str, str]:
    return {one.law: one.outcome for one in report.findings}


def failed(report: EstimatorReport) -> set[str]:
    return {one.law for one in report.failed}


class Plain(BaseEstimator):
    """The difference of two means on standardised columns, made into a risk: honest, and quick to fit."""

    def __init__(self, shift: float = 0.0) -> None:
        self.shift = shift

    def table(self, X: Any) -> Any:
        return np.asarray(X, dtype=np.float64)

    def spread(self, X: Any) -> Any:
        return X.std(axis=0) + 1e-9

    def fit(self, X: Any, y: Any) -> Plain:
        X, y = self.table(X), np.asarray(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if self.classes_.size != 2:
            raise ValueError("both outcomes are needed")
        self.centre_, self.spread_ = X.mean(axis=0), self.spread(X)
        Z = (X - self.centre_) / self.spread_
        self.weights_ = Z[codes == 1].mean(axis=0) - Z[codes == 0].mean(axis=0)
        return self

    def risk(self, X: Any) -> Any:
        return 1 / (1 + np.exp(-self.shift - (X - self.centre_) / self.spread_ @ self.weights_))

    def predict_proba(self, X: Any) -> Any:
        risk = self.risk(self.table(X))
        return np.column_stack([1 - risk, risk])

    def predict(self, X: Any) -> Any:
        return self.classes_[(self.predict_proba(X)[:, 1] > 0.5).astype(int)]


class ScalesByItsBatch(Plain):
    def risk(self, X: Any) -> Any:
        return 1 / (1 + np.exp(-(X - X.mean(axis=0)) / self.spread_ @ self.weights_))


class RanksItsBatch(Plain):
    def risk(self, X: Any) -> Any:
        return (1 + np.argsort(np.argsort(super().risk(X)))) / (1 + len(X))


class LearnsFromWhatItPredicts(Plain):
    def risk(self, X: Any) -> Any:
        risk = super().risk(X)
        self.centre_ = 0.9 * self.centre_ + 0.1 * X.mean(axis=0)
        return risk


class RemembersOutcomes(Plain):
    """Risks are alike but for a trace, below rounding, of what any fit ever saw of the row."""

    seen: ClassVar[dict[bytes, int]] = {}

    def fit(self, X: Any, y: Any) -> RemembersOutcomes:
        super().fit(X, y)
        event = np.asarray(y) == self.classes_[1]
        self.seen.update({row.tobytes(): int(one) for row, one in zip(self.table(X), event, strict=True)})
        return self

    def risk(self, X: Any) -> Any:
        return 0.5 + 4e-7 * np.array([self.seen.get(row.tobytes(), 0) for row in X])


class DrawsWithoutSeed(Plain):
    def fit(self, X: Any, y: Any) -> DrawsWithoutSeed:
        super().fit(X, y)
        self.weights_ = self.weights_ + 1e-9 * np.random.default_rng().normal(size=self.weights_.size)
        return self


class IgnoresNames(Plain):
    def fit(self, X: Any, y: Any) -> IgnoresNames:
        if hasattr(X, "columns"):
            self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        super().fit(X, y)
        return self


class ScalesInPlace(Plain):
    def predict_proba(self, X: Any) -> Any:
        if isinstance(X, np.ndarray):
            X *= 2.0
            X /= 4.0
            return super().predict_proba(2.0 * X)
        return super().predict_proba(X)


class SortsOutcomes(Plain):
    def fit(self, X: Any, y: Any) -> SortsOutcomes:
        super().fit(X, y)
        y[:] = np.sort(y)
        return self


class ChangesItsParameter(Plain):
    def fit(self, X: Any, y: Any) -> ChangesItsParameter:
        super().fit(X, y)
        self.shift = 0.25
        return self


class SumsToMore(Plain):
    def predict_proba(self, X: Any) -> Any:
        return 0.99 * super().predict_proba(X) + [0.0, 0.0101]


class PassesOne(Plain):
    def risk(self, X: Any) -> Any:
        return 1.6 * super().risk(X)


class SwapsColumns(Plain):
    def predict_proba(self, X: Any) -> Any:
        return super().predict_proba(X)[:, ::-1]


class SortsClassesDown(Plain):
    def fit(self, X: Any, y: Any) -> SortsClassesDown:
        super().fit(X, y)
        self.classes_ = self.classes_[::-1]
        return self

    def predict_proba(self, X: Any) -> Any:
        return super().predict_proba(X)[:, ::-1]

    def predict(self, X: Any) -> Any:
        return self.classes_[np.argmax(self.predict_proba(X), axis=1)]


class PredictsTheOpposite(Plain):
    def predict(self, X: Any) -> Any:
        return self.classes_[(self.predict_proba(X)[:, 1] < 0.5).astype(int)]


class PredictsCodes(Plain):
    def predict(self, X: Any) -> Any:
        return super().predict_proba(X)[:, 1] + 5


class SilentOnOneClass(Plain):
    def fit(self, X: Any, y: Any) -> SilentOnOneClass:
        if len(set(np.asarray(y).tolist())) == 2:
            super().fit(X, y)
            return self
        self.classes_, self.centre_, self.spread_ = np.unique(y), np.zeros(X.shape[1]), np.ones(X.shape[1])
        self.weights_ = np.full(X.shape[1], np.nan)
        return self


class WordlessOnOneClass(Plain):
    def fit(self, X: Any, y: Any) -> WordlessOnOneClass:
        if len(set(np.asarray(y).tolist())) != 2:
            raise ValueError
        super().fit(X, y)
        return self


class CrashesOnOneClass(Plain):
    def fit(self, X: Any, y: Any) -> CrashesOnOneClass:
        if len(set(np.asarray(y).tolist())) != 2:
            raise IndexError("index 1 is out of bounds")
        super().fit(X, y)
        return self


class SqueezesOneRow(Plain):
    def predict_proba(self, X: Any) -> Any:
        return np.squeeze(super().predict_proba(X))

    def predict(self, X: Any) -> Any:
        return self.classes_[(self.predict_proba(X)[:, 1] > 0.5).astype(int)]


class DividesByZero(Plain):
    def spread(self, X: Any) -> Any:
        return X.std(axis=0)


class CountsLevels(Plain):
    """Each category becomes a number; a level without one becomes NaN."""

    def table(self, X: Any) -> Any:
        if not isinstance(X, pd.DataFrame):
            return super().table(X)
        return np.column_stack(
            [
                X[name].map({"low": 0.0, "middle": 1.0, "high": 2.0}).astype(float) if name == "grade" else X[name]
                for name in X.columns
            ]
        )


class CrashesOnUnseen(CountsLevels):
    def table(self, X: Any) -> Any:
        if isinstance(X, pd.DataFrame) and "grade" in X and not X["grade"].isin(["low", "middle", "high"]).all():
            raise ZeroDivisionError("no rows of this kind")
        return super().table(X)


class KeepsOldWeights(Plain):
    def fit(self, X: Any, y: Any) -> KeepsOldWeights:
        old = getattr(self, "weights_", None)
        super().fit(X, y)
        if old is not None:
            self.weights_ = (self.weights_ + old) / 2
        return self


class ShrinksForText(Plain):
    def fit(self, X: Any, y: Any) -> ShrinksForText:
        super().fit(X, y)
        if np.asarray(y).dtype.kind == "U":
            self.weights_ = self.weights_ / 2
        return self


KEPT_OUTSIDE = """
import numpy as np

OUTSIDE = {}


class KeepsItsSlopeOutside:
    def fit(self, X, y):
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) != 2:
            raise ValueError("both outcomes are needed")
        X = np.asarray(X, dtype=float)
        slope = X[codes == 1].mean(axis=0) - X[codes == 0].mean(axis=0)
        self.key_ = slope.tobytes()
        OUTSIDE[self.key_] = slope
        return self

    def predict_proba(self, X):
        X = np.asarray(X, dtype=float)
        risk = 1 / (1 + np.exp(-X @ OUTSIDE.get(self.key_, np.zeros(X.shape[1]))))
        return np.column_stack([1 - risk, risk])


class CannotBeLoaded(KeepsItsSlopeOutside):
    def __setstate__(self, state):
        if state:
            raise AttributeError("an older version wrote this")

    def __deepcopy__(self, memo):
        return CannotBeLoaded()


class ForgetsItsKey(KeepsItsSlopeOutside):
    def __getstate__(self):
        return {"classes_": getattr(self, "classes_", None)}
"""


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A module that a fresh process can import."""
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "kept_outside.py").write_text(KEPT_OUTSIDE, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield importlib.import_module("kept_outside")
        del sys.modules["kept_outside"]


BROKEN: dict[str, tuple[type[Plain], ...]] = {
    "held-out-independence": (ScalesByItsBatch, RanksItsBatch, LearnsFromWhatItPredicts),
    "chance-on-permuted-outcomes": (RemembersOutcomes,),
    "determinism": (DrawsWithoutSeed,),
    "column-order": (IgnoresNames,),
    "no-mutation": (ScalesInPlace, SortsOutcomes, ChangesItsParameter),
    "probabilities": (SumsToMore, PassesOne, SwapsColumns, SortsClassesDown, PredictsTheOpposite, PredictsCodes),
    "one-class": (SilentOnOneClass, WordlessOnOneClass, CrashesOnOneClass),
    "one-row": (SqueezesOneRow,),
    "constant-columns": (DividesByZero,),
    "unseen-category": (CountsLevels, CrashesOnUnseen),
    "refitting-forgets": (KeepsOldWeights,),
    "label-names": (ShrinksForText,),
}
LOADED_ELSEWHERE = {"save-and-load"}
IN_PROCESS = [law for law in ESTIMATOR_LAWS if law not in LOADED_ELSEWHERE]


def test_every_law_has_a_model_that_breaks_it() -> None:
    assert BROKEN.keys() | LOADED_ELSEWHERE == ESTIMATOR_LAWS.keys()
    assert len(ESTIMATOR_LAWS) == 13
    assert all(law.sentence.endswith(".") and name == law.name for name, law in ESTIMATOR_LAWS.items())


@pytest.mark.parametrize(("law", "broken"), [(law, one) for law, some in BROKEN.items() for one in some])
def test_a_broken_model_breaks_its_law_and_no_other(law: str, broken: type[Plain]) -> None:
    report = check_estimator(broken(), laws=IN_PROCESS, raise_on_failure=False)
    assert failed(report) == {law}, report
    assert len(report.findings) == 12


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("KeepsItsSlopeOutside", "0.5 after loading in a fresh process"),
        ("CannotBeLoaded", "cannot be loaded: AttributeError: an older version wrote this"),
        ("ForgetsItsKey", "ended with AttributeError: 'ForgetsItsKey' object has no attribute 'key_'"),
    ],
)
def test_a_model_that_is_another_after_loading(elsewhere: Any, name: str, words: str) -> None:
    report = check_estimator(getattr(elsewhere, name)(), raise_on_failure=False)
    assert failed(report) == {"save-and-load"}, report
    assert words in report.finding("save-and-load").message


def test_a_model_that_cannot_be_saved() -> None:
    class Local(Plain):
        pass

    found = check_estimator(Local(), laws=["save-and-load"], raise_on_failure=False).finding("save-and-load")
    assert found.outcome == "fail"
    assert "cannot be saved" in found.message


def test_what_a_fresh_process_cannot_import_is_not_judged(elsewhere: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = str(Path(elsewhere.__file__).parent)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != folder])
    found = check_estimator(elsewhere.KeepsItsSlopeOutside(), laws=["save-and-load"]).finding("save-and-load")
    assert found.outcome == "not applicable"
    assert "No module named 'kept_outside'" in found.message


def test_a_class_of_the_main_script_is_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mine(Plain):
        pass

    Mine.__module__, Mine.__qualname__ = "__main__", "Mine"
    monkeypatch.setattr(sys.modules["__main__"], "Mine", Mine, raising=False)
    found = check_estimator(Mine(), laws="save-and-load").finding("save-and-load")
    assert found.outcome == "not applicable"
    assert "Can't get attribute 'Mine' on <module '__main__'" in found.message


def table(n: int = 90) -> tuple[pd.DataFrame, np.ndarray]:
    """A table of the user's own, under an index of its own, with outcomes in words."""
    rng = np.random.default_rng(5)
    stage = rng.choice(["I", "II", "III"], n)
    age = rng.normal(60, 10, n)
    ill = (age - 60) / 10 + (stage == "III") + rng.logistic(size=n) > 0.3
    frame = pd.DataFrame({"age": age, "stage": stage, "smoker": rng.random(n) < 0.4}, index=np.arange(n) + 1000)
    return frame, np.where(ill, "ill", "healthy")


def test_a_pipeline_of_numbers_keeps_every_law() -> None:
    report = check_estimator(make_pipeline(StandardScaler(), LogisticRegression()))
    assert outcomes(report) == dict.fromkeys(ESTIMATOR_LAWS, "pass") | {"unseen-category": "not applicable"}
    assert report.failed == ()


@pytest.mark.parametrize("unseen", ["ignore", "error"])
def test_a_pipeline_of_categories_keeps_every_law(unseen: Any) -> None:
    X, y = table()
    columns = make_column_transformer(
        (StandardScaler(), ["age"]), (OneHotEncoder(handle_unknown=unseen), ["stage"]), remainder="drop"
    )
    laws = ESTIMATOR_LAWS if unseen == "ignore" else IN_PROCESS
    report = check_estimator(make_pipeline(columns, LogisticRegression()), X=X, y=y, laws=laws)
    assert outcomes(report) == dict.fromkeys(laws, "pass")
    assert ("refused" in report.finding("unseen-category").message) == (unseen == "error")


def test_a_forest_keeps_every_law() -> None:
    report = check_estimator(RandomForestClassifier(n_estimators=10))
    assert outcomes(report) == dict.fromkeys(ESTIMATOR_LAWS, "pass") | {"unseen-category": "not applicable"}


def test_boosting_keeps_every_law_on_numbers_and_a_category() -> None:
    report = check_estimator(HistGradientBoostingClassifier(max_iter=5))
    assert outcomes(report) == dict.fromkeys(ESTIMATOR_LAWS, "pass")
    X, y = table()
    report = check_estimator(
        HistGradientBoostingClassifier(max_iter=5), X=X.astype({"stage": "category"}), y=y, laws=IN_PROCESS
    )
    assert outcomes(report) == dict.fromkeys(IN_PROCESS, "pass")


def test_our_own_logistic_model_refuses_columns_that_never_vary() -> None:
    """Maximum likelihood has no finite estimate there; a model of this kind needs its columns chosen before."""
    report = check_estimator(LogisticModel(), raise_on_failure=False)
    assert failed(report) == {"constant-columns"}
    assert "StageError" in report.finding("constant-columns").message
    assert sum(one.outcome == "pass" for one in report.findings) == 10


def test_the_quick_honest_model_of_these_tests_keeps_every_law() -> None:
    report = check_estimator(Plain(), promises=["column-order"], laws=IN_PROCESS)
    assert outcomes(report) == dict.fromkeys(outcomes(report), "pass") | {"unseen-category": "not applicable"}
    assert len(report.findings) == 12


def test_every_open_random_state_is_set_and_only_those() -> None:
    laws = ["determinism", "refitting-forgets"]
    shared = np.random.RandomState(3)
    for chance in (None, shared, 7):
        forest = RandomForestClassifier(n_estimators=3, random_state=chance)
        assert outcomes(check_estimator(make_pipeline(StandardScaler(), forest), laws=laws)) == dict.fromkeys(
            laws, "pass"
        )
        assert forest.random_state is chance
    case = EstimatorCase("", None, np.array([0, 1]), np.arange(0), np.arange(0), 5, make_pipeline(forest))
    assert case.copy()[0].random_state == 7


def test_a_model_that_is_meant_to_remember_is_not_asked_to_forget() -> None:
    forest = RandomForestClassifier(n_estimators=3, warm_start=True)
    assert "warm_start" in check_estimator(forest, laws="refitting-forgets").findings[0].message


def test_chance_is_told_apart_from_what_a_fit_carried_over() -> None:
    """Laws that compare two fits say so where two fits differ by chance alone."""

    class Restless(Plain):
        def fit(self, X: Any, y: Any) -> Restless:
            super().fit(X, y)
            self.weights_ = self.weights_ + np.random.default_rng().normal(size=self.weights_.size)
            return self

    report = check_estimator(Restless(), laws=IN_PROCESS, raise_on_failure=False)
    assert failed(report) == {"determinism"}
    assert "see determinism" in report.finding("refitting-forgets").message
    assert report.finding("label-names").outcome == "not applicable"


def test_an_undefined_risk_of_a_shuffled_fit_is_named() -> None:
    class Undefined(Plain):
        def risk(self, X: Any) -> Any:
            return np.where(np.arange(len(X)) == 3, np.nan, super().risk(X))

    report = check_estimator(Undefined(), laws=["chance-on-permuted-outcomes", "probabilities"], raise_on_failure=False)
    assert "risk nan where outcomes are shuffled" in report.finding("chance-on-permuted-outcomes").message
    assert "[nan, nan] is not finite" in report.finding("probabilities").message


def test_a_promise_of_column_order_is_tried_by_fitting_again() -> None:
    class FirstColumnOnly(Plain):
        def table(self, X: Any) -> Any:
            return super().table(X)[:, :1]

    assert check_estimator(FirstColumnOnly(), laws="column-order").findings[0].outcome == "not applicable"
    with pytest.raises(LawViolation, match="fitted on the last column put first"):
        check_estimator(FirstColumnOnly(), laws="column-order", promises=["column-order"])


def test_an_honest_model_is_at_chance_under_many_seeds() -> None:
    for seed in range(20):
        check_estimator(Plain(), laws=["chance-on-permuted-outcomes"], seed=seed)


def test_a_violation_names_the_law_its_sentence_and_a_witness() -> None:
    with pytest.raises(LawViolation, match=r"breaks 1 of 2 laws of honest models") as caught:
        check_estimator(ScalesByItsBatch(), laws=["one-row", "held-out-independence"])
    text = str(caught.value)
    assert ESTIMATOR_LAWS["held-out-independence"].sentence in text
    assert ESTIMATOR_LAWS["one-row"].sentence not in text
    report = check_estimator(ScalesByItsBatch(), laws=["held-out-independence"], raise_on_failure=False)
    assert report.failed[0].message in text
    assert "risk" in report.failed[0].message
    assert "0.5 alone" in report.failed[0].message


def test_the_row_of_a_witness_is_counted_in_the_whole_table() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 3))
    y = (X[:, 0] + rng.normal(size=2000) > 1.5).astype(int)
    message = check_estimator(ScalesInPlace(), X=X, y=y, raise_on_failure=False).finding("no-mutation").message
    row = int(message.split("row ")[1].split(",")[0])
    assert f"{float(X[row, 0])!r} became" in message


def test_a_crash_inside_a_law_is_a_failure_that_names_it() -> None:
    class Crashes(Plain):
        def fit(self, X: Any, y: Any) -> Crashes:
            raise ZeroDivisionError("no such luck")

    X, y = table()
    report = check_estimator(Crashes(), X=X, y=y, raise_on_failure=False)
    assert failed(report) == set(ESTIMATOR_LAWS)
    assert all("ZeroDivisionError: no such luck" in one.message for one in report.failed)
    with pytest.raises(InputError, match=r"none of the kit's own tables; pass `X` and `y` \(numbers: ZeroDivision"):
        check_estimator(Crashes())


def test_the_callers_own_things_are_left_alone() -> None:
    estimator = RandomForestClassifier(n_estimators=3)
    X, y = table()
    before = X.copy()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        check_estimator(estimator, X=X[["age", "smoker"]], y=y, laws=["determinism", "no-mutation", "one-class"])
    assert not said
    assert estimator.random_state is None
    assert not hasattr(estimator, "estimators_")
    pd.testing.assert_frame_equal(X, before)


def test_wrong_arguments() -> None:
    X, y = table()
    for words, arguments in (
        ("there is no law 'determinsm'; did you mean 'determinism'", {"laws": ["determinsm"]}),
        ("there is no promise 'speed'; known: column-order", {"promises": ["speed"]}),
        ("must be given together", {"X": X}),
        ("must hold exactly two labels; it holds 90", {"X": X, "y": np.arange(90)}),
        ("one outcome for each", {"X": X, "y": y[1:]}),
        ("none missing", {"X": X, "y": np.array([None, *y[1:]], dtype=object)}),
        ("8 rows of each outcome are needed; there are 7 and 83", {"X": X, "y": np.arange(90) >= 7}),
    ):
        with pytest.raises(InputError, match=words):
            check_estimator(Plain(), **arguments)
    with pytest.raises(InputError, match="must be an instance with fit"):
        check_estimator(Plain)
    with pytest.raises(InputError, match="must be callable"):
        check_procedure(None)  # type: ignore[arg-type]


def honest(X: Any, y: Any, train_rows: Any, test_rows: Any) -> Any:
    model = make_pipeline(StandardScaler(), SelectKBest(k=10), LogisticRegression())
    return model.fit(X[train_rows], y[train_rows]).predict_proba(X[test_rows])[:, 1]


def selects_before_the_split(X: Any, y: Any, train_rows: Any, test_rows: Any) -> Any:
    X = SelectKBest(k=10).fit_transform(X, y)
    return LogisticRegression().fit(X[train_rows], y[train_rows]).predict_proba(X[test_rows])[:, 1]


def scales_before_the_split(X: Any, y: Any, train_rows: Any, test_rows: Any) -> Any:
    X = StandardScaler().fit_transform(X)
    return LogisticRegression().fit(X[train_rows], y[train_rows]).predict_proba(X[test_rows])[:, 1]


def scales_the_test_rows(X: Any, y: Any, train_rows: Any, test_rows: Any) -> Any:
    X = X.copy()
    X[test_rows] = StandardScaler().fit_transform(X[test_rows])
    return honest(X, y, train_rows, test_rows)


def draws(X: Any, y: Any, train_rows: Any, test_rows: Any) -> Any:
    return np.random.default_rng().random(len(test_rows))


def fills_in_place(X: Any, y: Any, train_rows: Any, test_rows: Any) -> Any:
    risk = honest(X, y, train_rows, test_rows)
    X[test_rows] = 0.0
    return risk


def gives_log_odds(X: Any, y: Any, train_rows: Any, test_rows: Any) -> Any:
    risk = honest(X, y, train_rows, test_rows)
    return np.log(risk / (1 - risk))


def gives_both_columns(X: Any, y: Any, train_rows: Any, test_rows: Any) -> Any:
    risk = honest(X, y, train_rows, test_rows)
    return np.column_stack([1 - risk, risk])


def test_an_honest_procedure_keeps_every_law() -> None:
    assert outcomes(check_procedure(honest)) == dict.fromkeys(PROCEDURE_LAWS, "pass")
    assert len(PROCEDURE_LAWS) == 7


@pytest.mark.parametrize(
    ("procedure", "laws"),
    [
        (selects_before_the_split, {"held-out-outcomes", "held-out-features", "chance-on-permuted-outcomes"}),
        (scales_before_the_split, {"held-out-features"}),
        (scales_the_test_rows, {"held-out-features", "held-out-order"}),
        (draws, {"determinism"}),
        (fills_in_place, {"no-mutation"}),
        (gives_log_odds, {"probabilities"}),
        (gives_both_columns, set(PROCEDURE_LAWS) - {"no-mutation"}),
    ],
)
def test_a_leaky_procedure_is_caught(procedure: Any, laws: set[str]) -> None:
    report = check_procedure(procedure, raise_on_failure=False)
    assert failed(report) == laws, report
    with pytest.raises(LawViolation, match=f"{procedure.__name__} breaks {len(laws)} of 7 laws"):
        check_procedure(procedure)


def test_selection_before_the_split_finds_signal_in_noise() -> None:
    message = check_procedure(selects_before_the_split, laws="chance-on-permuted-outcomes", raise_on_failure=False)
    area = float(message.findings[0].message.split("held-out AUC ")[1].split(" ")[0])
    assert area > 0.75


def test_a_procedure_on_a_table_of_the_users_own() -> None:
    def one_hot(frame: Any, y: Any, train_rows: Any, test_rows: Any) -> Any:
        columns = make_column_transformer((StandardScaler(), ["age"]), (OneHotEncoder(), ["stage"]))
        model = make_pipeline(columns, LogisticRegression()).fit(frame.iloc[train_rows], y[train_rows])
        return model.predict_proba(frame.iloc[test_rows])[:, 1]

    def mean_age_of_all(frame: Any, y: Any, train_rows: Any, test_rows: Any) -> Any:
        return one_hot(frame.assign(age=frame["age"] - frame["age"].mean() ** 2), y, train_rows, test_rows)

    def rank_of_all(frame: Any, y: Any, train_rows: Any, test_rows: Any) -> Any:
        return one_hot(frame.assign(age=frame["age"].rank()), y, train_rows, test_rows)

    X, y = table()
    assert outcomes(check_procedure(one_hot, X=X, y=y)) == dict.fromkeys(PROCEDURE_LAWS, "pass")
    assert failed(check_procedure(rank_of_all, X=X, y=y, raise_on_failure=False)) == {"held-out-features"}
    assert outcomes(check_procedure(mean_age_of_all, X=X, y=y))["held-out-features"] == "pass"


def test_the_report_is_a_table_of_text() -> None:
    report = check_estimator(Plain(), laws=["one-row", "unseen-category"])
    assert repr(report) == str(report)
    assert str(report).splitlines() == [
        "Plain: 2 laws, 1 pass, 0 fail, 1 not applicable",
        "one-row          pass            one row gives shape (1, 2) (numbers)",
        "unseen-category  not applicable  no column holds categories (numbers)",
    ]
