"""Every figure of the report, in order, built from the records; what cannot be built says why."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from validkit.report.figures import design_panels, flow_panels, home_and_here, performance_panels, stage_panels
from validkit.report.figures.base import Panels, Plate
from validkit.report.records import CORRECTED, NotAvailable, Run
from validkit.report.subject import spoken

NUMBERS = "A ring marks sensitivity and specificity at the threshold chosen on training patients."
APPARENT = "Curves are not corrected for optimism: these are apparent, on the patients that the model was fitted to."


class Entry(NamedTuple):
    """A figure of the report.

    title : {model} stands for the reference model; paper : the paper's counterpart, for the PLNM model
    wanted : whether this run has such a figure; curves : whether it shows curves, which no design corrects
    """

    name: str
    title: str
    caption: str | Callable[[Run], str]
    build: Callable[[Run], Panels]
    paper: str = ""
    wanted: Callable[[Run], bool] = lambda run: True
    curves: bool = False


def plates(run: Run) -> list[Plate]:
    """All figures of this run in the order of the report."""
    return [_plate(run, entry) for entry in CATALOGUE if entry.wanted(run)]


def _plate(run: Run, entry: Entry) -> Plate:
    title = entry.title.format(model=_model(run))
    paper = f"Counterpart of the paper's {entry.paper}." if entry.paper and run.kind == "plnm" else ""
    words = entry.caption if isinstance(entry.caption, str) else entry.caption(run)
    apparent = APPARENT if entry.curves and run.primary == CORRECTED else ""
    caption = " ".join(part for part in (words, paper, apparent) if part)
    try:
        panels = entry.build(run)
    except NotAvailable as reason:
        return Plate(entry.name, title, caption, reason=str(reason))
    if not panels:
        return Plate(entry.name, title, caption, reason="the records hold nothing to draw")
    return Plate(entry.name, title, caption, tuple(panels))


def _model(run: Run) -> str:
    try:
        model = run.reference
    except NotAvailable:
        model = None
    return "the reference model" if model is None else spoken(model)


def _plnm(run: Run) -> bool:
    return run.kind == "plnm"


FIRST = "00-first-screen"
HOW_TO_READ = (
    "Calibration: smoothed observed proportion with its band, groups of similar risk with intervals, and below how "
    "many have which risk; on the dotted line risks are right. Net benefit of acting on the model's risk, with its "
    "pointwise band, over the thresholds that were declared to matter, or up to 50 %. Risks by outcome: the dashed "
    "line is the median."
)
FLOW_HERE = (
    "From the cohort file down to the patients whose predictions are judged (shaded). Beside the way down stand those "
    "who left it, with the reasons, and in dashed boxes what was missing in those who stayed."
)
CATALOGUE: tuple[Entry, ...] = (
    Entry(
        FIRST,
        "Calibration, net benefit and risks of {model}",
        HOW_TO_READ,
        performance_panels.first_screen,
        curves=True,
    ),
    Entry("00-flow", "Flow of patients", FLOW_HERE, flow_panels.flow),
    Entry(
        "00-kept-features",
        "How often features were kept",
        "In how many of the fits each column was kept by the selection of the fusion; the paler rest are fits without "
        "it. Whether a column that few fits kept is kept again depends on which patients are seen.",
        design_panels.kept,
        wanted=lambda run: run.kind == "plnm" and run.refits,
    ),
    Entry(
        "01-feature-counts",
        "Radiomic features by class and image type",
        "How many features of each kind were extracted from every patient.",
        stage_panels.feature_counts,
        "Figure 3",
        _plnm,
    ),
    Entry(
        "02-icc",
        "Reproducibility of features over repeated outlines",
        "Intraclass correlation of every feature; the dashed line is the limit, hatched bars lie below it.",
        stage_panels.icc,
        "",
        _plnm,
    ),
    Entry(
        "03-lasso",
        "LASSO: coefficient paths and cross-validation",
        "Every line is a feature; the dashed line is the chosen penalty; numbers above the axes count the features "
        "that are in.",
        stage_panels.lasso,
        "Figures 4A and 5",
        _plnm,
    ),
    Entry(
        "04-radiomic-importance",
        "Importance of the selected radiomic features",
        "Length: magnitude of the LASSO coefficient of the standardised feature; the number keeps its sign.",
        stage_panels.radiomic_weights,
        "Figure 4B",
        _plnm,
    ),
    Entry(
        "05-roc-radiomics",
        "ROC curves of the classifiers on radiomic features",
        NUMBERS,
        performance_panels.roc_candidates("radiomics"),
        "Figure 6",
        _plnm,
        curves=True,
    ),
    Entry(
        "06-training-curves",
        "Training of the backbones",
        "Loss and AUC over the epochs, on the patients trained on and on the inner validation part of the training "
        "patients.",
        stage_panels.training_curves,
        "",
        _plnm,
    ),
    Entry(
        "07-roc-deep",
        "ROC curves of the backbones",
        NUMBERS,
        performance_panels.roc_candidates("deep"),
        "Figure 7",
        _plnm,
        curves=True,
    ),
    Entry(
        "08-grad-cam",
        "Where the network looked (Grad-CAM)",
        "Brighter: the region raised the predicted probability more. A heat map shows where, not why, and is no proof "
        "that the network uses the lesion.",
        stage_panels.saliency,
        "Figure 8",
        _plnm,
    ),
    Entry(
        "09-fusion-importance",
        "Importance of the fused columns",
        "Columns that recursive feature elimination kept, by branch.",
        stage_panels.fusion_weights,
        "Figures 9 and 10",
        _plnm,
    ),
    Entry(
        "10-roc-fusion",
        "ROC curves of the classifiers on fused columns",
        NUMBERS,
        performance_panels.roc_candidates("fusion"),
        "Figure 11",
        _plnm,
        curves=True,
    ),
    Entry(
        "11-nomogram",
        "The nomogram",
        "Read each predictor's points on the top ruler, add them up, and read the probability under the total.",
        stage_panels.nomogram,
        "Figure 12",
        _plnm,
    ),
    Entry(
        "11-home-and-here",
        "Calibration and net benefit of {model} at home and here",
        "Home's curves are drawn from what the bundle tells: a calibration line between the outer quantiles of the "
        "risks there, and net benefit at thresholds between which at least five patients of either outcome lie. Bands "
        "are pointwise. Net benefit also moves with the share of patients who have the event.",
        home_and_here.home_and_here,
        wanted=lambda run: run.kind == "bundle",
    ),
    Entry(
        "12-roc-models",
        "ROC curves of all models compared",
        "A ring marks sensitivity and specificity at the operating threshold.",
        performance_panels.roc_compared,
        "Figure 13",
        curves=True,
    ),
    Entry(
        "13-calibration",
        "Calibration of {model}",
        "Smoothed observed proportion with its band, and groups of patients of similar risk with intervals; below, how "
        "many patients have which risk.",
        performance_panels.calibration,
        "Figure 14",
        curves=True,
    ),
    Entry(
        "14-decision-curves",
        "Decision curves",
        "Net benefit of acting on each model's risk, against acting on everyone and on no one; the shaded range "
        "of thresholds was declared in the protocol; the grey band is pointwise and that of the reference model.",
        performance_panels.decision,
        "Figure 15",
        curves=True,
    ),
    Entry(
        "15-by-split",
        "Performance of {model} in each part of the design",
        design_panels.caption,
        design_panels.by_split,
        wanted=lambda run: run.several,
    ),
    Entry(
        "16-optimism",
        "Optimism of {model}",
        "Each dot is one estimate; its stem starts at the apparent figure, the dashed line. The bar is the interval of "
        "the corrected figure.",
        design_panels.optimism,
        wanted=lambda run: run.primary == CORRECTED,
    ),
)
