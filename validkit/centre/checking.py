"""How a new centre's patients differ from those of development: what is used as it is, and what would be unsafe."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from validkit.bundle import Locked
from validkit.bundle.manifest import Observed
from validkit.centre.units import likely_factor, span_of
from validkit.errors import InputError
from validkit.sections import CohortSpec
from validkit.wording import nearest

if TYPE_CHECKING:
    from validkit.cohort import Cohort

__all__ = ["Check", "check_centre", "refuse_unsafe"]

NAMED = 5
"""patients that a finding names"""
USED = "used as it is"


@dataclass(frozen=True)
class Check:
    """code : such as "range:age"; finding, action : in words; unsafe : nothing is predicted unless it is accepted."""

    code: str
    finding: str
    action: str = USED
    unsafe: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.finding}: {self.action}"


def check_centre(locked: Locked, data: Cohort, spec: CohortSpec) -> list[Check]:
    """Everything in which this centre's patients lie outside what the model was developed on.

    spec : by which they were read, so that units are converted and codes translated already
    """
    return [*_model(locked, data), *_predictors(locked, data, spec), *_images(locked, data)]


def refuse_unsafe(checks: Collection[Check], accepted: Collection[str]) -> list[Check]:
    """The checks, those that somebody accepted marked so; an InputError that lists the unsafe ones among the others."""
    codes = {one.code for one in checks}
    for code in accepted:
        if code not in codes:
            raise InputError(
                f"model.accept names {code!r}, which is no finding here{nearest(code, sorted(codes))}; remove it"
            )
    unsafe = [one for one in checks if one.unsafe and one.code not in accepted]
    if unsafe:
        lines = [f"  - {one.code}: {one.finding}; {one.action}" for one in unsafe]
        raise InputError(
            "\n".join(
                [
                    "nothing is predicted, as the model would be used outside what it was developed for:",
                    *lines,
                    "Correct the map or the files; where somebody has looked and found it right, "
                    f"accept = [{', '.join(repr(one.code) for one in unsafe)}] in the map "
                    "(model.accept in a protocol)",
                ]
            )
        )
    action = "accepted by this centre, and used as it is"
    return [replace(one, action=action) if one.unsafe and one.code in accepted else one for one in checks]


# --- the model and its packages --------------------------------------------------------------------


def _model(locked: Locked, data: Cohort) -> Iterator[Check]:
    if locked.differing:
        cases = locked.manifest.reference
        action = f"the {cases} reference cases come out as at home" if cases else "there are no reference cases"
        yield Check("versions", f"the bundle was made with other versions: {'; '.join(locked.differing)}", action)
    if locked.manifest.cohort == data.digest:
        text = "the bundle was developed on this very cohort"
        yield Check("same-cohort", text, "what follows is no external validation")
    if any(step.cohort == data.digest for step in locked.updates):
        text = "the bundle was updated with this very cohort"
        yield Check("same-cohort", text, "what follows is apparent, and flatters the model")
    if locked.manifest.synthetic != data.synthetic:
        there, here = (("simulated" if one else "real") for one in (locked.manifest.synthetic, data.synthetic))
        yield Check("synthetic", f"the model was developed on {there} patients, and these are {here}")


# --- clinical columns ------------------------------------------------------------------------------


def _predictors(locked: Locked, data: Cohort, spec: CohortSpec) -> Iterator[Check]:
    for name in locked.needs:
        told, column = locked.manifest.predictors[name], data.predictors[name]
        if told.kind == "continuous":
            values = column.dropna().to_numpy(np.float64)
            span = span_of(locked, name)
            factor = likely_factor(values, span)
            if factor is not None:
                own = spec.predictors[name].column or name
                yield Check(
                    f"unit:{name}",
                    f"column {own!r} does not look like {told.unit or 'at home'}: its median is "
                    f"{np.median(values):g}, and most patients at home lie in {span[0]:g} to {span[1]:g}; times "
                    f"{factor:g} it would",
                    f"say what it is measured in: unit = ... of predictors.{name} in the map",
                    unsafe=True,
                )
        yield from _beyond(f"range:{name}", f"predictor {name!r}", told.observed, column, told.levels)
        missing, lacking = told.observed.missing / max(told.observed.n, 1), float(column.isna().mean())
        if lacking > 0:
            yield Check(
                f"missing:{name}",
                f"predictor {name!r}: {int(column.isna().sum())} of {len(column)} patients have no value "
                f"({lacking:.0%} here, {missing:.0%} at home)",
                "filled in as at home, by what the model learnt there",
            )


def _beyond(code: str, what: str, told: Observed, column: pd.Series, levels: tuple[str, ...] = ()) -> Iterator[Check]:
    """Patients who lie beyond what training patients had."""
    if told.low is not None and told.high is not None and pd.api.types.is_numeric_dtype(column.dtype):
        beyond = (column < told.low) | (column > told.high)
        low, high = (levels[int(x)] if levels else f"{x:g}" for x in (told.low, told.high))
        there = low if low == high else f"{low} to {high}"
    elif told.levels:
        beyond, there = column.notna() & ~column.astype(str).isin(told.levels), ", ".join(told.levels)
    else:
        return
    if beyond.any():
        who = ", ".join(map(str, column.index[beyond][:NAMED])) + (", ..." if beyond.sum() > NAMED else "")
        finding = (
            f"{what}: {int(beyond.sum())} of {len(column)} patients lie outside what the model was developed on "
            f"({there}): {who}"
        )
        yield Check(code, finding, "predicted by extrapolation")


# --- images ----------------------------------------------------------------------------------------


def _images(locked: Locked, data: Cohort) -> Iterator[Check]:
    images, info = locked.manifest.images, data.image_info
    if images is None or info is None:
        return
    yield from _depth(images.observed, info)
    yield from _spacing(images.observed, info)
    for name, told in images.observed.items():
        if name in info and name != "bits":
            yield from _beyond(f"images:{name}", f"images' {name!r}", told, info[name])


def _depth(observed: Mapping[str, Observed], info: pd.DataFrame) -> Iterator[Check]:
    told = observed.get("bits")
    if told is None or told.low is None or "bits" not in info:
        return
    here = sorted({int(bits) for bits in info["bits"].dropna()})
    if any(not told.low <= bits <= (told.high or told.low) for bits in here):
        there = f"{told.low:g}" if told.low == told.high else f"{told.low:g} to {told.high:g}"
        yield Check(
            "images:bits",
            f"images have {' and '.join(map(str, here))} bits, at home {there}: grey-level features depend on it",
            "bring the images in the depth they had at home",
            unsafe=True,
        )


def _spacing(observed: Mapping[str, Observed], info: pd.DataFrame) -> Iterator[Check]:
    """Sizes in mm at home and in pixels here, or the other way round."""
    told = observed.get("row_mm")
    if told is None or "row_mm" not in info:
        return
    there, here = told.low is not None, bool(info["row_mm"].notna().any())
    if there != here:
        known, unknown = ("at home", "here") if there else ("here", "at home")
        yield Check(
            "images:spacing",
            f"the size of a pixel is known {known} and not {unknown}: features of size would be in other units",
            "bring images that say it, or that do not say it, as at home",
            unsafe=True,
        )
