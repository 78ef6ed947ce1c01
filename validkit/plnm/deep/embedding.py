"""A whole bank through a network in evaluation mode.

Every batch has the same size, the last one filled up with repeats, so that what comes out for one patient does not
depend on who else is in the bank.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from validkit.errors import InputError, StageError
from validkit.plnm.deep.augment import centre
from validkit.plnm.deep.backbones import Embedding, Network
from validkit.plnm.deep.bank import ImageBank

BATCH = 16


class Inference(NamedTuple):
    """logits : (n,) float32, log odds as the network gives them; embedding : (n, D) float32."""

    logits: NDArray[np.float32]
    embedding: NDArray[np.float32]


def infer(network: Network, bank: ImageBank, *, device: torch.device, embedding: Embedding = "pooled") -> Inference:
    """Logits and embeddings of every crop of a bank; call it inside `device.stage`."""
    network.eval()
    n = len(bank)
    images = torch.from_numpy(bank.images if n else np.zeros((1, *bank.images.shape[1:]), np.uint8))

    def batch(rows: NDArray[np.intp]) -> tuple[Tensor, Tensor]:
        maps = network.features(centre(images[torch.from_numpy(rows)].to(device), bank.image_size))
        pooled = network.pool(maps)
        vectors = pooled if embedding == "pooled" else network.embed(maps, embedding)
        return network.head(pooled).squeeze(1), vectors

    with torch.no_grad():
        logits, vectors = in_batches(batch, len(images))
    return Inference(logits[:n].numpy(), vectors[:n].numpy())


def in_batches(function: Callable[[NDArray[np.intp]], tuple[Tensor, ...]], n: int) -> tuple[Tensor, ...]:
    """`function` of row numbers 0..n-1, BATCH at a time, its results joined on the CPU.

    On a CUDA device that runs out of memory the batch is halved, down to one row.
    """
    size = BATCH
    while True:
        try:
            parts = []
            for start in range(0, n, size):
                rows = np.arange(start, start + size)
                kept = min(size, n - start)
                parts.append([part[:kept].cpu() for part in function(np.minimum(rows, n - 1))])
            return tuple(torch.cat(columns) for columns in zip(*parts, strict=True))
        except torch.OutOfMemoryError as error:
            if size == 1:
                raise StageError("the CUDA device has no memory for a single crop; use a smaller image_size") from error
            size //= 2
            torch.cuda.empty_cache()


def check_bank(bank: ImageBank, image_size: int) -> None:
    """Refuse what is not a bank, or one of another geometry than the network was made for."""
    if not isinstance(bank, ImageBank):
        raise InputError(f"expected an ImageBank (validkit.plnm.deep.bank.build_bank); got {type(bank).__name__}")
    if bank.image_size != image_size:
        raise InputError(f"the bank holds crops of {bank.image_size} px, the network is set to image_size={image_size}")
