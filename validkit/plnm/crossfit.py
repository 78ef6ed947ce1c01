"""Cross-fitting of everything that sees images: what the model gives patients whom it was not fitted to.

A network fine-tuned on a patient knows that patient's outcome, and so do its components, the elimination over them and
every classifier on them; refitting the classifier alone leaves that knowledge in. Here, for each fold, the ICC filter,
the selection, the network with its components, the elimination and every classifier are fitted to the other folds. The
hyperparameters are the whole training set's, and so is the choice of network unless it is made on these folds; a trace
of optimism remains.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from validkit.engine import Silent
from validkit.plnm import stages
from validkit.plnm.classifiers import probability
from validkit.plnm.folds import Split, fit_grouped, repeated, stratified_folds
from validkit.stats import auc
from validkit.store import Files, Store, digest, dump_arrays, load_arrays

if TYPE_CHECKING:
    from validkit.plnm.deep.estimator import DeepTransfer
    from validkit.plnm.model import Inputs, PLNMModel

Probabilities = dict[str, np.ndarray]
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class FoldNetworks:
    """One network fine-tuned anew in each fold.

    probability : (n,) each patient's by the network of the folds it was not in
    components : per fold, (n, c) principal components of all patients by that fold's network
    mean_auc : mean over folds of the AUC on the patients left out
    made_of : digest of everything that they depend on
    """

    probability: np.ndarray
    components: tuple[np.ndarray, ...]
    mean_auc: float
    made_of: str


def folds_of(model: PLNMModel, y: np.ndarray, groups: np.ndarray) -> list[Split]:
    """(training, rest) positions of the folds that cross-fitting uses."""
    count = model.settings.cross_fitting.folds
    return stratified_folds(y, count, model.seed_of("cross-fitting"), "cross-fitting", repeated(groups))


def fold_networks(model: PLNMModel, backbones: Sequence[str], inputs: Inputs, y: np.ndarray) -> dict[str, FoldNetworks]:
    """Fine-tune these networks in every fold; finished folds are taken from their records."""
    splits, groups = folds_of(model, y, inputs.groups), repeated(inputs.groups)
    made_of, tasks, places = {}, [], []
    for name in backbones:
        network = stages.deep(model.settings.deep, name, model.torch_seed, model.device, None)
        made_of[name] = stages.digest_of_deep(network, inputs.bank.digest, y, groups)
        for number, (training, rest) in enumerate(splits, start=1):
            estimator = stages.deep(model.settings.deep, name, model.torch_seed, model.device, None)
            tasks.append(
                stages.NetworkTask(
                    record=f"cross-fitting/fold-{number}/{name}",
                    made_of=digest(made_of[name], training),
                    estimator=estimator,
                    bank=partial(inputs.bank.take, training),
                    y=y[training],
                    groups=None if groups is None else groups[training],
                )
            )
            places.append((training, rest))

    def keep(number: int, estimator: DeepTransfer) -> Arrays:
        training, rest = places[number]
        own, others = inputs.bank.take(training), inputs.bank.take(rest)
        components = np.empty((len(y), estimator.pca_.n_components_))
        components[training] = estimator.transform(own)
        components[rest] = estimator.transform(others)
        return {"probability": estimator.predict_proba(others)[:, 1], "components": components}

    label = f"{', '.join(backbones)} in folds"
    store, reporter = model.store or Store(None), model.reporter
    parts = stages.fit_networks(
        tasks, store, keep=keep, dump=_dump, load=lambda _, files: _load(files), label=label, reporter=reporter
    )
    found = {}
    for place, name in enumerate(backbones):
        own = parts[place * len(splits) : (place + 1) * len(splits)]
        whole = np.full(len(y), np.nan)
        for (_, rest), part in zip(splits, own, strict=True):
            whole[rest] = part["probability"]
        areas = [auc(y[rest], part["probability"]).value for (_, rest), part in zip(splits, own, strict=True)]
        found[name] = FoldNetworks(
            whole, tuple(part["components"] for part in own), float(np.mean(areas)), made_of[name]
        )
    return found


def cross_fit(model: PLNMModel, inputs: Inputs, y: np.ndarray) -> Probabilities:
    """Out-of-fold probabilities, (n,) by model: the networks, every classifier, each branch's chosen one.

    model : fitted up to the classifiers on fused columns
    """
    chosen = model.chosen_["deep"]
    networks = model.fold_networks_ or fold_networks(model, [chosen], inputs, y)
    if not model.fold_networks_:
        model.fits_["cross-fitting"] += model.settings.cross_fitting.folds
    splits = folds_of(model, y, inputs.groups)
    found: Probabilities = {f"deep/{name}": folds.probability for name, folds in networks.items()}
    made_of = _made_of(model, inputs, y, networks[chosen].made_of)
    store = model.store or Store(None)
    with (model.reporter or Silent()).work("cross-fitting", len(splits)) as finished:
        for number, (training, rest) in enumerate(splits, start=1):
            part = store.remember(
                f"cross-fitting/fold-{number}/classifiers",
                digest(made_of, training),
                partial(_fold, model, inputs, y, training, rest, networks[chosen].components[number - 1]),
                dump=_dump,
                load=_load,
            )
            for name, values in part.items():
                found.setdefault(name, np.full(len(y), np.nan))[rest] = values
            steps = 0 if model.before else 1 + len(model.settings.radiomics.select)
            model.fits_["cross-fitting"] += steps + 1 + len(part)
            finished()
    for branch in ("radiomics", "fusion"):
        found[branch] = found[f"{branch}/{model.chosen_[branch]}"]
    return found


def _fold(
    model: PLNMModel,
    inputs: Inputs,
    y: np.ndarray,
    training: np.ndarray,
    rest: np.ndarray,
    components: np.ndarray,
) -> Probabilities:
    """Fit everything that sees images to `training`; probabilities of `rest` by classifier."""
    part, others = inputs.at(training), inputs.at(rest)
    fold = model.bare().fit_signature(part, y[training])
    table, unseen = fold.fusable(part, components[training]), fold.fusable(others, components[rest])
    found: Probabilities = {}
    with threadpool_limits(1):
        kept = list(fold.eliminate(table, y[training]).get_feature_names_out())
        columns: dict[str, tuple[pd.DataFrame, pd.DataFrame]] = {
            "radiomics": (fold.signature(part), fold.signature(others)),
            "fusion": (table.loc[:, kept], unseen.loc[:, kept]),
        }
        for branch, searched in model.classifiers_.items():
            seen, left = columns[branch]
            for name, best in searched.items():
                fitted = fit_grouped(clone(best.estimator), seen, y[training], repeated(part.groups))
                found[f"{branch}/{name}"] = probability(fitted, left)
    return found


def _dump(arrays: Arrays) -> dict[str, bytes]:
    return {"arrays.npz": dump_arrays(arrays)}


def _load(files: Files) -> Arrays:
    return load_arrays(files["arrays.npz"])


def _made_of(model: PLNMModel, inputs: Inputs, y: np.ndarray, network: str) -> str:
    """Digest of everything that the folds' classifiers depend on, their patients apart."""
    before: Sequence[list[str]] = [list(one.get_feature_names_out()) for one in model.before or ()]
    return digest(
        "cross-fitting",
        model.settings.model_dump(mode="json"),
        {name: list(roles) for name, roles in model.groups.items()},
        {branch: {name: found.params for name, found in done.items()} for branch, done in model.classifiers_.items()},
        model.chosen_,
        [model.seed_of("selection"), model.seed_of("fusion")],
        before,
        network,
        inputs.radiomics,
        *(part for role in sorted(inputs.repeats) for part in (role, inputs.repeats[role])),
        y,
        repeated(inputs.groups),
    )
