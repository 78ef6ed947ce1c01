"""Fine-tuning: minibatches, class imbalance, early stopping on inner validation patients, and a record of it all."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from validkit.errors import InputError, StageError
from validkit.plnm.deep.augment import Augmentation, augment, centre
from validkit.plnm.deep.bank import ImageBank
from validkit.plnm.deep.embedding import in_batches
from validkit.plnm.deep.progress import say, work

if TYPE_CHECKING:
    from validkit.engine import Reporter

Imbalance = Literal["weighted-loss", "balanced-sampling", "none"]
Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train.

    imbalance : "weighted-loss" weighs both classes alike in the loss; "balanced-sampling" draws both alike, with
        replacement, and weighs the validation loss; "none" leaves the classes as they are
    """

    epochs: int = 50
    patience: int = 10
    batch_size: int = 32
    learning_rate: float = 1e-4
    weight_decay: float = 1e-4
    imbalance: Imbalance = "weighted-loss"


@dataclass(frozen=True)
class Epoch:
    """One epoch: losses are means of the class-weighted cross-entropy; the AUC is that of the inner validation part."""

    epoch: int
    train_loss: float
    validation_loss: float
    validation_auc: float


@dataclass(frozen=True)
class Training:
    """What came of it; the module holds the weights of `best_epoch`.

    offset : log odds that balancing added to every prediction; subtract it to predict at the training prevalence
    """

    curve: tuple[Epoch, ...]
    best_epoch: int
    offset: float
    notes: tuple[str, ...]


class Inputs(Protocol):
    """What a module learns from: patients by row, augmented for training and plain for validation."""

    def draw(self, rng: np.random.Generator, n: int) -> NDArray[np.float64]:
        """Augmentation parameters for the n samples of an epoch, one row each."""
        ...

    def augmented(self, rows: Rows, draws: NDArray[np.float64]) -> Tensor:
        """Training input of these rows under these parameters."""
        ...

    def plain(self, rows: Rows) -> Tensor:
        """Input of these rows as at prediction."""
        ...


class Crops:
    """A bank on its device."""

    def __init__(self, bank: ImageBank, augmentation: Augmentation, device: torch.device) -> None:
        self.images = torch.from_numpy(bank.images).to(device)
        self.image_size = bank.image_size
        self.augmentation = augmentation

    def draw(self, rng: np.random.Generator, n: int) -> NDArray[np.float64]:
        """See `Augmentation.draw`."""
        return self.augmentation.draw(rng, n)

    def augmented(self, rows: Rows, draws: NDArray[np.float64]) -> Tensor:
        """(b, 1, S, S) augmented, z-scored crops."""
        return augment(self.images[self._index(rows)], draws, self.image_size)

    def plain(self, rows: Rows) -> Tensor:
        """(b, 1, S, S) z-scored crops."""
        return centre(self.images[self._index(rows)], self.image_size)

    def _index(self, rows: Rows) -> Tensor:
        return torch.from_numpy(rows).to(self.images.device)


class Vectors:
    """Frozen features on their device; there is nothing to augment."""

    def __init__(self, table: Tensor) -> None:
        self.table = table

    def draw(self, rng: np.random.Generator, n: int) -> NDArray[np.float64]:
        """No parameters."""
        return np.empty((n, 0))

    def augmented(self, rows: Rows, draws: NDArray[np.float64]) -> Tensor:
        """The rows themselves."""
        return self.plain(rows)

    def plain(self, rows: Rows) -> Tensor:
        """(b, D) rows of the table."""
        return self.table[torch.from_numpy(rows).to(self.table.device)]


def train(
    module: nn.Module,
    inputs: Inputs,
    y: NDArray[np.int64],
    *,
    training: Rows,
    validation: Rows,
    schedule: Schedule,
    seed: int,
    label: str,
    reporter: Reporter | None = None,
) -> Training:
    """Train a module of one logit in place, and leave it with the weights of its best epoch.

    module : answers `(b,)` logits for what `inputs` gives; already on its device
    y : (n,) outcomes 0/1; training, validation : rows of each part, both with both classes
    seed : of order, sampling and augmentation; dropout draws from torch's generator, so call this inside `device.stage`
    The best epoch has the lowest validation loss, the first of equals. Training stops after `patience` epochs without a
    better one. Raises StageError where a loss is not finite, naming epoch and batch.
    """
    rng = np.random.default_rng(seed)
    weights = class_weights(y[training], schedule.imbalance)
    optimizer = torch.optim.AdamW(
        module.parameters(), lr=schedule.learning_rate, weight_decay=schedule.weight_decay, fused=True
    )
    step = _Step(module, inputs, y, weights if schedule.imbalance == "weighted-loss" else (1.0, 1.0), optimizer)
    curve: list[Epoch] = []
    best, best_state = 0, module.state_dict()
    with work(reporter, f"{label}: epochs", schedule.epochs) as finished:
        for number in range(1, schedule.epochs + 1):
            module.train()
            order = _order(rng, training, y, schedule.imbalance)
            draws = inputs.draw(rng, len(order))
            losses = [
                step(order[batch], draws[batch]) * len(batch) for batch in batches(len(order), schedule.batch_size)
            ]
            train_loss = _finite(torch.stack(losses).cpu(), label, number) / len(order)
            logits = _predict(module, inputs, validation)
            validation_loss = cross_entropy(logits, y[validation], weights).mean().item()
            if not np.isfinite(validation_loss):
                raise StageError(f"{label}: epoch {number}: the validation loss is {validation_loss}; {_MEND}")
            curve.append(Epoch(number, train_loss, validation_loss, rank_auc(y[validation], logits.numpy())))
            finished()
            if best == 0 or validation_loss < curve[best - 1].validation_loss:
                best, best_state = number, copy.deepcopy(module.state_dict())
            elif number - best >= schedule.patience:
                break
    module.load_state_dict(best_state)
    module.eval()
    at = curve[best - 1]
    say(
        reporter,
        f"{label}: {len(curve)} epochs, best {best}: "
        f"validation loss {at.validation_loss:.3f}, AUC {at.validation_auc:.3f}",
    )
    return Training(tuple(curve), best, float(np.log(weights[1] / weights[0])), tuple(step.notes))


_MEND = "lower learning_rate, or look for crops without contrast"


class _Step:
    """One update; on a CUDA device out of memory the batch goes through in parts, gradients added up."""

    def __init__(
        self,
        module: nn.Module,
        inputs: Inputs,
        y: NDArray[np.int64],
        weights: tuple[float, float],
        optimizer: torch.optim.Optimizer,
    ) -> None:
        self.module = module
        self.inputs = inputs
        self.y = y
        self.weights = weights
        self.optimizer = optimizer
        self.parts = 1
        self.notes: list[str] = []

    def __call__(self, rows: Rows, draws: NDArray[np.float64]) -> Tensor:
        """Mean loss of the batch, on the device."""
        while True:
            try:
                loss = self._gradients(rows, draws)
                break
            except torch.OutOfMemoryError as error:
                self._split(len(rows), error)
        self.optimizer.step()
        return loss

    def _gradients(self, rows: Rows, draws: NDArray[np.float64]) -> Tensor:
        self.optimizer.zero_grad(set_to_none=True)
        total: Tensor | float = 0.0
        for part in np.array_split(np.arange(len(rows)), min(self.parts, max(len(rows) // 2, 1))):
            logits = self.module(self.inputs.augmented(rows[part], draws[part]))
            loss = cross_entropy(logits, self.y[rows[part]], self.weights).sum() / len(rows)
            torch.autograd.backward(loss)
            total = total + loss.detach()
        assert isinstance(total, Tensor)
        return total

    def _split(self, size: int, error: BaseException) -> None:
        if self.parts * 2 > size // 2:
            raise StageError(
                f"the CUDA device has no memory for 2 crops at a time (batch of {size} in {self.parts} parts); "
                "use a smaller image_size or backbone, or device = cpu"
            ) from error
        self.optimizer.zero_grad(set_to_none=True)
        torch.cuda.empty_cache()
        self.parts *= 2
        self.notes.append(
            f"out of memory: batches of {size} went through in {self.parts} parts with accumulated gradients; "
            "batch normalisation saw the parts"
        )


def cross_entropy(logits: Tensor, y: NDArray[np.int64], weights: tuple[float, float]) -> Tensor:
    """(b,) binary cross-entropies, each multiplied by its class's weight."""
    target = torch.from_numpy(y.astype(np.float32)).to(logits.device)
    each = torch.where(target > 0.5, weights[1], weights[0])
    return functional.binary_cross_entropy_with_logits(logits, target, weight=each, reduction="none")


def class_weights(y: NDArray[np.int64], imbalance: Imbalance) -> tuple[float, float]:
    """Weights of non-events and events: n / (2 n_class), which average to 1, or 1 and 1 for "none"."""
    if imbalance not in ("weighted-loss", "balanced-sampling", "none"):
        raise InputError(f'`imbalance` must be "weighted-loss", "balanced-sampling" or "none"; got {imbalance!r}')
    if imbalance == "none":
        return 1.0, 1.0
    n, events = len(y), int(y.sum())
    return n / (2.0 * (n - events)), n / (2.0 * events)


def batches(n: int, size: int) -> Iterator[NDArray[np.intp]]:
    """Positions 0..n-1, `size` at a time; a last batch of one joins the one before, for batch normalisation's sake."""
    starts = list(range(0, n, size))
    if len(starts) > 1 and n - starts[-1] == 1:
        starts.pop()
    for start, stop in zip(starts, [*starts[1:], n], strict=True):
        yield np.arange(start, stop)


def inner_split(
    y: NDArray[np.int64], fraction: float, seed: int, groups: NDArray[np.int64] | None = None
) -> tuple[Rows, Rows]:
    """Rows of the training and the inner validation part, sorted; of each class the rounded fraction, at least one.

    groups : (n,) rows of one group stay on one side; a group with any event counts as one with the event
    Raises StageError where a class has fewer than two patients in training after it.
    """
    if groups is not None:
        _, first, member = np.unique(groups, return_index=True, return_inverse=True)
        event = np.zeros(len(first), dtype=np.int64)
        np.maximum.at(event, member, y)
        training, held = inner_split(event, fraction, seed)
        return np.flatnonzero(np.isin(member, training)), np.flatnonzero(np.isin(member, held))
    rng = np.random.default_rng(seed)
    validation: list[Rows] = []
    for outcome in (0, 1):
        rows = np.flatnonzero(y == outcome)
        count = max(1, round(fraction * len(rows)))
        if len(rows) - count < 2:
            raise StageError(
                f"early stopping holds back {count} of {len(rows)} patients with outcome {outcome}, which leaves fewer "
                "than 2 to train on; more patients or a smaller inner_validation are needed"
            )
        validation.append(rng.permutation(rows)[:count])
    held = np.sort(np.concatenate(validation))
    return np.setdiff1d(np.arange(len(y)), held), held


def rank_auc(y: NDArray[np.int64], score: NDArray[np.floating]) -> float:
    """Mann-Whitney AUC, ties counted half; y holds both classes."""
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    midranks = np.cumsum(counts) - (counts - 1) / 2.0
    events = int(y.sum())
    return float((midranks[inverse][y == 1].sum() - events * (events + 1) / 2.0) / (events * (len(y) - events)))


def _order(rng: np.random.Generator, rows: Rows, y: NDArray[np.int64], imbalance: Imbalance) -> Rows:
    if imbalance != "balanced-sampling":
        return rng.permutation(rows)
    outcome = rng.random(len(rows)) < 0.5
    events, others = rows[y[rows] == 1], rows[y[rows] == 0]
    drawn = np.where(
        outcome, events[rng.integers(len(events), size=len(rows))], others[rng.integers(len(others), size=len(rows))]
    )
    return np.asarray(drawn, dtype=np.intp)


def _predict(module: nn.Module, inputs: Inputs, rows: Rows) -> Tensor:
    module.eval()
    with torch.no_grad():
        return in_batches(lambda at: (module(inputs.plain(rows[at])),), len(rows))[0]


def _finite(losses: Tensor, label: str, epoch: int) -> float:
    bad = torch.nonzero(~torch.isfinite(losses)).flatten()
    if len(bad):
        batch = int(bad[0])
        raise StageError(f"{label}: epoch {epoch}, batch {batch + 1}: the training loss is not finite; {_MEND}")
    return losses.double().sum().item()
