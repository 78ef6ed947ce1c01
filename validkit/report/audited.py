"""The page of an audit of predictions: what was found first, then every number, drawn from the audit's record alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from validkit.report import text
from validkit.report.acceptance import told
from validkit.report.curves import curves_widget
from validkit.report.figures import style
from validkit.report.figures.base import Panels, Plate
from validkit.report.figures.catalogue import FIRST, HOW_TO_READ
from validkit.report.figures.decision import TREAT_ALL, DecisionDisplay
from validkit.report.figures.first_screen import first_panels
from validkit.report.figures.flow_panels import event_of, rows_flow
from validkit.report.figures.forest import ForestDisplay
from validkit.report.figures.performance_panels import calibration_of, roc_of
from validkit.report.frontpage import card, pairs_sentence
from validkit.report.html import Document, render_document
from validkit.report.measures import measure_blocks
from validkit.report.page import (
    Answer,
    Block,
    Cell,
    Criterion,
    Details,
    FigureBlock,
    Notice,
    Row,
    Section,
    Table,
    attempt,
    measure,
    sizes,
    table,
)
from validkit.report.pooled import SCALES
from validkit.report.records import HELD_OUT, NotAvailable, Record
from validkit.report.values import count, curve, estimate, number
from validkit.report.widgets import thresholds_of

__all__ = ["OUTCOMES", "audit_page"]

OUTCOMES = {"fail": "Fail", "concern": "Concern", "pass": "Pass", "not applicable": "Not applicable"}
COLUMNS = (
    ("auc", "AUC"),
    ("slope", "Calibration slope"),
    ("calibration_in_the_large", "In the large"),
    ("oe", "Observed : expected"),
    ("brier", "Brier score"),
    ("sensitivity", "Sensitivity"),
    ("specificity", "Specificity"),
)
GROUPED = ("auc", "oe", "slope")
FLOW = "flow"
PRINTED = ("roc", "calibration", "decision")
DRAWN = 4
"""models whose calibration is drawn"""


def audit_page(record: Mapping[str, Any]) -> str:
    """The HTML page of `validkit.audit.predictions.auditing.audit_predictions`."""
    whole = Record(record)
    plates = _plates(whole)
    return render_document(
        Document(
            name=f"audit of {whole['source']}",
            question="Can these predictions be trusted?",
            who=_who(whole),
            notices=_notices(whole),
            sections=_sections(whole, {plate.name: FigureBlock(plate) for plate in plates}),
            plates=plates,
            version=str(whole["validkit"]),
            written_from="the audit's record, audit.json",
            answer=_answer(whole),
        )
    )


def _answer(record: Record) -> Answer:
    """The first model on the rows that answer, and how many questions found something."""
    one = record["sets"][record["primary"]]
    scores = one["models"][record["reference"]]
    among, event = _named(record, record["primary"]).removeprefix("all "), event_of(record["roles"])
    auc = estimate(scores.get("auc"))
    counts, asked = record["counts"], sum(record["counts"].values())
    found = f"{asked} questions were asked: {counts['fail']} failed, {counts['concern']} raised a concern."
    state = "bad" if counts["fail"] else "open" if counts["concern"] else "good"
    criteria: tuple[Criterion, ...] = ()
    if record.get("acceptance"):
        verdict, state, criteria = told(record["acceptance"])
        found = f"{verdict} {found}"
    left = record["rows"] - record["n"]
    return Answer(
        sentence=pairs_sentence(auc, among, f"“{record['reference']}”", event) if auc.defined else "",
        verdict=found,
        state=state,
        criteria=criteria,
        facts=(
            f"{text.whole(one['n'])} rows judged, {text.whole(one['events'])} with {event}",
            f"{text.whole(left)} of {text.whole(record['rows'])} left out as incomplete" if left else "None left out",
            "Made elsewhere: this file does not tell whether a protocol was sealed, nor how often outcomes were opened",
        ),
        beware=tuple(one["question"] for one in record["findings"] if one["outcome"] == "fail"),
        card=card(auc, "AUC", "0.5 is chance, 1 is perfect", tag=record["reference"]),
        plate=FIRST,
    )


def _who(record: Record) -> list[tuple[str, str]]:
    roles = record["roles"]
    one = record["sets"][record["primary"]]
    more = [(term, roles[key]) for key, term in (("site", "Site"), ("cluster", "Cluster"), ("split", "Split"))]
    counts = record["counts"]
    return [
        ("File", f"{record['source']}, SHA-256 {record['sha256']}"),
        ("Rows", f"{text.whole(record['n'])} of {text.whole(record['rows'])}, complete"),
        ("Judged", f"{_named(record, record['primary'])}: {text.counts(one['n'], one['events'])}"),
        ("Models", ", ".join(roles["models"])),
        ("Outcome", roles["outcome"] + (f", the event being {roles['event']!r}" if roles["event"] else "")),
        *((term, name) for term, name in more if name),
        *([("Subgroups", ", ".join(roles["subgroups"]))] if roles["subgroups"] else []),
        ("Threshold", f"{record['threshold']['value']:g}, {record['threshold']['rule']}"),
        ("Findings", ", ".join(f"{n} {outcome}" for outcome, n in counts.items())),
    ]


def _named(record: Record, name: str) -> str:
    return "all rows" if record["roles"]["split"] is None else f"rows of {name!r}"


def _notices(record: Record) -> list[Notice]:
    found = [one for one in record["findings"] if one["outcome"] == "fail"]
    return [Notice("warning", one["question"], f"{_of(one)}{one['why']}. {_sentence(one['advice'])}") for one in found]


def _of(finding: Mapping[str, Any]) -> str:
    return f"{finding['model']}: " if finding["model"] else ""


def _sentence(words: str) -> str:
    return f"{text.capital(words)}." if words else ""


# --- chapters --------------------------------------------------------------------------------------


def _sections(record: Record, figure: Mapping[str, FigureBlock]) -> list[Section]:
    primary = record["sets"][record["primary"]]
    sites = primary["sites"]
    chapters: list[tuple[str, str, list[Block]]] = [
        ("findings", "Findings", _findings(record)),
        ("rows", "Rows", _drawn(figure, FLOW)),
        ("performance", "Performance", [_performance(record), *_curves(record), *_drawn(figure, *PRINTED)]),
        ("comparison", "Models compared", attempt("Models compared", lambda: [_compared(primary["comparisons"])])),
        ("subgroups", "Subgroups", attempt("Subgroups", lambda: _subgroups(primary["subgroups"]))),
        ("sites", "Sites", attempt("Sites", lambda: [*_sites(sites), *_drawn(figure, "sites")])),
        ("measures", "Every measure", _measures(record)),
    ]
    return [Section(anchor, title, tuple(blocks)) for anchor, title, blocks in chapters if blocks]


def _curves(record: Record) -> list[Block]:
    """Curves to toggle and a threshold of one's own, of models that give risks."""
    one, (models, strokes, risks) = record["sets"][record["primary"]], _models(record)
    event = event_of(record["roles"])
    reference = str(record["reference"])
    return [
        *attempt(
            "Curves",
            lambda: [
                curves_widget(
                    models,
                    strokes,
                    {HELD_OUT: text.capital(_named(record, record["primary"]))},
                    first=HELD_OUT,
                    reference=reference,
                    strategies={HELD_OUT: one["strategies"]},
                    focus=None,
                    replaces=PRINTED,
                )
            ],
        ),
        *attempt(
            "A threshold of your own",
            lambda: [
                thresholds_of(
                    risks, HELD_OUT, reference=reference, words=(event, f"not {event}"), level=number(record["level"])
                )
            ],
        ),
    ]


def _drawn(figure: Mapping[str, FigureBlock], *names: str) -> list[Block]:
    return [figure[name] for name in names if name in figure]


def _findings(record: Record) -> list[Block]:
    order = list(OUTCOMES)
    rows = sorted(record["findings"], key=lambda one: order.index(one["outcome"]))
    body: list[Row] = [
        [
            Cell(OUTCOMES[one["outcome"]], head=True),
            Cell(one["question"], wide=True),
            one["model"],
            Cell(text.capital(one["why"]), title=one["method"], wide=True),
            Cell(text.capital(one["advice"]), wide=True),
        ]
        for one in rows
    ]
    return [table("What was asked, and what was found", ["Outcome", "Question", "Model", "Answer", "What to do"], body)]


def _performance(record: Record) -> Table:
    body: list[Row] = []
    for name, one in record["sets"].items():
        for model, scores in one["models"].items():
            cells = [measure(estimate(scores[key]), words) if key in scores else "" for key, words in COLUMNS]
            body.append([Cell(model, head=True), _named(record, name), sizes(one["n"], one["events"]), *cells])
    notes = [
        f"In brackets, {text.level(record['level'])} confidence intervals; their method is in each cell's tooltip. "
        f"Sensitivity and specificity at {record['threshold']['value']:g}, {record['threshold']['rule']}.",
    ]
    clusters = record["sets"][record["primary"]]["clusters"]
    notes += [f"Intervals draw {text.whole(clusters)} clusters, not rows."] if clusters else []
    large = [one["curves"] for one in record["sets"][record["primary"]]["models"].values() if one.get("curves")]
    notes += [f"Curves and distances from calibration are {large[0]}."] if large else []
    return table("Every model on every set", ["Model", "Rows", "n", *(words for _, words in COLUMNS)], body, notes)


def _compared(found: Mapping[str, Any] | None) -> Table:
    if found is None:
        raise NotAvailable("there is one model")
    body: list[Row] = []
    for pair, p in zip(found["auc"]["pairs"], found["auc"]["p_adjusted"], strict=True):
        body.append(_pair("AUC", pair, p))
    body += [_pair("Brier score", pair, None) for pair in found.get("brier", [])]
    test = found["auc"].get("test")
    notes = [f"p of the AUCs corrected for {len(found['auc']['pairs'])} pairs ({found['adjust']})."]
    if test:
        p = text.p_value(number(test.get("p_value")))
        notes.append(
            f"All AUCs equal: chi-square {text.number(number(test.get('statistic')))}, p {p} ({test['method']})."
        )
    return table("Differences", ["Measure", "First less second", "Difference", "p", "p, corrected"], body, notes)


def _pair(words: str, pair: Mapping[str, Any], corrected: float | None) -> Row:
    p = text.p_value(number(pair["test"].get("p_value")))
    q = "" if corrected is None else text.p_value(number(corrected))
    difference = measure(estimate(pair["difference"]), words, text.fine)
    return [
        Cell(words, head=True),
        f"{pair['a']} less {pair['b']}",
        difference,
        *(Cell(x, numeric=True) for x in (p, q)),
    ]


def _subgroups(found: Mapping[str, Any]) -> list[Block]:
    if not found:
        raise NotAvailable("no subgroup was named (--subgroup)")
    return [
        _groups(f"By {column}, {model}", rows) for column, models in found.items() for model, rows in models.items()
    ]


def _groups(title: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    body: list[Row] = []
    for row in rows:
        cells = [measure(estimate(row[key]), key) if key in row else "" for key in GROUPED]
        difference = measure(estimate(row["difference"]["difference"]), "AUC less that of the others", text.fine)
        small = "fewer than 10 of one outcome" if row["too_small"] else ""
        found = Cell(text.fine(number(row.get("detectable"))), numeric=True)
        p = Cell(text.p_value(number(row.get("p_adjusted"))), numeric=True)
        head = Cell(row["group"] or "(no value)", sub=small, head=True)
        body.append([head, sizes(row["n"], row["events"]), *cells, difference, p, found])
    columns = ["Group", "n", "AUC", "Observed : expected", "Calibration slope", "AUC less the others'", "p, corrected"]
    note = "Could have shown: the smallest difference of AUCs that such numbers find in four of five studies."
    return table(title, [*columns, "Could have shown"], body, [note])


def _sites(found: Mapping[str, Any] | None) -> list[Block]:
    if found is None:
        raise NotAvailable("no site was named (--site)")
    blocks: list[Block] = []
    for model, one in found.items():
        blocks.append(_groups(f"By site, {model}", [{"p_adjusted": None, **row} for row in one["sites"]]))
        body: list[Row] = []
        for key, pooled in one["pooled"].items():
            new = estimate(pooled["prediction"])
            range_ = Cell(text.interval(new) if new.has_interval else text.DASH, note=new.note)
            i2 = Cell(text.number(number(pooled["i2"].get("value"))), numeric=True)
            body.append([Cell(key, head=True), measure(estimate(pooled["estimate"]), key), range_, i2])
        if body:
            note = "Random effects by REML with Knapp and Hartung's interval; the range is that expected at a new site."
            blocks.append(table(f"Sites pooled, {model}", ["Measure", "Mean", "At a new site", "I2"], body, [note]))
    return blocks


def _measures(record: Record) -> list[Block]:
    one = record["sets"][record["primary"]]
    among = _named(record, record["primary"])
    return [
        Details(f"Every measure of {model}", tuple(measure_blocks(Record(scores), f"{model}, {among}", HELD_OUT)))
        for model, scores in one["models"].items()
        if not scores["score"]
    ]


# --- figures ---------------------------------------------------------------------------------------


def _models(record: Record) -> tuple[list[Record], dict[str, style.Stroke], list[Record]]:
    """Every model on the rows that answer, its stroke, and the models that give risks."""
    models = [
        Record({"name": name, "label": name, "sets": {HELD_OUT: Record(scores)}})
        for name, scores in record["sets"][record["primary"]]["models"].items()
    ]
    strokes = style.strokes([str(model["name"]) for model in models], record["reference"])
    return models, strokes, [model for model in models if not model["sets"][HELD_OUT]["score"]]


def _plates(record: Record) -> list[Plate]:
    one = record["sets"][record["primary"]]
    words = {HELD_OUT: text.capital(_named(record, record["primary"]))}
    models, strokes, risks = _models(record)
    event = (f"{record['roles']['outcome']}: event", f"{record['roles']['outcome']}: none")
    capped = f"The first {DRAWN} models are drawn." if len(risks) > DRAWN else ""
    wanted: list[tuple[str, str, str, Callable[[], Panels]]] = [
        (
            FIRST,
            f"Calibration, net benefit and risks of “{record['reference']}”",
            HOW_TO_READ,
            lambda: first_panels(
                one["models"][record["reference"]],
                words[HELD_OUT].lower(),
                (event[0], event[1]),
                everybody=one["strategies"]["treat_all"],
            ),
        ),
        (
            FLOW,
            "Flow of rows",
            "From the file down to the rows that the first page is about (shaded); beside the way down, what was left "
            "out.",
            lambda: rows_flow(record),
        ),
        (
            "roc",
            "ROC curves",
            "A ring marks the operating threshold.",
            lambda: roc_of(models, strokes, mark_chosen=False, words=words),
        ),
        (
            "calibration",
            "Calibration",
            "Smoothed observed proportion with its band, groups of like risk, and below how many rows have which risk. "
            + capped,
            lambda: [
                (f"{k}", panel)
                for k, model in enumerate(risks[:DRAWN])
                for _, panel in calibration_of(model, {HELD_OUT: str(model["name"])}, event)
            ],
        ),
        (
            "decision",
            "Decision curves",
            "Net benefit of acting on each model's risks; the band is that of the first.",
            lambda: _decision(risks, strokes, one, words),
        ),
        (
            "sites",
            "Sites",
            "Each site with its interval; the diamond is the mean over sites, the bar under it the range at a new one.",
            lambda: _forests(one),
        ),
    ]
    found = [_plate(*parts) for parts in wanted]
    return [plate for plate in found if plate is not None]


def _plate(name: str, title: str, caption: str, build: Callable[[], Panels]) -> Plate | None:
    try:
        panels: Panels = build()
    except NotAvailable:
        return None
    return Plate(name, title, caption.strip(), tuple(panels)) if panels else None


def _decision(
    models: Sequence[Record], strokes: Mapping[str, style.Stroke], one: Mapping[str, Any], words: Mapping[str, str]
) -> Panels:
    lines = []
    for model in models:
        drawn = curve(model["sets"][HELD_OUT].get("decision"))
        if drawn is not None:
            lines.append((text.clean(model["name"]), strokes[model["name"]], drawn))
    if not lines:
        raise NotAvailable("no risks")
    everybody = curve(one["strategies"]["treat_all"])
    lines += [("Treat all", TREAT_ALL, everybody)] if everybody is not None else []
    sized = (count(one["n"]), count(one["events"]))
    return [("", DecisionDisplay(words[HELD_OUT], *sized, tuple(lines), None, lines[0][0]))]


def _forests(one: Mapping[str, Any]) -> Panels:
    if not one["sites"]:
        raise NotAvailable("no sites")
    found = next(iter(one["sites"].values()))
    panels: Panels = []
    for key, registered in (("auc", "auc"), ("oe", "observed_expected"), ("slope", "calibration_slope")):
        rows = tuple((row["group"] or "(none)", estimate(row[key])) for row in found["sites"] if key in row)
        pooled = found["pooled"].get(registered)
        if rows and pooled:
            new = estimate(pooled["prediction"])
            display = ForestDisplay(SCALES[key], rows, estimate(pooled["estimate"]), new if new.has_interval else None)
            panels.append((key, display))
    return panels
