"""Rank statistics of many features at once, as compiled code over sorted values; ties are counted exactly.

Arrays hold one feature a row: (p, n). Values are finite.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from validkit.stats.kernels import compiled as compiled_with

compiled: Any = partial(compiled_with, error_model="numpy")


@compiled
def take(X, positions):
    """The patients at `positions` of X (p, n), with a last column of infinity that ends a search."""
    out = np.empty((X.shape[0], positions.size + 1))
    for j in range(X.shape[0]):
        x, row = X[j], out[j]
        for k in range(positions.size):
            row[k] = x[positions[k]]
        row[positions.size] = np.inf
    return out


@compiled
def pair_counts(events, others):
    """Of sorted rows that end in infinity: twice the Mann-Whitney U of the events, and sum(t^3 - t) over the ties.

    Twice U counts 2 for every pair whose event is larger and 1 for every tied pair. Both results are whole numbers.
    Two features are merged side by side and without branches; those with ties are counted again, value by value.
    """
    p, n1, n0 = events.shape[0], events.shape[1] - 1, others.shape[1] - 1
    twice, ties = np.empty(p), np.zeros(p)
    for first in range(0, p, 2):
        second = min(first + 1, p - 1)
        a, b, c, d = events[first], others[first], events[second], others[second]
        i = k = count = tied = 0
        i2 = k2 = count2 = tied2 = 0
        for _ in range(n1 + n0):
            below, below2 = int(b[k] < a[i]), int(d[k2] < c[i2])
            tied |= int(b[k] == a[i])
            tied2 |= int(d[k2] == c[i2])
            count += (1 - below) * k
            count2 += (1 - below2) * k2
            k += below
            k2 += below2
            i += 1 - below
            i2 += 1 - below2
        twice[first], twice[second] = 2.0 * count, 2.0 * count2
        if tied or _repeats(a) or _repeats(b):
            twice[first], ties[first] = _tied_counts(a, b, n1, n0)
        if tied2 or _repeats(c) or _repeats(d):
            twice[second], ties[second] = _tied_counts(c, d, n1, n0)
    return twice, ties


@compiled
def _repeats(values):
    found = 0
    for k in range(values.size - 1):
        found |= int(values[k] == values[k + 1])
    return found != 0


@compiled
def _tied_counts(a, b, n1, n0):
    """pair_counts of one feature, value by value."""
    i = k = count = 0
    ties = 0.0
    while i < n1 or k < n0:
        value = min(a[i], b[k])
        below, i_end, k_end = k, i, k
        while i_end < n1 and a[i_end] == value:
            i_end += 1
        while k_end < n0 and b[k_end] == value:
            k_end += 1
        count += (i_end - i) * (below + k_end)
        t = float(i_end - i + k_end - k)
        ties += t * t * t - t
        i, k = i_end, k_end
    return float(count), ties


@compiled
def doubled_ranks(X, order, out):
    """Fill out (p, n) with twice the average rank less n + 1, a whole number; order : (p, n) argsort of the rows."""
    p, n = X.shape
    for j in range(p):
        x, o, ranks = X[j], order[j], out[j]
        i = 0
        while i < n:
            end = i + 1
            while end < n and x[o[end]] == x[o[i]]:
                end += 1
            for k in range(i, end):
                ranks[o[k]] = i + end - n
            i = end


@compiled
def correlations(products):
    """products_ij / sqrt(products_ii products_jj), 0 where that is undefined, 1 on the diagonal, within [-1, 1]."""
    p = products.shape[0]
    squares, rho = np.empty(p), np.empty((p, p))
    for i in range(p):
        squares[i] = products[i, i]
    for i in range(p):
        for j in range(p):
            size = np.sqrt(squares[i] * squares[j])
            value = products[i, j] / size if size > 0.0 else 0.0
            rho[i, j] = min(max(value, -1.0), 1.0)
        rho[i, i] = 1.0
    return rho
