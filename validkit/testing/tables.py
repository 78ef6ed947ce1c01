"""Clinical tables as centres keep them: patients, a binary outcome, predictors of every kind, gaps and oddities.

A row is one short byte string, so that shrinking drops whole patients; the simplest value of every cell comes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from numpy.typing import NDArray

from validkit.errors import InputError
from validkit.testing.readers import AGREEMENTS, reader_features

__all__ = [
    "AGREEMENTS",
    "KINDS",
    "MECHANISMS",
    "ODD_COLUMNS",
    "ODD_NAMES",
    "VARIABLES",
    "Variable",
    "clinical_tables",
    "reader_features",
]

Kind = Literal["continuous", "count", "ordinal", "categorical", "binary"]
Bytes = NDArray[np.uint8]

KINDS: tuple[Kind, ...] = get_args(Kind)
MECHANISMS = ("none", "completely at random", "dependent")
"""why values are missing: nowhere; everywhere alike; more often where the first predictor is above its median"""
ODD_COLUMNS = ("constant", "empty", "copy", "separating", "huge", "text among numbers")
"""hostile columns: one value; none; the first predictor again; the outcome; near 1e300; a word in a numeric column"""
ODD_NAMES = (
    "all",
    " leading space",
    "size (mm)",
    "größe_mm",
    "年龄",
    "🩺",
    "it's",
    'say "ah"',
    "a,b",
    "x;y",
    "C(z)",
    "two\nlines",
    "0",
    "",
)
RATES = (0.1, 0.3, 0.6, 0.9)


class Variable(NamedTuple):
    """A clinical variable: numbers from `low` to `high` in `unit`, or `levels` in order."""

    name: str
    kind: Kind
    low: int = 0
    high: int = 1
    unit: str = ""
    levels: tuple[str, ...] = ()

    def role(self) -> dict[str, Any]:
        """Its entry under `[cohort.predictors]`."""
        if self.levels:
            return {"kind": self.kind, "levels": list(self.levels)}
        if self.kind == "binary":
            return {"kind": "binary"}
        return {"kind": "continuous", "unit": self.unit, "range": [float(self.low), float(self.high)]}


VARIABLES = (
    Variable("age_years", "continuous", 18, 90, "years"),
    Variable("max_diameter_mm", "continuous", 5, 80, "mm"),
    Variable("scc_ng_ml", "continuous", 0, 50, "ng/mL"),
    Variable("crp_mg_l", "continuous", 0, 200, "mg/L"),
    Variable("births", "count", 0, 8),
    Variable("nodes_n", "count", 0, 30),
    Variable("figo_stage", "ordinal", levels=("I", "II", "III", "IV")),
    Variable("grade", "ordinal", levels=("1", "2", "3")),
    Variable("histology", "categorical", levels=("squamous", "adeno", "other")),
    Variable("blood_group", "categorical", levels=("0", "A", "B", "AB")),
    Variable("smoker", "binary"),
    Variable("hpv_positive", "binary"),
)


def clinical_tables(
    *,
    rows: tuple[int, int] = (2, 60),
    predictors: tuple[int, int] = (1, 6),
    kinds: Sequence[Kind] = KINDS,
    missing: bool = True,
    sites: tuple[int, int] = (0, 4),
    both_classes: bool = True,
    hostile: bool = False,
) -> st.SearchStrategy[pd.DataFrame]:
    """Tables with the columns patient_id, outcome, site (where there are sites) and the predictors.

    rows : fewest and most patients; most tables are small, so raise the first where a law needs patients
    predictors : fewest and most of `VARIABLES`, of these `kinds`
    missing : whether predictors may lack values; at least one value of each is there
    sites : fewest and most sites; 0 leaves the column out
    both_classes : whether each outcome, 0 and 1, occurs
    hostile : one of `ODD_COLUMNS` more, and any of `ODD_NAMES` in place of the predictors' names

    outcome is int64; continuous columns are float64 with one decimal, often with ties; counts and binary columns are
    int64, or float64 where values are missing; ordinal columns are ordered and categorical ones unordered Categoricals.
    `attrs` holds "variables" (column -> Variable), "mechanism" (one of `MECHANISMS`) and "odd" (the hostile column).
    Raises InputError where a range is impossible.
    """
    known = [one for one in VARIABLES if one.kind in kinds]
    check_range("rows", rows, 2 if both_classes else 1)
    check_range("predictors", predictors, 1, len(known))
    check_range("sites", sites, 0, 26)
    return _tables(rows, predictors, known, missing, sites, both_classes, hostile)


def check_range(name: str, given: tuple[int, int], least: int, most: int | None = None) -> None:
    """InputError unless least <= low <= high <= most."""
    low, high = given
    if not least <= low <= high or (most is not None and high > most):
        end = "" if most is None else f" and at most {most}"
        raise InputError(f"`{name}` must be (low, high) with low <= high, at least {least}{end}; got {given!r}")


@st.composite
def _tables(
    draw: st.DrawFn,
    rows: tuple[int, int],
    predictors: tuple[int, int],
    known: Sequence[Variable],
    missing: bool,
    sites: tuple[int, int],
    both_classes: bool,
    hostile: bool,
) -> pd.DataFrame:
    low, high = predictors
    chosen = draw(st.lists(st.sampled_from(known), min_size=low, max_size=high, unique=True))
    mechanism = draw(st.sampled_from(_mechanisms(len(chosen)) if missing else MECHANISMS[:1]))
    rate, step = draw(st.sampled_from(RATES)), draw(st.sampled_from((1, 32, 128)))
    n_sites = draw(st.integers(*sites))
    width = 2 + 2 * high
    patients = draw(st.lists(st.binary(min_size=width, max_size=width), min_size=rows[0], max_size=rows[1]))
    cells = np.frombuffer(b"".join(patients), np.uint8).reshape(len(patients), width)
    absent = _absent(cells[:, 2 + high :], mechanism, rate, cells[:, 2])
    columns: dict[str, Any] = {
        "patient_id": [f"P{row:03d}" for row in range(1, len(cells) + 1)],
        "outcome": _outcome(cells[:, 0], both_classes),
    }
    if n_sites:
        columns["site"] = [chr(ord("A") + code) for code in cells[:, 1] % n_sites]
    for place, variable in enumerate(chosen):
        columns[variable.name] = _column(variable, cells[:, 2 + place], absent[:, place], step)
    table = pd.DataFrame(columns)
    table.attrs = {"variables": {one.name: one for one in chosen}, "mechanism": mechanism, "odd": ""}
    return _oddities(draw, table) if hostile else table


def _mechanisms(predictors: int) -> tuple[str, ...]:
    return MECHANISMS if predictors > 1 else MECHANISMS[:2]


def _outcome(cells: Bytes, both_classes: bool) -> NDArray[np.int64]:
    outcome = (cells % 2).astype(np.int64)
    if both_classes and outcome.min() == outcome.max():
        outcome[-1] = 1 - outcome[-1]
    return outcome


def _absent(cells: Bytes, mechanism: str, rate: float, driver: Bytes) -> NDArray[np.bool_]:
    """Which values are missing; where all of a column would be, the first is there."""
    chance = np.zeros(cells.shape)
    if mechanism == "completely at random":
        chance[:] = rate
    elif mechanism == "dependent":
        chance[:, 1:] = np.where(driver > np.median(driver), rate, rate / 4)[:, None]
    absent: NDArray[np.bool_] = cells >= np.ceil(256 * (1 - chance))
    absent[0, absent.all(axis=0)] = False
    return absent


def _column(variable: Variable, cells: Bytes, absent: NDArray[np.bool_], step: int) -> pd.Series:
    """One predictor. step : width of a bin of byte values that become one number, so that ties occur."""
    if variable.levels:
        codes = np.where(absent, -1, cells.astype(np.int64) % len(variable.levels))
        ordered = variable.kind == "ordinal"
        return pd.Series(pd.Categorical.from_codes(codes, pd.Index(variable.levels), ordered=ordered))
    low, high = variable.low, variable.high
    if variable.kind == "continuous":
        share = (cells - cells % step) / 256
        return pd.Series(np.round(low + (high - low) * share, 1)).mask(absent)
    return pd.Series(low + cells.astype(np.int64) % (high - low + 1)).mask(absent)


def _oddities(draw: st.DrawFn, table: pd.DataFrame) -> pd.DataFrame:
    """The table with one hostile column more and with odd names."""
    odd, attrs = draw(st.sampled_from(ODD_COLUMNS)), table.attrs
    first = next(iter(attrs["variables"]))
    number = pd.Series(np.arange(len(table), dtype=float))
    column: Any = {
        "constant": 1.0,
        "empty": np.nan,
        "copy": table[first],
        "separating": table["outcome"].astype(float),
        "huge": 1e300 * (1 + number / len(table)),
        "text among numbers": number.astype(object).where(number > 0, "see letter"),
    }[odd]
    table = table.assign(**{odd.replace(" ", "_"): column})
    renamed: dict[str, str] = {}
    for own in (*attrs["variables"], table.columns[-1]):
        name = draw(st.sampled_from((own, *ODD_NAMES)))
        renamed[own] = own if name in renamed.values() else name
    table = table.rename(columns=renamed)
    variables = {renamed.get(name, name): one for name, one in attrs["variables"].items()}
    table.attrs = {**attrs, "variables": variables, "odd": odd}
    return table
