"""Tiny banks for the deep stage; everything here runs on one CPU thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec

import numpy as np
import pytest

if find_spec("torch") is None or find_spec("torchvision") is None:
    collect_ignore_glob = ["test_*.py"]
else:
    import torch

    from validkit.plnm.deep.bank import ImageBank
    from validkit.plnm.deep.cutting import build_bank


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def synthetic_lesions(n: int, seed: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    """Speckled images with an elliptic lesion; every third is darker inside: outcome 1."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:70, :90]
    lesions = []
    for i in range(n):
        image = np.rint(rng.gamma(4.0, 25.0, (70, 90))).clip(0, 255)
        centre = (35 + rng.integers(-6, 7), 45 + rng.integers(-6, 7))
        mask = ((rows - centre[0]) / 17) ** 2 + ((columns - centre[1]) / 21) ** 2 <= 1
        image[mask] = np.rint(image[mask] * (0.3 if i % 3 == 0 else 0.8))
        lesions.append((image, mask))
    return lesions


@pytest.fixture(scope="session")
def make_bank() -> Callable[..., ImageBank]:
    """make_bank(n, image_size=32, margin=0.15, seed=0) -> ImageBank."""

    def make(n: int, image_size: int = 32, margin: float = 0.15, seed: int = 0) -> ImageBank:
        return build_bank(synthetic_lesions(n, seed), image_size=image_size, margin=margin)

    return make


@pytest.fixture(scope="session")
def lesions() -> Callable[..., list[tuple[np.ndarray, np.ndarray]]]:
    return synthetic_lesions


@pytest.fixture(scope="session")
def outcome() -> Callable[[int], np.ndarray]:
    """outcome(n): 0/1, the outcome that `synthetic_lesions` shows."""
    return lambda n: (np.arange(n) % 3 == 0).astype(int)
