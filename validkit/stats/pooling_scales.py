"""Which scale each measure is pooled on, and how a standard error that a paper left out is restored.

AUC on the logit scale, O:E on the log scale, calibration slope and net benefit as they are (Snell et al. 2018).
Each site's standard error is taken from the first of these that it has: standard error, confidence interval, counts.

References: Debray et al., BMJ 356 (2017) i6460 and Stat Methods Med Res 28 (2019) 2768-2786; Snell et al., Stat Methods
Med Res 27 (2018) 3505-3522; Newcombe, Stat Med 25 (2006) 559-573. R: metamisc `ccalc`, `oecalc`, `valmeta`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from validkit.errors import InputError
from validkit.stats.checks import FloatArray, as_float, check_level
from validkit.stats.intervals import z_of
from validkit.stats.pooling import PooledEstimate, pool
from validkit.stats.scales import TRANSFORMS
from validkit.stats.sites import refuse, same_sites, site_names

__all__ = ["auc_standard_error", "pool_auc", "pool_net_benefit", "pool_observed_expected", "pool_slope"]


def auc_standard_error(auc: ArrayLike, *, n: ArrayLike, n_events: ArrayLike) -> FloatArray:
    """Standard error of an AUC from the counts alone: Newcombe's method 4, after Hanley and McNeil.

    V = C (1 - C) [1 + m (1 - C)/(2 - C) + m C/(1 + C)]/(e (n - e)),  m = n/2 - 1,  e events among n patients
    auc : in [0, 1]; n, n_events : counts with 0 < n_events < n; broadcast. NaN where an argument is NaN.

    >>> auc_standard_error([0.8], n=[1000], n_events=[100]).round(6)
    array([0.023322])

    Reference: Newcombe, Stat Med 25 (2006) 559-573. R: metamisc `ccalc(approx.se.method = 4)`.
    """
    c, size, events = np.broadcast_arrays(*(np.asarray(x, dtype=np.float64) for x in (auc, n, n_events)))
    if ((c < 0) | (c > 1)).any():
        raise InputError(f"`auc` must lie in [0, 1]; it is {c[(c < 0) | (c > 1)][0]:g}")
    bad = (events <= 0) | (events >= size)
    if bad.any():
        raise InputError(
            f"`n_events` must lie strictly between 0 and `n`; {events[bad][0]:g} of {size[bad][0]:g} does not"
        )
    m = size / 2 - 1
    variance = c * (1 - c) * (1 + m * (1 - c) / (2 - c) + m * c / (1 + c)) / (events * (size - events))
    return np.asarray(np.sqrt(variance))


class _Sites:
    """The sites' estimates on the pooling scale, whose standard errors are filled from source after source."""

    def __init__(self, values: FloatArray, names: tuple[str, ...], what: str, scale: str) -> None:
        self.values, self.names, self.scale = values, names, scale
        low, high = TRANSFORMS[scale].low, TRANSFORMS[scale].high
        mend = "" if scale == "identity" else f": it has no {scale}, so it cannot be pooled; leave it out and say so"
        outside = ~np.isnan(values) & ((values <= low) | (values >= high))
        refuse(
            outside,
            names,
            f"{what} must lie strictly between {low:g} and {high:g}; site{{plural}} {{sites}}{mend}",
            values,
        )
        self.se = np.full(values.size, np.nan)
        self.source = np.full(values.size, "", dtype=object)

    def fill(self, se: FloatArray, source: str) -> None:
        """Give the sites without a standard error this one, where it has one."""
        new = np.isnan(self.se) & ~np.isnan(se)
        self.se[new], self.source[new] = se[new], source

    def fill_from_interval(self, low: ArrayLike | None, high: ArrayLike | None, level: float) -> None:
        """The standard error is the width of the interval on the pooling scale over twice the normal quantile."""
        if low is None and high is None:
            return
        if low is None or high is None:
            raise InputError("`low` and `high` belong together: give both ends of the sites' intervals")
        k = self.values.size
        ends = same_sites(low, "low", k), same_sites(high, "high", k)
        refuse(
            (ends[0] >= ends[1]) | (ends[0] > self.values) | (ends[1] < self.values),
            self.names,
            "`low` must lie below `high` with the estimate between them; in site{plural} {sites} it does not",
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            bottom, top = (TRANSFORMS[self.scale].forward(end) for end in ends)
        refuse(
            np.isinf(bottom) | np.isinf(top) | (np.isnan(bottom + top) & ~np.isnan(ends[0] + ends[1])),
            self.names,
            f"an interval's end has no {self.scale}; in site{{plural}} {{sites}} give the standard error or the counts",
        )
        self.fill((top - bottom) / (2 * z_of(check_level(level))), "confidence interval")

    def pooled(self, options: dict[str, object], unrestorable: str = "") -> PooledEstimate:
        if options["missing"] == "error" and unrestorable:
            refuse(np.isnan(self.se) & ~np.isnan(self.values), self.names, unrestorable)
        y = np.asarray(TRANSFORMS[self.scale].forward(self.values))
        return pool(y, self.se, self.names, scale=self.scale, sources=tuple(self.source), **options)  # type: ignore[arg-type]


def _options(method: str, adjustment: str, prediction_df: str | None, level: float, missing: str) -> dict[str, object]:
    return {
        "method": method,
        "adjustment": adjustment,
        "prediction_df": prediction_df,
        "level": level,
        "missing": missing,
    }


def _counts(values: ArrayLike | None, name: str, k: int) -> FloatArray:
    return np.full(k, np.nan) if values is None else same_sites(values, name, k)


def pool_auc(
    auc: ArrayLike,
    *,
    se: ArrayLike | None = None,
    low: ArrayLike | None = None,
    high: ArrayLike | None = None,
    n: ArrayLike | None = None,
    n_events: ArrayLike | None = None,
    sites: Sequence[object] | None = None,
    site_level: float = 0.95,
    method: str = "reml",
    adjustment: str = "knapp-hartung",
    prediction_df: str | None = None,
    level: float = 0.95,
    missing: str = "error",
) -> PooledEstimate:
    """AUC of k sites, pooled on the logit scale.

    auc : (k,) in (0, 1). Of each site one of: `se` (on the scale of the AUC; se(logit) = se/(C (1 - C))), `low` and
    `high` (its interval at `site_level`; se(logit) = (logit high - logit low)/(2 z)), `n` and `n_events` (Newcombe's
    method 4, see `auc_standard_error`); taken in this order, NaN where the site has none. The result's `se_source` says
    which. The other arguments and the undefined cases are those of `random_effects`. An AUC of 0 or 1 is an error.

    >>> pool_auc([0.82, 0.75, 0.78], se=[0.02, 0.03, float("nan")], n=[400, 300, 250], n_events=[90, 60, 50]).estimate
    0.7872 [0.6804, 0.8654] (95% REML, Knapp-Hartung t(2), on the logit scale; variance ratio 0.879 < 1)

    Reference: Debray et al., BMJ 356 (2017) i6460; Snell et al., Stat Methods Med Res 27 (2018) 3505-3522.
    R: metamisc `valmeta(measure = "cstat")`; metafor `rma`.
    """
    values = as_float(auc, "auc")
    k = values.size
    all_sites = _Sites(values, site_names(sites, k), "an AUC", "logit")
    slope = values * (1 - values)
    all_sites.fill(_counts(se, "se", k) / slope, "standard error")
    all_sites.fill_from_interval(low, high, site_level)
    size, events = _counts(n, "n", k), _counts(n_events, "n_events", k)
    refuse(
        (events <= 0) | (events >= size),
        all_sites.names,
        "`n_events` must lie strictly between 0 and `n`; in site{plural} {sites} it does not",
    )
    all_sites.fill(auc_standard_error(values, n=size, n_events=events) / slope, "Newcombe, method 4")
    return all_sites.pooled(_options(method, adjustment, prediction_df, level, missing))


def pool_observed_expected(
    ratio: ArrayLike | None = None,
    *,
    se_log: ArrayLike | None = None,
    se_ratio: ArrayLike | None = None,
    low: ArrayLike | None = None,
    high: ArrayLike | None = None,
    observed: ArrayLike | None = None,
    expected: ArrayLike | None = None,
    n: ArrayLike | None = None,
    sites: Sequence[object] | None = None,
    site_level: float = 0.95,
    method: str = "reml",
    adjustment: str = "knapp-hartung",
    prediction_df: str | None = None,
    level: float = 0.95,
    missing: str = "error",
) -> PooledEstimate:
    """Observed over expected events of k sites, pooled on the log scale.

    ratio : (k,) above 0, or left out where `observed` and `expected` (both counts) are given. Of each site one of:
    `se_log` (what `observed_expected` reports), `se_ratio` (se(log) = se/ratio), `low` and `high` (at `site_level`),
    `observed` and `n` (se(log) = sqrt(1/O - 1/n), binomial, expected taken as known), `observed` alone
    (se(log) = sqrt(1/O), Poisson, the larger); taken in this order. A site without an event has no log: an error.
    The other arguments and the undefined cases are those of `random_effects`.

    >>> pool_observed_expected(observed=[60, 85, 40], expected=[55, 100, 38], n=[500, 700, 300]).estimate
    0.9755 [0.6855, 1.388] (95% REML, Knapp-Hartung t(2), on the log scale; variance ratio 0.884 < 1)

    Reference: Debray et al., BMJ 356 (2017) i6460. R: metamisc `oecalc`, `valmeta(measure = "OE")`.
    """
    first = next((x for x in (ratio, observed, expected) if x is not None), None)
    if first is None:
        raise InputError("give the sites' `ratio`, or their `observed` and `expected` events")
    k = as_float(first, "ratio" if first is ratio else "observed" if first is observed else "expected").size
    o, e, size = (_counts(x, s, k) for x, s in ((observed, "observed"), (expected, "expected"), (n, "n")))
    names = site_names(sites, k)
    refuse(e <= 0, names, "`expected` must be above 0; site{plural} {sites}", e)
    refuse(o < 0, names, "`observed` must be 0 or more; site{plural} {sites}", o)
    refuse(o >= size, names, "`observed` must be below `n`; in site{plural} {sites} it is not")
    given = _counts(ratio, "ratio", k)
    values = np.where(np.isnan(given), o / e, given)
    all_sites = _Sites(values, names, "an O:E ratio", "log")
    all_sites.fill(_counts(se_log, "se_log", k), "standard error of the log")
    all_sites.fill(_counts(se_ratio, "se_ratio", k) / values, "standard error")
    all_sites.fill_from_interval(low, high, site_level)
    o = np.where(np.isnan(o), values * e, o)
    all_sites.fill(np.sqrt(1 / o - 1 / size), "O and n")
    all_sites.fill(np.sqrt(1 / o), "O alone, Poisson")
    return all_sites.pooled(_options(method, adjustment, prediction_df, level, missing))


def pool_slope(
    slope: ArrayLike,
    *,
    se: ArrayLike | None = None,
    low: ArrayLike | None = None,
    high: ArrayLike | None = None,
    sites: Sequence[object] | None = None,
    site_level: float = 0.95,
    method: str = "reml",
    adjustment: str = "knapp-hartung",
    prediction_df: str | None = None,
    level: float = 0.95,
    missing: str = "error",
) -> PooledEstimate:
    """Calibration slope of k sites, pooled as it is.

    slope : (k,); of each site `se`, or `low` and `high` (its interval at `site_level`). Counts do not tell the standard
    error of a slope, so a site with neither is an error. The rest is as in `random_effects`.

    >>> pool_slope([0.9, 1.1, 0.7, 1.0], se=[0.1, 0.12, 0.15, 0.1]).estimate
    0.9435 [0.7033, 1.184] (95% REML, Knapp-Hartung t(3))

    Reference: Snell et al., Stat Methods Med Res 27 (2018) 3505-3522. R: metafor `rma`.
    """
    options = _options(method, adjustment, prediction_df, level, missing)
    return _as_it_is(slope, "slope", se, low, high, sites, site_level, options)


def pool_net_benefit(
    net_benefit: ArrayLike,
    *,
    se: ArrayLike | None = None,
    low: ArrayLike | None = None,
    high: ArrayLike | None = None,
    sites: Sequence[object] | None = None,
    site_level: float = 0.95,
    method: str = "reml",
    adjustment: str = "knapp-hartung",
    prediction_df: str | None = None,
    level: float = 0.95,
    missing: str = "error",
) -> PooledEstimate:
    """Net benefit of k sites at one threshold (or its difference between two strategies), pooled as it is.

    net_benefit : (k,), all at the same threshold; of each site `se`, or `low` and `high`. The rest is as in
    `random_effects`. Where prevalence differs between sites net benefit does too: see its tau2 and prediction interval.

    >>> pool_net_benefit([0.10, 0.14, 0.08], se=[0.01, 0.02, 0.015]).estimate
    0.1041 [0.03309, 0.175] (95% REML, Knapp-Hartung t(2))

    Reference: Wynants et al., Stat Med 37 (2018) 2034-2052. R: metafor `rma`.
    """
    options = _options(method, adjustment, prediction_df, level, missing)
    return _as_it_is(net_benefit, "net_benefit", se, low, high, sites, site_level, options)


def _as_it_is(
    values: ArrayLike,
    name: str,
    se: ArrayLike | None,
    low: ArrayLike | None,
    high: ArrayLike | None,
    sites: Sequence[object] | None,
    site_level: float,
    options: dict[str, object],
) -> PooledEstimate:
    y = as_float(values, name)
    all_sites = _Sites(y, site_names(sites, y.size), f"`{name}`", "identity")
    all_sites.fill(_counts(se, "se", y.size), "standard error")
    all_sites.fill_from_interval(low, high, site_level)
    return all_sites.pooled(
        options,
        f"the standard error of `{name}` cannot be restored from counts: site{{plural}} {{sites}} must bring `se`, or "
        "`low` and `high`; or leave it out (missing='leave-out') and say so",
    )
