"""The device, its threads and its chance: set for a stage, put back afterwards.

Measured: the number of CPU threads changes the last bits of convolutions and so every weight after one step, while the
same number gives the same bytes. A stage therefore runs under a fixed number, whatever the process has.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch

from validkit.errors import InputError
from validkit.provenance import resolve_device

THREADS = 2
WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
"""set where it is not: without it cuBLAS promises the same bytes on one stream only, and torch refuses to multiply"""


def torch_device(device: str) -> torch.device:
    """What `resolve_device` makes of it, as torch has it, a CUDA device by its number."""
    name, _, number = resolve_device(device).partition(":")
    return torch.device("cpu") if name == "cpu" else torch.device("cuda", int(number or 0))


@contextmanager
def stage(
    device: torch.device, *, seed: int | None = None, threads: int = THREADS, deterministic: bool = True
) -> Iterator[None]:
    """Run under a fixed number of threads, and with a seeded global generator; a CUDA device also under `algorithms`.

    seed : of torch's generators inside (initial weights draw from them); None leaves them as they are.
    Threads, flags and the state of the generators are restored on the way out.
    """
    with ExitStack() as stack:
        stack.callback(torch.set_num_threads, torch.get_num_threads())
        torch.set_num_threads(threads)
        cuda = device.type == "cuda"
        if cuda:
            stack.enter_context(algorithms(deterministic))
        if seed is not None:
            stack.enter_context(torch.random.fork_rng(devices=[device.index] if cuda else []))
            torch.default_generator.manual_seed(seed)
            if cuda:
                with torch.cuda.device(device):
                    torch.cuda.manual_seed(seed)
        yield


@contextmanager
def algorithms(deterministic: bool) -> Iterator[None]:
    """How a CUDA device computes inside.

    deterministic : True takes algorithms that give the same bytes twice, and an operation that has none raises
        RuntimeError; False takes those that cuDNN finds fastest here, whose sums may come in any order
    """
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    more: Any = torch.utils.deterministic  # a module with properties
    filling = more.fill_uninitialized_memory
    if deterministic:
        os.environ.setdefault(WORKSPACE, ":4096:8")
    try:
        torch.use_deterministic_algorithms(deterministic)
        more.fill_uninitialized_memory = False  # nothing here reads what it has not written
        with torch.backends.cudnn.flags(
            enabled=True, benchmark=not deterministic, deterministic=deterministic, allow_tf32=False
        ):
            yield
    finally:
        more.fill_uninitialized_memory = filling
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])


def seeds(random_state: int, count: int) -> list[int]:
    """`count` independent 63-bit seeds from one."""
    if isinstance(random_state, bool) or not isinstance(random_state, (int, np.integer)) or random_state < 0:
        raise InputError(f"`random_state` must be a whole number >= 0; got {random_state!r}")
    words = np.random.SeedSequence(int(random_state)).generate_state(count, dtype=np.uint64)
    return [int(word >> np.uint64(1)) for word in words]
