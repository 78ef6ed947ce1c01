"""Chance that belongs to a patient: the same draws whoever else is in the table, and in whatever order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np

__all__ = ["patient_keys", "uniform"]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def patient_keys(patients: Iterable[object], seed: int) -> np.ndarray:
    """(n,) uint64 keys of patients under a seed."""
    return np.array(
        [int.from_bytes(hashlib.sha256(f"{seed}\0{name}".encode()).digest()[:8], "big") for name in patients],
        dtype=np.uint64,
    )


def uniform(keys: np.ndarray, counter: int) -> np.ndarray:
    """(n,) draws in [0, 1): the `counter`-th number of each patient's own stream (SplitMix64).

    Reference: Steele, Lea and Flood, OOPSLA (2014) 453-472.
    """
    with np.errstate(over="ignore"):
        z = keys + np.uint64(counter + 1) * _GOLDEN
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    draws: np.ndarray = (z >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return draws
