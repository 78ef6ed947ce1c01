"""One update of the weights: gradients of a batch and the optimiser's step; as it is, or captured as a CUDA graph."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from validkit.errors import StageError
from validkit.plnm.deep.crops import Inputs
from validkit.plnm.deep.precision import Precision, computing
from validkit.plnm.deep.ranks import Ranks
from validkit.plnm.deep.scoring import cross_entropy

ALONE = Ranks()
EAGER = 3
"""batches of a size that go through as they are before their step is captured: libraries settle their choices there"""


class Step(Protocol):
    """What `Plain` and `Captured` offer."""

    @property
    def plain(self) -> Plain:
        """The step as it is, without a graph."""
        ...

    def __call__(self, rows: Tensor, draws: Tensor) -> Tensor:
        """Learn from these rows; the batch's mean loss, on the device. Nothing waits for the device.

        Where several processes train together, each returns what its share adds to the mean.
        """
        ...


class Plain:
    """The step, one kernel after the other.

    targets, weights : (n,) float on the device, of every row of the inputs
    parts : into how many parts a batch is split, gradients added up; doubled where a CUDA device is out of memory
    """

    def __init__(
        self,
        module: nn.Module,
        inputs: Inputs,
        targets: Tensor,
        weights: Tensor,
        optimizer: torch.optim.Optimizer,
        precision: Precision,
        ranks: Ranks = ALONE,
    ) -> None:
        self.module = module
        self.inputs = inputs
        self.targets = targets
        self.weights = weights
        self.optimizer = optimizer
        self.precision = precision
        self.ranks = ranks
        self.parts = 1
        self.notes: list[str] = []

    @property
    def plain(self) -> Plain:
        """Itself."""
        return self

    def __call__(self, rows: Tensor, draws: Tensor) -> Tensor:
        """See `Step`. Raises StageError where there is no memory for two crops at a time."""
        while True:
            try:
                return self.update(rows, draws)
            except torch.OutOfMemoryError as error:
                self.split(len(rows), error)

    def update(self, rows: Tensor, draws: Tensor) -> Tensor:
        """Gradients and the optimiser's step, in as many parts as were found necessary before."""
        loss = self._gradients(rows, draws)
        self.optimizer.step()
        return loss

    def split(self, size: int, error: BaseException) -> None:
        """Twice as many parts from now on, and a note of it."""
        if self.ranks.several:
            raise StageError(
                f"a CUDA device has no memory for its share of a batch of {size}; use more devices or a smaller batch"
            ) from error
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

    def _gradients(self, rows: Tensor, draws: Tensor) -> Tensor:
        self.optimizer.zero_grad(set_to_none=True)
        whole, total = len(rows), torch.zeros((), device=rows.device)
        rows, draws = self.ranks.share(rows), self.ranks.share(draws)
        for part in np.array_split(np.arange(len(rows)), min(self.parts, max(len(rows) // 2, 1))):
            here = slice(int(part[0]), int(part[-1]) + 1)
            own = rows[here]
            with computing(self.precision, rows.device):
                logits = self.module(self.inputs.augmented(own, draws[here]))
            loss = cross_entropy(logits.float(), self.targets[own], self.weights[own]).sum() / whole
            torch.autograd.backward(loss * self.ranks.world)  # gradients are averaged over the processes
            total = total + loss.detach()
        return total


@dataclass(frozen=True, eq=False)
class _Recorded:
    """A captured step; rows, draws : what it reads; loss : what it writes."""

    graph: torch.cuda.CUDAGraph
    rows: Tensor
    draws: Tensor
    loss: Tensor


class Captured:
    """The same step as a CUDA graph: recorded once a batch size, then replayed without launching kernel by kernel.

    The optimiser must be capturable. The first EAGER batches of each size go through the plain step, and all do where
    batches had to be split for want of memory.
    """

    def __init__(self, plain: Plain) -> None:
        self._plain = plain
        self._seen: Counter[int] = Counter()
        self._recorded: dict[int, _Recorded] = {}
        self._pool: Any = None  # a handle of torch's own kind

    @property
    def plain(self) -> Plain:
        """The step that was captured."""
        return self._plain

    def __call__(self, rows: Tensor, draws: Tensor) -> Tensor:
        """See `Step`."""
        size = len(rows)
        if self._seen[size] < EAGER or self.plain.parts > 1:
            self._seen[size] += 1
            return self.plain(rows, draws)
        if size not in self._recorded:
            try:
                self._recorded[size] = self._record(rows, draws)
            except torch.OutOfMemoryError as error:
                self.plain.split(size, error)
                return self.plain(rows, draws)
        one = self._recorded[size]
        one.rows.copy_(rows)
        one.draws.copy_(draws)
        one.graph.replay()
        return one.loss.clone()

    def _record(self, rows: Tensor, draws: Tensor) -> _Recorded:
        """Capture the step; graphs of one training share their memory, as they never run at the same time.

        Unlike `torch.cuda.graph` this neither waits for the device nor collects garbage: other trainings go on.
        """
        rows, draws = rows.clone(), draws.clone()
        graph = torch.cuda.CUDAGraph()
        self.plain.optimizer.zero_grad(set_to_none=True)
        current = torch.cuda.current_stream(rows.device)
        stream = torch.cuda.Stream(rows.device) if current == torch.cuda.default_stream(rows.device) else current
        stream.wait_stream(current)
        with torch.cuda.stream(stream):
            graph.capture_begin(pool=self._pool)
            try:
                loss = self.plain.update(rows, draws)
            finally:
                graph.capture_end()
        current.wait_stream(stream)
        self._pool = graph.pool()
        return _Recorded(graph, rows, draws, loss)
