"""What the statistics must know of their own limits: the rows of the coverage table that `stats.known_limits` reads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from validkit import stats
from validkit.certify.cells import PAPER
from validkit.certify.groups import GROUPS
from validkit.certify.table import INTERVAL, TOO_LOW, write_csv
from validkit.stats.results import Estimate

__all__ = ["known_limits", "labels"]

FUNCTIONS = {"kappa": "kappa_at_threshold"}
"""measures whose function bears another name"""
COLUMNS = ("measure", "method", "n", "prevalence", "value", "coverage")


def labels() -> dict[tuple[str, str], str]:
    """(measure, method) -> the method's words in an Estimate of one model's closed forms."""
    sample = PAPER.population().sample(PAPER.n, np.random.default_rng(1))
    found: dict[tuple[str, str], str] = {}
    for group in GROUPS:
        if group.kind != "risks" or not group.plain:
            continue
        for key, one in group.compute(sample, PAPER, np.random.default_rng(1)).items():
            if isinstance(one, Estimate) and FUNCTIONS.get(key[0], key[0]) in stats.__all__:
                found[key] = one.method
    return found


def known_limits(rows: Iterable[Mapping[str, Any]]) -> str:
    """CSV for `stats.known_limits`: every calibrated cell of each method that fails in one of them."""
    words = labels()
    by: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        plain = row["kind"] == "risks" and row["sort"] == INTERVAL and (row["intercept"], row["slope"]) == (0, 1)
        if plain and (row["measure"], row["method"]) in words:
            by[row["measure"], row["method"]].append(row)
    kept = [
        {
            "measure": FUNCTIONS.get(measure, measure),
            "method": words[measure, method],
            "n": row["n"],
            "prevalence": row["prevalence"],
            "value": row["truth"],
            "coverage": row["share"],
        }
        for (measure, method), some in sorted(by.items())
        if any(row["verdict"] == TOO_LOW for row in some)
        for row in some
    ]
    return write_csv(kept, COLUMNS)
