"""Laws on what a model's risks may depend on: not on neighbours, chance, what was fitted before, order or coding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from validkit.testing.estimator_areas import chance
from validkit.testing.estimator_cases import EstimatorCase, Floats, Labels, Rows, Verdict, moved, risks, take

ALONE = 10
"""rows that are predicted one by one"""
FITTED = 1e-3
"""largest difference between two risks that an optimiser's own tolerance explains"""


def held_out_independence(case: EstimatorCase) -> Verdict:
    """Held-out rows in a batch, against the same rows alone, in reverse, among others, and once more."""
    model = case.fit()
    batch = dict(zip(case.test.tolist(), case.risks(model, case.test), strict=True))
    for way, rows, risk in _other_ways(case, model):
        first = np.array([batch[row] for row in rows.tolist()])
        if witness := moved(rows, first, risk, (f"in a batch of {case.test.size}", way)):
            return Verdict("fail", witness)
    return Verdict("pass", f"{case.test.size} rows in a batch, again, in reverse, alone and among other neighbours")


def _other_ways(case: EstimatorCase, model: Any) -> Iterator[tuple[str, Rows, Floats]]:
    """The same rows predicted in other ways: which way, the rows, their risks."""
    test = case.test
    alone = _one_by_one(case, model, test[:ALONE])
    if alone is not None:
        yield "alone", test[:ALONE], alone
    kept = test[: test.size // 2]
    for stranger in (case.train[0], case.train[-1]):
        crowd = np.concatenate([kept, np.full(test.size - kept.size, stranger)])
        yield f"where copies of row {stranger} take its neighbours' place", kept, case.risks(model, crowd)[: kept.size]
    yield "in reverse order", test[::-1], case.risks(model, test[::-1])
    case.risks(model, case.train)
    yield "asked again, after other rows", test, case.risks(model, test)


def _one_by_one(case: EstimatorCase, model: Any, rows: Rows) -> Floats | None:
    """(n,) risks of rows predicted alone; None where one row is refused, which is for `one-row` to say."""
    try:
        return np.concatenate([case.risks(model, rows[[k]]) for k in range(rows.size)])
    except Exception:
        return None


def chance_on_permuted_outcomes(case: EstimatorCase) -> Verdict:
    """A fresh copy for each half of each shuffle; see `chance`."""

    def predict(y: Labels, train: Rows, test: Rows) -> Floats:
        return case.risks(case.copy().fit(take(case.X, train), y[train]), test)

    return chance(case, predict)


def determinism(case: EstimatorCase) -> Verdict:
    """Two copies fitted on the same rows."""
    first, second = (case.risks(case.fit(), case.test) for _ in range(2))
    if witness := moved(case.test, first, second, ("from one fit", "from another"), tolerance=0.0):
        return Verdict("fail", f"{witness} on the same rows with random states set to {case.seed}")
    return Verdict("pass", f"{case.test.size} rows have the same risks, to the last bit, from two fits")


def column_order(case: EstimatorCase) -> Verdict:
    """The last column put first, at prediction where names are kept, at fitting where that is promised."""
    if case.X.shape[1] < 2:
        return Verdict("not applicable", "there is one column")
    if "column-order" in case.promises and (witness := _refitted_on_other_order(case)):
        return Verdict("fail", witness)
    asked = _other_order_by_name(case)
    if asked.outcome == "not applicable" and "column-order" in case.promises:
        return Verdict("pass", f"fitted and asked with columns in another order, no risk moves by more than {FITTED:g}")
    return asked


def _last_first(X: Any) -> Any:
    order = np.roll(np.arange(X.shape[1]), 1)
    return X.iloc[:, order] if hasattr(X, "iloc") else X[:, order]


def _refitted_on_other_order(case: EstimatorCase) -> str:
    X = _last_first(case.X)
    first = case.risks(case.fit(), case.test)
    second = risks(case.copy().fit(take(X, case.train), case.y[case.train]), take(X, case.test), case.event)
    words = ("fitted on columns as they come", "fitted on the last column put first")
    return moved(case.test, first, second, words, tolerance=FITTED)


def _other_order_by_name(case: EstimatorCase) -> Verdict:
    """A model that keeps the names of its columns is asked with the last column put first."""
    import pandas as pd

    given = hasattr(case.X, "iloc")
    frame = case.X if given else pd.DataFrame(case.X).add_prefix("x")
    try:
        model = case.copy().fit(take(frame, case.train), case.y[case.train])
        first = risks(model, take(frame, case.test), case.event)
    except Exception as error:
        if given:
            raise
        return Verdict("not applicable", f"it takes no DataFrame ({type(error).__name__})")
    if not hasattr(model, "feature_names_in_"):
        return Verdict("not applicable", "it keeps no `feature_names_in_` and promises no column-order")
    try:
        second = risks(model, take(_last_first(frame), case.test), case.event)
    except (KeyError, TypeError, ValueError) as error:
        return Verdict("pass", f"another order of columns is refused ({type(error).__name__}), which counts as a pass")
    words = ("with columns in their order", "with the last column put first, by the same names")
    if witness := moved(case.test, first, second, words):
        return Verdict("fail", witness)
    return Verdict("pass", "another order of columns, by the same names, changes no risk")


def refitting_forgets(case: EstimatorCase) -> Verdict:
    """A copy fitted on other rows with shuffled outcomes first, against a fresh one."""
    model = case.copy()
    if hasattr(model, "get_params") and any(
        value is True for name, value in model.get_params(deep=True).items() if name.endswith("warm_start")
    ):
        return Verdict("not applicable", "warm_start is on: it is meant to remember")
    fresh = case.risks(case.fit(), case.test)
    if unlike := _unlike_by_chance(case, fresh):
        return unlike
    model.fit(take(case.X, case.test), np.random.default_rng(case.seed).permutation(case.y[case.test]))
    case.risks(model, case.test)
    model.fit(take(case.X, case.train), case.y[case.train])
    if witness := moved(
        case.test, fresh, case.risks(model, case.test), ("from a fresh copy", "fitted on others first")
    ):
        return Verdict("fail", witness)
    return Verdict("pass", "fitted on other rows first, it gives what a fresh copy gives")


def _unlike_by_chance(case: EstimatorCase, first: Floats) -> Verdict | None:
    if moved(case.test, first, case.risks(case.fit(), case.test), ("", "")):
        return Verdict("not applicable", "two fits on the same rows differ already; see determinism")
    return None


def label_names(case: EstimatorCase) -> Verdict:
    """The outcomes as text, booleans and whole numbers."""
    first = case.risks(case.fit(), case.test)
    if unlike := _unlike_by_chance(case, first):
        return unlike
    event = case.y == case.event
    tried, refused = [], []
    for name, labels in (
        ("text", np.where(event, "present", "absent")),
        ("booleans", event),
        ("whole numbers", event.astype(np.int64)),
    ):
        try:
            model = case.copy().fit(take(case.X, case.train), labels[case.train])
        except (TypeError, ValueError) as error:
            refused.append(f"{name} ({type(error).__name__})")
            continue
        second = risks(model, take(case.X, case.test), np.unique(labels)[1])
        if witness := moved(case.test, first, second, (f"where outcomes are {case.y.dtype}", f"where they are {name}")):
            return Verdict("fail", witness)
        if labels.dtype.kind != case.y.dtype.kind:
            tried.append(name)
    turned_down = f"refused: {', '.join(refused)}"
    if not tried:
        return Verdict("not applicable", f"it takes no other coding; {turned_down}")
    return Verdict("pass", f"{' and '.join(tried)} give the same risks" + (f"; {turned_down}" if refused else ""))
