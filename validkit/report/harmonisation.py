"""What harmonising a centre's measurements did: how they differ from those at home, and the models with and without."""

from __future__ import annotations

import math
from collections.abc import Sequence

from validkit.report import text
from validkit.report.fits import MEASURES
from validkit.report.page import Block, Cell, Details, Row, Table, Text, measure, table
from validkit.report.records import Record, Run
from validkit.report.subject import label
from validkit.report.values import count, estimate, number

SHOWN = 15
"""most features that are listed"""


def harmonisation_blocks(run: Run) -> list[Block]:
    """In words what was done, every model with and without it, and the features that differ most."""
    record = run.stage("harmonisation")
    first = {str(model["name"]) for model in run.compared()}
    shown, rest = ([m for m in run.models() if (str(m["name"]) in first) is wanted] for wanted in (True, False))
    blocks: list[Block] = [Text(_said(record)), _effect(run, record, shown), *_features(record)]
    if any(str(model["name"]) in record["effect"]["models"] for model in rest):
        blocks.append(Details("The other models with and without harmonisation", (_effect(run, record, rest),)))
    return blocks


def _said(record: Record) -> str:
    features, left = record["features"], record["left_out"]
    given = ", ".join(record["covariates"])
    parts = [
        f"{len(features)} inputs were brought to the location and scale of development by ComBat, the development site "
        f"being the reference (Johnson et al. 2007; Zhang et al. 2018)",
        "shrunk towards one another by empirical Bayes" if record["shrunk"] else "each by itself, without shrinkage",
        f"what {given} explain{'s' if ',' not in given else ''} was kept"
        if given
        else "no covariate was kept: differences between the patients were taken away with those between the machines",
    ]
    said = f"{'; '.join(parts)}. No outcome was looked at. Location and scale come from these "
    said += f"{text.whole(count(record.get('n')))} patients themselves, and the intervals take them as known."
    if left:
        said += f" Left as they were: {'; '.join(f'{name} ({why})' for name, why in sorted(left.items()))}."
    return said


def _effect(run: Run, record: Record, models: Sequence[Record]) -> Table | Text:
    effect = record["effect"]
    body: list[Row] = []
    for model in models:
        found = effect["models"].get(str(model["name"]))
        if found is None:
            continue
        for key, words in (("without", "as measured"), ("with", "harmonised"), ("difference", "difference")):
            cells = [_measured(found[key].get(one), name) for one, name in MEASURES]
            body.append([Cell(label(model), head=True), words, *cells])
    if not body:
        return Text("None of the models compared looks at what was harmonised: every risk is the same.")
    notes = [
        "Difference: harmonised less as measured, on the same patients; of the AUC by DeLong, of the Brier score by "
        "each patient's difference."
    ]
    others = [label(model) for model in models if str(model["name"]) in set(effect["unmoved"])]
    notes += [f"Look at nothing that was harmonised: {', '.join(others)}."] if others else []
    return table("With and without harmonisation", ["Model", "", *(words for _, words in MEASURES)], body, notes)


def _measured(found: Record | None, name: str) -> Cell | str:
    return measure(estimate(found), name) if found else ""


def _features(record: Record) -> list[Block]:
    rows = sorted(record["features"], key=lambda row: -_distance(row))
    if not rows:
        return []
    body: list[Row] = []
    for row in rows[:SHOWN]:
        cells = [text.fine(number(row.get(key))) for key in ("shift", "raw_shift")]
        cells += [text.fine(math.sqrt(number(row.get(key)))) for key in ("scale", "raw_scale")]
        body.append([Cell(str(row["name"]), head=True), *(Cell(one, numeric=True) for one in cells)])
    columns = ["Input", "Shift, in SDs at home", "before shrinkage", "SD here / SD at home", "before shrinkage"]
    more = [f"{len(rows) - SHOWN} more are in tables/harmonisation.csv."] if len(rows) > SHOWN else []
    return [table("How this centre measures otherwise", columns, body, ["Most different first.", *more])]


def _distance(row: Record) -> float:
    """How far an input lies from home, in shift and in scale."""
    return abs(number(row.get("shift"))) + abs(math.log(number(row.get("scale")))) / 2
