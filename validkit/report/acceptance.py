"""What the protocol asked for and whether it was shown: on page one, as a chapter, and as a line for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from validkit.report import text
from validkit.report.page import Block, Cell, Criterion, Details, Notice, Row, Table, Text, measure, row_head, table
from validkit.report.records import NotAvailable, Run, dig
from validkit.report.values import Estimate, estimate, number

OUTCOMES = ("met", "not met", "undecided", "not applicable")
PASSED = "met"
COLUMNS = ("Measure", "Rule", "Value", "n", "Outcome", "Why")
NOTHING_DECLARED = "No acceptance criteria were declared: nothing said ahead what would be enough."
NONE = "the protocol declares no acceptance criteria"
OLD = "the evaluation was recorded before criteria were judged; run the protocol again into this folder to judge them"


def judged(run: Run) -> dict[str, Any]:
    """The judgement of evaluation.json; NotAvailable says why there is none."""
    found = run.evaluation.get("acceptance")
    if found is None:
        raise NotAvailable(OLD if run.setting("acceptance.criteria") else NONE)
    criteria = found.get("criteria") if isinstance(found, dict) else None
    if not isinstance(criteria, list) or not criteria or not all(isinstance(each, dict) for each in criteria):
        raise NotAvailable("the acceptance in evaluation.json cannot be read; run the protocol again into this folder")
    return found


def declared(run: Run) -> bool:
    """Whether the protocol declares criteria, or some were judged."""
    evaluation = run.records["evaluation.json"]
    recorded = isinstance(evaluation, dict) and bool(evaluation.get("acceptance"))
    return recorded or bool(run.setting("acceptance.criteria"))


def acceptance_line(run: Run) -> str:
    """For a terminal: `acceptance: met (3 of 3)`, or which criteria were not met."""
    try:
        found = judged(run)
    except NotAvailable as reason:
        return f"acceptance: not judged, {reason}"
    return criteria_line(found)


def criteria_line(found: dict[str, Any]) -> str:
    """The same of a judgement by itself."""
    return f"acceptance: {_overall(found)} ({'; '.join([_share(found), *_failures(found['criteria'])])})"


def _share(found: dict[str, Any]) -> str:
    """`3 of 3`, or `1 of 4 met`."""
    criteria = found["criteria"]
    met = sum(_outcome(verdict) == PASSED for verdict in criteria)
    share = f"{met} of {len(criteria)}"
    return share if met == len(criteria) and _overall(found) == PASSED else f"{share} met"


def acceptance_notice(run: Run) -> Notice | None:
    """For page one: what the criteria come to and which were not met; None where none was declared."""
    try:
        found = judged(run)
    except NotAvailable as reason:
        return None if str(reason) == NONE else Notice("warning", "Acceptance was not judged", f"{reason}.")
    criteria = found["criteria"]
    met = sum(_outcome(verdict) == PASSED for verdict in criteria)
    title = f"Declared acceptance criteria: {_overall(found)}"
    sentence = f"{met} of {len(criteria)} met."
    failures = "".join(f" {line[:1].upper()}{line[1:]}." for line in _failures(criteria))
    lenient = _overall(found) == "undecided" and number(found.get("exit_code")) == 0
    pardon = " The protocol lets undecided criteria pass." if lenient else ""
    return Notice("note" if met == len(criteria) else "warning", title, sentence + failures + pardon)


def verdict_of(run: Run) -> tuple[str, str, tuple[Criterion, ...]]:
    """(sentence, state, criteria) for the first screen."""
    try:
        return told(judged(run))
    except NotAvailable as reason:
        if str(reason) == NONE:
            return NOTHING_DECLARED, "none", ()
        return f"Acceptance was not judged: {reason}.", "open", ()


def told(found: Mapping[str, Any]) -> tuple[str, str, tuple[Criterion, ...]]:
    """The same of a judgement."""
    criteria = tuple(Criterion(text.capital(_name(one)), _outcome(one)) for one in found["criteria"])
    overall = _overall(found)
    state = {PASSED: "good", "not met": "bad"}.get(overall, "open")
    met = sum(one.outcome == PASSED for one in criteria)
    return f"Declared criteria: {overall} ({met} of {len(criteria)} met).", state, criteria


def acceptance_blocks(run: Run) -> list[Block]:
    """The chapter: every criterion with its number, outcome and reason, and how they are judged."""
    found = judged(run)
    note = str(found.get("note") or "")
    summary = f"{text.capital(_overall(found))} ({_share(found)})."
    return [
        Text(summary),
        _table(run, found["criteria"]),
        *([Text(note)] if note else []),
        *_methods(found["criteria"]),
    ]


def _table(run: Run, criteria: list[dict[str, Any]]) -> Table:
    rows: list[Row] = []
    for verdict in criteria:
        e = estimate(verdict.get("estimate"))
        quantity, outcome = text.capital(_words(verdict, "quantity", "measure")), _outcome(verdict)
        why = Cell(text.capital(str(verdict.get("reason") or text.DASH)), wide=True)
        rows.append([row_head(quantity), _words(verdict, "rule"), measure(e, quantity), _size(e), Cell(outcome), why])
    models = list(dict.fromkeys(_label(run, _words(verdict, "model")) for verdict in criteria))
    sets = list(dict.fromkeys(_set(run, verdict) for verdict in criteria))
    levels = sorted({text.level(e.level) for v in criteria if (e := estimate(v.get("estimate"))).has_interval})
    brackets = f"In brackets, {' and '.join(levels)} confidence intervals." if levels else "No interval was recorded."
    title = f"Acceptance criteria: {text.listed(models)}, {text.listed(sets)}"
    return table(title, COLUMNS, rows, [brackets])


def _size(e: Estimate) -> Cell:
    events = "" if e.n_events is None else f"{text.whole(e.n_events)} {'event' if e.n_events == 1 else 'events'}"
    return Cell(text.whole(e.n), sub=events, numeric=True)


def _methods(criteria: list[dict[str, Any]]) -> list[Block]:
    """Which method made which interval, on demand."""
    methods: dict[str, dict[str, None]] = {}
    for verdict in criteria:
        e = estimate(verdict.get("estimate"))
        if e.has_interval:
            methods.setdefault(e.method, {})[_words(verdict, "quantity", "measure")] = None
    rows = [[Cell(text.capital(method)), Cell(text.capital("; ".join(names)))] for method, names in methods.items()]
    inner = table("Methods", ["Method", "Measures"], rows)
    return [Details("How the intervals of the criteria are made", (inner,))] if rows else []


def _failures(criteria: list[dict[str, Any]]) -> list[str]:
    """`not met: calibration slope to be within 0.8 to 1.2` for each outcome but "met" that occurs."""
    found = []
    for outcome in [*OUTCOMES[1:], *dict.fromkeys(map(_outcome, criteria))]:
        names = [_name(verdict) for verdict in criteria if _outcome(verdict) == outcome]
        line = f"{outcome}: {text.listed(names)}"
        if outcome != PASSED and names and line not in found:
            found.append(line)
    return found


def _name(verdict: dict[str, Any]) -> str:
    """A criterion in a few words: `net benefit at a threshold of 0.2 to be better than treat-all`."""
    quantity = _words(verdict, "quantity", "measure")
    against = str(verdict.get("against") or "")
    return f"{quantity.partition(', ')[0] if against else quantity} to be {_words(verdict, 'rule')}"


def _words(verdict: dict[str, Any], *keys: str) -> str:
    return text.clean(next((verdict[key] for key in keys if verdict.get(key)), text.DASH))


def _outcome(verdict: dict[str, Any]) -> str:
    return text.clean(verdict.get("outcome") or "not recorded")


def _label(run: Run, name: str) -> str:
    """A model's name for the reader."""
    return next((text.clean(m.get("label") or name) for m in run.models() if m.get("name") == name), name)


def _set(run: Run, verdict: dict[str, Any]) -> str:
    """Whom a verdict is about."""
    return run.among(str(verdict.get("set") or text.DASH))


def _overall(found: Mapping[str, Any]) -> str:
    return text.clean(dig(found, "overall") or "not recorded")
