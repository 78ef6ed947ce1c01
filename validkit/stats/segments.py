"""A measure in many overlapping groups of patients at once: the repeats, or the folds of repeats, of a design.

Every patient may have a row in several segments. A bootstrap draws patients, and each drawn patient brings all of them
along: that is how an interval respects that the rows are not independent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from validkit.stats.calibration_distances import calibration_errors
from validkit.stats.checks import FloatArray, IntArray
from validkit.stats.draws import Draws, Progress, value_of
from validkit.stats.estimators import Measure
from validkit.stats.quick import Line, Means, line_replicates
from validkit.stats.results import NAN
from validkit.stats.single_numbers import e50, e90, eci, emax, ici
from validkit.stats.table_measures import way_of

__all__: list[str] = []

BLOCK = 1 << 20
FROM_ONE_CURVE: dict[Any, str] = {eci: "eci", ici: "ici", e50: "e50", e90: "e90", emax: "emax"}


@dataclass(frozen=True, eq=False)
class Segments:
    """Rows by segment, in each by rising risk.

    patient : (rows,) whose row it is; y, p : (rows,); starts : (segments + 1,); repeat : (segments,) rising
    """

    patient: IntArray
    y: IntArray
    p: FloatArray
    starts: IntArray
    repeat: IntArray

    def rows(self, s: int) -> slice:
        """The rows of one segment."""
        return slice(int(self.starts[s]), int(self.starts[s + 1]))

    @property
    def number(self) -> int:
        """How many segments there are."""
        return self.starts.size - 1

    def mean(self, values: FloatArray) -> FloatArray:
        """Mean over repeats of the mean over their segments, along the last axis; what is NaN is left out."""
        first = np.flatnonzero(np.r_[True, self.repeat[1:] != self.repeat[:-1]])
        return _mean(_mean_at(values, first))


def _mean_at(values: FloatArray, first: IntArray) -> FloatArray:
    defined = ~np.isnan(values)
    total = np.add.reduceat(np.where(defined, values, 0.0), first, axis=-1)
    number = np.add.reduceat(defined.astype(np.int64), first, axis=-1)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(number > 0, total / np.maximum(number, 1), NAN), dtype=np.float64)


def _mean(values: FloatArray) -> FloatArray:
    return _mean_at(values, np.zeros(1, dtype=np.int64))[..., 0]


def lay_out(y: IntArray, predictions: FloatArray, folds: IntArray | None = None) -> Segments:
    """A segment for each repeat, or for each fold of each repeat, of the patients who have a prediction there.

    predictions : (R, n), NaN where a repeat did not predict a patient; folds : (R, n) numbers
    """
    parts, repeat = [], []
    for r, risks in enumerate(predictions):
        predicted = np.flatnonzero(~np.isnan(risks))
        labels = np.zeros(predicted.size, np.int64) if folds is None else folds[r, predicted]
        for label in np.unique(labels):
            members = predicted[labels == label]
            order = members[np.argsort(risks[members], kind="stable")]
            parts.append((order, risks[order]))
            repeat.append(r)
    patient = np.concatenate([order for order, _ in parts])
    starts = np.cumsum([0, *(order.size for order, _ in parts)]).astype(np.int64)
    return Segments(patient, y[patient], np.concatenate([p for _, p in parts]), starts, np.array(repeat, np.int64))


def pooled_rows(y: IntArray, predictions: FloatArray) -> Segments:
    """One segment of all rows."""
    repeat, patient = np.nonzero(~np.isnan(predictions))
    risks = predictions[repeat, patient]
    order = np.lexsort((patient, risks))
    whole = np.array([0, patient.size], np.int64)
    return Segments(patient[order], y[patient[order]], risks[order], whole, np.zeros(1, np.int64))


def values_in(function: Measure, segments: Segments) -> FloatArray:
    """(segments,) a measure in every one of them."""
    parts = [segments.rows(s) for s in range(segments.number)]
    return np.array([float(value_of(function(segments.y[part], segments.p[part]))) for part in parts])


def replicates_in(
    functions: Mapping[str, Measure],
    segments: Segments,
    plan: Draws,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
) -> dict[str, FloatArray]:
    """(size, segments) every measure in every segment of every replicate of the patients."""
    found: dict[str, FloatArray] = {}
    ways = {name: way_of(function) for name, function in functions.items()}
    means = {name: way for name, way in ways.items() if isinstance(way, Means)}
    if means:
        out, slices, kernel = _means_kernel(list(means.values()), segments, plan.size)

        def part(start: int, stop: int) -> None:
            step = max(1, BLOCK // plan.n)
            for a in range(start, stop, step):
                z = min(a + step, stop)
                kernel(plan.counts(a, z), out[a:z])

        plan.run(part, threads=threads, progress=progress)
        found |= _combined(means, out, slices)
    lines = {name: way.column for name, way in ways.items() if isinstance(way, Line)}
    if lines:
        table = _lines(segments, plan, set(lines.values()), threads)
        found |= {name: table[:, :, column] for name, column in lines.items()}
    others = {name: functions[name] for name, way in ways.items() if way is None}
    if others:
        table = np.full((plan.size, segments.number, len(others)), NAN)
        step = max(1, BLOCK // plan.n)
        for a in range(0, plan.size, step):
            z = min(a + step, plan.size)
            _fill(_together(others), segments, plan.counts(a, z), table[a:z])
            if progress:
                progress(z, plan.size)
        found |= {name: table[:, :, j] for j, name in enumerate(others)}
    return found


def without_each(function: Measure, segments: Segments, unit_of: IntArray) -> FloatArray:
    """(units, segments) a measure without each patient, or cluster of patients, in turn."""
    units = int(unit_of.max()) + 1
    way = way_of(function)
    table = np.full((units, segments.number, 1), NAN)
    out, slices, kernel = _means_kernel([way] if isinstance(way, Means) else [], segments, units)
    step = max(1, BLOCK // unit_of.size)
    for a in range(0, units, step):
        z = min(a + step, units)
        counts = (unit_of[None, :] != np.arange(a, z)[:, None]).astype(np.int32)
        if isinstance(way, Means):
            kernel(counts, out[a:z])
        else:
            _fill(_together({"one": function}), segments, counts, table[a:z])
    return _combined({"one": way}, out, slices)["one"] if isinstance(way, Means) else table[:, :, 0]


def _means_kernel(
    parts: Sequence[Means], segments: Segments, size: int
) -> tuple[FloatArray, list[slice], Callable[[NDArray[np.int32], FloatArray], None]]:
    """Room for the means of every part, which of them belong to which part, and what fills the room from counts."""
    from validkit.stats import repeat_kernels

    columns: list[FloatArray] = []
    slices: list[slice] = []
    outcome = segments.y.astype(np.float64)
    for one in parts:
        own = [np.asarray(c, dtype=np.float64) for c in one.contributions(outcome, segments.p)]
        slices.append(slice(len(columns), len(columns) + len(own)))
        columns += own
    table = np.stack(columns) if columns else np.empty((0, segments.y.size))
    p, last = segments.p, np.ones(segments.p.size, dtype=bool)
    last[:-1] = p[1:] != p[:-1]
    last[segments.starts[1:] - 1] = True
    tied = np.array([not last[segments.rows(s)].all() for s in range(segments.number)])
    mask = -segments.y

    def fill(counts: NDArray[np.int32], room: FloatArray) -> None:
        repeat_kernels.segment_means(counts, segments.patient, segments.starts, mask, last, tied, table, room)

    return np.empty((size, segments.number, 2 + len(columns))), slices, fill


def _combined(ways: Mapping[str, Means], out: FloatArray, slices: list[slice]) -> dict[str, FloatArray]:
    means = out[..., 2:]
    return {
        name: np.asarray(way.combine(out[..., 0], out[..., 1], means[..., own]), dtype=np.float64)
        for (name, way), own in zip(ways.items(), slices, strict=True)
    }


def _lines(segments: Segments, plan: Draws, columns: set[int], threads: int | None) -> FloatArray:
    """(size, segments, 3) joint intercept, slope and calibration-in-the-large."""
    unit = plan.unit_of if plan.unit_of.size else np.arange(plan.n)
    table = np.full((plan.size, segments.number, 3), NAN)
    for s in range(segments.number):
        rows = segments.rows(s)
        own = replace(plan, n=rows.stop - rows.start, unit_of=unit[segments.patient[rows]])
        table[:, s] = line_replicates(segments.y[rows], segments.p[rows], own, columns=columns, threads=threads)
    return table


def _together(functions: Mapping[str, Measure]) -> Callable[[IntArray, FloatArray], list[float]]:
    """All measures of one group of rows; those that come from one calibration curve share it."""
    shared = {name: FROM_ONE_CURVE[f] for name, f in functions.items() if _hashable(f) and f in FROM_ONE_CURVE}

    def statistic(y: IntArray, p: FloatArray) -> list[float]:
        curve = calibration_errors(y, p) if shared else {}
        return [
            float(curve[shared[name]].value if name in shared else value_of(function(y, p)))
            for name, function in functions.items()
        ]

    return statistic


def _hashable(function: Any) -> bool:
    try:
        hash(function)
    except TypeError:
        return False
    return True


def _fill(
    statistic: Callable[[IntArray, FloatArray], list[float]],
    segments: Segments,
    counts: NDArray[np.int32],
    table: FloatArray,
) -> None:
    """Evaluate on the rows written out one by one; what nobody is left for stays NaN."""
    for s in range(segments.number):
        rows = segments.rows(s)
        y, p, who = segments.y[rows], segments.p[rows], segments.patient[rows]
        for b, times in enumerate(counts[:, who]):
            drawn = np.repeat(np.arange(who.size), times)
            if drawn.size:
                table[b, s] = statistic(y[drawn], p[drawn])
