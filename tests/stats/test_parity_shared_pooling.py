"""Sample size, power and restored standard errors against ../shared/reference/reference.json, read in place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from validkit.errors import InputError
from validkit.stats.auc_power import (
    comparison_power,
    comparison_sample_size,
    pilot_design,
    single_auc_design,
)
from validkit.stats.development_size import DevelopmentSize, development_sample_size
from validkit.stats.linear_predictor import LinearPredictor
from validkit.stats.pooling_scales import auc_standard_error
from validkit.stats.validation_size import observed_expected_size, validation_sample_size

IDS = (
    "proc.power.one",
    "proc.power.n",
    "proc.power.two",
    "pmsampsize.bin.cs",
    "pmsampsize.bin.nag",
    "pmsampsize.bin.shr",
    "pmsampsize.bad",
    "pmval.riley",
    "pmval.riley.nb",
    "oe.n.closed",
    "newcombe.seC",
)


@pytest.fixture(scope="module")
def entries(shared: Path) -> dict[str, Any]:
    text = (shared / "reference" / "reference.json").read_text(encoding="utf-8")
    return {entry["id"]: entry["values"] for entry in json.loads(text)["entries"]}


def close(ours: Any, theirs: Any, tolerance: float = 1e-10) -> None:
    np.testing.assert_allclose(np.asarray(ours, float), np.asarray(theirs, float), rtol=tolerance, atol=tolerance)


def test_power(entries: dict[str, Any], shared: Path) -> None:
    one = comparison_power(single_auc_design(0.75, ratio=72 / 41), n_events=41)
    close(one.power, entries["proc.power.one"]["power"])
    assert one.n_others == 72
    needed = comparison_sample_size(single_auc_design(0.8), power=0.9)
    close(needed.exact_events, entries["proc.power.n"]["ncases"])
    assert (needed.n_events, needed.n_others) == (17, 17)
    data = pd.read_csv(shared / "reference" / "data" / "aSAH.csv", dtype=str).astype(float)
    design = pilot_design(data["y"], data["ndka"], data["wfns"])
    want = entries["proc.power.two"]
    close([design.auc, design.auc_b], [want["auc1"], want["auc2"]])
    close(comparison_power(design, n_events=int(data["y"].sum())).power, want["power"])


def check_development(ours: DevelopmentSize, want: dict[str, Any]) -> None:
    table = want["results_table"]
    assert [c.n for c in ours.criteria] == [table[f"Criteria {i}"]["Samp_size"] for i in (1, 2, 3)]
    assert ours.n == want["sample_size"][0]
    numbers = [ours.shrinkage, ours.cox_snell_r2, ours.maximum_r2, ours.nagelkerke_r2, ours.n_events]
    names = ("final_shrinkage", "rsquared", "max_r2a", "nag_r2", "events")
    close(numbers, [want[name][0] for name in names])
    assert round(ours.events_per_parameter, 2) == want["EPP"][0]


def test_development(entries: dict[str, Any]) -> None:
    check_development(development_sample_size(24, prevalence=0.174, cox_snell_r2=0.288), entries["pmsampsize.bin.cs"])
    check_development(
        development_sample_size(24, prevalence=0.174, nagelkerke_r2=0.467, digits=3), entries["pmsampsize.bin.nag"]
    )
    check_development(
        development_sample_size(30, prevalence=0.174, cox_snell_r2=0.288, shrinkage=0.95),
        entries["pmsampsize.bin.shr"],
    )
    assert "error" in entries["pmsampsize.bad"]  # R stumbles over a comparison with NaN
    with pytest.raises(InputError, match=r"at a prevalence of 0\.174 it is at most 0\.6032"):
        development_sample_size(24, prevalence=0.174, cox_snell_r2=0.9)


def test_validation(entries: dict[str, Any]) -> None:
    common: dict[str, Any] = {
        "prevalence": 0.018,
        "c_statistic": 0.8,
        "predictor": LinearPredictor.normal(-5, 2.5),
        "oe_width": 1.0,
        "rounding": "pmvalsampsize",
    }
    net = {"sensitivity": 0.8, "specificity": 0.8, "threshold": 0.08}
    for identity, more in (("pmval.riley", {}), ("pmval.riley.nb", net)):
        ours, want = validation_sample_size(**common, **more), entries[identity]
        sizes = [row["Samp_size"] for row in want["results_table"].values()]
        oe, slope, c, *rest = ours.criteria
        assert [oe.n, c.n, *(r.n for r in rest)] == [sizes[0], sizes[2], *sizes[3:-1]]
        close(slope.n, sizes[1], 0.01)  # theirs is simulated
        close([oe.se, slope.se], [want["se_oe"][0], want["se_cslope"][0]])
        assert c.se >= want["se_cstat"][0]
        if rest:
            assert rest[0].se == want["se_st_nb"][0]
            assert rest[0].note == f"expected value {want['standardised_nb'][0]:.4g}"
            assert (ours.n, ours.binding) == (want["sample_size"][0], "standardised net benefit")
            close(ours.n_events, want["events"][0])


def test_closed_forms(entries: dict[str, Any]) -> None:
    for name, (phi, width) in {
        "prev0.018_w1": (0.018, 1.0),
        "prev0.1_w0.2": (0.1, 0.2),
        "prev0.5_w0.2": (0.5, 0.2),
    }.items():
        close(observed_expected_size(prevalence=phi, width=width).exact, entries["oe.n.closed"][name])
    ours = auc_standard_error([0.8, 0.75], n=[1000, 500], n_events=[100, 250])
    close(ours, list(entries["newcombe.seC"].values()))
