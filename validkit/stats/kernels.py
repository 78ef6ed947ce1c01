"""Compiled loops. Imported inside the functions that use them, because numba takes its time to load.

Every kernel releases the interpreter lock and works on the replicates [start, stop), each from a random stream of its
own that depends on (seed, replicate) alone: any division of the work among threads gives the same bytes.

Notation of the draws: units (patients, or clusters of them) lie in strata; `members` lists the units stratum by
stratum, `offsets` (strata + 1,) says where each begins. Each stratum of m units is drawn from m times, with
replacement. `unit_of` (n,) gives each patient's unit; it is empty where every patient is a unit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np

F = TypeVar("F", bound=Callable[..., Any])
U = np.uint64
LOW = U(0xFFFFFFFF)
HALF = U(32)
GOLDEN = U(0x9E3779B97F4A7C15)


def compiled(function: F, **options: Any) -> F:
    """Compiled on first call, cached on disk where a folder can be written, free of the interpreter lock.

    options : further ones of numba.njit
    """
    try:
        return cast(F, numba.njit(cache=True, nogil=True, **options)(function))
    except RuntimeError:  # no folder for the cache: compile in every process
        return cast(F, numba.njit(nogil=True, **options)(function))


@compiled
def mix(z: Any) -> Any:
    """Splitmix64's finaliser: neighbouring seeds become unrelated ones."""
    z = (z ^ (z >> U(30))) * U(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> U(27))) * U(0x94D049BB133111EB)
    return z ^ (z >> U(31))


@compiled
def rotate(x: Any, k: Any) -> Any:
    """The bits of x turned left by k."""
    return (x << k) | (x >> (U(64) - k))


@compiled
def draw(seed: Any, replicate: int, members: Any, offsets: Any, count: Any) -> None:
    """How often each unit is drawn in one replicate, into `count` (units,), which is cleared first.

    xoroshiro128+ seeded by splitmix64; whole numbers below m by Lemire's multiplication with rejection, without bias.
    With one stratum the members are the units in their order and need not be looked up.
    """
    count[:] = 0
    s0 = mix(U(seed) * GOLDEN + U(replicate) + U(1))
    s1 = mix(s0 + GOLDEN)
    look_up = offsets.size > 2
    for stratum in range(offsets.size - 1):
        begin = offsets[stratum]
        m = offsets[stratum + 1] - begin
        size = U(m)
        reject = (LOW + U(1)) % size if m > 0 else U(0)
        i = 0
        while i < m:
            word = s0 + s1
            s1 ^= s0
            s0 = rotate(s0, U(24)) ^ s1 ^ (s1 << U(16))
            s1 = rotate(s1, U(37))
            x = (word >> HALF) * size
            if (x & LOW) >= reject:
                unit = begin + np.int64(x >> HALF)
                count[members[unit] if look_up else unit] += 1
                i += 1
            x = (word & LOW) * size
            if i < m and (x & LOW) >= reject:
                unit = begin + np.int64(x >> HALF)
                count[members[unit] if look_up else unit] += 1
                i += 1


@compiled
def counts(seed: Any, start: int, stop: int, members: Any, offsets: Any, out: Any) -> None:
    """How often each unit is drawn: one row a replicate, into `out` (stop - start, units)."""
    for b in range(start, stop):
        draw(seed, b, members, offsets, out[b - start])


@compiled
def ranked(mask: Any, last: Any, tied: bool, count: Any) -> Any:
    """(2U, events, others) of weighted patients in the order of rising risk; 2U is a whole number throughout.

    mask : (n,) int64, -1 (every bit set) for an event and 0 for a non-event
    """
    twice_u, events, others = np.int64(0), np.int64(0), np.int64(0)
    if not tied:
        everybody = np.int64(0)
        for i in range(mask.size):
            w = np.int64(count[i])
            positive = w & mask[i]
            twice_u += positive * (everybody - events)
            events += positive
            everybody += w
        return 2 * twice_u, events, everybody - events
    tied_events, tied_others = np.int64(0), np.int64(0)
    for i in range(mask.size):
        w = np.int64(count[i])
        positive = w & mask[i]
        tied_events += positive
        tied_others += w - positive
        if last[i]:
            twice_u += tied_events * (2 * others + tied_others)
            events += tied_events
            others += tied_others
            tied_events, tied_others = np.int64(0), np.int64(0)
    return twice_u, events, others


@compiled
def weighted_sum(values: Any, count: Any) -> float:
    """Sum of values times counts, in four interleaved sums: quicker than one, and the same on every machine.

    A patient who was not drawn adds nothing, even where its value is infinite.
    """
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    quarter = values.size // 4 * 4
    for i in range(0, quarter, 4):
        a += values[i] * count[i]
        b += values[i + 1] * count[i + 1]
        c += values[i + 2] * count[i + 2]
        d += values[i + 3] * count[i + 3]
    for i in range(quarter, values.size):
        a += values[i] * count[i]
    total = (a + b) + (c + d)
    if np.isnan(total):
        total = 0.0
        for i in range(values.size):
            if count[i] > 0:
                total += values[i] * count[i]
    return total


@compiled
def auc_and_means(
    y: Any,
    last: Any,
    contributions: Any,
    seed: Any,
    start: int,
    stop: int,
    members: Any,
    offsets: Any,
    unit_of: Any,
    out: Any,
) -> None:
    """AUC, share of events and means of contributions in each replicate, for patients sorted by rising risk.

    y : (n,) int8; last : (n,) bool, True at the last patient of each tied group; contributions : (q, n) float64
    out : (replicates, 2 + q); the AUC is NaN where a replicate holds one outcome only
    """
    n = y.size
    units = np.zeros(members.size, np.int32)
    clustered = unit_of.size > 0
    count = np.zeros(n, np.int32) if clustered else units
    tied = not last.all()
    mask = -y.astype(np.int64)
    for b in range(start, stop):
        draw(seed, b, members, offsets, units)
        if clustered:
            for i in range(n):
                count[i] = units[unit_of[i]]
        twice_u, events, others = ranked(mask, last, tied, count)
        drawn = events + others
        out[b, 0] = twice_u / (2.0 * events * others) if events > 0 and others > 0 else np.nan
        out[b, 1] = events / drawn
        for j in range(contributions.shape[0]):
            out[b, 2 + j] = weighted_sum(contributions[j], count) / drawn


@compiled
def newton_line(x: Any, y: Any, w: Any, k: int, start_a: float, start_b: float, free_slope: bool) -> Any:
    """Logistic recalibration of k weighted patients by Newton's method from a start: (intercept, slope, converged).

    The method squares its error: after a step of 1e-7 the next would be of 1e-14, and is not made. The caller has made
    sure that the patients are not separated, where the steps would shrink without a maximum.
    """
    a, b = start_a, start_b
    for _ in range(40):
        g0, g1, h00, h01, h11 = 0.0, 0.0, 0.0, 0.0, 0.0
        for i in range(k):
            pi = 1.0 / (1.0 + np.exp(-(a + b * x[i])))
            e = w[i] * (y[i] - pi)
            v = w[i] * pi * (1.0 - pi)
            g0 += e
            h00 += v
            g1 += e * x[i]
            h01 += v * x[i]
            h11 += v * x[i] * x[i]
        if free_slope:
            determinant = h00 * h11 - h01 * h01
            if not determinant > 0.0:
                return a, b, False
            da = (h11 * g0 - h01 * g1) / determinant
            db = (h00 * g1 - h01 * g0) / determinant
        else:
            if not h00 > 0.0:
                return a, b, False
            da, db = g0 / h00, 0.0
        a += da
        b += db
        if not (abs(a) < 1e3 and abs(b) < 1e3):
            return a, b, False
        if abs(da) <= 1e-7 and abs(db) <= 1e-7:
            return a, b, True
    return a, b, False


@compiled
def recalibration(
    x: Any,
    y: Any,
    kind: Any,
    warm: Any,
    wanted: Any,
    seed: Any,
    start: int,
    stop: int,
    members: Any,
    offsets: Any,
    unit_of: Any,
    out: Any,
    state: Any,
) -> None:
    """Joint intercept, slope and calibration-in-the-large in each replicate, for patients sorted by rising risk.

    x : (n,) logit of risk; kind : (n,) int8, 0 where the risk lies inside (0, 1), 1 where it is 0 or 1 and right,
    2 where it is 0 or 1 and wrong; warm : (3,) the values on all patients; wanted : (2,) bool, the line, the last value
    out : (replicates, 3), NaN where no finite fit exists; state : (replicates,) int8, 1 where Newton's method did not
    settle and the replicate must be fitted with more care
    """
    n = x.size
    count = np.zeros(members.size, np.int32)
    xs, ys, ws = np.empty(n), np.empty(n), np.empty(n)
    clustered = unit_of.size > 0
    for b in range(start, stop):
        draw(seed, b, members, offsets, count)
        k, wrong, events, others = 0, 0, 0, 0
        low_event, high_event, low_other, high_other = np.inf, -np.inf, np.inf, -np.inf
        for i in range(n):
            w = count[unit_of[i]] if clustered else count[i]
            if w > 0:
                if y[i] == 1:
                    events += 1
                else:
                    others += 1
                if kind[i] == 0:
                    xs[k], ys[k], ws[k] = x[i], y[i], w
                    k += 1
                    if y[i] == 1:
                        low_event, high_event = min(low_event, x[i]), max(high_event, x[i])
                    else:
                        low_other, high_other = min(low_other, x[i]), max(high_other, x[i])
                elif kind[i] == 2:
                    wrong += 1
        out[b] = np.nan
        if wrong > 0 or events == 0 or others == 0 or low_event == np.inf or low_other == np.inf:
            continue
        if wanted[1]:
            large, _, settled = newton_line(xs, ys, ws, k, warm[2], 1.0, False)
            out[b, 2] = large
            if not settled:
                state[b] = 1
        if not wanted[0] or low_event >= high_other or low_other >= high_event:
            continue
        intercept, slope, settled = newton_line(xs, ys, ws, k, warm[0], warm[1], True)
        out[b, 0], out[b, 1] = intercept, slope
        if not settled:
            state[b] = 1
