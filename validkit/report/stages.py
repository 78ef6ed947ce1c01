"""The page's tables of each stage, from its record."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable

from validkit.report import text
from validkit.report.page import Block, Cell, Details, Facts, Row, Text, measure, row_head, table, whole
from validkit.report.records import NotAvailable, Record, Run
from validkit.report.values import count, estimate, number

SCREENS = (
    ("constant", "Constant in this cohort"),
    ("round_off", "Round-off noise only"),
    ("image_independent", "Independent of the image"),
)
KEEP = {"both": "in every group", "either": "in at least one group"}


def flow(record: Record) -> Block:
    """How many patients came in, left and stayed."""
    rows = [
        [row_head(s["step"]), whole(count(s.get("n"))), _events(count(s.get("events"))), Cell(s.get("reason") or "")]
        for s in record["flow"]
    ]
    return table("Flow of patients", ["Step", "n", "Events", "Reason"], rows)


def _events(n: int | None) -> Cell:
    return Cell(text.whole(n), note="" if n is not None else "not counted at this step", numeric=True)


def extraction(record: Record) -> Iterable[Block]:
    """What was extracted, what was guarded, and which features carry nothing."""
    guarded = record.get("guarded") or {}
    patients = list(map(str, guarded.get("patients") or []))
    yield Facts(
        (
            ("Preset", str(record["preset"])),
            ("Features", text.whole(count(record["n_features"]))),
            ("Patients", text.whole(count(record["n_patients"]))),
            ("Extracted now", text.whole(count(record.get("extracted")))),
            ("From the cache", text.whole(count(record.get("cached")))),
            ("Guarded images", _guarded(guarded)),
            ("Software", ", ".join(f"{k} {v}" for k, v in (record.get("versions") or {}).items()) or text.DASH),
        )
    )
    rows: list[Row] = []
    for key, words in SCREENS:
        names = list(map(str, (record.get("screen") or {}).get(key) or []))
        rows.append([row_head(words), whole(len(names)), text.listed(names, 6)])
    yield table("Features that carry no image information", ["Kind", "Features", "Which"], rows)
    if patients:
        yield Details(f"Guarded images ({len(patients)})", (Text(", ".join(patients)),))
    undefined: list[Row] = [
        [row_head(u.get("patient")), str(u.get("role")), whole(len(u.get("features") or [])), str(u.get("reason"))]
        for u in record.get("undefined") or []
    ]
    if undefined:
        found = table("Undefined features", ["Patient", "Outline", "Features", "Reason"], undefined)
        yield Details(f"Outlines with undefined features ({len(undefined)})", (found,))


def _guarded(guarded: dict[str, object]) -> str:
    n = count(guarded.get("n"))
    return f"{text.whole(n)}: {guarded.get('reason')}" if n else "none needed it"


def reproducibility(record: Record) -> Block:
    """Groups of repeated outlines and how many features reach the limit."""
    rows: list[Row] = []
    for name, group in record["groups"].items():
        roles = ", ".join(map(str, group.get("roles") or []))
        rows.append([row_head(name), roles, whole(count(group.get("n"))), whole(count(group.get("kept")))])
    how = "randomised copies of the outline" if record.get("perturbed") else "repeated outlines"
    note = (
        f"{record['form']} of at least {number(record['minimum']):g} {KEEP.get(record['keep'], record['keep'])}, "
        f"from {how}: {text.whole(count(record['kept']))} of {text.whole(count(record['total']))} features kept."
    )
    columns = ["Group", "Outlines", "Patients", "Features at the limit"]
    return table("Reproducibility over repeated outlines", columns, rows, [note])


def steps(record: Record) -> Block:
    """How many features each selection step left."""
    rows = [
        [row_head(s["method"]), whole(count(s["before"])), whole(count(s["after"])), Cell(s.get("note") or "")]
        for s in record["steps"]
    ]
    return table("Selection, step by step", ["Step", "Before", "After", "How"], rows)


def searches(run: Run, branch: str) -> Block:
    """The grid searches of one branch."""
    record = run.stage("classifiers")
    chosen = (record.get("chosen") or {}).get(branch)
    rows: list[Row] = []
    for row in record.get(branch) or []:
        params = ", ".join(f"{k} = {json.dumps(v)}" for k, v in sorted((row.get("params") or {}).items()))
        name = row_head(row.get("label") or row["name"], sub="chosen" if row["name"] == chosen else "")
        spread = f"SD {text.number(number(row.get('best_sd')))}"
        score = Cell(text.number(number(row.get("best_score"))), spread, numeric=True)
        rows.append([name, score, whole(count(row.get("n_candidates"))), params or "defaults"])
    if not rows:
        raise NotAvailable(f"no classifier was searched on {branch}")
    scores = ", ".join(sorted({str(row.get("score")) for row in record[branch]}))
    note = f"Score: {scores}, cross-validated on training patients; SD over folds. Chosen by: {record.get('choose')}."
    columns = ["Classifier", "Score", "Candidates", "Best setting"]
    return table(f"Grid search of the classifiers ({branch})", columns, rows, [note])


def backbones(record: Record) -> Block:
    """The networks: weights, training, embedding and the criterion they were chosen by."""
    rows: list[Row] = []
    frozen = record.get("frozen") or []
    for b in [*record["backbones"], *frozen]:
        mark = "frozen" if b in frozen else "chosen" if b["name"] == record.get("chosen") else ""
        explained = [number(x) for x in b.get("explained") or []]
        share = text.percent(math.fsum(explained)) if explained else text.DASH
        sizes = text.counts(count(b.get("inner_n")), count(b.get("inner_events")))
        rows.append(
            [
                row_head(b["name"], sub=mark),
                Cell(str(b.get("weights")), "pretrained" if b.get("pretrained") else "not pretrained"),
                str(b.get("train")),
                whole(count(b.get("best_epoch"))),
                whole(count(b.get("embedding_dim"))),
                Cell(text.whole(count(b.get("components"))), f"{share} of variance", numeric=True),
                Cell(text.number(number(b.get("inner_auc"))), sizes, note=str(b.get("note") or ""), numeric=True),
            ]
        )
    notes = [
        f"Chosen by: {record.get('choose')}." + (" This looked at held-out outcomes." if record.get("looked") else ""),
        "The inner AUC is that of the training patients set aside to stop the training. It has no interval: it is a "
        "criterion, not an estimate.",
    ]
    columns = ["Backbone", "Weights", "Trained", "Epoch kept", "Embedding", "Components", "Inner AUC"]
    return table("Backbones", columns, rows, notes)


def fused(record: Record) -> Block:
    """How many columns were fused and kept, by branch."""
    branches = [str(row.get("branch")) for row in record["selected"]]
    kept = ", ".join(f"{branches.count(b)} {b}" for b in dict.fromkeys(branches))
    before = text.whole(count(record["before"]))
    words = f"{before} columns were fused; {len(branches)} were kept ({kept or 'none'}). {record.get('note') or ''}"
    return Text(words.strip())


def independent(record: Record) -> Block:
    """Which clinical predictors were found independent."""
    chosen = list(map(str, record["selected"]))
    words = f"Independent predictors: {text.listed(chosen)}." if chosen else "No clinical predictor was independent."
    told = str((record.get("table2") or {}).get("note") or "")
    return Text(words if _note(record) in told else f"{words} {_note(record)}")


def _note(record: Record) -> str:
    return str(record.get("note") or "")


def terms(record: Record) -> Block:
    """The nomogram's coefficients, odds ratios and points."""
    rows: list[Row] = []
    behind: set[str] = set()
    for t in record["terms"]:
        beta, ratio = estimate(t.get("coefficient")), estimate(t.get("odds_ratio"))
        behind |= {text.how(beta)} if beta.has_interval else set()
        name = row_head(t.get("label") or t["name"], sub=str(t.get("unit") or ""))
        rows.append([name, measure(beta, "coefficient", text.fine), measure(ratio, "odds ratio"), _points(t)])
        for level in t.get("levels") or []:
            beta, ratio = estimate(level.get("coefficient")), estimate(level.get("odds_ratio"))
            behind |= {text.how(beta)} if beta.has_interval else set()
            against = f"  {level.get('level')} against {t.get('reference')}"
            head = Cell(against, head=True, level=True)
            rows.append([head, measure(beta, against, text.fine), measure(ratio, against), ""])
    notes = [
        f"Fusion score: {record.get('fusion_score')}, on the {record.get('score_scale')} scale. "
        f"Intercept {text.number(number(record.get('intercept')))}.",
        _platt(record.get("platt")),
        *(f"{words[0].upper()}{words[1:]}." for words in sorted(behind)),
        "" if record.get("note") in {estimate(t.get("coefficient")).note for t in record["terms"]} else _note(record),
    ]
    return table("Terms of the nomogram", ["Term", "Coefficient (log odds)", "Odds ratio", "Points"], rows, notes)


def _points(term: Record) -> str:
    if term.get("kind") == "continuous":
        return f"{text.fine(number(term.get('points_per_unit')))} per unit"
    ticks = term.get("ticks") or []
    return ", ".join(f"{tick.get('label')}: {text.number(number(tick.get('points')), 1)}" for tick in ticks)


def _platt(platt: Record | None) -> str:
    if not platt:
        return "No Platt scaling."
    slope, intercept = (text.number(number(platt.get(key))) for key in ("slope", "intercept"))
    return f"Platt scaling, fitted on {platt.get('on')}: slope {slope}, intercept {intercept}."


def timings(run: Run) -> Block:
    """How long each stage took."""
    found = run.info.get("timings") or []
    if not found:
        raise NotAvailable("run.json holds no timings")
    rows: list[Row] = [[row_head(t["stage"]), _duration(number(t["seconds"])), t.get("detail") or ""] for t in found]
    total = math.fsum(number(t["seconds"]) for t in found)
    return table("Time by stage", ["Stage", "Time", "Detail"], [*rows, [row_head("all"), _duration(total), ""]])


def _duration(seconds: float) -> Cell:
    return Cell(text.duration(seconds), numeric=True)
