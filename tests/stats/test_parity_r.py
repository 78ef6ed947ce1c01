"""Parity with R: the numbers of tests/reference/statistics_reference.csv, made by make_reference.R beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from validkit import stats
from validkit.stats.intervals import clopper_pearson, wilson

FOLDER = Path(__file__).resolve().parents[1] / "reference"
REFERENCE = pd.read_csv(FOLDER / "statistics_reference.csv", dtype=str).astype({"value": float, "tolerance": float})
CASES = list(REFERENCE.groupby(["id", "dataset"], sort=False).groups)


@cache
def data(name: str) -> pd.DataFrame:
    return pd.read_csv(FOLDER / f"data_{name}.csv", dtype=str).astype(float)


def columns(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    table = data(name)
    return table["y"].to_numpy(), table["p"].to_numpy(), table["q"].to_numpy()


def three(estimate: stats.Estimate) -> list[float]:
    return [estimate.value, estimate.low, estimate.high]


def auc(name: str, level: str = "95") -> Sequence[float]:
    y, p, _ = columns(name)
    return three(stats.auc(y, p, level=int(level) / 100))


def auc_interval(method: str) -> Callable[[str], Sequence[float]]:
    return lambda name: three(stats.auc(*columns(name)[:2], method=method))[1:]


def covariance(name: str) -> Sequence[float]:
    y, p, q = columns(name)
    _, cov = stats.delong_covariance(y, np.stack([p, q]))
    return [cov[0, 0], cov[0, 1], cov[1, 1]]


def compare(name: str, side: str) -> Sequence[float]:
    y, p, q = columns(name)
    if side == "interval":
        return three(stats.compare_auc(y, p, q).difference)[1:]
    test = stats.compare_auc(y, p, q, alternative=side.replace("two.sided", "two-sided")).test
    return [test.statistic, test.p_value]


def youden(name: str) -> Sequence[float]:
    y, p, _ = columns(name)
    threshold = stats.youden_threshold(y, p)
    c = stats.confusion(y, p, threshold=threshold)
    return [threshold, c.tp / (c.tp + c.fn), c.tn / (c.tn + c.fp)]


def adjust(_: str, method: str) -> Sequence[float]:
    nan = np.nan
    p = [0.001, 0.008, nan, 0.039, 0.041, 0.042, 0.06, 0.9, nan, 0.9, 0.212]
    return stats.adjust_p_values(p, method=method)


def citl(name: str) -> Sequence[float]:
    estimate = stats.calibration_in_the_large(*columns(name)[:2])
    return [estimate.value, estimate.se]


def line(name: str, what: str = "") -> Sequence[float]:
    y, p, _ = columns(name)
    if what == "test":
        test = stats.calibration_test(y, p)
        return [test.statistic, test.p_value]
    intercept, slope = stats.calibration_line(y, p)
    assert slope == stats.calibration_slope(y, p)
    return [intercept.value, intercept.se, slope.value, slope.se]


def profile(name: str, _: str) -> Sequence[float]:
    return three(stats.calibration_slope(*columns(name)[:2], method="profile"))[1:]


def val_prob(name: str, _: str) -> Sequence[float]:
    y, p, _q = columns(name)
    intercept, slope = stats.calibration_line(y, p)
    joint, z = stats.calibration_test(y, p), stats.spiegelhalter(y, p)
    brier = stats.brier(y, p).value
    return [intercept.value, slope.value, joint.statistic, joint.p_value, brier, z.statistic, z.p_value]


def hoslem(name: str, groups: str) -> Sequence[float]:
    y, p, _ = columns(name)
    here, new = (stats.hosmer_lemeshow(y, p, groups=int(groups), fitted_here=flag) for flag in (True, False))
    sizes = [row["n"] for row in stats.calibration_groups(y, p, groups=int(groups))]
    assert here.df == len(sizes) - 2
    assert new.df == len(sizes)
    return [here.statistic, len(sizes), here.p_value, new.p_value, *sizes]


def loess(name: str, part: str) -> Sequence[float]:
    y, p, _ = columns(name)
    if part == "errors":
        return [e.value for e in stats.calibration_errors(y, p).values()][:4]
    curve = stats.calibration_curve(y, p, points=11)
    return {"fit": curve.y, "low": curve.low, "high": curve.high}[part]


def lowess(name: str, _: str) -> Sequence[float]:
    return [e.value for e in stats.calibration_errors(*columns(name)[:2], method="lowess").values()][:4]


def brier(name: str, scaled: str = "") -> Sequence[float]:
    y, p, _ = columns(name)
    return [stats.scaled_brier(y, p).value] if scaled else three(stats.brier(y, p))


def likelihood(name: str) -> Sequence[float]:
    functions = (stats.log_loss, stats.mcfadden_r2, stats.cox_snell_r2, stats.nagelkerke_r2)
    return [function(*columns(name)[:2]).value for function in functions]


def discrimination(name: str, _: str) -> Sequence[float]:
    estimate = stats.discrimination_slope(*columns(name)[:2])
    return [estimate.value, estimate.se]


def proportion(method: Callable[..., tuple[np.ndarray, np.ndarray]]) -> Callable[[str, str, str], Sequence[float]]:
    return lambda _, x, n: [float(end) for end in method(int(x), int(n), 0.95)]


def counts(name: str, whole: str, decimal: str) -> Sequence[float]:
    c = stats.confusion(*columns(name)[:2], threshold=float(f"{whole}.{decimal}"))
    return [c.tp, c.fp, c.tn, c.fn]


def net(name: str, _: str, whole: str, decimal: str) -> Sequence[float]:
    estimate = stats.net_benefit(*columns(name)[:2], threshold=float(f"{whole}.{decimal}"))
    return [estimate.value, estimate.se]


def icc(name: str, feature: str, form: str) -> Sequence[float]:
    table = data(name).query(f"feature == {feature}").pivot(index="subject", columns="rater", values="value")
    number, kind = form[3], "k" if form.endswith("k") else "1"
    a = stats.icc(table.to_numpy(), form=f"ICC({number},{kind})")
    return [part[0] for part in (a.value, a.statistic, a.df1, a.df2, a.p_value, a.low, a.high)]


HANDLERS: dict[str, Callable[..., Sequence[float]]] = {
    "auc.delong": lambda name, level="95": auc(name, level),
    "auc.logit": auc_interval("logit-delong"),
    "auc.newcombe": auc_interval("newcombe"),
    "auc.cov": covariance,
    "compare": lambda name, *side: compare(name, ".".join(side)),
    "youden": youden,
    "adjust": adjust,
    "citl": citl,
    "line": line,
    "slope": profile,
    "oe": lambda name: three(stats.observed_expected(*columns(name)[:2])),
    "val": val_prob,
    "hoslem": hoslem,
    "loess": loess,
    "lowess": lowess,
    "brier": brier,
    "likelihood": likelihood,
    "discrimination": discrimination,
    "wilson": proportion(wilson),
    "exact": proportion(clopper_pearson),
    "counts": counts,
    "net": net,
    "icc": icc,
}


@pytest.mark.parametrize(("identity", "dataset"), CASES, ids=[f"{i}-{d}" for i, d in CASES])
def test_equals_r(identity: str, dataset: str) -> None:
    rows = REFERENCE[(REFERENCE["id"] == identity) & (REFERENCE["dataset"] == dataset)]
    stem, *rest = identity.split(".")
    if f"{stem}.{rest[0] if rest else ''}" in HANDLERS:
        stem, rest = f"{stem}.{rest[0]}", rest[1:]
    ours = np.asarray(HANDLERS[stem](dataset, *rest), dtype=float)
    theirs, tolerance = rows["value"].to_numpy(), float(rows["tolerance"].iloc[0])
    if identity.startswith("loess."):  # R does not cut its curve to [0, 1]
        theirs = theirs if identity == "loess.errors" else np.clip(theirs, 0, 1)
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


def test_the_reference_table_is_whole() -> None:
    assert len(REFERENCE) > 800
    assert not REFERENCE[["id", "dataset", "package", "version", "call", "tolerance"]].isna().any().any()
    missing = REFERENCE[REFERENCE["value"].isna()]
    assert set(missing["id"].str.split(".").str[0]) == {"adjust"}  # p.adjust keeps NA in its place
