"""Does a score predict the outcome beyond chance: fixed folds, outcomes shuffled within them, the p value of an AUC."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from validkit.errors import StageError
from validkit.folds import stratified_group_folds
from validkit.stats import Estimate, auc, clustered_auc

if TYPE_CHECKING:
    from validkit.cohort import Cohort

FOLDS = 5
FEWEST = 10
"""fewest patients with, and without, the event for a question of prediction"""
EXCEEDANCES = 20
"""shuffles that reach the observed value after which the p value needs no more of them"""
BLOCK = 100
PILOT = 100
"""shuffles that tell how much each AUC varies by chance"""

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
Scores = Callable[[NDArray[np.float32]], NDArray[np.floating[Any]]]
"""outcomes (shuffles, patients) to cross-validated scores (shuffles, patients)"""


@dataclass(frozen=True, eq=False)
class Bench:
    """What a question of prediction is tried on.

    outcome : (n,) 0/1; fold : (n,) the fold that holds each patient out
    unit : (n,) who belongs together and is never divided between folds
    """

    outcome: Labels
    fold: Labels
    unit: Labels

    @property
    def folds(self) -> list[tuple[Labels, Labels]]:
        """Places of the patients to learn from and of those to score, fold by fold."""
        return [(np.flatnonzero(self.fold != k), np.flatnonzero(self.fold == k)) for k in np.unique(self.fold)]


def bench(outcome: pd.Series, group: pd.Series | None, seed: int) -> Bench | str:
    """Stratified folds that keep groups together, or why there are none."""
    y = outcome.to_numpy(dtype=np.int64)
    unit = np.arange(y.size) if group is None else _units(group)
    with_event, without = (np.unique(unit[y == k]).size for k in (1, 0))
    if min(with_event, without) < FEWEST:
        return f"{FEWEST} patients with and without the event are needed; there are {with_event} and {without}"
    try:
        splits = stratified_group_folds(y, unit, FOLDS, seed, "question of prediction")
    except StageError:
        return "groups of patients who belong together leave a fold without one of the outcomes"
    fold = np.empty(y.size, dtype=np.int64)
    for number, (_, held) in enumerate(splits):
        fold[held] = number
    return Bench(y, fold, unit)


def together(cohort: Cohort) -> pd.Series | None:
    """The label of who belongs together, or None where everyone stands alone."""
    groups = getattr(cohort, "groups", None)
    return getattr(cohort, "group", None) if groups is None else groups


def _units(group: pd.Series) -> Labels:
    codes = pd.factorize(group)[0].astype(np.int64)
    alone = codes < 0
    codes[alone] = codes.max(initial=0) + 1 + np.arange(int(alone.sum()))
    return codes


def shuffles(at: Bench, count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """(count, n) outcomes shuffled within folds between units of one size, so that every fold keeps its events."""
    out = np.tile(at.outcome.astype(np.float32), (count, 1))
    members = pd.Series(np.arange(at.unit.size)).groupby(at.unit).agg(list)
    keys = pd.Series([(int(at.fold[places[0]]), len(places)) for places in members], index=members.index)
    for _, same in members.groupby(keys):
        places = np.array(same.tolist())
        order = rng.permuted(np.tile(np.arange(len(places)), (count, 1)), axis=1)
        out[:, places] = at.outcome[places][order]
    return out


def areas(outcomes: NDArray[np.float32], scores: NDArray[np.floating[Any]]) -> Floats:
    """(shuffles,) AUC of each row of scores for its row of outcomes, ties counting half."""
    ranks = stats.rankdata(scores, axis=1)
    events = outcomes.sum(axis=1, dtype=np.float64)
    total = (ranks * outcomes).sum(axis=1, dtype=np.float64)
    return np.asarray((total - events * (events + 1) / 2) / (events * (outcomes.shape[1] - events)))


def chance_p(at: Bench, methods: Sequence[Scores], rng: np.random.Generator, most: int) -> tuple[list[float], int]:
    """p value of each method's AUC, adjusted for the number of methods, and how many shuffles were made.

    A method that few patients' values fill has an AUC near 0.5 by chance, one of many numbers an AUC that is wide about
    it; so each AUC is taken in units of its spread under chance, (AUC - 0.5) / s, with s from PILOT shuffles of their
    own, and judged against the largest of these under each further shuffle (single-step maximum). Shuffling ends early
    once EXCEEDANCES shuffles have reached the observed value: p = h / l after l shuffles, else (h + 1) / (most + 1);
    never 0.
    Reference: Westfall and Young 1993; Besag and Clifford, Biometrika 78 (1991) 301-304; Phipson and Smyth, Stat Appl
    Genet Mol Biol 9 (2010) 39.
    """
    units = np.ones((1, 1)) if len(methods) == 1 else _spreads(methods, shuffles(at, PILOT, rng))
    observed = (_by_method(methods, at.outcome[None].astype(np.float32)) - 0.5) / units
    largest = np.empty(0)
    while largest.size < most:
        block = shuffles(at, min(BLOCK, most - largest.size), rng)
        largest = np.concatenate([largest, ((_by_method(methods, block) - 0.5) / units).max(axis=0)])
        if ((largest >= observed - 1e-9).sum(axis=1) >= EXCEEDANCES).all():
            break
    return [_p(largest >= one - 1e-9, most) for one in observed[:, 0]], largest.size


def _spreads(methods: Sequence[Scores], outcomes: NDArray[np.float32]) -> Floats:
    """(methods, 1) spread of the AUC about 0.5."""
    found = np.sqrt(((_by_method(methods, outcomes) - 0.5) ** 2).mean(axis=1, keepdims=True))
    return np.maximum(found, 1e-3)


def _by_method(methods: Sequence[Scores], outcomes: NDArray[np.float32]) -> Floats:
    """(methods, shuffles) AUC."""
    return np.stack([areas(outcomes, method(outcomes)) for method in methods])


def _p(reached: NDArray[np.bool_], most: int) -> float:
    count = np.cumsum(reached)
    if count[-1] >= EXCEEDANCES:
        return EXCEEDANCES / (int(np.searchsorted(count, EXCEEDANCES)) + 1)
    return (int(count[-1]) + 1) / (most + 1)


def area_interval(at: Bench, score: NDArray[np.floating[Any]]) -> Estimate:
    """AUC of cross-validated scores with its 95 % interval: DeLong's, or Obuchowski's where patients come in groups."""
    values = np.asarray(score, dtype=np.float64)
    if np.unique(at.unit).size < at.unit.size:
        return clustered_auc(at.outcome, values, at.unit, scale="score")
    return auc(at.outcome, values, scale="score")
