"""The bootstrap for any statistic of outcome and predicted risk.

Patients are first put in the order of their risk, so that an interval does not depend on the order of the rows. What
each replicate holds is decided in `draws`; statistics of this package that have a quick path (`quick`) see the same
draws as any other statistic and give the same replicates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from validkit.stats.checks import (
    FloatArray,
    IntArray,
    check_binary_risk,
    check_choice,
    check_clusters,
    check_level,
    patients,
)
from validkit.stats.chosen import named
from validkit.stats.discrimination import auc
from validkit.stats.draws import (
    Draws,
    Progress,
    bca_limits,
    draw_plan,
    percentile_limits,
    studentized_limits,
    usable,
    value_of,
)
from validkit.stats.draws import jackknife as leave_out_each
from validkit.stats.intervals import z_of
from validkit.stats.quick import (
    Line,
    Means,
    line_jackknife,
    line_replicates,
    means_jackknife,
    means_replicates,
    quick,
)
from validkit.stats.results import NAN, Estimate

__all__ = ["bootstrap", "bootstrap_all", "jackknife"]

Statistic = Callable[[Any, Any], Any]
INTERVALS = {"percentile": "percentile", "bca": "BCa", "studentized": "studentised"}


@patients("y_true", "y_prob", "clusters")
def bootstrap(
    statistic: Statistic | str,
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    rng: np.random.Generator | int,
    replicates: int = 2000,
    level: float = 0.95,
    interval: str = "percentile",
    stratified: bool = False,
    clusters: ArrayLike | None = None,
    scale: str = "risk",
    threads: int | None = None,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Estimate:
    """Bootstrap interval and standard error of any statistic of outcome and predicted risk.

    statistic : callable (y, p) -> number or Estimate, or the name of a registered metric (`METRICS`) that needs no
        threshold; for one at a threshold, functools.partial(net_benefit, threshold=0.2)
    rng : a numpy Generator or a seed; there is no default, chance is passed in
    interval : "percentile", "bca" (bias-corrected and accelerated, with the jackknife: n evaluations of the statistic
        unless it has a quick path) or "studentized" (bootstrap-t; the statistic must return an Estimate with `se`)
    stratified : draw within events and within non-events, keeping their numbers
    clusters : (n,) labels of what is drawn as a whole, such as the patient of each lesion
    threads : of the quick paths; the result is the same, bit for bit, whatever their number

    Replicates where the statistic is undefined (NaN), for instance because only one outcome was drawn, are left out and
    counted in the note; where more than 5 % are, or fewer than 20 remain, the interval is NaN.

    >>> bootstrap("brier", [0, 0, 1, 1, 0, 1], [0.1, 0.4, 0.35, 0.8, 0.2, 0.9], rng=1, replicates=200).note
    '200 of 200 replicates'

    Reference: Efron, JASA 82 (1987) 171-185; DiCiccio and Efron, Stat Sci 11 (1996) 189-228. R: boot `boot.ci`.
    """
    return bootstrap_all(
        {"statistic": statistic},
        y_true,
        y_prob,
        rng=rng,
        replicates=replicates,
        level=level,
        interval=interval,
        stratified=stratified,
        clusters=clusters,
        scale=scale,
        threads=threads,
    )["statistic"]


@patients("y_true", "y_prob", "clusters")
def bootstrap_all(
    statistics: Mapping[str, Statistic | str] | Sequence[str],
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    rng: np.random.Generator | int,
    replicates: int = 2000,
    level: float = 0.95,
    interval: str = "percentile",
    stratified: bool = False,
    clusters: ArrayLike | None = None,
    scale: str = "risk",
    threads: int | None = None,
    progress: Progress | None = None,
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> dict[str, Estimate]:
    """Bootstrap intervals of several statistics from the same replicates; arguments as in `bootstrap`.

    statistics : names of registered metrics, or a mapping from a name of your own to a callable or a metric's name
    progress : called as progress(replicates done, replicates) now and then, once for each pass over the draws

    >>> y, p = [0, 0, 1, 0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
    >>> found = bootstrap_all(["auc", "brier"], y, p, rng=1, replicates=200)
    >>> round(found["brier"].value, 4)
    0.18

    Reference: Efron, JASA 82 (1987) 171-185.
    """
    level = check_level(level)
    check_choice(interval, tuple(INTERVALS), "interval")
    y, p = check_binary_risk(y_true, y_prob, scale=scale)
    order = np.lexsort((y, p))
    y, p = y[order], p[order]
    labels = None if clusters is None else check_clusters(clusters, y.size)
    plan = draw_plan(
        y,
        rng=rng,
        replicates=replicates,
        stratified=stratified,
        clusters=None if labels is None else labels[order],
    )
    wanted = statistics if isinstance(statistics, Mapping) else {name: name for name in statistics}
    functions = {name: _function(statistic, scale) for name, statistic in wanted.items()}
    points = {name: function(y, p) for name, function in functions.items()}
    method = f"bootstrap, {INTERVALS[interval]}{plan.label}"
    defined = {name: functions[name] for name, point in points.items() if not math.isnan(float(value_of(point)))}
    values = _replicates(defined, y, p, plan, interval == "studentized", threads, progress)
    sorted_labels = labels[order] if labels is not None else None
    return {
        name: _estimate(functions[name], points[name], values.get(name), y, p, method, level, interval, sorted_labels)
        for name in functions
    }


@patients("y_true", "y_prob", "clusters")
def jackknife(
    statistic: Statistic | str,
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    level: float = 0.95,
    clusters: ArrayLike | None = None,
    scale: str = "risk",
    weights: ArrayLike | None = None,
    missing: str = "error",
) -> Estimate:
    """Jackknife standard error and normal interval of any statistic; its estimate of the bias is in the note.

    se^2 = (u - 1)/u sum (t_i - mean t)^2 and bias = (u - 1)(mean t - t), t_i the statistic without patient (or cluster)
    i of u. The value is not corrected. No chance enters; for quantiles and other statistics that jump the standard
    error is wrong. Arguments as in `bootstrap`. NaN with a reason where leaving somebody out leaves it undefined.

    >>> y, p = [0, 0, 1, 0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
    >>> jackknife("brier", y, p)
    0.18 [0.05998, 0.3] (95% jackknife; n = 8, 4 events; bias 0)

    Reference: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 11. R: bootstrap `jackknife`.
    """
    level = check_level(level)
    y, p = check_binary_risk(y_true, y_prob, scale=scale)
    function = _function(statistic, scale)
    n, m, point = y.size, int(y.sum()), function(y, p)
    value = float(value_of(point))
    method = f"jackknife{', by cluster' * (clusters is not None)}"
    if math.isnan(value):
        reason = getattr(point, "note", "") or "the statistic is undefined on these patients"
        return Estimate(NAN, level=level, method=method, n=n, n_events=m, note=reason)
    units = n if clusters is None else int(check_clusters(clusters, n).max()) + 1
    who = "patients" if clusters is None else "clusters"
    values = _jackknife(function, y, p, clusters) if units > 1 else np.full(units, NAN)
    undefined = int((~np.isfinite(values)).sum())
    if undefined:
        note = f"undefined without {undefined} of {units} {who}"
        return Estimate(value, level=level, method=method, n=n, n_events=m, note=note)
    gap = values - values.mean()
    se = math.sqrt((units - 1) / units * float(gap @ gap))
    bias = (units - 1) * float(values.mean() - value)
    half = z_of(level) * se
    shown = 0.0 if abs(bias) <= 1e-12 * max(1.0, abs(value)) else bias
    return Estimate(value, value - half, value + half, level, method, se, n, m, f"bias {shown:.4g}")


def _function(statistic: Statistic | str, scale: str) -> Statistic:
    """The callable; a rank statistic of this package is told that it may see scores."""
    statistic = named(statistic)
    if statistic is auc and scale == "score":
        return _auc_of_scores
    return statistic


def _auc_of_scores(y: Any, score: Any) -> Estimate:
    return auc(y, score, scale="score")


def _quick(function: Statistic) -> Means | Line | None:
    return quick(auc if function is _auc_of_scores else function)


def _replicates(
    functions: Mapping[str, Statistic],
    y: IntArray,
    p: FloatArray,
    plan: Draws,
    with_errors: bool,
    threads: int | None = None,
    progress: Progress | None = None,
) -> dict[str, FloatArray]:
    """Replicates of each statistic: (size, 1), or (size, 2) with their standard errors."""
    values: dict[str, FloatArray] = {}
    ways = {name: None if with_errors else _quick(function) for name, function in functions.items()}
    means = {name: way for name, way in ways.items() if isinstance(way, Means)}
    lines = {name: way for name, way in ways.items() if isinstance(way, Line)}
    if means:
        found = means_replicates(list(means.values()), y, p, plan, threads=threads, progress=progress)
        values |= {name: part[:, None] for name, part in zip(means, found, strict=True)}
    if lines:
        columns = {line.column for line in lines.values()}
        table = line_replicates(y, p, plan, columns=columns, threads=threads, progress=progress)
        values |= {name: table[:, [line.column]] for name, line in lines.items()}
    others = [name for name, way in ways.items() if way is None]
    if others:

        def together(a: Any, b: Any) -> FloatArray:
            return np.concatenate([_row(functions[name](a, b), with_errors) for name in others])

        table = plan.replicates(together, y, p, progress=progress)
        width = 1 + with_errors
        values |= {name: table[:, width * i : width * (i + 1)] for i, name in enumerate(others)}
    return values


def _row(result: Any, with_errors: bool) -> FloatArray:
    value = float(value_of(result))
    return np.array([value, float(getattr(result, "se", NAN))] if with_errors else [value])


def _estimate(
    function: Statistic,
    point: Any,
    replicates: FloatArray | None,
    y: IntArray,
    p: FloatArray,
    method: str,
    level: float,
    interval: str,
    clusters: Any,
) -> Estimate:
    value, n, m = float(value_of(point)), y.size, int(y.sum())
    if replicates is None:
        reason = getattr(point, "note", "") or "the statistic is undefined on these patients"
        return Estimate(NAN, level=level, method=method, n=n, n_events=m, note=reason)
    values = np.ascontiguousarray(replicates[:, 0])
    if interval == "percentile":
        low, high, note = percentile_limits(values, level)
    elif interval == "studentized":
        error = float(getattr(point, "se", NAN))
        low, high, note = studentized_limits(values, replicates[:, 1], value, error, level)
    else:
        _, note, enough = usable(values)
        low, high = NAN, NAN
        if enough:
            low, high, note = bca_limits(values, value, _jackknife(function, y, p, clusters), level)
    kept = values[np.isfinite(values)]
    se = NAN if math.isnan(low) else float(kept.std(ddof=1))
    return Estimate(value, low, high, level, method, se, n, m, note)


def _jackknife(function: Statistic, y: IntArray, p: FloatArray, clusters: Any = None) -> FloatArray:
    """The statistic without each patient or cluster in turn; in closed form where there is one."""
    way = _quick(function) if clusters is None else None
    if isinstance(way, Means):
        return means_jackknife(way, y, p)
    if isinstance(way, Line):
        return line_jackknife(y, p, way.column)
    return leave_out_each(function, y, p, clusters=clusters)[:, 0]
