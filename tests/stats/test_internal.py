"""Internal validation: optimism bootstrap, .632, .632+, cross-validation, and the instability of predictions."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest

from validkit.errors import InputError
from validkit.stats import auc, brier, calibration_slope, decision_curve, roc_curve
from validkit.stats.corrections import no_information, point632_plus
from validkit.stats.draws import draw_plan
from validkit.stats.estimators import LogisticModel, fresh
from validkit.stats.folds import _folds, cross_validation
from validkit.stats.internal import bootstrap_validation
from validkit.stats.prediction_instability import instability, instability_curves

NAMES = ("auc", "brier", "calibration_slope", "calibration_in_the_large")


def simulated(seed: int, n: int = 120, q: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, q)) * [1, 10, 0.1, 1][:q] + 3
    eta = (X - 3) @ np.array([0.8, -0.05, 4.0, 0.0])[:q] - 0.5
    return X, (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(int)


class Plain:
    """The same logistic regression, hidden from the quick path."""

    def fit(self, X, y):  # type: ignore[no-untyped-def]
        self.model = LogisticModel().fit(X, y)
        return self

    def predict_proba(self, X):  # type: ignore[no-untyped-def]
        return self.model.predict_proba(X)


class Constant(Plain):
    """Everybody's risk is the prevalence."""

    def fit(self, X, y):  # type: ignore[no-untyped-def]
        self.share = y.mean()
        return self

    def predict_proba(self, X):  # type: ignore[no-untyped-def]
        return np.column_stack([np.full(len(X), 1 - self.share), np.full(len(X), self.share)])


@pytest.mark.parametrize("stratified", [False, True])
def test_the_quick_path_refits_as_the_plain_one(stratified: bool) -> None:
    X, y = simulated(1)
    options = {"rng": 3, "replicates": 40, "stratified": stratified, "keep_predictions": True}
    quick = bootstrap_validation("logistic", X, y, **options)
    plain = bootstrap_validation(Plain(), X, y, **options)
    assert quick.succeeded == plain.succeeded == 40
    assert tuple(quick.metrics) == NAMES
    for name in NAMES:
        a, b = quick.metrics[name], plain.metrics[name]
        for part in ("in_resample", "on_all", "off_resample"):
            np.testing.assert_allclose(getattr(a, part), getattr(b, part), atol=1e-9)
        for part in ("apparent", "optimism", "corrected", "simple", "out_of_bag", "point632", "point632_plus"):
            assert getattr(a, part).value == pytest.approx(getattr(b, part).value, abs=1e-10, nan_ok=True)
    np.testing.assert_allclose(quick.predictions, plain.predictions, atol=1e-10)


def test_every_number_follows_from_its_definition() -> None:
    X, y = simulated(2, n=80)
    found = bootstrap_validation("logistic", X, y, rng=5, replicates=30, metrics=("auc", "brier"))
    plan = draw_plan(y, rng=5, replicates=30)
    original = LogisticModel().fit(X, y).predict_proba(X)[:, 1]
    np.testing.assert_allclose(found.original, original)
    assert (found.n, found.n_events, found.replicates, found.succeeded) == (80, y.sum(), 30, 30)
    values = []
    for times in plan.counts(0, 30):
        rows = np.repeat(np.arange(80), times)
        p = LogisticModel().fit(X[rows], y[rows]).predict_proba(X)[:, 1]
        out = times == 0
        values.append([auc(y[rows], p[rows]).value, auc(y, p).value, auc(y[out], p[out]).value])
    inside, everybody, outside = np.array(values).T
    metric = found.metrics["auc"]
    apparent = auc(y, original)
    lift = (inside - everybody).mean()
    assert metric.apparent == apparent
    assert metric.optimism.value == pytest.approx(lift)
    assert metric.optimism.se == pytest.approx((inside - everybody).std(ddof=1) / math.sqrt(30))
    assert metric.corrected.value == pytest.approx(apparent.value - lift)
    assert metric.corrected.low == pytest.approx(apparent.low - lift)
    assert metric.corrected.high == pytest.approx(apparent.high - lift)
    assert metric.corrected.method == "optimism bootstrap; DeLong shifted by the optimism"
    assert metric.simple.value == pytest.approx(everybody.mean())
    assert metric.out_of_bag.value == pytest.approx(outside.mean())
    assert metric.point632.value == pytest.approx(0.368 * apparent.value + 0.632 * outside.mean())
    assert metric.point632_plus.value == pytest.approx(point632_plus(apparent.value, outside.mean(), 0.5))
    json.dumps(found.to_dict(), allow_nan=False)
    assert "30 of 30 resamples succeeded" in repr(found)
    assert "auc: apparent" in repr(found)


def test_point632_plus_by_hand() -> None:
    # R = (0.4 - 0.1)/(0.5 - 0.1) = 0.75, w = .632/(1 - .368 * .75)
    w = 0.632 / (1 - 0.368 * 0.75)
    assert point632_plus(0.1, 0.4, 0.5) == pytest.approx((1 - w) * 0.1 + w * 0.4)
    assert point632_plus(0.9, 0.6, 0.5) == pytest.approx((1 - w) * 0.9 + w * 0.6)  # higher is better
    assert point632_plus(0.1, 0.7, 0.5) == pytest.approx(0.5)  # no worse than no information, weight 1
    assert point632_plus(0.2, 0.1, 0.5) == pytest.approx(0.368 * 0.2 + 0.632 * 0.1)  # R cut at 0
    assert math.isnan(point632_plus(0.1, 0.4, math.nan))
    assert math.isnan(point632_plus(0.5, 0.4, 0.5))


def test_no_information_is_the_mean_over_all_pairs() -> None:
    y, p = np.array([0, 0, 1]), np.array([0.2, 0.5, 0.9])
    pairs = [(a, b) for a in y for b in p]
    assert no_information("brier", y, p) == pytest.approx(np.mean([(a - b) ** 2 for a, b in pairs]))
    assert no_information("log_loss", y, p) == pytest.approx(np.mean([-math.log(b if a else 1 - b) for a, b in pairs]))
    assert (no_information("auc", y, p), no_information("calibration_slope", y, p)) == (0.5, 0.0)
    assert math.isnan(no_information("observed_expected", y, p))


def test_given_resamples_are_used() -> None:
    X, y = simulated(3, n=60)
    rows = np.random.default_rng(1).integers(0, 60, (25, 60))
    found = bootstrap_validation("logistic", X, y, resamples=rows, metrics=["calibration_slope"])
    p = LogisticModel().fit(X[rows[4]], y[rows[4]]).predict_proba(X)[:, 1]
    assert found.metrics["calibration_slope"].on_all[4] == pytest.approx(calibration_slope(y, p).value)
    with pytest.raises(InputError, match="`resamples` must hold row numbers from 0 to 59"):
        bootstrap_validation("logistic", X, y, resamples=rows + 1)
    with pytest.raises(InputError, match="give either `rng`"):
        bootstrap_validation("logistic", X, y)
    with pytest.raises(InputError, match="give either `rng`"):
        bootstrap_validation("logistic", X, y, rng=1, resamples=rows)


def test_what_fails_is_counted_by_its_reason() -> None:
    X, y = simulated(4, n=30)

    class Moody(Plain):
        def fit(self, X, y):  # type: ignore[no-untyped-def]
            self.mood = "odd" if y.sum() % 3 == 1 else "well"
            if y.sum() % 3 == 0 and len(np.unique(X[:, 0])) < 30:
                raise ValueError("three is no number\nof events")
            return super().fit(X, y)

        def predict_proba(self, X):  # type: ignore[no-untyped-def]
            return super().predict_proba(X) + (5.0 if self.mood == "odd" and len(X) < 31 else 0.0)

    y[:] = 0
    y[:11] = 1
    found = bootstrap_validation(Moody(), X, y, rng=1, replicates=60, metrics=("brier",))
    assert set(found.failures) <= {
        "failed with ValueError: three is no number",
        "gave predictions that are no risks",
        "failed with StageError: separated: maximum likelihood has no finite estimate",
    }
    assert found.failures["failed with ValueError: three is no number"] > 5
    assert found.failures["gave predictions that are no risks"] > 5
    assert found.succeeded == 60 - sum(found.failures.values())
    assert np.isfinite(found.metrics["brier"].on_all).sum() == found.succeeded
    assert found.note.startswith(f"{60 - found.succeeded} of 60 resamples failed")
    assert "three is no number" in repr(found)


def test_one_outcome_and_separation_in_a_resample() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(25, 1)), np.zeros(25, int)
    y[[3, 9]] = 1
    X[[3, 9], 0] = [X[:, 0].mean() + 0.01, X[:, 0].mean() + 0.3]
    found = bootstrap_validation("logistic", X, y, rng=1, replicates=200)
    plain = bootstrap_validation(Plain(), X, y, rng=1, replicates=200)
    assert found.failures == plain.failures
    assert found.failures["with one outcome only"] > 5
    assert found.succeeded < 200
    np.testing.assert_allclose(found.metrics["auc"].on_all, plain.metrics["auc"].on_all, atol=1e-9)
    undefined = found.metrics["auc"].off_resample
    assert np.isnan(undefined).any()  # both events drawn: none is left outside


def test_scikit_learn_pipelines_and_tables() -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X, y = simulated(5)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=np.inf, tol=1e-12, max_iter=1000))
    table = pd.DataFrame(X, columns=list("abcd"))
    found = bootstrap_validation(model, table, y, rng=2, replicates=25)
    ours = bootstrap_validation("logistic", X, y, rng=2, replicates=25)
    for name in NAMES:
        assert found.metrics[name].corrected.value == pytest.approx(ours.metrics[name].corrected.value, abs=1e-4)
    assert not hasattr(model[-1], "coef_")  # the user's own object is left as it was


def test_fresh_copies_parameters_and_leaves_what_was_learned() -> None:
    from sklearn.ensemble import VotingClassifier
    from sklearn.linear_model import LogisticRegression

    X, y = simulated(6)
    inner = LogisticRegression(C=3.0).fit(X, y)
    copy = fresh(VotingClassifier([("one", inner)], voting="soft"))
    assert copy.estimators[0][1].C == 3.0
    assert copy.estimators[0][1] is not inner
    assert not hasattr(copy.estimators[0][1], "coef_")
    plain = Plain().fit(X, y)
    assert fresh(plain) is not plain


def test_the_class_of_the_event_is_found_by_its_name() -> None:
    class Backwards(Plain):
        classes_ = np.array([1, 0])

        def predict_proba(self, X):  # type: ignore[no-untyped-def]
            return super().predict_proba(X)[:, ::-1]

    X, y = simulated(7)
    want = bootstrap_validation(Plain(), X, y, rng=1, replicates=20).metrics["auc"].corrected
    assert bootstrap_validation(Backwards(), X, y, rng=1, replicates=20).metrics["auc"].corrected == want


def test_metrics_of_ones_own() -> None:
    X, y = simulated(8)
    own = {"median": lambda y, p: float(np.median(p)), "score": "brier"}
    found = bootstrap_validation("logistic", X, y, rng=1, replicates=20, metrics=own)
    assert set(found.metrics) == {"median", "score"}
    assert found.metrics["median"].apparent.value == pytest.approx(np.median(found.original))
    assert math.isnan(found.metrics["median"].corrected.low)
    assert found.metrics["median"].point632_plus.note == "no no-information value is known for this metric"
    with pytest.raises(InputError, match="`metrics` must be one of"):
        bootstrap_validation("logistic", X, y, rng=1, metrics=("nonsense",))
    with pytest.raises(InputError, match="`metrics` must name at least one"):
        bootstrap_validation("logistic", X, y, rng=1, metrics=())
    with pytest.raises(InputError, match="`estimator` must be one of 'logistic'"):
        bootstrap_validation("forest", X, y, rng=1)
    with pytest.raises(InputError, match="one row for each of the 120 patients"):
        bootstrap_validation("logistic", X[:7], y, rng=1)


def test_clusters_are_drawn_whole_and_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("validkit.stats.draws._WORTH_A_THREAD", 0)
    X, y = simulated(9)
    labels = np.arange(120) // 2
    first = bootstrap_validation("logistic", X, y, rng=1, replicates=31, clusters=labels, threads=1)
    for threads in (2, 5):
        again = bootstrap_validation("logistic", X, y, rng=1, replicates=31, clusters=labels, threads=threads)
        np.testing.assert_array_equal(again.metrics["brier"].on_all, first.metrics["brier"].on_all)
    plain = bootstrap_validation(Plain(), X, y, rng=1, replicates=31, clusters=labels)
    np.testing.assert_allclose(plain.metrics["brier"].on_all, first.metrics["brier"].on_all, atol=1e-10)
    told: list[int] = []
    bootstrap_validation(Plain(), X, y, rng=1, replicates=20, progress=lambda done, of: told.append(done))
    assert told == list(range(1, 21))


def test_correction_recovers_the_truth() -> None:
    """Over simulated studies the corrected AUC is nearer to the model's AUC on new patients than the apparent one."""
    rng = np.random.default_rng(10)
    X_new = rng.normal(size=(20_000, 8))
    beta = np.r_[0.8, -0.5, np.zeros(6)]
    y_new = (rng.random(20_000) < 1 / (1 + np.exp(-(X_new @ beta)))).astype(int)
    gaps = []
    for seed in range(25):
        X = rng.normal(size=(100, 8))
        y = (rng.random(100) < 1 / (1 + np.exp(-(X @ beta)))).astype(int)
        found = bootstrap_validation("logistic", X, y, rng=seed, replicates=100, metrics=("auc",)).metrics["auc"]
        true = auc(y_new, LogisticModel().fit(X, y).predict_proba(X_new)[:, 1]).value
        gaps.append([found.apparent.value - true, found.corrected.value - true, found.point632_plus.value - true])
    apparent, corrected, plus = np.mean(gaps, axis=0)
    assert apparent > 0.03
    assert abs(corrected) < 0.02
    assert abs(plus) < 0.02


# --- cross-validation --------------------------------------------------------------------------


def test_folds_are_even_and_stratified() -> None:
    y = np.r_[np.ones(13, int), np.zeros(30, int)]
    fold = _folds(y, 5, True, np.random.default_rng(1))
    assert set(np.bincount(fold)) == {8, 9}
    assert set(np.bincount(fold[y == 1])) == {2, 3}
    plain = _folds(y, 5, False, np.random.default_rng(1))
    assert set(np.bincount(plain)) == {8, 9}


def test_cross_validation_follows_its_definition() -> None:
    X, y = simulated(11, n=60)
    found = cross_validation("logistic", X, y, rng=4, folds=5, repeats=2, metrics=("brier",))["brier"]
    rng, used, left = np.random.default_rng(4), [], []
    for _ in range(2):
        fold = _folds(y, 5, True, rng)
        for k in range(5):
            inside = fold != k
            p = LogisticModel().fit(X[inside], y[inside]).predict_proba(X)[:, 1]
            used.append(brier(y[inside], p[inside]).value)
            left.append(brier(y[~inside], p[~inside]).value)
    apparent = brier(y, LogisticModel().fit(X, y).predict_proba(X)[:, 1]).value
    gap = np.array(used) - np.array(left)
    assert found["average"].value == pytest.approx(np.mean(left))
    assert found["average"].se == pytest.approx(np.std(left, ddof=1) / math.sqrt(10))
    assert found["optimism"].value == pytest.approx(gap.mean())
    assert found["corrected"].value == pytest.approx(apparent - gap.mean())
    assert found["corrected"].n == 60
    assert found["average"].note == ""


def test_cross_validation_counts_what_it_cannot_do() -> None:
    X, y = simulated(12, n=40)
    loo = cross_validation("logistic", X, y, rng=1, folds=40, metrics=("auc", "brier"))
    assert math.isnan(loo["auc"]["average"].value)
    assert loo["auc"]["average"].note == "defined in 0 of 40 folds"
    assert loo["brier"]["average"].note == ""

    class Never(Plain):
        def fit(self, X, y):  # type: ignore[no-untyped-def]
            if len(y) < 40:
                raise ValueError("never")
            return super().fit(X, y)

    lost = cross_validation(Never(), X, y, rng=1, folds=4, metrics=("brier",))["brier"]["average"]
    assert math.isnan(lost.value)
    assert lost.note == "defined in 0 of 4 folds; 4 folds failed with ValueError"
    single = np.zeros(40, int)
    single[0] = 1
    one = cross_validation(Constant(), X, single, rng=1, folds=4, metrics=("brier",))["brier"]["average"]
    assert one.note == "defined in 3 of 4 folds; 1 folds with one outcome only"
    for bad, message in ((1, "at least 2"), (41, "at most the number of patients, 40; it is 41")):
        with pytest.raises(InputError, match=message):
            cross_validation("logistic", X, y, rng=1, folds=bad)
    told: list[tuple[int, int]] = []
    cross_validation(
        "logistic", X, y, rng=1, folds=4, repeats=2, metrics=("brier",), progress=lambda a, b: told.append((a, b))
    )
    assert told == [(k, 8) for k in range(1, 9)]


# --- instability -------------------------------------------------------------------------------


def test_instability_by_hand() -> None:
    original = [0.2, 0.6]
    table = np.array([[0.1, 0.6], [0.3, 0.4], [np.nan, np.nan], [0.2, 0.5]])
    found = instability(original, table, threshold=0.5, level=0.9)
    np.testing.assert_allclose(found.mape, [0.2 / 3, 0.1])
    np.testing.assert_allclose(found.change, [0, 1 / 3])  # 0.5 is positive at 0.5
    np.testing.assert_allclose(found.low, np.quantile(table[[0, 1, 3]], 0.05, axis=0))
    np.testing.assert_allclose(found.high, np.quantile(table[[0, 1, 3]], 0.95, axis=0))
    assert found.average.value == pytest.approx((0.2 / 3 + 0.1) / 2)
    assert found.largest == pytest.approx(0.1)
    assert (found.replicates, found.threshold, found.level) == (3, 0.5, 0.9)
    assert found.note == "1 of 4 resamples have no predictions"
    band = instability([0.6, 0.2], table[:, ::-1]).band
    np.testing.assert_allclose(band.x, [0.2, 0.6])
    np.testing.assert_allclose(band.low, np.quantile(table[[0, 1, 3]], 0.025, axis=0))
    assert "instability over 3 resamples" in repr(found)
    without = instability(original, table)
    assert np.isnan(without.change).all()
    assert math.isnan(without.threshold)
    json.dumps(found.to_dict(), allow_nan=False)


def test_instability_refuses_what_does_not_fit() -> None:
    with pytest.raises(InputError, match="`predictions` has 2 patients and `original` has 3"):
        instability([0.1, 0.2, 0.3], [[0.1, 0.2]])
    with pytest.raises(InputError, match="holds 1 complete resamples; instability needs at least two"):
        instability([0.1, 0.2], [[0.1, 0.2], [0.1, np.nan]])
    with pytest.raises(InputError, match=r"`predictions` must lie in \[0, 1\]"):
        instability([0.1, 0.2], [[0.1, 0.2], [0.1, 1.2]])
    with pytest.raises(InputError, match="`original`"):
        instability([0.1, 1.2], [[0.1, 0.2], [0.1, 0.3]])


def test_instability_of_a_refitted_model_shrinks_with_its_patients() -> None:
    found = {}
    for n in (60, 600):
        X, y = simulated(13, n=n)
        result = bootstrap_validation("logistic", X, y, rng=1, replicates=40, keep_predictions=True)
        found[n] = instability(result.original, result.predictions).average.value
    assert found[600] < 0.5 * found[60]


def test_an_estimator_may_copy_itself() -> None:
    class Own(Plain):
        def __sklearn_clone__(self):  # type: ignore[no-untyped-def]
            other = Own()
            other.made = "by itself"
            return other

    assert fresh(Own()).made == "by itself"


def test_a_metric_can_be_undefined_where_the_model_is_not() -> None:
    X, y = simulated(14, n=40)
    one_sided = {"odd": lambda y, p: math.nan if y.sum() > 20 else float(p.mean())}
    found = bootstrap_validation(Constant(), X, y, rng=1, replicates=40, metrics=one_sided).metrics["odd"]
    lost = int(np.isnan(found.in_resample - found.on_all).sum())
    assert 0 < lost < 40
    assert found.note == f"undefined in {lost} of 40 resamples that succeeded"
    everybody = np.tile(np.arange(40), (20, 1))
    nobody_left = bootstrap_validation("logistic", X, y, resamples=everybody, metrics=("brier",)).metrics["brier"]
    assert np.isnan(nobody_left.off_resample).all()
    assert math.isnan(nobody_left.out_of_bag.value)
    assert nobody_left.optimism.value == pytest.approx(0, abs=1e-12)


def test_instability_curves_are_those_of_each_resample() -> None:
    y, table = [0, 1, 1, 0], np.array([[0.1, 0.6, 0.4, 0.2], [np.nan] * 4, [0.3, 0.4, 0.9, 0.5], [0.2, 0.2, 0.3, 0.1]])
    curves = instability_curves(y, table, roc_curve)
    assert len(curves) == 3
    np.testing.assert_array_equal(curves[1].y, roc_curve(y, table[2]).y)
    assert len(instability_curves(y, table, decision_curve, most=2)) == 2
    with pytest.raises(InputError, match="no complete resample"):
        instability_curves(y, table[1:2], roc_curve)


def test_estimators_without_a_clone_of_their_own_are_copied_by_their_parameters() -> None:
    class Old:
        def __init__(self, parts=(), depth=1):  # type: ignore[no-untyped-def]
            self.parts, self.depth = parts, depth

        def get_params(self, deep=True):  # type: ignore[no-untyped-def]
            return {"parts": self.parts, "depth": self.depth}

    inner = Old(depth=7)
    inner.learned_ = 1
    copy = fresh(Old(parts=[("a", inner), ("b", 3)]))
    assert copy.parts[0][0] == "a"
    assert copy.parts[0][1] is not inner
    assert copy.parts[0][1].depth == 7
    assert not hasattr(copy.parts[0][1], "learned_")
    assert copy.parts[1] == ("b", 3)
