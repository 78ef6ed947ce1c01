"""Phantoms without images: the true risk is calibrated, the others wrong as they say, values lack as declared."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit

from validkit.cohort import read_cohort
from validkit.cohort.phantom import simulate_table, write_table_phantom
from validkit.cohort.phantom.patients import CLINICAL, OR_DIAMETER, OR_RBC
from validkit.cohort.phantom.tables import predicted_risks, remove_values, true_risk
from validkit.errors import InputError
from validkit.sections import CohortSpec
from validkit.stats import auc, calibration_slope, observed_expected

N, SITES, SEED = 40_000, 4, 3


@pytest.fixture(scope="module")
def drawn() -> tuple[pd.DataFrame, pd.DataFrame]:
    table = simulate_table(N, SITES, SEED)
    return table, predicted_risks(table, SITES, SEED)


def test_the_true_risk_is_calibrated_overall_and_at_each_site(drawn) -> None:
    table, risks = drawn
    for rows in [slice(None), *table.groupby("site").indices.values()]:
        y, p = table["plnm"].to_numpy()[rows], risks["risk"].to_numpy()[rows]
        for measure, ideal in ((observed_expected(y, p), 1.0), (calibration_slope(y, p), 1.0)):
            assert abs(measure.value - ideal) < 4 * (measure.high - measure.low) / 3.92


def test_the_true_risk_has_the_declared_odds_ratios() -> None:
    table = simulate_table(2000, 1, 1)
    at = logit(true_risk(table, 1, 1))
    design = np.column_stack([np.ones(len(table)), table["max_diameter"], table["rbc"]])
    coefficients, residual, *_ = np.linalg.lstsq(design, at, rcond=None)
    assert residual.item() < 1e-12
    np.testing.assert_allclose(coefficients[1:], np.log([OR_DIAMETER, OR_RBC]), rtol=1e-9)


def test_the_other_risks_are_wrong_as_they_say(drawn) -> None:
    table, risks = drawn
    y = table["plnm"].to_numpy()
    np.testing.assert_allclose(logit(risks["risk"]) - logit(risks["risk_shifted"]), 0.5, atol=1e-4)
    assert observed_expected(y, risks["risk_shifted"]).low > 1.2
    slope = calibration_slope(y, risks["risk_overfitted"])
    assert slope.high < 0.7
    stretched, true = logit(risks["risk_overfitted"]), logit(risks["risk"])
    assert np.polyfit(true, stretched, 1)[0] == pytest.approx(1.8, abs=0.02)
    assert auc(y, risks["risk_overfitted"]).value < auc(y, risks["risk"]).value
    assert ((risks > 0) & (risks < 1)).to_numpy().all()


def test_a_share_of_the_values_lacks_more_so_in_larger_lesions() -> None:
    table = simulate_table(8000, 2, 5)
    lacking = remove_values(table, 0.2, 5)
    gone = lacking[list(CLINICAL)].isna()
    assert not gone["max_diameter"].any()
    others = gone.drop(columns="max_diameter")
    assert others.to_numpy().mean() == pytest.approx(0.2, abs=0.01)
    assert others.mean().between(0.17, 0.23).all()
    small = table["max_diameter"] < table["max_diameter"].median()
    assert others[~small].to_numpy().mean() > others[small].to_numpy().mean() + 0.08
    assert lacking[["patient_id", "site", "plnm"]].equals(table[["patient_id", "site", "plnm"]])
    kept = ~gone["alp"]
    assert (lacking["alp"][kept] == table["alp"][kept]).all()
    assert remove_values(table, 0.0, 5) is table
    with pytest.raises(InputError, match=r"missing must lie in \[0, 0.8\]; got 0.9"):
        remove_values(table, 0.9, 5)


def test_missingness_given_the_diameter_is_unrelated_to_the_outcome() -> None:
    table = simulate_table(40_000, 1, 6)
    gone = remove_values(table, 0.3, 6)["rbc"].isna().to_numpy(float)
    band = pd.qcut(table["max_diameter"], 40, labels=False)
    y = table["plnm"].to_numpy(float)
    by = pd.DataFrame({"band": band, "gone": gone, "y": y})
    centred = by - by.groupby("band")[["gone", "y"]].transform("mean").reindex(columns=by.columns)
    r = np.corrcoef(centred["gone"], centred["y"])[0, 1]
    assert abs(r) < 4 / np.sqrt(len(y))


def spec(missing: str = "refuse") -> CohortSpec:
    predictors = {name: {"kind": "continuous"} for name in CLINICAL if name != "histology"}
    predictors["histology"] = {"kind": "categorical", "levels": ["squamous", "adeno", "other"]}
    return CohortSpec.model_validate(
        {"kind": "table", "outcome": {"column": "plnm"}, "site": "site", "predictors": predictors, "missing": missing}
    )


def test_the_folder_reads_back(tmp_path: Path) -> None:
    folder = write_table_phantom(tmp_path / "p", "predictions", patients=200, sites=2, seed=9)
    assert {path.name for path in folder.iterdir()} == {"cohort.csv", "phantom.json"}
    risks = ("risk", "risk_overfitted", "risk_shifted")
    cohort = read_cohort(folder, spec(), columns=risks)
    assert (len(cohort), cohort.synthetic, cohort.images, cohort.outlines) == (200, True, None, None)
    assert cohort.extra is not None
    pd.testing.assert_frame_equal(
        cohort.extra.reset_index(drop=True), predicted_risks(simulate_table(200, 2, 9), 2, 9), check_exact=True
    )
    record = json.loads((folder / "phantom.json").read_text())
    assert (record["kind"], record["seed"], record["patients"], record["sites"]) == ("predictions", 9, 200, 2)
    assert "images" not in record["description"]


def test_missing_values_are_empty_cells(tmp_path: Path) -> None:
    folder = write_table_phantom(tmp_path / "c", "clinical", patients=300, sites=3, seed=9, missing=0.15)
    cohort = read_cohort(folder, spec("impute"))
    assert 0.1 < cohort.predictors.isna().to_numpy().mean() < 0.18
    text = (folder / "cohort.csv").read_text()
    assert ".0," not in text.splitlines()[1].split(",", 4)[3]  # ages stay whole numbers
    assert json.loads((folder / "phantom.json").read_text())["missing"]["share"] == 0.15


def test_same_bytes_and_nothing_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import validkit.cohort.phantom.tables as module

    one, two = (write_table_phantom(tmp_path / n, "clinical", patients=40, seed=1, missing=0.2) for n in "ab")
    assert (one / "cohort.csv").read_bytes() == (two / "cohort.csv").read_bytes()
    with pytest.raises(InputError, match="already exists and is not empty"):
        write_table_phantom(one, "clinical", patients=40)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_record", fail)
    with pytest.raises(InputError, match=r"cannot be written \(No space left on device\): free some space"):
        write_table_phantom(tmp_path / "c", "clinical", patients=40)
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b"}


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="kind must be 'clinical' or 'predictions'; got 'plnm'"):
        write_table_phantom(tmp_path / "x", "plnm")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="only the phantom 'clinical' has missing values"):
        write_table_phantom(tmp_path / "x", "predictions", missing=0.1)
    with pytest.raises(InputError, match="at least 4 a site"):
        write_table_phantom(tmp_path / "x", "clinical", patients=6, sites=2)
    assert list(tmp_path.iterdir()) == []
