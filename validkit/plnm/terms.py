"""The terms of a nomogram: what each contributes to the log odds, over which axis, and where its round values lie."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import special

from validkit.errors import InputError
from validkit.plnm import axes
from validkit.stats.coding import Coding, as_levels, numbers

LOGIT_CLIP = 1e-3


def score_column(score: ArrayLike, logit: bool) -> np.ndarray:
    """The fusion score on the scale that its coefficient multiplies: itself, or its logit, moved off 0 and 1."""
    p = np.asarray(score, dtype=np.float64)
    if not logit:
        return p
    return np.asarray(special.logit(np.clip(p, LOGIT_CLIP, 1 - LOGIT_CLIP)))


@dataclass(frozen=True)
class Term:
    """One axis of the nomogram.

    beta : log odds per unit, or of each level of a categorical predictor, the reference's 0 first
    range : the axis, in the predictor's own unit (places of the levels of a categorical one)
    training_range : what training patients cover; names : of the levels of an ordinal predictor that holds their places
    """

    name: str
    label: str
    unit: str
    kind: str
    levels: tuple[str, ...]
    unseen: tuple[str, ...]
    names: tuple[str, ...]
    beta: tuple[float, ...]
    range: tuple[float, float]
    training_range: tuple[float, float]
    logit: bool

    def scaled(self, values: ArrayLike) -> np.ndarray:
        """Values on the scale that the coefficient multiplies."""
        return score_column(values, self.logit)

    @property
    def origin(self) -> float:
        """The end of the axis with the least contribution."""
        return self.range[0] if self.beta[0] >= 0 else self.range[1]

    @property
    def least(self) -> float:
        """The least contribution to the log odds over the axis."""
        return min(self.beta) if self.levels else float(self.beta[0] * self.scaled(self.origin))

    @property
    def width(self) -> float:
        """The range of contributions to the log odds over the axis."""
        if self.levels:
            return max(self.beta) - min(self.beta)
        low, high = self.scaled(self.range)
        return float(abs(self.beta[0]) * (high - low))

    def above_least(self, column: pd.Series) -> np.ndarray:
        """(n,) contribution to the log odds above the least one; negative beyond the low end of the axis."""
        if self.levels:
            value = dict(zip(self.levels, self.beta, strict=True)) | dict.fromkeys(self.unseen, self.beta[0])
            return np.array([value[level] for level in as_levels(column)]) - min(self.beta)
        return self.beta[0] * (self.scaled(numbers(column, self.kind)) - self.scaled(self.origin))

    def outside(self, column: pd.Series) -> np.ndarray:
        """(n,) whether a patient lies beyond the axis or beyond what training patients cover."""
        if self.levels:
            return np.array([level not in self.levels for level in as_levels(column)])
        values = numbers(column, self.kind)
        values = np.clip(values, LOGIT_CLIP, 1 - LOGIT_CLIP) if self.logit else values
        low, high = max(self.range[0], self.training_range[0]), min(self.range[1], self.training_range[1])
        return (values < low) | (values > high)


def make_term(
    column: pd.Series,
    coding: Coding,
    beta: Sequence[float],
    *,
    label: str = "",
    unit: str = "",
    names: Sequence[str] = (),
    axis: tuple[float, float] | None = None,
    score: bool = False,
    logit: bool = False,
) -> Term:
    """The term of a predictor, or of the fusion score, from training patients and its coefficients.

    axis : its declared range; by default the training range, rounded outward
    """
    name = str(column.name)
    kind, levels = coding.kinds[name], coding.levels.get(name, ())
    text = (name, label or name, unit, kind, levels, coding.unseen.get(name, ()), tuple(names))
    if kind == "categorical":
        ends = (0.0, float(len(levels) - 1))
        return Term(*text, (0.0, *beta), ends, ends, False)
    values = numbers(column, kind)
    values = np.clip(values, LOGIT_CLIP, 1 - LOGIT_CLIP) if logit else values
    covered = float(values.min()), float(values.max())
    chosen = _declared(name, axis, score) if axis is not None else _axis(kind, covered, len(text[-1]), score, logit)
    return Term(*text, tuple(beta), chosen, covered, logit)


def _declared(name: str, axis: tuple[float, float], score: bool) -> tuple[float, float]:
    low, high = (float(v) for v in axis)
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise InputError(f"`ranges` of {name!r} must be (low, high), finite, low < high; it is ({low:g}, {high:g})")
    if score and not 0 <= low < high <= 1:
        raise InputError(f"`ranges` of the score {name!r} must lie in [0, 1]; it is ({low:g}, {high:g})")
    return low, high


def _axis(kind: str, covered: tuple[float, float], named: int, score: bool, logit: bool) -> tuple[float, float]:
    if kind == "binary":
        return 0.0, 1.0
    if kind == "ordinal" and named > 1:
        return 0.0, float(named - 1)
    if kind == "ordinal" and covered[0] < covered[1]:
        return covered
    if logit:
        ends = axes.probabilities_around(*covered)
        return (ends[0], ends[-1]) if len(ends) > 1 else (axes.PROBABILITIES[0], axes.PROBABILITIES[-1])
    low, high = axes.round_range(*covered)
    return (max(low, 0.0), min(high, 1.0)) if score else (low, high)


def term_ticks(term: Term, points_per_log_odds: float) -> list[dict[str, Any]]:
    """Round values of a term's axis with their labels and points, for whoever draws it."""
    if term.levels:
        return [
            {"value": float(i), "label": level, "points": (b - min(term.beta)) * points_per_log_odds}
            for i, (level, b) in enumerate(zip(term.levels, term.beta, strict=True))
        ]
    low, high = term.range
    if term.logit:
        values = tuple(dict.fromkeys((low, *(p for p in axes.PROBABILITIES if low < p < high), high)))
    elif term.kind == "binary":
        values = (0.0, 1.0)
    elif term.kind == "ordinal" and high - low <= 12 and low.is_integer() and high.is_integer():
        values = tuple(float(v) for v in range(int(low), int(high) + 1))
    else:
        values = axes.ticks_within(low, high)
    points = term.beta[0] * (term.scaled(values) - term.scaled(term.origin)) * points_per_log_odds + 0.0
    places = {float(place): name for place, name in enumerate(term.names)}
    labels = [places.get(v, f"{v:g}") for v in values]
    return [
        {"value": float(v), "label": label, "points": float(at)}
        for v, label, at in zip(values, labels, points, strict=True)
    ]
