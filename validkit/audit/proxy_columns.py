"""The columns that may predict the outcome without telling anything of the patient."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from validkit.cohort import Cohort

FEW = 8
"""a number with at most so many values is taken as categories"""


@dataclass(frozen=True, eq=False)
class ProxyColumn:
    """A column by patient; categories where `numeric` is False. `why_not` says why there is nothing to ask."""

    name: str
    values: pd.Series
    numeric: bool
    why_not: str = ""


def proxy_columns(cohort: Cohort) -> list[ProxyColumn]:
    """Every column to ask, those with one value and those that repeat an earlier one too, with the reason."""
    seen: dict[bytes, str] = {}
    out = []
    for name, raw in _raw(cohort):
        values, numeric = _typed(raw)
        coded = pd.factorize(values, sort=True, use_na_sentinel=False)[0]
        why = "every patient has the same value" if len(coded) == 0 or coded.max(initial=0) == 0 else ""
        first = seen.setdefault(coded.tobytes(), name)
        if not why and first != name:
            why = f"the same as {first}"
        out.append(ProxyColumn(name, values, numeric and int(coded.max(initial=0)) >= FEW, why))
    return out


def _raw(cohort: Cohort) -> Iterable[tuple[str, pd.Series]]:
    """Each column that the cohort has."""
    ids = pd.Index(cohort.patients)
    for role in ("site", "device", "date"):
        column = getattr(cohort, role, None)
        if column is not None:
            yield role, column.loc[ids]
    yield from _image_columns(cohort, ids)
    yield "row in the table", pd.Series(np.arange(len(ids), dtype=np.float64), index=ids)
    yield from _parts_of("patient id", pd.Series(list(ids), index=ids))
    for predictor in cohort.predictors:
        gaps = cohort.predictors[predictor].isna()
        if gaps.any():
            yield f"{predictor} is missing", gaps.map({True: "missing", False: "there"})


def _image_columns(cohort: Cohort, ids: pd.Index) -> Iterable[tuple[str, pd.Series]]:
    """What files and headers say of the images."""
    info = getattr(cohort, "image_info", None)
    if info is not None:
        info = info.loc[ids]
        yield "image width", info["width"]
        yield "image height", info["height"]
        yield "width over height", (info["width"] / info["height"]).round(3)
        for column, name in (("row_mm", "pixel spacing"), ("bits", "bits a pixel"), ("format", "image format")):
            yield name, info[column].astype(str) if column != "row_mm" else info[column]
        yield "scanner in the file", info["scanner"]
    images = getattr(cohort, "images", None)
    if images is not None:
        paths = images.loc[ids].map(PurePath)
        yield "folder of the image", paths.map(lambda path: str(path.parent))
        yield "ending of the image file", paths.map(lambda path: path.suffix)
        yield from _parts_of("image file name", paths.map(lambda path: path.stem))
    outlines = getattr(cohort, "outlines", None)
    if outlines is not None:
        for role in outlines.columns[1:]:
            yield f"outlined by {role}", outlines.loc[ids, role].notna().map({True: "yes", False: "no"})


def _parts_of(what: str, texts: pd.Series) -> Iterable[tuple[str, pd.Series]]:
    """Number, length and words of a name."""
    digits = texts.map(lambda text: re.findall(r"\d+", text))
    if digits.map(bool).any():
        longest = digits.map(lambda found: float(max(found, key=len)[:15]) if found else np.nan)
        yield f"number in the {what}", longest
    yield f"letters in the {what}", texts.map(lambda text: re.sub(r"\d+", "#", text))
    yield f"length of the {what}", texts.map(len).astype(str)


def _typed(raw: pd.Series) -> tuple[pd.Series, bool]:
    """The column as numbers, where it holds numbers or dates, else as text; and which."""
    if pd.api.types.is_datetime64_any_dtype(raw):
        return raw.astype("int64").astype(float).where(raw.notna()), True
    if pd.api.types.is_numeric_dtype(raw) and not pd.api.types.is_bool_dtype(raw):
        return raw.astype(float), True
    if raw.name == "date" or raw.map(lambda one: hasattr(one, "toordinal")).all():
        days = pd.to_datetime(raw, errors="coerce")
        if days.notna().any():
            return days.map(lambda day: float(day.toordinal()) if pd.notna(day) else np.nan), True
    return raw.map(_text), False


def _text(value: Any) -> str:
    return "(missing)" if value is None or pd.isna(value) else str(value)
