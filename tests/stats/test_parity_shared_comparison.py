"""Parity with the reference values beside the project (../shared/reference), read in place: comparison of models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from validkit.stats.auc_contrasts import compare_aucs
from validkit.stats.auc_tests import compare_auc_unpaired
from validkit.stats.comparison import compare_auc
from validkit.stats.paired import compare_brier
from validkit.stats.paired_proportions import compare_sensitivity
from validkit.stats.reclassification import idi, nri

IDS = (
    "proc.delong.unpaired.sex",
    "proc.delong.unpaired.forced",
    "ties.delong.unpaired",
    "delong.global3",
    "brier.paired.t",
    "mcnemar.sens.cc",
    "idi.cc",
    "nri.cat.cc",
    "nri.diff.cc",
)


class Reference:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        entries = json.loads((folder / "reference.json").read_text(encoding="utf-8"))["entries"]
        self.entries = {entry["id"]: entry["values"] for entry in entries}

    def data(self, name: str) -> pd.DataFrame:
        return pd.read_csv(self.folder / "data" / f"{name}.csv", dtype=str).astype(float)


@pytest.fixture(scope="module")
def reference(shared: Path) -> Reference:
    return Reference(shared / "reference")


def close(ours: Any, theirs: Any, tolerance: float = 1e-10) -> None:
    np.testing.assert_allclose(np.asarray(ours, float), np.asarray(theirs, float), rtol=tolerance, atol=1e-12)


def test_every_id_exists(reference: Reference) -> None:
    assert set(IDS) <= set(reference.entries)


def test_unpaired(reference: Reference) -> None:
    table, ties = reference.data("aSAH"), reference.data("tiny_ties")
    men, women = table[table["male"] == 1], table[table["male"] == 0]
    pairs = {
        "proc.delong.unpaired.sex": (men["y"], men["s100b"], women["y"], women["s100b"]),
        "proc.delong.unpaired.forced": (table["y"], table["s100b"], table["y"], table["wfns"]),
        "ties.delong.unpaired": (ties["y"], ties["a"], ties["y"], ties["b"]),
    }
    for identity, sample in pairs.items():
        want, ours = reference.entries[identity], compare_auc_unpaired(*sample, scale="score")
        test = ours.test
        close([test.statistic, test.df, test.p_value], [want["statistic"], want["parameter"]["df"], want["p.value"]])
        close(ours.difference.value, want["estimate"][0] - want["estimate"][1])


def test_three_curves(reference: Reference) -> None:
    table, want = reference.data("aSAH"), reference.entries["delong.global3"]
    test = compare_aucs(table["y"], table[["s100b", "ndka", "wfns"]].to_numpy().T, scale="score").test
    close([test.statistic, test.df, test.p_value], [want["chisq"], want["df"], want["p.value"]])


def test_brier_and_the_contrasts_of_score(reference: Reference) -> None:
    table, want = reference.data("cc_test"), reference.entries["brier.paired.t"]
    y, p, q = table["y"], table["p"], table["p2"]
    ours = compare_brier(y, p, q)
    close([ours.difference.value, ours.difference.se, ours.test.statistic], [want["diff"], want["se_n1"], want["z"]])
    null = np.full(len(y), y.mean())
    names = ("delta.Brier", "se", "lower", "upper", "p")
    contrasts = reference.entries["score.cc"]["Brier_contrast"]
    for row, (a, b) in zip(contrasts, ((p, null), (q, null), (q, p)), strict=True):
        ours = compare_brier(y, a, b)
        d = ours.difference
        # Score fits its null model by glm, whose prevalence is only as exact as its convergence
        tolerance = 1e-9 if b is null else 1e-10
        close([d.value, d.se, d.low, d.high, ours.test.p_value], [row[name] for name in names], tolerance)
    row, ours = reference.entries["score.cc"]["AUC_contrast"][0], compare_auc(y, q, p)
    d = ours.difference
    close([d.value, d.se, d.low, d.high, ours.test.p_value], [row[k] for k in ("delta.AUC", *names[1:])])


def test_mcnemar(reference: Reference) -> None:
    table, want = reference.data("cc_test"), reference.entries["mcnemar.sens.cc"]
    tests = {
        method: compare_sensitivity(table["y"], table["p"], table["p2"], threshold=0.5, method=method)
        for method in ("exact", "asymptotic", "corrected")
    }
    close(tests["exact"].test.p_value, want["p_exact"])
    for method, name in (("asymptotic", "uncorrected"), ("corrected", "corrected")):
        test = tests[method].test
        close([test.statistic, test.p_value], [want[name], want[f"p_{name}"]])
    neither, only_a, only_b, both = want["table"]
    close(tests["exact"].difference.value, (only_a - only_b) / (neither + only_a + only_b + both))


def test_reclassification(reference: Reference) -> None:
    table, want = reference.data("cc_test"), reference.entries["idi.cc"]
    y, old, new = table["y"], table["p2"], table["p"]
    ours, continuous = idi(y, old, new), nri(y, old, new)
    close([ours.total.value, ours.total.se], [want["idi"][0], want["se.idi"][0]])
    close([ours.events.value, ours.non_events.value], [want["improveSens"][0], want["improveSpec"][0]])
    for estimate, name in (
        (continuous.total, "nri"),
        (continuous.events, "nri.ev"),
        (continuous.non_events, "nri.ne"),
    ):
        close([estimate.value, estimate.se], [want[name][0], want[f"se.{name}"][0]])
    for identity, table_of in (("nri.cat.cc", nri(y, old, new, cuts=[0.2, 0.5])), ("nri.diff.cc", continuous)):
        want = reference.entries[identity]["nri"]
        close(
            [table_of.total.value, table_of.events.value, table_of.non_events.value],
            [want["NRI"], want["NRI+"], want["NRI-"]],
        )
        close(
            [table_of.up_events, table_of.down_events, table_of.down_non_events, table_of.up_non_events],
            [want[k] for k in ("Pr(Up|Case)", "Pr(Down|Case)", "Pr(Down|Ctrl)", "Pr(Up|Ctrl)")],
        )
