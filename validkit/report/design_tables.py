"""The CSV tables of what a design adds: fits, performance by split, pooled sites, optimism, gaps, verdicts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from validkit.report.acceptance import judged
from validkit.report.estimators import coefficient_rows
from validkit.report.fits import MEASURES, fits, kept_counts
from validkit.report.missing import missing_rows
from validkit.report.optimism import COLUMNS
from validkit.report.records import HELD_OUT, NotAvailable, Run
from validkit.report.sentinels import sentinel_rows
from validkit.report.values import count, estimate, number

Rows = tuple[list[str], list[list[Any]]]
PARTS = ("value", "low", "high", "method", "note")
KEYS = tuple(key for key, _ in MEASURES)


def splits(run: Run) -> Rows:
    """What every fit of the whole model saw, chose and took; `final` is that to all patients."""
    columns = ["split", "repeat", "fold", "site", "training", "distinct", "held_out", "fits", "columns_kept"]
    columns += ["seconds", "chosen", "parameters"]
    rows = []
    for one in run.stage("splits")["splits"]:
        head = [one.get("split"), count(one.get("repeat")), count(one.get("fold")), one.get("site")]
        sizes = [count(one.get(key)) for key in ("training", "distinct", "held_out", "fits")]
        chosen = json.dumps(one.get("chosen") or {}, sort_keys=True, ensure_ascii=False)
        seconds = number(one.get("seconds"))
        rows.append([*head, *sizes, len(one.get("features") or []), seconds, chosen, one.get("parameters")])
    return columns, rows


def by_split(run: Run) -> Rows:
    """Every model that was judged by split, on the held-out patients of each."""
    columns = ["model", "split", "repeat", "fold", "site", "n", "events", "level"]
    columns += _named(KEYS)
    rows = []
    for model in run.models():
        for one in model.get("by_split") or []:
            found = [estimate(one.get(key)) for key in KEYS]
            head = [model["name"], one.get("split"), count(one.get("repeat")), count(one.get("fold")), one.get("site")]
            sizes = [count(one.get("n")), count(one.get("events")), found[0].level]
            rows.append([*head, *sizes, *(getattr(e, part) for e in found for part in PARTS)])
    return columns, _some(rows, "no performance by split was recorded")


def pooled(run: Run) -> Rows:
    """Every model's measures pooled over sites by random effects."""
    columns = ["model", "measure", "sites", "mean", "low", "high", "level", "method", "new_site_low", "new_site_high"]
    columns += ["new_site_method", "scale", "tau", "tau_low", "tau_high", "i2", "i2_low", "i2_high", "q", "q_p", "note"]
    rows = []
    for model in run.models():
        for key, record in (model.get("pooled") or {}).items():
            mean, new, tau, i2 = (estimate(record.get(part)) for part in ("estimate", "prediction", "tau", "i2"))
            q: Mapping[str, Any] = record.get("q") or {}
            row = [model["name"], key, len(record.get("sites") or []), mean.value, mean.low, mean.high, mean.level]
            row += [mean.method, new.low, new.high, new.method, record.get("scale"), tau.value, tau.low, tau.high]
            row += [i2.value, i2.low, i2.high, number(q.get("statistic")), number(q.get("p_value"))]
            rows.append([*row, record.get("note") or mean.note])
    return columns, _some(rows, "no site was pooled")


def optimism(run: Run) -> Rows:
    """Every measure of every model: apparent, optimism, corrected, .632 and .632+."""
    columns = ["model", "measure", "resamples", "n", "events", *_named(COLUMNS)]
    rows = []
    for model in run.models():
        behind = model.get("optimism") or {}
        for name, record in (behind.get("metrics") or {}).items():
            found = [estimate(record.get(part)) for part in COLUMNS]
            head = [model["name"], name, count(behind.get("resamples")), found[0].n, found[0].n_events]
            rows.append([*head, *(getattr(e, part) for e in found for part in PARTS)])
    return columns, _some(rows, "no optimism was recorded")


def kept(run: Run) -> Rows:
    """In how many fits each column was kept."""
    n = len(fits(run))
    if n < 2:
        raise NotAvailable("the model was fitted once")
    rows = [[name, times, n, times / n] for name, times in kept_counts(run).items()]
    return ["column", "fits_that_kept_it", "fits", "share"], rows


def missing(run: Run) -> Rows:
    """Values missing, by predictor and site."""
    rows = [[name, site, n, lost] for name, site, n, lost in missing_rows(run)]
    return ["predictor", "site", "n", "missing"], _some(rows, "no count of missing values was recorded")


def coefficients(run: Run) -> Rows:
    """Coefficients of the linear estimators, of the fit that the report shows."""
    return ["model", "column", "coefficient"], coefficient_rows(run)


def acceptance(run: Run) -> Rows:
    """Every declared criterion and its verdict."""
    keys = ("measure", "quantity", "model", "set", "rule", "threshold", "against", "outcome", "reason")
    rows = []
    for verdict in judged(run)["criteria"]:
        e = estimate(verdict.get("estimate"))
        found = [verdict.get(key) for key in keys]
        rows.append([*found, e.value, e.low, e.high, e.level, e.n, e.n_events, e.method, e.note])
    return [*keys, "value", "low", "high", "level", "n", "events", "method", "note"], rows


def sentinels(run: Run) -> Rows:
    """Every sentinel's question and answer; the evidence is in run.json."""
    return ["code", "question", "outcome", "why", "advice", "method", "n"], sentinel_rows(run)


def locked_model(run: Run) -> Rows:
    """Every model of a bundle at home and here."""
    if run.kind != "bundle":
        raise NotAvailable("no locked model was applied")
    record = run.stage("bundle")
    there, at_home = record.get("performance_on"), record.get("performance") or {}
    rows = []
    for model in run.models():
        name, here = model["name"], model["sets"].get(HELD_OUT)
        for where, judged_on, scores in (("home", there, at_home.get(name)), ("here", HELD_OUT, here)):
            if scores is not None:
                found = [estimate(scores.get(key)) for key in KEYS]
                head = [name, where, judged_on, count(scores.get("n")), count(scores.get("events"))]
                rows.append([*head, *(getattr(e, part) for e in found for part in PARTS)])
    return ["model", "where", "set", "n", "events", *_named(KEYS)], rows


def transfer(run: Run) -> Rows:
    """Every model of a bundle: what differs from home, and the parts of the difference."""
    if run.kind != "bundle":
        raise NotAvailable("no locked model was applied")
    record = run.stage("transfer")
    if record.get("why"):
        raise NotAvailable(str(record["why"]))
    rows = []
    for name, one in sorted(record["models"].items()):
        for key in ("auc", "concordance", "gap", "baseline"):
            for where in ("there", "here", "difference"):
                e = estimate(one[key].get(where))
                rows.append([name, key, where, e.value, e.low, e.high, None, None, e.method])
        e = estimate(one.get("standardised"))
        rows.append([name, "auc standardised", "here", e.value, e.low, e.high, None, None, e.method])
        for part in ("case_mix", "baseline", "effects"):
            found = [one["p_values"].get(part), one["p_adjusted"].get(part)]
            rows.append([name, f"{part} differs", "", one["differs"].get(part), None, None, *found, "Holm over three"])
    return ["model", "measure", "where", "value", "low", "high", "p", "p_adjusted", "method"], rows


def harmonisation(run: Run) -> Rows:
    """Every harmonised input: how this centre measures it otherwise than development."""
    if run.kind != "bundle" or not run.stage("bundle").get("harmonisation"):
        raise NotAvailable("nothing was harmonised")
    keys = ["name", "shift", "scale", "raw_shift", "raw_scale"]
    return keys, [[row.get(key) for key in keys] for row in run.stage("harmonisation")["features"]]


def _named(keys: tuple[str, ...]) -> list[str]:
    return [f"{key}_{part}".removesuffix("_value") for key in keys for part in PARTS]


def _some(rows: list[list[Any]], why: str) -> list[list[Any]]:
    if not rows:
        raise NotAvailable(why)
    return rows


DESIGN_TABLES: dict[str, Callable[[Run], Rows]] = {
    "splits": splits,
    "by-split": by_split,
    "pooled-sites": pooled,
    "optimism": optimism,
    "kept-features": kept,
    "missing": missing,
    "coefficients": coefficients,
    "acceptance": acceptance,
    "sentinels": sentinels,
    "locked-model": locked_model,
    "transfer": transfer,
    "harmonisation": harmonisation,
}
