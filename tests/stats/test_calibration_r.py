"""Parity with R: the numbers of tests/reference/calibration_reference.csv, made by make_calibration_reference.R."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import special

from validkit.stats.calibration import cox_tests, observed_expected
from validkit.stats.calibration_curves import calibration_curve
from validkit.stats.calibration_distances import calibration_errors, expected_calibration_error
from validkit.stats.goodness_of_fit import hosmer_lemeshow, le_cessie
from validkit.stats.splines import rcs_basis, rcs_knots

FOLDER = Path(__file__).resolve().parents[1] / "reference"
REFERENCE = pd.read_csv(FOLDER / "calibration_reference.csv", dtype=str).astype({"value": float, "tolerance": float})
CASES = list(REFERENCE.groupby(["id", "dataset"], sort=False).groups)


@cache
def table(name: str) -> pd.DataFrame:
    prefix = "calibration_data" if name == "model" else "data"
    return pd.read_csv(FOLDER / f"{prefix}_{name}.csv", dtype=str).astype(float)


def pair(name: str) -> tuple[np.ndarray, np.ndarray]:
    return table(name)["y"].to_numpy(), table(name)["p"].to_numpy()


def cox(name: str) -> Sequence[float]:
    tests = cox_tests(*pair(name))
    assert [test.df for test in tests.values()] == [2, 1, 1]
    return [test.statistic for test in tests.values()] + [test.p_value for test in tests.values()]


def oe(method: str) -> Callable[[str], Sequence[float]]:
    def ends(name: str) -> Sequence[float]:
        estimate = observed_expected(*pair(name), method=method)
        return [estimate.low, estimate.high]

    return ends


def own_patients(name: str) -> Sequence[float]:
    test = le_cessie(*pair(name), X=table(name)[["x1", "x2", "x3"]].to_numpy())
    return [test.statistic, test.p_value]


def with_parts(name: str) -> Sequence[float]:
    y, p = pair(name)
    squares, expected = float(np.sum((y - p) ** 2)), float(np.sum(p * (1 - p)))
    z, p_value = own_patients(name)
    return [squares, expected, (squares - expected) / z, z, p_value]


def fixed(name: str) -> Sequence[float]:
    test = le_cessie(*pair(name))
    return [test.statistic, test.p_value]


def equal_width(name: str, groups: str) -> Sequence[float]:
    y, p = pair(name)
    here, new = (
        hosmer_lemeshow(y, p, groups=int(groups), binning="width", fitted_here=fitted) for fitted in (True, False)
    )
    assert here.df == new.df - 2
    return [here.statistic, new.df, here.p_value, new.p_value]


def ece(binning: str) -> Callable[[str, str], Sequence[float]]:
    return lambda name, groups: [expected_calibration_error(*pair(name), groups=int(groups), binning=binning).value]


def knots(name: str, k: str) -> Sequence[float]:
    return rcs_knots(special.logit(pair(name)[1]), int(k))


def basis(name: str, k: str) -> Sequence[float]:
    x = special.logit(pair(name)[1])
    return rcs_basis(x[:3], rcs_knots(x, int(k))).ravel()


def spline(part: str) -> Callable[[str, str], Sequence[float]]:
    return lambda name, k: getattr(calibration_curve(*pair(name), method="rcs", knots=int(k), points=11), part)


def errors(name: str, method: str, k: str = "5") -> Sequence[float]:
    return [e.value for e in calibration_errors(*pair(name), method=method, knots=int(k)).values()]


HANDLERS: dict[str, Callable[..., Sequence[float]]] = {
    "lecessie": with_parts,
    "lecessie.formula": own_patients,
    "lecessie.fixed": fixed,
    "cox": cox,
    "oe.exact": oe("exact"),
    "oe.poisson": oe("poisson"),
    "hl.width": equal_width,
    "ece.width": ece("width"),
    "ece.quantile": ece("quantile"),
    "rcs.knots": knots,
    "rcs.basis": basis,
    "rcs.fit": spline("y"),
    "rcs.low": spline("low"),
    "rcs.high": spline("high"),
    "rcs.errors": lambda name, k: errors(name, "rcs", k),
    "errors": errors,
    "isotonic.fit": lambda name: calibration_curve(*pair(name), method="isotonic", points=11).y,
}


@pytest.mark.parametrize(("identity", "dataset"), CASES, ids=[f"{i}-{d}" for i, d in CASES])
def test_equals_r(identity: str, dataset: str) -> None:
    rows = REFERENCE[(REFERENCE["id"] == identity) & (REFERENCE["dataset"] == dataset)]
    stem = max((key for key in HANDLERS if f"{identity}.".startswith(f"{key}.")), key=len)
    rest = identity[len(stem) + 1 :]
    ours = np.asarray(HANDLERS[stem](dataset, *([rest] if rest else [])), dtype=float)
    theirs, tolerance = rows["value"].to_numpy(), float(rows["tolerance"].iloc[0])
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


def test_the_table_is_whole() -> None:
    assert len(REFERENCE) > 850
    assert set(REFERENCE["package"]) == {"base", "stats", "rms", "Hmisc"}
