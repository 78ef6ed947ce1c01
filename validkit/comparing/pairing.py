"""Whether two runs can be compared patient by patient, on which patients, and what a reader must know of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from validkit.comparing.reading import Finished
from validkit.comparing.risks import risks_of
from validkit.evaluate.tables import Repeated

AVERAGE = "average"
LEVEL = 0.95
CLUSTERED = (
    "some patients belong together (cohort.group, or equal images), a run folder does not tell which, and the "
    "intervals ignore it: they may be too narrow"
)
IMPUTED = (
    "a patient's risk is the mean over imputed copies: what imputation adds to the uncertainty is not in the intervals"
)
READ_BACK = "outcomes were read back from the ROC curves that the runs keep, for a run folder lists none"


@dataclass(frozen=True, eq=False)
class Pair:
    """Two runs and the patients that both held out, with their outcomes y (n,)."""

    first: Finished
    other: Finished
    patients: pd.Index
    y: np.ndarray

    @property
    def level(self) -> float:
        """The level of intervals that the first run declares."""
        return level_of(self.first)

    @property
    def thresholds(self) -> list[float]:
        """The thresholds that both protocols declare."""
        one, two = map(declared_thresholds, (self.first, self.other))
        return [value for value in one if value in two]


@dataclass(frozen=True, eq=False)
class Risks:
    """Two models' risks of the same patients, p and q (repeats, n); one repeat where each patient's mean is judged.

    combine : how repeats are judged; note : what was done to them
    """

    p: np.ndarray
    q: np.ndarray
    combine: str = AVERAGE
    note: str = ""


def level_of(run: Finished) -> float:
    """The level of a run's intervals."""
    return float(run.evaluation.get("level") or LEVEL)


def declared_thresholds(run: Finished) -> list[float]:
    """The operating threshold where the protocol fixes it, then the others that it names."""
    fixed = run.setting("evaluation.thresholds.value")
    also = run.setting("evaluation.thresholds.also") or ()
    return list(dict.fromkeys(float(value) for value in (fixed, *also) if value is not None))


def unpaired(first: Finished, other: Finished, counted: Mapping[str, Any]) -> str:
    """Why two runs cannot be compared patient by patient; "" where they can.

    counted : their shared patients, as `validkit.comparing.data.pair_patients` gives them
    """
    for run in (first, other):
        if run.design == "bootstrap":
            return (
                f"{run.name} judges by resampling: its figures are corrected for optimism, and no patient has a risk "
                "predicted by the model that would be used, without having been among those it was fitted to"
            )
    shared = counted["shared"]
    if not shared:
        return "no patient was held out in both runs"
    if counted["disagree"]:
        more = counted["disagree"] - len(counted["disagree_ids"])
        named = ", ".join(counted["disagree_ids"]) + (f" and {more} more" if more else "")
        return (
            f"the outcomes of {counted['disagree']} of {shared} shared patients disagree ({named}): they are other "
            "patients of the same ids, or their outcome was changed"
        )
    if counted["open"]:
        return (
            f"the outcomes of {counted['open']} of {shared} shared patients are not told by the records: a run folder "
            "lists none, and its ROC curves leave open those whose risks are tied"
        )
    return ""


def notes_of(pair: Pair, counted: Mapping[str, Any]) -> list[str]:
    """What a reader must know of the differences between two runs."""
    runs = (pair.first, pair.other)
    found = [READ_BACK]
    if counted["only_first"] or counted["only_other"]:
        found.append(
            f"only the {counted['shared']} patients held out in both are compared: {counted['only_first']} more were "
            f"held out in {pair.first.name} alone, {counted['only_other']} in {pair.other.name} alone"
        )
    if any(run.predictions["imputation"].nunique() > 1 for run in runs):
        found.append(IMPUTED)
    if any(run.setting("cohort.group") or run.setting("cohort.duplicates") == "allow" for run in runs):
        found.append(CLUSTERED)
    if level_of(pair.first) != level_of(pair.other):
        levels = " and ".join(f"{level_of(run):g}" for run in runs)
        found.append(f"the runs declare intervals of {levels}; here they are of {pair.level:g}")
    if not pair.thresholds:
        said = "; ".join(", ".join(f"{t:g}" for t in declared_thresholds(run)) or "none" for run in runs)
        found.append(f"no net benefit is compared, for the protocols declare no threshold in common ({said})")
    looked = [run.name for run in runs if run.fact("looks")]
    return [
        *found,
        *(f"{name} chose by held-out outcomes: its figures are optimistic" for name in dict.fromkeys(looked)),
    ]


def risks_of_both(pair: Pair, one: str, two: str) -> Risks | str:
    """What a model of the first run and one of the other predict for the shared patients; or why they do not pair."""
    sides = []
    for run, model in ((pair.first, one), (pair.other, two)):
        side = risks_of(run, model)
        if side is None:
            return f"{run.name} holds no prediction of held-out patients by it"
        absent = int((side.patients.get_indexer(pair.patients) < 0).sum())
        if absent:
            return f"{run.name} holds no prediction by it for {absent} of {len(pair.patients)} shared patients"
        sides.append(side)
    ways = [_combine(run, side) for run, side in zip((pair.first, pair.other), sides, strict=True)]
    if ways[0] != ways[1]:
        return f"the runs judge several predictions of a patient otherwise (evaluation.combine: {ways[0]}; {ways[1]})"
    p, q = (side.p[:, side.patients.get_indexer(pair.patients)] for side in sides)
    if ways[0] == AVERAGE:
        return _averaged(p, q)
    if not _folds(pair.first, pair.patients).equals(_folds(pair.other, pair.patients)):
        return (
            f"predictions are judged repeat by repeat (evaluation.combine: {ways[0]}), and the repeats are not the "
            f'same splits; "{AVERAGE}" would pair them'
        )
    return Risks(p, q, ways[0], f"{len(p)} predictions a patient are judged as the protocols say ({ways[0]})")


def _combine(run: Finished, side: Repeated) -> str:
    return str(run.setting("evaluation.combine") or AVERAGE) if side.several else AVERAGE


def _averaged(p: np.ndarray, q: np.ndarray) -> Risks:
    times = [len(side) for side in (p, q)]
    words = f"{times[0]} predictions" if times[0] == times[1] else f"{times[0]} predictions and of {times[1]}"
    note = f"a patient's risk is the mean of {words}" if sum(times) > 2 else ""
    p, q = (side if len(side) == 1 else np.nanmean(side, axis=0, keepdims=True) for side in (p, q))
    return Risks(p, q, AVERAGE, note)


def _folds(run: Finished, patients: Sequence[str] | pd.Index) -> pd.DataFrame:
    """(repeats, patients): the fold that held out each patient."""
    rows = run.held_out.drop_duplicates(["repeat", "patient"])
    return rows.pivot(index="repeat", columns="patient", values="fold").reindex(columns=pd.Index(patients))
