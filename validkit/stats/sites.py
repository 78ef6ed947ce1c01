"""The door for measures of several sites: one number a site, and messages that name the site."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from validkit.errors import InputError
from validkit.stats.checks import FloatArray, as_float

__all__: list[str] = []


def site_names(sites: Sequence[object] | None, k: int) -> tuple[str, ...]:
    """The sites' names, by default "site 0", "site 1", ...: k different ones."""
    if sites is None:
        return tuple(f"site {i}" for i in range(k))
    names = tuple(str(name) for name in sites)
    if len(names) != k:
        raise InputError(f"`sites` has {len(names)} names for {k} estimates")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"`sites` must be different names; {', '.join(map(repr, twice))} occurs more than once")
    return names


def same_sites(values: ArrayLike, name: str, k: int) -> FloatArray:
    """One number a site, NaN where the site has none."""
    array = as_float(values, name)
    if array.size != k:
        raise InputError(f"`{name}` has {array.size} entries for {k} sites")
    return array


def refuse(bad: NDArray[np.bool_], names: tuple[str, ...], what: str, values: FloatArray | None = None) -> None:
    """Raise an InputError that names the sites for which `bad` holds."""
    rows = np.flatnonzero(bad)
    if rows.size:
        said = (repr(names[i]) if values is None else f"{names[i]!r} ({values[i]:g})" for i in rows)
        raise InputError(what.format(sites=", ".join(said), plural="s" if rows.size > 1 else ""))


def complete_sites(
    y: FloatArray, se: FloatArray, names: tuple[str, ...], missing: str
) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Which sites have an estimate and a standard error, and the names of those that have not."""
    absent = np.isnan(y) | np.isnan(se)
    if missing == "error":
        refuse(
            np.isnan(y),
            names,
            "the estimate of site{plural} {sites} is missing; leave the site out (missing='leave-out') and say so",
        )
        refuse(
            np.isnan(se),
            names,
            "site{plural} {sites} has no standard error; give it, its interval or its counts, "
            "or leave the site out (missing='leave-out') and say so",
        )
    if absent.all():
        raise InputError(f"none of the {y.size} sites has both an estimate and a standard error")
    refuse(np.isinf(y), names, "the estimate of site{plural} {sites} must be finite on its pooling scale", y)
    refuse((se <= 0) | np.isinf(se), names, "the standard error must be above 0 and finite; site{plural} {sites}", se)
    return ~absent, tuple(name for name, gone in zip(names, absent, strict=True) if gone)
