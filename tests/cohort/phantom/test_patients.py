"""The clinical columns: counts, marginals, and the odds ratios that the phantom promises."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from validkit.cohort.phantom import describe, simulate_table
from validkit.cohort.phantom.patients import (
    CLINICAL,
    COLUMNS,
    DIAMETER_MEAN,
    DIAMETER_RANGE,
    DIAMETER_SD,
    simulate_patients,
)
from validkit.errors import InputError

LARGE = 20_000


@pytest.fixture(scope="module")
def large() -> tuple[pd.DataFrame, pd.DataFrame]:
    return simulate_patients(LARGE, 1, 7)


def logit(table: pd.DataFrame, names: list[str]):
    return sm.Logit(table["plnm"], sm.add_constant(table[names].astype(float))).fit(disp=0)


def test_the_paper_s_cohort_has_107_of_421() -> None:
    table = simulate_table(421, 1, 42)
    assert len(table) == 421
    assert table["plnm"].sum() == 107
    assert list(table.columns) == ["patient_id", "site", "plnm", *CLINICAL]
    assert table["patient_id"].is_unique
    assert not table.isna().any().any()


@settings(max_examples=30, deadline=None)
@given(patients=st.integers(4, 700), seed=st.integers(0, 2**32 - 1))
def test_number_of_positives_is_exact(patients: int, seed: int) -> None:
    table = simulate_table(patients, 1, seed)
    assert table["plnm"].sum() == round(patients * 107 / 421)


def test_diameter_and_rbc_have_the_published_odds_ratios(large: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    table = large[0]
    fit = logit(table, ["max_diameter", "rbc"])
    truth = describe()["log_odds_ratios"]
    for name in ("max_diameter", "rbc"):
        assert abs(fit.params[name] - truth[name]) < 3 * fit.bse[name]
    assert fit.bse["max_diameter"] < 0.002
    assert fit.bse["rbc"] < 0.03
    assert np.exp(fit.params["max_diameter"]) == pytest.approx(1.055, rel=0.005)
    assert np.exp(fit.params["rbc"]) == pytest.approx(0.646, rel=0.08)


def test_other_columns_add_nothing_once_diameter_and_rbc_are_known(large: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    table = large[0]
    base = logit(table, ["max_diameter", "rbc"])
    others = [name for name in COLUMNS if name != "max_diameter"]
    full = logit(table, ["max_diameter", "rbc", *others])
    ratio = 2 * (full.llf - base.llf)
    assert stats.chi2.sf(ratio, len(others)) > 0.001
    assert abs(full.params["max_diameter"] - np.log(1.055)) < 3 * full.bse["max_diameter"]


def test_associations_one_at_a_time_follow_the_paper(large: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    """|z| that 421 patients would show on average: large where the paper reports p < 0.05, small where it does not."""
    table = large[0]
    y = table["plnm"].to_numpy()
    at_421 = np.sqrt(421 / LARGE)

    def z(name: str) -> float:
        auc = roc_auc_score(y, table[name])
        n1, n0 = y.sum(), (1 - y).sum()
        return (auc - 0.5) / np.sqrt((n1 + n0 + 1) / (12 * n1 * n0)) * at_421

    for name in ("parity", "wbc", "alp", "ca125", "cea", "scc", "max_diameter"):
        assert z(name) > 1.6, name
    for name in ("age", "abortions", "bmi", "ca199", "eosinophils"):
        assert abs(z(name)) < 1.2, name
    assert -3.0 < z("rbc") < -1.8
    assert z("max_diameter") > max(z(name) for name in COLUMNS)


def test_marginals_are_plausible(large: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    table = large[0]
    assert table["age"].mean() == pytest.approx(50, abs=0.5)
    assert table["age"].std() == pytest.approx(10, abs=0.5)
    assert table["bmi"].mean() == pytest.approx(23.5, abs=0.1)
    assert table["rbc"].mean() == pytest.approx(4.2, abs=0.03)
    assert table["rbc"].std() == pytest.approx(0.62, abs=0.02)
    assert table["max_diameter"].mean() == pytest.approx(DIAMETER_MEAN, abs=0.7)
    assert table["max_diameter"].std() == pytest.approx(DIAMETER_SD, abs=0.7)
    assert table["max_diameter"].between(*DIAMETER_RANGE).all()
    assert table["parity"].between(0, 8).all()
    for name, column in COLUMNS.items():
        if column.family == "lognormal":
            assert table[name].median() == pytest.approx(column.a, rel=0.06), name
            assert (table[name] > 0).all(), name
    shares = table["histology"].value_counts(normalize=True)
    assert shares["squamous"] == pytest.approx(0.80, abs=0.015)
    assert set(shares.index) == {"squamous", "adeno", "other"}


def test_each_branch_carries_signal_and_together_they_carry_more(large: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    table, latent = large
    both = pd.concat([table, latent], axis=1)
    y = table["plnm"]
    alone = {name: roc_auc_score(y, both[name]) for name in ("heterogeneity", "roughness", "max_diameter")}
    assert 0.72 < alone["heterogeneity"] < 0.80
    assert 0.68 < alone["roughness"] < 0.76
    assert 0.65 < alone["max_diameter"] < 0.70
    together = logit(both, ["heterogeneity", "roughness", "max_diameter", "rbc"])
    assert roc_auc_score(y, together.predict()) > max(alone.values()) + 0.03
    negative = latent[y == 0]
    assert negative.mean().abs().max() < 0.03
    assert negative.std().to_numpy() == pytest.approx(1.0, abs=0.03)


def test_sites_differ_in_prevalence_and_case_mix_but_not_in_effect() -> None:
    table = simulate_table(LARGE, 4, 3)
    by_site = table.groupby("site")
    assert list(by_site.size()) == [LARGE // 4] * 4
    settings_ = {site["name"]: site for site in describe(4, 3)["sites"]}
    prevalence = by_site["plnm"].mean()
    for name, site in settings_.items():
        assert prevalence[name] == pytest.approx(site["prevalence"], abs=1e-3)
    assert np.ptp(prevalence) > 0.05
    assert np.ptp(by_site["max_diameter"].mean()) > 1.0
    dummies = pd.get_dummies(table["site"], drop_first=True, dtype=float)
    fit = sm.Logit(table["plnm"], sm.add_constant(pd.concat([table[["max_diameter", "rbc"]], dummies], axis=1)))
    result = fit.fit(disp=0)
    for name, truth in (("max_diameter", np.log(1.055)), ("rbc", np.log(0.646))):
        assert abs(result.params[name] - truth) < 3 * result.bse[name]


def test_a_site_s_scanner_depends_on_seed_and_number_only() -> None:
    assert describe(3, 5)["sites"] == describe(7, 5)["sites"][:3]
    assert describe(3, 5)["sites"][1] != describe(3, 6)["sites"][1]
    frequencies = [site["frequency_mhz"] for site in describe(50, 0)["sites"]]
    assert min(frequencies) >= 5.0
    assert max(frequencies) <= 9.0
    assert len(set(frequencies)) > 10


def test_the_same_arguments_give_the_same_table_and_other_seeds_another() -> None:
    pd.testing.assert_frame_equal(simulate_table(60, 2, 11), simulate_table(60, 2, 11))
    assert not simulate_table(60, 2, 11).equals(simulate_table(60, 2, 12))


def test_no_global_random_state_is_touched() -> None:
    before = np.random.get_state()[1].copy()  # noqa: NPY002 - the global state is what is watched
    simulate_table(30, 1, 1)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((3, 1, 0), r"patients must be at least 4 a site \(4 for 1\); got 3"),
        ((20, 6, 0), r"patients must be at least 4 a site \(24 for 6\); got 20"),
        ((20, 0, 0), "sites must be at least 1; got 0"),
        ((20, 1, -1), r"seed must lie in \[0, 2\^32\); got -1"),
    ],
)
def test_impossible_sizes_are_refused(arguments: tuple[int, int, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        simulate_table(*arguments)
