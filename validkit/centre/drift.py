"""Which inputs are spread otherwise at a new centre: each against its quantiles at home, corrected for their number."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from validkit.bundle.case_mix import QUANTILES, CaseMix, Spread
from validkit.centre.measures import add_holm, finite
from validkit.stats.results import NAN, TestResult

__all__ = ["columns_here", "drift_record", "drift_test", "levels_test"]


def drift_test(values: NDArray[np.float64], home: Spread) -> TestResult:
    """That values here are spread as at home: chi-square of two samples over the strata between home's quantiles.

    values : (m,) finite; home : n values, of which QUANTILES are told, and how many are no larger than each: so whole
    numbers and columns of zeros do not look shifted. NaN for fewer than 5 values a stratum, and where home has one.

    Reference: the two-sample chi-square for unequal totals, Press et al., Numerical Recipes (3rd ed., 2007), 14.3.
    """
    method, m = "chi-square over home's quantiles", len(values)
    if not home.quantiles or m < 5 * (len(QUANTILES) + 1):
        return TestResult(NAN, NAN, None, method, n=m, note="undefined: too few values for quantiles")
    edges, shares = _strata(home)
    if len(shares) < 2:
        return TestResult(NAN, NAN, None, method, n=m, note="undefined: home's quantiles are one number")
    counts = np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(shares)).astype(np.float64)
    there = home.n * shares
    ratio = math.sqrt(home.n / m)
    statistic = float(np.sum((ratio * counts - there / ratio) ** 2 / (counts + there)))
    df = float(len(shares) - 1)
    return TestResult(statistic, float(special.chdtrc(df, statistic)), df, method, n=m)


def levels_test(here: Mapping[str, int], home: Mapping[str, int]) -> TestResult:
    """That levels are as frequent here as at home: chi-square of two samples; patients without a value do not count.

    A level that nobody has at either centre is left out. Reference: as `drift_test`.
    """
    method = "chi-square of the levels"
    names = [name for name in home if name and home[name] + here.get(name, 0) > 0]
    ours, theirs = (np.array([counts.get(name, 0) for name in names], dtype=np.float64) for counts in (here, home))
    m, n = ours.sum(), theirs.sum()
    if len(names) < 2 or not (m > 0 and n > 0):
        return TestResult(NAN, NAN, None, method, n=int(m), note="undefined: one level alone")
    statistic = float(np.sum((math.sqrt(n / m) * ours - math.sqrt(m / n) * theirs) ** 2 / (ours + theirs)))
    df = float(len(names) - 1)
    return TestResult(statistic, float(special.chdtrc(df, statistic)), df, method, n=int(m))


def drift_record(
    mix: CaseMix, table: pd.DataFrame, levels: Mapping[str, Mapping[str, int]] | None = None
) -> dict[str, Any]:
    """stages/drift.json: every input that the bundle tells of, here and at home, the most different first.

    table : (n, k) the same columns of this centre's patients, by their names in `mix.numbers`
    levels : by column, how many patients here have each level, as in `mix.levels`
    """
    rows: list[dict[str, Any]] = []
    for name, home in mix.numbers.items():
        if name not in table:
            continue
        column = table[name].to_numpy(np.float64)
        values = column[np.isfinite(column)]
        test = drift_test(values, home)
        sd = home.sd or 0.0
        shift = (float(values.mean()) - home.mean) / sd if len(values) and home.mean is not None and sd > 0 else NAN
        here = float(values.std(ddof=1)) if len(values) > 1 else NAN
        rows.append(
            {
                "name": name,
                "kind": "feature" if name in mix.features else "image" if name.startswith("image ") else "predictor",
                "mean_there": home.mean,
                "mean_here": finite(float(values.mean()) if len(values) else NAN),
                "shift": finite(shift),
                "spread": finite(here / sd if sd > 0 else NAN),
                "missing_there": home.missing,
                "missing_here": len(column) - len(values),
                "test": test.to_dict(),
            }
        )
    for name, counts in (levels or {}).items():
        home_counts = mix.levels.get(name, {})
        known = sum(n for level, n in counts.items() if level)
        at_home = sum(n for level, n in home_counts.items() if level)
        test = levels_test(counts, home_counts)
        shares = {
            level: [home_counts[level] / max(at_home, 1), counts.get(level, 0) / max(known, 1)]
            for level in home_counts
            if level
        }
        missing = {"missing_there": home_counts.get("", 0), "missing_here": counts.get("", 0)}
        blank = dict.fromkeys(("mean_there", "mean_here", "shift", "spread"))
        rows.append({"name": name, "kind": "predictor", **blank, **missing, "levels": shares, "test": test.to_dict()})
    add_holm(rows)
    rows.sort(key=lambda row: (row["p_adjusted"] is None, row["p_adjusted"] or 0.0, -abs(row["shift"] or 0.0)))
    return {"tested": sum(row["p_adjusted"] is not None for row in rows), "rows": rows}


def _strata(home: Spread) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(edges, shares of the patients at home between them, an edge with those below it); empty strata are joined."""
    edges, first = np.unique(np.array(home.quantiles), return_index=True)
    reached = np.array(home.reached)[first]
    filled = np.diff(np.array([0.0, *reached])) > 0
    edges, reached = edges[filled], reached[filled]
    shares = np.diff(np.array([0.0, *reached, 1.0]))
    if len(shares) > 1 and shares[-1] == 0:  # nobody at home lies above the last edge
        edges, shares = edges[:-1], shares[:-1]
    return edges, shares


def columns_here(mix: CaseMix, predictors: pd.DataFrame, images: pd.DataFrame | None, features: Any) -> pd.DataFrame:
    """This centre's columns by their names in `mix.numbers`.

    features : (n, p) radiomic features, None for a table; images : `Cohort.image_info`
    """
    parts: dict[str, Mapping[str, Any] | Any] = {}
    for name in mix.numbers:
        if name in mix.features:
            if features is not None and name in features:
                parts[name] = features[name].to_numpy(np.float64)
        elif name.startswith("image "):
            own = name.removeprefix("image ")
            if images is not None and own in images:
                parts[name] = images[own].to_numpy(dtype=np.float64, na_value=np.nan)
        elif name in predictors:
            parts[name] = predictors[name].to_numpy(dtype=np.float64, na_value=np.nan)
    return pd.DataFrame(parts, index=predictors.index)
