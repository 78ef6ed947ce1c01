"""Cross-fitting of everything that sees images: what the model gives patients whom it was not fitted to.

A network fine-tuned on a patient knows that patient's outcome, and so do its components, the elimination over them and
every classifier on them; refitting the classifier alone leaves that knowledge in. Here, for each fold, the ICC filter,
the selection, the chosen network with its components, the elimination and every classifier are fitted to the other
folds. The choice of network and the hyperparameters are the whole training set's; a trace of optimism remains.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from validkit.engine import Silent
from validkit.plnm import stages
from validkit.plnm.classifiers import probability
from validkit.plnm.folds import stratified_folds
from validkit.store import Store, digest, dump_arrays, load_arrays

if TYPE_CHECKING:
    from validkit.plnm.model import Inputs, PLNMModel

Probabilities = dict[str, np.ndarray]


def cross_fit(model: PLNMModel, inputs: Inputs, y: np.ndarray) -> Probabilities:
    """Out-of-fold probabilities, (n,) by model: the chosen network, every classifier, each branch's chosen one.

    model : fitted up to the classifiers on fused columns
    """
    folds = model.settings.cross_fitting.folds
    splits = stratified_folds(y, folds, model.seed_of("cross-fitting"), "cross-fitting")
    found: Probabilities = {}
    store = model.store or Store(None)
    with (model.reporter or Silent()).work("cross-fitting", folds) as finished:
        for number, (training, rest) in enumerate(splits, start=1):
            part = store.remember(
                f"cross-fitting/fold-{number}",
                _made_of(model, inputs, y, training),
                partial(_fold, model, inputs, y, training, rest),
                dump=lambda result: {"probability.npz": dump_arrays(result)},
                load=lambda files: load_arrays(files["probability.npz"]),
            )
            for name, values in part.items():
                found.setdefault(name, np.full(len(y), np.nan))[rest] = values
            finished()
    for branch in ("radiomics", "fusion"):
        found[branch] = found[f"{branch}/{model.chosen_[branch]}"]
    return found


def _fold(model: PLNMModel, inputs: Inputs, y: np.ndarray, training: np.ndarray, rest: np.ndarray) -> Probabilities:
    """Fit everything that sees images to `training`; probabilities of `rest` by model."""
    part, others = inputs.take(inputs.patients[training]), inputs.take(inputs.patients[rest])
    fold = model.with_network(model.chosen_["deep"])
    fold.fit_images(part, y[training])
    found = fold.predict_deep(others)
    with threadpool_limits(1):
        for branch, searched in model.classifiers_.items():
            table, unseen = fold.table(branch, part), fold.table(branch, others)
            for name, best in searched.items():
                fitted = clone(best.estimator).fit(table, y[training])
                found[f"{branch}/{name}"] = probability(fitted, unseen)
    return found


def _made_of(model: PLNMModel, inputs: Inputs, y: np.ndarray, training: np.ndarray) -> str:
    """Digest of everything that a fold's probabilities depend on."""
    network = stages.deep(model.settings.deep, model.chosen_["deep"], model.torch_seed, model.device, None)
    return digest(
        "cross-fitting",
        model.settings.model_dump(mode="json"),
        {name: list(roles) for name, roles in model.groups.items()},
        {branch: {name: found.params for name, found in done.items()} for branch, done in model.classifiers_.items()},
        model.chosen_,
        model.seed_of("selection"),
        stages.settings_of(network),
        stages.weights_of(network),
        inputs.radiomics,
        *(part for role in sorted(inputs.repeats) for part in (role, inputs.repeats[role])),
        inputs.bank.digest,
        y,
        training,
    )
