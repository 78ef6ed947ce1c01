"""The chapters of the page: the stages in order, performance, limits, provenance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from validkit.report import stages, text, views
from validkit.report.acceptance import acceptance_blocks, declared
from validkit.report.by_split import split_performance
from validkit.report.curves import curves_widget
from validkit.report.design import choice_blocks, design_blocks, kept_blocks, split_blocks
from validkit.report.estimators import estimator_blocks
from validkit.report.figures.base import Plate
from validkit.report.figures.performance_panels import DRAWN_SETS, strokes_of
from validkit.report.frontpage import NOT_FITTED
from validkit.report.harmonisation import harmonisation_blocks
from validkit.report.limits import limits
from validkit.report.locked import locked_blocks
from validkit.report.measures import every_measure
from validkit.report.methods import methods_blocks
from validkit.report.missing import imputation_blocks, missing_table
from validkit.report.notices import remarks
from validkit.report.optimism import optimism_blocks
from validkit.report.optimism import others_block as optimism_of_others
from validkit.report.page import (
    Block,
    Details,
    Facts,
    FigureBlock,
    Listing,
    Notice,
    Row,
    Section,
    Text,
    Widget,
    attempt,
    row_head,
    table,
)
from validkit.report.records import CORRECTED, TRAINING, NotAvailable, Record, Run, dig
from validkit.report.sentinels import sentinel_blocks
from validkit.report.subject import behind, spoken, subject
from validkit.report.transfer import check_blocks, drift_blocks, precision_blocks, transfer_blocks, updating_blocks
from validkit.report.widgets import nomogram_widget, threshold_widget, where_recorded

Figures = Mapping[str, FigureBlock]
MOST_NOTES = 3
"""notes of a stage that stand open"""
Chapter = tuple[str, str, list[Block]]


def sections(run: Run, plates: Mapping[str, Plate]) -> list[Section]:
    """Every chapter, in order."""
    figure = {name: FigureBlock(plate) for name, plate in plates.items()}
    chapters: list[Chapter] = [
        ("acceptance", "Acceptance", _acceptance(run)),
        ("design", "Design", _design(run, figure)),
        ("patients", "Patients", _patients(run, figure)),
        *_model(run, figure),
        ("performance", "Performance of all models", _performance(run, figure)),
        *_parts(run, figure),
        ("sentinels", "Sentinels", attempt("Sentinels", lambda: sentinel_blocks(run))),
        ("limits", "Limits", [Listing(tuple(limits(run)))]),
        ("methods", "Methods", methods_blocks(run)),
        ("provenance", "Provenance", _provenance(run)),
    ]
    return [Section(anchor, title, tuple(blocks)) for anchor, title, blocks in chapters]


def _model(run: Run, figure: Figures) -> list[Chapter]:
    """The chapters on the model: the stages of the PLNM model, or the estimators."""
    if run.kind == "plnm":
        return [
            ("radiomics", "Radiomic features", _radiomics(run, figure)),
            ("selection", "Radiomic signature and its classifiers", _selection(run, figure)),
            ("deep", "Deep transfer learning", _deep(run, figure)),
            ("fusion", "Fusion", _fusion(run, figure)),
            ("nomogram", "Clinical predictors and nomogram", _nomogram(run, figure)),
        ]
    if run.kind == "estimators":
        blocks = [*_remarks(run, "estimators"), *attempt("Estimators", lambda: estimator_blocks(run))]
        return [("estimators", "Estimators", blocks)]
    if run.kind == "bundle":
        return [
            ("locked", "The locked model", [*_remarks(run, "bundle"), *attempt("Bundle", lambda: locked_blocks(run))]),
            ("transfer", "Transfer to this centre", _transfer(run, figure)),
        ]
    return []


def _transfer(run: Run, figure: Figures) -> list[Block]:
    blocks = attempt("The check of this centre", lambda: check_blocks(run))
    if run.records_of("bundle").get("harmonisation"):
        blocks += attempt("Harmonisation", lambda: harmonisation_blocks(run))
    blocks += attempt("What differs from home", lambda: transfer_blocks(run))
    blocks.append(figure["11-home-and-here"])
    blocks += attempt("Drift of the inputs", lambda: drift_blocks(run))
    blocks += attempt("Updating", lambda: updating_blocks(run))
    return [*blocks, *attempt("Is this centre large enough?", lambda: precision_blocks(run))]


def _acceptance(run: Run) -> list[Block]:
    if not declared(run):
        return [Text("The protocol declares no acceptance criteria: nothing says ahead what would have been enough.")]
    return attempt("Acceptance", lambda: acceptance_blocks(run))


def _design(run: Run, figure: Figures) -> list[Block]:
    blocks = [*_remarks(run, "plan", "split", "design"), *design_blocks(run)]
    if run.design in NOT_FITTED:
        return blocks
    blocks += attempt("Fits of the whole model", lambda: split_blocks(run))
    if run.refits:
        blocks += attempt("What was chosen", lambda: choice_blocks(run))
    if "00-kept-features" in figure:
        blocks += [figure["00-kept-features"], *attempt("Columns kept", lambda: kept_blocks(run))]
    return blocks


def _parts(run: Run, figure: Figures) -> list[Chapter]:
    """Performance by site or split, or optimism, where the design has them."""
    if run.primary == CORRECTED:
        blocks = attempt("Optimism", lambda: optimism_blocks(run))
        more = attempt("Optimism of the models compared", lambda: optimism_of_others(run))
        return [("optimism", "Optimism", [*blocks, figure["16-optimism"], *more])]
    if not run.several:
        return [("parts", "Sites and subgroups", [Text(_together(run))])]
    title = "Performance by site" if run.design == "internal-external" else "Performance by split"
    return [("parts", title, [figure["15-by-split"], *attempt(title, lambda: split_performance(run))])]


def _together(run: Run) -> str:
    """Why nothing is told by site or subgroup."""
    sites = len(dig(run.info, "cohort.sites") or {})
    if sites > 1:
        where = f"Patients of {sites} sites are judged together; an internal-external design leaves each out in turn."
    else:
        where = "Patients come from one site." if sites else "No site was recorded."
    return f"{where} A protocol declares no subgroups: `validkit audit` judges predictions by them (--subgroup)."


def _remarks(run: Run, *names: str) -> list[Block]:
    """The run's notices about these stages; many notes open on demand."""
    mine = [n for n in remarks(run) if str(n.get("stage")).partition(":")[0] in names]
    notes = [n for n in mine if n.get("severity") != "warning"]
    many = len(notes) > MOST_NOTES
    shown: list[Block] = [
        Notice(str(n.get("severity") or "note"), f"Note from {n.get('stage')}", str(n.get("text")))
        for n in mine
        if not (many and n.get("severity") != "warning")
    ]
    if many:
        inner = Listing(tuple(text.capital(str(n.get("text"))) for n in notes))
        shown.append(
            Details(f"Notes from {text.listed(list(dict.fromkeys(map(_stage, notes))))} ({len(notes)})", (inner,))
        )
    return shown


def _stage(notice: Record) -> str:
    return str(notice.get("stage")).partition(":")[0]


def _patients(run: Run, figure: Figures) -> list[Block]:
    excluded: list[Row] = [
        [row_head(e.get("patient")), str(e.get("reason"))] for e in dig(run.info, "cohort.excluded") or []
    ]
    names = table("Excluded patients", ["Patient", "Reason"], excluded)
    return [
        *_remarks(run, "cohort"),
        figure["00-flow"],
        *attempt("Flow of patients", lambda: [stages.flow(run.stage("cohort"))]),
        *([Details(f"Excluded patients ({len(excluded)})", (names,))] if excluded else []),
        *attempt("Table 1", lambda: [_table1(run.stage("cohort")["table1"])]),
        *_missing(run),
    ]


def _table1(record: Record | None) -> Block:
    if record is not None and not record.get("rows"):
        return Text("The protocol declares no predictors, so there is no table of characteristics.")
    return views.recorded(record, "Table 1")


def _missing(run: Run) -> list[Block]:
    """Missing predictors where values were imputed or counted; else nothing."""
    if run.setting("cohort.missing") != "impute" and not run.records_of("cohort").get("missing"):
        return []
    return [*attempt("Missing predictors", lambda: [missing_table(run)]), *imputation_blocks(run)]


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
        *where_recorded(nomogram_widget, run),
        figure["11-nomogram"],
    ]


def _performance(run: Run, figure: Figures) -> list[Block]:
    plnm = run.kind == "plnm"
    title = "Models compared, one of each kind (counterpart of Table 6)" if plnm else "Models compared"
    return [
        *_remarks(run, "evaluate", "evaluation"),
        *_behind(run),
        *attempt("Models compared", lambda: [views.performance(run.compared(), title, words=run.sets)]),
        *where_recorded(_curves, run),
        figure["12-roc-models"],
        *attempt("Differences in AUC", lambda: [views.comparisons(run)]),
        figure["13-calibration"],
        figure["14-decision-curves"],
        *where_recorded(threshold_widget, run),
        *attempt("Every measure", lambda: [Details(_every(run), tuple(every_measure(run)))]),
        *(attempt("All models", lambda: [Details("All models on all sets", (_all_models(run),))]) if plnm else []),
    ]


def _curves(run: Run) -> Widget:
    models, reference = run.compared(), run.reference
    return curves_widget(
        models,
        strokes_of(run, models),
        {where: run.sets[where] for where in DRAWN_SETS},
        first=run.primary,
        reference=None if reference is None else str(reference["name"]),
        strategies=run.strategies,
        focus=run.focus,
        replaces=("12-roc-models", "13-calibration", "14-decision-curves"),
    )


def _every(run: Run) -> str:
    return f"Every measure of {spoken(subject(run).model)}"


def _behind(run: Run) -> list[Block]:
    """What the sets are in this design, and what stands behind a number."""
    try:
        found = subject(run)
    except NotAvailable:
        return []
    words = behind(run, found.scores)
    if run.refits and TRAINING in found.model["sets"]:
        words.append("Training figures are those of the fit to all patients, judged on these same patients (apparent).")
    return [Text(" ".join(words))] if words else []


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
            "The folders figures and tables beside this page hold every figure as SVG and PNG, its numbers as CSV, and "
            "every table as CSV."
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
