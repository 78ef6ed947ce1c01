"""Laws of honest procedures: whatever learns, learns from the training rows only."""

from __future__ import annotations

import numpy as np

from validkit.testing.estimator_areas import chance
from validkit.testing.estimator_cases import Floats, Labels, Law, ProcedureCase, Rows, Verdict, moved, take
from validkit.testing.estimator_changes import change

__all__ = ["PROCEDURE_LAWS"]


def held_out_outcomes(case: ProcedureCase) -> Verdict:
    """The outcomes of all test rows swapped."""
    first = case.risks()
    if unlike := _unlike_by_chance(case, first):
        return unlike
    other, event = np.unique(case.y)
    y = case.y.copy()
    y[case.test] = np.where(y[case.test] == event, other, event)
    if witness := moved(case.test, first, case.risks(y=y), ("first", "with the outcomes of all test rows swapped")):
        return Verdict("fail", witness)
    return Verdict("pass", f"the outcomes of {case.test.size} test rows change no risk")


def held_out_features(case: ProcedureCase) -> Verdict:
    """Half of the test rows made copies of a training row."""
    first = case.risks()
    if unlike := _unlike_by_chance(case, first):
        return unlike
    half = case.test.size // 2
    kept, others = case.test[:half], case.test[half:]
    for stranger in (case.train[0], case.train[-1]):
        second = case.risks(X=_copied(case, others, stranger))[:half]
        words = ("first", f"with the features of {others.size} other test rows taken from row {stranger}")
        if witness := moved(kept, first[:half], second, words):
            return Verdict("fail", witness)
    return Verdict("pass", f"the features of {others.size} test rows change no risk of {half} others")


def held_out_order(case: ProcedureCase) -> Verdict:
    """Test rows in reverse, and the first half of them only."""
    first = case.risks()
    if unlike := _unlike_by_chance(case, first):
        return unlike
    backwards = case.test[::-1]
    if witness := moved(backwards, first[::-1], case.risks(test=backwards), ("first", "with test rows in reverse")):
        return Verdict("fail", witness)
    few = case.test[: case.test.size // 2]
    if witness := moved(few, first[: few.size], case.risks(test=few), ("first", f"with {few.size} test rows only")):
        return Verdict("fail", witness)
    return Verdict("pass", f"{case.test.size} test rows in reverse, and {few.size} of them, keep their risks")


def _copied(case: ProcedureCase, rows: Rows, source: int) -> object:
    """X with these rows as copies of another, under its own index."""
    places = np.arange(len(case.X))
    places[rows] = source
    X = take(case.X, places)
    if hasattr(X, "iloc"):
        X.index = case.X.index
    return X


def _unlike_by_chance(case: ProcedureCase, first: Floats) -> Verdict | None:
    if moved(case.test, first, case.risks(), ("", "")):
        return Verdict("not applicable", "two identical calls differ already; see determinism")
    return None


def chance_on_permuted_outcomes(case: ProcedureCase) -> Verdict:
    """The procedure called for each half of each shuffle; see `chance`."""

    def predict(y: Labels, train: Rows, test: Rows) -> Floats:
        return case.risks(y=y, train=train, test=test)

    return chance(case, predict)


def determinism(case: ProcedureCase) -> Verdict:
    """Two identical calls."""
    if witness := moved(case.test, case.risks(), case.risks(), ("first", "called again"), tolerance=0.0):
        return Verdict("fail", witness)
    return Verdict("pass", f"{case.test.size} rows have the same risks, to the last bit, from two calls")


def no_mutation(case: ProcedureCase) -> Verdict:
    """X, y and both sets of rows before and after a call."""
    X, y, train, test = case.X.copy(), case.y.copy(), case.train.copy(), case.test.copy()
    case.procedure(X, y, train, test)
    everyone = np.arange(len(case.X))
    for name, before, after, rows in (
        ("X", case.X, X, everyone),
        ("y", case.y, y, everyone),
        ("train_rows", case.train, train, np.arange(train.size)),
        ("test_rows", case.test, test, np.arange(test.size)),
    ):
        if found := change(before, after, rows):
            return Verdict("fail", f"it changed {name}: {found}")
    return Verdict("pass", "X, y and the rows are as they were")


def probabilities(case: ProcedureCase) -> Verdict:
    """The range of each test row's risk."""
    risk = case.risks()
    bad = ~((risk >= 0) & (risk <= 1))
    if bad.any():
        k = int(np.flatnonzero(bad)[0])
        return Verdict("fail", f"row {case.test[k]}: {risk[k]} is no probability")
    return Verdict("pass", f"{risk.size} probabilities in [0, 1]")


_ALL: tuple[Law[ProcedureCase], ...] = (
    Law(
        "held-out-outcomes",
        "The outcomes of test rows change no risk; a procedure that looked at them judges itself on what it learnt.",
        held_out_outcomes,
    ),
    Law(
        "held-out-features",
        "The features of other test rows change no risk; scaling, imputing or selecting on all rows before the split "
        "learns from patients who were to be unseen.",
        held_out_features,
    ),
    Law(
        "held-out-order",
        "A test row keeps its risk in whatever order, and with however many others, it is predicted.",
        held_out_order,
    ),
    Law(
        "chance-on-permuted-outcomes",
        "Where outcomes are shuffled nothing can be learnt, so the AUC of test rows is 0.5 on average; more than that "
        "was carried over from the test rows.",
        chance_on_permuted_outcomes,
    ),
    Law(
        "determinism",
        "Two calls with the same arguments give the same risks to the last bit; else no result can be reproduced.",
        determinism,
    ),
    Law(
        "no-mutation",
        "The procedure leaves X, y and the rows as they were; else the next split is made of other data.",
        no_mutation,
    ),
    Law("probabilities", "Each test row gets one finite probability in [0, 1].", probabilities),
)
PROCEDURE_LAWS: dict[str, Law[ProcedureCase]] = {law.name: law for law in _ALL}
"""Every law of a procedure by its name."""
