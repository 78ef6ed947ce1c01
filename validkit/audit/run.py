"""All sentinels together, in one order; whatever is not run says why."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from validkit.audit.data_sentinels import run_data_sentinels
from validkit.audit.declared import check_before_split, check_held_out_choice
from validkit.audit.findings import SENTINELS, Finding, finding
from validkit.audit.invariance import check_held_out_invariance
from validkit.audit.refits import check_no_signal, check_permuted_outcome
from validkit.audit.resubstitution import check_resubstitution
from validkit.audit.study import Study
from validkit.engine import Reporter, Silent
from validkit.errors import InputError
from validkit.fitting import Workshop
from validkit.plan import Plan, seeder
from validkit.preparing import Prepared
from validkit.protocol import Protocol
from validkit.unit import Fitted

if TYPE_CHECKING:
    import pandas as pd

    from validkit.cohort import Cohort

__all__ = ["run_refit_sentinels", "run_sentinels"]

CHECKS: dict[str, Callable[[Study], Finding]] = {
    "permuted-outcome": check_permuted_outcome,
    "held-out-invariance": check_held_out_invariance,
    "no-signal": check_no_signal,
    "before-split": check_before_split,
    "held-out-choice": check_held_out_choice,
    "resubstitution": check_resubstitution,
}


def run_refit_sentinels(study: Study, *, only: Collection[str] | None = None) -> list[Finding]:
    """Findings of the sentinels that fit again or read what the run did, in the registry's order.

    only : codes to run, all where None

    They look at held-out outcomes, but for permuted-outcome and held-out-invariance: run them once these are open.
    """
    found = []
    for code in _codes(only):
        if code in CHECKS:
            (study.reporter or Silent()).say(f"sentinel {code}")
            found.append(CHECKS[code](study))
    return found


def run_sentinels(
    protocol: Protocol,
    data: Cohort,
    plan: Plan,
    prepared: Prepared,
    fitted: Sequence[Fitted],
    workshop: Workshop,
    *,
    only: Collection[str] | None = None,
    run_looks: Sequence[Mapping[str, Any]] = (),
    predictions: pd.DataFrame | None = None,
    reporter: Reporter | None = None,
) -> list[Finding]:
    """A finding of every sentinel, in the registry's order; those not asked for are not applicable and say so.

    fitted : of every unit of the plan, in its order, as the run made them under the same workshop
    only : codes to run; where None those of `sentinels.run`, or all where the protocol names none
    The rest as in `Study`. See `run_refit_sentinels` and `run_data_sentinels`.
    """
    units = dict(zip((split.name for split in plan.units), fitted, strict=True))
    study = Study(protocol, data, plan, prepared, units, workshop, tuple(run_looks), reporter, predictions)
    asked = _codes(only if only is not None else protocol.sentinels.run or None)
    of_data = run_data_sentinels(
        data,
        plan.splits,
        seed=seeder(protocol.protocol.seed.split)("sentinels"),
        engine=workshop.engine,
        reporter=reporter,
        only=asked,
        alpha=protocol.sentinels.alpha,
    )
    found = {one.code: one for one in (*of_data, *run_refit_sentinels(study, only=asked))}
    return [found.get(code) or finding(code, "not applicable", "it was not asked for") for code in SENTINELS]


def _codes(only: Collection[str] | None) -> tuple[str, ...]:
    """The codes to run, in the registry's order; an unknown one is refused."""
    if only is None:
        return tuple(SENTINELS)
    asked = (only,) if isinstance(only, str) else tuple(only)
    unknown = [code for code in asked if code not in SENTINELS]
    if unknown:
        raise InputError(f"there is no sentinel {unknown[0]!r}; known: {', '.join(SENTINELS)}")
    return tuple(code for code in SENTINELS if code in asked)
