"""What each way of updating a locked model would do at a new centre, judged on patients that it was not fitted to.

Every update is fitted to some folds of the patients and applied to the others, over and over; nothing is judged on the
rows that it learnt from.

References: Vergouwe et al., Stat Med 36 (2017) 4529-4539; Steyerberg et al., Stat Med 23 (2004) 2567-2586.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from validkit import stats
from validkit.bundle.describing import clinical_columns, inside, linear_predictor, mean_risks
from validkit.bundle.lineage import curve_at
from validkit.centre.measures import MEASURES, loss_differences
from validkit.errors import InputError, StageError, ValidkitError
from validkit.folds import stratified_group_folds
from validkit.stats import youden_threshold
from validkit.stats.beta_calibration import BetaUpdate
from validkit.stats.closed_testing import ClosedTest, Revision
from validkit.stats.intervals import z_of
from validkit.stats.results import NAN, Estimate
from validkit.stats.updating import IsotonicUpdate, LogisticUpdate
from validkit.wording import nearest

if TYPE_CHECKING:
    from validkit.bundle import Locked
    from validkit.cohort import Cohort

__all__ = [
    "METHODS",
    "Judged",
    "Updated",
    "check_update",
    "judge_updates",
    "update_model",
    "updates_on_all",
    "updating_record",
]

Risks = NDArray[np.float64]
Apply = Callable[[Risks, NDArray[np.float64] | None], Risks]
METHODS = ("none", "in the large", "logistic", "platt", "isotonic", "beta", "refit", "closed test")
NEEDS_PREDICTORS = ("refit",)
Partitions = Sequence[Sequence[tuple[NDArray[np.intp], NDArray[np.intp]]]]
FOLDS, REPEATS = 5, 20


@dataclass(frozen=True, eq=False)
class Judged:
    """One way of updating. estimates : by measure; differences : of "brier" and "log_loss", less those of no update

    why : why it could not be judged, "" where it was; chosen : how often the closed test took each update
    """

    method: str
    estimates: Mapping[str, Estimate]
    differences: Mapping[str, Estimate]
    why: str = ""
    chosen: Mapping[str, int] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "method": self.method,
            "estimates": {name: one.to_dict() for name, one in self.estimates.items()},
            "differences": {name: one.to_dict() for name, one in self.differences.items()},
            "why": self.why,
            "chosen": None if self.chosen is None else dict(self.chosen),
        }


def judge_updates(
    y: NDArray[np.int64],
    p: Risks,
    table: pd.DataFrame,
    *,
    groups: NDArray[np.int64] | None = None,
    folds: int = 5,
    repeats: int = 20,
    level: float = 0.95,
    seed: int = 0,
    methods: Sequence[str] = METHODS,
) -> list[Judged]:
    """Every way of updating, judged by repeated cross-fitting; in the order of `methods`.

    y : (n,) outcomes 0/1; p : (n,) the locked model's risks; table : (n, k) coded clinical columns, for "refit" and the
        closed test, which leave them out where a patient has a gap
    groups : (n,) patients of one group are on one side of every fold; None where each is alone

    A measure is its mean over the repeats, and its standard error the mean of theirs: the patients are the same in
    each, so that more repeats take away the chance of the folds and not that of the patients. "refit" is the logistic
    regression on the model's log odds and the clinical columns. Where an update cannot be fitted in some fold it is not
    judged, and says why. Raises StageError where the folds cannot share out both outcomes.
    """
    unknown = [name for name in methods if name not in METHODS]
    if unknown:
        raise InputError(f"`methods` names {unknown[0]!r}; known are {', '.join(METHODS)}")
    design = _design(p, table)
    parts = _partitions(y, groups, folds, repeats, seed)
    return [_judge(name, y, p, design, parts, level)[0] for name in methods]


def updates_on_all(y: NDArray[np.int64], p: Risks, table: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Each update fitted to all patients, as somebody would use it from here on; not to be judged on them."""
    design = _design(p, table)
    found: dict[str, dict[str, Any]] = {}
    for name in METHODS[1:]:
        if name in NEEDS_PREDICTORS and design.why:
            found[name] = {"note": design.why}
            continue
        try:
            fitted, _ = _fitted(name, y, p, design.values)
            found[name] = fitted.to_dict() if hasattr(fitted, "to_dict") else {}
        except ValidkitError as error:
            found[name] = {"note": str(error)}
    return found


def updating_record(
    locked: Locked, data: Cohort, predictions: pd.DataFrame, model: str, *, level: float, seed: int
) -> dict[str, Any]:
    """stages/updating.json: of one model, what each way of updating would do here.

    predictions : of this centre's patients, with the columns of `validkit.unit.COLUMNS`; model : its name there
    """
    table = clinical_columns(locked.protocol, locked.needs, data)
    risk = mean_risks(predictions)[model]
    y = data.outcome.loc[risk.index].to_numpy(np.int64)
    p = risk.to_numpy(np.float64)
    folds = int(min(FOLDS, y.sum(), len(y) - y.sum()))
    record: dict[str, Any] = {"model": model, "folds": folds, "repeats": REPEATS, "why": "", "judged": [], "all": {}}
    if folds < 2:
        why = "an update is judged on other patients than it learns from, which needs two of each outcome"
        return {**record, "why": why}
    rows = table.loc[risk.index]
    groups = data.groups.loc[risk.index].to_numpy(np.int64)
    try:
        judged = judge_updates(y, p, rows, groups=groups, folds=folds, repeats=REPEATS, level=level, seed=seed)
    except StageError as error:
        return {**record, "why": str(error)}
    return {**record, "judged": [one.to_dict() for one in judged], "all": updates_on_all(y, p, rows)}


@dataclass(frozen=True, eq=False)
class Updated:
    """A model updated with all patients of a centre.

    judged : by cross-fitting; risks : (n,) of updates that had not seen the patient, mean over the repeats
    threshold : operating threshold of updated risks: the old one carried over, or Youden's where ranks change
    """

    curve: str
    numbers: tuple[float, ...]
    columns: tuple[str, ...]
    judged: Judged
    risks: Risks
    threshold: float | None


def update_model(
    method: str,
    y: NDArray[np.int64],
    p: Risks,
    table: pd.DataFrame,
    *,
    threshold: float | None = None,
    groups: NDArray[np.int64] | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> Updated:
    """One way of updating fitted to all patients, and judged as `judge_updates` does; arguments as there.

    threshold : operating threshold of the risks before
    Raises InputError where it cannot be fitted, or not be judged.
    """
    if method not in METHODS[1:]:
        raise InputError(f"no update {method!r}; there are {', '.join(METHODS[1:])}")
    design, folds = _design(p, table), int(min(FOLDS, y.sum(), len(y) - y.sum()))
    if folds < 2:
        raise InputError(f"{method!r} cannot be judged here: that takes two patients of each outcome")
    try:
        judged, risks = _judge(method, y, p, design, _partitions(y, groups, folds, REPEATS, seed), level)
        why = judged.why
    except StageError as error:
        why = str(error)
    if why:
        raise InputError(f"{method!r} cannot be judged here: {why}")
    fitted, _ = _fitted(method, y, p, design.values)
    curve, numbers = _numbers(fitted)
    columns = design.columns if curve == "regression" else ()
    mean: Risks = risks.mean(axis=0)
    new: float | None = None
    if threshold is not None:
        keeps_order = curve != "regression" and not (curve == "logistic" and numbers[1] <= 0)
        moved = curve_at(curve, numbers, np.array([threshold]))[0] if keeps_order else youden_threshold(y, mean)
        new = float(np.clip(moved, 0.0, 1.0)) if np.isfinite(moved) else None
    return Updated(curve, numbers, columns, judged, mean, new)


def check_update(locked: Locked, method: str, *, allow_training_rows: bool = False) -> None:
    """Refuse, before any patient is read, an update that this model cannot be given and written with."""
    if method not in METHODS[1:]:
        raise InputError(f"--update: no update {method!r}{nearest(method, METHODS[1:])}")
    if locked.copies > 1:
        raise InputError(
            "--update: the model has several imputed copies, each with a fit of its own: it is not updated as one"
        )
    if method in NEEDS_PREDICTORS and locked.protocol.cohort.missing == "impute":
        raise InputError(
            f"--update: {method!r} comes to a regression on the clinical columns, and this model takes patients with "
            "gaps in them; choose another update"
        )
    rows = [*locked.manifest.training_rows, *(["isotonic, of this centre"] if method == "isotonic" else [])]
    if rows and not allow_training_rows:
        raise InputError(
            f"--update: the updated model would hold rows or single risks of patients ({', '.join(rows)}); they leave "
            "their site only where that is allowed (--allow-training-rows): choose another update"
        )


def _numbers(fitted: Any) -> tuple[str, tuple[float, ...]]:
    """(curve, numbers) of an update, as `validkit.bundle.lineage.Step` has them."""
    if isinstance(fitted, ClosedTest):
        return ("none", ()) if fitted.chosen == "none" else _numbers(fitted.update)
    if isinstance(fitted, LogisticUpdate):
        return "logistic", (fitted.intercept.value, fitted.slope.value)
    if isinstance(fitted, BetaUpdate):
        return "beta", (fitted.a.value, fitted.b.value, fitted.c.value)
    if isinstance(fitted, IsotonicUpdate):
        return "isotonic", (*fitted.x.tolist(), *fitted.y.tolist())
    if isinstance(fitted, Revision):
        return "regression", (fitted.intercept.value, *(one.value for one in fitted.coefficients))
    return "regression", tuple(map(float, fitted.beta))


# --- one way ---------------------------------------------------------------------------------------


def _judge(
    name: str,
    y: NDArray[np.int64],
    p: Risks,
    design: _Design,
    parts: Partitions,
    level: float,
) -> tuple[Judged, NDArray[np.float64]]:
    """(how it was judged, (repeats, n) risks by updates that had not seen the patient)."""
    plain = np.tile(p, (len(parts), 1))
    if name in NEEDS_PREDICTORS and design.why:
        return Judged(name, {}, {}, design.why), plain
    chosen: dict[str, int] = {}
    risks, columns = plain.copy(), design.values
    if name != "none":
        for r, folds in enumerate(parts):
            for learn, rest in folds:
                own = None if columns is None else columns[learn]
                try:
                    fitted, apply = _fitted(name, y[learn], p[learn], own)
                    risks[r, rest] = apply(p[rest], None if columns is None else columns[rest])
                except ValidkitError as error:
                    return Judged(name, {}, {}, f"could not be fitted to a fold: {error}"), plain
                if name == "closed test":
                    chosen[fitted.chosen] = chosen.get(fitted.chosen, 0) + 1
    count = len(parts) if name != "none" else 1
    how = f"mean of {count} repeats of {len(parts[0])}-fold cross-fitting" if name != "none" else ""
    estimates = {
        key: _mean([measure(y, one, level=level) for one in risks[:count]], how, level)
        for key, measure in MEASURES.items()
    }
    return Judged(name, estimates, loss_differences(y, risks, plain, level), chosen=chosen or None), risks


def _fitted(name: str, y: NDArray[np.int64], p: Risks, design: NDArray[np.float64] | None) -> tuple[Any, Apply]:
    if name == "refit":
        assert design is not None
        test = stats.logistic_regression(design, y, penalty="if-separated")
        if not test.defined:
            raise InputError(test.note or "the regression has no finite fit")
        return test, lambda _, x: np.asarray(test.predict(x))
    if name == "closed test":
        return _closed(y, p, design)
    ways: dict[str, Callable[..., Any]] = {
        "in the large": stats.recalibrate_in_the_large,
        "logistic": stats.recalibrate_logistic,
        "platt": stats.recalibrate_platt,
        "isotonic": stats.recalibrate_isotonic,
        "beta": stats.recalibrate_beta,
    }
    update = ways[name](y, p)
    return update, lambda q, _: np.asarray(update.apply(q), dtype=np.float64)


def _closed(y: NDArray[np.int64], p: Risks, design: NDArray[np.float64] | None) -> tuple[Any, Apply]:
    events = int(min(y.sum(), len(y) - y.sum()))
    enough = design is not None and events >= 10 * (design.shape[1] + 1)
    test = stats.closed_test(y, inside(p), predictors=design if enough else None)

    def apply(risks: Risks, x: NDArray[np.float64] | None) -> Risks:
        return np.asarray(test.apply(inside(risks), predictors=x if enough else None), dtype=np.float64)

    return test, apply


@dataclass(frozen=True, eq=False)
class _Design:
    """The model's log odds and the clinical columns that vary and are no sum of others; or why there are none."""

    values: NDArray[np.float64] | None
    columns: tuple[str, ...]
    why: str


def _design(p: Risks, table: pd.DataFrame) -> _Design:
    gaps = table.columns[table.isna().any()]
    if len(gaps):
        return _Design(None, (), f"patients here have no value in {', '.join(map(str, gaps))}")
    values = np.column_stack([linear_predictor(p), table.to_numpy(np.float64)])
    kept: list[int] = []
    for j in range(values.shape[1]):
        if np.ptp(values[:, j]) > 0:
            own = values[:, [*kept, j]] - values[:, [*kept, j]].mean(axis=0)
            own = own / own.std(axis=0)
            if np.linalg.matrix_rank(own) == own.shape[1]:
                kept.append(j)
    if 0 not in kept:
        return _Design(None, (), "every predicted risk is the same")
    return _Design(values[:, kept], tuple(str(table.columns[j - 1]) for j in kept[1:]), "")


def _partitions(
    y: NDArray[np.int64], groups: NDArray[np.int64] | None, folds: int, repeats: int, seed: int
) -> Partitions:
    together = np.arange(len(y)) if groups is None else groups
    states = [int(np.random.SeedSequence([seed, r]).generate_state(1)[0]) for r in range(repeats)]
    return [stratified_group_folds(y, together, folds, state, "updating") for state in states]


# --- measures --------------------------------------------------------------------------------------


def _mean(each: Sequence[Estimate], how: str, level: float) -> Estimate:
    """Over the repeats, of one measure of the same patients."""
    if len(each) == 1:
        return each[0]
    undefined = next((one for one in each if math.isnan(one.value)), None)
    first = each[0]
    method = f"{how}; normal"
    if undefined is not None:
        note = f"undefined in a repeat: {undefined.note}"
        return Estimate(NAN, level=level, method=method, n=first.n, n_events=first.n_events, note=note)
    value = float(np.mean([one.value for one in each]))
    log = first.method.startswith("normal on the log scale")
    se = float(np.mean([one.se for one in each]))
    half = z_of(level) * se
    ends = (value * math.exp(-half), value * math.exp(half)) if log else (value - half, value + half)
    return Estimate(value, *ends, level, method, se, first.n, first.n_events)
