"""The page's tables of performance: every number with its interval, method, n and events."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from validkit.report import text
from validkit.report.page import Cell, Table, measure, row_head, sizes, table
from validkit.report.records import CORRECTED, HELD_OUT, SETS, TRAINING, NotAvailable, Record, Run, among, labels
from validkit.report.subject import label, score
from validkit.report.values import Test, count, curve, estimate, number, test

MEASURES = (
    ("auc", "AUC"),
    ("accuracy", "Accuracy"),
    ("sensitivity", "Sensitivity"),
    ("specificity", "Specificity"),
    ("brier", "Brier score"),
    ("slope", "Calibration slope"),
    ("calibration_in_the_large", "In the large"),
)
OWN_THRESHOLDS = "each resample chose its own threshold"
_DEGREES = re.compile(r"\bt\([\d.]+\)")
NO_TEST = "a test is not corrected for optimism"
ADJUSTMENTS = {"holm": "Holm", "hochberg": "Hochberg", "bh": "Benjamini-Hochberg", "none": "no adjustment"}


def performance(
    models: Iterable[Record], title: str, *, mark_chosen: bool = False, words: Mapping[str, str] = SETS
) -> Table:
    """These models on every set they were judged on; words : the sets' names."""
    models = list(models)
    names = labels(models)
    rows: list[list[Cell]] = []
    methods: dict[str, set[str]] = {name: set() for _, name in MEASURES}
    rules: set[str] = set()
    levels: set[str] = set()
    tests: dict[str, dict[str, None]] = {}
    for model in models:
        sets = [(where, model["sets"][where]) for where in SETS if model["sets"].get(where) is not None]
        for i, (where, scores) in enumerate(sets):
            chosen = "chosen" if mark_chosen and model.get("chosen") else ""
            head = [row_head(names[model["name"]], len(sets), chosen)] if i == 0 else []
            found = [(name, score(scores, key, where)) for key, name in MEASURES]
            for name, e in found:
                if e.has_interval:
                    methods[name].add(e.method)
                    levels.add(text.level(e.level))
            hl = test(scores.get("hosmer_lemeshow"))
            if hl.method:
                tests.setdefault(hl.method, {})[among(where, words)] = None
            threshold = scores.get("threshold") or {}
            rules.add(str(threshold.get("rule") or ""))
            patients = sizes(count(scores.get("n")), count(scores.get("events")))
            cells = [measure(e, name) for name, e in found]
            cut, judged = _threshold(threshold, where), _tested(hl, where)
            rows.append([*head, Cell(words[where]), patients, cells[0], cut, *cells[1:5], judged, *cells[5:]])
    if not rows:
        raise NotAvailable("no model of this kind was judged")
    heads = [name for _, name in MEASURES]
    columns = ["Model", "Patients", "n", heads[0], "Threshold", *heads[1:5], "Hosmer-Lemeshow p", *heads[5:]]
    return table(title, columns, rows, [_intervals(methods, levels), _rules(rules), _degrees(tests)])


def _threshold(threshold: Mapping[str, Any], where: str) -> Cell:
    value = number(threshold.get("value"))
    why = OWN_THRESHOLDS if where == CORRECTED else ""
    return Cell(text.number(value), title=str(threshold.get("rule") or ""), note=why, numeric=True)


def _tested(t: Test, where: str) -> Cell:
    return Cell(text.DASH, note=NO_TEST, numeric=True) if where == CORRECTED and not t.method else hosmer_lemeshow(t)


def hosmer_lemeshow(t: Test) -> Cell:
    """p, and below it the statistic and degrees of freedom."""
    sub = "" if math.isnan(t.statistic) else f"χ² {text.number(t.statistic, 1)}, df {text.number(t.df, 0)}"
    note = t.note or ("undefined; no reason was recorded" if math.isnan(t.p_value) else "")
    return Cell(text.p_value(t.p_value), sub=sub, title=text.test_how(t), note=note, numeric=True)


def _intervals(methods: dict[str, set[str]], levels: set[str]) -> str:
    """Which interval belongs to which column, columns with the same one together."""
    by_method: dict[str, list[str]] = {}
    for name, used in methods.items():
        if used:
            by_method.setdefault(" or ".join(grouped(sorted(used))), []).append(name)
    if not by_method:
        return "No interval was recorded."
    parts = [f"{', '.join(names)}: {method}" for method, names in by_method.items()]
    return f"In brackets, {' and '.join(sorted(levels))} confidence intervals. {'; '.join(parts)}."


def grouped(methods: Iterable[str]) -> dict[str, list[str]]:
    """Methods by name; those that differ in their degrees of freedom alone have one."""
    found: dict[str, list[str]] = {}
    for method in methods:
        found.setdefault(_DEGREES.sub("t", method), []).append(method)
    return {short if len(full) > 1 else full[0]: full for short, full in found.items()}


def _rules(rules: set[str]) -> str:
    known = sorted(rules - {""})
    return f"Accuracy, sensitivity and specificity at the threshold. Its rule: {'; '.join(known)}." if known else ""


def _degrees(tests: dict[str, dict[str, None]]) -> str:
    parts = [f"{method}: {' and '.join(sets)}" for method, sets in tests.items()]
    return f"Test of calibration. {'; '.join(parts)}." if parts else ""


def thresholds(run: Run, model: Record, where: str) -> Table:
    """One model at the declared thresholds, its net benefit beside that of treating everyone."""
    scores = model["sets"].get(where) or {}
    rows = []
    methods: dict[str, set[str]] = {"Sensitivity": set(), "Specificity": set(), "Net benefit": set()}
    levels = set()
    for at in scores.get("at") or []:
        t = number(at["threshold"])
        found = [estimate(at.get(key)) for key in ("sensitivity", "specificity", "net_benefit")]
        for name, e in zip(methods, found, strict=True):
            if e.has_interval:
                methods[name].add(e.method)
                levels.add(text.level(e.level))
        everyone = _treat_all(run, where, t)
        cells = [measure(e, name) for name, e in zip(methods, found, strict=True)]
        rows.append([row_head(text.threshold(t)), *cells, Cell(text.number(everyone), numeric=True)])
    if not rows and where == CORRECTED:
        raise NotAvailable("figures at declared thresholds are not corrected for optimism; see every measure instead")
    if not rows:
        raise NotAvailable("the protocol asks for no thresholds (evaluation.thresholds.also)")
    sizes = text.counts(count(scores.get("n")), count(scores.get("events")))
    columns = ["Threshold", *methods, "Net benefit of treating all"]
    notes = [f"{sizes}. {_intervals(methods, levels)} Treating no one has net benefit 0."]
    return table(f"{label(model)}, {run.among(where)}, at declared thresholds", columns, rows, notes)


def _treat_all(run: Run, where: str, threshold: float) -> float:
    drawn = curve((run.strategies.get(where) or {}).get("treat_all"))
    if drawn is None:
        return math.nan
    hit = np.flatnonzero(np.isclose(drawn.x, threshold, atol=1e-9))
    return float(drawn.y[hit[0]]) if len(hit) else math.nan


def comparisons(run: Run) -> Table:
    """The reference against the other models, p raw and adjusted."""
    names = {m["name"]: label(m) for m in run.models()}
    adjust = ADJUSTMENTS.get(str(run.setting("evaluation.compare.adjust", "")), "adjusted")
    rows, methods, levels = [], {"Difference in AUC": set[str]()}, set()
    for where in (TRAINING, HELD_OUT):
        found = (run.evaluation.get("comparisons") or {}).get(where) or []
        for i, row in enumerate(found):
            d, t = estimate(row["difference"]), test(row["test"])
            if d.has_interval:
                methods["Difference in AUC"].add(d.method)
                levels.add(text.level(d.level))
            head = [row_head(run.sets[where], len(found), text.counts(t.n, t.n_events))] if i == 0 else []
            why = t.note or ("undefined; no reason was recorded" if math.isnan(t.p_value) else "")
            p = Cell(text.p_value(t.p_value), title=text.test_how(t), note=why, numeric=True)
            adjusted = Cell(text.p_value(number(row.get("p_adjusted"))), numeric=True)
            pair = f"{names.get(row['a'], row['a'])} − {names.get(row['b'], row['b'])}"
            rows.append([*head, Cell(pair), measure(d, "difference"), p, adjusted])
    if not rows:
        raise NotAvailable("no comparison was recorded")
    columns = ["Patients", "Models", "Difference in AUC", "p", f"p ({adjust})"]
    notes = [_intervals(methods, levels), "Adjusted over the comparisons of one set of patients."]
    notes += ["Differences on training patients are apparent: not corrected for optimism."] * (run.primary == CORRECTED)
    return table("Differences in AUC between models", columns, rows, notes)


def recorded(record: Record | None, name: str) -> Table:
    """A table that was recorded ready for print."""
    if record is None:
        raise NotAvailable(f"{name} was not recorded")
    columns = [str(c) for c in record["columns"]]
    rows = [
        [_recorded_cell(v, columns[j] if j < len(columns) else "", j) for j, v in enumerate(row)]
        for row in record["rows"]
    ]
    dash = any(cell.text == text.DASH for row in rows for cell in row)
    notes = [str(record.get("note") or ""), "A dash: this row has no such number." if dash else ""]
    return table(str(record.get("title") or name), columns, rows, notes)


def _recorded_cell(value: Any, column: str, position: int) -> Cell:
    if isinstance(value, dict) and "value" in value:
        return measure(estimate(value))
    if isinstance(value, bool) or value is None or isinstance(value, str):
        words = text.DASH if value is None else str(value)
        level = position == 0 and words.startswith("  ")
        return Cell(words, head=position == 0, level=level, numeric=_holds_p(column) and position > 0)
    x = number(value)
    if _holds_p(column):
        return Cell(text.p_value(x), numeric=True)
    return Cell(text.whole(x) if isinstance(value, int) else text.number(x), numeric=True, head=position == 0)


def _holds_p(column: str) -> bool:
    return column.lower() == "p" or column.lower().startswith(("p ", "p,", "p-value"))
