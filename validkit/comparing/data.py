"""What differs in what the runs were made of: digests, seeds, versions, device, and the patients that they share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from validkit.comparing.reading import Finished
from validkit.comparing.risks import OPEN
from validkit.plan import HELD_OUT, TRAINING

FACTS = (
    ("cohort", "cohort.name"),
    ("cohort digest", "cohort.digest"),
    ("patients", "cohort.patients"),
    ("events", "cohort.events"),
    ("simulated patients", "synthetic"),
    ("protocol digest", "protocol.digest"),
    ("seed of splits", "seeds.split"),
    ("seed of training", "seeds.torch"),
    ("device", "device.name"),
    ("machine", "device.machine"),
    ("processors", "device.threads"),
    ("engine", "engine"),
)
PREDICTIONS = "predictions digest"
OUTCOME = ("column", "event", "codes")
"""settings of cohort.outcome that say which patients have the event"""
SHOWN = 10
"""patients that are named; more are counted"""


def compare_data(runs: Sequence[Finished], outcomes: Sequence[pd.Series]) -> dict[str, Any]:
    """{same, facts, patients}: what the runs were made of.

    facts : {fact, values, same}, versions of packages only where they differ
    outcomes : of each run, as `outcomes_of` gives them
    """
    facts = [*_facts(runs), *_versions(runs)]
    return {"same": all(one["same"] for one in facts), "facts": facts, "patients": _patients(runs, outcomes)}


def _facts(runs: Sequence[Finished]) -> list[dict[str, Any]]:
    found = [_fact(words, [run.fact(path) for run in runs]) for words, path in FACTS]
    return [*found, _fact(PREDICTIONS, [run.evaluation.get("predictions_digest") for run in runs])]


def _fact(words: str, values: list[Any]) -> dict[str, Any]:
    return {"fact": words, "values": values, "same": all(value == values[0] for value in values)}


def _versions(runs: Sequence[Finished]) -> list[dict[str, Any]]:
    each = [run.fact("versions") or {} for run in runs]
    packages = dict.fromkeys(str(package) for versions in each for package in versions)
    found = [_fact(f"version of {package}", [versions.get(package) for versions in each]) for package in packages]
    return [one for one in found if not one["same"]]


# --- patients --------------------------------------------------------------------------------------


def _patients(runs: Sequence[Finished], outcomes: Sequence[pd.Series]) -> dict[str, Any]:
    """{same, runs, shared, events, pairs}: held-out patients common to all runs, only in one, and by pair."""
    held = [set(run.patients[HELD_OUT]) for run in runs]
    common = sorted(set.intersection(*held))
    each = [
        {
            "run": run.name,
            "held_out": len(own),
            "events": run.fact("cohort.held_out.events"),
            "training": len(run.patients[TRAINING]),
            **_named("only", own.difference(*(held[:k] + held[k + 1 :]))),
        }
        for k, (run, own) in enumerate(zip(runs, held, strict=True))
    ]
    pairs = [pair_patients(runs[0], run, outcomes[0], found) for run, found in zip(runs[1:], outcomes[1:], strict=True)]
    return {
        "same": all(own == held[0] for own in held),
        "runs": each,
        "shared": len(common),
        "events": _events(outcomes[0], common),
        "pairs": pairs,
    }


def pair_patients(first: Finished, other: Finished, y: pd.Series, z: pd.Series) -> dict[str, Any]:
    """{first, other, shared, events, only_first, only_other, agree, disagree, open, disagreeing} of held-out patients.

    agree, disagree, open : shared patients whose outcomes are the same, are not, or are not told by a run's records
    """
    one, two = (set(run.patients[HELD_OUT]) for run in (first, other))
    common = sorted(one & two)
    y, z = joined(first, other, y, z, common)
    untold = (y == OPEN) | (z == OPEN)
    apart = ~untold & (y != z)
    return {
        "first": first.name,
        "other": other.name,
        "shared": len(common),
        "events": _events(y, common),
        "only_first": len(one - two),
        "only_other": len(two - one),
        "agree": int((~untold & ~apart).sum()),
        "open": int(untold.sum()),
        **_named("disagree", list(y.index[apart])),
    }


def joined(
    first: Finished, other: Finished, y: pd.Series, z: pd.Series, patients: Sequence[str]
) -> tuple[pd.Series, pd.Series]:
    """Both runs' outcomes of these patients; what one leaves open is the other's where the cohorts are the same."""
    index = pd.Index(list(patients), dtype=object)
    y, z = (one.reindex(index, fill_value=OPEN) for one in (y, z))
    if same_outcomes(first, other):
        y, z = y.where(y != OPEN, z), z.where(z != OPEN, y)
    return y, z


def same_outcomes(first: Finished, other: Finished) -> bool:
    """Whether the runs read the same outcome from the same files."""
    told = [
        [run.fact("cohort.digest"), *(run.setting(f"cohort.outcome.{key}") for key in OUTCOME)]
        for run in (first, other)
    ]
    return told[0][0] is not None and told[0] == told[1]


def _events(outcome: pd.Series, patients: Sequence[str]) -> int | None:
    """Events among these patients; None where an outcome is open."""
    found = outcome.reindex(pd.Index(list(patients), dtype=object), fill_value=OPEN).to_numpy(np.int64)
    return None if (found == OPEN).any() else int(found.sum())


def _named(key: str, patients: Sequence[str] | set[str]) -> dict[str, Any]:
    """How many patients, and the first of their ids."""
    return {key: len(patients), f"{key}_ids": sorted(patients)[:SHOWN]}
