"""What a sample-size calculation returns, and the pieces that the calculations share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from validkit.errors import InputError
from validkit.stats.checks import FloatArray
from validkit.stats.intervals import z_of
from validkit.stats.results import NAN, Record

__all__ = ["Criterion", "SampleSize"]

NODES_A_PANEL = 16


@dataclass(frozen=True, repr=False)
class Criterion(Record):
    """One demand on the sample and the patients it takes: `exact` before it was rounded up to `n`.

    target : what is asked for, e.g. the width of an interval; se : the standard error that this allows
    """

    name: str
    n: int
    exact: float
    target: float
    se: float = NAN
    note: str = ""

    def __repr__(self) -> str:
        return f"{self.name}: n = {self.n}"


@dataclass(frozen=True, repr=False)
class SampleSize(Record):
    """The patients that meet every criterion: `n` is the largest of them, `binding` the criterion that asks for it.

    n_events : the events expected among them, n times the prevalence; assumptions : what the calculation was told
    """

    n: int
    n_events: float
    binding: str
    criteria: tuple[Criterion, ...]
    assumptions: dict[str, Any]
    method: str = ""
    note: str = ""

    def __repr__(self) -> str:
        parts = "; ".join(f"{c.name} {c.n}" for c in self.criteria)
        return f"n = {self.n} with {self.n_events:.4g} events, for the {self.binding} ({parts})"


def criterion(name: str, exact: float, target: float, se: float = NAN, note: str = "") -> Criterion:
    """A criterion met by the next whole number of patients."""
    return Criterion(name, math.ceil(exact), exact, target, se, note)


def largest(criteria: tuple[Criterion, ...]) -> Criterion:
    """The binding criterion; the first of several equal ones."""
    return max(criteria, key=lambda c: c.n)


def number_between(value: float, low: float, high: float, name: str, hint: str = "") -> float:
    """A finite number strictly between two bounds."""
    good = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not (good and low < value < high):
        span = f"be above {low:g}" if math.isinf(high) else f"lie strictly between {low:g} and {high:g}"
        raise InputError(f"`{name}` must {span}, not {value!r}{hint}")
    return float(value)


def z_published(level: float) -> float:
    """The normal quantile as the sample-size papers write it: 1.96 at 0.95, else to full precision."""
    return 1.96 if level == 0.95 else z_of(level)


def gauss_legendre(low: float, high: float, width: float) -> tuple[FloatArray, FloatArray]:
    """Nodes and weights of Gauss and Legendre's rule in panels of at most `width`."""
    panels = max(1, math.ceil((high - low) / width))
    edges = np.linspace(low, high, panels + 1)
    node, weight = np.polynomial.legendre.leggauss(NODES_A_PANEL)
    half = np.diff(edges)[:, None] / 2
    centre = (edges[1:] + edges[:-1])[:, None] / 2
    return (centre + half * node).ravel(), (half * weight).ravel()
