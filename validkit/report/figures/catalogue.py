"""Every figure of the report, in order, built from the records; what cannot be built says why."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from validkit.report import text
from validkit.report.figures import style
from validkit.report.figures.base import Display, Plate
from validkit.report.figures.calibration import CalibrationDisplay
from validkit.report.figures.decision import TREAT_ALL, TREAT_NONE, DecisionDisplay
from validkit.report.figures.deep import SaliencyDisplay, TrainingDisplay
from validkit.report.figures.features import CountDisplay, IccDisplay
from validkit.report.figures.nomogram import NomogramDisplay, Ruler
from validkit.report.figures.roc import RocDisplay, RocLine
from validkit.report.figures.selection import LOWERS, RAISES, LassoCvDisplay, LassoPathDisplay, WeightDisplay
from validkit.report.figures.style import Stroke
from validkit.report.records import HELD_OUT, SETS, TRAINING, NotAvailable, Record, Run, labels
from validkit.report.values import Curve, count, curve, estimate, number, numbers

Panels = list[tuple[str, Display]]
Sizes = tuple[int | None, int | None]
MOST_SALIENCY = 12
DRAWN_SETS = (TRAINING, HELD_OUT)
"""the sets that figures show side by side; cross-fitted figures are in the tables"""


def plates(run: Run) -> list[Plate]:
    """All figures in the order of the report."""
    return [_plate(run, *entry) for entry in CATALOGUE]


def _plate(run: Run, name: str, title: str, caption: str, build: Callable[[Run], Panels]) -> Plate:
    try:
        panels = build(run)
    except NotAvailable as reason:
        return Plate(name, title, caption, reason=str(reason))
    if not panels:
        return Plate(name, title, caption, reason="the records hold nothing to draw")
    return Plate(name, title, caption, tuple(panels))


# --- features and their selection --------------------------------------------------------------


def feature_counts(run: Run) -> Panels:
    """By class and by image type."""
    record = run.stage("radiomics")
    kinds = (("class", "class", record["by_class"]), ("image-type", "image type", record["by_image_type"]))
    return [(key, CountDisplay(kind, tuple(c), tuple(map(int, c.values())))) for key, kind, c in kinds if c]


def icc(run: Run) -> Panels:
    """One panel a group of repeated outlines."""
    record = run.stage("reproducibility")
    panels: Panels = []
    for key, group in record["groups"].items():
        roles = text.listed([str(role) for role in group.get("roles") or []])
        values = numbers(record["icc"].get(key))
        if len(values):
            minimum, kept = number(record["minimum"]), count(group.get("kept"))
            heading = READERS.get(key, str(key).capitalize())
            panel = IccDisplay(heading, roles, str(record["form"]), count(group.get("n")), values, minimum, kept)
            panels.append((_slug(key), panel))
    if not panels:
        raise NotAvailable("no intraclass correlation was recorded")
    return panels


def lasso(run: Run) -> Panels:
    """Coefficient path and cross-validation curve."""
    record = run.stage("selection")["lasso"]
    if record is None:
        raise NotAvailable("the protocol's selection has no LASSO step, or the LASSO was not needed")
    lambdas, chosen = numbers(record["lambdas"]), number(record["chosen"])
    if not (len(lambdas) and (lambdas > 0).all() and chosen > 0):
        raise NotAvailable("stages/selection.json holds no positive penalties")
    features = tuple(map(str, record["features"]))
    paths = np.array([numbers(path) for path in record["coefficients"]]).reshape(len(features), -1)
    if paths.shape[1] != len(lambdas):
        raise NotAvailable(f"{len(lambdas)} penalties but {paths.shape[1]} coefficients a feature were recorded")
    kept = (np.abs(paths) > 0).sum(axis=0)
    losses = {"squared": "Mean squared error", "logistic": "Logistic loss (deviance)"}
    loss = losses.get(str(record["loss"]), str(record["loss"]))
    mean, se = numbers(record["cv_mean"]), numbers(record["cv_se"])
    panels: Panels = [("path", LassoPathDisplay(lambdas, features, paths, chosen))]
    if len(mean) == len(lambdas) == len(se):
        panels.append(("cv", LassoCvDisplay(lambdas, mean, se, kept, chosen, loss, str(record["rule"]))))
    return panels


def radiomic_weights(run: Run) -> Panels:
    """Coefficients of the kept radiomic features."""
    rows = run.stage("selection")["selected"]
    if not rows:
        raise NotAvailable("no radiomic feature was kept")
    weights = numbers([r["coefficient"] for r in rows])
    if np.isnan(weights).all():
        raise NotAvailable("no coefficients were recorded; they come from a LASSO step")
    signs = tuple(RAISES if w > 0 else LOWERS for w in weights)
    names = tuple(str(r["feature"]) for r in rows)
    return [("", WeightDisplay("Kept radiomic features", "|LASSO coefficient|", names, weights, signs))]


def fusion_weights(run: Run) -> Panels:
    """Importance of the fused columns, by branch."""
    rows = run.stage("fusion")["selected"]
    if not rows:
        raise NotAvailable("no fused column was kept")
    weights = numbers([r.get("importance") for r in rows])
    if np.isnan(weights).all():
        raise NotAvailable("no importances were recorded")
    names, branches = (tuple(str(r[key]) for r in rows) for key in ("feature", "branch"))
    return [("", WeightDisplay("Kept columns", "|importance|", names, weights, branches))]


# --- the deep branch ---------------------------------------------------------------------------


def training_curves(run: Run) -> Panels:
    """One panel a backbone."""
    panels: Panels = []
    for row in run.stage("deep")["backbones"]:
        epochs = row.get("epochs") or []
        if epochs:
            at, loss, inner_loss, auc = (numbers([e.get(key) for e in epochs]) for key in EPOCH_KEYS)
            best = count(row.get("best_epoch"))
            detail = f"inner validation: {text.counts(count(row.get('inner_n')), count(row.get('inner_events')))}"
            panel = TrainingDisplay(str(row["name"]), detail, at, loss, inner_loss, auc, best)
            panels.append((_slug(row["name"]), panel))
    if not panels:
        raise NotAvailable("no epoch was trained: the backbones were used as they came")
    return panels


READERS = {"intra": "Intra-reader", "inter": "Inter-reader", "perturbed": "Randomised outlines"}
EPOCH_KEYS = ("epoch", "train_loss", "validation_loss", "validation_auc")


def saliency(run: Run) -> Panels:
    """One panel a patient."""
    rows = run.stage("deep")["saliency"]
    if not rows:
        raise NotAvailable("no heat map was asked for (model.deep.saliency = 0), or none could be made")
    arrays = run.saliency()
    if len(rows) != len(arrays.images):
        raise NotAvailable(f"{len(rows)} patients are recorded but {len(arrays.images)} heat maps were stored")
    panels: Panels = []
    for i, row in enumerate(rows[:MOST_SALIENCY]):
        outcome = run.positive if row["outcome"] == 1 else run.negative
        heat = np.nan_to_num(arrays.maps[i].astype(float))
        panel = SaliencyDisplay(
            str(row["patient"]),
            outcome,
            number(row["probability"]),
            str(row["backbone"]),
            arrays.images[i],
            heat,
            arrays.outlines[i].astype(bool),
        )
        panels.append((f"{i + 1:02d}", panel))
    return panels


# --- performance -------------------------------------------------------------------------------


def roc_of(models: Iterable[Record], strokes: dict[str, Stroke], *, mark_chosen: bool) -> Panels:
    """ROC curves of these models, one panel a set."""
    models = list(models)
    names = labels(models)
    panels: Panels = []
    for where in DRAWN_SETS:
        lines: list[RocLine] = []
        sizes: Sizes = (None, None)
        for model in models:
            scores = model["sets"].get(where)
            if scores is not None:
                sizes = (count(scores.get("n")), count(scores.get("events")))
                lines.append(_roc_line(model, names[model["name"]], scores, strokes[model["name"]], mark_chosen))
        if any(line.curve is not None for line in lines):
            panels.append((where, RocDisplay(SETS[where], *sizes, tuple(lines))))
    if not panels:
        raise NotAvailable("no ROC curve was recorded for these models")
    return panels


def _roc_line(model: Record, label: str, scores: Record, stroke: Stroke, mark_chosen: bool) -> RocLine:
    hit, correct = (estimate(scores.get(key)).value for key in ("sensitivity", "specificity"))
    point = None if np.isnan(hit) or np.isnan(correct) else (1.0 - correct, hit)
    chosen = mark_chosen and bool(model.get("chosen"))
    return RocLine(text.clean(label), stroke, estimate(scores.get("auc")), curve(scores.get("roc")), point, chosen)


def roc_candidates(family: str) -> Callable[[Run], Panels]:
    """ROC curves of the competing models of a family."""

    def build(run: Run) -> Panels:
        models = run.candidates(family)
        if not models:
            raise NotAvailable(f"evaluation.json holds no competing {family} models")
        chosen = next((str(m["name"]) for m in models if m.get("chosen")), None)
        return roc_of(models, style.strokes([str(m["name"]) for m in models], chosen), mark_chosen=True)

    return build


def roc_compared(run: Run) -> Panels:
    """ROC curves of one model a family."""
    models = run.compared()
    if not models:
        raise NotAvailable("evaluation.json holds no models")
    return roc_of(models, {m["name"]: style.FAMILY[m["family"]] for m in models}, mark_chosen=False)


def calibration(run: Run) -> Panels:
    """Calibration of the nomogram, one panel a set."""
    model = run.chosen("nomogram")
    if model is None:
        raise NotAvailable("evaluation.json holds no nomogram")
    panels: Panels = []
    for where in DRAWN_SETS:
        scores = model["sets"].get(where)
        if scores is None:
            continue
        groups = scores.get("calibration_groups") or []
        keys = ("mean_risk", "observed", "low", "high", "n")
        risks = scores.get("risks") or {}
        drawn = curve(scores.get("calibration"))
        if drawn is None and not groups:
            continue
        panel = CalibrationDisplay(
            SETS[where],
            count(scores.get("n")),
            count(scores.get("events")),
            drawn,
            np.array([[number(g.get(k)) for k in keys] for g in groups]).reshape(-1, 5),
            numbers(risks.get("edges")),
            numbers(risks.get("event")),
            numbers(risks.get("no_event")),
            estimate(scores.get("slope")),
            estimate(scores.get("calibration_in_the_large")),
            (run.positive, run.negative),
            str((scores.get("calibration") or {}).get("note") or "not recorded"),
        )
        panels.append((where, panel))
    if not panels:
        raise NotAvailable("no calibration curve and no groups of risk were recorded for the nomogram")
    return panels


def decision(run: Run) -> Panels:
    """Decision curves of one model a family, one panel a set."""
    models = run.compared()
    focus = run.evaluation.get("focus") or run.setting("evaluation.decision_curve.focus")
    strategies = run.evaluation.get("reference_strategies") or {}
    panels: Panels = []
    for where in DRAWN_SETS:
        lines: list[tuple[str, Stroke, Curve]] = []
        sizes: Sizes = (None, None)
        banded = None
        for model in models:
            scores = model["sets"].get(where) or {}
            drawn = curve(scores.get("decision"))
            if drawn is not None:
                sizes = (count(scores.get("n")), count(scores.get("events")))
                label = text.clean(model.get("label") or model["name"])
                lines.append((label, style.FAMILY[model["family"]], drawn))
                banded = label if model["family"] == "nomogram" else banded
        references = strategies.get(where) or {}
        for key, label, stroke in (("treat_all", "Treat all", TREAT_ALL), ("treat_none", "Treat none", TREAT_NONE)):
            drawn = curve(references.get(key))
            if drawn is not None and lines:
                lines.append((label, stroke, drawn))
        if lines:
            window = (number(focus[0]), number(focus[1])) if focus else None
            panels.append((where, DecisionDisplay(SETS[where], *sizes, tuple(lines), window, banded)))
    if not panels:
        raise NotAvailable("no decision curve was recorded")
    return panels


def nomogram(run: Run) -> Panels:
    """The rulers."""
    record = run.stage("nomogram")
    terms = record["terms"]
    if not terms:
        raise NotAvailable("the nomogram has no terms")
    rulers = tuple(_term_ruler(term) for term in terms)
    top = max((at for r in rulers for at, _ in r.ticks), default=100.0)
    points = Ruler("Points", tuple((float(at), f"{at:g}") for at in _steps(0.0, max(top, 1.0))), major=True)
    low, high = (number(v) for v in record["total"]["range"])
    ticks = [(number(t), f"{number(t):g}") for t in record["total"]["ticks"]]
    risks = [(number(p["points"]), f"{number(p['probability']):g}") for p in record["probability"]]
    totals = (
        Ruler("Total points", tuple(ticks), major=True),
        Ruler(f"Probability of {run.positive}", tuple(risks), major=True),
    )
    return [("", NomogramDisplay(run.positive, points, rulers, totals, (low, high)))]


def _term_ruler(term: Record) -> Ruler:
    unit = f", {term['unit']}" if term.get("unit") else ""
    ticks = tuple((number(t["points"]), str(t.get("label") or t.get("value"))) for t in term["ticks"])
    return Ruler(f"{term.get('label') or term['name']}{unit}", ticks, every=term.get("kind") != "continuous")


def _steps(low: float, high: float) -> np.ndarray:
    """Round numbers from `low` that reach over `high`, about ten of them."""
    width = next(w for w in (1, 2, 5, 10, 20, 25, 50, 100, 10 ** np.ceil(np.log10(high))) if high / w <= 10.5)
    return np.arange(low, high + 0.01 * width, width)


def _slug(name: Any) -> str:
    """A file name's part from a record's name: letters, digits and hyphens only."""
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in str(name))[:40].strip("-").lower() or "x"


NUMBERS = "A ring marks sensitivity and specificity at the threshold chosen on training patients."
CATALOGUE: tuple[tuple[str, str, str, Callable[[Run], Panels]], ...] = (
    (
        "01-feature-counts",
        "Radiomic features by class and image type",
        "How many features of each kind were extracted from every patient (counterpart of the paper's Figure 3).",
        feature_counts,
    ),
    (
        "02-icc",
        "Reproducibility of features over repeated outlines",
        "Intraclass correlation of every feature; the dashed line is the limit, hatched bars lie below it.",
        icc,
    ),
    (
        "03-lasso",
        "LASSO: coefficient paths and cross-validation",
        "Every line is a feature; the dashed line is the chosen penalty; numbers above the axes count the features "
        "that are in (counterpart of Figures 4A and 5).",
        lasso,
    ),
    (
        "04-radiomic-importance",
        "Importance of the selected radiomic features",
        "Length: magnitude of the LASSO coefficient of the standardised feature; the number keeps its sign "
        "(counterpart of Figure 4B).",
        radiomic_weights,
    ),
    (
        "05-roc-radiomics",
        "ROC curves of the classifiers on radiomic features",
        f"{NUMBERS} Counterpart of Figure 6.",
        roc_candidates("radiomics"),
    ),
    (
        "06-training-curves",
        "Training of the backbones",
        "Loss and AUC over the epochs, on the patients trained on and on the inner validation part of the training "
        "patients.",
        training_curves,
    ),
    (
        "07-roc-deep",
        "ROC curves of the backbones",
        f"{NUMBERS} Counterpart of Figure 7.",
        roc_candidates("deep"),
    ),
    (
        "08-grad-cam",
        "Where the network looked (Grad-CAM)",
        "Brighter: the region raised the predicted probability more. A heat map shows where, not why, and is no proof "
        "that the network uses the lesion (counterpart of Figure 8).",
        saliency,
    ),
    (
        "09-fusion-importance",
        "Importance of the fused columns",
        "Columns that recursive feature elimination kept, by branch (counterpart of Figures 9 and 10).",
        fusion_weights,
    ),
    (
        "10-roc-fusion",
        "ROC curves of the classifiers on fused columns",
        f"{NUMBERS} Counterpart of Figure 11.",
        roc_candidates("fusion"),
    ),
    (
        "11-nomogram",
        "The nomogram",
        "Read each predictor's points on the top ruler, add them up, and read the probability under the total "
        "(counterpart of Figure 12).",
        nomogram,
    ),
    (
        "12-roc-models",
        "ROC curves of all models compared",
        f"{NUMBERS} Counterpart of Figure 13.",
        roc_compared,
    ),
    (
        "13-calibration",
        "Calibration of the nomogram",
        "Smoothed observed proportion with its band, and groups of patients of similar risk with intervals; below, how "
        "many patients have which risk (counterpart of Figure 14).",
        calibration,
    ),
    (
        "14-decision-curves",
        "Decision curves",
        "Net benefit of acting on each model's risk, against acting on everyone and on no one; the shaded range "
        "of thresholds was declared in the protocol; the grey band is pointwise and the nomogram's (counterpart of "
        "Figure 15).",
        decision,
    ),
)
