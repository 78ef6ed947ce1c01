"""The CSV tables of a run: unrounded numbers, one estimate a group of columns, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from validkit.report.design_tables import DESIGN_TABLES, Rows
from validkit.report.exports.cells import safe
from validkit.report.measures import recorded
from validkit.report.records import SETS, NotAvailable, Record, Run
from validkit.report.subject import score
from validkit.report.values import count, estimate, number, test
from validkit.stats.metrics import METRICS

ESTIMATES = (
    "auc",
    "accuracy",
    "sensitivity",
    "specificity",
    "ppv",
    "npv",
    "brier",
    "scaled_brier",
    "slope",
    "calibration_in_the_large",
    "oe",
)
PARTS = ("value", "low", "high", "method", "note")


def to_csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """CSV text in UTF-8, one header row, lines ended by a line feed."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([safe(c) for c in columns])
    writer.writerows([safe(cell) for cell in row] for row in rows)
    return out.getvalue()


def csv_tables(run: Run) -> Iterator[tuple[str, str | None, str]]:
    """(file name, CSV text or None, why there is none) of every table."""
    for name, build in TABLES.items():
        try:
            yield f"{name}.csv", to_csv(*build(run)), ""
        except NotAvailable as reason:
            yield f"{name}.csv", None, str(reason)


def performance(run: Run) -> Rows:
    """Every model on every set."""
    columns = ["model", "label", "family", "chosen", "set", "n", "events", "level", "threshold", "threshold_rule"]
    columns += [f"{name}_{part}".removesuffix("_value") for name in ESTIMATES for part in PARTS]
    columns += [f"hosmer_lemeshow_{part}" for part in ("statistic", "df", "p", "method", "note")]
    rows = []
    for model in run.models():
        for where in SETS:
            scores = model["sets"].get(where)
            if scores is not None:
                rows.append(_performance_row(model, where, scores))
    return columns, rows


def _performance_row(model: Record, where: str, scores: Record) -> list[Any]:
    threshold = scores.get("threshold") or {}
    estimates = {name: score(scores, name, where) for name in ESTIMATES}
    row = [model["name"], model.get("label"), model.get("family"), bool(model.get("chosen")), where]
    row += [count(scores.get("n")), count(scores.get("events")), estimates["auc"].level]
    row += [number(threshold.get("value")), threshold.get("rule")]
    row += [getattr(estimates[name], part) for name in ESTIMATES for part in PARTS]
    hl = test(scores.get("hosmer_lemeshow"))
    return [*row, hl.statistic, hl.df, hl.p_value, hl.method, hl.note]


def thresholds(run: Run) -> Rows:
    """Every model at the declared thresholds."""
    keys = ("sensitivity", "specificity", "net_benefit")
    columns = [
        "model",
        "set",
        "threshold",
        "n",
        "events",
        *(f"{k}_{p}".removesuffix("_value") for k in keys for p in PARTS),
    ]
    rows = []
    for model in run.models():
        for where in SETS:
            scores = model["sets"].get(where) or {}
            for at in scores.get("at") or []:
                found = [estimate(at.get(key)) for key in keys]
                counts = [count(scores.get("n")), count(scores.get("events"))]
                head = [model["name"], where, number(at["threshold"]), *counts]
                rows.append([*head, *(getattr(e, part) for e in found for part in PARTS)])
    if not rows:
        raise NotAvailable("the protocol asks for no further thresholds (evaluation.thresholds.also)")
    return columns, rows


def measures(run: Run) -> Rows:
    """Every measure of every model on every set, a row each, with what its critics warn of."""
    facts = ("label", "domain", "direction", "proper", "clear_focus", "of_the_32", "caution")
    columns = ["model", "set", "measure", *PARTS[:3], "level", "n", "events", "threshold", *PARTS[3:], *facts]
    rows = []
    for model in run.models():
        for where in SETS:
            if (scores := model["sets"].get(where)) is None:
                continue
            cut = number((scores.get("threshold") or {}).get("value"))
            for name, record in recorded(scores).items():
                metric, e = METRICS.get(name), estimate(record)
                head = [model["name"], where, name, e.value, e.low, e.high, e.level, e.n, e.n_events]
                at = cut if metric and metric.needs_threshold else None
                rows.append([*head, at, e.method, e.note, *(getattr(metric, fact, None) for fact in facts)])
    return columns, rows


def comparisons(run: Run) -> Rows:
    """Differences in AUC and their tests."""
    columns = ["set", "a", "b", "difference", "low", "high", "level", "interval_method"]
    columns += ["statistic", "p", "p_adjusted", "test", "n", "events", "note"]
    rows = []
    for where in SETS:
        for row in (run.evaluation.get("comparisons") or {}).get(where) or []:
            d, t = estimate(row["difference"]), test(row["test"])
            found = [where, row["a"], row["b"], d.value, d.low, d.high, d.level, d.method, t.statistic, t.p_value]
            rows.append([*found, number(row.get("p_adjusted")), t.method, t.n, t.n_events, d.note or t.note])
    if not rows:
        raise NotAvailable("no comparison was recorded")
    return columns, rows


def table1(run: Run) -> Rows:
    """Characteristics of the patients."""
    return _recorded(run.stage("cohort")["table1"], "Table 1")


def table2(run: Run) -> Rows:
    """Clinical predictors by logistic regression."""
    return _recorded(run.stage("clinical")["table2"], "Table 2")


def _recorded(record: Record | None, name: str) -> Rows:
    if record is None:
        raise NotAvailable(f"{name} was not recorded")
    return list(record["columns"]), [list(row) for row in record["rows"]]


def selected_features(run: Run) -> Rows:
    """Features kept by the radiomic selection and by the fusion."""
    kept = run.stage("selection")["selected"]
    rows: list[list[Any]] = [["radiomics", r["feature"], "radiomics", number(r.get("coefficient"))] for r in kept]
    try:
        fused = run.stage("fusion")["selected"]
        rows += [["fusion", r["feature"], r.get("branch"), number(r.get("importance"))] for r in fused]
    except NotAvailable as reason:
        rows.append(["fusion", f"not available: {reason}", None, None])
    return ["step", "feature", "branch", "weight"], rows


def classifiers(run: Run) -> Rows:
    """The grid searches."""
    record = run.stage("classifiers")
    columns = ["branch", "classifier", "label", "chosen", "score", "best_score", "best_sd", "n_candidates", "params"]
    rows = []
    for branch in ("radiomics", "fusion"):
        for row in record.get(branch) or []:
            chosen = (record.get("chosen") or {}).get(branch) == row["name"]
            head = [branch, row["name"], row.get("label"), chosen, row.get("score")]
            found = [number(row.get("best_score")), number(row.get("best_sd")), count(row.get("n_candidates"))]
            rows.append([*head, *found, json.dumps(row.get("params") or {}, sort_keys=True)])
    return columns, rows


def timings(run: Run) -> Rows:
    """How long each stage took."""
    rows = [[row["stage"], number(row["seconds"]), row.get("detail")] for row in run.info.get("timings") or []]
    if not rows:
        raise NotAvailable("run.json holds no timings")
    return ["stage", "seconds", "detail"], rows


TABLES: dict[str, Callable[[Run], Rows]] = {
    "performance": performance,
    "thresholds": thresholds,
    "measures": measures,
    "comparisons": comparisons,
    "table1": table1,
    "table2": table2,
    "selected-features": selected_features,
    "classifiers": classifiers,
    "timings": timings,
    **DESIGN_TABLES,
}
