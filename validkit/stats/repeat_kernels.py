"""Compiled: AUC and means in many groups of rows at once, where one patient has a row in several of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from validkit.stats.kernels import compiled, ranked, weighted_sum


@compiled
def segment_means(
    counts: Any, patient: Any, starts: Any, mask: Any, last: Any, tied: Any, contributions: Any, out: Any
) -> None:
    """AUC, share of events and means of contributions in each segment, for patients counted several times.

    counts : (b, n) int32, how often each patient is there; patient : (rows,) whose row it is
    starts : (segments + 1,) where each segment begins, its rows in the order of rising risk
    mask : (rows,) int64, -1 for an event and 0 for a non-event; last : (rows,) True at the last row of a tied group
    contributions : (q, rows); out : (b, segments, 2 + q), NaN where nobody of the segment is there, and the AUC also
    where one outcome is missing
    """
    widest = 0
    for s in range(starts.size - 1):
        widest = max(widest, starts[s + 1] - starts[s])
    room = np.empty(widest, np.int32)
    for b in range(counts.shape[0]):
        for s in range(starts.size - 1):
            a, z = starts[s], starts[s + 1]
            times = room[: z - a]
            for i in range(a, z):
                times[i - a] = counts[b, patient[i]]
            twice_u, events, others = ranked(mask[a:z], last[a:z], tied[s], times)
            drawn = events + others
            if drawn == 0:
                out[b, s, :] = np.nan
                continue
            out[b, s, 0] = twice_u / (2.0 * events * others) if events > 0 and others > 0 else np.nan
            out[b, s, 1] = events / drawn
            for j in range(contributions.shape[0]):
                out[b, s, 2 + j] = weighted_sum(contributions[j, a:z], times) / drawn
