"""The chapters of the page: the stages in order, performance, limits, provenance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from validkit.report import stages, text, views
from validkit.report.figures.base import Plate
from validkit.report.limits import limits, remarks
from validkit.report.measures import every_measure
from validkit.report.page import (
    Block,
    Card,
    Details,
    Facts,
    FigureBlock,
    Listing,
    Notice,
    Row,
    Section,
    Text,
    attempt,
    row_head,
    table,
)
from validkit.report.records import HELD_OUT, NotAvailable, Record, Run, dig
from validkit.report.values import estimate

HEADLINE = (
    ("auc", "AUC", "0.5 is chance, 1 is perfect"),
    ("slope", "Calibration slope", "ideal 1; below 1, risks are too extreme"),
    ("calibration_in_the_large", "Calibration in the large", "ideal 0; above 0, risks are too low"),
    ("brier", "Brier score", "0 is perfect; lower is better"),
)
Figures = Mapping[str, FigureBlock]


def headline(run: Run) -> list[Card]:
    """The nomogram's numbers on held-out patients."""
    model = run.chosen("nomogram")
    scores = model["sets"].get(HELD_OUT) if model else None
    if not scores:
        raise NotAvailable("the nomogram was not judged on held-out patients")
    cards = []
    for key, name, meaning in HEADLINE:
        e = estimate(scores.get(key))
        reason = e.note or ("" if e.defined else "undefined; no reason was recorded")
        between = f"{text.number(e.low)} to {text.number(e.high)}" if e.defined and e.has_interval else "no interval"
        note = f"{meaning}. {reason}" if reason else f"{meaning}."
        cards.append(Card(name, text.number(e.value), between, text.how(e), note))
    return cards


def sections(run: Run, plates: Mapping[str, Plate]) -> list[Section]:
    """Every chapter, in order."""
    figure = {name: FigureBlock(plate) for name, plate in plates.items()}
    return [
        Section("patients", "Patients", tuple(_patients(run))),
        Section("radiomics", "Radiomic features", tuple(_radiomics(run, figure))),
        Section("selection", "Radiomic signature and its classifiers", tuple(_selection(run, figure))),
        Section("deep", "Deep transfer learning", tuple(_deep(run, figure))),
        Section("fusion", "Fusion", tuple(_fusion(run, figure))),
        Section("nomogram", "Clinical predictors and nomogram", tuple(_nomogram(run, figure))),
        Section("performance", "Performance of all models", tuple(_performance(run, figure))),
        Section("limits", "Limits", (Listing(tuple(limits(run))),)),
        Section("provenance", "Provenance", tuple(_provenance(run))),
    ]


def _remarks(run: Run, *names: str) -> list[Block]:
    """The run's notices about these stages."""
    return [
        Notice(str(n.get("severity") or "note"), f"Note from {n.get('stage')}", str(n.get("text")))
        for n in remarks(run)
        if str(n.get("stage")).partition(":")[0] in names
    ]


def _patients(run: Run) -> list[Block]:
    excluded: list[Row] = [
        [row_head(e.get("patient")), str(e.get("reason"))] for e in dig(run.info, "cohort.excluded") or []
    ]
    names = table("Excluded patients", ["Patient", "Reason"], excluded)
    return [
        *_remarks(run, "cohort"),
        *attempt("Flow of patients", lambda: [stages.flow(run.stage("cohort"))]),
        *([Details(f"Excluded patients ({len(excluded)})", (names,))] if excluded else []),
        *attempt("Table 1", lambda: [views.recorded(run.stage("cohort")["table1"], "Table 1")]),
    ]


def _radiomics(run: Run, figure: Figures) -> list[Block]:
    return [
        *_remarks(run, "radiomics", "reproducibility"),
        *attempt("Extraction", lambda: stages.extraction(run.stage("radiomics"))),
        figure["01-feature-counts"],
        *attempt("Reproducibility", lambda: [stages.reproducibility(run.stage("reproducibility"))]),
        figure["02-icc"],
    ]


def _selection(run: Run, figure: Figures) -> list[Block]:
    return [
        *_remarks(run, "selection"),
        *attempt("Selection", lambda: [stages.steps(run.stage("selection"))]),
        figure["03-lasso"],
        figure["04-radiomic-importance"],
        *attempt("Classifiers on radiomic features", lambda: [stages.searches(run, "radiomics")]),
        figure["05-roc-radiomics"],
        *_judged(run, "radiomics", "Classifiers on radiomic features"),
    ]


def _judged(run: Run, family: str, title: str) -> list[Block]:
    return attempt(title, lambda: [views.performance(run.candidates(family), title, mark_chosen=True)])


def _deep(run: Run, figure: Figures) -> list[Block]:
    return [
        *_remarks(run, "deep"),
        *attempt("Backbones", lambda: [stages.backbones(run.stage("deep"))]),
        figure["06-training-curves"],
        figure["07-roc-deep"],
        *_judged(run, "deep", "Performance of the backbones"),
        figure["08-grad-cam"],
    ]


def _fusion(run: Run, figure: Figures) -> list[Block]:
    return [
        *_remarks(run, "fusion", "classifiers"),
        *attempt("Fused columns", lambda: [stages.fused(run.stage("fusion"))]),
        figure["09-fusion-importance"],
        *attempt("Classifiers on fused columns", lambda: [stages.searches(run, "fusion")]),
        figure["10-roc-fusion"],
        *_judged(run, "fusion", "Classifiers on fused columns"),
    ]


def _nomogram(run: Run, figure: Figures) -> list[Block]:
    return [
        *_remarks(run, "clinical", "nomogram"),
        *attempt("Table 2", lambda: [views.recorded(run.stage("clinical")["table2"], "Table 2")]),
        *attempt("Independent predictors", lambda: [stages.independent(run.stage("clinical"))]),
        *attempt("Terms of the nomogram", lambda: [stages.terms(run.stage("nomogram"))]),
        figure["11-nomogram"],
    ]


def _performance(run: Run, figure: Figures) -> list[Block]:
    title = "Models compared, one of each kind (counterpart of Table 6)"
    return [
        *_remarks(run, "evaluate", "evaluation"),
        *attempt("Models compared", lambda: [views.performance(run.compared(), title)]),
        figure["12-roc-models"],
        *attempt("Differences in AUC", lambda: [views.comparisons(run)]),
        figure["13-calibration"],
        figure["14-decision-curves"],
        *attempt("Every measure", lambda: [Details("Every measure of the nomogram", tuple(every_measure(run)))]),
        *attempt("All models", lambda: [Details("All models on all sets", (_all_models(run),))]),
    ]


def _all_models(run: Run) -> Block:
    return views.performance(run.models(), "All models", mark_chosen=True)


def _provenance(run: Run) -> list[Block]:
    info = run.info
    evaluation = run.records["evaluation.json"]
    predictions = evaluation.get("predictions_digest") if isinstance(evaluation, Record) else None
    facts = (
        ("validkit", _fact(info, "validkit")),
        ("Protocol", f"{_fact(info, 'protocol.name')}, digest {_fact(info, 'protocol.digest')}"),
        ("Source", _fact(info, "protocol.source")),
        ("Overrides", "; ".join(map(str, info.get("overrides") or [])) or "none"),
        ("Cohort", f"{_fact(info, 'cohort.name')}, digest {_fact(info, 'cohort.digest')}"),
        ("Predictions", f"digest {predictions or text.DASH}"),
        ("Command", _fact(info, "command")),
        ("Started", _fact(info, "started")),
        ("Finished", _fact(info, "finished")),
        ("Device", f"{_fact(info, 'device.name')}, {_fact(info, 'device.threads')} threads"),
        ("Seeds", ", ".join(f"{k} {v}" for k, v in (info.get("seeds") or {}).items()) or text.DASH),
        ("Record files", _checked(run)),
    )
    versions: list[Row] = [[row_head(k), str(v)] for k, v in (info.get("versions") or {}).items()]
    packages = table("Versions", ["Package", "Version"], versions)
    return [
        Facts(facts),
        *attempt("Timings", lambda: [stages.timings(run)]),
        *([Details(f"Versions ({len(versions)} packages)", (packages,))] if versions else []),
        Text(
            "The folders figures and tables beside this page hold every figure as SVG and PNG and every table as CSV."
        ),
    ]


def _fact(info: Record, path: str) -> str:
    value: Any = dig(info, path)
    return text.DASH if value in (None, "") else str(value)


def _checked(run: Run) -> str:
    sound, wrong = run.integrity()
    if not sound and not wrong:
        return "run.json lists none to check"
    return f"{len(sound)} of {len(sound) + len(wrong)} agree with the SHA-256 in run.json"
