"""Is a centre large enough? Widths are the intervals' own, and patients needed are Riley's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from validkit import stats
from validkit.centre.precision import precision_record
from validkit.sections.evaluation import Precision


def centre(seed: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = expit(rng.normal(-0.8, 1.2, n))
    return (rng.random(n) < p).astype(np.int64), p


def test_widths_targets_and_patients() -> None:
    y, p = centre(1, 300)
    record = precision_record(y, p, Precision(), 0.3)
    rows = {row["measure"]: row for row in record["rows"]}
    assert list(rows) == ["oe", "slope", "auc", "net_benefit"]
    area = stats.auc(y, p)
    assert rows["auc"]["width"] == pytest.approx(area.high - area.low)
    size = stats.c_statistic_size(c_statistic=area.value, prevalence=float(y.mean()), width=0.1)
    assert rows["auc"]["needed"] == size.n
    assert rows["auc"]["more"] == max(size.n - 300, 0)
    assert rows["slope"]["reached"] is False
    assert all(row["needed"] > 0 for row in rows.values())


def test_a_centre_of_the_size_that_is_asked_for_reaches_its_targets() -> None:
    y, p = centre(2, 400)
    targets = Precision(oe=0.4, slope=0.6, auc=0.12, net_benefit=0.3)
    needed = max(row["needed"] for row in precision_record(y, p, targets, 0.3)["rows"])
    reached = [precision_record(*centre(seed, int(needed * 1.15)), targets, 0.3)["rows"] for seed in range(10, 16)]
    assert np.mean([row["reached"] for rows in reached for row in rows]) > 0.85


def test_without_a_threshold_or_an_event_it_says_less() -> None:
    y, p = centre(3, 100)
    assert [row["measure"] for row in precision_record(y, p, Precision(), None)["rows"]] == ["oe", "slope", "auc"]
    record = precision_record(np.zeros(100, dtype=np.int64), p, Precision(), 0.3)
    assert record["why"] == "patients of one outcome alone"
    assert {row["reached"] for row in record["rows"] if row["measure"] != "oe"} == {None}
