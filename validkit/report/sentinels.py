"""The leakage sentinels of a run: each with its question, its outcome in words, and evidence that can be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from validkit.report import text
from validkit.report.frontpage import sentinel_words
from validkit.report.notices import findings as recorded
from validkit.report.page import Block, Cell, Details, Facts, Row, Table, Text, row_head, table
from validkit.report.records import NotAvailable, Record, Run
from validkit.report.values import count, estimate, number

OUTCOMES = {"fail": "failed", "pass": "passed", "not applicable": "not applicable"}
NOT_RUN = (
    "No sentinel was run. They look for leaks between training and held-out patients; run the protocol with "
    "--sentinels, or name them under sentinels.run in the protocol."
)
MOST_ROWS = 8
MOST_COLUMNS = 9
MOST_ITEMS = 10
COUNTS = ("n", "events", "splits", "permutations", "compared", "pairs", "patients", "rows")


def findings(run: Run) -> list[Record]:
    """What the sentinels found, those that failed first."""
    order = list(OUTCOMES)
    place = {outcome: i for i, outcome in enumerate(order)}
    return sorted(recorded(run), key=lambda one: place.get(str(one.get("outcome")), len(order)))


def sentinel_blocks(run: Run) -> list[Block]:
    """A table of all, then each with its evidence on demand; the failed ones stand open."""
    if "sentinels" not in run.info:
        raise NotAvailable("the folder was written before there were sentinels; run the protocol again")
    found = findings(run)
    if not found:
        return [Text(NOT_RUN)]
    rows: list[Row] = []
    for one in found:
        why = Cell(text.capital(str(one.get("why") or text.DASH)), wide=True)
        outcome = str(one.get("outcome"))
        question = Cell(str(one.get("question") or text.DASH), wide=True)
        rows.append([row_head(one.get("code")), question, Cell(OUTCOMES.get(outcome, outcome)), why])
    summary = table("Leakage sentinels", ["Sentinel", "Question", "Outcome", "What was found"], rows)
    blocks: list[Block] = [Text(sentinel_words(run)), summary]
    for one in found:
        inner = tuple(_evidence_blocks(one))
        if inner:
            title = f"{one.get('code')}: {OUTCOMES.get(str(one.get('outcome')), one.get('outcome'))}"
            blocks.append(Details(f"Evidence of {title}", inner))
    return blocks


def _evidence_blocks(one: Record) -> list[Block]:
    facts = [(name, str(one[key])) for key, name in (("advice", "Advice"), ("method", "Method")) if one.get(key)]
    evidence = one.get("evidence")
    found = evidence_blocks(evidence if isinstance(evidence, Mapping) else {})
    return [*found, *([Facts(tuple(facts))] if facts else [])]


def evidence_blocks(evidence: Mapping[str, Any]) -> list[Block]:
    """Plain JSON for a reader: single values as facts, rows as tables, long lists shortened."""
    whole = _estimated(evidence)
    hidden = ("low", "high") if whole else ()
    facts = [
        (_words(key), short(value) + (f" {_between(evidence)}" if key == whole else ""))
        for key, value in evidence.items()
        if not _is_rows(value) and key not in hidden
    ]
    blocks: list[Block] = [Facts(tuple(facts))] if facts else []
    for key, value in evidence.items():
        if _is_rows(value):
            blocks.append(_rows_table(value, _words(key)))
    return blocks


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, Mapping) for one in value)


def _rows_table(rows: Sequence[Mapping[str, Any]], title: str) -> Table:
    keys = list(dict.fromkeys(str(key) for row in rows for key in row))
    keys = [key for key in keys if key not in ("low", "high") or not any("low" in row for row in rows)]
    shown, left = keys[:MOST_COLUMNS], keys[MOST_COLUMNS:]
    body: list[Row] = []
    for row in rows[:MOST_ROWS]:
        cells = [_cell(row, key) for key in shown]
        body.append([row_head(cells[0].text), *cells[1:]])
    notes = [f"{len(rows) - MOST_ROWS} more rows are in run.json."] if len(rows) > MOST_ROWS else []
    notes += [f"Not shown here: {', '.join(map(_words, left))}."] if left else []
    return table(f"{title} ({len(rows)})", [_words(key) for key in shown], body, notes)


def _cell(row: Mapping[str, Any], key: str) -> Cell:
    """A value, with the row's interval below it where the value is what the interval belongs to."""
    value = row.get(key)
    if key == _estimated(row):
        return Cell(_number(value), _between(row), numeric=True)
    words = short(value)
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    return Cell(words, numeric=numeric, wide=len(words) > 40)


def _between(row: Mapping[str, Any]) -> str:
    return f"[{_number(row.get('low'))}, {_number(row.get('high'))}]"


def _estimated(row: Mapping[str, Any]) -> str | None:
    """Which value of a row its `low` and `high` belong to: the last before them."""
    if row.get("low") is None or row.get("high") is None:
        return None
    keys = list(row)
    before = [key for key in keys[: keys.index("low")] if _is_number(row[key]) and key not in COUNTS]
    return before[-1] if before else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def short(value: Any, depth: int = 0) -> str:
    """A JSON value in a few words; lists end in how many more there are."""
    if value is None:
        return text.DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return text.whole(value)
    if isinstance(value, float):
        return text.fine(value)
    if isinstance(value, Mapping):
        if "value" in value:
            e = estimate(value)
            sizes = f" ({text.counts(e.n, e.n_events)})" if e.n is not None else ""
            return f"{text.estimate(e)}{sizes}"
        if depth > 1:
            return f"{len(value)} entries"
        return "; ".join(f"{_words(key)} {short(inner, depth + 1)}" for key, inner in list(value.items())[:MOST_ITEMS])
    if isinstance(value, list):
        if depth > 1:
            return f"{len(value)} entries"
        return text.listed([short(inner, depth + 1) for inner in value], MOST_ITEMS)
    words = text.clean(value)
    return words if len(words) <= 300 else f"{words[:299]}…"


def _number(value: Any) -> str:
    return text.number(number(value))


def _words(key: object) -> str:
    """`closest_below` as `closest below`."""
    return text.clean(key).replace("_", " ")


def sentinel_rows(run: Run) -> list[list[Any]]:
    """(code, question, outcome, why, advice, method, n) of every finding."""
    rows = []
    for one in findings(run):
        evidence = one.get("evidence") if isinstance(one.get("evidence"), Mapping) else {}
        facts = [one.get(key) for key in ("code", "question", "outcome", "why", "advice", "method")]
        rows.append([*facts, count((evidence or {}).get("n"))])
    if not rows:
        raise NotAvailable("no sentinel was run")
    return rows
