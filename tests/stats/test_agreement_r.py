"""Agreement equal to R's: tests/reference/agreement_reference.csv, made by make_agreement_reference.R beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from validkit.stats.agreement import icc, icc_all
from validkit.stats.fleiss import fleiss_kappa, fleiss_kappa_test
from validkit.stats.kappa import cohen_kappa, cohen_kappa_test
from validkit.stats.limits_of_agreement import bland_altman, bland_altman_repeated
from validkit.stats.results import Estimate

FOLDER = Path(__file__).resolve().parents[1] / "reference"
REFERENCE = pd.read_csv(FOLDER / "agreement_reference.csv", dtype=str).astype({"value": float, "tolerance": float})
CASES = list(REFERENCE.groupby(["id", "dataset"], sort=False).groups)


@cache
def data(name: str) -> pd.DataFrame:
    return pd.read_csv(FOLDER / f"agreement_data_{name}.csv")


def three(estimate: Estimate) -> list[float]:
    return [estimate.value, estimate.low, estimate.high]


def ratings(feature: str, column: str) -> np.ndarray:
    table = data("ratings").query(f"feature == {feature}")
    return table.pivot(index="subject", columns="rater", values=column).to_numpy()


def intraclass(_: str, feature: str, form: str, setting: str) -> Sequence[float]:
    x = ratings(feature, "holed" if setting == "complete" else "value")
    missing = "complete-case" if setting == "complete" else "error"
    a = icc_all(x, level=0.9 if setting == "90" else 0.95, missing=missing)[
        f"ICC({form[3]},{'k' if form.endswith('k') else '1'})"
    ]
    return [part[0] for part in (a.value, a.statistic, a.df1, a.df2, a.p_value, a.low, a.high)]


def one_way(_: str, feature: str) -> Sequence[float]:
    a = icc(ratings(feature, "holed"), form="ICC(1,1)", missing="available")
    return [part[0] for part in (a.value, a.statistic, a.df1, a.df2, a.p_value, a.low, a.high)]


def grades(name: str) -> np.ndarray:
    return data("grades").query(f"set == '{name}'").pivot(index="subject", columns="rater", values="value").to_numpy()


def cohen(name: str, weighting: str) -> Sequence[float]:
    x = grades(name)
    estimate = cohen_kappa(x[:, 0], x[:, 1], weighting=weighting, levels=range(1, int(x.max()) + 1))
    return [estimate.value, estimate.se, estimate.low, estimate.high]


def cohen_test(name: str, weighting: str) -> Sequence[float]:
    x = grades(name)
    test = cohen_kappa_test(x[:, 0], x[:, 1], weighting=weighting, levels=range(1, int(x.max()) + 1))
    return [test.statistic, test.p_value]


def cohen_psych(name: str) -> Sequence[float]:
    a, b = grades(name)[:, :2].T
    plain, quadratic = cohen_kappa(a, b), cohen_kappa(a, b, weighting="quadratic")
    return [plain.value, plain.se**2, quadratic.value]


def many(name: str, category: str) -> Sequence[float]:
    chosen = None if category == "all" else int(category)
    x = grades(name)
    levels = range(1, int(x.max()) + 1)
    estimate = fleiss_kappa(x, category=chosen, levels=levels)
    test = fleiss_kappa_test(x, category=chosen, levels=levels)
    return [estimate.value, estimate.se, test.statistic, test.p_value]


def limits(name: str, what: str, scale: str) -> Sequence[float]:
    pairs = data("pairs").query(f"set == '{name}'")
    method = "approximate" if what == "approximate" else "exact"
    found = bland_altman(pairs["a"], pairs["b"], scale=scale, method=method)
    if what == "bias":
        return [*three(found.bias), found.bias.se]
    if what == "slope":
        slope, test = found.slope, found.slope_test
        return [slope.value, slope.se, test.statistic, test.p_value, slope.low, slope.high]
    return [*three(found.lower), *three(found.upper)]


def repeated(name: str, slope: bool = False) -> Sequence[float]:
    t = data("repeated").query(f"set == '{name}'").sample(frac=1, random_state=0)
    found = bland_altman_repeated(t["a"], t["b"], t["subject"])
    if slope:
        return [found.slope.value, found.slope.se, found.slope_test.statistic, found.slope_test.p_value]
    return [*three(found.bias), found.bias.se, found.sd, *three(found.lower), *three(found.upper)]


HANDLERS: dict[str, Callable[..., Sequence[float]]] = {
    "icc": intraclass,
    "oneway": one_way,
    "cohen": cohen,
    "cohentest": cohen_test,
    "cohenpsych": cohen_psych,
    "fleiss": many,
    "bias": lambda name, scale: limits(name, "bias", scale),
    "exact": lambda name, scale: limits(name, "exact", scale),
    "approximate": lambda name, scale: limits(name, "approximate", scale),
    "slope": lambda name, scale: limits(name, "slope", scale),
    "repeated": repeated,
    "repeatedslope": lambda name: repeated(name, slope=True),
}


@pytest.mark.parametrize(("identity", "dataset"), CASES, ids=[f"{i}-{d}" for i, d in CASES])
def test_equals_r(identity: str, dataset: str) -> None:
    rows = REFERENCE[(REFERENCE["id"] == identity) & (REFERENCE["dataset"] == dataset)]
    stem, *rest = identity.split(".")
    ours = np.asarray(HANDLERS[stem](dataset, *rest), dtype=float)
    tolerance = float(rows["tolerance"].iloc[0])
    np.testing.assert_allclose(ours, rows["value"].to_numpy(), rtol=tolerance, atol=tolerance)


def test_the_reference_table_is_whole() -> None:
    assert len(REFERENCE) > 900
    assert not REFERENCE.isna().any().any()
    assert {identity.split(".")[0] for identity, _ in CASES} == set(HANDLERS)
