"""Columns that are no finding of the patient, yet predict the outcome: site, device, date, image size, file names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from validkit.audit.chance import Bench, Scores, area_interval, bench, chance_p, together
from validkit.audit.findings import Finding, finding
from validkit.audit.proxy_columns import ProxyColumn, proxy_columns
from validkit.audit.sides import Sides, SplitLike, sides_of
from validkit.engine import Reporter, map_tasks
from validkit.stats import adjust_p_values

if TYPE_CHECKING:
    from validkit.cohort import Cohort

ALPHA = 0.01
PERMUTATIONS = 9999
BINS = 5
PRIOR = 2.0
"""patients with the overall event rate that are added to each category"""
SHOWN = 8
METHOD = (
    "For each column alone the smoothed event rate of its categories, or of five equally large bins of a number (so "
    "that any shape is found), learnt and applied in five stratified folds that keep patients together. AUC with "
    "DeLong's interval, approximate for cross-validated scores. One-sided p by shuffling outcomes within folds (Besag "
    "and Clifford, Biometrika 78 (1991) 301-304; Phipson and Smyth 2010; never 0), Holm over the columns. Fails where "
    "the adjusted p < {alpha:g} and the interval lies above 0.5: the first guards against chance among many columns, "
    "the second against a size that could be nothing. A column that is constant among the held-out patients of every "
    "split cannot raise their AUC and does not fail."
)


def check_proxies(
    cohort: Cohort,
    splits: Sequence[SplitLike],
    *,
    seed: int,
    permutations: int = PERMUTATIONS,
    alpha: float = ALPHA,
    engine: str = "sequential",
    reporter: Reporter | None = None,
) -> Finding:
    """Whether a column that is no finding of the patient predicts the outcome. It looks at every patient's outcome.

    Site, device, date, size and headers of images, names of files, order of rows, and which predictors are missing.
    """
    method = METHOD.format(alpha=alpha)
    at = bench(cohort.outcome, together(cohort), seed)
    if isinstance(at, str):
        return finding("proxies", "not applicable", at, method=method)
    columns = proxy_columns(cohort)
    asked = [column for column in columns if not column.why_not]
    seeds = np.random.SeedSequence(seed, spawn_key=(5,)).spawn(len(columns))
    tasks = [(column, at, seeds[columns.index(column)], permutations) for column in asked]
    answers = map_tasks(_ask, tasks, engine=engine, label="Columns that may stand for the outcome", reporter=reporter)
    adjusted = adjust_p_values([row["p"] for row in answers], method="holm")
    sides = sides_of(cohort.patients, splits)
    by_name = {}
    for column, row, p in zip(asked, answers, adjusted, strict=True):
        fires = bool(p < alpha and row["low"] > 0.5)
        spared = fires and _constant_where_held_out(column, sides)
        note = "constant among the held-out patients of every split, whose AUC it cannot raise" if spared else ""
        row |= {"p_holm": float(p), "outcome": "fail" if fires and not spared else "pass", "note": note}
        by_name[column.name] = row
    rows = [
        by_name.get(column.name, {"column": column.name, "outcome": "not applicable", "why": column.why_not})
        for column in columns
    ]
    return _answer(at, rows, alpha, method)


def _ask(task: tuple[ProxyColumn, Bench, np.random.SeedSequence, int]) -> dict[str, Any]:
    """AUC, interval and p value of one column."""
    column, at, seed, permutations = task
    scorer = event_rates(column, at)
    p, made = chance_p(at, [scorer], np.random.default_rng(seed), permutations)
    area = area_interval(at, scorer(at.outcome[None].astype(np.float32))[0])
    return {
        "column": column.name,
        "kind": "number" if column.numeric else "categories",
        "values": int(column.values.nunique(dropna=False)),
        "auc": area.value,
        "low": area.low,
        "high": area.high,
        "level": area.level,
        "p": float(p[0]),
        "permutations": made,
        "rates": _rates(column, at),
    }


def event_rates(column: ProxyColumn, at: Bench) -> Scores:
    """Cross-validated smoothed event rates of a column's categories or bins, for any outcomes."""
    parts = []
    for train, held in at.folds:
        codes = binned(column, train)
        known = np.zeros((train.size, int(codes.max()) + 1), dtype=np.float32)
        known[np.arange(train.size), codes[train]] = 1.0
        parts.append((train, held, known, codes[held]))

    def scores(outcomes: NDArray[np.float32]) -> NDArray[np.float32]:
        out = np.zeros(outcomes.shape, dtype=np.float32)
        for train, held, known, codes in parts:
            overall = outcomes[:, train].mean(axis=1, keepdims=True)
            rates = (outcomes[:, train] @ known + PRIOR * overall) / (known.sum(axis=0) + PRIOR)
            out[:, held] = rates[:, codes]
        return np.round(out, 6)

    return scores


def binned(column: ProxyColumn, learnt_on: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each patient's category, or bin between quantiles of the patients learnt on; a missing number is a bin."""
    if not column.numeric:
        return pd.factorize(column.values, use_na_sentinel=False)[0].astype(np.int64)
    values = column.values.to_numpy(dtype=np.float64)
    known = values[learnt_on]
    known = known[~np.isnan(known)]
    if not known.size:
        return np.zeros(values.size, dtype=np.int64)
    edges = np.unique(np.quantile(known, np.arange(1, BINS) / BINS))
    return np.where(np.isnan(values), edges.size + 1, np.searchsorted(edges, values, side="left"))


def _rates(column: ProxyColumn, at: Bench) -> list[dict[str, Any]]:
    """Patients and events of the commonest categories, or of each bin."""
    codes = binned(column, np.arange(at.outcome.size))
    names = column.values.astype(str).to_numpy()
    out = []
    for code in np.argsort(-np.bincount(codes), kind="stable")[:SHOWN]:
        here = codes == code
        if here.any():
            label = _range(column.values[here]) if column.numeric else names[here][0]
            out.append({"value": label, "n": int(here.sum()), "events": int(at.outcome[here].sum())})
    return sorted(out, key=lambda row: row["value"]) if not column.numeric else out


def _range(values: pd.Series) -> str:
    known = values.dropna()
    return f"{known.min():.6g} to {known.max():.6g}" if len(known) else "(missing)"


def _constant_where_held_out(column: ProxyColumn, sides: Sides) -> bool:
    """Whether the column has one value among the held-out patients of each split."""
    codes = pd.factorize(column.values, use_na_sentinel=False)[0]
    held = [codes[row] for row in sides.held_out if row.any()]
    return bool(held) and all((part == part[0]).all() for part in held)


def _answer(at: Bench, rows: list[dict[str, Any]], alpha: float, method: str) -> Finding:
    n, events = at.outcome.size, int(at.outcome.sum())
    evidence = {"n": n, "events": events, "alpha": alpha, "columns": rows}
    failed = [row for row in rows if row["outcome"] == "fail"]
    asked = [row for row in rows if row["outcome"] != "not applicable"]
    if not failed:
        best = max(asked, key=lambda row: row["auc"])
        why = f"none of {len(asked)} columns predicts the outcome by itself (largest AUC: {_shown(best)})"
        return finding("proxies", "pass", why, evidence=evidence, advice="Nothing needs to be done.", method=method)
    advice = (
        "Ask how the column came to go with the outcome. If cases and controls were gathered differently, the images "
        "may carry it too, and the study cannot tell a model that reads it from one that reads the lesion: gather them "
        "alike, or match. If it is case mix (centres of different prevalence), stratify the split by it, report "
        "results within each value, and validate with that value left out (internal-external)."
    )
    why = "the outcome is predicted by " + "; ".join(_shown(row) for row in failed)
    return finding("proxies", "fail", why, evidence=evidence, advice=advice, method=method)


def _shown(row: dict[str, Any]) -> str:
    return f"{row['column']}, {row['auc']:.2f} [{row['low']:.2f}, {row['high']:.2f}], adjusted p = {row['p_holm']:.2g}"
