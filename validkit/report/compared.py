"""The page of a comparison of runs, drawn from its record alone; and the numbers that differ as a CSV table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from validkit.report import compared_words as words
from validkit.report import text
from validkit.report.html import Document, render_document
from validkit.report.page import (
    Answer,
    Block,
    Cell,
    Details,
    Missing,
    Notice,
    Row,
    Section,
    Table,
    Text,
    measure,
    row_head,
    sizes,
    table,
)
from validkit.report.tables import to_csv
from validkit.report.values import estimate, number, test
from validkit.stats.metrics import METRICS

__all__ = ["compared_csv", "compared_page"]

OPEN = 60
"""rows that the first table of numbers has at most, to stand open"""

Found = Mapping[str, Any]


def compared_page(record: Found) -> str:
    """The HTML page of `validkit.comparing.compare_runs`."""
    return render_document(
        Document(
            name=f"comparison of {text.listed(words.names(record))}",
            question="What differs between these runs?",
            who=_who(record),
            notices=_notices(record),
            sections=[
                Section("protocol", "What differs in the protocol", tuple(_protocol(record))),
                Section("data", "What differs in the data", tuple(_data(record))),
                Section("paired", "Paired differences", tuple(_paired(record))),
                Section("numbers", "Every number that differs", tuple(_numbers(record))),
            ],
            plates=[],
            version=str(record["validkit"]),
            written_from="the comparison's record, comparison.json",
            synthetic=bool(record["synthetic"]),
            answer=_answer(record),
        )
    )


def _answer(record: Found) -> Answer:
    told = ("protocol", words.protocol_words), ("data", words.data_words)
    pairs = [text.capital(line) for pair in record["paired"]["pairs"] for line in _headlines(pair)]
    return Answer(
        sentence=f"{words.title(record)}; held-out patients: {words.patients_words(record)}.",
        verdict="Nothing differs." if record["same"] else f"{text.capital(words.numbers_words(record))}.",
        state="good" if record["same"] else "none",
        facts=(*(f"{text.capital(head)}: {say(record)}" for head, say in told), *pairs),
    )


def _headlines(pair: Found) -> list[str]:
    """The reference model's AUC and Brier score, or why there is no difference."""
    head = f"{pair['first']} less {pair['other']}"
    if pair["reason"]:
        return [f"{head}: no paired difference, because {pair['reason']}"]
    rows = [row for row in pair["differences"] if row["reference"] and row["threshold"] is None]
    told = [
        f"{words.measure_words(row)} {text.estimate(estimate(row['difference']), text.fine)}, "
        f"Holm's {text.p_equals(number(row['p_adjusted']))}"
        for row in rows
    ]
    if told:
        return [f"{head}, {rows[0]['model']}: {'; '.join(told)}"]
    return [f"{head}: {words.alike_words(pair)}"] if pair["alike"] else []


def _who(record: Found) -> list[tuple[str, str]]:
    return [
        (
            f"Run {run['name']}",
            f"{run['protocol']}, {run['design']}, reference {run['reference']}; finished {run['finished']}, validkit "
            f"{run['validkit']}; in {run['folder']}",
        )
        for run in record["runs"]
    ]


def _notices(record: Found) -> list[Notice]:
    apart = [pair for pair in record["data"]["patients"]["pairs"] if pair["disagree"]]
    return [
        Notice(
            "warning",
            "Outcomes disagree",
            f"{pair['disagree']} of {pair['shared']} patients held out in {pair['first']} and in {pair['other']} have "
            "another outcome there. Find out which of the two is right before anything is compared.",
        )
        for pair in apart
    ]


# --- protocol and data -----------------------------------------------------------------------------


def _protocol(record: Found) -> Iterator[Block]:
    heads = words.names(record)
    settings, overrides = record["protocol"]["settings"], record["protocol"]["overrides"]
    if settings:
        rows: list[Row] = [
            [row_head(one["key"]), *(Cell(words.setting_words(value), wide=True) for value in one["values"])]
            for one in settings
        ]
        yield table("Settings that differ", ["Setting", *heads], rows, ["Defaults included; values as in JSON."])
    else:
        yield Text("The protocols say the same in every setting, defaults included.")
    if overrides:
        rows = [[row_head(one["override"]), *map(_mark, one["runs"])] for one in overrides]
        yield table("Overrides that not every run was given", ["Override", *heads], rows)
    else:
        yield Text("Every run was given the same overrides, or none.")


def _mark(given: bool) -> Cell:
    return Cell("given" if given else text.DASH)


def _data(record: Found) -> Iterator[Block]:
    facts = record["data"]["facts"]
    apart, same = ([one for one in facts if bool(one["same"]) is kind] for kind in (False, True))
    if apart:
        yield _facts("Facts that differ", apart, words.names(record))
    else:
        yield Text("Digests, seeds, versions of packages and the device are the same.")
    if same:
        yield Details("Facts that are the same", (_facts("The same in every run", same, words.names(record)),))
    yield _runs(record["data"]["patients"])
    yield _pairs(record["data"]["patients"]["pairs"])


def _facts(title: str, facts: Sequence[Found], heads: Sequence[str]) -> Table:
    rows: list[Row] = [
        [row_head(text.capital(one["fact"])), *(_fact(words.fact_words(value)) for value in one["values"])]
        for one in facts
    ]
    return table(title, ["Fact", *heads], rows, ["Of a digest the first digits; the whole of it on pointing."])


def _fact(told: str) -> Cell:
    return Cell(f"{told[:12]}…", title=told) if words.is_digest(told) else Cell(told)


def _runs(found: Found) -> Table:
    rows: list[Row] = [
        [
            row_head(one["run"]),
            sizes(one["held_out"], one["events"]),
            Cell(text.whole(one["training"]), numeric=True),
            Cell(text.whole(one["only"]), sub=_ids(one["only_ids"], one["only"]), numeric=True),
        ]
        for one in found["runs"]
    ]
    note = f"Held out in every run: {text.counts(found['shared'], found['events'])}."
    return table("Patients", ["Run", "Held out", "Trained on", "Held out here alone"], rows, [note])


def _ids(ids: Sequence[str], n: int) -> str:
    return ", ".join(ids) + (f" and {n - len(ids)} more" if n > len(ids) else "")


def _pairs(pairs: Sequence[Found]) -> Table:
    rows: list[Row] = [
        [
            row_head(f"{pair['first']} and {pair['other']}"),
            sizes(pair["shared"], pair["events"]),
            Cell(text.whole(pair["agree"]), numeric=True),
            Cell(text.whole(pair["disagree"]), sub=_ids(pair["disagree_ids"], pair["disagree"]), numeric=True),
            Cell(text.whole(pair["open"]), numeric=True),
        ]
        for pair in pairs
    ]
    note = (
        "A run folder lists no outcome by patient: they were read back from its ROC curves, which leave one open only "
        "where risks are tied."
    )
    columns = ["Runs", "Held out in both", "Outcomes agree", "Disagree", "Not told"]
    return table("Shared patients", columns, rows, [note])


# --- paired differences ----------------------------------------------------------------------------


def _paired(record: Found) -> Iterator[Block]:
    found = record["paired"]
    for pair in found["pairs"]:
        head = f"{pair['first']} less {pair['other']}"
        if pair["reason"]:
            yield Missing(head, pair["reason"])
            continue
        if pair["differences"]:
            yield _differences(head, pair)
        if alike := words.alike_words(pair):
            yield Text(f"{head}: {alike}.")
        for one in pair["apart"]:
            yield Missing(f"{head}, {one['model']}", one["reason"])
        if not (pair["differences"] or alike or pair["apart"]):
            yield Missing(head, "the runs have no model of the same name, and no reference models")
    if found["tests"]:
        yield Text(f"{words.BETTER} p corrected for {found['tests']} tests (Holm). {found['note']}")


def _differences(head: str, pair: Found) -> Table:
    rows: list[Row] = []
    for model, group in groupby(pair["differences"], key=lambda row: str(row["model"])):
        own = list(group)
        for k, row in enumerate(own):
            e, t = estimate(row["difference"]), test(row["test"])
            rows.append(
                [
                    *([row_head(model, rows=len(own))] if k == 0 else []),
                    words.measure_words(row),
                    sizes(e.n, e.n_events),
                    measure(e, words.measure_words(row), text.fine),
                    Cell(text.p_value(t.p_value), title=text.test_how(t), numeric=True),
                    Cell(text.p_value(number(row["p_adjusted"])), numeric=True),
                ]
            )
    notes = [
        f"On {words.paired_words(pair)}. In brackets, {text.level(pair['level'])} confidence intervals.",
        *(f"{text.capital(note)}." for note in pair["notes"]),
    ]
    return table(head, ["Model", "Measure", "n", "Difference", "p", "p, Holm"], rows, notes)


# --- numbers ---------------------------------------------------------------------------------------


def _numbers(record: Found) -> Iterator[Block]:
    found, heads = record["numbers"], words.names(record)
    yield Text(f"{text.capital(words.numbers_words(record))}.")
    if alone := words.alone_words(record):
        yield Text(f"{text.capital(alone)}.")
    for k, (title, group) in enumerate(groupby(found["differ"], key=_chapter)):
        rows = list(group)
        shown = _laid(title, rows, heads)
        yield shown if k == 0 and len(rows) <= OPEN else Details(f"{title} ({len(rows)})", (shown,))
    if found["curves"]:
        yield Details(f"Curves and counts that differ ({len(found['curves'])})", (_curves(found["curves"], heads),))


def _chapter(row: Found) -> str:
    """Model, set, and whether a number is a measure of the registry."""
    kind = "measures" if row["number"] in METRICS else "other numbers"
    return f"{row['model']}, {words.set_words(row)}: {kind}"


def _laid(title: str, rows: Sequence[Found], heads: Sequence[str]) -> Table:
    body: list[Row] = [
        [
            row_head(row["label"]),
            _sizes(row["values"]),
            *(measure(words.value_of(value), str(row["label"])) for value in row["values"]),
            *(Cell(words.difference_words(value), numeric=True) for value in row["differences"]),
        ]
        for row in rows
    ]
    columns = ["Number", "n", *heads, *(f"{heads[0]} less {other}" for other in heads[1:])]
    return table(title, columns, body, ["In brackets, confidence intervals. Where n differs, it is given run by run."])


def _sizes(values: Sequence[Found | None]) -> Cell:
    """n and events where every run has the same, else of each."""
    told = [(value["n"], value["events"]) for value in values if value is not None]
    if len(set(told)) == 1:
        return sizes(*told[0]) if told[0] != (None, None) else Cell(text.DASH)
    n, events = (" / ".join(text.whole(one[k]) for one in told) for k in (0, 1))
    return Cell(n, f"{events} events")


def _curves(rows: Sequence[Found], heads: Sequence[str]) -> Table:
    body: list[Row] = [
        [
            row_head(row["model"]),
            words.set_words(row),
            str(row["label"]),
            *(Cell(text.whole(points), numeric=True) for points in row["points"]),
            *(_apart(one) for one in row["differences"]),
        ]
        for row in rows
    ]
    columns = ["Model", "Patients", "Curve", *(f"Points, {head}" for head in heads)]
    columns += [f"{heads[0]} less {other}" for other in heads[1:]]
    return table("Curves and counts", columns, body)


def _apart(one: Found | None) -> Cell:
    if one is None:
        return Cell("other points")
    if not one["points"]:
        return Cell("the same, or the band alone differs")
    return Cell(
        f"at {text.whole(one['points'])}", sub=f"most {text.fine(number(one['largest']))}, at {number(one['at']):.4g}"
    )


def compared_csv(record: Found) -> str:
    """Every number that differs, a row each: by run its value, interval, n and events; then the differences."""
    heads = words.names(record)
    parts = ("value", "low", "high", "n", "events")
    columns = ["model", "set", "number", *(f"{part} ({head})" for head in heads for part in parts)]
    columns += [f"difference ({heads[0]} less {other})" for other in heads[1:]]
    rows = [
        [
            row["model"],
            row["set"],
            row["number"],
            *(None if value is None else value[part] for value in row["values"] for part in parts),
            *row["differences"],
        ]
        for row in record["numbers"]["differ"]
    ]
    return to_csv(columns, rows)
