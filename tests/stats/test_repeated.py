"""Repeated predictions: known answers, the quick paths, what is undefined, laws, and coverage."""

from __future__ import annotations

import functools
import json
import math

import numpy as np
import pytest

from validkit.errors import InputError
from validkit.stats import METRICS
from validkit.stats.calibration import calibration_slope
from validkit.stats.chosen import at_level, chosen
from validkit.stats.clustered import clustered_auc
from validkit.stats.discrimination import auc
from validkit.stats.draws import bca_limits, draw_plan, percentile_limits, value_of
from validkit.stats.overall import brier
from validkit.stats.repeat_spreads import repeat_spread
from validkit.stats.repeated import repeated_performance, repeated_performances
from validkit.stats.repeated_comparison import compare_repeated
from validkit.stats.repeats import check_repeats
from validkit.stats.resampling import bootstrap
from validkit.stats.results import Estimate
from validkit.stats.segments import lay_out, pooled_rows, replicates_in, without_each
from validkit.stats.table_measures import way_of


def simulated(seed: int, n: int = 60, repeats: int = 3, noise: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    eta = rng.normal(-0.4, 1.2, n)
    y = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(int)
    return y, np.round(1 / (1 + np.exp(-eta - rng.normal(0, noise, (repeats, n)))), 2).clip(0.01, 0.99)


Y, P = simulated(1)
GAPS = np.where(np.random.default_rng(2).random(P.shape) < 0.3, np.nan, P)


# --- values ------------------------------------------------------------------------------------


def test_each_combination_is_what_its_name_says() -> None:
    average = repeated_performance("auc", Y, P)
    plain = auc(Y, P.mean(axis=0))
    assert average.value == plain.value
    assert (average.low, average.high, average.se) == pytest.approx((plain.low, plain.high, plain.se), rel=1e-12)
    assert average.method == "DeLong, of risks averaged over 3 repeats"
    assert average.note == "given the fitted models"
    assert (average.n, average.n_events) == (60, Y.sum())
    per = repeated_performance("auc", Y, P, combine="per-repeat", rng=1, replicates=50)
    assert per.value == pytest.approx(np.mean([auc(Y, p).value for p in P]))
    assert per.method == "mean over 3 repeats; bootstrap of patients, percentile"
    assert per.note == "50 of 50 replicates; given the fitted models"
    pool = repeated_performance("auc", Y, P, combine="pool", rng=1, replicates=50)
    assert pool.value == auc(np.tile(Y, 3), P.ravel()).value
    assert pool.method == "3 repeats pooled; bootstrap of patients, percentile"
    assert pool.note == "50 of 50 replicates; given the fitted models"
    assert repeated_performance("brier", Y, P[:1]).method.endswith("of risks averaged over 1 repeat")


def test_predictions_that_are_missing_are_no_predictions() -> None:
    seen = ~np.isnan(GAPS)
    per = repeated_performance("brier", Y, GAPS, combine="per-repeat", rng=1, replicates=50)
    assert per.value == pytest.approx(np.mean([brier(Y[s], p[s]).value for p, s in zip(GAPS, seen, strict=True)]))
    some = seen.any(axis=0)
    average = repeated_performance("brier", Y, GAPS)
    assert average.value == pytest.approx(brier(Y[some], np.nanmean(GAPS[:, some], axis=0)).value)
    lost, most = int((~some).sum()), int(seen.sum(axis=0).max())
    assert lost > 0
    assert average.n == per.n == 60 - lost
    assert average.n_events == Y[some].sum()
    assert average.note == (
        f"given the fitted models; {lost} of 60 patients were predicted in no repeat and are left out; "
        f"1 to {most} predictions a patient"
    )
    pool = repeated_performance("brier", Y, GAPS, combine="pool", rng=1, replicates=50)
    assert pool.value == pytest.approx(brier(np.tile(Y, 3)[seen.ravel()], GAPS[seen]).value)
    silent = np.vstack([P, np.full(60, np.nan)])
    found = repeated_performance("brier", Y, silent)
    assert found.note == "given the fitted models; 1 of 4 repeats predicted nobody"
    assert found.value == repeated_performance("brier", Y, P).value
    complete = repeated_performance("brier", Y, GAPS, missing="complete-case")
    assert complete.n_missing == int((~seen.all(axis=0)).sum())


def test_folds_are_averaged_within_repeats_and_undefined_ones_counted() -> None:
    y = np.array([0, 1, 0, 1, 0, 0])
    p = np.array([[0.1, 0.7, 0.3, 0.2, 0.6, 0.2], [0.2, 0.6, 0.5, 0.4, 0.1, 0.3]])
    folds = [["a", "a", "b", "b", "c", "c"], ["a", "b", "b", "a", "a", "b"]]
    found = repeated_performance("auc", y, p, combine="per-repeat", folds=folds, rng=1, replicates=40)
    assert found.value == pytest.approx(((1.0 + 0.0) / 2 + (1.0 + 1.0) / 2) / 2)
    assert "undefined in 1 of 5 folds" in found.note
    assert found.method.startswith("mean over 2 repeats of the mean over folds (5 in all); bootstrap of patients")
    spread = repeat_spread("auc", y, p, folds=np.array(folds))
    np.testing.assert_allclose(spread.values, [0.5, 1.0])
    squares = repeated_performance("brier", y, p, combine="per-repeat", folds=folds, rng=1, replicates=40)
    by_hand = [
        np.mean([np.mean((y - q)[[0, 1]] ** 2), np.mean((y - q)[[2, 3]] ** 2), np.mean((y - q)[[4, 5]] ** 2)])
        for q in p[:1]
    ]
    by_hand += [np.mean([np.mean((y - q)[[0, 3, 4]] ** 2), np.mean((y - q)[[1, 2, 5]] ** 2)]) for q in p[1:]]
    assert squares.value == pytest.approx(np.mean(by_hand))


def test_a_shift_between_folds_spoils_the_pooled_auc_and_not_the_one_within_folds() -> None:
    rng = np.random.default_rng(7)
    y = np.tile([0, 1], 40)
    fold = np.repeat(np.arange(4), 20)
    p = (0.15 * y + 0.2 * rng.random(80) + 0.2 * fold)[None, :]
    within = repeated_performance("auc", y, p, combine="per-repeat", folds=fold[None, :], rng=1, replicates=40).value
    pooled = repeated_performance("auc", y, p, combine="pool", rng=1, replicates=40).value
    assert within > 0.9
    assert pooled < 0.75


# --- the engine --------------------------------------------------------------------------------


@pytest.mark.parametrize("threshold", [0.3, 0.55])
@pytest.mark.parametrize("table", [P, GAPS])
def test_the_quick_paths_give_what_the_measures_give(threshold: float, table: np.ndarray) -> None:
    """Every registered metric: compiled replicates against the function on the rows written out."""
    functions = chosen([name for name in METRICS if name not in ("ici", "e50", "e90", "emax", "eci")], threshold)
    segments = lay_out(Y.astype(np.int64), table)
    plan = draw_plan(Y, rng=3, replicates=20)
    found = replicates_in(functions, segments, plan)
    counts = plan.counts(0, 20)
    for name, function in functions.items():
        want = np.full((20, segments.number), np.nan)
        for s in range(segments.number):
            rows = segments.rows(s)
            for b in range(20):
                drawn = np.repeat(np.arange(rows.stop - rows.start), counts[b, segments.patient[rows]])
                want[b, s] = float(value_of(function(segments.y[rows][drawn], segments.p[rows][drawn])))
        np.testing.assert_allclose(found[name], want, rtol=1e-8, atol=1e-10, err_msg=name)


@pytest.mark.parametrize(
    ("y", "p"),
    [
        ([0, 0, 0], [0.1, 0.6, 0.8]),
        ([1, 1, 1], [0.1, 0.6, 0.8]),
        ([0, 1, 1, 0], [0.1, 0.2, 0.3, 0.1]),
        ([0, 1, 1, 0], [0.7, 0.8, 0.9, 0.8]),
        ([0, 1, 1, 0], [0.1, 0.8, 0.9, 0.2]),
        ([0, 1, 1, 0], [0.8, 0.1, 0.2, 0.9]),
        ([0, 0, 0], [0.1, 0.2, 0.3]),
        ([1, 1, 1], [0.6, 0.7, 0.8]),
        ([0, 1, 1, 0], [0.6, 0.7, 0.1, 0.5]),
        ([0, 1, 1, 0], [0.5, 0.5, 0.1, 0.2]),
        ([0, 1, 0], [0.0, 1.0, 0.4]),
        ([0, 1, 0], [1.0, 0.0, 0.4]),
        ([0, 0, 1, 1, 0], [0.2, 0.5, 0.5, 0.9, 0.1]),
    ],
)
def test_empty_cells_and_single_classes_are_treated_as_the_measures_treat_them(y: list[int], p: list[float]) -> None:
    """On the patients themselves: every replicate of one draw each."""
    functions = {
        name: function
        for name, function in chosen(list(METRICS), 0.5).items()
        if way_of(function) is not None and "calibration" not in name
    }
    segments = lay_out(np.array(y), np.array([p]))

    class Once:
        n, size = len(y), 1

        def counts(self, start: int, stop: int) -> np.ndarray:
            return np.ones((1, len(y)), np.int32)

        def run(self, kernel, **options):  # type: ignore[no-untyped-def]
            kernel(0, 1)

    found = replicates_in(functions, segments, Once())  # type: ignore[arg-type]
    assert len(functions) > 20
    for name, function in functions.items():
        want = float(value_of(function(y, p)))
        np.testing.assert_allclose(found[name][0, 0], want, rtol=1e-12, atol=1e-14, err_msg=name)


def test_ways_that_do_not_exist() -> None:
    assert way_of(functools.partial(METRICS["mcc"].function, threshold=0.0)) is None
    assert way_of(functools.partial(METRICS["mcc"].function, threshold=0.5, level=0.9)) is None
    assert way_of(functools.partial(METRICS["ppv"].function, threshold=1.0)) is None
    assert way_of(lambda y, p: 1.0) is None

    class Unhashable:
        __hash__ = None  # type: ignore[assignment]

        def __call__(self, y: np.ndarray, p: np.ndarray) -> float:
            return float(p.mean())

    assert way_of(Unhashable()) is None
    found = repeated_performance(Unhashable(), Y, P, combine="per-repeat", rng=1, replicates=30)
    assert found.value == pytest.approx(P.mean())
    edge = repeated_performance("mcc", Y, P, threshold=0.0, combine="per-repeat", rng=1, replicates=20)
    assert math.isnan(edge.value)
    assert edge.note == "undefined in 3 of 3 repeats"


def test_the_curves_errors_share_one_curve() -> None:
    names = ["ici", "e50", "e90", "emax", "eci"]
    together = repeated_performances([*names, "ece"], Y, P, combine="per-repeat", rng=1, replicates=20)
    for name in names:
        alone = repeated_performance(METRICS[name].function, Y, P, combine="per-repeat", rng=1, replicates=20)
        assert together[name] == alone


def test_the_replicates_draw_patients_with_all_their_predictions() -> None:
    plan = draw_plan(Y, rng=5, replicates=200)
    repeats = check_repeats(Y, P, "per-repeat", None, None)
    counts = plan.counts(0, 200)
    by_hand = np.array(
        [np.mean([np.average((repeats.y - p) ** 2, weights=times) for p in repeats.predictions]) for times in counts]
    )
    low, high, _ = percentile_limits(by_hand, 0.9)
    found = repeated_performance("brier", Y, P, combine="per-repeat", rng=5, replicates=200, level=0.9)
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-12)
    assert found.se == pytest.approx(by_hand.std(ddof=1))
    assert found.level == 0.9


def test_bca_and_its_jackknife() -> None:
    for name in ("brier", "calibration_slope", "average_precision"):
        functions = chosen([name])
        repeats = check_repeats(Y, P, "per-repeat", None, None)
        values = repeats.segments.mean(replicates_in(functions, repeats.segments, repeats.plan(4, 300, False))[name])
        without = np.array(
            [
                np.mean(
                    [value_of(functions[name](np.delete(repeats.y, i), np.delete(p, i))) for p in repeats.predictions]
                )
                for i in range(60)
            ]
        )
        point = np.mean([value_of(functions[name](Y, p)) for p in P])
        low, high, note = bca_limits(values, point, without, 0.95)
        found = repeated_performance(name, Y, P, combine="per-repeat", rng=4, replicates=300, interval="bca")
        assert (found.low, found.high) == pytest.approx((low, high), rel=1e-9)
        assert found.method.endswith("bootstrap of patients, BCa")
        assert note in found.note
    clusters = np.arange(60) // 4
    repeats = check_repeats(Y, P, "pool", None, clusters)
    one = without_each(brier, repeats.segments, repeats.units)
    assert one.shape == (15, 1)
    keep = repeats.clusters != 7
    assert one[7, 0] == pytest.approx(brier(np.tile(repeats.y[keep], 3), repeats.predictions[:, keep].ravel()).value)
    few = repeated_performance(lambda y, p: 0.5, Y, P, combine="per-repeat", rng=4, replicates=30, interval="bca")
    assert "all are equal" in few.note
    assert math.isnan(few.low)
    assert math.isnan(few.se)


def test_clusters_stratification_and_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("validkit.stats.draws._WORTH_A_THREAD", 0)
    clusters = [f"{i // 3:02d}" for i in range(60)]
    options = {"combine": "per-repeat", "rng": 2, "replicates": 60, "clusters": clusters}
    found = [repeated_performance("auc", Y, P, threads=threads, **options) for threads in (1, 2, 3)]
    assert found[0] == found[1] == found[2]
    assert found[0].method.endswith("percentile, by cluster")
    both = repeated_performance("auc", Y, P, combine="per-repeat", rng=2, replicates=60, stratified=True)
    assert both.method.endswith("percentile, stratified")
    average = repeated_performance("auc", Y, P, rng=2, replicates=60, clusters=clusters)
    assert average.method == "of risks averaged over 3 repeats; bootstrap of patients, percentile, by cluster"
    told: list[tuple[int, int]] = []
    repeated_performances(
        ["average_precision", "brier"], Y, P, combine="pool", rng=1, replicates=20, progress=lambda *x: told.append(x)
    )
    assert told[-1] == (20, 20)


def test_the_average_is_the_bootstrap_of_the_average() -> None:
    mean = P.mean(axis=0)
    ours = repeated_performance("auc", Y, P, interval="percentile", rng=9, replicates=500)
    theirs = bootstrap("auc", Y, mean, rng=9, replicates=500)
    assert ours.value == theirs.value
    assert ours.low == pytest.approx(theirs.low, abs=0.02)
    assert ours.high == pytest.approx(theirs.high, abs=0.02)


def test_several_metrics_see_the_same_draws() -> None:
    together = repeated_performances(
        {"a": "auc", "b": brier, "c": "mcc"}, Y, P, threshold=0.4, combine="pool", rng=3, replicates=40
    )
    assert list(together) == ["a", "b", "c"]
    assert together["a"] == repeated_performance("auc", Y, P, combine="pool", rng=3, replicates=40)
    assert together["c"] == repeated_performance("mcc", Y, P, threshold=0.4, combine="pool", rng=3, replicates=40)


def test_chance_is_passed_in() -> None:
    first, again = (repeated_performance("brier", Y, P, combine="pool", rng=11, replicates=40) for _ in range(2))
    assert first == again
    assert first != repeated_performance("brier", Y, P, combine="pool", rng=12, replicates=40)
    generator = np.random.default_rng(3)
    one = repeated_performance("brier", Y, P, combine="pool", rng=generator, replicates=40)
    assert one != repeated_performance("brier", Y, P, combine="pool", rng=generator, replicates=40)


# --- analytic intervals ------------------------------------------------------------------------


def test_obuchowski_for_pooled_rows() -> None:
    ours = repeated_performance("auc", Y, P, combine="pool", interval="analytic", level=0.9)
    theirs = clustered_auc(np.tile(Y, 3), P.ravel(), clusters=np.tile(np.arange(60), 3), level=0.9)
    assert (ours.value, ours.low, ours.high, ours.se) == pytest.approx(
        (theirs.value, theirs.low, theirs.high, theirs.se), rel=1e-12
    )
    assert ours.method == "Obuchowski, 3 repeats pooled"
    assert ours.level == 0.9
    assert ours.n == 60
    assert ours.note.endswith("given the fitted models")
    clusters = np.arange(60) // 2
    mean = repeated_performance("auc", Y, P, interval="analytic", clusters=clusters)
    assert mean.value == pytest.approx(clustered_auc(Y, P.mean(axis=0), clusters=clusters).value)
    assert mean.se == pytest.approx(clustered_auc(Y, P.mean(axis=0), clusters=clusters).se)


def test_delong_of_the_mean_auc() -> None:
    per = repeated_performance("auc", Y, P, combine="per-repeat", interval="analytic")
    booted = repeated_performance("auc", Y, P, combine="per-repeat", rng=1, replicates=2000)
    assert per.value == booted.value
    assert per.se == pytest.approx(booted.se, rel=0.1)
    assert per.method == "DeLong, mean over 3 repeats"
    same = repeated_performance("auc", Y, P[[0, 0, 0]], combine="per-repeat", interval="analytic")
    alone = auc(Y, P[0])
    assert (same.low, same.high, same.se) == pytest.approx((alone.low, alone.high, alone.se))
    perfect = repeated_performance(
        "auc", [0, 0, 1, 1], [[0.1, 0.2, 0.8, 0.9]] * 2, combine="per-repeat", interval="analytic"
    )
    assert perfect.note == "the variance is 0: no interval; given the fitted models"
    near = repeated_performance(
        "auc", [0, 0, 0, 1, 1, 1], [[0.1, 0.2, 0.6, 0.5, 0.8, 0.9]] * 2, combine="per-repeat", interval="analytic"
    )
    assert near.high == 1.0
    assert near.note == "interval cut at its bound; given the fitted models"
    one_class = repeated_performance("auc", [0, 0], [[0.1, 0.2]] * 2, combine="per-repeat", interval="analytic")
    assert one_class.note == "undefined in 2 of 2 repeats; given the fitted models"
    with pytest.raises(InputError, match="needs every patient predicted in every repeat, and no clusters"):
        repeated_performance("auc", Y, GAPS, combine="per-repeat", interval="analytic")
    with pytest.raises(InputError, match="needs every patient predicted in every repeat, and no clusters"):
        repeated_performance("auc", Y, P, combine="per-repeat", interval="analytic", clusters=np.arange(60))


def test_the_level_reaches_the_measures() -> None:
    wide = repeated_performance("calibration_slope", Y, P, level=0.99)
    plain = calibration_slope(Y, P.mean(axis=0), level=0.99)
    assert (wide.low, wide.high, wide.level) == pytest.approx((plain.low, plain.high, 0.99), rel=1e-12)
    at = repeated_performance("ppv", Y, P, threshold=0.4, level=0.8)
    plain = METRICS["ppv"].function(Y, P.mean(axis=0), threshold=0.4, level=0.8)
    assert (at.low, at.n, at.n_events) == (plain.low, plain.n, plain.n_events)
    own = repeated_performance(lambda y, p: Estimate(0.5, 0.4, 0.6, 0.8), Y, P)
    assert own.level == 0.8
    number = repeated_performance(lambda y, p: 0.5, Y, P)
    assert (number.value, number.method) == (0.5, "of risks averaged over 3 repeats")
    assert at_level(np.mean, 0.9) is np.mean


def test_what_is_undefined_or_infinite() -> None:
    zeros = np.zeros(60, int)
    per = repeated_performance("auc", zeros, P, combine="per-repeat", rng=1, replicates=20)
    assert math.isnan(per.value)
    assert per.note == "undefined in 3 of 3 repeats"
    pool = repeated_performance("auc", zeros, P, combine="pool", rng=1, replicates=20)
    assert pool.note == "the measure is undefined on these patients"
    certain = np.where(np.arange(60) == np.flatnonzero(Y)[0], 0.0, P)
    loss = repeated_performance("log_loss", Y, certain, combine="pool", rng=1, replicates=20)
    assert loss.value == math.inf
    assert loss.note == "infinite, so no interval"
    third = np.vstack([P[0], np.where(Y == 1, np.nan, P[1]), P[2]])
    note = repeated_performance("auc", Y, third, combine="per-repeat", rng=1, replicates=40).note
    assert "in the replicates 33 % of the parts were undefined" in note
    partly = np.vstack([P[0], np.where(Y == 1, np.nan, P[1])])
    some = repeated_performance("auc", Y, partly, combine="per-repeat", rng=1, replicates=40)
    assert some.value == auc(Y, P[0]).value
    assert "undefined in 1 of 2 repeats" in some.note
    assert "in the replicates 50 % of the parts were undefined" in some.note
    json.dumps(some.to_dict(), allow_nan=False)


# --- messages ----------------------------------------------------------------------------------


def test_messages() -> None:
    with pytest.raises(
        InputError, match=r"must have one row a repeat and 60 columns, one a patient; it is \(60, 3\); it has one row"
    ):
        repeated_performance("auc", Y, P.T)
    with pytest.raises(InputError, match="or be NaN where a repeat did not predict a patient; 1 of 180 values do not"):
        repeated_performance("auc", Y, np.where(np.arange(180).reshape(3, 60) == 61, 1.5, P))
    with pytest.raises(InputError, match=r"\(first: repeat 1, patient 1, inf\)"):
        repeated_performance("auc", Y, np.where(np.arange(180).reshape(3, 60) == 61, np.inf, P))
    with pytest.raises(InputError, match="holds no prediction at all"):
        repeated_performance("auc", Y, P * np.nan)
    with pytest.raises(InputError, match="`combine` must be one of 'average', 'per-repeat', 'pool'"):
        repeated_performance("auc", Y, P, combine="mean")
    with pytest.raises(InputError, match="goes with combine='per-repeat' only"):
        repeated_performance("auc", Y, P, folds=P)
    with pytest.raises(InputError, match="the percentile interval draws patients: give `rng`"):
        repeated_performance("auc", Y, P, combine="pool")
    with pytest.raises(InputError, match="`interval` must be one of"):
        repeated_performance("auc", Y, P, interval="wald")
    with pytest.raises(InputError, match="no analytic interval of this measure that respects the dependence"):
        repeated_performance("brier", Y, P, combine="pool", interval="analytic")
    with pytest.raises(InputError, match="`folds` must have the shape of `predictions`"):
        repeated_performance("auc", Y, P, combine="per-repeat", folds=P[:2], rng=1)
    holes = np.where(np.arange(180).reshape(3, 60) == 61, np.nan, 1.0)
    with pytest.raises(
        InputError, match=r"`folds` is missing where there is a prediction \(first: repeat 1, patient 1\)"
    ):
        repeated_performance("auc", Y, P, combine="per-repeat", folds=holes, rng=1)
    ragged = [[1, 2], [1]]
    with pytest.raises(InputError, match="`folds` must have the shape of `predictions`"):
        repeated_performance("auc", [0, 1], [[0.1, 0.2]] * 2, combine="per-repeat", folds=ragged, rng=1)
    with pytest.raises(InputError, match="'sensitivity', 'mcc' need a threshold: give `threshold`"):
        repeated_performances(["sensitivity", "mcc"], Y, P)
    with pytest.raises(InputError, match=r"for one metric write \['auc'\]"):
        repeated_performances("auc", Y, P)
    with pytest.raises(InputError, match="`metrics` must name at least one metric"):
        repeated_performances([], Y, P)
    with pytest.raises(InputError, match="`metrics` must be one of"):
        repeated_performance("aux", Y, P)


# --- laws --------------------------------------------------------------------------------------


@pytest.mark.parametrize("combine", ["average", "per-repeat", "pool"])
def test_the_order_of_patients_and_repeats_does_not_matter(combine: str) -> None:
    rng = np.random.default_rng(4)
    rows, repeats = rng.permutation(60), rng.permutation(3)
    options = {"combine": combine, "rng": 1, "replicates": 60, "interval": "percentile"}
    first = repeated_performances(["auc", "brier", "calibration_slope"], Y, GAPS, **options)
    again = repeated_performances(["auc", "brier", "calibration_slope"], Y[rows], GAPS[repeats][:, rows], **options)
    for name, one in first.items():
        assert (one.value, one.low, one.high) == pytest.approx(
            (again[name].value, again[name].low, again[name].high), rel=1e-7
        )


@pytest.mark.parametrize("combine", ["average", "per-repeat", "pool"])
def test_copies_of_one_repeat_are_one_repeat(combine: str) -> None:
    """Predicting the same thing ten times adds no patient: value and interval stay."""
    options = {"combine": combine, "rng": 1, "replicates": 200, "interval": "percentile"}
    for name in ("auc", "brier", "calibration_in_the_large", "average_precision"):
        one = repeated_performance(name, Y, P[:1], **options)
        ten = repeated_performance(name, Y, np.tile(P[:1], (4, 1)), **options)
        assert (ten.value, ten.low, ten.high, ten.se) == pytest.approx((one.value, one.low, one.high, one.se), rel=1e-6)


def test_weights_are_copies_of_patients() -> None:
    times = np.random.default_rng(3).integers(0, 3, 60)
    options = {"combine": "per-repeat", "rng": 1, "replicates": 40}
    weighted = repeated_performance("auc", Y, P, weights=times, **options)
    assert weighted == repeated_performance("auc", np.repeat(Y, times), np.repeat(P, times, axis=1), **options)


def test_brier_of_the_average_is_below_that_of_the_repeats() -> None:
    """Averaging models lowers the squared error by the variance between them (Krogh and Vedelsby)."""
    average = repeated_performance("brier", Y, P).value
    per = repeated_performance("brier", Y, P, combine="per-repeat", rng=1, replicates=20).value
    assert per - average == pytest.approx(P.var(axis=0).mean())


# --- coverage ----------------------------------------------------------------------------------


def test_intervals_cover_and_the_naive_one_does_not() -> None:
    """Ten models predict the same 80 patients: taking the 800 rows as patients covers far too rarely."""
    rng, repeats, n = np.random.default_rng(21), 10, 80
    slopes = rng.normal(1.0, 0.15, repeats)

    def sample(size: int) -> tuple[np.ndarray, np.ndarray]:
        x, other = rng.normal(size=size), rng.normal(size=(repeats, size))
        y = (rng.random(size) < 1 / (1 + np.exp(-x))).astype(int)
        return y, 1 / (1 + np.exp(-(slopes[:, None] * x + 0.3 * other)))

    y, p = sample(40_000)
    truth = np.mean([auc(y, q).value for q in p])
    pooled_truth = auc(np.tile(y, repeats), p.ravel()).value
    covered: dict[str, list[bool]] = {name: [] for name in ("per-repeat", "pool", "obuchowski", "delong", "naive")}
    for seed in range(250):
        y, p = sample(n)
        per = repeated_performance("auc", y, p, combine="per-repeat", rng=seed, replicates=200)
        pool = repeated_performance("auc", y, p, combine="pool", rng=seed, replicates=200)
        obuchowski = repeated_performance("auc", y, p, combine="pool", interval="analytic")
        delong = repeated_performance("auc", y, p, combine="per-repeat", interval="analytic")
        naive = auc(np.tile(y, repeats), p.ravel())
        covered["per-repeat"].append(per.low < truth < per.high)
        covered["delong"].append(delong.low < truth < delong.high)
        covered["pool"].append(pool.low < pooled_truth < pool.high)
        covered["obuchowski"].append(obuchowski.low < pooled_truth < obuchowski.high)
        covered["naive"].append(naive.low < pooled_truth < naive.high)
    rates = {name: float(np.mean(hits)) for name, hits in covered.items()}
    for name in ("per-repeat", "pool", "obuchowski", "delong"):
        assert 0.90 < rates[name] < 0.985, rates
    assert rates["naive"] < 0.60, rates


# --- spread ------------------------------------------------------------------------------------


def test_spread_over_repeats() -> None:
    found = repeat_spread("auc", Y, P)
    each = np.array([auc(Y, p).value for p in P])
    np.testing.assert_allclose(found.values, each)
    assert (found.mean, found.sd, found.low, found.high) == pytest.approx(
        (each.mean(), each.std(ddof=1), each.min(), each.max())
    )
    assert (found.n, found.n_events, found.note) == (60, Y.sum(), "")
    one = repeat_spread("mcc", Y, P[:1], threshold=0.4)
    assert math.isnan(one.sd)
    partly = np.vstack([P[0], np.where(Y == 1, np.nan, P[1]), P[2]])
    some = repeat_spread("auc", Y, partly)
    assert some.note.startswith("undefined in 1 of 3 repeats")
    assert math.isnan(some.values[1])
    assert some.mean == pytest.approx(each[[0, 2]].mean())
    nothing = repeat_spread("auc", np.zeros(60), P)
    assert math.isnan(nothing.mean)
    assert math.isnan(nothing.low)
    json.dumps(nothing.to_dict(), allow_nan=False)
    silent = repeat_spread("brier", Y, np.vstack([np.full(60, np.nan), P]))
    np.testing.assert_allclose(silent.values[1:], [brier(Y, p).value for p in P])
    assert silent.note == "undefined in 1 of 4 repeats; 1 of 4 repeats predicted nobody"


# --- comparison --------------------------------------------------------------------------------

Q = np.clip(P + np.random.default_rng(8).normal(0, 0.1, P.shape), 0.01, 0.99)


@pytest.mark.parametrize("combine", ["average", "per-repeat", "pool"])
def test_the_difference_between_models(combine: str) -> None:
    found = compare_repeated("brier", Y, P, Q, combine=combine, rng=1, replicates=200, a="old", b="new")
    options = {"combine": combine, "rng": 1, "replicates": 20, "interval": "percentile"}
    apart = repeated_performance("brier", Y, P, **options).value - repeated_performance("brier", Y, Q, **options).value
    assert found.difference.value == pytest.approx(apart)
    assert found.test.statistic == found.difference.value
    assert (found.a, found.b) == ("old", "new")
    assert found.difference.low < apart < found.difference.high
    assert found.difference.note == "200 of 200 replicates; given the fitted models"
    assert found.test.method == "bootstrap of patients, p = (r + 1)/(B + 1), two-sided"
    back = compare_repeated("brier", Y, Q, P, combine=combine, rng=1, replicates=200)
    assert back.difference.value == -found.difference.value
    assert (back.difference.low, back.difference.high) == pytest.approx((-found.difference.high, -found.difference.low))
    assert back.test.p_value == found.test.p_value


def test_its_p_value_inverts_the_interval() -> None:
    repeats = check_repeats(Y, P, "per-repeat", None, None, beside=Q)
    other = check_repeats(Y, Q, "per-repeat", None, None, beside=P)
    plan = repeats.plan(1, 400, False)
    gaps = np.array(
        [
            np.mean([np.average((repeats.y - p) ** 2, weights=w) for p in repeats.predictions])
            - np.mean([np.average((other.y - q) ** 2, weights=w) for q in other.predictions])
            for w in plan.counts(0, 400)
        ]
    )
    less = (np.count_nonzero(gaps >= 0) + 1) / 401
    greater = (np.count_nonzero(gaps <= 0) + 1) / 401
    found = {
        alternative: compare_repeated(
            "brier", Y, P, Q, combine="per-repeat", rng=1, replicates=400, alternative=alternative, level=0.8
        )
        for alternative in ("two-sided", "less", "greater")
    }
    assert found["less"].test.p_value == pytest.approx(less)
    assert found["greater"].test.p_value == pytest.approx(greater)
    assert found["two-sided"].test.p_value == pytest.approx(min(1.0, 2 * min(less, greater)))
    low, high, _ = percentile_limits(gaps, 0.8)
    assert (found["less"].difference.low, found["less"].difference.high) == pytest.approx((low, high))
    assert found["less"].difference.se == pytest.approx(gaps.std(ddof=1))
    assert found["less"].difference.level == 0.8


def test_p_is_at_most_one() -> None:
    sign = np.where(np.arange(60) % 2 == 0, 0.01, -0.01)
    p_values = [compare_repeated("brier", Y, P, P + s * sign, rng=2, replicates=20).test.p_value for s in (0.3, 0.5)]
    for seed in range(15):
        shaken = np.clip(P + 0.02 * np.random.default_rng(seed).normal(size=P.shape), 0, 1)
        p_values.append(compare_repeated("brier", Y, P, shaken, rng=2, replicates=20).test.p_value)
    assert max(p_values) <= 1.0
    assert min(p_values) > 0.0
    even = compare_repeated(lambda y, p: float(np.round(p.mean() - 0.2)), Y, P, Q, rng=2, replicates=20)
    assert even.test.p_value <= 1.0


def test_models_that_do_not_differ_and_what_is_undefined() -> None:
    same = compare_repeated("auc", Y, P, P, rng=1, replicates=40)
    assert (same.difference.value, same.test.p_value, same.difference.se) == (0.0, 1.0, 0.0)
    assert math.isnan(same.difference.low)
    assert "the models do not differ in any replicate" in same.difference.note
    nothing = compare_repeated("auc", np.zeros(60), P, Q, combine="per-repeat", rng=1, replicates=40)
    assert math.isnan(nothing.test.p_value)
    assert nothing.difference.note == nothing.test.note
    assert nothing.difference.note == "a: undefined in 3 of 3 repeats; b: undefined in 3 of 3 repeats"
    certain = np.where(np.arange(60) == np.flatnonzero(Y)[0], 0.0, P)
    infinite = compare_repeated("log_loss", Y, certain, Q, combine="pool", rng=1, replicates=40)
    assert infinite.difference.note == "infinite, so no difference"
    rare = np.zeros(60, int)
    rare[:1] = 1
    few = compare_repeated("auc", rare, P, Q, combine="pool", rng=1, replicates=40)
    assert "too few for an interval" in few.difference.note
    assert math.isnan(few.test.p_value)
    with pytest.raises(InputError, match="missing in the same places"):
        compare_repeated("auc", Y, P, GAPS, rng=1)
    with pytest.raises(InputError, match="missing in the same places"):
        compare_repeated("auc", Y, P, Q[:2], rng=1)
    with pytest.raises(InputError, match="`predictions_b` must lie in"):
        compare_repeated("auc", Y, P, Q + 1, rng=1)
    with pytest.raises(InputError, match="`alternative` must be one of"):
        compare_repeated("auc", Y, P, Q, rng=1, alternative="more")


def test_comparison_holds_its_level() -> None:
    """Two models that are equally good: 5 % of the tests say otherwise, though there are ten repeats."""
    rng, said, naive = np.random.default_rng(31), [], []
    for seed in range(250):
        x = rng.normal(size=100)
        y = (rng.random(100) < 1 / (1 + np.exp(-x))).astype(int)
        shared = rng.normal(size=(2, 100))
        p, q = (1 / (1 + np.exp(-(x + 0.7 * s + 0.2 * rng.normal(size=(8, 100))))) for s in shared)
        found = compare_repeated("brier", y, p, q, combine="per-repeat", rng=seed, replicates=200)
        said.append(found.test.p_value < 0.05)
        each = ((y - p) ** 2 - (y - q) ** 2).ravel()
        naive.append(abs(each.mean()) > 1.96 * each.std() / math.sqrt(each.size))
    assert 0.02 < np.mean(said) < 0.09
    assert np.mean(naive) > 0.3


def test_segments_by_hand() -> None:
    y, table = np.array([1, 0, 1]), np.array([[0.5, np.nan, 0.2], [np.nan, 0.3, 0.1]])
    segments = lay_out(y, table)
    assert segments.patient.tolist() == [2, 0, 2, 1]
    assert segments.starts.tolist() == [0, 2, 4]
    assert segments.repeat.tolist() == [0, 1]
    assert segments.mean(np.array([[1.0, np.nan], [np.nan, np.nan]])).tolist()[0] == 1.0
    assert math.isnan(segments.mean(np.array([np.nan, np.nan])))
    pool = pooled_rows(y, table)
    assert pool.patient.tolist() == [2, 2, 1, 0]
    assert pool.y.tolist() == [1, 1, 0, 1]
    inner = lay_out(y, np.array([[0.5, 0.4, 0.2]] * 2), np.array([[0, 0, 1], [2, 3, 4]]))
    assert inner.mean(np.array([1.0, 3.0, 5.0, 6.0, 7.0])) == pytest.approx((2 + 6) / 2)
