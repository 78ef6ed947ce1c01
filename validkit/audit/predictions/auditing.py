"""A table of predictions to its record: read, judged, questioned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from validkit import __version__, schemas
from validkit.audit.predictions.checks import AuditFinding, check_table
from validkit.audit.predictions.judging import LARGE, Judged, Judging, judge_table
from validkit.audit.predictions.reading import Audited, Roles, read_predictions
from validkit.errors import InputError
from validkit.sections import Acceptance, Evaluation
from validkit.stats.results import plain
from validkit.wording import nearest

__all__ = ["audit_predictions", "declared_audit"]

SEED = 1729


def audit_predictions(
    path: str | Path,
    roles: Roles,
    *,
    setting: Evaluation | None = None,
    threshold: float | None = None,
    reference: str | None = None,
    prevalence: float | None = None,
    acceptance: Acceptance | None = None,
    names: Mapping[str, str] | None = None,
    seed: int = SEED,
) -> dict[str, Any]:
    """The audit of a file as plain JSON types.

    roles : which column is what; setting : [evaluation] of a protocol, None for its defaults
    threshold : declared operating threshold; reference : model that others are compared with, None for the first
    prevalence : share of events that was stated; seed : of every draw
    acceptance : criteria of a protocol, judged on the primary set; names : of the models there, by column
    Raises InputError for what cannot be read, or is no such table.
    """
    setting = setting or Evaluation()
    for name, value in (("threshold", threshold), ("prevalence", prevalence)):
        if value is not None and not 0 < value < 1:
            raise InputError(f"--{name} must lie between 0 and 1; got {value!r}")
    first = reference or roles.models[0]
    if first not in roles.models:
        raise InputError(f"--reference names {first!r}, which is no --model{nearest(first, roles.models)}")
    table = read_predictions(path, roles)
    how = Judging(setting, threshold, first, seed)
    judged = judge_table(table, how)
    findings = check_table(table, judged, how, prevalence=prevalence)
    accepted = None if acceptance is None else _accepted(acceptance, judged, table, how, names or {})
    return {
        "schema": schemas.urn("audit"),
        "validkit": __version__,
        "source": table.source,
        "sha256": table.digest,
        "roles": {
            "outcome": roles.outcome,
            "event": roles.event,
            "models": list(roles.models),
            "site": roles.site,
            "subgroups": list(roles.subgroups),
            "cluster": roles.cluster,
            "split": roles.split,
        },
        "rows": table.rows,
        "n": len(table),
        "missing": dict(table.missing),
        "level": setting.level,
        "seed": seed,
        "replicates": setting.bootstrap.replicates if len(table) <= LARGE else 0,
        "threshold": {"value": how.operating[0], "rule": how.operating[1]},
        "reference": first,
        **plain(judged.record),
        "findings": [one.to_dict() for one in findings],
        "counts": _counts(findings),
        "acceptance": accepted,
    }


def declared_audit(protocol: str | Path) -> dict[str, Any]:
    """The arguments of `audit_predictions` that a protocol of predictions made elsewhere declares.

    Raises InputError where it declares a model of another kind.
    """
    from validkit.protocol import read_protocol
    from validkit.sections import Predictions

    declared = read_protocol(protocol)
    if not isinstance(declared.model, Predictions):
        raise InputError(f"{protocol} declares a model of kind {declared.model.kind!r}; an audit takes predictions")
    cohort, thresholds = declared.cohort, declared.evaluation.thresholds
    roles = Roles(
        outcome=cohort.outcome.column,
        models=tuple(one.column for one in declared.model.columns),
        event=None if cohort.outcome.event == 1 else str(cohort.outcome.event),
        site=cohort.site,
        cluster=cohort.group,
    )
    columns = {one.name: one.column for one in declared.model.columns}
    names = {column: name for name, column in columns.items()}
    return {
        "roles": roles,
        "setting": declared.evaluation,
        "threshold": thresholds.value,
        "reference": columns[declared.evaluation.compare.reference],
        "acceptance": declared.acceptance,
        "names": names,
    }


def _accepted(
    acceptance: Acceptance, judged: Judged, table: Audited, how: Judging, names: Mapping[str, str]
) -> dict[str, Any] | None:
    """A protocol's criteria judged on the primary set; None where it declares none."""
    import pandas as pd

    from validkit.acceptance import judge as judge_acceptance
    from validkit.plan import HELD_OUT

    primary = judged.record["primary"]
    rows = judged.parts[primary]
    evaluation = {
        "level": how.setting.level,
        "primary": HELD_OUT,
        "models": [
            {"name": names.get(column, column), "sets": {HELD_OUT: plain(scores)}}
            for column, scores in judged.record["sets"][primary]["models"].items()
        ],
    }
    risks = pd.DataFrame({names.get(column, column): values[rows] for column, values in table.models.items()})
    judgement = judge_acceptance(
        acceptance,
        evaluation,
        reference=names.get(how.reference, how.reference),
        held_out=risks,
        outcome=pd.Series(table.y[rows].astype("int64")),
    )
    return None if judgement is None else judgement.to_dict()


def _counts(findings: Sequence[AuditFinding]) -> dict[str, int]:
    counted = Counter(one.outcome for one in findings)
    return {outcome: counted.get(outcome, 0) for outcome in ("pass", "concern", "fail", "not applicable")}
