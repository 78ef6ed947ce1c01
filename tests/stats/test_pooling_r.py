"""Parity with R's metafor: the numbers of tests/reference/pooling_reference.csv, made by make_pooling_reference.R."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit

from validkit.stats.meta_regression import meta_regression
from validkit.stats.pooling import PooledEstimate, probability_new_site, t_of
from validkit.stats.pooling_scales import (
    auc_standard_error,
    pool_auc,
    pool_net_benefit,
    pool_observed_expected,
    pool_slope,
)

FOLDER = Path(__file__).resolve().parents[1] / "reference"
REFERENCE = pd.read_csv(FOLDER / "pooling_reference.csv", dtype=str).astype({"value": float, "tolerance": float})
DATA = pd.read_csv(FOLDER / "pooling_data.csv")
CASES = list(REFERENCE.groupby(["id", "dataset"], sort=False).groups)


def sites(name: str) -> pd.DataFrame:
    return DATA[DATA["name"] == name]


def pooled(name: str, measure: str, **options: object) -> PooledEstimate:
    d = sites(name)
    if measure == "auc":
        return pool_auc(d["auc"], se=d["se"], **options)
    if measure == "oe":
        return pool_observed_expected(observed=d["events"], expected=d["expected"], n=d["n"], **options)
    if measure == "slope":
        return pool_slope(d["slope"], se=d["slope_se"], **options)
    return pool_net_benefit(d["nb"], se=d["nb_se"], **options)


def rma(name: str, measure: str, method: str, what: str, level: str = "95") -> Sequence[float]:
    if what == "heterogeneity":
        r = pooled(name, measure, method=method)
        return [r.tau2.value, r.i2.value, r.h2.value, r.q.statistic, r.q.p_value, *r.weights]
    if what == "confint":
        r = pooled(name, measure, method=method, level=int(level) / 100)
        parts = (r.tau2, r.tau, r.i2, r.h2)
        return [part.low for part in parts] + [part.high for part in parts]
    r = pooled(name, measure, method=method, adjustment=what)
    ours = [r.pooled.value, r.pooled.se, r.pooled.low, r.pooled.high]
    ours += [r.estimate.value, r.estimate.low, r.estimate.high]
    if method == "fixed":
        assert math.isnan(r.prediction.low)
        return ours
    half = t_of(0.95, r.prediction_df) * r.prediction.se
    return [*ours, r.pooled.value - half, r.pooled.value + half, r.prediction.low, r.prediction.high]


def metamisc(name: str, measure: str) -> Sequence[float]:
    r = pooled(name, measure, prediction_df="k-2")
    return [r.prediction.low, r.prediction.high]


def new(name: str, measure: str) -> Sequence[float]:
    bound = {"auc": 0.75, "oe": 1.1, "slope": 0.9, "nb": 0.07}[measure]
    t, normal = (pooled(name, measure, prediction_df=df) for df in ("k-1", "normal"))
    below = [probability_new_site(r, bound, direction="below") for r in (t, normal)]
    above = [probability_new_site(r, bound) for r in (t, normal)]
    np.testing.assert_allclose(np.add(above, below), 1, rtol=1e-14)
    return above


def restore(name: str, what: str, how: str = "") -> Sequence[float]:
    d = sites(name)
    options = {"method": "dl", "adjustment": "knapp-hartung"}
    if what == "newcombe":
        return [float(x) for x in auc_standard_error(d["auc"], n=d["n"], n_events=d["events"])]
    if how == "counts":
        r = pool_auc(d["auc"], n=d["n"], n_events=d["events"], **options)
        assert set(r.se_source) == {"Newcombe, method 4"}
    elif how == "interval":
        rows = REFERENCE[(REFERENCE["id"] == "restore.auc.interval") & (REFERENCE["dataset"] == name)][
            "value"
        ].to_numpy()
        low, high = rows[2 : 2 + len(d)], rows[2 + len(d) :]
        r = pool_auc(d["auc"], low=low, high=high, site_level=0.9, **options)
        assert set(r.se_source) == {"confidence interval"}
        return [r.pooled.value, r.pooled.se, *low, *high]
    elif how == "poisson":
        r = pool_observed_expected(observed=d["events"], expected=d["expected"], **options)
        assert set(r.se_source) == {"O alone, Poisson"}
    else:
        se = np.sqrt(d["events"] * (1 - d["events"] / d["n"]) / d["expected"] ** 2)
        r = pool_observed_expected(d["events"] / d["expected"], se_ratio=se, **options)
        assert set(r.se_source) == {"standard error"}
    return [r.pooled.value, r.pooled.se]


def metareg(name: str, measure: str, what: str) -> Sequence[float]:
    d, r = sites(name), pooled(name, measure)
    scale = {"auc": lambda: (logit(d["auc"]), d["se"] / (d["auc"] * (1 - d["auc"]))),
             "oe": lambda: (np.log(d["events"] / d["expected"]), np.sqrt(1 / d["events"] - 1 / d["n"])),
             "slope": lambda: (d["slope"], d["slope_se"]), "nb": lambda: (d["nb"], d["nb_se"])}  # fmt: skip
    y, se = scale[measure]()
    share = d["events"] / d["n"]
    table = share.to_numpy()[:, None] if what == "share" else np.column_stack([share, np.log(d["n"])])
    found = meta_regression(y, se=se, covariates=table)
    parts = [[getattr(one, key) for one in found.coefficients] for key in ("value", "se", "low", "high")]
    ours = [*itertools.chain(*parts), *(one.p_value for one in found.tests), found.tau2]
    ours += [found.test.statistic, found.test.p_value, found.residual.statistic, found.residual.p_value]
    assert math.isnan(found.r2) == (r.tau2.value == 0)
    return ours if math.isnan(found.r2) else [*ours, found.r2]


HANDLERS: dict[str, Callable[..., Sequence[float]]] = {
    "rma": rma,
    "metamisc": metamisc,
    "new": new,
    "restore": restore,
    "metareg": metareg,
}


@pytest.mark.parametrize(("identity", "dataset"), CASES, ids=[f"{i}-{d}" for i, d in CASES])
def test_equals_r(identity: str, dataset: str) -> None:
    rows = REFERENCE[(REFERENCE["id"] == identity) & (REFERENCE["dataset"] == dataset)]
    stem, *rest = identity.split(".")
    ours = np.asarray(HANDLERS[stem](dataset, *rest), dtype=float)
    tolerance = float(rows["tolerance"].iloc[0])
    np.testing.assert_allclose(ours, rows["value"].to_numpy(), rtol=tolerance, atol=tolerance)


def test_the_reference_table_is_whole() -> None:
    assert len(REFERENCE) > 1500
    assert not REFERENCE.isna().any().any()
