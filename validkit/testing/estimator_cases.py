"""What laws of honest models are tried on: a table with outcomes, the rows to fit on, and the rows held out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from validkit.errors import InputError
from validkit.stats.estimators import fresh
from validkit.testing.violations import Outcome

__all__ = ["Case", "EstimatorCase", "Law", "ProcedureCase", "Verdict"]

ROUNDING = 1e-6
"""largest difference between two risks that rounding explains, single precision included"""
MOST_ROWS = 400
"""most rows that are fitted on and held out together; they are drawn from a larger table outcome by outcome"""
FEWEST = 8
"""fewest rows of each outcome"""

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Labels = NDArray[Any]
Procedure = Callable[[Any, Any, Rows, Rows], Any]


class Verdict(NamedTuple):
    """What a law found on one table: the outcome, and what was tried, the witness or the reason."""

    outcome: Outcome
    message: str


@dataclass(frozen=True, eq=False)
class Case:
    """A table with outcomes, half of it to fit on.

    table : what the table is, in words
    X : (n, p) array or DataFrame
    y : (n,) two labels, the later in sorted order being the event
    train, test : rows to fit on and rows held out, each with both outcomes in like shares
    """

    table: str
    X: Any
    y: Labels
    train: Rows
    test: Rows
    seed: int

    @property
    def event(self) -> Any:
        """The label of the event."""
        return np.unique(self.y)[1]

    @property
    def pool(self) -> Rows:
        """Every row in use."""
        return np.concatenate([self.train, self.test])


@dataclass(frozen=True, eq=False)
class EstimatorCase(Case):
    """An estimator on a table; it is copied before each fit and its random states are set."""

    estimator: Any
    promises: tuple[str, ...] = ()

    def copy(self) -> Any:
        """An unfitted copy with its random states set."""
        return seeded(fresh(self.estimator), self.seed)

    def fit(self) -> Any:
        """A copy fitted on the training rows."""
        return self.copy().fit(take(self.X, self.train), self.y[self.train])

    def risks(self, model: Any, rows: Rows) -> Floats:
        """(rows,) probability of the event, the rows predicted in one batch."""
        return risks(model, take(self.X, rows), self.event)


@dataclass(frozen=True, eq=False)
class ProcedureCase(Case):
    """A procedure(X, y, train_rows, test_rows) on a table."""

    procedure: Procedure

    def risks(
        self, *, X: Any = None, y: Labels | None = None, train: Rows | None = None, test: Rows | None = None
    ) -> Floats:
        """(test rows,) what the procedure gives for copies of the case, or of the X, y or rows given here."""
        rows = (self.test if test is None else test).copy()
        table, labels = (self.X if X is None else X).copy(), (self.y if y is None else y).copy()
        given = np.asarray(self.procedure(table, labels, (self.train if train is None else train).copy(), rows))
        if given.shape != (rows.size,):
            raise TypeError(f"the procedure gave shape {given.shape} for {rows.size} test rows, not ({rows.size},)")
        return given.astype(np.float64)


C = TypeVar("C", bound=Case)


@dataclass(frozen=True)
class Law(Generic[C]):
    """What must be true of an honest model.

    sentence : what must be true, and why it matters
    once : whether it is tried on the last table alone, being dear
    """

    name: str
    sentence: str
    check: Callable[[C], Verdict]
    once: bool = False


def seeded(estimator: Any, seed: int) -> Any:
    """The estimator, with the seed for each random state, its own or nested, that is not a whole number already."""
    if not hasattr(estimator, "get_params"):
        return estimator
    parameters = estimator.get_params(deep=True)
    chance = {
        name: seed
        for name, value in parameters.items()
        if name.endswith("random_state") and not isinstance(value, (int, np.integer))
    }
    return estimator.set_params(**chance) if chance else estimator


def take(X: Any, rows: Rows) -> Any:
    """A copy of these rows."""
    return X.iloc[rows].copy() if hasattr(X, "iloc") else X[rows]


def risks(model: Any, X: Any, event: Any) -> Floats:
    """(n,) probability of the event, from the column that `classes_` gives it, else from the second."""
    table = np.asarray(model.predict_proba(X), dtype=np.float64)
    if table.shape != (len(X), 2):
        raise TypeError(f"predict_proba gave shape {table.shape} for {len(X)} rows, not ({len(X)}, 2)")
    return np.asarray(table[:, event_column(model, event)])


def event_column(model: Any, event: Any) -> int:
    """The place of the event in the model's `classes_`; 1 where it has none."""
    classes = getattr(model, "classes_", None)
    return 1 if classes is None else list(classes).index(event)


def halves(y: Labels, pool: Rows, rng: np.random.Generator) -> tuple[Rows, Rows]:
    """Two random halves of the pool, each outcome divided between them."""
    shuffled = [rng.permutation(pool[y[pool] == label]) for label in np.unique(y[pool])]
    one = np.sort(np.concatenate([rows[: rows.size // 2] for rows in shuffled]))
    return one, np.setdiff1d(pool, one)


def check_data(X: Any, y: Any) -> tuple[Any, Labels]:
    """X as a table and y as (n,) labels of two kinds; anything else is an InputError."""
    table = X if hasattr(X, "iloc") else np.asarray(X)
    labels = np.asarray(y)
    if table.ndim != 2 or labels.shape != (len(table),):
        raise InputError(
            f"`X` must be a table and `y` must have one outcome for each of its rows; "
            f"their shapes are {table.shape} and {labels.shape}"
        )
    try:
        kinds, counts = np.unique(labels, return_counts=True)
    except TypeError as error:
        raise InputError(f"`y` must hold two labels of one type, none missing ({error})") from error
    if kinds.size != 2:
        raise InputError(f"`y` must hold exactly two labels; it holds {kinds.size} (first: {kinds[:3].tolist()})")
    if counts.min() < FEWEST:
        raise InputError(f"{FEWEST} rows of each outcome are needed; there are {counts[0]} and {counts[1]}")
    return table, labels


def divided(y: Labels, seed: int) -> tuple[Rows, Rows]:
    """Rows to fit on and rows held out, MOST_ROWS at most, the rarer outcome kept whole where it can be."""
    rng = np.random.default_rng(seed)
    by_label = [rng.permutation(np.flatnonzero(y == label)) for label in np.unique(y)]
    by_label.sort(key=len)
    rarer = by_label[0][: MOST_ROWS // 2]
    pool = np.sort(np.concatenate([rarer, by_label[1][: MOST_ROWS - rarer.size]]))
    return halves(y, pool, rng)


def moved(rows: Rows, first: Floats, second: Floats, words: tuple[str, str], tolerance: float = ROUNDING) -> str:
    """The row whose risk differs most between two ways, with both risks; empty where no risk differs."""
    with np.errstate(invalid="ignore"):
        gap = np.abs(first - second)
    gap[np.isnan(first) & np.isnan(second)] = 0.0
    gap[np.isnan(gap)] = np.inf
    if (gap <= tolerance).all():
        return ""
    k = int(np.argmax(gap))
    a, b = (f"{value:.6g}" for value in (first[k], second[k]))
    if a == b:
        a, b = repr(float(first[k])), repr(float(second[k]))
    return f"row {rows[k]}: risk {a} {words[0]}, {b} {words[1]}"


def own_numbers(seed: int) -> tuple[Floats, Labels]:
    """(120, 4) numbers, of which two predict, and outcomes of which half are events."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(120, 4))
    X[:, 3] = np.exp(X[:, 3])
    risk = 1.5 * X[:, 0] - X[:, 1] + rng.logistic(size=len(X))
    return X, (risk > np.median(risk)).astype(np.int64)


def own_noise(seed: int) -> tuple[Floats, Labels]:
    """(40, 500) numbers that say nothing of the outcome, half of it events."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(40, 500)), rng.permutation(np.repeat([0, 1], 20))


def with_category(X: Floats, seed: int) -> Any:
    """The first three columns, named, and a category of three levels."""
    import pandas as pd

    frame = pd.DataFrame(X[:, :3], columns=["age", "marker", "size"])
    levels = np.random.default_rng(seed).choice(["low", "middle", "high"], size=len(X))
    return frame.assign(grade=pd.Categorical(levels, categories=["low", "middle", "high"]))
