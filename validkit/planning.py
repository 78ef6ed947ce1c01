"""How long a plan will take, roughly: processor seconds of each task from measured constants, before anything runs.

The constants are processor seconds on one core of an ordinary server (x86-64, 2026), measured while other work was
running: an estimate that is right within a factor of two has done its duty. What earlier runs took on this machine
corrects it (`validkit.timings`). No network was measured on an accelerator; there the estimate is a guess until a run
has been seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from validkit.errors import InputError
from validkit.protocol import Protocol
from validkit.sections import PLNM, Estimators, Evaluation

__all__ = ["ROUGH", "Cost", "estimate", "total_seconds", "with_surroundings"]

ROUGH = "rough: within a factor of two, for constants measured on another machine"
LEARNED = "rough: within a factor of two, corrected by finished runs on this machine"
AROUND = "all"
"""the `split` of what is done once, for all splits together"""
START = 5.0
"""seconds to start workers and load packages"""
FASTER = 20.0
"""how many times one accelerator outruns one core in training a network; a guess, not measured"""
FEATURES = {"sound2d": 850, "paper1561": 1561}
LESION = {"sound2d": 0.15, "paper1561": 0.20}
"""seconds to measure one outline of a lesion in an image of 256 x 320 pixels"""
EPOCH = {
    "efficientnet-lite0": (0.6, 1.6),
    "alexnet": (1.0, 1.4),
    "resnet50": (1.7, 4.5),
    "densenet121": (1.0, 4.5),
}
"""seconds an epoch for 100 patients, validation included, at 64 and 128 pixels a side; linear in pixels between"""


@dataclass(frozen=True)
class Cost:
    """Seconds of one fit: `fixed` + `moving` * (n / 300) ** `power`, for some 10 columns."""

    fixed: float
    moving: float
    power: float = 1.0

    def seconds(self, n: float) -> float:
        """For n patients."""
        return self.fixed + self.moving * (n / 300) ** self.power


CLASSIFIERS = {
    "lr": Cost(0.005, 0.002),
    "svm": Cost(0.012, 0.006, 2),
    "knn": Cost(0.005, 0.001),
    "random-forest": Cost(0.06, 0.03),
    "extra-trees": Cost(0.03, 0.005),
    "xgboost": Cost(0.005, 0.055),
    "lightgbm": Cost(0.007, 0.015),
    "mlp": Cost(0.02, 0.05),
}
"""a fit of each classifier, averaged over its grid, and its score on the fold left out"""
ESTIMATORS = {
    "RandomForestClassifier": Cost(0.06, 0.04),
    "ExtraTreesClassifier": Cost(0.05, 0.02),
    "GradientBoostingClassifier": Cost(0.02, 0.07),
    "HistGradientBoostingClassifier": Cost(0.03, 0.03),
    "XGBClassifier": Cost(0.01, 0.07),
    "LGBMClassifier": Cost(0.01, 0.03),
    "SVC": Cost(0.005, 0.005, 2),
    "MLPClassifier": Cost(0.03, 0.08),
}
"""by class name, at scikit-learn's defaults; every other estimator costs as `OTHER`"""
OTHER = Cost(0.002, 0.003)
PREPARING = 0.01
"""seconds a fit for encoding, imputing and scaling a table"""
SELECTION = {"mann-whitney": 0.03, "spearman": 0.03, "lasso": 0.15}
"""seconds for 300 patients and 850 features; the LASSO holds its own folds"""
STAGES = {"reproducibility": Cost(0.01, 0.05), "fusion": Cost(0.1, 0.05), "clinical": Cost(0.01, 0.0)}
NOMOGRAM = Cost(0.02, 0.0)
MEASURES, REPLICATE = 0.06, 2.5e-4
"""seconds to judge one model on one set, and for each replicate of the bootstrap besides, for 300 patients"""


def estimate(
    tasks: pd.DataFrame,
    protocol: Protocol,
    *,
    device: str = "cpu",
    known: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """The tasks with a column `seconds`: processor seconds of each, rough (for a network on "cuda", its wall seconds).

    tasks : columns stage, task, fits, n, as `plan.tasks` has them; `with_surroundings` adds what is not a fit
    known : factors by stage, from `timings.known_timings`
    """
    missing = [name for name in ("stage", "task", "fits", "n") if name not in tasks.columns]
    if missing:
        raise InputError(f"`tasks` needs the columns stage, task, fits and n; it lacks {', '.join(missing)}")
    factors = dict(known or {})
    rows = zip(tasks["stage"], tasks["task"], tasks["fits"], tasks["n"], strict=True)
    found = [
        _seconds(str(stage), str(task), int(fits), float(n), protocol, device) * factors.get(str(stage), 1.0)
        for stage, task, fits, n in rows
    ]
    return tasks.assign(seconds=np.array(found, dtype=np.float64))


def with_surroundings(
    tasks: pd.DataFrame, protocol: Protocol, *, patients: int, models: int | None, lesions: int | None = None
) -> pd.DataFrame:
    """The tasks of a plan with what is done once around them: extraction before, evaluation after; neither is a fit.

    models : how many are judged; None where only a bundle knows and it is not there
    lesions : outlines to measure; None for none, or for the PLNM model all outlines of all patients, which is the most
        it can be: what the cache of features holds is not measured again
    """
    model = protocol.model
    if lesions is None and isinstance(model, PLNM):
        lesions = patients * _outlines(model)
    before = [("radiomics", "extract", lesions)] if lesions is not None else []
    after = [("evaluation", "models of a bundle that is not here" if models is None else f"{models} models", patients)]
    parts = [
        pd.DataFrame({"split": AROUND, "stage": s, "task": t, "seed": pd.NA, "fits": 0, "n": n}, index=[0])
        for s, t, n in (*before, *after)
    ]
    parts.insert(len(before), tasks)
    whole = pd.concat([part.astype(object) for part in parts], ignore_index=True)
    return whole.astype({"seed": "Int64", "fits": "int64", "n": "int64"})


def _outlines(model: PLNM) -> int:
    """Readings of each lesion at most: the primary one, declared repeats, randomised copies."""
    setting = model.reproducibility
    roles = max(1, len({*setting.intra, *setting.inter}))
    return roles + (setting.perturb.copies if setting.perturb else 0)


def total_seconds(tasks: pd.DataFrame, *, workers: int) -> float:
    """Wall seconds of the whole plan: splits side by side where there are several, else the stages that are split up.

    tasks : with the column `seconds`
    """
    around = tasks["split"] == AROUND
    by_split = tasks[~around].groupby("split", sort=False)["seconds"].sum()
    before = tasks.loc[around & (tasks["stage"] == "radiomics"), "seconds"].sum() / workers
    after = tasks.loc[around & (tasks["stage"] != "radiomics"), "seconds"].sum()
    if len(by_split) > 1:
        fitting = max(by_split.max(), by_split.sum() / workers)
    else:
        searched = tasks["stage"] == "classifiers"
        fitting = tasks.loc[~around & ~searched, "seconds"].sum() + tasks.loc[searched, "seconds"].sum() / workers
    return float(before + fitting + after + START)


# --- one task ---------------------------------------------------------------------------------------


def _seconds(stage: str, task: str, fits: int, n: float, protocol: Protocol, device: str) -> float:
    if stage == "evaluation":
        return _evaluation(task, n, protocol.evaluation)
    if stage == "predictions":
        return 0.0
    model = protocol.model
    if isinstance(model, PLNM):
        return _of_plnm(stage, task, fits, n, model, device)
    return fits * _estimator(task, n, model) if isinstance(model, Estimators) else 0.0


def _evaluation(task: str, n: float, setting: Evaluation) -> float:
    """Three sets of predictions of each model at most."""
    count = task.partition(" ")[0]
    models = int(count) if count.isdecimal() else 1
    return 3 * models * (MEASURES + REPLICATE * min(setting.bootstrap.replicates, 2000) * n / 300)


def _estimator(name: str, n: float, model: Estimators) -> float:
    path = next((one.estimator for one in model.estimators if one.name == name), "")
    return PREPARING + ESTIMATORS.get(path.rpartition(".")[2], OTHER).seconds(n)


def _of_plnm(stage: str, task: str, fits: int, n: float, model: PLNM, device: str) -> float:
    if stage == "radiomics":
        return n * LESION[model.radiomics.preset]
    if stage == "selection":
        return fits * _selection(task, n, model)
    if stage == "deep":
        name, _, part = task.partition(", ")
        share = 1 - 1 / model.cross_fitting.folds if part.endswith("folds") else 1.0
        return fits * _network(name, n * share, model, device, frozen=part == "frozen")
    if stage == "classifiers":
        return fits * CLASSIFIERS.get(task.rpartition("/")[2], OTHER).seconds(
            n * (1 - 1 / model.classifiers.search.folds)
        )
    if stage == "cross-fitting":
        return _cross_fitting(n * (1 - 1 / model.cross_fitting.folds), model, device)
    if stage == "nomogram":
        return fits * NOMOGRAM.seconds(n)
    return fits * STAGES.get(stage, OTHER).seconds(n)


def _selection(method: str, n: float, model: PLNM) -> float:
    return SELECTION.get(method, 0.1) * (n / 300) * FEATURES[model.radiomics.preset] / 850


def _network(name: str, n: float, model: PLNM, device: str, *, frozen: bool = False) -> float:
    """Every declared epoch (early stopping only shortens it), and one more pass for components and predictions."""
    small, large = EPOCH.get(name, EPOCH["resnet50"])
    pixels = model.deep.image_size**2
    epoch = small + (large - small) * (pixels - 64**2) / (128**2 - 64**2)
    epoch = max(epoch, 0.25 * small)
    passes = model.deep.epochs + 1 if model.deep.train == "all" and not frozen else 2
    return 1.0 + passes * epoch * n / 100 / (FASTER if device.startswith("cuda") else 1.0)


def _cross_fitting(n: float, model: PLNM, device: str) -> float:
    """One fold: what sees images fitted again to n patients, and every classifier of both branches once."""
    steps = STAGES["reproducibility"].seconds(n) + STAGES["fusion"].seconds(n)
    steps += sum(_selection(step.method, n, model) for step in model.radiomics.select)
    classifiers = 2 * sum(CLASSIFIERS[name].seconds(n) for name in model.classifiers.use)
    slowest = max(_network(name, n, model, device) for name in model.deep.backbones)
    network = 0.0 if model.deep.choose == "cross-validation" else slowest
    return steps + classifiers + network
