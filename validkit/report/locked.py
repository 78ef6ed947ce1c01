"""The chapter on a locked model: where it comes from, what it needs, and its figures there beside those here."""

from __future__ import annotations

from validkit.report import text
from validkit.report.fits import MEASURES
from validkit.report.page import Block, Cell, Facts, Row, Table, measure, row_head, sizes, table
from validkit.report.records import HELD_OUT, Record, Run, among, dig
from validkit.report.subject import label
from validkit.report.values import count, estimate

SHORT = 12


def locked_words(run: Run) -> str:
    """`Locked by a run of breast-us, developed on 42 patients, 21 with malignant; bundle 70d3dcb2696e.`"""
    record = run.stage("bundle")
    name = str(dig(record, "protocol.name") or "an unnamed protocol")
    digest = str(record.get("digest") or "not recorded")[:SHORT]
    return f"Locked by a run of {name}, developed on {_training(run, record)}; bundle {digest}."


def locked_blocks(run: Run) -> list[Block]:
    """Facts of the bundle, and its models' performance at home and here."""
    record = run.stage("bundle")
    return [Facts(tuple(_facts(run, record))), _at_home_and_here(run, record)]


def _training(run: Run, record: Record) -> str:
    n, events = count(dig(record, "training.n")), count(dig(record, "training.events"))
    return f"{text.whole(n)} patients, {text.whole(events)} with {run.positive}"


def _facts(run: Run, record: Record) -> list[tuple[str, str]]:
    facts = [
        ("Bundle", f"SHA-256 {record.get('digest') or 'not recorded'}"),
        ("Its protocol", f"{dig(record, 'protocol.name')}, digest {dig(record, 'protocol.digest')}"),
        ("Its question", str(dig(record, "protocol.question") or text.DASH)),
        ("Developed on", f"{_training(run, record)}; cohort digest {record.get('cohort') or 'not recorded'}"),
        ("Clinical predictors", ", ".join(map(str, record.get("needs") or [])) or "none"),
    ]
    copies = count(record.get("copies")) or 1
    if copies > 1:
        facts.append(("Imputed copies", f"{copies}, each with a fit of its own; risks are averaged"))
    for step in record.get("lineage") or []:
        n, events = text.whole(count(step.get("n"))), text.whole(count(step.get("events")))
        also = ", its measurements harmonised with those of development" if step.get("harmonised") else ""
        who = f"{n} patients, {events} events, of the cohort {str(step.get('cohort'))[:SHORT]}"
        facts.append(("Updated", f"{step.get('method')}, on {who}{also}; from the bundle {step.get('parent')}"))
    left_out = record.get("left_out") or {}
    facts += [("Left out", f"{name}: {why}") for name, why in left_out.items()]
    rows = record.get("training_rows") or []
    if rows:
        facts.append(("Training patients' rows", f"inside, in {', '.join(map(str, rows))}"))
    return facts


def _at_home_and_here(run: Run, record: Record) -> Table:
    there = str(record.get("performance_on") or "")
    at_home = record.get("performance") or {}
    body: list[Row] = []
    for model in run.compared():
        here = model["sets"].get(HELD_OUT) or {}
        found = [("Here", here)]
        if at_home.get(str(model["name"])):
            found.insert(0, (f"At home: {among(there)}", at_home[str(model["name"])]))
        for i, (where, scores) in enumerate(found):
            head = [row_head(label(model), len(found))] if i == 0 else []
            patients = sizes(count(scores.get("n")), count(scores.get("events")))
            cells = [measure(estimate(scores.get(key)), name) for key, name in MEASURES]
            body.append([*head, Cell(where), patients, *cells])
    columns = ["Model", "Patients", "n", *(name for _, name in MEASURES)]
    note = (
        "At home: as the run that locked the model recorded it. In brackets, confidence intervals. Figures also differ "
        "where the patients do: a narrower case mix lowers the AUC of the same model."
    )
    return table("The locked model at home and here", columns, body, [note])
