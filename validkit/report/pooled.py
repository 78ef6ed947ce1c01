"""A synthesis over centres: its page, and a forest plot of each measure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from matplotlib import pyplot

from validkit.report import text
from validkit.report.figures.base import Plate
from validkit.report.figures.catalogue import FIRST
from validkit.report.figures.forest import ForestDisplay, Scale
from validkit.report.figures.style import house_style
from validkit.report.frontpage import card
from validkit.report.html import Document, render_document
from validkit.report.page import (
    Answer,
    Block,
    Cell,
    FigureBlock,
    Listing,
    Row,
    Section,
    Table,
    Text,
    measure,
    row_head,
    sizes,
    table,
)
from validkit.report.records import Record
from validkit.report.values import count, estimate, number, test

__all__ = ["SCALES", "draw_forests", "pool_page"]

SCALES = {
    "auc": Scale("AUC", 0.5, "chance", unit=True, always=False),
    "oe": Scale("Observed : expected", 1.0, "calibrated", ratio=True),
    "slope": Scale("Calibration slope", 1.0, "calibrated"),
    "calibration_in_the_large": Scale("Calibration in the large", 0.0, "calibrated"),
    "brier": Scale("Brier score", None, "", unit=True),
    "net_benefit": Scale("Net benefit", 0.0, "treat nobody"),
}
MOST_FIRST = 10
"""centres whose forest plot fits the first screen"""
LIMITS = (
    "Centres are taken as drawn from a population of centres like these; how they came to take part decides whether "
    "that is so.",
    "The mean's interval narrows with every centre; the range at a new centre does not, and answers the question of "
    "whoever wants to use the model elsewhere.",
    "With few centres the variance between them is hardly known, and the range at a new centre is wide for that reason "
    "too.",
    "Site summaries are what the centres say; nobody here has seen a patient.",
)


def pool_page(record: Mapping[str, Any], version: str) -> str:
    """The HTML page of `validkit.centre.pooling.pool_summaries`."""
    whole = Record(record)
    plates = _plates(whole)
    return render_document(
        Document(
            name=f"{whole['judged']['name']}, {len(whole['centres'])} centres",
            question=f"What would {whole['judged']['name']} do at a new centre?",
            who=_who(whole),
            notices=[],
            sections=_sections(whole, {plate.name: FigureBlock(plate) for plate in plates}),
            plates=plates,
            version=version,
            written_from="the summaries of the centres, pool.json",
            synthetic=bool(whole["synthetic"]),
            answer=_answer(whole),
        )
    )


def _answer(record: Record) -> Answer:
    """The first model's AUC over the centres and at a new one, and how probably it keeps the bounds asked for."""
    name, measures = next(iter(record["models"].items()))
    key = _first(measures)
    found, words = measures[key], SCALES[key].name
    mean, new = (estimate(found["pooled"][part]) for part in ("estimate", "prediction"))
    ends = f"{text.number(new.low)} to {text.number(new.high)}"
    spread = (
        f"at a new centre {ends} ({text.level(new.level)} prediction interval)"
        if new.has_interval
        else f"the range at a new centre is not known: {new.note or 'too few centres'}"
    )
    asked = [one for one in measures.values() if one["bounds"] != [None, None]]
    chances = [f"{SCALES[k].name} {_bounds(one)}: {_chance(one)}" for k, one in measures.items() if one in asked]
    verdict = (
        f"That a new centre keeps the bounds asked for: {'; '.join(chances)}."
        if chances
        else "No bounds were asked for (--within): nothing said ahead what would be enough at a new centre."
    )
    n, events = (sum(count(one[part]) or 0 for one in record["centres"]) for part in ("n", "events"))
    withheld = [one["site"] for one in record["centres"] if one["withheld"]]
    return Answer(
        sentence=f"{words} of {name}: {text.estimate(mean)} on average over {len(found['centres'])} centres; {spread}.",
        verdict=verdict,
        state="open" if chances else "none",
        facts=(
            f"{len(record['centres'])} centres, {text.whole(n)} patients, {text.whole(events)} with the event",
            "Simulated patients (synthetic)" if record["synthetic"] else "Real patients, none of whom left a centre",
            "Whether a centre's outcomes were opened before is told by its own report",
        ),
        beware=(f"Something is withheld by {text.listed(withheld)}",) if withheld else (),
        card=card(
            mean, f"{words}, mean", SCALES[key].words or "lower is better", tag=name, sites=f"{text.capital(spread)}."
        ),
        plate=FIRST,
    )


def _first(measures: Mapping[str, Any]) -> str:
    return "auc" if "auc" in measures else next(iter(measures))


def _bounds(found: Mapping[str, Any]) -> str:
    low, high = (number(end) for end in found["bounds"])
    parts = [f"at least {low:g}"] * (not math.isnan(low)) + [f"at most {high:g}"] * (not math.isnan(high))
    return " and ".join(parts)


def _chance(found: Mapping[str, Any]) -> str:
    chance = number(found["probability_within"])
    return "not known" if math.isnan(chance) else text.percent(chance)


def _who(record: Record) -> list[tuple[str, str]]:
    judged = record["judged"]
    return [
        ("Judged", f"{judged['kind']} {judged['name']}, digest {judged['digest']}"),
        ("Centres", text.listed([one["site"] for one in record["centres"]])),
        ("Models", ", ".join(record["models"])),
        (
            "Method",
            f"random effects, {record['method'].upper()}, Knapp and Hartung's interval, {text.level(record['level'])}",
        ),
    ]


def _sections(record: Record, figure: Mapping[str, FigureBlock]) -> list[Section]:
    found = [Section("centres", "Centres", (_centres(record),))]
    for i, (name, measures) in enumerate(record["models"].items()):
        blocks: list[Block] = [_pooled(name, measures)]
        blocks += [figure[_plate_name(name)]] if _plate_name(name) in figure else []
        blocks += [_weights(key, one) for key, one in measures.items()]
        blocks += _regressed(measures)
        found.append(Section(f"model-{i + 1}", f"Pooled: {name}", tuple(blocks)))
    return [*found, Section("limits", "Limits", (Listing(LIMITS),))]


def _centres(record: Record) -> Table:
    rows: list[Row] = [
        [
            row_head(one["site"]),
            sizes(count(one["n"]), count(one["events"])),
            Cell(", ".join(one["withheld"]) or "nothing", wide=True),
        ]
        for one in record["centres"]
    ]
    return table("Who told what", ["Centre", "n", "Withheld"], rows)


def _pooled(name: str, measures: Mapping[str, Any]) -> Table:
    rows: list[Row] = []
    for key, one in measures.items():
        pooled, new = one["pooled"], estimate(one["pooled"]["prediction"])
        q = test(pooled.get("q"))
        at = f" at {one['threshold']:g}" if one.get("threshold") is not None else ""
        lacking = f"not told by {text.listed(one['lacking'])}" if one["lacking"] else ""
        rows.append(
            [
                row_head(f"{SCALES[key].name}{at}", sub=f"{len(one['centres'])} centres"),
                measure(estimate(pooled["estimate"]), SCALES[key].name),
                Cell(text.interval(new) if new.has_interval else text.DASH, note=new.note or lacking, numeric=True),
                measure(estimate(pooled["tau2"]), "variance between centres", text.fine),
                Cell(text.percent(number(pooled["i2"].get("value"))), numeric=True),
                Cell(text.p_value(q.p_value), title=text.test_how(q), numeric=True),
                Cell(f"{_chance(one)} {_bounds(one)}" if one["bounds"] != [None, None] else "no bounds asked for"),
            ]
        )
    columns = ["Measure", "Mean", "At a new centre", "tau²", "I²", "p, centres equal", "Chance to keep the bounds"]
    note = (
        "In brackets, confidence intervals; at a new centre, the prediction interval. tau² is on the scale of pooling."
    )
    return table(f"Measures of {name} over the centres", columns, rows, [note])


def _weights(key: str, found: Mapping[str, Any]) -> Table:
    rows: list[Row] = [
        [
            row_head(row["site"]),
            sizes(count(row["n"]), count(row["events"])),
            measure(estimate(row["estimate"]), SCALES[key].name),
            Cell(text.percent(number(row["weight"])), numeric=True),
            Cell(text.DASH, note="two centres are left at most")
            if row["without"] is None
            else measure(estimate(row["without"]), "mean of the others"),
        ]
        for row in found["centres"]
    ]
    return table(f"{SCALES[key].name} by centre", ["Centre", "n", "Here", "Weight", "Mean without it"], rows)


def _regressed(measures: Mapping[str, Any]) -> Iterator[Block]:
    """What goes with the differences between centres; or why nothing was looked at."""
    rows: list[Row] = []
    for key, found in measures.items():
        for row in found["regressions"]["rows"]:
            p, corrected = number(row["test"]["p_value"]), number(row["p_adjusted"])
            rows.append(
                [
                    row_head(SCALES[key].name),
                    row["covariate"].replace("_", " "),
                    measure(estimate(row["slope"]), "slope on the scale of pooling", text.fine),
                    Cell(text.p_value(p), numeric=True),
                    Cell(text.p_value(corrected), numeric=True),
                    Cell(text.percent(number(row["r2"])), numeric=True),
                ]
            )
    if rows:
        columns = ["Measure", "On", "Slope", "p", "p, Holm", "R²"]
        yield table("What goes with the differences between centres", columns, rows)
    else:
        why = next((found["regressions"]["why"] for found in measures.values() if found["regressions"]["why"]), "")
        yield Text(f"Nothing was looked at that may go with the differences: {why or 'no covariate differs'}.")


# --- figures ---------------------------------------------------------------------------------------


def _plates(record: Record) -> list[Plate]:
    caption = "Each centre with its interval; the diamond is the mean, the bar under it the range at a new centre."
    models = record["models"]
    first, measures = next(iter(models.items()))
    key = _first(measures)
    some = (("", _forest(key, measures[key])),) if len(measures[key]["centres"]) <= MOST_FIRST else ()
    plates = [Plate(FIRST, f"{first} at each centre", caption, some)] if some else []
    for name, found in models.items():
        panels = tuple((key, _forest(key, one)) for key, one in found.items())
        plates.append(Plate(_plate_name(name), f"{name}: every measure at each centre", caption, panels))
    return plates


def _plate_name(model: str) -> str:
    return f"forest-{re.sub(r'[^A-Za-z0-9]+', '-', model)}"


def _forest(key: str, found: Mapping[str, Any]) -> ForestDisplay:
    rows = tuple((str(row["site"]), estimate(_sized(row))) for row in found["centres"])
    pooled, prediction = (estimate(found["pooled"][part]) for part in ("estimate", "prediction"))
    return ForestDisplay(SCALES[key], rows, pooled, prediction if prediction.has_interval else None)


def draw_forests(record: Mapping[str, Any], folder: Path) -> list[Path]:
    """One SVG for each model and measure of `validkit.centre.pooling.pool_summaries`; their paths."""
    written = []
    for name, measures in record["models"].items():
        for key, found in measures.items():
            path = folder / f"{_plate_name(name)}-{key}.svg"
            with house_style():
                figure = _forest(key, found).draw()
                figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
                pyplot.close(figure)
            written.append(path)
    return written


def _sized(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row["estimate"], "n": row["n"], "n_events": row["events"]}
