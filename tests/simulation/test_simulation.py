"""Simulators tell the truth: Bayes' rule, areas and quantiles by other routes, and large samples that agree."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate
from scipy.special import expit

from validkit import stats
from validkit.errors import InputError
from validkit.simulation import (
    BetaFamily,
    BinormalFamily,
    ClusteredRisks,
    Graders,
    IncompletePatients,
    LogisticPopulation,
    PairedRisks,
    Raters,
    Readers,
    Risks,
    Sites,
)
from validkit.simulation.families import panels

AUCS = st.floats(0.52, 0.97)
SHARES = st.floats(0.03, 0.97)
NO_SE = ("eci", "ici", "e50", "e90", "emax", "ece", "log_likelihood", "partial_auc")


@pytest.mark.parametrize("kind", [BinormalFamily, BetaFamily])
@settings(max_examples=25)
@given(auc=AUCS, prevalence=SHARES)
def test_risks_are_right_by_bayes_rule(kind: type[BinormalFamily | BetaFamily], auc: float, prevalence: float) -> None:
    family = kind(auc, prevalence)
    points, weights = panels(*family.bounds())
    f1, f0 = family.density(points, 1), family.density(points, 0)
    np.testing.assert_allclose([weights @ f1, weights @ f0], 1, atol=1e-9)
    seen = (f1 > 1e-200) & (f0 > 1e-200)
    posterior = prevalence * f1[seen] / (prevalence * f1[seen] + (1 - prevalence) * f0[seen])
    np.testing.assert_allclose(posterior, expit(points[seen]), rtol=1e-8)
    assert weights @ (f1 * family.cdf(points, 0)) == pytest.approx(auc, abs=1e-9)
    assert prevalence * (weights @ (f1 * expit(points))) + (1 - prevalence) * (
        weights @ (f0 * expit(points))
    ) == pytest.approx(prevalence, abs=1e-9)


@pytest.mark.parametrize("kind", [BinormalFamily, BetaFamily])
@pytest.mark.parametrize("y", [0, 1])
def test_quantiles_undo_the_distribution_function(kind: type[BinormalFamily | BetaFamily], y: int) -> None:
    from scipy.special import ndtr

    family, scores = kind(0.8, 0.2), np.linspace(-4, 4, 33)
    np.testing.assert_allclose(family.cdf(family.quantile(scores, y), y), ndtr(scores), rtol=1e-9)
    low, high = family.bounds()
    area, _ = integrate.quad(lambda x: float(family.density(np.array(x), y)), low, high, limit=500, points=[0.0])
    assert area == pytest.approx(1, abs=1e-7)


@pytest.mark.parametrize("family", ["binormal", "beta"])
@pytest.mark.parametrize(("intercept", "slope"), [(0.0, 1.0), (-0.5, 1.0), (0.3, 0.6)])
def test_every_measure_of_a_large_sample_agrees_with_its_truth(family: str, intercept: float, slope: float) -> None:
    risks = Risks(0.75, 0.25, intercept, slope, family)
    truth = risks.truths(threshold=0.2)
    y, p = risks.sample(150_000, np.random.default_rng(5))
    for name, metric in stats.METRICS.items():
        if name in NO_SE:
            continue
        found = metric.function(y, p, **({"threshold": 0.2} if metric.needs_threshold else {}))
        on_log = name in ("observed_expected", "diagnostic_odds_ratio") or name.endswith("likelihood_ratio")
        error = math.log(found.value / truth[name]) if on_log else found.value - truth[name]
        assert abs(error) < 4.5 * found.se, (name, found.value, truth[name])
    assert stats.partial_auc(y, p).value == pytest.approx(truth["partial_auc"], abs=1.2e-3)
    gap = np.abs(expit(intercept + slope * np.log(p / (1 - p))) - p)
    assert gap.mean() == pytest.approx(truth["ici"], abs=8e-4)
    assert 100 * (gap**2).mean() == pytest.approx(truth["eci"], abs=2e-2)
    np.testing.assert_allclose(np.quantile(gap, [0.5, 0.9]), [truth["e50"], truth["e90"]], atol=2.5e-3)
    assert gap.max() <= truth["emax"] + 1e-3


def test_a_right_model_has_the_ideal_calibration() -> None:
    truth = Risks(0.7, 0.3).truths()
    for name, ideal in (("observed_expected", 1), ("calibration_slope", 1), ("calibration_in_the_large", 0)):
        assert truth[name] == pytest.approx(ideal, abs=1e-10)
    assert [truth[name] for name in ("ici", "e50", "e90", "emax", "eci")] == pytest.approx([0] * 5, abs=1e-12)
    assert truth["discrimination_slope"] == pytest.approx(truth["scaled_brier"], abs=1e-10)  # of right risks alone


def test_pairs_correlate_and_differ_as_declared() -> None:
    pair = PairedRisks(Risks(0.8, 0.3), Risks(0.7, 0.3), 0.6)
    y, a, b = pair.sample(200_000, np.random.default_rng(2))
    logit = [np.log(p / (1 - p)) for p in (a, b)]
    for outcome in (0, 1):
        assert np.corrcoef(logit[0][y == outcome], logit[1][y == outcome])[0, 1] == pytest.approx(0.6, abs=0.01)
    found = stats.compare_auc(y, a, b)
    assert found.difference.value == pytest.approx(pair.differences()["auc"], abs=4.5 * found.difference.se)
    one, other = PairedRisks(Risks(0.8, 0.3), Risks(0.8, 0.3), 1.0).sample(50, np.random.default_rng(1))[1:]
    np.testing.assert_allclose(one, other, rtol=1e-12)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_reclassification_is_as_declared(correlation: float) -> None:
    pair = PairedRisks(Risks(0.8, 0.3), Risks(0.7, 0.3), correlation)
    y, a, b = pair.sample(60_000, np.random.default_rng(6))
    nri, idi = stats.nri(y, b, a).total, stats.idi(y, b, a).total
    assert nri.value == pytest.approx(pair.continuous_nri(), abs=4.5 * nri.se)
    assert idi.value == pytest.approx(pair.differences()["discrimination_slope"], abs=4.5 * idi.se)


def test_raters_agree_as_declared() -> None:
    ratings = Raters(0.6, 0.25).sample(60_000, np.random.default_rng(7))
    found = stats.cohen_kappa(ratings[:, 0], ratings[:, 1])
    assert found.value == pytest.approx(0.6, abs=4.5 * found.se)
    np.testing.assert_allclose(ratings.mean(axis=0), 0.25, atol=0.008)


def test_lesions_of_a_patient_share_their_outcome_and_the_area_is_as_declared() -> None:
    y, p, patient = ClusteredRisks(Risks(0.75, 0.3), 0.8).sample(60_000, np.random.default_rng(3))
    assert all(np.unique(y[patient == k]).size == 1 for k in range(50))
    found = stats.clustered_auc(y, p, patient)
    assert found.value == pytest.approx(0.75, abs=4.5 * found.se)
    assert found.se > 1.2 * stats.auc(y, p).se


def test_sites_scatter_as_declared() -> None:
    sites = Sites(Risks(0.8, 0.3), 4000, auc_tau=0.3, intercept_tau=0.2, slope_tau=0.1, prevalence_tau=0.4)
    drawn = sites.draw(np.random.default_rng(4))
    logit = lambda x: np.log(np.array(x) / (1 - np.array(x)))  # noqa: E731
    for values, mean, tau in (
        (logit([one.auc for one in drawn]), logit(0.8), 0.3),
        ([one.intercept for one in drawn], 0.0, 0.2),
        (np.log([one.slope for one in drawn]), 0.0, 0.1),
        (logit([one.prevalence for one in drawn]), logit(0.3), 0.4),
    ):
        assert np.mean(values) == pytest.approx(mean, abs=4.5 * tau / math.sqrt(4000))
        assert np.std(values) == pytest.approx(tau, rel=0.06)
    y, p, site = Sites(Risks(0.8, 0.3), 3).sample(50, np.random.default_rng(1))
    assert (y.size, p.size, np.bincount(site).tolist()) == (150, 150, [50, 50, 50])


@pytest.mark.parametrize("form", ["ICC(2,1)", "ICC(3,1)"])
def test_readers_agree_as_declared(form: str) -> None:
    readers = Readers(0.7, readers=40, reader_share=0.3)
    found = [
        float(stats.icc(readers.sample(400, np.random.default_rng(seed)), form=form).value[0]) for seed in range(20)
    ]
    assert np.mean(found) == pytest.approx(readers.truth(form), abs=0.015)
    assert sum(readers.variances) == pytest.approx(1)


@settings(max_examples=20)
@given(correlation=st.floats(-0.95, 0.95), cuts=st.lists(st.floats(0.1, 1.0), min_size=2, max_size=5))
def test_graders_agree_as_declared(correlation: float, cuts: list[float]) -> None:
    graders = Graders(correlation, tuple(np.array(cuts) / sum(cuts)))
    cells = graders.cells
    np.testing.assert_allclose(cells, cells.T, atol=1e-12)
    np.testing.assert_allclose(cells.sum(axis=1), graders.shares, atol=1e-12)
    assert graders.kappa() * correlation >= -1e-12


@pytest.mark.parametrize(("weighting", "power"), [("none", 0), ("linear", 1), ("quadratic", 2)])
def test_weighted_kappa_of_many_subjects_is_the_declared_one(weighting: str, power: int) -> None:
    graders = Graders(0.7)
    found = stats.cohen_kappa(*graders.sample(20_000, np.random.default_rng(4)).T, weighting=weighting)
    assert found.value == pytest.approx(graders.kappa(power), abs=4.5 * found.se)


@pytest.mark.parametrize("model", [(-1.2, (1.0, 0.5, 0.0)), (-0.4, (0.3, 1.4, -0.5)), (-1.0, (0.0, 0.0, 1.0))])
def test_the_worth_of_any_model_of_a_population(model: tuple[float, tuple[float, ...]]) -> None:
    population = LogisticPopulation()
    X, y = population.sample(40_000, np.random.default_rng(5))
    p = expit(model[0] + X @ np.array(model[1]))
    worth = population.performance(*model)
    for name in ("auc", "brier", "log_loss"):
        found = getattr(stats, name)(y, p)
        assert found.value == pytest.approx(worth[name], abs=4.5 * found.se)
    ratio = stats.observed_expected(y, p, method="ratio")
    assert ratio.value == pytest.approx(worth["observed_expected"], abs=4.5 * ratio.se)
    assert worth["prevalence"] == pytest.approx(population.performance(0.0, (0.0, 0.0, 0.0))["prevalence"], abs=1e-12)
    assert population.performance(0.0, (0.0, 0.0, 0.0))["auc"] == 0.5


def test_a_right_model_is_worth_most() -> None:
    population = LogisticPopulation()
    best = population.performance(population.intercept, population.coefficients)
    assert best["observed_expected"] == pytest.approx(1, abs=1e-9)
    for other in ((1.0, 0.4, 0.1), (0.8, 0.5, 0.0), (1.0, 0.5, -0.2)):
        worse = population.performance(population.intercept, other)
        assert worse["log_loss"] > best["log_loss"]
        assert worse["brier"] > best["brier"]


def test_incomplete_patients_have_the_declared_regression_and_right_imputations() -> None:
    patients = IncompletePatients()
    rng = np.random.default_rng(6)
    X, y = patients.sample(30_000, rng)
    lost = np.isnan(X)
    assert (lost[:, 0] == lost[:, 2]).all()
    assert not lost[:, [1, 3]].any()
    assert 0.2 < lost[:, 0].mean() < 0.45
    filled = patients.impute(X, y, rng)
    np.testing.assert_array_equal(filled[~lost], X[~lost])
    fit = stats.logistic_regression(filled, y)
    for b, found in zip(patients.coefficients, fit.coefficients[1:], strict=True):
        assert found.value == pytest.approx(b, abs=6 * found.se)
    area = stats.auc(y, patients.risks(filled))
    assert area.value == pytest.approx(patients.auc, abs=5 * area.se)
    complete = ~lost[:, 0]
    alone = stats.calibration_in_the_large(y[complete], patients.risks(X[complete]))
    assert abs(alone.value) > 5 * alone.se, "complete patients alone are another population: missing depends on y"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Risks(0.5, 0.2), "`auc` must lie between 0.5 and 1"),
        (lambda: Risks(0.7, 0), "`prevalence` must lie strictly between 0 and 1"),
        (lambda: Risks(0.7, 0.2, slope=0), "`slope` must be above 0"),
        (lambda: Risks(0.7, 0.2, family="gamma"), "`family` must be one of 'binormal', 'beta'"),
        (lambda: Risks(0.999, 0.2, family="beta").truths(), "beta families of prevalence 0.2 reach AUCs of 0.50"),
        (lambda: PairedRisks(Risks(0.7, 0.2), Risks(0.7, 0.3)), "see the same patients"),
        (lambda: PairedRisks(Risks(0.7, 0.2), Risks(0.7, 0.2), 1.1), "`correlation` must lie in"),
        (lambda: ClusteredRisks(Risks(0.7, 0.2), -0.1), "`correlation` must lie in"),
        (lambda: ClusteredRisks(Risks(0.7, 0.2), most=0), "`most` must be at least 1"),
        (lambda: Sites(Risks(0.7, 0.2), 0), "`sites` must be at least 1"),
        (lambda: Sites(Risks(0.7, 0.2), 3, auc_tau=-1), "`auc_tau` must not be below 0"),
        (lambda: Sites(Risks(0.6, 0.2), 3, auc_tau=0.5), "below chance"),
        (lambda: Raters(0.5, 1.0), "`prevalence` must lie strictly"),
        (lambda: Raters(-0.9, 0.1), "no two raters of prevalence 0.1"),
        (
            lambda: PairedRisks(Risks(0.7, 0.2, slope=2), Risks(0.7, 0.2)).continuous_nri(),
            "is known of binormal models",
        ),
        (lambda: Graders(1.0), "`correlation` must lie in"),
        (lambda: Graders(0.5, (0.5, 0.4)), "`shares` must be two or more"),
        (lambda: LogisticPopulation().performance(0.0, (1.0,)), "`coefficients` must be 3"),
        (lambda: IncompletePatients(0.0), "`prevalence` must lie strictly"),
        (lambda: IncompletePatients(missing=(3,)), "`missing` must name columns from 0 to 2"),
        (lambda: IncompletePatients(correlation=-0.5), "`correlation` of 4 predictors"),
        (lambda: Readers(1.0), "`icc` must lie in"),
        (lambda: Readers(0.5, reader_share=1), "`reader_share` must lie in"),
        (lambda: Readers(0.5, readers=1), "`readers` must be at least 2"),
        (lambda: Readers(0.5).truth("ICC(1,1)"), "`form` must be one of"),
    ],
)
def test_what_cannot_be_simulated_is_refused(make, words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=words):
        make()
