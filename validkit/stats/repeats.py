"""The door for repeated predictions: (R, n) risks of the same n patients, and how they are combined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from validkit.errors import InputError
from validkit.stats.checks import (
    FloatArray,
    IntArray,
    as_float,
    check_choice,
    check_clusters,
    check_outcome,
    is_missing,
)
from validkit.stats.draws import Draws, draw_plan
from validkit.stats.estimators import Measure
from validkit.stats.results import Estimate
from validkit.stats.segments import Segments, lay_out, pooled_rows, values_in

__all__: list[str] = []

COMBINE = ("average", "per-repeat", "pool")


@dataclass(frozen=True, eq=False)
class Repeats:
    """Checked repeated predictions of the patients who have any, in an order that does not depend on the rows'.

    y : (n,); predictions : (R, n), NaN where not predicted; folds : (R, n) numbers; clusters : (n,) labels' numbers
    what : how the repeats are combined, in words; notes : who was left out
    """

    y: IntArray
    predictions: FloatArray
    folds: IntArray | None
    clusters: IntArray | None
    combine: str
    what: str
    notes: tuple[str, ...]
    segments: Segments

    @property
    def units(self) -> IntArray:
        """(n,) what is drawn as a whole: the patient, or the cluster of patients."""
        return np.arange(self.y.size) if self.clusters is None else self.clusters

    def plan(self, rng: Any, replicates: int, stratified: bool) -> Draws:
        """The draws of patients."""
        return draw_plan(self.y, rng=rng, replicates=replicates, stratified=stratified, clusters=self.clusters)

    def point(self, function: Measure) -> tuple[float, str]:
        """The combined value, and in how many repeats or folds it is undefined."""
        each = values_in(function, self.segments)
        lost = int(np.isnan(each).sum())
        if self.segments.number == 1:
            return float(each[0]), "the measure is undefined on these patients" if lost else ""
        parts = "folds" if self.folds is not None else "repeats"
        return float(self.segments.mean(each)), f"undefined in {lost} of {each.size} {parts}" if lost else ""

    def estimate(
        self, value: float, low: float, high: float, level: float, method: str, se: float, *notes: str
    ) -> Estimate:
        """An Estimate of these patients, with the notes about them."""
        note = "; ".join(part for part in (*notes, *self.notes) if part)
        return Estimate(value, low, high, level, method, se, self.y.size, int(self.y.sum()), note)


def check_repeats(
    y_true: ArrayLike,
    predictions: ArrayLike,
    combine: str,
    folds: ArrayLike | None,
    clusters: ArrayLike | None,
    name: str = "predictions",
    beside: FloatArray | None = None,
) -> Repeats:
    """Outcome, repeated predictions, folds and clusters of the same patients, checked, sorted and laid out.

    beside : (R, n) predictions of another model, so that the patients of both come in the same order
    """
    check_choice(combine, COMBINE, "combine")
    if folds is not None and combine != "per-repeat":
        raise InputError("`folds` asks for the mean over folds, which goes with combine='per-repeat' only")
    y = check_outcome(y_true)
    table = check_predictions(predictions, y.size, name)
    numbers = None if folds is None else _check_folds(folds, table)
    labels = None if clusters is None else check_clusters(clusters, y.size)
    notes = []
    predicted = ~np.isnan(table)
    silent = int(np.count_nonzero(~predicted.any(axis=1)))
    if silent:
        notes.append(f"{silent} of {len(table)} repeats predicted nobody")
    never = np.asarray(~predicted.any(axis=0), dtype=bool)
    if never.any():
        notes.append(f"{np.count_nonzero(never)} of {y.size} patients were predicted in no repeat and are left out")
    keys = table if beside is None else np.concatenate([table, beside])
    order = np.lexsort((y, *np.sort(keys, axis=0)))
    order = order[~never[order]]
    y, table = y[order], np.ascontiguousarray(table[:, order])
    numbers = None if numbers is None else numbers[:, order]
    labels = None if labels is None else np.unique(labels[order], return_inverse=True)[1].astype(np.int64)
    segments, what = _combined(y, table, numbers, combine)
    times = (~np.isnan(table)).sum(axis=0)
    if int(times.min()) < len(table) - silent:
        notes.append(f"{times.min()} to {times.max()} predictions a patient")
    return Repeats(y, table, numbers, labels, combine, what, tuple(notes), segments)


def _combined(y: IntArray, table: FloatArray, folds: IntArray | None, combine: str) -> tuple[Segments, str]:
    number = int((~np.isnan(table)).any(axis=1).sum())
    repeats = f"{number} repeat{'s' * (number > 1)}"
    if combine == "pool":
        return pooled_rows(y, table), f"{repeats} pooled"
    if combine == "average":
        return lay_out(y, np.nanmean(table, axis=0, keepdims=True)), f"of risks averaged over {repeats}"
    segments = lay_out(y, table, folds)
    if folds is None:
        return segments, f"mean over {repeats}"
    return segments, f"mean over {repeats} of the mean over folds ({segments.number} in all)"


def check_predictions(predictions: ArrayLike, n: int, name: str) -> FloatArray:
    """(R, n) risks in [0, 1], NaN where a repeat did not predict a patient."""
    table = as_float(predictions, name, ndim=2)
    if table.shape[1] != n:
        hint = "; it has one row a patient: transpose it" if table.shape[0] == n else ""
        raise InputError(
            f"`{name}` must have one row a repeat and {n} columns, one a patient; it is {table.shape}{hint}"
        )
    absent = np.isnan(table)
    if absent.all():
        raise InputError(f"`{name}` holds no prediction at all")
    wrong = ~absent & ~((table >= 0) & (table <= 1))
    if wrong.any():
        r, i = np.argwhere(wrong)[0]
        raise InputError(
            f"`{name}` must lie in [0, 1], or be NaN where a repeat did not predict a patient; {int(wrong.sum())} of "
            f"{table.size} values do not (first: repeat {r}, patient {i}, {table[r, i]:.6g})"
        )
    return table


def _check_folds(folds: ArrayLike, table: FloatArray) -> IntArray:
    """Folds by number; a label is needed where there is a prediction."""
    source: Any = folds.to_numpy() if hasattr(folds, "to_numpy") else folds
    labels = np.asarray(source, dtype=None if isinstance(source, np.ndarray) else object)
    if labels.shape != table.shape:
        raise InputError(f"`folds` must have the shape of `predictions`, {table.shape}; its shape is {labels.shape}")
    flat = labels.ravel().tolist()
    number: dict[Any, int] = {}
    codes = np.array([-1 if is_missing(label) else number.setdefault(label, len(number)) for label in flat])
    numbers = codes.reshape(table.shape).astype(np.int64)
    bare = ~np.isnan(table) & (numbers < 0)
    if bare.any():
        r, i = np.argwhere(bare)[0]
        raise InputError(f"`folds` is missing where there is a prediction (first: repeat {r}, patient {i})")
    return numbers
