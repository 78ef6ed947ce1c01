"""One backbone, fine-tuned on training patients: risk of the event, principal components of its embedding, saliency."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted
from torch import nn

from validkit.errors import InputError, StageError
from validkit.plnm.deep import state
from validkit.plnm.deep.augment import Augmentation
from validkit.plnm.deep.backbones import Embedding, Network, build_network
from validkit.plnm.deep.bank import ImageBank
from validkit.plnm.deep.checkpoint import Checkpoint
from validkit.plnm.deep.crops import Crops, Vectors
from validkit.plnm.deep.device import THREADS, seeds, stage, torch_device
from validkit.plnm.deep.embedding import Inference, check_bank, infer
from validkit.plnm.deep.pca import ExactPCA
from validkit.plnm.deep.precision import resolve_precision
from validkit.plnm.deep.progress import say
from validkit.plnm.deep.saliency import saliency_maps
from validkit.plnm.deep.sampling import Imbalance, inner_split
from validkit.plnm.deep.scoring import rank_auc
from validkit.plnm.deep.training import TOGETHER, Fit, Schedule, Training, train_together
from validkit.plnm.deep.weights import find_weights

if TYPE_CHECKING:
    from validkit.engine import Reporter


@dataclass(frozen=True, eq=False)
class Job:
    """What one estimator is to be fitted to; fields as in `DeepTransfer.fit`."""

    estimator: DeepTransfer
    bank: ImageBank
    y: ArrayLike
    groups: NDArray[np.int64] | None = None
    checkpoint: Checkpoint | None = None


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
    precision : "fp32", "tf32" (CUDA), "bf16", or "auto": bf16 on a CUDA device, fp32 on the CPU; see `deep.precision`
    deterministic : on a CUDA device, True gives the same bytes twice; False takes whichever algorithms are fastest
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
        precision: str = "auto",
        deterministic: bool = True,
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
        self.precision = precision
        self.deterministic = deterministic

    def fit(
        self,
        bank: ImageBank,
        y: ArrayLike,
        groups: NDArray[np.int64] | None = None,
        *,
        checkpoint: Checkpoint | None = None,
    ) -> DeepTransfer:
        """Fine-tune on these patients and fit the principal components of their embeddings.

        groups : (n,) rows of one group are all trained on, or all held back for early stopping
        checkpoint : keeps finished epochs, so that a fit that was stopped goes on after the last of them, with the same
            result
        y : (n,) outcomes 0/1, 1 = event. Same inputs, seed and threads give the same bytes on one CPU.
        Raises InputError, WeightsError, MissingExtraError, or StageError where training cannot be done.
        """
        [done] = fit_together([Job(self, bank, y, groups, checkpoint)])
        if isinstance(done, StageError):
            raise done
        return done

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
        with self._stage():
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
        with self._stage():
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
            "precision": resolve_precision(self.precision, torch_device(self.device)),
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

    def _place(self) -> tuple[str, int, bool]:
        """What estimators that share a stage have alike."""
        return self.device, self.threads, self.deterministic

    def _stage(self, seed: int | None = None) -> AbstractContextManager[None]:
        return stage(torch_device(self.device), seed=seed, threads=self.threads, deterministic=self.deterministic)

    def _begin(self, job: Job) -> Fit:
        """The network and what is to be trained of it; `_finish` does the rest."""
        outcome, bank, device = self._check(job.bank, job.y), job.bank, torch_device(self.device)
        split_seed, torch_seed, order_seed = seeds(self.random_state, 3)
        self.source_ = find_weights(self.backbone, self.weights, reporter=self.reporter)
        training, self.inner_rows_ = inner_split(outcome, self.inner_validation, split_seed, job.groups)
        self._seen: dict[str, Inference] = {}
        with self._stage(torch_seed):
            self.network_: Network = build_network(self.backbone, self.source_, self.image_size).to(device)
            module, inputs = self._whole(bank, device) if self.train == "all" else self._head(bank, training, device)
        schedule = Schedule(
            self.epochs, self.patience, self.batch_size, self.learning_rate, self.weight_decay, self.imbalance
        )
        return Fit(
            module=module,
            inputs=inputs,
            y=outcome,
            training=training,
            validation=self.inner_rows_,
            schedule=schedule,
            seed=order_seed,
            label=self.backbone,
            precision=resolve_precision(self.precision, device),
            checkpoint=job.checkpoint,
        )

    def _whole(self, bank: ImageBank, device: torch.device) -> tuple[nn.Module, Crops]:
        return self.network_, Crops(bank, Augmentation(self.crop, self.flip, self.intensity), device)

    def _head(self, bank: ImageBank, training: NDArray[np.intp], device: torch.device) -> tuple[nn.Module, Vectors]:
        """A linear head from zero on standardised frozen features."""
        say(self.reporter, f"{self.backbone}: features of {len(bank)} crops")
        precision = resolve_precision(self.precision, device)
        pooled = torch.from_numpy(infer(self.network_, bank, device=device, precision=precision).embedding)
        mean, deviation = pooled[training].mean(dim=0), pooled[training].std(dim=0, correction=0)
        self._standard = mean, torch.where(deviation > 1e-6, deviation, 1.0)
        head = nn.Linear(self.network_.width, 1)
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
        vectors = Vectors(((pooled - mean) / self._standard[1]).to(device))
        return nn.Sequential(head, nn.Flatten(0)).to(device), vectors

    def _finish(self, fit: Fit, bank: ImageBank, training: Training) -> DeepTransfer:
        """Take over what was trained, and fit the components."""
        self.training_ = training
        if self.train == "head":
            self._take_head(fit.module)
        device = torch_device(self.device)
        with self._stage():
            inference = self._infer(bank)
            self.pca_ = ExactPCA(self.components, device).fit(inference.embedding)
        self.classes_ = np.array([0, 1])
        self.inner_events_ = int(fit.y[self.inner_rows_].sum())
        self.inner_auc_ = rank_auc(fit.y[self.inner_rows_], inference.logits[self.inner_rows_])
        self.notes_ = [*training.notes, *([self.pca_.note_] if self.pca_.note_ else [])]
        for note in self.notes_:
            say(self.reporter, f"{self.backbone}: {note}")
        return self

    def _take_head(self, trained: nn.Module) -> None:
        """The head on standardised features as one on the features themselves."""
        mean, deviation = self._standard
        head = trained.get_submodule("0")
        assert isinstance(head, nn.Linear)
        with torch.no_grad():
            weight = head.weight.cpu() / deviation
            self.network_.head.weight.copy_(weight)
            self.network_.head.bias.copy_(head.bias.cpu() - (weight * mean).sum(dim=1))
        del self._standard

    def _inference(self, bank: ImageBank) -> Inference:
        check_is_fitted(self)
        check_bank(bank, self.image_size)
        with self._stage():
            return self._infer(bank)

    def _infer(self, bank: ImageBank) -> Inference:
        """Logits and embeddings; those of the last two banks are kept, for `predict_proba` and `transform` in turn."""
        key = f"{self._place()} {self.precision} {self.embedding} {bank.digest}"
        if key not in self._seen:
            device = torch_device(self.device)
            self.network_ = self.network_.to(device)
            precision = resolve_precision(self.precision, device)
            found = infer(self.network_, bank, device=device, embedding=self.embedding, precision=precision)
            self._seen = {**dict(list(self._seen.items())[-1:]), key: found}
        return self._seen[key]


def fit_together(
    jobs: Iterable[Job], reporter: Reporter | None = None, on_result: Callable[[int, DeepTransfer], None] | None = None
) -> list[DeepTransfer | StageError]:
    """Fit every estimator as its `fit` would; in order, the estimator or why it could not be fitted.

    Up to `TOGETHER` are trained side by side.
    jobs : of estimators with equal `device`, `threads` and `deterministic`; taken as their turn comes
    reporter : of several at once; one alone shows its progress through its own
    on_result : called with (number of the job, estimator) as soon as it is fitted
    """
    ended: list[DeepTransfer | StageError] = []
    waiting = iter(jobs)
    for job in waiting:
        estimator = job.estimator
        device = torch_device(estimator.device)
        now = [job, *islice(waiting, TOGETHER[device.type] - 1)]
        if len({one.estimator._place() for one in now}) > 1:
            raise InputError("estimators that are fitted together need equal `device`, `threads` and `deterministic`")
        first = len(ended)
        fits = [one.estimator._begin(one) for one in now]
        with estimator._stage():
            trained = train_together(fits, estimator.reporter if len(now) == 1 else reporter)
        for number, (one, fit, done) in enumerate(zip(now, fits, trained, strict=True), start=first):
            if isinstance(done, StageError):
                ended.append(done)
                continue
            ended.append(one.estimator._finish(fit, one.bank, done))
            if on_result is not None:
                on_result(number, one.estimator)
    return ended


def _expit(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.exp(-np.logaddexp(0.0, -x))
