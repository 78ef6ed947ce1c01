"""Chained equations with predictive mean matching, learnt once and applied to anybody.

Each round regresses every column on all others among the patients who have it. The coefficients of each round are kept,
so that other patients go through the very same rounds without taking part in them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from validkit.tabular.draws import patient_keys, uniform
from validkit.tabular.regression import Line, bayesian_ridge

__all__ = ["Chain", "learn_chain"]

DONORS = 5


@dataclass(frozen=True, eq=False)
class Step:
    """One column in one round: its drawn regression, and the training patients whose values may be given.

    scale : (m, m) turns predicted means into distances; means : (d, m) scaled predicted means of the donors
    values : (d,) the donors' values
    """

    column: int
    drawn: Line
    scale: np.ndarray
    means: np.ndarray
    values: np.ndarray

    def give(self, design: np.ndarray, chance: np.ndarray) -> np.ndarray:
        """(n,) values: of one of the nearest donors, as chance, (n,) in [0, 1), has it."""
        wanted = self.drawn.at(design)
        near = min(DONORS, len(self.values))
        _, found = cKDTree(self.means).query(_scaled(wanted, self.scale), k=[*range(1, near + 1)])
        chosen = np.minimum((chance * near).astype(np.int64), near - 1)
        given: np.ndarray = self.values[found[np.arange(len(chance)), chosen]]
        return given


@dataclass(frozen=True, eq=False)
class Chain:
    """A learnt copy: the start, and every step of every round.

    observed : each column's values among training patients, from which the start is drawn
    centre, spread : of each column, for the design; n_levels : levels of a categorical column, 0 of others
    """

    seed: int
    observed: tuple[np.ndarray, ...]
    centre: np.ndarray
    spread: np.ndarray
    n_levels: tuple[int, ...]
    steps: tuple[Step, ...]

    def complete(self, numbers: np.ndarray, patients: pd.Index) -> np.ndarray:
        """(n, c) numbers with the missing ones filled in."""
        missing = np.isnan(numbers)
        rows = np.flatnonzero(missing.any(axis=1))
        if not rows.size:
            return numbers.copy()
        work = _Work(self, numbers[rows], patient_keys(patients[rows], self.seed))
        for number, step in enumerate(self.steps):
            work.fill(step, number)
        filled = numbers.copy()
        filled[rows] = work.numbers
        return filled


class _Work:
    """Numbers that are being completed, and their design: indicators of categories, other columns standardised."""

    def __init__(self, chain: Chain, numbers: np.ndarray, keys: np.ndarray) -> None:
        self.chain, self.numbers, self.keys = chain, numbers.copy(), keys
        self.missing = [np.flatnonzero(np.isnan(column)) for column in numbers.T]
        self.blocks = list(_blocks(chain.n_levels))
        self.design = np.empty((len(numbers), sum(block.stop - block.start for block in self.blocks)))
        for j, rows in enumerate(self.missing):
            observed = chain.observed[j]
            place = (uniform(keys[rows], j) * len(observed)).astype(np.int64)
            self.numbers[rows, j] = observed[np.minimum(place, len(observed) - 1)]
            self.expand(j)

    def expand(self, j: int) -> None:
        """Column j of the numbers into its columns of the design."""
        values, levels = self.numbers[:, j], self.chain.n_levels[j]
        if levels:
            self.design[:, self.blocks[j]] = values[:, None] == np.arange(1, levels)
        else:
            self.design[:, self.blocks[j]] = ((values - self.chain.centre[j]) / self.chain.spread[j])[:, None]

    def others(self, j: int) -> np.ndarray:
        """The design without column j."""
        block = self.blocks[j]
        return np.concatenate([self.design[:, : block.start], self.design[:, block.stop :]], axis=1)

    def fill(self, step: Step, number: int) -> None:
        """Give column's missing values in one step."""
        rows = self.missing[step.column]
        if rows.size:
            chance = uniform(self.keys[rows], len(self.missing) + number)
            self.numbers[rows, step.column] = step.give(self.others(step.column)[rows], chance)
            self.expand(step.column)


def _blocks(n_levels: Sequence[int]) -> Iterator[slice]:
    """Where each column's part of the design lies; the first level of a categorical column has no indicator."""
    start = 0
    for levels in n_levels:
        width = levels - 1 if levels else 1
        yield slice(start, start + width)
        start += width


def learn_chain(
    numbers: np.ndarray,
    kinds: Sequence[str],
    levels: Sequence[int],
    *,
    patients: pd.Index,
    seed: tuple[int, int],
    iterations: int,
) -> Chain:
    """Learn one copy from training patients.

    numbers : (n, c), NaN is missing, every column with a value; seed : (random_state, copy)
    """
    observed = tuple(column[~np.isnan(column)] for column in numbers.T)
    spread = np.array([column.std() for column in observed])
    chain = Chain(
        seed=int(np.random.SeedSequence(seed).generate_state(1)[0]),
        observed=observed,
        centre=np.array([column.mean() for column in observed]),
        spread=np.where(spread > 0, spread, 1.0),
        n_levels=tuple(n if kind == "categorical" else 0 for n, kind in zip(levels, kinds, strict=True)),
        steps=(),
    )
    rng = np.random.default_rng(seed)
    work = _Work(chain, numbers, patient_keys(patients, chain.seed))
    order = sorted(range(numbers.shape[1]), key=lambda j: (len(work.missing[j]), j))
    steps: list[Step] = []
    for _ in range(iterations):
        for j in order:
            steps.append(_learn(work, j, rng))
            work.fill(steps[-1], len(steps) - 1)
    return Chain(chain.seed, chain.observed, chain.centre, chain.spread, chain.n_levels, tuple(steps))


def _learn(work: _Work, j: int, rng: np.random.Generator) -> Step:
    """Regress column j on the others among the patients who have it."""
    has = np.ones(len(work.numbers), dtype=bool)
    has[work.missing[j]] = False
    values, design = work.numbers[has, j], work.others(j)[has]
    response = _response(values, work.chain.n_levels[j])
    mean, drawn = bayesian_ridge(design, response, rng)
    predicted = mean.at(design)
    scale = _whitening(response - predicted)
    mixed = rng.permutation(len(values))  # of donors equally near, chance says which comes first
    return Step(j, drawn, scale, _scaled(predicted, scale)[mixed], values[mixed])


def _response(values: np.ndarray, levels: int) -> np.ndarray:
    """(n, m): the values themselves, or indicators of all levels that are there but the first."""
    if not levels:
        return values[:, None]
    there = np.unique(values)
    return (values[:, None] == there[1:]).astype(np.float64) if there.size > 1 else np.zeros((len(values), 1))


def _whitening(residuals: np.ndarray) -> np.ndarray:
    """(m, m) L with distance |L r|, Mahalanobis' under the residuals' covariance; the identity for one response."""
    m = residuals.shape[1]
    if m == 1:
        return np.eye(1)
    covariance = residuals.T @ residuals / len(residuals)
    covariance += np.eye(m) * (1e-6 * max(float(np.trace(covariance)) / m, 1e-12))
    whitening: np.ndarray = np.linalg.inv(np.linalg.cholesky(covariance))
    return whitening


def _scaled(means: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Each row times the scale; each row's numbers depend on that row alone, to the last bit."""
    return np.column_stack([(means * row).sum(axis=1) for row in scale])
