"""What the page computes: the nomogram and the counts at a threshold agree with Python's, in a real browser too."""

from __future__ import annotations

import html.parser
import json
import math
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from validkit import stats
from validkit.judging import _treated
from validkit.report import render_report
from validkit.report.records import read_run
from validkit.report.widgets import nomogram_widget, threshold_widget

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)


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
    assert 'data-widget="' not in page
    assert "calculator: not available" not in page


class _Dumped(html.parser.HTMLParser):
    """Attributes of elements that hold results."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.risk: dict[str, float] = {}
        self.cells: dict[str, float] = {}
        self.ends: dict[str, list[float]] = {}
        self.shown: list[bool] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if "data-risk" in found:
            self.risk = {key: float(str(found[f"data-{key}"])) for key in ("risk", "low", "high")}
        if "data-name" in found:
            name = str(found["data-name"])
            self.cells[name] = float(str(found["data-value"]))
            self.ends[name] = [float(str(found[f"data-{end}"])) for end in ("low", "high")]
        if "data-widget" in found:
            self.shown.append("hidden" not in found)


def _opened(page: Path, tmp_path: Path, **asked: object) -> _Dumped:
    address = page.as_uri() + "#" + urlencode(asked)
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
    made = subprocess.run([CHROMIUM, *options, address], capture_output=True, text=True, timeout=60, check=True)
    return _Dumped(made.stdout)


@pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine")
@pytest.mark.parametrize(
    ("diameter", "histology", "threshold"),
    [(12.5, "squamous", 0.1), (63.0, "other", 0.37), (200.0, "adenosquamous", 0.9)],
)
def test_a_browser_computes_the_same(
    drawn: Path, tmp_path: Path, diameter: float, histology: str, threshold: float
) -> None:
    values = {"fusion": 0.42, "max_diameter": diameter, "rbc": 3.9, "histology": histology}
    run = read_run(drawn)
    found = _opened(
        drawn / "report.html",
        tmp_path,
        **{f"calculator.{name}": value for name, value in values.items()},
        threshold=threshold,
    )
    assert found.shown == [True, True]
    wanted = risk(json.loads(nomogram_widget(run).json), values)
    assert [found.risk[key] for key in ("risk", "low", "high")] == pytest.approx(wanted, abs=1e-9)
    data = json.loads(threshold_widget(run).json)
    model = next(one for one in data["models"] if one["name"] == data["first"])
    k = round(100 * threshold)
    tp, fp, n, events = model["event"][k], model["no_event"][k], model["n"], model["events"]
    y = np.r_[np.ones(events), np.zeros(n - events)].astype(int)
    p = np.r_[np.ones(tp), np.zeros(events - tp), np.ones(fp), np.zeros(n - events - fp)] * 0.99
    benefit = stats.net_benefit(y, p, threshold=threshold)
    assert found.cells["tp"] == tp
    assert found.cells["fp"] == fp
    assert found.cells["tp"] + found.cells["fn"] == events
    assert found.cells["net_benefit"] == pytest.approx(benefit.value, abs=1e-12)
    assert found.ends["net_benefit"] == pytest.approx([benefit.low, benefit.high], abs=1e-12)
    assert found.cells["sensitivity"] == pytest.approx(tp / events, abs=1e-12)
