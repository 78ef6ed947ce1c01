"""Parity with R: the numbers of tests/reference/utility_reference.csv, made by make_utility_reference.R beside it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from validkit.stats.costs import cost_curve, expected_cost, minimum_expected_cost
from validkit.stats.decision_comparison import compare_decision_curves
from validkit.stats.decision_curves import decision_curve
from validkit.stats.interventions import interventions_avoided, interventions_avoided_curve
from validkit.stats.payoffs import Asked, net_benefit_payoffs, odds, treated_counts, utility
from validkit.stats.utility import net_benefit

FOLDER = Path(__file__).resolve().parents[1] / "reference"
REFERENCE = pd.read_csv(FOLDER / "utility_reference.csv", dtype=str).astype({"value": float, "tolerance": float})
CASES = list(REFERENCE.groupby(["id", "dataset"], sort=False).groups)
THRESHOLDS = np.array([0.1, 0.25, 0.3, 0.5, 0.7])
Z = 1.959963984540054


@cache
def columns(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    table = pd.read_csv(FOLDER / f"data_{name}.csv", dtype=str).astype(float)
    return table["y"].to_numpy(int), table["p"].to_numpy(), table["q"].to_numpy()


def filled(values: np.ndarray, se: np.ndarray) -> np.ndarray:
    """R's standard error of contributions that are all alike is 0; ours is NaN there."""
    return np.where(np.isnan(values) & (se == 0), 0.0, values)


def net(name: str, theirs: np.ndarray, **options: object) -> np.ndarray:
    y, p, _ = columns(name)
    found = [net_benefit(y, p, threshold=t, **options) for t in THRESHOLDS]
    curve = decision_curve(y, p, thresholds=THRESHOLDS, **options)
    np.testing.assert_array_equal(curve.y, [e.value for e in found])
    np.testing.assert_array_equal(curve.low, [e.low for e in found])
    return np.concatenate([[e.value for e in found], filled(np.array([e.se for e in found]), theirs[5:])])


def covariance(name: str, theirs: np.ndarray, population: str) -> np.ndarray:
    y, p, _ = columns(name)
    counts = treated_counts(y, p, THRESHOLDS)
    found = utility(net_benefit_payoffs(THRESHOLDS, population), *counts, Asked(population=population))
    return found.covariance().ravel()


def avoided(name: str, theirs: np.ndarray) -> np.ndarray:
    y, p, _ = columns(name)
    curve = interventions_avoided_curve(y, p, thresholds=THRESHOLDS, harm=0.0125)
    found = [interventions_avoided(y, p, threshold=t, harm=0.0125) for t in THRESHOLDS]
    np.testing.assert_array_equal(curve.y, [e.value for e in found])
    np.testing.assert_array_equal(curve.high, [e.high for e in found])
    rows = [(e.value, e.se, e.value - Z * e.se, e.value + Z * e.se) for e in found]
    return filled(np.array(rows).ravel(), np.repeat(theirs.reshape(5, 4)[:, 1], 4))


OTHER = {"q": {}, "all": {"reference": "treat all"}, "none": {"reference": "treat none"}}


def difference(name: str, theirs: np.ndarray, other: str, prevalence: float | None = None) -> np.ndarray:
    y, p, q = columns(name)
    second = q if other == "q" else None
    found = compare_decision_curves(y, p, second, thresholds=THRESHOLDS, prevalence=prevalence, **OTHER[other])
    se = (found.difference.high - found.difference.low) / (2 * Z)
    width = 3 if prevalence is None else 2
    se = filled(se, theirs.reshape(5, width)[:, 1])
    parts = [found.difference.y, se, found.p_values][:width]
    return np.transpose(parts).ravel()


def difference_covariance(name: str, theirs: np.ndarray, other: str) -> np.ndarray:
    from validkit.stats.decision_comparison import _covariance
    from validkit.stats.payoffs import thresholds_reached

    y, p, q = columns(name)
    second = thresholds_reached(q, THRESHOLDS) if other == "q" else np.full(y.size, 5 if other == "all" else 0)
    return _covariance(y, thresholds_reached(p, THRESHOLDS), second, odds(THRESHOLDS), Asked()).ravel()


def cost(name: str, theirs: np.ndarray, **options: object) -> np.ndarray:
    y, p, _ = columns(name)
    found = [expected_cost(y, p, threshold=t, **options) for t in THRESHOLDS]
    if options.get("normalised"):
        curve = cost_curve(y, p, costs=THRESHOLDS, prevalence=0.12)
        np.testing.assert_allclose(curve.y, [e.value for e in found], rtol=1e-14)
        np.testing.assert_allclose(curve.low, [e.low for e in found], rtol=1e-12)
    return np.array([(e.value, e.se) for e in found]).ravel()


def minimum(name: str, theirs: np.ndarray, ratio: str, declared: bool = False) -> np.ndarray:
    y, p, _ = columns(name)
    prevalence = 0.12 if declared else None
    found = minimum_expected_cost(y, p, cost_ratio=float(ratio), normalised=declared, prevalence=prevalence)
    curve = cost_curve(y, p, costs=[1 / (1 + float(ratio))], rule="cheapest", prevalence=prevalence)
    assert curve.y[0] * (1 if declared else 1 + float(ratio)) == pytest.approx(found.cost, rel=1e-12)
    return np.array([found.cost])


HANDLERS: dict[str, Callable[..., np.ndarray]] = {
    "nb": lambda name, theirs, kind: net(name, theirs, population=kind),
    "nb.cov": covariance,
    "snb": lambda name, theirs, kind: net(name, theirs, population=kind, standardised=True),
    "snb.harm": lambda name, theirs, kind: net(name, theirs, population=kind, standardised=True, harm=0.0125),
    "nb.declared": lambda name, theirs, kind: net(name, theirs, population=kind, prevalence=0.12),
    "snb.declared": lambda name, theirs, k: net(name, theirs, population=k, prevalence=0.12, standardised=True),
    "avoided": avoided,
    "difference": difference,
    "difference.cov": difference_covariance,
    "difference.declared": lambda name, theirs, other: difference(name, theirs, other, 0.12),
    "cost.implied": cost,
    "cost.given": lambda name, theirs: cost(name, theirs, cost_false_negative=700, cost_false_positive=40),
    "cost.declared": lambda name, theirs: cost(name, theirs, normalised=True, prevalence=0.12),
    "cost.minimum": minimum,
    "cost.minimum.declared": lambda name, theirs, ratio: minimum(name, theirs, ratio, declared=True),
}


@pytest.mark.parametrize(("identity", "dataset"), CASES, ids=[f"{i}-{d}" for i, d in CASES])
def test_equals_r(identity: str, dataset: str) -> None:
    rows = REFERENCE[(REFERENCE["id"] == identity) & (REFERENCE["dataset"] == dataset)]
    stem = max((key for key in HANDLERS if f"{identity}.".startswith(f"{key}.")), key=len)
    rest = [identity[len(stem) + 1 :]] if len(identity) > len(stem) else []
    theirs, tolerance = rows["value"].to_numpy(), float(rows["tolerance"].iloc[0])
    ours = HANDLERS[stem](dataset, theirs, *rest)
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


def test_the_reference_table_is_whole() -> None:
    assert len(REFERENCE) > 1000
    assert not REFERENCE.isna().any().any()
