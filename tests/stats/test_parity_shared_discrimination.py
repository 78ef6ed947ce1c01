"""Discrimination against the reference values beside the project (../shared/reference/reference.json)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from validkit.stats.cutoffs import optimal_cutoff
from validkit.stats.partial_area import partial_auc
from validkit.stats.precision_recall import auprc, average_precision

PARTIAL = {
    "proc.pauc.spec90_100": ("s100b", {}),
    "proc.pauc.spec90_100.corrected": ("s100b", {"corrected": True}),
    "proc.pauc.sens90_100": ("s100b", {"focus": "sensitivity"}),
    "proc.pauc.sens90_100.corrected": ("s100b", {"focus": "sensitivity", "corrected": True}),
    "proc.pauc.spec80_100.wfns": ("wfns", {"bounds": (0.8, 1.0)}),
}
PRECISION = {"prroc.cc": ("cc_test", "p"), "prroc.ties": ("tiny_ties", "a"), "prroc.asah": ("aSAH", "s100b")}
CUTOFFS = {
    "proc.coords.closest": {"rule": "closest"},
    "proc.youden.weights": {"rule": "cost", "cost_ratio": 2, "prevalence": 0.3},
}
IDS = (*PARTIAL, *PRECISION, *CUTOFFS)  # and part of pm.disc.cc, which test_parity_shared.py lists


class Reference:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        entries = json.loads((folder / "reference.json").read_text(encoding="utf-8"))["entries"]
        self.values = {entry["id"]: entry["values"] for entry in entries}

    def pair(self, name: str, risk: str = "p") -> tuple[np.ndarray, np.ndarray]:
        text = pd.read_csv(self.folder / "data" / f"{name}.csv", dtype=str)
        return text["y"].astype(float).to_numpy(), text[risk].astype(float).to_numpy()


@pytest.fixture(scope="module")
def reference(shared: Path) -> Reference:
    return Reference(shared / "reference")


@pytest.mark.parametrize("identity", PARTIAL)
def test_partial_auc(reference: Reference, identity: str) -> None:
    marker, options = PARTIAL[identity]
    value = partial_auc(*reference.pair("aSAH", marker), scale="score", **options).value
    assert value == pytest.approx(reference.values[identity][0], rel=1e-13)


@pytest.mark.parametrize("identity", PRECISION)
def test_precision_recall(reference: Reference, identity: str) -> None:
    y, p = reference.pair(*PRECISION[identity])
    want = reference.values[identity]
    ours: dict[str, Any] = {
        "average_precision": average_precision(y, p, scale="score"),
        "auc_davis_goadrich": auprc(y, p, scale="score"),
        "auc_integral": auprc(y, p, interpolation="integral", scale="score"),
    }
    for name, estimate in ours.items():
        assert estimate.value == pytest.approx(want[name], rel=1e-13)


def test_van_calsters_measures(reference: Reference) -> None:
    y, p = reference.pair("cc_test")
    want = reference.values["pm.disc.cc"]
    assert auprc(y, p).value == pytest.approx(want["AUPRC"], rel=1e-13)
    assert average_precision(y, p).value == pytest.approx(want["AP"], rel=1e-13)
    partial = partial_auc(y, p, focus="sensitivity", bounds=(0.8, 1.0))
    assert partial.value == pytest.approx(want["pAUROC"], rel=1e-13)


@pytest.mark.parametrize("identity", CUTOFFS)
def test_cutoffs(reference: Reference, identity: str) -> None:
    cutoff = optimal_cutoff(*reference.pair("aSAH", "s100b"), scale="score", **CUTOFFS[identity])
    want = reference.values[identity]
    assert cutoff.threshold == want["threshold"]
    assert cutoff.sensitivity.value == pytest.approx(want["sensitivity"], rel=1e-14)
    assert cutoff.specificity.value == pytest.approx(want["specificity"], rel=1e-14)
