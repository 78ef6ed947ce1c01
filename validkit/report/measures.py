"""Every measure that was recorded for one model, beside what its critics warn of."""

from __future__ import annotations

import math
from typing import Any

from validkit.report import text
from validkit.report.page import Block, Cell, Details, Text, measure, row_head, table
from validkit.report.records import CORRECTED, NotAvailable, Record, Run
from validkit.report.subject import subject
from validkit.report.values import NOT_RECORDED, count, estimate, number
from validkit.report.views import OWN_THRESHOLDS, grouped
from validkit.stats.metrics import METRICS, Metric

OLD = "the evaluation was recorded before it held every measure; run the protocol again into this folder to add them"
MEANING = (
    "A measure is proper where no wrong risk is expected to look better than the right one, and it has a clear focus "
    "where it is purely statistical or weighs the two kinds of error by what they cost "
    "(Van Calster et al., Lancet Digit Health 2025; 7: 100916)."
)
OTHERS = "not among the 32 measures of Van Calster et al.; marked by validkit in the same sense"
UNKNOWN = "this version of validkit does not know the measure"
COLUMNS = ("Measure", "Value", "Best", "Proper", "Clear focus", "Caution")


def recorded(scores: Record) -> dict[str, Any]:
    """The measures of one model on one set by name: the known ones in their order, others after them."""
    found = scores.get("measures")
    if not isinstance(found, dict) or not found:
        raise NotAvailable(OLD)
    others = [name for name in found if name not in METRICS]
    return {name: found.get(name) for name in (*METRICS, *others)}


def every_measure(run: Run) -> list[Block]:
    """What the marks mean, and the reference model's measures on the patients that answer the question."""
    found_for = subject(run)
    title = f"Every measure: {found_for.label}, {found_for.among}"
    return measure_blocks(found_for.scores, title, found_for.where)


def measure_blocks(scores: Record, title: str, where: str) -> list[Block]:
    """What the marks mean, and every measure of one model on one set."""
    rows: list[list[Cell]] = []
    methods: dict[str, list[str]] = {}
    levels: set[str] = set()
    found = recorded(scores)
    kinds = [_kind(name) for name in found]
    for i, (name, record) in enumerate(found.items()):
        metric, e = METRICS.get(name), estimate(record)
        words = metric.label if metric else name
        if e.has_interval:
            methods.setdefault(e.method, []).append(words)
            levels.add(text.level(e.level))
        if i == 0 or kinds[i] != kinds[i - 1]:
            rows.append([row_head(kinds[i]), *[Cell("")] * (len(COLUMNS) - 1)])
        rows.append([_name(metric, words), measure(e, words), *_facts(metric)])
    sizes = text.counts(count(scores.get("n")), count(scores.get("events")))
    brackets = (
        f"In brackets, {' and '.join(sorted(levels))} confidence intervals." if levels else "No interval was recorded."
    )
    notes = [f"{sizes}. {brackets} {_threshold(scores, where)}"]
    shown = _merged(methods)
    how = [[Cell(text.capital(method)), Cell(text.capital(", ".join(names)))] for method, names in shown.items()]
    behind = Details("How each interval is made", (table("Methods", ["Method", "Measures"], how),))
    return [Text(MEANING), table(title, COLUMNS, rows, notes), *([behind] if how else [])]


def _merged(methods: dict[str, list[str]]) -> dict[str, list[str]]:
    """Methods that differ in their degrees of freedom alone, together."""
    found: dict[str, list[str]] = {}
    for short, members in grouped(methods).items():
        found[short] = [name for method in members for name in methods[method]]
    return found


def _kind(name: str) -> str:
    return METRICS[name].domain.capitalize() if name in METRICS else "Other"


def _name(metric: Metric | None, words: str) -> Cell:
    note = UNKNOWN if metric is None else "" if metric.of_the_32 else OTHERS
    return Cell(text.capital(words) if metric else words, note=note, head=True, level=True)


def _facts(metric: Metric | None) -> list[Cell]:
    if metric is None:
        return [Cell(text.DASH, note=UNKNOWN), *(Cell(text.DASH),) * 3]
    marks = [Cell("yes" if fact else "no") for fact in (metric.proper, metric.clear_focus)]
    return [Cell(_best(metric)), *marks, Cell(text.capital(metric.caution), wide=bool(metric.caution))]


def _best(metric: Metric) -> str:
    if metric.attainable:
        return metric.attainable
    return "∞" if math.isinf(metric.best) else f"{metric.best:g}"


def _threshold(scores: Record, where: str) -> str:
    at = scores.get("threshold") or {}
    if not at and where == CORRECTED:
        return f"Threshold of classification and utility: {OWN_THRESHOLDS}."
    value = number(at.get("value"))
    rule = f" ({at['rule']})" if at.get("rule") else ""
    known = NOT_RECORDED if math.isnan(value) else f"{text.number(value)}{rule}"
    return f"Threshold of classification and utility: {known}."
