"""The protocol of an external validation, from a bundle and a centre's map: `external`, with the centre's [cohort]."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import tomli_w

from validkit.bundle import Locked
from validkit.centre.mapping import CentreMap, cohort_section
from validkit.protocol import source_of

__all__ = ["centre_protocol"]

DECLARED = "external"
"""the shipped protocol whose [design] and [evaluation] hold"""


def centre_protocol(bundle: Path, locked: Locked, centre: CentreMap) -> str:
    """Its text, as TOML, for `validkit.protocol.parse_protocol`."""
    document = tomllib.loads(source_of(DECLARED))
    told = locked.manifest
    document["protocol"] |= {
        "question": f"How well does the locked model {told.protocol.name!r} predict at this centre?",
        "note": f"Made from the bundle {locked.digest} and the centre's map; nothing is fitted.",
    }
    document["cohort"] = cohort_section(locked, centre)
    document["model"] = {"kind": "bundle", "file": bundle.as_posix(), "sha256": locked.digest}
    if document["cohort"]["missing"] == "impute":
        document["imputation"] = locked.protocol.imputation.model_dump(mode="json")
    if centre.accept:
        document["model"]["accept"] = list(centre.accept)
    evaluation: dict[str, Any] = document["evaluation"]
    names = [one.name for one in told.models]
    reference = locked.protocol.evaluation.compare.reference
    evaluation["compare"]["reference"] = reference if reference in names else names[-1]
    return tomli_w.dumps(document)
