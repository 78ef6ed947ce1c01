"""How fast a network could be at best on a device: per layer, arithmetic or memory, whichever takes longer.

The rates are measured in the same run: products of large matrices, and copies of large arrays. A layer's time is the
larger of its operations over the matrix rate and of its bytes over the copy rate; the limit is their sum. Bytes are
what a layer must read and write if everything inside it were fused; concatenations (DenseNet) are not counted, nor is
what a cache saves between layers. After the roofline model of Williams et al., Commun ACM 52 (2009) 65-76.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from validkit.plnm.deep.backbones import Network
from validkit.plnm.deep.precision import Precision, computing

ELEMENT = {"fp32": 4, "tf32": 4, "bf16": 2}
"""bytes of an activation"""
OPTIMISER = 28
"""bytes an AdamW step moves a weight: weight, gradient and two moments read, all but the gradient written"""


@dataclass(frozen=True)
class Rates:
    """flops : multiply-adds count as two, a second; bytes : read and written, a second."""

    flops: float
    bytes: float


@dataclass(frozen=True)
class Layer:
    """One layer's forward pass on one image: operations, and elements of input, output and weights."""

    kind: str
    flops: float
    read: float
    written: float
    weights: float


def measured_rates(device: torch.device, precision: Precision, *, small: bool, least: float = 0.2) -> Rates:
    side, length = (512, 2**22) if small else (8192, 2**29)
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    source, target = (torch.empty(length, dtype=torch.uint8, device=device) for _ in range(2))
    with computing("fp32" if precision == "bf16" else precision, device):
        product = seconds_of(lambda: torch.mm(a, b), device, least=least)
    copy = seconds_of(lambda: target.copy_(source), device, least=least)
    return Rates(2.0 * side**3 / product, 2.0 * length / copy)


def seconds_of(work: Callable[[], Any], device: torch.device, *, least: float = 0.2, repeats: int = 5) -> float:
    """Median seconds of one call, after a warm-up; calls are timed between device events or clock readings."""
    calls, start = 0, time.perf_counter()
    while calls < 3 or (time.perf_counter() - start < least / 2 and calls < 50):
        work()
        synchronise(device)
        calls += 1
    each = (time.perf_counter() - start) / calls
    count = max(1, min(200, round(least / each)))
    times = []
    for _ in range(repeats):
        if device.type == "cuda":
            first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            first.record()
            for _ in range(count):
                work()
            last.record()
            last.synchronize()
            times.append(first.elapsed_time(last) / 1e3 / count)
        else:
            begin = time.perf_counter()
            for _ in range(count):
                work()
            times.append((time.perf_counter() - begin) / count)
    return sorted(times)[len(times) // 2]


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def layers_of(network: Network, image_size: int, device: torch.device) -> list[Layer]:
    """Every layer without children, in the order it is reached, from one forward pass of one image."""
    found: list[Layer] = []

    def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        weights = float(sum(p.numel() for p in module.parameters(recurse=False)))
        per_output = 0.0
        if isinstance(module, nn.Conv2d):
            per_output = 2.0 * module.weight[0].numel()
        elif isinstance(module, nn.Linear):
            per_output = 2.0 * module.in_features
        found.append(
            Layer(
                type(module).__name__,
                per_output * output.numel(),
                float(inputs[0].numel()),
                float(output.numel()),
                weights,
            )
        )

    silent = (nn.Identity, nn.Dropout, nn.Flatten)
    leaves = [m for m in network.modules() if not list(m.children()) and not isinstance(m, silent)]
    handles = [module.register_forward_hook(note) for module in leaves]
    try:
        network.eval()
        with torch.no_grad():
            network(torch.zeros(1, 1, image_size, image_size, device=device))
    finally:
        for handle in handles:
            handle.remove()
    return found


def limit(
    layers: list[Layer], rates: Rates, precision: Precision, batch: int, image_size: int, *, train: bool
) -> float:
    """Least seconds of one batch."""
    size, first = ELEMENT[precision], next(layer for layer in layers if layer.flops)
    total = batch * image_size**2 * (1 + size) / rates.bytes  # the crop: 8 bits read, an activation written
    for layer in layers:
        read, written, weights = batch * layer.read * size, batch * layer.written * size, layer.weights * size
        flops = batch * layer.flops
        total += max(flops / rates.flops, (read + weights + written) / rates.bytes)
        if train and layer.flops:
            gradients = 1 if layer is first else 2  # of the weights, and of the input but for the crops
            total += gradients * max(flops / rates.flops, (written + read + weights) / rates.bytes)
        elif train:
            total += (written + 2 * read) / rates.bytes  # gradient of output and input read, gradient of input written
    if train:
        total += OPTIMISER * sum(layer.weights for layer in layers) / rates.bytes
    return total


def operations(layers: list[Layer], batch: int, *, train: bool) -> float:
    """Floating-point operations of one batch; backward is twice forward."""
    return batch * sum(layer.flops for layer in layers) * (3 if train else 1)
