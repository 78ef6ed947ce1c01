"""From the protocol's settings to fitted stages, each kept as a durable record."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd

from validkit.engine import Reporter, Silent, map_tasks
from validkit.errors import StageError
from validkit.plnm import classifiers
from validkit.plnm.classifiers import Searched
from validkit.plnm.selection import FeatureSelection, LassoSelector, MannWhitneyFilter, SpearmanFilter
from validkit.plnm.storage import dump_estimator, load_estimator
from validkit.sections import Classifiers, Deep, Lasso, MannWhitney, Radiomics
from validkit.store import Files, Store, digest, to_json

if TYPE_CHECKING:
    from validkit.plnm.deep.bank import ImageBank
    from validkit.plnm.deep.estimator import DeepTransfer

Result = TypeVar("Result")
LONGEST_FIRST = ("mlp", "lightgbm", "xgboost", "random-forest", "extra-trees", "svm", "lr", "knn")


# --- radiomic selection ------------------------------------------------------------------------


def selection(setting: Radiomics, seed: int) -> FeatureSelection:
    """The selection steps as declared, in order."""
    steps: list[Any] = []
    for step in setting.select:
        if isinstance(step, MannWhitney):
            steps.append(MannWhitneyFilter(alpha=step.alpha, at_least=step.at_least))
        elif isinstance(step, Lasso):
            steps.append(
                LassoSelector(
                    folds=step.folds, rule=step.rule, loss=step.loss, at_least=step.at_least, random_state=seed
                )
            )
        else:
            steps.append(SpearmanFilter(above=step.above))
    return FeatureSelection(steps=steps)


# --- deep transfer learning --------------------------------------------------------------------


def deep(
    setting: Deep, backbone: str, seed: int, device: str, reporter: Reporter | None, *, frozen: bool = False
) -> DeepTransfer:
    """An unfitted network stage as declared; frozen : a head alone, on the network as it came."""
    from validkit.plnm.deep.estimator import DeepTransfer

    return DeepTransfer(
        backbone=backbone,
        weights=setting.weights,
        train="head" if frozen else setting.train,
        image_size=setting.image_size,
        embedding=setting.embedding,
        components=setting.components,
        epochs=setting.epochs,
        patience=setting.patience,
        batch_size=setting.batch_size,
        learning_rate=setting.learning_rate,
        weight_decay=setting.weight_decay,
        inner_validation=setting.inner_validation,
        crop=setting.augment.crop,
        flip=setting.augment.flip,
        intensity=setting.augment.intensity,
        imbalance=setting.imbalance,
        precision=setting.precision,
        deterministic=setting.deterministic,
        random_state=seed,
        device=device,
        reporter=reporter,
    )


def digest_of_deep(estimator: DeepTransfer, bank: str, *rows: np.ndarray | None) -> str:
    """Digest of everything that a network's fit depends on.

    bank : digest of the crops; rows : outcome, groups and the like
    """
    return digest("deep", settings_of(estimator), weights_of(estimator), bank, *rows)


def settings_of(estimator: Any) -> dict[str, Any]:
    """The settings that a fit depends on; where it shows its progress is none, nor which of several cards it took."""
    found = {name: value for name, value in estimator.get_params(deep=False).items() if name != "reporter"}
    if str(found.get("device", "")).startswith("cuda:"):
        found["device"] = "cuda"
    return found


def weights_of(estimator: DeepTransfer) -> str | None:
    """SHA-256 of the weights that the network starts from; None where it starts from none."""
    from validkit.plnm.deep.weights import find_weights

    return find_weights(estimator.backbone, estimator.weights).sha256


@dataclass(frozen=True, eq=False)
class NetworkTask:
    """One network's fit.

    record : its name among the records; made_of : digest of everything that it depends on
    bank : makes its crops when its turn comes
    """

    record: str
    made_of: str
    estimator: DeepTransfer
    bank: Callable[[], ImageBank]
    y: np.ndarray
    groups: np.ndarray | None


def fit_networks(
    tasks: Sequence[NetworkTask],
    store: Store,
    *,
    keep: Callable[[int, DeepTransfer], Result],
    dump: Callable[[Result], Files],
    load: Callable[[int, Files], Result],
    label: str | None = None,
    reporter: Reporter | None = None,
) -> list[Result]:
    """What is kept of every network, in order; finished ones are taken from their records, unfinished ones go on.

    keep, dump, load : from a fitted network to its result, from that to files, and back; with the number of the task
    label : of the progress over all of them; None where each shows its own
    """
    from validkit.plnm.deep.checkpoint import Checkpoint
    from validkit.plnm.deep.estimator import Job, fit_together

    found: dict[int, Result] = {}
    for number, task in enumerate(tasks):
        files = store.read(task.record, task.made_of)
        if files is not None:
            found[number] = load(number, files)
    left = [number for number in range(len(tasks)) if number not in found]
    places = {number: store.scratch(tasks[number].record) for number in left}

    def job(number: int) -> Job:
        task, place = tasks[number], places[number]
        checkpoint = None if place is None else Checkpoint(place, task.made_of)
        return Job(task.estimator, task.bank(), task.y, task.groups, checkpoint)

    shown = nullcontext(lambda: None) if label is None else (reporter or Silent()).work(label, len(tasks))
    with shown as finished:
        for _ in found:
            finished()

        def done(place: int, estimator: DeepTransfer) -> None:
            number = left[place]
            found[number] = keep(number, estimator)
            if store.folder is not None:
                store.write(tasks[number].record, tasks[number].made_of, dump(found[number]))
            unfinished = places[number]
            if unfinished is not None:
                unfinished.unlink(missing_ok=True)
            finished()

        for ended in fit_together(map(job, left), reporter if label is None else None, on_result=done):
            if isinstance(ended, StageError):
                raise ended
    return [found[number] for number in range(len(tasks))]


def dump_deep(estimator: DeepTransfer) -> dict[str, bytes]:
    """A fitted network's files, by name."""
    with tempfile.TemporaryDirectory() as name:
        estimator.state_to_folder(Path(name))
        return {file.name: file.read_bytes() for file in sorted(Path(name).iterdir())}


def load_deep(files: Files, like: DeepTransfer) -> DeepTransfer:
    """A fitted network from its files; device and progress as `like` has them."""
    with tempfile.TemporaryDirectory() as name:
        for file, data in files.items():
            (Path(name) / file).write_bytes(data)
        estimator = type(like).from_folder(Path(name))
    return estimator.set_params(device=like.device, reporter=like.reporter)


# --- classifiers -------------------------------------------------------------------------------


@dataclass(frozen=True)
class SearchTask:
    """One classifier's search: everything it needs, so that any worker can do it."""

    branch: str
    name: str
    table: pd.DataFrame
    y: np.ndarray
    setting: Classifiers
    seed: int
    store: Store
    groups: np.ndarray | None = None


def search_all(
    branch: str,
    table: pd.DataFrame,
    y: np.ndarray,
    setting: Classifiers,
    seed_of: Callable[..., int],
    *,
    groups: np.ndarray | None = None,
    engine: str,
    store: Store | None,
    reporter: Reporter | None,
) -> dict[str, Searched]:
    """Every declared classifier, searched on these columns; finished searches are taken from their records."""
    tasks = [
        SearchTask(branch, name, table, y, setting, seed_of("search", branch, name), store or Store(None), groups)
        for name in LONGEST_FIRST
        if name in setting.use
    ]
    found = map_tasks(run_search, tasks, engine=engine, label=f"classifiers on {branch}", reporter=reporter)
    by_name = {searched.name: searched for searched in found}
    return {name: by_name[name] for name in setting.use}


def run_search(task: SearchTask) -> Searched:
    """One search, from its record where there is one."""
    made_of = digest("search", task.name, task.table, task.y, task.setting.search.model_dump(), task.seed, task.groups)
    return task.store.remember(
        f"classifiers/{task.branch}/{task.name}", made_of, lambda: _search(task), dump=_dump, load=_load
    )


def _search(task: SearchTask) -> Searched:
    setting = task.setting.search
    found, _ = classifiers.search(
        task.name,
        task.table,
        task.y,
        folds=setting.folds,
        score=setting.score,
        grid=setting.grid,
        random_state=task.seed,
        groups=task.groups,
    )
    return found


def _dump(searched: Searched) -> dict[str, bytes]:
    facts = {**searched.record(), "seconds": searched.seconds}
    return {
        "estimator.skops": dump_estimator(searched.estimator),
        "search.json": to_json(facts).encode(),
    }


def _load(files: Mapping[str, bytes]) -> Searched:
    facts = json.loads(files["search.json"])
    facts.pop("label")
    return Searched(**facts, estimator=load_estimator(files["estimator.skops"]))
