"""What judging commands say at their end: about a dozen lines, failures first, nothing read as markup."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console, RenderableType

from tests.commands import command
from validkit.centre.pooling import WORDS
from validkit.report import lines
from validkit.report.checklists import checklist, checklist_record
from validkit.report.short_answers import (
    audit_answer,
    certify_answer,
    checklist_answer,
    claims_answer,
    pool_answer,
    verify_answer,
)

MARKUP = "[red]x[/nope]"


def printed(found: RenderableType, width: int = 110) -> str:
    out = io.StringIO()
    lines.show(Console(file=out, width=width, color_system=None), found)
    return out.getvalue().replace("\u00a0", " ")


def estimate(value: float | None, low: float | None = None, high: float | None = None) -> dict[str, Any]:
    return {"value": value, "low": low, "high": high, "level": 0.95, "method": "Wald", "se": None, "note": ""}


def finding(outcome: str, why: str, model: str = "") -> dict[str, Any]:
    return {"outcome": outcome, "why": why, "model": model, "advice": "look again"}


def audited(findings: list[dict[str, Any]], models: int = 1) -> dict[str, Any]:
    scores = {"auc": estimate(0.7123, 0.65, 0.77), "slope": estimate(None), "oe": estimate(1.1, 1.0, 1.2)}
    counts = {key: sum(one["outcome"] == key for one in findings) for key in ("pass", "concern", "fail")}
    return {
        "source": f"{MARKUP}.csv",
        "primary": "test",
        "level": 0.95,
        "roles": {"split": "part"},
        "sets": {"test": {"n": 1200, "events": 310, "models": {f"m{k}": scores for k in range(models)}}},
        "threshold": {"value": 0.3, "rule": "as declared"},
        "findings": findings,
        "counts": counts,
        "acceptance": {"overall": "met", "criteria": [{"outcome": "met", "quantity": "AUC", "rule": "at least 0.6"}]},
    }


def test_an_audit_says_of_whom_what_and_failures_first(tmp_path: Path) -> None:
    found = [finding("concern", f"concern {k}") for k in range(7)] + [finding("fail", MARKUP, "m0")]
    said = printed(audit_answer(audited(found), tmp_path / "report.html"))
    rows = said.splitlines()
    assert rows[0] == f"{MARKUP}.csv: rows of 'test' (n = 1,200, 310 events)"
    assert "m0     0.712 [0.650, 0.770]  —      1.100 [1.000, 1.200]" in said
    assert "acceptance: met (1 of 1)" in said
    warnings = [row for row in rows if row.startswith("!")]
    assert warnings[0] == f"! fails: m0: {MARKUP}; look again"
    assert warnings[-1] == "! and 3 more in audit.json"
    assert rows[-1] == f"report: {tmp_path / 'report.html'}"
    assert len(rows) <= 14


def test_many_models_are_told_in_part_and_a_page_is_not_promised() -> None:
    said = printed(audit_answer(audited([], models=20)))
    assert said.count("0.712") == 6
    assert "14 more models in --json, or --out DIR for a page" in said
    assert "report:" not in said


def test_no_number_is_cut_on_a_narrow_terminal_and_no_path(tmp_path: Path) -> None:
    page = tmp_path / ("a" * 60) / "report.html"
    said = printed(audit_answer(audited([], models=2), page), width=40)
    assert "0.712 [0.650, 0.770]  —      1.100 [1.000, 1.200]" in said
    assert f"report: {page}\n" in said
    cut = printed(lines.numbers([("AUC", "0.712", "[0.650 to 0.770]", "95 % interval: DeLong; n = 3")]), width=40)
    assert cut.strip() == "AUC  0.712  [0.650 to 0.770]  95 % in…"


def test_claims_say_the_impossible_first() -> None:
    verdicts = ["missing", "impossible", *["inadequate"] * 9]
    record = {
        "study": {"reference": "", "title": MARKUP},
        "samples": [{"name": "test", "n": 127, "events": 31}],
        "findings": [{"verdict": v, "what": f"w{k}", "why": MARKUP} for k, v in enumerate(verdicts)],
        "counts": {"impossible": 1, "contradiction": 0, "inadequate": 9, "missing": 1},
    }
    rows = printed(claims_answer(record)).splitlines()
    assert rows[:3] == [
        MARKUP,
        "  test: n = 127, 31 events",
        "  11 checks: 1 impossible, 9 inadequate, 1 missing",
    ]
    assert rows[3] == f"! impossible: w1: {MARKUP}"
    assert rows[-1] == "! and 5 more in --json, or --out DIR for a page"


def pooled(value: float, chance: float | None, centres: int, p: float | None) -> dict[str, Any]:
    rows = [] if p is None else [{"covariate": "year", "slope": estimate(1.0, 0.5, 1.5), "p_adjusted": p}]
    return {
        "centres": [{}] * centres,
        "pooled": {
            "estimate": estimate(value, value - 0.1, value + 0.1),
            "prediction": estimate(value),
            "i2": estimate(0.4),
        },
        "probability_within": chance,
        "regressions": {"rows": rows},
    }


def test_a_pool_tells_the_mean_a_new_centre_and_who_tells_nothing(tmp_path: Path) -> None:
    centres = [{"site": f"c{k}", "n": 100, "events": 20, "withheld": []} for k in range(11)]
    centres.append({"site": MARKUP, "n": 20, "events": 0, "withheld": ["too few events"]})
    record = {
        "judged": {"kind": "bundle", "name": "home", "digest": "ab" * 32},
        "synthetic": True,
        "method": "reml",
        "level": 0.95,
        "centres": centres,
        "models": {
            "lr": {"auc": pooled(0.7, 0.93, 11, 0.001), "oe": pooled(1.0, None, 12, 0.4)},
            "other": {"auc": pooled(0.6, None, 11, None)},
        },
    }
    said = printed(pool_answer(record, WORDS | {"year": "the year"}, tmp_path))
    rows = said.splitlines()
    assert rows[0].strip().startswith("SYNTHETIC")
    assert rows[1] == "bundle home (abababababab), 12 centres (n = 1,120, 220 events)"
    assert "AUC (11 centres)     0.700 [0.600, 0.800]  not known     40.0 %  93.0 %" in said
    assert "AUC of the others: other 0.600 [0.500, 0.700]" in said
    assert "of 2 meta-regressions: AUC with the year (corrected p = 0.001)" in said
    assert f"! {MARKUP} tells nothing: too few events" in said
    assert rows[-1] == f"written into {tmp_path}"
    (tmp_path / "report.html").write_text("")
    assert f"report: {tmp_path / 'report.html'}" in printed(pool_answer(record, WORDS, tmp_path))
    assert "written" not in printed(pool_answer(record, WORDS))


def test_certificates_tell_the_worst_first() -> None:
    rows = [{"verdict": v, "simulations": 20} for v in ("inside", "near", "failing, too low", "")]
    base = {"measure": "auc", "kind": "risks", "sort": "interval", "cells": 9, "least": 0.9, "largest": 0.97}
    summary = [{**base, "method": f"m{k}", "failing": k} for k in range(8)]
    said = printed(certify_answer(rows, summary, [Path("a.csv"), Path("b.md")])).splitlines()
    assert said[0] == "8 methods in 3 rows (20 simulations each)"
    assert said[1] == "  1 inside 94 to 96 %, 1 near (92.5 to 97.5 %), 1 failing"
    assert said[2] == "! fails: auc, m7 (risks, interval): 90.0 % to 97.0 %, in 7 of 9 cells"
    assert said[-2:] == ["! and 2 more in the tables", "written: a.csv, b.md"]
    assert printed(certify_answer([], [], []))


def test_a_checklist_tells_which_items_need_the_authors(complete_run: Path) -> None:
    run, filled = checklist(complete_run, "tripod-ai")
    record = checklist_record(run, "tripod-ai", filled) | {"file": "out.html"}
    rows = printed(checklist_answer(record)).splitlines()
    wanted = [one.item.number for one in filled if one.status != "from the run"]
    assert rows[0].startswith("TRIPOD+AI")
    assert any(row.startswith(f"! {len(wanted)} items need the authors: {wanted[0]}, ") for row in rows)
    assert rows[-1] == "checklist: out.html"


def test_a_folder_verified_tells_what_was_changed_whole() -> None:
    checks = [
        {"code": "a", "question": "Whole?", "outcome": "pass", "evidence": "2 files", "mend": ""},
        {"code": "b", "question": "Listed?", "outcome": "fail", "evidence": f"{MARKUP} is new", "mend": "restore it"},
    ]
    rows = printed(verify_answer({"folder": "runs/x", "ledger": None, "checks": checks})).splitlines()
    assert rows == [
        "runs/x was changed after the run",
        "  2 checks: 1 pass, 1 fail, 0 not applicable",
        f"! fails: Listed? {MARKUP} is new; restore it",
        "  pass  Whole?  2 files",
    ]
    whole = printed(verify_answer({"folder": "runs/x", "ledger": None, "checks": checks[:1]}))
    assert whole.startswith("runs/x is what the run left")


def test_commands_end_with_their_answer(tmp_path: Path, capsys: Any) -> None:
    rng = np.random.default_rng(1)
    risk = rng.uniform(0.05, 0.9, 200).round(4)
    pd.DataFrame({"y": rng.binomial(1, risk), "[b]risk[/i]": risk}).to_csv(tmp_path / "p.csv", index=False)
    assert command("audit", tmp_path / "p.csv", "--outcome", "y", "--model", "[b]risk[/i]", "--threshold", "0.3") == 0
    assert "[b]risk[/i]" in capsys.readouterr().out


def test_a_report_and_a_checklist_say_what_came_out(run_folder: Path, capsys: Any, tmp_path: Path) -> None:
    assert command("report", run_folder) == 0
    said = capsys.readouterr().out
    assert "AUC of the others:" in said
    assert f"report: {run_folder / 'report.html'}" in said
    assert command("checklist", run_folder, "--guideline", "metrics") == 0
    both = capsys.readouterr()
    assert both.out.startswith("# METRICS")
    assert "items need the authors" in both.err
    assert command("checklist", run_folder, "--guideline", "metrics", "--out", tmp_path / "m.csv") == 0
    assert f"checklist: {tmp_path / 'm.csv'}" in capsys.readouterr().out
