"""The whole comparison of finished runs, as one record."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from validkit import __version__, schemas
from validkit.comparing.data import compare_data
from validkit.comparing.paired import REPLICATES, compare_pairs
from validkit.comparing.reading import WANTED, Finished, read_finished, run_names
from validkit.comparing.risks import outcomes_of
from validkit.comparing.settings import compare_protocols
from validkit.comparing.side_by_side import compare_numbers
from validkit.errors import InputError
from validkit.stats.results import plain


def compare_runs(folders: Sequence[Path], *, replicates: int = REPLICATES) -> dict[str, Any]:
    """What differs between finished runs, the first beside each other one, as plain JSON types.

    folders : two run folders or more; one may be given twice
    replicates : of the bootstrap, where repeated predictions are judged repeat by repeat
    Raises InputError that names the folder where one holds no run, an unfinished or a damaged one.
    """
    if len(folders) < 2:
        given = f"{str(folders[0])!r} alone" if folders else "none"
        raise InputError(f"a comparison needs two run folders or more; got {given}; {WANTED}")
    runs = [read_finished(folder, name) for folder, name in zip(folders, run_names(folders), strict=True)]
    outcomes = [outcomes_of(run) for run in runs]
    protocol, data, numbers = compare_protocols(runs), compare_data(runs, outcomes), compare_numbers(runs)
    parts = (protocol["same"], not protocol["overrides"], data["same"], data["patients"]["same"], numbers["same"])
    found: dict[str, Any] = plain(
        {
            "schema": schemas.urn("compare"),
            "validkit": __version__,
            "same": all(parts),
            "synthetic": any(bool(run.fact("synthetic")) for run in runs),
            "runs": [_run(run) for run in runs],
            "protocol": protocol,
            "data": data,
            "paired": compare_pairs(runs, outcomes, data["patients"]["pairs"], replicates=replicates),
            "numbers": numbers,
        }
    )
    return found


def _run(run: Finished) -> dict[str, Any]:
    return {
        "name": run.name,
        "folder": str(run.folder),
        "protocol": run.fact("protocol.name"),
        "question": run.fact("protocol.question"),
        "design": run.design,
        "reference": run.reference,
        "primary": run.primary,
        "models": list(run.models),
        "level": run.evaluation.get("level"),
        "validkit": run.fact("validkit"),
        "finished": run.fact("finished"),
        "synthetic": bool(run.fact("synthetic")),
    }
