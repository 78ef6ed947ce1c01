"""Calibration against the reference values beside the project (../shared/reference), read in place."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import special

from validkit.stats.calibration import calibration_in_the_large_test, cox_tests
from validkit.stats.calibration_distances import calibration_errors, expected_calibration_error
from validkit.stats.goodness_of_fit import le_cessie
from validkit.stats.splines import rcs_basis, rcs_knots

IDS = ("rms.gof.lecessie", "pmcal.cc.rcs5", "rcs.knots.cc5", "rcs.basis.row1_3")


class Reference:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        entries = json.loads((folder / "reference.json").read_text(encoding="utf-8"))["entries"]
        self.entries = {entry["id"]: entry for entry in entries}

    def values(self, identity: str) -> Any:
        return self.entries[identity]["values"]

    def table(self, name: str) -> pd.DataFrame:
        return pd.read_csv(self.folder / "data" / f"{name}.csv", dtype=str).astype(float)


@pytest.fixture(scope="session")
def reference(shared: Path) -> Reference:
    return Reference(shared / "reference")


def close(ours: Any, theirs: Any, tolerance: float = 1e-10) -> None:
    np.testing.assert_allclose(np.asarray(ours, float), np.asarray(theirs, float), rtol=tolerance, atol=tolerance)


def test_le_cessie(reference: Reference) -> None:
    birth, want = reference.table("birthwt"), reference.values("rms.gof.lecessie")
    y, p = birth["low"].to_numpy(), birth["p"].to_numpy()
    test = le_cessie(y, p, X=birth[["age", "lwt", "race2", "race3", "smoke", "ptl", "ht", "ui"]])
    close([test.statistic, test.p_value], [want["Z"], want["P"]], 1e-8)
    close([np.sum((y - p) ** 2), np.sum(p * (1 - p))], [want["Sum of squared errors"], want["Expected value|H0"]])
    copas = reference.values("gof.battery")["Copas.RSS"]
    close([test.statistic, test.p_value], [copas["Statistic"], copas["p_value"]])


def test_spline_knots_basis_and_distances(reference: Reference) -> None:
    cc = reference.table("cc_test")
    y, p = cc["y"].to_numpy(), cc["p"].to_numpy()
    x = special.logit(p)
    close(rcs_knots(x, 5), reference.values("rcs.knots.cc5")["knots"])
    want = [list(row.values()) for row in reference.values("rcs.basis.row1_3")["rows"]]
    close(rcs_basis(x[:3], rcs_knots(x, 5)), want)
    ours, theirs = calibration_errors(y, p, method="rcs"), reference.values("pmcal.cc.rcs5")
    close([ours[k].value for k in ("ici", "e50", "e90", "emax", "eci")], list(theirs.values()), 1e-7)


def test_calibration_index_of_both_codes(reference: Reference) -> None:
    cc = reference.table("cc_test")
    y, p = cc["y"].to_numpy(), cc["p"].to_numpy()
    for method in ("loess", "lowess"):
        close(calibration_errors(y, p, method=method)["eci"].value, reference.values(f"pmcal.cc.{method}")["ECI"])
    want = reference.values("pm.cal.cc.loess")
    close(calibration_errors(y, p)["eci_relative"].value, want["ECI"])
    close(expected_calibration_error(y, p).value, want["ECE"])


@pytest.mark.parametrize(
    ("identity", "where"),
    [
        ("logcal.cc_test", ("cc_test", "y", "p")),
        ("logcal.cc_test:p2", ("cc_test", "y", "p2")),
        ("logcal.birthwt", ("birthwt", "low", "p")),
    ],
)
def test_cox(reference: Reference, identity: str, where: tuple[str, str, str]) -> None:
    table, want = reference.table(where[0]), reference.values(identity)
    y, p = table[where[1]].to_numpy(), table[where[2]].to_numpy()
    tests = cox_tests(y, p)
    names = ("LR_unreliability", "LR_citl", "LR_slope_given_citl")
    close([test.statistic for test in tests.values()], [want[name] for name in names], 1e-9)
    assert tests["intercept"] == calibration_in_the_large_test(y, p)
    assert math.isclose(tests["joint"].p_value, want["LR_p_df2"], rel_tol=1e-9)
