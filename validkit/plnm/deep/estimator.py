"""One backbone, fine-tuned on training patients: risk of the event, principal components of its embedding, saliency."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted
from torch import nn

from validkit.errors import InputError
from validkit.plnm.deep import state
from validkit.plnm.deep.augment import Augmentation
from validkit.plnm.deep.backbones import Embedding, Network, build_network
from validkit.plnm.deep.bank import ImageBank
from validkit.plnm.deep.device import THREADS, seeds, stage, torch_device
from validkit.plnm.deep.embedding import Inference, check_bank, infer
from validkit.plnm.deep.pca import ExactPCA
from validkit.plnm.deep.progress import say
from validkit.plnm.deep.saliency import saliency_maps
from validkit.plnm.deep.training import Crops, Imbalance, Schedule, Training, Vectors, inner_split, rank_auc, train
from validkit.plnm.deep.weights import find_weights

if TYPE_CHECKING:
    from validkit.engine import Reporter


class DeepTransfer(ClassifierMixin, TransformerMixin, BaseEstimator):
    """Deep transfer learning on an ImageBank.

    backbone : "densenet121", "resnet50", "alexnet" or "efficientnet-lite0"
    weights : "imagenet", "none", or a path of a file or folder (see `weights.find_weights`)
    train : "all" fine-tunes every layer; "head" trains a linear head on frozen, unaugmented features
    image_size : pixels a side; the bank must have been built with it
    embedding : "pooled" (penultimate layer) or "flatten" (last feature map) for `embed` and `transform`
    components : principal components of the training patients' embeddings
    inner_validation : fraction of each class held back for early stopping on validation loss
    crop, flip, intensity : see `augment.Augmentation`; the bank's margin must be at least `crop`
    imbalance : "weighted-loss", "balanced-sampling" or "none". Balancing moves every predicted log odds by a known
        constant, which `predict_proba` takes back, so that risks refer to the training prevalence; ranks stay
    threads : CPU threads during a stage. The bytes depend on it, and on nothing else of the process
    reporter : a `validkit.engine.Reporter`, or None

    After `fit`: `network_`, `training_` (all epochs), `curves_` (the same as dicts), `best_epoch_`, `inner_rows_`
    (rows held back), `inner_auc_` (their AUC at the best epoch), `pca_`, `source_`, `notes_`, `classes_`.
    The embeddings of training patients are resubstituted: the network was trained on these patients, and on the
    inner validation patients chose its epoch.
    """

    def __init__(
        self,
        backbone: str = "densenet121",
        weights: str = "imagenet",
        train: str = "all",
        image_size: int = 128,
        embedding: Embedding = "pooled",
        components: int = 64,
        epochs: int = 50,
        patience: int = 10,
        batch_size: int = 32,
        learning_rate: float = 1e-4,
        weight_decay: float = 1e-4,
        inner_validation: float = 0.2,
        crop: float = 0.15,
        flip: float = 0.5,
        intensity: float = 0.2,
        imbalance: Imbalance = "weighted-loss",
        random_state: int = 3407,
        device: str = "auto",
        reporter: Reporter | None = None,
        threads: int = THREADS,
    ) -> None:
        self.backbone = backbone
        self.weights = weights
        self.train = train
        self.image_size = image_size
        self.embedding = embedding
        self.components = components
        self.epochs = epochs
        self.patience = patience
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.inner_validation = inner_validation
        self.crop = crop
        self.flip = flip
        self.intensity = intensity
        self.imbalance = imbalance
        self.random_state = random_state
        self.device = device
        self.reporter = reporter
        self.threads = threads

    def fit(self, bank: ImageBank, y: ArrayLike, groups: NDArray[np.int64] | None = None) -> DeepTransfer:
        """Fine-tune on these patients and fit the principal components of their embeddings.

        groups : (n,) rows of one group are all trained on, or all held back for early stopping
        y : (n,) outcomes 0/1, 1 = event. Same inputs, seed and threads give the same bytes on one CPU.
        Raises InputError, WeightsError, MissingExtraError, or StageError where training cannot be done.
        """
        outcome = self._check(bank, y)
        device = torch_device(self.device)
        split_seed, torch_seed, order_seed = seeds(self.random_state, 3)
        self.source_ = find_weights(self.backbone, self.weights, reporter=self.reporter)
        training, self.inner_rows_ = inner_split(outcome, self.inner_validation, split_seed, groups)
        fit = self._fit_all if self.train == "all" else self._fit_head
        with stage(device, seed=torch_seed, threads=self.threads):
            self.network_: Network = build_network(self.backbone, self.source_, self.image_size).to(device)
            self.training_ = fit(bank, outcome, training, order_seed, device)
            self._seen: dict[str, Inference] = {}
            inference = self._infer(bank)
            self.pca_ = ExactPCA(self.components).fit(inference.embedding)
        self.classes_ = np.array([0, 1])
        self.inner_events_ = int(outcome[self.inner_rows_].sum())
        self.inner_auc_ = rank_auc(outcome[self.inner_rows_], inference.logits[self.inner_rows_])
        self.notes_ = [*self.training_.notes, *([self.pca_.note_] if self.pca_.note_ else [])]
        for note in self.notes_:
            say(self.reporter, f"{self.backbone}: {note}")
        return self

    def predict_proba(self, bank: ImageBank) -> NDArray[np.float64]:
        """(n, 2): risk of no event and of the event, at the prevalence of the training patients."""
        logits = self._inference(bank).logits.astype(np.float64) - self.training_.offset
        return np.column_stack([_expit(-logits), _expit(logits)])

    def predict(self, bank: ImageBank) -> NDArray[np.int64]:
        """(n,) 1 where the risk of the event is above one half."""
        return (self.predict_proba(bank)[:, 1] > 0.5).astype(np.int64)

    def embed(self, bank: ImageBank) -> NDArray[np.float32]:
        """(n, D) float32: the penultimate layer, or the flattened last feature map."""
        return self._inference(bank).embedding

    def transform(self, bank: ImageBank) -> NDArray[np.float64]:
        """(n, k) scores on the training patients' principal components; columns as in `get_feature_names_out`."""
        embedding = self.embed(bank)
        with stage(torch_device(self.device), threads=self.threads):
            return self.pca_.transform(embedding)

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """`<backbone>_pc01` and so on."""
        check_is_fitted(self)
        return np.array([f"{self.backbone}_pc{i:02d}" for i in range(1, self.pca_.n_components_ + 1)], dtype=object)

    def saliency(self, bank: ImageBank) -> NDArray[np.float32]:
        """(n, S, S) Grad-CAM maps in [0, 1] for the event; all zero where nothing in a crop raises the risk."""
        check_is_fitted(self)
        check_bank(bank, self.image_size)
        device = torch_device(self.device)
        with stage(device, threads=self.threads):
            maps = saliency_maps(self.network_.to(device), bank, device=device)
        empty = int((maps.max(axis=(1, 2), initial=0.0) == 0).sum())
        if empty:
            say(self.reporter, f"{self.backbone}: nothing raises the risk in {empty} of {len(maps)} crops (empty maps)")
        return maps

    def record(self) -> dict[str, Any]:
        """What a report tells of this network; plain JSON types, an undefined number as None."""
        check_is_fitted(self)
        return {
            "name": self.backbone,
            "weights": self.source_.label,
            "pretrained": self.source_.kind != "none",
            "train": self.train,
            "image_size": self.image_size,
            "embedding": self.embedding,
            "epochs": self.curves_,
            "best_epoch": self.best_epoch_,
            "embedding_dim": len(self.pca_.mean_),
            "components": self.pca_.n_components_,
            "explained": [float(value) for value in self.pca_.explained_variance_ratio_],
            "inner_auc": self.inner_auc_,
            "inner_n": len(self.inner_rows_),
            "inner_events": self.inner_events_,
            "offset": self.training_.offset,
            "threads": self.threads,
            "note": "; ".join(self.notes_) or None,
        }

    @property
    def curves_(self) -> list[dict[str, float]]:
        """Epoch by epoch: epoch, train_loss, validation_loss, validation_auc."""
        return [vars(epoch).copy() for epoch in self.training_.curve]

    @property
    def best_epoch_(self) -> int:
        """The epoch whose weights were kept, counted from 1."""
        return self.training_.best_epoch

    def state_to_folder(self, path: str | os.PathLike[str]) -> None:
        """Write the fit as safetensors and JSON; `from_folder` restores it and predicts the same bytes."""
        check_is_fitted(self)
        state.save(self, path)

    @classmethod
    def from_folder(cls, path: str | os.PathLike[str]) -> DeepTransfer:
        """A fit written by `state_to_folder`; nothing in the folder is executed."""
        return state.load(cls, path)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "pca_")

    # --- inside --------------------------------------------------------------------------------

    def _check(self, bank: ImageBank, y: ArrayLike) -> NDArray[np.int64]:
        check_bank(bank, self.image_size)
        if bank.margin < self.crop:
            raise InputError(
                f"crop={self.crop} needs a bank built with margin >= {self.crop}; this one has {bank.margin}"
            )
        for name, allowed in (("train", ("all", "head")), ("embedding", ("pooled", "flatten"))):
            if getattr(self, name) not in allowed:
                raise InputError(f"`{name}` must be one of {', '.join(allowed)}; got {getattr(self, name)!r}")
        if self.batch_size < 2:
            raise InputError(f"`batch_size` must be at least 2 (batch normalisation needs it); got {self.batch_size}")
        outcome = np.asarray(y)
        if outcome.shape != (len(bank),):
            raise InputError(f"`y` must hold one outcome per crop ({len(bank)}); got shape {outcome.shape}")
        bad = np.flatnonzero(~np.isin(outcome, (0, 1)))
        if bad.size:
            raise InputError(f"`y` must hold 0 and 1 only; {bad.size} values do not (first: row {bad[0]})")
        return outcome.astype(np.int64)

    def _fit_all(
        self, bank: ImageBank, y: NDArray[np.int64], training: NDArray[np.intp], seed: int, device: torch.device
    ) -> Training:
        crops = Crops(bank, Augmentation(self.crop, self.flip, self.intensity), device)
        return self._train(self.network_, crops, y, training, seed)

    def _fit_head(
        self, bank: ImageBank, y: NDArray[np.int64], training: NDArray[np.intp], seed: int, device: torch.device
    ) -> Training:
        say(self.reporter, f"{self.backbone}: features of {len(bank)} crops")
        pooled = torch.from_numpy(infer(self.network_, bank, device=device).embedding)
        mean, deviation = pooled[training].mean(dim=0), pooled[training].std(dim=0, correction=0)
        deviation = torch.where(deviation > 1e-6, deviation, 1.0)
        head = nn.Linear(self.network_.width, 1)
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
        vectors = Vectors(((pooled - mean) / deviation).to(device))
        done = self._train(nn.Sequential(head, nn.Flatten(0)).to(device), vectors, y, training, seed)
        with torch.no_grad():
            weight = head.weight.cpu() / deviation
            self.network_.head.weight.copy_(weight)
            self.network_.head.bias.copy_(head.bias.cpu() - (weight * mean).sum(dim=1))
        return done

    def _train(
        self, module: nn.Module, inputs: Crops | Vectors, y: NDArray[np.int64], training: NDArray[np.intp], seed: int
    ) -> Training:
        schedule = Schedule(
            self.epochs, self.patience, self.batch_size, self.learning_rate, self.weight_decay, self.imbalance
        )
        return train(
            module,
            inputs,
            y,
            training=training,
            validation=self.inner_rows_,
            schedule=schedule,
            seed=seed,
            label=self.backbone,
            reporter=self.reporter,
        )

    def _inference(self, bank: ImageBank) -> Inference:
        check_is_fitted(self)
        check_bank(bank, self.image_size)
        with stage(torch_device(self.device), threads=self.threads):
            return self._infer(bank)

    def _infer(self, bank: ImageBank) -> Inference:
        """Logits and embeddings; those of the last two banks are kept, for `predict_proba` and `transform` in turn."""
        key = f"{self.device} {self.threads} {self.embedding} {bank.digest}"
        if key not in self._seen:
            device = torch_device(self.device)
            self.network_ = self.network_.to(device)
            found = infer(self.network_, bank, device=device, embedding=self.embedding)
            self._seen = {**dict(list(self._seen.items())[-1:]), key: found}
        return self._seen[key]


def _expit(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.exp(-np.logaddexp(0.0, -x))
