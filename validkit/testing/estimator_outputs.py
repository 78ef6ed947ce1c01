"""Laws on what goes into a model and comes out: data left alone, two probabilities a row, no silent NaN."""

from __future__ import annotations

from typing import Any

import numpy as np

from validkit.errors import ValidkitError
from validkit.testing.estimator_areas import area, standard_error
from validkit.testing.estimator_cases import ROUNDING, EstimatorCase, Floats, Rows, Verdict, risks, take
from validkit.testing.estimator_changes import change, parameters

UNSEEN = "never seen before"
INVERTED = 3
"""standard errors below 0.5 at which an AUC on the rows that were fitted says that the columns are swapped"""


def no_mutation(case: EstimatorCase) -> Verdict:
    """X, y and `get_params` before and after fit and predict_proba."""
    model = case.copy()
    own = parameters(model)
    X, y = take(case.X, case.train), case.y[case.train]
    model.fit(X, y)
    asked = take(case.X, case.test)
    model.predict_proba(asked)
    for words, before, after, rows in (
        ("fit changed X", take(case.X, case.train), X, case.train),
        ("fit changed y", case.y[case.train], y, case.train),
        ("predict_proba changed X", take(case.X, case.test), asked, case.test),
    ):
        if found := change(before, after, rows):
            return Verdict("fail", f"{words}: {found}")
    after = parameters(model)
    for name in sorted(own.keys() | after.keys()):
        if own.get(name) != after.get(name):
            was, now = (str(known.get(name))[:60] for known in (own, after))
            return Verdict("fail", f"the parameter {name!r} was {was} and became {now}")
    return Verdict("pass", f"X, y and {len(own)} parameters are as they were")


def probabilities(case: EstimatorCase) -> Verdict:
    """The shape, range and sum of each row, and which column is the event by `classes_`, by fit and by `predict`."""
    model = case.fit()
    table = np.asarray(model.predict_proba(take(case.X, case.test)), dtype=np.float64)
    fault = _fault_of_table(table, case.test) or _fault_of_classes(model, case) or _fault_of_labels(model, case)
    if fault:
        return Verdict("fail", fault)
    return Verdict("pass", f"{case.test.size} rows, of which column 1 is the event {case.event!s}")


def _fault_of_table(table: Floats, rows: Rows) -> str:
    if table.shape != (rows.size, 2):
        return f"predict_proba gave shape {table.shape} for {rows.size} rows, not ({rows.size}, 2)"
    whole = np.abs(table.sum(axis=1) - 1) <= ROUNDING
    for bad, words in (
        (~np.isfinite(table).all(axis=1), "is not finite"),
        (((table < 0) | (table > 1)).any(axis=1), "leaves [0, 1]"),
        (~whole, "does not sum to one"),
    ):
        if bad.any():
            k = int(np.flatnonzero(bad)[0])
            return f"row {rows[k]}: {table[k].tolist()} {words}"
    return ""


def _fault_of_classes(model: Any, case: EstimatorCase) -> str:
    """Whether column 1 is the event, by name and by what it says of the rows that were fitted."""
    classes = getattr(model, "classes_", None)
    labels = np.unique(case.y).tolist()
    if classes is not None and list(classes) != labels:
        return f"`classes_` is {list(classes)}, not the outcomes in sorted order, {labels}"
    table = np.asarray(model.predict_proba(take(case.X, case.train)), dtype=np.float64)
    event = case.y[case.train] == case.event
    fitted = area(event, table[:, 1])
    if fitted < 0.5 - INVERTED * standard_error(event):
        return f"column 1 is not the event: on the rows that were fitted its AUC is {fitted:.3f}"
    return ""


def _fault_of_labels(model: Any, case: EstimatorCase) -> str:
    """What `predict` says, wherever its threshold lies: known outcomes, the event at the higher risks."""
    if not hasattr(model, "predict"):
        return ""
    said = np.asarray(model.predict(take(case.X, case.test)))
    if said.shape != case.test.shape or not np.isin(said, np.unique(case.y)).all():
        return f"predict gave {said[:3].tolist()}, ... of shape {said.shape}; outcomes are {np.unique(case.y).tolist()}"
    risk, event = case.risks(model, case.test), said == case.event
    if 0 < event.sum() < event.size and risk[event].mean() < risk[~event].mean():
        means = f"{risk[event].mean():.3g} where predict says the event, {risk[~event].mean():.3g} elsewhere"
        return f"predict disagrees with predict_proba: the mean risk is {means}"
    return ""


def one_class(case: EstimatorCase) -> Verdict:
    """Fitted on each outcome alone: a ValueError with words, or finite risks that do not vary."""
    found = []
    for label in np.unique(case.y):
        try:
            model = case.copy().fit(take(case.X, case.train), np.full(case.train.size, label))
            table = np.asarray(model.predict_proba(take(case.X, case.test)), dtype=np.float64)
        except (ValueError, ValidkitError) as error:
            if not str(error).strip():
                return Verdict("fail", f"all outcomes {label!s}: {type(error).__name__} without words")
            found.append(f"refused ({type(error).__name__})")
            continue
        if not np.isfinite(table).all():
            return Verdict("fail", f"all outcomes {label!s}: the risks are {table[0].tolist()}, without an error")
        if np.ptp(table, axis=0).max() > ROUNDING:
            return Verdict("fail", f"all outcomes {label!s}: the risks differ, {table[0].tolist()} and others")
        found.append(f"constant, {table[0].tolist()}")
    return Verdict("pass", f"all outcomes alike: {found[0]}" if len(set(found)) == 1 else f"{found[0]}; {found[1]}")


def one_row(case: EstimatorCase) -> Verdict:
    """One held-out row in a table of its own."""
    model, row = case.fit(), case.test[:1]
    shape = np.shape(table := model.predict_proba(take(case.X, row)))
    if shape != (1, 2) or not np.isfinite(np.asarray(table, dtype=np.float64)).all():
        return Verdict("fail", f"row {row[0]} alone: shape {shape}, not (1, 2); {np.ravel(table)[:3].tolist()}")
    return Verdict("pass", "one row gives shape (1, 2)")


def constant_columns(case: EstimatorCase) -> Verdict:
    """A column of ones and one of zeros added."""
    if hasattr(case.X, "iloc"):
        wide = case.X.shape[1]
        names = ("constant_one", "constant_zero") if isinstance(case.X.columns[0], str) else (wide, wide + 1)
        X = case.X.copy()
        X[names[0]], X[names[1]] = 1.0, 0.0
    else:
        X = np.column_stack([case.X, np.ones(len(case.X)), np.zeros(len(case.X))])
    model = case.copy().fit(take(X, case.train), case.y[case.train])
    risk = risks(model, take(X, case.test), case.event)
    if not np.isfinite(risk).all():
        k = int(np.flatnonzero(~np.isfinite(risk))[0])
        return Verdict("fail", f"row {case.test[k]}: risk {risk[k]} with a column of ones and one of zeros added")
    return Verdict("pass", "a column of ones and one of zeros leave every risk finite")


def _categories(frame: Any) -> list[Any]:
    others = ["number", "bool", "datetime", "datetimetz", "timedelta"]
    return list(frame.select_dtypes(exclude=others).columns)


def unseen_category(case: EstimatorCase) -> Verdict:
    """One held-out row with another level, category by category."""
    import pandas as pd

    columns = _categories(case.X) if hasattr(case.X, "iloc") else []
    if not columns:
        return Verdict("not applicable", "no column holds categories")
    model, row = case.fit(), case.test[:1]
    found = []
    for column in columns:
        asked = take(case.X, row)
        if isinstance(asked[column].dtype, pd.CategoricalDtype):
            asked[column] = asked[column].cat.add_categories([UNSEEN])
        asked[column] = asked[column].where([False], UNSEEN)
        try:
            risk = risks(model, asked, case.event)
        except Exception as error:
            if not isinstance(error, ValueError) and UNSEEN not in str(error):
                raise
            found.append(f"{column}: refused ({type(error).__name__})")
            continue
        if not np.isfinite(risk).all():
            return Verdict("fail", f"row {row[0]} with {column} = {UNSEEN!r}: risk {risk[0]}")
        found.append(f"{column}: risk {risk[0]:.3g}")
    return Verdict("pass", f"a level never seen in {'; '.join(found)}")
