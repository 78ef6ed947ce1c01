"""The whole report: complete, gutted, hostile; the same bytes twice; no network, no script but ours, no model code."""

from __future__ import annotations

import base64
import hashlib
import html.parser
import io
import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from validkit.report import render_report
from validkit.report.figures.catalogue import CATALOGUE, plates
from validkit.report.records import read_run
from validkit.report.render import data_of

VOID = {"meta", "img", "br", "hr", "link", "input"}


class Reader(html.parser.HTMLParser):
    """Collects text, tags and attributes; checks that tags close in order."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.stack: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.faults: list[str] = []
        self.feed(page)
        self.close()
        self.text = re.sub(r"[\s\u00a0]+", " ", " ".join(self.words))

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag):
        if not self.stack or self.stack.pop() != tag:
            self.faults.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data):
        if self.stack and self.stack[-1] != "style":
            self.words.append(data)


def read(folder) -> Reader:
    return Reader((folder / "report.html").read_text(encoding="utf-8"))


def scripts(path) -> list[str]:
    """The type of each script of a page; "ours" for those whose hashes the page's policy names, and no others."""
    text = path.read_text(encoding="utf-8")
    policy = re.search(r"default-src 'none'; [^\"]*script-src((?: 'sha256-[^']+')+)\"", text).group(1)
    allowed = re.findall(r"'sha256-([^']+)'", policy)
    found = []
    for attributes, code in re.findall(r"<script([^>]*)>(.*?)</script>", text, re.DOTALL):
        own = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode() in allowed
        data = re.search(r'type="([^"]+)"', attributes)
        found.append("ours" if own else data.group(1) if data else "unknown")
        if data:
            json.loads(code)
    assert found.count("ours") == len(allowed)
    return found


SCRIPTS = [*["application/json"] * 3, *["ours"] * 2]
"""data of the calculator, of the curves and of the threshold; Plotly's script and our own"""


# --- complete ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def page(drawn):
    return read(drawn)


def test_page_is_well_formed_self_contained_and_small(drawn, page):
    assert page.faults == []
    assert page.stack == []
    names = {tag for tag, _ in page.tags}
    assert not names & {"link", "iframe", "object", "form"}
    assert scripts(drawn / "report.html") == SCRIPTS
    sources = [attrs["src"] for tag, attrs in page.tags if tag == "img"]
    assert all(re.match(r"data:image/(svg\+xml|webp;base64),", source) for source in sources)
    assert all(attrs["href"].startswith("#") for tag, attrs in page.tags if tag == "a")
    assert (drawn / "report.html").stat().st_size < 8e6


def test_every_figure_is_there_and_described(drawn, page):
    wanted = [entry for entry in CATALOGUE if entry.wanted(read_run(drawn))]
    assert len(wanted) == 16
    for entry in wanted:
        assert f". {entry.title.format(model='the nomogram')}." in page.text
        assert list((drawn / "figures").glob(f"{entry.name}*.svg"))
        assert list((drawn / "figures").glob(f"{entry.name}*.png"))
        assert list((drawn / "figures").glob(f"{entry.name}*.csv"))
    assert "not available because" not in page.text.lower()
    assert all(attrs.get("alt") for tag, attrs in page.tags if tag == "img")
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))


def test_first_screen_says_what_was_asked_of_whom_and_what_came(page):
    first = page.text[: page.text.index("Radiomic signature and its classifiers")]
    for words in (
        "SYNTHETIC",
        "pelvic lymph node metastasis?",
        "simulated patients (synthetic)",
        "127 patients, 40 with metastasis",
        "Held-out outcomes were looked at (deep)",
        "Deep stage shortened by an override: model.deep.epochs=2",
        "interval: DeLong; n = 127, 40 events",
        "Calibration slope",
        "Calibration in the large",
        "Brier score",
        "Net benefit of treating all",
        "Nomogram: held-out patients",
        "127 of 421 patients were held out once",
        "sealed on 2026-11-20 at 09:00 UTC, before these outcomes were first opened",
        "Held-out outcomes opened once",
        "None was run",
        "declares no acceptance criteria",
    ):
        assert words in first, words


def test_tables_name_methods_rules_and_adjustments(page):
    for words in (
        "AUC: DeLong",
        "Clopper-Pearson",
        "Hosmer-Lemeshow, 10 groups, df = g - 2: training patients",
        "Hosmer-Lemeshow, 10 groups of risk, df = g: held-out patients",
        "p (Holm)",
        "Its rule: Youden's J on training patients",
        "Training, cross-fitted",
        "Platt scaling, fitted on training, cross-fitted: slope 0.940",
    ):
        assert words in page.text, words


def test_figures_are_sound_svg_without_date_or_outside_reference(drawn):
    for path in (drawn / "figures").glob("*.svg"):
        source = path.read_text(encoding="utf-8")
        ET.fromstring(source)
        assert "<dc:date>" not in source
        links = re.findall(r'(?:href|src)="([^"#][^"]*)"', source)
        assert all(link.startswith("data:image/png") for link in links), path.name


def test_every_figure_has_its_data_beside_it(drawn):
    files = list((drawn / "figures").iterdir())
    stems = {suffix: {p.stem for p in files if p.suffix == suffix} for suffix in (".svg", ".png", ".csv")}
    assert stems[".svg"] == stems[".png"] == stems[".csv"]
    for plate in plates(read_run(drawn)):
        for suffix, display in plate.panels:
            stem = f"{plate.name}-{suffix}" if suffix else plate.name
            written = (drawn / "figures" / f"{stem}.csv").read_text(encoding="utf-8")
            assert written == data_of(display.frame()), stem
            assert len(pd.read_csv(io.StringIO(written))) == len(display.frame())


def test_same_records_give_same_bytes_in_another_process(drawn, complete_run, tmp_path):
    again = tmp_path / "plnm"
    shutil.copytree(complete_run, again)
    code = "import sys; from validkit.report import render_report; render_report(sys.argv[1])"
    (tmp_path / "mpl").mkdir()
    (tmp_path / "mpl" / "matplotlibrc").write_text("font.size: 20\nlines.linewidth: 9\n")
    environment = {**os.environ, "PYTHONHASHSEED": "7", "MATPLOTLIBRC": str(tmp_path / "mpl" / "matplotlibrc")}
    subprocess.run([sys.executable, "-c", code, str(again)], check=True, env=environment, timeout=300)
    first = {p.relative_to(drawn): p.read_bytes() for p in drawn.rglob("*") if p.is_file()}
    second = {p.relative_to(again): p.read_bytes() for p in again.rglob("*") if p.is_file()}
    assert first.keys() == second.keys()
    assert [str(name) for name in first if first[name] != second[name]] == []


def test_report_imports_no_model_code(complete_run):
    code = (
        "import sys, validkit.report\n"
        "assert 'matplotlib' not in sys.modules\n"
        "from validkit.report import render, terminal\n"
        "bad = 'torch sklearn SimpleITK radiomics xgboost validkit.plnm validkit.cohort matplotlib.pyplot'.split()\n"
        "assert not [m for m in bad if m in sys.modules], [m for m in bad if m in sys.modules]\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


# --- gutted ------------------------------------------------------------------------------------


def test_a_run_with_nothing_but_run_json_gives_a_page_that_says_so(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    (tmp_path / "figures").mkdir()
    for suffix in ("svg", "csv"):
        (tmp_path / "figures" / f"05-roc-radiomics-training.{suffix}").write_text("old")
    (tmp_path / "figures" / "notes.svg").write_text("mine")
    render_report(tmp_path)
    found = read(tmp_path)
    assert found.faults == []
    assert [p.name for p in (tmp_path / "figures").iterdir()] == ["notes.svg"]
    assert found.text.count("ot available because") >= 14
    assert "the run folder has no evaluation.json" in found.text
    assert "SYNTHETIC" not in found.text


def test_missing_pieces_are_explained_where_they_are_missed(run_folder, edit):
    def no_numbers(record):
        for model in record["models"]:
            for scores in model["sets"].values():
                scores["roc"] = scores["calibration"] = scores["decision"] = None
                scores["calibration_groups"] = []
                scores["risks"] = None
                for key in ("low", "high"):
                    scores["auc"][key] = None
                scores["auc"]["note"] = "a single event"
                scores["slope"] = {**scores["slope"], "value": None, "low": None, "high": None, "note": "separated"}
                scores["hosmer_lemeshow"].update(statistic=None, p_value=None, note="fewer than 3 groups of risk")
                scores["at"] = []
        record["comparisons"] = {"training": [], "held-out": []}

    edit("evaluation.json", no_numbers)
    edit("stages/selection.json", lambda r: r.update(lasso=None, selected=[{"feature": "a", "coefficient": None}]))
    edit("stages/deep.json", lambda r: (r.update(saliency=[]), [b.update(epochs=[]) for b in r["backbones"]]))
    edit("stages/fusion.json", lambda r: r.update(selected=[]))
    (run_folder / "stages" / "radiomics.json").unlink()
    (run_folder / "stages" / "nomogram.json").unlink()
    edit("stages/reproducibility.json", lambda r: r.update(icc={}))
    render_report(run_folder)
    found = read(run_folder)
    assert found.faults == []
    for words in (
        "the protocol's selection has no LASSO step",
        "no coefficients were recorded",
        "no epoch was trained",
        "no heat map was asked for",
        "no fused column was kept",
        "no ROC curve was recorded",
        "no calibration curve and no groups of risk",
        "no decision curve was recorded",
        "the run folder has no stages/radiomics.json",
        "the run folder has no stages/nomogram.json",
        "no comparison was recorded",
        "asks for no thresholds",
        "a single event",
        "separated",
        "fewer than 3 groups of risk",
        "no interval",
    ):
        assert words in found.text, words
    assert not (run_folder / "tables" / "comparisons.csv").exists()
    assert {p.name for p in (run_folder / "figures").iterdir()} == {"00-flow.csv", "00-flow.png", "00-flow.svg"}


# --- hostile -----------------------------------------------------------------------------------

NASTY = "<script>alert(1)</script>\"'><img src=x onerror=y> $\\frac{ {{7*7}} _x \u202e 盆腔 =1+1 \x00"


def test_hostile_names_are_shown_and_harmless(run_folder, edit):
    def rename(record):
        for model in record["models"]:
            model["label"] = NASTY
            for scores in model["sets"].values():
                scores["auc"]["method"] = scores["threshold"]["rule"] = scores["auc"]["note"] = NASTY

    edit("evaluation.json", rename)
    edit("run.json", lambda r: (r["protocol"].update(question=NASTY), r["cohort"]["excluded"][0].update(patient=NASTY)))
    edit("run.json", lambda r: r.update(notices=[{"severity": 'warning" x', "stage": NASTY, "text": NASTY}]))
    edit("run.json", lambda r: r["outcome"].update(positive=NASTY, negative=NASTY))
    edit("stages/deep.json", lambda r: [s.update(patient=NASTY) for s in r["saliency"]])
    edit("stages/deep.json", lambda r: r["backbones"][0].update(name="../../" + NASTY))
    edit("stages/nomogram.json", lambda r: r["terms"][1].update(label=NASTY, unit=NASTY))
    edit(
        "stages/selection.json", lambda r: r.update(selected=[{"feature": "_" + NASTY, "coefficient": 1.0}], lasso=None)
    )
    edit(
        "stages/cohort.json",
        lambda r: r["table1"].update(columns=[NASTY] * 6, rows=[[NASTY, "=1+1", -0.5, None, 0.0001, "x"]]),
    )
    for name in ("reproducibility", "fusion"):
        (run_folder / "stages" / f"{name}.json").unlink()
    render_report(run_folder)
    found = read(run_folder)
    assert found.faults == []
    assert "frac" not in {tag for tag, _ in found.tags}
    assert scripts(run_folder / "report.html") == SCRIPTS
    assert not [attrs for _, attrs in found.tags if any(name.startswith("on") for name in attrs)]
    assert all(attrs["src"].startswith("data:") for tag, attrs in found.tags if tag == "img")
    assert "<script>alert(1)</script>" in found.text
    assert "{{7*7}}" in found.text
    page = (run_folder / "report.html").read_text(encoding="utf-8")
    assert "\u202e" not in page
    assert "\x00" not in page
    outside = [p for p in run_folder.rglob("*") if not p.resolve().is_relative_to(run_folder.resolve())]
    assert outside == []
    table = (run_folder / "tables" / "table1.csv").read_text(encoding="utf-8")
    assert "'=1+1" in table
    assert ",-0.5," in table
    for path in (run_folder / "figures").glob("*.svg"):
        ET.fromstring(path.read_text(encoding="utf-8"))


def test_heavy_figures_are_inlined_as_png_and_the_page_stays_small(run_folder, edit):
    rng = np.random.default_rng(1)
    x = np.sort(rng.random(40_000))

    def heavy(record):
        record["models"] = [m for m in record["models"] if m["name"] in ("radiomics", "radiomics/svm", "nomogram")]
        for model in record["models"]:
            for scores in model["sets"].values():
                scores["roc"].update(x=x.tolist(), y=rng.random(40_000).tolist())

    edit("evaluation.json", heavy)
    for name in ("radiomics", "reproducibility", "selection", "deep", "fusion", "nomogram"):
        (run_folder / "stages" / f"{name}.json").unlink()
    page = render_report(run_folder)
    svg = (run_folder / "figures" / "05-roc-radiomics-training.svg").stat().st_size
    assert svg > 200_000
    assert page.stat().st_size < 8e6
    assert "data:image/webp" in page.read_text(encoding="utf-8")


def test_json_on_disk_is_not_touched(drawn, complete_run):
    for path in complete_run.rglob("*.json"):
        assert json.loads(path.read_text()) == json.loads((drawn / path.relative_to(complete_run)).read_text())
