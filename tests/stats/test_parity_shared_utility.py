"""Clinical utility against the reference values beside the project (../shared/reference), read in place."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from validkit.errors import InputError
from validkit.stats.classification import sensitivity, specificity
from validkit.stats.costs import expected_cost
from validkit.stats.interventions import interventions_avoided_curve
from validkit.stats.utility import decision_curve, decision_grid, net_benefit, treat_all, treat_none

IDS = ("dca.harm", "dca.single", "dca.binary.as_prob")  # the other dca.* entries are in test_parity_shared.py


class Reference:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        entries = json.loads((folder / "reference.json").read_text(encoding="utf-8"))["entries"]
        self.entries = {entry["id"]: entry for entry in entries}

    def rows(self, identity: str, variable: str) -> pd.DataFrame:
        rows = pd.DataFrame(self.entries[identity]["values"]["rows"])
        return rows[rows["variable"] == variable]

    def pair(self, name: str, outcome: str = "y", risk: str = "p") -> tuple[np.ndarray, np.ndarray]:
        text = pd.read_csv(self.folder / "data" / f"{name}.csv", dtype=str)
        return text[outcome].astype(float).to_numpy(), text[risk].astype(float).to_numpy()


@pytest.fixture(scope="module")
def reference(shared: Path) -> Reference:
    return Reference(shared / "reference")


def close(ours: Any, theirs: Any, tolerance: float = 1e-10) -> None:
    np.testing.assert_allclose(np.asarray(ours, float), np.asarray(theirs, float), rtol=tolerance, atol=tolerance)


def test_harm(reference: Reference) -> None:
    y, p = reference.pair("dcurves_binary", "cancer", "cancerpredmarker")
    want = reference.rows("dca.harm", "cancerpredmarker")
    t = want["threshold"].to_numpy(float)
    assert want["harm"].unique().tolist() == [0.0333]
    close(decision_curve(y, p, thresholds=t, harm=0.0333).y, want["net_benefit"])
    close([net_benefit(y, p, threshold=x, harm=0.0333).value for x in t], want["net_benefit"])
    for strategy, name in ((treat_all, "all"), (treat_none, "none")):
        close(strategy(y, thresholds=t).y, reference.rows("dca.harm", name)["net_benefit"])


def test_interventions_avoided(reference: Reference) -> None:
    """dcurves gives NaN or -Inf at a threshold of 0; it is undefined here."""
    y, p = reference.pair("dcurves_binary", "cancer", "cancerpredmarker")
    for variable, risk in (("cancerpredmarker", p), ("all", np.ones(y.size)), ("none", np.zeros(y.size))):
        want = reference.rows("dca.binary.marker", variable)
        ours = interventions_avoided_curve(y, risk, thresholds=want["threshold"].to_numpy(float), per=1)
        assert math.isnan(ours.y[0])
        close(ours.y[1:], want["net_intervention_avoided"].astype(float)[1:])
        hundred = interventions_avoided_curve(y, risk, thresholds=want["threshold"].to_numpy(float))
        close(hundred.y[1:], 100 * want["net_intervention_avoided"].astype(float)[1:])


def test_a_single_outcome(reference: Reference) -> None:
    """dcurves refuses it; net benefit is a count of true and false positives, and defined."""
    assert "Expecting a binary endpoint" in reference.entries["dca.single"]["values"]["error"]
    y, a = reference.pair("single_class", risk="a")
    curve = decision_curve(y, a, thresholds=[0.1, 0.5])
    close(curve.y, [(a >= 0.1).mean(), (a >= 0.5).mean()])
    assert curve.n_events == y.size
    assert math.isnan(net_benefit(y, a, threshold=0.5, prevalence=0.3).value)


def test_a_marker_made_a_risk_by_logistic_regression(reference: Reference) -> None:
    """dcurves' as_probability refits the marker on the same patients; done here by hand, then judged."""
    y, marker = reference.pair("dcurves_binary", "cancer", "marker")
    x = np.column_stack([np.ones(y.size), marker])
    beta = np.zeros(2)
    for _ in range(30):
        p = 1 / (1 + np.exp(-x @ beta))
        beta += np.linalg.solve((x.T * (p * (1 - p))) @ x, x.T @ (y - p))
    want = reference.rows("dca.binary.as_prob", "marker")
    close(decision_curve(y, p, thresholds=want["threshold"].to_numpy(float)).y, want["net_benefit"])
    with pytest.raises(InputError, match=r"`y_prob` must lie in \[0, 1\]"):
        decision_curve(y, marker)


def test_consequences_give_net_benefit_and_cost(reference: Reference) -> None:
    y, p = reference.pair("dcurves_binary", "cancer", "cancerpredmarker")
    for _, row in reference.rows("dca.test_consequences", "cancerpredmarker").iterrows():
        t = float(row["threshold"])
        close(net_benefit(y, p, threshold=t).value, row["tp_rate"] - row["fp_rate"] * t / (1 - t))
        close(expected_cost(y, p, threshold=t).value, row["fn_rate"] * (1 - t) / t + row["fp_rate"])
        # carried to another prevalence by dcurves' sensitivity and specificity
        declared = net_benefit(y, p, threshold=t, prevalence=0.05).value
        close(declared, 0.05 * row["sens"] - 0.95 * (1 - row["spec"]) * t / (1 - t))
        close(
            declared,
            0.05 * sensitivity(y, p, threshold=t).value
            - 0.95 * (1 - specificity(y, p, threshold=t).value) * t / (1 - t),
        )


def test_exact_decimals_where_r_is_wrong(reference: Reference) -> None:
    """seq(0, 1, 0.1) has 0.30000000000000004 and 0.7000000000000001: R leaves out the patients at 0.3 and 0.7."""
    y, p = [0, 1, 0, 1], [0.1, 0.3, 0.3, 0.7]
    theirs = reference.rows("dca.grid_float", "p")["net_benefit"].astype(float).to_numpy()
    right = [0.5 - 0.25 * 3 / 7, 0.25]
    for grid in (decision_grid(0, 1, 0.1), np.arange(11) * 0.1, np.linspace(0, 1, 11), np.cumsum([0.0] + [0.1] * 9)):
        ours = decision_curve(y, p, thresholds=grid).y
        close(ours[[3, 7]], right)
        same = [0, 1, 2, 4, 5, 6, 8, 9]
        close(ours[same], theirs[same])
    assert not np.isclose(theirs[[3, 7]], right).any()
    close(net_benefit(y, p, threshold=0.1 * 3).value, right[0])
    close(net_benefit(y, p, threshold=0.1 * 7).value, right[1])
