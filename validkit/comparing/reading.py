"""Finished runs as their folders tell of them; a folder that is unfinished, damaged or none is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from validkit.errors import InputError
from validkit.evaluate.tables import SETS, complete
from validkit.plan import HELD_OUT, TRAINING
from validkit.samples import distinct_names
from validkit.store import dig
from validkit.verify import failed, verify_run

WANTED = "give the folder of a finished run, as `validkit run` leaves it"
CHECKED = ("files", "protocol", "predictions")
"""checks of `validkit verify` that records must pass to be compared"""
COLUMNS = {"patient", "set", "kind", "model", "probability"}


@dataclass(frozen=True, eq=False)
class Finished:
    """The records of a finished run.

    name : what the run is called beside the others; info : run.json; protocol : with every default written out
    predictions : with the columns of `validkit.unit.COLUMNS`
    """

    name: str
    folder: Path
    info: Mapping[str, Any]
    protocol: Mapping[str, Any]
    evaluation: Mapping[str, Any]
    predictions: pd.DataFrame

    def fact(self, path: str) -> Any:
        """What run.json says under a dotted path; None where it says nothing."""
        return dig(self.info, path)

    def setting(self, path: str) -> Any:
        """A setting of the protocol by its dotted path; None where there is none."""
        return dig(self.protocol, path)

    @property
    def models(self) -> dict[str, Mapping[str, Any]]:
        """What evaluation.json holds of each model, by name."""
        return {str(model["name"]): model for model in self.evaluation["models"]}

    @property
    def primary(self) -> str:
        """The set whose figures answer the protocol's question."""
        return str(self.evaluation.get("primary") or HELD_OUT)

    @property
    def reference(self) -> str:
        """The model that the protocol compares the others with."""
        return str(self.setting("evaluation.compare.reference"))

    @property
    def design(self) -> str:
        """The design's kind."""
        return str(self.setting("design.kind") or self.fact("design.kind"))

    @cached_property
    def held_out(self) -> pd.DataFrame:
        """The predictions of held-out patients."""
        return self.predictions[self.predictions["kind"] == SETS[HELD_OUT][1]]

    @cached_property
    def rows(self) -> dict[str, pd.DataFrame]:
        """The predictions of each model, by its name."""
        return {str(name): rows for name, rows in self.predictions.groupby("model", sort=False)}

    @cached_property
    def patients(self) -> dict[str, tuple[str, ...]]:
        """Ids by set, sorted: held out in any split, and trained on in any fit."""
        training = self.predictions[self.predictions["set"] == TRAINING]
        return {
            part: tuple(sorted(rows["patient"].unique()))
            for part, rows in ((HELD_OUT, self.held_out), (TRAINING, training))
        }


def run_names(folders: Sequence[Path]) -> list[str]:
    """What each run is called: its folder's name, else the path as given, numbered where it is given again."""
    short = [folder.resolve().name or str(folder) for folder in folders]
    apart = len(set(short)) == len(short) or len({folder.resolve() for folder in folders}) == 1
    return distinct_names(short if apart else list(map(str, folders)))


def read_finished(folder: Path, name: str) -> Finished:
    """The records of a finished run; InputError names the folder, what is wrong with it, and the mend."""
    where = str(folder)
    if not folder.is_dir():
        raise InputError(f"no run folder at {where!r}; {WANTED}")
    if not (folder / "run.json").is_file():
        if (folder / "protocol.resolved.json").is_file():
            raise InputError(f"the run in {where!r} is not finished: there is no run.json; {_resumed(folder)}")
        raise InputError(f"{where!r} is not a run folder: there is no run.json in it; {WANTED}")
    wrong = [check for check in failed(verify_run(folder, None)) if check.code in CHECKED]
    if wrong:
        raise InputError(f"the records in {where!r} are damaged: {wrong[0].evidence}; {wrong[0].mend}")
    info = _record(folder, "run.json")
    if info.get("status") != "complete":
        raise InputError(
            f"the run in {where!r} is not finished: its status is {info.get('status')!r}, expected 'complete'; "
            f"{_resumed(folder)}"
        )
    protocol = _record(folder, "protocol.resolved.json")["protocol"]
    return Finished(name, folder, info, protocol, _evaluation(folder), _predictions(folder))


def _resumed(folder: Path) -> str:
    return f"run its protocol again with --out {folder}, which goes on where it stopped"


def _record(folder: Path, name: str) -> dict[str, Any]:
    """A record that the checks have read already."""
    found: dict[str, Any] = json.loads((folder / name).read_text(encoding="utf-8"))
    return found


def _evaluation(folder: Path) -> dict[str, Any]:
    found = _record(folder, "evaluation.json")
    models = found.get("models")
    sound = isinstance(models, list) and all(isinstance(one, dict) and _told(one) for one in models)
    if not sound or len({str(one["name"]) for one in models or ()}) < len(models or ()):
        raise _damaged(folder, "evaluation.json", "a list of models, each with a name of its own and its sets")
    return found


def _told(model: Mapping[str, Any]) -> bool:
    sets = model.get("sets")
    return "name" in model and isinstance(sets, dict) and all(isinstance(scores, dict) for scores in sets.values())


def _predictions(folder: Path) -> pd.DataFrame:
    try:
        table = pd.read_parquet(folder / "predictions.parquet")
    except (OSError, ValueError) as error:  # pyarrow's own errors are both
        raise _damaged(folder, "predictions.parquet", "a table in Parquet") from error
    absent = sorted(COLUMNS - set(table.columns))
    if absent or not pd.api.types.is_numeric_dtype(table["probability"]):
        raise _damaged(folder, "predictions.parquet", f"the columns {', '.join(sorted(COLUMNS))}")
    return complete(table.assign(patient=table["patient"].astype(str)))


def _damaged(folder: Path, name: str, expected: str) -> InputError:
    return InputError(
        f"{name} in {str(folder)!r} is not what a run writes: expected {expected}; restore the run folder from a "
        "copy, or run the protocol again into a new folder"
    )
