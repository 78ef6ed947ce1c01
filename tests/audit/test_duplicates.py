"""Exactly equal patients, groups, images and rows on both sides of a split."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from validkit.audit import check_duplicates
from validkit.audit.duplicates import expected_equal
from validkit.audit.findings import Finding
from validkit.cohort import Cohort
from validkit.errors import InputError


def checks(found: Finding) -> dict[str, Any]:
    return {one["kind"]: one for one in found.evidence["checks"]}


def test_a_clean_split_passes(clean: Cohort, halves: Any, is_json: Any) -> None:
    found = check_duplicates(clean, halves(clean.patients))
    assert found.outcome == "pass"
    assert {kind: one["outcome"] for kind, one in checks(found).items()} == {
        "patients": "pass",
        "ids": "pass",
        "groups": "not applicable",
        "images": "pass",
        "rows": "pass",
    }
    assert is_json(found.evidence)


def test_one_patient_on_both_sides(clean: Cohort, split: Any) -> None:
    even, odd = clean.patients[::2], clean.patients[1::2]
    found = check_duplicates(clean, [split("resample 1", (*even, even[0], odd[3]), odd)])
    assert found.outcome == "fail"
    assert checks(found)["patients"]["cases"] == [{"patients": [odd[3]], "splits": 1, "first_split": "resample 1"}]


def test_a_bootstrap_sample_may_repeat_patients(clean: Cohort, split: Any) -> None:
    even, odd = clean.patients[::2], clean.patients[1::2]
    assert check_duplicates(clean, [split("resample 1", even + even, odd)]).outcome == "pass"


def test_one_image_of_two_patients(folder: Any, halves: Any) -> None:
    patients = folder.table["patient_id"].tolist()
    folder.copy(patients[10], patients[11], lambda pixels: pixels)
    cohort = folder.read()
    found = check_duplicates(cohort, halves(cohort.patients))
    assert found.outcome == "fail"
    assert checks(found)["images"]["cases"][0] == {"patients": patients[10:12], "splits": 2, "first_split": "fold 1"}
    assert patients[10] in found.why


def test_ids_that_differ_in_case_and_spaces(folder: Any, halves: Any) -> None:
    table = folder.table
    table.loc[1, "patient_id"] = table.loc[0, "patient_id"].lower()[:2] + " " + table.loc[0, "patient_id"][2:]
    folder.save(table)
    cohort = folder.read()
    assert checks(check_duplicates(cohort, halves(cohort.patients)))["ids"]["crossing"] == 1


def test_a_group_that_a_split_divides(clean: Cohort, halves: Any, split: Any) -> None:
    group = pd.Series([f"woman {i // 2}" if i < 6 else f"w{i}" for i in range(len(clean))], index=clean.outcome.index)
    found = check_duplicates(replace(clean, group=group), halves(clean.patients))
    assert checks(found)["groups"]["crossing"] == 3
    beside = [split("holdout", clean.patients[:6], clean.patients[6:])]
    assert checks(check_duplicates(replace(clean, group=group), beside))["groups"]["outcome"] == "pass"


def test_equal_rows(clean: Cohort, halves: Any) -> None:
    predictors = clean.predictors.copy()
    outcome = clean.outcome.copy()
    predictors.iloc[21], outcome.iloc[21] = predictors.iloc[20], outcome.iloc[20]
    found = check_duplicates(replace(clean, predictors=predictors, outcome=outcome), halves(clean.patients))
    rows = checks(found)["rows"]
    assert rows["outcome"] == "fail"
    assert rows["cases"][0]["patients"] == list(clean.patients[20:22])
    assert 0 < rows["p"] < 0.01


def test_ties_of_coarse_columns_are_chance(clean: Cohort, halves: Any) -> None:
    rng = np.random.default_rng(4)
    first = rng.integers(0, 3, len(clean))
    coarse = pd.DataFrame(
        {"stage": first, "grade": np.where(rng.random(len(clean)) < 0.8, first, 2 - first), "smoker": first % 2},
        index=clean.outcome.index,
        dtype=float,
    )
    found = check_duplicates(replace(clean, predictors=coarse), halves(clean.patients))
    rows = checks(found)["rows"]
    assert rows["crossing"] > 100
    assert rows["outcome"] == "pass"
    assert "by chance" in rows["note"]


def test_expected_ties_of_independent_columns() -> None:
    rng = np.random.default_rng(1)
    seen, told = [], []
    for _ in range(60):
        codes = rng.integers(0, 5, (120, 4))
        told.append(expected_equal(codes))
        seen.append(120 * 119 / 2 - len({(i, j) for i in range(120) for j in range(i) if (codes[i] != codes[j]).any()}))
    assert np.mean(seen) == pytest.approx(7140 / 5**4, rel=0.15)
    assert np.mean(told) >= 0.85 * np.mean(seen)
    assert np.mean(told) < 4 * np.mean(seen)


def test_the_two_equal_patients_of_the_heart_data(shared: Any) -> None:
    table = pd.read_csv(shared / "data/uci-heart/heart.csv")
    columns = [name for name in table if name not in ("patient_id", "site", "num")]
    codes = np.stack([pd.factorize(table[name], use_na_sentinel=False)[0] for name in columns], axis=1)
    assert expected_equal(codes) < 0.15


def test_without_splits_it_does_not_apply(clean: Cohort) -> None:
    found = check_duplicates(clean, [])
    assert (found.outcome, found.why) == ("not applicable", "no split has both training and held-out patients")


def test_splits_of_another_cohort_are_refused(clean: Cohort, split: Any) -> None:
    with pytest.raises(InputError, match=r"split 'a' has 1 training patients that the cohort lacks .first: 'nobody'."):
        check_duplicates(clean, [split("a", ("nobody",), clean.patients[:3])])
