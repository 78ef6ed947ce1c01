"""Internal-external validation in short: every metric pooled over the sites that were left out in turn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from validkit.errors import InputError
from validkit.stats.checks import check_level
from validkit.stats.pooling import PooledEstimate, pool
from validkit.stats.results import NAN, Estimate, TestResult
from validkit.stats.scales import on_scale, scale_of

__all__ = ["pool_sites"]


def pool_sites(
    estimates: Mapping[str, Mapping[str, Estimate]],
    *,
    scales: Mapping[str, str] | None = None,
    method: str = "reml",
    adjustment: str = "knapp-hartung",
    prediction_df: str | None = None,
    level: float = 0.95,
) -> dict[str, PooledEstimate]:
    """Random effects over sites for every metric, each on the scale where it is near normal, with a new site's range.

    estimates : metric -> site -> Estimate; a metric's scale is that of `SCALES`
    scales : scale of a measure that is not registered, or another than the table's: "identity", "logit", "log" or
        "fisher-z"; differences between models are pooled as they are ("identity")
    method, adjustment, prediction_df : as in `random_effects`

    Each site's standard error is its Estimate's, or else restored from its interval (`se_source`). A site whose
    estimate is undefined, or has no finite value on the scale (an AUC of 1), is left out and named in the note with the
    reason; where no site remains the pooled value is NaN. The sites left out may be the small ones: see what they are.

    >>> north, south = Estimate(0.8, se=0.03), Estimate(0.7, se=0.04)
    >>> pool_sites({"auc": {"north": north, "south": south, "east": Estimate(1.0, se=0.0)}})["auc"].note
    'left out for want of an estimate or standard error: east; east: 1 has no finite logit'

    Reference: Steyerberg and Harrell, J Clin Epidemiol 69 (2016) 245-247; Debray et al., BMJ 356 (2017) i6460; Snell et
    al., Stat Methods Med Res 27 (2018) 3505-3522. R: metafor `rma(test = "knha")`.
    """
    level = check_level(level)
    options = {"method": method, "adjustment": adjustment, "prediction_df": prediction_df, "level": level}
    named = dict(scales or {})
    unknown = sorted(set(named) - set(estimates))
    if unknown:
        raise InputError(f"`scales` names {', '.join(map(repr, unknown))}, of which `estimates` holds nothing")
    return {
        metric: _pooled(metric, sites, scale_of(metric, named.get(metric)), options)
        for metric, sites in estimates.items()
    }


def _pooled(metric: str, sites: Mapping[str, Estimate], scale: str, options: Mapping[str, Any]) -> PooledEstimate:
    if not sites:
        raise InputError(f"`estimates` holds no site for {metric!r}")
    strange = [name for name, one in sites.items() if not isinstance(one, Estimate)]
    if strange:
        raise InputError(
            f"`estimates[{metric!r}]` must hold Estimates; that of {strange[0]!r} is {sites[strange[0]]!r}"
        )
    names = tuple(str(name) for name in sites)
    rows = [_positive(*on_scale(one, scale)) for one in sites.values()]
    values, errors, sources, why = (list(column) for column in zip(*rows, strict=True))
    reasons = "; ".join(f"{name}: {reason}" for name, reason in zip(names, why, strict=True) if reason)
    if all(why):
        return _nothing(
            f"undefined: no site has an estimate and a standard error; {reasons}", scale, options, len(names)
        )
    y = np.array([NAN if reason else value for value, reason in zip(values, why, strict=True)])
    found = pool(y, np.array(errors), names, missing="leave-out", scale=scale, sources=tuple(sources), **options)
    note = "; ".join(part for part in (found.note, reasons) if part)
    return replace(found, note=note)


def _positive(value: float, se: float, source: str, why: str) -> tuple[float, float, str, str]:
    """A standard error of 0 would give its site all the weight: such a site is left out."""
    if not why and not se > 0:
        return value, NAN, source, "its standard error is 0, as if it were known for certain"
    return value, se, source, why


def _nothing(note: str, scale: str, options: Mapping[str, Any], k: int) -> PooledEstimate:
    none = Estimate(NAN, level=options["level"], note=note, n_missing=k)
    test = TestResult(NAN, NAN, None, "Cochran's Q", note=note)
    return PooledEstimate(none, none, none, none, none, none, none, test, (), (), scale, NAN, note=note, n_missing=k)
