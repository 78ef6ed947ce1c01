"""Names of drawn patients: one drawn again needs a name of its own."""

from __future__ import annotations

from collections.abc import Iterable


def distinct_names(patients: Iterable[str]) -> list[str]:
    """The ids in order, a repeated one numbered: the second "P1" becomes "P1#2", or the next number that is free.

    >>> distinct_names(["P1", "P2", "P1", "P1"])
    ['P1', 'P2', 'P1#2', 'P1#3']
    >>> distinct_names(["P1", "P1", "P1#2"])
    ['P1', 'P1#3', 'P1#2']
    """
    ids = list(patients)
    used, seen, names = set(ids), dict.fromkeys(ids, 0), []
    if len(used) == len(ids):
        return ids
    for name in ids:
        seen[name] += 1
        if seen[name] == 1:
            names.append(name)
            continue
        while f"{name}#{seen[name]}" in used:
            seen[name] += 1
        names.append(f"{name}#{seen[name]}")
        used.add(names[-1])
    return names
