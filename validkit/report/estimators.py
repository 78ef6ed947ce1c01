"""The chapter on estimators: what each model is, how it was searched, what it learnt, and what is to be known of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from validkit.report import text
from validkit.report.page import Block, Cell, Details, Facts, Listing, Notice, Row, Table, row_head, table, whole
from validkit.report.records import NotAvailable, Record, Run
from validkit.report.subject import label
from validkit.report.values import count, number

MOST_COEFFICIENTS = 40


def estimator_blocks(run: Run) -> Iterable[Block]:
    """A table of the models, then each with its search, coefficients and notes."""
    record = run.stage("estimators")
    before = list(map(str, record.get("before_split") or []))
    if before:
        why = f"{text.listed(before)} of every patient, held-out ones included, as the protocol declares."
        yield Notice("warning", "Something was learnt before the split", text.capital(why))
    models: list[Record] = record["models"]
    if not models:
        raise NotAvailable("stages/estimators.json lists no model")
    yield _overview(models, _whose(run))
    for model in models:
        inner = tuple(_model(model))
        yield Details(f"{label(model)}: settings, search, coefficients", inner)


def _whose(run: Run) -> str:
    last = run.info.get("design") or {}
    if last.get("final"):
        return "What the fit to all patients chose and learnt; the splits' choices are under Design."
    return "What the fit to the training patients chose and learnt."


def _overview(models: list[Record], note: str) -> Table:
    rows: list[Row] = []
    for model in models:
        columns, kept = model.get("columns") or [], model.get("selected") or []
        search = model.get("search") or {}
        rows.append(
            [
                row_head(label(model), sub=str(model.get("name"))),
                Cell(str(model.get("estimator") or text.DASH), str(model.get("version") or "")),
                Cell(text.whole(len(kept)), f"of {text.whole(len(columns))} columns", numeric=True),
                MISSING.get(str(model.get("missing")), str(model.get("missing"))),
                "yes" if model.get("scaled") else "no",
                Cell(_parameters(search.get("chosen")) if search else "none", wide=bool(search)),
                _recalibrated(model.get("recalibration")),
                whole(count(model.get("fits"))),
            ]
        )
    heads = [
        "Model",
        "Estimator",
        "Columns used",
        "Missing values",
        "Scaled",
        "Chosen by search",
        "Recalibrated",
        "Fits",
    ]
    return table("Models", heads, rows, [note])


MISSING = {"impute": "imputed", "native": "handled by the estimator"}


def _model(model: Record) -> Iterable[Block]:
    declared = model.get("declared")
    all_settings = _parameters(model.get("parameters"))
    facts = [("Declared", _parameters(declared) or "defaults"), ("All settings", all_settings or "defaults")]
    dropped = [name for name in model.get("columns") or [] if name not in (model.get("selected") or [])]
    facts += [("Columns left out", text.listed(list(map(str, dropped)), 20))] if dropped else []
    recalibration = model.get("recalibration")
    if recalibration:
        facts.append(("Recalibration", _parameters(recalibration)))
    yield Facts(tuple(facts))
    if model.get("search"):
        yield _search(model["search"])
    if model.get("coefficients"):
        yield _coefficients(model)
    notes = list(map(str, model.get("notes") or []))
    if notes:
        yield Listing(tuple(notes))


def _search(search: Record) -> Table:
    rows: list[Row] = []
    chosen = search.get("chosen")
    for row in search.get("table") or []:
        sub = "chosen" if row.get("parameters") == chosen else ""
        score = Cell(_score(row.get("mean")), f"SD {_score(row.get('sd'))}", numeric=True)
        rows.append([row_head(_parameters(row.get("parameters")) or "defaults", sub=sub), score])
    note = (
        f"Score: {search.get('score')}, cross-validated in {text.whole(count(search.get('folds')))} folds of training "
        f"patients; SD over folds. {text.whole(count(search.get('n_candidates')))} candidates."
    )
    return table("Search", ["Setting", "Score"], rows, [note])


def _score(value: Any) -> str:
    return text.number(number(value))


def _coefficients(model: Record) -> Table:
    found = model["coefficients"]
    columns = found.get("columns") or []
    rows: list[Row] = [
        [row_head(row.get("column")), Cell(text.fine(number(row.get("coefficient"))), numeric=True)]
        for row in columns[:MOST_COEFFICIENTS]
    ]
    rows.append([row_head("Intercept"), Cell(text.fine(number(found.get("intercept"))), numeric=True)])
    scaled = "of the standardised columns" if model.get("scaled") else "of the columns as they are"
    more = (
        f"The first {MOST_COEFFICIENTS} of {len(columns)}; all are in tables/coefficients.csv."
        if len(columns) > MOST_COEFFICIENTS
        else ""
    )
    note = f"Log odds, {scaled}. They have no interval: the fit is penalised, searched or imputed, or may be."
    return table("Coefficients", ["Column", "Coefficient"], rows, [note, more])


def _recalibrated(record: Mapping[str, Any] | None) -> str:
    if not record:
        return "no"
    return str(record.get("method") or record.get("kind") or "yes")


def _parameters(found: Any) -> str:
    """`C = 0.1, penalty = "l2"`."""
    if not isinstance(found, Mapping):
        return ""
    return ", ".join(f"{key} = {_value(value)}" for key, value in found.items())


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    words = json.dumps(value, ensure_ascii=False)
    return words if len(words) <= 120 else f"{words[:119]}…"


def coefficient_rows(run: Run) -> list[list[Any]]:
    """(model, column, coefficient) of every linear model, the intercept as a column of its own."""
    rows: list[list[Any]] = []
    for model in run.stage("estimators")["models"]:
        found = model.get("coefficients") or {}
        columns = found.get("columns") or []
        rows += [[model["name"], row.get("column"), number(row.get("coefficient"))] for row in columns]
        if found:
            rows.append([model["name"], "(intercept)", number(found.get("intercept"))])
    if not rows:
        raise NotAvailable("no estimator has coefficients")
    return rows
