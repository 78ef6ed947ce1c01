"""Which patients each bootstrap replicate holds, any statistic on them, and intervals from the replicates.

One engine serves every bootstrap in validkit. Replicate b is a function of (seed, b) alone, so that results do not
depend on the number of threads, on blocks of work, or on which statistic is computed. It knows no statistic by name.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from validkit.errors import InputError
from validkit.stats.checks import FloatArray, IntArray, check_clusters, check_count
from validkit.stats.results import NAN

__all__ = ["Draws", "bca_limits", "draw_plan", "jackknife", "percentile_limits", "studentized_limits"]

Statistic = Callable[..., Any]
Progress = Callable[[int, int], None]
FEWEST = 20
LARGEST_LOSS = 0.05
_BLOCK = 1 << 20
_WORTH_A_THREAD = 1 << 18
_WORTH_COMPILING = 1 << 22
"""draws above which compiled code is loaded for them"""


def check_rng(rng: Any) -> np.random.Generator:
    """A numpy Generator, or one made from a whole number as seed; chance is passed in, never assumed."""
    if isinstance(rng, np.random.Generator):
        return rng
    if isinstance(rng, bool) or not isinstance(rng, (int, np.integer)) or rng < 0:
        raise InputError(f"`rng` must be a numpy Generator or a whole number as seed, not {rng!r}")
    return np.random.default_rng(int(rng))


def value_of(result: Any) -> Any:
    """The number or numbers in a statistic's result: of an Estimate its value."""
    return result.value if hasattr(result, "value") else result


@dataclass(frozen=True, eq=False)
class Draws:
    """The plan of a bootstrap: `size` replicates of n patients, drawn with replacement within strata.

    members : (units,) units stratum by stratum; offsets : (strata + 1,); unit_of : (n,) the unit of each patient, empty
    where every patient is one
    """

    n: int
    size: int
    seed: int
    members: IntArray
    offsets: IntArray
    unit_of: IntArray
    label: str = ""

    def counts(self, start: int, stop: int) -> NDArray[np.int32]:
        """(stop - start, n) how often each patient is drawn in the replicates from `start` up to `stop`."""
        drawn = np.zeros((stop - start, self.members.size), dtype=np.int32)
        if drawn.size <= _WORTH_COMPILING and "validkit.stats.kernels" not in sys.modules:
            _count_side_by_side(self.seed, start, self.members, self.offsets, drawn)
        else:
            from validkit.stats import kernels

            kernels.counts(self.seed, start, stop, self.members, self.offsets, drawn)
        return drawn[:, self.unit_of] if self.unit_of.size else drawn

    def replicates(self, statistic: Statistic, y: Any, *columns: Any, progress: Progress | None = None) -> FloatArray:
        """(size, q) the statistic on the patients of every replicate.

        statistic : (y, *columns) -> a number, an Estimate, or a 1-D array of q numbers; NaN where undefined. Patients
            come in the order of the rows, repeated as often as they were drawn
        columns : arrays with patients along their first axis
        """
        arrays = [np.asarray(y), *(np.asarray(column) for column in columns)]
        rows = max(1, _BLOCK // max(self.n, 1))
        values: list[FloatArray] = []
        for start in range(0, self.size, rows):
            stop = min(start + rows, self.size)
            for times in self.counts(start, stop):
                result = value_of(statistic(*(np.repeat(array, times, axis=0) for array in arrays)))
                values.append(np.atleast_1d(np.asarray(result, dtype=np.float64)))
            if progress:
                progress(stop, self.size)
        return np.stack(values)

    def run(
        self, kernel: Callable[[int, int], None], *, threads: int | None = None, progress: Progress | None = None
    ) -> None:
        """Call a compiled kernel on ranges of replicates that cover them all, on as many threads as are of use.

        The calling thread takes its share of the ranges.
        """
        workers = available_threads() if threads is None else check_count(threads, "threads")
        if self.size * self.n < _WORTH_A_THREAD:
            workers = 1
        step = max(1, -(-self.size // (workers if progress is None else workers * 25)))
        ranges = [(start, min(start + step, self.size)) for start in range(0, self.size, step)]
        done = 0
        for first in range(0, len(ranges), workers):
            mine, *others = ranges[first : first + workers]
            waiting = [_threads(workers).submit(kernel, *part) for part in others]
            kernel(*mine)
            for part in waiting:
                part.result()
            done = ranges[min(first + workers, len(ranges)) - 1][1]
            if progress:
                progress(done, self.size)


_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_LOW = np.uint64(0xFFFFFFFF)


def _mix(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _count_side_by_side(seed: int, start: int, members: IntArray, offsets: IntArray, out: NDArray[np.int32]) -> None:
    """The same numbers as `kernels.counts`, without the half second that loading compiled code takes.

    Every replicate's xoroshiro128+ is advanced at once. out : (replicates, units) zeros
    """
    with np.errstate(over="ignore"):
        numbers = np.arange(start + 1, start + 1 + len(out), dtype=np.uint64)
        s0 = _mix(np.full(len(out), seed % 2**64, dtype=np.uint64) * _GOLDEN + numbers)
        s1 = _mix(s0 + _GOLDEN)
        for begin, end in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
            m = end - begin
            units = members[begin:end] if len(offsets) > 2 else np.arange(begin, end)
            done = np.zeros(len(out), dtype=np.int64)
            while (done < m).any():
                rows = np.flatnonzero(done < m)
                a, b = s0[rows], s1[rows]
                word, b = a + b, b ^ a
                s0[rows] = ((a << np.uint64(24)) | (a >> np.uint64(40))) ^ b ^ (b << np.uint64(16))
                s1[rows] = (b << np.uint64(37)) | (b >> np.uint64(27))
                for half in (word >> np.uint64(32), word & _LOW):
                    x = half * np.uint64(m)  # Lemire's multiplication: a number below m, unless it is rejected
                    taken = ((x & _LOW) >= np.uint64(2**32 % m)) & (done[rows] < m)
                    out[rows[taken], units[(x[taken] >> np.uint64(32)).astype(np.int64)]] += 1
                    done[rows] += taken


_pools: dict[int, ThreadPoolExecutor] = {}
if hasattr(os, "register_at_fork"):  # a child has no threads of its parent's
    os.register_at_fork(after_in_child=_pools.clear)


def _threads(workers: int) -> ThreadPoolExecutor:
    """Threads that are kept from call to call: starting them takes as long as a small bootstrap."""
    if workers not in _pools:
        _pools[workers] = ThreadPoolExecutor(workers - 1, thread_name_prefix="validkit")
    return _pools[workers]


def available_threads() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def draw_plan(
    y: ArrayLike,
    *,
    rng: np.random.Generator | int,
    replicates: int = 2000,
    stratified: bool = False,
    clusters: ArrayLike | None = None,
) -> Draws:
    """Plan the draws of a bootstrap.

    y : (n,) outcome, needed for its length and for strata; rng : a numpy Generator (one number is taken from it) or a
        seed
    stratified : draw within events and within non-events, keeping their numbers
    clusters : (n,) labels of what is drawn as a whole, such as the patient of each lesion; stratified then means
        clusters with and without an event
    """
    outcome = np.asarray(y)
    n = outcome.size
    size = check_count(replicates, "replicates", minimum=FEWEST)
    seed = int(check_rng(rng).integers(0, 2**63))
    unit_of = np.empty(0, np.int64) if clusters is None else check_clusters(clusters, n)
    units = int(unit_of.max()) + 1 if unit_of.size else n
    parts = [np.arange(units)]
    if stratified:
        event = outcome == 1
        has_event = np.bincount(unit_of, weights=event, minlength=units) > 0 if unit_of.size else event
        parts = [np.flatnonzero(~has_event), np.flatnonzero(has_event)]
    members = np.concatenate(parts).astype(np.int64)
    offsets = np.cumsum([0, *(part.size for part in parts)]).astype(np.int64)
    words = [", stratified" * stratified, ", by cluster" * (unit_of.size > 0)]
    return Draws(n, size, seed, members, offsets, unit_of, "".join(words))


def usable(values: FloatArray) -> tuple[FloatArray, str, bool]:
    """The replicates that gave a value, how many in words, and whether they suffice for an interval."""
    finite = np.isfinite(values)
    kept = values if finite.all() else values[finite]
    note = f"{kept.size} of {values.size} replicates"
    if kept.size < max(FEWEST, (1 - LARGEST_LOSS) * values.size):
        return kept, f"{note} gave a value: too few for an interval", False
    if np.ptp(kept) == 0:
        return kept, f"{note}; all are equal, which says nothing about the next sample: no interval", False
    return kept, note, True


def quantiles(values: FloatArray, probabilities: FloatArray) -> FloatArray:
    """Quantiles by linear interpolation (R's type 7), as np.quantile gives them, without its preparations."""
    rising = np.sort(values)
    place = (rising.size - 1) * probabilities
    below = np.floor(place).astype(np.int64)
    above = np.minimum(below + 1, rising.size - 1)
    low, high, share = rising[below], rising[above], place - below
    gap = high - low
    return np.where(share < 0.5, low + gap * share, high - gap * (1 - share))


def _ends(level: float) -> FloatArray:
    return np.array([0.5 - level / 2, 0.5 + level / 2])


def percentile_limits(values: FloatArray, level: float) -> tuple[float, float, str]:
    """(low, high, note) of the percentile interval; where more than 5 % of the replicates are undefined, or fewer than
    20 remain, or all are equal, the ends are NaN and the note says so.
    """
    kept, note, enough = usable(values)
    if not enough:
        return NAN, NAN, note
    low, high = quantiles(kept, _ends(level)).tolist()
    return low, high, note


def bca_limits(values: FloatArray, value: float, jackknife: FloatArray, level: float) -> tuple[float, float, str]:
    """(low, high, note) of the bias-corrected and accelerated interval (Efron, JASA 82 (1987) 171-185).

    jackknife : (n,) the statistic without each patient (or cluster) in turn
    """
    kept, note, enough = usable(values)
    if not enough:
        return NAN, NAN, note
    equal = np.isclose(kept, value, rtol=1e-12, atol=1e-15)  # rounding of sums in another order is no difference
    below = float(np.mean((kept < value) & ~equal) + 0.5 * np.mean(equal))
    if not 0 < below < 1:
        return NAN, NAN, f"{note}; all replicates lie on one side of the value: no BCa interval"
    gap = jackknife.mean() - jackknife
    spread = float((gap**2).sum())
    if not np.isfinite(jackknife).all() or spread == 0:
        return NAN, NAN, f"{note}; the statistic without one patient is undefined or does not vary: no BCa interval"
    z0, acceleration = float(special.ndtri(below)), float((gap**3).sum()) / (6 * spread**1.5)
    z = special.ndtri(_ends(level))
    low, high = quantiles(kept, special.ndtr(z0 + (z0 + z) / (1 - acceleration * (z0 + z)))).tolist()
    return low, high, note


def studentized_limits(
    values: FloatArray, errors: FloatArray, value: float, error: float, level: float
) -> tuple[float, float, str]:
    """(low, high, note) of the bootstrap-t interval: value - t* se, t* the quantiles of (replicate - value)/its se.

    errors : (size,) the standard error within each replicate; error : that on all patients
    Reference: DiCiccio and Efron, Stat Sci 11 (1996) 189-228.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(errors > 0, (values - value) / errors, NAN)
    kept, note, enough = usable(t)
    if not enough or not error > 0:
        return NAN, NAN, note if not enough else f"{note}; no standard error on all patients: no studentised interval"
    lower, upper = quantiles(kept, _ends(level)).tolist()
    return value - upper * error, value - lower * error, note


def jackknife(statistic: Statistic, y: Any, *columns: Any, clusters: ArrayLike | None = None) -> FloatArray:
    """(units, q) the statistic without each patient, or without each cluster, in turn."""
    arrays = [np.asarray(y), *(np.asarray(column) for column in columns)]
    n = arrays[0].shape[0]
    unit_of = np.arange(n) if clusters is None else check_clusters(clusters, n)
    if unit_of.max() == 0:  # without the only one, nobody is left
        return np.full((1, np.size(value_of(statistic(*arrays)))), NAN)
    values = []
    for unit in range(int(unit_of.max()) + 1):
        keep = unit_of != unit
        values.append(np.atleast_1d(np.asarray(value_of(statistic(*(a[keep] for a in arrays))), dtype=np.float64)))
    return np.stack(values)
