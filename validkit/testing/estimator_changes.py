"""What a call changed in the table, the outcomes or the parameters that it was given."""

from __future__ import annotations

from typing import Any

import numpy as np

from validkit.testing.estimator_cases import Rows

__all__ = ["change", "parameters"]


def change(before: Any, after: Any, rows: Rows) -> str:
    """The first cell of an array or DataFrame that differs, by its row in the whole table; empty where none does."""
    import pandas as pd

    a, b = pd.DataFrame(before), pd.DataFrame(after)
    if a.shape != b.shape or not a.columns.equals(b.columns) or not a.index.equals(b.index):
        return f"its shape, columns or index (shape {a.shape} became {b.shape}, columns {list(b.columns)[:6]})"
    old, new = a.astype(object).to_numpy(), b.astype(object).to_numpy()
    places = np.argwhere((old != new) & ~(pd.isna(old) & pd.isna(new)))
    if places.size:
        row, column = places[0]
        return f"row {rows[row]}, column {a.columns[column]!r}: {old[row, column]!r} became {new[row, column]!r}"
    return "" if (a.dtypes == b.dtypes).all() else "the type of a column"


def parameters(estimator: Any) -> dict[str, str]:
    """Every parameter, its own and nested, as text or bytes that change with its value."""
    if not hasattr(estimator, "get_params"):
        return {}
    return {
        name: f"{value.dtype} {value.shape} {value.tobytes().hex()}" if isinstance(value, np.ndarray) else repr(value)
        for name, value in sorted(estimator.get_params(deep=True).items())
    }
