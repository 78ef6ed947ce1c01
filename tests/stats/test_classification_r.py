"""Parity with R: classification_reference.csv, made by make_classification_reference.R beside it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from validkit.stats import overall
from validkit.stats.classification import (
    accuracy,
    diagnostic_odds_ratio,
    f1,
    kappa_at_threshold,
    mcc,
    negative_likelihood_ratio,
    npv,
    positive_likelihood_ratio,
    ppv,
    sensitivity,
    specificity,
    youden_index,
)
from validkit.stats.collinearity import logistic_variance_inflation, variance_inflation
from validkit.stats.decomposition import brier_decomposition
from validkit.stats.descriptive import Characteristic, describe
from validkit.stats.regression import logistic_regression
from validkit.stats.results import Estimate
from validkit.stats.screening import Effect, PredictorScreen, screen_predictors

FOLDER = Path(__file__).resolve().parents[1] / "reference"
REFERENCE = pd.read_csv(FOLDER / "classification_reference.csv", dtype=str).astype({"value": float, "tolerance": float})
CASES = list(REFERENCE.groupby(["id", "dataset"], sort=False).groups)
TERMS = {"age": ("age",), "size": ("size",), "node": ("node",), "grade": ("grade=g2", "grade=g3")}


@cache
def risks(name: str, column: str = "p") -> tuple[np.ndarray, np.ndarray]:
    table = pd.read_csv(FOLDER / f"data_{name}.csv", dtype=str).astype(float)
    return table["y"].to_numpy(), table[column].to_numpy()


def three(estimate: Estimate) -> list[float]:
    return [estimate.value, estimate.low, estimate.high]


OVERALL = {
    "ipa": overall.scaled_brier,
    "mcfadden": overall.mcfadden_r2,
    "coxsnell": overall.cox_snell_r2,
    "nagelkerke": overall.nagelkerke_r2,
    "loglik": overall.log_likelihood,
    "mape": overall.mape,
    "slope": overall.tjur_r2,
}


def overall_of(dataset: str, *which: str) -> Sequence[float]:
    estimate = OVERALL[which[-1]](*risks(dataset))
    if which[0] == "se":
        return [estimate.se]
    if which[-1] in ("loglik", "mape", "slope"):
        low = estimate.value - (estimate.high - estimate.value)  # an end may be cut; the other one is not
        assert estimate.low in (pytest.approx(low), -1.0, 0.0)
        return [estimate.value, low, estimate.high]
    return [estimate.value]


def score(dataset: str, column: str) -> Sequence[float]:
    b, scaled = overall.brier(*risks(dataset, column)), overall.scaled_brier(*risks(dataset, column))
    return [b.value, b.se, b.low, b.high, scaled.value]


def murphy(dataset: str, *which: str) -> Sequence[float]:
    y, p = risks(dataset)
    if which == ("wide",):
        d = brier_decomposition(y, p, groups=8, binning="width")
    else:
        groups = int(which[-1]) or None
        d = brier_decomposition(y, p, groups=groups, bias_corrected=which[0] == "corrected")
    terms = (d.reliability, d.resolution, d.uncertainty, d.within_variance, d.within_covariance)
    if which[0] == "se":
        return [term.se for term in terms]
    return [term.value for term in terms[: 3 if which[0] == "corrected" else 5]]


def threshold_of(words: Sequence[str]) -> float:
    return float(f"{words[0]}.{words[1]}")


EXACT = {
    "se": sensitivity,
    "sp": specificity,
    "pv.pos": ppv,
    "pv.neg": npv,
    "diag.ac": accuracy,
}


def at_threshold(dataset: str, *words: str) -> Sequence[float]:
    y, p = risks(dataset)
    what, t = ".".join(words[:-2]), threshold_of(words[-2:])
    if what in EXACT:
        return three(EXACT[what](y, p, threshold=t, method="exact"))
    positive, negative = (f(y, p, threshold=t) for f in (positive_likelihood_ratio, negative_likelihood_ratio))
    ratio, kappa, phi = (f(y, p, threshold=t) for f in (diagnostic_odds_ratio, kappa_at_threshold, mcc))
    return {
        "youden": lambda: [youden_index(y, p, threshold=t).value],
        "lr.pos": lambda: three(positive),
        "lr.neg": lambda: three(negative),
        "lr.se": lambda: [positive.se, negative.se],
        "dor": lambda: [*three(ratio), ratio.se],
        "dor.inf": lambda: [ratio.low],
        "dor.glm": lambda: [ratio.value, ratio.se],
        "kappa": lambda: [kappa.value, kappa.se],
        "kappa.se": lambda: [kappa.se],
        "mcc": lambda: [phi.value],
        "mcc.se": lambda: [phi.se, phi.low, phi.high],
        "f1": lambda: [f1(y, p, threshold=t).value],
    }[what]()


def mercaldo(dataset: str, *words: str) -> Sequence[float]:
    y, p = risks(dataset)
    t, prevalence = threshold_of(words[:2]), threshold_of(words[2:])
    return [x for f in (ppv, npv) for x in three(f(y, p, threshold=t, prevalence=prevalence))]


@cache
def cohort() -> tuple[pd.DataFrame, pd.Series]:
    data = pd.read_csv(FOLDER / "classification_data.csv")
    return data, data.pop("y")


@cache
def screen() -> PredictorScreen:
    data, y = cohort()
    return screen_predictors(data, y, univariable_alpha=1.0, interval="profile")


def design() -> pd.DataFrame:
    data, _ = cohort()
    X = data[["age", "size", "node"]].astype(float)
    return X.assign(**{f"grade={g}": (data["grade"] == g).astype(float) for g in ("g2", "g3")})


def vif(_: str, kind: str) -> Sequence[float]:
    if kind == "plain":
        return [term.gvif for term in variance_inflation(design()[["age", "size", "node"]])]
    if kind == "lm":
        found = variance_inflation(design(), terms=TERMS)
    else:
        found = logistic_variance_inflation(logistic_regression(design(), cohort()[1]), terms=TERMS)
        assert found == tuple(item.inflation for item in screen().predictors)
    assert [term.term for term in found] == list(TERMS)
    return [x for term in found for x in (term.gvif, term.df, term.scaled)]


def row(effect: Effect | None, i: int) -> list[float]:
    assert effect is not None
    assert effect.odds_ratios[i].method == "profile likelihood"
    return [*three(effect.odds_ratios[i]), effect.p_values[i]]


def table_two(_: str, kind: str, what: str) -> Sequence[float]:
    items = {item.name: item for item in screen().predictors}
    if kind == "alone":
        return row(items[what].univariable, 0)
    if kind == "joint":
        effect = items[what].multivariable
        return [effect.test.p_value if effect else math.nan]
    name, i = (list(TERMS)[int(what) - 2], 0) if int(what) < 5 else ("grade", int(what) - 5)
    return row(items[name].multivariable, i)


@cache
def table_one() -> dict[str, Characteristic]:
    data = pd.read_csv(FOLDER / "logistic_data.csv")
    y = data.pop("y")
    data["births"] = data["parity"].clip(upper=4)
    return {item.name: item for item in describe(data, y, kinds={"births": "categorical"})}


def characteristics(_: str, what: str) -> Sequence[float]:
    items = table_one()
    if what == "quartiles":
        return [float(x) for cell in items["diameter"].cells[0] for x in re.findall(r"[\d.]+", cell)]
    if what == "smd":
        return [items[name].smd for name in ("histology", "births", "smoker")]
    names = {"cramer": ("histology", "smoker"), "cles": ("diameter",), "cohen": ("rbc",)}[what]
    return [items[name].effect.value for name in names]


HANDLERS: dict[str, Callable[..., Sequence[float]]] = {
    "overall": overall_of,
    "score": score,
    "murphy": murphy,
    "class": at_threshold,
    "class.mercaldo": mercaldo,
    "vif": vif,
    "table2": table_two,
    "table1": characteristics,
}


@pytest.mark.parametrize(("identity", "dataset"), CASES, ids=[f"{i}-{d}" for i, d in CASES])
def test_equals_r(identity: str, dataset: str) -> None:
    rows = REFERENCE[(REFERENCE["id"] == identity) & (REFERENCE["dataset"] == dataset)]
    stem, *rest = identity.split(".")
    if f"{stem}.{rest[0]}" in HANDLERS:
        stem, rest = f"{stem}.{rest[0]}", rest[1:]
    ours = np.asarray(HANDLERS[stem](dataset, *rest), dtype=float)
    tolerance = float(rows["tolerance"].iloc[0])
    np.testing.assert_allclose(ours, rows["value"].to_numpy(), rtol=tolerance, atol=tolerance)


def test_the_reference_table_is_whole() -> None:
    assert len(REFERENCE) > 880
    assert not REFERENCE.isna().any().any()
    assert {"boot", "car", "epiR", "psych", "riskRegression"} <= set(REFERENCE["package"])
