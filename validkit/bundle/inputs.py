"""New patients as a locked model sees them: measured as its own protocol says, no outcome used."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from validkit.bundle.parts import Model
from validkit.engine import Reporter
from validkit.errors import InputError
from validkit.protocol import Protocol
from validkit.sections import CohortSpec

if TYPE_CHECKING:
    from validkit.cohort import Cohort

__all__ = ["inputs_of"]


def inputs_of(
    model: Model,
    protocol: Protocol,
    data: Cohort,
    spec: CohortSpec,
    *,
    together: np.ndarray,
    cache: Path | None = None,
    engine: str = "sequential",
    reporter: Reporter | None = None,
) -> Any:
    """`plnm.inputs.Inputs`, or `tabular.inputs.TableInputs`, of these patients.

    protocol : under which the model was fitted; spec : by which the patients were read
    together : (n,) number of the group each patient belongs to; cache : folder of measured features
    """
    if model.kind == "estimators":
        from validkit.tabular.inputs import TableInputs

        return TableInputs(data.for_models, together)
    from validkit.plnm.measuring import measure_cohort

    there = protocol.model_copy(update={"cohort": spec})
    measured = measure_cohort(
        data,
        there,
        training={},
        groups={},
        together=together,
        seed=0,
        cache=cache,
        engine=engine,
        reporter=reporter,
    )
    absent = [name for name in model.features if name not in measured.inputs.radiomics]
    if absent:
        raise InputError(
            f"the bundle needs {len(absent)} radiomic features that this version does not measure "
            f"(first: {absent[0]!r})"
        )
    return measured.inputs.restricted(model.features, {})
