"""Parity with R: the numbers of tests/reference/sample_size_reference.csv, made by make_sample_size_reference.R."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import special

from validkit.stats.auc_power import (
    AucDesign,
    binormal_design,
    comparison_power,
    comparison_sample_size,
    pilot_design,
    single_auc_design,
)
from validkit.stats.development_size import cox_snell_from_auc, development_sample_size
from validkit.stats.linear_predictor import LinearPredictor
from validkit.stats.validation_size import (
    c_statistic_size,
    calibration_slope_size,
    net_benefit_size,
    observed_expected_size,
)

FOLDER = Path(__file__).resolve().parents[1] / "reference"
REFERENCE = pd.read_csv(FOLDER / "sample_size_reference.csv", dtype=str).astype({"value": float, "tolerance": float})
CASES = list(REFERENCE.groupby(["id", "dataset"], sort=False).groups)


def column(name: str, which: str) -> np.ndarray:
    return pd.read_csv(FOLDER / f"data_{name}.csv", dtype=str).astype(float)[which].to_numpy()


def develop(_: str, p: str, phi: str, r2: str, s: str) -> Sequence[float]:
    r = development_sample_size(
        int(p), prevalence=float(phi), cox_snell_r2=float(r2), shrinkage=float(s), mean_absolute_error=0.05
    )
    implied = float(r2) / (float(r2) + 0.05 * r.maximum_r2)
    assert r.n == max(c.n for c in r.criteria)
    return [*(c.n for c in r.criteria), r.maximum_r2, implied, r.nagelkerke_r2]


def oe(_: str, phi: str, width: str, ratio: str) -> Sequence[float]:
    exact, stepped = (
        observed_expected_size(prevalence=float(phi), width=float(width), ratio=float(ratio), rounding=rounding)
        for rounding in ("exact", "pmvalsampsize")
    )
    assert exact.n == math.ceil(exact.exact)
    return [exact.exact, stepped.n]


def slope(name: str, kind: str, *numbers: str) -> Sequence[float]:
    if kind == "observed":
        lp = LinearPredictor.observed(special.logit(column(name, "p")))
    else:
        make = {"normal": "normal", "beta": "beta", "skew": "skew_normal", "binormal": "binormal"}[kind]
        lp = getattr(LinearPredictor, make)(*map(float, numbers))
    first = calibration_slope_size(lp).exact
    if kind == "normal":
        return [first, calibration_slope_size(lp, intercept=0.3, slope=0.8).exact]
    return [first, lp.prevalence()]


def net(_: str, *numbers: str) -> Sequence[float]:
    names = ("prevalence", "sensitivity", "specificity", "threshold", "width")
    given = dict(zip(names, map(float, numbers), strict=True))
    exact, stepped = (net_benefit_size(**given, rounding=rounding) for rounding in ("exact", "pmvalsampsize"))
    w = (1 / given["prevalence"] - 1) * given["threshold"] / (1 - given["threshold"])
    value = given["sensitivity"] - w * (1 - given["specificity"])
    assert exact.note == f"expected value {value:.4g}"
    return [exact.exact, stepped.n, value]


def both(design: AucDesign, side: str, n_events: int, wanted: float, alpha: float = 0.05) -> Sequence[float]:
    options = {"alpha": alpha, "alternative": side.replace(".", "-")}
    needed = comparison_sample_size(design, power=wanted, **options)
    assert needed.n_events == math.ceil(needed.exact_events)
    assert needed.power >= wanted
    return [comparison_power(design, n_events=n_events, **options).power, needed.exact_events]


def pair(_: str, side: str, *numbers: str) -> Sequence[float]:
    a1, b1, a2, b2, rn, ra, kappa = map(float, numbers)
    areas = (float(special.ndtr(a / math.sqrt(1 + b * b))) for a, b in ((a1, b1), (a2, b2)))
    design = binormal_design(
        *areas, correlation_events=ra, correlation_others=rn, ratio=kappa, spread=b1, spread_b=b2, variance="proc"
    )
    return both(design, side, 90, 0.8)


def pilot(name: str, side: str) -> Sequence[float]:
    y = column(name, "y")
    return both(pilot_design(y, column(name, "p"), column(name, "q")), side, int(y.sum()), 0.9)


HANDLERS: dict[str, Callable[..., Sequence[float]]] = {
    "development": develop,
    "r2": lambda _, auc, phi: [cox_snell_from_auc(float(auc), prevalence=float(phi))],
    "oe": oe,
    "slope": slope,
    "at": lambda _, t: LinearPredictor.normal(-1.5, 1.2).at_threshold(float(t)),
    "c": lambda _, c, phi, width: [c_statistic_size(c_statistic=float(c), prevalence=float(phi), width=float(width)).n],
    "nb": net,
    "one": lambda _, side, auc, kappa, alpha: both(
        single_auc_design(float(auc), ratio=float(kappa)), side, 40, 0.9, float(alpha)
    ),
    "pair": pair,
    "pilot": pilot,
}


@pytest.mark.parametrize(("identity", "dataset"), CASES, ids=[f"{i}-{d}" for i, d in CASES])
def test_equals_r(identity: str, dataset: str) -> None:
    rows = REFERENCE[(REFERENCE["id"] == identity) & (REFERENCE["dataset"] == dataset)]
    stem, *rest = identity.split("|")
    ours = np.asarray(HANDLERS[stem](dataset, *rest), dtype=float)
    tolerance = float(rows["tolerance"].iloc[0])
    np.testing.assert_allclose(ours, rows["value"].to_numpy(), rtol=tolerance, atol=tolerance)


def test_the_reference_table_is_whole() -> None:
    assert len(REFERENCE) > 250
    assert not REFERENCE.isna().any().any()
