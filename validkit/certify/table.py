"""The coverage table: a row for every method in every cell, and a summary that says where each method holds."""

from __future__ import annotations

import csv
import io
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from validkit.certify.cells import Cell
from validkit.certify.tally import Key, Tally, truth_of

__all__ = ["COLUMNS", "SUMMARY", "coverage_rows", "read_csv", "summary_rows", "verdict", "verdict_counts", "write_csv"]

SETTINGS = ("kind", "n", "prevalence", "auc", "intercept", "slope", "auc_b", "correlation", "sites", "tau", "icc")
COLUMNS = (
    "sort", "measure", "method", *SETTINGS, "truth", "simulations", "undefined", "share", "se", "below", "above",
    "width", "bias", "verdict",
)  # fmt: skip
"""share : coverage of the defined intervals, or share of the defined tests that rejected at 0.05; se : its Monte Carlo
error; below, above : share of truths under and over the interval; width, bias : means"""
INSIDE, NEAR = (0.94, 0.96), (0.925, 0.975)
TOO_LOW, TOO_HIGH = "failing, too low", "failing, too high"
INTERVAL, ERROR, POWER = "interval", "type I error", "power"


def verdict(sort: str, share: float) -> str:
    """ "inside" 94 to 96 %, "near" (92.5 to 97.5 %) or "failing", and which way; of errors, the same about 5 %."""
    if sort == POWER or math.isnan(share):
        return ""
    kept = share if sort == INTERVAL else 1 - share
    if INSIDE[0] <= kept <= INSIDE[1]:
        return "inside"
    if NEAR[0] <= kept <= NEAR[1]:
        return "near"
    return TOO_LOW if kept < NEAR[0] else TOO_HIGH


def coverage_rows(found: Mapping[tuple[Cell, str], Mapping[Key, Tally]]) -> list[dict[str, Any]]:
    """A row, with COLUMNS, for every method in every cell."""
    rows = []
    for (cell, _), tallies in found.items():
        truths = cell.truths()
        for (measure, method), tally in tallies.items():
            rows.append(_row(cell, measure, method, tally, truths))
    return rows


def _row(cell: Cell, measure: str, method: str, tally: Tally, truths: Mapping[str, float]) -> dict[str, Any]:
    tested = tally.covered + tally.below + tally.above == 0
    fit = measure in FIT_TESTS
    truth = math.nan if fit else truth_of(cell, truths, measure)
    null = cell.calibrated if fit else abs(truth) < 1e-12
    sort = INTERVAL if not tested else ERROR if null else POWER
    defined = tally.defined
    part = (lambda count: count / defined) if defined else (lambda count: math.nan)
    share = part(tally.rejected if tested else tally.covered)
    se = math.sqrt(share * (1 - share) / defined) if defined else math.nan
    return {
        "sort": sort,
        "measure": measure,
        "method": method,
        **{name: getattr(cell, name) for name in SETTINGS},
        "truth": truth,
        "simulations": tally.n,
        "undefined": tally.undefined / tally.n,
        "share": share,
        "se": se,
        "below": math.nan if tested else part(tally.below),
        "above": math.nan if tested else part(tally.above),
        "width": math.nan if tested else part(tally.width),
        "bias": math.nan if tested else part(tally.bias),
        "verdict": verdict(sort, share),
    }


SUMMARY = ("kind", "sort", "measure", "method", "cells", "inside", "near", "failing", "least", "largest")
FIT_TESTS = ("hosmer_lemeshow", "spiegelhalter", "le_cessie", "cox_tests", "closed_test")


def summary_rows(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """For every method: its cells inside, near and failing, and the least and largest share among them."""
    by: dict[tuple[str, str, str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["sort"] != POWER:
            by[row["kind"], row["sort"], row["measure"], row["method"]].append(row)
    found = []
    for (kind, sort, measure, method), some in by.items():
        shares = [row["share"] for row in some if not math.isnan(row["share"])]
        found.append(
            {
                "kind": kind, "sort": sort, "measure": measure, "method": method, "cells": len(some),
                **verdict_counts(some),
                "least": min(shares, default=math.nan), "largest": max(shares, default=math.nan),
            }
        )  # fmt: skip
    return found


def verdict_counts(rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """How many rows are inside, near and failing."""
    said = [str(row["verdict"]) for row in rows]
    return {word: sum(one.startswith(word) for one in said) for word in ("inside", "near", "failing")}


def write_csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = COLUMNS) -> str:
    """The rows as CSV; numbers to five digits, what does not apply empty."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(row[name]) for name in columns] for row in rows)
    return buffer.getvalue()


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.5g}"
    return str(value)


def read_csv(text: str) -> list[dict[str, Any]]:
    """The rows of `write_csv`; numbers as numbers, empty cells NaN."""
    return [{name: _read(name, cell) for name, cell in row.items()} for row in csv.DictReader(io.StringIO(text))]


def _read(name: str, cell: str) -> Any:
    if name in ("sort", "measure", "method", "kind", "verdict"):
        return cell
    return math.nan if cell == "" else float(cell)
