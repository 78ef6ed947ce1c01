"""How many bits a network computes in; weights, optimiser and losses stay in single precision throughout."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, cast, get_args

import torch

from validkit.errors import InputError

Precision = Literal["fp32", "tf32", "bf16"]


def resolve_precision(precision: str, device: torch.device) -> Precision:
    """ "auto" to what it means on the device: bf16 on CUDA, fp32 on the CPU; any other name is checked and kept."""
    if precision == "auto":
        return "bf16" if device.type == "cuda" else "fp32"
    check_precision(precision, device)
    return cast(Precision, precision)


def check_precision(precision: str, device: torch.device) -> None:
    """Refuse a name that is none, and tf32 where there is no CUDA device to offer it."""
    if precision not in get_args(Precision):
        raise InputError(f"`precision` must be one of {', '.join(get_args(Precision))}; got {precision!r}")
    if precision == "tf32" and device.type != "cuda":
        raise InputError("precision tf32 is a CUDA device's; on the CPU use fp32, or bf16 where the processor has it")


@contextmanager
def computing(precision: Precision, device: torch.device) -> Iterator[None]:
    """Convolutions and matrix products inside run in this precision.

    "fp32" : single precision everywhere, TF32 off; "tf32" : products of single-precision numbers with 10 bits of
    mantissa (CUDA from Ampere on); "bf16" : autocast to bfloat16, sums in single precision.
    The process's settings are put back on the way out.
    """
    check_precision(precision, device)
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16", cache_enabled=False):
        if device.type != "cuda":
            yield
            return
        before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
        allowed = precision == "tf32"
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = allowed, allowed
        try:
            yield
        finally:
            torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
