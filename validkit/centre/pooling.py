"""Several centres' summaries as one answer: random effects, a new centre's range, and how much each centre weighs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from validkit.centre.measures import finite
from validkit.centre.summary import Measure, SiteSummary
from validkit.errors import InputError
from validkit.stats import probability_new_site
from validkit.stats.intervals import z_of
from validkit.stats.pooling import PooledEstimate, pool
from validkit.stats.results import NAN, Estimate
from validkit.stats.scales import back_on

__all__ = ["WORDS", "check_together", "pool_summaries"]

WORDS = {
    "auc": "AUC",
    "oe": "Observed : expected",
    "slope": "Calibration slope",
    "calibration_in_the_large": "Calibration in the large",
    "brier": "Brier score",
    "net_benefit": "Net benefit",
}


def check_together(summaries: Sequence[SiteSummary]) -> None:
    """Refuse summaries that cannot be pooled: of several models, of one centre twice, or of fewer than two centres."""
    if len(summaries) < 2:
        raise InputError(f"pooling needs the summaries of at least two centres; got {len(summaries)}")
    first = summaries[0]
    for one in summaries[1:]:
        if (one.judged.kind, one.judged.digest) != (first.judged.kind, first.judged.digest):
            raise InputError(
                f"{first.site!r} judged the {first.judged.kind} {first.judged.name} ({first.judged.digest[:12]}), "
                f"{one.site!r} the {one.judged.kind} {one.judged.name} ({one.judged.digest[:12]}): centres are pooled "
                "where they judged the same; leave one of them out"
            )
    if len({one.judged.harmonised for one in summaries}) > 1:
        who = ", ".join(repr(one.site) for one in summaries if one.judged.harmonised)
        raise InputError(f"{who} harmonised their measurements, the others did not; pool them apart")
    for key, why in (("site", "are called"), ("fingerprint", "come from the same patients:")):
        seen: dict[str, SiteSummary] = {}
        for one in summaries:
            value = str(getattr(one, key))
            if value in seen:
                what = f"{why} {value!r}" if key == "site" else f"{why} {seen[value].site!r} and {one.site!r}"
                raise InputError(f"two summaries {what}; a centre counts once: leave one of them out")
            seen[value] = one
    if len({one.synthetic for one in summaries}) > 1:
        there = [one.site for one in summaries if one.synthetic]
        raise InputError(
            f"{', '.join(map(repr, there))} are of simulated patients, the others are not; pool them apart"
        )


def pool_summaries(
    summaries: Sequence[SiteSummary],
    *,
    bounds: Mapping[str, tuple[float | None, float | None]] | None = None,
    method: str = "reml",
    level: float = 0.95,
) -> dict[str, Any]:
    """Every measure of every model that at least two centres tell, as plain JSON types.

    bounds : of measures at a new centre, (lowest, highest), None for none: how probable is it that it keeps them?
    method : of the variance between centres; the interval is Hartung's and Knapp's
    A centre that lacks a measure is left out of it and named.
    """
    check_together(summaries)
    names = dict.fromkeys(model.name for one in summaries for model in one.models)
    models = {name: _model(name, summaries, bounds or {}, method, level) for name in names}
    first = summaries[0]
    return {
        "judged": first.judged.model_dump(mode="json"),
        "synthetic": first.synthetic,
        "level": level,
        "method": method,
        "centres": [
            {"site": one.site, "n": one.n, "events": one.events, "withheld": list(one.withheld)} for one in summaries
        ],
        "models": {name: found for name, found in models.items() if found},
    }


def _model(
    name: str,
    summaries: Sequence[SiteSummary],
    bounds: Mapping[str, tuple[float | None, float | None]],
    method: str,
    level: float,
) -> dict[str, Any]:
    told: dict[str, dict[str, Measure]] = {}
    threshold: float | None = None
    for one in summaries:
        for model in one.models:
            if model.name != name:
                continue
            for key, measure in model.measures.items():
                told.setdefault(key, {})[one.site] = measure
            threshold = model.benefits[0].threshold if threshold is None and model.benefits else threshold
            at = [benefit.model for benefit in model.benefits if benefit.threshold == threshold and benefit.model]
            if at:
                told.setdefault("net_benefit", {})[one.site] = at[0]
    sizes = {one.site: (one.n, one.events) for one in summaries}
    everybody = [one.site for one in summaries]
    found = {
        key: _measure(key, sites, everybody, sizes, bounds.get(key, (None, None)), method, level)
        for key, sites in told.items()
        if len(sites) > 1
    }
    if "net_benefit" in found:
        found["net_benefit"]["threshold"] = threshold
    return found


def _measure(
    key: str,
    told: Mapping[str, Measure],
    everybody: Sequence[str],
    sizes: Mapping[str, tuple[int, int]],
    bound: tuple[float | None, float | None],
    method: str,
    level: float,
) -> dict[str, Any]:
    sites = [site for site in everybody if site in told]
    scales = {told[site].scale for site in sites}
    if len(scales) > 1:
        raise InputError(f"{key}: the summaries have it on several scales ({', '.join(sorted(scales))})")
    pooled = _pooled(told, sites, method, level)
    scale = pooled.scale
    rows = []
    for site in sites:
        one = told[site]
        half = z_of(level) * one.se
        own = Estimate(one.value, one.value - half, one.value + half, level, "normal", one.se)
        without = [other for other in sites if other != site]
        left = _pooled(told, without, method, level) if len(without) > 1 else None
        rows.append(
            {
                "site": site,
                "n": sizes[site][0],
                "events": sizes[site][1],
                "estimate": back_on(scale, own).to_dict(),
                "weight": pooled.weights[sites.index(site)],
                "without": None if left is None else left.estimate.to_dict(),
                "tau2_without": None if left is None else finite(left.tau2.value),
            }
        )
    return {
        "scale": scale,
        "pooled": pooled.to_dict(),
        "centres": rows,
        "lacking": [site for site in everybody if site not in told],
        "bounds": [None if one is None else float(one) for one in bound],
        "probability_within": finite(_within(pooled, *bound)),
    }


def _pooled(told: Mapping[str, Measure], sites: Sequence[str], method: str, level: float) -> PooledEstimate:
    return pool(
        np.array([told[site].value for site in sites]),
        np.array([told[site].se for site in sites]),
        tuple(sites),
        method=method,
        adjustment="knapp-hartung",
        prediction_df=None,
        level=level,
        missing="error",
        scale=told[sites[0]].scale,
        sources=("standard error",) * len(sites),
    )


def _within(pooled: PooledEstimate, low: float | None, high: float | None) -> float:
    """That a new centre lies between the bounds; NaN without bounds, or where there is no prediction."""
    if low is None and high is None:
        return NAN
    above = 1.0 if low is None else probability_new_site(pooled, low)
    beyond = 0.0 if high is None else probability_new_site(pooled, high)
    return above - beyond
