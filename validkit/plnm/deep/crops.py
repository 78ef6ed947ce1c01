"""What a network learns from, on its device: a bank's crops, or frozen features."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from validkit.plnm.deep.augment import Augmentation, augment, centre
from validkit.plnm.deep.bank import ImageBank
from validkit.plnm.deep.resident import Resident


class Inputs(Protocol):
    """Patients by row, augmented for training and plain for validation; rows and parameters lie on the device."""

    def draw(self, rng: np.random.Generator, n: int) -> NDArray[np.float64]:
        """Augmentation parameters for the n samples of an epoch, one row each."""
        ...

    def augmented(self, rows: Tensor, draws: Tensor) -> Tensor:
        """Training input of these rows under these parameters."""
        ...

    def plain(self, rows: Tensor) -> Tensor:
        """Input of these rows as at prediction."""
        ...


class Crops:
    """A bank on its device."""

    def __init__(self, bank: ImageBank, augmentation: Augmentation, device: torch.device) -> None:
        self.images = Resident(bank, device)
        self.image_size = bank.image_size
        self.augmentation = augmentation

    def draw(self, rng: np.random.Generator, n: int) -> NDArray[np.float64]:
        """See `Augmentation.draw`."""
        return self.augmentation.draw(rng, n)

    def augmented(self, rows: Tensor, draws: Tensor) -> Tensor:
        """(b, 1, S, S) augmented, z-scored crops."""
        return augment(self.images[rows], draws, self.image_size)

    def plain(self, rows: Tensor) -> Tensor:
        """(b, 1, S, S) z-scored crops."""
        return centre(self.images[rows], self.image_size)


class Vectors:
    """Frozen features on their device; there is nothing to augment."""

    def __init__(self, table: Tensor) -> None:
        self.table = table

    def draw(self, rng: np.random.Generator, n: int) -> NDArray[np.float64]:
        """No parameters."""
        return np.empty((n, 0))

    def augmented(self, rows: Tensor, draws: Tensor) -> Tensor:
        """The rows themselves."""
        return self.plain(rows)

    def plain(self, rows: Tensor) -> Tensor:
        """(b, D) rows of the table."""
        return self.table[rows]
