"""Outcomes permuted, inputs without signal, inputs disturbed where nobody trains: what the procedure is tried on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

if TYPE_CHECKING:
    from validkit.plan import Split

FAR = 3.0
"""standard deviations by which a disturbed number strays"""


def permuted(outcome: pd.Series, splits: Sequence[Split], rng: np.random.Generator) -> pd.Series:
    """The outcomes dealt out again among patients who are on the same side.

    splits : those that will be fitted. Where each patient is held out by one of them at most, outcomes stay within its
    held-out patients, and within those whom none holds out; where splits overlap (resamples), all are dealt out
    together. Either way, whatever trains says nothing of who among the held-out patients has the event.
    """
    ids = pd.Index(outcome.index)
    side = np.zeros(len(ids), dtype=np.int64)
    held_out = [split.held_out for split in splits]
    apart = sum(map(len, held_out)) == len({patient for part in held_out for patient in part})
    if apart and not any(set(split.training) & set(split.held_out) for split in splits):
        for number, part in enumerate(held_out, start=1):
            side[ids.get_indexer(pd.Index(part))] = number
    values = outcome.to_numpy().copy()
    for number in np.unique(side):
        rows = np.flatnonzero(side == number)
        values[rows] = values[rng.permutation(rows)]
    return pd.Series(values, index=ids, name=outcome.name)


def without_signal(inputs: Any, rng: np.random.Generator) -> Any:
    """Inputs of the same kind that know nothing of the patients; no value is missing.

    Each predictor is drawn anew from its own values, one column apart from the other. Lesions (features, readings and
    crops together) are dealt out among patients at random.
    """
    table = inputs.predictors
    drawn = pd.DataFrame({name: _drawn(table[name], rng) for name in table.columns}, index=table.index)
    if not hasattr(inputs, "bank"):
        return replace(inputs, predictors=drawn)
    order = rng.permutation(len(table))
    radiomics = inputs.radiomics.iloc[order].set_axis(inputs.radiomics.index)
    repeats, bank = _read_again(inputs, radiomics), inputs.bank.take(order)
    return replace(inputs, predictors=drawn, radiomics=radiomics, repeats=repeats, bank=bank)


def _drawn(column: pd.Series, rng: np.random.Generator) -> pd.Series:
    known = column.dropna()
    if known.empty:
        return column
    return known.iloc[rng.integers(0, len(known), len(column))].set_axis(column.index)


def disturbed(inputs: Any, patients: Sequence[str], rng: np.random.Generator) -> Any:
    """The inputs with everything of these patients replaced by random values of the same kind.

    A column that lacks values lacks them for as large a share of these patients, at other places.
    """
    rows = inputs.patients.get_indexer(pd.Index(patients))
    table = inputs.predictors
    predictors = pd.DataFrame({name: _strayed(table[name], rows, rng) for name in table.columns}, index=table.index)
    if not hasattr(inputs, "bank"):
        return replace(inputs, predictors=predictors)
    radiomics = _far(inputs.radiomics, rows, rng)
    images = inputs.bank.images.copy(order="K")  # networks tell layouts in memory apart, by rounding
    images[rows] = rng.integers(0, 256, images[rows].shape, dtype=np.uint8)
    bank, repeats = replace(inputs.bank, images=images), _read_again(inputs, radiomics)
    return replace(inputs, predictors=predictors, radiomics=radiomics, repeats=repeats, bank=bank)


def _read_again(inputs: Any, radiomics: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Repeated readings of other features, with the readers' own differences; who kept theirs keep their readings."""
    found = {}
    for role, again in inputs.repeats.items():
        before, now = inputs.radiomics.loc[again.index], radiomics.loc[again.index]
        same = (before == now) | (before.isna() & now.isna())
        found[role] = again.where(same, now + (again - before))
    return found


def _strayed(column: pd.Series, rows: NDArray[np.intp], rng: np.random.Generator) -> pd.Series:
    """A column with other values in these rows; whole numbers and categories come from its own values."""
    known = column.dropna()
    if known.empty or not rows.size:
        return column
    found = column.copy()
    few = isinstance(column.dtype, pd.CategoricalDtype) or bool((known == known.round()).all())
    if few:
        kinds = known.unique()
        found.iloc[rows] = kinds[rng.integers(0, len(kinds), rows.size)]
    else:
        found.iloc[rows] = rng.normal(known.mean(), FAR * (known.std(ddof=0) or 1.0), rows.size)
    gone = rng.random(rows.size) < column.isna().mean()
    found.iloc[rows[gone]] = np.nan
    return found


def _far(table: pd.DataFrame, rows: NDArray[np.intp], rng: np.random.Generator) -> pd.DataFrame:
    values = table.to_numpy(dtype=np.float64).copy()
    with np.errstate(invalid="ignore"):
        centre, spread = np.nan_to_num(np.nanmean(values, axis=0)), np.nan_to_num(np.nanstd(values, axis=0))
    values[rows] = centre + FAR * spread * rng.standard_normal((rows.size, values.shape[1]))
    return pd.DataFrame(values, index=table.index, columns=table.columns)
