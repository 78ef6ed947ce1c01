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
from validkit.plnm.deep.backbones import SENSITIVE, Embedding, Network
from validkit.plnm.deep.bank import ImageBank
from validkit.plnm.deep.precision import Precision, check_precision, computing
from validkit.plnm.deep.resident import Resident

BATCH = {"cpu": 16, "cuda": 128}
"""crops at a time, by type of device"""


class Inference(NamedTuple):
    """logits : (n,) float32, log odds as the network gives them; embedding : (n, D) float32."""

    logits: NDArray[np.float32]
    embedding: NDArray[np.float32]


def infer(
    network: Network,
    bank: ImageBank,
    *,
    device: torch.device,
    embedding: Embedding = "pooled",
    precision: Precision = "fp32",
) -> Inference:
    """Logits and embeddings of every crop of a bank; call it inside `device.stage`.

    A network of `backbones.SENSITIVE` computes in fp32 whatever `precision` says.
    """
    network.eval()
    check_precision(precision, device)
    precision = "fp32" if network.name in SENSITIVE else precision
    n = len(bank)
    images = Resident(bank, device) if n else torch.zeros((1, *bank.images.shape[1:]), dtype=torch.uint8, device=device)

    def batch(rows: Tensor) -> tuple[Tensor, Tensor]:
        with computing(precision, device):
            maps = network.features(centre(images[rows], bank.image_size))
            pooled = network.pool(maps)
            vectors = pooled if embedding == "pooled" else network.embed(maps, embedding)
        return network.decide(pooled), vectors.float()

    with torch.no_grad():
        logits, vectors = in_batches(batch, max(n, 1), device, fill=True)
    return Inference(logits[:n].cpu().numpy(), vectors[:n].cpu().numpy())


def in_batches(
    function: Callable[[Tensor], tuple[Tensor, ...]], n: int, device: torch.device, *, fill: bool = False
) -> tuple[Tensor, ...]:
    """`function` of row numbers 0..n-1 on the device, BATCH at a time, its results joined there.

    fill : the last batch is filled up with repeats, so that a row's result does not depend on how many there are
    On a CUDA device that runs out of memory the batch is halved, down to one row.
    """
    size = BATCH[device.type]
    while True:
        try:
            parts = []
            for start in range(0, n, size):
                kept = min(size, n - start)
                rows = torch.arange(start, start + (size if fill else kept), device=device).clamp_max(n - 1)
                parts.append([part[:kept] for part in function(rows)])
            return tuple(torch.cat(columns) for columns in zip(*parts, strict=True))
        except torch.OutOfMemoryError as error:
            if size == 1:
                raise StageError("the CUDA device has no memory for a single crop; use a smaller image_size") from error
            size //= 2
            torch.cuda.empty_cache()


def check_bank(bank: ImageBank, image_size: int) -> None:
    """Refuse what is not a bank, or one of another geometry than the network was made for."""
    if not isinstance(bank, ImageBank):
        raise InputError(f"expected an ImageBank (validkit.plnm.deep.cutting.build_bank); got {type(bank).__name__}")
    if bank.image_size != image_size:
        raise InputError(f"the bank holds crops of {bank.image_size} px, the network is set to image_size={image_size}")
