"""Fine-tuning: minibatches, class imbalance, early stopping on inner validation patients, and a record of it all.

Several trainings can share one device: they take turns batch by batch, on a CUDA device each on a stream of its own,
and nothing waits for the device but the reading of an epoch's losses. Each ends as it would end alone.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from validkit.errors import StageError
from validkit.plnm.deep.chance import Chance
from validkit.plnm.deep.checkpoint import Checkpoint
from validkit.plnm.deep.crops import Inputs
from validkit.plnm.deep.embedding import in_batches
from validkit.plnm.deep.precision import Precision, check_precision, computing
from validkit.plnm.deep.progress import say, work
from validkit.plnm.deep.ranks import ranks_here
from validkit.plnm.deep.sampling import Imbalance, Rows, batches, class_weights, order
from validkit.plnm.deep.scoring import cross_entropy, rank_auc
from validkit.plnm.deep.steps import Captured, Plain, Step

if TYPE_CHECKING:
    from validkit.engine import Reporter


TOGETHER = {"cpu": 1, "cuda": 8}
"""most networks that are trained side by side, by type of device"""


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


@dataclass(frozen=True, eq=False)
class Fit:
    """One training, ready to begin.

    module : answers (b,) logits for what `inputs` gives; already on its device, and changed in place
    y : (n,) outcomes 0/1; training, validation : rows of each part, both with both classes
    seed : of order, sampling, augmentation and dropout
    checkpoint : where finished epochs are kept, None keeps none
    """

    module: nn.Module
    inputs: Inputs
    y: NDArray[np.int64]
    training: Rows
    validation: Rows
    schedule: Schedule
    seed: int
    label: str
    precision: Precision = "fp32"
    checkpoint: Checkpoint | None = None

    @property
    def device(self) -> torch.device:
        """Where the module lies."""
        return next(self.module.parameters()).device


def train(fit: Fit, reporter: Reporter | None = None) -> Training:
    """Train the module in place, and leave it with the weights of its best epoch; call it inside `device.stage`.

    The best epoch has the lowest validation loss, the first of equals. Training stops after `patience` epochs without a
    better one. Raises StageError where a loss is not finite, naming epoch and batch.
    """
    [done] = train_together([fit], reporter)
    if isinstance(done, StageError):
        raise done
    return done


def train_together(fits: Sequence[Fit], reporter: Reporter | None = None) -> list[Training | StageError]:
    """Train every module in place as `train` would, side by side; in order, what came of each or why it ended."""
    ended: dict[int, Training | StageError] = {}
    label = f"{fits[0].label}: epochs" if len(fits) == 1 else f"{len(fits)} networks: epochs"
    with work(reporter, label, sum(fit.schedule.epochs for fit in fits)) as finished:
        courses = {i: _Course(fit) for i, fit in enumerate(fits)}
        turns = {i: course.run() for i, course in courses.items()}
        shown = dict.fromkeys(courses, 0)
        while turns:
            for i, turn in list(turns.items()):
                course = courses[i]
                with course.turn():
                    try:
                        next(turn)
                    except StopIteration:
                        ended[i] = course.result()
                        del turns[i]
                    except StageError as error:
                        ended[i] = error
                        del turns[i]
                seen = len(course.curve) if i in turns else fits[i].schedule.epochs
                for _ in range(seen - shown[i]):
                    finished()
                shown[i] = seen
    for i, course in courses.items():
        if isinstance(ended[i], Training):
            say(reporter, course.summary())
    return [ended[i] for i in range(len(fits))]


def update_of(fit: Fit) -> Step:
    """The step by which `train` learns from one batch, with an optimiser of its own; the module must be training."""
    return _Course(fit).step


class _Course:
    """A training between its first and its last epoch."""

    def __init__(self, fit: Fit) -> None:
        check_precision(fit.precision, fit.device)
        schedule, cuda = fit.schedule, fit.device.type == "cuda"
        self.fit = fit
        self.ranks = ranks_here()
        self.chance = Chance(fit.seed, fit.device, self.ranks.rank)
        self.stream = torch.cuda.Stream(fit.device) if cuda else None
        if self.stream is not None:
            self.stream.wait_stream(torch.cuda.current_stream(fit.device))
        self.class_weights = class_weights(fit.y[fit.training], schedule.imbalance)
        with self.turn():
            self.targets = torch.from_numpy(fit.y.astype(np.float32)).to(fit.device)
            self.weights = torch.where(self.targets > 0.5, self.class_weights[1], self.class_weights[0])
            self.optimizer = torch.optim.AdamW(
                fit.module.parameters(),
                lr=schedule.learning_rate,
                weight_decay=schedule.weight_decay,
                fused=True,
                capturable=cuda,
            )
            in_loss = self.weights if schedule.imbalance == "weighted-loss" else torch.ones_like(self.weights)
            module = self.ranks.wrapped(fit.module)
            plain = Plain(module, fit.inputs, self.targets, in_loss, self.optimizer, fit.precision, self.ranks)
            self.step: Step = Captured(plain) if cuda and not self.ranks.several else plain
        self.curve: list[Epoch] = []
        self.best = 0
        self.best_state: dict[str, Any] = {}

    @contextmanager
    def turn(self) -> Iterator[None]:
        """What is launched inside runs on this training's stream and draws from its generators."""
        with ExitStack() as stack:
            if self.stream is not None:
                stack.enter_context(torch.cuda.stream(self.stream))
            stack.enter_context(self.chance.own())
            yield

    def run(self) -> Iterator[None]:
        """Train to the end; gives way after every batch, and while the device still works on an epoch."""
        fit = self.fit
        if fit.checkpoint is not None:
            self._restore(fit.checkpoint.read())
        while not self._ended:
            fit.module.train()
            rows = order(self.chance.numpy, fit.training, fit.y, fit.schedule.imbalance)
            draws = fit.inputs.draw(self.chance.numpy, len(rows))
            rows_there, draws_there = (self._there(torch.from_numpy(np.ascontiguousarray(a))) for a in (rows, draws))
            losses = []
            for batch in batches(len(rows), fit.schedule.batch_size, least=2 * self.ranks.world):
                here = slice(int(batch[0]), int(batch[-1]) + 1)
                losses.append(self.step(rows_there[here], draws_there[here]) * len(batch))
                yield
            read = self._read(self.ranks.total(torch.stack(losses)), self._logits())
            while not read.ready:
                yield
            self._judge(*read.values)
            self._keep()
        fit.module.load_state_dict(self.best_state)
        fit.module.eval()
        if self.stream is not None:
            self.stream.synchronize()

    def result(self) -> Training:
        """What came of it."""
        offset = float(np.log(self.class_weights[1] / self.class_weights[0]))
        return Training(tuple(self.curve), self.best, offset, tuple(self.step.plain.notes))

    def summary(self) -> str:
        """`resnet50: 12 epochs, best 2: validation loss 0.512, AUC 0.811`."""
        at = self.curve[self.best - 1]
        return (
            f"{self.fit.label}: {len(self.curve)} epochs, best {self.best}: "
            f"validation loss {at.validation_loss:.3f}, AUC {at.validation_auc:.3f}"
        )

    @property
    def _ended(self) -> bool:
        done, schedule = len(self.curve), self.fit.schedule
        return done >= schedule.epochs or (done > 0 and done - self.best >= schedule.patience)

    def _there(self, values: Tensor) -> Tensor:
        """The values on the device, without waiting for it."""
        if self.stream is None:
            return values
        return values.pin_memory().to(self.fit.device, non_blocking=True)

    def _logits(self) -> Tensor:
        """Of the inner validation part, (m,) float32 on the device."""
        fit = self.fit
        fit.module.eval()
        rows = self._there(torch.from_numpy(fit.validation))

        def batch(at: Tensor) -> tuple[Tensor]:
            with computing(fit.precision, fit.device):
                return (fit.module(fit.inputs.plain(rows[at])).float(),)

        self.ranks.from_first(*fit.module.buffers())
        with torch.no_grad():
            logits = in_batches(batch, len(rows), fit.device)[0]
        self.ranks.from_first(logits)
        return logits

    def _read(self, losses: Tensor, logits: Tensor) -> _Reading:
        rows = self._there(torch.from_numpy(self.fit.validation))
        each = cross_entropy(logits, self.targets[rows], self.weights[rows])
        return _Reading((losses, each.mean(), logits), self.stream)

    def _judge(self, losses: Tensor, validation: Tensor, logits: Tensor) -> None:
        fit, number = self.fit, len(self.curve) + 1
        train_loss = _finite(losses, fit.label, number) / len(fit.training)
        validation_loss = validation.item()
        if not np.isfinite(validation_loss):
            raise StageError(f"{fit.label}: epoch {number}: the validation loss is {validation_loss}; {_MEND}")
        auc = rank_auc(fit.y[fit.validation], logits.numpy())
        self.curve.append(Epoch(number, train_loss, validation_loss, auc))
        if self.best == 0 or validation_loss < self.curve[self.best - 1].validation_loss:
            self.best, self.best_state = number, copy.deepcopy(fit.module.state_dict())

    def _keep(self) -> None:
        """Write the epoch down where that is due and another one follows."""
        checkpoint = self.fit.checkpoint
        if checkpoint is None or not self.ranks.first or self._ended or not checkpoint.due:
            return
        checkpoint.write(
            {
                "module": self.fit.module.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "best": self.best,
                "best_state": self.best_state,
                "curve": [asdict(epoch) for epoch in self.curve],
                "chance": self.chance.state(),
                "parts": self.step.plain.parts,
                "notes": self.step.plain.notes,
            }
        )

    def _restore(self, state: dict[str, Any] | None) -> None:
        """Go on after the epoch that was written down, if any was."""
        if state is None:
            return
        self.fit.module.load_state_dict(state["module"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.best, self.best_state = state["best"], state["best_state"]
        self.curve = [Epoch(**epoch) for epoch in state["curve"]]
        self.chance.restore(state["chance"])
        self.step.plain.parts, self.step.plain.notes = state["parts"], list(state["notes"])


class _Reading:
    """Values on their way from the device to the host."""

    def __init__(self, values: Sequence[Tensor], stream: torch.cuda.Stream | None) -> None:
        self._event = None
        if stream is None:
            self.values = tuple(values)
            return
        self.values = tuple(torch.empty_like(value, device="cpu", pin_memory=True) for value in values)
        for there, here in zip(values, self.values, strict=True):
            here.copy_(there, non_blocking=True)
        self._event = torch.cuda.Event()
        self._event.record(stream)

    @property
    def ready(self) -> bool:
        """Whether they have arrived."""
        return self._event is None or self._event.query()


_MEND = "lower learning_rate, or look for crops without contrast"


def _finite(losses: Tensor, label: str, epoch: int) -> float:
    bad = torch.nonzero(~torch.isfinite(losses)).flatten()
    if len(bad):
        batch = int(bad[0])
        raise StageError(f"{label}: epoch {epoch}, batch {batch + 1}: the training loss is not finite; {_MEND}")
    return losses.double().sum().item()
