"""A locked model as a centre has updated it: a new bundle, with everything that its parent held and its lineage."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from validkit.bundle.archive import unpack
from validkit.bundle.case_mix import CaseMix
from validkit.bundle.facts import Facts
from validkit.bundle.lineage import NAME, Lineage, Step
from validkit.bundle.manifest import Manifest
from validkit.bundle.reading import Locked
from validkit.bundle.writing import write_bundle

__all__ = ["JUDGED_ON", "write_updated"]

JUDGED_ON = "cross-fitted"
"""the patients on whom an updated model's performance was measured: none had a part in the update that judged them"""


def write_updated(
    out: Path,
    parent: Path,
    locked: Locked,
    step: Step,
    *,
    performance: Mapping[str, Any],
    threshold: float | None,
    case_mix: CaseMix,
    allow_training_rows: bool = False,
    cache: Path | None = None,
) -> Path:
    """Write the bundle of the model that `step` updates, whole or not at all.

    parent : the file that `locked` was read from; performance : of the updated model at the updating centre
    threshold : operating threshold of updated risks, None for none; case_mix : of the updating centre's patients
    Raises InputError where the model has several imputed copies, or rows of patients would travel unasked.
    """
    told = locked.manifest
    files = {
        name: data
        for name, data in unpack(parent).items()
        if name in told.members and name not in ("protocol.json", NAME) and not name.startswith("reference.")
    }
    files[NAME] = Lineage(steps=(*locked.updates, step)).bytes
    return write_bundle(
        out,
        files,
        locked.protocol,
        _facts(told, step, performance, threshold),
        allow_training_rows=allow_training_rows,
        reference=True,
        cache=cache,
        case_mix=lambda _: case_mix,
    )


def _facts(told: Manifest, step: Step, performance: Mapping[str, Any], threshold: float | None) -> Facts:
    own = next(one for one in told.models if one.name == step.model)
    label = own.label if told.updates else f"{own.label} (updated)"
    others = {one.name: "was not updated" for one in told.models if one.name != step.model}
    return Facts(
        cohort=told.cohort,
        synthetic=told.synthetic or step.synthetic,
        training=told.training,
        predictors={name: one.observed for name, one in told.predictors.items()},
        images=told.images.observed if told.images else {},
        models=[own.model_copy(update={"label": label})],
        thresholds={} if threshold is None else {step.model: threshold},
        performance_on=JUDGED_ON,
        performance={step.model: performance},
        left_out={**told.left_out, **others},
    )
