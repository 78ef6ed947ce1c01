"""The chance of one training: order and augmentation from NumPy, dropout from torch's global generator.

Trainings that take turns on a device each keep a state of their own and put it in place for their turn, so that each
draws what it would draw alone. The state can be written down and taken up again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from validkit.plnm.deep.device import seeds


class Chance:
    """numpy : generator of order, sampling and augmentation; both from the seed, whatever was drawn before.

    rank : of a process among several that train together: they draw one order, and dropout each its own
    """

    def __init__(self, seed: int, device: torch.device, rank: int = 0) -> None:
        self.numpy = np.random.default_rng(seed)
        self.device = device
        kinds = [torch.device("cpu"), *([device] if device.type == "cuda" else [])]
        self._torch = [torch.Generator(kind).manual_seed(seeds(seed, rank + 1)[rank]).get_state() for kind in kinds]
        self._inside = False

    @contextmanager
    def own(self) -> Iterator[None]:
        """Torch's generators are this training's inside, and afterwards as they were."""
        others = self._states()
        self._put(self._torch)
        self._inside = True
        try:
            yield
        finally:
            self._torch = self._states()
            self._inside = False
            self._put(others)

    def state(self) -> dict[str, Any]:
        """Everything that later draws depend on, as text and tensors."""
        return {
            "numpy": json.dumps(self.numpy.bit_generator.state),
            "torch": self._states() if self._inside else self._torch,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken."""
        self.numpy.bit_generator.state = json.loads(state["numpy"])
        self._torch = state["torch"]
        if self._inside:
            self._put(self._torch)

    def _states(self) -> list[torch.Tensor]:
        states = [torch.get_rng_state()]
        if self.device.type == "cuda":
            states.append(torch.cuda.get_rng_state(self.device))
        return states

    def _put(self, states: list[torch.Tensor]) -> None:
        torch.set_rng_state(states[0])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(states[1], self.device)
