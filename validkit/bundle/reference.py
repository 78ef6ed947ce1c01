"""Reference cases: simulated patients that travel with a model, and what it predicted for them where it was made.

They are predicted again wherever the model is applied, before any real patient: from the picture and the cells of a
table to the risk. A machine on which that comes out otherwise must not be trusted with patients.
"""

from __future__ import annotations

import csv
import io
import math
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from validkit.bundle.inputs import inputs_of
from validkit.bundle.manifest import Observed, unreadable
from validkit.bundle.parts import Model
from validkit.errors import InputError, ValidkitError
from validkit.protocol import Protocol
from validkit.sections import CohortSpec, Outcome, Predictor, Section
from validkit.store import Files, to_json

if TYPE_CHECKING:
    from validkit.bundle.reading import Locked
    from validkit.cohort import Cohort

__all__ = ["CASES", "TOLERANCE", "Reference", "make_reference", "read_reference", "replay"]

CASES = 3
TOLERANCE = 1e-6
"""largest difference of a probability, on the CPU"""
SEED = 1729
Predictions = Mapping[str, Sequence[float | None]]
"""of one completed copy: by model, of each case; None where undefined"""
NAME = "reference.json"
COLUMNS = ("validkit case", "validkit outcome", "validkit image", "validkit outline")
"""of the cases' table; no predictor is called so"""


class Reference(Section):
    """reference.json. cells : of each case's predictors, as text; predictions : by copy and model, null is NaN.

    images : whether each case has a picture and an outline, `reference.K.image.png` and `reference.K.outline.png`
    """

    images: bool
    cells: tuple[dict[str, str], ...]
    predictions: tuple[dict[str, tuple[float | None, ...]], ...]

    @property
    def files(self) -> frozenset[str]:
        """Members beside reference.json itself."""
        numbers = range(1, len(self.cells) + 1) if self.images else ()
        return frozenset(_picture(k, what) for k in numbers for what in ("image", "outline"))


def make_reference(
    model: Model, protocol: Protocol, observed: Mapping[str, Observed], *, cache: Path | None = None
) -> dict[str, bytes]:
    """The members of CASES simulated patients, and what the model predicts for them on this CPU.

    observed : what training patients had, by predictor; cells are drawn between the lowest and the highest value, or
        among the levels that occurred, and where the protocol fills in missing values the last case has some
    """
    declared = protocol.cohort.predictors
    impute = protocol.cohort.missing == "impute"
    rng = np.random.default_rng(SEED)
    cells = tuple(
        {
            name: _cell(rng, spec, observed[name], gap=impute and case == CASES - 1 and place % 2 == 1)
            for place, (name, spec) in enumerate(sorted(declared.items()))
        }
        for case in range(CASES)
    )
    pictures = _pictures() if model.kind == "plnm" else {}
    unpredicted = Reference(images=bool(pictures), cells=cells, predictions=())
    found = _predict(model, protocol, unpredicted, pictures, cache)
    return {**pictures, NAME: to_json({**unpredicted.model_dump(mode="json"), "predictions": found}).encode()}


def read_reference(members: Files, protocol: Protocol, model: Model) -> Reference | None:
    """The reference cases among the members; None where there are none. Raises InputError where they do not fit."""
    there = {name for name in members if name.startswith("reference.")}
    if not there:
        return None
    if NAME not in there:
        raise InputError(f"member {min(there)!r} is surplus: there is no {NAME}")
    try:
        found = Reference.model_validate_json(members[NAME])
    except ValidationError as error:
        raise InputError(unreadable(error)) from error
    n = len(found.cells)
    sound = (
        1 <= n <= 100
        and there == {NAME} | found.files
        and found.images == (model.kind == "plnm")
        and all(set(cells) == set(protocol.cohort.predictors) for cells in found.cells)
        and len(found.predictions) == protocol.copies
        and all(set(one) == set(model.names) for one in found.predictions)
        and all(len(values) == n for one in found.predictions for values in one.values())
    )
    if not sound:
        raise InputError(f"{NAME} does not fit the bundle's other members")
    return found


def replay(locked: Locked, file: Path) -> float | None:
    """Largest difference between what is predicted here, on the CPU, and what was where the bundle was made.

    None for a bundle without reference cases. Raises InputError where it is above TOLERANCE.
    """
    reference = locked.reference
    if reference is None:
        return None
    try:
        here = _predict(locked.model, locked.protocol, reference, locked.pictures, None)
    except (ValidkitError, ValueError, RuntimeError) as error:
        raise InputError(f"{file}: its reference cases cannot be predicted here: {error}; {_why(locked)}") from error
    worst, where = _furthest(here, reference.predictions)
    if worst > TOLERANCE:
        raise InputError(
            f"{file}: a reference case is predicted otherwise here than where the bundle was made ({where}; at most "
            f"{TOLERANCE:g} may lie between), so no patient is predicted; {_why(locked)}"
        )
    return worst


def _furthest(here: Sequence[Predictions], there: Sequence[Predictions]) -> tuple[float, str]:
    """The largest difference, and where it is in words; infinite where one of the two is undefined."""
    worst, where = 0.0, ""
    for copy, (ours, theirs) in enumerate(zip(here, there, strict=True), start=1):
        for name, values in theirs.items():
            for case, (one, other) in enumerate(zip(ours[name], values, strict=True), start=1):
                off = 0.0 if one == other else math.inf if one is None or other is None else abs(one - other)
                if off > worst:
                    which = f", copy {copy}" if len(here) > 1 else ""
                    worst, where = off, f"{name!r}, case {case}{which}: {_shown(other)} there, {_shown(one)} here"
    return worst, where


def _why(locked: Locked) -> str:
    if not locked.differing:
        return "every package has the version it was made with: ask its makers, and name this machine's processor"
    return f"install the versions it was made with; other ones here: {'; '.join(locked.differing)}"


def _shown(value: float | None) -> str:
    return "nothing" if value is None else f"{value:.9g}"


# --- a case's cells and pictures -------------------------------------------------------------------


def _cell(rng: np.random.Generator, spec: Predictor, seen: Observed, *, gap: bool) -> str:
    low, high, place = seen.low, seen.high, rng.random()
    if gap or (low is None and not seen.levels):
        return ""
    if seen.levels:
        return seen.levels[int(place * len(seen.levels))]
    assert low is not None
    high = low if high is None else high
    if spec.kind == "continuous":
        return f"{low + place * (high - low):.6g}" if low < high else repr(low)
    code = int(low + round(place * (high - low)))
    return spec.levels[code] if spec.kind == "ordinal" else str(code)


def _pictures() -> dict[str, bytes]:
    from validkit.cohort.phantom import draw_pictures

    found: dict[str, bytes] = {}
    for number, (image, outline) in enumerate(draw_pictures(CASES, seed=SEED), start=1):
        found |= {_picture(number, "image"): _png(image), _picture(number, "outline"): _png(outline)}
    return found


def _picture(number: int, what: str) -> str:
    return f"reference.{number}.{what}.png"


def _png(pixels: np.ndarray) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", optimize=False, compress_level=6)
    return buffer.getvalue()


# --- the cases as a cohort, and their predictions --------------------------------------------------


def _predict(
    model: Model, protocol: Protocol, reference: Reference, pictures: Files, cache: Path | None
) -> list[dict[str, list[float | None]]]:
    """By copy and model; the cases are written down, read, measured and predicted as any cohort is."""
    with tempfile.TemporaryDirectory(prefix="validkit-reference-") as name:
        data, spec = _cohort(Path(name), protocol, reference, pictures)
        measured = cache or Path(name) / "cache"
        inputs = inputs_of(model, protocol, data, spec, together=np.arange(len(data)), cache=measured)
        tables = [model.predict(inputs, copy) for copy in range(1, protocol.copies + 1)]
    return [{str(column): _values(table[column]) for column in table} for table in tables]


def _values(column: pd.Series) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in column.tolist()]


def _cohort(folder: Path, protocol: Protocol, reference: Reference, pictures: Files) -> tuple[Cohort, CohortSpec]:
    from validkit.cohort import read_cohort

    case, outcome, image, outline = COLUMNS
    declared = protocol.cohort
    here = {"column": "", "column_unit": "", "codes": {}, "absent": False}
    spec = CohortSpec(
        kind="images" if reference.images else "table",
        patient=case,
        outcome=Outcome(column=outcome),
        image=image,
        outlines={"primary": outline} if reference.images else {},
        mask_alignment="index" if reference.images else None,
        border="allow",
        missing="impute" if declared.missing == "impute" else "refuse",
        predictors={name: one.model_copy(update=here) for name, one in declared.predictors.items()},
    )
    for name, data in pictures.items():
        (folder / name).write_bytes(data)
    rows: list[Sequence[Any]] = [[*COLUMNS[: 4 if reference.images else 2], *declared.predictors]]
    for number, cells in enumerate(reference.cells, start=1):
        files = [_picture(number, "image"), _picture(number, "outline")] if reference.images else []
        rows.append([f"case {number}", number % 2, *files, *(cells[name] for name in declared.predictors)])
    with (folder / "cohort.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return read_cohort(folder, spec), spec
