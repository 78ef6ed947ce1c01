"""Parity with R: the numbers of tests/reference/discrimination_reference.csv, made by the R script beside it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from validkit.stats.clustered import clustered_auc, clustered_covariance
from validkit.stats.cutoffs import Cutoff, optimal_cutoff
from validkit.stats.partial_area import partial_auc
from validkit.stats.precision_recall import auprc, average_precision
from validkit.stats.roc import roc_curve

FOLDER = Path(__file__).resolve().parents[1] / "reference"
REFERENCE = pd.read_csv(FOLDER / "discrimination_reference.csv", dtype=str).astype({"value": float, "tolerance": float})
CASES = list(REFERENCE.groupby(["id", "dataset"], sort=False).groups)
LEVELS = (1, 0.95, 0.9, 0.75, 0.6, 0.5, 1 / 3, 0.1, 0)


@cache
def data(name: str) -> pd.DataFrame:
    file = "discrimination_data_lesions" if name == "lesions" else f"data_{name}"
    return pd.read_csv(FOLDER / f"{file}.csv", dtype=str).astype(float)


def partial(name: str, focus: str, low: str, high: str) -> Sequence[float]:
    y, p = data(name)["y"], data(name)["p"]
    bounds = (float(low), float(high))
    return [partial_auc(y, p, focus=focus, bounds=bounds, corrected=corrected).value for corrected in (False, True)]


def row(cutoff: Cutoff, criterion: float) -> Sequence[float]:
    return [cutoff.threshold, cutoff.sensitivity.value, cutoff.specificity.value, len(cutoff.tied), criterion]


def cutoff(name: str, rule: str, *weights: str) -> Sequence[float]:
    y, p = data(name)["y"], data(name)["p"]
    if rule == "youden":
        found = optimal_cutoff(y, p)
        return row(found, found.criterion + 1)
    if rule == "closest":
        found = optimal_cutoff(y, p, rule=rule, **({"cost_ratio": 3, "prevalence": 0.2} if weights else {}))
        return row(found, found.criterion)
    ratio, prevalence = map(float, weights)
    found = optimal_cutoff(y, p, rule=rule, cost_ratio=ratio, prevalence=prevalence)
    r = (1 - prevalence) / (ratio * prevalence)
    # pROC calls "nobody" Inf as we do, and "everybody" -Inf where we name the lowest prediction
    found_row = list(row(found, 1 + r - found.criterion / (ratio * prevalence)))
    if found.threshold == p.min():
        found_row[0] = -np.inf
    return found_row


def clustered(what: str) -> Sequence[float]:
    y, a, b, who = (data("lesions")[column].to_numpy() for column in ("y", "a", "b", "patient"))
    areas, cov = clustered_covariance(y, [a, b], who)
    if what == "interval":
        wald, logit = (clustered_auc(y, a, who, level=0.9, method=m) for m in ("obuchowski", "logit-obuchowski"))
        return [wald.low, wald.high, logit.low, logit.high]
    return areas if what == "auc" else cov[np.triu_indices(2)]


def ours(identity: str, name: str) -> Sequence[float]:
    y, p = (data(name)["y"], data(name)["p"]) if name != "lesions" else (None, None)
    kind, *rest = identity.split(".", 1)
    if kind == "partial":
        focus, bounds = rest[0].split(".", 1)
        low, high = {"0.9.1": "0.9 1", "0.8.1": "0.8 1", "0.35.0.62": "0.35 0.62", "0.1": "0 1"}.get(
            bounds, "0.501 0.502"
        ).split()
        return partial(name, focus, low, high)
    if kind == "cutoff":
        rule, *weights = rest[0].split(".", 1)
        if rule == "cost":
            weights = {"2.0.3": ["2", "0.3"], "0.5.0.5": ["0.5", "0.5"], "5.0.1": ["5", "0.1"]}.get(
                weights[0], ["0.125", "0.25"]
            )
        return cutoff(name, rule, *weights)
    if kind == "clustered":
        return clustered(rest[0])
    if identity == "vertical.sensitivity":
        return roc_curve(y, p, band="vertical", specificities=LEVELS, rng=1, replicates=20).y
    if identity == "simultaneous.90":
        curve = roc_curve(y, p, band="simultaneous", level=0.9)
        return np.r_[curve.low, curve.high]
    if identity == "average.precision.logit":
        estimate = average_precision(y, p)
        return [estimate.low, estimate.high]
    if identity == "average.precision":
        return [average_precision(y, p).value]
    return [auprc(y, p, interpolation="integral" if identity.endswith("integral") else "davis-goadrich").value]


@pytest.mark.parametrize(("identity", "name"), CASES)
def test_equals_r(identity: str, name: str) -> None:
    want = REFERENCE[(REFERENCE["id"] == identity) & (REFERENCE["dataset"] == name)]
    tolerance = want["tolerance"].iloc[0]
    np.testing.assert_allclose(ours(identity, name), want["value"], rtol=tolerance, atol=tolerance)


def test_the_table_is_whole() -> None:
    assert len(REFERENCE) >= 300
    assert set(REFERENCE["package"]) == {"pROC", "base", "stats"}
