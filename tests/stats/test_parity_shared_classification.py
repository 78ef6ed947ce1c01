"""Overall and classification measures against ../shared/reference/reference.json, read in place."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from validkit.stats.classification import classification_measures, kappa_at_threshold
from validkit.stats.overall import brier, log_likelihood, mape, scaled_brier, tjur_r2

IDS = ("kappa.psych",)
ALSO = ("pm.class.cc.0.5", "pm.class.ties", "pm.class.single", "pm.overall.cc", "dca.test_consequences", "score.cc")


class Reference:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        entries = json.loads((folder / "reference.json").read_text(encoding="utf-8"))["entries"]
        self.entries = {entry["id"]: entry for entry in entries}

    def values(self, identity: str) -> Any:
        return self.entries[identity]["values"]

    def pair(self, name: str, outcome: str = "y", risk: str = "p") -> tuple[np.ndarray, np.ndarray]:
        text = pd.read_csv(self.folder / "data" / f"{name}.csv", dtype=str)
        return text[outcome].astype(float).to_numpy(), text[risk].astype(float).to_numpy()


@pytest.fixture(scope="module")
def reference(shared: Path) -> Reference:
    return Reference(shared / "reference")


def close(ours: Any, theirs: Any, tolerance: float = 1e-10) -> None:
    np.testing.assert_allclose(np.asarray(ours, float), np.asarray(theirs, float), rtol=tolerance, atol=tolerance)


def test_kappa(reference: Reference) -> None:
    y, p = reference.pair("cc_test")
    close(kappa_at_threshold(y, p, threshold=0.5).value, reference.values("kappa.psych")[0])


@pytest.mark.parametrize(
    ("identity", "name", "risk"),
    [
        ("pm.class.cc.0.5", "cc_test", "p"),
        ("pm.class.ties", "tiny_ties", "a"),
        ("pm.class.single", "single_class", "a"),
    ],
)
def test_every_measure_of_van_calster_at_a_threshold(reference: Reference, identity: str, name: str, risk: str) -> None:
    names = {
        "Accuracy": "accuracy",
        "Balanced Accuracy": "balanced_accuracy",
        "Youden index": "youden_index",
        "DOR": "diagnostic_odds_ratio",
        "Kappa": "kappa_at_threshold",
        "F1": "f1",
        "MCC": "mcc",
        "Sensitivity/Recall": "sensitivity",
        "Specificity": "specificity",
        "PPV/precision": "ppv",
        "NPV": "npv",
    }
    y, p = reference.pair(name, risk=risk)
    want, found = reference.values(identity), classification_measures(y, p, threshold=0.5)
    assert set(want) == set(names)
    for theirs, ours in names.items():
        close(found[ours].value, float(want[theirs]))
        assert bool(found[ours].note) == math.isnan(found[ours].value) or ours == "kappa_at_threshold"


def test_every_overall_measure_of_van_calster(reference: Reference) -> None:
    y, p = reference.pair("cc_test")
    want = reference.values("pm.overall.cc")
    close(log_likelihood(y, p).value, want["Loglikelihood"])
    close(mape(y, p).value, want["MAPE"])
    close(tjur_r2(y, p).value, want["Discrimination slope"])


def test_consequences(reference: Reference) -> None:
    y, p = reference.pair("dcurves_binary", "cancer", "cancerpredmarker")
    names = {"sensitivity": "sens", "specificity": "spec", "ppv": "ppv", "npv": "npv"}
    names |= {"positive_likelihood_ratio": "lr_pos", "negative_likelihood_ratio": "lr_neg"}
    for row in reference.values("dca.test_consequences")["rows"]:
        found = classification_measures(y, p, threshold=row["threshold"])
        for ours, theirs in names.items():
            close(found[ours].value, row[theirs])


def test_scaled_brier_is_risk_regressions_ipa(reference: Reference) -> None:
    for i, risk in enumerate(("p", "p2")):
        y, p = reference.pair("cc_test", risk=risk)
        want = reference.values("score.cc")["Brier"][i + 1]
        b = brier(y, p)
        close([b.value, b.se, b.low, b.high], [want[k] for k in ("Brier", "se", "lower", "upper")])
        close(scaled_brier(y, p).value, want["IPA"])
