"""What a run was made with: versions, device, digests of files."""

from __future__ import annotations

import hashlib
import platform
from importlib import metadata
from pathlib import Path

from validkit.engine import cpu_count
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
    """`auto`, `cpu`, `cuda` or `cuda:N` to the device that is used; CUDA asked for and absent is an error."""
    if device == "cpu":
        return "cpu"
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    name, _, number = device.partition(":")
    if name != "cuda" or (number and not number.isdecimal()):
        raise InputError(f"device must be auto, cpu, cuda or cuda:N; got {device!r}")
    if not torch.cuda.is_available() or int(number or 0) >= torch.cuda.device_count():
        raise InputError(
            f"device {device!r} is not on this machine ({torch.cuda.device_count()} CUDA devices); use cpu"
        )
    return device


def describe_device(device: str) -> dict[str, object]:
    """The device by its name, and the processors."""
    name = "cpu"
    if device.startswith("cuda"):
        import torch

        name = torch.cuda.get_device_name(device)
    return {"name": name, "threads": cpu_count(), "machine": f"{platform.system()} {platform.machine()}"}


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
