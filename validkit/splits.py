"""Who trains and who is held out, under each design; rows that belong together are never separated."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from validkit.errors import InputError
from validkit.folds import stratified_group_folds
from validkit.sections import (
    AsGiven,
    BootstrapDesign,
    Design,
    External,
    Holdout,
    InternalExternal,
    KFold,
    Nested,
    RepeatedKFold,
)

FINAL = "final"
"""name of the fit to all patients"""
HOLDOUT = "holdout"

SeedOf = Callable[..., int]
Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """One division of the patients: the whole model is fitted to `training` and predicts `held_out`.

    name : unique in the plan, and fit for a folder
    repeat, fold : counted from 1; 0 where the design has none
    training : ids in the cohort's order; in a bootstrap resample an id stands as often as it was drawn
    held_out : ids in the cohort's order; in a bootstrap resample all patients, drawn or not
    site : the site left out, in an internal-external design
    """

    name: str
    training: tuple[str, ...]
    held_out: tuple[str, ...]
    repeat: int = 0
    fold: int = 0
    site: str = ""


@dataclass(frozen=True, eq=False)
class Patients:
    """What a design looks at; every Series is indexed by patient, in the cohort's order.

    outcome : 0/1, for stratification and counts alone
    groups : label of what belongs together; each patient alone where None
    """

    outcome: pd.Series
    groups: pd.Series | None = None
    site: pd.Series | None = None
    date: pd.Series | None = None
    device: pd.Series | None = None

    @property
    def ids(self) -> tuple[str, ...]:
        """Patient ids, in order."""
        return tuple(map(str, self.outcome.index))

    @property
    def y(self) -> Codes:
        """(n,) outcome."""
        return np.asarray(self.outcome, dtype=np.int64)

    @property
    def codes(self) -> Codes:
        """(n,) number of each patient's group."""
        if self.groups is None:
            return np.arange(len(self.outcome))
        return np.asarray(pd.factorize(self.groups.loc[self.outcome.index])[0], dtype=np.int64)

    def named(self, rows: Sequence[int] | Codes) -> tuple[str, ...]:
        """The ids of these positions."""
        ids = self.ids
        return tuple(ids[int(row)] for row in rows)


def make_splits(design: Design, patients: Patients, seed: int, seed_of: SeedOf) -> tuple[Split, ...]:
    """The splits of a design, in order.

    seed : of the random division; seed_of : a task's seed from its identity
    Raises InputError where the cohort cannot be divided as declared.
    """
    if isinstance(design, Holdout):
        splits: tuple[Split, ...] = (_holdout(design, patients, seed),)
    elif isinstance(design, KFold | RepeatedKFold | Nested):
        splits = _folds(design, patients, seed, seed_of)
    elif isinstance(design, BootstrapDesign):
        splits = _resamples(design, patients, seed_of)
    elif isinstance(design, InternalExternal):
        splits = _sites(patients)
    elif isinstance(design, External | AsGiven):
        splits = (Split(HOLDOUT, (), patients.ids),)
    if not isinstance(design, External | AsGiven):
        _both_kinds(splits, patients, held_out=isinstance(design, Holdout))
    return splits


def _holdout(design: Holdout, patients: Patients, seed: int) -> Split:
    held_out = {"random": _at_random, "date": _latest, "device": _devices}[design.by](design, patients, seed)
    codes = patients.codes
    apart = np.isin(codes, codes[held_out])
    if apart.all() or not apart.any():
        side = "training" if apart.all() else "held-out"
        raise InputError(
            f"design.by = {design.by!r} leaves no {side} patients; change the rule, or bring more patients"
        )
    return Split(HOLDOUT, patients.named(np.flatnonzero(~apart)), patients.named(np.flatnonzero(apart)))


def _at_random(design: Holdout, patients: Patients, seed: int) -> NDArray[np.bool_]:
    """A random part of the groups: `ceil(test * n)` of them, the event's share kept where stratified."""
    from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

    first, event = _by_group(patients)
    events, n = int(event.sum()), len(event)
    held_out = math.ceil(design.test * n)
    fewest = 2 if design.stratify == "outcome" else 1
    if fewest == 2 and min(events, n - events) < 2:
        raise InputError(f"design.stratify = 'outcome' needs two patients of each kind; got {events} events among {n}")
    if min(held_out, n - held_out) < fewest:
        raise InputError(
            f"design.test = {design.test:g} holds out {held_out} of {n} and leaves {n - held_out}; each side needs at "
            f"least {fewest}: choose another share, or bring more patients"
        )
    kind = StratifiedShuffleSplit if design.stratify == "outcome" else ShuffleSplit
    splitter = kind(n_splits=1, test_size=design.test, random_state=seed)
    _, chosen = next(splitter.split(np.zeros((n, 1)), event))
    return np.asarray(np.isin(patients.codes, first[chosen]))


def _by_group(patients: Patients) -> tuple[Codes, Codes]:
    """Each group's number, in order of appearance, and whether any of its rows has the event."""
    codes, y = patients.codes, patients.y
    event = np.zeros(int(codes.max()) + 1, dtype=np.int64)
    np.maximum.at(event, codes, y)
    order = np.asarray(pd.unique(codes), dtype=np.int64)
    return order, event[order]


def _latest(design: Holdout, patients: Patients, _: int) -> NDArray[np.bool_]:
    """Patients from a day on, or the latest ones: `ceil(test * n)`, and all of the day on which that falls."""
    assert patients.date is not None
    days = patients.date.loc[patients.outcome.index]
    if design.since is not None:
        return np.asarray(days >= pd.Timestamp(design.since))
    wanted = math.ceil(design.test * len(days))
    first_day = days.sort_values(ascending=False, kind="stable").iloc[wanted - 1]
    return np.asarray(days >= first_day)


def _devices(design: Holdout, patients: Patients, _: int) -> NDArray[np.bool_]:
    assert patients.device is not None
    device = patients.device.loc[patients.outcome.index].astype(str)
    unknown = sorted(set(design.held_out) - set(device))
    if unknown:
        known = ", ".join(map(repr, sorted(set(device))))
        raise InputError(f"design.held_out names the device {unknown[0]!r}, which no patient has; there are {known}")
    return np.asarray(device.isin(design.held_out))


def _folds(design: KFold | RepeatedKFold | Nested, patients: Patients, seed: int, seed_of: SeedOf) -> tuple[Split, ...]:
    found = []
    for repeat in range(1, design.repeats + 1):
        seeded = seed if design.repeats == 1 else seed_of("repeat", repeat)
        for fold, held_out in enumerate(_fold_positions(design, patients, seeded), start=1):
            rest = np.setdiff1d(np.arange(len(patients.outcome)), held_out)
            name = f"fold-{fold:02d}" if design.repeats == 1 else f"repeat-{repeat:02d}-fold-{fold:02d}"
            found.append(Split(name, patients.named(rest), patients.named(held_out), repeat, fold))
    return tuple(found)


def _fold_positions(design: KFold | RepeatedKFold | Nested, patients: Patients, seed: int) -> list[Codes]:
    """(held-out positions, sorted) of each fold."""
    codes = patients.codes
    if design.stratify == "outcome":
        splits = stratified_group_folds(patients.y, codes, design.folds, seed, "cross-validation (design.folds)")
        return [np.sort(rest) for _, rest in splits]
    groups = np.unique(codes)
    if len(groups) < design.folds:
        raise InputError(f"design.folds = {design.folds} needs as many patients; there are {len(groups)}")
    order = np.random.default_rng(seed).permutation(groups)
    return [np.flatnonzero(np.isin(codes, part)) for part in np.array_split(order, design.folds)]


def _resamples(design: BootstrapDesign, patients: Patients, seed_of: SeedOf) -> tuple[Split, ...]:
    """Groups drawn with replacement, as many as there are; stratified: within those with and without the event."""
    codes = patients.codes
    order, event = _by_group(patients)
    strata = [order[event == kind] for kind in (0, 1)] if design.stratify == "outcome" else [order]
    rows_of = {int(group): np.flatnonzero(codes == group) for group in order}
    found = []
    for number in range(1, design.resamples + 1):
        rng = np.random.default_rng(seed_of("resample", number))
        drawn = np.concatenate([rng.choice(stratum, size=len(stratum), replace=True) for stratum in strata])
        rows = np.sort(np.concatenate([rows_of[int(group)] for group in drawn]), kind="stable")
        found.append(Split(f"resample-{number:04d}", patients.named(rows), patients.ids, repeat=number))
    return tuple(found)


def _sites(patients: Patients) -> tuple[Split, ...]:
    assert patients.site is not None
    site = patients.site.loc[patients.outcome.index].astype(str)
    names = list(dict.fromkeys(site))
    if len(names) < 2:
        raise InputError(f"an internal-external design needs at least two sites; all patients are of {names[0]!r}")
    _whole_groups(patients, site)
    found = []
    for number, name in enumerate(names, start=1):
        left_out = np.asarray(site == name)
        held_out, rest = np.flatnonzero(left_out), np.flatnonzero(~left_out)
        found.append(Split(f"site-{number:02d}", patients.named(rest), patients.named(held_out), 1, number, name))
    return tuple(found)


def _whole_groups(patients: Patients, site: pd.Series) -> None:
    """Rows that belong together and lie at two sites would be on both sides."""
    codes = patients.codes
    sites = pd.Series(np.asarray(site)).groupby(codes).nunique()
    if (sites > 1).any():
        ids = patients.named(np.flatnonzero(codes == sites.index[sites > 1][0]))
        raise InputError(
            f"patients {', '.join(ids[:5])} belong together (equal images, or one value of cohort.group) and are at "
            "different sites; correct the table, or leave such patients out"
        )


def _both_kinds(splits: Sequence[Split], patients: Patients, *, held_out: bool) -> None:
    """Both kinds of patient train; in a single split both must be held out too, or nothing can be judged."""
    for split in splits:
        for part, ids in (("training", split.training), *([("held-out", split.held_out)] if held_out else [])):
            y = patients.outcome.loc[list(ids)]
            if y.nunique() < 2:
                where = "" if split.name == HOLDOUT else f" of split {split.name!r}"
                raise InputError(
                    f"the {part} patients{where} ({len(y)}) hold {int(y.sum())} events; both kinds of patient are "
                    "needed: a larger cohort, another design, or stratify = 'outcome'"
                )
