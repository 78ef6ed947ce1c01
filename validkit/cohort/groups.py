"""Patients that belong together: no split may put one of them on each side."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def folded(text: str) -> str:
    """A name without what spelling alone makes different: case, forms of a character, runs of white space."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def connect(patients: Sequence[str], *links: pd.Series | None) -> pd.Series:
    """A label (int64, from 0 in order of first appearance) by patient; one label for those who belong together.

    Together are ids that differ only in spelling, and patients with one value in any of the links, directly or
    through others.

    links : a value for each patient, in the order of `patients`
    """
    n = len(patients)
    ties = [pd.Series([folded(patient) for patient in patients], dtype=object)]
    ties += [link for link in links if link is not None]
    ends, size = [], n
    for tie in ties:
        codes, values = pd.factorize(tie.to_numpy(dtype=object))
        ends.append(size + codes)
        size += len(values)
    starts = np.tile(np.arange(n), len(ties))
    graph = coo_array((np.ones(len(starts), np.int8), (starts, np.concatenate(ends))), shape=(size, size))
    labels = connected_components(graph, directed=False)[1][:n]
    index = pd.Index(list(patients), dtype="str", name="patient")
    return pd.Series(pd.factorize(labels)[0].astype(np.int64), index=index, name="group")


def describe_groups(groups: pd.Series, ways: Sequence[str]) -> list[str]:
    """A note where somebody belongs together with somebody else.

    ways : what may connect patients, in words
    """
    sizes = groups.value_counts()
    several = sizes[sizes > 1]
    if several.empty:
        return []
    return [
        f"groups: {int(several.sum())} of {len(groups)} patients belong to {len(several)} groups of more than one "
        f"(by {', '.join(ways)}); no split separates them"
    ]
