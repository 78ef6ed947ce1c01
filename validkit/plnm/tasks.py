"""What fitting the PLNM model consists of: every task with its seed and how many fits it takes, before any is made.

A fit is one `fit` of an estimator on patients: a network trained, a classifier fitted with one setting to one fold.
What an estimator does inside itself (the LASSO's own folds, Platt scaling) belongs to its fit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from validkit.plnm.classifiers import grid
from validkit.sections import PLNM


@dataclass(frozen=True)
class Task:
    """One task of a unit of work; seed : None where it has no chance in it."""

    stage: str
    task: str
    seed: int | None
    fits: int


def tasks(
    settings: PLNM, *, cross_fit: bool, seed_of: Callable[..., int], torch_seed: int, copies: int = 1
) -> list[Task]:
    """The tasks of one fit of the whole model, in order.

    copies : completed copies of the clinical columns; the clinical stages are fitted in each of them
    """
    steps = [] if settings.before_split else settings.radiomics.select
    found = [] if settings.before_split else [Task("reproducibility", "icc", None, 1)]
    found += [Task("selection", step.method, seed_of("selection"), 1) for step in steps]
    found += [Task("deep", name, torch_seed, 1) for name in settings.deep.backbones]
    if settings.deep.frozen:
        found += [Task("deep", f"{name}, frozen", torch_seed, 1) for name in settings.deep.backbones]
    folds = settings.cross_fitting.folds
    chosen_by_folds = settings.deep.choose == "cross-validation"
    if chosen_by_folds:
        found += [Task("deep", f"{name}, {folds} folds", torch_seed, folds) for name in settings.deep.backbones]
    search = settings.classifiers.search
    for branch in ("radiomics", "fusion"):
        if branch == "fusion":
            found.append(Task("fusion", settings.fusion.select.method, seed_of("fusion"), 1))
        for name in settings.classifiers.use:
            fits = len(grid(name, search.grid)) * search.folds + 1
            found.append(Task("classifiers", f"{branch}/{name}", seed_of("search", branch, name), fits))
    if cross_fit:
        signature = 0 if settings.before_split else 1 + len(settings.radiomics.select)
        network = 0 if chosen_by_folds else 1
        fits = signature + network + 1 + 2 * len(settings.classifiers.use)
        found += [Task("cross-fitting", f"fold {k}", seed_of("cross-fitting"), fits) for k in range(1, folds + 1)]
    again = search.folds if cross_fit else 0
    found.append(Task("clinical", "independent predictors", None, copies * (2 + again)))
    nomogram = search.folds if settings.nomogram.fusion_score == "cross-fitted" else 0
    found.append(Task("nomogram", "nomogram", seed_of("nomogram"), copies * (1 + nomogram)))
    return found
