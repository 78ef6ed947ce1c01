"""The coverage table as a page: where each method holds, and what the default does in the paper's test set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from validkit.certify.cells import PAPER
from validkit.certify.scope import NO_INTERVAL, NOT_JUDGED
from validkit.certify.table import ERROR, INTERVAL, POWER, summary_rows

__all__ = ["DEFAULTS", "default_rows", "page"]

DEFAULTS = {
    "auc": "delong", "auprc": "logit", "average_precision": "logit", "observed_expected": "log",
    "calibration_in_the_large": "wald", "calibration_intercept": "wald", "calibration_slope": "wald",
    "brier": "normal", "log_loss": "normal", "scaled_brier": "normal", "mcfadden_r2": "normal",
    "cox_snell_r2": "normal", "nagelkerke_r2": "normal", "discrimination_slope": "normal", "mape": "normal",
    "sensitivity": "wilson", "specificity": "wilson", "ppv": "wilson", "npv": "wilson", "accuracy": "wilson",
    "balanced_accuracy": "wilson", "youden_index": "wilson", "f1": "wilson", "kappa": "fisher-z", "mcc": "fisher-z",
    "diagnostic_odds_ratio": "woolf", "positive_likelihood_ratio": "simel", "negative_likelihood_ratio": "simel",
    "net_benefit": "normal", "standardised_net_benefit": "normal", "expected_cost": "normal",
    "interventions_avoided": "normal", "partial_auc": "bootstrap-percentile", "ici": "bootstrap-percentile",
    "e50": "bootstrap-percentile", "e90": "bootstrap-percentile", "emax": "bootstrap-percentile",
}  # fmt: skip
"""measure -> the method that a user gets who names none; of those without a closed form, the one that is offered"""
HEAD = (
    "| data | measure | method | cells | inside | near | failing | least | largest |\n"
    "|---|---|---|--:|--:|--:|--:|--:|--:|"
)


def default_rows(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The rows of every default in the paper's test set, right risks."""
    cell = {"kind": "risks", "n": PAPER.n, "auc": PAPER.auc, "intercept": 0, "slope": 1}
    found = [
        row
        for row in rows
        if all(row[name] == value for name, value in cell.items())
        and abs(row["prevalence"] - PAPER.prevalence) < 1e-4
        and DEFAULTS.get(row["measure"]) == row["method"]
        and row["sort"] == INTERVAL
    ]
    return sorted(found, key=lambda row: list(DEFAULTS).index(row["measure"]))


def page(rows: Sequence[Mapping[str, Any]]) -> str:
    """Markdown."""
    parts = ["# Coverage of every interval, error of every test", "", _told(rows), ""]
    defaults = default_rows(rows)
    if defaults:
        parts += [f"## The default in the paper's test set ({PAPER.prevalence * PAPER.n:.0f} events in {PAPER.n})", ""]
        parts += ["| measure | method | coverage | below | above | mean width | |", "|---|---|--:|--:|--:|--:|---|"]
        parts += [_default(row) for row in defaults]
        parts.append("")
    for sort, title in ((INTERVAL, "Coverage of 95 % intervals"), (ERROR, "Type I error of tests at 5 %")):
        some = [row for row in summary_rows(rows) if row["sort"] == sort]
        if some:
            parts += [f"## {title}, over the cells", "", HEAD, *(_line(row) for row in some), ""]
    power = [row for row in rows if row["sort"] == POWER and row["kind"] == "pairs"]
    if power:
        parts += [
            "## Power of paired comparisons",
            "",
            "| measure | method | n | AUCs | power |",
            "|---|---|--:|---|--:|",
        ]
        parts += [_power(row) for row in power]
        parts.append("")
    parts += ["## Functions without rows of their own, and why", ""]
    parts += [f"- `{name}`: {why}" for name, why in sorted(NOT_JUDGED.items()) if why != NO_INTERVAL]
    parts.append("")
    return "\n".join(parts)


def _told(rows: Sequence[Mapping[str, Any]]) -> str:
    most, least = (choose(row["simulations"] for row in rows) for choose in (max, min))
    return (
        f"{len(rows)} methods in cells, {least:,.0f} to {most:,.0f} simulations each. Inside: 94 to 96 %; near: 92.5 "
        "to 97.5 %; failing: the rest. Of intervals that are undefined in some samples, the defined ones count."
    )


def _default(row: Mapping[str, Any]) -> str:
    share, below, above = (f"{100 * row[name]:.1f} %" for name in ("share", "below", "above"))
    return (
        f"| {row['measure']} | {row['method']} | {share} | {below} | {above} | {row['width']:.3g} | {row['verdict']} |"
    )


def _line(row: Mapping[str, Any]) -> str:
    counts = " | ".join(str(row[name]) for name in ("cells", "inside", "near", "failing"))
    ends = " | ".join(f"{100 * row[name]:.1f} %" for name in ("least", "largest"))
    return f"| {row['kind']} | {row['measure']} | {row['method']} | {counts} | {ends} |"


def _power(row: Mapping[str, Any]) -> str:
    areas = f"{row['auc']:g} and {row['auc_b']:g}"
    return f"| {row['measure']} | {row['method']} | {row['n']:.0f} | {areas} | {100 * row['share']:.1f} % |"
