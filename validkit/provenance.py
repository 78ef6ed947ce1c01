"""What a run was made with: versions, device, digests of files."""

from __future__ import annotations

import hashlib
import platform
import re
from importlib import metadata
from pathlib import Path

from validkit.errors import InputError

PACKAGES = (
    "validkit",
    "numpy",
    "scipy",
    "pandas",
    "scikit-learn",
    "statsmodels",
    "pingouin",
    "scikit-misc",
    "joblib",
    "pyarrow",
    "matplotlib",
    "simpleitk",
    "pydicom",
    "pyradiomics",
    "scikit-image",
    "torch",
    "torchvision",
    "efficientnet_lite_pytorch",
    "xgboost",
    "lightgbm",
    "skorch",
    "skops",
)


def versions() -> dict[str, str]:
    """Package to installed version, Python first; packages that are not installed are left out."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def resolve_device(device: str) -> str:
    """`auto` (CUDA where torch is installed and sees one, else the CPU), `cpu`, `cuda` or `cuda:N` to what is used.

    Raises InputError where CUDA is asked for and is not there.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:[0-9]+)?", device):
        raise InputError(f"device must be auto, cpu, cuda or cuda:N; got {device!r}")
    if device == "cpu":
        return "cpu"
    count = _cuda_devices()
    if device == "auto":
        return "cuda" if count else "cpu"
    if int(device.partition(":")[2] or 0) >= count:
        raise InputError(f"device {device!r} is not on this machine ({count} CUDA devices); use cpu")
    return device


def cards_of(device: str) -> list[str]:
    """The devices over which a plan's fits may be spread: every CUDA device for "cuda", else this one alone."""
    count = _cuda_devices() if device == "cuda" else 1
    return [f"cuda:{number}" for number in range(count)] if count > 1 else [device]


def _cuda_devices() -> int:
    """How many CUDA devices torch sees; none where it is not installed."""
    try:
        import torch
    except ModuleNotFoundError:
        return 0
    return int(torch.cuda.device_count()) if torch.cuda.is_available() else 0


def describe_device(device: str) -> dict[str, object]:
    """The device by its name, and the processors."""
    from validkit.engine import cpu_count

    name = "cpu"
    if device.startswith("cuda"):
        import torch

        name = torch.cuda.get_device_name(device)
    return {"name": name, "threads": cpu_count(), "machine": f"{platform.system()} {platform.machine()}"}


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
