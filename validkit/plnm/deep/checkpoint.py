"""The last finished epoch of a training on disk, so that one that was stopped goes on there with the same result."""

from __future__ import annotations

import io
import os
import pickle
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from validkit.durable import write_bytes

FIRST = 10.0
"""seconds of training before anything is written: what is lost of a shorter one is soon done again"""
SHARE = 0.1
"""most of the time that writing may take: after a write that took 1 s, the next is due 10 s later"""


class Checkpoint:
    """One file that holds a training between two epochs, written whole or not at all.

    Make it when the training begins.
    path : of the file; made_of : digest of everything that the training depends on; another's file is not used
    """

    def __init__(self, path: str | os.PathLike[str], made_of: str) -> None:
        self.path = Path(path)
        self.made_of = made_of
        self._due = time.monotonic() + FIRST

    def read(self) -> dict[str, Any] | None:
        """What was written last; None where there is nothing, or nothing of this training."""
        try:
            found = torch.load(self.path, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError):
            return None
        if not isinstance(found, dict) or found.get("made_of") != self.made_of:
            return None
        state: dict[str, Any] = found["state"]
        return state

    @property
    def due(self) -> bool:
        """Whether enough time has passed since the last write for the next to be worth its while."""
        return time.monotonic() >= self._due

    def write(self, state: Mapping[str, Any]) -> None:
        """Replace the file; nothing in it but tensors, text and numbers."""
        start = time.monotonic()
        buffer = io.BytesIO()
        torch.save({"made_of": self.made_of, "state": dict(state)}, buffer)
        write_bytes(self.path, buffer.getvalue())
        end = time.monotonic()
        self._due = end + (end - start) / SHARE

    def remove(self) -> None:
        """The training is finished and kept elsewhere."""
        self.path.unlink(missing_ok=True)
