"""The features of a whole cohort: in parallel, each lesion measured once and kept by content."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from validkit.engine import Reporter, Silent, map_tasks
from validkit.errors import InputError
from validkit.plnm.radiomics.cache import FeatureCache, content_key, settings_digest, versions
from validkit.plnm.radiomics.extraction import Measured, measure
from validkit.plnm.radiomics.lesions import Lesion, Load, decode, located, read_files
from validkit.plnm.radiomics.presets import binning, feature_names, preset_named, split_name


@dataclass(frozen=True)
class Undefined:
    """Features that have no value for a lesion, and what PyRadiomics said about it."""

    patient: str
    role: str
    features: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Extraction:
    """The features of a cohort.

    features : role -> table, one row a patient, one float64 column a feature; NaN where undefined
    extracted, cached : lesions measured now, and taken from the cache
    guarded : patients whose 8-bit lesion would have overflowed in PyRadiomics' own binning
    undefined : every lesion with a NaN
    notices : what deserves a line in the report
    seconds : wall-clock time
    """

    preset: str
    features: dict[str, pd.DataFrame]
    extracted: int
    cached: int
    guarded: tuple[str, ...]
    undefined: tuple[Undefined, ...] = ()
    notices: tuple[str, ...] = ()
    seconds: float = 0.0
    versions: dict[str, str] = field(default_factory=dict)

    def record(self, screen: Any = None) -> dict[str, Any]:
        """What `stages/radiomics.json` holds; `screen` is a `FeatureScreen` or None."""
        names = feature_names(self.preset)
        return {
            "preset": self.preset,
            "n_features": len(names),
            "n_patients": len({patient for table in self.features.values() for patient in table.index}),
            "roles": {role: len(table) for role, table in self.features.items()},
            "by_class": dict(Counter(split_name(name)[1] for name in names)),
            "by_image_type": dict(Counter(split_name(name)[0] for name in names)),
            "guarded": {
                "n": len(self.guarded),
                "reason": "8-bit lesions whose binning would have overflowed; measured in floating point instead",
                "patients": list(self.guarded),
            },
            "undefined": [
                {"patient": u.patient, "role": u.role, "features": list(u.features), "reason": u.reason}
                for u in self.undefined
            ],
            "screen": screen.to_dict() if screen is not None else None,
            "extracted": self.extracted,
            "cached": self.cached,
            "versions": self.versions,
        }


@dataclass(frozen=True)
class _Task:
    """What one worker needs besides the lesion."""

    preset: str
    bin_width: float | None
    bin_count: int | None
    settings: str
    cache: FeatureCache
    load: Load


@dataclass(frozen=True)
class _Outcome:
    measured: Measured
    cached: bool
    damaged: bool
    guarded: bool


def extract_cohort(
    lesions: Sequence[Lesion],
    *,
    preset: str,
    bin_width: float | None = None,
    bin_count: int | None = None,
    cache: Path | None = None,
    engine: str = "sequential",
    reporter: Reporter | None = None,
    load: Load = read_files,
) -> Extraction:
    """The features of every lesion, measured in parallel or taken from the cache.

    lesions : one per patient and role; the tables keep their order
    preset, bin_width, bin_count : as in `extract`
    cache : folder of kept measurements (see `default_cache`), None keeps nothing. Each measurement is written as soon
        as it is there, so work that is killed loses only what was in flight
    engine : "sequential", "loky" or "loky:N"; the result does not depend on it
    load : what reads a lesion's files to (pixels, mask, spacing); picklable for loky
    Raises InputError or StageError naming the patient and the outline.
    """
    start = time.perf_counter()
    reporter = reporter or Silent()
    chosen = preset_named(preset)
    lesions = _distinct(lesions)
    store = FeatureCache(Path(cache) if cache is not None else None)
    store.prepare()
    task = _Task(preset, bin_width, bin_count, settings_digest(chosen, bin_width, bin_count), store, load)
    outcomes = _leading_hits(task, lesions)
    if outcomes:
        reporter.say(f"radiomics features of {len(outcomes)} of {len(lesions)} lesions from the cache")
    outcomes += map_tasks(
        partial(_measure_one, task),
        lesions[len(outcomes) :],
        engine=engine,
        label="radiomics features",
        reporter=reporter,
    )
    damaged = sum(outcome.damaged for outcome in outcomes)
    notices = [f"{damaged} damaged file(s) in the feature cache were ignored and measured again"] if damaged else []
    undefined = _undefined(lesions, outcomes, preset)
    if undefined:
        most = max(undefined, key=lambda u: len(u.features))
        notices.append(
            f"{len(undefined)} lesion(s) have undefined features (most: patient {most.patient!r}, {len(most.features)})"
        )
    return Extraction(
        preset=preset,
        features=_tables(lesions, outcomes, preset),
        extracted=sum(not outcome.cached for outcome in outcomes),
        cached=sum(outcome.cached for outcome in outcomes),
        guarded=tuple(dict.fromkeys(lesion.patient for lesion, o in zip(lesions, outcomes, strict=True) if o.guarded)),
        undefined=undefined,
        notices=tuple(notices),
        seconds=time.perf_counter() - start,
        versions=versions(),
    )


def would_overflow(pixels: NDArray[np.float64], mask: NDArray[np.bool_], bin_width: float | None) -> bool:
    """True where PyRadiomics would have binned this lesion wrongly in 8 bits: maximum + 2 x bin width over 255.

    bin_width : None under a fixed number of bins, where nothing overflows
    """
    if bin_width is None or pixels.min() < 0 or pixels.max() > 255 or (pixels != np.rint(pixels)).any():
        return False
    return bool(pixels[mask].max() + 2 * bin_width > 255)


def _distinct(lesions: Sequence[Lesion]) -> list[Lesion]:
    seen: set[tuple[str, str]] = set()
    for lesion in lesions:
        if (lesion.patient, lesion.role) in seen:
            raise InputError(f"`lesions` has patient {lesion.patient!r} twice under the outline {lesion.role!r}")
        seen.add((lesion.patient, lesion.role))
    if not seen:
        raise InputError("`lesions` is empty: nothing to measure")
    return list(lesions)


def _leading_hits(task: _Task, lesions: Sequence[Lesion]) -> list[_Outcome]:
    """The lesions from the first on that the cache holds; a cohort that it holds whole needs no workers at all."""
    hits: list[_Outcome] = []
    if task.cache.folder is None:
        return hits
    with threadpool_limits(1):
        for lesion in lesions:
            outcome = _measure_one(task, lesion, only_cached=True)
            if outcome is None:
                break
            hits.append(outcome)
    return hits


def _measure_one(task: _Task, lesion: Lesion, only_cached: bool = False) -> Any:
    """The lesion's `_Outcome`; None where `only_cached` and the cache does not hold it."""
    pixels, mask, spacing = decode(lesion, task.load)
    key = content_key(task.settings, pixels, mask, spacing)
    count = len(feature_names(task.preset))
    if only_cached and task.cache.get(key, count).measured is None:
        return None
    compute = partial(
        measure,
        pixels,
        mask,
        preset=preset_named(task.preset),
        bin_width=task.bin_width,
        bin_count=task.bin_count,
        spacing=spacing,
    )
    with located(lesion):
        measured, found = task.cache.remember(key, count, compute)
    general = binning(preset_named(task.preset), task.bin_width, task.bin_count)[""]
    width = None if general["binCount"] else general["binWidth"]
    return _Outcome(measured, found.measured is not None, found.damaged, would_overflow(pixels, mask, width))


def _tables(lesions: Sequence[Lesion], outcomes: Sequence[_Outcome], preset: str) -> dict[str, pd.DataFrame]:
    columns = pd.Index(feature_names(preset))
    tables = {}
    for role in dict.fromkeys(lesion.role for lesion in lesions):
        rows = [i for i, lesion in enumerate(lesions) if lesion.role == role]
        index = pd.Index([lesions[i].patient for i in rows], name="patient", dtype="str")
        tables[role] = pd.DataFrame(np.array([outcomes[i].measured.values for i in rows]), index=index, columns=columns)
    return tables


def _undefined(lesions: Sequence[Lesion], outcomes: Sequence[_Outcome], preset: str) -> tuple[Undefined, ...]:
    found = []
    for lesion, outcome in zip(lesions, outcomes, strict=True):
        lost = np.isnan(outcome.measured.values)
        if lost.any():
            names = tuple(np.array(feature_names(preset), dtype=object)[lost])
            reason = "; ".join(outcome.measured.messages) or "the feature's formula has no finite value here"
            found.append(Undefined(lesion.patient, lesion.role, names, reason))
    return tuple(found)
