"""An audit of predictions made elsewhere as checks that pass or fail, each with its name and its reasons in text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from validkit.errors import InputError

if TYPE_CHECKING:
    from validkit.audit.predictions.reading import Roles

__all__ = ["FAIL_ON", "Asked", "Check", "audited", "checks_of"]

FAIL_ON = ("fail", "concern", "never")
ROLES = ("outcome", "models", "event", "site", "subgroups", "cluster", "split")
SETTINGS = ("threshold", "prevalence", "reference")
NO_BRACKETS = str.maketrans("[]:", "() ")
"""pytest's node ids give brackets and colons a meaning of their own"""
UNDECIDED = 'undecided counts as failed unless [acceptance] of the protocol says undecided = "pass"'


@dataclass(frozen=True)
class Asked:
    """What `validkit audit` is asked, in the words of its options; what is given here overrides the protocol."""

    predictions: Path
    protocol: str | None = None
    outcome: str | None = None
    models: tuple[str, ...] = ()
    event: str | None = None
    site: str | None = None
    subgroups: tuple[str, ...] = ()
    cluster: str | None = None
    split: str | None = None
    threshold: float | None = None
    prevalence: float | None = None
    reference: str | None = None

    def roles(self, declared: Roles | None) -> Roles:
        """Which column is what: as the protocol declares it, changed by what is given."""
        from validkit.audit.predictions.reading import Roles

        given = {name: getattr(self, name) for name in ROLES if getattr(self, name)}
        if declared is not None:
            return replace(declared, **given)
        if self.outcome is None or not self.models:
            raise InputError("name the outcome's column and at least one model's, or a protocol that declares them")
        return Roles(**given)


@dataclass(frozen=True)
class Check:
    """One criterion of the protocol (group "acceptance") or one question of the audit (group "questions").

    text : value with interval, n and events, reason, advice; its first line tells the outcome
    """

    group: Literal["acceptance", "questions"]
    name: str
    outcome: Literal["passed", "failed", "skipped"]
    text: str


def audited(asked: Asked) -> dict[str, Any]:
    """The record of `validkit audit --json`. Raises InputError for bad input."""
    from validkit.audit.predictions.auditing import audit_predictions, declared_audit

    given: dict[str, Any] = {} if asked.protocol is None else declared_audit(asked.protocol)
    roles = asked.roles(given.pop("roles", None))
    given |= {name: getattr(asked, name) for name in SETTINGS if getattr(asked, name) is not None}
    return audit_predictions(asked.predictions, roles, **given)


def checks_of(record: Mapping[str, Any], fail_on: str = "fail") -> list[Check]:
    """Every criterion and every question; all of them pass or are skipped where `validkit audit` would exit with 0.

    fail_on : whether a question fails by a "fail", also by a "concern", or "never"
    """
    if fail_on not in FAIL_ON:
        raise InputError(f"fail-on is one of {', '.join(FAIL_ON)}; got {fail_on!r}")
    accepted = record["acceptance"] or {"criteria": (), "undecided": "fail"}
    criteria = [_criterion(verdict, accepted["undecided"]) for verdict in accepted["criteria"]]
    return criteria + [_question(finding, fail_on) for finding in record["findings"]]


def _criterion(verdict: Mapping[str, Any], undecided: str) -> Check:
    """Passed where met, or undecided where the protocol lets that pass; what is undefined never passes."""
    outcome = verdict["outcome"]
    passed = outcome == "met" or (outcome == "undecided" and undecided == "pass")
    return Check("acceptance", _rule_of(verdict), "passed" if passed else "failed", _verdict_text(verdict, passed))


def _rule_of(verdict: Mapping[str, Any]) -> str:
    at = "" if verdict["threshold"] is None else f" at {verdict['threshold']:.3g}"
    return f"{verdict['measure']}{at} {verdict['rule']}"


def _verdict_text(verdict: Mapping[str, Any], passed: bool) -> str:
    whose = "" if verdict["against"] else f" of {verdict['model']}"
    lines = [
        f"{verdict['outcome']}: {verdict['quantity']}{whose} is {_estimate(verdict['estimate'])}",
        f"needed: {verdict['rule']}; {verdict['reason']}",
    ]
    if verdict["outcome"] == "undecided" and not passed:
        lines.append(UNDECIDED)
    return "\n".join(lines)


def _question(finding: Mapping[str, Any], fail_on: str) -> Check:
    name = finding["code"] + (f" of {finding['model'].translate(NO_BRACKETS)}" if finding["model"] else "")
    outcome = finding["outcome"]
    if outcome == "not applicable":
        return Check("questions", name, "skipped", finding["why"])
    failing = {"fail": ("fail",), "concern": ("fail", "concern"), "never": ()}[fail_on]
    return Check("questions", name, "failed" if outcome in failing else "passed", "\n".join(_finding_lines(finding)))


def _finding_lines(finding: Mapping[str, Any]) -> Iterator[str]:
    whose = f"{finding['model']}: " if finding["model"] else ""
    yield f"{finding['outcome']}: {whose}{finding['why']}"
    yield f"question: {finding['question']}"
    if finding["advice"]:
        yield f"advice: {finding['advice']}"
    for key, value in finding["evidence"].items():
        yield f"evidence: {key} = {_evidence(value)}"
    if finding["method"]:
        yield f"method: {finding['method']}"


def _evidence(value: Any) -> str:
    if isinstance(value, Mapping) and {"value", "low", "high", "level"} <= set(value):
        return _estimate(value)
    return json.dumps(value, ensure_ascii=False)


def _estimate(e: Mapping[str, Any]) -> str:
    """Value, interval, method, n and events."""
    if e["value"] is None:
        told, how = "undefined", e["method"]
    elif e["low"] is None or e["high"] is None:
        told, how = f"{e['value']:.4g}, without an interval", e["method"]
    else:
        told, how = f"{e['value']:.4g} [{e['low']:.4g}, {e['high']:.4g}]", f"{100 * e['level']:g}% {e['method']}"
    sample = [f"{word} = {e[key]}" for key, word in (("n", "n"), ("n_events", "events")) if e[key] is not None]
    details = ", ".join(part for part in (how.strip(), *sample) if part)
    return f"{told} ({details})" if details else told
