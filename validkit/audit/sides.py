"""Who trains and who is held out, over all splits, and which pairs of patients face each other there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from validkit.errors import InputError


class SplitLike(Protocol):
    """A split: its name, and the ids of training patients (a bootstrap sample repeats them) and held-out patients."""

    @property
    def name(self) -> str:
        """How the split is called."""
        ...

    @property
    def training(self) -> tuple[str, ...]:
        """Ids of the patients that a model is fitted to."""
        ...

    @property
    def held_out(self) -> tuple[str, ...]:
        """Ids of the patients that it is judged on."""
        ...


@dataclass(frozen=True, eq=False)
class Sides:
    """training, held_out : (splits, patients) bool, in the order of `patients`."""

    names: tuple[str, ...]
    patients: tuple[str, ...]
    training: NDArray[np.bool_]
    held_out: NDArray[np.bool_]

    def facing(self, first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.bool_]:
        """(splits, pairs): whether one of the pair trains while the other is held out; pairs are places of patients."""
        t, h = self.training, self.held_out
        return np.asarray((t[:, first] & h[:, second]) | (t[:, second] & h[:, first]))

    def crossing(self, first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.int64]:
        """(pairs,) in how many splits the two stand on different sides."""
        block = max(1, (1 << 24) // max(len(self.names), 1))
        parts = [
            self.facing(first[at : at + block], second[at : at + block]).sum(axis=0)
            for at in range(0, len(first), block)
        ]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)


def sides_of(patients: Sequence[str], splits: Sequence[SplitLike]) -> Sides:
    """The sides of each patient; refuses a split that names a patient the cohort does not have."""
    place = {patient: number for number, patient in enumerate(patients)}
    training, held_out = (np.zeros((len(splits), len(patients)), dtype=bool) for _ in range(2))
    for number, split in enumerate(splits):
        for ids, into, what in ((split.training, training, "training"), (split.held_out, held_out, "held out")):
            unknown = [one for one in ids if one not in place]
            if unknown:
                raise InputError(
                    f"split {split.name!r} has {len(unknown)} {what} patients that the cohort lacks "
                    f"(first: {unknown[0]!r}); give the cohort that the splits were made of"
                )
            into[number, [place[one] for one in ids]] = True
    return Sides(tuple(split.name for split in splits), tuple(patients), training, held_out)
