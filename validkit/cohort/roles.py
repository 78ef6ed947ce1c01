"""Which column of the table has which role, and the ids and names in them."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from validkit.cohort.columns import Findings
from validkit.cohort.faults import Fault
from validkit.cohort.groups import folded
from validkit.cohort.table import RawTable, cells, is_missing, nearest
from validkit.errors import InputError
from validkit.sections import CohortSpec

SHOWN = 30
"""Most column names of a header that a message lists."""


def declared(spec: CohortSpec, extra: Sequence[str] = ()) -> list[tuple[str, str]]:
    """(column, what declares it) of every role."""
    roles = [(spec.patient, "cohort.patient"), (spec.outcome.column, "cohort.outcome.column")]
    if spec.kind == "images":
        roles.append((spec.image, "cohort.image"))
    named = ((getattr(spec, role), f"cohort.{role}") for role in ("site", "group", "date", "device"))
    roles += [(column, place) for column, place in named if column]
    roles += [(column, f"cohort.outlines.{role}") for role, column in spec.outlines.items()]
    roles += [(one.column or name, "cohort.predictors") for name, one in spec.predictors.items() if not one.absent]
    return roles + [(name, "a column of predictions") for name in extra]


def check_extra(extra: Sequence[str], spec: CohortSpec) -> tuple[str, ...]:
    """The extra columns, each once; none may be a column whose role makes no number of it."""
    roles = {column: place for column, place in declared(spec) if place != "cohort.predictors"}
    for name in extra:
        if name in roles:
            raise InputError(f"column {name!r} is {roles[name]}; it cannot hold predicted probabilities too")
    return tuple(dict.fromkeys(extra))


def missing_columns(table: RawTable, roles: Sequence[tuple[str, str]]) -> list[Fault]:
    """A fault for each declared column that the header does not have."""
    known = list(table.header)
    shown = ", ".join(known[:SHOWN]) + (f" and {len(known) - SHOWN} more" if len(known) > SHOWN else "")
    return [
        Fault(
            "column-missing",
            1,
            None,
            column,
            f"{place} declares it, the header does not have it{nearest(column, known)}",
            f"correct the protocol or the header; it has {shown}",
        )
        for column, place in roles
        if column not in table.frame
    ]


def check_ids(ids: pd.Series, spec: CohortSpec, found: Findings) -> None:
    """Every row has an id of its own; ids that spelling alone makes different are noted."""
    first: dict[str, int] = {}
    spelt: dict[str, str] = {}
    for row, patient in cells(ids):
        if not patient:
            found.fault("patient-missing", row, spec.patient, "the patient id is empty", "give every row its id")
        elif patient in first:
            found.fault(
                "patient-twice",
                row,
                spec.patient,
                f"the patient is already in row {first[patient]}",
                "keep one row a patient; further outlines go into further columns, and several lesions of a patient "
                "get ids of their own and one value in the column cohort.group",
            )
        else:
            first[patient] = row
            if (other := spelt.setdefault(folded(patient), patient)) != patient:
                found.notes.append(f"ids {other!r} and {patient!r} differ only in {_how(other, patient)}")


def check_names(column: pd.Series, found: Findings, *, one: bool) -> None:
    """Note names of sites, devices or groups that spelling alone makes different.

    one : whether they count as one (groups) or as two
    """
    spelt: dict[str, str] = {}
    for name in dict.fromkeys(column.tolist()):
        if is_missing(name):
            continue
        if (other := spelt.setdefault(folded(name), name)) != name:
            found.notes.append(
                f"column {column.name!r}: {other!r} and {name!r} differ only in {_how(other, name)} "
                f"and count as {'one' if one else 'two'}"
            )


def _how(one: str, other: str) -> str:
    return "case" if one.casefold() == other.casefold() else "spelling"
