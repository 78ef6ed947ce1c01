"""A fitted network as a folder: safetensors and JSON, no pickle."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch

from validkit.errors import InputError
from validkit.plnm.deep.backbones import build_network
from validkit.plnm.deep.pca import ExactPCA
from validkit.plnm.deep.training import Epoch, Training
from validkit.plnm.deep.weights import Source
from validkit.store import to_json, write_bytes, write_text

if TYPE_CHECKING:
    from validkit.plnm.deep.estimator import DeepTransfer

    Estimator = TypeVar("Estimator", bound=DeepTransfer)

SCHEMA = 1
FILES = ("network.safetensors", "components.safetensors", "fit.json")


def save(estimator: DeepTransfer, path: str | os.PathLike[str]) -> None:
    """Write FILES into the folder, each whole or not at all, `fit.json` last."""
    from safetensors.torch import save as to_bytes

    folder = Path(path)
    network = {name: value.detach().cpu().contiguous() for name, value in estimator.network_.state_dict().items()}
    write_bytes(folder / FILES[0], to_bytes(network))
    pca = estimator.pca_
    arrays = {
        "mean": pca.mean_,
        "components": pca.components_,
        "explained_variance": pca.explained_variance_,
        "explained_variance_ratio": pca.explained_variance_ratio_,
        "singular_values": pca.singular_values_,
        "inner_rows": estimator.inner_rows_.astype(np.int64),
    }
    write_bytes(folder / FILES[1], to_bytes({name: torch.from_numpy(np.array(a)) for name, a in arrays.items()}))
    parameters = {name: value for name, value in estimator.get_params(deep=False).items() if name != "reporter"}
    source, training = estimator.source_, estimator.training_
    facts = {
        "schema": SCHEMA,
        "parameters": parameters,
        "source": {"kind": source.kind, "file": source.path.name if source.path else None, "sha256": source.sha256},
        "training": {
            "curve": estimator.curves_,
            "best_epoch": training.best_epoch,
            "offset": training.offset,
            "notes": list(training.notes),
        },
        "inner": {"auc": estimator.inner_auc_, "events": estimator.inner_events_},
        "components_note": pca.note_,
        "notes": estimator.notes_,
    }
    write_text(folder / FILES[2], to_json(facts))


def load(kind: type[Estimator], path: str | os.PathLike[str]) -> Estimator:
    """The estimator as it was after `fit`, without its reporter; InputError for what `save` did not write."""
    from safetensors import SafetensorError
    from safetensors.torch import load as from_bytes

    folder = Path(path)
    try:
        facts = json.loads((folder / FILES[2]).read_text(encoding="utf-8"))
        network, arrays = (from_bytes((folder / file).read_bytes()) for file in FILES[:2])
        if facts["schema"] != SCHEMA:
            raise InputError(f"{folder} holds a fit of schema {facts['schema']}; this validkit reads schema {SCHEMA}")
        return _restore(kind, facts, network, {name: value.numpy() for name, value in arrays.items()})
    except (OSError, KeyError, TypeError, json.JSONDecodeError, SafetensorError, RuntimeError) as error:
        raise InputError(f"{folder} does not hold a fitted network ({', '.join(FILES)}): {error!r}") from error


def _restore(
    kind: type[Estimator], facts: dict[str, Any], network: dict[str, torch.Tensor], arrays: dict[str, np.ndarray]
) -> Estimator:
    estimator = kind(**facts["parameters"])
    with torch.random.fork_rng(devices=[]):
        estimator.network_ = build_network(estimator.backbone, Source("none"), estimator.image_size)
    estimator.network_.load_state_dict(network, strict=True)
    estimator.network_.eval()
    source = facts["source"]
    estimator.source_ = Source(source["kind"], Path(source["file"]) if source["file"] else None, source["sha256"])
    training = facts["training"]
    curve = tuple(Epoch(**epoch) for epoch in training["curve"])
    estimator.training_ = Training(curve, training["best_epoch"], training["offset"], tuple(training["notes"]))
    estimator.inner_rows_ = arrays.pop("inner_rows").astype(np.intp)
    estimator.inner_auc_, estimator.inner_events_ = facts["inner"]["auc"], facts["inner"]["events"]
    pca = ExactPCA(estimator.components)
    for name, values in arrays.items():
        setattr(pca, f"{name}_", values)
    pca.n_components_, pca.note_ = len(pca.components_), facts["components_note"]
    estimator.pca_ = pca
    estimator.notes_ = list(facts["notes"])
    estimator.classes_ = np.array([0, 1])
    estimator._seen = {}
    return estimator
