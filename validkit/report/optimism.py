"""Optimism: apparent performance, what resampling takes off it, and the estimates between."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from validkit.report import text
from validkit.report.page import Block, Cell, Details, Notice, Row, Table, Text, measure, row_head, table, whole
from validkit.report.records import NotAvailable, Run
from validkit.report.subject import label, subject
from validkit.report.values import Estimate, count, estimate
from validkit.stats.metrics import METRICS

ESTIMATES = (
    ("apparent", "Apparent"),
    ("corrected", "Corrected"),
    ("out_of_bag", "Out of bag"),
    ("point632", ".632"),
    ("point632_plus", ".632+"),
)
COLUMNS = ("apparent", "optimism", "corrected", "out_of_bag", "point632", "point632_plus")
MAIN = ("auc", "brier", "calibration_slope", "calibration_in_the_large", "observed_expected")
MEANING = (
    "The whole model was fitted again in every resample. Optimism is how much better each of these fits did on the "
    "patients it was fitted to than on all patients, averaged; corrected is apparent minus optimism. Out of bag: each "
    "fit on the patients it did not draw. .632 and .632+ weigh apparent and out of bag."
)
SOURCE = "Harrell et al., Stat Med 1996; Efron and Tibshirani, JASA 1997"


def metrics(model: Mapping[str, Any]) -> dict[str, Any]:
    """{measure: {apparent, optimism, corrected, ...}} of one model."""
    found = (model.get("optimism") or {}).get("metrics")
    if not isinstance(found, dict) or not found:
        raise NotAvailable("no optimism was recorded for this model")
    return found


def optimism_blocks(run: Run) -> list[Block]:
    """The reference model's main measures, those of the others, and every measure on demand."""
    found = subject(run)
    behind = found.model.get("optimism") or {}
    rows = [_row(name, metrics(found.model).get(name)) for name in MAIN if name in metrics(found.model)]
    title = f"Optimism: {found.label}, {text.whole(count(behind.get('resamples')))} resamples"
    others = [_row(name, record) for name, record in metrics(found.model).items() if name not in MAIN]
    more = Details(f"Optimism of the other measures ({len(others)})", (_table(title, others),))
    return [Text(f"{MEANING} ({SOURCE}.)"), *_failures(behind), _table(title, rows), *([more] if others else [])]


def others_block(run: Run) -> list[Block]:
    """The AUC of the models compared: apparent, optimism, corrected."""
    rows: list[Row] = []
    for model in run.compared():
        record = (model.get("optimism") or {}).get("metrics", {}).get("auc") or {}
        rows.append([row_head(label(model)), *(_cell(estimate(record.get(part)), part) for part in COLUMNS)])
    return [table("Optimism in the AUC of the models compared", ["Model", *_heads()], rows, [_brackets()])]


def _table(title: str, rows: list[Row]) -> Table:
    return table(title, ["Measure", *_heads()], rows, [_brackets()])


def _heads() -> list[str]:
    return [dict(ESTIMATES).get(part, text.capital(part)) for part in COLUMNS]


def _brackets() -> str:
    return (
        "In brackets, confidence intervals: of the apparent figure, and that moved by the optimism. The other columns "
        "have none."
    )


def _row(name: str, record: Mapping[str, Any] | None) -> Row:
    metric = METRICS.get(name)
    words = text.capital(metric.label) if metric else name
    return [row_head(words), *(_cell(estimate((record or {}).get(part)), part) for part in COLUMNS)]


def _cell(e: Estimate, part: str) -> Cell:
    return measure(e, dict(ESTIMATES).get(part, part))


def _failures(behind: Mapping[str, Any]) -> list[Block]:
    failed = behind.get("failures") or {}
    total = sum(count(n) or 0 for n in failed.values())
    if not total:
        return []
    rows: list[Row] = [[row_head(reason), whole(count(n))] for reason, n in failed.items()]
    title = f"{total} of {text.whole(count(behind.get('resamples')))} resamples failed and are not in these figures"
    why = "A procedure that fails in resamples may fail on new patients; the figures describe the others alone."
    return [Notice("warning", title, why), table("Resamples that failed", ["Reason", "Resamples"], rows)]
