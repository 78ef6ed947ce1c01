"""One training on several devices: torch's DistributedDataParallel, a process a device, started by torchrun.

Each process draws the same order and augmentation and learns from its share of every batch; gradients are averaged, so
that a step is that of the whole batch. Batch statistics are those of a share, or of the whole batch where the devices
are CUDA's (SyncBatchNorm). Outside torchrun nothing here does anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True)
class Ranks:
    """This process's place among those that train together."""

    rank: int = 0
    world: int = 1

    @property
    def several(self) -> bool:
        """Whether there are others."""
        return self.world > 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and reports."""
        return self.rank == 0

    def share(self, rows: Tensor) -> Tensor:
        """This process's part of a batch: every `world`-th row."""
        return rows[self.rank :: self.world]

    def wrapped(self, module: nn.Module) -> nn.Module:
        """The module, its gradients averaged over the processes."""
        if not self.several:
            return module
        device = next(module.parameters()).device
        if device.type == "cuda":
            module = cast(nn.Module, nn.SyncBatchNorm.convert_sync_batchnorm(module))
        return DistributedDataParallel(module, device_ids=[device] if device.type == "cuda" else None)

    def total(self, values: Tensor) -> Tensor:
        """The sum over the processes."""
        if self.several:
            distributed.all_reduce(values)
        return values

    def from_first(self, *values: Tensor) -> None:
        """The first process's values, in every process, in place."""
        if self.several:
            for value in values:
                distributed.broadcast(value, 0)


def ranks_here() -> Ranks:
    """Where this process stands; alone where no process group was started."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return Ranks()
    return Ranks(distributed.get_rank(), distributed.get_world_size())


def start_ranks(device: torch.device) -> Ranks:
    """Join the processes that torchrun started: NCCL between CUDA devices, gloo between CPUs."""
    if not distributed.is_initialized():
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return ranks_here()
