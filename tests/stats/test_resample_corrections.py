"""The bootstrap design from stored predictions: the same numbers as refitting, parity with R, and what fails."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from validkit.errors import InputError
from validkit.stats import METRICS
from validkit.stats.corrections import InternalValidation
from validkit.stats.discrimination import auc
from validkit.stats.draws import draw_plan, percentile_limits
from validkit.stats.estimators import LogisticModel
from validkit.stats.internal import bootstrap_validation
from validkit.stats.overall import brier
from validkit.stats.resample_corrections import corrected_performance

FOLDER = Path(__file__).resolve().parents[1] / "reference"
NAMES = ("auc", "brier", "calibration_slope", "calibration_in_the_large")
PARTS = ("apparent", "optimism", "corrected", "simple", "out_of_bag", "point632", "point632_plus")


class Plain:
    """Logistic regression that takes the plain path."""

    def fit(self, X, y):  # type: ignore[no-untyped-def]
        self.model = LogisticModel().fit(X, y)
        return self

    def predict_proba(self, X):  # type: ignore[no-untyped-def]
        return self.model.predict_proba(X)


def simulated(seed: int = 1, n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    return X, (rng.random(n) < 1 / (1 + np.exp(-X @ [0.9, -0.4, 0.0]))).astype(int)


def stored(X: np.ndarray, y: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """What a run would have kept: risks by the model on all, by the model of each resample, and why it failed."""
    apparent = Plain().fit(X, y).predict_proba(X)[:, 1]
    table, reasons = np.full(counts.shape, np.nan), [""] * len(counts)
    for b, times in enumerate(counts):
        rows = np.repeat(np.arange(y.size), times)
        try:
            table[b] = Plain().fit(X[rows], y[rows]).predict_proba(X)[:, 1]
        except Exception as error:
            reasons[b] = f"failed with {type(error).__name__}: {error}"
    return apparent, table, reasons


def same(ours: InternalValidation, theirs: InternalValidation) -> None:
    for name, metric in theirs.metrics.items():
        for part in PARTS:
            assert repr(getattr(ours.metrics[name], part).to_dict()) == repr(getattr(metric, part).to_dict()), (
                name,
                part,
            )
        for part in ("in_resample", "on_all", "off_resample"):
            np.testing.assert_array_equal(getattr(ours.metrics[name], part), getattr(metric, part))
    assert ours.failures == theirs.failures
    assert (ours.succeeded, ours.replicates, ours.n, ours.n_events) == (
        theirs.succeeded,
        theirs.replicates,
        theirs.n,
        theirs.n_events,
    )
    assert ours.note == theirs.note
    np.testing.assert_array_equal(ours.original, theirs.original)
    np.testing.assert_array_equal(ours.predictions, theirs.predictions)


@pytest.mark.parametrize("interval", ["apparent", "bootstrap"])
def test_it_equals_refitting_to_the_bit(interval: str) -> None:
    X, y = simulated()
    counts = draw_plan(y, rng=5, replicates=40).counts(0, 40)
    apparent, table, reasons = stored(X, y, counts)
    names = [name for name, metric in METRICS.items() if not metric.needs_threshold]
    options = {"interval": interval, "level": 0.9}
    theirs = bootstrap_validation(Plain(), X, y, rng=5, replicates=40, metrics=names, keep_predictions=True, **options)
    same(corrected_performance(names, y, apparent, table, counts, reasons=reasons, **options), theirs)


def test_failures_and_single_outcomes_are_counted_as_in_refitting() -> None:
    rng = np.random.default_rng(0)
    y = np.zeros(25, int)
    y[[3, 9]] = 1
    X = rng.normal(size=(25, 1)) + 1.5 * y[:, None]
    counts = draw_plan(y, rng=1, replicates=100).counts(0, 100)
    apparent, table, reasons = stored(X, y, counts)
    theirs = bootstrap_validation(Plain(), X, y, rng=1, replicates=100, metrics=NAMES, keep_predictions=True)
    assert theirs.failures["with one outcome only"] > 3
    assert len(theirs.failures) == 2
    same(corrected_performance(NAMES, y, apparent, table, counts, reasons=reasons), theirs)
    plain = corrected_performance(NAMES, y, apparent, table, counts)
    assert plain.failures["without predictions"] + plain.failures["with one outcome only"] == 100 - theirs.succeeded
    assert plain.note == f"{100 - theirs.succeeded} of 100 resamples failed: the correction rests on the others"


@pytest.mark.parametrize("name", NAMES)
def test_it_equals_r(name: str) -> None:
    reference = pd.read_csv(FOLDER / "internal_reference.csv", dtype={"value": float, "tolerance": float})
    data = pd.read_csv(FOLDER / "internal_data.csv", dtype=str).astype(float)
    X, y = data[["x1", "x2", "x3"]].to_numpy(), data["y"].to_numpy().astype(int)
    rows = np.loadtxt(FOLDER / "internal_rows.csv", delimiter=",").astype(int)
    counts = np.array([np.bincount(row, minlength=y.size) for row in rows])
    apparent, table, _ = stored(X, y, counts)
    metric = corrected_performance([name], y, apparent, table, counts).metrics[name]
    theirs = reference[reference["id"] == f"{name}.summary"]
    summary = [metric.apparent, metric.optimism, metric.corrected, metric.simple, metric.out_of_bag, metric.point632]
    tolerance = float(theirs["tolerance"].iloc[0])
    np.testing.assert_allclose([e.value for e in summary], theirs["value"], rtol=tolerance, atol=tolerance)


def test_by_hand() -> None:
    y, p = [0, 1, 0, 1], [0.2, 0.7, 0.4, 0.6]
    models = np.array([[0.3, 0.8, 0.5, 0.5], [0.1, 0.6, 0.8, 0.7]])
    drawn = [[2, 1, 0, 1], [1, 1, 2, 0]]
    found = corrected_performance({"mine": "brier"}, y, p, models, drawn, level=0.8)
    metric = found.metrics["mine"]
    assert metric.name == "mine"
    assert metric.in_resample.tolist() == pytest.approx([(2 * 0.09 + 0.04 + 0.25) / 4, (0.01 + 0.16 + 2 * 0.64) / 4])
    assert metric.on_all.tolist() == pytest.approx([0.63 / 4, 0.9 / 4])
    assert metric.off_resample.tolist() == pytest.approx([0.25, 0.09])
    assert metric.optimism.value == pytest.approx((-0.04 + 0.1375) / 2)
    assert metric.optimism.se == pytest.approx(0.1775 / 2)
    plain = brier(y, p, level=0.8)
    assert metric.apparent == plain
    assert metric.corrected.value == pytest.approx(plain.value - 0.04875)
    assert metric.corrected.low == pytest.approx(plain.low - 0.04875)
    assert (metric.corrected.level, metric.apparent.level) == (0.8, 0.8)
    assert (found.n, found.n_events, found.replicates, found.succeeded, found.failures) == (4, 2, 2, 2, {})


def test_the_location_shifted_interval() -> None:
    X, y = simulated(3)
    counts = draw_plan(y, rng=2, replicates=60).counts(0, 60)
    apparent, table, _ = stored(X, y, counts)
    found = corrected_performance(["auc", "ici"], y, apparent, table, counts, interval="bootstrap", level=0.9)
    metric = found.metrics["auc"]
    low, high, note = percentile_limits(metric.in_resample, 0.9)
    assert (metric.corrected.low, metric.corrected.high) == pytest.approx(
        (low - metric.optimism.value, high - metric.optimism.value)
    )
    assert metric.corrected.se == pytest.approx(metric.in_resample.std(ddof=1))
    assert metric.corrected.note == note
    assert metric.corrected.method == (
        "optimism bootstrap; percentiles of the resamples' apparent values shifted by the optimism"
    )
    for part in (metric.point632, metric.point632_plus):
        gap = metric.apparent.value - part.value
        assert (part.low, part.high) == pytest.approx((low - gap, high - gap))
    assert math.isfinite(found.metrics["ici"].corrected.low)  # a measure without an interval of its own
    assert found.metrics["ici"].point632_plus.note.startswith("no no-information value is known for this metric; ")


def test_predictions_of_the_resamples_own_patients_may_differ() -> None:
    X, y = simulated(4)
    counts = draw_plan(y, rng=2, replicates=20).counts(0, 20)
    apparent, table, _ = stored(X, y, counts)
    own = np.where(counts > 0, np.clip(table + 0.1 * (2 * y - 1), 0, 1), np.nan)
    found = corrected_performance(["brier"], y, apparent, table, counts, in_resample_predictions=own)
    plain = corrected_performance(["brier"], y, apparent, table, counts)
    metric = found.metrics["brier"]
    rows = np.repeat(np.arange(60), counts[3])
    assert metric.in_resample[3] == pytest.approx(np.mean((y[rows] - own[3, rows]) ** 2))
    np.testing.assert_array_equal(metric.on_all, plain.metrics["brier"].on_all)
    np.testing.assert_array_equal(metric.off_resample, plain.metrics["brier"].off_resample)
    assert metric.optimism.value < plain.metrics["brier"].optimism.value


def test_thresholds_one_for_all_or_one_a_resample() -> None:
    X, y = simulated(5)
    counts = draw_plan(y, rng=2, replicates=20).counts(0, 20)
    apparent, table, _ = stored(X, y, counts)
    names = [name for name, metric in METRICS.items() if metric.needs_threshold]
    one = corrected_performance(names, y, apparent, table, counts, threshold=0.5)
    many = corrected_performance(names, y, apparent, table, counts, threshold=0.5, resample_thresholds=[0.5] * 20)
    same(many, one)
    sensitivity = METRICS["sensitivity"].function
    assert one.metrics["sensitivity"].on_all[7] == sensitivity(y, table[7], threshold=0.5).value
    cuts = np.linspace(0.3, 0.6, 20)
    cuts[4] = np.nan
    lost = table.copy()
    lost[4] = np.nan
    own = corrected_performance(["sensitivity"], y, apparent, lost, counts, threshold=0.5, resample_thresholds=cuts)
    assert own.metrics["sensitivity"].on_all[7] == sensitivity(y, table[7], threshold=cuts[7]).value
    assert own.metrics["sensitivity"].apparent == sensitivity(y, apparent, threshold=0.5)
    assert own.failures == {"without predictions": 1}
    assert own.note == ""
    assert np.isnan(own.metrics["sensitivity"].on_all[4])


def test_messages() -> None:
    y, p = [0, 1, 0, 1], [0.2, 0.7, 0.4, 0.6]
    models, drawn = np.tile(p, (2, 1)), np.ones((2, 4))

    def refused(
        match: str, metrics: object = ("auc",), models: object = models, drawn: object = drawn, **more: object
    ) -> None:
        with pytest.raises(InputError, match=match):
            corrected_performance(metrics, y, p, models, drawn, **more)  # type: ignore[arg-type]

    hole = models.copy()
    hole[1, 2] = np.nan
    refused("lacks some patients in 1 resamples \\(first: 1\\)", models=hole)
    refused("has 3 columns for 4 patients", models=models[:, :3])
    refused("must lie in \\[0, 1\\]; in resample 0 patient 1 has 1.4", models=models * 2)
    refused("`counts` must have the shape of `predictions`, \\(2, 4\\)", drawn=drawn[:1])
    refused("`counts` must be whole numbers", drawn=drawn / 2)
    refused("`counts` must be whole numbers", drawn=-drawn)
    refused("`counts` must be whole numbers", drawn=drawn * np.inf)
    refused("nobody was drawn in resample 0", drawn=drawn * 0)
    refused("need a threshold: give `threshold`", metrics=["ppv"])
    refused("`metrics` must be one of", metrics=["nonsense"])
    refused("`metrics` must name at least one metric", metrics=[])
    refused("needs `threshold` beside it", resample_thresholds=[0.1, 0.2])
    refused("has 1 entries for 2 resamples", threshold=0.5, resample_thresholds=[0.1])
    refused("`resample_thresholds\\[1\\]` must be in \\[0, 1\\]", threshold=0.5, resample_thresholds=[0.1, 7])
    refused("`reasons` has 1 entries for 2 resamples", reasons=["x"])
    refused("`reasons` must hold one text a resample, not 0.3", reasons=0.3)
    refused("`reasons` must hold one text a resample, not 'ab'", reasons="ab")
    refused("`metrics` must be a sequence of names or a mapping, not None", metrics=None)
    refused("`metrics` must hold names of metrics or functions .*; 3 is neither", metrics=[3])
    refused("says that resample 1 failed, but it has predictions", reasons=["", "x"])
    refused("`interval` must be one of 'apparent', 'bootstrap'", interval="two-stage")
    refused("`in_resample_predictions` must have the shape \\(2, 4\\)", in_resample_predictions=models[:1])
    refused("for every patient drawn; in resample 1 patient 2 has nan", in_resample_predictions=hole)


def test_correction_recovers_the_truth() -> None:
    """The corrected AUC of stored predictions is nearer to the AUC on new patients than the apparent one."""
    rng = np.random.default_rng(11)
    beta = np.r_[0.8, -0.5, np.zeros(6)]
    new = rng.normal(size=(20_000, 8))
    y_new = (rng.random(20_000) < 1 / (1 + np.exp(-(new @ beta)))).astype(int)
    gaps = []
    for seed in range(12):
        X = rng.normal(size=(100, 8))
        y = (rng.random(100) < 1 / (1 + np.exp(-(X @ beta)))).astype(int)
        counts = draw_plan(y, rng=seed, replicates=40).counts(0, 40)
        apparent, table, _ = stored(X, y, counts)
        found = corrected_performance(["auc"], y, apparent, table, counts).metrics["auc"]
        true = auc(y_new, Plain().fit(X, y).predict_proba(new)[:, 1]).value
        gaps.append([found.apparent.value - true, found.corrected.value - true])
    assert np.mean(gaps, axis=0)[0] > 0.03
    assert abs(np.mean(gaps, axis=0)[1]) < 0.025
