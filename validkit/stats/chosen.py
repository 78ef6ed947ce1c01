"""Which measures are meant: names of registered metrics, some at a threshold, or functions of one's own."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from validkit.errors import InputError
from validkit.stats.checks import check_choice, check_threshold
from validkit.stats.estimators import Measure

__all__: list[str] = []


def chosen(metrics: Mapping[str, Measure | str] | Sequence[str], threshold: float | None = None) -> dict[str, Measure]:
    """(y, p) -> number or Estimate for every name; a registered metric that needs a threshold is held at the one given.

    An InputError says which metrics lack a threshold.
    """
    from validkit.stats.metrics import METRICS

    if isinstance(metrics, str):
        raise InputError(f"`metrics` must be a sequence of names or a mapping; for one metric write [{metrics!r}]")
    if not isinstance(metrics, (Mapping, Sequence)):
        raise InputError(f"`metrics` must be a sequence of names or a mapping, not {metrics!r}")
    if not len(metrics):
        raise InputError("`metrics` must name at least one metric")
    wanted: Mapping[Any, Any] = metrics if isinstance(metrics, Mapping) else {str(name): name for name in metrics}
    strange = [value for value in wanted.values() if not (isinstance(value, str) or callable(value))]
    if strange:
        raise InputError(f"`metrics` must hold names of metrics or functions (y, p); {strange[0]!r} is neither")
    registered = {
        name: METRICS[check_choice(value, tuple(METRICS), "metrics")]
        for name, value in wanted.items()
        if isinstance(value, str)
    }
    without = [name for name, metric in registered.items() if metric.needs_threshold and threshold is None]
    if without:
        raise InputError(f"`metrics` {', '.join(map(repr, without))} need a threshold: give `threshold`")
    cut = None if threshold is None else check_threshold(threshold)
    found: dict[str, Measure] = {}
    for name, value in wanted.items():
        if name not in registered:
            found[name] = value
        elif registered[name].needs_threshold:
            found[name] = functools.partial(registered[name].function, threshold=cut)
        else:
            found[name] = registered[name].function
    return found


def at_level(function: Measure, level: float) -> Measure:
    """A registered measure at a confidence level; a function of one's own as it is."""
    from validkit.stats.metrics import METRICS

    base: Any = function.func if isinstance(function, functools.partial) else function
    registered = any(base is metric.function for metric in METRICS.values())
    bound: Measure = functools.partial(base, **{**_keywords(function), "level": level}) if registered else function
    return bound


def _keywords(function: Any) -> dict[str, Any]:
    return dict(function.keywords) if isinstance(function, functools.partial) else {}


def named(statistic: Measure | str) -> Measure:
    """The callable; that of a registered metric, where it is called by its name."""
    from validkit.stats.metrics import METRICS

    if not isinstance(statistic, str):
        return statistic
    plain = tuple(name for name, metric in METRICS.items() if not metric.needs_threshold)
    return METRICS[check_choice(statistic, plain, "statistic")].function
