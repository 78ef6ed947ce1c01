"""Many p values: their adjustment for how many they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from validkit.errors import InputError
from validkit.stats.checks import FloatArray, as_float, check_choice

__all__ = ["adjust_p_values"]


def adjust_p_values(p: ArrayLike, *, method: str = "holm") -> FloatArray:
    """P values adjusted for their number, in the order given; NaN stays NaN and does not count.

    p : (k,) float in [0, 1] or NaN
    method : "holm" and "hochberg" bound the family-wise error, "bh" the false discovery rate (Benjamini-Hochberg),
        "bonferroni", or "none". Hochberg and Benjamini-Hochberg suppose independent or positively dependent tests.

    >>> adjust_p_values([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]

    Reference: Holm, Scand J Stat 6 (1979) 65-70; Hochberg, Biometrika 75 (1988) 800-802; Benjamini and Hochberg, J R
    Stat Soc B 57 (1995) 289-300. R: `p.adjust`.
    """
    check_choice(method, ("holm", "hochberg", "bh", "bonferroni", "none"), "method")
    if np.size(p) == 0:
        return np.empty(0)
    values = as_float(p, "p")
    known = ~np.isnan(values)
    bad = known & ((values < 0) | (values > 1))
    if bad.any():
        raise InputError(f"`p` must lie in [0, 1] or be NaN; entry {int(np.flatnonzero(bad)[0])} does not")
    adjusted = values.copy()
    kept = values[known]
    k = kept.size
    if method == "none":
        return adjusted
    order = np.argsort(kept, kind="stable")
    rising, rank = kept[order], np.arange(1, k + 1)
    if method == "bonferroni":
        result = rising * k
    elif method == "holm":
        result = np.maximum.accumulate(rising * (k + 1 - rank))
    else:
        factor = k + 1 - rank if method == "hochberg" else k / rank
        result = np.minimum.accumulate((rising * factor)[::-1])[::-1]
    back = np.empty(k)
    back[order] = np.minimum(result, 1.0)
    adjusted[known] = back
    return adjusted
