"""What the page computes with: the nomogram's data and the counts at a threshold give what Python gives."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from validkit import stats
from validkit.judging import _treated
from validkit.report import render_report
from validkit.report.records import read_run
from validkit.report.widgets import nomogram_widget


def risk(data: dict[str, Any], values: dict[str, Any]) -> tuple[float, float, float]:
    """(risk, low, high) from a widget's data, as the script computes it."""
    x, eta = {"(intercept)": 1.0}, data["intercept"]
    for term in data["terms"]:
        value = values[term["name"]]
        if "levels" in term:
            level = next(one for one in term["levels"] if one["value"] == value)
            eta += level["beta"]
            if level["column"]:
                x[level["column"]] = 1.0
            continue
        value = float(value)
        if term["logit"]:
            value = min(max(value, term["clip"]), 1 - term["clip"])
            value = math.log(value / (1 - value))
        eta += term["beta"] * value
        x[term["column"]] = value
    names, matrix = data["covariance"]["terms"], np.array(data["covariance"]["matrix"])
    row = np.array([1.0, *(x.get(name, 0.0) for name in names[1:])])
    half = data["z"] * math.sqrt(row @ matrix @ row)
    platt = data["platt"]
    ends = [float(expit(platt["intercept"] + platt["slope"] * linear)) for linear in (eta, eta - half, eta + half)]
    return ends[0], *sorted(ends[1:])


@pytest.mark.parametrize("score_scale", ["probability", "logit"])
@pytest.mark.parametrize("recalibrate", ["platt", "none"])
def test_the_calculator_gives_the_models_own_risks(
    run_folder: Path, edit: Callable[..., None], score_scale: str, recalibrate: str
) -> None:
    from validkit.plnm.nomogram import Nomogram

    rng = np.random.default_rng(3)
    X = pd.DataFrame(
        {
            "fusion": rng.beta(2, 3, 200),
            "max_diameter": rng.uniform(8, 70, 200),
            "histology": pd.Categorical(rng.choice(["squamous", "adeno", "other"], 200)),
        }
    )
    y = (rng.random(200) < expit(3 * X["fusion"] + 0.03 * X["max_diameter"] - 3)).astype(int)
    model = Nomogram(("max_diameter", "histology"), score_scale=score_scale, recalibrate=recalibrate).fit(X, y)
    edit("stages/nomogram.json", lambda record: (record.clear(), record.update(json.loads(json.dumps(model.record())))))
    data = json.loads(nomogram_widget(read_run(run_folder)).json)
    for row in range(0, 200, 17):
        one = X.iloc[[row]]
        found = risk(data, one.iloc[0].to_dict())
        assert found[0] == pytest.approx(model.predict_proba(one)[0, 1], abs=1e-12)
        assert found[1] < found[0] < found[2]


def test_patients_treated_are_those_at_or_above_a_threshold() -> None:
    rng = np.random.default_rng(1)
    p = np.round(rng.uniform(0, 1, 500), 2)
    y = (rng.random(500) < p).astype(int)
    grid = stats.decision_grid(0, 1, "0.01")
    found = _treated(y, p, grid)
    for k, t in enumerate(grid):
        confusion = stats.confusion(y, p, threshold=float(t))
        assert (found["event"][k], found["no_event"][k]) == (confusion.tp, confusion.fp)
    assert (found["n"], found["events"]) == (500, int(y.sum()))


def test_a_run_of_before_has_no_widgets(run_folder: Path, edit: Callable[..., None]) -> None:
    edit("stages/nomogram.json", lambda record: record.pop("covariance"))
    edit("evaluation.json", lambda record: [s.pop("treated") for m in record["models"] for s in m["sets"].values()])
    page = render_report(run_folder).read_text(encoding="utf-8")
    assert re.findall(r'data-widget="([a-z]+)"', page) == ["curves"]
    assert "calculator: not available" not in page
