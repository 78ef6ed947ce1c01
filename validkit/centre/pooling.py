"""Several centres' summaries as one answer: random effects, a new centre's range, and how much each centre weighs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from validkit import __version__, schemas
from validkit.centre.measures import add_holm, finite
from validkit.centre.summary import Measure, SiteSummary
from validkit.errors import InputError
from validkit.stats import probability_new_site
from validkit.stats.intervals import z_of
from validkit.stats.meta_regression import meta_regression
from validkit.stats.pooling import PooledEstimate, pool
from validkit.stats.results import NAN, Estimate
from validkit.stats.scales import back_on

__all__ = ["COVARIATES", "ENOUGH", "WORDS", "check_together", "pool_summaries"]

ENOUGH = 10
"""centres from which on a covariate is looked at; Cochrane Handbook (version 6), 10.11.4"""
COVARIATES = {
    "event_share": "share of patients with the event",
    "log_odds_mean": "mean of the predicted log odds",
    "log_odds_sd": "standard deviation of the predicted log odds",
}
"""what every summary tells of its centre's patients"""

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
    covariates: Mapping[str, Mapping[str, float]] | None = None,
    method: str = "reml",
    level: float = 0.95,
) -> dict[str, Any]:
    """Every measure of every model that at least two centres tell, as plain JSON types.

    bounds : of measures at a new centre, (lowest, highest), None for none: how probable is it that it keeps them?
    covariates : what else is known of the centres, by name and centre; from ENOUGH centres on each measure is regressed
        on each of them, and on what the summaries tell: the share of events, and how the log odds are spread
    method : of the variance between centres; the interval is Hartung's and Knapp's
    A centre that lacks a measure is left out of it and named.
    """
    check_together(summaries)
    names = dict.fromkeys(model.name for one in summaries for model in one.models)
    given = _checked(covariates or {}, summaries)
    models = {name: _model(name, summaries, bounds or {}, given, method, level) for name in names}
    first = summaries[0]
    return {
        "schema": schemas.urn("pool"),
        "validkit": __version__,
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
    covariates: Mapping[str, Mapping[str, float]],
    method: str,
    level: float,
) -> dict[str, Any]:
    known = {**_told_covariates(name, summaries), **covariates}
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
        | {"regressions": _regressions(sites, everybody, known, level)}
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


def _told_covariates(name: str, summaries: Sequence[SiteSummary]) -> dict[str, dict[str, float]]:
    """What the summaries tell of every centre's patients: see COVARIATES."""
    found: dict[str, dict[str, float]] = {key: {} for key in COVARIATES}
    for one in summaries:
        if one.n > 0:
            found["event_share"][one.site] = one.events / one.n
        spread = next((model.log_odds for model in one.models if model.name == name), None)
        if spread is not None:
            found["log_odds_mean"][one.site], found["log_odds_sd"][one.site] = spread.mean.value, spread.sd.value
    return found


def _checked(covariates: Mapping[str, Mapping[str, float]], summaries: Sequence[SiteSummary]) -> dict[str, Any]:
    """The covariates that were given, once each is a number for every centre."""
    sites = {one.site for one in summaries}
    for name, values in covariates.items():
        if name in COVARIATES:
            raise InputError(f"the covariate {name!r} is taken from the summaries; give yours another name")
        lacking, foreign = sorted(sites - set(values)), sorted(set(values) - sites)
        if lacking or foreign:
            what = f"no value for {', '.join(map(repr, lacking))}" if lacking else f"no summary of {foreign[0]!r}"
            raise InputError(f"the covariate {name!r}: there is {what}; give one number for each of the centres")
        gaps = sorted(site for site, value in values.items() if not math.isfinite(value))
        if gaps:
            raise InputError(f"the covariate {name!r} has no number for {', '.join(map(repr, gaps))}")
    return dict(covariates)


def _regressions(
    told: Mapping[str, Measure],
    everybody: Sequence[str],
    covariates: Mapping[str, Mapping[str, float]],
    level: float,
) -> dict[str, Any]:
    """The measure on each covariate by itself, p values corrected by Holm; or why not."""
    sites = [site for site in everybody if site in told]
    if len(sites) < ENOUGH:
        return {"why": f"meta-regression takes {ENOUGH} centres; {len(sites)} tell this", "rows": []}
    rows: list[dict[str, Any]] = []
    for name, values in covariates.items():
        x = np.array([values.get(site, NAN) for site in sites])
        if not np.isfinite(x).all() or not np.ptp(x) > 0:
            continue
        y, se = (np.array([getattr(told[site], key) for site in sites]) for key in ("value", "se"))
        found = meta_regression(y, se=se, covariates=x[:, None], names=[name], sites=sites, level=level)
        rows.append(
            {
                "covariate": name,
                "slope": found.coefficients[1].to_dict(),
                "intercept": found.coefficients[0].to_dict(),
                "test": found.tests[1].to_dict(),
                "tau2": found.tau2,
                "r2": finite(found.r2),
            }
        )
    add_holm(rows)
    return {"why": "", "rows": rows}


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
