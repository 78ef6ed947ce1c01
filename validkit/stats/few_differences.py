"""Difference of net benefit where two rules treat few patients differently, and the normal interval is too narrow.

With no event missed by chance, the normal interval of "better than treating all" lies above 0 although as many missed
events as would undo the gain are compatible with the data. Here each kind of patient who is treated differently has
its exact interval, and these are combined.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from validkit.errors import InputError
from validkit.stats.checks import IntArray, check_binary_risk, check_choice, check_level, check_threshold
from validkit.stats.intervals import clopper_pearson
from validkit.stats.results import NAN, Estimate

METHOD = "Clopper-Pearson limits of each kind of patient treated differently, combined (MOVER)"
ALONE = {"treat all": (False, True), "treat none": (True, False)}
"""whether a model alone, and whether the strategy alone, can treat anybody"""


def net_benefit_gain(
    y_true: ArrayLike,
    prob_a: ArrayLike,
    prob_b: ArrayLike | None = None,
    *,
    threshold: float,
    reference: str | None = None,
    level: float = 0.95,
) -> Estimate:
    """Net benefit of `a` minus that of `b` at a threshold, with an interval that few differences do not make narrow.

    D = sum of c_k p_k: events treated by a alone (c = 1), by b alone (-1), non-events (-w and w, w = t/(1 - t));
    lower limit D - sqrt(sum of (c_k p_k - l_k)^2), l_k being c_k times the limit of p_k that lowers D, and the upper
    limit likewise. It is conservative: the limits of p_k are exact.

    y_true : (n,) int in {0, 1}; prob_a, prob_b : (n,) float in [0, 1]; a risk of at least the threshold treats
    threshold : in (0, 1)
    reference : instead of `prob_b`, "treat all" or "treat none"

    >>> y, p = [0] * 16 + [1] * 4, [0.1] * 10 + [0.6] * 10
    >>> net_benefit_gain(y, p, reference="treat all", threshold=0.2).value
    0.125

    Reference: Zou and Donner, Stat Med 27 (2008) 1693-1702 (method of variance estimates recovery).
    """
    level, t = check_level(level), check_threshold(threshold)
    if not 0 < t < 1:
        raise InputError(f"`threshold` must lie between 0 and 1, both excluded; got {t:g}")
    if (prob_b is None) == (reference is None):
        raise InputError("give either `prob_b`, the second model's risks, or `reference`, 'treat all' or 'treat none'")
    y, p = check_binary_risk(y_true, prob_a, name="prob_a")
    if reference is not None:
        check_choice(reference, tuple(ALONE), "reference")
        q = np.full(y.size, float(reference == "treat all"))
    else:
        q = check_binary_risk(y_true, prob_b, name="prob_b")[1]  # type: ignore[arg-type]  # one of the two is given
    return _combined(y, p >= t, q >= t, t / (1 - t), ALONE.get(str(reference), (True, True)), level)


def _combined(
    y: IntArray,
    a: NDArray[np.bool_],
    b: NDArray[np.bool_],
    weight: float,
    alone: tuple[bool, bool],
    level: float,
) -> Estimate:
    """alone : whether `a` alone, and whether `b` alone, can treat anybody at all."""
    gains = np.array([1.0, -1.0, -weight, weight]) * np.array([*alone, *alone])
    counts = np.array([int(((y == event) & one & ~two).sum()) for event in (1, 0) for one, two in ((a, b), (b, a))])
    n = y.size
    shares, (lower, upper) = gains * counts / n, clopper_pearson(counts, n, level)
    down, up = (gains * np.where((gains > 0) == rising, lower, upper) for rising in (True, False))
    value = float(shares.sum()) + 0.0
    low, high = value - float(np.hypot.reduce(shares - down)), value + float(np.hypot.reduce(up - shares))
    note = f"{counts[:2].sum()} events and {counts[2:].sum()} non-events are treated differently"
    return Estimate(value, low, high, level, METHOD, NAN, n, int(y.sum()), note)
