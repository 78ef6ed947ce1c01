"""Columns that predict the outcome by themselves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from validkit.audit import chance, check_proxies, run_data_sentinels
from validkit.audit.chance import areas, bench, chance_p, shuffles
from validkit.audit.findings import Finding
from validkit.cohort import Cohort
from validkit.errors import InputError


def rows(found: Finding) -> dict[str, Any]:
    return {row["column"]: row for row in found.evidence["columns"]}


def column(cohort: Cohort, event: float, other: float, seed: int = 1) -> np.ndarray:
    """True with one probability for events and with another for the rest."""
    rng = np.random.default_rng(seed)
    return rng.random(len(cohort)) < np.where(cohort.outcome == 1, event, other)


def test_the_clean_phantom_passes(clean: Cohort, halves: Any, is_json: Any) -> None:
    found = check_proxies(clean, halves(clean.patients), seed=1)
    assert found.outcome == "pass"
    assert rows(found)["site"] == {
        "column": "site",
        "outcome": "not applicable",
        "why": "every patient has the same value",
    }
    assert rows(found)["row in the table"]["why"] == "the same as number in the image file name"
    assert is_json(found.evidence)


@pytest.mark.parametrize("name", ["site", "device"])
def test_a_category_that_goes_with_the_outcome(clean: Cohort, name: str, halves: Any) -> None:
    values = pd.Series(np.where(column(clean, 0.9, 0.15), "north", "south"), index=clean.outcome.index)
    found = check_proxies(replace(clean, **{name: values}), halves(clean.patients), seed=1)
    row = rows(found)[name]
    assert found.outcome == "fail"
    assert row["outcome"] == "fail"
    assert row["low"] > 0.5
    assert 0 < row["p"] <= row["p_holm"] < 0.01
    assert [one["value"] for one in row["rates"]] == ["north", "south"]
    assert "internal-external" in found.advice


def test_dates_of_any_shape(clean: Cohort, halves: Any) -> None:
    """Events were gathered in the middle years: no trend, and still found."""
    rng = np.random.default_rng(6)
    spread = np.where(clean.outcome == 1, rng.normal(0, 120, len(clean)), rng.choice([-1, 1], len(clean)) * 700)
    dates = pd.Series(pd.Timestamp("2015-06-01") + pd.to_timedelta(spread.round(), "D"), index=clean.outcome.index)
    found = check_proxies(replace(clean, date=dates.dt.floor("D")), halves(clean.patients), seed=1)
    assert rows(found)["date"]["kind"] == "number"
    assert rows(found)["date"]["outcome"] == "fail"


def test_the_size_of_the_image(folder: Any, halves: Any) -> None:
    def wider(pixels: np.ndarray) -> np.ndarray:
        return np.pad(pixels, ((0, 0), (0, 12)), mode="edge")

    table = folder.table
    for patient, event in zip(table["patient_id"], table["plnm"], strict=True):
        if event == "1":
            for kind in ("images", "masks_a"):
                folder.draw(patient, wider(folder.picture(patient, kind)), kind)
    cohort = folder.read()
    found = check_proxies(cohort, halves(cohort.patients), seed=1)
    assert rows(found)["image width"]["outcome"] == "fail"
    assert rows(found)["image width"]["auc"] == 1.0


def test_a_table_sorted_by_outcome(clean: Cohort) -> None:
    found = check_proxies(clean.take(sorted(clean.patients, key=lambda p: clean.outcome[p])), [], seed=1)
    assert rows(found)["row in the table"]["outcome"] == "fail"


def test_a_plain_table_and_its_gaps(clean: Cohort, halves: Any) -> None:
    predictors = clean.predictors.copy()
    predictors.loc[column(clean, 0.9, 0.1), "rbc"] = np.nan
    plain = replace(clean, predictors=predictors, images=None, outlines=None, image_info=None)
    found = run_data_sentinels(plain, halves(plain.patients), seed=1)
    assert [(one.code, one.outcome) for one in found] == [
        ("duplicates", "pass"),
        ("near-duplicates", "not applicable"),
        ("proxies", "fail"),
        ("burnt-in", "not applicable"),
    ]
    assert rows(found[2])["rbc is missing"]["outcome"] == "fail"


def test_a_site_that_no_held_out_set_mixes_does_not_fail(clean: Cohort, split: Any) -> None:
    site = pd.Series(np.where(column(clean, 0.9, 0.15), "north", "south"), index=clean.outcome.index)
    sites = [
        split(name, tuple(site.index[site != name]), tuple(site.index[site == name])) for name in ("north", "south")
    ]
    row = rows(check_proxies(replace(clean, site=site), sites, seed=1))["site"]
    assert row["outcome"] == "pass"
    assert row["p_holm"] < 0.01
    assert "cannot raise" in row["note"]


def test_only_and_unknown_codes(clean: Cohort, halves: Any) -> None:
    splits = halves(clean.patients)
    found = run_data_sentinels(clean, splits, seed=1, only=["proxies", "permuted-outcome"])
    assert [one.code for one in found] == ["proxies"]
    with pytest.raises(InputError, match="there is no sentinel 'proxy'"):
        run_data_sentinels(clean, splits, seed=1, only=["proxy"])


def test_shuffles_keep_each_folds_events_and_whole_groups() -> None:
    rng = np.random.default_rng(2)
    outcome = pd.Series(rng.integers(0, 2, 90))
    group = pd.Series(np.r_[np.repeat(np.arange(20), 2), np.arange(20, 70)])
    at = bench(outcome, group, seed=5)
    assert not isinstance(at, str)
    assert all(len(set(at.fold[at.unit == unit])) == 1 for unit in np.unique(at.unit))
    made = shuffles(at, 50, rng)
    for k in np.unique(at.fold):
        assert (made[:, at.fold == k].sum(axis=1) == outcome[at.fold == k].sum()).all()
    whole = {tuple(outcome[:40].to_numpy().reshape(-1, 2)[i]) for i in range(20)}
    assert {tuple(pair) for pair in made[:, :40].astype(int).reshape(-1, 2)} <= whole
    assert (made != outcome.to_numpy()).any()


def test_folds_are_the_same_for_a_seed_and_none_where_a_fold_would_lack_an_outcome(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    outcome, group = pd.Series([1, 0, 0] * 20), pd.Series(np.repeat(np.arange(30), 2))
    for label in (None, group):
        one, two, other = (bench(outcome, label, seed) for seed in (5, 5, 6))
        assert one.fold.tolist() == two.fold.tolist() != other.fold.tolist()
        assert set(one.fold) == set(range(5))
    monkeypatch.setattr(chance, "FEWEST", 2)
    few = pd.Series([1] * 6 + [0] * 54)
    assert bench(few, group, 5) == "groups of patients who belong together leave a fold without one of the outcomes"


def test_p_is_uniform_without_signal_and_never_zero() -> None:
    rng = np.random.default_rng(0)
    found = []
    for seed in range(150):
        at = bench(pd.Series(rng.permutation(np.repeat([0, 1], [30, 20]))), None, seed)
        assert not isinstance(at, str)
        score = rng.normal(size=50)
        p, made = chance_p(at, [lambda y, score=score: np.tile(score, (len(y), 1))], rng, 199)
        assert 0 < p[0] <= 1
        assert made <= 199 + 1
        found.append(p[0])
    assert np.mean(np.array(found) <= 0.05) < 0.11
    assert np.mean(np.array(found) <= 0.5) == pytest.approx(0.5, abs=0.12)


def test_areas_are_the_yardsticks() -> None:
    from validkit.stats import auc

    rng = np.random.default_rng(3)
    y = rng.integers(0, 2, (5, 40))
    score = rng.integers(0, 6, (5, 40)).astype(float)
    expected = [auc(a, b, scale="score").value for a, b in zip(y, score, strict=True)]
    assert areas(y.astype(np.float32), score) == pytest.approx(expected, abs=1e-12)
