"""The chapter on the design: what was fitted and judged how often, what each split saw and what was chosen in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from validkit.report import text
from validkit.report.fits import chosen_counts, final, fits, has_repeats, kept_counts, split_name
from validkit.report.frontpage import RESAMPLED, design_words
from validkit.report.limits import intervals
from validkit.report.page import Block, Cell, Details, Facts, Notice, Row, Table, Text, row_head, table, whole
from validkit.report.records import NotAvailable, Record, Run, dig
from validkit.report.subject import COMBINED, label
from validkit.report.values import count, number, numbers

FEW = 12
"""splits that the chapter lists one by one; more are summed up, and listed on demand"""
MOST = 200
"""splits listed on demand; the rest are in tables/splits.csv"""
MOST_KEPT = 100
KINDS = {
    "holdout": "Hold-out",
    "kfold": "Cross-validation",
    "repeated-kfold": "Repeated cross-validation",
    "nested": "Nested cross-validation",
    "bootstrap": "Bootstrap of the whole model",
    "internal-external": "Internal-external validation (sites left out in turn)",
    "external": "External validation of a locked model",
    "as-given": "Predictions judged as given",
}
SETTINGS = {
    "by": "Held out by",
    "test": "Share held out",
    "since": "Held out since",
    "held_out": "Devices held out",
    "folds": "Folds",
    "repeats": "Repeats",
    "resamples": "Resamples",
    "stratify": "Stratified by",
    "smallest": "Smallest site judged alone",
}
UNITS = {"smallest": " patients of each outcome"}
COLUMNS = ("Split", "Fitted to", "Held out", "Fits", "Chosen", "Columns kept", "Time")


def design_blocks(run: Run) -> list[Block]:
    """What the design is, its fits, and what its intervals contain."""
    words = f"{text.capital(design_words(run))}."
    return [Text(words), Facts(tuple(_facts(run))), *_undone(run), Text(intervals(run))]


def _facts(run: Run) -> Iterable[tuple[str, str]]:
    yield "Design", KINDS.get(run.design, run.design)
    settings = run.setting("design") or {}
    for key, words in SETTINGS.items():
        value = settings.get(key)
        if value not in (None, [], "", "none"):
            shown = text.percent(number(value), 0) if key == "test" else _listed(value)
            yield words, f"{shown}{UNITS.get(key, '')}"
    if run.several:
        combine = str(run.setting("evaluation.combine") or "average")
        if (count(settings.get("repeats")) or 1) > 1:
            yield "Several predictions", f"those of one patient {COMBINED.get(combine, combine)}"
    if run.refits:
        last = dig(run.info, "design.final")
        yield "Fit to all patients", "made as well; the chapters on the model show it" if last else "not made"
    yield from _work(run)


def _work(run: Run) -> Iterable[tuple[str, str]]:
    made = dig(run.info, "fits") or {}
    planned, done, units = (count(made.get(key)) for key in ("planned", "made", "units"))
    if done is None:
        yield "Fits", "not recorded"
        return
    if not done and not planned:
        yield "Fits", "none: nothing was fitted"
        return
    yield "Whole-model fits", text.whole(units)
    yield "Single fits inside", f"{text.whole(planned)} planned, {text.whole(done)} made"


def _undone(run: Run) -> list[Block]:
    made = dig(run.info, "fits") or {}
    planned, done = count(made.get("planned")), count(made.get("made"))
    if planned is None or done is None or planned == done:
        return []
    return [Notice("note", "Fits made differ from those planned", "A stage needed more or fewer than its plan says.")]


def _listed(value: Any) -> str:
    return text.listed(list(map(str, value))) if isinstance(value, list) else str(value)


# --- splits ----------------------------------------------------------------------------------------------------


def split_blocks(run: Run) -> list[Block]:
    """The splits: one by one where they are few, else summed up with the whole table on demand."""
    rows, last = fits(run), final(run)
    shown = [*rows, *([last] if last else [])]
    if len(rows) <= FEW:
        return [_split_table(run, shown, "Fits of the whole model"), *_notes(rows)]
    note = f"Of {len(shown)} fits; the rest are in tables/splits.csv." if len(shown) > MOST else ""
    whole_table = _split_table(run, shown[:MOST], "Fits of the whole model", note)
    return [_summary(run, rows), Details(f"Every fit of the whole model ({len(shown)})", (whole_table,)), *_notes(rows)]


def _split_table(run: Run, rows: Sequence[Record], title: str, note: str = "") -> Table:
    repeats = has_repeats(rows)
    body: list[list[Cell | str]] = []
    for one in rows:
        name = "All patients" if one.get("split") == "final" else split_name(one, repeats=repeats)
        drawn, distinct = count(one.get("training")), count(one.get("distinct"))
        sub = f"{text.whole(distinct)} distinct" if distinct is not None and distinct != drawn else ""
        kept = one.get("features") or []
        body.append(
            [
                row_head(name),
                Cell(text.whole(drawn), sub, numeric=True),
                whole(count(one.get("held_out")) or None),
                whole(count(one.get("fits"))),
                Cell(_choices(one), wide=True),
                whole(len(kept)) if kept else Cell(text.DASH, numeric=True),
                Cell(text.duration(number(one.get("seconds"))), numeric=True),
            ]
        )
    told = [j for j in range(len(COLUMNS)) if any(isinstance(c := row[j], str) or c.text != text.DASH for row in body)]
    heads = ["Predicted" if c == "Held out" and run.design == RESAMPLED else c for c in COLUMNS]
    return table(title, [heads[j] for j in told], [[row[j] for j in told] for row in body], [note])


def _choices(one: Record) -> str:
    found = one.get("chosen") or {}
    return "; ".join(f"{what}: {choice}" for what, choice in found.items()) or text.DASH


def _summary(run: Run, rows: Sequence[Record]) -> Table:
    """Smallest, median and largest of what the fits saw and took."""
    body: list[Row] = []
    for key, words in (
        ("training", "Patients fitted to"),
        ("distinct", "of these distinct"),
        ("held_out", "Patients predicted" if run.design == RESAMPLED else "Patients held out"),
        ("fits", "Single fits inside"),
        ("seconds", "Time"),
    ):
        values = numbers([one.get(key) for one in rows])
        write = text.duration if key == "seconds" else text.whole
        shown = [write(float(x)) for x in (np.min(values), np.median(values), np.max(values))]
        body.append([row_head(words), *(Cell(x, numeric=True) for x in shown)])
    title = f"Fits of the whole model ({len(rows)}), without that to all patients"
    return table(title, ["Of each fit", "Smallest", "Median", "Largest"], body)


def _notes(rows: Sequence[Record]) -> list[Block]:
    """What the fits had to say, each thing once with the number of fits that said it."""
    said: dict[tuple[str, str], int] = {}
    for one in rows:
        for note in one.get("notes") or []:
            key = (str(note.get("stage")), str(note.get("text")))
            said[key] = said.get(key, 0) + 1
    body: list[Row] = [[row_head(stage), Cell(words, wide=True), whole(n)] for (stage, words), n in said.items()]
    inner = table("Notes of the fits", ["Stage", "Note", "Fits"], body)
    return [Details(f"Notes of the fits ({len(body)})", (inner,))] if body else []


# --- choices ---------------------------------------------------------------------------------------------------


def choice_blocks(run: Run) -> list[Block]:
    """What was chosen, in how many fits; and what the fit to all patients chose."""
    found, last, n = chosen_counts(run), final(run), len(fits(run))
    if not found:
        raise NotAvailable("nothing was chosen inside the fits")
    chosen = (last.get("chosen") or {}) if last else {}
    names = {str(m["name"]): label(m) for m in run.models("estimators")}
    body: list[Row] = []
    for what, counts in found.items():
        for i, (choice, times) in enumerate(counts.most_common()):
            head = [row_head(names.get(what, text.capital(what)), len(counts))] if i == 0 else []
            share = Cell(f"{times} of {n}", text.percent(times / n, 0), numeric=True)
            mine = "yes" if str(chosen.get(what)) == choice else "no"
            body.append([*head, Cell(choice), share, *([Cell(mine)] if last else [])])
    columns = ["Choice", "Chosen", "Fits", *(["By the fit to all patients"] if last else [])]
    note = "A choice that changes from fit to fit shows that the data do not settle it."
    return [table("What was chosen, in how many fits", columns, body, [note])]


def kept_blocks(run: Run) -> list[Block]:
    """How often each column was kept, on demand."""
    counts, n = kept_counts(run), len(fits(run))
    body: list[Row] = [
        [row_head(name), whole(times), Cell(text.percent(times / n, 0), numeric=True)]
        for name, times in list(counts.items())[:MOST_KEPT]
    ]
    first = f"The first {MOST_KEPT} of {len(counts)}; all are in tables/kept-features.csv."
    inner = table("Columns kept", ["Column", "Fits", "Share"], body, [first] if len(counts) > MOST_KEPT else [])
    return [Details(f"How often each column was kept ({len(counts)} columns)", (inner,))]
