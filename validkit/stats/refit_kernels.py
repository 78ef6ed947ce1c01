"""Compiled loops of internal validation: a logistic regression refitted and judged in every replicate.

Imported, as `kernels`, inside the functions that use them. Numba's cache on disk does not notice when only `kernels`,
which these call, has changed: whoever edits that file in place must touch this one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from validkit.stats.kernels import compiled, draw, newton_line, ranked


@compiled
def cholesky_step(h: Any, g: Any, step: Any) -> bool:
    """Solve h step = g for a symmetric positive definite h (q, q), whose lower triangle is overwritten."""
    q = g.size
    for j in range(q):
        d = h[j, j]
        for k in range(j):
            d -= h[j, k] * h[j, k]
        if not d > 0.0:
            return False
        h[j, j] = np.sqrt(d)
        for i in range(j + 1, q):
            s = h[i, j]
            for k in range(j):
                s -= h[i, k] * h[j, k]
            h[i, j] = s / h[j, j]
    for i in range(q):
        s = g[i]
        for k in range(i):
            s -= h[i, k] * step[k]
        step[i] = s / h[i, i]
    for i in range(q - 1, -1, -1):
        s = step[i]
        for k in range(i + 1, q):
            s -= h[k, i] * step[k]
        step[i] = s / h[i, i]
    return True


@compiled
def newton_logistic(x: Any, y: Any, count: Any, beta: Any, h: Any, g: Any, step: Any) -> bool:
    """Maximum likelihood of weighted patients by Newton's method, from `beta` and into it; False if it did not settle.

    x : (n, q) with the constant; h (q, q), g and step (q,) are room to work in
    """
    n, q = x.shape
    for _ in range(30):
        h[:] = 0.0
        g[:] = 0.0
        for i in range(n):
            w = count[i]
            if w > 0:
                eta = 0.0
                for j in range(q):
                    eta += x[i, j] * beta[j]
                pi = 1.0 / (1.0 + np.exp(-eta))
                e = w * (y[i] - pi)
                v = w * pi * (1.0 - pi)
                for j in range(q):
                    g[j] += e * x[i, j]
                    vx = v * x[i, j]
                    for k in range(j + 1):
                        h[j, k] += vx * x[i, k]
        if not cholesky_step(h, g, step):
            return False
        largest = 0.0
        for j in range(q):
            beta[j] += step[j]
            largest = max(largest, abs(step[j]))
        if not largest < 50.0:
            return False
        if largest <= 1e-7:
            return True
    return False


@compiled
def judged(
    eta: Any, y: Any, order: Any, count: Any, wanted: Any, in_order: Any, outcome: Any, last: Any, line: Any, out: Any
) -> bool:
    """AUC, Brier score, calibration slope and calibration-in-the-large of weighted patients with linear predictor eta.

    order : (n,) positions by rising eta; wanted : (4,) bool; in_order, outcome, last, line : room to work in. NaN where
    undefined or, of the last two, not wanted; False where Newton's method did not settle.
    """
    n = eta.size
    k, total, loss = 0, 0, 0.0
    low_event, high_event, low_other, high_other = np.inf, -np.inf, np.inf, -np.inf
    for position in range(n):
        i = order[position]
        w = count[i]
        in_order[position] = w
        outcome[position] = -np.int64(y[i])
        last[position] = position == n - 1 or eta[order[position + 1]] != eta[i]
        if w > 0:
            pi = 1.0 / (1.0 + np.exp(-eta[i]))
            loss += w * (pi - y[i]) * (pi - y[i])
            total += w
            line[0, k], line[1, k], line[2, k] = eta[i], y[i], w
            k += 1
            if y[i] == 1:
                low_event, high_event = min(low_event, eta[i]), max(high_event, eta[i])
            else:
                low_other, high_other = min(low_other, eta[i]), max(high_other, eta[i])
    out[:] = np.nan
    if total == 0:
        return True
    out[1] = loss / total
    twice_u, events, others = ranked(outcome, last, True, in_order)
    if events == 0 or others == 0:
        return True
    out[0] = twice_u / (2.0 * events * others)
    settled = True
    if wanted[3]:
        large, _, settled = newton_line(line[0], line[1], line[2], k, 0.0, 1.0, False)
        out[3] = large
    if not wanted[2] or low_event >= high_other or low_other >= high_event:
        return settled
    _, slope, also = newton_line(line[0], line[1], line[2], k, 0.0, 0.0, True)
    out[2] = slope
    return settled and also


@compiled
def logistic_refits(
    x: Any,
    y: Any,
    warm: Any,
    wanted: Any,
    seed: Any,
    start: int,
    stop: int,
    members: Any,
    offsets: Any,
    unit_of: Any,
    out: Any,
    coefficients: Any,
    state: Any,
) -> None:
    """A logistic regression refitted in each replicate, judged in it, on all patients, and on those it did not see.

    x : (n, q) with the constant, columns of comparable scale; warm : (q,) the coefficients on all patients; wanted :
    (4,) bool, which of the four values
    out : (replicates, 3, 4), AUC, Brier score, slope and calibration-in-the-large; coefficients : (replicates, q);
    state : (replicates,) int8, 1 where a replicate must be fitted with more care
    """
    n, q = x.shape
    units = np.zeros(members.size, np.int32)
    clustered = unit_of.size > 0
    count, outside, ones = np.zeros(n, np.int32), np.zeros(n, np.int32), np.ones(n, np.int32)
    h, g, step, beta, eta = np.empty((q, q)), np.empty(q), np.empty(q), np.empty(q), np.empty(n)
    in_order, outcome = np.zeros(n, np.int32), np.zeros(n, np.int64)
    last, line = np.zeros(n, np.bool_), np.empty((3, n))
    for b in range(start, stop):
        draw(seed, b, members, offsets, units)
        for i in range(n):
            count[i] = units[unit_of[i]] if clustered else units[i]
            outside[i] = 1 if count[i] == 0 else 0
        beta[:] = warm
        settled = newton_logistic(x, y, count, beta, h, g, step)
        if settled:
            for i in range(n):
                eta[i] = 0.0
                for j in range(q):
                    eta[i] += x[i, j] * beta[j]
            settled = np.abs(eta).max() < 25.0
        if not settled:
            state[b] = 1
            continue
        order = np.argsort(eta)
        coefficients[b] = beta
        good = judged(eta, y, order, count, wanted, in_order, outcome, last, line, out[b, 0])
        good = judged(eta, y, order, ones, wanted, in_order, outcome, last, line, out[b, 1]) and good
        good = judged(eta, y, order, outside, wanted, in_order, outcome, last, line, out[b, 2]) and good
        if not good:
            state[b] = 1
