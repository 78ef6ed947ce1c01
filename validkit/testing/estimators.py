"""Anyone's binary classifier, or whole procedure, judged by laws of honest models."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from validkit.errors import InputError
from validkit.testing.estimator_cases import (
    Case,
    EstimatorCase,
    Labels,
    Law,
    Procedure,
    ProcedureCase,
    Verdict,
    check_data,
    divided,
    own_noise,
    own_numbers,
    with_category,
)
from validkit.testing.estimator_laws import ESTIMATOR_LAWS
from validkit.testing.procedure_laws import PROCEDURE_LAWS
from validkit.testing.violations import Finding, Findings, LawViolation, check_names

__all__ = ["ESTIMATOR_LAWS", "PROCEDURE_LAWS", "EstimatorReport", "Finding", "check_estimator", "check_procedure"]

SEED = 20260101
PROMISES = ("column-order",)
C = TypeVar("C", bound=Case)


@dataclass(frozen=True, repr=False)
class EstimatorReport(Findings):
    """What every law found of one estimator or procedure; printed, it is a table."""

    def finding(self, law: str) -> Finding:
        """The finding of a law; an InputError where it was not asked."""
        known = {one.law: one for one in self.findings}
        check_names([law], known)
        return known[law]

    def __repr__(self) -> str:
        counts = ", ".join(
            f"{sum(one.outcome == outcome for one in self.findings)} {outcome}"
            for outcome in ("pass", "fail", "not applicable")
        )
        wide = max((len(one.law) for one in self.findings), default=0)
        lines = [f"{one.law:{wide}}  {one.outcome:14}  {one.message}" for one in self.findings]
        return "\n".join([f"{self.subject}: {len(self.findings)} laws, {counts}", *lines])


def check_estimator(
    estimator: Any,
    *,
    X: Any = None,
    y: Any = None,
    promises: Sequence[str] = (),
    laws: Iterable[str] | None = None,
    seed: int = SEED,
    raise_on_failure: bool = True,
) -> EstimatorReport:
    """Try the laws of honest models on a binary classifier or a whole Pipeline.

    estimator : an unfitted instance with `fit` and `predict_proba`; it is copied by its `get_params`, never fitted
    X : (n, p) array or DataFrame, y : (n,) two labels, the later in sorted order being the event, 8 rows of each at
        least; without them the kit makes a table of numbers, and one with a category where the estimator takes it
    promises : "column-order" says that fitting on columns in another order gives the same risks, within 0.001
    laws : names out of `ESTIMATOR_LAWS`; all where None
    seed : for the kit's own draws and for each random state that the estimator leaves open

    Of a larger table 400 rows are drawn, half to fit on and half held out. Laws compare risks within 1e-6, determinism
    to the last bit. An honest estimator fails `chance-on-permuted-outcomes` by chance in fewer than 1 of 10,000 seeds.
    `save-and-load` pickles the caller's own object in the caller's own machine and loads it in a fresh process there.
    An exception inside a law is a failure that names it; warnings of the estimator are not judged.

    Raises LawViolation where a law fails and `raise_on_failure` is set, InputError where the arguments are wrong or the
    estimator takes none of the kit's own tables.

    >>> from sklearn.linear_model import LogisticRegression
    >>> check_estimator(LogisticRegression(), laws=["one-row"]).failed
    ()
    """
    if isinstance(estimator, type) or not (hasattr(estimator, "fit") and hasattr(estimator, "predict_proba")):
        raise InputError(f"`estimator` must be an instance with fit and predict_proba; got {estimator!r}")
    check_names(promises, PROMISES, "promise")
    asked = _asked(laws, ESTIMATOR_LAWS)
    own = _left_out(X, y)
    cases = []
    for table, one, labels in _own_tables(seed) if own else [("your table", *check_data(X, y))]:
        train, test = divided(labels, seed)
        cases.append(EstimatorCase(table, one, labels, train, test, seed, estimator, tuple(promises)))
    if own:
        cases = _accepted(cases)
    return _report(type(estimator).__name__, asked, cases, raise_on_failure)


def check_procedure(
    procedure: Procedure,
    *,
    X: Any = None,
    y: Any = None,
    laws: Iterable[str] | None = None,
    seed: int = SEED,
    raise_on_failure: bool = True,
) -> EstimatorReport:
    """Try the laws of honest models on a whole procedure, from the raw table to the risks of its test rows.

    procedure : procedure(X, y, train_rows, test_rows) -> (n_test,) probabilities of the event; rows are counted from 0
    X, y, laws, seed, raise_on_failure : as in `check_estimator`, the laws out of `PROCEDURE_LAWS`; without X and y the
        kit makes 40 rows of 500 numbers that say nothing of the outcome, on which selection before the split shows

    >>> check_procedure(lambda X, y, train_rows, test_rows: [0.5] * len(test_rows)).failed
    ()
    """
    if not callable(procedure):
        raise InputError(f"`procedure` must be callable; got {procedure!r}")
    asked = _asked(laws, PROCEDURE_LAWS)
    own = _left_out(X, y)
    table, labels = own_noise(seed) if own else check_data(X, y)
    train, test = divided(labels, seed)
    case = ProcedureCase("noise" if own else "your table", table, labels, train, test, seed, procedure)
    return _report(getattr(procedure, "__name__", type(procedure).__name__), asked, [case], raise_on_failure)


def _left_out(X: Any, y: Any) -> bool:
    if (X is None) != (y is None):
        raise InputError("`X` and `y` must be given together, or neither")
    return X is None


def _asked(laws: Iterable[str] | None, known: Mapping[str, Law[C]]) -> list[Law[C]]:
    if laws is None:
        return list(known.values())
    names = [laws] if isinstance(laws, str) else list(laws)
    check_names(names, known)
    return [law for law in known.values() if law.name in names]


def _own_tables(seed: int) -> list[tuple[str, Any, Labels]]:
    """Tables that an estimator may take: numbers as an array, with a category, with that category as text."""
    X, y = own_numbers(seed)
    frame = with_category(X, seed)
    return [
        ("numbers", X, y),
        ("numbers and a category", frame, y),
        ("numbers and text", frame.astype({"grade": str}), y),
    ]


def _accepted(cases: list[EstimatorCase]) -> list[EstimatorCase]:
    """Cases that the estimator can be fitted and asked on; text only where it takes no category."""
    kept: list[EstimatorCase] = []
    refused = []
    for case in cases:
        if case.table == "numbers and text" and any(one.table == "numbers and a category" for one in kept):
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                case.risks(case.fit(), case.test)
        except Exception as error:
            refused.append(f"{case.table}: {type(error).__name__}: {error}")
        else:
            kept.append(case)
    if not kept:
        raise InputError(f"the estimator takes none of the kit's own tables; pass `X` and `y` ({'; '.join(refused)})")
    return kept


def _report(subject: str, laws: Sequence[Law[C]], cases: Sequence[C], raise_on_failure: bool) -> EstimatorReport:
    report = EstimatorReport(subject, tuple(_finding(law, cases) for law in laws))
    if raise_on_failure and report.failed:
        sentences = {law.name: law.sentence for law in laws}
        broken = [f"- {one.law}: {sentences[one.law]}\n  {one.message}" for one in report.failed]
        raise LawViolation("\n".join([f"{subject} breaks {len(broken)} of {len(laws)} laws of honest models", *broken]))
    return report


def _finding(law: Law[C], cases: Sequence[C]) -> Finding:
    """The worst that a law found on any table; it passes where it passes on one and does not apply to the others."""
    tried = cases[-1:] if law.once else cases
    verdicts = [(_verdict(law, case), case.table) for case in tried]
    verdict, table = min(verdicts, key=lambda one: ("fail", "pass", "not applicable").index(one[0].outcome))
    return Finding(law.name, verdict.outcome, f"{verdict.message} ({table})")


def _verdict(law: Law[C], case: C) -> Verdict:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return law.check(case)
    except Exception as error:
        return Verdict("fail", f"{type(error).__name__}: {error}")
