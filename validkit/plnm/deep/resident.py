"""A bank's pixels on a device: there once, however many fits take their rows from it."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from validkit.plnm.deep.bank import ImageBank

_THERE: WeakKeyDictionary[ImageBank, dict[torch.device, Tensor]] = WeakKeyDictionary()
"""what lies where, as long as its bank is used"""


class Resident:
    """The crops of a bank on a device; a bank that was taken from another one shares that one's pixels there."""

    def __init__(self, bank: ImageBank, device: torch.device) -> None:
        whole, rows = bank.origin or (bank, None)
        places = _THERE.setdefault(whole, {})
        if device not in places:
            places[device] = torch.from_numpy(np.asarray(whole.images)).to(device)
        self.pixels = places[device]
        self._rows = None if rows is None else torch.from_numpy(rows.astype(np.int64)).to(device)

    def __getitem__(self, rows: Tensor) -> Tensor:
        """(b, S + 2P, S + 2P) uint8 of these rows of the bank; rows : (b,) on the device."""
        return self.pixels[rows if self._rows is None else self._rows[rows]]
