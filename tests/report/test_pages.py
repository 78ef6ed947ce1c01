"""Pages of pools, certificates and claims: complete, closed to markup from names, nothing left empty."""

from __future__ import annotations

import copy
import html.parser
import json
from pathlib import Path
from typing import Any

import pytest

from validkit.audit.claims.auditing import audit_claims
from validkit.certify.page import default_rows
from validkit.certify.table import read_csv, summary_rows
from validkit.report.certified import certified_page
from validkit.report.claimed import claims_page
from validkit.report.pooled import pool_page

pytest.importorskip("skops", reason="site summaries need the models extra")

from tests.centre.test_summary import centres
from tests.report.test_report import scripts
from validkit.centre.pooling import pool_summaries

NASTY = "<script>alert(1)</script>\"'><img src=x onerror=y> {{7*7}} \u202e =1+1 \x00"
COVERAGE = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "coverage.csv"


class Page(html.parser.HTMLParser):
    """Tags, and the words of each chapter."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: dict[str, str] = {}
        self.chapter = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "section" and dict(attrs).get("id"):
            self.chapter = str(dict(attrs)["id"])
            self.words[self.chapter] = ""

    def handle_data(self, data: str) -> None:
        if self.chapter:
            self.words[self.chapter] += data.strip()


@pytest.fixture(scope="module")
def pooled() -> dict[str, Any]:
    return pool_summaries(centres(6), bounds={"auc": (0.7, None), "oe": (0.8, 1.25)})


def _renamed(value: Any, name: str, new: str) -> Any:
    if isinstance(value, dict):
        return {new if key == name else key: _renamed(one, name, new) for key, one in value.items()}
    if isinstance(value, list):
        return [_renamed(one, name, new) for one in value]
    return new if value == name else value


def _harmless(text: str, tmp_path: Path) -> Page:
    path = tmp_path / "page.html"
    path.write_text(text, encoding="utf-8")
    assert scripts(path) == ["ours"]
    page = Page(text)
    assert not [attrs for _, attrs in page.tags if any(name.startswith("on") for name in attrs)]
    assert all(str(attrs["src"]).startswith("data:") for tag, attrs in page.tags if tag == "img")
    assert "\u202e" not in text
    assert "\x00" not in text
    assert "{{7*7}}" in text
    return page


def test_a_pool_tells_the_mean_the_new_centre_and_every_centre(pooled: dict[str, Any]) -> None:
    text = pool_page(pooled, "0")
    page = Page(text)
    assert all(page.words.values()), page.words
    found = pooled["models"]["nomogram"]["auc"]
    mean, new = found["pooled"]["estimate"], found["pooled"]["prediction"]
    assert f"{mean['value']:.3f} [{mean['low']:.3f}, {mean['high']:.3f}] on average over 6 centres" in text
    assert f"at a new centre {new['low']:.3f} to {new['high']:.3f}" in text
    for row in found["centres"]:
        assert f"{row['estimate']['value']:.3f}" in page.words["model-1"]
        assert f"{100 * row['weight']:.1f} %" in page.words["model-1"]
    assert "meta-regression takes 10 centres" in page.words["model-1"]


def test_hostile_names_of_centres_and_models_are_harmless(pooled: dict[str, Any], tmp_path: Path) -> None:
    hostile = _renamed(copy.deepcopy(pooled), "centre 0", NASTY)
    _harmless(pool_page(_renamed(hostile, "nomogram", NASTY), "0"), tmp_path)


def test_hostile_words_of_a_study_are_harmless(tmp_path: Path) -> None:
    record = json.loads(json.dumps(audit_claims("wang-2025")))
    record["study"]["title"] = record["study"]["reference"] = NASTY
    for one in record["findings"]:
        one["what"] = one["why"] = one["effect"] = one["method"] = NASTY
    page = _harmless(claims_page(record), tmp_path)
    assert all(page.words.values())


def test_every_verdict_on_claims_has_a_chapter_that_says_something() -> None:
    page = Page(claims_page(audit_claims("wang-2025")))
    assert list(page.words) == [
        "impossible", "contradiction", "implausible", "inadequate", "missing", "not-checked", "consistent",
    ]  # fmt: skip
    assert "No check came to this." in page.words["impossible"]


def test_certificates_name_every_method_and_the_defaults_that_are_off(tmp_path: Path) -> None:
    rows = read_csv(COVERAGE.read_text(encoding="utf-8"))
    summary = summary_rows(rows)
    page = Page(certified_page(rows, summary, default_rows(rows), "0"))
    assert all(page.words.values())
    told = "".join(page.words.values())
    assert all(row["measure"] in told and row["method"] in told for row in summary)
    for one in rows[:3]:
        one.update(measure=NASTY, method=NASTY)
    _harmless(certified_page(rows[:200], summary_rows(rows[:200]), [], "0"), tmp_path)
