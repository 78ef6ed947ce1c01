"""Reports in a real browser: they compute what Python computes, ask for nothing, and can be read by everyone."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.report.test_widgets import risk
from validkit import stats
from validkit.audit.claims.auditing import audit_claims
from validkit.certify.page import default_rows
from validkit.certify.table import read_csv, summary_rows
from validkit.report.certified import certified_page
from validkit.report.claimed import claims_page
from validkit.report.records import read_run
from validkit.report.widgets import nomogram_widget, threshold_widget

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright, of the test extra")
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine (Debian: apt-get install chromium)")
COVERAGE = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "coverage.csv"
DESKTOP, PHONE = (1280, 900), (390, 800)


@dataclass
class Seen:
    """What a page did beside being shown."""

    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


Opened = tuple[Any, Seen]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


@contextmanager
def opened(browser: Any, path: Path, size: tuple[int, int] = DESKTOP, **options: Any) -> Iterator[Opened]:
    page = browser.new_page(viewport={"width": size[0], "height": size[1]}, **options)
    seen = Seen()
    page.on("console", lambda message: seen.errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    page.on("request", lambda request: seen.requests.append(request.url))
    page.goto(path.as_uri())
    try:
        yield page, seen
    finally:
        page.close()


@pytest.fixture(scope="module")
def pages(
    drawn: Path, drawn_variants: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """`pages("claims")`: the path of a page of that sort."""
    folder = tmp_path_factory.mktemp("pages")

    def path(name: str) -> Path:
        if name == "run":
            return drawn / "report.html"
        if name == "sites":
            return drawn_variants(name) / "report.html"
        found = folder / f"{name}.html"
        if not found.exists():
            found.write_text(MAKERS[name](folder), encoding="utf-8")
        return found

    return path


def _audit(folder: Path) -> str:
    from validkit.audit.predictions.auditing import audit_predictions
    from validkit.audit.predictions.reading import Roles
    from validkit.report.audited import audit_page
    from validkit.simulation import PairedRisks, Risks

    rng = np.random.default_rng(3)
    y, a, b = PairedRisks(Risks(0.78, 0.3), Risks(0.7, 0.3)).sample(400, rng)
    sites = rng.choice(["north", "south", "<b>east</b>"], 400)
    lines = [
        "y,new,old,site,sex",
        *(f"{v},{p:.6f},{q:.6f},{s},{s[0]}" for v, p, q, s in zip(y, a, b, sites, strict=True)),
    ]
    (folder / "risks.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    roles = Roles(outcome="y", models=("new", "old"), site="site", subgroups=("sex",))
    return audit_page(audit_predictions(folder / "risks.csv", roles=roles))


def _pool(folder: Path) -> str:
    from tests.centre.test_summary import centres
    from validkit.centre.pooling import pool_summaries
    from validkit.report.pooled import pool_page

    return pool_page(pool_summaries(centres(6), bounds={"auc": (0.7, None)}), "0")


def _claims(folder: Path) -> str:
    return claims_page(audit_claims("wang-2025"))


def _certificate(folder: Path) -> str:
    rows = read_csv(COVERAGE.read_text(encoding="utf-8"))
    return certified_page(rows, summary_rows(rows), default_rows(rows), "0")


def _comparison(folder: Path) -> str:
    from tests.comparing.folders import Study, make_run
    from validkit.comparing import compare_runs
    from validkit.report.compared import compared_page

    other = make_run(folder / "two", Study(noise={"a": 3, "b": 2}))
    return compared_page(compare_runs([make_run(folder / "one"), other]))


MAKERS = {"comparison": _comparison, "audit": _audit, "pool": _pool, "claims": _claims, "certificate": _certificate}
SORTS = ("run", "sites", *MAKERS)


# --- what is computed ------------------------------------------------------------------------------


def test_every_slider_of_the_nomogram_gives_the_risk_that_python_gives(browser: Any, drawn: Path) -> None:
    data = json.loads(nomogram_widget(read_run(drawn)).json)
    with opened(browser, drawn / "report.html") as (page, seen):
        box = page.locator('[data-widget="calculator"]')
        shown = box.locator("[data-risk]")
        values: dict[str, Any] = {}
        for i, term in enumerate(data["terms"]):
            named = box.locator(f"#calculator-{i}")
            values[term["name"]] = named.input_value()
        moved = 0
        for i, term in enumerate(data["terms"]):
            row = box.locator("tr", has=page.locator(f"#calculator-{i}"))
            if row.locator('input[type="range"]').count():
                low, high = term["range"]
                for place in (0.0, 0.31, 1.0):
                    row.locator('input[type="range"]').fill(str(low + place * (high - low)))
                    values[term["name"]] = box.locator(f"#calculator-{i}").input_value()
                    _same_risk(shown, data, values)
                    moved += 1
            else:
                options = row.locator("option")
                for k in range(options.count()):
                    values[term["name"]] = str(options.nth(k).get_attribute("value"))
                    box.locator(f"#calculator-{i}").select_option(values[term["name"]])
                    _same_risk(shown, data, values)
                    moved += 1
        assert moved >= 2 * len(data["terms"])
        number = box.locator('input[type="number"]').last
        number.fill("")
        assert shown.get_attribute("data-risk") == "NaN"
        number.fill("1e6")
        assert "beyond what patients of development covered" in box.locator('[role="status"]').inner_text()
        assert seen.errors == []


def _same_risk(shown: Any, data: dict[str, Any], values: dict[str, Any]) -> None:
    found = [float(shown.get_attribute(f"data-{key}")) for key in ("risk", "low", "high")]
    assert found == pytest.approx(risk(data, values), abs=1e-9)


def test_the_threshold_moves_every_number_that_follows_from_it(browser: Any, drawn: Path) -> None:
    data = json.loads(threshold_widget(read_run(drawn)).json)
    with opened(browser, drawn / "report.html") as (page, seen):
        slider = page.locator("#threshold-at")
        usable = [t for t in data["models"][0]["thresholds"] if 0 < t < 1]
        for model in data["models"][:3]:
            page.locator("#threshold-model").select_option(model["name"])
            for place in (0, len(usable) // 5, len(usable) // 2, len(usable) - 1):
                slider.fill(str(place))
                _same_counts(page, model, usable[place])
        assert seen.errors == []


def _same_counts(page: Any, model: dict[str, Any], threshold: float) -> None:
    def cell(name: str, part: str = "value") -> float:
        return float(page.locator(f'.threshold [data-name="{name}"]').get_attribute(f"data-{part}"))

    k = model["thresholds"].index(threshold)
    tp, fp, n, events = model["event"][k], model["no_event"][k], model["n"], model["events"]
    y = np.r_[np.ones(events), np.zeros(n - events)].astype(int)
    p = np.r_[np.ones(tp), np.zeros(events - tp), np.ones(fp), np.zeros(n - events - fp)] * 0.99 + 0.005
    p = np.where(p > 0.5, 1.0, 0.0)
    benefit = stats.net_benefit(y, p, threshold=threshold)
    assert (cell("tp"), cell("fp")) == (tp, fp)
    assert (cell("fn"), cell("tn")) == (events - tp, n - events - fp)
    assert cell("sensitivity") == pytest.approx(tp / events, abs=1e-12)
    assert cell("specificity") == pytest.approx(1 - fp / (n - events), abs=1e-12)
    assert cell("net_benefit") == pytest.approx(benefit.value, abs=1e-12)
    ends = [cell("net_benefit", end) for end in ("low", "high")]
    assert ends == pytest.approx([benefit.low, benefit.high], abs=1e-12, nan_ok=True)


def test_models_are_switched_on_all_curves_at_once(browser: Any, drawn: Path) -> None:
    visible = """() => [...document.querySelectorAll('.plot')].map((plot) =>
        plot.data.filter((trace) => trace.meta !== undefined && trace.visible !== false).map((trace) => trace.meta))"""
    with opened(browser, drawn / "report.html") as (page, seen):
        models = page.locator("input[data-model]")
        before = page.evaluate(visible)
        assert [sorted(set(found)) for found in before] == [list(range(models.count()))] * 3
        models.nth(1).uncheck()
        assert all(1 not in found for found in page.evaluate(visible))
        models.nth(1).press("Space")
        assert page.evaluate(visible) == before
        curves = page.evaluate(
            "() => document.querySelector('[data-plot=roc]').data.map((trace) => [trace.x, trace.y])"
        )
        run = read_run(drawn)
        for model, (x, y) in zip(run.compared(), curves[1:], strict=True):
            recorded = model["sets"][run.primary]["roc"]
            assert x == pytest.approx(recorded["x"], abs=1e-5)
            assert y == pytest.approx(recorded["y"], abs=1e-5)
        page.locator("#curves-set").select_option("training")
        assert page.evaluate("() => document.querySelector('[data-plot=roc]').data[1].x.length") != len(curves[1][0])
        page.locator('[data-plot="roc"]').scroll_into_view_if_needed()
        box = page.locator('[data-plot="roc"] .nsewdrag').bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.3, steps=4)
        page.wait_for_selector('[data-plot="roc"] .hovertext', timeout=5000)
        assert "sensitivity" in page.locator('[data-plot="roc"] .hovertext').first.text_content().lower()
        assert seen.errors == []


def test_printed_figures_give_way_on_the_screen_and_come_back(browser: Any, drawn: Path) -> None:
    with opened(browser, drawn / "report.html") as (page, _):
        figure = page.locator('figure[data-plate="12-roc-models"]')
        assert not figure.is_visible()
        page.locator("#curves-printed").check()
        assert figure.is_visible()
        page.locator("#curves-printed").uncheck()
        page.emulate_media(media="print")
        assert figure.is_visible()
        assert not page.locator(".widget-curves").is_visible()


def test_tables_sort_by_number_and_by_word(browser: Any, drawn: Path) -> None:
    """Every column of every visible table that sorts: up, then down, numbers as numbers, none lost."""
    with opened(browser, drawn / "report.html") as (page, seen):
        tables = page.locator("table:visible", has=page.locator("th[aria-sort] button"))
        assert tables.count() >= 3
        numeric = 0
        for k in range(tables.count()):
            table = tables.nth(k)
            for column in range(table.locator("thead th").count()):
                cells = table.locator(f"tbody tr > :nth-child({column + 1})")
                before = sorted(cells.all_text_contents())
                head = table.locator("thead th").nth(column)
                head.locator("button").click()
                assert head.get_attribute("aria-sort") == "ascending"
                up = [_read(words) for words in cells.all_text_contents()]
                assert sorted(cells.all_text_contents()) == before
                if all(value is not None for value in up):
                    assert up == sorted(up)
                    numeric += 1
                head.locator("button").press("Enter")
                assert head.get_attribute("aria-sort") == "descending"
        assert numeric >= 3
        assert seen.errors == []


def _read(words: str) -> float | None:
    """The number that a cell begins with, as the page's script reads it."""
    found = re.match(r"-?\d+(\.\d+)?", words.strip().replace("\u2212", "-"))
    return None if found is None else float(found[0])


# --- what is asked for, and for whom it can be read ------------------------------------------------


@pytest.mark.parametrize("sort", SORTS)
def test_a_page_is_quiet_and_nobody_is_left_out(browser: Any, pages: Callable[[str], Path], sort: str) -> None:
    """No error, no request, no serious violation of axe-core in light or dark, no sideways scrolling on a phone."""
    axe = (resources.files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
    path = pages(sort)
    assert path.stat().st_size < 8e6
    for scheme, size in (("light", DESKTOP), ("dark", PHONE)):
        with opened(browser, path, size, color_scheme=scheme) as (page, seen):
            page.evaluate(axe)
            found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
            told = [(one["id"], one["impact"], one["nodes"][0]["target"]) for one in found]
            assert [one for one in told if one[1] in ("serious", "critical")] == []
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= size[0], f"{wide} pixels on a screen of {size[0]}"
            assert seen.errors == []
            assert seen.requests == [path.as_uri()]


@pytest.mark.parametrize("sort", SORTS)
def test_the_answer_stands_on_the_first_screen(browser: Any, pages: Callable[[str], Path], sort: str) -> None:
    with opened(browser, pages(sort)) as (page, _):
        answer = page.locator("section.answer")
        assert answer.bounding_box()["y"] + answer.bounding_box()["height"] < DESKTOP[1]
        assert page.locator("section.answer .verdict").inner_text()
        headings = page.locator("h1, h2").evaluate_all("all => all.map((one) => one.tagName)")
        assert headings[0] == "H1"
        assert headings.count("H1") == 1
        if sort in ("run", "audit"):
            assert page.locator(".answer .card .value").inner_text().startswith("0.")
            pictures = page.locator(".answer img").evaluate_all("all => all.map((one) => one.alt.split(',')[0])")
            told = ["Calibration plot with the distribution of risks under it", "Decision curve"]
            assert pictures == [*told, "Distribution of predicted risks by outcome"]


@pytest.mark.parametrize("sort", ["run", "audit"])
def test_without_scripts_nothing_is_lost(browser: Any, pages: Callable[[str], Path], sort: str) -> None:
    with opened(browser, pages(sort), java_script_enabled=False) as (page, seen):
        assert page.locator("figure:visible").count() == page.locator("figure").count()
        assert page.locator("[data-widget]:visible").count() == 0
        assert page.locator("noscript").count() == page.locator("[data-widget]").count()
        assert seen.requests == [pages(sort).as_uri()]


@pytest.mark.parametrize("sort", SORTS)
def test_print_is_a_clean_document(browser: Any, pages: Callable[[str], Path], sort: str) -> None:
    with opened(browser, pages(sort), (720, 1000)) as (page, _):
        page.emulate_media(media="print")
        cut = page.evaluate(
            """() => [...document.querySelectorAll('table')].filter((one) => one.checkVisibility()
                && one.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
                .map((one) => one.ariaLabel)"""
        )
        assert cut == []
        assert page.locator("nav:visible").count() == 0
        written = page.pdf(format="A4")
        assert written.startswith(b"%PDF")
        assert len(re.findall(rb"/Type\s*/Page\b", written)) >= 1
