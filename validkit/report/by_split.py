"""Performance in each part of the design: by site, with the mean over sites and the range at a new one, or by fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from validkit.report import text
from validkit.report.fits import MEASURES, has_repeats, parts, split_name
from validkit.report.page import Block, Cell, Details, Row, Table, measure, row_head, table
from validkit.report.records import NotAvailable, Record, Run
from validkit.report.subject import label, subject
from validkit.report.values import Estimate, count, estimate, number, test

FEW = 20
"""parts that are listed one by one; more are summed up, and listed on demand"""


def split_performance(run: Run) -> list[Block]:
    """The reference model in every part, then the other models on demand."""
    found = subject(run)
    blocks = _of(found.model, run)
    others = [m for m in run.compared() if m is not found.model and m.get("by_split")]
    for model in others:
        blocks.append(Details(f"{label(model)} by {_unit(run)}", tuple(_of(model, run))))
    return blocks


def _unit(run: Run) -> str:
    return "site" if run.design == "internal-external" else "split"


def _of(model: Record, run: Run) -> list[Block]:
    rows = parts(model)
    unit = _unit(run)
    title = f"{label(model)} by {unit}"
    if len(rows) <= FEW:
        return [_table(model, rows, title, unit), *_between(model)]
    whole = _table(model, rows, f"{title}, every one", unit)
    return [_spread(rows, f"{title}: {len(rows)} of them"), Details(f"{title}, every one ({len(rows)})", (whole,))]


def _table(model: Record, rows: Sequence[Record], title: str, unit: str) -> Table:
    repeats = has_repeats(rows)
    body: list[Row] = []
    methods: dict[str, set[str]] = {}
    for row in rows:
        found = {name: estimate(row.get(key)) for key, name in MEASURES}
        for name, e in found.items():
            if e.has_interval:
                methods.setdefault(e.method, set()).add(name)
        events = f"{text.whole(count(row.get('events')))} events"
        size = Cell(text.whole(count(row.get("n"))), events, numeric=True)
        head = row_head(split_name(row, repeats=repeats))
        body.append([head, size, *(measure(e, name) for name, e in found.items())])
    body += _pooled_rows(model)
    notes = [_brackets(methods)]
    if model.get("pooled"):
        notes.append(_pooling(model["pooled"]))
    return table(title, [text.capital(unit), "n", *(name for _, name in MEASURES)], body, notes)


def _brackets(methods: Mapping[str, set[str]]) -> str:
    order = [name for _, name in MEASURES]
    said = [f"{', '.join(n for n in order if n in names)}: {method}" for method, names in methods.items()]
    return f"In brackets, confidence intervals. {'; '.join(said)}." if said else "No interval was recorded."


def _pooled_rows(model: Record) -> list[Row]:
    pooled = model.get("pooled") or {}
    if not pooled:
        return []
    sites = max((len((pooled.get(key) or {}).get("sites") or []) for key, _ in MEASURES), default=0)
    mean: list[Cell] = [row_head(f"Mean of {sites} sites", sub="random effects"), Cell("")]
    new: list[Cell] = [row_head("Range at a new site", sub="prediction interval"), Cell("")]
    for key, name in MEASURES:
        record = pooled.get(key) or {}
        mean.append(measure(estimate(record.get("estimate")), f"mean {name}"))
        new.append(_range(estimate(record.get("prediction"))))
    return [mean, new]


def _range(e: Estimate) -> Cell:
    if not e.has_interval:
        return Cell(text.DASH, note=e.note or "undefined; no reason was recorded", numeric=True)
    return Cell(f"{text.number(e.low)} to {text.number(e.high)}", title=text.how(e), numeric=True)


def _pooling(pooled: Mapping[str, Any]) -> str:
    records = [record for key, _ in MEASURES if (record := pooled.get(key))]
    methods = list(dict.fromkeys(str((r.get("estimate") or {}).get("method") or "") for r in records))
    new = list(dict.fromkeys(str((r.get("prediction") or {}).get("method") or "") for r in records))
    return f"Mean of sites: {'; '.join(filter(None, methods))}. Range at a new site: {'; '.join(filter(None, new))}."


def _between(model: Record) -> list[Block]:
    """How much the sites differ beyond chance."""
    pooled = model.get("pooled") or {}
    body: list[Row] = []
    for key, name in MEASURES:
        record = pooled.get(key)
        if not record:
            continue
        q = test(record.get("q"))
        p = Cell(text.p_value(q.p_value), title=text.test_how(q), note=q.note, numeric=True)
        scale = "as it is" if record.get("scale") == "identity" else f"{record.get('scale')} scale"
        tau, i2 = estimate(record.get("tau")), estimate(record.get("i2"))
        body.append([row_head(name, sub=scale), measure(tau, "tau"), measure(i2, "I²"), p])
    if not body:
        return []
    note = (
        "τ: standard deviation of the true values over sites, on the scale of pooling. I²: share of the scatter that "
        "is not chance. With few sites both are uncertain, and so is the range at a new site."
    )
    title = f"How much sites differ: {label(model)}"
    return [Details(title, (table(title, ["Measure", "τ", "I²", "p (Cochran's Q)"], body, [note]),))]


def _spread(rows: Sequence[Record], title: str) -> Table:
    """Quantiles of each measure over the splits; they are no confidence interval."""
    body: list[Row] = []
    for key, name in MEASURES:
        values = np.array([number((row.get(key) or {}).get("value")) for row in rows])
        defined = values[np.isfinite(values)]
        if not len(defined):
            continue
        quantiles = [float(x) for x in np.quantile(defined, [0.0, 0.25, 0.5, 0.75, 1.0])]
        lost = len(values) - len(defined)
        cells = [Cell(text.number(x), numeric=True) for x in quantiles]
        body.append([row_head(name), *cells, Cell(text.whole(lost), numeric=True)])
    if not body:
        raise NotAvailable("no measure is defined in any split")
    sizes = [count(row.get("n")) or 0 for row in rows]
    events = [count(row.get("events")) or 0 for row in rows]
    note = (
        f"Each split holds {_between_words(sizes)} patients with {_between_words(events)} events. Splits share "
        "patients and training patients: their scatter is no confidence interval."
    )
    return table(title, ["Measure", "Lowest", "25 %", "Median", "75 %", "Highest", "Undefined"], body, [note])


def _between_words(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return text.whole(low) if low == high else f"{text.whole(low)} to {text.whole(high)}"
