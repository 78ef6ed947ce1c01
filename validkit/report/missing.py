"""Missing predictors: who lacks what, at which site, and how it was filled in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from validkit.report import text
from validkit.report.page import Block, Cell, Details, Facts, Listing, Row, Table, row_head, table
from validkit.report.records import NotAvailable, Run
from validkit.report.subject import subject
from validkit.report.values import count, number
from validkit.stats.metrics import METRICS

MOST_SITES = 8
"""sites that have a column of their own; more are in tables/missing.csv"""
ALL = "all"
METHODS = {
    "simple": "the training patients' median, or most frequent level",
    "iterative": "each predictor drawn from a regression on the others (chained equations)",
}
COMBINE = {
    "rubin": "every statistic in each copy, pooled by Rubin's rules on its own scale",
    "average": "each patient's mean prediction over the copies is judged",
}


def missing_rows(run: Run) -> list[tuple[str, str, int, int]]:
    """(predictor, site, patients, of them without a value); site "all" for everyone."""
    record = run.stage("cohort").get("missing")
    if isinstance(record, dict):
        record = record.get("rows")
    if record:
        found = [
            (str(row.get("predictor")), str(row.get("site") or ALL), count(row.get("n")), count(row.get("missing")))
            for row in record
        ]
        return [(name, site, n, lost) for name, site, n, lost in found if n is not None and lost is not None]
    if record == []:
        return []
    imputed = run.records_of("estimators").get("imputation")
    n = count((imputed or {}).get("n"))
    if not imputed or n is None:
        raise NotAvailable("stages/cohort.json holds no 'missing'")
    return [(str(name), ALL, n, count(lost) or 0) for name, lost in (imputed.get("missing") or {}).items()]


def missing_table(run: Run) -> Table:
    """Predictors with missing values, by site where there are several."""
    rows = missing_rows(run)
    by_name: dict[str, dict[str, tuple[int, int]]] = {}
    for name, site, n, lost in rows:
        by_name.setdefault(name, {})[site] = (n, lost)
    sites = [site for site in dict.fromkeys(site for _, site, _, _ in rows) if site != ALL]
    shown = sites if 1 < len(sites) <= MOST_SITES else []
    lacking = {name: found for name, found in by_name.items() if any(lost for _, lost in found.values())}
    labels = {name: run.setting(f"cohort.predictors.{name}.label") or name for name in lacking}
    body: list[Row] = []
    for name, found in sorted(lacking.items(), key=lambda item: -_total(item[1])[1]):
        head = row_head(labels[name], sub=name if labels[name] != name else "")
        body.append([head, _cell(_total(found)), *(_cell(found.get(site)) for site in shown)])
    complete = len(by_name) - len(lacking)
    note = f"{complete} of {len(by_name)} predictors have no missing value."
    more = f"By site in tables/missing.csv ({len(sites)} sites)." if len(sites) > MOST_SITES else ""
    if not body:
        raise NotAvailable("no predictor has a missing value")
    return table("Missing predictors", ["Predictor", "All patients", *shown], body, [note, more])


def _total(found: dict[str, tuple[int, int]]) -> tuple[int, int]:
    if ALL in found:
        return found[ALL]
    return sum(n for n, _ in found.values()), sum(lost for _, lost in found.values())


def _cell(found: tuple[int, int] | None) -> Cell:
    if found is None:
        return Cell(text.DASH, numeric=True)
    n, lost = found
    if not n:
        return Cell(text.DASH, numeric=True)
    everyone = "nobody has a value" if lost == n else f"of {text.whole(n)}, {text.percent(lost / n, 0)}"
    return Cell(text.whole(lost), everyone if lost else f"of {text.whole(n)}", numeric=True)


# --- imputation ------------------------------------------------------------------------------------------------


def imputation_blocks(run: Run) -> list[Block]:
    """How missing values were filled in, and what the several copies say of the loss."""
    how = str(run.setting("cohort.missing") or "not recorded")
    if how != "impute":
        return [Facts((("Missing values", HANDLED.get(how, how)),))]
    setting: dict[str, Any] = run.setting("imputation") or {}
    copies = count(setting.get("copies")) if setting.get("method") == "iterative" else 1
    facts = [
        ("Missing values", "imputed inside every split, learnt from its training patients; the outcome is never used"),
        ("Method", METHODS.get(str(setting.get("method")), str(setting.get("method")))),
        ("Copies", text.whole(copies)),
    ]
    if (copies or 1) > 1:
        facts.append(("Rounds", text.whole(count(setting.get("iterations")))))
        facts.append(("Combined", COMBINE.get(str(setting.get("combine")), str(setting.get("combine")))))
    facts.append(("Indicator", "the model also sees what was missing" if setting.get("indicator") else "none"))
    return [Facts(tuple(facts)), *_notes(run), *_lost(run, copies or 1)]


HANDLED = {
    "refuse": "none allowed: a cohort with a missing value is refused",
    "exclude": "patients without a value are excluded (complete cases)",
}


def _notes(run: Run) -> list[Block]:
    notes = list(map(str, (run.records_of("estimators").get("imputation") or {}).get("notes") or []))
    return [Listing(tuple(notes))] if notes else []


def _lost(run: Run, copies: int) -> list[Block]:
    """The fraction of missing information of each measure, where it was recorded."""
    if copies < 2 or str(run.setting("imputation.combine")) != "rubin":
        return []
    try:
        scores = subject(run).scores
    except NotAvailable:
        return []
    lost = scores.get("missing_information")
    if not lost:
        return []
    body = list(_lost_rows(lost))
    note = "The share of each measure's uncertainty that comes from the missing values."
    inner = table("Fraction of missing information", ["Measure", "Fraction"], body, [note])
    return [Details(f"Fraction of missing information ({len(body)} measures)", (inner,))]


def _lost_rows(lost: dict[str, Any]) -> Iterable[Row]:
    for name, value in lost.items():
        metric = METRICS.get(str(name))
        share = number(value.get("fmi") if isinstance(value, dict) else value)
        yield [row_head(text.capital(metric.label) if metric else str(name)), Cell(text.percent(share), numeric=True)]
