"""Predictions made elsewhere, in a model's place: nothing is fitted."""

from __future__ import annotations

import numpy as np
import pandas as pd

from validkit.errors import InputError
from validkit.sections import Predictions
from validkit.tabular.inputs import TableInputs
from validkit.wording import nearest

__all__ = ["GivenModel"]


class GivenModel:
    """Columns of the cohort's table that hold predicted risks; settings : the protocol's [model]."""

    def __init__(self, settings: Predictions) -> None:
        self.settings = settings

    def predict(self, inputs: TableInputs) -> pd.DataFrame:
        """Probability of the event, (n, models), one column a model, indexed by patient."""
        table = inputs.given
        if table is None:
            raise InputError("these inputs carry no predictions made elsewhere (`given`)")
        found = {}
        for one in self.settings.columns:
            if one.column not in table:
                known = nearest(one.column, [str(name) for name in table.columns])
                raise InputError(f"model.columns ({one.name}): the table has no column {one.column!r}{known}")
            found[one.name] = _risk(table[one.column], one.column)
        return pd.DataFrame(found, index=inputs.patients)


def _risk(column: pd.Series, name: str) -> np.ndarray:
    """Risks in [0, 1]; anything else is an error that names the first patient."""
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)
    bad = np.flatnonzero(~((values >= 0) & (values <= 1)))
    if bad.size:
        raise InputError(
            f"column {name!r} must hold risks in [0, 1]; {bad.size} of {values.size} values do not "
            f"(first: patient {column.index[bad[0]]!r}, {column.iloc[bad[0]]})"
        )
    return values
