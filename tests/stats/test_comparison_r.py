"""Parity with R: the numbers of tests/reference/comparison_reference.csv, made by make_comparison_reference.R."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from validkit.stats.auc_contrasts import auc_contrast, compare_aucs
from validkit.stats.auc_tests import compare_auc_unpaired
from validkit.stats.margins import equivalence, noninferiority
from validkit.stats.paired import compare_brier, compare_log_loss, compare_net_benefit, compare_scaled_brier
from validkit.stats.paired_proportions import compare_sensitivity, compare_specificity, paired_proportions_interval
from validkit.stats.reclassification import idi, nri
from validkit.stats.results import Comparison

FOLDER = Path(__file__).resolve().parents[1] / "reference"
REFERENCE = pd.read_csv(FOLDER / "comparison_reference.csv", dtype=str).astype({"value": float, "tolerance": float})
DATA = pd.read_csv(FOLDER / "comparison_data.csv", dtype=str).astype(dict.fromkeys("ypqr", float))
CASES = list(REFERENCE.groupby(["id", "dataset"], sort=False).groups)


def columns(name: str, *models: str) -> tuple[np.ndarray, ...]:
    table = DATA[DATA["set"] == name]
    return tuple(table[model].to_numpy() for model in ("y", *models))


def spread(comparison: Comparison) -> list[float]:
    return [
        comparison.difference.value,
        comparison.difference.se,
        comparison.difference.low,
        comparison.difference.high,
    ]


def unpaired(name: str, what: str) -> Sequence[float]:
    one, p, two, q = name.split("-")
    samples = (*columns(one, p), *columns(two, q))
    if what == "interval":
        return spread(compare_auc_unpaired(*samples))
    if what == "noninferior":
        return [noninferiority(compare_auc_unpaired(*samples), margin=0.1).p_value]
    test = compare_auc_unpaired(*samples, alternative=what.replace("two.sided", "two-sided")).test
    return [test.statistic, test.df or 0, test.p_value]


def every(name: str, what: str = "") -> Sequence[float]:
    y, *probs = columns(name, "p", "q", "r")
    if what == "holm":
        return compare_aucs(y, probs).p_adjusted
    if what == "contrast":
        contrast = auc_contrast(y, probs, [1, -0.5, -0.5])
        e = contrast.estimates[0]
        return [e.value, e.se, e.low, e.high, contrast.test.statistic, contrast.test.p_value]
    ours = compare_aucs(y, probs)
    return [ours.test.statistic, ours.test.df or 0, ours.test.p_value, *ours.areas]


def brier(name: str, a: str, b: str) -> Sequence[float]:
    y, p = columns(name, a)
    other = np.full(y.size, y.mean()) if b == "Null" else columns(name, b)[1]
    ours = compare_brier(y, p, other)
    return [*spread(ours), ours.test.p_value]


def log_loss(name: str) -> Sequence[float]:
    ours = compare_log_loss(*columns(name, "p", "q"))
    return [ours.difference.value, ours.difference.se, ours.test.p_value]


def benefit(name: str, whole: str, decimal: str) -> Comparison:
    return compare_net_benefit(*columns(name, "p", "q"), threshold=float(f"{whole}.{decimal}"))


def net_benefit(name: str, *threshold: str) -> Sequence[float]:
    ours = benefit(name, *threshold)
    return [ours.difference.value, ours.difference.se, ours.test.statistic, ours.test.p_value]


def margins(name: str, *threshold: str) -> Sequence[float]:
    ours = benefit(name, *threshold)
    both = equivalence(ours, margin=0.1)
    return [noninferiority(ours, margin=0.05).p_value, both.p_value, both.difference.low, both.difference.high]


def mcnemar(name: str, what: str, whole: str, decimal: str) -> Sequence[float]:
    function = {"sens": compare_sensitivity, "spec": compare_specificity}[what]
    data, at = columns(name, "p", "q"), float(f"{whole}.{decimal}")
    tests = [function(*data, threshold=at, method=m).test for m in ("asymptotic", "corrected", "exact", "mid-p")]
    first, second, third, fourth = tests
    return [first.statistic, first.p_value, second.statistic, second.p_value, third.p_value, fourth.p_value]


def newcombe(name: str, what: str, whole: str, decimal: str) -> Sequence[float]:
    function = {"sens": compare_sensitivity, "spec": compare_specificity}[what]
    ours = function(*columns(name, "p", "q"), threshold=float(f"{whole}.{decimal}")).difference
    return [ours.value, ours.low, ours.high]


def reclassified(name: str, cat: str = "") -> Sequence[float]:
    ours = nri(*columns(name, "q", "p"), cuts=[0.2, 0.5] if cat else None)
    numbers = [v for e in (ours.total, ours.events, ours.non_events) for v in (e.value, e.se)]
    return numbers if cat else [*numbers, ours.up_events, ours.down_events, ours.up_non_events, ours.down_non_events]


def discriminated(name: str) -> Sequence[float]:
    ours = idi(*columns(name, "q", "p"))
    return [ours.total.value, ours.total.se, ours.events.value, ours.non_events.value]


HANDLERS: dict[str, Callable[..., Sequence[float]]] = {
    "unpaired": lambda name, *what: unpaired(name, ".".join(what)),
    "global": every,
    "contrast": lambda name: every(name, "contrast"),
    "brier": brier,
    "logloss": log_loss,
    "ipa": lambda name: spread(compare_scaled_brier(*columns(name, "p", "q"))),
    "netbenefit": net_benefit,
    "noninferior": margins,
    "mcnemar": mcnemar,
    "newcombe": newcombe,
    "pairs": lambda _, *table: paired_proportions_interval(*map(int, table)),
    "nri": reclassified,
    "idi": discriminated,
}


@pytest.mark.parametrize(("identity", "dataset"), CASES, ids=[f"{i}-{d}" for i, d in CASES])
def test_equals_r(identity: str, dataset: str) -> None:
    rows = REFERENCE[(REFERENCE["id"] == identity) & (REFERENCE["dataset"] == dataset)]
    stem, *rest = identity.split(".")
    ours = np.asarray(HANDLERS[stem](dataset, *rest), dtype=float)
    tolerance = float(rows["tolerance"].iloc[0])
    np.testing.assert_allclose(ours, rows["value"].to_numpy(), rtol=tolerance, atol=tolerance * 1e-2)


def test_the_reference_table_is_whole() -> None:
    assert len(REFERENCE) > 400
    assert not REFERENCE.isna().any().any()
    assert {"pROC", "Hmisc", "riskRegression", "stats", "base"} == set(REFERENCE["package"])
